"""Rendered reports and pictures as a notebook has them: light, dark, printed, and without style sheets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lstm_trace as lt

from .. import ROOT
from .chromium import PROGRAM, Browser
from .contrast import LINES, TEXT, measured

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")

TRACE = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")


def page(folder: Path, *parts: str, dark: bool = False) -> Path:
    """A page as a notebook is: outputs one after the other, in the colours of its theme, whatever the system has."""
    colours = "color:rgb(224,224,224);background:rgb(17,17,17)" if dark else "color:rgb(33,33,33);background:#fff"
    path = folder / "notebook.html"
    body = "".join(f"<div>{part}</div>" for part in parts)
    path.write_text(f'<!doctype html><meta charset="utf-8"><body style="{colours}">{body}', encoding="utf-8")
    return path


def test_reports_are_drawn_and_nothing_is_fetched(driver: Browser, tmp_path: Path) -> None:
    html = TRACE.report(detail="vector")._repr_html_()
    driver.requests.clear()
    driver.open(page(tmp_path, "<h3 id='own'>mine</h3><table><tr><td>own</td></tr></table>", html, html))
    assert driver.run("[...document.querySelectorAll('.trusted')].every((e) => e.checkVisibility())")
    assert not driver.run("[...document.querySelectorAll('.untrusted')].some((e) => e.checkVisibility())")
    wide, tall = driver.run(
        "(() => {const b = document.querySelector('mtable').getBoundingClientRect(); return [b.width, b.height]})()"
    )
    assert wide > 20
    assert tall > 20
    assert [url for url in driver.requests if not url.startswith("file:")] == []
    assert not driver.complaints
    # what stands around it keeps its own looks
    assert driver.run("getComputedStyle(document.querySelector('#own')).fontWeight") == "700"
    assert driver.run("getComputedStyle(document.querySelector('td')).textAlign") == "start"


@pytest.mark.parametrize("system", [False, True], ids=["light-system", "dark-system"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_it_has_contrast_in_any_theme(driver: Browser, tmp_path: Path, dark: bool, system: bool) -> None:
    path = page(tmp_path, TRACE.report(detail="vector")._repr_html_(), dark=dark)
    driver.open(path, dark=system)
    ratios = driver.run(measured('return texts("h3,h4,h5,h6,p,li,th,td,mn,mi,summary,.what");'))
    assert len(ratios) > 100
    assert ratios[0][0] >= TEXT, ratios[:3]


def test_without_style_sheets_the_text_is_seen(driver: Browser, tmp_path: Path) -> None:
    html = re.sub(r"<style>.*?</style>", "", TRACE.report()._repr_html_(), flags=re.S)
    driver.open(page(tmp_path, html))
    assert driver.run("document.body.innerText").strip() == TRACE.report("text").strip()


def test_on_paper_every_step_is_printed(driver: Browser, tmp_path: Path) -> None:
    driver.open(page(tmp_path, TRACE.report(detail="vector")._repr_html_()))
    visible = "lastElementChild.checkVisibility({contentVisibilityAuto: true})"
    shown = f"[...document.querySelectorAll('details')].map((d) => d.{visible})"
    assert driver.run(shown) == [True, False, False]
    driver.call("Emulation.setEmulatedMedia", media="print")
    assert driver.run(shown) == [True, True, True]
    driver.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_picture_has_contrast(driver: Browser, tmp_path: Path, dark: bool) -> None:
    path = tmp_path / "p.svg"
    TRACE.plot().save(path)
    driver.open(path, dark=dark)
    ratios = {
        kind: driver.run(
            measured(
                "const below = ['.ground', '.panel'].map((e) => getComputedStyle(document.querySelector(e)).fill);"
                f"return [...document.querySelectorAll('{kind}')].flatMap((e) =>"
                f" below.map((colour) => [ratio(getComputedStyle(e).{drawn}, colour), e.getAttribute('class')]))"
            )
        )
        for kind, drawn in (("text", "fill"), ("path[class^=c]", "stroke"))
    }
    assert ratios["text"][0][0] >= TEXT
    assert ratios["path[class^=c]"][0][0] >= LINES
    assert len(ratios["path[class^=c]"]) == 2 * (6 + 12)  # those of the legend and of the panels, over both grounds


def test_the_text_of_a_picture_stays_within(driver: Browser, tmp_path: Path) -> None:
    for number, language in enumerate(("en", "de", "fr", "es", "zh")):
        path = tmp_path / f"{number}.svg"
        TRACE.plot(language=language).save(path)
        driver.open(path, width=900)
        wide = driver.run("document.documentElement.viewBox.baseVal.width")
        boxes = driver.run(
            "[...document.querySelectorAll('text')].map((e) => {const b = e.getBBox(); return [b.x, b.x + b.width]})"
        )
        assert min(left for left, _ in boxes) >= 0
        assert max(right for _, right in boxes) <= wide
        # no entry of a legend runs into the next sample
        rows = driver.run(
            "[...document.querySelectorAll('.kind')].map((k) => [k.getBBox().x + k.getBBox().width,"
            " k.parentElement.querySelector('path').getBBox().x])"
        )
        assert all(end < start for end, start in rows), language
