"""Text in and out: YAML, JSON and TOML as plain data, faults with their line, writing that leaves nothing half-done."""

from __future__ import annotations

import io
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.base import files
from lstm_trace.base.arrays import to_array, to_list
from lstm_trace.base.files import read_bytes, read_data
from lstm_trace.base.writing import written
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.model.problem import read_problem
from lstm_trace.model.sources import read_input

READINGS: list[tuple[str, str, Any]] = [
    ("p.yaml", "a: 1e-3\nb: .5\nc: -.inf\nd: +3\ne: 012", {"a": 0.001, "b": 0.5, "c": float("-inf"), "d": 3, "e": 12}),
    ("p.yaml", "a: no\nb: on\nc: true\nd: ~\ne:", {"a": "no", "b": "on", "c": True, "d": None, "e": None}),
    ("p.yaml", "a: 2001-01-01\nb: 1_000\nc: 0x1F\nd: '3'", {"a": "2001-01-01", "b": "1_000", "c": "0x1F", "d": "3"}),
    ("p.yml", "{a: [1, 2], b: {c: d}}", {"a": [1, 2], "b": {"c": "d"}}),
    ("P.YAML", "\ufeffa: ä", {"a": "ä"}),
    ("p.json", '{"a": [1, 2.5, NaN]}', {"a": [1, 2.5, float("nan")]}),
    ("p.toml", "a = [1, 2.5]\n[b]\nc = 'd'", {"a": [1, 2.5], "b": {"c": "d"}}),
    ("-", '{"a": 1}', {"a": 1}),
    ("-", "{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
    ("-", "# note\n\na = 1\nb = 'x'", {"a": 1, "b": "x"}),
    ("-", "[weights]\nW = [1]", {"weights": {"W": [1]}}),
    ("-", "cell:\n  equations: |\n    h_t = x_t\nx: 1", {"cell": {"equations": "h_t = x_t\n"}, "x": 1}),
    ("problem", "a: 1", {"a": 1}),
]


@pytest.mark.parametrize(("path", "text", "data"), READINGS)
def test_data_is_read(path: str, text: str, data: Any) -> None:
    assert repr(read_data(path, text.encode())) == repr(data)


FAULTS: list[tuple[str, bytes, str]] = [
    ("p.yaml", b"a: 1\nb: 2\na: 3", "p.yaml: line 3: duplicate key 'a'"),
    ("p.yaml", b"a:\n  b: 1\n  b: 2", "line 3: duplicate key 'b'"),
    ("p.yaml", b"a: [1, 2", "line 1: the bracket [ is not closed in `a`"),
    ("p.yaml", b"a: 1\n b: 2", "line 2: `b` is indented, and belongs to no key: the line `weights:` is missing above"),
    ("p.yaml", b"a:\n\t- 1", "line 2: a tab at the beginning of the line; indent with blanks"),
    ("p.yaml", b"1: 2", "line 1: the key 1 is not text; quote it"),
    ("p.yaml", b"? [a]\n: 2", "line 1: the key ['a'] is not text; quote it"),
    ("p.yaml", b"a: &x 1\nb: *x", "line 2: aliases (*x) are not supported"),
    ("p.yaml", b"a: !!python/object/apply:os.system [x]", "line 1: could not determine a constructor for the tag"),
    ("p.yaml", b"a: 1\n---\nb: 2", "line 2: expected a single document in the stream, but found another document"),
    ("p.yaml", b"a: \x00", "the character #x0000 at 3 cannot stand here"),
    ("p.yaml", b"a: " + b"9" * 5000, "a whole number has more than 4,300 digits"),
    ("p.yaml", b"[" * 3000, "nested too deeply"),
    ("p.yaml", b"t: \xe9t\xe9", "p.yaml: not UTF-8 (byte 3); save it as UTF-8"),
    ("p.toml", b"\xff\xfet\x00", "p.toml: not UTF-8 (byte 0); save it as UTF-8"),
    ("p.json", b'{"a": 1, "a": 2}', "p.json: duplicate key 'a'"),
    ("p.json", b'{"a": 1', "line 1: expecting ',' delimiter; is it cut off?"),
    ("p.json", b'{"a": 1,}', "line 1: "),
    ("p.json", b'{"a": ' + b"9" * 5000 + b"}", "a whole number has more than 4,300 digits"),
    ("p.json", b"[" * 100000, "nested too deeply"),
    ("p.toml", b"a = 1\na = 2", "p.toml: duplicate key"),
    ("p.toml", b"a = \n", "p.toml: line 1: invalid value; is it cut off"),
    ("p.toml", b"a = " + b"[" * 5000, "nested too deeply"),
    (
        "p.yaml",
        b"a: 1\nb: [1, -1e999]",
        "line 2: the number -1e999 is too large for a float; if infinity is meant, write",
    ),
    (
        "p.yaml",
        b"a: 1\nb: !!float 2E308",
        "line 2: the number 2E308 is too large for a float; if infinity is meant, write .inf",
    ),
    (
        "p.json",
        b'{"a": "1e999",\n "b": 1e+999}',
        "p.json: line 2: the number 1e+999 is too large for a float; if infinity is",
    ),
    ("p.json", b"[" + b"9" * 400 + b".5]", f"line 1: the number {'9' * 37}… is too large for a float"),
    (
        "p.toml",
        b"a = 1\nb = -1e999",
        "p.toml: the number -1e999 is too large for a float; if infinity is meant, write inf",
    ),
    ("-", b"b: 1e999", "-: line 1: the number 1e999 is too large for a float"),
    ("-", b'{"a": 1, "a": 2}', "-: duplicate key 'a'"),
    ("-", b"cell: |\n  h_t = x_t\na: 1\na: 2", "-: line 4: duplicate key 'a'"),
    ("-", b"a = 1\na = 2", "-: duplicate key"),
]


def test_infinity_is_said_in_the_words_of_each_file() -> None:
    inf = float("inf")
    assert read_data("p.yaml", b"[.inf, -.Inf, 1e308, 1e-999]") == [inf, -inf, 1e308, 0.0]
    assert read_data("p.toml", b"a = [inf, -inf, +inf, 1e308]") == {"a": [inf, -inf, inf, 1e308]}
    assert read_data("p.json", b"[Infinity, -Infinity, 1e308, 1e-999]") == [inf, -inf, 1e308, 0.0]
    with pytest.raises(ValueError, match=r"the number at \[1\] is too large for a float"):
        to_array([1.0, "\u22121e999"])  # the minus sign of a word processor


@pytest.mark.few(2)
@pytest.mark.parametrize(("path", "content", "message"), FAULTS, ids=[f"{p}-{m[:30]}" for p, _, m in FAULTS])
def test_a_fault_is_told_with_its_place(path: str, content: bytes, message: str) -> None:
    with pytest.raises(FileError) as error:
        read_data(path, content)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileError, match="no such file or directory"):
        read_bytes(tmp_path / "none.yaml")
    with pytest.raises(FileError, match="is a directory"):
        read_bytes(tmp_path)
    (tmp_path / "big.json").write_text("1234567890")
    monkeypatch.setattr(files, "MAX_TEXT", 9)
    with pytest.raises(FileError, match=r"10 bytes; text files up to 9 are read$"):
        read_bytes(tmp_path / "big.json")
    for name, read, instead in (
        ("x.csv", read_input, "give the array as .npy"),
        ("x.json", read_input, "give the array as .npy"),
        (
            "p.yaml",
            read_problem,
            "keep the weights of a problem in a model file (.npz, .safetensors), and run that with",
        ),
        ("t.json", lt.load, "write the trace as .safetensors"),
        ("s.json", lt.open_source, "write the trace as .safetensors; keep the weights of a problem in a model file"),
    ):
        (tmp_path / name).write_text("1234567890")
        with pytest.raises(FileError, match=re.escape(f"text files up to 9 are read; {instead}")):
            read(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="there is no /dev/zero")
