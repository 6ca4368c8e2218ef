"""Reports on paper: LaTeX that compiles, PDF without TeX, every printed number the same in all formats."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base import fonts
from lstm_trace.cli import main
from lstm_trace.documents import latex, typst
from lstm_trace.documents.blocks import Body, Items, Para
from lstm_trace.errors import OptionError
from lstm_trace.formulas.tex import TEX
from lstm_trace.formulas.tree import Quot, Sym, Transposed
from lstm_trace.formulas.user_tex import translated
from lstm_trace.languages.strings import words

from ..formulas.test_symbols import NAMES, OWN
from .test_report import GOLDEN, QUESTION_22, lstm, q22

pdflatex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")

NASTY = {
    "title": 'Evil \\input{x} 100% #1 & _a_ \\$x\\$ ~ ^ "q" -- *b* [c] <d> #panic() \\u{41} β é –',
    "cell": {
        "equations": """
        z_a = W_a @ x_t + clip(h_prev, 0.5, 1)
        score = sigmoid(z_a)
        other = score * z_a
        h_t = max(concat(other, h_prev)) + relu(h_prev)
        carry: h_prev <- h_t
        output: h_t
        """
    },
    "weights": {"W_a": [[0.5, 1.0]]},
    "x": [[1.0, -2.0], [0.5, 3]],
    "h0": [0.25],
    "symbols": {"score": r"s_{\hat{y}}^{(1)}", "other": r"\input{/etc/passwd}"},
    "names": {"x": ["a^b %", "c_d [x]"], "h": ['u\\1 "z" $']},
}


def floats(report: str) -> list[str]:
    """Every number with a point of the solution and what follows, as plain text."""
    body = re.split(r"Solution|Rechnung", report, maxsplit=1)[1]
    body = re.sub(r"\{0\.\d+\\linewidth\}", "", body).replace("stroke: 0.5pt", "").replace("{,}", ",").replace("−", "-")
    body = re.sub(r" (?:\\times|×) 10\^[{(](-?\d+)[})]", r"e\1", body)
    return re.findall(r"-?\d+[.,]\d+(?:e-?\d+)?", re.sub(r'"(-?\d+,\d+)"', r"\1", body))


def compiled(source: str, folder: Path) -> str:
    """The log of pdflatex."""
    (folder / "x.tex").write_text(source, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "x.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)  # noqa: S603
    log = (folder / "x.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    return log


@pytest.mark.parametrize("format", ["tex", "typ"])
def test_question_22_as_a_whole(format: str) -> None:
    path = GOLDEN / f"report_q22.{format}"
    assert q22().report(format) == path.read_text(encoding="utf-8")


@pytest.mark.few(0)
@pytest.mark.parametrize(
    "options",
    [
        {"detail": "compact"},
        {"detail": "scalar", "digits": 12},
        {"detail": "vector", "significant": 3},
        {"detail": "scalar", "decimal_comma": True, "language": "de"},
        {"detail": "scalar", "notation": "joined"},
        {"detail": "vector", "notation": "keras"},
    ],
)
def test_every_number_is_that_of_the_markdown(options: dict[str, Any]) -> None:
    """tests/test_report.py reads the Markdown report back to the trace."""
    trace = lstm(steps=2)
    expected = floats(trace.report("md", **options))
    assert len(expected) > 50
    for format in ("tex", "typ", "text"):
        assert floats(trace.report(format, width=90, **options)) == expected, format  # so wide that no table is parted


def test_tiny_and_infinite_numbers() -> None:
    weights = {"W_xi": [[1e-9, 2.0]], "W_hi": [[0.5]]}
    trace = lt.run(weights, [3e-5, 1e-12], ask="z_i", h0=[0.0])
    assert r"2.03000000 \times 10^{-12}" in trace.report("tex", digits=8)
    assert "2.03000000 × 10^(-12)" in trace.report("typ", digits=8)
    trace = lt.run(weights, [float("inf"), 1.0], ask="z_i", h0=[0.0], allow_nonfinite=True)
    assert r"\infty" in trace.report("tex")
    assert "∞" in trace.report("typ")


# -- LaTeX ------------------------------------------------------------------------------------------------------------


@pdflatex
def test_latex_compiles_and_fits(tmp_path: Path) -> None:
    log = compiled(lstm().report("tex"), tmp_path)
    assert "Overfull" not in log


@pdflatex
def test_latex_of_any_text_compiles(tmp_path: Path) -> None:
    compiled(lt.run(NASTY).report("tex", decimal_comma=True), tmp_path)


def test_latex_is_plain_and_escaped() -> None:
    source = lt.run(NASTY).report("tex", detail="scalar")
    packages = re.findall(r"\\usepackage(?:\[[^]]*\])?\{(\w+)\}", source)
    assert set(packages) <= {"amsmath", "geometry", "inputenc", "fontenc", "lmodern"}
    assert r"\input" not in source.replace(r"\textbackslash{}input", "")
    assert r"Evil \textbackslash{}input\{x\} 100\% \#1 \& \_a\_ \$x\$" in source
    assert r"s_{\hat{y}}^{(1)}" in source
    assert r"\allowdisplaybreaks" in source
    assert r"\mathrm{other}" in source  # its symbol has a command of TeX, so it is printed by its name


def test_latex_names_what_chinese_needs() -> None:
    source = q22().report("tex", language="zh")
    assert r"\usepackage[UTF8, scheme=plain]{ctex}" in source
    assert "xelatex" in source


# -- PDF --------------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("problem", [QUESTION_22, NASTY])
def test_pdf(problem: dict[str, Any], tmp_path: Path) -> None:
    pytest.importorskip("typst")
    trace = lt.run(problem)
    made = trace.pdf()
    assert made[:5] == b"%PDF-"
    assert made == trace.pdf()  # no date in it
    if shutil.which("pdftotext"):
        (tmp_path / "x.pdf").write_bytes(made)
        text = subprocess.check_output(["pdftotext", "-layout", "x.pdf", "-"], cwd=tmp_path).decode()  # noqa: S607
        shown = text.replace("−", "-").replace(" ", "")
        missing = [number for number in floats(trace.report("typ")) if number not in shown]
        assert not missing
        assert "1/" in shown  # page numbers


def test_pdf_on_the_command_line(tmp_path: Path) -> None:
    pytest.importorskip("typst")
    import yaml

    (tmp_path / "q.yaml").write_text(yaml.safe_dump(QUESTION_22))
    result = CliRunner().invoke(main, ["report", str(tmp_path / "q.yaml"), "-o", str(tmp_path / "q.pdf")])
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "q.pdf").read_bytes()[:5] == b"%PDF-"


def test_pdf_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "typst", None)
    with pytest.raises(OptionError, match=r"PDF needs the package typst, .* -m pip install 'typst>=0.14'"):
        q22().pdf()


def test_chinese_without_a_font_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    monkeypatch.setattr(fonts, "_without_font", lambda letters, named: [c for c in letters if c >= "\u4e00"])
    with pytest.raises(OptionError, match=r"this report has East Asian characters \(. . .*no font for them was found"):
        q22().pdf(language="zh")
    assert q22().pdf()[:5] == b"%PDF-"


def test_text_of_a_report_is_no_text_of_a_pdf() -> None:
    with pytest.raises(OptionError, match=r"trace\.pdf\(\)"):
        q22().report("pdf")


# -- symbols that an author wrote -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tex", "expected"),
    [
        (r"s_t", "s_t"),
        (r"\hat{y}_{t-1}", r"\hat{y}_{t-1}"),
        (r"\alpha_i^2", r"\alpha_i^{2}"),
        (r"\mathbf{w}'", r"\mathbf{w}^{\prime}"),
        (r"\input{x}", None),
        (r"a}", None),
        (r"{a", None),
        (r"\text{a b$}", None),
        (r"a_b_c", None),
        (r"\hat", None),
        ("a%b", None),
        ("{" * 50 + "a" + "}" * 50, None),
        (r"\hat" * 3000 + " a", None),
    ],
)
def test_own_symbols(tex: str, expected: str | None) -> None:
    assert translated(tex, TEX) == expected


def every_symbol() -> tuple[Para, dict[str, str]]:
    """Every name and every symbol of the tables, also within a fraction and with a power."""
    own = {f"own_{k}": tex for k, tex in enumerate(OWN)}
    names = [Sym(name) for name in (*own, *NAMES)]
    return Para((*names, *map(Transposed, names), *(Quot(name, names[0]) for name in names))), own


@pdflatex
def test_every_symbol_in_latex(tmp_path: Path) -> None:
    block, own = every_symbol()
    log = compiled(latex.render([Body((block,), own)]), tmp_path)
    assert "Missing character" not in log


@pytest.mark.parametrize("language", ["en", "de", "es", "fr", "zh"])
def test_latex_has_every_character_of_the_sentences(language: str) -> None:
    strings = words(language).table.values()
    assert "₂" in "".join(strings)
    assert "[U+" not in latex.render([Body((Items(tuple((text,) for text in strings)),), {})])


@pdflatex
def test_a_profile_in_latex(tmp_path: Path) -> None:
    source = lstm().report("tex", detail="profile")
    assert "as -log₂ k halvings" in source.replace("−", "-")
    assert r"\DeclareUnicodeCharacter{2082}{\ensuremath{{}_2}}" in source
    compiled(source, tmp_path)


def test_every_symbol_in_a_pdf() -> None:
    pytest.importorskip("typst")
    block, own = every_symbol()
    assert typst.pdf(typst.render([Body((block,), own)], "en"))[:5] == b"%PDF-"
