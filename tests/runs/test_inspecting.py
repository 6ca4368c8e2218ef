"""What an uploaded file is: kind, sizes and text; and that neither messages nor files lead to the server's folders."""

from __future__ import annotations

import io
import json
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError
from lstm_trace.runs.inspecting import inspect
from lstm_trace.store.files import LostFileError

from .. import ROOT

EXAMPLES = ROOT / "lstm_trace" / "examples"
PROBLEM = "title: Mine\nweights: {W_xi: [[0.5, 1.0]], W_hi: [[0.25]]}\nx: [[1, 2]]\nask: [i_t]\n"


def looked_at(folder: Path, content: bytes | str, label: str) -> dict[str, Any]:
    """What is said of an upload, which lies where the store has it: under a name of its own."""
    path = folder / ".0e4c2b1a.part"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    before = os.getcwd()
    try:
        found = inspect(str(path), label)
    finally:
        assert os.getcwd() == before
        assert list((folder / ".rooms").iterdir()) == []
    json.dumps(found, allow_nan=False).encode()
    assert str(folder) not in str(found)
    return found


def stack(layers: int = 2, directions: int = 2) -> dict[str, np.ndarray]:
    """The arrays of a PyTorch LSTM, I = 3, H = 4."""
    draw = np.random.default_rng(0)
    arrays = {}
    for layer in range(layers):
        for suffix in ("", "_reverse")[:directions]:
            width = 3 if layer == 0 else 4 * directions
            for name, shape in {
                "weight_ih": (16, width),
                "weight_hh": (16, 4),
                "bias_ih": (16,),
                "bias_hh": (16,),
            }.items():
                arrays[f"{name}_l{layer}{suffix}"] = draw.normal(size=shape)
    return arrays


def cli(*words: Any) -> str:
    """What the command line prints."""
    found = CliRunner().invoke(main, list(map(str, words)))
    assert found.exit_code == 0
    return found.stdout.strip()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_a_model_is_told_as_the_command_line_tells_it(tmp_path: Path) -> None:
    content = npz(**stack())
    (tmp_path / "net.npz").write_bytes(content)
    found = looked_at(tmp_path, content, "net.npz")
    assert found["text"] == cli("inspect", tmp_path / "net.npz").replace(f"{tmp_path}/", "")
    assert found["found"] == json.loads(cli("inspect", tmp_path / "net.npz", "--format", "json"))
    assert (found["kind"], found["title"], found["cell"], found["suffix"]) == ("model", "", "lstm", ".npz")
    assert found["sizes"] == {"I": 3, "H": 4, "layers": 2, "directions": 2}


def test_a_problem_is_told_with_what_it_has(tmp_path: Path) -> None:
    found = looked_at(tmp_path, PROBLEM, "mine.yaml")
    assert found["text"].splitlines() == [
        "mine.yaml: a problem",
        "",
        "  title       Mine",
        "  cell        An LSTM cell",
        "  biases      none",
        "  layers      1, forward",
        "  sizes       T = 1, B = 1, I = 2, H = 1",
        "  parameters  3 numbers in 2 arrays, float64",
        "  values      4 in a trace",
        "  asked       i_t",
    ]
    assert found["sizes"] == {"T": 1, "B": 1, "I": 2, "H": 1, "layers": 1, "directions": 1}
    assert (found["kind"], found["title"], found["cell"], found["found"]) == ("problem", "Mine", "lstm", [])


@pytest.mark.few(2)
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_and_its_trace(tmp_path: Path, path: Path) -> None:
    text = path.read_text("utf-8")
    trace = lt.run(str(path))
    trace.save(tmp_path / "t.json")
    trace.save(tmp_path / "t.safetensors")
    problem = looked_at(tmp_path, text, path.name)
    assert problem["kind"] == "problem"
    for name in ("t.json", "t.safetensors"):
        found = looked_at(tmp_path, (tmp_path / name).read_bytes(), name)
        assert found["kind"] == "trace"
        assert {key: found[key] for key in ("title", "cell", "sizes")} == {
            key: problem[key] for key in ("title", "cell", "sizes")
        }
        assert (found["sizes"]["T"], found["sizes"]["B"]) == (trace.steps, trace.batch)


