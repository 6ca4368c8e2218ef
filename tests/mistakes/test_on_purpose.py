"""What a report, a workbook and a notebook say of a run that has a mistake on purpose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from unicodedata import normalize
from zipfile import ZipFile

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.languages import languages
from lstm_trace.mistakes.seeding import mistakes_of, seeded
from lstm_trace.mistakes.trials import Candidate
from tests.mistakes.networks import NETWORKS
from tests.mistakes.test_seeding import run, sample

PROBLEM = "lstm_trace/examples/three-steps.yaml"


def report(key: str, format: str = "text", **options: Any) -> str:
    """The report of the example with a mistake."""
    return normalize("NFC", lt.run(PROBLEM, mistake=key).report(format, **options))  # type: ignore[arg-type]


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_mistake_is_found_again_in_its_trace(name: str, tmp_path: Path) -> None:
    """With its equations, from the header alone: those that the search rewrote."""
    trace, candidates = sample(name, 40)
    found = 0
    for candidate in candidates:
        try:
            wrong = seeded(trace, [str(candidate.mistakes[0])])
        except lt.OptionError:
            continue
        wrong.save(tmp_path / "w.json")
        again = mistakes_of(lt.load(tmp_path / "w.json"))
        assert again is not None, candidate.mistakes
        assert changes(again[0]) == changes(candidate), candidate.mistakes
        assert [one.cell.equations for one in again[1].stages] == [one.cell.equations for one in trace.stages]
        found += 1
    assert found > 10


def changes(candidate: Candidate) -> dict[str, Any]:
    """The rewritten equations of each stage."""
    every = {scope: program.changes for scope, program in candidate.programs.items() if program.changes}
    return {"mistakes": [str(one) for one in candidate.mistakes], **every}


@pytest.mark.few(7)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("format", ["text", "md", "html", "tex", "typ"])
def test_the_right_equation_stands_above_the_wrong_one(language: str, format: Any) -> None:
    found = report("exchange:f,i", format, language=language)
    assert "exchange:f,i" in found
    if format == "text":
        lines = [line for line in found.splitlines() if re.search("c_t = [fi]_t ⊙ c_{t-1}", line)]
        assert [line.partition("c_t =")[2] for line in lines[:2]] == [
            " f_t ⊙ c_{t-1} + i_t ⊙ c̃_t",
            " i_t ⊙ c_{t-1} + f_t ⊙ c̃_t",
        ]
    if format in ("md", "tex"):
        right, wrong = (found.find(rf"{a}_t \odot c_{{t-1}} + {b}_t \odot") for a, b in ("fi", "if"))
        assert 0 < right < wrong


def test_the_sentence_names_layer_and_key() -> None:
    rng = np.random.default_rng(0)
    weights = {f"{n}/forward/W_{k}{g}": rng.normal(size=(2, 2)).tolist() for n in (0, 1) for g in "ifco" for k in "xh"}
    problem = {"weights": weights, "x": [[1.0, 2.0]], "count_from": 1}
    found = lt.run(problem, mistake=["1/exchange:f,i", "function-lost:h_t"]).report("text")
    said = " ".join(found.split())
    assert (
        "This run has 2 mistakes on purpose: in layer 2 the port uses i_t and f_t in each other's place in c_t" in said
    )
    assert "(key 1/exchange:f,i, which counts layers from 0); the port " in said
    assert "(key function-lost:h_t)." in said
    assert "in layer 2:" in said


@pytest.mark.parametrize(
    ("key", "line", "absent"),
    [
        ("gate-late:c_t,i_t", "c_t = f_t ⊙ c_{t-1} + i_{t-1} ⊙ c̃_t", "late"),
        ("zoneout:c_t,0.15", "c_t = 0.15 c_{t-1} + (1 - 0.15) ⊙ (f_t ⊙ c_{t-1} + i_t ⊙ c̃_t)", "late"),
        ("not-cleared:z_f", "z_f = W_xf x_t + W_hf h_{t-1} + b_f + z_{f,t-1}", "late"),
        ("carry-late:carryh_prev,h_t", "ĥ_t = h_{t-1}", "1 h"),
        ("carry-scaled:carryc_prev,0.5", "ĉ_t = 0.5 c_t", "late"),
        ("stale-hidden:z_i", "z_i = W_xi x_t + W_hi h_{t-2} + b_i", "{1-2}"),
        ("term-not-at-first-step:z_i,b_i", "z_i = W_xi x_t + W_hi h_{t-1} + later_t ⊙ b_i", "one"),
        ("overflow:c_tilde,z_c,8", "c̃_t = where([z_c > 8], 0, tanh(z_c))", "where(0, z"),
    ],
)
def test_what_is_read_late_is_printed_as_what_it_is(key: str, line: str, absent: str) -> None:
    found = report(key, width=120)
    assert line in found.partition("Given")[0] or line in found.partition("Equations")[2].partition("Solution")[0]
    assert absent not in found.partition("\n  the model")[2]


def test_what_a_step_reads_is_not_called_as_the_state_that_the_step_before_computed() -> None:
    found = report("carry-scaled:carryc_prev,0.5")
    numbers = dict(re.findall(r"^  (ĉ_1|c_1) .*\n    unit 1 \(bright\): .* (\S+)$", found, re.M))
    assert numbers == {"c_1": "0.8491", "ĉ_1": "0.4246"}
    assert "ĉ_1 ≈ [0.4246, 0.0000]" in found.partition("Step t = 2")[2]
    assert "c_1 ≈" not in found.partition("Step t = 2")[2].partition("Gate")[0].replace("ĉ_1", "")


def test_what_is_kept_is_not_told_apart_where_what_is_written_keeps_too() -> None:
    """0.15 c + 0.85 (f c + i c̃) keeps more than 0.15."""
    assert "kept" not in report("zoneout:c_t,0.15").partition("In words")[2].replace("z_", "").partition("c_3")[2]
    with pytest.raises(lt.OptionError, match="is not a sum of"):
        lt.explain.memory(lt.run(PROBLEM, mistake="zoneout:c_t,0.15"), "c_3[1]")


def test_a_mistake_in_every_state_has_another_sentence_than_in_one() -> None:
    one, every = (report(f"never-updated:carry{state}").partition("(key")[0] for state in ("h_prev", "*"))
    assert "the port never updates h_prev" in " ".join(one.split())
    assert "the port never updates h_prev, and likewise in what becomes c_prev" in " ".join(every.split())


def test_workbook_and_overview_say_so(tmp_path: Path) -> None:
    trace = lt.run(PROBLEM, mistake="exchange:f,i")
    said = "his run has a mistake on purpose: the port uses i_t and f_t in each other's place"
    trace.save(tmp_path / "w.json")
    assert run("export", str(tmp_path / "w.json"), "-o", str(tmp_path / "w.xlsx")).exit_code == 0
    with ZipFile(tmp_path / "w.xlsx") as file:
        texts = [file.read(name).decode() for name in file.namelist() if "worksheets/sheet" in name]
    assert sum(f"T{said} in c_t (key exchange:f,i)." in text.replace("&apos;", "'") for text in texts) == 2
    assert said.replace("'", "&#x27;") in trace._repr_html_() or said in trace._repr_html_()


def test_a_header_that_its_equations_contradict_names_the_keys_alone(tmp_path: Path) -> None:
    lt.run(PROBLEM, mistake="exchange:f,i").save(tmp_path / "w.json")
    data = json.loads((tmp_path / "w.json").read_text(encoding="utf-8"))
    for change in (
        {"mistakes": ["exchange:f,o"]}, {"mistakes": ["no-such-thing"]}, {"replaced": {}},
        {"replaced": {"0/forward": {"c_t": "import os"}}}, {"replaced": {"0/forward": {"q_t": "c_t"}}},
    ):  # fmt: skip
        (tmp_path / "w.json").write_text(json.dumps({**data, **change}), encoding="utf-8")
        found = lt.load(tmp_path / "w.json").report("text")
        keys = change.get("mistakes", ["exchange:f,i"])
        assert f"This run has a mistake on purpose: {keys[0]}." in found
        assert "the model" not in found.partition("Given")[0]
