"""The page in its languages: changed at once, nothing lost; and no text that does not fit."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from lstm_trace.languages import languages
from lstm_trace.languages.strings import page_texts

from .conftest import Opening

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

WORDS = {code: page_texts(code) for code in languages()}

#: What does not fit: the page wider than the screen, controls with a text wider than they are, texts beyond an edge.
#: Left out: what is folded, what only screen readers see, and what scrolls by itself.
MISFITS = """() => {
  const width = document.documentElement.clientWidth, found = [];
  if (document.documentElement.scrollWidth > width) found.push(`the page: ${document.documentElement.scrollWidth}`);
  for (const one of document.querySelectorAll("button, .button, .label, summary, nav a, h1, h2, h3, p, th, select, li")) {
    if (!one.checkVisibility() || one.closest(".unseen, .skip, .scroll, .exact, .formula, .map-field")) continue;
    if (width < 600 && one.closest(".items thead")) continue; // there only screen readers see it
    const box = one.getBoundingClientRect(), text = `${one.tagName} ${one.textContent.slice(0, 60)}`;
    if (box.width < 2) continue;
    if (box.left < -1 || box.right > width + 1) found.push(`beyond the edge: ${text}`);
    if (one.matches("button, .button, summary, nav a") && one.scrollWidth > one.clientWidth + 1) found.push(`cut: ${text}`);
    const panel = one.closest(".sheet, .panel, dialog")?.getBoundingClientRect();
    if (panel && box.right > panel.right + 1) found.push(`out of its panel: ${text}`);
  }
  return found;
}"""  # noqa: E501


def chosen(page: Page, language: str) -> None:
    page.locator("#settings > summary").click()
    page.locator("#setting-language").select_option(language)
    page.keyboard.press("Escape")
    page.locator(f"html[lang={language}]").wait_for(state="attached")


def test_each_language_is_listed_under_its_own_name(page: Page) -> None:
    names = page.locator("#setting-language option").all_text_contents()
    assert names == ["Deutsch", "English", "Español", "Français", "中文"]


def test_a_language_is_there_at_once_and_nothing_is_lost(opened: Opening) -> None:
    page = opened("#bench?source=example:three-steps&t=1")
    page.locator('[data-address="x[0,0]"], td[role="gridcell"]').first.click()
    page.keyboard.type("0.25")
    page.keyboard.press("Enter")
    page.locator("#undo:not([disabled])").wait_for()
    page.locator("#pin").click()
    page.locator("#equations > summary").click()
    page.locator("#equations-text").fill("h_t = tanh(x_t")  # not yet run, and not yet right
    before = page.evaluate("location.hash")

    chosen(page, "de")
    page.get_by_role("heading", name="In Worten").wait_for()
    page.get_by_text("Vom Kandidaten").first.wait_for()  # of the server, in the same language
    assert page.title() == "Werkbank · lstm-trace"
    assert page.locator("nav a").all_inner_texts() == ["Werkbank", "Vergleich", "Sequenzen", "Bibliothek"]
    assert page.locator("#unpin").inner_text() == "A lösen"
    assert page.locator('td[role="gridcell"]').first.inner_text() == "0.25"
    assert page.locator("#equations-text").input_value() == "h_t = tanh(x_t"
    assert page.evaluate("location.hash") == f"{before}&language=de"
    page.watched.expected.append(r"422 .*api/v1/equations")  # type: ignore[attr-defined]
    page.locator("#undo").click()
    page.locator("#undo[disabled]").wait_for()

    page.reload()
    page.locator("html[lang=de]").wait_for(state="attached")
    chosen(page, "en")
    page.get_by_role("heading", name="In words").wait_for()
    assert page.title() == "Bench · lstm-trace"
    assert "language" not in page.evaluate("location.hash")


def test_what_a_language_lacks_is_said_in_english(opened: Opening) -> None:
    page = opened("#library")
    short = {**WORDS["fr"], "library": {k: v for k, v in WORDS["fr"]["library"].items() if k != "ticked_none"}}

    def lacking(route: Route) -> None:
        route.fulfill(json=short)

    page.route("**/words/fr.json", lacking)
    chosen(page, "fr")
    page.get_by_role("heading", name="Bibliothèque").wait_for()
    page.get_by_text("Tick two rows to compare them.").wait_for()


def test_dates_sizes_and_numbers_of_things(opened: Opening, stored: dict[str, str]) -> None:
    page = opened("#library?language=fr")
    row = page.locator(".items tbody:not(.examples) tr").first
    row.wait_for()
    days = "lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche"
    assert re.match(days, row.locator("time").get_attribute("title") or "")
    assert re.fullmatch(r"[\d.]+\u00a0ko|\d+\u00a0octets", row.locator(".of-bytes").text_content() or "")
    assert page.locator(".count").inner_text() == f"{len(stored)} éléments"
    page.locator("#library-search").fill("Weights one")
    page.get_by_text("1 élément", exact=True).wait_for()
    page.locator("#library-search").fill("no such thing")
    page.get_by_text("0 élément", exact=True).wait_for()  # French counts nothing as one


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", sorted(WORDS))
def test_every_text_fits(opened: Opening, stored: dict[str, str], language: str, width: int) -> None:
    page = opened(f"#bench?source=example:three-steps&language={language}", width=width)
    misfits: dict[str, list[str]] = {}

    def look(name: str) -> None:
        page.wait_for_load_state("networkidle")
        if found := page.evaluate(MISFITS):
            misfits[name] = found

    page.locator("#pin").click()
    look("bench")
    for menu in ("settings", "downloads", "save"):
        page.locator(f"#{menu} > summary").click()
        look(menu)
        page.keyboard.press("Escape")
    page.locator("#equations > summary").click()
    look("equations")
    traces = f"a=item:{stored['Before']}&b=item:{stored['After']}"
    for name, hash, there in (
        ("start", "#compare?", ".start"),
        ("comparison", f"#compare?{traces}&", ".split-table"),
        ("models", f"#compare?a=item:{stored['Weights one']}&", ".needs-input"),
        ("library", "#library?", ".items tr"),
    ):
        page.evaluate("hash => { location.hash = hash; }", f"{hash}language={language}")
        page.locator(there).first.wait_for()
        look(name)
    page.locator(".items .delete").first.click()
    look("deletion")
    assert misfits == {}
