"""A function over a whole sequence: what each step reads of the steps before it is its state.

The function is run on a few steps. The equations of one step are read with what it takes from the step before as its
states, and must be the same at two steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import LiftError
from .building import BuiltCell, built
from .call import OutputPath, StepCall, at, means
from .checking import MORE, check_equal, copied, plain_run, random_like
from .expressions import Expr, Expressions
from .lifted import Lifted
from .reading import Reader
from .recording import Recording, as_numbers, ids_of_output
from .tape import INITIAL, Ids

#: So many steps are recorded. The equations are read at two of the last, which know all states.
STEPS = 7
_READ = (3, 2)


def lift_sequence(call: StepCall, weights: Any, x: Any, states: Mapping[str, Any], listed: bool) -> Lifted:
    """The cell of a function over a whole sequence; listed: it takes a list of time steps, and x has them first."""
    refused: list[Exception] = []
    for axis in (0,) if listed else ((0, 1), (1, 0, 2))[x.ndim > 2]:
        try:
            return SequenceRun(call, weights, x, dict(states), axis, listed).lifted()
        except Exception as error:
            refused.append(error)
    raise next((one for one in refused if isinstance(one, LiftError)), refused[0])


@dataclass
class SequenceRun:
    """A function over a sequence, with the axis of x that is time."""

    call: StepCall
    weights: Any
    x: Any
    states: dict[str, Any]
    axis: int
    listed: bool

    def __post_init__(self) -> None:
        #: The axis of the batch in a step of x.
        self.batch = None if self.x.ndim < 3 else 0 if self._rows_first() else 1
        self.recording, self.output = Recording(), None

    def _rows_first(self) -> bool:
        """Whether a step of x is (B, I), not (I, B)."""
        sizes = np.delete(self.x.shape, self.axis)
        known = [one.shape for one in self.states.values() if one.ndim > 1]
        if any(shape[0] != sizes[0] and shape[1] == sizes[1] for shape in known):
            return False
        return self.axis < 2 and (bool(known) or sizes[1] != 1 or sizes[0] == 1)

    # -- the function --

    def _one(self, x: Any, sequence: int) -> Any:
        """One sequence of the batch."""
        if self.batch is None:
            return x
        axis = [n for n in range(x.ndim) if n != self.axis][self.batch]
        return x[(slice(None),) * axis + (slice(sequence, sequence + 1),)]

    def _state(self, value: Any, sequence: int) -> Any:
        """The initial state of one sequence of the batch."""
        if self.batch is None or value.ndim < 2:
            return value
        return value[(slice(None),) * (value.ndim - 2 + self.batch) + (slice(sequence, sequence + 1),)]

    def _given(self, x: Any) -> Any:
        return [copied(one) for one in x] if self.listed else copied(x)

    def _recorded(self) -> tuple[Recording, list[Ids], Any]:
        recording = Recording()
        whole = self._one(self.x, 0)
        numbers = np.take(as_numbers(whole), np.arange(STEPS) % whole.shape[self.axis], self.axis)
        parts = [recording.tape.source("x", np.take(numbers, t, self.axis), t, "x") for t in range(STEPS)]
        x = [recording.array(one.copy(), whole) for one in parts]
        given = x if self.listed else recording.array(np.stack(parts, self.axis), whole)
        states = {}
        for name, value in self.states.items():
            own = self._state(value, 0)
            states[name] = recording.array(recording.tape.source("state", as_numbers(own), INITIAL, name), own)
        arguments = self.call.arguments(given, states, recording.weights(self.weights, ""))
        return recording, parts, recording.run(self.call.function, arguments)

    def run(self, x: Any, sequence: int, path: OutputPath, axis: int | None) -> Any:
        """What the function returns for one sequence of the batch, (T, n); (1, n) if it returns the last step alone."""
        states = {name: copied(self._state(value, sequence)) for name, value in self.states.items()}
        with plain_run(self.call.function, self.recording.tape):
            arguments = self.call.arguments(self._given(self._one(x, sequence)), states, self.weights)
            found = at(self.call.function(**arguments), path)
        if isinstance(found, (list, tuple)):
            return np.stack([as_numbers(one).reshape(-1) for one in found])
        numbers = as_numbers(found)
        return (
            numbers.reshape(1, -1) if axis is None else np.moveaxis(numbers, axis, 0).reshape(numbers.shape[axis], -1)
        )

    # -- reading --

    def lifted(self) -> Lifted:
        """The cell, compared with the function."""
        self.recording, parts, self.output = self._recorded()
        path, axis, rows = self._main()
        named = [{"x_t": one.reshape(-1)} for one in parts]
        if len(rows) == 1:
            rows = self._earlier(rows[STEPS - 1], named)
        values, _ = self._steps(rows, named, ())
        out, states = values[0], values[1:]
        names = self._names(out, states)
        values, reader = self._steps(rows, named, names)
        out, states = values[0], values[1:]
        ordered = {
            name: states[names.index(name)] for name in sorted(names, key=lambda one: ("h", "c", one).index(one))
        }
        called = self.recording.tape.variable(rows[_READ[0]]) or "out"
        others = {} if out in states else {called: out}
        dtype = np.result_type(np.float32, as_numbers(self.x).dtype)
        returned = [ids for _, ids in _arrays(self.output)]
        cell = built(reader, ordered, others, dtype, self.call.named, returned)
        line = cell.lines[next(iter(others), "h")]
        return self._checked(cell, line, path, axis)

    def _main(self) -> tuple[OutputPath, int | None, dict[int, Ids]]:
        """The output that has a row for each step, or for the last one: its path, axis of time, and rows."""
        tape = self.recording.tape
        last: list[tuple[OutputPath, int | None, dict[int, Ids]]] = []
        whole: list[tuple[OutputPath, int | None, dict[int, Ids]]] = []
        for path, ids in _arrays(self.output):
            times = tape.times[ids]
            flat = ids.reshape(-1)
            rows = {t: one for t in range(STEPS) if len(one := flat[tape.times[flat] == t])}
            axes = [n for n, size in enumerate(ids.shape) if size == STEPS and (np.diff(times, axis=n) == 1).all()]
            if len(rows) == STEPS and axes:
                whole.append((path, axes[0], rows))
            elif [*rows] == [STEPS - 1]:
                last.append((path, None, rows))
        found = whole or last
        if not found:
            raise LiftError(f"{self.call.named} returns no array that has a row for each step of x")
        named = [one for one in found if means(tape.variable(next(iter(one[2].values()))), "h")]
        return (named or found)[0]

    def _earlier(self, out: Ids, named: list[dict[str, Ids]]) -> dict[int, Ids]:
        """The rows of a state of which the function returns the last value alone."""
        rows, exprs = {STEPS - 1: out}, Expressions()
        for t in range(STEPS - 1, 1, -1):
            reader = Reader(self.recording.tape, named[t], exprs, t)
            value = reader.vector(rows[t])
            alike = [one for one in reader.states
                     if Reader(self.recording.tape, named[t - 1], exprs, t - 1).vector(one) is value]  # fmt: skip
            if t > 2 and not alike:
                raise LiftError(
                    f"{self.call.named} returns the last step alone, and not its state: return h of every step"
                )
            rows |= {t - 1: alike[0]} if alike else {}
        return rows

    def _steps(
        self, rows: Mapping[int, Ids], named: list[dict[str, Ids]], names: Sequence[str]
    ) -> tuple[list[Expr], Reader]:
        """The values of the output and the states of one step, the same at two steps."""
        exprs, states = Expressions(), list[Ids]()
        found: dict[int, tuple[list[Expr], Reader]] = {}
        for t in range(STEPS - 1, min(_READ) - 1, -1):
            reader = Reader(self.recording.tape, named[t], exprs, t, state_names=names)
            found[t] = [reader.vector(one) for one in (rows[t], *states)], reader
            states = reader.states
        (values, reader), (again, _) = (found[t] for t in _READ)
        if len(values) != 1 + len(reader.states) or not reader.states:
            raise LiftError(f"{self.call.named} carries no state from step to step along this axis of x")
        if any(one is not other for one, other in zip(values, again, strict=False)) or len(values) != len(again):
            raise LiftError(f"{self.call.named} does something else at step {_READ[0]} than at step {_READ[1]}")
        return values, reader

    def _names(self, out: Expr, states: list[Expr]) -> list[str]:
        """What the states are called: h is the output, or what weights are multiplied with."""
        products = {one.args[1].leaf for state in states for one in state.inside() if one.op == "matvec"}
        h = next((k for k, one in enumerate(states) if one is out), None)
        if h is None:
            h = next((k for k in range(len(states)) if f"state_{k}" in products), 0)
        others = iter(["c", *(f"s{k}" for k in range(2, len(states)))])
        return ["h" if k == h else next(others) for k in range(len(states))]

    # -- checking --

    def _checked(self, cell: BuiltCell, line: str, path: OutputPath, axis: int | None) -> Lifted:
        random = np.random.default_rng(0)
        shape = [*self.x.shape]
        shape[self.axis] += MORE
        other = random_like(self.x, shape, random)
        traces = []
        for x in (self.x, other):
            numbers = np.moveaxis(as_numbers(x), self.axis, 0)
            rows = numbers if self.batch is None else np.moveaxis(numbers, 1 + self.batch, 1)
            trace = cell.model.run(rows, **self._initial())
            traces.append(trace)
            for sequence in range(1 if self.batch is None else rows.shape[1]):
                theirs = self.run(x, sequence, path, axis)
                ours = trace[line][:, sequence]
                check_equal(ours if len(theirs) > 1 else ours[-1:], theirs, self.call.named, line)
        return Lifted(traces[0], cell.model, cell.naming, cell.weights, cell.aliases, cell.unread, cell.spare)

    def _initial(self) -> dict[str, Any]:
        """The given initial states as arguments of a run, (B, width)."""
        found = {}
        for name, value in self.states.items():
            numbers = as_numbers(value)
            turned = self.batch == 1 and numbers.ndim > 1
            rows = np.moveaxis(numbers, -1, -2) if turned else numbers
            found[f"{name}0"] = rows.reshape(-1, rows.shape[-1])
        return found


def _arrays(output: Any, path: OutputPath = ()) -> Iterator[tuple[OutputPath, Ids]]:
    """Every recorded array that was returned, with its path; a list of one for each step is one array."""
    if (ids := ids_of_output(output)) is not None:
        yield path, ids
    elif isinstance(output, (list, tuple)):
        each = [ids_of_output(one) for one in output]
        if len(each) == STEPS and all(one is not None and one.shape == each[0].shape for one in each):  # type: ignore[union-attr]
            yield path, np.stack(each)  # type: ignore[arg-type]
        else:
            for k, one in enumerate(output):
                yield from _arrays(one, (*path, k))
    elif isinstance(output, Mapping):
        for key, one in output.items():
            yield from _arrays(one, (*path, key))
