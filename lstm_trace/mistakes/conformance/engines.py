"""An engine on each case, in a process of its own, and the outputs in its files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from importlib.machinery import PathFinder
from itertools import pairwise
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import numpy as np

from ...base.extras import versions
from ...base.program import run_apart
from ...base.writing import read_from
from ...errors import FileError, MissingError, OptionError
from ...weights.formats.arrays import bare_array, npz_arrays
from .cases import NodeCase, Outputs, write_case
from .child import ENGINES

#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 20
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

    def run(self, case: NodeCase, opset: int, limit: float) -> Ran:
        """One case in a process of its own, on files of its own, at most `limit` seconds."""
        with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as home:
            place, outputs = write_case(Path(home), case, opset), Path(home, "outputs.npz")
            places = {"model": place / "model.onnx", "inputs": place / "inputs.npz", "outputs": outputs, "case": place}
            began = monotonic()
            code, text = run_apart([HOLE.sub(lambda m: str(places[m[1]]), one) for one in self.command], home, limit)
            said = _short(text, home)
            if code is None:
                found = Ran("hung", {}, f"no answer in {limit:g} s")
            elif 0 < code < 128:
                found = Ran("refused", {}, said or f"exit code {code}")
            elif code == 0 and os.path.lexists(outputs):
                found = read_outputs(outputs.with_suffix(""), case)
            else:
                how = f"exit code {code}{', and no outputs' * (code == 0)}" if code >= 0 else ""
                found = Ran("crashed", {}, "; ".join(filter(None, (how, said))))
            return found._replace(seconds=monotonic() - began)


def _short(said: str, folder: str | Path) -> str:
    """A message of bounded length, on one line, with paths from `folder`: what stands at its end often says most."""
    said = " ".join(said.replace(f"{folder}{os.sep}", "").split())
    return said if len(said) <= MOST_SAID else re.sub(r"^(.{1,50})\b.*?\b(.{1,107})$", r"\1 … \2", said)


def engine(kind: str, value: str) -> Engine:
    """The engine that an option names: engine, python, backend or command.

    Raises OptionError for a command without places for files, MissingError for what is not installed.
    """
    title = value
    if kind == "command":
        try:
            words, holes = shlex.split(value), {*HOLE.findall(value)}
        except ValueError as error:
            raise OptionError(f"--command {value!r}: {error}; each quotation mark needs another one") from None
        if "outputs" not in holes or not holes <= {"model", "inputs", "outputs", "case"}:
            expected = "expected {model}, {inputs} and {outputs} (or {case}, the folder of a case)"
            raise OptionError(f"--command {value!r}: {expected}; the outputs are written to {{outputs}}, as .npz")
        if shutil.which(words[0]) is None:
            raise MissingError(f"--command: there is no program {words[0]}, or it may not be run; give its path")
        known = (before != "-m" and os.path.exists(word) for before, word in pairwise(["", *words]))  # not a module
        own = (os.path.abspath(word) if path else word for word, path in zip(words, known, strict=True))
        return Engine(Path(words[0]).name, tuple(own))
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
    parts = [path for path in (npz, npy) if os.path.lexists(path)][:1] or sorted(place.glob("output_[0-2].*"))
    if not parts:
        return Ran("refused", {}, "there are no outputs of this name")
    for part in parts:
        read_from(part)
    try:
        for part in parts:
            if not part.is_file() or part.stat().st_size > MOST_BYTES:
                raise FileError(f"{part}: expected a file of at most {MOST_BYTES:,} bytes")
        if parts == [npz]:
            with npz_arrays(npz) as opened:
                found = {key: np.asarray(array) for key, array in opened.items()}
        else:
            found = {"output_0" if part == npy else part.stem: bare_array(part) for part in parts}
    except FileError as error:
        return Ran("wrong", {}, _short(str(error), place.parent))
    names = {f"{word}_{k}": name for k, name in enumerate(case.outputs) for word in ("output", "arr")}
    outputs = {names.get(key, key): array for key, array in found.items()}
    return Ran("ok", outputs, partial=parts != [npz])
