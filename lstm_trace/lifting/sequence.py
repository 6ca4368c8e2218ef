"""A function over a whole sequence: what each step reads of the steps before it is its state.

The function is run on a few steps. The equations of one step are read with what it takes from the step before as its
states, and must be the same at two steps.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from .tape import INITIAL, Ids, Tape

#: So many steps are recorded of a function: the last ones, which find the states, and two to be compared.
STEPS = 7


def read_sequence(
    tape: Tape, x: Sequence[Ids], outputs: Mapping[int, Ids], dtype: Any, title: str, *,
    initial: Mapping[str, Ids] | None = None, returned: Iterable[Ids] | None = None,
) -> BuiltCell:  # fmt: skip
    """The cell of a recorded sequence: what each step reads of the steps before it is its state.

    Args:
        tape: the numbers of one sequence, of at least 4 steps; `Tape.source` gave those of x the time of their step, and
            initial states the time `INITIAL`.
        x: the numbers of x at each step.
        outputs: step to the numbers of the output: of all steps, or of the last alone.
        dtype: of the weights.
        title: what messages call it.
        initial: the initial states by name, as far as they were recorded: they tell which state is h, and which c.
        returned: all that is computed, if it is more than the outputs; weights that none of it reads are `unread`.

    Returns:
        The cell; `output` is the line that has the outputs.

    Raises:
        LiftError: if the steps do not all do the same, or carry no state.
    """
    named = [{"x_t": one.reshape(-1)} for one in x]
    rows = outputs if len(outputs) > 1 else _earlier(tape, outputs[len(x) - 1], named, title)
    exprs, states = Expressions(), list[Ids]()
    same: list[tuple[int, list[Ids], list[Expr]]] = []  # two steps whose states are all known
    for t in range(len(x) - 1, max(min(rows), 1) - 1, -1):
        reader, roots = Reader(tape, named[t], exprs, t), [rows[t], *states]
        values, states = [reader.vector(one) for one in roots], reader.states
        same += [(t, roots, values)] if len(states) == len(roots) - 1 > 0 else []
        if len(same) == 2:
            break
    if len(same) < 2:
        raise LiftError(f"{title} carries no state from step to step along this axis of x")
    (step, roots, values), (before, _, again) = same
    if len(values) != len(again) or any(one is not other for one, other in zip(values, again, strict=True)):
        raise LiftError(f"{title} does something else at step {step} than at step {before}")
    names = _names(values[0], values[1:])
    if initial:
        names = _given_names(tape, named[:before], rows, states, names.index("h"), initial) or names
    reader = Reader(tape, named[step], now=step, state_names=names)
    out, *values = [reader.vector(one) for one in roots]
    ordered = dict(sorted(zip(names, values, strict=True), key=lambda one: ("h", "c", one[0]).index(one[0])))
    others = {} if out in values else {tape.variable(roots[0]) or "out": out}
    cell = built(reader, ordered, others, dtype, title, [*outputs.values()] if returned is None else returned)
    return cell._replace(output=cell.lines[next(iter(others)) if others else names[values.index(out)]])


def _earlier(tape: Tape, out: Ids, named: Sequence[Mapping[str, Ids]], title: str) -> dict[int, Ids]:
    """The rows of a state of which the last value alone is an output."""
    exprs, rows = Expressions(), {len(named) - 1: out}
    for t in range(len(named) - 1, 1, -1):
        reader = Reader(tape, named[t], exprs, t)
        value = reader.vector(rows[t])
        alike = [one for one in reader.states if Reader(tape, named[t - 1], exprs, t - 1).vector(one) is value]
        if not alike:
            break
        rows[t - 1] = alike[0]
    if len(rows) < 3:
        raise LiftError(f"{title} returns the last step alone, and not its state: return h of every step")
    return rows


def _given_names(
    tape: Tape, named: Sequence[Mapping[str, Ids]], rows: Mapping[int, Ids], states: list[Ids], out: int,
    initial: Mapping[str, Ids],
) -> list[str]:  # fmt: skip
    """What the states are called by the initial ones; empty unless the first step reads one in place of each.

    out: which state the output is, where `rows` ends.
    """
    for t in range(len(named) - 1, -1, -1):
        reader = Reader(tape, named[t], now=t)
        try:
            for one in (rows[t] if t in rows else states[out], *states):
                reader.vector(one)
        except LiftError:  # the first step reads zeros of the code in a way of its own
            return []
        if len(reader.states) != len(states):
            return []
        states = reader.states
    given = {ids.tobytes(): name for name, ids in initial.items()}
    names = [given.get(one.tobytes(), "") for one in states]
    return names if all(names) else []


def _names(out: Expr, states: list[Expr]) -> list[str]:
    """What the states are called: h is the output, or what weights are multiplied with."""
    products = {one.args[1].leaf for state in states for one in state.inside() if one.op == "matvec"}
    h = next((k for k, one in enumerate(states) if one is out), None)
    if h is None:
        h = next((k for k in range(len(states)) if f"state_{k}" in products), 0)
    others = iter(["c", *(f"s{k}" for k in range(2, len(states)))])
    return ["h" if k == h else next(others) for k in range(len(states))]


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
        self.initial: dict[str, Ids] = {}

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
            self.initial[name] = recording.tape.source("state", as_numbers(own), INITIAL, name)
            states[name] = recording.array(self.initial[name].copy(), own)
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
        dtype = np.result_type(np.float32, as_numbers(self.x).dtype)
        returned = [ids for _, ids in _arrays(self.output)]
        tape = self.recording.tape
        cell = read_sequence(tape, parts, rows, dtype, self.call.named, initial=self.initial, returned=returned)
        return self._checked(cell, path, axis)

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

    # -- checking --

    def _checked(self, cell: BuiltCell, path: OutputPath, axis: int | None) -> Lifted:
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
                ours = trace[cell.output][:, sequence]
                check_equal(ours if len(theirs) > 1 else ours[-1:], theirs, self.call.named, cell.output)
        return Lifted(traces[0], cell.model, cell.naming, cell.weights, cell.aliases, cell.unread)

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
