"""Arrays in a framework's layout to the LSTMs that they belong to, with what was done to them written down."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import Faults, FileError, MissingError, ShapeError, closest, raise_all
from .completeness import lacking
from .found import Found
from .layouts import LAYOUTS, Layout
from .names import Array, Group, detect, grouped
from .unpack import Facts, Roles, numeric, unpack


def find(
    arrays: Mapping[str, Any],
    layout: Layout | None,
    where: str = "",
    kind: str = "LSTM",
    keep: Collection[str] = (),
    partial: bool = False,
) -> list[Found]:
    """The LSTMs among the arrays of a model.

    arrays: by the names in the file; values need only `shape` and `__array__`, and only those of LSTMs are read.
    layout: None where the names say which it is. where: the file, for messages. kind: what to call them. keep: names
    without a role that go on as they are (a readout's weights). partial: whether whole gates may be missing, since
    what is asked for decides which are needed. An LSTM that does not fit, among others that do, is
    given as refused. Raises FileError or MissingError where no names fit, MissingError or ShapeError where the only one
    does not fit.
    """
    recognised = layout is None
    place = f"{where}: " if where else ""
    if layout is None:
        known = detect(arrays)
        if known is None:
            raise FileError(place + _unrecognised(arrays))
        layout, groups = known
    else:
        groups = _likely(grouped(arrays, layout)[0], layout)
        if not groups:
            problem = f"no array has a name of the layout {layout.name}; {_names(layout, arrays)}"
            known = detect(arrays) if layout.name == "parts" else None
            named = (
                f"; they are those of {known[0].name}: say that with the facts (--layout {known[0].name})"
                if known
                else ""
            )
            raise MissingError(f"{place}{problem}{named}")
    used = {item.key for group in groups.values() for roles in group.parts.values() for item in roles.values()}
    rest = [key for key in arrays if key not in used and key not in keep]
    if not recognised and len(groups) == 1:
        _mistyped(layout, rest, place)
    found = []
    for name, group in groups.items():
        try:
            one = _one(name, group, layout, kind, recognised, partial)
        except (FileError, ShapeError, MissingError) as error:
            if len(groups) == 1:
                raise type(error)(*(p if p.startswith(place) else place + p for p in error.problems)) from None
            found.append(Found(name, "no LSTM", refused="; ".join(error.problems)))
            continue
        if len(groups) == 1:
            one = _beside(one, {key: arrays[key] for key in keep if key not in used and key in arrays}, rest)
        found.append(one)
    return found


def _one(name: str, group: Group, layout: Layout, kind: str, recognised: bool, partial: bool) -> Found:
    """One LSTM in our names. Raises MissingError where it has not all its arrays, ShapeError with every fault."""
    faults = Faults()
    weights: dict[str, Any] = {}
    options: dict[str, Any] = {}
    parts = _directions(layout, group)
    raise_all(MissingError, lacking(layout, parts, partial))
    for (layer, direction), roles in sorted(parts.items()):
        with faults.gather():
            own, more = unpack(layout, roles)
            weights |= {f"{layer}/{direction}/{key}": values for key, values in own.items()}
            options |= more
    faults.tell()
    by = "names and shapes" if layout.detect == "shapes" else "names"
    how = f"recognised by the {by} of its arrays as" if recognised else "read in"
    said = [f"{how} the layout {layout.name}: {layout.describe(_biases(layout, parts))}"]
    kinds = {_dtype(item.values) for roles in group.parts.values() for item in roles.values()}
    said += [f"{half} weights widened to float32" for half in sorted(kinds & {"float16", "bfloat16"})]
    if options.get("coupled"):
        said.append("no arrays for the input gate: i = 1 - f, read as f = 1 - i with the signs of f's weights changed")
    return Found(name, kind, weights, options, imported=tuple(said), facts={"layout": layout.name}, stored=layout)


def _biases(layout: Layout, parts: Mapping[tuple[int, str], Roles]) -> str:
    """What biases the arrays have, which is not always what the layout says of them."""
    roles = {role for found in parts.values() for role, _ in found}
    if roles & {"bias_x", "bias_h"}:
        return "two"
    if "bias" in roles:
        return "8H" if layout.bias == "8H" and not layout.separate else "one"
    return "column" if layout.bias == "column" else "none"


def _beside(one: Found, kept: Facts, rest: list[str]) -> Found:
    """The LSTM with the weights that stand beside it (those of a readout, at its top layer)."""
    scope = f"{max(one.layers - 1, 0)}/{(*one.directions, 'forward')[0]}"
    more = {key if "/" in key else f"{scope}/{key}": values for key, values in kept.items()}
    said = (f"not part of the LSTM: {', '.join(rest[:8])}{', …' if len(rest) > 8 else ''}",) if rest else ()
    return replace(one, weights={**one.weights, **more}, imported=(*one.imported, *said))


def _dtype(values: Any) -> str:
    dtype = getattr(values, "dtype", None)
    return str(getattr(dtype, "name", dtype)).removeprefix("torch.")


def _directions(layout: Layout, group: Group) -> Mapping[tuple[int, str], Roles]:
    """The arrays of each layer and direction; those with an axis (D, …) are taken apart."""
    if not layout.direction_axis:
        return group.parts
    found: dict[tuple[int, str], dict[tuple[str, str], Array]] = {}
    for (layer, direction), roles in group.parts.items():
        for (role, gate), item in roles.items():
            values = numeric(item.key, item.values)
            whole = 2 if role in ("input", "recurrent") else 1
            each = [values] if values.ndim <= whole else list(values)
            if len(each) > 2:
                raise ShapeError(f"{item.key} has shape {values.shape}; expected 1 or 2 directions on its first axis")
            for way, one in zip((direction, "reverse"), each, strict=False):
                found.setdefault((layer, way), {})[role, gate] = Array(item.key, one)
    return found


def _likely(groups: dict[str, Group], layout: Layout) -> dict[str, Group]:
    """Groups that may be LSTMs: dense layers have kernels and biases too."""
    if len(groups) < 2:
        return groups
    complete = {name: group for name, group in groups.items() if group.complete(layout)} or groups
    if not layout.joined:
        return complete
    named = {n: g for n, g in complete.items() if any(word in n.lower() for word in ("lstm", "rnn", "cell"))}
    return named or complete


def _names(layout: Layout, arrays: Mapping[str, Any]) -> str:
    """What a layout's arrays are called, and what there is."""
    wanted = [pattern.replace("(?P<gate>", "(") for _, pattern in layout.patterns]
    there = ", ".join(list(arrays)[:8]) + (", …" if len(arrays) > 8 else "")
    return f"expected names like {', '.join(wanted[:3])}; there are {there or 'none'}"


def _mistyped(layout: Layout, rest: list[str], place: str) -> None:
    """Raise MissingError for a name without a role that is nearly one of the layout's."""
    wanted = {part for _, pattern in layout.patterns for part in pattern.split("|") if part.isidentifier()}
    problems = []
    for key in rest:
        last = key.replace(".", "/").rsplit("/", 1)[-1]
        close = closest(last, wanted, 0.85) if last not in wanted and len(last) > 3 else None
        if close:
            problems.append(f"{place}the layout {layout.name} has no array {key!r}; did you mean {close!r}?")
    raise_all(MissingError, problems)


def _unrecognised(arrays: Mapping[str, Any]) -> str:
    there = ", ".join(f"{key} {tuple(np.shape(a))}" for key, a in list(arrays.items())[:6])
    more = f" and {len(arrays) - 6} more" if len(arrays) > 6 else ""
    return (
        f"no LSTM was recognised by the names of its arrays (there are {there or 'none'}{more}); "
        f"say how they are stored with layout= (--layout), one of {', '.join(LAYOUTS)}"
    )
