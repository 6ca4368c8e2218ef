"""Running somebody's function once with recording arrays in place of its arguments and of the weights that it reads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from copy import copy
from dataclasses import dataclass
from dis import get_instructions
from itertools import zip_longest
from pathlib import Path
from traceback import walk_tb
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

import numpy as np

from ..errors import LiftError, LstmTraceError
from .arrays import MAKERS, Recorded, RecordedMath, RecordedNumpy
from .call import OutputPath, StepCall
from .tape import FIXED, INITIAL, CodeLine, Ids, Tape, TapeNode

#: One function at a time is run: for that time its module and object hold other values.
LOCK = threading.RLock()


def torch() -> Any:
    """PyTorch, if it is loaded: otherwise none of its tensors can exist."""
    return sys.modules.get("torch")


def is_array(value: Any) -> bool:
    """Whether a value is an array of numbers that are not whole, of numpy or PyTorch."""
    if isinstance(value, np.ndarray):
        return bool(value.dtype.kind == "f")
    return bool(torch() is not None and isinstance(value, torch().Tensor) and value.is_floating_point())


def as_numbers(value: Any) -> Any:
    """An array of numpy or PyTorch as one of numpy, without its gradient."""
    if torch() is not None and isinstance(value, torch().Tensor):
        return value.detach().cpu().numpy()
    return np.asarray(value)


def ids_of_output(value: Any) -> Ids | None:
    """The integers of a recorded array; None for anything else."""
    if isinstance(value, Recorded):
        return value.ids
    inner = value.__dict__.get("array") if torch() is not None and isinstance(value, torch().Tensor) else None
    return None if inner is None else inner.ids


def leaves(
    output: Any, steps: int = 0, path: OutputPath = (), *, joined: bool = True
) -> Iterator[tuple[OutputPath, Ids]]:  # fmt: skip
    """Every recorded array that was returned, with its path; so is a list of one array for each step, or of numbers.

    joined: whether a list of numbers is one array; otherwise each is one.
    """
    if (ids := ids_of_output(output)) is not None:
        yield path, ids
    elif isinstance(output, (list, tuple, Mapping)):
        items = dict(output if isinstance(output, Mapping) else enumerate(output))
        each = [ids_of_output(one) for one in items.values()]
        shapes = {None if one is None else one.shape for one in each}
        numbers = joined and isinstance(output, list) and shapes == {()}
        if numbers or (steps and len(each) in (steps, steps + 1) and len(shapes) == 1 and None not in shapes):
            yield path, np.stack(each)  # type: ignore[arg-type]
        else:
            for key, one in items.items():
                yield from leaves(one, steps, (*path, key), joined=joined)


class RecordedRun(NamedTuple):
    """x: the numbers of each step; states: of the initial states; output: what the function returned; dtype: of all."""

    tape: Tape
    x: list[Ids]
    states: dict[str, Ids]
    output: Any
    dtype: Any


def recorded(
    call: StepCall, weights: Any, x: Sequence[Any], states: Mapping[str, Any], argument: Callable[[list[Ids]], Any]
) -> RecordedRun:
    """The function on some steps. argument: the numbers that it gets as x, from those of each step.

    Raises LiftError if it computes something else when it is called again.
    """
    libraries = (sys.modules.get(name) for name in ("numpy", "torch", "scipy"))
    folders = [str(Path(one.__file__).parent) for one in libraries if one is not None and one.__file__]
    tape, known = Tape(folders), dict[int, tuple[Any, Ids]]()
    steps = [tape.source("x", as_numbers(one), t, "x") for t, one in enumerate(x)]
    begin = {name: tape.source("state", as_numbers(one), INITIAL, name) for name, one in states.items()}
    outputs, starts = [], [0]
    with kept(call.function, tape) as places:
        for _ in range(2):
            recording = Recording(tape, known)
            arrays = {name: recording.array(ids.copy(), states[name]) for name, ids in begin.items()}
            given = argument([one.copy() for one in steps])
            each = [recording.array(one, x[0]) for one in (given if isinstance(given, list) else [given])]
            outputs.append(recording.run(call, each if isinstance(given, list) else each[0], arrays, weights, places))
            starts.append(len(tape.nodes))
    if (code := _unlike(tape, tape.nodes[: starts[1]], tape.nodes[starts[1] :])) is not None:
        raise LiftError(
            f"{code}: two calls with the same values compute two values here: by randomness, or by a state that is "
            "kept outside of the function"
        )
    read = [as_numbers(one).dtype for one in (*x[:1], *states.values(), *(value for value, _ in known.values()))]
    return RecordedRun(tape, steps, begin, outputs[0], np.result_type(np.float32, *read))


@dataclass
class Recording:
    """A run of a function on recording arrays. known: the weights that are on the tape already, by their id."""

    tape: Tape
    known: dict[int, tuple[Any, Ids]]

    def __post_init__(self) -> None:
        self.math = RecordedMath(self.tape)
        self._weights: dict[int, Any] = {}

    def array(self, ids: Ids, like: Any) -> Any:
        """A recording array of the library and dtype of another array."""
        if torch() is not None and isinstance(like, torch().Tensor):
            from .tensors import recorded_tensor

            return recorded_tensor(Recorded(ids, self.math), like.dtype)
        return Recorded(ids, self.math, like.dtype)

    def weights(self, value: Any, name: str) -> Any:
        """Weights with recording arrays in place of arrays: of an array, or of dicts and lists that have some."""
        if is_array(value):
            if id(value) not in self.known:
                self.known[id(value)] = value, self.tape.source("weight", as_numbers(value), name=name)
            if id(value) not in self._weights:
                self._weights[id(value)] = self.array(self.known[id(value)][1], value)
            return self._weights[id(value)]
        if isinstance(value, dict):
            return {key: self.weights(one, _joined(name, key)) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            each = (self.weights(one, _joined(name, k)) for k, one in enumerate(value))
            return type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
        return value

    def run(self, call: StepCall, x: Any, states: dict[str, Any], weights: Any, places: list[HeldVariable]) -> Any:
        """What the function returns; the weights that it reads from its object and from variables are recorded too."""
        numpy, put = RecordedNumpy(self.math), list[tuple[HeldVariable, Any]]()
        for place in places:
            made = getattr(numpy, MAKERS.get(id(place.value), ""), None)
            put.append((place, numpy if place.value is np else made or self.weights(place.value, place.name)))
            place.put(put[-1][1])
        with ExitStack() as stack:
            if torch() is not None:
                from .tensors import recorded_factories

                stack.enter_context(recorded_factories(self.math))
            stack.enter_context(watched(self.tape))
            found = called(call, x, states, self.weights(weights, ""), self.tape)
        if self.tape.refused:
            raise self.tape.refused[0]
        for place, value in put:
            now = place.get()
            if now is not value or (isinstance(value, (dict, list)) and len(value) != len(place.value)):
                self.tape.kept.add(place.name)
        return found


def _unlike(tape: Tape, one: Sequence[TapeNode], two: Sequence[TapeNode]) -> CodeLine | None:
    """The line at which two runs on the same numbers went apart, as with randomness or a state kept outside."""
    computed = ([node for node in nodes if node.operands and (tape.times[node.numbers] != FIXED).any()]
                for nodes in (one, two))  # fmt: skip
    for a, b in zip_longest(*computed):
        if a is None or b is None:
            return (a or b).code
        same = (a.op, a.shape) == (b.op, b.shape)
        if not same or not np.array_equal(tape.values[a.numbers], tape.values[b.numbers], equal_nan=True):
            return a.code
    return None


class RaisedError(LiftError):
    """The function itself failed: perhaps it is meant to be called in another way."""


def called(call: StepCall, x: Any, states: Mapping[str, Any], weights: Any, tape: Tape) -> Any:
    """What the function returns, of a generator as a list. Its own errors are named with their line."""
    try:
        with np.errstate(all="ignore"):
            positional, named = call.arguments(x, states, weights)
            found = call.function(*positional, **named)
            return [*found] if isinstance(found, Iterator) else found
    except LstmTraceError:
        raise
    except Exception as error:
        lines = (CodeLine(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__))
        where = [f"{line}: " for line in lines if tape.is_user_code(line.file)]
        raise RaisedError(f"{where[-1] if where else ''}{call.named} raises {type(error).__name__}: {error}") from error


@contextmanager
def plain_run(call: StepCall, weights: Any, tape: Tape) -> Iterator[Callable[[Any, Mapping[str, Any]], Any]]:
    """The function of x and states, not recorded; what it changes in its object is put back at the end."""
    without_gradient = torch().no_grad() if torch() is not None else nullcontext()
    with kept(call.function, tape), without_gradient:
        yield lambda x, states: called(call, copied(x), {n: copied(one) for n, one in states.items()}, weights, tape)


def copied(value: Any) -> Any:
    """A copy of an array of numpy or PyTorch, or of a list of some."""
    if isinstance(value, list):
        return [copied(one) for one in value]
    return np.array(value) if isinstance(value, (np.ndarray, np.generic)) else value.clone()


def _joined(name: str, key: Any) -> str:
    return f"{name}{'.' if name else ''}{key}"


class HeldVariable(NamedTuple):
    """A variable around a function, or an attribute of its object: its namespace (or cell), key, value and name.

    Or a function that remembers what it returned, such as one of `lru_cache`: it forgets it before and after a run.
    """

    within: Any
    key: str
    value: Any
    name: str

    def get(self) -> Any:
        """What is there now."""
        if isinstance(self.within, CellType):
            return self.within.cell_contents
        return self.within.get(self.key) if isinstance(self.within, dict) else self.value

    def put(self, value: Any) -> None:
        """Put another value there."""
        if isinstance(self.within, CellType):
            self.within.cell_contents = value
        elif isinstance(self.within, dict):
            self.within[self.key] = value
        else:
            self.within.cache_clear()


@contextmanager
def kept(owner: Any, tape: Tape) -> Iterator[list[HeldVariable]]:
    """What a function reads besides its arguments: attributes of its object, variables of outer functions, globals.

    The places whose values are arrays, dicts and lists that have some, numpy, or a function of numpy that makes arrays;
    and functions that remember what they returned.
    What the function changes is put back at the end, also in lists and dicts.
    """
    places, held, seen = list[HeldVariable](), list[tuple[Any, Any]](), set[int]()

    def visit(value: Any, place: HeldVariable | None = None, name: str = "") -> None:
        name = name if place is None else place.name
        if place is not None:
            places.append(place)
        if id(value) in seen or isinstance(value, (ModuleType, type, Recorded)):
            return
        seen.add(id(value))
        if hasattr(value, "cache_clear"):
            places.append(HeldVariable(value, "", None, ""))
        if isinstance(value, (dict, list, tuple)):
            if not isinstance(value, tuple):
                held.append((value, copy(value)))
            for key, one in [*(value.items() if isinstance(value, dict) else enumerate(value))]:
                visit(one, name=_joined(name, key))
        elif isinstance(value, MethodType):
            visit(value.__self__)
            visit(value.__func__)
        elif isinstance(value, FunctionType):
            if tape.is_user_code(value.__code__.co_filename):
                visit_function(value)
        elif hasattr(value, "__dict__") and not is_array(value):
            inside = vars(value)
            held.append((inside, dict(inside)))
            for key, one in [*inside.items()]:
                inner = name if key in ("_parameters", "_buffers", "_modules") else _joined(name, key)
                visit(one, HeldVariable(inside, key, one, inner))
            methods = {name: one for kind in reversed(type(value).__mro__) for name, one in vars(kind).items()}
            for called, one in methods.items():
                if called in ("forward", "__call__") or hasattr(one, "cache_clear"):
                    visit(one)

    def visit_function(function: FunctionType) -> None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            if cell != CellType():  # a variable that has no value yet
                visit(cell.cell_contents, HeldVariable(cell, name, cell.cell_contents, name))
        known, read = function.__globals__, _names_in(function.__code__)
        for name in [name for name, value in known.items() if name in read or value is np or id(value) in MAKERS]:
            visit(known[name], HeldVariable(known, name, known[name], name))

    visit(owner)
    with LOCK:
        try:
            yield [
                one for one in places
                if not one.key or one.value is np or id(one.value) in MAKERS or has_arrays(one.value)
            ]  # fmt: skip
        finally:
            for place in places:
                place.put(place.value)
            for value, before in held:
                value.clear()
                (value.extend if isinstance(value, list) else value.update)(before)


def _names_in(code: CodeType) -> set[str]:
    """The variables around it that code reads, in the functions within it too."""
    here = {one.argval for one in get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL")}
    return here.union(*(_names_in(one) for one in code.co_consts if isinstance(one, CodeType)))


def has_arrays(value: Any) -> bool:
    """Whether a value is an array, or dicts and lists that have some."""
    if isinstance(value, (dict, list, tuple)):
        return any(map(has_arrays, value.values() if isinstance(value, dict) else value))
    return is_array(value)


@contextmanager
def watched(tape: Tape) -> Iterator[None]:
    """Note which variable of the user's code holds which numbers, after every line of it.

    An argument is what its caller calls it; of several variables that of the outermost function counts, and the first.
    """
    frames: dict[Any, tuple[int, set[bytes]]] = {}  # how deep it is, and the arguments of the call

    def rows(frame: Any) -> Iterator[tuple[str, bytes]]:
        for name, value in list(frame.f_locals.items()):
            ids = ids_of_output(value)
            if ids is not None and ids.size and name.isidentifier() and tape.owner(ids).op != "weight":
                for row in (ids, ids[0], ids[:, 0]) if ids.ndim == 2 else (ids,):
                    yield name, np.ascontiguousarray(row).tobytes()

    def trace(frame: Any, event: str, _: Any) -> Any:
        if not tape.is_user_code(frame.f_code.co_filename):
            return None
        if frame not in frames:
            frames[frame] = frames.get(frame.f_back, (-1, set()))[0] + 1, {key for _, key in rows(frame)}
        depth, arguments = frames[frame]
        for name, key in rows(frame):
            if key not in arguments and depth < tape.variables.get(key, (depth + 1, ""))[0]:
                tape.variables[key] = depth, name
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
