"""Keras files: .keras (Keras 3), .weights.h5, and the older .h5, whole models or weights only.

The configuration of a model is never imported or called. Facts missing from a file (weights alone have no
configuration) are assumed to be the defaults of its version of Keras.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...cell.composites import BUILT_IN
from ...cell.named_cells import ACTIVATIONS
from ...errors import FileError, ShapeError, counted
from ...trace.address import whole
from ..find import one_cell
from ..guards import archive, content, told
from ..layouts import LAYOUTS, Layout
from ..names import Array, Group, Roles, lacking
from ..read import Defaults, Found
from .hdf5 import (
    STORED,
    Tree,
    arrays as arrays,  # of any Keras file, by name
    opened,
    parsed,
)

MERGES = {"concat": "concat", "sum": "sum", "mul": "product", "ave": "mean", None: "none"}
#: Keras activations with another name or other constants here; hard_sigmoid depends on the version.
_ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu", "leaky_relu": "leaky_relu(0.2)"}
#: Our activations that Keras does not have; all others have Keras's names and default values.
_OURS = frozenset((
    "affine", "thresholded_relu", "scaled_tanh", "hard_sigmoid_keras", "gelu_tanh", "threshold", "quotient",
    "squared_error", "cross_entropy",
))  # fmt: skip
_Cell = tuple[str, Mapping[str, Any]]  # its class and its settings


@dataclass(frozen=True)
class Layer:
    """One layer of a configuration: its path of names, its class, its own settings and its input layer."""

    path: str
    kind: str
    config: Mapping[str, Any]
    before: tuple[str, str] = ("", "")

    @property
    def inner(self) -> Mapping[str, Any]:
        """The settings of the LSTM inside a wrapper (Bidirectional, TimeDistributed, RNN with a cell)."""
        return _inside(self.kind, self.config)[0][0][1]  # if cells differ, the layer is rejected

    @property
    def inner_kind(self) -> str:
        """The class of the layer inside all wrappers; for cells, that of the first that differs, or their common
        one.
        """
        first, *others = (kind for kind, _ in _inside(self.kind, self.config)[0])
        return next((kind for kind in others if kind != first), first)

    @property
    def cells(self) -> list[_Cell]:
        """Each cell of an RNN of StackedRNNCells, in order; empty for any other layer."""
        cells, stacked = _inside(self.kind, self.config)
        return cells if stacked else []


def layers(config: Any) -> dict[str, Layer]:
    """Every layer of a model's configuration by its path of names, including nested models."""
    return {layer.path: layer for layer in _walk(config, "", 0)}


def masking(config: Mapping[str, Layer]) -> str:
    """The layer that makes a model mask steps of its input, in words; empty if there is none."""
    for layer in config.values():
        if layer.kind == "Masking":
            return f"Masking {layer.path!r}, where all inputs are {layer.config.get('mask_value', 0.0)}"
        if layer.kind == "Embedding" and layer.config.get("mask_zero"):
            return f"Embedding {layer.path!r} with mask_zero, where the index is 0"
    return ""


def _walk(config: Any, path: str, depth: int) -> Iterator[Layer]:
    inside = config.get("config") if isinstance(config, Mapping) else None
    listed = inside.get("layers") if isinstance(inside, Mapping) else inside
    if not isinstance(listed, list) or depth > 50:
        return
    before = ("", "")
    for entry in listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping | list):
            continue
        name, kind = _name(entry), str(entry.get("class_name", ""))
        here = f"{path}/{name}" if path else name
        yield Layer(here, kind, _settings(entry) or {}, _fed(entry, listed) or before)
        yield from _walk(entry, here, depth + 1)
        before = (kind, name)


def _fed(entry: Mapping[str, Any], listed: list[Any]) -> tuple[str, str] | None:
    """Class and name of the layer from which an entry's first inbound node comes."""
    nodes = entry.get("inbound_nodes")
    while isinstance(nodes, list | Mapping) and nodes:
        keys = ("keras_history", "args", "config")
        nodes = nodes[0] if isinstance(nodes, list) else next(filter(None, map(nodes.get, keys)), None)
    known = (one for one in listed if isinstance(nodes, str) and _name(one) == nodes)
    return next(((str(one.get("class_name", "")), _name(one)) for one in known), None)


def _settings(entry: Any) -> Mapping[str, Any] | None:
    """The configuration contained in an entry."""
    found = entry.get("config") if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _name(entry: Any) -> str:
    return str((_settings(entry) or {}).get("name") or (entry.get("name", "") if isinstance(entry, Mapping) else ""))


