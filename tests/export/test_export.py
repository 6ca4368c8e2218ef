"""CSV and TSV: order and exactness by loops that share no code, a golden file, dialects, streaming, the command."""

from __future__ import annotations

import csv
import io
import json
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import example, given, settings, strategies as st
from hypothesis.extra import numpy as arrays

import lstm_trace as lt
import lstm_trace.export.text as text_tables
from docs.generated import TEXTS
from lstm_trace.cli import main
from lstm_trace.errors import FileError, MissingError, OptionError
from lstm_trace.export.formats import TABLE_FORMATS
from lstm_trace.export.writers import DIALECTS, ExportJob, export
from lstm_trace.trace.rows import Selection

from ..support.table_cases import QUESTION_19, expected, filled, same, stacked

HARD = [
    5e-324,
    -5e-324,
    -0.0,
    0.1,
    1 / 3,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    7.038531e-26,
    9007199254740993.0,
]
#: pandas before 3.1 reads floats a last bit off unless it is told.
EXACT: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
GOLDEN = """\
layer,direction,t,batch,line,op,unit,value
0,forward,0,0,W_xi @ x_t,matvec,0,-0.39999999999999997
0,forward,0,0,W_xi @ x_t,matvec,1,-1.6
0,forward,0,0,W_hi @ h_prev,matvec,0,0.0
0,forward,0,0,W_hi @ h_prev,matvec,1,0.0
0,forward,0,0,z_i,add,0,-0.39999999999999997
0,forward,0,0,z_i,add,1,-1.6
0,forward,0,0,i_t,sigmoid,0,0.401312339887548
0,forward,0,0,i_t,sigmoid,1,0.16798161486607552
"""


