"""Where the states of a corpus stand in its files: a column for each unit of each recorded line."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ..cell.network import Scope, layer_and_direction
from ..errors import MissingError, OptionError, nearest
from ..frames.table import resolved

#: Units of a line: a name is made for each.
WIDEST = 1 << 20
#: Where the values of a line lie: those of a gate from 0 to 1, of tanh from -1 to 1, of a line before tanh anywhere.
Range = Literal["gate", "tanh", "before tanh", ""]


class Block(NamedTuple):
    """A recorded line: its place in the network, its name, its units, and what the names of its columns begin with.

    range: of its values. keeps: the line by which the state before is multiplied in it, empty where there is none.
    """

    scope: Scope
    line: str
    width: Annotated[int, Field(ge=1, le=WIDEST)]
    stem: str
    range: Range = ""
    keeps: str = ""

    @property
    def columns(self) -> list[str]:
        """A name for each unit."""
        return [f"{self.stem}_{unit}" for unit in range(self.width)]


class Layout(NamedTuple):
    """The recorded lines, in computing order."""

    blocks: tuple[Block, ...]

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """The layers and directions."""
        return tuple(dict.fromkeys(block.scope for block in self.blocks))

    @property
    def record(self) -> list[str]:
        """The addresses of the lines, `0/forward/c_t`."""
        return [f"{block.scope}/{block.line}" for block in self.blocks]

    def check_apart(self, names: Iterable[str]) -> None:
        """Raise OptionError where one of the columns of the inputs is called as a unit is."""
        if taken := {name for block in self.blocks for name in block.columns}.intersection(names):
            raise OptionError(f"the inputs have a column {min(taken)!r}, as a unit of the states is called: rename it")

    def chosen(self, line: str | None = None, scope: Scope | None = None) -> tuple[Block, ...]:
        """The blocks of a line and a place; of all if None. line: may begin with the place, `1/reverse/c_t`.

        Raises MissingError where there is none.
        """
        place, _, name = (line or "").rpartition("/")
        found = tuple(
            block
            for block in self.blocks
            if (not name or block.line == name) and (not place or block.scope == place) and scope in (None, block.scope)
        )
        if not found:
            known = dict.fromkeys((*(b.line for b in self.blocks), *(f"{b.scope}/{b.line}" for b in self.blocks)))
            wanted = f"{scope}/{name}" if scope and not place else line or scope
            raise MissingError(f"the states have no {wanted!r}{nearest(str(wanted), known, 'they have')}")
        return found

    def one(self, line: str, unit: str = "", address: str = "") -> Block:
        """The only block of a line. unit, address: what messages say of a unit. Raises OptionError, MissingError."""
        found = self.chosen(line)
        if len(found) > 1:
            places = ", ".join(f"{block.scope}/{block.line}{unit}" for block in found)
            raise OptionError(f"{address or line!r} may be any of {places}: write one of them")
        return found[0]

    def unit(self, address: str) -> tuple[Block, int]:
        """The block and the number of a unit: `c_t[35]`, `1/reverse/c_t[35]`, or its column, `c_t_35`.

        Raises OptionError, MissingError.
        """
        for block in self.blocks:
            match = re.fullmatch(rf"\s*{re.escape(block.stem)}_([0-9]{{1,9}})\s*", address)
            if match is not None and int(match[1]) < block.width:
                return block, int(match[1])
        match = re.fullmatch(r"\s*(.+?)\s*\[\s*([0-9]{1,9})\s*\]\s*", address)
        if match is None:
            raise OptionError(f"expected a unit of a line, as in c_t[35] or 1/reverse/c_t[35]; found {address!r}")
        unit = int(match[2])
        block = self.one(match[1], f"[{unit}]", address)
        if unit >= block.width:
            raise MissingError(f"{address!r}: {block.line} has the units 0 to {block.width - 1}")
        return block, unit

    def address(self, block: Block, unit: int) -> str:
        """A unit as `unit` reads it: with its place where there are several."""
        return f"{block.scope}/" * (len(self.scopes) > 1) + f"{block.line}[{unit}]"


def layout(
    widths: Mapping[tuple[Scope, str], int], kinds: Mapping[tuple[Scope, str], tuple[Range, str]] | None = None
) -> Layout:
    """The columns of recorded lines. widths, kinds (range, keeps): by scope and name, in computing order.

    >>> [block.stem for block in layout({("0/forward", "c_t"): 4}).blocks]
    ['c_t']
    >>> [block.stem for block in layout({("0/forward", "c_t"): 4, ("0/reverse", "c_t"): 4}).blocks]
    ['0f_c_t', '0r_c_t']
    """
    names = resolved(name for _, name in widths)
    several = len({scope for scope, _ in widths}) > 1
    blocks = []
    for (scope, name), width in widths.items():
        layer, direction = layer_and_direction(scope)  # forward, reverse or joined: f, r or j
        stem = f"{layer}{direction[0]}_{names[name]}" if several else names[name]
        blocks.append(Block(scope, name, width, stem, *(kinds or {}).get((scope, name), ())))
    return Layout(tuple(blocks))


def name_of(number: int, format: str) -> str:
    """The name of the file of a part.

    >>> name_of(12, "parquet")
    'part-00012.parquet'
    """
    return f"part-{number:05}.{format}"


def files_of(number: int, format: str) -> list[str]:
    """The names of the files of a part; when the last one is there it is whole."""
    return list(dict.fromkeys(name_of(number, suffix) for suffix in ("parquet", format)))


def parts_in(folder: Path, but: Collection[str] = ()) -> list[str]:
    """The names in a folder that are those of parts. but: names that are left out."""
    names = sorted({path.name for path in folder.iterdir()}.difference(but))
    return [name for name in names if re.fullmatch(r"part-\d{5,}\.(parquet|safetensors)", name)]
