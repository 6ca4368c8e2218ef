"""Open streams in place of paths: what is saved into one is what a file would have, and is loaded from one."""

from __future__ import annotations

import gzip
import io
import socket
import tempfile
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError
from lstm_trace.trace.trace import Trace

from .test_saved import small
from .test_trace_json import same


def saved(thing: Any, path: Path, *options: Any) -> bytes:
    thing.save(path, *options)
    return path.read_bytes()


@pytest.mark.parametrize("format", ["json", "safetensors"])
def test_a_trace_in_a_stream_is_that_of_a_file(format: str, tmp_path: Path) -> None:
    trace, stream = small(), io.BytesIO(b"before")
    stream.seek(6)
    trace.save(stream, format)
    content = stream.getvalue().removeprefix(b"before")
    assert content == saved(trace, tmp_path / f"t.{format}")
    stream.seek(6)
    same(trace, lt.load(stream))
    same(trace, lt.load(content))
    with gzip.open(tmp_path / "t.gz", "wb") as file:
        trace.save(file, format)
    with gzip.open(tmp_path / "t.gz") as file:
        same(trace, lt.load(file))


def test_a_trace_through_a_socket() -> None:
    trace, (here, there) = small(), socket.socketpair()

    def send() -> None:
        with here, here.makefile("wb") as file:
            trace.save(file, "safetensors")

    thread = Thread(target=send)
    thread.start()
    with there, there.makefile("rb") as file:
        same(trace, lt.load(file))
    thread.join()


def test_text_in_a_stream_of_text(tmp_path: Path) -> None:
    trace = small(name="名 é")
    stream = io.StringIO()
    trace.save(stream, "json")
    stream.seek(0)
    same(trace, lt.load(stream))
    stream = io.StringIO()
    trace.to_csv(stream, title=True)
    assert stream.getvalue() == trace.to_csv(title=True)
    with gzip.open(tmp_path / "t.csv.gz", "wt", encoding="utf-8", newline="") as file:
        trace.to_csv(file, title=True)
    assert gzip.decompress((tmp_path / "t.csv.gz").read_bytes()).decode() == stream.getvalue()


@pytest.fixture(scope="module")
def found() -> Any:
    return lt.explain(small(), "2/0/h_t[1]", "gradient")


