"""Recording arrays for numpy: arrays of integers that name numbers on a tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..base.packaged import packaged
from .arithmetic import ELEMENTWISE, PRODUCTS, REDUCTIONS, RecordedMath
from .tape import Ids

#: Functions that only move numbers, and methods of arrays that do.
MOVES = frozenset(packaged("lifting/tables.toml")["moving"])
#: Those of `MOVES` that join arrays, the first argument: a plain number among them is a value.
JOINS = frozenset(packaged("lifting/tables.toml")["joining"])
#: Functions of the shape alone.
SHAPES = ("shape", "ndim", "size")
#: Methods that make plain numbers.
_PLAIN = ("item", "tolist", "tobytes", "tofile", "dump", "dumps")
#: Options without a meaning for numbers on a tape.
_IDLE = ("dtype", "casting", "order", "subok", "copy")
_UNKNOWN = "it would not be known where its numbers came from"


class Recorded(NDArrayOperatorsMixin):
    """An array of a run that is recorded.

    mask: of numbers chosen by a computed condition, `x[x > 0]`, the condition; the array then has those that were not
    chosen too, until it is assigned by the same condition.
    """

    __array_priority__ = 1000
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, ids: Ids, math: RecordedMath, dtype: Any = np.float64, mask: Ids | None = None) -> None:
        self.ids, self.math, self.dtype, self.mask = ids, math, np.dtype(dtype), mask

    def _new(self, ids: Any, mask: Ids | None = None) -> Any:
        if isinstance(ids, (list, tuple)):
            return type(ids)(self._new(one) for one in ids)
        return Recorded(np.asarray(ids), self.math, self.dtype, mask)

    # -- protocols of numpy --

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        refusal = self.math.tape.refusal
        name = ufunc.__name__ if method == "__call__" else _METHODS.get((ufunc.__name__, method), "")
        masks = [one.mask for one in inputs if isinstance(one, Recorded) and one.mask is not None]
        if any(not np.array_equal(one, masks[0]) for one in masks):
            raise refusal("numbers that were chosen by unlike conditions meet: use np.where")
        if name in ("isnan", "isinf", "isfinite"):  # of a guard: equations are of numbers
            return np.full(inputs[0].shape, name == "isfinite")
        if name not in FUNCTIONS or (masks and method != "__call__"):
            called = ufunc.__name__ if method == "__call__" else f"{ufunc.__name__}.{method}"
            raise refusal(f"np.{called} is no operation of a cell")
        found = self._called(name, inputs, ({"axis": 0} if method == "reduce" else {}) | options)
        if out is None:
            return self._new(found.ids, masks[0]) if masks else found
        if not isinstance(out[0], Recorded):
            raise refusal(f"the result is written into a plain array, so that {_UNKNOWN}")
        out[0]._write(..., found.ids)
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name, math = function.__name__, self.math
        if any(isinstance(one, Recorded) and one.mask is not None for one in args):
            raise math.tape.refusal("numbers that a computed condition chooses are only computed with: use np.where")
        if name in SHAPES:
            return function(*_as_ids(math, args), **kwargs)
        if name in JOINS and not isinstance(args[0], Recorded):
            args = [ids_of(math, one) for one in args[0]], *args[1:]
        if name in MOVES:
            return self._new(function(*_as_ids(math, args), **_as_ids(math, kwargs)))
        if name in ("array_repr", "array_str", "array2string"):
            return repr(self)
        return self._called(name, args, kwargs) if name in FUNCTIONS else self._of_weights(function, args, kwargs)

    def _of_weights(self, function: Any, args: Any, kwargs: Any) -> Any:
        """What numpy computes from weights alone, such as a triangle of theirs."""
        tape, arrays = self.math.tape, [one.ids for one in args if isinstance(one, Recorded)]
        if not arrays or not all(map(tape.fixed, arrays)):
            raise tape.refusal(f"np.{function.__name__} is no operation of a cell")
        plain = [tape.values[one.ids] if isinstance(one, Recorded) else one for one in args]
        key = function, repr(kwargs), *(repr(one) if isinstance(one, int) else one.tobytes() for one in plain)
        return self._new(tape.computed(key, function(*plain, **kwargs), arrays))

    def _called(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        options = {key: value for key, value in kwargs.items() if key not in _IDLE and value is not None}
        try:
            found = FUNCTIONS[name](self.math, *args, **options)
        except TypeError:
            raise self.math.tape.refusal(f"np.{name} is not read with these arguments") from None
        return None if found is None else self._new(found)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.math.tape.refusal(f"a computed value becomes a plain array here, so that {_UNKNOWN}")

    def _as_number(self, *_: Any, **__: Any) -> Any:
        raise self.math.tape.refusal(f"a computed value becomes a plain number here, so that {_UNKNOWN}")

    __float__ = __int__ = __index__ = __complex__ = __round__ = _as_number

    def __bool__(self) -> bool:
        reason = "the code branches on a computed value, and equations have no branches: use np.where"
        raise self.math.tape.refusal(reason)

    # -- an array --

    shape = property(lambda self: self.ids.shape)
    ndim = property(lambda self: self.ids.ndim)
    size = property(lambda self: self.ids.size)
    T = property(lambda self: self._new(self.ids.T))

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self.ids)))

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, Recorded) and key.shape == self.shape:
            return self._new(self.ids, key.ids)
        return self._new(self.ids[self._key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        ids = ids_of(self.math, value)
        if isinstance(key, Recorded) and key.shape == self.shape:
            chosen = value.mask if isinstance(value, Recorded) else None
            if ids.ndim and (chosen is None or not np.array_equal(chosen, key.ids)):
                raise self.math.tape.refusal("numbers are assigned by another condition than chose them: use np.where")
            self._write(..., self.math.where(key.ids, ids, self.ids))
        else:
            self._write(self._key(key), ids)

    def _key(self, key: Any) -> Any:
        if any(isinstance(one, Recorded) for one in (key if isinstance(key, tuple) else (key,))):
            reason = "a computed value, or x, chooses which numbers are read: use np.where, or give x as one-hot rows"
            raise self.math.tape.refusal(reason)
        return key

    def _write(self, key: Any, ids: Ids) -> None:
        if not self.ids.flags.writeable:
            reason = "a weight is changed in place, so that every step has weights of its own"
            raise self.math.tape.refusal(f"{reason}; an array to be written into must be made in the function")
        self.ids[key] = ids

    def __getattr__(self, name: str) -> Any:
        if (name in MOVES and hasattr(np.ndarray, name)) or name in ("flatten", "view"):
            return lambda *args, **kwargs: self._new(getattr(self.ids, name)(*args, **kwargs))
        if name in FUNCTIONS and hasattr(np.ndarray, name):
            return lambda *args, **kwargs: self._called(name, (self, *args), kwargs)
        if name in _PLAIN:
            self._as_number()
        if not name.startswith("_") and hasattr(np.ndarray, name):
            raise self.math.tape.refusal(f".{name} of a computed value is no operation of a cell")
        raise AttributeError(f"an array has no attribute {name!r}")

    def astype(self, dtype: Any, **_: Any) -> Any:
        """A copy: the dtype changes rounding alone, unless it is one of whole numbers."""
        if np.dtype(dtype).kind != "f":
            raise self.math.tape.refusal(f"a computed value is rounded to {np.dtype(dtype)}")
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()

    def __repr__(self) -> str:
        return repr(self.math.tape.values[self.ids])

    def __format__(self, spec: str) -> str:
        return repr(self)


def ids_of(math: RecordedMath, value: Any) -> Ids:
    """An operand as integers: those that it has, or those of new constants."""
    if isinstance(value, Recorded):
        if value.math is not math:
            raise math.tape.refusal("a value of an earlier call is used, so that the function keeps a state of its own")
        return value.ids
    if isinstance(value, (list, tuple)) and value:
        return np.stack([ids_of(math, one) for one in value])
    return math.plain(value)


def _as_ids(math: RecordedMath, value: Any) -> Any:
    """The arguments of a function that moves numbers: recorded arrays as integers, plain floats as constants."""
    if isinstance(value, Recorded):
        return ids_of(math, value)
    if isinstance(value, dict):
        return {key: _as_ids(math, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_as_ids(math, one) for one in value)
    return math.plain(value) if isinstance(value, np.ndarray) and value.dtype.kind == "f" else value


# -- functions of numpy ------------------------------------------------------------------------------------------------


def _on_ids(function: Callable[..., Ids], operands: int = 1) -> Callable[..., Ids]:
    """A function of integers as one of arrays."""
    return lambda math, *args, **kwargs: function(
        math, *(ids_of(math, one) for one in args[:operands]), *args[operands:], **kwargs
    )


def _clip(math: RecordedMath, a: Any, low: Any = None, high: Any = None, **named: Any) -> Ids:
    ends = named.get("a_min", named.get("min", low)), named.get("a_max", named.get("max", high))
    return math.clip(ids_of(math, a), *(None if end is None else ids_of(math, end) for end in ends))


def _full_like(math: RecordedMath, a: Any, fill_value: Any = 0.0) -> Ids:
    return np.array(np.broadcast_to(ids_of(math, fill_value), ids_of(math, a).shape))


def _round(math: RecordedMath, *_: Any) -> Ids:
    raise math.tape.refusal("a computed value is rounded")


#: Methods of functions on each number, by the functions that they are.
_METHODS = {
    ("add", "reduce"): "sum", ("maximum", "reduce"): "max", ("minimum", "reduce"): "min",
    ("multiply", "outer"): "outer",
}  # fmt: skip
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _on_ids(function, 3) for name, function in {**ELEMENTWISE, **PRODUCTS}.items()},
    **{name: _on_ids(function) for name, function in REDUCTIONS.items()},
    "clip": _clip,
    "einsum": lambda math, text, *operands: math.einsum(text, *(ids_of(math, one) for one in operands)),
    "full_like": _full_like,
    "ones_like": lambda math, a: _full_like(math, a, 1.0),
    **dict.fromkeys(("zeros_like", "empty_like"), _full_like),
    "append": lambda math, a, b, axis=None: np.append(ids_of(math, a), ids_of(math, b), axis),
    "round": _round,
}


# -- arrays that the code makes ----------------------------------------------------------------------------------------

_FILLED = ("zeros", "empty", "ones", "full")
_CONVERTED = ("array", "asarray", "ascontiguousarray", "asanyarray")
#: Functions of numpy that make arrays, by which they are found under other names.
MAKERS = {id(getattr(np, name)): name for name in (*_FILLED, *_CONVERTED)}


class RecordedNumpy(ModuleType):
    """What stands for numpy in the user's code: arrays that it makes are recorded, so that values can be put into them.

    numpy itself stays as it is, since libraries use it meanwhile.
    """

    def __init__(self, math: RecordedMath) -> None:
        super().__init__("numpy")
        vars(self)["ndarray"] = np.ndarray | Recorded
        vars(self).update({name: partial(_filled, math, name) for name in _FILLED})
        vars(self).update({name: partial(_converted, math, name) for name in _CONVERTED})

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


def _filled(math: RecordedMath, name: str, *args: Any, **kwargs: Any) -> Any:
    plain = getattr(np, name)(*args, **kwargs)
    if plain.dtype.kind != "f":
        return plain
    ids = math.plain(np.zeros_like(plain) if name == "empty" else plain)
    return Recorded(np.array(np.broadcast_to(ids, plain.shape)), math, plain.dtype)


def _converted(math: RecordedMath, name: str, value: Any, *args: Any, **kwargs: Any) -> Any:
    if _holds_recorded(value):
        return Recorded(np.array(ids_of(math, value)), math)
    return getattr(np, name)(value, *args, **kwargs)


def _holds_recorded(value: Any) -> bool:
    return any(map(_holds_recorded, value)) if isinstance(value, (list, tuple)) else isinstance(value, Recorded)
