"""Commands from functions: positional parameters become arguments, keywords options, the docstring the help.

An annotation may hold a click type, a function that takes all texts of a repeatable option, and an `Option` of
`base.option`. `Verbs` finds commands by name, when they are called.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial, wraps
from math import isnan
from types import FunctionType
from typing import Any, Literal, get_args, get_origin

import click

from ..base.option import Option, Parameter, annotated, documented, keys_of, name_list, parameters, step_ends, unit_list
from ..errors import nearest

Command = Callable[..., Any]
#: Key of `Context.meta` for the exit code that a command has determined before it prints.
VERDICT = "lstm_trace.verdict"
#: The key of the context that has the format of the result, which is known before the command runs.
FORM = "lstm_trace.form"


class OutputPath(click.Path):
    """A file that a command writes; every other path among its parameters is one that it reads."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("the file name is empty", param, ctx)
        return super().convert(value, param, ctx)


class Text(click.ParamType):  # type: ignore[type-arg]  # generic in newer versions of click
    """A text that a function converts to a value; its error becomes the message."""

    name = "text"

    def __init__(self, read: Callable[[str], Any]) -> None:
        self.read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.read(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class NumberRange(click.FloatRange):
    """A range without NaN, which is neither below nor above a bound."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number. Raises click.BadParameter."""
        if isnan(found := super().convert(value, param, ctx)):
            self.fail(f"{value} is not in the range {self._describe_range()}.", param, ctx)
        return found


def steps_typed(text: str) -> slice | int:
    """The steps given as A:B, A:, :B or one step, as they are counted; see `cli.counting`."""
    found = step_ends(text)
    if found is None or found == slice(None):
        raise ValueError(f"expected A:B, A:, :B or one step, found {text!r}")
    return found


#: Files that are read and written; '-' for a standard stream.
FILE, OUTPUT = click.Path(allow_dash=True), OutputPath(allow_dash=True, dir_okay=False)
NAMES, UNITS, STEPS = Text(name_list), Text(unit_list), Text(steps_typed)
#: How click parses an option of a function, by `Option.reads`; otherwise the parameter's type decides.
TYPES = {"names": NAMES, "values": FILE, "baseline": FILE}


class OneNameCommand(click.Command):
    """A command that refuses an option twice, under one or two of its names: the last would win silently."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments. Raises click.UsageError."""
        typed = {text.partition("=")[0] for text in args}
        *_, given = self.make_parser(ctx).parse_args([*args])
        for option, times in Counter(given).items():
            if times == 1 or not isinstance(option, click.Option):
                continue
            names = [name for name in (*option.opts, *option.secondary_opts) if name in typed]
            if len(names) > 1:
                raise click.UsageError(f"{' and '.join(names)} set the same option: leave one of them out")
            if not (option.multiple or option.is_flag):
                said = f"{option.opts[-1]} takes one value, and {times} are given"
                raise click.UsageError(f"{said}: leave all but one of them out")
        return super().parse_args(ctx, args)


def command(
    name: str, more: str = "", cls: type[click.Command] = OneNameCommand, **extra: Any
) -> Callable[[Command], click.Command]:
    """Make a click command from a function; its docstring becomes the help of the command and its options.

    more: text added at the end of the help.
    """

    def made(function: Command) -> click.Command:
        decorated: Callable[[Command], click.Command] = click.command(
            name, cls, help=documented(function)[0] + more, **extra
        )
        return decorated(_with(function, annotated(function)))

    return made


def group(typed: Any) -> Callable[[Command], Command]:
    """Options shared by several commands: the keys of a TypedDict."""
    return lambda command: _with(command, keys_of(typed))


def around(command: Command, wrapper: Command) -> Command:
    """Wrap a command in a function that adds options, those of the wrapper's signature."""
    declared = annotated(wrapper)  # before it gets the signature of the command
    return _with(wraps(command)(wrapper), declared)


def options_from(
    function: Callable[..., Any], groups: Mapping[str, Callable[[Command], Command]]
) -> Callable[[Command], Command]:
    """The options of a function that a command calls and that has default values of its own.

    groups: options that are parsed together, keyed by the first parameter that they set.
    """

    def decorated(command: Command) -> Command:
        for one in reversed(parameters(function).values()):
            if one.option is not None:
                command = _with(command, [replace(one, default=None, required=False, keyword=True)])
            elif one.name in groups:
                command = groups[one.name](command)
        return command

    return decorated


def _with(command: Command, declared: list[Parameter]) -> Command:
    """A command with the declared options and arguments.

    A keyword without a description is set by other options: those of a group, which `around` reads.
    """
    for one in reversed(declared):
        option = one.option or Option()
        if not one.keyword:
            facts: dict[str, Any] = {"nargs": -1 if get_origin(one.type) is tuple else 1, "metavar": option.metavar}
            command = click.argument(one.name, type=_type(one, option), required=one.required, **facts)(command)
        elif one.help:
            command = _option(one, option)(command)
    return command


def _option(one: Parameter, option: Option) -> Callable[[Command], Command]:
    flags = option.flag.split() or [f"--{one.name.replace('_', '-')}"]
    facts: dict[str, Any] = {"help": one.help, "metavar": option.metavar, "hidden": option.hidden}
    facts["envvar"] = option.variable
    callback = next((part for part in one.more if isinstance(part, FunctionType)), None)
    listed = get_origin(one.type) is tuple and not any(isinstance(part, Text) for part in one.more)
    several = listed or callback is not None or option.reads == "constants"
    if "/" in flags[-1]:
        facts["default"] = one.default
    elif one.type is bool:
        facts["is_flag"] = True
    else:
        facts |= {"type": _type(one, option), "required": one.required and not several}
    if several:
        facts |= {"multiple": True, "callback": callback}
    elif one.default is not None:
        facts |= {"default": one.default, "show_default": type(one.default) is not bool and one.default != "-"}
    return click.option(*flags, one.name, **facts)


def _type(one: Parameter, option: Option) -> Any:
    """How click parses a parameter: by its type; the alternatives after the first are default values."""
    first = one.type
    if given := [part for part in one.more if isinstance(part, click.ParamType)]:
        return given[0]
    if option.reads:
        return TYPES.get(option.reads, click.STRING)
    while get_args(first) and get_origin(first) is not Literal:
        first = get_args(first)[0]
    if get_origin(first) is Literal:
        return click.Choice(get_args(first))
    if first not in (int, float) or option.least is option.most is None:
        return first if first in (int, float) else click.STRING
    bounds: dict[str, Any] = {"min": option.least, "max": option.most, "min_open": option.above}
    return (click.IntRange if first is int else NumberRange)(**bounds)


# -- commands of commands --------------------------------------------------------------------------------------------


class Verbs(click.Group):
    """Finds its commands by name, and imports them when they are called.

    verbs: in the order in which a user meets them, each with its line of `--help`. load: imports the command with a
    given name. The lines are in a table because importing all commands takes 40 ms, more than click itself needs.
    """

    #: What they are called in an error, and what it says of their place.
    noun, place = "command", ""

    def __init__(
        self, *args: Any, verbs: Mapping[str, str], load: Callable[[str], click.Command], **extra: Any
    ) -> None:
        super().__init__(*args, **extra)
        self.verbs, self.load = verbs, load

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        command = copy(self.load(cmd_name))
        command.callback = partial(spare_inputs, command, command.callback)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f"no {self.noun} {args[0]!r}{nearest(args[0], self.verbs, 'there are')}{self.place}")
        return super().resolve_command(ctx, args)


def inputs_and_outputs(command: click.Command, given: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The files that a command reads and those that it writes, from the values of its parameters."""
    inputs, outputs = list[str](), list[str]()
    for parameter in command.params:
        if isinstance(parameter.type, click.Path) and (value := given.get(str(parameter.name))) is not None:
            files = outputs if isinstance(parameter.type, OutputPath) else inputs
            files += [value] if isinstance(value, str) else value
    inputs += [*(given.get("hold") or {}).values(), *filter(None, [given.get("to")])]  # these may be traces
    return inputs, outputs


def spare_inputs(command: click.Command, callback: Any, /, **given: Any) -> Any:
    """Call a command. Raises FileError first if an output is an input, or cannot be written."""
    inputs, outputs = inputs_and_outputs(command, given)
    if not outputs:
        return callback(**given)
    from ..base.writing import check_place, spare, sparing

    for output in outputs:
        spare(output, inputs)
        check_place(output)
        for folder in inputs:  # a file in a folder of states, or one that its run has read
            if os.path.isfile(os.path.join(folder, "_manifest.json")):
                from ..corpus.manifest import spare_states

                spare_states(output, folder)
    with sparing(outputs):
        return callback(**given)
