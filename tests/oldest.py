"""The oldest versions that pyproject.toml names, of what we need and of the extra `test`, as requirements for pip."""

from __future__ import annotations

import tomllib
from pathlib import Path


def oldest(text: str) -> list[str]:
    """Each requirement of a pyproject.toml with its lower bound as the only version."""
    project = tomllib.loads(text)["project"]
    return [one.replace(">=", "==") for one in (*project["dependencies"], *project["optional-dependencies"]["test"])]


if __name__ == "__main__":
    print(*oldest((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")), sep="\n")
