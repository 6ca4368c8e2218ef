"""The methods of `trace.plot`, made from the functions of `kinds/` by `make golden`."""

from collections.abc import Sequence
from typing import Literal

from ..cell.network import Direction
from ..languages import Language
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
        direction: Direction | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: Language | None = None,
    ) -> Figure:
        """Gates, candidate and states of one or several units over time.

        Args:
            unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
            lines: names of lines (gates and states; unit: also candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B, or one (all).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

        Raises:
            MissingError: if the trace does not contain the selection.
        """

    def states(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        order: Literal["index", "cluster", "memory", "activity"] | None = None,
        language: Language | None = None,
    ) -> Figure:
        """Gates and states of every unit over time: one row of pixels per unit, one column per step.

        Args:
            unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
            lines: names of lines (gates and states; unit: also candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B, or one (all).
            order: order of the units: index, cluster (units with similar behaviour together), memory (half-life) or
                activity (cluster for more than 16 units, else index).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture whose `data` has one column per unit of each line, in the order drawn.

        Raises:
            MissingError: if the trace does not contain the selection.
            OptionError: if the order does not exist, or the cell does not have it.
        """

    def unit(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: Language | None = None,
    ) -> Figure:
        """Gates, candidate and states of one or several units over time.

        Args:
            unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
            lines: names of lines (gates and states; unit: also candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B, or one (all).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture with a panel from 0 to 1 for the gates of each unit, and one for its candidate and states.

        Raises:
            MissingError: if the trace does not contain the selection.
        """

    def text(
        self,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: Language | None = None,
    ) -> Figure:
        """The text of the steps, coloured by the value of a unit; for several units, one text below the other.

        Args:
            unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
            lines: names of lines (gates and states; unit: also candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B, or one (all).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture whose page has the text as selectable text. Steps without labels are shown by number.

        Raises:
            MissingError: if the trace does not contain the selection.
            OptionError: if steps times units exceed 20,000.
        """

    def memory(
        self,
        of: str,
        language: Language | None = None,
    ) -> Figure:
        """The memory of a carried value: bars for what each step wrote, and for what the gates since have kept of it.

        Args:
            of: address of the value as printed, for example c_3[1], or from 0, 3/c_t[1].
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, of, "memory")`.

        Raises:
            OptionError: if the value is not a sum of kept and written parts.
            MissingError: if the value does not exist.
        """

    def saturation(
        self,
        low: float = 0.1,
        high: float = 0.9,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        language: Language | None = None,
    ) -> Figure:
        """How often each gate is saturated at 0 and at 1 (Karpathy et al. 2015, figure 3): one point per unit.

        Args:
            low: value below which a gate is saturated at 0 (0.1).
            high: value above which a gate is saturated at 1 (0.9).
            lines: names of gates, or of tanh lines, which are rescaled from −1…1 to 0…1 (all gates).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture whose `data` are the rows of `lt.explain(trace, how="gates")` for these lines.

        Raises:
            OptionError: unless 0 <= low < high <= 1.
            MissingError: if the trace does not contain the selection, or the selection has no gate.
        """

    def gradient(
        self,
        of: str | None = None,
        batch: int | None = None,
        language: Language | None = None,
    ) -> Figure:
        """How far a gradient reaches back: its norm with respect to the values that each layer carries, at each step.

        Args:
            of: address of a value, h_5[1] (from 0, 5/h_t[1]), of a vector, h_5, or the name of a loss (the last
                output).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture, on a logarithmic scale, whose `data` has the norm for each layer, direction, line and step: the
            2-norm of the gradient, or the Frobenius norm of the Jacobian.

        Raises:
            MissingError: if the value does not exist, or a line of the backward pass was not recorded.
            TooLargeError: if the Jacobian would take minutes.
        """

    def contribution(
        self,
        of: str,
        baseline: Trace | str | int = "zero-input",
        occlusion: str | int = "auto",
        language: Language | None = None,
    ) -> Figure:
        """Contribution of each step to a value: its share of the exact split, next to the exact occlusion of the step.

        Args:
            of: address of the value as printed, for example c_3[1], or from 0, 3/c_t[1].
            baseline: zero-input, zero-state, another sequence of the batch, or a trace (zero-input).
            occlusion: how many steps are occluded: all, none, a number, or auto, as many as fit into a second
                (auto).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture whose `data` is the table by step of the explanation `contribution`.

        Raises:
            OptionError: if the baseline does not exist.
            MissingError: if the value does not exist, or a line was not recorded.
        """

    def weights(
        self,
        of: str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        against: Trace | Model | None = None,
        language: Language | None = None,
    ) -> Figure:
        """Heat maps of the weights, one cell per entry, with the norm of each matrix.

        Args:
            of: comma-separated names of weights: W_hi, 0/forward/W_hi (all).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            against: another trace or model, whose weights minus these are drawn.
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture; its `data` has one row per entry.

        Raises:
            MissingError: if the weights do not exist.
            ShapeError: if the weights of the other source have other shapes.
        """

    def diff(
        self,
        against: Trace | Model,
        unit: int | Sequence[int] | None = None,
        lines: Sequence[str] | str | None = None,
        layer: int | None = None,
        direction: Direction | None = None,
        batch: int | None = None,
        steps: slice | int | None = None,
        language: Language | None = None,
    ) -> Figure:
        """Where this trace and another differ: the magnitude of each difference, by unit and step.

        Args:
            against: the other trace, with the same steps and sequences.
            unit: units, in Python from 0 (all; unit draws at most the 8 that change most, text only the one).
            lines: names of lines (gates and states; unit: also candidates; text: the output).
            layer: layer, from 0 (all).
            direction: forward, reverse or joined; adjoint-forward, … for a gradient (all).
            batch: sequence of the batch, from 0 (the first; diff: that of the first difference).
            steps: steps: A:B, A: or :B, or one (all).
            language: language of the text in the picture; that of the problem, or en.

        Returns:
            A picture with the first step that differs marked; colours are logarithmic if magnitudes are far apart.

        Raises:
            MissingError: if the trace does not contain the selection, or the traces have no line in common.
        """

def plots(trace: Trace) -> Plots: ...
