"""Recording tensors for PyTorch: tensors with integers that name numbers on a tape, which PyTorch itself moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from .arithmetic import ELEMENTWISE, PRODUCTS, REDUCTIONS, RecordedMath
from .tape import Ids

#: Functions and methods that only move numbers.
MOVES = frozenset({
    "__getitem__", "adjoint", "atleast_1d", "atleast_2d", "broadcast_to", "cat", "chunk", "clone", "column_stack",
    "concat", "concatenate", "contiguous", "diagonal", "dstack", "expand", "expand_as", "flatten", "flip", "fliplr",
    "flipud", "gather", "hsplit", "hstack", "index_select", "meshgrid", "moveaxis", "movedim", "narrow", "permute",
    "ravel", "repeat", "repeat_interleave", "reshape", "reshape_as", "roll", "select", "split", "split_with_sizes",
    "squeeze", "stack", "swapaxes", "swapdims", "t", "take", "tensor_split", "tile", "transpose", "unbind",
    "unflatten", "unfold", "unsqueeze", "view", "view_as", "vsplit", "vstack"
})  # fmt: skip
#: Those that join tensors, the first argument: whole numbers among them are values, and elsewhere indices.
_JOINS = frozenset({"cat", "column_stack", "concat", "concatenate", "dstack", "hstack", "stack", "vstack"})
#: Functions and methods of everything but the numbers.
QUERIES = frozenset({
    "__get__", "__len__", "__hash__", "data_ptr", "dim", "element_size", "get_device", "has_names", "is_complex",
    "is_contiguous", "is_floating_point", "ndimension", "nelement", "numel", "size", "storage_offset", "stride"
})  # fmt: skip
#: Methods without an effect on the numbers, apart from rounding.
SAME = frozenset({
    "detach", "detach_", "requires_grad_", "to", "cpu", "float", "double", "type_as", "alias"
})  # fmt: skip
#: Methods that make plain numbers.
_PLAIN = frozenset({
    "item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "__contains__"
})  # fmt: skip
_MADE = ("zeros", "ones", "empty", "full")


class RecordedTensor(torch.Tensor):
    """A tensor of a run that is recorded. ids: its integers."""

    ids: torch.Tensor
    math: RecordedMath

    @staticmethod
    def of(ids: Ids | torch.Tensor, math: RecordedMath, dtype: torch.dtype) -> RecordedTensor:
        """A tensor with these numbers; arrays that cannot be written belong to weights."""
        if isinstance(ids, np.ndarray):
            fixed = not ids.flags.writeable
            ids = torch.from_numpy(np.array(ids))
            if fixed:
                math.frozen.add(ids.untyped_storage().data_ptr())
        values = torch.from_numpy(np.array(math.tape.values[ids.numpy()])).to(dtype).reshape(ids.shape)
        made = torch.Tensor._make_subclass(RecordedTensor, values)
        made.ids, made.math = ids, math
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        first = next(one for one in _leaves((args, kwargs or {})) if isinstance(one, RecordedTensor))
        with torch._C.DisableTorchFunction():
            return _Call(first.math, first.dtype, func, args, kwargs or {}).result()

    __hash__ = torch.Tensor.__hash__


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (list, tuple, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _leaves(one)
    else:
        yield value


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)) and not isinstance(value, torch.Size):
        each = [_mapped(one, function) for one in value]
        return type(value)(*each) if hasattr(value, "_fields") else type(value)(each)
    if isinstance(value, dict):
        return {key: _mapped(one, function) for key, one in value.items()}
    return function(value)


def ids_of(math: RecordedMath, value: Any) -> Ids:
    """An operand as integers: those that it has, or those of new constants."""
    if isinstance(value, RecordedTensor):
        if value.math is not math:
            raise math.tape.refusal("a value of an earlier call is used, so that the function keeps a state of its own")
        return value.ids.numpy()
    if isinstance(value, torch.Tensor):
        return math.plain(value, value.detach().cpu().numpy())
    return math.plain(value)


class _Call:
    """A call of a function of PyTorch."""

    def __init__(self, math: RecordedMath, dtype: torch.dtype, func: Any, args: Any, kwargs: dict[str, Any]) -> None:
        self.math, self.dtype, self.func, self.args, self.kwargs = math, dtype, func, args, kwargs
        self.name = getattr(func, "__name__", str(func))

    def result(self) -> Any:
        """What it returns."""
        name, args, refusal = self.name, self.args, self.math.tape.refusal
        if name in QUERIES:
            owned = getattr(getattr(self.func, "__self__", None), "__name__", "")
            if owned in ("T", "mT", "H"):
                return self._new(getattr(args[0].ids, owned))
            return args[0] if owned == "data" else self.func(*args, **self.kwargs)
        if name in ("__repr__", "__format__", "__str__"):
            return repr(self.math.tape.values[args[0].ids.numpy()])
        if name == "__bool__":
            raise refusal("the code branches on a computed value, and equations have no branches: use torch.where")
        if name in _PLAIN:
            raise refusal("a computed value becomes a plain number here: it would not be known where it came from")
        if name == "__iter__":
            return iter([self._new(one) for one in args[0].ids])
        if name == "__setitem__":
            self._check_key(args[1])
            return self._write(args[0], args[1], ids_of(self.math, args[2]))
        if name in SAME:
            return args[0]
        if name in MOVES:
            if name == "__getitem__":
                self._check_key(args[1])
            if name in _JOINS:
                args = [torch.from_numpy(np.array(ids_of(self.math, one))) for one in args[0]], *args[1:]
            return _mapped(self.func(*_mapped(args, self._moved), **_mapped(self.kwargs, self._moved)), self._new)
        return self._computed()

    def _computed(self) -> Any:
        core, inplace, args = _core(self.name), _is_inplace(self.name), self.args
        if core in ("zero", "fill", "copy") and inplace:
            self._write(args[0], ..., ids_of(self.math, 0.0 if core == "zero" else args[1]))
            return args[0]
        args = args[::-1] if self.name == f"__r{core}__" else args
        found = self._found(core, args, {key: one for key, one in self.kwargs.items() if key not in ("dtype", "out")})
        if (target := args[0] if inplace else self.kwargs.get("out")) is None:
            return self._new(found)
        self._write(target, ..., found)
        return target

    def _found(self, core: str, args: Any, kwargs: dict[str, Any]) -> Ids:
        for table, count in ((FUNCTIONS, 0), (ELEMENTWISE, 3), (PRODUCTS, 2)):
            if core in table and (table is FUNCTIONS or not kwargs):
                try:
                    operands = args if table is FUNCTIONS else [ids_of(self.math, one) for one in args[:count]]
                    return table[core](self.math, *operands, **kwargs)
                except TypeError:
                    raise self.math.tape.refusal(f"torch's {self.name} is not read with these arguments") from None
        raise self.math.tape.refusal(f"torch's {self.name} is no operation of a cell")

    def _new(self, found: Any) -> Any:
        if isinstance(found, tuple):
            return tuple(self._new(one) for one in found)
        if isinstance(found, (np.ndarray, torch.Tensor)):
            return RecordedTensor.of(found, self.math, self.dtype)
        return found

    def _moved(self, value: Any) -> Any:
        """An argument of a function that moves numbers: of tensors the integers."""
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            own = isinstance(value, RecordedTensor) and value.math is self.math
            return cast(RecordedTensor, value).ids if own else torch.from_numpy(np.array(ids_of(self.math, value)))
        return value

    def _write(self, target: Any, key: Any, ids: Ids) -> None:
        if not isinstance(target, RecordedTensor):
            raise self.math.tape.refusal(
                "a computed value is written into a plain tensor, made before the function ran"
            )
        if target.ids.untyped_storage().data_ptr() in self.math.frozen:
            raise self.math.tape.refusal("a weight is changed in place, so that every step has weights of its own")
        target.ids[key] = torch.from_numpy(np.array(ids))

    def _check_key(self, key: Any) -> None:
        if any(isinstance(one, RecordedTensor) for one in _leaves(key)):
            raise self.math.tape.refusal("a computed value chooses which numbers are read: use torch.where")


def _is_inplace(name: str) -> bool:
    return (name.endswith("_") and not name.endswith("__")) or (name.startswith("__i") and name.endswith("__"))


def _core(name: str) -> str:
    """The operation of a method or operator: `add` of `add_`, `__iadd__`, `__radd__` and `__add__`."""
    if not name.startswith("__"):
        return name.removesuffix("_")
    core = name.strip("_")
    return core[1:] if core[0] in "ir" and core[1:] in {*ELEMENTWISE, *PRODUCTS} else core


# -- functions of PyTorch ----------------------------------------------------------------------------------------------


def _optional(math: RecordedMath, value: Any) -> Ids | None:
    return None if value is None else ids_of(math, value)


def _linear(math: RecordedMath, x: Any, weight: Any, bias: Any = None) -> Ids:
    found = math.matmul(ids_of(math, x), ids_of(math, weight).T)
    return found if bias is None else math.add(found, ids_of(math, bias))


def _times(math: RecordedMath, factor: Any, ids: Ids) -> Ids:
    return ids if factor == 1 else math.multiply(math.tape.number(float(factor)), ids)


def _add(math: RecordedMath, a: Any, b: Any, alpha: Any = 1) -> Ids:
    return math.add(ids_of(math, a), _times(math, alpha, ids_of(math, b)))


def _sub(math: RecordedMath, a: Any, b: Any, alpha: Any = 1) -> Ids:
    return math.subtract(ids_of(math, a), _times(math, alpha, ids_of(math, b)))


def _addmm(math: RecordedMath, base: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Ids:
    product = _times(math, alpha, math.matmul(ids_of(math, a), ids_of(math, b)))
    return math.add(_times(math, beta, ids_of(math, base)), product)


def _addcmul(math: RecordedMath, base: Any, a: Any, b: Any, value: Any = 1) -> Ids:
    return math.add(ids_of(math, base), _times(math, value, math.multiply(ids_of(math, a), ids_of(math, b))))


def _einsum(math: RecordedMath, text: str, *operands: Any) -> Ids:
    each = operands[0] if len(operands) == 1 and isinstance(operands[0], (list, tuple)) else operands
    return math.einsum(text, *(ids_of(math, one) for one in each))


def _clamp(math: RecordedMath, a: Any, min: Any = None, max: Any = None) -> Ids:
    return math.clip(ids_of(math, a), _optional(math, min), _optional(math, max))


def _hardtanh(math: RecordedMath, a: Any, min_val: Any = -1.0, max_val: Any = 1.0, inplace: bool = False) -> Ids:
    return _clamp(math, a, min_val, max_val)


def _reduction(name: str) -> Callable[..., Ids]:
    def reduced(math: RecordedMath, a: Any, dim: Any = None, keepdim: bool = False) -> Ids:
        if isinstance(dim, torch.Tensor) and name in ("max", "min"):
            return ELEMENTWISE[f"{name}imum"](math, ids_of(math, a), ids_of(math, dim))
        if dim is not None and name in ("max", "min"):
            raise math.tape.refusal(f"torch.{name} with a dim has indices too: use torch.a{name}")
        return REDUCTIONS[name](math, ids_of(math, a), dim, keepdim)

    return reduced


def _variance(math: RecordedMath, a: Any, dim: Any = None, unbiased: bool = True, keepdim: bool = False,
              correction: Any = None) -> Ids:  # fmt: skip
    if correction not in (None, 0) or (correction is None and unbiased):
        raise math.tape.refusal("a variance is an operation of a cell with unbiased=False only")
    return math.variance(ids_of(math, a), dim, keepdim)


def _softmax(math: RecordedMath, a: Any, dim: Any = -1, *_: Any, **__: Any) -> Ids:
    return math.softmax(ids_of(math, a), dim)


def _layer_norm(math: RecordedMath, input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None,
                eps: float = 1e-5) -> Ids:  # fmt: skip
    axes = tuple(range(-len(normalized_shape), 0))
    return math.layer_norm(ids_of(math, input), axes, _optional(math, weight), _optional(math, bias), eps)


def _dropout(math: RecordedMath, a: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Ids:
    if training and p:
        raise math.tape.refusal("dropout is active: call .eval() first")
    return ids_of(math, a).copy()


def _gates(math: RecordedMath, x: Any, h: Any, weights: Any, gates: int) -> tuple[list[Ids], list[Ids]]:
    """The products of x and of h with the weights of a cell, gate by gate."""
    w_x, w_h, *biases = weights
    b_x, b_h = biases if len(biases) == 2 else (None, None)
    return tuple(np.split(_linear(math, one, w, b), gates, -1) for one, w, b in ((x, w_x, b_x), (h, w_h, b_h)))  # type: ignore[return-value]


def _lstm_cell(math: RecordedMath, x: Any, state: Any, *weights: Any) -> tuple[Ids, Ids]:
    i, f, g, o = (math.add(*pair) for pair in zip(*_gates(math, x, state[0], weights, 4), strict=True))
    i, f, o = (ELEMENTWISE["sigmoid"](math, one) for one in (i, f, o))
    c = math.add(math.multiply(f, ids_of(math, state[1])), math.multiply(i, ELEMENTWISE["tanh"](math, g)))
    return math.multiply(o, ELEMENTWISE["tanh"](math, c)), c


def _gru_cell(math: RecordedMath, x: Any, h: Any, *weights: Any) -> Ids:
    (r_x, z_x, n_x), (r_h, z_h, n_h) = _gates(math, x, h, weights, 3)
    r, z = (ELEMENTWISE["sigmoid"](math, math.add(*pair)) for pair in ((r_x, r_h), (z_x, z_h)))
    n = ELEMENTWISE["tanh"](math, math.add(n_x, math.multiply(r, n_h)))
    keep = math.subtract(math.tape.number(1.0), z)
    return math.add(math.multiply(keep, n), math.multiply(z, ids_of(math, h)))


def _rnn_cell(activation: str) -> Callable[..., Ids]:
    def cell(math: RecordedMath, x: Any, h: Any, *weights: Any) -> Ids:
        (of_x,), (of_h,) = _gates(math, x, h, weights, 1)
        return ELEMENTWISE[activation](math, math.add(of_x, of_h))

    return cell


def _full(value: float | None) -> Callable[..., Ids]:
    """`zeros_like` and its like; value: None for `full_like`."""

    def full(math: RecordedMath, like: Any, *rest: Any, **_: Any) -> Ids:
        fill = rest[-1] if value is None else value
        return np.array(np.broadcast_to(ids_of(math, fill), like.shape))

    return full


def _new_full(value: float | None) -> Callable[..., Ids]:
    """`new_zeros` and its like."""

    def full(math: RecordedMath, like: Any, *size: Any, **_: Any) -> Ids:
        fill = size[-1] if value is None else value
        shape = size[0] if isinstance(size[0], (tuple, list)) else size
        return np.array(np.broadcast_to(ids_of(math, fill), tuple(shape)))

    return full


_FILLS = {"zeros": 0.0, "ones": 1.0, "empty": 0.0, "full": None}
FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    **{name: _reduction(name) for name in ("sum", "mean", "max", "amax", "min", "amin")},
    **{f"{name}_like": _full(value) for name, value in _FILLS.items()},
    **{f"new_{name}": _new_full(value) for name, value in _FILLS.items()},
    "linear": _linear,
    "add": _add,
    **dict.fromkeys(("sub", "subtract"), _sub),
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _addmm),
    "addcmul": _addcmul,
    "einsum": _einsum,
    **dict.fromkeys(("clamp", "clip"), _clamp),
    "hardtanh": _hardtanh,
    "var": _variance,
    "softmax": _softmax,
    "log_softmax": lambda math, a, *rest, **more: ELEMENTWISE["log"](math, _softmax(math, a, *rest, **more)),
    "layer_norm": _layer_norm,
    **dict.fromkeys(("dropout", "feature_dropout", "alpha_dropout"), _dropout),
    "masked_fill": lambda math, a, mask, value: math.where(*(ids_of(math, one) for one in (mask, value, a))),
    **{name: lambda math, a, inplace=False, name=name: ELEMENTWISE[name](math, ids_of(math, a))
       for name in ("relu", "silu", "hardsigmoid")},
    "softplus": lambda math, a, *rest, **more: math.softplus(ids_of(math, a), *rest, **more),
    "elu": lambda math, a, alpha=1.0, inplace=False: math.elu(ids_of(math, a), alpha),
    "leaky_relu": lambda math, a, slope=0.01, inplace=False: math.leaky_relu(ids_of(math, a), slope),
    "lstm_cell": _lstm_cell,
    "gru_cell": _gru_cell,
    "rnn_tanh_cell": _rnn_cell("tanh"),
    "rnn_relu_cell": _rnn_cell("relu"),
}  # fmt: skip


class _Factories(TorchFunctionMode):
    """Tensors that the code makes are recorded, so that computed values can be written into them."""

    def __init__(self, math: RecordedMath) -> None:
        super().__init__()
        self.math = math

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") not in (*_MADE, *(f"{name}_like" for name in _MADE)):
            return made
        if type(made) is not torch.Tensor or not made.is_floating_point():
            return made
        with torch._C.DisableTorchFunction():
            filled = np.zeros(made.shape) if func.__name__.startswith("empty") else made.detach().cpu().numpy()
            return RecordedTensor.of(np.array(self.math.plain(filled)), self.math, made.dtype)


@contextmanager
def recorded_factories(math: RecordedMath) -> Iterator[None]:
    """Record the tensors that the user's code makes."""
    with _Factories(math):
        yield
