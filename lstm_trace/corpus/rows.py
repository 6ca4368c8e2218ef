"""What a corpus is made of: sequences with a row for each step, as `inputs` reads them; and a column for each unit.

Every file of a corpus imports pyarrow from here, where a message says if it is missing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
from pydantic import Field

from ..base.arrays import Array
from ..base.extras import missing
from ..cell.network import Scope, layer_and_direction
from ..errors import MissingError, OptionError, nearest
from ..trace.address import index_text, no_entry
from ..trace.labels import resolved

try:
    import pyarrow as pa
    from pyarrow import compute, parquet
except ImportError:
    raise OptionError(missing("a corpus", "pyarrow")) from None

__all__ = ["compute", "pa", "parquet"]


#: Columns of a part besides its states; columns of the input with these names have the same meaning.
SEQUENCE, STEP, TOKEN = "seq_id", "t", "token"


@dataclass(frozen=True)
class SequenceIndex:
    """The sequences of an input, in its order.

    ids: (N,), whole numbers or texts, each once. lengths: (N,), in steps, at least 1. places: (N + 1,), the beginning
    of each and the end of the last, in rows of the table.
    """

    ids: Array
    lengths: Array
    places: Array


@dataclass(frozen=True)
class Rows:
    """Whole sequences, one after the other, with a row for each of their R steps.

    ids, lengths: (n,). x: (R, I). t: (R,), the first step of a sequence may be any, the others follow it. token: the
    labels of the steps, a string array of Arrow, None if there are none. targets: further columns, arrays of Arrow
    by name.
    """

    ids: Array
    lengths: Array
    x: Array
    t: Array
    token: Any = None
    targets: Mapping[str, Any] = field(default_factory=dict)

    @property
    def starts(self) -> Array:
        """The first row of each sequence, and the number of rows, (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.lengths)])

    def steps_of(self, at: Array) -> Array:
        """The rows of some of the sequences, by their places."""
        starts = self.starts
        return np.concatenate([np.arange(starts[k], starts[k + 1]) for k in at])

    def picked(self, at: Array) -> Rows:
        """Some of the sequences, by their places."""
        steps = self.steps_of(at)
        targets = {name: values.take(steps) for name, values in self.targets.items()}
        token = None if self.token is None else self.token.take(steps)
        return Rows(self.ids[at], self.lengths[at], self.x[steps], self.t[steps], token, targets)


Place = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]


class Span(NamedTuple):
    """A stretch of whole sequences: the `number` of its part, its places, and its size."""

    number: Place
    first: Place
    stop: Place
    sequences: Count
    steps: Count


def cut(index: SequenceIndex, steps: int) -> list[Span]:
    """The input in stretches of about this many steps: a sequence that does not fit any more begins the next one.

    >>> index = SequenceIndex(np.arange(4), np.array([3, 4, 9, 2]), np.arange(5) * 10)
    >>> [(one.first, one.stop, one.steps) for one in cut(index, 8)]
    [(0, 20, 7), (20, 30, 9), (30, 40, 2)]
    """
    found: list[Span] = []
    ends = np.concatenate([[0], np.cumsum(index.lengths, dtype=np.int64)])
    at, steps = 0, min(steps, int(ends[-1]))
    while at < len(index.ids):
        # the last sequence that ends within `steps` of here; at least one
        stop = max(int(np.searchsorted(ends, ends[at] + steps, side="right")) - 1, at + 1)
        first, last = index.places[[at, stop]].tolist()
        found.append(Span(len(found), first, last, stop - at, int(ends[stop] - ends[at])))
        at = stop
    return found


def checked_seed(seed: int) -> int:
    """The seed. Raises OptionError for one that cannot seed a random generator."""
    if seed < 0:
        raise OptionError(f"seed: expected a whole number of at least 0; found {seed}")
    return seed


def shuffled(ids: Iterable[Any], seed: int | str) -> Array:
    """The places of ids in a random order, in which the order of any two does not depend on the other ids.

    >>> shuffled(["a", "b", "c", "d"], 0), shuffled(["d", "b", "c"], 0)
    (array([3, 2, 0, 1]), array([0, 2, 1]))
    """
    if isinstance(seed, int):
        checked_seed(seed)
    keys = [blake2b(f"{seed}/{one}".encode(), digest_size=8).digest() for one in ids]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


#: The most units of a line: a name is made for each.
WIDEST = 1 << 20
#: The range of the values of a line: from 0 to 1 for a gate, from -1 to 1 for tanh, anything for a line before tanh.
Range = Literal["gate", "tanh", "before tanh", ""]
#: The number of units of each line, and its columns if it is a matrix, by scope and name, in computing order.
Sizes = Mapping[tuple[Scope, str], tuple[int, int | None]]


