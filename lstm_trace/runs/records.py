"""Replies as typed records: what a function of this room returns is what the description of the API says it returns.

A record is a frozen dataclass, made where its values are computed; `as_json` writes it as the service sends it. Its
docstring describes it for people and for programs: the section `Attributes:` has a line for each field that needs one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from inspect import cleandoc
from typing import Annotated, Any, NamedTuple

from pydantic import GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from ..printable import json_text

_WORDS = ["NaN", "Infinity", "-Infinity"]
#: A number as JSON can hold it (`base.arrays.word`).
Number = Annotated[Any, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "enum": _WORDS}]})]


class View(NamedTuple):
    """What a service answers to one GET below a run or a corpus (`service/views.py`).

    path: below it. function: of this room, whose first argument is where the run or corpus is, and which returns
    `reply` as JSON. whole: whether it reads a whole corpus, which may take longer.
    """

    path: str
    function: Callable[..., bytes]
    reply: type[Any]
    whole: bool = False


class Described:
    """A dataclass or pydantic model whose JSON Schema has the descriptions of its docstring."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The schema that pydantic makes, with the summary of the class and a description of each attribute."""
        schema = handler(core)
        own = handler.resolve_ref_schema(schema)
        own["description"] = cleandoc(cls.__doc__ or "").partition("\n\nAttributes:")[0]
        for base in reversed(cls.__mro__):
            said = cleandoc(base.__doc__ or "").partition("\nAttributes:\n")[2]
            for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", said, re.M):
                if name in own["properties"]:
                    own["properties"][name]["description"] = " ".join(text.split()).removesuffix(".")
        return schema


def as_json(data: Any) -> bytes:
    """A reply as JSON, fit to be printed. What is not finite has become a word before, or this raises ValueError.

    Args:
        data: records, and what JSON can hold.
    """
    return json_text(data, allow_nan=False, default=vars).encode()
