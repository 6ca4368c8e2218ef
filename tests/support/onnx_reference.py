"""ONNX's LSTM, GRU and RNN by their specification, in plain loops over steps and rows; shares nothing with the package.

`bugs`: what an engine does wrong: ignored options by name, `f and i exchanged`, `old cell`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

Array = Any
#: Activations by name, with the specification's own constants.
FUNCTIONS: dict[str, tuple[Callable[..., Array], tuple[float, ...]]] = {
    "Relu": (lambda z: np.maximum(z, 0), ()),
    "Tanh": (np.tanh, ()),
    "Sigmoid": (lambda z: 0.5 + 0.5 * np.tanh(z / 2), ()),
    "Softsign": (lambda z: z / (1 + np.abs(z)), ()),
    "Softplus": (lambda z: np.logaddexp(0, z), ()),
    "Elu": (lambda z, a: np.where(z < 0, a * np.expm1(np.minimum(z, 0)), z), (1.0,)),
    "LeakyRelu": (lambda z, a: np.where(z < 0, a * z, z), (0.01,)),
    "ThresholdedRelu": (lambda z, a: np.where(z > a, z, 0), (1.0,)),
    "Affine": (lambda z, a, b: a * z + b, (1.0, 0.0)),
    "ScaledTanh": (lambda z, a, b: a * np.tanh(b * z), (1.0, 1.0)),
    "HardSigmoid": (lambda z, a, b: np.clip(a * z + b, 0, 1), (0.2, 0.5)),
}
USUAL = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"], "rnn": ["Tanh"]}


def _activations(cell: str, attributes: Mapping[str, Any], directions: int) -> list[list[Callable[[Array], Array]]]:
    names = list(attributes.get("activations", USUAL[cell] * directions))
    given = [list(attributes.get(f"activation_{kind}", ())) for kind in ("alpha", "beta")]
    found: list[Callable[[Array], Array]] = []
    for name in names:
        function, usual = FUNCTIONS[name]
        numbers = [given[k].pop(0) if given[k] else default for k, default in enumerate(usual)]
        found.append(lambda z, function=function, numbers=numbers: function(z, *numbers))
    count = len(USUAL[cell])
    return [found[k * count : (k + 1) * count] for k in range(directions)]


def outputs(
    cell: str, attributes: Mapping[str, Any], inputs: Mapping[str, Array], bugs: Collection[str] = ()
) -> dict[str, Array]:
    """Y, Y_h and Y_c of a node. inputs: in layout 0, weights among them."""
    attributes = {k: v for k, v in attributes.items() if k not in bugs}
    inputs = {k: np.asarray(v, float) for k, v in inputs.items() if k not in bugs}
    x, w, r = inputs["X"], inputs["W"], inputs["R"]
    (steps, rows, _), (directions, stacked, _), units = x.shape, w.shape, r.shape[2]
    b = inputs.get("B", np.zeros((directions, 2 * stacked)))
    lengths = inputs.get("sequence_lens", np.full(rows, steps)).astype(int)
    states = {name: inputs.get(name, np.zeros((directions, rows, units))) for name in ("initial_h", "initial_c")}
    p = inputs.get("P", np.zeros((directions, 3 * units)))
    y = np.zeros((steps, directions, rows, units))
    last = {name: np.zeros((directions, rows, units)) for name in ("Y_h", "Y_c")}
    functions = _activations(cell, attributes, directions)
    for d in range(directions):
        backwards = d == 1 or attributes.get("direction") == "reverse"
        own = {*bugs} | ({"f and i exchanged"} if backwards and "f and i exchanged in reverse" in bugs else set())
        step = _Step(cell, attributes, w[d], r[d], b[d], p[d], functions[d], own)
        for row in range(rows):
            h, c = states["initial_h"][d, row], states["initial_c"][d, row]
            for t in _order(int(lengths[row]), backwards):
                h, c = step(x[t, row], h, c)
                y[t, d, row] = h
            last["Y_h"][d, row], last["Y_c"][d, row] = h, c
    found = {"Y": y, **last}
    if attributes.get("layout"):
        found = {name: np.moveaxis(array, -2, 0) for name, array in found.items()}
    return found


def _order(length: int, backwards: bool) -> Iterator[int]:
    return iter(range(length - 1, -1, -1) if backwards else range(length))


class _Step:
    """One step of one row."""

    def __init__(self, cell: str, attributes: Mapping[str, Any], w: Array, r: Array, b: Array, p: Array,
                 functions: list[Callable[[Array], Array]], bugs: Collection[str]) -> None:  # fmt: skip
        units, self.cell, self.attributes, self.functions, self.bugs = r.shape[1], cell, attributes, functions, bugs
        split = [slice(k * units, (k + 1) * units) for k in range(8)]
        count = len(w) // units
        self.w, self.r, self.p = [w[s] for s in split[:count]], [r[s] for s in split[:count]], [p[s] for s in split[:3]]
        self.wb, self.rb = [b[s] for s in split[:count]], [b[split[count + k]] for k in range(count)]

    def __call__(self, x: Array, h: Array, c: Array) -> tuple[Array, Array]:
        bound = self.attributes.get("clip", np.inf)

        def clipped(z: Array) -> Array:
            return np.clip(z, -bound, bound)

        def part(k: int, state: Array = h) -> Array:
            return self.w[k] @ x + self.r[k] @ state + self.wb[k] + self.rb[k]

        if self.cell == "rnn":
            return self.functions[0](clipped(part(0))), c
        if self.cell == "gru":
            f, g = self.functions
            z, reset = f(clipped(part(0))), f(clipped(part(1)))
            after = self.attributes.get("linear_before_reset")
            inner = self.w[2] @ x + self.wb[2] + reset * (self.r[2] @ h + self.rb[2]) if after else part(2, reset * h)
            return (1 - z) * g(clipped(inner)) + z * h, c
        f, g, squash = self.functions
        i = f(clipped(part(0) + self.p[0] * c))
        forget = 1 - i if self.attributes.get("input_forget") else f(clipped(part(2) + self.p[2] * c))
        if "f and i exchanged" in self.bugs:
            i, forget = forget, i
        new = forget * c + i * g(clipped(part(3)))
        o = f(clipped(part(1) + self.p[1] * (c if "old cell" in self.bugs else new)))
        return o * squash(clipped(new)), new
