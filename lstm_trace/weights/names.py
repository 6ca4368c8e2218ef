"""Which LSTM each array of a model file belongs to, by its name, and what arrays that are missing would be called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
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
    def roles(self) -> set[str]:
        """The roles that its arrays have."""
        return {role for arrays in self.parts.values() for role, _ in arrays}

    @property
    def count(self) -> int:
        """Number of arrays."""
        return sum(len(roles) for roles in self.parts.values())

    @property
    def layers(self) -> int:
        """Number of layers."""
        return 1 + max(layer for layer, _ in self.parts)

    @property
    def both(self) -> bool:
        """Whether it has both directions."""
        return len({direction for _, direction in self.parts}) > 1

    def complete(self, layout: Layout) -> bool:
        """Whether it has both an input and a recurrent matrix (or the joined one)."""
        needed = {"joined"} if layout.joined else {"input", "recurrent"}
        return any(needed <= {role for role, _ in roles} for roles in self.parts.values())

    @property
    def partial(self) -> bool:
        """Whether its names are those of an LSTM alone, so that a matrix that is not there is missing."""
        keys = [item.key for roles in self.parts.values() for item in roles.values()]
        return bool(self.roles & {"input", "recurrent"}) and any(_TELLING.search(key) for key in keys)


def grouped(arrays: Mapping[str, Any], layout: Layout, own: bool = False) -> tuple[dict[str, Group], list[str]]:
    """The arrays by LSTM, and the names of those that have no role in `layout`.

    own: only by the framework's own names, not by the general ones.
    """
    patterns = layout.own if own else layout.patterns
    found: dict[str, Group] = {}
    rest: list[str] = []
    for key, values in arrays.items():
        if (placed := place(key, patterns)) is None:
            rest.append(key)
            continue
        name, layer, direction, role, gate = placed
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


Roles = Mapping[tuple[str, str], Array]
Parts = Mapping[tuple[int, str], Roles]

#: Roles that come together: where one is there, so must the other be.
_PAIRS = (("bias_x", "bias_h"), ("gamma", "beta"), ("gamma_cell", "beta_cell"))
_NEEDS = {"projection_bias": "projection"}
_WORDS = {
    "input": "input matrix", "recurrent": "recurrent matrix", "joined": "joined kernel", "bias_x": "input bias",
    "bias_h": "recurrent bias", "peephole": "peepholes", "peephole_gate": "peephole",
    "projection_bias": "projection's bias", "gamma_cell": "gamma of the cell state",
    "beta_cell": "beta of the cell state",
}  # fmt: skip
#: Roles of which there is an array for each gate where a layout has those.
_GATED = ("input", "recurrent", "joined", "bias_x", "bias_h")
_LISTED = 8


def lacking(layout: Layout, parts: Parts, partial: bool = False) -> list[str]:
    """A sentence where arrays are missing, in the file's own names; empty where all are there.

    All layers and directions must have the same kinds of arrays, and all gates of one, for a layer's cell is the same
    everywhere. parts: arrays by (layer, direction), then by (role, gate). partial: whether whole gates may be missing.
    """
    wanted = _wanted(layout, {one for roles in parts.values() for one in roles}, partial)
    names, why = _absent(layout, parts, wanted), ""
    if not names and ("projection", "") not in wanted and not layout.joined:
        why = _narrow(layout, parts)
        names = _absent(layout, parts, {("projection", "")}) if why else []
    if not names:
        return []
    there = list(dict.fromkeys(item.key for roles in parts.values() for item in roles.values()))
    absent, shown = (
        ", ".join(keys[:_LISTED]) + (f" and {len(keys) - _LISTED} more" if len(keys) > _LISTED else "")
        for keys in (names, there)
    )
    return [f"{absent} {'is' if len(names) == 1 else 'are'} missing{why}; of this LSTM the file has {shown}"]


def _absent(layout: Layout, parts: Parts, wanted: set[tuple[str, str]]) -> list[str]:
    """The names of the wanted arrays that a layer or direction has not."""
    return [
        called(layout, parts, part, *one)
        for part in _expected(parts)
        for one in sorted(wanted - parts.get(part, {}).keys(), key=_order)
    ]


def _narrow(layout: Layout, parts: Parts) -> str:
    """What shows that the states are projected; empty where nothing does."""
    for roles in parts.values():
        for (role, _), item in roles.items():
            shape = tuple(getattr(item.values, "shape", ()))
            if role != "recurrent" or len(shape) != 2:
                continue
            rows, columns = shape[::-1] if layout.recurrent_transposed else shape
            hidden, rest = (rows, 0) if layout.separate else divmod(rows, 4)
            if not rest and hidden > columns:
                return f": {item.key} has shape {shape}, so H = {hidden} units are projected to P = {columns}"
    return ""


def _expected(parts: Parts) -> list[tuple[int, str]]:
    """Every layer up to the last, in each direction that there is."""
    directions = sorted({direction for _, direction in parts})
    return [(layer, direction) for layer in range(1 + max(layer for layer, _ in parts)) for direction in directions]


def _order(one: tuple[str, str]) -> tuple[int, str]:
    roles = ("joined", "input", "recurrent")
    return (roles.index(one[0]) if one[0] in roles else len(roles), "".join(one))


def _wanted(layout: Layout, there: set[tuple[str, str]], partial: bool) -> set[tuple[str, str]]:
    """What a layer must have, given what some layer has."""
    found = {role for role, _ in there} | ({"joined"} if layout.joined else {"input", "recurrent"})
    for one, other in _PAIRS:
        found |= {one, other} if found & {one, other} else set()
    found |= {needed for role, needed in _NEEDS.items() if role in found}
    matrices = {gate for role, gate in there if role in ("input", "recurrent", "joined")}
    coupled = "i" if layout.coupled_input else "f" if layout.name == "gates" else ""  # one gate is 1 - the other
    gates = set("ifco") & matrices if partial else set("ifco") - ({coupled} - matrices)
    wanted = set()
    for role in found:
        split = {gate for one, gate in there if one == role and gate}
        if role.startswith("peephole") and split:
            wanted |= {(role, gate) for gate in gates - {"c"}}
        elif split or role in ("gamma", "beta") or (layout.separate and role in _GATED):
            wanted |= {(role, gate) for gate in gates}
        else:
            wanted.add((role, ""))
    return wanted


# -- what it would be called -----------------------------------------------------------------------------------------


def called(layout: Layout, parts: Parts, part: tuple[int, str], role: str, gate: str) -> str:
    """The name that an array would have beside those that are there; in words where that cannot be told."""
    others = list(_from_others(parts, part, role, gate))
    for name in (*_from_part(layout, parts, part, role, gate), *others):
        found = place(name, layout.patterns)
        if found is not None and found[1:] == (*part, role, gate):
            return name
    known = [item.key for roles in parts.values() for item in roles.values()]
    if others and not any(place(key, layout.patterns) for key in known):  # Keras 3 has numbers for names
        return others[0]
    where = f" of layer {part[0]}, {part[1]}" if len(_expected(parts)) > 1 else ""
    return f"the {_WORDS.get(role, role)}{f' of gate {gate}' if gate else ''}{where}"


def _from_part(layout: Layout, parts: Parts, part: tuple[int, str], role: str, gate: str) -> Iterator[str]:
    """Names made from those of the same layer and direction, by the words in which the roles' patterns differ."""
    letters = _letters(layout, parts, gate)
    here = sorted(parts.get(part, {}).items(), key=lambda item: item[0][0] != role)  # the same role first
    for (other, _), item in here:
        dotted = "/" not in item.key
        key = item.key.replace(".", "/") if dotted else item.key
        for name in _beside(layout, key, other, role, letters):
            yield name.replace("/", ".") if dotted else name


