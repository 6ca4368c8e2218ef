"""The record of a bug, the list of all, and the draw of a case: weights, input, states and the values of the port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .port import CELLS, Array, Given, Model, Port, Values


@dataclass(frozen=True)
class Bug:
    """A port that went wrong, or one that is right (a control), or one that nobody can name (hopeless).

    title: what its developer would call it. says: the truth, one plain sentence. touches: what a right explanation must
    name: lines, weights, or words of `WORDS`; `a|b` means that either will do. port: the class with the bug. dtype: of
    the values that it prints; None means that the draw decides. keys: those of the table of mistakes that are right,
    filled in later.
    """

    name: str
    family: str
    title: str
    model: Model
    says: str
    touches: frozenset[str]
    port: type[Port]
    dtype: str | None = None
    keys: tuple[str, ...] = field(default=())


class Case(NamedTuple):
    """A bug drawn: what `lt.run` needs, and what the port printed.

    options: those of the cell with its `kind`, and of the network. h0: (L·D, B, H), c0 likewise, or None.
    """

    weights: dict[str, Array]
    options: dict[str, Any]
    x: Array
    h0: Array
    c0: Array | None
    lengths: list[int] | None
    values: Values


#: What an explanation may have to name beside lines and weights.
WORDS = frozenset({
    "x", "h0", "c0", "time", "rows", "batch", "layout", "layer0", "layer1", "layer2", "forward", "reverse", "join",
    "output", "input", "padding", "lengths", "states", "units", "order", "bias", "forget_bias", "clip", "peephole",
    "projection", "sigmoid", "tanh", "relu", "hard_sigmoid", "leaky_relu", "epsilon", "variance", "normalisation",
    "digits", "int8", "float16", "bfloat16", "fixed_point", "table", "scale", "transposed",
})  # fmt: skip
BUGS: list[Bug] = []
CONTROLS: list[Bug] = []
HOPELESS: list[Bug] = []
#: Two bugs at once.
PAIRS: list[Bug] = []
#: Those of a blind test, in `fresh`.
FRESH: list[Bug] = []
FRESH_CONTROLS: list[Bug] = []
FRESH_HOPELESS: list[Bug] = []
#: Those of a second blind test, in `third`.
THIRD: list[Bug] = []
#: A sample with the frequencies of the world, in `fourth`: it may have what the others have.
FOURTH: list[Bug] = []


def entered(
    bugs: list[Bug], family: str, model: Model, title: str, says: str, touches: str = "", dtype: str | None = None
) -> Callable[[type[Port]], type[Port]]:
    """Puts the class below it into a list, under its own name. touches: separated by commas."""

    def enter(port: type[Port]) -> type[Port]:
        touched = frozenset(touches.split(", ") if touches else ())
        bugs.append(Bug(port.__name__, family, title, model, says, touched, port, dtype))
        return port

    return enter


def drawn(bug: Bug, seed: int) -> Case:
    """A case of the bug: random weights that are not symmetric, sizes and states that differ by seed."""
    given = draw(bug.model, seed)
    options = {"kind": bug.model.kind, **bug.model.options}
    lengths = None if given.lengths is None else [int(n) for n in given.lengths]
    dtype = bug.dtype or ("float64", "float32")[seed % 2]
    h, lines = bug.port(bug.model, given).run()
    printed = {scope: {name: value.astype(dtype) for name, value in found.items()} for scope, found in lines.items()}
    return Case(given.weights, options, given.x, given.h0, given.c0, lengths, Values(h.astype(dtype), printed))


def draw(model: Model, seed: int) -> Given:
    """What a port of the model is given; all numbers are numbers of float32, as in most files."""
    rng = np.random.default_rng([seed, 20_261_201])
    steps, rows = int(rng.integers(5, 9)), int(rng.integers(2, 5))
    inputs, hidden = (int(n) for n in rng.permutation(np.arange(3, 8))[:2])
    if model.square:
        inputs = hidden
    out = hidden - 1 if model.options.get("projection") else hidden
    stages = model.layers * len(model.directions)

    def normal(*shape: int, scale: float = 1.0) -> Array:
        return (scale * rng.normal(size=shape)).astype(np.float32).astype(float)

    weights = {}
    for layer in range(model.layers):
        joined = 1 if model.options.get("merge") == "sum" else len(model.directions)
        wide = inputs if layer == 0 else out * joined
        for direction in model.directions:
            for name, shape in shapes(model, wide, hidden, out).items():
                scale = 1.6 / shape[1] ** 0.5 if len(shape) == 2 else 0.7
                weights[f"{layer}/{direction}/{name}"] = normal(*shape, scale=scale)
    lengths = None
    if model.lengths:
        lengths = rng.integers(2, steps - 1, size=rows)
        lengths[int(rng.integers(rows))] = steps
    states = 0.8 if model.states else 0.0
    c0 = normal(stages, rows, hidden, scale=states * 1.5) if model.kind == "lstm" else None
    return Given(weights, normal(steps, rows, inputs, scale=1.2), normal(stages, rows, out, scale=states), c0, lengths)


def shapes(model: Model, wide: int, hidden: int, out: int) -> dict[str, tuple[int, ...]]:
    """The shape of each weight of a layer in one direction."""
    gates = CELLS[model.kind].gates.replace("f", "" if model.options.get("coupled") else "f")
    found: dict[str, tuple[int, ...]] = {}
    for gate in gates:
        found |= {f"W_x{gate}": (hidden, wide), f"W_h{gate}": (hidden, out)}
        biases = {"none": (), "one": ("b_",), "two": ("b_x", "b_h")}[model.bias]
        found |= {bias + gate: (hidden,) for bias in biases}
        if model.options.get("peephole") and gate != "c":
            found[f"w_c{gate}"] = (hidden,)
        if model.options.get("layer_norm"):
            found |= {f"gamma_{gate}": (hidden,), f"beta_{gate}": (hidden,)}
    if model.options.get("projection"):
        found["W_hr"] = (out, hidden)
    if model.options.get("projection_bias"):
        found["b_hr"] = (out,)
    return found


def right(model: Model, given: Given) -> Values:
    """What a port without a mistake prints."""
    return CELLS[model.kind](model, given).run()
