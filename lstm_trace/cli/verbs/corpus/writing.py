"""What a command has found, as text; and its table in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...options import OutputPath, echo, narrow

if TYPE_CHECKING:
    from ....tables.corpus.told import Told

SUFFIXES = {".csv": "csv", ".json": "json", ".parquet": "parquet"}


def table_option(what: str) -> Callable[[Any], Any]:
    """`-o FILE`, for the table of what is printed."""
    return click.option(
        "-o", "--output", type=OutputPath(dir_okay=False), help=f"Write {what} here: .csv, .parquet or .json."
    )


def checked(output: str | None) -> str:
    """The format in which a table is written; empty where it is not. Raises FileError before anything is computed."""
    from ....base.files import format_of

    return "" if output is None else format_of(output, SUFFIXES, "tables", "csv")


def show(found: Told, output: str | None, form: str) -> None:
    """Print what was found, and write its table."""
    if output is not None:
        from ....base.files import written

        if form == "parquet":
            from ....corpus.arrow import pa, parquet

            table = pa.Table.from_pandas(found.to_frame(), preserve_index=False)
            with written(output, "wb") as file:
                parquet.write_table(table, file)
        else:
            with written(output) as file:
                file.writelines(found.explanation().pieces(form))
    echo("".join(narrow([str(found)], "md", "-", None)).rstrip("\n"))
