"""The small part of TeX that an author may use in a symbol: letters, Greek, accents, words, indices, powers, signs.

Anything else is not understood, so that no file can bring a command of its own into a document. Each format writes the
parsed symbol with the pieces of its record (`printer.Format`). Letters and signs may also be typed as characters:
`ŷ_t` is `\\hat{y}_t`, and `a^{<t>}` is `a^{\\langle t \\rangle}`.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .printer import Format

#: Accents, each with the combining mark that in text follows the letter.
_ACCENTS = "tilde hat bar dot vec overleftarrow"
ACCENTS = dict(zip(_ACCENTS.split(), "\u0303\u0302\u0304\u0307\u20d7\u20d6", strict=True))
#: Commands that typeset a word, with its style.
WORDS = {
    **{"mathrm": "upright", "text": "upright", "operatorname": "upright", "mathbf": "bold", "mathit": "italic"},
    **{"boldsymbol": "bold italic", "mathtt": "mono", "mathcal": "script"},
}
#: Commands that are wider or renamed forms of others.
_SAME = {
    "widetilde": "tilde", "widehat": "hat", "overline": "bar", "overrightarrow": "vec", "star": "ast",
    "bm": "boldsymbol",
}  # fmt: skip
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
GREEK = dict(zip(_GREEK.split(), "αβγδϵεζηθϑικλμνξπρστυϕφχψωΓΔΘΛΞΠΣΥΦΨΩℓ", strict=True))
_SIGNS = "prime ast dagger circ top odot oplus cdot times partial nabla infty langle rangle leftarrow rightarrow"
SIGNS = dict(zip(_SIGNS.split(), "′∗†∘⊤⊙⊕·×∂∇∞⟨⟩←→", strict=True))
#: Letters and signs by their commands.
NAMED = GREEK | SIGNS
_COMMANDS = {c: name for name, c in NAMED.items()} | {"*": "ast", "<": "langle", ">": "rangle", "−": "-"}
#: A combining mark to its accent.
MARKS = {mark: name for name, mark in ACCENTS.items()}
#: Maximum nesting of braces and accents.
DEEPEST = 8

_TOKEN = re.compile(
    rf"(?:\\(?P<set>{'|'.join(WORDS)})\{{(?P<word>[A-Za-z\d\s]*)\}}|\\(?P<command>[A-Za-z]+)|(?P<mark>[_^{{}}])"
    rf"|(?P<sign>[A-Za-z\d+,:;|/.()[\]-]|[{''.join(_COMMANDS)}])(?P<over>[{''.join(MARKS)}]?))"
)
#: Commands that only change spaces and sizes.
_SPACE = re.compile(r"\\(?:[,;:! ]|(?:left|right)(?![A-Za-z]))|[\s~]")
Tokens = list[re.Match[str]]  # the next one is the last


def translated(tex: str, format: Format) -> str | None:
    """A symbol in another format; None if the TeX goes beyond what is understood."""
    tex = unicodedata.normalize("NFD", tex)
    tex = re.sub("['′]+", lambda primes: "^{" + r"\prime " * len(primes[0]) + "}", tex)
    tokens: Tokens = []
    at = 0
    while at < len(tex):
        found = _SPACE.match(tex, at) or _TOKEN.match(tex, at)
        if found is None:
            return None
        tokens += [found] if found.re is _TOKEN else []
        at = found.end()
    tokens.reverse()
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
    command = _SAME.get(token["command"], token["command"])
    if token["set"]:
        return _word(format, token["set"], re.sub(r"\s+", " ", token["word"]))
    if token["mark"] == "{":
        body = _row(tokens, format, depth + 1)
        if not tokens:
            raise ValueError("{")
        tokens.pop()
        return body if scripted else format.group(body)
    if command in ACCENTS:
        return format.accent(command, _atom(tokens, format, depth + 1, scripted=True))
    if command in WORDS:  # letter by letter, as in \boldsymbol{\alpha}
        styled = replace(format, letter=lambda c: _letter(format, command, c))
        return _atom(tokens, styled, depth + 1, scripted=True)
    if token["mark"] or (command and command not in NAMED):
        raise ValueError(token[0])
    letter = format.letter(command or _COMMANDS.get(token["sign"], token["sign"]))
    return format.accent(MARKS[token["over"]], letter) if token["over"] else letter


def _letter(format: Format, command: str, c: str) -> str:
    """A letter in a style; a sign or a Greek letter only in bold: in words TeX has none of them."""
    if "bold" not in WORDS[command] and not (len(c) == 1 and c.isascii() and c.isalnum()):
        raise ValueError(c)
    return _word(format, command, NAMED.get(c, c))


def _word(format: Format, command: str, text: str) -> str:
    if WORDS[command] == "script" and not re.fullmatch("[A-Z]+", text):
        raise ValueError(text)
    return format.word(command, text)


def script(text: str) -> str:
    """Capital letters as script letters, which are separate characters.

    >>> script("LA")
    'ℒ𝒜'
    """
    old = {"B": "ℬ", "E": "ℰ", "F": "ℱ", "H": "ℋ", "I": "ℐ", "L": "ℒ", "M": "ℳ", "R": "ℛ"}
    return "".join(old.get(c) or chr(ord("𝒜") + ord(c) - ord("A")) for c in text)
