"""A part is computed and written; all of them one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import LstmTraceError
from ..model.model import Model
from . import part_file
from .computing import states
from .job import Job
from .rows import Span

#: How often a part is tried.
TRIES = 3


class Done(NamedTuple):
    """A part that was computed, or could not be. error: why, in words."""

    span: Span
    seconds: float
    error: str = ""


def run_part(job: Job, model: Model, span: Span) -> Done:
    """Compute one part and write it. It is the same for the same job, wherever and however often it is computed."""
    began = time.monotonic()
    rows = job.source.read(span)
    part_file.write(job, span, rows, states(model, rows, job.way))
    return Done(span, time.monotonic() - began)


def by_loop(job: Job, model: Model, todo: Iterable[Span]) -> Iterator[Done]:
    """The parts one after the other, in this process."""
    for span in todo:
        for tried in range(1, TRIES + 1):
            try:
                yield run_part(job, model, span)
                break
            except (LstmTraceError, OSError, ValueError) as error:
                if tried == TRIES:
                    yield Done(span, 0.0, str(error))
