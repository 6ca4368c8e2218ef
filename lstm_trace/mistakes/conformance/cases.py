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
from importlib.resources import files
from typing import Any, cast
from zlib import crc32

import numpy as np

from ...base.arrays import Array
from ...model.build import in_layout, prepare_found
from ...trace.trace import Trace
from ...weights.onnx.node import OPERATORS, NodeReading, options_of
from ..programs import CARRY, OUTPUT
from ..trials import Place, Trials

#: Of the suite: its cases and their numbers.
VERSION = 1
READINGS = ("text", "onnxruntime")
SIZES = {"T": 4, "B": 2, "I": 2, "H": 3}
#: Names of options for `--only` that are not those of attributes.
GIVEN = {"P": "peephole", "sequence_lens": "lengths"}
#: Weights are multiples of its inverse, which float32 has and smaller formats have not.
FINE = 1 << 20
WEIGHTS = ("W", "R", "B", "P")
Outputs = dict[str, Array]
Values = Mapping[Place, Array]


@dataclass(frozen=True)
class Case:
    """A node and its numbers.

    attributes: those of the operator, by ONNX's names. give: the optional inputs that are given. sizes: T, B, I, H.
    outputs: of the operator, those that the model has. scale: by what inputs and states are multiplied.
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
    def kind(self) -> str:
        """The operator: LSTM, GRU, RNN."""
        return OPERATORS[self.cell].kind

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
                drawn = (integers(f"{self.name}/{name}", int(np.prod(shape))) % (2 * FINE + 1) - FINE) / FINE
                factor = (2 if name == "X" else 1) * (1 if name in WEIGHTS else self.scale)
                found[name] = (factor * drawn).astype(np.float32).reshape(shape)
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
        return model.run(arrays["X"], **cast(Any, {k: v for k, v in given.items() if v is not None}), arithmetic=arithmetic)

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
        last, lengths = trace.stages[-1], np.array(self.lengths)
        y = np.moveaxis(values[last.scope, OUTPUT].reshape(trace.steps, trace.batch, -1, self.sizes["H"]), 2, 1)
        found: dict[str, list[Array]] = {}
        for scope, name in wanted(trace):
            if name != OUTPUT:
                state = np.array(values[scope, name][0 if turned and scope.endswith("reverse") else -1])
                if reading == "onnxruntime" and self.lengths:
                    state[lengths == 0] = 0
                found.setdefault(name, []).append(state)
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

    def expected(self) -> tuple[dict[str, Outputs], float]:
        """The outputs by each reading, of which equal ones are one, and the tolerance of a match."""
        every: dict[str, Outputs] = {}
        rounding = 0.0
        for reading in READINGS:
            exact = self.trace(reading)
            every[reading] = self.results(exact, recorded(exact), reading)
            if reading == "text" or not same(every["text"], every[reading]):
                rounded = self.trace(reading, "float32")
                found = self.results(rounded, recorded(rounded), reading)
                rounding = max(rounding, *(float(abs(found[k] - every[reading][k]).max()) for k in found))
        distinct = every if not same(every["text"], every["onnxruntime"]) else {"text": every["text"]}
        return distinct, tolerance(rounding)


def tolerance(rounding: float) -> float:
    """Of a match: 8 times the distance of our run in float32 from that in float64, plus 8 ulp of 1."""
    return float(f"{8 * rounding + 8 * np.finfo(np.float32).eps:.3g}")


def same(a: Outputs, b: Outputs) -> bool:
    """Whether two sets of outputs are equal once they are stored."""
    return all(np.array_equal(a[name].astype(np.float32), b[name].astype(np.float32)) for name in a)


def wanted(trace: Trace) -> list[Place]:
    """What the outputs of a node are made of: what its last stage passes on, and what each direction carries."""
    carried = [(stage.scope, f"{CARRY}{state}") for stage in trace.stages for state, _ in stage.cell.carry]
    return [(trace.stages[-1].scope, OUTPUT), *carried]


def recorded(trace: Trace) -> Values:
    """The values of `wanted` in a trace."""
    return {place: Trials(trace, ()).right(place) for place in wanted(trace)}


def integers(seed: str, count: int) -> Array:
    """Integers by splitmix64 from a text: the same everywhere, whatever numpy draws.

    >>> integers("lstm/W", 2).tolist()
    [1, 2]
    """
    state, mask, found = crc32(seed.encode()), (1 << 64) - 1, []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & mask
        z = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & mask
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & mask
        found.append((z ^ (z >> 31)) >> 33)
    return np.array(found, np.int64)


@cache
def catalogue() -> dict[str, Case]:
    """Every case by name."""
    tables = tomllib.loads((files(__package__) / "cases.toml").read_text("utf-8"))
    return {case.name: case for cell, rows in tables.items() for name, row in rows.items() for case in _cases(cell, name, row)}


def _cases(cell: str, name: str, row: Mapping[str, Any]) -> Iterator[Case]:
    attributes = {k: v for k, v in row.items() if k not in ("directions", "give", "lengths", "sizes", "outputs", "scale")}
    states = OPERATORS[cell].states
    give = tuple(row.get("give", ["B", *states]))
    outputs = tuple(row.get("outputs", ["Y", "Y_h", "Y_c"][: 1 + len(states)]))
    for direction in row.get("directions", [""]):
        whole = f"{cell}_{name}_{direction}".rstrip("_")
        said = {"direction": direction} if direction not in ("", "forward") else {}
        lengths = tuple(row.get("lengths", ()))
        yield Case(whole, cell, said | attributes, give, lengths, {**SIZES, **row.get("sizes", {})}, outputs, row.get("scale", 1))
