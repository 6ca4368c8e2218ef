"""PyTorch checkpoints: saved by torch, read by us, traced, and equal to what the module gives."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.weights.read import read_model

from .. import ROOT
from .measure import assert_agrees

torch = pytest.importorskip("torch")
nn = torch.nn

pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

KINDS: list[dict[str, Any]] = [
    {},
    {"bias": False},
    {"num_layers": 3},
    {"bidirectional": True},
    {"batch_first": True},
    {"proj_size": 2},
    {"num_layers": 2, "bidirectional": True, "proj_size": 3, "batch_first": True},
    {"num_layers": 2, "bidirectional": True, "bias": False},
]


def grown(module: Any, seed: int = 0) -> Any:
    """The module with weights large enough that gates leave 0.5."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, dtype=parameter.dtype) * 0.7)
    return module.eval()


def called(module: Any, x: Any, states: Any = None) -> tuple[Any, Any, Any]:
    with torch.no_grad():
        y, (h, c) = module(x, states)
    return y.numpy(), h.numpy(), c.numpy()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_state_dict(tmp_path: Path, kind: dict[str, Any], dtype: str) -> None:
    module = grown(nn.LSTM(5, 4, dtype=getattr(torch, dtype), **kind))
    path = tmp_path / "model.pt"
    torch.save(module.state_dict(), path)
    count = module.num_layers * (1 + module.bidirectional)
    shape = (3, 6, 5) if module.batch_first else (6, 3, 5)
    x, h0, c0 = (
        torch.randn(*size, dtype=module.weight_ih_l0.dtype)
        for size in (shape, (count, 3, module.proj_size or 4), (count, 3, 4))
    )
    trace = lt.run(path, x.numpy(), h0=h0.numpy(), c0=c0.numpy(), batch_first=module.batch_first)
    assert trace.header.dtype == dtype
    theirs = called(module, x, (h0, c0))
    exact = called(copy.deepcopy(module).double(), x.double(), (h0.double(), c0.double()))
    for ours, their, right in zip((trace.output, trace.h_n, trace.c_n), theirs, exact, strict=True):
        assert_agrees(ours, their, right)


def test_every_wrong_gate_order_fails(tmp_path: Path) -> None:
    module = grown(nn.LSTM(5, 4))
    torch.save(module.state_dict(), tmp_path / "model.pt")
    x = torch.randn(6, 5)
    theirs = called(module, x)[0]
    for order in map("".join, permutations("ifgo")):
        ours = lt.run(tmp_path / "model.pt", x.numpy(), layout={"name": "pytorch", "order": order}).output
        assert np.allclose(ours, theirs, atol=1e-5) == (order == "ifgo"), order


@pytest.mark.parametrize("legacy", [False, True])
def test_nested_checkpoint(tmp_path: Path, legacy: bool) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(30, 5)
            self.encoder = nn.LSTM(5, 4, 2, bidirectional=True)
            self.step = nn.LSTMCell(3, 2)
            self.gru = nn.GRU(5, 4)

    net = grown(Net())
    optimizer = torch.optim.Adam(net.parameters())
    sum(p.sum() for p in net.parameters()).backward()
    optimizer.step()
    state = {f"module.{key}": value for key, value in net.state_dict().items()}
    checkpoint = {
        "epoch": 3,
        "vocabulary": {"a": 0},
        "model": state,
        "optimizer": optimizer.state_dict(),
        "rng": [1.0, None],
    }
    path = tmp_path / "checkpoint.pth"
    torch.save(checkpoint, path, _use_new_zipfile_serialization=not legacy)
    found = {f.name: f for f in read_model(path)}
    assert set(found) == {"model.module.encoder", "model.module.step", "model.module.gru"}
    assert (found["model.module.gru"].kind, found["model.module.gru"].cell) == ("PyTorch GRU", "gru")
    assert found["model.module.step"].kind == "PyTorch LSTMCell"
    beside = {f.name: f.facts for f in lt.inspect(path)}["model.module.encoder"]
    assert beside["embedding"] == "--embedding model:model.module.embedding.weight (30, 5)"
    with pytest.raises(MissingError, match="2 LSTMs and 1 GRU"):
        lt.prepare(path)
    x = torch.randn(6, 3, 5)
    np.testing.assert_allclose(lt.run(path, x.numpy(), name="encoder").output, called(net.encoder, x)[0], atol=1e-6)
    steps, (h, c) = torch.randn(4, 2, 3), (torch.zeros(2, 2), torch.zeros(2, 2))
    for value in steps:
        h, c = net.step(value, (h, c))
    trace = lt.run(path, steps.numpy(), name="step")
    np.testing.assert_allclose(trace.h_n[0], h.detach(), atol=1e-6)
    np.testing.assert_allclose(trace.c_n[0], c.detach(), atol=1e-6)


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_half_weights(tmp_path: Path, half: str, suffix: str) -> None:
    module = grown(nn.LSTM(5, 4)).to(getattr(torch, half))
    path = tmp_path / f"model.{suffix}"
    if suffix == "pt":
        torch.save(module.state_dict(), path)
    else:
        pytest.importorskip("safetensors.torch").save_file(module.state_dict(), path)
    trace = lt.run(path, np.zeros((3, 5)))
    assert trace.header.dtype == "float32"
    assert f"{half} weights widened to float32" in trace.header.imported
    np.testing.assert_array_equal(trace.parameters["0/forward"]["W_hc"], module.weight_hh_l0[8:12].detach().float())


