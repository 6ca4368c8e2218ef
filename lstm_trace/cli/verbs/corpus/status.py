"""`lstm-trace corpus status`: which parts of a corpus are done, missing or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...options import conclude, echo
from .shared import states_argument

if TYPE_CHECKING:
    from ....corpus import States


@click.command("status")
@states_argument
def command(states: str) -> None:
    """Show which parts of STATES are done, missing or failed.

    The exit code is 1 where one is missing.
    """
    from ....corpus import open

    found = open(states)
    there, manifest = found.spans, found.manifest
    conclude(0 if len(there) == len(manifest.parts) else 1)
    lines = ", ".join(f"{b.scope}/{b.line} ({b.width})" for b in manifest.blocks)
    echo(summary(found))
    model = str(manifest.premises.get("model", ""))[:12]
    echo(f"{'model':9} {' '.join((manifest.title, manifest.cell)).strip()}, {model}")
    echo(f"{'lines':9} {lines}, as {manifest.dtype}")
    echo(f"{'inputs':9} {manifest.source.path}")
    for number, error in found.failed.items():
        echo(f"failed    part {number}: {error}")


def summary(states: States) -> str:
    """How much is there, in a line."""
    from ....errors import counted

    there, every = states.spans, states.manifest.spans
    steps, sequences = sum(span.steps for span in there), sum(span.sequences for span in there)
    size = sum((states.folder / n).stat().st_size for s in there for n in states.manifest.files_of(s.number))
    parts = f"{len(there):,} of {counted(len(every), 'part')}"
    return f"{states.folder}: {parts}, {sequences:,} sequences, {steps:,} steps, {size / 1e6:,.1f} MB"
