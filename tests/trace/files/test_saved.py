"""What is saved can be loaded: unusual traces come back as they were, and what `load` would refuse `save` refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base import files
from lstm_trace.errors import FileError
from lstm_trace.trace.files import safetensors
from lstm_trace.trace.trace import Trace

from .test_trace_json import same

SUFFIXES = (".json", ".safetensors")
RNG = np.random.default_rng(11)
X = RNG.normal(size=(3, 2, 3))
GIVEN = RNG.normal(size=(3, 2, 2))


def weights(layers: int = 1, *directions: str) -> dict[str, Any]:
    """Weights of a stack with H = 2 and I = 3."""
    rng = np.random.default_rng(12)
    found = {}
    for layer in range(layers):
        for direction in directions or ("forward",):
            width = 3 if layer == 0 else 2 * max(len(directions), 1)
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = rng.normal(size=(2, width))
                found[f"{layer}/{direction}/W_h{gate}"] = rng.normal(size=(2, 2))
    return found


def deep(**arguments: Any) -> Trace:
    return lt.run(weights(2, "forward", "reverse"), X, **arguments)


def small(**arguments: Any) -> Trace:
    return lt.run(weights(), X, h0=[[0.5, -0.5]] * 2, **arguments)


def own(text: str, x: Any = X, **arguments: Any) -> Trace:
    return lt.run({}, x, cell={"equations": text}, **arguments)


UNUSUAL: dict[str, Callable[[], Trace]] = {
    "a layer": lambda: deep().at(layer=1),
    "a direction": lambda: deep().at(layer=1, direction="reverse"),
    "where directions meet": lambda: deep().at(layer=1, direction="joined"),
    "where they meet, of which one line is recorded": lambda: deep(record="y_t").at(layer=1, direction="joined"),
    "steps": lambda: deep().at(steps=slice(1, 3)),
    "a step in the middle": lambda: deep(record={"steps": 1}),
    "a layer that was not recorded": lambda: deep(record={"layers": [1]}).at(layer=0),
    "rows of unequal length": lambda: deep(lengths=[3, 0]),
    "a layer of rows of unequal length": lambda: deep(lengths=[3, 1]).at(layer=1),
    "steps beyond a length": lambda: deep(lengths=[3, 1]).at(steps=slice(2, 3)),
    "a line of another layer that is given": lambda: deep(given={"0/forward/h_t": GIVEN}),
    "a layer above it": lambda: deep(given={"0/forward/h_t": GIVEN}).at(layer=1),
    "a line without a name that is given": lambda: small(given={"W_xf @ x_t": GIVEN}),
    "an output that is given": lambda: small(given={"h_t": GIVEN}),
    "one value that was asked for": lambda: small(ask="1/0/i_t[1]"),
    "half precision": lambda: small(dtype="float16"),
    "numbers as by hand": lambda: small(arithmetic="by-hand-4"),
    "numbers of the other byte order": lambda: lt.run({n: w.astype(">f4") for n, w in weights().items()}, X),
    "a title with a control character": lambda: small(name="one\x00two\x1b[0m\u2028\U0001f600"),
    "an input that is carried": lambda: own("h_t = x_t - x_prev\ncarry: x_prev <- x_t\noutput: x_t"),
    "a state with a name of the plain cell's": lambda: own("h_t = x_t - h0\ncarry: h0 <- h_t"),
    "a cell without an input": lambda: own("h_t = 3 * 2", None),
    "a number that overflows": lambda: own("a = 1e300\nh_t = x_t * a", X.astype(np.float32), dtype="float32"),
    "names of other scripts": lambda: own("名 = µ_t * 2\nh_t = 名 - ß\ncarry: µ_t <- h_t, ß <- 名"),
}


@pytest.mark.few(5)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", UNUSUAL)
def test_an_unusual_trace_comes_back(name: str, suffix: str, tmp_path: Path) -> None:
    trace = UNUSUAL[name]()
    trace.save(tmp_path / f"t{suffix}")
    same(trace, lt.load(tmp_path / f"t{suffix}"))


def changed(part: str, name: str, change: Callable[[Any], Any]) -> Trace:
    trace = small()
    here = getattr(trace, part)["0/forward"]
    here[name] = change(here.get(name))
    return trace


def titled(**header: Any) -> Trace:
    trace = small()
    return replace(trace, header=replace(trace.header, **header))


#: Traces that somebody put together, and what `save` says.
REFUSED: dict[str, tuple[Callable[[], Trace], str]] = {
    "half of a character": (lambda: small(name="a\udc80b"), "the trace has a text that cannot be written"),
    "a title that is no text": (lambda: titled(title=3), "the trace has a text that cannot be written"),
    "a number that is none": (
        lambda: titled(options={"clip": np.nan}),
        "clip must be a positive number; found nan",
    ),
    "another dtype": (
        lambda: changed("lines", "f_t", lambda a: a.astype(np.float32)),
        "lines 0/forward/f_t is float32, but the trace is float64",
    ),
    "weights of another dtype": (
        lambda: changed("parameters", "W_xi", lambda a: a.astype(np.float32)),
        "parameters 0/forward/W_xi is float32, but the trace is float64",
    ),
    "a narrow line": (lambda: changed("lines", "f_t", lambda a: a[..., :1]), "0/forward/f_t: width 1, expected 2"),
    "a short line": (lambda: changed("lines", "f_t", lambda a: a[:1]), "lines 0/forward/f_t has shape (1, 2, 2)"),
    "a stray line": (lambda: changed("lines", "q", lambda _: X), "lines 0/forward/q: the cell has no such line"),
    "a wrong weight": (lambda: changed("parameters", "W_xi", lambda a: a[:1]), "W_xi has shape (1, 3); line `W_xi @"),
    "other steps": (lambda: replace(small(), steps=2), "inputs.x has shape (3, 2, 3); expected (T, B, I)"),
    "no value": (lambda: replace(own("h_t = 3 * 2", None), lines={}), "it holds no values"),
}


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_loaded_is_not_saved(name: str, suffix: str, tmp_path: Path) -> None:
    make, message = REFUSED[name]
    (tmp_path / f"t{suffix}").write_text("what was there before")
    with pytest.raises(FileError) as error:
        make().save(tmp_path / f"t{suffix}")
    assert str(error.value).startswith(f"{tmp_path}/t{suffix}: ")
    assert message in str(error.value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was there before"]


def test_a_text_longer_than_is_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = small(name="é")
    trace.save(tmp_path / "t.json")
    size = (tmp_path / "t.json").stat().st_size
    monkeypatch.setattr(files, "MAX_TEXT", size)
    trace.save(tmp_path / "t.json")
    same(trace, lt.load(tmp_path / "t.json"))
    monkeypatch.setattr(files, "MAX_TEXT", size - 1)
    with pytest.raises(FileError, match=rf"u\.json: {size:,} bytes; text files up to .* write the trace as \.safeten"):
        trace.save(tmp_path / "u.json")
    assert not (tmp_path / "u.json").exists()


def test_a_header_longer_than_is_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = small()
    trace.save(tmp_path / "t.safetensors")
    length = int.from_bytes((tmp_path / "t.safetensors").read_bytes()[:8], "little")
    monkeypatch.setattr(safetensors, "MOST_HEADER", length)
    trace.save(tmp_path / "t.safetensors")
    same(trace, lt.load(tmp_path / "t.safetensors"))
    monkeypatch.setattr(safetensors, "MOST_HEADER", length - 64)
    with pytest.raises(FileError, match=r"u\.safetensors: the header would have .* bytes; at most"):
        trace.save(tmp_path / "u.safetensors")
    assert not (tmp_path / "u.safetensors").exists()


def test_a_streamed_run_is_refused_before_it_is_computed(tmp_path: Path) -> None:
    def never(done: int, total: int) -> None:
        raise AssertionError("a step was computed")

    model = lt.prepare(weights(), name="a\udc80b")
    with pytest.raises(FileError, match="the trace has a text that cannot be written"):
        model.run(X, out=tmp_path / "t.safetensors", plan="planned", progress=never)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("rows", [3, 40])
def test_arrays_that_lie_in_another_order_are_saved_too(rows: int, suffix: str, tmp_path: Path) -> None:
    """A step of a line is in one piece in a run's own memory; in a trace that was put together it need not be."""
    rng = np.random.default_rng(13)
    trace = lt.run({"W": rng.normal(size=(20, 3))}, rng.normal(size=(6, rows, 3)), cell={"equations": "h_t = W @ x_t"})
    turned = {name: np.asfortranarray(array) for name, array in trace.lines["0/forward"].items()}
    spread = {name: np.repeat(array, 2, axis=1)[:, ::2] for name, array in trace.lines["0/forward"].items()}
    for lines in (turned, spread):
        other = replace(trace, lines={"0/forward": lines})
        other.save(tmp_path / f"t{suffix}")
        same(trace, lt.load(tmp_path / f"t{suffix}"))


