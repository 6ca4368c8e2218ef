"""Text within HTML and SVG."""

from __future__ import annotations

import html

from ...printable import printable


def escape(text: str) -> str:
    r"""Text that cannot become markup, in an attribute neither, without characters that XML cannot hold.

    >>> escape('<b title="\x1b">')
    '&lt;b title=&quot;\ufffd&quot;&gt;'
    """
    return html.escape(printable(text))
