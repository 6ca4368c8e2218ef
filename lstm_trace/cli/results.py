"""How the command line gives a result: every one has the same options, formats and languages."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from ..documents.formats import FORMATS, SUFFIXES
from ..languages import languages
from .options import FORMAT, Command, inputs_and_outputs, narrow, output_option


def result_options(otherwise: str = "md") -> Callable[[Command], Command]:
    """`-o`, `--format`, `--language`, `--no-picture`, for a command that returns a result, which is then written.

    otherwise: the format for standard output, where none is asked for.
    """

    def decorated(command: Command) -> Command:
        @wraps(command)
        def written(*, output: str, form: str | None, language: str, no_picture: bool, **given: Any) -> None:
            from ..base.writing import format_of

            chosen = form or format_of(output, SUFFIXES, "results", otherwise, FORMAT)  # before anything is computed
            if (result := command(**given)) is not None:
                deliver(result, output, chosen, form, language, picture=not no_picture)

        decorated_command: Command = written
        for option in (
            click.option("--no-picture", is_flag=True, help="Do not write a picture (x.svg) next to a file x.md."),
            click.option("--language", type=click.Choice(languages()), default="en", help="Language of the text (en)."),
            click.option("--format", "form", type=click.Choice(FORMATS), help="Format, if the suffix does not say it."),
            output_option("Write here: .md .txt .html .pdf .tex .typ, .json .csv .parquet, .svg .png."),
        ):
            decorated_command = option(decorated_command)
        return decorated_command

    return decorated


def deliver(
    result: Any, output: str, chosen: str, form: str | None, language: str = "en", *, picture: bool = True
) -> None:
    """Write a result in its format. form: the one that was asked for by name; without it a terminal wraps Markdown."""
    from ..base.writing import written
    from ..documents.result import save

    if output == "-" and chosen in ("md", "text"):
        import shutil

        width = shutil.get_terminal_size().columns
        text = result.pieces(chosen, language=language, width=min(width, 100))
        with written(output) as file:
            file.writelines(narrow(text, chosen, output, form))
        return
    context = click.get_current_context()
    inputs, _ = inputs_and_outputs(context.command, context.params)
    save(result, output, chosen, language=language, picture=picture, spared=inputs)
