"""What steps, units, layers and rows of the batch are called, and how they are counted."""

from __future__ import annotations

from ...cell.lines import Line
from ...cell.network import ADJOINT, Stage, X, forward_stages, layer_and_direction
from ...formulas.blocks import Text
from ...formulas.tree import Node, at_step
from ...trace.trace import Trace
from ..languages.strings import Words


class Naming:
    """The names of the places of a trace in a language: what a `View` says of them."""

    trace: Trace
    words: Words

    def unit(self, j: int, width: int) -> str:
        """A unit in words, with its label where the problem gives labels for this many."""
        labels = self.trace.header.names.get("h", ())
        if len(labels) == width:
            return self.words.word("unit.named", j=self.words.nth(j), name=labels[j])
        return self.words.word("unit", j=self.words.nth(j))

    def label(self, stage: Stage, line: Line, j: int, width: int) -> str:
        """A unit of a line in words; of a line that has the entries of the input, that entry with its label."""
        entries = {name for name, source in self.trace.stage(stage.owner).sources.items() if source == X}
        if line.name not in entries and not any(new == line.name and of in entries for new, of in stage.cell.gradient):
            return self.unit(j, width)
        labels = self.trace.header.names.get("x", ())
        if len(labels) == width:
            return self.words.word("entry.named", j=self.words.nth(j), name=labels[j])
        return self.words.word("entry", j=self.words.nth(j))

    def step(self, t: int, short: bool = False) -> str:
        """A step in words."""
        return self.words.word("step.short" if short else "step", t=self.words.nth(t))

    def row(self, b: int) -> str:
        """A sequence of the batch in words."""
        return self.words.word("row", b=self.words.nth(b))

    def at(self, stage: Stage, t: int, node: Node) -> Node:
        """A formula at a step: with the numbers of steps for the indices t and t - 1, where the first step is number 1.

        Counted from 0 the indices stay: the state before the first step would be h_-1.
        """
        if self.words.count_from == 0:
            return node
        owner, now = self.trace.stage(stage.owner), self.words.nth(t)
        return at_step(node, owner.cell.parameters, (now, now + (1 if owner.backwards else -1)))

    def place(self, *stages: Stage) -> str:
        """Layers and directions in words; empty where there is only one."""
        forward = forward_stages(self.trace.stages)
        if len(forward) == 1:
            return ""
        layers: dict[str, list[int]] = {}
        for stage in stages:
            layers.setdefault(layer_and_direction(stage.owner)[1], []).append(stage.layer)
        plain = all(s.direction == "forward" for s in forward)
        return self.words.word("semicolon").join(self._place(way, sorted(n), plain) for way, n in layers.items())

    def _place(self, direction: str, layers: list[int], plain: bool) -> str:
        if len(layers) == 1:
            layer = self.words.word("layer", n=self.words.nth(layers[0]))
        else:
            listed = self.words.listed([(str(self.words.nth(n)),) for n in layers])
            layer = self.words.word("layer.many", n="".join(map(str, listed)))
        if plain:
            return layer
        return self.words.word(
            "place", layer=layer, direction=self.words.word(f"direction.{direction.removeprefix(ADJOINT)}")
        )

    def where(self, stage: Stage | None, t: int | None, b: int | None) -> str:
        """Layer, direction, step and row in words, as far as there are several."""
        found = [self.place(stage)] if stage is not None else []
        if t is not None and self.trace.span != range(1):
            found.append(self.step(t))
        if b is not None and self.trace.batch > 1:
            found.append(self.row(b))
        return self.words.word("list").join(part for part in found if part)

    def said(self, key: str, **fields: object) -> Text:
        """The string of `key`, all of whose fields are text."""
        return (self.words.word(key, **fields),)
