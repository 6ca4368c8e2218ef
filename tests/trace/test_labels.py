"""Labels of a readout's outputs: which lines have them, where they are shown, and what is said of wrong ones."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import extended, joined, masked, named
from lstm_trace.errors import ShapeError
from lstm_trace.export.writers import ExportJob as Job, export
from lstm_trace.frames.terminal import table
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.labels import hidden, readout
from lstm_trace.trace.rows import Selection

from .. import ROOT
from ..support.said import sentences_of

SOFTMAX = "y_t = W_hy @ h_t + b_y\np_t = softmax(y_t)"
RNN = "h_t = tanh(W_x @ x_t + W_h @ h_prev)\ny_t = W_hy @ h_t\np_t = softmax(y_t)\ncarry: h_prev <- h_t\noutput: p_t"
#: The output gate and h_t are no part of what is carried, and yet their units are the cell's.
LATE = """
f_t = sigmoid(W_f @ x_t)
c_t = f_t * c_prev + x_t
o_t = sigmoid(W_o @ x_t)
h_t = o_t * tanh(c_t)
y_t = W_y @ h_t
carry: c_prev <- c_t
output: h_t
"""


def assigned(cell: Any) -> set[str]:
    return {name for name in readout(cell) if name.isidentifier()}


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (named("lstm", {})[0], set()),
        (named("lstm", {"projection": True, "peephole": True, "layer_norm": True})[0], set()),
        (named("gru", {"reset_after": True})[0], set()),
        (named("slstm", {})[0], set()),
        (extended(named("lstm", {})[0], SOFTMAX), {"y_t", "p_t"}),
        (extended(named("gru", {})[0], "input: target_t\ny_t = W_hy @ h_t\nL = squared_error(y_t, target_t)"),
         {"y_t", "target_t"}),
        (extended(named("lstm", {})[0], "q_t = h_t * h_t"), set()),
        (extended(named("lstm", {})[0], "a_t = softmax(W_a @ h_t)\nm_t = a_t * h_t"), set()),
        (parse(RNN), {"y_t", "p_t"}),
        (masked(parse(RNN), "zero"), {"y_t", "p_t", "out_t"}),
        (masked(parse(RNN), "repeat"), {"y_t", "p_t", "out_t", "out_prev"}),
        (masked(named("lstm", {})[0], "repeat"), set()),
        (parse(LATE), {"y_t"}),
        (extended(joined("concat"), "s_t = W_hy @ y_t\np_t = softmax(s_t)"), {"s_t", "p_t"}),
        (parse("a_t = tanh(V @ x_t)\np_t = softmax(W @ a_t)\noutput: p_t"), {"p_t"}),
        (parse("y_t = x_t @ W + b\noutput: y_t"), {"y_t"}),
    ],
)  # fmt: skip
def test_which_lines_are_a_readout(cell: Any, expected: set[str]) -> None:
    assert assigned(cell) == expected


# -- where they are shown ----------------------------------------------------------------------------------------------


def example(**change: Any) -> dict[str, Any]:
    """Three units, and a readout of three outputs with targets: the widths do not tell units from outputs."""
    draw = np.random.default_rng(1)
    weights = {f"W_x{g}": draw.normal(size=(3, 2)) for g in "ifco"}
    weights |= {f"W_h{g}": draw.normal(size=(3, 3)) for g in "ifco"} | {"W_hy": draw.normal(size=(3, 3))}
    return {
        "weights": weights,
        "extra": "input: target_t\ns_t = W_hy @ h_t\np_t = softmax(s_t)\nL = cross_entropy(s_t, target_t)",
        "x": [[1.0, 0.0], [0.0, 1.0]],
        "given": {"target_t": [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]},
        "names": {"x": ["sun", "wind"], "h": ["hot", "cold", "wet"], "y": ["go", "stay", "ask"]},
        **change,
    }


def test_a_report_names_each_unit_by_its_own_label() -> None:
    text = lt.run(example(), ask=["p_t", "h_t", "L"]).report("text")
    parts = text.split("Step t = 0")[1].split("\n\n")
    scores = next(part for part in parts if "s_t = W_hy h_t" in part)
    assert "output 0 (go):" in scores
    assert "hot" not in scores
    hidden = next(part for part in parts if "h_t = o_t" in part)
    assert "unit 0 (hot):" in hidden
    assert "go" not in hidden
    target, answers = text.split("Supplied, not computed: target_t.")[1], text.partition("Answers")[2]
    assert " ".join(target.split("\n\n")[1].split()) == "t go stay ask 0 1 0 0 1 0 0 1"
    assert answers.index("output 1 (stay)") < answers.index("unit 1 (cold)")


def test_the_target_of_a_single_step_has_labels() -> None:
    text = lt.run(example(x=[1.0, 0.0], given={"target_t": [1.0, 0.0, 0.0]}), ask=["L"]).report("text")
    assert text.split("Supplied, not computed: target_t.")[1].split("\n\n")[1].split()[:3] == ["go", "stay", "ask"]


def test_a_terminal_table_has_the_labels_of_its_lines() -> None:
    trace = lt.run(example())
    for only, head in (("p_t,s_t", "go stay ask"), ("h_t,c_t", "hot cold wet"), ("h_t,p_t", "[0] [1] [2]")):
        assert table(trace, Selection(only=only.split(","))).head[-3:] == tuple(head.split())


@pytest.mark.few(0)
def test_a_workbook_names_outputs(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    export(Job(lt.run(example())), tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(tmp_path / "t.xlsx")
    sheet = book["Layer 0 forward"]
    over = {str(sheet.cell(3, c).value): c for c in range(1, sheet.max_column + 1) if sheet.cell(3, c).value}
    shown = {name: sheet.cell(5, over[name]).value for name in ("x_t", "target_t", "h_t", "s_t", "p_t")}
    assert shown == {"x_t": "[0] sun", "target_t": "[0] go", "h_t": "[0] hot", "s_t": "[0] go", "p_t": "[0] go"}
    weights = book["Weights 0 forward"]
    at = next(row for row in range(1, weights.max_row + 1) if weights.cell(row, 1).value == "W_hy")
    assert [weights.cell(at + 1, c).value for c in (2, 3, 4)] == ["[0] hot", "[1] cold", "[2] wet"]
    assert [weights.cell(at + r, 1).value for r in (2, 3, 4)] == ["[0] go", "[1] stay", "[2] ask"]


@pytest.mark.few(0)
def test_a_map_on_the_page_has_the_labels_of_its_line() -> None:
    weights = {"W_x": np.eye(3), "W_h": np.eye(3), "W_hy": -np.eye(3)}
    problem = {**example(), "cell": {"equations": RNN}, "weights": weights, "x": np.eye(3).tolist()}
    problem |= {"extra": "", "given": {}, "names": {"h": ["hot", "cold", "wet"], "y": ["go", "stay", "ask"]}}
    page = lt.run(problem).report("html")
    maps = {
        re.findall(r"<tspan[^>]*>(\w)", part)[0]: part
        for part in page.partition('class="heatmaps"')[2].split('<text class="label"')[1:]
    }
    assert {name: [word for word in ("hot", "stay") if f">{word}<" in part] for name, part in maps.items()} == {
        "h": ["hot"], "p": ["stay"]
    }  # fmt: skip


def test_gates_are_told_by_their_own_labels() -> None:
    problem = example(extra="q_t = sigmoid(W_hy @ h_t)", given={}, ask=[])
    problem["weights"]["W_hy"] = np.full((3, 3), 900.0)
    text = " ".join(sentences_of(explanation(lt.run(problem), None, "gates")))
    assert "(go)" in text.partition("q_t")[2]


def test_labels_go_through_files(tmp_path: Path) -> None:
    for name in ("t.json", "t.safetensors"):
        lt.run(example()).save(tmp_path / name)
        assert list(lt.load(tmp_path / name).header.names["y"]) == ["go", "stay", "ask"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": {"y": ["a", "b"]}},
         "names.y has 2 labels; expected one for each output of the readout, which has 3"),
        ({"names": {"y": ["a"]}, "extra": "", "given": {}},
         "names.y has 1 label for the outputs of a readout, and there is no readout: add its equations under extra, "
         "or give the labels of the hidden units as names.h"),
    ],
)  # fmt: skip
def test_wrong_labels_are_reported(change: dict[str, Any], message: str) -> None:
    problem = example(**change)
    if not problem["extra"]:
        del problem["weights"]["W_hy"]
    with pytest.raises(ShapeError) as fault:
        lt.run(problem)
    assert message in str(fault.value)


def test_labels_of_a_readout_that_is_not_asked_for_are_no_fault() -> None:
    assert lt.run(example(names={"y": ["a", "b", "c"]}), ask=["i_t"])["i_t"].shape == (2, 1, 3)


def test_the_examples_name_their_outputs() -> None:
    assert "output 1 (praise)" in lt.run(ROOT / "lstm_trace" / "examples" / "readout.yaml").report("text")


def test_a_line_that_is_read_twice_is_visited_once() -> None:
    cell = parse("g(z) = z * z + 1\nh_t = " + "g(" * 40 + "x_t" + ")" * 40)

    class Counted(dict[str, Any]):
        left = 1_000

        def get(self, name: str, default: Any = None) -> Any:
            self.left -= 1
            assert self.left, "more than 1,000 visits of 80 lines"
            return super().get(name, default)

    cell.__dict__["by_name"] = Counted(cell.by_name)
    assert "x_t" not in hidden.__wrapped__(cell)
