"""The bench as a person uses it: what is typed, dragged or pasted, and the numbers on the page afterwards."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lstm_trace as lt

from ... import ROOT
from .bench_page import agrees, cell, computed, number, on_page, pasted, problem, settled, typed
from .conftest import Opening
from .filling import kept

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture
def page(opened: Opening) -> Page:
    """The bench with question 22."""
    return opened("#bench?source=example:q22")


def test_a_number_that_is_typed_changes_everything_that_follows_from_it(page: Page) -> None:
    data = problem()
    agrees(page, data)
    old = on_page(page)
    typed(page, "0/forward/W_xi[0,0]", "0,5")  # as a spreadsheet in Germany has it
    page.locator("#step-table .num.changed").first.wait_for()
    data["weights"]["W_xi"][0][0] = 0.5
    agrees(page, data)
    new = computed(data)
    changed = page.locator("#step-table .num.changed").evaluate_all("all => all.map(one => one.dataset.address)")
    assert set(changed) == {
        address for address, value in new.items() if value != pytest.approx(old[address], rel=1e-13)
    }
    page.locator('.num[data-address="0/forward/0/0/h_t[0]"]').click()
    page.locator("#was").wait_for()
    before, after = page.locator("#was .number").all_inner_texts()
    assert number(before) == old["0/forward/0/0/h_t[0]"]
    assert number(after) == pytest.approx(new["0/forward/0/0/h_t[0]"], rel=1e-13)
    page.click("#undo")
    page.locator('td[data-address="0/forward/W_xi[0,0]"][aria-label$=": −1"]').wait_for()
    agrees(page, problem())


def test_steps_have_their_labels(opened: Opening, empty: str, tmp_path: Path) -> None:
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml", tokens=["sun", " rain", "<i>" * 99])
    trace.save(tmp_path / "t.json")
    item = kept(empty, tmp_path / "t.json")
    try:
        page = opened(f"#bench?source=item:{item}", at=empty)
        page.locator("#step-table .num").first.wait_for()
        page.locator("#step").press("ArrowRight")
        page.locator("#step-shown:text-is('t = 2 ‘␣rain’')").wait_for()
        labels = page.locator("[id='grid-x'] tbody th").all_inner_texts()
        assert labels == ["t = 1 ‘sun’", "t = 2 ‘␣rain’", "t = 3 ‘<i><i><i><i><i>…’"]
        page.locator("#step-table .num[aria-label*='t = 2 ‘␣rain’']").first.wait_for()
        page.locator("#step").press("ArrowRight")
        page.wait_for_function("document.querySelector('#step-shown').textContent.includes('<i>')")
        assert page.locator("#step").get_attribute("aria-valuetext") == "t = 3 ‘<i><i><i><i><i>…’"
    finally:
        lt.client(empty).remove(item)


@pytest.mark.parametrize("seed", range(3))
def test_random_edits_give_what_the_library_computes(opened: Opening, seed: int) -> None:
    page = opened("#bench?source=example:three-steps")
    data, rng = problem("three-steps"), np.random.default_rng(seed)
    names = sorted(data["weights"])
    for _ in range(4):
        name, value = str(rng.choice(names)), round(float(rng.normal()), 3)
        array = np.asarray(data["weights"][name], dtype=float)
        at = tuple(int(rng.integers(n)) for n in array.shape)
        array[at] = value
        data["weights"][name] = array.tolist()
        typed(page, f"0/forward/{name}[{','.join(map(str, at))}]", str(value))
        settled(page)
    page.locator("#step").press("ArrowRight")
    page.locator('#step-table [data-address="0/forward/1/0/i_t[0]"]').wait_for()
    agrees(page, data, t=1)


def test_keys_move_edit_and_give_up(page: Page) -> None:
    cell(page, "0/forward/W_xf[0,0]").focus()
    for key, at in (("ArrowRight", "0,1"), ("ArrowDown", "1,1"), ("Home", "1,0"), ("End", "1,2")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.dataset.address") == f"0/forward/W_xf[{at}]"
    page.keyboard.press("F2")
    page.keyboard.type("9")
    page.keyboard.press("Escape")
    assert cell(page, "0/forward/W_xf[1,2]").inner_text() == "−0.1"
    assert page.locator("#undo").is_disabled()


def test_what_is_no_number_is_marked_and_changes_nothing(page: Page) -> None:
    typed(page, "0/forward/W_xf[0,0]", "1.2.3")
    assert cell(page, "0/forward/W_xf[0,0]").get_attribute("aria-invalid") == "true"
    assert "1.2.3 is not a number" in page.locator(".grid [role=alert]").inner_text()
    assert page.locator("#undo").is_disabled()


def test_a_block_of_a_spreadsheet_is_pasted(page: Page) -> None:
    cell(page, "0/forward/W_xi[0,1]").click()
    pasted(page, "0,25\t-1\n3\t1e-1\n")
    page.locator("#step-table .num.changed").first.wait_for()
    data = problem()
    data["weights"]["W_xi"] = [[-1.0, 0.25, -1.0], [-1.0, 3.0, 0.1]]
    agrees(page, data)


def test_a_number_is_dragged(page: Page) -> None:
    cell(page, "0/forward/W_xo[0,0]").scroll_into_view_if_needed()
    box = cell(page, "0/forward/W_xo[0,0]").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 8, box["y"] + 8)
    page.mouse.down()
    for step in range(1, 16):
        page.mouse.move(box["x"] + 8 + 6 * step, box["y"] + 8)
    page.mouse.up()
    settled(page)
    page.wait_for_url(re.compile(r"W_xo\[0,0\]=1\.3"))  # 90 pixels: 30 steps of a hundredth
    data = problem()
    data["weights"]["W_xo"][0][0] = 1.3
    agrees(page, data)
    page.click("#undo")  # a drag is one step of the history
    page.locator('td[data-address="0/forward/W_xo[0,0]"][aria-label$=": 1"]').wait_for()
    assert page.locator("#undo").is_disabled()


def test_against_a_pinned_run_every_number_has_its_difference(opened: Opening) -> None:
    page = opened("#bench?source=example:q22")
    page.click("#pin")
    typed(page, "0/forward/W_xf[0,0]", "-2")
    page.locator("#step-table .num.changed").first.wait_for()
    data = problem()
    data["weights"]["W_xf"][0][0] = -2.0
    delta = computed(data)["0/forward/0/0/f_t[0]"] - computed(problem())["0/forward/0/0/f_t[0]"]
    shown = page.locator('td:has([data-address="0/forward/0/0/f_t[0]"]) .delta').inner_text()
    assert number(shown) == pytest.approx(delta, abs=5e-5)
    other = opened(page.url.split("/", 3)[3])  # the link says all of it
    other.locator("#step-table .delta").first.wait_for()
    assert other.locator('td:has([data-address="0/forward/0/0/f_t[0]"]) .delta').inner_text() == shown
    agrees(other, data)


def test_operands_and_readers_lead_on_and_back(page: Page) -> None:
    page.locator('g.tip[data-spot="c_t"]').press("Enter")
    address = page.locator(".copy code")
    page.locator('.links a[data-address="0/forward/0/0/i_t * c_tilde[0]"]').click()
    page.get_by_text("0/forward/0/0/i_t * c_tilde[0]", exact=True).wait_for()
    page.locator('.formula mn[data-address="0/forward/0/0/c_tilde[0]"]').first.click()
    page.locator('.copy code:text-is("0/forward/0/0/c_tilde[0]")').wait_for()
    page.locator("aside button").first.click()
    page.locator('.copy code:text-is("0/forward/0/0/i_t * c_tilde[0]")').wait_for()
    page.go_back()
    page.wait_for_load_state("networkidle")
    assert address.inner_text() == "0/forward/0/0/i_t * c_tilde[0]"


def test_the_forget_gate_says_what_it_does(page: Page) -> None:
    page.locator('g.tip[data-spot="f_t"]').click()
    page.locator('.copy code:text-is("0/forward/0/0/f_t[0]")').wait_for()
    assert "keep" in page.locator("#about").inner_text() or "kept" in page.locator("#about").inner_text()
    assert "verified" in page.locator("#verdict").inner_text()
    gradient = lt.gradients(lt.run(problem()), of="0/h_t[0]")["0/forward/W_xi"][0, 0]
    cell(page, "0/forward/W_xi[0,0]").click()
    page.locator('.copy code:text-is("0/forward/W_xi[0,0]")').wait_for()
    assert number(page.locator("#gradient").inner_text()) == pytest.approx(float(gradient), rel=1e-12)


def test_equations_are_text_with_the_messages_of_the_parser(page: Page) -> None:
    page.watched.expected.append("422")  # type: ignore[attr-defined]
    page.locator("#equations summary").click()
    field = page.locator("#equations-text")
    text = field.input_value()
    field.fill(text.replace("sigmoid(z_f)", "sigmod(z_f)"))
    page.locator("#equations-fault").wait_for()
    fault = page.locator("#equations-fault").inner_text()
    assert fault.splitlines()[-2:] == ["    f_t = sigmod(z_f)", "          ^"]
    assert page.locator("#apply").is_disabled()
    field.fill(text.replace("z_f = W_xf @ x_t", "z_f = W_q * c_prev + W_xf @ x_t"))
    page.locator("#missing").wait_for()
    assert "W_q" in page.locator("#missing").inner_text()
    page.click("#apply")
    cell(page, "0/forward/W_q[1]").wait_for()
    assert cell(page, "0/forward/W_q[1]").inner_text() == "0"
    page.click("#first-equations")
    cell(page, "0/forward/W_q[1]").wait_for(state="detached")


def test_steps_are_added_and_walked_through(page: Page) -> None:
    page.click("#more-steps")
    cell(page, "1/0/x_t[2]").wait_for()
    typed(page, "1/0/x_t[2]", "-1")
    settled(page)
    page.locator("#step").press("ArrowRight")
    page.locator('#step-table [data-address="0/forward/1/0/i_t[0]"]').wait_for()
    data = problem() | {"x": [[1.0, 2.0, 3.0], [0.0, 0.0, -1.0]]}
    agrees(page, data, t=1)


def test_the_downloaded_problem_runs_to_the_same_numbers(page: Page, tmp_path: Any) -> None:
    typed(page, "0/forward/W_xi[0,0]", "0.5")
    page.locator("#step-table .num.changed").first.wait_for()
    page.locator("#downloads summary").click()
    with page.expect_download() as download:
        page.click("#download-problem-yaml")
    path = tmp_path / "problem.yaml"
    download.value.save_as(path)
    trace, found = lt.run(path), on_page(page)
    assert found["0/forward/0/0/h_t[1]"] == pytest.approx(trace["h_t"][0, 0, 1], rel=1e-13)


@pytest.mark.parametrize("dark", [False, True])
def test_on_a_phone_nothing_sticks_out(opened: Opening, dark: bool) -> None:
    page = opened("#bench?source=example:three-steps", width=390, dark=dark)
    page.locator("#value").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0


def test_padding_is_marked(opened: Opening) -> None:
    """Sequence 1 of the example has fewer steps than sequence 0."""
    page = opened("#bench?source=example:batch")
    page.select_option("#row", "1")
    shown = []
    for t in range(int(page.locator("#step").get_attribute("max") or 0) + 1):
        page.locator(f'#step-table [data-address="0/forward/{t}/1/i_t[0]"]').wait_for()
        shown.append(page.locator("#padding").all_inner_texts())
        page.locator("#step").press("ArrowRight")
    lengths = problem("batch")["lengths"]
    assert shown == [[] if t < lengths[1] else ["padding: the states are kept"] for t in range(lengths[0])]
