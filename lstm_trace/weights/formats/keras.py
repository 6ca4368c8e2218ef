"""Keras files: .keras (Keras 3), .weights.h5, and the older .h5, whole models or weights only.

The configuration of a model is never imported or called. Facts missing from a file (weights alone have no
configuration) are assumed to be the defaults of its version of Keras.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FileError, ShapeError, counted, some
from ..find import one_cell
from ..guards import archive, content, told
from ..layouts import ANY, LAYOUTS, LETTERS, OTHERS, Layout
from ..names import Array, Group, Roles, lacking
from ..read import Defaults, Found, turned
from .hdf5 import STORED, Tree, arrays as arrays, opened, parsed  # arrays: those of any Keras file, by name
from .keras_config import CLASSES, KerasFile, Layer, cells_inside, layers, layout_facts, options_of, settings_of

_BACK = re.compile(r"backward(_layer|_.*)?")
#: The role of an array by its name: for Keras 2 and 3 (in the order of Keras 3's numbers), and for Keras 1.
ROLES = {
    "kernel": "input", "recurrent_kernel": "recurrent", "bias": "bias", "W": "input", "U": "recurrent", "b": "bias",
}  # fmt: skip


#: Location of an array: the groups of its layer, the direction, the group of its cell, if any, and the number of the
#: cell in a StackedRNNCells, with any offset; None if it is not known to be in one.
_Place = tuple[tuple[str, ...], str, str, int | None]


def grouped(inside: Tree, file: KerasFile) -> list[Group]:
    """The arrays of each recurrent layer.

    Optimizer arrays, which have the same shapes, are left out. Each cell of a StackedRNNCells is a layer.
    """
    placed: dict[tuple[str, ...], dict[_Place, dict[tuple[str, str], Array]]] = {}
    for place, role, array in _placed(inside, file.config):
        placed.setdefault(place[0], {}).setdefault(place, {})[role] = array
    units: dict[tuple[str, ...], Group] = {}
    for path, there in placed.items():
        # cells of two kinds may have the same number
        ranks = sorted({(-1, "") if rank is None else (rank, cell) for *_, cell, rank in there})
        apart = ranks[0][0] < 0 and len({direction for _, direction, *_ in there}) < len(there)
        for (_, direction, cell, rank), roles in there.items():
            number = 0 if rank is None else ranks.index((rank, cell))
            units.setdefault((*path, cell) if apart else path, Group("")).parts[number, direction] = roles
    kept = {
        path: unit.parts
        for path, unit in units.items()
        if all(map(_recurrent, unit.parts.values())) or _partial(_own_name(path, inside, list(units)), unit, file)
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
        old = re.fullmatch(r"(?:\w+_)?([WUb])_([icfozrh])", last)  # Keras 1: an array for each gate
        if old or last in ("kernel", "recurrent_kernel", "bias"):
            word, gate = old.groups() if old else (last, "")
            gate = gate.translate(LETTERS["gru"]) if gate in "zrh" else gate
            yield _place(groups, config), (ROLES[word], gate), Array(key, values)


def _place(groups: list[str], config: Mapping[str, Layer]) -> _Place:
    behind = {  # an explicit backward layer keeps its own name in the older .h5
        (layer.path.split("/")[-1], (settings_of(layer.config.get("backward_layer")) or {}).get("name"))
        for layer in config.values()
    }
    groups = [
        "backward_layer" if any((owner, part) in behind for owner in groups[:at]) else part
        for at, part in enumerate(groups)
    ]
    direction = "reverse" if any(_BACK.fullmatch(part) for part in groups) else "forward"
    path = tuple(part for part in groups if not re.fullmatch(r"(back|for)ward(_layer|_.*)?", part))
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
    if re.fullmatch(r"stacked_rnn_cells(_\d+)?", above[-1]):
        return path[:-2], direction, last, _number(last)
    if re.fullmatch(r"(lstm|gru|simple_rnn)_cell(_\d+)?", last):
        return path[:-1], direction, last, _number(last) if re.fullmatch(r"rnn(_\d+)?", above[-1]) else None
    return path, direction, "", None


def _number(name: str) -> int:
    """The number at the end of a name made by Keras; 0 if there is none, for the first of its kind."""
    return int(found[0]) if (found := re.search(r"\d+$", name)) else 0


def _recurrent(arrays: Roles) -> bool:
    """Whether arrays belong to a recurrent layer: a kernel and a recurrent kernel with equally many columns."""
    if any({("input", gate), ("recurrent", gate)} <= set(arrays) for gate in "iu"):
        return True
    shapes = {role: np.shape(item.values) for (role, _), item in arrays.items()}
    kernel, recurrent = shapes.get("input", ()), shapes.get("recurrent", ())
    fits = len(kernel) == len(recurrent) == 2 and kernel[1] == recurrent[1]
    return bool(fits and recurrent[1] in (4 * recurrent[0], 3 * recurrent[0], recurrent[0]))


def _partial(name: str, unit: Group, file: KerasFile) -> bool:
    """Whether the arrays are part of a known layer, judged by the model's configuration, or by one of their names."""
    if (layer := file.layer(name)) is not None:
        return layer.path == name and bool(layer.cell)
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


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The LSTMs, GRUs and RNNs of a Keras file. layout: for files not written by Keras 2 or 3. Raises FileError."""
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
    if not (units := grouped(inside, file)):
        kinds = ", ".join(sorted({layer.inner_kind for layer in file.config.values()}))
        said = f"its layers are {kinds}" if kinds else f"it has {counted(len(inside.arrays), 'array')}"
        raise FileError(f"{file.where}: no {ANY} was found; {said}")
    order = {path: at for at, path in enumerate(file.config or inside.order)}
    found = []
    for unit in units:
        try:
            found.append(_one(unit, file, layout))
        except ShapeError as error:
            found.append(Found(unit.name, f"no {ANY}", refused="; ".join(error.problems)))
    # in the order of the model; last if the file does not tell
    rank = {one.name: order.get(one.name, order.get(one.name.split("/")[0], len(order))) for one in found}
    # lstm_2 before lstm_10: Keras numbers the layers of a class in the order of creation
    return sorted(found, key=lambda one: (rank[one.name], re.sub(r"\d+", lambda n: n[0].zfill(20), one.name)))


def _one(unit: Group, file: KerasFile, layout: Layout | None) -> Found:
    """One layer under canonical names. Raises ShapeError; a layer of another kind is returned as refused."""
    layer = file.layer(unit.name)
    name = layer.path if layer else unit.name
    stored = layout or _layout(unit)
    own = CLASSES[stored.cell][0]
    kind = f"Keras {layer.kind if layer else f'Bidirectional {own}' if unit.both else own}"  # Keras's own name
    if unit.layers > 1:
        kind = "Keras RNN of StackedRNNCells"
    elif layer and layer.kind == "Bidirectional":
        kind += f" {layer.inner_kind}"
    if refused := next(_refusals(unit, stored, layer), ""):
        return Found(name, kind, cell=stored.cell, refused=refused)
    found = one_cell(name, unit, stored, kind)
    try:
        options, assumed = options_of(layer, file, stored, unit.both)
    except ValueError as error:
        return Found(name, kind, refused=f"its activation {error} is not supported; see docs/options.md")
    after = options.get("reset_after")
    if after is not None and "bias" in unit.roles and after != found.options["reset_after"]:
        why = f"its configuration says reset_after={after}, and its bias has {'one row' if after else 'two rows'}"
        return Found(name, kind, cell=stored.cell, refused=why)
    options = {key: value for key, value in found.options.items() if key != "gate_activation"} | options
    known = {said for option, said in found.assumed.items() if layer is not None or option in assumed}
    said = [one for one in found.imported if one not in known]
    assumed = {option: one for option, one in found.assumed.items() if one in said} | assumed
    if unit.layers > 1:
        said.append(f"each of the {unit.layers} cells of StackedRNNCells is a layer")
    if layer and layer.inner.get("go_backwards"):
        found = replace(found, weights=turned(found, "reverse"))
        said += ["go_backwards: Keras gives the outputs in the order of computing, the trace by position in the input"]
    if masked := file.masking:
        said.append(f"the model masks steps ({masked}); x alone does not say which: give mask (--mask)")
    said += [*(one for one in assumed.values() if one not in said), "x is (B, T, I), as in Keras"]
    facts = {**found.facts, **layout_facts(layer)}
    defaults = Defaults(batch_first=True)
    return replace(found, options=options, defaults=defaults, imported=tuple(said), assumed=assumed, facts=facts)


def _refusals(unit: Group, stored: Layout, layer: Layer | None) -> Iterator[str]:
    """Why the arrays of a layer do not form one cell for all layers and directions, the same as its configuration's."""
    yield from lacking(stored, unit)
    if unit.both and unit.layers > 1:
        yield "its directions run separately through all cells of StackedRNNCells and merge at the top; not supported"
    if layer is None:
        return
    if layer.inner.get("use_bias") and "bias" not in unit.roles:
        yield "its configuration says use_bias, and the file has no bias of it"
    parts = layer.cells or [(layer.inner_kind, layer.inner)]
    behind: Any = layer.config.get("backward_layer")  # an explicit one of a Bidirectional
    if (settings := settings_of(behind)) is not None:
        parts = [*parts, cells_inside(str(behind.get("class_name", "")), settings)[0][0]]
    what = "cells" if layer.cells else "directions"
    kinds, cell = list(dict.fromkeys(kind for kind, _ in parts)), layer.cell
    if cell != stored.cell and not (layer.cells and len(kinds) > 1):
        said = f"its configuration says {layer.inner_kind}, and its weights are those of a {CLASSES[stored.cell][0]}"
        yield said if cell else f"these are the weights of a layer {layer.inner_kind}, not of an {ANY}"
    if unit.both and layer.inner.get("go_backwards"):
        yield "the layer inside Bidirectional has go_backwards=True"
    if len(kinds) > 1:
        yield f"its {what} are of several kinds ({some(kinds, 4)}); one cell is traced in all layers"
    compared = ("activation", "recurrent_activation", "use_bias", "reset_after")
    if differing := ", ".join(key for key in compared if any(own.get(key) != parts[0][1].get(key) for _, own in parts)):
        yield f"its {what} differ in {differing}; one cell is traced in all layers and directions"


