"""What there is: compared with the package itself and, for equations, with the command line's messages."""

from __future__ import annotations

import pytest

from ...support.serving import Server

pytest.importorskip("fastapi")


from . import test_meta
from .test_meta import ask

server = test_meta.server


def test_examples_are_described_as_the_same_file_in_the_library_is(server: Server) -> None:
    found = {one["name"]: one for one in ask(server, "/examples")[1]}
    assert found["gru"] == {
        "name": "gru",
        "title": "A GRU of two units over two steps",
        "cell": "gru",
        "sizes": {"T": 2, "B": 1, "I": 2, "H": 2, "layers": 1, "directions": 1},
    }
    assert found["batch"]["sizes"]["B"] == 3
