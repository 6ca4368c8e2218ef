"""The table of mistakes, read from `table.toml`: each row is a rewriting of equations, or a word from a closed list."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from .trees import ExpressionTree, tree


@dataclass(frozen=True)
class MistakeRow:
    """A kind of mistake.

    key: its name, which does not change. of: the equations that it is about, as a pattern of their names (`z_*`,
    `carry h_prev`, `output`). whole: whether the whole right side is replaced, or any part. left, right: what is
    replaced, and by what; or word: one of a closed list. also: another replacement that is made with it. values: what
    stands for `{k}`, or what the word is given. together: whether it is made everywhere in a cell at once. subsets:
    whether also at all gates but one. inline: whether values that one equation reads are written out in it first.
    everywhere: whether it is made in the whole network. rare: whether it is not tried as the second of two.
    """

    key: str
    of: str = "*"
    whole: bool = False
    left: str = ""
    right: str = ""
    word: str = ""
    also: str = ""
    values: tuple[str, ...] = ()
    together: bool = False
    subsets: bool = False
    inline: bool = False
    everywhere: bool = False
    rare: bool = False

    def pattern(self, value: str) -> ExpressionTree:
        """The expression that is replaced."""
        return tree(self.left.replace("{k}", value))

    def replacement(self, value: str, equation: str) -> ExpressionTree:
        """The expression that replaces it in an equation, whose own value, or state, is `y`."""
        return tree(self.right.replace("{k}", value)).replaced({"y": ExpressionTree("name", equation)})

    def second(self, value: str) -> tuple[ExpressionTree, ExpressionTree]:
        """What `also` replaces, and by what."""
        left, _, right = self.also.replace("{k}", value).partition(" => ")
        return tree(left), tree(right)

    def key_of(self, *given: str) -> str:
        """The key of the row with what it is given."""
        said = ",".join(part.replace(" @ ", "@").replace(" ", "") for part in given if part)
        return f"{self.key}:{said}" if said else self.key


def _row(key: str, row: Mapping[str, Any]) -> MistakeRow:
    more = {
        "also": row.get("also", ""),
        "values": tuple(map(str, row.get("values", ()))),
        **{n: row.get(n, False) for n in ("together", "subsets", "inline", "everywhere", "rare")},
    }
    if "word" in row:
        return MistakeRow(key, word=row["word"], **more)
    left, _, right = row["change"].partition(" => ")
    for mark in (" = ", ": "):
        of, there, pattern = left.partition(mark)
        if there:
            return MistakeRow(key, of, mark == " = ", pattern, right, **more)
    return MistakeRow(key, left=left, right=right, **more)


_TABLE: dict[str, Any] = tomllib.loads((files(__package__) / "table.toml").read_text(encoding="utf-8"))
#: The functions that replacements call: definitions by name.
FUNCTIONS: Mapping[str, str] = _TABLE.pop("functions")
#: The mistakes by key, the plainest first.
ROWS = {key: _row(key, row) for key, row in _TABLE.items()}


def functions_of(called: Iterable[str]) -> str:
    """The definitions of the table's functions that are called, each after those that it calls."""
    needed: dict[str, str] = {}

    def add(name: str) -> None:
        if name in FUNCTIONS and name not in needed:
            for other in re.findall(r"(\w+)\(", FUNCTIONS[name].partition("=")[2]):
                add(other)
            needed[name] = FUNCTIONS[name]

    for name in called:
        add(name)
    return "".join(f"{text}\n" for text in needed.values())
