"""The picture of a cell at the usual width of a screen: all of it is seen, and no text leaves its box."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import examples

from ..test_picture import OUTSIDE
from .bench_page import settled
from .conftest import Opening
from .filling import kept

if TYPE_CHECKING:
    from playwright.sync_api import Page

#: The width and the visible width of the picture's frame, and the size of its smallest letters on the screen.
LOOK = """() => {
    const frame = document.querySelector(".picture"), svg = frame.querySelector("svg");
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    const sizes = [...svg.querySelectorAll("text")].map((one) => parseFloat(getComputedStyle(one).fontSize));
    return [frame.scrollWidth, frame.clientWidth, scale * Math.min(...sizes)];
}"""


def fits(page: Page) -> None:
    """All of the picture is seen, its texts are within their boxes, and the panels lie beside or below one another."""
    page.locator(".picture svg g.tip text").first.wait_for()
    settled(page)
    wide, seen, least = page.evaluate(LOOK)
    assert wide <= seen
    assert least >= 7
    assert page.locator("#picture-scrolls").count() == 0
    assert page.evaluate(OUTSIDE.replace("free < 2", "free < 0")) == []
    panels = page.locator("#bench .bench .panel").evaluate_all("all => all.map(one => one.getBoundingClientRect())")
    for n, one in enumerate(panels):
        for other in panels[:n]:
            apart = one["left"] >= other["right"] or other["left"] >= one["right"]
            assert apart or one["top"] >= other["bottom"] or other["top"] >= one["bottom"]


@pytest.mark.parametrize("name", examples())
def test_every_example(opened: Opening, name: str) -> None:
    fits(opened(f"#bench?source=example:{name}"))


@pytest.mark.parametrize("units", [1, 2, 3, 4])
def test_a_trained_model_of_few_units(opened: Opening, empty: str, tmp_path: Path, units: int) -> None:
    draw, path = np.random.default_rng(units), tmp_path / "trace.json"
    shapes = {"W_x": (units, 3), "W_h": (units, units), "b_": (units,)}
    weights = {f"{name}{gate}": draw.normal(size=shape) for name, shape in shapes.items() for gate in "ifco"}
    lt.run(weights, draw.normal(size=(3, 3))).save(path)
    item = kept(empty, path)
    try:
        fits(opened(f"#bench?source=item:{item}", at=empty))
    finally:
        lt.client(empty).remove(item)
