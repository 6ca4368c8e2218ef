"""Training by hand: forward, loss, the way back, the updated weights, and the loss after; so many times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..base.arrays import Array
from ..engine.rerun import rerun
from ..errors import MissingError, OptionError, nearest
from ..model.sources import run
from ..trace.argument_types import checked, listed
from ..trace.trace import Trace
from . import optimizers
from .gradients import forward, walked, weighting
from .mapping import by_address
from .optimizers import Optimizer
from .target import loss_of, target

#: Updates that are kept whole, with every line of the way back.
MOST_UPDATES = 1000


@dataclass(frozen=True, repr=False)
class Training:
    """Some updates of the parameters.

    of: the loss, a line or the address of one value. traces: of each update the trace with the way back, then that of
    the forward pass with the last weights. updates: to the address of each parameter the trace of its update rule: step
    t is update t, a row of the batch is a row of the parameter.
    """

    of: str
    optimizer: Optimizer
    traces: tuple[Trace, ...]
    updates: Mapping[str, Trace]

    def __repr__(self) -> str:
        values = ", ".join(f"{value:.6g}" for value in self.losses)
        return f"<Training of {len(self.updates)} parameters for {self.of}: {values}>"

    @property
    def losses(self) -> tuple[float, ...]:
        """The loss before each update, and after the last."""
        return tuple(loss(trace, self.of) for trace in self.traces)

    @property
    def weights(self) -> dict[str, Array]:
        """The parameters after the last update, by address."""
        return {f"{scope}/{n}": v for scope, here in self.traces[-1].parameters.items() for n, v in here.items()}


@checked
def train(
    trace: Trace,
    of: str,
    rate: float | None = None,
    updates: int = 1,
    optimizer: str = "sgd",
    only: Sequence[str] | str | None = None,
    **constants: float,
) -> Training:
    """Update the parameters of a trace so that a loss falls, and keep every number of it.

    Args:
        trace: a trace with every line that the loss depends on.
        of: the loss: a line of one unit, whose values at all steps and rows are added, or the address of one value.
        rate: how far each update goes; that of the optimizer if None (sgd and momentum 0.1, adam 0.001).
        updates: how many updates.
        optimizer: `sgd`, `momentum`, `adam`, or equations: `input: g_t` is the gradient, `w_prev` the parameter.
        only: names or addresses of the parameters that are updated; all if None.
        constants: of the optimizer (momentum; beta_1, beta_2, epsilon), or of its equations.

    Returns:
        The traces of all updates, and the weights after the last.

    Raises:
        OptionError: for an optimizer or constant that there is not, or fewer than one update.
        MissingError: for a line or parameter that there is not, or a line that was not recorded.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "y_t = W @ x_t\\nL = (y_t - 1) * (y_t - 1)\\noutput: L"}
    >>> done = train(lt.run({"W": [[3.0]]}, [[0.5]], cell=cell), of="L", rate=0.5)
    >>> done.losses, done.weights["0/forward/W"].tolist()
    ((0.25, 0.140625), [[2.75]])
    """
    if isinstance(updates, bool) or not 1 <= updates <= MOST_UPDATES:
        raise OptionError(f"updates must be 1 to {MOST_UPDATES}; found {updates}")
    rule = optimizers.find(optimizer, constants if rate is None else {**constants, "rate": rate})
    trace = forward(trace)
    first = _chosen(trace, only)
    traces: list[Trace] = []
    slopes: dict[str, list[Array]] = {address: [] for address in first}
    states = {address: _start(rule, _rows(value)) for address, value in first.items()}
    for _ in range(updates):
        traces.append(walked(trace, weighting(trace, of=of), record=True))
        found = by_address(traces[-1])
        new: dict[str, dict[str, Array]] = {}
        for address, value in first.items():
            slopes[address].append(_rows(found[address]))
            step = _run(rule, states[address], slopes[address][-1][None], trace)
            states[address] = {state: step[line][0] for state, line in rule.cell.carry}
            scope, _, name = address.rpartition("/")
            new.setdefault(scope, {})[name] = states[address]["w_prev"].reshape(value.shape)
        trace = rerun(trace, parameters=new)
    whole = {a: _run(rule, _start(rule, _rows(value)), np.stack(slopes[a]), trace) for a, value in first.items()}
    return Training(of, rule, (*traces, trace), whole)


def loss(trace: Trace, of: str) -> float:
    """The value of the loss: of a line, the sum over all steps and rows."""
    trace = forward(trace)
    line = loss_of(trace, of)
    if line is None:
        return target(trace, of).read(trace)
    stage, name = line
    values = trace.operand(stage.scope, name)
    if values is None:
        raise MissingError(f"{stage.scope}/{name} was not recorded")
    return float(values.sum())


def _chosen(trace: Trace, only: Sequence[str] | str | None) -> dict[str, Array]:
    """The parameters to update, by address. Raises MissingError for one that there is not."""
    every = {f"{scope}/{n}": v for scope, here in trace.parameters.items() for n, v in here.items()}
    if only is None:
        return every
    found: dict[str, Array] = {}
    for text in listed("only", only):
        here = {address: v for address, v in every.items() if text in (address, address.rpartition("/")[2])}
        if not here:
            names = dict.fromkeys((*(address.rpartition("/")[2] for address in every), *every))
            raise MissingError(f"there is no parameter {text!r}{nearest(text, names, 'there are')}")
        found |= here
    return found


def _rows(values: Array) -> Array:
    """A parameter as rows of the batch: (M, N), a vector as one row."""
    return values if values.ndim == 2 else values[None]


def _start(rule: Optimizer, value: Array) -> dict[str, Array]:
    """The states before the first update; one that begins with another number than 0 is one number for each row."""
    found = {state: np.full((len(value), 1), start) for state, start in rule.initial.items()}
    return {state: found.get(state, np.zeros_like(value)) for state in rule.cell.states} | {"w_prev": value}


def _run(rule: Optimizer, states: Mapping[str, Array], gradients: Array, trace: Trace) -> Trace:
    """The rule for one parameter. gradients: (updates, rows, width)."""
    return run(
        {name: np.array([value], trace.header.dtype) for name, value in rule.constants.items()},
        given={"g_t": gradients},
        initial=states,
        cell={"equations": rule.equations},
        plan="lines",
        arithmetic=trace.header.arithmetic,
    )
