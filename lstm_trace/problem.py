"""Problem files to prepared models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arrays import describe
from .errors import FileError, within
from .files import read_bytes, read_data
from .model import Defaults, Model, build
from .schema import Problem, validate
from .trace import STATE, Header
from .weights.source import by_our_names


def read_problem(path: str | Path, content: bytes | None = None) -> Problem:
    """Read a problem file (YAML, JSON, TOML; '-' is standard input). Raises FileError with every fault."""
    data = read_data(path, read_bytes(path) if content is None else content)
    if not isinstance(data, dict):
        found = describe(data) if data is not None else "an empty file"
        raise FileError(f"{path}: expected a problem (title, weights, x, …), found {found}")
    return validate(Problem, data, str(path))


def prepare_problem(problem: Problem, where: str = "the problem", allow_nonfinite: bool = False) -> Model:
    """The model that a problem describes, with the problem's input and question as defaults.

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
