"""Make text from files safe to print: no character controls a terminal, breaks a document, or fills the screen.

Titles, labels, tensor names and keys come from strangers. They stay unchanged where they are stored and compared; each
printer (a format's escape function, an error's message, the command line's `echo`) makes them harmless on output.
"""

from __future__ import annotations

import re
from typing import Any

#: Characters that have an effect instead of a glyph: controls (C0 except tab and newline, DEL, C1), line separators,
#: overrides of the writing direction, surrogates, and Unicode's noncharacters.
_ACTING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | low) for plane in range(1, 17) for low in (0xFFFE, 0xFFFF))
    + "]"
)
#: Maximum length of a message, and of a part of it without a space (a key); longer ones are cut in the middle.
MOST, MOST_WORD = 4_000, 400
_LONG = re.compile(rf"\S{{{MOST_WORD + 1},}}")


def printable(text: str) -> str:
    r"""The text with U+FFFD for every character that has an effect instead of a glyph; tabs and newlines stay.

    >>> printable("a\x1b[2Jb\x9b \u202ec"), printable("Größe\tσ\n"), printable("\r\n")
    ('a�[2Jb� �c', 'Größe\tσ\n', '\n')
    """
    return text if text.isprintable() else _ACTING.sub("\ufffd", text.replace("\r\n", "\n"))


def message(text: str) -> str:
    """The text of a message: printable and short enough to read.

    >>> len(message("the key " + "k" * 100_000)) < 400
    True
    """
    text = _LONG.sub(lambda word: f"{word[0][:200]}…{word[0][-60:]}", printable(text))
    return text if len(text) <= MOST else f"{text[: MOST - 600]} … {text[-500:]}"


def acts(text: str) -> bool:
    """Whether a text contains characters that have an effect instead of a glyph."""
    return not text.isprintable() and _ACTING.search(text) is not None


def yaml_escaped(text: str) -> str:
    r"""YAML in which control characters, all of them inside double quotes, are written as escapes.

    >>> print(yaml_escaped('title: "ü\u202e\U0001fffe"'))
    title: "ü\u202E\U0001FFFE"
    """

    def escape(found: re.Match[str]) -> str:
        number = ord(found[0])
        return f"\\u{number:04X}" if number < 1 << 16 else f"\\U{number:08X}"

    return _ACTING.sub(escape, text)


def json_text(data: Any, **style: Any) -> str:
    r"""JSON in which control characters are written as escapes: safe to print, with the same meaning.

    >>> json_text({"title": "ü\x9b\u202e"})
    '{"title": "ü\\u009b\\u202e"}'
    """
    import json  # not needed by messages, for which the command line's --help imports this file

    return _ACTING.sub(_escape, json.dumps(data, ensure_ascii=False, **style))


def _escape(found: re.Match[str]) -> str:
    r"""A character as `\uXXXX`, or as the two halves of its surrogate pair."""
    return "".join(f"\\u{unit:04x}" for unit in memoryview(found[0].encode("utf-16-le", "surrogatepass")).cast("H"))
