"""The names of steps, units, layers and sequences of a trace in a language."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from ..base.arrays import by_key
from ..cell.network import ADJOINT, Stage, forward_stages
from ..documents.blocks import Text
from ..formulas.tree import Node, Sym, at_step
from ..languages.strings import Words
from ..trace.address import entry_of
from ..trace.labels import Axis, axis, labels, step_label, vectors
from ..trace.trace import Trace


class Naming:
    """The names of the places of a trace in a language, as used by a `View`."""

    trace: Trace
    words: Words

    def unit(self, j: int, width: int, of: Axis = "h") -> str:
        """A unit in words, with its label if the problem has this many labels (see `trace.labels`)."""
        key = {"x": "entry", "y": "output"}.get(of, "unit")
        if named := labels(self.trace, of, width):
            return self.words.word(f"{key}.named", j=self.words.nth(j), name=named[j])
        return self.words.word(key, j=self.words.nth(j))

    def label(self, stage: Stage, name: str, j: int, width: int) -> str:
        """A unit of a line in words: an entry of the input, a hidden unit or an output, with its label.

        In concatenated vectors it is the unit of its own vector, unless two units would then have the same name.
        """
        if self.trace.grid(stage.scope, name):
            return self.words.word("unit.matrix", at=self.entry(stage, name, j))
        parts, at = vectors(self.trace, stage, name, width), j
        for of, size in parts if len({of for of, _ in parts}) == len(parts) else ():
            if at < size:
                return self.unit(at, size, of)
            at -= size
        return self.unit(j, width, axis(self.trace, stage, name))  # also if an operand was not recorded

    def entry(self, stage: Stage, name: str, j: int) -> str:
        """The index of a unit of a value, as numbers are counted here: in a matrix `2,1` for row 2 and column 1."""
        return ",".join(str(self.words.nth(k)) for k in entry_of(self.trace, stage.scope, name, j))

    def step(self, t: int, short: bool = False, b: int | None = None) -> str:
        """A step in words, with its label if there is one. b: the sequence of the label; None for all sequences."""
        text = self.words.word("step.short" if short else "step", t=self.words.nth(t))
        label = step_label(self.trace, t, b)
        return self.words.word("step.named", step=text, name=label) if label else text

    def place_columns(self) -> list[Text]:
        """The heads of a table's columns for step and sequence, if there are several."""
        return self._there((Sym("t"),), self.said("column.label"), self.said("column.row"))

    def place_cells(self, t: int, b: int) -> list[Text]:
        """Step and sequence in the columns of `place_columns`."""
        return self._there((str(self.words.nth(t)),), (step_label(self.trace, t, b),), (str(self.words.nth(b)),))

    def _there(self, step: Text, label: Text, row: Text) -> list[Text]:
        """Those of a step, its label and a sequence that distinguish places."""
        there = self.trace.steps > 1, bool(self.trace.header.step_labels), self.trace.batch > 1
        return list(compress((step, label, row), there))

    def row(self, b: int) -> str:
        """A sequence of the batch in words."""
        return self.words.word("row", b=self.words.nth(b))

    def at(self, stage: Stage, t: int, node: Node) -> Node:
        """A formula at a step: with step numbers for the indices t and t - 1, if the first step has number 1.

        If steps are counted from 0, the indices stay: the state before the first step would be h_-1.
        """
        if self.words.count_from == 0:
            return node
        owner, now = self.trace.stage(stage.owner), self.words.nth(t)
        return at_step(node, owner.cell.parameters, (now, now + (1 if owner.backwards else -1)))

    def place(self, *stages: Stage) -> str:
        """Layers and directions in words; empty if there is only one."""
        return place_in_words(self.words, stages, forward_stages(self.trace.stages))

    def where(self, stage: Stage | None, t: int | None, b: int | None) -> str:
        """Layer, direction, step and sequence in words, those of which there are several."""
        found = [self.place(stage)] if stage is not None else []
        if t is not None and (self.trace.span != range(1) or step_label(self.trace, t, b)):
            found.append(self.step(t, b=b))
        if b is not None and self.trace.batch > 1:
            found.append(self.row(b))
        return self.words.comma_list(*found)

    def said(self, key: str, **fields: object) -> Text:
        """The string of `key` if all of its fields are text."""
        return (self.words.word(key, **fields),)


def place_in_words(words: Words, stages: Sequence[Stage], every: Sequence[Stage]) -> str:
    """Layers and directions of stages in words; empty if there is only one. every: the existing forward stages."""
    if len(every) == 1:
        return ""
    found = []
    for direction, numbers in by_key((stage.direction.removeprefix(ADJOINT), stage.layer) for stage in stages).items():
        if len(numbers) == 1:
            place = words.word("layer", n=words.nth(numbers[0]))
        else:
            listed = words.listed([(str(words.nth(n)),) for n in sorted(numbers)])
            place = words.word("layer.many", n="".join(map(str, listed)))
        if any(stage.direction != "forward" for stage in every):
            place = words.word("place", layer=place, direction=words.word(f"direction.{direction}"))
        found.append(place)
    return words.word("semicolon").join(found)
