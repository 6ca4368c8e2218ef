"""An ablation over a corpus is the mean of runs with a hold, one sequence after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError

from ..support.tiers import some
from . import quotes
from .conftest import write_sequences


def ablate(*arguments: Any, **options: Any) -> Any:
    from lstm_trace.corpus import ablate

    return ablate(*arguments, **options)


@pytest.fixture(scope="module")
def every() -> dict[str, dict[str, Any]]:
    return quotes.sequences()


@pytest.fixture(scope="module")
def quoted(every: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return quotes.write(tmp_path_factory.mktemp("quotes") / "q.parquet", every)


def bootstrapped(sums: np.ndarray) -> float:
    """The standard deviation of the ratio of sums over sequences, drawn again and again. sums: (n, 2)."""
    rng = np.random.default_rng(9)
    again = [sums[rng.integers(len(sums), size=len(sums))].sum(axis=0) for _ in range(800)]
    return float(np.std([change / steps for change, steps in again]))


SEVERAL = ["0/reverse/c_t[0]", "1/forward/f_t[3]", "0/reverse/c_t[0]", "0/forward/h_t[1]"]


@pytest.mark.few(0)
@pytest.mark.parametrize(("units", "to"), some([(["1/forward/c_t[2]"], 0.0), (SEVERAL, 0.75), (SEVERAL, "*0.5")], 2))
def test_the_output_changes_as_in_runs_with_a_hold(
    model: lt.Model, inputs: Path, sequences: dict[int, dict[str, Any]], units: list[str], to: float | str
) -> None:
    found = ablate(model, inputs, units, to=to, batch=4, controls=1)
    names = list(dict.fromkeys(units))
    alone = names if len(names) > 1 else []
    rows = {row[0]: row for row in found.groups}
    assert list(rows) == [*alone, "all", "random 1"]
    assert (found.sequences, found.every) == (30, 30)
    assert found.steps == sum(len(one["x"]) for one in sequences.values())
    for name, held, value, change, low, high in found.groups:
        sums, by_token = [], {}
        for one in sequences.values():
            free = model.run(one["x"]).output
            other = model.run(one["x"], hold=dict.fromkeys(held.split(), to)).output
            steps = np.abs(other - free).reshape(len(one["x"]), -1).mean(axis=1)
            sums.append((steps.sum(), len(steps)))
            for token, step in zip(one["tokens"], steps, strict=True):
                by_token.setdefault(token, []).append(step)
        total, steps = np.sum(sums, axis=0)
        assert value == change == pytest.approx(total / steps, rel=1e-12)
        assert low < change < high
        assert (high - low) / 2 / 1.96 == pytest.approx(bootstrapped(np.array(sums)), rel=0.12)
        if not name.startswith("random"):
            assert rows[name][1].split() == (names if name == "all" else [name])
            told = dict(zip(found.by_token["token"], found.by_token[name], strict=True))
            assert told == pytest.approx({token: np.mean(steps) for token, steps in by_token.items()})
            assert dict(zip(found.by_token["token"], found.by_token["steps"], strict=True)) == {
                token: len(steps) for token, steps in by_token.items()
            }
        else:
            others = held.split()
            assert len(others) == len(set(others)) == len(names)
            assert not set(others) & set(names)
            lines = {unit.rsplit("[", 1)[0] for unit in names}
            assert {unit.rsplit("[", 1)[0] for unit in others} <= lines


def test_the_tokens_that_change_most_in_all_come_first(model: lt.Model, inputs: Path) -> None:
    tokens = ablate(model, inputs, ["1/forward/c_t[2]"], controls=0).by_token
    assert len(tokens) == 5
    assert (tokens["all"] * tokens["steps"]).is_monotonic_decreasing


@pytest.mark.few(0)
def test_states_have_their_model_and_their_input(model: lt.Model, inputs: Path, states: Any) -> None:
    found = ablate(model, inputs, ["1/forward/c_t[2]"])
    for source in (states, states.folder, str(states.folder)):
        assert ablate(source, None, ["1/forward/c_t[2]"]).groups == found.groups
    assert ablate(states, inputs, ["1/forward/c_t[2]"]).groups == found.groups


@pytest.mark.few(0)
def test_the_readout_of_the_model_is_counted_against_a_column(
    weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]], tmp_path: Path
) -> None:
    rng = np.random.default_rng(4)
    said = {name: array for name, array in weights.items() if name.startswith("0/forward")}
    said["0/forward/W_hy"], said["0/forward/b_y"] = rng.normal(size=(3, 4)) * 3, rng.normal(size=3)
    model = lt.prepare({"weights": said, "extra": "p_t = W_hy @ h_t + b_y"})
    labelled = {id_: {**one, "depth": rng.integers(3, size=len(one["x"]))} for id_, one in sequences.items()}
    write_sequences(labelled, tmp_path / "x.parquet")
    found = ablate(model, tmp_path / "x.parquet", "c_t[2]", "depth", to=4.0, readout="p_t", controls=0)
    right: dict[float | None, int] = {None: 0, 4.0: 0}
    for one in labelled.values():
        for hold in right:
            trace = model.run(one["x"], hold={} if hold is None else {"c_t[2]": hold})
            right[hold] += int((trace["p_t"][:, 0].argmax(axis=1) == one["depth"]).sum())
    assert right[None] != right[4.0]
    (whole,) = found.groups
    assert whole[2] == pytest.approx(right[4.0] / found.steps)
    assert whole[3] == pytest.approx((right[4.0] - right[None]) / found.steps)
    text = " ".join(str(found.report()).split())
    assert "accuracy of p_t for depth" in text
    assert "with it held: " in text
    assert "no control was asked for: whether other units change it as much is not known" in text
    every = ablate(model, tmp_path / "x.parquet", [f"c_t[{j}]" for j in range(4)], "depth", readout="p_t")
    said_of_all = " ".join(str(every.report()).split())
    assert "with all of them held: " in said_of_all
    assert "no control: the same lines do not have as many other units" in said_of_all
    assert ablate(model, tmp_path / "x.parquet", "c_t[2]", "quoted", readout="p_t").steps == found.steps
    with pytest.raises(OptionError) as refused:
        ablate(model, tmp_path / "x.parquet", "c_t[2]", "token", readout="p_t")
    assert str(refused.value) == (
        "readout: p_t has 3 units, so that its classes are 0 to 2; token is of the type string: give a column with the "
        "number of each step's class"
    )


def head(classes: int) -> tuple[lt.Model, dict[str, np.ndarray]]:
    """A model of H = 4 over I = 4 with so many classes, and its weights by name."""
    rng = np.random.default_rng(classes)
    w = {f"W_{side}{gate}": rng.normal(size=(4, 4)) for side in "xh" for gate in "ifco"}
    w |= {f"b_{gate}": rng.normal(size=4) for gate in "ifco"} | {"W_y": rng.normal(size=(classes, 4))}
    return lt.prepare(w, cell={"kind": "lstm", "extra": "s_t = W_y @ h_t"}), w


def labelled(label: Any) -> list[dict[str, Any]]:
    """40 sequences of 10 steps. label: (400,)."""
    x = np.random.default_rng(1).normal(size=(40, 10, 4))
    return [{"seq_id": k, "x": x[k], "label": label[10 * k : 10 * k + 10]} for k in range(40)]


def predicted(w: dict[str, np.ndarray], x: np.ndarray, unit: int | None) -> list[int]:
    """The largest unit of W_y @ h at each step; by loops, c of one unit set to 0 at each. x: (T, 4)."""
    h, c, found = np.zeros(4), np.zeros(4), []
    for x_t in x:
        z = {gate: w[f"W_x{gate}"] @ x_t + w[f"W_h{gate}"] @ h + w[f"b_{gate}"] for gate in "ifco"}
        i, f, o = (1 / (1 + np.exp(-z[gate])) for gate in "ifo")
        c = f * c + i * np.tanh(z["c"])
        if unit is not None:
            c[unit] = 0.0
        h = o * np.tanh(c)
        found.append(int(np.argmax(w["W_y"] @ h)))
    return found


@pytest.mark.few(1)
@pytest.mark.parametrize("classes", some([2, 20, 21, 60, 111, 746], 3))
@pytest.mark.parametrize("kind", ["int64", "uint8", "float64"])
def test_a_readout_may_have_any_number_of_classes(classes: int, kind: str) -> None:
    if classes > 256 and kind == "uint8":
        kind = "uint16"
    model, w = head(classes)
    rng = np.random.default_rng(classes)
    free = np.concatenate([predicted(w, one["x"], None) for one in labelled(np.zeros(400))])
    label = np.where(rng.random(400) < 0.6, free, rng.integers(classes, size=400)).astype(kind)
    label[:2] = 0, classes - 1
    there = np.ones(400, bool)
    if kind == "float64":  # a column of pandas in which some are missing
        there = rng.random(400) < 0.9
        label[~there] = np.nan
    sequences = labelled(label)
    found = ablate(model, sequences, units=["c_t[0]"], metric="label", readout="s_t", controls=1)
    held = np.concatenate([predicted(w, one["x"], 0) for one in sequences])
    right, after = (float((one == label)[there].mean()) for one in (free, held))
    assert 0.5 < right < 1
    assert right != after
    row = next(row for row in found.groups if row[0] == "all")
    assert row[2:4] == pytest.approx((after, after - right), abs=1e-12)
    assert found.steps == there.sum()


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({15: 111}, "label is 111 in sequence 1 at t = 5"),
        ({15: 1_234_567, 16: 200, 399: -1}, "label is 1234567 in sequence 1 at t = 5, and 2 more steps have others"),
        ({399: -1}, "label is -1 in sequence 39 at t = 9"),
        ({399: 2.5}, "label is 2.5 in sequence 39 at t = 9"),
        ({0: np.inf}, "label is inf in sequence 0 at t = 0"),
    ],
)
def test_labels_that_are_no_unit_of_the_readout_are_named(wrong: dict[int, float], said: str) -> None:
    label = np.arange(400) % 111
    if not all(isinstance(value, int) for value in wrong.values()):
        label = label.astype(float)
    for at, value in wrong.items():
        label[at] = value
    with pytest.raises(OptionError) as refused:
        ablate(head(111)[0], labelled(label), units=["c_t[0]"], metric="label", readout="s_t")
    assert str(refused.value) == f"readout: s_t has 111 units, so that its classes are 0 to 110; {said}"


@pytest.mark.few(0)
def test_a_planted_unit_is_what_a_target_hangs_on(quoted: Path, every: dict[str, dict[str, Any]]) -> None:
    pytest.importorskip("sklearn")
    found = ablate(quotes.model(), quoted, ["c_t[1]"], "inside", controls=12)
    by_name = {row[0]: row for row in found.groups}
    outside = 1 - np.mean([inside for one in every.values() for inside in one["inside"]])
    _, _, value, change, low, high = by_name["all"]
    assert value - change == 1  # without a hold
    assert value < outside + 0.15
    assert low < high < -0.2
    assert sorted(row[1] for row in found.groups if row[0] != "all") == ["c_t[0]", "c_t[2]", "c_t[3]"]  # each once
    assert all(abs(row[3]) < 0.05 for row in found.groups if row[0] != "all")
    assert found.sequences == 20  # of those that the probe has not learned from
    text = " ".join(str(found.report()).split())
    assert "accuracy of a probe of h_t for inside over" in text
    assert "1 without a hold, " in text
    assert "no more than others do" not in text
    other = ablate(quotes.model(), quoted, ["c_t[0]"], "inside", controls=12)
    assert "no more than others do" in " ".join(str(other.report()).split())
    error = ablate(quotes.model(), quoted, ["c_t[1]"], "noise", controls=0)
    assert error.measure == "mean error of a probe of h_t for noise"


def test_a_probe_learns_from_some_of_few_labelled_sequences(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    holed = {id_: {**one, "noise": list(one["noise"])} for id_, one in every.items()}
    for id_ in list(holed)[5:]:
        holed[id_]["noise"] = [float("nan")] * len(every[id_]["x"])
    found = ablate(quotes.model(), quotes.write(tmp_path / "q.parquet", holed), ["c_t[1]"], "noise")
    assert found.sequences == 2
    assert np.isfinite([row[2:] for row in found.groups]).all()
    same = {id_: {**one, "noise": [1.5] * len(one["x"])} for id_, one in every.items()}
    with pytest.raises(OptionError, match="noise is the same in all steps that were drawn: there is nothing to decode"):
        ablate(quotes.model(), quotes.write(tmp_path / "s.parquet", same), ["c_t[1]"], "noise")


@pytest.mark.few(0)
def test_sequences_are_drawn_whole_and_for_a_seed(quoted: Path) -> None:
    one, two, other = (ablate(quotes.model(), quoted, ["c_t[0]", "c_t[3]"], max_steps=400, seed=s) for s in (1, 1, 2))
    assert one.groups == two.groups != other.groups
    assert 300 < one.steps <= 400
    assert one.sequences < one.every == 80
    assert one.to_frame().columns.tolist() == ["held", "units", "value", "change", "low", "high"]
    assert one.to_frame()["held"].tolist()[:3] == ["c_t[0]", "c_t[3]", "all"]


def test_of_many_units_some_are_named(model: lt.Model, inputs: Path) -> None:
    units = [f"0/forward/c_t[{j}]" for j in range(4)] + [f"1/forward/c_t[{j}]" for j in range(2)]
    found = ablate(model, inputs, units)
    assert "0/forward/c_t[0] 0/forward/c_t[1] 0/forward/c_t[2] … (6)" in str(found.report())
    assert found.to_frame()["units"][6] == " ".join(units)
    assert len(found.by_token.columns) == 2 + 6 + 1


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"units": "c_t[1]"}, OptionError, "'c_t[1]' may be any of 0/forward/c_t[1], 0/reverse/c_t[1]"),
        ({"units": "0/forward/c_t[4]"}, MissingError, "c_t has the units 0 to 3"),
        ({"units": "0/forward/C_t[1]"}, MissingError, "the states have no '0/forward/C_t'"),
        ({"units": []}, OptionError, "units: expected at least one, as in c_t[35]"),
        ({"units": "0/forward/c_t[1]", "controls": 1 << 70}, OptionError, "controls: at most 1,000 random groups"),
        ({"units": "0/forward/c_t[1]", "metric": "outptu"}, MissingError, "metric: there is no 'outptu'; did you mean"),
        ({"units": "0/forward/c_t[1]", "to": float("nan")}, OptionError, "finite"),
        ({"units": "0/forward/c_t[1]", "readout": "p_t", "metric": "depth"}, MissingError, "the states have no"),
        ({"units": "0/forward/c_t[1]", "max_steps": 2}, OptionError, "were drawn, with at most 2 steps"),
    ],
)
def test_what_cannot_be_ablated_is_refused(
    model: lt.Model, inputs: Path, arguments: dict[str, Any], kind: type[LstmTraceError], said: str
) -> None:
    with pytest.raises(kind) as error:
        ablate(model, inputs, **arguments)
    assert said in str(error.value)
