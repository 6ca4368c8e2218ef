"""Traces as .safetensors: streamed or saved, mapped for reading, never half there, never trusted."""

from __future__ import annotations

import json
import os
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file

import lstm_trace as lt
from lstm_trace.engine import stream
from lstm_trace.errors import FileError
from lstm_trace.trace.files import safetensors
from lstm_trace.trace.files.trace_file import load, to_json

from ..support.tiers import some
from .test_out import MODEL, X, same, weights

RNG = np.random.default_rng(11)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "trace.safetensors"


def alone(path: Path) -> bool:
    """Whether nothing but `path` lies in its folder."""
    return [p.name for p in path.parent.iterdir()] == [path.name]


# -- the same trace ----------------------------------------------------------------------------------------------------

RUNS: dict[str, dict[str, Any]] = {
    "all": {},
    "lengths": {"lengths": [300, 7]},
    "states": {"h0": RNG.normal(size=(4, 2, 3)), "c0": RNG.normal(size=(4, 2, 3))},
    "given": {"given": {"1/forward/f_t": RNG.random((300, 2, 3))}},
    "asked": {"ask": ["0/reverse/c_t", "1/forward/5/0/h_t"]},
    "recorded": {"record": {"lines": ["c_t", "h_t"], "layers": 1}},
    "passed on, not recorded": {"record": "i_t"},
}
LONG = RNG.normal(size=(300, 2, 4))


@pytest.mark.few(2)
@pytest.mark.parametrize("name", some(RUNS, 3))
@pytest.mark.parametrize("plan", ["planned", "lines", "auto"])
def test_a_streamed_trace_is_the_trace(path: Path, name: str, plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "BUFFER", 1 << 15)  # some steps: many parts
    monkeypatch.setattr(safetensors, "BUFFER", 1 << 15)
    streamed = MODEL.run(LONG, out=path, plan=plan, **RUNS[name])
    expected = MODEL.run(LONG, plan=plan, **RUNS[name])
    same(streamed, expected)
    assert alone(path)
    if "record" not in RUNS[name]:
        assert lt.verify(streamed).verdict == "verified"


@pytest.mark.few(1)
@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_large_steps_are_written_from_where_they_are_computed(path: Path, direction: str, dtype: Any) -> None:
    parts = {f"0/{direction}/{key.rsplit('/', 1)[1]}": v for key, v in weights(units=40, inputs=3).items()}
    model = lt.prepare(parts, dtype=dtype)
    x = RNG.normal(size=(70, 32, 3))
    assert 32 * 40 * np.dtype(dtype).itemsize >= safetensors.LARGE_STEP
    streamed = model.run(x, out=path, plan="planned")
    expected = model.run(x, plan="planned")
    for line, array in expected.lines[f"0/{direction}"].items():
        tolerance = 1e-12 if dtype == "float64" else 1e-4
        np.testing.assert_allclose(streamed.lines[f"0/{direction}"][line], array, rtol=tolerance, atol=tolerance)
    assert lt.verify(streamed).verdict == "verified"


@pytest.mark.few(2)
@pytest.mark.parametrize("name", [n for n in RUNS if n != "asked"])
def test_a_saved_trace_is_read_back_exactly(path: Path, name: str) -> None:
    trace = MODEL.run(LONG, **RUNS[name])
    trace.save(path)
    found = lt.load(path)
    assert found.header == trace.header
    for part in ("parameters", "initial", "given", "lines"):
        ours, theirs = getattr(trace, part), getattr(found, part)
        assert {(s, n) for s in theirs for n in theirs[s]} == {(s, n) for s in ours for n in ours[s]}
        for scope, here in theirs.items():
            for line, array in here.items():
                np.testing.assert_array_equal(array, ours[scope][line])
    np.testing.assert_array_equal(found.x, trace.x)
    np.testing.assert_array_equal(found.lengths, trace.lengths)


def test_values_that_json_has_no_numbers_for(path: Path) -> None:
    cell = {"equations": "y_t = log(x_t)\nz_t = -0.0 * y_t\noutput: z_t"}
    trace = lt.run({}, np.array([[-1.0], [0.0], [np.inf], [5e-324]]), cell=cell)
    trace.save(path)
    for name in ("y_t", "z_t"):
        assert lt.load(path)[name].tobytes() == trace[name].tobytes()


