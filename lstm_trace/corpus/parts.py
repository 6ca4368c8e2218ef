"""A part is computed and written; all of them one after the other."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import NamedTuple

from ..errors import FileError, LstmTraceError
from ..model.model import Model
from . import part_file
from .job import Job, states
from .part_file import States
from .rows import Rows, Span

#: How often a part is tried after errors that may pass: of the system, which readers of files turn into FileError.
TRIES, PASSING = 3, (OSError, FileError)


class HaltError(LstmTraceError):
    """What lets no part succeed, so that the run ends: a folder that cannot be written, a worker that does not fit."""


class Done(NamedTuple):
    """A part that was computed, or could not be. error: why, in words."""

    span: Span
    error: str = ""


def run_part(job: Job, model: Model, span: Span) -> Done:
    """Compute one part and write it. It is the same for the same job, wherever and however often it is computed.

    Raises HaltError where it cannot be written, and what may pass when it is tried again: see `PASSING`.
    """
    try:
        return _write(job, span, *_compute(job, model, span))
    except (HaltError, *PASSING):
        raise
    except Exception as error:
        return Done(span, in_words(error))


def in_words(error: BaseException) -> str:
    """An error as a message; with its kind where it is none of ours."""
    return str(error) if isinstance(error, LstmTraceError) else f"{type(error).__name__}: {error}".rstrip(": ")


def _compute(job: Job, model: Model, span: Span) -> tuple[Rows, States]:
    rows = job.source.read(span)
    return rows, states(model, rows, job.way)


def _write(job: Job, span: Span, rows: Rows, found: States) -> Done:
    try:
        part_file.write(job, span, rows, found)
    except (FileError, OSError) as error:
        raise HaltError(f"{error}; parts that are done are kept, run it again for the others") from None
    except Exception as error:
        return Done(span, in_words(error))
    return Done(span)


def by_loop(job: Job, model: Model, todo: Iterable[Span]) -> Generator[Done]:
    """The parts one after the other, in this process; a second thread writes one while the next is computed.

    Writing takes about as long as computing, and neither holds the interpreter: with two threads the whole job takes
    0.7 of the time, and the memory of one more part.
    """
    with ThreadPoolExecutor(1, "lstm-trace writer") as writer:
        behind: Future[Done] | None = None
        for span in todo:
            try:
                found = _tried(job, model, span)
            except Exception as error:  # whatever it is, the other parts may do
                yield Done(span, in_words(error))
                continue
            if behind is not None:
                yield behind.result()
            behind = writer.submit(_write, job, span, *found)
        if behind is not None:
            yield behind.result()


def _tried(job: Job, model: Model, span: Span) -> tuple[Rows, States]:
    for _ in range(1, TRIES):
        with suppress(*PASSING):
            return _compute(job, model, span)
    return _compute(job, model, span)
