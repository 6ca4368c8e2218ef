"""A process that uses a store as a server does, for tests that kill it or run several: URL, folder, what, seed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

FACTS = {"kind": "trace", "title": "", "cell": "lstm", "sizes": {"T": 3}, "suffix": ".json"}
UPLOADS = 100


def content(seed: int, n: int) -> bytes:
    """The bytes of an upload: up to 300 kB."""
    draw = np.random.default_rng((seed, n))
    return draw.bytes(int(draw.integers(1, 300_000)))


def pieces(whole: bytes) -> Iterator[bytes]:
    """The same in pieces, as a network brings them."""
    for at in range(0, len(whole), 20_000):
        yield whole[at : at + 20_000]


def add(store: Any, content: Iterable[bytes], facts: Mapping[str, Any], label: str, **more: Any) -> Any:
    """Keep what comes in pieces, as the service does."""
    with store.part() as new:
        for piece in content:
            new.write(piece)
        return store.keep(new, facts, label, **more)


def upload(store: Any, seed: int) -> None:
    """Upload, and print the id of what is kept."""
    for n in range(UPLOADS):
        item = add(store, pieces(content(seed, n)), FACTS, f"{seed}-{n}.json", tags=["a", "b"])
        # in one write, whatever the environment says of buffering: whoever is killed has said a row or none of it
        sys.stdout.write(f"{item['id']} {n}\n")
        sys.stdout.flush()


def mix(store: Any, seed: int) -> None:
    """Upload, edit and delete, also what others have uploaded."""
    from lstm_trace.store.files import LostFileError, UnknownItemError

    draw = np.random.default_rng(seed)
    for n in range(30):
        add(store, [b"%d %d" % (seed, n)], FACTS, f"{seed}-{n}.json", tags=["new"])
        items, total = store.find(limit=5)
        assert total >= len(items)
        for item in items:
            try:
                if draw.random() < 0.1:
                    store.delete(item["id"])
                else:
                    store.update(item["id"], f"by {seed}", [f"t{n}" for n in draw.integers(4, size=3)])
                    store.path(item["id"])
            except (UnknownItemError, LostFileError):  # another has deleted it
                pass


if __name__ == "__main__":
    from lstm_trace.store.store import Store

    _, url, folder, what, seed = sys.argv
    store = Store(url, folder)
    {"upload": upload, "mix": mix}[what](store, int(seed))
    store.close()
