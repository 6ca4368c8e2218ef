"""From problem files to prepared models, and from a trace back to a problem that reproduces it: cell and premises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..base.arrays import Array, as_plain, describe, to_list
from ..base.files import read_bytes, read_data
from ..cell import arithmetic
from ..cell.composites import BUILT_IN
from ..cell.lines import Cell
from ..cell.named_cells import KINDS
from ..cell.network import GIVEN, Stage, X, extent, forward_stages, scope_and_name, stack
from ..cell.notations import cells_of, notations
from ..cell.parse import parse
from ..cell.variants import at_valid, directed, named, of_direction
from ..errors import CellError, FileError, LstmTraceError, MissingError, OptionError, raise_all, within
from ..formulas.plain import PLAIN, Plain
from ..formulas.tree import Written
from ..formulas.user_tex import ALLOWED, formula, pieces
from ..languages.strings import words
from ..printable import acts, yaml_escaped
from ..trace.address import INITIAL, STATE, line_name
from ..trace.argument_types import checked
from ..trace.files import TRACED
from ..trace.files.problem_file import Problem, faultless
from ..trace.files.safetensors import holds_trace, is_tensors
from ..trace.grids import as_grid
from ..trace.held import as_hold, plain, plain_stage
from ..trace.holding import layers
from ..trace.labels import readout, step_labels
from ..trace.printed import from_zero
from ..trace.trace import Header, Trace
from ..weights.read import Defaults
from .build import build, home_of, in_layout, kind_of
from .model import Model

#: How a report shows the problem, unless it is told otherwise.
SHOWN = ("digits", "language", "notation")
#: Maximum number of formulas in a title or in notes: each takes about a millisecond.
MOST_FORMULAS = 1_000
#: Advice for a file in which there is nothing yet.
EXAMPLE = "`lstm-trace example three-steps` prints one"
NO_PROBLEM = "the trace cannot be written as a problem"
#: Advice for a text file that is too large.
LARGER = "keep the weights of a problem in a model file (.npz, .safetensors), and run that with --input"


def read_problem(path: str | Path, content: bytes | None = None) -> Problem:
    """Read a problem file (YAML, JSON, TOML; '-' is standard input). Raises FileError with every fault."""
    content = read_bytes(path, LARGER) if content is None else content
    if is_tensors(path) and holds_trace(path):
        raise FileError(f"{path}: {TRACED}")
    data = read_data(path, content) if content.strip() else None
    if not isinstance(data, dict) or not data:
        found = describe(data) if data not in (None, {}) else "an empty file"
        raise FileError(f"{path}: expected a problem (title, weights, x, …), found {found}; {EXAMPLE}")
    if str(data.get("format", "")).startswith("lstm-trace/"):
        raise FileError(f"{path}: {TRACED}")
    return problem_of(data, str(path))


def problem_of(data: Mapping[str, Any], where: str) -> Problem:
    """The problem in a mapping. Raises FileError with every fault."""
    if (found := faultless(data)) is not None:
        return found
    from ..trace.files.schema import ProblemFile, as_problem, validate

    return as_problem(validate(ProblemFile, data, where))


def with_weights(path: str, weights: Mapping[str, Any], what: str) -> str:
    """The problem in a file with other weights, under canonical names, as YAML. what: text added to its title.

    weights: arrays by `layer/direction/name`. Raises FileError if the file is not a problem.
    """
    problem = read_problem(path)
    data = problem.written()
    named = [*weights, *(key for key in problem.given if "/" in key)]
    alone = len({scope_and_name(address)[0] for address in named}) == 1
    data["weights"] = {scope_and_name(at)[1] if alone else at: np.asarray(value) for at, value in weights.items()}
    model = prepare_problem(problem, path)
    header, asked = model.header, [*model.defaults.ask]
    for name in ("layout", *["notation"] * (problem.notation == "d2l")):
        data.pop(name, None)
    data |= {"ask": asked} if asked else {}
    if header.imported and header.kind != "equations":  # the names may have set options of the cell
        data["cell"] = {"kind": header.kind, **header.options}
    data["title"] = f"{problem.title}, {what}" if problem.title else what
    if problem.notation == "d2l":
        said = "The matrices multiply from the left, W x: those of the notation d2l, x W, are transposed."
        data["notes"] = f"{problem.notes.rstrip()}\n\n{said}".lstrip()
    return problem_text(data)


def problem_text(data: Mapping[str, Any]) -> str:
    """A problem as YAML, as a person would write it: multi-line texts as blocks, one row of numbers per line.

    Control characters (and overrides of the writing direction) are written as escapes.
    """
    style: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": 100}
    return yaml_escaped(str(yaml.dump(as_plain(data), Dumper=_Dumper, **style)))


class _Dumper(yaml.SafeDumper):
    """Writes multi-line texts, equations and notes as blocks, and control characters in double quotes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if acts(data) else "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def prepare_problem(problem: Problem, where: str = "the problem", allow_nonfinite: bool = False) -> Model:
    """The model that a problem describes, with the problem's input and request as defaults.

    A problem is checked in stages: its form (`read_problem`), the layout of its weights (here), its cell, its arrays
    (`build`), and the requested lines (`Model.run`). Each stage reports all its faults together, before the next
    begins. Raises the errors of `build`, each message preceded by the file's name.
    """
    own = isinstance(problem.cell, Mapping)
    if not (problem.weights or problem.given or problem.initial or own or problem.x is not None):
        raise MissingError(f"{where}: no weights and no x: a problem has both; {EXAMPLE}")
    weights: dict[str, Any] = dict(problem.weights)
    imported: tuple[str, ...] = ()
    brought: dict[str, Any] = {}
    if problem.layout is not None:
        with within(where):
            found = in_layout(weights, problem.layout, "weights", beside=list(weights))
        alone = {scope_and_name(key)[0] for key in found.weights} == {"0/forward"}  # names as the author writes them
        weights = {scope_and_name(key)[1] if alone else key: values for key, values in found.weights.items()}
        brought, imported = dict(found.options), found.imported
    cell = {"kind": problem.cell} if isinstance(problem.cell, str | None) else dict(problem.cell)
    if problem.layout is not None and "equations" not in cell:
        with within(where):
            cell["kind"] = kind_of(found, cell.get("kind"))
    elif "equations" not in cell:
        cell["notation"] = problem.notation
    cell = cell if "equations" in cell else {**brought, **cell}
    if problem.extra:
        if cell.get("extra"):
            raise OptionError(f"{where}: extra is given twice: next to the cell and inside it; give it once")
        cell = {**cell, "extra": problem.extra}
    if problem.arithmetic is not None and problem.dtype != "float64":
        said = f"{where}: in the arithmetic {problem.arithmetic} weights are taken as they are written"
        raise OptionError(f"{said}, and dtype {problem.dtype} would round them first; leave dtype out")
    states = {STATE["h0"]: problem.h0, STATE["c0"]: problem.c0, **problem.initial}
    defaults = Defaults(
        **{name: getattr(problem, name) for name in ("x", "given", "lengths", "mask", "batch_first")},
        initial={STATE.get(name, name): value for name, value in states.items() if value is not None},
        hold=layers(problem.hold), ask=tuple(problem.ask), arithmetic=arithmetic.named(problem.arithmetic),
        tokens=problem.names.get("t"), where=where,
    )  # fmt: skip
    with within(where):
        title = _read(problem, "title")
        _read(problem, "notes")
    header = Header(
        title=title,
        title_tex=problem.title if title != problem.title else "",
        **{name: getattr(problem, name) for name in ("notes", "symbols", "count_from", *SHOWN)},
        names={str(key): labels for key, labels in problem.names.items() if key != "t"},
        imported=imported,
    )
    with within(where):
        words(problem.language)  # raises OptionError if there is no such language
        model = build(weights, cell, None, problem.dtype, header, defaults, allow_nonfinite)
        kind, called = model.header.kind, problem.notation
        if called not in (None, "exercise", "joined") and kind not in notations()[called]:
            what = "a cell of equations" if kind == "equations" else f"the cell {kind!r}"
            raise OptionError(f"the notation {called!r} has no names for {what}; it has those of {cells_of(called)}")
        return model


