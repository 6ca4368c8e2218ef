"""The command line: arguments in, messages out; no arithmetic. A verb's module is imported when it is called."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn

import click

from .. import __version__
from ..base.conveniences import function_at
from ..base.packaged import packaged
from ..errors import LstmTraceError, reason, shortened
from ..printable import message
from . import terminal
from .commands import VERDICT, Verbs

if TYPE_CHECKING:
    from collections.abc import Iterator

#: See `Verbs`.
VERBS: dict[str, str] = packaged("cli/verbs.toml")["verbs"]
#: The module in `verbs/` of a verb that shares its module with others.
MODULES = dict.fromkeys(("show", "export", "inspect", "lines", "schema", "example", "checker"), "printed")
MODULES |= dict.fromkeys(("verify", "diff", "identify", "doctor", "mistakes"), "verdicts")
#: If this is set, the location of an unexpected error and the warnings of libraries are printed.
DEBUG = "LSTM_TRACE_DEBUG"


class _ReaderGoneError(Exception):
    """The reader of standard output has closed it. Not a click exception, which would end with exit code 1."""


class _Commands(Verbs):
    """Finds verbs by name, and turns every error into one message on stderr and exit code 2."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        with _reader_may_go():  # --help prints here
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        with _reader_may_go(ctx):
            super().invoke(ctx)
            sys.stdout.flush()
        return ctx.meta.get(VERDICT, 0)

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        terminal.prepare()
        with warnings.catch_warnings():
            if not os.environ.get(DEBUG):  # a library's warning on stderr would look like a message of ours
                warnings.simplefilter("ignore", append=True)  # the user's -W takes precedence
            code = self._code(*args, standalone_mode=False, **kwargs)
        if standalone_mode:
            sys.exit(code)
        return code

    def _code(self, *args: Any, **kwargs: Any) -> int:
        """Run, and return the exit code. Raises SystemExit."""
        # pydantic would search every installed package for plugins: 20 ms of the 300 that a report takes
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
        try:
            code = super().main(*args, **kwargs)
        except click.NoSuchOption as error:
            fail(_no_option(error))
        except click.ClickException as error:
            fail(error.format_message())
        except LstmTraceError as error:
            fail(*error.problems)
        except (KeyboardInterrupt, click.Abort):
            sys.exit(130)
        except _ReaderGoneError as gone:
            terminal.discard()
            code = gone.args[0]
        except MemoryError:
            fail("not enough memory; trace fewer steps, rows or lines")
        except OSError as error:
            terminal.discard()
            fail(f"{error.filename or 'output'}: {reason(error)}")
        except Exception as error:  # a bug of ours; exit code 1 would be a verdict
            fail(_unexpected(error))
        return code if isinstance(code, int) else 0


@contextmanager
def _reader_may_go(ctx: click.Context | None = None) -> Iterator[None]:
    """Turn a broken pipe into _ReaderGoneError, with the exit code that the command had set before it printed."""
    try:
        yield
    except BrokenPipeError:
        raise _ReaderGoneError(ctx.meta.get(VERDICT, 0) if ctx else 0) from None


def _no_option(error: click.NoSuchOption) -> str:
    """The message for an unknown option; for one of a run, how to give it to a run whose trace the command reads."""
    from .model_options import INPUTS, STORED

    name, option = error.ctx.command.name if error.ctx is not None else None, error.option_name
    if name not in ("export", "show", "verify") or option[2:].replace("-", "_") not in (*INPUTS, *STORED):
        return error.format_message()
    run = f"lstm-trace run SOURCE {option} … | lstm-trace {name} -"
    return f"{option} is an option of a run, and {name} reads its trace: {run}"


def _unexpected(error: Exception) -> str:
    """The message for an unforeseen error, with everything that a bug report needs."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if "lstm_trace" in frame.filename] or frames
    where = f"{os.path.basename(ours[-1].filename)}, line {ours[-1].lineno}" if ours else "unknown place"
    if os.environ.get(DEBUG):
        traceback.print_exc()
    said = " ".join(str(error).split())[:300]
    return (
        f"unexpected {type(error).__name__} ({where}): {said or 'no message'}. This is a bug in lstm-trace: please "
        "report it with this message, the command, the output of `lstm-trace --version` and, if you can, its files; "
        f"this is lstm-trace {__version__} on Python {sys.version.split()[0]}, and with {DEBUG}=1 the command prints "
        "all details"
    )


def _version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    """Print everything about the installation that a report of a fault needs; nothing is imported for it."""
    if wanted:
        import platform

        from ..base.extras import NEEDED, REQUIREMENTS, versions

        python = f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})"
        click.echo(f"lstm-trace {__version__}\nPython {python}\n{versions(NEEDED)}")
        click.echo(f"optional: {versions(REQUIREMENTS) or 'none'}\n{os.path.dirname(os.path.dirname(__file__))}")
        ctx.exit()


def fail(*problems: str) -> NoReturn:
    """Print one message on stderr, with a bullet for each problem if there are several; exit with code 2."""
    told = [message(problem) for problem in shortened(problems)]
    text = f"error: {told[0]}"
    if len(problems) > 1:
        text = "\n- ".join((f"error: {len(problems)} problems", *(one.replace("\n", "\n  ") for one in told)))
    with suppress(OSError, ValueError):  # stderr may be closed as well
        click.echo(text, err=True)
    sys.exit(2)


@click.command(
    cls=_Commands,
    verbs=VERBS,
    load=lambda verb: function_at(f"{__name__}.verbs.{MODULES.get(verb, verb)}:{verb}"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show versions.")
def main() -> None:
    """See inside an LSTM, GRU or RNN: trace, verify, explain and export every value that the cell computes.

    Begin with `lstm-trace example q22 > q22.yaml` and `lstm-trace report q22.yaml`.
    Exit codes: 0 success (no differences), 1 differences found or verification failed, 2 error.
    """
