"""Problem files to prepared models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arrays import describe
from .build import build
from .errors import FileError, LstmTraceError, nearest, within
from .files import read_bytes, read_data
from .model import Defaults, Model
from .schema import Problem, places, validate
from .trace import STATE, Header
from .weights.source import by_our_names

#: Keys of a problem without which the rest can still be checked; unknown ones are others of the kind.
_APART = frozenset({"title", "notes", "names", "symbols", "dtype", "x", "x_t", "h0", "h_prev", "c0", "c_prev"})


def read_problem(path: str | Path, content: bytes | None = None) -> Problem:
    """Read a problem file (YAML, JSON, TOML; '-' is standard input).

    Raises FileError with every fault: also those that `prepare_problem` and a run would find in what can be read.
    """
    data = read_data(path, read_bytes(path) if content is None else content)
    if not isinstance(data, dict):
        found = describe(data) if data is not None else "an empty file"
        raise FileError(f"{path}: expected a problem (title, weights, x, …), found {found}")
    try:
        return validate(Problem, data, str(path))
    except FileError as error:
        raise FileError(*error.problems, *_beyond(data, str(path))) from None


def _beyond(data: dict[str, Any], where: str) -> tuple[str, ...]:
    """The faults of a problem beside those of its form, as far as they can be told without what is faulty."""
    rest = {**data, "weights": dict(data["weights"])} if isinstance(data.get("weights"), dict) else dict(data)
    unread = set()
    for key, *inner in places(Problem, data):
        if key == "weights" and inner and not data.get("layout") and "/" not in str(inner[0]):
            rest["weights"].pop(str(inner[0]), None)
            unread.add(str(inner[0]))
        elif key in _APART or (key not in Problem.model_fields and not nearest(str(key), Problem.model_fields)):
            rest.pop(str(key), None)
            unread.add(str(key).removesuffix("_t"))
        else:
            return ()  # what else is wrong hangs on this
    try:
        prepare_problem(Problem.model_validate(rest), where, unread=frozenset(unread)).check()
    except LstmTraceError as error:
        return error.problems
    return ()


def prepare_problem(
    problem: Problem, where: str = "the problem", allow_nonfinite: bool = False, unread: frozenset[str] = frozenset()
) -> Model:
    """The model that a problem describes, with the problem's input and question as defaults.

    unread: weights, and `x`, that the file has but that could not be read: they are not missing.
    Raises the errors of `model.build`, each message with the file's name before it.
    """
    weights: dict[str, Any] = dict(problem.weights)
    imported: tuple[str, ...] = ()
    brought: dict[str, Any] = {}
    if problem.layout is not None:
        stored = problem.layout if isinstance(problem.layout, str) else problem.layout.model_dump(exclude_unset=True)
        with within(where):
            weights, brought, imported = by_our_names(weights, stored, beside=list(weights))
    cell = {"kind": problem.cell} if isinstance(problem.cell, str) else problem.cell.model_dump(exclude_unset=True)
    cell = cell if "equations" in cell else {**brought, **cell}
    states = {STATE["h0"]: problem.h0, STATE["c0"]: problem.c0, **problem.initial}
    defaults = Defaults(
        x=problem.x,
        initial={STATE.get(name, name): value for name, value in states.items() if value is not None},
        given=problem.given,
        lengths=None if problem.lengths is None else problem.lengths,
        batch_first=problem.batch_first,
        ask=tuple(problem.ask),
        unread=unread,
        where=where,
    )
    header = Header(title=problem.title, names=problem.names, symbols=problem.symbols, imported=imported)
    with within(where):
        return build(
            weights,
            cell,
            dtype=problem.dtype,
            header=header,
            extra=problem.extra,
            defaults=defaults,
            allow_nonfinite=allow_nonfinite,
        )
