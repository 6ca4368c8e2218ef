"""Functions of public packages whose memory is a matrix, lifted as they are; a package that is absent is skipped."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

import lstm_trace as lt

torch = pytest.importorskip("torch")

from ..frameworks.test_matrix_memory import module  # noqa: E402

T, B, INPUTS, R, C = 5, 2, 5, 4, 3


def projections() -> dict[str, Any]:
    """Weights that make queries, keys, values and two gates of x."""
    return {name: torch.randn(rows, INPUTS) for name, rows in {"Q": C, "K": C, "V": R, "I": 1, "F": 1}.items()}


def lines(found: lt.Lifted, expected: dict[str, str]) -> None:
    """That a lifted cell is verified, and has these equations; `output` is that of its output."""
    assert lt.verify(found).verdict == "verified"
    for name, text in expected.items():
        assert found.cell.equations[found.cell.output if name == "output" else name] == text


def test_the_native_step_of_mlstm_kernels() -> None:
    native = module("mlstm_kernels", "torch/recurrent/native_step.py")

    def step(x: Any, S: Any, n: Any, m: Any, Q: Any, K: Any, V: Any, I: Any, F: Any) -> Any:  # noqa: E741
        q, k, v, i, f = ((W @ x)[None, None] for W in (Q, K, V, I, F))
        h, (S, n, m) = native.mlstm_recurrent_step__native_fw(
            S[None, None], n[None, None], m[None, None], q, k, v, i, f, eps=0.0, dtype_state=torch.float32
        )
        return h[0, 0], S[0, 0], n[0, 0], m[0, 0]

    states = {"S": torch.randn(C, R), "n": torch.rand(C) + 1, "m": torch.randn(1)}
    found = lt.lift(step, projections(), torch.randn(T, INPUTS), states=states)
    written = "scaF_act * S_prev + scaI_act * outer(k, v)"
    lines(found, {"S_t": written, "h_num": "vecQ_scaled @ S_t", "output": "h_num / h_denom"})


def delta_rule(function: Any, *names: str) -> lt.Lifted:
    """A function for the gated delta rule over sequences (B, T, heads, …). names: of its first three arguments."""

    def run(x: Any, S: Any, Q: Any, K: Any, V: Any, I: Any, F: Any) -> Any:  # noqa: E741
        each = dict(zip(names, ((x @ W.T)[:, :, None] for W in (Q, K, V)), strict=True))
        gates = {"g": -torch.exp(x @ I.T), "beta": torch.sigmoid(x @ F.T)}
        o, S = function(**each, **gates, initial_state=S[:, None], output_final_state=True)
        return o[:, :, 0], S

    return lt.lift(run, projections(), torch.randn(B, T, INPUTS), states={"S": torch.randn(B, C, R)})


def test_the_naive_loop_of_fla() -> None:
    naive = module("fla", "ops/gated_delta_rule/naive.py")
    found = delta_rule(naive.naive_recurrent_gated_delta_rule, "q", "k", "v")
    assert found.cell.equations["S_t"].endswith(" + outer(b_k, b_v)")
    lines(found, {"output": "b_q @ S_t"})


def test_the_loop_of_transformers() -> None:
    pytest.importorskip("transformers")
    qwen = pytest.importorskip("transformers.models.qwen3_next.modeling_qwen3_next")
    found = delta_rule(qwen.torch_recurrent_gated_delta_rule, "query", "key", "value")
    state = "last_recurrent_state"
    expected = {state: "S_prev * decay_t", "kv_mem": f"k_t @ {state}", "delta": "(v_t - kv_mem) * beta_t"}
    lines(found, {**expected, "S_t": f"{state} + outer(k_t, delta)", "output": "q_t @ S_t"})


def test_the_reference_of_mamba(monkeypatch: pytest.MonkeyPatch) -> None:
    unused = types.SimpleNamespace(custom_bwd=lambda f: f, custom_fwd=lambda f: f, _layer_norm_fwd=None)
    for name in ("selective_scan_cuda", "mamba_ssm.utils.torch", "mamba_ssm.ops.triton.layer_norm"):
        monkeypatch.setitem(sys.modules, name, unused)
    scan = module("mamba_ssm", "ops/selective_scan_interface.py").selective_scan_ref

    def run(x: Any, W_s: Any, W_d: Any, b_d: Any, W_B: Any, W_C: Any, A_log: Any, D: Any) -> Any:
        step, B, C = ((x @ W.T).mT for W in (W_d @ W_s, W_B, W_C))
        return scan(x.mT, step, -torch.exp(A_log), B, C, D, delta_bias=b_d, delta_softplus=True).mT

    shapes = {"W_s": (R, INPUTS), "W_d": (INPUTS, R), "b_d": (INPUTS,), "W_B": (C, INPUTS), "W_C": (C, INPUTS)}
    weights = {name: torch.randn(shape) for name, shape in (shapes | {"A_log": (INPUTS, C), "D": (INPUTS,)}).items()}
    found = lt.lift(run, weights, torch.randn(B, T, INPUTS))
    assert found.cell.declared == ("A_log",)
    lines(found, {"y": "h_t @ (W_C @ x_t)", "output": "y + x_t * D"})


def test_the_cell_of_ncps() -> None:
    wirings, ncps = pytest.importorskip("ncps.wirings"), pytest.importorskip("ncps.torch")
    cell = ncps.LTCCell(wirings.FullyConnected(R, R), INPUTS, ode_unfolds=1)
    found = lt.lift(lambda x, h: cell(x, h)[1], None, torch.randn(T, B, INPUTS), h=torch.randn(B, R))
    top = "cm_t * h_prev + cell_gleak_cell_vleak + w_numerator"
    lines(found, {"numerator": top, "output": "numerator / (denominator + 1e-08)"})
