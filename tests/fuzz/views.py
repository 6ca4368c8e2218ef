"""Everything that reads a trace, one way at a time: each gives text or an error of ours."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError


def _report(format: str) -> Callable[[random.Random, lt.Trace], Any]:
    return lambda rng, trace: trace.report(format, detail=rng.choice(("scalar", "vector", "summary")))


def _number(rng: random.Random, trace: lt.Trace) -> str:
    scope, lines = rng.choice([pair for pair in trace.lines.items() if pair[1]] or [("", {"h_t": None})])
    return f"{scope}/{rng.choice(trace.span)}/0/{rng.choice(list(lines))}[0]"


def _explained(rng: random.Random, trace: lt.Trace) -> Any:
    how = rng.choice(("memory", "gradient", "contribution", "gates", "ablation"))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the table is empty")
        return lt.explain(trace, None if how == "gates" else _number(rng, trace), how).to_frame()


def _drawn(rng: random.Random, trace: lt.Trace) -> Any:
    kind = rng.choice(("states", "unit", "text", "memory", "saturation", "gradient", "contribution", "weights"))
    of = {"of": _number(rng, trace)} if kind in ("memory", "gradient", "contribution") else {}
    figure = getattr(trace.plot, kind)(**of)
    return rng.choice((figure.svg, figure.html, figure.to_vega))()


_WAYS: tuple[Callable[[random.Random, lt.Trace], Any], ...] = (
    *map(_report, ("md", "text", "tex", "html")),
    _explained,
    _drawn,
    lambda rng, trace: trace.report("md", detail="profile"),
    lambda rng, trace: trace.to_frame(rng.choice(("long", "wide", "worked"))),
    lambda rng, trace: lt.verify(trace).verdict,
    lambda rng, trace: lt.diff(trace, trace).same,
    lambda rng, trace: (trace.output, trace.h_n, trace.c_n),
)


def looked_at(rng: random.Random, trace: lt.Trace) -> None:
    """Read the trace in one way; only errors of ours may come of it."""
    way = rng.choice(_WAYS)
    with suppress(LstmTraceError):
        way(rng, trace)
