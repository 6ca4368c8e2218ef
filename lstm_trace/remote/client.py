"""A client of the service: sends requests, and returns runs, values and results as Python objects."""

from __future__ import annotations

import json
import random
import secrets
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Unpack

import numpy as np

from ..base.arrays import Array, as_plain, to_array
from ..base.writing import written
from ..documents.blocks import Block
from ..documents.formats import Show
from ..documents.result import Result
from ..documents.wire import decoded
from ..errors import LstmTraceError, MissingError, OptionError, reading
from ..languages import Language
from ..languages.strings import Words
from ..results import How
from ..trace.argument_types import checked, misfit
from ..trace.files import trace_file
from ..trace.trace import Trace

if TYPE_CHECKING:
    from ..results.explanation import ExplainOptions

#: Seconds to wait for a reply, or for more of one. A computation of more than a second is a job, which is polled;
#: only an upload waits as long as the server may take to read the file (10 s, or its `--seconds`).
PATIENCE = 60.0
#: Seconds during which a request is repeated if the server is busy, at the intervals that the server asks for.
STUBBORN = 120.0
#: Bytes of a file read at once.
PART = 1 << 20
_BASE = "/api/v1"
_Query = Mapping[str, Any] | None
#: Lets the server tell this program from others at the same address, so that they take turns.
_NAME = secrets.token_urlsafe(9)


class ServiceError(LstmTraceError):
    """An error reported by the server, or no server at all. status: the HTTP status; 0 if there was no reply."""

    def __init__(self, status: int, *problems: str) -> None:
        super().__init__(*problems)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return ServiceError, (self.status, *self.problems)


def quoted(text: str) -> str:
    """Percent-encode a text for use in a path; the slashes of an address are kept.

    >>> quoted("0/forward/W_xi @ x_t[0]")
    '0/forward/W_xi%20%40%20x_t%5B0%5D'
    """
    return urllib.parse.quote(text, safe="/")


