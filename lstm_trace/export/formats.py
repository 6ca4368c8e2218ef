"""The formats that tables are written in: rows of `TABLE_FORMATS`, each with a module that has `write(job, path)`.

The help of the command line, the downloads of the service and the table in the docs are made from these. A writer is
imported when it writes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..base.packaged import packaged


@dataclass(frozen=True)
class TableFormat:
    """What the files of a suffix contain, and which options apply to them; the others are refused.

    suffix: with its dot. media: the media type. about: a description in one line, in Markdown. is_text: a spreadsheet
    opens it as text, so that it has dialects. digits: numbers may be rounded: each line to its own number of decimals
    (`lines`), all to the same number (`one`), or not at all. workbook: a sheet with formulas for each layer, instead of
    rows in one of the shapes. writer: the module that writes it.
    """

    suffix: str
    media: str
    about: str
    writer: str
    is_text: bool = False
    digits: Literal["lines", "one", ""] = ""
    workbook: bool = False


_FORMATS = [TableFormat(suffix, **facts) for suffix, facts in packaged("export/formats.toml").items()]
#: By suffix, in alphabetical order.
TABLE_FORMATS = {each.suffix: each for each in _FORMATS}
