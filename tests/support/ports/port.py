"""LSTM, GRU and RNN as ports write them, in numpy: read a file of stacked arrays, loop over layers, directions, steps.

It shares no code with the package and knows only its names of weights, lines and options (docs/options.md). Each piece
that real ports get wrong is a method, so that a bug is the edit that somebody made: a subclass with other code there.
Arrays of a step have one row for each sequence, (B, H); those of a run begin with the steps, (T, B, H).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

Array = Any
Lines = dict[str, Array]
State = tuple[Array, ...]
File = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class Model:
    """What a bug needs to show: the cell, the network and the options, under the names of docs/options.md.

    bias: `one` or `two` vectors a gate, or `none`. lengths: some sequences end early. states: the initial ones are not
    zero. square: x is as wide as h, so that layers can be mixed up.
    """

    kind: str = "lstm"
    layers: int = 1
    directions: tuple[str, ...] = ("forward",)
    bias: str = "one"
    options: Mapping[str, Any] = field(default_factory=dict)
    lengths: bool = False
    states: bool = True
    square: bool = False


class Given(NamedTuple):
    """What a port is given: weights by `layer/direction/name`, x (T, B, I), states (L·D, B, H), lengths (B,)."""

    weights: dict[str, Array]
    x: Array
    h0: Array
    c0: Array | None
    lengths: Array | None


class Values(NamedTuple):
    """What a port prints: the output of the top layer over time, and every line that it has, by scope and name."""

    h: Array
    lines: dict[str, Lines]


def sigmoid(z: Array) -> Array:
    """Without overflow: z is negative in both halves."""
    e = np.exp(-abs(z))
    return np.where(z >= 0, 1 / (1 + e), e / (1 + e))


FUNCTIONS: dict[str, Any] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda z: np.maximum(z, 0),
    "hard_sigmoid": lambda z: np.clip(0.2 * z + 0.5, 0, 1),
    "leaky_relu(0.3)": lambda z: np.where(z > 0, z, 0.3 * z),
}


class Port:
    """The part that all cells have. gates: the letters of a cell's gates in the order of its file."""

    gates = ""
    stored_as = ""
    read_as = ""
    states = 1

    def __init__(self, model: Model, given: Given) -> None:
        self.model, self.options, self.given = model, dict(model.options), given
        self.layer, self.direction, self.t = 0, "forward", 0
        self.outputs: list[Array] = []
        self.lines: dict[str, Lines] = {}
        self.setup()

    def setup(self) -> None:
        """What a port does once, before it runs."""

    @property
    def scope(self) -> str:
        return f"{self.layer}/{self.direction}"

    @property
    def reverse(self) -> bool:
        return self.direction == "reverse"

    # the file

    def stored_order(self, prefix: str) -> str:
        """The order in which the converter stacks the gates of `W_x`, `W_h`, `b_` …"""
        return self.stored_as or self.gates

    def read_order(self, prefix: str) -> str:
        """The order in which the port takes them apart."""
        return self.read_as or self.stored_order(prefix)

    def store(self) -> File:
        """The file that a correct converter writes: by scope, the blocks of all gates, one above the other."""
        file: File = {}
        prefixes = ("W_x", "W_h", "b_", "b_x", "b_h", "w_c", "gamma_", "beta_")
        for key, value in self.given.weights.items():
            scope, name = key.rsplit("/", 1)
            found = file.setdefault(scope, {})
            if name[:-1] not in prefixes or name[-1] not in self.gates:
                found[name] = value
        for prefix in prefixes:
            for scope, found in file.items():
                names = [f"{scope}/{prefix}{gate}" for gate in self.stored_order(prefix)]
                blocks = [self.given.weights[name] for name in names if name in self.given.weights]
                if blocks:
                    found[prefix] = np.concatenate(blocks)
        return file

    def load(self, file: File) -> File:
        """The weights of each scope by our names, as the port reads the file."""
        return {scope: self.unstack(scope, found) for scope, found in file.items()}

    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        weights = {}
        for prefix, stack in found.items():
            here = [g for g in self.stored_order(prefix) if f"{scope}/{prefix}{g}" in self.given.weights]
            if not here:
                weights[prefix] = stack
                continue
            order = [g for g in self.read_order(prefix) if g in here]
            for gate, block in zip(order, np.split(stack, len(here)), strict=True):
                weights[f"{prefix}{gate}"] = self.block(prefix, gate, block)
        return weights

    def block(self, prefix: str, gate: str, block: Array) -> Array:
        """One gate's part of a stacked array."""
        return block

    # the network

    def run(self) -> Values:
        """Everything that the port prints."""
        weights = self.load(self.store())
        y = self.read_input(self.given.x)
        for layer in range(self.model.layers):
            self.layer = layer
            y = self.enter(y)
            both = []
            for k, direction in enumerate(self.model.directions):
                self.direction = direction
                both.append(self.sequence(weights[self.scope], y, self.initial(layer, k)))
            y = self.leave(self.join(both))
            self.outputs.append(y)
        return Values(self.read_output(y), self.lines)

    def read_input(self, x: Array) -> Array:
        return x

    def read_output(self, y: Array) -> Array:
        return y

    def enter(self, y: Array) -> Array:
        """What a layer reads; y is the output of the layer below."""
        return y

    def leave(self, y: Array) -> Array:
        """What a layer hands on."""
        return y

    def join(self, both: list[Array]) -> Array:
        if self.options.get("merge") == "sum":
            return both[0] + both[1]
        return np.concatenate(both, axis=-1)

    def initial(self, layer: int, k: int) -> State:
        """The initial states of a layer and its k-th direction."""
        n = layer * len(self.model.directions) + k
        return tuple(np.array(s[n]) for s in (self.given.h0, self.given.c0)[: self.states])

    # one layer in one direction

    def order(self, steps: int) -> Iterable[int]:
        """The positions in x, in the order of computing."""
        return reversed(range(steps)) if self.reverse else range(steps)

    def sequence(self, w: Lines, x: Array, state: State) -> Array:
        found: dict[str, dict[int, Array]] = {}
        for t in self.order(len(x)):
            self.t = t
            lines = self.step(w, x[t], *state)
            state, y = self.advance(t, lines, state)
            if self.given.lengths is not None:
                lines = {**lines, "y_t": y}
            for name, value in {**lines, "": y}.items():
                found.setdefault(name, {})[t] = value
        arrays = {name: self.collect(by_step) for name, by_step in found.items()}
        y = arrays.pop("")
        self.lines[self.scope] = arrays
        return y

    def collect(self, by_step: dict[int, Array]) -> Array:
        """The values of all steps, at their positions in x."""
        return np.stack([by_step[t] for t in sorted(by_step)])

    def valid(self, t: int) -> Array:
        """Which sequences have not ended, (B, 1)."""
        lengths = self.given.lengths
        return np.ones((self.given.x.shape[1], 1), bool) if lengths is None else t < np.asarray(lengths)[:, None]

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        """The states after a step, and its output: padding keeps the states and is zero in the output."""
        valid = self.valid(t)
        new = self.carried(lines)
        return tuple(np.where(valid, n, o) for n, o in zip(new, old, strict=True)), self.padded(valid, lines, old)

    def padded(self, valid: Array, lines: Lines, old: State) -> Array:
        return np.where(valid, lines["h_t"], 0)

    def carried(self, n: Lines) -> State:
        return (n["h_t"],)

    def step(self, w: Lines, x: Array, *state: Array) -> Lines:
        raise NotImplementedError

    # one gate

    def function(self, option: str, default: str) -> Any:
        return FUNCTIONS[self.options.get(option) or default]

    def clipped(self, z: Array) -> Array:
        """A gate's input within the bounds of the option `clip`."""
        bound = self.options.get("clip")
        return z if bound is None else np.clip(z, -bound, bound)

    def product(self, matrix: Array, vector: Array) -> Array:
        """A matrix times the vector of each row."""
        return vector @ matrix.T

    def product_x(self, w: Lines, gate: str, x: Array) -> Array:
        return self.product(w[f"W_x{gate}"], x)

    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return self.product(w[f"W_h{gate}"], h)

    def biases(self, w: Lines, gate: str) -> Array:
        names = {"none": (), "one": ("b_",), "two": ("b_x", "b_h")}[self.model.bias]
        return sum((w[name + gate] for name in names), np.zeros(1))

    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return self.product_x(w, gate, x) + self.product_h(w, gate, h) + self.biases(w, gate)

    def gate(self, gate: str, z: Array) -> Array:
        return self.function("gate_activation", "sigmoid")(self.clipped(z))

    def candidate(self, z: Array) -> Array:
        return self.function("candidate_activation", "tanh")(self.clipped(z))


