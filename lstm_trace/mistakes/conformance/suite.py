"""The suite as a folder: each case in the layout of ONNX's backend tests, as .npz, and as a trace with every line.

`cases.json` says what each case is. A folder `test_data_set_0` has the outputs by ONNX's text; where onnxruntime reads
it otherwise, `onnxruntime_data_set_0` has its own.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from pydantic import BaseModel, Field

from ...base.arrays import Array
from ...base.files import read_bytes
from ...base.writing import written
from ...errors import FileError, MissingError, OptionError, nearest, reading
from ...trace.files.schema import validate
from ...trace.files.trace_file import save
from ...weights.formats.arrays import npz_arrays
from ...weights.onnx.constants import load
from ...weights.onnx.graph import Graphs, standard
from ...weights.onnx.node import OPERATORS, Refused, facts_of
from .cases import SIZES, VERSION, Case, Outputs, catalogue
from .onnx_files import model, tensor

Level = Literal["core", "full"]
INDEX, PREFIX = "cases.json", "test_"


@dataclass(frozen=True)
class SuiteEntry:
    """A case in a folder. tolerance: of a match, absolute. readings: those that have outputs of their own."""

    case: Case
    tolerance: Annotated[float, Field(gt=0, lt=1)]
    readings: Annotated[tuple[Literal["text", "onnxruntime"], ...], Field(min_length=1)]


@dataclass(frozen=True)
class Suite:
    """A folder of cases."""

    folder: Path
    opset: int
    entries: tuple[SuiteEntry, ...]

    def place(self, case: Case) -> Path:
        """The folder of a case."""
        return self.folder / f"{PREFIX}{case.name}"

    def expected(self, entry: SuiteEntry) -> dict[str, Outputs]:
        """The stored outputs of a case by each reading. Raises FileError."""
        found = {}
        for one in entry.readings:
            path = self.place(entry.case) / ("outputs.npz" if one == "text" else f"outputs_{one}.npz")
            with npz_arrays(path) as arrays:
                if missing := [name for name in entry.case.outputs if name not in arrays]:
                    raise FileError(f"{path}: no array {missing[0]}; write the suite again")
                found[one] = {name: np.asarray(arrays[name]) for name in entry.case.outputs}
        return found


@cache
def measured() -> dict[str, Any]:
    """What the cases show of the table of mistakes, as `python -m docs.conformance` has found it (`core.json`)."""
    found: dict[str, Any] = json.loads((files(__package__) / "core.json").read_text("utf-8"))
    return found


def chosen(level: Level, only: Sequence[str], opset: int, source: str | None) -> list[Case]:
    """The cases of a level that have one of the options `only`; of those, what the model `source` uses, and its own.

    Raises OptionError for an unknown option, or if no case is left.
    """
    every = [case for case in catalogue().values() if opset >= 14 or "layout" not in case.attributes]
    known = sorted({name for case in every for name in case.options})
    if unknown := [name for name in only if name not in known]:
        raise OptionError(f"no case has the option {unknown[0]!r}{nearest(unknown[0], known, 'there are')}")
    own = [] if source is None else cases_of(Path(source))
    if level == "core" and not only and not own:
        every = [case for case in every if case.name in measured()["cases"]]
    if own:
        uses = {cell: {o for case in own if case.cell == cell for o in case.options} for cell in OPERATORS}
        every = [case for case in every if {*case.options} <= uses[case.cell] | {"forward"}] + own
    found = [case for case in every if not only or {*only} & {*case.options}]
    if not found:
        raise OptionError(f"no case is left: {source} uses none of {', '.join(only)}; leave --only out")
    return found


def cases_of(path: Path) -> list[Case]:
    """A case for each different node of an ONNX model, with its attributes and inputs, and small sizes of ours.

    Raises MissingError without the onnx package, FileError for what is not such a model.
    """
    source, tensors = load(path)
    opset = max((int(o.version) for o in source.opset_import if o.domain in ("", "ai.onnx")), default=0)
    cells, found = {operator.kind: cell for cell, operator in OPERATORS.items()}, list[Case]()
    for _, node in Graphs(source, tensors).nodes():
        if node.op_type not in cells or not standard(node):
            continue
        cell = cells[node.op_type]
        try:
            facts = facts_of(node, OPERATORS[cell], opset)
        except Refused as reason:
            raise FileError(f"{path}: the {node.op_type} {node.name or node.output[0]}: {reason}") from None
        facts.pop("hidden_size", None)
        have = [name for name, value in zip(OPERATORS[cell].axes, node.input, strict=False) if value]
        give = tuple(name for name in have if name not in ("X", "W", "R", "sequence_lens"))
        outputs = tuple(name for name, value in zip(("Y", "Y_h", "Y_c"), node.output, strict=False) if value)
        lengths = (3, 1) if "sequence_lens" in have else ()
        case = Case(f"model_{cell}_{len(found)}", cell, facts, give, lengths, SIZES, outputs)
        if not any({**asdict(case), "name": ""} == {**asdict(other), "name": ""} for other in found):
            found.append(case)
    if not found:
        raise MissingError(f"{path}: no LSTM, GRU or RNN node, so there is nothing to test; is it the right model?")
    return found


# -- writing ---------------------------------------------------------------------------------------------------------


def write(folder: str, cases: Iterable[Case], opset: int, level: str) -> Suite:
    """Write cases to a new or empty folder. Raises FileError if it has something in it, or cannot be written."""
    place = Path(folder)
    with reading(folder):
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise FileError(f"{folder}: the folder is not empty; name a new one, so that no old case stays among them")
    suite = Suite(place, opset, ())
    entries = tuple(_write(suite, case) for case in cases)
    index = {"suite": "lstm-trace conformance", "version": VERSION, "opset": opset, "level": level}
    rows = ({**asdict(one), "options": one.case.options, "seed": one.case.name} for one in entries)
    with written(place / INDEX) as file:
        file.write(f'{json.dumps(index)[:-1]}, "cases": [\n' + ",\n".join(map(json.dumps, rows)) + "\n]}\n")
    return Suite(place, opset, entries)


def _write(suite: Suite, case: Case) -> SuiteEntry:
    """Write a case."""
    expected, tolerance = case.expected()
    stored = {one: {k: v.astype(np.float32) for k, v in found.items()} for one, found in expected.items()}
    place, fed = suite.place(case), case.fed()
    content = {"model.onnx": model(case, stored["text"], suite.opset), "inputs.npz": _npz(fed)}
    for one, found in stored.items():
        content["outputs.npz" if one == "text" else f"outputs_{one}.npz"] = _npz(found)
        for kind, arrays in (("input", fed), ("output", found)):
            for k, (name, array) in enumerate(arrays.items()):
                content[f"{'test' if one == 'text' else one}_data_set_0/{kind}_{k}.pb"] = tensor(name, array)
    for name, data in content.items():
        path = place / name
        with reading(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
        with written(path, "wb") as file:
            file.write(data)
    save(case.trace(arithmetic="float32"), place / "trace.safetensors")
    return SuiteEntry(case, tolerance, cast(Any, (*stored,)))


def _npz(arrays: Mapping[str, Array]) -> bytes:
    """An .npz file, byte by byte the same on every system."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in arrays.items():
            entry, data = zipfile.ZipInfo(f"{name}.npy"), io.BytesIO()
            entry.create_system = 3
            np.lib.format.write_array(data, np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
            file.writestr(entry, data.getvalue())
    return content.getvalue()


# -- reading ---------------------------------------------------------------------------------------------------------


class _SuiteIndex(BaseModel):
    version: int
    opset: int
    cases: Annotated[list[SuiteEntry], Field(min_length=1)]


def read(folder: str) -> Suite:
    """The cases in a folder. Raises FileError if `write` has not made it, or another version of the suite."""
    path = Path(folder, INDEX)
    found = validate(_SuiteIndex, read_bytes(path, "it is not made by `lstm-trace conformance write`"), str(path))
    if found.version != VERSION:
        raise FileError(f"{path}: version {found.version} of the suite; this is version {VERSION}: write it again")
    return Suite(Path(folder), found.opset, tuple(found.cases))
