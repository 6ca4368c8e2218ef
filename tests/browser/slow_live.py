"""Every honest report agrees with what its page computes, and each of 100 damages is shown."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ..support.live_pages import cases, damaged, run
from .chromium import PROGRAM, Browser
from .test_live import NOTE, opened

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here")


def test_every_honest_page_agrees(driver: Browser, tmp_path: Path) -> None:
    for name, make in cases():
        opened(driver, tmp_path, make())
        assert driver.run("!!document.querySelector('.checked:not(.faulty)')"), (name, driver.run(NOTE))


@pytest.mark.parametrize("name", ["q22", "three-steps", "mlstm"])
def test_of_100_damages_all_are_shown(driver: Browser, tmp_path: Path, name: str) -> None:
    page, rng = run(name).report("html"), random.Random(len(name))  # noqa: S311
    for n in range(100):
        kind = ("number", "use", "equation", "words", "weight")[n % 5]
        other, old, new = damaged(page, kind, rng)
        opened(driver, tmp_path, other)
        assert driver.run("!!document.querySelector('.faulty') && !!document.querySelector('.wrong')"), (kind, old, new)
        if kind in ("number", "use"):
            assert f"the page shows {new}" in driver.run(NOTE)
