"""Files that are not read: what each one is, recognised by its content, and how to get something that is read."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from ..errors import FileError

#: Bytes from the start of a file by which it is recognised, and from its end.
HEAD, TAIL = 512, 8


class Unread(NamedTuple):
    """A format that is not read. One of the patterns, or an entry of a folder, recognises it.

    instead: what to do next. code: lines of Python for that, what is imported with numpy and a mapping of arrays by
    name, in which FILE is the path. head: of its first bytes and its last 8. name: of its name in lower case. inside:
    paths in a folder. but: suffixes of formats that are read and begin likewise.
    """

    what: str
    instead: str = "save its arrays as .npz"
    code: tuple[str, str] = ("", "")
    head: bytes = b"(?!)"
    name: str = "(?!)"
    inside: tuple[str, ...] = ()
    but: tuple[str, ...] = ()

    def advice(self, file: str) -> str:
        """What to do next with a file, given as Python writes its path."""
        imported, arrays = self.code
        code = f": import numpy as np, {imported}; np.savez('weights.npz', **{arrays})" if arrays else ""
        return (self.instead + code).replace("FILE", file)


_TORCH = (".pt", ".pth", ".bin", ".ckpt", ".jit", ".pt2")
#: The suffixes of the files that are read: their readers say what is wrong.
_READ = (*_TORCH, ".safetensors", ".npz", ".keras", ".h5", ".hdf5", ".onnx", ".msgpack", ".tflite")
_SOURCE = "use the model that it was made from, as .onnx, .pt or .keras"
#: The end of a path by which a group of files is not called.
_PARTS = re.compile(r"\.index$|\.data-\d{5}-of-\d{5}$|/?(checkpoint|saved_model\.pb(txt)?|keras_metadata\.pb)$")

UNREAD = (
    Unread(
        "a TensorFlow SavedModel",
        code=("tensorflow as tf", "{v.name: v.numpy() for v in tf.saved_model.load(FILE).variables}"),
        name=r"^(saved_model|keras_metadata)\.pb", inside=("saved_model.pb", "saved_model.pbtxt"),
    ),
    Unread(
        "a TensorFlow checkpoint",
        code=("tensorflow as tf; r = tf.train.load_checkpoint(FILE)", "{k.split('/.')[0]: r.get_tensor(k) for k in "
              "r.get_variable_to_shape_map() if k[0] != '_' and '/.OPT' not in k}"),
        head=rb".*W\xfb\x80\x8b\$uG\xdb\Z|model_checkpoint_path: ", name=r"\.data-\d{5}-of-\d{5}$",
    ),
    Unread(
        "a TensorFlow graph", "save the Keras model as .keras, or the variables as .npz with --layout tf1",
        name=r"\.pb(txt)?$",
    ),
    Unread(
        "a TensorFlow.js model",
        "tensorflowjs_converter --input_format=tfjs_layers_model --output_format=keras FILE model.h5",
        head=rb'\s*\{.*"modelTopology"',
    ),
    Unread(
        "a Core ML model", "save its arrays as .npz, and read them with --layout coreml",
        ("coremltools as ct; m = ct.optimize.coreml.get_weights_metadata(ct.models.MLModel(FILE), 1)",
         "{k[:-2].replace('_weight', '/weight').replace('_bias', '/bias'): w.val for k, w in m.items()}"),
        name=r"\.ml(model|modelc|package)$", inside=("Data/com.apple.CoreML",),
    ),
    Unread("a GGUF file", code=("gguf", "{t.name: t.data for t in gguf.GGUFReader(FILE).tensors}"), head=b"GGUF"),
    Unread(
        "an Orbax checkpoint",
        code=("os, flax, orbax.checkpoint as ocp",
              "flax.traverse_util.flatten_dict(ocp.PyTreeCheckpointer().restore(os.path.abspath(FILE)), sep='/')"),
        inside=("_METADATA", "_CHECKPOINT_METADATA", "manifest.ocdbt"),
    ),
    Unread(
        "a Zarr folder", code=("zarr", "{k: a[:] for k, a in zarr.open_group(FILE, mode='r').arrays()}"),
        inside=("zarr.json", ".zgroup", ".zarray", ".zmetadata"),
    ),
    Unread(
        "an OpenVINO model", "save its arrays as .npz, and read them with --layout openvino",
        ("openvino as ov", "{f'{op.get_friendly_name()}/{k}': op.input_value(n).get_node().data for op in ov.Core()."
         "read_model(FILE).get_ops() if op.get_type_name() == 'LSTMSequence' for n, k in enumerate('WRB', 4)}"),
        head=rb"(\xef\xbb\xbf)?\s*(<\?xml[^>]*>\s*)?<net\s",
    ),
    Unread("an ncnn model", f"its arrays have no names: {_SOURCE}", head=rb"7767517\s"),
    Unread("a TensorRT engine", _SOURCE, head=b"[fp]trt", name=r"\.(engine|plan|trt)$"),
    Unread("an ONNX Runtime model", _SOURCE, head=b".{4}ORTM"),
    Unread("an ExecuTorch program", _SOURCE, head=b".{4}ET1"),
    Unread(
        "a MATLAB file", "save it with -v7 in MATLAB, and its arrays as .npz",
        ("scipy.io", "{k: v for k, v in scipy.io.loadmat(FILE, squeeze_me=True).items() if k[0] != '_'}"),
        head=b"MATLAB [57]",
    ),
    Unread(
        "a file of R objects",
        "in R keras3::save_model(model, 'model.keras'); or, for a list w of matrices W_xi, W_hi, …, jsonlite::"
        "write_json(list(weights = w), 'weights.json', digits = NA)",
        head=b"RDX[23]\n", name=r"\.(rds|rdata|rda)$",
    ),
    Unread(
        "a list of the files that hold the weights",
        "give the file that its weight_map names for the arrays in question",
        head=rb'\s*\{\s*("metadata"\s*:\s*\{[^{}]*\}\s*,\s*)?"weight_map"', name=r"\.index\.json$",
    ),
    Unread(
        "an exported program", "save the state dict: torch.save(model.state_dict(), 'weights.pt')", name=r"\.pt2$",
    ),
    Unread(
        "a pickle", "it could run code; if you trust it, and it holds arrays by name, save them as .npz",
        ("pickle", "pickle.load(open(FILE, 'rb'))"),
        head=rb"\x80[\x02-\x05]", name=r"\.(pkl|pickle|joblib|pdparams)$", but=_TORCH,
    ),
    Unread(
        "a single array", "give it with --input, --h0 or --c0; arrays of weights go into one .npz", head=b"\x93NUMPY",
    ),
    Unread("a compressed file", "unpack it first", head=rb"\x1f\x8b|BZh\d1AY|\xfd7zXZ|\(\xb5/\xfd|7z\xbc\xaf|Rar!"),
    Unread(
        "an HDF5 file of another name", "if Keras wrote it, rename it to end in .h5", head=rb"\x89HDF\r\n",
        but=_READ,
    ),
    Unread(
        "a msgpack file of another name", "if Flax wrote it, rename it to end in .msgpack",
        head=rb"[\x81-\x8f\xde\xdf][\xa1-\xbf\xd9\0]", but=_READ,
    ),
    Unread(
        "a zip archive of another name", "rename it to end in .pt, .keras or .npz, by the program that wrote it",
        head=rb"PK\x03\x04", but=_READ,
    ),
)  # fmt: skip


def refusal(path: str | Path) -> str:
    """The message about a file or folder of a format that is not read; empty for any other.

    A file of bare numbers is recognised by its description (`.xml` or `.param` beside `.bin`), and a checkpoint in
    several files by the name that they have in common.
    """
    place = Path(path)
    files = [place, Path(f"{path}.index"), place / "checkpoint"]
    with suppress(OSError, ValueError):  # a name that no file can have
        if place.suffix.lower() == ".bin" and _ends(place)[:1] not in (b"P", b"\x80"):  # not PyTorch's
            files += [place.with_suffix(suffix) for suffix in (".xml", ".param")]
        for file in filter(Path.exists, files):
            folder, name, suffix = file.is_dir(), file.name.lower(), file.suffix.lower()
            content = b"" if folder else _ends(file)
            for one in UNREAD:
                if (
                    re.search(one.name, name)
                    or (suffix not in one.but and re.match(one.head, content, re.S))
                    or (folder and any((file / entry).exists() for entry in one.inside))
                ):
                    told = one.advice(repr(_PARTS.sub("", str(file)) or "."))
                    return f"{path}: {one.what}, which is not read here; {told}"
    return ""


def refuse(path: str | Path) -> None:
    """Raise FileError for a file or folder of a format that is not read."""
    if said := refusal(path):
        raise FileError(said)


def _ends(file: Path) -> bytes:
    """The first bytes of a file and its last ones; empty if it can be read only once. Raises OSError."""
    if not file.is_file():
        return b""
    with file.open("rb") as opened:
        head = opened.read(HEAD)
        opened.seek(max(opened.seek(0, 2) - TAIL, 0))
        return head + opened.read()
