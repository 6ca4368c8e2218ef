"""The operations of PyTorch (ATen), on arrays of numpy or recording ones: for tensors, and for exported programs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..base.packaged import packaged
from .arrays import operation

sigmoid, relu, softplus = (operation(name) for name in ("sigmoid", "relu", "softplus"))


# -- moves -------------------------------------------------------------------------------------------------------------


def _along(dim: int, key: Any) -> tuple[Any, ...]:
    """The key for one axis."""
    return (slice(None),) * dim + (key,)


def _select(a: Any, dim: int, index: int) -> Any:
    return a[_along(dim % a.ndim, index)]


def _slice(a: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return a[_along(dim % a.ndim, slice(start, end, step))]


def _split(a: Any, sizes: Any, dim: int = 0) -> list[Any]:
    """Parts of these sizes, or of one size, of which the last may be smaller."""
    whole = a.shape[dim]
    if not isinstance(sizes, (list, tuple)):
        sizes = [min(sizes, whole - begin) for begin in range(0, whole, sizes)]
    return [_slice(a, dim, int(end - size), int(end)) for size, end in zip(sizes, np.cumsum(sizes), strict=True)]


def _squeeze(a: Any, dim: Any = None) -> Any:
    """Without axes of size 1: all of them, or those among `dim`."""
    axes = range(a.ndim) if dim is None else [n % a.ndim for n in np.atleast_1d(dim)]
    return a[tuple(0 if n in axes and size == 1 else slice(None) for n, size in enumerate(a.shape))]


def _expand(a: Any, size: Sequence[int], implicit: bool = False) -> Any:
    have = (1,) * (len(size) - a.ndim) + tuple(a.shape)
    return np.broadcast_to(a, tuple(own if n == -1 else n for n, own in zip(size, have, strict=True)))


def _at(indices: Sequence[Any]) -> tuple[Any, ...]:
    """The key for some axes; None for a whole one."""
    return tuple(slice(None) if one is None else one for one in indices)


def _index_put(a: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    if accumulate:
        raise ValueError("values are added to those that are there")
    found = a.copy()
    found[_at(indices)] = values
    return found


def _flatten(a: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    start, end = start_dim % a.ndim, end_dim % a.ndim
    return a.reshape(*a.shape[:start], -1, *a.shape[end + 1 :])


# -- arithmetic --------------------------------------------------------------------------------------------------------


def _times(a: Any, factor: Any) -> Any:
    return a if factor == 1 else a * factor


def _addmm(base: Any, a: Any, b: Any, beta: Any = 1, alpha: Any = 1) -> Any:
    return _times(base, beta) + _times(np.matmul(a, b), alpha)


def _linear(a: Any, weight: Any, bias: Any = None) -> Any:
    return _affine(np.matmul(a, weight.T), None, bias)


def _softplus(a: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return softplus(a) if beta == 1 else softplus(a * beta) / beta


def _elu(a: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    return _times(operation("elu", alpha)(_times(a, input_scale)), scale)


def _axes(dim: Any) -> Any:
    """Axes as numpy's: None and an empty list are all of them."""
    return tuple(np.atleast_1d(dim).tolist()) if isinstance(dim, int) or dim else None


def _reduction(name: str) -> Callable[..., Any]:
    return lambda a, dim=None, keepdim=False, dtype=None: getattr(np, name)(a, axis=_axes(dim), keepdims=keepdim)


def _var(a: Any, dim: Any = None, correction: Any = 1, keepdim: bool = False) -> Any:
    """Divided by n - correction, which torch.var(unbiased=False) sets to 0."""
    found = np.var(a, axis=_axes(dim), keepdims=keepdim)
    count = a.size // found.size
    return _times(found, count / (count - correction))


def _softmax(a: Any, dim: int = -1, *_: Any) -> Any:
    exps = np.exp(a - np.max(a, axis=dim, keepdims=True))
    return exps / np.sum(exps, axis=dim, keepdims=True)


def _layer_norm(a: Any, shape: Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5, *_: Any) -> Any:
    axes = tuple(range(-len(shape), 0))
    mean, variance = (function(a, axis=axes, keepdims=True) for function in (np.mean, np.var))
    return _affine((a - mean) / np.sqrt(variance + eps), weight, bias)


def _affine(a: Any, weight: Any, bias: Any) -> Any:
    a = a if weight is None else a * weight
    return a if bias is None else a + bias


