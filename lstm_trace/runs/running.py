"""From a spec to a run: its source, another arithmetic, and the changes to it, in this order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import to_array, to_list
from ..base.files import read_data
from ..cell.lines import Cell
from ..cell.network import forward_stages
from ..cell.parse import parse
from ..engine.run import in_arithmetic, with_holds
from ..errors import OptionError, TooLargeError, within
from ..examples import text
from ..model.edit import PADDED, edit as change
from ..model.model import Model
from ..model.problem import prepare_problem, read_problem
from ..model.sources import prepare
from ..model.tokens import with_tokens
from ..store.files import as_label
from ..trace.address import INITIAL, line_name
from ..trace.files import trace_file
from ..trace.files.schema import LayoutSpec, ProblemFile, as_problem, validate
from ..trace.files.trace_file import is_trace
from ..trace.holding import layers, widths_of
from ..trace.trace import Trace
from ..verification.compare import changes
from ..weights.read import is_model
from ..workers.process import tell
from .asked import SOURCES, DroppedRunError, Edits, Spec, read
from .describing import Layers, RunChange, RunReply, check_values, described
from .inspecting import alone
from .kept import Bounds, Recipe, RunRecord, drop, gone, is_there, keep, opened, record, save
from .records import ReadRoute, as_json

#: Fields that determine how a source is run; changing one repeats its run.
CHANGES = ("equations", "arithmetic")


class Item(NamedTuple):
    """A file of the library: its id, its path, its SHA-256 and its name in messages."""

    id: str
    path: str
    sha256: str
    label: str


class Made(NamedTuple):
    """A kept run, the reply, and whether it was made now. wanted: instead, an item that it needs."""

    id: str = ""
    reply: bytes = b""
    new: bool = False
    wanted: str = ""


def make(body: bytes, folder: str, bounds: Bounds, item: Item | None = None) -> Made:
    """Make the run of a spec.

    Args:
        body: the spec as JSON (`asked.Spec`).
        folder: folder of the runs.
        bounds: limits on its runs.
        item: the file of the library that the spec refers to, if any; found by the caller.

    Returns:
        The run; or the item that it needs and that was not given: the call must be repeated with it.

    Raises:
        NotJsonError: if the body is not JSON.
        OptionError, FileError, CellError: with the faults of the spec.
        TooLargeError: before the run is made, if it would exceed the permitted number of values.
    """
    spec = read(Spec, body)
    if len(named := [name for name in SOURCES if getattr(spec, name) is not None]) != 1:
        said = f"expected one of {', '.join(SOURCES)}; found {' and '.join(named) or 'none'}"
        raise OptionError(f"the request: {said}")
    if spec.model is None and (foreign := [name for name in ("name", "layout") if getattr(spec, name) is not None]):
        raise OptionError(f"the request: {' and '.join(foreign)} can only be given with a model")
    if spec.example is not None:
        problem = validate(ProblemFile, read_data("x.yaml", text(spec.example).encode()), spec.example)
        spec = spec.model_copy(update={"example": None, "problem": problem})
    if wanted := _wanted(spec, item):
        return Made(wanted=wanted)
    edits = {one.address: to_list(one.value) for one in spec.edits}
    recipe = Recipe(_source(spec), edits, "" if item is None else item.sha256)
    return _made(recipe, Path(folder), bounds, lambda: _edited(_ran(spec, bounds, item), edits, spec.equations, bounds))


def edit(body: bytes, path: str, bounds: Bounds, item: Item | None = None) -> Made:
    """Make the run of another run's spec with more edits, other equations or another arithmetic.

    If that run exists already, nothing is computed; but equations after edits need a run of the source, to determine
    which of the edits still apply to these equations.

    Args:
        body: the changes as JSON (`asked.Edits`).
        path: path of the trace of the original run; it stays as it is.
        bounds: limits on the runs.
        item: the file that the run is made from, as in `make`; needed only for other equations or another arithmetic.

    Returns:
        The run, or the item that it needs, as in `make`; the reply lists the lines that have changed.

    Raises:
        DroppedRunError: if the run is no longer available.
        LstmTraceError: as in `make`.
    """
    said, before, parent = read(Edits, body), record(path).recipe, Path(path)
    more = {one.address: to_list(one.value) for one in said.edits}
    kept = {address: value for address, value in before.edits.items() if address not in more}
    recipe = before._replace(edits={**kept, **more})  # the last value of an address, in its original place
    others: dict[str, Any] = {name: getattr(said, name) for name in CHANGES if name in said.model_fields_set}
    if not others:
        return _made(recipe, parent.parent, bounds, lambda: _edited(opened(path), more, None, bounds), parent)
    spec = validate(Spec, before.source, "the source").model_copy(update=others)
    if wanted := _wanted(spec, item):
        return Made(wanted=wanted)
    base = cache(lambda: _ran(spec, bounds, item))
    if "equations" in others and kept:  # earlier edits of names that they do not have are dropped, like their weights
        known = _known(base(), spec.equations) | more.keys()
        kept = {place: value for place, value in recipe.edits.items() if {place, line_name(place)} & known}
        recipe = recipe._replace(edits=kept)
    recipe = recipe._replace(source=_source(spec))
    return _made(recipe, parent.parent, bounds, lambda: _edited(base(), recipe.edits, spec.equations, bounds), parent)


def remake(_: bytes, path: str, bounds: Bounds, item: Item | None = None) -> Made:
    """Make a dropped run again from the facts about it; its item as in `make`. Raises DroppedRunError."""
    found = record(path)
    spec = validate(Spec, found.recipe.source, "the source")
    if wanted := _wanted(spec, item):
        return Made(wanted=wanted)
    if item is not None and item.sha256 != found.recipe.item:
        raise gone(Path(path).stem)
    trace = _edited(_ran(spec, bounds, item), found.recipe.edits, spec.equations, bounds)
    save(Path(path), trace)
    keep(Path(path), found)
    drop(Path(path).parent, bounds)
    return Made(Path(path).stem)


def run(path: str) -> bytes:
    """Describe a run: its cell, its lines, its premises and the requested lines."""
    return (found := record(path)).answer(found.parent)


def spec(path: str) -> bytes:
    """Return a spec from which `POST /runs` makes the run again, also elsewhere: an example as its problem, all
    edits.
    """
    return record(path).recipe.spec


#: Views of a run (GET `/runs/{id}`), and of its spec.
VIEWS = (ReadRoute("", run, RunReply), ReadRoute("spec", spec, dict[str, Any]))


def _wanted(spec: Spec, item: Item | None) -> str:
    """The item that a spec refers to, if it is not given."""
    named = spec.item or spec.model or ""
    return "" if item is not None and item.id == named else named


def _source(spec: Spec) -> bytes:
    """A spec without its edits, as JSON: the same for the same spec."""
    return spec.model_dump_json(exclude={"edits"}, exclude_unset=True, exclude_none=True).encode()


def _made(recipe: Recipe, folder: Path, bounds: Bounds, run: Callable[[], Trace], parent: Path | None = None) -> Made:
    """The run of a recipe: from the folder if it exists and is intact, otherwise `run` makes it."""
    path, above = folder / f"{recipe.id}.safetensors", None if parent is None else parent.stem
    before, there = None if parent is None else opened(str(parent)), None
    if is_there(path):
        with suppress(DroppedRunError):  # it was damaged, or has been dropped by another server
            there = opened(str(path)), record(path)
    if new := there is None:
        trace = run()
        save(path, trace)
        said = {"id": path.stem, "href": f"/api/v1/runs/{path.stem}", **described(trace, bounds.live)}
        keep(path, RunRecord(recipe, above, as_json(said)))
        drop(folder, bounds)
        there = opened(str(path)), record(path)
    trace, found = there
    changed = None if before is None else [RunChange.from_attributes(one) for one in changes(before, trace)]
    return Made(path.stem, found.answer(above or found.parent, changed), new)


def _known(base: Trace, equations: str | None) -> set[str]:
    """The names that an edit may contain once a run has these equations (None: its own). Raises CellError."""
    if equations is None:
        return _names(stage.cell for stage in base.stages)
    cell, stages = parse(equations), forward_stages(base.stages)
    first, last = stages[0].cell, stages[-1].cell
    if (last.equations.keys() - first.equations.keys()) & cell.equations.keys():
        return _names([cell])
    return _names([cell]) | (_names([last]) - _names([first]))  # a stack keeps what its last stage adds


def _names(cells: Iterable[Cell]) -> set[str]:
    """The names that an edit may contain in one of several cells."""
    found = {name for cell in cells for name in (*cell.by_name, *cell.inputs, *cell.states, *cell.parameters)}
    return found | {INITIAL.get(name, name) for name in found} | {"x", *PADDED}


def _ran(spec: Spec, bounds: Bounds, item: Item | None) -> Trace:
    """The run of a spec's source, a problem or a file of the library, in the arithmetic that it names."""
    given = {name: getattr(spec, name) for name in ("x", "h0", "c0", "lengths", "mask", "batch_first", "tokens")}
    hold = layers(spec.hold, *({one.address: one.value} for one in spec.holds))
    check_values(hold)
    stored = spec.layout.model_dump(exclude_unset=True) if isinstance(spec.layout, LayoutSpec) else spec.layout
    if item is None:
        assert spec.problem is not None  # one of the sources
        return _traced(prepare(as_problem(spec.problem)), given, hold, spec.arithmetic, bounds)
    with alone(item.path, as_label(item.label)) as name:  # neither messages nor files lead to others of the library
        if not is_trace(name):
            if is_model(name):
                model = prepare(name, name=spec.name or "", layout=stored)
            else:  # a hold in a problem may name a file, which is not opened here
                model = prepare_problem(read_problem(name), name)
            return _traced(model, given, hold, spec.arithmetic, bounds)
        tokens = given.pop("tokens")
        if surplus := [what for what, value in given.items() if value is not None]:
            raise OptionError(f"{name}: a trace has its own {', '.join(surplus)}; change them by edits")
        trace = trace_file.load(name)
    trace = trace if tokens is None else with_tokens(trace, tokens)
    check(sum(a.size for here in trace.lines.values() for a in here.values()), bounds)
    trace = with_holds(trace, hold) if hold else trace
    return trace if spec.arithmetic is None else in_arithmetic(trace, spec.arithmetic)


