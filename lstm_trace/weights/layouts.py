"""How frameworks store the weights of an LSTM, a GRU or a plain RNN: one record for each, one field per property.

Our own form is one matrix per gate, (H, I) and (H, H), in reading order. `unpack` converts any of these layouts to it.
The layouts are the rows of layouts.toml.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, get_type_hints

from ..base.arrays import describe
from ..base.packaged import packaged
from ..cell.named_cells import KINDS
from ..errors import OptionError, nearest, raise_all
from .option_text import read_parts

#: Other letters for a cell's gates, to ours: an LSTM's candidate is g in PyTorch, j in TensorFlow, z in Greff et al.; a
#: GRU's update gate is z, its candidate n in PyTorch, c in Paddle, o in CoreML.
LETTERS: dict[str, dict[int, int]] = {
    "lstm": str.maketrans("gjz", "ccc"), "gru": str.maketrans("zncgo", "uhhhh"), "rnn": {},
}  # fmt: skip
#: What a cell is called in messages, and all of them.
NOUNS = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
ANY = "LSTM, GRU or RNN"
#: What a cell with equations of its own is called.
OWN = "custom cell"
#: The cells whose weights files and modules have.
STORED = tuple(NOUNS)

Names = tuple[tuple[str, str], ...]

#: The groups of a pattern that are no gates.
PLACED = frozenset({"gate", "layer", "back"})
_BIASES: dict[str, str] = packaged("weights/words.toml")["biases"]


@dataclass(frozen=True)
class Layout:
    """The properties of one way to store the weights of one cell.

    order: the order in which the gates are stacked, in the letters i, f, c (or g, j, z), o; of a GRU r, u (or z), h (or
    n); of a plain RNN h alone.
    separate: one array per gate instead of a stack of all.
    input_transposed, recurrent_transposed: (I, 4H) and (H, 4H) instead of (4H, I) and (4H, H).
    joined: one kernel that multiplies [x; h] (`xh`) or [h; x] (`hx`) instead of two.
    bias: one vector per gate, two (`two`), two in sequence in one array (`8H`), one or two as the `rows` of an array,
    or the kernel's last `column`; missing arrays mean none. With `4H` a GRU's array may end with the candidate's
    recurrent bias; that, and two rows, mean a reset gate after the product.
    forget_bias: a number that the framework adds to the forget gate at run time; it is not in the stored bias.
    peephole: the order in which peephole vectors are stacked in one array (3H,).
    projection_transposed: (H, P) instead of (P, H).
    flat_blocks: each gate's block contains its (H, ·) numbers row by row, whatever its shape (CuDNNLSTM).
    direction_axis: arrays have a first axis for the directions, of length 1 or 2.
    state: the order in which the framework returns its two states. options: of the cell, if they differ from our
    defaults; of a GRU `reset_after`, unless its arrays leave that open.
    coupled_input: if the input gate has no arrays, it is 1 - f (TensorFlow Lite).
    names: (role, pattern of the array's name); the groups `gate`, `layer` and `back` are its letter, its layer and the
    part that marks the reverse direction, and other groups are called by the gates of the array (`ru`); the role
    `candidate_bias` is a GRU's recurrent bias of its candidate alone.
    detect: how the layout is recognised by default: by its `names`, or also by
    `shapes` if the names are too general; empty if another layout has the same arrays.
    """

    name: str
    order: str = "ifco"
    separate: bool = False
    input_transposed: bool = False
    recurrent_transposed: bool = False
    joined: Literal["xh", "hx"] | None = None
    bias: Literal["one", "two", "4H", "8H", "rows", "column"] = "one"
    forget_bias: float = 0.0
    peephole: str = "ifo"
    projection_transposed: bool = False
    flat_blocks: bool = False
    direction_axis: bool = False
    coupled_input: bool = False
    state: Literal["hc", "ch"] = "hc"
    options: tuple[tuple[str, Any], ...] = ()
    names: Names = ()
    detect: Literal["", "names", "shapes"] = ""
    title: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        order = self.order.translate(LETTERS[self.cell])
        if sorted(order) != sorted(self.gates):
            expected = "each of i, f, c (or g, j, z) and o once, for example ifco"
            if self.cell != "lstm":
                expected = f"{expected}; of a GRU each of r, u (or z) and h (or n), of an RNN h alone"
            raise OptionError(f"gate order {self.order!r}: expected {expected}")
        if sorted(self.peephole) != sorted("ifo"):
            raise OptionError(f"peephole order {self.peephole!r}: expected each of i, f and o once, for example ifo")
        if self.bias == "column" and not self.joined:
            raise OptionError("bias column: it is the last column of a joined kernel; say joined (xh or hx) as well")
        object.__setattr__(self, "order", order)

    @property
    def cell(self) -> str:
        """The name of the cell whose weights these are: by the number of its gates."""
        return {3: "gru", 1: "rnn"}.get(len(self.order), "lstm")

    @property
    def gates(self) -> str:
        """The letters of the cell's gates: a stack has a block for each, in another order."""
        return KINDS[self.cell].gates

    @property
    def noun(self) -> str:
        """What the cell is called in messages."""
        return NOUNS[self.cell]

    def rows(self, size: int | None = None) -> str:
        """The length of a stack of all gates, in H or as a number: `4H`."""
        count = len(self.order)
        return f"{'' if count == 1 else count}H" if size is None else str(count * size)

    @cached_property
    def others(self) -> tuple[Layout, ...]:
        """The same layout for other cells, if the framework has them and the order of the gates is not given."""
        name = self.name.removesuffix(CHANGED)
        base = LAYOUTS.get(name)
        if base is None or base.order != self.order:
            return ()
        changed = {fact: getattr(self, fact) for fact in FACTS if getattr(self, fact) != getattr(base, fact)}
        return tuple(replace(rows[name], **changed, name=self.name) for rows in OTHERS.values() if name in rows)

    @cached_property
    def arrays(self) -> tuple[str, ...]:
        """The gates of each array, if they are separate: each gate alone, or those that the names say."""
        named = {group for _, pattern in self.own for group in re.findall(r"\?P<(\w+)>", pattern)}
        return tuple(sorted(named - PLACED)) or tuple(self.gates)

    @cached_property
    def own(self) -> Names:
        """(role, pattern) of the framework's own array names."""
        return tuple((role, pattern) for role, pattern in self.names if role not in self._unused)

    @cached_property
    def patterns(self) -> Names:
        """(role, pattern) of every name that an array may have, the framework's own first."""
        general = _GENERAL["separate" if self.separate else "stacked"]
        return (*self.own, *((role, pattern) for role, pattern in general if role not in self._unused))

    @property
    def _unused(self) -> set[str]:
        return {"input", "recurrent"} if self.joined else {"joined"}

    def describe(self, biases: str = "") -> str:
        """The properties in one sentence. biases: those of the arrays, if known: none, or a value of `bias`."""
        said = ["an array for each gate" if self.separate else f"gates stacked in the order {', '.join(self.order)}"]
        said = ["one set of weights"] if self.cell == "rnn" else said
        if self.joined:
            said.append(f"one kernel for [{'; '.join(self.joined)}]")
        if self.input_transposed and self.recurrent_transposed:
            said.append("matrices transposed")
        elif self.input_transposed or self.recurrent_transposed:
            said.append(f"{'input' if self.input_transposed else 'recurrent'} matrix transposed")
        if self.flat_blocks:
            said.append("each gate's block flattened row by row")
        held = _BIASES[biases or self.bias]
        said.append(held.removesuffix(" for each gate") if self.cell == "rnn" else held)
        if self.forget_bias:
            said.append(f"{self.forget_bias:g} added to the forget gate at run time")
        return "; ".join(said)


CHANGED = ", changed"
_FIXED = {"name", "names", "detect", "title", "source", "options", "coupled_input"}
#: The properties of a layout that a user may change, in alphabetical order.
FACTS = tuple(sorted(f.name for f in fields(Layout) if f.name not in _FIXED))


def layout(given: str | Mapping[str, Any] | Layout) -> Layout:
    """A layout by name, by properties, or by a name with other properties: `{name: keras, order: icfo}`, or as text,
    as the command line has it, `keras,order=icfo`.

    Properties without a name describe arrays with general names: `W_x`, `W_h` and `b` if an order is given, otherwise
    one array per gate (`W_xi`, or `W_i` if joined). `transposed` applies to both matrices.
    Raises OptionError for an unknown name or property; for a text with every fault.

    >>> layout("tf1").order, layout({"joined": "hx"}).separate, layout("keras,transposed=false").input_transposed
    ('icfo', True, False)
    """
    if isinstance(given, Layout):
        return given
    if isinstance(given, str):
        hints = get_type_hints(Layout)
        known = {"name": str, "transposed": bool, **{name: hints[name] for name in FACTS}}
        given = read_parts(given, known, "layout", "name")
    if not isinstance(given, Mapping):
        raise OptionError(f"layout: expected a name, or facts as in {{'order': 'ifco'}}, found {describe(given)}")
    facts = {key: value for key, value in given.items() if value is not None}
    name = facts.pop("name", None)
    base = Layout("parts", separate="order" not in facts) if name is None else LAYOUTS.get(str(name).lower())
    for rows in OTHERS.values():  # an order of fewer gates is that of another cell
        other = rows.get(str(name).lower())
        base = other if other is not None and len(other.order) == len(str(facts.get("order", ""))) else base
    if base is None:
        raise OptionError(f"layout {name!r} is not known{nearest(name, LAYOUTS, 'there are')}")
    if "transposed" in facts:
        both = facts.pop("transposed")
        facts = {"input_transposed": both, "recurrent_transposed": both, "projection_transposed": both, **facts}
    unknown, listed = (key for key in facts if key not in FACTS), ", ".join(FACTS)
    raise_all(OptionError, (f"layout: no fact {key!r}{nearest(key, FACTS)}; its facts: {listed}" for key in unknown))
    changed = {key: value for key, value in facts.items() if value != getattr(base, key)}
    return replace(base, **facts, name=base.name + ("" if not changed or base.name == "parts" else CHANGED))


def _patterns(names: Mapping[str, str | list[str]]) -> Names:
    """(role, pattern) of names, where a role may have several."""
    each = ((role, [said] if isinstance(said, str) else said) for role, said in names.items())
    return tuple((role, pattern) for role, patterns in each for pattern in patterns)


def _rows(rows: Mapping[str, Mapping[str, Any]], lstm: Mapping[str, Layout]) -> dict[str, Layout]:
    """The rows of a cell by name. lstm: those of the LSTM, for another cell."""
    found: dict[str, Layout] = {}
    for name, row in rows.items():
        facts: dict[str, Any] = {key: None if value == "none" else value for key, value in row.items()}
        base = found[str(facts.pop("like"))] if "like" in row else lstm.get(name) or Layout(name)
        if facts.pop("transposed", False):
            facts |= {"input_transposed": True, "recurrent_transposed": True}
        facts["names"] = _patterns(row["names"]) if "names" in row else base.names
        facts["options"] = tuple(row.get("options", {}).items())
        found[name] = replace(base, **facts, name=name)
    return found


_TABLES = packaged("weights/layouts.toml")
#: Names that arrays may have in every layout, for stacks of gates and for an array for each gate.
_GENERAL = {name: _patterns(table) for name, table in _TABLES["names"].items()}
#: Every layout of an LSTM by name.
LAYOUTS: dict[str, Layout] = _rows(_TABLES["lstm"], {})
#: The layouts of other cells, by cell and name.
OTHERS: dict[str, dict[str, Layout]] = {cell: _rows(_TABLES[cell], LAYOUTS) for cell in ("gru", "rnn")}
