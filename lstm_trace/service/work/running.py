"""A spec to a run: its source, another arithmetic, and the changes that were made to it, in this order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import to_list
from ...engine.rerun import in_arithmetic, rerun
from ...errors import LstmTraceError, OptionError, TooLargeError
from ...examples import text
from ...model.problem import read_problem
from ...model.sources import prepare
from ...printable import json_text
from ...trace.files import trace_file
from ...trace.files.schema import LayoutSpec, validate
from ...trace.files.trace_file import is_trace
from ...trace.trace import Trace
from ..bodies import SOURCES, Edits, Spec
from .describing import described
from .kept import Bounds, Recipe, Record, drop, keep, opened, record

#: Fields that say how a source is run; another one makes its run anew.
CHANGES = ("equations", "arithmetic")


class Item(NamedTuple):
    """A file of the library: its id, where it is, its SHA-256 and what messages call it."""

    id: str
    path: str
    sha256: str
    label: str


class Made(NamedTuple):
    """A run that is kept, the reply, and whether it was made now. wanted: instead, an item that it needs."""

    id: str = ""
    reply: bytes = b""
    new: bool = False
    wanted: str = ""


def make(body: bytes, folder: str, bounds: Bounds, item: Item | None = None) -> Made:
    """The run of a spec; what it is of, where that is an item of the library which is not given.

    Raises LstmTraceError.
    """
    spec = validate(Spec, body, "the request")
    named = [name for name in SOURCES if getattr(spec, name) is not None]
    if len(named) != 1:
        found = " and ".join(named) or "none"
        raise OptionError(f"the request: expected one of {', '.join(SOURCES)}; found {found}")
    if spec.example is not None:
        problem = read_problem(f"{spec.example}.yaml", text(spec.example).encode())
        spec = spec.model_copy(update={"example": None, "problem": problem})
    if wanted := _wanted(spec, item):
        return Made(wanted=wanted)
    edits = {one.address: to_list(one.value) for one in spec.edits}
    recipe = Recipe(_source(spec), edits, "" if item is None else item.sha256)
    return _made(recipe, Path(folder), bounds, lambda: _from_source(recipe, bounds, item))


def edit(body: bytes, path: str, bounds: Bounds, item: Item | None = None) -> Made:
    """The run of another one's spec with more edits, other equations or another arithmetic; else as `make`."""
    change, before, parent = validate(Edits, body, "the request"), record(path).recipe, Path(path)
    more = {one.address: to_list(one.value) for one in change.edits}
    kept = {address: value for address, value in before.edits.items() if address not in more}
    recipe = before._replace(edits={**kept, **more})  # the last value of an address, where it came
    others: dict[str, Any] = {name: getattr(change, name) for name in CHANGES if name in change.model_fields_set}
    if not others:
        return _made(recipe, parent.parent, bounds, lambda: edited(opened(path), more, None, bounds), parent)
    spec = validate(Spec, before.source, "the source").model_copy(update=others)
    if wanted := _wanted(spec, item):
        return Made(wanted=wanted)
    recipe = recipe._replace(source=_source(spec))
    return _made(recipe, parent.parent, bounds, lambda: _from_source(recipe, bounds, item), parent)


def reply(path: str) -> bytes:
    """What is said of a run that is kept."""
    found = record(path)
    return found.answer(found.parent)


def _wanted(spec: Spec, item: Item | None) -> str:
    """The item that a spec is of, where that is not given."""
    named = spec.item or spec.model or ""
    return "" if item is not None and item.id == named else named


def _source(spec: Spec) -> bytes:
    """A spec without its edits, as JSON: the same for the same spec."""
    return spec.model_dump_json(exclude={"edits"}, exclude_unset=True, exclude_none=True).encode()


