"""Keras files: .keras (Keras 3), .weights.h5, and the older .h5, whole models or weights only."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FileError, ShapeError
from ..model import Defaults
from .arrays import unpack
from .found import Found
from .guards import archive, told
from .hdf5 import Tree, opened, parsed, tree
from .keras_config import MERGES, Layer, activation, layers
from .keys import Array
from .layouts import LAYOUTS, Layout

_OTHERS = {3: "GRU", 1: "SimpleRNN"}
_BACK = re.compile(r"backward(_layer|_.*)?")
_FORTH = re.compile(r"forward(_layer|_.*)?")


@dataclass
class _Unit:
    """A recurrent layer of a file: for each direction its `kernel`, `recurrent_kernel`, `bias`, or Keras 1's twelve."""

    name: str
    arrays: dict[str, dict[str, Array]] = field(default_factory=dict)


@dataclass(frozen=True)
class _File:
    """What a file says beside its arrays: the version of Keras, and the configuration of its layers, if any."""

    where: str
    version: str
    config: Mapping[str, Layer]

    @property
    def major(self) -> int:
        """The version that decides on hard_sigmoid; 3 where the file does not say it."""
        first = self.version.split(".")[0]
        return int(first) if first.isdecimal() else 3


def read(path: Path, layout: Layout | None = None, recurrent_activation: str | None = None) -> list[Found]:
    """The LSTMs of a Keras file: `.keras`, `.weights.h5` or `.h5`.

    layout: for files that were not written by Keras 2 or 3. recurrent_activation: of files that hold weights only.
    Raises MissingError without h5py, FileError.
    """
    where = str(path)
    if path.suffix.lower() == ".keras":
        with archive(path) as zipped, told(path, KeyError, RuntimeError):
            names = zipped.namelist()
            for name in ("config.json", "model.weights.h5"):
                if name not in names:
                    raise FileError(f"{path}: not a Keras file: it has no {name}")
            config = parsed(zipped.read("config.json").decode("utf-8", "replace"), where)
            meta = (
                parsed(zipped.read("metadata.json").decode("utf-8", "replace"), where)
                if "metadata.json" in names
                else {}
            )
            stored = io.BytesIO(zipped.read("model.weights.h5"))
        version = str(meta.get("keras_version", "3")) if isinstance(meta, Mapping) else "3"
        with opened(stored, where) as file, told(path, RuntimeError, ValueError, KeyError):
            return _found(tree(file, where), _File(where, version, layers(config)), layout, recurrent_activation)
    with opened(path, where) as file, told(path, RuntimeError, ValueError, KeyError):
        inside = tree(file, where)
        text = inside.text("", "model_config")
        version = inside.text("", "keras_version") or inside.text("model_weights", "keras_version")
        config = layers(parsed(text, where)) if text else {}
        return _found(inside, _File(where, version, config), layout, recurrent_activation)


def _found(inside: Tree, file: _File, layout: Layout | None, asked: str | None) -> list[Found]:
    units = _units(inside)
    if not units:
        kinds = sorted({layer.inner_kind for layer in file.config.values()})
        said = f"its layers are {', '.join(kinds)}" if kinds else f"it has {len(inside.arrays)} arrays"
        raise FileError(f"{file.where}: no LSTM was found; {said}")
    order = {path: at for at, path in enumerate(file.config)}
    found = []
    for unit in units:
        try:
            found.append(_one(unit, file, layout, asked))
        except ShapeError as error:
            found.append(Found(unit.name, "no LSTM", refused="; ".join(error.problems)))
    return sorted(found, key=lambda one: order.get(one.name, len(order)))


# -- which arrays belong together -----------------------------------------------------------------------------------


def _units(inside: Tree) -> list[_Unit]:
    """The recurrent layers of a file; optimizer arrays, which have the same shapes, are left out."""
    root = "model_weights/" if any(key.startswith("model_weights/") for key in inside.arrays) else ""
    units: dict[str, _Unit] = {}
    for key, values in inside.arrays.items():
        if not key.startswith(root) or key.split("/")[0] in ("optimizer", "optimizer_weights"):
            continue
        *groups, last = key.removeprefix(root).removesuffix(":0").split("/")
        role, place = _role(groups, last)
        if not role:
            continue
        back = [part for part in place if _BACK.fullmatch(part)]
        place = [part for part in place if not _BACK.fullmatch(part) and not _FORTH.fullmatch(part)]
        unit = units.setdefault("/".join(place), _Unit(""))
        unit.arrays.setdefault("reverse" if back else "forward", {})[role] = Array(key, values)
    kept = {place: unit for place, unit in units.items() if _recurrent(unit)}
    for name, unit in kept.items():
        unit.name = _called(name, inside, list(kept))
    return list(kept.values())