def _inside(kind: str, config: Mapping[str, Any]) -> tuple[list[_Cell], bool]:
    """The cells inside all wrappers, with those settings of the wrappers that affect them; and whether it is a
    stack.
    """
    for key in ("layer", "cell"):
        part: Any = config.get(key)
        if (inner := _settings(part)) is not None:
            outer = {k: v for k, v in config.items() if k in ("go_backwards", "zero_output_for_mask", "stateful")}
            cells, stacked = _inside(str(part.get("class_name", "")), inner)
            return [(own, {**outer, **settings}) for own, settings in cells], stacked
    listed = config.get("cells")
    if isinstance(listed, list) and listed and all(isinstance(cell, Mapping) for cell in listed):
        return [(str(cell.get("class_name", "")), _settings(cell) or {}) for cell in listed], True
    return [(kind, config)], False


def activation(value: Any, major: int) -> str:
    """Our name of a Keras activation. major: the version of Keras, which determines hard_sigmoid.

    Raises ValueError with the name of an unsupported one.

    >>> activation("hard_sigmoid", 2), activation("hard_sigmoid", 3), activation(None, 3)
    ('hard_sigmoid', 'hard_sigmoid_keras', 'linear')
    """
    if isinstance(value, Mapping):  # an activation given as a layer, or as a named function
        settings, kind = value.get("config"), str(value.get("class_name", ""))
        if kind == "LeakyReLU" and isinstance(settings, Mapping):
            return f"leaky_relu({float(settings.get('negative_slope', settings.get('alpha', 0.3)))!r})"
        if kind != "function" or not isinstance(settings, str):
            raise ValueError(kind or "of its own")
        value = settings
    name = "linear" if value is None else str(value)
    if name == "hard_sigmoid" and major >= 3:
        return "hard_sigmoid_keras"
    if name not in _ACTIVATIONS and (name not in (*ACTIVATIONS, *BUILT_IN) or name in _OURS):
        raise ValueError(name)
    return _ACTIVATIONS.get(name, name)


def layer_called(name: str, config: Mapping[str, Layer]) -> Layer | None:
    """The recurrent layer with this name, the only one in a model with this name, or with this last name."""
    there = [one for one in config.values() if "recurrent_initializer" in one.inner or _KIND.search(one.inner_kind)]
    fits = [layer for layer in there if layer.path == name]
    fits = fits or [layer for layer in there if layer.path.startswith(f"{name}/")]
    fits = fits or [layer for layer in there if layer.path.split("/")[-1] == name.split("/")[-1]]
    return fits[0] if len(fits) == 1 else None


_BACK = re.compile(r"backward(_layer|_.*)?")
_FORTH = re.compile(r"forward(_layer|_.*)?")
_CELL = re.compile(r"lstm_cell(_\d+)?")
_STACK = re.compile(r"stacked_rnn_cells(_\d+)?")
_RNN = re.compile(r"rnn(_\d+)?")
_KIND = re.compile("LSTM|GRU|RNN")

#: The role of an array by its name: for Keras 2 and 3 (in the order of Keras 3's numbers), and for Keras 1.
ROLES = {
    "kernel": "input", "recurrent_kernel": "recurrent", "bias": "bias", "W": "input", "U": "recurrent", "b": "bias",
}  # fmt: skip


#: Location of an array: the groups of its layer, the direction, the group of its cell, if any, and the number of the
#: cell in a StackedRNNCells, with any offset; None if it is not known to be in one.
_Place = tuple[tuple[str, ...], str, str, int | None]


def grouped(inside: Tree, config: Mapping[str, Layer]) -> list[Group]:
    """The arrays of each recurrent layer.

    Optimizer arrays, which have the same shapes, are left out. Each cell of a StackedRNNCells is a layer.
    """
    placed: dict[tuple[str, ...], dict[_Place, dict[tuple[str, str], Array]]] = {}
    for place, role, array in _placed(inside, config):
        placed.setdefault(place[0], {}).setdefault(place, {})[role] = array
    units: dict[tuple[str, ...], Group] = {}
    for path, there in placed.items():
        ranks = sorted({-1 if rank is None else rank for *_, rank in there})
        apart = ranks[0] < 0 and len({direction for _, direction, *_ in there}) < len(there)
        for (_, direction, cell, rank), roles in there.items():
            number = 0 if rank is None else ranks.index(rank)
            units.setdefault((*path, cell) if apart else path, Group("")).parts[number, direction] = roles
    kept = {
        path: unit.parts
        for path, unit in units.items()
        if all(map(_recurrent, unit.parts.values())) or _partial(_own_name(path, inside, list(units)), unit, config)
    }
    return [Group(_own_name(path, inside, list(kept)), dict(sorted(parts.items()))) for path, parts in kept.items()]


