"""The page round what is shown: its policy names what stands on it, and lets nothing else in."""

from __future__ import annotations

import base64
import hashlib
import re

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.page import whole

DRAW = np.random.default_rng(3)
TRACE = lt.run({f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}, np.eye(2))
OTHER = lt.run(TRACE.parameters["0/forward"], np.eye(2) + 0.5)


def policy_of(text: str) -> dict[str, str]:
    """The policy of a page, by what it is about."""
    found = re.findall(r'<meta http-equiv="Content-Security-Policy" content="(.*)">', text)
    assert len(found) == 1
    return dict(part.split(" ", 1) for part in found[0].split("; "))


def named(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def test_a_policy_names_the_style_and_the_script_by_their_hashes() -> None:
    text = whole("de", 'A < "B"', "<p>ä</p>", ["plot/framed.css"], ["plot/heat.js", "report/page/report.js"])
    assert text.startswith('<!doctype html>\n<html lang="de">\n<head>\n<meta charset="utf-8">\n')
    assert "<title>A &lt; &quot;B&quot;</title>" in text
    (style,), (script,) = (re.findall(f"<{tag}>(.*?)</{tag}>", text, re.S) for tag in ("style", "script"))
    assert style.startswith(":root{color-scheme:light dark")
    assert ".sideways{" in style
    assert script.count('"use strict"') == 2
    assert policy_of(text) == {
        "default-src": "'none'", "style-src": named(style), "script-src": named(script), "img-src": "data:",
        "base-uri": "'none'", "form-action": "'none'",
    }  # fmt: skip


def test_without_a_script_none_runs_and_elements_have_styles_where_that_is_said() -> None:
    found = policy_of(whole("en", "", "<p style='color:red'>", [], styled=True))
    assert found["style-src"] == "'unsafe-inline'"
    assert "script-src" not in found
    assert "<script" not in whole("en", "", "", [])


PAGES = {
    "report": lambda: TRACE.report("html"),
    "profile": lambda: TRACE.report("html", detail="profile"),
    "picture": lambda: TRACE.plot.states().html(),
    "text": lambda: TRACE.plot.text().html(),
    "comparison": lambda: lt.diff(TRACE, OTHER).report("html"),
}


@pytest.mark.few(0)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_has_the_style_of_pages_once_and_what_it_uses_of_it(name: str) -> None:
    text = PAGES[name]()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.S)
    policy = policy_of(text)
    assert policy["style-src"] in ("'unsafe-inline'", named(style))
    assert (policy["style-src"] == "'unsafe-inline'") >= bool(re.search(r'<[^>]* style="', text))
    assert "max-width:var(--wide)" in style
    defined = set(re.findall(r"(--[\w-]+):", style)) | set(re.findall(r"(--[\w-]+):", text.partition("</style>")[2]))
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= defined | {"--a", "--n", "--k"}  # those of parts of a text