def test_a_disk_that_takes_only_a_part_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may write less than it was given; what is missing is written after."""
    if not hasattr(os, "writev"):
        pytest.skip("this system has no writev")
    calls = []

    def some(handle: int, parts: list[Any]) -> int:
        calls.append(len(parts))
        return os.write(handle, b"".join(map(bytes, parts))[:-8])

    rng = np.random.default_rng(14)
    trace = lt.run({"W": rng.normal(size=(20, 3))}, rng.normal(size=(6, 40, 3)), cell={"equations": "h_t = W @ x_t"})
    wide = np.empty((6, 2, 40, 20))  # each step in one piece, with room between them
    wide[:, 0] = trace["h_t"]
    trace.lines["0/forward"]["h_t"] = wide[:, 0]
    monkeypatch.setattr(os, "writev", some)
    trace.save(tmp_path / "t.safetensors")
    assert calls
    same(trace, lt.load(tmp_path / "t.safetensors"))


def test_more_steps_than_are_written_in_one_call(tmp_path: Path) -> None:
    rng = np.random.default_rng(15)
    trace = lt.run({"W": rng.normal(size=(16, 2))}, rng.normal(size=(600, 32, 2)), cell={"equations": "h_t = W @ x_t"})
    wide = np.empty((600, 2, 32, 16))
    wide[:, 0] = trace["h_t"]
    trace.lines["0/forward"]["h_t"] = wide[:, 0]
    trace.save(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(lt.load(tmp_path / "t.safetensors")["h_t"], trace["h_t"])
