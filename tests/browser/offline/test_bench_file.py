"""The bench as one file: it edits, undoes, derives and restores as the served one does, and requests nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text as example
from lstm_trace.languages import languages

from ..service.bench_page import cell, number, on_page, problem, settled, typed
from ..service.looks import looked_at
from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page

WEIGHT = "0/forward/W_xi[0,0]"
Q22 = "#bench?source=example:q22"


def agrees(page: Page, trace: lt.Trace, t: int = 0) -> None:
    """The table of a step has the numbers of a trace, within what rounding explains."""
    found = on_page(page)
    for scope, here in trace.lines.items():
        for line, array in here.items():
            for j, value in enumerate(array[t, 0]):
                if (address := f"{scope}/{t}/0/{line}[{j}]") in found:
                    assert found[address] == pytest.approx(value, rel=1e-13, abs=1e-15), address
    assert len(found) > 10


def test_an_edit_is_computed_in_the_page_and_undone(opened: Opening) -> None:
    page, data = opened(Q22), problem("q22")
    agrees(page, lt.run(data))
    typed(page, WEIGHT, "0.5")
    settled(page)
    changed = problem("q22")
    changed["weights"]["W_xi"][0][0] = 0.5
    agrees(page, lt.run(changed))
    assert page.locator("#step-table .changed").count() >= 4
    page.keyboard.press("Control+z")
    page.locator("#undo[disabled]").wait_for()
    agrees(page, lt.run(data))
    page.locator("#redo").click()
    page.locator("#redo[disabled]").wait_for()
    agrees(page, lt.run(changed))


def test_a_gradient_is_that_of_the_package(opened: Opening) -> None:
    page = opened(f"#bench?source=example:three-steps&at={WEIGHT}")
    of = page.locator("#target").input_value()
    own = lt.derivation(lt.run(problem("three-steps")), WEIGHT, of=of)
    assert own.gradient is not None
    assert number(page.locator("#gradient").inner_text()) == pytest.approx(own.gradient.value, rel=1e-12)


def test_equations_are_edited_and_new_weights_are_zeros(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps")
    page.locator("#equations > summary").click()
    text = page.locator("#equations-text").input_value()
    page.locator("#equations-text").fill(text.replace("tanh(c_t)", "tanh(c_t + v)"))
    page.locator("#missing").wait_for()
    page.locator("#apply").click()
    page.locator("#first-equations").wait_for()
    settled(page)
    typed(page, "0/forward/v[1]", "0.25")
    settled(page)
    trace = lt.edit(
        lt.run(problem("three-steps")),
        {"0/forward/v": np.array([0.0, 0.25])},
        text.replace("tanh(c_t)", "tanh(c_t + v)"),
    )
    agrees(page, trace)
    page.locator("#equations-text").fill("h_t = tanh(c_t")
    assert "never closed" in page.locator("#equations-fault").inner_text() or page.locator("#equations-fault").count()


def test_an_address_restores_the_state_in_another_window(opened: Opening) -> None:
    page = opened(Q22)
    typed(page, WEIGHT, "0.5")
    settled(page)
    page.locator("#pin").click()
    typed(page, "0/0/x_t[1]", "-3")
    settled(page)
    page.locator('#step-table .num[data-address="0/forward/0/0/c_t[1]"]').click()
    settled(page)
    shown = on_page(page), page.locator("#value").inner_text(), page.locator("#delta").inner_text()
    other = opened(page.evaluate("location.hash"))
    other.locator("#delta").wait_for()
    assert (on_page(other), other.locator("#value").inner_text(), other.locator("#delta").inner_text()) == shown


def test_a_line_is_held_and_released(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps&at=0/forward/1/0/f_t[0]")
    page.locator("#hold-value").fill("0")
    page.locator("#hold-do").click()
    page.locator("#held-now").wait_for()
    assert number(page.locator("#value").inner_text()) == 0
    agrees(page, lt.run(problem("three-steps"), hold={"0/forward/1/0/f_t[0]": 0.0}), 1)
    page.locator("#release").click()
    page.locator("#held-now").wait_for(state="detached")
    agrees(page, lt.run(problem("three-steps")), 1)


def test_a_saved_trace_is_verified(opened: Opening, tmp_path: Path) -> None:
    page = opened("#bench?source=example:batch")
    typed(page, WEIGHT, "0.5")
    settled(page)
    page.locator("#downloads > summary").click()
    page.locator("#download-title").fill("Mine")
    with page.expect_download() as download:
        page.locator("#download-trace-json").click()
    path = tmp_path / "trace.json"
    download.value.save_as(path)
    trace = lt.load(path)
    assert trace.header.title == "Mine"
    assert trace.parameters["0/forward"]["W_xi"][0, 0] == 0.5
    assert lt.verify(trace).verdict == "verified"


def test_more_steps_and_another_arithmetic(opened: Opening) -> None:
    page = opened(f"{Q22}&arithmetic=by-hand-3")
    agrees(page, lt.run(problem("q22"), arithmetic="by-hand-3"))
    page.locator("#more-steps").click()
    page.locator("#step-shown").get_by_text("t = 0").wait_for()
    settled(page)
    data = problem("q22")
    data["x"] = [data["x"], [0.0] * len(data["x"])]
    page.locator("#step").fill("1")
    settled(page)
    agrees(page, lt.run(data, arithmetic="by-hand-3"), 1)


@pytest.mark.parametrize("name", ["lstm/3/2/2/biases", "gru/2/1/3", "slstm/2/2/1", "rnn/1/4/2/biases"])
def test_a_blank_problem_has_the_sizes_that_are_wanted(opened: Opening, name: str, tmp_path: Path) -> None:
    kind, steps, inputs, units, *biases = name.split("/")
    page = opened(f"#bench?source=blank:{name}")
    page.locator("#downloads > summary").click()
    with page.expect_download() as download:
        page.locator("#download-trace-json").click()
    download.value.save_as(tmp_path / "trace.json")
    trace = lt.load(tmp_path / "trace.json")
    assert (trace.header.kind, trace.steps, trace.x.shape[2]) == (kind, int(steps), int(inputs))  # type: ignore[union-attr]
    assert trace["h_t"].shape[2] == int(units)
    assert any(key.startswith("b_") for key in trace.parameters["0/forward"]) == bool(biases)
    assert lt.verify(trace).verdict == "verified"


def test_given_traces_and_problems_come_first(opened: Opening, tmp_path: Path) -> None:
    draw = np.random.default_rng(5)
    weights = {f"W_{s}{g}": draw.normal(size=(3, 2 if s == "x" else 3)) for s in "xh" for g in "ifco"}
    own = lt.run(weights, draw.normal(size=(4, 2)))
    path = tmp_path / "own.html"
    lt.bench(own, yaml.safe_load(example("q19")), language="fr").save(path)
    page = opened(path=path)
    options = page.locator("#source option").evaluate_all("all => all.map(one => one.value)")
    assert options[0].startswith("example:given")
    assert options[1].startswith("example:question-19")
    assert page.locator("html").get_attribute("lang") == "fr"
    agrees(page, own)


@pytest.mark.parametrize("language", languages())
def test_every_text_is_there_in_every_language(opened: Opening, language: str) -> None:
    for source in ("q22", "three-steps", "batch", "mlstm", "readout"):
        page = opened(f"#bench?source=example:{source}&language={language}")
        page.locator("#equations > summary").click()
        text = page.locator("body").inner_text()
        assert not re.findall(r"\b(?:bench|shell|values|compare)\.\w[\w.]*", text)
        assert "undefined" not in text
        page.context.close()


def test_a_notebook_shows_it_in_a_frame(opened: Opening, tmp_path: Path) -> None:
    around = tmp_path / "notebook.html"
    around.write_text(f"<!doctype html><title>cell</title>{lt.bench()._repr_html_()}<p id=value>.", encoding="utf-8")
    page = opened(path=around)
    frame: Any = page.frame_locator("iframe")
    frame.locator("#value").wait_for()
    cell(frame, WEIGHT).click()
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    frame.locator("#undo:not([disabled])").wait_for()
    assert "edits=0/forward/W_xi[0,0]=0.5" in page.frames[1].url
    assert page.url == around.as_uri()


def test_the_words_are_those_that_are_used(file: Path) -> None:
    found = re.search(r'id="embedded">(.*?)</script>', file.read_text(encoding="utf-8"), re.S)
    assert found is not None
    assert "sequences" not in json.loads(found[1])["words"]["en"]
    assert file.stat().st_size < 550_000


@pytest.mark.parametrize(
    "hash",
    [
        f"{Q22}&at={WEIGHT}",
        "#bench?source=example:three-steps&language=fr&hold=0/forward/1/0/f_t[0]=0.5&edits=0/forward/W_xi[0,0]=0.5",
        "#bench?source=example:mlstm&language=de",
        "#bench?source=example:three-steps&language=es&notation=pytorch",
        "#bench?source=blank:gru/3/2/2&language=zh",
    ],
)
def test_nothing_is_cut_off_or_faint_or_nameless(opened: Opening, hash: str) -> None:
    assert looked_at(opened(hash)) == []


def test_everything_is_done_with_keys_alone(opened: Opening) -> None:
    page = opened(Q22)
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.address") == WEIGHT:
            break
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    settled(page)
    changed = problem("q22")
    changed["weights"]["W_xi"][0][0] = 0.5
    agrees(page, lt.run(changed))
    page.keyboard.press("Control+z")
    page.locator("#undo[disabled]").wait_for()
    agrees(page, lt.run(problem("q22")))


def test_a_finger_changes_a_number_on_a_phone(opened: Opening) -> None:
    page = opened(Q22, width=390, touch=True)
    cell(page, WEIGHT).tap()
    page.keyboard.press("Control+a")
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    settled(page)
    assert "0/forward/W_xi[0,0]=0.5" in page.url
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
