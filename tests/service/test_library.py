"""The library over HTTP, of a real server, in SQLite and PostgreSQL: what is put in is found, and nothing else."""

from __future__ import annotations

import hashlib
import http.client
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("sqlalchemy")
httpx = pytest.importorskip("httpx")

import lstm_trace as lt  # noqa: E402

from .. import ROOT  # noqa: E402
from ..support.postgres import new_database  # noqa: E402
from ..support.serving import following, serving  # noqa: E402
from ..support.tiers import ALL  # noqa: E402

EXAMPLES = ROOT / "lstm_trace" / "examples"
Q22 = (EXAMPLES / "q22.yaml").read_bytes()
TRACE = (ROOT / "traces" / "q22" / "trace.json").read_bytes()
OCTETS, JSON = {"Content-Type": "application/octet-stream"}, {"Content-Type": "application/json"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"] if ALL else ["sqlite"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Path]]:
    """A client of a server, and the folder of the server's files."""
    if request.param == "sqlite":
        server, folder = request.getfixturevalue("shared_server")
        with following(server) as client:
            yield client, folder / "store.files"
        return
    folder = tmp_path_factory.mktemp("library")
    url = new_database(request.param, request, folder)
    with serving(folder, "--store", url) as server, following(server) as client:
        yield client, folder / "lstm-trace.files"


@pytest.fixture
def client(served: tuple[Any, Path]) -> Any:
    """A client of an empty library."""
    client, _ = served
    for item in client.get("/library", params={"limit": 1000}).json()["items"]:
        client.delete(f"/library/{item['id']}").raise_for_status()
    return client


def put(client: Any, content: bytes, label: str, status: int = 201, to: str = "/library", **query: str) -> Any:
    answer = client.post(to, params={"label": label, **query}, content=content, headers=OCTETS)
    assert answer.status_code == status, answer.text
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def names(served: tuple[Any, Path]) -> set[str]:
    return {path.name for path in served[1].iterdir()} - {".store", ".rooms", "runs", "states"}


def test_what_is_uploaded_is_found_changed_downloaded_and_deleted(client: Any, served: tuple[Any, Path]) -> None:
    item = put(client, Q22, "q22.yaml", tags="exam, spring 26")
    own, text = item["id"], item.pop("inspect")
    assert item.pop("new") is True
    assert text.startswith("q22.yaml: a problem\n\n  title       Question 22,")
    assert item["tags"] == ["exam", "spring 26"]
    assert item["sizes"] == {"T": 1, "B": 1, "I": 3, "H": 2, "layers": 1, "directions": 1}
    assert (item["bytes"], item["sha256"]) == (len(Q22), hashlib.sha256(Q22).hexdigest())
    assert client.get(f"/library/{own}").json() == item
    assert client.get("/library", params={"search": "exam question", "tag": "exam"}).json() == {
        "items": [item],
        "total": 1,
    }
    changed = client.patch(f"/library/{own}", json={"title": "Mine"}).json()
    assert changed == {**item, "title": "Mine"}
    assert client.patch(f"/library/{own}", json={"tags": []}).json() == {**changed, "tags": []}
    answer = client.get(f"/library/{own}/file")
    assert answer.content == Q22
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''q22.yaml"
    assert names(served) == {f"{own}.yaml"}
    assert client.delete(f"/library/{own}").status_code == 204
    assert names(served) == set()
    for answer in (client.get(f"/library/{own}"), client.delete(f"/library/{own}"), client.get(f"/library/{own}/file")):
        assert answer.status_code == 404
        assert answer.json()["detail"] == f"the library has no item '{own}'; it may have been deleted"


def test_kinds_and_models(client: Any) -> None:
    file = io.BytesIO()
    np.savez(file, W_xi=[[1.0, 2.0]], W_hi=[[1.0]], W_xf=[[3.0, 4.0]], W_hf=[[1.0]], W_xc=[[1.0, 1.0]], W_hc=[[1.0]],
                W_xo=[[1.0, 0.0]], W_ho=[[2.0]])  # fmt: skip
    model = put(client, file.getvalue(), "net.npz", to="/models", title="A net")
    assert model.pop("inspect").startswith("net.npz: 1 LSTM\n")
    assert model.pop("new") is True
    trace = put(client, TRACE, "t.json")
    put(client, Q22, "q.yaml")
    assert (model["kind"], trace["kind"]) == ("model", "trace")
    assert client.get("/models").json() == {"items": [model], "total": 1}
    assert client.get("/library", params={"kind": "trace"}).json()["items"][0]["id"] == trace["id"]
    assert client.get("/library", params={"limit": 2, "offset": 1}).json()["total"] == 3
    assert put(client, Q22, "q.yaml", 422, to="/models")["detail"] == (
        "q.yaml: a problem, not a model; POST /api/v1/library keeps it"
    )


def test_a_run_is_kept_as_its_trace(client: Any, served: tuple[Any, Path]) -> None:
    run = client.post("/runs", json={"example": "q22"}).json()
    answer = client.post("/library/runs", json={"run": run["id"], "title": "Mine: 1/2", "tags": ["a"]})
    assert answer.status_code == 201
    item = answer.json()
    assert {key: item[key] for key in ("kind", "title", "tags", "label", "cell")} == {
        "kind": "trace", "title": "Mine: 1/2", "tags": ["a"], "label": "Mine: 1-2.safetensors", "cell": "lstm"
    }  # fmt: skip
    (served[1].parent / "back.safetensors").write_bytes(client.get(f"/library/{item['id']}/file").content)
    back = lt.load(served[1].parent / "back.safetensors")
    assert lt.diff(back, lt.run(str(EXAMPLES / "q22.yaml"))).same
    again = client.post("/runs", json={"item": item["id"]}).json()
    assert (again["title"], again["steps"]) == (run["title"], run["steps"])


def test_the_same_file_is_kept_once(client: Any, served: tuple[Any, Path]) -> None:
    first = put(client, Q22, "q22.yaml", tags="exam", title="Mine")
    again = put(
        client,
        Q22,
        "copy.yaml",
        200,
        tags="spring",
        title="Question 22, the whole step from the input to the hidden state",
    )
    assert {**again, "inspect": ""} == {**first, "new": False, "tags": ["exam", "spring"], "inspect": ""}
    assert again["inspect"].startswith("copy.yaml: a problem\n")
    assert put(client, Q22, "q22.yaml", 200, title="Ours")["title"] == "Mine"
    assert client.get("/library").json()["total"] == 1
    assert names(served) == {f"{first['id']}.yaml"}
    (served[1] / f"{first['id']}.yaml").unlink()
    assert client.get(f"/library/{first['id']}").json()["missing"]
    assert put(client, Q22, "q22.yaml", 200)["id"] == first["id"]
    assert client.get(f"/library/{first['id']}/file").content == Q22


def test_the_same_model_is_kept_once_by_either_address(client: Any) -> None:
    file = io.BytesIO()
    np.savez(file, **{f"W_{of}{gate}": [[1.0]] for of in "xh" for gate in "ifco"})
    first = put(client, file.getvalue(), "net.npz")
    again = put(client, file.getvalue(), "net.npz", 200, to="/models", tags="a")
    assert (again["id"], again["new"], again["tags"]) == (first["id"], False, ["a"])
    assert client.get("/models").json()["total"] == 1


def test_the_same_run_is_kept_once(client: Any, served: tuple[Any, Path]) -> None:
    run = client.post("/runs", json={"example": "q22"}).json()["id"]
    first = client.post("/library/runs", json={"run": run, "title": "Mine", "tags": ["a"]}).json()
    (trace,) = served[1].glob(f"**/runs/{run}.safetensors")
    trace.unlink()  # and made again
    answer = client.post("/library/runs", json={"run": run, "tags": ["b"]})
    assert answer.status_code == 200
    assert answer.json() == {**first, "new": False, "tags": ["a", "b"]}
    assert client.get("/library").json()["total"] == 1


def test_a_run_that_was_dropped_is_made_again_and_kept(client: Any, served: tuple[Any, Path]) -> None:
    run = client.post("/runs", json={"example": "three-steps"}).json()
    (trace,) = served[1].glob(f"**/runs/{run['id']}.safetensors")
    trace.unlink()
    answer = client.post("/library/runs", json={"run": run["id"], "title": "again"})
    assert (answer.status_code, answer.json()["title"]) == (201, "again"), answer.text


def test_an_inspection_keeps_nothing(client: Any, served: tuple[Any, Path]) -> None:
    answer = client.post("/inspections", params={"label": "../x/q22.yaml"}, content=Q22, headers=OCTETS)
    assert answer.status_code == 200
    assert set(answer.json()) == {"kind", "text", "title", "cell", "sizes", "found"}
    assert answer.json()["text"].startswith("q22.yaml: a problem\n")
    assert client.get("/library").json() == {"items": [], "total": 0}
    assert names(served) == set()


@pytest.mark.few(0)
@pytest.mark.parametrize("to", ["/library", "/models", "/inspections"])
def test_what_cannot_be_read_is_not_kept(client: Any, served: tuple[Any, Path], to: str) -> None:
    for content, label, said in (
        (b"", "a.yaml", "a.yaml: the file is empty"),
        (b"hello", "../../etc/passwd", "passwd: expected a problem (title, weights, x, …), found the text 'hello'"),
        (Q22[:200], "half.yaml", "half.yaml: "),
        (TRACE[:-40], "half.json", "half.json: "),
        (b"PK\x03\x04" + b"\0" * 99, "net.npz", "net.npz: "),
        (b"x", "evil.pkl", "evil.pkl: a pickle, which is not read here; it could run code"),
    ):
        found = put(client, content, label, 422, to=to)
        assert found["detail"].startswith(said)
        assert str(served[1].parent) not in json.dumps(found)
        assert ".part" not in json.dumps(found)
    assert client.get("/library").json()["total"] == 0
    assert names(served) == set()


@pytest.mark.few(0)
@pytest.mark.parametrize(
    "label",
    ["../../etc/passwd.yaml", "x" * 300 + ".yaml", "a\0b.yaml", "🙂\u200f \u202e.yaml", 'a"; x=\r\n.yaml', "/.yaml"],
)
def test_a_label_is_no_path_and_breaks_no_header(client: Any, served: tuple[Any, Path], label: str) -> None:
    item = put(client, Q22, label)
    assert names(served) == {f"{item['id']}.yaml"}
    assert "/" not in item["label"]
    assert item["label"].isprintable()
    answer = client.get(f"/library/{item['id']}/file")
    assert answer.content == Q22
    assert unquote(answer.headers["content-disposition"].partition("''")[2]) == item["label"]


@pytest.mark.parametrize(
    ("method", "path", "more", "status", "said"),
    [
        ("POST", "/library", {"params": {}, "content": b"x"}, 422, "parameter label"),
        (
            "POST",
            "/library?label=a.yaml",
            {"json": {"a": 1}},
            415,
            "send it with Content-Type: application/octet-stream",
        ),
        ("POST", "/library?label=a.yaml&title=" + "x" * 201, {"content": Q22}, 422, "at most 200 are kept"),
        ("POST", "/library?label=a.yaml&tags=" + "x" * 41, {"content": Q22}, 422, "at most 40 are kept"),
        ("POST", "/library?label=a.yaml&title=a%00b", {"content": Q22}, 422, "cannot be shown"),
        ("GET", "/library?kind=other", {}, 422, "parameter kind"),
        ("GET", "/library?limit=0", {}, 422, "parameter limit"),
        ("GET", "/library?limit=1001", {}, 422, "parameter limit"),
        ("GET", "/library?offset=-1", {}, 422, "parameter offset"),
        ("GET", "/library?offset=99999999999999999999", {}, 422, "parameter offset"),
        ("GET", "/library?search=" + "x" * 201, {}, 422, "parameter search"),
        ("GET", "/library/..%2f..%2fetc%2fpasswd", {}, 404, ""),
        ("GET", "/library/a%00b/file", {}, 404, "the library has no item"),
        ("PATCH", "/library/x", {"json": {"title": "a"}}, 404, "the library has no item"),
        ("PATCH", "/library/x", {"json": {"name": "a"}}, 422, "name"),
        ("PATCH", "/library/x", {"content": b'{"title": "\\ud800"}', "headers": JSON}, 400, "half of a character"),
        ("PATCH", "/library/x", {"json": {"tags": ["a"] * 3 + ["x" * 41]}}, 422, "at most 40"),
        (
            "PATCH",
            "/library/x",
            {"content": b'{"title": NaN}', "headers": JSON},
            400,
            "",
        ),
        ("POST", "/library/runs", {"json": {"run": "../x"}}, 404, ""),
    ],
)
def test_what_is_wrong_is_told(
    client: Any, method: str, path: str, more: dict[str, Any], status: int, said: str
) -> None:
    if "content" in more:
        more = {"headers": OCTETS, **more}
    answer = client.request(method, path, **more)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert said in answer.json()["detail"]


def test_a_search_with_what_no_database_takes(client: Any) -> None:
    item = put(client, Q22, "q22.yaml")
    for search, total in (
        ("a%00b", 0),
        ("%25", 0),
        ("_", 0),
        ("'", 0),
        ("%FF", 0),
        ("question%0022", 0),
        ("QUESTION%2022", 1),
    ):
        answer = client.get(f"/library?search={search}&tag=")
        assert (answer.status_code, answer.json()["total"]) == (200, total), search
        assert client.get(f"/library?tag={search}").json()["total"] == 0
    assert client.get(f"/library/{item['id']}").status_code == 200


def test_a_file_that_is_missing_is_said_to_be(client: Any, served: tuple[Any, Path]) -> None:
    item = put(client, Q22, "q22.yaml")
    (served[1] / f"{item['id']}.yaml").unlink()
    assert client.get("/library").json()["items"][0]["missing"] is True
    assert client.get(f"/library/{item['id']}/file").status_code == 410


def test_a_file_that_was_changed_in_the_folder_is_not_sent(client: Any, served: tuple[Any, Path]) -> None:
    item = put(client, Q22, "q22.yaml")
    for content in (Q22 + b"more", Q22[:-1]):
        (served[1] / f"{item['id']}.yaml").write_bytes(content)
        for reply in (client.get(f"/library/{item['id']}/file"), client.post("/runs", json={"item": item["id"]})):
            assert reply.status_code == 410
            assert f"it has {len(content):,} bytes, and had {len(Q22):,}; upload it again" in reply.json()["detail"]
    client.delete(f"/library/{item['id']}").raise_for_status()


@pytest.mark.few(0)
def test_too_large_bodies_are_refused_early(served: tuple[Any, Path]) -> None:
    client, _ = served
    most = client.get("/limits").json()["body_bytes"]
    connection = http.client.HTTPConnection(client.base_url.host, client.base_url.port, timeout=30)
    connection.request("POST", "/api/v1/library?label=a.npz", None, OCTETS | {"Content-Length": str(most + 1)})
    assert connection.getresponse().status == 413  # of the body nothing was sent
    connection.close()
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while sent < 4 * most:
            yield b"x" * 1_000_000
            sent += 1_000_000

    try:
        answer = client.post("/library", params={"label": "a.npz"}, content=endless(), headers=OCTETS)
        assert answer.status_code == 413
    except httpx.TransportError:  # the server has closed the connection before all was sent
        pass
    assert sent < 2 * most  # what is beyond the limit lay in buffers, or was sent before the answer came
    assert names(served) == set()
