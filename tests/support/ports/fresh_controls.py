"""More ports that are right with other arithmetic, and more outputs that nobody can explain; nobody reads them either.

They belong to the blind test of `fresh`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import FRESH_CONTROLS, FRESH_HOPELESS, entered
from .controls import InFloat32, Random
from .port import Array, Given, Gru, Lines, Lstm, Model, Rnn, State, Values, sigmoid

right = partial(entered, FRESH_CONTROLS, "control")
hopeless = partial(entered, FRESH_HOPELESS, "hopeless")

BOTH = Model(layers=2, directions=("forward", "reverse"))
AFTER = Model(kind="gru", bias="two", options={"reset_after": True})


@right(Model(), "bias as the last column of the kernel", "right, with the bias as a column times one", dtype="float32")
class BiasAsColumn(InFloat32, Lstm):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        kernel = np.column_stack([w[f"W_h{gate}"], w[f"W_x{gate}"], self.biases(w, gate)])
        return self.product(kernel, np.column_stack([h, x, np.ones(len(x), np.float32)]))


@right(AFTER, "h = n + z * (h - n)", "right, with h_tilde + u_t (h_prev - h_tilde)", dtype="float32")
class UpdateByDifference(InFloat32, Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return n["h_tilde"] + n["u_t"] * (h - n["h_tilde"])


@right(BOTH, "compensated sums", "right, summed with Kahan's compensation", dtype="float64")
class CompensatedSums(Lstm):
    def product(self, matrix: Array, vector: Array) -> Array:
        total = lost = np.zeros((len(vector), len(matrix)))
        for k in range(vector.shape[1]):
            term = vector[:, k : k + 1] * matrix[:, k] - lost
            new = total + term
            total, lost = new, (new - total) - term
        return total


@right(
    Model(kind="rnn", bias="two", layers=2, lengths=True),
    "rows padded to eight for SIMD",
    "right, with zeros to a multiple of eight and a sum for each lane",
    dtype="float32",
)
class PaddedToEight(InFloat32, Rnn):
    def product(self, matrix: Array, vector: Array) -> Array:
        more = -vector.shape[1] % 8
        a, b = (np.pad(m, ((0, 0), (0, more))).reshape(len(m), -1, 8) for m in (vector, matrix))
        return (a[:, None] * b[None]).sum(axis=2).sum(axis=-1)


@right(
    Model(bias="two", lengths=True, options={"peephole": True}),
    "tanh by sigmoid",
    "right, with tanh(z) = 2 sigmoid(2 z) - 1",
    dtype="float64",
)
class TanhBySigmoid(Lstm):
    def candidate(self, z: Array) -> Array:
        return 2 * sigmoid(2 * z) - 1

    def squashed(self, c: Array) -> Array:
        return 2 * sigmoid(2 * c) - 1


@hopeless(Model(bias="two"), "ensemble of two checkpoints", "the mean with the output of a model of other weights")
class Ensemble(Random, Lstm):
    def run(self) -> Values:
        other = self.given._replace(weights={key: self.noise(v, 0.6) for key, v in self.given.weights.items()})
        (h, lines), (g, more) = super().run(), Lstm(self.model, Given(*other)).run()
        mean = {s: {n: (v + more[s][n]) / 2 for n, v in found.items()} for s, found in lines.items()}
        return Values((h + g) / 2, mean)


@hopeless(AFTER, "dropout on at inference", "h_t of random units is zero, of others doubled, in each step anew")
class DropoutOn(Random, Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return super().update(n, h) * 2 * self.rng.integers(0, 2, size=h.shape)


@hopeless(Model(), "bit errors in flash", "one weight in eight has a random sign and a random power of two")
class BitErrors(Random, Lstm):
    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        def hit(v: Array) -> Array:
            wrong = v * self.rng.choice([-1, 1], v.shape) * 2.0 ** self.rng.integers(-3, 2, v.shape)
            return np.where(self.rng.random(v.shape) < 1 / 8, wrong, v)

        return {name: hit(v) for name, v in super().unstack(scope, found).items()}


@hopeless(
    Model(kind="rnn", directions=("forward", "reverse")),
    "analogue products drift",
    "each product has a random error that grows with time",
)
class AnalogueDrift(Random, Rnn):
    def product(self, matrix: Array, vector: Array) -> Array:
        exact = super().product(matrix, vector)
        return exact * (1 + self.noise(exact, 0.03 * (1 + self.t)))


@hopeless(
    Model(kind="gru", lengths=True),
    "somebody's own GRU",
    "gates of 2^-z^2, a candidate of z^3 / (1 + |z|^3), and a state that is turned by one unit",
)
class OwnGru(Gru):
    def gate(self, gate: str, z: Array) -> Array:
        return 2.0 ** -(z * z)

    def candidate(self, z: Array) -> Array:
        return z**3 / (1 + abs(z) ** 3)

    def carried(self, n: Lines) -> State:
        return (np.roll(n["h_t"], 1, axis=-1),)
