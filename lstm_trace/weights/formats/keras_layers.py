"""The recurrent layers of a Keras file: their configuration, which is never imported or called, and their arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...cell.composites import BUILT_IN
from ...cell.named_cells import ACTIVATIONS
from ..names import Array, Group, Roles
from .hdf5 import Tree

MERGES = {"concat": "concat", "sum": "sum", "mul": "product", "ave": "mean", None: "none"}
#: Keras's activations that have another name or other constants here; hard_sigmoid depends on the version.
_ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu", "leaky_relu": "leaky_relu(0.2)"}
#: Ours that are none of Keras's; all others have Keras's name, and its default values.
_OURS = frozenset((
    "affine", "thresholded_relu", "scaled_tanh", "hard_sigmoid_keras", "gelu_tanh", "threshold", "quotient",
    "squared_error", "cross_entropy",
))  # fmt: skip


Cells = tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True)
class Layer:
    """One layer of a configuration: its path of names, its class, its own settings and what feeds it."""

    path: str
    kind: str
    config: Mapping[str, Any]
    before: tuple[str, str] = ("", "")

    @property
    def inner(self) -> Mapping[str, Any]:
        """The settings of the LSTM inside of a wrapper (Bidirectional, TimeDistributed, RNN with a cell)."""
        return _inside(self.kind, self.config)[0][0][1]  # where cells differ, the layer is refused

    @property
    def inner_kind(self) -> str:
        """The class of what is inside of all wrappers: of cells the first that differs, or their own."""
        kinds = [kind for kind, _ in _inside(self.kind, self.config)[0]]
        return next((kind for kind in kinds if kind != kinds[0]), kinds[0])

    @property
    def cells(self) -> Cells:
        """(class, settings) of each cell of an RNN of StackedRNNCells, in order; empty for any other layer."""
        cells, stacked = _inside(self.kind, self.config)
        return cells if stacked else ()

    @property
    def behind(self) -> tuple[Mapping[str, Any], ...]:
        """The settings of the backward layer of a Bidirectional, where it was given one of its own."""
        part = self.config.get("backward_layer")
        own = part.get("config") if isinstance(part, Mapping) else None
        return (_inside("", own)[0][0][1],) if isinstance(own, Mapping) else ()

    @property
    def recurrent(self) -> bool:
        """Whether it is a recurrent layer, or a wrapper of one."""
        kind = self.inner_kind
        return "recurrent_initializer" in self.inner or any(word in kind for word in ("LSTM", "GRU", "RNN"))


def layers(config: Any) -> dict[str, Layer]:
    """Every layer of a model's configuration by its path of names, models inside of models included."""
    return {layer.path: layer for layer in _walk(config, "", 0)}


def masking(config: Mapping[str, Layer]) -> str:
    """The layer that makes a model mask steps of its input, in words; empty where there is none."""
    for layer in config.values():
        if layer.kind == "Masking":
            return f"Masking {layer.path!r}, where all inputs are {layer.config.get('mask_value', 0.0)}"
        if layer.kind == "Embedding" and layer.config.get("mask_zero"):
            return f"Embedding {layer.path!r} with mask_zero, where the index is 0"
    return ""


def _walk(config: Any, path: str, depth: int) -> Iterator[Layer]:
    inside = config.get("config") if isinstance(config, Mapping) else None
    if depth > 50:
        return
    listed = inside.get("layers") if isinstance(inside, Mapping) else inside if isinstance(inside, list) else None
    if not isinstance(listed, list):
        return
    before = ("", "")
    for entry in listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping | list):
            continue
        settings = entry["config"] if isinstance(entry["config"], Mapping) else {}
        name = _name(entry)
        kind = str(entry.get("class_name", ""))
        here = f"{path}/{name}" if path else name
        fed = _fed(entry, listed) or before
        yield Layer(here, kind, settings, fed)
        yield from _walk(entry, here, depth + 1)
        before = (kind, name)


