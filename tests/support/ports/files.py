"""Bugs of reading a file: the order of gates, transposes, memory order, the wrong layer's weights, digits."""

from __future__ import annotations

from functools import partial

import numpy as np

from .bug import BUGS, entered
from .port import Array, File, Gru, Lines, Lstm, Model, Rnn

bug = partial(entered, BUGS, "file")

PLAIN = Model()
TWO = Model(bias="two")
GRU = Model(kind="gru", bias="two", options={"reset_after": True})
BOTH = Model(directions=("forward", "reverse"))


# github.com/ENOT-AutoDL/onnx2torch/pull/256, github.com/NervanaSystems/ngraph/pull/3733
@bug(
    TWO,
    "ONNX weights loaded straight into nn.LSTM",
    "the blocks of the file are i, o, f, c and are read as i, f, c, o, in all weights and biases",
    "order|z_f, order|z_c, order|z_o",
)
class OnnxOrderAsPytorch(Lstm):
    stored_as, read_as = "iofc", "ifco"


# github.com/apple/coremltools/pull/93
@bug(
    Model(layers=2),
    "documentation says i, f, z, o; the code has i, f, o, z",
    "candidate and output gate are exchanged in both layers",
    "order|z_c|W_xc, order|z_o|W_xo",
)
class CandidateAndOutputExchanged(Lstm):
    stored_as, read_as = "ifco", "ifoc"


# github.com/keras-team/keras/issues/10179
@bug(
    PLAIN,
    "gates reordered in the kernel only",
    "W_hf and W_hc are exchanged; W_x and the biases are right",
    "W_hf|W_h, W_hc|W_h",
)
class OnlyKernelReordered(Lstm):
    stored_as = "icfo"

    def read_order(self, prefix: str) -> str:
        return "ifco" if prefix == "W_h" else "icfo"


@bug(
    Model(layers=2, directions=("forward", "reverse")),
    "one pair of gates swapped when the reverse cell was exported",
    "in the reverse direction of layer 1 alone, i and f are exchanged",
    "layer1, reverse, order|z_i|i_t, order|z_f|f_t",
)
class OneStageInputForget(Lstm):
    def load(self, file: File) -> File:
        weights = super().load(file)
        w = weights["1/reverse"]
        for prefix in ("W_x", "W_h", "b_"):
            w[f"{prefix}i"], w[f"{prefix}f"] = w[f"{prefix}f"], w[f"{prefix}i"]
        return weights


# github.com/keras-team/keras/issues/8720
@bug(
    GRU,
    "Keras has z, r, h; PyTorch has r, z, n",
    "reset and update gate are exchanged in all weights and biases",
    "order|z_r|r_t, order|z_u|u_t",
)
class KerasGruOrder(Gru):
    stored_as, read_as = "urh", "ruh"


# github.com/keras-team/keras/issues/8720 (last comments)
@bug(
    GRU,
    "gates reordered, but not in the bias",
    "the biases of reset and update gate are exchanged, both vectors",
    "b_xr|b_hr|bias, b_xu|b_hu|bias",
)
class GruBiasInOldOrder(Gru):
    stored_as = "urh"

    def read_order(self, prefix: str) -> str:
        return "ruh" if prefix.startswith("b") else "urh"


# github.com/keras-team/keras/issues/8720 (last comments)
@bug(GRU, "recurrent kernel stacked without .T", "each W_h is transposed", "transposed|W_hr|W_h")
class RecurrentNotTransposed(Gru):
    def block(self, prefix: str, gate: str, block: Array) -> Array:
        return block.T if prefix == "W_h" else block


@bug(
    Model(kind="rnn", layers=2), "h @ W in the second layer", "W_hh of layer 1 is transposed", "layer1, W_hh|transposed"
)
class UpperRnnTransposed(Rnn):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return h @ w["W_hh"] if self.layer == 1 else super().product_h(w, gate, h)


@bug(
    Model(square=True),
    "square kernel: nobody noticed that it is transposed",
    "W_xo, the output gate's alone, is transposed",
    "W_xo, transposed|W_xo",
)
class OneGateTransposed(Lstm):
    def block(self, prefix: str, gate: str, block: Array) -> Array:
        return block.T if prefix + gate == "W_xo" else block


