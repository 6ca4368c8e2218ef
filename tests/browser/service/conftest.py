"""The page of the service in a browser: a real server, and a page on which nothing unexpected may happen."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from ...support.serving import serving
from ..chromium import PROGRAM
from .filling import files, kept

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

#: What the page needs; without one of them its tests are skipped.
_PACKAGES = ("fastapi", "uvicorn", "sqlalchemy", "playwright.sync_api")


@pytest.fixture(scope="session", autouse=True)
def _needed() -> None:
    if PROGRAM is None:
        pytest.skip("no Chromium here")
    for name in _PACKAGES:
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'lstm-trace[serve]' playwright")


def served(folder: Path, *arguments: str) -> Iterator[str]:
    """The address of a server with an empty library in `folder`, which must have had nothing to complain of."""
    with serving(folder, *arguments) as server:
        yield server.url
    assert (folder / "serve.log").read_text(encoding="utf-8") == ""


@pytest.fixture(scope="session")
def server(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the server that all tests share."""
    yield from served(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def stored(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ids of what the library of that server holds, by title: nothing else is put there."""
    found = files(tmp_path_factory.mktemp("files"))
    tags = {"Before": ["speech", "week 12"], "After": ["speech"], "Weights one": ["lab"], "Weights two": ["lab"]}
    return {title: kept(server, path, title, tags[title]) for title, path in found.items()}


@pytest.fixture(scope="session")
def empty(_needed: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server whose library is empty; whoever puts something there takes it out again."""
    yield from served(tmp_path_factory.mktemp("empty"))


class Watched:
    """What a page did that it should not: messages of the console, errors, requests to other origins.

    `expected`: patterns of what the test brings about itself. A refusal of the server is one: a browser writes every
    status of 400 and more to the console, `422.*api/v1/diffs` for example.
    """

    def __init__(self, page: Page, origin: str) -> None:
        self.origin, self.expected, self.complaints = urlsplit(origin).netloc, [], []
        page.on("console", lambda message: self._note(f"{message.type}: {message.text} ({message.location['url']})"))
        page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        page.on("request", lambda request: self._look(request.url))

    expected: list[str]
    complaints: list[str]

    def _note(self, text: str) -> None:
        self.complaints.append(text)

    def _look(self, url: str) -> None:
        if urlsplit(url).scheme not in ("data", "blob") and urlsplit(url).netloc != self.origin:
            self._note(f"request to another origin: {url}")

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self.complaints if not any(re.search(pattern, text) for pattern in self.expected)]


def as_large(route: Route) -> None:
    """A run of which the server says that it has a billion numbers."""
    reply = route.fetch()
    route.fulfill(response=reply, json=reply.json() | ({"numbers": 10**9} if reply.ok else {}))


Opening = Callable[..., "Page"]


@pytest.fixture
def opened(chromium: Browser, server: str) -> Iterator[Opening]:
    """Opens the page: `opened("#library", width=390, dark=True)`. At the end each page must have been quiet.

    large: runs are taken for ones that are too large for the page, so that the server computes their edits.
    `page.watched.expected.append(pattern)` lets a complaint pass that the test provokes.
    """
    pages: list[tuple[Page, Watched]] = []

    def open_page(
        hash: str = "",
        *,
        width: int = 1280,
        height: int = 900,
        dark: bool = False,
        touch: bool = False,
        at: str = "",
        large: bool = False,
    ) -> Page:
        scheme: Any = "dark" if dark else "light"
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB",
            timezone_id="Asia/Tokyo", accept_downloads=True, reduced_motion="reduce", has_touch=touch, is_mobile=touch,
        )  # fmt: skip
        if large:
            context.route("**/api/v1/runs", as_large)
        page = context.new_page()
        page.set_default_timeout(15_000)
        watched = Watched(page, at or server)
        page.watched = watched  # type: ignore[attr-defined]
        pages.append((page, watched))
        page.goto(f"{at or server}/{hash}")
        page.wait_for_load_state("networkidle")
        return page

    yield open_page
    for page, _ in pages:
        page.context.close()
    assert [text for _, watched in pages for text in watched.unexpected] == []


@pytest.fixture
def page(opened: Opening) -> Page:
    """The page at its usual width, opened at the bench."""
    return opened()
