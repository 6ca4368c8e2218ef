"""The bound that is carried on through derived lines covers what operands that are off really do to a line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lstm_trace.cell.lines import Line
from lstm_trace.cell.ops import OPS
from lstm_trace.verification.propagation import _ROUNDED, _SQUASHING, Derived, Known
from lstm_trace.verification.rederive import differing

CONSTANTS: dict[str, tuple[float, ...]] = {"clip": (-0.5, 0.75), "slice": (1.0, 3.0)}
#: Operations that only choose, copy or turn numbers: nothing is rounded.
EXACT = {"neg", "copy", "relu", "clip", "floor", "where", "maximum", "max", "concat", "slice", "greater"}


def operands(name: str, rng: np.random.Generator) -> list[Any]:
    """(5 steps, 2 rows, 3 units); a matrix (4, 3); positive ones where the function needs them."""
    count = OPS[name].arity or 3
    found = [rng.normal(size=(5, 2, 3)) for _ in range(count)]
    if name == "matvec":
        found[0] = rng.normal(size=(4, 3))
    if name == "vecmat":
        found[1] = rng.normal(size=(3, 4))
    if name in ("log", "sqrt", "div"):
        found[-1] = np.abs(found[-1]) + 0.5
    if name == "where":
        found[0] = (found[0] > 0).astype(float)
    return found


@pytest.mark.few(8)
@pytest.mark.parametrize(
    ("name", "reach"),
    [
        (name, reach) for name in OPS for reach in (1e-9, 1e-3, 0.2) if (name, reach) != ("div", 0.2)
    ],  # first order alone
)
def test_no_nearby_operands_leave_the_bound(name: str, reach: float) -> None:
    op, rng = OPS[name], np.random.default_rng(11)
    signs = (1.0, -1.0, 1.0)
    defaults = tuple(1.0 if value is None else value for _, value in op.constants)
    constants = signs if name == "add" else CONSTANTS.get(name, defaults)
    given = operands(name, rng)
    line = Line("y", name, tuple(f"v{k}" for k in range(len(given))), constants)
    if name == "greater":  # half of the pairs so close that it may hold or not
        given[1][:3] = given[0][:3] + reach * rng.uniform(-1, 1, size=(3, 2, 3))
    if name == "floor":  # half of the numbers so close to a whole one that it may jump
        given[0][:3] = np.round(given[0][:3]) + reach * rng.uniform(-1, 1, size=(3, 2, 3))
    exact = {"matvec": {0}, "where": {0}, "vecmat": {1}}.get(name, set())
    off = [0.0 if k in exact else reach * rng.uniform(size=v.shape) for k, v in enumerate(given)]
    known = Derived(line, [Known(v, o) for v, o in zip(given, off, strict=True)], "float64", np.float64)
    limit = np.broadcast_to(known.limit, np.shape(known.value))
    for _ in range(200):
        moved = [v + o * rng.choice([-1, 1, rng.uniform(-1, 1)], size=v.shape) for v, o in zip(given, off, strict=True)]
        gap = np.abs(op.array(moved, constants) - known.value)
        assert (gap <= limit + 1e-15).all()
        largest = gap.max()
    if name in ("greater", "floor"):
        assert set(np.unique(limit)) == {0.0, 1.0}
    else:
        assert limit.max() < 1e3 * reach + 1e-13
    assert largest > 0


@pytest.mark.parametrize("name", ["matvec", "vecmat"])
def test_a_matrix_that_is_off_counts_too(name: str) -> None:
    rng = np.random.default_rng(12)
    given = operands(name, rng)
    off = [0.1 * rng.uniform(size=v.shape) for v in given]
    line = Line("y", name, ("a", "b"))
    known = Derived(line, [Known(v, o) for v, o in zip(given, off, strict=True)], "float64", np.float64)
    gaps = []
    for _ in range(200):
        moved = [v + o * rng.choice([-1, 1], size=v.shape) for v, o in zip(given, off, strict=True)]
        gaps.append(np.abs(OPS[name].array(moved, ()) - known.value))
    limit = np.asarray(known.limit)
    assert (np.max(gaps, axis=0) <= limit).all()
    assert (np.max(gaps, axis=0) > 0.1 * limit).any(), "not so wide that it says nothing"


def test_where_counts_both_values_where_its_condition_may_be_zero() -> None:
    condition, a, b = (np.reshape(v, (1, 1, 3)) for v in ([1.0, 1.0, 0.0], [2.0, 2.0, 2.0], [5.0, 5.0, 5.0]))
    off = np.reshape([0.0, 1.0, 1.0], (1, 1, 3))
    line = Line("y", "where", ("c", "a", "b"))
    known = Derived(line, [Known(condition, off), Known(a), Known(b)], "float64", np.float64)
    assert np.ravel(known.limit).tolist() == [0, 3, 3]


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_a_wave_that_turns_within_reach_is_bounded_and_not_by_much(name: str) -> None:
    """Where the slope is 0 it bounds nothing, and far away the wave comes back."""
    turns = np.pi / 2 * np.arange(-4, 5)
    a = np.concatenate([turns, turns + 1e-4, np.random.default_rng(5).uniform(-20, 20, 200)])[None, None]
    for reach in (1e-12, 1e-6, 1e-3, 0.1, 0.5, 1.0, 2.0, 10.0):
        known = Derived(Line("y", name, ("a",)), [Known(a, np.full(a.shape, reach))], "float64", np.float64)
        near = np.linspace(-reach, reach, 201)[:, None, None]
        far = np.abs(getattr(np, name)(a + near) - known.value).max(axis=0)
        assert (far <= np.asarray(known.limit) + 1e-15).all()
        assert (np.asarray(known.limit) <= 2 * far + 4e-15).all()


def test_a_step_is_as_high_as_the_whole_numbers_within_reach() -> None:
    a, off = np.array([[[0.5, 0.5, 0.9, 1.0, -0.1, 3.0, np.inf]]]), np.array([[[0.4, 0.5, 2.5, 1e-9, 0.2, 0.0, 0.0]]])
    known = Derived(Line("y", "floor", ("a",)), [Known(a, off)], "float64", np.float64)
    with np.errstate(all="ignore"):
        assert np.ravel(known.limit).tolist() == [0, 1, 3, 1, 1, 0, 0]


def test_every_operation_has_its_rounding() -> None:
    """A new operation must say what it rounds: by its ulp, as a sum, once, or not at all."""
    exact = {name for name, op in OPS.items() if op.ulp == 0}
    assert exact == {"add"} | _ROUNDED | EXACT
    assert set(OPS) >= _SQUASHING


@pytest.mark.parametrize(
    ("one", "two", "wanted"),
    [
        ([1.0, np.nan, np.nan, np.inf], [1.0, np.nan, 2.0, np.inf], [False, False, True, False]),
        ([1.0, 2.0, 0.1, -np.inf], [np.nan, 2.0, float(np.float32(0.1)), np.inf], [True, False, False, True]),
    ],
)
def test_premises_differ_where_one_is_a_number_and_the_other_is_none(
    one: list[float], two: list[float], wanted: list[bool]
) -> None:
    assert differing(np.array(one), np.array(two), np.float32).tolist() == wanted
