"""The table of a comparison in a file: the values of both sides and their differences; in a workbook, both live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ..base.remark import Remark
from ..base.writing import Target
from ..frames.differences import DifferenceTable
from ..results.comparison import not_finite
from ..verification.compare import Comparison
from ..verification.measures import Modification, OutputDifference
from .writers import ExportJob

#: The writer of each format.
WRITERS = {"csv": "text", "parquet": "parquet", "xlsx": "excel.differences"}


@dataclass(frozen=True)
class DifferenceJob(ExportJob, DifferenceTable):
    """What a writer writes of two traces. called: the title; changed: what differs in their premises, in numbers and
    texts; output: the change that they contribute to, if it is known; not_finite: sentences on the first value of each
    side that is NaN or infinite.
    """

    called: str = ""
    changed: tuple[Modification, ...] = ()
    output: OutputDifference | None = None
    not_finite: tuple[str, ...] = ()


def write(found: Comparison, path: Target, format: str) -> None:
    """Write the table of a comparison; nothing appears under `path` unless it is complete.

    Raises OptionError if the extra that the format needs is not installed, TooLargeError if a workbook cannot hold it,
    FileError.
    """
    called = Remark("diff.title.of" if found.names else "diff.title", {"names": found.names}).said(found.words())
    more: dict[str, Any] = {}
    if format == "xlsx":
        more = {"called": called, "changed": tuple(_changed(found)), "output": found.output}
        more["not_finite"] = tuple(not_finite(found, found.words()))
    job = DifferenceJob.between(*found.sides, shape=found.shape, **more)
    import_module(f"{__package__}.{WRITERS[format]}").write(job, path)


def _changed(found: Comparison) -> Iterator[Modification]:
    """What was changed, as a comparison lists it, in numbers and texts."""
    for one in found.changes.most if found.changes is not None else ():
        a, b = (side.said(found.words()) if isinstance(side, Remark) else side for side in (one.a, one.b))
        yield one._replace(a=a, b=b)
