"""A problem as it is written in a file, and a quick way to read one that needs no message.

The fields are defined here, once; `schema` makes the pydantic model of them, which writes the JSON Schema and has the
last word on every value. But to import pydantic and to build that model takes a third of the time of `report q22.yaml`
(90 of 290 ms), so `faultless` first takes the values that need neither a conversion nor a message. It need not know
every form: it gives up at the first one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from ...base.arrays import LONGEST, to_array, to_arrays, to_labels, to_truths
from ...cell.notations import NotationName

if TYPE_CHECKING:
    from .schema import (
        ArithmeticName,
        CellSpec,
        CountFrom,
        Digits,
        Held,
        Labels,
        LayoutSpec,
        Length,
        Mask,
        Numbers,
        ShortText,
        States,
    )

#: The axes that may have labels: those of the input, the states, the output, and the steps.
LabelAxis = Literal["x", "h", "y", "t"]
#: The most decimals with which numbers are shown: those that a float64 can have.
MOST_DIGITS = 17
#: Other names of a field: those of the lines.
ALIASES = {"x_t": "x", "h_prev": "h0", "c_prev": "c0"}
#: What is wrong with such a key within another one.
MISPLACED = "is a key of the problem: it begins at the margin, without blanks before it"


@dataclass(frozen=True)
class Problem:
    """An exercise, as written by hand."""

    title: ShortText = ""
    notes: str = ""
    cell: str | CellSpec | None = None
    weights: dict[str, Numbers] = field(default_factory=dict)
    layout: str | LayoutSpec | None = None
    x: Numbers | None = None
    h0: States | None = None
    c0: States | None = None
    initial: dict[str, States] = field(default_factory=dict)
    given: dict[str, Numbers] = field(default_factory=dict)
    hold: dict[str, Held] = field(default_factory=dict)
    lengths: list[Length] | None = None
    mask: Mask | None = None
    batch_first: bool = False
    dtype: Literal["float16", "float32", "float64"] = "float64"
    arithmetic: ArithmeticName | None = None
    extra: str = ""
    ask: list[ShortText] = field(default_factory=list)
    names: Labels = field(default_factory=dict)
    symbols: dict[str, ShortText] = field(default_factory=dict)
    count_from: CountFrom = 0
    digits: Digits | None = None
    language: ShortText | None = None
    notation: NotationName | None = None

    def written(self) -> dict[str, Any]:
        """The fields with a value that is not their default."""
        usual = Problem()
        found = {name: value for name, value in vars(self).items() if value is not getattr(usual, name)}
        return {name: value for name, value in found.items() if not isinstance(value, dict | list) or value}


def faultless(data: Mapping[Any, Any]) -> Problem | None:
    """The problem in `data`; None if a value needs a message, a conversion, or another look.

    >>> faultless({"weights": {"W_xi": [[1, 2]]}, "x_t": [1, 2], "count_from": 1}).count_from
    1
    >>> faultless({"title": 3}), faultless({"x": [1], "x_t": [1]}), faultless({"wieghts": {}})
    (None, None, None)
    """
    found: dict[str, Any] = {}
    for key, value in data.items():
        name = ALIASES.get(key, key) if type(key) is str else ""
        take = _TAKES.get(_KINDS.get(name, ""))
        if take is None or name in found:
            return None
        try:
            found[name] = take(value)
        except (_OtherwiseError, ValueError, TypeError):
            return None
    return Problem(**found)


class _OtherwiseError(Exception):
    """A value that is left to pydantic."""


def _require(fits: bool) -> None:
    if not fits:
        raise _OtherwiseError


def _text(value: Any, longest: int | None = None) -> str:
    text: str = value
    _require(type(text) is str and (longest is None or len(text) <= longest))
    text.encode()  # UnicodeEncodeError, a ValueError, for a lone surrogate
    return text


def _short(value: Any) -> str:
    return _text(value, LONGEST)


def _texts(value: Any) -> list[str]:
    _require(type(value) is list)
    return [_short(text) for text in value]


def _lengths(value: Any) -> list[int]:
    _require(type(value) is list and {*map(type, value)} <= {int})
    return list(value)


def _by_name(take: Callable[[Any], Any]) -> Callable[[Any], dict[str, Any]]:
    """Reads a mapping from texts to values that `take` reads."""

    def taken(value: Any) -> dict[str, Any]:
        _require(type(value) is dict)
        return {_text(key): take(one) for key, one in value.items()}

    return taken


def _one_of(*known: Any) -> Callable[[Any], Any]:
    def taken(value: Any) -> Any:
        _require(any(type(value) is type(one) and value == one for one in known))
        return value

    return taken


def _cell(value: Any) -> Any:
    """A name, or options that are plain values."""
    if type(value) is str:
        return _text(value)
    found = _by_name(lambda one: one)(value)
    for name, one in found.items():
        if name in ("kind", "equations"):
            _text(one)
        _require(type(one) in (str, bool, int, float) and name != "reverse")
    return found


def _labels(value: Any) -> Any:
    _require(type(value) is dict and set(value) <= {*get_args(LabelAxis)})
    return by_axis({axis: to_labels(labels) for axis, labels in value.items()})


def by_axis(names: dict[str, Any]) -> dict[str, Any]:
    """Labels by axis; only those of the steps may be a list per sequence."""
    for key, labels in names.items():
        if key != "t" and any(isinstance(label, list) for label in labels):
            raise ValueError(f"{key} has a list for each row of the batch, which only t may have; write one list")
    return names


#: How a value is taken, by the type of its field as it is written above; other types are left to pydantic.
_TAKES: dict[str, Callable[[Any], Any]] = {
    "ShortText": _short,
    "str": _text,
    "str | CellSpec | None": _cell,
    "str | LayoutSpec | None": _text,
    "NotationName | None": _one_of(*get_args(NotationName)),
    "dict[str, Numbers]": _by_name(to_array),
    "Numbers | None": to_array,
    "States | None": to_arrays,
    "dict[str, States]": _by_name(to_arrays),
    "list[Length] | None": _lengths,
    "Mask | None": to_truths,
    "bool": _one_of(True, False),
    'Literal["float16", "float32", "float64"]': _one_of("float16", "float32", "float64"),
    "list[ShortText]": _texts,
    "Labels": _labels,
    "dict[str, ShortText]": _by_name(_short),
    "CountFrom": _one_of(0, 1),
    "Digits | None": _one_of(*range(MOST_DIGITS + 1)),
    "ShortText | None": _short,
}
_KINDS = {one.name: str(one.type) for one in fields(Problem)}
