"""Pydantic models of every file that is read or written: pydantic validates the edges, arrays are checked separately.

The types of the fields come first: numbers, states, masks and labels, as pydantic reads and writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, get_type_hints

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_serializer,
)

from ...base.arrays import LONGEST, WORDS, describe, to_array, to_arrays, to_labels, to_list, to_truths
from ...base.files import require_once
from ...base.mistyped import key_meant
from ...base.packaged import packaged
from ...cell.arithmetic import KNOWN, named
from ...cell.named_cells import KINDS
from ...cell.notations import NotationName
from ...cell.shapes import WIDEST
from ...cell.variants import Merge, Padding
from ...errors import FileError, closest, nearest
from .problem_file import ALIASES, MISPLACED, MOST_DIGITS, LabelAxis, Problem, by_axis

_NUMBER = {"anyOf": [{"type": "number"}, {"enum": list(WORDS)}]}


def _nested(depth: int) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [_NUMBER]
    for _ in range(depth):
        forms.append({"type": "array", "items": forms[-1]})
    return {"anyOf": forms[1:] if depth > 2 else forms}


def to_length(value: Any) -> Any:
    """A length as written in a problem: pydantic would read true and "1" as 1."""
    if isinstance(value, bool | str):
        raise ValueError(f"expected a whole number, found {describe(value)}")
    return value


_WRITTEN = PlainSerializer(
    lambda states: [*map(to_list, states)] if isinstance(states, list) else to_list(states), return_type=Any
)
Numbers = Annotated[Any, BeforeValidator(to_array), _WRITTEN, WithJsonSchema(_nested(3))]
#: Initial states: one array per layer if the layers differ in size.
States = Annotated[Any, BeforeValidator(to_arrays), _WRITTEN, WithJsonSchema(_nested(4))]
Weight = Annotated[Any, BeforeValidator(to_array), _WRITTEN, WithJsonSchema(_nested(2))]
_TRUTH = {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}]}
Mask = Annotated[
    Any,
    BeforeValidator(to_truths),
    PlainSerializer(lambda mask: mask.astype(int).tolist(), return_type=Any),
    WithJsonSchema({"type": "array", "items": {"anyOf": [_TRUTH, {"type": "array", "items": _TRUTH}]}}),
]
Length = Annotated[int, BeforeValidator(to_length)]
ByScope = dict[str, dict[str, Weight]]


def to_held(value: Any) -> Any:
    """The value that a line is held at, as written in a problem: a text (`*0.5`, the path of a trace), or numbers."""
    if isinstance(value, str | bool | Mapping) or value is None:
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected a number, '*0.5' for a multiple, or an array; found {describe(value)}")
        return value
    array = to_array(value)
    return float(array) if not array.ndim else array


Held = Annotated[
    Any,
    BeforeValidator(to_held),
    PlainSerializer(lambda value: value if isinstance(value, str | float) else to_list(value), return_type=Any),
    WithJsonSchema({"anyOf": [{"type": "string"}, *_nested(3)["anyOf"]]}),
]
CountFrom = Annotated[
    Literal[0, 1],
    BeforeValidator(to_length),
    Field(description="the number of the first step and unit, 0 or 1; addresses with a slash count from 0"),
]
Digits = Annotated[int, Field(ge=0, le=MOST_DIGITS), BeforeValidator(to_length)]


_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": LONGEST}}


def short(text: str) -> str:
    """The text. Raises ValueError if it is too long; pydantic's own limit rejects lone surrogates (U+D800)."""
    if len(text) > LONGEST:
        raise ValueError(f"expected text of at most {LONGEST:,} characters, found {len(text):,} characters")
    return text


ShortText = Annotated[str, AfterValidator(short), Field(json_schema_extra={"maxLength": LONGEST})]
#: The labels of an axis; those of the steps (`t`) may be one list per sequence.
AxisLabels = Annotated[
    Any, BeforeValidator(to_labels), WithJsonSchema({"anyOf": [_TEXTS, {"type": "array", "items": _TEXTS}]})
]
Labels = Annotated[dict[LabelAxis, AxisLabels], AfterValidator(by_axis)]


