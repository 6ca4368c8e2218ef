"""The bench as one file in a browser: opened from the disk, where nothing may be requested and nothing be said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import lstm_trace as lt

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Opening = Callable[..., "Page"]


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bench with the examples alone."""
    path = tmp_path_factory.mktemp("bench") / "bench.html"
    lt.bench().save(path)
    return path


@pytest.fixture
def opened(chromium: Browser, file: Path) -> Iterator[Opening]:
    """Opens a page: `opened("#bench?source=example:q22", width=390)`. At the end each must have been quiet, and have
    requested nothing but itself.
    """
    contexts: list[Any] = []
    heard: list[str] = []

    def open_page(
        hash: str = "", *, path: Path = file, width: int = 1280, dark: bool = False, touch: bool = False
    ) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light", locale="en-GB",
            accept_downloads=True, reduced_motion="reduce", has_touch=touch, is_mobile=touch, offline=True,
        )  # fmt: skip
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        url = path.as_uri()
        page.on("console", lambda message: heard.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: heard.append(f"page error: {error}"))
        page.on("request", lambda request: heard.append(request.url) if not allowed(request.url, url) else None)
        page.goto(f"{url}{hash}")
        page.locator("#value").first.wait_for()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert heard == []


def allowed(url: str, own: str) -> bool:
    """Whether a page may request this: itself, and what it made."""
    return url.partition("#")[0] == own or url.startswith(("blob:", "data:"))
