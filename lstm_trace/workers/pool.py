"""Workers: a few processes that compute, a fair queue before them, and a time limit that kills.

The processes are our own rather than those of anyio's `to_process`: those are started during the first call (0.7 s
for our imports) and dropped after five idle minutes, answer Ctrl-C in the terminal on their own, discard what is
printed on stderr, run the server's main module once more, and go on computing when the server is killed.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple, TypeVar

import anyio
from anyio import to_thread

from .process import BusyError, DiedError, Process, Progress, TooLongError, pickled


class ClientId(NamedTuple):
    """Who asks. address: of the network. page: which page at that address, by its own account."""

    address: str = ""
    page: str = ""


class QueuePlace:
    """A place of a client in the queue, or among the running computations."""

    def __init__(self, client: ClientId, number: int) -> None:
        self.client, self.number = client, number
        self.begun = False


class Turns:
    """A queue that is fair: first between addresses, then between the pages of an address, then in the order of
    requests.

    A client that has more turns at the moment comes later, then one that had its last turn later. Inventing names of
    pages therefore only delays one's own address.

    at_once: how many compute at the same time. of_one: how many of one client. waiting, waiting_of_one: how many may
    wait; a client that has none waiting always may.
    """

    def __init__(self, at_once: int, of_one: int, waiting: int, waiting_of_one: int) -> None:
        self.at_once, self.of_one = at_once, of_one
        self.most_waiting, self.most_of_one = waiting, waiting_of_one
        self.waiting: list[QueuePlace] = []
        self.running: list[QueuePlace] = []
        self._count = 0
        self._last: dict[ClientId | str, int] = {}  # the number of the last turn, of clients and of addresses

    def has_room(self, client: ClientId) -> bool:
        """Whether one more request of a client may wait, or need not wait."""
        if (own := sum(place.client == client for place in self.waiting)) == 0:
            return self.most_of_one > 0 or self._may_begin(client)
        return own < self.most_of_one and len(self.waiting) < self.most_waiting

    def ask(self, client: ClientId) -> QueuePlace:
        """A place in the queue, for a client that has room or had it before."""
        self._count += 1
        self.waiting.append(place := QueuePlace(client, self._count))
        return place

    def begin(self) -> QueuePlace | None:
        """The place whose turn it is now, which leaves the queue; None if it is nobody's turn."""
        fit = [place for place in self.waiting if self._may_begin(place.client)]
        if (found := min(fit, key=self._order, default=None)) is None:
            return None
        self.waiting.remove(found)
        self.running.append(found)
        found.begun = True
        self._count += 1
        self._last[found.client] = self._last[found.client.address] = self._count
        return found

    def leave(self, place: QueuePlace) -> None:
        """End a turn, or give up waiting for it."""
        (self.running if place.begun else self.waiting).remove(place)
        if not self.waiting and not self.running:
            self._last.clear()

    def _may_begin(self, client: ClientId) -> bool:
        own = sum(place.client == client for place in self.running)
        return len(self.running) < self.at_once and own < self.of_one

    def _order(self, place: QueuePlace) -> tuple[int, ...]:
        here = sum(place.client.address == other.client.address for other in self.running)
        own = sum(place.client == other.client for other in self.running)
        last = self._last.get
        return here, last(place.client.address, 0), own, last(place.client, 0), place.number


R = TypeVar("R")
#: A worker that occupies more bytes after a call is replaced: memory that was freed in pieces is not returned.
MOST_IDLE_BYTES = 600_000_000


@dataclass(eq=False)
class Asked:
    """A request, which may lead to several calls, one after the other.

    client: the client that sent it. patient: whether it waits for its turns without limit, rather than `wait_seconds`.
    admitted: whether one of its calls was let into the queue; the next ones then have their place. waiting: whether it
    is waiting for a turn now.
    """

    client: ClientId = field(default_factory=ClientId)
    patient: bool = False
    admitted: bool = False
    waiting: bool = False


#: The request that a task works for.
asked: ContextVar[Asked] = ContextVar("asked")


