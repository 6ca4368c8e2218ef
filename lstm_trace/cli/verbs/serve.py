"""`lstm-trace serve`: the bench in the browser, and the API."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import click

from ...base.option import Option
from ..commands import command
from ..options import echo

#: Dependencies of the service, by the names under which they are imported and installed.
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
    """Open the bench in the browser: change a cell, follow every number, compare runs, keep results.

    Each FILE (a problem, trace or model) is put into the library first. The address is printed; Ctrl-C stops the
    server. The same server has an API for programs (docs/service.md).

    Args:
        host: Address to listen on; any other than this machine needs a token.
        port: Port; 0 means any free port.
        store: The library's database: sqlite:/// or postgresql://.
        files: Folder of the library's files (next to the database).
        states: Folder of states written by corpus run, to browse; repeatable.
        token: Token that requests must carry [$LSTM_TRACE_TOKEN].
        seconds: Maximum duration of a computation (10).
        at_once: Maximum number of concurrent computations (3); one client may use one fewer.
        browser: Open the browser, if there is a screen.
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
    settings.check()  # before the imports, which take a second
    check(states)
    from ...service.server import open_browser, serve

    def ready(address: str) -> None:
        echo(address)
        sys.stdout.flush()
        if browser:
            open_browser(address)

    serve(settings, ready)