def _read(problem: Problem, field: str) -> str:
    """The title or the notes as plain text. Raises FileError for a formula that is not understood."""
    plain, parts, both = Plain(problem.symbols), [], [*pieces(getattr(problem, field))]
    if (number := sum(found for _, found in both)) > MOST_FORMULAS:
        raise FileError(f"{field}: it has {number} formulas; at most {MOST_FORMULAS} are read")
    for text, found in both:
        if found:
            try:
                formula(text, replace(PLAIN, name=str))
            except ValueError as error:
                at = error if " " in str(error) else f"`{error}`"
                said = f"{field}: the formula `${text[:80]}$` is not understood at {at}"
                raise FileError(f"{said}. A formula has {ALLOWED}. A dollar that begins none is written \\$") from None
        parts.append(plain(Written(text)) if found else text)
    return "".join(parts)


@checked
def problem(trace: Trace) -> dict[str, Any]:
    """Return the problem that reproduces a trace: every line, with the same numbers.

    Anything that is not a premise is left out: adjoint stages, values written by another program. NaN and infinities
    are written as words, as in our files.

    Args:
        trace: a trace of a complete input, that is, one that begins at step 0 and has all layers from the first on.

    Returns:
        The problem as a mapping of plain values (docs/problems.md), accepted by `lt.prepare`, or to be saved as JSON or
        YAML.

    Raises:
        MissingError: if the trace starts after step 0, or lacks a premise that its lines need.
        CellError: if the equations of the layers are not those of one cell.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> lt.problem(trace)
    {'weights': {'W_xi': [[0.5, -1.0]], 'W_hi': [[0.25]]}, 'x': [[1.0, 2.0]], 'h0': [0.0], 'ask': ['i_t']}
    >>> lt.run(lt.problem(trace))["i_t"] == trace["i_t"]
    array([[[ True]]])
    """
    found = premises(trace)
    return found | {"weights": {key: to_list(value) for key, value in found["weights"].items()}}


