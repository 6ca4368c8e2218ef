"""Files of runs: there whole or not at all, the least recently used dropped first."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text
from lstm_trace.runs import kept as keeping, running
from lstm_trace.runs.asked import DroppedRunError, RunFolderError
from lstm_trace.runs.kept import Bounds

from ..support.kept_runs import BOUNDS, Kept


def names(kept: Kept, suffix: str) -> set[str]:
    return {path.stem for path in kept.folder.glob(f"*.{suffix}")}


def aged(kept: Kept, run: dict[str, str], seconds: float) -> None:
    for suffix in ("json", "safetensors"):
        os.utime(kept.folder / f"{run['id']}.{suffix}", (time.time() - seconds,) * 2)


def test_the_least_recently_used_goes_first(bounded: Callable[[Bounds], Kept]) -> None:
    kept = bounded(BOUNDS._replace(runs=3))
    runs = [kept.make(example=name) for name in ("q19", "q20", "q21")]
    for age, run in enumerate(reversed(runs)):
        aged(kept, run, 100 + age)
    assert keeping.is_there(kept.folder / f"{runs[0]['id']}.safetensors")  # used again
    last = kept.make(example="q22")
    assert names(kept, "safetensors") == {run["id"] for run in (runs[0], runs[2], last)}
    assert names(kept, "json") == {run["id"] for run in (*runs, last)}  # from which it can be made again
    assert kept.make(example="q20")["id"] == runs[1]["id"]
    assert runs[1]["id"] in names(kept, "safetensors")


def test_the_bytes_of_all_are_bounded_but_the_latest_stays(bounded: Callable[[Bounds], Kept]) -> None:
    kept = bounded(BOUNDS._replace(bytes=1))
    kept.make(example="q19")
    last = kept.make(example="q20")
    assert names(kept, "safetensors") == {last["id"]}


@pytest.mark.few(0)
def test_what_is_known_of_dropped_runs_is_bounded(
    bounded: Callable[[Bounds], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = bounded(BOUNDS._replace(runs=2))
    run = kept.make(example="q22")
    for k in range(60):
        run = kept.edit(run, {"0/forward/W_xi[0,0]": k / 8})
    assert len(names(kept, "safetensors")) == 2
    assert names(kept, "safetensors") <= names(kept, "json")
    for suffix in ("json", "gone"):
        assert 2 <= len(names(kept, suffix)) <= keeping.REMEMBERED * 2 + 3
    monkeypatch.setattr(keeping, "RECIPE", 10)  # of a large one nothing stays but its id
    kept.edit(run, {"0/forward/W_xi[0,0]": -1.0})
    dropped = names(kept, "json") - names(kept, "safetensors")
    kept.edit(run, {"0/forward/W_xi[0,0]": -2.0})
    assert len(names(kept, "json") - names(kept, "safetensors") - dropped) == 0


def test_a_dropped_run_is_made_again_as_it_was(bounded: Callable[[Bounds], Kept]) -> None:
    kept = bounded(BOUNDS._replace(runs=1))
    run = kept.edit(kept.make(example="three-steps"), {"0/forward/b_f[0]": 0.3}, arithmetic="by-hand-3")
    trace, said = lt.load(kept.path(run)), running.run(kept.path(run))
    lines = {name: values.copy() for name, values in trace.items()}
    kept.make(example="q22")
    assert run["id"] not in names(kept, "safetensors")
    assert running.remake(b"", kept.path(run), kept.bounds).id == run["id"]
    assert names(kept, "safetensors") == {run["id"]}
    again = lt.load(kept.path(run))
    assert all((again[name] == values).all() for name, values in lines.items())
    assert running.run(kept.path(run)) == said


def test_a_run_is_there_when_both_files_are(kept: Kept) -> None:
    for suffix in ("json", "safetensors"):  # as after a kill between the two
        run = kept.make(example="q22")
        (kept.folder / f"{run['id']}.{suffix}").unlink()
        assert running.make(b'{"example": "q22"}', str(kept.folder), BOUNDS).new


def test_what_a_killed_writer_left_goes(kept: Kept) -> None:
    old, new = (kept.folder / f".{name}.safetensors.lstm-trace-abcdefgh.part" for name in ("a", "b"))
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 2 * keeping.LEFT,) * 2)
    kept.make(example="q22")
    assert (old.exists(), new.exists()) == (False, True)


def test_a_run_that_is_dropped_while_it_is_asked_for(kept: Kept) -> None:
    run = kept.make(example="q22")
    path = kept.path(run)
    keeping._open.clear()
    os.unlink(path)
    os.unlink(path.replace(".safetensors", ".json"))
    with pytest.raises(DroppedRunError, match="no longer kept"):
        keeping.opened(path)
    with pytest.raises(DroppedRunError, match="no longer kept"):
        keeping.record(path)


def cut(path: Path) -> None:
    os.truncate(path, 0)


def shorter(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 9)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 1
    path.write_bytes(content)


def replaced(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "mine.txt").write_text("kept", encoding="utf-8")


DAMAGE = (cut, shorter, flipped, replaced)


@pytest.mark.few(2)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("held", [True, False])
def test_a_damaged_run_is_made_again(kept: Kept, damage: Callable[[Path], None], suffix: str, held: bool) -> None:
    run = kept.make(example="q22")
    path = kept.folder / f"{run['id']}.{suffix}"
    damage(path)
    if not held:
        keeping._open.clear()
    if suffix == "json" or damage is not flipped or not held:  # a flip in place is no news to who has it in memory
        again = running.make(b'{"example": "q22"}', str(kept.folder), BOUNDS)
        assert (again.id, again.new) == (run["id"], True)
    trace = keeping.opened(kept.path(run))
    for line, values in lt.run(yaml.safe_load(text("q22"))).lines["0/forward"].items():
        np.testing.assert_array_equal(trace[line], values)
    assert json.loads(running.run(kept.path(run)))["title"] == run["title"]
    aside = list(kept.folder.glob("*.damaged/mine.txt"))
    assert len(aside) == (damage is replaced)  # a folder is not ours to empty


def test_another_runs_files_are_not_served_as_this_one(kept: Kept) -> None:
    run, other = kept.make(example="q22"), kept.edit(kept.make(example="q22"), {"0/forward/W_xi[0,0]": 0.5})
    keeping._open.clear()
    shutil.copy(kept.path(other), kept.path(run))
    with pytest.raises(DroppedRunError):
        keeping.opened(kept.path(run))
    assert running.remake(b"", kept.path(run), BOUNDS).id == run["id"]
    assert keeping.opened(kept.path(run))["i_t"][0, 0, 0] == lt.run(yaml.safe_load(text("q22")))["i_t"][0, 0, 0]
    shutil.copy(kept.folder / f"{other['id']}.json", kept.folder / f"{run['id']}.json")
    with pytest.raises(DroppedRunError):
        keeping.record(kept.path(run))


def test_what_is_wrong_with_the_folder_is_said_without_it(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept.make(example="q22")
    for name, told in ((errno.ENOSPC, "no space left on device"), (errno.EACCES, "permission denied")):

        def fail(*_: object, said: int = name) -> None:
            raise OSError(said, os.strerror(said), str(kept.folder / "x"))

        with monkeypatch.context() as patched:
            patched.setattr("os.replace", fail)
            with pytest.raises(RunFolderError) as error:
                kept.make(example="q21")
            assert str(error.value) == f"the run cannot be kept: {told}"
    keeping._open.clear()
    with monkeypatch.context() as patched:
        patched.setattr(keeping, "_seal", fail)
        with pytest.raises(RunFolderError, match=r"^the run cannot be read: permission denied$"):
            keeping.opened(kept.path(run))
    shutil.rmtree(kept.folder)
    with pytest.raises(RunFolderError, match=r"^the run cannot be kept: no such file or directory$"):
        kept.make(example="q21")


def test_the_seal_of_a_large_file_is_of_parts_of_it(tmp_path: Path) -> None:
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.truncate(1 << 30)
    began = time.perf_counter()
    empty = keeping._seal(path)
    assert time.perf_counter() - began < 0.2
    with open(path, "r+b") as file:
        file.write(b"x")
    assert keeping._seal(path) != empty
    with open(path, "r+b") as file:
        file.truncate((1 << 30) + 1)
        file.write(b"\0")
    assert keeping._seal(path) != empty


def test_an_open_trace_is_not_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept.make(example="q22")
    keeping._open.clear()
    first = keeping.opened(kept.path(run))
    monkeypatch.setattr("lstm_trace.trace.files.trace_file.load", lambda path: pytest.fail("read again"))
    assert keeping.opened(kept.path(run)) is first
    assert len(keeping._open) <= keeping.OPEN
    assert isinstance(first, lt.Trace)