def _role(groups: list[str], last: str) -> tuple[str, list[str]]:
    """What an array is by its name, and the groups above its layer; an empty role for arrays of other layers."""
    if groups and groups[-1] == "vars" and last in ("0", "1", "2"):  # Keras 3: variables by number
        above = groups[:-1]
        above = above[:-1] if above and above[-1] == "cell" else above
        return ("kernel", "recurrent_kernel", "bias")[int(last)], above
    old = re.fullmatch(r"(?:\w+_)?([WUb]_[icfo])", last)  # Keras 1: twelve arrays
    if last in ("kernel", "recurrent_kernel", "bias"):
        return last, groups
    return (old[1], groups) if old else ("", [])


def _recurrent(unit: _Unit) -> bool:
    """Whether the arrays are those of a recurrent layer: a kernel and a recurrent one of as many columns."""
    for arrays in unit.arrays.values():
        if {"W_i", "U_i"} <= set(arrays):
            return True
        if not {"kernel", "recurrent_kernel"} <= set(arrays):
            return False
        kernel, recurrent = (np.shape(arrays[role].values) for role in ("kernel", "recurrent_kernel"))
        if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1]:
            return False
        if recurrent[1] not in (4 * recurrent[0], 3 * recurrent[0], recurrent[0]):
            return False
    return bool(unit.arrays)


def _called(place: str, inside: Tree, places: list[str]) -> str:
    """A layer's own name: an attribute in Keras 3, the first group in older files."""
    parts = place.split("/")
    if any(key.startswith(f"{place}/") and "/vars/" in key for key in inside.arrays):
        names = []
        for at, part in enumerate(parts, 1):
            if part != "layers":
                names.append(inside.text("/".join([*parts[:at], "vars"]), "name") or part)
        return "/".join(names)
    alone = sum(other.split("/")[0] == parts[0] for other in places) == 1
    if alone:
        return parts[0]
    inner = parts[1:] if len(parts) > 1 and parts[1] == parts[0] else parts
    inner = [part for part in inner if not part.startswith("lstm_cell")]
    return "/".join(dict.fromkeys([parts[0], *inner]))


# -- one layer -------------------------------------------------------------------------------------------------------


def _one(unit: _Unit, file: _File, layout: Layout | None, asked: str | None) -> Found:
    """One layer in our names. Raises ShapeError; what is no LSTM comes back as refused."""
    layer = _layer(unit.name, file.config)
    unit.name = layer.path if layer else unit.name
    two = len(unit.arrays) > 1
    kind = f"Keras {layer.kind if layer else 'Bidirectional LSTM' if two else 'LSTM'}"
    if layer and layer.kind == "Bidirectional":
        kind = f"Keras Bidirectional {layer.inner_kind}"
    other = _other(unit, layer)
    if other:
        return Found(unit.name, kind if layer else f"Keras {other}", refused=other_said(other))
    stored = layout or _layout(unit)
    weights: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for direction, arrays in unit.arrays.items():
        own, more = unpack(stored, _roles(arrays))
        weights |= {f"0/{direction}/{name}": values for name, values in own.items()}
        options |= {key: value for key, value in more.items() if key != "gate_activation"}
    biased = any("/b_" in key for key in weights)
    said = [f"read in the layout {stored.name}: {stored.describe(biased)}"]
    try:
        gates = _activations(layer, file, asked, said)
        options |= {key: value for key, value in gates.items() if value}
    except ValueError as error:
        return Found(unit.name, kind, refused=f"its activation {error} is none of ours; see docs/options.md")
    inner: Mapping[str, Any] = layer.inner if layer else {}
    if two:
        mode = layer.config.get("merge_mode", "concat") if layer else "concat"
        if inner.get("go_backwards"):
            return Found(unit.name, kind, refused="the layer inside of Bidirectional has go_backwards=True")
        options["merge"] = MERGES.get(mode, str(mode))
        if not layer:
            said.append("both directions are concatenated: the file does not say how they are merged")
    elif inner.get("go_backwards"):
        weights = {key.replace("0/forward/", "0/reverse/"): values for key, values in weights.items()}
        said.append(
            "go_backwards: Keras gives the outputs in the order of computing, the trace by position in the input"
        )
    options["padding"] = "zero" if inner.get("zero_output_for_mask") else "repeat"
    said.append("x is (B, T, I), as Keras has it")
    facts = {"layout": stored.name, **_facts(layer)}
    return Found(unit.name, kind, weights, options, Defaults(batch_first=True), tuple(said), facts)


def from_layer(arrays: Mapping[str, Mapping[str, Any]], layer: Layer, version: str) -> Found:
    """The LSTM of a live layer: by direction its kernel, recurrent_kernel and bias, with its configuration."""
    unit = _Unit(layer.path, {way: {r: Array(r, v) for r, v in held.items()} for way, held in arrays.items()})
    return _one(unit, _File(layer.path, version, {layer.path: layer}), None, None)


