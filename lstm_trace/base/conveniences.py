"""Methods that results get from higher rooms, such as a trace its report; no import points upwards for them.

The table `conveniences.toml` of the package has them; a result looks its method up by name when it is called, in the
same way as readers, writers and verbs are found.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .packaged import packaged

#: `module:function` by the name of the convenience; `Class.format` writes a result of that class to a file.
AT: dict[str, str] = packaged("conveniences.toml")["at"]
#: The module with the readings (blocks, frame, panels, facts) of a record of a lower room, by the record's class.
READINGS: dict[str, str] = packaged("conveniences.toml")["readings"]


def call(name: str, *values: Any, **options: Any) -> Any:
    """Call the function at `AT[name]`; its module is imported only now."""
    module, function = AT[name].split(":")
    return getattr(import_module(module), function)(*values, **options)
