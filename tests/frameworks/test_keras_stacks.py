"""RNN(StackedRNNCells([…])) of Keras: a stack of layers, live, captured, from every kind of file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.weights.read import read_model

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
layers = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
X = np.random.default_rng(3).normal(size=(3, 6, 5)).astype(np.float32)


def stacked(*units: int, name: str = "stk", sequences: bool = True, **options: Any) -> Any:
    """A model with one RNN of several LSTM cells, its weights random."""
    outer = {key: options.pop(key) for key in ("go_backwards", "return_state", "stateful") if key in options}
    names = options.pop("names", [None] * len(units))
    cells = [layers.LSTMCell(n, name=own, **options) for n, own in zip(units, names, strict=True)]
    top = layers.RNN(layers.StackedRNNCells(cells), return_sequences=sequences, name=name, **outer)
    model = keras.Sequential([keras.Input(batch_shape=X.shape), top])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    return model


def saved(model: Any, path: Path) -> Path:
    model.save_weights(path) if path.name.endswith(".weights.h5") else model.save(path)
    return path


MODELS: dict[str, Callable[[], Any]] = {
    "equal": lambda: stacked(4, 4),
    "unequal": lambda: stacked(4, 3, 2),
    "backwards": lambda: stacked(3, 4, go_backwards=True),
    "names against the order": lambda: stacked(5, 5, names=["lstm_cell_1", "lstm_cell"]),
    "names of their own": lambda: stacked(5, 5, names=["z", "a"]),
    "softsign": lambda: stacked(4, 3, activation="softsign", recurrent_activation="hard_sigmoid", use_bias=False),
    "many": lambda: stacked(*[3] * 12),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("suffix", ["keras", "h5", "live"])
def test_a_stack_of_cells(kind: str, suffix: str, tmp_path: Path) -> None:
    model = MODELS[kind]()
    theirs = keras.ops.convert_to_numpy(model(X))
    source = model.layers[-1] if suffix == "live" else saved(model, tmp_path / f"model.{suffix}")
    trace = lt.run(source, X)
    ours = trace.output[:, ::-1] if kind == "backwards" else trace.output
    np.testing.assert_allclose(ours, theirs, atol=3e-6)
    assert trace.header.title == "stk"
    assert len(trace.scopes) == len(model.layers[-1].cell.cells)
    assert all(scope.endswith("reverse" if kind == "backwards" else "forward") for scope in trace.scopes)


@pytest.mark.parametrize("units", [(4, 4), (4, 3)])
def test_weights_only(units: tuple[int, ...], tmp_path: Path) -> None:
    model = stacked(*units)
    path = saved(model, tmp_path / "model.weights.h5")
    (found,) = read_model(path)
    assert (found.name, found.layers, found.kind) == ("stk", 2, "Keras RNN of StackedRNNCells")
    np.testing.assert_allclose(lt.run(path, X).output, keras.ops.convert_to_numpy(model(X)), atol=3e-6)
    back = stacked(*units, go_backwards=True)
    path = saved(back, tmp_path / "back.weights.h5")
    ours = lt.run(path, X, options={"direction": "reverse"}).output[:, ::-1]
    np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(back(X)), atol=3e-6)


@pytest.mark.parametrize("groups", ["rnn/rnn/stacked_rnn_cells/{}", "rnn/rnn/{}", "rnn_2/stacked_rnn_cells_1/{}"])
def test_older_files_without_a_configuration(groups: str, tmp_path: Path) -> None:
    """As tf.keras 2 names its variables; cells are numbered on over the whole session."""
    model = stacked(4, 4)
    arrays = iter(model.get_weights())
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for cell in ("lstm_cell_9", "lstm_cell_10"):
            for role in ("kernel", "recurrent_kernel", "bias"):
                file[f"{groups.format(cell)}/{role}:0"] = next(arrays)
        file.attrs["keras_version"] = "2.4.0"
    (found,) = read_model(tmp_path / "w.h5")
    assert found.layers == 2
    np.testing.assert_allclose(lt.run(tmp_path / "w.h5", X).output, keras.ops.convert_to_numpy(model(X)), atol=3e-6)


def test_both_directions_of_older_files(tmp_path: Path) -> None:
    """tf.keras 2 numbers the cells of a Bidirectional's halves; they are no stack, and one layer."""
    rng = np.random.default_rng(1)
    shapes = {"kernel": (5, 16), "recurrent_kernel": (4, 16), "bias": (16,)}
    with h5py.File(tmp_path / "w.h5", "w") as file:
        for half in ("forward_lstm/lstm_cell_1", "backward_lstm/lstm_cell_2"):
            for role, shape in shapes.items():
                file[f"bidirectional/bidirectional/{half}/{role}:0"] = rng.normal(size=shape)
    (found,) = read_model(tmp_path / "w.h5")
    assert (found.name, found.layers, found.directions) == ("bidirectional", 1, ("forward", "reverse"))


