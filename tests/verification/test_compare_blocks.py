"""diff goes over the steps in blocks: nothing that it tells depends on their length, and memory does not grow."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from lstm_trace.trace.trace import Trace
from lstm_trace.verification import differences
from lstm_trace.verification.compare import Comparison, Tolerance, compare, judge

from ..support.tiers import some
from .test_compare import changed
from .test_compare_cells import CELLS, stacked, traced as one_cell
from .test_verify import traced

Pair = Callable[[], tuple[Trace, Trace]]


def less(trace: Trace, *names: str) -> Trace:
    """The trace with these lines only, as another program may print them."""
    kept = {scope: {n: a for n, a in here.items() if n in names} for scope, here in trace.lines.items()}
    return replace(trace, lines=kept)


PAIRS: dict[str, Pair] = {
    **{name: lambda a=a, b=b: (one_cell(a), one_cell(b)) for name, a, b, _ in CELLS},  # type: ignore[misc]
    "one value, reverse": lambda: (traced({}), changed(traced({}), "1/reverse", "i_t", 1e-3)),
    "one value, carried": lambda: (traced({}), changed(traced({}), "0/forward", "c_t", 1e-3)),
    "another dtype": lambda: (traced({}), traced({}, dtype="float32")),
    "merge": lambda: (stacked(options={"merge": "sum"}), stacked(options={"merge": "mean"})),
    "h alone": lambda: (traced({}), less(changed(traced({}), "0/reverse", "h_t", 1e-3), "h_t")),
    "nothing carried": lambda: (traced({}), less(changed(traced({}), "1/forward", "f_t", 1e-3), "f_t", "o_t")),
}


def alike(one: Comparison, two: Comparison) -> None:
    assert (one.same, one.notes, one.premises) == (two.same, two.notes, two.premises)
    assert str(one.first and one.first.first) == str(two.first and two.first.first)
    for mine, yours in zip(one.lines, two.lines, strict=True):
        for field in fields(mine):
            a, b = getattr(mine, field.name), getattr(yours, field.name)
            if field.name in ("rms", "cosine", "snr"):  # sums, in another order
                assert math.isclose(a, b, rel_tol=1e-9), field.name
            else:
                assert a == b, (mine.line, field.name)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(PAIRS, 4))
def test_blocks_of_any_length_tell_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for tolerance in (Tolerance(), Tolerance(atol=1e-4)):
        monkeypatch.setattr(differences, "BLOCK", 1 << 30)
        a, b = PAIRS[name]()
        whole = compare(a, b, tolerance)
        for block in (1, 300, 450):  # one step at a time, and two
            monkeypatch.setattr(differences, "BLOCK", block)
            alike(compare(a, b, tolerance), whole)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some([*PAIRS, "alike"], 8))
def test_whether_they_agree_is_what_compare_says(name: str) -> None:
    a, b = PAIRS[name]() if name in PAIRS else (traced({}), traced({}))
    for tolerance in (Tolerance(), Tolerance(atol=1e-4), Tolerance(rtol=1e3, atol=1e3)):
        assert judge(a, b, tolerance) == compare(a, b, tolerance).verdict


@pytest.mark.few(0)
def test_whether_they_agree_is_settled_by_the_first_value_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(differences, "BLOCK", 1)  # a block for each of 4 steps of 6 stages
    blocks = []
    lines = differences.Rederivation.lines

    def counted(self: differences.Rederivation, stage: Any, steps: slice, *more: Any) -> Any:
        blocks.append((stage.scope, steps))
        return lines(self, stage, steps, *more)

    monkeypatch.setattr(differences.Rederivation, "lines", counted)
    assert judge(traced({}), changed(traced({}), "0/forward", "i_t", 1e-3)) == "different"
    assert {scope for scope, _ in blocks} == {"0/forward"}
    assert judge(traced({}), traced({})) == "same"
    assert len({(scope, steps.start) for scope, steps in blocks}) == 4 * 6
