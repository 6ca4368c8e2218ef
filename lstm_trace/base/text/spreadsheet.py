"""Text in a cell of CSV: a spreadsheet that opens the file must not run it as a formula (OWASP, "CSV injection")."""

from __future__ import annotations

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """The text of a cell, with ' before it where a spreadsheet would run it; a sign alone is no formula.

    >>> [guarded(text) for text in ("=1+1", "-x_t", "-", "the")]
    ["'=1+1", "'-x_t", '-', 'the']
    """
    return f"'{text}" if text.startswith(_FORMULA) and len(text) > 1 else text


def unguarded(text: str) -> str:
    """A text as it was before `guarded`.

    >>> [unguarded(guarded(text)) for text in ("=1+1", "'s", "the")]
    ['=1+1', "'s", 'the']
    """
    return text[1:] if text.startswith("'") and guarded(text[1:]) == text else text
