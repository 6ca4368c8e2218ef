"""The formats of a result, by suffix, their printers, and how much of it a document shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .blocks import Body

#: The formats of a document, by suffix.
DOCUMENTS = {".md": "md", ".markdown": "md", ".txt": "text", ".html": "html", ".htm": "html", ".tex": "tex"}
DOCUMENTS |= {".typ": "typ", ".pdf": "pdf"}
#: The formats of everything that is not a document: the facts, the rows and the picture.
VALUES = {".json": "json", ".csv": "csv", ".parquet": "parquet", ".svg": "svg", ".png": "png"}
SUFFIXES = DOCUMENTS | VALUES
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
#: Formats that are bytes.
BINARY = frozenset({"pdf", "png", "parquet"})
#: Formats of a document that hold its picture themselves.
HOLDING = frozenset({"html", "typ", "pdf"})


def rendered(bodies: Sequence[Body], format: str, language: str = "en", width: int = 80, math: str = "github") -> str:
    """Documents, one after the other, in a format that needs no page of HTML round it: `md`, `text`, `tex` or `typ`.

    language: of Typst's own words. width: columns of text. math: how Markdown marks formulas (`markdown.MATH`).
    """
    printers = {"md": ("markdown", math), "text": ("terminal", width), "tex": ("latex",), "typ": ("typst", language)}
    printer, *given = printers[format]
    text: str = import_module(f"{__package__}.{printer}").render(bodies, *given)
    return text


@dataclass(frozen=True)
class Show:
    """How much of a result a document shows, and where it is printed.

    format: of the document. digits: significant digits of a number in a table. rows: of a long table. file: what the
    document calls the file of its picture, beside it; empty where there is none. captions: whether text and LaTeX,
    which have no picture, have what it says.
    """

    format: str = "md"
    digits: int = 6
    rows: int = 40
    file: str = ""
    captions: bool = True

    @property
    def brief(self) -> bool:
        """Whether only what matters most is shown, as in a notebook."""
        return self.rows < Show.rows

    @property
    def pictured(self) -> bool:
        """Whether the document has room for a picture."""
        return self.format in HOLDING or bool(self.file)
