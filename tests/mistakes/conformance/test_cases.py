"""The cases are right by a reference that shares no code, equal on every machine, and small; each file can be read."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, MissingError, OptionError
from lstm_trace.mistakes import conformance
from lstm_trace.mistakes.conformance.cases import NodeCase, cases_of, catalogue, chosen, read, write

from ...support.onnx_reference import outputs

CASES = list(catalogue().values())
CORE = Path(conformance.__file__).with_name("core.json")
SOME = ("lstm_layout_bidirectional", "lstm_clip", "gru_no_states", "rnn_lengths_zero_reverse")


@pytest.mark.few(10)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_expected_outputs_are_those_of_the_specification(case: NodeCase) -> None:
    expected, tolerance = case.expected
    found = outputs(case.cell, case.attributes, case.inputs)
    assert {*expected["text"]} <= {*found}
    for name, right in expected["text"].items():
        assert right.shape == found[name].shape
        np.testing.assert_allclose(right, found[name], rtol=0, atol=1e-13 * max(1, case.scale))
    assert 9e-7 < tolerance < 1e-5


def test_where_the_readings_differ() -> None:
    """And nowhere else: slow_cases.py."""
    several = {"lstm_clip", "lstm_everything_bidirectional", "lstm_g_affine_default", "rnn_thresholded_relu_default"}
    alike = {"lstm_usual_constants", "lstm_plain_forward", "gru_clip", "lstm_everything_reverse", "rnn_affine"}
    assert {name for name in several | alike if len(catalogue()[name].expected[0]) > 1} == several
    empty = catalogue()["gru_lengths_zero_reverse"]
    text, other = (empty.expected[0][reading]["Y_h"] for reading in ("text", "onnxruntime"))
    np.testing.assert_array_equal(text[:, 1], empty.inputs["initial_h"][:, 1])
    assert not other[:, 1].any()
    np.testing.assert_array_equal(text[:, 0], other[:, 0])


def test_weights_tell_gates_apart_and_states_are_not_zero() -> None:
    """With constant weights every order of the gates would pass."""
    for case in CASES:
        arrays = [array for name, array in case.inputs.items() if name != "sequence_lens"]
        numbers = np.concatenate([array.ravel() for array in arrays])
        assert len(np.unique(numbers)) > 0.99 * numbers.size, case.name
        assert numbers.all()
        assert max(case.lengths, default=0) < case.sizes["T"]
        assert (numbers * 2**20 == np.round(numbers * 2**20)).all()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("suite") / "cases"
    write(str(found), [catalogue()[name] for name in SOME], 14)
    return found


@pytest.mark.parametrize("name", SOME)
def test_the_files_of_a_case(folder: Path, name: str) -> None:
    files_are_right(folder / f"test_{name}", catalogue()[name])


def files_are_right(place: Path, case: NodeCase) -> None:
    with np.load(place / "inputs.npz") as inputs:
        assert {*inputs} == {name for name in case.inputs if name not in ("W", "R", "B", "P")}
    with np.load(place / "outputs.npz") as stored:
        for name in case.outputs:
            assert stored[name].dtype == np.float32
            np.testing.assert_array_equal(stored[name], case.expected[0]["text"][name].astype(np.float32))
    assert (place / "outputs_onnxruntime.npz").exists() == ("onnxruntime" in case.expected[0])
    trace = lt.load(place / "trace.safetensors")
    assert trace.header.arithmetic == "float32"
    assert lt.verify(trace).verdict == "verified"
    assert len([*place.glob("test_data_set_0/output_*.pb")]) == len(case.outputs)


def test_a_folder_is_read_again(folder: Path, tmp_path: Path) -> None:
    assert [case.name for case in read(str(folder))[0]] == [*SOME]
    index = json.loads((folder / "cases.json").read_text())
    assert {row["name"]: row["tolerance"] for row in index["cases"]} == {
        name: catalogue()[name].expected[1] for name in SOME
    }
    with pytest.raises(FileError, match="the folder is not empty"):
        write(str(folder), CASES, 14)
    expected = "expected version 1 of the suite, an opset from 7 to 22, and cases"
    for version, opset, cases, said in (
        (99, 14, [{"name": "lstm_clip"}], f"{expected}; found version 99, opset 14 and 1 case: write it again"),
        (1, 14, [{"name": "lstm_clop"}], "no case is called 'lstm_clop'; did you mean 'lstm_clip'"),
        (1, 14, [{"name": "../../etc"}], "no case is called"),
        (1, 14, [{"name": "lstm_clip"}, 3], "not as it was written; write it again"),
        (1, 14, [{}], "no case is called 'None'"),
        (1, 14, [{"name": "x" * 10**6}], "no case is called"),
        (1, 14, [{"name": "lstm_clip"}] * 3, "not as it was written; write it again"),
        (1, 14.0, [{"name": "lstm_clip"}], "not as it was written; write it again"),
        (1, 14, 3, f"{expected}; found version 1, opset 14 and no cases: write it again"),
        (1, 14, [], f"{expected}; found version 1, opset 14 and no cases"),
        (1, 99, [{"name": "lstm_clip"}], f"{expected}; found version 1, opset 99 and 1 case"),
        (1, "14", [{"name": "lstm_clip"}], f"{expected}; found version 1"),
    ):
        text = json.dumps({"version": version, "opset": opset, "cases": cases})
        (tmp_path / "cases.json").write_text(text)
        with pytest.raises(FileError, match=f"cases.json: {said}") as found:
            read(str(tmp_path))
        assert len(str(found.value)) < 500
    for text, said in (("[1", "cases.json: "), ("[]", "found version None, opset None and no cases")):
        (tmp_path / "cases.json").write_text(text)
        with pytest.raises(FileError, match=said):
            read(str(tmp_path))
    with pytest.raises(FileError, match="no such file"):
        read(str(tmp_path / "none"))


@pytest.mark.parametrize("damage", ["changed", "stale", "missing", "pipe"])
def test_a_file_that_is_not_as_it_was_written_is_named(folder: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    file = tmp_path / "copy" / "test_lstm_clip" / "inputs.npz"
    content = file.read_bytes()
    file.unlink()
    if damage == "changed":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "stale":
        file.write_bytes((folder / "test_gru_no_states" / "inputs.npz").read_bytes())
    elif damage == "pipe":
        if not hasattr(os, "mkfifo"):
            pytest.skip("there are no pipes")
        os.mkfifo(file)
    said = "no such file" if damage == "missing" else "not as it was written"
    with pytest.raises(FileError, match=f"inputs.npz: {said}; write it again"):
        read(str(tmp_path / "copy"))


@pytest.mark.parametrize("damage", ["changed", "missing"])
def test_a_trace_that_is_not_as_it_was_written_is_named(folder: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    file = tmp_path / "copy" / "test_lstm_clip" / "trace.safetensors"
    content = file.read_bytes()
    file.unlink()
    if damage == "changed":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(FileError, match=r"trace.safetensors: (not as it was written|no such file); write it again"):
        read(str(tmp_path / "copy"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_an_index_that_is_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "cases.json")
    with pytest.raises(FileError, match=r"cases.json: a pipe or device, not a file"):
        read(str(tmp_path))


def test_cases_are_chosen() -> None:
    core = chosen("core", (), 14, None)
    assert {case.name for case in core} == {*json.loads(CORE.read_text())["cases"]} < {*catalogue()}
    assert {case.cell for case in core} == {"lstm", "gru", "rnn"}
    found = {case.name for case in chosen("full", ("peephole", "rnn"), 14, None)}
    assert {"lstm_peephole_reverse", "lstm_everything_reverse", "rnn_relu"} <= found
    assert not {"lstm_clip", "gru_clip"} & found
    assert [case.name for case in chosen("full", ("softplus",), 14, None)] == ["lstm_g_softplus"]
    assert all("layout" not in case.attributes for case in chosen("full", (), 7, None))
    with pytest.raises(OptionError, match="no case has the option 'peepholes'; did you mean 'peephole'"):
        chosen("full", ("peepholes",), 14, None)


def test_only_what_a_model_uses(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    write(str(tmp_path / "one"), [catalogue()["lstm_everything_reverse"]], 14)
    model = tmp_path / "one" / "test_lstm_everything_reverse" / "model.onnx"
    (own,) = cases_of(model)
    source = catalogue()["lstm_everything_reverse"]
    assert (own.cell, own.attributes, own.give, own.lengths) == ("lstm", {**source.attributes}, source.give, (3, 1))
    found = chosen("full", (), 14, str(model))
    assert found[-1].name == "model_lstm_0"
    names = {case.name for case in found}
    assert {"lstm_plain_forward", "lstm_plain_reverse", "lstm_clip", "lstm_peephole_reverse"} <= names
    assert not any("bidirectional" in name or "gru" in name or "relu" in name for name in names)
    write(str(tmp_path / "cases"), found, 14)
    assert [case.name for case in read(str(tmp_path / "cases"))[0]] == [case.name for case in found]
    again = read(str(tmp_path / "cases"))[0][-1]
    np.testing.assert_array_equal(again.expected[0]["text"]["Y"], own.expected[0]["text"]["Y"])
    for old, new, kind, said in (
        (b"LSTM", b"RELU", MissingError, "no LSTM, GRU or RNN node"),
        (np.float32(0.75).tobytes(), np.float32(-1).tobytes(), FileError, "the LSTM node: the attribute clip is -1"),
    ):
        (tmp_path / "no.onnx").write_bytes(model.read_bytes().replace(old, new))
        with pytest.raises(kind, match=said):
            cases_of(tmp_path / "no.onnx")
    with pytest.raises(FileError, match="a folder, not a file"):
        cases_of(tmp_path)
