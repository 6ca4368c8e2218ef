"""`lstm-trace corpus status`: which parts of a corpus are done, missing, damaged or failed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from textwrap import fill
from typing import TYPE_CHECKING

import click

from ...options import conclude, echo
from .shared import states_argument

if TYPE_CHECKING:
    from ....corpus import States


@click.command("status")
@states_argument
def command(states: str) -> None:
    """Show which parts of STATES are done, missing, damaged or failed.

    A part is done where its file is as long as it was written. All its bytes are read by corpus run and verify.
    The exit code is 1 where one is not done.
    """
    from ....corpus import open
    from ....corpus.part_file import damaged as of_states

    found = open(states)
    there, manifest, damaged = found.spans, found.manifest, of_states(found)
    conclude(0 if len(there) - len(damaged) == len(manifest.parts) else 1)
    lines = ", ".join(f"{b.scope}/{b.line} ({b.width})" for b in manifest.blocks)
    done = {span.number for span in there}
    lost = [span.number for span in manifest.parts if span.number not in done]
    names = ", ".join(dict.fromkeys(filter(None, (manifest.title, manifest.cell))))
    echo(summary(found, damaged))
    for said in damaged.values():
        echo("\n".join(f"damaged   {one}" for one in said))
    if lost:
        echo(_entry("missing", f"{'part' if len(lost) == 1 else 'parts'} {ranges(lost)}"))
    echo(_entry("model", f"{names}, {str(manifest.premises.get('model', ''))[:12]}"))
    echo(_entry("lines", f"{lines}, as {manifest.dtype}"))
    echo(_entry("inputs", manifest.source.path))
    for number, error in found.failed.items():
        echo(f"failed    part {number}: {error}")
    echo("The bytes of the parts are not read here: lstm-trace corpus verify reads them.")


def _entry(name: str, text: str) -> str:
    """A name and a text, which is wrapped behind it."""
    indent = " " * 10
    return fill(f"{name:10}{text}", 80, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def ranges(numbers: Sequence[int]) -> str:
    """Numbers in order, those that follow each other as one range.

    >>> ranges([0, 2, 3, 4, 7, 8])
    '0, 2-4, 7-8'
    """
    firsts = [n for k, n in enumerate(numbers) if not k or numbers[k - 1] != n - 1]
    lasts = [n for k, n in enumerate(numbers) if k + 1 == len(numbers) or numbers[k + 1] != n + 1]
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in zip(firsts, lasts, strict=True))


def summary(states: States, damaged: Collection[int]) -> str:
    """How much is there, in a line. damaged: numbers of parts that do not count."""
    from ....errors import counted

    there, every = [span for span in states.spans if span.number not in damaged], states.manifest.parts
    steps, sequences = sum(span.steps for span in there), sum(span.sequences for span in there)
    size = sum((states.folder / n).stat().st_size for s in there for n in states.manifest.files_of(s.number))
    parts = f"{len(there):,} of {counted(len(every), 'part')}"
    return f"{states.folder}: {parts}, {sequences:,} sequences, {steps:,} steps, {size / 1e6:,.1f} MB"
