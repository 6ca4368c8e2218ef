"""The cells `gru` and `rnn` give what PyTorch's and Keras's layers give; a wrong order or option does not."""

from __future__ import annotations

import copy
import os
from itertools import permutations
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt

from .measure import assert_agrees

torch = pytest.importorskip("torch")
nn = torch.nn


def grown(module: Any) -> Any:
    """The module with random weights that leave no two gates alike."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=parameter.dtype) * 0.7)
    return module.eval()


def from_torch(module: Any, gates: str) -> dict[str, Any]:
    """The weights by our names; `gates` are our letters in PyTorch's order."""
    found = {}
    for key, value in module.state_dict().items():
        kind, side, place = key.split("_", 2)
        layer, direction = place.removesuffix("_reverse")[1:], "reverse" if "reverse" in place else "forward"
        for gate, part in zip(gates, np.split(value.numpy(), len(gates)), strict=True):
            name = f"{'W' if kind == 'weight' else 'b'}_{'x' if side == 'ih' else 'h'}{gate}"
            found[f"{layer}/{direction}/{name}"] = part
    return found


def called(module: Any, x: Any, h0: Any) -> tuple[Any, Any]:
    with torch.no_grad():
        y, h = module(x, h0)
    return y.numpy(), h.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("more", [{}, {"bias": False}, {"num_layers": 2, "bidirectional": True}], ids=str)
@pytest.mark.parametrize(
    ("make", "gates", "cell"),
    [
        (nn.GRU, "ruh", {"kind": "gru", "reset_after": True}),
        (nn.RNN, "h", {"kind": "rnn"}),
        (lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k), "h", {"kind": "rnn", "activation": "relu"}),
    ],
    ids=["gru", "rnn tanh", "rnn relu"],
)
def test_torch(make: Any, gates: str, cell: dict[str, Any], more: dict[str, Any], dtype: str) -> None:
    module = grown(make(5, 4, dtype=getattr(torch, dtype), **more))
    count = module.num_layers * (1 + module.bidirectional)
    x, h0 = (torch.randn(*size, dtype=module.weight_ih_l0.dtype) for size in ((6, 3, 5), (count, 3, 4)))
    trace = lt.run(from_torch(module, gates), x.numpy(), h0=h0.numpy(), cell=cell)
    assert trace.header.dtype == dtype
    exact = called(copy.deepcopy(module).double(), x.double(), h0.double())
    for ours, their, right in zip((trace.output, trace.h_n), called(module, x, h0), exact, strict=True):
        assert_agrees(ours, their, right)


def test_another_order_or_option_does_not_give_what_torch_gives() -> None:
    module = grown(nn.GRU(5, 4, dtype=torch.float64))
    x = torch.randn(6, 5, dtype=torch.float64)
    theirs = called(module, x, None)[0]

    def agrees(gates: str, **options: Any) -> bool:
        ours = lt.run(from_torch(module, gates), x.numpy(), cell={"kind": "gru", "reset_after": True, **options})
        return bool(np.allclose(ours.output, theirs, atol=1e-9))

    assert [order for order in map("".join, permutations("ruh")) if agrees(order)] == ["ruh"]
    assert not agrees("ruh", reset_after=False)
    assert not agrees("ruh", update="write")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("after", [True, False])
def test_keras_gru(after: bool, bias: bool) -> None:
    """Keras stacks update, reset, candidate; with reset_after=False it has one bias."""
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(3)

    def layer(dtype: str) -> Any:
        return keras.layers.GRU(4, return_sequences=True, reset_after=after, use_bias=bias, dtype=dtype)

    x, one = rng.normal(size=(3, 6, 5)), layer("float32")
    one.build(x.shape)
    stored = [rng.normal(size=w.shape).astype(np.float32) * 0.6 for w in one.get_weights()]
    weights = {}
    for k, gate in enumerate("urh"):
        own = slice(4 * k, 4 * k + 4)
        weights |= {f"W_x{gate}": stored[0][:, own].T, f"W_h{gate}": stored[1][:, own].T}
        if bias and after:
            weights |= {f"b_x{gate}": stored[2][0, own], f"b_h{gate}": stored[2][1, own]}
        elif bias:
            weights[f"b_{gate}"] = stored[2][own]
    results = []
    for dtype in ("float32", "float64"):
        made = layer(dtype)
        made.build(x.shape)
        made.set_weights(stored)
        with torch.no_grad():
            results.append(keras.ops.convert_to_numpy(made(x.astype(np.float32).astype(dtype))))
    cell = {"kind": "gru", "reset_after": after}
    trace = lt.run(weights, x.astype(np.float32), cell=cell, batch_first=True)
    assert trace.header.options["bias"] == ("none" if not bias else "two" if after else "one")
    assert_agrees(trace.output, *results)
