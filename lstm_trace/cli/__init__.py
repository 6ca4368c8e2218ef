"""The command line: arguments in, messages out; no arithmetic. One file for each verb, imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any, NoReturn

import click

from .. import __version__
from ..errors import LstmTraceError

#: Verbs in the order in which a user meets them; `lstm_trace.cli.<verb>` has the `command`.
VERBS = (
    "run", "report", "show", "export", "verify", "diff", "explain", "inspect", "identify", "schema", "example",
)  # fmt: skip


class _Group(click.Group):
    """Finds verbs by name, and turns every fault into one message on stderr and exit code 2."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f".{cmd_name}", __name__).command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        import difflib  # only on the way to an error

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            close = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(VERBS)}"
            raise click.UsageError(f"no command {args[0]!r}; {hint}")
        return super().resolve_command(ctx, args)

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
            sys.stdout.flush()
        except click.ClickException as error:
            fail(error.format_message())
        except LstmTraceError as error:
            fail(*error.problems)
        except (KeyboardInterrupt, click.Abort):
            sys.exit(130)
        except BrokenPipeError:  # the reader of a pipe has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except MemoryError:
            fail("not enough memory; trace fewer steps, rows or lines")
        except OSError as error:
            fail(f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}")
        if standalone_mode:
            sys.exit(code if isinstance(code, int) else 0)
        return code


def fail(*problems: str) -> NoReturn:
    """One message on stderr, with a mark for each problem where there are several; exit code 2."""
    if len(problems) == 1:
        click.echo(f"error: {problems[0]}", err=True)
    else:
        rows = (problem.replace("\n", "\n  ") for problem in problems)
        click.echo("\n- ".join((f"error: {len(problems)} problems", *rows)), err=True)
    sys.exit(2)


@click.command(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="lstm-trace", message="%(prog)s %(version)s")
def main() -> None:
    """See inside an LSTM: trace, prove, explain and export every value that the cell computes.

    Begin with `lstm-trace example q22 > q22.yaml` and `lstm-trace report q22.yaml`.
    Exit codes: 0 well or same, 1 different or not proven, 2 trouble.
    """
