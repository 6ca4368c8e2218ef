"""The small part of TeX in which an author may write a symbol: letters, Greek, accents, words, indices, powers.

Anything more is not understood, so that no file can bring a command of its own into a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

_TOKEN = re.compile(r"\\(?P<word>[A-Za-z]+)|(?P<letter>[A-Za-z])|(?P<digit>\d)|(?P<mark>[_^{}])|(?P<sign>[-+',()])|\s+")
ACCENTS = frozenset({"tilde", "hat", "bar", "dot", "vec"})
#: Commands that set a word, with how it stands.
WORDS = {"mathrm": "upright", "text": "upright", "mathbf": "bold", "mathit": "italic", "mathtt": "mono"}
_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau phi chi psi omega "
    "Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell"
)
GREEK = dict(zip(_NAMES.split(), "αβγδϵζηθικλμνξπρστϕχψωΓΔΘΛΞΠΣΦΨΩℓ", strict=True))

Token = tuple[str, str]


class Format(NamedTuple):
    """How a format writes the parts: an accent over a body, a word, a base with its indices, a single character."""

    accent: Callable[[str, str], str]
    word: Callable[[str, str], str]
    scripts: Callable[[str, str, str], str]
    group: Callable[[str], str]
    letter: Callable[[str], str]


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
    group=lambda body: f"{{{body}}}",
    letter=lambda c: c if c not in GREEK else rf"\{c} ",
)


def _row(tokens: list[Token], at: int, format: Format, depth: int) -> tuple[str, int]:
    """Atoms with their indices, up to a closing brace or the end."""
    if depth > 8:
        raise KeyError(depth)
    found = ""
    while at < len(tokens) and tokens[at] != ("mark", "}"):
        base, at = _atom(tokens, at, format, depth)
        scripts = {"_": "", "^": ""}
        while at < len(tokens) and tokens[at] in (("mark", "_"), ("mark", "^")):
            mark = tokens[at][1]
            if scripts[mark]:
                raise KeyError(mark)
            scripts[mark], at = _atom(tokens, at + 1, format, depth, scripted=True)
        found += base if not any(scripts.values()) else format.scripts(base, scripts["_"], scripts["^"])
    return found, at


def _atom(tokens: list[Token], at: int, format: Format, depth: int, scripted: bool = False) -> tuple[str, int]:
    kind, text = tokens[at]
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
        if any(k not in ("letter", "digit") for k, _ in inner):
            raise KeyError(text)
        return format.word(text, "".join(t for _, t in inner)), end + 1
    if kind == "word" and text not in GREEK:
        raise KeyError(text)
    return format.letter(text), at + 1
