"""An engine on each case, in a process of its own, and the outputs in its files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from pathlib import Path
from time import monotonic

import numpy as np

from ...base.arrays import Array
from ...base.extras import versions
from ...base.program import run_apart
from ...errors import FileError, LstmTraceError, MissingError, OptionError
from ...weights.formats.arrays import load_npy, npz_arrays
from ...weights.guards import told
from ...weights.onnx.constants import stored_tensor
from .cases import PREFIX, Case, Outputs, Suite
from .child import ENGINES

#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 24
_SIGNALS = {one.value: one.name for one in signal.Signals}
HOLE = re.compile(r"\{(\w+)\}")


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
        with tempfile.TemporaryDirectory(prefix="conformance-") as home:
            outputs, place = Path(home, "outputs.npz"), suite.place(case).resolve()
            places = {"model": place / "model.onnx", "inputs": place / "inputs.npz", "outputs": outputs, "case": place}
            began = monotonic()
            filled = [HOLE.sub(lambda hole: str(places[hole[1]]), word) for word in self.command]
            code, text = run_apart(filled, home, limit)
            if code == 0 and outputs.exists():
                found = read_outputs(outputs, case)
            elif code is None:
                found = Ran("hung", {}, f"no answer in {limit:g} s")
            elif 0 < code < 128:
                found = Ran("refused", {}, _short(text) or f"exit code {code}")
            else:
                how = _SIGNALS.get(-code, f"exit code {code}, and no outputs")
                found = Ran("crashed", {}, f"{how}{'; ' * bool(text)}{_short(text)}")
            return replace(found, seconds=monotonic() - began)


def _short(said: str) -> str:
    """A message of bounded length: what stands at its end often says most."""
    return said if len(said) <= MOST_SAID else f"{said.partition(': ')[0][:50]}: … {said[50 - MOST_SAID :]}"


def engine(kind: str, value: str) -> Engine:
    """The engine that an option names: engine, python, backend or command.

    Raises OptionError for a command without places for files, MissingError for what is not installed.
    """
    title = value
    if kind == "command":
        words, holes = shlex.split(value), {*HOLE.findall(value)}
        if "outputs" not in holes or not holes <= {"model", "inputs", "outputs", "case"}:
            expected = "expected {model}, {inputs} and {outputs} (or {case}, the folder of a case)"
            raise OptionError(f"--command {value!r}: {expected}; the outputs are written to {{outputs}}, as .npz")
        if shutil.which(words[0]) is None:
            raise MissingError(f"--command: there is no program {words[0]}, or it may not be run; give its path")
        return Engine(Path(words[0]).name, tuple(os.path.abspath(w) if os.path.exists(w) else w for w in words))
    if kind == "engine":
        if not (version := versions([ENGINES[value]])):
            raise MissingError(f"{value} is not installed here: {sys.executable} -m pip install {ENGINES[value]}")
        title, value = version if version.startswith(value) else f"{value} ({version})", f"{__package__}.child:{value}"
    elif not PathFinder.find_spec(re.split("[.:]", value)[0], ["", *sys.path]) or (kind == "python") != (":" in value):
        expected = "package.module:function" if kind == "python" else "package.module"
        raise MissingError(f"--{kind} {value}: expected {expected} of a package that can be imported from here")
    return Engine(title, (sys.executable, "-m", f"{__package__}.child", value, "{model}", "{inputs}", "{outputs}"))


def each(suite: Suite, run: Callable[[Case], Ran]) -> Iterator[Ran]:
    """The cases in order, some at a time."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 4)) as pool:
        yield from pool.map(run, suite.cases)


def written_outputs(folder: str, case: Case) -> Ran:
    """What an engine wrote elsewhere: CASE.npz, CASE.npy (the first output), or CASE/output_0.npy, .pb or .bin."""
    for suffix in (".npz", ".npy", ""):
        if (path := Path(folder, f"{PREFIX}{case.name}{suffix}")).exists():
            return read_outputs(path, case)
    return Ran("refused", {}, "there are no outputs of this name")


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
    if path.suffix == ".bin":
        with told(path.name, ValueError):  # not a whole number of floats
            return np.frombuffer(path.read_bytes(), "<f4")
    return load_npy(path) if path.suffix == ".npy" else stored_tensor(path)
