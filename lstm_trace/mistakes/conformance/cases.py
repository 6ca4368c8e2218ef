"""The cases of the suite: a node of ONNX with its numbers, and its outputs by each reading of ONNX's text.

Weights and inputs come from integers, as multiples of 1/64, and are therefore equal on every machine. The expected
outputs are computed in float64. Where ONNX's text and onnxruntime differ there are two readings: `text` bounds the cell
state by `clip` before its activation, takes the operators' own constants where none are given, and returns the initial
states of an empty row; `onnxruntime` does none of these.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import shake_256
from importlib.resources import files
from math import prod
from typing import Any, cast

import numpy as np

from ...base.arrays import Array
from ...model.build import in_layout, prepare_found
from ...trace.trace import Trace
from ...weights.onnx.node import OPERATORS, NodeReading, options_of
from ..programs import CARRY, OUTPUT
from ..trials import MistakeRuns, Place

#: Of the suite: its cases and their numbers.
VERSION = 1
READINGS = ("text", "onnxruntime")
SIZES = {"T": 4, "B": 2, "I": 2, "H": 3}
WEIGHTS = ("W", "R", "B", "P")
Outputs = dict[str, Array]
Values = Mapping[Place, Array]


@dataclass(frozen=True, eq=False)
class Case:
    """A node and its numbers.

    attributes: those of the operator, by ONNX's names. give: the optional inputs that are given. sizes: T, B, I, H.
    outputs: of the operator, those that the model has. scale: by what x is multiplied.
    """

    name: str
    cell: str
    attributes: Mapping[str, Any]
    give: tuple[str, ...]
    lengths: tuple[int, ...]
    sizes: Mapping[str, int]
    outputs: tuple[str, ...]
    scale: int = 1

    @property
    def options(self) -> tuple[str, ...]:
        """What `--only` chooses it by: the cell, the direction, and whatever differs from a plain one."""
        usual = [name.title() for name in OPERATORS[self.cell].activations.values()]
        functions = list(self.attributes.get("activations", usual))
        named = [k for k, v in self.attributes.items() if v and not k.startswith(("activation", "direction"))]
        if functions != usual * (len(functions) // len(usual)):
            named += ["activations", *sorted({name.lower() for name in functions} - {"sigmoid", "tanh"})]
        given = ["peephole"] * ("P" in self.give) + ["lengths"] * bool(self.lengths)
        return (self.cell, self.attributes.get("direction", "forward"), *given, *named)

    @cached_property
    def inputs(self) -> Outputs:
        """Every input of the node in ONNX's axes (layout 0), in float32: from -1 to 1, x from -2 to 2."""
        sizes = {**self.sizes, "D": 1 + (self.attributes.get("direction") == "bidirectional")}
        found: Outputs = {}
        for name, axes in OPERATORS[self.cell].axes.items():
            if name == "sequence_lens":
                found |= {name: np.array(self.lengths, np.int32)} if self.lengths else {}
            elif name in ("X", "W", "R", *self.give):
                shape = [sizes[axis[-1]] * int(axis[:-1] or 1) for axis in axes]
                drawn = numbers(f"{self.name}/{name}", prod(shape)) * (2 * self.scale if name == "X" else 1)
                found[name] = drawn.astype(np.float32).reshape(shape)
        return found

    def trace(self, reading: str = "text", arithmetic: str | None = None) -> Trace:
        """Our run by a reading. arithmetic: float32 for one that rounds every operation, equal on every machine."""
        arrays = {name: array.astype(float) for name, array in self.inputs.items()}
        weights = {name: arrays[name] for name in WEIGHTS if name in arrays}
        options = options_of(NodeReading(cast(Any, None), None, dict(self.attributes), cast(Any, None), self.cell))
        if reading == "text":
            options = {key: self._by_text(value) for key, value in options.items()}
            options |= {"output_clip": options["clip"]} if "clip" in options and self.cell == "lstm" else {}
        direction = self.attributes.get("direction", "forward")
        options |= {"merge": "concat"} if direction == "bidirectional" else {"direction": direction}
        found = in_layout(weights, "onnx", self.name, None, set())
        unread = "f" if options.get("coupled") else "\0"  # the weights of a gate that is 1 - i
        found = replace(found, weights={k: v for k, v in found.weights.items() if not k.endswith(unread)})
        model = prepare_found(found, self.cell, options | {"padding": "zero"})
        given = {"h0": arrays.get("initial_h"), "c0": arrays.get("initial_c"), "lengths": self.lengths or None}
        return model.run(
            arrays["X"], **cast(Any, {k: v for k, v in given.items() if v is not None}), arithmetic=arithmetic
        )

    def _by_text(self, option: Any) -> Any:
        """An option by ONNX's text, which has no constants of 0 for activations that were given none."""
        if isinstance(option, Mapping):  # of the reverse direction
            return {key: self._by_text(value) for key, value in option.items()}
        given = "activation_alpha" in self.attributes or not isinstance(option, str)
        return option if given else option.partition("(")[0]

    def results(self, trace: Trace, values: Values, reading: str = "text", turned: bool = True) -> Outputs:
        """The outputs of the node from the values of `wanted` in a run, by stage and line.

        turned: whether the last states of the reverse direction are those of its first step, as they should be.
        """
        whole, *carried = wanted(trace)
        found: dict[str, list[Array]] = {}
        for place in carried:
            state = np.array(values[place][0 if turned and place[0].endswith("reverse") else -1])
            if reading == "onnxruntime" and self.lengths:
                state[np.array(self.lengths) == 0] = 0
            found.setdefault(place[1], []).append(state)
        y = np.moveaxis(values[whole].reshape(trace.steps, trace.batch, -1, self.sizes["H"]), 2, 1)
        stacked = dict(zip(("Y", "Y_h", "Y_c"), (y, *map(np.stack, found.values())), strict=False))
        if self.attributes.get("layout"):
            stacked = {name: np.moveaxis(array, -2, 0) for name, array in stacked.items()}
        return {name: stacked[name] for name in self.outputs}

    def fed(self) -> Outputs:
        """The inputs of the model, which are not weights, by name and in the node's layout."""
        found = {name: array for name, array in self.inputs.items() if name not in WEIGHTS}
        if self.attributes.get("layout"):
            found |= {k: np.ascontiguousarray(v.swapaxes(0, 1)) for k, v in found.items() if v.ndim == 3}
        return found

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
        tolerance = float(f"{8 * distance + 8 * np.finfo(np.float32).eps:.3g}")
        same = all(np.array_equal(text[name], other[name]) for name in text)
        return {"text": text} | ({} if same else {"onnxruntime": other}), tolerance