def to_arithmetic(name: str) -> str:
    """The name of an arithmetic, checked."""
    return named(name) or name


ArithmeticName = Annotated[
    str,
    AfterValidator(to_arithmetic),
    Field(description=f"arithmetic in which the problem is computed, other than float64: {KNOWN}"),
]


M = TypeVar("M", bound=BaseModel)

#: Upper limit of a step, size or layer: every JSON reader holds integers up to this exactly.
MOST_COUNTED = WIDEST
#: Number of faults in one file for which the nearest name is searched.
HINTS = 100


class Strict(BaseModel):
    """A model that refuses every key that is not one of its fields."""

    # built on first use: a report of a problem needs no model of a trace (some 30 ms)
    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=True, populate_by_name=True, defer_build=True)


class CellSpec(BaseModel):
    """A cell, given by name and options or by its own equations."""

    model_config = ConfigDict(extra="allow", defer_build=True)
    kind: str | None = Field(
        None, description=f"name of a cell: {', '.join(KINDS)}; without one, that whose weights are given"
    )
    equations: str | None = Field(None, description="the cell's own equations, instead of a name")
    reverse: dict[str, Any] | None = Field(None, description="options in which the reverse direction differs")


class LayoutSpec(Strict):
    """How the weights are stored, if not under canonical names: the name of a layout, properties, or both."""

    name: str | None = Field(None, description="a framework's layout (docs/layouts.md); other keys override it")
    order: str | None = Field(
        None, description="order in which the gates are stacked: ifco, iofc, …; none: one array per gate"
    )
    separate: bool | None = Field(None, description="one array per gate")
    joined: Literal["hx", "xh"] | None = Field(None, description="W, or W_i … W_o, multiply [h; x] or [x; h]")
    transposed: bool | None = Field(None, description="all matrices are (columns, rows)")
    input_transposed: bool | None = Field(None, description="the matrices of x are (columns, rows)")
    recurrent_transposed: bool | None = Field(None, description="the matrices of h are (columns, rows)")
    projection_transposed: bool | None = Field(None, description="the projection is (H, P)")
    bias: Literal["one", "two", "8H", "rows", "column"] | None = Field(None, description="how the biases are stored")
    forget_bias: float | None = Field(None, description="added to the forget gate at run time")
    peephole: str | None = Field(None, description="order in which the peepholes are stacked: ifo, iof")
    flat_blocks: bool | None = Field(None, description="each gate's block is flattened row by row")
    direction_axis: bool | None = Field(None, description="arrays have a first axis for the directions")
    state: Literal["hc", "ch"] | None = Field(None, description="the order of the two states")


#: What the JSON Schema says of the fields of a problem.
_DESCRIBED: dict[str, str] = packaged("trace/files/schema.toml")["described"]


def _problem_fields() -> dict[str, Any]:
    """The fields of a problem for pydantic, from their one definition in `problem_file`."""
    types = get_type_hints(Problem, globals(), include_extras=True)
    found: dict[str, Any] = {}
    for one in fields(Problem):
        kept: dict[str, Any] = {"description": _DESCRIBED[one.name]} if one.name in _DESCRIBED else {}
        kept |= {"default": one.default} if one.default is not MISSING else {"default_factory": one.default_factory}
        if other := [other for other, name in ALIASES.items() if name == one.name]:
            kept["validation_alias"] = AliasChoices(one.name, *other)
        found[one.name] = types[one.name], Field(**kept)
    return found


if TYPE_CHECKING:
    ProblemFile = Strict
else:
    ProblemFile = create_model("Problem", __base__=Strict, __doc__=Problem.__doc__, **_problem_fields())


def as_problem(written: Strict) -> Problem:
    """The problem that a `ProblemFile` holds, with mappings in place of the models within."""
    found = {name: getattr(written, name) for name in written.model_fields_set}
    plain: dict[str, Any] = {}
    for name, value in found.items():
        plain[name] = value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value
    return Problem(**plain)


