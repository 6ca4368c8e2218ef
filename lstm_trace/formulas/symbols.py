"""How names and functions are printed: written by hand beside the names, never guessed from them.

Guessing would turn `W_xi` into a ξ. A name that stands in no table is printed as it is: a letter with an index as such
(`W_xk`, `b_out`), any other name in typewriter letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from string import ascii_letters
from typing import NamedTuple

from ..cell.composites import PRINTED
from ..cell.rules import BETWEEN
from ..printable import printable
from .tree import Node, at_step


class Symbol(NamedTuple):
    """A printed symbol in parts, so that each format can set them in its own way.

    base, sub: letter and index. tilde: whether a tilde stands over the letter. word: whether the index is a word and
    not letters in a row. upright: whether the base is a word. name: set where the whole is printed as that name, in
    typewriter letters. tex: set where the author of the cell wrote the TeX, and used in its place there. power: T where
    the matrix of that name stands transposed, 0 where it is the baseline's value. bar: whether a bar stands over the
    letter. node: what is printed in its place, a gradient for example.
    """

    base: str = ""
    sub: str = ""
    tilde: bool = False
    word: bool = False
    upright: bool = False
    name: str = ""
    tex: str = ""
    power: str = ""
    node: Node | None = None
    bar: bool = False


GATES = "ifcogrznuh"  # those of the LSTM, and the letters that GRUs and plain recurrent cells use

SYMBOLS: dict[str, Symbol] = {
    **{letter: Symbol(letter) for letter in ascii_letters},
    **{f"{letter}_prev": Symbol(letter, "t-1") for letter in ascii_letters},
    **{f"{letter}_tilde": Symbol(letter, "t", tilde=True) for letter in ascii_letters},
    "log_f": Symbol("log", "f", upright=True),
    "h0": Symbol("h", "0"),
    "c0": Symbol("c", "0"),
    "target": Symbol("target", upright=True),
    "target_t": Symbol("target", "t", upright=True),
    "valid": Symbol("valid", upright=True),
    "ΔL": Symbol("L", tex=r"\Delta L"),
    "W̄": Symbol("W", bar=True),
    "Σ": Symbol("Σ"),
    **{f"Σ_{over}": Symbol("Σ", over) for over in ("t", "b", "t, b")},
    **{f"gamma_{letter}": Symbol("γ", letter) for letter in ascii_letters},
    **{f"beta_{letter}": Symbol("β", letter) for letter in ascii_letters},
    "gamma_cell": Symbol("γ", "cell", word=True),
    "beta_cell": Symbol("β", "cell", word=True),
}

#: Functions that are set as a word; \operatorname is not allowed where GitHub renders math.
_WORDS = {
    "relu": "ReLU", "elu": "ELU", "softplus": "softplus", "clip": "clip", "where": "where", "sum": "sum",
    "mean": "mean", "concat": "concat",
}  # fmt: skip
#: Each function of the equations as (TeX, plain text).
FUNCTIONS: dict[str, tuple[str, str]] = {
    "sigmoid": (r"\sigma", "σ"),
    "hard_sigmoid": (r"\sigma_{\mathrm{hard}}", "σ_hard"),
    "tanh": (r"\tanh", "tanh"),
    "exp": (r"\exp", "exp"),
    "log": (r"\ln", "ln"),
    "sqrt": (r"\sqrt", "√"),
    **dict.fromkeys(("maximum", "max"), (r"\max", "max")),
    **{op: (rf"\mathrm{{{word}}}", word) for op, word in _WORDS.items()},
}


#: What the slope of an operation between two traces is called: `tanh_slope` is that of `tanh`.
SLOPES = {name: name.removesuffix("_slope") for name in re.findall(r"(\w+_slope)\(", "\n".join(BETWEEN))}


def sign(function: str) -> tuple[str, str]:
    """A function as (TeX, plain text); a composite function by its printed name."""
    if function in SLOPES:
        of = sign(SLOPES[function])
        return rf"\mathrm{{slope}}_{{{of[0]}}}", f"slope_{of[1]}"
    name = PRINTED.get(function, function)
    return FUNCTIONS.get(function) or (rf"\mathrm{{{name.replace('_', chr(92) + '_')}}}", name)


#: A letter with an index: one or two letters in a row, digits, or a word.
_INDEXED = re.compile(r"([A-Za-z])_(?:([A-Za-z]{1,2}[0-9]*|[0-9]+)|([A-Za-z0-9]+))")


def _own(name: str) -> Symbol:
    """The symbol of a name that no table has."""
    found = _INDEXED.fullmatch(name)
    if found is None:
        return Symbol(name=name)
    return Symbol(found[1], found[2] or found[3], word=found[3] is not None)


def symbol(name: str, own: Mapping[str, str | Symbol] | None = None) -> Symbol:
    """The symbol of `name`; `own` has a notation's symbols, and the TeX that the problem's author gave for some names.

    >>> symbol("W_xi")[:2], symbol("h_prev").sub, symbol("W_xk")[:2], symbol("attention").name
    (('W', 'xi'), 't-1', ('W', 'xk'), 'attention')
    """
    found = own.get(name) if own else None
    if isinstance(found, Symbol):
        return found
    known = SYMBOLS.get(name) or _own(name)
    return known._replace(tex=_safe(found)) if found is not None else known


#: The indices t - 1 and t in TeX, within braces and without.
_BEFORE, _NOW = re.compile(r"(?<![\\A-Za-z])t\s*-\s*1(?!\d)"), re.compile(r"(?<![\\A-Za-z])t(?![A-Za-z])")
_INDEX = re.compile(r"([_^])(?:t(?![A-Za-z])|\{((?:[^{}]|\{[^{}]*\})*)\})")


def at(found: Symbol, steps: tuple[int, int]) -> Symbol:
    """A symbol with numbers for its indices t and t - 1.

    >>> at(symbol("h_prev"), (2, 1)).sub, at(symbol("p_t", {"p_t": r"\\hat{p}_t^{(t-1)}"}), (2, 1)).tex
    ('1', '\\\\hat{p}_{2}^{(1)}')
    """
    now, before = map(str, steps)

    def numbered(match: re.Match[str]) -> str:
        within = "t" if match[2] is None else match[2]
        return f"{match[1]}{{{_NOW.sub(now, _BEFORE.sub(before, within))}}}"

    sub = {"t": now, "t-1": before}.get(found.sub, found.sub)
    node = None if found.node is None else at_step(found.node, (), steps)
    return found._replace(sub=sub, tex=_INDEX.sub(numbered, found.tex), node=node)


def _safe(tex: str) -> str:
    """TeX from a file on one line, unable to end the block that it stands in."""
    return " ".join(printable(tex).replace("`", "'").split())
