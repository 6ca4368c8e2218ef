"""The table of what beginners mistype: its expressions and advice; tests/model/test_beginners.py has the messages."""

from __future__ import annotations

import re
import string
import tomllib
from importlib.resources import files
from typing import Any

import pytest

from lstm_trace.base.mistyped import number_meant

TABLE: dict[str, list[dict[str, str]]] = tomllib.loads((files("lstm_trace.base") / "mistyped.toml").read_text("utf-8"))
#: What is known without a group of an expression.
FIELDS = {
    "yaml": {"context", "problem", "row", "first", "left", "right", "above", "of", "quoted", "sign", "rest"},
    "text": {"problem", "left", "right"},
    "number": {"right"},
    "key": {"right"},
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", FIELDS)
def test_the_fields_of_an_advice_are_those_of_its_row(kind: str) -> None:
    for row in TABLE[kind]:
        parts = {name: re.compile(text) for name, text in row.items() if name not in ("advice", "line")}
        assert parts.keys() <= FIELDS[kind] | {"without"}
        assert row.get("line", "row") in ("row", "first", "above")
        groups = {name for name, part in parts.items() if name != "without" for name in part.groupindex}
        asked = {field for _, field, *_ in string.Formatter().parse(row["advice"]) if field}
        assert asked <= FIELDS[kind] | groups


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("-0,5", "; is this a decimal comma? write -0.5"), ("3/4", "; write 0.75"), ("1/0", "; a file has"),
        ("−1/2", "; write -0.5"),
        ("25 %", "; write 0.25"), ("10^-3", "; write 1e-3"), ("2·10^4", "; write 2e4"), ("1e-3", "; remove the quotes"),
        ("0.5; 1.5", "; put brackets around numbers and commas between them: [0.5, 1.5]"),
        ("\u00a0-0.5", "; a blank of another kind, not to be broken, stands beside it: type -0.5"),
        ("l.5", "; is a letter in place of a 0 or 1?"),
        ("", ""), ("none", ""), ("1" * 2000, ""), ("1 " * 400, "; put brackets around"),
    ],
)  # fmt: skip
def test_what_a_text_in_place_of_a_number_means(text: str, advice: Any) -> None:
    assert number_meant(text).startswith(advice)
    assert bool(number_meant(text)) == bool(advice)