def premises(trace: Trace) -> dict[str, Any]:
    """The problem of a trace, with its weights as arrays. Raises the errors of `problem`."""
    held, trace = as_hold(trace), replace(plain(trace), stages=tuple(map(plain_stage, trace.stages)))
    stages = forward_stages(trace.stages)
    _require(trace, stages)
    header = trace.header
    strings, keys = words(header.language), header.mistakes
    said = strings.sentence((strings.count("intro.mistakes", len(keys), what=", ".join(keys)),)) if keys else ()
    mistaken = "".join(map(str, said))
    layers, directions = extent(stage.scope for stage in stages)
    scopes = [f"{layer}/{direction}" for layer in range(layers) for direction in directions]
    spec, extra, starting = _cell(trace, stages, layers, directions)
    asked = [text for text in header.ask if any(stage.has(line_name(text)) for stage in stages)]
    if header.count_from:  # those of a trace count from 0
        asked = [from_zero(text) if "[" in text else text for text in asked]
    # the requested lines may not need the readout, or the input
    there = {"x": trace.x is not None, "y": any(readout(stage.cell) for stage in stages)}
    labels = {key: list(found) for key, found in header.names.items() if there.get(key, True)}
    rows = [list(step_labels(trace, b)) for b in range(len(header.step_labels))]  # one if all are the same
    found = {
        "title": header.title_tex or header.title,
        "notes": "\n\n".join(part for part in (header.notes, mistaken) if part),
        "cell": spec if spec != {"kind": "lstm"} else None,
        "weights": _weights(trace, stages, len(scopes) == 1),
        "x": _input(trace),
        **_states(trace, starting),
        "given": {
            name if len(stages) == 1 else f"{stage.scope}/{name}": to_list(trace.outward(values))
            for stage in stages
            for name, values in trace.given.get(stage.scope, {}).items()
        },
        "hold": held,
        "lengths": None if trace.lengths is None else [int(n) for n in trace.lengths],
        "mask": None if trace.mask is None else trace.outward(trace.mask).astype(int).tolist(),
        "batch_first": header.batch_first,
        "dtype": None if header.dtype == "float64" else header.dtype,
        "arithmetic": header.arithmetic,
        "extra": extra,
        "ask": asked if any(stage.computed is not None for stage in stages) else [],
        "names": {**labels, **({"t": rows if len(rows) > 1 else rows[0]} if rows else {})},
        "symbols": dict(header.symbols),
        "count_from": header.count_from,
        **{name: getattr(header, name) for name in SHOWN},
    }
    if (
        found["notation"] == "d2l" or "equations" in spec
    ):  # the weights are ours by now, and would be transposed once more
        found["notation"] = None
    kept = ("weights", "h0", "c0", "digits")  # an empty mapping of weights marks it as a problem
    return {key: value for key, value in found.items() if value or (key in kept and value is not None)}


