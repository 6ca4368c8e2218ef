"""Every number of a profile, by scalar loops that share no code with the package."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.explanation.memory import ledger
from lstm_trace.explanation.profile import DEAD, Profile, profile
from lstm_trace.trace.trace import Trace

from ..support.planted import BRACKETS, LENGTH, VOWELS, planted, text
from ..support.table_cases import stacked

MASK = [[1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1], [0, 1, 1]]
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "lengths": {"lengths": [6, 3, 1]},
    "mask": {"mask": MASK},
    "repeat": {"mask": MASK, "padding": "repeat"},
}


def case(name: str) -> Trace:
    """Two layers of two directions, three rows."""
    arguments = dict(CASES[name])
    if "padding" in arguments:
        arguments["options"] = {"padding": arguments.pop("padding")}
    return stacked(6, 3, 2, 4, **arguments)


def inside(trace: Trace, t: int, b: int) -> bool:
    if trace.mask is not None:
        return bool(trace.mask[t, b])
    return trace.lengths is None or t < trace.lengths[b]


def visited(trace: Trace, direction: str) -> list[int]:
    return list(range(trace.steps) if direction == "forward" else reversed(range(trace.steps)))


@pytest.mark.few(2)
@pytest.mark.parametrize("batch", [None, 1])
@pytest.mark.parametrize("name", CASES)
def test_units(name: str, batch: int | None) -> None:
    trace = case(name)
    rows = range(trace.batch) if batch is None else [batch]
    for lines in trace.lines.values():
        if "f_t" in lines:
            lines["f_t"] **= 0.3  # so that most steps keep more than half
    frame = profile(trace, batch=batch).units
    assert len(frame) == 4 * 2 * 4  # stages, c_t and h_t, units
    for row in frame.to_dict("records"):
        lines = trace.lines[f"{row['layer']}/{row['direction']}"]
        j = row["unit"]
        values = {
            (t, b): float(lines[row["line"]][t, b, j]) for b in rows for t in range(trace.steps) if inside(trace, t, b)
        }
        assert row["mean"] == pytest.approx(sum(values.values()) / len(values))
        assert (row["least"], row["most"]) == (min(values.values()), max(values.values()))
        most = max(abs(value) for value in values.values())
        assert abs(row["largest"]) == most
        assert values[row["t"], row["batch"]] == row["largest"]
        if row["line"] != "c_t":
            assert math.isnan(row["half_life"])
            continue
        kept = [float(lines["f_t"][t, b, j]) for t, b in values]
        assert row["half_life"] == pytest.approx(len(kept) / sum(min(1.0, -math.log2(f)) for f in kept))
        assert row["kept"] == pytest.approx(sum(kept) / len(kept))


@pytest.mark.few(1)
@pytest.mark.parametrize("name", CASES)
def test_steps(name: str) -> None:
    trace = case(name)
    frame = profile(trace).steps
    assert len(frame) == 4 * sum(inside(trace, t, b) for t in range(6) for b in range(3))
    for scope in ("0/forward", "0/reverse", "1/forward", "1/reverse"):
        lines, direction = trace.lines[scope], scope.partition("/")[2]
        changes: dict[tuple[int, int], float] = {}
        for b in range(3):
            before = [0.0] * 4
            for t in visited(trace, direction):
                if not inside(trace, t, b):
                    continue
                now = lines["c_t"][t, b].tolist()
                moves = [y - x for x, y in zip(before, now, strict=True)]
                changes[t, b] = math.sqrt(sum(move * move for move in moves))
                (found,) = (
                    row for row in frame.to_dict("records")
                    if (f"{row['layer']}/{row['direction']}", row["t"], row["batch"]) == (scope, t, b)
                )  # fmt: skip
                furthest = max(range(4), key=lambda j: abs(moves[j]))
                assert found["change"] == pytest.approx(changes[t, b])
                assert (found["unit"], found["line"]) == (furthest, "c_t")
                assert (found["before"], found["after"]) == (before[furthest], now[furthest])
                assert found["forgets"] == sum(f < 0.5 for f in lines["f_t"][t, b].tolist()) / 4
                before = now
        every = sorted(changes.values())
        middle = (every[(len(every) - 1) // 2] + every[len(every) // 2]) / 2
        times = frame[(frame.layer == int(scope[0])) & (frame.direction == direction)].set_index(["t", "batch"]).times
        for place, change in changes.items():
            assert times[place] == pytest.approx(change / middle)


def test_layers_and_dead_units() -> None:
    trace = case("lengths")
    scope = "1/reverse"
    h = trace.lines[scope]["h_t"]
    places = [(t, b) for t in range(6) for b in range(3) if inside(trace, t, b)]
    widest = max(max(h[p][j] for p in places) - min(h[p][j] for p in places) for j in (0, 3))
    for j, share in ((1, 0.06), (2, 0.04)):  # they hardly move, wherever they are
        span = max(h[p][j] for p in places) - min(h[p][j] for p in places)
        h[:, :, j] = h[:, :, j] * share * widest / span + 0.25
    row = profile(trace).layers.set_index(["layer", "direction"]).loc[(1, "reverse")]
    spans = [max(h[p][j] for p in places) - min(h[p][j] for p in places) for j in range(4)]
    assert [span <= DEAD * max(spans) for span in spans] == [False, False, True, False]
    assert (row["dead"], row["units"]) == (1, 4)
    assert row["output"] == pytest.approx(np.mean([abs(h[p][j]) for p in places for j in range(4)]))
    gates = {name: [float(trace.lines[scope][name][p][j]) for p in places for j in range(4)] for name in ("i_t", "o_t")}
    for name, values in gates.items():
        assert row[name] == pytest.approx(sum(values) / len(values))
    every = [float(trace.lines[scope][n][p][j]) for n in ("i_t", "f_t", "o_t") for p in places for j in range(4)]
    assert row["left"] == pytest.approx(sum(v < 0.1 for v in every) / len(every))
    assert row["right"] == pytest.approx(sum(v > 0.9 for v in every) / len(every))


def test_gates_are_those_of_the_explanation() -> None:
    trace = case("mask")
    found, told = profile(trace).gates, lt.explain(trace, how="gates").to_frame()
    told = told[told.line.isin(["i_t", "f_t", "o_t"])].reset_index(drop=True)
    assert len(found) == 4 * 3 * 4
    assert found.equals(told)


@pytest.mark.parametrize(("steps", "rows"), [(1000, 1), (8, 20), (5, 20), (1, 3)])
def test_the_half_life_of_a_constant_gate(steps: int, rows: int) -> None:
    """ln 2 / −ln f, however short the sequences are; of a gate that keeps less than half, one step."""
    gates = [0.5, 0.55, 0.75, 0.9, 0.999, 1.0, 0.3, 0.0]
    cell = {"equations": "c_t = f * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    x = np.random.default_rng(0).normal(size=(steps, rows, len(gates)))
    found = profile(lt.run({"f": gates}, x, cell=cell)).units.half_life.tolist()
    expected = [math.log(2) / -math.log(f) for f in gates[:5]]
    assert found == pytest.approx([*expected, math.inf, 1.0, 1.0], rel=1e-9)


def test_the_half_life_of_a_gate_that_drops_at_once() -> None:
    """Eighty steps hold everything, and one nothing."""
    trace = stacked(81, 1, 1, 2, ("forward",))
    gate = trace.lines["0/forward"]["f_t"]
    gate[:, 0] = np.where(np.arange(81) == 40, 1e-9, 1.0)[:, None]
    gate[:, 0, 1] = 0.9
    units = profile(trace).units.query("line == 'c_t'").set_index("unit")
    assert units.half_life.tolist() == pytest.approx([81, math.log(2) / -math.log(0.9)])


# -- planted units ----------------------------------------------------------------------------------------------------


def test_the_counter_has_the_longest_memory_and_the_largest_value() -> None:
    trace = planted()
    units = profile(trace).units.query("line == 'c_t'").set_index("unit")
    read, depth, most = text(), 0, 0
    for character in read:
        depth += (character == "(") - (character == ")")
        most = max(most, depth)
    assert units.half_life.drop(BRACKETS).max() < 100 * len(read) < units.half_life[BRACKETS]
    assert units.largest[BRACKETS] == pytest.approx(most)
    assert read[: units.t[BRACKETS] + 1].count("(") - read[: units.t[BRACKETS] + 1].count(")") == most


def test_a_unit_that_drops_all_at_once_has_a_long_memory() -> None:
    """The mean of the logarithms of its gate would say that it forgets at once."""
    trace = planted()
    units = profile(trace).units.query("line == 'c_t'").set_index("unit")
    assert units.half_life.drop(BRACKETS).idxmax() == LENGTH
    assert units.half_life[LENGTH] == pytest.approx(len(text()) / text().count("\n"), rel=1e-6)
    assert units.half_life[LENGTH] > 20
    gate = profile(trace).gates.query("line == 'f_t'").set_index("unit")
    assert np.allclose(gate.half_life, units.half_life, rtol=1e-12)
    assert 1 / -np.log(trace["f_t"][:, 0, LENGTH]).mean() < 2


def test_the_unit_of_a_class_follows_the_tokens() -> None:
    trace = planted()
    units = profile(trace).units.query("line == 'c_t'").set_index("unit")
    assert units.follows.idxmax() == VOWELS
    assert units.follows[VOWELS] == pytest.approx(1)
    assert units.follows[BRACKETS] < 0.3


@pytest.mark.parametrize("line", ["c_t", "h_t"])
def test_the_share_that_tokens_say(line: str) -> None:
    """The adjusted R² of a regression on the tokens, by its definition."""
    draw = np.random.default_rng(9)
    trace = stacked(9, 3, 1, 3, ("forward",), lengths=[9, 8, 4])
    labels = tuple(tuple(draw.choice(list("abcd")) for _ in range(9)) for _ in range(3))
    labels = (("q", *labels[0][1:]), *labels[1:])  # a token that comes once says nothing
    trace = replace(trace, header=replace(trace.header, step_labels=labels))
    found = profile(trace).units.query("line == @line").follows.tolist()
    places = [(t, b) for b in range(3) for t in range([9, 8, 4][b])]
    for j in range(3):
        by_token: dict[str, list[float]] = {}
        for t, b in places:
            if labels[b][t] != "q":
                by_token.setdefault(labels[b][t], []).append(float(trace[line][t, b, j]))
        every = [value for values in by_token.values() for value in values]
        mean = sum(every) / len(every)
        within = sum((v - sum(values) / len(values)) ** 2 for values in by_token.values() for v in values)
        whole = sum((v - mean) ** 2 for v in every)
        n, k = len(every), len(by_token)
        assert n - k >= 10
        assert found[j] == pytest.approx(1 - (within / (n - k)) / (whole / (n - 1)))


def test_few_tokens_say_nothing() -> None:
    trace = stacked(9, 1, 1, 3, ("forward",))
    for labels in ((), (tuple("abcdefghi"),), (tuple("aabbccdde"),), (tuple("aaaaaaaaa"),), (("",) * 9,)):
        found = replace(trace, header=replace(trace.header, step_labels=labels))
        assert profile(found).units.follows.isna().all()


# -- other cells, parts of traces, values that are no numbers ---------------------------------------------------------


def run(kind: str, letters: str, **options: Any) -> Trace:
    draw = np.random.default_rng(2)
    weights = {f"W_{side}{g}": draw.normal(size=(3, 3 if side == "h" else 2)) for side in "xh" for g in letters}
    return lt.run(weights, draw.normal(size=(7, 2, 2)), cell={"kind": kind, **options})


@pytest.mark.parametrize(
    ("trace", "gates", "lines", "remembers"),
    [
        (run("gru", "ruh"), ["r_t", "u_t"], ["h_t"], True),
        (run("gru", "ruh", update="write"), ["r_t", "u_t"], ["h_t"], True),
        (run("rnn", "h"), ["h_t"], ["h_t"], False),
        (run("slstm", "ifco"), ["o_t"], ["c_t", "h_t"], True),
        (run("lstm", "ico", coupled=True), ["i_t", "f_t", "o_t"], ["c_t", "h_t"], True),
        (run("lstm", "ifco", cell_clip=0.5), ["i_t", "f_t", "o_t"], ["c_t", "h_t"], True),
    ],
    ids=["gru", "gru-write", "rnn", "slstm", "coupled", "clip"],
)
def test_other_cells(trace: Trace, gates: list[str], lines: list[str], remembers: bool) -> None:
    found = profile(trace)
    assert sorted(found.gates.line.unique()) == sorted(gates)
    assert list(found.units.line.unique()) == lines
    first = found.units[found.units.line == lines[0]]
    assert first.half_life.notna().all() == first.kept.notna().all() == remembers
    assert found.missing == ()


def test_what_a_gru_keeps() -> None:
    for update in ("keep", "write"):
        trace = run("gru", "ruh", update=update)
        u = trace["u_t"]
        kept = profile(trace).units.kept
        assert np.allclose(kept, (u if update == "keep" else 1 - u).mean(axis=(0, 1)), rtol=1e-12)


@pytest.mark.few(2)
@pytest.mark.parametrize("record", [["h_t"], ["f_t"], ["c_t"], ["c_t", "f_t"], ["i_t", "o_t"]])
def test_what_was_not_recorded_is_said(record: list[str]) -> None:
    draw = np.random.default_rng(2)
    weights = {f"W_{s}{g}": draw.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
    x = draw.normal(size=(7, 2, 2))
    whole, trace = lt.run(weights, x), lt.run(weights, x, record=record)
    found = profile(trace)
    assert set(found.missing) == {f"0/forward/{name}" for name in ("i_t", "f_t", "o_t", "c_t", "h_t")} - {
        f"0/forward/{name}" for name in record
    }
    for name in ("units", "gates"):
        frame, expected = getattr(found, name), getattr(profile(whole), name)
        assert set(frame.line) == set(record) & set(expected.line)
        for column in ("mean", "least", "most"):
            both = frame.merge(expected, on=["line", "unit"])
            assert (both[f"{column}_x"] == both[f"{column}_y"]).all()
    assert len(found.steps) == (14 if {"c_t", "h_t"} & set(record) else 0)
    assert len(found.layers) == 1


@pytest.mark.parametrize("size", [24, 1 << 20])
def test_values_that_are_no_numbers(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are left out, and only the steps at which they are have no change; also if each piece has one step."""
    monkeypatch.setattr(plan_choice, "PIECE_BYTES", size)
    trace = case("plain")
    lines = trace.lines["0/reverse"]
    lines["c_t"][2, 1, 3], lines["f_t"][4, 0, 2] = np.nan, np.inf
    found: Profile = profile(trace)
    assert found.not_finite is not None
    assert str(found.not_finite.address) in ("0/reverse/4/0/f_t[2]", "0/reverse/2/1/c_t[3]")
    units = found.units.query("layer == 0 and direction == 'reverse' and line == 'c_t'").set_index("unit")
    for j in range(4):
        values = {at: v for at in np.ndindex(6, 3) if math.isfinite(v := float(lines["c_t"][(*at, j)]))}
        kept = [v for at in np.ndindex(6, 3) if math.isfinite(v := float(lines["f_t"][(*at, j)]))]
        assert (len(values), len(kept)) == (18 - (j == 3), 18 - (j == 2))
        row = units.loc[j]
        assert row["mean"] == pytest.approx(sum(values.values()) / len(values))
        assert (row.least, row.most) == (min(values.values()), max(values.values()))
        assert values[row.t, row.batch] == row.largest == max(values.values(), key=abs)
        assert row.half_life == pytest.approx(len(kept) / sum(min(1.0, -math.log2(max(f, 0.5))) for f in kept))
        assert row.kept == pytest.approx(sum(kept) / len(kept))
    forgets = found.steps.query("layer == 0 and direction == 'reverse' and t == 4 and batch == 0").forgets.item()
    assert forgets == sum(v < 0.5 for v in lines["f_t"][4, 0, [0, 1, 3]]) / 3
    steps = found.steps.query("layer == 0 and direction == 'reverse'").set_index(["t", "batch"])
    assert steps.change.isna().sum() == 2  # at that step, and at the one that it is carried into
    assert np.isfinite(steps.times.drop([(2, 1), (1, 1)])).all()


