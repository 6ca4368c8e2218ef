"""Gradients: back-propagation through time for weighted sums of the outputs, or for one value of any line.

`norms` measures how far a gradient reaches back: its norm with respect to each carried state, step by step. For one
value, or a sum of values, it is the 2-norm over the units of a state. For a vector of values it is the Frobenius norm
of the Jacobian, the root of the sum of its squared entries, that is, of the squared 2-norms of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import Array, describe
from ..cell.adjoint import secant_names
from ..cell.network import GIVEN, VALID, Stage, X, find, forward_stages, scope_and_name
from ..engine import plan_choice
from ..engine.inputs import numbers
from ..engine.run import run_seconds
from ..errors import MissingError, OptionError, ShapeError, TooLargeError, raise_all, some
from ..trace.address import INITIAL, STATE, Address, line_name
from ..trace.argument_types import checked
from ..trace.derived import Values, one_row, sizes
from ..trace.grids import as_grid
from ..trace.printed import slashed
from ..trace.trace import Trace
from ..trace.window import rows
from .run import Visit, adjoint_stages, extended, seed_names
from .target import Weightings, add, loss_of, names_several, target, width_of


class Premise(NamedTuple):
    """A premise and its gradient: a parameter in its shape, a state (B, width), x and a supplied line (T, B, width).

    kind: parameter, state, given, input or valid; the last two have no scope.
    """

    kind: str
    scope: str
    name: str
    gradient: Array

    @property
    def place(self) -> str:
        """`0/forward/W_xi`, `0/forward/h0`, `x`."""
        name = INITIAL.get(self.name, self.name) if self.kind == "state" else self.name
        return f"{self.scope}/{name}" if self.scope else name

    def value(self, trace: Trace) -> Array:
        """Its value in the trace."""
        if not self.scope:
            values = trace.valid if self.kind == "valid" else trace.x
            assert values is not None
            return values
        parts = {"parameter": trace.parameters, "state": trace.initial, "given": trace.given}
        return parts[self.kind][self.scope][self.name]


def in_baseline(trace: Trace, premise: Premise) -> Array | None:
    """The baseline's value of a premise, in a trace of secants; None if nothing flows to it."""
    for back in trace.stages:
        if not back.is_adjoint or premise.scope not in ("", back.owner):
            continue
        stage = trace.stage(back.owner)
        called = secant_names(stage.active)
        if premise.kind == "parameter":
            kept = trace.parameters[stage.scope]
            return kept.get(called.get(("base", premise.name), ""), kept[premise.name])
        source = {"input": X, "valid": VALID}.get(premise.kind)
        for name in [n for n, s in stage.sources.items() if s == source] if source else [premise.name]:
            values = trace.given.get(back.scope, {}).get(called.get(("base", name), ""))
            if values is not None:
                return values[-1 if stage.backwards else 0] if premise.kind == "state" else values
    return None


def premises(trace: Trace) -> Iterator[Premise]:
    """Every premise of the stages that are not adjoints; its gradient is 0 if nothing flows to it."""
    first = forward_stages(trace.stages)
    adjoints = {stage.owner: stage for stage in trace.stages if stage.is_adjoint}
    dtype = trace.header.dtype
    x = None if trace.x is None else np.zeros(trace.x.shape, dtype)
    valid = np.zeros((trace.steps, trace.batch, 1), dtype)
    for stage in first:
        back = adjoints.get(stage.scope)
        names = {} if back is None else back.cell.gradient_of
        sums = {} if back is None else trace.sums.get(back.scope, {})

        def at(name: str, values: Array, steps: slice = slice(None), back: Any = back, names: Any = names) -> Array:
            """The gradient of an input or state, 0 if nothing flows."""
            line = trace.operand(back.scope, names[name], steps) if name in names else None
            return np.zeros(values.shape, dtype) if line is None else line

        for name in stage.parameters:
            if name not in names:
                zero = np.zeros(trace.parameters[stage.scope][name].shape, dtype)
                yield Premise("parameter", stage.scope, name, zero)
            elif names[name] in sums:  # not in a part with only some steps
                yield Premise("parameter", stage.scope, name, sums[names[name]])
        edge = slice(trace.steps - 1, None) if stage.backwards else slice(0, 1)
        for name, value in trace.initial.get(stage.scope, {}).items():
            yield Premise("state", stage.scope, name, at(name, value[None], edge)[0])
        for name, source in stage.sources.items():
            if source == X and x is not None:
                x = x + at(name, x)
            elif source == VALID:
                valid = valid + at(name, valid)
            elif source == GIVEN and name in trace.given.get(stage.scope, {}):
                yield Premise("given", stage.scope, name, at(name, trace.given[stage.scope][name]))
    if x is not None:
        yield Premise("input", "", "x", x)
    yield Premise("valid", "", "valid", valid)


