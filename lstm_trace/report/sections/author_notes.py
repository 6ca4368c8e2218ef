"""The notes of a problem as blocks: its words as they were written, none of them markup."""

from __future__ import annotations

from collections.abc import Iterator

from ...documents.blocks import Block, Items, Para

_BULLETS = ("- ", "* ")


def author_notes(text: str) -> Iterator[Block]:
    """Paragraphs, which empty lines part, and lists, whose lines begin with a dash or a star.

    >>> [block.__class__.__name__ for block in author_notes("From sheet 3,\\nexercise 2.\\n\\n- easy\\n- short")]
    ['Para', 'Items']
    """
    paragraph: list[str] = []
    items: list[str] = []
    for raw in (*text.splitlines(), ""):
        line = raw.strip()
        if items and not line.startswith(_BULLETS):
            if line and raw[:1].isspace():
                items[-1] += f" {line}"
                continue
            yield Items(tuple((item,) for item in items))
            items = []
        if paragraph and (not line or line.startswith(_BULLETS)):
            yield Para((" ".join(paragraph),))
            paragraph = []
        if line.startswith(_BULLETS):
            items.append(line[2:].strip())
        elif line:
            paragraph.append(line)
