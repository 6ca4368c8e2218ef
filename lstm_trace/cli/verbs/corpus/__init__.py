"""`lstm-trace corpus`: the states of a model over many sequences, and what its units do. One file for each command."""

from __future__ import annotations

import click

from ...group import Verbs

#: See `Verbs`.
VERBS = {
    "run": "Compute the states of many sequences into a folder.",
    "status": "Say how much of a corpus is there.",
    "verify": "Compute a sample again line by line, and compare.",
    "units": "Summarize every unit over the corpus.",
    "top": "Show where a unit is highest or lowest.",
    "match": "Show where some units are all above a level.",
    "probe": "Decode a target from the states with a linear probe.",
    "ablate": "Hold units at a value, and measure what changes.",
}


@click.command("corpus", cls=Verbs, verbs=VERBS, package=__name__)
def command() -> None:
    """Compute the states of a model over many sequences, and find what its units track (docs/corpus.md).

    Begin with `lstm-trace corpus run MODEL --inputs data.parquet -o states`, then `lstm-trace corpus units states`.
    """
