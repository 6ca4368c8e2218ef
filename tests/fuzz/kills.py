"""kill -9 in the middle of every writer: the target is what it was, and the next run leaves nothing else beside it."""

from __future__ import annotations

import os
import random
import signal
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import lstm_trace as lt

from .problems import random_problem

_OLD = b"what was there before"
_LEAST = 1_000  # bytes of any of the files


class Writer(NamedTuple):
    """A command and the file that it writes; {source} is a long trace, {problem} a long problem."""

    target: str
    command: str


WRITERS = (
    Writer("t.json", "run {problem}"),
    Writer("t.safetensors", "run {problem}"),
    Writer("r.md", "report {source} --detail scalar --no-diagram"),
    Writer("r.html", "report {source}"),
    Writer("r.txt", "report {source} --detail scalar"),
    Writer("r.tex", "report {source} --detail scalar"),
    Writer("t.csv", "export {source}"),
    Writer("w.tsv", "export {source} --shape wide"),
    *([Writer("t.parquet", "export {source}")] if find_spec("pyarrow") else []),  # no part of the extra `test`
    Writer("t.xlsx", "export {source}"),
    Writer("d.csv", "diff {source} {source}"),
    Writer("e.csv", "explain contribution {source} --of 0/forward/299/0/h_t[0]"),
)


def check(rng: random.Random, folder: Path) -> str:
    """One writer killed at a random moment between its first file and its last rename."""
    writer = rng.choice(WRITERS)
    home = folder / f"{rng.getrandbits(64):x}"
    home.mkdir()
    target = home / writer.target
    before = rng.choice((None, _OLD))
    if before is not None:
        target.write_bytes(before)
    status = _ended(writer, home, 10 ** rng.uniform(-4.5, -1))
    assert status in (-signal.SIGALRM, -signal.SIGKILL), f"{writer} ended by itself: {status}"
    left = target.read_bytes() if target.exists() else None
    assert left == before, f"{writer}: {left and left[:40]!r} is there instead of {before!r}"
    if rng.random() < 0.3:  # once more, to the end: the file is whole, and alone
        assert _ended(writer, home, None) == 0
        assert [entry.name for entry in home.iterdir()] == [writer.target]
        assert target.stat().st_size > _LEAST
        if writer.command.startswith("run"):
            lt.load(target)
    return f"{writer.target} unharmed"


def _ended(writer: Writer, home: Path, delay: float | None) -> int:
    """Run a command in a process of its own, killed that many seconds after it opened its first file in `home`.

    It is a fork, so that the time goes into writing, not into imports. The alarm's default action ends a process as
    kill -9 does: at once, wherever it is. Where the file would be finished before, it is killed at the rename.
    """
    arguments = [part.format(**_sources()) for part in writer.command.split()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of threads (BLAS has some): the child uses none that were there
        process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    code = 3
    try:
        from lstm_trace.cli import main

        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, 0)
        if delay is not None:
            sys.addaudithook(_Killer(str(home), delay))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        main([*arguments, "-o", str(home / writer.target)])
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    finally:
        os._exit(code)


class _Killer:
    """Hears what the interpreter is about to do: sets the alarm at the first file in `home`, kills at the rename."""

    def __init__(self, home: str, delay: float) -> None:
        self.home, self.delay, self.begun = home, delay, False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "open" and not self.begun and str(args[0]).startswith(self.home):
            self.begun = True
            signal.setitimer(signal.ITIMER_REAL, self.delay)
        elif event == "os.rename" and str(args[1]).startswith(self.home):
            os.kill(os.getpid(), signal.SIGKILL)


@cache
def _sources() -> dict[str, Any]:
    """A long trace, and the problem of one."""
    import json
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lstm-trace-fuzz-"))
    rng = random.Random(2)  # noqa: S311 - it has to be the same each time
    while True:
        data = random_problem(rng)
        if data["cell"] == "lstm" and "W_xi" in data["weights"] and "lengths" not in data and "ask" not in data:
            break
    data |= {"x": [[rng.uniform(-1, 1) for _ in data["weights"]["W_xi"][0]] for _ in range(300)], "dtype": "float64"}
    (folder / "p.json").write_text(json.dumps(data))
    lt.run(data).save(folder / "t.safetensors")
    return {"problem": folder / "p.json", "source": folder / "t.safetensors"}
