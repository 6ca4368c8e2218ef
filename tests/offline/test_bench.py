"""The file of the bench: what is in it, by which names, and what is refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError, TooLargeError
from lstm_trace.examples import examples
from lstm_trace.languages import languages
from lstm_trace.offline.bench import named, used

DRAW = np.random.default_rng(4)


def trace(units: int = 3, steps: int = 2, title: str = "") -> lt.Trace:
    weights = {f"W_{s}{g}": DRAW.normal(size=(units, 2 if s == "x" else units)) for s in "xh" for g in "ifco"}
    made = lt.run(weights, DRAW.normal(size=(steps, 2)))
    return replace(made, header=replace(made.header, title=title))


def embedded(html: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" id="embedded">(.*?)</script>', html, re.S)
    assert len(found) == 1
    data: dict[str, Any] = json.loads(found[0])
    return data


def test_given_traces_come_first_and_have_their_premises_to_the_last_bit() -> None:
    own = trace()
    found = embedded(lt.bench(own).html)
    assert [*found["sources"]] == ["given", *examples()]
    for name, array in own.parameters["0/forward"].items():
        assert np.array_equal(found["sources"]["given"]["parameters"]["0/forward"][name], array)
    assert np.array_equal(found["sources"]["given"]["inputs"]["x"], own.x)  # type: ignore[arg-type]
    assert "lines" not in found["sources"]["given"]
    assert found["words"].keys() == {*languages()}


def test_zero_keeps_its_sign() -> None:
    own = lt.run({"W_x": [[-0.0, 2.0], [1e300, 0.0]]}, [[1.0, 1.0]], cell={"equations": "h_t = W_x @ x_t"})
    row = embedded(lt.bench(own).html)["sources"]["given"]["parameters"]["0/forward"]["W_x"]
    assert [[str(np.float64(one)) for one in some] for some in row] == [["-0.0", "2.0"], ["1e+300", "0.0"]]


def test_a_title_cannot_end_the_script_that_holds_it() -> None:
    own = trace(title="</script><script>alert(1)</script><!--")
    html = lt.bench(own).html
    assert embedded(html)["sources"]["script-script-alert-1-script"]["title"] == own.header.title
    assert html.count("</script>") == 2


def test_names_are_files_or_titles_each_once() -> None:
    own, other = trace(title="A title, of some length: more than forty letters"), trace()
    found = named([Path("a/q22.yaml"), "b/q22.json", own, other, other], [own, own, own, other, other])
    assert [*found] == ["q22", "q22-2", "a-title-of-some-length-more-than-forty-l", "given", "given-2"]


def test_a_name_of_an_example_is_left_to_what_is_given() -> None:
    own = trace()
    found = embedded(lt.bench({"title": "q22", "weights": own.parameters["0/forward"], "x": own.x}).html)["sources"]
    assert found["q22"]["title"] == "q22"
    assert found["q22-example"]["title"].startswith("Question 22")


@pytest.mark.parametrize(("units", "steps", "said"), [(65, 1, "lines of up to 65 units"), (32, 301, "202,272 values")])
def test_what_a_page_cannot_compute_is_refused(units: int, steps: int, said: str) -> None:
    with pytest.raises(TooLargeError, match=said):
        lt.bench(trace(units, steps))


def test_an_unknown_language_is_refused() -> None:
    with pytest.raises(OptionError, match="language"):
        lt.bench(language="xx")  # type: ignore[arg-type]


def test_texts_that_a_script_names_are_kept() -> None:
    texts = {
        "bench": {"a": "1", "a.1": "2", "b.c": "3", "b.d": "4", "e": "5"},
        "library": {"a": "6"},
        "values": {"x": "7"},
    }
    script = 'said("bench.a"); said(`bench.b.${one}`); const other = "nothing";'
    assert used(texts, script) == {"bench": {"a": "1", "a.1": "2", "b.c": "3", "b.d": "4"}, "values": {"x": "7"}}


def test_the_command_line_writes_it(tmp_path: Path) -> None:
    own, path = tmp_path / "own.json", tmp_path / "bench.html"
    trace().save(own)
    ran = CliRunner().invoke(main, ["bench", str(own), "-o", str(path), "--language", "de"])
    assert (ran.exit_code, ran.output) == (0, "")
    found = embedded(path.read_text(encoding="utf-8"))
    assert (found["language"], next(iter(found["sources"]))) == ("de", "own")
    trace(65, 1).save(own)
    ran = CliRunner().invoke(main, ["bench", str(own), "-o", str(tmp_path / "none.html")])
    assert ran.exit_code == 2
    assert "open it with lstm-trace serve" in ran.output
    assert not (tmp_path / "none.html").exists()