def _fed(entry: Mapping[str, Any], listed: list[Any]) -> tuple[str, str] | None:
    """Class and name of the layer that an entry's first inbound node comes from."""
    nodes = entry.get("inbound_nodes")
    while isinstance(nodes, list | Mapping) and nodes:
        if isinstance(nodes, list):
            first = nodes[0]
            if isinstance(first, str):
                return next(((str(e.get("class_name", "")), first) for e in listed if _name(e) == first), None)
            nodes = first
        else:
            history = nodes.get("keras_history") or nodes.get("args") or nodes.get("config")
            nodes = history if isinstance(history, list | Mapping) else None
    return None


def _name(entry: Any) -> str:
    settings = entry.get("config") if isinstance(entry, Mapping) else {}
    return str((settings.get("name") if isinstance(settings, Mapping) else "") or entry.get("name", ""))


def _inside(kind: str, config: Mapping[str, Any]) -> tuple[Cells, bool]:
    """What is inside of all wrappers, with the settings of the wrappers that change it; and whether it is a stack."""
    for part in (config.get("layer"), config.get("cell")):
        if isinstance(part, Mapping) and isinstance(part.get("config"), Mapping):
            outer = {k: v for k, v in config.items() if k in ("go_backwards", "zero_output_for_mask", "stateful")}
            cells, stacked = _inside(str(part.get("class_name", "")), part["config"])
            return tuple((own, {**outer, **settings}) for own, settings in cells), stacked
    listed = config.get("cells")
    if isinstance(listed, list) and listed and all(isinstance(cell, Mapping) for cell in listed):
        each = [(str(cell.get("class_name", "")), cell.get("config")) for cell in listed]
        return tuple((own, settings if isinstance(settings, Mapping) else {}) for own, settings in each), True
    return ((kind, config),), False


def activation(value: Any, major: int) -> str:
    """A Keras activation by our name. major: the version of Keras, which decides on hard_sigmoid.

    Raises ValueError with the name of one that we do not have.

    >>> activation("hard_sigmoid", 2), activation("hard_sigmoid", 3), activation(None, 3)
    ('hard_sigmoid', 'hard_sigmoid_keras', 'linear')
    """
    if value is None:
        return "linear"
    if isinstance(value, Mapping):  # an activation given as a layer, or as a function with a name
        settings = value.get("config")
        kind = str(value.get("class_name", ""))
        if kind == "function" and isinstance(settings, str):
            return activation(settings, major)
        if kind == "LeakyReLU" and isinstance(settings, Mapping):
            slope = settings.get("negative_slope", settings.get("alpha", 0.3))
            return f"leaky_relu({float(slope)!r})"
        raise ValueError(kind or "of its own")
    name = str(value)
    if name == "hard_sigmoid":
        return "hard_sigmoid_keras" if major >= 3 else "hard_sigmoid"
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name]
    if name in (*ACTIVATIONS, *BUILT_IN) and name not in _OURS:
        return name
    raise ValueError(name)


def called(name: str, config: Mapping[str, Layer]) -> Layer | None:
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


_BACK = re.compile(r"backward(_layer|_.*)?")
_FORTH = re.compile(r"forward(_layer|_.*)?")
_CELL = re.compile(r"lstm_cell(_\d+)?")
_STACK = re.compile(r"stacked_rnn_cells(_\d+)?")
_RNN = re.compile(r"rnn(_\d+)?")

#: The role of an array by its name: of Keras 2 and 3 (in the order in which Keras 3 numbers them), and of Keras 1.
ROLES = {
    "kernel": "input", "recurrent_kernel": "recurrent", "bias": "bias", "W": "input", "U": "recurrent", "b": "bias",
}  # fmt: skip


class _Place(NamedTuple):
    """Where an array stands: the groups of its layer, the direction, the group of its cell, if it has one, and which
    cell of a StackedRNNCells that is, counted from any number; None where it is not known to be in one.
    """

    layer: tuple[str, ...]
    direction: str
    cell: str = ""
    rank: int | None = None


