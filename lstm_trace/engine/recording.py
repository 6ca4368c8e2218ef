"""What a run stores: which lines of which layers at which steps. The rest is computed all the same, where needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from ..cell.network import Stage, scope_and_name
from ..errors import MissingError, OptionError, nearest, raise_all, within
from ..trace.address import Address, is_whole, positions, window

#: The parts of `record=` as a mapping.
PARTS = ("lines", "layers", "steps")


class Record(NamedTuple):
    """A choice of lines, by name or as `layer/direction/name`, of layers, and of steps; None is all of them.

    steps: begin and end of steps that are next to each other, as in a slice.
    """

    lines: tuple[str, ...] | None = None
    layers: tuple[int, ...] | None = None
    steps: tuple[int | None, int | None] | None = None


EVERYTHING = Record()


def read_record(record: Any) -> Record:
    """What `record=` means: None, a name, names, or `{"lines": names, "layers": numbers, "steps": a slice}`.

    steps: a slice or range of positions in the input, or one of them; negative ones count from the end. Raises
    OptionError.

    >>> read_record(["c_t", "h_t"])
    Record(lines=('c_t', 'h_t'), layers=None, steps=None)
    >>> read_record({"layers": 1, "steps": slice(-3, None)})
    Record(lines=None, layers=(1,), steps=(-3, None))
    """
    if record is None:
        return EVERYTHING
    if isinstance(record, Record):
        return record
    parts: Mapping[str, Any] = record if isinstance(record, Mapping) else {"lines": record}
    unknown = (part for part in parts if part not in PARTS)
    raise_all(OptionError, (f"record has no part {p!r}{nearest(str(p), PARTS, 'it has')}" for p in unknown))
    lines, layers = _listed(parts.get("lines"), str), _listed(parts.get("layers"), int)
    if lines is not None and not all(isinstance(name, str) for name in lines):
        raise OptionError(f"record: lines are names; found {record!r}")
    if layers is not None and not all(map(is_whole, layers)):
        raise OptionError(f"record: layers are whole numbers; found {record!r}")
    steps = parts.get("steps")
    with within("record"):
        return Record(lines, layers and tuple(map(int, layers)), None if steps is None else window(steps))


def _listed(value: Any, kind: type) -> tuple[Any, ...] | None:
    if value is None:
        return None
    return (value,) if isinstance(value, kind) or not isinstance(value, Iterable) else tuple(value)


def recorded(
    record: Record, stages: Sequence[Stage], asked: Iterable[tuple[str, str]] = ()
) -> dict[str, tuple[str, ...]]:
    """By scope the lines that are stored, in computing order.

    asked: (scope, line) of what was asked for, which is stored in any case. Raises MissingError for what is not
    computed.
    """
    problems, always = [], set(asked)
    known = {line.name: None for stage in stages for line in stage.lines}
    scopes = [stage.scope for stage in stages]
    layers = sorted({stage.layer for stage in stages})
    for text in record.lines or ():
        scope, name = scope_and_name(text)
        if scope and scope not in scopes:
            problems.append(f"record: there is no {scope!r}{nearest(scope, scopes, 'there are')}")
        elif name not in known:
            problems.append(f"record: this run computes no line {name!r}{nearest(name, known, 'it computes')}")
    there = ", ".join(map(str, layers))
    problems += [f"record: there is no layer {n}; there are {there}" for n in record.layers or () if n not in layers]
    raise_all(MissingError, problems)

    def wanted(stage: Stage, name: str) -> bool:
        if (stage.scope, name) in always:
            return True
        in_layer = record.layers is None or stage.layer in record.layers
        return in_layer and (record.lines is None or name in record.lines or f"{stage.scope}/{name}" in record.lines)

    found = {s.scope: tuple(line.name for line in s.lines if wanted(s, line.name)) for s in stages}
    if not any(found.values()):
        raise MissingError("record: none of the chosen lines is in the chosen layers")
    return found


def stored_steps(record: Record, steps: int, asked: Iterable[Address] = ()) -> range | None:
    """The steps that are stored of an input of so many; None is all. Raises MissingError where there are none.

    asked: what was asked for, which must lie among them.
    """
    if record.steps is None:
        return None
    with within("record"):
        window = positions(slice(*record.steps), range(steps))
    outside = (address for address in asked if address.t is not None and address.t not in window)
    there = f"{window.start} to {window.stop - 1}"
    raise_all(MissingError, (f"ask: {a} is at step {a.t}, but only {there} are recorded" for a in outside))
    return window
