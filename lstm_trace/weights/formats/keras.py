"""Keras files: .keras (Keras 3), .weights.h5, and the older .h5, whole models or weights only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...cell.network import extent, layer_and_direction
from ...errors import FileError, ShapeError, counted
from ...trace.address import whole
from ..completeness import lacking
from ..found import Defaults, Found
from ..guards import archive, content, told
from ..layouts import LAYOUTS, Layout
from ..names import Array
from ..unpack import unpack
from .hdf5 import Tree, opened, parsed
from .keras_arrays import grouped
from .keras_config import Layer, called, layers, masking
from .keras_options import KerasFile, activations, layout_facts, network_options

#: The HDF5 file within a `.keras` archive.
STORED = "model.weights.h5"
_OTHERS = {3: "GRU", 1: "SimpleRNN"}


@dataclass
class _Unit:
    """A recurrent layer of a file: by `layer/direction` its `kernel`, `recurrent_kernel`, `bias`, or Keras 1's twelve.

    There are several layers where it is an RNN of StackedRNNCells.
    """

    name: str
    arrays: dict[str, dict[str, Array]] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """Number of cells."""
        return extent(self.arrays)[0]

    @property
    def two(self) -> bool:
        """Whether it has both directions."""
        return len(extent(self.arrays)[1]) > 1


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs of a Keras file: `.keras`, `.weights.h5` or `.h5`.

    layout: for files that were not written by Keras 2 or 3. Raises MissingError without h5py, FileError.
    """
    where = str(path)
    if path.suffix.lower() == ".keras":
        with archive(path) as zipped, told(path, KeyError, RuntimeError, ValueError):
            names = zipped.namelist()
            for name in ("config.json", STORED):
                if name not in names:
                    raise FileError(f"{path}: not a Keras file: it has no {name}")
            config = parsed(content(zipped, "config.json").decode("utf-8", "replace"), where)
            stored = content(zipped, "metadata.json") if "metadata.json" in names else b"{}"
            meta = parsed(stored.decode("utf-8", "replace"), where)
            size = zipped.getinfo(STORED).file_size
        version = str(meta.get("keras_version", "3")) if isinstance(meta, Mapping) else "3"
        with opened(path, where, STORED, size) as inside, told(path, RuntimeError, ValueError, KeyError):
            return _found(inside, KerasFile(where, version, layers(config)), layout)
    with opened(path, where) as inside, told(path, RuntimeError, ValueError, KeyError):
        text = inside.text("", "model_config")
        version = inside.text("", "keras_version") or inside.text("model_weights", "keras_version")
        config = layers(parsed(text, where)) if text else {}
        return _found(inside, KerasFile(where, version, config), layout)


def _found(inside: Tree, file: KerasFile, layout: Layout | None) -> list[Found]:
    units = [_Unit(name, arrays) for name, arrays in grouped(inside, file.config).items()]
    if not units:
        kinds = sorted({layer.inner_kind for layer in file.config.values()})
        said = f"its layers are {', '.join(kinds)}" if kinds else f"it has {counted(len(inside.arrays), 'array')}"
        raise FileError(f"{file.where}: no LSTM was found; {said}")
    order = {path: at for at, path in enumerate(file.config or inside.order)}
    found = []
    for unit in units:
        try:
            found.append(_one(unit, file, layout))
        except ShapeError as error:
            found.append(Found(unit.name, "no LSTM", refused="; ".join(error.problems)))
    return sorted(found, key=lambda one: (_rank(one.name, order), _counted(one.name)))


def _rank(name: str, order: Mapping[str, int]) -> int:
    """The place of a layer in the model; the last where the file does not say it."""
    return order.get(name, order.get(name.split("/")[0], len(order)))


def _counted(name: str) -> list[tuple[int, str]]:
    """A key that sorts lstm_2 before lstm_10: Keras counts the layers of a class as they are made."""
    parts = ((part, whole(part)) for part in re.split(r"(\d+)", name))
    return [(-1, part) if number is None else (number, "") for part, number in parts]


# -- one layer -------------------------------------------------------------------------------------------------------


