"""A corpus: the states of a model over many sequences, in files that are read a unit at a time, and what they say.

`run` writes `states/part-00000.parquet`, …, each a function of its range of the input; `open` gives the `States` that
find what the units track (docs/corpus.md). Needs pyarrow; several processes or machines need Dask.
"""

from __future__ import annotations

from .running import run
from .sampled.ablate import ablate
from .states import States
from .states import opened as open

__all__ = ["States", "ablate", "open", "run"]