def _require(trace: Trace, stages: Sequence[Stage]) -> None:
    """Raise MissingError if the trace lacks premises of anything that it computes."""
    if not stages:
        raise MissingError("the trace holds adjoint stages only; a problem describes the forward pass")
    if trace.first:
        said = f"a problem begins at step 0, and the trace holds only steps {trace.first} to {trace.span[-1]}"
        raise MissingError(f"{said}; run the whole input for a trace that has a problem")
    problems: list[str] = []
    for stage in stages:
        here = trace.parameters.get(stage.scope, {})
        problems += (f"the weight {stage.scope}/{name}" for name in stage.parameters if name not in here)
        first = trace.initial.get(stage.scope, {})
        problems += (f"the initial state {stage.scope}/{name}" for name in stage.states if name not in first)
        for name in stage.inputs:
            if stage.sources[name] == X and trace.x is None:
                problems.append(f"the input {name}")
            elif stage.sources[name] == GIVEN and name not in trace.given.get(stage.scope, {}):
                problems.append(f"the supplied line {stage.scope}/{name}")
    layers, directions = extent(stage.scope for stage in stages)
    there = {stage.scope for stage in stages}
    lost = [f"{n}/{d}" for n in range(layers) for d in directions if f"{n}/{d}" not in there]
    if lost:
        problems.append(f"the weights of {', '.join(lost)}, which the requested lines do not need: run it without ask")
    raise_all(MissingError, (f"{NO_PROBLEM}: it does not hold {what}" for what in problems))


# -- the cell --------------------------------------------------------------------------------------------------------


def _cell(
    trace: Trace, stages: Sequence[Stage], layers: int, directions: tuple[str, ...]
) -> tuple[dict[str, Any], str, Mapping[str, Sequence[str]]]:
    """The cell as written in a problem, the equations that the last stage adds, and the scopes of each state.

    The output that padding repeats starts at zero, and is not among the states. Raises CellError, or MissingError where
    it does not.
    """
    header = trace.header
    given = {stage.scope: tuple(trace.given.get(stage.scope, ())) for stage in stages}
    network: dict[str, Any] = {"merge": header.merge} if len(directions) > 1 and header.merge != "concat" else {}
    network |= {} if header.padding in (None, "zero") else {"padding": header.padding}
    network |= {"direction": "reverse"} if directions == ("reverse",) and layers == 1 else {}
    top = [stage for stage in stages if stage.layer == layers - 1][-1]
    for spec, cell, reverse in _candidates(trace, stages, directions):
        try:
            alone = stack(cell, layers, directions, header.merge, reverse=reverse)
            bare = next(stage.cell for stage in alone if stage.scope == top.scope)
            padding = () if header.padding is None else ("valid", top.cell.output)
            extra = added_text(bare, top.cell, padding)
            again = stack(cell, layers, directions, header.merge, header.padding, extra, given, reverse)
        except LstmTraceError:
            continue
        whole = {stage.scope: stage for stage in again}
        if all(_alike(stage, whole[stage.scope]) for stage in stages):
            starting: dict[str, list[str]] = {}
            for scope, state, line in ((s.scope, *pair) for s in again for pair in s.cell.carry):
                if not (padding and _repeats(whole[scope].cell, state, line)):
                    starting.setdefault(state, []).append(scope)
                elif np.any(trace.initial.get(scope, {}).get(state, 0)):
                    said = f"in {scope} padding begins by repeating {state}, which is not zero"
                    raise MissingError(f"{NO_PROBLEM}: {said}; a problem has no place for it")
            return {**spec, **network}, extra, starting
    raise CellError(f"{NO_PROBLEM}: its layers and directions do not have the equations of one cell")


