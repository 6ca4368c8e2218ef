"""How names and functions are printed: written by hand beside the names, never guessed from them.

Guessing would turn `W_xi` into a ξ. A name that stands in no table is printed as it is, in typewriter letters.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import ascii_letters
from typing import NamedTuple

from ..printable import printable


class Symbol(NamedTuple):
    """A printed symbol in parts, so that each format can set them in its own way.

    base, sub: letter and index. tilde: whether a tilde stands over the letter. word: whether the index is a word and
    not letters in a row. upright: whether the base is a word. name: set where the whole is printed as that name, in
    typewriter letters. tex: set where the author of the cell wrote the TeX, and used in its place there. power: T where
    the matrix of that name stands transposed.
    """

    base: str = ""
    sub: str = ""
    tilde: bool = False
    word: bool = False
    upright: bool = False
    name: str = ""
    tex: str = ""
    power: str = ""


GATES = "ifcogrznuh"  # those of the LSTM, and the letters that GRUs and plain recurrent cells use

SYMBOLS: dict[str, Symbol] = {
    **{letter: Symbol(letter) for letter in ascii_letters},
    **{f"{letter}_t": Symbol(letter, "t") for letter in ascii_letters},
    **{f"{letter}_prev": Symbol(letter, "t-1") for letter in ascii_letters},
    "c_tilde": Symbol("c", "t", tilde=True),
    "h_tilde": Symbol("h", "t", tilde=True),
    "log_f": Symbol("log", "f", upright=True),
    "h0": Symbol("h", "0"),
    "c0": Symbol("c", "0"),
    "valid": Symbol("valid", upright=True),
    "y_forward": Symbol("y", "forward", word=True),
    "y_reverse": Symbol("y", "reverse", word=True),
    # pre-activations and, under layer normalisation, deviation, spread, normalised and scaled pre-activation
    **{f"{letter}_{gate}": Symbol(letter, gate) for letter in "zdsnya" for gate in GATES},
    **{f"{letter}_cell": Symbol(letter, "cell", word=True) for letter in "dsny"},
    **{f"gamma_{gate}": Symbol("γ", gate) for gate in GATES},
    **{f"beta_{gate}": Symbol("β", gate) for gate in GATES},
    "gamma_cell": Symbol("γ", "cell", word=True),
    "beta_cell": Symbol("β", "cell", word=True),
    # weights: by what they multiply and what they feed
    **{f"W_{side}{gate}": Symbol("W", f"{side}{gate}") for side in "xh" for gate in GATES},
    **{f"{letter}_{gate}": Symbol(letter, gate) for letter in "WUV" for gate in GATES},
    **{f"b_{side}{gate}": Symbol("b", f"{side}{gate}") for side in "xh" for gate in GATES},
    **{f"b_{gate}": Symbol("b", gate) for gate in GATES},
    **{f"w_c{gate}": Symbol("w", f"c{gate}") for gate in "ifo"},
    **{f"{letter}_{index}": Symbol(letter, index) for letter in "Wb" for index in ("x", "y", "hy", "xy", "hr")},
}

#: Each function of the equations as (TeX, plain text).
FUNCTIONS: dict[str, tuple[str, str]] = {
    "sigmoid": (r"\sigma", "σ"),
    "tanh": (r"\tanh", "tanh"),
    "exp": (r"\exp", "exp"),
    "log": (r"\ln", "ln"),
    "sqrt": (r"\sqrt", "√"),
    # \operatorname is not allowed where GitHub renders math
    "relu": (r"\mathrm{ReLU}", "ReLU"),
    "affine": (r"\mathrm{affine}", "affine"),
    "leaky_relu": (r"\mathrm{LeakyReLU}", "LeakyReLU"),
    "thresholded_relu": (r"\mathrm{ThresholdedReLU}", "ThresholdedReLU"),
    "scaled_tanh": (r"\mathrm{ScaledTanh}", "ScaledTanh"),
    "hard_sigmoid": (r"\sigma_{\mathrm{hard}}", "σ_hard"),
    "elu": (r"\mathrm{ELU}", "ELU"),
    "softsign": (r"\mathrm{softsign}", "softsign"),
    "softplus": (r"\mathrm{softplus}", "softplus"),
    "clip": (r"\mathrm{clip}", "clip"),
    "where": (r"\mathrm{where}", "where"),
    "maximum": (r"\max", "max"),
    "max": (r"\max", "max"),
    "sum": (r"\mathrm{sum}", "sum"),
    "mean": (r"\mathrm{mean}", "mean"),
    "concat": (r"\mathrm{concat}", "concat"),
}


def symbol(name: str, own: Mapping[str, str | Symbol] | None = None) -> Symbol:
    """The symbol of `name`; `own` has a notation's symbols, and the TeX that the problem's author gave for some names.

    >>> symbol("W_xi")[:2], symbol("h_prev").sub, symbol("attention").name
    (('W', 'xi'), 't-1', 'attention')
    """
    found = own.get(name) if own else None
    if isinstance(found, Symbol):
        return found
    known = SYMBOLS.get(name, Symbol(name=name))
    return known._replace(tex=_safe(found)) if found is not None else known


def _safe(tex: str) -> str:
    """TeX from a file on one line, unable to end the block that it stands in."""
    return " ".join(printable(tex).replace("`", "'").split())
