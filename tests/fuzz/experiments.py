"""Values of random cells when something is held, or another input is read, against runs with just that."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.explanation.ablation import ablation
from lstm_trace.explanation.account import account

from .equations import number, runs


def check(rng: random.Random, folder: Path | None = None) -> str:
    """Refused by an error of ours; or every variant has the value of a run of its own."""
    made = runs(rng)
    if made is None:
        return "refused"
    run, x = made
    trace = run()
    address, _ = number(rng, trace)
    place = trace.locate(address)
    alone = x if x.ndim == 2 else x[:, [place.b]]  # a row by itself, as the experiments run it
    here = run(alone)

    def of(told: lt.Trace) -> float:
        return float(told.lines[place.scope][place.line][place.t, 0, place.unit[0]])

    held = rng.choice((None, place.line))  # what is carried, or the line of the value itself
    try:
        found = ablation(trace, address, lines=held)
    except LstmTraceError as error:
        return f"ablation: {type(error).__name__}"
    same(found.value, of(here), address)
    for effect in found.effects:
        same(effect.value, of(run(alone, hold={effect.address: 0.0})), f"{address} with {effect.address} held")
    try:
        occluded = account(trace, address, runs="all", compared=False).occlusion
    except LstmTraceError as error:
        return f"occlusion: {type(error).__name__}"
    if occluded is None:
        return "no occlusion"
    same(occluded.value, of(here), address)
    for step, lost in enumerate(occluded.steps if np.isfinite(of(here)) else ()):
        other = alone.copy()
        other[step] = 0
        with np.errstate(all="ignore"):
            same(lost, of(here) - of(run(other)), f"{address} without step {step}")
    return "same"


def same(found: float, expected: float, where: str) -> None:
    """Raise AssertionError where two values differ in any bit."""
    assert np.array_equal(found, expected, equal_nan=True), f"{where}: {found!r}, expected {expected!r}"
