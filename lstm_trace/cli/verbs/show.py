"""`lstm-trace show`: a compact table for the terminal."""

from __future__ import annotations

from typing import Any

import click

from ..options import hold_option, nonfinite_option, opened, selection_options, source_argument, tokens_option


@click.command("show")
@source_argument
@click.option("--digits", type=click.IntRange(0, 17), default=6, show_default=True, help="Decimals (display only).")
@click.option("--all", "everything", is_flag=True, help="Show all rows instead of one screenful.")
@selection_options
@hold_option
@tokens_option
@nonfinite_option
def command(
    source: str,
    digits: int,
    everything: bool,
    hold: dict[str, str],
    allow_nonfinite: bool,
    tokens: str | None,
    **selection: Any,
) -> None:
    """Show the values of SOURCE (a trace, or a problem that is traced first) as a table.

    A row is a line at a step, a column is a unit; where the units do not fit, their min, mean and max. By default no
    more than a screenful, with a line that says what is left out.
    """
    import shutil

    from ...frames.terminal import draw, table
    from ...trace.rows import Selection
    from ..screen import show

    width, height = shutil.get_terminal_size()
    trace = opened(source, allow_nonfinite, tokens=tokens, hold=hold)
    found = table(trace, Selection(**selection), width, None if everything else height, digits)
    show(draw(found), width)
