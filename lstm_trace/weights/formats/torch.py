"""PyTorch checkpoints: state dicts, also inside a checkpoint; loaded without running code from the file."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...base.packaged import packaged
from ...errors import FileError, within
from ..find import find
from ..guards import Lazy, archive, check_intact, entries, package
from ..layouts import LAYOUTS, Layout
from ..read import Found

SAVE = "torch.save(model.state_dict(), 'weights.pt')"
#: Containers nested deeper than this are not a checkpoint.
DEEPEST = 32
_PLACE = r"_l\d+(?:_reverse)?"
#: Arrays from which a module computes its weights, and what puts the weights themselves in their place.
_DERIVED: dict[str, str] = packaged("weights/words.toml")["torch"]


def plain(tensor: Any, where: str) -> Any:
    """A tensor as a numpy array, bfloat16 as the equal float32.

    Raises FileError if it is quantised, sparse or empty, or has fewer numbers than it claims.
    """
    import torch

    if tensor.is_quantized:
        raise FileError(f"{where} is quantised; save the state dict of the model before it was quantised")
    if tensor.layout != torch.strided or tensor.is_meta:
        raise FileError(f"{where} is {'empty (on the meta device)' if tensor.is_meta else 'sparse'}; expected numbers")
    if entries(tensor.shape) * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise FileError(f"{where} claims {entries(tensor.shape):,} numbers and stores fewer")
    return numbers_of(tensor)


def numbers_of(tensor: Any) -> Any:
    """A tensor with plain numbers as a numpy array, bfloat16 as the equal float32."""
    import torch

    kept = tensor.detach().cpu()
    return (kept.float() if kept.dtype == torch.bfloat16 else kept).resolve_conj().resolve_neg().numpy()


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs, GRUs and RNNs of a checkpoint: those with PyTorch's names (`weight_ih_l0`), or in `layout`.

    Raises MissingError without torch; FileError for TorchScript, pickled modules, truncated, damaged and foreign files.
    """
    with arrays(path) as there, within(str(path)):
        return [_told(f, there) for f in find(there, layout or _named_by_torch(there), "PyTorch {}")]


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """Every tensor of a checkpoint by its path of keys. Raises MissingError without torch; FileError."""
    found = {
        key: Lazy(tuple(int(n) for n in tensor.shape), tensor.dtype, partial(plain, tensor, key))
        for key, tensor in _tensors(load(path), "", 0)
    }
    if not found:
        raise FileError(f"{path}: no tensors were found; save the state dict: {SAVE}")
    yield found


def load(path: Path) -> Any:
    """The contents of a checkpoint, read by torch's own loader for weights only. Raises MissingError, FileError."""
    with path.open("rb") as file:
        mapped = file.read(2) == b"PK"  # a zip archive; before PyTorch 1.6 a sequence of pickles
    if mapped:
        with archive(path) as opened:
            _refuse_programs(path, opened.namelist())
            check_intact(opened, path)  # torch maps the file and never checks checksums
    torch = package("torch", path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # the loader raises errors of every kind for a foreign file
        said = f"not a PyTorch checkpoint, or cut off; expected what this writes: {SAVE}"
        if named := re.search(r"GLOBAL\s+([\w.]+)", str(error)):
            said = f"a pickled object of the class {named[1]}, which could run code, so it is not opened; save the "
            said += f"state dict alone: {SAVE}"
            if named[1] == "torch.ScriptObject":
                said = "packed weights of a quantised model; save the state dict of the model before it was quantised"
        raise FileError(f"{path}: {said}") from None


def _refuse_programs(path: Path, names: list[str]) -> None:
    """Raise FileError for archives that contain a program, judged by the names of their entries."""
    inner = [name.split("/", 1)[-1] for name in names]
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        instead = f"torch.save(torch.jit.load({path.name!r}).state_dict(), 'weights.pt')"
        raise FileError(f"{path}: a TorchScript program, which is not run; save its weights: {instead}")
    if "archive_format" in inner or any(name.endswith((".json", "model.so")) for name in inner):
        raise FileError(f"{path}: an exported program: name the file .pt2, or save the state dict: {SAVE}")
    if "data.pkl" not in inner:
        raise FileError(f"{path}: a zip archive, but not a PyTorch checkpoint (it has no data.pkl)")


def _tensors(value: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Every tensor in nested mappings and lists, by its path of keys."""
    pairs: Iterable[tuple[Any, Any]] = ()
    if hasattr(value, "detach") and hasattr(value, "untyped_storage"):
        yield path, value
    elif isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list | tuple) and len(value) < 10_000:
        pairs = enumerate(value)
    for key, inner in pairs if depth < DEEPEST else ():
        yield from _tensors(inner, f"{path}.{key}" if path else str(key), depth + 1)


def _named_by_torch(arrays: Mapping[str, Any]) -> Layout | None:
    """PyTorch's own layout if its names are present; otherwise None, and the names decide.

    Raises FileError if weights are stored in other forms, which their names reveal.
    """
    known = (re.search(rf"(?:^|\.)weight_([ih]h)(?:{_PLACE})?$", key) for key in arrays)
    stored = {match[1] for match in known if match}
    for pattern, said in _DERIVED.items() if len(stored) < 2 else ():
        if other := next((match for key in arrays if (match := re.search(pattern, key))), None):
            said = said.format(*other.groups())
            raise FileError(f"{other.string}: the weights are not stored as such; {said}, then save the state dict")
    return LAYOUTS["pytorch"] if "ih" in stored else None


def _told(found: Found, arrays: Mapping[str, Any]) -> Found:
    """The same with a note on what a state dict does not record."""
    if found.refused:
        return found
    facts = {**found.facts, "input": "not known: a state dict holds weights only"}
    cell = f"{found.name}.weight_ih".lstrip(".") in arrays
    return replace(found, kind=f"{found.kind}Cell" if cell else found.kind, facts=facts)
