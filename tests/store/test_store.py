"""Items in a store: what is kept is found again, in SQLite and PostgreSQL alike."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

pytest.importorskip("sqlalchemy")

from lstm_trace.errors import LstmTraceError, OptionError, TooLargeError
from lstm_trace.store.files import LostFileError, StoreError, UnknownItemError
from lstm_trace.store.store import Store

from .uploader import add


def facts(title: str = "", kind: str = "problem", cell: str = "lstm", suffix: str = ".yaml") -> dict[str, Any]:
    return {"kind": kind, "title": title, "cell": cell, "sizes": {"T": 3, "H": 2}, "suffix": suffix}


@pytest.fixture
def store(url: str, tmp_path: Path) -> Iterator[Store]:
    found = Store(url, tmp_path / "files")
    yield found
    found.close()


def test_what_is_kept_is_there_after_the_next_start(url: str, tmp_path: Path, store: Store) -> None:
    before = datetime.now(UTC)
    item = add(store, [b"x: ", b"[1]\n"], facts("Question 1", cell="lstm, peephole"), "q1.yaml", tags=["exam", "a b"])
    after = datetime.now(UTC)
    assert before <= datetime.fromisoformat(item.pop("created")) <= after
    own = item["id"]
    assert item == {
        "id": own, "kind": "problem", "title": "Question 1", "tags": ["a b", "exam"], "label": "q1.yaml",
        "cell": "lstm, peephole", "sizes": {"T": 3, "H": 2}, "bytes": 7, "missing": False,
        "sha256": hashlib.sha256(b"x: [1]\n").hexdigest(),
    }  # fmt: skip
    again = Store(url, tmp_path / "files")
    assert {**again.item(own), "created": ""} == {**item, "created": ""}
    assert again.path(own) == tmp_path / "files" / f"{own}.yaml"
    assert again.path(own).read_bytes() == b"x: [1]\n"
    again.close()


def test_title_and_tags_change_and_the_rest_stays(store: Store) -> None:
    item = add(store, [b"1"], facts("Old"), "q.yaml", tags=["a"])
    assert store.update(item["id"], title=" New ")["title"] == "New"
    assert store.update(item["id"], tags=["c", "b", "c", ""])["tags"] == ["b", "c"]
    assert store.item(item["id"]) == {**item, "title": "New", "tags": ["b", "c"]}
    assert store.update(item["id"], title="")["title"] == "q.yaml"
    assert store.update(item["id"], tags=[])["tags"] == []
    assert [store.find(word)[1] for word in ("old", "new", "q.yaml", "b")] == [0, 0, 1, 0]


def test_what_is_deleted_is_gone_with_its_file(store: Store) -> None:
    item, other = (add(store, [text], facts(), "q.yaml", tags=["t"]) for text in (b"1", b"2"))
    path = store.path(item["id"])
    with store.open(item["id"]) as file:
        store.delete(item["id"])
        assert file.read() == b"1"
    assert not path.exists()
    assert [found["id"] for found in store.find(tag="t")[0]] == [other["id"]]
    with store.database.reading() as connection:
        assert connection.exec_driver_sql("select item from lstm_trace_tags").all() == [(other["id"],)]
    for call in (store.item, store.path, store.delete, store.update):
        with pytest.raises(UnknownItemError, match=r"the library has no item '.*'; it may have been deleted"):
            call(item["id"])


@pytest.mark.parametrize(
    "own", ["", "x", "../store.db", "a\0b", "%", "F1B39AB4-8750-428C-B21E-18E0A78F425C", "🙂", "0" * 36]
)
def test_an_id_is_an_id(store: Store, own: str) -> None:
    add(store, [b"1"], facts(), "q.yaml")
    for call in (store.item, store.path, store.delete, store.update):
        with pytest.raises(UnknownItemError):
            call(own)


#: title, label, tags, cell of what is searched, by a letter.
SHELF = {
    "a": ("Gates of an LSTM", "q22.yaml", ["exam"], "lstm"),
    "b": ("100% right", "plain_b.npz", [], "lstm, peephole"),
    "c": ("Größe und Maß", "c.json", ["übung", "exam"], "gru"),
    "d": ("1000 right", "plainXb.npz", ["Exam 2"], "lstm"),
    "e": (r"back\slash / it's \"x\"", "e.json", [], "equations"),
    "f": ("Ｗｉｄｅ ﬁne", "f.json", [], "rnn"),
}


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", "abcdef"),
        ("  ", "abcdef"),
        ("lstm", "abd"),
        ("LSTM gates", "a"),
        ("gates lstm", "a"),
        ("gates gru", ""),
        ("peephole", "b"),
        ("100%", "b"),
        ("%", "b"),
        ("_", "b"),
        ("plain_b", "b"),
        ("GRÖSSE", "c"),
        ("maß", "c"),
        ("ÜBUNG", "c"),
        ("exam", "acd"),
        ("\\", "e"),
        ("/", "e"),
        ("'", "e"),
        ('"x', "e"),
        ("wide fine", "f"),
        ("exam\n2", "ad"),
        ("q22.yaml", "a"),
        ("q22.yaml'; drop table lstm_trace_items; --", ""),
        ("gates\0", ""),
        ("\ud800", ""),
    ],
)
def test_a_search_finds_words_in_title_label_tags_and_cell(store: Store, search: str, found: str) -> None:
    ids = {}
    for letter, (title, label, tags, cell) in SHELF.items():
        ids[add(store, [letter.encode()], facts(title, cell=cell), label, tags=tags)["id"]] = letter
    items, total = store.find(search)
    assert "".join(sorted(ids[item["id"]] for item in items)) == found
    assert total == len(found)


def test_kind_and_tag_choose_and_pages_are_newest_first(store: Store) -> None:
    kinds = ["problem", "trace", "model"] * 4
    ids = [add(store, [b"%d" % n], facts(str(n), kind), "f", tags=[f"t{n % 2}"])["id"] for n, kind in enumerate(kinds)]
    newest = ids[::-1]
    items, total = store.find()
    assert ([item["id"] for item in items], total) == (newest, 12)
    pages = [store.find(limit=5, offset=at) for at in (0, 5, 10, 15)]
    assert [item["id"] for page, _ in pages for item in page] == newest
    assert {total for _, total in pages} == {12}
    assert [item["id"] for item in store.find(kind="model", tag="t1")[0]] == [ids[11], ids[5]]
    assert store.find(tag="t")[1] == store.find(tag="T1")[1] == store.find(tag="%")[1] == 0
    assert store.find("7", kind="trace", tag="t1")[0][0]["id"] == ids[7]


@pytest.mark.few(5)
@pytest.mark.parametrize(
    ("title", "tags", "said"),
    [
        ("x" * 201, [], "the title has 201 characters; at most 200 are kept"),
        ("a\u202eb", [], "the title has a character that cannot be shown"),
        ("a\nb", [], "the title has a character that cannot be shown, or lines"),
        ("a\0b", [], "the title has a character that cannot be shown"),
        ("\ud800", [], "the title has a character that cannot be shown"),
        ("", [f"t{n}" for n in range(21)], "21 tags; an item has at most 20"),
        ("", ["x" * 41], "the tag 'x+' has 41 characters; at most 40 are kept"),
        ("", ["a,b"], "a tag has no comma: 'a,b'"),
        ("", ["a\x1bb"], "the tag .* has a character that cannot be shown"),
    ],
)
def test_titles_and_tags_have_bounds(store: Store, title: str, tags: list[str], said: str) -> None:
    item = add(store, [b"1"], facts("Old"), "q.yaml", title="x" * 200, tags=["y" * 40, *map(str, range(19))])
    with pytest.raises(OptionError, match=said):
        add(store, [b"2"], facts(), "q.yaml", title=title, tags=tags)
    with pytest.raises(OptionError, match=said):
        store.update(item["id"], title=title, tags=tags)
    assert store.find() == ([item], 1)
    assert len(list(store.folder.glob("*-*"))) == 1


def test_the_title_of_a_file_is_cut_and_made_fit_to_be_shown(store: Store) -> None:
    assert add(store, [b""], facts("  a\n\u202eb\0 " + "x" * 300), "q")["title"] == "a �b� " + "x" * 194
    assert add(store, [b"2"], facts(), "../dir/q.yaml")["title"] == "q.yaml"


def test_the_number_of_items_is_bounded(url: str, tmp_path: Path) -> None:
    store = Store(url, tmp_path / "files", most_items=2)
    first = add(store, [b"1"], facts(), "1")
    add(store, [b"2"], facts(), "2")
    with pytest.raises(TooLargeError, match="the library holds 2 items, the most that it keeps; delete some"):
        add(store, [b"3"], facts(), "3")
    assert len(list(store.folder.glob("*-*"))) == 2
    store.delete(first["id"])
    add(store, [b"3"], facts(), "3")
    store.close()


def test_a_file_is_bounded_and_gone_when_it_is_not_kept(store: Store, tmp_path: Path) -> None:
    with store.part(5) as new:
        new.write(b"12345")
        with pytest.raises(TooLargeError, match="the file has more than 5 bytes"):
            new.write(b"6")
    with store.part() as new:
        new.write(b"1")
        assert new.path.read_bytes() == b"1"
        assert [path.name for path in store.folder.iterdir() if path.name != ".store"] == [new.path.name]
    with pytest.raises(StoreError, match=r"^the file cannot be kept: file too large$"):
        add(store, _more_than_the_disk_takes(), facts(), "a")
    assert [path.name for path in store.folder.iterdir()] == [".store"]
    assert store.find()[1] == 0


def _more_than_the_disk_takes() -> Iterator[bytes]:
    """Pieces of a file, the last of which the system refuses to write."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield b"x" * 50_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        yield b"x" * 60_000
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", [".py", "/../x", ".yaml/../../x", ".", "", ".YAML"])
def test_a_suffix_is_of_the_list_or_none(store: Store, suffix: str) -> None:
    item = add(store, [b"1"], facts(suffix=suffix), "x")
    assert store.path(item["id"]) == store.folder / item["id"]


