"""The application: routes, the guard before them, and what lives from the start to the end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from anyio import to_thread
from fastapi import FastAPI

from .. import __version__
from ..runs.kept import Bounds
from ..runs.runs import Runs
from ..store.store import Store
from ..workers import Workers
from . import problems
from .description import described
from .jobs import Jobs, Resources
from .middleware import Disconnects, Guard
from .routes import library, meta, page, runs
from .settings import Settings

ROUTERS = (meta.router, library.router, runs.router, runs.comparisons, runs.corpora)
_DESCRIPTION = (
    "Every value that an LSTM computes, of your model too: runs, edits, differences, explanations, verifications. "
    'Numbers are in full; NaN and the infinities are the strings "NaN", "Infinity" and "-Infinity". Errors are problem '
    "documents (RFC 9457) with the message of the command line. docs/service.md has examples."
)


def create_app(settings: Settings, workers: Workers) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: how it is started.
        workers: that compute; they start with the lifespan of the application, unless they have, and end with it.

    Returns:
        The application.

    Raises:
        OptionError: for a host that other machines can reach, without a token.
    """
    settings.check()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        limits = settings.limits
        async with workers:
            store = await to_thread.run_sync(Store, settings.store, settings.files, limits.items)
            bounds = Bounds(limits.values_per_run, limits.live_units, limits.runs, limits.run_bytes)
            with closing(store):
                kept = Runs(store.folder / "runs", bounds, workers, store)
                async with Jobs(kept.call, limits) as jobs:
                    app.state.resources = Resources(settings, workers, jobs, kept, store)
                    for file in settings.sources:
                        await library.add_copy(app.state.resources, Path(file), Path(file).name)
                    await workers.until_warm()  # or the first request would be answered by a job
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
        responses={
            429: {
                "model": problems.ProblemDocument,
                "description": "too much waits; send the request again after Retry-After",
                "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}},
            },
            503: {"model": problems.ProblemDocument, "description": "the library or the runs cannot be used now"},
            "4XX": {"model": problems.ProblemDocument, "description": "what is wrong"},
        },
    )
    app.state.settings = settings
    problems.add_handlers(app)
    for router in (*ROUTERS, page.page_router()):
        app.include_router(router)
    app.add_middleware(Disconnects)
    app.add_middleware(Guard, settings=settings)  # added last, so it is asked first
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app
