"""Optional dependencies: what a missing one is needed for, and the command that installs it where we run."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

#: Every package of the extras of users, as pyproject.toml asks for it.
REQUIREMENTS = {
    "torch": "torch>=2.6",
    "keras": "keras>=3.5",
    "onnx": "onnx>=1.21",
    "pyarrow": "pyarrow>=15",
    "dask": "dask[distributed]>=2024.8",
    "scikit-learn": "scikit-learn>=1.4",
    "xarray": "xarray>=2024.2",
    "XlsxWriter": "XlsxWriter>=3.1",
    "typst": "typst>=0.14",
    "llvmlite": "llvmlite>=0.45",
    "duckdb": "duckdb>=1.0",
    "fastapi": "fastapi>=0.115",
    "uvicorn": "uvicorn>=0.30",
    "SQLAlchemy": "SQLAlchemy>=2.0.30",
    "psycopg": "psycopg[binary]>=3.2.1",
}


#: Who reads the messages: whoever installs packages here, or somebody elsewhere, whom a server answers.
_audience = {"elsewhere": False}


def speak_to_others() -> None:
    """Let messages say what somebody elsewhere can do, and nothing of this machine: this process works for a server."""
    _audience["elsewhere"] = True


def missing(what: str, package: str, instead: str = "", others: Sequence[str] = ()) -> str:
    """The message that `what` needs a package which is not installed. instead: what to do without it. others: as it.

    The command names the package rather than an extra of ours, since that works from any folder and whatever index
    has us; and this very Python, since another one's pip would install for another one.
    """
    way = f", or {instead}" if instead else ""
    packages = [package, *others]
    named = f"the package {package}, which is"
    if others:
        named = f"the packages {', '.join(others)} and {package}, which are"
    if _audience["elsewhere"]:
        return f"{what} needs {named} not installed on this server: ask whoever runs it to install that{way}"
    return f"{what} needs {named} not installed: {_install([REQUIREMENTS[name] for name in packages])}{way}"


def _install(requirements: Iterable[str]) -> str:
    wanted = " ".join(f"'{requirement}'" for requirement in requirements)
    python = "python" if os.environ.get("VIRTUAL_ENV") == sys.prefix else sys.executable or "python"
    if Path(python).is_relative_to(Path.cwd()):
        python = os.path.relpath(python)
    python = shlex.quote(python)
    if find_spec("pip") is None:  # environments that uv made have none
        return f"uv pip install --python {python} {wanted}"
    return f"{python} -m pip install {wanted}"
