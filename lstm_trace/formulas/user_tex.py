"""The small part of TeX in which an author may write a symbol: letters, Greek, accents, words, indices, powers.

Anything more is not understood, so that no file can bring a command of its own into a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(
    r"\\(?P<word>[A-Za-z]+)|(?P<letter>[A-Za-z])|(?P<digit>\d)|(?P<mark>[_^{}])|(?P<sign>[-+*',()])|(?P<space>\s+)"
)
ACCENTS = frozenset({"tilde", "hat", "bar", "dot", "vec"})
#: Commands that set a word, with how it stands.
WORDS = {
    **{"mathrm": "upright", "text": "upright", "operatorname": "upright", "mathbf": "bold", "boldsymbol": "bold"},
    **{"mathit": "italic", "mathtt": "mono"},
}
#: Commands that are another's in a wider form.
_WIDE = {"widetilde": "tilde", "widehat": "hat", "overline": "bar"}
_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell"
)
GREEK = dict(zip(_NAMES.split(), "αβγδϵζηθικλμνξπρστϕχψωΓΔΘΛΞΠΣΦΨΩℓ", strict=True))

Token = tuple[str, str]


class Format(NamedTuple):
    """How a format writes the parts: an accent over a body, a word, a base with its indices, a single character (or the
    name of a Greek one), a body in braces, parts in a row.
    """

    accent: Callable[[str, str], str]
    word: Callable[[str, str], str]
    scripts: Callable[[str, str, str], str]
    letter: Callable[[str], str]
    group: Callable[[str], str] = lambda body: body
    row: Callable[[list[str]], str] = "".join


def translated(tex: str, format: Format) -> str | None:
    """A symbol in another format; None where the TeX is more than is understood."""
    tokens: list[Token] = []
    at = 0
    while at < len(tex):
        match = _TOKEN.match(tex, at)
        if match is None:
            return None
        at = match.end()
        if match.lastgroup:
            tokens.append((match.lastgroup, match[match.lastgroup]))
    try:
        body, rest = _row(tokens, 0, format, 0)
    except (IndexError, KeyError, ValueError):
        return None
    return body if body and rest == len(tokens) else None


#: What is understood stands as it is.
TEX = Format(
    accent=lambda name, body: rf"\{name}{{{body}}}",
    word=lambda name, text: rf"\{name}{{{text}}}",
    scripts=lambda base, sub, sup: base + (f"_{{{sub}}}" if sub else "") + (f"^{{{sup}}}" if sup else ""),
    letter=lambda c: c if c not in GREEK else rf"\{c} ",
    group=lambda body: f"{{{body}}}",
)


def _next(tokens: list[Token], at: int) -> int:
    """The next token that is no space."""
    while at < len(tokens) and tokens[at][0] == "space":
        at += 1
    return at


def _row(tokens: list[Token], at: int, format: Format, depth: int) -> tuple[str, int]:
    """Atoms with their indices, up to a closing brace or the end."""
    if depth > 8:
        raise KeyError(depth)
    parts: list[str] = []
    while (at := _next(tokens, at)) < len(tokens) and tokens[at] != ("mark", "}"):
        base, at = _atom(tokens, at, format, depth)
        scripts = {"_": "", "^": ""}
        while (at := _next(tokens, at)) < len(tokens) and tokens[at] in (("mark", "_"), ("mark", "^")):
            mark = tokens[at][1]
            if scripts[mark]:
                raise KeyError(mark)
            scripts[mark], at = _atom(tokens, at + 1, format, depth, scripted=True)
        parts.append(base if not any(scripts.values()) else format.scripts(base, scripts["_"], scripts["^"]))
    return format.row(parts) if parts else "", at


def _atom(tokens: list[Token], at: int, format: Format, depth: int, scripted: bool = False) -> tuple[str, int]:
    at = _next(tokens, at)
    kind, text = tokens[at]
    text = _WIDE.get(text, text) if kind == "word" else text
    if (kind, text) == ("mark", "{"):
        body, at = _row(tokens, at + 1, format, depth + 1)
        if tokens[at] != ("mark", "}"):
            raise KeyError(text)
        return body if scripted else format.group(body), at + 1
    if kind == "mark":
        raise KeyError(text)
    if kind == "word" and text in ACCENTS:
        body, at = _atom(tokens, at + 1, format, depth + 1, scripted=True)
        return format.accent(text, body), at
    if kind == "word" and text in WORDS:
        if tokens[at + 1] != ("mark", "{"):
            raise KeyError(text)
        end = tokens.index(("mark", "}"), at)
        inner = tokens[at + 2 : end]
        if any(k not in ("letter", "digit", "space") for k, _ in inner):
            raise KeyError(text)
        return format.word(text, "".join(" " if k == "space" else t for k, t in inner)), end + 1
    if kind == "word" and text not in GREEK:
        raise KeyError(text)
    return format.letter(text), at + 1
