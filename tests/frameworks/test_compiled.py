"""What `torch.compile` wraps is lifted as what is inside; what `torch.jit` compiled is refused."""

from __future__ import annotations

from typing import Any

import pytest

import lstm_trace as lt

torch = pytest.importorskip("torch")


def test_a_compiled_module_is_lifted() -> None:
    linear = torch.nn.Linear(5, 2).double()

    class Cell(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.linear = linear

        def forward(self, x: Any, h: Any) -> Any:
            return torch.tanh(self.linear(torch.cat([x, h], 1)))

    x = torch.randn(4, 2, 3).double()
    for step in (Cell(), lambda x, h: torch.tanh(linear(torch.cat([x, h], 1)))):
        compiled = torch.compile(step, backend="eager")
        assert lt.lift(compiled, None, x, h=torch.zeros(2, 2).double()).sentence == "a simple RNN"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_torch_jit_compiled_is_refused_with_what_to_give() -> None:
    traced = torch.jit.trace(torch.nn.Linear(3, 2), torch.ones(2, 3))
    for step in (traced, torch.jit.script(_jitted)):
        with pytest.raises(lt.OptionError, match=r"compiled by torch\.jit: give the function or module"):
            lt.lift(step, None, torch.ones(4, 2, 3), h=torch.ones(2, 2))


def _jitted(x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
    return torch.tanh(x[:, :2] + h)
