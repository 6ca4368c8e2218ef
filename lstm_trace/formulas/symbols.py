"""How names and functions are printed: as a person would typeset a name by its parts, without reading more into it.

A letter is italic, a word upright, the part after an underscore an index: `q_t`, `alpha_t`, `score_t`, `W_out`.
Guessing would turn `W_xi` into a ξ: only a whole letter may be Greek by its name, never an index. A name without such
parts is printed in a typewriter font; its author can give a symbol for it (`symbols:` of a problem).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from string import ascii_letters
from typing import Any, NamedTuple

from ..cell.composites import PRINTED
from ..cell.rules import BETWEEN
from ..printable import printable
from .tree import Node, at_step
from .user_tex import GREEK, MARKS


class Symbol(NamedTuple):
    """A printed symbol in parts, so that each format can typeset them in its own way.

    base, sub: letter and index. accent: the accent over the letter (`user_tex.ACCENTS`). word: whether the whole index
    is one word; otherwise words in it are detected. upright: whether the base is a word. name: if the whole is printed
    as this name, in a typewriter font. tex: if the author of the cell wrote TeX, which then replaces it. power: T if
    the matrix with this name is transposed, 0 if it is the baseline's value. node: a node that is printed in its place,
    for example a gradient.
    """

    base: str = ""
    sub: str = ""
    accent: str = ""
    word: bool = False
    upright: bool = False
    name: str = ""
    tex: str = ""
    power: str = ""
    node: Node | None = None

    @property
    def lower(self) -> list[str]:
        """The index in parts, every second of which is a word.

        >>> Symbol("W", "xi").lower, Symbol("b", "out,1").lower
        (['xi'], ['', 'out', ',1'])
        """
        return ["", self.sub, ""] if self.word else re.split(_WORD, self.sub)


GATES = "ifcogrznuh"  # those of the LSTM, and the letters used by GRUs and simple recurrent cells

#: Symbols that do not follow from the parts of a name.
SYMBOLS: dict[str, Symbol] = {
    **{f"{letter}_tilde": Symbol(letter, "t", "tilde") for letter in ascii_letters},
    "ΔL": Symbol("L", tex=r"\Delta L"),
    "lambda_": Symbol("λ"),
    "Σ": Symbol("Σ"),
    **{f"Σ_{over}": Symbol("Σ", over) for over in ("t", "b", "t, b")},
}

#: Functions that are typeset as a word; \operatorname is not allowed in math on GitHub.
_WORDS = {op: op for op in ("softplus", "clip", "floor", "where", "sum", "mean", "concat", "outer")}
_WORDS |= {"relu": "ReLU", "elu": "ELU"}
#: Each function in equations as (TeX, plain text).
FUNCTIONS: dict[str, tuple[str, str]] = {
    "sigmoid": (r"\sigma", "σ"),
    "hard_sigmoid": (r"\sigma_{\mathrm{hard}}", "σ_hard"),
    **{op: (rf"\{op}", op) for op in ("tanh", "exp", "sin", "cos", "min")},
    "log": (r"\ln", "ln"),
    "sqrt": (r"\sqrt", "√"),
    **dict.fromkeys(("maximum", "max"), (r"\max", "max")),
    **{op: (rf"\mathrm{{{word}}}", word) for op, word in _WORDS.items()},
}


#: Name of the slope of an operation between two traces: `tanh_slope` is that of `tanh`.
SLOPES = {name: name.removesuffix("_slope") for name in re.findall(r"(\w+_slope)\(", "\n".join(BETWEEN))}


def sign(function: str) -> tuple[str, str]:
    """A function as (TeX, plain text); a composite function by its printed name."""
    if function in SLOPES:
        of = sign(SLOPES[function])
        return rf"\mathrm{{slope}}_{{{of[0]}}}", f"slope_{of[1]}"
    name = PRINTED.get(function, function).removesuffix("*")  # see `tree.HELD`
    return FUNCTIONS.get(function) or (rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}", name)


#: A word in an index; two letters are two indices, except for this one.
_WORD = re.compile(r"([A-Za-z]{3,}[0-9]*|(?<![A-Za-z])in(?![A-Za-z]))")
_GREEK = "".join(GREEK.values())
#: A letter by its name or character, an accent over it and digits; or the letter of a weight followed by its index.
_LETTER = re.compile(
    rf"(?:({'|'.join(GREEK)}|[A-Za-z{_GREEK}])([{''.join(MARKS)}]?)([0-9]*)|(?=W[a-z]|[UVb][a-z][0-9]*$)"
    r"([A-Z]|b)([a-z]{1,2}[0-9]*))"
)
_PART = re.compile(rf"[A-Za-z0-9{_GREEK}]+")


@lru_cache(4096)
def _own(name: str) -> Symbol:
    """The symbol of a name that is in no table, by its parts."""
    first, *index = name.split("_")
    found = _LETTER.fullmatch(unicodedata.normalize("NFD", first))
    if not all(map(_PART.fullmatch, index)) or not (found or _PART.fullmatch(first)):
        return Symbol(name=name)
    base, mark, digits, weight, behind = found.groups("") if found else (first, "", "", "", "")
    accent = MARKS.get(mark, "")
    if found and not accent and index and index[0] in ("hat", "tilde", "bar"):
        accent = index.pop(0)
    while not found and index and _WORD.fullmatch(index[0]) and index[0] != "prev":
        base = f"{base}_{index.pop(0)}"
    if index and index[-1] == "prev":
        index[-2 if index[:-1] == ["t"] else -1 :] = ["t-1"]
    sub = ",".join(filter(None, [digits or behind, *index]))
    return Symbol(GREEK.get(base, base) or weight, sub, accent, upright=found is None)


def symbol(name: str, own: Mapping[str, str | Symbol] | None = None) -> Symbol:
    """The symbol of `name`; `own` has a notation's symbols, and the TeX that the problem's author gave for some names.

    >>> symbol("W_xi")[:2], symbol("h_prev").sub, symbol("alpha_t")[:2], symbol("y_hat")[:3], symbol("score_t").upright
    (('W', 'xi'), 't-1', ('α', 't'), ('y', '', 'hat'), True)
    """
    found = own.get(name) if own else None
    if isinstance(found, Symbol):
        return found
    known = SYMBOLS.get(name) or _own(name)
    if found is None:
        return known
    return known._replace(tex=" ".join(printable(found).replace("`", "'").split()))  # cannot end the block it is in


#: The indices t - 1, or t - 2, and t in TeX, with and without braces.
_BEFORE, _NOW = re.compile(r"(?<![\\A-Za-z])t\s*-\s*([12])(?!\d)"), re.compile(r"(?<![\\A-Za-z])t(?![A-Za-z])")
_INDEX = re.compile(r"([_^])(?:t(?![A-Za-z])|\{((?:[^{}]|\{[^{}]*\})*)\})")


def at(found: Symbol, steps: tuple[Any, Any]) -> Symbol:
    """A symbol with numbers, or other indices, in place of its indices t and t - 1.

    >>> at(symbol("h_prev"), (2, 1)).sub, at(symbol("p_t", {"p_t": r"\\hat{p}_t^{(t-1)}"}), (2, 1)).tex
    ('1', '\\\\hat{p}_{2}^{(1)}')
    """
    now, before = map(str, steps)
    earlier = str(2 * int(before) - int(now)) if {type(step) for step in steps} == {int} else "t-3"

    def numbered(match: re.Match[str]) -> str:
        within = "t" if match[2] is None else match[2]
        return f"{match[1]}{{{_NOW.sub(now, _BEFORE.sub(lambda m: before if m[1] == '1' else earlier, within))}}}"

    sub = ",".join({"t": now, "t-1": before}.get(part, part) for part in found.sub.split(","))
    node = None if found.node is None else at_step(found.node, (), steps)
    return found._replace(sub=sub, tex=_INDEX.sub(numbered, found.tex), node=node)


def distinct(names: Iterable[str], own: Mapping[str, str | Symbol]) -> dict[str, Symbol]:
    """For all but one of the names that would be printed alike, the symbol is the name itself; one keeps its symbol.

    >>> distinct(["k2", "k_2", "y_hat"], {})["k2"].name
    'k2'
    """
    found = {name: symbol(name, own) for name in names if name not in own}
    first: dict[Symbol, str] = {}
    for name, printed in sorted(found.items(), key=lambda item: item[0] != f"{item[1].base}_{item[1].sub}"):
        first.setdefault(printed, name)
    return {name: Symbol(name=name) for name, printed in found.items() if first[printed] != name}
