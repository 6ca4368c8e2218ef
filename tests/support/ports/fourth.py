"""Thirty real bugs in the order in which they were found, duplicates included: how often which mistake happens.

The other sets were chosen so that no two bugs are the same. This one is a sample: general searches of issue trackers
and question sites (`LSTM wrong output`, `GRU does not match PyTorch`), read from the top. A bug was left out only if
nobody had named its cause, if only a text was wrong, or if its output has another shape. Nobody who writes the table of
mistakes reads this file.
"""

from __future__ import annotations

from functools import partial
from typing import ClassVar

import numpy as np

from .bug import FOURTH, entered
from .port import FUNCTIONS, Array, Gru, Lines, Lstm, Model, Port, Rnn, State, Values, sigmoid

equation = partial(entered, FOURTH, "equation")
numbers = partial(entered, FOURTH, "numbers")
stored = partial(entered, FOURTH, "file")
state = partial(entered, FOURTH, "state")
wiring = partial(entered, FOURTH, "wiring")
time = partial(entered, FOURTH, "time")
fed = partial(entered, FOURTH, "input")

PLAIN = Model()
TWO = Model(bias="two")
ZERO = Model(states=False)
BOTH = Model(directions=("forward", "reverse"))
BEFORE = Model(kind="gru")
AFTER = Model(kind="gru", bias="two", options={"reset_after": True})


class OtherFunctions(Port):
    """Activations of its own, whatever the options say."""

    functions: ClassVar[dict[str, str]] = {}

    def function(self, option: str, default: str) -> Array:
        return FUNCTIONS[self.functions[option]] if option in self.functions else super().function(option, default)


class BatchFirst(Port):
    """Given x as (B, T, I); how it lays it out for the loop is `inside`, and back is `outside`."""

    def read_input(self, x: Array) -> Array:
        return self.inside(x.swapaxes(0, 1))

    def collect(self, by_step: dict[int, Array]) -> Array:
        return self.outside(super().collect(by_step)).swapaxes(0, 1)

    def inside(self, x: Array) -> Array:
        raise NotImplementedError

    def outside(self, y: Array) -> Array:
        return y

    def initial(self, layer: int, k: int) -> State:
        rows = self.inside(self.given.x.swapaxes(0, 1)).shape[1]
        return tuple(np.zeros((rows, s.shape[-1])) for s in super().initial(layer, k))

    def valid(self, t: int) -> Array:
        return np.ones((1, 1), bool)


# LSTM


# stackoverflow.com/questions/49759614
@numbers(
    Model(options={"gate_activation": "hard_sigmoid"}),
    "sigmoid in numpy, while Keras' default recurrent_activation is hard_sigmoid",
    "the gates have the sigmoid instead of the hard sigmoid",
    "sigmoid|hard_sigmoid",
)
class NumpyTakesSigmoid(OtherFunctions, Lstm):
    functions: ClassVar = {"gate_activation": "sigmoid"}


# discuss.pytorch.org/t/146907
@stored(
    Model(bias="none", options={"forget_bias": 1.0}),
    "LSTMBlockFusedCell's kernel, transposed and copied into nn.LSTM",
    "the blocks of f and c are exchanged, and the forget bias of 1 is missing",
    "order|W_x, forget_bias",
)
class BlockFusedIntoTorch(Lstm):
    stored_as = "icfo"
    read_as = "ifco"

    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z


# community.konduit.ai/t/imported-keras-lstm-layer-mismatch/124
@stored(PLAIN, "Keras is i, f, c, o, DL4J is c, f, o, i", "the blocks i f c o are read as c f o i", "order|W_x")
class KerasReadAsDl4j(Lstm):
    read_as = "cfoi"


# stackoverflow.com, "How exactly does LSTMCell from TensorFlow operates?"
@equation(
    Model(options={"forget_bias": 1.0}),
    "you forgot to add forget_bias (default 1.0)",
    "the forget bias of 1 is missing",
    "forget_bias",
)
class NumpyHasNoForgetBias(Lstm):
    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z


