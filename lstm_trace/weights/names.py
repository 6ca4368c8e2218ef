"""Which cell each array of a model file belongs to, judged by its name, and what missing arrays would be called."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from os.path import commonprefix
from typing import Any, NamedTuple

from ..base.packaged import packaged
from ..errors import some
from .layouts import ANY, LAYOUTS, LETTERS, PLACED, Layout, Names

_BACK = re.compile(r"(backward|bwd?|reverse)(_layer)?")
_FORTH = re.compile(r"(forward|fwd?)(_layer)?")
_CELL = re.compile(r"(?:cell|layer)_(\d+)")  # TensorFlow 1 MultiRNNCell
#: Names that dense layers do not have.
_TELLING = re.compile(
    r"(weight|bias)_(ih|hh)|[ih]2h_|recurrent|input_to_|^(.*[/.])?(W_[xh][ifco]|W[xh]|[WU][xh]h_\w+)$"
)


class Array(NamedTuple):
    """An array with its name in the file."""

    key: str
    values: Any


@dataclass
class Group:
    """The arrays of one LSTM, GRU or RNN: by (layer, direction), then by (role, gate); gate is empty for stacked ones.

    layout: how they are stored, once it is known.
    """

    name: str
    parts: dict[tuple[int, str], dict[tuple[str, str], Array]] = field(default_factory=dict)
    layout: Layout = LAYOUTS["gates"]

    @property
    def arrays(self) -> list[Array]:
        """All its arrays."""
        return [item for roles in self.parts.values() for item in roles.values()]

    @property
    def roles(self) -> set[str]:
        """The roles that its arrays have."""
        return {role for arrays in self.parts.values() for role, _ in arrays}

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
        """Whether only LSTMs have such names, so that an absent matrix must be missing."""
        return bool(self.roles & {"input", "recurrent"}) and any(_TELLING.search(item.key) for item in self.arrays)

    @property
    def expected(self) -> list[tuple[int, str]]:
        """Every layer up to the last, in each existing direction."""
        return list(product(range(self.layers), sorted({direction for _, direction in self.parts})))


def grouped(arrays: Mapping[str, Any], layout: Layout, general: bool = True) -> dict[str, Group]:
    """The arrays by module, each with the layout of the cell whose weights they are; those without a role are left out.

    general: whether general names (`W_x`) count, and not the layout's own alone.
    """
    found: dict[str, Group] = {}
    for one in (layout, *layout.others):
        # most frameworks use the same names for every cell, a few such general ones that they are not detected
        if one is layout or (one.own != layout.own and (general or one.detect)):
            for name, group in _grouped(arrays, one, one.patterns if general else one.own).items():
                if name not in found or _rank(group) > _rank(found[name]):
                    found[name] = group
    largest: dict[str, int] = {}  # an array that cells of two kinds may have belongs to the one with more arrays
    for group in found.values():
        group.layout = _suited(group)
        for item in group.arrays:
            largest[item.key] = max(largest.get(item.key, 0), len(group.arrays))
    return {name: g for name, g in found.items() if any(largest[item.key] == len(g.arrays) for item in g.arrays)}


def _grouped(arrays: Mapping[str, Any], layout: Layout, patterns: Names) -> dict[str, Group]:
    found: dict[str, Group] = {}
    for key, values in arrays.items():
        if placed := place(key, patterns, layout.cell):
            name, layer, direction, role, gate = placed
            roles = found.setdefault(name, Group(name, layout=layout)).parts.setdefault((layer, direction), {})
            roles.setdefault((role, gate), Array(key, values))
    return found


def _rank(group: Group) -> tuple[bool, int, int]:
    """How well arrays agree with the cell of their layout; a plain RNN has arrays that a GRU has too."""
    letters = {gate for roles in group.parts.values() for _, gate in roles}
    missing = len({*group.layout.arrays} - letters) if group.layout.separate else 0
    return group.complete(group.layout), len(group.arrays), -missing


def _suited(group: Group) -> Layout:
    """The group's layout, or that of the other cell to which its recurrent matrix belongs: 3H by H, or H by H."""
    layout = group.layout
    for roles in group.parts.values():
        main = roles.get(("recurrent", ""))
        if main is not None and ("projection", "") not in roles:
            shape = tuple(getattr(main.values, "shape", ()))
            sides = shape[:-3:-1] if layout.recurrent_transposed else shape[-2:]
            for other in layout.others if len(sides) == 2 and all(sides) else ():
                alike = (other.separate, other.joined) == (layout.separate, layout.joined)
                if alike and sides[0] == len(other.order) * sides[1]:
                    return other
    return layout