def test_options_and_cells_are_named(tmp_path: Path) -> None:
    weights = "{W_xi: [[1.0]], W_hi: [[1.0]], w_ci: [1.0], W_xf: [[1.0]], W_hf: [[1.0]], w_cf: [1.0]}"
    cell = "{kind: lstm, peephole: true, forget_bias: 0.5}"
    found = looked_at(tmp_path, f"cell: {cell}\nweights: {weights}\nx: [[1.0]]\nask: [i_t]\n", "p.yaml")
    assert found["cell"] == "lstm, peephole, forget_bias 0.5"
    assert "  options     peephole: true, forget_bias: 0.5\n" in found["text"]
    custom = "cell: {equations: 's_t = s_prev + x_t\\n\\n  carry: s_prev <- s_t\\n\\n  output: s_t'}\nx: [[1.0, 2.0]]\n"
    found = looked_at(tmp_path, custom.replace("\\n\\n", "\n\n"), "c.yaml")
    assert (found["cell"], found["sizes"]) == ("equations", {"T": 1, "B": 1, "I": 2, "layers": 1, "directions": 1})


def test_weights_without_an_input_are_a_problem(tmp_path: Path) -> None:
    found = looked_at(tmp_path, "weights: {W_xi: [[1.0]], W_hi: [[1.0]]}\nask: [i_t]\n", "w.yaml")
    assert "  x           none in the file: it is given with a run\n" in found["text"]
    assert found["sizes"] == {"I": 1, "H": 1, "layers": 1, "directions": 1}


def test_the_content_says_what_a_text_is(tmp_path: Path) -> None:
    lt.run(str(EXAMPLES / "q22.yaml")).save(tmp_path / "t.json")
    trace = (tmp_path / "t.json").read_bytes()
    assert looked_at(tmp_path, trace, "notes.txt")["kind"] == "trace"
    assert looked_at(tmp_path, PROBLEM, "notes")["kind"] == "problem"
    assert (
        looked_at(tmp_path, '{"weights": {"W_xi": [[1.0]], "W_hi": [[1.0]]}, "ask": ["i_t"]}', "p.json")["kind"]
        == "problem"
    )
    assert (
        looked_at(tmp_path, 'ask = ["i_t"]\n[weights]\nW_xi = [[1.0]]\nW_hi = [[1.0]]\n', "p.toml")["kind"] == "problem"
    )


#: What cannot be read, with the label's suffix and words of the message.
BROKEN = {
    "empty": (b"", ".yaml", "the file is empty"),
    "text": ("just words\n", ".yaml", "expected a problem"),
    "yaml": ("a: [1\n", ".yaml", "line 1: the bracket [ is not closed"),
    "json": ("{", ".json", ""),
    "bytes": (b"\xff\xfe\x00", ".yaml", "not UTF-8"),
    "weights": (PROBLEM.replace("W_hi: [[0.25]]", "W_hi: [[0.25], [1.0]]"), ".yaml", "W_hi"),
    "input": (PROBLEM.replace("[1, 2]", "[1, 2, 3]"), ".yaml", "x"),
    "asked": (PROBLEM.replace("[i_t]", "[nothing]"), ".yaml", "nothing"),
    "trace": ('{"format": "lstm-trace/1"}', ".json", "is missing"),
    "newer": ('{"format": "lstm-trace/9"}', ".json", "update lstm-trace"),
    "npz": (b"PK\x03\x04 and so on", ".npz", ""),
    "no lstm": (npz(a=np.zeros(3)), ".npz", ""),
    "safetensors": (b"\x10" + b"\0" * 7 + b'{"a":{}}', ".safetensors", ""),
    "header": (b"\xff" * 8 + b"{", ".safetensors", ""),
    "torch": (b"\x80\x02}q\x00.", ".pt", ""),
    "onnx": (b"\x08\x07 not one", ".onnx", ""),
    "keras": (b"PK\x03\x04 not one", ".keras", ""),
    "hdf5": (b"\x89HDF\r\n\x1a\n", ".h5", ""),
    "pickle": (pickle.dumps({"a": 1}), ".pkl", "a pickle, which is not read here"),
    "joblib": (b"x", ".joblib", "a pickle, which is not read here"),
    "gguf": (b"GGUF", ".gguf", "a GGUF file, which is not read here"),
}
LABELS = ("../../etc/passwd", "x" * 300, "a\0b", "🙂👩\u200d💻", "\u202eevil\u200f", "C:\\x\\y", "-", "", "%s{0}")


