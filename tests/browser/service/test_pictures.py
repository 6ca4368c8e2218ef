"""Pictures on the page: drawn of what is looked at, with the numbers of `trace.plot`, and ways to the numbers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import fromstring

import pytest
import yaml

import lstm_trace as lt

from ...support.pictures import views
from .bench_page import agrees, number, problem, settled
from .conftest import Opening
from .filling import kept

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

BENCH = "#bench?source=example:three-steps"
#: Steps are counted from 1 in this example, units are called bright and wet.
UNITS = ("bright", "wet")


@pytest.fixture(scope="module")
def trace() -> lt.Trace:
    return lt.run(problem("three-steps"))


def shown(page: Page, kind: str) -> Locator:
    """The picture of a kind, once it is drawn and nothing is under way."""
    page.locator(f'#pictures button[data-kind="{kind}"]').click()
    return ready(page)


def ready(page: Page, section: str = "#pictures") -> Locator:
    page.locator(f'{section} .drawn[aria-busy="false"] svg').wait_for()
    return page.locator(f"{section} .drawn svg")


def map_of(page: Page, line: str, section: str = "#pictures") -> Locator:
    return page.locator(f'{section} image[data-line="0/forward/{line}"]')


def click_at(map: Locator, row: int, column: int, rows: int, columns: int, tap: bool = False) -> None:
    box = map.bounding_box()
    assert box is not None
    place: Any = {"x": (column + 0.5) * box["width"] / columns, "y": (row + 0.5) * box["height"] / rows}
    map.tap(position=place) if tap else map.click(position=place)


def test_the_numbers_of_a_picture_are_those_of_the_trace(opened: Opening, trace: lt.Trace) -> None:
    page = opened(f"{BENCH}&at=0/forward/1/0/c_t[1]")
    shown(page, "unit")
    data = trace.plot.unit(unit=1).data
    titles = page.locator("#pictures circle title").evaluate_all("all => all.map(one => one.textContent)")
    found = [re.fullmatch(r"(\w)\S*, unit 2 \(wet\), t = (\d): (\S+)", title) for title in titles]
    assert len(found) == data.size == 18
    values = sorted(number(one[3]) for one in found if one)
    assert values == pytest.approx(sorted(data.to_numpy().ravel()), abs=5e-5)
    assert "plot=unit" in page.url


def test_a_place_of_a_map_leads_to_its_number(opened: Opening, trace: lt.Trace) -> None:
    page = opened(BENCH)
    shown(page, "states")
    assert map_of(page, "c_t").get_attribute("data-units") == "0 1"
    click_at(map_of(page, "c_t"), 1, 2, 2, 3)
    page.locator('.value[data-address="0/forward/2/0/c_t[1]"]').wait_for()
    assert number(page.locator("#value").inner_text()) == pytest.approx(trace["c_t"][2, 0, 1], rel=1e-13)
    assert "at=0/forward/2/0/c_t[1]" in page.url
    shown(page, "unit")  # the unit that was clicked
    page.locator("#pictures text.unit:has-text('wet')").wait_for()
    shown(page, "weights")
    box = page.locator('#pictures image[data-weight="0/forward/W_hf"]')
    click_at(box, 0, 1, 2, 2)
    page.locator('.value[data-address="0/forward/W_hf[0,1]"]').wait_for()
    assert number(page.locator("#value").inner_text()) == pytest.approx(
        trace.parameters["0/forward"]["W_hf"][0, 1], rel=1e-13
    )


def test_by_keys_and_by_finger(opened: Opening, trace: lt.Trace) -> None:
    page = opened(f"{BENCH}&plot=states")
    ready(page)
    map_of(page, "f_t").focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.locator("#pictures .pointed").inner_text() == "f_t, wet, t = 2"
    page.keyboard.press("Enter")
    page.locator('.value[data-address="0/forward/1/0/f_t[1]"]').wait_for()
    phone = opened(f"{BENCH}&plot=states", width=390, touch=True)
    ready(phone)
    click_at(map_of(phone, "i_t"), 0, 1, 2, 3, tap=True)
    phone.locator('.value[data-address="0/forward/1/0/i_t[0]"]').wait_for()
    assert number(phone.locator("#value").inner_text()) == pytest.approx(trace["i_t"][1, 0, 0], rel=1e-13)


def test_a_picture_follows_an_edit_and_the_step(opened: Opening) -> None:
    page = opened(f"{BENCH}&plot=memory&at=0/forward/2/0/c_t[0]&edits=0/forward/W_xi[0,0]=0.5")
    ready(page)
    data = problem("three-steps")
    data["weights"]["W_xi"][0][0] = 0.5
    mine = lt.run(data).plot.memory("2/c_t[0]")
    titles = [one.text for one in fromstring(mine.svg()).iter("{http://www.w3.org/2000/svg}title")][1:]  # noqa: S314
    assert page.locator("#pictures rect title").evaluate_all("all => all.map(one => one.textContent)") == titles
    page.locator("#step").press("ArrowLeft")
    page.locator("#pictures .drawn h3:has-text('step t = 2')").wait_for()


def test_what_a_kind_needs_is_said(opened: Opening) -> None:
    page = opened("#bench?source=example:q22&plot=memory&at=0/forward/0/0/i_t[0]")
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    ready(page)  # of c_t, which is carried
    page.locator('#pictures button[data-kind="memory"]').click()
    page.locator("#pictures .drawn").wait_for(state="detached")
    assert "plot=" not in page.url


def test_it_is_saved_in_each_format(opened: Opening, trace: lt.Trace, tmp_path: Any) -> None:
    page = opened(f"{BENCH}&plot=states&order=index&language=de&count_from=0")
    ready(page)
    for form in ("svg", "html", "json"):
        with page.expect_download() as saved:
            page.click(f"#save-{form}")
        saved.value.save_as(tmp_path / f"x.{form}")
        assert saved.value.suggested_filename.endswith(f"-states.{form}")
    mine = trace.plot.states(order="index", language="de")
    found = json.loads((tmp_path / "x.json").read_text("utf-8"))
    values, wanted = ([row["value"] for _, rows in views(one) for row in rows] for one in (found, mine.to_vega()))
    assert values
    assert values == wanted
    assert "Einheit" in (tmp_path / "x.svg").read_text("utf-8")


def test_a_number_is_held_and_released(opened: Opening) -> None:
    page = opened(f"{BENCH}&at=0/forward/1/0/c_t[0]")
    page.fill("#hold-value", "*0,5")
    page.click("#hold-do")
    page.locator("#held-now").wait_for()
    data = problem("three-steps")
    free = lt.run(data)
    half = lt.run(data, hold={"1/c_t[0]": "*0.5"})
    assert half["c_t"][1, 0, 0] == free["c_t"][1, 0, 0] / 2
    assert number(page.locator("#value").inner_text()) == pytest.approx(half["c_t"][1, 0, 0], rel=1e-13)
    assert page.locator("#step-table .held").get_attribute("data-address") == "0/forward/1/0/c_t[0]"
    assert page.locator("#picture-title ~ * .held, .picture .held").count() == 1
    page.select_option("#hold-steps", "every")
    page.fill("#hold-value", "-1")
    page.click("#hold-do")
    page.locator("#held-now:has-text('−1')").wait_for()
    settled(page)
    assert "hold=0/forward/c_t[0]=-1&" in page.url
    page.locator('#step-table .num[data-address="0/forward/1/0/h_t[0]"]').click()
    page.locator('.value[data-address="0/forward/1/0/h_t[0]"]').wait_for()
    held = lt.run(data, hold={"forward/c_t[0]": -1.0})
    assert number(page.locator("#value").inner_text()) == pytest.approx(held["h_t"][1, 0, 0], rel=1e-13)
    page.locator('#step-table .num[data-address="0/forward/1/0/c_t[0]"]').click()
    page.click("#release")
    page.locator("#held-now").wait_for(state="detached")
    settled(page)
    assert number(page.locator("#value").inner_text()) == pytest.approx(free["c_t"][1, 0, 0], rel=1e-13)
    page.click("#undo")
    page.locator("#held-now").wait_for()
    page.fill("#hold-value", "abc")
    page.click("#hold-do")
    assert "abc is no value" in page.locator("#hold-fault").inner_text()


def test_a_link_holds_what_it_says_and_an_edit_keeps_it(opened: Opening) -> None:
    page = opened(f"{BENCH}&hold=0/forward/c_t[1]=0.25&edits=0/forward/W_xi[0,0]=0.5&at=0/forward/2/0/h_t[1]")
    data = problem("three-steps")
    data["weights"]["W_xi"][0][0] = 0.5
    held = lt.run(data, hold={"forward/c_t[1]": 0.25})
    assert number(page.locator("#value").inner_text()) == pytest.approx(held["h_t"][2, 0, 1], rel=1e-13)
    assert page.locator(".givens .grid").count() == 15  # x, h0, c0 and weights: what says where is not among them
    page.locator('td[role="gridcell"][data-address="0/forward/W_xo[1,0]"]').dblclick()
    page.keyboard.type("2")
    page.keyboard.press("Enter")
    settled(page)
    data["weights"]["W_xo"][1][0] = 2.0
    page.locator('#step-table .num[data-address="0/forward/2/0/h_t[1]"]').click()
    page.locator('.value[data-address="0/forward/2/0/h_t[1]"]').wait_for()
    assert number(page.locator("#value").inner_text()) == pytest.approx(
        lt.run(data, hold={"forward/c_t[1]": 0.25})["h_t"][2, 0, 1], rel=1e-13
    )


def test_two_runs_are_compared_in_pictures(opened: Opening, stored: dict[str, str]) -> None:
    page = opened(f"#compare?a=item:{stored['Before']}&b=item:{stored['After']}")
    ready(page, "#compare-pictures")
    first = page.locator("#compare-pictures image.heat").first
    line = str(first.get_attribute("data-line"))
    units = str(first.get_attribute("data-units")).split()
    click_at(first, len(units) - 1, 0, len(units), 1)
    scope, name = line.rsplit("/", 1)
    page.locator(f".chosen-address:has-text('{name}[{units[-1]}]')").wait_for()
    assert page.locator(".chosen-address").inner_text().startswith(scope)
    apart = page.locator(".verdict .document li")
    assert apart.filter(has_text="4 of 4 units differ").count() == 1
    assert apart.filter(has_text="output: 0/forward/9/0/h_t[1] changes most").count() == 1
    page.locator('#compare-pictures button[data-kind="weights"]').click()
    page.locator("#compare-pictures image[data-weight]").first.wait_for()
    assert "plot=weights" in page.url


def test_the_options_of_a_picture_are_chosen_and_kept(opened: Opening, trace: lt.Trace) -> None:
    page = opened(f"{BENCH}&at=0/forward/1/0/c_t[1]&count_from=1")
    shown(page, "unit")
    page.click("#plot-lines summary")
    for line in ("f_t", "c_t"):
        page.check(f'#plot-lines input[value="{line}"]')
    page.keyboard.press("Escape")
    page.fill("#plot-unit", "1–2")
    page.keyboard.press("Enter")
    page.fill("#plot-steps", "2 - 3")
    page.keyboard.press("Enter")
    page.locator("#pictures text.unit:has-text('bright')").wait_for()
    assert "plot=unit&line=f_t;c_t&unit=0..1&steps=1..2" in page.url
    ready(page)
    mine = trace.plot.unit(unit=(0, 1), lines=["f_t", "c_t"], steps=slice(1, 3))
    for here in (page, opened(f"#{page.url.partition('#')[2]}")):
        ready(here)
        titles = here.locator("#pictures circle title").evaluate_all("all => all.map(one => one.textContent)")
        values = [number(title.rpartition(": ")[2]) for title in titles]
        assert sorted(values) == pytest.approx(sorted(mine.data.to_numpy().ravel()), abs=5e-5)
        assert (here.input_value("#plot-unit"), here.input_value("#plot-steps")) == ("1–2", "2–3")
    for text in ("0", "3–4", "1, 2", "two"):
        page.fill("#plot-steps", text)
        page.keyboard.press("Enter")
        assert page.get_attribute("#plot-steps", "aria-invalid") == "true", text
    shown(page, "saturation")
    assert page.locator("#pictures .options input:visible").count() == 2
    page.fill("#plot-low", "0.5")
    page.keyboard.press("Enter")
    page.locator("#pictures figcaption:has-text('below 0.5')").wait_for()
    shown(page, "contribution")
    page.select_option("#plot-occlusion", "none")
    page.locator("#pictures text:has-text('Occlusion')").wait_for(state="detached")
    page.select_option("#plot-baseline", "zero-state")
    settled(page)
    assert "low=0.5&occlusion=none&baseline=zero-state" in page.url
    shown(page, "memory")
    assert page.locator("#pictures .options").count() == 0


def test_what_a_file_holds_is_seen_changed_and_released(opened: Opening, empty: str, tmp_path: Any) -> None:
    data = problem("three-steps") | {"hold": {"forward/c_t[1]": 0.25, "0..1/f_t[0]": "*0.5"}}
    (tmp_path / "held.yaml").write_text(yaml.safe_dump(data), "utf-8")
    item = kept(empty, tmp_path / "held.yaml")
    try:
        page = opened(f"#bench?source=item:{item}&at=0/forward/1/0/c_t[1]", at=empty)
        listed = page.locator("[data-held]")
        assert [text.split("\n")[:2] for text in listed.all_inner_texts()] == [
            ["f_t[1], t = 1–2", "× 0.5"],
            ["c_t[2]", "0.25"],
        ]
        assert "0.25" in page.locator("#held-now").inner_text()
        assert page.input_value("#hold-steps") == "every"
        page.select_option("#hold-steps", "")
        page.fill("#hold-value", "-1")
        page.keyboard.press("Enter")
        page.locator("#held-now:has-text('−1')").wait_for()
        settled(page)
        page.locator('[data-held="0/forward/0..1/0/f_t[0]"] button').focus()
        page.keyboard.press("Enter")
        listed.nth(2).wait_for()
        settled(page)
        expected = {"0/c_t[1]": 0.25, "1/c_t[1]": -1.0, "2/c_t[1]": 0.25}
        agrees(page, data | {"hold": expected}, 1)
        with page.expect_download() as saved:
            page.click("#downloads summary")
            page.click("#download-problem-yaml")
        saved.value.save_as(tmp_path / "saved.yaml")
        mine = lt.run(data | {"hold": expected})
        assert yaml.safe_load((tmp_path / "saved.yaml").read_text("utf-8"))["hold"] == lt.problem(mine)["hold"]
        page.click("#bench h1")
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        listed.nth(2).wait_for(state="detached")
        settled(page)
        agrees(page, data, 1)
        page.click("#release")  # at every step, as it is held
        listed.nth(1).wait_for(state="detached")
        page.locator("#held-now").wait_for(state="detached")
    finally:
        lt.client(empty).remove(item)
