"""`lstm-trace serve`: the bench in the browser, and the API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click

from ...base.option import Option
from ..commands import command
from ..options import echo

#: What the service is made of, by the name to import and to install.
_PACKAGES = {"fastapi": "fastapi", "uvicorn": "uvicorn", "sqlalchemy": "SQLAlchemy"}


@command("serve")
def serve(
    sources: Annotated[tuple[str, ...], Option(metavar="[FILE]..."), click.Path()] = (),
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Option(least=0, most=65_535)] = 8000,
    store: str = "sqlite:///store.db",
    files: Annotated[str | None, click.Path(file_okay=False)] = None,
    states: Annotated[tuple[str, ...], click.Path(file_okay=False)],
    token: Annotated[str | None, Option(variable="LSTM_TRACE_TOKEN")] = None,
    seconds: Annotated[float | None, Option(least=0, above=True)] = None,
    at_once: Annotated[int | None, Option(least=1)] = None,
    browser: Annotated[bool, Option(flag="--open/--no-open")] = True,
) -> None:
    """Open the bench in the browser: change a cell, follow every number, compare, keep.

    Each FILE, a problem, trace or model, is put into the library first. The address is printed; Ctrl-C ends the server.
    The same server answers programs (docs/service.md).

    Args:
        host: Where to listen; other hosts need a token.
        port: 0 is any free port.
        store: The library's database: sqlite:/// or postgresql://.
        files: Folder of the library's files (beside the database).
        states: States of corpus run to look at; repeatable.
        token: What requests must show [$LSTM_TRACE_TOKEN].
        seconds: Time of a computation at most (10).
        at_once: Computations at the same time (3); of one client one less.
        browser: Open the browser, where there is a screen.
    """
    from importlib.util import find_spec

    from ...base.extras import missing
    from ...errors import OptionError

    if absent := [package for module, package in _PACKAGES.items() if find_spec(module) is None]:
        raise OptionError(missing("lstm-trace serve", absent[-1], others=absent[:-1]))
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
