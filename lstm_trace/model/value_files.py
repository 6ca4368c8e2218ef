"""What files of another program's values say, as entries: arrays, tables, JSON, and text as printf and numpy print it.

Nothing is evaluated, and pickles are never opened. Where the values belong is decided in `given_values`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from io import StringIO
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..base.arrays import LONGEST, Array, describe, to_array
from ..base.extras import missing
from ..base.files import decoded, plain, read_bytes
from ..base.mistyped import MINUS
from ..base.packaged import packaged
from ..engine import inputs
from ..errors import FileError, MissingError, reading
from ..trace.files.trace_file import looks_like_one
from ..weights.formats.arrays import load_npy, npz_arrays
from ..weights.guards import afford, told
from ..weights.live_modules import as_array
from ..weights.names import detect

_TEXTS, ARROW, _LINES = (".csv", ".tsv"), (".parquet", ".arrow", ".feather"), (".jsonl", ".ndjson")
#: Suffixes of files of values. That of .json and .npz may be a problem, a trace or a model: see `is_values`.
SUFFIXES = (*_TEXTS, *ARROW, *_LINES, ".npy", ".txt", ".log", ".out", ".dat")
#: Columns and keys that tell the place of a value, and those that have other things.
_PLACES = {
    "layer": "layer", "direction": "direction", "t": "t", "step": "step", "batch": "batch", "b": "batch",
    "unit": "unit", "unit_name": "unit_name", "row": "row", "column": "column",
}  # fmt: skip
_OTHERS = {*_PLACES, "title", "token", "valid", "op", "symbol", "formula", "substituted"}
_LINE = re.compile(r"[icfoghrunyz]|\w+_(?:t|tilde)|z_\w+")
_WEIGHT = re.compile(r"(?:.*/)?(?:[WUVR]|[wb]|gamma|beta)_\w+")
_DEEPEST = 8


class ValueEntry(NamedTuple):
    """Some values with a name.

    line: as the file has it, with layer and direction if it has them; empty for what has no name. value: a number or
    text, nested lists of them, or an array. place: by the names of columns (`t`, `batch`, `unit`, …). indices: those
    behind the name, `h[2][1]`. row: the row of the file, 0 if it has none. repeated: without a step, printed at each.
    """

    line: str
    value: Any
    place: Mapping[str, Any] = {}
    indices: tuple[int, ...] = ()
    row: int = 0
    repeated: bool = False


def spellings() -> dict[str, Any]:
    """The tables of given_values.toml."""
    return packaged("model/given_values.toml")


def is_values(source: Any) -> bool:
    """Whether a source has values of another program, rather than a trace, a problem or a model: a file by its suffix,
    or, if that is .json or .npz, by its content; or an array.
    """
    if not isinstance(source, str | Path):
        return isinstance(source, np.ndarray)
    suffix = Path(source).suffix.lower()
    if suffix == ".json" and Path(source).is_file():
        content = read_bytes(source)
        return content.lstrip()[:1] in (b"[", b"{") and not looks_like_one(content) and b'"weights"' not in content
    if suffix == ".npz" and Path(source).is_file():
        with suppress(FileError), npz_arrays(source) as there:
            named = {name for table in ("output", "final", "words") for name in spellings()[table]}
            lines = any(_LINE.fullmatch(last := re.split("[/.]", name)[-1]) or last in named for name in there)
            return lines and not any(map(_WEIGHT.fullmatch, there)) and detect(there) is None
    return suffix in SUFFIXES


def read_entries(path: str, unknown: Callable[[str], str], safe: Mapping[str, str]) -> Iterator[ValueEntry]:
    """The entries of a file.

    unknown: why a word in a text is not the name of a line, empty if it is one. safe: our lines by the names that they
    have in tables for programs that accept only letters and digits. Raises FileError, MissingError.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".npy":
        return from_mapping({"": load_npy(path)})
    if suffix == ".npz":
        with npz_arrays(path) as there:
            return from_mapping({name: np.asarray(array) for name, array in there.items()})
    if suffix in ARROW:
        table = arrow_table(path, lambda schema: [f.name for f in schema if not f.type.num_fields])  # flat ones
        columns = [name for name in table.column_names if name != "__index_level_0__"]  # of pandas
        rows = enumerate(zip(*(table.column(name).to_pylist() for name in columns), strict=True), 1)
        return _of_table([] if columns == _counted(columns) else columns, rows, safe)
    text = decoded(path, read_bytes(path, "save the values as .npy or .npz"))
    if suffix in (*_LINES, ".json") or text.lstrip()[:1] == "{":
        return _of_json(text, suffix, safe)
    if suffix in _TEXTS:
        return _of_table(*_csv(text, suffix), safe)
    if (lists := _parsed(text)) is not None:  # as Python prints them; numpy prints no commas
        return from_mapping({"": lists})
    return _of_text(text, unknown, sorted((name for name in safe.values() if not name.isidentifier()), key=len)[::-1])


