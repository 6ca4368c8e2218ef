"""Options in signatures: the parameters of a function are the options of a command, a method and a page.

A parameter with an `Option` in its annotation can be given on the command line; one without is for Python alone. Of a
command every keyword is an option, which its docstring describes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from inspect import Parameter as Named
from inspect import cleandoc, signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_SECTION = re.compile(r"\n\n(?:Args|Attributes|Returns|Raises):\n")


@dataclass(frozen=True)
class Option:
    """What the command line needs to know of a parameter beyond its type and default.

    help: one line. flag: its name where that is not the parameter's (`everything` is `--all`). least, most: the range
    of a number; above: whether `least` itself is outside. reads: how a text becomes the value, where the type does not
    say it (see `cli.commands.TYPES`). metavar: what stands for the value in the help. hidden: whether the help leaves
    it out.
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
    """A parameter of a function, or a key of a TypedDict.

    default: None where there is none; required: whether it must be given. option, more: what its annotation says.
    keyword: whether it is given by name alone.
    """

    name: str
    type: Any
    default: Any
    required: bool
    option: Option | None
    more: tuple[Any, ...]
    keyword: bool


def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The options of a function by name: all parameters but the first, and those of `**options: Unpack[…]`.

    >>> def scaled(value: float, by: Annotated[float, Option("The factor.", least=0)] = 2.0) -> float: ...
    >>> parameters(scaled)["by"].default, parameters(scaled)["by"].option.help
    (2.0, 'The factor.')
    """
    return {one.name: one for one in annotated(function)[1:]}


def annotated(function: Callable[..., Any]) -> list[Parameter]:
    """All parameters of a function; of `**options: Unpack[…]` the keys of that TypedDict, of other ones none."""
    hints, found = get_type_hints(function, include_extras=True), []
    for one in signature(function).parameters.values():
        if one.kind is not Named.VAR_KEYWORD:
            required, keyword = one.default is Named.empty, one.kind is Named.KEYWORD_ONLY
            found.append(_parameter(one.name, hints[one.name], None if required else one.default, required, keyword))
        elif keys := get_args(hints[one.name]):
            found += keys_of(keys[0])
    return found


def keys_of(typed: Any) -> list[Parameter]:
    """The keys of a TypedDict; none must be given."""
    return [_parameter(name, hint) for name, hint in get_type_hints(typed, include_extras=True).items()]


def _parameter(name: str, hint: Any, default: Any = None, required: bool = False, keyword: bool = True) -> Parameter:
    kind, *more = get_args(hint) if get_origin(hint) is Annotated else [hint]
    option = next((one for one in more if isinstance(one, Option)), None)
    return Parameter(name, kind, default, required, option, tuple(more), keyword)


def documented(thing: Any) -> tuple[str, dict[str, str]]:
    """What a docstring says before its sections, and of each argument or attribute.

    >>> documented(documented)[1]
    {'thing': 'a function or class.'}

    Args:
        thing: a function or class.
    """
    summary, *sections = _SECTION.split(cleandoc(thing.__doc__ or ""))
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", "\n".join(sections), re.M)
    return summary, {name: " ".join(text.split()) for name, text in entries}