def _made(recipe: Recipe, folder: Path, bounds: Bounds, run: Callable[[], Trace], parent: Path | None = None) -> Made:
    """The run of a recipe: from the folder where it is there, otherwise `run` makes it."""
    path, above = folder / f"{recipe.id}.safetensors", None if parent is None else parent.stem
    if new := not path.with_suffix(".json").exists():
        began = time.perf_counter()
        try:
            trace = run()
        except MemoryError:
            raise TooLargeError("not enough memory; trace fewer steps, rows or lines") from None
        trace_file.save(trace, path)
        said = {"id": path.stem, "href": f"/api/v1/runs/{path.stem}", **described(trace, bounds.live)}
        said |= {"bytes": path.stat().st_size, "seconds": round(time.perf_counter() - began, 6)}
        keep(path, trace, Record(recipe, above, json_text(said).encode()))
        drop(folder, bounds)
    changed = None if parent is None else _changed(opened(str(parent)), opened(str(path)))
    found = record(path)
    return Made(path.stem, found.answer(above or found.parent, changed), new)


def _from_source(recipe: Recipe, bounds: Bounds, item: Item | None) -> Trace:
    """The run of a recipe from the beginning."""
    spec = validate(Spec, recipe.source, "the source")
    trace = _ran(spec, bounds, item)
    if spec.arithmetic is not None:
        trace = in_arithmetic(trace, spec.arithmetic)
    return edited(trace, recipe.edits, spec.equations, bounds)


def _ran(spec: Spec, bounds: Bounds, item: Item | None) -> Trace:
    """The run of a spec's source: of a problem, or of a file of the library."""
    given = {name: getattr(spec, name) for name in ("x", "h0", "c0", "lengths", "mask", "batch_first")}
    if item is not None and is_trace(item.path):
        surplus = [name for name, value in given.items() if value is not None]
        if surplus:
            raise OptionError(f"{item.label}: a trace has its own {', '.join(surplus)}; change them by edits")
        trace = trace_file.load(item.path)
        check(sum(a.size for here in trace.lines.values() for a in here.values()), bounds)
        return trace
    stored = spec.layout.model_dump(exclude_unset=True) if isinstance(spec.layout, LayoutSpec) else spec.layout
    with _called(item):
        model = prepare(spec.problem) if item is None else prepare(item.path, name=spec.name or "", layout=stored)
        sequence = model.defaults.x if spec.x is None else spec.x
        sequence = None if sequence is None else np.atleast_1d(sequence)
        if sequence is not None and sequence.size:  # a line that is given once is written out for every step and row
            widths = sum(np.shape(value)[-1] for value in model.defaults.given.values() if np.ndim(value) == 1)
            check(sequence.size // sequence.shape[-1] * widths, bounds)
        check(model.laid_out(**given)[1].numbers, bounds)
        return model.run(**given)


def check(numbers: int, bounds: Bounds) -> None:
    """Raise TooLargeError for a run of too many values, before it is made."""
    if numbers > bounds.values:
        raise TooLargeError(
            f"the run would hold {numbers:,} values, and this service keeps runs of at most {bounds.values:,} "
            "(values_per_run): trace fewer steps, rows or units, ask for fewer lines, or use the command line"
        )


@contextmanager
def _called(item: Item | None) -> Iterator[None]:
    """Messages name a file of the library by its label, not by where it is."""
    try:
        yield
    except LstmTraceError as error:
        if item is None:
            raise
        raise type(error)(*(problem.replace(item.path, item.label) for problem in error.problems)) from None


def edited(trace: Trace, edits: Mapping[str, Any], equations: str | None, bounds: Bounds) -> Trace:
    """A trace with other premises, or other equations."""
    if not edits and equations is None:
        return trace
    parameters = {scope: {name: np.array(a) for name, a in here.items()} for scope, here in trace.parameters.items()}
    for address, value in edits.items():
        place = trace.locate(address)
        parameters[place.scope][place.line][... if place.unit is None else place.unit] = value
    return rerun(trace, parameters=parameters)


def _changed(a: Trace, b: Trace) -> list[Any]:
    return []
