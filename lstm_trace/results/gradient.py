"""Back-propagation through time: a worked solution, and the gradient of everything as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Annotated, Any, Unpack

import numpy as np

from ..backpropagation.gradients import backward, by_address
from ..backpropagation.run import line_gradients
from ..backpropagation.target import loss_of, target
from ..base.arrays import Array
from ..base.option import Option
from ..documents.tables import STEP_LABEL, Entries, EntryGrid, LongTable, Run, every, ordered
from ..engine.plan_choice import pieces
from ..engine.run import in_arithmetic
from ..errors import OptionError
from ..languages.strings import Words
from ..plot.figure import Figure
from ..plot.kinds.curves import gradient_figure as picture
from ..report.sections.backward import magnitudes
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .explanation import Solved, Worked

_COLUMNS = ("address", "kind", "gradient")


@checked
def gradient(
    trace: Trace,
    of: Annotated[str | None, Option()] = None,
    seed: Annotated[Any, Option(help="File with weights of the output, instead of --of.", reads="values")] = None,
    equations: Annotated[bool, Option()] = False,
    arithmetic: str | None = None,
    **worked: Unpack[Worked],
) -> GradientExplanation:
    """The gradient of a value, or of a weighted output, with respect to everything.

    Args:
        trace: a trace with every line that the value depends on.
        of: Address of the value as printed, for example h_3[1], or from 0, 3/h_t[1], or a loss.
        seed: weights of the output, in its shape.
        equations: Show only the equations of the backward pass.
        arithmetic: the arithmetic of the forward and the backward pass.
        worked: options of the worked solution.

    Returns:
        The rows are the lines in the order of computation (last step first), then the inputs and weights.

    Raises:
        OptionError: unless exactly one of `of` and `seed` is given.
    """
    if (of is None) == (seed is None):
        raise OptionError("gradient needs either the address of a value (of) or weights of the output (seed)")
    if arithmetic is not None:
        trace = in_arithmetic(trace, arithmetic)
    back = backward(trace, output=seed, of=of)
    return GradientExplanation(trace, of, worked, back, seed, equations)


@dataclass(frozen=True, eq=False, repr=False)
class GradientExplanation(Solved):
    """The gradient of a value, or of the output weighted by `seed`. back: the trace with its backward pass."""

    back: Trace
    seed: Any
    equations: bool

    @property
    def alone(self) -> str:
        """The backward pass, or its equations."""
        return "equations" if self.equations else "back"

    def backward(self) -> Trace:
        """The trace with its backward pass."""
        return self.back

    @cached_property
    def gradients(self) -> dict[str, Array]:
        """The gradients of inputs and weights, by address."""
        return by_address(self.back)

    def title(self, words: Words) -> str:
        """The title, which names the value."""
        if self.of is None:
            return words.word("gradient.title.weighted")
        of = self.of if loss_of(self.trace, self.of) else words.address(target(self.trace, self.of))
        return words.word("gradient.title", of=of)

    def found(self, words: Words) -> Iterator[str]:
        """Where the gradient is largest."""
        for name, sizes, most in magnitudes(self.gradients)[:3]:
            yield words.word("gradient.largest", name=words.address(name), most=f"{most:.6g}", sum=f"{sizes:.6g}")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """By block, and every nonzero gradient of a line, with all of those of inputs and weights."""
        labelled = bool(self.trace.header.step_labels)
        columns = ("address", STEP_LABEL, *_COLUMNS[1:]) if labelled else _COLUMNS
        premises = every(grid_of(name, {"gradient": values}, kind="premise") for name, values in self.gradients.items())
        rows = Entries(columns, lambda: [*_lines(self.trace, line_gradients(self.back)), premises])
        heading, said = words.word("split.blocks"), {"kind": lambda kind, words: words.word(f"kind.{kind}")}
        blocks = magnitudes(self.gradients)
        return (
            LongTable(("block", "sum of sizes", "largest"), blocks, heading, ranked=("sum of sizes",)),
            LongTable(columns, rows, words.word("explanation.entries"), ranked=("gradient",), said=said),
        )

    def draw(self, trace: Trace, language: str) -> Figure:
        """How far the gradient reaches back."""
        return picture(trace, self.of, language=language, output=self.seed)


def _lines(trace: Trace, gradients: Mapping[str, Mapping[str, Array]]) -> Iterator[Run]:
    """The nonzero gradients of the lines, in the order of computation, some steps at a time."""
    for stage in reversed(trace.stages):
        here = gradients.get(stage.scope, {})
        names = [line.name for line in reversed(stage.cell.lines) if line.name in here]
        each = sum(here[name][0].size for name in names)
        for some in pieces(trace.steps, each, not stage.backwards):
            steps = trace.span[some] if stage.backwards else trace.span[some][::-1]
            lines = []
            for name in names:
                sizes = trace.grid(stage.scope, name) or here[name].shape[2:]
                within = zip(("unit", "input"), map(range, sizes), strict=False)
                axes = (("t", steps), ("batch", range(trace.batch)), *within)
                address = f"{stage.scope}/%d/%d/{name.replace('%', '%%')}[{','.join(['%d'] * len(sizes))}]"
                values = here[name][some][:: steps.step]
                cells = {"gradient": values.reshape(*values.shape[:2], *sizes)}
                lines.append(EntryGrid(address, axes, {"kind": "line"}, cells, labels=trace.header.step_labels))
            count = sum(int(np.count_nonzero(grid.values["gradient"])) for grid in lines)
            # step by step, and line by line at each of them
            yield Run(tuple(lines), count, partial(ordered, lines, ("gradient",), _step))


def _step(grid: EntryGrid, places: Array) -> Array:
    """The steps of entries, in the smallest type, which is sorted fastest."""
    return (places // grid.values["gradient"][0].size).astype(np.min_scalar_type(len(grid.axes[0][1])))


def grid_of(address: str, values: Mapping[str, Array], **fixed: str) -> EntryGrid:
    """The entries of arrays of one shape, by the address of what they are the gradient of."""
    shape = next(iter(values.values())).shape
    axes = tuple((str(axis), range(n)) for axis, n in enumerate(shape))
    return EntryGrid(f"{address.replace('%', '%%')}[{','.join(['%d'] * len(shape))}]", axes, fixed, values)
