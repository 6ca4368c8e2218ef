"""Every layout: weights that are packed by hand, as the framework stores them, come back by our names.

The packing is written out in `packing` and shares nothing with the package. Weights are random, not square, and
distinct, so that a wrong order, a missed transpose or a dropped bias changes a value.
"""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError, ShapeError
from lstm_trace.weights.find import find
from lstm_trace.weights.layouts import LAYOUTS, OTHERS, layout

from .. import ROOT
from ..support import oracle
from ..support.packing import (
    CASES,
    RNG,
    STEPS,
    WIDE,
    Arrays,
    H,
    columns,
    flax,
    joined,
    keras,
    onnx,
    rows,
    tflite,
    two_rows,
    weights,
)
from ..support.rounding import numbers, within


def test_every_layout_has_a_case() -> None:
    assert set(CASES) == set(LAYOUTS)


@pytest.mark.few(16)
@pytest.mark.parametrize("name", CASES)
def test_weights_come_back(name: str) -> None:
    order, pack, kinds, options = CASES[name]
    w = weights(**kinds)
    model = lt.prepare(pack(w, order), layout=name)
    read = model.weights["0/forward"]
    assert set(read) == set(w)
    for key, values in w.items():
        np.testing.assert_array_equal(read[key], values, err_msg=key)
    brought = {key: model.header.options[key] for key in options}
    assert brought == options
    assert model.header.imported[0].startswith(f"read in the layout {name}")


@pytest.mark.few(1)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[0]])
def test_every_other_gate_order_fails(name: str) -> None:
    order, pack, kinds, _ = CASES[name]
    w = weights(**kinds)
    x = RNG.normal(size=(STEPS, WIDE))
    right = lt.run(pack(w, order), x, layout=name, ask="h_t")["h_t"]
    for other in map("".join, permutations("ifco")):
        values = lt.run(pack(w, other), x, layout=name, ask="h_t")["h_t"]
        assert np.allclose(values, right) == (other == order), other


@pytest.mark.parametrize(("name", "wrong"), [("onnx", "ifo"), ("coreml", "iof")])
def test_peephole_orders_are_told_apart(name: str, wrong: str) -> None:
    order, pack, kinds, _ = CASES[name]
    w = weights(**kinds)
    arrays = pack(w, order)
    read = lt.prepare(arrays, layout={"name": name, "peephole": wrong}).weights["0/forward"]
    assert not np.array_equal(read["w_co"], w["w_co"])
    assert not np.array_equal(read["w_cf"], w["w_cf"])


def test_flax_nnx_calls_the_forget_gate_if_() -> None:
    w = weights()
    read = lt.prepare(flax(w, "", "_"), layout="flax").weights["0/forward"]
    np.testing.assert_array_equal(read["W_xf"], w["W_xf"])


def test_tflite_without_input_gate_is_coupled() -> None:
    """CIFG: i = 1 - f. Ours is f = 1 - i, so f's weights come with the other sign."""
    w = weights(peephole=True)
    arrays = {
        key: a for key, a in tflite({**w, "W_hr": np.eye(H)}, "").items() if "input_" not in key.replace("input_to", "")
    }
    arrays = {key: a for key, a in arrays.items() if key not in ("input_to_input_weights", "projection_weights")}
    arrays = {key: a for key, a in arrays.items() if "to_input" not in key}
    x = RNG.normal(size=(STEPS, WIDE))
    trace = lt.run(arrays, x, layout="tflite")
    assert trace.header.options["coupled"]
    h, c = np.zeros(H), np.zeros(H)
    lists = {name: array.tolist() for name, array in w.items()}
    lists |= {f"{name}i": (-w[f"{name}f"]).tolist() for name in ("W_x", "W_h", "b_", "w_c")}  # 1 - f is sigmoid(-z_f)
    for t in range(STEPS):
        found = oracle.step(lists, numbers(x[t]), numbers(h), numbers(c), peephole=True, coupled=True)
        for line in ("f_t", "c_t", "h_t"):
            within(trace[line][t, 0], found[line], line)
        h, c = trace["h_t"][t, 0], trace["c_t"][t, 0]


