"""The sheet "By hand" without a spreadsheet program: what stands where, and what its formulas come to."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.cell.ops import OPS
from lstm_trace.examples import text
from lstm_trace.export.excel.by_hand.chains import BETWEEN
from lstm_trace.export.writers import ExportJob, export
from lstm_trace.formulas.numbers import Style
from lstm_trace.trace.rows import Selection
from lstm_trace.trace.trace import Trace

from ...support.hand_sheet import SHEET, bands, boxes
from ...support.sheet_cases import PROBLEMS, Sheets, changed, weight_cell
from ...support.tiers import some

openpyxl = pytest.importorskip("openpyxl")
pytest.importorskip("xlsxwriter")

#: The problems whose page would have to be read with a magnifying glass.
LARGE = {
    "both directions, two layers", "lengths", "mask", "projection", "layer norm", "every operation", "mlstm", "mamba",
    "gated-deltanet", "rwkv7", "ltc", "every product of matrices",
}  # fmt: skip
#: 400 lines that follow each other.
LONG = "\n".join(["a_0 = 2 * x_t", *(f"a_{k} = tanh(a_{k - 1})" for k in range(1, 402)), "h_t = a_401", "output: h_t"])
SMALL = sorted(set(PROBLEMS) - LARGE)


def example(name: str, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text(name))
    return found | {"count_from": 0} | more


def written(folder: Path, trace: Trace, **job: Any) -> Path:
    export(ExportJob(trace, **job), folder / "x.xlsx")
    return folder / "x.xlsx"


def opened(folder: Path, problem: dict[str, Any], values: bool = True, **job: Any) -> Any:
    return openpyxl.load_workbook(written(folder, lt.run({**problem, "ask": []}), **job), data_only=values)


def small(**more: Any) -> dict[str, Any]:
    """Two steps of the first of the two layers of a problem."""
    draw = np.random.default_rng(3)
    weights = {f"W_{s}{g}": draw.normal(size=(2, 2)).tolist() for s in "xh" for g in "ifco"}
    return {"weights": weights, "x": draw.normal(size=(2, 2)).tolist()} | more


# -- where everything stands -------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_a_gate_reads_as_its_equation(tmp_path: Path) -> None:
    found = bands(opened(tmp_path, example("q22")))
    assert list(found) == [
        "Input", "Initial states", "Input gate", "Forget gate", "Candidate", "Output gate", "Cell state",
        "Hidden state",
    ]  # fmt: skip
    gate = found["Input gate"]
    assert [box.symbol for box in gate] == ["Wxi", "xt", "Wxi xt", "Whi", "ht-1", "Whi ht-1", "zi", "it"]
    assert [box.values.shape for box in gate] == [(2, 3), (3, 1), (2, 1), (2, 2), (2, 1), (2, 1), (2, 1), (2, 1)]
    assert [box.symbol for box in found["Cell state"]] == ["ft", "ct-1", "ft ⊙ ct-1", "it", "c̃t", "it ⊙ c̃t", "ct"]
    np.testing.assert_allclose(found["Hidden state"][-1].values.ravel(), [0.03938606, 0.00166991], atol=1e-8)


@pytest.mark.few(0)
def test_signs_stand_between_the_boxes(tmp_path: Path) -> None:
    sheet = opened(tmp_path, example("q22"))[SHEET]
    rows = [[str(c.value) for c in row if isinstance(c.value, str)] for row in sheet.iter_rows(min_col=2)]
    assert ["×", "=", "+", "×", "=", "Σ =", "σ"] in rows  # the products of the sum are no sums: no false equation
    assert ["×", "=", "+", "×", "=", "Σ =", "tanh"] in rows
    assert ["⊙", "=", "+", "⊙", "=", "Σ ="] in rows
    assert ["tanh", "⊙", "="] in rows


@pytest.mark.few(0)
def test_steps_stand_beside_each_other_with_the_same_weights(tmp_path: Path) -> None:
    book = opened(tmp_path, example("three-steps"))
    gate = bands(book)["Forget gate"]
    assert [box.symbol for box in gate if box.step == "Step 1"] == [
        "xt",
        "Wxf xt",
        "ht-1",
        "Whf ht-1",
        "bf",
        "zf",
        "ft",
    ]
    sheet = book[SHEET]
    assert "Wxf ×" in [cell.value for row in sheet.iter_rows() for cell in row]
    assert [box.step for box in boxes(book) if box.symbol == "ht"] == ["Step 0", "Step 1", "Step 2"]
    names = [row[0].value for row in sheet.iter_rows(max_col=1)]
    assert {"sun", "rain", "bright", "wet"} <= set(names)


@pytest.mark.few(0)
def test_counted_from_1(tmp_path: Path) -> None:
    found = bands(opened(tmp_path, example("three-steps", count_from=1)))
    assert [b.symbol for b in found["Initial states"]] == ["h0", "c0"]
    last = [(box.step, box.symbol) for box in found["Hidden state"] if box.symbol.startswith("h")]
    assert last == [("Step 1", "h1"), ("Step 2", "h2")]


@pytest.mark.few(0)
def test_a_carried_state_and_layers_below_are_named(tmp_path: Path) -> None:
    weights = {f"{k}/forward/{n}": w for k in (0, 1) for n, w in small()["weights"].items()}
    book = opened(tmp_path, small(weights=weights))
    titles = [row[0].value for row in book[SHEET].iter_rows(max_col=1)]
    assert "Layer 0" in titles
    assert "Layer 1" in titles
    second = [box for box in boxes(book) if box.symbol == "xt" and box.step == "Step 0"][-1]
    assert not second.blue  # what the layer below gave
    hidden = next(box for box in boxes(book) if box.symbol == "ht")
    assert second.values.tolist() == hidden.values.tolist()


@pytest.mark.few(0)
def test_what_is_given_and_what_is_asked_for(tmp_path: Path) -> None:
    trace = lt.run(example("q22", ask=["i_t"]))
    found = bands(openpyxl.load_workbook(written(tmp_path, trace)))
    assert list(found) == ["Input", "Initial states", "Input gate"]
    given = bands(opened(tmp_path, PROBLEMS["given"][0]))["Given"]
    assert [box.symbol for box in given] == ["ft"] * len(given)
    assert all(box.blue for box in given)


def test_every_operation_has_a_place() -> None:
    unnamed = {name for name, op in OPS.items() if not op.function}
    assert unnamed == {*BETWEEN, "add", "neg", "copy", "slice"}


MATRIX = """
    matrix: A
    k_t = W @ x_t
    o_t = outer(x_t, k_t)
    F_t = A * C_prev
    C_t = F_t + o_t
    y_t = C_t @ k_t
    z_t = y_t @ C_t
    carry: C_prev <- C_t
    output: z_t
