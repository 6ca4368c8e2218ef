"""Values read back from pictures, by the marks on their scales: what a person sees."""

from __future__ import annotations

import re
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

import lstm_trace as lt
from lstm_trace.plot.figure import Figure
from lstm_trace.trace.trace import Trace

SVG = "{http://www.w3.org/2000/svg}"


class Bar(NamedTuple):
    """A bar: its class, the middle of its place, its lower and upper end as values, and what it says."""

    kind: str
    x: float
    low: float
    high: float
    said: str


class Panel(NamedTuple):
    """The bars of a panel, and how large a hundredth of a pixel is in values."""

    bars: list[Bar]
    pixel: float


def root(figure: Figure) -> ElementTree.Element:
    """The SVG as a tree."""
    return ElementTree.fromstring(figure.svg())  # noqa: S314 - our own


def number(text: str | None) -> float:
    """A number as a picture shows it."""
    return float((text or "").replace("−", "-"))


def panels(figure: Figure) -> list[Panel]:
    """The panels of bars, from top to bottom."""
    found = []
    for group in root(figure).iter(f"{SVG}g"):
        if group.find(f"{SVG}rect[@class='panel']") is None:
            continue
        scale = {float(e.get("y", "")) - 4: number(e.text) for e in group.findall(f"{SVG}text")}
        (a, high), (b, low) = min(scale.items()), max(scale.items())
        pixel = (high - low) / (b - a)
        bars = []
        for rect in group.findall(f"{SVG}rect"):
            title = rect.find(f"{SVG}title")
            if title is not None:
                x, y, wide, tall = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
                upper, lower = high - (y - a) * pixel, high - (y + tall - a) * pixel
                bars.append(Bar(str(rect.get("class")), x + wide / 2, lower, upper, str(title.text)))
        found.append(Panel(bars, 0.02 * pixel))
    return found


def marks(figure: Figure) -> dict[str, float]:
    """The marks below the panels and where they stand."""
    texts = root(figure).iter(f"{SVG}text")
    return {str(e.text): float(e.get("x", "")) for e in texts if e.get("class") == "mark" and e.text}


def lstm(
    steps: int = 6, units: int = 3, batch: int = 2, seed: int = 5, reverse: bool = False, **options: object
) -> Trace:
    """A random LSTM; with both directions where `reverse` says so."""
    draw = np.random.default_rng(5)
    weights = {}
    for way in ("forward", "reverse") if reverse else ("forward",):
        for gate in "ifco":
            weights[f"0/{way}/W_x{gate}"] = draw.normal(size=(units, 2))
            weights[f"0/{way}/W_h{gate}"] = draw.normal(size=(units, units))
            weights[f"0/{way}/b_{gate}"] = draw.normal(size=units)
    return lt.run(weights, draw.normal(size=(steps, batch, 2)) * 2, **options)


def caption(figure: Figure) -> str:
    """The lines below a picture, as one text, in which spaces are single."""
    lines = [str(e.text) for e in root(figure).iter(f"{SVG}text") if e.get("class") == "note"]
    assert re.sub(r"\s+", " ", " ".join(lines)) == re.sub(r"\s+", " ", figure.caption)
    return figure.caption
