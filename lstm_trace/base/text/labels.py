"""Labels as texts: of steps, units, inputs; from lists, from the columns of a table, from what Python calls a date."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Number
from typing import Any

import numpy as np

from ..arrays import describe

Labels = list[str] | list[list[str]]
#: Characters of a label, and of a title, at most: a document repeats it at every step, unit or line.
LONGEST = 1_000


def to_labels(value: Any) -> Labels:
    """A list of texts, or a list of such lists. Raises ValueError that names the first place that is neither.

    >>> to_labels([["the", "cat"], ["it"]])
    [['the', 'cat'], ['it']]
    >>> to_labels(["May", 1, 2])
    Traceback (most recent call last):
    ...
    ValueError: expected text at [1], found 1; write it in quotes
    """
    if not isinstance(value, list | tuple):
        raise ValueError(f"expected a list, as in [a, b], found {describe(value)}")
    if not any(isinstance(label, list | tuple) for label in value):
        return [_text(label, (k,)) for k, label in enumerate(value)]
    rows = []
    for b, row in enumerate(value):
        if not isinstance(row, list | tuple):
            raise ValueError(f"expected a list at [{b}], as at the others, found {describe(row)}")
        rows.append([_text(label, (b, k)) for k, label in enumerate(row)])
    return rows


def _text(label: Any, place: tuple[int, ...]) -> str:
    at = f"at [{','.join(map(str, place))}]"
    if isinstance(label, str):
        if len(label) > LONGEST:
            raise ValueError(f"expected text of at most {LONGEST:,} characters {at}, found {len(label):,} characters")
        return label
    quotes = "; write it in quotes" if isinstance(label, Number | datetime.date) else ""
    raise ValueError(f"expected text {at}, found {describe(label)}{quotes}")


def written(values: Any) -> list[Any]:
    """Texts, numbers and dates as a person writes them, as texts; nested lists and arrays of them too.

    Nothing, and what is no number, is written as an empty text. Raises ValueError for anything else.

    >>> written(["a", 3, 2.50, None, np.float32(0.1), True])
    ['a', '3', '2.5', '', '0.1', 'true']
    >>> written(np.array(["2024-01-05", "2024-02-01"], "datetime64[ns]"))
    ['2024-01-05', '2024-02-01']
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # as nanoseconds they would become plain numbers
    if hasattr(values, "tolist") and getattr(values.dtype, "kind", "") != "f":  # 0.1 of float32 is 0.1
        values = values.tolist()
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"expected a list, as in [a, b], found {describe(values)}")
    values = list(values)
    if any(_is_row(value) for value in values):
        if not all(map(_is_row, values)):
            at = [_is_row(value) for value in values].index(False)
            raise ValueError(f"expected a list at [{at}], as at the others, found {describe(values[at])}")
        return [written(row) for row in values]
    moment = _moment([value for value in values if isinstance(value, datetime.datetime) and value == value])
    return [_written(value, k, moment) for k, value in enumerate(values)]


def _is_row(value: Any) -> bool:
    return isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) > 0)


def _written(value: Any, place: int, moment: str) -> str:
    if isinstance(value, str):
        return str(value)
    if value is None or (isinstance(value, float | np.floating | datetime.datetime) and value != value):
        return ""
    if isinstance(value, bool | np.bool_):
        return str(bool(value)).lower()
    if isinstance(value, datetime.datetime):
        return value.strftime(moment) if moment else value.isoformat(" ")
    if isinstance(value, float | np.floating) and math.isfinite(value):
        return str(value).removesuffix(".0")
    if isinstance(value, Number | datetime.date | datetime.time | datetime.timedelta):
        return str(value)
    raise ValueError(f"expected text, a number or a date at [{place}], found {describe(value)}")


def _moment(times: Sequence[datetime.datetime]) -> str:
    """How dates with a time are written: with no more of the time than one of them has; empty where all is needed."""
    if any(time.tzinfo is not None or time.microsecond for time in times):
        return ""
    if any(time.second for time in times):
        return "%Y-%m-%d %H:%M:%S"
    return "%Y-%m-%d %H:%M" if any(time.hour or time.minute for time in times) else "%Y-%m-%d"


def half(label: str) -> str:
    """Half of a character in a text, which no file can hold; empty where there is none."""
    try:
        label.encode()
    except UnicodeEncodeError as error:
        return error.object[error.start].encode("unicode_escape").decode()
    return ""
