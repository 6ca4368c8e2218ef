"""`lstm-trace explain`: where a value comes from, what a cell remembers, how its gates behave; one command each."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import click

from ...base.option import parameters
from ...documents.formats import SUFFIXES
from ...errors import nearest
from ...results import EXPLANATIONS
from ..commands import OneNameCommand, Verbs, command, options_from
from ..counting import from_zero
from ..model_options import MODELS, model_options, opened_with
from ..options import Source, against, arithmetic_options, example_of, number_options, result_options, selection_options

#: The suffixes of a problem that is written with new weights.
PROBLEMS = (".yaml", ".yml")


class _Explanations(Verbs):
    """Finds the explanations by name; the name comes first."""

    noun, place = "explanation", "; it comes before SOURCE: explain memory SOURCE"

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for at, text in enumerate(args):  # the earlier form, `--how NAME`
            flag, mark, name = text.partition("=")
            if flag == "--how" and (mark or at + 1 < len(args)):
                name, rest = (name, args[at + 1 :]) if mark else (args[at + 1], args[at + 2 :])
                said = f"the explanation comes first: lstm-trace explain {shlex.join([name, *args[:at], *rest])}"
                if name not in self.verbs:
                    said = f"there is no explanation {name!r}{nearest(name, self.verbs, 'there are')}"
                raise click.UsageError(said)
        return super().parse_args(ctx, args)


class _Explained(OneNameCommand):
    """The command of one explanation; an option of another is rejected with the name of that explanation."""

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


def _command(name: str) -> click.Command:
    """The command of an explanation, from the signature of its function."""
    from ...results.explanation import explaining

    function = explaining(name)

    @options_from(function, GROUPS)
    @model_options
    def explained(source: Source, *, allow_nonfinite: bool, **given: Any) -> Any:
        takes = inspect.signature(function).parameters
        if "of" in takes and given["of"] is None and given.get("seed") is None:
            example = "a loss: --of LINE, for example --of L" if name == "training" else f"a value: {example_of(name)}"
            raise click.UsageError(f"{name} needs {example}")
        said = arguments(function, given | {"count_from": None})  # the trace itself is counted
        trace = opened_with(source, given, allow_nonfinite)
        return function(trace, **from_zero(said, trace.header.count_from, trace))

    written = result_options("md", SUFFIXES)(explained)
    written.__doc__ = function.__doc__
    made = command(name, cls=_Explained, epilog=MODELS)(_or_problem(written) if name == "training" else written)
    made.params.sort(key=lambda option: option.name in ("output", "form", "language", "no_picture"))  # its own first
    return made


@click.command("explain", cls=_Explanations, verbs=EXPLANATIONS, load=_command)
def explain() -> None:
    """Explain a value of a trace, or a whole trace. Each explanation has its own options: see explain memory --help.

    Example: `lstm-trace explain memory trace.json --of c_3[1] -o memory.html` (docs/explain.md).
    """


def _or_problem(written: Any) -> Any:
    """A command that writes the problem with the new weights if the output is a problem file."""

    @wraps(written)
    def command(*, source: str, output: str, form: str | None, **given: Any) -> None:
        if form is not None or Path(output).suffix not in PROBLEMS:
            written(source=source, output=output, form=form, **given)
            return
        from ...base.writing import written as file_of
        from ...errors import LstmTraceError
        from ...model.problem import read_problem

        wanted = "a problem with new weights (.yaml) can only be written from a problem file"
        if source == "-":
            raise click.UsageError(f"{wanted}; SOURCE is standard input: save it first, or write .csv")
        try:
            read_problem(source)
        except LstmTraceError:
            raise click.UsageError(f"{wanted}; {source} is not one: write .csv for the new weights") from None
        rest = {name: value for name, value in given.items() if name not in ("language", "no_picture")}
        solved = written.__wrapped__(source=source, **rest).problem(source)
        with file_of(output) as file:
            file.write(solved)

    return command


# -- options with a syntax of their own -------------------------------------------------------------------------------

#: Options that are parsed together, keyed by the first parameter that they set.
GROUPS = {"digits": number_options, "only": selection_options, "arithmetic": arithmetic_options}


def arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function, from the options that were given."""
    given = {**given, **(given.get("style") or {})}
    said: dict[str, Any] = {}
    for name, one in parameters(function).items():
        if (value := given.get(name)) is not None and value is not False and value != ():  # 0 is a value
            read = READERS.get(one.option.reads) if one.option else None
            said[name] = value if read is None else read(name, value)
    return said


def _values(name: str, path: str) -> Any:
    from ...model.sources import read_input

    return read_input(path).values


def _hold(name: str, text: str) -> Any:
    from ...trace.files.trace_file import read_holds

    return read_holds({f"--{name}": text})[f"--{name}"]


def _constants(name: str, texts: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for text in texts:
        constant, _, value = (part.strip() for part in text.partition("="))
        try:
            found[constant] = float(value)
        except ValueError:
            raise click.UsageError(f"--constant {text!r}: expected NAME=NUMBER, for example momentum=0.5") from None
    return found


#: How the text of an option is converted, by `Option.reads`.
READERS: dict[str, Callable[[str, Any], Any]] = {
    "values": _values,
    "hold": _hold,
    "list": lambda name, text: tuple(part.strip() for part in text.split(",")),
    "constants": _constants,
    **dict.fromkeys(("baseline", "runs"), against),
}
