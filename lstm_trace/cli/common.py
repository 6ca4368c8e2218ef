"""Options that mean the same in every command."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..model import Model
    from ..trace import Trace

Command = Callable[..., Any]


def source_argument(command: Command) -> Command:
    """A trace, or a problem that is traced first; '-' is standard input."""
    return click.argument("source", type=click.Path(allow_dash=True))(command)


def output_option(help: str = "Write here instead of standard output.") -> Callable[[Command], Command]:
    """`-o FILE`, '-' for standard output."""
    return click.option("-o", "--output", type=click.Path(allow_dash=True), default="-", help=help)


def nonfinite_option(command: Command) -> Command:
    """`--allow-nonfinite`."""
    return click.option("--allow-nonfinite", is_flag=True, help="Accept NaN and infinity in weights.")(command)


def selection_options(command: Command) -> Command:
    """`--line`, `--layer`, `--direction`, `--steps`, `--batch`, `--unit`: which part of a trace is meant."""
    for option in (
        click.option("--unit", type=click.IntRange(min=0), help="Only this unit (from 0)."),
        click.option("--batch", type=click.IntRange(min=0), help="Only this row of the batch (from 0)."),
        click.option(
            "--steps", "--t", "steps", callback=_steps, help="Only these steps: A:B, A: or :B (B excluded), or T."
        ),
        click.option("--direction", type=click.Choice(["forward", "reverse", "joined"]), help="Only this direction."),
        click.option("--layer", type=click.IntRange(min=0), help="Only this layer (from 0)."),
        click.option(
            "--only", "--line", "only", callback=name_list, help="Only these lines: names with commas between."
        ),
    ):
        command = option(command)
    return command


def name_list(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Names of lines: split at the commas that stand outside parentheses."""
    if value is None:
        return None
    return tuple(part.strip() for part in re.split(r",(?![^(]*\))", value) if part.strip())


def _steps(ctx: click.Context, param: click.Parameter, value: str | None) -> slice | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d*):(\d*)|(\d+)", value.strip())
    if not match or value.strip() == ":":
        raise click.BadParameter(f"expected A:B, A:, :B or one step, found {value!r}", ctx, param)
    if match[3] is not None:
        return slice(int(match[3]), int(match[3]) + 1)
    return slice(int(match[1]) if match[1] else None, int(match[2]) if match[2] else None)


def opened(source: str, allow_nonfinite: bool = False, before: Callable[[Model], None] | None = None) -> Trace:
    """The trace in a file, or of the problem in it; before: see `api.open_source`."""
    from ..api import open_source

    return open_source(source, allow_nonfinite, before)
