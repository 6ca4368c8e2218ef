"""Training by hand: forward pass, loss, backward pass, updated weights and the loss after them, step by step.

Update rules are cells: time is the number of the update, a batch element is a row of the parameter. `g_t` is the
gradient at the update, `w_prev` the parameter before it. So momentum and Adam are lines too, and all of their numbers
are traced, verified and printed like those of any other cell.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, describe
from ..base.packaged import packaged
from ..cell.lines import Cell
from ..cell.named_cells import is_number
from ..cell.parse import parse
from ..engine.run import rerun
from ..errors import CellError, MissingError, OptionError, nearest
from ..model.sources import run
from ..trace.argument_types import checked, listed
from ..trace.trace import Trace
from .gradients import by_address, forward, walked, weighting
from .target import loss_of, recorded, target


class Optimizer(NamedTuple):
    """A rule with the values of its constants, and of states whose initial value is not 0."""

    equations: str
    constants: Mapping[str, float]
    initial: Mapping[str, float] = {}

    @property
    def cell(self) -> Cell:
        """The rule as a cell."""
        return parse(self.equations)


OPTIMIZERS = {name: Optimizer(**row) for name, row in packaged("backpropagation/training.toml").items()}


def update_rule(name: str, constants: Mapping[str, float]) -> Optimizer:
    """The rule with that name, or given by equations, with these constants replacing its own.

    Raises OptionError for an unknown rule or constant, CellError for equations that are not a rule.
    """
    if "=" in name:
        cell = parse(name)
        if "g_t" not in cell.inputs or cell.states.get("w_prev") != cell.output:
            said = "an update rule has `input: g_t` (the gradient) and carries its output as w_prev (the parameter): "
            raise CellError(f"{said}`carry: w_prev <- w_t`, `output: w_t`")
        rule = Optimizer(name, {})
        known = [*cell.parameters]
    elif name in OPTIMIZERS:
        rule = OPTIMIZERS[name]
        known = [*rule.constants]
    else:
        raise OptionError(f"there is no optimizer {name!r}{nearest(name, OPTIMIZERS, 'there are')}")
    for constant in constants:
        if constant not in known:
            said = "the update rule" if "=" in name else name
            raise OptionError(f"{said} has no constant {constant!r}{nearest(constant, known, 'it has')}")
        if not is_number(constants[constant]):
            raise OptionError(f"{constant}: expected a finite number, found {describe(constants[constant])}")
    found = {**rule.constants, **constants}
    if lacking := [constant for constant in known if constant not in found]:
        raise OptionError(f"the update rule needs {', '.join(lacking)}: give each as a constant, {lacking[0]}=0.1")
    return rule._replace(constants=found)


#: Maximum number of updates, each kept with every line of the backward pass.
MOST_UPDATES = 1000


@dataclass(frozen=True, repr=False)
class Training:
    """Some updates of the parameters.

    of: the loss, a line or the address of one value. traces: for each update the trace with the backward pass, followed
    by that of the forward pass with the final weights. updates: maps the address of each parameter to the trace of its
    update
    rule: step t is update t, a batch element is a row of the parameter.
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
    trace: Trace, of: str, rate: float | None = None, updates: int = 1, optimizer: str = "sgd",
    only: Sequence[str] | str | None = None, **constants: float,
) -> Training:  # fmt: skip
    """Update the parameters of a trace to reduce a loss, and keep every number.

    Args:
        trace: a trace with every line that the loss depends on.
        of: the loss: a line of one unit, whose values at all steps and sequences are added, or the address of one
            value.
        rate: the learning rate; that of the optimizer if None (sgd and momentum 0.1, adam 0.001).
        updates: number of updates.
        optimizer: `sgd`, `momentum`, `adam`, or equations: `input: g_t` is the gradient, `w_prev` the parameter.
        only: names or addresses of the parameters to update; all if None.
        constants: constants of the optimizer (momentum; beta_1, beta_2, epsilon), or of its equations.

    Returns:
        The traces of all updates, and the weights after the last one.

    Raises:
        OptionError: if the optimizer or a constant does not exist, or `updates` is less than one.
        MissingError: if a line or parameter does not exist, or a line was not recorded.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "y_t = W @ x_t\\nL = (y_t - 1) * (y_t - 1)\\noutput: L"}
    >>> done = train(lt.run({"W": [[3.0]]}, [[0.5]], cell=cell), of="L", rate=0.5)
    >>> done.losses, done.weights["0/forward/W"].tolist()
    ((0.25, 0.140625), [[2.75]])
    """
    if isinstance(updates, bool) or not 1 <= updates <= MOST_UPDATES:
        raise OptionError(f"updates must be 1 to {MOST_UPDATES}; found {updates}")
    rule = update_rule(optimizer, constants if rate is None else {**constants, "rate": rate})
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
    """The value of the loss: for a line, the sum over all steps and sequences."""
    trace = forward(trace)
    line = loss_of(trace, of)
    if line is None:
        return target(trace, of).read(trace)
    stage, name = line
    return float(recorded(trace, stage.scope, name).sum())


def _chosen(trace: Trace, only: Sequence[str] | str | None) -> dict[str, Array]:
    """The parameters to update, by address. Raises MissingError for an unknown one, OptionError for none."""
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
    if not found:
        raise OptionError(f"only: expected at least one parameter; there are {', '.join(every)}")
    return found


def _rows(values: Array) -> Array:
    """A parameter as rows of a batch: (M, N), a vector as one row."""
    return values if values.ndim == 2 else values[None]


def _start(rule: Optimizer, value: Array) -> dict[str, Array]:
    """The states before the first update; one with another initial value than 0 is a single number per row."""
    found = {state: np.full((len(value), 1), start) for state, start in rule.initial.items()}
    return {state: found.get(state, np.zeros_like(value)) for state in rule.cell.states} | {"w_prev": value}


def _run(rule: Optimizer, states: Mapping[str, Array], gradients: Array, trace: Trace) -> Trace:
    """The rule for one parameter. gradients: (updates, rows, width)."""
    constants = {name: np.array([value], trace.header.dtype) for name, value in rule.constants.items()}
    cell, arithmetic = {"equations": rule.equations}, trace.header.arithmetic
    fed: dict[str, Any] = {"given": {"g_t": gradients}, "initial": states}
    return run(constants, **fed, cell=cell, plan="lines", arithmetic=arithmetic)
