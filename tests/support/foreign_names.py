"""Cells whose names every object of JavaScript has."""

from __future__ import annotations

import lstm_trace as lt

NAMES = ("__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "__defineGetter__")


def foreign(turn: int) -> lt.Trace:
    """A run in which a weight, a line, a state, an input and a function have such names; these take turns."""
    weight, line, state, supplied, function, other = names = (*NAMES[turn:], *NAMES[:turn])
    text = f"""{function}(z, k=3) = k * z * z
input: x_t, {supplied}
{line} = W @ x_t + {weight} * h_prev + {state} * {supplied}
{other} = sigmoid({line})
h_t = tanh({function}({other}) - 0.5 * {line})
carry: h_prev <- h_t, {state} <- {line}
output: h_t"""
    problem = {
        "title": " ".join(names),
        "cell": {"equations": text},
        "weights": {"W": [[1.0, -2.0], [0.5, 0.25]], weight: [0.125, -0.75]},
        "x": [[1.0, 2.0], [0.5, -1.0], [3.0, 0.25]],
        "given": {supplied: [[0.5, 1.0], [0.25, -1.0], [2.0, 0.75]]},
        "initial": {state: [[0.1, 0.2]], "h_prev": [[0.3, -0.4]]},
        "ask": ["h_t", line],
    }
    return lt.run(problem)
