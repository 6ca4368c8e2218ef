"""Texts from files made fit to be printed: no character commands a terminal, breaks a document, or fills the screen.

Titles, labels, names of tensors and keys come from strangers. They stay as they are where they are stored and
compared; each printer (a format's escape function, an error's message, `echo` of the command line) makes them harmless
where they leave.
"""

from __future__ import annotations

import re
from typing import Any

#: Characters that act instead of being seen: controls (C0 but tab and newline, DEL, C1), separators of lines, the
#: overrides of the writing direction, halves of surrogate pairs, and what Unicode calls no characters.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
#: Characters of a message at most, and of a part of it without a space (a key); longer ones lose their middle.
MOST, MOST_WORD = 4_000, 400
_LONG = re.compile(rf"\S{{{MOST_WORD + 1},}}")


def printable(text: str) -> str:
    r"""The text with U+FFFD for every character that acts instead of being seen; tabs and newlines stay.

    >>> printable("a\x1b[2Jb\x9b \u202ec"), printable("Größe\tσ\n"), printable("\r\n")
    ('a�[2Jb� �c', 'Größe\tσ\n', '\n')
    """
    return text if text.isprintable() else _ACTING.sub("\ufffd", text.replace("\r\n", "\n"))


def message(text: str) -> str:
    """The text of a message: printable, and of a length that can be read.

    >>> len(message("the key " + "k" * 100_000)) < 400
    True
    """
    text = _LONG.sub(lambda word: f"{word[0][:200]}…{word[0][-60:]}", printable(text))
    return text if len(text) <= MOST else f"{text[: MOST - 600]} … {text[-500:]}"


def acts(text: str) -> bool:
    """Whether a text has characters that act instead of being seen."""
    return not text.isprintable() and _ACTING.search(text) is not None


def yaml_escaped(text: str) -> str:
    r"""YAML whose characters that act, all of them within double quotes, stand as escapes.

    >>> print(yaml_escaped('title: "ü\u202e\U0001fffe"'))
    title: "ü\u202E\U0001FFFE"
    """

    def escape(found: re.Match[str]) -> str:
        number = ord(found[0])
        return f"\\u{number:04X}" if number < 1 << 16 else f"\\U{number:08X}"

    return _ACTING.sub(escape, text)


def json_text(data: Any, **style: Any) -> str:
    r"""JSON in which characters that act stand as escapes, so that the text can be printed and means the same.

    >>> json_text({"title": "ü\x9b\u202e"})
    '{"title": "ü\\u009b\\u202e"}'
    """
    import json  # messages, for which the command line's --help imports this file, need none

    return _ACTING.sub(_escape, json.dumps(data, ensure_ascii=False, **style))


def _escape(found: re.Match[str]) -> str:
    r"""A character as `\uXXXX`, or as the two halves of its surrogate pair."""
    return "".join(f"\\u{unit:04x}" for unit in memoryview(found[0].encode("utf-16-le", "surrogatepass")).cast("H"))
