"""Files that are not read: each is named for what it is at every door, and the advice is a command that parses."""

from __future__ import annotations

import ast
import gzip
import json
import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.files import read_data
from lstm_trace.base.unread import READ, refuse, unread
from lstm_trace.cli import main
from lstm_trace.errors import FileError
from lstm_trace.weights.read import READERS, is_model, read_model

_INDEX = bytes(range(40)) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb"  # the magic number at the end of a table
_SHARDS = {"metadata": {"total_size": 1}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}
_XML = '<?xml version="1.0"?>\n<net name="m" version="11">\n\t<layers>\n\t\t<layer id="0"/></layers></net>\n'
_NUMBERS = np.linspace(-1, 1, 40, dtype="f4").tobytes()
_PARAM = "7767517\n4 6\nInput in0 0 1 in0\nLSTM lstm 1 1 in0 out0 0=3 1=48 2=0\n"
_MAT = b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x01IM"

#: What a file is called, with the files that are written and the path that is given.
FILES: list[tuple[str, dict[str, bytes | str], str]] = [
    ("a TensorFlow SavedModel", {"m/saved_model.pb": b"\x08\x01", "m/variables/variables.index": _INDEX}, "m"),
    ("a TensorFlow SavedModel", {"m/saved_model.pb": b"\x08\x01"}, "m/saved_model.pb"),
    ("a TensorFlow SavedModel", {"m/keras_metadata.pb": b"\x0a"}, "m/keras_metadata.pb"),
    ("a TensorFlow checkpoint", {"c/checkpoint": 'model_checkpoint_path: "model.ckpt"\n'}, "c"),
    ("a TensorFlow checkpoint", {"c/checkpoint": 'model_checkpoint_path: "model.ckpt"\n'}, "c/checkpoint"),
    ("a TensorFlow checkpoint", {"c/m.ckpt.index": _INDEX}, "c/m.ckpt.index"),
    ("a TensorFlow checkpoint", {"c/m.ckpt.index": _INDEX}, "c/m.ckpt"),  # as TensorFlow calls it
    ("a TensorFlow checkpoint", {"c/m.data-00000-of-00001": _NUMBERS}, "c/m.data-00000-of-00001"),
    ("a TensorFlow graph", {"frozen.pb": b"\x0a\x10"}, "frozen.pb"),
    ("a TensorFlow.js model", {"model.json": '{"format": "layers-model", "modelTopology": {}}'}, "model.json"),
    ("a Core ML model", {"m.mlpackage/Manifest.json": "{}"}, "m.mlpackage"),
    ("a Core ML model", {"m/Data/com.apple.CoreML/model.mlmodel": b"\x08\x07"}, "m"),
    ("a Core ML model", {"m.mlmodel": b"\x08\x04"}, "m.mlmodel"),
    ("a GGUF file", {"m.gguf": b"GGUF\x03\0\0\0"}, "m.gguf"),
    ("a GGUF file", {"m.bin": b"GGUF\x03\0\0\0"}, "m.bin"),
    ("an Orbax checkpoint", {"o/_METADATA": "{}"}, "o"),
    ("a Zarr folder", {"z/zarr.json": "{}"}, "z"),
    ("an OpenVINO model", {"m.xml": _XML}, "m.xml"),
    ("an OpenVINO model", {"m.xml": _XML, "m.bin": _NUMBERS}, "m.bin"),
    ("an ncnn model", {"m.param": _PARAM}, "m.param"),
    ("an ncnn model", {"m.param": _PARAM, "m.bin": bytes(4) + _NUMBERS}, "m.bin"),
    ("a TensorRT engine", {"model": b"ftrt\x0f\0\0\0"}, "model"),
    ("a TensorRT engine", {"m.engine": b"\0" * 8}, "m.engine"),
    ("an ONNX Runtime model", {"m.ort": b"\x10\0\0\0ORTM"}, "m.ort"),
    ("an ExecuTorch program", {"m.pte": b"\x1c\0\0\0ET12"}, "m.pte"),
    ("a MATLAB file", {"m.mat": _MAT}, "m.mat"),
    ("a file of R objects", {"m.rds": gzip.compress(b"X\n\0\0")}, "m.rds"),
    ("a list of the files that hold the weights", {"model.safetensors.index.json": json.dumps(_SHARDS)},
     "model.safetensors.index.json"),
    ("a list of the files that hold the weights", {"index": json.dumps(_SHARDS, indent=2)}, "index"),
    ("a pickle", {"m.pkl": b"x"}, "m.pkl"),
    ("a pickle", {"weights": pickle.dumps({"a": 1})}, "weights"),
    ("a single array", {"h.npy": b"\x93NUMPY\x01\0"}, "h.npy"),
    ("a compressed file", {"m.yaml.gz": gzip.compress(b"x: [[1.0]]")}, "m.yaml.gz"),
    ("an HDF5 file of another name", {"m.hdf": b"\x89HDF\r\n\x1a\n"}, "m.hdf"),
    ("a msgpack file of another name", {"checkpoint_1": b"\x82\xa6params\x80"}, "checkpoint_1"),
    ("a zip archive of another name", {"m.zip": b"PK\x03\x04"}, "m.zip"),
]  # fmt: skip
#: What a program calls a file of several, where it is not the file's own name.
SOURCES = {
    "m/saved_model.pb": "m", "m/keras_metadata.pb": "m", "c/checkpoint": "c", "c/m.ckpt.index": "c/m.ckpt",
    "c/m.data-00000-of-00001": "c/m",
}  # fmt: skip


