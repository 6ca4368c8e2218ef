"""Cells whose memory is a matrix, in float64 against public implementations; a package that is absent is skipped.

The modules are read from their files, since some packages import triton, which needs a GPU, as soon as they are read.
"""

from __future__ import annotations

import importlib.util
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support import matrix_cells

torch = pytest.importorskip("torch")

T, INPUTS, ROWS, COLUMNS = 7, 5, 4, 3


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the references convert to float32 is converted to float64."""
    monkeypatch.setattr(torch, "float32", torch.float64)
    monkeypatch.setattr(torch, "float", torch.float64)
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    old = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(old)


def module(package: str, path: str) -> Any:
    """A module of an installed package, read from its file."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{package} is not installed")
    file = Path(found.submodule_search_locations[0], path)
    spec = importlib.util.spec_from_file_location(f"reference_{package}_{file.stem}", file)
    assert spec
    assert spec.loader
    made = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(made)
    except ModuleNotFoundError as missing:
        pytest.skip(f"{package} needs {missing.name}")
    return made


class Case:
    """A cell at random sizes, traced, and its lines as tensors (1, T, …) with matrices as (rows, columns)."""

    def __init__(
        self, name: str, inputs: int = INPUTS, rows: int = ROWS, columns: int = COLUMNS, text: str = ""
    ) -> None:
        rng = np.random.default_rng(30)
        self.weights, self.states = matrix_cells.drawn(name, rng, inputs, rows, columns)
        self.x = rng.normal(size=(T, inputs))
        self.trace: Trace = matrix_cells.traced(name, self.weights, self.x, self.states, text=text)

    def __getitem__(self, line: str) -> Any:
        return torch.tensor(self.trace[line][:, 0])

    def weight(self, name: str) -> Any:
        return torch.tensor(self.weights[name])

    def state(self, name: str) -> Any:
        return torch.tensor(self.states[name])

    def gives(self, line: str, expected: Any) -> None:
        """That the line is this, to 1e-12 of its largest value."""
        ours, theirs = self[line].reshape(-1), expected.reshape(-1)
        assert theirs.dtype == torch.float64
        assert (ours - theirs).abs().max() <= 1e-12 * max(1, theirs.abs().max())


@pytest.mark.parametrize("eps", [0, 1e-6])
def test_the_step_of_xlstm(eps: float) -> None:
    backends = module("xlstm", "blocks/mlstm/backends.py")
    text = matrix_cells.equations("mlstm").replace("exp(-m_t)) ", f"exp(-m_t)) + {eps} ")
    assert str(eps) in text
    case = Case("mlstm", text=text)
    C, n, m = case.state("C_prev").T[None, None], case.state("n_prev")[None, None, :, None], case.state("m_prev")
    m = m[None, None, :, None]
    out, memory = [], []
    for t in range(T):
        q, k, v = (case[f"{one}_t"][t].reshape(1, 1, 1, -1).clone() for one in "qkv")
        gates = (case[f"{one}_tilde"][t].reshape(1, 1, 1, 1) for one in "if")
        h, (C, n, m) = backends.recurrent_step_stabilized_simple(C, n, m, q, k * COLUMNS**0.5, v, *gates, eps=eps)
        out.append(h.reshape(-1))
        memory.append(C[0, 0].T)
    case.gives("h_tilde", torch.stack(out))
    case.gives("C_t", torch.stack(memory))


def test_eight_heads_are_sequences_of_a_batch() -> None:
    """The step with its eps, and without it the parallel form too, over 30 steps."""
    backends = module("xlstm", "blocks/mlstm/backends.py")
    rng = np.random.default_rng(31)
    given = {f"{name}_t": rng.normal(size=(30, 8, 8)) for name in "qkv"}
    given |= {f"{name}_tilde": rng.normal(size=(30, 8, 1)) for name in "if"}
    q, k, v, *gates = (torch.tensor(array).permute(1, 0, 2)[None] for array in given.values())
    k = k * 8**0.5
    _, log_f, rest = matrix_cells.equations("mlstm").partition("log_f = ")
    text = "\n".join([f"input: {', '.join(given)}", log_f + rest.replace("h_t = o_t * h_tilde", "h_t = h_tilde")])
    for eps in (0, 1e-6):
        cell = {"equations": text.replace("exp(-m_t)) ", f"exp(-m_t)) + {eps} ")}
        ours = lt.run({}, cell=cell, given=given)["h_t"].swapaxes(0, 1)
        state = [torch.zeros(1, 8, *shape) for shape in ((8, 8), (8, 1), (1, 1))]
        for t in range(30):
            at = (each[:, :, t : t + 1].clone() for each in (q, k, v, *gates))
            h, state = backends.recurrent_step_stabilized_simple(*state, *at, eps=eps)
            assert abs(ours[:, t] - h[0, :, 0].numpy()).max() <= 1e-12
        whole = backends.parallel_stabilized_simple(q, k, v, *gates, eps=eps)[0].numpy()
        assert (abs(ours - whole).max() <= 1e-12) == (eps == 0)


