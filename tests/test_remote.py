"""`lt.client`: what comes from a server is what a run here gives."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.remote import Client, RemoteRun, ServiceError

from .support.serving import Server

pytest.importorskip("fastapi")

RNG = np.random.default_rng(5)
PROBLEM = {
    "title": "mine",
    "weights": {
        **{f"W_x{g}": RNG.normal(size=(2, 3)) for g in "ifco"},
        **{f"W_h{g}": RNG.normal(size=(2, 2)) for g in "ifco"},
    },
    "x": RNG.normal(size=(4, 3)),
    "h0": [0.5, -0.25],
    "c0": [1.0, -2.0],
}


@pytest.fixture(scope="module")
def service(shared_server: tuple[Server, Path]) -> lt.api.Client:
    return lt.client(shared_server[0].url)


def test_a_run_has_the_values_of_a_run_here(service: lt.api.Client) -> None:
    here = lt.run(lt.prepare(PROBLEM))
    there = service.run(PROBLEM)
    for line in ("c_t", "W_xi @ x_t", "h_t"):
        np.testing.assert_array_equal(there.values(line), here[line])
    np.testing.assert_array_equal(there.values("c_t", t="1:3", unit=1), here["c_t"][1:3, :, 1:])
    assert lt.diff(here, there.trace()).same
    assert there.at("2/c_t[1]")["value"] == here["c_t"][2, 0, 1]
    assert service.run(PROBLEM).id == there.id


def test_an_edit_is_another_run(service: lt.api.Client) -> None:
    a = service.run(PROBLEM)
    b = a.edit({"0/forward/W_xf[1,2]": 2.5, "0/forward/c0[0]": 0.0})
    problem = {**PROBLEM, "c0": [0.0, -2.0], "weights": {**PROBLEM["weights"]}}
    problem["weights"]["W_xf"] = PROBLEM["weights"]["W_xf"].copy()
    problem["weights"]["W_xf"][1, 2] = 2.5
    np.testing.assert_array_equal(b.values("h_t"), lt.run(lt.prepare(problem))["h_t"])
    np.testing.assert_array_equal(a.values("h_t"), lt.run(lt.prepare(PROBLEM))["h_t"])
    assert service.run(**b.spec()).id == b.id
    assert a.diff(b)["verdict"] == "different"
    assert a.diff(a)["verdict"] == "same"
    assert b.verify()["verdict"] == "verified"
    assert b.explain("memory", of="3/c_t[1]")["rows"]


@pytest.mark.few(0)
def test_a_result_of_a_server_is_printed_as_one_of_this_process(service: lt.api.Client) -> None:
    a = service.run(example="three-steps")
    b = a.edit({"0/forward/W_xi[0,0]": 0.75})
    here, there = a.trace(), b.trace()
    for remote, local in [
        (b.verify(), lt.verify(there)),
        (b.explain("memory", "2/c_t[1]"), lt.explain(there, "2/c_t[1]", "memory")),
        (b.explain("padding"), lt.explain(there, how="padding")),
        (b.explain("gates", language="de"), lt.explain(there, how="gates")),
        (a.diff(b, language="zh"), lt.diff(here, there)),
        (b.explain("attribution", "2/h_t[0]", against=a), lt.attribute(here, there, "2/h_t[0]")),
    ]:
        language = "de" if remote.get("how") == "gates" else "zh" if "lines" in remote else "en"
        assert remote.report().split() == local.report(language=language).split()
    for format in ("text", "tex", "typ"):  # for which an explanation has the caption of its picture, too
        assert b.verify().report(format).split() == lt.verify(there).report(format).split()
    german = b.verify("de").report("typ")
    assert german.split() == lt.verify(there).report("typ", language="de").split()
    assert 'lang: "de"' in german


@pytest.mark.few(0)
def test_a_result_of_a_server_is_a_result(service: lt.api.Client, tmp_path: Path) -> None:
    a = service.run(example="three-steps")
    b = a.edit({"0/forward/W_xi[0,0]": 0.75})
    found, local = a.diff(b, language="de"), lt.diff(a.trace(), b.trace())
    assert str(found).split() == local.report("text", language="de").split()
    assert repr(found) == f"<RemoteResult with {', '.join(found.keys())}; print(…) shows it>"
    assert "<h1>Unterschied</h1>" in found.report("html")
    assert "Unterschied" in found._repr_html_()
    for suffix in ("md", "txt", "html", "tex", "typ", "json", "csv"):
        found.save(tmp_path / f"d.{suffix}")
    assert (tmp_path / "d.md").read_text("utf-8").startswith("# Unterschied")
    assert json.loads(found.as_json()) == {name: value for name, value in found.items() if name != "document"}
    assert found.to_frame()["line"].tolist() == local.lines_frame()["line"].tolist()
    memory = b.explain("memory", "2/c_t[1]")
    assert memory.to_frame().equals(lt.explain(b.trace(), "2/c_t[1]", "memory").to_frame())
    memory["left_out"] = 7
    for whole in (memory, b.verify()):
        with pytest.raises(MissingError, match="does not have all rows"):
            whole.to_frame()
    with pytest.raises(MissingError, match="there is no picture of this RemoteResult"):
        found.plot()
    for wrong in (lambda: found.report(language="fr"), lambda: found.save(tmp_path / "d.md", language="fr")):
        with pytest.raises(OptionError, match=r"is in 'de'.* take language="):
            wrong()


def test_another_run_is_given_as_a_run_or_its_id(service: lt.api.Client) -> None:
    a = service.run(example="three-steps")
    b = a.edit({"0/forward/W_xi[0,0]": 0.75})
    assert a.diff(b.id) == a.diff(b)
    assert b.explain("contribution", "2/h_t[0]", against=a) == b.explain("contribution", "2/h_t[0]", against=a.id)
    with pytest.raises(ServiceError, match="'x'"):
        a.diff("x")
    for wrong in (lambda: a.diff(a.trace()), lambda: b.explain("attribution", "2/h_t[0]", against=3)):  # type: ignore
        with pytest.raises(OptionError, match="expected a run on the server, or its id, found"):
            wrong()


def test_pictures_are_those_of_the_trace(service: lt.api.Client, tmp_path: Path) -> None:
    run = service.run(PROBLEM)
    mine = run.trace().plot
    assert run.plot("unit", unit=(1, 0), line=["c_t"], steps=slice(1, None)).decode() == (
        mine.unit(unit=(1, 0), lines=["c_t"], steps=slice(1, 4)).svg() + "\n"
    )
    run.plot("memory", tmp_path / "memory.html", of="2/c_t[0]")
    assert (tmp_path / "memory.html").read_text("utf-8") == mine.memory("2/c_t[0]").html().rstrip() + "\n"
    other = run.edit({"0/forward/W_xi[0,0]": 0.25})
    assert json.loads(other.plot("diff", against=run, format="json"))["title"]
    with pytest.raises(ServiceError, match="there is no option unti"):
        run.plot("states", unti=3)


def test_downloads_are_files(service: lt.api.Client, tmp_path: Path) -> None:
    run = service.run(example="q22")
    run.download("problem.yaml", tmp_path / "p.yaml")
    assert lt.diff(lt.run(tmp_path / "p.yaml"), run.trace()).same
    assert "Frage" in run.download("report.md", language="de").decode() or b"##" in run.download("report.md")


@contextmanager
def answering(answers: dict[str, tuple[int, bytes]], cut: int = 0) -> Iterator[tuple[lt.api.Client, list[Any]]]:
    """A server with these answers, each a status and a body; and what it is asked. cut: bytes that it leaves out."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.removeprefix("/api/v1")
            asked.append((path, self.headers["Prefer"]))
            status, body = answers.get(path, (404, b'{"detail": "not here"}'))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", body.decode())
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) - cut])

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        try:
            yield lt.client(f"http://127.0.0.1:{server.server_port}"), asked
        finally:
            server.shutdown()


