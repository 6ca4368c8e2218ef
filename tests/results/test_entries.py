"""Rows from arrays: which, in which order and with which text, against rows that are made one by one."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as arrays

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import split
from lstm_trace.backpropagation.gradients import backward
from lstm_trace.backpropagation.run import line_gradients
from lstm_trace.documents import tables as entries
from lstm_trace.documents.excerpt import largest
from lstm_trace.documents.tables import SHOWN, Entries, EntryGrid, LongTable, every, largest_first
from lstm_trace.engine import plan_choice
from lstm_trace.engine.run import run_seconds
from lstm_trace.languages.strings import words
from lstm_trace.results import difference, gradient
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.derived import one_row

from ..support.said import Told, tables
from ..verification.test_verify import traced

COLUMNS = ("address", "kind", "layer", "t", "unit", "a", "b")
OF = "1/reverse/0/1/h_t[2]"
FLOATS = st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1e-320, math.nan, math.inf, -math.inf]) | st.floats()
Row = tuple[Any, ...]


def values(shape: tuple[int, ...]) -> st.SearchStrategy[Any]:
    return arrays.arrays(np.float64, shape, elements=FLOATS)


@st.composite
def grids(draw: Any) -> list[EntryGrid]:
    """Arrays of one to three kinds: steps and units, a vector, one number; names with what formats would act on."""
    steps, units, first = draw(st.integers(0, 4)), draw(st.integers(1, 5)), draw(st.integers(0, 3))
    order = range(first + steps - 1, first - 1, -1) if draw(st.booleans()) else range(first, first + steps)
    shape = (steps, units)
    return [
        EntryGrid(
            "0/f/%d/100%%, [%d]", (("t", order), ("unit", range(units))), {"kind": "x%d,\x9b\"", "layer": 0},
            {"a": draw(values(shape)), "b": draw(values(shape))},
        ),
        EntryGrid("v[%d]", (("unit", range(units)),), {"kind": "v"}, {"a": draw(values((units,)))}),
        EntryGrid("rounding", (), {"kind": "one"}, {"a": np.array(draw(FLOATS))}),
    ]  # fmt: skip


def rows(found: list[EntryGrid]) -> list[Row]:
    """Every row, one by one."""
    told: list[Row] = []
    for grid in found:
        for at, a in np.ndenumerate(grid.values["a"]):
            places = {name: numbers[k] for k, (name, numbers) in zip(at, grid.axes, strict=True)}
            b = float(grid.values["b"][at]) if "b" in grid.values else None
            address = grid.address % tuple(places.values())
            layer, t, unit = grid.fixed.get("layer"), places.get("t"), places.get("unit")
            told.append((address, grid.fixed["kind"], layer, t, unit, float(a), b))
    return told


def chosen(found: list[EntryGrid]) -> list[Row]:
    """The rows that are not 0, the largest a first; of equal ones the first, NaN last."""
    there = [row for row in rows(found) if row[5] != 0 or (row[6] is not None and row[6] != 0)]
    return sorted(there, key=lambda row: (math.isnan(row[5]), 0.0 if math.isnan(row[5]) else -abs(row[5])))


def same(mine: list[Row], theirs: list[Row]) -> bool:
    """Equal to the last bit, NaN and signs of zeros too; and of the same types."""
    return [tuple(map(repr, row)) for row in mine] == [tuple(map(repr, row)) for row in theirs]


@given(grids(), st.integers(1, 7))
@settings(deadline=None)
def test_rows_are_those_of_a_loop(found: list[EntryGrid], piece: int) -> None:
    for run, expected in ((every(found), rows(found)), (largest_first(found, ("a", "b")), chosen(found))):
        table = Entries(COLUMNS, lambda run=run: [run])  # type: ignore[misc]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(entries, "PIECE", piece)
            assert same(list(table), expected)
            check_texts(Told("T\x9b", ("s",), LongTable(COLUMNS, table)), expected)
        assert len(table) == len(expected)
        some = range(0, len(expected), 3)
        assert same(table.take(some), [expected[k] for k in some])
        assert same(table[1:-1], expected[1:-1])
        if expected:
            assert same([table[-1]], [expected[-1]])
        column = [0.0 if row[6] is None else row[6] for row in expected]
        assert np.array_equal(table.numbers("b"), np.array(column, float), equal_nan=True)


def check_texts(told: Told, expected: list[Row]) -> None:
    """CSV and JSON against the standard library's writers; C1 controls are shown as U+FFFD in the one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([repr(v) if isinstance(v, float) else v for v in row] for row in expected)
    assert "".join(told.pieces("csv")) == text.getvalue().replace("\x9b", "\ufffd")
    words = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
    data = {
        "title": "T\x9b", "sentences": ["s"], "notes": [],
        "rows": [
            {k: words.get(repr(v), v) for k, v in zip(COLUMNS, row, strict=True)} for row in expected
        ],
    }  # fmt: skip
    assert told.as_json() == json.dumps(data, ensure_ascii=False, indent=1).replace("\x9b", "\\u009b") + "\n"


