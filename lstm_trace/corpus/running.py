"""A corpus is computed part by part; what is there already is not computed again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast, get_args

from ..errors import FileError, OptionError
from ..model.model import Model
from ..model.sources import prepare
from ..trace.argument_types import checked
from . import part_file
from .computing import Way
from .inputs import opened as opened_source
from .job import Files, Job, Stored, corpus_model, digest, plan_of, recorded
from .manifest import FAILED, MANIFEST, BlockInfo, Manifest, read_manifest, write_json
from .parts import Done, by_loop
from .rows import Span, cut
from .states import States


@checked
def run(
    model: Any,
    inputs: Any,
    out: str | Path,
    *,
    record: Sequence[str] | None = None,
    layers: Sequence[int] | None = None,
    dtype: Stored | None = None,
    format: Files = "parquet",
    steps_per_part: int = 50_000,
    batch: int = 64,
    workers: int = 0,
    scheduler: str | None = None,
    fresh: bool = False,
    progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None,
    **reading: Any,
) -> States:
    """Compute the states of a model over many sequences, into a folder; what is there of the same run already is kept.

    Args:
        model: a model, or what `lstm_trace.prepare` makes one of. Every sequence begins from zero states.
        inputs: the path of the sequences, or the sequences; see `inputs.opened`.
        out: the folder of the parts; it is made.
        record: names of the lines that are stored; the states that the cell carries if None.
        layers: of which layers; all if None.
        dtype: of the stored values: float16, float32, float64; that of the model if None.
        format: `parquet`, or `safetensors` with the tokens in Parquet beside it.
        steps_per_part: about so many steps make a part, in whole sequences.
        batch: sequences that are computed at once.
        workers: processes on this machine, by Dask; 0 computes in this one.
        scheduler: the address of a Dask cluster, `tcp://…`, instead.
        fresh: remove what another run has left in the folder.
        progress: called with (steps done, steps in all).
        tell: called with a sentence on the cluster, as where its dashboard is.
        reading: how the inputs are read; see `inputs.opened`.

    Returns:
        The states. Parts that failed thrice are in `states.failed`.

    Raises:
        FileError: where the inputs cannot be read, or the folder holds the parts of another run.
        LstmTraceError: where model, inputs and options do not fit together.
    """
    prepared = corpus_model(prepare(model))
    job = laid_out(prepared, inputs, out, record, layers, dtype, format, steps_per_part, batch, reading)
    begin(job, prepared, fresh)
    todo = missing(job)
    if scheduler is not None or workers:
        from .cluster import by_cluster

        done = by_cluster(job, prepared, todo, workers, scheduler, tell)
    else:
        done = by_loop(job, prepared, todo)
    with closing(done):
        follow(job, todo, done, progress)
    return States(job.folder)


def laid_out(
    model: Model, inputs: Any, out: str | Path, record: Sequence[str] | None, layers: Sequence[int] | None,
    dtype: Stored | None, format: Files, steps_per_part: int, batch: int, reading: dict[str, Any],
) -> Job:  # fmt: skip
    """The job of `run`, whose arguments these are. Nothing is written."""
    for name, value in (("steps_per_part", steps_per_part), ("batch", batch)):
        if value < 1:
            raise OptionError(f"{name} is a whole number of at least 1; found {value}")
    for name, wanted, known in (("dtype", dtype, get_args(Stored)), ("format", format, get_args(Files))):
        if wanted is not None and wanted not in known:
            raise OptionError(f"there is no {name} {wanted!r}; expected {', '.join(known)}")
    source = opened_source(inputs, model.input_width, Path(out), **reading)
    index = source.index()
    record_of, layout = recorded(model, record, layers, source.width)
    return Job(
        Path(out).absolute(), source, source.digest(), digest(model), Way(plan_of(model), batch, record_of), layout,
        dtype or cast(Stored, model.header.dtype), format, tuple(cut(index, steps_per_part)),
    )  # fmt: skip


def begin(job: Job, model: Model, fresh: bool = False) -> None:
    """The folder with its manifest. Raises FileError where it holds another run."""
    job.folder.mkdir(parents=True, exist_ok=True)
    there = read_manifest(job.folder)
    if there is not None and there.key != job.key:
        if not fresh:
            other = [name for name, value in job.premises.items() if there.premises.get(name) != value]
            raise FileError(
                f"{job.folder} holds the states of another run, which differs in {' and '.join(other)}: give another "
                "folder, or --fresh (fresh=True), which removes those states"
            )
        clear(job.folder, there)
        there = None
    if there is None:
        write_json(job.folder / MANIFEST, manifest(job, model).model_dump())
    elif fresh:
        clear(job.folder, there, parts_only=True)


def manifest(job: Job, model: Model) -> Manifest:
    """What the folder of a job says of it."""
    header = model.header
    return Manifest(
        key=job.key, premises=job.premises, source=job.source.described(), title=header.title, cell=header.kind,
        sources=list(model.sources), imported=list(header.imported), files=job.format, dtype=job.dtype,
        blocks=[BlockInfo(**block._asdict()) for block in job.layout.blocks], parts=list(job.spans),
    )  # fmt: skip


def clear(folder: Path, there: Manifest, parts_only: bool = False) -> None:
    """Remove the files of a run, its manifest last."""
    for span in there.spans:
        for name in there.files_of(span.number):
            (folder / name).unlink(missing_ok=True)
    for name in (FAILED, *(() if parts_only else (MANIFEST,))):
        (folder / name).unlink(missing_ok=True)


def missing(job: Job) -> list[Span]:
    """The parts that are still to be computed. Raises FileError for a part of another run."""
    found = []
    for span in job.spans:
        said = part_file.said_by(job.path(span.number))
        if said is None:
            found.append(span)
        elif (said.get("key"), said.get("part")) != (job.key, span.number):
            raise FileError(f"{job.path(span.number)} is a part of another run; remove it, or use --fresh (fresh=True)")
    return found


def follow(job: Job, todo: Sequence[Span], done: Iterable[Done], progress: Callable[[int, int], None] | None) -> None:
    """Tell how far the work is, and keep a list of the parts that failed."""
    steps, total, failed = 0, sum(span.steps for span in todo), []
    for one in done:
        steps += one.span.steps
        if one.error:
            failed.append({"part": one.span.number, "error": one.error})
        if progress is not None:
            progress(steps, total)
    if failed:
        write_json(job.folder / FAILED, sorted(failed, key=lambda one: int(one["part"])))
    else:
        with suppress(FileNotFoundError):
            (job.folder / FAILED).unlink()
