"""Training by hand as an explanation: a worked solution, every weight before and after, a problem with the new ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backpropagation.training import Training, train
from ..documents.rows import Entries, Grid, every
from ..engine.rerun import in_arithmetic
from ..errors import OptionError, counted
from ..model.problem import with_weights
from ..report.report import PRINTERS, course
from ..trace.trace import Trace
from .explanation import Explanation

_COLUMNS = ("address", "before", "after")


@dataclass(frozen=True)
class Course(Explanation):
    """The weights before and after as a table; in the formats of a report the worked solution.

    done: the updates. options: those of a report.
    """

    done: Training | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def pieces(self, form: str, file: str = "") -> Iterator[str]:
        """`csv`, `json`, or a format of a report. Raises OptionError, MissingError for a wrong selection."""
        if form not in PRINTERS:
            return super().pieces(form)
        return iter([course(self._done, form, **self.options)])

    def markdown(self, digits: int = 8, file: str = "") -> str:
        """The worked solution."""
        return self.render("md")

    def problem(self, source: str) -> str:
        """The problem in the file `source` with the weights after the last update, as YAML. Raises FileError."""
        done = self._done
        bad = [address for address, value in done.weights.items() if not np.isfinite(value).all()]
        if bad:
            raise OptionError(
                f"the training does not end in finite weights ({', '.join(bad[:3])}{', …' if len(bad) > 3 else ''}): "
                "no problem is written; take a smaller --rate or fewer --updates"
            )
        return with_weights(source, done.weights, f"after {counted(len(done.traces) - 1, 'update')}")

    @property
    def _done(self) -> Training:
        assert self.done is not None
        return self.done


def training(
    trace: Trace,
    of: str | None = None,
    rate: float | None = None,
    updates: int = 1,
    optimizer: str = "sgd",
    parameters: tuple[str, ...] | None = None,
    constants: dict[str, float] | None = None,
    arithmetic: str | None = None,
    **options: Any,
) -> Course:
    """Some updates of the weights, so that the loss `of` falls.

    rate, updates, optimizer, constants: see `backpropagation.training.train`; parameters: its `only`.
    arithmetic: compute all of it in that. options: those of a report.
    Raises OptionError without a loss, and what `train` raises.
    """
    if of is None:
        raise OptionError("training needs a loss: its line, as in of='L', or the address of one value")
    if arithmetic is not None:
        trace = in_arithmetic(trace, arithmetic)
    done = train(trace, of, rate, updates, optimizer, parameters, **(constants or {}))
    first = done.traces[0].parameters
    grids = [
        Grid(
            f"{address.replace('%', '%%')}[{','.join(['%d'] * value.ndim)}]",
            tuple((str(axis), range(n)) for axis, n in enumerate(value.shape)),
            {},
            {"before": first[address.rpartition("/")[0]][address.rpartition("/")[2]], "after": value},
        )
        for address, value in done.weights.items()
    ]
    losses = done.losses
    return Course(
        title=f"Training on {of}",
        sentences=tuple(f"{of} is {value:.8g} after {counted(k, 'update')}" for k, value in enumerate(losses)),
        columns=_COLUMNS,
        rows=Entries(_COLUMNS, lambda: [every(grids)]),
        ranked=("before", "after"),
        done=done,
        options=options,
    )
