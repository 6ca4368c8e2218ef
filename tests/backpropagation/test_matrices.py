"""Cells with a matrix for a memory: gradients in the shapes of what they belong to, exact splits, training steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split

from ..engine.test_matrices import PLANS, drawn, small
from ..support.matrix_loops import MATRIX_CELLS, Weights, matrix_cells

CELLS = pytest.mark.parametrize("name", MATRIX_CELLS)
STEP = 1e-5


def differences(name: str, weights: Weights, x: np.ndarray, start: np.ndarray, of: np.ndarray) -> dict[str, np.ndarray]:
    """Central differences of the weighted output of the loop with respect to everything."""
    one = MATRIX_CELLS[name]

    def value(values: dict[str, np.ndarray]) -> float:
        rows = range(x.shape[1])
        outputs = [one.loop(values, values["x"][:, b], values["start"][b])[0] for b in rows]
        return float((np.stack(outputs, axis=1) * of).sum())

    every = {**weights, "x": x, "start": start}
    found = {}
    for key, array in every.items():
        found[key] = np.zeros(array.shape)
        for at in np.ndindex(array.shape):
            sides = []
            for step in (STEP, -STEP):
                moved = array.copy()
                moved[at] += step
                sides.append(value({**every, key: moved}))
            found[key][at] = (sides[0] - sides[1]) / (2 * STEP)
    return found


@pytest.mark.few(2)
@CELLS
def test_gradients_are_those_of_the_loop(name: str) -> None:
    one = MATRIX_CELLS[name]
    rng = np.random.default_rng(1)
    weights, x, start = (
        one.weights(rng, 2, 3, 3 if name == "ltc" else 4),
        rng.normal(size=(4, 2, 2)),
        np.zeros((2, 0, 0)),
    )
    if one.state:
        start = rng.normal(size=(2, 3, 4))
    trace = lt.run(weights, x, cell=one.cell, initial={one.state: start} if one.state else None)
    of = rng.normal(size=trace.output.shape)
    expected = differences(name, weights, x, start, of)
    found = lt.gradients(trace, output=of)
    back = lt.backward(trace, output=of)
    assert lt.verify(back).verdict == "verified"
    for key, value in expected.items():
        place = {"x": "x", "start": f"0/forward/{one.state}"}.get(key, f"0/forward/{key}")
        if value.size:
            assert found[place].shape == value.shape
            assert np.allclose(found[place], value, rtol=1e-6, atol=1e-7), key
            assert np.allclose(back.gradients[place], found[place], rtol=1e-12, atol=1e-14)


@CELLS
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.few(3)
def test_a_split_is_exact(name: str, seed: int) -> None:
    weights, x, _ = drawn(name, seed)
    rng = np.random.default_rng(seed)
    cell = MATRIX_CELLS[name].cell
    a = lt.run(weights, x, cell=cell)
    other = {key: value * (1 + rng.normal(size=value.shape) / 5) for key, value in weights.items()}
    b = lt.run(other, x + rng.normal(size=x.shape) / 10, cell=cell)
    of = f"{len(x) - 1}/{x.shape[1] - 1}/{a.stages[0].cell.output}[0]"
    found = split(a, b, of)
    assert abs(found.residual) <= 1e-14 * max(found.size, 1)
    assert not found.local
    for key, value in weights.items():
        assert found.parts[f"0/forward/{key}"].shape == value.shape
        assert np.isclose(found.by_step[f"0/forward/{key}"].sum(), found.parts[f"0/forward/{key}"].sum())
    assert lt.verify(lt.secants(a, b, of)).verdict == "verified"


@pytest.mark.few(5)
@given(matrix_cells(), st.integers(0, 1 << 32))
def test_splits_of_random_cells_are_exact(case: tuple[str, Weights, np.ndarray], seed: int) -> None:
    text, weights, x = case
    rng = np.random.default_rng(seed)
    other = {key: value + rng.normal(size=value.shape) / 5 for key, value in weights.items()}
    a, b = (lt.run(values, x, cell={"equations": text}, plan="planned") for values in (weights, other))
    found = split(a, b, f"{len(x) - 1}/0/y[0]")
    assert abs(found.residual) <= 1e-13 * max(found.size, 1), text


@pytest.mark.few(1)
@pytest.mark.parametrize("plan", PLANS)
def test_gradients_by_every_plan(plan: Any) -> None:
    for name in MATRIX_CELLS:
        weights, x = small(name)
        one, two = (lt.run(weights, x, cell=MATRIX_CELLS[name].cell, plan=p) for p in (plan, "lines"))
        found, expected = (lt.gradients(trace, output=np.ones(trace.output.shape)) for trace in (one, two))
        assert all(np.allclose(found[key], expected[key], rtol=1e-11, atol=1e-12) for key in expected)


def test_sums_have_the_shape_of_the_weights_in_files_too(tmp_path: Path) -> None:
    weights, x = small("s6")
    trace = lt.run(weights, x, cell=MATRIX_CELLS["s6"].cell)
    back = lt.backward(trace, output=np.ones(trace.output.shape))
    assert back.sums["0/adjoint-forward"]["d_A_log"].shape == weights["A_log"].shape
    for suffix in ("json", "safetensors"):
        back.save(tmp_path / f"t.{suffix}")
        found = lt.load(tmp_path / f"t.{suffix}")
        assert found.equals(back)
        assert lt.verify(found).verdict == "verified"


@pytest.mark.parametrize("order", [("A_t", "B_t", "y_t"), ("y_t", "B_t", "A_t")])
def test_seeds_are_given_in_any_order(order: tuple[str, ...]) -> None:
    rows = "A_t = 0.5 * A_prev + outer(x_t, x_t)\nB_t = A_t + outer(x_t, x_t) * B_prev\ny_t = B_t @ x_t"
    x = np.random.default_rng(3).normal(size=(3, 2))
    trace = lt.run({}, x, cell={"equations": f"{rows}\ncarry: A_prev <- A_t, B_prev <- B_t\noutput: y_t"})
    found = lt.backward(trace, seeds={name: np.ones(trace[name].shape) for name in order})
    assert lt.verify(found).verdict == "verified"
    again = lt.gradients(trace, seeds={name: np.ones(trace[name].shape) for name in sorted(order)})
    assert {name: array.tolist() for name, array in found.gradients.items()} == {
        n: g.tolist() for n, g in again.items()
    }


def test_a_changed_entry_of_a_sum_is_found() -> None:
    weights, x = small("s6")
    trace = lt.run(weights, x, cell=MATRIX_CELLS["s6"].cell)
    back = lt.backward(trace, output=np.ones(trace.output.shape))
    back.sums["0/adjoint-forward"]["d_A_log"][1, 2] += 1e-9
    failure = lt.verify(back).failures[0]
    assert str(failure.address) == "0/adjoint-forward/d_A_log[1,2]"


def test_an_entry_of_a_state_has_the_steps_of_the_line_that_it_carries() -> None:
    weights, x = small("mlstm")
    trace = lt.run(weights, x, cell=MATRIX_CELLS["mlstm"].cell)
    found = lt.gradients(trace, of="3/0/C_prev[1,0]")
    assert np.array_equal(found["0/forward/W_v"], lt.gradients(trace, of="2/0/C_t[1,0]")["0/forward/W_v"])
    with pytest.raises(
        lt.errors.MissingError, match=r"^'C_prev\[1,0\]' is not an address here; expected t/b/C_prev\[1,0\]"
    ):
        lt.gradients(trace, of="C_prev[1,0]")
    with pytest.raises(
        lt.errors.MissingError, match=r"^'3/0/C_prev\[9,0\]': there is no C_prev\[9,0\]; C_prev is a matrix"
    ):
        lt.gradients(trace, of="3/0/C_prev[9,0]")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_steps_update_matrices(optimizer: str) -> None:
    weights, x = small("ltc")
    text = MATRIX_CELLS["ltc"].text.replace("output: v_t", "L = squared_error(v_t, 0.1 * ones(v_t))\noutput: L")
    done = lt.train(lt.run(weights, x, cell={"equations": text}), of="L", updates=3, rate=0.01, optimizer=optimizer)
    assert list(done.losses) == sorted(done.losses, reverse=True)
    assert {name: value.shape for name, value in done.weights.items()} == {
        f"0/forward/{name}": value.shape for name, value in weights.items()
    }
    assert all(lt.verify(trace).verdict == "verified" for trace in done.traces)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["mlstm", "s6"])
def test_two_layers_in_both_directions(name: str) -> None:
    one, rng = MATRIX_CELLS[name], np.random.default_rng(5)
    weights = {
        f"{layer}/{direction}/{key}": value
        for layer, inputs in enumerate((3, 8))
        for direction in ("forward", "reverse")
        for key, value in one.weights(rng, inputs, 4, 5).items()
    }
    x, start = rng.normal(size=(5, 2, 3)) / 2, rng.normal(size=(4, 2, 4, 5)) / 2
    found = []
    for plan in PLANS:
        trace = lt.run(weights, x, cell=one.cell, lengths=[5, 3], initial={one.state: start}, plan=plan)
        back = lt.backward(trace, output=np.ones(trace.output.shape))
        assert lt.verify(back).verdict == "verified"
        found.append(back.gradients)
    for key, value in found[0].items():
        assert all(np.allclose(other[key], value, rtol=1e-9, atol=1e-9) for other in found)
    assert found[0][f"1/reverse/{one.state}"].shape == (2, 4, 5)
