"""Losses among the added equations: targets of their own at each step, padding, stacks, files, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError

from ..support import oracle
from ..support.rounding import Near, numbers, total, within

SQUARED = "input: target_t\ny_t = W_hy @ h_t + b_y\nL = squared_error(y_t, target_t)"
ENTROPY = "input: target_t\ny_t = W_hy @ h_t + b_y\nL = cross_entropy(y_t, target_t)"
STEPS, ROWS, INPUTS, UNITS, CLASSES = 4, 2, 3, 5, 6


def weights(seed: int = 0, layers: int = 1, both: bool = False) -> dict[str, np.ndarray]:
    """A stack of LSTMs with a readout of `CLASSES` numbers, which belongs to the top layer."""
    rng = np.random.default_rng(seed)
    ways = ("forward", "reverse")[: 1 + both]
    found = {}
    for layer in range(layers):
        wide = INPUTS if layer == 0 else UNITS * len(ways)
        for way in ways:
            for gate in "ifco":
                found[f"{layer}/{way}/W_x{gate}"] = rng.normal(size=(UNITS, wide))
                found[f"{layer}/{way}/W_h{gate}"] = rng.normal(size=(UNITS, UNITS))
    top = f"{layers - 1}/forward"
    found[f"{top}/W_hy"] = rng.normal(size=(CLASSES, UNITS * len(ways)))
    found[f"{top}/b_y"] = rng.normal(size=CLASSES)
    return found


def data(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """x and targets; the targets are probabilities, no two of them alike."""
    rng = np.random.default_rng(seed)
    target = rng.random(size=(STEPS, ROWS, CLASSES))
    return rng.normal(size=(STEPS, ROWS, INPUTS)), target / target.sum(axis=-1, keepdims=True)


def squared_error(y: list[Near], target: list[float]) -> Near:
    return total([(a - b) * (a - b) for a, b in zip(y, target, strict=True)]) * 0.5


def cross_entropy(z: list[Near], target: list[float]) -> Near:
    largest = max(z, key=lambda entry: entry.value)
    rest = oracle.call("log", total([oracle.call("exp", entry - largest) for entry in z]))
    return -total([(entry - largest - rest) * share for entry, share in zip(z, target, strict=True)])


@pytest.mark.parametrize(("extra", "loss"), [(SQUARED, squared_error), (ENTROPY, cross_entropy)])
@pytest.mark.parametrize("both", [False, True])
def test_a_loss_at_each_step_and_row(extra: str, loss: Any, both: bool) -> None:
    given, (x, target) = weights(layers=2, both=both), data()
    read = extra.replace("h_t", "y_t").replace("y_t = ", "s_t = ").replace("(y_t,", "(s_t,") if both else extra
    trace = lt.run(given, x, cell={"kind": "lstm", "extra": read}, given={"target_t": target})
    scope = "1/joined" if both else "1/forward"
    lines = trace.lines[scope]
    assert lines["L"].shape == (STEPS, ROWS, 1)
    for t in range(STEPS):
        for b in range(ROWS):
            scores = numbers(lines["s_t" if both else "y_t"][t, b])
            within(lines["L"][t, b], [loss(scores, target[t, b].tolist())], "L")
    plain = lt.run({n: a for n, a in given.items() if n.rpartition("/")[2] not in ("W_hy", "b_y")}, x)
    np.testing.assert_array_equal(trace.output, plain.output, "a loss changes nothing before it")
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("plan", ["lines", "planned", "compiled"])
def test_every_plan_computes_the_loss(plan: str) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite", reason="the extra jit is not installed")
    x, target = data()
    cell = {"kind": "lstm", "extra": ENTROPY}
    trace = lt.run(weights(), x, cell=cell, given={"target_t": target}, plan=plan)
    z = trace["y_t"]
    z = z - z.max(axis=-1, keepdims=True)
    right = -(target * (z - np.log(np.exp(z).sum(axis=-1, keepdims=True)))).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(trace["L"], right, rtol=1e-13)


def test_at_padding_a_loss_is_computed_like_every_other_line() -> None:
    x, target = data()
    arguments = {"given": {"target_t": target}, "lengths": [STEPS, 2]}
    trace = lt.run(weights(), x, cell={"kind": "lstm", "extra": SQUARED}, **arguments)
    half = 0.5 * ((trace["y_t"] - target) ** 2).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(trace["L"], half, rtol=1e-14)
    assert trace["L"][2:, 1].all()
    short = lt.run(weights(), x[:2, 1], cell={"kind": "lstm", "extra": SQUARED}, given={"target_t": target[:2, 1]})
    np.testing.assert_allclose(trace["L"][:2, 1], short["L"][:, 0], rtol=1e-13)
    weighted = SQUARED.replace("L = squared_error(y_t, target_t)", "L = where(valid, squared_error(y_t, target_t), 0)")
    cut = lt.run(weights(), x, cell={"kind": "lstm", "extra": weighted}, **arguments)
    np.testing.assert_array_equal(cut["L"], np.where(cut.valid, trace["L"], 0))
    for each in (trace, cut):
        assert lt.verify(each).verdict == "verified"


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_targets_are_in_the_file(suffix: str, tmp_path: Path) -> None:
    x, target = data()
    model = lt.prepare(weights(), cell={"kind": "lstm", "extra": SQUARED})
    trace = model.run(x, given={"target_t": target})
    trace.save(tmp_path / f"t.{suffix}")
    read = lt.load(tmp_path / f"t.{suffix}")
    np.testing.assert_array_equal(read.given["0/forward"]["target_t"], target)
    assert lt.verify(read).verdict == "verified"
    other = model.run(x, given={"target_t": target + np.eye(STEPS)[:, 3, None, None]})  # of the last step alone
    found = lt.diff(trace, other)
    assert found.first is not None
    assert (found.first.first.t, found.first.line) == (3, "y_t - target_t")


def test_a_target_for_every_step_may_be_one() -> None:
    x, target = data()
    cell = {"kind": "lstm", "extra": SQUARED}
    one = lt.run(weights(), x, cell=cell, given={"target_t": target[0, 0]})
    all_of_them = lt.run(weights(), x, cell=cell, given={"target_t": np.broadcast_to(target[0, 0], target.shape)})
    np.testing.assert_array_equal(one["L"], all_of_them["L"])


def test_the_problem_and_python_are_one() -> None:
    x, target = data()
    listed = {name: values.tolist() for name, values in weights().items()}
    problem = {"weights": listed, "x": x.tolist(), "given": {"target_t": target.tolist()}}
    inside = {**problem, "cell": {"kind": "lstm", "extra": SQUARED}}
    traces = [lt.run({**problem, "extra": SQUARED}), lt.run(inside)]
    traces.append(lt.run(weights(), x, options={"extra": SQUARED}, given={"target_t": target}))
    for trace in traces[1:]:
        assert trace.stages == traces[0].stages
        np.testing.assert_array_equal(trace["L"], traces[0]["L"])
    with pytest.raises(LstmTraceError, match="extra is given twice: next to the cell and inside it; give it once"):
        lt.run({**inside, "extra": SQUARED})


@pytest.mark.parametrize(
    ("extra", "given", "message"),
    [
        (SQUARED, {}, "the cell declares the input target_t, which is not given: add it under given"),
        (SQUARED.partition("\n")[2], {"target_t": [0.0] * CLASSES},
         "given 'target_t': the equations read target_t as a weight; declare it among them, input: target_t"),
        (SQUARED, {"target_t": [[0.0] * CLASSES] * 3},
         "given target_t has shape (3, 6); expected (width,), (T, width) or (T, B, width) with T = 4, B = 2"),
        (SQUARED, {"target": [0.0] * CLASSES}, "there is no line 'target'; did you mean 'target_t'?"),
        (SQUARED, {"target_t": [0.0, 1.0]}, "target_t has width 2; line `y_t - target_t` needs 6"),
        ("input: target_t, target_t", {}, "equation 1: duplicate input target_t"),
        ("input: target_t\ninput: other_t", {}, "equation 2: input is declared twice"),
        (["L = 0"], {}, "extra: expected equations as text, found a list"),
    ],
)  # fmt: skip
def test_what_is_refused(extra: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.run(weights(), data()[0], cell={"kind": "lstm", "extra": extra}, given=given)
    assert message in str(error.value)


def test_the_cells_own_inputs_may_be_named_again() -> None:
    cell = lt.prepare(weights(), cell={"kind": "lstm", "extra": SQUARED.replace("input: ", "input: x_t, ")})
    assert cell.stages()[0].cell.inputs == ("x_t", "target_t")
    assert cell.stages(padded=True)[0].cell.inputs == ("x_t", "valid", "target_t")


@pytest.mark.few(1)
@pytest.mark.parametrize(("extra", "title"), [(SQUARED, "Squared error L"), (ENTROPY, "Cross entropy L")])
def test_a_report_has_the_targets_and_calls_the_loss_by_its_name(extra: str, title: str) -> None:
    x, target = data()
    target = target[:, :1].round(2)
    trace = lt.run(weights(), x[:, :1], cell={"kind": "lstm", "extra": extra}, given={"target_t": target})
    text = trace.report("text", everything=True, width=120)
    assert title in text
    (rows,) = [part for part in text.split("\n\n") if "target_t[5]" in part.splitlines()[0]]
    found = [[float(number) for number in row.split()[1:]] for row in rows.splitlines()[-STEPS:]]
    np.testing.assert_array_equal(found, target[:, 0])
