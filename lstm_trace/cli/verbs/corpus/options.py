"""Options that several commands of a corpus have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., Any]
#: Keywords that `reading_options` give to a command.
READING = ("id", "x", "ids", "embedding", "vocabulary", "unknown", "sequences", "tokens")


def states_argument(command: Command) -> Command:
    """The folder of a corpus that has been run."""
    return click.argument("states", type=click.Path(file_okay=False))(command)


def reading_options(command: Command, required: bool = True) -> Command:
    """`--inputs` and how they are read, as keywords of `corpus.run` (docs/corpus.md)."""
    for option in (
        click.option("--unknown", metavar="TOKEN", help="The token that stands for those not in the vocabulary."),
        click.option(
            "--vocabulary",
            metavar="FILE",
            help="Numbers of the tokens: .json, .txt (a token a line), or model:NAME.",
        ),
        click.option(
            "--embedding", metavar="FILE", help="x of each token, a row each: .npy, FILE:NAME, or model:NAME."
        ),
        click.option("--tokens", type=click.Choice(["characters", "words"]), help="Text: what a step is (characters)."),
        click.option(
            "--sequences", type=click.Choice(["lines", "paragraphs", "files"]), help="Text: what a sequence is (lines)."
        ),
        click.option("--ids", metavar="COLUMN", help="Column with the numbers of the tokens in the vocabulary."),
        click.option("--x", metavar="COLUMN", help="Column with lists of inputs, or stem of the columns x_0 … (x)."),
        click.option("--id", metavar="COLUMN", help="Column that says which sequence a row is of (seq_id)."),
        click.option(
            "--inputs", required=required, type=click.Path(), help="Sequences: .parquet, .jsonl, .txt, folder of .npz."
        ),
    ):
        command = option(command)
    return command
