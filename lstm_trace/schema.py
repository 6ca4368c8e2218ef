"""Pydantic models of every file that is read or written. Pydantic works here, at the edge; arrays are checked as arrays."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
)

from .errors import FileError, nearest
from .ops import Array

M = TypeVar("M", bound=BaseModel)

FORMAT = "lstm-trace/1"
_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_NUMBER = {"anyOf": [{"type": "number"}, {"enum": list(_WORDS)}]}


def to_array(value: Any) -> Array:
    """Nested lists of numbers as a float64 array; NaN and infinities may be written as words.

    Raises ValueError that names the first place that is ragged or no number.
    """
    if isinstance(value, np.ndarray):
        return value
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(_fault(value) or "cannot be read as numbers") from None
    if array.dtype.kind in "iu" or array.dtype == np.float64:
        return array.astype(np.float64)
    problem = _fault(value)
    if problem:
        raise ValueError(problem)
    words = np.asarray(value, dtype=object)
    return np.vectorize(lambda v: _WORDS.get(v, v), otypes=[np.float64])(words) if words.size else np.zeros(words.shape)


def _fault(value: Any, place: str = "") -> str:
    """What keeps nested lists from being an array of numbers, and where; empty when nothing does."""
    here = f" at {place}" if place else ""
    if isinstance(value, bool) or not isinstance(value, int | float | str | list | tuple):
        return f"expected a number{here}, found {value!r}"
    if isinstance(value, str):
        return "" if value in _WORDS else f"expected a number{here}, found the text {value!r}"
    if isinstance(value, int | float):
        return "" if abs(value) <= 1.7976931348623157e308 or value != value or math.isinf(value) else f"too large{here}"
    lengths = [len(v) if isinstance(v, list | tuple) else None for v in value]
    for at, length in enumerate(lengths):
        if length != lengths[0]:
            first = "a number" if lengths[0] is None else f"{lengths[0]} numbers"
            found = "a number" if length is None else str(length)
            return f"the list is ragged: {place}[{at}] has {found} where {place}[0] has {first}"
    return next((problem for at, v in enumerate(value) if (problem := _fault(v, f"{place}[{at}]"))), "")


def to_list(array: Array) -> Any:
    """Nested lists of Python floats (float32 as the equal decimal), with NaN and infinities as words."""
    if np.isfinite(array).all():
        return array.tolist()
    names = {math.inf: "Infinity", -math.inf: "-Infinity"}
    return np.vectorize(lambda v: v if math.isfinite(v) else names.get(v, "NaN"), otypes=[object])(
        array.astype(np.float64)
    ).tolist()


def _nested(depth: int) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [_NUMBER]
    for _ in range(depth):
        forms.append({"type": "array", "items": forms[-1]})
    return {"anyOf": forms[1:] if depth > 2 else forms}


Numbers = Annotated[
    Any,
    BeforeValidator(to_array),
    PlainSerializer(to_list, return_type=Any),
    WithJsonSchema(_nested(3)),
]
Weight = Annotated[
    Any,
    BeforeValidator(to_array),
    PlainSerializer(to_list, return_type=Any),
    WithJsonSchema(_nested(2)),
]
ByScope = dict[str, dict[str, Weight]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True)


class CellSpec(BaseModel):
    """A cell by name with its options, or by its own equations."""

    model_config = ConfigDict(extra="allow")
    kind: str = Field("lstm", description="name of a cell: lstm, slstm")
    equations: str | None = Field(None, description="the cell's own equations, instead of a name")


class LayoutSpec(_Strict):
    """How the weights are stored, where it is not by our names."""

    joined: Literal["hx", "xh"] | None = Field(None, description="W_i … multiply [h; x] or [x; h]")
    transposed: bool = Field(False, description="matrices are (columns, rows)")


class Problem(_Strict):
    """An exercise as a person writes it down."""

    title: str = ""
    notes: str = ""
    cell: str | CellSpec = "lstm"
    weights: dict[str, Numbers] = Field(default_factory=dict, description="W_xi or 1/reverse/W_xi: array")
    layout: str | LayoutSpec | None = None
    x: Numbers | None = Field(None, validation_alias=AliasChoices("x", "x_t"), description="(I,), (T, I) or (T, B, I)")
    h0: Numbers | None = Field(None, validation_alias=AliasChoices("h0", "h_prev"))
    c0: Numbers | None = Field(None, validation_alias=AliasChoices("c0", "c_prev"))
    initial: dict[str, Numbers] = Field(default_factory=dict, description="initial values of other carried states")
    given: dict[str, Numbers] = Field(default_factory=dict, description="lines supplied instead of computed")
    lengths: list[int] | None = None
    batch_first: bool = False
    dtype: Literal["float16", "float32", "float64"] = "float64"
    extra: str = Field("", description="equations added to the cell, a readout for example")
    ask: list[str] = Field(default_factory=list, description="names or addresses of the lines that are wanted")
    names: dict[str, list[str]] = Field(default_factory=dict, description="labels: {x: […], h: […]}")
    symbols: dict[str, str] = Field(default_factory=dict, description="TeX symbols of own names")


class StageInfo(_Strict):
    """One layer and direction of a trace: its equations and where its inputs come from."""

    layer: int = Field(ge=0)
    direction: Literal["forward", "reverse", "joined"]
    equations: str
    sources: dict[str, str]
    computed: list[str] | None = None


class Inputs(_Strict):
    """The premises beside the parameters; states and supplied lines by `layer/direction`."""

    x: Numbers | None = None
    lengths: list[int] | None = None
    h0: dict[str, Numbers] = Field(default_factory=dict)
    c0: dict[str, Numbers] = Field(default_factory=dict)
    initial: dict[str, dict[str, Numbers]] = Field(default_factory=dict)
    given: dict[str, dict[str, Numbers]] = Field(default_factory=dict)


class CellInfo(_Strict):
    """The cell's name and its options in full; the equations stand in the stages."""

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)


