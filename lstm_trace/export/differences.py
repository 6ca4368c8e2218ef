"""The table of a comparison in a file: the values of both sides and their differences; in a workbook, both live."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ..base.remark import Remark
from ..frames.differences import DifferenceTable
from ..languages.strings import words
from ..trace.trace import Trace
from ..trace.window import arrays
from ..verification.compare import Comparison
from ..verification.rederive import coarse, differing
from .writers import ExportJob

#: The writer of each format.
WRITERS = {"csv": "text", "parquet": "parquet", "xlsx": "excel.differences"}
#: So many changes of each array are listed in a workbook.
LISTED = 20
#: What was changed: the address, the value in a and in b, and the share of the difference that it explains, if known.
Changed = tuple[str, float, float, float | None]


@dataclass(frozen=True)
class DifferenceJob(ExportJob, DifferenceTable):
    """What a writer writes of two traces. called: the title; changed: what differs in their premises."""

    called: str = ""
    changed: tuple[Changed, ...] = ()


def write(found: Comparison, path: str | Path, format: str) -> None:
    """Write the table of a comparison; nothing appears under `path` unless it is complete.

    Raises OptionError if the extra that the format needs is not installed, TooLargeError if a workbook cannot hold it,
    FileError.
    """
    called = Remark("diff.title.of" if found.names else "diff.title", {"names": found.names}).said(words())
    more: dict[str, Any] = {"called": called, "changed": tuple(_changed(*found.sides))} if format == "xlsx" else {}
    job = DifferenceJob.between(*found.sides, shape=found.shape, **more)
    import_module(f"{__package__}.{WRITERS[format]}").write(job, path)


def _changed(a: Trace, b: Trace) -> Iterator[Changed]:
    """The weights, inputs, initial states and supplied lines that differ."""
    pairs = {"x": (a.x, b.x)}
    for part, scope, name, values in arrays(a, "parameters", "initial", "given"):
        pairs[f"{scope}/{name}"] = values, getattr(b, part).get(scope, {}).get(name)
    for place, (one, two) in pairs.items():
        if one is not None and two is not None and one.shape == two.shape:
            for at in map(tuple, np.argwhere(differing(one, two, coarse(a, b)))[:LISTED].tolist()):
                yield f"{place}[{','.join(map(str, at))}]", float(one[at]), float(two[at]), None
