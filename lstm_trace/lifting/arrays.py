"""Recording arrays for numpy: arrays of integers that name numbers on a tape, and numpy's functions on them, written in
the operations of the operation table.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from ..base.packaged import packaged
from ..cell.ops import OPS
from .tape import Ids, Tape

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


class RecordedMath:
    """The arrays of one run that is recorded."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self._plain: dict[int, tuple[Any, Ids]] = {}  # arrays of the code, which are kept so that no other has their id

    def plain(self, value: Any, numbers: Any = None) -> Ids:
        """Numbers of the code that were not recorded, as constants named after their variable.

        numbers: those of the value, if it is no array of numpy.
        """
        array = np.asarray(value if numbers is None else numbers)
        if array.dtype.kind not in "fiub":
            raise self.tape.refusal(f"an operand is no array of numbers but {type(value).__name__}")
        if array.size and np.all(array == array.flat[0]):
            return np.broadcast_to(self.tape.number(float(array.flat[0])), array.shape)
        if id(value) not in self._plain:
            self._plain[id(value)] = value, self.tape.source("constant", array, name=self._called(value))
        return self._plain[id(value)][1]

    def _called(self, value: Any) -> str:
        """The variable of the user's code that holds a value."""
        frame = sys._getframe(1)
        while frame is not None:
            if self.tape.is_user_code(frame.f_code.co_filename):
                for name, held in (*frame.f_locals.items(), *frame.f_globals.items()):
                    if held is value and name.isidentifier():
                        return name
            frame = frame.f_back  # type: ignore[assignment]
        return ""


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
        plain = (np.ndarray, list)  # recorded at once, while a variable of the code still holds them
        args = tuple(Recorded(ids_of(self.math, one), self.math) if isinstance(one, plain) else one for one in args)
        try:
            return FUNCTIONS[name](*args, **options)
        except TypeError:
            raise self.math.tape.refusal(f"np.{name} is not read with these arguments") from None

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
            self._write(..., _where(key, value, self).ids)
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


def _math(operands: Iterable[Any]) -> RecordedMath:
    """The run that operands are recorded in."""
    return next(one.math for one in operands if isinstance(one, Recorded))


def operation(name: str, *constants: float) -> Callable[..., Any]:
    """An operation of the table on each number, of recorded arrays or of numbers."""

    def called(*operands: Any) -> Any:
        known = [one for one in operands if isinstance(one, Recorded)]
        if not known:
            return OPS[name].array([*map(np.asarray, operands)], constants)
        ids = (ids_of(known[0].math, one) for one in operands)
        return known[0]._new(known[0].math.tape.elementwise(name, *ids, constants=constants))

    return called


def _where(condition: Any, *values: Any) -> Any:
    math = _math((condition, *values))
    chosen, a, b = (ids_of(math, one) for one in (condition, *values))
    if {math.tape.nodes[k].op for k in {*math.tape.owners(chosen).flat}} == {"constant"}:  # a mask of the code
        return Recorded(np.where(math.tape.values[chosen] != 0, a, b), math)
    return operation("where")(condition, *values)


def _numbers(math: RecordedMath, value: Any) -> tuple[float, ...]:
    """The different numbers of the code that an operand has; none if they are computed."""
    if value is None or not math.tape.fixed(ids := ids_of(math, value)):
        return ()
    return (*{*map(float, math.tape.values[ids].flat)},)


def _power(a: Any, b: Any) -> Any:
    math = _math((a, b))
    match _numbers(math, b):
        case (0.5,):
            return np.sqrt(a)
        case (-1.0,):
            return 1.0 / a
        case (2.0,):
            return a * a
        case (3.0,):
            return a * a * a
    raise math.tape.refusal("a power is an operation of a cell only if the exponent is 2, 3, 0.5 or -1")


def _clip(a: Any, low: Any = None, high: Any = None, **named: Any) -> Any:
    low, high = named.get("a_min", named.get("min", low)), named.get("a_max", named.get("max", high))
    math = _math((a, low, high))
    match _numbers(math, low), _numbers(math, high):
        case (bottom,), (top,):
            return operation("clip", bottom, top)(a)
    a = a if low is None else np.maximum(a, low)
    return a if high is None else np.minimum(a, high)


def _matmul(one: Any, other: Any) -> Any:
    """Vectors and matrices; batches of matrices one by one."""
    math = _math((one, other))
    a, b = ids_of(math, one), ids_of(math, other)
    if b.ndim <= 2:
        rows = math.tape.dot(a.reshape(-1, a.shape[-1]), b[:, None] if b.ndim == 1 else b)
        return Recorded(rows.reshape((*a.shape[:-1], *b.shape[1:])), math)
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    left, right = (np.broadcast_to(ids, (*lead, *ids.shape[-2:])) for ids in (np.atleast_2d(a), b))
    each = np.stack([math.tape.dot(left[at], right[at]) for at in np.ndindex(*lead)])
    found = each.reshape(*lead, *each.shape[1:])
    return Recorded(found[..., 0, :] if a.ndim == 1 else found, math)


