"""How the command line gives a result: every one has the same options, formats and languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import click

from ..documents.formats import FORMATS, SUFFIXES
from ..languages import languages
from .commands import Command, Flag, around, inputs_and_outputs
from .options import FORMAT, OfFile, narrow

LANGUAGES = click.Choice(languages())
Language = Annotated[str, LANGUAGES]
OfFormat = Annotated[str | None, Flag(flag="--format"), click.Choice(FORMATS)]


def result_options(otherwise: str = "md") -> Callable[[Command], Command]:
    """`-o`, `--format`, `--language`, `--no-picture`, for a command that returns a result, which is then written.

    otherwise: the format for standard output, where none is asked for.
    """

    def decorated(command: Command) -> Command:
        def written(
            *,
            output: OfFile = "-",
            form: OfFormat = None,
            language: Language = "en",
            no_picture: bool = False,
            **given: Any,
        ) -> None:
            """Call the command, and write its result.

            Args:
                output: Write here: .md .txt .html .pdf .tex .typ, .json .csv .parquet, .svg .png.
                form: Format, if the suffix does not say it.
                language: Language of the text.
                no_picture: Do not write a picture (x.svg) next to a file x.md.
            """
            from ..base.writing import format_of

            chosen = form or format_of(output, SUFFIXES, "results", otherwise, FORMAT)  # before anything is computed
            if (result := command(**given)) is not None:
                deliver(result, output, chosen, form, language, picture=not no_picture)

        return around(command, written)

    return decorated


def deliver(
    result: Any, output: str, chosen: str, form: str | None, language: str = "en", *, picture: bool = True
) -> None:
    """Write a result in its format. form: the one that was asked for by name; without it a terminal wraps Markdown."""
    from ..base.writing import written
    from ..documents.saving import save

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
