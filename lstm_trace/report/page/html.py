"""The report as one HTML file: nothing is loaded, folding works without a script, math is MathML.

A policy in the page's head forbids every request, and every script but the page's own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import TYPE_CHECKING

from ...base.markup import escape
from ...formulas.blocks import Block, Heading, Para
from ...formulas.tree import heading
from ...formulas.values import Values
from ...trace.trace import Trace
from ..content.view import View, view
from ..diagram import diagram
from ..languages.strings import Words
from ..sections.answers import answers
from ..sections.author_notes import author_notes
from ..sections.given_section import equations, given, single
from ..sections.in_words import sentences
from ..sections.solution import solution
from . import heatmap
from .html_blocks import Printer
from .pictures import STILLS, Page, Section, _bar, _still, cell_section, pictures, shown_steps

if TYPE_CHECKING:
    from ..report import Options

#: A page may be so many times as long as paper, since it folds; the longest that stays within LARGEST characters.
FOLDED = (5, 3, 2, 1)
LARGEST = 1_800_000
#: So many maps are drawn.
MAPS = 24


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
    said = shown.words
    values = Values(trace, replace(shown.values.style, digits=diagram.DIGITS, significant=None, lines={}))
    found = Page(trace, shown, said, Printer(trace, trace.header.symbols), values, pictures(shown, values, said))
    title = trace.header.title or said.word("untitled")
    intro, *first = _sections(given(shown))
    early = [_section(found, part) for part in (*first, *_sections(iter((*equations(shown), *options.notes))))]
    late = [
        cell_section(found),
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
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _longer(shown: View, times: int) -> View:
    """The view with more steps than a page of paper would have, since they fold."""
    if "steps" not in shown.cut:
        return shown
    steps = shown_steps(shown)
    room = times * len(shown.steps)
    if room >= len(steps):
        return replace(shown, steps=steps, cut=shown.cut - {"steps"})
    return replace(shown, steps=(*steps[: room - 1], steps[-1]))


# -- sections --------------------------------------------------------------------------------------------------------


def _sections(blocks: Iterator[Block]) -> list[list[Block]]:
    """Blocks by the headings of level 2; what stands before the first one is a part of its own, for `given`."""
    found: list[list[Block]] = [[]]
    for block in blocks:
        if isinstance(block, Heading) and block.level == 2 and (found[-1] or len(found) > 1):
            found.append([])
        found[-1].append(block)
    return [part for part in found if part]


def _section(found: Page, blocks: list[Block]) -> Section:
    head = found.printer.text(blocks[0].text) if isinstance(blocks[0], Heading) else ""
    return head, "".join(map(found.printer, blocks))


def _solution(found: Page) -> Section:
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


# -- maps over time --------------------------------------------------------------------------------------------------


def _maps(found: Page) -> Section | None:
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


def _map(found: Page, drawn: heatmap.Map, ident: str, place: str, labels: tuple[str, ...]) -> str:
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
