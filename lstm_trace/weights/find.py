"""From arrays in a framework's layout to cells with canonical weights; a sentence records every conversion."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..engine.inputs import computing, numbers
from ..errors import Faults, FileError, MissingError, ShapeError, closest, raise_all, some
from .layouts import ANY, LAYOUTS, Layout
from .names import Array, Group, Roles, detect, grouped, lacking, place
from .read import Found

#: Prefixes of the names of a gate's matrices and vectors, before its letter.
_MATRICES = {"joined": "W_", "input": "W_x", "recurrent": "W_h"}
_VECTORS = {
    "bias": "b_", "bias_x": "b_x", "bias_h": "b_h", "peephole": "w_c", "peephole_gate": "w_c", "candidate_bias": "b_h",
}  # fmt: skip
#: The cells by the number of their gates.
_CALLED = {4: "an LSTM (4H by H)", 3: "a GRU (3H by H)", 1: "a plain RNN (H by H)"}


def numeric(key: str, values: Any) -> Any:
    """An array as float32 or float64: half types are widened, which is exact. Raises ShapeError for other types."""
    array = numbers(values, key)
    if array.dtype.kind in "iu" and array.dtype.itemsize < 4:
        said = f"{key} has {array.dtype} numbers, as quantised weights have: multiply them by their scale first"
        raise ShapeError(said)
    return array.astype(computing(array.dtype), copy=False)


def unpack(layout: Layout, roles: Roles) -> tuple[dict[str, Any], dict[str, Any]]:
    """The weights of one layer and direction under canonical names, and the options that they imply.

    roles: arrays by role and gate (see `Layout.patterns`). Raises ShapeError with every array that does not fit.

    >>> import numpy as np
    >>> roles = {("input", ""): Array("kernel", np.ones((5, 8))), ("recurrent", ""): Array("rec", np.ones((2, 8)))}
    >>> sorted(unpack(LAYOUTS["keras"], roles)[0].items())[0][1].shape
    (2, 2)
    """
    faults: list[str] = []
    read = {place: Array(item.key, numeric(item.key, item.values)) for place, item in roles.items()}
    read = _parted(read) if layout.bias == "4H" else read
    projection = read.get(("projection", ""))
    wide = None  # the width of the recurrent matrix's operand, if it is not H
    if projection is not None and np.ndim(projection.values) == 2:
        wide = projection.values.shape[1 if layout.projection_transposed else 0]
    blocks = _blocks(layout, read, wide, faults)
    raise_all(ShapeError, faults)
    if ("candidate_bias", "") in read:  # the cell has two biases for each gate, or one
        blocks = {f"b_x{name[-1]}" if name == f"b_{name[-1]}" else name: values for name, values in blocks.items()}
        zero = np.zeros_like(blocks["b_hh"])
        blocks |= {f"b_h{gate}": blocks.get(f"b_h{gate}", zero) for gate in layout.order}
        blocks |= {f"b_x{gate}": blocks.get(f"b_x{gate}", zero) for gate in layout.order}
    by_gate = sorted(blocks, key=lambda name: layout.order.index(name[-1]))
    found: dict[str, Any] = {name: np.ascontiguousarray(blocks[name]) for name in by_gate}
    options: dict[str, Any] = dict(layout.options)
    if layout.cell == "gru" and layout.bias in ("rows", "4H") and ("bias", "") in read:
        after = ("candidate_bias", "") in read or np.ndim(read["bias", ""].values) == 2
        options = {"reset_after": after, **options}
    if layout.forget_bias:
        options["forget_bias"] = layout.forget_bias
    if projection is not None:
        found["W_hr"] = projection.values.T if layout.projection_transposed else projection.values
        options["projection"] = True
    if ("projection_bias", "") in read:
        found["b_hr"] = read["projection_bias", ""].values
        options["projection_bias"] = True
    for (role, gate), item in read.items():  # layer normalisation has only one form, our own
        if role.startswith(("gamma", "beta")):
            found[f"{role}_{gate}" if gate else role] = item.values
            options["layer_norm" if gate else "layer_norm_cell"] = True
    if any(name.startswith("w_c") for name in found):
        options["peephole"] = True
    if layout.coupled_input and "W_xi" not in found and "W_xf" in found:
        # 1 - sigmoid(z) = sigmoid(-z), and changing the sign of a number is exact
        found |= {f"{name[:-1]}i": -found.pop(name) for name in list(found) if name.endswith("f") and name != "W_hf"}
        found["W_hi"] = -found.pop("W_hf")
        options["coupled"] = True
    return found, options


def _parted(read: dict[tuple[str, str], Array]) -> dict[tuple[str, str], Array]:
    """The arrays with the bias as one vector; the candidate's recurrent bias at its end is an array of its own."""
    bias, main = read.get(("bias", "")), read.get(("recurrent", ""))
    if bias is None or main is None or np.ndim(main.values) != 2:
        return read
    rows, size = main.values.shape
    flat = bias.values.reshape(-1)
    ends = np.split(flat, [rows]) if rows == 3 * size and len(flat) == 4 * size else [flat]
    roles = ("bias", "candidate_bias")[: len(ends)]
    return read | {(role, ""): Array(bias.key, end) for role, end in zip(roles, ends, strict=True)}


