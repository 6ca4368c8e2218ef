"""What the routes of a running service share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from ..runs.runs import Runs
from ..store.store import Store
from ..workers import Workers
from .jobs import Jobs
from .settings import Settings


@dataclass(frozen=True)
class Resources:
    """What a service holds from its start to its end.

    settings: how it was started. workers, jobs: where and how it computes. runs: the runs that are kept. store: the
    library.
    """

    settings: Settings
    workers: Workers
    jobs: Jobs
    runs: Runs
    store: Store


async def resources(request: Request) -> Resources:
    """What the service that answers a request holds. (FastAPI would call a plain function in another thread.)"""
    found: Resources = request.app.state.resources
    return found


#: An argument of a route.
Service = Annotated[Resources, Depends(resources)]
