"""The page of a report computes its numbers again, says what does not agree, and follows a changed premise."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.languages.strings import words
from lstm_trace.model.edit import edit
from lstm_trace.report.page import live

from ..support.live_pages import LANGUAGES, cases, damaged, last, run
from .chromium import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")

CODES = {"Enter": 13, "Escape": 27, "ArrowUp": 38, "ArrowDown": 40, "ArrowRight": 39, "Tab": 9}
NOTE = "document.querySelector('.checked').innerText"
#: The rows of the calculation, and the values in the picture of the cell.
ROWS = """[[...document.querySelectorAll('main :is(.row, .item, tbody tr)')].filter((e) => !e.closest('.tells'))
  .map((e) => e.textContent.replace(/\\s/g, '').replace(/([+−])[(]([.,\\d]+)[)]/g, '$1$2')),
  [...document.querySelectorAll('.live text.value')].map((e) => e.textContent)]"""
FAST = ("q22", "three-steps {'decimal_comma': True}", "gru by-hand-3", "stack 0 float32", "sheet", "mlstm gradient")


def press(driver: Browser, key: str, times: int = 1) -> None:
    for _ in range(times):
        text = {"text": "\r"} if key == "Enter" else {}
        driver.call(
            "Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=CODES[key], **text
        )
        driver.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=CODES[key])


def opened(driver: Browser, folder: Path, page: str, **how: Any) -> None:
    (folder / "page.html").write_text(page, encoding="utf-8")
    driver.complaints.clear()
    driver.open(folder / "page.html", **how)
    assert driver.complaints == []


def agrees(driver: Browser, language: str = "en") -> int:
    """How many numbers the page has computed; all must agree."""
    note = driver.run(NOTE)
    said = re.escape(words(language).table["live.agree"]).replace(re.escape("{n}"), r"([\d,\u202f]+)")
    found = re.match(said.replace("\u00a0", r"\s"), note.replace("\u00a0", " "))
    assert found, note
    return int(re.sub(r"\D", "", found[1]))


@pytest.mark.parametrize("name", FAST)
def test_an_honest_page_agrees(driver: Browser, tmp_path: Path, name: str) -> None:
    page = dict(cases())[name]()
    opened(driver, tmp_path, page)
    screen = re.sub(r'<div class="paper.*?(?=<script|</article|<footer)', "", page, flags=re.S)
    data = [json.loads(text) for text in re.findall(r'class="trace">(.*?)</script>', page)]
    other = sum(n for one in data for n, *place in one["loose"] if not place)  # in no place of the trace
    assert agrees(driver) == len(re.findall(r'<(?:mn|td) (?:id="n|data-n)|<a href="#n', screen)) - other


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_so(driver: Browser, tmp_path: Path, language: str) -> None:
    opened(driver, tmp_path, run("q19").report("html", language=language))
    assert agrees(driver, language) == 51
    driver.run("document.querySelector('button.given').click()")
    press(driver, "ArrowUp")
    for key in ("hint", "given"):
        assert words(language).table[f"live.{key}"] in driver.run("document.body.textContent")
    assert not re.search(r"\{\w+\}|undefined", driver.run("document.body.innerText"))


@pytest.mark.parametrize("kind", ["number", "use", "equation", "words", "weight"])
def test_damage_is_named(driver: Browser, tmp_path: Path, kind: str) -> None:
    page, rng = run("q22").report("html"), random.Random(5)  # noqa: S311
    other, old, new = damaged(page, kind, rng)
    opened(driver, tmp_path, other)
    assert driver.run("!!document.querySelector('.checked.faulty')"), (old, new)
    assert driver.run("document.querySelectorAll('.wrong').length") >= 1
    if kind in ("number", "use"):
        assert re.search(rf"\w\[[\d,]+\]: the page shows {re.escape(new)}", driver.run(NOTE))
        assert driver.run("document.querySelectorAll('.wrong').length") == 1


@pytest.mark.parametrize("kind", ["number", "use", "weight"])
@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_computing_alone_finds_a_number(driver: Browser, tmp_path: Path, name: str, kind: str) -> None:
    """Also one that somebody wrote the sums of the page for."""
    page, rng = run(name).report("html"), random.Random(3)  # noqa: S311
    title = page[page.index("<title>") + 7 : page.index("</title>")]
    for _ in range(4):
        other, old, new = damaged(page, kind, rng)
        begin, end = other.index("<body>\n") + 7, other.index('<script type="application/json" class="written">')
        body, after = other[begin:end].removesuffix("\n"), other.index("</script>", end) + len("</script>")
        opened(driver, tmp_path, other[: begin + len(body)] + "\n" + live.written(body, title) + other[after:])
        note = driver.run(NOTE)
        assert driver.run("!!document.querySelector('.faulty') && !!document.querySelector('.wrong')"), (old, new, note)
        assert "no longer as it was written" not in note


def test_a_damaged_premise_or_script_of_data_is_said(driver: Browser, tmp_path: Path) -> None:
    page = run("q19").report("html")
    for other in (
        page.replace('"trace":{', '"trace":[', 1), page.replace('"W_xi":', '"V_xi":', 1),
        page.replace("<p>Wanted", "<p>Hidden"),
        page.replace("</main>", "<p>More</p></main>", 1), re.sub(r'<mn id="n3".*?</mn>', "<mn>5</mn>", page),
    ):  # fmt: skip
        assert other != page
        opened(driver, tmp_path, other)
        assert driver.run("!!document.querySelector('.checked.faulty')")


def test_a_state_may_have_the_name_of_what_every_object_has(driver: Browser, tmp_path: Path) -> None:
    """Also one that no line reads, and that has no initial value."""
    equations = """a_t = W @ x_t
