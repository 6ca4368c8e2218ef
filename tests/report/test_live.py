"""What a page needs to compute its numbers again: the places of its numbers, sums of what was written, the script."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.report.page import live
from lstm_trace.trace.trace import Trace

from ..support.live_pages import run, stack
from ..support.page_reader import Page


def embedded(page: str) -> dict[str, Any]:
    """What the page has of its trace."""
    found = re.findall(r'<script type="application/json" class="trace">(.*?)</script>', page)
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0])
    return data


def values(trace: Trace, data: dict[str, Any], key: str) -> list[float | None]:
    """The numbers at the places that a page has."""
    found: list[float | None] = []
    for n, *place in data[key]:
        if not place:
            found += [None] * n
            continue
        part, scope, name, first, _ = place
        array: Any = trace.x if part == "x" else getattr(trace, part)[scope][name]
        found += array.ravel()[first : first + n].tolist()
    return found


@pytest.mark.few(2)
@pytest.mark.parametrize("name", ["q22", "three-steps", "mlstm", "readout"])
def test_each_number_has_its_place(name: str) -> None:
    trace = run(name)
    text = trace.report("html", digits=15, trim=True)
    page, data = Page(re.sub("<script.*?</script>", "", text, flags=re.S)), embedded(text)
    made = [e for e in page.elements if "data-a" in e.attributes]
    assert sum(n for n, *_ in data["numbers"]) == len(made)
    by_id = {e.attributes["id"]: e.text for e in made}
    for k, value in enumerate(values(trace, data, "numbers")):
        shown = by_id[f"n{np.base_repr(k, 36).lower()}"].replace("−", "-").replace("×10^", "e")
        assert value == pytest.approx(float(shown), rel=1e-13, abs=1e-15)


def test_the_premises_are_a_trace_without_lines() -> None:
    trace = stack(2, 2, 3, 2, "float32")
    data = embedded(trace.report("html"))["trace"]
    again = lt.load(json.dumps(data).encode())
    assert again.stages == trace.stages
    assert not any(again.lines.values())
    assert again.x is not None
    assert trace.x is not None
    np.testing.assert_array_equal(again.x, trace.x)
    for scope, here in trace.parameters.items():
        for name, array in here.items():
            np.testing.assert_array_equal(again.parameters[scope][name], array)


def test_nothing_that_the_trace_says_of_itself_is_in_it() -> None:
    """Titles and names come from strangers, and the page has them as text where it shows them."""
    source = {"title": "</script><b>", "notes": "<!-- a", "weights": {"W_xi": [[0.5]], "W_hi": [[0.25]]}, "x": [[1.0]]}
    text = lt.run({**source, "ask": ["i_t"], "names": {"x": ["<script>"]}}).report("html")
    assert not re.search('script><b>|<!-- a|<script>[^"]', text.replace(live.script(False), ""))
    assert embedded(text)["trace"]["title"] == ""


@pytest.mark.parametrize("most", [10, 1000])
def test_a_large_trace_is_not_computed_again(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "MOST", most)
    text = run("q19").report("html")
    assert ('class="trace"' in text) == ('class="written"' in text) == ("script.trace" in text) == (most > 10)


def test_a_profile_and_a_part_of_a_notebook_are_as_they_were() -> None:
    trace = stack(1, 1, 4, 1, "float64")
    for text in (trace.report("html", detail="profile"), trace._repr_html_()):
        assert 'class="trace"' not in text
        assert "data-n" not in text


def test_sums_follow_the_text_the_tags_and_the_attributes() -> None:
    body = '<p id="a">x &lt; <math><mn>1</mn><mo>+</mo></math></p>\n<ul><li>y<li>z</li></li></ul>'

    def sums(text: str) -> list[str]:
        (found,) = re.findall(r'"(\w*)"</script>', live.written(text))
        return re.findall(".{5}", found)

    assert len(sums(body)) == 6  # the title, what is outside of all blocks, and four blocks
    assert sums(body.replace("x &lt;", "x\n   &lt;")) == sums(body)
    for old, new in (
        ("x", "y"), ("<mn>1", "<mn>2"), ("<mn>1</mn>", "<mi>1</mi>"), ('"a"', '"b"'), ("id=", "lang="),
        ("<p ", "<p hidden "),
        ("</mn><mo>+</mo>", "<mo>+</mo></mn>"), ("<mn>1", "<mn>1 1"), ("<ul>", "<ul class=a>"),
    ):  # fmt: skip
        other = sums(body.replace(old, new))
        assert sum(a != b for a, b in zip(sums(body), other, strict=True)) == 1, (old, new)
    assert sums(body.replace("1", "12")) != sums(body.replace("1", "1 2"))  # white space within a number
    assert live.written(body, "a") != live.written(body, "b")


@pytest.mark.parametrize("arithmetic", [False, True])
def test_the_script_is_complete_and_small(arithmetic: bool) -> None:
    text = live.script(arithmetic)
    assert len(text) < (100_000 if arithmetic else 80_000)
    assert "</script" not in text.lower()
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    done = subprocess.run([node, "--check", "-"], input=text, text=True, capture_output=True)  # noqa: S603
    assert not done.returncode, done.stderr
