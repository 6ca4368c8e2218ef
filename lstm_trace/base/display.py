"""Displayed text: its width in a terminal, labels from files, text in HTML and in CSV cells."""

from __future__ import annotations

import html
import re
import unicodedata
from functools import lru_cache

from ..printable import printable


def cells(text: str) -> int:
    """Width of a text in a terminal in columns: a combining tilde takes none, a wide letter two.

    >>> cells("c\u0303"), cells("\u0e2a\u0e34"), cells("\u4e2d")
    (1, 1, 2)
    """
    return len(text) if text.isascii() else sum(map(_columns, text))


@lru_cache(4096)
def _columns(letter: str) -> int:
    marked = unicodedata.category(letter) in ("Mn", "Me", "Cf")  # including vowels above and below letters, and joiners
    return 0 if marked else 2 if unicodedata.east_asian_width(letter) in "WF" else 1


#: Text that is not broken: spaces, a word or a wide letter, with opening marks before and closing marks after it.
#: `re` compiles it when it is first used, since that takes 4 ms.
_TOGETHER = r" +|（*[^ \u2e80-\uffef]+[，。；：、）]*|（*[\u2e80-\uffef][，。；：、）]*"


def wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """A text in lines of this width, empty if there is no text. A longer word stays whole; wide letters may be
    separated.

    first, rest: prefixes of the first line, and of the others.

    >>> wrapped("one two three", 10, "- ", "  "), wrapped("（中文），字符", 8)
    (['- one two', '  three'], ['（中', '文），字', '符'])
    """
    lines, begun = [first], False
    for part in re.findall(_TOGETHER, re.sub(r"[\t\n]", " ", text.rstrip())):
        if begun and cells(lines[-1] + part) > width:
            lines.append(rest)
            begun = False
        if begun or part[0] != " ":
            lines[-1] += part
            begun = True
    return [line.rstrip() for line in lines] if begun else []


#: Default maximum width of a label in columns.
MOST = 24
#: Maximum number of marks shown on one letter; a file may contain thousands.
_MARKS = 4
_SIGNS = {" ": "␣", "\n": "↵", "\t": "⇥"}  # most fonts have these signs
#: Invisible letters, in addition to those that Unicode calls formats, separators and controls.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\u034f\u17b4\u17b5")
_JOINERS = "\u200c\u200d"


@lru_cache(4096)
def visible(label: str, most: int = MOST) -> str:
    r"""A label of at most `most` columns in which every character is visible.

    White space is shown by a sign where it would be invisible: at the ends, and for line breaks. Controls and invisible
    characters are shown as escapes; joiners within a word are kept. A combining mark without a letter is put on a
    dotted circle. Letters written from right to left are followed by a mark that ends their direction.

    >>> visible("word"), visible(" the"), visible("\n"), visible("a\x1b\u200b"), visible("\u0301"), visible("k" * 30)
    ('word', '␣the', '↵', 'a\\x1b\\u200b', '◌́', 'kkkkkkkkkkkkkkkkkkkkkkk…')
    """
    if label.isascii() and label.isprintable() and len(label) <= most and label == label.strip():
        return label
    start, stop = len(label) - len(label.lstrip(" ")), len(label.rstrip(" "))
    shown: list[str] = []
    room, marks, bound = most, 0, (most + 1) * (_MARKS + 1)
    whole = len(label) <= bound
    for at, letter in enumerate(label[:bound]):
        piece = _piece(letter, start < at < stop - 1)
        marked = piece == letter and unicodedata.category(letter)[0] == "M"
        marks = marks + 1 if marked else 0
        if marks > _MARKS:
            whole = False
            continue
        shown.append(f"◌{letter}" if marked and not shown else piece)
        room -= cells(shown[-1])
        if room < 0:
            whole = False
            break
    if not whole:
        while shown and cells("".join(shown)) > most - 1:
            shown.pop()
        while shown and shown[-1] in _JOINERS:
            shown.pop()
        shown.append("…")
    text = "".join(shown)
    return f"{text}\u200e" if any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in text) else text


def seen(text: str) -> str:
    r"""A text of any length with escapes for controls and invisible characters; white space is kept.

    >>> seen("a\u200b \n\ufeff")
    'a\\u200b \n\\ufeff'
    """
    return "".join(c if c in _SIGNS else _piece(c, 0 < at < len(text) - 1) for at, c in enumerate(text))


def _piece(letter: str, inside: bool) -> str:
    """A letter as displayed. inside: whether there are others before and after it."""
    if letter == " " and inside:
        return letter
    if letter in _SIGNS:
        return _SIGNS[letter]
    number, category = ord(letter), unicodedata.category(letter)
    if letter in _JOINERS and inside:
        return letter
    if category in ("Cc", "Cf", "Cs", "Zs", "Zl", "Zp") or letter in _BLANK or number & 0xFFFE == 0xFFFE:
        return _escape(number)
    return _escape(number) if 0xFDD0 <= number <= 0xFDEF else letter


def _escape(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 1 << 16 else f"\\U{number:08x}"


def escape(text: str) -> str:
    r"""Text that cannot become markup, not even in an attribute, without characters that XML forbids.

    >>> escape('<b title="\x1b">')
    '&lt;b title=&quot;\ufffd&quot;&gt;'
    """
    return html.escape(printable(text))


def guarded(text: str) -> str:
    """The text of a cell, preceded by ' if a spreadsheet would execute it; a single sign is not a formula.

    >>> [guarded(text) for text in ("=1+1", "-x_t", "-", "the")]
    ["'=1+1", "'-x_t", '-', 'the']
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) and len(text) > 1 else text


def unguarded(text: str) -> str:
    """The original of a text changed by `guarded`.

    >>> [unguarded(guarded(text)) for text in ("=1+1", "'s", "the")]
    ['=1+1', "'s", 'the']
    """
    return text[1:] if text.startswith("'") and guarded(text[1:]) == text else text
