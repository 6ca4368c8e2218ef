"""Labels of steps from a file: a text, or lists in JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...base.arrays import to_labels
from ...base.files import read_bytes, read_data
from ...errors import FileError
from .rows import TokenText

#: Bytes of a file of labels: a million steps of 64 bytes each.
MAX_TOKENS = 1 << 26


def read_tokens(path: str | Path) -> Any:
    """What a file says of the steps, for `tokens` of `Model.run`. '-' reads a text from standard input.

    .json: a list of labels, or a list of such lists, one for each row. Any other file is a text: a label a line, or one
    text of T characters. Raises FileError.
    """
    content = read_bytes(path, "give a label for each step", MAX_TOKENS)
    if Path(path).suffix.lower() == ".json":
        try:
            return to_labels(read_data(path, content))
        except ValueError as error:
            raise FileError(f"{path}: {error}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    if not text:
        raise FileError(f"{path}: the file is empty; expected a label for each step, one a line")
    return TokenText(str(path), text.replace("\r\n", "\n"))
