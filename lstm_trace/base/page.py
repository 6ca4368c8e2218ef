"""An HTML page: one file that loads nothing; a policy in its head permits only its own contents."""

from __future__ import annotations

from collections.abc import Iterable

from .display import escape
from .packaged import asset


def whole(
    language: str,
    title: str,
    body: str,
    styles: Iterable[str],
    scripts: Iterable[str] = (),
    styled: bool = False,
    code: str = "",
) -> str:
    """The complete page.

    Args:
        language: language of its text.
        title: title of the page, as text.
        body: HTML.
        styles: style sheets, as for `packaged.asset`, in addition to that of every page.
        scripts: the scripts; nothing else can run.
        styled: whether elements of the body have style attributes, which a hash cannot permit.
        code: a script as text, which runs after the others (see `inlined`).
    """
    style, script = "".join(map(asset, ("base/page.css", *styles))), "".join(map(asset, scripts)) + code
    return framed(language, title, body, style, script, styled)


def framed(language: str, title: str, body: str, style: str, script: str = "", styled: bool = False) -> str:
    """The same from the text of its style sheet and its script, without the style of every page."""
    allowed = "'unsafe-inline'" if styled else _hash(style)
    policy = f"default-src 'none'; style-src {allowed}; img-src data:; base-uri 'none'; form-action 'none'"
    policy += f"; script-src {_hash(script)}" if script else ""
    end = f"<script>{script}</script>\n" if script else ""
    return (
        f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="generator" content="lstm-trace">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n'
        f"<body>\n{body}\n{end}</body>\n</html>\n"
    )


def _hash(text: str) -> str:
    """The hash by which a policy permits a style or script."""
    import base64
    import hashlib

    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