def from_mapping(values: Mapping[str, Any]) -> Iterator[ValueEntry]:
    """Entries of arrays by name; mappings within have names of their own, `{"0/forward": {"h_t": …}}`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from (one._replace(line=f"{name}/{one.line}") for one in from_mapping(value))
        else:
            yield ValueEntry(str(name), as_array(value))


# -- numbers -----------------------------------------------------------------------------------------------------------

_PRINTED = re.compile(r"[-+]?\d*(?:\.(\d*))?(?:[eE]([-+]?\d{1,4}))?")


def number(part: str, found: Any, expected: str = "a number") -> float:
    """A number, as C and Python print it. Raises FileError."""
    try:
        if not isinstance(found, str) or found[:1].isdecimal() > ("x" in found):  # most numbers
            return float("a truth value" if isinstance(found, bool) else found)
        text = found.strip().translate(MINUS).partition("(")[0]  # -nan(ind) of C
        return float.fromhex(text) if "x" in text else float(text)
    except (TypeError, ValueError, OverflowError):
        said = repr(found) if len(repr(found)) < 60 else describe(found)
        raise FileError(f"{part} is {said}; expected {expected}") from None


def _decimals(found: Any) -> float:
    """How many decimals a number was printed with; see `numbers_of`. Of 1.0, the 0 is there to tell it from an integer.

    >>> [_decimals(text) for text in ("0.50", "1.25e-3", "12", "1.0", "1.5e9", "0x1.8p-1", 0.5)]
    [2.0, 5.0, nan, nan, -8.0, inf, inf]
    """
    if not isinstance(found, str):
        return math.nan if isinstance(found, int) else math.inf
    if (printed := _PRINTED.fullmatch(found.strip().translate(MINUS))) is None:
        return math.inf
    told = printed[1] not in (None, "", "0") or printed[2] is not None
    return float(len(printed[1] or "") - int(printed[2] or 0)) if told else math.nan


def numbers_of(value: Any) -> Array:
    """The numbers of an entry and their decimals, (2, …), both in float64. Raises FileError.

    Decimals are those that a number was printed with (negative in 1.5e9): NaN of an integer, which tells none, and
    infinite of what was not printed.
    """
    if value is None:
        raise FileError("no value")
    with reading("value"):
        if hasattr(value, "__array__"):
            array = np.asarray(inputs.numbers(value, "value"), np.float64)
            return np.stack([array, np.full(array.shape, np.inf)])
        if not isinstance(value, list | tuple):
            return np.array([number("value", value), _decimals(value)])
        return np.stack([to_array(_each(value, change)) for change in (lambda one: number("value", one), _decimals)])


def _each(value: Any, change: Callable[[Any], float], depth: int = 0) -> Any:
    """Nested lists with each number changed."""
    if not isinstance(value, list | tuple):
        return change(value)
    if depth == _DEEPEST:
        raise FileError(f"more than {_DEEPEST} lists inside each other")
    return [_each(one, change, depth + 1) for one in value]


# -- tables ------------------------------------------------------------------------------------------------------------

Rows = Iterable[tuple[int, Sequence[Any]]]


def _of_table(columns: Sequence[str], rows: Rows, safe: Mapping[str, str]) -> Iterator[ValueEntry]:
    """Rows with a line and a value, or with a column for each unit; without columns, numbers alone."""
    if not columns:
        yield ValueEntry("", [list(row) for _, row in rows])
    elif "value" in columns or not _PLACES.keys().isdisjoint(columns):
        for at, row in rows:
            yield from _of_row(at, dict(zip(columns, row, strict=False)), safe)
    else:  # a row for each step
        held = list(rows)
        if short := next((at for at, row in held if len(row) < len(columns)), None):
            raise FileError(f"row {short}: not all of the {len(columns)} columns have a cell")
        for name, values in zip(columns, zip(*(row for _, row in held), strict=True), strict=False):
            if name not in _OTHERS:
                line, place = _head(name, safe)
                yield ValueEntry(line, values, place, repeated=True)


def _of_row(at: int, row: Any, safe: Mapping[str, str]) -> Iterator[ValueEntry]:
    """The entries of one row of a table, or of an object of JSON."""
    if not isinstance(row, dict):
        raise FileError(f"row {at}: expected {{…}}, found {type(row).__name__}")
    place = {part: row[name] for name, part in _PLACES.items() if row.get(name) not in (None, "")}
    if "line" in row or "value" in row:
        yield ValueEntry(str(row.get("line") or ""), row.get("value"), place, row=at)
        return
    for name, value in row.items():
        if name not in _OTHERS and value is not None and value != "":
            line, unit = _head(name, safe)
            yield ValueEntry(line, value, {**place, **unit}, row=at)


def _head(name: str, safe: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """The line and the unit of a column: `c_t[0]`, `C_t[2,1]`, `c_t[rain]`, `c_t_0`, `h0`, `C_t_r2c1`."""
    if match := re.fullmatch(r"(.+)\[(?:(\d{1,9})(?:,\s*(\d{1,9}))?|([^\[\]]+))\]", name):
        if match[4]:
            return match[1], {"unit_name": match[4]}
        return match[1], {"row": match[2], "column": match[3]} if match[3] else {"unit": match[2]}
    match = re.fullmatch(r"(.+?)(?:_?(\d{1,9})|_r(\d{1,9})c(\d{1,9}))", name)
    if match is None or name in safe:
        return name, {}
    return safe.get(match[1], match[1]), {"unit": match[2]} if match[2] else {"row": match[3], "column": match[4]}


def csv_rows(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The rows of a table, numbered as in an editor. Raises FileError."""
    import csv  # as the command line needs it for tables alone

    reader = csv.reader(StringIO(text, newline=""), delimiter=separator)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise FileError(str(error)) from None


