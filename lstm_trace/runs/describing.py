"""What is said of a run: its cell, its stages with their lines, its premises, what was asked for; and of equations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np

from ..base.arrays import Array, describe
from ..base.text.visible import visible
from ..cell.holds import names_of
from ..cell.network import Stage, forward_stages
from ..cell.parse import parse
from ..errors import OptionError
from ..formulas.plain import Plain
from ..formulas.tree import value as symbol
from ..languages.strings import words
from ..report.content import notations
from ..trace.address import INITIAL
from ..trace.holds.held import Entry, entries, plain_stage, status
from ..trace.holds.values import Scale, as_number
from ..trace.labels import axis, step_labels, units
from ..trace.trace import Trace
from ..view.held_lines import held_symbols
from .asked import as_json

#: Labels of steps that a page gets at most, and the columns of one.
LABELS, COLUMNS = 1 << 13, 16
#: Addresses of what is held that a page gets at most.
HELD = 200


def equations(text: str) -> bytes:
    """The lines, parameters, inputs, states and output of a cell, as JSON. Raises CellError with every fault."""
    cell = parse(text)
    found = {
        "lines": [{"name": line.name, "op": line.op} for line in cell.lines],
        "parameters": list(cell.parameters),
        "inputs": list(cell.inputs),
        "states": cell.states,
        "output": cell.output,
    }
    return as_json(found)


def described(trace: Trace, live: int) -> dict[str, Any]:
    """The fields of a run that follow from its trace. live: the most units of a line of which a page shows all."""
    header, stages = trace.header, forward_stages(trace.stages)
    exercise, _ = notations.applied(trace, "exercise")
    widths = [a.shape[-1] for stage in stages for a in trace.lines.get(stage.scope, {}).values()]
    return {
        "title": header.title,
        "notes": header.notes,
        "cell": {
            "kind": header.kind,
            "options": dict(header.options),
            "title": words("en").word(f"cell.{header.kind}"),
        },
        "dtype": header.dtype,
        "arithmetic": header.arithmetic,
        "plan": header.plan,
        "steps": trace.steps,
        "batch": trace.batch,
        "batch_first": header.batch_first,
        "first": trace.first,
        "count_from": header.count_from,
        "names": {key: list(labels) for key, labels in header.names.items()},
        "step_labels": _step_labels(trace),
        "symbols": dict(header.symbols),
        "imported": list(header.imported),
        "numbers": trace.steps * trace.batch * sum(widths),
        "stages": [_stage(exercise, stage) for stage in stages],
        "premises": [fields for fields, _ in premises(exercise)],
        "asked": [str(address) for address in trace.asked()],
        "held": list(islice(held(trace), HELD)),
        "target": _target(trace, stages),
        "live": max(widths, default=0) <= live,
    }


def named(trace: Trace, printed: Trace) -> dict[str, Any]:
    """The symbols of a run as a notation prints it, which may show two products as one: the lines of each stage, the
    premises by address.
    """
    stages = forward_stages(printed.stages)
    own = [fields for fields, _ in premises(replace(trace, header=printed.header))]
    return {
        "stages": [{"scope": stage.scope, "lines": _lines(printed, stage)} for stage in stages],
        "premises": {fields["address"]: fields["symbol"] for fields in own},
    }


def _step_labels(trace: Trace) -> list[list[str]]:
    """The labels of the steps that the trace holds, as they are shown, for each row or for all; none of very many."""
    rows = len(trace.header.step_labels)
    if rows * trace.steps > LABELS:
        return []
    return [[visible(label, COLUMNS) for label in step_labels(trace, b)] for b in range(rows)]


def _stage(trace: Trace, stage: Stage) -> dict[str, Any]:
    cell = stage.cell
    return {
        "scope": stage.scope,
        "layer": stage.layer,
        "direction": stage.direction,
        "equations": cell.text,
        "output": cell.output,
        "units": units(trace, stage),
        "states": dict(cell.states),
        "inputs": {name: stage.sources[name] for name in plain_stage(stage).inputs},
        "lines": _lines(trace, stage),
        "axes": {
            **{name: axis(trace, stage, name) for name in plain_stage(stage).inputs},
            **{state: axis(trace, stage, line) for state, line in cell.states.items()},
        },
    }


def _lines(trace: Trace, stage: Stage) -> list[dict[str, Any]]:
    plain, cell = Plain({**held_symbols(trace), **trace.header.symbols}), stage.cell
    recorded = trace.lines.get(stage.scope, {})
    return [
        {
            "name": line.name,
            "op": line.op,
            "width": recorded[line.name].shape[-1],
            "assigned": line.assigned,
            "symbol": plain(symbol(line.name, cell)),
            "gate": line.squashed,
            "axis": axis(trace, stage, line.name),
        }
        for line in cell.lines
        if line.name in recorded
    ]


def premises(trace: Trace) -> Iterator[tuple[dict[str, Any], Array]]:
    """Each premise that can be edited, with its values: the input, then those of each layer and direction.

    What says where lines are held is none of them: `held` of a run says that.
    """
    plain = Plain(trace.header.symbols)

    def one(kind: str, scope: str, name: str, values: Array, gate: str = "") -> tuple[dict[str, Any], Array]:
        address = f"{scope}/{name}" if scope else name
        text = plain(symbol("x_t", trace.stages[0].cell) if not scope else symbol(name, trace.stage(scope).cell))
        where = {"address": address, "name": name, "scope": scope, "kind": kind, "shape": list(values.shape)}
        return {**where, "gate": gate, "symbol": text}, values

    if trace.x is not None:
        yield one("input", "", "x", trace.outward(trace.x))
    for stage in forward_stages(trace.stages):
        for name, values in trace.parameters.get(stage.scope, {}).items():
            yield one("parameter", stage.scope, name, values, _gate(stage, name))
        for name, values in trace.initial.get(stage.scope, {}).items():
            yield one("initial", stage.scope, INITIAL.get(name, name), _row(trace, values))
        for name, values in trace.given.get(stage.scope, {}).items():
            if name in plain_stage(stage).inputs:
                yield one("given", stage.scope, name, trace.outward(values))


def _row(trace: Trace, values: Array) -> Array:
    """An initial state as it was given: without the axis of the batch where x has none."""
    return values if trace.header.batched else values[0]


def _gate(stage: Stage, name: str) -> str:
    """What a parameter belongs to: `i`, where the first value with a name that reads it is `z_i` or `i_t`."""
    for line in stage.cell.lines:
        if line.assigned and name in stage.through(line):
            return line.name.removesuffix("_t") if line.name.endswith("_t") else line.name.removeprefix("z_")
    return ""


def _target(trace: Trace, stages: tuple[Stage, ...]) -> str | None:
    """A value to take gradients of: one number that was asked for, or the first unit of the last output."""
    for address in trace.asked():
        at = trace.lines[address.scope][address.line].shape
        if address.unit is not None or at[-1] == 1:
            t = trace.span[-1] if address.t is None else address.t
            return str(address._replace(unit=address.unit or (0,), t=t, b=address.b or 0))
    last = stages[-1]
    end = trace.span[0 if last.backwards else -1]
    if last.cell.output in trace.lines.get(last.scope, {}):
        return f"{last.scope}/{end}/0/{last.cell.output}[0]"
    if not (asked := trace.asked()):  # of a part of a trace, for example
        return None
    last_asked = asked[-1]
    t = end if last_asked.t is None else last_asked.t
    return str(last_asked._replace(unit=(0,), t=t, b=last_asked.b or 0))


Layers = tuple[Mapping[str, Any], ...]


def held(trace: Trace) -> Iterator[dict[str, Any]]:
    """All that is held: addresses, with a number, `*0.5`, or None where the values differ."""
    for entry in entries(trace):
        yield {"address": entry.address, "value": _told(entry)}


def held_units(trace: Trace, stage: Stage, t: int, batch: int) -> dict[str, list[int]]:
    """The units of each line that are held, or scaled, at a step."""
    there = {name: status(trace, stage, name, t, batch) for name in names_of(stage.cell)}
    return {name: np.flatnonzero(some).tolist() for name, some in there.items() if some is not None and some.any()}


def holding_of(trace: Trace, address: str) -> dict[str, Any] | None:
    """What holds the number of a line at a full address: its address, and the value; None where it is not held."""
    at = trace.locate(address)
    if at.t is None or at.b is None or at.unit is None:
        return None
    parts = at.t, at.b, at.unit[0]
    for entry in entries(trace):
        there = entry.steps or trace.span, entry.rows or range(trace.batch), entry.units
        inside = all(part is None or n in part for n, part in zip(parts, there, strict=True))
        if inside and (entry.scope, entry.line) == (at.scope, at.line):
            own = trace.lines[at.scope][at.line][trace.index(at.t), at.b, at.unit[0]]
            return {"address": entry.address, "value": _told(entry, own.item())}
    return None


def _told(entry: Entry, otherwise: float | None = None) -> str | float | None:
    """What an entry is held at: a number, or `*0.5`; what is said `otherwise` where its values differ."""
    if isinstance(entry.value, Scale):
        return str(entry.value)
    return entry.value if isinstance(entry.value, float) else otherwise


def check_values(hold: Layers) -> None:
    """Raise OptionError for a text that is no number or multiple: on the command line it would name a file."""
    for address, value in (pair for layer in hold for pair in layer.items()):
        if isinstance(value, str) and as_number(value) is None:
            raise OptionError(
                f"hold {address!r}: expected a finite number, '*0.5' for a multiple of its own value, or an array; "
                f"found {describe(value)}. The service opens no file that is named here: trace the problem with "
                "`lstm-trace run`, and upload the trace"
            )
