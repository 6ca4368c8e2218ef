"""Scripts without comments and blanks that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_TOKEN = re.compile(
    r"""(?P<blank>\s+)|(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)"""
    r"""|(?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(?P<word>[\w$]+)|(?P<tick>`)|(?P<slash>/)|(?P<sign>.)""",
    re.S,
)
_PATTERN = re.compile(r"/(?:[^\\/\[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+/\w*")
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.S)
#: What a pattern may follow; after a name, a number or a closing bracket a slash divides.
_BEFORE_PATTERN = re.compile(r"([(,=:\[!&|?{};+\-*%~^<>\n]|^|\b(return|typeof|case|in|of|void|throw|await|yield))$")


def compact(script: str) -> str:
    """The script without comments, and without blanks but those between words, signs that would join, and lines.

    Raises ValueError for a template or text without an end.

    >>> compact("const a = 1 - -b; // one\\nconst c = `${ a } d` + 'e  f';")
    "const a=1- -b;const c=`${a} d`+'e  f';"
    """
    return joined(tokens(script))


def tokens(script: str) -> list[tuple[str, str]]:
    """Words, signs, texts, patterns, and parts of templates, which begin and end with a backquote, `${` or `}`.

    Each after the blanks and comments before it, of which only a line's end and a blank are left.
    Raises ValueError for a template without an end.
    """
    return list(_tokens(script))


def _tokens(script: str) -> Iterator[tuple[str, str]]:
    at, blank, last = 0, "", ""
    depths: list[int] = []  # for each template that is open: the braces within its expression
    while at < len(script):
        found = _TOKEN.match(script, at)
        assert found is not None  # a sign is any character
        kind, text = found.lastgroup, found[0]
        if kind in ("blank", "comment"):
            blank += text if kind == "blank" or "\n" in text else " "
            at = found.end()
            continue
        ends = text == "}" and depths and not depths[-1]
        if kind == "tick" or ends:
            if ends:
                depths.pop()
            text = text + _template(script, at + 1)
            last = "{" if text.endswith("${") else "`"
            if last == "{":
                depths.append(0)
        else:
            if kind == "slash" and _BEFORE_PATTERN.search(last) and (pattern := _PATTERN.match(script, at)):
                text = pattern[0]
            if depths and text in "{}":
                depths[-1] += 1 if text == "{" else -1
            last = text
        yield blank, text
        at, blank = at + len(text), ""
    if depths:
        raise ValueError("a template in the script has no end")


def _template(script: str, at: int) -> str:
    """A part of a template: up to its end, or to its next expression."""
    found = _TEMPLATE.match(script, at)
    assert found is not None  # it may be empty
    end = "${" if script.startswith("${", found.end()) else script[found.end() : found.end() + 1]
    if not end:
        raise ValueError("a template in the script has no end")
    return found[0] + end


def joined(found: Iterable[tuple[str, str]]) -> str:
    """The tokens as a script, with the blanks that mean something."""
    parts: list[str] = []
    last = ""
    for blank, text in found:
        if blank and last:
            one, two = last[-1], text[0]
            words = all(sign.isalnum() or sign in "_$" for sign in (one, two))
            if "\n" in blank and one not in ";,{([" and two not in "}])":
                parts.append("\n")  # it may end a statement
            elif words or (one == two and one in "+-/"):
                parts.append(" ")
        parts.append(text)
        last = text
    return "".join(parts)
