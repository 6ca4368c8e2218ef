"""`lstm-trace corpus verify`: a sample of the states, computed again line by line."""

from __future__ import annotations

import click

from ...options import conclude
from .shared import states_argument, table_format, table_option, write_result


@click.command("verify")
@states_argument
@click.option("--sample", default="100", show_default=True, metavar="N", help="Number of sequences to check, or all.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the sample.")
@click.option("--model", type=click.Path(), help="The model, if not that of the folder.")
@click.option("--inputs", type=click.Path(), help="Where the input is now, if it was moved.")
@table_option("the values that are wrong")
def command(states: str, sample: str, seed: int, model: str | None, inputs: str | None, output: str | None) -> None:
    """Verify a sample of STATES: compute it again, line by line, and compare.

    Each stored value must be within what rounding explains. Also compared: that the parts are whole, and have each
    sequence of the input once, with its steps, tokens and targets.

    Exit codes: 0 verified, 1 a value or a part is wrong, or the comparison is inconclusive, 2 error.
    """
    from ....corpus import open

    form = table_format(output)
    if sample != "all" and not (sample.isdecimal() and int(sample)):
        raise click.UsageError(f"--sample: expected a number of sequences, or all; found {sample!r}")
    many = None if sample == "all" else int(sample)
    found = open(states).verify(many, seed=seed, model=model, inputs=inputs)
    conclude(0 if found.status == "verified" else 1)
    write_result(found, output, form)
