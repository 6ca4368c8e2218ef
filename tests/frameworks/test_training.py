"""Training by hand against torch.optim on the same equations, run by PyTorch's own operations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from .. import ROOT

torch = pytest.importorskip("torch")
from . import torch_network  # noqa: E402 - it needs PyTorch

OPTIMIZERS: dict[str, tuple[dict[str, Any], Callable[[list[Any]], Any]]] = {
    "sgd": ({"rate": 0.3}, lambda leaves: torch.optim.SGD(leaves, lr=0.3)),
    "momentum": ({"rate": 0.2, "momentum": 0.7}, lambda leaves: torch.optim.SGD(leaves, lr=0.2, momentum=0.7)),
    "adam": (
        {"rate": 0.05, "beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-6},
        lambda leaves: torch.optim.Adam(leaves, lr=0.05, betas=(0.8, 0.95), eps=1e-6),
    ),
}


@pytest.mark.parametrize("name", ["squared-error", "cross-entropy"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_updates_are_those_of_torch(name: str, optimizer: str) -> None:
    trace = lt.run(ROOT / "lstm_trace" / "examples" / f"{name}.yaml", ask=[])
    told, made = OPTIMIZERS[optimizer]
    done = lt.train(trace, of="L", updates=5, optimizer=optimizer, **told)
    values = {f"{s}/{n}": torch.tensor(v.copy()) for s, here in trace.parameters.items() for n, v in here.items()}
    theirs = made(list(values.values()))
    losses = []
    for _ in range(6):
        here = {n: v.numpy() for n, v in values.items()}
        parameters = {s: {n: here[f"{s}/{n}"] for n in names} for s, names in trace.parameters.items()}
        now = replace(trace, parameters=parameters, lines={}, memory=None)
        lines, leaves = torch_network.run(now)
        loss = sum(line["L"].sum() for line in lines.values() if "L" in line)
        losses.append(loss.item())
        if len(losses) < 6:
            loss.backward()
            for name_, value in values.items():
                value.grad = leaves[name_].grad
            theirs.step()
    np.testing.assert_allclose(done.losses, losses, rtol=1e-12)
    for address, value in values.items():
        np.testing.assert_allclose(done.weights[address], value.numpy(), rtol=1e-11, atol=1e-13, err_msg=address)
