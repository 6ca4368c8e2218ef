"""Requests to a running service: every address of its description with odd values, damaged bodies and odd headers.

A request may name what those before it have made, so a failure is not repeated by its seed: the message holds it.
"""

from __future__ import annotations

import atexit
import http.client
import json
import random
import tempfile
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import urlopen

import numpy as np

import lstm_trace as lt
from lstm_trace.examples import examples, text

from ..support.serving import Server, serving
from .damage import ODD, changed, flipped, torn
from .problems import random_problem

_HOW_LONG = 30.0  # seconds for one answer; the server's own limit for a piece of work is 10
_RUNS = 30  # that are kept in mind, to ask for parts of them
_QUERY: dict[str, tuple[Any, ...]] = {
    "line": ("h_t", "c_t", "f_t * c_prev", "W_xi @ x_t"), "direction": ("forward", "reverse"), "of": ("2/c_t[1]", "L"),
    "unit": (0, "c_t[1]", "0,1"), "steps": ("1:", "0", ":2"), "language": ("de", "zh"), "notation": ("pytorch",),
    "format": ("svg", "png", "html", "json"), "order": ("size", "none"), "detail": ("compact", "vector", "summary"),
    "digits": (3, 8), "kind": ("trace", "problem", "model"), "label": ("a.yaml", "t.json", "m.npz", "../x.yaml"),
    "baseline": ("zero-input", "zero-state"), "occlusion": ("all", "none"), "a": ("run",), "b": ("run",),
}  # fmt: skip
_PATH: dict[str, tuple[str, ...]] = {
    "address": ("h_t[0]", "2/c_t[1]", "0/forward/1/0/h_t[1]", "W_xi[0,0]", "0/x_t[0]", "z_i[1]"),
    "file": ("problem.yaml", "report.md", "report.html", "report.pdf", "report.tex", "trace.json", "values.csv",
             "values.xlsx", "run.py", "trace.safetensors"),
    "kind": ("states", "unit", "text", "weights", "memory", "saturation", "gradient", "contribution", "diff"),
    "name": tuple(examples()),
}  # fmt: skip


class Known(NamedTuple):
    """A server, its addresses, and what was made on it."""

    server: Server
    folder: str
    log: BinaryIO
    addresses: list[tuple[str, str, list[dict[str, Any]]]]
    runs: list[str]
    items: list[str]


def check(rng: random.Random, folder: Path) -> str:
    """Whatever is sent, the answer is no fault of the server's: JSON or a file, in time, and nothing is logged."""
    known = _known()
    method, target, headers, body = _request(rng, known)
    said = f"{method} {target[:500]} {headers} {body[:500]!r}"
    begin = time.perf_counter()
    status, kind, answer = _ask(known, method, target, headers, body)
    if status == 202:
        status, kind, answer = _followed(known, answer)
    assert time.perf_counter() - begin < _HOW_LONG, f"{time.perf_counter() - begin:.0f} s: {said}"
    logged = known.log.read().decode(errors="replace")  # since the last look
    assert "Traceback" not in logged, f"{logged[-2000:]}: {said}"
    assert status < 500, f"{status} {answer[:500]!r}: {said}"
    if kind.endswith("json") and not answer.startswith(b"["):
        found = json.loads(answer) if answer else {}
        for key, made in (("run", known.runs), ("id", known.runs if "/runs" in target else known.items)):
            if status in (200, 201) and method == "POST" and isinstance(one := found.get(key), str):
                made.append(one)
                del made[: max(len(made) - _RUNS, 0)]
        if status >= 400:
            assert len(answer) < 40_000, f"a message of {len(answer)} bytes: {said}"
            assert "bug in lstm-trace" not in answer.decode(), f"{answer[:500]!r}: {said}"
            assert known.folder not in answer.decode(), f"a path of the server: {answer[:500]!r}: {said}"
    return f"{status // 100}xx"


def _request(rng: random.Random, known: Known) -> tuple[str, str, dict[str, str], bytes]:
    """A request of the description, of which a part may be odd."""
    path, method, parameters = rng.choice(known.addresses)
    if rng.random() < 0.02:
        method = rng.choice(("get", "post", "put", "delete", "patch", "options", "trace", "head"))
    filled, query = path, []
    for parameter in parameters:
        name, place = parameter["name"], parameter["in"]
        if place == "path":
            filled = filled.replace(f"{{{name}}}", quote(_in_path(rng, known, name, path), safe=""))
        elif place == "query" and (parameter.get("required") or rng.random() < 0.25):
            query.append((name, _in_query(rng, known, name)))
    headers = {"Accept": "application/json"}
    body = b""
    if method in ("post", "patch", "put"):
        headers["Content-Type"], body = _body(rng, known, path)
    if rng.random() < 0.02:
        name = rng.choice(("Content-Type", "Origin", "Host", "Accept", "Range", "Prefer", "Sec-Fetch-Site", "X"))
        headers[name] = rng.choice(("", "x", "cross-site", "respond-async", "a" * 2000, "application/json; q=x"))
    return method.upper(), f"{filled}?{urlencode(query)}" if query else filled, headers, body


