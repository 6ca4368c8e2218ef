"""Optional dependencies: what a missing one is needed for, and the command that installs it in this environment."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from .packaged import packaged

#: Every package in the extras for users, with the versions required in pyproject.toml.
REQUIREMENTS = {re.split(r"[\[>]", one)[0]: one for one in packaged("base/extras.toml")["requirements"]}
#: The packages that are always installed.
NEEDED = ("numpy", "pydantic", "click", "pandas", "PyYAML", "rich", "safetensors", "threadpoolctl")


def versions(packages: Iterable[str]) -> str:
    """The versions of those packages that are installed; nothing is imported.

    >>> versions(["click", "no such package"]).startswith("click 8")
    True
    """
    from importlib.metadata import PackageNotFoundError, version  # 10 ms

    found = []
    for package in packages:
        with suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    return ", ".join(found)


#: Who reads the messages: someone who installs packages here, or the client of a server.
_audience = {"elsewhere": False}


def speak_to_others() -> None:
    """Make messages suitable for clients of a server: without instructions for, or facts about, this machine."""
    _audience["elsewhere"] = True


def missing(what: str, package: str, instead: str = "", others: Sequence[str] = ()) -> str:
    """The message that `what` needs a package that is not installed. instead: an alternative. others: further packages.

    The command names the package rather than our extra, since that works in any folder and with any index; and it names
    this Python, since another one's pip would install into another environment.
    """
    way = f", or {instead}" if instead else ""
    packages = [package, *others]
    several = f"the packages {', '.join(others)} and {package}, which are"
    named = several if others else f"the package {package}, which is"
    if _audience["elsewhere"]:
        return f"{what} needs {named} not installed on this server: ask whoever runs it to install that{way}"
    return f"{what} needs {named} not installed: {_install([REQUIREMENTS[name] for name in packages])}{way}"


def _install(requirements: Iterable[str]) -> str:
    wanted = " ".join(f"'{requirement}'" for requirement in requirements)
    python = "python" if os.environ.get("VIRTUAL_ENV") == sys.prefix else sys.executable or "python"
    if Path(python).is_relative_to(Path.cwd()):
        python = os.path.relpath(python)
    python = shlex.quote(python)
    if find_spec("pip") is None:  # environments made by uv have no pip
        return f"uv pip install --python {python} {wanted}"
    return f"{python} -m pip install {wanted}"
