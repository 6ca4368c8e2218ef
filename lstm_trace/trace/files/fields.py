"""The types of the fields of our files: numbers, states, masks and labels, as pydantic reads and writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from ...base.arrays import LONGEST, WORDS, describe, to_array, to_arrays, to_labels, to_list, to_truths
from ...cell.arithmetic import KNOWN, named
from ...errors import OptionError

_NUMBER = {"anyOf": [{"type": "number"}, {"enum": list(WORDS)}]}


def _nested(depth: int) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [_NUMBER]
    for _ in range(depth):
        forms.append({"type": "array", "items": forms[-1]})
    return {"anyOf": forms[1:] if depth > 2 else forms}


def to_length(value: Any) -> Any:
    """A length as it stands in a problem: pydantic would read true and "1" as 1."""
    if isinstance(value, bool | str):
        raise ValueError(f"expected a whole number, found {describe(value)}")
    return value


Numbers = Annotated[
    Any,
    BeforeValidator(to_array),
    PlainSerializer(to_list, return_type=Any),
    WithJsonSchema(_nested(3)),
]
#: Initial states: layers that differ in width have an array each.
States = Annotated[
    Any,
    BeforeValidator(to_arrays),
    PlainSerializer(
        lambda states: [to_list(a) for a in states] if isinstance(states, list) else to_list(states), return_type=Any
    ),
    WithJsonSchema(_nested(3)),
]
Weight = Annotated[
    Any,
    BeforeValidator(to_array),
    PlainSerializer(to_list, return_type=Any),
    WithJsonSchema(_nested(2)),
]
_TRUTH = {"anyOf": [{"type": "boolean"}, {"enum": [0, 1]}]}
Mask = Annotated[
    Any,
    BeforeValidator(to_truths),
    PlainSerializer(lambda mask: mask.astype(int).tolist(), return_type=Any),
    WithJsonSchema({"type": "array", "items": {"anyOf": [_TRUTH, {"type": "array", "items": _TRUTH}]}}),
]
Length = Annotated[int, BeforeValidator(to_length)]
ByScope = dict[str, dict[str, Weight]]


def to_held(value: Any) -> Any:
    """What a line is held at as it stands in a problem: a text (`*0.5`, the path of a trace), or numbers."""
    if isinstance(value, str | bool | Mapping) or value is None:
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f"expected a number, '*0.5' for a multiple, or an array; found {describe(value)}")
        return value
    array = to_array(value)
    return float(array) if not array.ndim else array


Held = Annotated[
    Any,
    BeforeValidator(to_held),
    PlainSerializer(lambda value: value if isinstance(value, str | float) else to_list(value), return_type=Any),
    WithJsonSchema({"anyOf": [{"type": "string"}, *_nested(3)["anyOf"]]}),
]
CountFrom = Annotated[
    Literal[0, 1],
    BeforeValidator(to_length),
    Field(description="from which number reports count steps, units and layers; addresses count from 0"),
]


_TEXTS: dict[str, Any] = {"type": "array", "items": {"type": "string", "maxLength": LONGEST}}


def by_axis(names: dict[str, Any]) -> dict[str, Any]:
    """Labels of which those of the steps alone may be a list for each row."""
    for key, labels in names.items():
        if key != "t" and any(isinstance(label, list) for label in labels):
            raise ValueError(f"{key} has a list for each row of the batch, which only t may have; write one list")
    return names


def short(text: str) -> str:
    """The text. Raises ValueError for one that is too long; pydantic's own bound refuses half characters (U+D800)."""
    if len(text) > LONGEST:
        raise ValueError(f"expected text of at most {LONGEST:,} characters, found {len(text):,} characters")
    return text


ShortText = Annotated[str, AfterValidator(short), Field(json_schema_extra={"maxLength": LONGEST})]
#: The labels of an axis: of the steps (`t`) a list for each row, where rows differ.
AxisLabels = Annotated[
    Any,
    BeforeValidator(to_labels),
    WithJsonSchema({"anyOf": [_TEXTS, {"type": "array", "items": _TEXTS}]}),
]


def to_arithmetic(name: str) -> str:
    """The name of an arithmetic, which there is."""
    try:
        return named(name) or name
    except OptionError as error:  # pydantic tells the place of a ValueError
        raise ValueError(str(error)) from None


ArithmeticName = Annotated[
    str,
    AfterValidator(to_arithmetic),
    Field(description=f"in which the problem is computed, other than float64: {KNOWN}"),
]
