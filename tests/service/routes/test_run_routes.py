"""The API of runs as a client meets it: statuses, headers, and the numbers of the command line."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.examples import text

from ...support.serving import Server, following

pytest.importorskip("fastapi")
httpx = pytest.importorskip("httpx")

ARROW = "application/vnd.apache.arrow.stream"


@pytest.fixture(scope="module")
def folder(shared_server: tuple[Server, Path]) -> Path:
    return shared_server[1]


@pytest.fixture(scope="module")
def api(shared_server: tuple[Server, Path]) -> Iterator[Any]:
    with following(shared_server[0]) as found:
        yield found


def made(api: Any, **spec: Any) -> Any:
    reply = api.post("/runs", json=spec)
    assert reply.status_code in (200, 201), reply.text
    return reply.json()


@pytest.mark.few(0)
def test_question_22_changed_downloads_a_problem_with_the_same_report(api: Any, tmp_path: Path) -> None:
    run = made(api, example="q22")
    edited = api.post(
        f"/runs/{run['id']}/edits", json={"edits": [{"address": "0/forward/W_xi[0,0]", "value": 0.5}]}
    ).json()
    problem = api.get(f"/runs/{edited['id']}/download/problem.yaml")
    (tmp_path / "problem.yaml").write_bytes(problem.content)
    ran = CliRunner().invoke(main, ["report", str(tmp_path / "problem.yaml"), "--format", "text"])
    assert ran.exit_code == 0, ran.output
    assert api.get(f"/runs/{edited['id']}/download/report.txt").text == ran.output
    mine = yaml.safe_load(text("q22"))
    mine["weights"]["W_xi"][0][0] = 0.5
    z = 0.5 * 1.0 + 0.2 * 3.0  # the pre-activation of the input gate's first unit, by hand
    gate = 1 / (1 + np.exp(-z))
    assert api.get(f"/runs/{edited['id']}/at/0/0/i_t%5B0%5D").json()["value"] == pytest.approx(gate, abs=1e-15)
    assert f"{gate:.5f}" in ran.output
    assert f"{lt.run(mine)['h_t'][0, 0, 0]:.5f}" in ran.output


def test_a_run_is_created_once(api: Any) -> None:
    spec = {"example": "three-steps", "edits": [{"address": "0/forward/b_f[0]", "value": 0.375}]}
    first, again = (api.post("/runs", json=spec) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json() == api.get(f"/runs/{first.json()['id']}").json()
    assert first.headers["location"] == first.json()["href"] == f"/api/v1/runs/{first.json()['id']}"
    edit = api.post(f"{first.json()['href'].removeprefix('/api/v1')}/edits", json={"edits": []})
    assert (edit.status_code, edit.json()["id"], edit.json()["changed"]) == (200, first.json()["id"], [])


@pytest.mark.few(0)
def test_damaged_files_are_not_noticed(api: Any, folder: Path) -> None:
    run = made(api, example="three-steps")
    (trace,) = folder.rglob(f"{run['id']}.safetensors")
    for ask in ("", "/values?line=i_t", "/step?t=0", "/at/0/0/i_t%5B0%5D", "/download/values.csv", "/spec"):
        before = api.get(f"/runs/{run['id']}{ask}")
        os.truncate(trace, 0)
        after = api.get(f"/runs/{run['id']}{ask}")
        assert (after.status_code, before.status_code) == (200, 200)
        assert after.content == before.content
    os.truncate(trace, 100)
    assert api.post("/verifications", json={"run": run["id"]}).json()["verdict"] == "verified"
    os.truncate(trace, 100)
    change = {"edits": [{"address": "0/forward/h0[0]", "value": 0.5}]}
    assert api.post(f"/runs/{run['id']}/edits", json=change).status_code == 201
    os.truncate(trace, 100)
    reply = api.post("/diffs", json={"a": run["id"], "b": made(api, example="q21")["id"]})
    assert reply.status_code == 200, reply.text
    os.truncate(trace, 100)
    assert api.post("/library/runs", json={"run": run["id"], "title": "t", "tags": []}).status_code == 201
    known = trace.with_suffix(".json")
    os.truncate(known, known.stat().st_size // 2)
    lost = api.get(f"/runs/{run['id']}")
    assert (lost.status_code, lost.json()["type"]) == (410, "/problems/gone")
    assert made(api, example="three-steps")["id"] == run["id"]
    assert api.get(f"/runs/{run['id']}").status_code == 200


def test_a_reply_is_small_and_the_spec_is_asked_for(api: Any) -> None:
    rng = np.random.default_rng(1)
    weights = {f"W_{a}{gate}": rng.normal(size=(48, n)).tolist() for a, n in (("x", 1), ("h", 48)) for gate in "ifco"}
    problem = {"weights": weights, "x": [[1.0], [2.0]]}
    run = made(api, problem=problem)
    edit = {"address": "0/forward/W_hf[2,3]", "value": 0.5}
    reply = api.post(f"/runs/{run['id']}/edits", json={"edits": [edit]})
    assert len(reply.content) < 20_000 < len(json.dumps(problem))
    spec = api.get(f"/runs/{reply.json()['id']}/spec").json()
    assert spec == {"problem": problem, "edits": [edit]}
    assert made(api, **spec)["id"] == reply.json()["id"]


def test_what_is_shown_of_a_run(api: Any) -> None:
    run = made(api, example="three-steps")
    at = f"/runs/{run['id']}"
    trace = lt.run(yaml.safe_load(text("three-steps")))
    values = api.get(f"{at}/values", params={"line": ["c_t", "h_t"], "t": "1:3", "unit": "1"}).json()["values"]
    for one in values:
        np.testing.assert_array_equal(one["values"], trace[one["line"]][1:3, :, 1:2])
    step = api.get(f"{at}/step", params={"t": 1, "language": "fr", "digits": 2}).json()
    assert next(line["values"] for line in step["lines"] if line["name"] == "c_t") == trace["c_t"][1, 0].tolist()
    assert "unité" in " ".join(step["in_words"])
    weights = {one["address"]: one for one in api.get(f"{at}/premises").json()["premises"]}["0/forward/W_xi"]
    assert weights["values"] == trace.parameters["0/forward"]["W_xi"].tolist()
    number = api.get(f"{at}/at/1/c_t[0]", params={"of": "2/h_t[1]", "digits": 3}).json()
    assert (number["address"], number["value"]) == ("0/forward/1/0/c_t[0]", trace["c_t"][1, 0, 0])
    assert number["verified"]["verdict"] == "verified"
    assert number["written_out"]["text"].count("(") == 4
    assert number["written_out_relation"] in ("=", "≈")
    product = api.get(f"{at}/at/W_xi @ x_t[0]".replace("/at/", "/at/2/")).json()
    assert product["value"] == trace["W_xi @ x_t"][2, 0, 0]


@pytest.mark.few(0)
def test_values_as_arrow(api: Any) -> None:
    pa = pytest.importorskip("pyarrow")
    run = made(api, example="three-steps")
    reply = api.get(f"/runs/{run['id']}/values", params={"line": "c_t"}, headers={"Accept": ARROW})
    assert reply.headers["content-type"] == ARROW
    table = pa.ipc.open_stream(reply.content).read_all()
    assert table["value"].to_pylist() == lt.run(yaml.safe_load(text("three-steps")))["c_t"].ravel().tolist()


def test_two_runs_and_what_explains_them(api: Any) -> None:
    a = made(api, example="three-steps")
    b = api.post(f"/runs/{a['id']}/edits", json={"edits": [{"address": "0/forward/W_xf[0,1]", "value": -1}]}).json()
    pair = {"a": a["id"], "b": b["id"]}
    assert api.post("/diffs", json=pair).json()["verdict"] == "different"
    assert api.post("/diffs", json={**pair, "atol": 100}).json()["verdict"] == "same"
    found = api.get("/diffs/map", params={**pair, "line": "c_t"}).json()
    assert found["largest"] == next(one["largest"] for one in b["changed"] if one["line"] == "c_t")
    split = {"run": b["id"], "how": "attribution", "against": a["id"], "of": "2/h_t[0]"}
    assert api.post("/explanations", json=split).json()["rows"][0][0] == "0/forward/W_xf[0,1]"
    assert api.post("/verifications", json={"run": b["id"]}).json()["verdict"] == "verified"


@pytest.mark.few(0)
def test_downloads_have_a_name_and_a_type(api: Any) -> None:
    run = made(api, example="q22")
    for file in (one["file"] for one in api.get("/choices").json()["formats"]):
        reply = api.get(f"/runs/{run['id']}/download/{file}")
        if file.endswith(".parquet") and not importlib.util.find_spec("pyarrow"):
            assert (reply.status_code, "needs the package pyarrow" in reply.text) == (422, True)
            continue
        assert reply.status_code == 200, (file, reply.text)
        suffix = file.rpartition(".")[2]
        assert re.fullmatch(
            rf"attachment; filename\*=UTF-8''Question-22-[\w-]+\.{suffix}", reply.headers["content-disposition"]
        )
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert int(reply.headers["content-length"]) == len(reply.content) > 200
    german = api.get(f"/runs/{run['id']}/download/report.md", params={"language": "de", "digits": 3}).text
    assert german == lt.run(yaml.safe_load(text("q22"))).report("md", language="de", digits=3)


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/runs/zzz", 404, "there is no run 'zzz'"),
        (f"/runs/{'0' * 32}", 404, "there is no run"),
        ("/runs/{id}/at/c_tt", 404, "did you mean 'c_t'"),
        ("/runs/{id}/values?line=c_tt", 404, "did you mean 'c_t'"),
        ("/runs/{id}/values?t=one", 422, "expected a number or A:B"),
        ("/runs/{id}/step?t=9", 404, "t 9 does not exist"),
        ("/runs/{id}/step?batch=9", 404, "no batch row 9"),
        ("/runs/{id}/step?layer=9", 404, "no layer 9"),
        ("/runs/{id}/step?digits=99", 422, "digits"),
        ("/runs/{id}/step?language=xx", 422, "there is no language 'xx'"),
        ("/runs/{id}/download/report.doc", 404, "there is no file 'report.doc'"),
        ("/runs/{id}/download/report.md?detail=tiny", 422, "there is no detail 'tiny'"),
        ("/runs/{id}/download/report.md?digits=99", 422, "digits"),
        ("/diffs/map?a={id}&b=zzz&line=c_t", 404, "there is no run 'zzz'"),
    ],
)
def test_what_is_not_there(api: Any, path: str, status: int, said: str) -> None:
    reply = api.get(path.replace("{id}", made(api, example="q22")["id"]))
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert reply.json()["status"] == status
    assert said in reply.json()["detail"]


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("path", "body", "media", "status", "said"),
    [
        ("/runs", b"{}", "application/json", 422, "expected one of problem, example, item, model; found none"),
        ("/runs", b'{"example": "q22", "x": [NaN]}', "application/json", 400, 'write "NaN", in quotes'),
        ("/runs", b'{"example": "q22"', "application/json", 400, "is it cut off"),
        (
            "/runs",
            b"[1]",
            "application/json",
            422,
            "the request: expected a mapping, as in {name: value}, found a list",
        ),
        ("/runs", b'{"example": "q22"}', "text/plain", 415, "Content-Type: application/json"),
        ("/runs", b'{"item": "nothing"}', "application/json", 404, "no item 'nothing'"),
        ("/runs/{id}/edits", b'{"equations": "h_t = tanhh(x_t)"}', "application/json", 422, "^"),
        ("/runs/zzz/edits", b"{}", "application/json", 404, "there is no run 'zzz'"),
        ("/diffs", b'{"a": "zzz", "b": "zzz"}', "application/json", 404, "there is no run 'zzz'"),
        ("/explanations", b'{"run": "{id}", "how": "magic"}', "application/json", 422, "how"),
        ("/explanations", b'{"run": "{id}", "how": "memory"}', "application/json", 422, "give its address"),
        ("/verifications", b'{"run": 5}', "application/json", 422, "run"),
    ],
)
def test_what_cannot_be_done(api: Any, path: str, body: bytes, media: str, status: int, said: str) -> None:
    run = made(api, example="q22")["id"]
    content = body.replace(b"{id}", run.encode())
    reply = api.post(path.replace("{id}", run), content=content, headers={"Content-Type": media})
    assert reply.status_code == status, reply.text
    assert said in reply.json()["detail"]


@pytest.mark.few(0)
def test_a_run_that_is_too_large(api: Any) -> None:
    problem = yaml.safe_load(text("q22")) | {"x": [[1, 2, 3]] * 500_000}
    found = api.post("/runs", json={"problem": problem}).json()
    assert found["status"] == 413
    assert "21,000,000 values" in found["detail"]


@pytest.mark.few(0)
def test_replies_are_as_described(api: Any) -> None:
    described = api.get("/openapi.json").json()
    jsonschema = pytest.importorskip("jsonschema")
    a = made(api, example="three-steps")
    b = api.post(f"/runs/{a['id']}/edits", json={"edits": [{"address": "0/forward/W_xf[0,1]", "value": -1}]})
    at = f"/runs/{a['id']}"
    replies = {
        ("/runs/{id}", "get"): api.get(at),
        ("/runs/{id}/edits", "post"): b,
        ("/runs/{id}/values", "get"): api.get(f"{at}/values"),
        ("/runs/{id}/premises", "get"): api.get(f"{at}/premises"),
        ("/runs/{id}/step", "get"): api.get(f"{at}/step"),
        ("/runs/{id}/at/{address}", "get"): api.get(f"{at}/at/1/c_t[0]?of=2/h_t[0]"),
        ("/diffs", "post"): api.post("/diffs", json={"a": a["id"], "b": b.json()["id"]}),
        ("/diffs/map", "get"): api.get(f"/diffs/map?a={a['id']}&b={b.json()['id']}&line=c_t"),
        ("/explanations", "post"): api.post("/explanations", json={"run": a["id"], "how": "gates"}),
        ("/verifications", "post"): api.post("/verifications", json={"run": a["id"]}),
    }
    for (path, method), reply in replies.items():
        said = described["paths"][f"/api/v1{path}"][method]["responses"][str(reply.status_code)]
        schema = said["content"]["application/json"]["schema"] | {"components": described["components"]}
        jsonschema.validate(reply.json(), schema)
        known = described["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]["properties"]
        assert reply.json().keys() <= known.keys(), (path, json.dumps(reply.json())[:200])
