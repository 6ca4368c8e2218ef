"""Arguments of the Python interface: one of the wrong kind is told by name, before anything is computed with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from numbers import Real
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, cast

import numpy as np

from ..base.arrays import describe
from ..errors import OptionError
from .trace import Trace

F = TypeVar("F", bound=Callable[..., Any])

_TRUTHS = (bool, np.bool_)
#: An annotation, as it is written, to the classes that fit it and what it is in words. Others are not looked at: Any,
#: and those whose reader says what it expected.
KINDS: dict[str, tuple[tuple[Any, ...], str]] = {
    "Trace": ((Trace,), "a trace, as lt.run and lt.load give it"),
    "Trace | str | Path | None": ((Trace, str, Path, NoneType), "a trace to write into, or a path"),
    "bool": (_TRUTHS, "true or false"),
    "bool | None": ((*_TRUTHS, NoneType), "true or false"),
    "float | None": ((Real, NoneType), "a number"),
    "str": ((str,), "text"),
    "str | None": ((str, NoneType), "text"),
    "str | Path": ((str, Path), "the path of a file"),
    "str | Mapping[str, Any]": ((str, Mapping), "a name, or a mapping as in {'kind': 'lstm', 'peephole': True}"),
    "Mapping[str, Any] | None": ((Mapping, NoneType), "a mapping, as in {'name': value}"),
    "Sequence[str] | str | None": ((str, Iterable, NoneType), "a name, or a list of names"),
}


def checked(function: F) -> F:
    """`function`, which raises OptionError for an argument that is not what its annotation says (see `KINDS`)."""
    parameters = signature(function).parameters
    known = {name: KINDS[p.annotation] for name, p in parameters.items() if p.annotation in KINDS}
    # those that may come by position: `Model.run`, which is called in loops, has none to look at
    places = [
        (k, name) for k, (name, p) in enumerate(parameters.items()) if name in known and p.kind is not p.KEYWORD_ONLY
    ]

    @wraps(function)
    def told(*values: Any, **named: Any) -> Any:
        for k, name in places:
            if k < len(values) and not isinstance(values[k], known[name][0]):
                raise _misfit(name, known[name][1], values[k])
        for name, value in named.items():
            if name in known and not isinstance(value, known[name][0]):
                raise _misfit(name, known[name][1], value)
        return function(*values, **named)

    return cast(F, told)


def _misfit(name: str, expected: str, value: Any) -> OptionError:
    return OptionError(f"{name}: expected {expected}, found {describe(value)}")
