"""Damaged model files: never other weights where a checksum could tell, never the end of the process."""

from __future__ import annotations

import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lstm_trace.cli import main
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.formats import hdf5
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


def instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Another reader than ours."""
    reader = tmp_path / "reader.py"
    reader.write_text(f"import os, signal, sys, time\nsys.stdin.readline()\n{script}\n")
    monkeypatch.setattr(hdf5, "READER", reader)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", r"cannot be read: it made the HDF5 library crash (SIGSEGV)"),
        ("os.abort()", "crash (SIGABRT)"),
        ("os._exit(3)", "crash (code 3)"),
        ("print('junk', flush=True)", "the reader gave no answer that can be understood"),
        ("print('[]', flush=True)", "the reader gave no answer that can be understood"),
        ("time.sleep(60)", "it took more than"),
        ('print(\'{"error": "more memory than a file of its size can need"}\', flush=True)', "more memory than"),
    ],
)
def test_a_reader_that_crashes_or_hangs_is_one_message(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(hdf5, "SECONDS", 0.5)
    after = "\ntime.sleep(2)" if "junk" in script or "[]" in script else ""
    instead(tmp_path, monkeypatch, script + after)
    monkeypatch.setattr(hdf5, "PATIENCE", 0.2)
    for arguments in (["inspect", str(model)], ["run", str(model), "--input", "x.npy"]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert result.stderr.startswith(f"error: {model}: cannot be read: ")
        assert said in result.stderr
        assert result.stderr.count("\n") == 1


def test_a_reader_that_ends_in_the_middle_of_an_array(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hdf5.READER.read_text()
    cut = source.replace('values.reshape(-1).view("u1").data', 'values.reshape(-1).view("u1").data[:7]); sys.exit(0')
    assert cut != source
    reader = tmp_path / "reader.py"
    reader.write_text(cut)
    monkeypatch.setattr(hdf5, "READER", reader)
    with pytest.raises(FileError, match=r"model\.h5: cannot be read: "):
        weights(model)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is limited on Linux only")
def test_a_file_that_asks_for_too_much_memory(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5, "MEMORY", 1 << 20)
    with h5py.File(model, "a") as file:  # the library's own tables of so many names do not fit
        for n in range(3000):
            file.create_group(f"group{n}")
    with pytest.raises(FileError, match=r"model\.h5: cannot be read: |model\.h5: not an HDF5 file"):
        weights(model)


def test_flipped_bits_of_hdf5_are_messages(model: Path) -> None:
    """Whatever libhdf5 makes of them, this process goes on. Bits of the structure, not of the numbers."""
    content = model.read_bytes()
    draw = random.Random(21)  # noqa: S311
    for _ in range(12):
        model.write_bytes(flipped(content, draw.randrange(8 * 2048)))
        result = CliRunner().invoke(main, ["inspect", str(model)])
        assert result.exit_code in (0, 2)
        assert result.exception is None or isinstance(result.exception, SystemExit)


def test_where_no_python_can_be_started_the_file_is_read_here(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = weights(model)
    for name, value in (("frozen", True), ("executable", "/usr/bin/blender"), ("executable", "")):
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, value, raising=False)
            assert hdf5.interpreter() == ""
            patch.setattr(hdf5.subprocess, "Popen", None)
            found = weights(model)
            assert all(np.array_equal(found[key], right[key]) for key in right)


def test_nothing_in_the_current_folder_is_imported(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("h5py.py", "json.py", "zipfile.py"):
        Path(name).write_text("raise SystemExit(9)\n")
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part not in ("", ".")])
    assert weights(model)


def test_the_reader_ends_with_the_reading(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    popen = hdf5.subprocess.Popen

    def counted(*arguments: Any, **options: Any) -> Any:
        started.append(popen(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(hdf5.subprocess, "Popen", counted)
    began = time.perf_counter()
    weights(model)
    assert len(started) == 1
    assert started[0].poll() is not None
    assert time.perf_counter() - began < 20
    assert os.path.exists(model)


# -- what is missing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["kernel", "recurrent_kernel"])
def test_a_keras_layer_without_a_matrix(model: Path, gone: str) -> None:
    with h5py.File(model, "a") as file:
        del file[f"lstm/lstm/{gone}:0"]
    if gone == "recurrent_kernel":  # what is left is what a dense layer has
        with pytest.raises(FileError, match="no LSTM was found"):
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
