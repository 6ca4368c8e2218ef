"""Keras files of weights alone: what they do not say is listed, and each of it can be said, in Python and at the
command line; then the trace is what Keras computes.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.weights.read import read_model

keras = pytest.importorskip("keras")
pytest.importorskip("h5py")
layers = keras.layers
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
X = np.random.default_rng(3).normal(size=(3, 6, 5)).astype(np.float32)
MASK = np.array([[0, 1, 1, 0, 1, 0], [1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]], bool)


def weights(layer: Any, path: Path) -> tuple[Path, Any]:
    """The layer's weights, random, in a file of their own, and what the layer gives."""
    model = keras.Sequential([keras.Input(X.shape[1:]), layer])
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    model.save_weights(path / "m.weights.h5")
    return path / "m.weights.h5", keras.ops.convert_to_numpy(layer(X, mask=MASK))


SAID: dict[str, tuple[dict[str, Any], dict[str, Any], list[str]]] = {
    "go_backwards": ({"go_backwards": True}, {"direction": "reverse"}, ["--option", "direction=reverse"]),
    "activation": (
        {"activation": "relu"},
        {"candidate_activation": "relu", "output_activation": "relu"},
        ["--option", "candidate_activation=relu,output_activation=relu"],
    ),
    "recurrent": (
        {"recurrent_activation": "hard_sigmoid"},
        {"gate_activation": "hard_sigmoid_keras"},
        ["--option", "gate_activation=hard_sigmoid_keras"],
    ),
    "zero": ({"zero_output_for_mask": True}, {"padding": "zero"}, ["--option", "padding=zero"]),
}


@pytest.mark.parametrize("what", SAID)
def test_what_is_said_is_what_is_computed(what: str, tmp_path: Path) -> None:
    settings, options, flags = SAID[what]
    path, theirs = weights(layers.LSTM(4, return_sequences=True, **settings), tmp_path)
    turn = slice(None, None, -1) if what == "go_backwards" else slice(None)
    silent = lt.run(path, X, mask=MASK)
    assert np.abs(silent.output[:, turn] - theirs).max() > 0.01  # without a word it is another layer
    told = lt.run(path, X, mask=MASK, options=options)
    np.testing.assert_allclose(told.output[:, turn], theirs, atol=3e-6)
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "mask.npy", MASK)
    files = ["--input", str(tmp_path / "x.npy"), "--mask", str(tmp_path / "mask.npy"), "-o", str(tmp_path / "t.json")]
    done = CliRunner().invoke(main, ["run", str(path), *files, *flags])
    assert done.exit_code == 0, done.stderr
    trace = lt.load(tmp_path / "t.json")
    np.testing.assert_array_equal(trace.output, told.output)
    assert trace.header.imported == told.header.imported
    assert sum(sentence.endswith(", as asked") for sentence in trace.header.imported) == 1
    assert len(told.header.imported) == len(silent.header.imported)  # it is said, so it is no more assumed


@pytest.mark.parametrize("merge", [("sum", "sum"), ("mul", "product"), ("ave", "mean"), ("concat", "concat")])
def test_how_both_directions_are_merged(merge: tuple[str, str], tmp_path: Path) -> None:
    layer = layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode=merge[0])
    path, theirs = weights(layer, tmp_path)
    np.testing.assert_allclose(lt.run(path, X, mask=MASK, options={"merge": merge[1]}).output, theirs, atol=3e-6)


def test_all_that_a_file_does_not_say_is_listed(tmp_path: Path) -> None:
    path, _ = weights(layers.LSTM(4, return_sequences=True), tmp_path)
    done = CliRunner().invoke(main, ["inspect", str(path), "--format", "json"])
    (record,) = json.loads(done.stdout)
    for sentence in (
        "the file does not say the activation: tanh was assumed; choose with the options candidate_activation and "
        "output_activation",
        "the file does not say the recurrent activation: sigmoid was assumed, the default of Keras 3",
        "the file does not say the direction: forward was assumed; for go_backwards=True choose --option "
        "direction=reverse",
        "the file does not say zero_output_for_mask: at padding the last output again was assumed; choose with "
        "--option padding=",
    ):
        assert any(said.startswith(sentence) for said in record["imported"]), sentence
    assert lt.run(path, X).header.imported == tuple(record["imported"])
    both = "candidate_activation=relu,output_activation=relu"
    flags = ["--option", f"{both},direction=reverse,padding=zero,gate_activation=hard_sigmoid"]
    done = CliRunner().invoke(main, ["inspect", str(path), "--format", "json", *flags])
    (record,) = json.loads(done.stdout)
    assert not any("does not say" in said for said in record["imported"])
    assert record["directions"] == ["reverse"]
    assert record["options"]["candidate_activation"] == record["options"]["output_activation"] == "relu"
    assert "padding zero" in " ".join(f"{key} {value}" for key, value in record["network"].items())


def test_a_whole_model_says_it_all(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input(X.shape[1:]), layers.LSTM(4, go_backwards=True, activation="relu")])
    model.save(tmp_path / "m.keras")
    (found,) = read_model(tmp_path / "m.keras")
    assert not found.assumed
    assert not any("does not say" in said for said in found.imported)


def test_options_that_cannot_be(tmp_path: Path) -> None:
    path, _ = weights(layers.Bidirectional(layers.LSTM(4)), tmp_path)
    with pytest.raises(OptionError, match="option direction: reverse has no effect: the model runs in both directions"):
        lt.run(path, X, options={"direction": "reverse"})
    with pytest.raises(OptionError, match="option direction must be one of forward, reverse; found 'up'"):
        lt.run(path, X, options={"direction": "up"})
    problem = tmp_path / "p.yaml"
    problem.write_text("weights: {W_xi: [[1.0]]}\n")
    done = CliRunner().invoke(main, ["run", str(problem), "--option", "direction=reverse"])
    assert done.exit_code == 2
    assert "which contains its name, layout, activations and directions" in done.stderr
