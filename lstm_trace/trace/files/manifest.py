"""The metadata of a trace, stored at the head of every trace file, and checks that the arrays agree with it.

The equations are checked against the cell that the trace names, its arrays against both: reports quote these claims.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from typing import TYPE_CHECKING, Any

from ...cell.adjoint import secant_names
from ...cell.arithmetic import find
from ...cell.lines import Cell
from ...cell.network import GIVEN, VALID, Stage, X, forward_stages, scope_and_name
from ...cell.parse import parse
from ...cell.shape_hints import beyond_the_end
from ...cell.shapes import fitted, infer
from ...cell.variants import Padding, directed, joined, masked, of_direction, supplied
from ...errors import FileError, LstmTraceError, counted, raise_all, some
from ..derived import given_sizes
from ..held import held_faults, plain_stage
from ..labels import misfits, readout
from ..trace import Header, Trace
from ..window import arrays

if TYPE_CHECKING:  # pydantic's models are imported where a trace is read or written, not where it is computed
    from .schema import StageInfo, TraceManifest


#: Maximum number of values written as text: 300 MB, which nobody reads and which take 10 seconds; and of those derived.
MOST = 15_000_000


@cache
def _unchanged() -> list[str]:
    """Fields of the header that the manifest contains unchanged."""
    from .schema import TraceManifest

    return [f.name for f in fields(Header) if f.name in TraceManifest.model_fields and f.name != "names"]


def manifest(trace: Trace) -> TraceManifest:
    """The metadata of a trace, without the arrays."""
    from .schema import TraceManifest

    header = trace.header
    kinds = ("layer", "direction", "sources", "computed")
    stages = [{**{k: getattr(stage, k) for k in kinds}, "equations": stage.cell.text} for stage in trace.stages]
    names = header.names if not header.step_labels else {**header.names, "t": header.step_labels}
    sizes = {"first": trace.first, "steps": trace.steps, "batch": trace.batch}
    cell = {"kind": header.kind, "options": header.options}
    plain = {name: getattr(header, name) for name in _unchanged()}
    return TraceManifest.model_validate({**plain, **sizes, "cell": cell, "names": names, "stages": stages})


def readable(trace: Trace, where: str) -> TraceManifest:
    """The manifest of `trace` as it would be read back from a file. Raises FileError if it cannot be."""
    from .schema import TraceManifest, validate

    try:
        said = manifest(trace)
        text = said.model_dump_json()
    except ValueError as error:  # not text, or a lone surrogate
        raise FileError(f"{where}: the trace has a text that cannot be written ({error})") from None
    again = validate(TraceManifest, text.encode(), where)
    other = [name for name in TraceManifest.model_fields if getattr(again, name) != getattr(said, name)]
    if not other and from_manifest(again, where)[1] != trace.stages:
        other = ["stages"]
    if other:
        raise FileError(f"{where}: the trace's {' and '.join(other)} would not be read back unchanged")
    return said


def from_manifest(file: TraceManifest, where: str) -> tuple[Header, tuple[Stage, ...]]:
    """The header and the stages described by a manifest. Raises FileError."""
    try:
        stages = tuple(_stage(info) for info in file.stages)
    except LstmTraceError as error:
        raise FileError(*(f"{where}: {problem}" for problem in error.problems)) from None
    found: dict[str, Any] = {name: getattr(file, name) for name in _unchanged()}
    found |= {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
    header = Header(
        kind=file.cell.kind,
        options=file.cell.options,
        names={str(key): labels for key, labels in file.names.items() if key != "t"},
        step_labels=tuple(map(tuple, file.names.get("t", ()))),
        **found,
    )
    return header, stages


def assembled(trace: Trace, where: str) -> Trace:
    """`trace`, after checking its arrays against its equations. Raises FileError."""
    raise_all(FileError, (f"{where}: {problem}" for problem in faults(trace)))
    return trace


def read_trace(file: TraceManifest, where: str, **arrays: Any) -> Trace:
    """The trace of a manifest and its arrays, checked against its equations. Raises FileError."""
    header, stages = from_manifest(file, where)
    for info, stage in zip(file.stages, stages, strict=True):  # whose `computed` has the lines in calls, too
        added = {*(stage.computed or ())} - {*(info.computed or ())}
        if beside := [name for name in arrays.get("lines", {}).get(stage.scope, ()) if name in added]:
            said = f"lines {stage.scope}/{beside[0]}: it is not among the lines that were computed"
            raise FileError(f"{where}: {said}")
    trace = Trace(header=header, stages=stages, steps=file.steps, batch=file.batch, first=file.first, **arrays)
    return assembled(trace, where)


def _stage(info: StageInfo) -> Stage:
    """A stage; if a function was one operation when the file was written, the lines in its call are computed too."""
    cell = parse(info.equations)
    if info.computed is None:
        return Stage(info.layer, info.direction, cell, info.sources)
    named = set(info.computed)
    names: list[str] = []
    for name in info.computed:  # a name that the file repeats stays repeated, and is rejected
        within = [line for line in cell.within.get(name, ()) if line not in named]
        named.update(within)
        names += [*within, name]
    return Stage(info.layer, info.direction, cell, info.sources, tuple(names))


def faults(trace: Trace) -> list[str]:
    """Contradictions between a trace's arrays, its equations and its metadata."""
    dtype, lead = trace.header.dtype, (trace.steps, trace.batch)
    held = [("inputs.x", trace.x)] if trace.x is not None else []
    parts = arrays(trace, "parameters", "initial", "given", "lines", "sums")
    held += ((f"{part} {scope}/{name}", array) for part, scope, name, array in parts)
    problems = [f"{place} is {a.dtype}, but the trace is {dtype}" for place, a in held if a.dtype != dtype]
    problems += (f"{place} has shape {a.shape}, which is empty" for place, a in held if not a.size)
    before: dict[str, Stage] = {}
    others = len(problems)
    for stage in trace.stages:
        if stage.scope in before:
            problems.append(f"duplicate stage {stage.scope}")
        problems += (f"{stage.scope}: {problem}" for problem in _stage_faults(stage, before))
        before[stage.scope] = stage
    sound = len(problems) == others
    if trace.x is None and not any(trace.lines.values()) and not any(trace.given.values()):
        problems.append("it holds no values")  # nothing determines its steps and batch
    if trace.x is not None and (trace.x.ndim != 3 or trace.x.shape[:2] != lead):
        problems.append(f"inputs.x has shape {trace.x.shape}; expected (T, B, I) with T, B = {lead}")
    lengths, mask = trace.lengths, trace.mask
    if lengths is not None and (lengths.shape != lead[1:] or lengths.min() < 0 or lengths.max() > trace.span.stop):
        problems.append(f"inputs.lengths: expected {trace.batch} whole numbers from 0 to {trace.span.stop}")
    if mask is not None and mask.shape != lead:
        problems.append(f"inputs.mask has shape {mask.shape}; expected (T, B) = {lead}")
    if mask is not None and lengths is not None:
        problems.append("inputs has lengths and a mask; expected one of them")
    labels = trace.header.step_labels
    if len(labels) not in (0, 1, trace.batch):
        problems.append(f"names.t has {len(labels)} rows; expected one, or one for each of the B = {trace.batch}")
    for many in [len(row) for row in labels if len(row) != trace.span.stop][:1]:
        problems.append(f"names.t has a row of {counted(many, 'label')}; expected {trace.span.stop}, one for each step")
    if sound:  # otherwise the operands of the stages are unknown
        problems += _strays(trace, before)
        readers = [stage.scope for stage in trace.stages if any(stage.sources[n] == VALID for n in stage.inputs)]
        if readers and not trace.padded:
            problems.append(f"inputs has neither lengths nor a mask; {readers[0]} reads which steps are valid")
    shapes: dict[tuple[int, ...], list[str]] = {}
    for part in ("initial", "given", "lines"):
        problems += (f"{part}: there is no stage {scope!r}" for scope in getattr(trace, part) if scope not in before)
    for part, scope, name, array in arrays(trace, "initial", "given", "lines"):
        if scope not in before:
            continue
        shape = lead if part != "initial" else lead[1:]
        if array.ndim != len(shape) + 1 or array.shape[:-1] != shape:
            said = f"{part} {scope}/{name} has shape {array.shape}; expected ({', '.join(map(str, shape))}, width)"
            alike = shapes.setdefault((array.ndim, *array.shape[: len(shape)], *shape), [])
            alike.append(f"{part} {scope}/{name}" if alike else said)
        if part == "lines" and name not in before[scope].cell.by_name:
            problems.append(f"lines {scope}/{name}: the cell has no such line")
        elif part == "lines" and name not in (before[scope].computed or before[scope].cell.by_name):
            problems.append(f"lines {scope}/{name}: it is not among the lines that were computed")
    for said, *alike in shapes.values():
        problems.append(f"{said}; likewise {some(alike, 3)}" if alike else said)
    return problems or [*_claims(trace), *held_faults(trace), *_widths(trace)] or [*shape_faults(trace)]


