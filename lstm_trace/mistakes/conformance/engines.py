"""An engine on each case, in a process of its own, and the outputs in its files."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from importlib.machinery import PathFinder
from itertools import combinations
from pathlib import Path
from time import monotonic
from typing import NamedTuple

from ...base.arrays import Array
from ...base.extras import versions
from ...base.program import run_apart, words_of
from ...base.writing import read_from, write_files
from ...errors import FileError, MissingError, OptionError, within
from ...weights.formats.arrays import small_arrays
from .cases import OUTPUTS, NodeCase, case_files
from .child import ENGINES, UNUSABLE

#: Characters of what an engine says that are kept, and bytes of its outputs that are read.
MOST_SAID, MOST_BYTES = 160, 1 << 20
HOLE = re.compile(r"\{(\w+)\}")
CHILD = (sys.executable, "-m", f"{__package__}.child")


class CaseVerdict(NamedTuple):
    """What became of a case: ok with outputs that are still to be judged, wrong, refused, crashed or hung.

    said: what is wrong with files, names and shapes, or what the engine said last. partial: whether outputs may be
    missing, as in files that hold one each. reading: of several, the one that the engine has, or is nearest to. off:
    the largest difference from its outputs. first: the address of the first value that is wrong. known: the verdict
    that is expected, other than ok; empty if none is.
    """

    case: NodeCase
    verdict: str
    outputs: Mapping[str, Array] = {}
    said: str = ""
    seconds: float = 0.0
    partial: bool = False
    reading: str = ""
    off: float | None = None
    first: str = ""
    known: str = ""

    @property
    def status(self) -> str:
        """ok, failed, expected (a failure that is known), or fixed (one that is known, and is gone)."""
        if self.verdict == "ok":
            return "fixed" if self.known else "ok"
        return "expected" if self.verdict == self.known else "failed"


class Engine(NamedTuple):
    """An engine: its title, and its command, with {model}, {inputs}, {outputs} and {case} to be filled in."""

    title: str
    command: tuple[str, ...]

    def run(self, case: NodeCase, opset: int, limit: float) -> CaseVerdict:
        """One case in a process of its own, on files of its own, at most `limit` seconds.

        Raises MissingError if the module or function cannot be imported there.
        """
        with tempfile.TemporaryDirectory(prefix="conformance-", ignore_cleanup_errors=True) as home:
            write_files(Path(home), case_files(case, opset))
            place, outputs = Path(home, case.folder), Path(home, "outputs.npz")
            places = {"model": place / "model.onnx", "inputs": place / "inputs.npz", "outputs": outputs, "case": place}
            began = monotonic()
            code, text = run_apart([HOLE.sub(lambda m: str(places[m[1]]), one) for one in self.command], home, limit)
            said = _short(text, home)
            if code == UNUSABLE and self.command[: len(CHILD)] == CHILD:
                raise MissingError(f"{self.title} cannot be called: {said}")
            if code is None:
                found = CaseVerdict(case, "hung", said=f"no answer in {limit:g} s")
            elif 0 < code < 128:
                found = CaseVerdict(case, "refused", said=said or f"exit code {code}")
            elif code == 0 and os.path.lexists(outputs):
                found = read_outputs(outputs.with_suffix(""), case)
            else:
                how = f"exit code {code}{', and no outputs' * (code == 0)}" if code >= 0 else ""
                verdict = "crashed" if code else "refused"  # as outputs that are missing elsewhere
                found = CaseVerdict(case, verdict, said="; ".join(filter(None, (how, said))))
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
        holes = {*HOLE.findall(value)}
        if "outputs" not in holes or not holes <= {"model", "inputs", "outputs", "case"}:
            expected = "expected {model}, {inputs} and {outputs} (or {case}, the folder of a case)"
            raise OptionError(f"--command {value!r}: {expected}; the outputs are written to {{outputs}}, as .npz")
        with within("--command"):
            words = words_of(value)
        return Engine(Path(words[0]).name, tuple(words))
    if kind == "engine":
        if not (version := versions([ENGINES[value]])):
            raise MissingError(f"{value} is not installed here: {sys.executable} -m pip install {ENGINES[value]}")
        title, value = version if version.startswith(value) else f"{value} ({version})", f"{__package__}.child:{value}"
    elif not PathFinder.find_spec(re.split("[.:]", value)[0], ["", *sys.path]) or (kind == "python") != (":" in value):
        expected = "package.module:function" if kind == "python" else "package.module"
        raise MissingError(f"--{kind} {value}: expected {expected} of a package that can be imported from here")
    return Engine(title, (*CHILD, value, "{model}", "{inputs}", "{outputs}"))


def read_outputs(place: Path, case: NodeCase) -> CaseVerdict:
    """What an engine wrote: PLACE.npz, PLACE.npy (the first output), or PLACE/output_0.npy, .pb or .bin.

    Outputs without a name, output_0, …, are those of the model in order.
    """
    whole = [path for suffix in (".npz", ".npy") if os.path.lexists(path := place.with_suffix(suffix))]
    files = (place / f"output_{k}{suffix}" for k in range(len(OUTPUTS)) for suffix in (".npy", ".pb", ".bin"))
    if not (paths := [*whole, *filter(os.path.lexists, files)]):
        return CaseVerdict(case, "refused", said="there are no outputs of this name")
    for path in paths:
        read_from(path)
    try:
        for one, other in combinations(paths, 2):
            if one in whole or one.stem == other.stem:
                raise FileError(f"{one} and {other}: two files for one output; leave one of them")
        found = small_arrays(paths, MOST_BYTES)
    except FileError as error:
        return CaseVerdict(case, "wrong", said=_short(str(error), place.parent))
    names = {f"{word}_{k}": name for k, name in enumerate(case.outputs) for word in ("output", "arr")}
    names[place.name] = case.outputs[0]
    outputs = {names.get(key, key): array for key, array in found.items()}
    for name, right in case.expected[0]["text"].items():
        if paths[0].suffix == ".bin" and name in outputs and outputs[name].shape == (right.size,):
            outputs[name] = outputs[name].reshape(right.shape)  # plain numbers have no shape
    return CaseVerdict(case, "ok", outputs, partial=paths[0].suffix != ".npz")
