"""The report as one HTML file: nothing is loaded, folding works without a script, math is MathML.

A policy in the page's head forbids every request, and every script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING

from ..cell.stack import Stage
from ..printable import json_text
from ..trace import Trace
from . import diagram, heatmap
from .answers import answers
from .author_notes import author_notes
from .blocks import Block, Heading, Para
from .formula import heading
from .gates import sentences
from .given import equations, given, single
from .html_blocks import Printer
from .markup import escape
from .page_words import page_words
from .solution import solution
from .values import Values
from .view import Place, View, view
from .words import Words

if TYPE_CHECKING:
    from .report import Options

#: A page may be so many times as long as paper, since it folds; the longest that stays within LARGEST characters.
FOLDED = (5, 3, 2, 1)
LARGEST = 1_800_000
#: So many pictures stand beside the worked steps; beyond, the first one alone (and the slider, where scripts run).
STILLS = 24
#: So many texts of pictures at other steps are kept for the slider.
TEXTS = 30_000
#: So many maps are drawn.
MAPS = 24


@dataclass
class _Page:
    """What the parts of the page share."""

    trace: Trace
    shown: View
    said: Words
    printer: Printer
    values: Values
    pictures: dict[str, tuple[str, diagram.Picture]]

    def where(self, place: Place) -> str:
        return self.shown.where(place.stage, place.t, place.b)


def page(trace: Trace, options: Options) -> str:
    """The worked solution as an HTML page. Raises MissingError for a selection that is not there."""
    shown = view(trace, options.detail, options.digits, options.selection, options.everything, options.language)
    text = ""
    for times in FOLDED if "steps" in shown.cut else (1,):
        text = _drawn(trace, options, _longer(shown, times))
        if len(text) <= LARGEST:
            break
    return text


def _drawn(trace: Trace, options: Options, shown: View) -> str:
    """The page of what is shown."""
    said = page_words(options.language)
    values = Values(trace, replace(shown.values.style, digits=diagram.DIGITS, significant=None, lines={}))
    found = _Page(trace, shown, said, Printer(trace, trace.header.symbols), values, _pictures(shown, values, said))
    title = trace.header.title or said.word("untitled")
    intro, *first = _sections(given(shown))
    early = [_section(found, part) for part in (*first, *_sections(iter((*equations(shown), *options.notes))))]
    late = [
        _cell(found),
        _solution(found),
        *(_section(found, part) for part in (*_sections(answers(shown)), *_sections(sentences(shown)))),
        _maps(found),
    ]
    bodies = [body for body in (*early, *late) if body]
    parts = [f'<section id="s{n}">{body}</section>' for n, (_, body) in enumerate(bodies)]
    if shown.places and not single(shown):
        parts.insert(len(early), _bar(found))  # it stays in sight from there on
    joined = "\n".join(parts)
    links = "".join(f'<li><a href="#s{n}">{head}</a></li>' for n, (head, _) in enumerate(bodies))
    nav = f'<nav aria-label="{escape(said.word("contents"))}"><ul>{links}</ul></nav>'
    top = "".join(map(found.printer, (*author_notes(trace.header.notes), *intro)))
    body = f"<header><h1>{escape(title)}</h1>\n{top}</header>\n{nav}\n<main>\n{joined}\n</main>"
    return _whole(title, options.language, body, said)


def _whole(title: str, language: str, body: str, said: Words) -> str:
    """The page round its body. Style and script are named by their hashes: no other runs, and nothing is fetched."""
    style, script = asset("report.css") + diagram.style(), asset("report.js")
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="lstm-trace">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n'
        f'{body}\n<footer><p>{escape(said.word("made"))}</p></footer>\n<div id="pop" role="tooltip" hidden></div>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


def asset(name: str) -> str:
    """The text of a style sheet or script of the package."""
    return (files("lstm_trace.views") / "assets" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _longer(shown: View, times: int) -> View:
    """The view with more steps than a page of paper would have, since they fold."""
    if "steps" not in shown.cut:
        return shown
    steps = _steps(shown)
    room = times * len(shown.steps)
    if room >= len(steps):
        return replace(shown, steps=steps, cut=shown.cut - {"steps"})
    return replace(shown, steps=(*steps[: room - 1], steps[-1]))


def _steps(shown: View) -> tuple[int, ...]:
    """The steps that were chosen, those that are left out too."""
    return tuple(shown.trace.span[shown.chosen.window(shown.trace)])


# -- sections --------------------------------------------------------------------------------------------------------

_Part = tuple[str, str]  # heading and body of a section, as HTML


def _sections(blocks: Iterator[Block]) -> list[list[Block]]:
    """Blocks by the headings of level 2; what stands before the first one is a part of its own, for `given`."""
    found: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2 and (found[-1] or len(found) > 1):
            found.append([])
        found[-1].append(block)
    return [part for part in found if part]


def _section(found: _Page, blocks: list[Block]) -> _Part:
    head = found.printer.text(blocks[0].text) if isinstance(blocks[0], Heading) else ""
    return head, "".join(map(found.printer, blocks))


def _solution(found: _Page) -> _Part:
    """The worked lines; where there are several steps each can be folded, and carries its picture."""
    p, shown = found.printer, found.shown
    blocks = list(solution(shown))
    if single(shown):
        return p.text(blocks[0].text), "".join(map(p, blocks))  # type: ignore[union-attr]
    chunks: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 3:
            chunks.append([])
        chunks[-1].append(block)
    tail: list[Block] = []
    if len(chunks) > 1 and chunks[-1][-1] == Para(shown.said("partly")):
        tail = [chunks[-1].pop()]
    body = ["".join(map(p, chunks[0]))]
    stills = len(shown.places) <= STILLS
    for n, (place, chunk) in enumerate(zip(shown.places, chunks[1:], strict=True)):
        picture = _still(found, place) if stills else ""
        at = f'data-t="{place.t}" data-b="{place.b}" data-s="{escape(place.stage.scope)}"'
        rest = "".join(map(p, chunk[1:]))
        body.append(
            f'<details class="step" {at}{" open" if n == 0 else ""}><summary>{p(chunk[0])}</summary>{picture}{rest}'
            "</details>\n"
        )
    if len(shown.places) > STILLS:
        body.append(f'<p class="paper-only">{escape(found.said.word("fold.print"))}</p>')
    missing = f'<p id="no-step" hidden>{escape(found.said.word("step.missing"))}</p>'
    many = " many" if len(shown.places) > STILLS else ""
    whole = f'<div class="steps{many}">{"".join(body)}{missing}</div>{"".join(map(p, tail))}'
    return p.text(blocks[0].text), whole  # type: ignore[union-attr]


# -- the picture of the cell -----------------------------------------------------------------------------------------


def _pictures(shown: View, values: Values, said: Words) -> dict[str, tuple[str, diagram.Picture]]:
    """Scope to the id and drawing of its cell; stages with the same lines share one."""
    found: dict[object, tuple[str, diagram.Picture]] = {}
    rooms: dict[object, dict[str, int]] = {}
    keys = {stage.scope: (stage.lines, stage.cell.carry, stage.cell.output, stage.inputs) for stage in shown.stages}
    for stage in shown.stages:
        room = rooms.setdefault(keys[stage.scope], {})
        for name, size in diagram.widths(stage, values).items():
            room[name] = max(room.get(name, 0), size)
    for stage in shown.stages:
        key = keys[stage.scope]
        if key not in found:
            found[key] = (f"cell{len(found)}", diagram.Picture(stage, rooms[key], said, shown.trace.header.symbols))
    return {stage.scope: found[keys[stage.scope]] for stage in shown.stages}


def _picture(found: _Page, stage: Stage) -> diagram.Picture:
    """The drawing of a stage, for its values."""
    return replace(found.pictures[stage.scope][1], stage=stage)


def _cell(found: _Page) -> _Part | None:
    """The pictures, with the values of the first step; the slider's texts for the others."""
    shown, said = found.shown, found.said
    if not shown.places:
        return None
    figures, seen = [], set()
    for place in shown.places:
        ident, picture = found.pictures[place.stage.scope]
        if ident in seen:
            continue
        seen.add(ident)
        figures.append(_figure(found, ident, picture, place))
    head = escape(said.word("diagram"))
    hint = f"<p>{escape(said.word('diagram.hint'))}</p>"
    kind = ' class="stilled"' if not single(shown) and len(shown.places) <= STILLS else ""
    return head, f"<div{kind}><h2>{head}</h2>\n{''.join(figures)}{hint}</div>"


