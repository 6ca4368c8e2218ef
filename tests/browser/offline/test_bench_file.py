"""The bench as one file: it edits, undoes, derives and restores as the served one does, and requests nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.engine.run import with_holds
from lstm_trace.examples import examples, text as example
from lstm_trace.languages import languages

from ...support.foreign_names import NAMES, foreign
from ..service.bench_page import cell, number, on_page, problem, settled, typed
from ..service.looks import looked_at
from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page

WEIGHT = "0/forward/W_xi[0,0]"
Q22 = "#bench?source=example:q22"


def agrees(page: Page, trace: lt.Trace, t: int = 0, least: int = 11) -> None:
    """The table of a step has the numbers of a trace, within what rounding explains."""
    found = on_page(page)
    for scope, here in trace.lines.items():
        for line, array in here.items():
            for j, value in enumerate(array[t, 0]):
                if (address := f"{scope}/{t}/0/{line}[{j}]") in found:
                    assert found[address] == pytest.approx(value, rel=1e-13, abs=1e-15), address
    assert len(found) >= least


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


def test_the_title_is_not_said_to_be_on_a_sheet(opened: Opening) -> None:
    page = opened(Q22)
    page.locator("#downloads > summary").click()
    assert page.locator("#downloads a[download]").all_inner_texts() == ["trace.json"]
    assert page.locator('label[for="download-title"] .label').inner_text() == "Title"


@pytest.mark.parametrize(
    "keys", [["Delete"], ["Backspace"], ["0", "Enter"], ["Enter", "Enter"]], ids=lambda keys: keys[0]
)
def test_a_number_that_is_there_already_is_no_edit(opened: Opening, keys: list[str]) -> None:
    page = opened("#bench?source=example:three-steps")
    zero = cell(page, "0/forward/b_i[0]")
    assert number(zero.inner_text()) == 0
    zero.click()
    for key in keys:
        page.keyboard.press(key)
    settled(page)
    assert page.locator("#undo").is_disabled()
    typed(page, "0/forward/b_i[0]", "0.5")  # one that is not there is one
    settled(page)
    zero.click()
    page.keyboard.press("Delete")
    settled(page)
    assert number(zero.inner_text()) == 0
    assert page.locator("#undo").is_enabled()


def test_equations_without_a_line_that_is_held_are_refused(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps&at=0/forward/1/0/f_t[0]")
    page.locator("#hold-value").fill("0.5")
    page.locator("#hold-do").click()
    page.locator("#held-now").wait_for()
    page.locator("#equations > summary").click()
    text = page.locator("#equations-text").input_value()
    assert "hold: f_t" in text
    page.locator("#equations-text").fill(text.replace("f_t", "k_t"))
    page.locator("#apply:not([disabled])").click()
    page.locator("#equations-failed").get_by_text("there is no line 'f_t' in these equations").wait_for()
    agrees(page, lt.run(problem("three-steps"), hold={"0/forward/1/0/f_t[0]": 0.5}), 1)
    page.locator("#release").click()
    page.locator("#held-now").wait_for(state="detached")
    page.locator("#apply:not([disabled])").click()
    page.locator("#first-equations").wait_for()
    settled(page)
    assert any(address.endswith("/k_t[0]") for address in on_page(page))
    assert page.locator("#first-visit a").all_inner_texts() == ["ct", "ht"]  # what the problem asks for


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


def test_names_of_every_object_are_names_like_any_other(opened: Opening, tmp_path: Path) -> None:
    trace, path = foreign(0), tmp_path / "own.html"
    weight, line = NAMES[:2]
    lt.bench(trace).save(path)
    at = f"#bench?at=0/forward/1/0/{line}[0]"
    page = opened(f"{at}&edits=0/forward/{weight}[0]=0.5&hold=0/forward/2/0/{line}[1]=0.25", path=path)
    own = lt.edit(trace, {f"0/forward/{weight}[0]": np.array(0.5)})
    agrees(page, own, 1)
    assert page.locator("#gradient").inner_text()
    assert page.locator(".fault").count() == 0


@pytest.mark.parametrize(
    ("equations", "said"),
    [
        ("h_t = " + "hard_shrink(" * 7 + "x_t" + ")" * 7, ""),
        ("h_t = " + "hard_shrink(" * 10 + "x_t" + ")" * 10, ""),
        ("\n".join(f"a{k} = tanh({f'a{k - 1}' if k else 'x_t'})" for k in range(3000)) + "\nh_t = a2999", "3001 rows"),
        ("input: " + ", ".join(f"i{k}" for k in range(9000)) + "\nh_t = i0", "9000 names"),
        (f"h_t = {'a' * 60_000} * x_t", "60000 letters"),
    ],
)
def test_equations_of_a_link_do_not_stop_the_page(opened: Opening, equations: str, said: str) -> None:
    page = opened("#bench?source=example:custom-cell")
    before = page.evaluate("performance.now()")
    page.evaluate("hash => { location.hash = hash; }", f"bench?source=example:custom-cell&equations={quote(equations)}")
    if said:
        page.locator(".fault").filter(has_text=said).wait_for()
    else:
        page.locator("h1 .tag").wait_for()
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    assert page.evaluate("performance.now()") - before < 5_000
    assert len(page.locator("body").inner_text()) < 40_000


@pytest.mark.parametrize(
    ("hash", "said"),
    [
        ("source=example:q22&language=__proto__", ""),
        ("source=example:q22&digits=1e308&count_from=1e308", ""),
        ("source=example:q22&notation=toString", ""),
        ("source=example:q22&hold=h_t[0..99999999999]=0", "the run has no such number"),
        ("source=blank:__proto__/1/1/1", "This page has no blank:__proto__/1/1/1"),
    ],
)
def test_a_link_that_cannot_be_is_told_in_words(opened: Opening, hash: str, said: str) -> None:
    page = opened(Q22)
    page.evaluate("hash => { location.hash = hash; }", f"bench?{hash}")
    if said:
        page.locator(".fault").filter(has_text=said).first.wait_for()
    else:
        settled(page)
        agrees(page, lt.run(problem("q22")))
        assert page.locator(".fault").count() == 0


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


def test_edited_equations_are_shown_whatever_the_notation(opened: Opening) -> None:
    page, data = opened(f"{Q22}&notation=goodfellow&language=fr"), problem("q22")
    page.locator("#equations > summary").click()
    text = page.locator("#equations-text").input_value()
    changed = text.replace("o_t * tanh(c_t)", "o_t * relu(c_t)")
    assert changed != text
    page.locator("#equations-text").fill(changed)
    page.locator("#apply").click()
    page.locator("#first-equations").wait_for()
    settled(page)
    typed(page, "0/forward/W_xc[0,0]", "5")
    settled(page)
    own = lt.edit(lt.run(data), {"0/forward/W_xc[0,0]": 5.0}, changed)
    agrees(page, own)
    page.locator('#step-table [data-address="0/forward/0/0/h_t[0]"]').click()
    settled(page)
    assert number(page.locator("#value").inner_text()) == pytest.approx(own["h_t"][0, 0, 0], rel=1e-13)
    assert page.locator(".picture svg").count() == 1
    assert page.locator(".fault").count() == 0
    assert "Goodfellow" in page.locator("#other-notation").inner_text()
    page.locator("#first-equations").click()
    page.locator("#other-notation").wait_for(state="detached")


@pytest.mark.parametrize(
    ("notation", "sources"), [("pytorch", ("mamba", "custom-cell", "rnn-softmax", "mlstm")), ("cho", ("batch",))]
)
def test_a_cell_that_a_notation_lacks_is_shown_in_that_of_exercises(
    opened: Opening, notation: str, sources: tuple[str, ...]
) -> None:
    page = opened(f"{Q22}&notation={notation}")
    for source in sources:
        page.locator("#source").select_option(f"example:{source}")
        page.locator("#other-notation").wait_for()
        settled(page)
        agrees(page, lt.run(problem(source)))
        assert page.locator(".picture svg").count() == 1
        assert page.locator(".fault").count() == 0


def test_an_input_of_the_step_before_has_its_own_address(opened: Opening) -> None:
    page = opened("#bench?source=example:rwkv7")
    page.locator("#step").fill("1")
    settled(page)
    page.locator('#step-table [data-line="x_prev"] .num').first.click()
    page.locator(".copy code", has_text="0/0/x_t[0]").wait_for()
    other = opened(page.evaluate("location.hash"))
    assert other.locator(".copy code").inner_text() == "0/0/x_t[0]"


@pytest.mark.parametrize("source", ["q22", "mamba"])
def test_a_sheet_of_paper_has_everything_but_what_is_used(opened: Opening, source: str) -> None:
    page = opened(f"#bench?source=example:{source}", width=1280)
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 718, "height": 1047})  # A4 with margins of 1 cm
    settled_layout = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
    page.evaluate(settled_layout)
    shown = "all => all.filter(one => one.checkVisibility()).map(one => one.outerHTML.slice(0, 90))"
    assert page.locator("button:not(.num), input, summary.button, header").evaluate_all(shown) == []
    for part in ("h1", "#grid-x", ".picture svg", "#step-table", "#value", "#step-shown"):
        assert page.locator(part).first.is_visible(), part
    right = page.locator(".picture svg").bounding_box()
    assert right is not None
    assert right["x"] >= 0
    assert right["x"] + right["width"] <= 718
    for scroll in page.locator("#bench .scroll, #bench .panel").all():
        if scroll.is_visible():
            assert scroll.evaluate("one => getComputedStyle(one).overflowY") == "visible"


def test_readers_of_one_symbol_are_told_apart_by_their_steps(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps&at=0/forward/W_xi[0,0]&count_from=0")
    links = page.locator('[aria-labelledby="readers"] a').all_inner_texts()
    assert len(links) == len({re.sub(r"[−\d.]+$", "", text) for text in links}) == 3
    assert all(f"t = {t}" in text for t, text in enumerate(links))


def test_gradients_are_offered_of_the_sequence_that_is_shown(opened: Opening) -> None:
    page = opened("#bench?source=example:batch")
    page.locator("#row").select_option("1")
    settled(page)
    offered = page.locator("#target option").evaluate_all("all => all.map(one => one.value)")
    assert any(re.match(r"0/forward/\d/1/", one) for one in offered)


def test_a_zero_keeps_its_sign_in_the_address(opened: Opening) -> None:
    page = opened(Q22)
    typed(page, WEIGHT, "0")
    settled(page)
    typed(page, WEIGHT, "-0")
    settled(page)
    page.wait_for_url(lambda url: f"edits={WEIGHT}=-0&" in unquote(url))
    other = opened(page.evaluate("location.hash"))
    assert cell(other, WEIGHT).inner_text() == "−0"


def test_steps_are_taken_away_from_sequences_too_and_added_where_all_is_known(opened: Opening) -> None:
    page = opened("#bench?source=example:batch")
    page.locator("#fewer-steps").click()
    page.locator("#undo:not([disabled])").wait_for()
    settled(page)
    assert page.locator("#step").get_attribute("max") == str(lt.run(problem("batch")).steps - 2)
    assert page.locator(".fault").count() == 0
    other = opened("#bench?source=example:squared-error")
    for button in ("#more-steps", "#fewer-steps"):
        assert other.locator(button).is_disabled()
        assert "target_t" in (other.locator(button).get_attribute("title") or "")


def asked(name: str) -> lt.Trace:
    """The run of an example with what it asks for alone."""
    return lt.run(yaml.safe_load(example(name)))


def test_of_one_step_the_weights_of_other_gates_are_not_needed(opened: Opening, tmp_path: Path) -> None:
    """Question 19 gives the input gate alone: its equations change, with a new weight too; x stays one step long."""
    page = opened("#bench?source=example:q19")
    equations = asked("q19").stages[0].cell.text.replace("i_t = sigmoid(z_i)", "i_t = hard_sigmoid(v * z_i)")
    page.evaluate("document.querySelector('#equations').open = true")
    page.fill("#equations-text", equations)
    page.locator("#missing").wait_for()
    assert page.locator("#missing code").all_inner_texts() == ["v"]
    assert page.locator("#shape-v").input_value() == "2"
    page.click("#apply")
    settled(page)
    agrees(page, lt.edit(asked("q19"), {"v": [0.0, 0.0]}, equations), least=5)
    (tmp_path / "x.csv").write_text("1,2,3\n3,4,5\n", "utf-8")
    page.set_input_files("#x-file", tmp_path / "x.csv")
    fault = page.locator(".givens .fault")
    fault.wait_for()
    assert "the step before one needs W_xf, W_hf" in fault.inner_text().replace("\n", " ")
    assert "give an x of as many steps" in fault.inner_text()


def test_a_new_weight_is_added_where_each_layer_needs_it(opened: Opening, tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    weights = {
        f"{layer}/forward/W_{s}{g}": rng.normal(size=(2, 3 if s == "x" and layer == 0 else 2))
        for layer in range(3)
        for s in "xh"
        for g in "ruh"
    }
    trace = lt.run(weights, rng.normal(size=(3, 3)), cell={"kind": "gru"}, ask="h_tilde")
    lt.bench(trace).save(tmp_path / "bench.html")
    page = opened(path=tmp_path / "bench.html")
    equations = trace.stages[0].cell.text.replace("h_tilde = tanh(", "h_tilde = tanh(V @ x_t + ")
    page.evaluate("document.querySelector('#equations').open = true")
    page.fill("#equations-text", equations)
    page.locator("#missing").wait_for()
    page.click("#apply")
    settled(page)
    edits = {f"{layer}/forward/V": np.zeros((2, 2 if layer else 3)) for layer in range(3)}
    agrees(page, lt.edit(trace, edits, equations))


@pytest.mark.few(3)
@pytest.mark.parametrize("name", examples())
def test_equations_of_every_example_are_changed_and_held(opened: Opening, name: str) -> None:
    page, trace = opened(f"#bench?source=example:{name}"), asked(name)
    line = next(line for line in trace.stages[0].lines if line.op in ("sigmoid", "tanh", "exp", "softplus"))
    row = next(row for row in trace.stages[0].cell.text.splitlines() if f"{line.op}(" in row and named(row, trace))
    equations = trace.stages[0].cell.text.replace(row, row.replace(f"{line.op}(", "softsign("))
    page.evaluate("document.querySelector('#equations').open = true")
    page.fill("#equations-text", equations)
    page.locator("#equations-good").wait_for()
    page.click("#apply")
    settled(page)
    changed = lt.edit(trace, {}, equations)
    agrees(page, changed, least=3)
    output = changed.stages[0].lines[-1].name
    address = f"0/forward/0/0/{output}[{'0,0' if changed.grid('0/forward', output) else 0}]"
    page.locator(f'#step-table [data-address="{address}"]').first.click()
    page.fill("#hold-value", "0.25")
    page.click("#hold-do")
    page.locator("#held-now").wait_for()
    held = with_holds(changed, [{address: 0.25}])
    agrees(page, held, least=3)
    other = opened(page.evaluate("location.hash"))
    agrees(other, held, least=3)
    page.click("#undo")
    settled(page)
    agrees(page, changed, least=3)


def named(row: str, trace: lt.Trace) -> bool:
    """Whether a row of equations assigns a line that is computed."""
    return row.partition(" = ")[0] in trace.lines["0/forward"]


def test_three_inputs_of_three_decimals_stand_side_by_side(opened: Opening) -> None:
    page = opened(
        "#bench?source=blank:lstm/3/3/2&edits=x=[[0.853,-0.412,0.127],[-0.25,-0.731,-0.906],[0.5,0.25,0.125]]"
    )
    assert page.locator("#grid-x .scroll").evaluate("one => one.scrollWidth - one.clientWidth") <= 0
