"""Ports that are right, with other arithmetic than ours, and outputs that nobody can explain."""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import CONTROLS, HOPELESS, entered
from .port import Array, File, Gru, Lines, Lstm, Model, Port, Rnn, State, Values, sigmoid

right = partial(entered, CONTROLS, "control")
hopeless = partial(entered, HOPELESS, "hopeless")

PLAIN = Model()
TWO = Model(bias="two")
BOTH = Model(layers=2, directions=("forward", "reverse"))
GRU = Model(kind="gru", bias="two", options={"reset_after": True})


class InFloat32(Port):
    """All weights, states and lines in float32; stands before the cell's class."""

    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        return {name: value.astype(np.float32) for name, value in super().unstack(scope, found).items()}

    def read_input(self, x: Array) -> Array:
        return x.astype(np.float32)

    def initial(self, layer: int, k: int) -> State:
        return tuple(s.astype(np.float32) for s in super().initial(layer, k))

    def biases(self, w: Lines, gate: str) -> Array:
        return super().biases(w, gate).astype(np.float32)


@right(PLAIN, "nn.LSTM in float32", "right, in float32", dtype="float32")
class Float32Lstm(InFloat32, Lstm):
    pass


@right(GRU, "nn.GRU in float32", "right, in float32", dtype="float32")
class Float32Gru(InFloat32, Gru):
    pass


@right(
    Model(layers=2, directions=("forward", "reverse"), lengths=True),
    "float32, two layers, lengths",
    "right, in float32",
    dtype="float32",
)
class Float32Network(InFloat32, Lstm):
    pass


@right(TWO, "sums from the last product to the first", "right, summed in another order", dtype="float32")
class SummedBackwards(InFloat32, Lstm):
    def product(self, matrix: Array, vector: Array) -> Array:
        total = np.zeros((len(vector), len(matrix)), vector.dtype)
        for k in reversed(range(vector.shape[1])):
            total = total + vector[:, k : k + 1] * matrix[:, k]
        return total


@right(Model(options={"projection": True}), "scalar loops", "right, in scalar loops", dtype="float64")
class ScalarLoops(Lstm):
    def product(self, matrix: Array, vector: Array) -> Array:
        rows = [[sum(float(a) * float(b) for a, b in zip(m, v, strict=True)) for m in matrix] for v in vector]
        return np.array(rows)


@right(
    Model(layers=2, options={"peephole": True}),
    "one product of [x, h]",
    "right, with x and h in one product",
    dtype="float32",
)
class JoinedProduct(InFloat32, Lstm):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        joined = np.concatenate([w[f"W_x{gate}"], w[f"W_h{gate}"]], axis=1)
        return self.biases(w, gate) + np.concatenate([x, h], axis=1) @ joined.T


@right(TWO, "bias_ih + bias_hh summed in the file", "right, with the biases summed beforehand", dtype="float32")
class BiasesMerged(InFloat32, Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            found["b_x"], found["b_h"] = found["b_x"] + found["b_h"], 0 * found["b_h"]
        return super().load(file)


@right(PLAIN, "sigmoid by tanh", "right, with sigmoid(z) = (1 + tanh(z / 2)) / 2", dtype="float32")
class SigmoidByTanh(InFloat32, Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return np.float32(0.5) + np.float32(0.5) * np.tanh(np.float32(0.5) * z)


@right(BOTH, "four accumulators", "right, summed in four parts", dtype="float64")
class FourAccumulators(Lstm):
    def product(self, matrix: Array, vector: Array) -> Array:
        return sum(vector[:, k::4] @ matrix[:, k::4].T for k in range(4))


@right(
    Model(kind="rnn", bias="two", layers=2), "float64, printed as float32", "right, stored in float32", dtype="float32"
)
class StoredInFloat32(Rnn):
    pass


@right(
    Model(kind="gru", directions=("forward", "reverse"), lengths=True),
    "products of all steps at once",
    "right, with the products of x beforehand",
    dtype="float64",
)
class InputProductsFirst(Gru):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return (self.biases(w, gate) + self.product_x(w, gate, x)) + self.product_h(w, gate, h)


class Random(Port):
    """With a generator that is the same in each run of a case."""

    def setup(self) -> None:
        self.rng = np.random.default_rng(int(1e6 * abs(self.given.x).sum()))

    def noise(self, values: Array, scale: float = 1) -> Array:
        """Normal noise for each value."""
        return scale * self.rng.normal(size=values.shape)


@hopeless(PLAIN, "another program's outputs", "numbers that have nothing to do with the model")
class Unrelated(Random, Lstm):
    def run(self) -> Values:
        h, lines = super().run()
        unrelated = {s: {n: self.noise(v) for n, v in found.items()} for s, found in lines.items()}
        return Values(np.tanh(self.noise(h)), unrelated)


@hopeless(Model(bias="two"), "noise on every line", "right but for normal noise of 0.02 on every value")
class Noisy(Random, Lstm):
    def run(self) -> Values:
        h, lines = super().run()
        noisy = {s: {n: v + self.noise(v, 0.02) for n, v in found.items()} for s, found in lines.items()}
        return Values(h + self.noise(h, 0.02), noisy)


@hopeless(GRU, "another checkpoint", "the weights of a later checkpoint: every weight differs a little")
class OtherCheckpoint(Random, Gru):
    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        return {name: v + self.noise(v, 0.05) for name, v in super().unstack(scope, found).items()}


@hopeless(Model(layers=2), "another model of the same sizes", "right, for other weights")
class OtherModel(Random, Lstm):
    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        return {name: self.noise(v, 0.6) for name, v in super().unstack(scope, found).items()}


@hopeless(
    PLAIN, "somebody's own cell", "c_tilde is sin(z_c), h_t is o_t c_t / (1 + c_t^2), and the forget gate is squared"
)
class OwnCell(Lstm):
    def candidate(self, z: Array) -> Array:
        return np.sin(z)

    def forget(self, n: Lines) -> Array:
        return sigmoid(n["z_f"]) ** 2

    def squashed(self, c: Array) -> Array:
        return c / (1 + c * c)


@hopeless(Model(kind="gru"), "another recording", "right, for another x")
class OtherInput(Random, Gru):
    def read_input(self, x: Array) -> Array:
        return self.noise(x, 1.2)
