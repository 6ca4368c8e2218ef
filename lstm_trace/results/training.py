"""Training by hand: a worked solution, every weight before and after, and the problem with the new weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Annotated, Unpack

import numpy as np

from ..backpropagation.training import Training, train
from ..base.option import Option
from ..cell.network import scope_and_name
from ..documents.tables import Entries, LongTable, every
from ..engine.run import in_arithmetic
from ..errors import OptionError, counted, some
from ..languages.strings import Words
from ..model.problem import with_weights
from ..report.options import Options
from ..report.report import shown
from ..report.sections.training import symbols
from ..trace.argument_types import checked
from ..trace.trace import Trace
from ..view.view import View
from .explanation import Solved, Worked
from .gradient import grid_of

_COLUMNS = ("address", "before", "after")


@checked
def training(
    trace: Trace,
    of: Annotated[str, Option()],
    rate: Annotated[float | None, Option(least=0, above=True)] = None,
    updates: Annotated[int, Option(least=1, most=1000)] = 1,
    optimizer: Annotated[str, Option()] = "sgd",
    parameters: Annotated[tuple[str, ...] | None, Option(reads="list")] = None,
    constants: Annotated[
        Mapping[str, float] | None, Option(flag="--constant", reads="constants", metavar="NAME=NUMBER")
    ] = None,
    arithmetic: str | None = None,
    **worked: Unpack[Worked],
) -> TrainingExplanation:
    """Updates of the weights that reduce the loss. `-o new.yaml` writes the problem with the new weights.

    Args:
        trace: a trace with every line that the loss depends on.
        of: The loss: its line, for example L, or the address of one value.
        rate: The learning rate (0.1; adam 0.001).
        updates: Number of updates (1).
        optimizer: sgd (default), momentum, adam, or equations of a custom rule.
        parameters: Names of the weights to update; all if not given.
        constants: A constant of the rule (repeatable).
        arithmetic: the arithmetic of all computations.
        worked: options of the worked solution.

    Raises:
        OptionError: if an option does not fit; also the errors of `train`.
    """
    constants = constants or {}
    if foreign := [name for name in constants if name in signature(train).parameters]:
        raise OptionError(f"constant {foreign[0]!r}: {foreign[0]} has its own option, or is not one of the rule's")
    if arithmetic is not None:
        trace = in_arithmetic(trace, arithmetic)
    done = train(trace, of, rate, updates, optimizer, parameters, **constants)
    return TrainingExplanation(trace, of, worked, done)


@dataclass(frozen=True, eq=False, repr=False)
class TrainingExplanation(Solved):
    """The weights before and after the updates."""

    training: Training

    @property
    def alone(self) -> str:
        """The part that is shown: the forward pass as well."""
        return ""

    def views(self, format: str, chosen: Options) -> Sequence[View]:
        """Forward pass, backward pass and updates, one after the other."""
        done = self.training
        chosen = replace(chosen, digits=chosen.numbers(done.traces[0]))
        views = []
        for view in (shown(trace, chosen) for trace in done.traces):
            header = replace(view.trace.header, symbols=symbols(done, view.trace.header.symbols))
            views.append(replace(view, trace=replace(view.trace, header=header)))
        return [replace(views[0], course=(done, tuple(views)))]

    def title(self, words: Words) -> str:
        """The title, which names the loss."""
        return words.word("training.title", of=self.of)

    def found(self, words: Words) -> Iterator[str]:
        """The loss before each update, and after the last."""
        for k, value in enumerate(self.training.losses):
            yield words.count("training.loss", k, of=self.of, value=f"{value:.8g}")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """Every weight before and after."""
        first = self.training.traces[0].parameters
        weights = [(address, *scope_and_name(address), after) for address, after in self.training.weights.items()]
        grids = [grid_of(at, {"before": first[scope][name], "after": after}) for at, scope, name, after in weights]
        return (LongTable(_COLUMNS, Entries(_COLUMNS, lambda: [every(grids)]), ranked=("before", "after")),)

    def problem(self, source: str) -> str:
        """The problem in the file `source` with the weights after the last update, as YAML. Raises FileError."""
        done = self.training
        bad = [address for address, value in done.weights.items() if not np.isfinite(value).all()]
        if bad:
            raise OptionError(
                f"the training does not end in finite weights ({some(bad, 3)}): "
                "no problem is written; use a smaller --rate or fewer --updates"
            )
        return with_weights(source, done.weights, f"after {counted(len(done.traces) - 1, 'update')}")
