"""Programs that `torch.export.save` wrote (`.pt2`): a zip archive with a graph as JSON and weights as plain numbers.

Nothing of it is run, and PyTorch is not needed. Nodes of a layer, or of a cell that is called once (`aten.lstm.input`,
`aten.gru_cell`, …), are read by their weights. A program without one, or which calls a cell several times, is read by
`lifting.graphs`, which takes the recurrence from its graph: what stands around a cell in a loop is part of it.
Source: torch/_export/serde/schema.py, torch/export/pt2_archive/_package.py (PyTorch 2.9 and later).
"""

from __future__ import annotations

import json
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...base.arrays import Array
from ...base.conveniences import Convenience
from ...base.packaged import packaged
from ...errors import FileError, LiftError, within
from ..find import find
from ..guards import Lazy, afford, archive, check_intact, checked_shape, content, entries, told, widened
from ..layouts import ANY, LAYOUTS, NOUNS, Layout
from ..read import Found, stated

#: Numbers of PyTorch's dtypes; bfloat16 is 13.
_DTYPES = {1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8", 12: "?"}
_BFLOAT16 = 13
#: PyTorch's names for the weights of a cell.
_CELL = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_OLDER = "torch.export.save(torch.export.load(path), path)"
#: Operations that move numbers and change none.
_MOVES = tuple(packaged("weights/words.toml")["exported"])
#: Nodes of whole layers, and of cells.
_NODE = re.compile(r"torch\.ops\.aten\.(lstm|gru|rnn_tanh|rnn_relu)(\.input|_cell\.default)")


@dataclass(frozen=True, eq=False)
class ExportedProgram:
    """An exported program. stored: the bytes of its file.

    graph: its nodes and values. weights: the parameters, buffers and constants that its inputs are, by the names of
    these inputs. given: the other inputs, by name. outputs: the names of what it returns. changed: the buffers that it
    changes.
    """

    path: Path
    stored: int
    graph: Mapping[str, Any]
    weights: Mapping[str, tuple[str, Lazy]]
    given: tuple[str, ...]
    outputs: tuple[str, ...]
    changed: tuple[str, ...]

    def sizes(self, name: str) -> tuple[int | str, ...]:
        """The sizes of a value; the expression of one that is open."""
        noted = self.graph["tensor_values"][name]["sizes"]
        return tuple(one["as_int"] if "as_int" in one else str(one["as_expr"]["expr_str"]) for one in noted)

    def is_whole(self, name: str) -> bool:
        """Whether a value has whole numbers."""
        return self.graph["tensor_values"][name]["dtype"] in range(1, 6)


def read(path: Path, layout: Layout | None = None) -> list[Found]:
    """The cells of an exported program. Raises FileError."""
    with program(path) as opened:
        named = [(node, match) for node in opened.graph["nodes"] if (match := _NODE.fullmatch(node["target"]))]
        layers = {(*names,): (node, match[1]) for node, match in named for names in [_weights_of(node)]}
        calls = Counter((*_weights_of(node),) for node, match in named if "_cell" in match[2])
        loops = {names for names, count in calls.items() if count > 1}
        if layers.keys() - loops:
            with within(str(path)):
                return [_layer(opened, names, *layer, loop=names in loops) for names, layer in layers.items()]
        try:
            found = Convenience[list[Found]]("exported.graph")(opened)
        except LiftError as reason:
            lacking = "" if loops else f"it has no layer or cell of PyTorch ({ANY}), and "
            raise FileError(f"{path}: {lacking}its graph is not read as a cell: {reason}") from None
        return found


@contextmanager
def arrays(path: Path) -> Iterator[dict[str, Lazy]]:
    """Every parameter, buffer and constant by its name. Raises FileError."""
    with program(path) as opened:
        yield dict(opened.weights.values())


@contextmanager
def program(path: Path) -> Iterator[ExportedProgram]:
    """An exported program; its arrays are read while it is open. Raises FileError."""
    wrong = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError, ArithmeticError)
    with archive(path) as opened, told(path, *wrong):
        check_intact(opened, path)
        names = {name.split("/", 1)[-1]: name for name in opened.namelist()}
        if "serialized_exported_program.json" in opened.namelist() or "data/weights/model.pt" in names:
            raise FileError(f"{path}: written by PyTorch before 2.9: load it there, and save it again: {_OLDER}")
        if len(models := [name for name in names if re.fullmatch(r"models/[^/]+\.json", name)]) != 1:
            wanted = "expected one exported program, as torch.export.save writes"
            raise FileError(f"{path}: {wanted}, found {len(models)}{'' if models else ': another archive, or cut off'}")
        model = json.loads(content(opened, names[models[0]]))
        graph, signature = model["graph_module"]["graph"], model["graph_module"]["signature"]
        stored: dict[str, Lazy] = {}
        title = Path(models[0]).stem
        for kind in ("weights", "constants"):
            config = names.get(f"data/{kind}/{title}_{kind}_config.json")
            listed = json.loads(content(opened, config))["config"] if config else {}
            for name, meta in listed.items():
                entry = names.get(f"data/{kind}/{meta['path_name']}")
                if meta["tensor_meta"] is not None and not meta["use_pickle"] and entry is not None:
                    stored[name] = _lazy(opened, entry, meta["tensor_meta"], f"{path}: {name}")
        weights: dict[str, tuple[str, Lazy]] = {}
        given: list[str] = []
        for spec in signature["input_specs"]:
            ((kind, one),) = spec.items()
            target = one.get(f"{kind}_name")
            if kind == "user_input":
                given += [one["arg"]["as_tensor"]["name"]] if "as_tensor" in one["arg"] else []
            elif target in stored:
                weights[one["arg"]["name"]] = target, stored[target]
        outputs = [one for spec in signature["output_specs"] for one in spec.items()]
        yield ExportedProgram(
            path, Path(path).stat().st_size, graph, weights, tuple(given),
            tuple(one["arg"]["as_tensor"]["name"] for kind, one in outputs if kind == "user_output"),
            tuple(one.get("buffer_name", kind) for kind, one in outputs if kind != "user_output"),
        )  # fmt: skip