def test_run_time_forget_bias_is_added_once() -> None:
    w = weights()
    x = RNG.normal(size=(STEPS, WIDE))
    arrays = {"linear/w": joined(w, "icfo"), "linear/b": rows(w, "b_{}", "icfo")}
    stored = {**w, "b_f": w["b_f"] + 1}
    np.testing.assert_allclose(lt.run(arrays, x, layout="haiku").output, lt.run(stored, x).output, rtol=1e-12)
    without = lt.run(arrays, x, layout={"name": "haiku", "forget_bias": 0.0}).output
    np.testing.assert_allclose(without, lt.run(w, x).output, rtol=1e-12)
    assert not np.allclose(without, lt.run(stored, x).output)


# -- layers, directions, several LSTMs -------------------------------------------------------------------------------


def test_pytorch_names_of_layers_and_directions() -> None:
    first = [weights("two") for _ in range(2)]
    second = [{**weights("two"), **{f"W_x{g}": RNG.normal(size=(H, 2 * H)) for g in "ifco"}} for _ in range(2)]
    arrays: Arrays = {}
    for layer, pair in enumerate((first, second)):
        for suffix, w in zip((f"_l{layer}", f"_l{layer}_reverse"), pair, strict=True):
            arrays |= two_rows("net.encoder.", suffix)(w, "ifco")
    model = lt.prepare(arrays, layout="pytorch")
    assert set(model.weights) == {"0/forward", "0/reverse", "1/forward", "1/reverse"}
    np.testing.assert_array_equal(model.weights["1/reverse"]["W_xc"], second[1]["W_xc"])
    np.testing.assert_array_equal(model.weights["0/forward"]["b_ho"], first[0]["b_ho"])
    assert model.header.title == "net.encoder"


WAYS = [("forward", "backward"), ("fw", "bw"), ("forward_layer", "backward_layer"), ("0/forward", "0/reverse")]


@pytest.mark.parametrize(("forward", "backward"), WAYS)
def test_directions_by_name(forward: str, backward: str) -> None:
    one, other = weights(), weights()
    arrays = {f"bi/{forward}/{k}": a for k, a in keras(one, "ifco").items()}
    arrays |= {f"bi/{backward}/{k}": a for k, a in keras(other, "ifco").items()}
    model = lt.prepare(arrays, layout="keras", options={"merge": "sum"})
    np.testing.assert_array_equal(model.weights["0/reverse"]["W_hf"], other["W_hf"])
    assert model.run(np.zeros((2, WIDE))).output.shape == (2, H)


def test_onnx_direction_axis() -> None:
    one, other = weights("two"), weights("two")
    pair = [onnx({**w, **{f"w_c{g}": np.zeros(H) for g in "ifo"}}, "iofc") for w in (one, other)]
    arrays = {key: np.concatenate([pair[0][key], pair[1][key]]) for key in ("W", "R", "B")}
    model = lt.prepare(arrays, layout="onnx")
    np.testing.assert_array_equal(model.weights["0/reverse"]["b_hc"], other["b_hc"])
    np.testing.assert_array_equal(model.weights["0/forward"]["W_xo"], one["W_xo"])


@pytest.mark.parametrize(("gates", "ways"), [(4, 1), (3, 1), (1, 2)])
def test_a_layer_reads_what_the_one_below_has(gates: int, ways: int) -> None:
    sides = ("", "_reverse")[:ways]
    arrays = {f"weight_{kind}_l{layer}{side}": np.ones((gates * 5, 5 if kind == "hh" else 5 * ways if layer else 3))
              for kind in ("ih", "hh") for layer in range(2) for side in sides}  # fmt: skip
    assert find(arrays, None)[0].layers == 2
    said = rf"weight_ih_l1 has shape \({gates * 5}, 6\), for 6 inputs; layer 0 has {5 * ways} outputs"
    with pytest.raises(ShapeError, match=said):
        find({**arrays, "weight_ih_l1": np.ones((gates * 5, 6))}, None)


