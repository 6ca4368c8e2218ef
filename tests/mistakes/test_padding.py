"""A mistake in a network with padding: with full lengths it is that of a network without lengths, and a sequence in a
padded batch gives what it gives alone, in both directions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.mistakes.identify import Search
from lstm_trace.mistakes.programs import OUTPUT
from lstm_trace.mistakes.trials import Candidate, MistakeRuns
from tests.mistakes.networks import BOTH, B, I, T, weights

Array = np.ndarray
#: The networks: kind, layers, directions, two biases.
CASES: dict[str, tuple[str, int, tuple[str, ...], bool]] = {
    "lstm": ("lstm", 1, ("forward",), False),
    "lstm 2 x 2": ("lstm", 2, BOTH, False),
    "gru, both directions": ("gru", 1, BOTH, True),
}
LENGTHS, ROW = [6, 3, 4], 1  # the sequence that is run alone
#: Rows that read other sequences of a batch, or count the positions of its steps.
OF_THE_BATCH = {
    "input", "input-axes", "initial-of", "initial-of-part", "carried", "skips", "windows", "time",
    "outputs", "output-axes",
}  # fmt: skip
#: Where the directions are joined, `y_t` is what is passed on; with padding it is so in each direction.
MERGED = "output-late:output,y_t"
#: The mistakes that an outsider found to start from zero, or to run on through padding.
FOUND = (
    "carry-late:carryh_prev,h_t", "carry-late:carryc_prev,c_t", "zoneout:h_t,o_t*tanh(c_t),0.3",
    "zoneout:c_t,f_t*c_prev+i_t*c_tilde,0.3", "wiped:carry*", "carry-summed:carryh_prev", "carry-scaled:carry*,0.5",
    "carry-squashed:carryc_prev", "stale-hidden:z_*", "gate-late:c_t,i_t", "input-late", "not-cleared:z_*",
    "term-not-at-first-step:z_i,b_i", "hidden-scaled:0.5", "numbers:float16-of-h", "carried:units-rotated",
)  # fmt: skip


def problem(name: str) -> dict[str, Any]:
    """The arguments of a run of B sequences of T steps."""
    kind, layers, directions, two = CASES[name]
    drawn = np.random.default_rng(5)
    states = ("h0", "c0") if kind == "lstm" else ("h0",)
    shape = (layers * len(directions), B, 4)
    return {
        "source": weights(kind, layers, directions, two), "x": drawn.normal(0, 0.9, (T, B, I)), "cell": kind,
        "plan": "lines", **{state: drawn.normal(0, 0.6, shape) for state in states},
    }  # fmt: skip


def alone(name: str) -> dict[str, Any]:
    """The same for one sequence, without its padding."""
    given = problem(name)
    given |= {state: given[state][:, ROW : ROW + 1] for state in ("h0", "c0") if state in given}
    return given | {"x": given["x"][: LENGTHS[ROW], ROW : ROW + 1]}


def candidates(trace: lt.Trace) -> dict[str, Candidate]:
    return {str(one.mistakes[0]): one for one in Search(trace, {}).candidates()}


def compared(a: lt.Trace, b: lt.Trace, left_out: set[str]) -> tuple[set[str], list[str]]:
    """The mistakes of which outputs were compared, and those whose differ: of each row the first three at each place.

    b: may have padding after the steps of a, and other sequences beside.
    """
    of_a, of_b = candidates(a), candidates(b)
    rows: dict[tuple[str, str], list[str]] = {}
    for key, one in of_a.items():
        placed = one.mistakes[0]
        if key in of_b and placed.mistake.row.key not in left_out and placed.mistake.key != MERGED:
            rows.setdefault((placed.place, placed.mistake.row.key), []).append(key)
    keys = list(dict.fromkeys([key for each in rows.values() for key in each[:3]] + [k for k in FOUND if k in of_b]))
    place = a.stages[-1].scope, OUTPUT
    runs = (MistakeRuns(trace, [place]).run([own[k] for k in keys]) for trace, own in ((a, of_a), (b, of_b)))
    row = slice(None) if b.batch == a.batch else slice(ROW, ROW + 1)
    differ = [
        key for key, one, two in zip(keys, *runs, strict=True)
        if not np.allclose(one[place], two[place][: a.steps, row], atol=1e-9, equal_nan=True)
    ]  # fmt: skip
    return {of_a[key].mistakes[0].mistake.key for key in keys}, differ


@pytest.mark.few(1)
@pytest.mark.parametrize("name", CASES)
def test_full_lengths_change_no_mistake(name: str) -> None:
    given = problem(name)
    none, full = lt.run(**given), lt.run(**given, lengths=[T] * B)
    keys, differ = compared(none, full, set())
    assert differ == []
    assert len({key.partition(":")[0] for key in keys}) > 70
    assert {*FOUND} <= keys or name.startswith("gru")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", CASES)
def test_a_sequence_in_a_padded_batch_has_the_mistake_that_it_has_alone(name: str) -> None:
    one, batch = lt.run(**alone(name)), lt.run(**problem(name), lengths=LENGTHS)
    keys, differ = compared(one, batch, OF_THE_BATCH)
    assert differ == []
    assert len({key.partition(":")[0] for key in keys}) > 60


@pytest.mark.few(5)
@pytest.mark.parametrize("key", [key for key in FOUND if not key.startswith(("numbers", "carried"))])
def test_a_run_with_a_mistake_leaves_padding_alone(key: str) -> None:
    name = "lstm 2 x 2"
    given = problem(name)
    none, full = (lt.run(**given, mistake=key, **more).output for more in ({}, {"lengths": [T] * B}))
    np.testing.assert_allclose(full, none, atol=1e-12)
    one, batch = lt.run(**alone(name), mistake=key), lt.run(**given, mistake=key, lengths=LENGTHS)
    np.testing.assert_allclose(batch.output[: LENGTHS[ROW], ROW], one.output[:, 0], atol=1e-12)
    assert np.abs(one.output - lt.run(**alone(name)).output).max() > 1e-4
    assert lt.verify(batch).verdict == "verified"


def test_a_late_state_begins_with_the_initial_one_in_identify_too() -> None:
    given = problem("lstm")
    expected = lt.run(**given, mistake="carry-late:carryh_prev,h_t").output
    arguments = {name: value for name, value in given.items() if name not in ("source", "x", "plan")}
    found = lt.identify(given["source"], given["x"], expected, lengths=[T] * B, **arguments)
    assert [str(one) for one in found.found[0].mistakes] == ["carry-late:carryh_prev,h_t"]


def padding_rows(found: Mapping[str, Candidate]) -> dict[str, str]:
    """What the mistakes about padding make of the carried h."""
    return {
        key: str(dict(one.programs["0/forward"].changes)["carry h_prev"])
        for key, one in found.items() if key.startswith(("lengths-ignored", "padding-", "wiped:carryh"))
        and "carry h_prev" in dict(one.programs["0/forward"].changes)
    }  # fmt: skip


def test_only_mistakes_about_padding_rewrite_what_is_done_there() -> None:
    rows = padding_rows(candidates(lt.run(**problem("lstm"), lengths=LENGTHS)))
    assert rows["padding-read:carryh_prev"] == rows["lengths-ignored"] == "h_t"
    assert rows["padding-zeroed:carryh_prev"] == "where(valid, h_t, 0)"
    assert rows["wiped:carryh_prev"] == "where(valid, 0 * h_t, h_prev)"
