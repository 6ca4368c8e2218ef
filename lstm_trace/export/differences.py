"""The table of a comparison in a file: the values of both sides and their differences."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from ..frames.differences import DifferenceTable
from ..verification.compare import Comparison
from .writers import ExportJob

#: The writer of each format.
WRITERS = {"csv": "text", "parquet": "parquet"}


@dataclass(frozen=True)
class DifferenceJob(ExportJob, DifferenceTable):
    """What a writer writes of two traces."""


def write(found: Comparison, path: str | Path, format: str) -> None:
    """Write the table of a comparison; nothing appears under `path` unless it is complete.

    Raises OptionError if the extra that the format needs is not installed, FileError.
    """
    job = DifferenceJob.between(*found.sides, shape=found.shape)
    import_module(f"{__package__}.{WRITERS[format]}").write(job, path)
