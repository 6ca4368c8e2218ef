"""Symbols with their steps, as text with indices: pairs of a text and whether it stands lower."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from ....cell.network import Stage
from ....formulas.plain import PLAIN, raised
from ....formulas.printer import Printer
from ....formulas.symbols import Symbol, symbol
from ....formulas.tree import value
from ....printable import printable

Runs = tuple[tuple[str, bool], ...]

_LOW, _BACK = "\x02", "\x03"  # no text has them: they are made visible wherever a text comes from a file


def _scripts(base: str, sub: str, sup: str) -> str:
    return base + (f"{_LOW}{sub}{_BACK}" if sub else "") + (raised(sup) if sup else "")


_PLAIN = replace(PLAIN, minus="−", less=" − ", name=printable)
_FORMAT = replace(_PLAIN, scripts=_scripts)


def symbols(stage: Stage, own: Mapping[str, str], t: int) -> dict[str, Symbol]:
    """The symbols of a stage at step `t`, with numbers for t and t - 1."""
    cell = stage.cell
    before = t + 1 if stage.backwards else t - 1
    found = {}
    for name in (*cell.by_name, *cell.inputs, *cell.states):
        if name.isidentifier():
            printed = symbol(name, own)
            steps = {"t": str(t), "t-1": str(before).replace("-", "−")}
            found[name] = printed._replace(sub=steps.get(printed.sub, printed.sub))
    return {**{name: symbol(name, own) for name in own}, **found}


def runs(stage: Stage, name: str, own: Mapping[str, Symbol | str]) -> Runs:
    """The symbol of a value, or what it computes where it has no name."""
    return split(Printer(own, _FORMAT)(value(name, stage.cell)))


def text(stage: Stage, name: str, own: Mapping[str, Symbol | str]) -> str:
    """The same where no index can stand lower: `h_t`."""
    return Printer(own, _PLAIN)(value(name, stage.cell))


def split(text: str) -> Runs:
    """A printed text at its indices; an index within an index stands with it."""
    found: list[tuple[str, bool]] = []
    depth = 0
    for part in re.split(f"([{_LOW}{_BACK}])", text):
        if part in (_LOW, _BACK):
            depth += 1 if part == _LOW else -1
        elif part:
            found.append((part, depth > 0))
    return tuple(found)


def plain(text: Runs) -> str:
    """The text alone."""
    return "".join(part for part, _ in text)