def _reduce(op: str, a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    axes = tuple(range(a.ndim)) if axis is None else tuple(int(n) % a.ndim for n in np.atleast_1d(axis))
    rest = [n for n in range(a.ndim) if n not in axes]
    moved = a.ids.transpose(*rest, *axes).reshape(*(a.shape[n] for n in rest), -1)
    found = Recorded(a.math.tape.reduced(op, np.ascontiguousarray(moved)), a.math, a.dtype)
    return found.reshape([1 if n in axes else a.shape[n] for n in range(a.ndim)]) if keepdims else found


def _variance(a: Any, axis: Any = None, keepdims: bool = False) -> Any:
    away = a - _reduce("mean", a, axis, True)
    return _reduce("mean", away * away, axis, keepdims)


def _einsum(text: str, *operands: Any) -> Any:
    """Of two operands: a product of matrices for each value of the indices that both have and the result keeps."""
    math = _math(operands)
    inputs, arrow, out = text.replace(" ", "").partition("->")
    terms = inputs.split(",")
    if len(terms) != 2 or not arrow or "." in text or any(len({*one}) < len(one) for one in terms):
        raise math.tape.refusal("this einsum is not read: write it with two operands and `->`")
    a, b = terms
    both = [c for c in a if c in b]
    batch, shared = [c for c in both if c in out], [c for c in both if c not in out]
    of_a, of_b = ([c for c in one if c not in both] for one in (a, b))
    if {*of_a, *of_b} - {*out}:
        raise math.tape.refusal("this einsum sums over an index of one operand alone: use sum for it")
    sizes = dict(zip(a + b, operands[0].shape + operands[1].shape, strict=True))

    def matrices(value: Any, indices: str, *groups: list[str]) -> Any:
        lengths = [int(np.prod([sizes[c] for c in group], dtype=int)) for group in groups]
        moved = ids_of(math, value).transpose([indices.index(c) for group in groups for c in group])
        return Recorded(moved.reshape(lengths), math)

    x, y = matrices(operands[0], a, batch, of_a, shared), matrices(operands[1], b, batch, shared, of_b)
    order = [*batch, *of_a, *of_b]
    found = (x @ y if shared else x * y).reshape([sizes[c] for c in order])
    return found.transpose([order.index(c) for c in out])


def _full_like(a: Any, fill_value: Any = 0.0) -> Any:
    return a._new(np.array(np.broadcast_to(ids_of(a.math, fill_value), a.shape)))


def _append(a: Any, b: Any, axis: Any = None) -> Any:
    math = _math((a, b))
    return Recorded(np.append(ids_of(math, a), ids_of(math, b), axis), math)


def _round(a: Any, *_: Any) -> Any:
    raise a.math.tape.refusal("a computed value is rounded")


#: Methods of functions on each number, by the functions that they are.
_METHODS = {
    ("add", "reduce"): "sum", ("maximum", "reduce"): "max", ("minimum", "reduce"): "min",
    ("multiply", "outer"): "outer",
}  # fmt: skip
#: Functions by their names in numpy, of which some are written in others.
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    # of each number
    **{op: operation(op) for op in (
        "tanh", "exp", "log", "sqrt", "sin", "cos", "floor", "sigmoid", "maximum", "greater"
    )},
    "expit": operation("sigmoid"),
    "add": operation("add", 1.0, 1.0),
    "subtract": operation("add", 1.0, -1.0),
    "multiply": operation("mul"),
    **dict.fromkeys(("divide", "true_divide"), operation("div")),
    "negative": operation("neg"),
    "where": _where,
    **dict.fromkeys(("positive", "conjugate"), lambda a: a.copy()),
    "fmax": np.maximum,
    **dict.fromkeys(("minimum", "fmin"), lambda a, b: -np.maximum(np.negative(a), np.negative(b))),
    "less": lambda a, b: np.greater(b, a),
    "equal": lambda a, b: 1.0 - np.not_equal(a, b),
    "not_equal": lambda a, b: np.greater(a, b) + np.greater(b, a),
    "greater_equal": lambda a, b: 1.0 - np.greater(b, a),
    "less_equal": lambda a, b: 1.0 - np.greater(a, b),
    **dict.fromkeys(("logical_and", "bitwise_and"), operation("mul")),
    **dict.fromkeys(("logical_or", "bitwise_or"), operation("maximum")),
    **dict.fromkeys(("logical_not", "invert"), lambda a: 1.0 - a),
    **dict.fromkeys(("absolute", "fabs"), lambda a: np.maximum(a, -a)),
    **dict.fromkeys(("power", "float_power"), _power),
    "square": lambda a: a * a,
    "reciprocal": lambda a: 1.0 / a,
    "expm1": lambda a: np.exp(a) - 1.0,
    "log1p": lambda a: np.log(1.0 + a),
    "logaddexp": lambda a, b: a + operation("softplus")(b - a),
    "clip": _clip,
    "round": _round,
    # products
    "matmul": _matmul,
    "dot": lambda a, b: a @ b if np.ndim(a) and np.ndim(b) else a * b,
    "inner": lambda a, b: np.dot(a, np.transpose(b)),
    "outer": lambda a, b: np.reshape(a, (-1, 1)) * np.reshape(b, (1, -1)),
    "einsum": _einsum,
    # sums and their like
    **{name: partial(_reduce, op) for name, op in (("sum", "sum"), ("mean", "mean"), ("max", "max"), ("amax", "max"))},
    **dict.fromkeys(("min", "amin"), lambda a, *rest, **more: -_reduce("max", -a, *rest, **more)),
    "var": _variance,
    "std": lambda a, *rest, **more: np.sqrt(_variance(a, *rest, **more)),
    "norm": lambda a, **more: np.sqrt(_reduce("sum", a * a, **more)),
    # arrays in the shape of another
    "full_like": _full_like,
    "ones_like": lambda a: _full_like(a, 1.0),
    **dict.fromkeys(("zeros_like", "empty_like"), _full_like),
    "append": _append,
}  # fmt: skip


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
