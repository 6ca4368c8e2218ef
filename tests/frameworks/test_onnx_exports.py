"""Loops over PyTorch's cells, exported by both of its exporters: our cell of the graph computes what PyTorch does."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import ChoiceError, FileError
from lstm_trace.model.build import prepare_found

pytest.importorskip("onnxscript")
torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

T, B, WIDE, H = 5, 2, 4, 3
CELLS = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
EXPORTERS = pytest.mark.parametrize("dynamo", [False, pytest.param(True, marks=pytest.mark.few(0))])


class Loop(nn.Module):
    """A loop over the steps of x, (B, T, I), and over the layers of each. back: from the last step on.

    before, between, after: of each step. fixed: the first layer starts from a state of the module.
    """

    def __init__(
        self, kind: str, layers: int = 1, back: bool = False, fixed: bool = False, last: bool = False, **around: Any
    ) -> None:
        super().__init__()
        widths = [around.pop("wide", WIDE), *range(H, H + layers)]
        self.cells = nn.ModuleList(CELLS[kind](*one) for one in pairwise(widths))
        self.around = nn.ModuleDict(around)
        self.back, self.last, self.two = back, last, kind == "lstm"
        self.start = nn.Parameter(torch.zeros(2, 1, H)) if fixed else None

    def forward(self, x: Any) -> Any:
        sizes = [cell.hidden_size for cell in self.cells]
        states = [(torch.zeros(len(x), size), torch.zeros(len(x), size)) for size in sizes]
        if self.start is not None:
            states[0] = tuple(one.expand(len(x), H) for one in self.start)
        out = {}
        for t in range(x.shape[1])[:: -1 if self.back else 1]:
            v = self._around("before", x[:, t])
            for k, cell in enumerate(self.cells):
                v = self._around("between", v) if k else v
                states[k] = cell(v, states[k]) if self.two else (cell(v, states[k][0]),)
                v = states[k][0]
            out[t] = self._around("after", v)
        return v if self.last else torch.stack([out[t] for t in sorted(out)], 1)

    def _around(self, name: str, v: Any) -> Any:
        return self.around[name](v) if name in self.around else v


class Both(nn.Module):
    """Two directions, whose h stand beside one another."""

    def __init__(self, kind: str, wide: int = WIDE) -> None:
        super().__init__()
        self.ahead, self.behind = Loop(kind, wide=wide), Loop(kind, wide=wide, back=True)

    def forward(self, x: Any) -> Any:
        return torch.cat([self.ahead(x), self.behind(x)], -1)


def exported(module: Any, path: Path, dynamo: bool = False, steps: int = T, **options: Any) -> tuple[Path, Any, Any]:
    """The file of a module with random weights, an x, and what the module computes of it."""
    torch.manual_seed(3)
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.6)
    x = torch.randn(B, steps, WIDE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), (x,), path, dynamo=dynamo, opset_version=18, verbose=False, **options)
    return path, x.numpy(), module(x).detach().numpy()


def traced(found: Any, x: Any) -> Any:
    """The output of a cell that was found, (B, T, H), since it takes x so."""
    output: Any = prepare_found(found).run(x).output
    return output


def one(path: Path) -> Any:
    (found,) = lt.inspect(path)
    return found


def close(ours: Any, theirs: Any) -> None:
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 2e-6


@EXPORTERS
@pytest.mark.parametrize("kind", CELLS)
def test_an_exported_loop_is_the_module(kind: str, dynamo: bool, tmp_path: Path) -> None:
    """It is called what the state dict's cell is called, and `diff` finds no difference in weights and values."""
    module = Loop(kind)
    path, x, y = exported(module, tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert (found.name, found.cell, found.defaults.batch_first) == ("cells.0", kind, True)
    assert "returns" not in found.facts
    close(traced(found, x), y)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    compared = lt.diff(tmp_path / "m.pt", path, x=x, batch_first=True)
    assert compared.verdict == "same"
    assert not compared.premises


@EXPORTERS
@pytest.mark.parametrize("kind", CELLS)
def test_layers_that_read_one_another_are_a_stack(kind: str, dynamo: bool, tmp_path: Path) -> None:
    path, x, y = exported(Loop(kind, layers=3), tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert (found.layers, found.name) == (3, "cells.0+cells.1+cells.2")
    close(traced(found, x), y)


@EXPORTERS
@pytest.mark.parametrize("kind", CELLS)
def test_two_directions_are_one_cell(kind: str, dynamo: bool, tmp_path: Path) -> None:
    path, x, y = exported(Both(kind), tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert (found.directions, found.options["merge"]) == (("forward", "reverse"), "concat")
    close(traced(found, x), y)


def test_a_second_layer_that_reads_both_directions_is_said_to_be_left_out(tmp_path: Path) -> None:
    path, *_ = exported(nn.Sequential(Both("gru"), Both("gru", 2 * H)), tmp_path / "m.onnx")
    for found, name in zip(lt.inspect(path), ("0.ahead.cells.0", "0.behind.cells.0"), strict=True):
        assert (found.name, found.layers) == (name, 1)
        (said,) = (text for text in found.imported if "left out" in text)
        assert said.startswith("what the graph computes with 1.ahead.cells.0.weight_ih, 1.ahead.cells.0.weight_hh, ")


@EXPORTERS
def test_a_reverse_loop(dynamo: bool, tmp_path: Path) -> None:
    path, x, y = exported(Loop("gru", back=True), tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert found.directions == ("reverse",)
    close(traced(found, x), y)


@EXPORTERS
def test_layers_before_and_after_are_left_out(dynamo: bool, tmp_path: Path) -> None:
    before, after = nn.Sequential(nn.Linear(WIDE, 6), nn.ReLU()), nn.Linear(H, 2)
    path, x, y = exported(Loop("lstm", wide=6, before=before, after=after), tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert found.sizes() == {"I": 6, "H": H}
    assert found.facts["input"].startswith("what the model computes from its input")
    assert "left out" in found.facts["returns"]
    close(after(torch.tensor(traced(found, before(torch.tensor(x)).detach().numpy()))).detach().numpy(), y)


def test_a_layer_between_two_cells_keeps_them_apart(tmp_path: Path) -> None:
    between = nn.Sequential(nn.Linear(H, H), nn.Tanh())
    path, x, y = exported(Loop("lstm", layers=2, between=between), tmp_path / "m.onnx")
    first, second = lt.inspect(path)
    assert [found.name for found in (first, second)] == ["cells.0", "cells.1"]
    close(traced(second, between(torch.tensor(traced(first, x))).detach().numpy()), y)
    with pytest.raises(ChoiceError, match="there are 2 LSTMs"):
        lt.run(path, x)


@EXPORTERS
def test_the_last_step_alone(dynamo: bool, tmp_path: Path) -> None:
    path, x, y = exported(Loop("rnn", last=True), tmp_path / "m.onnx", dynamo)
    found = one(path)
    assert "returns" not in found.facts
    close(traced(found, x)[:, -1], y)


def test_an_initial_state_of_the_module(tmp_path: Path) -> None:
    path, x, y = exported(Loop("lstm", fixed=True), tmp_path / "m.onnx")
    found = one(path)
    assert found.facts["h0"] == "fixed by the file"
    assert found.defaults.initial["c_prev"].shape == (1, B, H)
    close(traced(found, x), y)


@pytest.mark.few(0)
@pytest.mark.parametrize("dynamo", [True])
def test_an_initial_state_that_the_exporter_has_computed_with(dynamo: bool, tmp_path: Path) -> None:
    path, *_ = exported(Loop("lstm", fixed=True), tmp_path / "m.onnx", dynamo)
    with pytest.raises(FileError, match="starts from a state that is not in the file"):
        lt.inspect(path)


@pytest.mark.parametrize("steps", [3, 12])
def test_a_loop_of_fixed_length_over_an_x_of_any_length(steps: int, tmp_path: Path) -> None:
    """The exporter keeps the number of steps, and writes that x may have any."""
    options: dict[str, Sequence[str] | Any] = {"input_names": ["x"], "dynamic_axes": {"x": [0, 1]}}
    path, x, y = exported(Loop("gru"), tmp_path / "m.onnx", steps=steps, **options)
    close(traced(one(path), x), y)


class Fixed(nn.Module):
    """A loop from states of its own for a batch of 4."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(WIDE, H)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(4, H)
        for t in range(T):
            h = self.cell(x[:, t], h)
        return h


def test_a_batch_that_the_graph_fixes_and_declares_as_open(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    options: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": {"x": [0]}, "dynamo": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(Fixed(), (torch.zeros(4, T, WIDE),), path, **options)
    with pytest.raises(FileError, match=r"the Add /cell/Add: .*shape"):
        lt.inspect(path)


class Script(nn.Module):
    """A loop that PyTorch's scripting exports as Loop."""

    def __init__(self) -> None:
        super().__init__()
        self.i, self.h = nn.Linear(WIDE, 4 * H), nn.Linear(H, 4 * H)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h, c = torch.zeros(x.size(0), 3), torch.zeros(x.size(0), 3)
        y = torch.zeros(x.size(0), x.size(1), 3)
        for t in range(x.size(1)):
            i, f, g, o = (self.i(x[:, t]) + self.h(h)).chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
            y[:, t] = h
        return y


def test_a_scripted_loop_that_writes_into_its_output(tmp_path: Path) -> None:
    options: dict[str, Any] = {"input_names": ["x"], "dynamic_axes": {"x": [0, 1]}}
    with pytest.deprecated_call():
        script = torch.jit.script(Script())
    path, x, y = exported(script, tmp_path / "m.onnx", **options)
    found = one(path)
    assert (found.cell, found.options["bias"], found.defaults.batch_first) == ("lstm", "two", True)
    close(traced(found, x), y)
