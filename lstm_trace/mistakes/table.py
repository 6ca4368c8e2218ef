"""The table of mistakes, read from `table.toml`: each row is a rewriting of equations, or a word from a closed list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..base.packaged import packaged
from ..cell.network import VALID
from .trees import ExpressionTree, tree

_CHANGE = re.compile("(?:(?P<of>.+?)(?P<mark> = |: ))?(?P<left>.+) => (?P<right>.+)")


class Rewriting(NamedTuple):
    """What is replaced: in which equations, as patterns of their names, whether their whole right side, and by what."""

    of: str
    whole: bool
    left: ExpressionTree
    right: ExpressionTree

    def part(self, right: ExpressionTree) -> ExpressionTree:
        """The part of an equation that is rewritten: what is done at padding stays, unless the pattern speaks of it."""
        return right if VALID in self.left.names() else at_valid(right)


def at_valid(right: ExpressionTree) -> ExpressionTree:
    """What an equation gives at a step that is not padding."""
    chosen = right.kind == "call" and right.value == "where" and right.parts[0] == ExpressionTree("name", VALID)
    return right.parts[1] if chosen else right


@dataclass(frozen=True)
class MistakeRow:
    """A kind of mistake; `table.toml` says what the fields mean. key: its name, which does not change."""

    key: str
    change: str = ""
    word: str = ""
    also: str = ""
    values: tuple[str, ...] = ("",)
    together: bool = False
    subsets: bool = False
    inline: bool = False
    everywhere: bool = False
    rare: bool = False

    def rewritings(self, value: str) -> list[Rewriting]:
        """What it replaces if `{k}` is this value, and what it replaces with that."""
        found = (_CHANGE.fullmatch(one.replace("{k}", value)) for one in (self.change, self.also))
        return [Rewriting(m["of"] or "*", m["mark"] == " = ", tree(m["left"]), tree(m["right"])) for m in found if m]

    def key_of(self, *given: str) -> str:
        """The key of the row with what it is given."""
        said = ",".join(part.replace(" @ ", "@").replace(" ", "") for part in given if part)
        return f"{self.key}:{said}" if said else self.key


_TABLE: dict[str, Any] = {**packaged("mistakes/table.toml")}
#: The functions that replacements call: definitions by name, each after those that it calls.
FUNCTIONS: Mapping[str, str] = _TABLE.pop("functions")
#: The mistakes by key, the plainest first.
ROWS = {k: MistakeRow(k, **{**row, "values": tuple(map(str, row.get("values", ("",))))}) for k, row in _TABLE.items()}


def functions_of(called: Iterable[str]) -> str:
    """The definitions of the table's functions that are called, each after those that it calls."""
    needed, found = {*called}, list[str]()
    for name, text in reversed([*FUNCTIONS.items()]):
        if name in needed:
            needed.update(re.findall(r"(\w+)\(", text))
            found.append(f"{text}\n")
    return "".join(found[::-1])
