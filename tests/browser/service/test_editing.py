"""What is given, as a person changes it: by finger, by keys, by pasting and by files; and what the page then says."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .bench_page import agrees, cell, problem, settled, typed

if TYPE_CHECKING:
    from playwright.sync_api import Page

Opening = Callable[..., "Page"]


@pytest.fixture
def page(opened: Opening) -> Page:
    """The bench with three steps of an LSTM."""
    return opened("#bench?source=example:three-steps")


def shown_step(page: Page) -> str:
    return page.locator("#step-shown").inner_text()


def test_a_tap_opens_a_field_and_a_sideways_drag_changes_the_number(opened: Opening) -> None:
    page = opened("#bench?source=example:q22", width=390, touch=True)
    assert "tap" in page.locator(".givens > .head").inner_text()
    assert page.locator(".cell-panel .hint").inner_text().startswith("Tap")
    cell(page, "0/forward/W_xi[0,0]").tap()
    field = cell(page, "0/forward/W_xi[0,0]").locator("input")
    assert field.evaluate("one => document.activeElement === one && one.inputMode === 'text'")
    page.keyboard.type("0.5")
    cell(page, "0/forward/W_xi[1,0]").tap()  # which takes what was typed
    settled(page)
    page.wait_for_url(re.compile(r"W_xi\[0,0\]=0\.5"))
    data = problem()
    data["weights"]["W_xi"][0][0] = 0.5
    agrees(page, data)
    assert cell(page, "0/forward/W_xi[1,0]").locator("input").count() == 1
    page.keyboard.press("Escape")
    cell(page, "0/forward/W_xo[0,0]").scroll_into_view_if_needed()
    box = cell(page, "0/forward/W_xo[0,0]").bounding_box()
    assert box is not None
    hand = page.context.new_cdp_session(page)
    x, y = box["x"] + 8, box["y"] + 8
    hand.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for step in range(1, 16):
        hand.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [{"x": x + 6 * step, "y": y}]})
    hand.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(page)
    page.wait_for_url(re.compile(r"W_xo\[0,0\]=1\.\d"))
    assert page.locator("td input").count() == 0


def test_keys_in_the_grid_of_x_leave_the_bench_at_its_step(page: Page) -> None:
    typed(page, "0/0/x_t[0]", "0.25")
    settled(page)
    page.locator('.copy code:text-is("1/0/x_t[0]")').wait_for()  # the number below is looked at
    assert shown_step(page) == "t = 1"
    page.locator('#step-table .num.changed[data-address="0/forward/0/0/i_t[0]"]').wait_for()
    page.keyboard.type("0.75")
    page.keyboard.press("Tab")
    settled(page)
    page.wait_for_url(re.compile(r"1/0/x_t\[0\]=0\.75"))
    assert shown_step(page) == "t = 1"
    page.reload()  # the link says it, too
    page.locator("#value").wait_for()
    assert shown_step(page) == "t = 1"
    cell(page, "2/0/x_t[0]").click()
    page.locator('.copy code:text-is("2/0/x_t[0]")').wait_for()
    assert shown_step(page) == "t = 3"


def test_an_input_that_is_looked_at_goes_along_with_the_steps(page: Page) -> None:
    cell(page, "1/0/x_t[0]").click()
    page.locator('.copy code:text-is("1/0/x_t[0]")').wait_for()
    page.get_by_label("Next step").click()
    page.locator('.copy code:text-is("2/0/x_t[0]")').wait_for()
    assert shown_step(page) == "t = 3"
    assert cell(page, "2/0/x_t[0]").get_attribute("aria-selected") == "true"
