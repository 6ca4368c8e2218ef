"""PyTorch's GRU and RNN: from files, live and captured, against PyTorch and, gate by gate, against scalar loops."""

from __future__ import annotations

import copy
import json
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError

from .measure import assert_agrees

torch = pytest.importorskip("torch")
nn = torch.nn

T, B, I, H = 5, 3, 4, 2  # noqa: E741
MODULES: list[tuple[str, dict[str, Any]]] = [
    ("GRU", {}),
    ("GRU", {"bias": False, "batch_first": True}),
    ("GRU", {"num_layers": 2, "bidirectional": True}),
    ("RNN", {"bidirectional": True}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("RNN", {"bias": False, "batch_first": True, "num_layers": 2, "bidirectional": True}),
]


def made(kind: str, options: dict[str, Any]) -> Any:
    torch.manual_seed(3)
    module = getattr(nn, kind)(I, H, dtype=torch.float64, **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.8 * torch.randn(parameter.shape, dtype=parameter.dtype))
    return module


def fed(module: Any) -> tuple[Any, Any]:
    count = module.num_layers * (1 + module.bidirectional)
    shape = (B, T, I) if module.batch_first else (T, B, I)
    return torch.randn(*shape, dtype=torch.float64), torch.randn(count, B, H, dtype=torch.float64)


def sigmoid(z: float) -> float:
    return 1 / (1 + float(np.exp(-z)))


def row(w: Any, k: int, v: Any) -> float:
    """One entry of a product, term by term."""
    return sum(float(w[k][j]) * float(v[j]) for j in range(len(v)))


def gru_step(p: dict[str, Any], x: Any, h: Any) -> dict[str, list[float]]:
    """The text of torch.nn.GRU, unit by unit; blocks r, z, n below each other."""
    found: dict[str, list[float]] = {name: [] for name in ("r_t", "u_t", "h_tilde", "h_t")}
    for j in range(H):
        a = [row(p["weight_ih"], g * H + j, x) + float(p["bias_ih"][g * H + j]) for g in range(3)]
        b = [row(p["weight_hh"], g * H + j, h) + float(p["bias_hh"][g * H + j]) for g in range(3)]
        r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        n = float(np.tanh(a[2] + r * b[2]))
        for name, value in zip(found, (r, z, n, (1 - z) * n + z * float(h[j])), strict=True):
            found[name].append(value)
    return found


def rnn_step(p: dict[str, Any], x: Any, h: Any) -> dict[str, list[float]]:
    z = [
        row(p["weight_ih"], j, x) + float(p["bias_ih"][j]) + row(p["weight_hh"], j, h) + float(p["bias_hh"][j])
        for j in range(H)
    ]
    return {"h_t": [float(np.tanh(value)) for value in z]}


@pytest.mark.parametrize(("kind", "step"), [("GRU", gru_step), ("RNN", rnn_step)])
def test_gate_by_gate(kind: str, step: Any, tmp_path: Path) -> None:
    module = made(kind, {})
    x, h0 = fed(module)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    trace = lt.run(tmp_path / "m.pt", x, h0=h0)
    p = {name.removesuffix("_l0"): value.detach().numpy() for name, value in module.named_parameters()}
    for b in range(B):
        h = h0[0, b].tolist()
        for t in range(T):
            lines = step(p, x[t, b].tolist(), h)
            for name, values in lines.items():
                np.testing.assert_allclose(trace[name][t, b], values, rtol=1e-12, atol=1e-15, err_msg=name)
            h = lines["h_t"]
    assert trace.header.kind == kind.lower()
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize(("kind", "options"), MODULES, ids=str)
def test_files_modules_and_calls(kind: str, options: dict[str, Any], tmp_path: Path) -> None:
    module = made(kind, options)
    x, h0 = fed(module)
    with torch.no_grad():
        y, h_n = module(x, h0)
    torch.save({"net": {f"rec.{name}": value for name, value in module.state_dict().items()}}, tmp_path / "m.pt")
    np.savez(tmp_path / "m.npz", **{name: value.numpy() for name, value in module.state_dict().items()})
    said = {"activation": "relu"} if "nonlinearity" in options else None
    for source in (tmp_path / "m.pt", tmp_path / "m.npz", module.state_dict(), module):
        own = None if source is module else said
        trace = lt.run(source, x, h0=h0, batch_first=module.batch_first, options=own)
        np.testing.assert_allclose(trace.output, y, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(trace.h_n, h_n, rtol=1e-12, atol=1e-14)
    with lt.capture(nn.Sequential(module)) as traces:
        module(x, h0)
        module(x)
    for trace in traces:
        assert trace.header.agreement[0].startswith("agrees with what the PyTorch module returned: h and h_n differ")
    np.testing.assert_array_equal(traces[0].output, lt.run(module, x, h0=h0).output)


@pytest.mark.parametrize("kind", ["GRU", "RNN"])
def test_packed_sequences(kind: str) -> None:
    """Padded output is zero; the last state is that after the last valid step, of a reverse direction after step 0."""
    module = made(kind, {"bidirectional": True})
    x, h0 = fed(module)
    packed = nn.utils.rnn.pack_padded_sequence(x, [2, 5, 4], enforce_sorted=False)
    with lt.capture(nn.Sequential(module)) as traces:
        y, h_n = module(packed, h0)
    assert traces[0].header.agreement[0].startswith("agrees")
    padded = nn.utils.rnn.pad_packed_sequence(y)[0].detach()
    np.testing.assert_allclose(traces[0].output, padded, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(lt.run(module, packed, h0=h0).h_n, h_n.detach(), rtol=1e-12, atol=1e-14)
    assert not traces[0].output[2:, 0].any()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_other_dtypes(dtype: str, tmp_path: Path) -> None:
    module = made("GRU", {}).to(getattr(torch, dtype))
    x = torch.randn(T, B, I, dtype=getattr(torch, dtype))
    with lt.capture(nn.Sequential(module)) as traces, torch.no_grad():
        y = module(x)[0]
    assert traces[0].header.agreement[0].startswith("agrees")
    if dtype == "float32":
        exact = copy.deepcopy(module).double()(x.double())[0].detach()
        assert_agrees(traces[0].output, y, exact)


CELLS: list[tuple[Any, str]] = [
    (lambda: nn.GRUCell(I, H), "gru"), (lambda: nn.RNNCell(I, H, nonlinearity="relu"), "rnn"),
    (lambda: nn.RNNCell(I, H, bias=False), "rnn"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "kind"), CELLS, ids=["GRUCell", "RNNCell relu", "RNNCell"])
def test_cells_in_a_loop(make: Any, kind: str) -> None:
    torch.manual_seed(1)
    cell, x, h = make(), torch.randn(T, B, I), torch.randn(B, H)
    start, states = h, []
    with lt.capture(nn.ModuleDict({"step": cell})) as traces:
        for t in range(T):
            h = cell(x[t], h)
            states.append(h.detach().numpy())
    (trace,) = traces
    assert (trace.header.title, trace.header.kind, trace.steps) == ("step", kind, T)
    assert trace.header.agreement[0].startswith("agrees with what the PyTorch cell returned in 5 calls: h differ")
    for found in (trace, lt.run(cell, x, h0=start[None])):
        np.testing.assert_allclose(found["h_t"], np.stack(states), rtol=1e-5, atol=1e-6)


def test_two_sequences_of_one_cell() -> None:
    cell, x = nn.GRUCell(I, H), torch.randn(T, B, I)
    with lt.capture(nn.ModuleDict({"step": cell})) as traces:
        for _ in range(2):
            h = torch.zeros(B, H)
            for t in range(T):
                h = cell(x[t], h)
    assert [trace.steps for trace in traces] == [T, T]


class Net(nn.Module):
    """An encoder, a decoder and a plain RNN, called one after the other."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder, self.top = nn.LSTM(I, H), nn.GRU(H, H, 2), nn.RNN(H, H)

    def forward(self, x: Any) -> Any:
        return self.top(self.decoder(self.encoder(x)[0])[0])[0]


def test_a_model_with_several_kinds(tmp_path: Path) -> None:
    net, x = Net(), torch.randn(T, B, I)
    with lt.capture(net) as traces:
        net(x)
    assert [(t.header.title, t.header.kind) for t in traces] == [
        ("encoder", "lstm"),
        ("decoder", "gru"),
        ("top", "rnn"),
    ]
    path = str(tmp_path / "net.pt")
    torch.save(net.state_dict(), path)
    with pytest.raises(LstmTraceError, match=r", 1 GRU and 1 RNN: encoder \(LSTM\), decoder \(GRU\), top \(RNN\)"):
        lt.prepare(path)
    decoded = lt.run(path, traces["encoder"].output, name="decoder")
    np.testing.assert_allclose(decoded.output, traces["decoder"].output, rtol=1e-5, atol=1e-6)
    records = json.loads(CliRunner().invoke(main, ["inspect", path, "--format", "json"]).output)
    assert [(one["cell"], one["layers"]) for one in records] == [("lstm", 1), ("gru", 2), ("rnn", 1)]
    said = " ".join(CliRunner().invoke(main, ["inspect", path]).output.split())
    assert "net.pt: 1 LSTM, 1 GRU, 1 RNN" in said
    assert "decoder: PyTorch GRU" in said
    assert said.count("reset gate: after the product: r_t * (W_hh @ h_prev)") == 1
    assert "the arrays do not say the activation: tanh was assumed; choose with --option activation=relu" in said


def test_options_replace_what_is_assumed(tmp_path: Path) -> None:
    torch.save(made("RNN", {}).state_dict(), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", np.ones((3, I)))
    arguments = ["run", str(tmp_path / "m.pt"), "--input", str(tmp_path / "x.npy"), "--option", "activation=relu"]
    assert CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "t.json")]).exit_code == 0
    trace = lt.load(tmp_path / "t.json")
    assert trace.header.options["activation"] == "relu"
    assert trace.header.imported[-1] == "activation relu, as asked"
    torch.save(made("GRU", {}).state_dict(), tmp_path / "m.pt")
    assert lt.prepare(tmp_path / "m.pt", options={"reset_after": False}).header.options["reset_after"] is False


def test_every_wrong_gate_order_fails() -> None:
    module = made("GRU", {})
    x = fed(module)[0]
    y = module(x)[0].detach().numpy()
    for order in map("".join, permutations("rzn")):
        ours = lt.run(module.state_dict(), x, layout=f"pytorch,order={order}").output
        assert np.allclose(ours, y, atol=1e-9) == (order == "rzn"), order


def test_the_two_rules_of_the_reset_gate_differ_in_one_equation() -> None:
    module = made("GRU", {})
    a, b = (lt.run(module, fed(module)[0], options={"reset_after": after}) for after in (True, False))
    said = " ".join(str(lt.diff(a, b)).split())
    assert "r_t * (W_hh @ h_prev + b_hh)" in said
    assert "W_hh @ (r_t * h_prev) + b_hh" in said


REFUSED: list[tuple[Any, dict[str, Any], str]] = [
    (lambda: nn.GRU(I, H), {"c0": np.zeros((1, B, H))}, "the cell carries no state c0; it carries h0"),
    (lambda: nn.RNN(I, H), {"c0": np.zeros((1, B, H))}, "the cell carries no state c0; it carries h0"),
    (lambda: nn.GRU(I, H), {"cell": "lstm"}, "cell is 'lstm', and these are the weights of a GRU; leave cell out"),
    (lambda: nn.LSTM(I, H), {"cell": {"kind": "gru"}}, "cell is 'gru', and these are the weights of an LSTM"),
    (lambda: nn.GRU(I, H), {"options": {"peephole": True}}, "the cell 'gru' has no option peephole"),
    (lambda: nn.RNN(I, H, 2, dropout=0.5), {}, "the RNN is in training mode with dropout 0.5"),
]


@pytest.mark.parametrize(("make", "given", "said"), REFUSED, ids=[row[2][:30] for row in REFUSED])
def test_what_is_refused(make: Any, given: dict[str, Any], said: str) -> None:
    with pytest.raises(LstmTraceError, match=said):
        lt.run(make(), torch.zeros(T, B, I), **given)


def test_a_watched_gru() -> None:
    """An infinite weight of a GRU stops the training, with a trace."""
    net = nn.Sequential(nn.GRU(I, H))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with torch.no_grad():
        net[0].weight_ih_l0[0, 0] = float("nan")

    def train() -> None:
        with lt.watch(net, save=None):
            net(torch.ones(T, B, I))[0].sum().backward()
            optimizer.step()

    with pytest.raises(lt.StoppedError) as stopped:
        train()
    assert stopped.value.alarm is not None
    assert stopped.value.alarm.trace is not None
    assert stopped.value.alarm.trace.header.kind == "gru"


def test_identify_searches_a_gru() -> None:
    module = made("GRU", {})
    x = torch.randn(T, I, dtype=torch.float64)
    weights = {name: value.clone() for name, value in module.state_dict().items()}
    assert lt.identify(weights, x.numpy(), module(x)[0].detach().numpy()).right
    with torch.no_grad():
        for parameter in module.parameters():  # reset and update gate exchanged
            parameter.copy_(torch.cat([parameter[H : 2 * H], parameter[:H], parameter[2 * H :]]))
    assert lt.identify(weights, x.numpy(), module(x)[0].detach().numpy()).found
