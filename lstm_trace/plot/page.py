"""A picture as a page of its own: one file that loads nothing; a policy in its head allows only what is in it."""

from __future__ import annotations

import base64
import hashlib
from importlib.resources import files

from ..base.text.markup import escape
from ..languages.strings import words
from .furniture import bare


def whole(title: str, caption: str, language: str, body: str, script: str = "") -> str:
    """The page. body: HTML, or the SVG of a picture. script: name of a file, as of `asset`, or none."""
    style, code = asset("page.css") + asset("heat/heat.css"), asset(script) if script else ""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"  # no
        + (f"; script-src '{_hash(code)}'" if code else "")  # other script than this runs
    )
    note = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="lstm-trace">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n'
        f"<body>\n<h1>{escape(title)}</h1>\n<figure>{framed(body, language)}{note}</figure>\n"
        + (f"<script>{code}</script>\n" if code else "")
        + "</body>\n</html>\n"
    )


def framed(body: str, language: str) -> str:
    """A picture without its title and caption, which can be moved sideways on a narrow screen; other HTML as it is."""
    if not body.startswith("<svg"):
        return body
    said = escape(words(language, 0).word("plot.sideways"))
    return f'<p class="sideways">{said}</p><div class="scroll">{bare(body)}</div>'


def asset(name: str) -> str:
    """The text of a style sheet or script. name: in this folder, `heat/heat.js` or `page.css`."""
    return (files(__package__) / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
