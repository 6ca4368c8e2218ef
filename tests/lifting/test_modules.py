"""Modules of PyTorch: their weights are called by their whole path, and they work as before after they were lifted."""

from __future__ import annotations

import functools
from typing import Any

import pytest

import lstm_trace as lt

torch = pytest.importorskip("torch")

INPUTS, H, T = 3, 2, 4


class Gates(torch.nn.Module):  # type: ignore[misc, name-defined]
    """An LSTM whose gates read linear layers of the names that are given."""

    def __init__(self, **layers: str) -> None:
        super().__init__()
        self.layers = layers
        for name in "ifgo":
            setattr(self, f"W{name}", torch.nn.Linear(INPUTS + H, H))

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        z = torch.cat([x, h], -1)
        i, f, g, o = (getattr(self, self.layers.get(name, f"W{name}"))(z) for name in "ifgo")
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


def lifted(module: Any, *states: str) -> lt.Lifted:
    torch.manual_seed(0)
    return lt.lift(module, None, torch.randn(T, 1, INPUTS), **{name: torch.randn(1, H) for name in states})


@pytest.mark.few(1)
@pytest.mark.parametrize(("layers", "said", "unread"), [
    ({"i": "Wf", "f": "Wi"}, "an LSTM but c_t = i_t * c_prev + f_t * c_tilde", []),
    ({}, "an LSTM", []),
    ({"o": "Wi"}, "an LSTM without an output gate, but h_t = i_t * tanh(c_t); Wo.weight, Wo.bias are not read",
     ["Wo.weight", "Wo.bias"]),
])  # fmt: skip
def test_weights_of_submodules_are_called_by_their_path(layers: dict[str, str], said: str, unread: list[str]) -> None:
    found = lifted(Gates(**layers), "h", "c")
    assert (found.sentence, [*found.unread]) == (said, unread)
    assert (found.aliases["b_f"], found.aliases["W_xi"]) == ("Wf.bias", "Wi.weight[:, 0:3]")


class Cached(torch.nn.Module):  # type: ignore[misc, name-defined]
    """It keeps its matrix, transposed, in a cache."""

    def __init__(self) -> None:
        super().__init__()
        self.u = torch.nn.Linear(H, H)

    @functools.cache  # noqa: B019
    def turned(self) -> Any:
        return self.u.weight.t()

    def forward(self, x: Any, h: Any) -> Any:
        return torch.tanh(h @ self.turned() + x.sum())


def test_a_cache_is_lifted_and_keeps_nothing_of_it() -> None:
    module, h = Cached(), torch.ones(1, H)
    before = module(torch.ones(INPUTS), h)
    assert lifted(module, "h").aliases["W_hh"] == "u.weight"
    assert type(module.turned()) is torch.Tensor
    assert torch.equal(module(torch.ones(INPUTS), h), before)
