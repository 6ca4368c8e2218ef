"""What the routes of a running service share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request

from .jobs import Jobs
from .settings import Settings
from .workers import Workers


@dataclass(frozen=True)
class Held:
    """What a service holds from its start to its end.

    settings: how it was started. workers, jobs: where and how it computes. runs: the runs that are kept. store: the
    library.
    """

    settings: Settings
    workers: Workers
    jobs: Jobs
    runs: Any = None
    store: Any = None


def held(request: Request) -> Held:
    """What the service that answers a request holds."""
    found: Held = request.app.state.held
    return found
