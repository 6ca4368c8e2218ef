"""The report, or several, as one HTML file, and as part of another page, such as a notebook.

The file loads nothing, folding works without a script, and math is MathML. A policy in the page's head forbids
every request, and every script but the page's own.

A notebook may contain any number of parts: nothing in them has an id, and the style sheet applies only to their
content. Colours follow the notebook, light or dark. A notebook from somebody else is not trusted: JupyterLab then
removes style sheets and MathML, of which only the letters remain, run together. The solution is therefore `hidden`
until the style sheet shows it; without the style sheet the plain text is shown, which the style sheet hides.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import accumulate
from typing import Any

from ...base.arrays import by_key, runs
from ...base.compact import compact
from ...base.display import escape
from ...base.packaged import asset
from ...base.page import whole
from ...cell.network import Stage
from ...documents.blocks import Block, Heading, Para
from ...documents.drawings import PICTURES, WIDER, wider
from ...documents.html import HtmlPrinter as Printer, notebook_part
from ...errors import MissingError
from ...formulas.values import Values
from ...languages.strings import Words
from ...plot.figure import SCRIPT
from ...plot.kinds.maps import states_figure
from ...plot.subject import Subject
from ...printable import json_text
from ...trace.labels import step_label
from ...view.view import Place, View
from ..diagram import diagram
from ..sections.long_run import named_steps
from ..sections.sections import Chapter, parts
from . import live

#: How many times as long as paper a page may be, since it folds; the longest that stays within LARGEST characters.
FOLDED = (5, 3, 2, 1)
LARGEST = 1_800_000
#: The sections with sentences and pictures that follow from the numbers.
TELLING = frozenset(
    {"not_finite", "over_time", "in_words", "closer", "by_size", "shares", "experiments", "training", "pictured"}
)
#: A notebook stores what it shows: at most this many characters, unless everything was requested.
LARGEST_PART = 400_000
#: How many maps are drawn, and their pixels in all: their part of the page takes at most 0.5 MB.
MAPS, PIXELS = 24, 350_000
#: How many pictures are placed next to the worked steps; beyond that only the first (and the slider, if scripts run).
STILLS = 24
#: How many texts of pictures at other steps are kept for the slider.
TEXTS = 30_000
DRAWN = "report/diagram/diagram.css"
STYLES = (*PICTURES, "documents/blocks.css", "report/page/report.css", DRAWN)
PART_STYLES = ("documents/blocks.css", DRAWN, "plot/plot.css", "plot/framed.css", "report/page/notebook.css")
#: Headings of a part are below those of the notebook.
_DEEPER = 2

Section = tuple[str, str]  # heading and body of a section, as HTML


@dataclass
class ReportPage:
    """A report on a page: what is shown, its printer, and by scope the id and the drawing of its cell."""

    shown: View
    printer: Printer
    values: Values
    pictures: dict[str, tuple[str, diagram.Diagram]]

    @classmethod
    def of(cls, shown: View, **how: Any) -> ReportPage:
        """The page of what is shown. how: options of its `Printer`."""
        values = Values(shown.trace, replace(shown.values.style, digits=diagram.DIGITS, significant=None, lines={}))
        printer = Printer(shown.trace, shown.trace.header.symbols, **how)
        drawn = {} if shown.profile is not None else pictures(shown, values, printer.mark)
        found = cls(shown, printer, values, drawn)
        if shown.eventful is not None and printer.linked:
            every = (*shown.eventful.places, *found.places)  # `_links` counts the first
            steps = dict.fromkeys((place.stage.scope, place.t, place.b) for place in every)
            printer.jumps = {step: f"t{printer.mark}{n}" for n, step in enumerate(steps)}
        return found

    @cached_property
    def back_places(self) -> tuple[Place, ...]:
        """The places of the backward pass, each as a place of the stage whose adjoint is there."""
        back = self.shown.back
        return tuple(p._replace(stage=self.shown.trace.stage(p.stage.owner)) for p in back.places) if back else ()

    @property
    def places(self) -> tuple[Place, ...]:
        """Where the cell is shown with its values."""
        return self.back_places if self.shown.alone else self.shown.worked

    @property
    def start(self) -> Place:
        """The place at which the slider stands at first: in a long run the first value that is not finite, or the first
        eventful step.
        """
        places = self.shown.eventful.places if self.shown.eventful is not None else ()
        return next((place for place in places if place[1:] == self.shown.stop), (*places, *self.places)[0])

    def where(self, place: Place) -> str:
        """A place in words."""
        return self.shown.where(place.stage, place.t, place.b)

    def title(self, place: Place) -> str:
        """The title of the picture at a place."""
        return escape(self.shown.words.word("diagram.at", where=self.shown.words.aside(self.where(place))))

    def text(self, blocks: Sequence[Block]) -> str:
        """Blocks as HTML."""
        return "".join(map(self.printer, blocks))


def pictures(shown: View, values: Values, mark: str) -> dict[str, tuple[str, diagram.Diagram]]:
    """Scope to the id and drawing of its cell; stages with the same lines share one. mark: see `Printer`."""
    alike = by_key(((x.lines, x.cell.carry, x.cell.output, x.inputs), x) for x in shown.stages)
    found: dict[str, tuple[str, diagram.Diagram]] = {}
    for n, stages in enumerate(alike.values()):
        room = Counter[str]()
        for stage in stages:
            room |= Counter(diagram.widths(stage, values))  # the larger of both
        drawn = diagram.Diagram(stages[0], room, shown.words, shown.trace.header.symbols)
        found |= {stage.scope: (f"cell{mark}{n}", drawn) for stage in stages}
    return found


# -- the file ----------------------------------------------------------------------------------------------------------


def page(views: Sequence[View], title: str) -> str:
    """The worked solution, or several, as one HTML page. title: of the page."""
    text, words = "", views[0].words
    for times in FOLDED if any("steps" in shown.cut for shown in views) else (1,):
        longer = [_longer(shown, times) for shown in views]
        body = _one(longer[0]) if len(longer) == 1 else _several(longer, title)
        is_live = any(map(live.is_live, longer))
        # what the script replaces by what it finds
        unchecked = f'<p class="checked">{escape(words.word("live.unchecked"))}</p>' if is_live else ""
        foot = f"{unchecked}<p>{escape(words.word('made'))}</p>"
        body += f'\n<footer>{foot}</footer>\n<div id="pop" role="tooltip" hidden></div>\n{wider(words.language)}'
        code = _script()
        if is_live:
            body += f"\n{live.said(words)}"
            body += f"\n{live.written(body, title)}"
            code = live.script(any(map(live.needs_arithmetic, longer))) + code
        text = whole(words.language, title, body, STYLES, code=code)
        if len(text) <= LARGEST:
            break
    return text


@cache
def _script() -> str:
    return compact("".join(map(asset, (WIDER, "report/page/report.js", SCRIPT))))


def _one(shown: View) -> str:
    """The body of the page of one report."""
    top, main, links = _drawn(shown)
    screen = f"{_nav(shown.words, links)}\n<main>\n{main}\n</main>"
    return f"<header>{top}</header>\n{_printed(screen, shown)}"


def _several(views: Sequence[View], title: str) -> str:
    """The body of the page of several reports, each with its own slider and pictures."""
    articles, links = [], ""
    for n, shown in enumerate(views):
        top, main, own = _drawn(shown, f"{n}-", lower=1)
        articles.append(f'<article id="p{n}">{top}\n{_printed(main, shown, lower=1)}\n</article>')
        links += f'<li><a href="#p{n}">{escape(shown.title)}</a><ul>{own}</ul></li>'
    joined = "\n".join(articles)
    return f"<header><h1>{escape(title)}</h1></header>\n{_nav(views[0].words, links)}\n<main>\n{joined}\n</main>"


def _nav(words: Words, links: str) -> str:
    return f'<nav aria-label="{escape(words.word("contents"))}"><ul>{links}</ul></nav>'


def _drawn(shown: View, mark: str = "", lower: int = 0) -> tuple[str, str, str]:
    """The text before the first section, the sections, and links to them. mark, lower: see `Printer`."""
    found = ReportPage.of(shown, mark=mark, lower=lower, loose=[] if live.is_live(shown) else None)
    first, *rest = parts(shown)
    top = f"{found.printer(first.heading)}\n{found.text(first.blocks)}"
    main: list[str] = []
    links: list[str] = []
    sections = [(*section, part.section in TELLING) for part in rest for section in _sections(found, part)]
    if not shown.tabled and (maps := _maps(found)):
        head = escape(shown.words.word("over.time"))
        sections.append((head, f"{found.printer.head(2, head)}\n{maps}", True))
    for head, body, tells in sections:
        if head:  # the bar has no heading
            main.append(f'<section id="s{mark}{len(links)}"{" class=tells" * tells}>{body}</section>')
            links.append(f'<li><a href="#s{mark}{len(links)}">{head}</a></li>')
        else:
            main.append(body)
    if live.is_live(shown):
        main.append(live.data(shown, found.printer))
    return top, "\n".join(main), "".join(links)


def _printed(body: str, shown: View, lower: int = 0) -> str:
    """A report on the screen, and the version that is printed instead: few pages, without pictures and links."""
    if shown.printed is None:
        return body
    view = shown.printed
    printer = Printer(view.trace, view.trace.header.symbols, linked=False, lower=lower)
    paper = "".join(printer(block) for part in parts(view)[1:] for block in (part.heading, *part.blocks))
    return f'<div class="screen">{body}</div>\n<div class="paper{" small" * view.small}">{paper}</div>'


def _longer(shown: View, times: int) -> View:
    """The view with more steps than a page of paper would have, since they fold."""
    if "steps" not in shown.cut:
        return shown
    steps = shown.every_step
    room = times * len(shown.steps)
    if room >= len(steps):
        return replace(shown, steps=steps, cut=shown.cut - {"steps"})
    full = () if shown.eventful is None else shown.eventful.steps
    named = named_steps(shown)[: room // 2] if shown.tabled else ()
    there = {*full, *named, steps[-1]}
    others = [t for t in steps if t not in there][: max(room - len(there), 0)]
    return replace(shown, steps=tuple(sorted({*there, *others})))


# -- a part of a notebook ----------------------------------------------------------------------------------------------


def fragment(shown: View, plain: str) -> str:
    """The worked solution as part of a page. plain: the same as text, in case style sheets are removed."""
    while len(text := _part(shown)) > LARGEST_PART and len(shown.steps) > 1 and not shown.everything:
        if shown.tabled:
            if shown.eventful is None or len(shown.eventful.steps) == 1:
                break
            shown = replace(shown, eventful=replace(shown.eventful, steps=shown.eventful.steps[:-1]))
            continue
        first, last = shown.steps[: (len(shown.steps) - 1) // 2], shown.steps[-1:]
        shown = replace(shown, steps=first + last, cut=shown.cut | {"steps"})
    body = f'<pre class="untrusted">{escape(plain)}</pre>\n<div class="trusted" hidden>\n{text}\n</div>\n'
    return notebook_part(body, shown.words.language, PART_STYLES) + "\n"


def _part(shown: View) -> str:
    found = ReportPage.of(shown, linked=False, lower=_DEEPER)
    sections = []
    for part in parts(shown):
        body = f"<figure>{still(found, found.places[0], alone=True)}</figure>\n" if _has_cell(found, part) else ""
        if _folds(shown, part):
            (before, *steps), tail = _stepped(shown, part)
            folded = "".join(_folded(found, step, n == 0) for n, step in enumerate(steps))
            sections.append(f"{body}{found.text(before)}{folded}{found.text(tail)}")
        else:
            sections.append(body + found.text((part.heading, *part.blocks)))
    return "\n".join(sections)


# -- sections ----------------------------------------------------------------------------------------------------------


def _has_cell(found: ReportPage, part: Chapter) -> bool:
    """Whether the cell is shown before a part of the report."""
    return part.section == ("backward_pass" if found.shown.alone else "solution") and bool(found.places)


def _sections(found: ReportPage, part: Chapter) -> Iterator[Section]:
    """A part of the report as sections of the page: the cell goes before the solution, whose steps fold."""
    folds = _folds(found.shown, part)
    if _has_cell(found, part):
        if folds:
            yield "", _step_bar(found)  # it stays in sight from here on
        yield _cell(found)
    head = found.printer.text(part.heading.text)
    if part.section == "over_time":
        yield head, f"{found.text((part.heading,))}{_maps(found)}{found.text(part.blocks)}"
        return
    yield head, _steps(found, part) if folds else found.text((part.heading, *part.blocks))


def _folds(shown: View, part: Chapter) -> bool:
    """Whether a part has steps that fold."""
    return part.section in ("solution", "backward_pass") and not shown.single


def _stepped(shown: View, part: Chapter) -> tuple[list[list[Block]], list[Block]]:
    """The blocks of a part before its first step, those of each step, and those after the last."""
    chunks: list[list[Block]] = [[part.heading]]
    for block in part.blocks:
        if isinstance(block, Heading) and block.level == 3:
            chunks.append([])
        chunks[-1].append(block)
    tail = len(chunks) > 1 and chunks[-1][-1] == Para(shown.said("partly"))
    return chunks, [chunks[-1].pop()] if tail else []


def _folded(found: ReportPage, step: Sequence[Block], is_open: bool, at: str = "", picture: str = "") -> str:
    """A step below its heading. at: its place, as attributes."""
    head, rest = found.text(step[:1]), found.text(step[1:])
    return f'<details class="step"{at}{" open" * is_open}><summary>{head}</summary>{picture}{rest}</details>\n'


def _steps(found: ReportPage, part: Chapter) -> str:
    """The worked lines, in which each step can be folded, and carries its picture."""
    shown = found.shown
    (before, *chunks), tail = _stepped(shown, part)
    first = part.section == "solution" or bool(shown.alone)
    places = shown.worked if part.section == "solution" else found.back_places
    few = len(places) <= STILLS
    full = shown.eventful.places if first and shown.eventful is not None else ()
    body = found.text(before) + (f"{_links(found, full)}{_unfolding(shown)}" if part.section == "solution" else "")
    for n, (place, chunk) in enumerate(zip(places, chunks, strict=True)):
        at = f' data-t="{place.t}" data-b="{place.b}" data-s="{escape(place.stage.scope)}"'
        jump = found.printer.jumps.get((place.stage.scope, place.t, place.b)) if first else None
        at += f' id="{jump}"' if jump else ""
        is_open = place == found.start if first else n == 0
        body += _folded(found, chunk, is_open, at, still(found, place) if few and first else "")
    if not few:
        body += f'<p class="paper-only">{escape(shown.words.word("fold.print"))}</p>'
    if first:
        body += f'<p class="no-step" hidden>{escape(shown.words.word("step.missing"))}</p>'
    return f'<div class="{"steps" if few else "steps many"}">{body}</div>{found.text(tail)}'


def _links(found: ReportPage, places: Sequence[Place]) -> str:
    """Links to steps, each of which a script shows instead of the one that is shown."""
    names = (f"{where[:1].upper()}{where[1:]}" for where in map(found.where, places))
    links = (f'<a href="#t{found.printer.mark}{n}">{escape(name)}</a>' for n, name in enumerate(names))
    return f'<p class="jumps">{" · ".join(links)}</p>' if len(places) > 1 else ""


def _unfolding(shown: View) -> str:
    """Which steps of a long run can be unfolded, if not all of them are on the page."""
    if not shown.tabled or "steps" not in shown.cut:
        return ""
    words, steps = shown.words, ", ".join(map(shown.words.span, runs(shown.steps)))
    numbers = {"n": words.number(len(shown.steps)), "all": words.number(len(shown.every_step))}
    return f"<p>{escape(words.word('step.some', steps=steps, **numbers))}</p>"


def _maps(found: ReportPage) -> str:
    """Gates and states of every unit over all steps, for the first row that is shown: the picture `states`."""
    shown, words = found.shown, found.shown.words
    if shown.trace.steps < 2 or not shown.rows:
        return ""
    subject = Subject(shown, shown.rows[0], True)
    counts = [len(subject.lines(stage, candidates=False)) for stage in shown.stages]
    kept = [stage for stage, so_far in zip(shown.stages, accumulate(counts), strict=True) if so_far <= MAPS]
    left = len(shown.stages) - len(kept)
    few = replace(shown, stages=tuple(kept or shown.stages[:1]))
    try:
        drawn = states_figure(Subject(few, shown.rows[0], True), most=PIXELS)
    except MissingError:  # nothing that is a finite number
        return ""
    more = f" {words.count('map.more', left)}" if left and kept else ""
    caption = escape(f"{words.word('map.axes')} {drawn.caption}{more}".strip())
    return f"<figure>{drawn.interactive()}<figcaption>{caption}</figcaption></figure>"


# -- pictures of the cell ----------------------------------------------------------------------------------------------


def _shown_at(found: ReportPage, place: Place) -> dict[str, str]:
    """The values of a place by spot of the picture there."""
    picture = replace(found.pictures[place.stage.scope][1], stage=place.stage)
    return diagram.shown(picture, found.values, place.t, place.b)


def _cell(found: ReportPage) -> Section:
    """The pictures, with the values of the first step; the slider has texts for the others."""
    said = found.shown.words
    first: dict[str, Place] = {}
    for place in (found.start, *found.places):
        first.setdefault(found.pictures[place.stage.scope][0], place)
    figures = "".join(_figure(found, place) for place in first.values())
    head, hint = escape(said.word("diagram")), f"<p>{escape(said.word('diagram.hint'))}</p>"
    kind = ' class="stilled"' if not found.shown.single and len(found.places) <= STILLS else ""
    return head, f"<div{kind}>{found.printer.head(2, head)}\n{figures}{hint}</div>"


def _figure(found: ReportPage, place: Place) -> str:
    ident, picture = found.pictures[place.stage.scope]
    where = found.where(place)
    return (
        f'<figure class="live" id="{ident}" data-s="{escape(place.stage.scope)}"><div class="scroll" tabindex="0">'
        f'<svg {picture.frame} role="group" aria-labelledby="{ident}t {ident}d">'
        f'<title id="{ident}t">{found.title(place)}</title><desc id="{ident}d">{escape(picture.description)}</desc>'
        f'<g id="{ident}g" class="cell">{picture.shapes}</g>\n<g>{picture.texts(_shown_at(found, place))}</g></svg>'
        f"</div><figcaption>{escape(where[:1].upper() + where[1:])}</figcaption></figure>\n"
    )


def still(found: ReportPage, place: Place, alone: bool = False) -> str:
    """The picture of a step: the picture of the page with other values, or a self-contained one."""
    ident, picture = found.pictures[place.stage.scope]
    shapes = f"<g>{picture.shapes}</g>" if alone else f'<use href="#{ident}g"/>'
    return (
        f'<div class="still scroll"><svg {picture.frame} role="img" aria-label="{found.title(place)}">{shapes}'
        f"<g>{picture.texts(_shown_at(found, place), tips=False)}</g></svg></div>"
    )


def _step_bar(found: ReportPage) -> str:
    """Slider and choices, shown if scripts run, with the texts that they put into the pictures."""
    shown, said = found.shown, found.shown.words
    steps = shown.every_step
    spots = {stage.scope: found.pictures[stage.scope][1].flow.spots for stage in shown.stages}
    if len(steps) * len(shown.rows) * sum(map(len, spots.values())) > TEXTS:
        steps = shown.steps

    def texts(stage: Stage, t: int, b: int) -> list[str]:
        there = _shown_at(found, Place(stage, t, b))
        return [there.get(spot.key, "") for spot in spots[stage.scope] if spot.kind != "sink"]

    each = {s.scope: {str(b): [texts(s, t, b) for t in steps] for b in shown.rows} for s in shown.stages}
    idents = {scope: ident for scope, (ident, _) in found.pictures.items()}
    data: dict[str, Any] = {"steps": steps, "first": said.count_from, "cells": idents, "texts": each}
    if shown.trace.header.step_labels:
        data["tokens"] = {str(b): [step_label(shown.trace, t, b) for t in steps] for b in shown.rows}
    text = json_text(data, separators=(",", ":")).replace("<", "\\u003c")
    places = [(stage.scope, shown.place(stage)) for stage in shown.stages]
    rows = [(str(b), shown.row(b)) for b in shown.rows]
    first = steps.index(found.start.t) if found.start.t in steps else 0
    told = (str(said.nth(steps[first])), step_label(shown.trace, steps[first], shown.rows[0]))
    choose, last, step = escape(said.word("step.choose")), len(steps) - 1, ""
    if last:
        step = f'<label>{choose} t <input type="range" name="t" min="0" max="{last}" value="{first}"></label> '
        step += f"<output>{escape(' '.join(filter(None, told)))}</output>"
    return (
        f'<div class="bar" hidden>{step}{_select("place", said, "s", places)}{_select("row", said, "b", rows)}'
        f'<label><input type="checkbox" name="all"> {escape(said.word("step.all"))}</label></div>\n'
        f'<script type="application/json" class="texts">{text}</script>\n'
    )


def _select(key: str, said: Words, name: str, choices: Sequence[tuple[str, str]]) -> str:
    if len(choices) < 2:
        return ""
    options = "".join(f'<option value="{escape(value)}">{escape(text)}</option>' for value, text in choices)
    return f'<label>{escape(said.word(f"step.{key}"))} <select name="{name}">{options}</select></label>'