def rows_of(path: Path, **reader: Any) -> list[list[str]]:
    """The rows of a file as texts, the header among them."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, **reader))


def cli(*arguments: Any) -> Result:
    return CliRunner().invoke(main, ["export", *map(str, arguments)])


def test_question_19_long(tmp_path: Path) -> None:
    trace = lt.run(QUESTION_19)
    export(ExportJob(trace), tmp_path / "q19.csv")
    found, golden = rows_of(tmp_path / "q19.csv"), list(csv.reader(io.StringIO(GOLDEN)))
    assert [row[:7] for row in found] == [row[:7] for row in golden]
    assert np.allclose([float(row[7]) for row in found[1:]], [float(row[7]) for row in golden[1:]], rtol=0, atol=1e-15)
    assert (tmp_path / "q19.csv").read_bytes().endswith(b"\n")


@pytest.mark.parametrize("lengths", [None, [4, 2]])
def test_rows_stand_in_the_order_in_which_they_were_computed(tmp_path: Path, lengths: Any) -> None:
    trace = stacked(lengths=lengths)
    export(ExportJob(trace), tmp_path / "x.csv")
    found = rows_of(tmp_path / "x.csv")[1:]
    wanted = list(expected(trace))
    assert len(found) == len(wanted) == ExportJob(trace).rows
    assert [tuple(row[:7]) for row in found] == [tuple(map(str, row[:7])) for row in wanted]
    assert [float(row[7]) for row in found] == [row[7] for row in wanted]
    steps = [int(row[2]) for row in found if row[1] == "reverse" and row[0] == "1"]
    assert steps[0] == 3
    assert steps[-1] == 0
    assert steps == sorted(steps, reverse=True)


@pytest.mark.few(0)
@pytest.mark.parametrize("piece", [1, 7, 100])
def test_pieces_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    trace = stacked(lengths=[1, 4])
    for shape in ("long", "wide", "worked"):
        export(ExportJob(trace, shape), tmp_path / "whole.csv")
        monkeypatch.setattr(text_tables, "PIECE", piece)
        monkeypatch.setattr(text_tables, "WORKED_PIECE", piece)
        seen: list[int] = []
        job = ExportJob(trace, shape, progress=seen.append)
        export(job, tmp_path / "pieces.csv")
        monkeypatch.undo()
        assert (tmp_path / "pieces.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
        assert len(seen) > 1
        assert sum(seen) == job.rows == len(rows_of(tmp_path / "whole.csv")) - 1


def floats(dtype: Any) -> Any:
    width = 8 * np.dtype(dtype).itemsize
    number = st.floats(width=width, allow_nan=True, allow_infinity=True, allow_subnormal=True)
    return arrays.arrays(dtype, st.integers(1, 60), elements=number)


@pytest.mark.few(1)
@settings(max_examples=60)
@given(values=st.one_of(floats(np.float64), floats(np.float32)))
@example(values=np.array(HARD))
@example(values=np.array(HARD[:6] + HARD[7:], np.float32))
@pytest.mark.parametrize("dialect", ["plain", "excel-eu"])
def test_every_float_survives(tmp_path_factory: pytest.TempPathFactory, dialect: str, values: Any) -> None:
    trace = filled(stacked(2, 1, 1, 2, ("reverse",)), values)
    path = tmp_path_factory.getbasetemp() / "round.csv"
    export(ExportJob(trace, dialect=dialect), path)
    style = DIALECTS[dialect]
    reader = {"sep": style.separator, "decimal": style.decimal, "encoding": "utf-8-sig"}
    frame = pd.read_csv(path, **EXACT, **reader)
    wanted = np.array([row[7] for row in expected(trace)])
    assert same(frame["value"].to_numpy(np.float64).astype(values.dtype), wanted)
    # a reader that shares no code with pandas: Python's own float
    texts = [row[7] for row in rows_of(path, delimiter=style.separator)[1:]]
    assert same(np.array([float(text.replace(",", ".")) for text in texts]), wanted.astype(np.float64))


@settings(max_examples=20)
@given(values=floats(np.float64))
def test_wide_survives_and_equals_the_arrays(tmp_path_factory: pytest.TempPathFactory, values: Any) -> None:
    trace = filled(stacked(3, 2, 1, 2, ("forward",)), values)
    path = tmp_path_factory.getbasetemp() / "wide.csv"
    export(ExportJob(trace, "wide", all_lines=True), path)
    frame = pd.read_csv(path, **EXACT)
    assert list(zip(frame["t"], frame["batch"], strict=True)) == [(t, b) for t in range(3) for b in range(2)]
    for name, array in trace.lines["0/forward"].items():
        for j in range(array.shape[2]):
            assert same(frame[f"{name}[{j}]"].to_numpy(np.float64), array[:, :, j].ravel())


def test_float32_is_written_as_the_equal_number() -> None:
    trace = filled(lt.run(QUESTION_19), np.array([0.1, 0.25], np.float32))
    assert [row[7] for row in expected(trace)][:1] == [np.float32(0.1)]
    how = text_tables.RowText("\n", ",", "\n", str, str, "", "constants")
    assert how.numbers(np.array([0.1, 0.25], np.float32)) == ["0.10000000149011612", "0.25"]


def test_wide_leaves_empty_what_a_layer_does_not_have(tmp_path: Path) -> None:
    trace = stacked()
    export(ExportJob(trace, "wide"), tmp_path / "x.csv")
    header, *rows = rows_of(tmp_path / "x.csv")
    joined = next(dict(zip(header, row, strict=True)) for row in rows if row[1] == "joined" and row[2] == "3")
    assert joined["z_i[0]"] == ""
    assert float(joined["y_t[5]"]) == trace.lines["0/joined"]["y_t"][3, 0, 5]
    assert len(rows) == 6 * 4 * 2


def test_inputs_can_be_put_together_again(tmp_path: Path) -> None:
    trace = stacked(
        lengths=[4, 2], h0=np.arange(24.0).reshape(4, 2, 3), given={"1/forward/f_t": np.full((4, 2, 3), 0.5)}
    )
    export(ExportJob(trace, with_inputs=True, padding=True), tmp_path / "x.csv")
    header, *found = rows_of(tmp_path / "x.csv")
    assert ",".join(header) == "layer,direction,t,batch,valid,line,op,unit,value"
    by_op: dict[str, dict[tuple[str, ...], float]] = {}
    for layer, direction, t, b, valid, line, op, unit, value in found:
        assert valid == ("" if t == "" else "1" if int(t) < [4, 2][int(b)] else "0")
        by_op.setdefault(op, {})[(layer, direction, t, b, line, unit)] = float(value)
    for scope, parameters in trace.parameters.items():
        layer, direction = scope.split("/")
        for name, array in parameters.items():
            matrix = array.reshape(len(array), -1)
            for j, k in np.ndindex(matrix.shape):
                line = name if array.ndim == 1 else f"{name}[:,{k}]"
                assert by_op["parameter"].pop((layer, direction, "", "", line, str(j))) == matrix[j, k]
    for t, b, k in np.ndindex(trace.x.shape):
        assert by_op["input"].pop(("", "", str(t), str(b), "x_t", str(k))) == trace.x[t, b, k]
    assert [by_op["input"].pop(("", "", "", str(b), "lengths", "0")) for b in range(2)] == [4, 2]
    for scope, initial in trace.initial.items():
        for name, array in initial.items():
            for b, j in np.ndindex(array.shape):
                key = (*scope.split("/"), "", str(b), {"h_prev": "h0", "c_prev": "c0"}[name], str(j))
                assert by_op["initial"].pop(key) == array[b, j]
    assert set(by_op["given"].values()) == {0.5}
    assert len(by_op["given"]) == 24
    assert not by_op["parameter"]
    assert not by_op["input"]
    assert not by_op["initial"]
    lines = [row for row in found if row[6] not in ("parameter", "input", "initial", "given")]
    assert [float(row[8]) for row in lines] == [row[7] for row in expected(trace, padding=True)]


# -- spreadsheets ------------------------------------------------------------------------------------------------------


def odd() -> Any:
    """A trace whose line names are what a spreadsheet would run, or must be quoted."""
    equations = "h_t = -x_t * clip(x_t, -1, 1)\noutput: h_t"
    return lt.run({}, [[0.5], [-2.0]], cell={"equations": equations})


def test_excel_is_marked_and_guarded(tmp_path: Path) -> None:
    export(ExportJob(odd(), dialect="excel"), tmp_path / "x.csv")
    content = (tmp_path / "x.csv").read_bytes()
    assert content.startswith(b"\xef\xbb\xbflayer,")
    assert content.count(b"\r\n") == content.count(b"\n") == 7
    assert content.endswith(b"\r\n")
    rows = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))[1:]
    assert [row[4] for row in rows] == ["'-x_t", "clip(x_t, -1, 1)", "h_t"] * 2
    assert [row[7] for row in rows] == ["-0.5", "0.5", "-0.25", "2.0", "-1.0", "-2.0"]


def test_excel_eu(tmp_path: Path) -> None:
    export(ExportJob(odd(), "wide", all_lines=True, dialect="excel-eu"), tmp_path / "x.csv")
    lines = (tmp_path / "x.csv").read_bytes().decode("utf-8-sig").split("\r\n")
    assert lines[0] == "layer;direction;t;batch;'-x_t[0];clip(x_t, -1, 1)[0];h_t[0]"
    assert lines[1] == "0;forward;0;0;-0,5;0,5;-0,25"


def test_plain_has_no_formula_either(tmp_path: Path) -> None:
    export(ExportJob(odd()), tmp_path / "x.csv")
    assert [row[4] for row in rows_of(tmp_path / "x.csv")[1:4]] == ["'-x_t", "clip(x_t, -1, 1)", "h_t"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_text_can_be_a_formula(start: str) -> None:
    shown = start.replace("\r", "\ufffd")  # a carriage return alone is not printed
    for style in DIALECTS.values():
        assert text_tables._csv_text(f"{start}1+1", style) == f"'{shown}1+1"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_label_is_no_formula(tmp_path: Path, dialect: str) -> None:
    trace = lt.with_tokens(odd(), ["=cmd|A0!x", "a"])
    export(ExportJob(trace, dialect=dialect), tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_bytes().decode("utf-8-sig")
    first = next(csv.DictReader(io.StringIO(text, newline=""), delimiter=DIALECTS[dialect].separator))
    assert "'=cmd|A0!x" in first.values()


def test_worked(tmp_path: Path) -> None:
    export(ExportJob(lt.run(QUESTION_19), "worked", dialect="excel"), tmp_path / "x.csv")
    content = (tmp_path / "x.csv").read_bytes().decode("utf-8-sig")
    assert "\n" not in content.replace("\r\n", "")
    header, first, *rest = list(csv.reader(io.StringIO(content, newline="")))
    assert ",".join(header) == "layer,direction,t,batch,line,unit,symbol,formula,substituted,value"
    assert first[:6] == ["0", "forward", "0", "0", "W_xi @ x_t", "0"]
    assert first[8] == "(-1.0)(1.0) + (0.0)(2.0) + (0.2)(3.0)"
    assert float(first[9]) == pytest.approx(-0.4, abs=1e-15)
    negative = next(row for row in rest if row[4] == "z_i")
    assert negative[8].startswith("'-0.")
    assert len(rest) == 7


# -- selection, streaming, faults --------------------------------------------------------------------------------------


def test_selection(tmp_path: Path) -> None:
    trace = stacked()
    chosen = Selection(only=("h_t", "y_t"), layer=1, direction="reverse", steps=slice(1, 3), batch=1, unit=2)
    export(ExportJob(trace, selection=chosen), tmp_path / "x.csv")
    wanted = [
        row for row in expected(trace)
        if row[:2] == (1, "reverse") and row[2] in (1, 2) and row[3] == 1 and row[4] in ("h_t", "y_t") and row[6] == 2
    ]  # fmt: skip
    assert [tuple(row[:7]) for row in rows_of(tmp_path / "x.csv")[1:]] == [tuple(map(str, row[:7])) for row in wanted]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"only": "h_tt"}, "no line 'h_tt'; did you mean 'h_t'?"),
        ({"only": "W_xi"}, "'W_xi' is a premise"),
        ({"steps": slice(4, None)}, "steps 4: is not in the trace: T = 4, so 0 to 3"),
        ({"batch": 2}, "no batch row 2: the trace has 0 to 1"),
        ({"layer": 2}, "layer 2 is not among 0/forward, 0/reverse, 0/joined"),
        ({"unit": 6}, "units 0 to 2"),
    ],
)
def test_a_selection_that_is_not_there(tmp_path: Path, chosen: dict[str, Any], message: str) -> None:
    where = {} if "layer" in chosen else {"layer": 1, "direction": "forward"}
    with pytest.raises(MissingError):
        export(ExportJob(stacked(), selection=Selection(**where, **chosen)), tmp_path / "x.csv")
    with pytest.raises(MissingError) as caught:
        stacked().to_frame(**where, **chosen)
    assert message in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.few(0)
def test_memory_is_bounded_by_the_piece(tmp_path: Path) -> None:
    trace = stacked(3000, 1, 1, 4, ("forward",))
    export(ExportJob(trace, selection=Selection(steps=0)), tmp_path / "warm.csv")
    tracemalloc.start()
    export(ExportJob(trace), tmp_path / "x.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "x.csv").stat().st_size > 12_000_000
    assert peak < 4_000_000


@pytest.mark.parametrize("name", ["x.ods", "x", "x.csv.gz"])
def test_an_unknown_suffix_is_refused_with_the_list(tmp_path: Path, name: str) -> None:
    result = cli("missing.yaml", "-o", tmp_path / name)  # refused before the source is even read
    assert result.exit_code == 2
    assert ", ".join(TABLE_FORMATS) in result.output


def test_requests_that_do_not_fit() -> None:
    trace = lt.run(QUESTION_19)
    for job, message in (
        (ExportJob(trace, "wider"), "no shape 'wider'; did you mean 'wide'?"),
        (ExportJob(trace, "worked", with_inputs=True), "is for the shapes long and wide"),
        (ExportJob(trace, dialect="exel"), "no dialect 'exel'; did you mean 'excel'?"),
    ):
        with pytest.raises(OptionError) as caught:
            export(job, "x.csv")
        assert message in str(caught.value)
    with pytest.raises(OptionError, match=r"is for \.csv and \.tsv"):
        export(ExportJob(trace, dialect="excel"), "x.parquet")


def test_nothing_half_written(tmp_path: Path) -> None:
    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(ExportJob(stacked(), progress=stop), tmp_path / "x.csv")
    assert not list(tmp_path.iterdir())
    with pytest.raises(FileError, match="no such file"):
        export(ExportJob(stacked()), tmp_path / "folder" / "x.csv")


# -- the command -------------------------------------------------------------------------------------------------------


def test_command_takes_a_problem_or_a_trace(tmp_path: Path) -> None:
    problem, trace = tmp_path / "p.json", tmp_path / "t.json"
    problem.write_text(json.dumps(QUESTION_19))
    lt.run(QUESTION_19).save(trace)
    for source in (problem, trace):
        result = cli(source)
        assert result.exit_code == 0
        assert [row.split(",")[:7] for row in result.stdout.splitlines()] == [
            row.split(",")[:7] for row in GOLDEN.splitlines()
        ]
        assert not result.stderr


def test_command_options(tmp_path: Path) -> None:
    stacked(lengths=[4, 2]).save(tmp_path / "t.json")
    out = tmp_path / "out.tsv"
    wanted = [
        "--only",
        "where(valid, h_t, h_prev),y_t",
        "--layer",
        0,
        "--direction",
        "forward",
        "--t",
        "1:3",
        "--unit",
        1,
    ]
    assert cli(tmp_path / "t.json", "-o", out, *wanted).exit_code == 0
    found = rows_of(out, delimiter="\t")[1:]
    assert [row[2:5] for row in found] == [
        [str(t), str(b), line] for t, b in ((1, 0), (1, 1), (2, 0)) for line in ("y_t", "where(valid, h_t, h_prev)")
    ]
    result = cli(tmp_path / "t.json", "--shape", "wide", "--dialect", "excel-eu", "--only", "c_t")
    assert result.stdout_bytes.startswith(b"\xef\xbb\xbflayer;direction;t;batch;c_t[0];")
    assert cli(tmp_path / "t.json", "--only", "h_x").exit_code == 2
    assert cli(tmp_path / "t.json", "--with-inputs", "--shape", "worked").exit_code == 2


def test_a_bar_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    from lstm_trace.cli import terminal

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(terminal, "PATIENCE", -1.0)
    for stream, drawn in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr("sys.stderr", stream)
        with terminal.ProgressBar("writing", "rows", 10) as bar:
            bar.advance(4)
            assert (bar._shown is not None) is drawn
        assert bool(stream.getvalue()) is drawn


def test_the_table_of_formats_names_every_suffix() -> None:
    rows = TEXTS["formats"]().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(TABLE_FORMATS)
    assert all(each.media and each.about for each in TABLE_FORMATS.values())
    assert all(callable(import_module(f"lstm_trace.export.{each.writer}").write) for each in TABLE_FORMATS.values())
