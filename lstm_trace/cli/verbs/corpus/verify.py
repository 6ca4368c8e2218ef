"""`lstm-trace corpus verify`: a sample of the states, computed again line by line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ...options import conclude
from ...results import result_options
from .shared import states_argument

if TYPE_CHECKING:
    from ....corpus.verification import CorpusVerification


def _sample(ctx: click.Context, param: click.Parameter, value: str) -> int | str:
    """The number of sequences, or `all`."""
    if value == "all":
        return value
    if not re.fullmatch("[1-9][0-9]{0,17}", value):
        raise click.BadParameter(f"expected a number of sequences, or all; found {value!r}", ctx, param)
    return int(value)


@click.command("verify")
@states_argument
@click.option(
    "--sample",
    default="100",
    show_default=True,
    metavar="N",
    callback=_sample,
    help="Number of sequences to check, or all.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the sample.")
@click.option("--model", type=click.Path(), help="The model, if not that of the folder.")
@click.option("--inputs", type=click.Path(), help="Where the input is now, if it was moved.")
@result_options()
def command(states: str, sample: int | str, seed: int, model: str | None, inputs: str | None) -> CorpusVerification:
    """Verify a sample of STATES: compute it again, line by line, and compare.

    Each stored value must be within what rounding explains, and steps, tokens and targets those of the input. Of all
    parts, every byte is read: each must be as it was written, and have each sequence of the input once. A table (.csv,
    .parquet) has the values that are wrong.

    Exit codes: 0 verified, 1 a value or a part is wrong, or the comparison is inconclusive, 2 error.
    """
    from ....corpus import open

    result = open(states).verify(sample, seed=seed, model=model, inputs=inputs)
    conclude(0 if result.status == "verified" else 1)
    return result
