"""What a text may ask for before it is parsed: a small one can stand for gigabytes."""

from __future__ import annotations

import re
from pathlib import Path

from ...errors import FileError
from ..free_memory import amount, available

#: Parts of a TOML key. Python's parser keeps every beginning of a key: 20,000 parts take 1.6 GB.
MOST_PARTS = 32
#: Bytes of memory for a byte of text, at most, as measured: of nested and of short values.
EXPANSION = {".yaml": 350, ".yml": 350, ".toml": 160, ".json": 30}
#: Texts up to this size are harmless whatever is in them.
SMALL = 1 << 18

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_LONG_KEY = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{{MOST_PARTS},}}+")


def check_room(path: str | Path, suffix: str, size: int) -> None:
    """Raise FileError where the data of a text of `size` bytes may not fit into the memory that is free."""
    free, needed = available(), size * EXPANSION.get(suffix, EXPANSION[".yaml"])
    if size > SMALL and free is not None and needed > free:
        raise FileError(
            f"{path}: a text of {amount(size)} may need {amount(needed)} of memory, and {amount(free)} are free; "
            "give large arrays as .npy, .npz or .safetensors"
        )


def check_toml(path: str | Path, text: str) -> None:
    """Raise FileError for a key of too many parts, with its line."""
    # words with dots between them may stand in a text as well; after a key comes = or ]
    for found in (f for f in _LONG_KEY.finditer(text) if text[f.end() : f.end() + 1] in ("=", "]")):
        line = text.count("\n", 0, found.start()) + 1
        raise FileError(f"{path}: line {line}: a key of more than {MOST_PARTS} parts between dots: nested too deeply")
