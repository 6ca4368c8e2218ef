"""Losses of the readout, at every step, and their gradients, against PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

torch = pytest.importorskip("torch")

STEPS, ROWS, INPUTS, UNITS, CLASSES = 7, 3, 4, 5, 6


def theirs(kind: str, scores: Any, target: Any) -> Any:
    """The loss of each step and row, (T, B); half the squares, which PyTorch has without the half."""
    if kind == "squared_error":
        return 0.5 * torch.nn.functional.mse_loss(scores, target, reduction="none").sum(dim=-1)
    flat = torch.nn.functional.cross_entropy(scores.flatten(0, 1), target.flatten(0, 1), reduction="none")
    return flat.reshape(scores.shape[:2])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("kind", ["squared_error", "cross_entropy", "one-hot"])
def test_losses_and_their_gradients_equal_those_of_pytorch(kind: str, dtype: str) -> None:
    torch.manual_seed(3)
    known = getattr(torch, dtype)
    lstm = torch.nn.LSTM(INPUTS, UNITS, dtype=known)
    readout = torch.nn.Linear(UNITS, CLASSES, dtype=known)
    x = torch.randn(STEPS, ROWS, INPUTS, dtype=known, requires_grad=True)
    target = torch.randn(STEPS, ROWS, CLASSES, dtype=known)
    if kind != "squared_error":
        target = target.softmax(dim=-1)
    if kind == "one-hot":
        target = torch.nn.functional.one_hot(target.argmax(dim=-1), CLASSES).to(known)
    right = theirs("squared_error" if kind == "squared_error" else "cross_entropy", readout(lstm(x)[0]), target)

    weights = {name: value.detach().numpy() for name, value in lstm.named_parameters()}
    found = {}
    for stored, ours in (("weight_ih", "W_x"), ("weight_hh", "W_h"), ("bias_ih", "b_x"), ("bias_hh", "b_h")):
        for gate, part in zip("ifco", weights[f"{stored}_l0"].reshape(4, UNITS, -1), strict=True):
            found[ours + gate] = part[:, 0] if ours[0] == "b" else part
    found |= {"W_hy": readout.weight.detach().numpy(), "b_y": readout.bias.detach().numpy()}
    function = "squared_error" if kind == "squared_error" else "cross_entropy"
    extra = f"input: target_t\ny_t = W_hy @ h_t + b_y\nL = {function}(y_t, target_t)"
    trace = lt.run(found, x.detach().numpy(), cell={"kind": "lstm", "extra": extra}, given={"target_t": target.numpy()})
    eps = np.finfo(dtype).eps
    assert trace["L"].dtype == dtype
    np.testing.assert_allclose(trace["L"][:, :, 0], right.detach().numpy(), rtol=64 * eps, atol=8 * eps)

    if dtype == "float64":
        right[4, 1].backward()
        gradients = lt.gradients(trace, of="4/1/L")
        for ours, leaf in ((gradients["x"], x), (gradients["0/forward/W_hy"], readout.weight)):
            np.testing.assert_allclose(ours, leaf.grad.numpy(), rtol=1e-11, atol=8 * eps)