def test_the_two_forms_of_xlstm_differ_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    module("xlstm", "blocks/mlstm/backends.py")
    page = (ROOT / "docs" / "modern-cells.md").read_text("utf-8")
    (program,) = re.findall(r"```python\n(import importlib.*?)```", page, re.S)
    exec(program, {})  # noqa: S102
    found, said = (re.findall(r"(eps=.*): (.*)", text) for text in (capsys.readouterr().out, page.replace("{", "(")))
    said = said[-3:]
    assert [case for case, _ in found] == [case for case, _ in said]
    for (case, one), (_, other) in zip(found, said, strict=True):  # rounding depends on the machine
        assert abs(np.log10(float(one) / float(other))) < (0.1 if case == "eps=1e-06, m=0" else 1), case


def test_the_native_step_of_mlstm_kernels() -> None:
    native = module("mlstm_kernels", "torch/recurrent/native_step.py")
    case = Case("mlstm")
    C, n, m = case.state("C_prev").T[None, None], case.state("n_prev")[None, None], case.state("m_prev")[None, None]
    out = []
    for t in range(T):
        q, k, v = (case[f"{one}_t"][t].reshape(1, 1, -1) for one in "qkv")
        gates = (case[f"{one}_tilde"][t].reshape(1, 1, 1) for one in "if")
        h, (C, n, m) = native.mlstm_recurrent_step__native_fw(
            C, n, m, q * COLUMNS**0.5, k, v, *gates, eps=0, dtype_state=torch.float64
        )
        out.append(h.reshape(-1))
    case.gives("h_tilde", torch.stack(out))


def delta(case: Case) -> dict[str, Any]:
    """The arguments of the functions for the gated delta rule: (1, T, 1, …), the state (1, 1, K, V)."""
    alpha, beta = case["a_t"].reshape(1, T, 1), case["b_t"].reshape(1, T, 1)
    q, k, v = (case[f"{one}_t"][None, :, None] for one in "qkv")
    return {
        "q": q, "k": k, "v": v, "g": alpha.log(), "beta": beta,
        "initial_state": case.state("S_prev").T[None, None], "output_final_state": True,
    }  # fmt: skip


@pytest.mark.parametrize("form", ["recurrent", "chunk 64", "chunk 3"])
def test_the_naive_functions_of_fla(form: str) -> None:
    naive = module("fla", "ops/gated_delta_rule/naive.py")
    case = Case("gated-deltanet")
    kind, _, size = form.partition(" ")
    function = getattr(naive, f"naive_{kind}_gated_delta_rule")
    out, state = function(**delta(case), scale=1.0, **({"chunk_size": int(size)} if size else {}))
    case.gives("o_t", out[0, :, 0])
    assert (state[0, 0].T.reshape(-1) - case["S_t"][-1]).abs().max() <= 1e-12


@pytest.mark.parametrize("form", ["recurrent", "chunk"])
def test_the_functions_of_transformers(form: str) -> None:
    pytest.importorskip("transformers")
    qwen = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    case = Case("gated-deltanet")
    given = delta(case)
    given["query"], given["key"], given["value"] = given.pop("q") * COLUMNS**0.5, given.pop("k"), given.pop("v")
    out, state = getattr(qwen, f"torch_{form}_gated_delta_rule")(**given)
    case.gives("o_t", out[0, :, 0])
    assert (state[0, 0].T.reshape(-1) - case["S_t"][-1]).abs().max() <= 1e-12


