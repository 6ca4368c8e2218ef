"""What a terminal shows: how wide it is, whether it has colours, and tables."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterable
from typing import Any


def in_colours(drawn: Callable[[int, bool], str]) -> str:
    """What is drawn for so many columns, in colours where there is a terminal that has them."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return drawn(shutil.get_terminal_size().columns, bool(colours))


def show(parts: Iterable[Any], width: int) -> None:
    """Print what rich prints, on standard output."""
    from rich.console import Console

    class Screen(Console):
        def on_broken_pipe(self) -> None:  # rich would end with exit code 1
            raise BrokenPipeError

    console = Screen(width=width, highlight=False)
    for part in parts:
        console.print(part)
