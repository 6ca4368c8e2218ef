"""Traces whose profiles differ in what there is to say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

from .planted import planted
from .table_cases import stacked


def cell(kind: str, letters: str, units: int = 3, steps: int = 20, layers: int = 1, **arguments: Any) -> Trace:
    """A cell of a kind with random weights, over two rows."""
    draw = np.random.default_rng(2)
    weights = {f"W_{s}{g}": draw.normal(size=(units, units if s == "h" else 2)) for s in "xh" for g in letters}
    if layers > 1:  # of two inputs and outputs
        weights = {f"{n}/forward/{name}": array for n in range(layers) for name, array in weights.items()}
    return lt.run(weights, draw.normal(size=(steps, 2, 2)), cell=kind, **arguments)


def labelled(*labels: str) -> Trace:
    """A trace whose units and steps are called by texts that may be anything."""
    trace = stacked(20, 1, 1, 3, ("forward",))
    tokens = tuple(labels[k % len(labels)] for k in range(20))
    names = {"h": [*labels, "unit", "unit", "unit"][:3]}
    return replace(trace, header=replace(trace.header, step_labels=(tokens,), names=names))


def broken() -> Trace:
    """A trace with a value that is no number."""
    trace = stacked(20, 2, 1, 3)
    trace.lines["0/forward"]["c_t"][5, 1, 0] = np.nan
    return trace


def dead() -> Trace:
    """A trace in which most units are dead, and most gates shut."""
    draw = np.random.default_rng(3)
    weights: dict[str, Any] = {f"W_x{g}": draw.normal(size=(30, 2)) for g in "ifco"}
    weights |= {f"W_h{g}": np.zeros((30, 30)) for g in "ifco"} | {f"b_{g}": np.zeros(30) for g in "ifco"}
    weights["b_o"][:20] = -20
    weights["b_i"][25:] = 20
    return lt.run(weights, draw.normal(size=(20, 2)))


CASES: dict[str, Callable[[], Trace]] = {
    "planted": lambda: planted(120),
    "stack": lambda: stacked(20, 3, 2, 4, lengths=[20, 7, 0]),
    "mask": lambda: stacked(18, 2, 1, 4, mask=np.arange(36).reshape(18, 2) % 3 > 0),
    "deep": lambda: stacked(17, 1, 14, 2, ("forward",)),
    "wide": lambda: stacked(2, 1, 1, 40),
    "one-step": lambda: stacked(1, 1, 1, 40, ("reverse",)),
    "gru": lambda: cell("gru", "ruh"),
    "rnn": lambda: cell("rnn", "h"),
    "rnns": lambda: cell("rnn", "h", 2, layers=2),
    "slstm": lambda: cell("slstm", "ifco"),
    "own": lambda: lt.run(
        {"k": [0.5, 1.0]}, np.ones((18, 2)), cell={"equations": "s_t = k * s_prev + x_t\ncarry: s_prev <- s_t"}
    ),
    "hidden": lambda: cell("lstm", "ifco", record=["h_t"]),
    "gates": lambda: cell("lstm", "ifco", record=["f_t", "i_t"]),
    "nothing": lambda: cell("lstm", "ifco", record=["z_i"]),
    "labelled": lambda: labelled("<b>", " \n", "\u202eevil", "$x$ `a` | \\", "a" * 50, "字" * 20),
    "few-tokens": lambda: planted(17),
    "broken": broken,
    "dead": dead,
    "window": lambda: planted(120).at(steps=slice(40, 90)),
    "padding": lambda: stacked(20, 2, 1, 3, lengths=[0, 0]),
}


def shown() -> Iterator[str]:
    """Profiles in which every string of theirs is shown."""
    yield from (case().report("md", detail="profile", batch=0) for case in CASES.values())
    yield from (CASES[case]().report("md", detail="profile") for case in ("deep", "stack"))
    trace = CASES["stack"]()
    yield replace(trace, header=replace(trace.header, agreement=("agrees with what a file says",))).report(
        "md", detail="profile"
    )
