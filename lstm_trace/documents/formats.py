"""The formats of a result, by suffix, their printers, how much of it a document shows, and a report as an object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from .blocks import Body

#: The formats of a text, and all formats of a file, for type checkers.
Format = Literal["md", "text", "html", "tex", "typ"]
FileFormat = Literal["md", "text", "html", "tex", "typ", "pdf", "json", "csv", "parquet", "svg", "png"]
#: The formats of a document, by suffix.
DOCUMENTS = {".md": "md", ".markdown": "md", ".txt": "text", ".html": "html", ".htm": "html", ".tex": "tex"}
DOCUMENTS |= {".typ": "typ", ".pdf": "pdf"}
#: The formats other than documents: the facts, the rows and the picture.
VALUES = {".json": "json", ".csv": "csv", ".parquet": "parquet", ".svg": "svg", ".png": "png"}
SUFFIXES = DOCUMENTS | VALUES
#: Those of a result without a picture.
UNPICTURED = {suffix: name for suffix, name in SUFFIXES.items() if suffix not in (".svg", ".png")}
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
#: Binary formats.
BINARY = frozenset({"pdf", "png", "parquet"})
#: Maximum number of rows of a table in a notebook.
BRIEF = 12
#: Document formats that embed their picture.
HOLDING = frozenset({"html", "typ", "pdf"})
#: The printer module of each text format.
PRINTERS = {"md": "markdown", "text": "terminal", "tex": "latex", "typ": "typst"}


def rendered(bodies: Sequence[Body], format: str, language: str = "en", width: int = 80, math: str = "github") -> str:
    """Documents, one after the other, in a format that needs no surrounding HTML page: `md`, `text`, `tex` or `typ`.

    language: for Typst's own words. width: of text, in columns. math: how formulas are marked in Markdown
    (`markdown.MATH`).
    """
    given = {"md": (math,), "text": (width,), "typ": (language,)}.get(format, ())
    return str(import_module(f"{__package__}.{PRINTERS[format]}").render(bodies, *given))


@dataclass(frozen=True)
class Show:
    """How much of a result a document shows, and where it is printed.

    format: of the document. digits: significant digits of a number in a table. rows: maximum number in a long table.
    file: name of the picture's file in the document; empty if there is none. captions: whether text and LaTeX, which
    have no picture, include its caption.
    """

    format: str = "md"
    digits: int = 6
    rows: int = 40
    file: str = ""
    captions: bool = True

    @property
    def brief(self) -> bool:
        """Whether only the most important parts are shown, as in a notebook."""
        return self.rows < Show.rows

    @property
    def pictured(self) -> bool:
        """Whether the document has room for a picture."""
        return self.format in HOLDING or bool(self.file)


class Report(str):
    """A worked solution as text; a notebook displays it rendered, whatever its format.

    It is a `str`, for `print`, files and everything except `repr`, which is short. Jupyter requests a rendering that it
    can
    display: a part of an HTML page, Markdown with formulas in dollars (if a notebook is converted to LaTeX), or plain
    text. They are made on request.
    """

    _render: Callable[[str], str]

    def __new__(cls, text: str, render: Callable[[str], str]) -> Report:
        """The text, and a function that renders the same report as `html`, `markdown` and `plain`."""
        made = super().__new__(cls, text)
        made._render = render
        return made

    def __repr__(self) -> str:
        lines = self.count("\n") + 1
        return f"<Report of {lines:,} lines; print(…) shows it>"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # stored and copied as the text, without the trace behind it

    def _repr_html_(self) -> str:
        return self._render("html")

    def _repr_markdown_(self) -> str:
        return self._render("markdown")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._render("plain"))  # IPython in a terminal, and text/plain in a notebook
