"""Flax's msgpack files: read by name like an .npz file, whole or not at all, without running code."""

from __future__ import annotations

import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.formats import flax
from lstm_trace.weights.read import read_model

from ..support.tiers import seeds

msgpack = pytest.importorskip("msgpack")
RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 2)).astype("f4")
GATES = {g: (RNG.normal(size=(2, 3)), RNG.normal(size=(3, 3)), RNG.normal(size=3)) for g in "ifgo"}


def extension(array: Any, kind: str = "", code: int = 1) -> Any:
    """An array as Flax packs it. kind: what is claimed of its dtype."""
    array = np.asarray(array)
    return msgpack.ExtType(code, msgpack.packb((array.shape, kind or array.dtype.name, array.tobytes())))


def pieces(array: Any, size: int) -> dict[str, Any]:
    """An array as Flax packs one that is too large."""
    flat = [extension(array.ravel()[at : at + size]) for at in range(0, array.size, size)]
    shape = {str(axis): n for axis, n in enumerate(array.shape)}
    return {flax._PIECES: True, "shape": shape, "chunks": {str(n): one for n, one in enumerate(flat)}}


def state(dtype: str = "float32", pack: Any = extension) -> dict[str, Any]:
    cell = {}
    for gate, (kernel, recurrent, bias) in GATES.items():
        cell[f"i{gate}"] = {"kernel": pack(kernel.astype(dtype))}
        cell[f"h{gate}"] = {"kernel": pack(recurrent.astype(dtype)), "bias": extension(bias.astype(dtype))}
    return {"params": {"LSTMCell_0": cell}, "step": extension(np.int32(7), code=3), "rate": 0.5}


def written(folder: Path, content: Any) -> Path:
    path = folder / "model.msgpack"
    path.write_bytes(content if isinstance(content, bytes) else msgpack.packb(content))
    return path


def expected(dtype: str = "float32") -> Any:
    """The same weights under our names."""
    ours = {}
    for gate, arrays in GATES.items():
        kernel, recurrent, bias = (array.astype(dtype).astype("f4") for array in arrays)
        ours |= {f"W_x{gate}": kernel.T, f"W_h{gate}": recurrent.T, f"b_{gate}": bias}
    return lt.run({key.replace("g", "c"): array for key, array in ours.items()}, X).output


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_arrays_by_name(tmp_path: Path, dtype: str) -> None:
    path = written(tmp_path, state(dtype))
    (found,) = read_model(path)
    assert (found.name, found.kind, found.facts["layout"]) == ("params/LSTMCell_0", "Flax LSTM", "flax")
    np.testing.assert_array_equal(lt.run(path, X).output, expected(dtype))


def test_bfloat16_and_arrays_in_pieces(tmp_path: Path) -> None:
    def halves(array: Any) -> Any:
        return extension((np.asarray(array, "f4").view("u4") >> 16).astype("u2"), "bfloat16")

    path = written(tmp_path, state(pack=halves))
    weights = lt.prepare(path).weights["0/forward"]
    np.testing.assert_array_equal(weights["W_xi"], (GATES["i"][0].T.astype("f4").view("u4") >> 16 << 16).view("f4"))
    path = written(tmp_path, state(pack=lambda array: pieces(array, 4)))
    np.testing.assert_array_equal(lt.run(path, X).output, expected())


def changed(change: Any) -> Any:
    made = state()
    change(made["params"]["LSTMCell_0"])
    return made


BROKEN: list[tuple[Any, str]] = [
    (b"", "cannot be read"),
    (b"\x81\xa1a", "cannot be read"),
    (b"\xc1", "cannot be read"),
    (msgpack.packb(state())[:-9], "cannot be read"),
    (b"\x91" * 5000 + b"\xc0", "cannot be read"),
    (msgpack.packb({"a": 1}), "no arrays were found; expected what flax.serialization.to_bytes"),
    (changed(lambda cell: cell["ii"].update(kernel=msgpack.ExtType(1, msgpack.packb(((2, 3), "float32", b"1234"))))),
     r"params/LSTMCell_0/ii/kernel claims the shape \(2, 3\) of float32 and has 4 bytes"),
    (changed(lambda cell: cell["ii"].update(kernel=msgpack.ExtType(1, msgpack.packb(((-2, 3), "float32", b""))))),
     "which no array has"),
    (changed(lambda cell: cell["ii"].update(kernel=msgpack.ExtType(1, msgpack.packb(((2, 3), "object", b"12"))))),
     "ii/kernel has the dtype object; expected float64, float32"),
    (changed(lambda cell: cell["ii"].update(kernel=msgpack.ExtType(1, b"\x93\x01\x02\x03"))), "cannot be read"),
    (changed(lambda cell: cell["ii"].update(kernel=pieces(np.ones((2, 4), "f4"), 3) | {"shape": {"0": 7}})),
     "ii/kernel: its pieces have other numbers"),
    (changed(lambda cell: cell["ii"].update(kernel={flax._PIECES: True})), "cannot be read"),
    (changed(lambda cell: cell.pop("ho")), "hf/bias|is missing|are missing"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "said"), BROKEN, ids=range(len(BROKEN)))
def test_what_cannot_be_read(tmp_path: Path, content: Any, said: str) -> None:
    with pytest.raises(LstmTraceError, match=said) as caught:
        lt.run(written(tmp_path, content), X)
    assert "model.msgpack: " in str(caught.value)


def test_a_list_is_not_allocated_by_what_it_claims(tmp_path: Path) -> None:
    content = b"\xdd\x00\xff\xff\xff" * 200 + bytes(1 << 20)
    tracemalloc.start()
    with pytest.raises(FileError, match="cannot be read"):
        read_model(written(tmp_path, content))
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()


@pytest.mark.few(0)
def test_flipped_bits_are_a_model_or_an_error(tmp_path: Path) -> None:
    whole = msgpack.packb(state(pack=lambda array: pieces(array, 4)))
    for place in RNG.integers(len(whole), size=len(seeds(400, 60))):
        content = bytearray(whole)
        content[place] ^= 1 << int(RNG.integers(8))
        with suppress(LstmTraceError):
            read_model(written(tmp_path, bytes(content)))
