"""Runs, values and answers of a server as Python objects."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array, to_array
from ..base.writing import written
from ..errors import FileError, reason
from ..trace.argument_types import checked
from ..trace.files import trace_file
from ..trace.trace import Trace
from .connection import Connection, ServiceError, quoted


@checked
@dataclass(frozen=True)
class Client(Connection):
    """A server. Made by `lstm_trace.client`.

    url: of the server. token: the one that it was started with, if any.
    """

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
        try:
            with open(path, "rb") as file:
                return self._json("POST", "/library", file.read(), query)
        except OSError as error:
            raise FileError(f"{path}: {reason(error)}") from None

    def remove(self, item: str) -> None:
        """Delete an item of the library.

        Args:
            item: its id.
        """
        with self._answer("DELETE", f"/library/{quoted(item)}"):
            pass


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

    def diff(self, other: RemoteRun, **tolerance: Any) -> Any:
        """The comparison of another run with this one.

        Args:
            other: of the same server.
            tolerance: rtol, atol or ulps.
        """
        return self.client._json("POST", "/diffs", {"a": self.id, "b": other.id, **tolerance})

    def explain(self, how: str, of: str | None = None, **options: Any) -> Any:
        """An explanation of a value.

        Args:
            how: `memory`, `gradient`, `contribution`, `gates` or `attribution`.
            of: the address of the value.
            options: of that explanation.
        """
        body = {"run": self.id, "how": how, **({} if of is None else {"of": of}), **options}
        return self.client._json("POST", "/explanations", body)

    def verify(self) -> Any:
        """The verdict on every line, each derived again from its operands."""
        return self.client._json("POST", "/verifications", {"run": self.id})

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
