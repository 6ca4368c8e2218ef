"""The tab Compare: what it says of two runs is what the library computes; keys alone lead everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.languages.strings import words
from lstm_trace.results import comparison
from lstm_trace.results.difference import difference as difference_of
from lstm_trace.results.divergence import compared
from lstm_trace.verification.compare import Comparison, Tolerance

from ..contrast import TEXT, measured
from .conftest import Opening
from .filling import BY, CHANGED, STEPS, UNITS, inputs, kept, pair, weights

if TYPE_CHECKING:
    from playwright.sync_api import Page

FORGET = f"W_xf[{CHANGED[0]},{CHANGED[1]}]"


@pytest.fixture(scope="module")
def link(stored: dict[str, str]) -> str:
    return f"#compare?a=item:{stored['Before']}&b=item:{stored['After']}"


def number(text: str) -> float:
    return float(text.replace("−", "-").replace("≈", ""))


def pairs(page: Page, where: str) -> dict[str, float]:
    """The terms and numbers of a definition list."""
    rows = page.locator(f"{where} .pairs > div").all()
    return {row.locator("dt").inner_text(): number(row.locator("dd").inner_text()) for row in rows}


def sentences(found: Any, language: str) -> list[str]:
    """What the library says of a result, with minus signs."""
    spoken = words(language)
    said = comparison.sentences(found, spoken) if isinstance(found, Comparison) else found.sentences(spoken)
    return [re.sub(r"(^|[^\w.,])-(?=\d)", "\\1−", str(sentence)) for sentence in said]


def difference(line: str) -> Any:
    a, b = pair()
    return np.abs(b[line] - a[line])[:, 0]


def test_the_first_difference(opened: Opening, link: str) -> None:
    page = opened(link)
    a, b = pair()
    assert page.locator("#verdict").inner_text() == "≠ Different"
    assert page.locator(".first-address").inner_text() == "0/forward/0/0/W_xf @ x_t[1]"
    at = a["W_xf @ x_t"][0, 0, 1], b["W_xf @ x_t"][0, 0, 1]
    found = pairs(page, ".first")
    assert (found["A"], found["B"]) == at
    assert found["b − a"] == pytest.approx(at[1] - at[0], rel=1e-5)
    assert at[1] - at[0] == pytest.approx(BY * inputs()[0, CHANGED[1]])
    changed = page.locator(".verdict [role=status] table tbody tr").all_inner_texts()
    assert len(changed) == 1
    assert changed[0].startswith(f"0/forward/{FORGET}")
    said = page.locator(".verdict [role=status] li").all_inner_texts()
    assert said[0].startswith("different: first at 0/forward/0/0/W_xf @ x_t[1]")
    assert not any(text.startswith("input or weight") for text in said), "it is in the table"


def test_by_line_largest_differences(opened: Opening, link: str) -> None:
    page = opened(link)
    rows = page.locator(".by-line tbody tr").all()
    listed = {row.locator("code").inner_text(): row for row in rows}
    a, b = pair()
    differing = [name for name in a.lines["0/forward"] if np.any(a[name] != b[name])]
    assert list(listed) == differing  # in computing order, without those that are equal
    for name, row in listed.items():
        gap = difference(name)
        t, unit = np.unravel_index(gap.argmax(), gap.shape)
        assert number(row.locator("td").first.inner_text()) == pytest.approx(gap.max(), rel=6e-3)
        assert row.locator(".where").inner_text().startswith(f"step {t}, unit {unit}")
    page.get_by_label("without a difference").check()
    assert page.locator(".by-line tbody tr").count() == len(a.lines["0/forward"])


def test_the_map_by_keys(opened: Opening, link: str) -> None:
    page = opened(f"{link}&line=0/forward/c_t")
    gap = difference("c_t")
    field = page.locator(".map-field")
    t, unit = np.unravel_index(gap.argmax(), gap.shape)
    summary = f"Map of |b − a| for c_t, {STEPS} steps by {UNITS} units; largest"
    assert field.get_attribute("aria-label", timeout=5000).startswith(summary)  # type: ignore[union-attr]
    assert field.get_attribute("aria-label").endswith(f"at step {t}, unit {unit}")  # type: ignore[union-attr]
    field.focus()
    for keys, cell in (
        (("Control+Home",), (0, 0)),
        (("ArrowRight", "ArrowRight", "ArrowDown"), (2, 1)),
        (("End",), (STEPS - 1, 1)),
        (("ArrowRight", "PageDown"), (STEPS - 1, UNITS - 1)),
        (("Home", "ArrowUp", "ArrowRight"), (1, UNITS - 2)),
    ):
        for key in keys:
            page.keyboard.press(key)
        said = page.locator(".map [role=status]").inner_text()
        assert said.startswith(f"step {cell[0]}, unit {cell[1]}: |b − a| = ")
        assert number(said.rpartition("= ")[2]) == pytest.approx(gap[cell], rel=1e-5)
        assert page.locator(".map-readout").inner_text() == said
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"at=0/forward/1/0/c_t\[2\]"))
    assert page.locator(".chosen-address").inner_text() == "0/forward/1/0/c_t[2]"


def test_the_map_by_mouse(opened: Opening, link: str) -> None:
    page = opened(f"{link}&line=0/forward/h_t")
    gap = difference("h_t")
    box = page.locator(".map-canvas canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 5.5 / STEPS, box["y"] + box["height"] * 3.5 / UNITS
    page.mouse.move(x, y)
    said = page.locator(".map-readout").inner_text()
    assert said.startswith("step 5, unit 3: ")
    assert number(said.rpartition("= ")[2]) == pytest.approx(gap[5, 3], rel=1e-5)
    page.mouse.click(x, y)
    page.wait_for_url(re.compile(r"at=0/forward/5/0/h_t\[3\]"))


@pytest.mark.parametrize("dark", [False, True])
def test_colours_follow_the_values(opened: Opening, link: str, dark: bool) -> None:
    page = opened(f"{link}&line=0/forward/h_t&scale=linear", dark=dark)
    script = """canvas => { const {width, height} = canvas, found = [];
      const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
      for (let t = 0; t < %d; t++) for (let u = 0; u < %d; u++) {
        const at = 4 * (Math.floor((u + .4) * height / %d) * width + Math.floor((t + .4) * width / %d));
        found.push(data[at] + data[at + 1] + data[at + 2]); }
      return found; }"""
    found = page.locator(".map-canvas canvas").evaluate(script % (STEPS, UNITS, UNITS, STEPS))
    brightness = np.array(found).reshape(STEPS, UNITS)
    gap = difference("h_t")
    order = np.argsort(gap[gap > 0])
    along = brightness[gap > 0][order] * (1 if dark else -1)  # in the dark, more is brighter
    assert np.all(np.diff(along) >= 0)
    assert len(set(along.tolist())) > 20
    zero = set(brightness[gap == 0].tolist())
    assert len(zero) == 1
    assert not zero & set(brightness[gap > 0].tolist())


def test_what_made_the_difference(opened: Opening, link: str) -> None:
    page = opened(f"{link}&at=0/forward/9/0/h_t[2]")
    a, b = pair()
    values = a["h_t"][9, 0, 2], b["h_t"][9, 0, 2]
    page.locator(".split-table tfoot td").first.wait_for()
    found = pairs(page, ".chosen-value")
    assert (found["A"], found["B"]) == values
    assert found["b − a"] == values[1] - values[0]
    rows = page.locator(".split-table tbody tr").all()  # of one matrix alone the entries are shown at once
    assert [row.locator("code").inner_text() for row in rows] == ["0/forward/W_xf", FORGET]
    for row in (*rows, page.locator(".split-table tfoot tr")):
        assert number(row.locator("td").first.inner_text()) == pytest.approx(values[1] - values[0], rel=1e-3)
    expected = difference_of(a, b, "0/forward/9/0/h_t[2]")
    assert page.locator(".chosen-value li").all_inner_texts() == sentences(expected, "en")
    page.locator(".chosen-value .folded > summary").press("Enter")
    steps = page.get_by_role("table", name="By step").locator("tbody tr")
    together = [number(row.locator("td").last.inner_text().replace("×10", "e")) for row in steps.all()]
    assert len(together) == STEPS
    assert sum(together) == pytest.approx(values[1] - values[0], rel=1e-4)


def test_a_difference_is_summed_by_matrix_and_opens_to_its_entries(opened: Opening, stored: dict[str, str]) -> None:
    page = opened(f"#compare?a=item:{stored['Before']}&b=item:{stored['Weights two']}&at=0/forward/9/0/h_t[2]")
    page.get_by_role("button", name="Take x of A").click()
    page.locator(".split-table tfoot td").first.wait_for()
    a, b = pair()[0], lt.run(weights(2), inputs())
    sums: dict[str, float] = {}
    for row in lt.attribute(a, b, of="9/h_t[2]").to_frame().itertuples():
        sums[row.name] = sums.get(row.name, 0.0) + row.contribution
    largest = sorted((name for name in sums if sums[name]), key=lambda name: -abs(sums[name]))
    rows = page.locator(".split-table .block").all()
    assert [row.locator("code").inner_text() for row in rows] == [f"0/forward/{name}" for name in largest]
    assert len(rows) > 4
    for name, row in zip(largest, rows, strict=True):
        amount, share = row.locator("td:visible").all_inner_texts()[:2]
        assert number(amount) == pytest.approx(sums[name], rel=1e-3)
        assert number(share.strip("%")) == pytest.approx(100 * sums[name] / sum(sums.values()), abs=0.051)
    whole, shares = page.locator(".split-table tfoot td").all_inner_texts()[:2]
    assert (number(whole), shares) == (pytest.approx(b["h_t"][9, 0, 2] - a["h_t"][9, 0, 2], rel=1e-5), "100.0%")
    assert number(whole) == pytest.approx(sum(sums.values()), rel=1e-5)

    assert page.locator(".split-table .entry").count() == 0
    button = rows[1].get_by_role("button")
    button.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    page.get_by_role("button", name=f"Show all {UNITS * UNITS}").press("Enter")
    entries = page.locator(".split-table .entry:has(code)")
    amounts = [number(text) for text in entries.locator("td:first-of-type").all_inner_texts()]
    assert largest[1] == "W_hc"
    assert len(amounts) == UNITS * UNITS
    assert amounts == sorted(amounts, key=lambda amount: -abs(amount))
    assert sum(amounts) == pytest.approx(sums["W_hc"], abs=1e-4)
    button.press("Enter")
    assert page.locator(".split-table .entry").count() == 0


def test_the_findings_are_in_the_language_of_the_page(opened: Opening, link: str) -> None:
    page = opened(f"{link}&language=de&at=0/forward/9/0/h_t[2]")
    a, b = pair()
    found = compared(a, b)
    page.get_by_role("heading", name="Verschieden", exact=True).wait_for()
    first, cause, changed, *others = sentences(found, "de")
    assert changed.startswith(f"geändert: 0/forward/{FORGET}: ")
    assert page.locator(".verdict [role=status] li").all_inner_texts() == [first, cause, *others]
    split = page.locator(".chosen-value .document").first
    split.locator("li").first.wait_for()
    assert split.locator("li").all_inner_texts() == sentences(difference_of(a, b, "0/forward/9/0/h_t[2]"), "de")
    assert split.get_attribute("lang") == "de"

    fold = page.locator(".verdict .folded > summary")
    assert fold.inner_text() == "Einheiten · Nach Zeile · Nach Schritt"
    fold.press("Enter")
    assert page.get_by_role("heading", name="Nach Zeile", level=3).is_visible()
    rows = page.get_by_role("table", name="Nach Zeile").locator("tbody tr").all()
    lines = {row.locator("th code").inner_text(): row.locator("td").all_inner_texts() for row in rows}
    assert list(lines) == [f"0/forward/{line}" for line in a.lines["0/forward"]]
    for line in a.lines["0/forward"]:
        gap = difference(line)
        differing, largest = lines[f"0/forward/{line}"][:2]
        assert differing == f"{np.count_nonzero(gap)}/{gap.size}"
        assert number(largest) == pytest.approx(gap.max(), rel=0.06)

    page.get_by_label("absolut").fill("0,64")  # above the largest, as it is written in German
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Gleich", exact=True).wait_for()
    (same,) = sentences(compared(a, b, Tolerance(atol=0.64)), "de")[:1]
    assert page.locator(".verdict [role=status] li").first.inner_text() == same
    assert page.locator("#tolerance-atol").input_value() == "0,64"
    page.reload()
    page.get_by_role("heading", name="Gleich", exact=True).wait_for()
    page.get_by_label("absolut").fill("0,6,4")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="atol").wait_for()

    page.locator("#settings > summary").click()
    page.locator("#setting-language").select_option("fr")
    page.get_by_text(sentences(compared(a, b, Tolerance(atol=0.64)), "fr")[0]).wait_for()


def test_tolerance(opened: Opening, link: str) -> None:
    page = opened(link)
    largest = max(difference(line).max() for line in pair()[0].lines["0/forward"])
    for factor, verdict in ((1.01, "Same"), (0.99, "Different")):
        page.get_by_label("absolute").fill(f"{largest * factor:.6g}")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=verdict, exact=True).wait_for()
        assert f"atol={largest * factor:.6g}" in page.url
    page.get_by_label("absolute").fill("-1")
    page.keyboard.press("Enter")
    assert "not negative: atol" in page.get_by_role("alert").inner_text()
    page.get_by_role("button", name="Use the rounding bound instead").click()
    page.get_by_text("Judged by the rounding bound").wait_for()
    assert "atol" not in page.url


def test_two_sets_of_weights_over_pasted_numbers_by_keys(opened: Opening, stored: dict[str, str]) -> None:
    page = opened("#compare")
    for side, title in (("A", "Weights one"), ("B", "Weights two")):
        page.locator(f"#source-{side}").focus()
        page.keyboard.type(title)
        page.keyboard.press("Enter")
        page.locator(f"#x-{side}").wait_for()
    page.get_by_role("button", name="Paste numbers").first.press("Enter")
    page.locator("#paste-A-text").fill("a;b;c\n1,5;2;0\n0,5;x;1")
    assert page.locator("#paste-A-found").inner_text() == "Row 3, column 2: “x” is not a number."
    page.locator("#paste-A-text").fill("a;b;c\n1,5;2;0\n0,5;1")
    assert page.locator("#paste-A-found").inner_text() == "Row 3 has 2 cells; the rows above it have 3."
    page.locator("#paste-A-text").fill("a;b;c\n1,5;2;0\n0,5;-1;1e-1")
    assert page.locator("#paste-A-found").inner_text() == "2 steps × 3 inputs"
    page.get_by_role("button", name="Use as x").press("Enter")
    page.locator("#verdict").wait_for()
    x = np.array([[1.5, 2, 0], [0.5, -1, 0.1]])
    a, b = (lt.run(weights(seed), x) for seed in (1, 2))
    assert page.locator(".first-address").inner_text() == "0/forward/0/0/W_xi @ x_t[0]"
    found = pairs(page, ".first")
    assert (found["A"], found["B"]) == (a["W_xi @ x_t"][0, 0, 0], b["W_xi @ x_t"][0, 0, 0])
    page.reload()  # the address alone brings it back
    page.locator("#verdict").wait_for()
    assert pairs(page, ".first") == found
    assert page.get_by_text("with x of A").is_visible()


def test_weights_over_the_input_of_a_trace(opened: Opening, stored: dict[str, str]) -> None:
    page = opened(f"#compare?a=item:{stored['Before']}&b=item:{stored['Weights one']}")
    page.get_by_role("button", name="Take x of A").click()
    page.locator("#verdict").wait_for()
    expected = lt.run(weights(1), inputs())["W_xi @ x_t"][0, 0, 0]
    assert pairs(page, ".first")["B"] == expected
    page.locator("#source-A").click()
    page.get_by_role("option", name="batch").click()  # B follows: its x is now that of the batch, of one input
    page.watched.expected.append(r"422 .*api/v1/runs")  # type: ignore[attr-defined]
    page.locator("#compare .fault").wait_for()
    assert page.locator("#compare .fault").inner_text().startswith("x has width 1; line `W_xi @ x_t` needs I = 3")


def test_a_link_opens_the_bench_at_the_value(opened: Opening, link: str, stored: dict[str, str]) -> None:
    page = opened(link)
    page.locator("#open-first").click()
    page.wait_for_url(re.compile("#bench"))
    assert f"source=item:{stored['After']}" in page.url
    assert "at=0/forward/0/0/W_xf%20%40%20x_t[1]" in page.url


def test_nothing_in_common(opened: Opening, stored: dict[str, str]) -> None:
    page = opened(f"#compare?a=example:q22&b=item:{stored['Before']}")
    page.watched.expected.append(r"422 .*api/v1/diffs")  # type: ignore[attr-defined]
    message = page.locator("#compare .fault")
    message.wait_for()
    assert message.inner_text().startswith("the traces have no value in common: 0/forward/W_xi @ x_t: a has width 2")
    assert page.get_by_text("Choose two runs of cells with lines in common").is_visible()


def test_what_is_on_the_bench_is_offered(opened: Opening) -> None:
    page = opened("#bench?source=example:q22")
    page.locator("#bench svg").first.wait_for()
    page.locator("#tab-compare").click()
    page.locator("#source-A").click()
    page.get_by_role("group", name="On the bench").get_by_role("option").filter(has_text="current run").click()
    page.wait_for_url(re.compile("#compare.a=run:"))
    page.locator("#source-B").click()
    page.get_by_role("option", name="q22").click()
    page.get_by_role("heading", name="Same", exact=True).wait_for()
    assert page.locator(".verdict li").inner_text().startswith("same: all 42 common values agree")
    assert page.locator(".verdict .folded").count() == 0  # there is no more to say


@pytest.mark.parametrize(("units", "steps"), [(600, 10), (2, 900)])
def test_many_steps_or_units(opened: Opening, empty: str, tmp_path: Path, units: int, steps: int) -> None:
    """A unit has a pixel at least; of more steps than pixels a column shows the largest."""
    rng = np.random.default_rng(3)
    shapes = {"x": (units, 1), "h": (units, units)}
    a = {f"W_{side}{g}": rng.normal(size=shape) / 30 for side, shape in shapes.items() for g in "ifco"}
    x, found, traces = rng.normal(size=(steps, 1)), [], []
    for name, source in (("a", a), ("b", {**a, "W_xi": a["W_xi"] + 0.001})):
        path = tmp_path / f"{name}.safetensors"
        traces.append(lt.run(source, x))
        traces[-1].save(path)
        found.append(kept(empty, path))
    gap = np.abs(traces[1]["h_t"] - traces[0]["h_t"])[:, 0]
    page = opened(f"#compare?a=item:{found[0]}&b=item:{found[1]}&line=0/forward/h_t", width=390, at=empty)
    canvas = page.locator(".map-canvas canvas")
    canvas.wait_for()
    width, height, shown = canvas.evaluate("canvas => [canvas.width, canvas.height, canvas.clientHeight]")
    assert (height, shown) == ((units, units) if units > 300 else (height, height))
    assert width < 390
    together = page.get_by_text(re.compile(r"each column shows the largest of [34] steps"))
    assert together.is_visible() == (steps > 390)
    if steps > 390:
        several = -(-steps // width)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        assert box is not None
        for column in (0, 20, 57):
            page.mouse.move(box["x"] + column + 0.5, box["y"] + box["height"] * 0.75)
            furthest = column * several + gap[column * several : (column + 1) * several, 1].argmax()
            assert page.locator(".map-readout").inner_text().startswith(f"step {furthest}, unit 1: ")
    page.mouse.move(0, 0)
    page.locator(".map-field").focus()
    page.keyboard.press("Control+End")
    assert page.locator(".map-readout").inner_text().startswith(f"step {steps - 1}, unit {units - 1}: ")
    assert (page.locator(".map-field").evaluate("field => field.scrollTop") > 0) == (units > 300)
    for item in found:
        lt.client(empty).remove(item)


@pytest.mark.parametrize("dark", [False, True])
def test_contrast(opened: Opening, link: str, dark: bool) -> None:
    page = opened(link, dark=dark)
    page.locator(".split-table").wait_for()
    for summary in page.locator("#compare summary").all():
        summary.click()
    selectors = "#compare :is(h2, h3, p, b, i, em, th, td, dt, dd, button, .button, code, label, summary, span, .exact)"
    ratios = page.evaluate(measured(f"return texts({json.dumps(selectors)});"))
    assert len(ratios) > 150
    assert [one for one in ratios if one[0] < TEXT] == []


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("dark", [False, True])
def test_nothing_runs_out_of_the_window(opened: Opening, link: str, width: int, dark: bool) -> None:
    page = opened(link, width=width, dark=dark)
    page.locator(".split-table").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    names = page.evaluate("""Array.from(document.querySelectorAll("#compare :is(button, a, input, select, summary)"))
      .filter((one) => one.checkVisibility()
        && !(one.innerText?.trim() || one.getAttribute("aria-label") || one.labels?.length))
      .map((one) => one.outerHTML)""")
    assert json.dumps(names) == "[]"  # everything that can be reached has a name
