"""Gradients: back-propagation through time for weightings of the outputs, or for one value of any line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array
from ..cell.lines import Line
from ..cell.network import Stage
from ..cell.slopes import Slope
from ..errors import MissingError, OptionError, ShapeError, raise_all
from ..trace.address import INITIAL, STATE, line_name
from ..trace.argument_types import checked
from ..trace.operands import in_order, one_row, sizes
from ..trace.trace import Trace
from .reverse import Adjoints, Seeds, walk_back

#: Weightings by scope and line, (T, B, width), that are being put together.
Weightings = dict[str, dict[str, Array]]


@checked
def gradients(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None
) -> dict[str, Array]:
    """The gradient of a weighted sum of outputs with respect to every parameter, input and initial state.

    Args:
        trace: a trace with every line that the sum depends on.
        output: weights of `trace.output`, in its shape.
        h_n: weights of `trace.h_n`.
        c_n: weights of `trace.c_n`.
        of: the address of one value of any line (`0/forward/3/0/c_t[1]`), with weight 1. All that is given is added.

    Returns:
        Arrays by address: `0/forward/W_xi` in the parameter's shape; `x` in the layout in which x was given; `h0` and
        `c0` (L·D, B, ·), without B where x had none; other initial states as `0/forward/n_prev`, (B, ·); supplied
        lines as `0/forward/f_t`. Their unit is that of the sum per unit of the value; here both are 1.

    Raises:
        ShapeError: where weights do not have the shape of what they weight.
        OptionError: where nothing is weighted.
        MissingError: for a line that was not recorded.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "h_t = W_h @ h_prev + W_x @ x_t\\ncarry: h_prev <- h_t"}
    >>> trace = lt.run({"W_h": [[0.5]], "W_x": [[2.0]]}, [[1.0], [3.0]], cell=cell)
    >>> {name: array.tolist() for name, array in gradients(trace, of="1/h_t[0]").items()}
    {'0/forward/W_h': [[2.0]], '0/forward/W_x': [[3.5]], 'x': [[1.0], [2.0]], 'h0': [[0.25]]}
    """
    if output is None and h_n is None and c_n is None and of is None:
        raise OptionError("nothing to differentiate: give weights as output, h_n or c_n, or one value's address as of")
    seeds = weighting(trace, output, h_n, c_n)
    if of is None:
        return outward(trace, walk_back(trace, seeds))
    value = one_value(trace, of)
    if seeds:
        add_value(trace, seeds, value)
        return outward(trace, walk_back(trace, seeds))
    alone = one_row(trace, value.b)  # no other row matters to one value
    add_value(alone, seeds, value._replace(b=0))
    return outward(trace, _in_batch(walk_back(alone, seeds), trace, value.b))


def line_gradients(trace: Trace, seeds: Seeds) -> dict[str, dict[str, Array]]:
    """The gradient with respect to every line at every step, (T, B, width), by scope and line: for a worked solution.

    seeds: weightings of lines, as `weighting` and `add_value` make them. Lines that the weighted ones do not depend
    on are left out.
    """
    found: dict[str, dict[str, Array]] = {}

    def visit(stage: Stage, line: Line, steps: slice, adjoint: Array, slopes: tuple[Slope, ...]) -> None:
        here = found.setdefault(stage.scope, {})
        if line.name not in here:
            here[line.name] = np.zeros((trace.steps, *adjoint.shape[1:]), adjoint.dtype)
        here[line.name][steps] = in_order(stage, adjoint)

    walk_back(trace, seeds, visit=visit)
    return found


def weighting(trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None) -> Weightings:
    """The weightings of `gradients` by scope and line, (T, B, width). Raises ShapeError."""
    seeds: Weightings = {}
    problems: list[str] = []
    if output is not None:
        shape = trace.output.shape
        if np.shape(output) != shape:
            problems.append(f"output has shape {np.shape(output)}; expected {shape}, that of trace.output")
        else:
            last = trace.stages[-1]
            _add(seeds, last, last.cell.output, _inward(trace, np.asarray(output)))
    for name, state, values in (("h_n", "h_prev", h_n), ("c_n", "c_prev", c_n)):
        if values is None:
            continue
        shape = (trace.h_n if name == "h_n" else trace.c_n).shape
        if np.shape(values) != shape:
            problems.append(f"{name} has shape {np.shape(values)}; expected {shape}, that of trace.{name}")
            continue
        rows = np.asarray(values) if trace.header.batched else np.asarray(values)[:, None]
        holders = [stage for stage in trace.stages if state in stage.cell.states]
        for stage, value in zip(holders, rows, strict=True):
            whole = np.zeros((trace.steps, *value.shape))
            whole[0 if stage.direction == "reverse" else -1] = value
            _add(seeds, stage, stage.cell.states[state], whole)
    raise_all(ShapeError, problems)
    return seeds


class Value(NamedTuple):
    """The place of one value of a line, cell input or state."""

    scope: str
    line: str
    t: int
    b: int
    unit: int

    def __str__(self) -> str:
        return f"{self.scope}/{self.t}/{self.b}/{self.line}[{self.unit}]"

    def read(self, trace: Trace) -> float:
        """The recorded value. Raises MissingError."""
        at = trace.index(self.t)
        values = trace.operand(self.scope, self.line, slice(at, at + 1))
        if values is None:
            raise MissingError(f"{self.scope}/{self.line} was not recorded")
        return float(values[0, self.b, self.unit])


def one_value(trace: Trace, text: str) -> Value:
    """Read the address of one value of a line, cell input or state; the unit may be left out where there is one.

    Raises MissingError for anything else.
    """
    name = line_name(text)
    carried = next((stage.cell.states[name] for stage in trace.stages if name in stage.cell.states), None)
    if carried is None:
        address = trace.locate(text)
    else:  # a state has the steps of the line that it carries
        at = text.rindex(name)
        address = trace.locate(text[:at] + carried + text[at + len(name) :])
    t, b, unit = address.t, address.b, address.unit
    width = 0 if address.layer is None else sizes(trace)[address.scope].get(name, 0)
    if t is None or b is None or not width:
        raise MissingError(f"{text!r} is a premise, not computed: name a line, for example {_example(trace)}")
    if unit is None and width > 1:
        place = address._replace(line=name)
        raise MissingError(f"{text!r} is {width} values: name one unit, from {place}[0] to {place}[{width - 1}]")
    if unit is not None and (len(unit) > 1 or unit[0] >= width):
        raise MissingError(f"{text!r}: {address.scope}/{name} has units 0 to {width - 1}")
    return Value(address.scope, name, t, b, unit[0] if unit else 0)


def add_value(trace: Trace, seeds: Weightings, value: Value, weights: Array | float = 1.0) -> None:
    """Weigh one value; weights: one for each row of the batch to weigh that value in all rows."""
    stage = trace.stage(value.scope)
    whole = np.zeros((trace.steps, trace.batch, sizes(trace)[value.scope][value.line]))
    whole[trace.index(value.t), value.b if np.ndim(weights) == 0 else slice(None), value.unit] = weights
    _add(seeds, stage, value.line, whole)


def outward(trace: Trace, found: Adjoints) -> dict[str, Array]:
    """Adjoints by address, in the layout in which the input was given."""
    arrays = {f"{scope}/{name}": a for scope, here in found.parameters.items() for name, a in here.items()}
    if found.x is not None:
        arrays["x"] = trace.outward(found.x)
    for short, state in STATE.items():
        rows = [here[state] for here in found.initial.values() if state in here]
        if rows:
            stacked = np.stack(rows)
            arrays[short] = stacked if trace.header.batched else stacked[:, 0]
    for scope, here in found.initial.items():
        for state in here:
            if state not in INITIAL:
                arrays[f"{scope}/{state}"] = here[state] if trace.header.batched else here[state][0]
    for scope, here in found.given.items():
        arrays.update({f"{scope}/{name}": trace.outward(values) for name, values in here.items()})
    return arrays


def _in_batch(found: Adjoints, trace: Trace, b: int) -> Adjoints:
    """The adjoints of one row among those of the whole batch, which are 0."""

    def part(arrays: Mapping[str, Mapping[str, Array]], axis: int) -> dict[str, dict[str, Array]]:
        return {scope: {name: whole(values, axis) for name, values in here.items()} for scope, here in arrays.items()}

    def whole(values: Array, axis: int) -> Array:
        shape = list(values.shape)
        shape[axis] = trace.batch
        array = np.zeros(shape, values.dtype)
        array[(slice(None),) * axis + (slice(b, b + 1),)] = values
        return array

    x = None if found.x is None else whole(found.x, 1)
    return Adjoints(found.parameters, part(found.initial, 0), part(found.given, 1), x, whole(found.valid, 1))


def _inward(trace: Trace, values: Array) -> Array:
    """(T, B, width) of an array in the layout in which x was given."""
    if not trace.header.batched:
        return values[:, None]
    return np.swapaxes(values, 0, 1) if trace.header.batch_first else values


def _add(seeds: Weightings, stage: Stage, name: str, values: Array) -> None:
    here = seeds.setdefault(stage.scope, {})
    here[name] = here[name] + values if name in here else values


def _example(trace: Trace) -> str:
    last = trace.stages[-1]
    return f"{last.scope}/{trace.span[-1]}/0/{last.cell.output}[0]"