def _candidates(
    trace: Trace, stages: Sequence[Stage], directions: tuple[str, ...]
) -> Iterator[tuple[dict[str, Any], Cell, Cell | None]]:
    """Candidates for the cell of the network: the named one, or the equations of a stage; with that of `reverse`."""
    kind, options = trace.header.kind, dict(trace.header.options)
    if kind in KINDS:
        if len(directions) == 1:
            options = of_direction(options, directions[0])
        cell, reverse, full = directed(kind, options)
        names = {name for here in trace.parameters.values() for name in here}
        own = {name: value for name, value in full.items() if name != "reverse"}
        usual = named(kind, {name: v for name, v in own.items() if name != "bias"}, names)[1]["bias"]
        plain = KINDS[kind]()
        said = {name: value for name, value in own.items() if name != "bias" and value != getattr(plain, name)}
        said |= {} if own["bias"] == usual else {"bias": own["bias"]}
        said |= {"reverse": full["reverse"]} if reverse is not None else {}
        yield {"kind": kind, **said}, cell, reverse
    for stage in stages:
        if stage.direction != "joined":
            cell = parse(own_text(stage.cell, trace.header.padding is not None))
            known = {function.text for function in BUILT_IN.values()}  # these need no definition
            yield {"equations": "".join(f"{row}\n" for row in cell.text.splitlines() if row not in known)}, cell, None


def own_text(cell: Cell, padded: bool) -> str:
    """The equations of a cell without those that `variants.masked` added after and between them, and later ones."""
    output = cell.output
    if not padded or output not in cell.by_name:
        return cell.text
    inputs = tuple(name for name in cell.inputs if name != "valid")
    lines = cell.lines[: cell.lines.index(cell.by_name[output])]
    known = {*inputs, *(line.name for line in lines)}  # no totals
    carry = tuple(pair for pair in _carried(cell) if pair[1] in known)
    return replace(cell, lines=lines, carry=carry, output=_valid(cell).get(output, output), inputs=inputs).text


def _valid(cell: Cell) -> dict[str, str]:
    """The lines that `variants.masked` replaced at padding, by what replaced them."""
    return {line.name: str(line.operands[1]) for line in cell.lines if line.op == "where"}


def _carried(cell: Cell) -> list[tuple[str, str]]:
    """The carry of a cell with padding as it is without: neither at padding, nor of the output that it repeats."""
    held = {n: line for n, line in _valid(cell).items() if n == cell.output or not cell.by_name[n].assigned}
    return [(state, held.get(line, line)) for state, line in cell.carry if not _repeats(cell, state, line)]


def _repeats(cell: Cell, state: str, line: str) -> bool:
    """Whether a cell with padding carries a line only to repeat it there; the name of the state tells it from `carry`,
    where the output at padding is a state of the cell.
    """
    return (state, line) == (f"{cell.output.removesuffix('_t')}_prev", cell.output)


