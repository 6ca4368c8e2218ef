"""Cells of a few equations with fitting weights, of odd shapes too: run, verified, and one number of them derived."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.cell.ops import OPS
from lstm_trace.errors import LstmTraceError

#: Numbers that a person writes; most weights and inputs are of ordinary size, a few run over.
_NUMBERS = ("0", "1", "2", "0.5", "3", "1e-3", "-1", "1e300")
#: Functions of one value, unit by unit and over the units; composite ones with their default values.
_EACH = sorted(
    {op.function for op in OPS.values() if op.function and op.arity == 1 and op.width == "same" and not op.constants}
    | {name for name, made in BUILT_IN.items() if len(made.arguments) - len(made.defaults) == 1 and name != "count"}
)
_REDUCED = ("sum", "mean", "max", "count")
_STATES = ("h_prev", "c_prev", "s_prev")
#: A value beyond these may make a bound infinite, in sums of squares or of their absolute values.
_LARGE = {"float64": 1e100, "float32": 1e15}


def check(rng: random.Random, folder: Path | None = None) -> str:
    """Refused by an error of ours; or verified, and a number of it is explained with just its value."""
    trace = traced(rng)
    if trace is None:
        return "refused"
    status = lt.verify(trace).verdict
    assert status in ("verified", "inconclusive"), f"verify says {status} of the plan {trace.header.plan}"
    assert status == "verified" or ran_over(trace), "inconclusive, though nothing ran over"
    address, value = number(rng, trace)
    found = lt.derivation(trace, address)
    assert np.array_equal(found.value, value, equal_nan=True), address
    json.dumps(found.facts(), allow_nan=False)
    assert str(found)
    return status


class Made(NamedTuple):
    """A cell with weights that fit it."""

    text: str
    weights: dict[str, np.ndarray]
    inputs: int


def traced(rng: random.Random) -> lt.Trace | None:
    """The trace of a random cell; None where it is refused."""
    found = runs(rng)
    return None if found is None else found[0]()


def runs(rng: random.Random) -> tuple[Callable[..., lt.Trace], np.ndarray] | None:
    """Runs of a random cell, over its x or over another, with holds or without, and its x; None where it is refused."""
    made = cell(rng)
    shape = (rng.randint(1, 4), made.inputs) if rng.random() < 0.7 else (rng.randint(1, 3), 2, made.inputs)
    try:
        model = lt.prepare(
            made.weights, cell={"equations": made.text}, dtype=rng.choice(("float64", "float64", "float32"))
        )
        x = _array(rng, *shape)
        plan = rng.choice(("planned", "planned", "lines", "auto"))
        model.run(x, plan=plan)
    except LstmTraceError:
        return None

    def run(x: np.ndarray = x, **how: Any) -> lt.Trace:
        return model.run(x, plan=plan, **how)

    return run, x


def number(rng: random.Random, trace: lt.Trace) -> tuple[str, float]:
    """The address of one recorded number, and the number."""
    stage, line, values = rng.choice([*trace.recorded()])
    t, b, unit = (rng.randrange(size) for size in values.shape)
    return f"{stage.scope}/{trace.span[t]}/{b}/{line.name}[{unit}]", float(values[t, b, unit])


def ran_over(trace: lt.Trace) -> bool:
    """Whether some value of a trace is infinite, no number, or large."""
    return any(not np.all(np.abs(values) < _LARGE[trace.header.dtype]) for *_, values in trace.recorded())


def cell(rng: random.Random) -> Made:
    """Equations whose widths fit, most of them; with states that are carried and read, or carried alone."""
    return _Writer(rng).made()


def _array(rng: random.Random, *shape: int) -> np.ndarray:
    size = rng.choice((1.0, 1.0, 1.0, 1.0, 1e-3, 30.0, 1e200 if rng.random() < 0.1 else 1.0))
    values = [
        rng.choice((0.0, 1.0, -1.0, 0.5)) if rng.random() < 0.2 else rng.gauss(0, size)
        for _ in range(int(np.prod(shape)))
    ]
    return np.array(values).reshape(shape)


class _Writer:
    """Writes expressions of a wanted width, and notes the weights that they read."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.sizes = rng.choices((1, 2, 3), k=2)  # two or one: most widths meet
        self.inputs = rng.choice(self.sizes)
        self.widths = {"x_t": self.inputs}
        self.weights: dict[str, np.ndarray] = {}

    def made(self) -> Made:
        rng = self.rng
        states = {state: self._size() for state in _STATES if rng.random() < 0.4}
        unread = {state for state in states if rng.random() < 0.25}
        self.widths |= {state: width for state, width in states.items() if state not in unread}
        rows = [self._equation(f"v{n}", self._size()) for n in range(rng.randint(1, 4))]
        carried = []
        for state, width in states.items():
            there = [name for name, wide in self.widths.items() if wide == width and name not in states]
            if not there or rng.random() < 0.3:
                rows.append(self._equation(name := f"n_{state[0]}", width))
            else:
                name = rng.choice(there)
            carried.append(f"{state} <- {name}")
        rows += [f"carry: {', '.join(carried)}"] if carried else []
        rows.append(f"output: {rng.choice([row.partition(' = ')[0] for row in rows if ' = ' in row])}")
        text = "\n".join(rows)
        words = set(re.findall(r"\w+", text))
        return Made(text, {name: values for name, values in self.weights.items() if name in words}, self.inputs)

    def _equation(self, name: str, width: int) -> str:
        right = self.value(width, self.rng.randint(0, 3))
        if self.rng.random() < 0.1:
            right = f"({right}) / ({self.value(self._or_one(width), 1)})"
        self.widths[name] = width
        return f"{name} = {right}"

    def _size(self) -> int:
        return self.rng.choice(self.sizes)

    def _or_one(self, width: int) -> int:
        return self.rng.choice((width, width, 1))

    def value(self, width: int, depth: int) -> str:
        """An expression of that width, or of one that broadcasts to it; now and then of another."""
        if self.rng.random() < 0.005:
            width = self._size()
        ways: list[Callable[[int, int], str]] = [
            self._sum,
            self._sum,
            self._product,
            self._matvec,
            self._each,
            self._odd,
        ]
        if width == 1:
            ways += [self._reduced, self._reduced]
        else:
            ways += [self._concat]
        return self.rng.choice(ways)(width, depth - 1) if depth > 0 else self._leaf(width)

    def _leaf(self, width: int) -> str:
        names = [name for name, wide in self.widths.items() if wide == width]
        if width == 1 and self.rng.random() < 0.3:
            return self.rng.choice(_NUMBERS[: None if self.rng.random() < 0.1 else -1])
        if names and self.rng.random() < 0.9:
            return self.rng.choice(names)
        return self._weight(width)

    def _weight(self, *shape: int) -> str:
        same = [name for name, values in self.weights.items() if values.shape == shape]
        if same and self.rng.random() < 0.2:
            return self.rng.choice(same)
        name = f"{'W' if len(shape) == 2 else 'b'}_{len(self.weights)}"
        self.weights[name] = _array(self.rng, *shape)
        return name

    def _sum(self, width: int, depth: int) -> str:
        terms = [
            self.value(width, depth),
            *(self.value(self._or_one(width), depth) for _ in range(self.rng.randint(1, 2))),
        ]
        self.rng.shuffle(terms)
        return terms[0] + "".join(f" {self.rng.choice('+-')} {_closed(term)}" for term in terms[1:])

    def _product(self, width: int, depth: int) -> str:
        parts = [_closed(self.value(width, depth)), _closed(self.value(self._or_one(width), depth))]
        self.rng.shuffle(parts)
        return " * ".join(parts)

    def _matvec(self, width: int, depth: int) -> str:
        """One product, or one of another: `W @ (U @ x)`."""
        inner = self._size()
        of = self.rng.choice([name for name, wide in self.widths.items() if wide == inner] or ["x_t"])
        inner = self.widths[of]
        for wide in [self._size()] * (self.rng.random() < 0.3):
            of, inner = f"({self._weight(wide, inner)} @ {of})", wide
        if self.rng.random() < 0.2:
            return f"{of} @ {self._weight(inner, width)}"
        return f"{self._weight(width, inner)} @ {of}"

    def _each(self, width: int, depth: int) -> str:
        return f"{self.rng.choice(_EACH)}({self.value(width, depth)})"

    def _reduced(self, width: int, depth: int) -> str:
        """Of a vector, or of a number."""
        what = self.value(self._size(), depth) if self.rng.random() < 0.8 else self._leaf(1)
        return f"{self.rng.choice(_REDUCED)}({what})"

    def _concat(self, width: int, depth: int) -> str:
        first = self.rng.randint(1, width - 1)
        return f"concat({self.value(first, depth)}, {self.value(width - first, depth)})"

    def _odd(self, width: int, depth: int) -> str:
        """A choice, a comparison, the larger of two, a part, a sign."""
        one, two, three = (_closed(self.value(w, depth)) for w in (width, self._or_one(width), self._or_one(width)))
        part = one
        if wide := [name for name, there in self.widths.items() if there > width]:
            at = self.rng.randint(0, self.widths[name := self.rng.choice(wide)] - width)
            part = f"{name}[{at}:{at + width}]"
        chosen = f"where({two}, {one}, {three})", f"max({one}, {two})", f"clip({one}, -1, 1)"
        return self.rng.choice((*chosen, f"({one} > {two})", part, f"-{one}"))


def _closed(text: str) -> str:
    return text if text.isidentifier() else f"({text})"