def _strays(trace: Trace, stages: Mapping[str, Stage]) -> Iterator[str]:
    """Premises that no equation uses."""
    for scope, here in trace.parameters.items():
        readers = [stage.cell for stage in stages.values() if stage.owner == scope]
        if not readers:
            yield f"parameters: there is no stage {scope!r}"
            continue
        known = {name for cell in readers for name in (*cell.parameters, *cell.ends)}
        if len(readers) > 1 and scope in stages:  # secants keep everything that differs in the baseline
            cell = stages[scope].active
            known |= {secant_names(cell)["base", name] for name in cell.parameters}
        yield from (f"parameters {scope}/{name}: no equation reads it" for name in here if name not in known)
    for scope, here in trace.initial.items():
        states = stages[scope].cell.states if scope in stages else here
        yield from (f"initial {scope}/{name}: the cell carries no such state" for name in here if name not in states)
    for scope, here in trace.given.items():
        sources = stages[scope].sources if scope in stages else dict.fromkeys(here, GIVEN)
        yield from (f"given {scope}/{name}: the cell takes no such line" for name in here if sources.get(name) != GIVEN)


def _claims(trace: Trace) -> Iterator[str]:
    """Claims of the header that the stages contradict."""
    header = trace.header
    if not header.batched and trace.batch != 1:
        yield f"batched is false, and the trace has {trace.batch} rows"
    if trace.padded and header.padding is None:
        yield f"inputs.{trace.padded} is given, and padding does not say what is output there"
    bases: dict[str, Cell] = {}  # the named cell of each direction
    try:
        if header.arithmetic is not None:
            find(header.arithmetic)
            if header.dtype != "float64":
                yield f"dtype is {header.dtype}; expected float64, in which values of {header.arithmetic} are stored"
        if header.kind != "equations":
            forward, reverse, _ = directed(header.kind, header.options)
            bases = {"forward": forward, "reverse": reverse or forward}
        elif header.options:
            yield f"cell: equations have no options; found {', '.join(header.options)}"
    except LstmTraceError as error:
        yield from (f"cell: {problem}" for problem in error.problems)
        return
    top = max(stage.layer for stage in trace.stages)
    for stage in map(plain_stage, forward_stages(trace.stages)):
        if problem := _unborne(stage, bases.get(stage.direction), header, stage.layer == top):
            yield f"{stage.scope}: {problem}"


