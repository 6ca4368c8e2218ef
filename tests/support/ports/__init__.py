"""Ports with real mistakes: what the search for mistakes is tested with, and what its table must not be made from.

`BUGS`, `PAIRS` of them in one port, `CONTROLS` (right, with other arithmetic) and `HOPELESS` (nobody can name them);
`drawn(bug, seed)` makes a case. `FRESH`, `FRESH_CONTROLS`, `FRESH_HOPELESS`, `THIRD` and `FOURTH` are for
blind tests: do not read them. `python -m tests.support.ports --list` lists them.
"""

from __future__ import annotations

from . import (
    controls,
    equations,
    files,
    fourth,
    fresh,
    fresh_controls,
    gru_and_rnn,
    numbers,
    pairs,
    states,
    third,
    wiring,
)
from .bug import (
    BUGS,
    CONTROLS,
    FOURTH,
    FRESH,
    FRESH_CONTROLS,
    FRESH_HOPELESS,
    HOPELESS,
    PAIRS,
    THIRD,
    WORDS,
    Bug,
    Case,
    draw,
    drawn,
    right,
)
from .port import CELLS, Given, Model, Port, Values

__all__ = [
    "BUGS", "CELLS", "CONTROLS", "FOURTH", "FRESH", "FRESH_CONTROLS", "FRESH_HOPELESS", "HOPELESS", "PAIRS", "THIRD",
    "WORDS", "Bug", "Case", "Given", "Model", "Port", "Values", "controls", "draw", "drawn", "equations", "files",
    "fourth", "fresh", "fresh_controls", "gru_and_rnn", "numbers", "pairs", "right", "states", "third", "wiring",
]  # fmt: skip
