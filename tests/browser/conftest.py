"""The browser of a file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .chromium import Browser, browser


@pytest.fixture(scope="module")
def driver() -> Iterator[Browser]:
    with browser() as found:
        yield found
