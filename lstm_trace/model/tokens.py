"""Labels of the steps, from lists or files, to one row per sequence; tokens as input, looked up by their numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..base.arrays import LONGEST, Array, as_texts, describe, half, to_labels
from ..base.files import decoded, read_bytes, read_data
from ..engine.inputs import numbers
from ..errors import FileError, MissingError, NotFoundError, ShapeError, counted, nearest, raise_all, reading
from ..trace.argument_types import checked
from ..trace.trace import Trace
from ..weights.formats.arrays import array_in
from ..weights.guards import afford
from ..weights.live_modules import as_array

Row = tuple[str, ...]


@dataclass(frozen=True)
class TokenText:
    """The text of a file with labels; the number of steps determines which of its forms it has.

    where: the file's name.
    """

    where: str
    text: str


def step_rows(
    tokens: Any, steps: int, batch: int, valid: Array | None = None, named: str = "tokens"
) -> tuple[Row, ...]:
    """One row of T labels per sequence, or a single row if all have the same.

    tokens: T labels, the same for all sequences; one list of them per sequence; a text of T characters; a `TokenText`.
    A sequence has T labels, or as many as it has valid steps. valid: (T, B), True at the valid steps; None if all are.
    named: name of the labels in messages. Raises ShapeError.
    """
    known = _Steps(steps, batch, valid)
    if isinstance(tokens, TokenText):
        rows, named = _rows_of(tokens, known), tokens.where
    else:
        labels = readable(tokens, named)
        rows = labels if labels and isinstance(labels[0], list) else [labels]
    raise_all(ShapeError, _unfit(rows, named))
    raise_all(ShapeError, known.faults(rows, named, "character" if isinstance(tokens, str) else "label"))
    return known.placed(rows)


def readable(tokens: Any, named: str = "tokens") -> Any:
    """The labels as text, in one list or one list per sequence; a `TokenText` unchanged. Raises ShapeError."""
    if isinstance(tokens, str | TokenText):
        return list(tokens) if isinstance(tokens, str) else tokens
    with reading(named, ShapeError):
        labels = as_texts(tokens)
    for b, row in enumerate(labels):
        for k, label in enumerate(row if isinstance(row, list) else ()):
            if isinstance(label, list):
                deeper = "a label for each step, or a list of them for each row, and no deeper"
                raise ShapeError(f"{named}: expected a label at [{b},{k}], found a list; {deeper}")
    return labels


@checked
def with_tokens(trace: Trace, tokens: Any) -> Trace:
    """Return the trace with new labels of its steps.

    Args:
        trace: any trace.
        tokens: as for `Model.run`; T is the last step of the trace plus one.

    Returns:
        A trace with the same arrays.

    Raises:
        ShapeError: if there are more or fewer labels than steps.

    >>> import lstm_trace as lt
    >>> trace = lt.run({"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, [[1.0, 2.0]], ask="i_t")
    >>> lt.with_tokens(trace, ["sun"]).header.step_labels
    (('sun',),)
    """
    valid = trace.valid[:, :, 0] > 0 if trace.padded and not trace.first else None
    try:
        rows = step_rows(tokens, trace.span.stop, trace.batch, valid)
    except ShapeError as error:
        if not trace.first:
            raise
        span = f"the trace holds steps {trace.first} to {trace.span.stop - 1} of its input alone"
        hint = f"{span}: give labels for 0 to {trace.span.stop - 1}, and leave later ones out"
        raise ShapeError(*(f"{problem} ({hint})" for problem in error.problems)) from None
    return replace(trace, header=replace(trace.header, step_labels=rows), memory=None)


@dataclass(frozen=True)
class _Steps:
    """The steps and sequences that labels are for."""

    steps: int
    batch: int
    inside: Array | None

    def valid(self, b: int) -> int:
        """The number of valid steps of a sequence."""
        return self.steps if self.inside is None else int(self.inside[:, b].sum())

    def placed(self, rows: Sequence[Sequence[str]]) -> tuple[Row, ...]:
        """The labels of matching rows, by step."""
        found = [*map(tuple, rows)]
        for b, row in enumerate(rows):
            if self.inside is not None and len(row) != self.steps:
                labels = iter(row)
                found[b] = tuple(next(labels) if inside else "" for inside in self.inside[:, b])
        return tuple(found)

    def faults(self, rows: Sequence[Sequence[str]], of: str, noun: str) -> Iterator[str]:
        """Mismatches, in words. of: the object that contains the labels."""
        if len(rows) not in (1, self.batch):
            yield f"{of} has {counted(len(rows), 'row')} of labels; expected one for each of the B = {self.batch} rows"
            return
        single = len(rows) == 1
        for b, row in enumerate(rows):
            least = self.valid(b) if not single or self.batch == 1 else self.steps
            if len(row) in (self.steps, least):
                continue
            said = f"{of if single else f'{of}[{b}]'} has {counted(len(row), noun)}; expected one for each of the "
            said += f"T = {self.steps} steps"
            if least != self.steps:
                said += f", or for each of the {counted(least, 'valid step')}"
            if single and self.batch > 1 and len(row) == self.batch:
                said += f"; for a label of its own in each of the B = {self.batch} rows give a list of lists"
            yield said


def _unfit(rows: Sequence[Sequence[str]], of: str) -> Iterator[str]:
    """The labels that no file can hold. of: the object that contains them."""
    for b, row in enumerate(rows):
        for k, label in enumerate(row):
            if len(label) > LONGEST:
                at = f"[{b},{k}]" if len(rows) > 1 else f"[{k}]"
                yield f"{of}: the label at {at} has {len(label):,} characters; expected at most {LONGEST:,}"
            if wrong := half(label):
                yield f"{of}: {wrong} is half of a character; write the character itself"


def _rows_of(tokens: TokenText, known: _Steps) -> list[list[str]]:
    """The labels in the text of a file: the first of its forms that fits; see docs/labels.md. Raises ShapeError."""
    for rows in _forms(tokens.text, known.batch):
        if not any(known.faults(rows, tokens.where, "label")):
            return rows
    text = tokens.text.removesuffix("\n")
    lines = text.count("\n") + 1
    many = f" and B = {known.batch} sequences" if known.batch > 1 else ""
    other = " (or a block of lines for each sequence, with blank lines between)" if many else ""
    said = f"{tokens.where} has {counted(lines, 'line')} and {counted(len(text), 'character')}"
    wanted = f"write a label for each step, one a line{other}, or one text of {counted(known.steps, 'character')}"
    raise ShapeError(f"{said}, and the input has T = {known.steps} steps{many}: {wanted}")


def _forms(text: str, batch: int) -> Iterator[list[list[str]]]:
    """Possible interpretations of a text: lines; blocks of lines, lines of characters; one text of characters."""
    body = text.removesuffix("\n")
    lines = body.split("\n")
    yield [lines]
    if batch > 1:
        blocks = [block.split("\n") for block in re.split(r"\n(?:[ \t]*\n)+", text.strip("\n")) if block]
        for rows in (blocks, [list(line) for line in lines]):
            if len(rows) == batch:
                yield rows
    yield [list(text)]
    yield [list(body)]


#: Maximum size of a file of labels in bytes: a million steps of 64 bytes each.
MAX_TOKENS = 1 << 26


def read_tokens(path: str | Path) -> Any:
    """Read the labels in a file, for `tokens` of `Model.run`. '-' reads text from standard input.

    .json: a list of labels, or one such list per sequence. Any other file is text: one label per line, or one text of T
    characters. Raises FileError.
    """
    content = read_bytes(path, "give a label for each step", MAX_TOKENS)
    if Path(path).suffix.lower() == ".json":
        with reading(str(path)):
            return to_labels(read_data(path, content))
    text = decoded(path, content)
    if not text:
        raise FileError(f"{path}: the file is empty; expected a label for each step, one a line")
    return TokenText(str(path), text.replace("\r\n", "\n"))


def read_vocabulary(path: Path, name: str = "") -> dict[str, int]:
    """The numbers of the tokens in a file.

    .txt: one token per line, in order. .json: a list of texts, or an object that maps tokens to numbers; or the value
    of its key `name`. Any other file: its array of texts called `name`. Raises FileError, MissingError.
    """
    if path.suffix.lower() == ".txt":
        text = decoded(path, read_bytes(path))
        return numbered(text.replace("\r\n", "\n").removesuffix("\n").split("\n"), str(path))
    if path.suffix.lower() != ".json":
        return numbered(array_in(path, name).tolist(), f"{path}: {name}")
    found = read_data(path)
    if not name:
        return numbered(found, str(path))
    known = found if isinstance(found, Mapping) else {}
    if name not in known:
        raise MissingError(f"{path}: there is no {name!r}{nearest(name, known, 'there are')}")
    return numbered(known[name], f"{path}: {name}")


def numbered(given: Any, where: str) -> dict[str, int]:
    """The numbers of tokens: their positions in a list, or the values of a mapping. Raises FileError.

    >>> numbered(["the", "cat"], "the vocabulary")
    {'the': 0, 'cat': 1}
    """
    if not isinstance(given, Mapping | list | tuple) or not given:
        raise FileError(f"{where}: expected a list of tokens, or their numbers by token; found {describe(given)}")
    found: dict[str, int] = {}
    for token, number in given.items() if isinstance(given, Mapping) else zip(given, count(), strict=False):
        if not isinstance(token, str) or len(token) > LONGEST:
            raise FileError(f"{where}: expected tokens of at most {LONGEST:,} characters, found {describe(token)}")
        if isinstance(number, bool) or not isinstance(number, int | np.integer) or not 0 <= number < 1 << 31:
            raise FileError(f"{where}: the number of {token!r} is {describe(number)}; expected 0, 1, …")
        if token in found:
            raise FileError(f"{where}: the token {token!r} is there twice, as {found[token]} and {number}")
        found[token] = int(number)
    return found


# -- x of tokens -----------------------------------------------------------------------------------------------------

#: How a text is split into tokens.
Split = Literal["characters", "words"]
SPLIT: dict[str, Callable[[str], Sequence[str]]] = {"characters": list, "words": str.split}


@dataclass(frozen=True, eq=False)
class TokenTable:
    """The numbers of tokens, and x of each number.

    words: the numbers by token; empty if tokens are given by their numbers alone. matrix: x by number, (V, I); None
    sets a 1 at the number. unknown: the token that replaces those that are not among the words; MissingError is raised
    if it is not among them itself. split: how a text is split.
    """

    words: Mapping[str, int]
    matrix: Array | None = None
    unknown: str | None = None
    split: str = "characters"

    def __post_init__(self) -> None:
        if self.unknown is not None and self.unknown not in self.words:
            said = f"the vocabulary has no {self.unknown!r}, which --unknown (unknown=) names"
            raise MissingError(said + nearest(self.unknown, self.words))

    @property
    def width(self) -> int:
        """I: the width of the embedding, or how many numbers the vocabulary has."""
        return 1 + max(self.words.values()) if self.matrix is None else int(self.matrix.shape[1])

    @property
    def rows(self) -> int:
        """V: the numbers from 0 to V − 1 have an x."""
        return self.width if self.matrix is None else len(self.matrix)

    def labels(self, numbers: Iterable[int]) -> list[str]:
        """The tokens with some numbers; empty for a number without one."""
        named = {number: word for word, number in self.words.items()}
        return [named.get(number, "") for number in numbers]

    def x(self, numbers: Array) -> Array:
        """x of some numbers (R,), as (R, I)."""
        if self.matrix is None:
            return (numbers[:, None] == np.arange(self.width)).astype(np.float32)
        return self.matrix[numbers]

    def read_back(self, x: Array) -> list[list[str]]:
        """The tokens of x (T, B, I), one list per sequence; empty where x is the row of none, or of several."""
        if self.matrix is None:
            ones = (x == 1) & (np.count_nonzero(x, axis=-1, keepdims=True) == 1)
            return [self.labels(row) for row in np.where(ones.any(-1), ones.argmax(-1), -1).T.tolist()]
        x = x + 0  # -0 is 0
        found: dict[bytes, list[int]] = {row.tobytes(): [] for row in x.reshape(-1, x.shape[-1])}
        for number, row in enumerate(self.matrix):  # one by one: an embedding may be large, and x is not
            found.get((row.astype(x.dtype) + 0).tobytes(), []).append(number)
        numbers = {row: rows[0] for row, rows in found.items() if len(rows) == 1}
        return [self.labels(numbers.get(row.tobytes(), -1) for row in x[:, b]) for b in range(x.shape[1])]

    def numbers(self, tokens: Any, place: Callable[[int], str]) -> Array:
        """The numbers of some tokens, or these numbers, (R,). place: where a token is, in words.

        Raises MissingError, ShapeError for the first token that has no x.
        """
        if isinstance(tokens, list):
            if self.unknown is None and (lost := next((t for t in tokens if t not in self.words), None)) is not None:
                said = "is not in the vocabulary; name the token that replaces unknown ones with --unknown (unknown=)"
                raise MissingError(f"{place(tokens.index(lost))}: {lost!r} {said}")
            tokens = np.array([self.words.get(token, self.words.get(self.unknown or "", 0)) for token in tokens])
        if (wrong := (tokens < 0) | (tokens >= self.rows)).any():
            k = int(np.argmax(wrong))
            word = f"{named[0]!r} " if self.words and (named := self.labels([int(tokens[k])]))[0] else ""
            said = f"{place(k)}: the token {word}has the number {tokens[k]}; expected 0 to {self.rows - 1}"
            many = f", since the embedding has {self.rows:,} rows; the vocabulary has {len(self.words):,} tokens"
            raise ShapeError(said + many * bool(word))
        return np.asarray(tokens)

    def sequence(self, given: Any, labels: Any = None) -> tuple[Array, Any]:
        """x of a text, a list of tokens, or of their numbers, (T, I); and the labels of the steps.

        labels: if None, they are the tokens, if there is a vocabulary.

        Raises as `numbers`; FileError for more than fits into memory.
        """
        given = given.text.removesuffix("\n") if isinstance(given, TokenText) else given
        tokens = SPLIT[self.split](given) if isinstance(given, str) else given
        tokens = [*tokens] if isinstance(tokens, list | tuple | np.ndarray) else []
        if isinstance(given, str) and not tokens:
            raise ShapeError("x: the text is empty; expected one or more tokens")
        if getattr(given, "ndim", 1) == 2 and len(given) == 1:
            raise ShapeError(f"x: expected the tokens of one sequence in a list, found {describe(given)}: give x[0]")
        texts = bool(self.words) and all(isinstance(token, str) for token in tokens)
        if not tokens or not (texts or all(isinstance(t, int | np.integer) and t is not True for t in tokens)):
            wanted = ", a text, or a list of tokens" if self.words else "; a text needs --vocabulary FILE (vocabulary=)"
            raise ShapeError(f"x: expected one or more numbers of tokens in a list{wanted}; found {describe(given)}")
        found = self.numbers(tokens if texts else np.array(tokens), lambda t: f"x: t = {t}")
        afford(need := len(found) * self.width * 8, need, f"x of {len(found):,} tokens")
        own = tokens if texts else self.labels(found.tolist()) if self.words else None
        return self.x(found), own if labels is None else labels


def token_table(
    vocabulary: Any, embedding: Any, unknown: str | None = None, split: str | None = None, sources: Sequence[str] = ()
) -> TokenTable:
    """The table of what was given: values, files, `FILE:NAME`, or `model:NAME`. sources: the files of the model.

    Raises FileError, MissingError, ShapeError.
    """
    words, matrix, where = dict[str, int](), None, "embedding"
    if unknown is not None and vocabulary is None:
        said = "--unknown (unknown=) names the token for those that a vocabulary lacks"
        raise MissingError(f"{said}: give --vocabulary FILE (vocabulary=) too")
    if isinstance(vocabulary, str | Path):
        words = referenced(read_vocabulary, in_model("vocabulary", vocabulary, sources))
    elif vocabulary is not None:
        words = numbered(getattr(vocabulary, "tolist", lambda: vocabulary)(), "vocabulary")
    if isinstance(embedding, str | Path):
        where = in_model("embedding", embedding, sources)
        embedding = referenced(array_in, where)
    if embedding is not None:
        matrix = numbers(as_array(getattr(embedding, "weight", embedding)), where)
        if matrix.ndim != 2 or matrix.dtype.kind not in "fiu":
            said = f"the array has the shape {matrix.shape} and the dtype {matrix.dtype}"
            raise ShapeError(f"{where}: {said}; expected a row of numbers for each token")
        matrix = matrix.astype(np.result_type(matrix.dtype, np.float32), copy=False)
    return TokenTable(words, matrix, unknown, split or "characters")


def in_model(option: str, value: str | Path, sources: Sequence[str]) -> str:
    """A file, or `FILE:NAME`, of what was given as such, or as `model:NAME`. Raises MissingError without a file."""
    name = str(value)
    if not name.startswith("model:"):
        if sources and ":" not in name and not Path(name).exists() and option != "vocabulary":
            raise NotFoundError(f"{option}: there is no file {name}; for arrays of the model write model:{name}")
        return name
    if not sources:
        raise MissingError(f"{option} {name!r}: the model was not read from a file of arrays; give FILE:NAME")
    return f"{Path(sources[0]).absolute()}:{name[6:]}"


@lru_cache(maxsize=4)
def _read(read: Any, path: Path, name: str, *_now: int) -> Any:
    return read(path, name)


def referenced(read: Any, reference: str) -> Any:
    """What is read from a file, or the array of that name in it, once per process for each state of the file."""
    path, name = Path(reference), ""
    if not path.exists() and ":" in reference:  # a name may have colons too: embeddings:0
        colons = [at for at, character in enumerate(reference) if character == ":"]
        cut = next((at for at in colons if Path(reference[:at]).is_file()), colons[-1])
        path, name = Path(reference[:cut]), reference[cut + 1 :]
    if not path.exists():
        raise NotFoundError(f"{path}: there is no such file", filename=path)
    now = path.stat()
    return _read(read, path, name, now.st_mtime_ns, now.st_size)
