"""Small files that ask for much, files that others may have written, and what killed writers leave."""

from __future__ import annotations

import json
import os
import stat
import struct
import sys
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.files import read_data
from lstm_trace.base.writing import written
from lstm_trace.engine.jit import machine
from lstm_trace.errors import FileError, OptionError
from lstm_trace.model.problem import read_problem
from lstm_trace.weights import guards
from lstm_trace.weights.formats import hdf5
from lstm_trace.weights.read import read_model

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX files and signals")
RNG = np.random.default_rng(3)
WEIGHTS = {f"W_x{g}": RNG.normal(size=(3, 2)) for g in "ifco"} | {f"W_h{g}": RNG.normal(size=(3, 3)) for g in "ifco"}

# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["a" + ".a" * 20_000 + " = 1\n", "[" + "'a' . " * 40 + "b]\n", "x = {" + "a." * 40 + "b = 1}\n"],
    ids=["key", "table", "inline"],
)
def test_a_toml_key_of_many_parts(text: str) -> None:
    began = time.perf_counter()
    with pytest.raises(FileError, match=r"^deep\.toml: line 2: a key of more than 32 parts"):
        read_data("deep.toml", ("title = 'x'\n" + text).encode())
    assert time.perf_counter() - began < 2  # it took 1.6 GB and a minute


def test_ordinary_toml_is_read() -> None:
    text = "a.b.'c.d' = 1\nx = [" + "0.5, " * 200 + "]\nsays = 'e.g. " + "one. two. " * 40 + "'\n[t.u.v]\nw = 2.5\n"
    found = read_data("plain.toml", text.encode())
    assert found["a"]["b"]["c.d"] == 1
    assert len(found["x"]) == 200
    assert found["t"]["u"]["v"]["w"] == 2.5


def test_a_json_key_that_stands_twice_is_found_at_once() -> None:
    keys = "".join(f'"k{n}": 1, ' for n in range(30_000))
    began = time.perf_counter()
    with pytest.raises(FileError, match="duplicate key 'z'"):
        read_data("twice.json", f'{{{keys}"z": 1, "z": 2}}'.encode())
    assert time.perf_counter() - began < 5  # it took half a minute and more


def test_a_text_that_would_not_fit_into_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.base.files.available", lambda: 100_000_000)
    with pytest.raises(FileError, match=r"a text of 390\.6 KiB may need 133\.5 MiB of memory, and 95\.4 MiB are free"):
        read_data("x.yaml", b"a: [" + b"1," * 199_997 + b"]\n")
    assert len(read_data("x.json", b"[" + b"1," * 199_999 + b"1]")) == 200_000


# -- archives --------------------------------------------------------------------------------------------------------


def test_an_archive_that_promises_more_entries_than_it_lists(tmp_path: Path) -> None:
    """One flipped bit in a length of the list makes zipfile pass over the entries that follow."""
    path = tmp_path / "model.npz"
    np.savez(path, weight_ih_l0=np.ones((12, 2)), weight_hh_l0=np.ones((12, 3)), spare=np.ones(3), last=np.ones(3))
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    content[at + 33] ^= 1  # the high byte of the length of a comment: 256 bytes more
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"the archive promises 4 entries and lists [23]: it is damaged"):
        read_model(path)


# -- the compiled cache ----------------------------------------------------------------------------------------------


@pytest.fixture
def place(tmp_path: Path) -> Path:
    found = tmp_path / "cache"
    found.mkdir(mode=0o700)
    return found


def test_an_entry_that_is_ours_is_read(place: Path) -> None:
    machine.write_entry(place, "a.o", b"code")
    assert machine.read_entry(place, "a.o") == b"code"
    assert stat.S_IMODE((place / "a.o").stat().st_mode) & 0o022 == 0 or sys.platform == "win32"


@posix
def test_a_pipe_among_the_entries_is_not_waited_for(place: Path) -> None:
    os.mkfifo(place / "a.o")
    done = threading.Thread(target=machine.read_entry, args=(place, "a.o"), daemon=True)
    done.start()
    done.join(5)
    assert not done.is_alive()
    machine.write_entry(place, "a.o", b"code")
    assert machine.read_entry(place, "a.o") == b"code"


