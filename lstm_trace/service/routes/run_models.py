"""The replies of runs and views, for the description of the API."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, WithJsonSchema

_WORDS = ["NaN", "Infinity", "-Infinity"]
Number = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": _WORDS}]})]
Address = Annotated[str, Field(description="layer/direction/t/b/line[unit]")]


class CellOf(BaseModel):
    """The cell of a run."""

    kind: str
    options: dict[str, Any]
    title: str


class LineOf(BaseModel):
    """A line of a stage. gate: whether it is a sigmoid, between 0 and 1. axis: of its units: hidden ones or outputs."""

    name: str
    op: str
    width: int
    assigned: bool = Field(description="whether its name is its author's")
    symbol: str
    gate: bool
    axis: Literal["x", "h", "y"]


class StageOf(BaseModel):
    """One layer and direction."""

    scope: str
    layer: int
    direction: str
    equations: str
    output: str
    units: int = Field(description="of the cell; 0 where that cannot be seen")
    states: dict[str, str] = Field(description="each state with the line that it carries")
    inputs: dict[str, str] = Field(description="each input with where it comes from")
    lines: list[LineOf]
    axes: dict[str, Literal["x", "h", "y"]] = Field(description="of states and inputs, as of lines")


class Premise(BaseModel):
    """What is given, and can be edited."""

    address: str
    name: str
    scope: str
    kind: Literal["parameter", "input", "initial", "given"]
    shape: list[int]
    gate: str = Field(description="of a parameter, the first named value that reads it: i of z_i or i_t, z of z_t")
    symbol: str


class ChangeOf(BaseModel):
    """A line that an edit changed, with its largest change."""

    scope: str
    line: str
    largest: Number
    t: int
    b: int
    unit: int


class HeldOf(BaseModel):
    """What is held at another value than its equation gives."""

    address: str = Field(description="as `hold` has it: steps, rows and units may be ranges")
    value: float | str | None = Field(description="a number, or `*0.5` for a multiple; null where there are several")


class Run(BaseModel):
    """What is said of a run."""

    id: str
    href: str
    title: str
    notes: str
    parent: str | None = Field(description="the run that was edited into it")
    cell: CellOf
    dtype: str
    arithmetic: str | None
    plan: str
    steps: int
    batch: int
    batch_first: bool = Field(description="whether x is given by sequence first, then by step")
    first: int
    count_from: int
    names: dict[str, list[str]]
    step_labels: list[list[str]] = Field(
        description="what the steps are called, as it is shown: a list for each sequence, or one; none of very many"
    )
    symbols: dict[str, str]
    imported: list[str]
    numbers: int = Field(description="values that it holds")
    bytes: int
    seconds: float
    stages: list[StageOf]
    premises: list[Premise]
    asked: list[Address]
    held: list[HeldOf]
    target: str | None = Field(description="a value to take gradients of")
    live: bool = Field(description="whether no line is too wide to be shown whole")
    changed: list[ChangeOf] | None = Field(description="of the reply to an edit")


class PremiseValues(Premise):
    """A premise with its values; row: of a large matrix, the row of one unit alone."""

    values: Any
    row: int | None = None


class Premises(BaseModel):
    """All that is given."""

    premises: list[PremiseValues]


class LineValues(BaseModel):
    """Values of a line, [t][b][unit], with the numbers of steps, sequences and units."""

    scope: str
    line: str
    t: list[int]
    b: list[int]
    unit: list[int]
    values: list[list[list[Number]]]


class Values(BaseModel):
    """Values of lines, and how many numbers were left out."""

    values: list[LineValues]
    left_out: int


class LineNow(BaseModel):
    """A line at one step."""

    name: str
    values: list[Number]
    units: list[int]


class Step(BaseModel):
    """One step of one layer and direction."""

    t: int
    b: int
    scope: str
    lines: list[LineNow]
    held: dict[str, list[int]] = Field(description="the units of lines that are held at this step")
    states: dict[str, list[Number] | None]
    inputs: dict[str, list[Number] | None]
    x: list[Number]
    shown: dict[str, list[str]] = Field(description="the values of lines, states and inputs as they are printed")
    texts: dict[str, str] = Field(description="by the key of a spot of the picture")
    caption: str
    in_words: list[str]


class NamedStage(BaseModel):
    """The lines of a stage as a notation prints them."""

    scope: str
    lines: list[LineOf]


class Symbols(BaseModel):
    """The symbols of a notation."""

    stages: list[NamedStage]
    premises: dict[str, str] = Field(description="by address")


class Spot(BaseModel):
    """A node of the picture."""

    key: str
    line: str
    kind: str


class Picture(BaseModel):
    """A drawing."""

    svg: str
    width: float
    height: float
    description: str
    spots: list[Spot]


class Formula(BaseModel):
    """A formula; in MathML a number that has an address is `<mn data-address>`."""

    text: str
    tex: str
    mathml: str


class Operand(BaseModel):
    """A value beside another one."""

    address: str | None
    symbol: Formula
    value: Number
    shown: str


class At(BaseModel):
    """One value."""

    address: str
    kind: str
    value: Number
    shown: str
    symbol: Formula
    where: str
    about: str
    equation: Formula | None
    substituted: Formula | None
    relation: str = Field(description="= or ≈, between `substituted` and the value as it is shown")
    written_out: Formula | None = Field(description="with values that have no name written out in numbers")
    written_out_relation: str
    operands: list[Operand]
    operands_left_out: int
    readers: list[Operand]
    readers_left_out: int
    verified: dict[str, Any]
    gradient: dict[str, Any] | None
    held: HeldOf | None = Field(description="what holds it at another value than its equation gives")