@pytest.mark.few(3)
@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_is_refused_in_the_readers_words(tmp_path: Path, case: str) -> None:
    content, suffix, said = BROKEN[case]
    for label in ("mine", *LABELS):
        with pytest.raises(LstmTraceError) as caught:
            looked_at(tmp_path, content, label + suffix)
        text = str(caught.value).replace(sys.executable, "python")  # how to install a reader that is missing
        assert said in text
        for path in (str(tmp_path), "/tmp", "/etc", ".part", "lstm-trace-", "\0", "\u202e", "\u200f"):  # noqa: S108
            assert path not in text
        if label == "mine":
            assert text.startswith(f"mine{suffix}")


def test_a_file_that_is_deleted_meanwhile_is_said_to_be(tmp_path: Path) -> None:
    with pytest.raises(LostFileError, match=r"^a\.yaml: the file was deleted meanwhile$"):
        inspect(str(tmp_path / "gone.yaml"), "a.yaml")


@pytest.mark.parametrize("label", LABELS)
def test_what_can_be_read_is_read_under_any_label(tmp_path: Path, label: str) -> None:
    for content, suffix in ((PROBLEM, ".yaml"), (npz(**stack(1, 1)), ".npz")):
        found = looked_at(tmp_path, content, label + suffix)
        head = found["text"].splitlines()[0]
        assert len(head) < 250
        assert head.isprintable() or "\u200d" in head
        assert found["suffix"] == suffix


class _Runs:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", [".npz", ".pt", ".bin", ".ckpt", ".pkl", ".h5", ".keras", ".yaml", ".safetensors"])
def test_nothing_is_unpickled(tmp_path: Path, suffix: str) -> None:
    marker = tmp_path / "was here"
    code = pickle.dumps(_Runs(marker))
    inside, array = io.BytesIO(), io.BytesIO()
    np.save(array, np.array([_Runs(marker)], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("archive/data.pkl", code)
        archive.writestr("archive/version", "3\n")
        archive.writestr("weight_ih_l0.npy", array.getvalue())
    for content in (code, inside.getvalue(), array.getvalue()):
        with pytest.raises(LstmTraceError):
            looked_at(tmp_path, content, f"a{suffix}")
    assert not marker.exists()
    pickle.loads(code)  # noqa: S301 - it would have been seen
    assert marker.exists()


def test_a_file_leads_to_no_other(tmp_path: Path) -> None:
    """External data of an ONNX model are read beside it; there is nothing, wherever it lies."""
    onnx = pytest.importorskip("onnx")
    secret = tmp_path / "secret.bin"
    secret.write_bytes(np.ones(448, np.float32).tobytes())
    weights = [
        onnx.TensorProto(name=name, data_type=1, dims=dims) for name, dims in (("W", [1, 16, 3]), ("R", [1, 16, 4]))
    ]
    node = onnx.helper.make_node("LSTM", ["x", "W", "R"], ["y"], hidden_size=4)
    x = onnx.helper.make_tensor_value_info("x", 1, [5, 1, 3])
    y = onnx.helper.make_tensor_value_info("y", 1, None)
    for location in ("secret.bin", "../secret.bin", str(secret)):
        for one in weights:
            del one.external_data[:]
            one.data_location = onnx.TensorProto.EXTERNAL
            one.external_data.add(key="location", value=location)
        model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [x], [y], weights))
        with pytest.raises(LstmTraceError) as caught:
            looked_at(tmp_path, model.SerializeToString(), "net.onnx")
        assert str(caught.value).startswith("net.onnx: the tensor W: its external data")


def test_texts_and_numbers_of_a_file_are_fit_to_be_sent(tmp_path: Path) -> None:
    arrays = {f"en\x1b\u202ecoder.{name}": value for name, value in stack(1, 1).items()}
    found = looked_at(tmp_path, npz(**arrays), "net.npz")
    assert found["found"][0]["name"] == "en\ufffd\ufffdcoder"
    assert "\x1b" not in found["text"]
    title = 'title: "a\\e\\u202eb"\n'
    assert looked_at(tmp_path, title + PROBLEM.split("\n", 1)[1], "p.yaml")["title"] == "a\ufffd\ufffdb"
