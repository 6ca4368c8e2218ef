"""HDF5 files: what h5py writes, read without it; what is refused; damage."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.formats import hdf5
from lstm_trace.weights.formats.keras import read

from ..support.tiers import seeds

h5py = pytest.importorskip("h5py")
DTYPES = ("<f4", "<f8", ">f4", "<f2", "<i4", "|u1", ">i8", "<u2")


def written(path: Path, seed: int) -> Path:
    """Groups within groups, arrays of every dtype and storage, and attributes."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for n in range(int(rng.integers(1, 40))):
            name = "/".join("abcdef"[k] * int(rng.integers(1, 4)) for k in rng.integers(0, 6, rng.integers(1, 5)))
            shape = tuple(int(k) for k in rng.integers(1, 9, rng.integers(0, 4)))
            kind = np.dtype(DTYPES[rng.integers(len(DTYPES))])
            values = np.frombuffer(rng.bytes(int(np.prod(shape)) * kind.itemsize), kind).reshape(shape)
            options: dict[str, Any] = {}
            if shape and rng.random() < 0.5:
                options["chunks"] = tuple(int(rng.integers(1, size + 1)) for size in shape)
                options |= {word: True for word in ("shuffle", "fletcher32") if rng.random() < 0.5}
                options |= {"compression": "gzip"} if rng.random() < 0.6 else {}
            array = file.create_dataset(f"{name}/d{n}", data=values, **options)
            array.parent.attrs["name"] = "é" * int(rng.integers(0, 400))
            array.parent.attrs["bytes"] = b"xyz"
            array.parent.attrs["numbers"] = [1, 2]
        file.attrs["layer_names"] = [b"one", b"two"]
        file.attrs["layer_names0"] = ["three", "four" * 50]
        for n in range(400 if seed % 10 == 0 else 3):  # a tree of several levels
            file.create_group(f"many/g{n}")
    return path


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(10))
def test_what_h5py_writes_is_read_as_h5py_reads_it(tmp_path: Path, seed: int) -> None:
    path = written(tmp_path / "w.h5", seed)
    stored: dict[str, Any] = {}
    texts: dict[str, dict[str, str]] = {}

    def noted(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            stored[name] = np.asarray(item[()])
        else:
            plain = {key: value.decode() if isinstance(value, bytes) else value for key, value in item.attrs.items()}
            texts[name] = {key: value for key, value in plain.items() if isinstance(value, str)}

    with h5py.File(path) as file:
        file.visititems(noted)
    with hdf5.opened(path, "w.h5") as tree:
        assert tree.arrays.keys() == stored.keys()
        for name, values in stored.items():
            found = np.asarray(tree.arrays[name])
            assert found.shape == values.shape
            native = found.dtype.newbyteorder("=")
            assert native == values.dtype.newbyteorder("=")
            assert found.astype(native).tobytes() == values.astype(native).tobytes()
        assert {name: tree.attributes[name] for name in texts} == texts
        assert tree.order == ["one", "two", "three", "four" * 50]


def latest(path: Path) -> None:
    with h5py.File(path, "w", libver="latest") as file:
        for n in range(20):
            file[f"lstm/kernel{n}"] = np.zeros((2, 8))


def lzf(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("lstm/kernel", data=np.ones((2, 8)), compression="lzf")
        file["lstm/recurrent_kernel"] = np.ones((2, 8))


def half_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("lstm/kernel", (2, 8), "<f4", chunks=(1, 8))[0] = 1
        file["lstm/recurrent_kernel"] = np.ones((2, 8))


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (latest, r"m\.h5: lstm is a group in the newer form of HDF5"),
        (lzf, r"m\.h5: lstm/kernel: cannot be read: chunks are compressed by the filter 32000; save them with gzip"),
        (half_written, r"m\.h5: lstm/kernel has 2 chunks and stores 1: the file is not whole"),
    ],
)
def test_what_is_not_read_is_said(tmp_path: Path, write: Callable[[Path], None], said: str) -> None:
    write(tmp_path / "m.h5")
    with pytest.raises(FileError, match=said):
        read(tmp_path / "m.h5")


@pytest.mark.few(0)
@pytest.mark.parametrize("filtered", [False, True])
def test_damage_is_one_message_soon(tmp_path: Path, filtered: bool) -> None:
    """Bits, addresses and lengths that are others, ends that are cut off, parts that stand in place of others."""
    path, rng, numbers = tmp_path / "m.h5", random.Random(5), np.random.default_rng(5)  # noqa: S311
    with h5py.File(path, "w") as file:
        for name, shape in (("kernel", (5, 12)), ("recurrent_kernel", (3, 12)), ("bias", (12,))):
            options = {"chunks": (*shape[:-1], 6), "compression": "gzip", "fletcher32": True} if filtered else {}
            file.create_dataset(f"lstm/lstm/{name}:0", data=numbers.normal(size=shape), **options)
        file.attrs["layer_names"] = [b"lstm"]
        file["lstm"].attrs["about"] = "text"
    content, refused = path.read_bytes(), 0
    tried = seeds(300, 100)
    for _ in tried:
        damaged, way = bytearray(content), rng.random()
        at, other = rng.randrange(len(content) - 8), rng.randrange(len(content) - 8)
        if way < 0.6:
            damaged[at] ^= 1 << rng.randrange(8)
        elif way < 0.8:
            damaged[at : at + 8] = rng.choice([b"\xff" * 8, bytes(8), other.to_bytes(8, "little")])
        elif way < 0.9:
            damaged = damaged[:at]
        else:
            damaged[at : at + 100] = content[other : other + 100]
        path.write_bytes(damaged)
        began = time.perf_counter()
        try:
            for one in read(path):
                assert all(np.size(values) for values in one.weights.values())
        except LstmTraceError:
            refused += 1
        assert time.perf_counter() - began < 5
    assert refused > len(tried) / 8
