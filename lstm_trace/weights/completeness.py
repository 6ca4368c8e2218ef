"""Whether an LSTM has all its arrays, and what the missing ones would be called in its file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from .layouts import CANDIDATE, Layout
from .names import Array, place

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
    shown = ", ".join(there[:_LISTED]) + (f" and {len(there) - _LISTED} more" if len(there) > _LISTED else "")
    absent = ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
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
    words = _WORDS.get(role, role)
    where = f" of layer {part[0]}, {part[1]}" if len(_expected(parts)) > 1 else ""
    return f"the {words}{f' of gate {gate}' if gate else ''}{where}"


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
            same = next((k for k, (m, n) in enumerate(zip(a, b, strict=False)) if m != n), min(len(a), len(b)))
            end = next(
                (k for k in range(min(len(a), len(b)) - same) if a[-1 - k] != b[-1 - k]), min(len(a), len(b)) - same
            )
            old, new = a[max(same - 1, 0) : len(a) - end], b[max(same - 1, 0) : len(b) - end]
            at = name.rfind(old)
            if at >= 0:
                yield name[:at] + new + name[at + len(old) :]


def _letters(layout: Layout, parts: Parts, gate: str) -> list[str]:
    """How the file, or else the layout, writes a gate."""
    seen: list[str] = []
    listed: list[str] = []
    for _, pattern in layout.patterns:
        for key in (item.key for roles in parts.values() for item in roles.values()):
            match = re.search(rf"(?:^|[/.])(?:{pattern})(?::0)?$", key)
            seen += [match["gate"]] if match and match.groupdict().get("gate") else []
        inside = re.search(r"\(\?P<gate>(\[(\w+)\]|[\w|]+)\)", pattern)
        if inside:
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
