"""What is asked of runs, as pydantic models, and what goes wrong with a kept run beside what goes wrong with any.

A worker validates what was sent; others only pass its bytes on.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

from ..base.files import read_json
from ..base.option import parameters
from ..errors import FileError, LstmTraceError
from ..results import EXPLANATIONS
from ..results.explanation import explaining
from ..trace.files.schema import AxisLabels, Held, LayoutSpec, Length, Mask, Numbers, Problem, validate
from .records import DescribedSchema


class UnknownRunError(LstmTraceError):
    """There was never a run of that id, or it is forgotten."""


class DroppedRunError(LstmTraceError):
    """There is a run of that id, but its trace was dropped or damaged; it may be made again (`Runs.ready`)."""


class RunFolderError(LstmTraceError):
    """The folder of the runs cannot be written or read: the disk is full, say. Nobody asked for anything wrong."""


class NotJsonError(LstmTraceError):
    """A request that is no JSON, not UTF-8, or has a key twice."""


class NoArrowError(LstmTraceError):
    """Values are wanted as Arrow, and pyarrow is not there."""


B = TypeVar("B", bound=BaseModel)

#: What a spec may say its run is of; exactly one of them.
SOURCES = ("problem", "example", "item", "model")


class RequestBody(DescribedSchema, BaseModel):
    """A request: nothing that is not named here, and no NaN where a number is one."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, arbitrary_types_allowed=True)


class Documented(RequestBody):
    """What is answered with a result. language: of its document, which the reply has if one is named."""

    language: str | None = Field(None, max_length=20)


class Edit(RequestBody):
    """One premise changed: a number at `0/forward/W_xi[0,0]`, or the whole array of `0/forward/W_xi` or `x`."""

    address: str = Field(max_length=400)
    value: Numbers


class Holding(RequestBody):
    """A change of what is held: over the holds before it, value by value."""

    address: str = Field(max_length=400)
    value: Held | None = Field(None, description="a number, '*0.5' for a multiple, or arrays; null: released")


class Edits(RequestBody):
    """Changes of a run, which make another run. What is left out stays as it is.

    Attributes:
        equations: the cell's equations instead; null: those of the source.
        arithmetic: by-hand-4, float16, q4.12, …; float64: none; null: that of the source.
    """

    edits: list[Edit] = Field(default_factory=list)
    equations: str | None = None
    arithmetic: str | None = None


class Spec(Edits):
    """All that a run follows from: a source, what it is run over, and changes made to it, the last of each address.

    Attributes:
        example: name of an example problem.
        item: id of a problem or trace of the library.
        model: id of a model of the library; it needs x.
        name: which LSTM of several in a model.
        hold: lines held at other values, by address: a number, '*0.5' for a multiple, or arrays.
        holds: changes of what is held, in order.
        tokens: what the steps are called, or a list of that for each row.
        layout: how the arrays of a model are stored.
    """

    problem: Problem | None = None
    example: str | None = Field(None, max_length=100)
    item: str | None = Field(None, max_length=100)
    model: str | None = Field(None, max_length=100)
    name: str | None = Field(None, max_length=400)
    x: Numbers | None = None
    h0: Numbers | None = None
    c0: Numbers | None = None
    lengths: list[Length] | None = None
    mask: Mask | None = None
    hold: dict[str, Held] | None = None
    holds: list[Holding] = Field(default_factory=list, max_length=1000)
    tokens: AxisLabels | None = None
    batch_first: bool | None = None
    layout: str | LayoutSpec | None = None


#: The type of an option of an explanation in JSON, by how the command line reads it; otherwise that of the function.
_READ: dict[str, Any] = {
    "hold": float | str, "baseline": int | str, "runs": int | str, "names": list[str], "list": list[str],
    "values": Numbers, "constants": dict[str, float],
}  # fmt: skip


def _fields() -> dict[str, Any]:
    """The options of all explanations as fields of a model, but not how a worked solution looks."""
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
    """An explanation that is asked for. against: the run that attribution, or a contribution, is against."""


class Pair(Documented):
    """Two runs to compare, b with a (the reference). Without a tolerance the rounding bound decides."""

    a: str = Field(max_length=100)
    b: str = Field(max_length=100)
    rtol: float | None = None
    atol: float | None = None
    ulps: float | None = None


class NamedRun(Documented):
    """A run by its id."""

    run: str = Field(max_length=100)


class ReportOptions(BaseModel):
    """The options of a report; None leaves one as it is by default. Other files read some of them."""

    title: str | None = Field(None, max_length=400)
    language: str | None = None
    notation: str | None = None
    detail: str | None = None
    digits: int | None = None
    significant: int | None = None
    decimal_comma: bool | None = None
    trim: bool | None = None
    count_from: int | None = None
    everything: bool | None = Field(None, description="leave nothing out")


def data(body: bytes) -> Any:
    """A body as data, read strictly: what two readers could understand differently is refused. Raises NotJsonError."""
    try:
        return read_json("the body", body, nonfinite=False)
    except FileError as error:
        raise NotJsonError(*error.problems) from None


def read(model: type[B], body: bytes) -> B:
    """A body as `model`. Raises NotJsonError, and FileError with every fault of another form."""
    return validate(model, data(body), "the request")
