"""The texts of the page: every key that a script names is there, and none is there in vain."""

from __future__ import annotations

import json
import re

import pytest

from lstm_trace import service

from .. import ROOT

STATIC = ROOT / "lstm_trace" / "service" / "static"
WORDS = json.loads((STATIC / "words" / "en.json").read_text(encoding="utf-8"))
KEYS = {f"{tab}.{part}" for tab, parts in WORDS.items() for part in parts}
SCRIPTS = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted(STATIC.rglob("*.js")) if "vendor" not in path.parts
)
TABS = "|".join(WORDS)
#: Keys as they stand in a script; the beginnings of those that are put together; words that may be put behind a tab.
NAMED = set(re.findall(rf"""["'`]((?:{TABS})\.[\w.]+)["'`]""", SCRIPTS))
BEGUN = tuple(set(re.findall(rf"`((?:{TABS})\.\w[\w.]*)\$\{{", SCRIPTS)))
DIRECTIONS = {"forward", "reverse", "joined"}  # of the server
PARTS = DIRECTIONS | set(re.findall(r"""["'](\w+)["']""", SCRIPTS)) | set(re.findall(r"\b(\w+): \(", SCRIPTS))


def test_the_service_is_there() -> None:
    assert (STATIC.parent / "__init__.py").samefile(service.__file__)


@pytest.mark.parametrize("key", sorted(NAMED))
def test_named_keys_are_there(key: str) -> None:
    assert key in KEYS or any(one.startswith(f"{key}.") for one in KEYS)


def test_no_text_is_left_over() -> None:
    plain = {key.removesuffix(".1") for key in KEYS}
    left = {key for key in plain - NAMED if not key.startswith(BEGUN) and key.partition(".")[2] not in PARTS}
    assert sorted(left) == []
