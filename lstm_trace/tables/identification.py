"""What `identify` found, in sentences: the reading that explains the numbers, and what the data cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..mistakes.identify import Identification, Match
from ..mistakes.interpretations import Reading
from ..printable import printable
from ..weights.layouts import LAYOUTS

_CLIPPED = {"gates": "gate inputs", "cell": "the cell state", "output": "the cell state before its output activation"}
_FACTS: dict[str, Callable[[Any], str]] = {
    "order": lambda v: f"gates in the order {', '.join(v)}{_used_by(v)}",
    "input": lambda v: f"input matrices {v}",
    "recurrent": lambda v: f"recurrent matrices {v}",
    "joined": lambda v: f"one kernel for [{'; '.join(v)}]",
    "bias": lambda v: {"used": "biases added", "dropped": "biases dropped", "halved": "biases halved"}.get(
        v, f"only the {v} bias"
    ),
    "forget_bias": lambda v: f"{v:g} added to the forget gate at run time" if v else "nothing added to the forget gate",
    "gate_activation": lambda v: f"gates by {_activation(v)}",
    "activation": lambda v: (
        f"candidate and output by {v}" if isinstance(v, str) else f"candidate by {v[0]}, output by {v[1]}"
    ),
    "peephole": lambda v: "peepholes dropped" if v == "dropped" else f"peepholes in the order {', '.join(v or 'ifo')}",
    "output_peephole": lambda v: f"the output gate sees the {v} cell state",
    "clip": lambda v: "nothing clipped" if v is None else f"{_CLIPPED[v[0]]} clipped to ±{v[1]:g}",
    "direction": lambda v: f"time runs {'backwards' if v == 'reverse' else 'forwards'}",
    "batch_first": lambda v: f"x and the outputs are {'(batch, time, ·)' if v else '(time, batch, ·)'}",
    "backwards": lambda v: f"outputs in the order of {'computing (last step first)' if v else 'time'}",
    "states": lambda v: f"initial states in the order {', '.join(v)}",
    "output": lambda v: f"the outputs are {v}",
}
_ADVICE = {
    "order": "random weights that differ from gate to gate, at least 3 steps, an initial cell state that is not zero",
    "input": "weights that are not symmetric and an input of at least 3 steps",
    "recurrent": "at least 3 steps, or an initial h that is not zero, and recurrent weights that are not symmetric",
    "bias": "biases that are not zero and differ from each other",
    "forget_bias": "at least 2 steps, or an initial cell state that is not zero",
    "gate_activation": "inputs ten times as large, so that the gates reach their ends",
    "activation": "inputs ten times as large",
    "peephole": "at least 3 steps and peephole weights that differ",
    "output_peephole": "an initial cell state that is not zero",
    "clip": "inputs so large that the bound is reached",
    "direction": "an input whose steps differ",
    "batch_first": "different numbers of steps and sequences",
    "backwards": "an input whose steps differ",
    "states": "initial h and c that differ",
    "output": "a cell state far from zero",
    "joined": "an input that differs from h",
}


def _activation(name: str) -> str:
    return {"hard_sigmoid": "hard sigmoid 0.2x + 0.5", "hard_sigmoid_keras": "hard sigmoid x/6 + 0.5"}.get(name, name)


def _used_by(order: str) -> str:
    titles = [
        layout.title.split(",")[0] for layout in LAYOUTS.values() if layout.order == order and not layout.separate
    ]
    return f" ({'; '.join(titles[:3])})" if titles else ""


def fact(name: str, value: Any) -> str:
    """One fact of a reading in words."""
    return _FACTS[name](value)


def sentences(found: Identification) -> Iterator[str]:
    """The answer first, then its error, then what cannot be told."""
    read = found.as_read
    if not found.matches:
        yield f"no layout reproduces these outputs within {found.tolerance:.2g} ({found.tried:,} were tried)"
        for match in found.nearest[:3]:
            yield f"nearest, off by {match.error:.2g}: {_described(match.reading, read.reading)}"
        return
    best = found.matches[0]
    differences = [name for name in best.reading.differences(read.reading) if name != "batch_first"]
    if not differences:
        yield f"the weights were read correctly: {fact('order', best.reading.order)}; off by {best.error:.2g}"
    else:
        for name in differences:
            is_, was = fact(name, getattr(best.reading, name)), fact(name, getattr(read.reading, name))
            yield f"{_subject(name)}: {is_}; read here as: {was}"
        off = f"as read, they are off by {read.error:.2g}"
        yield f"with this layout the outputs are reproduced to {best.error:.2g}; {off}"
    if best.reading.batch_first:
        yield fact("batch_first", True)
    yield from _undecided(found, differences)


def text(found: Identification) -> str:
    """`sentences`, each in a line."""
    return printable("\n".join(sentences(found)))


def _subject(name: str) -> str:
    weights = ("order", "input", "recurrent", "joined")
    return "these weights have" if name in weights else "these numbers" if name == "output" else "the other program has"


def _undecided(found: Identification, differences: list[str]) -> Iterator[str]:
    for name, values in found.undecided.items():
        shown = "; or ".join(fact(name, value) for value in values[:4])
        more = f"; or {len(values) - 4} more" if len(values) > 4 else ""
        yield f"inconclusive, these numbers fit each: {shown}{more}. To decide, use {_ADVICE[name]}"
    if found.undecided and not differences:
        yield "the simplest of the layouts that fit is the one in which they were read"


def _described(reading: Reading, plain: Reading) -> str:
    names = reading.differences(plain)
    return "; ".join(fact(name, getattr(reading, name)) for name in names) or "as they were read"


def as_data(found: Identification) -> dict[str, Any]:
    """The result as plain data: every match with its facts and error."""

    def row(match: Match) -> dict[str, Any]:
        return {"error": match.error, **{name: getattr(match.reading, name) for name in _FACTS}}

    return {
        "explained": bool(found.matches),
        "sentences": list(sentences(found)),
        "tolerance": found.tolerance,
        "as_read": row(found.as_read),
        "matches": [row(m) for m in found.matches],
        "nearest": [row(m) for m in found.nearest],
        "undecided": {name: list(values) for name, values in found.undecided.items()},
    }
