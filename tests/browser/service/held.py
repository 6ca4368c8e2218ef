"""Replies that come when a test says so: the order in which they arrive is then the same each time."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route


class Held:
    """Requests of a page to addresses like `pattern`, which wait until they are let through."""

    def __init__(self, page: Page, pattern: str, method: str = "GET") -> None:
        self.page, self.pattern, self.method = page, pattern, method
        self.waiting: list[Route] = []
        self.over = False
        page.route(pattern, self._take)

    def _take(self, route: Route) -> None:
        if route.request.method == self.method and not self.over:
            self.waiting.append(route)
        else:
            route.continue_()

    def arrive(self, count: int = 1) -> None:
        """Wait until so many requests are held."""
        for _ in range(500):  # ten seconds
            if len(self.waiting) >= count:
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"{len(self.waiting)} requests to {self.pattern} were made; expected {count}")

    def answer(self, which: int) -> None:
        """Let one of those that are held through, and wait until the page has its reply."""
        route = self.waiting.pop(which)
        with self.page.expect_response(route.request.url):
            route.continue_()

    def end(self) -> None:
        """Let through what is held, in its order, and hold nothing more."""
        self.over = True
        while self.waiting:
            self.answer(0)
