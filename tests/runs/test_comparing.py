"""What is said of two runs, of a value and of a trace is what the command line says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from pydantic import ValidationError

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.runs import comparing, kept as keeping
from lstm_trace.runs.asked import Pair, Question

from ..support.kept_runs import Kept


def two(folder: Kept) -> tuple[Any, Any, tuple[str, str]]:
    a = folder.make(example="three-steps")
    b = folder.edit(a, {"0/forward/W_xf[0,1]": -1.0})
    return a, b, (folder.path(a), folder.path(b))


def compared(paths: tuple[str, str], **tolerance: float) -> Any:
    return json.loads(comparing.compared(*paths, Pair(a="a", b="b", **tolerance)))  # type: ignore[arg-type]


def said(*arguments: str) -> str:
    return CliRunner().invoke(main, arguments).output


@pytest.mark.few(0)
def test_a_comparison_says_what_diff_says(kept: Kept) -> None:
    _, _, paths = two(kept)
    found = compared(paths)
    told = said("diff", *paths)
    first, cause, changed, *others = found["text"].splitlines()
    assert changed.startswith("changed: W_xf[1,2]: ")
    assert "| W_xf[1,2] | " in told, "in the table"
    for sentence in (first, cause, *others):
        assert f"- {sentence}" in told
    assert found["verdict"] == "different"
    a, b = map(lt.load, paths)
    assert found["first"]["address"] == "0/forward/1/0/W_xf @ x_t[0]"
    assert found["first"]["b"] - found["first"]["a"] == found["first"]["difference"] == -2.0
    for line in found["lines"]:
        gap = np.abs(b[line["line"]] - a[line["line"]])
        assert line["largest"] == gap.max()
        assert line["verdict"] == ("different" if gap.max() else "same")
        if gap.max():
            assert gap[line["t"], line["b"], line["unit"]] == gap.max()
    assert compared(paths, atol=10.0)["verdict"] == "same"
    assert compared((paths[0], paths[0]))["verdict"] == "same"
    assert compared((paths[0], paths[0]))["first"] is None


def test_the_first_difference_is_held_against_its_own_bound(kept: Kept) -> None:
    run, other, _ = two(kept)
    found = compared((kept.path(run), kept.path(kept.edit(other, {"2/x[1]": 100.0}))))
    first, line = found["first"], next(line for line in found["lines"] if line["line"] == "W_xf @ x_t")
    assert first["address"] == "0/forward/1/0/W_xf @ x_t[0]"
    of_terms = 2 * 2 * np.finfo(float).eps / 2  # of the sum of their sizes, two orders of two terms
    assert first["bound"] == pytest.approx(of_terms * abs(-1.0 * 2.0), rel=1e-6, abs=0)
    assert line["bound"] == pytest.approx(of_terms * abs(-1.0 * 100.0), rel=1e-6, abs=0)


def test_what_overflows_alike_is_the_same(kept: Kept) -> None:
    cell = {"equations": "a_t = exp(x_t)\nh_t = a_t - a_t\noutput: h_t"}
    run = kept.make(problem={"cell": cell, "weights": {}, "x": [[1000.0]]})  # exp(1000), inf - inf
    for tolerance in ({}, {"atol": 0.0}):
        found = compared((kept.path(run),) * 2, **tolerance)
        assert {found["verdict"], *(line["verdict"] for line in found["lines"])} == {"same"}
        assert found["text"].startswith("same: ")


def test_a_map_is_the_difference_by_step_and_unit(kept: Kept) -> None:
    _, _, paths = two(kept)
    a, b = map(lt.load, paths)
    found = json.loads(comparing.mapped(*paths, "c_t", None, None, 0, 10_000))
    np.testing.assert_array_equal(found["values"], np.abs(b["c_t"] - a["c_t"])[:, 0])
    assert (found["steps"], found["units"], found["left_out"]) == ([0, 1, 2], 2, 0)
    assert found["largest"] == np.max(found["values"])
    short = json.loads(comparing.mapped(*paths, "c_t", None, None, 0, 3))
    assert (short["steps"], short["left_out"], short["largest"]) == ([0], 2, found["largest"])
    with pytest.raises(MissingError, match="did you mean 'c_t'"):
        comparing.mapped(*paths, "c_tt", None, None, 0, 10_000)


def explained(paths: tuple[str, ...], most: int = 10_000, **asked: Any) -> Any:
    path, against = (*paths, None)[:2]
    return json.loads(comparing.explained(str(path), against, Question(run="r", **asked), most))


@pytest.mark.few(0)
def test_every_explanation_can_be_asked_for(kept: Kept) -> None:
    a, _, paths = two(kept)
    found = explained(paths[:1], how="padding")
    assert (found["columns"], found["rows"][0][:3]) == (["sequence", "valid", "padding", "steps"], [0, 3, 0])
    assert explained(paths[:1], how="training", of="2/h_t[0]", updates=2)["columns"] == ["address", "before", "after"]
    momentum = explained(
        paths[:1], how="training", of="2/h_t[0]", optimizer="momentum", constants={"momentum": 0.5}, updates=2
    )
    other = explained(paths[:1], how="training", of="2/h_t[0]", optimizer="momentum", updates=2)
    assert momentum["rows"] != other["rows"]
    with pytest.raises(OptionError, match="constant 'rate': rate has its own option"):
        explained(paths[:1], how="training", of="2/h_t[0]", constants={"rate": 1})
    for options, said in (({"how": "nothing"}, "padding"), ({"how": "gates", "rate": -1}, "rate")):
        with pytest.raises(ValidationError, match=said):
            Question(run=a["id"], **options)


@pytest.mark.few(0)
@pytest.mark.parametrize("how", ["memory", "gradient", "contribution", "gates"])
def test_an_explanation_is_the_table_of_the_command_line(kept: Kept, tmp_path: Path, how: str) -> None:
    a, _, paths = two(kept)
    of = None if how == "gates" else "2/c_t[0]"
    found = explained(paths[:1], how=how, of=of)
    ran = CliRunner().invoke(
        main, ["explain", how, paths[0], *(["--of", of] if of else []), "-o", str(tmp_path / "e.json")]
    )
    assert ran.exit_code == 0, ran.output
    theirs = json.loads((tmp_path / "e.json").read_text())
    assert found["rows"] == [list(row.values()) for row in theirs["rows"]]
    assert found["columns"] == list(theirs["rows"][0])
    assert found["text"].splitlines() == theirs["sentences"]
    for mine, one in zip(found["more"], theirs.get("more", []), strict=True):
        assert (mine["title"], mine["rows"]) == (one["title"], [list(row.values()) for row in one["rows"]])
    some = explained(paths[:1], 2, how=how, of=of)
    for part, whole in zip([some, *some["more"]], [found, *found["more"]], strict=True):
        assert (part["rows"], part["left_out"]) == (whole["rows"][:2], max(len(whole["rows"]) - 2, 0))
    assert a["id"] in paths[0]


def test_an_attribution_adds_up_to_the_difference(kept: Kept) -> None:
    _, _, paths = two(kept)
    a, b = map(lt.load, paths)
    found = explained(paths[::-1], how="attribution", of="2/h_t[0]")
    total = sum(row[found["columns"].index("contribution")] for row in found["rows"])
    assert abs(total - (b["h_t"] - a["h_t"])[2, 0, 0]) < 1e-15
    assert found["rows"][0][0] == "0/forward/W_xf[0,1]"
    against = explained(paths[::-1], how="contribution", of="2/h_t[0]")
    assert [row[:2] for row in against["rows"]] == [row[:2] for row in found["rows"]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"how": "attribution", "of": "2/h_t[0]"}, "give of and against"),
        ({"how": "memory"}, "give its address"),
        ({"how": "memory", "of": "2/h_t[0]", "points": 3}, "points belongs to contribution"),
        ({"how": "attribution", "low": 0.5}, "attribution has no option low"),
    ],
)
def test_what_does_not_belong_together_is_refused(kept: Kept, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        explained((kept.path(kept.make(example="three-steps")),), **asked)
    with pytest.raises(OptionError, match="against applies to attribution"):
        explained(two(kept)[2], how="gates")


def test_a_verification_says_what_verify_says(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    found = json.loads(comparing.verified(kept.path(run)))
    assert found["verdict"] == "verified"
    assert found["checked"] == run["numbers"]
    told = said("verify", kept.path(run), "--format", "json")
    assert found["text"].split("\n") == json.loads(told)["sentences"]
    assert f"\n- {found['text'].splitlines()[0]}\n" in said("verify", kept.path(run))


def test_a_value_that_does_not_follow_is_found(kept: Kept) -> None:
    path = Path(kept.path(kept.make(example="three-steps")))
    trace = lt.load(path)
    values = np.array(trace["c_t"])
    values[1, 0, 1] += 0.25
    trace.lines["0/forward"]["c_t"] = values
    keeping.save(path, trace)
    keeping.keep(path, keeping.record(path))
    found = json.loads(comparing.verified(str(path)))
    (failure,) = [one for one in found["failures"] if one["address"] == "0/forward/1/0/c_t[1]"]
    assert failure["recorded"] - failure["derived"] == pytest.approx(0.25)
    assert found["verdict"] == "failed"
    assert "failed: c_2[2]" in found["text"]
