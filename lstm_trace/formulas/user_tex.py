"""The small part of TeX that an author may use: in a symbol letters, Greek, accents, words, indices, powers, signs; in
a formula of a title or a note also our own names (`h_t`, `W_xi`, `c_tilde`), numbers, functions, fractions and roots.

Anything else is not understood, so that no file can bring a command of its own into a document. Each format writes the
parsed symbol with the pieces of its record (`printer.Format`). Letters and signs may also be typed as characters:
`ŷ_t` is `\\hat{y}_t`, and `a^{<t>}` is `a^{\\langle t \\rangle}`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..base.packaged import packaged

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
_SAME: dict[str, str] = packaged("formulas/tables.toml")["same"]
_GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma tau "
    "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell"
)
GREEK = dict(zip(_GREEK.split(), "αβγδϵεζηθϑικλμνξπρστυϕφχψωΓΔΘΛΞΠΣΥΦΨΩℓ", strict=True))
#: Signs between two parts, which in text have spaces around them.
_BETWEEN = "odot oplus cdot times leftarrow rightarrow lt gt le ge ne approx in pm eq"
_SIGNS = f"prime ast dagger circ top partial nabla infty langle rangle sum ldots reals {_BETWEEN}"
SIGNS = dict(zip(_SIGNS.split(), "′∗†∘⊤∂∇∞⟨⟩∑…ℝ⊙⊕·×←→<>≤≥≠≈∈±=", strict=True))
#: Letters and signs by their commands.
NAMED = GREEK | SIGNS
_TYPED = {"*": "ast", "<": "langle", ">": "rangle", "−": "-"}
_COMMANDS = {c: name for name, c in NAMED.items()} | _TYPED
_BINARY = {*_BETWEEN.split(), "+", "-"}
#: Signs before and after which a space means nothing.
_NO_SPACE_BEFORE = {*_BINARY, *")],;/", "rangle"}
_NO_SPACE_AFTER = {*_BINARY, *"([/", "langle", "partial", "nabla"}
#: A combining mark to its accent.
MARKS = {mark: name for name, mark in ACCENTS.items()}
#: Maximum nesting of braces and accents; maximum length of a formula.
DEEPEST, LONGEST = 8, 300

_TOKEN = re.compile(
    rf"(?:\\(?P<set>{'|'.join(WORDS)})\{{(?P<word>[A-Za-z0-9\s]*)\}}|\\(?P<command>[A-Za-z]+)|(?P<mark>[_^{{}}])"
    rf"|(?P<sign>[A-Za-z0-9+,:;|/.()[\]-]|[{''.join(_COMMANDS)}])(?P<over>[{''.join(MARKS)}]?))"
)
#: Commands that only change spaces and sizes.
_SPACE = re.compile(r"\\(?:[,;:! ]|(?:left|right)(?![A-Za-z]))|[\s~]")
#: A token of a formula: also a space, one of our names or a word, and a number.
_IN_FORMULA = re.compile(
    r"(?P<space>(?:[\s~]|\\[,;:! ])+)"
    rf"|(?P<name>(?:[A-Za-z]{{3,}}|[A-Za-z](?![A-Za-z{''.join(MARKS)}]))[0-9]*(?:_[A-Za-z0-9]+)*|[0-9]+(?:(?:\.|\{{,\}})[0-9]+)?)"
    rf"|{_TOKEN.pattern}"
)
#: A formula in a text, between dollars that touch it and are no prices: `$5 and $10` has none.
_DOLLARS = re.compile(r"(?<![\\$0-9])\$(?=\S)((?:[^$\\]|\\.)+?)(?<=\S)\$(?![0-9$])", re.S)
#: Commands of functions, by their names in equations.
_FUNCTIONS = {"ln": "log", "log": "log*", **{name: name for name in ("tanh", "exp", "sin", "cos", "max", "min")}}
#: Fractions that are characters.
_VULGAR = {"½": "12", "⅓": "13", "⅔": "23", "¼": "14", "¾": "34"}

_PRIMES: Any = "['′]+", lambda marks: "^{" + r"\prime " * len(marks[0]) + "}"
#: Different ways to write the same, and the one that is read: names, indices, accents, fractions, signs.
_SIMPLER: Any = (
    (r"\\(?:left|right)(?![A-Za-z])", ""), (r"\s*([_^])\s*", r"\1"), (r"([A-Za-z])_\{([A-Za-z0-9]+)\}", r"\1_\2"),
    (rf"\\({'|'.join((*ACCENTS, 'widetilde', 'widehat', 'overline'))})\s+(\w)", r"\\\1{\2}"),
    (r"\\tilde\{(\w)\}_t(?![A-Za-z0-9])", r"\1_tilde"), (r"\\frac([0-9])([0-9])", r"\\frac{\1}{\2}"),
    (r"\\mathbb\{R\}", "ℝ"), (" @ ", " "), (r" \* ", r" \\odot "), (r"<(\w+)>", r"\\langle \1\\rangle "),
    ("<", r"\\lt "), (">", r"\\gt "), _PRIMES, *((c, rf"\\frac{{{d[0]}}}{{{d[1]}}}") for c, d in _VULGAR.items()),
)  # fmt: skip
#: What a formula may have, for messages.
ALLOWED = (
    r"names (h_t, W_xi, c_tilde), numbers, Greek letters, accents (\hat y), words (\text{loss}), _ and ^, signs "
    r"(+ - = / ( ) [ ] \cdot \odot \le \in \sum \partial \top …), \frac, \sqrt, and functions (\tanh, \exp, \ln)"
)
Tokens = list[dict[str, Any]]  # the next one is the last


def translated(tex: str, format: Format) -> str | None:
    """A symbol in another format; None if the TeX goes beyond what is understood."""
    try:
        return _printed(_simpler(tex, _PRIMES), format, _SPACE, _TOKEN)
    except ValueError:
        return None


def _simpler(tex: str, *ways: Any) -> str:
    tex = "".join(c if c in _COMMANDS else unicodedata.normalize("NFD", c) for c in tex)  # an accent by itself
    for old, new in ways:
        tex = re.sub(old, new, tex)
    return tex


def _printed(tex: str, format: Format, *patterns: re.Pattern[str]) -> str:
    """TeX in a format, read as tokens that match one of the patterns. Raises ValueError: at which part it fails."""
    tokens: Tokens = []
    at = 0
    while at < len(tex):
        found = next(filter(None, (pattern.match(tex, at) for pattern in patterns)), None)
        if found is None:
            raise ValueError(tex[at])
        tokens += [found.groupdict()] if found.re is not _SPACE else []
        at = found.end()
    tokens.reverse()
    body = _row(tokens, format, 0)
    if tokens or not body:
        raise ValueError("}" if tokens else "the end")
    return body


def _row(tokens: Tokens, format: Format, depth: int) -> str:
    """Atoms with their indices, up to a closing brace or the end."""
    parts: list[str] = []
    last = ""
    while tokens and tokens[-1]["mark"] != "}":
        if tokens[-1].get("space"):
            tokens.pop()
            after = last in _NO_SPACE_AFTER or (last in (",", ";") and not format.slash)  # markup has a space there
            if parts and tokens and not (after or tokens[-1]["mark"] == "}" or _sign(tokens[-1]) in _NO_SPACE_BEFORE):
                parts.append(format.space)
            continue
        before, last = last, _sign(tokens[-1])
        base = _atom(tokens, format, depth)
        if last == "frac" and format.slash and "/" in base and (before == "/" or _goes_on(tokens)):
            base = f"({base})"
        scripts = {"_": "", "^": ""}
        while tokens and (mark := tokens[-1]["mark"]) in scripts:
            if scripts[mark]:
                raise ValueError(mark)
            tokens.pop()
            scripts[mark] = _atom(tokens, format, depth, scripted=True)
        parts.append(format.scripts(base, scripts["_"], scripts["^"]) if any(scripts.values()) else base)
    return format.joined(parts)


def _goes_on(tokens: Tokens) -> bool:
    """Whether an index, a power or a factor is next."""
    after = next((token for token in reversed(tokens) if not token.get("space")), None)
    return after is not None and after["mark"] != "}" and _sign(after) not in {*_NO_SPACE_BEFORE, ".", ":"}


def _atom(tokens: Tokens, format: Format, depth: int, scripted: bool = False) -> str:
    while tokens and tokens[-1].get("space"):
        tokens.pop()
    if not tokens or depth > DEEPEST:
        raise ValueError(f"the brace inside {DEEPEST} others" if tokens else "the end")
    token = tokens.pop()
    command = _SAME.get(token["command"], token["command"])
    if token["set"]:
        return _word(format, token["set"], re.sub(r"\s+", " ", token["word"]))
    if token["mark"] == "{":
        body = _row(tokens, format, depth + 1)
        if not tokens:
            raise ValueError("the end")
        tokens.pop()
        return body if scripted else format.group(body)
    if token.get("name") or ("name" in token and command in _FUNCTIONS):
        return format.name(token["name"] or _FUNCTIONS[str(command)])
    if "name" in token and command in ("frac", "sqrt"):
        parts = [_atom(tokens, format, depth + 1, scripted=True) for _ in range(2 if command == "frac" else 1)]
        return (format.fraction if command == "frac" else format.enclosed[command])(*parts)
    if command in ACCENTS:
        return format.accent(command, _atom(tokens, format, depth + 1, scripted=True))
    if command in WORDS:  # letter by letter, as in \boldsymbol{\alpha}
        styled = replace(format, letter=lambda c: _letter(format, command, c))
        return _atom(tokens, styled, depth + 1, scripted=True)
    if token["mark"] or (command and command not in NAMED):
        raise ValueError(token["mark"] or f"\\{command}")
    letter = format.letter(_sign(token))
    return format.accent(MARKS[token["over"]], letter) if token["over"] else letter


def _sign(token: dict[str, Any]) -> str:
    """The name of a letter or sign, as a format's `letter` reads it; empty for anything else."""
    command = _SAME.get(token["command"], token["command"])
    return str(command or _COMMANDS.get(token["sign"], token["sign"]) or "")


