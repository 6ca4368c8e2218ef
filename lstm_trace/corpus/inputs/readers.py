"""What is read of folders of .npz, text, JSON lines, and of sequences in Python: a mapping for each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...base.files import read_json
from ...errors import FileError
from ...weights.formats.npz import members
from ...weights.guards import archive
from ..rows import SEQUENCE, TOKEN
from .columns import X

#: A sequence or a step by names.
Row = Mapping[str, Any]
Split = Callable[[str], Sequence[str]]
#: Bytes of a line, and characters of a text that is one sequence, at most.
LONGEST_LINE = 1 << 28


def archives(paths: Iterable[Path]) -> Iterator[Row]:
    """A sequence for each .npz file, called as the file is."""
    for path in paths:
        with archive(path) as opened:
            yield {SEQUENCE: path.stem} | {name: np.asarray(one) for name, one in members(path, opened).items()}


def in_python(inputs: Iterable[Any], split: Split) -> Iterator[Row]:
    """Sequences in Python: arrays (T, I), mappings, texts; called by numbers where they have no `seq_id`."""
    for k, one in enumerate(inputs):
        named = one if isinstance(one, Mapping) else {TOKEN: split(one)} if isinstance(one, str) else {X: one}
        yield {SEQUENCE: k, **named}


def texts(paths: Iterable[Path], sequences: str, split: Split) -> Iterator[Row]:
    """Texts: a sequence for each line or paragraph, called by numbers, or for each file, called as that is."""
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
    found: list[str] = []
    size = 0
    for line in lines:
        found.append(line)
        size += len(line)
        if size > LONGEST_LINE:
            raise FileError(f"{path}: a sequence of more than {LONGEST_LINE:,} characters; read it by lines")
    return "".join(found)


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
