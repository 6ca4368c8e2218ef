"""`lstm-trace corpus ablate`: units held over a corpus."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ...model_options import layout_options
from ...options import name_list, nonfinite_option
from ...results import result_options
from .shared import READING, reading_options

if TYPE_CHECKING:
    from ....tracking.ablate import Ablation


@click.command("ablate")
@click.argument("model", type=click.Path())
@partial(reading_options, required=False)
@click.option("--units", required=True, callback=name_list, help="Units to hold: c_t[3],c_t[17]; 1/reverse/c_t[3].")
@click.option(
    "--metric", default="output", show_default=True, metavar="COLUMN",
    help="What is measured: the change of the output, or how well a column of the inputs is predicted.",
)  # fmt: skip
@click.option("--to", default="0", show_default=True, help="Value to hold the units at, or a factor such as *0.5.")
@click.option("--readout", metavar="LINE", help="Line whose largest unit is the predicted class.")
@click.option(
    "--controls", type=click.IntRange(min=0), default=5, show_default=True, help="Random groups, as a control."
)
@click.option(
    "--max-steps", type=click.IntRange(min=1), default=50_000, show_default=True, help="Steps to draw at most."
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Sequences computed at once.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@result_options()
@layout_options
@nonfinite_option
def command(
    model: str, inputs: str | None, units: tuple[str, ...], metric: str, to: str, readout: str | None, controls: int,
    max_steps: int, batch: int, seed: int, allow_nonfinite: bool, **given: Any,
) -> Ablation:  # fmt: skip
    """Hold units of MODEL over the sequences of --inputs, and measure what changes.

    MODEL may be a folder of states: its model is used then, and its inputs unless --inputs is given.

    The units are held one by one, all together, and as a control in random groups of as many other units. The change
    has a 95 % interval over sequences, and is also given by token. A table (.csv, .parquet) has the groups.
    """
    from ....corpus import ablate
    from ...model_options import model_in

    reading = {name: said for name in READING if (said := given.pop(name)) is not None}
    value: float | str = to
    with suppress(ValueError):
        value = float(to)
    source: Any = model
    if not Path(model, "_manifest.json").exists():
        if inputs is None:
            raise click.UsageError("--inputs is missing: give it, or a folder of states instead of the model")
        source = model_in(model, given, allow_nonfinite)
    return ablate(
        source, inputs, units, metric, to=value, readout=readout, controls=controls, max_steps=max_steps, batch=batch,
        seed=seed, **reading,
    )  # fmt: skip
