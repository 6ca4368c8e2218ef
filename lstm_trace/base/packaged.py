"""Files of the package that are no modules: its tables stand in .toml files beside the modules that read them."""

from __future__ import annotations

import pkgutil  # importlib.resources takes 7 ms more to import in Python 3.11
from functools import cache
from typing import Any, cast


@cache
def packaged(name: str) -> dict[str, Any]:
    """The table with this path in the package, such as `cell/rules.toml`."""
    import tomllib  # `lstm-trace --help` does without

    return tomllib.loads(asset(name))


def asset(name: str) -> str:
    """The text of the file with this path in the package, such as the style sheet `plot/plot.css`."""
    return cast(bytes, pkgutil.get_data("lstm_trace", name)).decode("utf-8")
