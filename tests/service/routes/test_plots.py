"""Pictures over the API: types, names and headers of files, refusals by name, jobs for those who prefer them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt

from ...support.serving import Server, following

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")


@pytest.fixture(scope="module")
def api(shared_server: tuple[Server, Path]) -> Iterator[Any]:
    with following(shared_server[0]) as found:
        yield found


@pytest.fixture(scope="module")
def run(api: Any) -> Any:
    return api.post("/runs", json={"example": "three-steps"}).json()


@pytest.mark.parametrize(
    ("form", "media", "begins"),
    [
        ("svg", "image/svg+xml", b"<svg "),
        ("html", "text/html; charset=utf-8", b"<!doctype html>"),
        ("json", "application/json", b'{"$schema"'),
        ("png", "image/png", b"\x89PNG"),
    ],
)
def test_a_picture_is_a_file(api: Any, run: Any, form: str, media: str, begins: bytes) -> None:
    if form == "png":
        pytest.importorskip("typst")
    found = api.get(f"/runs/{run['id']}/plot/unit", params={"unit": "1", "format": form})
    assert (found.status_code, found.headers["content-type"]) == (200, media)
    assert found.content.startswith(begins)
    name = f"attachment; filename*=UTF-8''Three-steps-of-two-units-with-biases-unit.{form}"
    assert found.headers["content-disposition"] == name
    assert found.headers["content-security-policy"].startswith("default-src 'none'")
    assert found.headers["x-content-type-options"] == "nosniff"


def test_it_is_that_of_the_trace(api: Any, run: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_bytes(api.get(f"/runs/{run['id']}/download/trace.json").content)
    query = {"unit": "1", "line": ["f_t", "c_t"], "steps": "1:3"}
    mine = lt.load(path).plot.unit(unit=1, lines=["f_t", "c_t"], steps=slice(1, 3))
    assert api.get(f"/runs/{run['id']}/plot/unit", params=query).text == mine.svg() + "\n"


@pytest.mark.parametrize(
    ("place", "status", "told"),
    [
        ("nope", 404, "there is no kind of picture 'nope'"),
        ("states?of=1", 422, "states: there is no option of; it belongs to memory"),
        ("states?colour=red", 422, "states: there is no option colour"),
        ("memory", 422, "memory needs a value"),
        ("states?layer=3", 404, "layer"),
        ("states?format=gif", 422, "format"),
        ("states?batch=x", 422, "batch"),
        ("diff", 422, "/diffs/plot/diff"),
    ],
)
def test_what_is_not_there_is_refused_by_name(api: Any, run: Any, place: str, status: int, told: str) -> None:
    found = api.get(f"/runs/{run['id']}/plot/{place}")
    assert (found.status_code, found.headers["content-type"]) == (status, "application/problem+json")
    assert told in found.json()["detail"]


@pytest.mark.few(0)
def test_two_runs(api: Any, run: Any) -> None:
    other = api.post(
        f"/runs/{run['id']}/edits", json={"edits": [{"address": "0/forward/W_xi[0,0]", "value": 0.5}]}
    ).json()
    query = {"a": run["id"], "b": other["id"]}
    for kind in ("diff", "weights"):
        found = api.get(f"/diffs/plot/{kind}", params=query)
        assert (found.status_code, found.headers["content-type"]) == (200, "image/svg+xml"), found.text
        assert found.text.startswith("<svg ")
    assert "shows one run" in api.get("/diffs/plot/states", params=query).json()["detail"]
    missing = api.get("/diffs/plot/diff", params={"a": run["id"]})
    assert (missing.status_code, "parameter b" in missing.json()["detail"]) == (422, True)
    gone = api.get("/diffs/plot/diff", params={"a": "0" * 32, "b": run["id"]})
    assert gone.status_code == 404
    text = api.post("/diffs", json=query).json()["text"]
    assert "\noutput: h_1[1] changes most" in text
    assert "\n2 of 2 units differ by more than 1\u00a0% of their ranges" in text


@pytest.mark.few(0)
def test_who_prefers_it_gets_a_job(api: Any) -> None:
    steps, size = 300, 24
    x = [[float((7 * t + k) % 5) - 2 for k in range(2)] for t in range(steps)]
    widths = {"x": 2, "h": size}
    weights = {
        f"W_{of}{gate}": [[((3 * j + k) % 7 - 3) / 8 for k in range(wide)] for j in range(size)]
        for of, wide in widths.items()
        for gate in "ifco"
    }
    run = api.post("/runs", json={"problem": {"weights": weights, "x": x}}).json()["id"]
    options = {"of": f"{steps - 1}/h_t[3]", "occlusion": "all"}
    reply = api.get(f"/runs/{run}/plot/contribution", params=options, headers={"Prefer": "respond-async"})
    assert (reply.status_code, reply.headers["content-type"]) == (200, "image/svg+xml")
