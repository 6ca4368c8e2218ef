"""Options of a command from the signature of the function that it calls: `base.option` says what they need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, get_args, get_origin

import click

from ..base.option import Parameter, parameters
from .options import (
    Command,
    against,
    arithmetic_options,
    name_list,
    number_options,
    selection_options,
)

#: Options that are read together, by the first of the parameters that they give.
GROUPS: dict[str, Callable[[Command], Command]] = {
    "digits": number_options,
    "only": selection_options,
    "arithmetic": arithmetic_options,
}
#: Constants of an update rule that have an option of their own, or none.
RESERVED = ("rate", "updates", "of", "trace", "optimizer", "only")


def options_from(function: Callable[..., Any]) -> Callable[[Command], Command]:
    """The options in a function's signature, for a command; `arguments` makes of them what the function takes."""

    def decorated(command: Command) -> Command:
        for one in reversed(parameters(function).values()):
            if one.option is not None:
                command = _option(one)(command)
            elif one.name in GROUPS:
                command = GROUPS[one.name](command)
        return command

    return decorated


def arguments(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a function from the options that were given."""
    given = {**given, **(given.get("style") or {})}
    takes = parameters(function)
    said = {name: given[name] for name in takes if name in given and not _absent(given[name])}
    for name, value in said.items():
        option = takes[name].option
        if option is not None and option.reads in READERS:
            said[name] = READERS[option.reads](name, value)
    return said


def _absent(value: Any) -> bool:
    return value is None or value is False or value == ()  # but not 0


def _option(one: Parameter) -> Callable[[Command], Command]:
    option = one.option
    assert option is not None
    flags = option.flag.split() or [f"--{one.name.replace('_', '-')}"]
    facts: dict[str, Any] = {"help": option.help, "metavar": option.metavar, "hidden": option.hidden}
    if one.type is bool:
        facts["is_flag"] = True
    elif option.reads == "names":
        facts["callback"] = name_list
    elif option.reads == "constants":
        facts["multiple"] = True
    else:
        facts["type"] = _type(one)
    return click.option(*flags, one.name, **facts)


def _type(one: Parameter) -> Any:
    """How click reads a parameter: by its type, whose alternatives beside the first are defaults."""
    option = one.option
    assert option is not None
    if option.reads:
        return click.Path(allow_dash=True) if option.reads in ("values", "baseline") else str
    first = one.type
    while get_args(first) and get_origin(first) is not Literal:
        first = get_args(first)[0]
    if get_origin(first) is Literal:
        return click.Choice(get_args(first))
    if first is int:
        return click.IntRange(option.least, option.most)  # type: ignore[arg-type]
    return click.FloatRange(option.least, option.most, min_open=option.above) if first is float else str


# -- texts that are more than they look ------------------------------------------------------------------------------


def _values(name: str, path: str) -> Any:
    from ..model.sources import read_input

    return read_input(path).values


def _hold(name: str, text: str) -> Any:
    from ..model.sources import read_holds

    flag = f"--{name}"
    return read_holds({flag: text})[flag]


def _constants(name: str, texts: tuple[str, ...]) -> dict[str, float]:
    return dict(map(_constant, texts))


def _constant(text: str) -> tuple[str, float]:
    name, mark, value = text.partition("=")
    if name.strip() in RESERVED:
        raise click.UsageError(
            f"--constant {text!r}: {name.strip()} has an option of its own, or is none of the rule's"
        )
    try:
        return name.strip(), float(value if mark else "none")
    except ValueError:
        raise click.UsageError(f"--constant {text!r}: expected NAME=NUMBER, as in momentum=0.5") from None


#: How the text of an option becomes its value, by `Option.reads`.
READERS: dict[str, Callable[[str, Any], Any]] = {
    "values": _values,
    "hold": _hold,
    "list": lambda name, text: tuple(part.strip() for part in text.split(",")),
    "constants": _constants,
    "baseline": lambda name, text: against({"baseline": text})["baseline"],
    "runs": lambda name, text: against({"occlusion": text})["occlusion"],
}
