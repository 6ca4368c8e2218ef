"""What every picture has: the ground, a title, its caption in lines below, marks of the steps with their labels.

A picture has a ground of its own, so that it can be read in a page that is light or dark, and print. Heights and widths
are pixels of a picture that is shown at its own size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from ..base.arrays import Array
from ..base.display import cells, escape, visible
from ..base.page import asset
from ..formulas.numbers import show
from ..formulas.plain import number
from ..languages.strings import Words
from .marked_text import text_width

#: Width of a picture, and what is left free left and right of its panels.
WIDE, LEFT, RIGHT = 840.0, 58.0, 16.0
#: Height of the title, from where a body begins; of a line of the caption; of a line of text.
HEAD, NOTE, LINE = 34.0, 16.0, 18.0
#: Columns of a label of a step at most.
LABEL = 14
#: Height of the marks of the steps; of labels the size of letters, the height of a row, and what is free between two.
_MARKS, _LETTERS, _ROW, _FREE = 18.0, 11.0, 13.0, 2.0


def document(title: str, caption: str, told: str, body: str, bottom: float, wide: float = WIDE) -> str:
    """A picture as SVG.

    Args:
        title: stands above it.
        caption: sentences below it.
        told: it in words, for who cannot see it.
        body: SVG between y = HEAD and `bottom`.
        bottom: where the caption begins.
        wide: width.
    """
    notes, tall = "", bottom
    for line in wrapped(caption, int((wide - LEFT) / 6.6)):
        notes += f'<text class="note" x="{LEFT:.0f}" y="{tall + 8:.1f}">{escape(line)}</text>\n'
        tall += NOTE
    tall += 8
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="lstm-plot" role="img" viewBox="0 0 {wide:.0f} {tall:.0f}" '
        f'width="{wide:.0f}" height="{tall:.0f}" data-body="{HEAD:.0f} {bottom - HEAD:.0f}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(told)}</desc>\n<style>{style()}</style>\n"
        f'<rect class="ground" width="100%" height="100%" rx="6"/>\n'
        f'<text class="title" x="{LEFT:.0f}" y="24.8">{escape(title)}</text>\n{body}{notes}</svg>'
    )


def bare(svg: str) -> str:
    """A picture of `document` without its title and its caption, for a page that has them as text."""
    top, tall = re.findall(r'data-body="(\d+) (\d+)"', svg)[0]
    svg = re.sub(r'viewBox="0 0 (\d+) \d+" width="\d+" height="\d+"',
                 rf'viewBox="0 {top} \1 {tall}" width="\1" height="{tall}"', svg, count=1)  # fmt: skip
    svg = re.sub(r'<text class="(?:title|note)".*?</text>\n', "", svg)
    return svg.replace('<rect class="ground" width', f'<rect class="ground" y="{top}" width', 1)


def unstyled(svg: str) -> str:
    """A picture of `document` as `bare` has it, for a page that has `style()` itself."""
    return re.sub(r"<style>.*?</style>\n", "", bare(svg), count=1, flags=re.S)


def size_of(svg: str) -> tuple[float, float]:
    """Width and height of a picture of `document`, whole or bare.

    >>> size_of('<svg viewBox="0 46 640 300" width="640" height="300">')
    (640.0, 300.0)
    """
    wide, tall = re.findall(r' width="(\d+)" height="(\d+)"', svg)[0]
    return float(wide), float(tall)


def style() -> str:
    """The style sheet of the pictures."""
    return asset("plot/plot.css")


def text(kind: str, x: float, y: float, content: str) -> str:
    """A text. kind: its class. content: SVG, escaped where it is text."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{content}</text>'


def shown_number(value: object, digits: int = 4) -> str:
    """A number as a picture has it, with a minus that is as wide as a plus."""
    return number(show(value, digits)).removesuffix(".0").replace("-", "−")


def reach(values: Array) -> dict[str, str]:
    """The least and the largest of some values, as fields of a sentence; dashes where none is finite."""
    finite = values[np.isfinite(values)]
    least, most = (shown_number(v) for v in (finite.min(), finite.max())) if finite.size else ("–", "–")
    return {"least": least, "most": most}


