"""A cell as a picture: an SVG drawn from its lines, with the values of one step, so that every cell has a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from typing import Any

import numpy as np

from ...base.display import escape
from ...base.packaged import asset
from ...cell.network import Stage, forward_stages
from ...formulas.plain import Plain, number
from ...formulas.printer import RIGHT
from ...formulas.tree import Call, Node, Sym, formula
from ...formulas.values import Values
from ...languages.strings import Words, words, words_for
from ...plot.furniture import MarkedPlain, cut_to_room, spans, text as svg_text, text_width
from ...trace.held import plain
from ...trace.labels import step_label
from ...trace.trace import Trace
from . import placement
from .graph import CellGraph, DiagramNode, Edge, flow, reached

#: Decimals and units of the values in a picture.
DIGITS, UNITS = 3, 3


def shown(picture: Diagram, values: Values, t: int, b: int) -> dict[str, str]:
    """The values of one step and row by spot, rounded: the first few if there are more than `UNITS`."""
    found: dict[str, str] = {}
    scope = picture.stage.scope
    for spot in picture.flow.spots:
        array = values.array(scope, spot.line)
        if spot.kind == "sink" or array is None or array.ndim != 3:
            continue
        wide = array.shape[-1]
        places = range(wide if wide <= UNITS else UNITS - 1)
        texts = [number(values.num(scope, spot.line, t, b, (k,)).shown) for k in places]
        texts += ["…"] if len(places) < wide else []
        found[spot.key] = ("; " if values.style.comma else ", ").join(texts).replace("-", "−")
    return found


def widths(stage: Stage, values: Values) -> dict[str, int]:
    """About how many characters the values of each name of a stage take, at any step."""
    found: dict[str, int] = {}
    for name in (*stage.cell.states, *stage.cell.inputs, *(line.name for line in stage.lines)):
        array = values.array(stage.scope, name)
        if array is None or not array.size:
            continue
        size = np.abs(array[np.isfinite(array)])
        whole = len(str(int(min(float(size.max(initial=0.0)), 1e6))))
        n = min(array.shape[-1], UNITS)
        found[name] = n * (whole + 1 + DIGITS + bool((array < 0).any())) + 2 * (n - 1)
    return found


_HEIGHTS = {"box": 74.0, "circle": 68.0, "source": 46.0, "sink": 46.0}
_RADIUS = 17.0
_BETWEEN, _EDGE = 32.0, 12.0  # between columns, around the picture
_LETTER = 6.9  # width of a letter of a value: 6.3 in the style sheet, with room for the page, whose letters are larger
_MARGIN, _APART = 16.0, 12.0  # in a box, left and right of its texts together, and between its sign and its name


@dataclass(frozen=True)
class Diagram:
    """The drawing of a stage's cell without its values.

    widths: characters of the values of each name, for which room is left. said: the words of its captions. own: the
    symbols of a notation, and those that the author gave.
    """

    stage: Stage
    widths: Mapping[str, int] = field(default_factory=dict)
    said: Words = field(default_factory=words)
    own: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _print(self) -> Plain:
        return MarkedPlain(self.own)

    def plain(self, node: Node) -> str:
        """A formula as text, without markup."""
        return Plain(self.own)(node)

    @cached_property
    def _spots(self) -> dict[str, DiagramNode]:
        return {spot.key: spot for spot in self.flow.spots}

    @cached_property
    def flow(self) -> CellGraph:
        """What is drawn."""
        return flow(self.stage)

    @cached_property
    def _places(self) -> tuple[dict[str, tuple[float, float]], dict[tuple[str, str], list[placement.Place]], Any, Any]:
        """The middle of each spot, the route of each edge, the ends of columns with the heights of lanes, and the
        columns.
        """
        spots = self._spots
        edges = self.flow.edges
        sinks = [key for key, spot in spots.items() if spot.kind == "sink"]
        column = placement.columns(list(spots), edges, sinks)
        ways = placement.routes(edges, column)
        fixed = {0} | ({max(column.values())} if sinks else set())
        rows = placement.order(list(spots), column, ways, fixed)
        sizes = {key: _HEIGHTS[spot.kind] for key, spot in spots.items()}
        on = {key for key, spot in spots.items() if spot.kind != "box" and spot.line not in self.stage.cell.inputs}
        # what is carried runs on a straight belt
        pull: dict[placement.Pair, float] = {edge: 4.0 for edge in edges if on.issuperset(edge)}
        y = placement.heights(rows, sizes, ways, pull)
        widest = [max((self._wide(spots[x]) for x in row if isinstance(x, str)), default=20.0) for row in rows]
        lefts = accumulate((wide + _BETWEEN for wide in widest), initial=_EDGE)
        ends = [(left, left + wide) for left, wide in zip(lefts, widest, strict=False)]
        middle = {key: (sum(ends[column[key]]) / 2, y[key] + _EDGE) for key in spots}
        lanes = {place: y[place] + _EDGE for row in rows for place in row if not isinstance(place, str)}
        return middle, ways, (ends, lanes), column

    def _wide(self, spot: DiagramNode) -> float:
        label, value = self._head(spot)[1], _LETTER * self.widths.get(spot.line, 0)
        if spot.kind == "box":
            inner = text_width(cut_to_room(self._inner(spot)), 12)
            return _MARGIN + max(80.0, sum(self._head(spot)), inner, value)
        if spot.kind == "circle":
            return max(48.0, 2 * self._radius(spot), label, value)
        if spot.kind == "sink":
            return 24 + max(text_width(self.said.word(f"diagram.{spot.sign}"), 11), label)
        return max(64.0, label + 24, value + 20)

    def _head(self, spot: DiagramNode) -> tuple[float, float, float]:
        """The width of the sign and of the name of a box, and the free space between them."""
        sign = text_width(spot.sign, 15)
        name = text_width(self._print(spot.label), 17) if spot.label is not None else 0.0
        return sign, name, _APART if sign and name else 0.0

    def _radius(self, spot: DiagramNode) -> float:
        return max(_RADIUS, 6 + text_width(self._sign(spot), 15) / 2)

    def _sign(self, spot: DiagramNode) -> str:
        """The sign in a circle."""
        if spot.operand is None:
            return spot.sign
        operand = self._print.inside(spot.operand, 0 if spot.sign.startswith("{}") else RIGHT)
        return spot.sign.format(operand).replace("-", "−")

    def _inner(self, spot: DiagramNode) -> str:
        """What a box computes; for a function, its argument."""
        right = formula(spot.lines[-1], self.stage.cell)
        if isinstance(right, Call) and len(right.args) == 1 and not right.constants and right.op != "concat":
            right = right.args[0]
            if isinstance(right, Sym) and right.name in {line.name for line in spot.lines}:
                right = formula(self.stage.cell.by_name[right.name], self.stage.cell)
        return self._print(right).replace("-", "−")

    @cached_property
    def size(self) -> tuple[float, float]:
        """Width and height."""
        middle, _, (ends, lanes), _ = self._places
        low = [middle[spot.key][1] + _HEIGHTS[spot.kind] / 2 for spot in self.flow.spots]
        return ends[-1][1] + _EDGE, max([*low, *lanes.values()], default=0.0) + _EDGE

    @property
    def frame(self) -> str:
        """The attributes of its `<svg>` that give its size."""
        wide, tall = self.size
        return f'class="cell" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" height="{tall:.0f}"'

    # -- drawing -----------------------------------------------------------------------------------------------------

    @cached_property
    def shapes(self) -> str:
        """Edges and nodes."""
        return "\n".join([*map(self._edge, self.flow.edges), *map(self._spot, self.flow.spots)])

    def _edge(self, edge: Edge) -> str:
        middle, ways, (ends, lanes), column = self._places
        x, y = middle[edge.source]
        x += self._half(self._spots[edge.source])
        path = f"M{x:.1f} {y:.1f}"
        right = ends[column[edge.source]][1]
        if right > x + 1:  # bends lie between columns: next to a narrow node they would run behind the wide ones
            path += f"H{right:.1f}"
            x = right
        for lane in ways[edge][1:-1]:
            left, right = ends[lane[2]]
            path += _curve(x, y, left, lanes[lane]) + f"H{right:.1f}"
            x, y = right, lanes[lane]
        end_x, end_y = self._port(self._spots[edge.target], edge)
        left = min(ends[column[edge.target]][0], end_x - 5)
        path += _curve(x, y, left, end_y) + (f"H{end_x - 5:.1f}" if left < end_x - 5 else "")
        tip = f'<path class="tip" d="M{end_x:.1f} {end_y:.1f}l-8 -4v8z"/>'
        ids = f'data-from="{escape(edge.source)}" data-to="{escape(edge.target)}"'
        return f'<g class="edge" {ids}><path d="{path}"/>{tip}</g>'

    def _half(self, spot: DiagramNode) -> float:
        return self._radius(spot) if spot.kind == "circle" else self._wide(spot) / 2

    def _port(self, spot: DiagramNode, edge: Edge) -> tuple[float, float]:
        """Where an edge ends: edges that end at the same spot do so one below the other, in their order of arrival."""
        middle, ways, (_, lanes), _ = self._places

        def level(source: str) -> float:
            place = ways[source, spot.key][-2]
            return middle[place][1] if isinstance(place, str) else float(lanes[place])

        x, y = middle[spot.key]
        sources = sorted(reached(self.flow.edges, spot.key), key=level)
        reach = {"circle": 9.0, "box": 18.0}.get(spot.kind, 0.0)
        at = (sources.index(edge.source) - (len(sources) - 1) / 2) * min(2 * reach / max(len(sources) - 1, 1), 14.0)
        if spot.kind != "circle":
            return x - self._half(spot), y + at
        radius = self._radius(spot)
        return x - radius + (_RADIUS - (_RADIUS**2 - at**2) ** 0.5), y + at

    def _spot(self, spot: DiagramNode) -> str:
        x, y = self._places[0][spot.key]
        half = self._half(spot)
        tall, round_ = {"circle": (34, 17), "box": (66, 8)}.get(spot.kind, (40, 20))
        area = f'x="{x - half:.1f}" y="{y - tall / 2:.1f}" width="{2 * half:.1f}" height="{tall}" rx="{round_}"'
        label = "" if spot.label is None else spans(self._print(spot.label).replace("-", "−"))
        if spot.kind == "circle":
            inner = svg_text("label", x, y - 22, label) if label else ""
            inner += svg_text("sign", x, y + 5, spans(self._sign(spot)))
        elif spot.kind == "box":
            sign, named, free = self._head(spot)
            inner = svg_text("sign", x - (named + free) / 2, y - 12, escape(spot.sign)) if spot.sign else ""
            inner += svg_text("label", x + (sign + free) / 2, y - 12, label) if label else ""
            inner += svg_text("formula", x, y + 7, spans(cut_to_room(self._inner(spot))))
        else:
            inner = svg_text("label", x, y - 2, label)
            if spot.kind == "sink":
                inner += svg_text("caption", x, y + 14, escape(self.said.word(f"diagram.{spot.sign}")))
        colour = "state" if spot.line in self.stage.cell.states else "plain"
        if spot.kind == "box" and spot.lines:
            colour = "gate" if spot.lines[-1].squashed or spot.lines[-1].op == "exp" else "other"
        return f'<g class="{spot.kind} op-{colour}" data-spot="{escape(spot.key)}"><rect {area}/>{inner}</g>'

    def said_of(self, spot: DiagramNode) -> str:
        """The equation of a spot, as text."""
        cell = self.stage.cell
        if spot.kind in ("source", "sink"):
            return self.plain(spot.label) if spot.label is not None else spot.line
        line = cell.by_name[spot.line]
        right = self.plain(formula(line, cell))
        return f"{self.plain(Sym(line.name))} = {right}" if line.assigned else right

    @cached_property
    def description(self) -> str:
        """The picture in words: every node with what leads to it."""
        names = {s.key: self.plain(s.label) if s.label is not None else self.said_of(s) for s in self.flow.spots}
        rows = []
        for spot in self.flow.spots:
            before = [names[key] for key in reached(self.flow.edges, spot.key)]
            if spot.kind == "sink":
                rows.append(f"{names[spot.key]} → {self.said.word(f'diagram.{spot.sign}')}")
            elif before:
                rows.append(f"{self.said_of(spot)} ← {', '.join(before)}")
        return ". ".join(rows) + "."

    def texts(self, texts: Mapping[str, str], tips: bool = True) -> str:
        """The values at their spots. texts: by spot key, as `shown` gives them. tips: with a title for each spot."""
        rows = []
        for spot in self.flow.spots:
            if spot.kind == "sink":
                continue
            x, y = self._places[0][spot.key]
            at = y + {"box": 25.0, "circle": 31.0, "source": 14.0}[spot.kind]
            value = escape(texts.get(spot.key, ""))
            kind = "value out" if spot.kind == "circle" else "value"
            text = f'<text class="{kind}" data-line="{escape(spot.line)}" x="{x:.1f}" y="{at:.1f}">{value}</text>'
            if tips:
                half, tall = self._half(spot), _HEIGHTS[spot.kind] / 2 - 3
                area = f'<rect x="{x - half:.1f}" y="{y - tall:.1f}" width="{2 * half:.1f}" height="{2 * tall:.1f}"/>'
                said = escape(self.said_of(spot))
                text = f'<g class="tip" data-spot="{escape(spot.key)}"><title>{said}</title>{area}{text}</g>'
            rows.append(text)
        return "\n".join(rows)


def _curve(x: float, y: float, end_x: float, end_y: float) -> str:
    bend = max((end_x - x) / 2, 6.0)
    return f"C{x + bend:.1f} {y:.1f} {end_x - bend:.1f} {end_y:.1f} {end_x:.1f} {end_y:.1f}"


def diagram(trace: Trace, scope: str | None = None, t: int = 0, b: int = 0, language: str | None = None) -> str:
    """The cell of a layer and direction as an SVG file, with the values of step t and row b.

    scope: `0/forward`; the first scope if None. Raises MissingError for a scope that does not exist.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t", h0=[0.0])
    >>> svg = diagram(trace)
    >>> svg.startswith("<svg"), "0.182" in svg
    (True, True)
    """
    trace = plain(trace)  # what is held changes the values, not the cell
    stage = trace.stages[0] if scope is None else trace.stage(scope)
    numbers = Values(trace, DIGITS)
    said = words_for(trace, language)
    picture = Diagram(stage, widths(stage, numbers), said, trace.header.symbols)
    values = picture.texts(shown(picture, numbers, t, b))
    title, style = escape(caption(trace, stage, t, b, picture.said)), asset("report/diagram/diagram.css")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {picture.frame} role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{title}</title>\n'
        f'<desc id="desc">{escape(picture.description)}</desc>\n<style>{style}</style>\n'
        f'<rect class="ground" width="100%" height="100%"/>\n<g>{picture.shapes}</g>\n<g>{values}</g>\n</svg>\n'
    )


def caption(trace: Trace, stage: Stage, t: int, b: int, said: Words) -> str:
    """What a picture shows, in words."""
    parts = []
    if len(forward_stages(trace.stages)) > 1:
        parts += [said.word("layer", n=said.nth(stage.layer)), said.word(f"direction.{stage.direction}")]
    if trace.steps > 1:
        step, label = said.word("step", t=said.nth(t)), step_label(trace, t, b)
        parts.append(said.word("step.named", step=step, name=label) if label else step)
    if trace.batch > 1:
        parts.append(said.word("row", b=said.nth(b)))
    return (trace.header.title or said.word("diagram")) + said.aside(said.word("list").join(parts))
