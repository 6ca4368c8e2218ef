"""A report as an object: text everywhere, and in a notebook what that text describes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Report(str):
    """A worked solution as text; a notebook shows it rendered, whatever its format is.

    It is a `str`, for `print`, files and everything but `repr`, which is short. Jupyter asks for the rendering that it
    can show: a part of an HTML page, Markdown with dollars round the formulas (where a notebook becomes LaTeX), or
    plain text. None of them is made before.
    """

    _render: Callable[[str], str]

    def __new__(cls, text: str, render: Callable[[str], str]) -> Report:
        """The text, and what makes `html`, `markdown` and `plain` of the same report."""
        made = super().__new__(cls, text)
        made._render = render
        return made

    def __repr__(self) -> str:
        lines = self.count("\n") + 1
        return f"<Report of {lines:,} lines; print(…) shows it>"

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)  # stored and copied as the text; the trace behind it is not

    def _repr_html_(self) -> str:
        return self._render("html")

    def _repr_markdown_(self) -> str:
        return self._render("markdown")

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(self._render("plain"))  # IPython in a terminal, and text/plain in a notebook
