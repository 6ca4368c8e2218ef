"""Options of a command as they were typed, for a command that is to be copied."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .model_options import INPUTS, STORED

if TYPE_CHECKING:
    import click

    from ..view.view import Source

#: Options that say which trace a source gives.
OPENING = (*INPUTS, *STORED, "hold", "allow_nonfinite")


def source_as_typed(context: click.Context, source: str) -> Source:
    """A source of a command with the options by which it is opened; what comes by standard input has no name."""
    from ..trace.files.trace_file import is_trace
    from ..view.view import UNNAMED, Source

    options = tuple(part for name in OPENING for part in _typed(context, name))
    if "-" in (source, *options):
        return UNNAMED
    source = f"./{source}" if source.startswith("-") else source  # else it would be read as an option
    return Source(source, options, bool(context.params["hold"]) or not is_trace(source))


def _typed(context: click.Context, name: str) -> Iterator[str]:
    """An option with its value; nothing where it was not given."""
    value: Any = context.params[name]
    if value is None or (value is False and name == "allow_nonfinite") or value == {}:
        return
    option = next(param for param in context.command.params if param.name == name)
    if value is False:
        yield option.secondary_opts[0]
    elif value is True:
        yield option.opts[0]
    elif isinstance(value, dict):
        for address, held in value.items():
            yield from (option.opts[0], f"{address}={held}")
    else:
        yield from (option.opts[0], str(value))
