"""Files of runs: there whole or not at all, the least recently used dropped first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

import lstm_trace as lt
from lstm_trace.runs import kept as keeping
from lstm_trace.runs import running
from lstm_trace.runs.errors import DroppedRunError
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


def test_what_is_known_of_dropped_runs_is_bounded(
    bounded: Callable[[Bounds], Kept], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = bounded(BOUNDS._replace(runs=2))
    run = kept.make(example="q22")
    for k in range(60):
        run = kept.edit(run, {"W_xi[0,0]": k / 8})
    assert len(names(kept, "safetensors")) == 2
    assert names(kept, "safetensors") <= names(kept, "json")
    for suffix in ("json", "gone"):
        assert 2 <= len(names(kept, suffix)) <= keeping.REMEMBERED * 2 + 3
    monkeypatch.setattr(keeping, "RECIPE", 10)  # of a large one nothing stays but its id
    kept.edit(run, {"W_xi[0,0]": -1.0})
    dropped = names(kept, "json") - names(kept, "safetensors")
    kept.edit(run, {"W_xi[0,0]": -2.0})
    assert len(names(kept, "json") - names(kept, "safetensors") - dropped) == 0


def test_a_dropped_run_is_made_again_as_it_was(bounded: Callable[[Bounds], Kept]) -> None:
    kept = bounded(BOUNDS._replace(runs=1))
    run = kept.edit(kept.make(example="three-steps"), {"b_f[0]": 0.3}, arithmetic="by-hand-3")
    trace, said = lt.load(kept.path(run)), running.reply(kept.path(run))
    lines = {name: values.copy() for name, values in trace.items()}
    kept.make(example="q22")
    assert run["id"] not in names(kept, "safetensors")
    assert running.remake(b"", kept.path(run), kept.bounds).id == run["id"]
    assert names(kept, "safetensors") == {run["id"]}
    again = lt.load(kept.path(run))
    assert all((again[name] == values).all() for name, values in lines.items())
    assert running.reply(kept.path(run)) == said


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


def test_an_open_trace_is_not_read_again(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept.make(example="q22")
    keeping._open.clear()
    first = keeping.opened(kept.path(run))
    monkeypatch.setattr("lstm_trace.trace.files.trace_file.load", lambda path: pytest.fail("read again"))
    assert keeping.opened(kept.path(run)) is first
    assert len(keeping._open) <= keeping.OPEN
    assert isinstance(first, lt.Trace)
