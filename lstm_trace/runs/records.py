"""Replies as typed records: the return type of a function in this room is what the description of the API shows.

A `Record` is made where its values are computed; `as_json` writes it as the service sends it. Its docstring describes
it for people and programs, and `doc` each field that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, NamedTuple, Self, dataclass_transform

from pydantic import Field, WithJsonSchema

from ..base.arrays import word
from ..printable import json_text

_WORDS = ["NaN", "Infinity", "-Infinity"]
#: A number as JSON can hold it (`base.arrays.word`).
Number = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": _WORDS}]})]


def doc(text: str) -> Any:
    """The description of a field, in its annotation."""
    return Field(description=text)


class ReadRoute(NamedTuple):
    """The reply to one kind of GET request below a run or a corpus (`service/description.py`).

    path: relative path. function: of this room; its first argument is the location of the run or corpus, and it returns
    `reply` as JSON. whole: whether it reads a whole corpus, which may take longer.
    """

    path: str
    function: Callable[..., bytes]
    reply: type[Any]
    whole: bool = False


@dataclass_transform(frozen_default=True)
class Record:
    """A reply, or a part of one: its subclasses are frozen dataclasses."""

    def __init_subclass__(cls, **options: bool) -> None:
        dataclass(frozen=True, **options)(cls)

    @classmethod
    def from_attributes(cls, thing: Any, **more: Any) -> Self:
        """A record from the attributes of an object with the same names, and more; numbers as JSON can hold them."""
        names = [one.name for one in fields(cls) if one.name not in more and hasattr(thing, one.name)]  # type: ignore[arg-type]
        return cls(**{name: word(getattr(thing, name)) for name in names}, **more)


def as_json(data: Any) -> bytes:
    """A reply as JSON that is safe to print. Non-finite numbers must be words already; otherwise this raises
    ValueError.

    Args:
        data: records, and anything that JSON can hold.
    """
    return json_text(data, allow_nan=False, default=vars).encode()