# -- blocks of gates -------------------------------------------------------------------------------------------------


def _blocks(layout: Layout, read: Roles, wide: int | None, faults: list[str]) -> dict[str, Any]:
    """The matrices and vectors of each gate under canonical names, from one array per gate or from stacks of them.

    wide: the width of the recurrent matrix's operand, if it is not H.
    """
    found: dict[str, Any] = {}
    count = len(layout.order)
    size = 0 if layout.separate else _size(layout, read["joined" if layout.joined else "recurrent", ""], wide, faults)
    if faults:
        return found
    rows: dict[int, str] = {}
    for (role, gate), item in read.items():
        if role not in _MATRICES:
            continue
        turned = layout.input_transposed if role == "input" else layout.recurrent_transposed
        values = np.atleast_2d(item.values) if gate else item.values
        stack = values.T if turned else values
        if gate and (values.ndim != 2 or len(stack) % len(gate)):
            what = "a matrix" if len(gate) == 1 else f"a matrix of the gates {', '.join(gate)}"
            faults.append(f"{item.key} has shape {np.shape(item.values)}; expected {what}")
            continue
        if not gate and (stack.ndim != 2 or len(stack) != count * size):
            form, numbers = (f"(I, {n})" if turned else f"({n}, I)" for n in (layout.rows(), layout.rows(size)))
            swapped = "; it looks transposed" if stack.ndim == 2 and stack.shape[1] == count * size else ""
            faults.append(f"{item.key} has shape {values.shape}; expected {form} = {numbers}{swapped}")
            continue
        gates = gate or layout.order
        for one, block in zip(gates, np.split(stack, len(gates)), strict=True):
            if layout.flat_blocks and not gate:
                block = np.ascontiguousarray(block.T if turned else block).reshape(size, -1)
            rows.setdefault(len(block), item.key)
            if role == "joined":
                found |= _split(layout, item, one, block, wide or len(block), faults)
            else:
                found[_MATRICES[role] + one] = block
    if len(rows) > 1:
        faults.append("gates differ in size: " + ", ".join(f"{key} has {n} rows" for n, key in rows.items()))
    size = next(iter(rows), size)
    for (role, gate), item in read.items():
        if role not in _VECTORS:
            continue
        pair = layout.bias == "rows" and len(item.values) == 2 and item.values.ndim == 2
        both = role == "bias" and (layout.bias == "8H" or pair) and not gate
        gates = gate or {"peephole": layout.peephole, "candidate_bias": "h"}.get(role, layout.order)
        names = [name + one for name in (("b_x", "b_h") if both else (_VECTORS[role],)) for one in gates]
        values, parts = np.atleast_1d(item.values.ravel() if pair else item.values), len(names)
        if size and values.shape != (parts * size,):
            times = "H" if parts == 1 else f"{parts}H"
            expected = f"({times},) = ({parts * size},)"
            if layout.bias == "rows" and role == "bias":
                expected = f"(2, {layout.rows()}) or ({layout.rows()},) with H = {size}"
            faults.append(f"{item.key} has shape {np.shape(item.values)}; expected {expected}")
        else:
            found |= zip(names, np.split(values, parts), strict=True)
    return found