def _unborne(stage: Stage, base: Cell | None, header: Header, top: bool) -> str:
    """Where the equations of a stage differ from those of the cell that the trace names; nowhere for a mistake.

    base: that cell; None if the trace has equations of its own. top: whether equations may have been added, for example
    a readout.
    """
    if header.mistakes and header.kind == "equations":
        return ""
    if stage.direction == "joined":
        if header.merge == "none":
            return "the directions are joined, and merge says none"
        said, expected = f"merge: {header.merge}", joined(header.merge)
    elif base is None:
        return _unpadded(stage, header.padding)
    else:
        options = of_direction(header.options, stage.direction).items()
        told = ", ".join(f"{name}: {value}" for name, value in options if value not in (None, False))
        said, expected = f"{header.kind} ({told})", base
        if header.padding is not None:
            said += f" with padding: {header.padding}"
            # the output for the next layer has another name if an added equation took its name
            cells = [masked(base, header.padding, others) for others in ((), ("y_t",), ("y_t", "out_t"))]
            expected = next((cell for cell in cells if cell.output == stage.cell.output), cells[0])
    return _unlike(stage.cell, expected, said, top)


def _unlike(cell: Cell, expected: Cell, said: str, top: bool) -> str:
    """The first equation in which a cell differs from the one named; lines may be supplied or added."""
    fed = supplied(expected, (name for name in cell.inputs if name in expected.by_name)).expanded
    fed = supplied(fed, (name for name in cell.inputs if name in fed.by_name))  # named as in earlier versions
    calls = expected.equations, cell.equations
    cell, expected = cell.expanded, expected.expanded
    for name in dict.fromkeys((*fed.equations, *cell.equations)):
        wanted, found = fed.equations.get(name, expected.equations.get(name)), cell.equations.get(name)
        if found != wanted and not (top and wanted is None):
            if calls[0].get(name) != calls[1].get(name):  # otherwise a function has another meaning
                wanted, found = wanted and calls[0].get(name, wanted), found and calls[1].get(name, found)
            return _contradiction(said, f"{name} = ", wanted, found)
    for name in dict.fromkeys((*expected.states, *cell.states)):
        wanted, found = expected.states.get(name), cell.states.get(name)
        if found != wanted and not (top and wanted is None):
            return _contradiction(said, f"{name} <- ", wanted, found)
    return "" if cell.output == expected.output else _contradiction(said, "output: ", expected.output, cell.output)


