"""`lstm-trace serve`: the bench in the browser, and the API."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ..options import echo

#: What the service is made of, by the name to import and to install.
_PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "sqlalchemy": "SQLAlchemy"}


@click.command("serve")
@click.argument("sources", metavar="[FILE]...", nargs=-1, type=click.Path())
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen; other hosts need a token.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="0 is any free port.")
@click.option(
    "--store",
    default="sqlite:///store.db",
    show_default=True,
    help="The library's database: sqlite:/// or postgresql://.",
)
@click.option("--files", type=click.Path(file_okay=False), help="Folder of the library's files (beside the database).")
@click.option(
    "--states",
    multiple=True,
    type=click.Path(file_okay=False),
    help="States of corpus run to look at; repeatable.",
)
@click.option("--token", envvar="LSTM_TRACE_TOKEN", help="What requests must show [$LSTM_TRACE_TOKEN].")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), help="Time of a computation at most (10).")
@click.option("--at-once", type=click.IntRange(1), help="Computations at the same time (3); of one client one less.")
@click.option("--open/--no-open", "browser", default=True, help="Open the browser, where there is a screen.")
def command(
    sources: tuple[str, ...],
    host: str,
    port: int,
    store: str,
    files: str | None,
    states: tuple[str, ...],
    token: str | None,
    seconds: float | None,
    at_once: int | None,
    browser: bool,
) -> None:
    """Open the bench in the browser: change a cell, follow every number, compare, keep.

    Each FILE, a problem, trace or model, is put into the library first. The address is printed; Ctrl-C ends the server.
    The same server answers programs (docs/service.md).
    """
    _check_packages()
    from ...runs.states_folder import check, named
    from ...service.settings import Limits, Settings

    given = {name: value for name, value in (("seconds", seconds), ("at_once", at_once)) if value is not None}
    limits = Limits.model_validate(given)
    settings = Settings(host, port, store, Path(files) if files else None, token, sources, named(states), limits)
    settings.check()  # before what takes a second to import
    check(states)
    from ...service.server import open_browser, serve

    def ready(address: str) -> None:
        echo(address)
        sys.stdout.flush()
        if browser:
            open_browser(address)

    serve(settings, ready)


def _check_packages() -> None:
    """Raise OptionError with the command that installs what is missing."""
    from importlib.util import find_spec

    from ...base.extras import missing
    from ...errors import OptionError

    absent = [package for module, package in _PACKAGES.items() if find_spec(module) is None]
    if absent:
        raise OptionError(missing("lstm-trace serve", absent[-1], others=absent[:-1]))
