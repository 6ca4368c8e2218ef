"""Problem files to prepared models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..base.arrays import describe, fault, mended
from ..base.files import read_bytes, read_data
from ..errors import Faults, FileError, LstmTraceError, closest, within
from ..trace.address import STATE
from ..trace.files.schema import HINTS, TRACED, Problem, places, validate
from ..trace.files.tensor_header import holds_trace, is_tensors
from ..trace.trace import Header
from ..weights.found import Defaults
from .build import build
from .model import Model
from .prepare import by_our_names

#: Keys of a problem without which the rest can still be checked, with what is open then (`Defaults.unread`).
_OPEN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("title", "notes", "names", "symbols", "dtype", "h0", "h_prev", "c0", "c_prev", "initial"), ()),
    **dict.fromkeys(("x", "x_t", "batch_first"), ("x",)),
    "given": ("given",),
    "mask": ("mask",),
    "ask": ("ask",),
}
#: What to do with a text file that is too large.
LARGER = "keep the weights of a problem in a model file (.npz, .safetensors), and run that with --input"
_SEVERAL = ("weights", "initial", "given")  # keys that hold arrays by name
_ARRAYS = ("x", "x_t", "h0", "h_prev", "c0", "c_prev")
_OTHER_NAME = {"x_t": "x", "h_prev": "h0", "c_prev": "c0"}


def read_problem(path: str | Path, content: bytes | None = None) -> Problem:
    """Read a problem file (YAML, JSON, TOML; '-' is standard input). Raises FileError with every fault."""
    content = read_bytes(path, LARGER) if content is None else content
    if is_tensors(path) and holds_trace(path):
        raise FileError(f"{path}: {TRACED}")
    data = read_data(path, content) if content.strip() else None
    if not isinstance(data, dict) or not data:
        found = describe(data) if data not in (None, {}) else "an empty file"
        raise FileError(f"{path}: expected a problem (title, weights, x, …), found {found}")
    if str(data.get("format", "")).startswith("lstm-trace/"):
        raise FileError(f"{path}: {TRACED}")
    return as_problem(data, str(path))


def as_problem(data: dict[str, Any], where: str) -> Problem:
    """The problem in plain data.

    Raises FileError with every fault: also those that `prepare_problem` and a run would find in what can be read.
    """
    try:
        return validate(Problem, data, where)
    except FileError as error:
        raise FileError(*error.problems, *_beyond(data, where)) from None


def _beyond(data: dict[str, Any], where: str) -> tuple[str, ...]:
    """The faults of a problem beside those of its form, as far as they can be told without what is faulty."""
    rest = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    unread: set[str] = set()
    faulty = places(Problem, data)
    if len(faulty) > HINTS:  # it is no problem
        return ()
    for place in faulty:
        if not place or not _set_aside(rest, place, unread):
            return ()
    if places(Problem, rest):  # two faults in one place: x beside an x_t that is no array
        return ()
    try:
        prepare_problem(Problem.model_validate(rest), where, unread=frozenset(unread)).check()
    except LstmTraceError as error:
        return error.problems
    return ()


def _set_aside(rest: dict[Any, Any], place: tuple[int | str, ...], unread: set[str]) -> bool:
    """Put in the place of a fault what can be read, or take it out and add to `unread` what is open without it.

    False where all else that is wrong hangs on it.
    """
    key = str(place[0])
    held, name = (rest[key], place[1]) if key in _SEVERAL and len(place) > 1 else (rest, place[0])
    value = held.pop(name, None)
    if _OTHER_NAME.get(key) in rest:  # it stands twice
        return True
    if key not in Problem.model_fields and key not in _OPEN:
        meant = closest(key, Problem.model_fields)
        if meant is None or meant in rest:
            return True
        key = meant
    elif (held is not rest or key in _ARRAYS) and fault(value) and (array := mended(value)) is not None:
        held[name] = array
        return True
    elif key == "lengths" and isinstance(value, list):
        held[name] = [0] * len(value)  # their number counts
        return True
    elif key == "weights":
        layout = rest.pop("layout", None)
        unread.add("weights" if layout or held is rest else str(name))
        rest["weights"] = {} if layout or held is rest else held
        return True
    unread.update(_OPEN.get(key, ()))
    return key in _OPEN


def prepare_problem(
    problem: Problem, where: str = "the problem", allow_nonfinite: bool = False, unread: frozenset[str] = frozenset()
) -> Model:
    """The model that a problem describes, with the problem's input and question as defaults.

    unread: weights by name, and keys of the file, that could not be read: see `Defaults`.
    Raises the errors of `build`, each message with the file's name before it.
    """
    faults = Faults()
    weights: dict[str, Any] = dict(problem.weights)
    imported: tuple[str, ...] = ()
    brought: dict[str, Any] = {}
    if problem.layout is not None:
        stored = problem.layout if isinstance(problem.layout, str) else problem.layout.model_dump(exclude_unset=True)
        beside, weights = weights, {}
        with faults.gather():
            weights, brought, imported = by_our_names(beside, stored, beside=list(beside))
        unread |= {"weights"} if faults.problems else frozenset()
    cell = {"kind": problem.cell} if isinstance(problem.cell, str) else problem.cell.model_dump(exclude_unset=True)
    cell = cell if "equations" in cell else {**brought, **cell}
    states = {STATE["h0"]: problem.h0, STATE["c0"]: problem.c0, **problem.initial}
    defaults = Defaults(
        x=problem.x,
        initial={STATE.get(name, name): value for name, value in states.items() if value is not None},
        given=problem.given,
        lengths=problem.lengths,
        mask=problem.mask,
        batch_first=problem.batch_first,
        ask=tuple(problem.ask),
        unread=unread,
        where=where,
    )
    header = Header(
        title=problem.title,
        notes=problem.notes,
        names={str(key): labels for key, labels in problem.names.items()},
        symbols=problem.symbols,
        imported=imported,
    )
    with within(where):
        return build(
            weights,
            cell,
            dtype=problem.dtype,
            header=header,
            extra=problem.extra,
            defaults=defaults,
            allow_nonfinite=allow_nonfinite,
            faults=faults,
        )
