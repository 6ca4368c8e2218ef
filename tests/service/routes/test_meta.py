"""What there is: compared with the package itself and, for equations, with the command line's messages."""

from __future__ import annotations

import http.client
import json
import math
from pathlib import Path
from typing import Any

import pytest
import yaml

import lstm_trace

from ... import ROOT
from ...support.serving import Server

pytest.importorskip("fastapi")


from lstm_trace.cell.arithmetic import COMMON
from lstm_trace.cell.parse import parse
from lstm_trace.service.settings import Limits


@pytest.fixture(scope="module")
def server(shared_server: tuple[Server, Path]) -> Server:
    return shared_server[0]


def ask(server: Server, path: str, body: Any = None, method: str = "") -> tuple[int, Any]:
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        text = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method or ("GET" if body is None else "POST"), f"/api/v1{path}", text, headers)
        reply = connection.getresponse()
        content = reply.read()
        return reply.status, json.loads(content) if content else None
    finally:
        connection.close()


def test_health_and_limits(server: Server) -> None:
    assert ask(server, "/health") == (200, {"status": "ok", "version": lstm_trace.__version__})
    status, found = ask(server, "/limits")
    assert (status, found["seconds"], found["at_once"]) == (200, 12.5, 1)
    assert found["body_bytes"] == 64_000_000
    assert found.keys() == Limits.model_fields.keys()


def test_cells_are_runnable_texts(server: Server) -> None:
    _, found = ask(server, "/cells")
    assert [cell["name"] for cell in found] == ["lstm", "slstm", "gru", "rnn"]
    for cell in found:
        assert {"h_prev"} <= parse(cell["equations"]).states.keys()
        assert "bias" in cell["options"]
    assert found[0]["title"] == "An LSTM cell"


@pytest.mark.few(0)
def test_examples_are_those_of_the_command_line(server: Server) -> None:
    _, found = ask(server, "/examples")
    assert (found[0]["name"], found[0]["title"]) == ("q19", "Question 19, the input gate")
    files = {path.stem: path for path in (ROOT / "lstm_trace" / "examples").glob("*.yaml")}
    assert {example["name"] for example in found} == files.keys()
    for name, path in files.items():
        assert ask(server, f"/examples/{name}") == (200, yaml.safe_load(path.read_text("utf-8")))
    status, problem = ask(server, "/examples/q2")
    assert (status, problem["type"]) == (404, "/problems/not-found")
    assert problem["detail"].startswith("there is no example 'q2'; did you mean 'q")


def test_choices_are_all_understood(server: Server) -> None:
    _, found = ask(server, "/choices")
    assert {"code": "de", "name": "Deutsch"} in found["languages"]
    assert len({one["name"] for one in found["languages"]}) == len(found["languages"]) >= 5
    assert found["notations"][0] == "exercise"
    options = {one["file"]: one["options"] for one in found["formats"]}
    assert {"report.pdf", "problem.yaml", "values.csv"} <= options.keys()
    assert options["values.xlsx"] == ["digits", "title", "count_from"]
    assert {"language", "notation", "digits", "count_from", "title"} <= set(options["report.md"])
    assert (options["problem.yaml"], options["trace.json"]) == (["title", "count_from"], [])
    weights, x = {"W_x": [[math.pi]]}, [[1.0]]
    for name in found["arithmetics"]:
        trace = lstm_trace.run(weights, x, cell={"equations": "h_t = W_x @ x_t"}, arithmetic=name)
        assert abs(trace["h_t"].item() - math.pi) > 0, name
    assert found["arithmetics"] == list(COMMON)


def test_jobs_that_are_not_there(server: Server) -> None:
    for method in ("GET", "DELETE"):
        status, found = ask(server, "/jobs/none", method=method)
        assert (status, found["title"]) == (404, "Nothing is at this address")


@pytest.mark.few(0)
def test_the_description(server: Server) -> None:
    _, found = ask(server, "/openapi.json")
    assert found["info"]["version"] == lstm_trace.__version__
    assert "HTTPValidationError" not in json.dumps(found)
    for path, operations in found["paths"].items():
        assert path.startswith("/api/v1/")
        for method, operation in operations.items():
            assert operation.get("description"), (method, path)
            assert list(operation["responses"]["4XX"]["content"]) == ["application/problem+json"], path
    links = found["paths"]["/api/v1/runs"]["post"]["responses"]["201"]["links"]
    named = {op["operationId"] for path in found["paths"].values() for op in path.values()}
    assert links.keys() <= named
    assert len(links) > 5
    fields = found["components"]["schemas"]["Limits"]["properties"]
    assert all(field["description"] for field in fields.values())