def grouped(inside: Tree, config: Mapping[str, Layer]) -> list[Group]:
    """The arrays of each recurrent layer.

    Optimizer arrays, which have the same shapes, are left out. Each cell of a StackedRNNCells is a layer.
    """
    placed: dict[tuple[str, ...], dict[_Place, dict[tuple[str, str], Array]]] = {}
    for place, role, array in _placed(inside, config):
        placed.setdefault(place.layer, {}).setdefault(place, {})[role] = array
    units: dict[tuple[str, ...], Group] = {}
    for path, there in placed.items():
        ranks = sorted({-1 if place.rank is None else place.rank for place in there})
        apart = ranks[0] < 0 and len({place.direction for place in there}) < len(there)
        for place, arrays in there.items():
            own = (*path, place.cell) if apart else path
            number = 0 if place.rank is None else ranks.index(place.rank)
            units.setdefault(own, Group("")).parts[number, place.direction] = arrays
    kept = {
        path: unit.parts
        for path, unit in units.items()
        if all(map(_recurrent, unit.parts.values())) or _partial(_called(path, inside, list(units)), unit, config)
    }
    return [Group(_called(path, inside, list(kept)), dict(sorted(parts.items()))) for path, parts in kept.items()]


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
        return _Place(path[:-3], direction, path[-1], _number(path[-1]))
    if len(path) < 2:
        return _Place(path, direction)
    stack = next((layer for layer in config.values() if layer.cells and layer.path.split("/")[-1] in path), None)
    names = [settings.get("name") for _, settings in stack.cells] if stack else []
    if stack and path[-1] in names:
        own = len(path) - path[::-1].index(stack.path.split("/")[-1])
        return _Place(path[:own], direction, path[-1], names.index(path[-1]))
    if _STACK.fullmatch(path[-2]):
        return _Place(path[:-2], direction, path[-1], _number(path[-1]))
    if _CELL.fullmatch(path[-1]):
        return _Place(path[:-1], direction, path[-1], _number(path[-1]) if _RNN.fullmatch(path[-2]) else None)
    return _Place(path, direction)


def _number(name: str) -> int:
    """The number at the end of a name that Keras gave; 0 where there is none: it is the first of its kind."""
    found = re.search(r"\d+$", name)
    return int(found[0]) if found else 0


def _recurrent(arrays: Roles) -> bool:
    """Whether arrays are those of a recurrent layer: a kernel and a recurrent one of as many columns."""
    if {("input", "i"), ("recurrent", "i")} <= set(arrays):
        return True
    shapes = {role: np.shape(item.values) for (role, _), item in arrays.items()}
    kernel, recurrent = shapes.get("input", ()), shapes.get("recurrent", ())
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1]:
        return False
    return recurrent[1] in (4 * recurrent[0], 3 * recurrent[0], recurrent[0])


def _partial(name: str, unit: Group, config: Mapping[str, Layer]) -> bool:
    """Whether the arrays are some of those of an LSTM: by the model's configuration, or by a name of theirs."""
    layer = called(name, config)
    if layer is not None:
        return layer.path == name and "LSTM" in layer.inner_kind
    keys = [item.key.removesuffix(":0") for roles in unit.parts.values() for item in roles.values()]
    return any(key.endswith("/recurrent_kernel") for key in keys)


def _called(path: tuple[str, ...], inside: Tree, paths: list[tuple[str, ...]]) -> str:
    """A layer's own name: an attribute in Keras 3, the first group in older files."""
    place = "/".join(path)
    if any(key.startswith(f"{place}/") and "/vars/" in key for key in inside.arrays):
        names = []
        for at, part in enumerate(path, 1):
            if part != "layers":
                names.append(inside.text("/".join([*path[:at], "vars"]), "name") or part)
        return "/".join(names)
    if not path or sum(other[:1] == path[:1] for other in paths) == 1:
        return "".join(path[:1])
    inner = path[2:] if path[1:2] == path[:1] else path[1:]
    return "/".join(dict.fromkeys([path[0], *inner]))
