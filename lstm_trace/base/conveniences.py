"""Methods that results get from higher rooms, such as a trace its report; no import points upwards for them.

The table `conveniences.toml` of the package has them; a result looks its method up by name when it is called, in the
same way as readers, writers and verbs are found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, TypeVar

from .packaged import packaged

#: `module:function` by the name of the convenience; `Class.format` writes a result of that class to a file.
AT: dict[str, str] = packaged("conveniences.toml")["at"]
#: The module with the readings (blocks, frame, panels, facts) of a record of a lower room, by the record's class.
READINGS: dict[str, str] = packaged("conveniences.toml")["readings"]


R = TypeVar("R")


@dataclass(frozen=True)
class Convenience(Generic[R]):
    """The function at `AT[name]`, which returns an R; its module is imported when it is called."""

    name: str

    def __call__(self, *values: Any, **options: Any) -> R:
        function: Callable[..., R] = function_at(AT[self.name])
        return function(*values, **options)


def function_at(place: str) -> Callable[..., Any]:
    """The function at `module:function`; its module is imported only now."""
    module, function = place.split(":")
    found: Callable[..., Any] = getattr(import_module(module), function)
    return found