def _lazy(opened: zipfile.ZipFile, entry: str, meta: Mapping[str, Any], where: str) -> Lazy:
    """An array that stays in its file."""
    shape = checked_shape([one["as_int"] for one in meta["sizes"]], where)
    strides = checked_shape([one["as_int"] for one in meta["strides"]], where)
    short = meta["dtype"] == _BFLOAT16
    dtype, offset = np.dtype("u2" if short else _DTYPES[meta["dtype"]]), meta["storage_offset"]["as_int"]
    afford(entries(shape) * dtype.itemsize, opened.getinfo(entry).file_size, where)

    def read() -> Any:
        """Its numbers, which may be a view of those that are stored."""
        numbers = np.frombuffer(content(opened, entry), dtype.newbyteorder("<"))
        last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
        if offset < 0 or (entries(shape) and last >= len(numbers)):
            raise FileError(f"{where} claims {entries(shape):,} numbers and stores fewer")
        steps = tuple(stride * dtype.itemsize for stride in strides)
        found = np.lib.stride_tricks.as_strided(numbers[offset:], shape, steps).astype(dtype)
        return widened(found) if short else found

    return Lazy(shape, np.dtype(np.float32) if short else dtype, read)


# -- layers and cells of PyTorch ---------------------------------------------------------------------------------------


def _names(argument: Mapping[str, Any]) -> list[str]:
    """The values that an argument is."""
    ((kind, value),) = argument.items()
    if kind == "as_optional_tensor":
        return _names(value)
    return [one["name"] for one in {"as_tensor": [value], "as_tensors": value}.get(kind, ())]


def _weights_of(node: Mapping[str, Any]) -> list[str]:
    given = {one["name"]: one["arg"] for one in node["inputs"]}
    return [name for key in ("params", "w_ih", "w_hh", "b_ih", "b_hh") if key in given for name in _names(given[key])]


def _layer(opened: ExportedProgram, names: Sequence[str], node: Mapping[str, Any], kind: str, loop: bool) -> Found:
    """The cell of a node, read from its weights as PyTorch's own. loop: the program calls it several times."""
    given = {one["name"]: one["arg"] for one in node["inputs"]}
    called = "PyTorch {}" if "params" in given else "PyTorch {}Cell"
    states = [_initial(opened, one) for one in _names(given["hx"])]
    reason = ""
    if lost := [name for name in names if name not in opened.weights]:
        reason = f"its weight {lost[0]} is computed by the program, not stored"
    elif loop:
        reason = "the program calls it several times, beside other layers: export the loop by itself"
    elif isinstance(state := next((one for one in states if isinstance(one, str)), None), str):
        reason = f"its initial state is computed by the program ({state}): export it with .run_decompositions()"
    if reason:
        return Found("", called.format(NOUNS[kind[:4].rstrip("_")]), refused=reason)
    targets = [opened.weights[name] for name in names]
    name = targets[0][0].rpartition(".")[0]
    keys: tuple[str, ...] = _CELL
    if "params" in given:
        sides = ("", "_reverse")[: 1 + given["bidirectional"]["as_bool"]]
        places = [f"l{k}{side}" for k in range(given["num_layers"]["as_int"]) for side in sides]
        each = len(names) // len(places)
        biases = _CELL[2:] if given["has_biases"]["as_bool"] else ()
        row = (*_CELL[:2], *biases, "weight_hr")[:each]
        keys = tuple(f"{key}_{place}" for place in places for key in row)
    there = {f"{name}.{key}".lstrip("."): array for key, (_, array) in zip(keys, targets, strict=False)}
    (found,) = find(there, LAYOUTS["pytorch"], called)
    if found.refused:
        return found
    x = _names(given["input"])[0]
    facts = {**found.facts, "input": f"{x} {opened.sizes(x)}" if x in opened.given else "computed by the program"}
    options = {"activation": kind.removeprefix("rnn_")} if kind.startswith("rnn") else {}
    initial = {name: one for name, one in zip(("h_prev", "c_prev"), states, strict=False) if one is not None}
    first = "batch_first" in given and given["batch_first"]["as_bool"]
    defaults = replace(found.defaults, batch_first=first, initial=initial)
    return replace(stated(found, options), name=name, facts=facts, defaults=defaults)


def _initial(opened: ExportedProgram, name: str) -> Array | str | None:
    """An initial state that the program stores, (layers, B, H); None if it is zero or given; else what computes it."""
    nodes = {output: node for node in opened.graph["nodes"] for one in node["outputs"] for output in _names(one)}
    source, target = name, ""
    for _ in nodes:  # a file may claim that a value is made of itself
        if source in opened.weights or (node := nodes.get(source)) is None:
            break
        if (target := node["target"].removeprefix("torch.ops.aten.").partition(".")[0]) not in _MOVES:
            break
        (source,) = _names(node["inputs"][0]["arg"])
    if source in opened.weights:
        stored = np.asarray(opened.weights[source][1])
        sizes = [one if isinstance(one, int) else 1 for one in opened.sizes(name)]
        afford(entries(sizes) * stored.itemsize, opened.stored, f"{opened.path}: {name}")
        whole = stored.reshape(sizes) if stored.size == entries(sizes) else np.broadcast_to(stored, sizes)
        return whole.reshape(-1, *whole.shape[-2:])
    return None if source in opened.given or target in ("zeros", "zeros_like", "new_zeros") else target
