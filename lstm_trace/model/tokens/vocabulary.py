"""A vocabulary: the numbers of tokens, from a list or mapping, or from a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...base.arrays import LONGEST, describe
from ...base.files import read_bytes, read_data
from ...errors import FileError, MissingError, nearest
from ...weights.formats.arrays import array_in


def read_vocabulary(path: Path, name: str = "") -> dict[str, int]:
    """The numbers of the tokens in a file.

    .txt: a token a line, in order. .json: a list of texts, or an object of numbers by token; that of a key `name`. Any
    other file: its array of texts called `name`. Raises FileError, MissingError.
    """
    if path.suffix.lower() == ".txt":
        try:
            text = read_bytes(path).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
        return numbered(text.replace("\r\n", "\n").removesuffix("\n").split("\n"), str(path))
    if path.suffix.lower() != ".json":
        return numbered(array_in(path, name).tolist(), f"{path}: {name}")
    found = read_data(path)
    if not name:
        return numbered(found, str(path))
    if not isinstance(found, Mapping) or name not in found:
        known = found if isinstance(found, Mapping) else ()
        raise MissingError(f"{path}: there is no {name!r}{nearest(name, known, 'there are')}")
    return numbered(found[name], f"{path}: {name}")


def numbered(given: Any, where: str) -> dict[str, int]:
    """The numbers of tokens: their places in a list, or what a mapping says. Raises FileError.

    >>> numbered(["the", "cat"], "the vocabulary")
    {'the': 0, 'cat': 1}
    """
    if not isinstance(given, Mapping | list | tuple) or not given:
        raise FileError(f"{where}: expected a list of tokens, or their numbers by token; found {describe(given)}")
    pairs = list(given.items()) if isinstance(given, Mapping) else [(token, k) for k, token in enumerate(given)]
    found: dict[str, int] = {}
    for token, number in pairs:
        if not isinstance(token, str) or len(token) > LONGEST:
            raise FileError(f"{where}: expected tokens of at most {LONGEST:,} characters, found {describe(token)}")
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 1 << 31:
            raise FileError(f"{where}: the number of {token!r} is {describe(number)}; expected 0, 1, …")
        if token in found:
            raise FileError(f"{where}: the token {token!r} is there twice, as {found[token]} and {number}")
        found[token] = number
    return found
