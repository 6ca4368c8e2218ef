"""Whatever is wrong is a problem document with the command line's message, and never what was sent."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from lstm_trace.errors import TOLD, LstmTraceError, MissingError, ShapeError, TooLargeError

from ..support.asgi import Reply, ask

pytest.importorskip("fastapi")

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import ClientDisconnect

from lstm_trace.runs.asked import DroppedRunError, UnknownRunError
from lstm_trace.service import problems
from lstm_trace.service.jobs import JsonRoute, check_media
from lstm_trace.service.problems import ProblemDocument, add_handlers
from lstm_trace.service.settings import Settings
from lstm_trace.workers.process import BusyError, TooLongError

JSON = ("content-type", "application/json")
ERRORS: dict[str, Exception] = {
    "several": ShapeError("W_xi has shape (2, 3)", "equation 1: unknown\n    h = tang(x)\n        ^"),
    "missing": MissingError("the trace has no 'q_t'; did you mean 'o_t'?"),
    "unknown": UnknownRunError("there is no run"),
    "gone": DroppedRunError("the run is no longer kept"),
    "large": TooLargeError("the trace would need 3 GiB"),
    "busy": BusyError("2 computations run"),
    "long": TooLongError("more than 10 s"),
    "many": LstmTraceError(*(f"fault {k}" for k in range(200))),
    "acting": LstmTraceError("a\x1b[2J\u202e\ud800" + "k" * 10_000),
    "client": ClientDisconnect(),
    "fault": ZeroDivisionError("secret of the server"),
    "deep": RecursionError("secret of the server"),
}


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    address: str
    value: float


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    edits: list[Inner] = []
    digits: int | None = Field(None, ge=0)
    anything: Any = None


def application() -> FastAPI:
    router = APIRouter(route_class=JsonRoute)

    @router.api_route("/raise/{what}", methods=["GET", "POST"])
    async def fail(what: str) -> None:
        raise ERRORS[what]

    @router.get("/two")
    async def get_two() -> int:
        return 1

    @router.post("/two")
    async def post_two() -> int:
        return 2

    @router.post("/body")
    async def body(found: Body, t: int = 0) -> Any:
        return found

    @router.post("/file")
    async def file(request: Request) -> int:
        check_media(request, "application/octet-stream")
        return len(await request.body())

    app = FastAPI()
    app.state.settings = Settings()
    add_handlers(app)
    app.include_router(router, prefix="/in")
    app.include_router(router)
    return app


APP = application()


def post(content: bytes, *headers: tuple[str, str], path: str = "/body") -> Reply:
    return ask(APP, path, headers or [JSON], method="POST", body=[content])


def told(reply: Reply) -> dict[str, Any]:
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = json.loads(reply.body)
    ProblemDocument.model_validate(found)
    assert found["status"] == reply.status
    assert found["detail"] == "\n".join(found["problems"])
    return found


@pytest.mark.parametrize(
    ("what", "read", "written"),
    [
        ("several", 422, 422), ("missing", 404, 422), ("unknown", 404, 404), ("gone", 410, 410), ("large", 413, 413),
        ("busy", 429, 429), ("long", 422, 422), ("many", 422, 422), ("acting", 422, 422), ("client", 400, 400),
    ],
)  # fmt: skip
def test_each_error_has_its_status(what: str, read: int, written: int) -> None:
    for method, status in (("GET", read), ("POST", written)):
        reply = ask(APP, f"/raise/{what}", method=method)
        assert reply.status == status
        assert told(reply)["type"].startswith("/problems/")
        assert reply.headers.get("retry-after") == ("1" if what == "busy" else None)


def test_a_result_that_is_too_large_is_not_called_a_request() -> None:
    assert told(ask(APP, "/raise/large"))["title"] == "The requested result would be too large"
    assert told(post(b" " * 300_000))["title"] == "The request is too large"


def test_the_message_is_that_of_the_command_line() -> None:
    found = told(ask(APP, "/raise/several"))
    assert found["problems"] == list(ERRORS["several"].problems)  # type: ignore[attr-defined]
    assert found["detail"].splitlines()[2:] == ["    h = tang(x)", "        ^"]
    many = told(ask(APP, "/raise/many"))
    assert len(many["problems"]) == TOLD + 1
    assert many["problems"][-1] == "and 150 more"
    acting = told(ask(APP, "/raise/acting"))["detail"]
    assert acting.startswith("a\ufffd[2J")
    assert len(acting) < 500


@pytest.mark.parametrize("what", ["fault", "deep"])
def test_a_fault_of_ours_says_nothing_and_is_logged(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises((ZeroDivisionError, RecursionError)):  # once it is answered it goes on to the server
        ask(APP, f"/raise/{what}")

    async def swallowing(scope: Any, receive: Any, send: Any) -> None:
        try:
            await APP(scope, receive, send)
        except Exception:
            return

    reply = ask(swallowing, f"/raise/{what}")
    assert reply.status == 500
    assert "secret" not in reply.body.decode()
    assert "bug in lstm-trace" in told(reply)["detail"]
    assert "secret of the server" in capsys.readouterr().err


def test_addresses_and_methods_that_are_not_there() -> None:
    assert told(ask(APP, "/nowhere"))["status"] == 404
    reply = ask(APP, "/body", method="DELETE")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    assert told(reply)["title"] == "Method Not Allowed"
    for path in ("/two", "/in/two"):
        assert ask(APP, path, method="PUT").headers["allow"] == "GET, POST"


NESTED = b'{"anything": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"edits": [{"address": "a", "value": NaN}]}', 'NaN is not a number in JSON; write "NaN", in quotes'),
        (b'{"anything": -Infinity}', "-Infinity is not a number in JSON"),
        (b'{"edits": [{"address": "a",\n "value": 1e999}]}', "line 2: the number 1e999 is too large for a float"),
        (b'{"anything": ' + b"9" * 900 + b".5}", "line 1: the number 9999"),
        (b'{"anything": "\\ud800"}', r"\ud800 is half of a character"),
        (b'{"\\udc00": 1}', r"\udc00 is half of a character"),
        (b'{"digits": ' + b"9" * 5000 + b"}", "a whole number has more than 4,300 digits"),
        (NESTED, "nested too deeply"),
        (b'{"a": {"b": ' * 20_000, "nested too deeply"),
        (b'{"digits": 1, "digits": 2}', "duplicate key 'digits'"),
        (b'{"anything": {"x": 1, "x": 2}}', "duplicate key 'x'"),
        (b'{"anything": "\xff"}', "not UTF-8 (byte 14)"),
        ('{"digits": 1}'.encode("utf-16"), "not UTF-8"),
        (b'{"digits": 1', "is it cut off?"),
        (b'{"digits": 1} x', "line 1: extra data"),
        (b"digits=1", "line 1: expecting value"),
        (b"\x00", "expecting value"),
        (b" ", "is it cut off?"),
    ],
)  # fmt: skip
def test_what_is_no_json(content: bytes, says: str) -> None:
    for path in ("/body", "/in/body"):
        reply = post(content, path=path)
        assert reply.status == 400
        found = told(reply)
        assert found["detail"].startswith("the body: ")
        assert says in found["detail"]
        assert len(reply.body) < 1000


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", ["the body: field required"]),
        (b"null", ["the body: input should be a valid dictionary or object to extract fields from"]),
        (b"[1, 2]", ["the body: input should be a valid dictionary or object to extract fields from"]),
        (
            b'{"edits": [{"address": 5}], "digits": -1, "secret": "kept"}',
            [
                "edits[0].address: input should be a valid string",
                "edits[0].value: field required",
                "digits: input should be greater than or equal to 0",
                "secret: extra inputs are not permitted",
            ],
        ),
        (b'{"edits": [{"address": "a", "value": "NaN"}]}', ["edits[0].value: input should be a finite number"]),
    ],
)
def test_json_of_another_form(content: bytes, says: list[str]) -> None:
    reply = post(content)
    assert reply.status == 422
    assert told(reply)["problems"] == says
    assert b"kept" not in reply.body


def test_faults_are_counted_before_there_are_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def sentence(_: Any) -> str:
        made.append("wrong")
        return made[-1]

    monkeypatch.setattr(problems, "_sentence", sentence)
    found = told(post(json.dumps({f"k{n}": 1 for n in range(5000)}).encode()))
    assert (len(made), found["problems"][-1]) == (TOLD, "and 4,950 more")


def test_a_key_that_commands_a_terminal_is_made_harmless() -> None:
    (problem,) = told(post(b'{"a\\u001b[2J": 1}'))["problems"]
    assert problem == "a\ufffd[2J: extra inputs are not permitted"


def test_a_parameter_is_called_that() -> None:
    reply = post(b"{}", path="/body?t=x")
    assert told(reply)["problems"][0].startswith("parameter t: input should be a valid integer")


def test_well_formed_bodies_arrive() -> None:
    for content in (b'{"digits": 1}', b'\xef\xbb\xbf{"digits": 1}', b' {"digits" : 1} \n'):  # the second has a BOM
        assert json.loads(post(content).body)["digits"] == 1
    assert json.loads(post(b'{"anything": "\\ud83d\\ude00"}').body)["anything"] == "😀"
    assert post(b"{}", ("content-type", "Application/JSON; charset=utf-8")).status == 200


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json", "", None]
)
def test_a_body_says_what_it_is(media: str | None) -> None:
    """What a form of another site can send is none of ours."""
    headers = [] if media is None else [("content-type", media)]
    reply = ask(APP, "/body", headers, method="POST", body=[b"{}"])
    assert reply.status == 415
    assert "send it with Content-Type: application/json" in told(reply)["detail"]
    assert post(b"{}", path="/file").status == 415
    assert post(b"123", ("content-type", "application/octet-stream"), path="/file").body == b"3"


def test_the_limit_of_recursion_is_the_interpreters() -> None:
    """The nesting above is beyond it, so that what is tested is what a hostile client would send."""
    assert sys.getrecursionlimit() < 20_000
