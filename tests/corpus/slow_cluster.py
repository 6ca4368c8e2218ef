"""Parts on the workers of a cluster: the same bytes as in one process, also after workers or the driver are killed."""

from __future__ import annotations

import io
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import OptionError

distributed = pytest.importorskip("distributed")

from lstm_trace.corpus import cluster, run  # noqa: E402
from lstm_trace.corpus.cluster import Assignment, by_cluster  # noqa: E402
from lstm_trace.corpus.job import corpus_model, versions  # noqa: E402
from lstm_trace.corpus.part_file import HaltError  # noqa: E402
from lstm_trace.corpus.rows import Span  # noqa: E402
from lstm_trace.corpus.running import begin, laid_out, missing  # noqa: E402

from .. import ROOT  # noqa: E402
from ..support.corpus_faults import Faulty  # noqa: E402
from .test_running import HOW, content  # noqa: E402

#: Seconds in which a process must do what it should, on a busy machine.
PATIENCE = 120


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """What Dask would write to stderr."""
    handler = logging.StreamHandler(io.StringIO())
    logging.getLogger("distributed").addHandler(handler)
    yield handler.stream
    logging.getLogger("distributed").removeHandler(handler)


def job_of(model: lt.Model, inputs: Path, out: Path) -> tuple[Any, lt.Model]:
    """The job of a run with `HOW`, with its folder made."""
    prepared = corpus_model(model)
    job, index = laid_out(prepared, inputs, out, HOW["record"], None, None, "parquet", HOW["steps_per_part"], 64, {})
    out.mkdir()
    begin(job, prepared, index)
    return job, prepared


@pytest.fixture(scope="module")
def processes() -> Iterator[list[subprocess.Popen[bytes]]]:
    """The scheduler and the workers of `address`."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory, processes: list[subprocess.Popen[bytes]]) -> str:
    """That of a scheduler with two workers, each a process of its own."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--local-directory", str(folder)]
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), "--no-dashboard"]]
    commands += 2 * [["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", *common]]
    with (folder / "log.txt").open("w") as log:
        for name, *options in commands:
            command = [sys.executable, "-m", f"distributed.cli.dask_{name}", *options]
            processes.append(subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log))  # noqa: S603 - of the test
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        with suppress(OSError, ValueError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.05)
    raise AssertionError((folder / "log.txt").read_text())


