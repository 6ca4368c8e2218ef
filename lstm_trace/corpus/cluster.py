"""The parts of a corpus on the workers of a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..model.model import Model
from .job import Job
from .parts import Done
from .rows import Span


def by_cluster(job: Job, model: Model, todo: Sequence[Span], workers: int, scheduler: str | None) -> Iterator[Done]:
    """The parts as workers finish them. workers: of a cluster on this machine; scheduler: its address."""
    raise NotImplementedError