@posix
@pytest.mark.parametrize("mode", [0o666, 0o620, 0o602])
def test_an_entry_that_others_may_write_is_not_used(place: Path, mode: int) -> None:
    machine.write_entry(place, "a.o", b"code")
    (place / "a.o").chmod(mode)
    assert machine.read_entry(place, "a.o") is None


@posix
def test_an_entry_that_is_a_link_is_not_used(place: Path) -> None:
    machine.write_entry(place, "a.o", b"code")
    (place / "a.o").rename(place.parent / "elsewhere")
    (place / "a.o").symlink_to(place.parent / "elsewhere")
    assert machine.read_entry(place, "a.o") is None


def test_an_entry_under_another_name_or_of_another_making_is_not_used(place: Path) -> None:
    import hashlib

    machine.write_entry(place, "a.o", b"code")
    (place / "b.o").write_bytes((place / "a.o").read_bytes())
    (place / "b.o").chmod(0o600)
    assert machine.read_entry(place, "b.o") is None
    for digest in (
        hashlib.sha256(b"junk"),
        hashlib.sha256(b"c.o\0junk"),
        hashlib.blake2b(b"c.o\0junk", digest_size=32),
    ):
        (place / "c.o").write_bytes(digest.digest() + b"junk")
        (place / "c.o").chmod(0o600)
        assert machine.read_entry(place, "c.o") is None


@pytest.mark.parametrize("key", [None, b"", b"k" * 31, b"k" * 32, b"k" * 33])
def test_entries_of_another_key_are_not_used_and_are_written_anew(place: Path, key: bytes | None) -> None:
    machine.write_entry(place, "a.o", b"code")
    (place / machine.KEY).unlink()
    if key is not None:
        (place / machine.KEY).write_bytes(key)
        (place / machine.KEY).chmod(0o600)
    assert machine.read_entry(place, "a.o") is None
    machine.write_entry(place, "a.o", b"code")
    assert machine.read_entry(place, "a.o") == b"code"


def test_every_directory_has_a_key_of_its_own(place: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir(mode=0o700)
    for here in (place, tmp_path / "other"):
        machine.write_entry(here, "a.o", b"code")
    (place / "a.o").write_bytes((tmp_path / "other" / "a.o").read_bytes())
    assert machine.read_entry(place, "a.o") is None
    machine.write_entry(place, "b.o", b"more")
    assert machine.read_entry(place, "b.o") == b"more"


@posix
def test_a_key_that_others_may_write_is_not_used(place: Path) -> None:
    machine.write_entry(place, "a.o", b"code")
    (place / machine.KEY).chmod(0o666)
    assert machine.read_entry(place, "a.o") is None
    machine.write_entry(place, "a.o", b"code")
    assert stat.S_IMODE((place / machine.KEY).stat().st_mode) & 0o022 == 0


@posix
def test_an_entry_beyond_all_measure_is_not_read(place: Path) -> None:
    with open(os.open(place / "a.o", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.truncate(1 << 40)
    assert machine.read_entry(place, "a.o") is None


# -- one trace, two runs ---------------------------------------------------------------------------------------------


def test_a_trace_is_written_by_one_run_at_a_time() -> None:
    """The second run comes while the first reports its progress: it is refused, and the first is right."""
    model = lt.prepare(WEIGHTS)
    first, second = RNG.normal(size=(6, 2)), RNG.normal(size=(6, 2))
    expected = model.run(first, plan="planned")
    out = model.run(second, plan="planned")
    refused = []

    def other(plan: Any) -> None:
        with pytest.raises(OptionError, match="another run is writing into this trace; give each thread a trace"):
            model.run(second, out=out, plan=plan)
        refused.append(plan)

    def meanwhile(done: int, total: int) -> None:
        for plan in ("planned", "lines", "auto"):
            thread = threading.Thread(target=other, args=(plan,))
            thread.start()
            thread.join(10)

    out = model.run(first, out=out, plan="planned", progress=meanwhile)
    assert refused == ["planned", "lines", "auto"]
    for name, values in expected.lines["0/forward"].items():
        np.testing.assert_array_equal(out[name], values)
    out = model.run(second, out=out, plan="planned")  # and then it is free again
    np.testing.assert_array_equal(out["h_t"], model.run(second, plan="planned")["h_t"])


def test_a_run_that_fails_lets_go_of_the_trace() -> None:
    model = lt.prepare(WEIGHTS)
    out = model.run(np.ones((6, 2)), plan="planned")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.run(np.ones((6, 2)), out=out, plan="planned", progress=stop)
    model.run(np.ones((6, 2)), out=out, plan="planned")


@pytest.mark.parametrize("key", ["first", "steps", "batch"])
def test_a_count_beyond_all_counts_is_refused_in_one_short_message(tmp_path: Path, key: str) -> None:
    path = tmp_path / "trace.json"
    lt.run(WEIGHTS, np.ones((2, 2))).save(path)
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, key: 10**400}))
    said = "expected a number less than or equal to 9007199254740991, found a whole number of some 401 digits"
    with pytest.raises(FileError, match=rf"trace\.json: {key}: {said}$") as raised:
        lt.load(path)
    assert len(raised.value.problems) == 1


