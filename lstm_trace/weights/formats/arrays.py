"""Arrays in a file by name, whether or not they belong to a cell; embeddings whose rows x may consist of.

.npz and .npy are read without pickles: an array's header first, its numbers on use. .safetensors are read tensor by
tensor by the library, except for bfloat16, which numpy lacks.
"""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial, reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ...base.remark import Remark
from ...errors import FileError, MissingError, NotFoundError, nearest, some, within
from ..find import find
from ..guards import Lazy, afford, archive, check_file, entries, numbers, told
from ..layouts import Layout
from ..names import detect
from ..onnx.constants import stored_tensor
from ..read import READERS, Found, Wiring, is_model


def _member(opened: zipfile.ZipFile, entry: str, path: str | Path) -> Lazy:
    """An array in an .npz file: its header is read and compared with the entry, its numbers are read on use."""
    where, info = f"{path}: {entry.removesuffix('.npy')}", opened.getinfo(entry)
    with told(where, ValueError, TypeError), opened.open(entry) as file:
        shape, dtype = header(file, where, info.file_size)
    afford(info.file_size, info.compress_size, where)

    def read() -> Any:
        with told(where, ValueError, TypeError), opened.open(entry) as file:
            return npy.read_array(file, allow_pickle=False)

    return Lazy(shape, dtype, read)


def header(file: Any, where: str, there: int) -> tuple[tuple[int, ...], Any]:
    """Shape and dtype from the header of an .npy file with `there` bytes in all.

    Raises FileError for an array of objects, and for one that is incomplete.
    """
    version = npy.read_magic(file)
    if (reader := {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)) is None:
        raise FileError(f"{where} is an .npy file of version {version}, and versions 1 and 2 are read")
    try:
        shape, _, dtype = reader(file)
    except Exception as error:  # numpy reads the text of a header with Python's own parser, which may raise anything
        said = str(error.args[0] if error.args else "").strip().splitlines() or [type(error).__name__]
        raise FileError(f"{where} has a header that cannot be read ({said[0][:100]})") from None
    if dtype.hasobject:
        raise FileError(f"{where} is an array of Python objects: a pickle, which is never opened; save numbers")
    if (claimed := file.tell() + entries(shape) * dtype.itemsize) != there:
        raise FileError(f"{where} claims {claimed:,} bytes and has {there:,}; is it cut off?")
    return shape, dtype


@contextmanager
def npz_arrays(path: str | Path) -> Iterator[dict[str, Lazy]]:
    """The arrays of an .npz file by name, while it is open. Raises FileError."""
    with archive(path) as opened:
        names = [e.filename for e in opened.infolist() if not e.is_dir()]
        if foreign := [name for name in names if not name.endswith(".npy")]:
            raise FileError(f"{path}: not an .npz file: it holds {foreign[0]}")
        yield {name.removesuffix(".npy"): _member(opened, name, path) for name in names}


def npz_bytes(arrays: Arrays) -> bytes:
    """An .npz file, byte by byte the same on every system."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, array in arrays.items():
            entry, data = zipfile.ZipInfo(f"{name}.npy"), io.BytesIO()
            entry.create_system = 3
            npy.write_array(data, np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
            file.writestr(entry, data.getvalue())
    return content.getvalue()


def load_npy(path: str | Path) -> Any:
    """The array of an .npy file. Raises FileError."""
    with told(path, ValueError, TypeError, struct.error), Path(path).open("rb") as file:
        header(file, f"{path}:", Path(path).stat().st_size)
        file.seek(0)
        return npy.read_array(file, allow_pickle=False)


def bare_array(path: Path) -> Any:
    """The array of a file that has one: .npy, .pb (a tensor of ONNX), .bin (float32 numbers as they lie in memory).

    Raises FileError, MissingError.
    """
    if path.suffix == ".npy":
        return load_npy(path)
    if path.suffix == ".pb":
        return stored_tensor(path)
    if path.suffix != ".bin":
        raise FileError(f"{path}: expected .npy, .pb or .bin, a file with one array")
    with told(path, ValueError):  # not a whole number of floats
        return np.frombuffer(path.read_bytes(), "<f4")


def small_arrays(paths: Sequence[Path], most: int) -> dict[str, Any]:
    """The arrays of an .npz file, or of files that have one each, by the names of those, of at most `most` bytes.

    Raises FileError, MissingError.
    """
    for path in paths:
        check_file(path)
        if (size := path.stat().st_size) > most:
            raise FileError(f"{path}: expected at most {most:,} bytes, found {size:,}")
    if paths[0].suffix != ".npz":
        return {path.stem: bare_array(path) for path in paths}
    with npz_arrays(paths[0]) as opened:
        return {name: np.asarray(array) for name, array in opened.items()}


_DTYPES = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}


@contextmanager
def safetensors_arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """The tensors of a file by name, while it is open; bfloat16 is read as the equal float32. Raises FileError."""
    from safetensors import SafetensorError, safe_open

    with told(path, SafetensorError, ValueError), safe_open(path, framework="np") as opened:
        found = {}
        for name in opened.keys():  # noqa: SIM118 - it is not a mapping
            view = opened.get_slice(name)
            kind = str(view.get_dtype())
            found[name] = Lazy(tuple(view.get_shape()), _DTYPES.get(kind, kind), partial(_tensor, opened, path, name))
        yield found


def _tensor(opened: Any, path: Path, name: str) -> Any:
    """A tensor's numbers. Raises FileError for float8 and similar types."""
    view = opened.get_slice(name)
    if (kind := str(view.get_dtype())) == "BF16":
        with path.open("rb") as file:  # the library has checked its header
            length = struct.unpack("<Q", file.read(8))[0]
            first, last = json.loads(file.read(length))[name]["data_offsets"]
            file.seek(8 + length + first)
            return numbers(file.read(last - first), "bfloat16", tuple(view.get_shape()), f"{path}: {name}")
    try:
        return opened.get_tensor(name)
    except (AttributeError, TypeError):
        raise FileError(f"{path}: the tensor {name} has the dtype {kind}; expected F64, F32, F16 or BF16") from None


