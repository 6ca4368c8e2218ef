"""The contributions of one value relative to a baseline, by each of the three measures."""

from __future__ import annotations

from lstm_trace.backpropagation.attribution import Split, split
from lstm_trace.explanation.contribution import POINTS, Baseline, BaselinePair, Shares, baseline_of
from lstm_trace.trace.trace import Trace


def contribution(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Split:
    """The value at `of` minus its value in the baseline, split exactly over all premises that differ."""
    base, b = baseline_of(trace, baseline, of)
    return split(base, trace, of, b)


def gradient_times_input(trace: Trace, of: str, baseline: Baseline = "zero-input") -> Shares:
    """The gradient of the value at the actual input, times input minus baseline input."""
    return BaselinePair.of_traces(trace, *baseline_of(trace, baseline, of), of).gradient_times_input()


def integrated_gradients(trace: Trace, of: str, baseline: Baseline = "zero-input", points: int = POINTS) -> Shares:
    """The mean gradient along the straight path from the baseline's premises, times their difference.

    Sundararajan, Taly & Yan 2017; with `points` nodes of the Gauss-Legendre rule, each a new run, all in one batch.
    Raises OptionError if the baseline has other parameters or padding: a path varies only inputs and states.
    """
    return BaselinePair.of_traces(trace, *baseline_of(trace, baseline, of), of).integrated_gradients(points)
