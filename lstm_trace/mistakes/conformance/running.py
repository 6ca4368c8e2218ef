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
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from time import monotonic

import numpy as np

from ...base.arrays import Array
from ...base.extras import versions
from ...errors import FileError, LstmTraceError, MissingError, OptionError
from ...weights.formats.arrays import load_npy, npz_arrays
from ...weights.guards import package
from .cases import Case, Outputs
from .child import ENGINES
from .suite import PREFIX, Suite

#: What a process gets of our environment: where programs and libraries are, no proxies, no keys.
KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "VIRTUAL_ENV")
#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 24


@dataclass(frozen=True)
class Ran:
    """How an engine ended: ok with outputs, or refused, crashed or hung, and what it said last.

    partial: whether outputs may be missing, as in files that hold one each.
    """

    verdict: str
    outputs: Outputs
    said: str = ""
    seconds: float = 0.0
    partial: bool = False


@dataclass(frozen=True)
class Engine:
    """An engine: its title, and its command, with {model}, {inputs}, {outputs} and {case} to be filled in."""

    title: str
    command: tuple[str, ...]

    def run(self, suite: Suite, case: Case, limit: float) -> Ran:
        """One case in a process of its own, at most `limit` seconds."""
        with tempfile.TemporaryDirectory(prefix="conformance-") as home, open(Path(home, "said"), "w+b") as said:
            outputs, place = Path(home, "outputs.npz"), suite.place(case).resolve()
            places = {"model": place / "model.onnx", "inputs": place / "inputs.npz", "outputs": outputs, "case": place}
            command = [re.sub(r"\{(\w+)\}", lambda hole: str(places[hole[1]]), word) for word in self.command]
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            environment |= dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME"), home) | {"OMP_NUM_THREADS": "1"}
            environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, ("", *sys.path)))
            began = monotonic()
            process = subprocess.Popen(  # noqa: S603 - the user names the engine
                command, cwd=home, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said,
                start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(limit)
            except subprocess.TimeoutExpired:
                return Ran("hung", {}, f"no answer in {limit:g} s", limit)
            finally:
                if os.name == "posix":
                    with suppress(ProcessLookupError):  # what it has started, too
                        os.killpg(process.pid, signal.SIGKILL)
                process.kill()
                process.wait()
            seconds = monotonic() - began
            said.seek(max(0, said.seek(0, os.SEEK_END) - 4096))
            text = _short((said.read().decode("utf-8", "replace").strip().splitlines() or [""])[-1])
            if 0 < code < 128:
                return Ran("refused", {}, text or f"exit code {code}", seconds)
            if code or not outputs.exists():
                how = signal.Signals(-code).name if code < 0 else f"exit code {code}, and no outputs"
                return Ran("crashed", {}, f"{how}{'; ' * bool(text)}{text}", seconds)
            return replace(read_outputs(outputs, case), seconds=seconds)


def _short(said: str) -> str:
    """A message of bounded length: what stands at its end often says most."""
    return said if len(said) <= MOST_SAID else f"{said.partition(': ')[0][:50]}: … {said[50 - MOST_SAID :]}"


def engine(kind: str, value: str) -> Engine:
    """The engine that an option names: engine, python, backend or command.

    Raises OptionError for a command without places for files, MissingError for what is not installed.
    """
    if kind == "command":
        words = [os.path.abspath(word) if os.path.exists(word) else word for word in shlex.split(value)]
        holes = set(re.findall(r"\{(\w+)\}", value))
        if "outputs" not in holes or not holes <= {"model", "inputs", "outputs", "case"}:
            expected = "expected {model}, {inputs} and {outputs} (or {case}, the folder of a case)"
            raise OptionError(f"--command {value!r}: {expected}; the outputs are written to {{outputs}}, as .npz")
        if shutil.which(words[0]) is None:
            raise MissingError(f"--command: there is no program {words[0]}, or it may not be run; give its path")
        return Engine(Path(words[0]).name, tuple(words))
    if kind == "engine" and not versions([ENGINES[value][0]]):
        raise MissingError(f"{value} is not installed here: {sys.executable} -m pip install {ENGINES[value][0]}")
    if kind != "engine" and (
        not PathFinder.find_spec(re.split("[.:]", value)[0], ["", *sys.path]) or (kind == "python") != (":" in value)
    ):
        expected = "package.module:function" if kind == "python" else "package.module"
        raise MissingError(f"--{kind} {value}: expected {expected} of a package that can be imported from here")
    child = (sys.executable, "-m", f"{__package__}.child", kind, value, "{model}", "{inputs}", "{outputs}")
    if kind != "engine":
        return Engine(value, child)
    version = versions([ENGINES[value][0]])
    return Engine(version if version.startswith(value) else f"{value} ({version})", child)


def each(suite: Suite, run: Callable[[Case], Ran]) -> Iterator[Ran]:
    """The cases in order, some at a time."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        yield from pool.map(run, suite.cases)


# -- outputs in files ------------------------------------------------------------------------------------------------


def written_outputs(folder: str, case: Case) -> Ran:
    """What an engine wrote elsewhere: CASE.npz, CASE.npy (the first output), or CASE/output_0.npy, .pb or .bin."""
    name = PREFIX + case.name
    found = [path for suffix in (".npz", ".npy", "") if (path := Path(folder, name + suffix)).exists()]
    return read_outputs(found[0], case) if found else Ran("refused", {}, "there are no outputs of this name")


def read_outputs(path: Path, case: Case) -> Ran:
    """The outputs in a file or folder by name; unnamed ones, output_0, …, are those of the model in order."""
    names = {f"output_{k}": name for k, name in enumerate(case.outputs)}
    parts = [path] if path.is_file() else sorted(path.glob("output_[0-2].*"))
    try:
        if (size := sum(part.stat().st_size for part in parts)) > MOST_BYTES:
            raise FileError(f"{path.name} has {size:,} bytes; at most {MOST_BYTES:,} are read")
        if path.suffix == ".npz":
            with npz_arrays(path) as opened:
                outputs = {names.get(key, key): np.asarray(array) for key, array in opened.items()}
        else:
            outputs = {names.get(part.stem, names["output_0"]): _array(part) for part in parts}
        if not outputs:
            raise FileError(f"{path.name}: no output in it; expected {', '.join(names.values())}")
    except LstmTraceError as error:
        return Ran("wrong", {}, _short(str(error)))
    return Ran("ok", outputs, partial=path.suffix != ".npz")


def _array(path: Path) -> Array:
    """An array in a file of its own. Raises FileError, MissingError."""
    if path.suffix == ".npy":
        return load_npy(path)
    if path.suffix == ".bin":
        return np.frombuffer(path.read_bytes(), "<f4")
    onnx = package("onnx", path)
    try:
        return onnx.numpy_helper.to_array(onnx.TensorProto.FromString(path.read_bytes()))
    except Exception as error:  # protobuf and numpy raise many kinds
        raise FileError(f"{path.name}: not a tensor of ONNX ({type(error).__name__})") from None