def _traced(model: Model, given: dict[str, Any], hold: Layers, arithmetic: str | None, bounds: Bounds) -> Trace:
    """The run of a model, once it is known not to be too large.

    It is run directly in the arithmetic, not first in its dtype, which would round the given values once more.
    """
    x = model.defaults.x if given["x"] is None else given["x"]
    if x is not None and np.ndim(x) and np.size(x):  # a line given once is expanded to every step and sequence
        widths = sum(np.shape(value)[-1] for value in model.defaults.given.values() if np.ndim(value) == 1)
        check(np.size(x) // np.shape(x)[-1] * widths, bounds)
    without = replace(model, defaults=replace(model.defaults, hold=()))
    check(without.laid_out(**given)[1].numbers, bounds)  # before the arrays of holds are made
    with within(model.defaults.where):
        check_values(model.defaults.hold)
    model = replace(model, defaults=replace(model.defaults, hold=(*model.defaults.hold, *hold)))
    fed, work = model.laid_out(**given)
    check(work.numbers + sum(width for *_, width in widths_of(fed.holds.given)) * fed.steps * fed.batch, bounds)
    return model.run(**given, arithmetic=arithmetic, progress=tell)


def check(numbers: int, bounds: Bounds) -> None:
    """Raise TooLargeError for a run of too many values, before it is made."""
    if numbers > bounds.values:
        raise TooLargeError(
            f"the run would hold {numbers:,} values, and this service keeps runs of at most {bounds.values:,} "
            "(values_per_run): trace fewer steps, rows or units, ask for fewer lines, or use the command line"
        )


def _edited(trace: Trace, edits: Mapping[str, Any], equations: str | None, bounds: Bounds) -> Trace:
    """A trace with other premises, or other equations; unchanged if there are none."""
    if not edits and equations is None:
        return trace
    values = {address: to_array(value) for address, value in edits.items()}
    return change(trace, values, equations, lambda model: check(model.laid_out()[1].numbers, bounds))