@dataclass(eq=False)
class Workers:
    """Computes in separate processes. A context, or `start` and `stop`.

    Args:
        warm: a function, `module:function`, which every process calls before its first call. It is named, since whoever
            starts processes need not import what they do.
        at_once: how many compute at the same time. of_one: how many of one client; all of them if None.
        waiting, waiting_of_one: how many more may wait for their turn, in all and of one client.
        wait_seconds: how long one that is not patient waits for its turn.
        seconds: how long a computation may take. way: how to allow more, for the message if it takes longer.
        memory: bytes that a process may allocate.
        smaller: what makes a computation smaller, for the messages if it needs too much time or memory.
    """

    warm: str = ""
    _: KW_ONLY
    at_once: int = 2
    of_one: int | None = None
    waiting: int = 16
    waiting_of_one: int = 16
    wait_seconds: float = 5.0
    seconds: float = 10.0
    way: str = ""
    memory: int = 4_000_000_000
    smaller: str = ""

    def __post_init__(self) -> None:
        self.turns = Turns(self.at_once, self.of_one or self.at_once, self.waiting, self.waiting_of_one)
        self._begins: dict[QueuePlace, anyio.Event] = {}
        self._stopped = False
        self._idle: list[Process] = []
        self._all: set[Process] = set()
        # a thread waits for each call; a few more for those that have yet to notice that their process was killed
        self._threads = anyio.CapacityLimiter(4 * self.at_once + 4)

    def start(self) -> None:
        """Start the missing processes; calls that arrive before they are warm wait for that."""
        while len(self._all) < self.at_once:
            self._all.add(process := Process(self.memory, self.warm, self.smaller))
            self._idle.append(process)

    async def until_warm(self) -> None:
        """Wait until as many processes as one client may use are warm. Raises DiedError."""
        for process in self._idle[: self.turns.of_one]:
            await to_thread.run_sync(process.wait_ready, limiter=self._threads)

    async def stop(self) -> None:
        """End the processes, including those that are computing."""
        self._stopped = True
        for process in list(self._all):
            await self._end(process)

    async def __aenter__(self) -> Workers:
        """Start."""
        self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        await self.stop()

    async def call(
        self, function: Callable[..., R], *args: Any, progress: Progress | None = None, seconds: float | None = None
    ) -> R:
        """What `function(*args)` returns, computed in a worker.

        If the task that waits is cancelled, the computation is killed.

        Args:
            function: of a module, so that it can be pickled.
            args: arguments that can be pickled.
            progress: is told the progress, in another thread: see `tell`.
            seconds: how long it may take, if not the usual time.

        Returns:
            What the function returns.

        Raises:
            BusyError: if too many wait, or this has waited too long.
            TooLongError: if it took longer, and was killed.
            DiedError: if its process ended.
            Exception: what the function raised.
        """
        call = pickled((function, args))
        async with self._turn(), self._process() as process:
            answer: R = await self._answer(process, call, progress, seconds or self.seconds)  # it was pickled
            return answer

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """A turn to compute. Raises BusyError."""
        given, turns = asked.get(None) or Asked(), self.turns
        if not given.admitted and not turns.has_room(given.client):
            said = f"{len(turns.running)} computations run and {len(turns.waiting)} wait"
            raise BusyError(f"{said}; try again in a moment")
        given.admitted = given.waiting = True
        place = turns.ask(given.client)
        try:
            begins = self._begins[place] = anyio.Event()
            self._begin()
            with anyio.move_on_after(math.inf if given.patient else self.wait_seconds):
                await begins.wait()
            if not place.begun:
                raise BusyError(f"waited {self.wait_seconds:g} s for other computations; try again in a moment")
            given.waiting = False
            yield
        finally:
            given.waiting = False
            self._begins.pop(place, None)
            turns.leave(place)
            self._begin()

    def _begin(self) -> None:
        """Begin every turn that can."""
        while (place := self.turns.begin()) is not None:
            self._begins[place].set()

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        """A process, with its imports done if there is one; afterwards it, or its replacement, is idle again."""
        process = next((process for process in reversed(self._idle) if process.ready), self._idle[0])
        self._idle.remove(process)
        try:
            if not process.alive:  # killed from outside while it was idle
                process = await self._renewed(process)
            await to_thread.run_sync(process.wait_ready, abandon_on_cancel=True, limiter=self._threads)
            yield process
        finally:
            try:
                if not self._stopped and (not process.alive or process.size > MOST_IDLE_BYTES):
                    with anyio.CancelScope(shield=True):
                        process = await self._renewed(process)
            finally:  # where none could be started, the next call tries again
                self._idle.append(process)

    async def _answer(self, process: Process, call: bytes, progress: Progress | None, seconds: float) -> Any:
        """The answer of a process, which is killed if nobody waits for it any longer."""
        done = False
        try:
            with anyio.move_on_after(seconds):
                given: dict[str, Any] = {"abandon_on_cancel": True, "limiter": self._threads}
                answer = await to_thread.run_sync(process.call, call, progress, **given)
                done = True
                return answer
        except Exception as error:  # of the function: the process goes on
            done = not isinstance(error, DiedError)
            raise
        finally:
            if not done:
                with anyio.CancelScope(shield=True):
                    await self._end(process)
        advice = ", or ".join(filter(None, (self.smaller, self.way)))
        raise TooLongError(f"the computation took more than {seconds:g} s and was stopped{advice and f'; {advice}'}")

    async def _end(self, process: Process) -> None:
        process.kill()  # first, so that the threads that wait for it are free
        await to_thread.run_sync(process.end, limiter=self._threads)
        self._all.discard(process)

    async def _renewed(self, process: Process) -> Process:
        """Another process in place of one, which ends; its imports continue in the background."""
        await self._end(process)
        new = await to_thread.run_sync(Process, self.memory, self.warm, self.smaller, limiter=self._threads)
        self._all.add(new)
        return new
