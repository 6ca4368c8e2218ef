"""A problem that counts from 1 is counted so wherever a person reads; data count from 0, and have both."""

from __future__ import annotations

import html
import io
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.documents.result import Result
from lstm_trace.errors import FileError
from lstm_trace.frames.terminal import ValueTable
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ..support.given import read_external

PROBLEM = """
title: Three words
cell: lstm
weights:
  {W_xi: [[1, -0.5, 0.5], [0.5, 1, -1]], W_hi: [[0.5, 0], [-0.5, 1]], b_i: [0.5, 0],
   W_xf: [[0.5, 1, 0], [-0.5, 0.5, 1]], W_hf: [[0, -0.5], [1, 0.5]], b_f: [1, 0.5],
   W_xc: [[2, -1, 0.5], [-1, 1.5, -0.5]], W_hc: [[-0.5, 1], [0, 0.5]], b_c: [0, -0.5],
   W_xo: [[1, 0.5, -0.5], [0.5, 1, 0]], W_ho: [[1, 0], [0.5, -0.5]], b_o: [0.5, 0],
   W_hy: [[-1.5, 2], [2.5, -1], [0.5, 1.5]], b_y: [0.5, 0, -0.5]}
extra: |
  input: target_t
  y_t = W_hy @ h_t + b_y
  L = cross_entropy(y_t, target_t)
x: [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
given: {target_t: [[0, 1, 0], [0, 0, 1], [1, 0, 0]]}
names: {t: [I, like, it]}
"""
WORDS = ("I", "like", "it")
#: Slashed addresses count from 0 in either problem.
CELL, LOSS = "2/c_t[1]", "2/L"


@cache
def traced(first: int, forget: float = 0.5) -> Trace:
    problem = yaml.safe_load(PROBLEM) | {"count_from": first}
    problem["weights"]["b_f"] = [1, forget]
    return lt.run(problem)


def called(first: int, t: int, j: int | None = None, line: str = "c") -> str:
    """The address of a value at the step t, from 0, as a person reads it."""
    unit = "" if j is None else f"[{j + first}]"
    if first:
        return f"{line}_{t + first}{unit}"
    return f"0/forward/{t}/0/{line}{'' if line == 'L' else '_t'}{unit or '[0]'}"


def page(result: Any) -> str:
    """What a notebook displays, as text."""
    text = re.sub(r"<style.*?</style>|<svg.*?</svg>", "", result._repr_html_(), flags=re.DOTALL)
    text = re.sub(r"</(?:td|th)>", " | ", text)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", text)).split())


def ticks(result: Result) -> list[str]:
    """The numbers and labels below the x axis of a picture."""
    figure = result.plot()
    texts = [re.sub("<[^>]+>", "", text) for text in re.findall(r"<text[^>]*>(.*?)</text>", figure.svg())]
    return texts[texts.index("t") + 1 :]


@pytest.fixture(params=[0, 1])
def first(request: pytest.FixtureRequest) -> int:
    return int(request.param)


def columns(text: str, head: str) -> list[str]:
    """The first column of the table in Markdown that begins with a head."""
    lines = text[text.index(f"| {head} ") :].splitlines()
    rows = [line.split("|")[1].strip() for line in lines[2:] if line.startswith("|")]
    return rows[: next((k for k, line in enumerate(lines[2:]) if not line.startswith("|")), len(rows))]


def test_memory(first: int) -> None:
    found = lt.explain.memory(traced(first), CELL)
    one, two, three = (str(t + first) for t in range(3))
    text = str(found.report("md"))
    assert text.startswith(f"# Memory of {called(first, 2, 1)}\n")
    assert f"comes from step {one} (‘I’)" in text
    assert columns(re.sub(" +", " ", text), "step") == ["", one, two, three]
    assert f"step {one} (‘I’)" in found.plot().caption
    assert f"unit {1 + first}, step t = {three} (‘it’)" in found.plot().title
    assert ticks(found)[1:7] == [one, two, three, *WORDS]
    shown = page(found)
    assert f"Memory of {called(first, 2, 1)}" in shown
    assert f"| {one} | I | i_t * c_tilde" in shown
    frame = found.to_frame()
    assert frame["t"].tolist()[1:] == [0, 1, 2]
    assert frame["step"].tolist()[1:] == [first, 1 + first, 2 + first]
    assert [row["step"] for row in json.loads(found.as_json())["rows"]][1:] == [first, 1 + first, 2 + first]