class StageInfo(Strict):
    """One layer and direction of a trace, or its adjoint: its equations and where its inputs come from."""

    layer: int = Field(ge=0, le=MOST_COUNTED)
    direction: Literal["forward", "reverse", "joined", "adjoint-forward", "adjoint-reverse", "adjoint-joined"]
    equations: str
    sources: dict[str, str]
    computed: list[str] | None = None


class Inputs(Strict):
    """The premises other than parameters; states and supplied lines are keyed by `layer/direction`."""

    x: Numbers | None = None
    lengths: list[int] | None = None
    mask: Mask | None = None
    h0: dict[str, Numbers] = Field(default_factory=dict)
    c0: dict[str, Numbers] = Field(default_factory=dict)
    initial: dict[str, dict[str, Numbers]] = Field(default_factory=dict)
    given: dict[str, dict[str, Numbers]] = Field(default_factory=dict)


class CellInfo(Strict):
    """The cell's name and all of its options; the equations are in the stages."""

    kind: str
    options: dict[str, Any] = Field(default_factory=dict)


class TraceManifest(Strict):
    """The metadata of a trace: everything in a trace file except the arrays."""

    format: Literal["lstm-trace/1"] = "lstm-trace/1"
    title: ShortText = ""
    notes: str = ""
    cell: CellInfo
    dtype: Literal["float16", "float32", "float64"] = "float64"
    first: int = Field(default=0, ge=0, le=MOST_COUNTED)
    steps: Length = Field(ge=1, le=MOST_COUNTED)
    batch: Length = Field(ge=1, le=MOST_COUNTED)
    merge: Merge = "concat"
    padding: Padding | None = None
    ask: list[ShortText] = Field(default_factory=list)
    names: Labels = Field(default_factory=dict)
    symbols: dict[str, ShortText] = Field(default_factory=dict)
    aliases: dict[str, ShortText] = Field(default_factory=dict, description="what the author's own code calls names")
    count_from: CountFrom = 0
    title_tex: ShortText = Field("", description="the title as it was written, if it has formulas")
    digits: Digits | None = None
    language: str | None = Field(None, pattern="^[a-z]{2,3}(-[a-z]{2,8})?$")
    notation: NotationName | None = None
    imported: list[str] = Field(default_factory=list)
    batched: bool = True
    batch_first: bool = False
    plan: Literal["lines", "planned", "compiled", "foreign"] = "lines"
    arithmetic: str | None = None
    agreement: list[str] = Field(default_factory=list)
    mistakes: list[ShortText] = Field(default_factory=list, description="mistakes that the run has on purpose")
    replaced: dict[str, dict[str, str]] = Field(
        default_factory=dict, description="equations of the model that they change, by layer/direction and name"
    )
    stages: list[StageInfo]

    @model_serializer(mode="wrap")
    def _written(self, made: Any) -> dict[str, Any]:
        """Without newer facts that it does not have, so that earlier versions can read it."""
        newer = ("aliases", "title_tex", "digits", "language", "notation", "mistakes", "replaced")
        return {name: value for name, value in made(self).items() if name not in newer or (value or value == 0)}


class TraceFile(TraceManifest):
    """A trace as JSON."""

    parameters: ByScope = Field(default_factory=dict)
    inputs: Inputs = Field(default_factory=Inputs)
    lines: dict[str, dict[str, Numbers]] = Field(default_factory=dict)
    sums: ByScope = Field(default_factory=dict, description="sums of a stage over all steps and sequences")


MODELS: dict[str, type[BaseModel]] = {"problem": ProblemFile, "trace": TraceFile}


def json_schema(name: str) -> dict[str, Any]:
    """The JSON Schema of `problem` or `trace`."""
    schema = MODELS[name].model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def validate(model: type[M], data: Any, where: str) -> M:
    """`data` as `model`. Raises FileError with every fault, by location; JSON also for a key twice in one object."""
    try:
        if not isinstance(data, bytes):
            return model.model_validate(data)
        found = model.model_validate_json(data)
        require_once(where, data)  # pydantic takes the last
        return found
    except ValidationError as error:
        given = {*map(str, data)} if isinstance(data, Mapping) else set[str]()
        raise FileError(*(f"{where}: {problem}" for problem in _sentences(model, error.errors(), given))) from None


