"""Random cells over the whole grammar with sizes, weights and inputs; random LSTMs for the scalar oracle."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from .oracle import FUNCTIONS

#: Numbers that an equation may hold: short ones, and ones that need all their digits.
NUMBERS = st.sampled_from([0.0, 1.0, 0.5, 2.0, 0.1, 1e-5, 1 / 3, 12.25, 4096.0, 3e-7])
#: Constants of the functions that have any: each is a choice of the numbers written after the operand.
CONSTANTS: dict[str, list[tuple[float, ...]]] = {
    "affine": [(), (2.0,), (0.5, -1.0)],
    "leaky_relu": [(), (0.2,)],
    "thresholded_relu": [(), (0.25,)],
    "scaled_tanh": [(), (1.5,), (1.5, 0.5)],
    "hard_sigmoid": [(), (1 / 6, 0.5)],
    "elu": [(), (0.7,)],
    "clip": [(-1.0, 1.0), (-0.25, 0.75)],
}
#: Functions that are finite for every operand, so that random cells stay comparable.
SAFE = tuple(name for name in FUNCTIONS if name not in ("exp", "log", "sqrt", "softplus"))
_LEVEL = {">": 0, "+": 1, "*": 2, "/": 2, "@": 2, "vecmat": 2, "-": 3}


@dataclass
class Case:
    """A cell's text with arrays that fit it. trees: the right-hand side of each equation, for the oracle."""

    text: str
    trees: dict[str, Any]
    weights: dict[str, Any]
    x: Any
    initial: dict[str, Any]
    carry: dict[str, str]
    output: str


@dataclass
class _Growth:
    """The names that an equation may read so far, by width, and the shapes of parameters that were invented."""

    draw: Any
    names: dict[str, int]
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def parameter(self, *shape: int) -> str:
        known = [name for name, found in self.shapes.items() if found == shape]
        if known and self.draw(st.booleans()):
            return str(self.draw(st.sampled_from(known)))
        name = f"{'W' if len(shape) == 2 else 'b'}_{len(self.shapes)}"
        self.shapes[name] = shape
        return name

    def leaf(self, width: int) -> Any:
        known = [name for name, found in self.names.items() if found == width]
        if known and self.draw(st.integers(0, 3)):
            return ("name", self.draw(st.sampled_from(known)))
        return ("name", self.parameter(width))

    def tree(self, width: int, depth: int) -> Any:
        """An expression whose value has `width` units."""
        if depth == 0:
            return self.leaf(width)
        kinds = ["leaf", "@", "vecmat", "+", "*", "-", "function", "where", "max", ">", "slice"]
        kind = self.draw(st.sampled_from([*kinds, "concat" if width > 1 else "reduce"]))
        if kind == "leaf":
            return self.leaf(width)
        if kind == "@":
            inner = self.draw(st.sampled_from(sorted(set(self.names.values()))))
            return ("@", self.parameter(width, inner), self.tree(inner, depth - 1))
        if kind == "vecmat":
            inner = self.draw(st.sampled_from(sorted(set(self.names.values()))))
            vector = self.tree(inner, depth - 1)
            if vector[0] == "name" and vector[1] in self.shapes:  # a parameter there would be the matrix
                vector = ("-", [vector])
            return ("vecmat", self.parameter(inner, width), vector)
        if kind == "slice":
            before, behind = self.draw(st.integers(0, 2)), self.draw(st.integers(0, 2))
            return ("slice", [self.tree(before + width + behind, depth - 1)], (before, before + width))
        if kind == "+":
            count = self.draw(st.integers(2, 4))
            signs = [self.draw(st.sampled_from([1.0, -1.0])) for _ in range(count)]
            first = self.tree(width, depth - 1)
            return ("+", [(signs[0], first), *((s, self.broad(width, depth - 1)) for s in signs[1:])])
        if kind in ("*", "max", ">"):
            pair = [self.tree(width, depth - 1), self.broad(width, depth - 1)]
            return (kind, pair if self.draw(st.booleans()) else pair[::-1])
        if kind == "where":
            return ("where", [self.broad(width, depth - 1), self.tree(width, depth - 1), self.broad(width, depth - 1)])
        if kind == "concat":
            first = self.draw(st.integers(1, width - 1))
            return ("concat", [self.tree(first, depth - 1), self.tree(width - first, depth - 1)])
        if kind == "reduce":
            inner = self.draw(st.sampled_from(sorted(set(self.names.values()))))
            return (self.draw(st.sampled_from(["sum", "mean", "max1"])), [self.tree(inner, depth - 1)])
        if kind == "-":
            return ("-", [self.tree(width, depth - 1)])
        name = self.draw(st.sampled_from(SAFE))
        return (name, [self.tree(width, depth - 1)], self.draw(st.sampled_from(CONSTANTS.get(name, [()]))))

    def broad(self, width: int, depth: int) -> Any:
        """An operand that fits `width`: of that width, one number, or a value of width 1 that is no bare product."""
        kind = self.draw(st.sampled_from(["wide", "wide", "number", "one"]))
        if kind == "number":
            return ("number", self.draw(NUMBERS))
        tree = self.tree(1 if kind == "one" else width, depth)
        return ("tanh", [tree], ()) if kind == "one" and tree[0] in ("@", "vecmat") else tree


