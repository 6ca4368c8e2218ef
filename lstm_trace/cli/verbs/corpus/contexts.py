"""What `top` and `match` have in common: how many contexts, how much of each, and where they are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...options import echo

if TYPE_CHECKING:
    import pandas as pd

    from ....corpus import States
    from ....tracking import Contexts

Command = Callable[..., Any]
#: Help of `-o`.
CONTEXTS = "Write here: .html, .csv or .parquet; coloured text to standard output if not given."
#: File suffix to format, of a table and of contexts.
TABLES = {".csv": "csv", ".parquet": "parquet"}
SUFFIXES = {".html": "html", ".htm": "html", **TABLES}


def contexts_options(before: int, after: int) -> Callable[[Command], Command]:
    """`-n`, `--before`, `--after`."""

    def decorated(command: Command) -> Command:
        steps = click.IntRange(0, 10_000)
        for option in (
            click.option("--after", type=steps, default=after, show_default=True, help="Steps after it."),
            click.option("--before", type=steps, default=before, show_default=True, help="Steps before it."),
            click.option(
                "-n", "--count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How many."
            ),
        ):
            command = option(command)
        return command

    return decorated


def write(output: str, folder: str, find: Callable[[States], Contexts]) -> None:
    """Find contexts in a folder of states, and write them as the name of the output says."""
    from ....base.files import format_of, written
    from ....corpus import open
    from ...screen import in_colours

    form = format_of(output, SUFFIXES, "contexts", "text")
    states = open(folder)
    found = find(states)
    note(states)
    if form in ("csv", "parquet"):
        write_table(output, form, found.to_frame())
        return
    with written(output) as file:
        file.write(found.html() if form == "html" else in_colours(found.terminal))


def note(states: States) -> None:
    """Say on standard error where parts are not there, of which a result is none."""
    from ....errors import counted

    there, every = len(states.spans), len(states.manifest.parts)
    if there < every:
        echo(f"note: of {counted(every, 'part')} {there:,} are there; the result is of these alone", err=True)


def write_table(output: str, form: str, frame: pd.DataFrame) -> None:
    """Write a frame, as CSV or Parquet."""
    from ....base.files import written
    from ....printable import printable

    with written(output, "wb") as file:
        if form == "parquet":
            frame.to_parquet(file, index=False)
        else:
            file.write(printable(frame.to_csv(index=False, lineterminator="\n")).encode())