def test_multi_rnn_cell_is_a_stack() -> None:
    first = weights()
    second = {**weights(), **{f"W_x{g}": RNG.normal(size=(H, H)) for g in "ifco"}}
    arrays: Arrays = {}
    for at, w in enumerate((first, second)):
        scope = f"rnn/multi_rnn_cell/cell_{at}/basic_lstm_cell"
        arrays |= {f"{scope}/kernel": joined(w, "icfo"), f"{scope}/bias": rows(w, "b_{}", "icfo")}
    model = lt.prepare(arrays, layout="tf1")
    assert set(model.weights) == {"0/forward", "1/forward"}
    np.testing.assert_array_equal(model.weights["1/forward"]["W_xf"], second["W_xf"])


def test_name_chooses() -> None:
    one, other = weights(), weights()
    arrays = {f"enc/{k}": a for k, a in keras(one, "ifco").items()} | {
        f"dec/{k}": a for k, a in keras(other, "ifco").items()
    }
    with pytest.raises(MissingError, match=r"2 LSTMs: enc, dec; choose one by name"):
        lt.prepare(arrays, layout="keras")
    with pytest.raises(MissingError, match=r"'encoder' does not exist; did you mean 'enc'\?"):
        lt.prepare(arrays, layout="keras", name="encoder")
    np.testing.assert_array_equal(
        lt.prepare(arrays, layout="keras", name="dec").weights["0/forward"]["W_xi"], other["W_xi"]
    )


def test_names_of_a_framework_are_enough() -> None:
    w = weights("two")
    model = lt.prepare(two_rows("net.lstm.", "_l0")(w, "ifco"))
    np.testing.assert_array_equal(model.weights["0/forward"]["W_hc"], w["W_hc"])
    assert model.header.imported[0].startswith("recognised by the names of its arrays as the layout pytorch")
    with pytest.raises(MissingError, match="no equation of the cell reads the weight 'foo'"):
        lt.prepare({**w, "foo": np.zeros(3)})


@pytest.mark.few(14)
@pytest.mark.parametrize("name", CASES)
def test_the_docs_say_which_layouts_are_recognised(name: str, tmp_path: Path) -> None:
    """By names, or names and shapes; every other needs --layout, and never gets another's reading."""
    order, pack, kinds, _ = CASES[name]
    w = weights(**kinds)
    np.savez(tmp_path / "w.npz", **{key.replace("/", "."): a for key, a in pack(w, order).items()})
    if not LAYOUTS[name].detect and name not in ("keras2", "caffe"):
        with pytest.raises(FileError, match="no LSTM, GRU or RNN was recognised by the names of its arrays"):
            lt.prepare(tmp_path / "w.npz")
        return
    if name == "caffe":  # has our names of the candidate alone
        with pytest.raises(LstmTraceError, match="are missing; of this LSTM the file has W_xc, W_hc, b_c"):
            lt.run(tmp_path / "w.npz", RNG.normal(size=(STEPS, WIDE)))
        return
    model = lt.prepare(tmp_path / "w.npz")
    for key, values in w.items():
        np.testing.assert_array_equal(model.weights["0/forward"][key], values, err_msg=key)
    by = "names and shapes" if LAYOUTS[name].detect == "shapes" else "names"
    said = f"recognised by the {by} of its arrays as the layout {'keras' if name == 'keras2' else name}: "
    assert model.header.imported[0].startswith(said)