def test_the_library_of_the_format_reads_it(path: Path) -> None:
    trace = MODEL.run(X, lengths=[9, 2], out=path)
    tensors = load_file(path)
    assert tensors["inputs/lengths"].tolist() == [9, 2]
    np.testing.assert_array_equal(tensors["lines/1/reverse/c_t"], trace.at(1, "reverse")["c_t"])
    np.testing.assert_array_equal(tensors["parameters/0/forward/W_xi"], trace.parameters["0/forward"]["W_xi"])
    with safe_open(path, "np") as opened:
        assert opened.metadata()["format"] == "lstm-trace/1"
        assert json.loads(opened.metadata()["manifest"])["steps"] == 9


# -- memory ------------------------------------------------------------------------------------------------------------


def resident() -> int:
    """Bytes of memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_one_step_is_read_without_the_rest(path: Path) -> None:
    model = lt.prepare(weights(units=64))
    model.run(RNG.normal(size=(3000, 1, 4)), out=path, plan="planned")
    assert path.stat().st_size > 30e6
    before = resident()
    trace = lt.load(path)
    value = np.array(trace["c_t"][1234])
    assert resident() - before < 4e6
    assert np.isfinite(value).all()
    with pytest.raises(ValueError, match="read-only"):
        trace["c_t"][0] = 0


@pytest.mark.few(0)
@pytest.mark.parametrize(("units", "rows"), [(8, 1), (64, 8)])
def test_memory_does_not_grow_with_the_trace(path: Path, units: int, rows: int) -> None:
    model = lt.prepare(weights(2, units=units))
    steps = int(60e6 / (42 * units * rows * 8))
    x = RNG.normal(size=(steps, rows, 4))
    model.run(x[:200], out=path, plan="planned")  # stacked weights, kept slabs
    tracemalloc.start()
    try:
        model.run(x, out=path, plan="planned")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 55e6
    assert peak < 2 * safetensors.BUFFER + 16e6


# -- whole or not there ------------------------------------------------------------------------------------------------


def test_a_run_that_fails_leaves_nothing(path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    threads = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        MODEL.run(LONG, out=path, plan="planned", progress=stop)
    assert not list(path.parent.iterdir())
    assert threading.active_count() == threads


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(path: Path) -> None:
    MODEL.run(X, out=path)
    before = path.read_bytes()

    def stop(done: int, total: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        MODEL.run(LONG, out=path, progress=stop)
    assert path.read_bytes() == before
    assert alone(path)


def test_a_full_disk_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors, "BUFFER", 1 << 12)
    original, count = safetensors.write_bytes, [0]

    def full(file: Any, at: int, content: memoryview) -> None:
        count[0] += 1
        if count[0] > 100:
            raise OSError(28, "No space left on device")
        original(file, at, content)

    monkeypatch.setattr(safetensors, "write_bytes", full)
    with pytest.raises(FileError, match=r"trace\.safetensors: no space left on device"):
        MODEL.run(LONG, out=path, plan="planned")
    assert not list(path.parent.iterdir())


def test_a_disk_that_is_too_small_is_told_before_the_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safetensors.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(FileError, match=r"would need .* and 1000.0 bytes of the disk are free"):
        MODEL.run(LONG, out=path)
    assert not list(path.parent.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_the_disk_of_a_link_is_that_of_what_it_leads_to(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = path.parent / "large"
    large.mkdir()
    path.symlink_to(large / "there.safetensors")
    free = {path.parent: 1000, large: 1 << 30}
    monkeypatch.setattr(safetensors.shutil, "disk_usage", lambda at: type("Usage", (), {"free": free[Path(at)]})())
    assert MODEL.run(LONG, out=path).steps == len(LONG)
    assert path.is_symlink()


def test_what_is_wrong_with_an_output_is_not_told_of_the_source(tmp_path: Path) -> None:
    np.savez(tmp_path / "model.npz", **{f"W_{s}{g}": np.ones((1, 1)) for g in "ifco" for s in "xh"})
    model = lt.prepare(tmp_path / "model.npz")
    out = tmp_path / "none" / "trace.safetensors"
    with pytest.raises(FileError) as raised:
        model.run([[1.0]], out=out)
    assert str(raised.value) == f"{out}: no such file or directory"


# -- files that are not to be trusted ----------------------------------------------------------------------------------

Header = dict[str, Any]


def rewritten(path: Path, change: Callable[[Header], Any]) -> None:
    """The file with its header changed; the numbers stay."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + length :])


