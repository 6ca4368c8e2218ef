"""How many columns of a terminal a text takes."""

from __future__ import annotations

import unicodedata
from functools import lru_cache


def cells(text: str) -> int:
    """Columns that a text takes in a terminal: a tilde over a letter takes none, a wide letter two.

    >>> cells("c\u0303"), cells("\u0e2a\u0e34"), cells("\u4e2d")
    (1, 1, 2)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(4096)
def _columns(letter: str) -> int:
    marked = unicodedata.category(letter) in ("Mn", "Me", "Cf")  # vowels above and below letters too, and joiners
    return 0 if marked else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
