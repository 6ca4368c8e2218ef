"""Labels of the units of a line: the problem's labels of inputs, hidden units and outputs of a readout."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache, partial
from typing import Literal

from ..base.display import MOST, visible
from ..cell.adjoint import narrow
from ..cell.lines import Cell
from ..cell.network import Stage, X, forward_stages
from ..cell.ops import OPS
from ..errors import counted
from .address import columns_of
from .printed import from_zero, printed
from .trace import Trace

Axis = Literal["x", "h", "y"]


def labels(trace: Trace, of: Axis, width: int) -> Sequence[str]:
    """The problem's labels for an axis, if there are as many as units.

    Args:
        trace: the trace whose header has the labels.
        of: inputs, hidden units or outputs.
        width: number of units.
    """
    found = trace.header.names.get(of, ())
    return found if len(found) == width else ()


def misfits(
    labels: Mapping[str, Sequence[str]], inputs: int | None, widths: Collection[int], outputs: Collection[int] | None
) -> Iterator[str]:
    """Labels whose number differs from that of the inputs (`x`), or of the units of every line (`h`).

    outputs: the widths of the readout's lines, one of which has a label (`y`) per unit; None without a readout.
    """
    count = {key: f"names.{key} has {counted(len(found), 'label')}" for key, found in labels.items()}
    if "x" in labels and inputs is not None and len(labels["x"]) != inputs:
        yield f"{count['x']}; expected one for each of the I = {inputs} inputs"
    if "h" in labels and widths and len(labels["h"]) not in widths:
        yield f"{count['h']}; expected one for each unit of a line, and lines have {_numbers(widths)}"
    if "y" in labels and outputs is None:
        yield (
            f"{count['y']} for the outputs of a readout, and there is no readout: add its equations under extra, "
            "or give the labels of the hidden units as names.h"
        )
    elif "y" in labels and outputs and len(labels["y"]) not in outputs:
        yield f"{count['y']}; expected one for each output of the readout, which has {_numbers(outputs)}"


def _numbers(widths: Collection[int]) -> str:
    return ", ".join(map(str, sorted(set(widths))))


def step_labels(trace: Trace, b: int = 0) -> Sequence[str]:
    """The labels of the recorded steps of sequence `b`, one per step of `trace.span`; empty if there are none.

    A label may be empty, for example at padding, and may contain any character, even spaces and line breaks.
    """
    rows = trace.header.step_labels
    if not rows:
        return ()
    row = rows[b if len(rows) > 1 else 0]
    return [row[t] if t < len(row) else "" for t in trace.span]


def step_label(trace: Trace, t: int, b: int | None = None, most: int = MOST) -> str:
    """The label of a step, as displayed (see `base.display.visible`); empty if it has none.

    Args:
        trace: the trace that contains the step.
        t: position of the step in the input.
        b: the sequence; None for all sequences, whose labels at this step may differ.
        most: maximum width of the text in columns.
    """
    return label_at(trace.header.step_labels, t, b, most)


def label_at(rows: Sequence[Sequence[str]], t: int, b: int | None, most: int = MOST) -> str:
    """Like `step_label`, for the labels stored in a header."""
    if not rows or (b is None and len(rows) > 1):
        return ""
    row = rows[b if b is not None and len(rows) > 1 else 0]
    return visible(row[t], most) if t < len(row) else ""


def axis(trace: Trace, stage: Stage, name: str) -> Axis:
    """What the units of a line or input of `stage` stand for: inputs (`x`), readout outputs (`y`) or hidden units.

    Args:
        trace: the trace that contains the stage.
        stage: the stage of the line.
        name: name of a line or input, of a parameter, whose rows are meant, or of the gradient of one.
    """
    owner, cell = trace.stage(stage.owner), stage.cell
    gradients = dict(reversed(cell.gradient))
    while name not in gradients and gradients and (line := cell.by_name.get(name)):  # a part of a gradient
        if line.product and line.product[0] in owner.cell.parameters:
            return axis(trace, owner, sides(owner.cell, line.product[0])[line.op == "vecmat"])
        readers = [one for one in cell.readers.get(name, ()) if OPS[one.op].width == "same" and not one.product]
        if not readers:
            break
        name = readers[0].name
    of = gradients.get(name, name)
    of = sides(owner.cell, of)[0] if of in owner.cell.parameters else of
    if owner.sources.get(of) == X:
        return "x"
    return "y" if of in readout(owner.cell) else "h"


def vectors(trace: Trace, stage: Stage, name: str, width: int) -> list[tuple[Axis, int]]:
    """The kinds of the vectors that a value concatenates, with their widths; a number is a unit."""
    line = stage.cell.by_name.get(name)
    if line is None or line.op != "concat":
        return [(axis(trace, stage, name), width)]
    found: list[tuple[Axis, int]] = []
    for operand in line.operands:
        values = trace.operand(stage.scope, operand, slice(0, 1))
        size = 1 if values is None else values.shape[-1]
        found += vectors(trace, stage, operand, size) if isinstance(operand, str) else [("h", 1)]
    return found


def unit_names(trace: Trace, stage: Stage | None, name: str, width: int, first: int) -> list[str]:
    """How a report calls each unit of a value: by its label, or by its number.

    In concatenated vectors it is the unit of its own vector, unless two units would then have the same name. In a
    matrix it is the numbers of row and column, `2,1`.

    Args:
        trace: the trace that contains the stage.
        stage: the stage of the value; None for the input.
        name: name of a line, input, state or parameter, whose rows have the names of the units that they belong to.
        width: number of units.
        first: number of the first unit.
    """

    def named(of: Axis | None, width: int) -> list[str]:
        return list((of and labels(trace, of, width)) or map(str, range(first, first + width)))

    if stage is None:
        return named("x" if name == "x_t" else None, width)
    if columns := columns_of(trace, stage.scope, name):
        return [f"{unit // columns + first},{unit % columns + first}" for unit in range(width)]
    parts = vectors(trace, stage, name, width)
    found = [text for part in parts for text in named(*part)]
    return found if len(set(found)) == width else named(axis(trace, stage, name), width)


def sides(cell: Cell, name: str) -> list[str]:
    """The lines or inputs whose units the rows and columns of a parameter stand for; a vector has rows alone."""
    line, *_ = cell.parameters[name]
    found = [line.name] if line.product is None else [line.name, line.product[1]]
    return found[::-1] if line.op == "vecmat" else found


def column_name(trace: Trace, stage: Stage, name: str, k: int) -> str:
    """The name of a column of a parameter: that of the unit that it is multiplied by, or its number from 0."""
    owner = trace.stage(stage.owner)
    *_, operand = sides(owner.cell, name)
    return unit_names(trace, owner, operand, trace.parameters[owner.scope][name].shape[1], 0)[k]


def counted_address(trace: Trace, address: object) -> str:
    """How a person reads an address: as printed, if the problem does not count from 0, otherwise as it is.

    If there is a single layer, so is that of a value at all steps: `f_t[2]`. Other addresses of several values, and
    those that need a layer or sequence, keep their slashes, and count from 0. Of a sum, it is that of each term.
    """
    if (terms := re.split(r"( [+-] )(?=[0-9]+/)", str(address)))[1:]:
        return "".join(term if k % 2 else counted_address(trace, term) for k, term in enumerate(terms))
    full, first = from_zero(str(address)), trace.header.count_from
    if not first or (text := printed(trace, full)) == full:
        scope, _, text = full.removeprefix("/").rpartition("/")
        if not first or (scope and (scope not in trace.scopes or len(forward_stages(trace.stages)) > 1)):
            return str(address)
        counted = partial(re.sub, "[0-9]+", lambda n: str(int(n[0]) + first))
        text = re.sub(r"\[[0-9,. ]+\]$", lambda index: counted(index[0]), text)
    return text


def units(trace: Trace, stage: Stage) -> int:
    """The number of units of a stage's cell: the width of its output; 0 if that cannot be determined.

    If the output is a projection, belongs to a readout, or is one number such as a loss, the width of the widest state.
    A state that no line uses is as wide as the line that it carries; one that is a matrix does not count.
    """
    cell = stage.cell.plain or stage.cell
    output = stage.unpadded(cell.output)
    line = cell.by_name.get(output)  # None: it is supplied
    number = output in narrow(cell) | cell.matrices  # or a matrix
    other = number or (line is not None and line.product) or axis(trace, stage, output) == "y"
    found = [] if other else [trace.operand(stage.scope, output)]
    for state, carried in cell.carry:
        if state not in cell.matrices and (other or stage.unpadded(carried) == output):
            first = trace.initial.get(stage.scope, {}).get(state)
            found.append(trace.operand(stage.scope, carried) if first is None else first)
    return max((values.shape[-1] for values in found if values is not None), default=0)


@lru_cache(256)
def readout(cell: Cell) -> frozenset[str]:
    """The lines and inputs whose units are outputs of a readout.

    The readout begins at a matrix product on which no state depends; in a cell without states, at the last product
    before the output. Everything computed from it unit by unit belongs to it, and so do the other operands there, such
    as a target. But if these values meet hidden ones unit by unit, as in an output gate, their units are the hidden
    ones.
    """
    inner = hidden(cell)
    states = _fed_back(cell).keys()
    beside = {name: name for name in (*cell.by_name, *cell.inputs, *cell.states)}

    def root(name: str) -> str:
        while beside[name] != name:
            name = beside[name]
        return name

    single = {"valid"}  # one number for all units
    for line in cell.lines:
        reads = [name for name in line.reads if name in beside and name not in single]
        op = OPS[line.op]
        if op.reduces or (op.width == "same" and not reads and set(line.reads) <= single):
            single.add(line.name)
        elif op.width == "same":
            for name in reads:
                beside[root(name)] = root(line.name)
    roots = {root(line.name) for line in cell.lines if line.product is not None and line.name not in inner}
    read = [line.memory[1] for line in cell.lines if line.memory]  # what reads a matrix, a query, is no output
    roots -= {root(name) for name in (*inner, *states, *read, "x_t") if name in beside}
    return frozenset(name for name in beside if root(name) in roots)


@lru_cache(256)
def hidden(cell: Cell) -> frozenset[str]:
    """The lines on which a state depends; in a cell without states, the operands of the last product before output."""
    if fed_back := _fed_back(cell):
        return cell.closure(fed_back.values())
    ends: list[str] = []
    waiting, seen = [cell.output], {cell.output}
    while waiting:  # back from the output to the nearest products
        line = cell.by_name.get(waiting.pop())
        if line is not None and line.product is not None:
            ends.append(line.product[1])
        elif line is not None:
            waiting.extend({*line.reads} - seen)
            seen.update(line.reads)
    return cell.closure(ends or [cell.output])


def _fed_back(cell: Cell) -> dict[str, str]:
    """The carried states and their lines, without one that only repeats the output at padding, and without totals, on
    which the output, if it is computed, does not depend.
    """
    inner = cell.closure([cell.output])
    found = {state: line for state, line in cell.carry if not inner or line in inner}
    last = cell.by_name.get(cell.output)
    repeats = last is not None and last.op == "where"
    return {s: n for s, n in found.items() if not (repeats and n == cell.output and cell.readers.get(s, ()) == (last,))}


#: Stata accepts 32 characters; a unit's number of up to five digits follows.
LONGEST = 26
#: The name of a product consists only of its factors: `W_xi @ x_t` is `W_xi_x_t`.
_SPELLED = (("+", "plus"), ("-", "minus"), ("/", "over"), (">", "above"), ("<", "below"), ("=", "equals"))


def safe_names(trace: Trace) -> dict[str, str]:
    """For each line of the trace a name of ASCII letters, digits and `_`, at most 26 long, that begins with a letter.

    All are distinct, even ignoring case. They follow from the equations: a part of a trace has the same names.

    >>> import lstm_trace as lt
    >>> safe_names(lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t"))["W_xi @ x_t"]
    'W_xi_x_t'
    """
    lines = dict.fromkeys(line for stage in trace.stages for line in stage.cell.lines)
    cells = [stage.cell for stage in trace.stages]
    read = [name for cell in cells for name in (*cell.inputs, *cell.states, *cell.parameters)]
    return resolved([*(line.name for line in lines if line.assigned), *(line.name for line in lines), *read])


def resolved(lines: Iterable[str]) -> dict[str, str]:
    """A safe name for each line; if several would have the same, the first keeps it and the others are numbered."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    counts: dict[str, int] = {}
    for line in dict.fromkeys(lines):
        text = unicodedata.normalize("NFKD", line).encode("ascii", "ignore").decode()
        for sign, word in _SPELLED:
            text = text.replace(sign, f" {word} ")
        text = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or "line"
        stem = name = (text if text[0].isalpha() else f"n{text}")[:LONGEST].rstrip("_")
        while name.casefold() in taken:
            counts[stem] = counts.get(stem, 1) + 1
            number = f"_{counts[stem]}"
            name = stem[: LONGEST - len(number)] + number
        taken.add(name.casefold())
        found[line] = name
    return found
