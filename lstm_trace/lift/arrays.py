"""Recording arrays for numpy: an array of integers that name numbers on a tape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from .tape import Ids, Tape

_UFUNCS: dict[str, Callable[..., Ids]] = {}


def _op(*names: str) -> Callable[[Callable[..., Ids]], Callable[..., Ids]]:
    def kept(function: Callable[..., Ids]) -> Callable[..., Ids]:
        _UFUNCS.update(dict.fromkeys(names, function))
        return function

    return kept


# -- arithmetic, shared by all libraries -------------------------------------------------------------------------


class Arithmetic:
    """Operations by the names that numpy and PyTorch give them, on integers."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape

    def _n(self, value: float) -> Ids:
        return self.tape.number(value)

    def add(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("add", a, b, constants=(1.0, 1.0))

    def subtract(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("add", a, b, constants=(1.0, -1.0))

    def multiply(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("mul", a, b)

    def divide(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("div", a, b)

    def negative(self, a: Ids) -> Ids:
        return self.tape.elementwise("neg", a)

    def positive(self, a: Ids) -> Ids:
        return a.copy()

    def one(self, name: str, a: Ids) -> Ids:
        return self.tape.elementwise(name, a)

    def maximum(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("maximum", a, b)

    def minimum(self, a: Ids, b: Ids) -> Ids:
        return self.negative(self.maximum(self.negative(a), self.negative(b)))

    def greater(self, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("greater", a, b)

    def less(self, a: Ids, b: Ids) -> Ids:
        return self.greater(b, a)

    def greater_equal(self, a: Ids, b: Ids) -> Ids:
        return self.subtract(self._n(1.0), self.greater(b, a))

    def less_equal(self, a: Ids, b: Ids) -> Ids:
        return self.greater_equal(b, a)

    def absolute(self, a: Ids) -> Ids:
        return self.maximum(a, self.negative(a))

    def square(self, a: Ids) -> Ids:
        return self.multiply(a, a)

    def reciprocal(self, a: Ids) -> Ids:
        return self.divide(self._n(1.0), a)

    def expm1(self, a: Ids) -> Ids:
        return self.subtract(self.one("exp", a), self._n(1.0))

    def log1p(self, a: Ids) -> Ids:
        return self.one("log", self.add(self._n(1.0), a))

    def logaddexp(self, a: Ids, b: Ids) -> Ids:
        return self.add(a, self.one("softplus", self.subtract(b, a)))

    def power(self, a: Ids, b: Ids) -> Ids:
        owners = self.tape.owner(b)
        exponent = self.tape.values[b].ravel()
        if len(set(owners.ravel())) == 1 and self.tape.nodes[owners.ravel()[0]].op == "constant":
            if set(exponent) == {0.5}:
                return self.one("sqrt", a)
            if set(exponent) <= {2.0, 3.0} and len(set(exponent)) == 1:
                found = a
                for _ in range(int(exponent[0]) - 1):
                    found = self.multiply(found, a)
                return found
            if set(exponent) == {-1.0}:
                return self.reciprocal(a)
        raise self.tape.refuse("a power is an equation only if the exponent is 2, 3, 0.5 or -1")

    def clip(self, a: Ids, low: Any, high: Any) -> Ids:
        for bound, function in ((low, self.maximum), (high, self.minimum)):
            if bound is not None and not np.isscalar(bound):
                a = function(a, self.ids(bound))
        if np.isscalar(low) or np.isscalar(high):
            big = np.finfo(np.float64).max
            low, high = (low if np.isscalar(low) else -big), (high if np.isscalar(high) else big)
            a = self.tape.elementwise("clip", a, constants=(float(low), float(high)))
        return a

    def where(self, condition: Ids, a: Ids, b: Ids) -> Ids:
        return self.tape.elementwise("where", condition, a, b)

    def matmul(self, a: Ids, b: Ids) -> Ids:
        """As numpy's: vectors and matrices; batches of matrices are taken one by one."""
        if a.ndim > 2 or b.ndim > 2:
            if b.ndim <= 2:
                rows = a.reshape(-1, a.shape[-1])
                return self.matmul(rows, b).reshape(*a.shape[:-1], *b.shape[1:])
            lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            left, right = np.broadcast_to(a, (*lead, *a.shape[-2:])), np.broadcast_to(b, (*lead, *b.shape[-2:]))
            each = [self.matmul(left[at], right[at]) for at in np.ndindex(*lead)]
            return np.stack(each).reshape(*lead, *each[0].shape)
        left, right = np.atleast_2d(a), b[:, None] if b.ndim == 1 else b
        found = self.tape.dot(left, right)
        return found.reshape((*a.shape[:-1], *b.shape[1:]))

    def outer(self, a: Ids, b: Ids) -> Ids:
        return self.multiply(a.reshape(-1, 1), b.reshape(1, -1))

    def reduce(self, op: str, a: Ids, axis: Any = None, keepdims: bool = False) -> Ids:
        axes = tuple(range(a.ndim)) if axis is None else tuple(n % a.ndim for n in np.atleast_1d(axis))
        rest = [n for n in range(a.ndim) if n not in axes]
        moved = a.transpose(*rest, *axes).reshape(*(a.shape[n] for n in rest), -1)
        found = self.tape.reduced(op, np.ascontiguousarray(moved))
        return found.reshape([1 if n in axes else a.shape[n] for n in range(a.ndim)]) if keepdims else found

    def einsum(self, text: str, *operands: Ids) -> Ids:
        text = text.replace(" ", "")
        left, _, out = text.partition("->")
        terms = left.split(",")
        if "." in text or len(terms) != 2 or not _ or any(len(set(t)) < len(t) for t in terms):
            raise self.tape.refuse("this einsum is not read; write it with two operands and `->`")
        a, b = terms
        shared = [c for c in a if c in b and c not in out]
        batch = [c for c in a if c in b and c in out]
        only = [[c for c in one if c not in other and c in out] for one, other in ((a, b), (b, a))]
        sizes = dict(zip(a + b, operands[0].shape + operands[1].shape, strict=True))
        if set(a + b) != {*shared, *batch, *only[0], *only[1]}:
            raise self.tape.refuse("this einsum sums over a letter of one operand alone, which is not read")
        n = lambda letters: int(np.prod([sizes[c] for c in letters], dtype=int))  # noqa: E731
        x = operands[0].transpose([a.index(c) for c in (*batch, *only[0], *shared)])
        y = operands[1].transpose([b.index(c) for c in (*batch, *shared, *only[1])])
        x, y = x.reshape(n(batch), n(only[0]), n(shared)), y.reshape(n(batch), n(shared), n(only[1]))
        each = [self.matmul(p, q) if shared else self.multiply(p, q) for p, q in zip(x, y, strict=True)]
        found = np.stack(each).reshape([sizes[c] for c in (*batch, *only[0], *only[1])])
        order = [*batch, *only[0], *only[1]]
        return found.transpose([order.index(c) for c in out])

    def ids(self, value: Any) -> Ids:
        """Any value as integers: those that it has, or those of a new constant."""
        if isinstance(value, Recorded):
            return value.ids
        if isinstance(value, (list, tuple)):
            return np.stack([self.ids(one) for one in value])
        array = np.asarray(value)
        if array.dtype.kind not in "fiub":
            raise self.tape.refuse(f"an operand is not a number but {type(value).__name__}")
        if array.ndim == 0:
            return self.tape.number(float(array))
        if array.size and np.all(array == array.flat[0]):
            return np.broadcast_to(self.tape.number(float(array.flat[0])), array.shape)
        return self.tape.source("constant", array)


_RENAMED = {"true_divide": "divide", "expit": "sigmoid", "fabs": "absolute", "float_power": "power", "conjugate": "positive", "logistic": "sigmoid"}
_SINGLE = ("tanh", "exp", "log", "sqrt", "sigmoid", "relu", "softplus")
_REDUCED = {"add": "sum", "maximum": "max"}
#: Functions of numpy that only move numbers.
_MOVES = frozenset(
    "concatenate stack vstack hstack dstack column_stack row_stack split array_split hsplit vsplit dsplit reshape"
    " transpose swapaxes moveaxis rollaxis ravel squeeze expand_dims broadcast_to broadcast_arrays repeat tile flip"
    " fliplr flipud roll take atleast_1d atleast_2d atleast_3d copy append delete insert block diagonal"
    " take_along_axis split unstack permute_dims matrix_transpose concat require rot90".split()
)
_SHAPES = frozenset("shape ndim size".split())


class Recorded(NDArrayOperatorsMixin):
    """An array of a run that is recorded."""

    __array_priority__ = 1000

    def __init__(self, ids: Ids, math: Arithmetic, dtype: Any = np.float64) -> None:
        self.ids, self.math = ids, math
        self.dtype = np.dtype(dtype)

    def _new(self, ids: Any) -> Any:
        if isinstance(ids, (list, tuple)):
            return type(ids)(self._new(one) for one in ids)
        return Recorded(ids, self.math, self.dtype) if isinstance(ids, np.ndarray) or np.isscalar(ids) else ids

    # -- protocol of numpy --

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        name = _RENAMED.get(ufunc.__name__, ufunc.__name__)
        m, tape = self.math, self.math.tape
        if method == "reduce" and name in _REDUCED:
            found = m.reduce(_REDUCED[name], m.ids(inputs[0]), options.get("axis", 0), options.get("keepdims", False))
        elif method == "outer" and name == "multiply":
            found = m.outer(*map(m.ids, inputs))
        elif method != "__call__" or set(options) - {"dtype", "casting", "order", "subok"}:
            raise tape.refuse(f"np.{ufunc.__name__}.{method} with {', '.join(options) or 'these arguments'} is not read")
        elif name in _SINGLE:
            found = m.one(name, m.ids(inputs[0]))
        elif name == "clip":
            found = m.clip(m.ids(inputs[0]), *inputs[1:])
        elif hasattr(Arithmetic, name) and name not in ("one", "ids", "reduce", "einsum"):
            found = getattr(m, name)(*map(m.ids, inputs))
        else:
            raise tape.refuse(f"np.{ufunc.__name__} is not an operation of equations")
        if out is not None:
            target = out[0]
            if not isinstance(target, Recorded):
                raise tape.refuse("the result is written into an array made before the recording began")
            target.ids[...] = found
            return target
        return self._new(found)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        name, m, tape = func.__name__, self.math, self.math.tape
        if name in _MOVES:
            return self._new(func(*_as_ids(m, args), **_as_ids(m, kwargs)))
        if name in _SHAPES:
            return func(*_as_ids(m, args), **kwargs)
        if name in ("dot", "matmul", "inner", "vdot"):
            a, b = map(m.ids, args[:2])
            return self._new(m.multiply(a, b) if not a.ndim or not b.ndim else m.matmul(a, b.T if name == "inner" else b))
        if name in ("sum", "mean", "max", "amax", "min", "amin", "var", "std", "prod"):
            return getattr(self._new(m.ids(args[0])), {"amax": "max", "amin": "min"}.get(name, name))(*args[1:], **kwargs)
        if name == "clip":
            return self._new(m.clip(m.ids(args[0]), *(args[1:] or (kwargs.get("a_min", kwargs.get("min")), kwargs.get("a_max", kwargs.get("max"))))))
        if name == "where" and len(args) == 3:
            return self._new(m.where(*map(m.ids, args)))
        if name == "outer":
            return self._new(m.outer(*map(m.ids, args)))
        if name == "einsum":
            return self._new(m.einsum(args[0], *map(m.ids, args[1:])))
        if name in ("zeros_like", "empty_like", "ones_like", "full_like"):
            value = {"ones_like": 1.0, "full_like": args[1] if len(args) > 1 else kwargs.get("fill_value")}.get(name, 0.0)
            return self._new(np.broadcast_to(m.ids(value), m.ids(args[0]).shape).copy())
        if name == "copyto":
            args[0].ids[...] = m.ids(args[1])
            return None
        if name == "tensordot" and kwargs.get("axes", args[2] if len(args) > 2 else 2) == 1:
            return self._new(m.matmul(*map(m.ids, args[:2])))
        if name in ("array_repr", "array_str", "array2string"):
            return func(m.tape.values[self.ids], *args[1:], **kwargs)
        raise tape.refuse(f"np.{name} is not an operation of equations")

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise self.math.tape.refuse("a value becomes a plain array here, so that it is not known what it came from")

    # -- numbers of Python --

    def _plain(self, *_: Any) -> Any:
        raise self.math.tape.refuse("a computed value becomes a plain number here, so that it is not known what it came from")

    __float__ = __int__ = __index__ = __complex__ = item = tolist = tobytes = _plain

    def __bool__(self) -> bool:
        raise self.math.tape.refuse("the code branches on a computed value; equations have no branches: use np.where")

    __hash__ = None  # type: ignore[assignment]

    # -- an array --

    shape = property(lambda self: self.ids.shape)
    ndim = property(lambda self: self.ids.ndim)
    size = property(lambda self: self.ids.size)
    T = property(lambda self: self._new(self.ids.T))
    mT = property(lambda self: self._new(np.swapaxes(self.ids, -1, -2)))
    flat = property(lambda self: iter(self.ravel()))
    nbytes = property(lambda self: self.ids.size * self.dtype.itemsize)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[Any]:
        return (self[k] for k in range(len(self.ids)))

    def __getitem__(self, key: Any) -> Any:
        return self._new(self.ids[self._key(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if not self.ids.flags.writeable:
            raise self.math.tape.refuse("a weight or a broadcast array is changed in place")
        self.ids[self._key(key)] = self.math.ids(value)

    def _key(self, key: Any) -> Any:
        if isinstance(key, Recorded) or (isinstance(key, tuple) and any(isinstance(one, Recorded) for one in key)):
            raise self.math.tape.refuse("a computed value chooses which numbers are taken; use np.where")
        return key

    def _inplace(self, name: str, other: Any) -> Any:
        self.ids[...] = getattr(self.math, name)(self.ids, self.math.ids(other))
        return self

    def __iadd__(self, other: Any) -> Any:
        return self._inplace("add", other)

    def __isub__(self, other: Any) -> Any:
        return self._inplace("subtract", other)

    def __imul__(self, other: Any) -> Any:
        return self._inplace("multiply", other)

    def __itruediv__(self, other: Any) -> Any:
        return self._inplace("divide", other)

    def dot(self, other: Any, out: Any = None) -> Any:
        return np.dot(self, other)

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._new(self.math.reduce("sum", self.ids, axis, keepdims))

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._new(self.math.reduce("mean", self.ids, axis, keepdims))

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return self._new(self.math.reduce("max", self.ids, axis, keepdims))

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        return -((-self).max(axis, None, keepdims))

    def var(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        if ddof:
            raise self.math.tape.refuse("a variance with ddof is not read")
        away = self - self.mean(axis, keepdims=True)
        return (away * away).mean(axis, keepdims=keepdims)

    def std(self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: int = 0, keepdims: bool = False) -> Any:
        return np.sqrt(self.var(axis, ddof=ddof, keepdims=keepdims))

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> Any:
        return self._new(self.math.clip(self.ids, min, max))

    def astype(self, dtype: Any, **_: Any) -> Any:
        if np.dtype(dtype).kind != "f":
            raise self.math.tape.refuse(f"a computed value is rounded to {np.dtype(dtype)}")
        return self.copy()

    def fill(self, value: Any) -> None:
        self[...] = value

    def _moved(name: str) -> Any:  # noqa: N805
        return lambda self, *args, **kwargs: self._new(getattr(self.ids, name)(*args, **kwargs))

    reshape, transpose, ravel, flatten, squeeze, copy = map(_moved, ("reshape", "transpose", "ravel", "flatten", "squeeze", "copy"))
    swapaxes, repeat, take, diagonal, view = map(_moved, ("swapaxes", "repeat", "take", "diagonal", "view"))
    del _moved

    def __repr__(self) -> str:
        return repr(self.math.tape.values[self.ids])

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __copy__(self) -> Any:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Any:
        return self.copy()


def _as_ids(math: Arithmetic, value: Any) -> Any:
    """The arguments of a function that moves numbers: recorded arrays as integers, plain floats as constants."""
    if isinstance(value, Recorded):
        return value.ids
    if isinstance(value, dict):
        return {key: _as_ids(math, one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_as_ids(math, one) for one in value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        return math.ids(value)
    return value
