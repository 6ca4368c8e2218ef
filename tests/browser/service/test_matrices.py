"""Cells with a matrix for a memory: its entries are named by row and column wherever the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lstm_trace as lt

from .bench_page import number, on_page, problem, settled, typed
from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page


def agrees(page: Page, data: Mapping[str, Any], line: str, t: int) -> None:
    """Whether the table has the entries of a matrix as the library computes them."""
    trace = lt.run(dict(data))
    rows, columns = trace.grid("0/forward", line) or (0, 0)
    values = trace[line][t, 0].reshape(rows, columns)
    expected = {f"0/forward/{t}/0/{line}[{r},{c}]": values[r, c] for r in range(rows) for c in range(columns)}
    found = on_page(page)
    assert {address: found[address] for address in expected} == pytest.approx(expected, rel=1e-12)


def looked_at(page: Page, address: str) -> None:
    page.locator(f'#step-table [data-address="{address}"]').click()
    page.locator(f'.copy code:text-is("{address}")').wait_for()


def test_an_entry_is_looked_at_and_is_what_gradients_are_of(opened: Opening) -> None:
    page = opened("#bench?source=example:mlstm")
    agrees(page, problem("mlstm"), "C_t", 0)
    looked_at(page, "0/forward/0/0/C_t[2,1]")
    assert page.locator(".value math").text_content() == "Ct[2,1]"
    operands = page.locator("#chain mn[data-address]").evaluate_all("all => all.map((one) => one.dataset.address)")
    assert "0/forward/0/0/f_t * C_prev[2,1]" in operands
    assert page.locator("#unit option:checked").inner_text() == "2,1"
    spot = page.locator('g.tip[data-address="0/forward/0/0/C_t[2,1]"]')
    assert ": [2,1] 0.283" in (spot.get_attribute("aria-label") or "")
    assert "C_t, entry [2,1], t = 0" in (spot.locator("title").text_content() or "")

    page.click("#make-target")
    looked_at(page, "0/forward/0/0/v_t[2]")
    page.locator('.slope-is:has-text("C")').wait_for()
    settled(page)
    assert "of=0/forward/0/0/C_t[2,1]" in page.url
    trace = lt.run(problem("mlstm"))
    slope = lt.derivation(trace, "0/v_t[2]", of="0/C_t[2,1]").gradient
    assert slope is not None
    assert slope.value != 0
    assert number(page.locator("#gradient").inner_text()) == pytest.approx(slope.value, rel=1e-12)
    page.reload()
    page.locator('#target option:checked:text-is("C_t[2,1], t = 0")').wait_for(state="attached")


def test_entries_of_matrices_are_edited_and_held_and_compared(opened: Opening) -> None:
    page, data = opened("#bench?source=example:mlstm"), problem("mlstm")
    page.click("#pin")
    typed(page, "0/forward/0/C_prev[2,0]", "0.25")
    page.locator("#step-table .num.changed").first.wait_for()
    settled(page)
    data["initial"]["C_prev"][2][0] = 0.25
    agrees(page, data, "C_t", 0)
    assert "C_prev[2,0]=0.25" in page.url

    looked_at(page, "0/forward/0/0/C_t[2,0]")
    page.locator("#hold-value").fill("0.5")
    page.click("#hold-do")
    page.locator('[data-held="0/forward/0/0/C_t[2,0]"] a').wait_for()
    settled(page)
    agrees(page, data | {"hold": {"0/C_t[2,0]": 0.5}}, "C_t", 0)
    page.click("#compare-a")
    page.locator('.chosen-address:text-is("0/forward/0/0/f_t * C_prev[2,0]")').wait_for()
    page.locator(".map-readout").wait_for()
    assert page.locator(".map-readout").inner_text().startswith("step 0, unit 2,0")
    page.locator("#open-chosen").click()
    page.locator('.copy code:text-is("0/forward/0/0/f_t * C_prev[2,0]")').wait_for()


def test_a_weight_that_is_a_matrix_beside_matrices_is_edited(opened: Opening) -> None:
    page, data = opened("#bench?source=example:mamba&count_from=1"), problem("mamba")
    typed(page, "0/forward/A_log[2,1]", "0.125")
    page.locator("#step-table .num.changed").first.wait_for()
    settled(page)
    data["weights"]["A_log"][2][1] = 0.125
    agrees(page, data, "H_t", 0)
    named = page.locator('#step-table [data-address="0/forward/0/0/H_t[2,1]"]').get_attribute("aria-label") or ""
    assert named.startswith("H_t, entry [3,2]")
    page.click("#undo")
    page.wait_for_url(lambda url: "edits=" not in url)
    settled(page)
    agrees(page, problem("mamba"), "H_t", 0)


def test_of_a_large_cell_the_chosen_entry_is_shown(opened: Opening, server: str) -> None:
    text = "C_t = C_prev + outer(x_t, x_t)\nh_t = C_t @ x_t\ncarry: C_prev <- C_t\noutput: h_t"
    data = {
        "cell": {"equations": text},
        "weights": {},
        "x": np.arange(1.0, 21.0).reshape(2, 10).tolist(),
        "ask": ["C_t"],
    }
    page = opened(f"#bench?source=run:{lt.client(server).run(data).id}&at=0/forward/1/0/C_t[9,9]")
    page.locator('#step-table [data-address="0/forward/1/0/C_t[9,9]"]').wait_for()
    found = on_page(page)
    assert found["0/forward/1/0/C_t[9,9]"] == 100.0 + 400.0
    assert found["0/forward/0/0/C_t[9,9]"] == 100.0  # as C_prev
    assert page.locator("#unit option:checked").inner_text() == "9,9"
    spot = page.locator('g.tip[data-address="0/forward/1/0/C_t[9,9]"] text')
    assert spot.inner_html().startswith("[9,9] 500")
