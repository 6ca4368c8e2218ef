"""One way to read a set of LSTM weights, as a record of facts, and a fast run of many readings at once.

The run is a search tool: plain h and c over time for readings that differ in the order of the gates and in the forget
bias. What it finds is then traced, and verified, by the ordinary run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np

from ..cell.kinds.kind import apply
from ..cell.ops import OPS
from ..cell.parse import parse

Array = Any
GATES = "ifco"


@lru_cache(maxsize=64)
def activation(text: str) -> Callable[[Array], Array]:
    """An activation, `name` or `name(alpha, beta)`, as a function of arrays."""
    cell = parse(f"y = {apply(text, 'x_t')}\noutput: y")

    def function(z: Array) -> Array:
        values: dict[Any, Array] = {"x_t": z}
        for line in cell.lines:
            values[line.name] = OPS[line.op].array([values.get(o, o) for o in line.operands], line.constants)
        return values[cell.output]

    return function


@dataclass(frozen=True)
class Reading:
    """The facts of one reading; the defaults are how the weights were read.

    order: which gate each stored block is, block by block. recurrent, input: `as stored` or each block `transposed`.
    joined: how the joined kernel is split. bias: used, dropped, the first or the second alone, halved.
    activation: of candidate and output, or of each where they differ.
    peephole: the order of the stored peephole vectors, or `dropped`; output_peephole: whether o sees the new c or
    the old. clip: (what, bound). output: h or c; last: only the last step was given. backwards: the outputs stand in
    the order in which they were computed. states: the order of the given initial states.
    """

    order: str = GATES
    input: str = "as stored"
    recurrent: str = "as stored"
    joined: str = ""
    bias: str = "used"
    forget_bias: float = 0.0
    gate_activation: str = "sigmoid"
    activation: str | tuple[str, str] = "tanh"
    peephole: str = ""
    output_peephole: str = "new"
    clip: tuple[str, float] | None = None
    direction: str = "forward"
    batch_first: bool = False
    backwards: bool = False
    states: str = "hc"
    output: str = "h"

    def differences(self, other: Reading) -> list[str]:
        """The facts in which the two differ."""
        return [f.name for f in fields(self) if getattr(self, f.name) != getattr(other, f.name)]


@dataclass(frozen=True)
class Blocks:
    """The stored blocks, in the order in which they were read.

    input: (4, H, I), recurrent: (4, H, H), biases: up to two (4, H), peephole: (3, H) or None. joined: how a joined
    kernel was split (`xh`, `hx`); empty where there were two. gates, peepholes: what the blocks are of, in the order in
    which the file stacks them; without f, f = 1 - i, and there is one block less of everything.
    """

    input: Array
    recurrent: Array
    biases: tuple[Array, ...] = ()
    peephole: Array | None = None
    joined: str = ""
    gates: str = GATES
    peepholes: str = "ifo"

    @property
    def units(self) -> int:
        """H."""
        return int(self.recurrent.shape[1])


def parts(blocks: Blocks, reading: Reading) -> tuple[Array, Array, Array]:
    """The input matrices (4, H, I), the recurrent ones (4, H, H) and the bias (4, H) as `reading` has them."""
    W, U = blocks.input, blocks.recurrent
    if reading.joined and blocks.joined and reading.joined != blocks.joined:
        whole = np.concatenate([W, U] if blocks.joined == "xh" else [U, W], axis=2)
        edge = blocks.units if reading.joined == "hx" else whole.shape[2] - blocks.units
        first, second = whole[:, :, :edge], whole[:, :, edge:]
        W, U = (second, first) if reading.joined == "hx" else (first, second)
    if reading.input == "transposed":
        W = W.transpose(0, 2, 1)
    if reading.recurrent == "transposed":
        U = U.transpose(0, 2, 1)
    zero = np.zeros(U.shape[:2])
    biases = blocks.biases
    if not biases or reading.bias == "dropped":
        return W, U, zero
    if reading.bias in ("first", "second"):
        return W, U, biases[("first", "second").index(reading.bias)]
    total = sum(biases[1:], biases[0])
    return W, U, 0.5 * total if reading.bias == "halved" else total


def simulate(
    blocks: Blocks, reading: Reading, variants: Sequence[tuple[str, float]], x: Array, h0: Array, c0: Array
) -> Iterator[tuple[Array, Array]]:
    """h and c, each (R, B, H), after every step, for R variants (order, forget bias) of `reading`.

    x: (T, B, I) in the order of computing; h0, c0: (B, H).
    """
    # This computes an LSTM a second time, beside the lines of the cell: all variants share the matrix products, so that
    # a search of thousands takes the time of a few runs. tests/mistakes/test_interpretations.py keeps it equal to the
    # run line by line for every option that readings have; an option that is added to SEARCHED belongs there too.
    W, U, bias = parts(blocks, reading)
    size, count, rows, gates = blocks.units, len(variants), x.shape[1], len(blocks.gates)
    place = np.array([[order.index(gate) for gate in blocks.gates] for order, _ in variants])
    added = np.array([extra for _, extra in variants])[:, None, None]
    flat = U.reshape(gates * size, size).T
    inputs = x @ W.reshape(gates * size, -1).T + bias.reshape(-1)
    names = reading.activation if isinstance(reading.activation, tuple) else (reading.activation,) * 2
    candidate_squash, output_squash = (activation(name) for name in names)
    gate_squash = activation(reading.gate_activation)
    what, most = reading.clip or ("", 0.0)
    weights = _peepholes(blocks, reading)
    h = np.broadcast_to(h0, (count, rows, size))
    c = np.broadcast_to(c0, (count, rows, size))
    each = np.arange(count)[:, None]
    for step in inputs:
        z = np.broadcast_to(step.reshape(rows, gates, size), (count, rows, gates, size))
        if h.any():  # the first step of most searches has no state yet
            z = z + (h.reshape(count * rows, size) @ flat).reshape(count, rows, gates, size)
        z = z.transpose(0, 2, 1, 3)[each, place]  # (R, 4, B, H): i, f, c, o
        before_squash = {name: z[:, at] for at, name in enumerate(blocks.gates)}

        def gate(name: str, c: Array, z: Mapping[str, Array] = before_squash) -> Array:
            value = z[name] + (added if name == "f" else 0)
            if name in weights:
                value = value + weights[name] * c
            return gate_squash(np.clip(value, -most, most) if what == "gates" else value)

        z_c = before_squash["c"]
        candidate = candidate_squash(np.clip(z_c, -most, most) if what == "gates" else z_c)
        before = c
        i = gate("i", before)
        c = (gate("f", before) if "f" in blocks.gates else 1 - i) * before + i * candidate
        if what == "cell":
            c = np.clip(c, -most, most)
        output = gate("o", c if reading.output_peephole == "new" else before)
        h = output * output_squash(np.clip(c, -most, most) if what == "output" else c)
        yield h, c


def _peepholes(blocks: Blocks, reading: Reading) -> dict[str, Array]:
    """(H,) by gate; empty where there are none or they are dropped."""
    if blocks.peephole is None or reading.peephole == "dropped":
        return {}
    order = reading.peephole or blocks.peepholes
    return {gate: blocks.peephole[order.index(gate)] for gate in blocks.peepholes}


def with_variant(reading: Reading, variant: tuple[str, float]) -> Reading:
    """The reading with the order and forget bias of one variant."""
    return replace(reading, order=variant[0], forget_bias=variant[1])
