"""The ports that the search is tested with: right without their bugs, each bug shows, each has its say."""

from __future__ import annotations

import re
from itertools import combinations

import numpy as np
import pytest

import lstm_trace as lt

from ..support.ports import (
    BUGS,
    CONTROLS,
    FOURTH,
    FRESH,
    FRESH_CONTROLS,
    FRESH_HOPELESS,
    HOPELESS,
    PAIRS,
    THIRD,
    WORDS,
    Bug,
    Model,
    draw,
    drawn,
    right,
)

WRONG = [*BUGS, *PAIRS, *FRESH, *THIRD, *FOURTH]
RIGHT = [*CONTROLS, *FRESH_CONTROLS]
NAMELESS = [*HOPELESS, *FRESH_HOPELESS]
ALL = [*WRONG, *RIGHT, *NAMELESS]
MODELS = list({repr(bug.model): bug.model for bug in ALL}.values())
#: What an explanation may name beside the lines and weights of a case, and `WORDS`.
PARTS = {"W_x", "W_h", "h_prev", "c_prev", "W_hh @ h_prev"}

named = pytest.mark.parametrize("bug", ALL, ids=[bug.name for bug in ALL])


@pytest.mark.few(4)
@pytest.mark.parametrize("model", MODELS, ids=[f"{m.kind} {n}" for n, m in enumerate(MODELS)])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_port_without_bug_is_right(model: Model, seed: int) -> None:
    given = draw(model, seed)
    h, lines = right(model, given)
    cell = {"kind": model.kind, **model.options}
    trace = lt.run(given.weights, given.x, given.h0, given.c0, cell=cell, lengths=given.lengths)
    np.testing.assert_allclose(trace.output, h, rtol=0, atol=1e-13 * max(1, abs(h).max()))
    for scope, found in lines.items():
        for name, value in found.items():
            bound = 1e-13 * max(1, abs(value).max())
            np.testing.assert_allclose(trace[f"{scope}/{name}"], value, rtol=0, atol=bound, err_msg=f"{scope}/{name}")


def distance(bug: Bug, seed: int) -> float:
    """How far off h is, in roundings of the type that it is printed in."""
    printed = drawn(bug, seed).values.h
    h = right(bug.model, draw(bug.model, seed)).h
    if h.shape != printed.shape:
        return np.inf
    return float(abs(printed - h).max() / (np.finfo(printed.dtype).eps * max(1, abs(h).max())))


@pytest.mark.few(2)
@pytest.mark.parametrize("seed", range(4))
def test_every_bug_shows_in_h(seed: int) -> None:
    hidden = {bug.name: off for bug in [*WRONG, *NAMELESS] if (off := distance(bug, seed)) < 100}
    assert not hidden


@pytest.mark.parametrize("seed", range(4))
def test_controls_are_right(seed: int) -> None:
    off = {bug.name: distance(bug, seed) for bug in RIGHT}
    assert max(off.values()) < 16, off
    assert any(off.values())


def test_no_two_bugs_are_the_same() -> None:
    """But for `FOURTH`: a sample of what happens has the same bug twice."""
    for model in MODELS:
        printed = [(bug.name, drawn(bug, 2).values.h) for bug in [*BUGS, *FRESH, *THIRD] if bug.model == model]
        for (a, h_a), (b, h_b) in combinations(printed, 2):
            assert h_a.shape != h_b.shape or abs(h_a - h_b).max() > 1e-5, (a, b)


@named
def test_what_it_touches_has_a_name(bug: Bug) -> None:
    case = drawn(bug, 0)
    names = {key.rsplit("/", 1)[1] for key in case.weights} | {n for found in case.values.lines.values() for n in found}
    touched = {word for touch in bug.touches for word in touch.split("|")}
    assert touched <= names | WORDS | PARTS
    assert bool(touched) == (bug in WRONG)
    assert re.search(r"\w \w", bug.says)


def test_a_case_is_what_the_brief_of_a_search_needs() -> None:
    sizes = set()
    for bug in ALL:
        for seed in (0, 1):
            case = drawn(bug, seed)
            steps, rows, _ = case.x.shape
            assert steps >= 3
            assert rows >= 2
            assert case.h0.any() == bug.model.states
            assert np.isfinite(case.values.h).all()
            assert (case.lengths is not None) == bug.model.lengths
            sizes.add(case.x.shape)
    assert len(sizes) > 1
    assert (len(BUGS) >= 60, len(CONTROLS) >= 10, len(HOPELESS)) == (True, True, 6)
    assert (len(FRESH), len(FRESH_CONTROLS), len(FRESH_HOPELESS)) == (30, 5, 5)
    assert (len(THIRD), len(FOURTH)) == (30, 30)
    assert len({bug.name for bug in ALL}) == len(ALL)


@pytest.mark.few(0)
@pytest.mark.parametrize(("blind", "known"), [(FRESH, BUGS), (THIRD, [*BUGS, *FRESH])], ids=["fresh", "third"])
def test_a_fresh_bug_is_none_of_the_others(blind: list[Bug], known: list[Bug]) -> None:
    """On its own model no other port has its output, so that the blind test asks for something new."""
    for fresh in blind:
        given = draw(fresh.model, 2)
        h = fresh.port(fresh.model, given).run().h
        for bug in known:
            if bug.model.kind != fresh.model.kind:
                continue
            try:
                other = bug.port(fresh.model, given).run().h
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                continue
            assert h.shape != other.shape or abs(h - other).max() > 1e-5, (fresh.name, bug.name)


def test_a_draw_is_the_same_twice() -> None:
    for bug in (BUGS[0], PAIRS[0], HOPELESS[0], *FRESH_HOPELESS):
        first, second = drawn(bug, 3), drawn(bug, 3)
        np.testing.assert_array_equal(first.values.h, second.values.h)
        assert drawn(bug, 5).x.shape != first.x.shape
