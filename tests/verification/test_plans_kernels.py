"""Every kernel at every stride, and that one which is wrong at some stride is found."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.engine.plan import kernels as numpy_plan
from lstm_trace.verification.plans import COLUMNS, Fault, cases, check_kernels

from ..support.tiers import some

#: numpy before 2 computes exp, log, expm1 and log1p at a stride by another loop, an ulp off.
ULPS = int(np.__version__.split(".")[0]) < 2
#: Elsewhere the larger of two zeros may have either sign.
SIGNS = platform.machine() in ("x86_64", "AMD64")


def faults(widths: Any, columns: Any = COLUMNS, ulps: bool = ULPS) -> list[Fault]:
    return list(check_kernels(widths, columns, ulps, SIGNS))


def test_every_operation_is_tried() -> None:
    assert {line.op for line in cases(5)} == set(OPS) == set(numpy_plan.KERNELS)


@pytest.mark.few(0)
@pytest.mark.parametrize("width", some([1, 2, 5, 16], 2))
def test_kernels_are_their_operations_at_every_stride(width: int) -> None:
    """Bit for bit, for one unit and for some; all 16 widths are tried by `lstm-trace doctor` and `make fuzz`."""
    found = faults([width])
    assert not found, "\n".join(map(str, found[:10]))


def _wrong_at(stride: int) -> Callable[..., Any]:
    """exp, but the first number twice where the result lies at a stride of so many bytes."""

    def function(a: Any, out: Any) -> None:
        np.exp(a, out)
        if out.strides[0] == stride:
            out[1] = out[0]

    return lambda bench, out, a, constants: [(function, (a[0], out))]


@pytest.mark.few(1)
@pytest.mark.parametrize("columns", [2, 8, 70])
def test_a_kernel_that_is_wrong_at_one_stride_is_found(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(numpy_plan.KERNELS, "exp", _wrong_at(8 * columns))
    found = faults([2], [2, 7, 8, 9, 70])
    assert {(fault.plan, fault.line.op) for fault in found} == {("planned", "exp")}
    assert f"float64, width 2 of {columns} columns: exp of a is " in str(found[0])
    assert " at [1, 0]; by its definition " in str(found[0])


@pytest.mark.few(3)
@pytest.mark.parametrize("op", ["tanh", "neg", "where", "sum", "matvec", "slice"])
def test_a_kernel_of_another_operation_is_found(op: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(numpy_plan.KERNELS, op, lambda bench, out, a, c: [(lambda out: out.fill(0.25), (out,))])
    assert {fault.line.op for fault in faults([3], [3, 9])} == {op}


def test_an_array_function_that_depends_on_strides_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def log(a: Any, _: Any) -> Any:
        return np.log(a[0]) + (not a[0].flags.c_contiguous)

    monkeypatch.setitem(OPS, "log", OPS["log"].__class__("log", log, function="log", ulp=4))
    assert ("lines", "log") in {(fault.plan, fault.line.op) for fault in faults([3], [3, 9])}


def test_writing_beside_the_result_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(bench: Any, out: Any, a: Any, constants: Any) -> Any:
        return [(np.exp, (a[0], out)), (lambda: (out if out.base is None else out.base).fill(1.0), ())]

    monkeypatch.setitem(numpy_plan.KERNELS, "exp", kernel)
    found = [fault for fault in faults([1], [3]) if "next to width 1 of 3 columns" in fault.where]
    assert found
    assert {fault.line.op for fault in found} == {"exp"}


# -- what it led to ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("lines", range(8))
def test_softplus_of_one_unit(dtype: str, lines: int) -> None:
    """In memory of 2 to 9 columns: numpy negates wrongly in 8 (float64) and in 4 (float32)."""
    more = "".join(f"k{k} = {k} * x_t\n" for k in range(lines))
    model = lt.prepare({"W": [[0.5]]}, cell={"equations": f"{more}h_t = softplus(W @ x_t)\noutput: h_t"}, dtype=dtype)
    xs = [1.0, 0.5, -1.0, 2.0]
    trace = model.run(np.array(xs)[:, None], plan="planned")
    expected = [math.log1p(math.exp(0.5 * x)) for x in xs]
    np.testing.assert_allclose(trace["h_t"].ravel(), expected, rtol=1e-6 if dtype == "float32" else 1e-15)
    assert lt.verify(trace).verdict == "verified"