def _in_path(rng: random.Random, known: Known, name: str, path: str) -> str:
    if rng.random() < 0.06:
        return _odd(rng)
    if name in ("id", "item"):
        return rng.choice(known.runs if "/runs/" in path else known.items or known.runs)
    return rng.choice(_PATH.get(name, ("x",)))


def _in_query(rng: random.Random, known: Known, name: str) -> str:
    if rng.random() < 0.12:
        return _odd(rng)
    value = rng.choice(_QUERY.get(name, (0, 1, 2, "true")))
    return rng.choice(known.runs) if value == "run" else str(value)


def _odd(rng: random.Random) -> str:
    return str(rng.choice(ODD)).encode("utf-8", "replace").decode()[:2000]


def _body(rng: random.Random, known: Known, path: str) -> tuple[str, bytes]:
    """A body of the kind that the address expects; damaged in half of the cases."""
    run = rng.choice(known.runs)
    if path.endswith(("/inspections", "/library", "/models")):
        content = rng.choice(_files())
        damage = rng.choice((None, flipped, torn))
        return "application/octet-stream", damage(rng, content) if damage else content
    address = rng.choice(_PATH["address"])
    data: dict[str, Any] = {
        "edits": {"edits": [{"address": address, "value": rng.uniform(-3, 3)}]},
        "diffs": {"a": run, "b": rng.choice(known.runs)},
        "verifications": {"run": run},
        "explanations": {"run": run, "how": rng.choice(("memory", "gradient", "contribution", "gates")), "of": address},
        "equations": {"equations": "z = W @ x_t + U @ h_prev\nh_t = tanh(z)\ncarry: h_prev <- h_t"},
    }.get(path.rsplit("/", 1)[1], {})
    if path.endswith("/library/runs"):
        data = {"run": run, "title": "t", "tags": ["a"]}
    elif path.endswith("/runs"):
        problem = rng.choice((random_problem, lambda _: {"example": rng.choice(_PATH["name"])}))(rng)
        data = problem if "example" in problem else {"problem": problem}
    elif not data:
        data = {"title": "another", "tags": ["b", "=1"]}
    if rng.random() < 0.5:
        data = changed(rng, data)
    content = json.dumps(data).encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        content = flipped(rng, content) if rng.random() < 0.5 else torn(rng, content)
    return "application/json", content


def _ask(known: Known, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, str, bytes]:
    """Status, type and body of an answer; who is busy says so, and is asked again."""
    for _ in range(30):
        connection = http.client.HTTPConnection(urlsplit(known.server.url).netloc, timeout=_HOW_LONG)
        try:
            connection.request(method, target, body or None, headers)
            reply = connection.getresponse()
            status, kind, answer = reply.status, reply.getheader("content-type", ""), reply.read()
        finally:
            connection.close()
        if status != 429:
            break
        time.sleep(float(reply.getheader("retry-after") or 1))
    return status, kind.partition(";")[0], answer


def _followed(known: Known, answer: bytes) -> tuple[int, str, bytes]:
    """What a job comes to: its result or its failure as an answer."""
    name = json.loads(answer)["id"]
    while True:
        status, kind, answer = _ask(known, "GET", f"/api/v1/jobs/{name}", {}, b"")
        job = json.loads(answer)
        if status != 200 or job["state"] not in ("waiting", "running"):
            return (job.get("problem") or {}).get("status", status), kind, answer
        time.sleep(0.05)


@cache
def _known() -> Known:
    """A server of this process, with runs and items to ask for; it ends with the process."""
    folder = Path(tempfile.mkdtemp(prefix="lstm-trace-fuzz-"))
    stack = ExitStack()
    server = stack.enter_context(serving(folder))
    atexit.register(stack.close)
    client = lt.client(server.url)
    runs = [client.run(example=name).id for name in ("three-steps", "gru", "q22")]
    with urlopen(f"{server.api}/openapi.json") as reply:  # noqa: S310 - our own server
        description = json.load(reply)
    addresses = [
        (path, method, each.get("parameters", []))
        for path, methods in description["paths"].items()
        if "/states/" not in path
        for method, each in methods.items()
    ]
    log = stack.enter_context((folder / "serve.log").open("rb"))
    return Known(server, str(folder), log, addresses, runs, [])


@cache
def _files() -> list[bytes]:
    """Contents of files: problems, a trace, a model and a file of nothing."""
    folder = Path(tempfile.mkdtemp(prefix="lstm-trace-fuzz-"))
    (folder / "p.yaml").write_text(text("three-steps"))
    trace = lt.run(folder / "p.yaml")
    trace.save(folder / "t.json")
    trace.save(folder / "t.safetensors")
    rng = np.random.default_rng(2)
    shapes = {"weight_ih_l0": (8, 3), "weight_hh_l0": (8, 2), "bias_ih_l0": (8,), "bias_hh_l0": (8,)}
    np.savez(folder / "m.npz", **{name: rng.normal(size=shape) for name, shape in shapes.items()})
    return [*(path.read_bytes() for path in sorted(folder.iterdir())), b"", b"\x80\x04K\x01."]
