"""Whatever is wrong is a problem document with the command line's message, and never what was sent."""

from __future__ import annotations

import json

import pytest

from ..support.asgi import ask

pytest.importorskip("fastapi")


from .test_problems import APP, JSON, post, told


def test_what_is_read_between_requests_is_small() -> None:
    """While a body is parsed and checked, everybody else waits."""
    most = APP.state.settings.limits.small_body_bytes
    assert most < 1_000_000
    keys = json.dumps({f"k{n}": 1 for n in range(300_000)}).encode()
    declared = ask(APP, "/body", [JSON, ("content-length", str(len(keys)))], method="POST")  # before it is read
    pieces = ask(APP, "/body", [JSON], method="POST", body=[b"[", *[b"1," * 10_000] * 100])
    for reply in (post(keys), declared, pieces):
        assert reply.status == 413
        assert "the body of this request has more than 256,000 bytes" in told(reply)["detail"]
    assert post(b'{"anything": "' + b"x" * (most - 16) + b'"}').status == 200
    file = ask(APP, "/file", [("content-type", "application/octet-stream")], method="POST", body=[keys])
    assert int(file.body) == len(keys)
