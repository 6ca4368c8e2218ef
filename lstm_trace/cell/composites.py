"""Composite functions: names for expressions in the operations of `ops`, as text in the grammar of `parse`.

A call is expanded into lines when it is parsed; nothing else in the package knows these functions. To add one, add a
row to `composites.toml`. A cell can define its own in the same way: `mish(z) = z * tanh(softplus(z))` among its
equations.
"""

from __future__ import annotations

import keyword
import math
import re
import unicodedata
from typing import NamedTuple

from ..base.packaged import packaged
from .lines import Function
from .ops import FUNCTIONS

_HEAD = re.compile(r"\s*(\w+)\s*\(([^()]*)\)\s*=(?!=)")


class Head(NamedTuple):
    """The left side of a definition, and where its right side begins."""

    name: str
    arguments: list[str]
    start: int


def head(row: str) -> Head | None:
    """The left side of a row that is a definition; None for any other row."""
    found = _HEAD.match(row)
    if found is None:
        return None
    body = row[found.end() :]
    name, inside = (unicodedata.normalize("NFKC", text) for text in found.groups())  # as Python reads names
    return Head(name, [part.strip() for part in inside.split(",")], found.end() + len(body) - len(body.lstrip()))


def function(said: Head, body: str) -> Function:
    """The function given by a definition. Raises ValueError that says what is wrong with its left side."""
    names: list[str] = []
    defaults: list[float] = []
    if not is_name(said.name):
        known = f"{said.name} is an operation" if said.name in FUNCTIONS else f"{said.name} cannot be a name"
        raise ValueError(f"{known}; give the function another name")
    for argument in said.arguments:
        name, mark, default = (part.strip() for part in argument.partition("="))
        if not is_name(name) or name in names or name.endswith("_prev"):
            raise ValueError(f"expected different names as arguments of {said.name}; found {name!r}")
        if not mark and defaults:
            raise ValueError(f"the argument {name} of {said.name} needs a default value, as those before it have")
        if mark:
            try:
                value = float(default)
            except ValueError:
                value = math.nan
            if not math.isfinite(value):
                raise ValueError(f"the default value of {name} must be a number; found {default!r}")
            defaults.append(value or 0.0)
        names.append(name)
    return Function(said.name, tuple(names), tuple(defaults), body)


def is_name(text: str) -> bool:
    """Whether an equation may assign, or a definition may define, this name."""
    return text.isidentifier() and not keyword.iskeyword(text) and text not in FUNCTIONS


_TABLE: dict[str, str] = packaged("cell/composites.toml")
_ROWS = [(said, text[said.start :], printed) for text, printed in _TABLE.items() if (said := head(text))]
#: The functions of the table by name, and the printed names of some.
BUILT_IN: dict[str, Function] = {said.name: function(said, body) for said, body, _ in _ROWS}
PRINTED: dict[str, str] = {said.name: printed for said, _, printed in _ROWS if printed}


class Functions(dict[str, Function]):
    """The functions that a cell defines, and those of the table that it calls, by name.

    operations, names: the number of operations that their calls expand into, and the total length of new lines' names.
    """

    operations = names = 0

    def find(self, name: str) -> Function | None:
        """The function with this name; a function of the table belongs to the cell from then on."""
        if name not in self and name in BUILT_IN:
            self[name] = BUILT_IN[name]
        return self.get(name)
