"""The page is served from a list: its own files with their types, and nothing else of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from ...support.asgi import Reply, ask

pytest.importorskip("fastapi")

from fastapi import FastAPI

from lstm_trace.service.problems import add_handlers
from lstm_trace.service.routes.page import MEDIA, STATIC, page_router


def application(folder: Path) -> FastAPI:
    app = FastAPI(redirect_slashes=False)
    add_handlers(app)
    app.include_router(page_router(folder))
    return app


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text("secret")
    page = tmp_path / "page"
    (page / "words").mkdir(parents=True)
    (page / "index.html").write_text("<!doctype html><title>Ä</title>", encoding="utf-8")
    (page / "favicon.svg").write_text("<svg/>")
    (page / "main.js").write_text("export {};")
    (page / "words" / "en.json").write_text("{}")
    (page / "tool.py").write_text("secret")
    (page / ".hidden").write_text("secret")
    return page


def test_files_with_their_types(folder: Path) -> None:
    app = application(folder)
    for path, media, content in (
        ("/", "text/html; charset=utf-8", "<!doctype html><title>Ä</title>"),
        ("/static/index.html", "text/html; charset=utf-8", "<!doctype html><title>Ä</title>"),
        ("/static/main.js", "text/javascript; charset=utf-8", "export {};"),
        ("/static/words/en.json", "application/json", "{}"),
        ("/favicon.ico", "image/svg+xml", "<svg/>"),
    ):
        reply = ask(app, path)
        assert (reply.status, reply.headers["content-type"]) == (200, media)
        assert reply.body.decode() == content
        assert reply.headers["cache-control"] == "no-cache"
        head = ask(app, path, method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, str(len(content.encode())))


@pytest.mark.parametrize(
    "path",
    [
        "/static/../secret.txt", "/static/../../secret.txt", "/static//etc/passwd", "/static/words/../../secret.txt",
        "/static/", "/static", "/static/words", "/static/tool.py", "/static/.hidden", "/static/none.js",
        "/static/%2e%2e/secret.txt", "/static/..\\secret.txt", "/static/main.js\x00", "/main.js", "/static/MAIN.JS",
    ],
)  # fmt: skip
def test_nothing_else_is_served(folder: Path, path: str) -> None:
    reply = ask(application(folder), path)
    assert reply.status == 404
    assert b"secret" not in reply.body.replace(b"secret.txt", b"")


def test_what_is_added_later_is_not_served(folder: Path) -> None:
    app = application(folder)
    (folder / "later.js").write_text("")
    assert ask(app, "/static/later.js").status == 404


def test_a_browser_that_has_a_file_is_told_so(folder: Path) -> None:
    app = application(folder)

    def asked(tag: str) -> Reply:
        return ask(app, "/static/main.js", [("host", "a"), ("if-none-match", tag)])

    tag = ask(app, "/static/main.js").headers["etag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}'):
        reply = asked(given)
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", tag)
    (folder / "main.js").write_text("export let changed;")
    assert asked(tag).body == b"export let changed;"


def test_our_page_has_only_files_that_are_served() -> None:
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    assert STATIC / "index.html" in files
    assert STATIC / "favicon.svg" in files
    others = {path.name for path in files if path.suffix not in MEDIA}
    assert others <= {"README.md", "SHA256SUMS"}, "a file of the page that a browser would not get"
