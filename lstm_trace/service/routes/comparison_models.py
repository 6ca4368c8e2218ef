"""Requests and replies of comparisons, explanations and verifications."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from ...runs.asked import Body
from ...verification.measures import Verdict
from .run_models import Number


class Pair(Body):
    """Two runs to compare, b with a (the reference). Without a tolerance the rounding bound decides."""

    a: str = Field(max_length=100)
    b: str = Field(max_length=100)
    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None


class Named(Body):
    """A run by its id."""

    run: str = Field(max_length=100)


class FirstDifference(BaseModel):
    """The first value, in computing order, that differs."""

    address: str
    a: Number
    b: Number
    difference: Number
    bound: Number = Field(description="what rounding explains of this value; of others of the line it may be more")


class LineDiff(BaseModel):
    """A line of both runs; t, b, unit: where it differs most."""

    scope: str
    line: str
    largest: Number
    bound: Number = Field(description="the most that rounding explains of any of its values, each held against its own")
    t: int | None
    b: int | None
    unit: int | None
    verdict: Verdict


class Diff(BaseModel):
    """A comparison; text: what `lstm-trace diff` says."""

    a: str
    b: str
    verdict: Verdict
    text: str
    units: list[str] = Field(description="of that text: which units differ, and what becomes of the output")
    first: FirstDifference | None
    lines: list[LineDiff]


class DiffMap(BaseModel):
    """|b - a| of one line, [t][unit]."""

    scope: str
    line: str
    steps: list[int]
    units: int
    values: list[list[Number]]
    largest: float
    left_out: int = Field(description="steps")


class Table(BaseModel):
    """Rows of a table, and how many of them were left out."""

    columns: list[str]
    rows: list[list[Any]]
    left_out: int


class TitledTable(Table):
    """One of several tables."""

    title: str


class Explained(Table):
    """A table with its sentences."""

    how: str
    of: str | None
    text: str
    more: list[TitledTable] = Field(
        description="of the same finding: of a split `By block`, the sum of each array that is given, and `By step`"
    )


class Failed(BaseModel):
    """A value that does not follow from its operands."""

    address: str
    recorded: Number
    derived: Number
    bound: Number


class Verified(BaseModel):
    """What `lstm-trace verify` says."""

    verdict: Literal["verified", "failed", "inconclusive"]
    text: str
    checked: int
    failures: list[Failed]
