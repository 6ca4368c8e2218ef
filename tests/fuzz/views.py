"""Everything that reads a trace, one way at a time: each gives text or an error of ours."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError


def _report(format: str) -> Callable[[random.Random, lt.Trace], Any]:
    return lambda rng, trace: trace.report(format, detail=rng.choice(("scalar", "vector", "summary")))


def _explained(rng: random.Random, trace: lt.Trace) -> Any:
    scope, lines = rng.choice([pair for pair in trace.lines.items() if pair[1]] or [("", {"h_t": None})])
    at = f"{scope}/{rng.choice(trace.span)}/0/{rng.choice(list(lines))}[0]"
    how = rng.choice(("memory", "gradient", "contribution", "gates"))
    return lt.explain(trace, None if how == "gates" else at, how)


_WAYS: tuple[Callable[[random.Random, lt.Trace], Any], ...] = (
    *map(_report, ("md", "text", "tex", "html")),
    _explained,
    lambda rng, trace: trace.to_frame(rng.choice(("long", "wide", "worked"))),
    lambda rng, trace: lt.verify(trace).status,
    lambda rng, trace: lt.diff(trace, trace).same,
    lambda rng, trace: (trace.output, trace.h_n, trace.c_n),
)


def looked_at(rng: random.Random, trace: lt.Trace) -> None:
    """Read the trace in one way; only errors of ours may come of it."""
    way = rng.choice(_WAYS)
    with suppress(LstmTraceError):
        way(rng, trace)
