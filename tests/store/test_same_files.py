"""The same file is one item, however often, under whatever name and by however many servers it is kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy")

from lstm_trace.errors import OptionError
from lstm_trace.store.store import Store

from .uploader import add


def facts(title: str = "", suffix: str = ".yaml") -> dict[str, Any]:
    return {"kind": "problem", "title": title, "cell": "lstm", "sizes": {}, "suffix": suffix}


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    found = Store(url, tmp_path / "files", most_items=3)
    yield found
    found.close()


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir() if path.name != ".store")


def test_the_same_bytes_are_one_item_under_any_name(store: Store) -> None:
    first = add(store, [b"1"], facts("In the file"), "a.yaml")
    assert add(store, [b"1"], facts("In the file"), "a.yaml") == first
    assert add(store, [b"1"], facts("In the file"), "b.yaml") == first
    assert store.find() == ([first], 1)
    assert files(store) == [f"{first['id']}.yaml"]
    assert add(store, [b"2"], facts(), "a.yaml")["id"] != first["id"]
    assert add(store, [b"1"], facts(suffix=".json"), "a.json")["id"] != first["id"]  # another reader reads it
    assert store.find()[1] == len(files(store)) == 3
    assert add(store, [b"1"], facts("In the file"), "c.yaml") == first  # and the store is full


def test_the_tags_of_both_are_there(store: Store) -> None:
    item = add(store, [b"1"], facts(), "a.yaml", tags=["b", "a"])
    assert add(store, [b"1"], facts(), "a.yaml", tags=["c", "a"]) == {**item, "tags": ["a", "b", "c"]}
    assert store.item(item["id"])["tags"] == ["a", "b", "c"]
    assert store.find("c")[1] == store.find(tag="c")[1] == 1
    with pytest.raises(OptionError, match="22 tags; an item has at most 20"):
        add(store, [b"1"], facts(), "a.yaml", tags=map(str, range(19)))
    assert store.item(item["id"])["tags"] == ["a", "b", "c"]
    assert len(files(store)) == 1


def test_the_title_stays(store: Store) -> None:
    item = add(store, [b"1"], facts("In the file"), "a.yaml", title="Mine")
    for title in ("", "In the file", "a.yaml", "Other"):
        assert add(store, [b"1"], facts("In the file"), "a.yaml", title=title) == item


@pytest.mark.parametrize("damage", ["gone", "shorter", "other bytes"])
def test_an_item_whose_file_is_not_whole_is_whole_again(store: Store, damage: str) -> None:
    lost = add(store, [b"12"], facts(), "a.yaml")
    path = store.path(lost["id"])
    path.unlink() if damage == "gone" else path.write_bytes(b"1" if damage == "shorter" else b"xx")
    assert add(store, [b"12"], facts(), "a.yaml") == lost
    assert store.path(lost["id"]).read_bytes() == b"12"
    assert files(store) == [path.name]


@pytest.mark.few(0)
def test_several_servers_keep_the_same_file_at_the_same_moment(url: str, tmp_path: Path) -> None:
    stores = [Store(url, tmp_path / "files") for _ in range(4)]
    for n in range(10):
        start, found = threading.Barrier(len(stores)), []

        def one(store: Store, n: int = n, start: Any = start, found: list[str] = found) -> None:
            with store.part() as new:
                new.write(b"%d" % n)
                start.wait(30)
                found.append(store.keep(new, facts(), "a.yaml", tags=[new.id])["id"])

        threads = [threading.Thread(target=one, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == len(stores)
        assert len(set(found)) == 1
        assert len(stores[0].item(found[0])["tags"]) == len(stores)
    assert stores[0].find()[1] == len(files(stores[0])) == 10
    for store in stores:
        store.close()
