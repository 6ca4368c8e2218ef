"""ONNX graphs in which a recurrence is written out: loops over a cell, single steps, Loop and Scan; and onnxruntime."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import FileError, LstmTraceError
from lstm_trace.lifting.graphs import onnx_run
from lstm_trace.model.build import prepare_found

from .. import ROOT
from .measure import assert_agrees

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import helper, numpy_helper  # noqa: E402

from .onnx_models import FLOAT, value  # noqa: E402

INT, BOOL = onnx.TensorProto.INT64, onnx.TensorProto.BOOL
T, B, I, H = 4, 2, 4, 3  # noqa: E741


@dataclass
class Nodes:
    """Nodes that are being written: a call adds one and returns the name of its output."""

    opset: int = 17
    prefix: str = ""
    made: list[Any] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)

    def __call__(self, op: str, *inputs: str, outputs: int = 1, name: str = "", **attributes: Any) -> Any:
        names = [name or f"{self.prefix}{op}{len(self.made)}_{k}" for k in range(outputs)]
        if op == "Split" and self.opset > 17:
            attributes["num_outputs"] = outputs
        self.made.append(helper.make_node(op, inputs, names, name=f"node_{names[0]}", **attributes))
        return names[0] if outputs == 1 else names

    def number(self, number: Any, dtype: Any = np.float32) -> str:
        name = f"{self.prefix}stored{len(self.stored)}"
        self.stored[name] = np.asarray(number, dtype)
        return name


States = list[str]


def lstm(to: Nodes, x: str, h: str, c: str) -> States:
    """As PyTorch writes an nn.LSTMCell: gates i f g o."""
    z = to("Add", to("Gemm", x, "W", "b", transB=1), to("Gemm", h, "U", "b2", transB=1))
    i, f, g, o = to("Split", z, outputs=4, axis=1)
    i, f, g, o = to("Sigmoid", i), to("Sigmoid", f), to("Tanh", g), to("Sigmoid", o)
    new = to("Add", to("Mul", f, c), to("Mul", i, g))
    return [to("Mul", o, to("Tanh", new)), new]


def gru_after(to: Nodes, x: str, h: str) -> States:
    """As PyTorch writes an nn.GRUCell."""
    given, own = to("Gemm", x, "W", "b", transB=1), to("Gemm", h, "U", "b2", transB=1)
    (r, z, n), (hr, hz, hn) = to("Split", given, outputs=3, axis=1), to("Split", own, outputs=3, axis=1)
    r, z = to("Sigmoid", to("Add", r, hr)), to("Sigmoid", to("Add", z, hz))
    n = to("Tanh", to("Add", n, to("Mul", r, hn)))
    return [to("Add", n, to("Mul", z, to("Sub", h, n)))]


def gru_before(to: Nodes, x: str, h: str) -> States:
    r = to("Sigmoid", to("Add", to("Add", to("MatMul", x, "Wr"), to("MatMul", h, "Ur")), "br"))
    z = to("Sigmoid", to("Add", to("Add", to("MatMul", x, "Wz"), to("MatMul", h, "Uz")), "bz"))
    n = to("Tanh", to("Add", to("Add", to("MatMul", x, "Wn"), to("MatMul", to("Mul", r, h), "Un")), "bn"))
    return [to("Add", to("Mul", to("Sub", to.number(1.0), z), n), to("Mul", z, h))]


def rnn(to: Nodes, x: str, h: str) -> States:
    return [to("Tanh", to("Add", to("MatMul", to("Concat", x, h, axis=1), "V"), "bn"))]


def peephole(to: Nodes, x: str, h: str, c: str) -> States:
    z = to("Add", to("Add", to("MatMul", x, "Wt"), to("MatMul", h, "Ut")), "b")
    i, f, g, o = to("Split", z, outputs=4, axis=1)
    i, f = to("Sigmoid", to("Add", i, to("Mul", "wi", c))), to("Sigmoid", to("Add", f, to("Mul", "wf", c)))
    new = to("Add", to("Mul", f, c), to("Mul", i, to("Tanh", g)))
    return [to("Mul", to("Sigmoid", to("Add", o, to("Mul", "wo", new))), to("Tanh", new)), new]


def leaky(to: Nodes, x: str, h: str) -> States:
    """A cell of its own: h keeps 0.9 of itself."""
    n = to("Relu", to("Add", to("Add", to("MatMul", x, "Wn"), to("MatMul", h, "Un")), "bn"))
    return [to("Add", to("Mul", h, to.number(0.9)), to("Mul", n, to.number(0.1)))]


def wave(to: Nodes, x: str, h: str) -> States:
    """A phase that turns and begins again at whole numbers."""
    n = to("Add", to("Add", to("MatMul", x, "Wn"), to("MatMul", h, "Un")), "bn")
    z = to("Mul", to("Sub", n, to("Floor", n)), to.number(2.0))
    far = to("Mul", to("Ceil", n), to.number(0.125))
    return [to("Add", to("Mul", to("Sin", z), to.number(0.25)), to("Mul", to("Cos", z), far))]


class Case(NamedTuple):
    write: Callable[..., States]
    states: int
    kind: str
    options: Mapping[str, Any]


CELLS = {
    "lstm": Case(lstm, 2, "lstm", {"bias": "two"}),
    "gru_after": Case(gru_after, 1, "gru", {"reset_after": True}),
    "gru_before": Case(gru_before, 1, "gru", {"reset_after": False}),
    "rnn": Case(rnn, 1, "rnn", {}),
    "peephole": Case(peephole, 2, "lstm", {"peephole": True}),
    "leaky": Case(leaky, 1, "equations", {}),
    "wave": Case(wave, 1, "equations", {}),
}
SHAPES: dict[str, tuple[int, ...]] = {
    "W": (4 * H, I), "U": (4 * H, H), "b": (4 * H,), "b2": (4 * H,), "Wt": (I, 4 * H), "Ut": (H, 4 * H),
    **{f"W{g}": (I, H) for g in "rzn"}, **{f"U{g}": (H, H) for g in "rzn"}, "V": (I + H, H),
    **{f"b{g}": (H,) for g in "rzn"}, **{f"w{g}": (H,) for g in "ifo"}, "P": (H, 2),
}  # fmt: skip


def weights(case: Case) -> dict[str, Any]:
    """Random weights; those of a GRU are a stack of three."""
    rng = np.random.default_rng(5)
    found = {name: rng.normal(size=shape, scale=0.7).astype(np.float32) for name, shape in SHAPES.items()}
    rows = {"gru": 3 * H}.get(case.kind, 4 * H)
    return {name: array[:rows] if name in ("W", "U", "b", "b2") else array for name, array in found.items()}


def saved(
    path: Path, to: Nodes, inputs: Sequence[Any], outputs: Sequence[Any], case: Case, opset: int = 17, **more: Any
) -> Path:
    """The file of a graph, with the weights that it reads."""
    known = weights(case) | to.stored | more
    text = "".join(str(node) for node in to.made)
    stored = [numpy_helper.from_array(array, name) for name, array in known.items() if f'"{name}"' in text]
    graph = helper.make_graph(to.made, "graph", inputs, outputs, stored)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


NAMES = ("h", "c")


def unrolled(path: Path, case: Case, opset: int = 17, steps: int = T) -> Path:
    """As an exporter writes a loop over x[:, t] from given states; the outputs are stacked."""
    to, states, out = Nodes(opset), [f"{name}0" for name in NAMES[: case.states]], []
    for t in range(steps):
        states = case.write(to, to("Gather", "x", to.number(t, np.int64), axis=1), *states)
        out.append(
            to("Unsqueeze", states[0], axes=[1]) if opset < 13 else to("Unsqueeze", states[0], to.number([1], np.int64))
        )
    to("Concat", *out, name="y", axis=1)
    given = [value("x", [B, steps, I]), *(value(f"{name}0", [B, H]) for name in NAMES[: case.states])]
    return saved(path, to, given, [value("y", [B, steps, H])], case, opset)


def step(path: Path, case: Case, opset: int = 17) -> Path:
    """One step, with names that say nothing: the states come before x is read, and h is returned last."""
    to = Nodes(opset)
    new = case.write(to, "a", *("s", "r")[: case.states])
    given = [value("a", ["N", I]), *(value(name, ["N", H]) for name in ("s", "r")[: case.states])]
    return saved(path, to, given, [value(name, ["N", H]) for name in new[::-1]], case, opset)


def body_of(case: Case, to: Nodes, x: str) -> list[str]:
    """The names of what a body returns: the new states, and h for the output."""
    new = case.write(to, x, *NAMES[: case.states])
    return [*new, to("Identity", new[0])]


def scan(path: Path, case: Case, opset: int = 17, back: int = 0) -> Path:
    body = Nodes(opset, "in_")
    names = body_of(case, body, "xt")
    given = [value(name, [None, H]) for name in NAMES[: case.states]]
    graph = helper.make_graph(
        body.made, "body", [*given, value("xt", [None, I])], [value(name, [None, H]) for name in names]
    )
    to = Nodes(stored=body.stored)
    states = [f"{name}0" for name in NAMES[: case.states]]
    ends = [f"{name}n" for name in NAMES[: case.states]]
    to.made.append(
        helper.make_node(
            "Scan", [*states, "x"], [*ends, "y"], body=graph, num_scan_inputs=1, scan_input_directions=[back],
            scan_output_directions=[back],
        )
    )  # fmt: skip
    given = [value("x", ["T", "N", I]), *(value(name, ["N", H]) for name in states)]
    return saved(path, to, given, [value("y", ["T", "N", H])], case, opset)


def reversed_scan(path: Path, case: Case, opset: int = 17) -> Path:
    return scan(path, case, opset, 1)


def loop(path: Path, case: Case, opset: int = 17, listed: bool = False) -> Path:
    """As PyTorch's scripting writes a loop: x is read by the counter, and the steps are counted by its shape."""
    body = Nodes(opset, "in_")
    names = body_of(case, body, body("Gather", "x", "t", axis=0))
    given = [value("t", [], INT), value("going", [], BOOL), *(value(name) for name in NAMES[: case.states])]
    ends = [value("on", [], BOOL), *map(value, names[:-1])]
    body("Identity", "going", name="on")
    sequence = helper.make_tensor_sequence_value_info
    if listed:
        given.append(sequence("list", FLOAT, None))
        ends.append(sequence(body("SequenceInsert", "list", names[-1]), FLOAT, None))
    else:
        ends.append(value(names[-1]))
    graph = helper.make_graph(body.made, "body", given, ends)
    to = Nodes(stored=body.stored)
    steps = to("Gather", to("Shape", "x"), to.number(0, np.int64), axis=0)
    states = [f"{name}0" for name in NAMES[: case.states]]
    lists = [to("SequenceEmpty")] if listed else []
    ys = "all" if listed else "y"
    ended = [f"{name}n" for name in NAMES[: case.states]]
    going = to.number(True, np.bool_)
    to.made.append(helper.make_node("Loop", [steps, going, *states, *lists], [*ended, ys], body=graph))
    if listed:
        to("ConcatFromSequence", ys, name="y", axis=0, new_axis=1)
    given = [value("x", ["T", "N", I]), *(value(name, ["N", H]) for name in states)]
    return saved(path, to, given, [value("y", [None, None, H])], case, opset)


