"""What stands on the page: the same number alike everywhere, rows by what they index, symbols of the notation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from .bench_page import cell, settled, typed
from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page

STEPS = "#bench?source=example:three-steps"


def table(page: Page, line: str) -> list[str]:
    """What stands in the row of a line."""
    texts = page.locator(f'#step-table tr[data-line="{line}"] .num').all_inner_texts()
    return [text.strip() for text in texts]


def drawn(page: Page, spot: str) -> str:
    return page.locator(f'g.tip[data-spot="{spot}"] text').inner_html()


@pytest.mark.parametrize(
    ("more", "expected"), [("", "0.4425"), ("&arithmetic=by-hand-3", "0.443"), ("&digits=2", "0.44")]
)
def test_a_number_is_alike_in_table_picture_and_panel(opened: Opening, more: str, expected: str) -> None:
    page = opened(f"{STEPS}&at=0/forward/2/0/f_t * c_prev[0]{more}")
    page.locator("#chain").wait_for()
    assert table(page, "f_t * c_prev")[0] == expected
    assert drawn(page, "f_t * c_prev").split(", ")[0] == expected
    assert page.locator("#chain .result .number").inner_text() == expected


def test_rows_stand_below_what_they_index(opened: Opening) -> None:
    page = opened("#bench?source=example:cross-entropy")
    page.locator("#step-table tr[data-line]").first.wait_for()
    heads = page.locator("#step-table tr.heads").all_inner_texts()
    assert [head.split("\t")[1:3] for head in heads] == [["a", "b"], ["a", "b"], ["unit 0", "unit 1"], ["a", "b"]]
    loss = page.locator('#step-table tr[data-line="L"] td')
    assert loss.count() == 1  # below no output
    assert loss.get_attribute("colspan") == "3"
    page.locator('#step-table tr[data-line="L"] .num').click()
    page.locator('.value[data-address$="/L[0]"]').wait_for()
    assert "unit" not in page.locator("#number-title >> xpath=../..").locator(".facts").inner_text()


def test_every_symbol_is_of_the_notation(opened: Opening) -> None:
    page = opened(f"{STEPS}&notation=pytorch")
    page.locator('#step-table tr[data-line="c_tilde"] th').get_by_text("gt").wait_for()
    text = page.locator("#bench").inner_text()
    assert "c̃" not in page.locator("#step-table").inner_text()
    assert "Wxi" not in text
    assert page.locator("[id='grid-0/forward/W_xf'] .symbol").inner_text() == "Wif"


def test_joined_products_stand_before_their_gate(opened: Opening) -> None:
    page = opened(f"{STEPS}&notation=joined")
    row = page.locator('#step-table tr[data-line="W_i @ concat(h_prev, x_t)"]')
    row.wait_for()
    assert row.get_attribute("class") == "part"
    names = page.locator("#step-table tr[data-line]").evaluate_all("all => all.map(one => one.dataset.line)")
    assert names[names.index("W_i @ concat(h_prev, x_t)") + 1] == "z_i"
    assert "concat(h_prev, x_t)" not in names
    assert row.locator("button").count() == 0


def test_labels_are_words(opened: Opening) -> None:
    page = opened(STEPS)
    cell(page, "0/forward/W_xf[1,0]").wait_for()
    assert cell(page, "0/forward/W_xf[1,0]").get_attribute("aria-label") == "W_xf, wet, sun: 0"
    title = page.locator('.num[data-address="0/forward/0/0/W_xi @ x_t[1]"]').get_attribute("title") or ""
    assert title.startswith("W_xi x_t, wet, t = 1 = −2")


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("count_from=0", ["W_xi, unit 1, input 0", "W_hi, unit 1 (row), unit 0 (column)", "h0, unit 1", "x, input 0"]),
        ("count_from=1", ["W_xi, unit 2, input 1", "W_hi, unit 2 (row), unit 1 (column)", "h0, unit 2", "x, input 1"]),
        (
            "count_from=1&language=de",
            [
                "W_xi, Einheit 2, Eingang 1",
                "W_hi, Einheit 2 (Zeile), Einheit 1 (Spalte)",
                "h0, Einheit 2",
                "x, Eingang 1",
            ],
        ),
    ],
)
def test_a_field_in_which_one_types_is_named_in_words(opened: Opening, setting: str, named: list[str]) -> None:
    page = opened(f"#bench?source=example:q22&{setting}")
    for address, name in zip(("W_xi[1,0]", "W_hi[1,0]", "0/h0[1]", ""), named, strict=True):
        place = f"0/forward/{address}" if address else "0/0/x_t[0]"
        cell(page, place).dblclick()
        page.get_by_role("textbox", name=name, exact=True).wait_for()
        page.keyboard.press("Escape")
        assert (cell(page, place).get_attribute("aria-label") or "").startswith(f"{name}: ")


def test_the_first_page_is_open_where_there_is_something_to_forget(opened: Opening) -> None:
    page = opened()
    page.locator("#chain").wait_for()
    assert page.locator("#step-shown").inner_text() == "t = 3"
    assert page.evaluate("location.hash") == ""
    page = opened(STEPS)
    page.locator("#chain").wait_for()
    assert page.locator("#step-shown").inner_text() == "t = 1"


def test_a_link_to_no_part_says_so(opened: Opening) -> None:
    page = opened("#nix")
    page.locator("#no-such-tab").get_by_text("“nix”").wait_for()
    page.locator("#no-such-tab button").click()
    page.locator("#no-such-tab").wait_for(state="detached")


def test_gradients_of_a_part_have_a_target(opened: Opening) -> None:
    page = opened("#bench?source=example:q19&at=0/forward/W_xi[0,2]")
    page.locator("#gradient").wait_for()
    assert page.locator("#target option").count() >= 1
    page.locator(".slope-is math").wait_for()
    assert re.fullmatch(r"−?0\.\d+", page.locator("#gradient").inner_text())


@pytest.mark.parametrize("example", ["cross-entropy", "squared-error", "rnn-softmax"])
def test_formulas_stay_within_the_panel(opened: Opening, example: str) -> None:
    page = opened(f"#bench?source=example:{example}")
    page.locator("#chain").wait_for()
    wide = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    assert page.locator("#chain .formula").evaluate_all(wide) == []
    assert page.locator(".links .markup").evaluate_all(wide) == []


def test_a_side_says_how_it_was_edited(opened: Opening) -> None:
    page = opened(STEPS)
    page.click("#pin")
    typed(page, "0/forward/W_xf[0,0]", "-1")
    settled(page)
    page.click("#compare-a")
    page.locator(".about-edits").wait_for()
    assert page.locator(".about-edits").all_inner_texts() == ["with W_xf[1,1] = −1"]


def test_a_cell_that_a_notation_does_not_have_is_shown_in_that_of_exercises(opened: Opening) -> None:
    page = opened("#bench?source=example:mlstm&notation=keras")
    page.locator("#other-notation", has_text="cannot be printed in the notation “Keras”").wait_for()
    assert page.locator(".picture svg").count() == 1
    assert page.locator(".fault").count() == 0


def test_numbers_of_100_and_more_stay_within_their_place(opened: Opening) -> None:
    """Room is left for numbers below 100: longer ones are set closer, until they are short again."""
    page = opened(f"{STEPS}&edits=0/0/x_t[0]=-12345.678;0/0/x_t[1]=-98765.432")
    text = page.locator('g.tip[data-spot="in:x_t"] text')
    text.filter(has_text="−98765.432").wait_for()
    wide = page.locator('g.tip[data-spot="in:x_t"] rect').evaluate("one => one.getBBox().width")
    assert text.evaluate("one => one.getComputedTextLength()") <= wide
    typed(page, "0/0/x_t[0]", "2")
    typed(page, "0/0/x_t[1]", "3")
    text.filter(has_text="2, 3").wait_for()
    assert text.get_attribute("textLength") is None
