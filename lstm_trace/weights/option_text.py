"""Layouts and options as typed by a user: `keras,order=icfo,bias=two`, `candidate_activation=relu,merge=sum`.

The keys are those of `layout=` and `options=` in Python, and of problem files.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from ..base.packaged import packaged
from ..cell.named_cells import KINDS, is_number
from ..cell.variants import Merge, Padding
from ..errors import Faults, OptionError, nearest

_NETWORK: dict[str, Any] = {"merge": Merge, "padding": Padding, "direction": Literal["forward", "reverse"]}
#: Words that people write instead of ours: options of frameworks, and of earlier command lines.
_INSTEAD: dict[str, str] = packaged("weights/words.toml")["instead"]


def options_of_text(text: str) -> Mapping[str, Any]:
    """The options of a cell and of its network described by a text.

    Args:
        text: comma-separated options (docs/options.md); `reverse.clip=1` applies to the reverse direction only.

    Returns:
        A value for `options=`.

    Raises:
        OptionError: with every unknown option, every duplicate, and every value that is not allowed. Whether the
            options fit each other, and the cell, is checked with the weights.

    >>> options_of_text("candidate_activation=leaky_relu(0.1),peephole=true,clip=3")
    {'candidate_activation': 'leaky_relu(0.1)', 'peephole': True, 'clip': 3.0}
    """
    known: dict[str, Any] = {}
    for kind in KINDS:
        hints = get_type_hints(KINDS[kind])
        known |= {f.name: hints[f.name] for f in fields(KINDS[kind]) if f.name not in known}
    behind = {f"reverse.{name}": hint for name, hint in known.items()}
    found = read_parts(text, {**known, **_NETWORK}, "option", more=behind)
    reverse = {name.removeprefix("reverse."): found.pop(name) for name in behind if name in found}
    return found | ({"reverse": reverse} if reverse else {})


def read_parts(
    text: str, known: Mapping[str, Any], what: str, first: str = "", more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The parts of a text with their values. first: the key of a first part that is given without one.

    known: the types of the parts by name. more: those not listed in messages. Raises OptionError with every unknown
    part, every duplicate, and every value that is not allowed.
    """
    hints, faults, found = {**known, **(more or {})}, Faults(), dict[str, Any]()
    parts = re.split(r",(?![^(\[{]*[)\]}])", text)  # at commas outside brackets
    for number, part in enumerate(parts if len(parts) == 1 or parts[-1].strip() else parts[:-1]):
        name, mark, value = (piece.strip() for piece in part.partition("="))
        if not mark and first and number == 0:
            name, value = first, name
        with faults.gather():
            if name not in hints:
                instead = _INSTEAD.get(name.replace("-", "_"))
                hint = f"; write {instead}" if instead else nearest(name, known)
                raise OptionError(f"{what}: no part {name!r}{hint}; there are {', '.join(known)}")
            if name in found:
                raise OptionError(f"{what}: {name} is given twice, as {found[name]!r} and {value!r}; leave one out")
            if not value:
                raise OptionError(f"{what}: {name} has no value; expected {name}={_expected(hints[name])}")
            found[name] = _valued(name, value, hints[name], what)
    faults.tell()
    if not found:
        raise OptionError(f"{what}: empty; expected for example {next(iter(known))}=…")
    return found


def _valued(name: str, value: str, hint: Any, what: str) -> Any:
    """A value of the type that a part has. Raises OptionError."""
    kinds, words = _kinds(hint)
    if type(None) in kinds and value == "none":
        return None
    if value in words or str in kinds:
        return value
    if bool in kinds and value in ("true", "false"):
        return value == "true"
    if float in kinds:
        with suppress(ValueError):
            if is_number(number := float(value)):
                return number
    close = nearest(value, words) if words else ""
    raise OptionError(f"{what}: {name} must be {_expected(hint)}; found {value!r}{close}")


def _kinds(hint: Any) -> tuple[tuple[Any, ...], list[str]]:
    """The possible types of a part, and the words among its values."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    return kinds, [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]


def _expected(hint: Any) -> str:
    """The possible values of a part, in words."""
    kinds, said = _kinds(hint)
    said += {bool: ["true", "false"], float: ["a number"], str: ["a text"]}.get(kinds[0], [])
    said += ["none"] if type(None) in kinds and "none" not in said else []
    return " or ".join(filter(None, [", ".join(said[:-1]), said[-1]]))