def _csv(text: str, suffix: str) -> tuple[list[str], Rows]:
    """The columns of a table, none if the first row has numbers, and the rows behind. Raises FileError.

    Between semicolons or tabs numbers may have decimal commas, as spreadsheets of most of Europe write them.
    """
    text = re.sub(r"\Asep=.\r?\n", "\n", text)  # what a spreadsheet writes for itself
    head = text.lstrip("\n").partition("\n")[0]
    rows = csv_rows(text, separator := "\t" if suffix == ".tsv" or "\t" in head else ";" if ";" in head else ",")
    if separator != ",":
        comma = re.compile(r"(\s*[-+]?\d*),(\d+(?:[eE][-+]?\d+)?\s*)")
        rows = [(at, [f"{m[1]}.{m[2]}" if (m := comma.fullmatch(one)) else one for one in row]) for at, row in rows]
    if not rows:
        raise FileError("expected the columns layer,direction,t,batch,line,unit,value, or numbers; found none")
    columns = [name.strip() for name in rows[0][1]]
    if longer := next((row for row in rows if len(row[1]) > len(columns)), None):
        raise FileError(f"row {longer[0]}: {len(longer[1])} cells, but there are {len(columns)} columns")
    if columns == ["", *_counted(columns[1:])]:  # as pandas writes an array
        return [], [(at, row[1:]) for at, row in rows[1:]]
    with suppress(FileError):
        found = [number("", name) for name in columns]
        return [], rows[1:] if len(found) > 1 and columns == _counted(columns) else rows
    return columns, rows[1:]


def _counted(columns: Sequence[str]) -> list[str]:
    """The names of columns that have none."""
    return [str(k) for k in range(len(columns))]


