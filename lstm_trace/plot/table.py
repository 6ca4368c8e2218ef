"""The kinds of pictures, in the order in which they are listed, with the function that makes each.

A function takes a trace (`weights`: whatever has parameters) and the options of its kind, by keyword; the command line
offers the options that its signature has. `Plots` has a method of the same name for each.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from inspect import signature

from ..errors import OptionError, nearest
from .figure import Figure

#: Name of a kind to `module:function` below `kinds/`.
KINDS = {
    "states": "states:states",
    "unit": "unit:trajectories",
    "text": "text:text_of",
    "memory": "memory:memory",
    "saturation": "saturation:saturation",
    "gradient": "gradient:gradient",
    "contribution": "contribution:contribution",
    "weights": "weights:weights",
    "diff": "diff:diff",
}


def maker(kind: str) -> Callable[..., Figure]:
    """The function that makes pictures of a kind. Raises OptionError where there is no such kind."""
    if kind not in KINDS:
        raise OptionError(f"there is no kind of picture {kind!r}{nearest(kind, KINDS, 'there are')}")
    module, name = KINDS[kind].split(":")
    found: Callable[..., Figure] = getattr(import_module(f".kinds.{module}", __package__), name)
    return found


def options(kind: str) -> tuple[str, ...]:
    """The names of the options of a kind."""
    return tuple(signature(maker(kind)).parameters)[1:]


def required(kind: str) -> tuple[str, ...]:
    """The names of the options that a kind cannot do without."""
    found = list(signature(maker(kind)).parameters.values())[1:]
    return tuple(option.name for option in found if option.default is option.empty)