def detect(arrays: Mapping[str, Any]) -> tuple[Layout, dict[str, Group]] | None:
    """The layout whose names explain the most arrays, with the LSTMs that it finds; None if no layout's names occur.

    If two explain equally many, the one whose shapes fit; then the first. General names do not count.
    """
    known: list[tuple[tuple[int, int, int], Layout, dict[str, Group]]] = []
    for layout in (one for one in LAYOUTS.values() if one.detect):
        every = grouped(arrays, layout, general=False)
        if layout.detect == "shapes":
            every = {name: g for name, g in every.items() if _fits(g)}
        whole = [g for g in every.values() if g.complete(g.layout)]
        groups = {name: g for name, g in every.items() if g.complete(g.layout) or g.partial}
        counts = sum(len(g.arrays) for g in whole), sum(len(g.arrays) for g in groups.values())
        known += [((*counts, sum(map(_fits, whole))), layout, groups)] if groups else []
    return max(known, key=lambda one: one[0])[1:] if known else None


def place(key: str, patterns: Names, cell: str) -> tuple[str, int, str, str, str] | None:
    """(module, layer, direction, role, gate) of an array's name; None if it has no role.

    cell: the cell to which the letters of gates belong.
    """
    text = key.removesuffix(":0").replace(".", "/")
    matches = ((role, re.search(rf"(?:^|/)(?:{pattern})$", text)) for role, pattern in patterns)
    role, match = next(((role, match) for role, match in matches if match), ("", None))
    if match is None:
        return None
    groups = match.groupdict()
    gates = next((name for name, found in groups.items() if found is not None and name not in PLACED), "")
    gate = gates or (groups.get("gate") or "")[:1].translate(LETTERS[cell])
    parts = [part for part in text[: match.start()].split("/") if part]
    layer, back = int(groups.get("layer") or 0), bool(groups.get("back"))
    kept: list[str] = []
    for at, part in enumerate(parts):
        if _BACK.fullmatch(part) or _FORTH.fullmatch(part):
            back = back or bool(_BACK.fullmatch(part))
            if kept and kept[-1].isdecimal():
                layer = int(kept.pop())
            if any(_CELL.fullmatch(later) for later in parts[at + 1 :]):
                kept.append(part)  # two independent stacks side by side: one LSTM each
        elif numbered := _CELL.fullmatch(part):
            layer = int(numbered[1])
        else:
            kept.append(part)
    separator = "." if "." in key and "/" not in key else "/"
    return separator.join(kept), layer, "reverse" if back else "forward", role, gate


def _fits(group: Group) -> bool:
    """Whether the shapes fit the layout: recurrent matrices of all gates in its orientation, biases of its length."""
    layout = group.layout
    for roles in () if layout.separate else group.parts.values():
        found = {role: tuple(getattr(item.values, "shape", ())) for (role, _), item in roles.items()}
        shape = found.get("recurrent", ())
        lead = shape[:1] if layout.direction_axis else ()  # one direction, or both
        if len(shape) != 2 + len(lead) or lead not in ((), (1,), (2,)):
            return False
        rows, columns = shape[:-3:-1] if layout.recurrent_transposed else shape[-2:]
        length = 2 * rows if layout.bias == "8H" else rows
        more = {"rows": (2, length), "4H": (*lead, length + columns)}
        lengths = [(*lead, length), more.get(layout.bias, ())]
        if rows != len(layout.order) * columns or found.get("bias", lengths[0]) not in lengths:
            return False
    return True


Roles = Mapping[tuple[str, str], Array]

#: Roles that occur together: if one is present, so must be the other.
_PAIRS = (("bias_x", "bias_h"), ("gamma", "beta"), ("gamma_cell", "beta_cell"))
_WORDS: dict[str, str] = packaged("weights/words.toml")["roles"]
#: Roles with one array per gate in layouts with separate gates.
_GATED = ("input", "recurrent", "joined", "bias_x", "bias_h")
_LISTED = 8


def lacking(layout: Layout, group: Group, partial: bool = False) -> list[str]:
    """A sentence if arrays are missing, with the file's own names; empty if all are present.

    All layers and directions must have the same kinds of arrays, and so must all gates, because the cell is the same
    everywhere. partial: whether whole gates may be missing.
    """
    wanted = _wanted(layout, {one for roles in group.parts.values() for one in roles}, partial)
    names, why = _absent(layout, group, wanted), ""
    if not names and ("projection", "") not in wanted and not layout.joined and (why := _narrow(layout, group)):
        names = _absent(layout, group, {("projection", "")})
    if not names:
        return []
    shown = some(list(dict.fromkeys(item.key for item in group.arrays)), _LISTED)
    missing = f"{some(names, _LISTED)} {'is' if len(names) == 1 else 'are'} missing{why}"
    alike = layout.others and not layout.separate and not group.roles & {"recurrent", "joined"}
    return [f"{missing}; of this {ANY if alike else layout.noun} the file has {shown}"]


