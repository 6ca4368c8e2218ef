"""A net with units that are known to mean something, among others that are random; and the text that it reads."""

from __future__ import annotations

from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

UNITS = 24
#: How many brackets are open; how long the line is, by tenths; vowels against everything else.
BRACKETS, LENGTH, VOWELS = 13, 7, 3
VOCABULARY = "()\naeioubcdfg "


def text(size: int = 240) -> str:
    """Words, brackets that are closed later, and lines of 20 to 40 characters."""
    draw = np.random.default_rng(15)
    found, depth, line = "", 0, 0
    while len(found) < size:
        roll = draw.random()
        if line > 20 and roll < 0.1:
            found, line = found + "\n", 0
            continue
        if roll < 0.1 and depth < 5:
            found, depth = found + "(", depth + 1
        elif roll < 0.18 and depth:
            found, depth = found + ")", depth - 1
        else:
            found += draw.choice(list("aeioubcdfg "))
        line += 1
    return found


def planted(size: int = 240, **arguments: Any) -> Trace:
    """The trace of the net over `text(size)`, with its characters as tokens."""
    draw = np.random.default_rng(4)
    weights: dict[str, Any] = {}
    for gate in "ifco":
        weights[f"W_x{gate}"] = draw.normal(size=(UNITS, len(VOCABULARY)))
        weights[f"W_h{gate}"] = draw.normal(size=(UNITS, UNITS)) / 5
        weights[f"b_{gate}"] = draw.normal(size=UNITS) / 2
    for unit in (BRACKETS, LENGTH, VOWELS):
        for gate in "ifco":
            weights[f"W_x{gate}"][unit] = weights[f"W_h{gate}"][unit] = 0
            weights[f"b_{gate}"][unit] = 0 if gate == "c" else 30
    at = VOCABULARY.index
    weights["W_xc"][BRACKETS, [at("("), at(")")]] = 30, -30
    weights["b_c"][LENGTH] = np.arctanh(0.1)
    weights["W_xf"][LENGTH, at("\n")] = -60
    weights["b_f"][VOWELS] = -30
    weights["W_xc"][VOWELS] = [30 if c in "aeiou" else -30 for c in VOCABULARY]
    read = text(size)
    x = np.eye(len(VOCABULARY))[[at(c) for c in read]]
    return lt.with_tokens(lt.run(weights, x, **arguments), list(read))
