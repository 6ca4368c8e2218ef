"""A client of the service: requests to a server, and its runs, values and answers as Python objects."""

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
from typing import Any

import numpy as np

from ..base.arrays import Array, as_plain, to_array
from ..base.writing import written
from ..documents.formats import PRINTERS, rendered
from ..documents.wire import decoded
from ..errors import LstmTraceError, OptionError, nearest, reading
from ..trace.argument_types import checked
from ..trace.files import trace_file
from ..trace.trace import Trace

#: Seconds to wait for an answer, or for more of one. What takes longer than a second is a job, which is asked about
#: again and again; only an upload waits for as long as the server may take to read the file (10 s, or its `--seconds`).
PATIENCE = 60.0
#: Seconds in which a request that the server is too busy for is sent again, as often as the server wants it to be.
STUBBORN = 120.0
#: Bytes of a file that are read at once.
PART = 1 << 20
_BASE = "/api/v1"
#: By which a server tells this program from others of the same address, so that they take turns.
_NAME = secrets.token_urlsafe(9)


class ServiceError(LstmTraceError):
    """What the server says is wrong, or that there is no server. status: of HTTP; 0 where there was no answer."""

    def __init__(self, status: int, *problems: str) -> None:
        super().__init__(*problems)
        self.status = status

    def __reduce__(self) -> tuple[Any, ...]:
        return ServiceError, (self.status, *self.problems)


