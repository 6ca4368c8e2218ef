"""The same for PyTorch: tensors whose numbers are on a tape. PyTorch itself moves the integers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.overrides import TorchFunctionMode

from .arrays import Arithmetic

#: Functions and methods that only move numbers.
MOVES = frozenset(
    "chunk split tensor_split split_with_sizes unbind cat concat concatenate stack hstack vstack dstack column_stack view"
    " view_as reshape reshape_as flatten unflatten ravel transpose t permute movedim moveaxis swapaxes swapdims adjoint"
    " squeeze unsqueeze expand expand_as broadcast_to repeat repeat_interleave tile narrow select index_select"
    " contiguous clone flip fliplr flipud roll diagonal take gather __getitem__ unfold atleast_1d atleast_2d"
    " meshgrid hsplit vsplit".split()
)
SAME = frozenset("detach requires_grad_ to cpu float double type_as type contiguous clone alias dropout detach_ positive __pos__ _to_copy feature_dropout alpha_dropout".split())
NAMES = {
    "add": "add", "__add__": "add", "__radd__": "add", "sub": "subtract", "subtract": "subtract", "__sub__": "subtract",
    "mul": "multiply", "multiply": "multiply", "__mul__": "multiply", "__rmul__": "multiply",
    "div": "divide", "divide": "divide", "true_divide": "divide", "__truediv__": "divide", "neg": "negative",
    "negative": "negative", "__neg__": "negative", "maximum": "maximum", "minimum": "minimum", "gt": "greater",
    "greater": "greater", "__gt__": "greater", "lt": "less", "less": "less", "__lt__": "less", "ge": "greater_equal",
    "__ge__": "greater_equal", "le": "less_equal", "__le__": "less_equal", "abs": "absolute", "absolute": "absolute",
    "square": "square", "reciprocal": "reciprocal", "expm1": "expm1", "log1p": "log1p", "pow": "power",
    "__pow__": "power", "matmul": "matmul", "__matmul__": "matmul", "mm": "matmul", "mv": "matmul", "bmm": "matmul",
    "dot": "matmul", "inner": "inner", "outer": "outer", "ger": "outer", "where": "where",
}  # fmt: skip
REVERSED = {"__rsub__": "subtract", "rsub": "subtract", "__rtruediv__": "divide", "__rdiv__": "divide", "__rmatmul__": "matmul", "__rpow__": "power"}
SINGLE = ("tanh", "exp", "log", "sqrt", "sigmoid", "relu")


class RecordedTensor(torch.Tensor):
    """A tensor of a run that is recorded; `ids` are its integers."""

    ids: torch.Tensor
    math: Arithmetic

    @staticmethod
    def of(ids: torch.Tensor, math: Arithmetic, dtype: torch.dtype) -> RecordedTensor:
        values = torch.from_numpy(np.ascontiguousarray(math.tape.values[ids.numpy()])).to(dtype).reshape(ids.shape)
        made = torch.Tensor._make_subclass(RecordedTensor, values)
        made.ids, made.math = ids, math
        return made

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        first = next(one for one in _leaves((args, kwargs)) if isinstance(one, RecordedTensor))
        with torch._C.DisableTorchFunction():
            return _called(first.math, first.dtype, func, args, kwargs)

    __hash__ = torch.Tensor.__hash__


def _leaves(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        for one in value:
            yield from _leaves(one)
    elif isinstance(value, dict):
        for one in value.values():
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


def _called(math: Arithmetic, dtype: torch.dtype, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    name, tape = getattr(func, "__name__", str(func)), math.tape

    def ids(value: Any) -> Any:
        """Integers, as a numpy array."""
        if isinstance(value, RecordedTensor):
            return value.ids.numpy()
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().double().numpy() if value.is_floating_point() else value.numpy()
        return math.ids(value)

    def moved(value: Any) -> Any:
        if isinstance(value, RecordedTensor):
            return value.ids
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            return torch.from_numpy(np.array(ids(value)))
        return value

    def new(found: Any) -> Any:
        if isinstance(found, np.ndarray):
            found = torch.from_numpy(np.array(found))
        return RecordedTensor.of(found, math, dtype) if isinstance(found, torch.Tensor) else found

    if name in ("__get__", "size", "dim", "ndimension", "numel", "stride", "is_contiguous", "is_floating_point", "__len__", "nelement", "element_size", "get_device", "storage_offset", "is_complex", "data_ptr", "__hash__", "has_names"):
        owner = getattr(func, "__self__", None)
        prop = getattr(owner, "__name__", "")
        if prop in ("T", "mT", "H"):
            return new(getattr(args[0].ids, prop))
        if prop in ("data",):
            return args[0]
        return func(*args, **kwargs)
    if name in ("__repr__", "__format__", "__str__"):
        return repr(tape.values[args[0].ids.numpy()])
    if name in ("__bool__", "__nonzero__"):
        raise tape.refuse("the code branches on a computed value; equations have no branches: use torch.where")
    if name in ("item", "tolist", "numpy", "__float__", "__int__", "__index__", "__array__", "__contains__"):
        raise tape.refuse("a computed value becomes a plain number here, so that it is not known what it came from")
    if name == "__iter__":
        return iter([new(one) for one in args[0].ids])
    if name == "__setitem__":
        args[0].ids[args[1]] = moved(args[2]) if isinstance(args[2], torch.Tensor) else torch.from_numpy(np.array(ids(args[2])))
        return None
    if name in ("zeros_like", "ones_like", "empty_like", "full_like", "new_zeros", "new_ones", "new_empty", "new_full"):
        like, rest = args[0], args[1:]
        value = rest[-1] if "full" in name else 1.0 if "ones" in name else 0.0
        shape = like.shape if name.endswith("_like") else torch.Size(rest[0] if rest and isinstance(rest[0], (tuple, list, torch.Size)) else rest)
        return new(np.full(tuple(shape), int(math.tape.number(float(value))), np.int64))
    if name in SAME:
        return args[0] if name not in ("clone",) else new(args[0].ids.clone())
    if name in MOVES:
        if name == "__getitem__" and any(isinstance(one, RecordedTensor) for one in _leaves(args[1])):
            raise tape.refuse("a computed value chooses which numbers are taken; use torch.where")
        return _mapped(func(*_mapped(args, moved), **_mapped(kwargs, moved)), new)
    inplace = name if name.endswith("_") and not name.endswith("__") else ""
    plain = name.rstrip("_") if inplace else name
    if name.startswith("__i") and name.endswith("__") and name not in ("__index__", "__int__"):
        inplace, plain = name, "__" + name[3:]
    if plain in ("zero", "fill", "copy"):
        value = 0.0 if plain == "zero" else args[1]
        args[0].ids[...] = torch.from_numpy(np.array(np.broadcast_to(ids(value), args[0].shape)))
        return args[0]
    found = _computed(math, plain, ids, args, kwargs)
    if found is NotImplemented:
        raise tape.refuse(f"torch's {name} is not an operation of equations")
    if inplace or kwargs.get("out") is not None:
        target = args[0] if inplace else kwargs["out"]
        target.ids[...] = torch.from_numpy(np.array(found))
        return target
    return new(found)


def _computed(math: Arithmetic, name: str, ids: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    m = math
    if name in SINGLE:
        return m.one(name, ids(args[0]))
    if name == "softplus":
        return m.one("softplus", ids(args[0]))
    if name in ("add", "sub") and "alpha" in kwargs:
        other = m.multiply(ids(args[1]), ids(kwargs["alpha"]))
        return m.add(ids(args[0]), other) if name == "add" else m.subtract(ids(args[0]), other)
    if name in REVERSED:
        return getattr(m, REVERSED[name])(ids(args[1]), ids(args[0]))
    if name == "inner":
        return m.matmul(ids(args[0]), ids(args[1]).T)
    if name in NAMES:
        return getattr(m, NAMES[name])(*map(ids, args))
    if name == "linear":
        bias = args[2] if len(args) > 2 else kwargs.get("bias")
        found = m.matmul(ids(args[0]), ids(args[1]).T)
        return found if bias is None else m.add(found, ids(bias))
    if name in ("addmm", "addmv", "baddbmm"):
        return m.add(ids(args[0]), m.matmul(ids(args[1]), ids(args[2])))
    if name == "addcmul":
        return m.add(ids(args[0]), m.multiply(ids(args[1]), ids(args[2])))
    if name == "lerp":
        a, b, w = map(ids, args)
        return m.add(a, m.multiply(w, m.subtract(b, a)))
    if name == "einsum":
        operands = args[1] if isinstance(args[1], (list, tuple)) else args[1:]
        return m.einsum(args[0], *map(ids, operands))
    if name in ("clamp", "clip", "hardtanh"):
        low = args[1] if len(args) > 1 else kwargs.get("min", kwargs.get("min_val", -1.0 if name == "hardtanh" else None))
        high = args[2] if len(args) > 2 else kwargs.get("max", kwargs.get("max_val", 1.0 if name == "hardtanh" else None))
        return m.clip(ids(args[0]), low, high)
    if name in ("sum", "mean", "max", "amax"):
        axis = args[1] if len(args) > 1 else kwargs.get("dim")
        return m.reduce(name.replace("amax", "max"), ids(args[0]), axis, kwargs.get("keepdim", False))
    if name == "var" and (kwargs.get("unbiased") is False or kwargs.get("correction") == 0):
        a, axis = ids(args[0]), kwargs.get("dim", args[1] if len(args) > 1 else None)
        away = m.subtract(a, m.reduce("mean", a, axis, True))
        return m.reduce("mean", m.multiply(away, away), axis, kwargs.get("keepdim", False))
    if name in ("softmax", "log_softmax"):
        axis = kwargs.get("dim", args[1] if len(args) > 1 else -1)
        a = ids(args[0])
        a = m.subtract(a, m.reduce("max", a, axis, True))
        e = m.one("exp", a)
        total = m.reduce("sum", e, axis, True)
        return m.divide(e, total) if name == "softmax" else m.subtract(a, m.one("log", total))
    if name == "layer_norm":
        given = dict(zip(("input", "normalized_shape", "weight", "bias", "eps"), args, strict=False)) | kwargs
        a = ids(given["input"])
        axes = tuple(range(-len(given["normalized_shape"]), 0))
        away = m.subtract(a, m.reduce("mean", a, axes, True))
        spread = m.one("sqrt", m.add(m.reduce("mean", m.multiply(away, away), axes, True), ids(given.get("eps", 1e-5))))
        found = m.divide(away, spread)
        found = m.multiply(found, ids(given["weight"])) if given.get("weight") is not None else found
        return m.add(found, ids(given["bias"])) if given.get("bias") is not None else found
    if name in ("hardsigmoid",):
        return m.clip(m.add(m.divide(ids(args[0]), ids(6.0)), ids(0.5)), 0.0, 1.0)
    if name == "silu":
        return m.multiply(ids(args[0]), m.one("sigmoid", ids(args[0])))
    return NotImplemented


class Factories(TorchFunctionMode):
    """Tensors that the code makes while it is recorded are recorded too, so that values can be written into them."""

    def __init__(self, math: Arithmetic) -> None:
        super().__init__()
        self.math = math

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in ("zeros", "empty", "ones", "full", "zeros_like", "ones_like") and type(made) is torch.Tensor and made.is_floating_point():
            with torch._C.DisableTorchFunction():
                value = 0.0 if name.startswith("empty") else made.flatten()[0].item() if made.numel() else 0.0
                ids = torch.full(made.shape, int(self.math.tape.number(float(value))), dtype=torch.int64)
                return RecordedTensor.of(ids, self.math, made.dtype)
        return made


@contextmanager
def recorded_parameters(module: torch.nn.Module, math: Arithmetic):
    """The parameters and buffers of a module, replaced by recorded ones while it runs."""
    places = []
    tape = math.tape
    for prefix, part in module.named_modules():
        for held in (part._parameters, part._buffers):
            for name, value in held.items():
                if value is not None and value.is_floating_point():
                    places.append((held, name, value, f"{prefix}.{name}" if prefix else name))
    try:
        for held, name, value, full in places:
            array = value.detach().cpu().double().numpy()
            ids = tape.source("weight", array, name=full)
            tape.weights[tape.starts[-1]] = (full, ids)
            held[name] = RecordedTensor.of(torch.from_numpy(ids), math, value.dtype)
        yield
    finally:
        for held, name, value, _ in places:
            held[name] = value
