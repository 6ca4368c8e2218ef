"""Runs of a folder: found by their ids, made by workers, shared by servers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.errors import MissingError
from lstm_trace.runs.asked import DroppedRunError, UnknownRunError

pytest.importorskip("anyio")

from lstm_trace.runs.runs import RunId, Runs

from ..support.kept_runs import BOUNDS

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Here:
    """Calls functions where it is."""

    async def call(self, function: Callable[..., Any], *args: Any, progress: Any = None) -> Any:
        return function(*args)


class Files:
    """A library of one model."""

    def __init__(self, folder: Path) -> None:
        self.file, self.sha256 = folder / "abc.npz", "0" * 64
        np.savez(self.file, W_xi=np.ones((1, 1)), W_hi=np.ones((1, 1)))

    def item(self, id: str) -> dict[str, Any]:
        if id != "m1":
            raise MissingError(f"there is no item {id!r}")
        return {"sha256": self.sha256, "label": "mine.npz"}

    def path(self, id: str) -> Path:
        return self.file


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "runs", BOUNDS, Here(), Files(tmp_path))


@pytest.mark.parametrize("run", ["", "..", "../../etc/passwd", "0" * 31, "0" * 33, "A" * 32, "0" * 31 + "\n", "0" * 32])
async def test_an_id_that_is_none_is_not_looked_for(runs: Runs, run: str) -> None:
    with pytest.raises(UnknownRunError, match="POST /api/v1/runs makes one"):
        runs.path(run)


async def test_no_id_leads_out_of_the_folder(runs: Runs, tmp_path: Path) -> None:
    for suffix in ("safetensors", "json"):
        (tmp_path / f"secret.{suffix}").touch()
    assert (runs.folder / "../secret.safetensors").exists()
    for way in (runs.path, runs.check):
        with pytest.raises(UnknownRunError):
            way("../secret")
    with pytest.raises(UnknownRunError):
        await runs.ready("../secret")


async def test_a_run_is_made_found_and_dropped(tmp_path: Path) -> None:
    runs = Runs(tmp_path / "runs", BOUNDS._replace(runs=1), Here(), Files(tmp_path))
    made = await runs.make(b'{"example": "q22"}')
    path = runs.path(made.id)
    assert path.exists()
    other = await runs.edit(made.id, b'{"edits": [{"address": "0/forward/W_xi[0,0]", "value": 0.5}]}')
    assert (other.new, json.loads(other.reply)["parent"]) == (True, made.id)
    assert runs.path(other.id).exists()
    with pytest.raises(DroppedRunError, match="no longer kept"):
        runs.path(made.id)
    assert await runs.ready(made.id) == str(path)  # it is made again, and the other one dropped
    assert path.exists()
    again = await runs.edit(other.id, b'{"edits": [{"address": "0/forward/W_xi[0,0]", "value": 0.75}]}')
    assert json.loads(again.reply)["parent"] == other.id
    path.with_suffix(".json").unlink()
    path.with_suffix(".gone").touch()
    with pytest.raises(DroppedRunError):
        await runs.ready(made.id)


async def test_two_servers_share_a_folder(tmp_path: Path) -> None:
    one, two = (Runs(tmp_path / "runs", BOUNDS, Here(), Files(tmp_path)) for _ in range(2))
    made = await one.make(b'{"example": "q22"}')
    assert two.path(made.id) == one.path(made.id)
    assert not (await two.make(b'{"example": "q22"}')).new


async def test_a_dropped_run_of_a_model_needs_that_file(tmp_path: Path) -> None:
    files = Files(tmp_path)
    np.savez(files.file, **{f"W_{a}{gate}": np.ones((1, 1)) for a in "xh" for gate in "ifco"})  # type: ignore[arg-type]
    runs = Runs(tmp_path / "runs", BOUNDS, Here(), files)
    made = await runs.make(b'{"model": "m1", "x": [[1.0], [2.0]]}')
    path = runs.path(made.id)
    content = path.read_bytes()
    path.unlink()
    assert (await runs.ready(made.id), path.read_bytes()) == (str(path), content)
    path.unlink()
    files.sha256 = "1" * 64  # another file
    with pytest.raises(DroppedRunError):
        await runs.ready(made.id)


async def test_a_model_of_the_library(runs: Runs) -> None:
    spec = {"model": "m1", "x": [[1.0]], "equations": "h_t = tanh(W_xi @ x_t)\noutput: h_t"}
    with pytest.raises(MissingError):
        await runs.make(json.dumps({**spec, "model": "m2"}).encode())
    with pytest.raises(MissingError, match=r"mine\.npz"):  # an LSTM needs more weights than it has
        await runs.make(json.dumps(spec).encode())


class Dropping(Here):
    """Whatever is called, a run is dropped `times` times before it can be read."""

    def __init__(self, times: int) -> None:
        self.times = times

    async def call(self, function: Callable[..., Any], *args: Any, progress: Any = None) -> Any:
        if function is Path.read_bytes and self.times:
            self.times -= 1
            Path(args[0]).unlink()
            raise DroppedRunError("gone")
        return function(Path(args[0])) if function is Path.read_bytes else function(*args)


@pytest.mark.parametrize("times", [0, 1, 4, 5])
async def test_a_run_that_is_dropped_before_it_is_read_is_made_again(tmp_path: Path, times: int) -> None:
    """Each time: with many clients and few runs others push it out again."""
    runs = Runs(tmp_path / "runs", BOUNDS, Dropping(times), Files(tmp_path))
    made = await runs.make(b'{"example": "q22"}')
    path = runs.path(made.id)
    content = path.read_bytes()
    if times < 5:
        assert await runs.call(Path.read_bytes, RunId(made.id)) == content
    else:
        with pytest.raises(DroppedRunError):
            await runs.call(Path.read_bytes, RunId(made.id))


async def test_arguments_have_the_paths_of_the_runs_that_they_name(runs: Runs) -> None:
    made = await runs.make(b'{"example": "q22"}')
    path = str(runs.path(made.id))
    runs.path(made.id).unlink()
    found = await runs.call(lambda *args: args, RunId(made.id), made.id, RunId(made.id), (1, "a"))
    assert found == (path, made.id, path, (1, "a"))
    assert runs.path(made.id).exists()


async def test_a_run_is_opened_before_it_can_be_dropped(runs: Runs) -> None:
    made = await runs.make(b'{"example": "q22"}')
    content = runs.path(made.id).read_bytes()
    for _ in range(2):
        with await runs.open(made.id) as file:
            runs.path(made.id).unlink()
            assert file.read() == content
