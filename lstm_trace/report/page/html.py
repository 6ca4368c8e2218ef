"""The report, or several, as one HTML file: nothing is loaded, folding works without a script, math is MathML.

A policy in the page's head forbids every request, and every script but the page's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import NamedTuple

from ...base.display import escape
from ...base.page import whole
from ...documents.blocks import Block, Heading, Para
from ...documents.drawings import PICTURES, WIDER, wider
from ...documents.html import HtmlPrinter
from ...errors import MissingError
from ...formulas.values import Values
from ...languages.strings import Words
from ...plot.figure import SCRIPT
from ...plot.kinds.maps import states_figure
from ...plot.subject import Subject
from ...view.view import View
from ..diagram import diagram
from ..sections.sections import Chapter, parts
from .pictures import STILLS, Page, Section, cell, pictures, shown_steps, step_bar, still

#: A page may be so many times as long as paper, since it folds; the longest that stays within LARGEST characters.
FOLDED = (5, 3, 2, 1)
LARGEST = 1_800_000
#: So many maps are drawn, of so many pixels in all: their part of the page weighs 0.5 MB at most.
MAPS, PIXELS = 24, 350_000
STYLES = (*PICTURES, "documents/blocks.css", "report/page/report.css", "report/diagram/diagram.css")


def page(views: Sequence[View], title: str) -> str:
    """The worked solution as an HTML page, or several on one. title: of the page."""
    text = ""
    for times in FOLDED if any("steps" in shown.cut for shown in views) else (1,):
        longer = [_longer(shown, times) for shown in views]
        text = _whole(views[0].words, title, _one(longer[0]) if len(longer) == 1 else _several(longer, title))
        if len(text) <= LARGEST:
            break
    return text


def _one(shown: View) -> str:
    """The body of the page of one report."""
    drawn = _drawn(shown)
    nav = _nav(shown.words, drawn.links)
    screen = _printed(f"{nav}\n<main>\n{drawn.main}\n</main>", shown)
    return f"<header>{drawn.heading}\n{drawn.top}</header>\n{screen}"


def _several(views: Sequence[View], title: str) -> str:
    """The body of the page of several reports, each of which has its own slider and pictures."""
    articles, links = [], ""
    for n, shown in enumerate(views):
        drawn = _drawn(shown, f"{n}-", lower=1)
        body = _printed(drawn.main, shown, lower=1)
        articles.append(f'<article id="p{n}">{drawn.heading}\n{drawn.top}\n{body}\n</article>')
        links += f'<li><a href="#p{n}">{escape(shown.title)}</a><ul>{drawn.links}</ul></li>'
    joined = "\n".join(articles)
    return f"<header><h1>{escape(title)}</h1></header>\n{_nav(views[0].words, links)}\n<main>\n{joined}\n</main>"


def _nav(words: Words, links: str) -> str:
    return f'<nav aria-label="{escape(words.word("contents"))}"><ul>{links}</ul></nav>'


class _Drawn(NamedTuple):
    """A report as HTML: its heading, what stands before the first section, the sections, and links to them."""

    heading: str
    top: str
    main: str
    links: str


def _drawn(shown: View, mark: str = "", lower: int = 0) -> _Drawn:
    """What is shown; mark, lower: see `HtmlPrinter`."""
    values = Values(shown.trace, replace(shown.values.style, digits=diagram.DIGITS, significant=None, lines={}))
    printer = HtmlPrinter(shown.trace, shown.trace.header.symbols, mark=mark, lower=lower)
    found = Page(shown, printer, values, {} if shown.profile is not None else pictures(shown, values, mark))
    first, *rest = parts(shown)
    top = "".join(map(printer, first.blocks))
    main: list[str] = []
    links: list[str] = []
    for head, body in (*(section for part in rest for section in _sections(found, part)), *_maps(found)):
        if head:  # the bar has none
            main.append(f'<section id="s{mark}{len(links)}">{body}</section>')
            links.append(f'<li><a href="#s{mark}{len(links)}">{head}</a></li>')
        else:
            main.append(body)
    return _Drawn(printer(first.heading), top, "\n".join(main), "".join(links))


def _paper(shown: View, lower: int = 0) -> str:
    """What is printed below the title in place of what is on the screen: few pages, without pictures and links."""
    printer = HtmlPrinter(shown.trace, shown.trace.header.symbols, linked=False, lower=lower)
    body = "".join(printer(block) for part in parts(shown)[1:] for block in (part.heading, *part.blocks))
    return f'<div class="paper">{body}</div>'


def _printed(body: str, shown: View, lower: int = 0) -> str:
    """A report on the screen, and what is printed in its place, where that is another view."""
    if shown.printed is None:
        return body
    return f'<div class="screen">{body}</div>\n{_paper(shown.printed, lower)}'


def _whole(words: Words, title: str, body: str) -> str:
    """The page round its body."""
    body += f'\n<footer><p>{escape(words.word("made"))}</p></footer>\n<div id="pop" role="tooltip" hidden></div>'
    body += f"\n{wider(words.language)}"
    return whole(words.language, title, body, STYLES, (WIDER, "report/page/report.js", SCRIPT))


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


def _sections(found: Page, part: Chapter) -> Iterator[Section]:
    """A part of the report as sections of the page: the cell goes before the solution, whose steps fold."""
    head = found.printer.text(part.heading.text)
    folds = folded(found.shown, part)
    if part.section == ("backward_pass" if found.shown.alone else "solution") and found.places:
        if folds:
            yield "", step_bar(found)  # it stays in sight from here on
        yield cell(found)
    if folds:
        yield head, _steps(found, part)
    else:
        yield head, "".join(map(found.printer, (part.heading, *part.blocks)))


def folded(shown: View, part: Chapter) -> bool:
    """Whether a part has steps that fold."""
    return part.section in ("solution", "backward_pass") and not shown.single


def stepped(shown: View, part: Chapter) -> tuple[list[list[Block]], list[Block]]:
    """The blocks of a part before its first step and those of each step, then what stands after the last."""
    chunks: list[list[Block]] = [[part.heading]]
    for block in part.blocks:
        if isinstance(block, Heading) and block.level == 3:
            chunks.append([])
        chunks[-1].append(block)
    tail = len(chunks) > 1 and chunks[-1][-1] == Para(shown.said("partly"))
    return chunks, [chunks[-1].pop()] if tail else []


def _steps(found: Page, part: Chapter) -> str:
    """The worked lines, in which each step can be folded, and carries its picture."""
    p, shown = found.printer, found.shown
    chunks, tail = stepped(shown, part)
    first = part.section == "solution" or bool(shown.alone)
    places = shown.places if part.section == "solution" else found.back_places
    body = ["".join(map(p, chunks[0]))]
    few = len(places) <= STILLS
    for n, (place, chunk) in enumerate(zip(places, chunks[1:], strict=True)):
        picture = still(found, place) if few and first else ""
        at = f'data-t="{place.t}" data-b="{place.b}" data-s="{escape(place.stage.scope)}"'
        rest = "".join(map(p, chunk[1:]))
        body.append(
            f'<details class="step" {at}{" open" if n == 0 else ""}><summary>{p(chunk[0])}</summary>{picture}{rest}'
            "</details>\n"
        )
    if not few:
        body.append(f'<p class="paper-only">{escape(shown.words.word("fold.print"))}</p>')
    missing = f'<p class="no-step" hidden>{escape(shown.words.word("step.missing"))}</p>' if first else ""
    kind = "steps" if few else "steps many"
    return f'<div class="{kind}">{"".join(body)}{missing}</div>{"".join(map(p, tail))}'


def _maps(found: Page) -> Iterator[Section]:
    """Gates and states of every unit over all steps, for the first row that is shown: the picture `states`."""
    shown, words = found.shown, found.shown.words
    if shown.trace.steps < 2 or not shown.rows:
        return
    subject = Subject(shown, shown.rows[0], True)
    counts = [len(subject.lines(stage, candidates=False)) for stage in shown.stages]
    kept = [stage for stage, so_far in zip(shown.stages, accumulate(counts), strict=True) if so_far <= MAPS]
    left = len(shown.stages) - len(kept)
    few = replace(shown, stages=tuple(kept or shown.stages[:1]))
    try:
        drawn = states_figure(Subject(few, shown.rows[0], True), most=PIXELS)
    except MissingError:  # nothing that is a finite number
        return
    more = f" {words.count('map.more', left)}" if left and kept else ""
    head = escape(words.word("over.time"))
    caption = escape(f"{words.word('map.axes')} {drawn.caption}{more}".strip())
    figure = f"<figure>{drawn.interactive()}<figcaption>{caption}</figcaption></figure>"
    yield head, f"{found.printer.head(2, head)}\n{figure}"
