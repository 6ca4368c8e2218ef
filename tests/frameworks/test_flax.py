"""Flax: parameters of linen and nnx cells, saved as .npz or given as arrays, traced, and equal to what Flax gives."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

jax = pytest.importorskip("jax")
flax = pytest.importorskip("flax")
linen, nnx = pytest.importorskip("flax.linen"), pytest.importorskip("flax.nnx")

RNG = np.random.default_rng(9)
X = RNG.normal(size=(2, 6, 5)).astype(np.float32)  # (B, T, I)


def flat(tree: Any, path: str = "") -> dict[str, Any]:
    """A tree of parameters as `a/b/kernel`, with random values: Flax draws zeros for biases."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        here = f"{path}/{key}" if path else str(key)
        found |= flat(value, here) if hasattr(value, "items") else {here: value}
    return found


def grown(tree: Any) -> Any:
    rng = np.random.default_rng(2)
    return jax.tree.map(lambda a: rng.normal(size=a.shape).astype(a.dtype) * 0.6, tree)


@pytest.mark.parametrize("cell", ["LSTMCell", "OptimizedLSTMCell"])
def test_linen(tmp_path: Path, cell: str) -> None:
    module = linen.RNN(getattr(linen, cell)(4), return_carry=True)
    variables = grown(module.init(jax.random.PRNGKey(0), X))
    (c, h), y = module.apply(variables, X)
    path = tmp_path / "flax.npz"
    np.savez(path, **flat(variables))
    trace = lt.run(path, X, batch_first=True)
    assert "the layout flax" in trace.header.imported[0]
    np.testing.assert_allclose(trace.output, y, atol=1e-6)
    np.testing.assert_allclose(trace.h_n[0], h, atol=1e-6)
    np.testing.assert_allclose(trace.c_n[0], c, atol=1e-6)


@pytest.mark.parametrize(("cell", "layout"), [("LSTMCell", "flax"), ("OptimizedLSTMCell", "flax-nnx-optimized")])
def test_nnx(tmp_path: Path, cell: str, layout: str) -> None:
    module = nnx.RNN(getattr(nnx, cell)(5, 4, rngs=nnx.Rngs(0)))
    graph, state, rest = nnx.split(module, nnx.Param, ...)
    y = nnx.merge(graph, grown(state), rest)(X)
    arrays = {key: np.asarray(value) for key, value in flat(nnx.to_pure_dict(grown(state))).items()}
    path = tmp_path / "flax.npz"
    np.savez(path, **arrays)
    trace = lt.run(path, X, batch_first=True)
    assert f"the layout {layout}:" in trace.header.imported[0]
    np.testing.assert_allclose(trace.output, y, atol=1e-6)


def test_every_wrong_gate_order_fails() -> None:
    module = nnx.RNN(nnx.OptimizedLSTMCell(5, 4, rngs=nnx.Rngs(0)))
    graph, state, rest = nnx.split(module, nnx.Param, ...)
    y = nnx.merge(graph, grown(state), rest)(X)
    arrays = {key: np.asarray(value) for key, value in flat(nnx.to_pure_dict(grown(state))).items()}
    for order in map("".join, permutations("ifgo")):
        ours = lt.run(arrays, X, batch_first=True, layout={"name": "flax-nnx-optimized", "order": order}).output
        assert np.allclose(ours, y, atol=1e-5) == (order == "ifgo"), order


def test_the_two_optimized_cells_differ() -> None:
    """linen's OptimizedLSTMCell keeps an array for each gate, nnx's stacks them."""
    old = linen.RNN(linen.OptimizedLSTMCell(4)).init(jax.random.PRNGKey(0), X)
    new = nnx.to_pure_dict(nnx.split(nnx.OptimizedLSTMCell(5, 4, rngs=nnx.Rngs(0)), nnx.Param, ...)[1])
    assert len(flat(old)) == 12
    assert len(flat(new)) == 3


def test_linen_reverse_with_lengths() -> None:
    """Padding: Flax leaves outputs past the length as they come; the carry is that of the last valid step."""
    module = linen.RNN(linen.LSTMCell(4), return_carry=True, reverse=True, keep_order=True)
    variables = grown(module.init(jax.random.PRNGKey(0), X))
    lengths = np.array([4, 6])
    (c, h), y = module.apply(variables, X, seq_lengths=lengths)
    trace = lt.run(
        flat(variables), X, batch_first=True, lengths=lengths, layout="flax", options={"direction": "reverse"}
    )
    np.testing.assert_allclose(trace.h_n[0], h, atol=1e-6)
    np.testing.assert_allclose(trace.c_n[0], c, atol=1e-6)
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(trace.output[row, :length], y[row, :length], atol=1e-6)