def _figure(found: _Page, ident: str, picture: diagram.Picture, place: Place) -> str:
    texts = diagram.shown(picture, found.values, place.t, place.b)
    wide, tall = picture.size
    where = found.where(place)
    title = found.said.word("diagram.at", where=f"({where})" if where else "").strip()
    return (
        f'<figure class="live" id="{ident}" data-s="{escape(place.stage.scope)}"><div class="scroll" tabindex="0">'
        f'<svg class="cell" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" height="{tall:.0f}" '
        f'role="group" aria-labelledby="{ident}t {ident}d">'
        f'<title id="{ident}t">{escape(title)}</title><desc id="{ident}d">{escape(picture.description)}</desc>'
        f'<g id="{ident}g" class="cell">{picture.shapes}</g>\n<g>{picture.texts(texts)}</g></svg></div>'
        f"<figcaption>{escape(where[:1].upper() + where[1:])}</figcaption></figure>\n"
    )


def _still(found: _Page, place: Place) -> str:
    """The picture again, beside the lines of a step."""
    ident, picture = found.pictures[place.stage.scope]
    texts = diagram.shown(_picture(found, place.stage), found.values, place.t, place.b)
    wide, tall = picture.size
    label = escape(found.said.word("diagram.at", where=f"({found.where(place)})"))
    return (
        f'<div class="still scroll"><svg class="cell" viewBox="0 0 {wide:.0f} {tall:.0f}" width="{wide:.0f}" '
        f'height="{tall:.0f}" role="img" aria-label="{label}"><use href="#{ident}g"/>'
        f"<g>{picture.texts(texts, tips=False)}</g></svg></div>"
    )


