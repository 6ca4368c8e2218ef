"""Whether the sentences are true: their numbers are read and held against an LSTM in plain numpy, by hypothesis."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt

#: How far a printed number may be off: half of its last digit, and what float64 rounds.
DIGITS = 6
NEAR = 0.5 * 10**-DIGITS + 1e-12

_SHARE = r"(?:less than |more than )?\d+ %"
_COURSE = rf"{_SHARE}(?: each time|(?:, then {_SHARE})*)"
_NUMBER = r"-?\d+(?:\.\d+)?(?:e-?\d+)?"


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


class Oracle:
    """The run of an LSTM, unit by unit, with what each step wrote and kept."""

    def __init__(self, weights: dict[str, Any], x: Any, h: Any, c: Any) -> None:
        self.start = c
        self.i: list[Any] = []
        self.f, self.o, self.new, self.c, self.h, self.old = ([*self.i] for _ in range(6))
        for row in x:
            i, f, o, new = (weights[f"W_x{g}"] @ row + weights[f"W_h{g}"] @ h for g in "ifoc")
            i, f, o, new = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(new)
            self.old.append(c)
            c = f * c + i * new
            h = o * np.tanh(c)
            for found, value in zip(
                (self.i, self.f, self.o, self.new, self.c, self.h), (i, f, o, new, c, h), strict=True
            ):
                found.append(value)

    def left(self, j: int) -> list[tuple[float, float]]:
        """(what was written, what is left of it at the end) of the start and of each step."""
        parts = []
        for s, written in enumerate([self.start[j], *(i[j] * new[j] for i, new in zip(self.i, self.new, strict=True))]):
            parts.append((written, written * float(np.prod([f[j] for f in self.f[s:]]))))
        return parts


def runs() -> Any:
    number = st.integers(-20, 20).map(lambda n: n / 10)

    def arrays(shape: tuple[int, ...]) -> Any:
        size = int(np.prod(shape))
        return st.lists(number, min_size=size, max_size=size).map(lambda found: np.reshape(found, shape))

    @st.composite
    def run(draw: Any) -> tuple[dict[str, Any], Any, Any, Any]:
        units, inputs, steps = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(1, 4))
        weights = {f"W_x{g}": draw(arrays((units, inputs))) for g in "ifco"}
        weights |= {f"W_h{g}": draw(arrays((units, units))) for g in "ifco"}
        zero = draw(st.booleans())
        h, c = (np.zeros(units) if zero else draw(arrays((units,))) for _ in range(2))
        return weights, draw(arrays((steps, inputs))), h, c

    return run()


def shares(course: str, count: int) -> list[str]:
    """The shares of a course, one for each step."""
    if course.endswith(" each time"):
        return [course.removesuffix(" each time")] * count
    return course.split(", then ")


def fits(text: str, value: float) -> bool:
    """Whether a printed share is the value."""
    if text == "less than 1 %":
        return 0 < value < 0.005 + 1e-12
    if text == "more than 99 %":
        return 0.995 - 1e-12 < value < 1
    return abs(float(text.removesuffix(" %")) / 100 - value) <= 0.005 + 1e-12


def courses(sentence: str, units: int) -> dict[int, str]:
    """The course of each unit: those of which the same is said stand together, or it is said of every unit."""
    found: dict[int, str] = {}
    for course, who in re.findall(
        rf"({_COURSE})((?: in (?:every unit|unit \d+(?:(?:, |,? and )unit \d+)*))?)", sentence
    ):
        those = [int(n) for n in re.findall(r"\d+", who)] or list(range(units))
        found |= dict.fromkeys(those, course)
    return found


@pytest.mark.few(0)
@given(runs())
@settings(max_examples=120, deadline=None)
def test_every_number_that_is_told_is_so(run: tuple[dict[str, Any], Any, Any, Any]) -> None:
    weights, x, h, c = run
    units, steps = len(h), len(x)
    trace = lt.run(weights, x, h0=h, c0=c)
    text = trace.report("text", digits=DIGITS, width=10_000).replace("\u00a0", " ").rpartition("In words\n")[2]
    sentences = [row.removeprefix("- ") for row in text.splitlines() if row.startswith("- ")]
    oracle = Oracle(weights, x, h, c)
    idle = [t for t in range(steps) if not np.any(oracle.old[t])]
    met = set()
    for sentence in sentences:
        gates = {
            "Of the candidate, the input gate lets in ": oracle.i,
            "Of tanh(c_t), the output gate lets out ": oracle.o,
            "Of the old cell state, the forget gate keeps ": oracle.f,
            "The forget gate would keep ": oracle.f,
        }
        for opening, values in gates.items():
            if not sentence.startswith(opening):
                continue
            met.add(opening[:30])
            told = list(range(steps))
            if "keeps" in opening:
                told = [t for t in told if t not in idle]
                assert ("there is nothing to forget" in sentence) == bool(idle)
            if "would" in opening:
                assert len(idle) == steps
            if "input gate" in opening and not any(map(np.any, oracle.new)):
                continue
            found = courses(sentence.removeprefix(opening).split(". ")[0], units)
            assert found.keys() == set(range(units)), sentence
            for j, course in found.items():
                there = shares(course, len(told))
                assert len(there) == len(told), sentence
                assert all(fits(share, float(values[t][j])) for share, t in zip(there, told, strict=True)), sentence
        written = rf"Step (?P<step>\d+) wrote (?P<new>{_NUMBER}) into unit (?P<into>\d+)"
        held = rf"Unit (?P<unit>\d+) held (?P<old>{_NUMBER}) before step 0"
        rest = rf"(?P<left>{_NUMBER}) of it remains at step (?P<end>\d+) \((?P<kept>{_COURSE}) kept\)"
        ledger = rf"(?:{written}|{held}); {rest}\.$"
        if match := re.match(ledger, sentence):
            met.add("ledger")
            j = int(match["into"] or match["unit"])
            s = -1 if match["step"] is None else int(match["step"])
            parts = oracle.left(j)
            assert int(match["end"]) == steps - 1
            assert abs(float(match["new"] or match["old"]) - parts[s + 1][0]) <= NEAR
            assert abs(float(match["left"]) - parts[s + 1][1]) <= NEAR + 1e-4 * abs(parts[s + 1][1])
            assert abs(parts[s + 1][1]) >= max(abs(left) for _, left in parts[:-1]) - 1e-12  # the largest of all
            kept = [float(f[j]) for f in oracle.f[s + 1 :]]
            assert all(fits(share, f) for share, f in zip(match["kept"].split(", then "), kept, strict=True)), sentence
        for old, new, j, kept, written in re.findall(
            rf"from ({_NUMBER}) to ({_NUMBER})(?: in unit (\d+))? \(({_NUMBER}) kept, ({_NUMBER}) written\)", sentence
        ):
            met.add("moved")
            unit, t = int(j or 0), steps - 1
            expected = [oracle.old[t][unit], oracle.c[t][unit], oracle.f[t][unit] * oracle.old[t][unit],
                        oracle.i[t][unit] * oracle.new[t][unit]]  # fmt: skip
            assert np.allclose([float(n) for n in (old, new, kept, written)], expected, atol=NEAR, rtol=1e-4), sentence
        if re.search("[Tt]he hidden state is ", sentence):
            met.add("shows")
            text = rf"({_NUMBER})((?: in (?:every unit|[^(]*\d))?) \((.*?) of tanh\(({_NUMBER})\)\)"
            for shown, those, share, state in (found := re.findall(text, sentence)):
                for j in [int(n) for n in re.findall(r"\d+", those)] or range(units):
                    expected = [oracle.h[-1][j], oracle.c[-1][j]]
                    assert np.allclose([float(shown), float(state)], expected, atol=NEAR, rtol=1e-4), sentence
                    assert fits(share, float(oracle.o[-1][j])), sentence
            assert found, sentence
        if "holds only what was written" in sentence:
            met.add("new")
    assert {"Of the candidate, the input gat"[:30]} & met or not any(map(np.any, oracle.new))
    assert {"ledger", "moved", "new"} & met, text
    assert "shows" in met