def test_a_part_of_a_trace_keeps_its_steps() -> None:
    trace = planted(80)
    later = profile(trace.at(steps=slice(30, 60))).steps
    whole = profile(trace).steps.query("30 <= t < 60").reset_index(drop=True)
    for name in ("t", "token", "change", "unit", "before", "after"):
        assert later[name].tolist() == whole[name].tolist()


def test_a_state_that_is_held_is_not_kept() -> None:
    """By hand: a half is kept at each step by one unit, nothing at step 1 by another, and all by the last."""
    cell = {"equations": "c_t = c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    x = np.ones((4, 3))
    trace = lt.run({}, x, cell=cell, hold={"c_t[0]": "*0.5", "1/c_t[1]": 7.0})
    units = profile(trace).units
    assert units.half_life.tolist() == [1.0, 4.0, math.inf]
    assert units.kept.tolist() == [0.5, 0.75, 1.0]
    assert profile(trace).steps.forgets.tolist() == [0, 1 / 3, 0, 0]
    padded = lt.run({}, x[:, None], cell=cell, mask=[[1], [0], [1], [1]], hold={"1/c_t[1]": 7.0})
    assert profile(padded).units.half_life.tolist() == [math.inf] * 3
    for j, steps in ((0, 1), (1, 3), (2, None)):
        assert ledger(trace, f"3/c_t[{j}]").halved == steps


def test_a_unit_that_stays_zero_is_at_a_valid_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there is nothing but padding in what is worked on first."""
    cell = {"equations": "c_t = 0.5 * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t"}
    trace = lt.run({}, np.zeros((4, 2, 1)), cell=cell, mask=[[0, 0], [0, 0], [0, 1], [1, 1]])
    monkeypatch.setattr(plan_choice, "PIECE_BYTES", 16)
    assert profile(trace).units[["t", "batch"]].to_numpy().tolist() == [[2, 1]]


def test_a_choice_of_the_author_is_no_padding() -> None:
    equations = "g_t = x_t > 0\na_t = c_prev + x_t\nb_t = 0.25 * c_prev\nc_t = where(g_t, a_t, b_t)"
    cell = {"equations": f"{equations}\ncarry: c_prev <- c_t\noutput: c_t"}
    for lengths in (None, [3]):
        found = profile(lt.run({}, [[1.0], [-2.0], [4.0]], cell=cell, lengths=lengths))
        assert found.units[["line", "largest"]].to_numpy().tolist() == [["c_t", 4.25]]


def test_pieces_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = case("mask")
    whole = profile(trace)
    assert plan_choice.PIECE_BYTES > 800
    monkeypatch.setattr(plan_choice, "PIECE_BYTES", 8 * 24)
    parts = profile(trace)
    for name in ("units", "steps", "layers"):
        a, b = getattr(whole, name), getattr(parts, name)
        numbers = a.select_dtypes("number").columns
        assert np.allclose(a[numbers], b[numbers], rtol=1e-12, equal_nan=True)


def test_what_has_no_profile() -> None:
    still = lt.run({"W": [[1.0]]}, [[1.0]], cell={"equations": "y_t = W @ x_t\noutput: y_t"})
    with pytest.raises(MissingError, match=r"cells that carry a state from step to step; there is none$"):
        lt.profile(still)
    with pytest.raises(MissingError, match="there is none in the selection, but in 0/forward, 0/reverse, 1/forward"):
        lt.profile(case("plain"), direction="joined")
    with pytest.raises(MissingError, match="the selection is empty: layer 5 is not among 0/forward, 0/reverse"):
        lt.profile(case("plain"), layer=5)
    with pytest.raises(
        OptionError, match=r"direction: expected one of forward, reverse, joined, .*, found the text 'up'"
    ):
        lt.profile(case("plain"), direction="up")  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="no batch row 7"):
        lt.profile(case("plain"), batch=7)


def test_nothing_valid() -> None:
    found = profile(stacked(3, 1, 1, 2, ("forward",), lengths=[0]))
    assert (found.counted, found.foreseen, len(found.steps)) == (0, 0, 0)
    assert found.units["mean"].isna().all()


def test_a_line_that_overflowed_both_ways_is_no_warning() -> None:
    """Its sum is that of inf and -inf."""
    cell = {"equations": "c_t = x_t * 1e308 * 1e308 + c_prev\ncarry: c_prev <- c_t\noutput: c_t"}
    found = profile(lt.run({}, [[[1.0], [-1.0]]], cell=cell, initial={"c_prev": [[0.0], [0.0]]}), batch=None)
    assert np.isnan(found.parts[0].states[0].mean).all()
