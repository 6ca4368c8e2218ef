"""A client that goes takes its work with it; one that stays has its reply, whatever its body is like."""

from __future__ import annotations

from typing import Any

import pytest

anyio = pytest.importorskip("anyio")
pytest.importorskip("fastapi")

from lstm_trace.service.middleware import Disconnects  # noqa: E402


class Client:
    """A client of an ASGI application, which goes when it is told to."""

    def __init__(self, pieces: list[bytes], length: str | None) -> None:
        self.pieces, self.gone = pieces, anyio.Event()
        self.sent: list[Any] = []
        headers = [] if length is None else [(b"content-length", length.encode())]
        self.scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
        self.empty_first = length is None

    async def receive(self) -> Any:
        if self.empty_first:  # as servers do where there is no body
            self.empty_first = False
            return {"type": "http.request", "body": b"", "more_body": False}
        if self.pieces:
            return {"type": "http.request", "body": self.pieces.pop(0), "more_body": bool(self.pieces)}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def run(app: Any, client: Client, goes_after: float | None = None) -> None:
    async def main() -> None:
        async def go() -> None:
            await anyio.sleep(goes_after)
            client.gone.set()

        with anyio.fail_after(5):
            if goes_after is None:
                await Disconnects(app)(client.scope, client.receive, client.send)
                return
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(go)
                await Disconnects(app)(client.scope, client.receive, client.send)
                tasks.cancel_scope.cancel()

    anyio.run(main)


async def reply(send: Any, body: bytes = b"ok") -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(("pieces", "length"), [([], None), ([], "0"), ([b"ab", b"c", b""], "3"), ([b"abc"], "3")])
def test_the_body_arrives_and_the_reply_goes_out(pieces: list[bytes], length: str | None) -> None:
    expected = b"".join(pieces)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await anyio.sleep(0.02)
        await reply(send, body)

    client = Client(pieces, length)
    if length == "0":
        client.pieces = [b""]
    run(app, client)
    assert client.sent[-1]["body"] == expected


@pytest.mark.few(0)
@pytest.mark.parametrize(("pieces", "length"), [([], None), ([b"ab", b"c"], "3")])
def test_the_work_stops_when_the_client_goes(pieces: list[bytes], length: str | None) -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        try:
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            ended.append(True)
            raise

    client = Client(pieces, length)
    run(app, client, goes_after=0.1)
    assert ended == [True]
    assert client.sent == []


def test_a_client_that_goes_within_its_body_stops_the_reader() -> None:
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            seen.append((await receive())["type"])
            await anyio.sleep(60)
        except anyio.get_cancelled_exc_class():
            seen.append("cancelled")
            raise

    run(app, Client([], "3"), goes_after=0.1)
    assert seen == ["http.disconnect", "cancelled"]


@pytest.mark.few(0)
def test_what_comes_after_the_reply_is_not_cut_off() -> None:
    ended = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await reply(send)
        await anyio.sleep(0.2)
        ended.append(True)

    run(app, Client([], None), goes_after=0.05)
    assert ended == [True]


def test_errors_are_those_of_the_application() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError("of the application")

    with pytest.raises(ZeroDivisionError, match="of the application"):
        run(app, Client([], None))


def test_who_waits_for_the_end_of_the_client_is_told() -> None:
    seen = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await reply(send)
        seen.append(await receive())  # as streaming replies do

    run(app, Client([], None), goes_after=0.1)
    assert seen == [{"type": "http.disconnect"}]
