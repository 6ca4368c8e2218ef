"""The application: routes, the guard before them, and what lives from the start to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from .. import __version__
from . import problems
from .disconnects import Disconnects
from .held import Held
from .jobs import Jobs
from .routes import comparisons, downloads, library, meta, page, runs, views
from .runs import Runs
from .security import Guard
from .settings import Settings
from .store.store import Store
from .uploads import add_files
from .workers import Workers

ROUTERS = (meta.router, library.router, runs.router, views.router, comparisons.router, downloads.router)
_DESCRIPTION = (
    "Every value that an LSTM computes, of one's own model: runs, edits, differences, explanations, proofs. Numbers "
    'are in full; NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity". Errors are problem '
    "documents (RFC 9457) with the message of the command line. docs/service.md has examples."
)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: how it is started.

    Returns:
        The application; its workers start and end with its lifespan.

    Raises:
        OptionError: for a host that other machines can reach, without a token.
    """
    settings.check()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        store = await to_thread.run_sync(Store, settings.store, settings.files, settings.limits.items)
        with closing(store):
            async with Workers(settings.limits) as workers, Jobs(workers, settings.limits) as jobs:
                kept = Runs(store.folder / "runs", settings.limits, workers, store)
                app.state.held = Held(settings, workers, jobs, kept, store)
                await add_files(app.state.held, settings.sources)
                yield

    app = FastAPI(
        title="lstm-trace",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={"4XX": {"model": problems.ProblemDocument, "description": "what is wrong"}},
    )
    app.state.settings = settings
    problems.add_handlers(app)
    for router in (*ROUTERS, page.page_router()):
        app.include_router(router)
    app.add_middleware(Disconnects)
    app.add_middleware(Guard, settings=settings)  # added last, so it is asked first
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """The description of the API, in which errors have the type that they are sent with."""
    if app.openapi_schema is None:
        found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in found["paths"].values():
            for operation in path.values():
                for status, reply in operation["responses"].items():
                    if status.startswith("4") and "application/json" in reply.get("content", {}):
                        reply["content"][problems.MEDIA] = reply["content"].pop("application/json")
        app.openapi_schema = found
    return app.openapi_schema
