"""Problem files to prepared models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ..base.arrays import as_plain, describe
from ..base.files import read_bytes, read_data
from ..cell import arithmetic
from ..cell.network import scope_and_name
from ..errors import FileError, OptionError, within
from ..printable import acts, yaml_escaped
from ..trace.address import STATE
from ..trace.files.safetensors import holds_trace, is_tensors
from ..trace.files.schema import TRACED, Problem, validate
from ..trace.holding import layers
from ..trace.trace import Header
from ..weights.found import Defaults
from .build import build, in_layout
from .model import Model

#: What to do with a text file that is too large.
LARGER = "keep the weights of a problem in a model file (.npz, .safetensors), and run that with --input"


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
    return validate(Problem, data, str(path))


def with_weights(path: str, weights: Mapping[str, Any], what: str) -> str:
    """The problem in a file with other weights, by our names, as YAML. what: is added to its title.

    weights: arrays by `layer/direction/name`. Raises FileError where the file holds no problem.
    """
    problem = read_problem(path)
    data = problem.model_dump(exclude_unset=True, by_alias=True)
    alone = len({scope_and_name(address)[0] for address in weights}) == 1
    data["weights"] = {scope_and_name(at)[1] if alone else at: np.asarray(value) for at, value in weights.items()}
    if data.pop("layout", None) is not None:  # which may have brought options of the cell
        header = prepare_problem(problem, path).header
        if header.kind != "equations":
            data["cell"] = {"kind": header.kind, **header.options}
    data["title"] = f"{problem.title}, {what}" if problem.title else what
    return problem_text(data)


def problem_text(data: Mapping[str, Any]) -> str:
    """A problem as YAML, as a person would write it: texts of several lines as blocks, a row of numbers to a line.

    Characters that act instead of being seen (controls, overrides of the writing direction) stand as escapes.
    """
    style: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": 100}
    return yaml_escaped(str(yaml.dump(as_plain(data), Dumper=_Dumper, **style)))


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines, equations and notes, as blocks, and what would act in double quotes."""

    def represent_str(self, data: str) -> yaml.ScalarNode:
        style = '"' if acts(data) else "|" if "\n" in data else None
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)


_Dumper.add_representer(str, _Dumper.represent_str)


def prepare_problem(problem: Problem, where: str = "the problem", allow_nonfinite: bool = False) -> Model:
    """The model that a problem describes, with the problem's input and question as defaults.

    A problem is checked in stages: its form (`read_problem`), the layout of its weights (here), its cell, its arrays
    (`build`), and what is asked for (`Model.run`). Each tells all its faults together, and is right before the next.
    Raises the errors of `build`, each message with the file's name before it.
    """
    weights: dict[str, Any] = dict(problem.weights)
    imported: tuple[str, ...] = ()
    brought: dict[str, Any] = {}
    if problem.layout is not None:
        stored = problem.layout if isinstance(problem.layout, str) else problem.layout.model_dump(exclude_unset=True)
        with within(where):
            found = in_layout(weights, stored, "weights", beside=list(weights))
        alone = {scope_and_name(key)[0] for key in found.weights} == {"0/forward"}  # names as the author writes them
        weights = {scope_and_name(key)[1] if alone else key: values for key, values in found.weights.items()}
        brought, imported = dict(found.options), found.imported
    cell = {"kind": problem.cell} if isinstance(problem.cell, str) else problem.cell.model_dump(exclude_unset=True)
    cell = cell if "equations" in cell else {**brought, **cell}
    if problem.extra:
        if cell.get("extra"):
            raise OptionError(f"{where}: extra is given twice: beside the cell and within it; give it once")
        cell = {**cell, "extra": problem.extra}
    if problem.arithmetic is not None and problem.dtype != "float64":
        raise OptionError(
            f"{where}: in the arithmetic {problem.arithmetic} weights are taken as they are written, and dtype "
            f"{problem.dtype} would round them first; leave dtype out"
        )
    states = {STATE["h0"]: problem.h0, STATE["c0"]: problem.c0, **problem.initial}
    defaults = Defaults(
        x=problem.x,
        initial={STATE.get(name, name): value for name, value in states.items() if value is not None},
        given=problem.given,
        hold=layers(problem.hold),
        lengths=problem.lengths,
        mask=problem.mask,
        batch_first=problem.batch_first,
        ask=tuple(problem.ask),
        arithmetic=arithmetic.named(problem.arithmetic),
        tokens=problem.names.get("t"),
        where=where,
    )
    header = Header(
        title=problem.title,
        notes=problem.notes,
        names={str(key): labels for key, labels in problem.names.items() if key != "t"},
        symbols=problem.symbols,
        count_from=problem.count_from,
        imported=imported,
    )
    with within(where):
        return build(
            weights, cell, dtype=problem.dtype, header=header, defaults=defaults, allow_nonfinite=allow_nonfinite
        )
