"""ONNX files that are unsafe, damaged or no plain LSTM: each gets a clear refusal, and nothing outside is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.weights.onnx import node as node_reader, reader as reader
from lstm_trace.weights.read import read_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from .onnx_models import arrays, by_runtime, model, node, saved, through, value  # noqa: E402
from .test_onnx import X, check  # noqa: E402

# -- external data ---------------------------------------------------------------------------------------------------


def outside(path: Path, location: str = "weights.bin", size: int = 0) -> Path:
    """A model whose tensors are kept in another file."""
    stored = arrays(21)
    made = model([node(stored, hidden_size=4)], stored)
    return saved(made, path, save_as_external_data=True, location=location, size_threshold=size)


def test_external_data(tmp_path: Path) -> None:
    path = outside(tmp_path / "m.onnx")
    assert (tmp_path / "weights.bin").is_file()
    check(path, by_runtime(path, {"X": X}))


def test_external_data_in_a_folder_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = outside(tmp_path / "m.onnx")
    (tmp_path / "data").mkdir()
    (tmp_path / "weights.bin").rename(tmp_path / "data" / "w.bin")
    relocate(path, "data/w.bin")
    check(path, by_runtime(path, {"X": X}))
    monkeypatch.chdir(tmp_path)
    lt.prepare("m.onnx")


def relocate(path: Path, location: str, **facts: str) -> None:
    """Change where external data is said to be, without touching it."""
    made = onnx.load(path, load_external_data=False)
    for tensor in made.graph.initializer:
        for entry in tensor.external_data:
            entry.value = location if entry.key == "location" else facts.get(entry.key, entry.value)
    path.write_bytes(made.SerializeToString())


@pytest.mark.parametrize(
    "location",
    [
        "../secret.bin",
        "data/../../secret.bin",
        "/etc/hostname",
        "C:\\secret.bin",
        "..\\secret.bin",
        "\\\\host\\share",
        "",
    ],
)
def test_external_data_that_leaves_the_folder_is_not_opened(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    relocate(path, location)
    with pytest.raises(FileError, match="leaves the model's folder; it is not opened"):
        lt.prepare(path)


def test_links_that_leave_the_folder_are_not_opened(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(tmp_path / "secret.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(FileError, match="is a link that leaves the model's folder"):
        lt.prepare(path)
    (folder / "weights.bin").unlink()
    (folder / "up").symlink_to(tmp_path)
    relocate(path, "up/secret.bin")
    with pytest.raises(FileError, match="is a link that leaves the model's folder"):
        lt.prepare(path)
    (folder / "weights.bin").symlink_to(folder / "weights.bin")
    relocate(path, "weights.bin")
    with pytest.raises(FileError, match="external data"):
        lt.prepare(path)


def test_links_within_the_folder_and_to_the_model_are_followed(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    path = outside(folder / "m.onnx")
    (folder / "weights.bin").rename(folder / "real.bin")
    (folder / "weights.bin").symlink_to(folder / "real.bin")
    (tmp_path / "link.onnx").symlink_to(path)
    right = lt.run(path, X).output
    np.testing.assert_array_equal(lt.run(tmp_path / "link.onnx", X).output, right)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: os.truncate(f, 100), "is cut off: 100 bytes, needed are"),
        (lambda f: f.unlink(), "no such file or directory"),
        (lambda f: (f.unlink(), f.mkdir()), "is a directory|is not a file"),
    ],
)
def test_external_data_that_is_not_whole(tmp_path: Path, change: Callable[[Path], Any], message: str) -> None:
    path = outside(tmp_path / "m.onnx")
    change(tmp_path / "weights.bin")
    with pytest.raises(FileError, match=message):
        lt.prepare(path)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"length": "99999999999"}, "its external data claims 99,999,999,999"),
        ({"offset": "-4"}, "from -4 on"),
        ({"offset": "x"}, "begins or ends at no number"),
        ({"offset": "99999999999"}, "is cut off"),
    ],
)
def test_external_data_that_claims_the_impossible(tmp_path: Path, facts: dict[str, str], message: str) -> None:
    path = outside(tmp_path / "m.onnx")
    relocate(path, "weights.bin", **facts)
    with pytest.raises(FileError, match=message):
        lt.prepare(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_no_external_data_and_is_not_waited_for(tmp_path: Path) -> None:
    path = outside(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").unlink()
    os.mkfifo(tmp_path / "weights.bin")
    with pytest.raises(FileError, match=r"its external data 'weights\.bin' is not a file$"):
        lt.prepare(path)


def test_a_device_is_no_external_data(tmp_path: Path) -> None:
    path = outside(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").unlink()
    (tmp_path / "weights.bin").symlink_to("/dev/zero")
    with pytest.raises(FileError, match="leaves the model's folder"):
        lt.prepare(path)


# -- what is refused -------------------------------------------------------------------------------------------------


def refused(path: Path) -> str:
    with pytest.raises(FileError) as error:
        lt.prepare(path)
    assert str(error.value).startswith(str(path))
    return str(error.value)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("unknown attribute", {"peephole": 1}, "the attribute 'peephole' is none of LSTM-14"),
    ("attribute of the wrong type", {"hidden_size": 4.5}, "the attribute hidden_size holds 4.5"),
    ("activations that are no texts", {"activations": [1, 2, 3]}, "the attribute activations holds [1, 2, 3]"),
    (
        "unknown activation",
        {"activations": ["Sigmoid", "Tanh", "Gelu"]},
        "its activation 'Gelu' is none of the operator's",
    ),
    ("too few activations", {"activations": ["Sigmoid", "Tanh"]}, "it has 2 activations; expected 3"),
    ("unknown direction", {"direction": "backward"}, "its direction is 'backward'; expected forward, reverse"),
    ("clip of zero", {"clip": 0.0}, "the attribute clip is 0; expected a positive number"),
    ("negative clip", {"clip": -3.0}, "the attribute clip is -3; expected a positive number"),
    ("another hidden size", {"hidden_size": 5}, "hidden_size is 5, and its R of shape (1, 16, 4) says 4"),
    ("unknown layout", {"layout": 2}, "the attribute layout is 2; expected 0 or 1"),
    ("two directions, weights of one", {"direction": "bidirectional"}, "expected (D, 4H, I) with D = 2"),
]


@pytest.mark.parametrize(("attributes", "message"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_bad_nodes_get_their_own_message(tmp_path: Path, attributes: dict[str, Any], message: str) -> None:
    stored = arrays(22)
    attributes = {"hidden_size": 4, **attributes}
    said = refused(saved(model([node(stored, **attributes)], stored), tmp_path / "m.onnx"))
    assert message in said


@pytest.mark.parametrize(
    ("op", "domain", "message"),
    [
        ("GRU", "", "its W has shape (1, 16, 3); expected (D, 3H, I) with"),
        ("RNN", "", "its R has shape (1, 16, 4); expected (D, H, H) with"),
        ("GRU", "own", "an operator own.GRU that is not ONNX's own GRU"),
        ("DynamicQuantizeLSTM", "com.microsoft", "a quantised LSTM (DynamicQuantizeLSTM of com.microsoft)"),
        ("QLSTM", "com.microsoft", "a quantised LSTM (QLSTM of com.microsoft)"),
        ("PeepholeLSTM", "own", "an operator own.PeepholeLSTM that is not ONNX's own LSTM"),
        ("LSTM", "own", "an operator own.LSTM that is not ONNX's own LSTM"),
    ],
)
def test_other_operators_are_refused_by_name(tmp_path: Path, op: str, domain: str, message: str) -> None:
    stored = arrays(23)
    other = helper.make_node(op, ["X", "W", "R"], ["Y"], name="other", domain=domain, hidden_size=4)
    assert message in refused(saved(model([other], stored), tmp_path / "m.onnx"))
    both = saved(model([other, node(stored, hidden_size=4)], stored), tmp_path / "both.onnx")
    assert [bool(f.refused) for f in read_model(both)] == [True, False]
    lt.prepare(both)  # the one that can be traced


def test_weights_that_are_computed_are_refused(tmp_path: Path) -> None:
    stored = arrays(24)
    inputs = [value("X", ["T", "B", 3]), value("W", [1, 16, 3])]
    said = refused(
        saved(model([node(stored, hidden_size=4)], {n: stored[n] for n in "RB"}, inputs), tmp_path / "m.onnx")
    )
    assert "its W is not stored in the file: it comes from the model's input W (1, 16, 3)" in said
    made = helper.make_node("Relu", ["raw"], ["W"], name="made")
    said = refused(saved(model([made, node(stored, hidden_size=4)], {"raw": stored["W"], "R": stored["R"]}),
                         tmp_path / "r.onnx"))  # fmt: skip
    assert "it comes from the output of made (Relu)" in said


def test_weights_of_a_gru_in_an_lstm_node(tmp_path: Path) -> None:
    stored = arrays(25)
    stored = {"W": stored["W"][:, :12], "R": stored["R"][:, :12]}
    said = refused(saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx"))
    assert "these are the weights of a GRU" in said


def test_integers_are_no_weights(tmp_path: Path) -> None:
    stored = {n: a.astype(np.int8) for n, a in arrays(26).items()}
    assert "its W holds int8" in refused(saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx"))


def test_a_model_without_an_lstm_says_what_it_has(tmp_path: Path) -> None:
    nodes = [helper.make_node(op, ["X"], [op]) for op in ("Sigmoid", "Tanh")] + [
        helper.make_node("MatMul", ["X", "X"], ["Z"])
    ]
    said = refused(saved(model(nodes, outputs=[value("Z")]), tmp_path / "m.onnx"))
    assert (
        "no LSTM, GRU or RNN node was found (its operators are MatMul, Sigmoid, Tanh), and its graph is not read as a "
        "cell: the MatMul Z: shapes (2, 5, 3) and (2, 5, 3) do not fit" in said
    )


def test_constants_that_grow_are_bounded(tmp_path: Path) -> None:
    """A few bytes that claim 4 GiB by Expand and Concat are refused before they are made."""
    stored = arrays(27)
    kept = {n: stored[n] for n in "RB"} | {"small": np.ones((1, 1, 1), np.float32), "size": np.array([1, 16, 1 << 26])}
    nodes = [helper.make_node("Expand", ["small", "size"], ["W"]), node("WRB", hidden_size=4)]
    assert "not a file of weights; refused" in refused(saved(model(nodes, kept), tmp_path / "m.onnx"))
    doubled = [helper.make_node("Concat", [f"c{k}", f"c{k}"], [f"c{k + 1}"], axis=2) for k in range(40)]
    kept = {n: stored[n] for n in "RB"} | {"c0": np.ones((1, 16, 1), np.float32)}
    nodes = [*doubled, helper.make_node("Identity", ["c40"], ["W"]), node("WRB", hidden_size=4)]
    assert "not a file of weights; refused" in refused(saved(model(nodes, kept), tmp_path / "d.onnx"))


def test_constants_in_circles_and_long_chains_end(tmp_path: Path) -> None:
    stored = arrays(28)
    kept = {n: stored[n] for n in "RB"}
    circle = [helper.make_node("Add", ["a", "a"], ["b"]), helper.make_node("Add", ["b", "b"], ["a"]),
              helper.make_node("Identity", ["a"], ["W"])]  # fmt: skip
    said = refused(saved(model([*circle, node("WRB", hidden_size=4)], kept), tmp_path / "m.onnx"))
    assert "is made of itself" in said
    chain = [helper.make_node("Add", [f"c{k}", f"c{k}"], [f"c{k + 1}"]) for k in range(3000)]
    chain.append(helper.make_node("Identity", ["c3000"], ["W"]))
    kept["c0"] = stored["W"]
    said = refused(saved(model([*chain, node("WRB", hidden_size=4)], kept), tmp_path / "c.onnx"))
    assert "more than 100 operators" in said


def test_no_part_of_a_file_is_taken_for_the_whole(tmp_path: Path) -> None:
    stored = arrays(29, P=True)
    whole = saved(model([node(stored, hidden_size=4, clip=2.0)], stored), tmp_path / "m.onnx").read_bytes()
    path = tmp_path / "cut.onnx"
    for size in [0, 1, 2, 10, *range(20, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(FileError):
            read_model(path)


def test_damaged_files_never_fail_in_another_way(tmp_path: Path) -> None:
    stored = arrays(30, P=True)
    nodes, kept = through(stored, 14)
    whole = bytearray(saved(model([*nodes, node("WRBP", hidden_size=4)], kept), tmp_path / "m.onnx").read_bytes())
    rng = np.random.default_rng(31)
    path = tmp_path / "damaged.onnx"
    outcomes = set()
    for _ in range(1500):
        content = bytearray(whole)
        for at in rng.integers(0, len(whole), rng.integers(1, 6)):
            content[at] = rng.integers(256)
        path.write_bytes(content)
        try:
            outcomes.add(bool(read_model(path)))
        except LstmTraceError:
            outcomes.add(False)
    assert outcomes == {True, False}


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"PK\x03\x04 not a model", b"hello", os.urandom(2000)])
def test_foreign_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    assert "ONNX" in refused(path)


def test_layouts_and_activations_are_not_asked_for(tmp_path: Path) -> None:
    stored = arrays(32)
    path = saved(model([node(stored, hidden_size=4)], stored), tmp_path / "m.onnx")
    with pytest.raises(LstmTraceError, match="an ONNX file defines how its weights are stored"):
        lt.prepare(path, layout="onnx")


def test_every_version_is_known() -> None:
    for operator in reader.OPERATORS.values():
        for version in range(1, onnx.defs.onnx_opset_version() + 1):
            schema = onnx.defs.get_schema(operator.kind, version, "")
            assert [i.name for i in schema.inputs] == list(operator.inputs)
            assert {attribute.type.name for attribute in schema.attributes.values()} <= set(node_reader._KINDS)
        assert schema.since_version == node_reader.NEWEST


def test_a_version_that_is_newer_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_reader, "NEWEST", 13)
    stored = arrays(33)
    path = saved(model([node(stored, hidden_size=4)], stored, opset=14), tmp_path / "m.onnx")
    with pytest.raises(FileError, match="it is of version 14; the newest that is read is LSTM-13"):
        lt.prepare(path)
