"""Programs of `torch.export`: layers and cells by their nodes, recurrences written out by their graph; as PyTorch."""

from __future__ import annotations

import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError

torch = pytest.importorskip("torch")
nn, functional = torch.nn, torch.nn.functional
T, B, INPUTS, H = 5, 2, 3, 2


def module(forward: Callable[..., Any], **parts: Any) -> Any:
    """A module with these parts."""
    torch.manual_seed(0)
    made = type("Module", (nn.Module,), {"forward": forward})()
    for name, part in parts.items():
        setattr(made, name, part())
    return made.eval()


def exported(path: Path, made: Any, *args: Any, decomposed: bool = False, **options: Any) -> Path:
    """The file of a module."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(made, args, **options)
        torch.export.save(program.run_decompositions() if decomposed else program, path)
    return path


def normal(*shape: int) -> Any:
    return nn.Parameter(torch.randn(*shape))


def loop(self: Any, x: Any) -> Any:
    h, c, out = torch.zeros(B, H), torch.zeros(B, H), []
    for t in range(x.shape[0]):
        h, c = self.cell(x[t], (h, c))
        out.append(h)
    return torch.stack(out)


def cells(self: Any, x: Any, h: Any, step: Any = None) -> Any:
    out = []
    for one in x:
        h = (step or self.cell)(one, h)
        out.append(h)
    return torch.stack(out)


def written(self: Any, x: Any) -> Any:
    h, c = x.new_zeros(B, H), torch.zeros(B, H)
    out = torch.empty(B, x.shape[1], H)
    for t in range(x.shape[1]):
        i, f, g, o = (self.ih(x[:, t]) + functional.linear(h, self.U)).chunk(4, 1)
        c = torch.sigmoid(f + 1) * c
        c += i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        out[:, t] = h
    return out


def layer(self: Any, x: Any, *states: Any) -> Any:
    return self.layer(x, *states)[0]


def learned(self: Any, x: Any) -> Any:
    return self.layer(x, self.first)[0]


def expanded(self: Any, x: Any) -> Any:
    return self.layer(x, self.first.expand(1, B, H))[0]


def own(self: Any, x: Any, h: Any) -> Any:
    z = self.norm(x @ self.W + torch.einsum("bh,hk->bk", h, self.U))
    return torch.lerp(h, torch.tanh(z), torch.sigmoid(self.gate))


X, FIRST = torch.randn(T, B, INPUTS), torch.randn(B, H)
WRITTEN = {"ih": lambda: nn.Linear(INPUTS, 4 * H), "U": lambda: normal(4 * H, H)}
#: A module, its arguments, whether it is decomposed, and what it is.
CASES: dict[str, tuple[Any, tuple[Any, ...], bool, str]] = {
    "bidirectional stack": (
        module(layer, layer=lambda: nn.LSTM(INPUTS, H, 2, bidirectional=True)), (X,), False, "PyTorch LSTM"),
    "batch first": (
        module(layer, layer=lambda: nn.GRU(INPUTS, H, batch_first=True)), (X.transpose(0, 1),), False, "PyTorch GRU"),
    "relu": (
        module(layer, layer=lambda: nn.RNN(INPUTS, H, nonlinearity="relu", bias=False)), (X,), False, "PyTorch RNN"),
    "projection": (module(layer, layer=lambda: nn.LSTM(INPUTS, 4, proj_size=H)), (X,), False, "PyTorch LSTM"),
    "learned state": (
        module(learned, layer=lambda: nn.GRU(INPUTS, H), first=lambda: normal(1, B, H)), (X,), False, "PyTorch GRU"),
    "learned state of one row": (
        module(expanded, layer=lambda: nn.GRU(INPUTS, H), first=lambda: normal(1, 1, H)), (X,), False, "PyTorch GRU"),
    "loop": (module(loop, cell=lambda: nn.LSTMCell(INPUTS, H)), (X,), False, "lstm"),
    "loop from the last step": (
        module(lambda self, x: cells(self, x.flip(0), torch.zeros(B, H)).flip(0), cell=lambda: nn.GRUCell(INPUTS, H)),
        (X,), False, "gru"),
    "loop from a learned state": (
        module(lambda self, x: cells(self, x, self.first.expand(B, H)), cell=lambda: nn.GRUCell(INPUTS, H),
               first=lambda: normal(1, H)), (X,), False, "gru"),
    "called twice in a step": (
        module(lambda self, x: cells(self, x, torch.zeros(B, H), lambda one, h: self.cell(one, self.cell(one, h))),
               cell=lambda: nn.RNNCell(INPUTS, H, nonlinearity="relu")), (X,), False, "equations"),
    "step of a cell": (
        module(lambda self, x, h: self.cell(x, h), cell=lambda: nn.GRUCell(INPUTS, H)), (X[0], FIRST), False,
        "PyTorch GRUCell"),
    "loop written out": (module(loop, cell=lambda: nn.LSTMCell(INPUTS, H)), (X,), True, "lstm"),
    "stack written out": (
        module(layer, layer=lambda: nn.GRU(INPUTS, H, 2, batch_first=True)), (X.transpose(0, 1),), True, "gru"),
    "directions written out": (module(layer, layer=lambda: nn.LSTM(INPUTS, H, bidirectional=True)), (X,), True, "lstm"),
    "directions of four steps": (
        module(layer, layer=lambda: nn.GRU(INPUTS, H, bidirectional=True)), (X[:4],), True, "gru"),
    "hand": (module(written, **WRITTEN), (X.transpose(0, 1),), False, "lstm"),
    "hand written out": (module(written, **WRITTEN), (X.transpose(0, 1),), True, "lstm"),
    "own": (
        module(own, W=lambda: normal(INPUTS, H), U=lambda: normal(H, H), gate=lambda: normal(H),
               norm=lambda: nn.LayerNorm(H)), (X[0], FIRST), False, "equations"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_program_is_traced_as_pytorch_runs_it(name: str, tmp_path: Path) -> None:
    made, args, decomposed, kind = CASES[name]
    path = exported(tmp_path / "model.pt2", made, *args, decomposed=decomposed)
    (found,) = lt.inspect(path)
    assert kind in (found.kind, found.cell)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # oneDNN lacks projections
        theirs = made(*args)
    if len(args) == 1:
        ours = lt.run(path, args[0].numpy()).output
    else:
        ours = lt.run(path, args[0][None].numpy(), args[1][None].numpy()).output[0]
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-6, atol=2e-7)


def test_a_step_is_traced_over_a_sequence_from_its_states(tmp_path: Path) -> None:
    def step(self: Any, x: Any, hx: Any, cx: Any) -> Any:
        i, f, g, o = (self.ih(x) + functional.linear(hx, self.U)).chunk(4, 1)
        cx = torch.sigmoid(f) * cx + torch.sigmoid(i) * torch.tanh(g)
        return cx, torch.sigmoid(o) * torch.tanh(cx)

    made = module(step, **WRITTEN)
    size = torch.export.Dim("batch", min=2, max=99)
    path = exported(tmp_path / "step.pt2", made, X[0], FIRST, -FIRST, dynamic_shapes=({0: size},) * 3)
    trace = lt.run(path, X.numpy(), FIRST[None].numpy(), -FIRST[None].numpy())
    h, c = FIRST, -FIRST
    for t in range(T):
        with torch.no_grad():
            c, h = made(X[t], h, c)
        np.testing.assert_allclose(trace["h_t"][t], h.numpy(), rtol=2e-6, atol=2e-7)
        np.testing.assert_allclose(trace["c_t"][t], c.numpy(), rtol=2e-6, atol=2e-7)


def test_a_program_and_its_state_dict_are_the_same(tmp_path: Path) -> None:
    made = CASES["loop"][0]
    torch.save(made.state_dict(), tmp_path / "model.pt")
    for name in ("loop", "loop written out"):
        path = exported(tmp_path / "model.pt2", made, X, decomposed=CASES[name][2])
        assert lt.diff(path, tmp_path / "model.pt", x=X.numpy()).same


def test_layers_of_a_larger_program_are_chosen_by_name(tmp_path: Path) -> None:
    def both(self: Any, x: Any) -> Any:
        return self.decoder(torch.relu(self.encoder(self.table(x))[0]))[0]

    made = module(both, table=lambda: nn.Embedding(7, INPUTS), encoder=lambda: nn.LSTM(INPUTS, H),
                  decoder=lambda: nn.GRU(H, 4))  # fmt: skip
    path = exported(tmp_path / "model.pt2", made, torch.tensor([[1, 2], [3, 4], [5, 6]]))
    assert [(one.name, one.cell) for one in lt.inspect(path)] == [("encoder", "lstm"), ("decoder", "gru")]
    with torch.no_grad():
        theirs = made.encoder(X)[0]
    np.testing.assert_allclose(lt.run(path, X.numpy(), name="encoder").output, theirs.numpy(), rtol=2e-6, atol=2e-7)


def test_numbers_that_are_computed_from_indices_are_refused(tmp_path: Path) -> None:
    def tokens(self: Any, x: Any) -> Any:
        h, out = torch.zeros(B, H), []
        for t in range(T):
            h = torch.tanh(self.table(x[t]) + x[t].float()[:, None] + self.i(h))
            out.append(h)
        return torch.stack(out)

    made = module(tokens, table=lambda: nn.Embedding(7, H), i=lambda: nn.Linear(H, H))
    path = exported(tmp_path / "model.pt2", made, torch.ones(T, B, dtype=torch.long))
    with pytest.raises(FileError, match="it computes with the indices that the model is given"):
        lt.inspect(path)


@pytest.mark.parametrize(
    ("forward", "reason"),
    [
        (lambda self, x, h: torch.sort(torch.tanh(self.i(x) + h))[0], "torch's sort is no operation of a cell"),
        (lambda self, x, h: self.i(x), "carries no state"),
        (lambda self, x, h: torch.cond(h.sum() > 0, torch.tanh, torch.neg, (self.i(x) + h,)), "as_graph is not read"),
    ],
    ids=["sort", "no state", "branch"],
)
def test_what_is_no_cell_is_refused_by_name(forward: Callable[..., Any], reason: str, tmp_path: Path) -> None:
    path = exported(tmp_path / "model.pt2", module(forward, i=lambda: nn.Linear(INPUTS, H)), X[0], FIRST)
    with pytest.raises(FileError, match=reason):
        lt.inspect(path)


def test_an_initial_state_that_is_computed_is_not_taken_for_zero(tmp_path: Path) -> None:
    made = module(lambda self, x: self.layer(x, torch.ones(1, B, H))[0], layer=lambda: nn.GRU(INPUTS, H))
    path = exported(tmp_path / "model.pt2", made, X)
    with pytest.raises(FileError, match=r"its initial state is computed by the program \(ones\)"):
        lt.run(path, X.numpy())
    ours = lt.run(exported(path, made, X, decomposed=True), X.numpy()).output
    np.testing.assert_allclose(ours, made(X).detach().numpy(), rtol=2e-6, atol=2e-7)


def _changed(path: Path, change: Callable[[str, bytes], bytes]) -> Path:
    """A copy of a file with changed entries."""
    other = path.with_name("changed.pt2")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return other


def test_an_initial_state_that_is_made_of_itself_or_is_huge_is_refused(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.pt2", CASES["learned state of one row"][0], X)

    def circle(graph: Any) -> None:
        for node in graph["nodes"]:
            if node["target"] == "torch.ops.aten.expand.default":
                node["inputs"][0]["arg"] = node["outputs"][0]

    def huge(graph: Any) -> None:
        graph["tensor_values"]["expand"]["sizes"] = [{"as_int": 1}, {"as_int": 1 << 40}, {"as_int": H}]

    for change in (circle, huge):

        def changed(name: str, data: bytes, change: Callable[[Any], None] = change) -> bytes:
            if "models/" not in name:
                return data
            model = json.loads(data)
            change(model["graph_module"]["graph"])
            return json.dumps(model).encode()

        with pytest.raises(FileError, match=r"is computed by the program \(expand\)|claims"):
            lt.run(_changed(path, changed), X.numpy())


def test_a_file_that_lies_is_refused_before_memory_is_used(tmp_path: Path) -> None:
    path = exported(tmp_path / "model.pt2", CASES["hand"][0], X.transpose(0, 1))

    def huge(name: str, data: bytes) -> bytes:
        text = data.decode(errors="surrogateescape")
        if name.endswith("weights_config.json"):
            text = text.replace('"sizes": [{"as_int": 8}', '"sizes": [{"as_int": 80000000000}')
        return text.encode(errors="surrogateescape")

    def made(name: str, data: bytes) -> bytes:
        if "models/" not in name:
            return data
        model = json.loads(data)
        for node in model["graph_module"]["graph"]["nodes"]:
            if node["target"] == "torch.ops.aten.zeros.default":
                node["inputs"][0]["arg"] = {"as_ints": [1 << 20, 1 << 20]}
        return json.dumps(model).encode()

    def deep(name: str, data: bytes) -> bytes:
        return b"[" * 200_000 if "models/" in name else data

    def short(name: str, data: bytes) -> bytes:
        return data[:-4] if name.endswith("weight_0") else data

    def lacking(name: str, data: bytes) -> bytes:
        return data.replace(b'"nodes"', b'"nodded"') if "models/" in name else data

    def endless(name: str, data: bytes) -> bytes:
        return data.replace(b'"as_int": 8}', b'"as_int": Infinity}') if name.endswith("weights_config.json") else data

    for change in (huge, made, deep, short, lacking, endless):
        with pytest.raises(FileError, match=r"changed\.pt2"):
            lt.inspect(_changed(path, change))
    cut = tmp_path / "cut.pt2"
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileError, match=r"cut\.pt2: .*cut off"):
        lt.inspect(cut)