@pytest.mark.parametrize("units", [(4, 4), (4, 3)])
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("sequences", [True, False])
def test_captured(units: tuple[int, ...], state: bool, sequences: bool) -> None:
    rng = np.random.default_rng(9)
    cells = [layers.LSTMCell(n) for n in units]
    layer = layers.RNN(layers.StackedRNNCells(cells), return_sequences=sequences, return_state=state)
    layer.build(X.shape)
    layer.set_weights([rng.normal(size=w.shape) * 0.6 for w in layer.get_weights()])
    start = [[rng.normal(size=(3, n)).astype(np.float32) for _ in range(2)] for n in units]
    mask = rng.random((3, 6)) < 0.6
    with lt.capture(layer) as traces:  # a disagreement would be a warning, which is an error here
        layer(X)
        layer(X, initial_state=start, mask=mask)
    for trace in traces:
        assert trace.header.agreement[0].startswith("agrees with what the Keras layer returned")
    np.testing.assert_array_equal(traces[1].initial["1/forward"]["c_prev"], start[1][1])
    np.testing.assert_array_equal(traces[1].valid[:, :, 0], mask.T)


def test_captured_and_stateful() -> None:
    model = stacked(4, 3, stateful=True)
    with lt.capture(model) as traces:
        model(X)
        model(X)
    first, second = traces
    np.testing.assert_allclose(second.initial["1/forward"]["h_prev"], first.at(layer=1).h_n[0], atol=1e-6)
    assert all(trace.header.agreement[0].startswith("agrees") for trace in traces)


def test_what_is_refused() -> None:
    cells = [layers.LSTMCell(4, activation="relu"), layers.LSTMCell(3)]
    layer = layers.RNN(layers.StackedRNNCells(cells), return_sequences=True)
    layer.build(X.shape)
    with pytest.raises(LstmTraceError, match="its cells differ in activation"):
        lt.prepare(layer)
    both = layers.Bidirectional(layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.LSTMCell(3)])))
    both.build(X.shape)
    with pytest.raises(LstmTraceError, match="its directions run separately through all cells of StackedRNNCells"):
        lt.prepare(both)
    mixed = layers.RNN(layers.StackedRNNCells([layers.LSTMCell(4), layers.GRUCell(3)]))
    mixed.build(X.shape)
    with pytest.raises(LstmTraceError, match="is not an LSTM, GRU, SimpleRNN, or a Bidirectional of one"):
        lt.prepare(mixed)
    said = r"\(.*StackedRNNCells, .*\) is not traced as a whole: lt.prepare reads one (LSTM|GRU)Cell or .*; lt.lift "
    for live in (mixed, keras.Sequential([keras.Input(X.shape[1:]), mixed])):
        with pytest.raises(LstmTraceError, match=f"has no LSTM, GRU or RNN; what it has {said}"), lt.capture(live):
            pass
        with pytest.raises(LstmTraceError, match=said):
            lt.prepare(live)
    assert lt.prepare(mixed.cell.cells[1]).cell.states == {"h_prev": "h_t"}
    halves = layers.Bidirectional(
        layers.LSTM(4), backward_layer=layers.LSTM(4, go_backwards=True, recurrent_activation="hard_sigmoid")
    )
    halves.build(X.shape)
    with pytest.raises(LstmTraceError, match="its directions differ in recurrent_activation"):
        lt.prepare(halves)
