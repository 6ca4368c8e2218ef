"""The peers of `benchmarks/lstm.py`, all on the weights of one `torch.nn.LSTM`: each gives a function to be timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Call = Callable[[], Any]


def lstm(inputs: int, units: int, dtype: str) -> torch.nn.LSTM:
    """A module with weights large enough to move the gates."""
    torch.manual_seed(0)
    module = torch.nn.LSTM(inputs, units, dtype=getattr(torch, dtype))
    return module.eval()


def weights(module: torch.nn.LSTM) -> dict[str, Any]:
    """Its weights by our names; PyTorch stacks the gates as i, f, g (the candidate), o."""
    found = {}
    for name, ours in (("weight_ih", "W_x"), ("weight_hh", "W_h"), ("bias_ih", "b_x"), ("bias_hh", "b_h")):
        parts = getattr(module, f"{name}_l0").detach().chunk(4)
        found |= {f"{ours}{gate}": part.numpy().copy() for gate, part in zip("ifco", parts, strict=True)}
    return found


def plain(module: torch.nn.LSTM, x: torch.Tensor) -> Call:
    """The forward pass: it stores h alone."""
    return lambda: module(x)


def cell_of(module: torch.nn.LSTM) -> torch.nn.LSTMCell:
    """The module's layer as a cell."""
    cell = torch.nn.LSTMCell(module.input_size, module.hidden_size, dtype=module.weight_ih_l0.dtype)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in module.state_dict().items()})
    return cell.eval()


class Loop(torch.nn.Module):
    """An `LSTMCell` over time; it stores nothing but the last state."""

    def __init__(self, cell: torch.nn.Module) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = None
        for x_t in x:
            state = self.cell(x_t, state)
        return state[0]


def loop(module: torch.nn.LSTM, x: torch.Tensor) -> Call:
    """An `LSTMCell` loop that stores nothing."""
    run = Loop(cell_of(module))
    return lambda: run(x)


class Parts(torch.nn.Module):
    """The cell out of submodules, one for each of its 21 lines, so that hooks can see every one of them."""

    def __init__(self, module: torch.nn.LSTM) -> None:
        super().__init__()
        units = module.hidden_size
        given, fed_back = {}, {}
        for gate, index in zip("ifco", range(4), strict=True):
            rows = slice(index * units, (index + 1) * units)
            for side, found, width in (("ih", given, module.input_size), ("hh", fed_back, units)):
                linear = torch.nn.Linear(width, units, dtype=module.weight_ih_l0.dtype)
                linear.weight.data = getattr(module, f"weight_{side}_l0").data[rows]
                linear.bias.data = getattr(module, f"bias_{side}_l0").data[rows]
                found[gate] = linear
        self.given, self.fed_back = torch.nn.ModuleDict(given), torch.nn.ModuleDict(fed_back)
        self.sums = torch.nn.ModuleDict({gate: _Add() for gate in "ifco"})
        self.gates = torch.nn.ModuleDict({g: torch.nn.Tanh() if g == "c" else torch.nn.Sigmoid() for g in "ifco"})
        self.kept, self.new, self.out = _Multiply(), _Multiply(), _Multiply()
        self.update, self.squash = _Add(), torch.nn.Tanh()

    def forward(self, x: torch.Tensor, state: Any) -> Any:
        zero = x.new_zeros(x.shape[0], self.given["i"].out_features)
        h, c = (zero, zero) if state is None else state
        values = {g: self.gates[g](self.sums[g](self.given[g](x), self.fed_back[g](h))) for g in "ifco"}
        c = self.update(self.kept(values["f"], c), self.new(values["i"], values["c"]))
        return self.out(values["o"], self.squash(c)), c


class _Add(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class _Multiply(torch.nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a * b


def hooks(module: torch.nn.LSTM, x: torch.Tensor) -> Call:
    """Forward hooks on every part of an LSTMCell loop: the same 21 values of each step, kept in lists."""
    parts = Parts(module)
    kept: list[torch.Tensor] = []
    for part in parts.modules():
        if part is not parts and not isinstance(part, torch.nn.ModuleDict):
            part.register_forward_hook(lambda _, inputs, output: kept.append(output.detach().clone()))
    run = Loop(parts)

    def call() -> None:
        kept.clear()
        run(x)

    return call


def lens(module: torch.nn.LSTM, x: torch.Tensor) -> Call:
    """torchlens on the same loop, saving every activation."""
    import torchlens

    run = Loop(cell_of(module))
    return lambda: torchlens.trace(run, x)
