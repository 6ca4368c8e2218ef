"""The formats that tables are written in, one file each: a file in this folder is all that a format needs.

Such a module has `FORMATS`, one for each suffix, and `write(job, path)`. The help of the command line, the downloads of
the service and the table of the docs are made from these. Nothing heavy is imported for that: a module here imports
what its `write` needs inside of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ..writers import ExportJob


@dataclass(frozen=True)
class TableFormat:
    """What the files of a suffix are, and which options have a meaning there; the others are refused.

    suffix: with its dot. media: the media type. about: a description in one line, in Markdown. is_text: a spreadsheet
    opens it as text, so that it has dialects. digits: numbers may be rounded: each line to its own number of decimals
    (`lines`), all to one (`one`), or not at all. workbook: a sheet for each layer with formulas, instead of rows in one
    of the shapes. write: writes a table to a path.
    """

    suffix: str
    media: str
    about: str
    is_text: bool = False
    digits: Literal["lines", "one", ""] = ""
    workbook: bool = False
    write: Callable[[ExportJob, str | Path], None] | None = None


def _registered() -> dict[str, TableFormat]:
    modules: list[Any] = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    formats = [replace(each, write=module.write) for module in modules for each in module.FORMATS]
    return {each.suffix: each for each in sorted(formats, key=lambda each: each.suffix)}


#: By suffix, in the order of the alphabet.
TABLE_FORMATS = _registered()


def formats_table() -> str:
    """The formats as a Markdown table, a row for each suffix."""
    rows = "\n".join(f"| `{each.suffix}` | {each.about} |" for each in TABLE_FORMATS.values())
    return f"| suffix | what is written |\n|---|---|\n{rows}\n"
