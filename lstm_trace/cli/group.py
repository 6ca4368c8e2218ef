"""A command of commands: they are found by name, and imported when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from functools import partial
from importlib import import_module
from typing import Any

import click

from ..errors import nearest
from .options import spare_inputs


class Verbs(click.Group):
    """Finds its commands by name.

    verbs: in the order in which a user meets them, each with its line of `--help`; `package.VERB` has the `command`.
    The lines stand in a table because importing all the verbs takes 40 ms, more than click itself needs.
    """

    def __init__(self, *args: Any, verbs: Mapping[str, str], package: str, **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.verbs, self.package = verbs, package

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.verbs:
            return None
        command = copy(self.load(cmd_name))
        command.callback = partial(spare_inputs, command, command.callback)
        return command

    def load(self, name: str) -> click.Command:
        """The command of a name among `verbs`."""
        command: click.Command = import_module(f"{self.package}.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.verbs.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.verbs and not args[0].startswith("-"):
            raise click.UsageError(f"no command {args[0]!r}{nearest(args[0], self.verbs, 'there are')}")
        return super().resolve_command(ctx, args)
