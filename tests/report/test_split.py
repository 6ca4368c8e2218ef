"""The worked solution of a split: its lines in full, its symbols, its shares, every format, both ways to write it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split
from lstm_trace.cli import main
from lstm_trace.engine.run import rerun
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.results import last
from ..support.table_cases import stacked
from .test_backward import every

PROBLEM = str(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")
OF = "2/h_t[0]"
EIGHT = ("--digits", "8", "--trim", "--count-from", "0")

HEAD = """\
Split of h_t[0]
═══════════════

L is the value h_t[0] (step t = 2). It is 0.19229846 here and 0 in the baseline,
so that ΔL = 0.19229846 - 0 = 0.19229846.
"""
#: Each worked out by hand to the digits that are shown, from the values of both traces at step 2.
LINES = """\
  tanh(c_t) ≈ [0.38459692, 0.54283695]   tanh(c_t⁰) = [0, 0]
  ΔL/Δtanh(c_t) = 0.5 ΔL/Δh_t ⊙ (o_t + o_t⁰)
    unit 0 (bright): (1.0)(0.5)(0.5 + 0.5) = 0.5
  ΔL/Δc_t = ΔL/Δtanh(c_t) ⊙ slope_tanh(c_t, c_t⁰)
    unit 0 (bright): (0.5)(0.94858341) ≈ 0.47429171
  ΔL/Δz_o = ΔL/Δo_t ⊙ slope_σ(z_o, z_o⁰)
    unit 0 (bright): (0.19229846)(0.25) ≈ 0.04807462
  ΔL/Δx_t = W_xiᵀ ΔL/Δz_i + W_xfᵀ ΔL/Δz_f + W_xcᵀ ΔL/Δz_c + W_xoᵀ ΔL/Δz_o
  ΔL/Δc_t = ΔL/Δtanh(c_t) ⊙ slope_tanh(c_t, c_t⁰) + ΔL/Δc_t|next
    ΔL/Δz = ΔL/Δv ⊙ slope_σ(z, z⁰)
  slope_tanh(a, b) = (tanh(a) - tanh(b)) / (a - b)
"""
SHARES = """\
Contributions
─────────────

The contribution of v is slope times difference, ΔL/Δv ⊙ (v - v⁰), added over
its entries. What is the same in both traces contributes nothing.

  x_t (step t = 0) = (0.14505147)(2 - 0) ≈ 0.29010295
  x_t (step t = 1) = (-0.04890224)(2 - 0) ≈ -0.09780449

  All contributions together ≈ 0.19229846
  ΔL = 0.19229846 - 0 = 0.19229846