def written(tree: Any, draw: Any, level: int = 0) -> str:
    """The text of a tree, with spaces and parentheses that a person might leave in."""
    kind, *rest = tree
    space = draw(st.sampled_from([" ", "", "  "]))
    if kind in ("name", "number"):
        text = str(rest[0]) if kind == "name" else repr(rest[0])
    elif kind == "@":
        text = f"{rest[0]}{space}@{space}{written(rest[1], draw, 3)}"
    elif kind == "vecmat":
        text = f"{written(rest[1], draw, 2)}{space}@{space}{rest[0]}"
    elif kind == ">":
        left, right = (written(part, draw, 1) for part in rest[0])
        text = f"{left}{space}>{space}{right}" if draw(st.booleans()) else f"{right}{space}<{space}{left}"
    elif kind == "slice":
        begin, end = rest[1]
        alone = end == begin + 1 and draw(st.booleans())
        text = f"{written(rest[0][0], draw, 4)}[{begin}{'' if alone else f'{space}:{space}{end}'}]"
    elif kind == "+":
        (sign, first), *others = rest[0]
        text = "-" + written(first, draw, 3) if sign < 0 else written(first, draw, 2)
        text += "".join(f"{space}{'-' if s < 0 else '+'}{space}{written(t, draw, 2)}" for s, t in others)
    elif kind in ("*", "/"):
        text = f"{written(rest[0][0], draw, 2)}{space}{kind}{space}{written(rest[0][1], draw, 3)}"
    elif kind == "-":
        text = "-" + written(rest[0][0], draw, 3)
    else:
        numbers = [repr(c) for c in rest[1]] if len(rest) > 1 else []
        inside = f",{space}".join([written(part, draw) for part in rest[0]] + numbers)
        text = f"{kind.removesuffix('1') if kind == 'max1' else kind}({inside})"
    needs = _LEVEL.get(kind, 4) < level
    return f"({text})" if needs or draw(st.integers(0, 9)) == 0 else text


