"""What a command has found, as text; and its table in a file."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from ...options import OutputPath, echo, narrow
from .contexts import TABLES, write_table

if TYPE_CHECKING:
    from ....corpus.told import Told


def table_option(what: str) -> Callable[[Any], Any]:
    """`-o FILE`, for the table of what is printed."""
    return click.option("-o", "--output", type=OutputPath(dir_okay=False), help=f"Write {what} here: .csv or .parquet.")


def checked(output: str | None) -> str:
    """The format in which a table is written; empty where it is not. Raises FileError before anything is computed."""
    from ....base.files import format_of

    return "" if output is None else format_of(output, TABLES, "tables", "csv")


def show(found: Told, output: str | None, form: str) -> None:
    """Write the table of what was found, and print the text."""
    if output is not None:
        write_table(output, form, found.to_frame())
    echo("".join(narrow([str(found)], "md", "-", None)).rstrip("\n"))
