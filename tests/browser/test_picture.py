"""The pages of pictures: a field says its value, a clicked row is drawn, the text is text; nothing is fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

import lstm_trace as lt
from lstm_trace.documents.result import Result
from lstm_trace.report.diagram.diagram import diagram
from lstm_trace.results.divergence import compared
from lstm_trace.results.explanation import explanation

from ..report.test_diagram import PICTURES, pictured
from ..support.every_cell import CELLS, ran
from ..support.pictures import lstm
from .chromium import Browser

LABELS = ("the", " cat", "\n", "<b>", "中文", "မြန်")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("pictures")
    trace = lstm(6, 3, labels=LABELS)
    trace.plot.states().save(found / "states.html")
    trace.plot.text(unit=[0, 1]).save(found / "text.html")
    trace.plot.weights().save(found / "weights.html")
    trace.plot.diff(lstm(6, 3, seed=6)).save(found / "diff.html")
    return found


@pytest.mark.parametrize("name", ["states", "text", "weights", "diff"])
def test_quiet_and_alone(driver: Browser, folder: Path, name: str) -> None:
    driver.requests.clear()
    driver.complaints.clear()
    for width in (1280, 390):
        driver.open(folder / f"{name}.html", width)
        assert driver.run("document.documentElement.scrollWidth") <= width
    assert {url for url in driver.requests if not url.startswith("data:")} == {(folder / f"{name}.html").as_uri()}
    assert driver.complaints == []


#: Point at step 4 of unit 1 of the second map, f_t, and click.
POINT = """
const image = document.querySelectorAll("image.heat")[1], box = image.getBoundingClientRect();
const at = {bubbles: true, clientX: box.left + box.width * 4.5 / 6, clientY: box.top + box.height * 1.5 / 3};
image.dispatchEvent(new PointerEvent("pointermove", at));
image.dispatchEvent(new MouseEvent("click", at));
const below = document.querySelector(".trajectory");
return [document.querySelector(".pointed").textContent, below.hidden, below.querySelector("p").textContent,
        below.querySelectorAll("path.round").length];
