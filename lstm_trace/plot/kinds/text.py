"""The text of the steps, coloured by the value of a unit; of several units one text below the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.text.columns import cells
from ...base.text.markup import escape
from ...cell.lines import Line
from ...cell.network import Stage
from ...errors import OptionError
from ...printable import printable
from ...trace.argument_types import checked
from ...trace.trace import Trace
from .. import vega
from ..coloured_text import Tokens, ends, legend, paragraph, strength, tokens
from ..coloured_text import lines as shown_lines
from ..colours import Scale, gate, symmetric
from ..figure import Figure, Live
from ..furniture import HEAD, LEFT, RIGHT, WIDE, document, reach, shown_number, spans, text, text_width, wrapped
from ..subject import Subject, chosen_units, subject

if TYPE_CHECKING:
    import pandas as pd

#: So many parts of texts are drawn at most.
MOST = 20_000
#: Heights: of what stands above a text, of a line of it, below it; size of letters; width of the drawing of a scale.
_ABOVE, _TALL, _BELOW, _SIZE, _BAR = 24.0, 25.0, 14.0, 15.0, 110.0
#: Parts in a line of a specification.
_IN_LINE = 24


class TextPanel(NamedTuple):
    """The values of a unit of a line, (steps,), NaN at padding."""

    stage: Stage
    line: Line
    unit: int
    values: Array
    scale: Scale


@dataclass(frozen=True)
class Texts:
    """What is drawn. notes: what the caption says, but for signs of padding and of what is no number."""

    found: Subject
    panels: tuple[TextPanel, ...]
    tokens: Tokens
    title: str
    caption: str
    notes: tuple[str, ...]

    def named(self, panel: TextPanel) -> str:
        """Where a panel is from, in words."""
        found = self.found
        parts = (found.shown.place(panel.stage), found.unit(panel.stage, panel.line, panel.unit))
        return found.words.word("list").join(part for part in parts if part)

    def value(self, panel: TextPanel, k: int) -> str:
        """The value at a place in words."""
        words = self.found.words
        value = panel.values[k]
        shown = shown_number(value) if np.isfinite(value) else words.word("plot.is.broken")
        shown = shown if self.found.valid[k] else words.word("plot.is.padding")
        return f"t = {words.nth(self.found.steps[k])}: {shown}"


@checked
def text_of(
    trace: Trace,
    unit: Any = None,
    lines: Sequence[str] | str | None = None,
    layer: int | None = None,
    direction: str | None = None,
    batch: int | None = None,
    steps: Any = None,
    language: str = "en",
) -> Figure:
    """The text of the steps, coloured by units; see `plots.Plots.text`."""
    found = subject(trace, lines=lines, layer=layer, direction=direction, batch=batch, steps=steps, language=language)
    every = [panel for stage in found.shown.stages for panel in _panels(found, stage)]
    if not any(np.isfinite(panel.values).any() for panel in every):
        raise found.nothing
    panels, notes = _chosen(found, every, unit)
    if len(panels) * len(found.steps) > MOST:
        raise OptionError(
            f"{len(found.steps):,} steps of {len(panels):,} units are too many for a text ({MOST:,} parts at most); "
            "choose some of them by steps and unit"
        )
    words = found.words
    notes += [note for panel in panels for note in _beyond(found, panel)]
    signs = [key for key, there in (("padding", not found.valid.all()), ("broken", _broken(found, panels))) if there]
    shown = tokens(found.labels, [words.nth(t) for t in found.steps])
    notes = [*found.notes, *notes]
    caption = " ".join([*notes, *(words.word(f"plot.text.{key}") for key in signs)])
    texts = Texts(found, tuple(panels), shown, found.titled("plot.text"), caption, tuple(notes))
    return Figure(
        "text",
        texts.title,
        texts.caption,
        partial(_drawn, texts),
        partial(_frame, texts),
        partial(_specification, texts),
        language,
        partial(_live, texts),
        partial(_terminal, texts),
    )


def _panels(found: Subject, stage: Stage) -> list[TextPanel]:
    """Every unit of the chosen lines of a stage; if none were chosen of its output."""
    lines = found.lines(stage)
    if found.shown.chosen.names is None:
        lines = [line for line in lines if line.name == stage.cell.output] or lines[-1:]
    panels = []
    for line in lines:
        values = np.where(found.valid[:, None], found.values(stage, line), np.nan)
        scale = gate() if found.is_gate(stage, line) else None
        panels += [
            TextPanel(stage, line, j, values[:, j], scale or symmetric(values[:, j])) for j in range(values.shape[1])
        ]
    return panels


def _chosen(found: Subject, every: Sequence[TextPanel], unit: Any) -> tuple[list[TextPanel], list[str]]:
    """The panels of the units that were asked for; else of the one whose values change most, and that this is so."""
    if unit is not None:
        wanted = chosen_units(unit, {panel.unit for panel in every})
        return [panel for panel in every if panel.unit in wanted], []
    finite = [panel.values[np.isfinite(panel.values)] for panel in every]
    reach = [float(values.max() / 2 - values.min() / 2) if values.size else -1.0 for values in finite]
    best = every[int(np.argmax(reach))]
    panels = [panel for panel in every if (panel.stage, panel.unit) == (best.stage, best.unit)]
    units = len({(panel.stage.scope, panel.unit) for panel in every})
    return panels, [found.words.word("plot.most.one", n=units)] if units > 1 else []


def _broken(found: Subject, panels: Sequence[TextPanel]) -> bool:
    """Whether a value is no finite number."""
    return any(not np.isfinite(panel.values[found.valid]).all() for panel in panels)


def _beyond(found: Subject, panel: TextPanel) -> list[str]:
    scale = panel.scale
    if not scale.beyond:
        return []
    name = f"{found.told(panel.stage, panel.line)}[{found.words.nth(panel.unit)}]"
    return [scale.clipped(found.words, name)]


# -- the drawing -----------------------------------------------------------------------------------------------------


def _drawn(texts: Texts) -> str:
    found, y = texts.found, HEAD
    shown = texts.tokens.shown
    gap = 5.0 if texts.tokens.spaced else 0.0
    widths = [max(text_width(label, _SIZE), 8.0) + 3 for label in shown]
    parts, told = [], []
    for panel in texts.panels:
        parts.append(_heading(texts, panel, y))
        y += _ABOVE
        strengths = strength(panel.scale, panel.values)
        for line in texts.tokens.lines([wide + gap for wide in widths], WIDE - LEFT - RIGHT):
            x = LEFT
            for k in line:
                parts.append(_token(texts, panel, k, shown[k], strengths[k], x, y, widths[k]))
                x += widths[k] + gap
            y += _TALL
        y += _BELOW
        if np.isfinite(panel.values).any():
            where, name = texts.named(panel), found.told(panel.stage, panel.line)
            told.append(found.words.word("plot.curve", name=name, where=where, **reach(panel.values)))
    return document(texts.title, texts.caption, " ".join([*told, texts.caption]), "".join(parts), y)


def _heading(texts: Texts, panel: TextPanel, y: float) -> str:
    """The line and unit, and the scale at the right end."""
    found, scale = texts.found, panel.scale
    symbol = found.symbol(panel.stage, panel.line)
    low, high = scale.ends
    right = WIDE - RIGHT
    x = right - 7 - 6.2 * cells(high) - _BAR
    parts = [text("label", LEFT, y + 15, spans(symbol))]
    parts.append(text("unit", LEFT + text_width(symbol, 15) + 10, y + 15, escape(texts.named(panel))))
    n = 22
    for k in range(n):
        share = (k + 0.5) / n
        parts.append(_ground(share * 2 - 1 if scale.two else share, x + k * _BAR / n, y + 5, _BAR / n, 9.0))
    parts.append(f'<rect class="frame" x="{x:.1f}" y="{y + 5:.1f}" width="{_BAR:.0f}" height="9"/>')
    parts += [text("mark end", x - 5, y + 14, low), text("mark end", right, y + 14, high)]
    return "".join(parts)


def _ground(share: float, x: float, y: float, wide: float, tall: float) -> str:
    kind = "above" if share >= 0 else "below"
    return (
        f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
        f'fill-opacity="{abs(share):.3f}"/>'
    )


def _token(texts: Texts, panel: TextPanel, k: int, label: str, share: float, x: float, y: float, wide: float) -> str:
    """A part of the text on its colour; on grey at padding, and in a box where its value is no number."""
    place = f'x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="21"'
    if not texts.found.valid[k]:
        ground = f'<rect class="padded" {place}/>'
    else:
        ground = f'<rect class="box" {place}/>' if np.isnan(share) else _ground(share, x, y, wide, 21.0)
    token, said = text("token", x + wide / 2, y + 15.5, escape(label)), escape(texts.value(panel, k))
    return f'<g data-t="{texts.found.steps[k]}">{ground}{token}<title>{said}</title></g>\n'


# -- the page and the terminal ---------------------------------------------------------------------------------------


def _live(texts: Texts, svg: str) -> Live:
    """The texts as text, which can be selected; a part says its value where it is pointed at."""
    return Live(f'<div class="lstm-text">\n{"".join(_paragraph(texts, panel) for panel in texts.panels)}</div>')


def _paragraph(texts: Texts, panel: TextPanel) -> str:
    found = texts.found
    name, said = escape(found.told(panel.stage, panel.line)), [texts.value(panel, k) for k in range(len(panel.values))]
    text = paragraph(texts.tokens, strength(panel.scale, panel.values), found.valid, said, found.words.word("list"))
    where = escape(texts.named(panel))
    return f'<h2 class="over"><span>{name}, {where}</span>{ends(panel.scale)}</h2>\n{text}'


def _terminal(texts: Texts, width: int, colours: bool) -> str:
    found = texts.found
    lines = []
    for panel in texts.panels:
        lines.append(printable(f"{found.told(panel.stage, panel.line)}, {texts.named(panel)}"))
        lines.append(legend(panel.scale, colours))
        lines += shown_lines(texts.tokens, strength(panel.scale, panel.values), found.valid, width, colours)
        lines.append("")
    return (
        "\n".join([*lines, *map(printable, wrapped(" ".join([*texts.notes, *_signs(texts, colours)]), width))]).rstrip()
        + "\n"
    )


def _signs(texts: Texts, colours: bool) -> Iterator[str]:
    """What a terminal shows of padding and of what is no number, where that is seen."""
    found = texts.found
    seen = np.array([cells(label) > 0 for label in texts.tokens.shown])
    if (seen & ~found.valid).any():
        yield found.words.word("plot.text.padding" if colours else "plot.terminal.padding")
    if _broken(found, texts.panels):
        yield found.words.word("plot.terminal.reversed" if colours else "plot.terminal.broken")


# -- what is behind it -----------------------------------------------------------------------------------------------


def _frame(texts: Texts) -> pd.DataFrame:
    """A row for each step, a column for each unit; NaN at padding."""
    found = texts.found
    return found.frame({found.column(p.stage, p.line, p.unit): p.values for p in texts.panels})


def _specification(texts: Texts, data: pd.DataFrame) -> dict[str, Any]:
    """For each unit a grid of fields with the parts of the text in them."""
    shown = texts.tokens.shown
    views = []
    for panel in texts.panels:
        rows = [
            {"t": t, "line": k // _IN_LINE, "place": k % _IN_LINE, "label": shown[k], "value": vega.plain(float(v))}
            for k, (t, v) in enumerate(zip(texts.found.steps, panel.values, strict=True))
        ]
        x, y = (vega.field(name, "ordinal", axis=None) for name in ("place", "line"))
        colour = vega.field("value", "quantitative", panel.line.name, scale=vega.colour(panel.scale))
        views.append(
            {
                "title": f"{panel.line.name}, {texts.named(panel)}",
                "data": {"values": rows},
                "width": 720,
                "layer": [
                    {
                        "mark": {"type": "rect", "tooltip": {"content": "data"}},
                        "encoding": {"x": x, "y": y, "color": colour},
                    },
                    {"mark": "text", "encoding": {"x": x, "y": y, "text": vega.field("label", "nominal")}},
                ],
            }
        )
    return {"vconcat": views, "resolve": {"scale": {"color": "independent"}}}
