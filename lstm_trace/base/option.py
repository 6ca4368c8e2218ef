"""Options in signatures: the parameters of a function are the options of a command, a method and a page.

A parameter with an `Option` in its annotation can be given on the command line; one without is for Python alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from inspect import Parameter as Named
from inspect import signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Option:
    """What the command line needs to know of a parameter beyond its type and default.

    help: one line. flag: its name where that is not the parameter's (`everything` is `--all`). least, most: the range
    of a number; above: whether `least` itself is outside. reads: how a text becomes the value, where the type does not
    say it (see `cli.signature.READERS`). metavar: what stands for the value in the help. hidden: whether the help
    leaves it out.
    """

    help: str
    _: KW_ONLY
    flag: str = ""
    least: float | None = None
    most: float | None = None
    above: bool = False
    reads: str = ""
    metavar: str | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Parameter:
    """An option of a function. default: None where there is none; required: whether it must be given."""

    name: str
    type: Any
    default: Any
    option: Option | None
    required: bool


def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The options of a function by name: all parameters but the first, and those of `**options: Unpack[…]`.

    >>> def scaled(value: float, by: Annotated[float, Option("The factor.", least=0)] = 2.0) -> float: ...
    >>> parameters(scaled)["by"].default, parameters(scaled)["by"].option.help
    (2.0, 'The factor.')
    """
    hints = get_type_hints(function, include_extras=True)
    _, *named = signature(function).parameters.values()
    there: dict[str, Parameter] = {}
    for one in named:
        if one.kind is Named.VAR_KEYWORD:  # Unpack[…] of a dictionary whose keys have types
            (keys,) = get_args(hints[one.name])
            there |= {name: _parameter(name, hint, None, False) for name, hint in _keys(keys).items()}
        else:
            required = one.default is Named.empty
            there[one.name] = _parameter(one.name, hints[one.name], None if required else one.default, required)
    return there


def _keys(keys: Any) -> dict[str, Any]:
    return get_type_hints(keys, include_extras=True)


def _parameter(name: str, hint: Any, default: Any, required: bool) -> Parameter:
    option = None
    if get_origin(hint) is Annotated:
        hint, *more = get_args(hint)
        option = next((one for one in more if isinstance(one, Option)), None)
    return Parameter(name, hint, default, option, required)