def test_onnx_arrays_of_every_kind_are_recognised() -> None:
    """W and R; with B; with P; of two directions: by their shapes, since the names are general."""
    pair = [onnx(weights("two", peephole=True), "iofc") for _ in range(2)]
    for names in ("WR", "WRB", "WRP", "WRBP"):
        both = {f"decoder.{n}": np.concatenate([one[n] for one in pair]) for n in names}
        for arrays in ({n: pair[0][n] for n in names}, both):
            model = lt.prepare(arrays)
            right = lt.prepare(arrays, layout="onnx")
            assert model.header.imported[0].startswith("recognised by the names and shapes of its arrays as")
            assert {(s, n): a.tolist() for s, here in model.weights.items() for n, a in here.items()} == {
                (s, n): a.tolist() for s, here in right.weights.items() for n, a in here.items()
            }


@pytest.mark.parametrize(
    "shapes",
    [
        {"W": (1, 12, 5), "R": (1, 12, 3), "B": (1, 20)},
        {"W": (1, 12, 5), "R": (1, 3, 12), "B": (1, 24)},
        {"W": (3, 12, 5), "R": (3, 12, 3), "B": (3, 24)},
        {"W": (12, 5), "R": (12, 3)},
        {"W": (5,), "R": (3,)},
    ],
    ids=str,
)
def test_general_names_with_other_shapes_are_not_recognised(shapes: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **{name: np.zeros(shape) for name, shape in shapes.items()})
    with pytest.raises(FileError, match=r"no LSTM, GRU or RNN was recognised by .* \(there are W \("):
        lt.prepare(tmp_path / "w.npz")


# -- facts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [o for k, o in enumerate(map("".join, permutations("ifgo"))) if k % 5 == 0])
def test_facts_without_a_framework(order: str) -> None:
    w = weights("two")
    ours = order.replace("g", "c")
    arrays = {
        "W_x": rows(w, "W_x{}", ours),
        "W_h": rows(w, "W_h{}", ours),
        "b_x": rows(w, "b_x{}", ours),
        "b_h": rows(w, "b_h{}", ours),
    }
    read = lt.prepare(arrays, layout={"order": order, "bias": "two"}).weights["0/forward"]
    for key, values in w.items():
        np.testing.assert_array_equal(read[key], values)


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("turned", ["W_x", "W_h"])
def test_one_matrix_transposed_and_not_the_other(turned: str, stacked: bool) -> None:
    w = weights("none")
    stored: dict[str, Any] = {("input" if turned == "W_x" else "recurrent") + "_transposed": True}
    if stacked:
        arrays = {n: columns(w, n + "{}", "ifco") if n == turned else rows(w, n + "{}", "ifco") for n in ("W_x", "W_h")}
        stored["order"] = "ifco"
    else:
        arrays = {name: array.T if name.startswith(turned) else array for name, array in w.items()}
    read = lt.prepare(arrays, layout=stored).weights["0/forward"]
    for key, values in w.items():
        np.testing.assert_array_equal(read[key], values, err_msg=key)


def test_joined_hx_stacked() -> None:
    w = weights()
    kernel = np.concatenate([columns(w, "W_h{}", "ifco"), columns(w, "W_x{}", "ifco")])
    read = lt.prepare(
        {"W": kernel, "b": rows(w, "b_{}", "ifco")}, layout={"order": "ifco", "joined": "hx", "transposed": True}
    )
    np.testing.assert_array_equal(read.weights["0/forward"]["W_xo"], w["W_xo"])
    np.testing.assert_array_equal(read.weights["0/forward"]["W_ho"], w["W_ho"])


def test_half_types_are_widened_exactly() -> None:
    w = {key: a.astype(np.float16) for key, a in keras(weights(), "ifco").items()}
    model = lt.prepare(w, layout="keras")
    assert model.header.dtype == "float32"
    assert "float16 weights widened to float32" in model.header.imported
    np.testing.assert_array_equal(model.weights["0/forward"]["W_xi"], w["kernel"].T[:H].astype(np.float32))


