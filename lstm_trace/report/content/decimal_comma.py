"""The decimal comma in the numbers of equations, which no trace value stands behind; the others come with theirs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from ...formulas.blocks import Block
from ...formulas.numbers import Shown
from ...formulas.tree import Call, number

if TYPE_CHECKING:
    from .view import View

Part = Callable[["View"], Iterator[Block]]


def in_style(part: Part) -> Part:
    """A part of a report whose every number has the decimal mark of the report."""

    @wraps(part)
    def marked(shown: View) -> Iterator[Block]:
        yield from map(with_comma, part(shown)) if shown.values.style.comma else part(shown)

    return marked


def with_comma(part: Any) -> Any:
    """A block or tree with decimal commas in place of points."""
    if isinstance(part, Shown):
        return part._replace(digits=part.digits.replace(".", ","))
    if isinstance(part, tuple):
        return tuple(map(with_comma, part))
    if isinstance(part, Call):
        return Call(part.op, with_comma((*part.args, *map(number, part.constants))))
    if is_dataclass(part) and not isinstance(part, type):
        return replace(part, **{f.name: with_comma(getattr(part, f.name)) for f in fields(part)})
    return part