def test_a_trace_is_sent_as_it_is_kept(tmp_path: Path) -> None:
    """And nothing is built of it, which the time limit of the server would stop; a job is followed to its file."""
    here = lt.run(lt.prepare(PROBLEM))
    here.save(tmp_path / "t.safetensors")
    kept = (tmp_path / "t.safetensors").read_bytes()
    answers = {
        "/runs/r/download/trace.json": (422, b'{"detail": "the computation took more than 10 s"}'),
        "/runs/r/download/trace.safetensors": (202, b'{"id": "j"}'),
        "/jobs/j": (200, json.dumps({"state": "done", "result": {"href": "/api/v1/jobs/j/result"}}).encode()),
        "/jobs/j/result": (200, kept),
    }
    with answering(answers) as (client, asked):
        found = RemoteRun(client, {"id": "r"}).trace()
        assert RemoteRun(client, {"id": "r"}).download("trace.safetensors") == kept
    assert asked[0] == ("/runs/r/download/trace.safetensors", "respond-async")
    assert [path for path, _ in asked[1:3]] == ["/jobs/j", "/jobs/j/result"]
    assert lt.diff(here, found, atol=0).same
    np.testing.assert_array_equal(found["c_t"], here["c_t"])


def test_another_server_is_not_sent_the_token() -> None:
    with answering({"/health": (200, b"{}")}) as (other, asked):
        evil = f"{other.url.replace('127.0.0.1', 'localhost')}/api/v1/health".encode()
        answers = {"/health": (302, evil), "/limits": (302, b"/api/v1/here"), "/here": (200, b'{"body_bytes": 1}')}
        with answering(answers) as (client, _):
            with pytest.raises(ServiceError, match="localhost") as refused:
                client.health()
            assert refused.value.status == 302
            assert client._json("GET", "/limits") == {"body_bytes": 1}
    assert not asked


