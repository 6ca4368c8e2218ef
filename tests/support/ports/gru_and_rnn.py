"""Bugs in an equation of the GRU and of the RNN."""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import BUGS, entered
from .port import Array, Gru, Lines, Model, Rnn, sigmoid

bug = partial(entered, BUGS, "gru and rnn")

BEFORE = Model(kind="gru")
AFTER = Model(kind="gru", bias="two", options={"reset_after": True})
WRITE = Model(kind="gru", options={"update": "write"})


# github.com/google/flax/issues/5594
@bug(
    AFTER,
    "nnx.GRUCell has no b_hn",
    "b_hh, the candidate's second bias, is left out; those of r and u are there",
    "b_hh|z_h",
)
class CandidateBiasLost(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.product_x(w, "h", x) + w["b_xh"] + r * self.product_h(w, "h", h)


# github.com/fastmachinelearning/hls4ml/issues/594, github.com/pytorch/pytorch/pull/529
@bug(AFTER, "all biases summed up beforehand", "b_hh stands outside of the reset gate", "b_hh|z_h")
class BiasOutsideReset(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.product_x(w, "h", x) + w["b_xh"] + w["b_hh"] + r * self.product_h(w, "h", h)


# github.com/microsoft/onnxscript/issues/2852
@bug(
    Model(kind="gru", layers=2, bias="two", options={"reset_after": True}),
    "linear_before_reset=1 not set",
    "the reset gate multiplies h_prev before the product with W_hh instead of the product after it",
    "z_h|r_t",
)
class ResetBefore(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.linear(w, "h", x, r * h)


# github.com/xiph/rnnoise/issues/67, github.com/ooples/AiDotNet/pull/722
@bug(
    BEFORE,
    "r[i] instead of r[j] in the inner loop",
    "the reset gate multiplies the product instead of h_prev",
    "z_h|r_t",
)
class ResetOfTheOuterLoop(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        out = self.product_x(w, "h", x) + w["b_h"]
        for b in range(len(h)):
            for i in range(h.shape[1]):
                for j in range(h.shape[1]):
                    out[b, i] += w["W_hh"][i, j] * r[b, i] * h[b, j]
        return out


# github.com/fatchord/WaveRNN/issues/7, github.com/keras-team/keras/issues/785
@bug(BEFORE, "z and 1 - z the other way round", "u_t and 1 - u_t are exchanged in h_t", "h_t|u_t")
class UpdateComplement(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return (1 - n["u_t"]) * h + n["u_t"] * n["h_tilde"]


# github.com/pytorch/pytorch/issues/20129
@bug(
    Model(kind="gru", directions=("forward", "reverse"), options={"update": "write"}),
    "formula of the other paper",
    "u_t and 1 - u_t are exchanged in h_t, in the reverse direction",
    "reverse, h_t|u_t",
)
class UpdateComplementInReverse(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return n["u_t"] * h + (1 - n["u_t"]) * n["h_tilde"] if self.reverse else super().update(n, h)


# github.com/YerevaNN/R-NET-in-Keras/pull/16
@bug(BEFORE, "sigmoid missing", "the reset gate has no sigmoid", "r_t|sigmoid")
class ResetNotSquashed(Gru):
    def gate(self, gate: str, z: Array) -> Array:
        return z if gate == "r" else sigmoid(z)


@bug(WRITE, "h = h + z * n", "1 - u_t is missing before h_prev", "h_t")
class OldStateWhole(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return h + n["u_t"] * n["h_tilde"]


@bug(AFTER, "reset gate never applied", "the reset gate is left out of z_h", "r_t|z_h")
class ResetLost(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.linear(w, "h", x, h)


@bug(BEFORE, "np.dot(h, Uz) typed twice", "z_r has W_hu instead of W_hr", "z_r|W_hr")
class ResetHasUpdateMatrix(Gru):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return super().product_h(w, "u" if gate == "r" else gate, h)


@bug(BEFORE, "one activation for everything", "the candidate has a sigmoid instead of tanh", "h_tilde|sigmoid|tanh")
class CandidateSigmoid(Gru):
    def candidate(self, z: Array) -> Array:
        return sigmoid(z)


@bug(
    Model(kind="gru", bias="two", options={"reset_after": True, "clip": 0.9}),
    "clip dropped by the converter",
    "the clip of the gates' inputs is left out",
    "clip",
)
class GruClipLost(Gru):
    def clipped(self, z: Array) -> Array:
        return z


# github.com/mquad/hgru4rec/issues/11 mixes up the two states of an update as well
@bug(BEFORE, "h *= r in place", "h_prev was overwritten by r_t * h_prev before the update read it", "h_t, r_t|h_prev")
class ResetInPlace(Gru):
    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        h = h.copy()
        n: Lines = {f"z_{gate}": self.linear(w, gate, x, h) for gate in "ru"}
        n["r_t"], n["u_t"] = self.gate("r", n["z_r"]), self.gate("u", n["z_u"])
        h *= n["r_t"]
        n["z_h"] = self.linear(w, "h", x, h)
        n["h_tilde"] = np.tanh(n["z_h"])
        return n | {"h_t": n["u_t"] * h + (1 - n["u_t"]) * n["h_tilde"]}


# github.com/microsoft/onnxruntime/pull/3893
@bug(
    Model(kind="gru", bias="none", options={"reset_after": True}),
    "linear_output_ is not cleared without a bias",
    "W_hh @ h_prev is added to its value of the step before, since the buffer was not cleared",
    "W_hh|W_hh @ h_prev|z_h",
)
class LinearNotCleared(Gru):
    buffer: Array = 0

    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        self.buffer = self.buffer + self.product_h(w, "h", h)
        return self.product_x(w, "h", x) + r * self.buffer


@bug(
    Model(kind="rnn", options={"activation": "relu"}),
    "nonlinearity='relu' not exported",
    "h_t has tanh instead of relu",
    "h_t|relu|tanh",
)
class ReluLost(Rnn):
    def activated(self, z: Array) -> Array:
        return np.tanh(z)


@bug(Model(kind="rnn", bias="two"), "torch.tanh left out of the loop's last line", "h_t has no activation", "h_t|tanh")
class RnnLinear(Rnn):
    def activated(self, z: Array) -> Array:
        return z


@bug(Model(kind="rnn"), "h = tanh(Wx) + Uh", "W_hh @ h_prev is added outside of tanh", "h_t, W_hh|z_h")
class RecurrentOutsideTanh(Rnn):
    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        z = self.product_x(w, "h", x) + w["b_h"]
        return {"z_h": z, "h_t": np.tanh(z) + self.product_h(w, "h", h)}
