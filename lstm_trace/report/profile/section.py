"""A profile in its order."""

from __future__ import annotations

from collections.abc import Iterator

from ...documents.blocks import Block
from ...view.view import View
from .cells import Cells
from .closer import closer
from .model import gates, layers, model
from .steps import steps
from .units import units


def profile(shown: View) -> Iterator[Block]:
    """What the model is, its gates, units, steps and layers, and commands; nothing of a report of worked steps."""
    if shown.profile is not None:
        c = Cells(shown, shown.profile)
        for section in (model, gates, units, steps, layers, closer):
            yield from section(c)
