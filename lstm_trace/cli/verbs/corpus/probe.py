"""`lstm-trace corpus probe`: a target decoded from the states, linearly."""

from __future__ import annotations

import click

from .options import states_argument
from .writing import checked, show, table_option


@click.command("probe")
@states_argument
@click.option("--target", required=True, metavar="COLUMN", help="What is decoded: a column of the states.")
@click.option("--labels", type=click.Path(), help="A file that has the target: seq_id, t and COLUMN (.parquet, .csv).")
@click.option("--line", default="c_t", show_default=True, help="From which line: c_t, 1/reverse/c_t; or all.")
@click.option(
    "--test", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.25, show_default=True,
    help="Share of the sequences that are tested.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of all that is random.")
@click.option(
    "--max-steps", type=click.IntRange(min=1), default=200_000, show_default=True, help="Steps that are drawn at most."
)
@table_option("the weights of all units")
def command(
    states: str, target: str, labels: str | None, line: str, test: float, seed: int, max_steps: int, output: str | None
) -> None:
    """Decode COLUMN from the states by a linear probe (scikit-learn).

    The sequences are split, never the steps of one. Printed are the accuracy (R² of numbers) with a 95 % interval over
    sequences, against the majority class and a control task, and what the best single unit says alone.
    """
    from ....corpus import open

    form = checked(output)
    chosen = None if line == "all" else line
    found = open(states).probe(target, chosen, labels=labels, test=test, seed=seed, max_steps=max_steps)
    show(found, output, form)
