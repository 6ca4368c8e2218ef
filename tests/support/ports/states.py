"""Bugs of states: where they start, what carries over, buffers that are reused, rows and calls that mix."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from .bug import BUGS, entered
from .port import Array, Gru, Lines, Lstm, Model, Rnn, State, Values

bug = partial(entered, BUGS, "state")

PLAIN = Model()
STACK = Model(layers=2)
BOTH = Model(directions=("forward", "reverse"))


@bug(
    PLAIN,
    "h[j] = ... inside of the loop over units",
    "h is updated in place: the gates of a unit already see the new h_t of the units before it",
    "h_prev|h_t, units|h_t|order",
)
class HiddenInPlace(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        rows, units = h.shape
        names = ("z_i", "z_f", "z_c", "z_o", "i_t", "f_t", "c_tilde", "o_t", "c_t", "h_t")
        n = {name: np.zeros_like(h) for name in names}
        for b in range(rows):
            state = list(h[b])
            for j in range(units):
                for gate in "ifco":
                    z = w[f"b_{gate}"][j]
                    z += sum(w[f"W_x{gate}"][j, k] * x[b, k] for k in range(x.shape[1]))
                    z += sum(w[f"W_h{gate}"][j, k] * state[k] for k in range(units))
                    n[f"z_{gate}"][b, j] = z
                    name = "c_tilde" if gate == "c" else f"{gate}_t"
                    n[name][b, j] = math.tanh(z) if gate == "c" else 1 / (1 + math.exp(-z))
                n["c_t"][b, j] = n["f_t"][b, j] * c[b, j] + n["i_t"][b, j] * n["c_tilde"][b, j]
                state[j] = n["h_t"][b, j] = n["o_t"][b, j] * math.tanh(n["c_t"][b, j])
        return n


@bug(
    Model(kind="rnn", layers=2),
    "one buffer for the old and the new state",
    "h is updated in place: a unit sees the new h_t of the units before it",
    "h_prev|h_t, units|h_t|order",
)
class RnnInPlace(Rnn):
    def step(self, w: Lines, x: Array, h: Array) -> Lines:
        state, z = h.copy(), np.zeros_like(h)
        for j in range(h.shape[1]):
            z[:, j] = x @ w["W_xh"][j] + state @ w["W_hh"][j] + w["b_h"][j]
            state[:, j] = np.tanh(z[:, j])
        return {"z_h": z, "h_t": state}


@bug(PLAIN, "apply_tanh(cell_state) in place", "the cell state that is carried is tanh(c_t)", "c_prev|c_t, tanh")
class CellSquashedInPlace(Lstm):
    def carried(self, n: Lines) -> State:
        return n["h_t"], np.tanh(n["c_t"])


@bug(STACK, "c = h after the step", "the state that is carried as c is h_t", "c_prev|c_t, h_t")
class CellIsHidden(Lstm):
    def carried(self, n: Lines) -> State:
        return n["h_t"], n["h_t"]


# github.com/neulab/xnmt/issues/223, github.com/fastai/fastbook/pull/316
@bug(PLAIN, "c, h = state where the state is (h, c)", "h_prev and c_prev are exchanged at every step", "h_prev, c_prev")
class StatesExchangedEachStep(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        return super().step(w, x, c, h)


# github.com/neulab/xnmt/issues/223
@bug(BOTH, "initial_state=[c, h]", "h0 and c0 are exchanged", "h0, c0")
class InitialExchanged(Lstm):
    def initial(self, layer: int, k: int) -> State:
        h, c = super().initial(layer, k)
        return c, h


# github.com/ARM-software/CMSIS-NN/pull/219
@bug(STACK, "hidden_in = NULL and a memset of the cell state", "h0 and c0 are zero", "h0, c0")
class StatesWiped(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return tuple(0 * s for s in super().initial(layer, k))


# github.com/apple/coremltools/issues/263
@bug(
    Model(kind="gru", directions=("forward", "reverse")),
    "reverse states are not passed",
    "h0 of the reverse direction is zero",
    "h0, reverse",
)
class ReverseStateWiped(Gru):
    def initial(self, layer: int, k: int) -> State:
        return tuple(s * (k == 0) for s in super().initial(layer, k))


# github.com/onnx/onnx-tensorflow/pull/410
@bug(Model(bias="two"), "initial_c not connected", "c0 is zero; h0 is right", "c0")
class CellStateWiped(Lstm):
    def initial(self, layer: int, k: int) -> State:
        h, c = super().initial(layer, k)
        return h, 0 * c


# github.com/pclucas14/GansFallingShort/pull/2
@bug(STACK, "the same hidden state for all layers", "layer 1 starts with h0 and c0 of layer 0", "layer1, h0|c0|states")
class OneStateForAllLayers(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return super().initial(0, k)


# github.com/salesforce/awd-lstm-lm/issues/116
@bug(
    STACK,
    "hidden passed on to the next layer",
    "layer 1 starts with the last states of layer 0",
    "layer1, h0|c0|states",
)
class StartsWithLastOfBelow(Lstm):
    last: State = ()

    def initial(self, layer: int, k: int) -> State:
        return self.last if layer else super().initial(layer, k)

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        self.last, y = super().advance(t, lines, old)
        return self.last, y


# github.com/OpenNMT/OpenNMT-py/issues/61
@bug(
    Model(layers=2, directions=("forward", "reverse")),
    "states ordered by direction, then by layer",
    "the initial states are taken in the order layer 0 forward, layer 1 forward, layer 0 reverse, layer 1 reverse",
    "h0|c0|states, order|layer1|reverse",
)
class StatesByDirection(Lstm):
    def initial(self, layer: int, k: int) -> State:
        n = 2 * k + layer
        return super().initial(n // 2, n % 2)


# github.com/onnx/onnx-tensorflow/issues/409
@bug(
    BOTH,
    "initial_h of the wrong direction",
    "the initial states of the two directions are exchanged",
    "h0|c0|states, reverse",
)
class DirectionsStatesExchanged(Lstm):
    def initial(self, layer: int, k: int) -> State:
        return super().initial(layer, 1 - k)


@bug(
    PLAIN,
    "states not reset between sequences",
    "each row of the batch starts with the last states of the row before it",
    "rows|batch, h0|c0|states",
)
class RowsChained(Lstm):
    def sequence(self, w: Lines, x: Array, state: State) -> Array:
        begin, outputs, rows = tuple(s[:1] for s in state), [], []
        for b in range(x.shape[1]):
            outputs.append(super().sequence(w, x[:, b : b + 1], begin))
            rows.append(self.lines[self.scope])
            begin = self.last
        self.lines[self.scope] = {name: np.concatenate([row[name] for row in rows], axis=1) for name in rows[0]}
        return np.concatenate(outputs, axis=1)

    def valid(self, t: int) -> Array:
        return np.ones((1, 1), bool)

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        self.last, y = super().advance(t, lines, old)
        return self.last, y


# github.com/soumith/cudnn.torch/issues/348
@bug(
    Model(kind="gru", bias="two", options={"reset_after": True}),
    "resetStates has no effect",
    "the run starts with the last states of an earlier run over the same input",
    "h0|states",
)
class StatesKeptFromLastCall(Gru):
    last: State | None = None

    def run(self) -> Values:
        super().run()
        self.kept = self.last
        return super().run()

    def initial(self, layer: int, k: int) -> State:
        return getattr(self, "kept", None) or super().initial(layer, k)

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        self.last, y = super().advance(t, lines, old)
        return self.last, y


# github.com/microsoft/onnxruntime/issues/1659
@bug(
    PLAIN,
    "scored value by value",
    "every step starts from the initial states: nothing is carried",
    "h_prev|h0|states, c_prev|c0|states",
)
class NothingCarried(Lstm):
    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        return old, super().advance(t, lines, old)[1]


@bug(Model(bias="two"), "only h is fed back", "c is not carried: every step starts with c0", "c_prev|c0")
class CellNotCarried(Lstm):
    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        (h, _), y = super().advance(t, lines, old)
        return (h, old[1]), y


# github.com/sdobber/FluxArchitectures.jl/issues/9 is a state of the wrong step
@bug(
    Model(kind="gru"), "ping-pong buffers not swapped", "h_prev is the state of two steps before", "h_prev, time|h_prev"
)
class OneStepLate(Gru):
    def sequence(self, w: Lines, x: Array, state: State) -> Array:
        self.between = state
        return super().sequence(w, x, state)

    def advance(self, t: int, lines: Lines, old: State) -> tuple[State, Array]:
        new, y = super().advance(t, lines, old)
        late, self.between = self.between, new
        return late, y


@bug(
    PLAIN,
    "stream in windows of three, stateless",
    "the states are set to zero after every third step",
    "states|h_prev, time|states",
)
class WindowsOfThree(Lstm):
    def step(self, w: Lines, x: Array, h: Array, c: Array) -> Lines:
        keep = float(self.t % 3 != 0 or self.t == 0)
        return super().step(w, x, keep * h, keep * c)


# github.com/ARM-software/CMSIS-NN/pull/219: the stride between batches in the state's buffer
@bug(
    PLAIN,
    "wrong stride in the hidden buffer",
    "the gates of a row read h_prev of the next row of the batch",
    "rows|batch, h_prev",
)
class NeighboursState(Lstm):
    def product_h(self, w: Lines, gate: str, h: Array) -> Array:
        return super().product_h(w, gate, np.roll(h, -1, axis=0))