def wrapped(content: str, room: int = 118) -> list[str]:
    """A text in lines of at most `room` columns."""
    lines = [""]
    for word in content.split():
        if cells(lines[-1]) + cells(word) >= room and lines[-1]:
            lines.append("")
        while cells(word) > room:  # Chinese has no spaces
            at = next(k for k in range(len(word), 0, -1) if cells(word[:k]) <= room)
            lines[-1:] = [f"{lines[-1]} {word[:at]}".strip(), ""]
            word = word[at:]
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines if content.strip() else []


# -- steps -----------------------------------------------------------------------------------------------------------


def of_units(scope: str, line: str, units: str) -> str:
    """Attributes of what shows units of a line, with spaces between: a page reads from them what is pointed at."""
    return f' data-line="{escape(scope)}/{escape(line)}" data-units="{units}"'


def over_time(first: int, start: float, pitch: float) -> str:
    """Attributes of what lies over the steps: the first one, where it stands, and how far apart the steps are.

    A page reads from them which step is pointed at.
    """
    return f' data-first="{first}" data-start="{start:.2f}" data-pitch="{pitch:.5g}"'


def step_in_words(words: Words, t: int, label: str = "") -> str:
    """A step, with its label where it has one."""
    step = words.word("step.short", t=words.nth(t))
    return words.word("step.named", step=step, name=visible(label, LABEL)) if label else step


def round_steps(steps: range, words: Words, most: int) -> list[int]:
    """The steps that get a mark: those with a round number, at most about `most`."""
    every = next(size for size in round_numbers(1) if len(steps) / size <= most)
    return [t for t in steps if words.nth(t) % every == 0] or [steps[0]]


def round_numbers(least: int) -> list[int]:
    """1, 2, 5, 10, …, times `least`."""
    return [factor * 10**power for power in range(12) for factor in (least, 2, 5)]


def step_marks(
    words: Words,
    steps: range,
    labels: Sequence[str],
    x: Callable[[int], float],
    y: float,
    left: float,
    most: int = 10,
) -> tuple[str, float]:
    """The marks of the steps below a panel, with the labels of as many as have room.

    Args:
        words: of the picture.
        steps: that the panel has.
        labels: of the steps, or none.
        x: where a step stands, by its place in `steps`.
        y: the lower end of the panel.
        left: where the name of the axis ends.
        most: how many numbers there are.

    Returns:
        SVG, and its height.
    """
    parts = [text("mark", left - 9, y + 16, '<tspan class="m">t</tspan>')]
    for t in round_steps(steps, words, most):
        at = x(steps.index(t))
        parts.append(f'<path class="rule" d="M{at:.1f} {y:.1f}v4"/>{text("mark", at, y + 16, str(words.nth(t)))}')
    if not any(labels):
        return f"<g>{''.join(parts)}</g>\n", _MARKS
    told, tall = _labels([visible(label, LABEL) for label in labels], x, y + _MARKS + 2)
    return f"<g>{''.join(parts)}</g>\n<g>{told}</g>\n", _MARKS + tall


def column_names(labels: Sequence[str], x: Callable[[int], float], y: float) -> tuple[str, float]:
    """The names of columns below a panel that ends at y, of as many as have room: SVG, and its height."""
    if not any(labels):
        return "", 0.0
    told, tall = _labels([visible(label, LABEL) for label in labels], x, y + 2)
    return f"<g>{told}</g>\n", tall + 2


def _labels(labels: Sequence[str], x: Callable[[int], float], y: float) -> tuple[str, float]:
    """Labels upright where they have room beside each other in one row, or in two that take turns; else turned.

    Of turned ones that are too many every second, third, … stands there.
    """
    n = len(labels)
    widths = [text_width(label, _LETTERS) for label in labels]
    for rows in (1, 2):
        between = ((widths[k] + widths[k + rows]) / 2 - (x(k + rows) - x(k)) for k in range(n - rows))
        if max(between, default=0.0) + _FREE <= 0 or n == 1:
            upright = (
                text("mark step", x(k), y + 11 + _ROW * (k % rows), escape(labels[k])) for k in range(n) if labels[k]
            )
            return "".join(upright), 16.0 + _ROW * (rows - 1)
    pitch = (x(n - 1) - x(0)) / (n - 1)  # on average: several may stand in one column
    every = max(1, -(-_LETTERS // max(pitch, 0.01)))
    found = ""
    for k in range(0, n, int(every)):
        if labels[k]:
            at = f"{x(k) + 4:.1f} {y + 4:.1f}"
            found += f'<text class="mark end step" transform="translate({at}) rotate(-90)">{escape(labels[k])}</text>'
    return found, max(widths) + 8