def from_layer(arrays: Mapping[tuple[int, str], Mapping[str, Any]], layer: Layer, version: str) -> Found:
    """The cell of a live layer: kernel, recurrent_kernel and bias by layer and direction, with its configuration."""
    parts = {at: {(ROLES[word], ""): Array(word, v) for word, v in held.items()} for at, held in arrays.items()}
    return _one(Group(layer.path, parts), KerasFile(layer.path, version, {layer.path: layer}), None)


def _layout(unit: Group) -> Layout:
    """The layout: the recurrent kernel says of which cell; cuDNN's is recognised by its long bias, Keras 1's by arrays
    for each gate.
    """
    roles = next(iter(unit.parts.values()))
    for rows, gate in ((LAYOUTS, "i"), (OTHERS["gru"], "u")):
        if ("input", gate) in roles:
            return rows["keras1"]
    shapes = {role: np.shape(item.values) for (role, _), item in roles.items()}
    rows, columns = (*shapes.get("recurrent", ()), 0, 0)[:2]
    known = OTHERS.get({3: "gru", 1: "rnn"}.get(columns // max(rows, 1), ""), LAYOUTS)
    long = "bias" in shapes and shapes["bias"] == (2 * (0, *shapes.get("input", ()))[-1],)
    return known["cudnn" if long and "cudnn" in known else "keras"]
