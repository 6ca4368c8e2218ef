"""Example problems that ship with the package."""

from __future__ import annotations

from importlib.resources import files

from ..base.packaged import asset
from ..errors import MissingError, require_known


def examples() -> dict[str, str]:
    """Name and title of each example: the exercises first, then the others by name."""
    found = {}
    for entry in sorted(files(__name__).iterdir(), key=lambda e: (not e.name.startswith("q"), e.name)):
        if entry.name.endswith(".yaml"):
            title = entry.read_text(encoding="utf-8").splitlines()[0].removeprefix("title:").strip()
            found[entry.name.removesuffix(".yaml")] = title
    return found


def text(name: str) -> str:
    """The problem file of an example. Raises MissingError with the nearest name."""
    known = examples()
    require_known("example", name, known, kind=MissingError)
    return asset(f"examples/{name}.yaml")
