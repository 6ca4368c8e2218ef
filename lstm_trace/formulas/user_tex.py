"""The small part of TeX in which an author may write a symbol: letters, Greek, accents, words, indices, powers.

Anything more is not understood, so that no file can bring a command of its own into a document. Each format writes
what was read with the pieces of its record (`printer.Format`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .printer import Format

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
#: So many braces and accents may stand in each other.
DEEPEST = 8

_TOKEN = re.compile(
    rf"(?:\\(?P<set>{'|'.join(WORDS)})\{{(?P<word>[A-Za-z\d\s]*)\}}"
    r"|\\(?P<command>[A-Za-z]+)|(?P<mark>[_^{}])|(?P<sign>[A-Za-z\d+*',()-]))\s*"
)
Tokens = list[re.Match[str]]  # the next one is the last


def translated(tex: str, format: Format) -> str | None:
    """A symbol in another format; None where the TeX is more than is understood."""
    tex = tex.strip()
    if _TOKEN.sub("", tex):
        return None
    tokens = [*_TOKEN.finditer(tex)][::-1]
    try:
        body = _row(tokens, format, 0)
    except ValueError:
        return None
    return body if body and not tokens else None


def _row(tokens: Tokens, format: Format, depth: int) -> str:
    """Atoms with their indices, up to a closing brace or the end."""
    parts: list[str] = []
    while tokens and tokens[-1]["mark"] != "}":
        base = _atom(tokens, format, depth)
        scripts = {"_": "", "^": ""}
        while tokens and (mark := tokens[-1]["mark"]) in scripts:
            if scripts[mark]:
                raise ValueError(mark)
            tokens.pop()
            scripts[mark] = _atom(tokens, format, depth, scripted=True)
        parts.append(format.scripts(base, scripts["_"], scripts["^"]) if any(scripts.values()) else base)
    return format.joined(parts)


def _atom(tokens: Tokens, format: Format, depth: int, scripted: bool = False) -> str:
    if not tokens or depth > DEEPEST:
        raise ValueError(depth)
    token = tokens.pop()
    command = _WIDE.get(token["command"], token["command"])
    if token["set"]:
        return format.word(token["set"], re.sub(r"\s+", " ", token["word"]))
    if token["mark"] == "{":
        body = _row(tokens, format, depth + 1)
        if not tokens:
            raise ValueError("{")
        tokens.pop()
        return body if scripted else format.group(body)
    if command in ACCENTS:
        return format.accent(command, _atom(tokens, format, depth + 1, scripted=True))
    if token["mark"] or (command and command not in GREEK):
        raise ValueError(token[0])
    return format.letter(command or token["sign"])