def _letter(format: Format, command: str, c: str) -> str:
    """A letter in a style; a sign or a Greek letter only in bold: in words TeX has none of them."""
    if "bold" not in WORDS[command] and not (len(c) == 1 and c.isascii() and c.isalnum()):
        raise ValueError({name: typed for typed, name in _TYPED.items()}.get(c, NAMED.get(c, c)))
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


def pieces(text: str) -> Iterator[tuple[str, bool]]:
    r"""The parts of an author's text, and for each whether it is a formula.

    >>> list(pieces(r"from $5 to \$10: $h_t$"))
    [('from $5 to $10: ', False), ('h_t', True)]
    """
    for at, piece in enumerate(_DOLLARS.split(text)):
        if piece:
            yield (piece, True) if at % 2 else (piece.replace(r"\$", "$"), False)


#: What is below a slash without brackets: a number; a letter or word with its indices, perhaps after ∂; a function.
_SINGLE = re.compile(
    r"[∂d]?(?:[0-9]+(?:[.,][0-9]+)?|(?:[^\W\d_]|[^\W\d_]{3,})[\u0300-\u20ff]*[0-9]*(?:_(?:\w+|\{[^{}]*\}))?)"
    r"|(?:√|[^\W\d_]{3,})\([^()]*\)"
)


def _on_one_line(*both: str) -> str:
    known = (c for c, digits in _VULGAR.items() if (*digits,) == both)
    over, under = (text.strip() for text in both)
    under = under if _SINGLE.fullmatch(under) else f"({under})"
    return next(known, f"({over})/{under}" if re.search("[ /]", over) else f"{over}/{under}")


def formula(tex: str, format: Format) -> str:
    """A formula in a format, whose `name` reads numbers and functions too. Raises ValueError: where it fails."""
    if len(tex) > LONGEST:
        raise ValueError(f"character {LONGEST}, since it is too long")
    tex, f = _simpler(tex, *_SIMPLER), format
    if not f.slash:
        return _printed(tex, f, _IN_FORMULA)
    line = replace(
        f, letter=lambda c: f" {f.letter(c)} " if c in _BINARY else f.letter(c), fraction=_on_one_line,
        scripts=lambda base, *both: f.scripts(base, *(text.replace(" ", "") for text in both)),
    )  # fmt: skip
    body = re.sub(" +", " ", _printed(tex, line, _IN_FORMULA))
    return re.sub(r"(^|[([{]|[,=<>≤≥≈] )\s*- ", r"\1-", body).strip()  # a minus that has nothing before it is a sign