def test_contribution(first: int) -> None:
    found = lt.explain.contribution(traced(first), LOSS)
    text = re.sub(" +", " ", str(found.report("md")))
    assert text.startswith(f"# Contributions to {called(first, 2, line='L')}\n")
    assert f"the step that contributed most is t = {2 + first} (‘it’)" in text
    assert f"occlusion: the value changes most without step t = {first} (‘I’)" in text
    assert columns(text, "t") == [str(t + first) for t in range(3)]
    assert columns(text, "address")[0] == (f"x_{2 + first}[{2 + first}]" if first else "2/0/x_t[2]")
    assert ticks(found)[:6] == [str(t + first) for t in range(3)] + [*WORDS]
    row = found.to_frame().iloc[0]
    assert (row["address"], row["t"], row["unit"]) == ("2/0/x_t[2]", 2, 2)
    assert ("step" in row) == ("unit_name" in row) == bool(first)
    assert not first or (row["step"], row["unit_name"]) == (3, "3")
    (steps,) = (part for part in json.loads(found.as_json())["more"] if part["title"] == "By step")
    assert [(one["t"], one.get("step", one["t"])) for one in steps["rows"]] == [(t, t + first) for t in range(3)]
    read = pd.read_csv(io.StringIO("".join(found.pieces("csv"))))
    assert [*read.columns] == [*found.to_frame().columns]


def test_a_sum_names_each_term_as_printed(first: int) -> None:
    told = lt.explain.contribution(traced(first), "2/c_t[1] - 1/c_t[0]", occlusion="none")
    assert str(told.report("md")).startswith(f"# Contributions to {called(first, 2, 1)} - {called(first, 1, 0)}\n")


def test_gradient(first: int) -> None:
    found = lt.explain.gradient(traced(first), of=LOSS)
    assert f"step t = {2 + first}" in str(found.report("md"))
    assert f"Gradient of {called(first, 2, line='L')}" in page(found)
    assert f"| {'W_xc' if first else '0/forward/W_xc'} |" in page(found)
    assert ticks(found)[:3] == [str(t + first) for t in range(3)]
    assert "0/forward/2/0/c_t[1]" in found.to_frame()["address"].tolist()


def test_gates(first: int) -> None:
    found = lt.explain.gates(traced(first))
    text = re.sub(" +", " ", str(found.report("md")))
    assert f"half-life 1.9 (unit {1 + first}) to 3.35 steps (unit {first})" in text
    assert f"| f_t | {first} | 0.816014 | 3.35415 |\n| f_t | {1 + first} | 0.711916 |" in text
    row = found.to_frame().iloc[1]
    assert row["unit"] == 1
    assert row.get("unit_name") == ("2" if first else None)


@pytest.mark.parametrize("over", ["units", "steps"])
def test_ablation(over: Any, first: int) -> None:
    found = lt.explain.ablation(traced(first), LOSS, over=over)
    text = re.sub(" +", " ", str(found.report("md")))
    assert text.startswith(f"# Ablation of {called(first, 2, line='L')}\n")
    held = {
        ("units", 0): "0/forward/c_t[0]", ("units", 1): "c_t[1]",
        ("steps", 0): "0/forward/2/0/c_t", ("steps", 1): "c_3",
    }  # fmt: skip
    assert f"caused by holding {held[over, first]}\n" in text
    numbers = columns(text, "unit" if over == "units" else "t")
    assert numbers == [str(n + first) for n in ((0, 1) if over == "units" else (2, 0, 1))]
    row = found.to_frame().iloc[0]
    assert row.get("unit_name" if over == "units" else "step") == ({"units": "1", "steps": 3}[over] if first else None)
    window = lt.explain.ablation(traced(first), LOSS, only="0..1/c_t")
    assert f"at steps {first} to {1 + first}" in str(window.report("md"))


def test_padding_and_training(first: int) -> None:
    text = re.sub(" +", " ", lt.explain.padding(traced(first)).report("md"))
    assert f"| {first} | 3 | 0 | {first}–{2 + first} |" in text
    trained = lt.explain.training(traced(first), "L")
    assert f"| {'W_hy[1,1]' if first else '0/forward/W_hy[0,0]'} |" in page(trained)
    assert trained.to_frame()["address"][0] == "0/forward/W_xi[0,0]"


def test_difference(first: int) -> None:
    a, b = traced(first), traced(first, 0.75)
    found = lt.diff(a, b)
    text, output = re.sub(" +", " ", str(found.report("md"))), called(first, 1, line="L")
    begin = "z_f_1[2]" if first else "0/forward/0/0/z_f[1]"
    assert f"first at {begin} (in computing order; step {first} is ‘I’)" in text
    assert f"output: {output} changes most" in text
    assert f"| {'b_f[2]' if first else '0/forward/b_f[1]'} | 0.5 | 0.75 |" in text
    unit = "unit 2" if first else "unit 1 of 0/forward"
    assert re.search(rf"\| {unit} \| h_t \| -0.0169 \| 5.86\s% \| t = {1 + first} ‘like’ \|", text)
    assert "| " + " | ".join(f"{t + first} {word}" for t, word in enumerate(WORDS)) + " |" in text
    assert "count from" not in text
    assert ticks(found)[:6] == [str(t + first) for t in range(3)] + [*WORDS]
    assert f"first at {begin};" in repr(found)
    one = json.loads(found.as_json())["units"][0]
    assert (one["unit"], one["t"]) == (1, 1)
    assert (one.get("unit_name"), one.get("step")) == (("2", 2) if first else (None, None))
    assert found.to_frame()["t"].tolist()[0] == 0
    assert ("step" in found.to_frame()) == bool(first)
    counted = lt.diff(a, traced(1 - first))
    (note,) = counted.notes
    assert note == f"b counts steps and units from {1 - first}; here they are counted from {first}, as in a"