class Lstm(Port):
    """With peepholes, projection, coupled gates, forget bias, clips and layer normalisation."""

    gates = "ifco"
    states = 2

    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        n: Lines = {}
        for gate in "ic" if self.options.get("coupled") else "ifc":
            n |= self.total(w, gate, x, h, c)
        n["i_t"] = self.gate("i", n.get("y_i", n["z_i"]))
        n["f_t"] = self.forget(n)
        n["c_tilde"] = self.candidate(n.get("y_c", n["z_c"]))
        n["c_t"] = self.bounded("cell_clip", self.cell(n, c))
        n |= self.total(w, "o", x, h, n["c_t"])
        n["o_t"] = self.gate("o", n.get("y_o", n["z_o"]))
        return n | self.hidden(w, n)

    def total(self, w: Lines, gate: str, x: Array, h: Array, c: Array) -> Lines:
        """z of a gate, and y if it is normalised."""
        z = self.linear(w, gate, x, h)
        if self.options.get("peephole") and gate != "c":
            z = z + self.peephole(w, gate, c)
        if not self.options.get("layer_norm"):
            return {f"z_{gate}": self.with_forget_bias(gate, z)}
        y = self.normalised(z) * w[f"gamma_{gate}"] + w[f"beta_{gate}"]
        return {f"z_{gate}": z, f"y_{gate}": self.with_forget_bias(gate, y)}

    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return w[f"w_c{gate}"] * c

    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z + self.options.get("forget_bias", 0) if gate == "f" else z

    def normalised(self, z: Array) -> Array:
        d = z - z.mean(axis=-1, keepdims=True)
        return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + self.options.get("layer_norm_epsilon", 1e-5))

    def forget(self, n: Lines) -> Array:
        return 1 - n["i_t"] if self.options.get("coupled") else self.gate("f", n.get("y_f", n["z_f"]))

    def cell(self, n: Lines, c: Array) -> Array:
        return n["f_t"] * c + n["i_t"] * n["c_tilde"]

    def bounded(self, option: str, value: Array) -> Array:
        bound = self.options.get(option)
        return value if bound is None else np.clip(value, -bound, bound)

    def squashed(self, c: Array) -> Array:
        return self.function("output_activation", "tanh")(self.bounded("output_clip", c))

    def hidden(self, w: Lines, n: Lines) -> Lines:
        """h_t, and m_t if it is projected."""
        m = n["o_t"] * self.squashed(n["c_t"])
        return {"m_t": m, "h_t": self.projected(w, m)} if self.options.get("projection") else {"h_t": m}

    def projected(self, w: Lines, m: Array) -> Array:
        h = self.product(w["W_hr"], m) + w.get("b_hr", 0)
        return self.bounded("projection_clip", h)

    def carried(self, n: Lines) -> State:
        return n["h_t"], n["c_t"]


