"""Which named cell a lifted one is, and what its lines and weights are called there.

The gates are the functions of sums with products of weights. Which gate each of them is follows from the names in the
code if these name all of them, so that exchanged gates are seen; otherwise from what agrees with most equations of the
named cell. An equation agrees if it has the same value in real numbers: order and brackets do not count.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

from ..cell.lines import Cell
from ..cell.variants import named
from .expressions import Expr, summed

#: What gates are called in code, by our letter: whole names, and what follows in the name of a weight.
CALLED: Mapping[str, Mapping[str, str]] = {
    "lstm": {
        "i": "i input in ig ii update u", "f": "f forget fg if", "o": "o output out og io",
        "c": "g c cc cct c_tilde ctilde c_hat chat c_bar cbar cand candidate cell j n new cg gg",
    },
    "gru": {
        "r": "r reset rg ir", "u": "z u update zg iz",
        "h": "n h hh h_tilde htilde h_hat hhat h_bar hbar h_cand cand candidate new g c",
    },
    "rnn": {"h": "h a n new hidden"},
}  # fmt: skip
#: The line of each gate.
LINES: Mapping[str, Mapping[str, str]] = {
    "lstm": {"i": "i_t", "f": "f_t", "c": "c_tilde", "o": "o_t"},
    "gru": {"r": "r_t", "u": "u_t", "h": "h_tilde"},
    "rnn": {"h": "h_t"},
}
#: The options of each named cell that change the structure of its equations.
OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "lstm": {"bias": ("one", "two", "none"), "peephole": (False, True), "coupled": (False, True)},
    "gru": {"bias": ("one", "two", "none"), "update": ("keep", "write")},
    "rnn": {"bias": ("one", "two", "none")},
}
ACTIVATIONS = ("sigmoid", "tanh", "relu", "softplus", "elu", "clip", "exp")
_SIDES = {"x_t": "x", "h_prev": "h", "c_prev": "c"}
_KIND_OF_WEIGHT = re.compile(r"^(weights?|bias|linear|lin|layer|fc|gate|gamma|[wubvprk])_?")
_ENDING = re.compile(r"(_t|_gate|gate|_weights?|_bias|_layer|_linear)$")

Polynomial = frozenset[tuple[tuple[Any, ...], float]]


@dataclass
class CellNaming:
    """What the values and weights of a lifted cell are called. kind: of the named cell; empty for none.

    same: lines that agree with the named cell's, with its text. unlike: those that do not, with its text. lacking:
    lines of the named cell that no value is.
    """

    kind: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    lines: dict[Expr, str] = field(default_factory=dict)
    weights: dict[Expr, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)
    unlike: dict[str, str] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()

    @property
    def score(self) -> float:
        """How much of the named cell agrees, for the choice among several."""
        return len(self.same) - 0.5 * len(self.unlike) - 0.75 * len(self.lacking)

    @property
    def near(self) -> bool:
        """Whether at least half of the named cell agrees."""
        return len(self.same) >= len(self.unlike) + len(self.lacking)


def recognised(states: Mapping[str, Expr], called: Callable[[Expr], str], label: Callable[[Expr], str]) -> CellNaming:
    """The names of a cell. states: `h` and `c` to their new values. called: what the code calls a value, label: what it
    calls a weight.
    """
    best = CellNaming()
    gates = [*_gates(states.values())]
    for kind, options in OPTIONS.items():
        if [*states] != (["h", "c"] if kind == "lstm" else ["h"]):
            continue
        said = _said(kind, gates, called, label)
        for values in product(*options.values()):
            chosen = dict(zip(options, values, strict=True))
            letters = [letter for letter in LINES[kind] if letter != "f" or not chosen.get("coupled")]
            if not 0 < len(gates) <= len(letters) or {*said} - {*letters}:
                continue
            for order in [said] if said else permutations(letters, len(gates)):
                found = _tried(kind, chosen, dict(zip(order, gates, strict=True)), states)
                if found.near and (not best.kind or found.score > best.score):
                    best = found
    return best


def _gates(roots: Iterable[Expr]) -> Iterator[Expr]:
    """Functions of sums with products of weights, or such sums where none is applied, in the order of computation."""
    values = dict.fromkeys(one for root in roots for one in root.inside())
    squashed = [one for one in values if one.op in ACTIVATIONS and _linear(one.args[0])]
    taken = {inner for one in (*squashed, *filter(_linear, values)) for part in one.args for inner in part.inside()}
    yield from squashed
    yield from (one for one in values if _linear(one) and one not in taken)


def _linear(expr: Expr) -> bool:
    if expr.op == "mul":
        return any(_linear(one) and other.op in ("number", "parameter") for one, other in (expr.args, expr.args[::-1]))
    return expr.op == "matvec" or (expr.op in ("add", "neg") and any(map(_linear, expr.args)))


def _before(gate: Expr) -> Expr:
    """The pre-activation of a gate; the gate itself if no function is applied."""
    return gate.args[0] if gate.op in ACTIVATIONS else gate


def _said(
    kind: str, gates: Sequence[Expr], called: Callable[[Expr], str], label: Callable[[Expr], str]
) -> tuple[str, ...]:
    """The gates by the names that the code gives to them or to their weights; none if it does not name all of them."""
    found = []
    for gate in gates:
        z = _before(gate)
        texts = [called(gate), called(z), *(label(one) for one in z.inside() if one.op == "parameter")]
        found.append(next((letter for text in texts if (letter := gate_letter(kind, text))), ""))
    return tuple(found) if all(found) and len({*found}) == len(found) else ()


def gate_letter(kind: str, text: str) -> str:
    """The gate that a name in code stands for; empty if it is none.

    >>> [gate_letter("lstm", name) for name in ("W_xf", "ft", "forget_gate", "cell.i.weight", "Wx", "b")]
    ['f', 'f', 'f', 'i', '', '']
    >>> gate_letter("gru", "Uz"), gate_letter("gru", "W_hn")
    ('u', 'h')
    """
    low = re.sub(r"\.(weight|bias)$", "", text.lower()).split(".")[-1]
    low = _ENDING.sub("", low) or low
    short = _KIND_OF_WEIGHT.sub("", low)
    for candidate in (low, low.removesuffix("t"), short, re.sub(r"^[xhi]_?", "", short), low.rsplit("_", 1)[-1]):
        for letter, names in CALLED[kind].items():
            if candidate in names.split():
                return letter
    return ""


def _tried(kind: str, options: dict[str, Any], gates: Mapping[str, Expr], states: Mapping[str, Expr]) -> CellNaming:
    """The names if `gates` are the gates of that cell."""
    lines: dict[Expr, str] = {expr: f"{state}_t" for state, expr in states.items()}
    weights: dict[Expr, str] = {}
    for letter, gate in gates.items():
        _call_once(lines, gate, LINES[kind][letter])
        _call_once(lines, _before(gate), f"z_{letter}")
        _name_weights(letter, _before(gate), weights)
    if kind == "lstm":
        options = options | _numbers(gates.get("f"), states["c"])
    if kind == "gru" and "h" in gates:
        products = [one for one in gates["h"].inside() if one.op == "matvec" and weights.get(one.args[0]) == "W_hh"]
        options = options | {"reset_after": any(one.args[1].op == "name" for one in products)}
    cell, full = named(kind, options)
    found = CellNaming(kind, {name: value for name, value in full.items() if name in options}, lines, weights)
    values = {name: expr for expr, name in lines.items()}
    for name, text in cell.equations.items():
        if name in values:
            agrees = _of_value(values[name], found) == _of_line(cell, name)
            (found.same if agrees else found.unlike)[name] = text
    found.lacking = tuple(name for name in cell.equations if name not in values)
    return found


def _numbers(forget: Expr | None, state: Expr) -> dict[str, float]:
    """The options of an LSTM that are numbers: what is added to the forget gate, and the bound of the cell state."""
    found: dict[str, float] = {}
    if forget is not None and (added := summed(_before(forget))[0]):
        found["forget_bias"] = added
    if state.op == "clip" and -state.constants[0] == state.constants[1] > 0:
        found["cell_clip"] = state.constants[1]
    return found


def _name_weights(letter: str, z: Expr, names: dict[Expr, str]) -> None:
    """The weights of a gate, by what they multiply."""
    biases: list[tuple[bool, Expr]] = []

    def walk(term: Expr, inner: bool) -> None:
        if term.op == "matvec":
            vector = term.args[1]
            if side := _SIDES.get(str(vector.leaf), "") if vector.op == "name" else "h":
                _call_once(names, term.args[0], f"W_{side}{letter}")
        elif term.op == "parameter":
            biases.append((inner, term))
        elif term.op == "mul" and any(one.op == "parameter" for one in term.args):
            own, other = term.args if term.args[0].op == "parameter" else term.args[::-1]
            if other.op != "number" and str(other.leaf) not in ("x_t", "h_prev"):
                _call_once(names, own, f"w_c{letter}")
        elif term.op in ("add", "neg", "mul"):
            beside = {_SIDES.get(str(one.args[1].leaf), "h") for one in term.args if one.op == "matvec"}
            for one in term.args:
                walk(one, inner or term.op == "mul" or beside == {"h"})

    walk(z, False)
    biases.sort(key=lambda pair: pair[0])
    for suffix, (_, one) in zip(("",) if len(biases) == 1 else ("x", "h"), biases, strict=False):
        _call_once(names, one, f"b_{suffix}{letter}")


def _call_once(names: dict[Expr, str], expr: Expr, name: str) -> None:
    """Give a value a name, unless one of the two is taken."""
    if name not in names.values():
        names.setdefault(expr, name)


# -- equations that agree ----------------------------------------------------------------------------------------------


def _of_value(expr: Expr, names: CellNaming, top: bool = True) -> Polynomial:
    """A value as a polynomial of named lines, inputs, weights and functions of these."""
    if not top and expr in names.lines:
        return _atom(names.lines[expr])
    match expr.op:
        case "name":
            return _atom(expr.leaf)
        case "parameter":
            return _atom(names.weights.get(expr, id(expr)))
        case "number":
            return frozenset({((), expr.leaf)})
    return _combined(expr.op, [_of_value(one, names, False) for one in expr.args], expr.constants)


def _of_line(cell: Cell, name: str, top: bool = True) -> Polynomial:
    """The same of a line of a named cell."""
    line = cell.by_name.get(name)
    if line is None or (not top and name in cell.equations):
        return _atom(name)
    parts = [
        _of_line(cell, one, False) if isinstance(one, str) else frozenset({((), float(one))}) for one in line.operands
    ]
    return _combined(line.op, parts, line.constants)


def _atom(value: Any) -> Polynomial:
    return frozenset({((value,), 1.0)})


def _combined(op: str, parts: Sequence[Polynomial], constants: Sequence[float]) -> Polynomial:
    total: dict[tuple[Any, ...], float] = defaultdict(float)
    if op in ("add", "neg"):
        for sign, part in zip(constants if op == "add" else (-1.0,), parts, strict=True):
            for factors, k in part:
                total[factors] += sign * k
    elif op == "mul":
        for (one, k), (other, m) in product(*parts):
            total[tuple(sorted((*one, *other), key=repr))] += k * m
    else:
        return _atom((op, tuple(parts), tuple(constants)))
    return frozenset((factors, k) for factors, k in total.items() if k)