def test_names_of_ours_stand_beside() -> None:
    w = weights(projection=True)
    arrays = {
        "kernel": joined({k: a for k, a in w.items() if k != "W_hr"}, "icfo"),
        "bias": rows(w, "b_{}", "icfo"),
        "W_hr": w["W_hr"].T,
    }
    read = lt.prepare(arrays, layout="tf1").weights["0/forward"]
    np.testing.assert_array_equal(read["W_hr"], w["W_hr"])


# -- problem files ---------------------------------------------------------------------------------------------------


def problem(w: Arrays, stored: Any, **more: Any) -> Any:
    return {"weights": {k: np.asarray(a).tolist() for k, a in w.items()}, "layout": stored, **more}


@pytest.mark.parametrize("stored", [{"joined": "hx"}, {"joined": "xh"}, {"joined": "hx", "transposed": True}])
def test_problem_with_joined_matrices(stored: dict[str, Any]) -> None:
    w = weights()
    x = RNG.normal(size=(STEPS, WIDE)).tolist()
    arrays: Arrays = {f"b_{g}": w[f"b_{g}"] for g in "ifco"} | {"W_hy": RNG.normal(size=(2, H)), "b_y": np.zeros(2)}
    for gate in "ifco":
        parts = [w[f"W_h{gate}"], w[f"W_x{gate}"]]
        both = np.concatenate(parts if stored["joined"] == "hx" else parts[::-1], axis=1)
        arrays[f"W_{gate}"] = both.T if stored.get("transposed") else both
    trace = lt.run(problem(arrays, stored, x=x, extra="y_t = W_hy @ h_t + b_y"))
    np.testing.assert_array_equal(trace["h_t"], lt.run(w, x)["h_t"])
    assert trace["y_t"].shape == (STEPS, 1, 2)


def test_problem_needs_only_what_is_asked() -> None:
    both = np.concatenate([RNG.normal(size=(H, H)), RNG.normal(size=(H, WIDE))], axis=1)
    trace = lt.run(problem({"W_i": both}, {"joined": "hx"}, x=[1.0, 2, 3, 4, 5], h0=[0.1, 0.2, 0.3], ask=["i_t"]))
    z = oracle.matvec(both.tolist(), numbers([0.1, 0.2, 0.3, 1.0, 2.0, 3.0, 4.0, 5.0]))
    within(trace["i_t"][0, 0], [oracle.call("sigmoid", each) for each in z], "i_t")


def test_problem_in_a_frameworks_layout() -> None:
    w = weights()
    x = RNG.normal(size=(STEPS, WIDE)).tolist()
    trace = lt.run(problem(keras(w, "ifco"), "keras", x=x))
    np.testing.assert_array_equal(trace["h_t"], lt.run(w, x)["h_t"])
    assert "layout keras" in trace.header.imported[0]
    own = lt.run(problem(keras(w, "icfo"), {"name": "keras", "order": "igfo"}, x=x))
    np.testing.assert_array_equal(own["h_t"], trace["h_t"])


# -- what does not fit -----------------------------------------------------------------------------------------------

