"""What `torch.compile` wraps is lifted as what is inside."""

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
