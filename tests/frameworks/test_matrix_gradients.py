"""Gradients of cells whose memory is a matrix, against JAX, which differentiates the numpy loops in float64."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support import matrix_cells
from ..support.matrix_cells import CELLS, drawn, traced

jax = pytest.importorskip("jax")


@pytest.fixture(autouse=True)
def _double(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """JAX in float64, and in the place of the numpy of the loops."""
    old = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    monkeypatch.setattr(matrix_cells, "np", jax.numpy)
    yield
    jax.config.update("jax_enable_x64", old)


@pytest.mark.few(2)
@pytest.mark.parametrize("sizes", [(3, 4, 2), (2, 1, 3), (1, 2, 1)], ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_of_every_weight_input_and_initial_state(name: str, sizes: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(sizes)
    weights, states = drawn(name, rng, *sizes)
    x = rng.normal(size=(3, sizes[0]))
    trace = traced(name, weights, x, states)
    output = trace.stages[0].cell.output

    def loss(premises: Any) -> Any:
        return CELLS[name](premises, premises["x"], premises)[output][-1, 0]

    expected = jax.grad(loss)({**weights, **states, "x": x})
    found = {address.rpartition("/")[2]: array for address, array in lt.gradients(trace, of=f"2/{output}[0]").items()}
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert found[key].size == array.size, key
        if key in weights:
            assert found[key].shape == array.shape, key
        apart = np.abs(found[key].reshape(array.shape) - array).max()
        assert apart <= 1e-11 * max(1, np.abs(array).max()), f"{key} is off by {apart}"
