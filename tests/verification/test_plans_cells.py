"""A cell with every operation, run by each plan; that a plan which computes one of them wrongly is found."""

from __future__ import annotations

from typing import Any

import pytest

from lstm_trace.engine.jit import functions, installed, machine
from lstm_trace.engine.plan import kernels as numpy_plan
from lstm_trace.engine.plan_choice import Choice
from lstm_trace.verification.plans import AREAS, PLANS, Size, check_plans, sizes, traced

from .test_plans_kernels import SIGNS


def test_every_width_is_tried_in_each_place() -> None:
    tried = sizes()
    assert {size.width for size in tried} == set(range(1, 17))
    assert len({(size.batch, size.dtype, size.area) for size in tried}) == 2 * 2 * len(AREAS)


@pytest.mark.few(0)
@pytest.mark.parametrize("plan", PLANS)
def test_each_plan_computes_every_operation(plan: Choice) -> None:
    """Bit for bit but for sums, products and named functions. Some sizes: all are tried by `make fuzz`."""
    if plan == "compiled" and not installed():
        pytest.skip("the extra jit is not installed")
    chosen = sizes()[:: 13 if plan == "compiled" else 3]
    assert traced(chosen[0], plan).header.plan == plan
    found = list(check_plans([plan], chosen, SIGNS))
    assert not found, "\n".join(map(str, found[:10]))


@pytest.mark.few(3)
@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("batch", [1, 3])
def test_a_wrong_kernel_is_found(area: str, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(numpy_plan.KERNELS, "exp", numpy_plan.KERNELS["sigmoid"])
    found = list(check_plans(["planned"], [Size(3, batch, "float64", area)]))
    assert {(fault.plan, fault.line.op) for fault in found} == {("planned", "exp")}


def test_a_wrong_function_of_the_compiled_plan_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed():
        pytest.skip("the extra jit is not installed")
    sub: Any = lambda v, a, c: v.sub(a[1], a[0])  # noqa: E731 - a row of the table
    monkeypatch.setitem(functions.ELEMENTWISE, "div", sub)
    monkeypatch.setattr(machine, "_loaded", {})
    found = list(check_plans(["compiled"], [Size(2, 1, "float64", "before")]))
    assert {(fault.plan, fault.line.op) for fault in found} == {("compiled", "div")}
