"""The application: its routes, the guard in front of them, and the resources that live as long as it does."""

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

_DESCRIPTION = (
    "Every value that an LSTM, GRU or RNN computes, also in your own models: runs, edits, differences, explanations, "
    'verification. Numbers have full precision; NaN and the infinities are the strings "NaN", "Infinity" and '
    '"-Infinity". Errors are problem documents (RFC 9457) with the message of the command line. docs/service.md has '
    "examples."
)


def create_app(settings: Settings, workers: Workers) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: how it is started.
        workers: the processes that compute; unless they are running already, they are started with the application, and
            they end with it.

    Returns:
        The application.

    Raises:
        OptionError: if other machines can reach the host, and there is no token.
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
                    await workers.until_warm()  # otherwise the first request would be answered by a job
                    yield

    app = FastAPI(
        title="lstm-trace",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,  # these pages load scripts from other hosts
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        responses={
            429: {
                "model": problems.ProblemDocument,
                "description": "too many requests are waiting; repeat this one after Retry-After",
                "headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "seconds"}},
            },
            503: {"model": problems.ProblemDocument, "description": "the library or the runs are unavailable now"},
            "4XX": {"model": problems.ProblemDocument, "description": "the request is wrong"},
        },
    )
    app.state.settings = settings
    problems.add_handlers(app)
    for router in (meta.router, library.router, runs.router, runs.comparisons, runs.corpora, page.page_router()):
        app.include_router(router)
    app.add_middleware(Disconnects)
    app.add_middleware(Guard, settings=settings)  # added last, so it runs first
    app.openapi = lambda: described(app)  # type: ignore[method-assign]
    return app
