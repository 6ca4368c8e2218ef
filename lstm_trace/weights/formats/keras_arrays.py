"""Which arrays of a Keras file belong to one recurrent layer: by the names of their groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ..names import Array
from .hdf5 import Tree
from .keras_config import Layer, called

_BACK = re.compile(r"backward(_layer|_.*)?")
_FORTH = re.compile(r"forward(_layer|_.*)?")
_CELL = re.compile(r"lstm_cell(_\d+)?")
_STACK = re.compile(r"stacked_rnn_cells(_\d+)?")
_RNN = re.compile(r"rnn(_\d+)?")

Roles = dict[str, Array]


class _Place(NamedTuple):
    """Where an array stands: the groups of its layer, the direction, the group of its cell, if it has one, and which
    cell of a StackedRNNCells that is, counted from any number; None where it is not known to be in one.
    """

    layer: tuple[str, ...]
    direction: str
    cell: str = ""
    rank: int | None = None


def grouped(inside: Tree, config: Mapping[str, Layer]) -> dict[str, dict[str, Roles]]:
    """The arrays of each recurrent layer by `layer/direction` and role, by the layer's name.

    Optimizer arrays, which have the same shapes, are left out. Each cell of a StackedRNNCells is a layer.
    """
    placed: dict[tuple[str, ...], dict[_Place, Roles]] = {}
    for place, role, array in _placed(inside, config):
        placed.setdefault(place.layer, {}).setdefault(place, {})[role] = array
    units: dict[tuple[str, ...], dict[str, Roles]] = {}
    for path, there in placed.items():
        ranks = sorted({-1 if place.rank is None else place.rank for place in there})
        apart = ranks[0] < 0 and len({place.direction for place in there}) < len(there)
        for place, arrays in there.items():
            own = (*path, place.cell) if apart else path
            number = 0 if place.rank is None else ranks.index(place.rank)
            units.setdefault(own, {})[f"{number}/{place.direction}"] = arrays
    kept = {
        path: scopes
        for path, scopes in units.items()
        if all(map(_recurrent, scopes.values())) or _partial(_called(path, inside, list(units)), scopes, config)
    }
    return {_called(path, inside, list(kept)): dict(sorted(scopes.items())) for path, scopes in kept.items()}


def _placed(inside: Tree, config: Mapping[str, Layer]) -> Iterator[tuple[_Place, str, Array]]:
    root = "model_weights/" if any(key.startswith("model_weights/") for key in inside.arrays) else ""
    for key, values in inside.arrays.items():
        if not key.startswith(root) or key.split("/")[0] in ("optimizer", "optimizer_weights"):
            continue
        *groups, last = key.removeprefix(root).removesuffix(":0").split("/")
        role, groups = _role(groups, last)
        if role:
            yield _place(groups, config), role, Array(key, values)


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
    if {"W_i", "U_i"} <= set(arrays):
        return True
    if not {"kernel", "recurrent_kernel"} <= set(arrays):
        return False
    kernel, recurrent = (np.shape(arrays[role].values) for role in ("kernel", "recurrent_kernel"))
    if len(kernel) != 2 or len(recurrent) != 2 or kernel[1] != recurrent[1]:
        return False
    return recurrent[1] in (4 * recurrent[0], 3 * recurrent[0], recurrent[0])


def _partial(name: str, scopes: Mapping[str, Roles], config: Mapping[str, Layer]) -> bool:
    """Whether the arrays are some of those of an LSTM: by the model's configuration, or by a name of theirs."""
    layer = called(name, config)
    if layer is not None:
        return layer.path == name and "LSTM" in layer.inner_kind
    keys = [item.key.removesuffix(":0") for arrays in scopes.values() for item in arrays.values()]
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
