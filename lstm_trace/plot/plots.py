"""What `trace.plot` is: call it for gates and states over time; the other pictures are its methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..trace.trace import Trace
from .figure import Figure
from .table import maker


@dataclass(frozen=True)
class Plots:
    """The pictures of a trace: each method makes one, whose `data` has the values behind it.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="i_t", given={"h_t": [0.0]})
    >>> trace.plot().data.round(2)
       i_t[0]
    t
    0    0.62
    1    0.73
    """

    trace: Trace = field(repr=False)

    def __call__(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: str = "en",
    ) -> Figure:
        """Gates and states over time: for each unit a panel from 0 to 1, and one for candidate and states.

        Args:
            unit: one or several; all if None, of many the 8 that change most.
            lines: names of lines; gates, candidates, states and the output if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`, `joined`; both that compute if None.
            batch: the sequence; the first if None.
            steps: a step, or a slice of steps.
            language: of the words in the picture.

        Returns:
            A picture that a notebook shows, with `svg()`, `html()`, `to_vega()`, `save(path)` and `data`.

        Raises:
            MissingError: for a selection that is not there.
        """
        return self.unit(unit, lines, layer, direction, batch, steps, language)

    def states(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        order: str | None = None,
        language: str = "en",
    ) -> Figure:
        """Gates and states of every unit over time: a row of pixels for each unit, a column for each step.

        Args:
            unit: one or several; all if None.
            lines: names of lines; gates and states if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`, `joined`; both that compute if None.
            batch: the sequence; the first if None.
            steps: a step, or a slice of steps.
            order: of the units: `index`; `cluster`, those whose state moves together side by side (Friendly 2002,
                Corrgrams); `memory`, the longest first; `activity`, those first whose state is first at half of its
                largest size. If None, `cluster` for more than 16 units.
            language: of the words in the picture.

        Raises:
            MissingError: for a selection that is not there.
            OptionError: for an order that there is not, or that the cell does not have.
        """
        return self._made("states", unit, lines, layer, direction, batch, steps, order, language)

    def unit(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: str = "en",
    ) -> Figure:
        """The trajectory of a unit, or of several: what `trace.plot()` draws.

        Args:
            unit: one or several; all if None, of many the 8 that change most.
            lines: names of lines; gates, candidates, states and the output if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`, `joined`; both that compute if None.
            batch: the sequence; the first if None.
            steps: a step, or a slice of steps.
            language: of the words in the picture.

        Raises:
            MissingError: for a selection that is not there.
        """
        return self._made("unit", unit, lines, layer, direction, batch, steps, language)

    def _made(self, kind: str, *values: Any) -> Figure:
        """The picture of a kind of the table."""
        return maker(kind)(self.trace, *values)


def plots(trace: Trace) -> Plots:
    """The pictures of a trace, as `trace.plot`."""
    return Plots(trace)
