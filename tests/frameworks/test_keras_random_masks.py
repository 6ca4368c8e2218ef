"""Two hundred random Keras layers, in stacks, with random masks, against Keras: outputs and final states."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt

keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

KINDS = {"lstm": layers.LSTM, "gru": layers.GRU, "rnn": layers.SimpleRNN}
MERGES = {"concat": "concat", "sum": "sum", "mul": "product", "ave": "mean", None: "none"}


def random_mask(rng: np.random.Generator, batch: int, steps: int) -> Any:
    """(B, T): padding in front, gaps, no valid step, padding behind, none; by row."""
    rows = []
    for kind in rng.integers(0, 5, batch):
        cut = int(rng.integers(0, steps + 1))
        at = np.arange(steps)
        rows.append((at >= cut, rng.random(steps) < 0.5, at < 0, at < cut, at >= 0)[kind])
    return np.array(rows)


def numbers(value: Any) -> list[Any]:
    """All tensors that a layer returned."""
    return [keras.ops.convert_to_numpy(v) for v in keras.tree.flatten(value)]


def gates(kind: str, layer: Any) -> dict[str, Any]:
    """The weights of a GRU or SimpleRNN by our names, cut by hand: Keras stacks z, r, h along the columns."""
    kernel, recurrent, *bias = (np.asarray(w, np.float64) for w in layer.get_weights())
    if kind == "rnn":
        return {"W_xh": kernel.T, "W_hh": recurrent.T, **({"b_h": bias[0]} if bias else {})}
    found = {}
    width = recurrent.shape[0]
    for k, gate in enumerate("urh"):
        part = slice(k * width, (k + 1) * width)
        found |= {f"W_x{gate}": kernel[:, part].T, f"W_h{gate}": recurrent[:, part].T}
        if bias and bias[0].ndim == 2:
            found |= {f"b_x{gate}": bias[0][0, part], f"b_h{gate}": bias[0][1, part]}
        elif bias:
            found[f"b_{gate}"] = bias[0][part]
    return found


def traced(kind: str, layer: Any, x: Any, mask: Any, start: list[Any], dtype: str) -> Any:
    """Our run of one Keras layer. The padding of a GRU is given by hand, as Keras's documentation says it."""
    both = isinstance(layer, layers.Bidirectional)
    halves = [layer.forward_layer, layer.backward_layer] if both else [layer]
    model: Any = layer
    more: dict[str, Any] = {}
    if kind != "lstm":
        inner = halves[0]
        ways = ("forward", "reverse") if both else ("reverse" if inner.go_backwards else "forward",)
        model = {f"0/{d}/{n}": w for d, h in zip(ways, halves, strict=True) for n, w in gates(kind, h).items()}
        options = {"padding": "zero" if inner.zero_output_for_mask else "repeat"}
        options |= {"reset_after": inner.reset_after} if kind == "gru" else {}
        options |= {"merge": MERGES[layer.merge_mode]} if both else {}
        options |= {"direction": "reverse"} if not both and inner.go_backwards else {}
        more = {"cell": kind, "options": options}
    states = {"h0": np.stack(start[:: 2 if kind == "lstm" else 1])}
    states |= {"c0": np.stack(start[1::2])} if kind == "lstm" else {}
    return lt.prepare(model, dtype=dtype, **more).run(x, **states, mask=mask, batch_first=True)


def agree(ours: Any, exact: Any, theirs: Any) -> None:
    """Both are right within rounding: ours as ARCHITECTURE.md has it, Keras's a few ulp (9 were seen)."""
    ulp = np.spacing(np.float32(max(1.0, np.abs(exact).max(initial=0))))
    off = np.abs(theirs - exact).max(initial=0)
    assert off <= 64 * ulp
    assert np.abs(ours - exact).max(initial=0) <= 8 * off + 8 * ulp


def layer_of(kind: str, rng: np.random.Generator, width: int, top: bool) -> Any:
    """A layer with random options and weights; below another one it returns sequences."""
    both = bool(rng.random() < 0.5)
    layer = KINDS[kind](
        int(rng.integers(2, 5)),
        return_sequences=not top or bool(rng.random() < 0.6),
        return_state=True,
        zero_output_for_mask=bool(rng.random() < 0.5),
        go_backwards=not both and bool(rng.random() < 0.3),
        use_bias=bool(rng.random() < 0.8),
        **({"reset_after": bool(rng.random() < 0.5)} if kind == "gru" else {}),
    )
    if both:
        layer = layers.Bidirectional(layer, merge_mode=list(MERGES)[rng.integers(0, 5 if top else 4)])
    layer.build((None, None, width))
    layer.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.9 for w in layer.get_weights()])
    return layer


def returned(trace: Any, layer: Any) -> Any:
    """What Keras returns of a layer, from our trace of it."""
    if not isinstance(layer, layers.Bidirectional):
        back = layer.go_backwards
        return trace.output[:, :: -1 if back else 1] if layer.return_sequences else trace.output[:, 0 if back else -1]
    if layer.return_sequences and layer.merge_mode:
        return trace.output
    one, two = (trace.at(direction=d).output for d in ("forward", "reverse"))
    if not layer.return_sequences:
        one, two = one[:, -1], two[:, 0]
    if layer.merge_mode in ("concat", None):
        return np.concatenate([one, two], axis=-1)
    return {"sum": one + two, "mul": one * two, "ave": (one + two) / 2}[layer.merge_mode]


@pytest.mark.parametrize("seed", range(100))
def test_random_layers(seed: int) -> None:
    """One to three layers, each on what the one below returned: 200 in all."""
    rng = np.random.default_rng(seed)
    kind = tuple(KINDS)[seed % 3]
    batch, steps, width = (int(n) for n in rng.integers((2, 3, 1), (5, 8, 4)))
    mask = random_mask(rng, batch, steps)
    theirs = ours = rng.normal(size=(batch, steps, width)).astype(np.float32)
    exact = ours.astype(np.float64)
    depth = int(rng.integers(1, 4))
    for level in range(depth):
        layer = layer_of(kind, rng, theirs.shape[-1], level == depth - 1)
        both = isinstance(layer, layers.Bidirectional)
        states = (2 if kind == "lstm" else 1) * (2 if both else 1)
        units = (layer.forward_layer if both else layer).units
        start = [rng.normal(size=(batch, units)).astype(np.float32) for _ in range(states)]
        apart = both and layer.merge_mode is None  # two outputs that are not joined
        values = numbers(layer(theirs, mask=mask, initial_state=start))
        outputs, ends = (values[:2], values[2:]) if apart else (values[:1], values[1:])
        one = traced(kind, layer, ours, mask, start, "float32")
        two = traced(kind, layer, exact, mask, start, "float64")
        assert lt.verify(one).failed == lt.verify(two).failed == 0
        stride = 2 if kind == "lstm" else 1
        agree(one.h_n, two.h_n, np.stack(ends[::stride]))
        if kind == "lstm":
            agree(one.c_n, two.c_n, np.stack(ends[1::2]))
        ours, exact, theirs = returned(one, layer), returned(two, layer), np.concatenate(outputs, axis=-1)
        agree(ours, exact, theirs)
