"""What results offer of the rooms above them: a trace its report, a comparison its frame. No import runs up for it.

The package's face fills `AT`; a result looks its method up by name when it is called, as readers,
writers and verbs are.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: `module:function` by the name of the convenience.
AT: dict[str, str] = {}
#: The module that has the readings (blocks, frame, panels, facts) of a record of a lower room, by the record's class.
READINGS: dict[str, str] = {}


def call(name: str, *values: Any, **options: Any) -> Any:
    """Call the function at `AT[name]`, whose module is imported only now."""
    module, function = AT[name].split(":")
    return getattr(import_module(module), function)(*values, **options)
