"""The source that a path is of, or what is in Python."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...base.arrays import describe
from ...errors import FileError, OptionError, ShapeError
from ...model.model import Model
from ...model.tokens import numbered
from ...trace.argument_types import checked
from ...weights.guards import told
from ..arrow import pa, parquet
from ..rows import Source
from .columns import Names
from .imported import imported, kept
from .lookup import Lookup
from .readers import Split, archives, in_python, json_lines, texts
from .table_file import TableFile, files_in, hashed

SPLIT: dict[str, Split] = {"characters": list, "words": str.split}
SEQUENCES = ("lines", "paragraphs", "files")
#: What is read, for messages.
READ = "expected .parquet, .jsonl, .ndjson, .txt, or a folder of .parquet, .npz or .txt"
FOLDERS = (".parquet", ".npz", ".txt")


@checked
def opened(
    inputs: Any,
    model: Model | int | None,
    folder: Path,
    *,
    id: str = "seq_id",
    x: str = "x",
    ids: str | None = None,
    vocabulary: Any = None,
    embedding: Any = None,
    unknown: str | None = None,
    sequences: str | None = None,
    tokens: str | None = None,
) -> Source:
    """The source of many sequences.

    Args:
        inputs: a path: Parquet or JSON lines (.jsonl, .ndjson) with a row or an object for each step (`seq_id`, `t`,
            `token`, x as lists `x` or as `x_0`, …) or for each sequence, with lists of them; text (.txt); a folder of
            .parquet, .txt or .npz. Or a data frame of such columns, or a list of arrays (T, I), mappings, or texts.
        model: that reads them; or only its I, None for any.
        folder: of the states; what is not in Parquet is written there as such.
        id: the column that says which sequence a row is of.
        x: the column of lists of inputs, or what the columns `x_0`, … begin with.
        ids: the column with the numbers of the tokens, if the vocabulary does not give them.
        vocabulary: the numbers of the tokens: a list, a mapping, a file (.json, .txt), `FILE:NAME`, `model:NAME`;
            `model` for the names of the model's inputs, which are also taken where there is no x and nothing is given.
        embedding: x of each number, (V, I): an array, an .npy file, `FILE:NAME`, `model:NAME`; None has a 1 at the
            number.
        unknown: the token that stands for those that the vocabulary has not.
        sequences: of a text: `lines`, `paragraphs` (with blank lines between), `files`.
        tokens: of a text: `characters` or `words`.

    Returns:
        The source.

    Raises:
        FileError: for what cannot be read.
        OptionError: for options that do not fit each other.
        ShapeError: where x does not have the model's width.
    """
    for name, value, known in (("sequences", sequences, SEQUENCES), ("tokens", tokens, SPLIT)):
        if value is not None and value not in known:
            raise OptionError(f"there is no {name} {value!r}; expected {', '.join(known)}")
    path, names = _parquet(inputs, Names(id, x, ids), folder, sequences, tokens)
    source = TableFile(path, names)
    given = {"vocabulary": vocabulary, "embedding": embedding, "ids": ids, "unknown": unknown}
    found = source.measured()
    if found:
        more = [name for name, value in given.items() if value is not None]
        if more:
            said = f"{' and '.join(more)} would give: leave {'it' if len(more) == 1 else 'them'} out"
            raise OptionError(f"{source.called}: there is x, which {said}")
    else:
        if (vocabulary is None and embedding is None) or (isinstance(vocabulary, str) and vocabulary == "model"):
            names_of_x = model.header.names.get("x", ()) if isinstance(model, Model) else ()
            given["vocabulary"] = [str(name) for name in names_of_x] or None
        sources = model.sources if isinstance(model, Model) else ()
        files = {name: _file(name, given[name], folder, sources) for name in ("vocabulary", "embedding")}
        lookup = Lookup(ids, unknown=unknown, **files)
        source, found = replace(source, lookup=lookup), lookup.width
    width = model.input_width if isinstance(model, Model) else model
    if width is not None and found != width:
        raise ShapeError(f"{source.called}: a step has {found:,} inputs, and the model reads I = {width:,}")
    return replace(source, width=found)


def _parquet(inputs: Any, names: Names, folder: Path, sequences: str | None, tokens: str | None) -> tuple[Path, Names]:
    """The Parquet of the inputs, and what its columns are called."""
    ours, split = Names(ids=names.ids), SPLIT[tokens or "characters"]
    if not isinstance(inputs, str | Path):
        if hasattr(inputs, "columns"):
            with told("the inputs", pa.lib.ArrowException, ValueError, TypeError):
                frame = pa.table(inputs)
            return kept(folder, "_inputs.parquet", lambda file: parquet.write_table(frame, file)), names
        if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable):
            raise OptionError(f"inputs: expected a path, a data frame or a list of sequences, found {describe(inputs)}")
        return imported(in_python(inputs, split), ours, folder, "the inputs"), ours
    path = _moved(Path(inputs).absolute(), folder)
    if not path.exists():
        raise FileError(f"{path}: there is no such file or folder")
    kind, files = path.suffix.lower(), [path]
    if path.is_dir():
        every = files_in(path, *FOLDERS)
        kinds = {one.suffix.lower() for one in every}
        if len(kinds) != 1:
            raise FileError(f"{path}: a folder with {' and '.join(sorted(kinds)) or 'no sequences'}; {READ}")
        kind, files = kinds.pop(), every
    for name, value in (("sequences", sequences), ("tokens", tokens)):
        if value is not None and kind != ".txt":
            raise OptionError(f"{path}: {name} is for text; leave it out")
    if kind == ".parquet":
        return path, names
    if kind == ".npz" and path.is_dir():
        rows, names = archives(files), ours
    elif kind == ".txt":
        rows, names = texts(files, sequences or "lines", split), ours
    elif kind in (".jsonl", ".ndjson"):
        rows = json_lines(path)
    else:
        raise FileError(f"{path}: {READ}")
    origin = hashed(files, [kind, [one.stem for one in files], sequences, tokens, names])
    return imported(rows, names, folder, str(path), origin), ours


def _moved(path: Path, folder: Path) -> Path:
    """What `kept` has written into a folder that has another name by now; any other path as it is."""
    here = folder.absolute() / path.name
    return here if path.name.startswith("_") and not path.exists() and here.exists() else path


def _file(option: str, value: Any, folder: Path, sources: Sequence[str]) -> str | None:
    """A file, or `FILE:NAME`, with what was given as such or in Python. sources: the files of the model."""
    if value is None:
        return None
    if isinstance(value, str | Path):
        name = str(value)
        if not name.startswith("model:"):
            return str(_moved(Path(name).absolute(), folder))
        if not sources:
            raise OptionError(f"{option} {name!r}: the model was not read from a file of arrays; give FILE:NAME")
        return f"{Path(sources[0]).absolute()}:{name[6:]}"
    if option == "embedding":
        return str(kept(folder, "_embedding.npy", lambda file: np.save(file, np.asarray(value), allow_pickle=False)))
    text = json.dumps(numbered(value if isinstance(value, Mapping) else list(value), option))
    return str(kept(folder, "_vocabulary.json", lambda file: file.write(text.encode())))