@pytest.mark.parametrize("reply", [b"<html>", b"[" * 100_000, b"\xff", b"9" * 5000])
def test_a_reply_that_is_no_json_is_one_message(reply: bytes) -> None:
    failing = pytest.raises(ServiceError, match="/health: the reply is not JSON of lstm-trace")
    with answering({"/health": (200, reply)}) as (client, _), failing:
        client.health()


def test_a_file_that_is_cut_off_is_none(tmp_path: Path) -> None:
    answers = {"/runs/r/download/report.md": (200, bytes(3_000_000))}
    with answering(answers, cut=1) as (client, _), pytest.raises(ServiceError, match="no answer"):
        RemoteRun(client, {"id": "r"}).download("report.md", tmp_path / "report.md")
    assert not (tmp_path / "report.md").exists()


def test_a_library(service: lt.api.Client, tmp_path: Path) -> None:
    lt.run(lt.prepare(PROBLEM)).save(tmp_path / "kept.safetensors")
    item = service.upload(tmp_path / "kept.safetensors", title="kept by the client", tags=["one", "two"])
    (found,) = service.library(search="kept by")
    assert (found["id"], found["kind"], found["tags"]) == (item["id"], "trace", ["one", "two"])
    np.testing.assert_array_equal(service.run(item=item["id"]).values("h_t"), lt.run(lt.prepare(PROBLEM))["h_t"])
    service.remove(item["id"])
    assert not service.library(search="kept by")


@pytest.mark.few(0)
def test_what_is_too_large_is_said_to_be(service: lt.api.Client, tmp_path: Path) -> None:
    """The server refuses it before it has read it, while the client still sends."""
    (tmp_path / "large.npz").write_bytes(bytes(66_000_000))
    with pytest.raises(LstmTraceError, match=r"66,000,000 bytes; http://\S+ accepts at most 64,000,000") as found:
        service.upload(tmp_path / "large.npz")
    assert found.value.status == 413


