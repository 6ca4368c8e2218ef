"""The methods of `trace.plot`, made from the functions of `kinds/` by `make golden`."""

from collections.abc import Sequence

from ..model.model import Model
from ..trace.trace import Trace
from .figure import Figure

class Plots:
    trace: Trace
    def __init__(self, trace: Trace) -> None: ...
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
        """Gates, candidate and states of a unit, or of several, over time.

        Args:
            unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
            lines: names of lines (gates and states; unit: and candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B (B excluded), or one (all).
            language: language of the words in the picture (en).

        Returns:
            A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

        Raises:
            MissingError: for a selection that is not there.
        """

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
            unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
            lines: names of lines (gates and states; unit: and candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B (B excluded), or one (all).
            order: order of the units: index, cluster (by what they do together), memory (half-life) or activity
                (cluster for more than 16 units, else index).
            language: language of the words in the picture (en).

        Returns:
            A picture whose `data` has a column for each unit of each line, in the order that is drawn.

        Raises:
            MissingError: for a selection that is not there.
            OptionError: for an order that does not exist, or that the cell does not have.
        """

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
        """Gates, candidate and states of a unit, or of several, over time.

        Args:
            unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
            lines: names of lines (gates and states; unit: and candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B (B excluded), or one (all).
            language: language of the words in the picture (en).

        Returns:
            A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

        Raises:
            MissingError: for a selection that is not there.
        """

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
            unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
            lines: names of lines (gates and states; unit: and candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B (B excluded), or one (all).
            language: language of the words in the picture (en).

        Returns:
            A picture whose page has the text as text. Steps without labels have their numbers.

        Raises:
            MissingError: for a selection that is not there.
            OptionError: for more than 20,000 steps of units.
        """

    def memory(
        self,
        of: str,
        language: str = "en",
    ) -> Figure:
        """The memory of a carried value: bars for what each step wrote, and for what the gates since have left of it.

        Args:
            of: address of the value, as 3/c_t[1].
            language: language of the words in the picture (en).

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, of, "memory")`.

        Raises:
            OptionError: where the value is no sum of what was kept and what was written.
            MissingError: for a value that is not there.
        """

    def saturation(
        self,
        low: float = 0.1,
        high: float = 0.9,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        language: str = "en",
    ) -> Figure:
        """How often each gate is saturated at 0 and at 1 (Karpathy et al. 2015, figure 3): a point for each unit.

        Args:
            low: below it a gate is saturated at 0 (0.1).
            high: above it a gate is saturated at 1 (0.9).
            lines: names of gates, or of tanh lines, whose place between −1 and 1 counts (all gates).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            language: language of the words in the picture (en).

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, how="gates")` for these lines.

        Raises:
            OptionError: unless 0 <= low < high <= 1.
            MissingError: for a selection that is not there, or has no gate.
        """

    def gradient(
        self,
        of: str | None = None,
        batch: int | None = None,
        language: str = "en",
    ) -> Figure:
        """How far a gradient reaches back: its size with respect to what each layer carries, at each step.

        Args:
            of: address of a value, as 5/h_t[0], of a vector, as 5/h_t, or the name of a loss (the last output).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            language: language of the words in the picture (en).

        Returns:
            A picture, on a logarithmic scale, whose `data` has the size for each layer, direction, line and step: the
            2-norm of the gradient, or the Frobenius norm of the Jacobian.

        Raises:
            MissingError: for a value that is not there, or a line of the backward pass that was not recorded.
            TooLargeError: for a Jacobian that would take minutes.
        """

    def contribution(
        self,
        of: str,
        baseline: Trace | str | int = "zero-input",
        occlusion: str | int = "auto",
        language: str = "en",
    ) -> Figure:
        """What each step contributed to a value: its share of the exact split, beside the exact occlusion of the step.

        Args:
            of: address of the value, as 3/c_t[1].
            baseline: zero-input, zero-state, another sequence of the batch, or a trace (zero-input).
            occlusion: how many steps are occluded: all, none, a number, or auto, what a second allows (auto).
            language: language of the words in the picture (en).

        Returns:
            A picture whose `data` is the table by step of the explanation `contribution`.

        Raises:
            OptionError: for what is no baseline.
            MissingError: for a value that is not there, or a line that was not recorded.
        """

    def weights(
        self,
        of: str | None = None,
        layer: int | None = None,
        direction: str | None = None,
        against: Trace | Model | None = None,
        language: str = "en",
    ) -> Figure:
        """Heat maps of the weights, one cell per entry, with the norm of each matrix.

        Args:
            of: names of weights, with commas between: W_hi, 0/forward/W_hi (all).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            against: another trace or model: what is drawn are its weights less these.
            language: language of the words in the picture (en).

        Returns:
            A picture; its `data` has a row for each entry.

        Raises:
            MissingError: for weights that are not there.
            ShapeError: if the weights of the other source have other shapes.
        """

    def diff(
        self,
        against: Trace | Model,
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
            against: the other trace, of the same steps and sequences.
            unit: units, from 0 (all; of many, unit draws the 8 that change most and text the one).
            lines: names of lines (gates and states; unit: and candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … of a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B (B excluded), or one (all).
            language: language of the words in the picture (en).

        Returns:
            A picture on which the first step that differs is marked; colours are logarithmic if sizes are far apart.

        Raises:
            MissingError: for a selection that is not there, or if nothing is in both.
        """

def plots(trace: Trace) -> Plots: ...
