"""`lift`: a step function that somebody wrote, as a cell of equations with its weights by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from ..base.arrays import Array, describe
from ..errors import LiftError, OptionError, ShapeError
from ..model.model import Model
from ..trace.argument_types import checked
from ..trace.trace import Trace
from .building import built
from .call import OutputPath, StepCall, at, leaves, means, named_paths, understood, untold
from .checking import MORE, check_equal, copied, plain_run, random_like
from .expressions import Expr
from .lifted import Lifted
from .reading import Reader
from .recording import Recording, as_numbers, has_arrays, ids_of_output, is_array, torch, unlike
from .sequence import lift_sequence
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
    if weights is not None and not has_arrays(weights):
        raise OptionError(f"weights: expected arrays by name, or None, found {describe(weights)}")
    given = _states(h, c, states)

    def whole() -> Lifted:
        return lift_sequence(understood(step, weights, [*given]), weights, steps, given, _is_list(x))

    if sequence:
        return whole()
    try:
        return _of_step(step, weights, steps, given, returns)
    except Exception as error:
        if sequence is False or steps.ndim < 2:
            raise
        try:
            return whole()
        except Exception as other:
            # the code itself may fail where it is called in the other way
            raise (other if isinstance(other, LiftError) and not isinstance(error, LiftError) else error) from None


def _of_step(step: Any, weights: Any, steps: Any, given: dict[str, Any], returns: str | None) -> Lifted:
    """The cell of a function of one step."""
    if not given:
        raise OptionError("h: a step function carries a state: give its first value, in the shape of the function")
    call = understood(step, weights, [*given])
    _axes(steps[0], next(iter(given.values())))
    lifting = _Lifting(call, weights, steps, given, returns)
    if not lifting.ordered:
        lifting = _Lifting(call.reordered(), weights, steps, given, returns)
    return lifting.lifted()


def _is_list(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and len(x) > 0 and is_array(x[0])


def _states(h: Any, c: Any, others: Mapping[str, Any] | None) -> dict[str, Any]:
    """The initial states by our names, h before c before others."""
    found = {name: value for name, value in {"h": h, "c": c}.items() if value is not None}
    for name, value in (others or {}).items():
        found[next((one for one in "hc" if means(name, one) and one not in found), name)] = value
    for name, value in found.items():
        found[name] = _array(value)
        if not is_array(found[name]):
            raise OptionError(f"{name}: expected an array of numbers, found {describe(value)}")
    return {name: found[name] for name in sorted(found, key=lambda name: ("h", "c", name).index(name))}


def _steps(x: Any) -> Any:
    """The input as one array."""
    if isinstance(x, (list, tuple)) and x and torch() is not None and isinstance(x[0], torch().Tensor):
        x = torch().stack([*x])
    x = _array(x)
    if not is_array(x) or not x.ndim or not len(x):
        raise OptionError(f"x: expected an array with one entry for each step, found {describe(x)}")
    return x


def _array(value: Any) -> Any:
    """Lists of numbers, and whole numbers, as an array; anything else as it is."""
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.dtype.kind in "iub"):
        try:
            return np.asarray(value, np.float64)
        except (TypeError, ValueError):
            return value
    return value


def _axes(x: Any, state: Any) -> list[int | None]:
    """The axis of the batch, as far as the shapes tell; None for no batch."""
    if x.ndim < 2 or state.ndim < 2:
        return [None]
    found: list[int | None] = [k for k in (0, 1) if x.shape[k] == state.shape[k]]
    if not found or x.ndim > 2 or state.ndim > 2:
        raise ShapeError(
            f"x[0] has shape {tuple(x.shape)} and a state {tuple(state.shape)}: they have no axis of sequences in "
            "common; expected (B, I) and (B, H), (I, B) and (H, B), or (I,) and (H,)"
        )
    return found


def _place(path: OutputPath) -> str:
    """What a returned value without a name is called: its key, or its number."""
    first = path[0] if path else 0
    return first if isinstance(first, str) else f"value {first + 1}"


def _rows(value: Any, axis: int | None) -> Any:
    """An array of one step as (B, width)."""
    return np.moveaxis(value, axis, 0) if axis is not None and value.ndim > 1 else value.reshape(1, -1)


@dataclass
class _Lifting:
    """One attempt to lift a function, called in one way."""

    call: StepCall
    weights: Any
    x: Any
    states: dict[str, Any]
    returns: str | None

    def __post_init__(self) -> None:
        recording, self.given, self.output = self._recorded()
        self.tape: Tape = recording.tape
        if (code := unlike(self.tape, self._recorded()[0].tape)) is not None:
            raise LiftError(
                f"{code}: two calls with the same values compute two values here: by randomness, or by a state that is "
                "kept outside of the function"
            )

    def _recorded(self) -> tuple[Recording, dict[str, Ids], Any]:
        """One run on the first step."""
        recording = Recording()
        ids = {"x": recording.tape.source("x", as_numbers(self.x[0]), 0, "x")}
        for name, value in self.states.items():
            ids[name] = recording.tape.source("state", as_numbers(value), 0, name)
        arrays = {name: recording.array(one.copy(), self.states.get(name, self.x)) for name, one in ids.items()}
        arguments = self.call.arguments(arrays.pop("x"), arrays, recording.weights(self.weights, ""))
        return recording, ids, recording.run(self.call.function, arguments)

    @property
    def ordered(self) -> bool:
        """Whether the states of a tuple stand in the order that names and products in the code tell."""
        if not self.call.tupled:
            return True
        names = [self.tape.variable(self.given[one]) for one in self.call.tupled]
        if all(names) and any(means(name, other) for name in names for other in self.call.tupled):
            return all(means(name, one) for name, one in zip(names, self.call.tupled, strict=True))
        inside = [operand for node in self.tape.nodes if node.op == "dot" for operand in node.operands]
        multiplied = [any(np.isin(one, self.given[state]).any() for one in inside) for state in ("h", "c")]
        return multiplied != [False, True]

    # -- reading --

    def lifted(self) -> Lifted:
        """The cell, compared with the function."""
        refused: list[LiftError] = []
        for axis in _axes(self.x[0], next(iter(self.states.values()))):
            try:
                return self._read(axis)
            except LiftError as error:
                refused.append(error)
        raise refused[0]

    def _read(self, axis: int | None) -> Lifted:
        rows = {name: _rows(ids, axis)[0].reshape(-1) for name, ids in self.given.items()}
        reader = Reader(self.tape, {"x_t" if name == "x" else f"{name}_prev": ids for name, ids in rows.items()})
        outputs: dict[OutputPath, Expr] = {}
        returned = {
            path: self._ids(path) for path, _ in leaves(self.output, lambda one: ids_of_output(one) is not None)
        }
        for path, ids in returned.items():
            try:
                outputs[path] = reader.vector(_rows(ids, axis)[0])
            except LiftError:  # what is kept for a backward pass may be of any form
                if len(path) < 2 and ids.shape in [self.given[name].shape for name in self.states]:
                    raise
        paths = self._paths(outputs)
        states = {name: outputs[paths[name]] for name in self.states}
        others: dict[str, Expr] = {}
        for path, expr in outputs.items():
            name = self.tape.variable(self._ids(path))
            if len(path) < 2 and name and expr.args and expr not in states.values():
                others.setdefault(name, expr)
        dtype = np.result_type(np.float32, *(as_numbers(one).dtype for one in (self.x, *self.states.values())))
        cell = built(reader, states, others, dtype, self.call.named, returned.values())
        check = _Check(cell.model, self, paths, cell.lines, axis)
        trace = check.trace(self.x, self.states)
        check.trace(*check.another())
        return Lifted(trace, cell.model, cell.naming, cell.weights, cell.aliases, cell.unread, cell.spare)

    def _ids(self, path: OutputPath) -> Ids:
        """The numbers of an array that the function returned."""
        return cast(Ids, ids_of_output(at(self.output, path)))

    def _paths(self, outputs: Mapping[OutputPath, Expr]) -> dict[str, OutputPath]:
        """Where each new state is in what the function returns: by `returns`, shapes, names, or order."""
        if self.returns is not None:
            named = named_paths(self.output, self.returns)
            said = {
                one: [path for name, path in named.items() if name == one or means(name, one)] for one in self.states
            }
            if lost := [state for state, paths in said.items() if not paths or paths[0] not in outputs]:
                raise OptionError(f"returns: {self.returns!r} names no array for the state {', '.join(lost)}")
            return {state: paths[0] for state, paths in said.items()}
        arrays = {path: self._ids(path) for path in outputs}
        first = {expr: path for path, expr in reversed([*outputs.items()])}  # of what is returned twice
        found: dict[str, OutputPath] = {}
        fitting: dict[OutputPath, str] = {}
        for state in self.states:
            shape = self.given[state].shape
            fit = sorted(path for path in first.values() if arrays[path].shape == shape)
            if not fit:
                raise ShapeError(
                    f"{self.call.named} returns nothing in the shape of {state}, {tuple(shape)}; a step function "
                    "returns its new states"
                )
            fitting |= {path: self.tape.variable(arrays[path]) or _place(path) for path in fit}
            alike = [path for path in fit if means(fitting[path], state)]
            if len(alike or fit) == 1:
                found[state] = (alike or fit)[0]
        if len({*found.values()}) == len(self.states):
            return found
        if len(fitting) != len(self.states):
            raise untold([*self.states], [*fitting.values()])
        paths = [*fitting]
        if [*self.states] == ["h", "c"] and outputs[paths[0]] in [*outputs[paths[1]].inside()]:
            paths.reverse()  # h is computed from c
        return dict(zip(self.states, paths, strict=True))

    # -- the function itself --

    def loop(self, x: Any, states: Mapping[str, Any], paths: Mapping[str, OutputPath]) -> dict[str, list[Any]]:
        """The states after each step, by the function itself."""
        found: dict[str, list[Any]] = {name: [] for name in states}
        with plain_run(self.call.function, self.tape):
            for one in x:
                copies = {name: copied(value) for name, value in states.items()}
                output = self.call.function(**self.call.arguments(copied(one), copies, self.weights))
                states = {name: at(output, paths[name]) for name in states}
                for name, value in states.items():
                    found[name].append(as_numbers(value).copy())
        return found


@dataclass
class _Check:
    """The comparison of a lifted cell with the function that it was lifted from."""

    model: Model
    lifting: _Lifting
    paths: Mapping[str, OutputPath]
    lines: Mapping[str, str]
    axis: int | None

    def trace(self, x: Any, states: Mapping[str, Any]) -> Trace:
        """The trace over an input. Raises LiftError if the function computes something else."""
        rows = np.stack([_rows(one, self.axis) for one in as_numbers(x)])
        begin = {name: _rows(as_numbers(value), self.axis) for name, value in states.items()}
        trace = self.model.run(rows, **_started(begin))
        for name, values in self.lifting.loop(x, states, self.paths).items():
            theirs = np.stack([_rows(one, self.axis) for one in values])
            check_equal(trace[self.lines[name]], theirs, self.lifting.call.named, name)
        return trace

    def another(self) -> tuple[Any, dict[str, Any]]:
        """Another input, longer, and other states."""
        random = np.random.default_rng(0)
        x, states = self.lifting.x, self.lifting.states
        longer = random_like(x, (len(x) + MORE, *x.shape[1:]), random)
        return longer, {name: random_like(one, one.shape, random) for name, one in states.items()}


def _started(begin: Mapping[str, Array]) -> dict[str, Any]:
    """Initial states as arguments of `Model.run`."""
    others = {f"{name}_prev": value for name, value in begin.items() if name not in "hc"}
    return {f"{name}0": value for name, value in begin.items() if name in "hc"} | {"initial": others or None}
