"""Bugs of arithmetic and storage: quantised weights and states, half precision, fixed point, approximated functions."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .bug import BUGS, entered
from .port import Array, File, Gru, Lines, Lstm, Model, Rnn, sigmoid

bug = partial(entered, BUGS, "numbers")

PLAIN = Model()
STACK = Model(layers=2)
GRU = Model(kind="gru", bias="two", options={"reset_after": True})


def matrices(file: File, rounded: Any) -> File:
    """The file with each stack of matrices, W_x and W_h, rounded; biases stay."""
    return {s: {k: rounded(v) if v.ndim == 2 else v for k, v in found.items()} for s, found in file.items()}


def int8(array: Array, largest: Array) -> Array:
    scale = largest / 127
    return np.clip(np.round(array / scale), -127, 127) * scale


def bfloat16(array: Array) -> Array:
    """The upper half of a float32, cut off."""
    bits = np.asarray(array, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(float)


@bug(PLAIN, "symmetric int8 weights, per tensor", "W_x and W_h are rounded to 8 bits, one scale for each", "int8")
class Int8PerTensor(Lstm):
    def load(self, file: File) -> File:
        return super().load(matrices(file, lambda w: int8(w, abs(w).max())))


# github.com/microsoft/onnxruntime/pull/5595
@bug(
    Model(bias="two", layers=2),
    "int8 weights per channel",
    "W_x and W_h are rounded to 8 bits, a scale for each row",
    "int8",
)
class Int8PerRow(Lstm):
    def load(self, file: File) -> File:
        return super().load(matrices(file, lambda w: int8(w, abs(w).max(axis=1, keepdims=True))))


@bug(
    GRU,
    "uint8 weights with a zero point",
    "W_x and W_h are rounded to 8 bits between their least and greatest value",
    "int8",
)
class Uint8Asymmetric(Gru):
    def load(self, file: File) -> File:
        def rounded(w: Array) -> Array:
            low, high = min(w.min(), 0.0), max(w.max(), 0.0)
            scale = (high - low) / 255
            zero = np.round(-low / scale)
            return (np.clip(np.round(w / scale) + zero, 0, 255) - zero) * scale

        return super().load(matrices(file, rounded))


# github.com/pytorch/pytorch/pull/39499
@bug(
    STACK,
    "one observer for all weights",
    "W_x and W_h of both layers are rounded to 8 bits with one scale for all",
    "int8, scale",
)
class Int8SharedScale(Lstm):
    def load(self, file: File) -> File:
        largest = max(abs(v).max() for found in file.values() for v in found.values() if v.ndim == 2)
        return super().load(matrices(file, lambda w: int8(w, largest)))


@bug(PLAIN, "only the recurrent kernel is quantised", "W_h is rounded to 8 bits, one scale", "int8, W_h|W_hi")
class Int8Recurrent(Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            found["W_h"] = int8(found["W_h"], abs(found["W_h"]).max())
        return super().load(file)


# TFLite's hidden state is int8 with a fixed scale
@bug(PLAIN, "int8 hidden state", "h_t is rounded to 1/128 after each step", "h_t|states, int8|fixed_point")
class Int8State(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        h = super().hidden(w, n)["h_t"]
        return {"h_t": np.clip(np.round(h * 128), -128, 127) / 128}


# github.com/pytorch/pytorch/issues/175845
@bug(GRU, "model.half()", "all weights are rounded to float16", "float16", dtype="float64")
class Float16Weights(Gru):
    def load(self, file: File) -> File:
        return {s: {k: v.astype(np.float16).astype(float) for k, v in w.items()} for s, w in super().load(file).items()}


@bug(PLAIN, "half accumulators", "the products are summed in float16", "float16", dtype="float64")
class Float16Sums(Lstm):
    def product(self, matrix: Array, vector: Array) -> Array:
        a, b = vector.astype(np.float16), matrix.astype(np.float16)
        total = np.zeros((len(a), len(b)), np.float16)
        for k in range(a.shape[1]):
            total = total + a[:, k : k + 1] * b[:, k]
        return total.astype(float)


@bug(Model(bias="two"), "bfloat16 by cutting off", "all weights are cut to bfloat16", "bfloat16")
class Bfloat16Weights(Lstm):
    def load(self, file: File) -> File:
        return {s: {k: bfloat16(v) for k, v in w.items()} for s, w in super().load(file).items()}


@bug(Model(kind="rnn"), "states stored as bfloat16", "h_t is cut to bfloat16 after each step", "bfloat16, h_t|states")
class Bfloat16State(Rnn):
    def activated(self, z: Array) -> Array:
        return bfloat16(super().activated(z))


# github.com/fastmachinelearning/hls4ml/pull/329
@bug(
    PLAIN,
    "ap_fixed<16,6>",
    "all weights and all lines are cut (towards minus infinity) to 10 fraction bits",
    "fixed_point",
)
class ApFixed(Lstm):
    def load(self, file: File) -> File:
        return {s: {k: self.cut(v) for k, v in w.items()} for s, w in super().load(file).items()}

    def cut(self, value: Array) -> Array:
        return np.clip(np.floor(value * 1024) / 1024, -32, 32 - 1 / 1024)

    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return self.cut(super().linear(w, gate, x, h))

    def gate(self, gate: str, z: Array) -> Array:
        return self.cut(sigmoid(z))

    def candidate(self, z: Array) -> Array:
        return self.cut(np.tanh(z))

    def cell(self, n: Lines, c: Array) -> Array:
        return self.cut(super().cell(n, c))

    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": self.cut(n["o_t"] * self.cut(np.tanh(n["c_t"])))}


def table(function: Any, z: Array, entries: int = 1024) -> Array:
    """The nearest entry below, of a table over -8 to 8."""
    index = np.clip(np.floor((z + 8) * entries / 16), 0, entries - 1)
    return function(index * 16 / entries - 8)


# github.com/fastmachinelearning/hls4ml/pull/329: table_size = 1024
@bug(
    PLAIN,
    "sigmoid and tanh from tables of 1024 entries",
    "sigmoid and tanh are read from a table with steps of 1/64",
    "sigmoid|table|i_t, tanh|table|c_tilde",
)
class Tables(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return table(sigmoid, z)

    def candidate(self, z: Array) -> Array:
        return table(np.tanh, z)

    def squashed(self, c: Array) -> Array:
        return table(np.tanh, c)


# github.com/ARM-software/CMSIS_5/issues/985
@bug(
    PLAIN,
    "negative index into the tanh table",
    "tanh of a negative number is zero, in candidate and output",
    "tanh|c_tilde, tanh|h_t|relu",
)
class NegativeTanhZero(Lstm):
    def candidate(self, z: Array) -> Array:
        return np.where(z < 0, 0, np.tanh(z))

    def squashed(self, c: Array) -> Array:
        return np.where(c < 0, 0, np.tanh(c))


# github.com/sdatkinson/NeuralAmpModelerCore/pull/43 has one of this kind: a quotient of polynomials
@bug(
    PLAIN,
    "fast tanh and fast sigmoid",
    "tanh is z (27 + z^2) / (27 + 9 z^2) within -3 and 3, the sigmoid follows from it",
    "tanh|c_tilde, sigmoid|i_t",
)
class FastTanh(Lstm):
    def fast(self, z: Array) -> Array:
        z = np.clip(z, -3, 3)
        return z * (27 + z * z) / (27 + 9 * z * z)

    def gate(self, gate: str, z: Array) -> Array:
        return 0.5 + 0.5 * self.fast(z / 2)

    def candidate(self, z: Array) -> Array:
        return self.fast(z)

    def squashed(self, c: Array) -> Array:
        return self.fast(c)


# github.com/torch/torch7/pull/1027
@bug(Model(bias="two"), "exp by (1 + x / 256) to the 256th", "the sigmoid's exp is (1 + z/256)^256", "sigmoid|i_t")
class ExpByPower(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return 1 / (1 + (1 - z / 256) ** 256)


# github.com/mlpack/mlpack/pull/1107
@bug(GRU, "fast sigmoid x / (1 + |x|)", "the sigmoid of the gates is 0.5 + 0.5 z / (1 + |z|)", "sigmoid|r_t")
class SoftsignSigmoid(Gru):
    def gate(self, gate: str, z: Array) -> Array:
        return 0.5 + 0.5 * z / (1 + abs(z))


# github.com/tenstorrent/tt-metal/issues/53258; the four pieces are those of Amin, Curtis and Hayes-Gill (1997)
@bug(PLAIN, "PLAN sigmoid on the FPGA", "the sigmoid is piecewise linear, with knees at 1, 2.375 and 5", "sigmoid|i_t")
class PiecewiseSigmoid(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        a = abs(z)
        y = np.select([a >= 5, a >= 2.375, a >= 1], [1.0, 0.03125 * a + 0.84375, 0.125 * a + 0.625], 0.25 * a + 0.5)
        return np.where(z < 0, 1 - y, y)


@bug(
    Model(kind="rnn", bias="two"),
    "tanh by its series",
    "tanh(z) is z - z^3/3 + 2 z^5/15, limited to -1 and 1",
    "tanh|h_t",
)
class TanhSeries(Rnn):
    def activated(self, z: Array) -> Array:
        return np.clip(z - z**3 / 3 + 2 * z**5 / 15, -1, 1)


# github.com/ARM-software/CMSIS_5/issues/988
@bug(PLAIN, "gate inputs saturate at Q2.13", "z of every gate is limited to -4 and 4 before the activation", "clip")
class GateInputSaturates(Lstm):
    def clipped(self, z: Array) -> Array:
        return np.clip(z, -4, 4)


# github.com/ARM-software/CMSIS_5/issues/988: the cell state needs more than Q0.15
@bug(STACK, "cell state in Q0.15 saturates", "c_t is limited to -1 and 1", "c_t, clip")
class CellSaturates(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return np.clip(super().cell(n, c), -1, 1)
