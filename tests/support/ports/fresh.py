"""Thirty more real bugs, for a blind test: nobody who writes the table of mistakes reads this file.

Each stands with the address where it happened. They are of other kinds, in other places or other cells than `BUGS`.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import FRESH, entered
from .port import Array, File, Gru, Lines, Lstm, Model, Rnn, State, sigmoid

equation = partial(entered, FRESH, "equation")
numbers = partial(entered, FRESH, "numbers")
stored = partial(entered, FRESH, "file")
state = partial(entered, FRESH, "state")
wiring = partial(entered, FRESH, "wiring")
time = partial(entered, FRESH, "time")
fed = partial(entered, FRESH, "input")

PLAIN = Model()
TWO = Model(bias="two")
BOTH = Model(directions=("forward", "reverse"))
LENGTHS = Model(lengths=True)
BEFORE = Model(kind="gru")
AFTER = Model(kind="gru", bias="two", options={"reset_after": True})


# LSTM


# github.com/borelien/entailment-neural-attention-lstm-tf/issues/3
@equation(TWO, "h = o * tanh(self.c[-1])", "h_t has tanh(c_prev) instead of tanh(c_t)", "h_t, c_prev|c_t")
class HiddenFromOldCell(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        self.old = c
        return super().step(w, x, h, c)

    def squashed(self, c: Array) -> Array:
        return np.tanh(self.old)


# github.com/jazzsaxmafia/show_attend_and_tell.tensorflow/issues/12
@equation(PLAIN, "h = o * tanh(new_c)", "h_t has tanh(c_tilde) instead of tanh(c_t)", "h_t, c_tilde|c_t")
class HiddenFromCandidate(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": n["o_t"] * np.tanh(n["c_tilde"])}


# github.com/ahirsharan/LSTM/issues/1
@equation(PLAIN, "only ConcatMultAdd is called for f", "the forget gate has no sigmoid", "f_t|sigmoid")
class ForgetNotSquashed(Lstm):
    def forget(self, n: Lines) -> Array:
        return n["z_f"]


# github.com/Rayhane-mamah/Tacotron-2/pull/45, github.com/lmnt-com/haste/issues/18
@equation(
    TWO,
    "zoneout's expectation at inference",
    "h_t and c_t are 0.9 of themselves and 0.1 of h_prev and c_prev",
    "h_t|h_prev, c_t|c_prev",
)
class ZoneoutLeftOn(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        n = super().step(w, x, h, c)
        return n | {"c_t": 0.9 * n["c_t"] + 0.1 * c, "h_t": 0.9 * n["h_t"] + 0.1 * h}


# github.com/NVIDIA/TensorRT/issues/4606
@equation(
    Model(bias="two", options={"clip": 0.9}),
    "max of the Clip dropped by the optimiser",
    "the gates' inputs are clipped from below only",
    "clip",
)
class ClipFromBelowOnly(Lstm):
    def clipped(self, z: Array) -> Array:
        return np.maximum(z, -self.options["clip"])


# github.com/tensorflow/addons/pull/210, github.com/tensorflow/addons/pull/323
@equation(
    Model(options={"layer_norm": True}),
    "layer norm of the fused gates",
    "the layer normalisation has one mean and one variance for all four gates",
    "normalisation|variance",
)
class NormOfAllGates(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        fused = np.concatenate([self.linear(w, gate, x, h) for gate in self.gates], axis=-1)
        self.mean, self.variance = fused.mean(axis=-1, keepdims=True), fused.var(axis=-1, keepdims=True)
        return super().step(w, x, h, c)

    def normalised(self, z: Array) -> Array:
        return (z - self.mean) / np.sqrt(self.variance + self.options.get("layer_norm_epsilon", 1e-5))


# github.com/fastmachinelearning/hls4ml/pull/527 has the table of one half
@numbers(
    PLAIN,
    "half a sigmoid table, 1 - y forgotten",
    "the sigmoid of a negative number is that of its magnitude",
    "sigmoid|i_t",
)
class HalfTable(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return sigmoid(abs(z))


# github.com/parallella/pal/pull/147, github.com/fmfi-compbio/deepnano-blitz/pull/5
@numbers(
    TWO,
    "exp by the exponent bits (Schraudolph)",
    "exp in sigmoid and tanh is approximated by writing into the bits of a double, up to 4 % off",
    "sigmoid|i_t, tanh|c_tilde",
)
class ExpByBits(Lstm):
    def exp(self, z: Array) -> Array:
        high = (2**20 / np.log(2) * z + (1_072_693_248 - 60_801)).astype(np.int64)
        return (high << 32).view(float)

    def gate(self, gate: str, z: Array) -> Array:
        return 1 / (1 + self.exp(-z))

    def candidate(self, z: Array) -> Array:
        return 2 / (1 + self.exp(-2 * z)) - 1

    def squashed(self, c: Array) -> Array:
        return self.candidate(c)


# github.com/tensorflow/tensorflow/pull/56493, github.com/tensorflow/tflite-micro/pull/1211
@numbers(
    PLAIN,
    "zero point subtracted instead of added",
    "h_t is rounded to 1/128 and has an offset of -1/16, from a zero point of the wrong sign",
    "h_t|states, int8|fixed_point|bias",
)
class ZeroPointSign(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        zero = 4
        stored = np.clip(np.round(128 * n["o_t"] * np.tanh(n["c_t"])) - zero, -128, 127)
        return {"h_t": (stored - zero) / 128}


# community.konduit.ai/t/imported-keras-lstm-layer-mismatch/124
@stored(
    TWO,
    "DL4J packs c, f, o, i, Keras i, f, c, o",
    "the blocks of the file are i, f, c, o and are read as c, f, o, i",
    "order|z_i, order|z_c, order|z_o",
)
class KerasOrderAsDl4j(Lstm):
    stored_as, read_as = "ifco", "cfoi"


# github.com/alibaba/heterogeneity-aware-lowering-and-optimization/pull/554: LDGOI is one layout of several
@stored(
    PLAIN,
    "LDOGI read as LDGOI",
    "the file has the four gates of a unit side by side and is read gate after gate, in W_x, W_h and biases",
    "order|layout, W_x|W_xi|units",
)
class GatesInterleaved(Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            for prefix, stack in found.items():
                gates = stack.reshape(4, len(stack) // 4, -1)
                found[prefix] = gates.swapaxes(0, 1).reshape(stack.shape)
        return super().load(file)


# github.com/pytorch/pytorch/pull/22850: flat_weights of the C++ front end
@stored(
    Model(layers=2, directions=("forward", "reverse")),
    "for direction: for layer: flat.push_back(bias)",
    "the biases of layer 0 reverse and of layer 1 forward are exchanged",
    "bias|b_i, layer0|layer1|reverse|order",
)
class BiasesByDirection(Lstm):
    def load(self, file: File) -> File:
        a, b = file["0/reverse"], file["1/forward"]
        a["b_"], b["b_"] = b["b_"], a["b_"]
        return super().load(file)


# github.com/flagos-ai/FlagGems/issues/5014
@state(
    Model(bias="two", states=False),
    "hidden_size > BLOCK_SIZE is silently dropped",
    "units from the third on are never computed and stay zero",
    "units|h_t",
)
class UnitsBeyondBlock(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        return {name: np.where(np.arange(h.shape[-1]) < 2, v, 0) for name, v in super().step(w, x, h, c).items()}


# github.com/timbmg/Sentence-VAE/issues/15, github.com/hunkim/PyTorchZeroToAll/issues/16
@state(
    Model(layers=3),
    "h0 is batch first: hidden.view(layers, batch, units)",
    "h0 and c0 are reshaped from (B, L, H) to (L, B, H) where their axes must be exchanged",
    "h0|states, c0|states, layout|batch|rows|order",
)
class StatesReshaped(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return tuple(s.transpose(1, 0, 2).reshape(s.shape)[layer] for s in (self.given.h0, self.given.c0))


# github.com/ematvey/tensorflow-seq2seq-tutorials/issues/1
@wiring(
    BOTH,
    "concat([output_fw, output_fw])",
    "the output of the forward direction stands in both halves",
    "join|output, forward|reverse",
)
class ForwardTwice(Lstm):
    def join(self, both: list[Array]) -> Array:
        return super().join([both[0], both[0]])


# github.com/tensorflow/tensorflow/issues/39635
@time(
    BOTH,
    "time_major: axis 1 is the batch",
    "the outputs of the reverse direction are turned round along the batch instead of along time",
    "reverse, rows|batch, time|order|output",
)
class TurnedRoundAlongBatch(Lstm):
    def join(self, both: list[Array]) -> Array:
        computed = both[1][::-1]
        return super().join([both[0], computed[:, ::-1]])


# github.com/apache/systemds/pull/2051: rev() of a row of all steps turns the features round as well
@fed(
    BOTH,
    "the flattened row is reversed",
    "the reverse direction reads the features of x in the reverse order",
    "reverse, x|input|W_x|W_xi",
)
class FeaturesReversedInReverse(Lstm):
    def product_x(self, w: Lines, gate: str, x: Array) -> Array:
        return super().product_x(w, gate, x[..., ::-1] if self.reverse else x)


# github.com/Element-Research/rnn/issues/433, github.com/pytorch/pytorch/issues/10536: Keras pads in front
@time(
    LENGTHS,
    "pad_sequences(padding='pre')",
    "the padding stands in front of each sequence, in x and in the output, instead of behind it",
    "padding|lengths|time|order",
)
class PaddedInFront(Lstm):
    def read_input(self, x: Array) -> Array:
        return np.stack([np.roll(row, -n, axis=0) for row, n in zip(x.swapaxes(0, 1), self.ends(), strict=True)], 1)

    def ends(self) -> list[int]:
        return [int(n) for n in self.given.lengths]

    def valid(self, t: int) -> Array:
        return t >= len(self.given.x) - np.asarray(self.given.lengths)[:, None]


# GRU


# github.com/chnsh/DCRNN_PyTorch/issues/12
@equation(AFTER, "sigmoid in the layer and after it", "the gates have the sigmoid twice", "r_t|sigmoid, u_t|sigmoid")
class SigmoidTwice(Gru):
    def gate(self, gate: str, z: Array) -> Array:
        return sigmoid(sigmoid(z))


# github.com/xiph/rnnoise/issues/58
@equation(AFTER, "ACTIVATION_RELU in rnn_data.c", "the candidate has relu instead of tanh", "h_tilde|relu|tanh")
class CandidateRelu(Gru):
    def candidate(self, z: Array) -> Array:
        return np.maximum(z, 0)


# github.com/tensorflow/swift-apis/pull/960
@equation(
    BEFORE,
    "let updateHidden = (1 - updateGate) * hidden",
    "h_prev is multiplied by 1 - u_t as well as h_tilde",
    "h_t|u_t",
)
class ComplementTwice(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return (1 - n["u_t"]) * (h + n["h_tilde"])


# github.com/google/flax/issues/3718: the minimal gated unit has one gate for both
@equation(
    Model(kind="gru", options={"update": "write"}),
    "one gate for both, as in the MGU",
    "the update gate stands in z_h where the reset gate must stand",
    "z_h|r_t, u_t|r_t",
)
class ResetIsUpdate(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return super().inner(w, x, h, self.gate("u", self.linear(w, "u", x, h)))


# github.com/tensorflow/tensorflow/issues/35724
@numbers(
    AFTER,
    "recurrent dropout scaled at inference",
    "the products of W_h and h_prev are multiplied by 0.8",
    "scale|h_prev|W_h|W_hr",
)
class RecurrentKeepProbability(Gru):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return 0.8 * super().product_h(w, gate, h)


# github.com/xiph/rnnoise/issues/8 and src/rnn.h: WEIGHTS_SCALE is 1/256; here of a model trained without WeightClip
@numbers(
    AFTER,
    "weights in signed char, scale 1/256",
    "all weights are rounded to 1/256 and limited to -1/2 and 127/256",
    "int8|fixed_point|clip",
)
class WeightsSaturate(Gru):
    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        weights = super().unstack(scope, found)
        return {name: np.clip(np.round(256 * v), -128, 127) / 256 for name, v in weights.items()}


# github.com/mravanelli/pytorch-kaldi/issues/240
@stored(
    Model(kind="gru", directions=("forward", "reverse")),
    "both directions in one batch, one W_x",
    "the reverse direction has W_x of the forward direction; its W_h and biases are its own",
    "reverse, W_x|W_xr",
)
class InputWeightsShared(Gru):
    def load(self, file: File) -> File:
        file["0/reverse"]["W_x"] = file["0/forward"]["W_x"]
        return super().load(file)


# github.com/tensorflow/tensorflow/issues/403 ("flip the padding and align"), github.com/google/flax/pull/2770
@time(
    Model(kind="gru", directions=("forward", "reverse"), lengths=True),
    "reverse_sequence before, tf.reverse after",
    "the outputs of the reverse direction are turned round with the padding, so that each ends at the last position",
    "reverse, padding|lengths|time|order",
)
class TurnedRoundWithPadding(Gru):
    def join(self, both: list[Array]) -> Array:
        ends = np.asarray(self.given.lengths)
        late = [np.roll(both[1][:, b], len(both[1]) - n, axis=0) for b, n in enumerate(ends)]
        return super().join([both[0], np.stack(late, axis=1)])


# RNN


# github.com/pytorch/pytorch/pull/142303
@state(
    Model(kind="rnn", bias="two"),
    "output.append(h_t) appends the same buffer each time",
    "the output of every step is the state of the last step",
    "output|h_t, time|h_t|order",
)
class OneBufferForAllOutputs(Rnn):
    def read_output(self, y: Array) -> Array:
        return np.broadcast_to(y[-1], y.shape)


# github.com/SciML/ReservoirComputing.jl/pull/456, github.com/netneurolab/conn2res/pull/51
@equation(
    Model(kind="rnn"),
    "leaky integrator of an echo state network",
    "h_t is 0.3 of tanh(z_h) and 0.7 of h_prev",
    "h_t|h_prev",
)
class LeakyIntegrator(Rnn):
    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        n = super().step(w, x, h)
        return n | {"h_t": 0.7 * h + 0.3 * n["h_t"]}


# github.com/fastai/fastbook/pull/469: h = h + i_h(x), h = act(h_h(h))
@equation(
    Model(kind="rnn", bias="two"),
    "h += i_h(x); h = tanh(h_h(h))",
    "W_hh multiplies the sum of h_prev, W_xh x_t and b_xh",
    "z_h|W_hh|W_xh",
)
class RecurrentOfTheSum(Rnn):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return self.product(w["W_hh"], h + self.product(w["W_xh"], x) + w["b_xh"]) + w["b_hh"]


# github.com/rstudio/tfestimators/issues/57
@fed(
    Model(kind="rnn", options={"activation": "relu"}),
    "features cast to int64",
    "the fractions of x are cut off, towards zero",
    "x|input",
)
class InputTruncated(Rnn):
    def read_input(self, x: Array) -> Array:
        return np.trunc(x)