def test_the_reference_of_mamba(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = types.SimpleNamespace(custom_bwd=None, custom_fwd=lambda f: f, _layer_norm_fwd=None)
    unused.custom_bwd = unused.custom_fwd
    for name in ("selective_scan_cuda", "mamba_ssm.utils.torch", "mamba_ssm.ops.triton.layer_norm"):
        monkeypatch.setitem(sys.modules, name, unused)
    scan = module("mamba_ssm", "ops/selective_scan_interface.py")
    case = Case("mamba")
    case.trace = matrix_cells.traced("mamba", case.weights, case.x, {})  # the reference begins at zero
    w = case.weight
    out, state = scan.selective_scan_ref(
        torch.tensor(case.x.T[None]),
        (w("W_d") @ w("W_s") @ torch.tensor(case.x.T))[None],
        -torch.exp(w("A_log")),
        case["B_t"].T[None],
        case["C_t"].T[None],
        w("D"),
        delta_bias=w("b_d"),
        delta_softplus=True,
        return_last_state=True,
    )
    case.gives("y_t", out[0].T)
    assert (state.reshape(-1) - case["H_t"][-1]).abs().max() <= 1e-12


def test_the_step_of_rwkv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package has exp(-1/2) with six digits, and so has our text here: else the two are 1e-7 apart."""
    monkeypatch.setenv("RWKV_V7_ON", "1")
    for name in ("script", "script_method"):  # what is compiled has its types fixed
        monkeypatch.setattr(torch.jit, name, lambda function: function)
    monkeypatch.setattr(torch.jit, "ScriptModule", torch.nn.Module)
    model = module("rwkv", "model.py")
    text = matrix_cells.equations("rwkv7").replace("0.6065306597126334", "0.606531")
    case = Case("rwkv7", text=text)
    w = case.weight
    S, x_prev = case.state("S_prev")[None], case.state("x_prev")
    names = (
        "mu_r mu_w mu_k mu_v mu_a mu_g b_w W_w1 W_w2 b_a W_a1 W_a2 - - - W_g1 W_g2 xi alpha rho W_r W_k W_v W_o g_n b_n"
    )
    given = [None if name == "-" else w(name).T if name[0] == "W" else w(name) for name in names.split()]
    out = []
    for t in range(T):
        h, x_prev, S, _ = model.RWKV_x070_TMix_one(0, 1, INPUTS, torch.tensor(case.x[t]), x_prev, None, S, *given)
        out.append(h)
    case.gives("o_t", torch.stack(out))
    assert (S.reshape(-1) - case["S_t"][-1]).abs().max() <= 1e-12


def test_the_recurrence_of_fla_is_that_of_rwkv() -> None:
    naive = module("fla", "ops/generalized_delta_rule/dplr/naive.py")
    case = Case("rwkv7")
    kappa, a = case["kappa_hat"], case["a_t"]
    q, k, v, alpha, beta, gk = (
        one[None, None]
        for one in (case["r_t"] * INPUTS**0.5, case["k_t"], case["v_t"], -kappa, a * kappa, case["w_t"].log())
    )
    _, state = naive.dplr_recurrence(q, k, v, alpha, beta, gk, initial_state=case.state("S_prev").T[None, None])
    assert (state[0, 0].T.reshape(-1) - case["S_t"][-1]).abs().max() <= 1e-12


def test_the_cell_of_ncps() -> None:
    wirings, ncps = pytest.importorskip("ncps.wirings"), pytest.importorskip("ncps.torch")
    case = Case("ltc")
    cell = ncps.LTCCell(wirings.FullyConnected(ROWS, ROWS), INPUTS, ode_unfolds=1, epsilon=0.0).double()
    names = {"cm": "c_m", "gleak": "g_leak", "vleak": "v_leak"}
    for letter, theirs in {"w": "w", "sigma": "sigma", "mu": "mu", "E": "erev"}.items():
        names |= {theirs: f"{letter}_v", f"sensory_{theirs}": f"{letter}_x"}
    parameters = dict(cell.named_parameters())
    for theirs, ours in names.items():
        parameters[theirs].data = case.weight(ours)
    v, out = case.state("v_prev")[None], []
    with torch.no_grad():
        for t in range(T):
            _, v = cell(torch.tensor(case.x[t])[None], v)
            out.append(v[0])
    case.gives("v_t", torch.stack(out))
