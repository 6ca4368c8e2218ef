"""What is read from a run is what the trace holds, and what a report says of it."""

from __future__ import annotations

import io
import json
import re
import sys
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace import examples as problems
from lstm_trace.base.files import read_data
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.runs import reading
from lstm_trace.runs.asked import NoArrowError
from lstm_trace.runs.reading import Look, ValueSelection

from ..support.kept_runs import Kept


def stepped(kept: Kept, run: Any, t: int = 0, look: Look | None = None, unit: int | None = None, live: int = 64) -> Any:
    return json.loads(reading.step(kept.path(run), None, None, t, 0, unit, live, look or Look()))


def test_values_are_those_of_the_trace(kept: Kept) -> None:
    run = kept.make(example="batch")
    path, trace = kept.path(run), lt.load(kept.path(run))
    found = json.loads(reading.values(path, ValueSelection(line=["c_t"], t="1:3", unit="0", batch=1), 10_000))
    (line,) = found["values"]
    assert (line["scope"], line["t"], line["b"], line["unit"]) == ("0/forward", [1, 2], [1], [0])
    np.testing.assert_array_equal(line["values"], trace["c_t"][1:3, 1:2, 0:1])
    everything = json.loads(reading.values(path, ValueSelection(), 10_000))
    assert everything["left_out"] == 0
    assert sum(np.size(one["values"]) for one in everything["values"]) == run["numbers"]


