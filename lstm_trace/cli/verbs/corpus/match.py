"""`lstm-trace corpus match`: where some units are on together, as text."""

from __future__ import annotations

import click

from ...options import output_option, unit_list
from .shared import CONTEXTS, contexts_options, states_argument, write_contexts


@click.command("match")
@states_argument
@click.option("--units", required=True, callback=unit_list, metavar="N,…", help="The units (from 0).")
@click.option("--line", default="c_t", show_default=True, help="Line of the units: c_t, or 1/reverse/c_t.")
@click.option("--above", type=float, help="A unit is on above it (0.3 unless --below is given).")
@click.option("--below", type=float, help="A unit is on below it.")
@click.option(
    "--min-length", type=click.IntRange(min=1), default=1, show_default=True, help="Fewest steps of a stretch."
)
@click.option("--max-length", type=click.IntRange(min=1), help="Most steps of a stretch.")
@click.option("--exact", is_flag=True, help="First those with the fewest other units on, then the longest.")
@contexts_options(before=10, after=10)
@output_option(CONTEXTS)
def command(
    states: str, units: tuple[int, ...], line: str, above: float | None, below: float | None, min_length: int,
    max_length: int | None, exact: bool, count: int, before: int, after: int, output: str,
) -> None:  # fmt: skip
    """Show the stretches of STATES in which all of --units are on, the longest first, as text.

    The text is coloured by the value of the unit that is nearest to the level.
    """
    write_contexts(
        output,
        states,
        lambda found: found.match(units, line, above, below, min_length, max_length, count, exact, before, after),
    )
