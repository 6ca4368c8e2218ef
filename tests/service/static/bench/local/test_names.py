"""Names that every object of JavaScript has: the page says of such a run what Python says."""

from __future__ import annotations

from tests.support.foreign_names import foreign

from .replies import compared


def test_replies_are_those_of_python() -> None:
    assert compared({str(turn): foreign(turn) for turn in range(6)}, 5, steps=3, numbers=30) == []