def test_a_start_sweeps_what_is_old_and_has_no_row(
    url: str, tmp_path: Path, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    kept, lost = (add(store, [text], facts(), "q.yaml") for text in (b"1", b"2"))
    store.close()
    names = {
        "old part": f".{uuid4()}.part", "young part": f".{uuid4()}.part",
        "old file": f"{uuid4()}.json", "young file": f"{uuid4()}.json",
        "a user's": "notes.txt", "a user's hidden": ".part", "like ours": f"x{uuid4()}.json",
    }  # fmt: skip
    folder = store.folder
    for name in names.values():
        (folder / name).write_bytes(b"x")
    old = time.time() - timedelta(hours=1, minutes=1).total_seconds()
    for name in [names[n] for n in names if "young" not in n] + [f"{kept['id']}.yaml"]:
        os.utime(folder / name, (old, old))
    young = time.time() - timedelta(minutes=59).total_seconds()
    for name in [names[n] for n in names if "young" in n]:
        os.utime(folder / name, (young, young))
    (folder / f"{lost['id']}.yaml").unlink()

    again = Store(url, folder)
    there = {path.name for path in folder.iterdir()}
    assert {n for n in names if names[n] not in there} == {"old part", "old file"}
    assert f"{kept['id']}.yaml" in there
    assert again.missing == [lost["id"]]
    assert "the files of 1 item that the library lists are not here" in caplog.text
    assert {item["id"]: item["missing"] for item in again.find()[0]} == {kept["id"]: False, lost["id"]: True}
    with pytest.raises(LostFileError, match=r"the file of 'q\.yaml' is missing"):
        again.path(lost["id"])
    again.delete(lost["id"])
    assert again.find()[1] == 1
    again.close()


def test_the_files_of_another_store_are_left_alone(url: str, tmp_path: Path) -> None:
    other = Store(f"sqlite:///{tmp_path}/other.db", tmp_path / "files")
    item = add(other, [b"1"], facts(), "q.yaml")
    path = other.path(item["id"])
    os.utime(path, (0, 0))
    with pytest.raises(
        StoreError, match=r"files: \.store says that these are the files of another store; name another"
    ):
        Store(url, tmp_path / "files")
    assert path.read_bytes() == b"1"
    other.close()


def test_the_database_is_gone_while_the_server_runs(
    store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("alter table lstm_trace_tags rename to elsewhere")
    for call in (store.find, lambda: add(store, [b"1"], facts(), "q.yaml", tags=["a"])):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == "the library's database does not answer; the messages of the server say why"
    assert "lstm_trace_tags" in caplog.text
    with store.database.engine.begin() as connection:
        connection.exec_driver_sql("alter table elsewhere rename to lstm_trace_tags")
    assert store.find() == ([], 0)
    assert issubclass(StoreError, LstmTraceError)
