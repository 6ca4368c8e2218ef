"""The library over HTTP, of a real server, in SQLite and PostgreSQL: what is put in is found, and nothing else."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

pytest.importorskip("sqlalchemy")


from ..support.serving import Server, following, serving
from . import test_library
from .test_library import EXAMPLES, OCTETS, Q22, httpx, names

client = test_library.client
served = test_library.served


def test_many_at_once(client: Any, served: tuple[Any, Path]) -> None:
    kept: list[str] = []
    faults: list[Any] = []

    def one(n: int) -> None:
        try:
            with httpx.Client(base_url=client.base_url, timeout=60) as own:
                for k in range(6):
                    content = Q22 + f"# {n} {k}\n".encode()
                    answer = own.post("/library", params={"label": f"{n}-{k}.yaml"}, content=content, headers=OCTETS)
                    while answer.status_code == 429:
                        answer = own.post(
                            "/library", params={"label": f"{n}-{k}.yaml"}, content=content, headers=OCTETS
                        )
                    assert answer.status_code == 201, answer.text
                    item = answer.json()["id"]
                    assert own.patch(f"/library/{item}", json={"tags": [f"t{n}"]}).json()["tags"] == [f"t{n}"]
                    assert own.get(f"/library/{item}/file").content == content
                    if k % 2:
                        assert own.delete(f"/library/{item}").status_code == 204
                    else:
                        kept.append(item)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=one, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    items = client.get("/library", params={"limit": 100}).json()["items"]
    assert {item["id"] for item in items} == set(kept)
    assert len(kept) == 24
    assert names(served) == {f"{own}.yaml" for own in kept}


def test_files_of_the_command_line_are_put_in_once(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(Q22)
    with serving(tmp_path, "mine.yaml", str(EXAMPLES / "gru.yaml"), "mine.yaml") as server:
        first = httpx.get(f"{server.api}/library").json()["items"]
        assert [item["label"] for item in first] == ["gru.yaml", "mine.yaml"]
    (tmp_path / "mine.yaml").write_bytes(Q22 + b"\n")
    with serving(tmp_path, "mine.yaml", str(EXAMPLES / "gru.yaml")) as server:
        items = httpx.get(f"{server.api}/library").json()["items"]
        assert [item["label"] for item in items] == ["mine.yaml", "gru.yaml", "mine.yaml"]
        assert items[1:] == first
    assert len(list((tmp_path / "store.files").glob("*.yaml"))) == 3


def test_a_server_that_is_killed_within_uploads(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """Four clients upload a hundred files; the server is killed, and the next one has all that was answered, whole."""
    told: dict[str, bytes] = {}
    for kill in range(2):
        with serving(tmp_path) as server:
            threads = [threading.Thread(target=_upload, args=(server, kill, n, told)) for n in range(4)]
            for thread in threads:
                thread.start()
            while len(told) < 13 * (kill + 1) and any(thread.is_alive() for thread in threads):
                threads[0].join(0.01)
            os.killpg(server.process.pid, signal.SIGKILL)
            for thread in threads:
                thread.join()
    assert 20 < len(told) < 200
    with serving(tmp_path) as server, following(server) as client:
        items = client.get("/library", params={"limit": 1000}).json()["items"]
        assert told.keys() <= {item["id"] for item in items}
        for item in items:
            content = client.get(f"/library/{item['id']}/file").content
            assert hashlib.sha256(content).hexdigest() == item["sha256"]
            assert content.startswith(Q22)
            assert content.endswith(b"whole\n")
            assert told.get(item["id"], content) == content
    assert "library lists" not in (tmp_path / "serve.log").read_text()


def _upload(server: Server, kill: int, thread: int, told: dict[str, bytes]) -> None:
    with following(server) as client:
        for n in range(25):
            content = Q22 + b"#" + bytes(str(n), "ascii") * 40_000 + b"\n# whole\n"
            try:
                answer = client.post(
                    "/library", params={"label": f"{kill}-{thread}-{n}.yaml"}, content=content, headers=OCTETS
                )
            except httpx.TransportError:  # killed
                return
            if answer.status_code == 201:
                told[answer.json()["id"]] = content