@st.composite
def cells(draw: Any, depth: int = 2) -> Case:
    """A random cell: two to six equations, up to two carried states, widths that tell axes apart."""
    sizes = draw(st.permutations([2, 3, 4]).map(lambda s: dict(zip("IHK", s, strict=True))))
    states = draw(
        st.sampled_from([{}, {"h_prev": "H"}, {"h_prev": "H", "s_prev": "K"}, {"h_prev": "H", "m_prev": "1"}])
    )
    width = {**sizes, "1": 1}
    growth = _Growth(draw, {"x_t": sizes["I"], **{state: width[of] for state, of in states.items()}})
    trees: dict[str, Any] = {}
    for k in range(draw(st.integers(1, 4))):
        wide = draw(st.sampled_from(sorted(set(growth.names.values()))))
        name = f"v_{k}"
        if draw(st.integers(0, 4)) == 0:
            trees[name] = ("/", [growth.tree(wide, depth - 1), growth.broad(wide, depth - 1)])
        else:
            trees[name] = growth.tree(wide, depth)
        growth.names[name] = wide
    carry = {}
    for state, of in states.items():
        name = {"h_prev": "h_t", "s_prev": "s_t", "m_prev": "m_t"}[state]
        trees[name] = ("tanh", [growth.tree(width[of], depth)], ())
        growth.names[name] = width[of]
        carry[state] = name
    output = draw(st.sampled_from(list(trees)))
    rows = [f"{name} = {written(tree, draw)}" for name, tree in trees.items()]
    if carry:
        rows.append("carry: " + ", ".join(f"{state} <- {line}" for state, line in carry.items()))
    seed = draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    steps, rows_ = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    read = {name for tree in trees.values() for name in _names(tree)}
    return Case(
        "\n".join([*rows, f"output: {output}"]),
        trees,
        {name: rng.normal(size=shape) for name, shape in growth.shapes.items() if name in read},
        rng.normal(size=(steps, rows_, sizes["I"])),
        {state: rng.normal(size=(rows_, width[of])) for state, of in states.items()},
        carry,
        output,
    )


def _names(tree: Any) -> set[str]:
    kind, *rest = tree
    if kind == "name":
        return {rest[0]}
    if kind == "number":
        return set()
    if kind in ("@", "vecmat"):
        return {rest[0]} | _names(rest[1])
    return set().union(*(_names(part[1] if kind == "+" else part) for part in rest[0]))


@st.composite
def networks(draw: Any) -> dict[str, Any]:
    """Weights, input and states of a random LSTM with one to two layers, and the options that the oracle knows."""
    layers, both = draw(st.integers(1, 2)), draw(st.booleans())
    steps, rows, inputs, units = (draw(st.integers(1, n)) for n in (4, 3, 4, 4))
    bias = draw(st.sampled_from(["none", "one", "two"]))
    options = {
        "peephole": draw(st.booleans()),
        "coupled": draw(st.booleans()),
        "clip": draw(st.sampled_from([None, 0.8])),
    }
    projected = draw(st.integers(1, units - 1)) if units > 1 and draw(st.booleans()) else None
    lengths = draw(st.none() | st.lists(st.integers(0, steps), min_size=rows, max_size=rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    directions = ("forward", "reverse") if both else ("forward",)
    seen = projected or units
    weights: dict[str, Any] = {}
    for layer in range(layers):
        width = inputs if layer == 0 else seen * len(directions)
        for direction in directions:
            shapes: dict[str, tuple[int, ...]] = {}
            for gate in "ico" if options["coupled"] else "ifco":
                shapes |= {f"W_x{gate}": (units, width), f"W_h{gate}": (units, seen)}
                sides = {"none": [], "one": [""], "two": ["x", "h"]}[bias]
                shapes |= {f"b_{side}{gate}": (units,) for side in sides}
                shapes |= {f"w_c{gate}": (units,)} if options["peephole"] and gate != "c" else {}
            shapes |= {"W_hr": (projected, units)} if projected else {}
            weights |= {f"{layer}/{direction}/{name}": rng.normal(size=shape) for name, shape in shapes.items()}
    count = layers * len(directions)
    return {
        "weights": weights,
        "x": rng.normal(size=(steps, rows, inputs)),
        "h0": rng.normal(size=(count, rows, seen)),
        "c0": rng.normal(size=(count, rows, units)),
        "lengths": lengths,
        "options": options,
        "projection": projected is not None,
    }