@pytest.mark.few(0)
@pytest.mark.parametrize("format", ["md", "text", "html", "tex", "typ", "json", "csv", "svg"])
def test_a_result_in_a_stream_is_that_of_a_file(
    found: Any, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    binary, text = io.BytesIO(), io.StringIO()
    found.save(binary, format)
    found.save(text, format)
    assert text.getvalue().encode() == binary.getvalue()
    assert not list(tmp_path.iterdir())  # no picture next to the text
    if format != "md":
        assert binary.getvalue() == saved(found, tmp_path / "x.txt", format)


@pytest.mark.parametrize(("format", "load"), [("html", bytes.decode), ("json", bytes.decode), ("svg", bytes.decode)])
def test_a_picture_in_a_stream_is_that_of_a_file(format: str, load: Any, tmp_path: Path) -> None:
    picture, stream = small().plot(), io.StringIO()
    picture.save(stream, format)
    assert stream.getvalue() == load(saved(picture, tmp_path / f"x.{format}"))


def test_what_is_not_text_is_refused_by_a_stream_of_text() -> None:
    verified, found = lt.verify(small()), lt.diff(small(), small(name="b"))
    for thing, format in ((small(), "safetensors"), (verified, "parquet"), (found, "parquet"), (found, "xlsx")):
        stream = io.StringIO()
        with pytest.raises(FileError, match="the stream takes text: open it in binary mode"):
            thing.save(stream, format)
        assert not stream.getvalue()


class Slow(io.RawIOBase):
    """A raw stream that takes a part of what is written, or nothing."""

    def __init__(self, most: int | None) -> None:
        self.content, self.most = b"", most

    def write(self, content: Any) -> int | None:
        self.content += bytes(content[: self.most or 0])
        return self.most and min(self.most, len(content))


@pytest.mark.parametrize("format", ["json", "safetensors", "csv", "parquet", "html"])
def test_a_raw_stream_gets_everything(format: str) -> None:
    thing: Any = small() if format in ("json", "safetensors") else lt.diff(small(), small(name="b"))
    slow, quick = Slow(97), io.BytesIO()
    thing.save(slow, format)
    thing.save(quick, format)
    assert slow.content == quick.getvalue()
    assert len(slow.content) > 97
    with pytest.raises(FileError, match=r"the stream cannot be written .it takes no more without waiting"):
        thing.save(Slow(None), format)


def test_a_stream_that_is_closed_or_open_for_the_other_use(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"")
    closed = io.BytesIO()
    closed.close()
    trace = small(name="名 é")
    with open(tmp_path / "t", "rb") as read, open(tmp_path / "u", "wb") as write:
        for stream, said in ((closed, "the stream is closed"), (read, r"the stream cannot be written \(write\)")):
            for thing, format in ((trace, "json"), (trace, "safetensors"), (lt.diff(trace, trace), "xlsx")):
                with pytest.raises(FileError, match=f"{said}.* expected one that is open for writing"):
                    thing.save(stream, format)
        for stream, said in ((closed, "I/O operation on closed file"), (write, "read")):
            with pytest.raises(FileError, match=rf"the stream cannot be read \({said}\.?\): expected one that is open"):
                lt.load(stream)
    with open(tmp_path / "t", "w", encoding="latin-1") as text, pytest.raises(FileError, match="in UTF-8 if it is of"):
        trace.save(text, "json")


def test_a_stream_that_unpacks_and_is_damaged() -> None:
    packed = bytearray(gzip.compress(saved_in_memory()))
    middle = len(packed) // 2
    damaged = packed[:middle], b"hello" * 5, packed[:middle] + b"\xff" * 4 + packed[middle + 4 :]
    for content in damaged:
        with pytest.raises(FileError, match="the stream cannot be read"):
            lt.load(gzip.GzipFile(fileobj=io.BytesIO(content)))


def saved_in_memory() -> bytes:
    stream = io.BytesIO()
    small().save(stream, "json")
    return stream.getvalue()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_bytes_of_every_kind_are_loaded(kind: Any) -> None:
    assert small().equals(lt.load(kind(saved_in_memory())))


def test_a_header_that_is_nested_too_deeply() -> None:
    header = b'{"a":' + b"[" * 200_000
    with pytest.raises(FileError, match=r"the header cannot be read \(nested too deeply\)$"):
        lt.load(len(header).to_bytes(8, "little") + header)


def test_a_message_does_not_print_a_whole_array() -> None:
    with pytest.raises(lt.OptionError, match=r"or bytes, found a value of the type ndarray$"):
        lt.load(np.zeros(1000))  # type: ignore[arg-type]


def test_a_stream_needs_a_format() -> None:
    for thing in (small(), lt.verify(small()), small().plot()):
        with pytest.raises(FileError, match=r"a stream has no suffix: give format=, one of .*json"):
            thing.save(io.BytesIO())
    with pytest.raises(FileError, match="there is no format 'jsn' of traces; expected json or safetensors"):
        small().save(io.BytesIO(), "jsn")


@pytest.mark.parametrize("format", ["json", "safetensors"])
@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"", lambda content: content[9:]])
def test_a_damaged_stream_is_told_without_a_path(format: str, damage: Any) -> None:
    stream = io.BytesIO()
    small().save(stream, format)
    with pytest.raises(FileError) as error:
        lt.load(damage(stream.getvalue()))
    assert str(error.value).startswith("this trace: ")
    assert tempfile.gettempdir() not in str(error.value)


def test_the_stream_stays_open_and_takes_several() -> None:
    stream = io.BytesIO()
    traces: list[Trace] = [small(), small(name="another")]
    ends = []
    for trace in traces:
        trace.save(stream, "json")
        ends.append(stream.tell())
    same(traces[1], lt.load(stream.getvalue()[ends[0] :]))
