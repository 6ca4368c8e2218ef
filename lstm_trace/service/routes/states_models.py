"""The replies of `states`, for the description of the API."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

Number = float | str
_NUMBER = "a number, or NaN, Infinity, -Infinity as a string"


class StatesLine(BaseModel):
    """A recorded line."""

    line: str = Field(description="what it is asked for by; a unit is line[unit]", examples=["c_t", "1/reverse/c_t"])
    scope: str = Field(description="layer/direction")
    name: str
    width: int = Field(description="units")


class StatesInfo(BaseModel):
    """The states of a corpus in a folder; only `name` and `problem` where they cannot be read."""

    name: str
    problem: str = Field(description="why they cannot be read; empty if they can")
    title: str = Field("", description="of the model")
    cell: str = ""
    dtype: str = Field("", description="of the stored values")
    lines: list[StatesLine] = []
    sequences: int = Field(0, description="that are there")
    steps: int = 0
    parts: int = 0
    parts_missing: int = Field(0, description="that are not computed yet, or failed")
    targets: list[str] = Field([], description="further columns of the input")
    tokens: bool = Field(False, description="whether steps have tokens")


class Beginning(BaseModel):
    """A sequence in a list."""

    id: str
    steps: int
    text: str = Field(description="how it begins; empty without tokens")


class Sequences(BaseModel):
    """Some of the sequences, in the order of the files."""

    total: int
    offset: int
    sequences: list[Beginning]


class ColourScale(BaseModel):
    """Where the colours of a unit end, the same for all sequences."""

    low: float
    high: float
    two: bool = Field(description="whether 0 is in the middle, with a colour on each side")
    beyond: bool = Field(description="whether some values lie outside")


class Text(BaseModel):
    """Steps of a sequence with the values of a unit."""

    sequence: str
    unit: str
    begin: int = Field(description="the first step of the sequence")
    steps: int = Field(description="of the sequence")
    first: int = Field(description="the first step in this reply; the others follow it")
    tokens: list[str] | None
    spaced: bool = Field(description="whether spaces are set between the tokens")
    values: list[Number] = Field(description=_NUMBER)
    scale: ColourScale


class Context(BaseModel):
    """A place where a unit is high or low, or where several are."""

    sequence: str
    t: int = Field(description="the step of the place, or the first one of a stretch")
    length: int = Field(description="steps of the stretch; 1 of a single place")
    value: Number = Field(description=_NUMBER)
    first: int = Field(description="the step of the first token; of a long stretch only the beginning is there")
    tokens: list[str] | None
    values: list[Number] = Field(description="at these tokens: of the unit, of several the one nearest to the level")


class Contexts(BaseModel):
    """Places of a corpus, the strongest first."""

    spaced: bool = Field(description="whether spaces are set between the tokens")
    scale: ColourScale
    contexts: list[Context]


class ActiveUnit(BaseModel):
    """A unit that is beyond the level in a whole span."""

    unit: str
    mean: Number
    nearest: Number = Field(description="the value that is nearest to the level")


class Active(BaseModel):
    """The units that are active in a span."""

    units: list[ActiveUnit]
    left_out: int = Field(description="further ones")
    beside: int = Field(
        description="where none is: those that are active in the span, and right before or after it too"
    )


class UnitsTable(BaseModel):
    """What each unit does over the whole corpus; see docs/corpus.md."""

    columns: list[str]
    rows: list[list[Any]]
