"""`lstm-trace corpus probe`: a target decoded from the states, linearly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...results import result_options
from .shared import note, states_argument

if TYPE_CHECKING:
    from ....tracking.probe import Probe


@click.command("probe")
@states_argument
@click.option("--target", required=True, metavar="COLUMN", help="Column to decode: of the states, or of --labels.")
@click.option("--labels", type=click.Path(), help="File with the columns seq_id, t and COLUMN (.parquet, .csv).")
@click.option("--line", default="c_t", show_default=True, help="Line to decode it from: c_t, 1/reverse/c_t; or all.")
@click.option(
    "--test", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.25, show_default=True,
    help="Share of the sequences kept for testing.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--max-steps", type=click.IntRange(min=1), default=200_000, show_default=True, help="Steps to draw at most."
)
@result_options()
def command(states: str, target: str, labels: str | None, line: str, test: float, seed: int, max_steps: int) -> Probe:
    """Decode COLUMN from the states with a linear probe (scikit-learn).

    The sequences are split, never the steps of one. Printed are the accuracy (R² of numbers) with a 95 % interval over
    sequences, compared with the majority class and a control task, and what the best single unit reaches alone.
    A table (.csv, .parquet) has the weights of all units.
    """
    from ....corpus import open

    opened = open(states)
    result = opened.probe(
        target, None if line == "all" else line, labels=labels, test=test, seed=seed, max_steps=max_steps
    )
    note(opened)
    return result
