"""The traps of stored weights: orders of gates and peepholes, transposes, one name for two trees."""

from __future__ import annotations

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from ..mistakes.test_traps import NARROW, UNITS, Weights, apart, drawn, loops, same, with_peepholes
from ..support.family_oracle import Reading

#: Gate order and whether matrices are transposed, from layouts.md, beside the layout's name.
STORED = {
    "pytorch": ("ifco", False), "keras": ("ifco", True), "onnx": ("iofc", False), "tf1": ("icfo", True),
    "haiku": ("icfo", True), "caffe": ("ifoc", False), "coreml": ("ifoc", False), "openvino": ("fico", False),
}  # fmt: skip


def stored(w: Weights, layout: str) -> dict[str, np.ndarray]:
    """The weights as a framework stores them, by names that every layout understands."""
    order, turned = STORED[layout]
    matrices = {side: np.concatenate([w[f"W_{side}{g}"] for g in order]) for side in "xh"}
    bias = np.concatenate([w[f"b_{g}"] for g in order])
    if layout in ("tf1", "haiku"):
        return {"kernel" if layout == "tf1" else "w": np.hstack([*matrices.values()]).T, "bias": bias}
    arrays = {"W_x": matrices["x"], "W_h": matrices["h"]}
    arrays = {name: array.T if turned else array for name, array in arrays.items()}
    if layout == "onnx":
        return {"W": arrays["W_x"][None], "R": arrays["W_h"][None], "B": np.concatenate([bias, 0 * bias])[None]}
    if layout == "pytorch":
        return arrays | {"b_x": bias, "b_h": 0 * bias}
    return arrays | {"b": bias}


@pytest.mark.few(3)
@pytest.mark.parametrize("layout", STORED)
def test_each_framework_has_its_own_gate_order(layout: str) -> None:
    w, x, h0, c0 = drawn(1)
    right = loops(w, x, h0, c0, Reading(forget_bias=1.0 if layout in ("tf1", "haiku") else 0.0))
    arrays = stored(w, layout)
    same(lt.run(arrays, x, h0=h0, c0=c0, layout=layout)["h_t"][:, 0], right)
    order, _ = STORED[layout]
    for other in {o for o, _ in STORED.values()} - {order}:
        apart(lt.run(arrays, x, h0=h0, c0=c0, layout={"name": layout, "order": other})["h_t"][:, 0], right)


@pytest.mark.parametrize(("layout", "order"), [("onnx", "iof"), ("coreml", "ifo")])
def test_stacked_peepholes_stand_in_the_order_of_their_framework(layout: str, order: str) -> None:
    w, x, h0, c0 = with_peepholes(5)
    right = loops(w, x, h0, c0, Reading(peephole=True))
    arrays = stored(w, layout)
    peepholes = np.concatenate([w[f"w_c{g}"] for g in order])
    arrays["P"] = peepholes[None] if layout == "onnx" else peepholes
    same(lt.run(arrays, x, h0=h0, c0=c0, layout=layout)["h_t"][:, 0], right)
    wrong = {"name": layout, "peephole": "ifo" if order == "iof" else "iof"}
    apart(lt.run(arrays, x, h0=h0, c0=c0, layout=wrong)["h_t"][:, 0], right)


def test_paddle_stores_the_projection_turned() -> None:
    w, x, h0, c0 = drawn(10, recurrent=NARROW)
    w["W_hr"] = np.random.default_rng(101).normal(size=(NARROW, UNITS))
    arrays = stored(w, "pytorch")
    named = {"weight_ih_l0": arrays["W_x"], "weight_hh_l0": arrays["W_h"], "bias_ih_l0": arrays["b_x"]}
    named["bias_hh_l0"] = arrays["b_h"]
    right = loops(w, x, h0, c0, Reading(projection=True))
    same(lt.run(named | {"weight_hr_l0": w["W_hr"]}, x, h0=h0, c0=c0, layout="pytorch").output, right)
    same(lt.run(named | {"weight_ho_l0": w["W_hr"].T}, x, h0=h0, c0=c0, layout="paddle").output, right)
    with pytest.raises(LstmTraceError):
        lt.run(named | {"weight_hr_l0": w["W_hr"].T}, x, h0=h0, c0=c0, layout="pytorch")


def test_flax_has_two_cells_of_one_name_with_different_trees() -> None:
    w, x, h0, c0 = drawn(11)
    g = {"c": "g"}
    linen = {f"i{g.get(k, k)}/kernel": w[f"W_x{k}"].T for k in "ifco"}
    linen |= {f"h{g.get(k, k)}/kernel": w[f"W_h{k}"].T for k in "ifco"}
    linen |= {f"h{g.get(k, k)}/bias": w[f"b_{k}"] for k in "ifco"}
    nnx = {
        "dense_i/kernel": np.concatenate([w[f"W_x{k}"] for k in "ifco"]).T,
        "dense_h/kernel": np.concatenate([w[f"W_h{k}"] for k in "ifco"]).T,
        "dense_h/bias": np.concatenate([w[f"b_{k}"] for k in "ifco"]),
    }
    right = loops(w, x, h0, c0)
    same(lt.run(linen, x, h0=h0, c0=c0, layout="flax").output, right)
    same(lt.run(nnx, x, h0=h0, c0=c0, layout="flax-nnx-optimized").output, right)
    for arrays, other in ((linen, "flax-nnx-optimized"), (nnx, "flax")):
        with pytest.raises(LstmTraceError, match=r"kernel is missing|no array has a name"):
            lt.run(arrays, x, layout=other)