@given(grids())
@settings(deadline=None)
def test_a_frame_has_the_values_of_a_loop(found: list[EntryGrid]) -> None:
    for run, expected in ((every(found), rows(found)), (largest_first(found, ("a", "b")), chosen(found))):
        frame = Entries(COLUMNS, lambda run=run: [run]).frame()  # type: ignore[misc]
        assert list(frame.columns) == list(COLUMNS)
        plain = frame.astype(object).where(frame.notna(), None)
        nothing = {None: None, math.nan: None}
        wanted = [tuple(None if v != v else nothing.get(v, v) for v in row) for row in expected]
        assert [tuple(row) for row in plain.itertuples(index=False)] == wanted


@given(st.lists(st.floats(0, allow_nan=False) | st.sampled_from([0.0, 1.0, 2.0, math.inf]), max_size=60), st.data())
def test_the_largest_are_those_of_a_full_sort(sizes: list[float], data: Any) -> None:
    count = data.draw(st.integers(1, 70))
    expected = sorted(range(len(sizes)), key=lambda k: -sizes[k])[:count]
    assert largest(np.array(sizes, float), count)[:count].tolist() == expected


@pytest.mark.few(0)
def test_a_gradient_has_every_line_in_the_order_of_the_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two layers, both directions, two sequences, cut into windows of one step and of three."""
    trace = traced({"peephole": True}, lengths=[4, 3])
    back = backward(trace, of=OF)
    lines = line_gradients(back)
    expected: list[Row] = []
    for stage in reversed(trace.stages):
        steps = range(trace.steps) if stage.direction == "reverse" else range(trace.steps)[::-1]
        for t in steps:
            for line in reversed(stage.cell.lines):
                for (b, j), value in np.ndenumerate(lines.get(stage.scope, {}).get(line.name, np.zeros((4, 0, 0)))[t]):
                    if value:
                        expected.append((f"{stage.scope}/{t}/{b}/{line.name}[{j}]", "line", float(value)))
    assert len(expected) > 100
    for name, array in back.gradients.items():
        for at, value in np.ndenumerate(array):
            expected.append((f"{name}[{','.join(map(str, at))}]", "premise", float(value)))
    for size in (1, 700, 1 << 20):
        monkeypatch.setattr(plan_choice, "PIECE_BYTES", 8 * size)
        assert same(list(gradient.gradient(trace, OF).rows.rows), expected)


@pytest.mark.few(0)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_difference_has_every_entry(dtype: str) -> None:
    a, b = traced({}, dtype=dtype, lengths=[4, 4]), traced({}, seed=2, dtype=dtype, lengths=[4, 3])
    a.lines["0/forward"]["i_t"][1, 1, 2] += 0.25  # what its own line does not explain: kind local
    found = split(a, b, OF)
    expected: list[Row] = []
    for place, part in found.parts.items():
        scope, _, name = place.rpartition("/")
        kind = found.kinds[place]
        layer, direction = (int(scope.split("/")[0]), scope.split("/")[1]) if scope else (None, None)
        for at, value in np.ndenumerate(part):
            t = batch = unit = column = None
            if kind in ("input", "lengths"):
                t, batch, unit = at[0], 1, at[2]
                values = [one.x if kind == "input" else one.valid for one in (a, b)]
                index, name = (t, 1, unit), "x_t" if kind == "input" else "valid"
                address = f"{t}/1/{name}[{unit}]"
            elif kind == "state":
                batch, unit = 1, at[1]
                values = [one.initial[scope][name.replace("0", "_prev")] for one in (a, b)]
                index = (1, unit)
                address = f"{scope}/1/{name}[{unit}]"
            else:
                unit, column = (*at, None)[:2]
                values, index = [one.parameters[scope][name] for one in (a, b)], at
                address = f"{scope}/{name}[{','.join(map(str, at))}]"
            sides = [float(values[side][index]) for side in (0, 1)]
            expected.append((address, kind, layer, direction, t, batch, name, unit, column, float(value), *sides))
    for place, part in found.local.items():
        scope, _, name = place.rpartition("/")
        for (t, _, j), value in np.ndenumerate(part):
            if value:
                layer, direction = scope.split("/")
                address = f"{scope}/{t}/1/{name}[{j}]"
                place = (address, "local", int(layer), direction, t, 1, name, j, None)
                expected.append((*place, float(value), None, None))
    assert {row[1] for row in expected} == {"parameter", "input", "state", "lengths", "local"}
    if dtype == "float32":
        rest = (None,) * 4
        expected.append(("rounding", "rounding", *rest, None, None, None, found.rounding, None, None))
    frame = lt.attribute(a, b, of=OF).to_frame()
    plain = frame.astype(object).where(frame.notna(), None)
    assert [tuple(row) for row in plain.itertuples(index=False)] == expected
    ranked = sorted((row for row in expected if row[-3] != 0), key=lambda row: -abs(row[-3]))
    told = difference.difference(a, b, OF)
    assert same(list(told.rows.rows), ranked)
    by_block = {name: parts for name, *parts in tables(told)["By block"].rows}
    assert by_block == {name: pytest.approx(parts, rel=1e-12, abs=1e-18) for name, parts in summed(ranked).items()}


def test_of_no_difference_there_is_no_share() -> None:
    weights = [1.0, 2.0], [2.0, 1.0]
    a, b = (lt.run({"W": [row]}, [1.0, 1.0], cell={"equations": "h_t = W @ x_t"}) for row in weights)
    (table,) = (one for one in lt.attribute(a, b, of="h_t[0]").tables(words()) if "block" in one.columns)
    assert [*table.rows] == [("0/forward/W", 0.0, None)]


def summed(rows: list[tuple[Any, ...]]) -> dict[str, list[float]]:
    """The contribution of each array and its share of their sum, entry by entry."""
    found: dict[str, list[float]] = {}
    whole = sum(row[-3] for row in rows)
    for _, kind, layer, direction, *_, name, _, _, contribution, _, _ in rows:
        place = f"{layer}/{direction}/{name}"
        block = {"input": "x", "lengths": "lengths", "rounding": "rounding of float32", "local": f"{place} (local)"}
        parts = found.setdefault(block.get(kind, place), [0.0, 0.0])
        parts[0] += contribution
        parts[1] += contribution / whole
    return found


class Counted(str):
    """An address that counts how often it is made."""

    made = 0

    def __mod__(self, numbers: Any) -> str:
        type(self).made += 1
        return str.__mod__(self, numbers)


def grid(address: str, *rest: Any) -> EntryGrid:
    return EntryGrid(Counted(address), *rest)


@pytest.mark.few(1)
@pytest.mark.parametrize("way", ["contribution", "difference", "html"])
def test_addresses_are_made_for_what_is_shown(monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    for module in (difference, gradient):
        monkeypatch.setattr(module, "EntryGrid", grid)
    a, b = traced({}), traced({}, seed=2)
    monkeypatch.setattr(Counted, "made", 0)
    told = difference.difference(a, b, OF) if way == "difference" else explanation(a, OF, "contribution", baseline=b)
    assert len(told.rows.rows) > 15 * SHOWN
    text = told._repr_html_() if way == "html" else told.report()
    shown = text.count("/forward/") + text.count("/reverse/") + text.count("/x_t[")
    assert 5 < Counted.made <= SHOWN + 1 + 5  # one more names the largest of what is left out
    assert Counted.made <= shown
    list(told.pieces("csv"))
    assert Counted.made < len(told.rows.rows)


@pytest.mark.few(0)
def test_a_large_trace_has_fewer_points_of_a_path_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = traced({})
    monkeypatch.setattr(plan_choice, "EXTRA_SECONDS", 3.5 * 2 * run_seconds(one_row(trace, 0)))
    text = explanation(trace, OF, "contribution").report()
    assert "(3 points of the path instead of 50, for a trace of this size)" in text
    few = lt.explain(trace, OF, "contribution").to_frame()
    assert few.equals(lt.explain(trace, OF, "contribution", points=3).to_frame())
    assert " (3 points of the path" in explanation(trace, OF, "contribution", points=3).report()
    assert "instead of" not in explanation(trace, OF, "contribution", points=3).report()
    monkeypatch.undo()
    assert (
        lt.explain(trace, OF, "contribution")
        .to_frame()
        .equals(lt.explain(trace, OF, "contribution", points=50).to_frame())
    )
    assert not few.equals(lt.explain(trace, OF, "contribution").to_frame())