def manifest(change: Callable[[Header], Any]) -> Callable[[Header], None]:
    def act(header: Header) -> None:
        inner = json.loads(header["__metadata__"]["manifest"])
        change(inner)
        header["__metadata__"]["manifest"] = json.dumps(inner)

    return act


def empty(header: Header, *shape: int) -> dict[str, Any]:
    """The entry of a tensor without a byte, at the file's end."""
    end = max(entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__")
    return {"dtype": "F64", "shape": list(shape), "data_offsets": [end, end]}


LINE = "lines/0/forward/i_t"
CHANGES: list[tuple[Callable[[Header], Any], str]] = [
    (lambda h: h.pop("__metadata__"), "not a trace (lstm-trace/1 is not in its header)"),
    (lambda h: h["__metadata__"].update(format="lstm-trace/2"), "format lstm-trace/2; this version reads lstm-trace/1"),
    (lambda h: h["__metadata__"].pop("manifest"), "trace.safetensors"),
    (lambda h: h[LINE].update(dtype="BF16"), f"{LINE}: the header's entry cannot be read"),
    (
        lambda h: h[LINE].update(shape=[9, 2, 4]),
        f"{LINE}: its shape [9, 2, 4] and its position in the file do not",
    ),
    (lambda h: h[LINE].update(shape=[9, 2, -3]), "do not agree"),
    (lambda h: h[LINE].update(shape=[9, 2, True]), "do not agree"),
    (lambda h: h[LINE].update(shape=9), "cannot be read"),
    (lambda h: h[LINE].update(data_offsets=[0, 432]), "does not begin where the tensor before it ends"),
    (
        lambda h: h[LINE].update(data_offsets=[1 << 60, (1 << 60) + 432]),
        "does not begin where the tensor before it ends",
    ),
    (lambda h: h.pop(LINE), "does not begin where the tensor before it ends"),
    (lambda h: h.update({"lines/0/forward/q_t": h.pop(LINE)}), "lines 0/forward/q_t: the cell has no such line"),
    (lambda h: h.update({"other": h.pop(LINE)}), "the tensor 'other' is not part of a trace"),
    (lambda h: h.update({"lines/i_t": h.pop(LINE)}), "the tensor 'lines/i_t' is not part of a trace"),
    (lambda h: h.update({"lines/7/forward/i_t": h.pop(LINE)}), "lines: there is no stage '7/forward'"),
    (lambda h: h[LINE].update(shape=[9, 6, 1]), "lines 0/forward/i_t has shape (9, 6, 1)"),
    (lambda h: h[LINE].update(dtype="I64"), f"{LINE} is int64, but the trace is float64"),
    (lambda h: h.update({"lines/0/forward/zz": empty(h, 0, 10**30)}), "do not agree"),
    (lambda h: h.update({"parameters/0/forward/zz": empty(h, 0, 2**62, 2**62)}), "do not agree"),
    (lambda h: h[LINE].update(shape=[9, 2, 3, *[1] * 70]), "do not agree"),
    (lambda h: h["inputs/x"].update(dtype="I64"), "inputs/x is int64, but the trace is float64"),
    (manifest(lambda m: m["stages"][0].update(computed=[])), "0/forward: computed is empty, or names a line twice"),
    (manifest(lambda m: m["stages"][0].update(computed=["h_t", "h_t"])), "computed is empty, or names a line twice"),
    (manifest(lambda m: m["stages"][0].update(computed=["h_t"])), "computed leaves out o_t, which h_t reads"),
    (manifest(lambda m: m["stages"][1].update(sources={"x_t": "7/forward/x"})), "the source of x_t is missing"),
    (manifest(lambda m: m.update(steps=8)), "has shape"),
    (manifest(lambda m: m["stages"][0].update(equations="i_t = boom(x_t)")), "unknown function 'boom'"),
    (manifest(lambda m: m.update(extra=1)), "unknown key 'extra'"),
]


@pytest.mark.few(3)
@pytest.mark.parametrize(("change", "message"), CHANGES, ids=[str(k) for k in range(len(CHANGES))])
def test_a_header_that_does_not_fit_is_refused(path: Path, change: Callable[[Header], Any], message: str) -> None:
    MODEL.run(X, out=path)
    rewritten(path, change)
    with pytest.raises(FileError) as error:
        lt.load(path)
    assert message in str(error.value)
    assert "trace.safetensors" in str(error.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "its beginning is missing"),
        (b"\x01", "its beginning is missing"),
        (b"{" * 64, "its beginning is missing"),
        (b"\xff" * 8 + b"{}", "its beginning is missing"),
        (b"\x02" + b"\0" * 7 + b"{]", "the header cannot be read"),
        (b"\x02" + b"\0" * 7 + b"[]", "not a trace"),
        (b"\x02" + b"\0" * 7 + b"\xff\xff", "the header cannot be read"),
        (b'\x0f' + b"\0" * 7 + b'{"a":1, "a":22}', "duplicate name"),
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(FileError, match=message):
        lt.load(path)


def test_a_file_that_was_cut_or_grew_is_refused(path: Path) -> None:
    MODEL.run(X, out=path)
    content = path.read_bytes()
    for cut in (1, 8, 1000, len(content) - 20):
        path.write_bytes(content[:-cut])
        with pytest.raises(FileError, match=r"truncated|missing"):
            lt.load(path)
    path.write_bytes(content + b"\0")
    with pytest.raises(FileError, match="longer than its header says"):
        lt.load(path)


def test_other_suffixes_and_missing_folders_are_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"a\.json: a run is streamed to \.safetensors"):
        MODEL.run(X, out=tmp_path / "a.json")
    with pytest.raises(FileError, match="no such file or directory"):
        MODEL.run(X, out=tmp_path / "none" / "a.safetensors")
    with pytest.raises(FileError, match="no such file or directory"):
        lt.load(tmp_path / "a.safetensors")


