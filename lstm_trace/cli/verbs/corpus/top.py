"""`lstm-trace corpus top`: where a unit is highest or lowest, as text."""

from __future__ import annotations

import click

from ...options import output_option
from .shared import CONTEXTS, contexts_options, states_argument, write_contexts


@click.command("top")
@states_argument
@click.option("--unit", required=True, help="The unit: c_t[35], or 1/reverse/c_t[35].")
@click.option("--lowest", is_flag=True, help="Where it is lowest instead.")
@contexts_options(before=30, after=10)
@output_option(CONTEXTS)
def command(states: str, unit: str, lowest: bool, count: int, before: int, after: int, output: str) -> None:
    """Show where --unit is highest in STATES, once in a sequence, as text coloured by its values."""
    write_contexts(output, states, lambda found: found.top(unit, count, lowest, before, after))
