"""Which named cell a lifted one is, and what its lines and weights are called there.

The candidates for gates are the functions of sums with products of weights. Which gate each of them is follows from
the names in the code, if these name all of them, otherwise from what agrees with most equations of the named cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

from ..cell.lines import Cell
from ..cell.named_cells import KINDS
from ..cell.variants import named
from .writing import Expr

#: What gates are called in code, by our letter; also the last part of a weight's name.
CALLED = {
    "lstm": {
        "i": "i input in input_gate update u".split(), "f": "f forget forget_gate".split(),
        "o": "o output out output_gate".split(),
        "c": "g c cc cct c_tilde ctilde c_hat c_bar cand candidate cell cell_gate j n new".split(),
    },
    "gru": {
        "r": "r reset reset_gate".split(), "u": "z u update update_gate".split(),
        "h": "n h hh h_tilde htilde h_hat cand candidate new new_gate g c".split(),
    },
    "rnn": {"h": "h a n new hidden".split()},
}  # fmt: skip
#: The options of each named cell that change its equations, apart from activations.
OPTIONS: dict[str, dict[str, Sequence[Any]]] = {
    "lstm": {"bias": ("one", "two", "none"), "peephole": (False, True), "coupled": (False, True)},
    "gru": {"bias": ("one", "two", "none"), "reset_after": (True, False), "update": ("keep", "write")},
    "rnn": {"bias": ("one", "two", "none")},
}
_ACTIVE = ("sigmoid", "tanh", "relu", "softplus", "elu", "clip", "exp")


@dataclass
class Names:
    """The names of a lifted cell's values and weights. kind: empty for a cell of its own."""

    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    lines: dict[Any, str] = field(default_factory=dict)  # key of a value to the name of its line
    weights: dict[Any, str] = field(default_factory=dict)  # key of a parameter to its name
    equal: dict[str, str] = field(default_factory=dict)  # lines that are the named cell's, with its text
    unlike: dict[str, str] = field(default_factory=dict)  # lines that are not, with the named cell's text
    score: float = -1.0


def recognised(states: Mapping[str, Expr], output: Expr, weight_name: Any) -> Names:
    """The names of a lifted cell. states: `h` and `c` to their new values. weight_name: of a parameter, in the code."""
    best = Names()
    gates = list(_gates([*states.values(), output]))
    for kind, letters in (("lstm", "ifco"), ("gru", "ruh"), ("rnn", "h")):
        if set(states) != ({"h", "c"} if kind == "lstm" else {"h"}):
            continue
        for values in product(*OPTIONS[kind].values()):
            options = dict(zip(OPTIONS[kind], values, strict=True))
            own = letters.replace("f", "") if options.get("coupled") else letters
            if len(own) != len(gates):
                continue
            said = _said(kind, own, gates, weight_name)
            for order in [said] if said else permutations(own):
                found = _tried(kind, options, dict(zip(order, gates, strict=True)), states)
                if found.score > best.score:
                    best = found
    return best


def _gates(roots: Sequence[Expr]) -> Iterator[Expr]:
    """Functions of sums that have products with weights, in the order in which they are needed."""
    seen: set[Any] = set()

    def walk(expr: Expr) -> Iterator[Expr]:
        if expr.key in seen:
            return
        seen.add(expr.key)
        for one in expr.args:
            yield from walk(one)
        if expr.op in _ACTIVE and _weighted(expr.args[0]):
            yield expr

    for root in roots:
        yield from walk(root)


def _weighted(expr: Expr) -> bool:
    if expr.op == "matvec":
        return True
    return expr.op in ("add", "mul", "neg", "clip", "div") and any(map(_weighted, expr.args))


def _said(kind: str, letters: str, gates: Sequence[Expr], weight_name: Any) -> tuple[str, ...] | None:
    """The gates by the names that the code gives them, or their weights; None if it does not name all of them."""
    found = []
    for gate in gates:
        texts = [gate.local, gate.args[0].local, *(weight_name(p) for p in _parameters(gate.args[0]))]
        votes = [letter for text in texts if (letter := _letter(kind, text)) and letter in letters]
        if not votes:
            return None
        found.append(votes[0])
    return tuple(found) if len(set(found)) == len(found) else None


def _letter(kind: str, text: str) -> str:
    """The gate that a name in code stands for; empty if it is none.

    >>> _letter("lstm", "W_xf"), _letter("lstm", "ft"), _letter("gru", "Uz"), _letter("lstm", "Wx")
    ('f', 'f', 'u', '')
    """
    low = re.sub(r"(_t|t|_gate|_weight|_bias|\.weight|\.bias)$", "", text.lower()) or text.lower()
    low = re.split(r"[./]", low)[-1]
    for candidate in (low, re.sub(r"^(w|u|v|b|r|weight|bias|linear|lin|fc|gamma)_?[xhi]?_?", "", low), re.sub(r"^(w|u|v|b|r|weight|bias|linear|lin|fc|gamma)_?", "", low), low.rsplit("_", 1)[-1]):
        for letter, names in CALLED[kind].items():
            if candidate in names:
                return letter
    return ""


