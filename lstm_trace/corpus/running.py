"""A corpus is computed part by part; existing parts are not computed again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Unpack, cast, get_args

from ..base.packaged import packaged
from ..base.writing import alone, sweep_folder
from ..errors import FileError, OptionError, reason, some
from ..languages.strings import words
from ..model.model import Model
from ..model.sources import prepare
from ..printable import message
from ..trace.argument_types import checked
from . import part_file
from .inputs import SequenceReading, opened
from .job import CorpusJob, Files, Stored, Way, corpus_model, key_of, others, plan_of, premises_of, recorded, versions
from .manifest import BESIDE, FAILED, MANIFEST, Manifest, failed_lists, meant, read_manifest, write_beside, write_json
from .part_file import Done, by_loop
from .rows import SequenceIndex, Span, cut, parts_in
from .states import States

Tell = Callable[[str], None]

#: Patterns of the names of files that `inputs.opened` writes into the folder.
IMPORTS = ("_inputs-*", "_embedding-*", "_vocabulary-*")


@checked
def run(
    model: Any, inputs: Any, out: str | Path, *, record: Sequence[str] | None = None,
    layers: Sequence[int] | None = None, dtype: Stored | None = None, format: Files = "parquet",
    steps_per_part: int = 50_000, batch: int = 64, workers: int = 0, scheduler: str | None = None,
    share: tuple[int, int] | None = None, fresh: bool = False, progress: Callable[[int, int], None] | None = None,
    tell: Callable[[str], None] | None = None, **reading: Unpack[SequenceReading],
) -> States:  # fmt: skip
    """Compute the states of a model over many sequences, into a folder; parts that the same run left there are kept.

    Args:
        model: a model, or anything that `lstm_trace.prepare` turns into one. Every sequence begins from zero states.
        inputs: the path of the sequences, or the sequences; see `inputs.opened`.
        out: the folder of the parts; it is created.
        record: names of the lines that are stored; the states that the cell carries if None.
        layers: the layers whose lines are stored; all if None.
        dtype: of the stored values: float16, float32, float64; that of the model if None.
        format: `parquet`, or `safetensors` with the tokens in a separate Parquet file.
        steps_per_part: the approximate number of steps in a part, in whole sequences.
        batch: how many sequences are computed at once.
        workers: processes on this machine, using Dask; 0 computes in this process.
        scheduler: the address of a Dask cluster, `tcp://…`, instead.
        share: (k, n): only every n-th part, from the k-th on, while other processes compute the other shares.
        fresh: remove what another run has left in the folder.
        progress: called with (steps done, steps in all).
        tell: called with a sentence: the address of the cluster's dashboard, or that other versions computed the parts.
        reading: how the inputs are read: `id`, `x` and `ids`, the columns of the sequences, of their inputs and of
            the numbers of their tokens; `vocabulary`, `embedding`, `unknown`, which turn tokens into inputs;
            `sequences` and `tokens`, into which a text is divided. See `inputs.opened`.

    Returns:
        The states. Parts that could not be computed are in `states.failed`.

    Raises:
        FileError: if the inputs cannot be read, or the folder holds the parts of another run.
        LstmTraceError: if the model, the inputs and the options do not fit together.
    """
    if workers < 0 or (workers and scheduler is not None):
        raise OptionError("workers are processes on this machine, 0 or more; a cluster at an address has its own")
    if share is not None and not (1 <= share[0] <= share[1] and not fresh):
        raise OptionError(f"share is (k, n) with 1 <= k <= n, without fresh; found {share}")
    for name, value in (("steps_per_part", steps_per_part), ("batch", batch)):
        if value < 1:
            raise OptionError(f"{name} is a whole number of at least 1; found {value}")
    for name, wanted, known in (("dtype", dtype, get_args(Stored)), ("format", format, get_args(Files))):
        if wanted is not None and wanted not in known:
            raise OptionError(f"there is no {name} {wanted!r}; expected {', '.join(known)}")
    prepared, folder = corpus_model(prepare(model)), Path(out).absolute()
    failed = folder / FAILED.format("" if share is None else f"-{share[0]}")
    k, n = share or (1, 1)
    with _folder(folder, shared=share is not None):
        _apart(Path(out), (inputs, *(reading.get(name) for name in ("vocabulary", "embedding")), *prepared.sources))
        with _imports_undone(folder):
            job, index = laid_out(prepared, inputs, out, record, layers, dtype, format, steps_per_part, batch, reading)
            begin(job, prepared, index, fresh, tell)
        for path in [failed] if share else failed_lists(folder):
            path.unlink(missing_ok=True)
        todo = missing(job, [span for span in job.manifest.parts if span.number % n == k - 1], tell)
        if scheduler is not None or workers:
            from .cluster import by_cluster

            done = by_cluster(job, prepared, todo, workers, scheduler, tell)
        else:
            done = by_loop(job, prepared, todo)
        with closing(done):
            follow(failed, todo, done, progress)
    return States(folder)


def laid_out(
    model: Model, inputs: Any, out: str | Path, record: Sequence[str] | None, layers: Sequence[int] | None,
    dtype: Stored | None, format: Files, steps_per_part: int, batch: int, reading: SequenceReading,
) -> tuple[CorpusJob, SequenceIndex]:  # fmt: skip
    """The job of `run`, whose arguments these are, and the sequences. Only inputs that are not Parquet are written."""
    source = opened(inputs, model, Path(out), **reading)
    index = source.index()
    record_of, layout = recorded(model, record, layers, source.width)
    layout.check_apart(source.targets())
    way, spans, header = Way(plan_of(model), batch, record_of), cut(index, steps_per_part), model.header
    dtype = dtype or cast(Stored, header.dtype)
    premises = premises_of(model, source.digest(), way, layout, dtype, format, spans)
    said = {
        "key": key_of(premises), "premises": premises, "source": source.described(), "title": header.title,
        "cell": header.kind, "sources": [*model.sources], "imported": [*header.imported], "files": format,
        "dtype": dtype, "blocks": [*layout.blocks], "parts": spans, "versions": versions(way.plan),
    }  # fmt: skip
    return CorpusJob(Path(out).absolute(), source, way, Manifest.model_validate(said)), index


def _apart(folder: Path, read: Iterable[Any]) -> None:
    """Raise FileError if a file that is read is one that a run writes into its folder, or removes from it."""
    target = folder.resolve()
    for path in (path for said in read if isinstance(said, str | Path) for path in meant(said)):
        if path.is_dir() and path.resolve() == target:
            raise FileError(f"{path} is read, and the states would be written into it: give them another folder")
        ours = path.absolute().parent.resolve() == target and path.name.startswith(("_", "part-"))
        if ours and os.path.lexists(path) and not any(fnmatch(path.name, name) for name in IMPORTS):
            raise FileError(f"{path} is read, but has the name of a file of the states in {folder}: move it")


@contextmanager
def _folder(folder: Path, shared: bool) -> Iterator[None]:
    """The folder of a run, which is ours until the context ends. shared: with others that compute other shares.

    Raises FileError. A folder that was created and in which nothing is left is removed again.
    """
    new = not folder.exists()
    try:
        with ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                free = stack.enter_context(alone(folder, shared))
            except OSError as error:
                raise FileError(f"{folder}: {reason(error)}; give a folder that can be written") from None
            if not free:
                raise FileError(f"{folder}: another run is writing into it; wait until it ends, or give another folder")
            sweep_folder(folder)
            yield
    finally:
        if new:
            with suppress(OSError):  # something is in it
                folder.rmdir()


@contextmanager
def _imports_undone(folder: Path) -> Iterator[None]:
    """If a run is refused, the inputs that it has written into the folder are removed, and not those of others."""
    before = {path for name in IMPORTS for path in folder.glob(name)}
    try:
        yield
    except BaseException:
        with suppress(FileError):  # a damaged manifest names none
            there = read_manifest(folder)
            before |= {folder / Path(path).name for path in (there.inputs if there else ())}
        for path in {path for name in IMPORTS for path in folder.glob(name)} - before:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        raise


def begin(job: CorpusJob, model: Model, index: SequenceIndex, fresh: bool = False, tell: Tell | None = None) -> None:
    """The folder with the files next to the parts. Raises FileError if it holds another run, or parts of one."""
    there = read_manifest(job.folder)
    if there is not None and (there.key, there.layout) != (job.manifest.key, job.manifest.layout) and not fresh:
        said = f"{job.folder} holds the states of another run; different: {differences(job, there)}"
        raise FileError(f"{said}. Give another folder, or use --fresh (fresh=True), which removes those states")
    if fresh and there is not None:
        clear(job.folder, there, job.source.described())
        there = None
    for path in [job.folder / name for name in BESIDE] if there is None else ():
        if os.path.lexists(path):
            said = f"{path} exists, but no {MANIFEST}, so that its run is unknown"
            raise FileError(f"{said}: give another folder, or remove it")
    planned = {path.name for span in job.manifest.parts for path in job.paths(span.number)}
    if foreign := parts_in(job.folder, planned):
        instead = "give another folder" if there is None else "use --fresh (fresh=True)"
        said = f"{job.folder} has parts of another run, {some(foreign, 3)}; this has {min(planned)} to {max(planned)}"
        raise FileError(f"{said}: remove the others, or {instead}")
    if there is not None and tell is not None and (other := others(there.versions, versions(job.way.plan))):
        tell(f"the finished parts were computed with other versions: here is {other}; last digits may differ")
    if there is None:
        for span in job.manifest.parts:  # damaged files are made again only if a manifest says that they are ours
            for path in filter(os.path.lexists, job.paths(span.number)):
                if wrong := part_file.fault(path, job.manifest.key, span.number):
                    said = f"{path} {wrong.said(words())}, and there is no {MANIFEST} that identifies its run"
                    raise FileError(f"{said}: remove it")
        write_json(job.folder / MANIFEST, job.manifest.model_dump())  # first: it identifies the run of the others
    write_beside(job.folder, job.manifest, model, job.source.width, index)


#: How messages name a premise; with its values if they mean something to a reader.
_CALLED: dict[str, str] = packaged("corpus/words.toml")["called"]
_DIGESTS = ("model", "inputs", "parts")


def differences(job: CorpusJob, there: Manifest) -> str:
    """In words, the differences between a run and the one that is in its folder."""
    found: list[str] = []
    for name, called in _CALLED.items():
        mine, theirs = job.manifest.premises[name], there.premises.get(name)
        if mine != theirs and not (name == "parts" and found):  # other inputs have other parts
            both = (", ".join(v) if isinstance(v, list) else v for v in (theirs, mine))
            found.append(called if name in _DIGESTS else "{} ({} there, {} here)".format(called, *both))
    return " and ".join(found) or "only blocks: the manifest was edited"


def clear(folder: Path, there: Manifest, source: dict[str, Any]) -> None:
    """Remove the files of a run, its manifest last. source: what is read now, which stays."""
    read = {Path(path) for path in there.inputs} - {Path(str(value)) for value in source.values()}
    imports = [path for path in read if path.parent == folder and path.name.startswith("_")]
    names: tuple[str | Path, ...] = (*parts_in(folder), *imports, *BESIDE, MANIFEST)
    for path in (*failed_lists(folder), *(folder / name for name in names)):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileError(f"{path}: {reason(error)}, so that it cannot be removed") from None


def missing(job: CorpusJob, spans: Iterable[Span], tell: Tell | None = None) -> list[Span]:
    """Those of some parts that are still to be computed. A file that is damaged, or of another part, is removed.

    All bytes are read: 1.5 GB take a second. Raises FileError for a part of another run, before any is removed.
    """
    key = job.manifest.key
    faults = {s: {path: part_file.fault(path, key, s.number) for path in job.paths(s.number)} for s in spans}
    found = [span for span, wrong in faults.items() if any(wrong.values())]
    for span in found:
        for path, said in reversed(faults[span].items()):  # the last one says that all are there
            if tell is not None and said and path.exists():
                tell(f"{path.name} {said.said(words())}, and is made again")
            path.unlink(missing_ok=True)
    return found


def follow(path: Path, todo: Sequence[Span], done: Iterable[Done], progress: Callable[[int, int], None] | None) -> None:
    """Report the progress of the work, and keep a list of the parts that failed. path: of the list."""
    steps, total, failed = 0, sum(span.steps for span in todo), {}
    try:
        for span, error in done:
            steps += span.steps
            if error:
                failed[span.number] = message(error)
            if progress is not None:
                progress(steps, total)
    finally:
        if failed:
            write_json(path, [{"part": part, "error": error} for part, error in sorted(failed.items())])
