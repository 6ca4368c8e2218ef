"""What the routes of a running service share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Response

from ..runs.runs import Runs
from ..store.store import Store
from ..workers import Told, Workers
from .jobs import JSON, Jobs
from .settings import Settings


class RunId(str):
    """An argument of `Held.reply`: the function gets the path of that run's trace in its place."""

    __slots__ = ()


@dataclass(frozen=True)
class Held:
    """What a service holds from its start to its end.

    settings: how it was started. workers, jobs: where and how it computes. runs: the runs that are kept. store: the
    library.
    """

    settings: Settings
    workers: Workers
    jobs: Jobs
    runs: Runs
    store: Store

    async def reply(self, function: Callable[..., bytes], *args: Any, media: str = JSON) -> Response:
        """The reply that `function(*args)` makes of kept runs in a worker, or 202 where that takes longer.

        Args:
            function: of a module.
            args: that can be pickled; each RunId, also in a tuple, becomes a path.
            media: type of the reply.

        Raises:
            LstmTraceError: as `Jobs.follow` and `Runs.using`.
        """
        flat = [one for arg in args for one in (arg if isinstance(arg, tuple) else (arg,))]
        ids = [one for one in flat if isinstance(one, RunId)]

        async def work(told: Told) -> Response:
            async def read(paths: Mapping[str, str]) -> bytes:
                return await self.workers.call(function, *(_placed(arg, paths) for arg in args), told=told)

            return Response(await self.runs.using(ids, read), media_type=media)

        return await self.jobs.follow(work)


def _placed(arg: Any, paths: Mapping[str, str]) -> Any:
    """An argument with the path of each run in its place."""
    if type(arg) is tuple:  # and not what has names, which goes as it is
        return tuple(_placed(one, paths) for one in arg)
    return paths[arg] if isinstance(arg, RunId) else arg


async def held(request: Request) -> Held:
    """What the service that answers a request holds. (FastAPI would call a plain function in another thread.)"""
    found: Held = request.app.state.held
    return found


#: An argument of a route.
Service = Annotated[Held, Depends(held)]