def _contradiction(said: str, begin: str, wanted: str | None, found: str | None) -> str:
    sides = ["nothing of that name" if text is None else begin + text for text in (wanted, found)]
    return f"the trace states that its cell is {said}, which has {sides[0]}; its equations have {sides[1]}"


def _unpadded(stage: Stage, padding: Padding | None) -> str:
    """Where the output of a custom cell does not follow from the padding rule."""
    cell = stage.cell
    if padding is None:
        return ""
    line = cell.by_name.get(cell.output)
    past = line.operands[2] if line is not None and line.op == "where" and line.operands[0] == "valid" else None
    rules = {"zero": past == 0, "repeat": past == f"{cell.output[:-2]}_prev", "carry": past in cell.states}
    if line is None or rules[padding]:
        return ""  # supplied, or consistent
    return f"padding says {padding}, and the output is {cell.output} = {cell.equations.get(cell.output)}"


def _stage_faults(stage: Stage, before: Mapping[str, Stage]) -> Iterator[str]:
    """Contradictions within a stage, or with earlier ones, by scope."""
    cell = stage.cell
    if stage.computed is not None:
        computed = set(stage.computed)
        if not computed <= set(cell.by_name):
            yield "computed names a line that the equations do not have"
            return
        if not computed or len(computed) < len(stage.computed):
            yield "computed is empty, or names a line twice"
        elif stage.computed != tuple(line.name for line in cell.lines if line.name in computed):
            yield "computed does not name the lines in the order of the equations"
        for name in dict.fromkeys(stage.computed):
            for missing in cell.by_name[name].reads:
                if missing in cell.by_name and missing not in computed:
                    yield f"computed leaves out {missing}, which {name} reads"
    if not set(stage.sources) <= set(cell.inputs):
        yield "sources names what is not an input of the equations"
    for name in cell.inputs:
        source = stage.sources.get(name, "")
        scope, line = scope_and_name(source)
        other = before.get(scope)
        kept = other.cell.states if other is not None and stage.borrows(name) else ()
        there = other is not None and line in (*other.cell.by_name, *other.cell.inputs, *kept)
        unused = source and name not in stage.inputs  # then its stage need not be in the trace
        if source not in (X, VALID, GIVEN) and not there and not unused:
            yield f"the source of {name} is missing"
        if not stage.is_adjoint:
            if other is not None and other.is_adjoint:
                yield f"the source of {name} is {source}, an adjoint; only adjoints read adjoints"
        elif name in stage.sources and source != GIVEN:
            # an adjoint refers to the lines of its stage by their own names (secants name the unnamed ones), to
            # gradients of other adjoints, and to supplied lines: its seeds, or everything if the stage stands alone
            named = line == name or not line.isidentifier()
            mine = scope == stage.owner and (other is None or other.has(line)) and named
            if not mine and not (other is not None and other.is_adjoint and line in other.cell.by_name):
                said = f"the source of {name} is {source or 'missing'}; an adjoint reads {stage.owner}/{name}"
                yield f"{said}, a line of another adjoint, or what is supplied"
    owner = before.get(stage.owner) if stage.is_adjoint else None
    if owner is not None:
        known = {*owner.cell.by_name, *owner.cell.inputs, *owner.cell.states, *owner.cell.parameters}
        unknown = [name for _, name in cell.gradient if name not in known]
        yield from (f"it has the gradient of {name}, which {stage.owner} does not have" for name in unknown)
    elif stage.is_adjoint and any(stage.borrows(name) for name in stage.inputs):
        yield f"it is an adjoint, and the stage {stage.owner} does not come before it"