def _absent(layout: Layout, group: Group, wanted: set[tuple[str, str]]) -> list[str]:
    """The names of the required arrays that a layer or direction lacks, matrices first."""
    ordered = sorted(wanted, key=lambda one: (one[0] not in ("joined", "input", "recurrent"), one))
    places = product(group.expected, ordered)
    return [called(layout, group, part, one) for part, one in places if one not in group.parts.get(part, {})]


def _narrow(layout: Layout, group: Group) -> str:
    """Evidence that the states are projected; empty if there is none."""
    there = [item for roles in group.parts.values() for (role, _), item in roles.items() if role == "recurrent"]
    for key, values in there if layout.cell == "lstm" else ():
        shape = tuple(getattr(values, "shape", ()))
        if len(shape) == 2:
            rows, columns = shape[::-1] if layout.recurrent_transposed else shape
            hidden, rest = (rows, 0) if layout.separate else divmod(rows, len(layout.order))
            if not rest and hidden > columns:
                return f": {key} has shape {shape}, so H = {hidden} units are projected to P = {columns}"
    return ""


def _wanted(layout: Layout, there: set[tuple[str, str]], partial: bool) -> set[tuple[str, str]]:
    """The arrays that a layer must have, given those of some layer."""
    found = {role for role, _ in there} | ({"joined"} if layout.joined else {"input", "recurrent"})
    for one, other in _PAIRS:
        found |= {one, other} if found & {one, other} else set()
    found |= {"projection"} if "projection_bias" in found else set()
    found |= {"candidate_bias"} & {role for role, _ in layout.own} if "bias" in found else set()
    matrices = {gate for role, gate in there if role in ("input", "recurrent", "joined")}
    coupled = "i" if layout.coupled_input else "f" if layout.name == "gates" else ""  # this gate is 1 - the other
    gates = {*layout.arrays} & matrices if partial else {*layout.arrays} - ({coupled} - matrices)
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


# -- names of missing arrays -----------------------------------------------------------------------------------------


def called(layout: Layout, group: Group, part: tuple[int, str], one: tuple[str, str]) -> str:
    """The name that an array (role, gate) would have, inferred from existing ones; in words if it is unknown."""
    for name in _from_part(layout, group.parts.get(part, {}), one):
        found = place(name, layout.patterns, layout.cell)
        if found is not None and found[1:] == (*part, *one):
            return name
    role, gate = one
    where = f" of layer {part[0]}, {part[1]}" if len(group.expected) > 1 else ""
    return f"the {_WORDS.get(role, role)}{f' of gate {gate}' if gate else ''}{where}"


def _from_part(layout: Layout, here: Roles, one: tuple[str, str]) -> Iterator[str]:
    """Names made from those in the same layer and direction, by the words in which the patterns of two roles differ."""
    wanted = list(enumerate(_words(layout, one[0])))
    for (other, _), item in sorted(here.items(), key=lambda pair: pair[0][0] != one[0]):  # the same role first
        dotted = "/" not in item.key
        key = item.key.replace(".", "/") if dotted else item.key
        there = [(m, word) for m, word in enumerate(_words(layout, other)) if word in key]
        there.append((len(wanted), key.rpartition("/")[2]))  # or instead of the whole last part
        # the same choice among several first (`w` beside `b`, `kernel` beside `bias`), then one with a similar ending
        pairs = (
            (k != m, -len(commonprefix((new[::-1], old[::-1]))), k, old, new)  # noqa: RUF071 - letters, not folders
            for k, new in wanted
            for m, old in there
        )
        for *_, old, new in sorted(pairs):
            before, _, after = key.rpartition(old)
            name = before + new + after
            yield name.replace("/", ".") if dotted else name


def _words(layout: Layout, role: str) -> list[str]:
    """The texts that the patterns of a role match, without optional parts that contain no text (a number)."""
    choices = (word for own, pattern in layout.patterns if own == role for word in _choices(pattern))
    return list(dict.fromkeys(word for word in choices if "\\" not in word))


def _choices(pattern: str) -> list[str]:
    """A pattern of names expanded: one text per combination of its alternatives.

    >>> _choices("W_(?P<gate>[if])(_raw)?")
    ['W_i', 'W_i_raw', 'W_f', 'W_f_raw']
    """
    pattern = re.sub(r"\[(\w+)\]", lambda letters: f"({'|'.join(letters[1])})", pattern)
    group = re.search(r"\((?:\?:|\?P<\w+>)?([^()]*)\)(\?)?", re.sub(r"(\w)\?", r"(\1)?", pattern))
    if group is None:
        return pattern.split("|")
    options = [*([""] if group[2] else []), *group[1].split("|")]
    return [
        text for one in options for text in _choices(group.string[: group.start()] + one + group.string[group.end() :])
    ]


def distinct(names: Sequence[str]) -> list[str]:
    """Names, with numbers where they are the same."""
    return [f"{name}#{names[:k].count(name)}" if names.count(name) > 1 else name for k, name in enumerate(names)]
