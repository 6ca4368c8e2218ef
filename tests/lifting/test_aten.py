"""Operations of PyTorch on recording arrays equal PyTorch's own, and tensors are recorded whatever is done to them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LiftError
from lstm_trace.lifting.arrays import Recorded, RecordedMath
from lstm_trace.lifting.aten import ATEN, MADE
from lstm_trace.lifting.tape import Tape

torch = pytest.importorskip("torch")
_RANDOM = np.random.default_rng(0)
INPUTS, H, T, B = 3, 2, 4, 2


def _a(*shape: int) -> Any:
    return _RANDOM.normal(size=shape)


_M, _P, _X, _H = _a(4, 6), abs(_a(4, 6)) + 0.1, _a(B, INPUTS), _a(B, H)
#: The arguments of each operation, by its name in `torch.ops.aten` with an overload if it needs one.
CASES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("view", "_unsafe_view", "reshape"), (_M, [3, -1])),
    "t": (_M,), "numpy_T": (_M,), "transpose": (_a(2, 3, 4), 0, -1), "swapaxes": (_a(2, 3, 4), 0, 1),
    "permute": (_a(2, 3, 4), [2, 0, 1]), "movedim": (_a(2, 3, 4), 0, -1), "select": (_M, -1, 2),
    "slice": (_M, 1, 1, -1, 2), "narrow": (_M, 1, 2, 3), "split": (_M, 4, 1), "unsafe_split": (_M, 2, -1),
    "split_with_sizes": (_M, [1, 3, 2], 1), "chunk": (_M, 4, 1), "unsafe_chunk": (_M, 3, 1), "unbind": (_M, 1),
    "unsqueeze": (_M, -1), "squeeze": (_a(1, 3, 1),), "squeeze.dims": (_a(1, 3, 1), [2]),
    "expand": (_a(1, 3), [2, 4, -1]),
    "expand_as": (_a(1, 6), _M), "flatten": (_a(2, 3, 4), 1), "index": (_M, [None, np.array([2, 0])]),
    "index_put": (_M, [None, np.array([2, 0])], _a(4, 2)), "index_select": (_M, 1, np.array([2, 0])),
    "cat": ([_M, _a(4, 1)], 1), "stack": ([_M, _P], -1), "flip": (_M, [1]), "roll": (_M, [1], [1]),
    "repeat": (_M, [2, 1, 2]), "diagonal": (_a(3, 3),),
    **dict.fromkeys(("clone", "contiguous", "alias", "detach"), (_M,)),
    "copy": (_M, _P), "fill": (_M, 2.0), "zero": (_M,), "lift_fresh": (_M,), "lift_fresh_copy": (_M,),
    **dict.fromkeys(("abs", "neg", "sin", "cos", "floor", "exp", "expm1", "square", "tanh", "sigmoid", "relu",
                     "reciprocal", "silu", "softplus", "log_sigmoid", "log_sigmoid_forward", "elu", "leaky_relu",
                     "hardtanh", "hardsigmoid", "sum", "mean", "amax", "amin", "max", "min"), (3 * _M,)),
    **dict.fromkeys(("sin", "cos", "floor"), (3 * _M,)),
    **dict.fromkeys(("log", "log1p", "sqrt", "rsqrt"), (_P,)),
    **dict.fromkeys(("add", "sub", "rsub", "mul", "div", "maximum", "minimum", "max.other", "min.other", "ge", "gt",
                     "le", "lt"), (_M, _P)),
    "eq": (np.arange(3), 2), "ne": (np.arange(3), 2),
    "pow": (_M, 2), "clamp": (_M, -0.5, 0.5), "clip": (_M, None, 0.5), "clamp_min": (_M, 0.1), "clamp_max": (_M, 0.1),
    "where": (_M > 0, _M, _P), "masked_fill": (_M, _M > 0, 0.5), "lerp": (_M, _P, _a(4, 6)),
    "addcmul": (_M, _M, _P), "addcdiv": (_M, _M, _P),
    "mm": (_M, _M.T), "mv": (_M, _a(6)), "bmm": (_a(2, 3, 4), _a(2, 4, 3)), "matmul": (_a(2, 3, 4), _a(4, 2)),
    "dot": (_a(3), _a(3)), "addmm": (_a(4), _M, _M.T), "addmv": (_a(4), _M, _a(6)), "addr": (_M, _a(4), _a(6)),
    "baddbmm": (_a(2, 3, 3), _a(2, 3, 4), _a(2, 4, 3)), "linear": (_X, _a(4, INPUTS), _a(4)),
    "einsum": ("bi,kih->kbh", [_X, _a(3, INPUTS, H)]), "sum.dim_IntList": (_a(2, 3, 4), [0, -1], True),
    "mean.dim": (_M, [1]), "var": (_M,), "var.correction": (_M, [1]), "std.correction": (_M, [-1]), "std": (_M,),
    "_softmax": (_M, 1, False), "softmax": (_M, -1), "_log_softmax": (_M, 1, False), "log_softmax": (_M, -1),
    "layer_norm": (_M, [6], _a(6), _a(6), 1e-3),
    "lstm_cell": (_X, [_H, _a(B, H)], _a(4 * H, INPUTS), _a(4 * H, H), _a(4 * H), _a(4 * H)),
    "gru_cell": (_X, _H, _a(3 * H, INPUTS), _a(3 * H, H), _a(3 * H), _a(3 * H)),
    "rnn_tanh_cell": (_X, _H, _a(H, INPUTS), _a(H, H)),
    "rnn_relu_cell": (_X, _H, _a(H, INPUTS), _a(H, H), _a(H), _a(H)),
    "linalg_vector_norm": (_M, 2, [1], True),
    "native_batch_norm": (_M, _a(6), _a(6), _a(6), _P[0], False, 0.1, 1e-5), "isnan": (_M,), "isinf": (_M,),
    "native_layer_norm": (_M, [6], _a(6), None, 1e-5),
    "scalar_tensor": (1.5,), "zeros_like": (_M,), "ones_like": (_M,),
    "full_like": (_M, 2.5), "new_zeros": (_M, [2, 3]), "new_ones": (_M, [2, 3]), "new_full": (_M, [2, 3], 1.5),
    "zeros": ([2, 3],), "ones": ([2, 3],), "full": ([2, 3], 1.5), "arange": (3,),
    "logical_and": (_M > 0, _P > 1), "logical_or": (_M > 0, _P > 1),
    "logical_not": (_M > 0,), "bitwise_not": (_M > 0,), "bitwise_and": (_M > 0, _P > 1), "bitwise_or": (_M > 0, _P > 1),
}  # fmt: skip
#: Operations with keywords.
NAMED: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "add": ((_M, _P), {"alpha": 2.0}),
    "sub": ((_M, _P), {"alpha": 0.5}),
    "addmm": ((_a(4), _M, _M.T), {"beta": 0.5, "alpha": 2.0}),
    "addcmul": ((_M, _M, _P), {"value": 0.5}),
    "var.correction": ((_M, [0]), {"correction": 0, "keepdim": True}),
}
#: Those that are not compared: their numbers are arbitrary, or only change the dtype.
UNCOMPARED = {"empty", "empty_like", "new_empty", "_to_copy", "to"}


def _mapped(value: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(one, function) for one in value)
    return function(value) if isinstance(value, np.ndarray) else value


def _flat(value: Any) -> list[Any]:
    return [one for part in value for one in _flat(part)] if isinstance(value, (list, tuple)) else [value]


@pytest.mark.parametrize(
    ("name", "args", "options"),
    [(name, args, {}) for name, args in CASES.items()] + [(name, *both) for name, both in NAMED.items()],
)
def test_an_operation_is_that_of_pytorch(name: str, args: Any, options: Any) -> None:
    operation = torch.ops.aten
    for part in name.split("."):
        operation = getattr(operation, part)
    theirs = _flat(operation(*_mapped(args, torch.from_numpy), **options))
    function, math = ATEN.get(name) or ATEN[name.partition(".")[0]], RecordedMath(Tape())

    def recorded(array: Any) -> Any:
        return array if array.dtype.kind == "i" else Recorded(math.tape.source("x", array, 0), math)

    for kind in (np.asarray, recorded):
        ours = _flat(function(*_mapped(args, kind), **options))
        for one, other in zip(ours, theirs, strict=True):
            if one is not None and not (name == "log_sigmoid_forward" and other is theirs[1]):
                values = math.tape.values[one.ids] if isinstance(one, Recorded) else one
                np.testing.assert_allclose(values + np.zeros(other.shape), other.numpy(), rtol=1e-12, atol=1e-14)


def test_every_operation_is_compared() -> None:
    assert {name.partition(".")[0] for name in (*CASES, *NAMED)} | UNCOMPARED == {
        name.partition(".")[0] for name in ATEN
    }
    assert set(MADE) <= ATEN.keys()


# -- tensors -----------------------------------------------------------------------------------------------------------


def in_place(x: Any, h: Any, W: Any, U: Any) -> Any:
    z = x @ W
    z += h @ U
    gate, candidate = z.chunk(2, 1)
    gate.sigmoid_()
    new = torch.empty(h.shape, dtype=h.dtype)
    new[:, :1], new[:, 1:] = h[:, :1], h[:, 1:]
    new.mul_(1 - z[:, :H]).addcmul_(gate, torch.tanh(candidate))
    return new


def moved(x: Any, h: Any, W: Any, U: Any) -> Any:
    z = torch.einsum("bi,ig->gb", x, W) + torch.nn.functional.linear(h, U.T).t()
    gate, candidate = torch.stack(z.unbind(0)).reshape(2, H, -1).permute(0, 2, 1)
    return torch.lerp(h, torch.tanh(candidate), torch.sigmoid(gate))


@torch.inference_mode()
def conditions(x: Any, h: Any, W: Any, U: Any) -> Any:
    gate, candidate = torch.nn.functional.linear(torch.cat([x, h], -1), torch.cat([W, U]).T).chunk(2, -1)
    gate = torch.where(gate > 0, gate, torch.zeros_like(gate)).masked_fill(~(candidate > -1), 0.5)
    return gate.clamp(max=1.0) * torch.tanh(candidate)


class Cells(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Cells of PyTorch in a step of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.rnn = torch.nn.GRUCell(INPUTS, H).double(), torch.nn.RNNCell(H, H, nonlinearity="relu").double()
        self.lstm = torch.nn.LSTMCell(H, H).double()

    @torch.inference_mode()
    def __call__(self, x: Any, h: Any, W: Any, U: Any) -> Any:
        first = self.gru(x, h)
        return self.lstm(self.rnn(first, h), (first, h))[0]


def guarded(x: Any, h: Any, W: Any, U: Any) -> Any:
    if torch.isnan(h).any():
        raise ValueError
    norm = torch.nn.functional.normalize(torch.tanh(x @ W[:, :H]), dim=1)
    return norm.masked_fill(x[:, :1] == 0, 0.0) + h @ U[:, H:]


@pytest.mark.parametrize("step", [in_place, moved, conditions, guarded, Cells()])
def test_tensors_are_recorded_whatever_is_done_to_them(step: Callable[..., Any]) -> None:
    weights = {"W": torch.from_numpy(_a(INPUTS, 2 * H)), "U": torch.from_numpy(_a(H, 2 * H))}
    x, h = torch.from_numpy(_a(T, B, INPUTS)), torch.from_numpy(_a(B, H))
    found = lt.lift(step, weights, x, h=h)
    for t in range(T):
        h = step(x[t], h, **weights)
        np.testing.assert_allclose(found.trace["h_t"][t], h.numpy(), rtol=1e-12)


def _branch(h: Any) -> Any:
    return -h if h.sum() > 0 else h


#: The code of a step, and the reason for which it is refused.
REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "branch": (lambda y, h: y + _branch(h), "branches on a computed value"),
    "h[0, 0].item()": (lambda y, h: y * h[0, 0].item(), "becomes a plain number"),
    "float(h[0, 0])": (lambda y, h: y * float(h[0, 0]), "becomes a plain number"),
    "h.numpy()": (lambda y, h: y + torch.from_numpy(h.numpy()), "becomes a plain number"),
    "np.tanh(h)": (lambda y, h: y + torch.from_numpy(np.tanh(h)), "becomes a plain number"),
    "h.tolist()": (lambda y, h: y + torch.tensor(h.tolist()), "becomes a plain number"),
    "torch.sort(h)": (lambda y, h: y + torch.sort(h)[0], "torch's sort is no operation"),
    "h.max(1)": (lambda y, h: y + h.max(1)[0], "use torch.amax"),
    "h.round()": (lambda y, h: y + h.round(), "torch's round is no operation"),
    "h.int()": (lambda y, h: y + h.int(), "is rounded to int32"),
    "F.dropout(h)": (lambda y, h: y + torch.nn.functional.dropout(h), "give F.dropout training=self.training"),
    "torch.rand_like(h)": (lambda y, h: y + torch.rand_like(h), "torch's rand_like is no operation"),
    "y[:, h.argmax(1)]": (lambda y, h: y[:, h.argmax(1)], "torch's argmax is no operation"),
    "h.half()": (lambda y, h: y + h.half().double(), "is rounded to float16"),
    "y.float()": (lambda y, h: y.float() + h, "is rounded to float32"),
    "gelu(h)": (lambda y, h: y + torch.nn.functional.gelu(h), "torch's gelu is no operation"),
    "h.pow(h)": (lambda y, h: y + h.pow(h), "exponent"),
    "y.index_put((k,), h, accumulate=True)": (
        lambda y, h: y.index_put((torch.tensor([1, 1]),), h, accumulate=True),
        "values are added to those",
    ),
}


@pytest.mark.parametrize("code", REFUSED)
def test_what_no_equation_expresses_is_refused_with_its_line(code: str) -> None:
    change, reason = REFUSED[code]
    W = torch.from_numpy(_a(INPUTS, H))
    with pytest.raises(LiftError) as caught:
        lt.lift(lambda x, h: change(torch.tanh(x @ W), h), None, torch.from_numpy(_a(T, B, INPUTS)), h=torch.ones(B, H))
    assert "test_aten.py, line " in str(caught.value)
    assert reason in str(caught.value)


def test_a_weight_that_is_changed_in_place_is_refused_and_left_as_it_was() -> None:
    weights = {"W": torch.from_numpy(_a(INPUTS, H))}
    before = weights["W"].clone()
    with pytest.raises(LiftError, match=r"`W\.mul_\(0\.9\)`: a weight is changed in place"):
        lt.lift(changing, weights, torch.from_numpy(_a(T, B, INPUTS)), h=torch.ones(B, H))
    assert torch.equal(weights["W"], before)


def changing(x: Any, h: Any, W: Any) -> Any:
    W.mul_(0.9)
    return torch.tanh(x @ W + h)


def test_what_pytorch_computes_of_weights_alone_is_a_weight() -> None:
    torch.manual_seed(0)
    parametrized = torch.nn.utils.parametrizations

    class Cell(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.ih = parametrized.weight_norm(torch.nn.Linear(INPUTS, H))
            self.skew = torch.nn.Parameter(torch.randn(H, H))

        def forward(self, x: Any, h: Any) -> Any:
            return torch.tanh(self.ih(x) + h @ torch.matrix_exp(self.skew - self.skew.T))

    cell, x, h = Cell().double().eval(), torch.from_numpy(_a(T, B, INPUTS)), torch.from_numpy(_a(B, H))
    found = lt.lift(cell, None, x, h=h)
    assert found.sentence == "a simple RNN"
    with torch.no_grad():
        for t in range(T):
            h = cell(x[t], h)
            np.testing.assert_allclose(found.trace["h_t"][t], h.numpy(), rtol=1e-12)


def test_tensors_that_change_their_own_shape() -> None:
    """PyTorch squeezes the product of one vector and `weight.T` in place, if nothing is added to it."""

    class Cell(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.W, self.U = torch.nn.Linear(3, 4, bias=False), torch.nn.Linear(4, 4, bias=False)

        def forward(self, x: Any, h: Any) -> Any:
            return torch.tanh(self.W(x) + self.U(h))

    def column(x: Any, h: Any, W: Any) -> Any:
        return (W @ x.clone().unsqueeze_(1)).t_()[0] + 0.5 * h

    x, h = torch.randn(4, 3).double(), torch.randn(4).double()
    assert lt.lift(Cell().double(), None, x, h=h).sentence == "a simple RNN"
    found = lt.lift(column, {"W": torch.randn(4, 3).double()}, x, h=h)
    assert found.cell.equations["h_t"] == "W @ x_t + h_prev * 0.5"