def test_what_is_wrong_is_said(service: lt.api.Client, tmp_path: Path) -> None:
    with pytest.raises(LstmTraceError, match="did you mean") as found:
        service.run(example="q2")
    assert found.value.status == 422
    with pytest.raises(LstmTraceError, match="W_xf"):
        service.run({"weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0]]})
    with pytest.raises(LstmTraceError, match=r"the trace has no 'q_t'") as found:
        service.run(example="q22").values("q_t")
    assert found.value.status == 404
    with pytest.raises(FileError, match="no such file"):
        service.upload(tmp_path / "none.npz")
    with pytest.raises(LstmTraceError, match="is the server running"):
        lt.client("http://127.0.0.1:9").health()
    with pytest.raises(LstmTraceError, match="not the address of a server"):
        lt.client("file:///etc/passwd").health()


def _explained(a: RemoteRun, b: RemoteRun) -> Any:
    return b.explain("attribution", "2/h_t[0]", against=a.id)


#: Every method of a client and of a run, called once; what must be there in its answer. a, b: runs; c: the client.
CALLS: dict[str, tuple[Callable[[Any, RemoteRun, RemoteRun, Path], Any], Callable[[Any], bool]]] = {
    "Client.health": (lambda c, a, b, path: c.health(), lambda said: said["status"] == "ok"),
    "Client.limits": (lambda c, a, b, path: c.limits(), lambda said: said["runs"] > 0),
    "Client.run": (lambda c, a, b, path: c.run(example="q22"), lambda run: len(run.id) == 32),
    "Client.examples": (lambda c, a, b, path: c.examples(), lambda names: "q22" in names),
    "Client.library": (lambda c, a, b, path: c.library(), lambda items: isinstance(items, list)),
    "Client.upload": (lambda c, a, b, path: c.upload(path), lambda item: item["kind"] == "problem"),
    "Client.remove": (lambda c, a, b, path: c.remove(c.upload(path)["id"]), lambda nothing: nothing is None),
    "RemoteRun.id": (lambda c, a, b, path: a.id, lambda id: len(id) == 32),
    "RemoteRun.spec": (lambda c, a, b, path: b.spec(), lambda spec: len(spec["edits"]) == 1),
    "RemoteRun.values": (lambda c, a, b, path: a.values("h_t"), lambda values: values.shape == (3, 1, 2)),
    "RemoteRun.at": (lambda c, a, b, path: a.at("1/c_t[0]", of="2/h_t[0]"), lambda one: one["gradient"]["value"] != 0),
    "RemoteRun.edit": (lambda c, a, b, path: a.edit({"0/forward/W_xi[0,0]": 0.25}), lambda run: len(run.id) == 32),
    "RemoteRun.diff": (lambda c, a, b, path: a.diff(b), lambda found: found["verdict"] == "different"),
    "RemoteRun.explain": (lambda c, a, b, path: _explained(a, b), lambda found: len(found["more"]) > 0),
    "RemoteRun.verify": (lambda c, a, b, path: b.verify(), lambda found: found["verdict"] == "verified"),
    "RemoteRun.download": (lambda c, a, b, path: a.download("values.csv"), lambda content: b"h_t" in content),
    "RemoteRun.plot": (lambda c, a, b, path: b.plot("diff", against=a), lambda content: b"<svg" in content),
    "RemoteRun.trace": (lambda c, a, b, path: b.trace(), lambda trace: trace.steps == 3),
}


def test_each_method_is_called_below() -> None:
    own = {
        f"{kind.__name__}.{name}"
        for kind in (Client, RemoteRun)
        for name, member in vars(kind).items()
        if not name.startswith("_") and (callable(member) or isinstance(member, property))
    }
    assert own == CALLS.keys()


@pytest.mark.few(11)
@pytest.mark.parametrize("method", CALLS)
def test_each_method_works_on_a_server(service: lt.api.Client, tmp_path: Path, method: str) -> None:
    a = service.run(example="three-steps")
    b = a.edit({"0/forward/W_xi[0,0]": 0.5})
    (tmp_path / "p.json").write_text(json.dumps(service._json("GET", "/examples/q22")))
    call, holds = CALLS[method]
    found = call(service, a, b, tmp_path / "p.json")
    assert holds(found), found
