"""A document of one report or of several: which headings stand at which level, and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..documents.blocks import Body, Heading
from ..documents.layout import lowered
from ..errors import OptionError
from ..view.view import View
from .options import Options
from .sections.sections import blocks

#: Formats of which a part can stand in a document of another author.
PARTS = ("tex", "typ", "md")


def check_part(format: str, chosen: Options) -> None:
    """Raise OptionError where a fragment, a heading level or no title is asked for that the format does not have."""
    if chosen.fragment and format not in PARTS:
        raise OptionError(f"a fragment is part of another document, in tex, typ or md; {format} is written as a whole")
    if not chosen.fragment and chosen.heading is not None:
        raise OptionError("a heading level is that of a fragment; ask for a fragment too, or leave the level away")
    if not chosen.fragment and chosen.title == "":
        raise OptionError("a document needs a title; only a fragment can go without")
    if format != "tex" and chosen.fragment and chosen.level.number < 1:
        raise OptionError(f"the headings of {format} begin at level 1, section")


def titled(views: Sequence[View], chosen: Options) -> list[View]:
    """The reports by their titles: one alone by that of the document, one of several has some title."""
    if len(views) == 1:
        return [_called(views[0], chosen.title)] if chosen.title else [*views]
    return [
        _called(shown, shown.trace.header.title or shown.words.word("problem", n=n)) for n, shown in enumerate(views, 1)
    ]


def _called(shown: View, title: str) -> View:
    return replace(shown, trace=replace(shown.trace, header=replace(shown.trace.header, title=title)))


def title(views: Sequence[View], chosen: Options) -> str:
    """What the document is called: several reports in one by the title that was given, or by what they are."""
    return views[0].title if len(views) == 1 else chosen.title or views[0].words.word("untitled.many")


def bodies(views: Sequence[View], chosen: Options) -> list[Body]:
    """The reports as blocks, with headings at the levels at which they stand in the document."""
    found = [
        Body(
            tuple(blocks(shown)),
            shown.trace.header.symbols,
            shown.detail == "compact",
            shown.tight,
            shown.profile is not None,
        )
        for shown in views
    ]
    above = len(found) > 1 and (chosen.title or not chosen.fragment)
    if above:
        found = [lowered(body, 1) for body in found]
        found[0] = replace(found[0], blocks=(Heading(1, (title(views, chosen),)), *found[0].blocks))
    if not chosen.fragment:
        return found
    if len(found) == 1 and chosen.title == "":
        return [lowered(replace(found[0], blocks=found[0].blocks[1:]), chosen.level.number - 2)]
    return [lowered(body, chosen.level.number - 1) for body in found]
