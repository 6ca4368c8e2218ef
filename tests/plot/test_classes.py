"""Every class that a picture uses has a rule in its style sheet: a mark without one would be black, in the dark too."""

from __future__ import annotations

import re
from collections.abc import Callable
from xml.etree import ElementTree

import pytest

from lstm_trace.documents.drawings import light
from lstm_trace.report.diagram.diagram import diagram
from lstm_trace.trace.trace import Trace

from ..support.every_cell import CELLS, ran
from ..support.pictures import lstm

SVG = "{http://www.w3.org/2000/svg}"
#: Classes that say what something is, and change nothing of how it looks: labels of steps, images, letters that stand
#: upright, and what has the colour of paper.
NO_LOOK = {"step", "heat", "scale", "u", "op-plain"}

PICTURES: dict[str, Callable[[Trace], str]] = {
    "unit": lambda trace: trace.plot().svg(),
    "dense": lambda trace: lstm(300, 2).plot().svg(),
    "states": lambda trace: trace.plot.states().svg(),
    "text": lambda trace: trace.plot.text(unit=[0, 1]).svg(),
    "weights": lambda trace: trace.plot.weights().svg(),
    "diff": lambda trace: trace.plot.diff(lstm(6, 3, seed=6)).svg(),
    "memory": lambda trace: trace.plot.memory("5/c_t[0]").svg(),
    "contribution": lambda trace: trace.plot.contribution("5/h_t[0]").svg(),
    "gradient": lambda trace: trace.plot.gradient("5/h_t[0]").svg(),
    "saturation": lambda trace: trace.plot.saturation().svg(),
    "diagram": diagram,
}


def unruled(svg: str) -> set[str]:
    """The classes of a picture that its style sheet does not have."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    used = {name for element in root.iter() for name in element.get("class", "").split()}
    ruled = set(re.findall(r"\.([A-Za-z][\w-]*)", "".join(str(style.text) for style in root.iter(f"{SVG}style"))))
    return used - ruled - NO_LOOK


@pytest.mark.few(4)
@pytest.mark.parametrize("kind", PICTURES)
def test_every_class_has_a_rule(kind: str) -> None:
    trace = lstm(6, 3, labels=("the", " cat", "\n", "<b>", "中文", "x"))
    svg = PICTURES[kind](trace)
    assert unruled(svg) == set()
    assert unruled(light(svg)) == set()  # as PNG and PDF are made of it


@pytest.mark.few(2)
@pytest.mark.parametrize("name", CELLS)
def test_every_line_of_a_cell_has_its_colours(name: str) -> None:
    """Of each line, drawn alone and with all others: its curve and its points follow one rule."""
    trace = ran(name)
    stage = trace.stages[0]
    lines = [line.name for line in stage.lines if line.assigned]
    for chosen in (None, lines, *([line] for line in lines)):
        svg = trace.plot.unit(0, lines=chosen).svg()
        assert unruled(svg) == set()
        root = ElementTree.fromstring(svg)  # noqa: S314 - our own
        points = {circle.get("class") for circle in root.iter(f"{SVG}circle")}
        curves = {path.get("class") for path in root.iter(f"{SVG}path") if path.get("class") not in ("rule", "zero")}
        assert points
        assert points == curves