def _parameters(expr: Expr) -> Iterator[Expr]:
    if expr.op == "parameter":
        yield expr
    elif expr.op in ("matvec", "add", "mul", "neg"):
        for one in expr.args:
            yield from _parameters(one)


def _tried(kind: str, options: Mapping[str, Any], gates: Mapping[str, Expr], states: Mapping[str, Expr]) -> Names:
    """The names if `gates` are the gates, and how many of the named cell's equations agree."""
    activation = {("t_tilde"): ""}
    del activation
    cell, full = named(kind, options)
    found = Names(kind, full)
    lines = {"lstm": {"i": "i_t", "f": "f_t", "c": "c_tilde", "o": "o_t"}, "gru": {"r": "r_t", "u": "u_t", "h": "h_tilde"}, "rnn": {"h": "h_t"}}[kind]
    for state, expr in states.items():
        found.lines[expr.key] = f"{state}_t"
    for letter, gate in gates.items():
        found.lines.setdefault(gate.key, lines[letter])
        z = gate.args[0]
        found.lines.setdefault(z.key, f"z_{letter}")
        _weights(letter, z, found.weights)
    theirs = {line.name: line for line in cell.lines}
    by_name = {name: key for key, name in found.lines.items()}
    exprs = {e.key: e for e in _all([*states.values(), *gates.values()])}
    agree = 0
    for name, text in cell.equations.items():
        if name not in by_name:
            continue
        if canonical(exprs[by_name[name]], found) == template(cell, name):
            found.equal[name] = text
            agree += 1
        else:
            found.unlike[name] = text
    del theirs
    missing = len([name for name in cell.equations if name not in by_name])
    found.score = agree - 0.5 * len(found.unlike) - 0.5 * missing
    return found


def _all(roots: Sequence[Expr]) -> Iterator[Expr]:
    for root in roots:
        yield root
        yield from _all(root.args)


def _weights(letter: str, z: Expr, names: dict[Any, str]) -> None:
    """The names of a gate's weights, by what they multiply."""
    terms = z.args if z.op == "add" else (z,)
    biases = []

    def walk(term: Expr) -> None:
        if term.op == "matvec":
            inside = str(term.args[1].leaf) if term.args[1].op == "name" else "h_prev"
            side = {"x_t": "x", "h_prev": "h", "c_prev": "c"}.get(inside)
            if side:
                names.setdefault(term.args[0].key, f"W_{side}{letter}")
        elif term.op == "parameter":
            biases.append(term)
        elif term.op == "mul" and any(one.op == "parameter" for one in term.args):
            own, other = term.args if term.args[0].op == "parameter" else term.args[::-1]
            if other.op == "name" and str(other.leaf).startswith("c") or other.op not in ("name", "number"):
                names.setdefault(own.key, f"w_c{letter}")
        elif term.op in ("mul", "add", "neg"):
            for one in term.args:
                walk(one)

    for term in terms:
        walk(term)
    if len(biases) == 1:
        names.setdefault(biases[0].key, f"b_{letter}")
    for side, one in zip("xh", biases, strict=False) if len(biases) == 2 else ():
        names.setdefault(one.key, f"b_{side}{letter}")


# -- one form for equal expressions ----------------------------------------------------------------------------------


def canonical(expr: Expr, names: Names, top: bool = True) -> Any:
    """An expression with sums and products in a fixed order, in terms of named lines."""
    if not top and expr.key in names.lines:
        return names.lines[expr.key]
    if expr.op == "name":
        return str(expr.leaf)
    if expr.op == "parameter":
        return names.weights.get(expr.key, ("?", expr.key))
    if expr.op == "number":
        return expr.leaf
    return _ordered(expr.op, [canonical(one, names, False) for one in expr.args], expr.constants)


def template(cell: Cell, name: str, top: bool = True) -> Any:
    """The same for a line of a named cell."""
    line = cell.by_name.get(name)
    if line is None or (not top and name in cell.equations):
        return name
    parts = [template(cell, one, False) if isinstance(one, str) else float(one) for one in line.operands]
    return _ordered(line.op, parts, line.constants)


def _ordered(op: str, parts: list[Any], constants: Sequence[float]) -> Any:
    if op == "add":
        terms: list[tuple[float, Any]] = []
        for sign, part in zip(constants, parts, strict=True):
            if isinstance(part, tuple) and part[0] == "add":
                terms += [(sign * s, p) for s, p in part[1]]
            else:
                terms.append((sign, part))
        return ("add", tuple(sorted(terms, key=repr)))
    if op == "mul":
        factors: list[Any] = []
        for part in parts:
            factors += part[1] if isinstance(part, tuple) and part[0] == "mul" else [part]
        return ("mul", tuple(sorted(factors, key=repr)))
    if op == "neg":
        return _ordered("add", parts, (-1.0,))
    return (op, tuple(parts), tuple(constants))
