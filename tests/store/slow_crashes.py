"""A store after its server was killed, and under several servers."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from .. import ROOT

pytest.importorskip("sqlalchemy")

from lstm_trace.store.store import Store

from .uploader import FACTS, UPLOADS, add, content

KILLS = 6


def process(url: str, folder: Path, what: str, seed: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "tests.store.uploader", url, str(folder), what, str(seed)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def ended_well(*processes: subprocess.Popen[str]) -> None:
    said = [one.communicate(timeout=120)[1] for one in processes]
    assert (said, {one.returncode for one in processes}) == ([""] * len(said), {0})


def files(folder: Path) -> dict[str, Path]:
    return {path.name: path for path in folder.iterdir() if path.name != ".store"}


def test_a_killed_server_leaves_nothing_half(url: str, tmp_path: Path) -> None:
    folder, rng, told = tmp_path / "files", np.random.default_rng(1), {}
    for seed in range(KILLS):
        one = process(url, folder, "upload", seed)
        assert one.stdout is not None
        first = one.stdout.readline()
        time.sleep(rng.uniform(0, 0.15))
        one.kill()
        rest, said = one.communicate()
        assert said == ""
        rows = (first + rest).splitlines()
        assert 0 < len(rows) < UPLOADS
        told |= {own: content(seed, int(n)) for own, n in map(str.split, rows)}

    store = Store(url, folder)
    assert store.missing == []
    items, total = store.find(limit=1000)
    kept = {item["id"]: item for item in items}
    assert total == len(kept)
    assert told.keys() <= kept.keys()  # what a client was told of is there; of the last of each kill it may not know
    assert total <= len(told) + KILLS
    whole = {hashlib.sha256(content(seed, n)).hexdigest() for seed in range(KILLS) for n in range(UPLOADS)}
    for own, item in kept.items():
        found = store.path(own).read_bytes()
        assert (len(found), hashlib.sha256(found).hexdigest()) == (item["bytes"], item["sha256"])
        assert item["sha256"] in whole
        assert item["tags"] == ["a", "b"]
        assert own not in told or found == told[own]
    for name, path in files(folder).items():  # what has its name is whole, with a row or not yet
        assert name.endswith(".part") or hashlib.sha256(path.read_bytes()).hexdigest() in whole
    store.close()

    left = files(folder).keys() - {f"{own}.json" for own in kept}
    assert all(name.endswith((".part", ".json")) for name in left)
    for name in left:
        os.utime(folder / name, (0, 0))
    store = Store(url, folder)
    assert files(folder).keys() == {f"{own}.json" for own in kept}
    assert add(store, [b"on"], FACTS, "on.json")["bytes"] == 2
    store.close()


def test_servers_that_start_at_once_share_a_store(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    ended_well(*(process(url, folder, "mix", seed) for seed in range(4)))
    store = Store(url, folder)
    items, total = store.find(limit=1000)
    assert total == len(items) > 0
    assert not any(item["missing"] for item in items)
    assert files(folder).keys() == {f"{item['id']}.json" for item in items}
    for item in items:  # the last to edit one has written title and tags both
        assert (item["tags"] == ["new"]) == (not item["title"].startswith("by "))
    store.close()
