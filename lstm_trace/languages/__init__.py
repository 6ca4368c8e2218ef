"""All headings and sentences of reports, one file per language; to add a language is to add a file."""

from __future__ import annotations

import os
from typing import Literal

#: The code of a language, for type checkers; a test compares it with the files.
Language = Literal["de", "en", "es", "fr", "zh"]


def languages() -> tuple[str, ...]:
    """The codes of the languages: the names of the files in this folder."""
    return tuple(sorted(name.removesuffix(".toml") for name in os.listdir(__path__[0]) if name.endswith(".toml")))
