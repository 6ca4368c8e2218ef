"""Which units of two traces differ: against loops over every value, with planted changes that are found by name."""

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
from lstm_trace.base.packaged import asset
from lstm_trace.cli import main
from lstm_trace.documents.drawings import WIDER
from lstm_trace.engine import plan_choice

T, B, WIDTH, H = 14, 2, 3, 6
#: Before this step input 2 is zero, so that its weights do nothing.
FROM, UNIT = 7, 4


def weights(layers: int = 1, both: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(21)
    found: dict[str, Any] = {}
    for layer in range(layers):
        for direction in ("forward", "reverse") if both else ("forward",):
            width = WIDTH if layer == 0 else H * (2 if both else 1)
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = rng.normal(size=(H, width))
                found[f"{layer}/{direction}/W_h{gate}"] = rng.normal(size=(H, H)) * 0.1
                found[f"{layer}/{direction}/b_{gate}"] = rng.normal(size=H)
    return found


X = np.random.default_rng(5).normal(size=(T, B, WIDTH))
X[:FROM, :, 2] = 0.0
MASK = np.ones((T, B), bool)
MASK[:2, 0] = MASK[9, 0] = MASK[5:, 1] = False  # padding in front and a gap; padding behind
MASK[12, 1] = True


def planted(model: dict[str, Any], key: str = "0/forward/W_xc", by: float = 2.0) -> dict[str, Any]:
    """The weights with another weight of one unit for input 2."""
    changed = {name: value.copy() for name, value in model.items()}
    changed[key][UNIT, 2] += by
    return changed


@pytest.mark.parametrize("start", [0, 1])
def test_the_unit_that_was_changed_is_found_by_name(start: int) -> None:
    names, counted = {"h": [f"u{j}" for j in range(H)]}, {"count_from": start} if start else {}
    a, b = (
        lt.run({"weights": {k: v.tolist() for k, v in w.items()}, "x": X[:, 0].tolist(), "names": names} | counted)
        for w in (weights(), planted(weights()))
    )
    labels = (tuple(f"w{t}" for t in range(T)),)
    a = replace(a, header=replace(a.header, step_labels=labels))
    found = lt.diff(a, b)
    first = found.units[0]
    assert (first.scope, first.unit, first.name) == ("0/forward", UNIT, "u4")
    assert (first.since, first.since_b) == (FROM, 0)
    assert all(unit.since is None or unit.since > FROM for unit in found.units[1:])
    assert found.output is not None
    text = found.report()
    (row,) = (line.split("|")[1:-1] for line in text.splitlines() if line.startswith(f"| unit {4 + start} "))
    change = f"{first.other - first.value:+.3g}"
    place = f"t = {first.t + start} ‘w{first.t}’"
    cells = [cell.strip() for cell in row]
    assert cells[:3] == [f"unit {4 + start} (u4)" + " of 0/forward" * (not start), first.line, change]
    assert cells[4:] == [place, f"t = {7 + start} ‘w7’"]
    place = "W_xc @ x_8[5]" if start else "0/forward/7/0/W_xc @ x_t[4]"
    assert f"first at {place} (in computing order; step {7 + start} is ‘w7’)" in text
    assert f"step {7 + start} is ‘w7’" in json.loads(found.as_json())["sentences"][0]
    (head,) = (line for line in text.splitlines() if f" {13 + start} w13 " in line)
    assert [cell.split()[0] for cell in head.split("|")[2:-1]] == [str(t + start) for t in range(T)]
    assert found.units[0].t == first.t
    assert f"unit {4 + start} (u4), step {7 + start} (‘w7’)" in found.plot().caption


def by_loops(a: lt.Trace, b: lt.Trace, inside: Any) -> dict[tuple[str, int], tuple[Any, ...]]:
    """(share, line, largest, where, where it began) of every unit, from every single value."""
    found: dict[tuple[str, int], tuple[Any, ...]] = {}
    for scope in a.scopes:
        if scope.endswith("joined"):
            continue
        steps = range(T) if scope.endswith("forward") else range(T - 1, -1, -1)
        for name in ("h_t", "c_t"):
            one, two = a.lines[scope][name], b.lines[scope][name]
            for j in range(H):
                places = [(t, k) for t in steps for k in range(B) if inside[t, k]]
                every = [float(values[t, k, j]) for values in (one, two) for t, k in places]
                gaps = {(t, k): abs(float(two[t, k, j]) - float(one[t, k, j])) for t, k in places}
                size = max(every) - min(every)
                most = max(gaps.values())
                far = [place for place in places if gaps[place] > 0.01 * size]
                told = (most / size, name, most, far[0] if far else None)
                if (most > 0 and (scope, j) not in found) or told[0] > found.get((scope, j), (np.inf,))[0]:
                    found[scope, j] = told
    return found


@pytest.mark.few(0)
@pytest.mark.parametrize("padding", [{}, {"lengths": [14, 9]}, {"mask": MASK}])
@pytest.mark.parametrize("piece", [1, 40, 10**6])
def test_every_unit_against_loops(padding: dict[str, Any], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_choice, "PIECE_BYTES", 8 * piece)
    model = weights(2, True)
    a, b = (lt.run(w, X, **padding) for w in (model, planted(model, "0/reverse/W_xf")))
    inside = a.valid[:, :, 0] != 0
    expected = by_loops(a, b, inside)
    found = lt.diff(a, b).units
    assert [one.of_range for one in found] == sorted((one.of_range for one in found), reverse=True)
    assert {(one.scope, one.unit) for one in found} == expected.keys()
    for one in found:
        share, line, most, began = expected[one.scope, one.unit]
        assert (one.of_range, one.line, one.most) == (share, line, most)
        assert (one.since, one.since_b) == (began or (None, None))
        assert inside[one.t, one.b]
        assert abs(one.other - one.value) == most
        assert one.value == a.lines[one.scope][line][one.t, one.b, one.unit]


def test_what_becomes_of_the_output() -> None:
    a, b = (lt.run(w, X, mask=MASK) for w in (weights(), planted(weights())))
    found = lt.diff(a, b).output
    assert found is not None
    gaps = np.where(MASK[:, :, None], np.abs(b.output - a.output), 0.0)
    t, row, unit = np.unravel_index(gaps.argmax(), gaps.shape)
    assert (found.address.t, found.address.b, found.address.unit) == (t, row, (unit,))
    assert found.most == gaps.max()
    assert found.values == (a.output[t, row, unit], b.output[t, row, unit])
    ends = [gaps[13, 0], gaps[12, 1]]  # the last valid steps
    assert found.at_end == np.max(ends)
    assert found.end.t == (13, 12)[int(np.argmax(np.max(ends, axis=1)))]


def test_of_two_lines_that_differ_alike_the_one_that_is_carried_stands_for_the_unit() -> None:
    cell: Any = {"equations": "s_t = s_prev + x_t\ny_t = 1 * s_t\ncarry: s_prev <- s_t\noutput: y_t"}
    a, b = (lt.run({}, [[1.0], [last]], cell=cell) for last in (2.0, 5.0))
    assert [(one.line, one.most, one.t) for one in lt.diff(a, b).units] == [("s_t", 3.0, 1)]


def test_the_same_stays_short() -> None:
    trace = lt.run(weights(), X)
    found = lt.diff(trace, trace)
    assert (found.units, found.output) == ((), None)
    assert len(str(found.report()).strip().splitlines()) == 3


def test_values_that_are_no_numbers() -> None:
    a, b = lt.run(weights(), X), lt.run(weights(), X)
    b.lines["0/forward"]["c_t"][5, 1, 2] = np.nan
    first = lt.diff(a, b).units[0]
    assert (first.unit, first.line, first.t, first.b, first.since) == (2, "c_t", 5, 1, 5)
    assert (first.nonfinite, first.most, first.of_range) == (5, 0.0, 0.0)


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_brings_no_warning() -> None:
    a, b = lt.run(weights(), X), lt.run(weights(), X)
    for trace in (a, b):
        trace.lines["0/forward"]["h_t"][3, 0, 1] = np.inf
    b.lines["0/forward"]["h_t"][5, 1, 2] = -np.inf
    a.lines["0/forward"]["c_t"][2, 0, 0], b.lines["0/forward"]["c_t"][2, 0, 0] = 1.5e308, -1.5e308
    found = {one.unit: one.nonfinite for one in lt.diff(a, b).units}
    assert found == {0: 2, 2: 5}, "a difference of 3e308 is too large for float64"


def test_units_as_a_frame_and_as_json() -> None:
    found = lt.diff(lt.run(weights(), X), lt.run(planted(weights()), X))
    frame = found.units_frame()
    assert list(frame["unit"]) == [one.unit for one in found.units]
    rest = len(found.units) - 3 * len({one.scope for one in found.units})
    assert f"{rest} row{'s are' if rest > 1 else ' is'} left out. A .json file has every row." in found.report("text")
    assert frame["since"].iloc[0] == FROM
    data = json.loads(found.as_json())
    assert data["units"][0]["unit"] == UNIT
    assert found.output is not None
    assert data["output"]["address"] == str(found.output.address)
    assert "line" in found.lines_frame().columns


def test_the_command(tmp_path: Path) -> None:
    for name, model in (("a", weights()), ("b", planted(weights()))):
        lt.run(model, X).save(tmp_path / f"{name}.json")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert done.exit_code == 1
    assert " by more than 1\u00a0% of " in done.stdout
    assert "| unit 4 of 0/forward |" in done.stdout
    head = done.stdout.partition("## By line")[0]
    assert len(head.splitlines()) < 27


@pytest.mark.few(0)
def test_a_page_of_its_own(tmp_path: Path) -> None:
    """It loads nothing, runs no script but ours, and foreign text in it is text."""
    for name, model in (("a", weights()), ("b", planted(weights()))):
        trace = lt.run(model, X)
        names = {"h": tuple("<script>x</script>" if j == UNIT else f"u{j}" for j in range(H))}
        labels = (tuple(f"<b>{t}" for t in range(T)),)
        header = replace(trace.header, names=names, step_labels=labels)
        replace(trace, header=header).save(tmp_path / f"{name}.json")
    page = tmp_path / "d.html"
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "-o", str(page)])
    assert done.exit_code == 1, done.stderr
    text = page.read_text()
    assert "<h1>Difference of a.json and b.json</h1>" in text
    called = "unit 4 (&lt;script&gt;x&lt;/script&gt;) of 0/forward"
    assert f'<th scope="row" class="text">{called}</th>' in text
    assert text.count('<figure class="plot">') == 1  # the picture of kind diff
    assert 'class="lstm-plot' in text
    assert text.count("<script") == 1
    assert text.endswith(f"<script>{asset(WIDER)}</script>\n</body>\n</html>\n")
    assert "<b>" not in text
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", text)
    pytest.importorskip("typst")
    paper = page.with_suffix(".pdf")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "-o", str(paper)])
    assert done.exit_code == 1, done.stderr
    assert paper.read_bytes().startswith(b"%PDF")


