"""Keras files: .keras (Keras 3), .weights.h5, and the older .h5, whole models or weights only.

What a file does not say (weights alone have no configuration) is assumed by the defaults of its version of Keras.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, ShapeError, counted
from ...trace.address import whole
from ..find import one_lstm
from ..guards import archive, content, told
from ..layouts import LAYOUTS, Layout
from ..names import Array, Group, lacking
from ..read import Defaults, Found
from .hdf5 import STORED, Tree, opened, parsed
from .keras_layers import MERGES, ROLES, Layer, activation, called, grouped, layers, masking


@dataclass(frozen=True)
class KerasFile:
    """What a file says beside its arrays: the version of Keras, and the configuration of its layers, if any."""

    where: str
    version: str
    config: Mapping[str, Layer]

    @property
    def major(self) -> int:
        """The version that decides on hard_sigmoid; 3 where the file does not say it."""
        number = whole(self.version.split(".")[0])
        return 3 if number is None else number

    def since(self, *numbers: int) -> bool:
        """Whether this Keras is of a version or a later one; so is that of TensorFlow, and one that is not known."""
        own = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        return not own or "-tf" in self.version or own >= list(numbers)


def options_of(layer: Layer | None, file: KerasFile, stored: str, two: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Activations, merge and padding of one layer, and by option what the file does not say, with what was assumed.

    Raises ValueError with the name of an activation that we do not have.
    """
    inner: Mapping[str, Any] = layer.inner if layer else {}
    found: dict[str, str] = {}
    assumed: dict[str, str] = {}
    if stored != "cudnn" and not (layer and layer.inner_kind == "CuDNNLSTM"):  # which has no other activations
        if "activation" in inner:
            found["candidate_activation"] = found["output_activation"] = activation(inner["activation"], file.major)
        else:
            assumed["candidate_activation"] = (
                "the file does not say the activation: tanh was assumed; choose with the options candidate_activation "
                "and output_activation, on the command line --option candidate_activation=…,output_activation=…"
            )
        gate = inner.keys() & {"recurrent_activation", "inner_activation"}
        if gate:
            found["gate_activation"] = activation(inner[max(gate)], file.major)
        else:
            new = file.since(2, 3)
            found["gate_activation"] = "sigmoid" if new else "hard_sigmoid"
            why = f"the default of Keras {file.version}{'' if new else ' (before 2.3)'}"
            if not re.search(r"\d", file.version):
                why = "the default of Keras 3 and of tf.keras in TensorFlow 2"
            assumed["gate_activation"] = (
                f"the file does not say the recurrent activation: {found['gate_activation']} was assumed, {why}; there "
                "are sigmoid, hard_sigmoid (0.2 x + 0.5, Keras 1 and 2) and hard_sigmoid_keras (x/6 + 0.5, Keras 3): "
                "choose with --option gate_activation=…"
            )
    if two:
        mode = layer.config.get("merge_mode", "concat") if layer else "concat"
        found["merge"] = MERGES.get(mode, str(mode))
    # since 2.4 both halves of a Bidirectional have zero_output_for_mask where it returns sequences
    sequences = inner.get("return_sequences") if layer else True
    zero = sequences if two and file.since(2, 4) else inner.get("zero_output_for_mask")
    found["padding"] = "zero" if zero else "repeat"
    if layer is not None:
        return found, assumed
    if two:
        assumed["merge"] = (
            "both directions are concatenated: the file does not say how they are merged; choose with --option merge=…"
        )
    else:
        assumed["direction"] = (
            "the file does not say the direction: forward was assumed; for go_backwards=True choose --option "
            "direction=reverse"
        )
    rule = "zeros, as from a Bidirectional that returns sequences," if zero else "the last output again"
    assumed["padding"] = (
        f"the file does not say zero_output_for_mask: at padding {rule} was assumed; choose with --option padding=…"
    )
    return found, assumed


def layout_facts(layer: Layer | None) -> dict[str, str]:
    """What `inspect` says of a layer beside its options: what it reads, what it returns, its dropout."""
    if layer is None:
        return {"input": "not known: the file holds weights only, not which layer feeds which"}
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


