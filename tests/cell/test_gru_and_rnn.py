"""The cells `gru` and `rnn` against scalar loops that share no code, and what they make of a wrong weight or option."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, OptionError
from lstm_trace.explanation.activity import behaviour
from lstm_trace.explanation.memory import ledger

from ..support import oracle
from ..support.family_oracle import bound
from ..support.rounding import numbers, total, within

T, B, I, H = 5, 2, 3, 4  # noqa: E741
GRU_OPTIONS = [
    {"bias": bias, "reset_after": after, "update": update}
    for bias, after, update in product(("none", "one", "two"), (False, True), ("keep", "write"))
]


def weights(bias: str, gates: str, wide: int = I, seed: int = 4) -> dict[str, np.ndarray]:
    """Distinct random weights of one layer and direction."""
    draw = np.random.default_rng(seed)
    found = {f"W_{side}{g}": draw.normal(size=(H, wide if side == "x" else H)) for g in gates for side in "xh"}
    names = {"none": [], "one": ["b_"], "two": ["b_x", "b_h"]}[bias]
    return found | {f"{name}{g}": draw.normal(size=H) for g in gates for name in names}


def gru(w: dict[str, Any], x: Any, h: Any, after: bool, update: str, clip: float | None = None) -> dict[str, Any]:
    """One step, unit by unit: Cho et al. 2014, equations 5 to 8."""
    none, ones = [0.0] * H, [1.0] * H

    def gate(g: str, state: Any, factor: Any) -> Any:
        """Unit by unit: the input, the product of the state times `factor`, the biases."""
        rows = zip(
            oracle.matvec(w[f"W_x{g}"], x), oracle.matvec(w[f"W_h{g}"], state), w.get(f"b_x{g}", none),
            w.get(f"b_h{g}", none), w.get(f"b_{g}", none), factor, strict=True,
        )  # fmt: skip
        return [bound(total([a, c, k * total([b, d]), e]), clip) for a, b, c, d, e, k in rows]

    r = [oracle.call("sigmoid", z) for z in gate("r", h, ones)]
    u = [oracle.call("sigmoid", z) for z in gate("u", h, ones)]
    z = gate("h", h, r) if after else gate("h", [a * b for a, b in zip(r, h, strict=True)], ones)
    new = [oracle.call("tanh", value) for value in z]
    share = u if update == "keep" else [1 - a for a in u]
    return {"r_t": r, "u_t": u, "h_tilde": new,
            "h_t": [k * old + (1 - k) * n for k, old, n in zip(share, h, new, strict=True)]}  # fmt: skip


def rnn(w: dict[str, Any], x: Any, h: Any, activation: str = "tanh", clip: float | None = None) -> dict[str, Any]:
    """One step of Elman 1990."""
    terms = [oracle.matvec(w["W_xh"], x), oracle.matvec(w["W_hh"], h)]
    terms += [w[name] for name in ("b_h", "b_xh", "b_hh") if name in w]
    z = [bound(total(unit), clip) for unit in zip(*terms, strict=True)]
    return {"h_t": [oracle.call("tanh", a) if activation == "tanh" else max(a, 0.0) for a in z]}


def follows(trace: lt.Trace, w: dict[str, np.ndarray], x: Any, h0: Any, step: Any, lengths: Any = None) -> None:
    """Each step of one layer and direction is what `step` makes of the recorded state before it."""
    lists = {name: a.tolist() for name, a in w.items()}
    for b in range(x.shape[1]):
        h, steps = h0[b], range(len(x) if lengths is None else lengths[b])
        for t in steps if trace.stages[0].direction == "forward" else reversed(steps):
            for name, values in step(lists, numbers(x[t, b]), numbers(h)).items():
                within(trace[name][t, b], values, f"{name} of step {t}, row {b}: ")
            h = trace["h_t"][t, b]
        np.testing.assert_array_equal(trace.h_n[0, b], h)


def drawn(seed: int = 9) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.normal(size=(T, B, I)), draw.normal(size=(2, B, H))


@pytest.mark.few(4)
@pytest.mark.parametrize("options", GRU_OPTIONS, ids=str)
def test_each_gru_agrees_with_scalar_loops(options: dict[str, Any]) -> None:
    w, (x, h0) = weights(options["bias"], "ruh"), drawn()
    own = {key: value for key, value in options.items() if key != "bias"}  # the weights' names decide it
    trace = lt.run(w, x, h0=h0[0], cell="gru", options=own)
    assert trace.header.options["bias"] == options["bias"]
    assert set(trace.stages[0].cell.states) == {"h_prev"}
    follows(trace, w, x, h0[0], lambda *a: gru(*a, own["reset_after"], own["update"]))
    for other in ({"reset_after": not own["reset_after"]}, {"update": "write" if own["update"] == "keep" else "keep"}):
        changed = lt.run(w, x, h0=h0[0], cell="gru", options=own | other)
        assert np.abs(changed["h_t"] - trace["h_t"]).max() > 1e-3, f"{other} does nothing"


def test_a_clip_bounds_all_three() -> None:
    w, (x, h0) = weights("one", "ruh"), drawn()
    trace = lt.run(w, x, h0=h0[0], cell={"kind": "gru", "clip": 0.5})
    follows(trace, w, x, h0[0], lambda *a: gru(*a, False, "keep", 0.5))


def test_activations_of_a_gru() -> None:
    cell = {"kind": "gru", "gate_activation": "hard_sigmoid", "candidate_activation": "relu"}
    lines = lt.run(weights("one", "ruh"), drawn()[0], cell=cell).stages[0].cell.by_name
    activated = [lines[name] for name in ("r_t", "u_t", "h_tilde")]
    used = [line.call[0] if line.call else line.op for line in activated]
    assert used == ["hard_sigmoid", "hard_sigmoid", "relu"]


@pytest.mark.parametrize("activation", ["tanh", "relu"])
@pytest.mark.parametrize("bias", ["none", "one", "two"])
def test_each_rnn_agrees_with_scalar_loops(bias: str, activation: str) -> None:
    w, (x, h0) = weights(bias, "h"), drawn()
    trace = lt.run(w, x / 2, h0=h0[0], cell={"kind": "rnn", "activation": activation})
    assert trace.header.options == {"bias": bias, "activation": activation, "clip": None}
    follows(trace, w, x / 2, h0[0], lambda *a: rnn(*a, activation))
    clipped = lt.run(w, x / 2, h0=h0[0], cell={"kind": "rnn", "activation": activation, "clip": 0.25})
    follows(clipped, w, x / 2, h0[0], lambda *a: rnn(*a, activation, 0.25))


@pytest.mark.few(3)
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("merge", ["concat", "sum", "mean", "product"])
@pytest.mark.parametrize(("kind", "gates"), [("gru", "ruh"), ("rnn", "h")])
def test_stacks_directions_merges_and_padding(kind: str, gates: str, merge: str, padding: str) -> None:
    x, lengths, h0 = drawn()[0], [3, 5], np.random.default_rng(2).normal(size=(4, B, H))
    stored, halves = {}, {}
    for k, (layer, direction) in enumerate(product((0, 1), ("forward", "reverse"))):
        wide = I if layer == 0 else H * (2 if merge == "concat" else 1)
        halves[layer, direction] = weights("two", gates, wide, seed=k)
        stored |= {f"{layer}/{direction}/{name}": a for name, a in halves[layer, direction].items()}
    cell = {"kind": kind, "merge": merge, "padding": padding} | ({"reset_after": True} if kind == "gru" else {})
    trace = lt.run(stored, x, h0=h0, cell=cell, lengths=lengths)
    for k, ((layer, direction), w) in enumerate(halves.items()):
        part = trace.at(layer=layer, direction=direction)
        step = (lambda *a: gru(*a, True, "keep")) if kind == "gru" else rnn
        follows(part, w, x if layer == 0 else trace.at(layer=0, direction="joined")["y_t"], h0[k], step, lengths)
        np.testing.assert_array_equal(trace.h_n[k], part.h_n[0])
    assert lt.verify(trace).verdict == "verified"


def test_a_problem_file(tmp_path: Any) -> None:
    (tmp_path / "p.yaml").write_text(
        "cell: {kind: gru, reset_after: true}\nweights:\n"
        + "".join(f"  W_{side}{g}: [[0.5]]\n" for g in "ruh" for side in "xh")
        + "x: [[1.0], [2.0]]\nh0: [0.25]\n"
    )
    trace = lt.run(tmp_path / "p.yaml")
    assert trace.stages[0].cell.equations["z_h"] == "W_xh @ x_t + r_t * (W_hh @ h_prev)"
    trace.save(tmp_path / "t.json")
    assert lt.verify(lt.load(tmp_path / "t.json")).verdict == "verified"


@pytest.mark.parametrize(("gates", "kind"), [("ruh", "gru"), ("h", "rnn"), ("ifco", "lstm")])
@pytest.mark.parametrize("where", ["", "1/reverse/"])
def test_the_names_of_the_weights_say_the_cell(gates: str, kind: str, where: str, tmp_path: Any) -> None:
    places = [""] if not where else [f"{n}/{d}/" for n in (0, 1) for d in ("forward", "reverse")]
    weights = {f"{place}W_{s}{g}": [[0.5, 0.5]] if place[:1] == "1" and s == "x" else [[0.5]]
               for g in gates for s in "xh" for place in places}  # fmt: skip
    x = [[1.0], [2.0]]
    data = {"weights": weights, "x": x}
    (tmp_path / "p.json").write_text(json.dumps(data))
    bias = {"kind": None, "bias": "none"}  # options without a name
    for trace in (lt.run(weights, x), lt.run(weights, x, cell=bias), lt.run(data),
                  lt.run(tmp_path / "p.json")):  # fmt: skip
        assert trace.header.kind == kind
    if kind != "lstm":
        with pytest.raises(LstmTraceError, match=r"no equation of the cell reads the weight '(0/forward/)?W_x"):
            lt.run(weights, x, cell="lstm")


@pytest.mark.parametrize(
    ("cell", "more", "message"),
    [
        ({"kind": "gru", "bias": "one"}, {"b_hr": np.ones(H)}, "the weight 'b_hr': it needs the option bias: two"),
        ("gru", {"w_ci": np.ones(H)}, "the weight 'w_ci': the cell 'gru' has no peephole"),
        ("gru", {"W_xi": np.ones((H, I))}, "the weight 'W_xi': it is a weight of cell: lstm or cell: slstm"),
        ("gru", {"b_rh": np.ones(H)}, "the weight 'b_rh'; none is missing: leave it out"),
        ("rnn", {"W_xr": np.ones((H, I))}, "the weight 'W_xr': it is a weight of cell: gru"),
        ("lstm", {"W_xu": np.ones((H, I))}, "the weight 'W_xu': it is a weight of cell: gru"),
        ("lstm", {"W_hr": np.ones((H, H))}, "the weight 'W_hr': it needs the option projection: true"),
        (
            {"kind": "gru", "resetafter": True},
            {},
            "no option resetafter (did you mean reset_after?). Its options: bias,",
        ),
        ({"kind": "gru", "peephole": True}, {}, "the cell 'gru' has no option peephole"),
        ({"kind": "gru", "update": "both"}, {}, "option update must be keep or write; found 'both'"),
        ({"kind": "gru", "reset_after": 1}, {}, "option reset_after must be true or false; found 1"),
        ({"kind": "rnn", "activation": "tahn"}, {}, "(did you mean tanh?); found 'tahn'"),
        ({"kind": "rnn", "cell_clip": 1}, {}, "the cell 'rnn' has no option cell_clip"),
        ({"kind": "rnn", "clip": 0}, {}, "option clip must be a positive number; found 0"),
        ("grru", {}, "unknown cell 'grru'; did you mean 'gru'?"),
    ],
)
def test_wrong_weights_and_options(cell: Any, more: dict[str, Any], message: str) -> None:
    kind = cell if isinstance(cell, str) else cell["kind"]
    w = weights("one", {"rnn": "h", "lstm": "ifco"}.get(kind, "ruh"))
    with pytest.raises(LstmTraceError) as error:
        lt.prepare(w | more, cell=cell)
    assert message in str(error.value)


def test_the_bias_of_the_input_comes_before_that_of_the_state(tmp_path: Any) -> None:
    """Also where the reset gate multiplies the latter, which is added first; files in another order are read."""
    trace = lt.run(weights("two", "ruh"), drawn()[0], cell={"kind": "gru", "reset_after": True})
    there = trace.parameters["0/forward"]
    assert list(there) == [f"{kind}{side}{gate}" for gate in "ruh" for kind in ("W_", "b_") for side in "xh"]
    report = trace.report("text")
    assert report.index("b_xh ≈") < report.index("b_hh ≈")
    trace.save(tmp_path / "t.json")
    stored = json.loads((tmp_path / "t.json").read_text())
    stored["parameters"]["0/forward"] = dict(reversed(stored["parameters"]["0/forward"].items()))
    (tmp_path / "t.json").write_text(json.dumps(stored))
    old = lt.load(tmp_path / "t.json")
    assert list(old.parameters["0/forward"]) == [*reversed(there)]
    assert lt.verify(old).verdict == "verified"


def test_a_gru_has_no_cell_state() -> None:
    with pytest.raises(LstmTraceError, match="the cell carries no state c0; it carries h0"):
        lt.run(weights("one", "ruh"), drawn()[0], cell="gru", c0=np.zeros((B, H)))


def test_a_trace_that_is_not_the_gru_it_claims_to_be_is_refused(tmp_path: Any) -> None:
    trace = lt.run(weights("one", "ruh"), drawn()[0], cell="gru")
    trace.save(tmp_path / "t.json")
    text = (tmp_path / "t.json").read_text()
    assert '"keep"' in text
    (tmp_path / "t.json").write_text(text.replace('"keep"', '"write"'))
    with pytest.raises(
        LstmTraceError, match=r"the trace states that its cell is gru \(bias: one, update: write.*h_t = \(1"
    ):
        lt.load(tmp_path / "t.json")


def test_what_the_update_gate_keeps_is_the_memory() -> None:
    """Closed by hand: u = 1/2 in every step, so half of h is left after one."""
    zero = {name: np.zeros_like(a) for name, a in weights("one", "ruh").items()}
    trace = lt.run(zero, np.ones((4, I)), h0=np.ones(H), cell="gru")
    length = {(unit.line, unit.unit): unit.half_life for unit in behaviour(trace).units}
    assert length["u_t", 0] == pytest.approx(1)
    assert length["r_t", 0] is None
    found = ledger(trace, "3/h_t[0]")
    assert (found.value, found.halved) == (pytest.approx(1 / 16), 1)
    plain = lt.run({name: a for name, a in zero.items() if name.endswith("h")}, np.ones((4, I)), cell="rnn")
    with pytest.raises(OptionError, match="not a sum of"):
        ledger(plain, "3/h_t[0]")
