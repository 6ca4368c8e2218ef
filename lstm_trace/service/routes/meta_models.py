"""The replies of `meta`, for the description of the API."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Health(BaseModel):
    """That the service answers."""

    status: Literal["ok"]
    version: str = Field(description="of lstm-trace")


class CellKind(BaseModel):
    """A cell that has a name."""

    name: str = Field(description="as `cell` of a problem has it")
    title: str
    equations: str = Field(description="with its default options")
    options: dict[str, Any] = Field(description="each option with its default")


class Example(BaseModel):
    """A problem that ships with the package."""

    name: str
    title: str
    cell: str = Field(description="the kind of cell, and options that are not those of the plain one")
    sizes: dict[str, int] = Field(description="T, B, I, H, layers, directions")


class Language(BaseModel):
    """A language of reports."""

    code: str
    name: str = Field(description="in that language")


class FileKind(BaseModel):
    """A file of a run."""

    file: str = Field(description="as `/runs/{id}/download/{file}` has it")
    options: list[str] = Field(description="those that it reads; any other one is refused")


class PlotControl(BaseModel):
    """How an option of a picture is chosen."""

    option: str
    control: str = Field(description="what its value is: `units`, `lines`, `steps`, `share`, `choice`, …")
    choices: list[str] = Field(description="values that can be offered")
    usual: str = Field(description="what holds without it; empty if that depends on the run")


class PlotKind(BaseModel):
    """A kind of picture."""

    kind: str = Field(description="as `/runs/{id}/plot/{kind}` has it")
    options: list[str] = Field(description="those that it reads; any other one is refused")
    required: list[str] = Field(description="those of them that it cannot do without")
    two: Literal["never", "may be", "must be"] = Field(description="whether it is of two runs: `/diffs/plot/{kind}`")
    controls: list[PlotControl] = Field(description="how each of its options is chosen")


class Plots(BaseModel):
    """The pictures of runs."""

    kinds: list[PlotKind]
    common: list[str] = Field(description="options that every kind reads")
    formats: list[str]


class Choices(BaseModel):
    """What the options of other requests may be."""

    languages: list[Language]
    notations: list[str]
    arithmetics: list[str] = Field(description="common ones; docs/arithmetic.md has all")
    formats: list[FileKind]
    models: list[str] = Field(description="suffixes of the model files that this server can read")
    plots: Plots


class Equations(BaseModel):
    """A cell as text."""

    model_config = ConfigDict(extra="forbid")

    equations: str = Field(examples=["h_t = tanh(W_x @ x_t + W_h @ h_prev)\ncarry: h_prev <- h_t"])


class LineName(BaseModel):
    """A line of a cell."""

    name: str
    op: str = Field(description="the operation, as the column `op` of a CSV file has it")


class CellText(BaseModel):
    """What a text of equations says."""

    lines: list[LineName]
    parameters: list[str]
    inputs: list[str]
    states: dict[str, str] = Field(description="each state with the line whose value it takes at the next step")
    output: str


class JobRecord(BaseModel):
    """A computation that takes longer than a second; follow it at `href`."""

    id: str
    href: str
    state: Literal["queued", "running", "done", "failed", "cancelled"] = Field(
        description="queued: it waits for its turn, as long as that takes"
    )
    progress: float | None = Field(description="between 0 and 1, where the computation says it")
    seconds: float = Field(description="since it was asked for, or until it ended")
    result: Any = Field(default=None, description="the reply of a job that is done; {href} where it is not JSON")
    problem: dict[str, Any] | None = Field(default=None, description="the problem document of a job that failed")


#: Of a route whose reply is a job where it takes longer than a second.
LATER: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobRecord,
        "description": "it takes longer: follow the job, whose `result` is the reply",
        "headers": {"Location": {"schema": {"type": "string"}, "description": "the address of the job"}},
    }
}
