"""The notebooks of the documentation: their cells run, and what they show is what those give, in Jupyter too."""

from __future__ import annotations

import html
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from docs import notebook as kept

from .support.last_digits import same

FIRST, TOUR = kept.NOTEBOOKS
NOTEBOOKS = pytest.mark.parametrize("path", kept.NOTEBOOKS, ids=lambda path: path.stem)
#: What of an output is the same on every machine: not the last digits of `repr`, not a bitmap.
COMPARED = ("text/html", "text/markdown", "image/svg+xml")


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def outputs(cell: dict[str, Any]) -> list[dict[str, str]]:
    """What a cell shows, by media type."""
    found = []
    for output in cell["outputs"]:
        data = output.get("data") or {"stream": output["text"]}
        found.append({kind: "".join(text) for kind, text in data.items() if kind in (*COMPARED, "stream")})
    return found


def alike(cell: dict[str, Any], found: list[dict[str, str]], path: Path) -> bool:
    """Whether a cell shows this; the tour is in float32, and its last digits depend on the plan and the processor."""
    shown = outputs(cell)
    if path != TOUR:
        return shown == found
    return [list(one) for one in shown] == [list(one) for one in found] and all(
        same(other[kind], one[kind], 0.101 if "svg" in kind else 0.0101)  # coordinates, and tables of two decimals
        for one, other in zip(shown, found, strict=True)
        for kind in one
    )


@pytest.mark.few(0)
@NOTEBOOKS
def test_its_outputs_are_what_its_cells_give(path: Path) -> None:
    there = kept.read(path)
    for cell, again in zip(code(there), code(kept.run(there)), strict=True):
        assert alike(cell, outputs(again), path), f"{cell['source']}: make golden writes it again"


def test_it_shows_a_report_a_picture_and_tables() -> None:
    shown = [output for cell in code(kept.read(FIRST)) for output in outputs(cell)]
    assert any("<math" in output.get("text/html", "") for output in shown)
    assert any("lstm-plot" in output.get("image/svg+xml", "") for output in shown)
    assert sum("<table" in output.get("text/html", "") for output in shown) > 4
    assert FIRST.stat().st_size < 400_000


def test_the_tour_shows_what_its_page_shows() -> None:
    shown = "\n".join(text for cell in code(kept.read(TOUR)) for output in outputs(cell) for text in output.values())
    assert shown.count('class="lstm-plot"') == 4
    page = (TOUR.parent / "tour.md").read_text("utf-8")
    words = [line for line in page.splitlines() if line.startswith("ใน|")]
    assert len(words) == 3
    assert [line for line in shown.splitlines() if "|เ" in line and line.startswith("ใน|")] == words
    assert TOUR.stat().st_size < 200_000


@pytest.mark.few(1)
@NOTEBOOKS
def test_it_is_kept_as_jupyter_writes_it(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    text = path.read_text(encoding="utf-8")
    found = nbformat.reads(text, as_version=4)
    nbformat.validate(found)
    assert nbformat.writes(found).strip() == text.strip()


def in_jupyter(path: Path) -> Any:
    """A notebook run by Jupyter."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    nbclient.NotebookClient(notebook, timeout=120).execute()
    return notebook


@pytest.fixture(scope="module")
def executed() -> Any:
    """The first notebook run by Jupyter."""
    return in_jupyter(FIRST)


@pytest.mark.few(0)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@NOTEBOOKS
def test_jupyter_shows_the_same(path: Path, request: pytest.FixtureRequest) -> None:
    ran = request.getfixturevalue("executed") if path == FIRST else in_jupyter(path)
    for cell, again in zip(code(kept.read(path)), code(ran), strict=True):
        found = [dict(output.get("data") or {"stream": output["text"]}) for output in again["outputs"]]
        assert [sorted(data) for data in found] == [
            sorted(output.get("data") or {"stream"}) for output in cell["outputs"]
        ]
        assert alike(cell, [{k: v for k, v in data.items() if k in (*COMPARED, "stream")} for data in found], path)


@pytest.mark.few(0)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_nbconvert_shows_mathematics_and_no_source(executed: Any, tmp_path: Path) -> None:
    exporter = pytest.importorskip("nbconvert").HTMLExporter()
    page, _ = exporter.from_notebook_node(executed)
    (tmp_path / "notebook.html").write_text(page, encoding="utf-8")
    assert page.count("<math") > 60
    seen = re.sub(r'<pre class="untrusted">.*?</pre>|<style.*?</style>|<script.*?</script>', "", page, flags=re.S)
    text = html.unescape(re.sub(r"<[^>]*>", "", seen))
    for source in ("\\begin", "\\frac", "$$", "$`", "```", "<math", "&lt;"):
        assert source not in text, source
    assert "Input gate" in text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_as_latex_its_reports_are_mathematics(executed: Any) -> None:
    """Pandoc makes LaTeX of what is Markdown in the notebook."""
    config = pytest.importorskip("traitlets.config").Config(SVG2PDFPreprocessor={"enabled": False})  # needs Inkscape
    exporter = pytest.importorskip("nbconvert").LatexExporter(config=config)
    if shutil.which("pandoc") is None:
        pytest.skip("no pandoc here")
    text, _ = exporter.from_notebook_node(executed)
    assert text.count(r"\begin{aligned}") > 8
    assert r"\textbackslash begin" not in text
    assert "\\$\\$" not in text
