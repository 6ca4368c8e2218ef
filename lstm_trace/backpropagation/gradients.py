"""Gradients: back-propagation through time for weightings of the outputs, or for one value of any line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..base.arrays import Array, describe
from ..cell.network import find, forward_stages, scope_and_name
from ..errors import MissingError, OptionError, ShapeError, raise_all
from ..trace.argument_types import checked
from ..trace.derived import one_row, sizes
from ..trace.trace import Trace
from .mapping import by_address
from .run import Visit, extended
from .stages import adjoint_stages, seed_names
from .target import Weightings, add, loss_of, target, width_of


@checked
def gradients(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> dict[str, Array]:
    """The gradient of a weighted sum of outputs with respect to every parameter, input and initial state.

    Args:
        trace: a trace with every line that the sum depends on.
        output: weights of `trace.output`, in its shape.
        h_n: weights of `trace.h_n`.
        c_n: weights of `trace.c_n`.
        of: the address of one value of any line (`0/forward/3/0/c_t[1]`), with weight 1, or a sum of such values
            (`3/h_t[0] - 3/h_t[1]`, `sum(3/h_t)`); or a line of one unit, a loss for example, every value of it with
            weight 1. All that is given is added.
        seeds: weights of any lines by name (`c_t`, or `0/forward/c_t` where several layers have it), (T, B, width),
            or (T, width) where x had no rows.

    Returns:
        Arrays by address: `0/forward/W_xi` in the parameter's shape; `x` in the layout in which x was given; `h0` and
        `c0` (L·D, B, ·), without B where x had none; other initial states as `0/forward/n_prev`, (B, ·); supplied
        lines as `0/forward/f_t`. Their unit is that of the sum per unit of the value; here both are 1.

    Raises:
        ShapeError: where weights do not have the shape of what they weight.
        OptionError: where nothing is weighted.
        MissingError: for a line that was not recorded, or that there is not.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "h_t = W_h @ h_prev + W_x @ x_t\\ncarry: h_prev <- h_t"}
    >>> trace = lt.run({"W_h": [[0.5]], "W_x": [[2.0]]}, [[1.0], [3.0]], cell=cell)
    >>> {name: array.tolist() for name, array in gradients(trace, of="1/h_t[0]").items()}
    {'0/forward/W_h': [[2.0]], '0/forward/W_x': [[3.5]], 'x': [[1.0], [2.0]], 'h0': [[0.25]]}
    """
    trace = forward(trace)
    weights = weighting(trace, output, h_n, c_n, of, seeds)
    rows = np.flatnonzero(np.any([v.any(axis=(0, 2)) for here in weights.values() for v in here.values()], axis=0))
    if len(rows) != 1 or trace.batch == 1:
        return by_address(walked(trace, weights, record=False))
    b = int(rows[0])  # no other row matters
    alone = {scope: {name: v[:, b : b + 1] for name, v in here.items()} for scope, here in weights.items()}
    return by_address(walked(one_row(trace, b), alone, record=False), trace.batch, b)


@checked
def backward(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> Trace:
    """The gradients of a weighted sum of outputs as a trace: every adjoint at every step is a line of it.

    Args:
        trace: a trace with every line that the sum depends on.
        output: weights of `trace.output`, in its shape.
        h_n: weights of `trace.h_n`.
        c_n: weights of `trace.c_n`.
        of: the address of one value, or a line of one unit; see `gradients`.
        seeds: weights of any lines by name; see `gradients`.

    Returns:
        The trace with the adjoint of each stage as one more stage (`0/adjoint-forward`): its line `d_c_t` is the
        gradient with respect to `c_t`, its `sums` are the gradients of the parameters. It holds the lines of `trace`
        themselves, not copies. `gradients` is the mapping that `gradients` gives.

    Raises:
        ShapeError: where weights do not have the shape of what they weight.
        OptionError: where nothing is weighted.
        MissingError: for a line that was not recorded, or that there is not.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "h_t = W_h @ h_prev + W_x @ x_t\\ncarry: h_prev <- h_t"}
    >>> trace = lt.run({"W_h": [[0.5]], "W_x": [[2.0]]}, [[1.0], [3.0]], cell=cell)
    >>> back = backward(trace, of="1/h_t[0]")
    >>> back["d_h_t"].ravel().tolist(), lt.verify(back).status
    ([0.5, 1.0], 'verified')
    """
    trace = forward(trace)
    return walked(trace, weighting(trace, output, h_n, c_n, of, seeds), record=True)


def forward(trace: Trace) -> Trace:
    """The trace without adjoint stages."""
    stages = forward_stages(trace.stages)
    if len(stages) == len(trace.stages):
        return trace
    scopes = {stage.scope for stage in stages}
    parts = (trace.initial, trace.given, trace.lines)
    initial, given, lines = ({s: here for s, here in part.items() if s in scopes} for part in parts)
    return replace(trace, stages=stages, initial=initial, given=given, lines=lines, sums={}, memory=None)


def walked(trace: Trace, weights: Weightings, record: bool, visit: Visit | None = None) -> Trace:
    """The trace with its adjoint stages run. weights: as `weighting` gives them. record: keep every adjoint line.

    visit: is shown every gradient, some steps at a time.
    """
    stages = adjoint_stages(trace.stages, weights, sizes(trace))
    dtype = trace.header.dtype
    given = {
        stage.scope: {
            fed: np.asarray(weights[stage.owner][name], dtype)
            for name, fed in seed_names(trace.stage(stage.owner), weights[stage.owner]).items()
        }
        for stage in stages
        if stage.owner in weights
    }
    return extended(trace, stages, given, record, visit)


def weighting(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> Weightings:
    """The weightings of `gradients` by scope and line, (T, B, width). Raises what `gradients` does."""
    if all(weights is None for weights in (output, h_n, c_n, of)) and (seeds is None or seeds == {}):
        raise OptionError(
            "nothing to differentiate: give weights as output, h_n, c_n or seeds, or one value's address as of"
        )
    found = _weights(trace, output, h_n, c_n)
    if seeds is not None:
        _add_lines(trace, found, seeds)
    if of is not None:
        loss = loss_of(trace, of)
        if loss is None:
            target(trace, of).weigh(trace, found)
        else:
            stage, name = loss
            add(found, stage, name, np.ones((trace.steps, trace.batch, 1)))
    return found


def _add_lines(trace: Trace, found: Weightings, seeds: Any) -> None:
    """Add weights by name of a line, input or state. Raises MissingError, ShapeError."""
    if not isinstance(seeds, Mapping):
        raise OptionError(f"seeds is a mapping from names of lines to arrays; found {describe(seeds)}")
    problems = []
    for text, values in seeds.items():
        scope, name = scope_and_name(str(text))
        scopes = [s for s in find(trace.stages, name) if scope in ("", s)]
        if len(scopes) != 1:
            there = find(trace.stages, name)
            raise MissingError(f"seeds: {text}: choose one of {', '.join(f'{s}/{name}' for s in there)}")
        shape = trace.steps, trace.batch, width_of(trace, scopes[0], name)
        given = np.asarray(values)
        if given.shape == shape[::2] and not trace.header.batched:
            given = given[:, None]
        if given.shape != shape:
            problems.append(f"seeds: {text} has shape {given.shape}; expected (T, B, width) = {shape}")
        else:
            add(found, trace.stage(scopes[0]), name, given)
    raise_all(ShapeError, problems)


def _weights(trace: Trace, output: Any, h_n: Any, c_n: Any) -> Weightings:
    """The weightings of the outputs."""
    seeds: Weightings = {}
    problems: list[str] = []
    if output is not None:
        shape = trace.output.shape
        if np.shape(output) != shape:
            problems.append(f"output has shape {np.shape(output)}; expected {shape}, that of trace.output")
        else:
            last = trace.stages[-1]
            add(seeds, last, last.cell.output, _inward(trace, np.asarray(output)))
    for name, state, values in (("h_n", "h_prev", h_n), ("c_n", "c_prev", c_n)):
        if values is None:
            continue
        shape = (trace.h_n if name == "h_n" else trace.c_n).shape
        if np.shape(values) != shape:
            problems.append(f"{name} has shape {np.shape(values)}; expected {shape}, that of trace.{name}")
            continue
        rows = np.asarray(values) if trace.header.batched else np.asarray(values)[:, None]
        holders = [stage for stage in trace.stages if state in stage.cell.states]
        for stage, value in zip(holders, rows, strict=True):
            whole = np.zeros((trace.steps, *value.shape))
            whole[0 if stage.backwards else -1] = value
            add(seeds, stage, stage.cell.states[state], whole)
    raise_all(ShapeError, problems)
    return seeds


def _inward(trace: Trace, values: Array) -> Array:
    """(T, B, width) of an array in the layout in which x was given."""
    if not trace.header.batched:
        return values[:, None]
    return np.swapaxes(values, 0, 1) if trace.header.batch_first else values