class Block(NamedTuple):
    """A recorded line: its place in the network, its name, its units, and the beginning of the names of its columns.

    range: of its values. keeps: the line by which the previous state is multiplied in it, empty if there is none.
    across: the columns of a matrix, whose units are its entries, row by row.
    """

    scope: Scope
    line: str
    width: Annotated[int, Field(ge=1, le=WIDEST)]
    stem: str
    range: Range = ""
    keeps: str = ""
    across: Count | None = None

    @property
    def columns(self) -> list[str]:
        """A name for each unit."""
        return [f"{self.stem}_{unit}" for unit in range(self.width)]

    def name(self, unit: int) -> str:
        """The name of a unit, `c_t[35]`, or of an entry of a matrix, `C_t[2,1]`."""
        return self.line + index_text((unit,), self.across)


class StateLayout(NamedTuple):
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
        """Raise OptionError if one of the columns of the inputs has the name of a unit."""
        if taken := {name for block in self.blocks for name in block.columns}.intersection(names):
            raise OptionError(f"the inputs have a column {min(taken)!r}, as a unit of the states is called: rename it")

    def chosen(self, line: str | None = None) -> tuple[Block, ...]:
        """The blocks of a line, which may begin with its place, `1/reverse/c_t`; all blocks if None.

        Raises MissingError if there is none.
        """
        place, _, name = (line or "").rpartition("/")
        if not (found := tuple(b for b in self.blocks if name in ("", b.line) and place in ("", b.scope))):
            known = dict.fromkeys((*(b.line for b in self.blocks), *self.record))
            raise MissingError(f"the states have no {line!r}{nearest(str(line), known, 'they have')}")
        return found

    def one(self, line: str, unit: str = "", address: str = "") -> Block:
        """The only block of a line. unit, address: what messages say about a unit. Raises OptionError, MissingError."""
        if len(found := self.chosen(line)) > 1:
            places = ", ".join(f"{block.scope}/{block.line}{unit}" for block in found)
            raise OptionError(f"{address or line!r} may be any of {places}: write one of them")
        return found[0]

    def unit(self, address: str) -> tuple[Block, int]:
        """The block and the number of a unit: `c_t[35]`, `1/reverse/c_t[35]`, `C_t[2,1]`, or its column, `c_t_35`.

        Raises OptionError, MissingError.
        """
        stem, _, number = address.strip().rpartition("_")
        for block in self.blocks:
            if block.stem == stem and re.fullmatch("[0-9]{1,9}", number) and int(number) < block.width:
                return block, int(number)
        if (match := re.fullmatch(r"\s*(.+?)\s*\[\s*([0-9]{1,9})\s*(?:,\s*([0-9]{1,9})\s*)?\]\s*", address)) is None:
            raise OptionError(f"expected a unit of a line, as in c_t[35] or 1/reverse/c_t[35]; found {address!r}")
        index = tuple(map(int, filter(None, match.groups()[1:])))
        block = self.one(match[1], index_text(index, None), address)
        if len(index) == 1 and index[0] < block.width:  # also of a matrix: as its column, and as `match` has it
            return block, index[0]
        if block.across is None:
            raise MissingError(f"{address!r}: {block.line} has the units 0 to {block.width - 1}")
        if fault := no_entry(block.line, index, (block.width // block.across, block.across)):
            raise MissingError(f"{address!r}: {fault}")
        return block, index[0] * block.across + index[1]

    def address(self, block: Block, unit: int) -> str:
        """A unit as `unit` reads it: with its place if there are several."""
        return f"{block.scope}/" * (len(self.scopes) > 1) + block.name(unit)


def layout(sizes: Sizes, kinds: Mapping[tuple[Scope, str], tuple[Range, str]] | None = None) -> StateLayout:
    """The columns of recorded lines. sizes, kinds (range, keeps): by scope and name, in computing order.

    >>> [block.stem for block in layout({("0/forward", "c_t"): (4, None)}).blocks]
    ['c_t']
    >>> [block.stem for block in layout({("0/forward", "c_t"): (4, None), ("0/reverse", "c_t"): (4, None)}).blocks]
    ['0f_c_t', '0r_c_t']
    """
    names = resolved(name for _, name in sizes)
    several = len({scope for scope, _ in sizes}) > 1
    blocks = []
    for (scope, name), (width, across) in sizes.items():
        layer, direction = layer_and_direction(scope)  # forward, reverse or joined: f, r or j
        stem = f"{layer}{direction[0]}_{names[name]}" if several else names[name]
        blocks.append(Block(scope, name, width, stem, *(kinds or {}).get((scope, name), ("", "")), across))
    return StateLayout(tuple(blocks))


def name_of(number: int, format: str) -> str:
    """The name of the file of a part.

    >>> name_of(12, "parquet")
    'part-00012.parquet'
    """
    return f"part-{number:05}.{format}"


def parts_in(folder: Path, but: Collection[str] = ()) -> list[str]:
    """The names of parts in a folder. but: names that are left out."""
    names = sorted({path.name for path in folder.iterdir()}.difference(but))
    return [name for name in names if re.fullmatch(r"part-\d{5,}\.(parquet|safetensors)", name)]
