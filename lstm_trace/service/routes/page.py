"""The page: its files, from a list made at the start and never by a path that a client sends."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

from fastapi import APIRouter, HTTPException, Request, Response

from ...languages import languages
from ...languages.strings import page_texts
from ...runs.printing import MEDIA as TYPES

#: Served files, by suffix; files with other suffixes are not part of the page.
MEDIA = {suffix: TYPES[suffix] for suffix in (".html", ".js", ".css", ".json", ".svg", ".png", ".woff2", ".txt")}
STATIC = Path(__file__).parents[1] / "static"
#: The modules that compute, which belong to no page; those of the bench find them above `/static/`.
LINES = STATIC.parents[1] / "lines"
#: The style sheets of pictures, cells, values over time and documents, shared by files and the page.
SHARED = [STATIC.parents[1] / name for name in ("report/diagram/diagram.css", "plot/plot.css", "documents/blocks.css")]


#: The texts of the page, by the file name that it requests.
WORDS = {f"words/{code}.json": code for code in languages()}


def page_router(folder: Path = STATIC) -> APIRouter:
    """The routes of the page: `/`, the icon, every file in `folder` under `/static/`, and the modules that compute."""
    router = APIRouter(include_in_schema=False)
    names = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in MEDIA)
    files = {path.relative_to(folder).as_posix(): path for path in names} | {path.name: path for path in SHARED}
    modules = {path.name: path for path in sorted(LINES.glob("*.js"))}
    methods = ["GET", "HEAD"]

    @router.api_route("/", methods=methods)
    def index(request: Request) -> Response:
        return static(request, "index.html")

    @router.api_route("/favicon.ico", methods=methods)
    def favicon(request: Request) -> Response:
        return static(request, "favicon.svg")

    @router.api_route("/static/{name:path}", methods=methods)
    def static(request: Request, name: str) -> Response:
        if name in files:
            form = b".document{%b}" if name == "blocks.css" else b"%b"  # the page has other tables, rows and lines, too
            return _sent(request, form % files[name].read_bytes(), MEDIA[files[name].suffix])
        if name in WORDS:
            return _sent(request, json.dumps(page_texts(WORDS[name]), ensure_ascii=False).encode(), MEDIA[".json"])
        raise HTTPException(404, f"the page has no file {name!r}")

    @router.api_route("/lines/{name}", methods=methods)
    def lines(request: Request, name: str) -> Response:
        if name not in modules:
            raise HTTPException(404, f"the page has no file {name!r}")
        return _sent(request, modules[name].read_bytes(), MEDIA[".js"])

    return router


def _sent(request: Request, content: bytes, media: str) -> Response:
    """A file, or 304 if the browser has the current version; it asks each time, so that updates take effect at once."""
    tag = f'"{sha256(content).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    seen = {part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(",")}
    return Response(None, 304, headers) if tag in seen else Response(content, 200, headers, media)