"""


def three_steps() -> tuple[Trace, Trace]:
    trace = lt.run(PROBLEM, ask=[])
    return rerun(trace, x=np.zeros_like(trace.x)), trace


def worked(a: Trace, b: Trace, of: str, **options: object) -> str:
    return lt.secants(a, b, of).report("text", alone="back", **{"digits": 8, "trim": True, "count_from": 0, **options})


def test_three_steps_read_as_a_solution() -> None:
    text = worked(*three_steps(), OF)
    assert text.startswith(HEAD)
    for line in LINES.splitlines():
        assert f"\n{line}\n" in text, line
    assert text.endswith(SHARES)
    assert not re.search(r"base_|mean_|at_tanh|∂|gap\(|over\(|middle\(", text)


def test_slopes_are_what_their_definition_says() -> None:
    a, b = three_steps()
    text = worked(a, b, OF)
    found = re.findall(r"slope_tanh\(c_t, c_t⁰\)[^\n]*\n    unit 0 \(bright\): \([-\d.]+\)\(([\d.]+)\)", text)
    c, base = b["c_t"][::-1, 0, 0], a["c_t"][::-1, 0, 0]
    np.testing.assert_allclose([float(n) for n in found], (np.tanh(c) - np.tanh(base)) / (c - base), atol=1e-8)


def shares(text: str) -> list[float]:
    part = text.partition("\nContributions\n")[2].partition("\n  All contributions")[0]
    return [float(n) for n in re.findall(r"≈ (-?[\d.]+)$", part, re.MULTILINE)]


@pytest.mark.few(0)
@pytest.mark.parametrize("case", ["every", "stacked"])
def test_shares_are_those_of_the_split_and_add_up(case: str) -> None:
    if case == "every":
        a, b, of = every(0), every(1), "2/h_t[0]"
    else:
        b = stacked(lengths=[4, 2])
        a, of = rerun(b, x=0.5 * b.x), last(b)
        of = of.replace("/3/0/", "/1/1/")
    text, told = worked(a, b, of, digits=10, everything=True), split(a, b, of)
    here = [*told.parts.values()]
    assert sum(shares(text)) == pytest.approx(told.difference, abs=1e-7)
    expected = sorted([float(v.sum()) for k, v in told.parts.items() if k != "x" and v.any()]
                      + [float(v.sum()) for v in told.parts["x"] if v.any()])  # fmt: skip
    assert sorted(shares(text)) == pytest.approx(expected, abs=1e-8)
    assert len(here) > 4


@pytest.mark.few(0)
def test_a_mean_of_matrices_has_a_bar_where_they_differ() -> None:
    a, b = every(0), every(1)
    text = worked(a, b, OF)
    assert "ΔL/Δx_t = W̄ᵀ ΔL/Δa_t" in text
    assert "W̄ is the mean of W and W⁰." in text
    assert "slope_max shares a difference" in text
    assert "is the mean of W" not in worked(*three_steps(), OF)


@pytest.mark.few(0)
def test_what_no_equation_gives_is_said() -> None:
    a, b = three_steps()
    b.lines["0/forward"]["f_t"][1, 0, 0] += 0.1
    text = worked(a, b, OF)
    assert re.search(r"Values that differ from what their equations give ≈ -?0\.0\d+", text)
    assert "differ from what their equations" not in worked(*three_steps(), OF)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["every", "stacked", "three"])
@pytest.mark.parametrize("form", ["md", "tex", "typ", "html"])
def test_every_format_has_it(name: str, form: str) -> None:
    if name == "every":
        found = lt.secants(every(0), every(1), OF)
    elif name == "three":
        found = lt.secants(*three_steps(), OF)
    else:
        b = stacked(lengths=[4, 2])
        found = lt.secants(rerun(b, x=0.5 * b.x), b, last(b).replace("/3/0/", "/1/1/"))
    text = found.report(form)
    if form == "html":  # without addresses of numbers, and what its script computes with
        text = re.sub(r"<script.*?</script>|<[^>]*(title|data-\w+)=[^>]*>", "", text, flags=re.S)
    said = {"md": r"\frac{\Delta L}{\Delta", "tex": r"\frac{\Delta L}{\Delta", "typ": "frac(Δ L, Δ ", "html": ">Δ</mi>"}
    assert said[form] in text
    assert "base_" not in text
    assert "mean_" not in text
    assert "∂" not in text
    assert r"\partial" not in text


@pytest.mark.few(0)
def test_a_saved_split_reads_alike(tmp_path: Path) -> None:
    found = lt.secants(every(0), every(1), OF)
    found.save(tmp_path / "split.json")
    assert lt.load(tmp_path / "split.json").report("text") == found.report("text")


# -- the command line -------------------------------------------------------------------------------------------------


def run(*call: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, call)
    return done.exit_code, done.output


@pytest.mark.few(0)
@pytest.mark.parametrize("suffix", ["txt", "html", "tex", "typ", "pdf"])
def test_explain_writes_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"s.{suffix}"
    assert run("explain", "contribution", PROBLEM, "--of", OF, *EIGHT, "-o", str(path)) == (0, "")
    found = path.read_bytes()
    if suffix == "pdf":
        assert found.startswith(b"%PDF")
    elif suffix == "txt":
        assert found.decode().startswith(HEAD)
        shares, _, experiments = found.decode().partition("\nChecked by experiment\n")
        assert shares.endswith(SHARES)
        rows = [row.split() for row in experiments.splitlines()[-3:]]
        assert [row[0] for row in rows] == ["0", "1", "2"]
        for t, (*_, share, lost) in enumerate(rows):
            x = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 0.0]]) * (np.arange(3) != t)[:, None]
            without = lt.run(PROBLEM, x).output[2, 0]
            assert float(lost) == pytest.approx(0.19229846 - without, abs=1e-8)
            assert share == {0: "0.29010295", 1: "-0.09780449", 2: "0.0"}[t]
    else:
        assert "slope" in found.decode()


@pytest.mark.few(0)
def test_explain_takes_the_options_of_a_report(tmp_path: Path) -> None:
    call = ("explain", "contribution", PROBLEM, "--of", OF)
    code, text = run(*call, "--format", "text", "--language", "de", "--digits", "3", "--baseline", "zero-state")
    assert code == 0
    assert text.startswith("Aufteilung von h_t[1]\n")
    code, text = run(*call, "--detail", "vector")
    assert (code, text.count("\n")) == (2, 1)
    said = "--detail belongs to the worked steps of a split, and md has only its tables: choose --format text, html,"
    assert f"{said} tex, typ or pdf\n" in text
    code, text = run(*call, "--all", "--notation", "keras", "-o", "s.csv")
    assert code == 2
    assert "--notation, --all belong to the worked steps of a split, and csv has only its tables: choose" in text
    code, text = run(*call, "--by-hand", "2", "--format", "text")
    assert (code, text.count("\n")) == (2, 1)
    assert "--by-hand belongs to explain gradient and training, not to explain contribution" in text
    code, text = run(*call)
    assert code == 0
    assert text.startswith("# Contributions to h_3[1]\n")


@pytest.mark.few(0)
def test_diff_writes_it(tmp_path: Path) -> None:
    a, b = three_steps()
    a.save(tmp_path / "a.json")
    b.save(tmp_path / "b.json")
    call = ("diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    code, text = run(*call, "--attribute", OF, "--format", "text")
    assert code == 1  # they differ
    assert "It is 0.1923 here and 0 in the" in text.partition("\n\n")[2]
    assert text.endswith("ΔL = 0.1923 - 0 = 0.1923\n")
    assert run(*call, "--attribute", OF, "-o", str(tmp_path / "d.pdf"))[0] == 1
    assert (tmp_path / "d.pdf").read_bytes().startswith(b"%PDF")
    assert run(*call, "-o", str(tmp_path / "whole.pdf"))[0] == 1  # a comparison is a document too
    assert (tmp_path / "whole.pdf").read_bytes().startswith(b"%PDF")
