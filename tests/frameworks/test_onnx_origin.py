"""What `inspect` says of where an ONNX node's x comes from: through embeddings, moves, constants and inner graphs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from lstm_trace.cli import main
from lstm_trace.weights.read import read_model

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from .onnx_models import OUTPUTS, arrays, by_runtime, model, node, saved, value  # noqa: E402

INT = TensorProto.INT64
STORED = arrays(5)
TABLE = np.random.default_rng(6).normal(size=(5, 3)).astype(np.float32)
IDS = np.array([[0], [4], [2]])
LSTM = node(list(STORED), hidden_size=4)
TOKENS = value("tokens", ["T", 1], INT)


def said(tmp_path: Path, nodes: list[Any], more: dict[str, np.ndarray], inputs: list[Any], feeds: Any) -> str:
    """The fact `input` of the only LSTM that onnxruntime runs behind `nodes`."""
    path = saved(model([*nodes, LSTM], {**STORED, **more}, inputs), tmp_path / "m.onnx")
    assert by_runtime(path, feeds)[0].size
    return read_model(path)[0].facts["input"]


def op(kind: str, inputs: list[str], output: str = "X", **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, [output], **attributes)


HALF = TABLE.astype(np.float16)
SCALED = {"E": (TABLE * 10).astype(np.int8), "s": np.float32(0.1)}
NUMBERS = {"zero": np.array([0]), "end": np.array([9]), "two": np.array([2]), "shape": np.array([-1, 1, 3])}


@pytest.mark.parametrize(
    ("nodes", "more", "expected"),
    [
        ([op("Gather", ["E", "tokens"])], {"E": TABLE}, "Gather of E (5, 3)"),
        (
            [op("Cast", ["E"], "wide", to=TensorProto.FLOAT), op("Gather", ["wide", "tokens"])],
            {"E": HALF},
            "Gather of E (5, 3)",
        ),
        ([op("DequantizeLinear", ["E", "s"], "wide"), op("Gather", ["wide", "tokens"])], SCALED, "Gather of wide"),
        (  # a part of the table, as long as the input is: its own input, a size, is not the way
            [
                op("Shape", ["tokens"], "sizes"),
                op("Slice", ["sizes", "zero", "end"], "far"),
                op("Slice", ["far", "zero", "one"], "first"),
                op("Add", ["first", "two"], "rows"),
                op("Slice", ["E", "zero", "rows"], "part"),
                op("Gather", ["part", "tokens"]),
            ],
            {"E": TABLE, **NUMBERS, "one": np.array([1])},
            "Gather of E (5, 3)",
        ),
        (
            [
                op("Cast", ["tokens"], "same", to=INT),
                op("Gather", ["E", "same"], "wide"),
                op("Reshape", ["wide", "shape"], "again"),
                op("Identity", ["again"]),
            ],
            {"E": TABLE, **NUMBERS},
            "Cast, Gather of E (5, 3), Reshape, Identity",
        ),
        (  # numbers of tokens, looked up one by another
            [op("Gather", ["renumber", "tokens"], "own"), op("Gather", ["E", "own"])],
            {"E": TABLE, "renumber": np.array([4, 3, 2, 1, 0])},
            "Gather of renumber (5), Gather of E (5, 3)",
        ),
    ],
)
def test_an_embedding_is_followed_by_its_tokens(
    tmp_path: Path, nodes: list[Any], more: dict[str, np.ndarray], expected: str
) -> None:
    found = said(tmp_path, nodes, more, [TOKENS], {"tokens": IDS})
    assert found == f"the model's input tokens (T, 1), through {expected}"


def test_of_rows_that_are_chosen_from_the_input_the_input_is_the_way(tmp_path: Path) -> None:
    x = np.zeros((3, 1, 3), np.float32)
    inputs, order = [value("x", ["T", "B", 3])], {"order": np.array([2, 0, 1])}
    nodes = [op("Gather", ["x", "order"])]
    assert said(tmp_path, nodes, order, inputs, {"x": x}) == "the model's input x (T, B, 3), through Gather"
    inputs.append(value("places", ["N"], INT))
    nodes = [op("Gather", ["x", "places"])]
    found = said(tmp_path, nodes, {}, inputs, {"x": x, "places": np.array([1])})
    assert found == "the model's input x (T, B, 3), through Gather"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], "the stored X (3, 1, 3)"),
        ([op("Transpose", ["turned"], perm=[1, 0, 2])], "the stored turned (1, 3, 3), through Transpose"),
        ([op("Gather", ["X_all", "order"])], "the stored X_all (5, 1, 3), through Gather"),
        ([op("Expand", ["row", "sizes"])], "the stored row (3), through Expand"),
        # what is computed of two values ends the way, whichever is stored
        ([op("Add", ["row", "x"])], "the output of 'X' (Add)"),
        ([op("MatMul", ["x", "square"])], "the output of 'X' (MatMul)"),
        ([op("Concat", ["turned", "x"], axis=1)], "the output of 'X' (Concat)"),
        ([op("Where", ["yes", "x", "row"])], "the output of 'X' (Where)"),
        ([op("Constant", [], value=numpy_helper.from_array(np.ones((3, 1, 3), np.float32)))], "'X' (Constant)"),
    ],
)
def test_what_is_stored_is_said_to_be(tmp_path: Path, nodes: list[Any], expected: str) -> None:
    every = {
        "X": np.ones((3, 1, 3)), "turned": np.ones((1, 3, 3)), "X_all": np.ones((5, 1, 3)), "row": np.ones(3),
        "square": np.ones((3, 3)),
    }  # fmt: skip
    more: dict[str, Any] = {name: array.astype(np.float32) for name, array in every.items()}
    more |= {"order": np.array([2, 0, 1]), "sizes": np.array([3, 1, 3]), "yes": np.array([True])}
    if nodes:
        del more["X"]
    x = np.zeros((1, 3, 3) if "Concat" in expected else (3, 1, 3), np.float32)
    found = said(tmp_path, nodes, more, [value("x", [None, None, 3])], {"x": x})
    assert found.endswith(expected)
    assert "nowhere" not in found


def test_a_sparse_table_is_stored_too(tmp_path: Path) -> None:
    made = model([op("Gather", ["E", "tokens"]), LSTM], STORED, [TOKENS])
    values = numpy_helper.from_array(np.ones(2, np.float32), "E")
    places = numpy_helper.from_array(np.array([1, 7]), "E_places")
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [5, 3]))
    path = saved(made, tmp_path / "m.onnx")
    assert by_runtime(path, {"tokens": IDS})[0].shape == (3, 1, 1, 4)
    assert read_model(path)[0].facts["input"] == "the model's input tokens (T, 1), through Gather of E (5, 3)"
    made.graph.node[1].input[1] = "E"  # what is never read as a weight is not said to be missing
    assert "SparseTensorProto is not read" in read_model(saved(made, tmp_path / "w.onnx"))[0].refused


@pytest.mark.parametrize("inside", [True, False])
def test_a_table_of_the_body_or_of_the_graph_around_it(tmp_path: Path, inside: bool) -> None:
    """The body of an If looks up what the model takes, in a table of its own or of the graph around it."""
    table = numpy_helper.from_array(TABLE, "E")
    nodes = [op("Gather", ["E", "tokens"]), LSTM]
    own = [value(name) for name in OUTPUTS]
    body = helper.make_graph(nodes, "then", [], own, [table] if inside else [])
    flag = value("flag", [], TensorProto.BOOL)
    branches = helper.make_node("If", ["flag"], ["a", "b", "c"], name="if", then_branch=body, else_branch=body)
    stored = STORED if inside else {**STORED, "E": TABLE}
    path = saved(model([branches], stored, [TOKENS, flag], [value(n) for n in "abc"]), tmp_path / "m.onnx")
    assert by_runtime(path, {"tokens": IDS, "flag": np.array(True)})[0].shape == (3, 1, 1, 4)
    found = read_model(path)[0].facts
    assert found["input"] == "the model's input tokens (T, 1), through Gather of E (5, 3)"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch_first", [True, False])
def test_exported_token_models(tmp_path: Path, batch_first: bool) -> None:
    torch = pytest.importorskip("torch")

    class Tagger(torch.nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(5, 8)
            self.lstm = torch.nn.LSTM(8, 4, batch_first=batch_first)
            self.head = torch.nn.Linear(4, 2)

        def forward(self, tokens: Any) -> Any:
            return self.head(self.lstm(self.embedding(tokens))[0])

    tokens = torch.zeros((1, 40) if batch_first else (40, 1), dtype=torch.long)
    path = tmp_path / "m.onnx"
    torch.onnx.export(Tagger().eval(), (tokens,), str(path), dynamo=False, input_names=["tokens"])
    turned = ", Transpose" if batch_first else ""
    shape = "(1, 40)" if batch_first else "(40, 1)"
    found = read_model(path)[0].facts["input"]
    assert found == f"the model's input tokens {shape}, through Gather of embedding.weight (5, 8){turned}"


def test_diff_of_two_exported_models_says_that_their_embeddings_differ(tmp_path: Path) -> None:
    for name, table in (("a", TABLE), ("b", TABLE + np.float32(0.5))):
        made = model([op("Gather", ["emb.weight", "tokens"]), LSTM], {**STORED, "emb.weight": table}, [TOKENS])
        saved(made, tmp_path / f"{name}.onnx")
    np.save(tmp_path / "x.npy", TABLE[IDS[:, 0]])
    found = CliRunner().invoke(
        main, ["diff", f"{tmp_path}/a.onnx", f"{tmp_path}/b.onnx", "--input", f"{tmp_path}/x.npy"]
    )
    assert found.stdout.startswith("# Difference of a.onnx and b.onnx\n\n- same: all ")
    assert "different embeddings (emb.weight: up to 0.5 apart)" in found.stdout