# github.com/alibaba/MNN/issues/1089
@fed(ZERO, "batch_first has to be true", "the loop runs over the batch, not over time", "layout|time|batch")
class LoopsOverTheBatch(BatchFirst, Lstm):
    def inside(self, x: Array) -> Array:
        return x


# github.com/Lasagne/Lasagne/issues/448
@equation(
    Model(options={"peephole": True}),
    "outgate += cell * W_cell_to_outgate after nonlinearity_outgate",
    "the peephole of the output gate is added after its sigmoid",
    "o_t, w_co|peephole",
)
class PeepholeAfterOutgate(Lstm):
    def total(self, w: Lines, gate: str, x: Array, h: Array, c: Array) -> Lines:
        self.peep = super().peephole(w, gate, c) if gate == "o" else 0
        return super().total(w, gate, x, h, c)

    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return 0 if gate == "o" else super().peephole(w, gate, c)

    def gate(self, gate: str, z: Array) -> Array:
        return super().gate(gate, z) + self.peep if gate == "o" else super().gate(gate, z)


# github.com/keras-team/keras/issues/3088
@stored(PLAIN, "which weight set goes to which gate?", "the blocks i c f o are read as i f c o", "order|W_x")
class OldKerasReadInNewOrder(Lstm):
    stored_as = "icfo"
    read_as = "ifco"


