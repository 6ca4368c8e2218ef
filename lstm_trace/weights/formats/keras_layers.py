"""The recurrent layers of a Keras file: their configuration, which is never imported or called, and their arrays."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...cell.composites import BUILT_IN
from ...cell.kinds.kind import ACTIVATIONS
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


Cell = tuple[str, Mapping[str, Any]]  # its class, and its settings


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
        first, *others = (kind for kind, _ in _inside(self.kind, self.config)[0])
        return next((kind for kind in others if kind != first), first)

    @property
    def cells(self) -> list[Cell]:
        """Each cell of an RNN of StackedRNNCells, in order; empty for any other layer."""
        cells, stacked = _inside(self.kind, self.config)
        return cells if stacked else []

    @property
    def behind(self) -> list[Mapping[str, Any]]:
        """The settings of the backward layer of a Bidirectional, where it was given one of its own."""
        own = _settings(self.config.get("backward_layer"))
        return [] if own is None else [_inside("", own)[0][0][1]]

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
    """Class and name of the layer that an entry's first inbound node comes from."""
    nodes = entry.get("inbound_nodes")
    while isinstance(nodes, list | Mapping) and nodes:
        if isinstance(nodes, Mapping):
            nodes = nodes.get("keras_history") or nodes.get("args") or nodes.get("config")
        else:
            nodes = nodes[0]
    known = (one for one in listed if isinstance(nodes, str) and _name(one) == nodes)
    return next(((str(one.get("class_name", "")), _name(one)) for one in known), None)


def _settings(entry: Any) -> Mapping[str, Any] | None:
    """The configuration that an entry holds."""
    found = entry.get("config") if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _name(entry: Any) -> str:
    return str((_settings(entry) or {}).get("name") or (entry.get("name", "") if isinstance(entry, Mapping) else ""))


def _inside(kind: str, config: Mapping[str, Any]) -> tuple[list[Cell], bool]:
    """What is inside of all wrappers, with the settings of the wrappers that change it; and whether it is a stack."""
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
    """A Keras activation by our name. major: the version of Keras, which decides on hard_sigmoid.

    Raises ValueError with the name of one that we do not have.

    >>> activation("hard_sigmoid", 2), activation("hard_sigmoid", 3), activation(None, 3)
    ('hard_sigmoid', 'hard_sigmoid_keras', 'linear')
    """
    if isinstance(value, Mapping):  # an activation given as a layer, or as a function with a name
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


def called(name: str, config: Mapping[str, Layer]) -> Layer | None:
    """The recurrent layer of that name, the only one in a model of that name, or the only one with that last name."""
    there = [layer for layer in config.values() if layer.recurrent]
    fits = [layer for layer in there if layer.path == name]
    fits = fits or [layer for layer in there if layer.path.startswith(f"{name}/")]
    fits = fits or [layer for layer in there if layer.path.split("/")[-1] == name.split("/")[-1]]
    return fits[0] if len(fits) == 1 else None


_BACK = re.compile(r"backward(_layer|_.*)?")
_FORTH = re.compile(r"forward(_layer|_.*)?")
_CELL = re.compile(r"lstm_cell(_\d+)?")
_STACK = re.compile(r"stacked_rnn_cells(_\d+)?")
_RNN = re.compile(r"rnn(_\d+)?")

#: The role of an array by its name: of Keras 2 and 3 (in the order in which Keras 3 numbers them), and of Keras 1.
ROLES = {
    "kernel": "input", "recurrent_kernel": "recurrent", "bias": "bias", "W": "input", "U": "recurrent", "b": "bias",
}  # fmt: skip


#: Where an array stands: the groups of its layer, the direction, the group of its cell, if it has one, and which cell
#: of a StackedRNNCells that is, counted from any number; None where it is not known to be in one.
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
        for (_, direction, cell, rank), arrays in there.items():
            number = 0 if rank is None else ranks.index(rank)
            units.setdefault((*path, cell) if apart else path, Group("")).parts[number, direction] = arrays
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
    return any(item.key.removesuffix(":0").endswith("/recurrent_kernel") for item in unit.arrays)


def _called(path: tuple[str, ...], inside: Tree, paths: list[tuple[str, ...]]) -> str:
    """A layer's own name: an attribute in Keras 3, the first group in older files."""
    place = "/".join(path)
    if any(key.startswith(f"{place}/") and "/vars/" in key for key in inside.arrays):
        parts = [(part, "/".join([*path[:at], "vars"])) for at, part in enumerate(path, 1) if part != "layers"]
        return "/".join(inside.text(held, "name") or part for part, held in parts)
    if not path or sum(other[:1] == path[:1] for other in paths) == 1:
        return "".join(path[:1])
    inner = path[2:] if path[1:2] == path[:1] else path[1:]
    return "/".join(dict.fromkeys([path[0], *inner]))
