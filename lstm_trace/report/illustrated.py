"""A report in Markdown with a picture beside it, of the cell or of the gates: a file that the text refers to."""

from __future__ import annotations

import os
from pathlib import PurePath
from urllib.parse import quote

from ..languages.strings import words
from ..trace.rows import Selection
from ..trace.trace import Trace
from .diagram.diagram import caption, diagram
from .formats.markdown import heading, literal
from .profile.model import gates_drawn


def with_gates(text: str, trace: Trace, path: str, selection: Selection, language: str, level: int) -> tuple[str, str]:
    """The profile `text` with the picture of its gates, and the picture; arguments as for `illustrated`."""
    said = words(language)
    before, found, after = text.partition(f"\n{heading(level, said.word('profile.gates'))}\n\n")
    figure = gates_drawn(trace, selection, language) if found else None
    if figure is None:
        return text, ""
    return f"{before}{found}![{literal(figure.title)}]({_reference(path)})\n\n{after}", figure.svg() + "\n"


def _reference(path: str) -> str:
    """How the text beside a file refers to it."""
    return quote(os.fsencode(PurePath(path).name))


def illustrated(
    text: str,
    trace: Trace,
    path: str,
    selection: Selection,
    language: str = "en",
    notation: str = "exercise",
    level: int = 2,
) -> tuple[str, str]:
    """The report `text` with the picture before its solution, and the picture.

    path: of the picture. level: of the headings of its sections.

    It shows the first layer and direction of the selection, at its first step in computing order. The text stays as
    it is, and the picture is empty, where nothing was selected.
    """
    stages = [stage for stage in trace.stages if selection.places(stage)]
    if not stages:
        return text, ""
    stage = stages[0]
    steps = trace.span[selection.window(trace)]
    t = steps[-1 if stage.backwards else 0]
    b = range(trace.batch)[selection.rows(trace)][0]
    said = words(language, trace.header.count_from)
    name = literal(caption(trace, stage, t, b, said))
    image = f"{heading(level, said.word('diagram'))}\n\n![{name}]({_reference(path)})\n\n"
    section = heading(level, said.word("solution"))
    before, found, after = text.partition(f"\n{section}\n")
    whole = f"{before}\n{image}{section}\n{after}" if found else f"{text}\n{image}"
    if notation != "exercise":
        from .content.notations import applied

        trace, _ = applied(trace, notation, selection, language)
    return whole, diagram(trace, stage.scope, t, b, language)