def _placed(inside: Tree, config: Mapping[str, Layer]) -> Iterator[tuple[_Place, tuple[str, str], Array]]:
    root = "model_weights/" if any(key.startswith("model_weights/") for key in inside.arrays) else ""
    for key, values in inside.arrays.items():
        if not key.startswith(root) or key.split("/")[0] in ("optimizer", "optimizer_weights"):
            continue
        *groups, last = key.removeprefix(root).removesuffix(":0").split("/")
        if groups[-1:] == ["vars"] and last in ("0", "1", "2"):  # Keras 3: variables by number
            groups = groups[: -2 if groups[-2:-1] == ["cell"] else -1]
            last = list(ROLES)[int(last)]
        old = re.fullmatch(r"(?:\w+_)?([WUb])_([icfo])", last)  # Keras 1: twelve arrays
        if old or last in ("kernel", "recurrent_kernel", "bias"):
            word, gate = old.groups() if old else (last, "")
            yield _place(groups, config), (ROLES[word], gate), Array(key, values)


def _place(groups: list[str], config: Mapping[str, Layer]) -> _Place:
    direction = "reverse" if any(_BACK.fullmatch(part) for part in groups) else "forward"
    path = tuple(part for part in groups if not _BACK.fullmatch(part) and not _FORTH.fullmatch(part))
    if path[-3:-1] == ("cell", "cells"):  # Keras 3: cells by number
        return path[:-3], direction, path[-1], _number(path[-1])
    if len(path) < 2:
        return path, direction, "", None
    *above, last = path
    stack = next((layer for layer in config.values() if layer.cells and layer.path.split("/")[-1] in path), None)
    names = [settings.get("name") for _, settings in stack.cells] if stack else []
    if stack and last in names:
        own = len(path) - path[::-1].index(stack.path.split("/")[-1])
        return path[:own], direction, last, names.index(last)
    if _STACK.fullmatch(above[-1]):
        return path[:-2], direction, last, _number(last)
    if _CELL.fullmatch(last):
        return path[:-1], direction, last, _number(last) if _RNN.fullmatch(above[-1]) else None
    return path, direction, "", None


def _number(name: str) -> int:
    """The number at the end of a name made by Keras; 0 if there is none, for the first of its kind."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else 0


def _recurrent(arrays: Roles) -> bool:
    """Whether arrays belong to a recurrent layer: a kernel and a recurrent kernel with equally many columns."""
    if {("input", "i"), ("recurrent", "i")} <= set(arrays):
        return True
    shapes = {role: np.shape(item.values) for (role, _), item in arrays.items()}
    kernel, recurrent = shapes.get("input", ()), shapes.get("recurrent", ())
    fits = len(kernel) == len(recurrent) == 2 and kernel[1] == recurrent[1]
    return bool(fits and recurrent[1] in (4 * recurrent[0], 3 * recurrent[0], recurrent[0]))


def _partial(name: str, unit: Group, config: Mapping[str, Layer]) -> bool:
    """Whether the arrays are part of an LSTM, judged by the model's configuration, or by one of their names."""
    layer = layer_called(name, config)
    if layer is not None:
        return layer.path == name and "LSTM" in layer.inner_kind
    return any(item.key.removesuffix(":0").endswith("/recurrent_kernel") for item in unit.arrays)


def _own_name(path: tuple[str, ...], inside: Tree, paths: list[tuple[str, ...]]) -> str:
    """A layer's own name: an attribute in Keras 3, the first group in older files."""
    place = "/".join(path)
    if any(key.startswith(f"{place}/") and "/vars/" in key for key in inside.arrays):
        parts = [(part, "/".join([*path[:at], "vars"])) for at, part in enumerate(path, 1) if part != "layers"]
        return "/".join(inside.text(held, "name") or part for part, held in parts)
    if not path or sum(other[:1] == path[:1] for other in paths) == 1:
        return "".join(path[:1])
    inner = path[2:] if path[1:2] == path[:1] else path[1:]
    return "/".join(dict.fromkeys([path[0], *inner]))


