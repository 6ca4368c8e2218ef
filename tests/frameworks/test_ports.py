"""The ports of tests/support/ports, without their bugs, give what PyTorch's layers give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ..support.ports import CELLS, Model, draw, right

torch = pytest.importorskip("torch")
nn = torch.nn

BOTH = ("forward", "reverse")
AFTER = {"reset_after": True}
MODELS = [
    Model(bias="two"),
    Model(bias="two", layers=2, directions=BOTH, lengths=True),
    Model(bias="two", options={"projection": True}, directions=BOTH),
    Model(bias="none", layers=3),
    Model(kind="gru", bias="two", options=AFTER),
    Model(kind="gru", bias="two", options=AFTER, layers=2, directions=BOTH, lengths=True),
    Model(kind="rnn", bias="two", layers=2),
    Model(kind="rnn", bias="two", options={"activation": "relu"}, directions=BOTH, lengths=True),
]


def module(model: Model, weights: dict[str, Any], inputs: int, hidden: int, out: int) -> Any:
    """PyTorch's layer with the weights, in float64."""
    make = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}[model.kind]
    more: dict[str, Any] = {"proj_size": out} if "projection" in model.options else {}
    if "activation" in model.options:
        more["nonlinearity"] = model.options["activation"]
    layer = make(
        inputs, hidden, model.layers, bias=model.bias == "two", bidirectional=model.directions == BOTH, **more
    ).double()
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            kind, side, place = name.split("_", 2)
            scope = f"{place[1]}/{'reverse' if 'reverse' in place else 'forward'}"
            prefix = f"{'W' if kind == 'weight' else 'b'}_{'x' if side == 'ih' else 'h'}"
            if side == "hr":
                parameter.copy_(torch.from_numpy(weights[f"{scope}/W_hr"]))
                continue
            blocks = [weights[f"{scope}/{prefix}{gate}"] for gate in CELLS[model.kind].gates]
            parameter.copy_(torch.from_numpy(np.concatenate(blocks)))
    return layer


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", MODELS, ids=[f"{m.kind} {n}" for n, m in enumerate(MODELS)])
def test_as_in_pytorch(model: Model, seed: int) -> None:
    given = draw(model, seed)
    hidden = next(len(value) for key, value in given.weights.items() if "/W_x" in key)
    layer = module(model, given.weights, given.x.shape[-1], hidden, given.h0.shape[-1])
    x: Any = torch.from_numpy(given.x)
    states = [torch.from_numpy(s) for s in (given.h0, given.c0) if s is not None]
    if given.lengths is not None:
        x = nn.utils.rnn.pack_padded_sequence(x, torch.from_numpy(given.lengths), enforce_sorted=False)
    with torch.no_grad():
        y = layer(x, tuple(states) if model.kind == "lstm" else states[0])[0]
    if given.lengths is not None:
        y = nn.utils.rnn.pad_packed_sequence(y, total_length=len(given.x))[0]
    ours = right(model, given).h
    np.testing.assert_allclose(y.numpy(), ours, rtol=0, atol=1e-13 * max(1, abs(ours).max()))