def _bar(found: _Page) -> str:
    """Slider and choices, shown where scripts run, with the texts that they put into the pictures."""
    shown, said = found.shown, found.said
    steps = _steps(shown)
    spots = sum(len(found.pictures[stage.scope][1].flow.spots) for stage in shown.stages)
    if len(steps) * len(shown.rows) * spots > TEXTS:
        steps = shown.steps
    texts = {
        stage.scope: {
            str(b): [_texts(found, _picture(found, stage), t, b) for t in steps] for b in shown.rows
        }
        for stage in shown.stages
    }  # fmt: skip
    data = {"steps": steps, "cells": {scope: ident for scope, (ident, _) in found.pictures.items()}, "texts": texts}
    text = json_text(data, separators=(",", ":")).replace("<", "\\u003c")
    places = [(stage.scope, shown.place(stage)) for stage in shown.stages]
    rows = [(str(b), said.word("row", b=b)) for b in shown.rows]
    step = (
        f'<label>{escape(said.word("step.choose"))} t <input type="range" name="t" min="0" max="{len(steps) - 1}" '
        f'value="0"></label> <output>{steps[0]}</output>'
        if len(steps) > 1
        else ""
    )
    return (
        f'<div class="bar" hidden>{step}{_select("place", said, "s", places)}{_select("row", said, "b", rows)}'
        f'<label><input type="checkbox" name="all"> {escape(said.word("step.all"))}</label></div>\n'
        f'<script type="application/json" id="texts">{text}</script>\n'
    )


def _texts(found: _Page, picture: diagram.Picture, t: int, b: int) -> list[str]:
    texts = diagram.shown(picture, found.values, t, b)
    return [texts.get(spot.key, "") for spot in picture.flow.spots if spot.kind != "sink"]


def _select(key: str, said: Words, name: str, choices: Sequence[tuple[str, str]]) -> str:
    if len(choices) < 2:
        return ""
    options = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in choices)
    return f'<label>{escape(said.word(f"step.{key}"))} <select name="{name}">{options}</select></label>'


# -- maps over time --------------------------------------------------------------------------------------------------


def _maps(found: _Page) -> _Part | None:
    """Heat maps of gates and states over all steps, for the first row that is shown."""
    trace, shown, said = found.trace, found.shown, found.said
    if trace.steps < 2 or not shown.rows:
        return None
    b = shown.rows[0]
    labels = tuple(trace.header.names.get("h", ()))
    heads = f"<h2>{escape(said.word('over.time'))}</h2>\n<p>{escape(said.word('map.axes'))}</p>\n"
    body: list[str] = []
    drawn = 0
    left: list[str] = []
    for stage in shown.stages:
        maps = [m for line in heatmap.mapped(stage) if (m := heatmap.heat(trace, stage, line, b)) is not None]
        maps = [m for m in maps if shown.chosen.has(m.line.name)]
        if drawn and drawn + len(maps) > MAPS:
            left.append(stage.scope)
            continue
        place = shown.place(stage)
        figures = [_map(found, m, f"map{drawn + k}", place, labels) for k, m in enumerate(maps)]
        drawn += len(maps)
        if figures:
            head = f"<h3>{escape(place[:1].upper() + place[1:])}</h3>" if place else ""
            body.append(f'{head}<div class="maps">{"".join(figures)}</div>\n')
    if left:
        body.append(f"<p>{escape(said.count('map.more', len(left)))}</p>\n")
    return (escape(said.word("over.time")), heads + "".join(body)) if body else None


def _map(found: _Page, drawn: heatmap.Map, ident: str, place: str, labels: tuple[str, ...]) -> str:
    said, p = found.said, found.printer
    key = "map.gate" if drawn.gate else "map.state"
    text = p.text(said.text(key, name=heading(drawn.line, drawn.stage.cell)))
    binned = ""
    if drawn.bins != (1, 1):
        steps, units = drawn.bins
        key = "map.binned" if steps > 1 < units else "map.binned.steps" if steps > 1 else "map.binned.units"
        binned = " " + escape(said.word(key, steps=steps, units=units))
    picture = heatmap.svg(drawn, said, ident, place, labels, found.values.style)
    return f'<figure class="heat"><div class="scroll">{picture}</div><figcaption>{text}{binned}</figcaption></figure>'
