"""What `trace.plot` is: call it for gates and states over time; the other pictures are its methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..trace.argument_types import checked
from ..trace.trace import Trace
from .figure import Figure
from .table import maker


@checked
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
        return _made("unit", locals())

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
        return _made("states", locals())

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
        return _made("unit", locals())

    def memory(self, of: str, language: str = "en") -> Figure:
        """The memory of a carried value: bars for what each step wrote, and for what the gates since have left of it.

        Args:
            of: address of the value, for example `3/c_t[1]`.
            language: of the words in the picture.

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, of, "memory")`.

        Raises:
            OptionError: where the value is no sum of what was kept and what was written.
            MissingError: for a value that is not there.
        """
        return _made("memory", locals())

    def saturation(
        self,
        low: float = 0.1,
        high: float = 0.9,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        language: str = "en",
    ) -> Figure:
        """How often each gate is shut and open (Karpathy et al. 2015, figure 3): a point for each unit.

        Args:
            low: a gate below it is shut, from 0 to 1.
            high: a gate above it is open, from 0 to 1.
            lines: names of gates, or of tanh lines, whose place between -1 and 1 counts; all gates if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`; both if None.
            language: of the words in the picture.

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, how="gates")` for these lines.

        Raises:
            OptionError: unless 0 <= low < high <= 1.
            MissingError: for a selection that is not there, or has no gate.
        """
        return _made("saturation", locals())

    def gradient(self, of: str | None = None, batch: int | None = None, language: str = "en") -> Figure:
        """How far a gradient reaches back: its size with respect to what each layer carries, at each step.

        Args:
            of: address of a value; of a vector at a step (`5/h_t`), whose Jacobian is measured; or the name of a loss.
                If None, the sum of what the top layer gives out last, in each of its directions.
            batch: the sequence, where the address does not say it; the first if None.
            language: of the words in the picture.

        Returns:
            A picture, on a logarithmic scale, whose `data` has the size for each layer, direction, line and step: the
            2-norm of the gradient, or the Frobenius norm of the Jacobian.

        Raises:
            MissingError: for a value that is not there, or a line that the way back needs and that was not recorded.
            TooLargeError: for a Jacobian that would take minutes.
        """
        return _made("gradient", locals())

    def contribution(
        self,
        of: str,
        baseline: Trace | str | int = "zero-input",
        occlusion: str | int = "auto",
        language: str = "en",
    ) -> Figure:
        """What each step contributed to a value: its share of the exact split, beside the exact occlusion of the step.

        Args:
            of: address of the value, for example `3/h_t[1]`.
            baseline: `zero-input`, `zero-state`, another sequence of the batch, or a trace.
            occlusion: `all`, `none`, or how many steps; `auto`: as many as a second or two allows.
            language: of the words in the picture.

        Returns:
            A picture whose `data` is the table by step of the explanation `contribution`.

        Raises:
            OptionError: for what is no baseline.
            MissingError: for a value that is not there, or a line that was not recorded.
        """
        return _made("contribution", locals())

    def text(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: str = "en",
    ) -> Figure:
        """The text of the steps, coloured by the value of a unit; of several units one below the other.

        Args:
            unit: one or several; if None the one whose values change most.
            lines: names of lines; the output if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`, `joined`; both that compute if None.
            batch: the sequence; the first if None.
            steps: a step, or a slice of steps.
            language: of the words in the picture.

        Returns:
            A picture whose page has the text as text. Where steps have no labels, it is their numbers.

        Raises:
            MissingError: for a selection that is not there.
            OptionError: for more than 20,000 steps of units.
        """
        return _made("text", locals())

    def weights(
        self,
        of: str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        against: Any = None,
        language: str = "en",
    ) -> Figure:
        """The weights as heat maps, a field for each entry; of matrices their norms.

        Args:
            of: names of weights with commas between, `W_hi` or `0/forward/W_hi`; all if None.
            layer: from 0; all if None.
            direction: `forward` or `reverse`; both if None.
            against: another trace or model; what is drawn are its weights less these, as in `diff`.
            language: of the words in the picture.

        Returns:
            A picture; its `data` has a row for each entry.

        Raises:
            MissingError: for weights that are not there.
            ShapeError: where those of the other have other shapes.
        """
        return _made("weights", locals())

    def diff(
        self,
        against: Trace,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: str = "en",
    ) -> Figure:
        """Where this trace and another differ: the size of each difference, unit by step.

        Args:
            against: the other trace, of the same steps and rows.
            unit: one or several; all if None.
            lines: names of lines; gates and states if None.
            layer: from 0; all if None.
            direction: `forward`, `reverse`, `joined`; both that compute if None.
            batch: the sequence; that of the first difference if None.
            steps: a step, or a slice of steps.
            language: of the words in the picture.

        Returns:
            A picture on which the first step that differs is marked; colours are logarithmic where sizes are far apart.

        Raises:
            MissingError: for a selection that is not there, or where nothing is in both.
        """
        return _made("diff", locals())


def _made(kind: str, arguments: dict[str, Any]) -> Figure:
    """The picture of a kind of the table, by the arguments of its method, each by its name."""
    plots = arguments.pop("self")
    return maker(kind)(plots.trace, **arguments)


def plots(trace: Trace) -> Plots:
    """The pictures of a trace, as `trace.plot`."""
    return Plots(trace)