def _document(content: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(found := json.loads(content), dict):
            return found
    return {"detail": content[:500].decode("utf-8", "replace")}


def _refused(status: int, problem: Mapping[str, Any]) -> ServiceError:
    told = problem.get("problems") or [problem.get("detail") or problem.get("title") or f"the server said {status}"]
    return ServiceError(int(status), *map(str, told))


class _Staying(urllib.request.HTTPRedirectHandler):
    """Follows a redirect to the same server alone: another one would be sent the token."""

    def redirect_request(self, req: Any, fp: Any, code: Any, msg: Any, headers: Any, newurl: str) -> Any:
        same = urllib.parse.urlsplit(newurl)[:2] == urllib.parse.urlsplit(req.full_url)[:2]
        return super().redirect_request(req, fp, code, msg, headers, newurl) if same else None


_OPENER = urllib.request.build_opener(_Staying)


@checked
@dataclass(frozen=True)
class Client:
    """A server; made by `lstm_trace.client`.

    url: URL of the server. token: the token that it was started with, if any.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    def health(self) -> Any:
        """The state of the server, with its version."""
        return self._json("GET", "/health")

    def limits(self) -> Any:
        """The limits of the server."""
        return self._json("GET", "/limits")

    def run(self, source: Any = None, **spec: Any) -> RemoteRun:
        """Run a problem, an example, or an item of the library.

        Args:
            source: a problem as a mapping; or None, with one of `example`, `item` and `model` in `spec`.
            spec: further members of the request: x, h0, c0, lengths, mask, hold, holds, tokens, equations, arithmetic,
                edits (docs/service.md). Arrays are sent as lists.

        Returns:
            The run on the server.

        Raises:
            ServiceError: with the message that the command line would print.
        """
        return RemoteRun(self, self._json("POST", "/runs", spec if source is None else {"problem": source, **spec}))

    def examples(self) -> list[str]:
        """The names of the examples."""
        return [one["name"] for one in self._json("GET", "/examples")]

    def library(self, search: str = "", kind: str = "", tag: str = "") -> list[dict[str, Any]]:
        """List the contents of the library, newest first.

        Args:
            search: words in the title, label, tags or cell; everything if empty.
            kind: `problem`, `trace` or `model`; all kinds if empty.
            tag: a tag; all tags if empty.

        Returns:
            One record per item, with its `id`.
        """
        asked = {"search": search, "kind": kind, "tag": tag, "limit": 100}
        found: list[dict[str, Any]] = []
        while True:
            part = self._json("GET", "/library", query={**asked, "offset": len(found)})
            found += part["items"]
            if not part["items"] or len(found) >= part["total"]:
                return found

    def upload(self, path: str | Path, title: str = "", tags: Any = ()) -> Any:
        """Put a problem, trace or model file into the library; the same file is stored only once.

        Args:
            path: path of the file; only its name is sent, as a label.
            title: title of the item; by default the one in the file, or the file's name.
            tags: a list of words; if the item is there already, they are added to its tags.

        Returns:
            The item, with its `id`, the output of `lstm-trace inspect`, and whether it is `new`.
        """
        query = {"label": Path(path).name, "title": title, "tags": ",".join(tags)}
        with reading(str(path)):
            content = Path(path).read_bytes()
        return self._json("POST", "/library", content, query)

    def remove(self, item: str) -> None:
        """Delete an item of the library.

        Args:
            item: its id.
        """
        with self._answer("DELETE", f"/library/{quoted(item)}"):
            pass

    def _json(self, method: str, path: str, body: Any = None, query: _Query = None) -> Any:
        """The reply as data; for a job, once it is done."""
        with self._answer(method, path, body, query) as answer:
            content, status = answer.read(), answer.status
        try:
            found = json.loads(content or b"null")
        except (ValueError, RecursionError):
            raise ServiceError(status, f"{self.url}{_BASE}{path}: the reply is not JSON of lstm-trace") from None
        return self._finished(found["id"]) if status == 202 else found

    def _parts(self, path: str, query: _Query = None) -> Iterator[bytes]:
        """A file, in chunks as they arrive; for a job, once it is done. Raises ServiceError, also if it is cut off."""
        with self._answer("GET", path, query=query) as answer:
            if answer.status != 202:
                while part := answer.read(PART):
                    yield part
                if answer.length:  # a short `read` does not raise
                    raise IncompleteRead(b"", answer.length)
                return
            job = json.loads(answer.read())
        yield from self._parts(self._finished(job["id"])["href"].removeprefix(_BASE))

    def _finished(self, job: str) -> Any:
        pause = 0.05
        while True:
            found = self._json("GET", f"/jobs/{quoted(job)}")
            if found["state"] == "done":
                return found["result"]
            if found["state"] not in ("queued", "running"):
                problem = found.get("problem") or {"detail": f"the job was {found['state']}"}
                raise _refused(problem.get("status", 0), problem)
            time.sleep(pause)
            pause = min(2 * pause, 1.0)

    @contextmanager
    def _answer(self, method: str, path: str, body: Any = None, query: _Query = None) -> Iterator[Any]:
        headers = {"Accept": "application/json", "Prefer": "respond-async", "X-Client": _NAME}
        if isinstance(body, bytes):
            headers["Content-Type"] = "application/octet-stream"
        elif body is not None:
            body = json.dumps(as_plain(body), allow_nan=False).encode()
            headers["Content-Type"] = "application/json"
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        asked = urllib.parse.urlencode({k: v for k, v in (query or {}).items() if v not in (None, "")}, doseq=True)
        url = f"{self.url.rstrip('/')}{_BASE}{path}{'?' if asked else ''}{asked}"
        if not url.startswith(("http://", "https://")):
            raise ServiceError(0, f"{self.url!r} is not the address of a server; expected http://… or https://…")
        end = time.monotonic() + STUBBORN
        while True:
            request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
            try:
                with _OPENER.open(request, timeout=PATIENCE) as answer:
                    yield answer
                    return
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 429 and time.monotonic() < end:
                        after = error.headers.get("Retry-After", "")
                        pause = min(float(after), 10.0) if after.isdecimal() else 1.0
                        time.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - so that not all come at once
                        continue
                    raise _refused(error.code, _document(error.read())) from None
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                if body is not None and isinstance(reason, ConnectionError):
                    self._check_size(len(body))
                said = f"{self.url}: no answer ({reason}); is the server running? start one with lstm-trace serve"
                raise ServiceError(0, said) from None

    def _check_size(self, size: int) -> None:
        """Raise ServiceError if a body is too large: the server would reject it unread and close the connection."""
        most = size
        with suppress(ServiceError):
            most = int(self._json("GET", "/limits")["body_bytes"])
        if size > most:
            raise ServiceError(413, f"the body has {size:,} bytes; {self.url} accepts at most {most:,}")


class RemoteResult(Result, dict[str, Any]):
    """A result computed by a server: a mapping with the members of its reply (docs/service.md), and a `Result`, whose
    document is printed and saved here.

    language: language of the document.
    """

    def __init__(self, reply: Mapping[str, Any], language: str) -> None:
        super().__init__(reply)
        self.language = language

    def __repr__(self) -> str:
        return f"<RemoteResult with {', '.join(self)}; print(…) shows it>"

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """The document in the reply.

        Raises OptionError for a language other than its own, and FileError if the reply comes from another version of
        lstm-trace.
        """
        if words.language != self.language:
            raise OptionError(f"this reply is in {self.language!r}: diff, explain and verify take language=")
        return iter(decoded(self["document"]).blocks)

    def frame(self) -> Any:
        """The rows of an explanation, or the lines of a comparison, as a pandas frame.

        Raises MissingError unless the reply has all.
        """
        import pandas as pd

        if (rows := self.get("rows", self.get("lines"))) is None or self.get("left_out"):
            raise MissingError("the server's reply does not have all rows: compute the result here, from run.trace()")
        return pd.DataFrame(rows, columns=self.get("columns"))

    def facts(self) -> dict[str, Any]:
        """The members of the reply, without the document."""
        return {name: value for name, value in self.items() if name != "document"}


@checked
@dataclass(frozen=True, repr=False)
class RemoteRun:
    """A run on a server. record: the server's description of it (docs/service.md)."""

    client: Client
    record: dict[str, Any]

    def __repr__(self) -> str:
        cell, size = self.record["cell"]["kind"], f"T={self.record['steps']} B={self.record['batch']}"
        return f"<RemoteRun {self.id} of {self.client.url}: {cell}, {size}>"

    @property
    def id(self) -> str:
        """The run's id: the same source with the same edits has the same id."""
        return str(self.record["id"])

    def spec(self) -> Any:
        """The arguments that repeat the run on any server: `other.run(**run.spec())`."""
        return self.client._json("GET", f"/runs/{self.id}/spec")

    def values(
        self, line: str, layer: int | None = None, direction: str | None = None, t: Any = None, unit: Any = None
    ) -> Array:
        """Return the values of a line.

        Args:
            line: name of the line, for example `c_t`.
            layer: layer, from 0; needed if there are several.
            direction: `forward` or `reverse`; needed if there are both.
            t: a step, or `a:b`; all if None.
            unit: a unit, or `a:b`; all if None.

        Returns:
            The values, (T, B, width).
        """
        query = {"line": line, "layer": layer, "direction": direction, "t": t, "unit": unit}
        if len(found := self.client._json("GET", f"/runs/{self.id}/values", query=query)["values"]) != 1:
            places = ", ".join(one["scope"] for one in found)
            raise ServiceError(0, f"{line} is in {places or 'no layer'}: choose one with layer= and direction=")
        return np.asarray(to_array(found[0]["values"]))

    def at(self, address: str, of: str | None = None) -> Any:
        """Return one value with its equation, operands and consumers.

        Args:
            address: address of the value, for example `0/forward/3/0/h_t[1]`.
            of: the address of a value whose gradient with respect to this one is wanted.

        Returns:
            The record described in docs/service.md.
        """
        return self.client._json("GET", f"/runs/{self.id}/at/{quoted(address)}", query={"of": of})

    def edit(self, edits: Mapping[str, Any], **changes: str | None) -> RemoteRun:
        """Make a new run with changed inputs or weights; this one stays as it is.

        Args:
            edits: maps an address to a number or a whole array.
            changes: other `equations` or another `arithmetic`; None for those of the source.
        """
        values = [{"address": name, "value": value} for name, value in edits.items()]
        reply = self.client._json("POST", f"/runs/{self.id}/edits", {"edits": values, **changes})
        return RemoteRun(self.client, reply)

    def diff(
        self, other: RemoteRun | str, language: Language = "en", *, rtol: float | None = None,
        atol: float | None = None, ulps: float | None = None,
    ) -> RemoteResult:  # fmt: skip
        """Compare another run with this one.

        Args:
            other: a run on the same server, or its id.
            language: language of the report.
            rtol: relative tolerance.
            atol: absolute tolerance.
            ulps: tolerance in units in the last place.
        """
        tolerance = {"rtol": rtol, "atol": atol, "ulps": ulps}
        return self._result("/diffs", {"a": self.id, "b": _run_id("other", other), "language": language, **tolerance})

    def explain(
        self, how: How | Literal["attribution"], of: str | None = None, language: Language = "en",
        against: RemoteRun | str | None = None, **options: Unpack[ExplainOptions],
    ) -> RemoteResult:  # fmt: skip
        """Explain a value.

        Args:
            how: `memory`, `gradient`, `contribution`, `ablation`, `gates`, `training`, `padding`, or `attribution`:
                of the difference from `against`.
            of: the address of the value.
            language: language of the report.
            against: another run on the same server, or its id: the reference of an attribution, the baseline of a
                contribution.
            options: options of that explanation.
        """
        other = None if against is None else _run_id("against", against)
        body = {"run": self.id, "how": how, "of": of, "against": other, "language": language, **options}
        return self._result("/explanations", body)

    def verify(self, language: Language = "en") -> RemoteResult:
        """Verify every line by deriving it again from its operands.

        Args:
            language: language of the report.
        """
        return self._result("/verifications", {"run": self.id, "language": language})

    def _result(self, path: str, body: Mapping[str, Any]) -> RemoteResult:
        return RemoteResult(self.client._json("POST", path, body), body["language"])

    def download(self, file: str, path: str | Path | None = None, **options: Any) -> bytes:
        """Download one of the run's files.

        Args:
            file: `problem.yaml`, `report.md`, `report.pdf`, `values.csv`, `values.xlsx`, `trace.json`, `run.py`, ….
            path: where to save it as well; nowhere if None.
            options: options of a report: language, notation, digits, ….
        """
        return self._kept(self._place(file), path, options)

    def plot(
        self, kind: str, path: str | Path | None = None, against: RemoteRun | str | None = None, **options: Any
    ) -> bytes:
        """Draw one of the run's pictures.

        Args:
            kind: `states`, `unit`, `text`, `memory`, …, as in `trace.plot`.
            path: where to save it as well; the suffix determines the format; nowhere if None.
            against: for `diff` and `weights`, another run on the same server, or its id; this run minus the other is
                drawn.
            options: options of that kind (docs/service.md): unit, line, layer, of, language, …; and `format`: `svg`,
                `png`, `html` or `json`.

        Returns:
            The picture; SVG unless `path` or `format` determines another format.

        Raises:
            ServiceError: with the server's message.
        """
        options = {name: _as_text(value) for name, value in options.items()}
        if path is not None:
            options.setdefault("format", Path(path).suffix.removeprefix("."))
        place = f"/runs/{self.id}/plot/{quoted(kind)}"
        if against is not None:
            place, options = f"/diffs/plot/{quoted(kind)}", {"a": self.id, "b": _run_id("against", against), **options}
        return self._kept(place, path, options)

    def trace(self) -> Trace:
        """Return the trace, with every value, for use with the rest of `lstm_trace`.

        Returns:
            The trace; its arrays are memory-mapped from a temporary file, so it may be larger than memory.

        Raises:
            ServiceError: with the server's message.
        """
        # the arrays can still be read after the file is unlinked; on Windows it is not unlinked while they are in use
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "trace.safetensors"
            with written(path, "wb") as target:
                target.writelines(self.client._parts(self._place(path.name)))
            return trace_file.load(path)

    def _place(self, file: str) -> str:
        return f"/runs/{self.id}/download/{quoted(file)}"

    def _kept(self, place: str, path: str | Path | None, options: Mapping[str, Any]) -> bytes:
        """A file from the server, also written to `path` unless that is None."""
        content = b"".join(self.client._parts(place, options))
        if path is not None:
            with written(path, "wb") as target:
                target.write(content)
        return content


def _as_text(value: Any) -> Any:
    """An option as it is written in an address: units separated by commas, a slice of steps as `2:5`.

    >>> _as_text((1, 3)), _as_text(slice(2, None)), _as_text(["f_t", "c_t"])
    ('1,3', '2:', ['f_t', 'c_t'])
    """
    if isinstance(value, slice):
        return ":".join("" if end is None else str(end) for end in (value.start, value.stop))
    if isinstance(value, list | tuple | range) and not any(isinstance(one, str) for one in value):
        return ",".join(map(str, value))
    return value


def _run_id(argument: str, run: Any) -> str:
    if not isinstance(run, RemoteRun | str):
        raise misfit(argument, "a run on the server, or its id", run)
    return run if isinstance(run, str) else run.id
