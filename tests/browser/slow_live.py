"""Every honest report agrees with what its page computes, and each of 100 damages is shown."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from lstm_trace.model.edit import edit

from ..support.live_pages import EXAMPLES, cases, damaged, run
from .chromium import PROGRAM, Browser
from .test_live import NOTE, changed, opened, rows

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


@pytest.mark.parametrize("seed", range(6))
def test_of_many_changes_each_gives_the_report_of_the_changed_problem(
    driver: Browser, tmp_path: Path, seed: int
) -> None:
    """Also of float32, at limits of functions, and of numbers with more decimals than are shown."""
    rng, compared = random.Random(seed), 0  # noqa: S311
    ways = ({}, {"detail": "scalar"}, {"significant": 3}, {"digits": 2, "trim": True, "decimal_comma": True})
    values = (-1.0, 2.5, 0.125, -0.3333, 10.0, 1e-9, 1e6, -250.0, 0.05, 3.14159265358979, -45.0)
    for _ in range(8):
        trace = run(rng.choice(EXAMPLES), **rng.choice(({}, {"dtype": "float32"})))
        options: dict[str, object] = {"digits": 4} | dict(rng.choice(ways))
        if "significant" in options:
            del options["digits"]
        opened(driver, tmp_path, trace.report("html", **options))
        given = driver.run("[...document.querySelectorAll('button.given')].map((e) => e.ariaLabel.split(' = ')[0])")
        address, value = rng.choice(given), rng.choice(values)
        changed(driver, address, value, comma="decimal_comma" in options)
        found = rows(driver)
        try:
            other = edit(trace, {address: value})
        except LookupError:  # the page counts the units of a given number otherwise
            continue
        opened(driver, tmp_path, other.report("html", **options))
        expected = rows(driver)
        if len(expected[0]) == len(found[0]):  # what is 0 throughout is left out
            bare = ([re.sub("[()]", "", row) for row in lines] for lines, _ in (found, expected))  # of negative numbers
            assert next(bare) == next(bare), (trace, options, address, value)
            compared += 1
    assert compared > 3