def gradients_of(trace: Trace) -> dict[str, Array]:
    """The mapping returned by `gradients`, for a trace that already has the adjoints (see `Trace.gradients`).

    Raises MissingError for a trace without adjoints, or a part of one that does not have all of them.
    """
    adjoints = [stage for stage in trace.stages if stage.is_adjoint]
    if not adjoints:
        raise MissingError("the trace has no adjoints: lt.backward(trace, of=…) gives a trace that has them")
    missing = []
    for stage in adjoints:
        if stage.owner not in trace.scopes:
            missing.append(f"{stage.owner}, of which {stage.scope} is the adjoint")
            continue
        cell = trace.stage(stage.owner).cell
        wanted = {*cell.inputs, *cell.states, *cell.parameters}
        held = {*trace.lines.get(stage.scope, {}), *trace.sums.get(stage.scope, {})}
        held |= stage.cell.states.keys()
        ends = dict.fromkeys(line for line, name in stage.cell.gradient if name in wanted and line not in held)
        missing += (f"{stage.scope}/{line}" for line in ends)
    if missing:
        raise MissingError(f"this part of the trace does not have all gradients; it lacks {some(missing, 3)}")
    return by_address(trace)


def by_address(trace: Trace, batch: int = 0, row: int = 0) -> dict[str, Array]:
    """The gradients in the layout in which the input was given.

    batch: if `trace` is one sequence of a batch, the batch size; the gradients of the others are 0.
    """

    def whole(values: Array, axis: int) -> Array:
        if not batch:
            return values
        return np.pad(values, [(row, batch - row - 1) if k == axis else (0, 0) for k in range(values.ndim)])

    def unbatched(values: Array, axis: int) -> Array:
        return values if trace.header.batched else values.take(0, axis)

    found = list(premises(trace))
    gradients = {one.place: one.gradient for one in found if one.kind == "parameter"}
    gradients |= {one.place: trace.outward(whole(one.gradient, 1)) for one in found if one.kind == "input"}
    states = [(s, as_grid(trace, s.scope, s.name, whole(s.gradient, 0))) for s in found if s.kind == "state"]
    for short, state in STATE.items():
        rows = [values for one, values in states if one.name == state]
        if rows:
            gradients[short] = unbatched(np.stack(rows), 1)
    gradients |= {one.place: unbatched(values, 0) for one, values in states if one.name not in INITIAL}
    return gradients | {one.place: trace.outward(whole(one.gradient, 1)) for one in found if one.kind == "given"}


@checked
def gradients(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> dict[str, Array]:
    """Compute the gradient of a weighted sum of outputs with respect to every parameter, input and initial state.

    Args:
        trace: a trace with every line that the sum depends on.
        output: weights of `trace.output`, in its shape.
        h_n: weights of `trace.h_n`.
        c_n: weights of `trace.c_n`.
        of: the address of one value of any line (`0/forward/3/0/c_t[1]`), with weight 1, or a sum of such values
            (`3/h_t[0] - 3/h_t[1]`, `sum(3/h_t)`); or a line of one unit, for example a loss, every value of it with
            weight 1. Everything given is added.
        seeds: weights of any lines by name (`c_t`, or `0/forward/c_t` if several layers have it), (T, B, width), or
            (T, width) if x was unbatched.

    Returns:
        Arrays by address: `0/forward/W_xi` in the parameter's shape; `x` in the layout in which x was given; `h0` and
        `c0` (L·D, B, ·), without B if x was unbatched; other initial states as `0/forward/n_prev`, (B, ·), or
        (B, r, c) for a matrix; supplied
        lines as `0/forward/f_t`. Their unit is that of the sum per unit of the value; here both are 1.

    Raises:
        ShapeError: if weights do not have the shape of the values that they weight.
        OptionError: if nothing is weighted.
        MissingError: if a line does not exist or was not recorded.

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
    b = int(rows[0])  # no other sequence matters
    alone = {scope: {name: v[:, b : b + 1] for name, v in here.items()} for scope, here in weights.items()}
    return by_address(walked(one_row(trace, b), alone, record=False), trace.batch, b)


@checked
def backward(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> Trace:
    """Return the gradients of a weighted sum of outputs as a trace: every adjoint at every step is a line of it.

    Args:
        trace: a trace with every line that the sum depends on.
        output: weights of `trace.output`, in its shape.
        h_n: weights of `trace.h_n`.
        c_n: weights of `trace.c_n`.
        of: the address of one value, or a line of one unit; see `gradients`.
        seeds: weights of any lines by name; see `gradients`.

    Returns:
        The trace with the adjoint of each stage as an additional stage (`0/adjoint-forward`): its line `d_c_t` is the
        gradient with respect to `c_t`, its `sums` are the gradients of the parameters. It shares the lines of `trace`
        instead of copying them. Its `gradients` is the mapping that `gradients` returns.

    Raises:
        ShapeError: if weights do not have the shape of the values that they weight.
        OptionError: if nothing is weighted.
        MissingError: if a line does not exist or was not recorded.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "h_t = W_h @ h_prev + W_x @ x_t\\ncarry: h_prev <- h_t"}
    >>> trace = lt.run({"W_h": [[0.5]], "W_x": [[2.0]]}, [[1.0], [3.0]], cell=cell)
    >>> back = backward(trace, of="1/h_t[0]")
    >>> back["d_h_t"].ravel().tolist(), lt.verify(back).verdict
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
    """The trace with its adjoint stages run. weights: as returned by `weighting`. record: keep every adjoint line.

    visit: called with every gradient, some steps at a time.
    """
    stages = adjoint_stages(trace.stages, weights, sizes(trace))
    dtype = trace.header.dtype
    given: dict[str, dict[str, Array]] = {}
    for stage in (stage for stage in stages if stage.owner in weights):
        here = weights[stage.owner]
        names = seed_names(trace.stage(stage.owner), here)
        given[stage.scope] = {fed: np.asarray(here[name], dtype) for name, fed in names.items()}
    return extended(trace, stages, given, record, visit)


