"""Replies as typed records: what a function of this room returns is what the description of the API says it returns.

A `Record` is made where its values are computed; `as_json` writes it as the service sends it. Its docstring describes
it for people and for programs: the section `Attributes:` has a line for each field that needs one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, NamedTuple, Self, dataclass_transform

from pydantic import GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..base.arrays import word
from ..base.option import documented
from ..printable import json_text

_WORDS = ["NaN", "Infinity", "-Infinity"]
#: A number as JSON can hold it (`base.arrays.word`).
Number = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": _WORDS}]})]


class ReadRoute(NamedTuple):
    """What a service answers to one GET below a run or a corpus (`service/views.py`).

    path: below it. function: of this room, whose first argument is where the run or corpus is, and which returns
    `reply` as JSON. whole: whether it reads a whole corpus, which may take longer.
    """

    path: str
    function: Callable[..., bytes]
    reply: type[Any]
    whole: bool = False


class DescribedSchema:
    """A dataclass or pydantic model whose JSON Schema has the descriptions of its docstring."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema that pydantic makes, with the summary of the class and a description of each attribute."""
        schema = handler(core)
        own = handler.resolve_ref_schema(schema)
        own["description"] = documented(cls)[0]
        for base in reversed(cls.__mro__):
            for name, text in documented(base)[1].items():
                if name in own["properties"]:
                    own["properties"][name]["description"] = text.removesuffix(".")
        return schema


@dataclass_transform(frozen_default=True)
class Record(DescribedSchema):
    """A reply, or a part of one: its subclasses are frozen dataclasses."""

    def __init_subclass__(cls) -> None:
        dataclass(frozen=True)(cls)

    @classmethod
    def from_attributes(cls, thing: Any, **more: Any) -> Self:
        """A record with what a thing has that is called as a field of it, and more; numbers as JSON can hold them."""
        names = [one.name for one in fields(cls) if one.name not in more and hasattr(thing, one.name)]  # type: ignore[arg-type]
        return cls(**{name: word(getattr(thing, name)) for name in names}, **more)


def as_json(data: Any) -> bytes:
    """A reply as JSON, fit to be printed. What is not finite has become a word before, or this raises ValueError.

    Args:
        data: records, and what JSON can hold.
    """
    return json_text(data, allow_nan=False, default=vars).encode()
