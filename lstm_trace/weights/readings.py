"""One way to read a set of LSTM weights, as a record of facts, and a fast run of many readings at once.

The run is a search tool: plain h and c over time for readings that differ in the order of the gates and in the forget
bias. What it finds is then traced, and proven, by the ordinary run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import permutations
from typing import Any

import numpy as np

Array = Any
GATES = "ifco"
ORDERS = tuple("".join(p) for p in permutations(GATES))

_ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "hard_sigmoid": lambda z: np.clip(0.2 * z + 0.5, 0, 1),
    "hard_sigmoid_keras": lambda z: np.clip(z / 6 + 0.5, 0, 1),
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "softsign": lambda z: z / (1 + np.abs(z)),
    "linear": lambda z: z,
}


@dataclass(frozen=True)
class Reading:
    """The facts of one reading; the defaults are how the weights were read.

    order: which gate each stored block is, block by block. recurrent, input: `as stored` or each block `transposed`.
    joined: how the joined kernel is split. bias: used, dropped, the first or the second alone, halved.
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
    activation: str = "tanh"
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
    kernel was split (`xh`, `hx`); empty where there were two.
    """

    input: Array
    recurrent: Array
    biases: tuple[Array, ...] = ()
    peephole: Array | None = None
    joined: str = ""

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
    W, U, bias = parts(blocks, reading)
    size, count, rows = blocks.units, len(variants), x.shape[1]
    place = np.array([[order.index(gate) for gate in GATES] for order, _ in variants])
    added = np.array([extra for _, extra in variants])[:, None, None]
    flat = U.reshape(4 * size, size).T
    inputs = x @ W.reshape(4 * size, -1).T + bias.reshape(-1)
    squash, gate_squash = _ACTIVATIONS[reading.activation], _ACTIVATIONS[reading.gate_activation]
    what, most = reading.clip or ("", 0.0)
    weights = _peepholes(blocks, reading)
    h = np.broadcast_to(h0, (count, rows, size))
    c = np.broadcast_to(c0, (count, rows, size))
    each = np.arange(count)[:, None]
    for step in inputs:
        z = np.broadcast_to(step.reshape(rows, 4, size), (count, rows, 4, size))
        if h.any():  # the first step of most searches has no state yet
            z = z + (h.reshape(count * rows, size) @ flat).reshape(count, rows, 4, size)
        z = z.transpose(0, 2, 1, 3)[each, place]  # (R, 4, B, H): i, f, c, o

        def gate(k: int, c: Array | None, z: Array = z) -> Array:
            value = z[:, k] + (added if k == 1 else 0)
            if weights is not None and c is not None:
                value = value + weights[{0: 0, 1: 1, 3: 2}[k]] * c
            return gate_squash(np.clip(value, -most, most) if what == "gates" else value)

        candidate = squash(np.clip(z[:, 2], -most, most) if what == "gates" else z[:, 2])
        before = c
        c = gate(1, before) * before + gate(0, before) * candidate
        if what == "cell":
            c = np.clip(c, -most, most)
        output = gate(3, c if reading.output_peephole == "new" else before)
        h = output * squash(np.clip(c, -most, most) if what == "output" else c)
        yield h, c


def _peepholes(blocks: Blocks, reading: Reading) -> Array | None:
    """(3, H) in the order i, f, o; None where there are none or they are dropped."""
    if blocks.peephole is None or reading.peephole == "dropped":
        return None
    order = reading.peephole or "ifo"
    return np.stack([blocks.peephole[order.index(gate)] for gate in "ifo"])


def with_variant(reading: Reading, variant: tuple[str, float]) -> Reading:
    """The reading with the order and forget bias of one variant."""
    return replace(reading, order=variant[0], forget_bias=variant[1])
