"""Which table of a trace is wanted, and what is refused before any of it is computed."""

from __future__ import annotations

from typing import Literal, get_args

from ..errors import OptionError, nearest
from ..trace.argument_types import misfit

Shape = Literal["long", "wide", "worked"]
SHAPES: tuple[str, ...] = get_args(Shape)
#: How the columns of the wide shape are named: `c_t[0]`, or `c_t_0` for programs that take letters and digits only.
NAMES = ("plain", "safe")


def check(
    shape: str = "long",
    with_inputs: bool = False,
    all_lines: bool = False,
    names: str = "plain",
    title: bool | str = False,
) -> None:
    """Raise OptionError for a table that there is not, or an option that has no meaning in its shape."""
    if shape not in SHAPES:
        raise OptionError(f"there is no shape {shape!r}{nearest(shape, SHAPES)}; expected {', '.join(SHAPES)}")
    if names not in NAMES:
        raise OptionError(f"there are no names {names!r}{nearest(names, NAMES)}; expected {' or '.join(NAMES)}")
    if not isinstance(title, (bool, str)):
        raise misfit("title", "true or false, or a text", title)
    if isinstance(title, str) and not title.strip():
        raise OptionError("the title is empty; expected a text that tells this table from others")
    if with_inputs and shape != "long":
        raise OptionError(f"premises (--with-inputs) have rows in the shape long only, not in {shape}")
    if shape == "wide":
        return
    if all_lines:
        raise OptionError(f"--all-lines is for the shape wide; {shape} has every line as it is: leave it out")
    if names == "safe":
        raise OptionError(f"--names safe is for the shape wide; the columns of {shape} are safe as they are")
