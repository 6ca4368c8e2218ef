"""Requests and replies of the library."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Kind = Literal["problem", "trace", "model"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LibraryItem(_Strict):
    """A file that the library keeps."""

    id: str
    kind: Kind
    title: str
    tags: list[str]
    label: str = Field(description="the name of the file as it was uploaded")
    cell: str = Field(description="the kind of cell, and options that are not those of the plain one")
    sizes: dict[str, int] = Field(description="T, B, I, H, layers, directions, as far as they are known")
    bytes: int
    created: str = Field(description="ISO 8601, UTC")
    sha256: str
    missing: bool = Field(description="the file is not in the library's folder any more")


class KeptRun(LibraryItem):
    """What a run was kept as."""

    new: bool = Field(description="whether it was kept just now; false where the library had the same file")


class KeptItem(KeptRun):
    """What a file was kept as."""

    inspect: str = Field(description="what `lstm-trace inspect` prints of a model, and the like of a problem or trace")


class LibraryPage(_Strict):
    """Items, newest first. total: how many there are on all pages."""

    items: list[LibraryItem]
    total: int


class Inspection(_Strict):
    """What a file is."""

    kind: Kind
    text: str
    title: str
    cell: str
    sizes: dict[str, int]
    found: list[dict[str, Any]] = Field(description="each LSTM of a model")


class Change(_Strict):
    """What is changed of an item; what is null or left out stays."""

    title: str | None = Field(None, description="at most 200 characters; the label if empty")
    tags: list[str] | None = Field(None, description="at most 20, of at most 40 characters")


class RunToKeep(_Strict):
    """A run that becomes an item."""

    run: str = Field(description="its id")
    title: str = ""
    tags: list[str] = Field(default_factory=list)
