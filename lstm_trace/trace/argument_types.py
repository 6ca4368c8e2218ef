"""Argument checks of the Python interface: a value of the wrong type is reported by name before it is used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import wraps
from inspect import isfunction, signature
from numbers import Integral, Real
from pathlib import Path
from types import NoneType
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np

from ..base.arrays import describe
from ..base.option import name_list
from ..errors import OptionError, nearest

F = TypeVar("F", bound=Callable[..., Any])


@runtime_checkable
class Writable(Protocol):
    """A stream, as far as it can be told from a path."""

    def write(self, content: Any, /) -> Any:
        """Take some text or bytes."""


@runtime_checkable
class Readable(Protocol):
    """A stream, as far as it can be told from a path."""

    def read(self) -> Any:
        """All of its text or bytes."""


_TRUTHS = (bool, np.bool_)
#: Kinds of bytes.
BYTES = (bytes, bytearray, memoryview)
_NAMES = "a name, or a list of names"
#: An annotation, as it is written, to the accepted classes and a description. Other annotations are not checked: Any,
#: and those whose reader reports what it expected, such as functions called for every line. `trace.trace` adds Trace.
KINDS: dict[str, tuple[tuple[Any, ...], str]] = {
    "Array": ((np.ndarray,), "an array"),
    "bool": (_TRUTHS, "true or false"),
    "bool | str": ((*_TRUTHS, str), "true or false, or a text"),
    "float": ((Real,), "a number"),
    "int": ((Integral,), "a whole number"),
    "int | str | None": ((Integral, str, NoneType), "a whole number or a name"),
    "str": ((str,), "text"),
    "Of": ((str,), "text"),
    "str | Path": ((str, Path), "the path of a file"),
    "str | Path | IO[Any]": ((str, Path, Writable), "the path of a file, or a stream that is open for writing"),
    "str | Path | IO[Any] | bytes": ((str, Path, Readable, *BYTES), "the path of a file, an open stream, or bytes"),
    "str | Mapping[str, Any]": ((str, Mapping), "a name, or a mapping as in {'kind': 'lstm', 'peephole': True}"),
    "Mapping[str, Any]": ((Mapping,), "a mapping, as in {'name': value}"),
    "Mapping[str, Any] | str | Path": ((Mapping, str, Path), "arrays by name, or the path of a file"),
    "Sequence[str] | str | None": ((str, Iterable, NoneType), _NAMES),
    "Sequence[float]": ((Iterable,), "a list of numbers"),
    **dict.fromkeys(
        ("Mapping[str, Any] | None", "Mapping[str, int] | None", "Mapping[str, Iterable[str]] | None"),
        ((Mapping, NoneType), "a mapping, as in {'name': value}"),
    ),
    **dict.fromkeys(
        ("Callable[[Model], None] | None", "Progress | None", "Check | None"), ((Callable, NoneType), "a function")
    ),
}
#: Words: names of which each is a text, listed for type checkers.
WORDS = (
    "CellName", "Dialect", "Direction", "FileFormat", "Format", "How", "Language", "NameStyle", "NotationName", "Shape",
    "Split",
)  # fmt: skip
KINDS |= dict.fromkeys(WORDS, KINDS["str"])
KINDS["CellName | Mapping[str, Any]"] = KINDS["str | Mapping[str, Any]"]
_OPTIONAL = (
    "bool", "float", "int", "str", "str | Path", "str | Path | IO[Any]", *WORDS, "CellName | Mapping[str, Any]",
)  # fmt: skip
KINDS |= {f"{name} | None": ((*KINDS[name][0], NoneType), KINDS[name][1]) for name in _OPTIONAL}


def listed(argument: str, value: Iterable[str] | str) -> tuple[str, ...]:
    """The names in a list, or in a text with commas, as a tuple. Raises OptionError if a value is not a name."""
    found = name_list(value) if isinstance(value, str) else tuple(value)
    for one in found:
        if not isinstance(one, str):
            raise misfit(argument, _NAMES, one)
    return found


def stood_for(value: Any, kinds: Any) -> Any:
    """The trace that a value has, such as what `lift` found, where one of these kinds is expected; else the value.

    What has a trace stands for it, wherever a trace is expected.
    """
    found = getattr(value, "trace", None)
    return value if found is None or not isinstance(found, kinds) else found


def checked(target: F) -> F:
    """Make a function, or the public methods of a class, raise OptionError for arguments that do not fit.

    That is, for a value that does not match its annotation (see `KINDS`), and for an unknown argument name.
    """
    if isinstance(target, type):
        for name, method in list(vars(target).items()):
            if isfunction(method) and (name[0] != "_" or name in ("__init__", "__getitem__", "__call__")):
                setattr(target, name, checked(method))
        return target
    parameters = signature(target).parameters
    # an annotation may carry its command-line option (`base.option`)
    types = {n: str(p.annotation).removeprefix("Annotated[").partition(", Option(")[0] for n, p in parameters.items()}
    known = {
        name: KINDS.get(types[name])
        for name, p in parameters.items()
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    if not any(known.values()):
        return target
    # positional parameters up to the last one that is checked; `Model.run`, called in loops, has none
    positional = [name for name in known if parameters[name].kind is not parameters[name].KEYWORD_ONLY]
    while positional and known[positional[-1]] is None:
        positional.pop()
    kinds = [object if (kind := known[name]) is None else kind[0] for name in positional]
    rest = next((str(p.annotation) for p in parameters.values() if p.kind is p.VAR_KEYWORD), "")

    def fitted(name: str, value: Any) -> Any:
        kind = known.get(name)
        if kind is None or isinstance(value, kind[0]):
            return value
        if (trace := stood_for(value, kind[0])) is value:
            raise misfit(name, kind[1], value)
        return trace

    @wraps(target)
    def told(*values: Any, **named: Any) -> Any:
        if kinds and not all(map(isinstance, values, kinds)):
            values = (*map(fitted, positional, values), *values[len(positional) :])
        for name, value in named.items():
            named[name] = fitted(name, value)
            if name not in known and (there := _passed(target, rest)) is not None and name not in there:
                there = [*(other for other in known if other != "self"), *there]
                raise OptionError(f"there is no argument {name!r}{nearest(name, there, 'there are')}")
        return target(*values, **named)

    return cast(F, told)


def _passed(target: Callable[..., Any], rest: str) -> Collection[str] | None:
    """The names in `**options: Unpack[…]`; None for other `**options`, whose reader knows their names."""
    if not rest.startswith("Unpack["):
        return None if rest else ()
    typed = vars(sys.modules[target.__module__]).get(rest[len("Unpack[") : -1])
    return getattr(typed, "__annotations__", None)


def misfit(name: str, expected: str, value: Any) -> OptionError:
    """The error for an argument of an unexpected type or value."""
    return OptionError(f"{name}: expected {expected}, found {describe(value)}")
