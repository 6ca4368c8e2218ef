"""Where a part of a document stands among its author's headings: levels by number, and by the names that LaTeX has."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ...errors import OptionError, nearest
from ...formulas.blocks import Body, Heading

#: The names of the levels 0 to 5, which are also those of Markdown and Typst (1 is # and =).
NAMES = ("chapter", "section", "subsection", "subsubsection", "paragraph", "subparagraph")
#: Headings that are lines of bold text, where sectioning commands have no place: in a frame of beamer, a box, a cell.
BOLD = "bold"
#: The deepest level of Markdown and Typst; LaTeX's is that of its last name.
DEEPEST = 6


@dataclass(frozen=True)
class Level:
    """The level of the highest heading of a fragment. starred: LaTeX's headings without numbers."""

    number: int
    starred: bool = False


def level_of(heading: int | str) -> Level:
    """The level of that number or name; `section*` has no numbers, `bold` is deeper than every level.

    Raises OptionError for a level that there is not.

    >>> level_of("subsection*"), level_of(2)
    (Level(number=2, starred=True), Level(number=2, starred=False))
    """
    name = str(heading).strip().lower()
    plain = name.removesuffix("*")
    if plain.isdecimal() and int(plain) <= DEEPEST:
        return Level(int(plain), name != plain)
    if plain in NAMES:
        return Level(NAMES.index(plain), name != plain)
    if name != BOLD:
        known = f"expected a number from 0 to {DEEPEST},"
        raise OptionError(f"there is no heading level {heading!r}{nearest(plain, (*NAMES, BOLD), known)}")
    return Level(DEEPEST + 1)


def lowered(body: Body, by: int) -> Body:
    """The body with every heading so many levels deeper."""
    if not by:
        return body
    deeper = tuple(Heading(b.level + by, b.text) if isinstance(b, Heading) else b for b in body.blocks)
    return replace(body, blocks=deeper)
