"""Pictures of kept runs: those of `trace.plot`, with options as texts, and nothing that a kind does not take."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, OptionError
from lstm_trace.examples import text
from lstm_trace.plot import kinds as table
from lstm_trace.runs import plotting

from ..support.kept_runs import Kept

EVERY_LINE = {key: value for key, value in yaml.safe_load(text("three-steps")).items() if key != "ask"}
TWO = {"never", "may be", "must be"}


def drawn(kept: Kept, run: Any, kind: str, form: str = "svg", **options: Any) -> str:
    return plotting.drawn(kept.path(run), kind, form, options)[0].decode()


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("kind", "said", "options"),
    [
        ("states", {"order": "memory", "language": "de"}, {"order": "memory", "language": "de"}),
        (
            "states",
            {"unit": "1", "line": ["c_t", "f_t"], "steps": "1:"},
            {"unit": 1, "lines": ["c_t", "f_t"], "steps": slice(1, 3)},
        ),
        ("unit", {"unit": " 1, 0", "steps": "2", "layer": 0}, {"unit": (1, 0), "steps": slice(2, 3), "layer": 0}),
        ("text", {"unit": "0", "line": ["h_t"], "batch": 0}, {"unit": 0, "lines": ["h_t"], "batch": 0}),
        ("memory", {"of": "2/c_t[1]"}, {"of": "2/c_t[1]"}),
        ("saturation", {"low": 0.2, "high": 0.8}, {"low": 0.2, "high": 0.8}),
        ("gradient", {"of": "2/h_t[0]"}, {"of": "2/h_t[0]"}),
        (
            "contribution",
            {"of": "2/h_t[0]", "baseline": "zero-state", "occlusion": "2"},
            {"of": "2/h_t[0]", "baseline": "zero-state", "occlusion": 2},
        ),
        ("weights", {"of": "W_hi"}, {"of": "W_hi"}),
    ],
)  # fmt: skip
def test_a_picture_is_that_of_python(kept: Kept, kind: str, said: dict[str, Any], options: dict[str, Any]) -> None:
    run = kept.make(problem=EVERY_LINE)
    mine = getattr(lt.load(kept.path(run)).plot, kind)(**options)
    assert drawn(kept, run, kind, **said) == mine.svg().rstrip() + "\n"
    assert drawn(kept, run, kind, "html", **said) == mine.html().rstrip() + "\n"
    assert json.loads(drawn(kept, run, kind, "json", **said)) == json.loads(json.dumps(mine.to_vega()))
    assert plotting.drawn(kept.path(run), kind, "svg", said)[1] == f"Three-steps-of-two-units-with-biases-{kind}.svg"


def test_of_two_runs_it_is_b_less_a(kept: Kept) -> None:
    a = kept.make(problem=EVERY_LINE)
    b = kept.edit(a, {"0/forward/W_xi[0,0]": 0.5})
    paths = kept.path(a), kept.path(b)
    one, other = map(lt.load, paths)
    for kind, mine in (("diff", one.plot.diff(other)), ("weights", one.plot.weights(against=other))):
        found, name = plotting.drawn(paths[0], kind, "json", {}, paths[1])
        assert json.loads(found) == json.loads(json.dumps(mine.to_vega()))
        assert name.endswith(f"-{kind}.json")
    changed = one.plot.weights(against=other).data.set_index(["weight", "row", "column"])["value"]
    assert changed["W_xi", 0, 0] == 0.5 - one.parameters["0/forward"]["W_xi"][0, 0]  # b less a
    assert (changed != 0).sum() == 1


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("kind", "options", "error", "told"),
    [
        ("nope", {}, MissingError, "there is no kind of picture 'nope'"),
        ("state", {}, MissingError, "did you mean 'states'"),
        ("states", {"of": "c_t[0]"}, OptionError, "of; it belongs to memory, gradient, contribution and weights"),
        ("states", {"unti": "3"}, OptionError, "did you mean 'unit'"),
        ("memory", {}, OptionError, "memory needs a value: of"),
        ("diff", {}, OptionError, "diff is a picture of two runs: GET /api/v1/diffs/plot/diff"),
        ("weights", {"against": "/etc/passwd"}, OptionError, "there is no option against"),
        ("unit", {"unit": "1,x"}, OptionError, "expected comma-separated units"),
        ("unit", {"unit": "7"}, MissingError, "7"),
        ("states", {"steps": "7:9"}, MissingError, "there are 0 to 2"),
        ("states", {"order": "size"}, OptionError, "there is no order 'size'"),
        ("contribution", {"of": "2/h_t[0]", "baseline": "/etc/hosts"}, OptionError, "no baseline '/etc/hosts'"),
        ("states", {"language": "xx"}, OptionError, "xx"),
        ("states", {"count_from": 7}, OptionError, "count_from"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(
    kept: Kept, kind: str, options: dict[str, Any], error: type[LstmTraceError], told: str
) -> None:
    run = kept.make(problem=EVERY_LINE)
    with pytest.raises(error) as raised:
        plotting.drawn(kept.path(run), kind, "svg", options)
    assert told in str(raised.value)


def test_of_two_runs_there_are_few(kept: Kept) -> None:
    path = kept.path(kept.make(problem=EVERY_LINE))
    with pytest.raises(OptionError, match="states shows one run; kinds that show two are weights and diff"):
        plotting.drawn(path, "states", "svg", {}, path)


def test_steps_are_counted_and_symbols_named_as_on_the_page(kept: Kept) -> None:
    run = kept.make(problem=EVERY_LINE)
    keras = drawn(kept, run, "unit", notation="keras", count_from=0)
    assert "t = 0" in keras
    assert "t = 0" not in drawn(kept, run, "unit", count_from=1)
    assert ">g<" in drawn(kept, run, "unit", notation="pytorch")
    assert ">g<" not in drawn(kept, run, "unit")


def test_a_png_says_what_it_needs(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept.make(problem=EVERY_LINE)
    monkeypatch.setitem(sys.modules, "typst", None)
    with pytest.raises(OptionError, match="PNG needs the package typst"):
        plotting.drawn(kept.path(run), "unit", "png", {})


def test_every_option_of_a_kind_can_be_given() -> None:
    kinds = {one.kind: vars(one) for one in plotting.kinds()}
    assert list(kinds) == list(table.KINDS)
    for kind, said in kinds.items():
        names = ["line" if name == "lines" else name for name in table.options(kind) if name != "against"]
        assert (said["options"], said["two"] in TWO) == (names, True)
        assert {*names, *plotting.COMMON} <= plotting.PlotOptions.model_fields.keys()
    assert [kind for kind, said in kinds.items() if said["two"] != "never"] == ["weights", "diff"]
    assert [kind for kind, said in kinds.items() if said["required"]] == ["memory", "contribution"]


def test_the_trace_is_not_changed(kept: Kept, tmp_path: Path) -> None:
    path = Path(kept.path(kept.make(problem=EVERY_LINE)))
    before = path.read_bytes()
    plotting.drawn(str(path), "states", "svg", {"count_from": 0, "notation": "keras"})
    assert path.read_bytes() == before
    assert lt.load(path).header.count_from == 1
