"""What is given, as a person changes it: by finger, by keys, by pasting and by files; and what the page then says."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ... import ROOT
from ...support.serving import serving
from .bench_page import agrees, cell, number, pasted, problem, settled, typed
from .filling import kept

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
    assert page.locator(".cell-panel .hint").last.inner_text().startswith("Tap")
    cell(page, "0/forward/W_xo[0,1]").tap()
    assert page.evaluate("getSelection().toString()") == "1"  # for the next key to replace it
    page.keyboard.press("Escape")
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


def test_equations_that_cannot_be_run_stay_to_be_put_right(page: Page) -> None:
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    page.locator("#equations summary").click()
    field = page.locator("#equations-text")
    assert "not been changed" in page.locator("#apply-why").inner_text()
    text = field.input_value()
    wrong = text.replace("W_xi @ x_t", "W_xi*x_t")
    field.fill(wrong)
    page.locator("#equations-good").wait_for()
    page.click("#apply")
    page.locator("#equations-failed").wait_for()
    assert field.input_value() == wrong
    said = page.locator("#equations-failed").inner_text().splitlines()
    assert said == [
        "equation 1: W_xi has shape (2, 2): * multiplies unit by unit; a matrix times a vector is written `W_xi @ x_t`",
        "    z_i = W_xi*x_t + W_hi @ h_prev + b_i",
        "          ^",
    ]
    field.fill(wrong.replace("W_xi*x_t", "W_xi @ x_t + b_i"))  # put right, it runs
    page.locator("#equations-good").wait_for()
    page.click("#apply")
    page.locator("#first-equations").wait_for()
    settled(page)
    page.click("#undo")
    page.locator("#first-equations").wait_for(state="detached")
    assert field.input_value() == text


PAPER_GRU = """z_t = sigmoid(W_z @ x_t + U_z @ h_prev + b_z)
r_t = sigmoid(W_r @ x_t + U_r @ h_prev + b_r)
n_t = tanh(W_n @ x_t + U_n @ (r_t * h_prev) + b_n)
h_t = (1 - z_t) * n_t + z_t * h_prev
carry: h_prev <- h_t
output: h_t"""


def test_equations_of_a_paper_are_told_how_they_are_typed_and_their_weights_stand_by_gate(opened: Opening) -> None:
    page = opened("#bench?source=example:gru")
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    assert page.locator("h1 .tag").count() == 0
    page.locator("#equations summary").click()
    field = page.locator("#equations-text")
    field.fill(PAPER_GRU.replace("W_z @ x_t + U_z @ h_prev", "W_z x_t + U_z h_{t-1}"))
    fault = page.locator("#equations-fault")
    fault.wait_for()
    said = fault.inner_text()
    assert "W_z @ x_t" in said
    assert "h_prev" in said
    assert "invalid syntax" not in said
    field.fill(PAPER_GRU)
    page.locator("#shape-b_n").wait_for()
    page.click("#apply")
    page.locator("h1 .tag").wait_for()
    settled(page)
    assert page.locator("h1").inner_text().endswith("Equations of the cell: changed")  # so its title may be untrue
    gates = [" ".join(name.split()) for name in page.locator(".gate-name").all_inner_texts()]
    assert gates[:3] == ["Update gate", "Reset gate", "Weights of"]
    page.click("#undo")
    page.locator("h1 .tag").wait_for(state="detached")


def test_a_new_name_is_a_weight_with_a_shape_or_a_slip(page: Page) -> None:
    page.locator("#equations summary").click()
    field = page.locator("#equations-text")
    text = field.input_value()
    field.fill(text.replace("c_t = f_t * c_prev", "c_t = f_T * c_prev"))
    meant = page.locator("#missing .meant")
    meant.wait_for()
    assert meant.inner_text() == "Did you mean f_t?"
    meant.click()
    assert field.input_value() == text
    page.locator("#missing").wait_for(state="detached")
    field.fill(text.replace("+ b_f", "+ b_f + b_q"))  # a name of its own, though one letter from another
    page.locator("#shape-b_q").wait_for()
    assert meant.count() == 0
    assert "2 × 3" in page.locator("#shape-hint").inner_text()
    page.fill("#shape-b_q", "two")
    assert page.locator("#apply").is_disabled()
    assert "b_q has no shape" in page.locator("#apply-why").inner_text()
    page.fill("#shape-b_q", "2")
    page.click("#apply")
    cell(page, "0/forward/b_q[1]").wait_for()
    names = page.locator(".gate-name").all_inner_texts()
    assert names == ["Input gate", "Forget gate", "Candidate", "Output gate"]
    assert "0 forgets it" in page.locator("#gate-f .gate-about").inner_text()


@pytest.mark.parametrize(
    ("text", "block"),
    [
        ("0.5,-1\n2,3e-1\n", [[0.5, -1.0], [2.0, 0.3]]),  # of a CSV file
        ("a;b\n0,5;−1\n2;0,3", [[0.5, -1.0], [2.0, 0.3]]),  # of a German one, with names of its columns
        ("0,5\t-1\r\n2\t0,3\r\n", [[0.5, -1.0], [2.0, 0.3]]),  # cells of a spreadsheet
        ("0,25", [[0.25]]),  # one of them
        ("0,25 -1\n2 0,3", [[0.25, -1.0], [2.0, 0.3]]),
    ],
)
def test_a_block_is_read_as_it_was_written(page: Page, text: str, block: list[list[float]]) -> None:
    cell(page, "0/forward/W_hi[0,0]").click()
    pasted(page, text)
    page.wait_for_url(re.compile("edits="))
    settled(page)
    data = problem("three-steps")
    for j, row in enumerate(block):
        data["weights"]["W_hi"][j][: len(row)] = row
    agrees(page, data)


def test_a_block_that_is_longer_than_x_adds_steps(page: Page) -> None:
    cell(page, "1/0/x_t[0]").click()
    page.locator('.copy code:text-is("1/0/x_t[0]")').wait_for()
    pasted(page, "1,2\n3,4\n5,6\n7,8")
    assert page.locator("#x-note").inner_text() == "The block was longer than x: 2 steps were added."
    settled(page)
    data = problem("three-steps")
    data["x"] = [data["x"][0], [1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]
    agrees(page, data, t=1)
    page.click("#undo")  # in one
    page.locator(".summary:text('3 steps')").wait_for()
    assert page.locator("#x-note").count() == 0
    cell(page, "1/0/x_t[0]").click()
    pasted(page, "1,2\n3,x")
    page.locator(".grid [role=alert]").wait_for()
    alert = page.locator(".grid [role=alert]").inner_text()
    assert alert.startswith("Nothing was pasted. Row 2, column 2: “x” is not a number.")


def test_x_comes_from_a_file_as_in_a_comparison(page: Page) -> None:
    def opens(text: str) -> None:
        page.set_input_files("#x-file", {"name": "days.csv", "mimeType": "text/csv", "buffer": text.encode()})

    opens("sun;rain;wind\n1;2;3")
    expected = "days.csv was not read. It has 3 columns; x has 2 inputs, a column for each."
    assert page.locator("#x-wrong").inner_text() == expected
    opens("sun;rain\n0,5;1\n-1;2")
    assert page.locator("#x-note").inner_text() == "x now comes from days.csv: 2 steps."
    page.locator(".summary:text('2 steps')").wait_for()
    agrees(page, problem("three-steps") | {"x": [[0.5, 1.0], [-1.0, 2.0]]})


def test_a_model_says_that_its_x_is_made_up(opened: Opening, stored: dict[str, str]) -> None:
    page = opened(f"#bench?source=item:{stored['Weights one']}")
    said = page.locator("#no-input")
    assert "no input of its own: x is 3 steps of zeros" in said.inner_text()
    cell(page, "0/0/x_t[0]").click()
    pasted(page, "1\t2\t3")
    said.wait_for(state="detached")


def chosen_blank(page: Page) -> None:
    page.select_option("#source", "blank")
    page.locator("#blank-steps").wait_for()


def test_a_blank_problem_says_its_limits_and_has_biases(page: Page) -> None:
    chosen_blank(page)
    assert page.locator("#blank-limits").inner_text() == "Each from 1 to 64."
    page.fill("#blank-steps", "0")
    assert page.locator("#blank-limits").inner_text() == "Steps: a whole number from 1 to 64 is needed."
    assert page.locator("#blank-open").is_disabled()
    assert page.locator("#blank-steps").input_value() == "0"
    page.fill("#blank-steps", "2")
    page.click("#blank-open")
    cell(page, "0/forward/b_f[1]").wait_for()
    assert page.locator("#source option:checked").inner_text() == "Blank problem"
    chosen_blank(page)
    page.uncheck("#blank-biases")
    page.click("#blank-open")
    cell(page, "0/forward/b_f[1]").wait_for(state="detached")
    cell(page, "0/forward/W_xf[1,1]").wait_for()


@pytest.mark.parametrize("kind", ["lstm", "slstm", "gru", "rnn"])
def test_every_cell_begins_blank_with_biases(opened: Opening, kind: str) -> None:
    page = opened(f"#bench?source=blank:{kind}/2/2/2/biases")
    page.locator("#value").wait_for()
    assert page.locator("#source-fault").count() == 0
    assert page.locator('td[data-address*="/b_"]').count() > 0


def dragged(page: Page, address: str, by: int) -> None:
    cell(page, address).scroll_into_view_if_needed()
    box = cell(page, address).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    for step in range(1, 10):
        page.mouse.move(box["x"] + 8 + by * step / 9, box["y"] + 8)
    page.mouse.up()
    settled(page)


def test_a_zero_is_dragged_like_the_numbers_beside_it(opened: Opening) -> None:
    page = opened("#bench?source=blank:lstm/2/2/2")
    dragged(page, "0/forward/W_xi[0,0]", 54)
    page.wait_for_url(re.compile(r"W_xi\[0,0\]=0\.54"))
    typed(page, "0/forward/W_xi[1,0]", "300")
    dragged(page, "0/forward/W_xi[0,1]", 54)  # beside hundreds: by ones
    page.wait_for_url(re.compile(r"W_xi\[0,1\]=54"))


def test_what_was_changed_keeps_a_mark_until_the_next_change(page: Page) -> None:
    before = page.locator(".picture svg").bounding_box()
    typed(page, "0/forward/W_xc[0,0]", "-2")
    page.locator(".changes").wait_for()
    marked = page.locator("td.edited").evaluate_all("all => all.map(one => one.dataset.address)")
    assert marked == ["0/forward/W_xc[0,0]"]
    page.locator(".changes summary").click()
    assert "c̃t" in page.locator(".changes .symbol").all_inner_texts()
    assert "c_tilde" not in page.locator(".changes").inner_text()
    assert page.locator(".picture svg").bounding_box() == before
    page.keyboard.press("Escape")
    typed(page, "0/forward/W_xo[0,0]", "-2")
    settled(page)
    marked = page.locator("td.edited").evaluate_all("all => all.map(one => one.dataset.address)")
    assert marked == ["0/forward/W_xo[0,0]"]


def test_on_a_phone_a_bar_follows_the_number_and_undoes(opened: Opening) -> None:
    page = opened("#bench?source=example:q22", width=390, touch=True)
    bar = page.locator("#number-bar")
    page.locator('.num[data-address="0/forward/0/0/h_t[0]"]').tap()
    bar.locator('[data-address="0/forward/0/0/h_t[0]"]').wait_for()
    box = bar.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] == pytest.approx(900, abs=2)  # at the bottom, wherever the page is
    value = number(bar.locator("#bar-value").inner_text().rstrip("…"))
    assert value == pytest.approx(number(page.locator("#value").inner_text()), rel=1e-3)
    cell(page, "0/forward/W_xi[0,0]").tap()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    settled(page)
    page.locator('.num[data-address="0/forward/0/0/h_t[0]"]').tap()
    bar.locator(".was").wait_for()
    assert "→" in bar.locator(".was").inner_text()
    bar.get_by_role("button", name="Undo").tap()
    page.wait_for_url(lambda url: "edits" not in url)
    bar.locator("#bar-show").tap()
    place = page.locator("#number-title").bounding_box()
    assert place is not None
    assert 0 <= place["y"] < 300
    wide = opened("#bench?source=example:q22")
    assert wide.locator("#number-bar").is_hidden()


def test_what_an_edit_does_not_change_is_not_drawn_again(opened: Opening, tmp_path: Path) -> None:
    """A trained model, 12 units in two directions over 13 steps: how often the large parts of the page are drawn."""
    folder = ROOT / "traces" / "unicode-burmese"
    with serving(tmp_path) as server:
        model = kept(server.url, folder / "burmese.npz", "Burmese words")
        page = opened(f"#bench?source=item:{model}", at=server.url)
        page.set_input_files("#x-file", folder / "sentence.csv")
        page.locator(".summary:text('13 steps')").wait_for()
        page.locator("#gate-f summary").click()
        cell(page, "0/forward/W_xf[0,0]").click()
        page.locator('.copy code:text-is("0/forward/W_xf[0,0]")').wait_for()
        counter = page.context.new_cdp_session(page)
        counter.send("Profiler.enable")
        counter.send("Profiler.startPreciseCoverage", {"callCount": True, "detailed": True})
        page.keyboard.type("0.5")
        page.keyboard.press("Enter")
        page.locator('.copy code:text-is("0/forward/W_xf[1,0]")').wait_for()
        settled(page)
        page.wait_for_timeout(300)
        calls: Counter[str] = Counter()
        for script in counter.send("Profiler.takePreciseCoverage")["result"]:
            for function in script["functions"]:
                calls[function["functionName"]] += function["ranges"][0]["count"]
        page.goto("about:blank")
    # the number, and after it the next one that Enter goes to; in the grid its field as well
    assert {name: calls[name] for name in ("StepTable", "Picture")} == {"StepTable": 2, "Picture": 2}
    assert 0 < calls["Grid"] <= 8