def test_what_has_no_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MAX_TEXT", 9)
    with pytest.raises(FileError, match=r"/dev/zero: more than 9 bytes; texts up to that are read$"):
        read_bytes("/dev/zero")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x: [1, 2, 3]")))
    with pytest.raises(FileError, match=r"-: more than 9 bytes; texts up to that are read; shorten it$"):
        read_bytes("-", "shorten it")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x: [1]")))
    assert read_bytes("-") == b"x: [1]"


def test_a_file_appears_when_it_is_whole_and_not_before(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"
    target.write_text("old")
    with written(target) as file:
        file.write("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"

    def fail_halfway() -> None:
        with written(target) as file:
            file.write("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert target.read_text() == "new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.txt"]
    with written(tmp_path / "raw.bin", "wb") as file:
        file.write(b"\r\n")
    assert (tmp_path / "raw.bin").read_bytes() == b"\r\n"


@pytest.mark.parametrize("durable", [True, False])
def test_a_durable_file_is_on_the_disk_before_its_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool
) -> None:
    done: list[tuple[str, str, bytes]] = []
    path = tmp_path / "states"

    def sync(handle: int) -> None:
        of = "folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file"
        done.append(("sync", of, path.read_bytes() if path.exists() else b""))
        if of == "file":
            assert os.fstat(handle).st_size == 9, "what was written is no longer in our buffer"

    def replace(old: str, new: Path, real: Any = os.replace) -> None:
        done.append(("name", "", b""))
        real(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", replace)
    with written(path, "wb", durable=durable) as file:
        file.write(b"the whole")
    name = ("name", "", b"")
    assert done == ([("sync", "file", b""), name, ("sync", "folder", b"the whole")] if durable else [name])


def test_a_new_file_has_the_mode_that_others_have(tmp_path: Path) -> None:
    with written(tmp_path / "one") as file:
        file.write("x")
    (tmp_path / "two").write_text("x")
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("one", "two")]
    assert modes[0] == modes[1]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no such file or directory"), written(tmp_path / "no" / "out.txt"):
        pass
    with pytest.raises(FileError, match="is a directory"), written(tmp_path):
        pass
    assert not [entry for entry in tmp_path.parent.iterdir() if entry.name.endswith(".part")]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "out.txt")
    with written(tmp_path / "link") as file:
        file.write("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "out.txt").read_text() == "new"
    assert [entry.name for entry in (tmp_path / "real").iterdir()] == ["out.txt"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_to_itself_is_told(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with (
        pytest.raises(FileError, match=r"a: a link that leads to itself; write to another file"),
        written(tmp_path / "a"),
    ):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"a", "b"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is full")
@pytest.mark.parametrize("mode", ["w", "wb"])
def test_a_device_that_takes_no_more_is_told_by_its_name(mode: str) -> None:
    with pytest.raises(FileError, match=r"^/dev/full: no space left on device$"), written("/dev/full", mode) as file:
        file.write("x" if mode == "w" else b"x")


@pytest.mark.parametrize("error", [OSError("boom"), FileNotFoundError(2, "none", "/elsewhere/else.txt")])
def test_an_error_that_is_not_of_the_file_stays_what_it_is(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(type(error)) as raised, written(tmp_path / "out.txt"):
        raise error
    assert raised.value is error
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_device_or_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    with written(pipe) as file:
        file.write("through")
    assert os.read(reader, 100) == b"through"
    os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_standard_output_is_utf_8_whatever_the_terminal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    with written("-") as file:
        file.write("σ ≈ ½")
        file.flush()
    assert buffer.getvalue().decode() == "σ ≈ ½"


NUMBERS = st.floats(allow_nan=True) | st.integers(-(10**6), 10**6).map(float)


@given(st.lists(st.lists(NUMBERS, min_size=2, max_size=2), min_size=1, max_size=4))
def test_arrays_survive_as_lists(rows: list[list[float]]) -> None:
    array = to_array(rows)
    again = to_array(json.loads(json.dumps(to_list(array), allow_nan=False)))
    assert again.tobytes() == array.tobytes() or repr(again.tolist()) == repr(array.tolist())


BYTES = st.lists(
    st.sampled_from([b"a", b": ", b"\n", b"  ", b"- ", b"[", b"]", b"{", b"}", b'"', b"'", b",", b"1", b"=", b"|",
                     b"&x", b"*x", b"!!", b"#", b"\xff", b"\xc3\xa9", b"\t", b"\x00", b"---", b"1e9"]),
    max_size=25,
).map(b"".join)  # fmt: skip


@given(BYTES | st.binary(max_size=40), st.sampled_from(["p.yaml", "p.json", "p.toml", "-", "p"]))
@settings(max_examples=250)
def test_no_bytes_raise_anything_but_our_error(content: bytes, path: str) -> None:
    try:
        data = read_data(path, content)
    except LstmTraceError:
        return
    assert data is None or isinstance(data, dict | list | str | int | float | bool)
