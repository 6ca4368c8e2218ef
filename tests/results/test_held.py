"""diff of a run and the same run with something held: what is held is no news, and what sets the two apart is named."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main

from ..support.results import verdict

T, B, I, H = 6, 2, 3, 4  # noqa: E741


def model(both: bool = False, extra: str = "") -> tuple[dict[str, Any], dict[str, Any]]:
    rng = np.random.default_rng(9)
    found = {
        f"0/{direction}/W_{side}{g}": rng.normal(size=(H, width))
        for direction in ("forward", "reverse")[: 1 + both]
        for g in "ifco"
        for side, width in (("x", I), ("h", H))
    }
    found |= {f"0/{'joined' if both else 'forward'}/W_y": rng.normal(size=(2, H * (1 + both)))} if extra else {}
    return found, {"kind": "lstm", "extra": extra} if extra else {"kind": "lstm"}


def pair(hold: dict[str, Any], both: bool = False, extra: str = "", **run: Any) -> tuple[lt.Trace, lt.Trace]:
    weights, cell = model(both, extra)
    x = np.random.default_rng(2).normal(size=(T, B, I))
    a, b = (lt.run(weights, x, cell=cell, **run, **more) for more in ({}, {"hold": hold}))
    return a, b


def sentences(a: lt.Trace, b: lt.Trace) -> list[str]:
    return verdict(lt.diff(a, b))


@pytest.mark.few(1)
@pytest.mark.parametrize("lengths", [{}, {"lengths": [T, 4]}])
@pytest.mark.parametrize("line", ["c_t", "h_t", "o_t"])
@pytest.mark.parametrize("both", [False, True])
def test_the_output_of_a_unit_that_is_held_is_no_news(both: bool, line: str, lengths: dict[str, Any]) -> None:
    """It differs most by far, and the sentence is of another unit: the largest of those, by numpy."""
    a, b = pair({f"forward/{line}[1]" if both else f"{line}[1]": 40.0}, both, **lengths)
    gaps = np.abs(b.output - a.output) * a.valid
    gaps[:, :, 1] = 0.0
    t, row, unit = np.unravel_index(gaps.argmax(), gaps.shape)
    found = lt.diff(a, b).output
    assert found is not None
    assert (found.address.t, found.address.b, found.address.unit) == (t, row, (unit,))
    assert found.most == gaps.max()
    assert any(text.startswith(f"output, but for what is held: {found.address} changes") for text in sentences(a, b))


def test_what_a_held_gate_does_to_its_unit_is_news() -> None:
    a, b = pair({"f_t[1]": 0.0}, c0=np.full((1, B, H), 9.0))
    found = lt.diff(a, b).output
    assert found is not None
    assert (found.held, found.address.unit) == (False, (1,))


@pytest.mark.few(0)
def test_a_readout_has_the_sentence() -> None:
    for both in (False, True):
        a, b = pair(
            {"forward/h_t[1]" if both else "h_t[1]": 0.0}, both, "s_t = W_y @ h_t" if not both else "s_t = W_y @ y_t"
        )
        found = lt.diff(a, b).output
        assert found is not None
        assert (found.address.line, found.held) == ("s_t", False)
        assert found.most == np.abs(b["s_t"] - a["s_t"]).max()
        a, b = pair({"s_t": 0.0}, both, "s_t = W_y @ h_t" if not both else "s_t = W_y @ y_t")
        found = lt.diff(a, b).output  # nobody held what is before it, and it does not follow from what is held
        assert found is not None
        assert (found.address.line, found.most) == ("y_t" if both else "h_t", 0.0)


def test_where_all_of_it_is_held_it_is_all_that_there_is() -> None:
    a, b = pair({"h_t": 0.0})
    found = lt.diff(a, b).output
    assert found is not None
    assert (found.held, found.most) == (False, np.abs(a["h_t"]).max())


@pytest.mark.few(0)
def test_it_is_said_that_a_side_holds_the_first_value() -> None:
    a, b = pair({"2/c_t[3]": 0.25})
    assert sentences(a, b)[1] == "b holds it at 0.25"
    assert sentences(b, a)[1] == "a holds it at 0.25"
    _, twice = pair({"2/c_t[3]": "*0.5"})
    assert sentences(a, twice)[1] == "b holds it at 0.5 times its own value"
    assert sentences(b, twice)[1] == "a holds it at 0.25 and b holds it at 0.5 times its own value"
    assert "equation" not in " ".join(sentences(a, b))


def test_a_fault_elsewhere_is_no_hold() -> None:
    a, b = pair({"4/c_t[3]": 0.25})
    b.lines["0/forward"]["i_t"][1, 0, 2] += 0.1
    assert sentences(a, b)[1].startswith("the line itself is off by 0.1 when recomputed")


@pytest.mark.few(0)
def test_a_page_is_called_what_sets_the_two_apart(tmp_path: Path) -> None:
    for name, both in (("one", False), ("two", True)):
        pair({}, both)[0].save(tmp_path / f"{name}.json")
    cases = [
        ("one", ["c_t[2]=0"], "one.json, and one.json with c_t[2] held at 0"),
        (
            "one",
            ["1..2/0/h_t[0,3]=*0.5"],
            "one.json, and one.json with 1..2/0/h_t[0,3] held at 0.5 times its own value",
        ),
        ("two", ["forward/c_t[2]=1"], "two.json, and two.json with 0/forward/c_t[2] held at 1"),
        ("one", [f"c_t[{k}]={k}" for k in range(4)], "c_t[0] held at 0, c_t[1] held at 1, c_t[2] held at 2, …"),
    ]
    for name, holds, expected in cases:
        path, page = str(tmp_path / f"{name}.json"), tmp_path / "d.html"
        options = [part for hold in holds for part in ("--hold", hold)]
        done = CliRunner().invoke(main, ["diff", path, path, *options, "-o", str(page)])
        assert done.exit_code == 1, done.output
        text = page.read_text()
        assert f"{expected}</h1>" in text
        assert "<title>Difference of " in text


def test_a_sequence_is_named_where_there_are_several() -> None:
    a, b = pair({"3/1/c_t[2]": 5.0})
    text = lt.diff(a, b).report()
    assert re.search(r"\| unit 3 of 0/forward \|.*\| t = 5 \(sequence 1\) \| t = 5 \(sequence 1\) \|", text)
    assert "| t = 3 (sequence 1) | t = 3 (sequence 1) |" in text
    weights, cell = model()
    x = np.random.default_rng(2).normal(size=(T, I))
    one, two = (lt.run(weights, x, cell=cell, **more) for more in ({}, {"hold": {"c_t[2]": 5.0}}))
    assert "sequence" not in lt.diff(one, two).report()


@pytest.mark.few(1)
@pytest.mark.parametrize("line", ["c_t", "h_t"])
@pytest.mark.parametrize("both", [False, True])
def test_the_unit_that_differs_most_is_none_that_is_held(both: bool, line: str) -> None:
    a, b = pair({f"forward/2/0/{line}[1]" if both else f"2/0/{line}[1]": 40.0}, both)
    found = lt.diff(a, b)
    assert found.units[0].unit == 1  # the table has it
    gaps, ranges = [], []
    for name in ("c_t", "h_t"):
        one, two = (trace.lines["0/forward"][name] for trace in (a, b))
        each = np.concatenate([one, two])
        gaps.append(np.abs(two - one).max(axis=(0, 1)))
        ranges.append(np.ptp(each, axis=(0, 1)))
    shares = np.where(np.arange(H) == 1, 0.0, np.max(np.array(gaps) / ranges, axis=0))
    free = next(one for one in found.units if not one.held)
    assert (free.scope, free.unit) == ("0/forward", shares.argmax())
    assert free.of_range == pytest.approx(shares.max(), rel=1e-12)


def test_where_no_other_unit_differs_the_sentence_says_so() -> None:
    a, b = pair({f"{T - 1}/c_t[1]": 0.5})
    said = sentences(a, b)
    assert f"1 of {H} units differs by more than 1\u00a0% of its range" in said
    assert "every unit that differs is held" in said


def test_a_unit_whose_gate_is_held_is_not_held() -> None:
    a, b = pair({"f_t[1]": 0.0}, c0=np.full((1, B, H), 9.0))
    first = lt.diff(a, b).units[0]
    assert (first.unit, first.held) == (1, False)
