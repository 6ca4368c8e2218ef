"""`lift`: a step function that somebody wrote, as a cell of equations with its weights by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from ..base.arrays import Array, describe
from ..errors import LiftError, LstmTraceError, OptionError, ShapeError
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .building import BuiltCell, UnlikeError, built
from .call import OutputPath, at, means, named_paths, understood, untold
from .expressions import Expr
from .lifted import Lifted
from .reading import Reader
from .recording import RaisedError, RecordedRun, as_numbers, has_arrays, is_array, leaves, plain_run, recorded, torch
from .sequence import AuthorFunction, SequenceFunction, first_of, in_shape, rows
from .tape import Ids, Tape


@checked
def lift(
    step: Any, weights: Any, x: Any, *, h: Any = None, c: Any = None, states: Mapping[str, Any] | None = None,
    sequence: bool | None = None, returns: str | None = None,
) -> Lifted:  # fmt: skip
    """Read a step function, or a PyTorch module, that you wrote yourself as a cell of equations (docs/lift.md).

    Args:
        step: the function of one step; it is run, with recording arrays in place of its arguments.
        weights: its weights: a mapping of arguments, or one dict or tuple that the function takes as a whole; None for
            a module, a method, or a function that reads its weights from variables around it.
        x: the input, (T, …): `x[t]` is what the function gets, (I,), (B, I), (I, B) or (I, 1).
        h: the initial hidden state, in the shape in which the function takes it.
        c: the initial cell state.
        states: other initial states by the name of their parameter, and h and c if you prefer the function's own names.
        sequence: whether the function takes the whole x, in its own layout, or a list of steps; None tries both.
        returns: what the function returns, as in "h, c, cache" or "out, (h, c)", if that cannot be told.

    Returns:
        A `Lifted`: `trace`, `cell`, `weights`, `kind`, `sentence`, `named`, `run(x)` and `compare()`.

    Raises:
        LiftError: if the function does what no equation can express, with the line of its code, or if the lifted cell
            does not compute what the function does.
        OptionError, ShapeError: if the arguments do not fit the function.

    >>> def step(x, h, W, U, b):
    ...     return np.tanh(W @ x + U @ h + b)
    >>> found = lift(step, {"W": np.eye(2), "U": np.eye(2), "b": np.ones(2)}, np.ones((3, 2)), h=np.zeros(2))
    >>> found.sentence, found.cell.equations["z_h"]
    ('a simple RNN', 'W_xh @ x_t + W_hh @ h_prev + b_h')
    """
    steps = _steps(x)
    weights = _weights(weights)
    given, tuples = _states(h, c, states, steps.ndim)
    listed = isinstance(x, (list, tuple)) and len(x) > 0 and is_array(x[0])
    for name, value in {"x": steps, **given}.items():
        if str(value.dtype).removeprefix("torch.") not in ("float32", "float64"):
            raise OptionError(f"{name}: expected float32 or float64, found {value.dtype}: convert it, and the weights")

    def of_sequence(axis: int, way: int) -> Lifted:
        call = understood(step, weights, [*given], tuples)
        return SequenceFunction(call, weights, steps, given, axis, listed=listed, way=way).lifted()

    ways = [] if sequence else [partial(_of_step, step, weights, steps, given, tuples, returns)]
    if sequence is not False:
        axes = ((0,), (0, 1), (1, 0, 2))[0 if listed else min(steps.ndim, 3) - 1]
        ways += [partial(of_sequence, axis, way) for way in (1, -1) for axis in axes]
    return _first(ways)


def _first(ways: Sequence[Callable[[], Lifted]]) -> Lifted:
    """The first way in which a function can be lifted, or the error that says most.

    The code itself may fail where it is called in another way than it is meant to be, which says less than a refusal.
    """
    refused: list[LstmTraceError] = []
    for way in ways:
        try:
            return way()
        except LstmTraceError as error:
            refused.append(error)
    raised = [e for e in refused if isinstance(e, RaisedError)]
    lifting = [e for e in refused if isinstance(e, LiftError) and e not in raised]
    best = next((e for e in refused if isinstance(e, UnlikeError)), (lifting or refused)[0])
    if raised and isinstance(best, OptionError):  # the arguments fit one way alone, in which the code fails
        raise type(best)(*best.problems, f"over the whole sequence: {raised[0]}")
    raise best


def _of_step(
    step: Any, weights: Any, x: Any, given: dict[str, Any], tuples: dict[str, tuple[str, ...]], returns: str | None
) -> Lifted:  # fmt: skip
    """The cell of a function of one step."""
    if not given:
        raise OptionError(
            "h: a step function carries a state: give its first value, in the shape of the function, as h=…, c=… or "
            "states={…}; a state that an object keeps, such as self.h, must become an argument that is returned"
        )
    call = understood(step, weights, [*given], tuples)
    if x.ndim == 3:  # one row for all sequences
        given = {name: one + 0 * x[0][:, :1] if one.ndim == 1 else one for name, one in given.items()}
    axes = _axes(x, [*given.values()])
    function = StepFunction(call, weights, x, given, returns=returns)
    try:
        run = function.recorded()
        if function.ordered(run) is False:
            swapped = {name: given[{"h": "c", "c": "h"}.get(name, name)] for name in given} if tuples else given
            function = replace(function, call=call.reordered(), states=swapped)
            run = function.recorded()
        return _first([partial(replace(function, batch=axis).lifted, run) for axis in axes])
    except LiftError:
        if x.ndim == 2 and len(x) > 1 and all(one.ndim == 2 and len(one) == len(x) for one in given.values()):
            raise ShapeError(
                f"x[0] has shape {tuple(x[0].shape)} and a state {tuple(next(iter(given.values())).shape)}: the first "
                "axis of x has the steps, so that x is expected as (T, B, I)"
            ) from None
        raise


def _weights(weights: Any) -> Any:
    """Weights, with whole numbers and lists of numbers as arrays."""
    if isinstance(weights, Mapping):
        weights = {n: one if has_arrays(one) or isinstance(one, int) else _array(one) for n, one in weights.items()}
    if weights is not None and not has_arrays(weights):
        raise OptionError(f"weights: expected arrays by name, or None, found {describe(weights)} without any")
    return weights


def _states(
    h: Any, c: Any, others: Mapping[str, Any] | None, axes: int
) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]]:  # fmt: skip
    """The initial states by our names, h before c before others; and parameters that take a tuple of some.

    axes: those of the input. A state that has as many is a matrix, and keeps its name.
    """
    found = {name: value for name, value in {"h": h, "c": c}.items() if value is not None}
    tuples: dict[str, tuple[str, ...]] = {}
    several = sum(isinstance(one, (list, tuple)) and has_arrays(one) for one in (others or {}).values()) > 1
    for name, value in (others or {}).items():
        if isinstance(value, (list, tuple)) and has_arrays(value):
            parts = getattr(value, "_fields", ("h", "c", *(f"s{k}" for k in range(2, len(value))))[: len(value)])
            tuples[name] = tuple(f"{name}_{part}" for part in parts) if several else parts
            found |= zip(tuples[name], value, strict=True)
            continue
        matrix = as_numbers(value).squeeze().ndim >= axes > 1
        ours = name.removesuffix("_prev") if matrix else name
        found[next((one for one in "hc" if means(name, one) and one not in found and not matrix), ours)] = value
    for name, value in found.items():
        found[name] = _array(value)
        if not is_array(found[name]):
            raise OptionError(f"{name}: expected an array of numbers, found {describe(value)}")
    return {name: found[name] for name in sorted(found, key=lambda name: ("h", "c", name).index(name))}, tuples


def _steps(x: Any) -> Any:
    """The input as one array."""
    if isinstance(x, (list, tuple)) and x and torch() is not None and isinstance(x[0], torch().Tensor):
        x = torch().stack([*x])
    x = _array(x)
    if not is_array(x) or not x.ndim or not len(x):
        raise OptionError(f"x: expected an array with one entry for each step, found {describe(x)}")
    return x


def _array(value: Any) -> Any:
    """Lists of numbers, and numbers, as an array; anything else as it is."""
    if isinstance(value, (list, tuple, float, int)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub"):
        with suppress(TypeError, ValueError):
            return np.asarray(value, np.float64)
    return value


def _axes(xs: Any, states: Sequence[Any]) -> list[int | None]:
    """The axis of the batch, as far as the shapes tell; None for no batch."""
    x, state = xs[0], states[0]
    ranks = [one.ndim for one in states]
    if x.ndim < 2 or max(ranks) < 2:
        return [None]
    axes = (0, 1)[: 4 - max(2, *ranks)]  # before rows and columns of a matrix is the first one alone
    found: list[int | None] = [k for k in axes if all(one.ndim < 2 or one.shape[k] == x.shape[k] for one in states)]
    if x.shape[1:] == (1,) and any(one.ndim == 2 and min(one.shape) > 1 for one in states):
        found.append(None)  # a column beside a matrix
    if not found or x.ndim > 2:
        raise ShapeError(
            f"x[0] has shape {tuple(x.shape)} and a state {tuple(state.shape)}: they have no axis of sequences in "
            "common; expected (B, I) and (B, H), (I, B) and (H, B), or (I,) and (H,)"
        )
    return found


@dataclass
class StepFunction(AuthorFunction):
    """A function of one step. paths: where each new state is in what it returns. output: the same of the output, if
    that is no state.
    """

    returns: str | None = None
    paths: Mapping[str, OutputPath] = field(default_factory=dict, init=False)
    output: Mapping[str, OutputPath] = field(default_factory=dict, init=False)

    def recorded(self) -> RecordedRun:
        return recorded(self.call, self.weights, [self.x[0]], self.states, lambda steps: steps[0])

    def ordered(self, run: RecordedRun) -> bool | None:
        """Whether h and c are passed in the order that names and products in the code tell; None if neither does."""
        if not {"h", "c"} <= {*self.states}:
            return True
        names = {role: name for name, role in self.call.places.items() if isinstance(role, str)}
        names |= {one: run.tape.variable(run.states[one]) for one in self.call.tupled}
        for said, other in (True, {"h": "h", "c": "c"}), (False, {"h": "c", "c": "h"}):
            if any(means(names[one], other[one]) for one in "hc"):
                return said
        for op in ("dot", "mul"):  # the latter of a cell of numbers; c may have peepholes
            inside = [
                one for node in run.tape.nodes if node.op == op and any(map(run.tape.fixed, node.operands))
                for one in node.operands if not run.tape.fixed(one)
            ]  # fmt: skip
            h, c = (any(np.isin(run.states[state], one).any() for one in inside) for state in "hc")
            if h != c:
                return h
        return None

    def loop(self, run: RecordedRun) -> str:
        if len(self.states) < 2:
            return ""
        new = {path: f"{self.state_name(state)}_t" for state, path in self.paths.items()}

        def taken(value: Any, path: OutputPath) -> str:
            if path in new or not any(one[: len(path)] == path for one in new):
                return new.get(path, "_")
            items = value if isinstance(value, Mapping) else dict(enumerate(value))
            return f"({', '.join(taken(one, (*path, key)) for key, one in items.items())})"

        old: dict[Any, str] = {name: f"{self.state_name(name)}_prev" for name in self.states} | {None: "x_t"}
        for role in self.call.places.values():
            if isinstance(role, tuple) and role[0] in old:
                old[role] = f"({', '.join(old[name] for name in role)})"
        given = (f"{name}={old[role]}" for name, role in self.call.places.items() if role in old)
        return f"{taken(run.output, ())[1:-1]} = {self.call.named}({', '.join(given)})"

    def read(self, run: RecordedRun, matrices: bool) -> BuiltCell:
        remembers = any(first_of(ids, self.batch).ndim > 1 for ids in run.states.values())

        def value(ids: Ids) -> Any:
            return first_of(ids, self.batch) if matrices and remembers else rows(ids, self.batch)[0]

        given = {"x_t": run.x[0]} | {f"{self.state_name(name)}_prev": ids for name, ids in run.states.items()}
        reader = Reader(run.tape, {name: value(ids) for name, ids in given.items()})
        shapes = [ids.shape for ids in run.states.values()]
        returned = dict(leaves(run.output, joined=() not in shapes))
        outputs: dict[OutputPath, Expr] = {}
        for path, ids in returned.items():
            try:
                outputs[path] = reader.value(value(ids))
            except LiftError:  # what is kept for a backward pass may be of any form
                if len(path) < 2 and (remembers or ids.shape in shapes):
                    raise
        self.paths = self._paths(run, outputs, {path: returned[path] for path in outputs})
        named = {self.state_name(name): outputs[self.paths[name]] for name in self.states}
        states = {name: named[name] for name in sorted(named, key=lambda name: ("h", "c", name).index(name))}
        others: dict[str, Expr] = {}
        self.output = {}  # of a memory it is what is read from it; of vectors, what stands before them
        for path, expr in outputs.items():
            name, read = run.tape.variable(returned[path]), remembers or path == (0,)
            if read and name in ("", *states):
                name = "out"
            if len(path) < 2 and name and expr.args and expr not in states.values():
                others.setdefault(name, expr)
                self.output = self.output or ({name: path} if read else {})
        output = next((others[name] for name in self.output), None)
        return built(reader, states, others, run.dtype, self.call.named, returned.values(), output)

    def _paths(
        self, run: RecordedRun, outputs: Mapping[OutputPath, Expr], arrays: Mapping[OutputPath, Ids]
    ) -> dict[str, OutputPath]:  # fmt: skip
        """Where each new state is in what the function returns: by `returns`, shapes, names, or order."""
        if self.returns is not None:
            named = named_paths(run.output, self.returns)
            said = {one: [path for name, path in named.items() if means(name, one)] for one in self.states}
            if lost := [state for state, paths in said.items() if not paths or paths[0] not in outputs]:
                raise OptionError(f"returns: {self.returns!r} names no array for the state {', '.join(lost)}")
            return {state: paths[0] for state, paths in said.items()}
        # the first place of what is returned twice; a number of the code is no state
        first = {expr: path for path, expr in reversed([*outputs.items()]) if expr.op != "number"}
        found: dict[str, OutputPath] = {}
        fitting: dict[OutputPath, str] = {}
        for state in self.states:
            shape = run.states[state].shape
            if not (fit := sorted(path for path in first.values() if arrays[path].shape == shape)):
                raise ShapeError(
                    f"{self.call.named} returns nothing in the shape of {state}, {tuple(shape)}; a step function "
                    "returns its new states"
                )
            for path in fit:  # a key that is called like a state tells more than a variable
                key = path[0] if path else 0
                names = [key if isinstance(key, str) else f"value {key + 1}", run.tape.variable(arrays[path])]
                called = [one for one in names if any(means(one, other) for other in self.states)]
                fitting[path] = [*called, *filter(None, names[::-1])][0]
            alike = [path for path in fit if means(fitting[path], state)]
            alike = alike or [path for path in fit if means(fitting[path][:-1], state) and fitting[path][-1].isdigit()]
            if len(alike or fit) == 1:
                found[state] = (alike or fit)[0]
        twice = [path for path, times in Counter(found.values()).items() if times > 1]
        found = {state: path for state, path in found.items() if path not in twice}
        left = [state for state in self.call.order if state not in found]
        paths = [path for path in fitting if path not in found.values()]
        if not left:
            return found
        if [run.states[one].shape for one in left] != [arrays[path].shape for path in paths]:
            raise untold([*self.states], [*fitting.values()])
        found |= zip(left, paths, strict=True)
        told = {*left} == {"h", "c"} and self.ordered(run) is not None  # otherwise both go by their places
        if told and outputs[found["h"]] in [*outputs[found["c"]].inside()]:
            found |= {"h": found["c"], "c": found["h"]}  # h is computed from c
        return found

    def values(self, cell: BuiltCell, trace: Trace, x: Any, states: Any, tape: Tape) -> dict[str, Array]:
        """Every step from the states that the cell has before it, so that no error grows from step to step."""
        found: dict[str, list[Array]] = {name: [] for name in (*states, *self.output)}
        before = dict(states)
        with plain_run(self.call, self.weights, tape) as run:
            for t, one in enumerate(x):
                output = run(one, before)
                for name, path in {**self.paths, **self.output}.items():
                    value = at(output, path)
                    found[name].append(rows(as_numbers(value), self.batch))
                    if name in states:
                        before[name] = in_shape(trace[cell.lines[self.state_name(name)]][t], value, self.batch)
        return {cell.lines[self.state_name(name)]: np.stack(each) for name, each in found.items()}