@dataclass(frozen=True)
class KerasFile:
    """The facts in a file besides its arrays: the version of Keras, and the configuration of its layers, if any."""

    where: str
    version: str
    config: Mapping[str, Layer]

    @property
    def major(self) -> int:
        """The version that determines hard_sigmoid; 3 if the file does not state it."""
        number = whole(self.version.split(".")[0])
        return 3 if number is None else number

    def since(self, *numbers: int) -> bool:
        """Whether this Keras has at least a given version; true for that of TensorFlow, and for an unknown one."""
        own = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        return not own or "-tf" in self.version or own >= list(numbers)


def options_of(layer: Layer | None, file: KerasFile, stored: str, two: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Activations, merge and padding of one layer; and the assumptions about facts that the file lacks, by option.

    Raises ValueError with the name of an unsupported activation.
    """
    inner: Mapping[str, Any] = layer.inner if layer else {}
    found: dict[str, str] = {}
    assumed: dict[str, str] = {}
    silent, choose = "the file does not say", "choose with --option"
    if stored != "cudnn" and not (layer and layer.inner_kind == "CuDNNLSTM"):  # which has no other activations
        if "activation" in inner:
            found["candidate_activation"] = found["output_activation"] = activation(inner["activation"], file.major)
        else:
            said = "choose with the options candidate_activation and output_activation, on the command line --option"
            said += " candidate_activation=…,output_activation=…"
            assumed["candidate_activation"] = f"{silent} the activation: tanh was assumed; {said}"
        gate = next((key for key in ("recurrent_activation", "inner_activation") if key in inner), "")
        if gate:
            found["gate_activation"] = activation(inner[gate], file.major)
        else:
            new = file.since(2, 3)
            found["gate_activation"] = "sigmoid" if new else "hard_sigmoid"
            why = f"the default of Keras {file.version}{'' if new else ' (before 2.3)'}"
            if not re.search(r"\d", file.version):
                why = "the default of Keras 3 and of tf.keras in TensorFlow 2"
            there = "sigmoid, hard_sigmoid (0.2 x + 0.5, Keras 1 and 2) and hard_sigmoid_keras (x/6 + 0.5, Keras 3)"
            said = f"{silent} the recurrent activation: {found['gate_activation']} was assumed, {why}"
            assumed["gate_activation"] = f"{said}; there are {there}: {choose} gate_activation=…"
    if two:
        mode = layer.config.get("merge_mode", "concat") if layer else "concat"
        found["merge"] = MERGES.get(mode, str(mode))
    # since 2.4 both halves of a Bidirectional have zero_output_for_mask if it returns sequences
    sequences = inner.get("return_sequences") if layer else True
    zero = sequences if two and file.since(2, 4) else inner.get("zero_output_for_mask")
    found["padding"] = "zero" if zero else "repeat"
    if layer is not None:
        return found, assumed
    if two:
        assumed["merge"] = f"both directions are concatenated: {silent} how they are merged; {choose} merge=…"
    else:
        other = "for go_backwards=True choose --option direction=reverse"
        assumed["direction"] = f"{silent} the direction: forward was assumed; {other}"
    rule = "zeros, as from a Bidirectional that returns sequences," if zero else "the last output again"
    assumed["padding"] = f"{silent} zero_output_for_mask: at padding {rule} was assumed; {choose} padding=…"
    return found, assumed


def layout_facts(layer: Layer | None) -> dict[str, str]:
    """Facts about a layer for `inspect`, besides its options: its input, what it returns, its dropout."""
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
        found["stateful"] = "the states of the last call are kept; give them as h0 and c0"
    if inner.get("dropout") or inner.get("recurrent_dropout"):
        found["dropout"] = "in training only; the trace has none"
    return found


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs of a Keras file. layout: for files not written by Keras 2 or 3. Raises FileError."""
    where, archived = str(path), path.suffix.lower() == ".keras"
    config, version = None, "3"
    if archived:
        with archive(path) as zipped, told(path, KeyError, RuntimeError, ValueError):
            names = zipped.namelist()
            if lost := [name for name in ("config.json", STORED) if name not in names]:
                raise FileError(f"{path}: not a Keras file: it has no {lost[0]}")
            config, meta = (
                parsed(content(zipped, name).decode("utf-8", "replace") if name in names else "{}", where)
                for name in ("config.json", "metadata.json")
            )
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
        kinds = ", ".join(sorted({layer.inner_kind for layer in file.config.values()}))
        said = f"its layers are {kinds}" if kinds else f"it has {counted(len(inside.arrays), 'array')}"
        raise FileError(f"{file.where}: no LSTM was found; {said}")
    order = {path: at for at, path in enumerate(file.config or inside.order)}
    found = []
    for unit in units:
        try:
            found.append(_one(unit, file, layout))
        except ShapeError as error:
            found.append(Found(unit.name, "no LSTM", refused="; ".join(error.problems)))
    # in the order of the model; last if the file does not tell
    rank = {one.name: order.get(one.name, order.get(one.name.split("/")[0], len(order))) for one in found}
    # lstm_2 before lstm_10: Keras numbers the layers of a class in the order of creation
    return sorted(found, key=lambda one: (rank[one.name], re.sub(r"\d+", lambda n: n[0].zfill(20), one.name)))


def _one(unit: Group, file: KerasFile, layout: Layout | None) -> Found:
    """One layer under canonical names. Raises ShapeError; a layer that is not an LSTM is returned as refused."""
    layer = layer_called(unit.name, file.config)
    name = layer.path if layer else unit.name
    kind = f"Keras {layer.kind if layer else 'Bidirectional LSTM' if unit.both else 'LSTM'}"  # Keras's own name
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
    found = one_cell(name, unit, stored, kind)
    try:
        options, assumed = options_of(layer, file, stored.name, unit.both)
    except ValueError as error:
        return Found(name, kind, refused=f"its activation {error} is not supported; see docs/options.md")
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
    said += [*assumed.values(), "x is (B, T, I), as in Keras"]
    facts = {**found.facts, **layout_facts(layer)}
    more: dict[str, Any] = {"imported": tuple(said), "assumed": assumed, "facts": facts}
    return replace(found, weights=weights, options=options, defaults=Defaults(batch_first=True), **more)


def _unlike(unit: Group, layer: Layer | None) -> str:
    """Why the parts of a layer do not form one cell for all layers and directions; empty if they do."""
    if unit.both and unit.layers > 1:
        return "its directions run separately through all cells of StackedRNNCells and merge at the top; not supported"
    if layer is None:
        return ""
    if unit.both and layer.inner.get("go_backwards"):
        return "the layer inside Bidirectional has go_backwards=True"
    parts = [settings for _, settings in layer.cells] or [layer.inner]
    if (behind := _settings(layer.config.get("backward_layer"))) is not None:  # an explicit one of a Bidirectional
        parts.append(_inside("", behind)[0][0][1])
    compared = ("activation", "recurrent_activation", "use_bias")
    differing = ", ".join(key for key in compared if any(part.get(key) != parts[0].get(key) for part in parts))
    said = f"its {'cells' if layer.cells else 'directions'} differ in {differing}"
    return f"{said}; one cell is traced in all layers and directions" if differing else ""


def from_layer(arrays: Mapping[tuple[int, str], Mapping[str, Any]], layer: Layer, version: str) -> Found:
    """The LSTM of a live layer: kernel, recurrent_kernel and bias by layer and direction, with its configuration."""
    parts = {at: {(ROLES[word], ""): Array(word, v) for word, v in held.items()} for at, held in arrays.items()}
    return _one(Group(layer.path, parts), KerasFile(layer.path, version, {layer.path: layer}), None)


def _other(unit: Group, layer: Layer | None) -> str:
    """The kind of a recurrent layer that is not an LSTM: by its class, otherwise by shape."""
    for roles in unit.parts.values():
        if ("recurrent", "") in roles:
            rows, columns = np.shape(roles["recurrent", ""].values)
            if columns != 4 * rows:
                return layer.inner_kind if layer else {3: "GRU", 1: "SimpleRNN"}.get(columns // rows, "of another kind")
    return layer.inner_kind if layer and layer.inner_kind not in ("LSTM", "LSTMCell", "CuDNNLSTM") else ""


def _layout(unit: Group) -> Layout:
    """The layout: CuDNNLSTM is recognised by its long bias, Keras 1 by its twelve arrays."""
    roles = next(iter(unit.parts.values()))
    if ("input", "i") in roles:
        return LAYOUTS["keras1"]
    shapes = {role: np.shape(item.values) for (role, _), item in roles.items()}
    long = "bias" in shapes and shapes["bias"] == (2 * (0, *shapes.get("input", ()))[-1],)
    return LAYOUTS["cudnn" if long else "keras"]
