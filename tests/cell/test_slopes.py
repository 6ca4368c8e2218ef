"""Slopes against 50-digit decimal arithmetic, and the identity that makes secants add up."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split
from lstm_trace.cell.ops import OPS
from lstm_trace.cell.rules import DERIVATIVE, SECANT

from ..support import waves
from ..support.slopes import At, derivative, secant


def sigmoid(z: Decimal) -> Decimal:
    return 1 / (1 + (-z).exp())


def tanh(z: Decimal) -> Decimal:
    return 2 * sigmoid(2 * z) - 1


#: Functions of one operand: constants, the function in decimal arithmetic, and its derivative.
SMOOTH: dict[str, tuple[tuple[float, ...], Callable[[Decimal], Decimal], Callable[[Decimal], Decimal]]] = {
    "sigmoid": ((), sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "tanh": ((), tanh, lambda z: 1 - tanh(z) ** 2),
    "exp": ((), lambda z: z.exp(), lambda z: z.exp()),
    "softplus": ((), lambda z: (1 + z.exp()).ln(), sigmoid),
    "elu": ((0.5,), lambda z: z if z > 0 else (z.exp() - 1) / 2, lambda z: Decimal(1) if z > 0 else z.exp() / 2),
    "sin": ((), waves.sin, waves.cos),
    "cos": ((), waves.cos, lambda z: -waves.sin(z)),
    "neg": ((), lambda z: -z, lambda z: Decimal(-1)),
    "copy": ((), lambda z: z, lambda z: Decimal(1)),
}
POSITIVE: dict[str, tuple[tuple[float, ...], Callable[[Decimal], Decimal], Callable[[Decimal], Decimal]]] = {
    "log": ((), lambda z: z.ln(), lambda z: 1 / z),
    "sqrt": ((), lambda z: z.sqrt(), lambda z: 1 / (2 * z.sqrt())),
}
#: Functions of straight pieces.
PIECES: dict[str, tuple[float, ...]] = {
    "relu": (),
    "clip": (-1.0, 2.0),
}
numbers = st.floats(-30, 30) | st.floats(-1e-3, 1e-3) | st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.5, 2.5, 700.0, -700.0])


def test_tables_cover_every_operation() -> None:
    written = {"add", "concat", "slice"}  # their rows depend on how many operands there are, or units
    assert set(DERIVATIVE) == set(OPS) - written
    assert set(SECANT) == set(OPS) - written
    told = {
        *SMOOTH,
        *POSITIVE,
        *PIECES,
        "matvec",
        "vecmat",
        "outer",
        "memvec",
        "vecmem",
        "slice",
        "greater",
        "floor",
        "add",
        "mul",
        "div",
        "where",
        "maximum",
        "max",
        "sum",
        "mean",
        "concat",
    }
    assert told == set(OPS), "an operation without a test of its slopes"


@pytest.mark.parametrize("op", [*SMOOTH, *POSITIVE])
def test_derivative_is_right_to_many_digits(op: str) -> None:
    constants, _, slope = (SMOOTH | POSITIVE)[op]
    for z in (0.3, 1.7, 5.0, 1e-4, *(() if op in POSITIVE else (-0.3, -1.9, -6.0))):
        (found,) = derivative(At(op, [z], constants=constants))
        with localcontext() as context:
            context.prec = 50
            assert float(np.ravel(found)[0]) == pytest.approx(float(slope(Decimal(z))), rel=1e-11)


@pytest.mark.few(28)
@pytest.mark.parametrize("gap", [1e-12, 1e-8, 1e-3, 0.5, 3.0, 9.0])
@pytest.mark.parametrize("op", [*SMOOTH, *POSITIVE])
def test_secant_is_the_divided_difference(op: str, gap: float) -> None:
    """Also for gaps at which floating-point differences are noise: at 1e-12 they have four digits."""
    constants, function, _ = (SMOOTH | POSITIVE)[op]
    for z in (0.3, 2.5, *(() if op in POSITIVE else (-0.2, -4.0))):
        a = z + gap
        (found,) = secant(At(op, [a], constants=constants), At(op, [z], constants=constants))
        with localcontext() as context:
            context.prec = 50
            expected = (function(Decimal(a)) - function(Decimal(z))) / (Decimal(a) - Decimal(z))
        assert float(np.ravel(found)[0]) == pytest.approx(float(expected), rel=1e-11)


@pytest.mark.few(3)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("op", [*SMOOTH, *POSITIVE, *PIECES, "floor"])
@given(a=numbers, b=numbers)
@example(a=0.0, b=0.0)
@example(a=700.0, b=-700.0)
@example(a=1.0, b=np.nextafter(1.0, 0))
@settings(max_examples=60, deadline=None)
def test_secant_times_gap_is_the_difference(op: str, a: float, b: float) -> None:
    constants = (SMOOTH | POSITIVE)[op][0] if op in SMOOTH | POSITIVE else PIECES.get(op, ())
    if op in POSITIVE:
        a, b = abs(a) + 1e-9, abs(b) + 1e-9
    one, two = At(op, [a], constants=constants), At(op, [b], constants=constants)
    with np.errstate(all="ignore"):  # as the walk does
        (found,) = secant(one, two)
        (back,) = secant(two, one)
    slope = float(np.ravel(found)[0])
    assert np.isfinite(slope)
    assert slope == pytest.approx(float(np.ravel(back)[0]), rel=1e-13), "the order of the traces must not matter"
    ends = float(one.y[0]), float(two.y[0])
    scale = max(abs(ends[0]), abs(ends[1]), abs(slope * a), abs(slope * b))
    assert abs(slope * (a - b) - (ends[0] - ends[1])) <= 4e-16 * 6 * scale + 1e-300


@pytest.mark.parametrize("op", [*SMOOTH, *POSITIVE, *PIECES])
def test_secant_of_equal_traces_is_the_derivative(op: str) -> None:
    constants = (SMOOTH | POSITIVE)[op][0] if op not in PIECES else PIECES[op]
    z = np.array([0.0, 1.0, 2.0, 0.7, 3.1, 12.0] if op not in POSITIVE else [1.0, 2.0, 0.7])
    z = z if op in POSITIVE else np.concatenate([z, -z])
    here = At(op, z, constants=constants)
    expected, found = derivative(here)[0], secant(here, At(op, z.copy(), constants=constants))[0]
    np.testing.assert_allclose(np.broadcast_to(found, z.shape), np.broadcast_to(expected, z.shape), rtol=1e-14, atol=0)


def _parts(op: str, a: list[Any], b: list[Any], constants: tuple[float, ...] = ()) -> tuple[np.ndarray, list[Any]]:
    """The difference of the line, and what each operand brings to it."""
    one, two = At(op, *a, constants=constants), At(op, *b, constants=constants)
    slopes = secant(one, two)
    gaps = [x - y for x, y in zip(one.operands, two.operands, strict=True)]
    return one.y - two.y, [0 if s is None else s * g for s, g in zip(slopes, gaps, strict=True)]


@pytest.mark.parametrize("op", ["mul", "div", "maximum", "add", "greater"])
def test_two_operands_add_up(op: str) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 2, 5, 3, 4))
    a[0, 0], a[1, 0] = b[0, 0], b[1, 0]  # equal at one step
    whole, parts = _parts(op, list(a), list(b), (1.0, -1.0) if op == "add" else ())
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-12, atol=1e-14)


def test_maximum_shares_a_tie_and_is_symmetric() -> None:
    first, second = derivative(At("maximum", [1.0, 2.0], [1.0, 0.0]))
    assert np.ravel(first).tolist() == [0.5, 1.0]
    assert np.ravel(second).tolist() == [0.5, 0.0]
    one, two = At("maximum", [3.0], [1.0]), At("maximum", [0.0], [2.0])  # p - q goes from -2 to 2: half of the way
    assert [float(np.ravel(s)[0]) for s in secant(one, two)] == [0.5, 0.5]


def test_nothing_flows_through_a_comparison_but_its_steps_add_up() -> None:
    assert derivative(At("greater", [1.0, 2.0], [1.0, 0.0])) == (None, None)
    first, second = secant(At("greater", [3.0, 3.0], [1.0, 1.0]), At("greater", [0.0, 2.0], [2.0, 0.0]))
    assert first.tolist() == [0.25, 0.0]  # from -2 to 2 it rises by 1; from 2 to 2 it does not
    assert (second == -first).all()


def test_nothing_flows_through_a_floor_but_its_jumps_add_up() -> None:
    assert derivative(At("floor", [0.5, 1.0])) == (None,)
    (slope,) = secant(At("floor", [3.5, 0.5, 2.0, np.inf]), At("floor", [-0.5, 0.25, 2.0, 1.0]))
    assert slope[:3].tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("gap", [1e-9, 0.5, 2.0, 1e5])
def test_a_wave_far_out_adds_up_too(gap: float) -> None:
    """A middle of two numbers would be rounded there, by more than the slope may be."""
    a = 1e6 + np.linspace(0, 7, 20)
    for op in ("sin", "cos"):
        one, two = At(op, a + gap), At(op, a)
        (slope,) = secant(one, two)
        for k, (p, q) in enumerate(zip(one.operands[0].tolist(), two.operands[0].tolist(), strict=True)):
            exact = (SMOOTH[op][1](Decimal(p)) - SMOOTH[op][1](Decimal(q))) / (Decimal(p) - Decimal(q))
            assert slope[k] == pytest.approx(float(exact), rel=0, abs=4e-16)


@pytest.mark.parametrize("text", ["y_t = x_t @ W", "y_t = W @ x_t"])
def test_a_product_with_a_matrix_adds_up(text: str) -> None:
    rng = np.random.default_rng(4)
    shape = (3, 4) if text == "y_t = x_t @ W" else (4, 3)
    weights, inputs = rng.normal(size=(2, *shape)), rng.normal(size=(2, 1, 3))
    one, two = (lt.run({"W": w}, x, cell={"equations": text}) for w, x in zip(weights, inputs, strict=True))
    found = split(two, one, "y_t[2]")
    unit = weights[:, :, 2] if text == "y_t = x_t @ W" else weights[:, 2]
    middle = (inputs[0, 0] + inputs[1, 0]) / 2
    part = found.parts["0/forward/W"]
    assert np.count_nonzero(part) == 3
    np.testing.assert_allclose(part[part != 0], middle * (unit[0] - unit[1]), rtol=1e-13)
    share = (unit[0] + unit[1]) / 2 * (inputs[0, 0] - inputs[1, 0])
    np.testing.assert_allclose(found.parts["x"].ravel(), share, rtol=1e-13)
    assert found.difference == pytest.approx(part.sum() + share.sum(), rel=1e-13)


def test_a_slice_gives_to_its_own_units() -> None:
    (found,) = secant(At("slice", np.arange(5.0), constants=(1.0, 3.0)), At("slice", np.ones(5), constants=(1.0, 3.0)))
    assert found.tolist() == [0, 1, 1, 0, 0]
    trace = lt.run({}, [[1.0, 2.0, 3.0, 4.0]], cell={"equations": "y_t = x_t[1:3]"})
    assert lt.gradients(trace, output=[[10.0, 20.0]])["x"].tolist() == [[0, 10, 20, 0]]


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_largest_of_several_adds_up(seed: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(-3, 4, size=(2, 5, 2, width)).astype(float)  # whole numbers: ties are frequent
    whole, (part,) = _parts("max", [a], [b])
    np.testing.assert_allclose(part.sum(axis=-1, keepdims=True), whole, rtol=1e-13, atol=1e-13)
    (shares,) = secant(At("max", a), At("max", b))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, rtol=1e-13)
    assert (shares >= 0).all()
    same = secant(At("max", a), At("max", a))[0]
    np.testing.assert_array_equal(same, derivative(At("max", a))[0])


def test_largest_is_shared_along_the_way() -> None:
    """(0, 2, 1) to (4, 2, 1): the first leads for the second half of the way."""
    (shares,) = secant(At("max", [4.0, 2.0, 1.0]), At("max", [0.0, 2.0, 1.0]))
    np.testing.assert_allclose(shares, [0.5, 0.5, 0.0])


def test_where_adds_up_when_its_condition_differs() -> None:
    rng = np.random.default_rng(3)
    (p, q), (r, s) = rng.normal(size=(2, 2, 6, 2, 3))
    one, two = np.array([1.0, 1, 0, 0, 2, 0.5])[:, None, None], np.array([1.0, 0, 1, 0, 0, 3])[:, None, None]
    whole, parts = _parts("where", [one, p, q], [two, r, s])
    np.testing.assert_allclose(sum(parts), whole, rtol=1e-13, atol=1e-14)
    whole, parts = _parts("where", [one, p, q], [one, r, s])
    assert not parts[0].any(), "a condition that does not differ has no share"


@pytest.mark.parametrize("table", ["derivative", "secant"])
def test_reductions(table: str) -> None:
    here = At("mean", np.arange(4.0)), At("mean", np.ones(4))
    assert (derivative(here[0]) if table == "derivative" else secant(*here))[0].tolist() == [0.25] * 4
    here = At("sum", np.arange(4.0)), At("sum", np.ones(4))
    assert (derivative(here[0]) if table == "derivative" else secant(*here))[0].tolist() == [1.0] * 4


def test_a_wrong_sign_would_fail() -> None:
    """The identity is sharp: the derivative at one end does not fulfil it."""
    one, two = At("tanh", [1.0]), At("tanh", [0.5])
    (slope,) = derivative(two)
    assert abs(float(slope[0]) * 0.5 - float(one.y[0] - two.y[0])) > 0.05


@pytest.mark.parametrize("op", [*SMOOTH, *POSITIVE])
def test_secants_between_equal_operands_have_finite_values_alone(op: str) -> None:
    """A step that is the same in both traces is verified as well."""
    call = {"neg": "-z_t", "copy": "z_t", "elu": "elu(z_t, 0.5)"}.get(op, f"{op}(z_t)")
    cell = {"equations": f"input: z_t\nh_t = h_prev + {call}\ncarry: h_prev <- h_t\noutput: h_t"}
    least = 1e-9 if op in POSITIVE else -800.0
    first, second = (lt.run({}, given={"z_t": [[least, 0.5], [z, 0.5]]}, cell=cell) for z in (0.25, 1.5))
    assert lt.verify(lt.secants(first, second, of="1/h_t[0]")).verdict == "verified"


@pytest.mark.parametrize("own", ["middle(a, b) = a - b", "quotient(a, b) = a * b"])
def test_a_function_of_the_cell_may_have_the_name_of_one_that_secants_call(own: str) -> None:
    name = own.partition("(")[0]
    cell = {"equations": f"{own}\nz_t = x_t * x_t\nq_t = z_t / x_t\nh_t = {name}(q_t, z_t)\noutput: h_t"}
    first, second = (lt.run({}, x=[[0.5], [x]], cell=cell) for x in (0.25, 1.5))
    assert lt.verify(lt.secants(first, second, of="1/h_t[0]")).verdict == "verified"
