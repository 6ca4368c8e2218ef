"""The report as a part of a page that is not ours: what a notebook shows. Any number of them may stand in one page.

Nothing has an id, and the style sheet is for what stands within. Colours are those of the notebook, light or dark.

A notebook from somebody else is not trusted: JupyterLab then takes away style sheets and MathML, of which only the
letters are left, in one heap. So the solution is `hidden` until the style sheet shows it; without that, the plain text
is seen, which the style sheet hides.
"""

from __future__ import annotations

from dataclasses import replace

from ...base.display import escape
from ...base.page import asset
from ...documents.html import HtmlPrinter
from ...formulas.values import Values
from ...view.view import View
from ..diagram import diagram
from ..sections.sections import Chapter, parts
from .html import folded, stepped
from .pictures import Page, pictures, still

#: A notebook keeps what it shows: so many characters at most, unless everything was asked for.
LARGEST = 400_000
#: Headings are below those of the notebook.
_DEEPER = 2
#: MathJax leaves these alone: a dollar in a title is no formula.
_CLASSES = "lstm-trace tex2jax_ignore mathjax_ignore"
STYLES = (
    "documents/blocks.css",
    "report/diagram/diagram.css",
    "plot/plot.css",
    "plot/framed.css",
    "report/page/notebook.css",
)


def fragment(shown: View, plain: str) -> str:
    """The worked solution as part of a page. plain: the same as text, for where style sheets are taken away."""
    while len(text := _drawn(shown)) > LARGEST and len(shown.steps) > 1 and not shown.everything:
        first, last = shown.steps[: (len(shown.steps) - 1) // 2], shown.steps[-1:]
        shown = replace(shown, steps=first + last, cut=shown.cut | {"steps"})
    style = "\n".join(map(asset, STYLES))
    return (
        f'<div class="{_CLASSES}" lang="{escape(shown.words.language)}">\n<style>.lstm-trace{{{style}}}</style>\n'
        f'<pre class="untrusted">{escape(plain)}</pre>\n<div class="trusted" hidden>\n{text}\n</div>\n</div>\n'
    )


def _drawn(shown: View) -> str:
    values = Values(shown.trace, replace(shown.values.style, digits=diagram.DIGITS, significant=None, lines={}))
    printer = HtmlPrinter(shown.trace, shown.trace.header.symbols, linked=False, lower=_DEEPER)
    found = Page(shown, printer, values, {} if shown.profile is not None else pictures(shown, values))
    return "\n".join(_section(found, part) for part in parts(shown))


def _section(found: Page, part: Chapter) -> str:
    p, shown = found.printer, found.shown
    worked = part.section == ("backward_pass" if shown.alone else "solution") and bool(found.places)
    picture = f"<figure>{still(found, found.places[0], alone=True)}</figure>\n" if worked else ""
    if not folded(shown, part):
        return "".join([picture, *map(p, (part.heading, *part.blocks))])
    (before, *steps), tail = stepped(shown, part)
    body = "".join(
        f'<details class="step"{" open" if n == 0 else ""}><summary>{p(step[0])}</summary>'
        f"{''.join(map(p, step[1:]))}</details>\n"
        for n, step in enumerate(steps)
    )
    return "".join([picture, *map(p, before), body, *map(p, tail)])