h_t = tanh(a_t + U @ h_prev)
carry: h_prev <- h_t, __defineGetter__ <- a_t
output: h_t"""
    weights = {"W": [[0.5, 0.2], [0.1, 0.3]], "U": [[0.5, -0.2], [0.1, 0.3]]}
    trace = lt.run({"cell": {"equations": equations}, "weights": weights, "x": [[1.0, 2.0], [0.5, 0.3]]})
    opened(driver, tmp_path, trace.report("html"))
    assert agrees(driver) > 20


#: Damages that are no other text: what is hidden, taken apart, renamed or moved.
TREE = (
    (r'(<mn id="n3"[^>]*>[^<])', r"\1<!--01-->"), (r'(<mn id="n3")', r"\1 hidden"), (r"(<section )", r"\1hidden "),
    (r"(<msub><mi>\w</mi>)(<mi>\w+</mi>)(</msub>)", r"\1\3\2"), (r"<title>(.)", r"<title>\1x"),
    (r"<title>", "<title><!-- a -->"), (r'(<a) href="#n', r'\1 rel="#n'), (r"<text ([^>]*)x=", r"<text \1dx="),
    (r"<sup>(.*?)</sup>", r"<sup></sup>\1"), (r"(<p[^>]*>\w)(\w)", r"\1 \2"),
)  # fmt: skip


def test_damage_to_the_tree_is_named(driver: Browser, tmp_path: Path) -> None:
    page = edit(run("q22"), {"0/forward/W_xi[0,0]": -50.5}).report("html", digits=5)
    for old, new in TREE:
        at = 0 if "title" in old else page.index("<main")
        other = page[:at] + re.sub(old, new, page[at:], count=1)
        assert other != page, old
        opened(driver, tmp_path, other)
        assert driver.run("!!document.querySelector('.checked.faulty')"), (old, new)


@pytest.mark.parametrize("kind", ["said", "written"])
def test_a_page_without_what_it_is_checked_by_says_so(driver: Browser, tmp_path: Path, kind: str) -> None:
    page = run("q19").report("html")
    opened(driver, tmp_path, re.sub(rf'<script type="application/json" class="{kind}">.*?</script>', "", page))
    assert driver.run("!!document.querySelector('.checked.faulty')")
    assert f'"script.{kind}"' in driver.run(NOTE)


@pytest.mark.parametrize(
    ("name", "address", "value"), [("q22", "0/forward/W_xi[0,2]", 0.4), ("three-steps", "W_xi[2,2]", -0.25)]
)
def test_a_change_by_keys_alone(driver: Browser, tmp_path: Path, name: str, address: str, value: float) -> None:
    """What the page shows then is what the report of the changed problem shows."""
    trace = run(name)
    opened(driver, tmp_path, edit(trace, {address: value}).report("html"))
    expected = driver.run(ROWS)
    opened(driver, tmp_path, trace.report("html"))
    given = driver.run(ROWS)
    label = "document.activeElement.getAttribute('aria-label')"
    for _ in range(60):  # a matrix is one stop, and arrow keys lead to its numbers
        press(driver, "Tab")
        if (driver.run(label) or "").startswith(address.split("[")[0]):
            break
    while not driver.run(label).startswith(f"{address} ="):
        press(driver, "ArrowRight")
    press(driver, "Enter")
    assert driver.run(label) == f"New value of {address}"
    driver.run("document.activeElement.value = ''")
    driver.call("Input.insertText", text=str(value))
    press(driver, "Enter")
    assert driver.run(label) == f"{address} = {value}".replace("-", "−")
    assert driver.run(ROWS) == expected
    assert address in driver.run("document.querySelector('.changes').innerText")
    assert driver.run("document.querySelectorAll('.moved').length") > 10
    assert driver.run("[...document.querySelectorAll('.tells li')].every((e) => e.matches('.dimmed'))")
    press(driver, "Enter")
    press(driver, "ArrowDown", 3)
    assert driver.run(ROWS) not in (given, expected)
    press(driver, "Escape")
    assert driver.run(ROWS) == expected
    driver.run("document.querySelector('.changes button').click()")
    assert driver.run(ROWS) == given
    assert driver.run("document.querySelectorAll('.moved, .edited, .dimmed').length") == 0
    assert driver.run("document.querySelector('.changes').hidden")


def changed(driver: Browser, address: str, value: float, comma: bool = False) -> None:
    """Change a given number of the page."""
    label = f"{address} ="
    find = f"[...document.querySelectorAll('button.given')].find((e) => e.ariaLabel.startsWith({label!r}))"
    text = repr(value).replace(".", ",") if comma else repr(value)
    driver.run(f"{{ {find}.click(); document.querySelector('.new').value = {text!r}; }}")
    press(driver, "Enter")


def rows(driver: Browser) -> list[list[str]]:
    """The rows of the calculation and the picture, less those of what a person rounded, which are dimmed."""
    lines, spots = driver.run(ROWS)
    return [[line for line in lines if not re.match("infullprecision|offby", line)], spots]


@pytest.mark.parametrize(
    ("name", "address", "value", "how"),
    [
        ("q22", "0/forward/W_xi[0,0]", -50.5, {}),  # a small value of a function is none that rounding left
        ("three-steps", "W_xf[1,1]", -45.0, {"dtype": "float32"}),
        ("q21", "0/forward/W_xf[0,1]", 1e6, {}),  # a function at its limit is not exact
        ("three-steps", "W_ho[1,1]", 2.5, {"arithmetic": "by-hand-2"}),
        ("readout", "W_hf[1,2]", 2.5, {}),  # exact, of operands that are not
        ("custom-cell", "0/forward/W_xh[0,0]", 0.3, {}),
        ("three-steps", "W_xo[2,2]", 3.1, {"hold": {"/f_t[0]": 0.5, "i_t": "*0.5"}}),  # not what is held, as printed
        ("gated-deltanet", "0/forward/W_k[0,0]", 10.0, {}),  # the root of a sum
        ("squared-error", "0/forward/W_xc[0,0]", 10.0, {}),  # the picture has the target as it was given
    ],
)
def test_a_changed_page_is_the_report_of_the_changed_problem(
    driver: Browser, tmp_path: Path, name: str, address: str, value: float, how: dict[str, Any]
) -> None:
    trace = run(name, **how)
    opened(driver, tmp_path, edit(trace, {address: value}).report("html", digits=4))
    expected = rows(driver)
    opened(driver, tmp_path, trace.report("html", digits=4))
    given = rows(driver)
    changed(driver, address, value)
    found = rows(driver)
    assert found != given
    if "arithmetic" in how:  # a row with the products that a person rounded is as it was
        found, expected = ([[row for row in lines if "σ" in row]] for lines, _ in (found, expected))
    assert found == expected


def test_a_changed_backward_pass_is_the_one_of_the_changed_problem(driver: Browser, tmp_path: Path) -> None:
    """Its signs follow fractions and squares, and products of columns and rows."""
    trace = lt.backward(run("rnn-softmax"), of=last(run("rnn-softmax")))
    opened(driver, tmp_path, edit(trace, {"W_h[1,2]": 0.75}).report("html", digits=4, detail="compact"))
    expected = rows(driver)
    opened(driver, tmp_path, trace.report("html", digits=4, detail="compact"))
    changed(driver, "W_h[1,2]", 0.75)
    signs, other = ([re.findall("[=≈]", row) for row in lines] for lines, _ in (rows(driver), expected))
    false = [(a, b) for a, b in zip(signs, other, strict=True) if a != b and any(map(str.__lt__, a, b))]  # = for ≈
    assert not false
    assert sum(a == b for a, b in zip(signs, other, strict=True)) > 0.95 * len(other)


def test_what_is_not_a_number_is_not_taken(driver: Browser, tmp_path: Path) -> None:
    opened(driver, tmp_path, run("q19").report("html", decimal_comma=True))
    given = driver.run(ROWS)
    driver.run("document.querySelector('button.given').click()")
    for text in ("x", "", "1e999"):
        driver.run(f"document.querySelector('.new').value = '{text}'")
        press(driver, "Enter")
        assert driver.run("document.querySelector('.new').getAttribute('aria-invalid')") == "true"
        assert driver.run(ROWS) == given
    driver.run("document.querySelector('.new').value = '1,5'")
    press(driver, "Enter")
    assert driver.run("document.activeElement.textContent") == "1,5"


def test_the_slider_shows_what_follows(driver: Browser, tmp_path: Path) -> None:
    trace = run("three-steps")
    slide = "{ const t = document.querySelector('[name=t]'); t.value = 2; "
    slide += "t.dispatchEvent(new Event('input', {bubbles: true})); }"
    texts = "[...document.querySelectorAll('.live text.value')].map((e) => e.textContent)"
    opened(driver, tmp_path, edit(trace, {"W_hi[1,1]": 2.0}).report("html"))
    driver.run(slide)
    expected = driver.run(texts)
    opened(driver, tmp_path, trace.report("html"))
    driver.run(
        "[...document.querySelectorAll('button.given')].find((e) => e.ariaLabel.startsWith('W_hi[1,1]')).click()"
    )
    driver.run("document.querySelector('.new').value = '2'")
    press(driver, "Enter")
    driver.run(slide)
    assert driver.run(texts) == expected


def test_the_numbers_as_given_are_printed(driver: Browser, tmp_path: Path) -> None:
    opened(driver, tmp_path, run("three-steps").report("html", detail="scalar"))
    given = driver.run(ROWS)
    driver.run("[...document.querySelectorAll('button.given')].find((e) => e.ariaLabel.startsWith('W_xi')).click()")
    press(driver, "ArrowUp")
    press(driver, "Enter")
    changed = driver.run(ROWS)
    assert changed != given
    driver.run("dispatchEvent(new Event('beforeprint'))")
    assert driver.run(ROWS) == given
    driver.call("Emulation.setEmulatedMedia", media="print")
    assert not driver.run("['.changes', '.hint', '.new'].some((e) => document.querySelector(e).checkVisibility())")
    driver.call("Emulation.setEmulatedMedia", media="")
    driver.run("dispatchEvent(new Event('afterprint'))")
    assert driver.run(ROWS) == changed


@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits(driver: Browser, tmp_path: Path, width: int) -> None:
    opened(driver, tmp_path, run("three-steps").report("html"), width=width)
    driver.run("[...document.querySelectorAll('button.given')].at(-1).click()")
    press(driver, "ArrowUp")
    assert driver.run("document.documentElement.scrollWidth") <= width
    box = driver.run("(({left, right}) => [left, right])(document.querySelector('.new').getBoundingClientRect())")
    assert 0 <= box[0] < box[1] <= width


def test_what_a_person_rounded_is_not_beside_other_numbers(driver: Browser, tmp_path: Path) -> None:
    """The page computes neither products nor values in full precision: it shows none of those of other numbers."""
    trace, address, value = run("rnn-softmax", arithmetic="by-hand-3"), "W_x[3,3]", 0.123456
    opened(driver, tmp_path, edit(trace, {address: value}).report("html"))
    expected = driver.run(ROWS)[0]
    opened(driver, tmp_path, trace.report("html"))
    given, full = driver.run(ROWS)[0], "[...document.querySelectorAll('td[data-n]')].map((e) => e.textContent)"
    numbers = driver.run(full)
    assert len(numbers) == 32
    changed(driver, address, value)
    found = driver.run(ROWS)[0]
    assert set(driver.run(full)) == {"–"}
    kept = 0
    for old, row, new in zip(given, found, expected, strict=True):
        parts = re.split("[=≈]", new)
        if "(" not in parts[0] or len(parts) < 3:
            continue
        kept += row == new == old
        if row != new:  # without the products, and nothing else is other
            assert re.split("[=≈]", row) == [parts[0], parts[-1]]
            assert "≈" in row or "=" in row
    assert kept > 3
    assert any(re.fullmatch(r"output1[^=≈]*≈−0\.472", row) for row in found)
    driver.run("document.querySelector('.changes button').click()")
    assert driver.run(ROWS)[0] == given
    assert driver.run(full) == numbers


def test_parentheses_follow_the_sign_of_a_number(driver: Browser, tmp_path: Path) -> None:
    """A number that is no longer negative has none after a sign; as given it has them again."""
    trace = run("three-steps")
    raw = "[...document.querySelectorAll('main :is(.row, .item)')].map((e) => e.textContent.replace(/\\s/g, ''))"
    some = False
    for value in (-2.5, 2.5):
        opened(driver, tmp_path, edit(trace, {"W_hc[1,1]": value}).report("html", digits=4))
        expected = driver.run(raw)
        opened(driver, tmp_path, trace.report("html", digits=4))
        given = driver.run(raw)
        changed(driver, "W_hc[1,1]", value)
        assert driver.run(raw) == expected
        some |= len("".join(given).split("+(−")) != len("".join(expected).split("+(−"))
        driver.run("document.querySelector('.changes button').click()")
        assert driver.run(raw) == given
    assert some


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_that_is_cut_off_says_that_it_is_not_checked(driver: Browser, tmp_path: Path, language: str) -> None:
    page, line = run("q19").report("html", language=language), words(language).table["live.unchecked"]
    foot = "document.querySelector('footer').innerText"
    opened(driver, tmp_path, page)
    assert line not in driver.run(foot)
    (tmp_path / "page.html").write_text(page[:-3000], encoding="utf-8")
    driver.open(tmp_path / "page.html")
    assert driver.run(foot).startswith(line)
    driver.complaints.clear()
    opened(driver, tmp_path, re.sub('class="written">', 'class="other">', page))  # a script that fails says why instead
    assert line not in driver.run(foot)
