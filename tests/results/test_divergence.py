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
from lstm_trace.base.page import asset
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


def test_the_unit_that_was_changed_is_found_by_name() -> None:
    names = {"h": [f"u{j}" for j in range(H)]}
    a, b = (
        lt.run({"weights": {k: v.tolist() for k, v in w.items()}, "x": X[:, 0].tolist(), "names": names})
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
    (share,) = found.output.shares or ()  # one weight differs, so that the whole difference is this unit's
    one, two = found.output.values
    assert (share.scope, share.unit) == ("0/forward", UNIT)
    assert share.share == pytest.approx(two - one, abs=1e-14)
    text = found.report()
    assert f"of its range, at t = {first.t} ‘w{first.t}’, more" in text
    assert f"most of all unit 4 (u4) of 0/forward: {first.line} by {first.most:.3g}" in text
    assert "more than 1\u00a0% from t = 7 ‘w7’ on" in text
    assert f"the change of {two - one:+.3g} splits exactly over the weights of each unit: unit 4 of 0/forward" in text


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


@pytest.mark.few(1)
@pytest.mark.parametrize("padding", [{}, {"lengths": [14, 9]}, {"mask": MASK}])
@pytest.mark.parametrize("piece", [1, 40, 10**6])
def test_every_unit_against_loops(padding: dict[str, Any], piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_choice, "PIECE_BYTES", 8 * piece)
    model = weights(2, True)
    a, b = (lt.run(w, X, **padding) for w in (model, planted(model, "0/reverse/W_xf")))
    inside = a.valid[:, :, 0] != 0
    expected = by_loops(a, b, inside)
    found = lt.diff(a, b).units
    assert [one.share for one in found] == sorted((one.share for one in found), reverse=True)
    assert {(one.scope, one.unit) for one in found} == expected.keys()
    for one in found:
        share, line, most, began = expected[one.scope, one.unit]
        assert (one.share, one.line, one.most) == (share, line, most)
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


def test_shares_of_several_units_add_up() -> None:
    model = weights(2)
    changed = planted(planted(model, "0/forward/W_xo"), "1/forward/W_xi", -1.0)
    changed["1/forward/b_f"][1] += 0.5
    a, b = lt.run(model, X), lt.run(changed, X)
    found = lt.diff(a, b).output
    assert found is not None
    assert found.shares is not None
    owners = {("0/forward", UNIT), ("1/forward", UNIT), ("1/forward", 1)}
    assert {(one.scope, one.unit) for one in found.shares} == owners
    whole = found.values[1] - found.values[0]
    assert sum(one.share for one in found.shares) == pytest.approx(whole, abs=1e-13)
    frame = lt.attribute(a, b, of=str(found.address)).to_frame()
    for one in found.shares:
        layer, _ = one.scope.split("/")
        rows = frame[(frame["layer"] == int(layer)) & (frame["unit"] == one.unit) & (frame["kind"] == "parameter")]
        assert one.share == pytest.approx(rows["contribution"].sum(), abs=1e-14)


def test_what_has_no_split_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    other = X.copy()
    other[3, 0] += 1.0
    found = lt.diff(lt.run(weights(), X), lt.run(weights(), other))  # the weights are the same
    assert found.output is not None
    assert found.output.shares == ()
    assert found.units[0].since == 3
    assert "exact split" not in found.report()
    monkeypatch.setattr(plan_choice, "SPLIT_BYTES", 10)
    large = lt.diff(lt.run(weights(), X), lt.run(planted(weights()), X))
    assert large.output is not None
    assert large.output.shares is None
    assert f"over weights and inputs: --attribute '{large.output.address}'" in large.report()


def test_the_same_stays_short() -> None:
    trace = lt.run(weights(), X)
    found = lt.diff(trace, trace)
    assert (found.units, found.output) == ((), None)
    assert len(str(found.report()).strip().splitlines()) == 3


def test_values_that_are_no_numbers() -> None:
    a, b = lt.run(weights(), X), lt.run(weights(), X)
    b["c_t"][5, 1, 2] = np.nan
    first = lt.diff(a, b).units[0]
    assert (first.unit, first.line, first.t, first.b, first.since) == (2, "c_t", 5, 1, 5)
    assert first.most == first.share == np.inf


@pytest.mark.filterwarnings("error")
def test_what_is_no_number_brings_no_warning() -> None:
    a, b = lt.run(weights(), X), lt.run(weights(), X)
    for trace in (a, b):
        trace["h_t"][3, 0, 1] = np.inf
    b["h_t"][5, 1, 2] = -np.inf
    a["c_t"][2, 0, 0], b["c_t"][2, 0, 0] = 1.5e308, -1.5e308
    found = {one.unit: one.share for one in lt.diff(a, b).units}
    assert found.keys() == {0, 2}
    assert found[2] == np.inf


def small(readout: bool, change: str) -> tuple[lt.Trace, lt.Trace]:
    """An RNN with a readout as wide as its state, or an LSTM with a projection; one entry of a weight differs."""
    draw = np.random.default_rng(4)
    if readout:
        shapes = {"W_xh": (3, 2), "W_hh": (3, 3), "b_h": (3,), "W_hy": (3, 3), "b_y": (3,)}
        lines = "h_t = tanh(W_xh @ x_t + W_hh @ h_prev + b_h)\ny_t = W_hy @ h_t + b_y"
        options: dict[str, Any] = {"cell": {"equations": f"{lines}\ncarry: h_prev <- h_t\noutput: y_t"}}
    else:
        shapes = {f"W_{a}{g}": (4, 2) for a in "xh" for g in "ifco"} | {"W_hr": (2, 4)}
        options = {"cell": {"kind": "lstm", "projection": True}}
    model = {name: draw.normal(size=shape) for name, shape in shapes.items()}
    other = {name: value.copy() for name, value in model.items()}
    other[change][1, 0] += 0.5
    x = draw.normal(size=(4, 2)).tolist()
    a, b = (lt.run({"weights": {k: v.tolist() for k, v in w.items()}, "x": x, **options}) for w in (model, other))
    return a, b


def test_the_weights_of_a_readout_are_of_no_hidden_unit() -> None:
    found = lt.diff(*small(True, "W_hy")).output
    assert found is not None
    assert found.shares == ()
    found = lt.diff(*small(True, "W_hh")).output
    assert found is not None
    assert [(one.scope, one.unit) for one in found.shares or ()] == [("0/forward", 1)]


def test_the_units_of_a_layer_with_a_projection_are_its_cells() -> None:
    found = lt.diff(*small(False, "W_xc")).output
    assert found is not None
    (share,) = found.shares or ()
    assert (share.scope, share.unit) == ("0/forward", 1)
    assert share.share == pytest.approx(found.values[1] - found.values[0], abs=1e-14)


def test_units_as_a_frame_and_as_json() -> None:
    found = lt.diff(lt.run(weights(), X), lt.run(planted(weights()), X))
    frame = found.units_frame()
    assert list(frame["unit"]) == [one.unit for one in found.units]
    assert frame["since"].iloc[0] == FROM
    data = json.loads(found.as_json())
    assert data["units"][0]["unit"] == UNIT
    assert data["output"]["shares"][0]["unit"] == UNIT
    assert found.output is not None
    assert data["output"]["address"] == str(found.output.address)
    assert "line" in found.lines_frame().columns


def test_the_command(tmp_path: Path) -> None:
    for name, model in (("a", weights()), ("b", planted(weights()))):
        lt.run(model, X).save(tmp_path / f"{name}.json")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert done.exit_code == 1
    assert " by more than 1\u00a0% of " in done.stdout
    assert "; most of all unit 4 of 0/forward: " in done.stdout
    assert "| unit 4 of 0/forward |" in done.stdout
    head = done.stdout.partition("## By line")[0]
    assert len(head.splitlines()) < 22


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
    assert f"most of all {called}: " in text
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
    """Of the units: unit, line, and both steps; of the lines, only their names."""
    found = lt.diff(*(lt.run({**w}, X[:, 0]) for w in (weights(), planted(weights()))))
    rules = re.findall(r"^\|(?:[ :-]+\|)+$", found.report("md"), flags=re.M)
    left = [[not cell.strip().endswith(":") for cell in rule.strip("|").split("|")] for rule in rules[:2]]
    assert left[0] == [True, True, False, False, True, True]
    assert left[1] == [True, *[False] * 8]