def test_a_trace_without_values_is_refused(path: Path) -> None:
    """Nothing would bound its steps."""
    trace = lt.prepare(weights()).run(X)
    for part in (trace.lines, trace.given):
        part.clear()
    data = json.loads(to_json(trace)) | {"steps": 10**15}
    data["inputs"]["x"] = None
    with pytest.raises(FileError, match="it holds no values"):
        load("t.json", json.dumps(data).encode())


# -- threads -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_small_products_leave_a_core_to_the_writer_and_large_ones_do_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    controller = pytest.importorskip("threadpoolctl").ThreadpoolController().select(user_api="blas")
    if not controller.info():
        pytest.skip("numpy's BLAS is not one that can be told")
    monkeypatch.setattr(stream.os, "cpu_count", lambda: 2)

    def threads(units: int) -> int:
        seen: list[int] = []
        model = lt.prepare(weights(units=units))
        model.run(X, out=path, plan="planned", progress=lambda *_: seen.append(controller.info()[0]["num_threads"]))
        return min(seen)

    with controller.limit(limits=2):
        assert threads(8) == 1
        assert threads(600) == 2
        assert controller.info()[0]["num_threads"] == 2
    with controller.limit(limits=1):
        assert threads(8) == 1


def test_runs_side_by_side_leave_the_limit_as_it_was(tmp_path: Path) -> None:
    controller = pytest.importorskip("threadpoolctl").ThreadpoolController().select(user_api="blas")
    if not controller.info():
        pytest.skip("numpy's BLAS is not one that can be told")
    model = lt.prepare(weights(units=8))
    expected = model.run(LONG)["h_t"]

    def run(k: int) -> None:
        for _ in range(5):
            out = model.run(LONG * (k == 0), out=tmp_path / f"{k}.safetensors")
            if k == 0:
                np.testing.assert_allclose(out["h_t"], expected, rtol=0, atol=1e-13)

    with controller.limit(limits=2):
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(run, range(4)))
        assert controller.info()[0]["num_threads"] == 2


def test_another_run_that_wrote_the_same_file_is_told(path: Path) -> None:
    """Rather than its values given out for this run's."""
    real = safetensors.load_mapped

    def late(target: Any) -> lt.Trace:
        path.with_name("other.safetensors").replace(path)
        return real(target)

    with pytest.MonkeyPatch.context() as patch:
        MODEL.run(X, out=path.with_name("other.safetensors"))
        patch.setattr(safetensors, "load_mapped", late)
        with pytest.raises(FileError, match="another run has written it in the meantime"):
            MODEL.run(LONG, out=path)
