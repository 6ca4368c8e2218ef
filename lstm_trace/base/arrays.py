"""From nested lists to arrays of numbers, or to labels, and back; errors name the position of the first fault."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Number
from typing import Any, TypeVar

import numpy as np

from .mistyped import MINUS, NUMBER, number_meant

K = TypeVar("K")
V = TypeVar("V")
Array = Any  # np.ndarray of any float dtype; numpy's own generics say nothing about shapes either
#: JSON has no NaN and no infinities; files write them as these words.
WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_LARGEST = 1.7976931348623157e308
_DEEPEST = 64  # levels of nesting; none of our arrays has more than four


def to_array(value: Any) -> Array:
    """Nested lists of numbers as an array; NaN and infinities may be written as words. Arrays are returned unchanged.

    Integers become float64; floats keep their type (lists of numpy's float32 stay float32).

    Raises ValueError that names the first position that is ragged or not a number; for an array, its dtype.

    >>> to_array([[1, 2], [3, "NaN"]])
    array([[ 1.,  2.],
           [ 3., nan]])
    >>> to_array([[1, 2], [3]])
    Traceback (most recent call last):
    ...
    ValueError: the list is ragged: row 1 has 1 number where row 0 has 2
    """
    if hasattr(value, "__array__"):
        if hasattr(value, "mask") and np.ma.is_masked(value):  # numpy.ma takes 10 ms to import
            raise ValueError("some entries are masked, and a run has no missing values: fill them, or leave them out")
        array = np.asarray(value)
        if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16":  # complex ones would lose a part
            raise ValueError(f"expected numbers, found the dtype {array.dtype}")
        return array
    try:
        array = np.asarray(value)
    except (ValueError, OverflowError):
        raise ValueError(fault(value) or "cannot be read as numbers") from None
    if array.dtype.kind in "iuf" and not _truths(value):
        return array if array.dtype.kind == "f" else array.astype(np.float64)
    problem = fault(value)
    if problem:
        raise ValueError(problem)
    words = np.asarray(value, dtype=object)
    read = np.vectorize(lambda v: _number(v) if isinstance(v, str) else v, otypes=[np.float64])
    return read(words) if words.size else np.zeros(words.shape)


def _number(text: str) -> float | None:
    """The number that a text stands for: a word, or a number with the minus sign of a word processor."""
    typed = text.translate(MINUS) if len(text) < 100 else text
    return float(typed) if typed != text and re.fullmatch(NUMBER, typed) else WORDS.get(text)


def read_only(array: Array) -> Array:
    """A view that stays read-only: it is one of a buffer, since `setflags` of a view of an array would unlock it.

    >>> read_only(np.ones(2)).setflags(write=True)
    Traceback (most recent call last):
    ...
    ValueError: cannot set WRITEABLE flag to True of this array
    """
    return np.asarray(memoryview(array).toreadonly())


def to_arrays(value: Any) -> Any:
    """As `to_array`; parts that differ in size, such as the states of layers, become a list of arrays.

    >>> to_arrays([[1.0, 2.0], [3.0]])
    [array([1., 2.]), array([3.])]
    """
    try:
        return to_array(value)
    except ValueError:
        if not isinstance(value, list | tuple):
            raise
        try:
            parts = [to_array(part) for part in value]
        except ValueError:
            parts = []
        if not parts or not parts[0].ndim or len({part.ndim for part in parts}) > 1:
            raise
        return parts


def to_truths(value: Any) -> Array:
    """Nested lists or an array of true and false, or of 1 and 0, as a boolean array.

    Raises ValueError that names the first position that is neither, or ragged.

    >>> to_truths([[True, False], [1, 0]])
    array([[ True, False],
           [ True, False]])
    >>> to_truths([[1, 2]])
    Traceback (most recent call last):
    ...
    ValueError: expected 1 (or true) or 0 (or false) at [0,1], found 2
    """
    array = to_array(value if hasattr(value, "__array__") else _whole(value))
    if array.dtype.kind not in "biuf":
        raise ValueError(f"expected 1 and 0, or true and false; found the dtype {array.dtype}")
    wrong = np.argwhere((array != 0) & (array != 1))
    if len(wrong):
        raise ValueError(f"expected 1 (or true) or 0 (or false){_at(wrong[0])}, found {array[tuple(wrong[0])]:g}")
    return np.array(array, bool)


def _whole(value: Any, depth: int = 0) -> Any:
    """Nested lists with true and false replaced by 1 and 0."""
    if isinstance(value, list | tuple) and depth <= _DEEPEST:
        return [_whole(v, depth + 1) for v in value]
    return int(value) if isinstance(value, bool | np.bool_) else value


def cast(values: Array, dtype: Any) -> Array:
    """A copy with the given dtype. Raises ValueError with the first finite number that the dtype cannot represent.

    >>> cast(np.array([1.0, 1e300]), "float32")
    Traceback (most recent call last):
    ...
    ValueError: the number 1e+300 at [1] is too large for float32 (3.4e+38 at most); float64 holds it
    """
    with np.errstate(over="ignore"):
        array = np.array(values, dtype)
    if array.dtype.itemsize < values.dtype.itemsize:
        lost = np.argwhere(np.isinf(array) & np.isfinite(values))
        if len(lost):
            more = f" (and {len(lost) - 1} more)" if len(lost) > 1 else ""
            raise ValueError(
                f"the number {values[tuple(lost[0])]:g}{_at(lost[0])}{more} is too large for {array.dtype} "
                f"({np.finfo(array.dtype).max:.2g} at most); {values.dtype} holds it"
            )
    return array


def _truths(value: Any) -> bool:
    """Whether a list contains true or false, which numpy would read as 1 or 0."""
    if not isinstance(value, list | tuple):
        return isinstance(value, bool)
    kinds = set(map(type, value))
    return bool in kinds or (bool(kinds & {list, tuple}) and any(map(_truths, value)))


def _at(place: Iterable[int]) -> str:
    """A position in an array, for messages; empty for a single value."""
    return f" at [{','.join(map(str, place))}]" if (place := tuple(place)) else ""


def fault(value: Any, place: tuple[int, ...] = ()) -> str:
    """Why nested lists are not an array of numbers, and where; empty if they are one."""
    here = _at(place)
    if isinstance(value, str):
        said = f"expected a number{here}, found {describe(value)}{number_meant(value)}"
        found = _number(value)
        large = found is not None and math.isinf(found) and value not in WORDS
        return said if found is None else f"the number{here} is too large for a float" * large
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return f"expected a number{here}, found {describe(value)}"
    if isinstance(value, int | float):
        return f"the number{here} is too large for a float" if _LARGEST < abs(value) < math.inf else ""
    if len(place) >= _DEEPEST:
        return f"more than {_DEEPEST} lists inside each other"
    if problem := next((problem for at, v in enumerate(value) if (problem := fault(v, (*place, at)))), ""):
        return problem
    lengths = [len(v) if isinstance(v, list | tuple) else None for v in value]
    for at, length in enumerate(lengths):
        if length != lengths[0]:
            said = f"the list is ragged: {_row((*place, at), length)} where {_row((*place, 0), lengths[0], short=True)}"
            longer = value[at if (length or 0) > (lengths[0] or 0) else 0]
            comma = isinstance(longer, list) and {int, float} <= {*map(type, longer)}
            return said + "; is one written with a decimal comma?" * comma
    return ""


def _row(place: tuple[int, ...], length: int | None, short: bool = False) -> str:
    row = f"row {place[0]}" if len(place) == 1 else f"[{','.join(map(str, place))}]"
    if length is None:
        return f"{row} is a single value"
    return f"{row} has {length}" + ("" if short else " number" + "s" * (length != 1))


def describe(value: Any) -> str:
    """An unexpected value, in words.

    >>> describe(None), describe({"a": 1}), describe([1, 2]), describe("two"), describe(True)
    ('nothing', 'a mapping', 'a list', "the text 'two'", 'true')
    >>> describe(10**5000)
    'a whole number of some 5,001 digits'
    """
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"the text {value if len(value) <= 40 else value[:37] + '…'!r}"
    if isinstance(value, int) and abs(value) >= 10**40:  # Python refuses to write more than 4,300 digits
        return f"a whole number of some {int(value.bit_length() * math.log10(2)) + 1:,} digits"
    kinds = {dict: "a mapping", list: "a list", tuple: "a list"}
    if said := next((word for kind, word in kinds.items() if isinstance(value, kind)), ""):
        return said
    said = repr(value)
    return said if len(said) <= 200 and "\n" not in said else f"a value of the type {type(value).__name__}"


def word(value: Any) -> Any:
    """A value as JSON can hold it: NaN and infinities as words, anything else unchanged.

    >>> word(float("-inf")), word(0.5), word("text")
    ('-Infinity', 0.5, 'text')
    """
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def as_plain(value: Any, text: Callable[[str], str] = str) -> Any:
    """A value as JSON can hold it, including nested mappings and lists. text: converts keys and texts.

    >>> as_plain({"a": (np.float32(0.5), np.array([1.0, np.nan]))})
    {'a': [0.5, [1.0, 'NaN']]}
    """
    if isinstance(value, Mapping):
        return {text(str(key)): as_plain(part, text) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [as_plain(part, text) for part in value]
    if isinstance(value, np.ndarray):
        return to_list(value)
    if isinstance(value, str):
        return text(value)
    return word(value.item() if isinstance(value, np.generic) else value)


def to_list(array: Array) -> Any:
    """Nested lists of Python floats (float32 as the equal decimal), with NaN and infinities as words."""
    values = array.tolist()
    return values if np.isfinite(array).all() else _words(values)


def _words(values: Any) -> Any:
    return [_words(value) for value in values] if isinstance(values, list) else word(values)


Labels = list[str] | list[list[str]]
#: Maximum length of a label and of a title: a document repeats it at every step, unit or line.
LONGEST = 1_000


def to_labels(value: Any) -> Labels:
    """A list of texts, or a list of such lists. Raises ValueError that names the first position that is neither.

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
    if not isinstance(label, str):
        quotes = "; write it in quotes" if isinstance(label, Number | datetime.date) else ""
        raise ValueError(f"expected text{_at(place)}, found {describe(label)}{quotes}")
    if len(label) > LONGEST:
        found = f"at most {LONGEST:,} characters{_at(place)}, found {len(label):,} characters"
        raise ValueError(f"expected text of {found}")
    return label


def as_texts(values: Any) -> list[Any]:
    """Texts, numbers and dates, as a person would write them; also in nested lists and arrays.

    None and NaN become empty texts. Raises ValueError for anything else.

    >>> as_texts(["a", 3, 2.50, None, np.float32(0.1), True])
    ['a', '3', '2.5', '', '0.1', 'true']
    >>> as_texts(np.array(["2024-01-05", "2024-02-01"], "datetime64[ns]"))
    ['2024-01-05', '2024-02-01']
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        values = values.astype("datetime64[us]")  # nanoseconds would become plain numbers
    if hasattr(values, "tolist") and getattr(values.dtype, "kind", "") != "f":  # float32 0.1 must stay 0.1
        values = values.tolist()
    if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
        raise ValueError(f"expected a list, as in [a, b], found {describe(values)}")
    values = list(values)
    if any(_is_row(value) for value in values):
        if not all(map(_is_row, values)):
            at = [_is_row(value) for value in values].index(False)
            raise ValueError(f"expected a list at [{at}], as at the others, found {describe(values[at])}")
        return [as_texts(row) for row in values]
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
    """The format for dates with a time: as much of the time as any of them needs; empty if all of it is needed."""
    if any(time.tzinfo is not None or time.microsecond for time in times):
        return ""
    if any(time.second for time in times):
        return "%Y-%m-%d %H:%M:%S"
    return "%Y-%m-%d %H:%M" if any(time.hour or time.minute for time in times) else "%Y-%m-%d"


def half(label: str) -> str:
    """The first lone surrogate in a text, which no file can hold; empty if there is none."""
    try:
        label.encode()
    except UnicodeEncodeError as error:
        return error.object[error.start].encode("unicode_escape").decode()
    return ""


def runs(numbers: Any) -> list[range]:
    """Ascending integers as ranges without gaps.

    >>> runs([0, 1, 2, 5, 7, 8]), runs([])
    ([range(0, 3), range(5, 6), range(7, 9)], [])
    """
    found = np.asarray(numbers, np.int64)
    gaps = np.flatnonzero(np.diff(found) != 1)
    ends = zip(found[[0, *gaps + 1]].tolist(), found[[*gaps, -1]].tolist(), strict=True) if found.size else ()
    return [range(first, last + 1) for first, last in ends]


def by_key(pairs: Iterable[tuple[K, V]]) -> dict[K, list[V]]:
    """The values of each key, both in the order in which they come.

    >>> by_key([("i_t", 0), ("f_t", 1), ("i_t", 2)])
    {'i_t': [0, 2], 'f_t': [1]}
    """
    found: dict[K, list[V]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found