def _widths(trace: Trace) -> list[str]:
    """Lines whose width contradicts equations and parameters, and labels whose number differs from the units."""
    problems: list[str] = []
    found: dict[str, int] = {}  # by address, including lines that were not recorded
    whole = True
    for stage in trace.stages:
        shapes, known = given_sizes(trace, stage, found)
        try:
            if not {*stage.parameters, *stage.inputs} <= {*shapes, *known}:
                problems += (f"{stage.scope}: {problem}" for problem in _partly(trace, stage, shapes, known))
                whole = False
                continue  # a line without its operands is reported by verify as inconclusive
            sizes = infer(stage.cell, [line.name for line in stage.lines], shapes, known)
        except LstmTraceError as error:
            problems += [f"{stage.scope}: {problem}" for problem in error.problems]
            continue
        found |= {f"{stage.scope}/{name}": width for name, width in sizes.items()}
        for name, array in trace.lines.get(stage.scope, {}).items():
            if array.shape[-1] != sizes.get(name, array.shape[-1]):
                problems.append(f"lines {stage.scope}/{name}: width {array.shape[-1]}, expected {sizes[name]}")
        problems += _too_large(trace, stage, sizes)
    if problems or not whole:
        return problems
    outputs = {f"{stage.scope}/{name}" for stage in forward_stages(trace.stages) for name in readout(stage.cell)}
    # the requested lines may not need the readout, or the input
    named = {key: labels for key, labels in trace.header.names.items() if key != "y" or outputs & found.keys()}
    inputs = None if trace.x is None or trace.x.ndim != 3 else trace.x.shape[2]
    return list(misfits(named, inputs, {*found.values()}, {found[at] for at in outputs & found.keys()}))


def _too_large(trace: Trace, stage: Stage, sizes: Mapping[str, int]) -> Iterator[str]:
    """What is wrong if the lines inside calls that the file lacks, which are derived, are far larger than the file."""
    if trace.header.arithmetic is not None:
        return  # they are not derived
    recorded = trace.lines.get(stage.scope, {})
    lacking = {name: sizes[name] for name in stage.cell.inner if name in sizes and name not in recorded}
    needed = sum(lacking.values()) * trace.steps * trace.batch
    held = sum(array.size for *_, array in arrays(trace, "parameters", "initial", "given", "lines"))
    held += 0 if trace.x is None else trace.x.size
    if needed > max(MOST, 16 * held):
        name = max(lacking, key=lambda name: (lacking[name], name))
        yield (
            f"{stage.scope}: {needed:,} values of lines inside calls are not in the file; at most {MOST:,} are "
            f"derived, or 16 times as many as it has ({held:,}). The widest is `{name}`, with {lacking[name]:,} units"
        )