def _batch_norm(a: Any, weight: Any, bias: Any, mean: Any, var: Any, training: bool, momentum: Any, eps: float) -> Any:
    if training:
        raise ValueError("batch normalisation is active: call .eval() first")
    return _affine((a - mean) / np.sqrt(var + eps), weight, bias)


def _norm(a: Any, order: float = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    if order != 2:
        raise ValueError("a norm of another order than 2")
    return np.sqrt(np.sum(a * a, axis=_axes(dim), keepdims=keepdim))


# -- cells (source: PyTorch's documentation of nn.LSTMCell, nn.GRUCell, nn.RNNCell) ------------------------------------


def _lstm_cell(x: Any, hx: Any, *weights: Any) -> tuple[Any, Any]:
    gates_x, gates_h = _gates(x, hx[0], *weights)
    i, f, g, o = _split(gates_x + gates_h, hx[1].shape[-1], -1)
    c = sigmoid(f) * hx[1] + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def _gru_cell(x: Any, hx: Any, *weights: Any) -> Any:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = (_split(one, hx.shape[-1], -1) for one in _gates(x, hx, *weights))
    z, n = sigmoid(x_z + h_z), np.tanh(x_n + sigmoid(x_r + h_r) * h_n)
    return (1 - z) * n + z * hx


def _gates(x: Any, h: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> tuple[Any, Any]:
    return _linear(x, w_ih, b_ih), _linear(h, w_hh, b_hh)


# -- arrays that a program makes ---------------------------------------------------------------------------------------


def _made(value: float | None) -> Callable[..., Any]:
    """`zeros` and its like, of a size, or of that of an array; value: None for `full`, whose last argument it is."""

    def made(*args: Any, **_: Any) -> Any:
        size = next((one for one in args if isinstance(one, (list, tuple))), None)
        return np.full(args[0].shape if size is None else size, args[-1] if value is None else value, np.float64)

    return made


_FILLS = {"zeros": 0.0, "ones": 1.0, "empty": 0.0, "full": None}
#: Operations that make arrays which computed values are written into.
MADE = {name: _made(value) for fill, value in _FILLS.items() for name in (fill, f"{fill}_like", f"new_{fill}")}
#: Those whose result is true or false.
CONDITIONS = frozenset(packaged("lifting/tables.toml")["conditions"])
#: Operations with a reason of their own to be refused, by name, or by name and overload.
REFUSED: Mapping[str, str] = packaged("lifting/tables.toml")["refused"]

#: The name of an operation, without its overload and the `_` of one in place, to a function of its arguments.
ATEN: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(np, known) for name, known in packaged("lifting/tables.toml")["torch"].items()},
    **MADE,
    "scalar_tensor": lambda value, **_: np.array(value),
    "arange": lambda *ends, **_: np.arange(*ends),
    # moves
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), lambda a, shape: a.reshape(tuple(shape))),
    **dict.fromkeys(("t", "numpy_T"), lambda a: a.T),
    **dict.fromkeys(("transpose", "swapaxes"), lambda a, *dims: np.swapaxes(a, *dims) if a.ndim else a),
    "permute": lambda a, dims: np.transpose(a, tuple(dims)),
    "select": _select,
    "slice": _slice,
    "narrow": lambda a, dim, start, length: _slice(a, dim, start, start + length),
    **dict.fromkeys(("split", "unsafe_split", "split_with_sizes"), _split),
    **dict.fromkeys(("chunk", "unsafe_chunk"), lambda a, chunks, dim=0: _split(a, -(-a.shape[dim] // chunks), dim)),
    "unbind": lambda a, dim=0: [_select(a, dim, k) for k in range(a.shape[dim])],
    "squeeze": _squeeze,
    "expand": _expand,
    "expand_as": lambda a, other: _expand(a, other.shape),
    "flatten": _flatten,
    "index": lambda a, indices: a[_at(indices)],
    "index_put": _index_put,
    "index_select": lambda a, dim, index: np.take(a, index, dim),
    "cat": lambda parts, dim=0: np.concatenate(parts, dim),
    "stack": lambda parts, dim=0: np.stack(parts, dim),
    "flip": lambda a, dims: np.flip(a, tuple(dims)),
    "roll": lambda a, shifts, dims=(): np.roll(a, shifts, tuple(dims) or None),
    "repeat": lambda a, repeats: np.tile(a, tuple(repeats)),
    "diagonal": lambda a, offset=0, dim1=0, dim2=1: np.diagonal(a, offset, dim1, dim2),
    **dict.fromkeys(("clone", "contiguous", "lift_fresh_copy"), lambda a, **_: a.copy()),
    **dict.fromkeys(("alias", "detach", "lift_fresh"), lambda a: a[...]),
    # a dtype of less precision only rounds, and one of whole numbers is refused
    **dict.fromkeys(("_to_copy", "to"), lambda a, dtype=None, *_, **__: a.copy() if dtype is None else a.astype(dtype)),
    **dict.fromkeys(("copy", "fill"), lambda a, value, non_blocking=False: value),
    "zero": lambda a: 0.0,
    # of each number
    "add": lambda a, b, alpha=1: a + _times(b, alpha),
    "sub": lambda a, b, alpha=1: a - _times(b, alpha),
    "rsub": lambda a, b, alpha=1: b - _times(a, alpha),
    "rsqrt": lambda a: 1 / np.sqrt(a),
    **dict.fromkeys(("clamp", "clip"), lambda a, min=None, max=None: np.clip(a, min, max)),
    "masked_fill": lambda a, mask, value: np.where(mask, value, a),
    "lerp": lambda a, b, weight: a + weight * (b - a),
    "addcmul": lambda base, a, b, value=1: base + _times(a * b, value),
    "addcdiv": lambda base, a, b, value=1: base + _times(a / b, value),
    "sigmoid": sigmoid,
    "relu": relu,
    "silu": lambda a: a * sigmoid(a),
    "softplus": _softplus,
    "log_sigmoid": lambda a: -softplus(-a),
    "log_sigmoid_forward": lambda a: (-softplus(-a), None),
    "elu": _elu,
    "leaky_relu": lambda a, slope=0.01: np.where(a > 0, a, a * slope),
    "hardtanh": lambda a, low=-1.0, high=1.0: np.clip(a, low, high),
    "hardsigmoid": lambda a: np.clip(a / 6 + 0.5, 0.0, 1.0),
    **dict.fromkeys(("isnan", "isinf"), lambda a: np.zeros(a.shape, bool)),  # of a guard: equations are of numbers
    # products
    **dict.fromkeys(("addmm", "addmv", "baddbmm"), _addmm),
    "addr": lambda base, a, b, beta=1, alpha=1: _times(base, beta) + _times(np.outer(a, b), alpha),
    "linear": _linear,
    "lstm_cell": _lstm_cell,
    "gru_cell": _gru_cell,
    "rnn_tanh_cell": lambda *args: np.tanh(sum(_gates(*args))),
    "rnn_relu_cell": lambda *args: relu(sum(_gates(*args))),
    "einsum": lambda text, operands, path=None: np.einsum(text, *operands),
    # sums
    **{name: _reduction(name) for name in ("sum", "mean", "amax", "amin", "max", "min")},
    "var": _var,
    "std": lambda a, *rest, **more: np.sqrt(_var(a, *rest, **more)),
    **dict.fromkeys(("_softmax", "softmax"), _softmax),
    **dict.fromkeys(("_log_softmax", "log_softmax"), lambda a, *rest: np.log(_softmax(a, *rest))),
    "layer_norm": _layer_norm,
    **{f"native_{name}": lambda *args, norm=norm: (norm(*args), None, None) for name, norm in (
        ("layer_norm", _layer_norm), ("batch_norm", _batch_norm)
    )},
    "linalg_vector_norm": _norm,
}  # fmt: skip


def called(name: str, overload: str, args: Sequence[Any], kwargs: Mapping[str, Any], refusal: Any) -> Any:
    """What an operation returns; one in place, whose name ends with `_`, writes it into its first argument.

    refusal: makes the error for what no equation can express.
    """
    core = name.removesuffix("_")
    for key in (f"{core}.{overload}", core):
        if key in REFUSED:
            raise refusal(REFUSED[key])
        if key in ATEN:
            try:
                found = ATEN[key](*args, **kwargs)
                if core == name:
                    return found
                args[0][...] = found
                return args[0]
            except (TypeError, ValueError) as error:
                raise refusal(f"torch's {core} is not read with these arguments ({error})") from None
    raise refusal(f"torch's {core} is no operation of a cell")