def test_verify(first: int) -> None:
    found = lt.verify(traced(first).with_values({"1/c_t[1]": 0.5}))
    assert f"- failed: {called(first, 1, 1)}\n" in str(found.report("md"))
    assert f"first {called(first, 1, 1)};" in repr(found)
    assert f"{called(first, 1, 1)} | add | 0.5 |" in page(found)
    assert [str(one.address) for one in found.failures] == ["0/forward/1/0/c_t[1]"]
    assert json.loads(found.as_json())["failures"][0]["address"] == "0/forward/1/0/c_t[1]"


def test_what_is_not_finite(first: int) -> None:
    trace = traced(first).with_values({"1/c_t[1]": float("nan")})
    assert f"{called(first, 1, 1)} is nan" in str(lt.explain.gates(trace).report("md"))
    output = traced(first).with_values({"1/h_t[0]": float("nan")})
    assert f"the output first at t = {1 + first}" in str(lt.explain.gates(output).report("md"))


def test_one_value(first: int) -> None:
    found = lt.derivation(traced(first), CELL)
    text = str(found.report("md"))
    assert text.startswith(f"# {called(first, 2, 1)}\n")
    assert f"step t = {2 + first} (‘it’), unit {1 + first}" in text
    operand = "f_t * c_prev_3[2]" if first else "0/forward/2/0/f_t * c_prev[1]"
    assert f" {operand} " in text
    assert found.address == "0/forward/2/0/c_t[1]"
    assert repr(found).startswith(f"<ValueDerivation {called(first, 2, 1)}: ")


def test_values_in_the_terminal(first: int) -> None:
    found = ValueTable(traced(first), Selection(only=("c_t",)))
    _, head, _, *rows = str(found).splitlines()
    assert head.split() == ["step" if first else "t", "token", "line", f"[{first}]", f"[{1 + first}]"]
    assert [row.split()[:2] for row in rows] == [[str(t + first), word] for t, word in enumerate(WORDS)]
    one = found.facts()["rows"][1]
    assert (one["t"], one["step"], one["unit"], one["unit_names"]) == (1, 1 + first, 0, ["1", "2"] if first else None)


def test_workbook(first: int, tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(f"{PROBLEM}count_from: {first}\n")
    assert CliRunner().invoke(main, ["export", f"{tmp_path}/p.yaml", "-o", f"{tmp_path}/x.xlsx"]).exit_code == 0
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    sheet = book["Layer 0 forward"]
    heads = [str(cell.value) for cell in sheet[5] if cell.value is not None]
    assert heads[: 4 + first] == ["row", "t", *["step"] * first, "token", f"[{first}]"]
    assert f"[{3 + first}]" not in heads
    assert [sheet.cell(6 + t, 2 + first).value for t in range(3)] == [first, 1 + first, 2 + first]
    assert f"; steps {first} to {2 + first} of 3;" in book["Read me"]["A2"].value
    told = " ".join(str(cell.value) for row in book["Read me"].iter_rows() for cell in row)
    assert ("Units and the columns named step count from 1" in told) == bool(first)
    assert ("Units, steps, rows and layers count from 0" in told) != bool(first)


@pytest.mark.parametrize(
    ("row", "place"),
    [
        ("t,unit\n1,0", (1, 0)), ("step,unit_name\n{1},{0}", (1, 0)), ("step,unit\n{2},1", (2, 1)),
        ("t,unit_name\n0,{1}", (0, 1)), ("t,step,unit,unit_name\n2,{2},0,{0}", (2, 0)),
    ],
)  # fmt: skip
def test_values_of_another_program_are_read_by_the_name_of_the_column(
    row: str, place: tuple[int, int], first: int, tmp_path: Path
) -> None:
    head, cells = row.format(*(n + first for n in range(3))).split("\n")
    (tmp_path / "port.csv").write_text(f"line,{head},value\nc_t,{cells},0.25\n")
    found, _ = read_external(tmp_path / "port.csv", traced(first))
    changed = (found["c_t"] != traced(first)["c_t"])[:, 0]
    assert [tuple(map(int, at)) for at in zip(*changed.nonzero(), strict=True)] == [place]


def test_what_another_program_cannot_mean(first: int, tmp_path: Path) -> None:
    for cells, message in (
        (f"{3 + first},{first}", f"row 2: step {3 + first} does not exist; c_t has {first} to {2 + first}"),
        (f"{first},{2 + first}", f"row 2: c_t has no unit_name '{2 + first}'; it has {first}, {1 + first}"),
    ):
        (tmp_path / "port.csv").write_text(f"line,step,unit_name,value\nc_t,{cells},1\n")
        with pytest.raises(FileError, match=re.escape(message)):
            read_external(tmp_path / "port.csv", traced(first))
