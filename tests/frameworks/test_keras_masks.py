"""Keras masks of every form (padding in front, gaps, rows without a valid step) against Keras itself."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt

keras = pytest.importorskip("keras")
layers = keras.layers
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

T, B, WIDTH, H = 6, 5, 4, 3
MASKS = {
    "front": [[0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1], [0, 0, 0, 1, 1, 1]],
    "gaps": [[1, 0, 1, 1, 0, 1], [0, 1, 0, 0, 1, 0], [1, 1, 0, 0, 0, 1], [1, 1, 1, 1, 1, 0], [0, 0, 1, 0, 1, 0]],
    "none": [[0, 0, 0, 0, 0, 0], [0, 1, 1, 0, 0, 0], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 1], [1, 1, 1, 1, 1, 1]],
    "behind": [[1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0], [1, 1, 1, 1, 0, 0]],
}
X = np.random.default_rng(3).normal(size=(B, T, WIDTH)).astype(np.float32)


def grown(layer: Any) -> Any:
    """The layer with random weights of its own."""
    layer.build(X.shape)
    rng = np.random.default_rng(8)
    layer.set_weights([rng.normal(size=w.shape).astype(np.float32) * 0.7 for w in layer.get_weights()])
    return layer


def numbers(value: Any) -> list[Any]:
    """What a layer returned as arrays."""
    return [keras.ops.convert_to_numpy(v) for v in (value if isinstance(value, list | tuple) else [value])]


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("zero", [True, False])
@pytest.mark.parametrize("back", [True, False])
@pytest.mark.parametrize("started", [True, False])
def test_one_direction(mask: str, sequences: bool, zero: bool, back: bool, started: bool) -> None:
    """What Keras returns is what the trace has, step by step; the capture says that they agree."""
    inner = {"return_sequences": sequences, "go_backwards": back, "zero_output_for_mask": zero}
    layer = grown(layers.LSTM(H, return_state=True, **inner))
    valid = np.array(MASKS[mask], bool)
    rng = np.random.default_rng(5)
    start = [rng.normal(size=(B, H)).astype(np.float32) for _ in range(2)] if started else None
    with lt.capture(layer) as traces:  # a disagreement would be a warning, which is an error here
        output, h, c = numbers(layer(X, mask=valid, initial_state=start))
    (trace,) = traces
    assert trace.header.agreement[0].startswith("agrees with what the Keras layer returned")
    assert trace.padded == ("lengths" if mask == "behind" else "mask")
    np.testing.assert_array_equal(trace.valid[:, :, 0], valid.T)
    ours = trace.output[:, ::-1] if back else trace.output
    np.testing.assert_allclose(ours if sequences else ours[:, -1], output, atol=2e-6)
    np.testing.assert_allclose(trace.h_n[0], h, atol=2e-6)
    np.testing.assert_allclose(trace.c_n[0], c, atol=2e-6)


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("sequences", [True, False])
@pytest.mark.parametrize("merge", ["concat", "sum", "mul", "ave", None])
def test_both_directions(mask: str, sequences: bool, merge: str | None) -> None:
    """Keras itself sets zero_output_for_mask in a Bidirectional: to return_sequences."""
    layer = grown(layers.Bidirectional(layers.LSTM(H, return_sequences=sequences, return_state=True), merge_mode=merge))
    with lt.capture(layer) as traces:
        layer(X, mask=np.array(MASKS[mask], bool))
    assert traces[0].header.padding == ("zero" if sequences else "repeat")
    assert traces[0].header.agreement[0].startswith("agrees with what the Keras layer returned")


@pytest.mark.parametrize("zero", [True, False])
def test_stateful_layers_carry_over_masked_calls(zero: bool) -> None:
    layer = layers.LSTM(H, return_sequences=True, stateful=True, zero_output_for_mask=zero)
    model = keras.Sequential([keras.Input(batch_shape=X.shape), layer])
    rng = np.random.default_rng(8)
    model.set_weights([rng.normal(size=w.shape) * 0.7 for w in model.get_weights()])
    with lt.capture(model) as traces:
        for mask in ("front", "none", "gaps"):
            layer(X, mask=np.array(MASKS[mask], bool))
    for before, after in itertools.pairwise(traces):
        np.testing.assert_allclose(after.initial["0/forward"]["c_prev"], before.c_n[0], atol=2e-6)
    assert all(trace.header.agreement[0].startswith("agrees") for trace in traces)
    # a row without a valid step: the state of the call before goes on, and is not given out
    np.testing.assert_allclose(traces[1].h_n[0][0], traces[0].h_n[0][0], atol=2e-6)
    assert not traces[1].output[0].any()


def test_sentences_with_padding_in_front(tmp_path: Path) -> None:
    """What `pad_sequences` does by default: the model's pass goes on, every layer is traced, and all can be saved."""
    ids = keras.utils.pad_sequences([[1, 2, 3], [4, 5], [6, 7, 8, 9]])
    assert ids[0, 0] == 0
    entry = keras.Input((None,))
    value = layers.Embedding(12, 4, mask_zero=True)(entry)
    value = layers.LSTM(4, return_sequences=True, name="first")(value)
    value = layers.LSTM(4, return_sequences=True, go_backwards=True, name="back")(value)
    value = layers.Bidirectional(layers.LSTM(3), name="both")(value)
    model = keras.Model(entry, value)
    rng = np.random.default_rng(4)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    plain = numbers(model(ids))[0]
    with lt.capture(model) as traces:
        np.testing.assert_array_equal(numbers(model(ids))[0], plain)
    assert [trace.header.title for trace in traces] == ["first", "back", "both"]
    for trace in traces:
        assert trace.header.agreement[0].startswith("agrees")
        assert trace.mask.tolist() == (ids != 0).T.tolist()
        trace.save(tmp_path / "t.json")
        assert lt.verify(lt.load(tmp_path / "t.json")).failed == 0


