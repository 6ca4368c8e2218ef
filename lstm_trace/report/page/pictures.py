"""The picture of the cell on the page, with the values of the step that is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from ...base.display import escape
from ...cell.network import Stage
from ...documents.html import HtmlPrinter
from ...formulas.values import Values
from ...languages.strings import Words
from ...printable import json_text
from ...trace.labels import step_label
from ...view.view import Place, View
from ..diagram import diagram

#: So many pictures stand beside the worked steps; beyond, the first one alone (and the slider, where scripts run).
STILLS = 24
#: So many texts of pictures at other steps are kept for the slider.
TEXTS = 30_000


@dataclass
class Page:
    """What the parts of the page share."""

    shown: View
    printer: HtmlPrinter
    values: Values
    pictures: dict[str, tuple[str, diagram.Diagram]]

    @cached_property
    def back_places(self) -> tuple[Place, ...]:
        """The places of the backward pass, each as one of the stage whose adjoint is there."""
        back = self.shown.back
        return tuple(p._replace(stage=self.shown.trace.stage(p.stage.owner)) for p in back.places) if back else ()

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the cell is shown with its values."""
        return self.back_places if self.shown.alone else self.shown.places

    def where(self, place: Place) -> str:
        return self.shown.where(place.stage, place.t, place.b)


Section = tuple[str, str]  # heading and body of a section, as HTML


def pictures(shown: View, values: Values, mark: str = "") -> dict[str, tuple[str, diagram.Diagram]]:
    """Scope to the id and drawing of its cell; stages with the same lines share one. mark: see `HtmlPrinter`."""
    found: dict[object, tuple[str, diagram.Diagram]] = {}
    rooms: dict[object, dict[str, int]] = {}
    keys = {stage.scope: (stage.lines, stage.cell.carry, stage.cell.output, stage.inputs) for stage in shown.stages}
    for stage in shown.stages:
        room = rooms.setdefault(keys[stage.scope], {})
        for name, size in diagram.widths(stage, values).items():
            room[name] = max(room.get(name, 0), size)
    for stage in shown.stages:
        key = keys[stage.scope]
        if key not in found:
            found[key] = (
                f"cell{mark}{len(found)}",
                diagram.Diagram(stage, rooms[key], shown.words, shown.trace.header.symbols),
            )
    return {stage.scope: found[keys[stage.scope]] for stage in shown.stages}


def _picture(found: Page, stage: Stage) -> diagram.Diagram:
    """The drawing of a stage, for its values."""
    return replace(found.pictures[stage.scope][1], stage=stage)


def cell(found: Page) -> Section:
    """The pictures, with the values of the first step; the slider has texts for the others."""
    shown, said = found.shown, found.shown.words
    figures, seen = [], set()
    for place in found.places:
        ident, picture = found.pictures[place.stage.scope]
        if ident in seen:
            continue
        seen.add(ident)
        figures.append(_figure(found, ident, picture, place))
    head = escape(said.word("diagram"))
    hint = f"<p>{escape(said.word('diagram.hint'))}</p>"
    kind = ' class="stilled"' if not shown.single and len(found.places) <= STILLS else ""
    return head, f"<div{kind}>{found.printer.head(2, head)}\n{''.join(figures)}{hint}</div>"


def _figure(found: Page, ident: str, picture: diagram.Diagram, place: Place) -> str:
    texts = diagram.shown(picture, found.values, place.t, place.b)
    wide, tall = picture.size
    where = found.where(place)
    title = found.shown.words.word("diagram.at", where=found.shown.words.aside(where))
    return (
        f'<figure class="live" id="{ident}" data-s="{escape(place.stage.scope)}"><div class="scroll" tabindex="0">'
        f'<svg class="cell" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" height="{tall:.0f}" '
        f'role="group" aria-labelledby="{ident}t {ident}d">'
        f'<title id="{ident}t">{escape(title)}</title><desc id="{ident}d">{escape(picture.description)}</desc>'
        f'<g id="{ident}g" class="cell">{picture.shapes}</g>\n<g>{picture.texts(texts)}</g></svg></div>'
        f"<figcaption>{escape(where[:1].upper() + where[1:])}</figcaption></figure>\n"
    )


def still(found: Page, place: Place, alone: bool = False) -> str:
    """The picture of a step: the one of the page again, with other values, or one that stands alone."""
    ident, picture = found.pictures[place.stage.scope]
    texts = diagram.shown(_picture(found, place.stage), found.values, place.t, place.b)
    wide, tall = picture.size
    shapes = f"<g>{picture.shapes}</g>" if alone else f'<use href="#{ident}g"/>'
    label = escape(found.shown.words.word("diagram.at", where=found.shown.words.aside(found.where(place))))
    return (
        f'<div class="still scroll"><svg class="cell" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" '
        f'height="{tall:.0f}" role="img" aria-label="{label}">{shapes}'
        f"<g>{picture.texts(texts, tips=False)}</g></svg></div>"
    )


def step_bar(found: Page) -> str:
    """Slider and choices, shown where scripts run, with the texts that they put into the pictures."""
    shown, said = found.shown, found.shown.words
    steps = shown_steps(shown)
    spots = sum(len(found.pictures[stage.scope][1].flow.spots) for stage in shown.stages)
    if len(steps) * len(shown.rows) * spots > TEXTS:
        steps = shown.steps
    texts = {
        stage.scope: {
            str(b): [_texts(found, _picture(found, stage), t, b) for t in steps] for b in shown.rows
        }
        for stage in shown.stages
    }  # fmt: skip
    cells = {scope: ident for scope, (ident, _) in found.pictures.items()}
    data = {"steps": steps, "first": said.count_from, "cells": cells, "texts": texts}
    tokens = {str(b): [step_label(shown.trace, t, b) for t in steps] for b in shown.rows}
    data |= {"tokens": tokens} if shown.trace.header.step_labels else {}
    text = json_text(data, separators=(",", ":")).replace("<", "\\u003c")
    places = [(stage.scope, shown.place(stage)) for stage in shown.stages]
    rows = [(str(b), shown.row(b)) for b in shown.rows]
    first = steps.index(found.places[0].t) if found.places[0].t in steps else 0
    told = (str(said.nth(steps[first])), step_label(shown.trace, steps[first], shown.rows[0]))
    step = (
        f'<label>{escape(said.word("step.choose"))} t <input type="range" name="t" min="0" max="{len(steps) - 1}" '
        f'value="{first}"></label> <output>{escape(" ".join(filter(None, told)))}</output>'
        if len(steps) > 1
        else ""
    )
    return (
        f'<div class="bar" hidden>{step}{_select("place", said, "s", places)}{_select("row", said, "b", rows)}'
        f'<label><input type="checkbox" name="all"> {escape(said.word("step.all"))}</label></div>\n'
        f'<script type="application/json" class="texts">{text}</script>\n'
    )


def _texts(found: Page, picture: diagram.Diagram, t: int, b: int) -> list[str]:
    texts = diagram.shown(picture, found.values, t, b)
    return [texts.get(spot.key, "") for spot in picture.flow.spots if spot.kind != "sink"]


def _select(key: str, said: Words, name: str, choices: Sequence[tuple[str, str]]) -> str:
    if len(choices) < 2:
        return ""
    options = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in choices)
    return f'<label>{escape(said.word(f"step.{key}"))} <select name="{name}">{options}</select></label>'


def shown_steps(shown: View) -> tuple[int, ...]:
    """The steps that were chosen, those that are left out too."""
    return tuple(shown.trace.span[shown.chosen.window(shown.trace)])
