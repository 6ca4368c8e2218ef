"""Numbers whose display may lose something (signs, size), and traces that have them on every sheet of a workbook."""

from __future__ import annotations

from typing import Any

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

#: Small, ordinary, large and tiny ones, negative and positive, and those at the edges of what six places show.
NUMBERS = (-0.5, -3.25, -123456.789, -1e-9, -99999.25, -1e-5, -9.9e-6, -2.5e300, 0.25, 234567.8, 3e-12, 0.0)

EQUATIONS = """
    v_t = W @ x_t
    u_t = v_t + b + 0 * h_prev
    k_t = 2 * v_t
    g_t = u_t + k_t
    h_t = -(g_t)
    carry: h_prev <- h_t
    output: h_t
"""


def signed(lengths: list[int] | None = None) -> Trace:
    """Two steps of two rows in both directions: inputs, weights, states, given and computed lines have all NUMBERS."""
    size = len(NUMBERS)
    weights: dict[str, Any] = {}
    for direction in ("forward", "reverse"):
        weights[f"0/{direction}/W"] = [[float(j == k) for k in range(size)] for j in range(size)]
        weights[f"0/{direction}/b"] = list(NUMBERS)
    negated = [-number for number in NUMBERS]
    x = [[NUMBERS, negated], [negated, NUMBERS]]
    given = {f"0/{direction}/k_t": x for direction in ("forward", "reverse")}
    return lt.run(
        weights, x, cell={"equations": EQUATIONS}, given=given, h0=[[NUMBERS] * 2] * 2, lengths=lengths, ask=[]
    )


def shown(value: float, digits: int = 6) -> str:
    """As a sheet of steps shows a value: so many places, or a power of ten where too little would be left of it."""
    least = {6: 1e-5, 3: 1e-3}[digits]
    if abs(value) > 1e5 or 0 < abs(value) <= least:
        return f"{value:.{digits}E}"
    return f"{value + 0.0:.{digits}f}"