def test_safetensors_of_torch(tmp_path: Path) -> None:
    module = grown(nn.LSTM(5, 4, 2))
    path = tmp_path / "model.safetensors"
    pytest.importorskip("safetensors.torch").save_file(module.state_dict(), path)
    x = torch.randn(6, 3, 5)
    np.testing.assert_allclose(lt.run(path, x.numpy()).output, called(module, x)[0], atol=1e-6)


# -- live modules ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_live_module(kind: dict[str, Any]) -> None:
    module = grown(nn.LSTM(5, 4, **kind))
    x = torch.randn(6, 3, 5, requires_grad=True)
    trace = lt.run(module, x)
    np.testing.assert_allclose(trace.output, called(module, x)[0], atol=1e-6)
    assert trace.header.batch_first == module.batch_first
    assert trace.header.imported[0] == "live PyTorch nn.LSTM"


def test_a_live_module_is_compared() -> None:
    module, x = grown(nn.LSTM(5, 4)), np.ones((3, 5))
    assert lt.diff(module, lt.run(module, x), x=x).verdict == "same"
    assert lt.diff(module, lt.run(grown(nn.LSTM(5, 4), 1), x), x=x).verdict == "different"


def test_live_packed_sequence() -> None:
    module = grown(nn.LSTM(5, 4, bidirectional=True))
    x = torch.randn(6, 3, 5)
    packed = nn.utils.rnn.pack_padded_sequence(x, [2, 6, 4], enforce_sorted=False)
    y, (h, c) = module(packed)
    trace = lt.run(module, packed)
    assert trace.lengths.tolist() == [2, 6, 4]
    np.testing.assert_allclose(trace.output, nn.utils.rnn.pad_packed_sequence(y)[0].detach(), atol=1e-6)
    np.testing.assert_allclose(trace.h_n, h.detach(), atol=1e-6)
    np.testing.assert_allclose(trace.c_n, c.detach(), atol=1e-6)


def test_live_cell_and_weight_norm() -> None:
    cell = grown(nn.LSTMCell(3, 2))
    x = torch.randn(1, 4, 3)
    np.testing.assert_allclose(lt.run(cell, x).output[0], cell(x[0])[0].detach(), atol=1e-6)
    module = grown(nn.LSTM(3, 2))
    nn.utils.parametrizations.weight_norm(module, "weight_hh_l0")
    np.testing.assert_allclose(lt.run(module, x).output, called(module, x)[0], atol=1e-6)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_weights_that_a_hook_makes_in_each_call_are_made() -> None:
    made = [nn.utils.weight_norm(grown(nn.GRU(3, 2), seed), "weight_hh_l0") for seed in range(2)]
    made[0].load_state_dict(made[1].state_dict())
    x = torch.randn(4, 2, 3)
    np.testing.assert_allclose(lt.run(made[0], x).output, made[1](x)[0].detach(), atol=1e-6)


