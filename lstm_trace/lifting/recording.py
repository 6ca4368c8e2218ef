"""Running somebody's function once with recording arrays in place of its arguments and of the weights that it reads."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from operator import setitem
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ..errors import LiftError
from .arithmetic import RecordedMath
from .arrays import MAKERS, Recorded, RecordedNumpy
from .tape import CodeLine, Ids, Tape

#: One function at a time is run: for that time its module and object hold other values.
LOCK = threading.RLock()
_LIBRARIES = ("numpy", "torch", "scipy")


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


@dataclass
class Recording:
    """One run of a function on recording arrays."""

    tape: Tape = field(default_factory=lambda: Tape(_folders()))
    _weights: dict[int, tuple[Any, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.math = RecordedMath(self.tape)

    def array(self, ids: Ids, like: Any) -> Any:
        """A recording array of the library and dtype of another array."""
        if torch() is not None and isinstance(like, torch().Tensor):
            from .tensors import RecordedTensor

            return RecordedTensor.of(ids, self.math, like.dtype)
        return Recorded(ids, self.math, like.dtype)

    def weights(self, value: Any, name: str) -> Any:
        """Weights with recording arrays in place of arrays: of an array, or of dicts and lists that have some."""
        if is_array(value):
            if id(value) not in self._weights:
                ids = self.tape.source("weight", as_numbers(value), name=name)
                ids.flags.writeable = False
                self._weights[id(value)] = value, self.array(ids, value)
            return self._weights[id(value)][1]
        if isinstance(value, dict):
            return {key: self.weights(one, _joined(name, key)) for key, one in value.items()}
        if isinstance(value, (list, tuple)):
            each = (self.weights(one, _joined(name, k)) for k, one in enumerate(value))
            return type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
        return value

    def run(self, function: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """What the function returns; the weights that it reads from its object and from variables are recorded too."""
        with LOCK, ExitStack() as stack:
            held = Surroundings(function, self.tape)
            stack.enter_context(held.kept())
            numpy = RecordedNumpy(self.math)
            for put, value, name in held.places:
                put(
                    numpy
                    if value is np
                    else getattr(numpy, MAKERS.get(id(value), ""), None) or self.weights(value, name)
                )
            if torch() is not None:
                from .tensors import recorded_factories

                stack.enter_context(recorded_factories(self.math))
            stack.enter_context(np.errstate(all="ignore"))
            stack.enter_context(watched(self.tape))
            found = function(**arguments)
            held.check()
        return found


def _folders() -> tuple[str, ...]:
    """Where the code of libraries is."""
    here = (sys.modules.get(name) for name in _LIBRARIES)
    return tuple(str(Path(module.__file__).parent) for module in here if module is not None and module.__file__)


def _joined(name: str, key: Any) -> str:
    return f"{name}{'_' if name else ''}{key}"


class Surroundings:
    """What a function reads besides its arguments: attributes of its object, variables of outer functions, globals.

    places: a function that puts another value there, the value, and its name. The value is an array, dicts and lists
    that have some, numpy, or a function of numpy that makes arrays.
    """

    def __init__(self, owner: Any, tape: Tape) -> None:
        self.places: list[tuple[Callable[[Any], None], Any, str]] = []
        self._objects: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._tape, self._seen = tape, set[int]()
        self._visit(owner, "", None)

    def _visit(self, value: Any, name: str, put: Callable[[Any], None] | None) -> None:
        if put is not None and (value is np or id(value) in MAKERS or has_arrays(value)):
            self.places.append((put, value, name))
        if id(value) in self._seen or isinstance(value, (ModuleType, type)):
            return
        self._seen.add(id(value))
        if isinstance(value, (dict, list, tuple)):
            for key, one in value.items() if isinstance(value, dict) else enumerate(value):
                self._visit(one, _joined(name, key), None)
        elif isinstance(value, MethodType):
            self._visit(value.__self__, "", None)
            self._visit(value.__func__, "", None)
        elif isinstance(value, FunctionType):
            if self._tape.is_user_code(value.__code__.co_filename):
                self._visit_function(value)
        elif hasattr(value, "__dict__") and not is_array(value):
            held = vars(value)
            self._objects.append((type(value).__name__, held, dict(held)))
            for key, one in list(held.items()):
                inner = name if key in ("_parameters", "_buffers", "_modules") else _joined(name, key)
                self._visit(one, inner, partial(setitem, held, key))
            for called in ("forward", "__call__"):
                self._visit(getattr(type(value), called, None), "", None)

    def _visit_function(self, function: FunctionType) -> None:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            self._visit(cell.cell_contents, name, partial(setattr, cell, "cell_contents"))
        known, read = function.__globals__, _names_in(function.__code__)
        names = [name for name, value in known.items() if name in read or value is np or id(value) in MAKERS]
        for name in names:
            self._visit(known[name], name, partial(setitem, known, name))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Put everything back at the end."""
        try:
            yield
        finally:
            for put, value, _ in self.places:
                put(value)
            for _, held, before in self._objects:
                held.clear()
                held.update(before)

    def check(self) -> None:
        """Raise LiftError if the function has put a computed value into its object."""
        for kind, held, before in self._objects:
            for name, value in held.items():
                if ids_of_output(value) is not None and not has_arrays(before.get(name)):
                    raise LiftError(
                        f"{kind}.{name} is assigned a computed value, so that state is kept outside of the function: "
                        "return it, and let it be passed in"
                    )


def _names_in(code: CodeType) -> set[str]:
    """The names that code reads, in the functions within it too."""
    return {*code.co_names}.union(*(_names_in(one) for one in code.co_consts if isinstance(one, CodeType)))


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
            if ids is not None and ids.size and name.isidentifier():
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


def unlike(one: Tape, two: Tape) -> CodeLine | None:
    """The line at which two runs on the same numbers went apart, as with randomness or a state kept outside."""
    for a, b in zip(one.nodes, two.nodes, strict=False):
        same = (a.op, a.shape) == (b.op, b.shape)
        if not same or not np.array_equal(one.values[a.numbers], two.values[b.numbers], equal_nan=True):
            return a.code
    return None
