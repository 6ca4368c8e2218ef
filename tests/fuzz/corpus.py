"""Files of a small corpus, damaged at random: verify never says verified of states that are not those of the run, nor
status done of a file that was cut off, and a run restores every part to the same bytes."""

from __future__ import annotations

import random
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import lstm_trace as lt

#: Three parts or so, of several sequences each.
_HOW: dict[str, Any] = {"steps_per_part": 20, "record": ["c_t", "h_t"]}
_FORMATS = ("parquet", "safetensors")


class _Whole(NamedTuple):
    """A model, its input, and by format the folder of its states with the bytes of all files."""

    model: Any
    inputs: Path
    folders: dict[str, Path]
    files: dict[str, dict[str, bytes]]


def check(rng: random.Random, folder: Path) -> str:
    """One to three damages of a copy of the folder, or none."""
    whole, format = _whole(), rng.choice(_FORMATS)
    home = folder / f"{rng.getrandbits(64):x}"
    shutil.copytree(whole.folders[format], home)
    before = whole.files[format]
    names = sorted(name for name in before if name.startswith("part-"))
    kinds = [rng.choice(list(_DAMAGES)) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    for kind in kinds:
        _DAMAGES[kind](rng, home, names)
    parts = _contents(home, "part-*")
    same = parts == {name: before[name] for name in names}
    lost = [n for n in names if n not in parts or len(parts[n]) != len(before[n])]
    states = lt.corpus.open(home)
    found = states.verify(rng.choice((1, None)))
    assert found.verdict == ("verified" if same else "failed"), f"{kinds}: {found}"
    assert same or found.faults
    from lstm_trace.corpus.part_file import damaged

    done = {span.number for span in states.spans} - set(damaged(states))
    assert done.isdisjoint(int(name[5:10]) for name in lost), f"{kinds}: {lost} are said to be done"
    for extra in set(parts) - set(names):  # a run refuses to begin beside it
        (home / extra).unlink()
    told: list[str] = []
    again = lt.corpus.run(whole.model, whole.inputs, home, format=format, **_HOW, tell=told.append)
    assert _contents(home, "part-*") == {name: before[name] for name in names}, f"{kinds}: {told}"
    assert again.verify(1).verdict == "verified"
    shutil.rmtree(home)
    return "whole" if same else " and ".join(sorted(set(kinds)))[:40] if len(kinds) == 1 else "several damages"


def _contents(folder: Path, pattern: str = "*") -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob(pattern)}


def _truncated(rng: random.Random, home: Path, names: list[str]) -> None:
    path = _one(rng, home, names)
    content = path.read_bytes()
    path.write_bytes(content[: rng.choice((0, rng.randrange(len(content) + 1), max(len(content) - 1, 0)))])


def _flipped(rng: random.Random, home: Path, names: list[str]) -> None:
    path = _one(rng, home, names)
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 1, 5)) if content else 0):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)


def _zeroed(rng: random.Random, home: Path, names: list[str]) -> None:
    path = _one(rng, home, names)
    content = bytearray(path.read_bytes())
    first = rng.randrange(len(content) + 1)
    stop = min(len(content), first + rng.choice((1, 16, 512, len(content))))
    content[first:stop] = bytes(stop - first)
    path.write_bytes(content)


def _longer(rng: random.Random, home: Path, names: list[str]) -> None:
    path = _one(rng, home, names)
    content = path.read_bytes()
    at = rng.choice((0, len(content), rng.randrange(len(content) + 1)))
    path.write_bytes(content[:at] + rng.randbytes(rng.choice((1, 8, 600))) + content[at:])


def _swapped(rng: random.Random, home: Path, names: list[str]) -> None:
    one, other = (home / name for name in rng.sample(names, 2))
    first, second = (path.read_bytes() if path.exists() else b"" for path in (one, other))
    one.write_bytes(second)
    other.write_bytes(first)


def _deleted(rng: random.Random, home: Path, names: list[str]) -> None:
    _one(rng, home, names).unlink()


def _duplicated(rng: random.Random, home: Path, names: list[str]) -> None:
    path = _one(rng, home, names)
    copy = home / f"part-{rng.choice((*range(len(names)), 90_000)):05}{path.suffix}"
    if copy != path:
        shutil.copy(path, copy)


def _one(rng: random.Random, home: Path, names: list[str]) -> Path:
    """One of the files that are there; a new one in the place of the first if there is none."""
    there = [home / name for name in names if (home / name).exists()]
    if not there:
        (home / names[0]).write_bytes(b"PAR1")
        return home / names[0]
    return rng.choice(there)


_DAMAGES = {
    "cut off": _truncated,
    "bits flipped": _flipped,
    "zeroed": _zeroed,
    "longer": _longer,
    "swapped": _swapped,
    "deleted": _deleted,
    "duplicated": _duplicated,
}


@cache
def _whole() -> _Whole:
    import json

    home = Path(tempfile.mkdtemp(prefix="lstm-trace-fuzz-"))
    numbers = np.random.default_rng(1)
    weights = {f"W_{side}{gate}": numbers.normal(size=(3, 3)) for side in "xh" for gate in "ifco"}
    model = lt.prepare(weights, dtype="float32")
    with (home / "x.jsonl").open("w") as file:
        for k in range(9):
            x = numbers.normal(size=(numbers.integers(3, 9), 3))
            file.write(json.dumps({"seq_id": k, "x": x.tolist(), "token": ["ab"[k % 2]] * len(x)}) + "\n")
    folders = {format: home / format for format in _FORMATS}
    for format, folder in folders.items():
        lt.corpus.run(model, home / "x.jsonl", folder, format=format, **_HOW)
    return _Whole(model, home / "x.jsonl", folders, {format: _contents(folder) for format, folder in folders.items()})
