"""The page by keys alone: no pointer is ever used, and every control is reached with Tab."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lstm_trace as lt

from .bench_page import agrees, number, on_page, problem, settled
from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page

EXAMPLES = Path(lt.__file__).parent / "examples"
STOPS = 150  #: more than there are on any screen of these tests


@pytest.fixture
def keys(opened: Opening) -> Iterator[Opening]:
    """Opens a page that notes every event of a pointer; there must be none."""
    pages: list[Page] = []

    def open_page(*given: Any, **more: Any) -> Page:
        page = opened(*given, **more)
        page.evaluate(
            """() => { window.pointed = [];
              for (const kind of ["pointerdown", "pointermove", "mousedown", "mousemove", "wheel", "touchstart"])
                addEventListener(kind, (event) => window.pointed.push(event.type), true); }"""
        )
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        assert page.evaluate("window.pointed") == []


def tab_to(page: Page, selector: str, back: bool = False) -> None:
    """Press Tab until an element has the focus; it must be seen to have it."""
    for _ in range(STOPS):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            break
    else:
        raise AssertionError(f"Tab never comes to {selector}")
    seen = """() => { const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
      const rect = document.activeElement.querySelector("rect");
      const drawn = rect && getComputedStyle(rect).strokeWidth;
      return (outlineStyle !== "none" && parseFloat(outlineWidth) >= 2) || parseFloat(drawn) >= 3; }"""
    assert page.evaluate(seen), f"the focus on {selector} is not seen"


def test_from_an_example_to_a_comparison(keys: Opening) -> None:
    page = keys("#bench?source=example:q22")
    tab_to(page, "#source")
    page.keyboard.type("Three steps")
    page.wait_for_url("**/#bench?source=example:three-steps")
    page.get_by_role("heading", name="Three steps").wait_for()
    data = problem("three-steps")
    agrees(page, data)

    tab_to(page, "#pin")
    page.keyboard.press("Enter")
    page.locator("#pinned").wait_for()

    tab_to(page, 'td[data-address="0/forward/W_xf[0,0]"]')
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.type("-1.5")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"W_xf\[1,1\]=-1\.5"))
    settled(page)
    data["weights"]["W_xf"][1][1] = -1.5

    tab_to(page, "#step")
    page.keyboard.press("ArrowRight")
    page.locator('#step-table [data-address="0/forward/1/0/c_t[0]"]').wait_for()
    agrees(page, data, t=1)

    tab_to(page, 'g.tip[data-spot="c_t"]')
    page.keyboard.press("Enter")
    page.locator('.copy code:text-is("0/forward/1/0/c_t[0]")').wait_for()
    tab_to(page, '#step-table [data-line="x_t"] button')
    for _ in lt.run(data).lines["0/forward"]:
        page.keyboard.press("ArrowDown")
        if page.evaluate("document.activeElement.dataset.address") == "0/forward/1/0/f_t[0]":
            break
    page.keyboard.press("Enter")
    page.locator('.copy code:text-is("0/forward/1/0/f_t[0]")').wait_for()
    tab_to(page, '.links a[data-address="0/forward/1/0/z_f[0]"]')
    page.keyboard.press("Enter")
    page.locator('.copy code:text-is("0/forward/1/0/z_f[0]")').wait_for()
    tab_to(page, '.links a[data-address="0/forward/1/0/W_xf @ x_t[0]"]')
    page.keyboard.press("Enter")
    page.locator('.copy code:text-is("0/forward/1/0/W_xf @ x_t[0]")').wait_for()
    trace = lt.run(data)
    assert number(page.locator("#value").inner_text()) == trace["W_xf @ x_t"][1, 0, 0]

    page.keyboard.press("Control+z")
    page.wait_for_function("document.querySelector('#undo').disabled")
    page.keyboard.press("Control+Shift+z")
    page.wait_for_function("document.querySelector('#redo').disabled")
    settled(page)
    tab_to(page, "#compare-a")
    page.keyboard.press("Enter")
    page.locator("#verdict", has_text="Different").wait_for()
    assert page.locator(".first-address").inner_text() == "0/forward/1/0/W_xf @ x_t[1]"


def test_the_equations_and_a_blank_problem(keys: Opening) -> None:
    page = keys("#bench?source=example:q22")
    tab_to(page, "#equations summary", back=True)
    page.keyboard.press("Enter")
    tab_to(page, "#equations-text")
    page.keyboard.press("Control+Home")
    for _ in range(page.locator("#equations-text").input_value().split("h_t = ")[0].count("\n")):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("End")
    page.keyboard.type(" * 2")
    page.locator("#equations-good").wait_for()
    tab_to(page, "#apply")
    page.keyboard.press("Enter")
    page.wait_for_url("**equations=**")
    settled(page)
    assert on_page(page)["0/forward/0/0/h_t[0]"] == pytest.approx(2 * lt.run(problem())["h_t"][0, 0, 0])

    tab_to(page, "#source", back=True)
    page.keyboard.type("Blank")
    page.locator("dialog[open]").wait_for()
    tab_to(page, "#blank-open")
    page.keyboard.press("Enter")
    page.wait_for_url("**source=blank:lstm/3/2/2/biases")


def test_upload_and_delete(keys: Opening, empty: str) -> None:
    page = keys("#bench", at=empty)
    # the browser hands over its choosers from here on; asked only when Enter is pressed, it was once too late
    page.on("filechooser", lambda chooser: None)
    tab_to(page, "#tab-library")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()
    tab_to(page, "#upload")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(EXAMPLES / "gru.yaml")
    page.locator(".upload-text").wait_for()
    tab_to(page, ".upload input")
    page.keyboard.press("Control+a")
    page.keyboard.type("Mine")
    tab_to(page, ".upload button.main")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Mine", exact=True).wait_for()
    tab_to(page, 'button[aria-label="Delete Mine"]')
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for()
    tab_to(page, "dialog button.delete")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Nothing is stored yet").wait_for()


def test_settings(keys: Opening) -> None:
    page = keys("#bench?source=example:q22")
    tab_to(page, "#settings summary")
    page.keyboard.press("Enter")
    tab_to(page, "#setting-count")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.wait_for_url("**count_from=1**")
    page.locator('#step-shown:text-is("t = 1")').wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.matches('#settings summary')")


def test_the_lines_of_a_first_visit_stay_away(keys: Opening) -> None:
    page = keys("#bench?source=example:three-steps")
    tab_to(page, '#first-visit a[data-address="0/forward/2/0/h_t[0]"]')
    page.keyboard.press("Enter")
    page.locator('.copy code:text-is("0/forward/2/0/h_t[0]")').wait_for()
    tab_to(page, "#first-visit-close", back=True)
    page.keyboard.press("Enter")
    page.locator("#first-visit").wait_for(state="detached")
    page.reload()
    page.locator("#value").wait_for()
    assert page.locator("#first-visit").count() == 0
    page.evaluate("window.pointed = []")