def weighting(
    trace: Trace, output: Any = None, h_n: Any = None, c_n: Any = None, of: str | None = None, seeds: Any = None
) -> Weightings:
    """The weightings of `gradients` by scope and line, (T, B, width). Raises the errors of `gradients`."""
    if all(weights is None for weights in (output, h_n, c_n, of)) and (seeds is None or seeds == {}):
        said = "give weights as output, h_n, c_n or seeds, or one value's address as of"
        raise OptionError(f"nothing to differentiate: {said}")
    found = _weights(trace, output, h_n, c_n)
    if seeds is not None:
        _add_lines(trace, found, seeds)
    if of is not None:
        if loss := loss_of(trace, of):
            add(found, *loss, np.ones((trace.steps, trace.batch, 1)))
        else:
            target(trace, of).weigh(trace, found)
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
            there = ", ".join(f"{s}/{name}" for s in find(trace.stages, name))
            raise MissingError(f"seeds: {text}: choose one of {there}")
        shape = trace.steps, trace.batch, width_of(trace, scopes[0], name)
        given = numbers(values, f"seeds: {text}")
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
    for name, given in (("output", output), ("h_n", h_n), ("c_n", c_n)):
        if given is None:
            continue
        shape, state, values = getattr(trace, name).shape, f"{name[0]}_prev", numbers(given, name)
        if values.shape != shape:
            problems.append(f"{name} has shape {values.shape}; expected {shape}, that of trace.{name}")
            continue
        values = values if trace.header.batched else values[:, None]
        if name == "output":
            last, turned = trace.stages[-1], trace.header.batched and trace.header.batch_first
            add(seeds, last, last.cell.output, np.swapaxes(values, 0, 1) if turned else values)
            continue
        for stage, value in zip((s for s in trace.stages if state in s.cell.states), values, strict=True):
            whole = np.zeros((trace.steps, *value.shape))
            whole[0 if stage.backwards else -1] = value
            add(seeds, stage, stage.cell.states[state], whole)
    raise_all(ShapeError, problems)
    return seeds


class Norm(NamedTuple):
    """The norm of the gradient with respect to a carried line at a step."""

    layer: int
    direction: str
    line: str
    t: int
    norm: float


@dataclass(frozen=True)
class Norms:
    """The norms at every valid step of sequence `b`; 0 if nothing flows.

    of: the address of the value or vector, or the name of a loss; empty for the sum of the last outputs (`last`).
    vector: whether they belong to a Jacobian.
    """

    of: str
    b: int
    vector: bool
    rows: tuple[Norm, ...]


def norms(trace: Trace, of: str | None = None, batch: int = 0, output: Any = None) -> Norms:
    """The norm of the gradient of a value with respect to the values that each layer and direction carries, by step.

    of: the address of one value, or of all units of a line at a step (`5/h_t`); the name of a loss; if None the sum of
    the last outputs of the top layer, in each of its directions. batch: the sequence, if the address does not determine
    it.
    output: weights of the output, in its shape, instead of `of`.
    Raises MissingError for an unknown name, TooLargeError for a Jacobian that would take minutes.
    """
    trace = forward(trace)
    if not 0 <= batch < trace.batch:
        raise MissingError(f"there is no batch element {batch}: there are 0 to {trace.batch - 1}")
    vector = None if of is None else _vector(trace, of)
    if vector is not None:
        name, b = str(vector), vector.b or 0
        found = _Squares(one_row(trace, b))
        for seeds in _identity(found.trace, vector):
            found.add(seeds)
    else:
        name, b, seeds = _weighted(trace, of, batch, output)
        found = _Squares(one_row(trace, b))
        found.add({scope: {n: v[:, b : b + 1] for n, v in here.items()} for scope, here in seeds.items()})
    return Norms(name, b, vector is not None, tuple(found.norms()))


