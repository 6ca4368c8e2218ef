"""What several commands of a corpus share: options, and how contexts and tables are written."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...options import echo

if TYPE_CHECKING:
    import pandas as pd

    from ....corpus import States
    from ....tracking import Contexts

Command = Callable[..., Any]
#: Keywords that `reading_options` give to a command.
READING = ("id", "x", "ids", "embedding", "vocabulary", "unknown", "sequences", "tokens")
#: Help of `-o` of contexts.
CONTEXTS = "Write here: .html, .csv or .parquet; coloured text to standard output if not given."
#: File suffix to format, of a table and of contexts.
TABLES = {".csv": "csv", ".parquet": "parquet"}
SUFFIXES = {".html": "html", ".htm": "html", **TABLES}


def states_argument(command: Command) -> Command:
    """The folder of a corpus that has been run."""
    return click.argument("states", type=click.Path(file_okay=False))(command)


def reading_options(command: Command, required: bool = True) -> Command:
    """`--inputs` and how they are read, as keywords of `corpus.run` (docs/corpus.md)."""
    for option in (
        click.option("--unknown", metavar="TOKEN", help="The token that stands for those not in the vocabulary."),
        click.option(
            "--vocabulary", metavar="FILE", help="Numbers of the tokens: .json, .txt (a token a line), or model:NAME."
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


def contexts_options(before: int, after: int) -> Callable[[Command], Command]:
    """`-n`, `--before`, `--after`, with these defaults."""

    def decorated(command: Command) -> Command:
        steps = click.IntRange(0, 10_000)
        for option in (
            click.option("--after", type=steps, default=after, show_default=True, help="Steps after it."),
            click.option("--before", type=steps, default=before, show_default=True, help="Steps before it."),
            click.option(
                "-n", "--count", type=click.IntRange(1, 10_000), default=20, show_default=True, help="Contexts to show."
            ),
        ):
            command = option(command)
        return command

    return decorated


def write_contexts(output: str, folder: str, find: Callable[[States], Contexts]) -> None:
    """Find contexts in a folder of states, and write them as the name of the output says."""
    from ....base.writing import format_of, written
    from ....corpus import open
    from ...screen import in_colours

    form = format_of(output, SUFFIXES, "contexts", "text")
    states = open(folder)
    found = find(states)
    note(states)
    if form in ("csv", "parquet"):
        write_table(output, form, found.to_frame())
        return
    with written(output) as file:
        file.write(found.html() if form == "html" else in_colours(found.terminal))


def note(states: States) -> None:
    """Say on standard error where parts are not there, of which a result is none."""
    from ....errors import counted

    there, every = len(states.spans), len(states.manifest.parts)
    if there < every:
        echo(f"note: of {counted(every, 'part')} {there:,} are there; the result is of these alone", err=True)


def write_table(output: str, form: str, frame: pd.DataFrame) -> None:
    """Write a frame, as CSV or Parquet."""
    from ....base.writing import written
    from ....documents.rows import frame_as_csv

    with written(output, "wb") as file:
        if form == "parquet":
            frame.to_parquet(file, index=False)
        else:
            file.write(frame_as_csv(frame).encode())
