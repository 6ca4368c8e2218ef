"""Whose turn it is: clients take turns, so that one that asks for much delays itself alone."""

from __future__ import annotations

from typing import NamedTuple


class Client(NamedTuple):
    """Who asks. address: of the network. page: which of those there, as they say themselves."""

    address: str = ""
    page: str = ""


class Place:
    """A place of a client in the queue, or among those that compute."""

    def __init__(self, client: Client, number: int) -> None:
        self.client, self.number = client, number
        self.begun = False


class Turns:
    """A queue that is fair: first between addresses, then between the pages of one, then in the order of asking.

    A client that has more turns at the moment comes later, then one that had its last turn later. So those who invent
    names of pages delay their own address alone.

    at_once: how many compute at the same time. of_one: how many of one client. waiting, waiting_of_one: how many may
    wait; a client of which nobody waits always may.
    """

    def __init__(self, at_once: int, of_one: int, waiting: int, waiting_of_one: int) -> None:
        self.at_once, self.of_one = at_once, of_one
        self.most_waiting, self.most_of_one = waiting, waiting_of_one
        self.waiting: list[Place] = []
        self.running: list[Place] = []
        self._count = 0
        self._last: dict[Client | str, int] = {}  # the number of the last turn, of clients and of addresses

    def has_room(self, client: Client) -> bool:
        """Whether one more of a client may wait, or need not."""
        own = sum(place.client == client for place in self.waiting)
        if own == 0:
            return self.most_of_one > 0 or self._may_begin(client)
        return own < self.most_of_one and len(self.waiting) < self.most_waiting

    def ask(self, client: Client) -> Place:
        """A place in the queue, for a client that has room or had it before."""
        self._count += 1
        self.waiting.append(place := Place(client, self._count))
        return place

    def begin(self) -> Place | None:
        """The place whose turn it is now, which leaves the queue; None where nobody's is."""
        fit = [place for place in self.waiting if self._may_begin(place.client)]
        if not fit:
            return None
        found = min(fit, key=self._order)
        self.waiting.remove(found)
        self.running.append(found)
        found.begun = True
        self._count += 1
        self._last[found.client] = self._last[found.client.address] = self._count
        return found

    def leave(self, place: Place) -> None:
        """End a turn, or give up waiting for it."""
        (self.running if place.begun else self.waiting).remove(place)
        if not self.waiting and not self.running:
            self._last.clear()

    def _may_begin(self, client: Client) -> bool:
        own = sum(place.client == client for place in self.running)
        return len(self.running) < self.at_once and own < self.of_one

    def _order(self, place: Place) -> tuple[int, ...]:
        here = sum(place.client.address == other.client.address for other in self.running)
        own = sum(place.client == other.client for other in self.running)
        last = self._last.get
        return here, last(place.client.address, 0), own, last(place.client, 0), place.number
