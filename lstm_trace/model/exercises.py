"""The six functions of the exercises: one line of an LSTM at one step."""

from __future__ import annotations

from typing import Any

from ..base.arrays import Array
from ..engine.inputs import numbers
from ..trace.address import STATE
from .sources import run


def _step(asked: str, given: dict[str, Any], weights: dict[str, Any], **premises: Any) -> Array:
    """One requested line at one step, (H,)."""
    for name, value in premises.items():
        numbers(value, "x_t" if name == "x" else STATE[name])
    return run(weights, ask=asked, given=given, **premises)[asked][0, 0]


def calc_input_gate(x_t: Any, h_prev: Any, W_xi: Any, W_hi: Any) -> Array:
    """Compute the input gate, i_t = sigmoid(W_xi x_t + W_hi h_prev).

    Args:
        x_t: the input, (I,).
        h_prev: the previous hidden state, (H,).
        W_xi: input weights, (H, I).
        W_hi: recurrent weights, (H, H).

    Returns:
        i_t, (H,).

    Raises:
        LstmTraceError: if the shapes of the arrays do not match.

    >>> calc_input_gate([1, 2, 3], [0, 0], [[-1, 0, 0.2], [-1, 0, -0.2]], [[0, 1], [0, -1]]).round(8)
    array([0.40131234, 0.16798161])
    """
    return _step("i_t", {}, {"W_xi": W_xi, "W_hi": W_hi}, x=x_t, h0=h_prev)


def calc_output_gate(x_t: Any, h_prev: Any, W_xo: Any, W_ho: Any) -> Array:
    """Compute the output gate, o_t = sigmoid(W_xo x_t + W_ho h_prev).

    Args: those of `calc_input_gate`, with the same shapes.

    Returns:
        (H,).
    """
    return _step("o_t", {}, {"W_xo": W_xo, "W_ho": W_ho}, x=x_t, h0=h_prev)


def calc_forget_gate(x_t: Any, h_prev: Any, W_xf: Any, W_hf: Any) -> Array:
    """Compute the forget gate, f_t = sigmoid(W_xf x_t + W_hf h_prev).

    Args: those of `calc_input_gate`, with the same shapes.

    Returns:
        (H,).
    """
    return _step("f_t", {}, {"W_xf": W_xf, "W_hf": W_hf}, x=x_t, h0=h_prev)


def calc_candidate_state(x_t: Any, h_prev: Any, W_xc: Any, W_hc: Any) -> Array:
    """Compute the candidate, c_tilde = tanh(W_xc x_t + W_hc h_prev).

    Args: those of `calc_input_gate`, with the same shapes.

    Returns:
        (H,).
    """
    return _step("c_tilde", {}, {"W_xc": W_xc, "W_hc": W_hc}, x=x_t, h0=h_prev)


def calc_cell_state(f_t: Any, c_prev: Any, i_t: Any, c_tilde: Any) -> Array:
    """Compute the cell state, c_t = f_t * c_prev + i_t * c_tilde.

    Args:
        f_t: the forget gate, (H,).
        c_prev: the previous cell state, (H,).
        i_t: the input gate, (H,).
        c_tilde: the candidate, (H,).

    Returns:
        c_t, (H,).

    >>> calc_cell_state([0.5, 1.0], [2.0, -1.0], [1.0, 0.25], [0.5, 4.0])
    array([1.5, 0. ])
    """
    return _step("c_t", {"f_t": f_t, "i_t": i_t, "c_tilde": c_tilde}, {}, c0=c_prev)


def calc_hidden_state(o_t: Any, c_t: Any) -> Array:
    """Compute the hidden state, h_t = o_t * tanh(c_t).

    Args:
        o_t: the output gate, (H,).
        c_t: the cell state, (H,).

    Returns:
        h_t, (H,).
    """
    return _step("h_t", {"o_t": o_t, "c_t": c_t}, {})