def test_what_a_call_does_besides_its_cell_is_not_silent() -> None:
    doubled = type("Doubled", (nn.GRU,), {"__module__": "mine", "forward": lambda self, x: nn.GRU.forward(self, 2 * x)})
    with pytest.raises(OptionError, match=r"Doubled is an nn\.GRU with a forward of its own: .* lt\.capture\(model\)"):
        lt.run(grown(doubled(3, 2)), torch.zeros(4, 3))
    module = grown(nn.GRU(3, 2))
    module.register_forward_pre_hook(double := lambda module, inputs: None)
    assert f"its forward pre-hooks ({double.__name__}), which may change x, are not run" in "".join(
        lt.run(module, torch.zeros(4, 3)).header.imported
    )


def test_whole_numbers_of_a_quantised_model_are_no_weights(tmp_path: Path) -> None:
    state = {key: (values * 50).to(torch.int8) for key, values in nn.GRU(3, 2).state_dict().items()}
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(LstmTraceError, match="weight_ih_l0 has int8 numbers, as quantised weights have"):
        lt.run(tmp_path / "model.pt", np.zeros((4, 3)))


@pytest.mark.parametrize("half", ["float32", "bfloat16"])
def test_state_dict_of_tensors(half: str) -> None:
    module = grown(nn.LSTM(3, 2)).to(getattr(torch, half))
    trace = lt.run(module.state_dict(), torch.zeros(4, 3))
    assert trace.header.dtype == "float32"
    np.testing.assert_array_equal(trace.parameters["0/forward"]["b_hf"], module.bias_hh_l0[2:4].detach().float())


LIVE_REFUSALS: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.LSTM(3, 2, 2, dropout=0.5), r"in training mode with dropout 0\.5.*call model\.eval\(\)"),
    (lambda: nn.Linear(3, 2), "Linear is not an nn.LSTM, nn.GRU, nn.RNN or a cell of these"),
    (
        lambda: nn.Sequential(nn.Linear(2, 3), nn.LSTM(3, 2)),
        r"it has 1: give one of them, or trace them all with lt\.capture",
    ),
]


