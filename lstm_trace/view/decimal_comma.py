"""The decimal comma in the numbers of equations, which no trace value stands behind; the others come with theirs."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

from ..formulas.numbers import Shown
from ..formulas.tree import Call, number


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
