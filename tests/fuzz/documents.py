"""Traces of random cells in every text format, with their gradients, their differences and their tables."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import numpy as np

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.export.writers import ExportJob, export

from .equations import number, ran_over, traced

_FORMS = ("md", "text", "html", "tex", "typ")
_DETAILS = (None, None, "scalar", "compact", "vector", "summary", "profile")


def check(rng: random.Random, folder: Path) -> str:
    """Each of them is made, and says what the trace says."""
    trace = traced(rng)
    if trace is None:
        return "refused"
    address, value = number(rng, trace)
    written(rng, trace)
    _differs(rng, trace)
    _tabled(rng, trace, folder)
    return _gradients(rng, trace, address) if math.isfinite(value) and not ran_over(trace) else "written, not finite"


def written(rng: random.Random, trace: lt.Trace) -> None:
    """The report in every format of text."""
    detail, language = rng.choice(_DETAILS), rng.choice(("en", "en", "de", "fr", "es", "zh"))
    if detail == "profile" and not trace.stages[0].cell.carry:  # nothing to tell of
        detail = None
    for form in _FORMS:
        assert len(trace.report(form, detail=detail, language=language, everything=rng.random() < 0.2)) > 50


def _differs(rng: random.Random, trace: lt.Trace) -> None:
    """A trace is the same as itself; with another weight it is compared with what it was, and the text is made."""
    same = lt.diff(trace, trace)
    assert same.same or not np.any(trace.valid) or ran_over(trace), "not the same as itself"
    assert str(same)
    there = [(scope, name) for scope, here in trace.parameters.items() for name in here]
    if not there:
        return
    scope, name = rng.choice(there)
    at = ",".join(str(rng.randrange(size)) for size in trace.parameters[scope][name].shape)
    other = lt.edit(trace, {f"{scope}/{name}[{at}]": rng.gauss(0, 1)})
    assert str(lt.diff(trace, other))
    assert lt.verify(other).verdict != "failed"


def _tabled(rng: random.Random, trace: lt.Trace, folder: Path) -> None:
    """A table of one value a row has every value of every line."""
    path = folder / "t.csv"
    export(ExportJob(trace, shape="long"), path)
    with path.open(newline="", encoding="utf-8") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    assert rows == sum(values.size for *_, values in trace.recorded()), f"{rows} rows"


def _gradients(rng: random.Random, trace: lt.Trace, address: str) -> str:
    """The gradient of a number is verified, and its report is written."""
    try:
        back = lt.backward(trace, of=address)
    except LstmTraceError:
        return "written, no gradient"
    status = lt.verify(back).verdict
    assert status == "verified" or ran_over(back), f"verify says {status} of the gradient"
    for form in rng.sample(_FORMS, 2):
        assert len(back.report(form, detail=rng.choice((None, "scalar", "vector")))) > 50
    return f"written, gradient {status}"
