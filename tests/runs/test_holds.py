"""Holds in what is asked of a run: kept, edited, read, compared, and no file of the server opened for one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError, TooLargeError
from lstm_trace.examples import text
from lstm_trace.runs import comparing, reading, running
from lstm_trace.runs.asked import Question
from lstm_trace.runs.inspecting import inspect
from lstm_trace.runs.kept import Bounds
from lstm_trace.runs.reading import Look

from ..support.kept_runs import BOUNDS, Kept

HOLD = {"forward/c_t[0]": 0.5, "1..2/f_t": "*0.25", "2/h_t": [0.1, 0.2]}


def loaded(kept: Kept, run: Any) -> lt.Trace:
    return lt.load(kept.path(run))


def test_a_run_holds_as_python_does(kept: Kept) -> None:
    run = kept.make(example="three-steps", hold=HOLD)
    found, mine = loaded(kept, run), lt.run(yaml.safe_load(text("three-steps")), hold=HOLD)
    assert found.stages == mine.stages
    assert np.array_equal(found["h_t"], mine["h_t"])
    assert kept.make(example="three-steps", hold=HOLD)["id"] == run["id"]
    assert kept.make(example="three-steps")["id"] != run["id"]
    assert kept.make(**kept.spec(run))["id"] == run["id"]
    symbols = {line["name"]: line["symbol"] for line in run["stages"][0]["lines"]}
    assert (symbols["c_t"], symbols["free_c_t"]) == ("c_t", "c_t⁰")
    edited = kept.edit(run, {"0/forward/W_xi[0,0]": 2.0})
    assert (loaded(kept, edited)["c_t"][..., 0] == 0.5).all()


def test_its_steps_pictures_and_numbers_can_be_read(kept: Kept) -> None:
    path = kept.path(kept.make(example="three-steps", hold=HOLD))
    for t in range(3):
        assert json.loads(reading.step(path, None, None, t, 0, None, 64, Look()))
    assert json.loads(comparing.verified(path))["verdict"] == "verified"


def test_the_equations_of_its_stage_are_taken_back(kept: Kept) -> None:
    run = kept.make(example="three-steps", hold={"forward/c_t[0]": 0.5})
    equations = run["stages"][0]["equations"]
    assert equations.endswith("hold: c_t\n")
    other = kept.make(
        example="three-steps", hold={"forward/c_t[0]": 0.5}, equations=equations.replace("o_t * tanh", "o_t + tanh")
    )
    trace = loaded(kept, other)
    assert (trace["c_t"][..., 0] == 0.5).all()
    assert np.array_equal(trace["h_t"], trace["o_t"] + trace["tanh(c_t)"])


def test_a_trace_of_the_library_is_run_again(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("files") / "0.safetensors"
    lt.run(yaml.safe_load(text("three-steps"))).save(file)
    item = running.Item("t", str(file), "1" * 64, "kept.safetensors")
    run = kept.make(item, item="t", hold={"forward/c_t[0]": 0.5})
    assert (loaded(kept, run)["c_t"][..., 0] == 0.5).all()
    with pytest.raises(OptionError, match="a trace has its own x"):
        kept.make(item, item="t", x=[[1.0, 2.0]], hold={"forward/c_t[0]": 0.5})


def test_what_a_source_holds_is_changed_and_released(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    problem = yaml.safe_load(text("three-steps")) | {"hold": {"forward/c_t[1]": 0.25, "0..1/f_t": "*0.5"}}
    file = tmp_path_factory.mktemp("files") / "q.yaml"
    file.write_text(yaml.safe_dump(problem))
    item = running.Item("p", str(file), "4" * 64, "q.yaml")
    changes = [("1/c_t[1]", 2.0), ("0..1/f_t[0]", None), ("1/c_t", "*3"), ("1/c_t[0]", None)]
    holds = [{"address": address, "value": value} for address, value in changes]
    mine = lt.run(problem | {"hold": {"0/c_t[1]": 0.25, "2/c_t[1]": 0.25, "1/c_t[1]": "*3", "0..1/f_t[1]": "*0.5"}})
    run = kept.make(item, item="p", holds=holds)
    for found in (run, kept.make(problem=problem, holds=holds), kept.make(item, **kept.spec(run))):
        trace = loaded(kept, found)
        assert trace.stages == mine.stages
        assert all(np.array_equal(trace[name], mine[name]) for name in mine)
    assert lt.problem(loaded(kept, run))["hold"] == lt.problem(mine)["hold"]
    released = kept.make(item, item="p", holds=[{"address": name, "value": None} for name in ("c_t", "f_t")])
    assert released["held"] == []
    assert released["stages"] == kept.make(problem=problem | {"hold": {}})["stages"]
    with pytest.raises(MissingError, match="there is no line 'q_t'"):
        kept.make(item, item="p", holds=[{"address": "q_t", "value": None}])


@pytest.mark.parametrize(
    ("hold", "kind", "told"),
    [
        ({"c_q": 0}, MissingError, "there is no line 'c_q'"),
        ({"9/c_t": 0}, MissingError, "t 0 to 2"),
        ({"c_t": "*x"}, OptionError, "expected a finite number"),
        ({"c_t": True}, LstmTraceError, "found true"),
        ({"c_t": 0, "f_t": 1, "0/c_t": 2}, OptionError, "both hold"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(kept: Kept, hold: Any, kind: type[LstmTraceError], told: str) -> None:
    with pytest.raises(kind, match=told):
        kept.make(example="three-steps", hold=hold)


def test_no_hold_opens_a_file(kept: Kept, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("files")
    secret = folder / "secret.json"
    lt.run(yaml.safe_load(text("three-steps"))).save(secret)
    problem = yaml.safe_load(text("three-steps")) | {"hold": {"c_t": str(secret)}}
    (folder / "q.yaml").write_text(yaml.safe_dump(problem))
    item = running.Item("p", str(folder / "q.yaml"), "3" * 64, "q.yaml")
    for make in (
        lambda: kept.make(example="three-steps", hold={"c_t": str(secret)}),
        lambda: kept.make(problem=problem),
        lambda: kept.make(item, item="p"),
    ):
        with pytest.raises(OptionError, match=r"found the text .*\. The service does not open files .* upload"):
            make()
    with pytest.raises(OptionError, match="The service does not open files"):
        inspect(str(folder / "q.yaml"), "q.yaml")


def test_holds_count_as_values_of_the_run(tmp_path: Path) -> None:
    numbers = lt.run(yaml.safe_load(text("three-steps"))).lines["0/forward"]
    size = sum(array.size for array in numbers.values())
    small = Kept(tmp_path, BOUNDS._replace(values=size + 6))
    small.make(example="three-steps")
    with pytest.raises(TooLargeError):
        small.make(example="three-steps", hold={"c_t": 0})
    assert isinstance(small.bounds, Bounds)


def test_an_ablation_is_that_of_the_command_line(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    asked = Question(run=run["id"], how="ablation", of="2/h_t[0]", over="units", only=["h_t"], to="*0.5")
    found = json.loads(comparing.explained(kept.path(run), None, asked, 100))
    mine = lt.explain(loaded(kept, run), "2/h_t[0]", "ablation", only="h_t", to="*0.5").to_frame()
    assert found["columns"] == [*mine.columns]
    assert [row[-1] for row in found["rows"]] == mine["effect"].tolist()
    with pytest.raises(OptionError, match="expected a finite number"):
        comparing.explained(kept.path(run), None, asked.model_copy(update={"to": "/etc/passwd"}), 100)


@pytest.mark.few(0)
def test_what_is_held_is_told_and_is_no_premise(kept: Kept) -> None:
    hold = {"0/forward/1/0/c_t[0]": -1.0, "forward/f_t[1]": "*0.25", "2/o_t": [0.1, 0.2]}
    run = kept.make(example="three-steps", hold=hold)
    assert {one["address"]: one["value"] for one in run["held"]} == {
        "0/forward/1/0/c_t[0]": -1.0,
        "0/forward/f_t[1]": "*0.25",
        "0/forward/2/0/o_t[0]": 0.1,
        "0/forward/2/0/o_t[1]": 0.2,
    }
    assert kept.make(example="three-steps")["held"] == []
    path = kept.path(run)
    steps = [json.loads(reading.step(path, None, None, t, 0, None, 64, Look())) for t in range(3)]
    assert [step["held"] for step in steps] == [
        {"f_t": [1]},
        {"f_t": [1], "c_t": [0]},
        {"f_t": [1], "o_t": [0, 1]},
    ]
    ones = {
        "1/c_t[0]": ("0/forward/1/0/c_t[0]", -1.0),
        "2/f_t[1]": ("0/forward/f_t[1]", "*0.25"),
        "2/o_t[1]": ("0/forward/2/0/o_t[1]", 0.2),
        **dict.fromkeys(("0/c_t[0]", "1/c_t[1]", "1/o_t[1]", "0/forward/W_xi[0,0]")),
    }
    for address, held in ones.items():
        expected = None if held is None else dict(zip(("address", "value"), held, strict=True))
        assert json.loads(comparing.at(path, address, None, Look()))["held"] == expected, address
    plain = kept.make(example="three-steps")
    assert [one["address"] for one in run["premises"]] == [one["address"] for one in plain["premises"]]
    assert run["stages"][0]["inputs"] == {"x_t": "x"}
    assert list(steps[0]["inputs"]) == ["x_t"]
