"""What a folder of states says of itself: `_manifest.json`. Names with `_` are no data to Arrow, polars and Spark."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_serializer

from ..base.files import read_bytes, read_json
from ..base.writing import spare, written
from ..errors import FileError
from ..trace.files.schema import validate
from .inputs.columns import X
from .job import Files, Stored, key_of, said_again
from .layout import Block, Layout, files_of
from .rows import SEQUENCE, Place, Span

MANIFEST, MODEL, INDEX, FAILED = "_manifest.json", "_model.safetensors", "_index.parquet", "_failed{}.json"
#: What stands beside the parts, whose manifest says whose it is.
BESIDE = (MODEL, INDEX)
#: Bytes of a manifest that are read: a million parts.
LARGEST = 1 << 26


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", defer_build=True)


class Described(_Strict):
    """What `TableFile.described` gives, and `inputs.opened` takes."""

    path: str
    id: str = SEQUENCE
    x: str = X
    ids: str | None = None
    vocabulary: str | None = None
    embedding: str | None = None
    unknown: str | None = None


class Failure(_Strict):
    """A part that could not be computed, and why."""

    part: Place
    error: str


class Manifest(_Strict):
    """What is computed, from what, and in which parts.

    key: see `Job`. premises: what it is the hash of. source: by which `inputs.opened` makes the input again. title,
    cell, imported: of the model. parts: [number, first place, last place, sequences, steps] of each. versions: of the
    packages that began the run.
    """

    format: Literal["lstm-trace-corpus/1"] = "lstm-trace-corpus/1"
    key: str
    premises: dict[str, str | int | list[str]]
    source: Described
    title: str
    cell: str
    sources: list[str]
    imported: list[str]
    files: Files
    dtype: Stored
    blocks: list[Block] = Field(min_length=1)
    parts: list[Span] = Field(min_length=1)
    versions: dict[str, str] = {}

    @field_serializer("blocks")
    def _by_name(self, blocks: list[Block]) -> list[dict[str, Any]]:
        return [block._asdict() for block in blocks]

    @property
    def inputs(self) -> list[str]:
        """The files from which the input is read."""
        return [said for said in (self.source.path, self.source.vocabulary, self.source.embedding) if said is not None]

    @property
    def layout(self) -> Layout:
        """The columns of the states."""
        return Layout(tuple(self.blocks))

    def files_of(self, number: int) -> list[str]:
        """See `layout.files_of`."""
        return files_of(number, self.files)

    @property
    def contradiction(self) -> str:
        """The first of its entries that another one contradicts, with that; empty where there is none."""
        said = said_again(self.layout, self.dtype, self.files, self.parts)
        called = {"record": "blocks", "format": "files"}
        for name, value in said.items():
            if self.premises.get(name) != value:
                return f"{called.get(name, name)} and premises.{name}"
        return "" if self.key == key_of(self.premises) else "key and premises"


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a folder; None where it has none. Raises FileError."""
    path = Path(folder, MANIFEST)
    if not path.exists():
        return None
    content = read_bytes(path, "no manifest of a corpus", LARGEST)
    said = re.search(rb'"format": *"lstm-trace-corpus/([^"]{1,20})"', content[:1000])
    if said is not None and said[1] != b"1":
        found = said[1].decode(errors="replace")
        raise FileError(f"{path}: written in version {found} of the format, and this lstm-trace reads 1: update it")
    if said is None:
        raise FileError(f"{path}: no manifest of a corpus; give a folder that lstm-trace corpus run has made")
    found = validate(Manifest, content, str(path))
    if found.contradiction:
        raise FileError(
            f"{path}: {found.contradiction} do not fit together: the manifest was edited. Undo that, or run the corpus "
            "again into another folder"
        )
    return found


def meant(said: str | Path) -> set[Path]:
    """The files that a path or `FILE:NAME` may mean."""
    return {Path(said), Path(str(said).rpartition(":")[0] or said)}


def failed_lists(folder: Path) -> list[Path]:
    """The lists of failed parts, of a whole run or of shares."""
    return sorted(path for path in folder.glob(FAILED.format("*")) if re.fullmatch(r"_failed(-\d+)?\.json", path.name))


def read_failed(folder: Path) -> dict[int, str]:
    """By number, why a part could not be computed. Raises FileError."""
    found: dict[int, str] = {}
    for path in failed_lists(folder):
        listed = read_json(path, read_bytes(path, most=LARGEST))
        if not isinstance(listed, list):
            raise FileError(f"{path}: expected a list of parts with their errors; remove it")
        found |= {one.part: one.error for one in (validate(Failure, entry, str(path)) for entry in listed)}
    return found


def spare_states(output: str | Path, folder: str | Path) -> None:
    """Raise FileError where `output` is a file of the states in a folder, there or not yet, or one read for them."""
    there = read_manifest(folder)
    if there is None:
        return
    names = [MANIFEST, *BESIDE, *(name for span in there.parts for name in there.files_of(span.number))]
    read = [path for said in (*there.inputs, *there.sources) if said for path in meant(said)]
    within = [path for one in read if one.is_dir() for path in one.glob("*")]
    spare(output, [*(Path(folder, name) for name in names), *Path(folder).glob("_*"), *read, *within])
    path = Path(output).absolute()
    if path.name in names and path.parent.resolve() == Path(folder).resolve():
        raise FileError(f"{output}: {path.name} is the name of a part of these states; write to another file")


def write_json(path: Path, data: Any) -> None:
    """Write plain data; whole, and on the disk."""
    with written(path, durable=True) as file:
        json.dump(data, file, indent=1)
        file.write("\n")