def arrow_table(path: str | Path, choose: Callable[[Any], list[str]]) -> Any:
    """The table in a Parquet or Arrow file. choose: columns of a schema. Raises FileError, MissingError."""
    try:
        import pyarrow as pa
        from pyarrow import compute, ipc, parquet
    except ImportError:
        raise MissingError(missing(str(path), "pyarrow")) from None
    with told(path, pa.lib.ArrowException, ValueError, TypeError):
        if Path(path).suffix.lower() != ".parquet":
            table = ipc.open_file(path).read_all()
            table = table.select(choose(table.schema))
        else:
            schema, facts = parquet.read_schema(path), parquet.read_metadata(path)
            stored = sum(facts.row_group(at).total_byte_size for at in range(facts.num_row_groups))
            afford(facts.num_rows * max(len(schema), 1) * 8, stored, str(path))
            # a file may repeat a long text in every row, so texts stay dictionaries until their lengths are known
            texts = [one.name for one in schema if one.type in (pa.string(), pa.large_string())]
            table = parquet.ParquetFile(path, read_dictionary=texts).read(choose(schema))
        for name, column in zip(table.column_names, table.columns, strict=True):
            for words in (c.dictionary for c in column.chunks if pa.types.is_dictionary(c.type) and len(c.dictionary)):
                short = words.type in (pa.string(), pa.large_string())
                if not short or compute.max(compute.utf8_length(words)).as_py() > LONGEST:
                    raise FileError(f"{path}: {name} has texts of more than {LONGEST:,} characters, or other things")
    return table


# -- JSON --------------------------------------------------------------------------------------------------------------


def _of_json(text: str, suffix: str, safe: Mapping[str, str]) -> Iterator[ValueEntry]:
    """An array; an object of arrays by name; objects with places, in a list or one in each row."""
    held = None if suffix in _LINES else _parsed(text)
    if isinstance(held, dict) and held.keys() >= {"line", "value"} and isinstance(held["value"], dict):
        with suppress(AttributeError, ValueError):  # a table by columns, as pandas writes it
            held = [dict(zip(held, row, strict=True)) for row in zip(*(v.values() for v in held.values()), strict=True)]
    if isinstance(held, dict) and held.keys().isdisjoint(("line", "value", *_PLACES)):
        return from_mapping(held)
    if isinstance(held, list) and not any(isinstance(one, dict) for one in held):
        return from_mapping({"": held})
    rows = _json_lines(text) if held is None else enumerate(held if isinstance(held, list) else [held], 1)
    return (entry for at, row in rows for entry in _of_row(at, row, safe))


def _parsed(text: str) -> Any:
    """The data of JSON, with numbers as text; None for several objects, or an error."""
    with suppress(ValueError, RecursionError):
        return json.loads(text, parse_float=str)
    return None


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for at, row in enumerate(text.splitlines(), 1):
        if row.strip():
            try:
                held = json.loads(row, parse_float=str)
            except (ValueError, RecursionError) as error:  # also an integer with more digits than Python converts
                raise FileError(f"row {at}: not JSON: {plain(error)}") from None
            yield at, held


# -- text --------------------------------------------------------------------------------------------------------------


class _Block(NamedTuple):
    """What is printed behind a name: numbers in quotes, brackets, and line breaks."""

    line: str
    indices: tuple[int, ...]
    place: dict[str, Any]
    row: int
    tokens: list[str]

    @property
    def printed(self) -> bool:
        """Whether it has numbers."""
        return any('"' in token for token in self.tokens)

    def value(self) -> Any:
        """Nested lists, by brackets; without them by rows. Raises FileError."""
        text = " ".join(self.tokens).lstrip("] \n").rstrip("[ \n")  # those of a name are left out
        if "[" not in text:
            rows = [row.replace('"', "").split() for row in text.split("\n") if row.strip()]
            return rows[0] if len(rows) == 1 else [*chain(*rows)] if {*map(len, rows)} == {1} else rows
        with suppress(ValueError, RecursionError):
            held: list[Any] = json.loads("[" + re.sub(r'(["\]])\s+(?=["\[])', r"\1,", text) + "]")
            return held[0] if len(held) == 1 and isinstance(held[0][0], list) else held
        raise FileError(f"row {self.row}: the brackets of these numbers are not closed")


