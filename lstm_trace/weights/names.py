"""Names of arrays in a model file to the LSTMs that they belong to: module, layer, direction, role and gate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .layouts import CANDIDATE, LAYOUTS, Layout, Names

_BACK = re.compile(r"(backward|bwd?|reverse)(_layer)?")
_FORTH = re.compile(r"(forward|fwd?)(_layer)?")
_CELL = re.compile(r"(?:cell|layer)_(\d+)")  # TensorFlow 1 MultiRNNCell
#: Names that no dense layer has.
_TELLING = re.compile(
    r"(weight|bias)_(ih|hh)|[ih]2h_|recurrent|input_to_|^(.*[/.])?(W_[xh][ifco]|W[xh]|[WU][xh]h_\w+)$"
)


class Array(NamedTuple):
    """An array with the name that it has in its file."""

    key: str
    values: Any


@dataclass
class Group:
    """The arrays of one LSTM: by (layer, direction), then by (role, gate), gate empty for stacked arrays."""

    name: str
    parts: dict[tuple[int, str], dict[tuple[str, str], Array]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """Number of arrays."""
        return sum(len(roles) for roles in self.parts.values())

    def complete(self, layout: Layout) -> bool:
        """Whether it has both an input and a recurrent matrix (or the joined one)."""
        needed = {"joined"} if layout.joined else {"input", "recurrent"}
        return any(needed <= {role for role, _ in roles} for roles in self.parts.values())

    @property
    def partial(self) -> bool:
        """Whether its names are those of an LSTM alone, so that a matrix that is not there is missing."""
        keys = [item.key for roles in self.parts.values() for item in roles.values()]
        matrices = {role for roles in self.parts.values() for role, _ in roles} & {"input", "recurrent"}
        return bool(matrices) and any(_TELLING.search(key) for key in keys)


def grouped(arrays: Mapping[str, Any], layout: Layout, own: bool = False) -> tuple[dict[str, Group], list[str]]:
    """The arrays by LSTM, and the names of those that have no role in `layout`.

    own: only by the framework's own names, not by the general ones.
    """
    patterns = layout.own if own else layout.patterns
    found: dict[str, Group] = {}
    rest: list[str] = []
    for key, values in arrays.items():
        found_place = place(key, patterns)
        if found_place is None:
            rest.append(key)
            continue
        name, layer, direction, role, gate = found_place
        roles = found.setdefault(name, Group(name)).parts.setdefault((layer, direction), {})
        roles.setdefault((role, gate), Array(key, values))
    return found, rest


def detect(arrays: Mapping[str, Any], among: Iterable[str] = ()) -> tuple[Layout, dict[str, Group]] | None:
    """The layout whose names explain the most arrays, with the LSTMs it finds; None where no layout's names are there.

    Where two explain as many, the one whose shapes fit; of those, the first. among: only these layouts.
    """
    best: tuple[tuple[int, int, int], Layout, dict[str, Group]] | None = None
    for layout in (LAYOUTS[name] for name in among) if among else LAYOUTS.values():
        if not layout.detect and not among:
            continue
        every = grouped(arrays, layout, own=True)[0]
        if layout.detect == "shapes":
            every = {name: g for name, g in every.items() if _fits(g, layout)}
        whole = [g for g in every.values() if g.complete(layout)]
        groups = {name: g for name, g in every.items() if g.complete(layout) or g.partial}
        score = sum(g.count for g in whole), sum(g.count for g in groups.values()), sum(_fits(g, layout) for g in whole)
        if groups and (best is None or score > best[0]):
            best = score, layout, groups
    return None if best is None else best[1:]


def place(key: str, patterns: Names) -> tuple[str, int, str, str, str] | None:
    """(module, layer, direction, role, gate) of an array's name; None where it has no role."""
    text = key.removesuffix(":0").replace(".", "/")
    matches = ((role, re.search(rf"(?:^|/)(?:{pattern})$", text)) for role, pattern in patterns)
    role, match = next(((role, match) for role, match in matches if match), ("", None))
    if match is None:
        return None
    groups = match.groupdict()
    gate = (groups.get("gate") or "")[:1].translate(CANDIDATE)
    parts = [part for part in text[: match.start()].split("/") if part]
    layer, back = int(groups.get("layer") or 0), bool(groups.get("back"))
    kept: list[str] = []
    for at, part in enumerate(parts):
        if _BACK.fullmatch(part) or _FORTH.fullmatch(part):
            back = back or bool(_BACK.fullmatch(part))
            if kept and kept[-1].isdecimal():
                layer = int(kept.pop())
            if any(_CELL.fullmatch(later) for later in parts[at + 1 :]):
                kept.append(part)  # two stacks side by side that never meet: an LSTM each
        elif cell := _CELL.fullmatch(part):
            layer = int(cell[1])
        else:
            kept.append(part)
    separator = "." if "." in key and "/" not in key else "/"
    return separator.join(kept), layer, "reverse" if back else "forward", role, gate


def _fits(group: Group, layout: Layout) -> bool:
    """Whether the shapes are the layout's: recurrent matrices 4H by H the way it has them, biases of its length."""
    return layout.separate or all(_fit(roles, layout) for roles in group.parts.values())


def _fit(roles: Mapping[tuple[str, str], Array], layout: Layout) -> bool:
    """The same for one layer and direction, or for both on a first axis."""
    found = {role: tuple(getattr(item.values, "shape", ())) for (role, _), item in roles.items()}
    shape = found.get("recurrent", ())
    lead = shape[:1] if layout.direction_axis else ()
    if len(shape) != 2 + len(lead) or lead not in ((), (1,), (2,)):
        return False
    rows, columns = shape[:-3:-1] if layout.recurrent_transposed else shape[-2:]
    length = 2 * rows if layout.bias == "8H" else rows
    return rows == 4 * columns and found.get("bias", (*lead, length)) == (*lead, length)
