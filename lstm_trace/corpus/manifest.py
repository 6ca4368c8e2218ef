"""The files next to the parts: the folder's description, the model, and an index of where each sequence is.

Their names begin with `_`, so that Arrow, polars and Spark do not take them for data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_serializer

from ..base.files import read_bytes, read_json
from ..base.writing import spare, written
from ..errors import FileError, MissingError, nearest
from ..model.model import Model
from ..model.problem import premises
from ..model.sources import prepare
from ..trace.files import trace_file
from ..trace.files.schema import Strict, validate
from .inputs.columns import X
from .job import Files, Stored, corpus_model, digest, key_of, said_again
from .part_file import reading
from .rows import SEQUENCE, Block, Place, SequenceIndex, Span, StateLayout, compute, name_of, pa, parquet

MANIFEST, MODEL, INDEX, FAILED = "_manifest.json", "_model.safetensors", "_index.parquet", "_failed{}.json"
#: The files next to the parts; the manifest identifies their run.
BESIDE = (MODEL, INDEX)
#: The bytes of a manifest that are read: a million parts.
LARGEST = 1 << 26


class InputReading(Strict):
    """What `TableFile.described` gives, and `inputs.opened` takes."""

    path: str
    id: str = SEQUENCE
    x: str = X
    ids: str | None = None
    vocabulary: str | None = None
    embedding: str | None = None
    unknown: str | None = None


class FailedPart(Strict):
    """A part that could not be computed, and why."""

    part: Place
    error: str


class Manifest(Strict):
    """What is computed, from what, and in which parts.

    premises: everything that determines the bytes of the parts; key: their hash. source: the arguments with which
    `inputs.opened` opens the input again. title, cell, imported: of the model. parts: [number, first place, last
    place, sequences, steps] of each. versions: of the packages with which the run began.
    """

    format: Literal["lstm-trace-corpus/1"] = "lstm-trace-corpus/1"
    key: str
    premises: dict[str, str | int | list[str]]
    source: InputReading
    title: str
    cell: str
    sources: list[str]
    imported: list[str]
    files: Files
    dtype: Stored
    blocks: list[Block] = Field(min_length=1)
    parts: list[Span] = Field(min_length=1)
    versions: dict[str, str] = Field(default_factory=dict)

    @field_serializer("blocks")
    def _by_name(self, blocks: list[Block]) -> list[dict[str, Any]]:
        return [block._asdict() for block in blocks]

    @property
    def inputs(self) -> list[str]:
        """The files from which the input is read."""
        return [said for said in (self.source.path, self.source.vocabulary, self.source.embedding) if said is not None]

    @property
    def layout(self) -> StateLayout:
        """The columns of the states."""
        return StateLayout(tuple(self.blocks))

    def files_of(self, number: int) -> list[str]:
        """The names of the files of a part; once the last one exists, the part is complete."""
        return list(dict.fromkeys(name_of(number, suffix) for suffix in ("parquet", self.files)))

    @property
    def contradiction(self) -> str:
        """The first entry that contradicts another one, with that one; empty if there is none."""
        said = said_again(self.layout, self.dtype, self.files, self.parts)
        called = {"record": "blocks", "format": "files"}
        for name, value in said.items():
            if self.premises.get(name) != value:
                return f"{called.get(name, name)} and premises.{name}"
        return "" if self.key == key_of(self.premises) else "key and premises"


def read_manifest(folder: str | Path) -> Manifest | None:
    """The manifest of a folder; None if it has none. Raises FileError."""
    path = Path(folder, MANIFEST)
    if not path.exists():
        return None
    content = read_bytes(path, "not the manifest of a corpus", LARGEST)
    if (said := re.search(rb'"format": *"lstm-trace-corpus/([^"]{1,20})"', content[:1000])) is None:
        raise FileError(f"{path}: not the manifest of a corpus; give a folder that lstm-trace corpus run has made")
    if (other := said[1].decode(errors="replace")) != "1":
        raise FileError(f"{path}: written in version {other} of the format; this lstm-trace reads 1: update it")
    found = validate(Manifest, content, str(path))
    if found.contradiction:
        wrong = f"{found.contradiction} do not fit together: the manifest was edited"
        raise FileError(f"{path}: {wrong}. Undo that, or run the corpus again into another folder")
    return found


def meant(said: str | Path) -> set[Path]:
    """The files that a path or `FILE:NAME` may refer to."""
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
        found |= {one.part: one.error for one in (validate(FailedPart, entry, str(path)) for entry in listed)}
    return found


def spare_states(output: str | Path, folder: str | Path) -> None:
    """Raise FileError if `output` is a file of the states in a folder, existing or not, or one that is read for
    them.
    """
    if (there := read_manifest(folder)) is None:
        return
    names = [MANIFEST, *BESIDE, *(name for span in there.parts for name in there.files_of(span.number))]
    read = [path for said in (*there.inputs, *there.sources) if said for path in meant(said)]
    within = [path for one in read if one.is_dir() for path in one.glob("*")]
    spare(output, [*(Path(folder, name) for name in names), *Path(folder).glob("_*"), *read, *within])
    path = Path(output).absolute()
    if path.name in names and path.parent.resolve() == Path(folder).resolve():
        raise FileError(f"{output}: {path.name} is the name of a part of these states; write to another file")


def write_json(path: Path, data: Any) -> None:
    """Write plain data, completely and to the disk."""
    with written(path, durable=True) as file:
        json.dump(data, file, indent=1)
        file.write("\n")


#: Rows of a group of the index, so that one sequence is found without reading all; texts that are compared with an id
#: that does not exist.
GROUP, MOST_COMPARED = 1 << 16, 5000


def read_model(folder: Path, expected: str) -> Model:
    """The model of a folder. expected: its digest. Raises FileError for another model."""
    path = folder / MODEL
    if not path.exists():
        raise FileError(f"{path}: the model is missing; run the corpus again, which writes it")
    found = premises(trace_file.load(path))
    kept = {name: value for name, value in found.items() if name not in ("x", "h0", "c0", "initial", "lengths", "ask")}
    model = corpus_model(prepare(kept, allow_nonfinite=True))
    if digest(model) != expected:
        raise FileError(f"{path}: not the model of these states; run the corpus again with --fresh (fresh=True)")
    return model


def is_index(folder: Path, index: SequenceIndex, spans: Iterable[Span]) -> bool:
    """Whether the file gives the place of each sequence. Raises FileError."""
    with reading(folder / INDEX):
        return bool(parquet.read_table(folder / INDEX).equals(index_of(index, spans)))


def write_beside(folder: Path, manifest: Manifest, model: Model, width: int, index: SequenceIndex) -> None:
    """Write the model, as the trace of one step, and the index, unless both exist and are right. width: I."""
    with suppress(FileError):
        read_model(folder, str(manifest.premises["model"]))
        if is_index(folder, index, manifest.parts):
            return
    trace = model.run(np.zeros((1, 1, width)), lengths=[1], plan="lines", batch_first=False)
    trace_file.save(trace, folder / MODEL)
    with written(folder / INDEX, "wb", durable=True) as file:
        parquet.write_table(index_of(index, manifest.parts), file, row_group_size=GROUP, compression="zstd")


def index_of(index: SequenceIndex, spans: Iterable[Span]) -> Any:
    """The part, the first row there and the steps of each sequence, in the order of the rows of the parts."""
    parts, at = [], 0
    for span in spans:
        which = at + np.argsort(index.ids[at : at + span.sequences], kind="stable")
        at, steps = at + span.sequences, index.lengths[which]
        columns = {SEQUENCE: index.ids[which], "part": np.full(len(which), span.number, np.int32)}
        columns |= {"row": (np.cumsum(steps) - steps).astype(np.int64), "steps": steps.astype(np.int32)}
        parts.append(pa.table(columns))
    return pa.concat_tables(parts).combine_chunks()


def place_of(folder: Path, sequence: int | str) -> tuple[int, slice]:
    """The number of the part that contains a sequence, and its rows there. Raises MissingError if there is none."""
    path, wanted = folder / INDEX, None
    with reading(path):
        kind = parquet.read_schema(path).field(SEQUENCE).type
        with suppress(pa.ArrowInvalid):  # where the ids are numbers, and this is none
            wanted = pa.scalar(str(sequence)).cast(kind)
        if wanted is not None:
            for one in parquet.read_table(path, filters=compute.field(SEQUENCE) == wanted).to_pylist():
                return one["part"], slice(one["row"], one["row"] + one["steps"])
        raise MissingError(f"{folder}: there is no sequence {sequence!r}{_nearest(path, sequence, wanted)}")


def _nearest(path: Path, sequence: int | str, wanted: Any) -> str:
    """The end of the message that an id does not exist."""
    with parquet.ParquetFile(path) as file:
        if wanted is None or not pa.types.is_integer(wanted.type):
            some = next(file.iter_batches(MOST_COMPARED, columns=[SEQUENCE])).column(0).to_pylist()
            return nearest(str(sequence), map(str, some)) or f"; the first is {some[0]!r}"
        at: int = wanted.as_py()
        every = (one for batch in file.iter_batches(GROUP, columns=[SEQUENCE]) for one in batch.column(0).to_pylist())
        return f"; the nearest is {min(every, key=lambda one: abs(one - at))}"
