"""Options in signatures: the parameters of a function become the options of a command, a method and a page.

A parameter with an `Option` in its annotation can be given on the command line; one without it is for Python only. In a
command every keyword is an option. A signature defines the type, the default and the range, and the docstring the
meaning, in its section `Args:` (`Attributes:` for a TypedDict); an annotation describes an option only if several
functions share it, or if the command line accepts something else than Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter as Named, cleandoc, signature
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from ..errors import OptionError


@dataclass(frozen=True, kw_only=True)
class Option:
    """Facts about a parameter that the command line needs beyond its type and default.

    help: one line, if it differs from the docstring's. variable: environment variable that gives the value if the
    option is missing. flag: its name if that is not the parameter's (`everything` is `--all`). least, most: the range
    of a number;
    above: whether `least` itself is excluded. reads: how a text is converted, if the type does not determine it (see
    `cli.commands.TYPES`). metavar: placeholder for the value in the help. hidden: whether the help omits it.
    """

    help: str = ""
    variable: str | None = None
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

    default: None if there is none; required: whether it must be given. option, more: the contents of its annotation.
    keyword: whether it is keyword-only. help: its meaning.
    """

    name: str
    type: Any
    default: Any
    required: bool
    option: Option | None
    more: tuple[Any, ...]
    keyword: bool
    help: str


def parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    """The options of a function by name: all parameters but the first, and those of `**options: Unpack[…]`.

    >>> def scaled(value: float, by: Annotated[float, Option(help="The factor.", least=0)] = 2.0) -> float: ...
    >>> parameters(scaled)["by"].default, parameters(scaled)["by"].help
    (2.0, 'The factor.')
    """
    return {one.name: one for one in annotated(function)[1:]}


def annotated(function: Callable[..., Any]) -> list[Parameter]:
    """All parameters of a function; for `**options: Unpack[…]` the keys of that TypedDict, for other `**` none."""
    hints, helps, found = get_type_hints(function, include_extras=True), documented(function)[1], []
    for one in signature(function).parameters.values():
        if one.kind is not Named.VAR_KEYWORD:
            required, keyword = one.default is Named.empty, one.kind is Named.KEYWORD_ONLY
            default = None if required else one.default
            found.append(_parameter(one.name, hints[one.name], helps, default, required, keyword))
        elif keys := get_args(hints[one.name]):
            found += keys_of(keys[0])
    return found


def keys_of(typed: Any) -> list[Parameter]:
    """The keys of a TypedDict; none is required."""
    helps = documented(typed)[1]
    return [_parameter(name, hint, helps) for name, hint in get_type_hints(typed, include_extras=True).items()]


def _parameter(
    name: str, hint: Any, helps: dict[str, str], default: Any = None, required: bool = False, keyword: bool = True
) -> Parameter:
    kind, *more = get_args(hint) if get_origin(hint) is Annotated else [hint]
    option = next((one for one in more if isinstance(one, Option)), None)
    help = (option.help if option else "") or helps.get(name, "")
    return Parameter(name, kind, default, required, option, tuple(more), keyword, help)


def documented(thing: Any) -> tuple[str, dict[str, str]]:
    """The part of a docstring before its sections, and the description of each argument or attribute.

    >>> documented(documented)[1]
    {'thing': 'a function or class.'}

    Args:
        thing: a function or class.
    """
    summary, *sections = re.split(r"\n\n(?:Args|Attributes|Returns|Raises):\n", cleandoc(thing.__doc__ or ""))
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", "\n".join(sections), re.M)
    return summary, {name: " ".join(text.split()) for name, text in entries}


def unit_list(text: str) -> tuple[int, ...]:
    """The units of `3,5,7`, in digits of ASCII alone. Raises OptionError."""
    if not re.fullmatch(r"\s*[0-9]{1,9}\s*(,\s*[0-9]{1,9}\s*)*", text):
        raise OptionError(f"expected comma-separated units, found {text!r}")
    return tuple(map(int, text.split(",")))


def step_ends(text: str) -> slice | int | None:
    """A:B, A:, :B or : as a slice, one step as a number; None for any other text. Negative ones count from the end.

    As in addresses there is one way to write a digit: int() also takes those of other scripts.

    >>> step_ends("2:"), step_ends(" -1"), step_ends("\N{ARABIC-INDIC DIGIT TWO}")
    (slice(2, None, None), -1, None)
    """
    if (match := re.fullmatch(r"((?:-?[0-9]{1,18})?):((?:-?[0-9]{1,18})?)|(-?[0-9]{1,18})", text.strip())) is None:
        return None
    begin, end, one = (int(part) if part else None for part in match.groups())
    return slice(begin, end) if one is None else one


def name_list(text: str, what: str = "names of lines") -> tuple[str, ...]:
    """Names of lines, or of something else: split at the commas outside parentheses and brackets.

    Raises OptionError if there are none.

    >>> name_list("W_xi[0,1], c_t * max(a, b)")
    ('W_xi[0,1]', 'c_t * max(a, b)')
    """
    if not (names := tuple(part.strip() for part in re.split(r",(?![^(]*\))(?![^\[]*\])", text) if part.strip())):
        raise OptionError(f"expected comma-separated {what}, found {text!r}")
    return names
