"""Each row of the table does something, names something, and has its own effect."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.mistakes.programs import OUTPUT, Mistake, program_of, row_mistakes
from lstm_trace.mistakes.table import ROWS, MistakeRow
from lstm_trace.mistakes.trials import Candidate, MistakeRuns, PlacedMistake
from tests.mistakes.equal import FILE, groups, written
from tests.mistakes.networks import NETWORKS, network


@cache
def right(name: str, scale: float) -> lt.Trace:
    return network(name, scale=scale)


def instances(row: MistakeRow, trace: lt.Trace) -> Iterator[Candidate]:
    """The mistakes that one row makes of a network, everywhere that they fit."""
    runs = MistakeRuns(trace, ())
    found: dict[str, dict[str, Mistake]] = {}
    for stage in trace.stages:
        for mistake in row_mistakes(row, program_of(stage.cell)):
            if not mistake.program.words or runs.applies(stage, *mistake.program.words[-1]):
                found.setdefault(mistake.key, {})[stage.scope] = mistake
    for here in found.values():
        programs = {scope: mistake.program for scope, mistake in here.items()}
        yield Candidate(programs, (PlacedMistake("", next(iter(here.values()))),))


@pytest.mark.parametrize("key", ROWS)
def test_a_row_changes_the_output_of_some_network(key: str) -> None:
    for scale in (1.0, 100.0):
        for name in NETWORKS:
            trace = right(name, scale)
            place = trace.stages[-1].scope, OUTPUT
            for found in MistakeRuns(trace, [place]).run([*instances(ROWS[key], trace)]):
                values = found[place]
                if values.shape != trace.output.shape or not np.allclose(values, trace.output, atol=1e-9):
                    return
    pytest.fail(f"{key} changes nothing in any of the networks: it never applies, or has no effect")


@pytest.mark.few(0)
def test_a_row_names_a_mistake_that_no_row_before_it_names() -> None:
    named = {
        one.row.key
        for name in NETWORKS
        for s in right(name, 1.0).stages
        for one in program_of(s.cell).mistakes.values()
    }
    assert not [key for key in ROWS if key not in named], "rows before these do the same to every cell"


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_mistakes_differ_unless_they_are_known_to_be_equal(name: str) -> None:
    text = FILE.read_text(encoding="utf-8").partition(f"== {name}\n")[2].partition("\n\n")[0].splitlines()
    found = written(groups(name)).splitlines()
    advice = "python -m tests.mistakes.equal writes them: are these mistakes the same in mathematics?"
    assert [line for line in found if line not in text] == [], advice
    assert [line for line in text if line not in found] == [], advice