def _of_text(text: str, unknown: Callable[[str], str], phrases: Iterable[str]) -> Iterator[ValueEntry]:
    """Text as printf and numpy print it: names with numbers behind them, and words for the place.

    A word for a place (`step 3`, `t=3`, `layer 1`, `batch 0`, `reverse`) counts until it is said again, which also ends
    what was said behind it. A name alone in its row is for all numbers up to the next name. phrases: names of lines
    that are not a single word.
    """
    forms, where, ways = (spellings()[name] for name in ("text", "where", "way"))
    parts = {"SCOPE": forms["scope"], "INDEX": forms["index"], "WHERE": "|".join(where), "WAY": "|".join(ways)}
    words = "|".join(one.replace("_", "[ _]") for one in spellings()["words"] if "_" in one)
    parts["PHRASES"] = "".join(f"{re.escape(one)}|" for one in phrases) + rf"(?i:{words})\b|"
    pattern = re.compile(re.sub("|".join(parts), lambda part: parts[part[0]], forms["tokens"]), re.VERBOSE)
    comma, facts = re.compile(forms["comma"]), re.compile(forms["facts"])
    heading: tuple[str, tuple[int, ...]] = ("", ())
    blocks = [_Block("", (), {}, 1, [])]
    for at, row in enumerate(text.splitlines(), 1):
        if found := comma.search(row := facts.sub("", row)):
            one, two = (found[0].replace(",", mark) for mark in (".", ", "))
            raise FileError(f"row {at}: {found[0]} may be a number with a decimal comma, or two: write {one} or {two}")
        tokens = [token for token in pattern.finditer(row) if token.lastgroup]
        printed, names = any(token["number"] for token in tokens), [token["name"] or token["word"] for token in tokens]
        problems = (_lost(one, token["other"], unknown) for one, token in zip(names, tokens, strict=True))
        lost = [*filter(None, problems)]
        if lost and printed:
            raise FileError(f"row {at}: {lost[0]}")
        blocks[-1].tokens.append("\n")
        for token, name in zip(tokens, names, strict=True):
            block = blocks[-1]
            if token["where"] or token["way"]:
                way, part = token["way"], where.get((token["where"] or "").lower())
                place = _placed(block.place, part or "direction", token["at"] if part else ways[way.lower()])
                blocks.append(_Block(*(heading if block.printed else block[:2]), place, at, []))
            elif token["number"]:
                block.tokens.append(f'"{token["number"]}"')
            elif token["open"] or token["close"]:
                block.tokens.append("[" if token["open"] else "]")
            elif name and not lost:  # the words of a row that has others, and no numbers, are a sentence
                index = tuple(int(n) for n in re.findall(r"\d+", token["index"] or token["behind"] or ""))
                heading = ("", ()) if printed else (name, index)
                blocks.append(_Block(name, index, block.place, at, []))
    yield from _of_blocks([block for block in blocks if block.printed])


def _lost(name: str | None, other: str | None, unknown: Callable[[str], str]) -> str:
    """Why a token means nothing; empty if it does."""
    if other in ("...", "…"):
        return f"cannot read {other!r}: print all numbers, in numpy np.set_printoptions(threshold=2**31)"
    return f"cannot read {other!r}; expected rows as step 3 h_t: 0.1 0.2" if other else unknown(name) if name else ""


def _placed(place: dict[str, Any], part: str, value: str) -> dict[str, Any]:
    """A place with another part, which ends the parts that were said behind it."""
    same = {part, *(("t", "step") if part in ("t", "step") else ())}
    until = next((k for k, one in enumerate(place) if one in same), len(place))
    return {**dict([*place.items()][:until]), part: value}


def _of_blocks(blocks: Sequence[_Block]) -> Iterator[ValueEntry]:
    """What was printed without a step is put together."""
    if unnamed := [block for block in blocks if not block.line and any(one.line for one in blocks)]:
        said = "numbers without a name, in a text with names: write the name before them"
        raise FileError(f"row {unnamed[0].row}: {said}")
    together: dict[Any, list[_Block]] = {}
    for block in blocks:
        if block.indices or block.line.count("/") > 2 or not {"t", "step"}.isdisjoint(block.place):
            yield ValueEntry(block.line, block.value(), block.place, block.indices, block.row)
        else:
            together.setdefault((block.line, *sorted(block.place.items())), []).append(block)
    for each in together.values():
        values, first = [block.value() for block in each], each[0]
        row = bool(first.line) and not any(isinstance(one, list) for one in values[0])
        value = values[0] if len(values) == 1 else values
        yield ValueEntry(first.line, value, first.place, (), first.row, repeated=row or len(values) > 1)