def _beside(layout: Layout, key: str, other: str, role: str, letters: list[str]) -> Iterator[str]:
    """Names for an array of `role` beside the one of the role `other` that is called `key`."""
    for pattern in (p for r, p in layout.patterns if r == other):
        match = re.search(rf"(?:^|/)(?:{pattern})(?::0)?$", key)
        if match is None:
            continue
        start = match.start() + (key[match.start()] == "/")
        if other == role and match.groupdict().get("gate"):
            first, last = match.span("gate")
            yield from (key[:first] + letter + key[last:] for letter in letters)
        wanted, words = list(_literals(layout, role)), list(_literals(layout, other))
        pairs = [(k != m, k, m) for k in range(len(wanted)) for m in range(len(words))]
        for _, k, m in sorted(pairs):  # the same choice of several first: `w` beside `b`, `kernel` beside `bias`
            (before, after), (word, _) = wanted[k], words[m]
            at = key.rfind(word)
            if after is not None:
                yield from (key[:start] + before + letter + after for letter in letters)
            elif word and at >= start:
                yield key[:at] + before + key[at + len(word) :]
        yield from (key[:start] + before for before, after in wanted if after is None)


def _from_others(parts: Parts, part: tuple[int, str], role: str, gate: str) -> Iterator[str]:
    """Names made from that of another layer or direction, by what differs between two arrays that both have."""
    here = parts.get(part, {})
    for other in parts.values():
        if (role, gate) not in other:
            continue
        name = other[role, gate].key
        for one in here.keys() & other.keys():
            a, b = other[one].key, here[one].key
            same = _shared(a, b)
            end = _shared(a[same:][::-1], b[same:][::-1])
            old, new = a[max(same - 1, 0) : len(a) - end], b[max(same - 1, 0) : len(b) - end]
            at = name.rfind(old)
            if at >= 0:
                yield name[:at] + new + name[at + len(old) :]


def _shared(a: str, b: str) -> int:
    """How many letters two texts begin with together."""
    return next((k for k, (m, n) in enumerate(zip(a, b, strict=False)) if m != n), min(len(a), len(b)))


def _letters(layout: Layout, parts: Parts, gate: str) -> list[str]:
    """How the file, or else the layout, writes a gate."""
    seen: list[str] = []
    listed: list[str] = []
    keys = [item.key for roles in parts.values() for item in roles.values()]
    for _, pattern in layout.patterns:
        for key in keys:
            match = re.search(rf"(?:^|[/.])(?:{pattern})(?::0)?$", key)
            seen += [match["gate"]] if match and match.groupdict().get("gate") else []
        if inside := re.search(r"\(\?P<gate>(\[(\w+)\]|[\w|]+)\)", pattern):
            listed += list(inside[2]) if inside[2] else inside[1].split("|")
    fits = [word for word in (*seen, *listed) if word[:1].translate(CANDIDATE) == gate]
    return list(dict.fromkeys(fits))


def _literals(layout: Layout, role: str) -> Iterator[tuple[str, str | None]]:
    """What the patterns of a role say literally: the text before a gate's letter, and that after it (None: no gate)."""
    for pattern in (p for r, p in layout.patterns if r == role):
        text = re.sub(r"\(\?P<gate>[^)]*\)", "\0", pattern)
        while "(" in text:
            text, count = re.subn(r"\((?:\?:|\?P<\w+>)?[^()]*\)\??", "", text)
            if not count:
                break
        for one in re.sub(r".\?", "", text).split("|"):
            before, mark, after = one.partition("\0")
            yield before, after if mark else None
