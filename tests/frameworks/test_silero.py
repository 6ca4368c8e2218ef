"""The LSTM in the registry package silero-vad, which nobody here trained: its TorchScript file, ONNX file, safetensors.

H = I = 128, so that no shape shows a transposed matrix. Nothing of it is kept in the repository: the state dict is
saved here from the TorchScript file of the installed package.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError
from lstm_trace.weights.read import read_model

from .measure import assert_agrees

torch = pytest.importorskip("torch")
pytest.importorskip("silero_vad")
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]


def data(name: str) -> Path:
    return Path(str(files("silero_vad"))) / "data" / name


@pytest.fixture(scope="module")
def program() -> Any:
    return torch.jit.load(data("silero_vad.jit"))


@pytest.fixture(scope="module")
def state_dict(program: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("silero") / "silero.pt"
    torch.save(program.state_dict(), path)
    return path


X = np.random.default_rng(6).normal(size=(5, 2, 128)).astype(np.float32)
NAME = "_model.decoder.rnn"


def test_the_program_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        FileError, match=r"a TorchScript program.*torch\.jit\.load\('silero_vad\.jit'\)\.state_dict\(\)"
    ):
        lt.prepare(data("silero_vad.jit"))


def test_state_dict_equals_the_program(program: Any, state_dict: Path) -> None:
    assert [f.name for f in read_model(state_dict)] == [NAME, "_model_8k.decoder.rnn"]
    trace, exact = (lt.run(state_dict, X, name=NAME, dtype=kind) for kind in ("float32", "float64"))
    cell = program._model.decoder.rnn
    h, c = torch.zeros(2, 128), torch.zeros(2, 128)
    for t, x in enumerate(X):
        with torch.no_grad():
            h, c = cell(torch.from_numpy(x), (h, c))
        assert_agrees(trace["h_t"][t], h, exact["h_t"][t], f"h at {t}")
        assert_agrees(trace["c_t"][t], c, exact["c_t"][t], f"c at {t}")


def test_safetensors_holds_other_weights(state_dict: Path) -> None:
    """The same LSTM of another training run: its arrays are read, and its values differ."""
    trace = lt.run(data("silero_vad_16k.safetensors"), X)
    assert trace.header.title == "lstm_cell"
    assert not np.allclose(trace.output, lt.run(state_dict, X, name=NAME).output, atol=0.01)


def test_onnx_gives_the_same_trace(state_dict: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("lstm_trace.weights.onnx.reader")
    found = [f for f in read_model(data("silero_vad.onnx")) if not f.refused]
    ours = lt.prepare(state_dict, name=NAME).weights["0/forward"]
    same = [f for f in found if np.array_equal(f.weights["0/forward/W_xi"], ours["W_xi"])]
    assert same, [f.name for f in found]
    by_file = lt.run(data("silero_vad.onnx"), X, name=same[0].name)
    by_state = lt.run(state_dict, X, name=NAME)
    assert set(by_file.lines["0/forward"]) == set(by_state.lines["0/forward"])
    for line, values in by_state.lines["0/forward"].items():
        np.testing.assert_array_equal(by_file[line], values, err_msg=line)
