"""Flax's GRUCell and SimpleCell, of linen and nnx: their parameters as .npz, traced, and equal to what Flax gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError

from .test_flax import X, flat, grown, jax, linen, nnx

serialization = pytest.importorskip("flax.serialization")
CELLS = [("GRUCell", "gru"), ("SimpleCell", "rnn")]


@pytest.mark.parametrize(("cell", "kind"), CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_linen(tmp_path: Path, cell: str, kind: str, reverse: bool) -> None:
    """Of a GRU the candidate alone has a recurrent bias; SimpleCell's names are too general to be recognised."""
    module = linen.RNN(getattr(linen, cell)(4), return_carry=True, reverse=reverse, keep_order=True)
    variables = grown(module.init(jax.random.PRNGKey(0), X))
    h, y = module.apply(variables, X)
    path = tmp_path / "flax.npz"
    np.savez(path, **flat(variables))
    given: dict[str, Any] = {} if kind == "gru" else {"layout": "flax"}
    trace = lt.run(path, X, batch_first=True, options={"direction": "reverse" if reverse else "forward"}, **given)
    assert (trace.header.kind, "the layout flax" in trace.header.imported[0]) == (kind, True)
    np.testing.assert_allclose(trace.output, y, atol=2e-6)
    np.testing.assert_allclose(trace.h_n[0], h, atol=2e-6)
    if kind == "rnn":
        with pytest.raises(FileError, match="no LSTM, GRU or RNN was recognised"):
            lt.prepare(path)
    else:
        assert trace.parameters["0/" + trace.stages[0].direction]["b_hh"].any()
        assert not trace.parameters["0/" + trace.stages[0].direction]["b_hr"].any()


@pytest.mark.parametrize("cell", ["LSTMCell", "OptimizedLSTMCell", "GRUCell"])
@pytest.mark.parametrize("most", [1 << 30, 100], ids=["whole", "in pieces"])
def test_msgpack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cell: str, most: int) -> None:
    """What Flax itself writes to a file."""
    module = linen.RNN(getattr(linen, cell)(4))
    variables = grown(module.init(jax.random.PRNGKey(0), X))
    monkeypatch.setattr(serialization, "MAX_CHUNK_SIZE", most)
    path = tmp_path / "flax.msgpack"
    path.write_bytes(serialization.to_bytes({**variables, "step": np.int32(3), "rate": 0.1}))
    trace = lt.run(path, X, batch_first=True)
    np.testing.assert_allclose(trace.output, module.apply(variables, X), atol=2e-6)


@pytest.mark.parametrize(("cell", "kind"), CELLS)
def test_nnx(tmp_path: Path, cell: str, kind: str) -> None:
    module = nnx.RNN(getattr(nnx, cell)(5, 4, rngs=nnx.Rngs(0)))
    graph, state, rest = nnx.split(module, nnx.Param, ...)
    y = nnx.merge(graph, grown(state), rest)(X)
    arrays = {key: np.asarray(value) for key, value in flat(nnx.to_pure_dict(grown(state))).items()}
    np.savez(tmp_path / "flax.npz", **arrays)
    trace = lt.run(tmp_path / "flax.npz", X, batch_first=True)
    assert trace.header.kind == kind
    np.testing.assert_allclose(trace.output, y, atol=2e-6)
