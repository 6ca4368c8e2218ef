"""Ports with real mistakes: what the search for mistakes is tested with, and what its table must not be made from.

`BUGS`, `PAIRS` of them in one port, `CONTROLS` (right, with other arithmetic) and `HOPELESS` (nobody can name them);
`drawn(bug, seed)` makes a case.
`python -m tests.support.ports --list` lists them.
"""

from __future__ import annotations

from . import controls, equations, files, gru_and_rnn, numbers, pairs, states, wiring
from .bug import BUGS, CONTROLS, HOPELESS, PAIRS, WORDS, Bug, Case, draw, drawn, right
from .port import CELLS, Given, Model, Port, Values

__all__ = [
    "BUGS", "CELLS", "CONTROLS", "HOPELESS", "PAIRS", "WORDS", "Bug", "Case", "Given", "Model", "Port", "Values",
    "controls", "draw", "drawn", "equations", "files", "gru_and_rnn", "numbers", "pairs", "right", "states",
    "wiring",
]  # fmt: skip