_OTHERS = {3: "GRU", 1: "SimpleRNN"}


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs of a Keras file: `.keras`, `.weights.h5` or `.h5`.

    layout: for files that were not written by Keras 2 or 3. Raises FileError.
    """
    where, archived = str(path), path.suffix.lower() == ".keras"
    config, version = None, "3"
    if archived:
        with archive(path) as zipped, told(path, KeyError, RuntimeError, ValueError):
            names = zipped.namelist()
            for name in ("config.json", STORED):
                if name not in names:
                    raise FileError(f"{path}: not a Keras file: it has no {name}")
            config = parsed(content(zipped, "config.json").decode("utf-8", "replace"), where)
            stored = content(zipped, "metadata.json") if "metadata.json" in names else b"{}"
            meta = parsed(stored.decode("utf-8", "replace"), where)
        version = str(meta.get("keras_version", "3")) if isinstance(meta, Mapping) else "3"
    with opened(path, where) as inside, told(path, RuntimeError, ValueError, KeyError):
        if not archived:
            text = inside.text("", "model_config")
            version = inside.text("", "keras_version") or inside.text("model_weights", "keras_version")
            config = parsed(text, where) if text else None
        return _found(inside, KerasFile(where, version, layers(config)), layout)


def _found(inside: Tree, file: KerasFile, layout: Layout | None) -> list[Found]:
    units = grouped(inside, file.config)
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
    # in the order of the model; last where the file does not say it
    rank = {one.name: order.get(one.name, order.get(one.name.split("/")[0], len(order))) for one in found}
    # lstm_2 before lstm_10: Keras counts the layers of a class as they are made
    return sorted(found, key=lambda one: (rank[one.name], re.sub(r"\d+", lambda n: n[0].zfill(20), one.name)))


# -- one layer -------------------------------------------------------------------------------------------------------


def _one(unit: Group, file: KerasFile, layout: Layout | None) -> Found:
    """One layer in our names. Raises ShapeError; what is no LSTM comes back as refused."""
    layer = called(unit.name, file.config)
    name = layer.path if layer else unit.name
    kind = f"Keras {layer.kind if layer else 'Bidirectional LSTM' if unit.both else 'LSTM'}"  # as Keras calls it
    if unit.layers > 1:
        kind = "Keras RNN of StackedRNNCells"
    elif layer and layer.kind == "Bidirectional":
        kind += f" {layer.inner_kind}"
    stored = layout or _layout(unit)
    if absent := lacking(stored, unit):
        return Found(name, kind, refused=absent[0])
    if layer and layer.inner.get("use_bias") and "bias" not in unit.roles:
        return Found(name, kind, refused="its configuration says use_bias, and the file has no bias of it")
    if other := _other(unit, layer):
        why = f"these are the weights of a layer {other}, not of an LSTM; only LSTMs are read"
        return Found(name, kind if layer else f"Keras {other}", refused=why)
    if unlike := _unlike(unit, layer):
        return Found(name, kind, refused=unlike)
    found = one_lstm(name, unit, stored, kind)
    try:
        options, assumed = options_of(layer, file, stored.name, unit.both)
    except ValueError as error:
        return Found(name, kind, refused=f"its activation {error} is none of ours; see docs/options.md")
    options = {key: value for key, value in found.options.items() if key != "gate_activation"} | options
    weights, said = dict(found.weights), list(found.imported)
    if unit.layers > 1:
        said.append(f"each of the {unit.layers} cells of StackedRNNCells is a layer")
    if layer and layer.inner.get("go_backwards"):
        weights = {key.replace("/forward/", "/reverse/"): values for key, values in weights.items()}
        said.append(
            "go_backwards: Keras gives the outputs in the order of computing, the trace by position in the input"
        )
    if masked := masking(file.config):
        said.append(f"the model masks steps ({masked}); x alone does not say which: give mask (--mask)")
    said += [*assumed.values(), "x is (B, T, I), as Keras has it"]
    facts = {**found.facts, **layout_facts(layer)}
    defaults = Defaults(batch_first=True)
    return Found(name, kind, weights, options, defaults, tuple(said), assumed=assumed, facts=facts, stored=stored)


def _unlike(unit: Group, layer: Layer | None) -> str:
    """Why the parts of a layer are not one cell that runs in all layers and directions; empty where they are."""
    if unit.both and unit.layers > 1:
        return "its directions run apart through all cells of StackedRNNCells and meet at the top; that is not read"
    if layer is None:
        return ""
    if unit.both and layer.inner.get("go_backwards"):
        return "the layer inside of Bidirectional has go_backwards=True"
    parts = [settings for _, settings in layer.cells] or [layer.inner, *layer.behind]
    compared = ("activation", "recurrent_activation", "use_bias")
    differing = [key for key in compared if any(part.get(key) != parts[0].get(key) for part in parts)]
    if differing:
        what = "cells" if layer.cells else "directions"
        return f"its {what} differ in {', '.join(differing)}; one cell is traced in all layers and directions"
    return ""


def from_layer(arrays: Mapping[tuple[int, str], Mapping[str, Any]], layer: Layer, version: str) -> Found:
    """The LSTM of a live layer: by layer and direction kernel, recurrent_kernel and bias, with its configuration."""
    parts = {at: {(ROLES[word], ""): Array(word, v) for word, v in held.items()} for at, held in arrays.items()}
    unit = Group(layer.path, parts)
    return _one(unit, KerasFile(layer.path, version, {layer.path: layer}), None)


def _other(unit: Group, layer: Layer | None) -> str:
    """The kind of recurrent layer, where it is no LSTM: by its class, else by shape."""
    for roles in unit.parts.values():
        if ("recurrent", "") in roles:
            rows, columns = np.shape(roles["recurrent", ""].values)
            if columns != 4 * rows:
                return layer.inner_kind if layer else _OTHERS.get(columns // rows, "of another kind")
    return layer.inner_kind if layer and layer.inner_kind not in ("LSTM", "LSTMCell", "CuDNNLSTM") else ""


def _layout(unit: Group) -> Layout:
    """CuDNNLSTM is recognised by its long bias, Keras 1 by its twelve arrays."""
    roles = next(iter(unit.parts.values()))
    if ("input", "i") in roles:
        return LAYOUTS["keras1"]
    shapes = {role: np.shape(item.values) for (role, _), item in roles.items()}
    long = "bias" in shapes and shapes["bias"] == (2 * (0, *shapes.get("input", ()))[-1],)
    return LAYOUTS["cudnn" if long else "keras"]