def other_said(kind: str) -> str:
    """The refusal of a layer that is no LSTM."""
    return f"these are the weights of a layer {kind}, not of an LSTM; only LSTMs are read"


def _layer(name: str, config: Mapping[str, Layer]) -> Layer | None:
    """The recurrent layer of that name, the only one in a model of that name, or the only one with that last name."""
    there = [layer for layer in config.values() if layer.recurrent]
    for fits in (
        [layer for layer in there if layer.path == name],
        [layer for layer in there if layer.path.startswith(f"{name}/")],
        [layer for layer in there if layer.path.split("/")[-1] == name.split("/")[-1]],
    ):
        if fits:
            return fits[0] if len(fits) == 1 else None
    return None


def _other(unit: _Unit, layer: Layer | None) -> str:
    """The kind of recurrent layer, where it is no LSTM: by its class, else by shape."""
    for arrays in unit.arrays.values():
        if "recurrent_kernel" in arrays:
            rows, columns = np.shape(arrays["recurrent_kernel"].values)
            if columns != 4 * rows:
                return layer.inner_kind if layer else _OTHERS.get(columns // rows, "of another kind")
    if layer and layer.inner_kind not in ("LSTM", "LSTMCell", "CuDNNLSTM"):
        return layer.inner_kind
    return ""


def _layout(unit: _Unit) -> Layout:
    """CuDNNLSTM is told by its long bias, Keras 1 by its twelve arrays."""
    arrays = next(iter(unit.arrays.values()))
    if "W_i" in arrays:
        return LAYOUTS["keras1"]
    columns = np.shape(arrays["kernel"].values)[1]
    long = "bias" in arrays and np.shape(arrays["bias"].values) == (2 * columns,)
    return LAYOUTS["cudnn" if long else "keras"]


def _roles(arrays: Mapping[str, Array]) -> dict[tuple[str, str], Array]:
    plain = {
        "kernel": "input",
        "recurrent_kernel": "recurrent",
        "bias": "bias",
        "W": "input",
        "U": "recurrent",
        "b": "bias",
    }
    found = {}
    for role, item in arrays.items():
        word, _, gate = role.partition("_") if role[0] in "WUb" and role[1:2] == "_" else (role, "", "")
        found[plain[word], gate] = item
    return found


def _activations(layer: Layer | None, file: _File, asked: str | None, said: list[str]) -> dict[str, str]:
    """The activations of one layer, as the configuration has them or as the version's default, and that it was assumed.

    Raises ValueError with the name of an activation that we do not have.
    """
    if layer and layer.inner_kind == "CuDNNLSTM":
        return {}
    inner: Mapping[str, Any] = layer.inner if layer else {}
    found: dict[str, str] = {}
    if "activation" in inner:
        both = activation(inner["activation"], file.major)
        found |= {"candidate_activation": both, "output_activation": both}
    name = inner.get("recurrent_activation", inner.get("inner_activation"))
    if asked:
        found["gate_activation"] = activation(asked, file.major) if asked == "hard_sigmoid" and layer else asked
        said.append(f"recurrent activation {found['gate_activation']}, as asked")
    elif layer and ("recurrent_activation" in inner or "inner_activation" in inner):
        found["gate_activation"] = activation(name, file.major)
    else:
        found["gate_activation"], why = _assumed(file.version)
        said.append(
            f"the file does not say the recurrent activation: {found['gate_activation']} was assumed, {why}; there are "
            "sigmoid, hard_sigmoid (0.2 x + 0.5, Keras 1 and 2) and hard_sigmoid_keras (x/6 + 0.5, Keras 3): "
            "choose with --recurrent-activation"
        )
    return found


def _assumed(version: str) -> tuple[str, str]:
    """The default recurrent activation of a version of Keras, and why it was taken."""
    numbers = [int(n) for n in re.findall(r"\d+", version)[:2]]
    if not numbers:
        return "sigmoid", "the default of Keras 3 and of tf.keras in TensorFlow 2"
    if "-tf" in version or numbers >= [2, 3]:
        return "sigmoid", f"the default of Keras {version}"
    return "hard_sigmoid", f"the default of Keras {version} (before 2.3)"


def _facts(layer: Layer | None) -> dict[str, str]:
    if layer is None:
        return {"input": "not known: the file holds weights only"}
    inner = layer.inner
    found = {}
    kind, name = layer.before
    if kind:
        found["input"] = "the model's input" if kind == "InputLayer" else f"the output of {name} ({kind})"
    if not inner.get("return_sequences", True):
        found["returns"] = "the last step only (return_sequences=False); the trace has every step"
    if inner.get("stateful"):
        found["stateful"] = "the states of the last call go on; give them as h0 and c0"
    if inner.get("dropout") or inner.get("recurrent_dropout"):
        found["dropout"] = "in training only; the trace has none"
    return found
