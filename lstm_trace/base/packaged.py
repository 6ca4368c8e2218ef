"""Tables of the package, which stand in .toml files beside the modules that read them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any


@cache
def packaged(name: str) -> dict[str, Any]:
    """The table with this path in the package, such as `cell/rules.toml`."""
    import tomllib  # `lstm-trace --help` does without

    return tomllib.loads((files("lstm_trace") / name).read_text("utf-8"))
