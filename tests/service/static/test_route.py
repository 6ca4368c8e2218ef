"""The address of the page: settings that cannot be are left out, as unknown parameters are."""

from __future__ import annotations

from tests.support.page_modules import computed

_SCRIPT = """
import { read } from "LINES/../service/static/route.js";
export const answer = (all) => all.map((hash) => read(hash).settings);
"""
USUAL = {"language": "en", "notation": "exercise", "digits": "", "count_from": "", "arithmetic": ""}


def test_settings_that_cannot_be_are_left_out() -> None:
    wrong = ["language=__proto__", "language=constructor", "digits=1e308", "digits=18", "digits=-3", "count_from=abc"]
    found = computed(_SCRIPT, [f"#bench?source=example:q22&{one}" for one in [*wrong, "count_from=1e308"]])
    assert found == [USUAL] * 7


def test_settings_that_can_be_are_read() -> None:
    asked = {"language": "fr", "notation": "pytorch", "digits": "17", "count_from": "1", "arithmetic": "by-hand-2"}
    assert computed(_SCRIPT, ["#bench?" + "&".join(f"{name}={value}" for name, value in asked.items())]) == [asked]
