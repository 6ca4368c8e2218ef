"""The strings that only the page and the picture of a cell have, beside those of every report."""

from __future__ import annotations

from .words import LANGUAGES, Words, words

ENGLISH: dict[str, str] = {
    "diagram": "The cell",
    "diagram.next": "to the next step",
    "diagram.out": "output",
    "diagram.at": "The cell with its values {where}",
    "diagram.hint": "Values are rounded; of wide vectors the first units are shown.",
    "contents": "Contents",
    "over.time": "Over time",
    "map.gate": "{name} over the steps, 0 (closed) to 1 (open)",
    "map.state": "{name} over the steps",
    "map.axes": "Columns are steps t, rows are units.",
    "map.binned": "Each field is the mean of {steps} steps and {units} units.",
    "map.more": "Left out here: maps of {n} more layers and directions.",
    "map.title": "{name}{where}: {steps} steps, {units} units, from {least} to {most}.",
    "map.value": "t = {t}, unit {j}: {value}",
    "step.choose": "Step",
    "step.place": "Layer and direction",
    "step.row": "Row of the batch",
    "step.all": "Show all steps",
    "step.missing": "The worked lines of this step were left out here.",
    "made": "Made with lstm-trace.",
    "fold.print": "Folded steps are not printed: open those that should be on paper.",
}

PAGE: dict[str, dict[str, str]] = {"en": ENGLISH}


def page_words(language: str = "en") -> Words:
    """The strings of a report and of a page; where a language has none for the page, the English ones."""
    return Words({**ENGLISH, **PAGE.get(language, {}), **(words(language).table if language in LANGUAGES else {})})
