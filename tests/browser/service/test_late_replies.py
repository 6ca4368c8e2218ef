"""What is done while a run is on its way: nothing is lost, and no reply is taken for that of something else."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .bench_page import agrees, cell, problem, settled, typed
from .held import Held

if TYPE_CHECKING:
    from playwright.sync_api import Page

Opening = Callable[..., "Page"]

XI, XO, XF = (f"0/forward/{name}[0,0]" for name in ("W_xi", "W_xo", "W_xf"))


@pytest.fixture
def page(opened: Opening) -> Page:
    return opened("#bench?source=example:q22", large=True)


def dragged(page: Page, address: str, *pixels: int) -> None:
    """A number is dragged to the right, stopping at each of these distances from where it was."""
    place = cell(page, address)
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    assert box is not None
    x, y = box["x"] + 8, box["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    for way in pixels:
        page.mouse.move(x + way, y)
    page.mouse.up()


def edited(**weights: float) -> dict[str, object]:
    data = problem()
    for name, value in weights.items():
        data["weights"][name][0][0] = value
    return data


def undone_to_the_beginning(page: Page, steps: int) -> None:
    for left in reversed(range(steps)):
        assert page.locator("#undo").is_enabled(), f"{left + 1} steps more were expected"
        page.click("#undo")
        settled(page)
    assert page.locator("#undo").is_disabled()
    agrees(page, problem())


def test_a_drag_that_begins_before_the_reply_to_an_edit_keeps_it(page: Page) -> None:
    held = Held(page, "**/runs/*/edits", "POST")
    typed(page, XI, "0.5")
    held.arrive()
    dragged(page, XO, 30, 60, 90)  # 90 pixels: 30 steps of a hundredth
    held.arrive(2)
    held.end()
    page.wait_for_url(re.compile(r"W_xo\[0,0\]=1\.3"))
    settled(page)
    agrees(page, edited(W_xi=0.5, W_xo=1.3))
    page.click("#undo")
    settled(page)
    agrees(page, edited(W_xi=0.5))
    page.click("#redo")
    settled(page)
    agrees(page, edited(W_xi=0.5, W_xo=1.3))
    undone_to_the_beginning(page, 2)


def test_a_second_drag_before_the_reply_to_the_first_keeps_it(page: Page) -> None:
    held = Held(page, "**/runs/*/edits", "POST")
    dragged(page, XO, 30, 60, 90)
    held.arrive()  # the first value; the last one waits for its reply
    before = float(problem()["weights"]["W_xi"][0][0])
    dragged(page, XI, 30, 60)
    held.end()
    page.wait_for_url(re.compile(r"W_xi\[0,0\]="))
    settled(page)
    agrees(page, edited(W_xo=1.3, W_xi=round(before + 0.2, 6)))
    page.click("#undo")
    settled(page)
    agrees(page, edited(W_xo=1.3))
    undone_to_the_beginning(page, 1)


def test_an_edit_after_a_drag_that_is_on_its_way_stays(page: Page) -> None:
    held = Held(page, "**/runs/*/edits", "POST")
    dragged(page, XO, 30, 60, 90)
    held.arrive()
    typed(page, XF, "0.25")
    held.arrive(2)
    held.end()
    settled(page)
    agrees(page, edited(W_xo=1.3, W_xf=0.25))
    page.click("#undo")
    settled(page)
    agrees(page, edited(W_xo=1.3))
    undone_to_the_beginning(page, 1)


def test_of_two_edits_on_their_way_the_later_can_be_tried_without_the_other(page: Page) -> None:
    page.watched.expected.append("status of 4")  # type: ignore[attr-defined]
    held = Held(page, "**/runs/*/edits", "POST")
    typed(page, XI, "0.5")
    held.arrive()
    typed(page, XO, "0.25")
    held.arrive(2)
    assert f'"{XI}"' in str(held.waiting[1].request.post_data)
    held.waiting.pop(1).fulfill(status=422, json={"title": "Refused", "detail": "W_xi[0,0] is refused"})
    held.end()
    fault = page.locator(".givens .fault").filter(has_text="W_xi[0,0] is refused")
    assert cell(page, XO).get_attribute("aria-invalid") is None
    agrees(page, problem())
    fault.get_by_role("button", name="Try again").click()
    page.wait_for_url(re.compile(r"edits=0/forward/W_xo\[0,0\]=0\.25(&|$)"))
    settled(page)
    agrees(page, edited(W_xo=0.25))


def test_an_edit_before_the_first_equations_are_back_stays(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps", large=True)
    page.locator("#equations summary").click()
    field = page.locator("#equations-text")
    own = field.input_value()
    field.fill(own.replace("c_t = f_t * c_prev", "c_t = c_prev"))
    page.locator("#equations-good").wait_for()
    page.click("#apply")
    page.locator("#first-equations").wait_for()
    settled(page)
    page.click("#first-equations")
    typed(page, XI, "0.5")
    page.wait_for_url(re.compile(r"W_xi\[0,0\]=0\.5"))
    page.locator("#first-equations").wait_for(state="detached")
    settled(page)
    data = problem("three-steps")
    data["weights"]["W_xi"][0][0] = 0.5
    agrees(page, data)
    assert field.input_value() == own


def arithmetic(page: Page, name: str) -> None:
    page.locator("#settings summary").click()
    with page.expect_response("**/api/v1/runs"):
        page.select_option("#setting-arithmetic", name)
    page.keyboard.press("Escape")
    settled(page)


def test_a_source_that_cannot_be_opened_is_tried_in_another_arithmetic(opened: Opening) -> None:
    page = opened("#bench?source=example:none-such")
    page.watched.expected.append("status of 4")  # type: ignore[attr-defined]
    page.locator("#source-fault").wait_for()
    arithmetic(page, "float16")
    page.locator("#source-fault").wait_for()


def test_a_source_that_cannot_be_opened_has_no_edits_of_the_one_before(page: Page) -> None:
    page.watched.expected.append("status of 4")  # type: ignore[attr-defined]
    typed(page, XI, "0.5")
    page.wait_for_url(re.compile("edits="))
    page.evaluate("location.hash = '#bench?source=example:none-such'")
    page.locator("#source-fault").wait_for()
    arithmetic(page, "float16")
    page.locator("#source-fault").wait_for()
    assert page.locator("#without-edits").count() == 0


def test_an_edit_in_an_arithmetic_that_was_just_set_is_computed_in_it(page: Page) -> None:
    held = Held(page, "**/api/v1/runs", "POST")
    page.locator("#settings summary").click()
    page.select_option("#setting-arithmetic", "float16")
    page.keyboard.press("Escape")
    held.arrive()
    typed(page, XI, "0.3")
    held.end()
    settled(page)
    agrees(page, edited(W_xi=0.3) | {"arithmetic": "float16"})


def test_a_link_whose_pinned_run_cannot_be_made_opens_without_it(opened: Opening) -> None:
    page = opened("#bench?source=example:q22&edits=0/forward/W_xi[0,0]=0.5&a=source=example:none-such")
    page.watched.expected.append("status of 4")  # type: ignore[attr-defined]
    page.get_by_text("The run that this link pins as A could not be made").wait_for()
    assert "none-such" in page.locator("#pinned-fault").inner_text()
    agrees(page, edited(W_xi=0.5))
    assert page.locator("#pin").is_visible()
    page.get_by_role("button", name="Close").click()
    page.locator("#pinned-fault").wait_for(state="detached")


#: Of a cell that is too wide to be live, the weights of one unit are shown.
WIDE = "#bench?source=blank:lstm/2/1/80"


def rows(page: Page, unit: int) -> None:
    page.fill("#unit-row", str(unit))
    page.keyboard.press("Tab")


def test_weights_are_those_of_the_unit_that_the_field_says(opened: Opening) -> None:
    page = opened(WIDE)
    rows(page, 3)
    typed(page, "0/forward/W_hi[3,0]", "0.5")
    page.wait_for_url(re.compile(r"W_hi\[3,0\]=0\.5"))
    settled(page)
    rows(page, 5)
    cell(page, "0/forward/W_hi[5,0]").wait_for()
    page.click("#undo")
    settled(page)
    page.wait_for_url(re.compile("^(?!.*edits=)"))
    assert page.locator("#unit-row").input_value() == "5"
    assert cell(page, "0/forward/W_hi[5,0]").count() == 1
    assert cell(page, "0/forward/W_hi[3,0]").count() == 0


def test_of_two_units_the_one_that_was_wanted_last_is_shown(opened: Opening) -> None:
    page = opened(WIDE)
    held = Held(page, "**/premises?unit=*")
    rows(page, 7)
    held.arrive()
    rows(page, 8)
    held.arrive(2)
    held.answer(1)
    cell(page, "0/forward/W_hi[8,0]").wait_for()
    held.answer(0)
    settled(page)
    assert cell(page, "0/forward/W_hi[8,0]").count() == 1
    assert page.locator("#unit-row").input_value() == "8"


def test_what_is_typed_goes_where_it_was_begun_while_steps_are_played(opened: Opening) -> None:
    page = opened("#bench?source=blank:lstm/60/1/2&at=0/forward/25/0/h_t[0]")  # 40 of the 60 steps stand in the grid
    page.click("#play")
    cell(page, "25/0/x_t[0]").click()
    page.keyboard.type("7")
    page.locator('#step-shown:text-is("t = 27")').wait_for()
    page.keyboard.type(".5")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"edits=25/0/x_t\[0\]=7\.5(&|$)"))
    page.click("#play")
    settled(page)
    assert cell(page, "25/0/x_t[0]").inner_text() == "7.5"


def test_of_what_is_kept_that_unused_for_longest_goes_first(page: Page) -> None:
    left = page.evaluate(
        """async () => {
            const { Latest } = await import("/static/bench/state/latest.js");
            const kept = new Latest(2);
            kept.set("a", 1).set("b", 2);
            kept.get("a");
            kept.set("c", 3);
            return [...kept];
        }"""
    )
    assert left == [["a", 1], ["c", 3]]
