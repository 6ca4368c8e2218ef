"""An engine on each case, in a process of its own: with a time limit, few variables of ours, and a folder that goes."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.extras import versions
from ...errors import FileError, LstmTraceError, MissingError, OptionError, within
from ...weights.formats.arrays import load_npy, npz_arrays
from ...weights.guards import package
from .cases import Outputs
from .child import ENGINES
from .suite import PREFIX, Suite, SuiteEntry

ROOT = Path(__file__).parents[3]
#: What a process gets of our environment: where programs and libraries are, no proxies, no keys.
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 24


@dataclass(frozen=True)
class Ran:
    """How an engine ended: ok with outputs, or refused, crashed or hung, and what it said last."""

    verdict: str
    outputs: Outputs
    said: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Engine:
    """An engine: its title, and its command, with {model}, {inputs}, {outputs} and {case} to be filled in."""

    title: str
    command: tuple[str, ...]

    def run(self, suite: Suite, entry: SuiteEntry, limit: float) -> Ran:
        """One case in a process of its own, at most `limit` seconds."""
        with tempfile.TemporaryDirectory(prefix="conformance-") as home:
            outputs, case = Path(home, "outputs.npz"), suite.place(entry.case).resolve()
            places = {"model": case / "model.onnx", "inputs": case / "inputs.npz", "outputs": outputs, "case": case}
            command = [re.sub(r"\{(\w+)\}", lambda m: str(places[m[1]]), word) for word in self.command]
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            environment |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), home) | {"OMP_NUM_THREADS": "1"}
            environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, map(os.path.abspath, sys.path))])
            began = monotonic()
            with open(Path(home, "said"), "w+b") as said:
                process = subprocess.Popen(
                    command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                    start_new_session=True,
                )  # fmt: skip
                try:
                    code: int | None = process.wait(limit)
                except subprocess.TimeoutExpired:
                    code = None
                finally:
                    _end(process)
                seconds = monotonic() - began
                said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
                text = said.read().decode("utf-8", "replace").strip().splitlines() or [""]
            if code is None:
                return Ran("hung", {}, f"no answer in {limit:g} s", seconds)
            if 0 < code < 128:
                return Ran("refused", {}, _short(text[-1]) or f"exit code {code}", seconds)
            if code or not outputs.exists():
                how = f"ended by {_named(code)}" if code else "exit code 0, and no outputs were written"
                return Ran("crashed", {}, f"{how}; {_short(text[-1])}".rstrip("; "), seconds)
            return _read(lambda: read_outputs(outputs, entry), seconds)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process with all that it has started."""
    if os.name == "posix":
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.kill()
    process.wait()


def _short(said: str) -> str:
    """A message of bounded length: what stands at its end often says most."""
    return said if len(said) <= MOST_SAID else f"{said[: MOST_SAID // 3]} … {said[-MOST_SAID * 2 // 3 :]}"


def _named(code: int) -> str:
    number = -code if code < 0 else code - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit code {code}"


def _read(read: Callable[[], Outputs], seconds: float = 0.0) -> Ran:
    """Outputs that were written; files that cannot be read are wrong ones."""
    try:
        return Ran("ok", read(), "", seconds)
    except LstmTraceError as error:
        return Ran("wrong", {}, _short(str(error)), seconds)


def engine(name: str | None, python: str | None, backend: str | None, command: str | None) -> Engine:
    """The engine that one of four options names. Raises OptionError, MissingError if it is not installed."""
    given = {"engine": name, "python": python, "backend": backend, "command": command}
    chosen = [(kind, value) for kind, value in given.items() if value is not None]
    if len(chosen) != 1:
        raise OptionError("give one of --engine, --python, --backend and --command: what runs the models")
    kind, value = chosen[0]
    if kind == "command":
        return _by_command(value)
    title = value
    if kind == "engine":
        title = versions([ENGINES[value][0]])
        if not title:
            raise MissingError(f"{value} is not installed here: {sys.executable} -m pip install {ENGINES[value][0]}")
    elif find_spec(value.partition(":")[0].partition(".")[0]) is None or (kind == "python") != (":" in value):
        expected = "package.module:function" if kind == "python" else "package.module"
        raise MissingError(f"--{kind} {value}: expected {expected} of a package that can be imported from here")
    child = (sys.executable, "-m", f"{__package__}.child", kind, value, "{model}", "{inputs}", "{outputs}")
    return Engine(title, child)


def _by_command(text: str) -> Engine:
    """A command as it is typed; the files that it names are found from the folder of its run as well."""
    words = [os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(text)]
    holes = set(re.findall(r"\{(\w+)\}", text))
    if not {"outputs"} <= holes <= {"model", "inputs", "outputs", "case"} or not holes & {"model", "case"}:
        expected = "expected {model} (or {case}, its folder), {inputs} and {outputs}"
        raise OptionError(f"--command {text!r}: {expected}; the outputs are written to {{outputs}}, as .npz")
    if shutil.which(words[0]) is None:
        raise MissingError(f"--command: there is no program {words[0]}, or it may not be run; give its path")
    return Engine(Path(words[0]).name, tuple(words))


def each(suite: Suite, run: Callable[[SuiteEntry], Ran], workers: int) -> Iterator[Ran]:
    """The cases in order, some at a time."""
    with ThreadPoolExecutor(workers) as pool:
        yield from pool.map(run, suite.entries)


# -- outputs in files ------------------------------------------------------------------------------------------------


def written_outputs(folder: str, entry: SuiteEntry) -> Ran:
    """What an engine wrote elsewhere: CASE.npz, CASE.npy (the first output), or CASE/output_0.npy, .pb or .bin."""
    name = PREFIX + entry.case.name
    found = [path for suffix in (".npz", ".npy", "") if (path := Path(folder, name + suffix)).exists()]
    if not found:
        return Ran("refused", {}, f"there is no {name}.npz")
    return _read(lambda: read_outputs(found[0], entry))


def read_outputs(path: Path, entry: SuiteEntry) -> Outputs:
    """The outputs in a file or folder by name; unnamed ones are those of the model, in order. Raises FileError."""
    names = entry.case.outputs
    if path.is_dir():
        each = [next((p for s in ("npy", "pb", "bin") if (p := path / f"output_{k}.{s}").exists()), None) for k, _ in enumerate(names)]
        arrays: Mapping[str, Any] = {n: _array(p) for n, p in zip(names, each, strict=True) if p is not None}
    elif path.stat().st_size > MOST_BYTES:
        raise FileError(f"{path.name}: {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are read")
    elif path.suffix == ".npy":
        arrays = {names[0]: load_npy(path)}
    else:
        with npz_arrays(path) as opened:
            arrays = {key: np.asarray(one) for key, one in opened.items()}
    arrays = {names[int(k[7:])] if re.fullmatch(r"output_[0-2]", k) and int(k[7:]) < len(names) else k: v for k, v in arrays.items()}
    if not arrays:
        raise FileError(f"{path.name}: no output in it; expected {', '.join(names)}")
    return {name: np.asarray(array) for name, array in arrays.items()}


def _array(path: Path) -> Array:
    if path.suffix == ".npy":
        return load_npy(path)  # type: ignore[no-any-return]
    if path.suffix == ".bin":
        return np.frombuffer(path.read_bytes()[:MOST_BYTES], "<f4")
    with within(str(path)):
        onnx = package("onnx", path)
        return onnx.numpy_helper.to_array(onnx.load_tensor(path))  # type: ignore[no-any-return]
