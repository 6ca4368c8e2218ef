"""Ports with real mistakes: what the search for mistakes is tested with, and what its table must not be made from.

`BUGS`, `PAIRS` of them in one port, `CONTROLS` (right, with other arithmetic) and `HOPELESS` (nobody can name them);
`drawn(bug, seed)` makes a case. `FRESH`, `FRESH_CONTROLS` and `FRESH_HOPELESS` are for a blind test: do not read them.
`python -m tests.support.ports --list` lists them.
"""

from __future__ import annotations

from . import controls, equations, files, fresh, fresh_controls, gru_and_rnn, numbers, pairs, states, wiring
from .bug import (
    BUGS,
    CONTROLS,
    FRESH,
    FRESH_CONTROLS,
    FRESH_HOPELESS,
    HOPELESS,
    PAIRS,
    WORDS,
    Bug,
    Case,
    draw,
    drawn,
    right,
)
from .port import CELLS, Given, Model, Port, Values

__all__ = [
    "BUGS", "CELLS", "CONTROLS", "FRESH", "FRESH_CONTROLS", "FRESH_HOPELESS", "HOPELESS", "PAIRS", "WORDS", "Bug",
    "Case", "Given", "Model", "Port", "Values", "controls", "draw", "drawn", "equations", "files", "fresh",
    "fresh_controls", "gru_and_rnn", "numbers", "pairs", "right", "states", "wiring",
]  # fmt: skip
