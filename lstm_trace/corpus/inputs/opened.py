"""The source that a path is of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..rows import Source
from .tables import StepTable


def opened(inputs: Any, width: int | None, folder: Path, **reading: Any) -> Source:
    """The source of sequences that `inputs` are.

    inputs: a path, or sequences, which are written into `folder`. width: I, where the model says it.
    """
    return StepTable(Path(inputs).absolute())