Arrays = Mapping[str, Any]
#: Name for the cells in files that contain only arrays.
_KINDS = {".npz": "{} (arrays)", ".safetensors": "{} (tensors)"}


def arrays(path: Path) -> AbstractContextManager[Arrays]:
    """The arrays of an .npz or .safetensors file. Raises FileError."""
    return npz_arrays(path) if path.suffix.lower() == ".npz" else safetensors_arrays(path)


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs, GRUs and RNNs of an .npz or .safetensors file (see `find.find`)."""
    with arrays(path) as there, within(str(path)):
        return find(there, layout, _KINDS[path.suffix.lower()])


def array_in(path: Path, name: str) -> Any:
    """The array called `name` in a file of arrays; for an .npy file, which has no names, `name` is empty.

    Raises FileError; MissingError for an unknown name.
    """
    if path.suffix.lower() == ".npy" and not name:
        return load_npy(path)
    with arrays_of(path) as arrays:
        if name not in arrays:
            said = f"no array {name!r}" if name else f"name an array, as in {path.name}:NAME"
            raise MissingError(f"{path}: {said}{nearest(name, arrays, 'there are')}")
        return np.asarray(arrays[name])


def arrays_of(path: Path) -> AbstractContextManager[Arrays]:
    """Every array of a file by name, to be read while it is open. Raises FileError, MissingError."""
    if (suffix := path.suffix.lower()) not in READERS:
        raise FileError(f"{path}: arrays are read by name from {', '.join(READERS)}")
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file", filename=path)
    opened: Callable[[Path], AbstractContextManager[Arrays]]
    opened = import_module(f"..{READERS[suffix]}", __package__).arrays
    return opened(path)


def tables(path: Path, width: int, wiring: Wiring | None = None) -> dict[str, Any]:
    """The embeddings with `width` columns in a file of arrays.

    An embedding is the only array of its module: a readout has a bias, and a cell several matrices. If names have no
    modules, an embedding is recognised by its name. wiring: a graph, which names the only one. Raises FileError,
    MissingError.
    """
    found: dict[str, Any] = {}
    with arrays_of(path) as arrays:
        modules = Counter(map(_module, arrays))
        named = [name for name in arrays if "emb" in name.lower() or (_module(name) and modules[_module(name)] == 1)]
        for name in named if wiring is None else {wiring.embedding} & arrays.keys():
            if len(arrays[name].shape) == 2 and arrays[name].shape[1] == width:
                with suppress(FileError):  # numbers in an unsupported form: quantised, sparse
                    found[name] = np.asarray(arrays[name])
    return {name: table for name, table in found.items() if table.dtype.kind in "fiu"}


def readouts(arrays: Arrays, width: int, wiring: Wiring | None) -> list[tuple[tuple[str, ...], list[str]]]:
    """The possible readouts of `width` units: the names of a matrix beside the cells, and of its bias, if any has its
    name; and the other vectors with as many entries, in the same module, if names have any.

    As for `tables`, it is the only matrix of its module. wiring: a graph, which says which they are.
    """
    if wiring is not None:
        return [(names, []) for names, _ in wiring.heads if arrays.keys() >= {*names}]
    used = cell_arrays(arrays)
    free = {n: tuple(a.shape) for n, a in arrays.items() if n not in used and "optimizer" not in n}
    matrices = Counter(_module(name) for name, shape in free.items() if len(shape) > 1)
    found = []
    for name, shape in free.items():
        home = _module(name)
        if len(shape) == 2 and width in shape and "emb" not in name.lower() and (not home or matrices[home] == 1):
            size = (shape[shape[0] == width],)
            vectors = [n for n, own in free.items() if own == size and (not home or _module(n) == home)]
            bias = [n for n in vectors if n.lower() in _biases(name)][:1]
            found.append(((name, *bias), [] if bias else vectors))
    return found


def _biases(name: str) -> set[str]:
    """The names of a bias beside the matrix `name`: `dense/bias:0` for `dense/kernel:0`, `b_y` for `W_hy`."""
    own = re.sub(r"^w(_?)h?y$", r"b\1y", re.sub(r"/vars/0$", "/vars/1", name.lower()))
    matrix = r"(?<![a-z])(weights?|kernel|w)(?![a-z]|.*[./][a-z])"  # in the last part of the name
    return {re.sub(matrix, bias, own) for bias in ("b", "bias")}


def cell_arrays(arrays: Arrays) -> set[str]:
    """The names of the arrays that are weights of a cell."""
    known = detect(arrays)
    return {item.key for group in (known[1].values() if known else ()) for item in group.arrays}


def beside(path: str | Path, found: Iterable[Found]) -> tuple[Found, ...]:
    """The cells of a model file, with the options that read an embedding and a readout beside each, as facts."""
    return tuple(replace(one, facts={**one.facts, **_options(Path(path), one)}) for one in found)


def _options(path: Path, found: Found) -> dict[str, str]:
    sizes, merge = found.sizes(), found.options.get("merge", "concat")
    width = sizes.get("P", sizes.get("H", 0)) * (len(found.directions) if merge == "concat" else 1)
    looked_up = tables(path, sizes.get("I", 0), wiring := found.defaults.wiring)
    options = {"embedding": [f"--embedding model:{n} {a.shape}" for n, a in looked_up.items()]}
    with arrays_of(path) as arrays:
        heads = readouts(arrays, width, wiring)
        options["head"] = [f"--head model:{','.join(names)} {tuple(arrays[names[0]].shape)}" for names, _ in heads]
    return {key: some(ways, 3) for key, ways in options.items() if ways}


def _module(name: str) -> str:
    """`embedding` for `embedding.weight`, `layers/embedding/vars` for `layers/embedding/vars/0`."""
    return name.rpartition("/" if "/" in name else ".")[0]


def told_apart(a: Any, b: Any, x: tuple[Any, Any], *given: Any) -> list[Remark]:
    """Sentences about two model files, run over the same x or the same tokens, whose embeddings differ.

    Embeddings with the same name are compared, or the only ones. x: those of both, (…, I), or None. given: the
    embeddings that the models were given, if x was looked up: they alone are compared, if they are those of the models,
    `model:NAME`, and x differs too. Raises FileError, MissingError.
    """
    own = [str(one).startswith("model:") for one in given if one is not None]
    files = all(isinstance(path, str | Path) and is_model(path) for path in (a, b))
    if x[0] is None or not all(own) or not files or (own and np.array_equal(*x, equal_nan=True)):
        return []
    if len(own) == 2:
        named = zip((a, b), (str(one).removeprefix("model:") for one in given), strict=True)
        one, two = ({name: array_in(Path(path), name)} for path, name in named)
    else:
        one, two = (tables(Path(path), x[0].shape[-1]) for path in (a, b))
    if not (pairs := [(name, name) for name in one if name in two]) and len(one) == len(two) == 1:
        pairs = list(zip(one, two, strict=True))
    said = []
    for mine, yours in pairs:
        first, second = one[mine], two[yours]
        name = mine if mine == yours else Remark("diff.names", {"a": mine, "b": yours})
        if first.shape != second.shape:
            said.append(Remark("diff.embedding.shapes", {"name": name, "a": str(first.shape), "b": str(second.shape)}))
        elif not np.array_equal(first, second, equal_nan=True):
            with np.errstate(all="ignore"):
                apart = np.nanmax(np.abs(first.astype(np.float64) - second.astype(np.float64)))
            said.append(Remark("diff.embedding.values", {"name": name, "most": f"{apart:.3g}"}))
    each = reduce(lambda one, two: Remark("diff.embedding.more", {"one": one, "two": two}), said) if said else None
    return [Remark(f"diff.embeddings{'.own' * bool(own)}", {"each": each})] if each else []