def _vector(trace: Trace, of: str) -> Address | None:
    """The address of all units of a line at a step; None for anything else."""
    of = slashed(trace, of, every=True)
    name = line_name(of)
    known = any(name in stage.cell.by_name for stage in trace.stages)
    if not known or names_several(trace, of) or loss_of(trace, of) is not None:
        return None
    found = trace.locate(of)
    return found if found.unit is None and sizes(trace)[found.scope][name] > 1 else None


def _weighted(trace: Trace, of: str | None, batch: int, output: Any) -> tuple[str, int, Weightings]:
    """The description of `of`, its sequence, and its weightings."""
    if output is not None:
        return "", batch, weighting(trace, output=output)
    if of is None:
        return "", batch, _last(trace, batch)
    if loss_of(trace, of) is not None:
        return of, batch, weighting(trace, of=of)
    value = target(trace, of)
    return str(value), value.b, weighting(trace, of=of)


def _last(trace: Trace, b: int) -> Weightings:
    """Weights of one for the outputs of the top layer's stages at their last valid step."""
    inside = np.flatnonzero(trace.valid[:, b, 0])
    if not inside.size:
        raise MissingError(f"all steps of batch element {b} are padding: choose another")
    top = [stage for stage in trace.stages if stage.layer == trace.stages[-1].layer and stage.direction != "joined"]
    seeds: Weightings = {}
    for stage in top:
        output = stage.cell.output
        if output not in sizes(trace)[stage.scope]:  # `ask` may name a state and not its padded output
            output = stage.unpadded(output)
        whole = np.zeros((trace.steps, trace.batch, width_of(trace, stage.scope, output)))
        whole[inside[0 if stage.backwards else -1], b] = 1.0
        seeds[stage.scope] = {output: whole}
    return seeds


def _identity(trace: Trace, of: Address) -> Iterator[Weightings]:
    """The units of a vector one by one, as sequences of a batch, some at once. Raises TooLargeError."""
    widths = sizes(trace)
    width = widths[of.scope][of.line]
    if 2 * width * run_seconds(trace) > plan_choice.MOST_SECONDS:  # a backward pass takes up to twice as long as a run
        raise TooLargeError(
            f"the Jacobian of {of} is {width} gradients over {trace.steps} steps, which takes too long: "
            f"name one of its units, {of}[0] for example"
        )
    values = trace.steps * sum(sum(here.values()) for here in widths.values())
    size = plan_choice.at_once(values * np.dtype(trace.header.dtype).itemsize)
    for first in range(0, width, size):
        units = range(first, min(first + size, width))
        whole = np.zeros((trace.steps, len(units), width))
        whole[trace.index(of.t or 0), range(len(units)), units] = 1.0
        yield {of.scope: {of.line: whole}}


class _Squares:
    """The squared entries of gradients with respect to the carried values of one sequence, summed at each step."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self.sizes = {(stage.scope, line): np.zeros(trace.steps) for stage in trace.stages for line in stage.carried}

    @np.errstate(all="ignore")  # an overflowed gradient has no norm
    def add(self, seeds: Weightings) -> None:
        """Add the gradients of some weightings, each a sequence of a batch."""
        count = next(values.shape[1] for here in seeds.values() for values in here.values())
        trace = self.trace if count == 1 else rows(self.trace, np.zeros(count, int))
        walked(trace, seeds, record=False, visit=self.visit)

    def visit(self, back: Stage, steps: slice, values: Values) -> None:
        """Process the gradients that reach a stage at some steps."""
        for name, new in back.cell.gradient_of.items():
            if (back.owner, name) in self.sizes:
                sizes = self.sizes[back.owner, name][steps]
                np.hypot(sizes, np.hypot.reduce(np.asarray(values(new), np.float64), axis=(1, 2)), out=sizes)

    def norms(self) -> Iterator[Norm]:
        """The norms at the valid steps."""
        inside = np.flatnonzero(self.trace.valid[:, 0, 0])
        for stage in self.trace.stages:
            for line in stage.carried:
                sizes = self.sizes[stage.scope, line]
                for at in inside:
                    yield Norm(stage.layer, stage.direction, line, self.trace.span[at], float(sizes[at]))
