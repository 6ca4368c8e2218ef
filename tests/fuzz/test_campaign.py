"""A little of each part of the campaign, with another seed than its own."""

from __future__ import annotations

import random
from copy import deepcopy

from .damage import ODD, changed


def test_a_change_leaves_the_odd_values_as_they_are() -> None:
    """Otherwise an input depends on those before it in the process, and --repeat gives another."""
    before = deepcopy(ODD)
    rng = random.Random(0)  # noqa: S311 - no secret
    for _ in range(2000):
        changed(rng, {"a": [1, {"b": [2.0]}], "c": {"d": 1}, "e": []})
    assert before == ODD