def test_workers_that_are_joined_by_address(
    states: Any, model: lt.Model, inputs: Path, tmp_path: Path, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    told: list[str] = []
    done: list[tuple[int, int]] = []
    run(
        model,
        inputs,
        tmp_path,
        **HOW,
        scheduler=address,
        tell=told.append,
        progress=lambda *so_far: done.append(so_far),
    )
    assert content(tmp_path) == content(states.folder)
    assert done[-1][0] == done[-1][1] == sum(span.steps for span in states.spans)
    with distributed.Client(address, set_as_default=False) as client:
        assert all(client.run(lambda: "lstm_trace.corpus.cluster" in sys.modules).values()), "both have computed"
        assert not any(client.run(lambda: bool(cluster._sent)).values()), "the model is gone with the run"
    assert all(text.startswith(("dashboard: http", "no worker has joined")) for text in told)
    assert capfd.readouterr() == ("", "")


def test_a_worker_that_sees_neither_input_nor_folder(
    model: lt.Model, inputs: Path, tmp_path: Path, address: str
) -> None:
    job, prepared = job_of(model, inputs, tmp_path / "states")
    (tmp_path / "states" / "_manifest.json").unlink()
    with pytest.raises(HaltError, match=f"the worker tcp://127.0.0.1.* does not see the folder {tmp_path / 'states'}"):
        list(by_cluster(job, prepared, job.manifest.parts, 0, address))
    assert not content(tmp_path / "states")


def test_what_a_worker_must_have(
    model: lt.Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, prepared = job_of(model, inputs, tmp_path / "states")
    fits = Assignment(job, prepared, versions(job.way.plan), own=False)
    assert fits.misfit() == ""
    others = fits._replace(versions=fits.versions | {"numpy": "1.0", "lstm-trace": "9"})
    assert others.misfit() == (
        f"has lstm-trace {lt.__version__} instead of 9 and numpy {np.__version__} instead of 1.0, which may give other "
        "digits: install the same versions"
    )
    gone = replace(job, source=replace(job.source, path=tmp_path / "gone.parquet"))
    said = fits._replace(job=gone).misfit()
    assert said.startswith(f"cannot read the inputs: {tmp_path / 'gone.parquet'}: ")
    assert said.endswith("; a worker reads them by that path, from a disk that all share")
    shutil.move(tmp_path / "states", tmp_path / "elsewhere")
    assert fits.misfit().startswith(f"does not see the folder {tmp_path / 'states'}: a worker writes into it")
    if job.way.plan == "compiled":
        monkeypatch.setattr(cluster, "installed", lambda: False)
        assert fits.misfit().startswith("cannot run the plan of this run: compiled needs the package llvmlite")


def test_a_job_of_many_parts_is_small(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    job, _ = job_of(model, inputs, tmp_path / "states")
    parts = [Span(n, 64 * n, 64 * n + 64, 64, 50_000) for n in range(20_000)]
    many = replace(job, manifest=job.manifest.model_copy(update={"parts": parts}))
    assert len(pickle.dumps(many)) < 1_500_000
    assert len(pickle.dumps((many.manifest.key, many.manifest.parts[7]))) < 200, "which is what a task is"


@pytest.mark.parametrize("at", ["tcp://127.0.0.1:9", "nowhere", "xyz://127.0.0.1:8786"])
def test_no_scheduler(
    model: lt.Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str, capfd: Any
) -> None:
    monkeypatch.setattr(cluster, "ANSWER", 1)
    with pytest.raises(OptionError, match=f"no Dask scheduler answers at '{at}'"):
        run(model, inputs, tmp_path, scheduler=at)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(OptionError, match="a cluster at an address has its own"):
        run(model, inputs, tmp_path, scheduler=at, workers=2)


def test_killed_workers_and_parts_that_fail(
    states: Any, model: lt.Model, inputs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], logged: io.StringIO
) -> None:
    job, prepared = job_of(model, inputs, tmp_path / "states")
    (tmp_path / "notes").mkdir()
    faulty = Faulty(job.source, tmp_path / "notes", kills=(1,), fails=(2,))
    with closing(by_cluster(replace(job, source=faulty), prepared, job.manifest.parts, 2, None)) as found:
        done = {one.span.number: one for one in found}
    assert set(done) == {span.number for span in job.manifest.parts}
    assert {n: one.error for n, one in done.items() if one.error} == {2: "OSError: a part that nobody can read"}
    tried = [path.name.partition(".")[0] for path in (tmp_path / "notes").iterdir()]
    assert (tried.count("1"), tried.count("2")) == (2, 3)
    assert (capfd.readouterr(), logged.getvalue()) == (("", ""), "")
    assert [span.number for span in missing(job, job.manifest.parts)] == [2]
    again = run(model, inputs, tmp_path / "states", **HOW, progress=lambda *so_far: tried.append(str(so_far)))
    assert tried[-1] == str((job.manifest.parts[2].steps, job.manifest.parts[2].steps)), "only that part"
    assert again.failed == {}
    assert content(tmp_path / "states") == content(states.folder)


#: A script as a beginner writes it: without `if __name__ == "__main__"`.
SCRIPT = """
import os, signal, sys
import numpy as np
import lstm_trace as lt
from lstm_trace import corpus
print("once", flush=True)
done = []

def progress(*so_far):
    done.append(so_far)
    if len(done) == 2:
        print(__name__, len(done), flush=True)
        if sys.argv[1] == "SIGINT":
            os.killpg(os.getpid(), signal.SIGINT)  # as a terminal does at Ctrl-C
        os.kill(os.getpid(), signal.SIGKILL)

corpus.run(
    dict(np.load("model.npz")), {inputs!r}, "states", record=["c_t", "h_t"], steps_per_part=20, workers=1,
    progress=progress,
)
"""


@pytest.mark.parametrize("how", ["SIGKILL", "SIGINT"])
def test_a_killed_driver(model: lt.Model, weights: Any, inputs: Path, tmp_path: Path, how: str) -> None:
    np.savez(tmp_path / "model.npz", **weights)
    (tmp_path / "script.py").write_text(SCRIPT.replace("{inputs!r}", repr(str(inputs))))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(  # noqa: S603 - our own script
        [sys.executable, "script.py", how], cwd=tmp_path, env=environment, start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    out, err = driver.communicate(timeout=PATIENCE)  # until the last process that has its stderr is gone, too
    assert out == "once\n__main__ 2\n", err
    assert driver.returncode in (-signal.SIGKILL, -signal.SIGINT, 1)
    if how == "SIGINT":
        assert err.splitlines()[-1] == "KeyboardInterrupt"
        assert err.count("Traceback") == 1, "the workers say nothing"
    kept = content(tmp_path / "states")
    told: list[tuple[int, int]] = []
    undisturbed = run(model, inputs, tmp_path / "other", record=["c_t", "h_t"], steps_per_part=20)
    parts = [span for span in undisturbed.spans if f"part-{span.number:05}.parquet" not in kept]
    assert 2 <= len(kept) < len(undisturbed.spans)
    again = run(
        model, inputs, tmp_path / "states", record=["c_t", "h_t"], steps_per_part=20,
        progress=lambda *so_far: told.append(so_far),
    )  # fmt: skip
    assert told[-1] == (sum(span.steps for span in parts),) * 2, "what was missing, and no more"
    assert len(told) == len(parts)
    assert content(again.folder) == content(undisturbed.folder)
    assert not [path.name for path in again.folder.iterdir() if path.name.startswith(".")]


def test_a_cluster_that_is_gone(
    model: lt.Model, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str,
    processes: list[subprocess.Popen[bytes]], capfd: pytest.CaptureFixture[str], logged: io.StringIO,
) -> None:  # fmt: skip
    """The last of the tests that use it."""
    monkeypatch.setattr(cluster, "ANSWER", 1)
    with pytest.raises(HaltError, match="the cluster is gone; finished parts are kept: run it again"):
        run(
            model, inputs, tmp_path, record=["c_t"], steps_per_part=5, scheduler=address,
            progress=lambda done, total: processes[0].kill(),
        )  # fmt: skip
    assert (capfd.readouterr(), logged.getvalue()) == (("", ""), "")
    assert content(tmp_path)