def _size(layout: Layout, main: Array, wide: int | None, faults: list[str]) -> int:
    """H from a stacked recurrent or joined matrix; 0, with a fault, if its shape cannot belong to the cell."""
    shape, turned, count, stack = np.shape(main.values), layout.recurrent_transposed, len(layout.order), layout.rows()
    if len(shape) != 2:
        faults.append(f"{main.key} has shape {shape}; expected a matrix")
        return 0
    rows, columns = shape[::-1] if turned else shape
    fits = columns > (wide or rows // count) if layout.joined else columns in (rows // count, wide)
    if rows % count == 0 and fits:
        return int(rows // count)
    if layout.joined:
        expected = f"{f'(I + H, {stack})' if turned else f'({stack}, I + H)'} with I of at least 1"
    elif wide is None and (other := _CALLED.get(rows / max(columns, 1))):
        why = f"layout {layout.name} is" if layout.name in LAYOUTS else f"gates {', '.join(layout.order)} are"
        faults.append(
            f"{main.key} has shape {shape}: these are the weights of {other}, not of {_CALLED[count]}, whose {why}"
        )
        return 0
    else:
        others = [o for o in LAYOUTS.values() if o.recurrent_transposed != turned and o.detect == "names"]
        like = some([o.name for o in others if not o.separate], 3)
        forms = [f"(H, {one.rows()})" if turned else f"({one.rows()}, H)" for one in (layout, *layout.others)]
        expected = "; of a GRU ".join(forms[:2]) + "".join(f", of an RNN {form}" for form in forms[2:])
        if columns == count * rows:
            expected = f"{forms[0]}; it looks transposed, as the layouts {like} store it"
    faults.append(f"{main.key} has shape {shape}; expected {expected}")
    return 0


def _split(layout: Layout, main: Array, gate: str, kernel: Any, state: int, faults: list[str]) -> dict[str, Any]:
    """The parts of a gate's joined kernel (H, n) that multiply x and h (and the bias)."""
    found = {}
    if layout.bias == "column":
        kernel, found[f"b_{gate}"] = kernel[:, :-1], kernel[:, -1]
    width = kernel.shape[1] - state
    if width <= 0:
        own = f"{len(kernel)} rows, so at least {len(kernel) + 1} columns for [{'; '.join(layout.joined or '')}]"
        faults.append(f"{main.key} has shape {np.shape(main.values)}; expected {own}")
    edge = state if layout.joined == "hx" else width
    first, second = (f"W_{letter}{gate}" for letter in layout.joined or "")
    return {**found, first: kernel[:, :edge], second: kernel[:, edge:]}


# -- one cell --------------------------------------------------------------------------------------------------------


def find(
    arrays: Mapping[str, Any], layout: Layout | None, kind: str = "{}", keep: Collection[str] = (),
    partial: bool = False,
) -> list[Found]:  # fmt: skip
    """The LSTMs, GRUs and RNNs among the arrays of a model.

    arrays: by their names in the file; values need only `shape` and `__array__`, and only those of cells are read.
    layout: None if the names determine it. kind: what to call them, with the cell in place of {}. keep: names without
    a role that are kept unchanged (a readout's weights). partial: whether whole gates may be missing, since the request
    determines which are needed. If one of several does not fit, it is returned as refused. Raises FileError or
    MissingError if no names fit, MissingError or ShapeError if the only one does not fit.
    """
    recognised = layout is None
    if layout is None:
        known = detect(arrays)
        if known is None:
            there = some([f"{key} {tuple(np.shape(a))}" for key, a in arrays.items()], 6) or "none"
            unknown = f"no {ANY} was recognised by the names of its arrays (there are {there})"
            raise FileError(f"{unknown}; say how they are stored with layout= (--layout), one of {', '.join(LAYOUTS)}")
        layout, groups = known
    else:
        groups = _likely(grouped(arrays, layout))
        if not groups:
            raise MissingError(_unnamed(layout, arrays))
    used = {item.key for group in groups.values() for item in group.arrays}
    rest = [key for key in arrays if key not in used and key not in keep]
    if not recognised and len(groups) == 1:
        raise_all(MissingError, _mistyped(layout, rest))
    found = []
    for name, group in groups.items():
        try:
            raise_all(MissingError, _mixed(group, rest))
            one = one_cell(name, group, group.layout, kind, recognised, partial)
        except (FileError, ShapeError, MissingError) as error:
            if len(groups) == 1:
                raise
            refused = "; ".join(error.problems)
            one = Found(name, f"no {group.layout.noun}", cell=group.layout.cell, refused=refused)
        found.append(one)
    if len(groups) > 1:
        return found
    # weights next to a single cell, those of a readout, belong to its top layer
    scope = f"{max(one.layers - 1, 0)}/{(*one.directions, 'forward')[0]}"
    kept = {key if "/" in key else f"{scope}/{key}": arrays[key] for key in keep if key not in used and key in arrays}
    said = (f"not part of the {found[0].noun}: {some(rest, 8)}",) if rest else ()
    return [replace(one, weights={**one.weights, **kept}, imported=(*one.imported, *said))]


def _mixed(group: Group, rest: list[str]) -> Iterator[str]:
    """A message if another array of the module is the input matrix of a gate that the cell does not have."""
    layout = LAYOUTS.get(group.layout.name)
    for other in (layout, *layout.others) if layout else ():
        for key in rest if other.cell != group.layout.cell else ():
            placed = place(key, other.own, other.cell)
            if placed is not None and placed[0] == group.name and placed[3] == "input":
                parts = group.parts.values()
                inputs = (item.key for roles in parts for (role, _), item in roles.items() if role == "input")
                yield (
                    f"{next(inputs, group.name)} is of {_CALLED[len(group.layout.order)]}, and {key} of "
                    f"{_CALLED[len(other.order)]}; one cell is read from a module, the same in all layers: give each a "
                    "prefix of its own, as in a.W_xr; a cell with other gates is written as equations (docs/cells.md)"
                )
                return


def one_cell(
    name: str, group: Group, layout: Layout, kind: str, recognised: bool = False, partial: bool = False
) -> Found:
    """One LSTM, GRU or RNN under canonical names.

    recognised: whether its names determined the layout. partial: see `find`. Raises MissingError if some of its arrays
    are missing, ShapeError with every fault.
    """
    faults = Faults()
    weights: dict[str, Any] = {}
    options: dict[str, Any] = {}
    stored, group = group.arrays, _directions(layout, group)
    raise_all(MissingError, lacking(layout, group, partial))
    for (layer, direction), roles in sorted(group.parts.items()):
        with faults.gather():
            own, more = unpack(layout, roles)
            weights |= {f"{layer}/{direction}/{key}": values for key, values in own.items()}
            if options.get("reset_after", after := more.get("reset_after")) != after:
                unlike = f"layer {layer}, {direction}, has reset_after={after}, by its bias, and another has not"
                raise ShapeError(f"{unlike}; one cell is traced in all layers and directions")
            options |= more
    faults.tell()
    raise_all(ShapeError, _unlike_below(group, weights))
    by = "names and shapes" if layout.detect == "shapes" else "names"
    how = f"recognised by the {by} of its arrays as" if recognised else "read in"
    biases = _biases(layout, group.roles, weights)
    said = [f"{how} the layout {layout.name}: {layout.describe(biases)}"]
    dtypes = {getattr(item.values, "dtype", None) for item in stored}
    kinds = {str(getattr(dtype, "name", dtype)).removeprefix("torch.") for dtype in dtypes}
    said += [f"{half} weights widened to float32" for half in sorted(kinds & {"float16", "bfloat16"})]
    if biases == "4H":
        said.append("the recurrent biases of r and u do not exist there: zeros")
    if options.get("coupled"):
        said.append("no arrays for the input gate: i = 1 - f, read as f = 1 - i with the signs of f's weights changed")
    assumed = _assumed(layout, options)
    facts = {"layout": layout.name}
    return Found(
        name, kind.format(layout.noun), weights, options, imported=(*said, *assumed.values()), cell=layout.cell,
        assumed=assumed, facts=facts, stored=layout,
    )  # fmt: skip


def _unlike_below(group: Group, weights: Mapping[str, Any]) -> Iterator[str]:
    """A message for each layer that reads another number of values than the one below it has outputs."""
    ways = len({direction for _, direction in group.parts})
    for (layer, direction), roles in sorted(group.parts.items()):
        inputs = [item for (role, _), item in roles.items() if role == "input"]
        reads = [one.shape[1] for key, one in weights.items() if key.startswith(f"{layer}/{direction}/W_x")]
        below = [one.shape[1] for key, one in weights.items() if re.match(rf"{layer - 1}/{direction}/W_h.$", key)]
        if inputs and reads and below and reads[0] not in (below[0], below[0] * ways):
            yield (
                f"{inputs[0].key} has shape {np.shape(inputs[0].values)}, for {reads[0]} inputs; layer {layer - 1} has "
                f"{below[0] * ways} outputs"
            )


def _assumed(layout: Layout, options: dict[str, Any]) -> dict[str, str]:
    """The facts that no arrays reveal and a cell needs, by option; `options` get what is assumed."""
    if layout.cell == "rnn" and "activation" not in options:
        said = "the arrays do not say the activation: tanh was assumed; choose with --option activation=relu"
        return {"activation": said}
    if layout.cell == "gru" and "reset_after" not in options:
        after = options["reset_after"] = layout.bias == "rows"  # Keras's default
        place, other = ("after", "false") if after else ("before", "true")
        said = "the arrays do not say whether the reset gate stands before or after the product with W_hh"
        return {"reset_after": f"{said}: {place} was assumed; choose with --option reset_after={other}"}
    return {}


def _biases(layout: Layout, roles: set[str], weights: Mapping[str, Any]) -> str:
    """The biases among the arrays, which may differ from the layout's description."""
    if roles & {"bias_x", "bias_h"}:
        return "two"
    if layout.bias == "rows" and any("/b_x" in key for key in weights):
        return "rows"
    if "candidate_bias" in roles or (layout.bias == "4H" and any("/b_x" in key for key in weights)):
        return "4H"
    if "bias" in roles:
        return "8H" if layout.bias == "8H" and not layout.separate else "one"
    return "column" if layout.bias == "column" else "none"


def _directions(layout: Layout, group: Group) -> Group:
    """The arrays of each layer and direction; arrays with an axis (D, …) are split."""
    if not layout.direction_axis:
        return group
    found = Group(group.name)
    for (layer, direction), roles in group.parts.items():
        for (role, gate), item in roles.items():
            values = numeric(item.key, item.values)
            whole = 2 if role in ("input", "recurrent") else 1
            each = [values] if values.ndim <= whole else list(values)
            if len(each) > 2:
                raise ShapeError(f"{item.key} has shape {values.shape}; expected 1 or 2 directions on its first axis")
            for way, one in zip((direction, "reverse"), each, strict=False):
                found.parts.setdefault((layer, way), {})[role, gate] = Array(item.key, one)
    return found


def _likely(groups: dict[str, Group]) -> dict[str, Group]:
    """Groups that may be cells: dense layers have kernels and biases too."""
    if len(groups) < 2:
        return groups
    complete = {name: group for name, group in groups.items() if group.complete(group.layout)} or groups
    named = {
        name: group
        for name, group in complete.items()
        if group.layout.joined and any(word in name.lower() for word in ("lstm", "rnn", "gru", "cell"))
    }
    return named or complete


def _unnamed(layout: Layout, arrays: Mapping[str, Any]) -> str:
    """The message if no array has a name of the layout: the expected names, and the existing ones."""
    wanted = [pattern.replace("(?P<gate>", "(") for _, pattern in layout.patterns[:3]]
    said = f"no array has a name of the layout {layout.name}; expected names like {', '.join(wanted)}; there are "
    said += some(list(arrays), 8) or "none"
    if known := detect(arrays) if layout.name == "parts" else None:
        said += f"; they are those of {known[0].name}: say that with the facts (--layout {known[0].name})"
    return said


def _mistyped(layout: Layout, rest: list[str]) -> Iterator[str]:
    """A sentence for each name without a role that is close to one of the layout's."""
    wanted = {part for _, pattern in layout.patterns for part in pattern.split("|") if part.isidentifier()}
    for key in rest:
        last = key.replace(".", "/").rsplit("/", 1)[-1]
        if last not in wanted and len(last) > 3 and (close := closest(last, wanted, 0.85)):
            yield f"the layout {layout.name} has no array {key!r}; did you mean {close!r}?"
