"""`lstm-trace explain`: what a value came from, what a cell remembers, how its gates behave. A command for each."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import click

from ...errors import nearest
from ...results import EXPLANATIONS
from ..group import Verbs
from ..model_options import MODELS, model_options
from ..options import example_of, source_argument
from ..results import result_options
from ..signature import arguments, options_from

#: The suffixes of a problem with new weights.
PROBLEMS = (".yaml", ".yml")


class _Explanations(Verbs):
    """Finds the explanations by name, and makes the command of each from the signature of its function."""

    def load(self, name: str) -> click.Command:
        return _command(name)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if (how := _how(args)) is not None:
            name, rest = how
            raise click.UsageError(
                f"the explanation comes first: lstm-trace explain {shlex.join([name, *rest])}"
                if name in self.verbs
                else f"there is no explanation {name!r}{nearest(name, self.verbs, 'there are')}"
            )
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            there = nearest(args[0], self.verbs, "there are")
            raise click.UsageError(f"no explanation {args[0]!r}{there}; it comes before SOURCE: explain memory SOURCE")
        return super().resolve_command(ctx, args)


def _how(args: list[str]) -> tuple[str, list[str]] | None:
    """The explanation that is named as it was before, by `--how NAME`, and the other arguments."""
    for at, text in enumerate(args):
        if text.startswith("--how="):
            return text.removeprefix("--how="), [*args[:at], *args[at + 1 :]]
        if text == "--how" and at + 1 < len(args):
            return args[at + 1], [*args[:at], *args[at + 2 :]]
    return None


class _Explained(click.Command):
    """The command of one explanation: an option of another one is refused with the name of that."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            flag = error.option_name
            others = [name for name in EXPLANATIONS if any(flag in option.opts for option in _command(name).params)]
            if not others:
                raise
            named = " and ".join(others)
            raise click.UsageError(f"{flag} belongs to explain {named}, not to explain {self.name}") from None


@click.command("explain", cls=_Explanations, verbs=EXPLANATIONS, package=__name__)
def command() -> None:
    """Explain a value of a trace, or the trace. Each explanation has options of its own: see explain memory --help.

    As in `lstm-trace explain memory trace.json --of 3/c_t[0] -o memory.html` (docs/explain.md).
    """


def _command(name: str) -> click.Command:
    """The command of an explanation."""
    from ...results.explanation import explaining

    function = explaining(name)

    @source_argument
    @options_from(function)
    @model_options
    def explained(source: str, allow_nonfinite: bool, **given: Any) -> Any:
        from ..model_options import opened_with

        takes = inspect.signature(function).parameters
        if "of" in takes and given["of"] is None and given.get("seed") is None:
            example = "a loss: --of LINE, for example --of L" if name == "training" else f"a value: {example_of(name)}"
            raise click.UsageError(f"{name} needs {example}")
        said = arguments(function, given)
        return function(opened_with(source, given, allow_nonfinite), **said)

    written = result_options("md")(explained)
    text = re.split(r"\n\n(?:Args|Returns|Raises):", inspect.cleandoc(function.__doc__ or ""))[0]
    decorated = _or_problem(written) if name == "training" else written
    made = click.command(name, cls=_Explained, help=text, epilog=MODELS)(decorated)
    made.params.sort(key=lambda option: option.name in ("output", "form", "language", "no_picture"))  # its own first
    return made


def _or_problem(written: Any) -> Any:
    """A command that writes the problem with the new weights where the output is one."""
    from functools import wraps

    @wraps(written)
    def command(*, source: str, output: str, form: str | None, **given: Any) -> None:
        if form is not None or Path(output).suffix not in PROBLEMS:
            written(source=source, output=output, form=form, **given)
            return
        from ...base.writing import written as file_of

        _needs_problem(source)
        rest = {name: value for name, value in given.items() if name not in ("language", "no_picture")}
        solved = written.__wrapped__(source=source, **rest).problem(source)
        with file_of(output) as file:
            file.write(solved)

    return command


def _needs_problem(source: str) -> None:
    """Refuse to write a problem where SOURCE is no problem file that can be read a second time."""
    from ...errors import LstmTraceError
    from ...model.problem import read_problem

    wanted = "a problem with new weights (.yaml) is written from a problem file"
    if source == "-":
        raise click.UsageError(f"{wanted}; SOURCE is standard input: save it first, or write .csv")
    try:
        read_problem(source)
    except LstmTraceError:
        raise click.UsageError(f"{wanted}; {source} is none: write .csv for the new weights") from None
