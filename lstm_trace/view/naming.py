"""What steps, units, layers and rows of the batch are called, and how they are counted."""

from __future__ import annotations

from ..cell.network import ADJOINT, Stage, forward_stages, layer_and_direction
from ..documents.blocks import Text
from ..formulas.tree import Node, Sym, at_step
from ..languages.strings import Words
from ..trace.labels import Axis, axis, labels, step_label
from ..trace.trace import Trace


class Naming:
    """The names of the places of a trace in a language: what a `View` says of them."""

    trace: Trace
    words: Words

    def unit(self, j: int, width: int, of: Axis = "h") -> str:
        """A unit in words, with its label where the problem gives labels for this many (see `trace.labels`)."""
        key = {"x": "entry", "y": "output"}.get(of, "unit")
        if named := labels(self.trace, of, width):
            return self.words.word(f"{key}.named", j=self.words.nth(j), name=named[j])
        return self.words.word(key, j=self.words.nth(j))

    def label(self, stage: Stage, name: str, j: int, width: int) -> str:
        """A unit of a line in words: an entry of the input, a hidden unit or an output, with its label.

        Of vectors one after the other it is the unit of its own vector, where no two units are then called the same.
        """
        parts = self._joined(stage, name, width)
        at = j
        for of, size in parts if len({of for of, _ in parts}) == len(parts) else ():
            if at < size:
                return self.unit(at, size, of)
            at -= size
        return self.unit(j, width, axis(self.trace, stage, name))  # also where an operand was not recorded

    def _joined(self, stage: Stage, name: str, width: int) -> list[tuple[Axis, int]]:
        """What the vectors are of which a value is made one after the other, with their widths; a number is a unit."""
        line = stage.cell.by_name.get(name)
        if line is None or line.op != "concat":
            return [(axis(self.trace, stage, name), width)]
        found: list[tuple[Axis, int]] = []
        for operand in line.operands:
            values = self.trace.operand(stage.scope, operand, slice(0, 1))
            size = 1 if values is None else values.shape[-1]
            found += self._joined(stage, operand, size) if isinstance(operand, str) else [("h", 1)]
        return found

    def step(self, t: int, short: bool = False, b: int | None = None) -> str:
        """A step in words, with its label where there is one. b: the row whose label it is; None for all rows."""
        text = self.words.word("step.short" if short else "step", t=self.words.nth(t))
        label = step_label(self.trace, t, b)
        return self.words.word("step.named", step=text, name=label) if label else text

    def place_columns(self) -> list[Text]:
        """The heads of a table's columns that say which step and row it is, as far as there are several."""
        head: list[Text] = [(Sym("t"),)] if self.trace.steps > 1 else []
        head += [self.said("column.label")] if self.trace.header.step_labels else []
        return head + ([self.said("column.row")] if self.trace.batch > 1 else [])

    def place_cells(self, t: int, b: int) -> list[Text]:
        """Step and row in the columns of `place_columns`."""
        cells: list[Text] = [(str(self.words.nth(t)),)] if self.trace.steps > 1 else []
        cells += [(step_label(self.trace, t, b),)] if self.trace.header.step_labels else []
        return cells + ([(str(self.words.nth(b)),)] if self.trace.batch > 1 else [])

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
        if t is not None and (self.trace.span != range(1) or step_label(self.trace, t, b)):
            found.append(self.step(t, b=b))
        if b is not None and self.trace.batch > 1:
            found.append(self.row(b))
        return self.words.word("list").join(part for part in found if part)

    def said(self, key: str, **fields: object) -> Text:
        """The string of `key`, all of whose fields are text."""
        return (self.words.word(key, **fields),)
