"""The kinds of pictures. A kind is one function in this folder, and its signature is the only place of its options.

`picture` marks such a function: from a trace (`weights`: from whatever has parameters) and options, each with one of
the annotations below, to a `Figure`. Everything else follows from it: the method of `trace.plot`, the options of
`lstm-trace plot`, the controls of the page and the tables of `docs/plot.md`. What they need to know without importing
pictures, and numpy with them, is kept in `kinds.json`, which `make golden` writes; the order of the kinds is the one in
that file, and a new kind comes last.

A kind describes its own options in its docstring; those that several have are described here, and added to it.

Args:
    unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
    lines: names of lines (gates and states; unit: and candidates; text: the output).
    layer: layer, from 0 (all).
    direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
    batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
    steps: steps: A:B, A: or :B (B excluded), or one (all).
    language: language of the words in the picture (en).
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from inspect import formatannotation, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from ...base.option import Option, Parameter, documented, parameters
from ...errors import OptionError, nearest

if TYPE_CHECKING:
    from ...trace.trace import Trace
    from ..figure import Figure

F = TypeVar("F", bound=Callable[..., Any])
#: The file with the kinds in order: module, summary and options of each.
TABLE = Path(__file__).with_name("kinds.json")
KINDS: dict[str, dict[str, Any]] = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
#: The kind that is drawn if none is named.
USUAL = "unit"


@dataclass(frozen=True)
class PictureOption(Option):
    """What an annotation says of an option of pictures, beyond what any command needs to know.

    Attributes:
        control: how it is written on the command line and chosen on a page.
        choices: the values that a page offers, and all that there are for the control `choice`.
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
Language = Annotated[str, PictureOption("language")]
#: What an option means that several kinds have.
SHARED = documented(sys.modules[__name__])[1]


def picture(function: F) -> F:
    """Mark a function as a kind of picture: check its arguments, and describe them in its docstring."""
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
    """The options of a function, in order, as `kinds.json` has them."""
    return [
        {"name": one.name, "help": (one.help or SHARED.get(one.name, "")).rstrip("."), "control": option.control,
         "choices": list(option.choices), "required": one.required, "default": one.default}
        for one, option in _options(function)
    ]  # fmt: skip


def _options(function: Callable[..., Any]) -> list[tuple[Parameter, PictureOption]]:
    every = parameters(function).values()
    return [(one, one.option) for one in every if isinstance(one.option, PictureOption)]


def maker(kind: str) -> Callable[..., Figure]:
    """The function that makes pictures of a kind. Raises OptionError where there is no such kind."""
    if kind not in KINDS:
        raise OptionError(f"there is no kind of picture {kind!r}{nearest(kind, KINDS, 'there are')}")
    made: Callable[..., Figure] = getattr(import_module(f".{KINDS[kind]['module']}", __package__), kind)
    return made


def options(kind: str) -> tuple[str, ...]:
    """The names of the options of a kind."""
    return tuple(one["name"] for one in KINDS[kind]["options"])


def required(kind: str) -> tuple[str, ...]:
    """The names of the options that a kind cannot do without."""
    return tuple(one["name"] for one in KINDS[kind]["options"] if one["required"])
