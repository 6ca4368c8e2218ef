"""What stands on the bench, and what the library computes for the same problem."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text as example

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page


def problem(name: str = "q22") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(example(name))
    return {key: value for key, value in found.items() if key != "ask"}  # every line is computed, as on the bench


def cell(page: Page, address: str) -> Locator:
    """The field of a given number."""
    return page.locator(f'td[role="gridcell"][data-address="{address}"]')


def typed(page: Page, address: str, text: str) -> None:
    cell(page, address).click()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def settled(page: Page) -> None:
    """Wait until no run is under way: what was pressed just now is drawn within two frames."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.locator('.busy[data-busy="false"]').wait_for(state="attached")


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def on_page(page: Page) -> dict[str, float]:
    """Every number of the table of the step by its address, in full."""
    found = page.locator("#step-table .num[data-address]").evaluate_all(
        "all => all.map(one => [one.dataset.address, one.title])"
    )
    return {address: number(title.splitlines()[0].rsplit(" = ", 1)[1]) for address, title in found}


def computed(data: Mapping[str, Any], t: int = 0) -> dict[str, float]:
    """The same numbers as the library computes them."""
    trace = lt.run(dict(data))
    lines = {
        f"0/forward/{t}/0/{line}[{j}]": float(value)
        for line, array in trace.lines["0/forward"].items()
        for j, value in enumerate(array[t, 0])
    }
    assert trace.x is not None
    return lines | {f"{t}/0/x_t[{k}]": float(value) for k, value in enumerate(trace.x[t, 0])}


def agrees(page: Page, data: Mapping[str, Any], t: int = 0) -> None:
    expected, found = computed(data, t), on_page(page)
    # the page computes by itself, with functions of the browser: the last digit of a tanh is its own
    assert {address: found[address] for address in expected} == pytest.approx(expected, rel=1e-13, abs=1e-15)


def pasted(page: Page, text: str) -> None:
    """A block of a spreadsheet is pasted where the focus is."""
    page.evaluate(
        """text => {
            const clipboardData = new DataTransfer();
            clipboardData.setData("text", text);
            const paste = new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true });
            document.activeElement.dispatchEvent(paste);
        }""",
        text,
    )
