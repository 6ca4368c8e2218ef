"""The queue before the workers, alone: who begins next, who may wait, and that nobody waits for ever."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings, strategies as st

from lstm_trace.workers.pool import ClientId, QueuePlace, Turns

HOG, USER = ClientId("192.0.2.1", "a"), ClientId("192.0.2.1", "b")
clients = st.builds(ClientId, st.sampled_from(["1", "2"]), st.sampled_from(["a", "b", "c"]))


def begun(turns: Turns) -> list[QueuePlace]:
    found = []
    while (place := turns.begin()) is not None:
        found.append(place)
    return found


def test_one_that_asks_for_much_leaves_a_worker_to_the_others() -> None:
    turns = Turns(3, 2, 64, 16)
    for _ in range(10):
        turns.ask(HOG)
    assert [place.client for place in begun(turns)] == [HOG, HOG]
    turns.ask(USER)
    assert [place.client for place in begun(turns)] == [USER]


def test_turns_go_round() -> None:
    """Ten calls of one and three of another, one worker: they alternate until the other has none left."""
    turns = Turns(1, 1, 64, 16)
    for _ in range(10):
        turns.ask(HOG)
    order = ""
    for n in range(13):
        if n == 1:
            for _ in range(3):
                turns.ask(USER)
        [place] = begun(turns)
        order += place.client.page
        turns.leave(place)
    assert order == "abababaaaaaaa"


def test_invented_names_delay_their_own_address_alone() -> None:
    turns = Turns(1, 1, 64, 16)
    for n in range(30):
        turns.ask(ClientId("192.0.2.1", str(n)))
    [place] = begun(turns)
    other = turns.ask(ClientId("192.0.2.2"))
    turns.leave(place)
    assert begun(turns) == [other]


def test_who_may_wait() -> None:
    turns = Turns(1, 1, 4, 3)
    for _ in range(3):
        assert turns.has_room(HOG)
        turns.ask(HOG)
    assert not turns.has_room(HOG)  # three of one
    assert turns.has_room(USER)
    turns.ask(USER)
    assert not turns.has_room(USER)  # four in all
    assert turns.has_room(ClientId("192.0.2.9"))  # of whom nobody waits


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.one_of(clients, st.integers(0, 20)), max_size=60))
@settings(max_examples=300, deadline=None)
def test_whatever_comes_and_goes(at_once: int, of_one: int, events: list[ClientId | int]) -> None:
    """A client asks, or the n-th of all places ends; no worker idles while somebody could use it, and all end."""
    turns, places = Turns(at_once, of_one, 10, 4), []
    for event in events:
        if isinstance(event, ClientId):
            if not turns.has_room(event):
                assert sum(place.client == event for place in turns.waiting) >= min(4, 1)
                continue
            places.append(turns.ask(event))
        elif places:
            place = places.pop(event % len(places))
            turns.leave(place)
        begun(turns)
        running = Counter(place.client for place in turns.running)
        waiting = Counter(place.client for place in turns.waiting)
        assert running.total() <= at_once
        assert max(running.values(), default=0) <= of_one
        assert max(waiting.values(), default=0) <= 4
        if running.total() < at_once:
            assert all(running[client] == of_one for client in waiting)
        for client in waiting:
            first = [place.number for place in places if place.client == client]
            assert first == sorted(first)
    while turns.running:
        turns.leave(turns.running[0])
        begun(turns)
    assert not turns.waiting


def test_a_client_keeps_its_order() -> None:
    turns = Turns(1, 1, 64, 16)
    places = [turns.ask(HOG) for _ in range(5)]
    for expected in places:
        assert begun(turns) == [expected]
        turns.leave(expected)
