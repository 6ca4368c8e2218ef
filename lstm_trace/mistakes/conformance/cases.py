"""The cases of the suite, and the folder that has them.

A case is a node of ONNX with its numbers. Weights and inputs come from integers, as multiples of 2^-20, and are
therefore equal on every machine. The expected outputs are computed in float64. Where ONNX's text and onnxruntime differ
there are two readings: `text` bounds the cell state by `clip` before its activation, takes the operators' own constants
where none are given, and returns the initial states of an empty row; `onnxruntime` does none of these.

The folder has each case in the layout of ONNX's backend tests, as .npz, and as a trace with every line; `cases.json`
says what each case is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from hashlib import shake_256
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from ...base.arrays import Array
from ...base.files import read_data, require_content
from ...base.writing import read_from, write_files
from ...errors import FileError, MissingError, OptionError, counted, nearest, reading
from ...model.build import prepare_found
from ...trace.files.trace_file import save
from ...trace.trace import Trace
from ...weights.formats.arrays import npz_bytes
from ...weights.guards import check_file
from ...weights.onnx.node import OPERATORS, ROLES, NodeReading
from ...weights.onnx.reader import node_cell, node_readings
from ...weights.onnx.writing import data_set, node_model
from ..programs import CARRY, OUTPUT
from ..trials import MistakeRuns, Place

#: Of the suite: its cases and their numbers.
VERSION = 1
HERE, READINGS, INDEX, TRACE = Path(__file__).parent, ("text", "onnxruntime"), "cases.json", "trace.safetensors"
SIZES, OUTPUTS, OPSETS = {"T": 4, "B": 2, "I": 2, "H": 3}, ("Y", "Y_h", "Y_c"), range(7, 23)
LENGTHS, MOST_NAME = "sequence_lens", 100
Outputs = dict[str, Array]


@dataclass(frozen=True, eq=False)
class NodeCase:
    """A node and its numbers.

    attributes: those of the operator, by ONNX's names. give: the optional inputs that are given. sizes: T, B, I, H.
    outputs: of the operator, those that the model has. scale: by what x is multiplied.
    """

    name: str
    cell: str
    attributes: Mapping[str, Any]
    give: Sequence[str]
    lengths: Sequence[int]
    sizes: Mapping[str, int]
    outputs: Sequence[str]
    scale: int = 1

    @property
    def folder(self) -> str:
        """The name of its folder, by which reports call it."""
        return f"test_{self.name}"

    @property
    def direction(self) -> str:
        """The directions in which it runs, by ONNX's word."""
        return str(self.attributes.get("direction", "forward"))

    @property
    def options(self) -> tuple[str, ...]:
        """What `--only` chooses it by: the cell, the direction, and whatever differs from a plain one."""
        usual = [name.title() for name in OPERATORS[self.cell].activations.values()]
        functions = [*self.attributes.get("activations", usual)]
        named = ["peephole"] * ("P" in self.give) + ["lengths"] * bool(self.lengths)
        named += [k for k, v in self.attributes.items() if v and not k.startswith(("activation", "direction"))]
        if functions != usual * (len(functions) // len(usual)):
            named += ["activations", *sorted({name.lower() for name in functions} - {"sigmoid", "tanh"})]
        return (self.cell, self.direction, *named)

    @cached_property
    def inputs(self) -> Outputs:
        """Every input of the node in ONNX's axes (layout 0), in float32: from -1 to 1, x from -2 to 2."""
        sizes = {**self.sizes, "D": 1 + (self.direction == "bidirectional")}
        found: Outputs = {}
        for name, axes in OPERATORS[self.cell].axes.items():
            shape = [sizes[axis[-1]] * int(axis[:-1] or 1) for axis in axes]
            if name in ("X", "W", "R", *self.give):
                drawn = np.frombuffer(shake_256(f"{self.name}/{name}".encode()).digest(4 * prod(shape)), "<u4")
                parts = (drawn % (2**21 + 1) - 2.0**20) / 2**20  # steps that float32 has, and smaller formats have not
                found[name] = (parts * (2 * self.scale if name == "X" else 1)).astype(np.float32).reshape(shape)
            elif name == LENGTHS and self.lengths:
                found[name] = np.array(self.lengths, np.int32)
        return found

    @property
    def fed(self) -> Outputs:
        """The inputs of the model, in the node's layout."""
        found = {name: array for name, array in self.inputs.items() if name not in ROLES}
        turned = {k: np.ascontiguousarray(v.swapaxes(0, 1)) for k, v in found.items() if v.ndim == 3}
        return found | turned if self.attributes.get("layout") else found

    def trace(self, reading: str = "text", arithmetic: str | None = None) -> Trace:
        """Our run by a reading. arithmetic: float32 for one that rounds every operation, equal on every machine."""
        arrays = {name: array.astype(float) for name, array in self.inputs.items()}
        node = NodeReading(*cast(Any, (None, None, self.attributes, None, self.cell, [], reading == "text")))
        found = node_cell(self.name, node, arrays)
        given = {"h0": arrays.get("initial_h"), "c0": arrays.get("initial_c"), "lengths": self.lengths or None}
        return prepare_found(found, self.cell).run(arrays["X"], **cast(Any, given), arithmetic=arithmetic)

    def results(self, trace: Trace, values: Mapping[Any, Array], reading: str = "text", turned: bool = True) -> Outputs:
        """The outputs of the node from the values of `wanted` in a run, by stage and line.

        turned: whether the last states of the reverse direction are those of its first step, as they should be.
        """
        whole, *carried = wanted(trace)
        out = {"Y": np.moveaxis(values[whole].reshape(trace.steps, trace.batch, -1, self.sizes["H"]), 2, 1)}
        for name, line in zip(OUTPUTS[1:], dict.fromkeys(line for _, line in carried), strict=False):
            scopes = [scope for scope, other in carried if other == line]
            ends = [0 if turned and scope.endswith("reverse") else -1 for scope in scopes]
            out[name] = np.stack([values[scope, line][end] for scope, end in zip(scopes, ends, strict=True)])
            if reading == "onnxruntime" and self.lengths:
                out[name][:, np.array(self.lengths) == 0] = 0
        return {k: np.moveaxis(out[k], -2, 0) if self.attributes.get("layout") else out[k] for k in self.outputs}

    def run(self, reading: str, arithmetic: str | None = None) -> Outputs:
        """Our outputs; see `trace`."""
        trace = self.trace(reading, arithmetic)
        return self.results(trace, {place: MistakeRuns(trace, ()).right(place) for place in wanted(trace)}, reading)

    @cached_property
    def expected(self) -> tuple[dict[str, Outputs], float]:
        """The outputs by each reading, of which equal ones are one, and the tolerance of a match.

        It is 8 times the distance of our run in float32 from that in float64, plus 8 ulp of 1.
        """
        text, other, rounded = self.run("text"), self.run("onnxruntime"), self.run("text", "float32")
        distance = max(float(abs(rounded[name] - text[name]).max()) for name in text)
        found = [text] if all(np.array_equal(text[name], other[name]) for name in text) else [text, other]
        return dict(zip(READINGS, found, strict=False)), float(f"{8 * distance + 8 * np.finfo(np.float32).eps:.3g}")


def wanted(trace: Trace) -> list[Place]:
    """What the outputs of a node are made of: what its last stage passes on, and what each direction carries."""
    carried = [(stage.scope, f"{CARRY}{state}") for stage in trace.stages for state, _ in stage.cell.carry]
    return [(trace.stages[-1].scope, OUTPUT), *carried]


@cache
def catalogue() -> dict[str, NodeCase]:
    """Every case by name."""
    found = {}
    for cell, rows in read_data(HERE / "cases.toml").items():
        usual = rows.pop("usual")
        for title, row in rows.items():
            own = {key: row.pop(key, usual[key]) for key in usual} | {"sizes": SIZES | row.pop("sizes", {})}
            for direction in row.pop("directions", [""]):
                name = f"{cell}_{title}_{direction}".rstrip("_")
                said = {"direction": direction} if direction not in ("", "forward") else {}
                found[name] = NodeCase(name, cell, said | row, **cast(Any, own))
    return found


def chosen(level: str, only: Sequence[str], opset: int, source: str | None) -> list[NodeCase]:
    """The cases of a level (core, full) that have one of the options `only`, and nothing that a model does not use.

    source: the model, whose nodes are cases as well. Raises OptionError for an unknown option, or if no case is left.
    """
    every = [case for case in catalogue().values() if opset >= 14 or "layout" not in case.attributes]
    known = sorted({name for case in every for name in case.options})
    if unknown := [name for name in only if name not in known]:
        raise OptionError(f"no case has the option {unknown[0]!r}{nearest(unknown[0], known, 'there are')}")
    if level == "core":
        every = [case for case in every if case.name in read_data(HERE / "core.json")["cases"]]
    if source is not None:
        own = cases_of(Path(source))
        uses = {cell: {"forward", *(o for c in own if c.cell == cell for o in c.options)} for cell in OPERATORS}
        every = [case for case in every if {*case.options} <= uses[case.cell]] + own
    if not (found := [case for case in every if not only or {*only} & {*case.options}]):
        raise OptionError(f"no case is left with {', '.join(only)}; leave --only out, or write --level full")
    return found


def require_case(name: str, where: str | Path) -> None:
    """Raise FileError if no case of the suite, and none of a model, may be called so. where: begins the message."""
    if name not in catalogue() and not re.fullmatch(r"model_(lstm|gru|rnn)_\d{1,4}", name):
        raise FileError(f"{where}: no case is called {name!r}{nearest(name, catalogue())}")


def cases_of(path: Path) -> list[NodeCase]:
    """A case for each different node of an ONNX model, with its attributes and inputs, and small sizes of ours.

    Raises MissingError without the onnx package, FileError for what is not such a model.
    """
    found: dict[str, NodeCase] = {}
    for node in node_readings(path):
        facts = {key: value for key, value in node.facts.items() if key != "hidden_size"}
        give = [name for name in node.operator.inputs if node.input(name) and name not in ("X", "W", "R", LENGTHS)]
        outputs = [name for name, value in zip(OUTPUTS, node.node.output, strict=False) if value]
        case = NodeCase("", node.cell, facts, give, (3, 1) if node.input(LENGTHS) else (), SIZES, outputs)
        found.setdefault(repr(case), replace(case, name=f"model_{node.cell}_{len(found)}"))
    if not found:
        raise MissingError(f"{path}: no LSTM, GRU or RNN node, so there is nothing to test; is it the right model?")
    return [*found.values()]


# -- the folder --------------------------------------------------------------------------------------------------------


def write(folder: str, cases: Sequence[NodeCase], opset: int) -> None:
    """Write cases to a new or empty folder. Raises FileError if it has something in it, or cannot be written."""
    place = Path(folder)
    with reading(folder):
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise FileError(f"{folder}: the folder is not empty; name a new one, so that no old case stays among them")
        for case in cases:
            write_files(place, case_files(case, opset) | _trace_file(case))
        write_files(place, {INDEX: _index(cases, opset)})  # last: without it the folder is not read


def case_files(case: NodeCase, opset: int) -> dict[str, bytes]:
    """The files of a case, but for its trace, by their paths in the folder of cases."""
    stored = {one: {k: v.astype(np.float32) for k, v in found.items()} for one, found in case.expected[0].items()}
    sized = {"hidden_size": case.sizes["H"], **case.attributes}
    whole = node_model(case.cell, case.name, sized, case.inputs | case.fed, stored["text"], opset)
    files = {"model.onnx": whole, "inputs.npz": npz_bytes(case.fed)}
    for one, found in stored.items():
        files["outputs.npz" if one == "text" else f"outputs_{one}.npz"] = npz_bytes(found)
        files |= data_set(f"{'test' if one == 'text' else one}_data_set_0", case.fed, found)
    return {f"{case.folder}/{name}": data for name, data in files.items()}


def _trace_file(case: NodeCase) -> dict[str, bytes]:
    save(case.trace(arithmetic="float32"), stream := BytesIO(), "safetensors")
    return {f"{case.folder}/{TRACE}": stream.getvalue()}


def _index(cases: Sequence[NodeCase], opset: int) -> bytes:
    """What says which cases a folder has, and what each is."""
    rows = []
    for case in cases:
        more = {"options": case.options, "seed": case.name, "tolerance": case.expected[1]}
        rows.append(json.dumps(asdict(case) | more | {"readings": [*case.expected[0]]}))
    lines = ",\n".join(rows)
    return f'{{"version": {VERSION}, "opset": {opset}, "cases": [\n{lines}\n]}}\n'.encode()


def read(folder: str) -> tuple[list[NodeCase], int]:
    """The cases in a folder, and their set of operators.

    Raises FileError if `write` has not made it, if another version of the suite has, or if a file has changed since.
    """
    read_from(path := Path(folder, INDEX))
    check_file(path)
    index: Any = found if isinstance(found := read_data(path), dict) else {}
    version, opset, rows = map(index.get, ("version", "opset", "cases"))
    rows = rows if isinstance(rows, list) else []
    if version != VERSION or opset not in OPSETS or not rows:
        expected = f"version {VERSION} of the suite, an opset from {OPSETS[0]} to {OPSETS[-1]}, and cases"
        there = f"version {version}, opset {opset} and {counted(len(rows), 'case') if rows else 'no cases'}"
        raise FileError(f"{path}: expected {expected}; found {there}: write it again")
    names = dict.fromkeys(str(row.get("name"))[:MOST_NAME] for row in rows if isinstance(row, dict))
    for name in names:
        require_case(name, path)
    at = {name: Path(folder, f"test_{name}", "model.onnx") for name in names}  # the node of a model says all
    cases = [catalogue().get(name) or replace(cases_of(at[name])[0], name=name) for name in names]
    files = {INDEX: _index(cases, opset)}
    for case in cases:
        files |= case_files(case, opset) | _trace_file(case)
    for name, content in files.items():
        read_from(file := Path(folder, name))
        require_content(file, content)
    return cases, opset
