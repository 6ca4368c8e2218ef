"""Findings of lower rooms as results: one file each, with blocks, rows, picture and facts.

An explanation is a file `NAME.py` with a function `NAME(trace, …)` that returns it, and a line in `EXPLANATIONS`.
"""

from __future__ import annotations

from typing import Literal

#: The name of an explanation, for type checkers.
How = Literal["memory", "gradient", "contribution", "gates", "ablation", "training", "padding"]
#: The explanations by name, each with its line of `lstm-trace explain --help`.
EXPLANATIONS = {
    "memory": "What each step wrote into a carried value.",
    "gradient": "Back-propagation through time, and all gradients.",
    "contribution": "A value relative to a baseline, split over inputs and steps.",
    "gates": "Saturation and half-life of every gate; the first NaN.",
    "ablation": "The value when each unit, step or line is held.",
    "training": "Forward, loss, backward pass and updated weights.",
    "padding": "Which steps of each sequence are valid.",
}
