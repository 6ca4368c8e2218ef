"""Bugs in one equation of the LSTM: biases, activations, the cell, peepholes, clips, projection, normalisation."""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import BUGS, entered
from .port import FUNCTIONS, Array, Lines, Lstm, Model, sigmoid

bug = partial(entered, BUGS, "equation")

PLAIN = Model()
TWO = Model(bias="two")
STACK = Model(layers=2)
BOTH = Model(directions=("forward", "reverse"))
PEEPHOLES = Model(options={"peephole": True})
NORM = Model(options={"layer_norm": True})


# github.com/ddbourgin/numpy-ml/issues/42
@bug(PLAIN, "bo copied into three lines", "i and f have the bias of o", "b_i|z_i|bias, b_f|z_f|bias")
class OutputBiasEverywhere(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w["b_c"] if gate == "c" else w["b_o"]


# github.com/PINTO0309/onnx2tf/pull/291
@bug(TWO, "only Wb of ONNX's B was used", "the second bias vectors, b_h, are left out", "b_hi|bias")
class RecurrentBiasLost(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_x{gate}"]


# github.com/keras-team/keras/pull/8307
@bug(STACK, "the Keras bias written to Wb and to Rb", "every bias is added twice", "b_i|bias")
class BiasTwice(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return 2 * w[f"b_{gate}"]


@bug(TWO, "bias_ih + bias_ih", "b_x is added twice and b_h is left out", "b_hi|bias, b_xi|bias")
class SameBiasTwice(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return w[f"b_x{gate}"] + w[f"b_x{gate}"]


@bug(
    PLAIN,
    "bias added before the loop, to the first step",
    "the biases are added at the first step only",
    "bias|b_i, time|bias",
)
class BiasAtFirstStepOnly(Lstm):
    def biases(self, w: Lines, gate: str) -> Array:
        return super().biases(w, gate) * (self.t == 0)


# github.com/clab/dynet/issues/1646, github.com/tensorflow/tensorflow/issues/29622
@bug(TWO, "TF's forget_bias=1.0 on top of a trained bias", "1 is added to z_f", "forget_bias|z_f")
class ForgetBiasAdded(Lstm):
    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z + 1.0 if gate == "f" else z


# github.com/libxsmm/libxsmm/pull/283, github.com/clab/dynet/issues/1646
@bug(
    Model(layers=2, options={"forget_bias": 1.0}),
    "forget_bias is not in the checkpoint",
    "the model's forget bias of 1 is left out",
    "forget_bias|z_f",
)
class ForgetBiasLost(Lstm):
    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z


# github.com/apache/tvm/pull/3410
@bug(
    Model(options={"forget_bias": 0.5}),
    "forget_bias after the sigmoid",
    "the forget bias is added to f_t after the sigmoid, not to z_f",
    "forget_bias|f_t",
)
class ForgetBiasAfterSigmoid(Lstm):
    def with_forget_bias(self, gate: str, z: Array) -> Array:
        return z

    def forget(self, n: Lines) -> Array:
        return self.gate("f", n["z_f"]) + 0.5


# github.com/tflearn/tflearn/pull/200
@bug(
    PLAIN,
    "activation and inner_activation swapped",
    "the gates have tanh, the candidate and the output have sigmoid",
    "i_t|sigmoid|tanh, c_tilde|sigmoid|tanh",
)
class ActivationsSwapped(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return np.tanh(z)

    def candidate(self, z: Array) -> Array:
        return sigmoid(z)

    def squashed(self, c: Array) -> Array:
        return sigmoid(c)


# github.com/pytorch/pytorch/issues/11335 has the same split
@bug(TWO, "gates[:, :3H].sigmoid(), gates[:, 3H:].tanh()", "c_tilde has a sigmoid and o_t has a tanh", "c_tilde, o_t")
class SigmoidOnFirstThree(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return np.tanh(z) if gate == "o" else sigmoid(z)

    def candidate(self, z: Array) -> Array:
        return sigmoid(z)


# github.com/XiaLiPKU/RESCAN/issues/2
@bug(BOTH, "h = o * c", "h_t is o_t * c_t, without tanh", "h_t|tanh")
class NoTanhOnCell(Lstm):
    def squashed(self, c: Array) -> Array:
        return c


@bug(STACK, "c = f * c + i * z", "the candidate has no tanh", "c_tilde|tanh")
class CandidateNotSquashed(Lstm):
    def candidate(self, z: Array) -> Array:
        return z


# github.com/apache/tvm/pull/19634
@bug(PLAIN, "fused activation applied to the output", "h_t is tanh(o_t * tanh(c_t)), and is carried so", "h_t|tanh")
class TanhAfterOutput(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": np.tanh(n["o_t"] * np.tanh(n["c_t"]))}


# github.com/onnx/tensorflow-onnx/issues/2211
@bug(
    Model(directions=("forward", "reverse"), options={"candidate_activation": "relu", "output_activation": "relu"}),
    "activations not converted for Bidirectional",
    "candidate and output have tanh instead of the model's relu",
    "c_tilde|relu|tanh, h_t|relu|tanh",
)
class ActivationsLost(Lstm):
    def function(self, option: str, default: str) -> Array:
        return FUNCTIONS[default]


# github.com/PINTO0309/onnx2tf/pull/301
@bug(
    Model(bias="two", options={"candidate_activation": "leaky_relu(0.3)"}),
    "activation_alpha ignored",
    "the leaky ReLU of the candidate has slope 0.01 instead of 0.3",
    "c_tilde|leaky_relu",
)
class AlphaLost(Lstm):
    def candidate(self, z: Array) -> Array:
        return np.where(z > 0, z, 0.01 * z)


# stackoverflow.com/questions/49759614
@bug(
    Model(options={"gate_activation": "hard_sigmoid"}),
    "recurrent_activation='hard_sigmoid' overlooked",
    "the gates have the exact sigmoid instead of the model's hard sigmoid",
    "i_t|sigmoid|hard_sigmoid",
)
class HardSigmoidLost(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return sigmoid(z)


@bug(
    Model(options={"gate_activation": "hard_sigmoid"}),
    "relu6(x + 3) / 6",
    "the gates have the hard sigmoid with slope 1/6 instead of 0.2",
    "i_t|hard_sigmoid",
)
class HardSigmoidOfKeras3(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return np.clip(z / 6 + 0.5, 0, 1)


@bug(
    BOTH,
    "hard sigmoid left on in the reverse cell",
    "the reverse direction has hard sigmoids (0.2 z + 0.5)",
    "reverse, i_t|hard_sigmoid",
)
class HardSigmoidInReverse(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return np.clip(0.2 * z + 0.5, 0, 1) if self.reverse else sigmoid(z)


@bug(TWO, "1 / (1 + exp(x))", "the sign in the sigmoid is lost: each gate is 1 minus what it should be", "i_t|sigmoid")
class SigmoidSignLost(Lstm):
    def gate(self, gate: str, z: Array) -> Array:
        return 1 / (1 + np.exp(z))


# github.com/tensorflow/tensorflow/pull/34589 has the identity
@bug(
    PLAIN,
    "tanh(x) = 2 * sigmoid(x) - 1",
    "tanh is computed as 2 sigmoid(z) - 1, which is tanh(z / 2), in candidate and output",
    "tanh|c_tilde, tanh|h_t",
)
class TanhWithoutItsTwo(Lstm):
    def candidate(self, z: Array) -> Array:
        return 2 * sigmoid(z) - 1

    def squashed(self, c: Array) -> Array:
        return 2 * sigmoid(c) - 1


@bug(
    STACK,
    "c = i * c + f * g, in the second layer",
    "in layer 1, i_t and f_t are exchanged in c_t",
    "layer1, c_t|f_t|i_t",
)
class InputAndForgetExchanged(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return n["i_t"] * c + n["f_t"] * n["c_tilde"] if self.layer == 1 else super().cell(n, c)


@bug(PLAIN, "c = f * c + i + g", "i_t is added to c_tilde instead of multiplying it", "c_t")
class PlusForTimes(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return n["f_t"] * c + n["i_t"] + n["c_tilde"]


@bug(TWO, "c = f * c + (1 - f) * g", "f_t and i_t are coupled though the model has an input gate", "c_t|i_t")
class CoupledByMistake(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return n["f_t"] * c + (1 - n["f_t"]) * n["c_tilde"]


@bug(Model(options={"coupled": True}), "f = i", "the forget gate is i_t instead of 1 - i_t", "f_t")
class CoupledForgotten(Lstm):
    def forget(self, n: Lines) -> Array:
        return n["i_t"]


@bug(PLAIN, "forget gate left out of the sum", "c_prev is carried whole: f_t is missing in c_t", "f_t|c_t")
class NoForgetGate(Lstm):
    def cell(self, n: Lines, c: Array) -> Array:
        return c + n["i_t"] * n["c_tilde"]


@bug(PLAIN, "copy and paste: the candidate uses W_hf", "z_c has W_hf instead of W_hc", "z_c|W_hc")
class CandidateHasForgetMatrix(Lstm):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return super().product_h(w, "f" if gate == "c" else gate, h)


@bug(STACK, "h = f * tanh(c)", "h_t has f_t instead of o_t", "h_t|o_t")
class OutputGateIsForget(Lstm):
    def hidden(self, w: Lines, n: Lines) -> Lines:
        return {"h_t": n["f_t"] * np.tanh(n["c_t"])}


# github.com/MartinuzziFrancesco/RecurrentLayers.jl/issues/130
@bug(
    PEEPHOLES, "all gates computed before the cell", "the output gate's peephole sees c_prev instead of c_t", "z_o|w_co"
)
class PeepholeOfOldCell(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        self.old = c
        return super().step(w, x, h, c)

    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return w[f"w_c{gate}"] * self.old


# github.com/Lasagne/Lasagne/issues/448
@bug(
    PEEPHOLES,
    "peephole added after the nonlinearity",
    "w_co * c_t is added to o_t after the sigmoid",
    "o_t|w_co|peephole",
)
class PeepholeAfterActivation(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        self.w_co = w["w_co"]
        return super().step(w, x, h, c)

    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return np.zeros(1) if gate == "o" else super().peephole(w, gate, c)

    def hidden(self, w: Lines, n: Lines) -> Lines:
        o = n["o_t"] + self.w_co * n["c_t"]
        return {"o_t": o, "h_t": o * np.tanh(n["c_t"])}


# github.com/apache/tvm/pull/19634: optional inputs are ignored; github.com/PINTO0309/onnx2tf/pull/286
@bug(
    Model(bias="two", options={"peephole": True}),
    "P is not taken into account",
    "the peepholes are left out",
    "peephole|w_ci",
)
class PeepholesLost(Lstm):
    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return np.zeros(1)


@bug(
    PEEPHOLES,
    "peephole on h",
    "the peepholes of i and f see h_prev instead of c_prev",
    "w_ci|peephole|z_i, w_cf|peephole|z_f",
)
class PeepholeOfHidden(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        self.h = h
        return super().step(w, x, h, c)

    def peephole(self, w: Lines, gate: str, c: Array) -> Array:
        return w[f"w_c{gate}"] * (c if gate == "o" else self.h)


@bug(
    Model(bias="two", options={"clip": 1.2}),
    "clip attribute ignored",
    "the clip of the gates' inputs is left out",
    "clip",
)
class ClipLost(Lstm):
    def clipped(self, z: Array) -> Array:
        return z


@bug(
    Model(options={"clip": 0.9}),
    "clip on the three sigmoids",
    "the candidate's input is not clipped",
    "clip, c_tilde|z_c",
)
class ClipNotOnCandidate(Lstm):
    def candidate(self, z: Array) -> Array:
        return np.tanh(z)


# github.com/microsoft/onnxruntime/issues/27224
@bug(
    Model(bias="two", options={"clip": 0.5, "output_clip": 0.5}),
    "no clip before h's activation",
    "c_t is not clipped before the output's tanh",
    "clip, h_t|c_t",
)
class OutputClipLost(Lstm):
    def squashed(self, c: Array) -> Array:
        return np.tanh(c)


@bug(
    Model(options={"cell_clip": 0.6}),
    "clip(c) on the way to h only",
    "the clipped cell state is not the one that is carried",
    "clip, c_t|c_prev",
)
class CellClipNotCarried(Lstm):
    def bounded(self, option: str, value: Array) -> Array:
        return value if option == "cell_clip" else super().bounded(option, value)

    def squashed(self, c: Array) -> Array:
        return np.tanh(np.clip(c, -0.6, 0.6))


# github.com/PaddlePaddle/Paddle/pull/15605: the default proj_activation
@bug(
    Model(options={"projection": True}),
    "proj_activation defaults to tanh",
    "tanh is applied to the projected state",
    "h_t|projection",
)
class ProjectionSquashed(Lstm):
    def projected(self, w: Lines, m: Array) -> Array:
        return np.tanh(super().projected(w, m))


# github.com/PaddlePaddle/Paddle/pull/15605: proj_clip added
@bug(
    Model(options={"projection": True, "projection_clip": 0.4}),
    "proj_clip missing",
    "the projected state is not clipped",
    "clip, h_t|projection",
)
class ProjectionClipLost(Lstm):
    def bounded(self, option: str, value: Array) -> Array:
        return value if option == "projection_clip" else super().bounded(option, value)


@bug(
    Model(layers=2, options={"projection": True, "projection_bias": True}),
    "projection bias input ignored",
    "b_hr is left out",
    "b_hr|bias|projection",
)
class ProjectionBiasLost(Lstm):
    def projected(self, w: Lines, m: Array) -> Array:
        return m @ w["W_hr"].T


@bug(
    Model(options={"projection": True}),
    "first P units taken instead of the projection",
    "h_t is the first units of m_t: the projection is left out",
    "W_hr|projection|h_t",
)
class ProjectionLost(Lstm):
    def projected(self, w: Lines, m: Array) -> Array:
        return m[:, : len(w["W_hr"])]


# github.com/tensorflow/tensorflow/issues/21929
@bug(
    NORM,
    "Keras's epsilon 1e-3",
    "the layer normalisation has epsilon 0.001 instead of 0.00001",
    "epsilon|normalisation",
)
class NormEpsilon(Lstm):
    def normalised(self, z: Array) -> Array:
        d = z - z.mean(axis=-1, keepdims=True)
        return d / np.sqrt((d * d).mean(axis=-1, keepdims=True) + 1e-3)


# github.com/facebookresearch/ConvNeXt/issues/80: x.std()
@bug(
    NORM,
    "torch.std is unbiased",
    "the variance of the layer normalisation is divided by H - 1",
    "variance|normalisation",
)
class NormUnbiased(Lstm):
    def normalised(self, z: Array) -> Array:
        return (z - z.mean(axis=-1, keepdims=True)) / (z.std(axis=-1, keepdims=True, ddof=1) + 1e-5)


@bug(
    NORM,
    "scale used, offset forgotten",
    "the offsets beta of the layer normalisation are left out",
    "normalisation|beta_i",
)
class NormWithoutBeta(Lstm):
    def total(self, w: Lines, gate: str, x: Array, h: Array, c: Array) -> Lines:
        return super().total({**w, f"beta_{gate}": np.zeros(1)}, gate, x, h, c)
