"""A part is computed and written; all of them one after the other."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable
from typing import NamedTuple

from ..errors import FileError, LstmTraceError
from ..model.model import Model
from . import part_file
from .computing import states
from .job import Job
from .rows import Span

#: How often a part is tried.
TRIES = 3


class HaltError(LstmTraceError):
    """What lets no part succeed, so that the run ends: a folder that cannot be written, a worker that does not fit."""


class Done(NamedTuple):
    """A part that was computed, or could not be. error: why, in words."""

    span: Span
    seconds: float
    error: str = ""


def run_part(job: Job, model: Model, span: Span) -> Done:
    """Compute one part and write it. It is the same for the same job, wherever and however often it is computed.

    Raises HaltError where it cannot be written.
    """
    began = time.monotonic()
    rows = job.source.read(span)
    found = states(model, rows, job.way)
    try:
        part_file.write(job, span, rows, found)
    except (FileError, OSError) as error:
        raise HaltError(f"{error}; parts that are done are kept, run it again for the others") from None
    return Done(span, time.monotonic() - began)


def by_loop(job: Job, model: Model, todo: Iterable[Span]) -> Generator[Done]:
    """The parts one after the other, in this process."""
    for span in todo:
        for tried in range(1, TRIES + 1):
            try:
                yield run_part(job, model, span)
                break
            except HaltError:
                raise
            except (LstmTraceError, OSError, ValueError) as error:
                if tried == TRIES:
                    yield Done(span, 0.0, str(error))