def written(folder: Path, files: dict[str, bytes | str]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def test_readers_judge_the_files_of_their_suffixes() -> None:
    assert {*READERS} == READ


def test_every_format_has_a_file() -> None:
    assert {row.what for row in unread()} == {what for what, *_ in FILES}


@pytest.mark.few(0)
@pytest.mark.parametrize(("what", "files", "name"), FILES, ids=[name for *_, name in FILES])
def test_named_for_what_it_is_at_every_door(
    tmp_path: Path, what: str, files: dict[str, bytes | str], name: str
) -> None:
    written(tmp_path, files)
    path = str(tmp_path / name)
    trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t")
    doors: list[Callable[[], object]] = [
        lambda: is_model(path), lambda: read_model(path), lambda: lt.prepare(path), lambda: lt.run(path, [[1.0]]),
        lambda: lt.load(path),
        lambda: lt.diff(trace, path), lambda: read_data(path),
    ]  # fmt: skip
    if name.endswith(".npy"):  # values of another program
        del doors[-2]
    for door in doors:
        with pytest.raises(FileError, match=re.escape(f"{path}: {what}, which is not read here; ")):
            door()


@pytest.mark.parametrize(("what", "files", "name"), FILES, ids=[name for *_, name in FILES])
def test_the_advice_is_python_with_the_path_in_it(
    tmp_path: Path, what: str, files: dict[str, bytes | str], name: str
) -> None:
    written(tmp_path, files)
    with pytest.raises(FileError) as caught:
        refuse(tmp_path / name)
    said = str(caught.value)
    assert "FILE" not in said
    if code := re.search("import numpy as np.*", said):
        texts = [node.value for node in ast.walk(ast.parse(code[0])) if isinstance(node, ast.Constant)]
        source = "m.xml" if what == "an OpenVINO model" else SOURCES.get(name, name)
        assert [text for text in texts if str(text).startswith(str(tmp_path))] == [str(tmp_path / source)]


@pytest.mark.parametrize("name", ["m.bin", "m.pt", "old.ckpt"])
def test_checkpoints_of_pytorch_are_none_of_them(tmp_path: Path, name: str) -> None:
    """Also beside a file that OpenVINO or ncnn wrote, and those from before PyTorch 1.6, which are pickles."""
    written(tmp_path, {"m.xml": _XML, "m.param": _PARAM})
    for content in (b"PK\x03\x04", pickle.dumps({"a": 1}, protocol=2)):
        (tmp_path / name).write_bytes(content)
        refuse(tmp_path / name)
        assert is_model(tmp_path / name)


@pytest.mark.parametrize(
    "text", ["x: [[1.0]]", '{"weights": {}}', '{"metadata": {"weight_map": 1}}', "<network>", "GGU", ""]
)
def test_texts_are_none_of_them(tmp_path: Path, text: str) -> None:
    (tmp_path / "p").write_text(text)
    refuse(tmp_path / "p")


@pytest.mark.parametrize(
    "arguments", [("inspect",), ("run",), ("run", "--input", "x.npy", "--layout", "openvino"), ("verify",), ("show",)]
)
def test_on_the_command_line(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    path = tmp_path / "m.bin"
    written(tmp_path, {"m.xml": _XML, "m.bin": _NUMBERS})
    result = CliRunner().invoke(main, [arguments[0], str(path), *arguments[1:]])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path}: an OpenVINO model, which is not read here; save its arrays")
    assert result.stderr.count("\n") == 1


def test_bytes_of_an_unknown_format_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "m.params").write_bytes(b"\x12\x01\0\0")
    with pytest.raises(FileError, match=r"m\.params: a binary file of an unknown format; expected text"):
        lt.run(tmp_path / "m.params")
