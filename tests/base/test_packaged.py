"""Tables of the package: every .toml file beside a module that reads it is valid, and is read by its path."""

from __future__ import annotations

import re
import tomllib

import pytest

from lstm_trace.base.packaged import packaged

from .. import ROOT

PACKAGE = ROOT / "lstm_trace"
NAMES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.toml"))
SOURCES = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_what_the_file_has(name: str) -> None:
    assert packaged(name) == tomllib.loads((PACKAGE / name).read_text("utf-8"))


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("languages/")])
def test_every_part_of_a_table_is_read(name: str) -> None:
    parts = re.findall(rf'packaged\("{re.escape(name)}"\)(?:\["(\w+)"\])?', SOURCES)
    whole = parts == [] or "" in parts  # those of mistakes have readers of their own
    assert whole or {*packaged(name)} == {*parts}
