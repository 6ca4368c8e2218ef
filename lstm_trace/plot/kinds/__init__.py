"""The kinds of pictures. A kind is one function in this folder, and its signature is the only definition of its
options.

`picture` marks such a function: it takes a trace (`weights`: anything that has parameters) and options, each with one
of the annotations below, and returns a `Figure`. Everything else follows from it: the method of `trace.plot`, the
options of `lstm-trace plot`, the controls of the page and the tables of `docs/plot.md`. The facts that they need
without importing pictures, and numpy with them, are kept in `kinds.json`, which `make golden` writes; the order of the
kinds is that of the file, and a new kind is added at the end.

A kind describes its own options in its docstring; shared options are described here, and added to it.

Args:
    unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
    lines: names of lines (gates and states; unit: also candidates; text: the output).
    layer: layer, from 0 (all).
    direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
    batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
    steps: steps: A:B, A: or :B, or one (all).
    language: language of the text in the picture; that of the problem, or en.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import formatannotation, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from ...base.conveniences import function_at
from ...base.option import Option, Parameter, documented, parameters
from ...errors import require_known

if TYPE_CHECKING:
    from ...trace.trace import Trace
    from ..figure import Figure

F = TypeVar("F", bound=Callable[..., Any])
#: The file that lists the kinds in order: module, summary and options of each.
TABLE = Path(__file__).with_name("kinds.json")
KINDS: dict[str, dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
#: The default kind.
USUAL = "unit"


@dataclass(frozen=True)
class PictureOption(Option):
    """Facts about an option of pictures, beyond those that every command needs.

    Attributes:
        control: how it is written on the command line and chosen in a page.
        choices: the values that a page offers; for the control `choice`, all possible values.
    """

    control: str
    choices: tuple[str, ...] = ()


ORDERS = ("index", "cluster", "memory", "activity")

Units = Annotated[int | Sequence[int] | None, PictureOption("units")]
Lines = Annotated[Sequence[str] | str | None, PictureOption("lines")]
SaturationLines = Annotated[Sequence[str] | str | None, PictureOption("gates")]
Layer = Annotated[int | None, PictureOption("number")]
Direction = Annotated[str | None, PictureOption("direction")]
Batch = Annotated[int | None, PictureOption("number")]
Steps = Annotated[slice | int | None, PictureOption("steps")]
Order = Annotated[str | None, PictureOption("choice", ORDERS)]
Value = Annotated[str, PictureOption("address")]
Address = Annotated[str | None, PictureOption("address")]
WeightNames = Annotated[str | None, PictureOption("names")]
Share = Annotated[float, PictureOption("share")]
Baseline = Annotated[Any, PictureOption("baseline", ("zero-input", "zero-state"))]
Occlusion = Annotated[Any, PictureOption("runs", ("auto", "all", "none"))]
Other = Annotated["Trace", PictureOption("source")]
OtherWeights = Annotated[Any, PictureOption("source")]
Language = Annotated[str | None, PictureOption("language")]
#: Descriptions of options that several kinds have.
SHARED = documented(sys.modules[__name__])[1]


def picture(function: F) -> F:
    """Mark a function as a kind of picture: check its arguments, and add the shared descriptions to its docstring."""
    from ...trace.argument_types import checked

    listed = "".join(
        textwrap.fill(f"{one['name']}: {one['help']}.", 112, initial_indent=8 * " ", subsequent_indent=12 * " ") + "\n"
        for one in described(function)
    )
    own = re.compile(r"(    Args:\n.*?\n\n)?(?=    Returns:)", re.S)
    function.__doc__ = own.sub(lambda _: f"    Args:\n{listed}\n", function.__doc__ or "", count=1)
    shape = signature(function)
    written = {one.name: re.sub(r"[\w.]+\.", "", formatannotation(one.type)) for one, _ in _options(function)}
    typed = [one.replace(annotation=written.get(one.name, one.annotation)) for one in shape.parameters.values()]
    function.__signature__ = shape.replace(parameters=typed)  # type: ignore[attr-defined]
    made = checked(function)
    made.is_picture = True  # type: ignore[attr-defined]
    return made


def described(function: Callable[..., Any]) -> list[dict[str, Any]]:
    """The options of a function, in order, in the form of `kinds.json`."""
    return [
        {"name": one.name, "help": (one.help or SHARED.get(one.name, "")).rstrip("."), "control": option.control,
         "choices": list(option.choices), "required": one.required, "default": one.default}
        for one, option in _options(function)
    ]  # fmt: skip


def _options(function: Callable[..., Any]) -> list[tuple[Parameter, PictureOption]]:
    return [(one, one.option) for one in parameters(function).values() if isinstance(one.option, PictureOption)]


def maker(kind: str) -> Callable[..., Figure]:
    """The function that makes pictures of a kind. Raises OptionError if there is no such kind."""
    require_known("kind of picture", kind, KINDS)
    return function_at(f"{__package__}.{KINDS[kind]['module']}:{kind}")


def options(kind: str) -> tuple[str, ...]:
    """The names of the options of a kind."""
    return tuple(one["name"] for one in KINDS[kind]["options"])


def required(kind: str) -> tuple[str, ...]:
    """The names of the options that a kind requires."""
    return tuple(one["name"] for one in KINDS[kind]["options"] if one["required"])
