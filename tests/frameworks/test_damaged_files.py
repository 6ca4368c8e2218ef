"""Damaged model files: never other weights where a checksum could tell, never the end of the process."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lstm_trace.cli import main
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.read import read_model

h5py = pytest.importorskip("h5py")
RNG = np.random.default_rng(5)


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


def weights(path: Path) -> dict[str, Any]:
    return {f"{f.name} {key}": np.array(values) for f in read_model(path) for key, values in f.weights.items()}


def test_a_flipped_bit_of_a_checkpoint_gives_no_other_weights(tmp_path: Path) -> None:
    """Without the checksums 146 of 400 gave other weights, and no word."""
    torch = pytest.importorskip("torch")
    path = tmp_path / "weights.pt"
    torch.save(torch.nn.LSTM(5, 4, num_layers=2, bidirectional=True).state_dict(), path)
    content, right = path.read_bytes(), weights(path)
    draw, refused, named = random.Random(20), 0, 0  # noqa: S311
    for _ in range(150):
        path.write_bytes(flipped(content, draw.randrange(8 * len(content))))
        try:
            found = weights(path)
        except LstmTraceError as error:
            refused += 1
            named += "is damaged: its bytes do not match their checksum" in str(error)
            continue
        assert found.keys() == right.keys()
        assert all(np.array_equal(found[key], right[key]) for key in right)
    assert refused > 100
    assert named > 75


def test_a_checkpoint_saved_without_checksums_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    serialization = torch.serialization
    if not hasattr(serialization, "set_crc32_options"):
        pytest.skip("this PyTorch always writes checksums")
    state = torch.nn.LSTM(5, 4).state_dict()
    torch.save(state, tmp_path / "with.pt")
    before = serialization.get_crc32_options()
    serialization.set_crc32_options(False)
    try:
        torch.save(state, tmp_path / "without.pt")
    finally:
        serialization.set_crc32_options(before)
    one, other = weights(tmp_path / "with.pt"), weights(tmp_path / "without.pt")
    assert all(np.array_equal(one[key], other[key]) for key in one)


# -- HDF5 ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        for name, shape in (("kernel", (5, 12)), ("recurrent_kernel", (3, 12)), ("bias", (12,))):
            file[f"lstm/lstm/{name}:0"] = RNG.normal(size=shape)
    return path


def test_flipped_bits_of_hdf5_are_messages(model: Path) -> None:
    """Bits of the structure, not of the numbers."""
    content = model.read_bytes()
    draw = random.Random(21)  # noqa: S311
    for _ in range(100):
        model.write_bytes(flipped(content, draw.randrange(8 * 2048)))
        result = CliRunner().invoke(main, ["inspect", str(model)])
        assert result.exit_code in (0, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)


# -- what is missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["kernel", "recurrent_kernel"])
def test_a_keras_layer_without_a_matrix(model: Path, gone: str) -> None:
    with h5py.File(model, "a") as file:
        del file[f"lstm/lstm/{gone}:0"]
    if gone == "recurrent_kernel":  # what is left is what a dense layer has
        with pytest.raises(FileError, match="no LSTM, GRU or RNN was found"):
            weights(model)
        return
    result = CliRunner().invoke(main, ["inspect", str(model)])
    assert result.exit_code == 2
    assert f"lstm/lstm/{gone}:0 is missing; of this LSTM the file has lstm/lstm/" in result.stderr


def test_layers_come_in_the_order_of_the_model(tmp_path: Path) -> None:
    path = tmp_path / "old.h5"
    names = ["second", "first", "lstm_10", "lstm_2"]
    with h5py.File(path, "w") as file:
        for name in sorted(names):
            file[f"{name}/{name}/kernel:0"] = RNG.normal(size=(5, 12))
            file[f"{name}/{name}/recurrent_kernel:0"] = RNG.normal(size=(3, 12))
    assert [f.name for f in read_model(path)] == ["first", "lstm_2", "lstm_10", "second"]  # counted, not spelt
    with h5py.File(path, "a") as file:
        file.attrs["layer_names"] = [name.encode() for name in ["dense", *names]]
    assert [f.name for f in read_model(path)] == names