def listed_loop(path: Path, case: Case, opset: int = 17) -> Path:
    return loop(path, case, opset, True)


FORMS: dict[str, Callable[..., Path]] = {
    one.__name__: one for one in (unrolled, step, scan, reversed_scan, loop, listed_loop)
}


def by_runtime(path: Path, form: str, x: Any, states: Sequence[Any]) -> Any:
    """h of every step, (T, B, H), by onnxruntime; a graph of one step is called once for each."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    if form != "step":
        rows = x.swapaxes(0, 1) if form == "unrolled" else x
        found = session.run(["y"], dict(zip(names, [rows, *states], strict=True)))[0]
        return found.swapaxes(0, 1) if form == "unrolled" else found
    out = []
    for row in x:
        states = session.run(None, dict(zip(names, [row, *states], strict=True)))[::-1]
        out.append(states[0])
    return np.stack(out)


def check(path: Path, form: str, case: Case, steps: int = T) -> Any:
    """The cell that we find in a file computes what onnxruntime computes, from states that are not zero."""
    (found,) = lt.inspect(path)
    assert (found.cell, found.refused) == (case.kind, "")
    assert {name: found.options.get(name) for name in case.options} == case.options
    rng = np.random.default_rng(1)
    x = rng.normal(size=(steps, B, I)).astype(np.float32)
    states = [rng.normal(size=(B, H)).astype(np.float32) for _ in range(case.states)]
    initial = dict(zip(("h0", "c0"), states, strict=False))
    models = [prepare_found(found, dtype=dtype) for dtype in (None, "float64")]
    ours, exact = (model.run(x, batch_first=False, **initial) for model in models)
    theirs = by_runtime(path, form, x, states)
    assert ours.header.dtype == "float32"
    assert_agrees(ours["h_t"], theirs, exact["h_t"], "h_t")
    assert lt.verify(ours).verdict == "verified"
    return found


@pytest.mark.few(4)
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", CELLS)
def test_a_recurrence_is_found_in_every_form(name: str, form: str, tmp_path: Path) -> None:
    found = check(FORMS[form](tmp_path / "m.onnx", CELLS[name]), form, CELLS[name])
    assert found.kind == "ONNX graph"
    assert found.directions == (("reverse",) if form == "reversed_scan" else ("forward",))
    assert found.defaults.batch_first == (form == "unrolled")
    assert found.facts["h0"].startswith("the model's input")


@pytest.mark.few(2)
@pytest.mark.parametrize("opset", [11, 12, 13, 14, 16, 18, 20, 22])
def test_operator_sets(opset: int, tmp_path: Path) -> None:
    check(unrolled(tmp_path / "m.onnx", CELLS["gru_after"], opset), "unrolled", CELLS["gru_after"])


def test_sizes_that_are_open_and_have_no_names(tmp_path: Path) -> None:
    """The states have as many rows as the batch, not as many as x has steps."""
    path = scan(tmp_path / "m.onnx", CELLS["rnn"])
    made = onnx.load(path)
    for one in made.graph.input:
        for size in one.type.tensor_type.shape.dim:
            size.ClearField("dim_param")
    onnx.save(made, path)
    check(path, "scan", CELLS["rnn"])


def test_states_of_a_step_are_told_by_what_is_computed_from_them(tmp_path: Path) -> None:
    """Inputs and outputs have names that say nothing, and c stands before h in both."""
    to = Nodes()
    h, c = lstm(to, "x", "r", "s")
    given = [value("x", ["N", I]), value("s", ["N", H]), value("r", ["N", H])]
    path = saved(tmp_path / "m.onnx", to, given, [value(c, ["N", H]), value(h, ["N", H])], CELLS["lstm"])
    (found,) = lt.inspect(path)
    assert found.cell == "lstm"
    assert "input r;" in found.facts["h0"]
    assert "input s;" in found.facts["c0"]


def test_a_step_whose_states_cannot_be_told(tmp_path: Path) -> None:
    """Three outputs have the shape of the two states."""
    to = Nodes()
    new = lstm(to, "x", "s", "r")
    given = [value("x", ["N", I]), value("s", ["N", H]), value("r", ["N", H])]
    out = [*new, to("Neg", new[0])]
    path = saved(tmp_path / "m.onnx", to, given, [value(one, ["N", H]) for one in out], CELLS["lstm"])
    with pytest.raises(FileError, match="are the new values of the inputs s, r cannot be told: export the model with"):
        lt.inspect(path)
    for old, name in zip(out, ("h_out", "c_out", "z"), strict=True):
        to("Identity", old, name=name)
    path = saved(
        tmp_path / "n.onnx", to, given, [value(one, ["N", H]) for one in ("z", "c_out", "h_out")], CELLS["lstm"]
    )
    with pytest.raises(FileError, match="cannot be told"):  # the inputs are called s and r
        lt.inspect(path)
    for node in to.made:
        node.input[:] = [{"s": "h_in", "r": "c_in"}.get(one, one) for one in node.input]
    given = [value("x", ["N", I]), value("c_in", ["N", H]), value("h_in", ["N", H])]
    path = saved(
        tmp_path / "o.onnx", to, given, [value(one, ["N", H]) for one in ("z", "c_out", "h_out")], CELLS["lstm"]
    )
    assert lt.inspect(path)[0].facts["c0"] == "the model's input c_in; zeros if it is not given"


def test_a_state_that_the_file_does_not_return(tmp_path: Path) -> None:
    to = Nodes()
    new = lstm(to, "x", "h", "c")
    given = [value("x", ["N", I]), value("h", ["N", H]), value("c", ["N", H])]
    path = saved(tmp_path / "m.onnx", to, given, [value(to("MatMul", new[0], "P"), ["N", 2])], CELLS["lstm"])
    with pytest.raises(FileError, match=r"no output has the shape of the input h, \(2, 3\), which a step would return"):
        lt.inspect(path)


def test_two_steps_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"runs over 2 steps of x, .* from 3 steps on: export it with a longer x"):
        lt.inspect(unrolled(tmp_path / "m.onnx", CELLS["rnn"], steps=2))
    check(unrolled(tmp_path / "n.onnx", CELLS["rnn"], steps=3), "unrolled", CELLS["rnn"], 3)


def test_steps_that_differ(tmp_path: Path) -> None:
    """A third step with other weights is no step of the same cell."""
    to, h, out = Nodes(), "h0", []
    for t in range(5):
        to.prefix = f"t{t}_"
        x = to("Gather", "x", to.number(t, np.int64), axis=1)
        (h,) = leaky(to, x, h) if t == 2 else rnn(to, x, h)
        out.append(h)
    given = [value("x", [B, 5, I]), value("h0", [B, H])]
    path = saved(tmp_path / "m.onnx", to, given, [value(h, [B, H])], CELLS["rnn"])
    with pytest.raises(FileError, match="the graph does something else at step 2 than at step 1"):
        lt.inspect(path)


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    to = Nodes()
    to("Conv", "x", "W", name="y")
    path = saved(tmp_path / "m.onnx", to, [value("x", [B, 5, I])], [value("y")], CELLS["rnn"])
    with pytest.raises(FileError, match=r"its operators are Conv\).* the Conv node_y: this operator is not known here"):
        lt.inspect(path)


def test_a_graph_that_carries_nothing(tmp_path: Path) -> None:
    to = Nodes()
    to("Tanh", to("MatMul", "x", "Wn"), name="y")
    path = saved(tmp_path / "m.onnx", to, [value("x", [B, 5, I])], [value("y")], CELLS["rnn"])
    with pytest.raises(FileError, match="the graph carries no state from step to step along this axis of x"):
        lt.inspect(path)


def test_the_documentation_lists_every_operator() -> None:
    text = (ROOT / "docs" / "onnx.md").read_text(encoding="utf-8")
    listed = next(row for row in text.splitlines() if row.startswith("| operators |"))
    known = {name for name in onnx_run.OPERATORS if "Sequence" not in name}
    assert {name.strip() for name in listed.split("|")[2].split(",")} - known == {
        "the operators of sequences", "and functions of the model"
    }  # fmt: skip
    assert all(f" {name}," in listed for name in known)


# -- bounds ------------------------------------------------------------------------------------------------------------


def huge(kind: str) -> Nodes:
    """A few nodes that ask for much: memory, or repetitions."""
    to = Nodes()
    shape = to.number([1 << 20, 1 << 16], np.int64)
    if kind == "Expand":
        to("Mul", to("Expand", to.number([1.0]), shape), to.number(2.0), name="y")
    elif kind == "ConstantOfShape":
        to("ConstantOfShape", shape, name="y")
    elif kind == "Tile":
        to("Tile", "x", to.number([1, 1 << 20, 1 << 16], np.int64), name="y")
    elif kind == "Range":
        number = [to.number(n, np.int64) for n in (0, 1 << 40, 1)]
        to("Cast", to("Range", *number), to=FLOAT, name="y")
    elif kind == "MatMul":
        tall = to("Expand", to.number([[1.0]]), to.number([1 << 20, 1], np.int64))
        to("MatMul", tall, to("Transpose", tall, perm=[1, 0]), name="y")
    elif kind == "doubling":
        name = "x"
        for _ in range(40):
            name = to("Concat", name, name, axis=1)
        to("Identity", name, name="y")
    else:
        inner = "Loop" if kind == "nested" else "Identity"
        body = helper.make_graph(
            [helper.make_node("Identity", ["going"], ["on"]), helper.make_node("Identity", ["v"], ["w"])], "body",
            [value("t", [], INT), value("going", [], BOOL), value("v")], [value("on", [], BOOL), value("w")],
        )  # fmt: skip
        count, going = to.number(1 << 40, np.int64), to.number(True, np.bool_)
        for k in range(3 if inner == "Loop" else 0):
            node = helper.make_node("Loop", [count, going, "v"], [f"w{k}"], body=body)
            body = helper.make_graph(
                [helper.make_node("Identity", ["going"], ["on"]), node], "body",
                [value("t", [], INT), value("going", [], BOOL), value("v")], [value("on", [], BOOL), value(f"w{k}")],
            )  # fmt: skip
        to.made.append(helper.make_node("Loop", [count, going, "x"], ["y"], name="endless", body=body))
    return to


@pytest.mark.parametrize(
    "kind", ["Expand", "ConstantOfShape", "Tile", "Range", "MatMul", "doubling", "endless", "nested"]
)
def test_what_a_file_makes_us_do_is_bounded(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_run, "MOST_NODES", 2_000)
    path = saved(tmp_path / "m.onnx", huge(kind), [value("x", [B, 5, I])], [value("y")], CELLS["rnn"])
    said = "not a file of weights; refused|repeated more often than the size of the file justifies"
    with pytest.raises(FileError, match=said):
        lt.inspect(path)


def test_graphs_within_graphs_are_bounded(tmp_path: Path) -> None:
    body = other = helper.make_graph([helper.make_node("Identity", ["x"], ["deep"])], "b", [], [value("deep")])
    for k in range(12):
        node = helper.make_node("If", ["true"], [f"d{k}"], name=f"if{k}", then_branch=body, else_branch=other)
        body = helper.make_graph([node], "b", [], [value(f"d{k}")])
    to = Nodes(made=[*body.node], stored={"true": np.array(True)})
    path = saved(tmp_path / "m.onnx", to, [value("x", [B, 5, I])], [value("d11")], CELLS["rnn"])
    with pytest.raises(FileError, match="more than 8 graphs stand within one another"):
        lt.inspect(path)


def test_equations_that_are_nested_too_deeply(tmp_path: Path) -> None:
    to, h = Nodes(), "h0"
    for t in range(3):
        to.prefix = f"t{t}_"
        (h,) = rnn(to, to("Gather", "x", to.number(t, np.int64), axis=1), h)
        for _ in range(350):
            h = to("Tanh", h)
    given = [value("x", [B, 3, I]), value("h0", [B, H])]
    path = saved(tmp_path / "m.onnx", to, given, [value(h, [B, H])], CELLS["rnn"])
    with pytest.raises(FileError, match="nested too deeply"):
        lt.inspect(path)


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["listed_loop", "scan", "step", "unrolled"])
def test_damaged_graphs_are_read_or_refused(form: str, tmp_path: Path) -> None:
    content = FORMS[form](tmp_path / "m.onnx", CELLS["rnn"]).read_bytes()
    rng = np.random.default_rng(8)
    for _ in range(60):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] = rng.integers(256)
        (tmp_path / "d.onnx").write_bytes(damaged)
        with suppress(LstmTraceError):
            lt.inspect(tmp_path / "d.onnx")


def test_texts_that_the_recurrence_does_not_need(tmp_path: Path) -> None:
    path = unrolled(tmp_path / "m.onnx", CELLS["rnn"])
    made = onnx.load(path)
    made.graph.initializer.append(helper.make_tensor("words", onnx.TensorProto.STRING, [1], [b"word"]))
    onnx.save(made, path)
    check(path, "unrolled", CELLS["rnn"])
    made.graph.node.insert(0, helper.make_node("Identity", ["words"], ["same"], name="said"))
    onnx.save(made, path)
    with pytest.raises(FileError, match="the Identity said: the tensor words holds object; expected plain numbers"):
        lt.inspect(path)


# -- what a person sees ------------------------------------------------------------------------------------------------


def test_a_cell_of_its_own_is_shown_and_written(tmp_path: Path) -> None:
    path = unrolled(tmp_path / "m.onnx", CELLS["leaky"])
    shown = CliRunner().invoke(main, ["inspect", str(path)]).stdout
    assert "m.onnx: 1 custom cell" in shown
    assert "- equation: h_t = " in shown
    written = CliRunner().invoke(main, ["inspect", str(path), "--format", "json"]).stdout
    schema = json.loads(CliRunner().invoke(main, ["schema", "inspect"]).stdout)
    Draft202012Validator(schema).validate(json.loads(written))
    (facts,) = json.loads(written)
    assert (facts["cell"], facts["equations"][-1]) == ("equations", "output: h_t")
    with pytest.raises(lt.OptionError, match="these are the weights of a custom cell; leave cell out"):
        lt.prepare(path, cell="gru")
    with pytest.raises(lt.OptionError, match="a cell given by equations has no option peephole"):
        lt.prepare(path, options={"peephole": True})
