"""A server that fails for a while: the page says so where it matters, and goes on once it answers again."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from .bench_page import cell, settled, typed
from .held import Held

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

Opening = Callable[..., "Page"]

XI, XO = "0/forward/W_xi[0,0]", "0/forward/W_xo[0,0]"
LINE = re.compile(r"/at/.*W_xo")


@pytest.fixture
def page(opened: Opening) -> Page:
    page = opened("#bench?source=example:q22", large=True)
    page.watched.expected.extend(["status of 50", "ERR_FAILED"])  # type: ignore[attr-defined]
    return page


def broken(route: Route) -> None:
    route.fulfill(
        status=500, content_type="application/problem+json", body='{"title": "Broken", "detail": "It broke."}'
    )


def looked_at(page: Page, address: str) -> None:
    page.locator(f'.number-panel .value[data-address="{address}"]').wait_for()


def test_an_error_about_one_number_does_not_stay_beside_another(page: Page) -> None:
    fault = page.locator(".number-panel .fault")
    cell(page, XI).click()
    looked_at(page, XI)
    page.route(LINE, broken)
    cell(page, XO).click()
    fault.get_by_text("It broke.").wait_for()
    cell(page, XI).click()
    fault.wait_for(state="detached")
    looked_at(page, XI)
    cell(page, XO).click()
    fault.get_by_text("It broke.").wait_for()
    page.unroute(LINE)
    fault.get_by_role("button", name="Try again").click()
    looked_at(page, XO)
    assert fault.count() == 0


def test_a_number_is_there_once_the_server_is_back(page: Page) -> None:
    page.route("**/api/v1/**", lambda route: route.abort())
    cell(page, XO).click()
    page.locator("#absence").wait_for()
    page.unroute("**/api/v1/**")
    page.locator("#absence button").click()
    looked_at(page, XO)
    page.locator("#absence").wait_for(state="detached")


def test_a_page_without_words_can_be_tried_again(page: Page) -> None:
    page.route("**/words/*.json", broken)
    page.reload()
    page.get_by_text("The page could not be loaded").wait_for()
    page.unroute("**/words/*.json")
    page.get_by_role("button", name="Try again").click()
    page.locator("#value").wait_for()
    assert page.locator("#wordless").count() == 0


def test_that_a_run_was_saved_is_not_said_beside_another(opened: Opening, empty: str) -> None:
    page = opened("#bench?source=example:q22", at=empty)
    held = Held(page, "**/library/runs", "POST")
    page.click("#save summary")
    page.click("#save button[type=submit]")
    held.arrive()
    typed(page, XI, "0.5")
    settled(page)
    page.click("#save summary")
    page.locator("#save-title").wait_for()
    held.end()
    page.wait_for_load_state("networkidle")
    assert page.locator("#save .good").count() == 0
    page.evaluate("""async () => {
        const { items } = await (await fetch("/api/v1/library")).json();
        for (const { id } of items) await fetch(`/api/v1/library/${id}`, { method: "DELETE" });
    }""")


def test_a_busy_server_is_asked_again_and_the_value_stays(page: Page) -> None:
    page.watched.expected.append("status of 429")  # type: ignore[attr-defined]
    left = [4]

    def busy(route: Route) -> None:
        left[0] -= 1
        if left[0] < 0:
            route.continue_()
            return
        problem = '{"title": "Busy", "detail": "3 computations run and 64 wait; try again in a moment"}'
        route.fulfill(status=429, content_type="application/problem+json", headers={"retry-after": "1"}, body=problem)

    page.route("**/edits", busy)
    typed(page, XI, "0.77")
    page.wait_for_timeout(1500)
    assert cell(page, XI).inner_text() == "0.77"  # while it waits
    page.wait_for_function("() => !document.querySelector('[aria-busy=true], .fault')")
    settled(page)
    assert left[0] < 0
    assert cell(page, XI).inner_text() == "0.77"
    assert page.locator(".fault").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_a_message_in_a_narrow_column_can_be_read(opened: Opening, width: int) -> None:
    page = opened("#bench?source=example:q22", width=width, large=True)
    page.watched.expected.append("status of 503")  # type: ignore[attr-defined]
    text = "waited for other computations, of which there are many now; try again in a moment"
    problem = f'{{"title": "Busy", "detail": "{text}"}}'
    page.route(
        "**/edits", lambda route: route.fulfill(status=503, content_type="application/problem+json", body=problem)
    )
    typed(page, XI, "0.77")
    box = page.locator(".givens .fault")
    box.get_by_text(text).wait_for()
    size, said = box.bounding_box(), box.locator("> :first-child").bounding_box()
    assert size is not None
    assert said is not None
    assert said["width"] > 0.7 * size["width"]
    assert size["height"] < 220
