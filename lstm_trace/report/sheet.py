"""Several worked solutions in one document: a sheet of problems."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..trace.trace import Trace
from .report import pdf, report


@dataclass(frozen=True)
class Sheet:
    """Traces whose worked solutions stand in one document.

    title: of the document; by default what it is, in the language of the report. sources: what a message calls each
    trace, the files they come from; by default the titles of the problems.
    """

    traces: Sequence[Trace]
    title: str | None = None
    sources: Sequence[str] = ()

    def report(self, format: str = "md", **options: Any) -> str:
        """The worked solutions, one after the other, each with its title as its heading.

        Args:
            format: `md`, `text`, `html`, `tex` or `typ`.
            options: those of `trace.report`, the same for all. With `fragment=True` no title of a document stands above
                them, unless there is one of its own.

        Raises:
            OptionError: for a format or option that there is not.
            MissingError: for a selection that one of the traces does not have.
        """
        return report(self.traces, format, self.sources, title=self.title, **options)

    def pdf(self, **options: Any) -> bytes:
        """The worked solutions as a PDF; needs the extra `[pdf]`.

        Args:
            options: those of `report`.

        Raises:
            OptionError: for an option that there is not, or without the extra.
            MissingError: for a selection that one of the traces does not have.
        """
        return pdf(self.traces, self.sources, title=self.title, **options)
