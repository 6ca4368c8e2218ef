"""An engine on each case, in a process of its own, and the outputs in its files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from importlib.machinery import PathFinder
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np

from ...base.extras import versions
from ...base.program import run_apart
from ...errors import FileError, LstmTraceError, MissingError, OptionError
from ...weights.formats.arrays import bare_array, npz_arrays
from .cases import NodeCase, Outputs, Suite
from .child import ENGINES

#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 24
HOLE = re.compile(r"\{(\w+)\}")


class Ran(NamedTuple):
    """How an engine ended: ok with outputs, or refused, crashed or hung, and what it said last.

    partial: whether outputs may be missing, as in files that hold one each.
    """

    verdict: str
    outputs: Outputs
    said: str = ""
    seconds: float = 0.0
    partial: bool = False


class Engine(NamedTuple):
    """An engine: its title, and its command, with {model}, {inputs}, {outputs} and {case} to be filled in."""

    title: str
    command: tuple[str, ...]

    def run(self, suite: Suite, case: NodeCase, limit: float) -> Ran:
        """One case in a process of its own, at most `limit` seconds."""
        with tempfile.TemporaryDirectory(prefix="conformance-") as home:
            outputs, place = Path(home, "outputs.npz"), suite.place(case).resolve()
            places = {"model": place / "model.onnx", "inputs": place / "inputs.npz", "outputs": outputs, "case": place}
            began = monotonic()
            code, text = run_apart([HOLE.sub(lambda m: str(places[m[1]]), one) for one in self.command], home, limit)
            if code == 0 and outputs.exists():
                found = read_outputs(outputs.with_suffix(""), case)
            elif code is None:
                found = Ran("hung", {}, f"no answer in {limit:g} s")
            elif 0 < code < 128:
                found = Ran("refused", {}, _short(text) or f"exit code {code}")
            else:
                how = f"exit code {code}, and no outputs{'; ' * bool(text)}" if code >= 0 else ""
                found = Ran("crashed", {}, how + _short(text))
            return found._replace(seconds=monotonic() - began)


def _short(said: str) -> str:
    """A message of bounded length: what stands at its end often says most."""
    return said if len(said) <= MOST_SAID else re.sub(r"^(.{1,50})\b.*?\b(.{1,107})$", r"\1 … \2", said)


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


def read_outputs(place: Path, case: NodeCase) -> Ran:
    """What an engine wrote: PLACE.npz, PLACE.npy (the first output), or PLACE/output_0.npy, .pb or .bin.

    Outputs without a name, output_0, …, are those of the model in order.
    """
    npz, npy = (place.with_name(place.name + suffix) for suffix in (".npz", ".npy"))
    parts = [path for path in (npz, npy) if path.exists()][:1] or sorted(place.glob("output_[0-2].*"))
    if not parts:
        return Ran("refused", {}, "there are no outputs of this name")
    try:
        if (size := sum(part.stat().st_size for part in parts)) > MOST_BYTES:
            raise FileError(f"{place.name} has {size:,} bytes; at most {MOST_BYTES:,} are read")
        if parts == [npz]:
            with npz_arrays(npz) as opened:
                found = {key: np.asarray(array) for key, array in opened.items()}
        else:
            found = {"output_0" if part == npy else part.stem: bare_array(part) for part in parts}
    except LstmTraceError as error:
        return Ran("wrong", {}, _short(str(error)))
    names = {f"output_{k}": name for k, name in enumerate(case.outputs)}
    outputs = {names.get(key, key): array for key, array in found.items()}
    return (
        Ran("ok", outputs, partial=parts != [npz]) if parts else Ran("refused", {}, "there are no outputs of this name")
    )
