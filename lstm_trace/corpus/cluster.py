"""The parts of a corpus on the workers of a Dask cluster: on this machine, or of any cluster by its address."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib.util import find_spec
from typing import Any, NamedTuple

from ..base.extras import missing
from ..base.resources import one_for_good
from ..engine.jit import installed
from ..errors import FileError, LstmTraceError, OptionError
from ..model.model import Model
from .job import CorpusJob, others, versions
from .manifest import read_manifest
from .part_file import TRIES, Done, HaltError, in_words, run_part
from .rows import Span

try:
    from distributed import WorkerPlugin
except ImportError:  # `by_cluster` says so
    WorkerPlugin = object


#: The seconds within which a scheduler must answer.
ANSWER = 5
#: Set before numpy is imported: products on one thread, since there is a process for each core.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")

GONE = "the cluster is gone; finished parts are kept: run it again for the others"

SILENT = logging.CRITICAL + 1

#: By the key of a job, in a worker: the work that was sent to it, or the reason why it cannot do it.
_sent: dict[str, Assignment | HaltError] = {}


class Assignment(NamedTuple):
    """What a worker receives once; a task is then only a key and a span.

    versions: of the packages on which bits depend, at the origin of the work. own: whether we started the worker.
    """

    job: CorpusJob
    model: Model
    versions: dict[str, str]
    own: bool

    def misfit(self) -> str:
        """Why this process cannot do the work; empty if it can."""
        if self.job.way.plan == "compiled" and not installed():
            return f"cannot run the plan of this run: {missing('compiled', 'llvmlite')}"
        if other := others(self.versions, versions(self.job.way.plan)):
            return f"has {other}, which may give other digits: install the same versions"
        try:
            self.job.source.read(min(self.job.manifest.parts, key=lambda span: span.steps))
        except (LstmTraceError, OSError, ValueError) as error:
            return f"cannot read the inputs: {error}; a worker reads them by that path, from a disk that all share"
        with suppress(FileError):
            if (there := read_manifest(self.job.folder)) is not None and there.key == self.job.manifest.key:
                return ""
        return f"does not see the folder {self.job.folder}: a worker writes into it, on a disk that all share"


class Delivery(WorkerPlugin):  # type: ignore[misc]  # distributed has no types here
    """Brings the work to each worker, including one that is restarted or joins later."""

    def __init__(self, work: Assignment) -> None:
        self.work = work

    def setup(self, worker: Any) -> None:
        """In the worker, before it gets a task. Raises HaltError if it cannot do the work."""
        one_for_good()  # the parts of several threads would lift each other's limit, or wait for each other
        if self.work.own:
            with suppress(ValueError):  # Ctrl-C is for the driver, which then ends its workers
                signal.signal(signal.SIGINT, signal.SIG_IGN)
        _sent[self.work.job.manifest.key] = self.work
        if not self.work.own and (problem := self.work.misfit()):
            _sent[self.work.job.manifest.key] = unfit = HaltError(f"the worker {worker.address} {problem}")
            raise unfit

    def teardown(self, worker: Any) -> None:
        """In the worker, when the run is over."""
        _sent.pop(self.work.job.manifest.key, None)


def compute(key: str, span: Span) -> Done:
    """Compute a part, in a worker."""
    if (work := _sent.get(key)) is None or isinstance(work, HaltError):
        raise work or HaltError("a worker was not given the model; see its log")
    return run_part(work.job, work.model, span)


def by_cluster(
    job: CorpusJob, model: Model, todo: Sequence[Span], workers: int, scheduler: str | None,
    tell: Callable[[str], None] | None = None,
) -> Generator[Done]:  # fmt: skip
    """The parts as workers finish them. workers: of a cluster on this machine; scheduler: the address of another one.

    A part that fails, or whose worker dies three times, is returned with its error. Raises OptionError if there is
    no cluster, HaltError for a worker that cannot do the work.
    """
    if WorkerPlugin is object:
        raise OptionError(missing("a corpus with workers or a scheduler", "dask", "leave them out"))
    if not todo:
        return
    from distributed.utils import silence_logging_cmgr

    with ExitStack() as stack:
        stack.enter_context(silence_logging_cmgr(SILENT))  # our messages report what goes wrong
        client = _client(min(workers, len(todo)), scheduler, stack)
        if tell is not None and client.dashboard_link and (scheduler is not None or find_spec("bokeh")):
            tell(f"dashboard: {client.dashboard_link}")
        work = Assignment(job, model, versions(job.way.plan), own=scheduler is None)
        try:
            client.register_plugin(Delivery(work), name=f"lstm-trace-{job.manifest.key}")
        except LstmTraceError:
            raise
        except Exception as error:
            raise HaltError(f"a worker cannot take the work: {_said(error)}; each needs lstm-trace[corpus]") from None
        stack.callback(_forget, client, f"lstm-trace-{job.manifest.key}")
        if tell is not None and not client.nthreads():
            tell(f"no worker has joined {scheduler} yet; waiting for one")
        try:
            yield from _followed(client, job.manifest.key, todo)
        except OSError:
            raise HaltError(GONE) from None


def _followed(client: Any, key: str, todo: Sequence[Span]) -> Iterator[Done]:
    """The parts as they are finished; the scheduler gives a worker the next one when it has finished one."""
    from distributed import as_completed

    futures = client.map(partial(compute, key), todo, retries=TRIES - 1, pure=False)
    spans = {future.key: span for future, span in zip(futures, todo, strict=True)}
    for future in as_completed(futures, loop=client.loop):
        if future.status == "finished":
            yield future.result()
        elif future.status != "error":
            raise HaltError(GONE)
        elif isinstance(error := future.exception(), HaltError):
            raise error
        else:
            yield Done(spans[future.key], _said(error))


def _client(workers: int, scheduler: str | None, stack: ExitStack) -> Any:
    """A client of the cluster at an address, or of one of our own, until the stack ends. Raises OptionError."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.comm import resolve_address

    if scheduler is not None:
        try:
            resolve_address(scheduler)
            client = Client(scheduler, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            said = f"no Dask scheduler answers at {scheduler!r} ({_said(error)})"
            raise OptionError(f"{said}; give the address that `dask scheduler` prints, tcp://HOST:8786") from None
    else:
        own = {
            "distributed.nanny.pre-spawn-environ": ONE_THREAD,
            "distributed.scheduler.allowed-failures": TRIES - 1,
            "distributed.scheduler.worker-saturation": 1.0,
        }
        stack.enter_context(dask.config.set(own))
        stack.enter_context(_main_hidden())
        try:
            cluster = LocalCluster(
                workers, threads_per_worker=1, processes=True, host="127.0.0.1", memory_limit=0,
                dashboard_address="127.0.0.1:0", silence_logs=SILENT,
            )  # fmt: skip
        except (OSError, RuntimeError) as error:
            raise OptionError(f"no cluster of {workers} workers could be started: {_said(error)}") from None
        stack.enter_context(cluster)
        client = Client(cluster, set_as_default=False)
    return stack.enter_context(client)


def _forget(client: Any, name: str) -> None:
    with suppress(Exception):  # a cluster that no longer exists has forgotten it
        client.unregister_worker_plugin(name)


def _said(error: BaseException) -> str:
    """An error in words."""
    if type(error).__name__ == "KilledWorker":
        return "the worker that computed it died each time: killed from outside, or out of memory"
    return in_words(error)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Workers do not run the main script again, as spawned processes do: it would restart the corpus in each."""
    main: dict[str, Any] = sys.modules["__main__"].__dict__
    hidden: dict[str, Any] = {name: main[name] for name in ("__file__", "__spec__") if name in main}
    main.pop("__file__", None)
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update(hidden)