def _one(unit: _Unit, file: KerasFile, layout: Layout | None) -> Found:
    """One layer in our names. Raises ShapeError; what is no LSTM comes back as refused."""
    layer = called(unit.name, file.config)
    unit.name = layer.path if layer else unit.name
    kind = _kind(unit, layer)
    stored = layout or _layout(unit)
    absent = lacking(stored, {layer_and_direction(scope): _roles(arrays) for scope, arrays in unit.arrays.items()})
    biased = any("bias" in arrays or "b_i" in arrays for arrays in unit.arrays.values())
    if not absent and layer and layer.inner.get("use_bias") and not biased:
        absent = ["its configuration says use_bias, and the file has no bias of it"]
    if absent:
        return Found(unit.name, kind, refused=absent[0])
    other = _other(unit, layer)
    if other:
        return Found(unit.name, kind if layer else f"Keras {other}", refused=other_said(other))
    if unlike := _unlike(unit, layer):
        return Found(unit.name, kind, refused=unlike)
    weights: dict[str, Any] = {}
    options: dict[str, Any] = {}
    for scope, arrays in unit.arrays.items():
        own, more = unpack(stored, _roles(arrays))
        weights |= {f"{scope}/{name}": values for name, values in own.items()}
        options |= {key: value for key, value in more.items() if key != "gate_activation"}
    biased = any("/b_" in key for key in weights)
    said = [f"read in the layout {stored.name}: {stored.describe('' if biased else 'none')}"]
    if unit.layers > 1:
        said.append(f"each of the {unit.layers} cells of StackedRNNCells is a layer")
    try:
        gates, assumed = activations(layer, file, stored.name)
        options |= {key: value for key, value in gates.items() if value}
    except ValueError as error:
        return Found(unit.name, kind, refused=f"its activation {error} is none of ours; see docs/options.md")
    network, unsaid = network_options(layer, file, unit.two)
    options |= network
    assumed |= unsaid
    if layer and layer.inner.get("go_backwards"):
        weights = {key.replace("/forward/", "/reverse/"): values for key, values in weights.items()}
        said.append(
            "go_backwards: Keras gives the outputs in the order of computing, the trace by position in the input"
        )
    if masked := masking(file.config):
        said.append(f"the model masks steps ({masked}); x alone does not say which: give mask (--mask)")
    said += [*assumed.values(), "x is (B, T, I), as Keras has it"]
    facts = {"layout": stored.name, **layout_facts(layer)}
    defaults = Defaults(batch_first=True)
    return Found(unit.name, kind, weights, options, defaults, tuple(said), assumed=assumed, facts=facts, stored=stored)


def _kind(unit: _Unit, layer: Layer | None) -> str:
    """What Keras calls the layer."""
    if unit.layers > 1:
        return "Keras RNN of StackedRNNCells"
    if layer and layer.kind == "Bidirectional":
        return f"Keras Bidirectional {layer.inner_kind}"
    return f"Keras {layer.kind if layer else 'Bidirectional LSTM' if unit.two else 'LSTM'}"


def _unlike(unit: _Unit, layer: Layer | None) -> str:
    """Why the parts of a layer are not one cell that runs in all layers and directions; empty where they are."""
    if unit.two and unit.layers > 1:
        return "its directions run apart through all cells of StackedRNNCells and meet at the top; that is not read"
    if layer is None:
        return ""
    if unit.two and layer.inner.get("go_backwards"):
        return "the layer inside of Bidirectional has go_backwards=True"
    parts = [settings for _, settings in layer.cells] or [layer.inner, *layer.behind]
    differing = [
        k for k in ("activation", "recurrent_activation", "use_bias") if any(p.get(k) != parts[0].get(k) for p in parts)
    ]
    if differing:
        what = "cells" if layer.cells else "directions"
        return f"its {what} differ in {', '.join(differing)}; one cell is traced in all layers and directions"
    return ""


def from_layer(arrays: Mapping[str, Mapping[str, Any]], layer: Layer, version: str) -> Found:
    """The LSTM of a live layer: by `layer/direction` kernel, recurrent_kernel and bias, with its configuration."""
    unit = _Unit(layer.path, {at: {r: Array(r, v) for r, v in held.items()} for at, held in arrays.items()})
    return _one(unit, KerasFile(layer.path, version, {layer.path: layer}), None)


def other_said(kind: str) -> str:
    """The refusal of a layer that is no LSTM."""
    return f"these are the weights of a layer {kind}, not of an LSTM; only LSTMs are read"


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
    """CuDNNLSTM is recognised by its long bias, Keras 1 by its twelve arrays."""
    arrays = next(iter(unit.arrays.values()))
    if "W_i" in arrays:
        return LAYOUTS["keras1"]
    columns = np.shape(arrays["kernel"].values)[-1] if "kernel" in arrays else 0
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
