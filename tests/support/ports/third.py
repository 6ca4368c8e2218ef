"""A third set of thirty real bugs, for a blind test: nobody who writes the table of mistakes reads this file.

They were sought in converters, embedded code and new frameworks by somebody who had not seen the table. Each stands
with the address where it happened; those that `BUGS` or `FRESH` have already were left out.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import THIRD, entered
from .port import Array, File, Gru, Lines, Lstm, Model, Rnn, State, sigmoid

equation = partial(entered, THIRD, "equation")
numbers = partial(entered, THIRD, "numbers")
stored = partial(entered, THIRD, "file")
state = partial(entered, THIRD, "state")
wiring = partial(entered, THIRD, "wiring")
time = partial(entered, THIRD, "time")
fed = partial(entered, THIRD, "input")

PLAIN = Model()
TWO = Model(bias="two")
BOTH = Model(directions=("forward", "reverse"))
BEFORE = Model(kind="gru")
AFTER = Model(kind="gru", bias="two", options={"reset_after": True})


# LSTM


# github.com/stanfordnlp/stanza/issues/88
@equation(
    TWO,
    "all four gates are given self.wi",
    "f_t, c_tilde and o_t have the weights and biases of the input gate",
    "W_x|W_xi|W_xf|W_xc|W_xo|z_i|z_f, W_h|W_hi|W_hf|W_hc|W_ho|z_i|z_f",
)
class GatesAllInput(Lstm):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return super().linear(w, "i", x, h)


# github.com/farizrahman4u/recurrentshop/pull/56
@equation(PLAIN, "i = Activation('sigmoid')(f)", "i_t is the sigmoid of f_t, z_i is not used", "i_t, f_t|z_i|sigmoid")
class InputIsSigmoidOfForget(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        n["i_t"] = sigmoid(n["f_t"])
        return super().cell(n, c)


# github.com/farizrahman4u/recurrentshop/pull/104
@equation(PLAIN, "o = add([x3, r3])", "the output gate has no sigmoid", "o_t|sigmoid")
class OutputNotSquashed(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return z if gate == "o" else super().gate(gate, z)


# github.com/fastmachinelearning/hls4ml/commit/2d40d46d9
@equation(
    TWO,
    "recurrent_activation = attributes['activation']",
    "the gates have tanh, the candidate's activation, instead of sigmoid",
    "i_t|f_t|o_t|sigmoid|tanh",
)
class GatesHaveTanh(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return self.candidate(z)


# github.com/chengtan9907/OpenSTL/issues/68
@equation(
    PLAIN, "new_h = o * gate of the new memory", "h_t is o_t * c_tilde, without c_t and its tanh", "h_t, c_tilde|c_t"
)
class HiddenIsGatedCandidate(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": n["o_t"] * n["c_tilde"]}


# github.com/onnx/keras-onnx/issues/98, github.com/onnx/keras-onnx/pull/103
@equation(
    BOTH,
    "b[3:] = b_c for b[3] = b_c",
    "each gate has the bias of the candidate beside its own, as a second bias",
    "b_c, bias|b_i|b_f|b_o",
)
class CandidateBiasInAll(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_{gate}"] + w["b_c"]


# github.com/ROCm/rocm-libraries/issues/10551
@equation(
    Model(layers=2, bias="two"),
    "bias mode taken from a descriptor that is not set",
    "all biases are left out, in both layers",
    "bias|b_xi|b_hi",
)
class AllBiasesLost(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return np.zeros(1)


# github.com/Tencent/ncnn/commit/225d4925c
@equation(
    TWO,
    "h_cont = hidden[q] in the inner loop",
    "each unit's recurrent product has its own h_prev for those of all units, so W_h acts as its row sums",
    "W_h|W_hi|W_hf|W_hc|W_ho|h_prev",
)
class OwnUnitOnly(Lstm):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return w[f"W_h{gate}"].sum(axis=1) * h


# github.com/Tencent/ncnn/commit/225d4925c
@stored(
    PLAIN,
    "weights + width * q + size * gate",
    "the blocks of f, o and c in W_x and W_h begin one, two and three rows behind the first instead of H, 2 H and 3 H",
    "W_x|W_xf|W_xc|W_xo, W_h|W_hf|W_hc|W_ho",
)
class RowsOverlap(Lstm):
    stored_as = "ifoc"

    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        weights = super().unstack(scope, found)
        for prefix in ("W_x", "W_h"):
            for k, gate in enumerate(self.stored_as):
                weights[prefix + gate] = found[prefix][k : k + found["W_h"].shape[1]]
        return weights


# github.com/onnx/onnx-tensorflow/issues/409
@state(
    BOTH,
    "initial_state_bw = initial_state = …[1]",
    "the forward direction starts with the initial states of the reverse one",
    "h0|c0|states, forward|reverse",
)
class BothStartAsReverse(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return super().initial(layer, 1)


# discuss.pytorch.org/t/146907: weights of TensorFlow's LSTMBlockFusedCell
@stored(
    TWO,
    "i, c, f, o read as i, f, c, o",
    "the blocks of the forget gate and of the candidate are exchanged",
    "W_xf|W_xc|W_hf|W_hc|b_xf|order, W_xf|W_xc|W_hf|W_hc|b_xc",
)
class TfOrderAsPytorch(Lstm):
    stored_as = "icfo"
    read_as = "ifco"


# github.com/ARM-software/CMSIS_5/pull/509
@numbers(
    PLAIN,
    "arm_nn_activations_direct, a table indexed by an int8 of the wrong sign",
    "the sigmoid of a negative number is one half",
    "sigmoid|i_t|f_t|o_t",
)
class NegativeSigmoidHalf(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return sigmoid(np.maximum(z, 0))


# github.com/lmnt-com/haste/issues/1
@equation(
    Model(options={"layer_norm": True}),
    "layer norm of the cell too",
    "c_t is normalised too, and carried like that",
    "c_t, normalisation|c_prev",
)
class CellNormalised(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return self.normalised(super().cell(n, c))


# github.com/graykode/nlp-tutorial/issues/38, github.com/facebookresearch/fairseq/issues/239
@wiring(
    BOTH,
    "view(-1, n_hidden * 2) of [directions, batch, hidden]",
    "the outputs of the directions are reshaped and not joined, so that rows of the batch mix",
    "join|layout|reverse|batch|rows",
)
class DirectionsViewed(Lstm):
    def join(self, both: list[Array]) -> Array:
        stacked = np.stack(both, axis=1)
        steps, directions, rows, hidden = stacked.shape
        return stacked.reshape(steps, rows, directions * hidden)


# github.com/0x1orz/mlx, recurrent.py
@state(
    Model(layers=2),
    "cell = cell or hidden",
    "c starts as h0 instead of c0, in both layers",
    "c0|states, h0|c0",
)
class CellStartsAsHidden(Lstm):
    def initial(self, layer: int, k: int) -> State:
        h0, _ = super().initial(layer, k)
        return h0, h0


# github.com/apache/tvm/pull/19633
@equation(
    Model(options={"candidate_activation": "relu", "output_activation": "relu"}),
    "activation applied to the output",
    "the candidate and c_t have tanh instead of relu, and h_t has relu after the output gate",
    "c_tilde|tanh, h_t|relu",
)
class ActivationAfterOutput(Lstm):
    def candidate(self, z: Array) -> Array:
        return np.tanh(z)

    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": np.maximum(n["o_t"] * np.tanh(n["c_t"]), 0)}


# github.com/MartinuzziFrancesco/RecurrentLayers.jl/pull/134
@equation(
    PLAIN,
    "weight_hh * c",
    "W_h multiplies c_prev instead of h_prev in all gates",
    "c_prev, h_prev|W_h|W_hi|W_hf|W_hc|W_ho",
)
class RecurrentOfCell(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        return super().step(w, x, c, c)


# github.com/tensorflow/tensorflow/issues/8325
@equation(
    Model(options={"peephole": True}),
    "o = sigmoid(cs * wco + f)",
    "z_o has f_t in the place of the products with x and h_prev and of the bias",
    "z_o|o_t, f_t",
)
class OutputFromForget(Lstm):
    def forget(self, n: Lines) -> Array:
        self.f = super().forget(n)
        return self.f

    def total(self, w: Lines, gate: str, x: Array, h: Array, c: Array) -> Lines:
        if gate == "o":
            return {"z_o": self.peephole(w, "o", c) + self.f}
        return super().total(w, gate, x, h, c)


# GRU


# github.com/ml-explore/mlx/issues/3249
@equation(
    Model(kind="gru", layers=2, bias="two", options={"reset_after": True}, states=False),
    "bhn only where hidden is not None",
    "b_hh is left out at the first step, where there is no state",
    "b_hh|bias, time|z_h|states",
)
class FirstStepBias(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return super().inner({**w, "b_hh": 0 * w["b_hh"]} if self.t == 0 else w, x, h, r)


# github.com/ml-explore/mlx/pull/952
@equation(
    AFTER,
    "hidden = (1 - z) * n + z * hidden, after hidden was overwritten",
    "h_t mixes the candidate with (1 - u_t) times itself and never with h_prev",
    "h_t, h_prev|u_t",
)
class HiddenTimesUpdate(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        hidden = (1 - n["u_t"]) * n["h_tilde"]
        return hidden + n["u_t"] * hidden


# github.com/majianjia/nnom/pull/82
@stored(
    AFTER,
    "bias of shape (2, 3 * units) transposed",
    "the two biases are interleaved in the file, because their array was transposed",
    "bias|b_xr|b_xu|b_xh|b_hr|b_hu|b_hh",
)
class BiasTransposed(Gru):
    stored_as = "urh"

    def load(self, file: File) -> File:
        for found in file.values():
            found["b_x"], found["b_h"] = np.split(np.stack([found["b_x"], found["b_h"]]).T.ravel(), 2)
        return super().load(file)


# github.com/fastmachinelearning/hls4ml/issues/594, github.com/fastmachinelearning/hls4ml/pull/598
@equation(
    Model(kind="gru", directions=("forward", "reverse"), bias="two", options={"reset_after": True}),
    "recurrent_bias = np.zeros(3 * units)",
    "the recurrent biases of all gates are zero",
    "bias|b_hr|b_hu|b_hh",
)
class GruRecurrentBiasZeros(Gru):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_x{gate}"]

    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return super().inner({**w, "b_hh": 0 * w["b_hh"]}, x, h, r)


# github.com/onnx/onnx-mlir/pull/367
@state(
    AFTER,
    "the state is overwritten inside the loop over units",
    "each unit already sees the new h_t of the units before it",
    "h_prev|units|states|h_t",
)
class GruHiddenInPlace(Gru):
    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        h, n = h.copy(), dict[str, Array]()
        for k in range(h.shape[1]):
            for name, value in super().step(w, x, h).items():
                n.setdefault(name, value.copy())[:, k] = value[:, k]
            h[:, k] = n["h_t"][:, k]
        return n


# github.com/zhangj111/astnn/pull/28
@time(
    Model(kind="gru", directions=("forward", "reverse"), lengths=True, states=False),
    "zeros put in front of the sequence",
    "each sequence stands at the end, and the zeros in front of it are computed like steps",
    "padding|lengths|time|order",
)
class PaddedThrough(Gru):
    def read_input(self, x: Array) -> Array:
        moved = np.zeros_like(x)
        for row, n in enumerate(self.given.lengths):
            moved[len(x) - n :, row] = x[:n, row]
        return moved

    def valid(self, t: int) -> Array:
        return np.ones((self.given.x.shape[1], 1), bool)


# github.com/keras-team/keras/commit/d04cac6526
@equation(
    Model(kind="gru", options={"gate_activation": "hard_sigmoid"}),
    "inner_activation for hh",
    "the candidate has hard_sigmoid, the activation of the gates, instead of tanh",
    "h_tilde|tanh|hard_sigmoid",
)
class CandidateHasGateActivation(Gru):
    def candidate(self, z: Array) -> Array:
        return self.gate("h", z)


# RNN


# github.com/keras-team/keras/issues/1231
@equation(
    Model(kind="rnn"),
    "h * K.dot(prev_output, U)",
    "z_h is the product of the parts from x and from h_prev instead of their sum",
    "z_h|W_hh @ h_prev",
)
class ProductForSum(Rnn):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return (self.product_x(w, gate, x) + self.biases(w, gate)) * self.product_h(w, gate, h)


# github.com/rasbt/machine-learning-book/issues/106
@equation(
    Model(kind="rnn", bias="two"),
    "b_hh added to both products",
    "b_hh is added twice and b_xh never",
    "b_xh|b_hh|bias",
)
class RecurrentBiasForBoth(Rnn):
    def biases(self, w: Lines, gate: str) -> Array:
        return 2 * w["b_hh"]


# github.com/nntrainer/nntrainer/commit/841eb69e2
@fed(
    Model(kind="rnn", layers=2),
    "the batch is left out of the offset into the input",
    "every sequence reads the input of the first one, in both layers",
    "x|input, rows|batch|layer1",
)
class FirstRowForAll(Rnn):
    def enter(self, y: Array) -> Array:
        return np.repeat(y[:, :1], y.shape[1], axis=1)


# github.com/Lasagne/Lasagne/commit/9790911
@equation(
    Model(kind="rnn", options={"activation": "relu"}),
    "nonlinearity inside the two dense layers",
    "both products have relu before their sum, which has it again",
    "z_h|relu",
)
class ActivatedTwice(Rnn):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        return self.activated(self.product_x(w, gate, x) + self.biases(w, gate)) + self.activated(
            self.product_h(w, gate, h)
        )


# github.com/skeydan/Deep-Learning-and-Scientific-Computing-with-R-torch/issues/23
@equation(
    Model(kind="rnn", bias="two", square=True),
    "W_hh x_(t-1), as the formula has it",
    "W_hh multiplies the x of the step before instead of h_prev, from the second step on",
    "W_hh @ h_prev|W_hh|h_prev, x|input",
)
class PreviousInput(Rnn):
    def linear(self, w: Lines, gate: str, x: Array, h: Array) -> Array:
        before = h if self.t == 0 else self.before
        self.before = x
        return super().linear(w, gate, x, before)
