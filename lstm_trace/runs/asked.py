"""Requests about runs as pydantic models, and errors specific to kept runs.

A worker validates the request; other processes only pass its bytes on.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..base.files import read_json
from ..base.option import parameters
from ..errors import FileError, LstmTraceError
from ..results import EXPLANATIONS
from ..results.explanation import explaining
from ..trace.files.schema import AxisLabels, Held, LayoutSpec, Length, Mask, Numbers, ProblemFile, validate


class UnknownRunError(LstmTraceError):
    """There was never a run with this id, or it has been forgotten."""


class DroppedRunError(LstmTraceError):
    """There is a run with this id, but its trace was dropped or damaged; it can be made again (`Runs.ready`)."""


class RunFolderError(LstmTraceError):
    """The folder of the runs cannot be written or read, for example because the disk is full; not the client's
    fault.
    """


class NotJsonError(LstmTraceError):
    """A request that is not JSON, not UTF-8, or has a duplicate key."""


class NoArrowError(LstmTraceError):
    """Values are requested as Arrow, and pyarrow is not installed."""


B = TypeVar("B", bound=BaseModel)

#: Possible sources of a run in a spec; exactly one of them is given.
SOURCES = ("problem", "example", "item", "model")


class RequestBody(BaseModel):
    """A request: unknown members are rejected, and so is NaN where a number is expected."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Documented(RequestBody):
    """A request that is answered with a result."""

    language: str | None = Field(None, max_length=20, description="of the document, which is left out without it")


class Edit(RequestBody):
    """A changed premise: a number at `0/forward/W_xi[0,0]`, or the whole array of `0/forward/W_xi` or `x`."""

    address: str = Field(max_length=400)
    value: Numbers


class Holding(RequestBody):
    """A change of the holds: overrides earlier ones, value by value."""

    address: str = Field(max_length=400)
    value: Held | None = Field(None, description="a number, '*0.5' for a multiple, or arrays; null releases the hold")


class Edits(RequestBody):
    """Changes to a run, which make a new run. Members that are left out stay as they are."""

    edits: list[Edit] = []
    equations: str | None = Field(None, description="equations that replace the cell's; null: those of the source")
    arithmetic: str | None = Field(None, description="by-hand-4, …; float64: none; null: that of the source")


class Spec(Edits):
    """Everything that determines a run: a source, its input, and changes to it, of which the last one per address
    counts.
    """

    problem: ProblemFile | None = None
    example: str | None = Field(None, max_length=100, description="name of an example problem")
    item: str | None = Field(None, max_length=100, description="id of a problem or trace in the library")
    model: str | None = Field(None, max_length=100, description="id of a model in the library; it needs x")
    name: str | None = Field(None, max_length=400, description="name of one LSTM, GRU or RNN, if a model has several")
    x: Numbers | None = None
    h0: Numbers | None = None
    c0: Numbers | None = None
    lengths: list[Length] | None = None
    mask: Mask | None = None
    hold: dict[str, Held] | None = Field(None, description="lines held at other values, by address, as in `holds`")
    holds: list[Holding] = Field([], max_length=1000, description="changes of the holds, in order")
    tokens: AxisLabels | None = Field(None, description="labels of the steps, or one such list per sequence")
    batch_first: bool | None = None
    layout: str | LayoutSpec | None = Field(None, description="how the arrays of a model are stored")


#: The JSON type of an option of an explanation, by how the command line parses it; otherwise that of the function.
_READ: dict[str, Any] = {
    "hold": float | str, "baseline": int | str, "runs": int | str, "names": list[str], "list": list[str],
    "values": Numbers, "constants": dict[str, float],
}  # fmt: skip


def _fields() -> dict[str, Any]:
    """The options of all explanations as fields of a model, except those for the style of a worked solution."""
    found: dict[str, Any] = {}
    for one in (one for how in EXPLANATIONS for one in parameters(explaining(how)).values() if not one.keyword):
        if (option := one.option) is not None and one.name != "of":
            bounds: dict[str, Any] = {}
            if one.type in (int, float, float | None):
                bounds = {"gt" if option.above else "ge": option.least, "le": option.most}
            kind = _READ.get(option.reads, one.type)
            found[one.name] = (kind | None, Field(None, description=one.help.rstrip("."), **bounds))
    return found


How = Literal[*EXPLANATIONS, "attribution"]  # type: ignore[valid-type]


class _Asked(Documented):
    run: str = Field(max_length=100)
    how: How
    of: str | None = Field(None, max_length=400)
    against: str | None = Field(None, max_length=100)


_Question: Any = create_model("_Question", __base__=_Asked, **_fields())


class Question(_Question):  # type: ignore[misc]
    """A request for an explanation. against: the other run of an attribution, or the baseline of a contribution."""


class Pair(Documented):
    """Two runs to compare, b with a (the reference). Without a tolerance the rounding bound decides."""

    a: str = Field(max_length=100)
    b: str = Field(max_length=100)
    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None


class NamedRun(Documented):
    """A run."""

    run: str = Field(max_length=100, description="its id")


class DownloadOptions(BaseModel):
    """The options of a report; None means the default. Other files read some of them."""

    title: str | None = Field(None, max_length=400)
    language: str | None = None
    notation: str | None = None
    detail: str | None = None
    digits: int | None = None
    significant: int | None = None
    decimal_comma: bool | None = None
    trim: bool | None = None
    count_from: int | None = None
    everything: bool | None = Field(None, description="do not truncate")


def data(body: bytes) -> Any:
    """A body as data, read strictly: anything that two readers could understand differently is an error
    (NotJsonError).
    """
    try:
        return read_json("the body", body, nonfinite=False)
    except FileError as error:
        raise NotJsonError(*error.problems) from None


def read(model: type[B], body: bytes) -> B:
    """A body as `model`. Raises NotJsonError, and FileError with every fault in its form."""
    return validate(model, data(body), "the request")
