"""Every layout of a GRU and of a plain RNN: weights packed by hand come back by our names, and are recognised."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.weights.layouts import OTHERS

from ..support.packing import columns, rows

H, WIDE = 3, 5
RNG = np.random.default_rng(12)


def weights(gates: str, bias: str) -> dict[str, Any]:
    """Random weights by our names."""
    found = {f"W_{s}{g}": RNG.normal(size=(H, WIDE if s == "x" else H)) for g in gates for s in "xh"}
    names = {"none": [], "one": ["b_"], "two": ["b_x", "b_h"], "candidate": ["b_x", "b_h"]}[bias]
    found |= {f"{name}{g}": RNG.normal(size=H) for g in gates for name in names}
    return found | ({"b_hr": np.zeros(H), "b_hu": np.zeros(H)} if bias == "candidate" else {})


def stacked(names: tuple[str, ...], bias: str, turned: bool = False, lead: bool = False) -> Any:
    """Input, recurrent and bias arrays of all gates; bias: see `weights`, `8H`, or `rows`."""

    def pack(w: dict[str, Any], order: str) -> dict[str, Any]:
        side = columns if turned else rows
        found = [side(w, "W_x{}", order), side(w, "W_h{}", order)]
        if bias in ("two", "8H", "rows"):
            found += [rows(w, "b_x{}", order), rows(w, "b_h{}", order)]
        elif bias != "none":
            found += [rows(w, "b_x{}" if bias == "candidate" else "b_{}", order)]
        found += [w["b_hh"]] if bias == "candidate" else []
        if len(names) < len(found) and bias == "candidate":  # at the end of the other
            found[2:] = [np.concatenate(found[2:])]
        if bias in ("8H", "rows"):
            found[2:] = [(np.concatenate if bias == "8H" else np.stack)(found[2:])]
        return {name: a[None] if lead else a for name, a in zip(names, found, strict=True)}

    return pack


def ours(w: dict[str, Any], _: str) -> dict[str, Any]:
    return dict(w)


def keras1(w: dict[str, Any], _: str) -> dict[str, Any]:
    letters = {"z": "u", "r": "r", "h": "h"}
    found = {f"W_{g}": w[f"W_x{o}"].T for g, o in letters.items()}
    return found | {f"U_{g}": w[f"W_h{o}"].T for g, o in letters.items()} | {
        f"b_{g}": w[f"b_{o}"] for g, o in letters.items()}  # fmt: skip


def cudnn(w: dict[str, Any], order: str) -> dict[str, Any]:
    return {
        "kernel": np.concatenate([w[f"W_x{g}"].reshape(WIDE, H) for g in order], axis=1),
        "recurrent_kernel": np.concatenate([w[f"W_h{g}"] for g in order], axis=1),
        "bias": np.concatenate([rows(w, "b_x{}", order), rows(w, "b_h{}", order)]),
    }


def linen(w: dict[str, Any], _: str) -> dict[str, Any]:
    letters = {"r": "r", "z": "u", "n": "h"}
    found = {f"c/i{g}/kernel": w[f"W_x{o}"].T for g, o in letters.items()}
    found |= {f"c/h{g}/kernel": w[f"W_h{o}"].T for g, o in letters.items()}
    return found | {f"c/i{g}/bias": w[f"b_x{o}"] for g, o in letters.items()} | {"c/hn/bias": w["b_hh"]}


def tf1(w: dict[str, Any], _: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, gates in (("gates", "ru"), ("candidate", "h")):
        found[f"{name}/kernel"] = np.concatenate([columns(w, "W_x{}", gates), columns(w, "W_h{}", gates)])
        found[f"{name}/bias"] = rows(w, "b_{}", gates)
    return found


HAIKU = ("linear/w", "linear_1/w", "linear/b", "linear_1/b")
WEBNN = ("weight", "recurrentWeight", "bias", "recurrentBias")
NCNN = ("weight_xc", "weight_hc", "bias_c")
TORCH = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
KERAS = ("kernel", "recurrent_kernel", "bias")
MXNET = ("l0_i2h_weight", "l0_h2h_weight", "l0_i2h_bias", "l0_h2h_bias")
DENSE = ("dense_i/kernel", "dense_h/kernel", "dense_i/bias")
#: Layout and cell: order of the gates in our letters, biases, how they are packed, whether the names are recognised,
#: and where the reset gate stands.
CASES: dict[tuple[str, str], tuple[str, str, Any, bool, bool | None]] = {
    ("gates", "gru"): ("ruh", "one", ours, True, False),
    ("pytorch", "gru"): ("ruh", "two", stacked(TORCH, "two"), True, True),
    ("keras", "gru"): ("urh", "two", stacked(KERAS, "rows", turned=True), True, True),
    ("keras2", "gru"): ("urh", "one", stacked(KERAS, "one", turned=True), False, False),
    ("keras1", "gru"): ("urh", "one", keras1, False, False),
    ("cudnn", "gru"): ("urh", "two", cudnn, True, True),
    ("onnx", "gru"): ("urh", "two", stacked(("W", "R", "B"), "8H", lead=True), True, False),
    ("flax", "gru"): ("ruh", "candidate", linen, True, True),
    ("flax-nnx-optimized", "gru"): ("ruh", "one", stacked(DENSE, "one", turned=True), True, True),
    ("equinox", "gru"): (
        "ruh", "candidate", stacked(("weight_ih", "weight_hh", "bias", "bias_n"), "candidate"), True, True,
    ),
    ("tf1", "gru"): ("ruh", "one", tf1, False, False),
    ("haiku", "gru"): ("urh", "one", stacked(("w_i", "w_h", "b"), "one", turned=True), False, False),
    ("coreml", "gru"): ("rhu", "one", stacked(("weight_ih", "weight_hh", "bias"), "one"), False, False),
    ("openvino", "gru"): ("urh", "candidate", stacked(("W", "R", "B"), "candidate", lead=True), True, True),
    ("webnn", "gru"): ("urh", "two", stacked(WEBNN, "two", lead=True), False, True),
    ("ncnn", "gru"): ("ruh", "candidate", stacked(NCNN, "candidate", lead=True), True, True),
    ("mxnet", "gru"): ("ruh", "two", stacked(MXNET, "two"), True, True),
    ("paddle", "gru"): ("ruh", "two", stacked(TORCH, "two"), False, True),
    ("mlx", "gru"): ("ruh", "candidate", stacked(("Wx", "Wh", "b", "bhn"), "candidate"), True, True),
    ("mlx-old", "gru"): ("ruh", "candidate", stacked(("Wx", "Wh", "b", "bhn"), "candidate", turned=True), True, True),
    ("gates", "rnn"): ("h", "one", ours, True, None),
    ("pytorch", "rnn"): ("h", "two", stacked(TORCH, "two"), True, None),
    ("keras", "rnn"): ("h", "one", stacked(KERAS, "one", turned=True), True, None),
    ("onnx", "rnn"): ("h", "two", stacked(("W", "R", "B"), "8H", lead=True), True, None),
    ("flax", "rnn"): ("h", "one", stacked(("i/kernel", "h/kernel", "i/bias"), "one", turned=True), False, None),
    ("flax-nnx-optimized", "rnn"): ("h", "one", stacked(DENSE, "one", turned=True), True, None),
    ("haiku", "rnn"): ("h", "two", stacked(HAIKU, "two", turned=True), False, None),
    ("coreml", "rnn"): ("h", "one", stacked(("weight_ih", "weight_hh", "bias"), "one"), True, None),
    ("openvino", "rnn"): ("h", "one", stacked(("W", "R", "B"), "one", lead=True), True, None),
    ("ncnn", "rnn"): ("h", "one", stacked(NCNN, "one", lead=True), True, None),
    ("mxnet", "rnn"): ("h", "two", stacked(MXNET, "two"), True, None),
    ("paddle", "rnn"): ("h", "two", stacked(TORCH, "two"), False, None),
    ("mlx", "rnn"): ("h", "one", stacked(("Wxh", "Whh", "bias"), "one"), False, None),
    ("mlx-old", "rnn"): ("h", "one", stacked(("Wxh", "Whh", "bias"), "one", turned=True), False, None),
}  # fmt: skip


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({"weight_ih": (8, 4)}, r"weight_ih has shape (8, 4); expected (3H, I) = (9, I)"),
        ({"weight_ih": (1, 9, 4)}, r"weight_ih has shape (1, 9, 4); expected (3H, I) = (9, I)"),
        ({"weight_hh": (3, 3)}, r"weight_ih has shape (9, 4); expected (H, I) = (3, I)"),
        ({"weight_hh": (9, 4)}, r"weight_hh has shape (9, 4); expected (4H, H); of a GRU (3H, H), of an RNN (H, H)"),
        ({"bias_ih": (12,)}, r"bias_ih has shape (12,); expected (3H,) = (9,)"),
    ],
)
def test_the_recurrent_matrix_decides(shapes: dict[str, Any], said: str) -> None:
    whole = {"weight_ih": (9, 4), "weight_hh": (9, 3), "bias_ih": (9,), "bias_hh": (9,), **shapes}
    with pytest.raises(lt.ShapeError) as error:
        lt.prepare({name: np.ones(shape) for name, shape in whole.items()}, layout="pytorch")
    assert error.value.problems[0] == said


def test_a_bias_of_keras() -> None:
    arrays = {"kernel": np.ones((4, 9)), "recurrent_kernel": np.ones((3, 9))}
    for bias, after in (({"bias": np.ones(9)}, False), ({"bias": np.ones((2, 9))}, True), ({}, True)):
        assert lt.prepare(arrays | bias, layout="keras").header.options["reset_after"] is after
    arrays["bias"] = np.ones((3, 9))
    with pytest.raises(lt.ShapeError, match=r"bias has shape \(3, 9\); expected \(2, 3H\) or \(3H,\) with H = 3"):
        lt.prepare(arrays, layout="keras")


def test_every_layout_has_a_case() -> None:
    assert set(CASES) == {(name, cell) for cell, layouts in OTHERS.items() for name in layouts}


@pytest.mark.few(0)
@pytest.mark.parametrize(("name", "cell"), CASES)
def test_weights_come_back(name: str, cell: str, tmp_path: Path) -> None:
    order, bias, pack, known, after = CASES[name, cell]
    w = weights("ruh" if cell == "gru" else "h", bias)
    np.savez(tmp_path / "m.npz", **pack(w, order))
    for given in [{"layout": name}, *([{}] if known else [])]:
        model = lt.prepare(tmp_path / "m.npz", **given)
        assert (model.header.kind, model.header.options.get("reset_after")) == (cell, after)
        hard = "hard_sigmoid" if (name, cell) in (("keras2", "gru"), ("keras1", "gru")) else "sigmoid"
        assert model.header.options.get("gate_activation", hard) == hard
        assumed = [said for said in model.header.imported if "was assumed" in said]
        assert bool(assumed) == (name in ("gates", "onnx") if cell == "gru" else name != "haiku"), assumed
        assert f"the layout {name}: " in model.header.imported[0]
        (read,) = model.weights.values()
        assert set(read) == set(w)
        for key, values in w.items():
            np.testing.assert_array_equal(read[key], values, err_msg=key)


@pytest.mark.parametrize(
    ("prefix", "gru", "lstm"), [("", "W_xr", "W_xi"), ("stack", "0/forward/W_xr", "1/forward/W_xi")]
)
def test_cells_of_two_kinds_in_one_module(prefix: str, gru: str, lstm: str, tmp_path: Path) -> None:
    """W_hr beside W_xr is a gate and no projection; inspect and run say the same."""
    first, second = ("0/forward/", "1/forward/") if prefix else ("", "")
    mixed = {f"{first}{k}": a for k, a in weights("ruh", "none").items()}
    mixed |= {f"{second}{k}": a for k, a in weights("ifco", "none").items()}
    np.savez(tmp_path / "m.npz", **mixed)
    for call in (lt.inspect, lt.prepare):
        with pytest.raises(lt.LstmTraceError) as caught:
            call(tmp_path / "m.npz")
        said = str(caught.value)
        assert f"{gru} of a GRU" in said, said
        assert f"{lstm} is of an LSTM" in said, said


def test_a_minimal_gated_unit_is_no_gru(tmp_path: Path) -> None:
    wide = {f"c/i{gate}/kernel": np.ones((WIDE, H)) for gate in "nf"}
    np.savez(tmp_path / "m.npz", **wide, **{f"c/h{gate}/kernel": np.ones((H, H)) for gate in "nf"})
    with pytest.raises(lt.LstmTraceError, match=r"c/in/kernel is of a GRU .*, and c/if/kernel of an LSTM"):
        lt.prepare(tmp_path / "m.npz")