@pytest.mark.few(0)
def test_the_nearest_name_is_not_looked_for_thousands_of_times() -> None:
    text = "".join(f"k{n}: 1\n" for n in range(5000))
    with pytest.raises(FileError) as raised:
        read_problem("many.yaml", text.encode())
    assert len(raised.value.problems) == 5000
    assert raised.value.problems[0].startswith("many.yaml: unknown key 'k0'; is it a weight? Indent it")
    assert raised.value.problems[-1] == "many.yaml: unknown key 'k4999'"


# -- archives that hold more than they say ---------------------------------------------------------------------------


def lying(path: Path, method: int, claimed: int, name: str = "W_xi.npy") -> Path:
    """An archive whose entry claims `claimed` bytes and holds 300 MB; before it enough bytes to be no suspect."""
    with zipfile.ZipFile(path, "w", method) as file, file.open(name, "w") as entry:
        np.lib.format.write_array_header_1_0(
            entry, {"descr": "<f8", "fortran_order": False, "shape": (claimed // 8 - 16, 1)}
        )
        for _ in range(300):
            entry.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.find(mark) + at, claimed)
    path.write_bytes(bytes(1 << 18) + content)
    return path


@pytest.mark.few(0)
def test_an_entry_that_holds_more_than_it_says_is_not_unpacked_whole(tmp_path: Path) -> None:
    path = lying(tmp_path / "m.zip", zipfile.ZIP_DEFLATED, 1 << 20)
    with guards.archive(path) as opened:
        tracemalloc.start()
        with pytest.raises(zipfile.BadZipFile):
            guards.content(opened, "W_xi.npy")
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_a_configuration_of_many_megabytes_is_no_model() -> None:
    with pytest.raises(FileError, match=r"^m\.keras: the model's configuration has 16,777,217 characters; at most "):
        hdf5.parsed("[" * ((1 << 24) + 1), "m.keras")


# -- what killed writers leave ---------------------------------------------------------------------------------------


def test_a_leftover_that_is_a_pipe_or_a_link_is_left(tmp_path: Path) -> None:
    target = tmp_path / "trace.json"
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / ".trace.json.lstm-trace-aaaaaaaa.part")
    (tmp_path / "mine").write_text("mine")
    link = tmp_path / ".trace.json.lstm-trace-bbbbbbbb.part"
    link.symlink_to(tmp_path / "mine")
    with written(target) as file:
        json.dump({}, file)
    assert target.read_text() == "{}"
    assert (tmp_path / "mine").read_text() == "mine"
    assert link.is_symlink()


def test_a_users_own_file_or_folder_of_a_similar_name_is_left(tmp_path: Path) -> None:
    target = tmp_path / "trace.json"
    files = [tmp_path / f".trace.json.{rest}" for rest in ("download.part", "lstm-trace-aaaaaaaa.rows", "part")]
    folders = [tmp_path / f".trace.json.{rest}" for rest in ("holidays.rows", "lstm-trace-bbbbbbbb.part")]
    for folder in folders:
        folder.mkdir()
    files += [folder / "mine" for folder in folders]
    for path in files:
        path.write_text("mine")
    with written(target) as file:
        file.write("{}")
    assert [path.read_text() for path in files] == ["mine"] * len(files)
