"""What is read from folders of .npz, text, JSON lines, and sequences in Python: a mapping for each."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, Literal, TypedDict
from uuid import uuid4

import numpy as np

from ...base.arrays import describe
from ...base.files import read_json
from ...base.writing import written
from ...errors import FileError, NotFoundError, OptionError, ShapeError
from ...model.model import Model
from ...model.tokens import SPLIT, in_model, numbered
from ...trace.argument_types import checked
from ...weights.formats.arrays import npz_arrays
from ...weights.guards import told
from ..rows import SEQUENCE, TOKEN, pa, parquet
from .columns import WIDE, Names, X, columns_of
from .table_file import Lookup, TableFile, files_in, hashed

#: A sequence or a step, by names.
Row = Mapping[str, Any]
Split = Callable[[str], Sequence[str]]
#: The most bytes of a line, and the most characters of a text that is one sequence.
LONGEST_LINE = 1 << 28


def archives(paths: Iterable[Path]) -> Iterator[Row]:
    """A sequence for each .npz file, named after the file."""
    for path in paths:
        with npz_arrays(path) as arrays:
            yield {SEQUENCE: path.stem} | {name: np.asarray(one) for name, one in arrays.items()}


def in_python(inputs: Iterable[Any], split: Split) -> Iterator[Row]:
    """Sequences in Python: arrays (T, I), mappings, texts; numbered if they have no `seq_id`."""
    for k, one in enumerate(inputs):
        named = one if isinstance(one, Mapping) else {TOKEN: split(one)} if isinstance(one, str) else {X: one}
        yield {SEQUENCE: k, **named}


def texts(paths: Iterable[Path], sequences: str, split: Split) -> Iterator[Row]:
    """Texts: a sequence for each line or paragraph, numbered, or for each file, named after it."""
    count = itertools.count()
    for path in paths:
        if sequences == "files":
            yield {SEQUENCE: path.stem, TOKEN: split(_joined(_decoded(path), path))}
            continue
        for blank, group in itertools.groupby(_decoded(path), key=lambda line: not line.strip()):
            for text in () if blank else group if sequences == "lines" else [_joined(group, path)]:
                yield {SEQUENCE: next(count), TOKEN: split(text.rstrip("\n"))}


def json_lines(path: Path) -> Iterator[Row]:
    """The object of each line, which is a sequence or a step."""
    for number, line in _lines(path):
        if not line.strip():
            continue
        try:
            found = read_json(path, line)
        except FileError:
            found = read_json(path, b"\n" * (number - 1) + line)  # the message counts lines
        if not isinstance(found, dict):
            raise FileError(f'{path}: line {number}: expected an object, as in {{"seq_id": 1, "x": [[0.5]]}}')
        yield found


def _joined(lines: Iterable[str], path: Path) -> str:
    found = io.StringIO()
    for line in lines:
        found.write(line)
        if found.tell() > LONGEST_LINE:
            raise FileError(f"{path}: a sequence of more than {LONGEST_LINE:,} characters; read it by lines")
    return found.getvalue()


def _decoded(path: Path) -> Iterator[str]:
    for number, line in _lines(path):
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8").replace("\r\n", "\n")
        except UnicodeDecodeError:
            raise FileError(f"{path}: line {number}: not UTF-8; save it as UTF-8") from None


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), 1):
            if len(line) > LONGEST_LINE:
                raise FileError(f"{path}: line {number}: more than {LONGEST_LINE:,} bytes; write shorter sequences")
            yield number, line


#: Steps that are collected before they are written.
GATHERED = 1 << 14
_WRONG = (pa.lib.ArrowException, ValueError, TypeError, OverflowError)


def kept(folder: Path, name: str, write: Callable[[IO[bytes]], Any], origin: str = "") -> Path:
    """A file of the folder that does not overwrite what another run has left there: its name contains a hash.

    origin: hash of what it is made from; an existing file with the same hash is kept. Of its content, if it is empty.
    """
    with told(folder):
        folder.mkdir(parents=True, exist_ok=True)
    stem, _, suffix = name.partition(".")
    path = folder.absolute() / f"{stem}-{origin[:16] or uuid4().hex}.{suffix}"
    if origin and path.exists():
        return path
    with written(path, "wb", durable=True) as file:
        write(file)
    return path if origin else path.replace(path.with_name(f"{stem}-{hashed([path], [])[:16]}.{suffix}"))


def imported(rows: Iterable[Row], names: Names, folder: Path, where: str, origin: str = "") -> Path:
    """The file of some sequences or steps, see `kept`. Raises FileError, ShapeError; then nothing is left behind."""

    def write(file: IO[bytes]) -> None:
        schema = columns = out = None
        with told(where, *_WRONG), ExitStack() as stack:
            for group in _groups(rows):
                table = _table(group, schema, names, where)
                schema, columns = table.schema, columns or columns_of(table.schema, names, where)
                steps = columns.steps(columns.renamed(table), where)
                few = [field.name for field in steps.schema if field.name != X]
                look = {"compression": "zstd", "compression_level": 1, "use_dictionary": few}
                out = out or stack.enter_context(parquet.ParquetWriter(file, steps.schema, **look))
                out.write_table(steps)
        if out is None:
            raise FileError(f"{where}: it contains no sequences")

    return kept(folder, "_inputs.parquet", write, origin)


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    held: list[Row] = []
    steps = 0
    for row in rows:
        held.append({name: _plain(value) for name, value in row.items()})
        steps += max((len(v) for v in held[-1].values() if hasattr(v, "__len__") and not isinstance(v, str)), default=1)
        if steps >= GATHERED:
            yield held
            held, steps = [], 0
    if held:
        yield held


def _table(group: list[Row], schema: Any, names: Names, where: str) -> Any:
    """A row for each; the types are those of the first group, except that numbers of x are never whole."""
    known = set(group[0] if schema is None else schema.names)
    for row in group:
        if row.keys() != known:
            other = min(row.keys() ^ known, key=str)
            raise ShapeError(f"{where}: {_called(row, names)}: expected the columns of the first; {other!r} differs")
    try:
        if schema is None:
            found = pa.Table.from_pylist(group).schema
            of_x = {f.name for f in found if (own := names.ours(f.name)) == X or WIDE.fullmatch(own)}
            schema = pa.schema([f.with_type(_floats(f.type)) if f.name in of_x else f for f in found])
        return pa.Table.from_pylist(group, schema=schema)
    except _WRONG as error:
        for row in group if schema is not None else ():
            try:
                pa.Table.from_pylist([row], schema=schema)
            except _WRONG as own:
                raise ShapeError(f"{where}: {_called(row, names)}: {str(own)[:200]}") from None
        raise ShapeError(f"{where}: {_called(group[0], names)} and the next: {str(error)[:200]}") from None


def _plain(value: Any) -> Any:
    """An array as Arrow takes it: Arrow knows lists of arrays with one axis, and values without any."""
    axes = getattr(value, "ndim", 1)
    return value if axes == 1 else list(value) if axes else value.item()


def _called(row: Row, names: Names) -> str:
    return f"sequence {row.get(names.id, row.get(SEQUENCE))!r}"


def _floats(kind: Any) -> Any:
    if pa.types.is_list(kind):
        return pa.list_(_floats(kind.value_type))
    return pa.float64() if pa.types.is_integer(kind) else kind


SEQUENCES = ("lines", "paragraphs", "files")
#: What can be read, for messages.
READ = "expected .parquet, .jsonl, .ndjson, .txt, or a folder of .parquet, .npz or .txt"


class SequenceReading(TypedDict, total=False):
    """How sequences are read, where it is passed on; see `opened`."""

    id: str
    x: str
    ids: str | None
    vocabulary: Any
    embedding: Any
    unknown: str | None
    sequences: Literal["lines", "paragraphs", "files"] | None
    tokens: Literal["characters", "words"] | None


@checked
def opened(
    inputs: Any, model: Model | int | None, folder: Path, *, id: str = "seq_id", x: str = "x", ids: str | None = None,
    vocabulary: Any = None, embedding: Any = None, unknown: str | None = None, sequences: str | None = None,
    tokens: str | None = None,
) -> TableFile:  # fmt: skip
    """The source of many sequences.

    Args:
        inputs: a path: Parquet or JSON lines (.jsonl, .ndjson) with a row or an object for each step (`seq_id`, `t`,
            `token`, x as lists `x` or as `x_0`, …) or for each sequence, with lists of them; text (.txt); a folder of
            .parquet, .txt or .npz. Or a data frame of such columns, or a list of arrays (T, I), mappings, or texts.
        model: the model that reads them; or only its I, None for any.
        folder: of the states; inputs that are not Parquet are written there as Parquet.
        id: the column that says which sequence a row belongs to.
        x: the column of lists of inputs, or the beginning of the columns `x_0`, ….
        ids: the column with the numbers of the tokens, if the vocabulary does not give them.
        vocabulary: the numbers of the tokens: a list, a mapping, a file (.json, .txt), `FILE:NAME`, `model:NAME`;
            `model` for the names of the model's inputs, which are also used if there is no x and nothing is given.
        embedding: x of each number, (V, I): an array, an .npy file, `FILE:NAME`, `model:NAME`; None sets a 1 at the
            number.
        unknown: the token that replaces those that are not in the vocabulary.
        sequences: the sequences of a text: `lines`, `paragraphs` (separated by blank lines), `files`.
        tokens: the tokens of a text: `characters` or `words`.

    Returns:
        The source.

    Raises:
        FileError: for input that cannot be read.
        OptionError: for options that do not fit each other.
        ShapeError: if x does not have the model's width.
    """
    for name, value, known in (("sequences", sequences, SEQUENCES), ("tokens", tokens, SPLIT)):
        if value is not None and value not in known:
            raise OptionError(f"there is no {name} {value!r}; expected {', '.join(known)}")
    source = TableFile(*_parquet(inputs, Names(id, x, ids), folder, sequences, tokens))
    given = {"vocabulary": vocabulary, "embedding": embedding, "ids": ids, "unknown": unknown}
    more = [name for name, value in given.items() if value is not None]
    if (found := source.measured()) and more:
        said = f"{' and '.join(more)} would give: leave {'it' if len(more) == 1 else 'them'} out"
        raise OptionError(f"{source.called}: there is x, which {said}")
    if not found:
        names_of_x, sources = (model.header.names.get("x", ()), model.sources) if isinstance(model, Model) else ((), ())
        if (vocabulary is None and embedding is None) or (isinstance(vocabulary, str) and vocabulary == "model"):
            given["vocabulary"] = [str(name) for name in names_of_x] or None
        files = {name: _file(name, given[name], folder, sources) for name in ("vocabulary", "embedding")}
        lookup = Lookup(ids, unknown=unknown, **files)
        source, found = replace(source, lookup=lookup), lookup.width
    width = model.input_width if isinstance(model, Model) else model
    if width is not None and found != width:
        raise ShapeError(f"{source.called}: a step has {found:,} inputs, and the model reads I = {width:,}")
    return replace(source, width=found)


def _parquet(inputs: Any, names: Names, folder: Path, sequences: str | None, tokens: str | None) -> tuple[Path, Names]:
    """The Parquet of the inputs, and the names of its columns."""
    ours, split = Names(ids=names.ids), SPLIT[tokens or "characters"]
    if hasattr(inputs, "columns"):
        with told("the inputs", pa.lib.ArrowException, ValueError, TypeError):
            frame = pa.table(inputs)
        return kept(folder, "_inputs.parquet", lambda file: parquet.write_table(frame, file)), names
    if isinstance(inputs, Mapping) or not isinstance(inputs, Iterable | Path):
        raise OptionError(f"inputs: expected a path, a data frame or a list of sequences, found {describe(inputs)}")
    if not isinstance(inputs, str | Path):
        return imported(in_python(inputs, split), ours, folder, "the inputs"), ours
    path = _moved(Path(inputs).absolute(), folder)
    if not path.exists():
        raise NotFoundError(f"{path}: there is no such file or folder", filename=path)
    kind, files = path.suffix.lower(), [path]
    if path.is_dir():
        files = files_in(path, ".parquet", ".npz", ".txt")
        kind, *others = sorted({one.suffix.lower() for one in files}) or ["no sequences"]
        if others or not files:
            raise FileError(f"{path}: a folder with {' and '.join([kind, *others])}; {READ}")
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
    """The file that `kept` wrote into a folder that has since been renamed; any other path unchanged."""
    here = folder.absolute() / path.name
    return here if path.name.startswith("_") and not path.exists() and here.exists() else path


def _file(option: str, value: Any, folder: Path, sources: Sequence[str]) -> str | None:
    """A file, or `FILE:NAME`, with what was given as such or in Python. sources: the files of the model."""
    if value is None:
        return None
    if isinstance(value, str | Path):
        return str(_moved(Path(in_model(option, value, sources)).absolute(), folder))
    if option == "embedding":
        return str(kept(folder, "_embedding.npy", lambda file: np.save(file, np.asarray(value), allow_pickle=False)))
    text = json.dumps(numbered(value if isinstance(value, Mapping) else list(value), option))
    return str(kept(folder, "_vocabulary.json", lambda file: file.write(text.encode())))
