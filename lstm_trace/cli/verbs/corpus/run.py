"""`lstm-trace corpus run`: the states of many sequences, into a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from ....errors import LstmTraceError, counted
from ...model_options import layout_options
from ...options import conclude, echo, name_list, nonfinite_option
from .shared import READING, reading_options

#: Keywords of `corpus.run` that options give as they are.
CHOSEN = ("record", "dtype", "format", "steps_per_part", "batch", "share", "fresh")


def _share(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """The numbers of K/N."""
    if value is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", value)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise click.BadParameter(f"expected K/N, as 3/32, with K from 1 to N; found {value!r}", ctx, param)
    return int(match[1]), int(match[2])


@contextmanager
def _interruption_said(folder: str) -> Iterator[None]:
    """Say how far a run is when it is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        from ....corpus import open

        with suppress(LstmTraceError):  # nothing is there yet
            states = open(folder)
            parts = f"{len(states.spans):,} of {counted(len(states.manifest.parts), 'part')}"
            echo(f"interrupted; {parts} are there; the same command resumes", err=True)
        raise


@click.command("run")
@click.argument("model", type=click.Path())
@reading_options
@click.option("--record", callback=name_list, help="Comma-separated names of lines to store (the carried states).")
@click.option("--layer", "layers", type=click.IntRange(min=0), multiple=True, help="Only this layer (repeatable).")
@click.option("--dtype", type=click.Choice(["float16", "float32", "float64"]), help="Type of the stored values.")
@click.option(
    "--format", type=click.Choice(["parquet", "safetensors"]), default="parquet", help="Format of the states."
)
@click.option(
    "--steps-per-part",
    type=click.IntRange(min=1),
    default=50_000,
    show_default=True,
    help="Approximate steps in a part.",
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Most sequences in a batch.")
@click.option("--workers", type=click.IntRange(min=0), help="Worker processes, by Dask (default: compute in this one).")
@click.option("--scheduler", metavar="ADDRESS", help="Address of a Dask cluster, tcp://…, instead of --workers.")
@click.option("--share", metavar="K/N", callback=_share, help="Only every N-th part, from the K-th on.")
@click.option("--fresh", is_flag=True, help="Remove the states of another run from the folder first.")
@click.option("-o", "--output", required=True, type=click.Path(file_okay=False), help="Folder of the states.")
@layout_options
@nonfinite_option
def command(
    model: str, inputs: str, output: str, layers: tuple[int, ...], workers: int | None, scheduler: str | None,
    allow_nonfinite: bool, **given: Any,
) -> None:  # fmt: skip
    """Compute the states of MODEL over all sequences of --inputs.

    Parts that are done are not computed again, so an interrupted run resumes; one that is damaged is. A part that
    cannot be computed is reported, the others are kept, and the exit code is 1.
    """
    if workers is not None and scheduler is not None:
        raise click.UsageError("--scheduler names a cluster, which has its workers: leave --workers out")
    from ....corpus import run
    from ....corpus.part_file import damaged
    from ...model_options import model_in
    from ...progress import Bar
    from .status import summary

    reading = {name: given.pop(name) for name in READING}
    chosen = {name: given.pop(name) for name in CHOSEN}
    with _interruption_said(output), Bar("computing") as bar:
        states = run(
            model_in(model, given, allow_nonfinite),
            inputs,
            output,
            layers=layers or None,
            workers=workers or 0,
            scheduler=scheduler,
            progress=bar,
            tell=lambda text: echo(text, err=True),
            **chosen,
            **{name: value for name, value in reading.items() if value is not None},
        )
    conclude(1 if states.failed else 0)
    for number, error in states.failed.items():
        echo(f"part {number} could not be computed: {error}", err=True)
    echo(summary(states, damaged(states)))