def wanted(trace: Trace) -> list[Place]:
    """What the outputs of a node are made of: what its last stage passes on, and what each direction carries."""
    carried = [(stage.scope, f"{CARRY}{state}") for stage in trace.stages for state, _ in stage.cell.carry]
    return [(trace.stages[-1].scope, OUTPUT), *carried]


def numbers(seed: str, count: int) -> Array:
    """Numbers from -1 to 1 in steps of 2^-20, which float32 has and smaller formats have not, from a text.

    >>> (numbers("lstm/W", 2) * 2**20).tolist()
    [402705.0, 529397.0]
    """
    drawn = np.frombuffer(shake_256(seed.encode()).digest(4 * count), "<u4")
    return (drawn % (2**21 + 1) - 2.0**20) / 2**20


@cache
def catalogue() -> dict[str, Case]:
    """Every case by name."""
    tables = tomllib.loads((files(__package__) / "cases.toml").read_text("utf-8"))
    every = (case for cell, rows in tables.items() for name, row in rows.items() for case in _cases(cell, name, row))
    return {case.name: case for case in every}


def _cases(cell: str, name: str, row: dict[str, Any]) -> Iterator[Case]:
    states, sizes, scale = OPERATORS[cell].states, {**SIZES, **row.pop("sizes", {})}, row.pop("scale", 1)
    give, lengths = tuple(row.pop("give", ["B", *states])), tuple(row.pop("lengths", ()))
    outputs = tuple(row.pop("outputs", ["Y", "Y_h", "Y_c"][: 1 + len(states)]))
    for direction in row.pop("directions", [""]):
        whole = f"{cell}_{name}_{direction}".rstrip("_")
        said = {"direction": direction} if direction not in ("", "forward") else {}
        yield Case(whole, cell, said | row, give, lengths, sizes, outputs, scale)