class Manifest(_Strict):
    """What a trace says of itself: all of a trace file but the arrays."""

    format: Literal["lstm-trace/1"] = "lstm-trace/1"
    title: str = ""
    cell: CellInfo
    dtype: Literal["float16", "float32", "float64"] = "float64"
    steps: int = Field(ge=1)
    batch: int = Field(ge=1)
    merge: str = "concat"
    padding: str | None = None
    ask: list[str] = Field(default_factory=list)
    names: dict[str, list[str]] = Field(default_factory=dict)
    symbols: dict[str, str] = Field(default_factory=dict)
    imported: list[str] = Field(default_factory=list)
    batched: bool = True
    batch_first: bool = False
    plan: str = "lines"
    arithmetic: str | None = None
    agreement: list[str] = Field(default_factory=list)
    stages: list[StageInfo]


class TraceFile(Manifest):
    """A trace as JSON."""

    parameters: ByScope = Field(default_factory=dict)
    inputs: Inputs = Field(default_factory=Inputs)
    lines: dict[str, dict[str, Numbers]] = Field(default_factory=dict)


MODELS: dict[str, type[BaseModel]] = {"problem": Problem, "trace": TraceFile}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of `problem` or `trace`."""
    schema = MODELS[name].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def validate(model: type[M], data: Any, where: str) -> M:
    """`data` as `model`. Raises FileError with every fault that was found, by place."""
    try:
        return model.model_validate_json(data) if isinstance(data, bytes) else model.model_validate(data)
    except ValidationError as error:
        raise FileError(*(f"{where}: {_sentence(model, fault)}" for fault in error.errors())) from None


def _sentence(model: type[BaseModel], fault: Any) -> str:
    place = ".".join(str(part) for part in fault["loc"]) or "the file"
    if fault["type"] == "extra_forbidden":
        known = set(model.model_fields) | {"x_t", "h_prev", "c_prev"}
        return f"unknown key {place!r}{nearest(str(fault['loc'][-1]), known)}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {message[0].lower()}{message[1:]}"
