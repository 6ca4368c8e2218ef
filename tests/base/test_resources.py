"""Threads of numpy's products: how many there are in a walk over a large trace, and after it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import walked, weighting
from lstm_trace.base.resources import at_most, blas, threads
from lstm_trace.verification import compare, verify


def put(count: int) -> None:
    """Set the number of threads, and let any thread change it: threadpoolctl obeys one thread at a time."""
    for library in blas().lib_controllers:
        library.set_num_threads(count)
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread()


@pytest.fixture(autouse=True)
def two() -> Iterator[None]:
    before = threads()
    put(2)
    if threads() != 2:
        pytest.skip("numpy's BLAS has one thread, or cannot be told")
    yield
    left = threads()
    put(before)
    assert left == 2


def trace(units: int) -> lt.Trace:
    draw = np.random.default_rng(4)
    weights = {f"W_x{g}": draw.normal(size=(units, 2)) for g in "ifco"}
    weights |= {f"W_h{g}": draw.normal(size=(units, units)) / units for g in "ifco"}
    return lt.run(weights, draw.normal(size=(3, 2)))


def test_the_first_limit_holds_and_none_is_left() -> None:
    with at_most(0):
        assert threads() == 1
        with at_most(2):
            assert threads() == 1
        assert threads() == 1
    with at_most(5):
        assert threads() == 2


def test_who_must_have_one_thread_waits_for_a_higher_limit() -> None:
    held, asked = Event(), Event()
    seen: list[int] = []

    def first() -> None:
        with at_most(2):
            held.set()
            asked.wait(60)
            time.sleep(0.05)  # in which the other one would go on
            seen.append(threads())

    def second() -> None:
        held.wait(60)
        asked.set()
        with at_most(1, wait=True):
            seen.append(threads())

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(first), pool.submit(second)]:
            done.result(60)
    assert seen == [2, 1]
    with at_most(2), at_most(1, wait=True):  # of the same thread, which must not wait for itself
        assert threads() == 2


def test_limits_that_overlap_leave_none() -> None:
    """Each is set and lifted in its own thread, in an order that only the barrier decides."""
    set_first, set_second = Event(), Event()

    def first() -> None:
        with at_most(1):
            set_first.set()
            set_second.wait(10)

    def second() -> int:
        set_first.wait(10)
        with at_most(1):
            seen = threads()
            set_second.set()
            running.result(10)
        return seen

    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(first)
        assert pool.submit(second).result(10) == 1
    assert threads() == 2


@pytest.mark.parametrize(("units", "expected"), [(80, 1), (3, 2)])
@pytest.mark.parametrize("walk", ["verify", "diff", "judge", "gradients"])
def test_a_walk_over_large_arrays_has_one(
    walk: str, units: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def seeing(function: Callable[..., Any]) -> Callable[..., Any]:
        def told(*arguments: Any) -> Any:
            seen.append(threads())
            return function(*arguments)

        return told

    monkeypatch.setattr(verify, "premises", seeing(verify.premises))
    monkeypatch.setattr(compare, "premises", seeing(compare.premises))
    one = trace(units)
    if walk == "verify":
        assert verify.verify(one).verdict == "verified"
    elif walk == "diff":
        assert compare.compare(one, one).verdict == "same"
    elif walk == "judge":
        assert compare.judge(one, one) == "same"
    else:
        walked(one, weighting(one, of="2/h_t[0]"), record=False, visit=lambda *_: seen.append(threads()))
    assert seen
    assert set(seen) == {expected}
