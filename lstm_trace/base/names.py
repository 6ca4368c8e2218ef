"""The names that a module of JavaScript declares, and shorter ones for them; no parser: it relies on our style."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

#: A token after what stands before it, as `compact.tokens` finds them.
Tokens = Sequence[tuple[str, str]]

#: What browsers have under lower-case names, which a variable may have too.
_BROWSER = re.compile(
    "alert|arguments|atob|blur|btoa|caches|chrome|close|closed|confirm|console|crypto|document|escape|eval|event|external"
    "|fetch|find|focus|frames|global|history|length|location|menubar|name|navigation|navigator|open|opener|origin|parent"
    "|performance|personalbar|print|process|prompt|require|scheduler|screen|scroll|scrollbars|self|status|statusbar|stop"
    "|toolbar|top|undefined|unescape|window"
)
_VARIABLE = re.compile(r"[a-z][a-z0-9_]{2,}")
_DECLARING = frozenset(["const", "let", "var", "function", "class"])
_NAME = re.compile(r"[^\W\d][\w$]*")
#: What a block follows; other braces are of an object or a pattern.
_BEFORE_BLOCK = frozenset([")", ";", "{", "}", "", "else", "try", "finally", "do"])
_BEFORE_METHOD = ("{", "}", ";", "static", "async", "get", "set")


def statements(found: Tokens) -> Iterator[Tokens]:
    """The statements of the module itself: a function or class ends with its bracket, the others with a semicolon."""
    start = 0
    for at, (around, (_, text)) in enumerate(zip(_around(found), found, strict=True)):
        if not around and (text == ";" or (text == "}" and _kind(found[start:]) in ("function", "class"))):
            yield found[start : at + 1]
            start = at + 1
    if start < len(found):
        yield found[start:]


def is_declaration(statement: Tokens) -> bool:
    """Whether a statement only gives something a name, as those of ours do: no value is computed for another effect.

    What takes a value apart, as `const { a } = b;` does, counts as an effect: not all of its names may be known.
    """
    kind, texts = _kind(statement), [text for _, text in statement]
    apart = any(
        not around and text in ("[", "{") and before in ("const", "let", ",")
        for before, around, text in zip(texts, [*_around(statement)][1:], texts[1:], strict=False)
    )
    return kind in ("function", "class") or (kind in ("const", "let") and not apart)


def _kind(statement: Tokens) -> str:
    return next((text for _, text in statement[:3] if text not in ("export", "async")), "")


def declared(found: Tokens) -> Iterator[tuple[str, bool]]:
    """The names of functions, classes, constants and variables of the module itself, and whether it exports them."""
    texts, around = [text for _, text in found], list(_around(found))
    variables = exported = False
    for at, text in enumerate(texts):
        depth, before, after = len(around[at]), *(texts[k] if 0 <= k < len(texts) else "" for k in (at - 1, at + 1))
        if not depth and text in ("const", "let", "var", ";"):
            variables, exported = text != ";", before == "export"
        elif _NAME.fullmatch(text) and text != "export":
            first = before in _DECLARING or (before == "*" and texts[at - 2] == "function")
            further = variables and before == "," and after in ("=", ",", ";")
            within = variables and depth == 1 and after != ":" and _in_pattern(texts, around, at)
            if within or (not depth and (first or further)):
                yield text, exported if variables else "export" in texts[max(at - 4, 0) : at]


def variables(found: Tokens) -> set[str]:
    """The constants and variables of functions, but for those that may be mistaken for one of the browser."""
    own = {
        text for (_, before), (_, text) in pairwise(found) if before in ("const", "let") and _VARIABLE.fullmatch(text)
    }
    return {name for name in own if not _BROWSER.fullmatch(name)}


def _in_pattern(texts: Sequence[str], around: Sequence[str], at: int) -> bool:
    """Whether a token stands in the brackets of `const { … } =` or `const [ … ] =`."""
    start = next(k for k in range(at, -1, -1) if not around[k])
    return texts[start - 1] in ("const", "let", "var") and texts[at - 1] in ("{", "[", ",", ":")


def renamed(found: Tokens, names: Mapping[str, str]) -> list[tuple[str, str]]:
    """The tokens with other names, wherever they stand, but for those of properties and methods: `{ a }` is `{ a: b }`.

    A name is another one in the whole module, in functions that have a variable of this name too, so that it always
    means what it meant.
    """
    around = list(_around(found))
    made = []
    for at, (blank, text) in enumerate(found):
        if text in names:
            inside = around[at][-1:]
            before, after = (found[k][1] if 0 <= k < len(found) else "" for k in (at - 1, at + 1))
            listed = inside == "o" and before in ("{", ",")
            dotted = before == "#" or (before == "." and (at < 3 or found[at - 2][1] != "."))
            start = found[at - 2][1] if before == "*" else before  # of a generator
            method = after == "(" and (listed or (inside in ("o", "c") and start in _BEFORE_METHOD))
            field = inside == "c" and before in _BEFORE_METHOD and after in ("=", ";")
            if not (dotted or method or field or (listed and after == ":")):
                text = f"{text}:{names[text]}" if listed and after in (",", "}", "=") else names[text]
        made.append((blank, text))
    return made


def _around(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The brackets around each token, innermost last: `(`, `[`, or b, c, o, t for a block, class, object, template."""
    opened, last, before = "", "", ""
    of_class = of_case = False
    for _, text in found:
        if text[0] == "}" or text in (")", "]"):
            opened = opened[:-1]
        yield opened
        if text == "{":
            block = last in _BEFORE_BLOCK or (before, last) in (("=", ">"), ("case", ":"))
            opened += "c" if of_class else "b" if block else "o"
            of_class = False
        elif text in ("(", "["):
            opened += text
        elif text.endswith("${"):
            opened += "t"
        elif text == "class" and last != ".":
            of_class = True
        elif text == "case" and opened[-1:] == "b":
            of_case = True
        before, last = last, text
        if text == ":":
            of_class = of_class and before != "class"
            before, of_case = "case" if of_case or (before == "default" and opened[-1:] == "b") else before, False


def short_names(sign: str) -> Iterator[str]:
    """Names that nothing else has, with a sign before them: $0, $1, … $z, $10, …"""
    signs = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    ends = [""]
    while True:
        ends = [one + end for one in signs for end in ends]
        yield from (sign + end for end in ends)
