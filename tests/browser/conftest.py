"""The browsers of the tests: one for a file, and one of Playwright, of which a process can have only one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from .chromium import PROGRAM, Browser, browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium


@pytest.fixture(scope="module")
def driver() -> Iterator[Browser]:
    with browser() as found:
        yield found


@pytest.fixture(scope="session")
def chromium() -> Iterator[Chromium]:
    if PROGRAM is None:
        pytest.skip("no Chromium here")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install playwright")
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
        yield found
        found.close()