"""


def test_a_field_says_its_value_and_a_row_its_unit(driver: Browser, folder: Path) -> None:
    driver.open(folder / "states.html", 1280)
    driver.wait_for("document.querySelector('image.heat[tabindex]')")  # the images have been read
    told, hidden, whose, curves = driver.run(f"(() => {{{POINT}}})()")
    value = lstm(6, 3)["f_t"][4, 0, 1]
    assert told.startswith("f_t, unit 1, t = 4 (‘中文’): ")
    assert float(told.rpartition(": ")[2]) == pytest.approx(value, abs=0.5 / 253 + 5e-4)
    assert (hidden, whose, curves) == (False, "unit 1", 5)


def test_the_unit_is_shown_in_view_with_the_steps_and_can_be_closed(driver: Browser, folder: Path) -> None:
    for width in (1280, 390):
        driver.open(folder / "states.html", width)
        driver.wait_for("document.querySelector('image.heat[tabindex]')")
        driver.run(f"(() => {{{POINT}}})()")
        top, bottom, high, row = driver.run(
            "(() => { const box = document.querySelector('.trajectory').getBoundingClientRect();"
            "const map = document.querySelectorAll('image.heat')[1].getBoundingClientRect();"
            "return [box.top, box.bottom, innerHeight, map.top + map.height / 2]; })()"
        )
        assert 0 <= row < top < bottom <= high + 1  # the row that was clicked is still seen above it
        steps = driver.run("[...document.querySelectorAll('.trajectory .step')].map((one) => one.textContent)")
        assert steps == ["the", "␣cat", "↵", "<b>", "中文", "မြန်"]
        assert driver.run("document.querySelectorAll('.trajectory .label .m').length") == 5  # as mathematics
        driver.run("document.querySelector('.trajectory button').click()")
        assert driver.run("document.querySelector('.trajectory').hidden") is True


def test_what_is_wider_than_the_screen_says_so(driver: Browser, folder: Path) -> None:
    shown = "getComputedStyle(document.querySelector('.sideways')).display"
    for name in ("states", "weights", "diff"):
        driver.open(folder / f"{name}.html", 1280)
        assert driver.run(shown) == "none"
        driver.open(folder / f"{name}.html", 390)
        assert driver.run(shown) == "block"
        assert driver.run(
            "(() => { const box = document.querySelector('.scroll'); return box.scrollWidth > box.clientWidth; })()"
        )


@pytest.mark.parametrize("how", ["contribution", "gates", "diff"])
def test_a_table_that_is_wider_than_the_screen_says_so(driver: Browser, tmp_path: Path, how: str) -> None:
    """Of explanations and comparisons, whose tables and pictures scroll; what fits says nothing, none says it twice."""
    page, of, trace = tmp_path / "page.html", None if how == "gates" else "5/h_t[1]", lstm(6, 3, labels=LABELS)
    if how == "diff":
        found: Result = compared(trace, lt.run(trace.parameters["0/forward"], trace.x + 0.5))
    else:
        found = explanation(trace, of, how)
    page.write_text(found.report("html"), encoding="utf-8")
    for width in (390, 1280, 390):
        driver.open(page, width)
        driver.run("requestAnimationFrame(() => requestAnimationFrame(() => { window.drawn = true; }))")
        driver.wait_for("window.drawn")
        told = driver.run(
            "[...document.querySelectorAll('.scroll')].map((box) => [box.scrollWidth > box.clientWidth + 1, "
            "box.previousElementSibling?.matches('.sideways') && "
            "getComputedStyle(box.previousElementSibling).display !== 'none'])"
        )
        assert [bool(said) for _, said in told] == [wider for wider, _ in told]
        assert any(wider for wider, _ in told) == (width == 390)
    assert "Wider than the screen" in driver.run("document.querySelector('.sideways').textContent")


def test_the_text_can_be_selected(driver: Browser, folder: Path) -> None:
    driver.open(folder / "text.html", 1280)
    text = driver.run("document.querySelector('.tokens').textContent")
    assert text.replace("↵", "") == "".join(LABELS)


#: Of each colour class the colours of its curves and of its points, and all that is painted black.
PAINTED = """(() => {
  const found = {}, black = [];
  for (const one of document.querySelectorAll(".lstm-plot :is(path, circle, rect)")) {
    const { fill, stroke } = getComputedStyle(one), kind = one.getAttribute("class");
    const own = one.matches("path") ? stroke : fill;
    if ([fill, stroke].includes("rgb(0, 0, 0)")) black.push(kind);
    if (/^c\\d/.test(kind)) ((found[kind] ??= {})[one.tagName] ??= new Set()).add(own);
  }
  const listed = (by) => Object.entries(by).map(([tag, all]) => [tag, [...all]]);
  return [Object.entries(found).map(([kind, by]) => [kind, listed(by)]), black];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_each_point_has_the_colour_of_its_line(driver: Browser, tmp_path: Path, dark: bool) -> None:
    """Of every line of every named cell with each of its options; nothing has the default, black."""
    page, pictures = tmp_path / "page.html", []
    for name in CELLS:
        trace = ran(name)
        lines = [line.name for line in trace.stages[0].lines if line.assigned]
        pictures += [
            trace.plot.unit(0).svg(),
            *(trace.plot.unit(0, lines=lines[k : k + 8]).svg() for k in range(0, len(lines), 8)),
        ]
    pictures.append(ran("lstm").plot.memory("2/c_t[0]").svg())
    page.write_text("<!doctype html><meta charset=utf-8>" + "".join(pictures), encoding="utf-8")
    driver.open(page, dark=dark)
    found, black = driver.run(PAINTED)
    assert black == []
    colours = dict(found)
    assert {f"c{k}" for k in range(8)} <= set(colours)
    for kind, by in colours.items():
        assert len({colour for _, all_ in by for colour in all_}) == 1, (kind, by)
    assert all({"path", "circle"} <= {tag for tag, _ in colours[f"c{k}"]} for k in range(8))
    assert len({by[0][1][0] for kind, by in colours.items() if kind in {f"c{k}" for k in range(8)}}) == 8


#: What stands within the boxes of pictures of cells: the texts that leave theirs, and by how many pixels.
OUTSIDE = """[...document.querySelectorAll(".cell :is(.box, .circle, .source, .sink) > rect")].flatMap((rect) => {
  const box = rect.getBBox(), { spot } = rect.parentNode.dataset, svg = rect.closest("svg");
  const values = [...svg.querySelectorAll("g.tip")].filter((one) => one.dataset.spot === spot);
  return [...rect.parentNode.querySelectorAll("text"), ...values.flatMap((one) => [...one.querySelectorAll("text")])]
    .filter((text) => text.textContent && !text.matches(".circle .label, .out")) // what stands above it or below
    .map((text) => [text, text.getBBox()])
    .map(([text, at]) => [text.textContent, Math.min(at.x - box.x, box.x + box.width - at.x - at.width)])
    .filter(([, free]) => free < 2);
})"""


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_leaves_its_box(driver: Browser, tmp_path: Path, name: str) -> None:
    trace, page = pictured(name), tmp_path / "page.html"
    drawn = "".join(diagram(trace, t=trace.steps - 1, language=language) for language in ("en", "de", "zh"))
    page.write_text(f"<!doctype html><meta charset=utf-8>{drawn}", encoding="utf-8")
    driver.open(page)
    assert driver.run("document.querySelectorAll('.cell text').length") > 20
    assert driver.run(OUTSIDE) == []
