"""The printed page: what is printed of a small and of a large problem, on how many sheets, and where they may break."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import text as example

from .chromium import PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("printed")
    for name in ("q22", "three-steps"):
        source = found / f"{name}.yaml"
        source.write_text(example(name), encoding="utf-8")
        (found / f"{name}.html").write_text(lt.open_source(source).report("html"), encoding="utf-8")
    scalar = lt.open_source(found / "q22.yaml").report("html", detail="scalar")
    (found / "scalar.html").write_text(scalar, encoding="utf-8")
    draw = np.random.default_rng(1)
    weights = {f"W_{s}{g}": draw.normal(size=(64, n)) / 8 for s, n in (("x", 16), ("h", 64)) for g in "ifco"}
    (found / "wide.html").write_text(lt.run(weights, draw.normal(size=(50, 16))).report("html"), encoding="utf-8")
    return found


def sheets(driver: Browser, page: Path, target: Path) -> int:
    """How many pages of paper a page of the browser takes."""
    driver.open(page)
    driver.paper(target)
    return len(re.findall(rb"/Type\s*/Page\b", target.read_bytes()))


@pytest.mark.parametrize(("name", "most"), [("q22", 1), ("three-steps", 2), ("wide", 3)])
def test_sheets(driver: Browser, folder: Path, tmp_path: Path, name: str, most: int) -> None:
    assert 1 <= sheets(driver, folder / f"{name}.html", tmp_path / "page.pdf") <= most


def test_a_detail_that_is_asked_for_is_printed(driver: Browser, folder: Path, tmp_path: Path) -> None:
    assert sheets(driver, folder / "scalar.html", tmp_path / "page.pdf") > 1


@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_the_screen_is_not_printed_and_print_is_not_on_the_screen(driver: Browser, folder: Path, name: str) -> None:
    seen = "['h1', '.screen', '.paper'].map((name) => document.querySelector(name).checkVisibility())"
    driver.open(folder / f"{name}.html")
    assert driver.run(seen) == [True, True, False]
    driver.call("Emulation.setEmulatedMedia", media="print")
    assert driver.run(seen) == [True, False, True]
    whole = "[...document.querySelectorAll('.paper .chain, .boxed')].map((e) => getComputedStyle(e).breakInside)"
    assert set(driver.run(whole)) == {"avoid"}
    leads = "[...document.querySelectorAll('.paper h2, .paper h3, .leads')].map((e) => getComputedStyle(e).breakAfter)"
    assert set(driver.run(leads)) == {"avoid"}
    driver.call("Emulation.setEmulatedMedia", media="")


@pytest.mark.parametrize("name", ["q22", "three-steps"])
def test_no_formula_is_wider_than_the_paper(driver: Browser, folder: Path, name: str) -> None:
    driver.open(folder / f"{name}.html", width=710)  # Letter without its margins
    driver.call("Emulation.setEmulatedMedia", media="print")
    spare = "[...document.querySelectorAll('.paper .stage')].map((e) => e.parentElement.parentElement"
    spare += ".parentElement.getBoundingClientRect().right - e.getBoundingClientRect().right)"
    assert min(driver.run(spare)) >= -1
    driver.call("Emulation.setEmulatedMedia", media="")