def quoted(text: str) -> str:
    """A text as a part of a path: only the slashes of an address stay.

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


@checked
@dataclass(frozen=True)
class Client:
    """A server. Made by `lstm_trace.client`.

    url: of the server. token: the one that it was started with, if any.
    """

    url: str
    token: str | None = field(default=None, repr=False)

    def health(self) -> Any:
        """The state of the server, with its version."""
        return self._json("GET", "/health")

    def limits(self) -> Any:
        """What the server allows."""
        return self._json("GET", "/limits")

    def run(self, source: Any = None, **spec: Any) -> RemoteRun:
        """Run a problem, an example or something in the library.

        Args:
            source: a problem as a mapping; or None, with one of `example`, `item` and `model` among the others.
            spec: further members of the request: x, h0, c0, lengths, mask, hold, holds, tokens, equations, arithmetic,
                edits (docs/service.md). Arrays are sent as lists.

        Returns:
            The run on the server.

        Raises:
            ServiceError: with the message of the command line.
        """
        body = spec if source is None else {"problem": source, **spec}
        return RemoteRun(self, self._json("POST", "/runs", body))

    def examples(self) -> list[str]:
        """The names of the examples."""
        return [one["name"] for one in self._json("GET", "/examples")]

    def library(self, search: str = "", kind: str = "", tag: str = "") -> list[dict[str, Any]]:
        """What the server keeps, newest first.

        Args:
            search: words in the title, label, tags or cell; everything if empty.
            kind: `problem`, `trace` or `model`; all if empty.
            tag: a tag; all if empty.

        Returns:
            A record for each item, with its `id`.
        """
        asked = {"search": search, "kind": kind, "tag": tag, "limit": 100}
        found: list[dict[str, Any]] = []
        while True:
            part = self._json("GET", "/library", query={**asked, "offset": len(found)})
            found += part["items"]
            if not part["items"] or len(found) >= part["total"]:
                return found

    def upload(self, path: str | Path, title: str = "", tags: Any = ()) -> Any:
        """Put a problem, trace or model file into the library, which keeps the same file once.

        Args:
            path: of the file; its name alone is sent, as a label.
            title: by default the one in the file, or its name.
            tags: a list of words; an item that is there already gets them beside its own.

        Returns:
            The item, with its `id`, what `lstm-trace inspect` says of it, and whether it is `new`.
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

    def _json(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """The answer as data; of a job, when it is done."""
        with self._answer(method, path, body, query) as answer:
            found = json.loads(answer.read() or b"null")
            status = answer.status
        return self._finished(found["id"]) if status == 202 else found

    def _parts(self, path: str, query: Mapping[str, Any] | None = None) -> Iterator[bytes]:
        """A file, in parts as they arrive; of a job, when it is done. Raises ServiceError, also where it is cut off."""
        with self._answer("GET", path, query=query) as answer:
            if answer.status != 202:
                while part := answer.read(PART):
                    yield part
                if answer.length:  # `read` of a part does not say so
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
    def _answer(
        self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None
    ) -> Iterator[Any]:
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
            raise ServiceError(0, f"{self.url!r} is no address of a server; expected http://… or https://…")
        end = time.monotonic() + STUBBORN
        while True:
            request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                    yield answer
                    return
            except urllib.error.HTTPError as error:
                with error:
                    if error.code == 429 and time.monotonic() < end:
                        pause = min(float(error.headers.get("Retry-After") or 1), 10.0)
                        time.sleep(pause * random.uniform(0.7, 1.3))  # noqa: S311 - so that not all come at once
                        continue
                    raise _refused(error.code, _document(error.read())) from None
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                if body is not None and isinstance(reason, ConnectionError):
                    self._check_size(len(body))
                said = f"{self.url}: no answer ({reason}); is the server running? lstm-trace serve starts one"
                raise ServiceError(0, said) from None

    def _check_size(self, size: int) -> None:
        """Raise ServiceError for a body that is too large: the server refuses it unread, and closes the connection."""
        most = size
        with suppress(ServiceError):
            most = int(self._json("GET", "/limits")["body_bytes"])
        if size > most:
            raise ServiceError(413, f"the body has {size:,} bytes, and {self.url} reads at most {most:,}")


class RemoteResult(dict[str, Any]):
    """What a server found: the members of its reply (docs/service.md), and a report of its document.

    language: of the document.
    """

    def __init__(self, reply: Mapping[str, Any], language: str) -> None:
        super().__init__(reply)
        self.language = language

    def report(self, format: str = "md", width: int = 80) -> str:
        """The document, printed here.

        Args:
            format: `md`, `text`, `tex` or `typ`.
            width: columns of `text`.

        Raises:
            OptionError: for another format.
            FileError: for a document of another version of lstm-trace.
        """
        if format not in PRINTERS:
            raise OptionError(f"there is no format {format!r}{nearest(format, PRINTERS, 'expected')}")
        return rendered([decoded(self["document"])], format, self.language, width)


@checked
@dataclass(frozen=True, repr=False)
class RemoteRun:
    """A run on a server. record: what the server says of it (docs/service.md)."""

    client: Client
    record: dict[str, Any]

    def __repr__(self) -> str:
        cell, size = self.record["cell"]["kind"], f"T={self.record['steps']} B={self.record['batch']}"
        return f"<RemoteRun {self.id} of {self.client.url}: {cell}, {size}>"

    @property
    def id(self) -> str:
        """Its id: the same source with the same edits has the same."""
        return str(self.record["id"])

    def spec(self) -> Any:
        """What makes the run again, on any server: `other.run(**run.spec())`."""
        return self.client._json("GET", f"/runs/{self.id}/spec")

    def values(
        self, line: str, layer: int | None = None, direction: str | None = None, t: Any = None, unit: Any = None
    ) -> Array:
        """The values of a line.

        Args:
            line: its name, `c_t`.
            layer: from 0; where there are several.
            direction: `forward` or `reverse`; where there are both.
            t: a step, or `a:b`; all if None.
            unit: a unit, or `a:b`; all if None.

        Returns:
            (T, B, width).
        """
        query = {"line": line, "layer": layer, "direction": direction, "t": t, "unit": unit}
        found = self.client._json("GET", f"/runs/{self.id}/values", query=query)["values"]
        if len(found) != 1:
            places = ", ".join(one["scope"] for one in found)
            raise ServiceError(0, f"{line} is in {places or 'no layer'}: choose one with layer= and direction=")
        return np.asarray(to_array(found[0]["values"]))

    def at(self, address: str, of: str | None = None) -> Any:
        """One value with its equation, operands and readers.

        Args:
            address: as in `0/forward/3/0/h_t[1]`.
            of: the address of a value whose gradient with respect to this one is wanted.

        Returns:
            The record of docs/service.md.
        """
        return self.client._json("GET", f"/runs/{self.id}/at/{quoted(address)}", query={"of": of})

    def edit(self, edits: Mapping[str, Any], **changes: Any) -> RemoteRun:
        """A new run with other givens; this one stays as it is.

        Args:
            edits: by address a number, or a whole array.
            changes: `equations` or `arithmetic`.
        """
        body = {"edits": [{"address": name, "value": value} for name, value in edits.items()], **changes}
        return RemoteRun(self.client, self.client._json("POST", f"/runs/{self.id}/edits", body))

    def diff(self, other: RemoteRun, language: str = "en", **tolerance: Any) -> RemoteResult:
        """The comparison of another run with this one.

        Args:
            other: of the same server.
            language: of its report.
            tolerance: rtol, atol or ulps.
        """
        return self._result("/diffs", {"a": self.id, "b": other.id, "language": language, **tolerance})

    def explain(self, how: str, of: str | None = None, language: str = "en", **options: Any) -> RemoteResult:
        """An explanation of a value.

        Args:
            how: `memory`, `gradient`, `contribution`, `ablation`, `gates`, `training`, `padding`, or `attribution`
                with the id of another run as `against`.
            of: the address of the value.
            language: of its report.
            options: of that explanation.
        """
        body = {"run": self.id, "how": how, "language": language, **options}
        return self._result("/explanations", body if of is None else body | {"of": of})

    def verify(self, language: str = "en") -> RemoteResult:
        """The verdict on every line, each derived again from its operands.

        Args:
            language: of its report.
        """
        return self._result("/verifications", {"run": self.id, "language": language})

    def _result(self, path: str, body: Mapping[str, Any]) -> RemoteResult:
        return RemoteResult(self.client._json("POST", path, body), body["language"])

    def download(self, file: str, path: str | Path | None = None, **options: Any) -> bytes:
        """One of its files.

        Args:
            file: `problem.yaml`, `report.md`, `report.pdf`, `values.csv`, `values.xlsx`, `trace.json`, `run.py`, ….
            path: where to write it too; nowhere if None.
            options: of a report: language, notation, digits, ….
        """
        return self._kept(self._place(file), path, options)

    def plot(
        self, kind: str, path: str | Path | None = None, against: RemoteRun | None = None, **options: Any
    ) -> bytes:
        """One of its pictures.

        Args:
            kind: `states`, `unit`, `text`, `memory`, …, as `trace.plot` has them.
            path: where to write it too, with the format as its suffix; nowhere if None.
            against: of `diff` and `weights` the other run, of the same server; what is drawn is that less this.
            options: of that kind (docs/service.md): unit, line, layer, of, language, …; and `format`: `svg`, `png`,
                `html` or `json`.

        Returns:
            The picture: SVG, if neither `path` nor `format` says otherwise.

        Raises:
            ServiceError: with what the server says.
        """
        options = {name: _as_text(value) for name, value in options.items()}
        if path is not None:
            options.setdefault("format", Path(path).suffix.removeprefix("."))
        place = f"/runs/{self.id}/plot/{quoted(kind)}"
        if against is not None:
            place, options = f"/diffs/plot/{quoted(kind)}", {"a": self.id, "b": against.id, **options}
        return self._kept(place, path, options)

    def trace(self) -> Trace:
        """The trace, with every value, for everything that `lstm_trace` does with one.

        Returns:
            The trace; its arrays are read from a file of their own, so it may be larger than memory.

        Raises:
            ServiceError: with what the server says.
        """
        # the arrays go on to read the file once its name is removed; on Windows neither is removed while they do
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "trace.safetensors"
            with written(path, "wb") as target:
                target.writelines(self.client._parts(self._place(path.name)))
            return trace_file.load(path)

    def _place(self, file: str) -> str:
        return f"/runs/{self.id}/download/{quoted(file)}"

    def _kept(self, place: str, path: str | Path | None, options: Mapping[str, Any]) -> bytes:
        """A file of the server, which is also written to `path`, unless that is None."""
        content = b"".join(self.client._parts(place, options))
        if path is not None:
            with written(path, "wb") as target:
                target.write(content)
        return content


def _as_text(value: Any) -> Any:
    """An option as an address has it: units with commas between, a slice of steps as `2:5`.

    >>> _as_text((1, 3)), _as_text(slice(2, None)), _as_text(["f_t", "c_t"])
    ('1,3', '2:', ['f_t', 'c_t'])
    """
    if isinstance(value, slice):
        return ":".join("" if end is None else str(end) for end in (value.start, value.stop))
    if isinstance(value, list | tuple | range) and not any(isinstance(one, str) for one in value):
        return ",".join(map(str, value))
    return value
