"""Problem files to prepared models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .arrays import describe
from .errors import FileError, LstmTraceError
from .files import read_bytes, read_data
from .model import Defaults, Model, build
from .schema import Problem, validate
from .trace import STATE, Header
from .weights.joined import split_joined


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
    if problem.layout is not None:
        if isinstance(problem.layout, str):
            raise FileError(f"{where}: layout {problem.layout!r} is not known; expected {{joined: hx}} or {{joined: xh}}")
        weights, imported = split_joined(weights, problem.layout.joined, problem.layout.transposed)
    cell = problem.cell if isinstance(problem.cell, str) else problem.cell.model_dump(exclude_unset=True)
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
    try:
        return build(
            weights,
            cell,
            dtype=problem.dtype,
            header=header,
            extra=problem.extra,
            defaults=defaults,
            allow_nonfinite=allow_nonfinite,
        )
    except LstmTraceError as error:
        raise type(error)(*(f"{where}: {problem}" for problem in error.problems)) from None