def test_what_it_says_is_in_the_words_and_marks_of_the_language() -> None:
    a, b = (lt.run({**w}, X[:, 0]) for w in (weights(), planted(weights())))
    labels = (tuple(f"w{t}" for t in range(T)),)
    a = replace(a, header=replace(a.header, step_labels=labels))
    text = " ".join(lt.diff(a, b).report("text", language="de").split())
    assert "„w7“" in text
    assert "‘" not in text
    assert "mehr als 1 %" in text  # split() takes the no-break space for a space
    assert all(f" {name} " in text for name in ("max. absolut", "max. relativ", "eigen", "geerbt"))
    assert not re.search(r"\d%", text)


def test_columns_of_words_are_left_aligned() -> None:
    """Of what was changed: its name and both values; of the units: unit, line, and both steps; of lines: the name."""
    found = lt.diff(*(lt.run({**w}, X[:, 0]) for w in (weights(), planted(weights()))))
    rules = re.findall(r"^\|(?:[ :-]+\|)+$", found.report("md"), flags=re.M)
    left = [[not cell.strip().endswith(":") for cell in rule.strip("|").split("|")] for rule in rules[:3]]
    assert left[0] == [True, True, True, False, False]
    assert left[1] == [True, True, False, False, True, True]
    assert left[2] == [True, *[False] * 7], "no distance in units in the last place: the values are not near"