def _partly(
    trace: Trace, stage: Stage, shapes: Mapping[str, tuple[int, ...]], known: Mapping[str, tuple[int, str]]
) -> Iterator[str]:
    """Contradictory widths in a stage with a missing premise, line by line."""
    matrices = {line.product[0] for line in stage.cell.lines if line.product}
    for name, shape in shapes.items():
        if len(shape) != (2 if name in matrices else 1) and (len(shape) != 2 or name not in stage.cell.matrices):
            yield f"{name} has shape {shape}; expected {'a matrix' if name in matrices else 'a vector'}"
            return
    recorded = {name: array.shape[-1] for name, array in trace.lines.get(stage.scope, {}).items()}
    wide = {name: math.prod(shape) for name, shape in shapes.items() if name not in matrices}
    wide |= {name: width for name, (width, _) in known.items()}
    for line in stage.lines:
        reads = [wide.get(operand) if isinstance(operand, str) else 1 for operand in line.operands]
        expected, fits = fitted(line, reads, shapes)
        if line.op == "slice" and (fault := beyond_the_end(line, reads[0] or int(line.constants[1]))):
            yield fault
        if not fits:
            sizes = ", ".join(f"{name}: {wide[name]}" for name in line.reads if name in wide)
            yield f"line `{line.name}`: the widths of its operands do not fit ({sizes})"
        found = recorded.get(line.name, expected)
        if expected is not None and found != expected:
            yield f"lines {stage.scope}/{line.name}: width {found}, expected {expected}"
        if found is not None:
            wide[line.name] = found
    for state, line_name in stage.cell.carry:
        if state in wide and wide.get(line_name, wide[state]) != wide[state]:
            yield f"{line_name} has width {wide[line_name]}, and is carried as {state}, which has width {wide[state]}"


_FIRST = slice(0, 1)


def shape_faults(trace: Trace) -> Iterator[str]:
    """Sums missing from a stage that has others; sums and gradients whose shape does not match their operands or the
    value that they are the gradient of.

    All sums of a stage may be missing: a trace of only some steps or sequences has none.
    """
    for scope, sums in trace.sums.items():
        if scope not in trace.scopes:
            yield f"sums: there is no stage {scope!r}"
            continue
        known = {gathered.name: gathered for gathered in trace.stage(scope).cell.sums}
        if sums and (lacking := [name for name in known if name not in sums]):
            yield f"sums {scope}: {', '.join(lacking)} missing; expected every sum in its equations, or none"
        for name, value in sums.items():
            if name not in known:
                yield f"sums {scope}/{name}: the cell gathers nothing of that name"
                continue
            for term in known[name].terms:
                read = [trace.operand(scope, part, _FIRST) for part in term]
                if matrices := [part for part, v in zip(term, read, strict=True) if v is not None and v.ndim == 2]:
                    yield f"sums {scope}/{name}: it gathers the matrix {matrices[0]}; expected vectors"
                    continue
                widths = [None if v is None else v.shape[-1] for v in read]
                shape = value.shape if len(term) > 1 else (value.size,)  # a matrix lies in one row
                if len(widths) != len(shape) or any(w not in (None, n) for w, n in zip(widths, shape, strict=True)):
                    expected = f"({', '.join('?' if w is None else str(w) for w in widths)})"
                    yield f"sums {scope}/{name} has shape {value.shape}; expected {expected}, as {' and '.join(term)}"
    for stage in trace.stages:
        if stage.is_adjoint and stage.owner in trace.scopes:
            yield from _gradients(trace, stage)


def _gradients(trace: Trace, stage: Stage) -> Iterator[str]:
    """Gradients of an adjoint stage whose shape differs from the value that they are the gradient of."""
    owner = trace.stage(stage.owner)
    for line, name in stage.cell.gradient:
        by_step = line in stage.cell.by_name or line in stage.cell.states
        if name in owner.cell.parameters:
            if by_step:
                yield f"{stage.scope}: {line} has a value at each step, and is the gradient of the parameter {name}"
                continue
            both = (trace.sums.get(stage.scope, {}).get(line), trace.parameters.get(stage.owner, {}).get(name))
            shapes = (None if a is None else a.shape for a in both)
        else:
            if not by_step:
                yield f"{stage.scope}: {line} has no value at each step, and is the gradient of {name}, which has"
                continue
            both = (trace.operand(stage.scope, line, _FIRST), trace.operand(stage.owner, name, _FIRST))
            shapes = (None if a is None else a.shape[-1:] for a in both)
        one, two = shapes
        if one is not None and two is not None and one != two:
            yield f"{stage.scope}: {line} has shape {one}; expected {two}, that of {name}, whose gradient it is"
