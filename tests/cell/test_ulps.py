"""The table of roundings: each function measured against 60 digits over the whole range of its argument, in the plain
operations and in machine code, and what `verify` makes of the table."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_FLOOR, Context, Decimal, localcontext
from functools import cache

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.ops import FUNCTIONS, OPS
from lstm_trace.engine.jit import installed

from ..support import waves

#: In units in the last place (eps of the value), what two right computations of a function may be apart.
ULP = {
    "sigmoid": 6, "tanh": 4, "exp": 4, "log": 4, "sqrt": 0, "sin": 4, "cos": 4, "floor": 0, "relu": 0, "affine": 2,
    "leaky_relu": 1,
    "thresholded_relu": 0, "scaled_tanh": 6, "hard_sigmoid": 2, "elu": 6, "softsign": 2, "softplus": 6, "clip": 0,
}  # fmt: skip
CONSTANTS = {
    "affine": (1.5, -0.25), "leaky_relu": (0.3,), "thresholded_relu": (0.75,), "scaled_tanh": (1.7, 0.625),
    "hard_sigmoid": (0.1875, 0.5), "elu": (0.7,), "clip": (-0.5, 1.25),
}  # fmt: skip
OPERATIONS = [name for name in ULP if name in FUNCTIONS]  # the others are composite functions
HIGH = Context(prec=60, Emax=999_999, Emin=-999_999)


def _exp(z: Decimal) -> Decimal:
    return Decimal(0) if z < -5000 else Decimal("Infinity") if z > 5000 else z.exp()


def _expm1(z: Decimal) -> Decimal:
    return z * (1 + z / 2 * (1 + z / 3)) if abs(z) < Decimal("1e-15") else _exp(z) - 1


def _log1p(z: Decimal) -> Decimal:
    return z * (1 - z / 2 + z * z / 3) if abs(z) < Decimal("1e-15") else (1 + z).ln()


def _tanh(z: Decimal) -> Decimal:
    return Decimal(1).copy_sign(z) if abs(z) > 200 else (m := _expm1(2 * z)) / (m + 2)


#: The value of each function of a number, and of its constants, with 60 digits.
TRUTH: dict[str, Callable[..., Decimal]] = {
    "sigmoid": lambda z: 1 / (1 + _exp(-z)),
    "tanh": _tanh,
    "exp": _exp,
    "log": lambda z: z.ln(),
    "sqrt": lambda z: z.sqrt(),
    "sin": waves.sin,
    "cos": waves.cos,
    "floor": lambda z: z.to_integral_value(ROUND_FLOOR),
    "relu": lambda z: max(z, Decimal(0)),
    "affine": lambda z, a, b: a * z + b,
    "leaky_relu": lambda z, a: a * z if z < 0 else z,
    "thresholded_relu": lambda z, a: z if z > a else Decimal(0),
    "scaled_tanh": lambda z, a, b: a * _tanh(b * z),
    "hard_sigmoid": lambda z, a, b: min(max(a * z + b, Decimal(0)), Decimal(1)),
    "elu": lambda z, a: a * _expm1(z) if z < 0 else z,
    "softsign": lambda z: z / (1 + abs(z)),
    "softplus": lambda z: max(z, Decimal(0)) + _log1p(_exp(-abs(z))),
    "clip": lambda z, a, b: min(max(z, a), b),
}
#: Where the result is a sum that may cancel, what a unit in the last place is one of.
SCALE: dict[str, Callable[..., Decimal]] = {"affine": lambda z, a, b: abs(a * z) + abs(b)}
SCALE["hard_sigmoid"] = SCALE["affine"]


@cache
def arguments(name: str, dtype: str) -> np.ndarray:
    """Numbers of every size, both signs: large, small, subnormal, near 0 and 1, and where functions change."""
    info = np.finfo(dtype)
    rng = np.random.default_rng(3)
    low, high = np.log2(float(info.smallest_subnormal)), np.log2(float(info.max))
    sizes = np.exp2(rng.uniform(low, high, 150))
    usual = np.concatenate([rng.uniform(-1, 1, 100), rng.normal(size=100) * 8, rng.uniform(-100, 100, 100)])
    edges = [info.smallest_subnormal, info.tiny, info.eps, 0.35, 0.7, 1.0, 1 + info.eps, 9.0, 20.0, 88.7, info.max]
    found = np.concatenate([sizes, -sizes, usual, edges, np.negative(edges), [0.0]]).astype(dtype)
    return np.unique(np.abs(found[found != 0]) if name in ("log", "sqrt") else found)


@cache
def errors(name: str, dtype: str, plan: str) -> tuple[np.ndarray, np.ndarray]:
    """The arguments whose value is a normal number, and how far off the function is there, in eps of the value."""
    z, constants = arguments(name, dtype), CONSTANTS.get(name, ())
    text = f"h_t = {name}({', '.join(['x_t', *map(repr, constants)])})"
    with np.errstate(all="ignore"):
        trace = lt.run({}, z[None], cell={"equations": text}, dtype=dtype, plan=plan)
    assert trace.header.plan == plan
    found, info = trace["h_t"].ravel(), np.finfo(dtype)
    exact = [Decimal(float(np.dtype(dtype).type(c))) for c in constants]
    kept, off = [], []
    with localcontext(HIGH):
        for value, here in zip(z.tolist(), found.tolist(), strict=True):
            right = TRUTH[name](Decimal(value), *exact)
            if abs(right) >= Decimal(float(info.max)):
                assert abs(here) in (np.inf, float(info.max)), f"{name}({value!r}) is {here!r}"
                assert (here > 0) == (right > 0)
                continue
            size = SCALE[name](Decimal(value), *exact) if name in SCALE else abs(right)
            unit = size * Decimal(float(info.eps))
            if size < Decimal(float(info.tiny)):  # a bound counts what is smaller than normal numbers as nothing
                assert abs(Decimal(here) - right) <= Decimal(float(info.tiny)), f"{name}({value!r}) is {here!r}"
                continue
            kept.append(value)
            off.append(float((Decimal(here) - right) / unit))
    return np.array(kept), np.abs(off)


@pytest.mark.few(5)
@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", TRUTH)
def test_a_function_is_right_to_half_of_what_the_table_allows(name: str, dtype: str, plan: str) -> None:
    """Two computations of it may then lie on either side of the truth; what is only chosen or rounded is right."""
    if plan == "compiled" and not installed():
        pytest.skip("llvmlite is not installed")
    z, off = errors(name, dtype, plan)
    assert len(z) > 100
    worst = int(off.argmax())
    assert off[worst] <= max(ULP[name] / 2, 0.5), f"{name}({z[worst]!r}) is {off[worst]} ulp off"
    if name in ("relu", "clip", "thresholded_relu", "floor"):
        assert off[worst] == 0


def test_the_table_covers_every_function_of_one_operand() -> None:
    assert {op.function for op in OPS.values() if op.ulp is not None and op.function and op.arity == 1} == {
        *OPERATIONS, "max"
    }  # fmt: skip
    assert set(ULP) == set(TRUTH)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_verify_takes_what_the_table_allows_and_no_more(name: str, dtype: str) -> None:
    """A value of exactly so many ulp more than ours is proven; one ulp more is a fault."""
    constants = CONSTANTS.get(name, ())
    z = 1.0625
    trace = lt.run(
        {}, [[z]], cell={"equations": f"h_t = {name}({', '.join(['x_t', *map(repr, constants)])})"}, dtype=dtype
    )
    value = trace["h_t"].copy()
    unit = abs(value.item()) * np.finfo(dtype).eps
    for ulps, status in ((ULP[name], "verified"), (ULP[name] + 1, "failed")):
        for sign in (-1, 1):
            trace.lines["0/forward"]["h_t"][...] = (
                value + sign * ulps * unit * (1 + 1e-9 * (status == "failed"))
            ).astype(dtype)
            off = abs(float(trace["h_t"].item()) - float(value.item())) / unit
            if status == "verified" and off > ulps:  # what lies there is no number of this dtype: the next inside
                trace.lines["0/forward"]["h_t"][...] = np.nextafter(trace["h_t"], value)
            assert lt.verify(trace).verdict == status, (name, ulps, off)


@pytest.mark.parametrize(
    ("call", "right"),
    [
        ("affine(x_t)", [-2.0, 0.5, 3.0]), ("leaky_relu(x_t)", [-0.02, 0.5, 3.0]),
        ("thresholded_relu(x_t)", [0.0, 0.0, 3.0]), ("scaled_tanh(x_t)", [np.tanh(-2), np.tanh(0.5), np.tanh(3)]),
        ("hard_sigmoid(x_t)", [0.1, 0.6, 1.0]), ("elu(x_t)", [np.expm1(-2), 0.5, 3.0]),
    ],
)  # fmt: skip
def test_constants_that_are_left_out_are_those_of_onnx(call: str, right: list[float]) -> None:
    """onnx/defs/rnn/defs.cc: alpha and beta of each activation."""
    trace = lt.run({}, [[-2.0, 0.5, 3.0]], cell={"equations": f"h_t = {call}"})
    np.testing.assert_allclose(trace["h_t"][0, 0], right, rtol=1e-15)
