"""The sections of a report in order, for every format: a new section is a function and a row here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any

from ...base.conveniences import function_at
from ...base.packaged import packaged
from ...documents.blocks import Block, Heading, Items, Para, marked, with_formulas
from ...view.hand_size import with_comma
from ...view.line_groups import interventions
from ...view.view import View
from ..content.backward import Backward
from ..in_words.sentences import in_words
from .answers import answers
from .equations import equations
from .given_section import given, introduction
from .solution import solution


def _part(of: Callable[[View], Any], name: str) -> Callable[[View], Iterable[Block]]:
    """A section of what few reports have, in a module that is imported only for those: each takes 2 to 10 ms.

    of: what the section shows of a view; None if it has no such part. name: `module.function` in this folder.
    """
    module, _, function = name.partition(".")

    def section(shown: View) -> Iterable[Block]:
        part = of(shown)
        found: Iterable[Block] = ()
        return found if part is None else function_at(f"{__package__}.{module}:{function}")(part)

    return section


_backward = partial(_part, attrgetter("back"))
_long_run = partial(_part, lambda shown: shown if shown.tabled else None)


#: The blocks of each section, by name. A format recognizes by name what it arranges in its own way, as the page does.
SECTIONS: dict[str, Callable[[View], Iterable[Block]]] = {
    "author_notes": lambda shown: author_notes(shown.trace.header.notes),
    "introduction": introduction,
    "not_finite": lambda shown: not_finite(shown),
    "pictured": lambda shown: shown.pictured,
    "given": given,
    "equations": equations,
    "cell": lambda shown: (
        [Heading(2, shown.said("diagram")), shown.illustration] if shown.illustration and not shown.tabled else []
    ),
    "over_time": _long_run("long_run.over_time"),
    "solution": solution,
    "answers": answers,
    "in_words": in_words,
    "closer": _long_run("long_run.closer"),
    "backward_pass": _backward("backward.backward_pass"),
    "adjoint": _backward("backward.adjoint"),
    "gradients": _backward("backward.gradients"),
    "by_size": _backward("backward.by_size"),
    "shares": _backward("backward.shares"),
    "experiments": lambda shown: shown.experiments,
    "training": _part(attrgetter("course"), "training.training"),
    "profile": _part(lambda shown: None if shown.profile is None else shown, "profile.profile"),
}
#: Those of a profile, of a table over all steps without worked ones, of the backward pass alone, and of its equations.
ALONE: dict[str, list[str]] = packaged("report/sections/alone.toml")["alone"]


@dataclass
class Chapter:
    """A part of a report: its heading, of level 2 except in the first, and what is below it. section: its name."""

    section: str
    heading: Heading
    blocks: list[Block] = field(default_factory=list)


def parts(shown: View) -> list[Chapter]:
    """The report from heading to heading; the first part has the title, and what precedes the first section."""
    found = [Chapter("title", Heading(1, with_formulas(shown.trace.header.title_tex) or (shown.title,)))]
    if shown.alone and isinstance(shown.back, Backward):
        from .backward import opening, title

        found = [Chapter("title", Heading(1, title(shown.back)), [*opening(shown.back), *interventions(shown)])]
    alone = "profile" if shown.profile is not None else shown.alone or ("brief" if shown.brief else "")
    for name, section in SECTIONS.items():
        if alone and name not in ALONE[alone]:
            continue
        for block in map(with_comma, section(shown)) if shown.values.style.comma else section(shown):
            if isinstance(block, Heading) and block.level == 2:
                found.append(Chapter(name, block))
            else:
                found[-1].blocks.append(block)
    return found


def blocks(shown: View) -> Iterator[Block]:
    """The report as blocks, independent of the format."""
    for part in parts(shown):
        yield part.heading
        yield from part.blocks


def not_finite(shown: View) -> Iterator[Block]:
    """The first value that is NaN or infinite, and what made it so."""
    if (found := shown.trace.not_finite) is not None:
        yield Para((*marked(found.said(shown.words, "`")), shown.words.table["stop"]))


_BULLETS = ("- ", "* ")


def author_notes(text: str) -> Iterator[Block]:
    """Paragraphs, which are separated by empty lines, and lists, whose lines begin with a dash or a star.

    >>> [block.__class__.__name__ for block in author_notes("From sheet 3,\\nexercise 2.\\n\\n- easy\\n- short")]
    ['Para', 'Items']
    """
    found: list[tuple[bool, str]] = []  # whether it is an item, and its text; an empty line ends what was before it
    for raw in text.splitlines():
        line, (listed, before) = raw.strip(), found[-1] if found else (False, "")
        if line.startswith(_BULLETS):
            found.append((True, line[2:].strip()))
        elif not line or not before or (listed and not raw[:1].isspace()):
            found.append((False, line))
        else:
            found[-1] = listed, f"{before} {line}"
    for listed, some in groupby(found, itemgetter(0)):
        texts = tuple(with_formulas(one) for _, one in some if one)
        yield from [Items(texts)] if listed else map(Para, texts)