W2, W1 = weights("two"), weights()
TORCH, KERAS = two_rows("", "_l0")(W2, "ifco"), keras(W1, "ifco")
MESSAGES: list[tuple[str, Arrays, Any, type[LstmTraceError], str]] = [
    ("transposed", {**TORCH, "weight_hh_l0": TORCH["weight_hh_l0"].T}, "pytorch", ShapeError,
     r"weight_hh_l0 has shape \(3, 12\); expected \(4H, H\); it looks transposed, as the layouts keras"),
    ("input transposed", {**TORCH, "weight_ih_l0": TORCH["weight_ih_l0"].T}, "pytorch", ShapeError,
     r"weight_ih_l0 has shape \(5, 12\); expected \(4H, I\) = \(12, I\); it looks transposed"),
    ("gru", {"kernel": TORCH["weight_ih_l0"].T[:, :9], "recurrent_kernel": TORCH["weight_hh_l0"].T[:, :9]},
     {"name": "keras", "order": "icfo"}, ShapeError,
     r"recurrent_kernel has shape \(3, 9\): these are the weights of a GRU \(3H by H\), not of an LSTM"),
    ("rnn", {k: a[:3] for k, a in TORCH.items()}, {"name": "pytorch", "order": "icfo"}, ShapeError,
     r"the weights of a plain RNN \(H by H\), not of an LSTM \(4H by H\)"),
    ("input of another cell", {**TORCH, "weight_hh_l0": TORCH["weight_hh_l0"][:9]}, "pytorch", ShapeError,
     r"weight_ih_l0 has shape \(12, 5\); expected \(3H, I\) = \(9, I\)\nbias_ih_l0 has shape \(12,\)"),
    ("bias", {**TORCH, "bias_hh_l0": np.zeros(3)}, "pytorch", ShapeError,
     r"bias_hh_l0 has shape \(3,\); expected \(4H,\) = \(12,\)"),
    ("projection missing", {**TORCH, "weight_hh_l0": np.zeros((12, 2))}, "pytorch", MissingError,
     r"weight_hr_l0 is missing: weight_hh_l0 has shape \(12, 2\), so H = 3 units are projected to P = 2"),
    ("both faults", {**KERAS, "kernel": np.zeros((5, 11)), "bias": np.zeros(5)}, "keras", ShapeError,
     r"kernel has shape \(5, 11\)[^\n]*\nbias has shape \(5,\)"),
    ("no gru", {"W_xc": np.zeros((9, 5)), "W_hc": np.zeros((9, 3))}, "caffe", ShapeError,
     r"W_hc has shape \(9, 3\): these are the weights of a GRU \(3H by H\), not of an LSTM"),
    ("no matrix", {**KERAS, "recurrent_kernel": np.zeros(12)}, "keras", ShapeError,
     r"recurrent_kernel has shape \(12,\); expected a matrix"),
    ("mistyped", {"kernel": KERAS["kernel"], "recurent_kernel": KERAS["recurrent_kernel"]}, "keras", MissingError,
     r"the layout keras has no array 'recurent_kernel'; did you mean 'recurrent_kernel'\?"),
    ("mistyped within a module", {"enc/lstm/kernel": KERAS["kernel"], "enc/lstm/recurent_kernel": np.zeros((3, 12))},
     "keras", MissingError, r"no array 'enc/lstm/recurent_kernel'; did you mean 'recurrent_kernel'\?"),
    ("nothing fits", {"foo": np.zeros(3)}, "keras", MissingError, "no array has a name of the layout keras"),
    ("unknown layout", KERAS, "kers", OptionError, r"layout 'kers' is not known; did you mean 'keras'\?"),
    ("bad order", KERAS, {"name": "keras", "order": "iffo"}, OptionError, "expected each of i, f, c"),
    ("bad peephole", KERAS, {"name": "keras", "peephole": "ifc"}, OptionError, "expected each of i, f and o once"),
    ("unknown fact", KERAS, {"name": "keras", "transpose": True}, OptionError, r"no fact 'transpose'; did you mean"),
    ("text", {**KERAS, "bias": np.array(["a"])}, "keras", ShapeError, "bias: expected numbers, found the dtype <U1"),
    ("joined too narrow", {"kernel": np.zeros((2, 12)), "bias": np.zeros(12)}, "tf1", ShapeError,
     r"kernel has shape \(2, 12\); expected \(I \+ H, 4H\)"),
    ("joined without an input", {"kernel": np.zeros((3, 12)), "bias": np.zeros(12)}, "tf1", ShapeError,
     r"kernel has shape \(3, 12\); expected \(I \+ H, 4H\) with I of at least 1"),
    ("joined gate too narrow", {"W_i": np.zeros((3, 3))}, {"joined": "hx"}, ShapeError,
     r"at least 4 columns for \[h; x\]"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("arrays", "stored", "kind", "said"), [row[1:] for row in MESSAGES], ids=[row[0] for row in MESSAGES]
)
def test_messages(arrays: Arrays, stored: Any, kind: type[LstmTraceError], said: str) -> None:
    with pytest.raises(kind, match=said):
        lt.prepare(arrays, layout=stored)


def test_square_matrices_are_read_as_the_layout_says() -> None:
    """I = H hides a transposed input matrix from every check of shapes; only the layout knows."""
    square = {"W_x": RNG.normal(size=(12, 3)), "W_h": RNG.normal(size=(12, 3)), "b": np.zeros(12)}
    one = lt.prepare(square, layout={"order": "ifco"}).weights["0/forward"]
    gates = {f"W_x{g}": RNG.normal(size=(3, 3)) for g in "ifco"} | {f"W_h{g}": RNG.normal(size=(3, 3)) for g in "ifco"}
    turned = lt.prepare(gates, layout={"transposed": True}).weights["0/forward"]
    np.testing.assert_array_equal(one["W_xf"], square["W_x"][3:6])
    np.testing.assert_array_equal(turned["W_xi"], gates["W_xi"].T)


def test_descriptions_name_every_fact() -> None:
    assert layout("tf1").describe() == (
        "gates stacked in the order i, c, f, o; one kernel for [x; h]; matrices transposed; one bias for each gate; "
        "1 added to the forget gate at run time"
    )
    assert layout({"name": "keras", "order": "igfo"}).name == "keras, changed"
    assert layout({"input_transposed": True}).describe() == (
        "an array for each gate; input matrix transposed; one bias for each gate"
    )
    assert layout({"name": "cudnn", "input_transposed": False}).describe() == (
        "gates stacked in the order i, f, c, o; recurrent matrix transposed; each gate's block flattened row by row; "
        "two biases in one array"
    )
    assert layout({"bias": "column", "joined": "hx", "transposed": True}).describe("none") == (
        "an array for each gate; one kernel for [h; x]; matrices transposed; no biases"
    )


def test_docs_have_every_layout() -> None:
    rows = (ROOT / "docs" / "layouts.md").read_text(encoding="utf-8").splitlines()
    for name, facts in LAYOUTS.items():
        (row,) = (row for row in rows if row.startswith(f"| `{name}` |"))
        cells = [cell.strip() for cell in row.split("|")]
        assert cells[2] == facts.title
        assert cells[3] == ("an array each" if facts.separate else ", ".join(facts.order)), name
        assert ("at run time" in cells[6]) == bool(facts.forget_bias), name
        assert ("states (c, h)" in cells[6]) == (facts.state == "ch"), name
        by = {"names": "names", "shapes": "names and shapes", "": "no"}[facts.detect]
        assert cells[7].split(":")[0] == ("`peephole`, `_back`" if name == "coreml" else by), name
        assert cells[8] == ("" if name == "gates" else "yes" if "compared" in facts.source else "no"), name


def test_the_docs_list_the_layouts_of_other_cells() -> None:
    """By name and cell, with the order of the gates, where the reset gate stands, and whether a framework agrees."""
    text = (ROOT / "docs" / "layouts.md").read_text(encoding="utf-8").splitlines()
    cells = [[part.strip() for part in line.split("|")[1:-1]] for line in text]
    rows = [row for row in cells if row and row[0] in ("GRU", "RNN")]
    expected = []
    for cell, layouts in OTHERS.items():
        for name, row in layouts.items():
            after = {True: "after the product", False: "before the product", None: "not known"}
            gates = "an array each" if row.separate else ", ".join(row.order)
            place = after[dict(row.options).get("reset_after")]
            place = "by the bias" if place == "not known" and row.bias in ("rows", "4H") else place
            own = [gates, place] if cell == "gru" else ["", ""]
            compared = "yes" if "compared" in row.source and "not" not in row.source else "no"
            expected.append([cell.upper(), f"`{name}`", row.title, *own, "" if name == "gates" else compared])
    assert rows == expected