# github.com/keras-team/keras/issues/8720: `k.reshape(k.T.shape)`; github.com/majianjia/nnom/pull/82
@bug(
    PLAIN,
    "kernel.reshape(4 * H, I) instead of kernel.T",
    "the Keras kernel (I, 4H) is reshaped to (4H, I) where it must be transposed; W_h is right",
    "layout|transposed, W_x|W_xi",
)
class ReshapedKernel(Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            kernel = found["W_x"].T
            found["W_x"] = kernel.reshape(kernel.shape[::-1])
        return super().load(file)


@bug(
    Model(bias="two", layers=2),
    "Eigen's matrices are column-major",
    "each gate's W_x is read row by row though it was written column by column",
    "layout|order|transposed, W_x|W_xi",
)
class ColumnMajorBlocks(Lstm):
    def block(self, prefix: str, gate: str, block: Array) -> Array:
        return block.ravel(order="F").reshape(block.shape) if prefix == "W_x" else block


# discuss.pytorch.org/t/146907
@bug(
    PLAIN,
    "the fused kernel is [x, h], not [h, x]",
    "the joined kernel of x and h is split with the state's columns first",
    "W_x|layout, W_h|layout",
)
class KernelSplitTheWrongWay(Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            joined = np.concatenate([found["W_x"], found["W_h"]], axis=1)
            wide = found["W_h"].shape[1]
            found["W_h"], found["W_x"] = joined[:, :wide], joined[:, wide:]
        return super().load(file)


# github.com/tensorflow/models/pull/2878, github.com/macanv/BERT-BiLSTM-CRF-NER/issues/252
@bug(Model(layers=3), "MultiRNNCell([cell] * 2)", "layer 2 uses the weights of layer 1", "layer2, layer1")
class CellShared(Lstm):
    def load(self, file: File) -> File:
        return super().load({**file, "2/forward": file["1/forward"]})


@bug(
    Model(kind="gru", bias="two", options={"reset_after": True}, directions=("forward", "reverse")),
    "both directions made from one set of weights",
    "the reverse direction uses the weights of the forward direction",
    "reverse, forward",
)
class ReverseHasForwardsWeights(Gru):
    def unstack(self, scope: str, found: dict[str, Array]) -> dict[str, Array]:
        return super().unstack(scope.replace("reverse", "forward"), self.forward[scope.split("/")[0]])

    def load(self, file: File) -> File:
        self.forward = {scope.split("/")[0]: found for scope, found in file.items() if scope.endswith("forward")}
        return super().load(file)


@bug(
    Model(layers=2),
    "offset of the recurrent kernel not advanced",
    "layer 1 has the W_h of layer 0; its W_x and biases are its own",
    "layer1, W_h|W_hi",
)
class UpperRecurrentFromBelow(Lstm):
    def load(self, file: File) -> File:
        file["1/forward"]["W_h"] = file["0/forward"]["W_h"]
        return super().load(file)


# github.com/webmachinelearning/webnn/pull/385
@bug(
    Model(bias="two", options={"peephole": True}),
    "peepholes are i, o, f in ONNX",
    "the peephole vectors of f and o are exchanged",
    "w_cf|peephole|order, w_co|peephole|order",
)
class PeepholeOrder(Lstm):
    def stored_order(self, prefix: str) -> str:
        return "iof" if prefix == "w_c" else "ifco"

    def read_order(self, prefix: str) -> str:
        return "ifo" if prefix == "w_c" else "ifco"


# github.com/onnx/keras-onnx/issues/98
@bug(BOTH, "bias written for the forward layer only", "the reverse direction has no biases", "reverse, bias|b_i")
class ReverseBiasLost(Lstm):
    def load(self, file: File) -> File:
        file["0/reverse"]["b_"] = 0 * file["0/reverse"]["b_"]
        return super().load(file)


@bug(
    BOTH,
    "one bias buffer for both directions",
    "the reverse direction has the biases of the forward one",
    "reverse, bias|b_i",
)
class ReverseHasForwardsBias(Lstm):
    def load(self, file: File) -> File:
        file["0/reverse"]["b_"] = file["0/forward"]["b_"]
        return super().load(file)


@bug(
    PLAIN,
    "for (j = 0; j < H - 1; j++)",
    "the last unit of h_prev is left out of every W_h product",
    "W_h|W_hi, h_prev|units",
)
class LastRecurrentColumnMissing(Lstm):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return h[:, :-1] @ w[f"W_h{gate}"][:, :-1].T


@bug(Model(bias="two"), "weights pasted into a header with %.3f", "all weights are rounded to three decimals", "digits")
class ThreeDecimals(Lstm):
    def load(self, file: File) -> File:
        return super().load({s: {k: np.round(v, 3) for k, v in found.items()} for s, found in file.items()})


@bug(GRU, "weights exported with %.2e", "all weights are rounded to three significant digits", "digits")
class ThreeSignificantDigits(Gru):
    def load(self, file: File) -> File:
        rounded = np.vectorize(lambda value: float(f"{value:.2e}"))
        return super().load({s: {k: rounded(v) for k, v in found.items()} for s, found in file.items()})


@bug(
    PLAIN,
    "rows packed for SIMD, columns of the recurrent kernel not",
    "the units of each gate stand in the reverse order, but h_prev is multiplied as if they did not",
    "units|order",
)
class RowsPackedBackwards(Lstm):
    def block(self, prefix: str, gate: str, block: Array) -> Array:
        return block[::-1]

    def initial(self, layer: int, k: int) -> tuple[Array, ...]:
        h, c = super().initial(layer, k)
        return h, c[:, ::-1]


@bug(
    Model(options={"projection": True}),
    "projection kernel is stored (H, P)",
    "W_hr is reshaped from (H, P) to (P, H) where it must be transposed",
    "W_hr, layout|transposed|W_hr",
)
class ProjectionReshaped(Lstm):
    def load(self, file: File) -> File:
        for found in file.values():
            found["W_hr"] = found["W_hr"].T.reshape(found["W_hr"].shape)
        return super().load(file)


@bug(Model(kind="rnn", bias="two"), "bias_hh not loaded", "the second bias vector, b_hh, is left out", "b_hh|bias")
class RnnSecondBiasLost(Rnn):
    def load(self, file: File) -> File:
        return {scope: {**w, "b_hh": 0 * w["b_hh"]} for scope, w in super().load(file).items()}