#: What pydantic expected, by the kind of fault, in our words.
_EXPECTED: dict[str, str] = packaged("trace/files/schema.toml")["expected"]


#: Models that are accepted in place of a name; pydantic adds their names to the location of a fault.
_SUBMODELS: dict[Any, type[BaseModel]] = {"CellSpec": CellSpec, "LayoutSpec": LayoutSpec}


def _sentences(model: type[BaseModel], faults: Sequence[Any], given: set[str]) -> Iterator[str]:
    """One sentence per fault; one for both alternatives if a name or a mapping is accepted. given: the keys."""
    for at, fault in enumerate(faults):
        *parts, last = fault["loc"] or ("",)
        if last in _SUBMODELS and fault["type"] == "model_type":
            yield f"{_before(_place(parts))}expected a name or a mapping, found {describe(fault['input'])}"
        elif last != "str" or fault["type"] != "string_type":  # a mapping instead of a name has its own faults
            yield _sentence(model, fault, at < HINTS, given)


def _place(location: Sequence[Any]) -> str:
    # pydantic adds [key] if the key itself is at fault
    return ".".join(str(part) for part in location if part not in _SUBMODELS and part != "[key]")


def _before(place: str) -> str:
    """The beginning of a message about a location; nothing for the whole, which the caller names."""
    return f"{place}: " if place else ""


def _sentence(model: type[BaseModel], fault: Any, hint: bool, given: set[str]) -> str:
    place, kind = _place(fault["loc"]), fault["type"]
    if kind == "extra_forbidden":
        here = next((_SUBMODELS[part] for part in reversed(fault["loc"]) if part in _SUBMODELS), model)
        return _unknown(here, place, str(fault["loc"][-1]), hint, given if here is model else set())
    if kind == "json_invalid":
        return f"not complete JSON ({fault['ctx']['error']}); is the file cut off?"
    if kind == "missing":
        return f"{place} is missing"
    if len(fault["loc"]) > 1 and fault["loc"][0] in ("weights", "initial", "given") and model is ProblemFile:
        key = str(fault["loc"][1])
        if key in {*model.model_fields, *ALIASES}:
            return f"{place}: {key} {MISPLACED}"
    message = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = f"a number {message}" if kind.startswith(("less_than", "greater_than")) else message
    if message.startswith("a number ") or kind in _EXPECTED or kind == "literal_error":
        return f"{_before(place)}expected {_EXPECTED.get(kind, message)}, found {describe(fault['input'])}"
    return f"{_before(place)}{message[0].lower()}{message[1:]}"


#: What to say of a key that is like none that is known.
MOST_USED = "is it a weight? Indent it under `weights:`. Most used are title, cell, weights, x, h0, c0, ask"


def _unknown(model: type[BaseModel], place: str, key: str, hint: bool, given: set[str]) -> str:
    """The message about a key that the model does not have, or that is also present under its other name."""
    for field in model.model_fields.values():
        names = field.validation_alias.choices if isinstance(field.validation_alias, AliasChoices) else []
        if key in names:
            return f"{place} is given twice: as {key} and as {' or '.join(str(n) for n in names if n != key)}"
    known = [name for name in model.model_fields if name != "format" and name not in given]
    if model is ProblemFile and hint:
        known += [other for other, name in ALIASES.items() if name in known and other not in given]
        there = closest(key, given & {*model.model_fields, *ALIASES})
        meant = (
            key_meant(key) or (f"{there!r} is there already" if there else "") or nearest(key, known)[2:] or MOST_USED
        )
        return f"unknown key {place!r}; {meant}"
    return f"unknown key {place!r}{nearest(key, known, 'there are') if hint else ''}"
