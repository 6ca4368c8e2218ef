"""The states of corpora over HTTP, compared with the numbers of the files, searched by loops; and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("pyarrow")
httpx = pytest.importorskip("httpx")

from pyarrow import parquet  # noqa: E402

from lstm_trace.runs import corpus_states  # noqa: E402
from lstm_trace.runs.states_folder import named  # noqa: E402
from lstm_trace.service.settings import Limits  # noqa: E402

from ...support import corpora  # noqa: E402
from ...support.serving import Server, following  # noqa: E402
from ...tracking import planted  # noqa: E402

COUNTER = f"c_t[{planted.COUNTER}]"
ABOVE = 0.5
STRANGE = corpora.STRANGE


@pytest.fixture(scope="module")
def folder(shared_server: tuple[Server, Path]) -> Path:
    return shared_server[1]


@pytest.fixture(scope="module")
def client(shared_server: tuple[Server, Path]) -> Iterator[Any]:
    server, folder = shared_server
    before = len((folder / "serve.log").read_text())
    with following(server, "/states") as found:
        yield found
    log = (folder / "serve.log").read_text()[before:]
    assert "Traceback" not in log, log


@pytest.fixture(scope="module")
def sequences(folder: Path) -> dict[int, list[dict[str, Any]]]:
    """The rows of the files by sequence."""
    rows: list[dict[str, Any]] = []
    for path in sorted((folder / "quotes").glob("part-*.parquet")):
        rows += parquet.read_table(path).to_pylist()
    return {id: list(group) for id, group in groupby(rows, key=lambda row: row["seq_id"])}


def get(client: Any, path: str, **query: Any) -> Any:
    reply = client.get(f"{client.base_url}".rstrip("/") + path, params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def refused(client: Any, path: str, status: int, **query: Any) -> str:
    """The message of a refusal, which is a problem document that names no path of this machine."""
    reply = client.get(path, params=query)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json"), reply.text
    assert "/states" not in reply.json()["detail"].replace("--states", "").replace("…/states", "")
    return str(reply.json()["detail"])


def test_what_there_is(client: Any, sequences: Any) -> None:
    found = {one["name"]: one for one in get(client, "")}
    assert list(found) == ["quotes", STRANGE, "quotes-2", "damaged"]
    quotes = found["quotes"]
    lines = [{"line": name, "scope": "0/forward", "name": name, "width": planted.UNITS} for name in ("c_t", "h_t")]
    assert sorted(quotes["lines"], key=lambda one: one["line"]) == lines
    assert quotes["sequences"] == len(sequences) == 60
    assert quotes["steps"] == sum(map(len, sequences.values()))
    assert quotes["parts"] > 2
    assert (quotes["parts_missing"], quotes["targets"], quotes["tokens"]) == (0, ["inside"], True)
    two = found["quotes-2"]
    assert {"0/forward/c_t", "0/reverse/c_t"} <= {one["line"] for one in two["lines"]}
    assert (two["targets"], two["tokens"]) == ([], False)


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    paths = [str(tmp_path / one) for one in ("a/s", "b/s", "s-2", "a/../a/s", "c/s")]
    assert list(named(paths)) == ["s", "s-3", "s-2", "s-4"]
    assert list(named(["/"])) == ["states"]


@pytest.mark.few(0)
def test_sequences_are_listed_with_how_they_begin(client: Any, sequences: Any) -> None:
    found = get(client, "/quotes/sequences", offset=17, limit=30)
    assert (found["total"], found["offset"]) == (60, 17)
    ids = list(sequences)[17:47]  # of more than one part
    assert [one["id"] for one in found["sequences"]] == list(map(str, ids))
    for one, id in zip(found["sequences"], ids, strict=True):
        text = "".join(row["token"] for row in sequences[id])
        assert one["steps"] == len(text)
        assert text.startswith(one["text"].rstrip("…"))
        assert one["text"].endswith("…") == (len(text) > 72) or len(text) > 60
    assert get(client, "/quotes/sequences", offset=1000)["sequences"] == []
    assert len(get(client, f"/{quote(STRANGE)}/sequences", limit=100_000)["sequences"]) == Limits().contexts
    assert [one["text"] for one in get(client, "/quotes-2/sequences")["sequences"]] == [""] * 3


def test_the_text_of_a_sequence_with_a_unit(client: Any, sequences: Any) -> None:
    for id in (3, 58):
        found = get(client, "/quotes/text", sequence=id, unit=COUNTER)
        assert found["tokens"] == [row["token"] for row in sequences[id]]
        assert found["values"] == [row[f"c_t_{planted.COUNTER}"] for row in sequences[id]]
        assert (found["begin"], found["first"], found["steps"]) == (0, 0, len(sequences[id]))
        assert found["spaced"] is False
        assert get(client, "/quotes/text", sequence=id, unit=f"0/forward/{COUNTER}")["values"] == found["values"]
        part = get(client, "/quotes/text", sequence=id, unit=COUNTER, at=9, steps=4)
        assert part["first"] == 8
        assert part["values"] == found["values"][8:12]
    ends = get(client, "/quotes/text", sequence=0, unit=COUNTER)["scale"]
    assert ends["low"] == -ends["high"] < 0
    assert ends == get(client, "/quotes/text", sequence=58, unit=COUNTER)["scale"]


def test_steps_without_tokens_that_begin_elsewhere(client: Any) -> None:
    found = get(client, "/quotes-2/text", sequence=3, unit="0/reverse/c_t[2]")
    assert (found["tokens"], found["begin"], found["first"], len(found["values"])) == (None, 5, 5, 4)
    assert get(client, "/quotes-2/text", sequence=3, unit="0/reverse/c_t[2]", at=8, steps=2)["first"] == 7
    assert "steps 5 to 8; found 4" in refused(client, "/quotes-2/text", 404, sequence=3, unit="0/reverse/c_t[2]", at=4)
    said = refused(client, "/quotes-2/text", 422, sequence=3, unit="c_t[2]")
    assert "0/forward/c_t[2], 0/reverse/c_t[2]: write one of them" in said
    top = get(client, "/quotes-2/top", unit="0/forward/c_t[0]", n=5)
    assert [one["tokens"] for one in top["contexts"]] == [None] * 3


@pytest.mark.parametrize("lowest", [False, True])
def test_top_contexts_are_the_furthest_of_each_sequence(client: Any, sequences: Any, lowest: bool) -> None:
    unit = 1
    best = min if lowest else max
    values = {id: [row[f"c_t_{unit}"] for row in rows] for id, rows in sequences.items()}
    expected = sorted((best(found) for found in values.values()), reverse=not lowest)[:7]
    found = get(client, "/quotes/top", unit=f"c_t[{unit}]", n=7, lowest=lowest)["contexts"]
    assert [one["value"] for one in found] == expected
    for one in found:
        own = values[int(one["sequence"])]
        assert own[one["t"]] == one["value"]
        at = slice(one["first"], one["first"] + len(one["values"]))
        assert one["values"] == own[at]
        assert one["tokens"] == [row["token"] for row in sequences[int(one["sequence"])]][at]


def test_the_quotes_are_what_matches_the_counter(client: Any, sequences: Any) -> None:
    expected = []
    for id, rows in sequences.items():
        at = 0
        for on, group in groupby(rows, key=lambda row: row[f"c_t_{planted.COUNTER}"] > ABOVE):
            length = len(list(group))
            if on and length >= 5:
                expected.append((str(id), at, length))
            at += length
    query = {"line": "c_t", "units": planted.COUNTER, "above": ABOVE, "min_length": 5, "n": 200}
    found = get(client, "/quotes/match", **query)["contexts"]
    assert sorted((one["sequence"], one["t"], one["length"]) for one in found) == sorted(expected)
    assert len(found) > 10
    for one in found:
        begin = one["t"] - one["first"]
        assert one["tokens"][begin] == '"'
    two = get(client, "/quotes/match", **query | {"units": [planted.COUNTER, 1]})["contexts"]
    assert len(two) < len(found)


def test_units_that_are_active_in_a_span(client: Any, sequences: Any) -> None:
    counts = set()
    for id, first, last, strict in ((3, 4, 6, False), (3, 4, 6, True), (20, 0, 0, True), (31, 2, 3, False)):
        rows, expected = sequences[id], []
        for unit in range(planted.UNITS):
            values = [row[f"c_t_{unit}"] for row in rows]
            beside = [values[t] for t in (first - 1, last + 1) if 0 <= t < len(rows)]
            if min(values[first : last + 1]) > 0.1 and not (strict and max(beside) > 0.1):
                expected.append((f"c_t[{unit}]", np.mean(values[first : last + 1]), min(values[first : last + 1])))
        query = {"sequence": id, "first": first, "last": last, "line": "c_t", "above": 0.1, "strict": strict}
        found = get(client, "/quotes/select", **query)
        assert [one["unit"] for one in found["units"]] == [one[0] for one in sorted(expected, key=lambda one: -one[1])]
        for one in found["units"]:
            mean, least = next(other[1:] for other in expected if other[0] == one["unit"])
            assert one["mean"] == pytest.approx(mean, rel=1e-12)
            assert one["nearest"] == least
        counts.add(len(expected))
    assert len(counts) > 1
    low = get(client, "/quotes/select", sequence=3, first=4, last=6, line="c_t", below=-0.05)["units"]
    values = {f"c_t[{k}]": [row[f"c_t_{k}"] for row in sequences[3][4:7]] for k in range(planted.UNITS)}
    expected_low = {unit: max(own) for unit, own in values.items() if max(own) < -0.05}
    assert {one["unit"]: one["nearest"] for one in low} == expected_low != {}
    assert [one["mean"] for one in low] == sorted(one["mean"] for one in low)
    assert "found 4 to 1000" in refused(client, "/quotes/select", 404, sequence=3, first=4, last=1000, line="c_t")
    assert "found 4 to 3" in refused(client, "/quotes/select", 404, sequence=3, first=4, last=3, line="c_t")


def test_the_units_are_measured_once_and_kept(client: Any, folder: Path) -> None:
    found = get(client, "/quotes/units", line="c_t")
    rows = [dict(zip(found["columns"], row, strict=True)) for row in found["rows"]]
    assert [row["unit"] for row in rows] == list(range(planted.UNITS))
    assert max(rows, key=lambda row: abs(row["r_inside"]))["unit"] == planted.COUNTER
    assert rows[planted.COUNTER]["r_inside"] > 0.99
    (kept,) = (folder / "store.files" / "states").glob("*.json")
    kept.write_text('{"columns": ["kept"], "rows": []}')
    assert get(client, "/quotes/units", line="c_t") == {"columns": ["kept"], "rows": []}


def test_a_table_of_another_version_is_not_taken(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def table() -> bytes:
        return corpus_states.units(str(folder / "quotes"), "c_t", str(tmp_path / "kept"))

    whole = table()
    (kept,) = (tmp_path / "kept").glob("*.json")
    kept.write_text("{}")
    assert table() == b"{}"
    monkeypatch.setattr(corpus_states, "__version__", "0.0.0")
    assert table() == whole


@pytest.mark.few(0)
def test_strange_ids_and_tokens(client: Any) -> None:
    listed = get(client, f"/{quote(STRANGE)}/sequences", limit=10)["sequences"]
    pages = [get(client, f"/{quote(STRANGE)}/sequences", offset=at, limit=200)["sequences"] for at in (0, 200)]
    every = {one["id"] for page in pages for one in page}
    assert set(corpora.HOSTILE) <= every
    assert not any(c in one["text"] for one in listed for c in "\x1b\u202e\n")
    begin = " ".join(corpora.HOSTILE[:2])[:70]
    assert any(one["text"].startswith(begin) for page in pages for one in page)
    assert get(client, f"/{quote(STRANGE)}/top", unit="c_t[0]", n=1)["spaced"] is True
    for id in corpora.HOSTILE:
        found = get(client, f"/{quote(STRANGE)}/text", sequence=id, unit="c_t[0]")
        assert found["sequence"] == id
        assert found["spaced"] is True  # the same in every text: its tokens are words
        assert len(found["values"]) == 4
        assert not any(c in token for token in found["tokens"] for c in "\x1b\u202e")
        assert get(client, f"/{quote(STRANGE)}/select", sequence=id, first=0, last=1, line="c_t", above=-100)["units"]


@pytest.mark.parametrize(
    "name",
    ["nothing", "..", "%2e%2e", "..%2f..", "..%2fquotes", "%2fetc", "quotes%00", "quotes%2f..%2fstrange", "QUOTES"],
)
def test_other_folders_are_not_read(client: Any, name: str) -> None:
    for path in ("sequences", "text?sequence=1&unit=c_t[0]", "top?unit=c_t[0]", "units?line=c_t"):
        reply = client.get(f"{client.base_url}{name}/{path}")
        assert reply.status_code == 404
        assert reply.headers["content-type"] == "application/problem+json"
    assert "this server has quotes, strange #1, quotes-2, damaged" in refused(client, "/nothing/sequences", 404)


def test_what_is_not_there_or_too_much(client: Any) -> None:
    assert refused(client, "/quotes/text", 404, sequence="none", unit=COUNTER) == (
        "quotes: there is no sequence 'none'; the first is 0"
    )
    assert "the units 0 to 5" in refused(client, "/quotes/text", 404, sequence=1, unit="c_t[6]")
    assert "expected a unit of a line" in refused(client, "/quotes/top", 422, unit="nonsense")
    assert "no 'z_t'" in refused(client, "/quotes/units", 404, line="z_t")
    assert "the units 0 to 5" in refused(client, "/quotes/match", 404, line="c_t", units=[1, 6])
    for query in ({"above": "nan"}, {"n": 0}, {"min_length": 0}, {"units": -1}, {"n": 10**9}, {"units": "c"}):
        refused(client, "/quotes/match", 422, **{"line": "c_t", "units": 1} | query)
    for query in ({"steps": 0}, {"steps": 10**9}, {"at": 2**40}, {"sequence": "x" * 5000}, {"unit": "x" * 500}):
        refused(client, "/quotes/text", 422, **{"sequence": 1, "unit": COUNTER} | query)
    refused(client, "/quotes/sequences", 422, offset=-1)
