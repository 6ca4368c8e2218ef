"""What the cases show of the table of mistakes is as `core.json` says: `python -m docs.conformance` writes it again."""

from __future__ import annotations

import json

from docs.conformance import CORE, measure


def test_the_core_is_current() -> None:
    assert measure() == json.loads(CORE.read_text())
