"""Bugs of wiring, time and input: directions, joins, lengths, what a layer reads, axes, and what was done to x."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from .bug import BUGS, entered
from .port import Array, Gru, Lines, Lstm, Model, Rnn, State, Values

wiring = partial(entered, BUGS, "wiring")
time = partial(entered, BUGS, "time")
fed = partial(entered, BUGS, "input")

PLAIN = Model()
STACK = Model(layers=2)
BOTH = Model(directions=("forward", "reverse"))
STACK_BOTH = Model(layers=2, directions=("forward", "reverse"))
REVERSE = Model(directions=("reverse",))
GRU_AFTER = Model(kind="gru", bias="two", options={"reset_after": True})


# github.com/soumith/cudnn.torch/issues/357
@wiring(
    STACK_BOTH,
    "concat([backward, forward])",
    "the outputs of the directions are joined in the order reverse, forward, in both layers",
    "join, order|reverse",
)
class JoinedBackwards(Lstm):
    def join(self, both: list[Array]) -> Array:
        return super().join(both[::-1])


@wiring(
    BOTH,
    "stack on the last axis, then reshape",
    "the outputs of the two directions alternate, unit by unit",
    "join, units|order",
)
class Interleaved(Lstm):
    def join(self, both: list[Array]) -> Array:
        stacked = np.stack(both, axis=-1)
        return stacked.reshape(*stacked.shape[:2], -1)


@wiring(
    Model(kind="gru", directions=("forward", "reverse"), options={"merge": "sum"}),
    "merge_mode='ave'",
    "the directions are averaged instead of summed",
    "join",
)
class MeanForSum(Gru):
    def join(self, both: list[Array]) -> Array:
        return (both[0] + both[1]) / 2


# github.com/Tencent/ncnn/issues/2933 sums the halves
@wiring(BOTH, "directions added up", "the directions are summed instead of concatenated", "join")
class SumForConcat(Lstm):
    def join(self, both: list[Array]) -> Array:
        return both[0] + both[1]


# github.com/pytorch/examples/issues/167
@wiring(STACK, "lstm2(c_t, ...)", "layer 1 reads c_t of layer 0 instead of h_t", "layer1, c_t|input")
class CellIsLayerInput(Lstm):
    def leave(self, y: Array) -> Array:
        return self.lines["0/forward"]["c_t"] if self.layer == 0 else y


# github.com/pytorch/examples/issues/167
@wiring(STACK, "outputs += [c_t2]", "the output is c_t of the top layer instead of h_t", "output, c_t")
class CellIsOutput(Lstm):
    def read_output(self, y: Array) -> Array:
        return self.lines["1/forward"]["c_t"]


# github.com/Currie32/Spell-Checker/issues/12
@wiring(
    Model(layers=3),
    "the loop feeds the first layer's output to all",
    "layer 2 reads the output of layer 0 instead of layer 1",
    "layer2, layer0|input",
)
class TopReadsBottom(Lstm):
    def enter(self, y: Array) -> Array:
        return self.outputs[0] if self.layer == 2 else y


# github.com/inyukwo1/tree-lstm/issues/2
@wiring(
    Model(kind="gru", layers=2, bias="two", options={"reset_after": True}, square=True),
    "rnn_inputs in every layer",
    "layer 1 reads x instead of the output of layer 0",
    "layer1, x|input",
)
class UpperReadsInput(Gru):
    def enter(self, y: Array) -> Array:
        return self.given.x


@wiring(
    Model(layers=3),
    "ResidualWrapper",
    "layers 1 and 2 add their input to their output",
    "input|output|join, layer1|layer2",
)
class ResidualAdded(Lstm):
    def enter(self, y: Array) -> Array:
        self.entered = y
        return y

    def leave(self, y: Array) -> Array:
        return y + self.entered if self.layer else y


@wiring(STACK, "dropout's 1 / (1 - p) left on", "what layer 1 reads is multiplied by 1.25", "layer1|input, scale|input")
class DropoutScale(Lstm):
    def leave(self, y: Array) -> Array:
        return y / (1 - 0.2) if self.layer == 0 else y


@wiring(
    Model(kind="rnn", layers=2),
    "keep_prob applied at inference",
    "the output of each layer is multiplied by 0.5",
    "output|input, scale",
)
class KeepProbability(Rnn):
    def leave(self, y: Array) -> Array:
        return 0.5 * y


# github.com/keras-team/keras/issues/1703, github.com/onnx/keras-onnx/issues/523
@time(
    REVERSE,
    "go_backwards: outputs not reversed",
    "the outputs stand in the order of computing, from the last step back",
    "time|order, output|reverse",
)
class NotTurnedRound(Lstm):
    def collect(self, by_step: dict[int, Array]) -> Array:
        return np.stack(list(by_step.values()))


# github.com/webmachinelearning/webnn/issues/801, github.com/sbillburg/CRNN-with-STN/issues/12
@time(
    STACK_BOTH,
    "backward outputs not reversed before concat",
    "in both layers the outputs of the reverse direction stand in the order of computing",
    "reverse, time|order|output",
)
class ReverseNotTurnedRound(Lstm):
    def collect(self, by_step: dict[int, Array]) -> Array:
        return np.stack(list(by_step.values()))


# github.com/apache/tvm/issues/15176, github.com/apache/tvm/pull/15829
@time(
    Model(kind="gru", directions=("reverse",)),
    "go_backwards not considered",
    "the layer runs forward instead of in reverse",
    "time|forward|reverse",
)
class GoBackwardsIgnored(Gru):
    def order(self, steps: int) -> Iterable[int]:
        return range(steps)


# github.com/songlab-cal/tape/issues/38
@time(
    BOTH, "input of the second cell not reversed", "the reverse direction runs forward in time", "reverse, time|forward"
)
class ReverseRunsForward(Lstm):
    def order(self, steps: int) -> Iterable[int]:
        return range(steps)


# github.com/onnx/onnx-tensorflow/issues/342, github.com/deeplearning4j/deeplearning4j/issues/1030
@time(
    Model(directions=("reverse",), lengths=True),
    "the reverse pass starts at T",
    "the reverse direction reads the padding: it starts at the last position instead of each sequence's last step",
    "lengths|padding, states|reverse|x|padding",
)
class PaddingReadInReverse(Lstm):
    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        return self.carried(lines), np.where(self.valid(t), lines["h_t"], 0)


# github.com/jax-ml/jax/pull/15169
@time(
    Model(directions=("forward", "reverse"), lengths=True),
    "flip(x) with the padding, the mask not flipped",
    "in the reverse direction the mask is applied by the number of the loop's pass, not by the position in x",
    "reverse, lengths|padding|time",
)
class MaskNotFlipped(Lstm):
    def valid(self, t: int) -> Array:
        return super().valid(len(self.given.x) - 1 - t if self.reverse else t)


# github.com/tensorflow/tensorflow/issues/6633
@time(
    Model(directions=("forward", "reverse"), lengths=True),
    "h * mask, c * mask",
    "the states are set to zero at padding, so the reverse direction loses its initial states where padding "
    "comes first",
    "padding|lengths, reverse|states|h0",
)
class StatesMaskedToZero(Lstm):
    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        new, y = super().advance(t, lines, old)
        return tuple(s * self.valid(t) for s in new), y


# github.com/openvinotoolkit/openvino/pull/2788
@time(
    Model(lengths=True),
    "sequence_lens input ignored",
    "the lengths are ignored: the outputs at padding are not zero",
    "lengths|padding",
)
class LengthsIgnored(Lstm):
    def valid(self, t: int) -> Array:
        return np.ones((self.given.x.shape[1], 1), bool)


@time(
    Model(kind="gru", lengths=True),
    "last output repeated",
    "the outputs at padding repeat the last state instead of zero",
    "padding|lengths, output|h_t|h_prev|states",
)
class PaddingRepeats(Gru):
    def padded(self, valid: Array, lines: Lines, old: State) -> Array:
        return np.where(valid, lines["h_t"], old[0])


@time(
    Model(kind="gru", bias="two", options={"reset_after": True}, lengths=True),
    "t < length - 1",
    "each sequence ends one step early",
    "lengths|padding",
)
class LengthShort(Gru):
    def valid(self, t: int) -> Array:
        return t < np.asarray(self.given.lengths)[:, None] - 1


@time(
    Model(directions=("reverse",), lengths=True),
    "length taken as the last index",
    "each sequence has one step too many, which is padding",
    "lengths|padding",
)
class LengthLong(Lstm):
    def valid(self, t: int) -> Array:
        return t <= np.asarray(self.given.lengths)[:, None]


# github.com/HHTseng/video-classification/issues/42
@time(
    PLAIN,
    "x.view(T, B, I) instead of x.transpose(0, 1)",
    "x is reshaped from (B, T, I) to (T, B, I) where its axes must be exchanged",
    "x|input, layout|batch|time",
)
class ViewForTranspose(Lstm):
    def read_input(self, x: Array) -> Array:
        return x.transpose(1, 0, 2).reshape(x.shape)


# github.com/yunjey/pytorch-tutorial/issues/89, github.com/pytorch/pytorch/issues/1538
@time(
    Model(bias="two", states=False),
    "batch_first=True forgotten",
    "the layer runs over the rows of the batch as if they were steps",
    "time|rows, batch|rows|layout",
)
class RunsOverTheBatch(Lstm):
    def setup(self) -> None:
        self.given = self.given._replace(x=self.given.x.transpose(1, 0, 2))

    def initial(self, layer: int, k: int) -> State:
        zero = np.zeros((self.given.x.shape[1], self.given.h0.shape[-1]))
        return zero, zero

    def run(self) -> Values:
        h, lines = super().run()
        turned = {scope: {n: v.transpose(1, 0, 2) for n, v in found.items()} for scope, found in lines.items()}
        return Values(h.transpose(1, 0, 2), turned)


@time(
    PLAIN,
    "y[t] = h before the update",
    "the outputs are one step late: each is the state before its step",
    "time|h_prev, output|h_t|h_prev",
)
class OutputLate(Lstm):
    def padded(self, valid: Array, lines: Lines, old: State) -> Array:
        return old[0]


@time(
    GRU_AFTER,
    "x buffered by one step",
    "each step reads the x of the step before it, the first one zeros",
    "x|input, time",
)
class InputLate(Gru):
    def read_input(self, x: Array) -> Array:
        return np.concatenate([0 * x[:1], x[:-1]])


@time(Model(kind="rnn"), "for t in range(1, T)", "the first step is skipped: its output is zero", "time")
class FirstStepSkipped(Rnn):
    def order(self, steps: int) -> Iterable[int]:
        return range(1, steps)

    def collect(self, by_step: dict[int, Array]) -> Array:
        values = super().collect(by_step)
        return np.concatenate([0 * values[:1], values])


@time(
    PLAIN,
    "input reversed as for seq2seq",
    "x is read from its last step to its first",
    "x|input|time, time|reverse|order",
)
class InputFlipped(Lstm):
    def read_input(self, x: Array) -> Array:
        return x[::-1]


@fed(GRU_AFTER, "BGR for RGB", "the features of x are in the reverse order", "x|input, order")
class FeaturesReversed(Gru):
    def read_input(self, x: Array) -> Array:
        return x[..., ::-1]


@fed(PLAIN, "a column for the time stamp came first", "the features of x are shifted by one place", "x|input, order")
class FeaturesShifted(Lstm):
    def read_input(self, x: Array) -> Array:
        return np.roll(x, 1, axis=-1)


@fed(Model(layers=2), "pixels divided by 255 twice", "x is divided by 255", "x|input, scale")
class Over255(Lstm):
    def read_input(self, x: Array) -> Array:
        return x / 255


@fed(
    PLAIN,
    "StandardScaler applied to scaled data",
    "each feature of x is standardised over all steps and rows",
    "x|input, normalisation|scale|variance",
)
class StandardisedTwice(Lstm):
    def read_input(self, x: Array) -> Array:
        return (x - x.mean(axis=(0, 1))) / x.std(axis=(0, 1))


# github.com/ARM-software/CMSIS_5/issues/988
@fed(PLAIN, "Q0.7 input saturates", "x is clipped to -1 and 1", "x|input, clip")
class InputSaturates(Lstm):
    def read_input(self, x: Array) -> Array:
        return np.clip(x, -1, 1)


@fed(
    Model(kind="rnn", bias="two"),
    "input tensor quantised",
    "x is rounded to 8 bits, symmetric, one scale",
    "x|input, int8",
)
class InputInt8(Rnn):
    def read_input(self, x: Array) -> Array:
        scale = abs(x).max() / 127
        return np.round(x / scale) * scale


@fed(
    PLAIN,
    "L2 normalisation of each vector",
    "x of each step and row is divided by its length",
    "x|input, normalisation|scale",
)
class UnitVectors(Lstm):
    def read_input(self, x: Array) -> Array:
        return x / np.linalg.norm(x, axis=-1, keepdims=True)