@pytest.mark.parametrize(("make", "said"), LIVE_REFUSALS)
def test_live_refusals(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        lt.run(make(), torch.zeros(4, 3))


# -- what is refused -------------------------------------------------------------------------------------------------


class Evil:
    """A pickle that would leave a file behind if its code ran."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (self.mark,)


def test_no_code_is_run(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    for legacy in (False, True):
        path = tmp_path / "evil.pt"
        torch.save({"weight_ih_l0": Evil(str(mark))}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(
            FileError, match=r"a pickled object of the class \w+\.mkdir, which could run code.*state_dict"
        ):
            lt.prepare(path)
    assert not mark.exists()


def saved(make: Callable[[], Any], save: Callable[[Any, Path], None]) -> Callable[[Path], None]:
    return lambda path: save(make(), path)


def script(module: Any, path: Path) -> None:
    torch.jit.trace(module, torch.zeros(3, 2, 4)).save(path)


def cut(part: float, legacy: bool) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        torch.save(nn.LSTM(40, 30).state_dict(), path, _use_new_zipfile_serialization=not legacy)
        data = path.read_bytes()
        path.write_bytes(data[: int(len(data) * part)])

    return write


def expanded(path: Path) -> None:
    """One stored number that claims to be a matrix."""
    one = torch.zeros(1)
    torch.save({"weight_ih_l0": one.expand(40_000, 30_000), "weight_hh_l0": one.expand(40_000, 10_000)}, path)


def quantised(path: Path) -> None:
    tensors = nn.LSTM(4, 3).state_dict()
    torch.save({k: torch.quantize_per_tensor(v, 0.1, 0, torch.qint8) for k, v in tensors.items()}, path)


def normed(old: bool) -> Any:
    own = nn.utils.weight_norm if old else nn.utils.parametrizations.weight_norm
    return own(nn.GRU(4, 3), "weight_hh_l0").state_dict()


def lacking_its_recurrent_matrix() -> dict[str, Any]:
    return {key: value for key, value in nn.GRU(4, 3).state_dict().items() if key != "weight_hh_l0"}


def pruned() -> Any:
    from torch.nn.utils import prune

    return prune.random_unstructured(nn.LSTM(4, 3), "weight_hh_l0", 0.5).state_dict()  # type: ignore[no-untyped-call]


def packed() -> Any:
    return torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.GRU(4, 3)), {nn.GRU}).state_dict()


REFUSALS: list[tuple[str, Callable[[Path], None], str]] = [
    ("whole module", saved(lambda: nn.LSTM(4, 3), torch.save),
     r"class torch\.nn\.modules\.rnn\.LSTM.*torch\.save\(model\.state_dict"),
    ("TorchScript", saved(lambda: nn.LSTM(4, 3), script),
     r"a TorchScript program.*torch\.jit\.load\('model\.pt'\)\.state_dict"),
    ("no tensors", saved(lambda: {"a": 1}, torch.save), "no tensors were found"),
    ("other names", saved(lambda: {"a": torch.zeros(2)}, torch.save), r"no LSTM, GRU or RNN was recognised.*a \(2,\)"),
    ("cut zip", cut(0.5, False), "not a zip archive, or cut off"),
    ("cut legacy", cut(0.5, True), "not a PyTorch checkpoint, or cut off"),
    ("empty", lambda path: path.write_bytes(b""), "not a PyTorch checkpoint, or cut off"),
    ("text", lambda path: path.write_text("hello"), "not a PyTorch checkpoint, or cut off"),
    ("expanded", expanded, "claims 1,200,000,000 numbers and stores fewer"),
    ("quantised", quantised, "is quantised; save the state dict"),
    ("packed", saved(packed, torch.save), "packed weights of a quantised model; save the state dict"),
    ("weight norm", saved(lambda: normed(False), torch.save),
     "remove_parametrizations"),
    ("old weight norm", saved(lambda: normed(True), torch.save),
     r"remove_weight_norm\(module, .weight_hh_l0"),
    ("pruned", saved(pruned, torch.save), r"prune\.remove\(module, 'weight_hh_l0'\)"),
    ("no recurrent matrix", saved(lacking_its_recurrent_matrix, torch.save),
     "weight_hh_l0 is missing; of this LSTM, GRU or RNN the file has weight_ih_l0"),
    ("meta", saved(lambda: nn.LSTM(4, 3, device="meta").state_dict(), torch.save), "meta device"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("write", "said"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals(tmp_path: Path, write: Callable[[Path], None], said: str) -> None:
    path = tmp_path / "model.pt"
    write(path)
    with pytest.raises(LstmTraceError, match=said) as caught:
        lt.prepare(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_the_first_lines_of_the_readme() -> None:
    first = (ROOT / "README.md").read_text("utf-8").partition("\n## ")[0]
    (text,) = re.findall(r"```python\n(.*?)```", first, re.S)
    module = grown(nn.LSTM(5, 4, dtype=torch.float64))
    here = {"my_lstm": module, "x": torch.randn(6, 5, dtype=torch.float64)}
    exec(compile(text, "README.md", "exec"), here)  # noqa: S102
    cell = {name: value.detach().numpy() for name, value in module.named_parameters()}
    h, c = np.zeros(4), np.zeros(4)
    for t, row in enumerate(here["x"].numpy()):
        z = cell["weight_ih_l0"] @ row + cell["bias_ih_l0"] + cell["weight_hh_l0"] @ h + cell["bias_hh_l0"]
        i, f, o = (1 / (1 + np.exp(-z[4 * k : 4 * k + 4])) for k in (0, 1, 3))
        candidate = np.tanh(z[8:12])
        np.testing.assert_allclose(here["gates"].loc[t], [*i, *f, *candidate, *o], rtol=1e-12, atol=1e-15)
        c = f * c + i * candidate
        h = o * np.tanh(c)
