"""What is missing from an LSTM's weights is said when they are read, in the file's names, by inspect and run alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lstm_trace.cli import main

from ..support.packing import CASES, RNG, STEPS, WIDE, weights

#: Arrays without which there is another LSTM, whole by itself: one without biases, or without peepholes.
SPARE = {
    "keras": {"bias"}, "keras2": {"bias"}, "cudnn": {"bias"}, "onnx": {"B", "P"}, "tf-block": {"b"},
    "tf-block-v2": {"b"},
    "flax-nnx-optimized": {"cell.dense_h.bias"}, "haiku": {"lstm/linear/b"}, "equinox": {"bias"}, "caffe": {"b_c"},
    "coreml": {"bias", "peephole"}, "openvino": {"B"}, "ncnn": {"bias_c"},
    "webnn": {"peepholeWeight"}, "webnn-ifgo": {"peepholeWeight"},
    "mlx": {"bias"}, "mlx-old": {"bias"},
    # a joined kernel shows no projection
    "tf1": {"rnn/lstm_cell/bias:0", "rnn/lstm_cell/projection/kernel:0"},
}  # fmt: skip
#: Layouts that know more than one name for an array: the other one is named.
OTHERWISE = {("tflite", "cell_bias"): "cell_gate_bias"}


def both(model: str, *options: str) -> tuple[tuple[int, str], tuple[int, str]]:
    """Exit code and output of inspect and of run."""
    results = [
        CliRunner().invoke(main, list(arguments))
        for arguments in (("inspect", model, *options), ("run", model, "--input", "x.npy", *options))
    ]
    assert all(r.exception is None or isinstance(r.exception, SystemExit) for r in results)
    return (results[0].exit_code, results[0].output), (results[1].exit_code, results[1].output)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", CASES)
def test_each_array_left_out(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", RNG.normal(size=(STEPS, WIDE)))
    order, pack, kinds, _ = CASES[name]
    arrays = pack(weights(**kinds), order)
    for gone in arrays:
        np.savez("model.npz", **{key: array for key, array in arrays.items() if key != gone})
        inspected, ran = both("model.npz", "--layout", name)
        if gone in SPARE.get(name, set()):
            assert inspected[0] == 0, (gone, inspected)
            continue
        assert inspected == ran, gone
        assert inspected[0] == 2, gone
        assert inspected[1].startswith(f"error: model.npz: {OTHERWISE.get((name, gone), gone)} is missing"), inspected


def stacked() -> dict[str, Any]:
    """Two layers in two directions, as PyTorch has them."""
    found: dict[str, Any] = {}
    for layer, width in ((0, 5), (1, 6)):
        for back in ("", "_reverse"):
            shapes = {"weight_ih": (12, width), "weight_hh": (12, 3), "bias_ih": (12,), "bias_hh": (12,)}
            found |= {f"enc.{name}_l{layer}{back}": RNG.normal(size=shape) for name, shape in shapes.items()}
    return found


@pytest.mark.few(7)
@pytest.mark.parametrize("gone", stacked())
def test_layers_and_directions_have_the_same_arrays(gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", RNG.normal(size=(STEPS, WIDE)))
    np.savez("model.npz", **{key: array for key, array in stacked().items() if key != gone})
    inspected, ran = both("model.npz")  # recognised by its names
    assert inspected == ran
    assert inspected[0] == 2
    assert inspected[1].startswith(f"error: model.npz: {gone} is missing; of this LSTM the file has enc.weight_")


def test_all_that_is_missing_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", RNG.normal(size=(STEPS, WIDE)))
    np.savez("model.npz", **{key: array for key, array in stacked().items() if "bias_hh" not in key})
    inspected, ran = both("model.npz")
    assert inspected == ran
    names = ", ".join(f"enc.bias_hh_l{layer}{back}" for layer in (0, 1) for back in ("", "_reverse"))
    assert f"model.npz: {names} are missing" in inspected[1]
    assert inspected[1].count("\n") == 1


def test_one_whole_lstm_beside_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    whole = stacked()
    broken = {key.replace("enc", "dec"): array for key, array in whole.items() if key != "enc.weight_hh_l1"}
    np.savez("model.npz", **whole, **broken)
    result = CliRunner().invoke(main, ["inspect", "model.npz"])
    said = " ".join(result.output.split())
    assert result.exit_code == 0
    assert "1 LSTM" in said
    assert "dec.weight_hh_l1 is missing" in said


def test_inspect_of_nothing_that_can_be_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cut = {key: array[:8] for key, array in stacked().items() if "_l0" in key and "reverse" not in key}
    np.savez("model.npz", **cut, **{key.replace("enc", "dec"): array for key, array in cut.items()})
    for form in ("text", "json"):
        result = CliRunner().invoke(main, ["inspect", "model.npz", "--format", form])
        assert result.exit_code == 2
        assert "enc.weight_hh_l0 has shape (8, 3); expected (4H, H)" in result.stderr
        assert result.stdout == ""


def test_inspect_mentions_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arrays = stacked()
    arrays["enc.weight_hh_l0"][4, 1] = np.nan
    arrays["enc.weight_hh_l0"][5, 0] = np.inf
    np.savez("model.npz", **arrays)
    result = CliRunner().invoke(main, ["inspect", "model.npz"])
    assert result.exit_code == 0
    assert "NaN or infinity in 0/forward/W_hf (2): refused without --allow-nonfinite" in " ".join(result.output.split())
