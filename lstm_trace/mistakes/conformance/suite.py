"""The suite as a folder: each case in the layout of ONNX's backend tests, as .npz, and as a trace with every line.

`cases.json` says what each case is. A folder `test_data_set_0` has the outputs by ONNX's text; where onnxruntime reads
it otherwise, `onnxruntime_data_set_0` has its own.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.files import read_bytes, read_json
from ...base.writing import written
from ...errors import FileError, MissingError, OptionError, nearest, reading
from ...trace.files.trace_file import save
from ...weights.onnx.constants import load
from ...weights.onnx.graph import Graphs, standard
from ...weights.onnx.node import OPERATORS, Refused, facts_of
from .cases import SIZES, VERSION, Case, catalogue
from .onnx_files import model, tensor

INDEX, PREFIX = "cases.json", "test_"


@dataclass(frozen=True)
class Suite:
    """A folder of cases."""

    folder: Path
    cases: tuple[Case, ...]

    def place(self, case: Case) -> Path:
        """The folder of a case."""
        return self.folder / f"{PREFIX}{case.name}"


@cache
def measured() -> dict[str, Any]:
    """What the cases show of the table of mistakes, as `python -m docs.conformance` has found it (`core.json`)."""
    found: dict[str, Any] = json.loads((files(__package__) / "core.json").read_text("utf-8"))
    return found


def chosen(level: str, only: Sequence[str], opset: int, source: str | None) -> list[Case]:
    """The cases of a level (core, full) that have one of the options `only`, and nothing that a model does not use.

    source: the model, whose nodes are cases as well. Raises OptionError for an unknown option, or if no case is left.
    """
    every = [case for case in catalogue().values() if opset >= 14 or "layout" not in case.attributes]
    known = sorted({name for case in every for name in case.options})
    if unknown := [name for name in only if name not in known]:
        raise OptionError(f"no case has the option {unknown[0]!r}{nearest(unknown[0], known, 'there are')}")
    if level == "core":
        every = [case for case in every if case.name in measured()["cases"]]
    if source is not None:
        own = cases_of(Path(source))
        uses = {cell: {o for case in own if case.cell == cell for o in case.options} for cell in OPERATORS}
        every = [case for case in every if {*case.options} <= uses[case.cell] | {"forward"}] + own
    found = [case for case in every if not only or {*only} & {*case.options}]
    if not found:
        raise OptionError(f"no case is left with {', '.join(only)}; leave --only out, or write --level full")
    return found


def cases_of(path: Path) -> list[Case]:
    """A case for each different node of an ONNX model, with its attributes and inputs, and small sizes of ours.

    Raises MissingError without the onnx package, FileError for what is not such a model.
    """
    source, tensors = load(path)
    opset = max((int(o.version) for o in source.opset_import if o.domain in ("", "ai.onnx")), default=0)
    cells, found = {operator.kind: cell for cell, operator in OPERATORS.items()}, dict[str, Case]()
    for _, node in Graphs(source, tensors).nodes():
        if (cell := cells.get(node.op_type)) is None or not standard(node):
            continue
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
        found.setdefault(repr(replace(case, name="")), case)
    if not found:
        raise MissingError(f"{path}: no LSTM, GRU or RNN node, so there is nothing to test; is it the right model?")
    return [*found.values()]


def write(folder: str, cases: Iterable[Case], opset: int) -> Suite:
    """Write cases to a new or empty folder. Raises FileError if it has something in it, or cannot be written."""
    suite = Suite(Path(folder), tuple(cases))
    with reading(folder):
        suite.folder.mkdir(parents=True, exist_ok=True)
        if any(suite.folder.iterdir()):
            raise FileError(f"{folder}: the folder is not empty; name a new one, so that no old case stays among them")
        for case in suite.cases:
            for name, content in _contents(case, opset).items():
                path = suite.place(case) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            save(case.trace(arithmetic="float32"), suite.place(case) / "trace.safetensors")
    rows = (
        asdict(c) | {"options": c.options, "seed": c.name, "tolerance": c.expected[1], "readings": [*c.expected[0]]}
        for c in suite.cases
    )
    with written(suite.folder / INDEX) as file:  # last: without it the folder is not read
        lines = ",\n".join(map(json.dumps, rows))
        file.write(f'{{"version": {VERSION}, "opset": {opset}, "cases": [\n{lines}\n]}}\n')
    return suite


def _contents(case: Case, opset: int) -> dict[str, bytes]:
    """The files of a case, but for its trace."""
    stored = {one: {k: v.astype(np.float32) for k, v in found.items()} for one, found in case.expected[0].items()}
    fed = case.fed()
    content = {"model.onnx": model(case, stored["text"], opset), "inputs.npz": _npz(fed)}
    for one, found in stored.items():
        content["outputs.npz" if one == "text" else f"outputs_{one}.npz"] = _npz(found)
        for kind, arrays in (("input", fed), ("output", found)):
            for k, (name, array) in enumerate(arrays.items()):
                content[f"{'test' if one == 'text' else one}_data_set_0/{kind}_{k}.pb"] = tensor(name, array)
    return content


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


def read(folder: str) -> Suite:
    """The cases in a folder. Raises FileError if `write` has not made it, or another version of the suite."""
    path, found = Path(folder, INDEX), list[Case]()
    index = read_json(path, read_bytes(path))
    version, rows = (index.get(key) if isinstance(index, dict) else None for key in ("version", "cases"))
    names = [row.get("name") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if version != VERSION or not names:
        raise FileError(f"{path}: version {version} of the suite; this is version {VERSION}: write it again")
    for name in map(str, names):
        case = catalogue().get(name)
        if case is None and re.fullmatch(r"model_(lstm|gru|rnn)_\d{1,4}", name):  # of a model; its node says all
            case = replace(cases_of(Path(folder, PREFIX + name, "model.onnx"))[0], name=name)
        if case is None:
            raise FileError(f"{path}: no case is called {name!r}{nearest(name, catalogue())}")
        found.append(case)
    return Suite(Path(folder), tuple(found))
