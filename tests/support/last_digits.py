"""Texts that are the same but for the last digits of their numbers: those depend on the plan and the processor."""

from __future__ import annotations

import re

import pytest

NUMBER = r"[-−]?\d+(?:\.\d+(?:e[-+]\d+)?)?"


def same(found: str, expected: str, off: float) -> bool:
    """Whether all but the numbers is the same, and they differ by at most 1e-4 of themselves, or by `off`.

    Pictures: coordinates have one decimal, so `off` is that; what is drawn as an image is not looked at.
    """
    texts = [re.sub('base64,[^"]*', "", text) for text in (found, expected)]
    if len({tuple(re.split(NUMBER, text)) for text in texts}) > 1:
        return False
    numbers = ([float(n.replace("−", "-")) for n in re.findall(NUMBER, text)] for text in texts)
    return all(a == pytest.approx(b, rel=1e-4, abs=off) for a, b in zip(*numbers, strict=True))