class Gru(Port):
    """With the reset gate before or after the product, and an update gate that keeps or writes."""

    gates = "ruh"

    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        n: Lines = {f"z_{gate}": self.linear(w, gate, x, h) for gate in "ru"}
        n["r_t"], n["u_t"] = self.gate("r", n["z_r"]), self.gate("u", n["z_u"])
        n["z_h"] = self.inner(w, x, h, n["r_t"])
        n["h_tilde"] = self.candidate(n["z_h"])
        return n | {"h_t": self.update(n, h)}

    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        if not self.options.get("reset_after"):
            return self.linear(w, "h", x, r * h)
        if self.model.bias == "two":
            return self.product_x(w, "h", x) + w["b_xh"] + r * (self.product_h(w, "h", h) + w["b_hh"])
        return self.product_x(w, "h", x) + self.biases(w, "h") + r * self.product_h(w, "h", h)

    def update(self, n: Lines, h: Array) -> Array:
        if self.options.get("update") == "write":
            return (1 - n["u_t"]) * h + n["u_t"] * n["h_tilde"]
        return n["u_t"] * h + (1 - n["u_t"]) * n["h_tilde"]


class Rnn(Port):
    """Elman's cell."""

    gates = "h"

    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        z = self.linear(w, "h", x, h)
        return {"z_h": z, "h_t": self.activated(z)}

    def activated(self, z: Array) -> Array:
        return self.function("activation", "tanh")(self.clipped(z))


CELLS: dict[str, type[Port]] = {"lstm": Lstm, "gru": Gru, "rnn": Rnn}