# github.com/ddbourgin/numpy-ml/issues/42
@equation(PLAIN, "Zt @ Wf + bo, Zt @ Wu + bo", "f and i have the bias of o", "b_f|z_f|f_t, b_i|z_i|i_t, b_o|bias")
class BiasOfOutThrice(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return super().biases(w, "o" if gate in "fi" else gate)


# github.com/CrispStrobe/CrispASR/pull/106
@stored(TWO, "ONNX is i, o, f, c, PyTorch i, f, g, o", "the blocks i o f c are read as i f c o", "order|W_x")
class OnnxReadAsTorch(Lstm):
    stored_as = "iofc"
    read_as = "ifco"


# github.com/MartinuzziFrancesco/torchrecurrent/issues/22
@equation(
    PLAIN,
    "sigmoid(input_gate) + tanh(cell_gate)",
    "i_t and c_tilde are added instead of multiplied",
    "c_t, i_t|c_tilde",
)
class GateAddedToCandidate(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return n["f_t"] * c + n["i_t"] + n["c_tilde"]


# github.com/onnx/keras-onnx/issues/123
@fed(
    ZERO,
    "apply_reshape to [-1, 1, input_size] where apply_transpose is needed",
    "all sequences of a batch are run as one, one after the other",
    "batch|states|rows|layout",
)
class BatchIsOneSequence(BatchFirst, Lstm):
    def inside(self, x: Array) -> Array:
        return x.reshape(-1, 1, x.shape[-1])

    def outside(self, y: Array) -> Array:
        return y.reshape(self.given.x.shape[1], -1, y.shape[-1])


# github.com/PINTO0309/onnx2tf/pull/291
@stored(
    Model(directions=("forward", "reverse"), bias="two"),
    "B[0][:4H] forward, B[1][4H:] reverse",
    "forward lacks the biases b_h, reverse lacks the biases b_x",
    "bias",
)
class HalfOfTheBiasEachWay(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_h{gate}" if self.reverse else f"b_x{gate}"]


# github.com/tensorflow/tflite-micro/pull/3564
@state(PLAIN, "arm_lstm_unidirectional_s8 wipes the states at t=0", "the initial states are ignored", "states|h0|c0")
class StatelessKernel(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return tuple(np.zeros_like(s) for s in super().initial(layer, k))


# github.com/elixir-nx/axon/pull/433
@numbers(
    PLAIN,
    "activation: :sigmoid, gate: :tanh as the defaults",
    "sigmoid and tanh are exchanged in all gates, the candidate and the output",
    "sigmoid|i_t|f_t|o_t, tanh|c_tilde|h_t",
)
class GateAndActivationExchanged(OtherFunctions, Lstm):
    functions: ClassVar = {
        "gate_activation": "tanh",
        "candidate_activation": "sigmoid",
        "output_activation": "sigmoid",
    }


# github.com/apache/mxnet/issues/19323
@time(
    Model(directions=("forward", "reverse"), lengths=True),
    "use_sequence_length is not supported on the CPU",
    "the lengths are ignored: padding is run like the rest",
    "lengths|padding",
)
class CpuIgnoresLengths(Lstm):
    def valid(self, t: int) -> Array:
        return np.ones((1, 1), bool)


# github.com/nicodjimenez/lstm/issues/43
@equation(PLAIN, "state.h = state.s * state.o", "h_t lacks the tanh of c_t", "h_t, tanh|c_t")
class HiddenOfBareCell(Lstm):
    def squashed(self, c: Array) -> Array:
        return c


# github.com/farizrahman4u/recurrentshop/pull/56
@equation(PLAIN, "i = Activation('sigmoid')(f)", "i_t is the sigmoid of f_t", "i_t, f_t|z_f|z_i")
class InputGateOfForgetGate(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        self.f = sigmoid(self.linear(w, "f", x, h))
        return super().step(w, x, h, c)

    def gate(self, gate: str, z: Array) -> Array:
        return super().gate(gate, self.f if gate == "i" else z)


# github.com/onnx/tensorflow-onnx/issues/2211 (recurrent_activation was relu too: such gates grow beyond all numbers)
@numbers(
    Model(
        directions=("forward", "reverse"),
        options={"candidate_activation": "relu", "output_activation": "relu"},
    ),
    "Bidirectional: the attribute activations is not set",
    "tanh is computed where relu was asked for, in the candidate and the output",
    "relu|tanh",
)
class BidirectionalForgetsRelu(OtherFunctions, Lstm):
    functions: ClassVar = {"candidate_activation": "tanh", "output_activation": "tanh"}


# github.com/onnx/keras-onnx/issues/98
@stored(
    PLAIN,
    "b[3:] = b_c where b[3] is meant fills the recurrent biases too",
    "the bias of c is added once more to every gate",
    "bias|b_c",
)
class CandidateBiasEverywhere(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_{gate}"] + w["b_c"]


# github.com/shyamupa/snli-entailment/issues/2, github.com/sbillburg/CRNN-with-STN/issues/12
@time(
    BOTH, "go_backwards only reverses the input", "the output of reverse is in the order of computing", "reverse, time"
)
class GoBackwardsNotTurned(Lstm):
    def collect(self, by_step: dict[int, Array]) -> Array:
        return np.stack(list(by_step.values()))


# GRU


# github.com/tracel-ai/burn/issues/2701
@state(
    AFTER,
    "the paper's new gate, and no hidden state in the iteration",
    "every step starts from the initial state, and r_t is applied before the product",
    "h_prev|states|time|h0, r_t|z_h|h_tilde|W_hh @ h_prev",
)
class EachStepFromTheStart(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.linear(w, "h", x, r * h)

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        return old, super().advance(t, lines, old)[1]


# github.com/keras-team/keras/issues/15915
@stored(AFTER, "set_weights from PyTorch's r, z, n", "the blocks of r and u are exchanged", "order|W_x")
class TorchReadAsKeras(Gru):
    read_as = "urh"


# github.com/fastmachinelearning/hls4ml/issues/594
@stored(AFTER, "recurrent_bias = np.zeros(...)", "the recurrent biases b_h are missing", "bias")
class RecurrentBiasZeros(Gru):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_x{gate}"]

    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return self.product_x(w, "h", x) + w["b_xh"] + r * self.product_h(w, "h", h)


# github.com/keras-team/keras/pull/5888
@equation(
    BEFORE,
    "x_h = K.bias_add(x_r, self.bias_h)",
    "z_h has the input's part of r: W_xr and b_r, instead of W_xh",
    "z_h|h_tilde|W_xh, z_r|r_t|W_xr",
)
class CandidateOfResetInput(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        x_r = self.product_x(w, "r", x) + self.biases(w, "r")
        return x_r + self.biases(w, "h") + self.product_h(w, "h", r * h)


# github.com/PaddlePaddle/Paddle/issues/5493
@equation(
    BEFORE,
    "gru_unit_op and gru_op differ in the final output",
    "u_t writes where it has to keep: h_prev and h_tilde are exchanged in h_t",
    "h_t|u_t, u_t|h_prev|h_tilde",
)
class UnitOpExchangesUpdate(Gru):
    def update(self, n: Lines, h: Array) -> Array:
        return (1 - n["u_t"]) * h + n["u_t"] * n["h_tilde"]


# github.com/microsoft/onnxruntime/pull/3893
@numbers(
    Model(kind="gru", bias="none", options={"reset_after": True}),
    "linear_output_ is not cleared without bias",
    "the product W_hh @ h_prev still has those of all steps before",
    "W_hh @ h_prev|z_h|W_hh|h_tilde",
)
class LinearOutputNotCleared(Gru):
    def setup(self) -> None:
        self.linear_output = 0

    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        self.linear_output = self.linear_output + self.product_h(w, "h", h)
        return self.product_x(w, "h", x) + r * self.linear_output


# github.com/ml-explore/mlx/issues/3249
@equation(
    Model(kind="gru", bias="two", options={"reset_after": True}, states=False),
    "if hidden is not None: ... r * (h_proj_n + self.bhn)",
    "in the first step z_h lacks r_t * b_hh",
    "z_h|h_tilde, b_hh|bias|time",
)
class FirstStepWithoutBhn(Gru):
    def inner(self, w: Lines, x: Array, h: Array, r: Array) -> Array:
        return super().inner(w, x, h, r if self.t else 0 * r)


# RNN


# github.com/pclucas14/GansFallingShort/pull/2
@wiring(
    Model(kind="rnn", layers=2, square=True),
    "output, hidden_state = rnn(output, hidden_state) for all layers",
    "the layers share one state: layer 1 starts from h_t of layer 0, which starts from layer 1 of the step before",
    "layer0|layer1, h_prev|states",
)
class LayersShareOneState(Rnn):
    def run(self) -> Values:
        weights = self.load(self.store())
        (h,) = self.initial(0, 0)
        found: dict[str, dict[str, list[Array]]] = {}
        for y in self.given.x:
            for scope in ("0/forward", "1/forward"):
                n = self.step(weights[scope], y, h)
                y = h = n["h_t"]
                for name, value in n.items():
                    found.setdefault(scope, {}).setdefault(name, []).append(value)
        lines = {scope: {name: np.stack(v) for name, v in names.items()} for scope, names in found.items()}
        return Values(lines["1/forward"]["h_t"], lines)


# github.com/pytorch/pytorch/pull/142303
@time(
    Model(kind="rnn", bias="two"),
    "output.append(h_t[-1]) appends a reference",
    "every step of the output has the last state",
    "output|h_t, time|order|output",
)
class ListOfReferences(Rnn):
    def read_output(self, y: Array) -> Array:
        return np.broadcast_to(y[-1], y.shape)


# github.com/microsoft/onnxruntime/issues/4034
@numbers(
    Model(kind="rnn", options={"activation": "relu"}),
    "the attribute activations is not read",
    "tanh is computed where relu was asked for",
    "relu|tanh",
)
class AlwaysTanh(OtherFunctions, Rnn):
    functions: ClassVar = {"activation": "tanh"}
