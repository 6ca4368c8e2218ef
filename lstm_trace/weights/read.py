"""Model files to weights by our names: one module for each kind of file, imported only when such a file comes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import FileError, OptionError
from ..trace.files.schema import TRACED
from .found import Found, as_asked, check_any, choose
from .layouts import Layout
from .layouts import layout as stored_as

#: Reader module by suffix; each has `read(path, layout=)`, which gives every LSTM of the file.
READERS: dict[str, str] = {
    **dict.fromkeys((".pt", ".pth", ".bin", ".ckpt", ".jit"), "formats.torch"),
    **dict.fromkeys((".safetensors", ".npz"), "formats.arrays"),
    **dict.fromkeys((".keras", ".h5", ".hdf5"), "formats.keras"),
    ".onnx": "onnx.reader",
}
#: The package that a reader needs; those of no row need none.
NEEDS = {"formats.torch": "torch", "onnx.reader": "onnx"}
#: Files that are known and not read, with what to do instead.
REFUSED = {
    ".pt2": "an exported program; save the state dict: torch.save(model.state_dict(), 'weights.pt')",
    ".tflite": "TensorFlow Lite is not read; give its arrays as .npz with --layout tflite, or the Keras or ONNX model",
    ".pb": "a TensorFlow graph is not read; save the Keras model as .keras, or the variables as .npz with --layout tf1",
    ".mlmodel": "CoreML is not read; give its arrays as .npz with --layout coreml, or the model it was made from",
    ".mlpackage": "CoreML is not read; give its arrays as .npz with --layout coreml, or the model it was made from",
    ".pkl": "a pickle may run code when it is read, so it is never opened; save the arrays as .npz or .safetensors",
    ".pickle": "a pickle may run code when it is read, so it is never opened; save the arrays as .npz or .safetensors",
    ".joblib": "a pickle may run code when it is read, so it is never opened; save the arrays as .npz or .safetensors",
}


def readable() -> list[str]:
    """The suffixes of the model files that can be read here, with the packages that are installed."""
    return [suffix for suffix, reader in READERS.items() if reader not in NEEDS or find_spec(NEEDS[reader])]


def is_model(path: str | Path) -> bool:
    """Whether the name of a file says that it holds a model (a .safetensors file may hold a trace as well)."""
    suffix = Path(path).suffix.lower()
    if suffix == ".safetensors":
        from ..trace.files.safetensors import holds_trace  # numpy, for such files only

        return not holds_trace(path)
    return suffix in READERS or suffix in REFUSED


def read_model(path: str | Path, layout: str | Mapping[str, Any] | Layout | None = None) -> list[Found]:
    """Every LSTM in a model file, those that cannot be traced included (see `Found.refused`).

    layout: how the arrays are stored, where the file does not say it. Raises FileError, MissingError and ShapeError
    that begin with the file's name.
    """
    suffix = Path(path).suffix.lower()
    if suffix in REFUSED:
        raise FileError(f"{path}: {REFUSED[suffix]}")
    if suffix not in READERS:
        raise FileError(f"{path}: not a model file; models are read from {', '.join(READERS)}")
    if not Path(path).is_file():
        raise FileError(f"{path}: {'a folder, not a file' if Path(path).is_dir() else 'no such file or directory'}")
    if not is_model(path):
        raise FileError(f"{path}: {TRACED}")
    reader = import_module(f".{READERS[suffix]}", __package__)
    if suffix == ".onnx" and layout is not None:
        raise OptionError(f"{path}: an ONNX file says how its weights are stored")
    found: list[Found] = reader.read(Path(path), layout=None if layout is None else stored_as(layout))
    return found


__all__ = [
    "READERS", "Found", "Layout", "as_asked", "check_any", "choose", "is_model", "read_model", "readable",
]  # fmt: skip