def added_text(bare: Cell, cell: Cell, padding: Sequence[str] = ()) -> str:
    """The equations that a cell has in addition to the bare one. padding: names that `variants.masked` added."""
    known = {*bare.by_name, *padding}
    rows = [f.text for f in cell.functions if f not in bare.functions and BUILT_IN.get(f.name) != f]
    fed = [name for name in cell.inputs if name not in bare.inputs and name not in known]
    rows += [f"input: {', '.join(fed)}"] if fed else []
    carry = _carried(cell) if padding else cell.carry
    own_states = (state for state, _ in carry if padding and state not in bare.states)
    totals = {cell.states[state]: value for state in own_states if (value := at_valid(cell, state)) is not None}
    rows += [f"{name} = {totals.get(name, right)}" for name, right in cell.equations.items() if name not in known]
    own = [f"{state} <- {line}" for state, line in carry if state not in bare.states]
    rows += [f"carry: {', '.join(own)}"] if own else []
    rows += ["sum: " + ", ".join(gathered.text for gathered in cell.sums)] if cell.sums and not bare.sums else []
    return "".join(f"{row}\n" for row in rows)


def _alike(stage: Stage, other: Stage) -> bool:
    """Whether two stages compute the same from the same operands; the order of declared inputs does not matter."""
    pair = (stage, other)
    mine, theirs = ((set(s.cell.inputs), replace(s.cell, inputs=(), functions=()), dict(s.sources)) for s in pair)
    return mine == theirs


# -- the premises ----------------------------------------------------------------------------------------------------


def _weights(trace: Trace, stages: Sequence[Stage], alone: bool) -> dict[str, Array]:
    """The weights under canonical names; those of a readout above both directions are listed with the layer's first."""
    found: dict[str, Array] = {}
    problems = []
    for stage in stages:
        for name, value in trace.parameters.get(stage.scope, {}).items():
            key = name if alone else f"{home_of(stage.scope)}/{name}"
            known: Array = found.setdefault(key, value)
            if not np.array_equal(known, value, equal_nan=True):
                problems.append(f"{NO_PROBLEM}: {stage.scope} has another {key}")
    raise_all(CellError, problems)
    return found


def _input(trace: Trace) -> Any:
    """x as it was given; zeros if no line uses it but only it determines the number of steps and sequences."""
    if trace.x is not None:
        return to_list(trace.outward(trace.x))
    held = [a for scope, here in trace.given.items() for a in here.values() if scope in trace.scopes]
    counted = bool(held) or trace.steps == 1
    rows = trace.header.batched == (trace.batch > 1) and (bool(held) or bool(trace.initial) or trace.batch == 1)
    return None if counted and rows else to_list(trace.outward(np.zeros((trace.steps, trace.batch, 1))))


def _states(trace: Trace, starting: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """h0, c0 and `initial`: for every layer and direction, (L·D, B, width), with fewer axes if x has fewer; a matrix
    has two axes in place of the last. starting: the scopes of each state.
    """
    named: dict[str, Any] = {}
    for state, scopes in starting.items():
        if any(state in trace.initial.get(scope, {}) for scope in scopes):
            here = [as_grid(trace, scope, state, _initial(trace, scope, state)) for scope in scopes]
            rows = [to_list(values if trace.header.batched else values[0]) for values in here]
            named[INITIAL.get(state, state)] = rows[0] if len(rows) == 1 else rows
    return {name: named.pop(name) for name in INITIAL.values() if name in named} | {"initial": named}


def _initial(trace: Trace, scope: str, state: str) -> Array:
    """The initial state of one layer and direction, (B, width); zeros if no computed line uses it."""
    found = trace.initial.get(scope, {}).get(state)
    if found is not None:
        return found
    if grid := trace.grid(scope, state):  # layers may differ in size
        return np.zeros((trace.batch, grid[0] * grid[1]))
    line = trace.stage(scope).cell.states.get(state, "")
    like = {**trace.given.get(scope, {}), **trace.lines.get(scope, {})}.get(line)
    others = (here[state] for here in trace.initial.values() if state in here)
    return np.zeros_like(next(others) if like is None else like[0])