def test_what_goes_wrong_in_the_capture_leaves_the_pass_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = grown(layers.LSTM(H, dropout=0.5))
    outputs = []
    with pytest.raises(lt.LstmTraceError, match="in training mode with dropout") as told, lt.capture(layer) as traces:
        outputs += [layer(X, training=training) for training in (True, True, False)]
    assert [output.shape for output in outputs] == [(B, H)] * 3
    assert len(told.value.problems) == 1
    assert len(traces) == 1
    monkeypatch.setattr("lstm_trace.model.calls.from_live", lambda *_: 1 / 0)
    plain = numbers(layer(X))[0]
    with pytest.raises(lt.LstmTraceError, match="because of a bug in lstm-trace: ZeroDivisionError"), lt.capture(layer):
        np.testing.assert_array_equal(numbers(layer(X))[0], plain)


OTHERS = """
import numpy as np, keras, lstm_trace as lt
from tests.frameworks.test_keras_masks import H, MASKS, X, grown
rng = np.random.default_rng(5)
start = [rng.normal(size=(len(X), H)).astype(np.float32) for _ in range(2)]
for mask in MASKS:
    for unroll in (False, True):
        for back in (False, True):
            for zero in (False, True):
                options = {"go_backwards": back, "zero_output_for_mask": zero, "unroll": unroll}
                layer = grown(keras.layers.LSTM(H, return_sequences=back, **options))
                with lt.capture(layer) as traces:
                    layer(X, mask=np.array(MASKS[mask], bool), initial_state=start)
                print(keras.backend.backend(), traces[0].header.agreement[0].split()[0])
"""


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_other_backends_have_another_rule(backend: str) -> None:
    """At padding they give the state itself; and unrolled they forget zero_output_for_mask."""
    pytest.importorskip(backend)
    python = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", OTHERS]
    env = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run(python, env=env, capture_output=True, text=True)  # noqa: S603  # our own text
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [f"{backend} agrees"] * 32


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("first", "said"),
    [
        (layers.Masking(-1.0, name="gone"), "Masking 'gone', where all inputs are -1.0"),
        (layers.Embedding(9, 4, mask_zero=True, name="w"), "Embedding 'w' with mask_zero, where the index is 0"),
        (layers.Embedding(9, 4), ""),
    ],
)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_file_whose_model_masks_says_so(first: Any, said: str, suffix: str, tmp_path: Path) -> None:
    """What is masked follows from the layer's input, which a run of one LSTM of the file does not see."""
    entry = keras.Input((None, 4) if isinstance(first, layers.Masking) else (None,))
    keras.Model(entry, layers.LSTM(3)(first(entry))).save(tmp_path / f"m.{suffix}")
    notes = lt.prepare(tmp_path / f"m.{suffix}").header.imported
    assert [note for note in notes if "masks steps" in note] == (
        [f"the model masks steps ({said}); x alone does not say which: give mask (--mask)"] if said else []
    )
