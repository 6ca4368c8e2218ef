"""Trees as plain text: one line of Unicode, for a terminal and for table cells."""

from __future__ import annotations

import re
from dataclasses import replace

from .printer import Format, Printer
from .symbols import sign
from .user_tex import ACCENTS, NAMED, WORDS, script

#: The characters that exist as superscripts.
_RAISED = {ord(c): raised for c, raised in zip("0123456789+-−()ijklnt⊤T∗′", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ⁱʲᵏˡⁿᵗᵀᵀ*′", strict=True)}


def raised(text: str) -> str:
    """A power or superscript, in superscript characters if they exist; otherwise after ^."""
    return text.translate(_RAISED) if all(ord(c) in _RAISED for c in text) else f"^{_braced(text)}"


def _braced(text: str) -> str:
    return text if text.isalnum() or re.fullmatch("⟨[^⟨⟩]*⟩", text) else f"{{{text}}}"


def _listed(texts: list[str]) -> str:
    """A list, separated by semicolons if there are decimal commas."""
    return ("; " if any(re.search(r"\d,\d", text) for text in texts) else ", ").join(texts)


def _vector(entries: list[str]) -> str:
    return entries[0] if len(entries) == 1 else f"[{_listed(entries)}]"


PLAIN = Format(
    scaled="{}e{}".format,
    dots=dict.fromkeys(("across", "down", "diagonal"), "…"),
    letter=lambda c: NAMED.get(c, c),
    word=lambda command, text: script(text) if WORDS[command] == "script" else text,
    accent=lambda name, body: body + ACCENTS[name],
    scripts=lambda base, sub, sup: base + (f"_{_braced(sub)}" if sub else "") + (raised(sup) if sup else ""),
    upright=str,
    transposed="T",
    name=str,
    space=" ",
    function=lambda op: sign(op)[1],
    arguments=lambda nodes, texts: f"({_listed(texts)})",
    fraction="{} / {}".format,
    slash=True,
    gradient=lambda of, through, d: f"{d}L/{d}{of}" + (f"|{through}" if through else ""),
    squared="{}²".format,
    enclosed={"sqrt": "√({})".format, "floor": "⌊{}⌋".format, "abs": "|{}|".format},
    matrix=lambda rows: f"[ {'  '.join(rows[0])} ]" if len(rows) == 1 else f"[{', '.join(map(_vector, rows))}]",
    blank=lambda width: "_" * width,
    vector=_vector,
    concatenated=lambda vectors: f"[{'; '.join(vectors)}]",
)


#: The same with columns as columns: `[0.5; -1]` is a vector and `[1 0; 0 1]` a matrix, each on one line.
COLUMNS = replace(
    PLAIN,
    vector=lambda entries: entries[0] if len(entries) == 1 else f"[{'; '.join(entries)}]",
    matrix=lambda rows: f"[{'; '.join(map(' '.join, rows))}]",
)


class Plain(Printer):
    """Prints a tree as text; `own` has the symbols given by the author of the problem."""

    format = PLAIN


#: A number as text; infinity as ∞.
number = Plain().number
