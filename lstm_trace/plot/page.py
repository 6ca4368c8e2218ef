"""A picture as a page of its own, and in pages with other content."""

from __future__ import annotations

from ..base import page
from ..base.display import escape
from ..languages.strings import words
from . import furniture

#: The styles of pictures in a page, of heat maps that answer too.
PICTURES = ("plot/plot.css", "plot/framed.css", "plot/heat/heat.css")
#: What says of each part that it is wider than the page, in the words of `wider`.
WIDER = "plot/wider.js"


def whole(title: str, caption: str, language: str, body: str, script: str = "") -> str:
    """The page. body: HTML, or the SVG of a picture. script: name of a file, as of `base.page.asset`, or none."""
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    content = f"<h1>{escape(title)}</h1>\n<figure>{framed(body, language)}{note}</figure>"
    styles = (*PICTURES, "plot/page.css")
    return page.whole(language, title, content, styles, filter(None, [script]), styled=True)  # the parts of a text are


def framed(body: str, language: str) -> str:
    """A picture without its title and caption, which can be moved sideways on a narrow screen; other HTML as it is."""
    if not body.startswith("<svg"):
        return body
    said = escape(words(language, 0).word("plot.sideways"))
    return f'<p class="sideways">{said}</p><div class="scroll">{furniture.unstyled(body)}</div>'


def wider(language: str) -> str:
    """What a page with the script `WIDER` has at its end."""
    said = escape(words(language, 0).word("plot.sideways"))
    return f'<template id="wider"><p class="sideways wider">{said}</p></template>'