"""


@pytest.mark.few(0)
@pytest.mark.parametrize("arithmetic", [None, "by-hand-3"])
def test_a_matrix_has_rows_and_columns(tmp_path: Path, arithmetic: str | None) -> None:
    """Its numbers are those of the trace, as its formulas compute them here, from numbers that are changed here."""
    weights = {"W": [[1.5, -0.75], [0.25, 2], [1, 1]], "A": [[0.5, 0.25, -1], [1.5, -0.5, 2]]}
    start, cell = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]], {"equations": MATRIX}
    trace = lt.run(weights, [[1.5, -2.25]], cell=cell, initial={"C_prev": start}, arithmetic=arithmetic)
    path = written(tmp_path, trace)
    book, compute = openpyxl.load_workbook(path), Sheets(path)
    found: dict[str, list[list[float]]] = {}
    for box in boxes(book):
        found[box.symbol] = [[compute(SHEET, cell.coordinate) for cell in row] for row in box.cells]
    assert found["Ct-1"] == start
    assert found["A"] == weights["A"]
    assert np.array_equal(found["Ct"], trace["C_t"].reshape(2, 3))
    assert np.array_equal(found["ot"], trace["o_t"].reshape(2, 3))
    assert np.allclose(found["yt"], trace["y_t"].reshape(2, 1), rtol=1e-15)
    assert np.allclose(found["zt"], trace["z_t"].reshape(3, 1), rtol=1e-15)
    assert {box.symbol for box in boxes(book) if box.blue} == {"xt", "Ct-1", "W", "A"}
    assert compute("Layer 0 forward", "I6") == start[1][1]  # through the sheet of initial states
    book[SHEET][next(box for box in boxes(book) if box.symbol == "Ct-1").cells[1][1].coordinate].value = 7.0
    book.save(path)
    assert Sheets(path)("Layer 0 forward", "I6") == 7.0


@pytest.mark.few(0)
def test_a_batch_stands_below_each_other(tmp_path: Path) -> None:
    cell = {"equations": "h_t = tanh(w * x_t + h_prev)\ncarry: h_prev <- h_t\noutput: h_t"}
    trace = lt.run({"w": [0.5]}, [[[1.0], [2.0]], [[3.0], [4.0]]], cell=cell, lengths=[2, 1])
    book = openpyxl.load_workbook(written(tmp_path, trace), data_only=True)
    titles = [row[0].value for row in book[SHEET].iter_rows(max_col=1) if row[0].value]
    assert [t for t in titles if str(t).startswith("Sequence")] == ["Sequence 0", "Sequence 1"]
    valid = [box.values.item() for box in boxes(book) if box.symbol == "valid" and box.values.size]
    assert set(valid) == {0, 1}
    weights = [box for box in boxes(book) if box.symbol == "w"]
    assert [box.blue for box in weights] == [True] + [False] * (len(weights) - 1)


# -- the page ----------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(SMALL, 4))
def test_one_page(tmp_path: Path, name: str) -> None:
    book = opened(tmp_path, PROBLEMS[name][0])
    assert book.sheetnames[:2] == [SHEET, "Read me"]
    sheet = book[SHEET]
    assert sheet.page_setup.orientation == "landscape"
    assert sheet.sheet_properties.pageSetUpPr.fitToPage
    assert (sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight) == (None, None)  # 1 and 1
    used = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    area = openpyxl.utils.range_boundaries(sheet.print_area.rpartition("!")[2].replace("$", ""))
    assert max(cell.row for cell in used) <= area[3]
    assert max(cell.column for cell in used) <= area[2]


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(sorted(LARGE), 3))
def test_what_is_too_large_is_said(tmp_path: Path, name: str) -> None:
    book = opened(tmp_path, PROBLEMS[name][0])
    assert book.sheetnames[0] == "Read me"
    rows = [row for row in book["Read me"].iter_rows(values_only=True) if row[0] == SHEET]
    assert len(rows) == 1
    tall = r"\d+ entries of a vector do not fit on one page; choose at most \d+"
    assert re.fullmatch(
        rf"left out: (on one page its digits would have [\d.]+ points; .* would fit|{tall})", rows[0][1]
    )
    assert SHEET not in [cell.value for row in book["Check"].iter_rows() for cell in row]


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("why", "trace", "job"),
    [
        (r"its cells are plain numbers \(--values\)", lt.run(example("q22")), {"values": True}),
        ("a spreadsheet cannot compute in q4.12", lt.run(example("q22"), arithmetic="q4.12"), {}),
        ("20 steps do not fit on one page; choose at most 12", lt.run(small(x=np.ones((20, 2)).tolist())), {}),
        (
            "9 entries of a vector do not fit on one page; choose at most 8",
            lt.run({"b": [1.0]}, [[1.0] * 9], cell={"equations": "h_t = b * x_t\noutput: h_t"}),
            {},
        ),
        (
            "4848 numbers do not fit on one page; choose at most 2000",
            lt.run({}, [[0.5]] * 12, cell={"equations": LONG}),
            {},
        ),
    ],
)
def test_why_it_is_left_out(tmp_path: Path, why: str, trace: Trace, job: dict[str, Any]) -> None:
    book = openpyxl.load_workbook(written(tmp_path, trace, **job))
    assert SHEET not in book.sheetnames
    said = [str(row[1].value) for row in book["Read me"].iter_rows() if row[0].value == SHEET]
    assert len(said) == 1
    assert re.fullmatch(f"left out: {why}", said[0])


@pytest.mark.few(0)
def test_a_selection_that_is_small_has_it(tmp_path: Path) -> None:
    trace = lt.run({**PROBLEMS["projection"][0], "ask": []})
    book = openpyxl.load_workbook(written(tmp_path, trace, selection=Selection(steps=slice(0, 2), batch=0)))
    assert {box.step for box in boxes(book)} == {"Step 0", "Step 1"}


@pytest.mark.few(0)
def test_what_is_not_computed_here_stands_in_italics(tmp_path: Path) -> None:
    """The second step by itself: what the first gave was recorded."""
    trace = lt.run({**example("three-steps"), "ask": []})
    book = openpyxl.load_workbook(written(tmp_path, trace, selection=Selection(steps=slice(1, 2))))
    before = [box for box in boxes(book) if box.symbol == "ht-1"]
    assert [box.values.ravel().tolist() for box in before] == [trace["h_t"][0, 0].tolist()] * 4
    assert all(cell.font.i and cell.data_type == "n" for box in before for row in box.cells for cell in row)
    assert "italics were recorded" in book[SHEET]["A2"].value
    assert {box.step for box in boxes(book)} == {"Step 1"}


@pytest.mark.few(0)
def test_the_legend_names_the_colours(tmp_path: Path) -> None:
    book = opened(tmp_path, example("three-steps"))
    legend = {c.value: c.fill.fgColor.rgb for c in book[SHEET][3] if c.value}
    assert list(legend) == [
        "weight", "input", "state before the step", "product", "pre-activation", "gate", "candidate", "new state",
        "output", "other value",
    ]  # fmt: skip
    assert len(set(legend.values())) == len(legend)
    wanted = {
        **dict.fromkeys(("Wxi", "bi"), "weight"),
        **dict.fromkeys(("ht-1", "ct-1"), "state before the step"),
        **dict.fromkeys(("it", "ft", "ot"), "gate"),
        **{"xt": "input", "Wxi xt": "product", "zi": "pre-activation", "c̃t": "candidate", "ct": "new state"},
        **{"ht": "output", "tanh(ct)": "other value"},
    }
    colours: dict[str, set[str]] = {}
    for box in boxes(book):
        colours.setdefault(box.symbol, set()).update(c.fill.fgColor.rgb for row in box.cells for c in row)
    assert {symbol: colours[symbol] for symbol in wanted} == {s: {legend[role]} for s, role in wanted.items()}


@pytest.mark.few(0)
@pytest.mark.parametrize(("digits", "shape"), [(None, "0.0000"), (3, "0.000"), (0, "0")])
def test_numbers_keep_their_decimals_and_given_ones_stand_as_written(
    tmp_path: Path, digits: int | None, shape: str
) -> None:
    book = opened(tmp_path, example("q22"), digits=Style(digits))
    for box in boxes(book):
        formats = {cell.number_format for row in box.cells for cell in row}
        given = box.blue or box.symbol in ("xt",)
        assert formats == {"General" if given else shape}, box.symbol


@pytest.mark.few(0)
def test_charts_of_units_over_the_steps(tmp_path: Path) -> None:
    path = written(tmp_path, lt.run(example("three-steps", ask=[])))
    with zipfile.ZipFile(path) as archive:
        charts = [archive.read(f"xl/charts/chart{n}.xml").decode() for n in (1, 2)]
        assert "xl/charts/chart3.xml" not in archive.namelist()
    for chart, unit in zip(charts, ("bright", "wet"), strict=True):
        assert f"<a:t>{unit}</a:t>" in chart
        assert re.findall(r"<c:tx><c:v>([^<]*)</c:v>", chart) == ["i_t", "f_t", "o_t", "h_t", "c_t"]
        assert len(re.findall(r"<c:val><c:numRef><c:f>'Layer 0 forward'!\$[A-Z]+\$6:\$[A-Z]+\$8<", chart)) == 5
    one = written(tmp_path, lt.run(example("q22", ask=[])))
    with zipfile.ZipFile(one) as archive:
        assert not [name for name in archive.namelist() if "chart" in name]  # a single step is no course


# -- what it computes --------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some(SMALL, 4))
def test_formulas_come_to_what_was_recorded(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, lt.run({**PROBLEMS[name][0], "ask": []}))
    stored, compute = boxes(openpyxl.load_workbook(path, data_only=True)), Sheets(path)
    assert len(stored) > 8
    for box in stored:
        for row in box.cells:
            for cell in row:
                assert compute(SHEET, cell.coordinate) == pytest.approx(cell.value, rel=1e-12, abs=1e-12), box.symbol


@pytest.mark.few(0)
@pytest.mark.parametrize("name", SMALL)
def test_only_blue_numbers_are_no_formulas(tmp_path: Path, name: str) -> None:
    book = opened(tmp_path, PROBLEMS[name][0], values=False)
    seen = 0
    for box in boxes(book):
        for row in box.cells:
            for cell in row:
                assert (cell.data_type == "f") is not box.blue, (box.symbol, cell.coordinate)
                seen += box.blue
                if not box.blue and "!" in cell.value:  # what is edited elsewhere, which is nothing here
                    pytest.fail(f"{cell.coordinate}: {cell.value}")
    problem = PROBLEMS[name][0]
    weights = sum(np.size(w) for w in problem["weights"].values())
    assert seen >= weights + np.size(problem["x"])


@pytest.mark.few(0)
@pytest.mark.parametrize("name", SMALL)
def test_a_weight_is_changed_here(tmp_path: Path, name: str) -> None:
    """The named range of a weight leads to this sheet, and the other sheets follow."""
    problem, place = PROBLEMS[name]
    path = written(tmp_path, lt.run({**problem, "ask": []}))
    book = openpyxl.load_workbook(path)
    cell = weight_cell(book, place)
    assert cell.parent.title == SHEET
    cell.value += 0.75
    new = cell.value
    book.save(path)
    fresh_path = tmp_path / "fresh"
    fresh_path.mkdir()
    fresh = boxes(openpyxl.load_workbook(
        written(fresh_path, lt.run({**changed(problem, place, new), "ask": []})), data_only=True))  # fmt: skip
    compute, moved = Sheets(path), 0.0
    for box, old in zip(fresh, boxes(openpyxl.load_workbook(path)), strict=True):
        for row, before in zip(box.cells, old.cells, strict=True):
            for wanted, there in zip(row, before, strict=True):
                found = compute(SHEET, there.coordinate)
                assert found == pytest.approx(wanted.value, rel=1e-11, abs=1e-11), (box.symbol, there.coordinate)
                moved += abs(found - there.value) if not isinstance(there.value, str) else 0
    shown = book["Weights 0 forward"]
    assert all(str(c.value).startswith("='By hand'!") for row in shown.iter_rows(min_row=5) for c in row[1:]
               if c.number_format == "General" and c.fill.fgColor.rgb == "FFF2F2F2")  # fmt: skip


@pytest.mark.few(0)
def test_inputs_and_states_are_changed_here(tmp_path: Path) -> None:
    book = opened(tmp_path, example("gru"), values=False)
    assert str(book["Inputs"]["C6"].value).startswith("='By hand'!")
    assert str(book["Initial states"]["B6"].value).startswith("='By hand'!")
    assert book["Inputs"]["A2"].value == "The numbers on grey come from 'By hand': change them there."


@pytest.mark.few(0)
@pytest.mark.parametrize("places", [0, 2, 4])
def test_rounded_by_hand_it_rounds_the_same(tmp_path: Path, places: int) -> None:
    trace = lt.run(example("three-steps", ask=[]), arithmetic=f"by-hand-{places}")
    path = written(tmp_path, trace)
    compute = Sheets(path)
    exact = lt.run(example("three-steps", ask=[]))
    far = 0.0
    for box in boxes(openpyxl.load_workbook(path, data_only=True)):
        if box.symbol == "ht":
            t = int(box.step.removeprefix("Step "))
            for j, row in enumerate(box.cells):
                value = compute(SHEET, row[0].coordinate)
                assert value == pytest.approx(trace["h_t"][t, 0, j], abs=1e-12)
                far = max(far, abs(value - exact["h_t"][t, 0, j]))
    assert far > 10 ** -(places + 3)
    assert {cell.number_format for box in boxes(openpyxl.load_workbook(path)) for row in box.cells for cell in row} == {
        "General", f"0.{'0' * places}" if places else "0",
    }  # fmt: skip


@pytest.mark.few(0)
def test_the_check_holds_it_against_the_record(tmp_path: Path) -> None:
    book = opened(tmp_path, example("q22"), values=False)
    rows = [row for row in book["Check"].iter_rows(min_row=9) if row[0].value == SHEET]
    trace = lt.run(example("q22", ask=[]))
    assert [row[1].value for row in rows] == list(trace)
    assert [row[3].value for row in rows] == [trace[name].size for name in trace]
    assert all("TRANSPOSE('Recorded 0 forward'!" in row[4].value.text for row in rows)


@pytest.mark.few(0)
def test_no_number_is_an_error_here_too(tmp_path: Path) -> None:
    cell = {"equations": "z_t = b * x_t\nh_t = exp(z_t)\noutput: h_t"}
    trace = lt.run({"b": [1.0, 2.0]}, [[np.nan, np.inf]], cell=cell)
    path = written(tmp_path, trace)
    given = boxes(openpyxl.load_workbook(path))[0]
    assert given.values.ravel().tolist() == ["=NA()", "=1/0"]
    shown = boxes(openpyxl.load_workbook(path, data_only=True))
    assert shown[0].values.ravel().tolist() == ["#N/A", "#DIV/0!"]
    assert shown[-1].values.ravel().tolist() == ["#N/A", "#NUM!"]


@pytest.mark.few(0)
def test_titles_and_names_are_texts(tmp_path: Path) -> None:
    names = {"x": ["=1+1", "\x1b[2J"], "h": ["<r>a", "\x02b"]}
    book = opened(tmp_path, small(title="=cmd()\x03", names=names), values=False)
    cells = [cell for row in book[SHEET].iter_rows() for cell in row if isinstance(cell.value, str)]
    assert book[SHEET]["A1"].value == "=cmd()�"
    assert book[SHEET]["A1"].data_type == "s"
    assert "=1+1" in [cell.value for cell in cells if cell.data_type == "s"]
    assert {"�[2J", " <r>a", "�b"} <= {cell.value for cell in cells}