def test_what_does_not_fit_is_counted(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    found = json.loads(reading.values(kept.path(run), ValueSelection(line=["c_t", "h_t"]), 7))
    assert [(one["line"], one["t"]) for one in found["values"]] == [("c_t", [0, 1, 2]), ("h_t", [])]
    assert found["left_out"] == 6


@pytest.mark.parametrize(
    ("part", "kind", "said"),
    [
        (ValueSelection(line=["c_tt"]), MissingError, "the trace has no 'c_tt'; did you mean 'c_t'"),
        (ValueSelection(line=["W_xi"]), MissingError, "W_xi is not a recorded line"),
        (ValueSelection(t="3"), MissingError, "t 3 does not exist; there are 0 to 2"),
        (ValueSelection(unit="2:4"), MissingError, "unit 2:4 does not exist; there are 0 to 1"),
        (ValueSelection(t="x"), OptionError, "expected a number or A:B, found 'x'"),
        (ValueSelection(batch=1), MissingError, "no batch row 1"),
        (ValueSelection(layer=1), MissingError, "no layer 1"),
    ],
)
def test_what_is_not_there_is_said(kept: Kept, part: ValueSelection, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        reading.values(kept.path(kept.make(example="three-steps")), part, 10_000)


def test_numbers_that_are_none_are_words(kept: Kept) -> None:
    problem = {"cell": {"equations": "h_t = exp(x_t) - exp(x_t)\noutput: h_t"}, "weights": {}, "x": [[1000.0], [0.0]]}
    run = kept.make(problem=problem)
    found = json.loads(reading.values(kept.path(run), ValueSelection(), 100), parse_constant=pytest.fail)
    assert found["values"][0]["values"] == [[["Infinity"]], [[1.0]]]
    assert stepped(kept, run)["lines"][1]["values"] == ["NaN"]


def test_a_table_of_arrow_has_every_value(kept: Kept) -> None:
    pa = pytest.importorskip("pyarrow")
    run = kept.make(example="three-steps")
    trace = lt.load(kept.path(run))
    stream = reading.table(kept.path(run), ValueSelection(line=["c_t"], t="1:"))
    table = pa.ipc.open_stream(io.BytesIO(stream)).read_all().to_pandas()
    places = ["layer", "direction", "t", "step", "batch", "valid"]
    assert [*table.columns] == [*places, "line", "op", "unit", "unit_name", "value"]
    np.testing.assert_array_equal(table["value"], trace["c_t"][1:].ravel())
    assert [*table["t"]] == [1, 1, 2, 2]


def test_without_pyarrow_it_is_said_what_to_do(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(NoArrowError, match="pyarrow"):
        reading.table(kept.path(kept.make(example="q22")), ValueSelection())


def test_premises_with_their_values(kept: Kept) -> None:
    path = kept.path(kept.make(example="q22"))
    found = {one["address"]: one for one in json.loads(reading.premises(path, None, 10_000))["premises"]}
    assert found["0/forward/W_xi"]["values"] == [[-1.0, 0.0, 0.2], [-1.0, 0.0, -0.2]]
    assert found["x"]["values"] == [[1.0, 2.0, 3.0]]
    assert found["0/forward/h0"]["values"] == [0.0, 0.0]
    one = {one["address"]: one for one in json.loads(reading.premises(path, 1, 10_000))["premises"]}["0/forward/W_xi"]
    assert (one["row"], one["values"]) == (1, [[-1.0, 0.0, -0.2]])
    small = {one["address"]: one for one in json.loads(reading.premises(path, None, 2))["premises"]}
    assert small["0/forward/W_xi"]["values"] == [[-1.0, 0.0, 0.2]]
    assert small["x"]["values"] is None


def test_a_step_has_the_numbers_of_the_trace(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    trace = lt.load(kept.path(run))
    for t in range(3):
        found = stepped(kept, run, t)
        assert {line["name"]: line["values"] for line in found["lines"]} == {
            n: a[t, 0].tolist() for n, a in trace.items()
        }
        before = trace["c_t"][t - 1, 0] if t else [0.0, 0.0]
        np.testing.assert_array_equal(found["states"]["c_prev"], before)
        np.testing.assert_array_equal(found["x"], trace.x[t, 0] if trace.x is not None else ())
        shown = [float(text.replace("−", "-")) for text in found["shown"]["c_t"]]
        np.testing.assert_allclose(shown, trace["c_t"][t, 0], atol=5e-4)
    assert stepped(kept, run, -1)["t"] == 2
    with pytest.raises(MissingError, match="t 3 does not exist"):
        stepped(kept, run, 3)


def test_a_step_is_said_as_in_a_report(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    report = lt.load(kept.path(run)).report("text", language="de", steps=1, digits=3, count_from=1, width=4000)
    found = stepped(kept, run, 1, Look("de", digits=3, count_from=1))
    assert len(found["in_words"]) >= 4
    *here, left = found["in_words"]
    for sentence in here:
        assert sentence in report
    assert left in lt.load(kept.path(run)).report(
        "text", language="de", steps=slice(0, 2), digits=3, count_from=1, width=4000
    )
    assert "Schritt t = 2" in found["caption"]


def test_a_step_says_what_is_left_of_what_earlier_ones_wrote(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    trace = lt.load(kept.path(run))
    f, i, candidate = (trace[name][:, 0] for name in ("f_t", "i_t", "c_tilde"))
    bright, wet = (i[0] * candidate[0])[0], (i[1] * candidate[1])[1]
    assert stepped(kept, run, 2, Look(digits=4))["in_words"][-2:] == [
        f"Step 1 (sun) wrote {bright:.4f} into unit 1 (bright); {bright * f[1][0] * f[2][0]:.4f} of it remains "
        f"at step 3 ({f[1][0]:.0%}, then {f[2][0]:.0%} kept).".replace("%", "\u00a0%"),
        f"Step 2 (rain) wrote {wet:.4f} into unit 2 (wet); {wet * f[2][1]:.4f} of it remains at "
        f"step 3 ({f[2][1]:.0%} kept).".replace("%", "\u00a0%"),
    ]
    assert not any("remains at" in sentence for sentence in stepped(kept, run, 0)["in_words"])


def test_a_reverse_direction_remembers_later_steps(kept: Kept) -> None:
    given = read_data("p.yaml", problems.text("three-steps").encode())
    run = kept.make(problem={**given, "cell": {"kind": "lstm", "direction": "reverse"}})
    assert any(
        "Step 2 (rain) wrote" in said and "remains at step 1" in said for said in stepped(kept, run, 0)["in_words"]
    )
    assert not any("remains at" in sentence for sentence in stepped(kept, run, 2)["in_words"])


def test_how_numbers_are_shown(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    assert stepped(kept, run, look=Look(digits=1))["shown"]["c_t"] == ["0.8", "0.0"]
    with pytest.raises(OptionError, match="there is no notation 'torch'"):
        stepped(kept, run, look=Look(notation="torch"))
    with pytest.raises(OptionError, match="there is no language 'xx'"):
        stepped(kept, run, look=Look("xx"))


def test_of_a_wide_line_some_units_are_shown(kept: Kept) -> None:
    run = kept.make(example="three-steps")
    assert stepped(kept, run, live=1)["lines"][0]["units"] == [0]
    one = stepped(kept, run, live=1, unit=1)["lines"][0]
    trace = lt.load(kept.path(run))
    assert (one["units"], one["values"]) == ([1], [trace[one["name"]][0, 0, 1]])
