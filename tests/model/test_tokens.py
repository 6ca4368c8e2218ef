"""Labels of steps on their way in: from Python, problems, files and tables; kept in both file formats."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.engine.run import rerun
from lstm_trace.errors import FileError, LstmTraceError, ShapeError
from lstm_trace.model.tokens import TokenText, read_tokens, step_rows
from lstm_trace.trace.labels import step_labels
from lstm_trace.trace.window import rows as some_rows

RNG = np.random.default_rng(3)
T, B, I, H = 4, 2, 3, 2  # noqa: E741
WEIGHTS = {f"W_x{g}": RNG.normal(size=(H, I)) for g in "ifco"} | {f"W_h{g}": RNG.normal(size=(H, H)) for g in "ifco"}
MODEL = lt.prepare(WEIGHTS)
BATCH, ALONE = RNG.normal(size=(T, B, I)), RNG.normal(size=(T, I))
WORDS = ["the", "cat", "sat", "."]
ROWS = [["the", "cat", "sat", "."], ["it", "is", "so", "!"]]
PLAIN = {name: a.tolist() for name, a in WEIGHTS.items()}


def labels(trace: lt.Trace) -> list[list[str]]:
    return [list(step_labels(trace, b)) for b in range(trace.batch)]


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        (WORDS, [WORDS, WORDS]),
        (tuple(WORDS), [WORDS, WORDS]),
        (np.array(WORDS), [WORDS, WORDS]),
        (ROWS, ROWS),
        (np.array(ROWS), ROWS),
        ("cats", [list("cats")] * 2),
        (range(1, 5), [["1", "2", "3", "4"]] * 2),
        ([1.5, 2.0, float("nan"), None], [["1.5", "2", "", ""]] * 2),
        (np.array([0.1, 1e-9, 3, 0.25], np.float32), [["0.1", "1e-09", "3", "0.25"]] * 2),
        (np.arange("2024-02-27", "2024-03-02", dtype="datetime64[D]"),
         [["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"]] * 2),
        (np.datetime64("2024-02-27T06:30", "ns") + np.arange(4) * np.timedelta64(1, "h"),
         [["2024-02-27 06:30", "2024-02-27 07:30", "2024-02-27 08:30", "2024-02-27 09:30"]] * 2),
        ([datetime.time(6, 30), datetime.date(2024, 1, 5), True, "x"], [["06:30:00", "2024-01-05", "true", "x"]] * 2),
    ],
)  # fmt: skip
def test_labels_in_python(tokens: Any, expected: list[list[str]]) -> None:
    trace = MODEL.run(BATCH, tokens=tokens)
    assert labels(trace) == expected
    assert labels(lt.with_tokens(MODEL.run(BATCH), tokens)) == expected
    assert (trace["h_t"] == MODEL.run(BATCH)["h_t"]).all()


def test_labels_of_pandas() -> None:
    pd = pytest.importorskip("pandas")
    days = pd.date_range("2024-01-30", periods=T)
    expected = [["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]]
    assert labels(MODEL.run(ALONE, tokens=days)) == labels(MODEL.run(ALONE, tokens=pd.Series(days))) == expected
    assert labels(MODEL.run(ALONE, tokens=pd.Series(["a", None, "b", "c"]))) == [["a", "", "b", "c"]]


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (["a"], "tokens has 1 label; expected one for each of the T = 4 steps"),
        (["a"] * 5, "tokens has 5 labels; expected one for each of the T = 4 steps"),
        ([], "tokens has 0 labels; expected one for each of the T = 4 steps"),
        (["a", "b"], "tokens has 2 labels; expected one for each of the T = 4 steps; for a label of its own in each of "
                     "the B = 2 rows give a list of lists"),
        ("cat", "tokens has 3 characters; expected one for each of the T = 4 steps"),
        ([WORDS] * 3, "tokens has 3 rows of labels; expected one for each of the B = 2 rows"),
        ([WORDS, ["a"]], "tokens[1] has 1 label; expected one for each of the T = 4 steps"),
        ([WORDS, "cats"], "tokens: expected a list at [1], as at the others, found the text 'cats'"),
        (5, "tokens: expected a list, as in [a, b], found 5"),
        ({"a": 1}, "tokens: expected a list, as in [a, b], found a mapping"),
        (["a", b"b", "c", "d"], "tokens: expected text, a number or a date at [1], found b'b'"),
        (np.zeros((4, 2, 1)), "tokens: expected a label at [0,0], found a list; a label for each step, or a list "
                              "of them for each row, and no deeper"),
        ([WORDS, ["a", ["b"], "c", "d"]], "tokens: expected a list at [0], as at the others, found the text 'a'"),
        (["a", "\ud800", "c", "d"], "tokens: \\ud800 is half of a character; write the character itself"),
        (["a", "b", "c" * 1001, "d"], "tokens: the label at [2] has 1,001 characters; expected at most 1,000"),
        ([WORDS, ["a", "c" * 4000, "", ""]], "tokens: the label at [1,1] has 4,000 characters; expected at most 1,000"),
    ],
)  # fmt: skip
def test_labels_that_do_not_fit(tokens: Any, message: str) -> None:
    for run in (lambda: MODEL.run(BATCH, tokens=tokens), lambda: lt.with_tokens(MODEL.run(BATCH), tokens)):
        with pytest.raises(ShapeError) as error:
            run()
        assert str(error.value) == message


def test_padding_may_have_labels_or_none() -> None:
    short = MODEL.run(BATCH, lengths=[3, 1], tokens=[["a", "b", "c"], ["d"]])
    assert labels(short) == [["a", "b", "c", ""], ["d", "", "", ""]]
    assert labels(MODEL.run(BATCH, lengths=[3, 1], tokens=ROWS)) == ROWS
    mask = np.array([[0, 1], [1, 0], [0, 1], [1, 1]])
    assert labels(MODEL.run(BATCH, mask=mask, tokens=[["a", "b"], ["c", "d", "e"]])) == [
        ["", "a", "", "b"], ["c", "", "d", "e"],
    ]  # fmt: skip
    assert labels(lt.with_tokens(MODEL.run(BATCH, mask=mask), [["a", "b"], ["c", "d", "e"]]))[0] == ["", "a", "", "b"]
    with pytest.raises(ShapeError, match=r"tokens\[1\] has 2 labels; .* T = 4 steps, or for each of the 1 valid step$"):
        MODEL.run(BATCH, lengths=[3, 1], tokens=[["a", "b", "c"], ["d", "e"]])


PROBLEM = {"weights": PLAIN, "x": ALONE.tolist(), "names": {"t": WORDS}}


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
@pytest.mark.parametrize("tokens", [WORDS, ROWS])
def test_files_keep_them(suffix: str, tokens: Any, tmp_path: Path) -> None:
    trace = MODEL.run(BATCH, tokens=tokens)
    trace.save(tmp_path / f"t.{suffix}")
    found = lt.load(tmp_path / f"t.{suffix}")
    assert found.header.step_labels == trace.header.step_labels
    assert labels(found) == labels(trace)
    assert lt.verify(found).verdict == "verified"


def test_a_stream_keeps_them(tmp_path: Path) -> None:
    MODEL.run(BATCH, tokens=ROWS, out=tmp_path / "t.safetensors")
    assert labels(lt.load(tmp_path / "t.safetensors")) == ROWS
    MODEL.run(BATCH, tokens=ROWS, record={"steps": slice(1, 3)}, out=tmp_path / "t.safetensors")
    assert labels(lt.load(tmp_path / "t.safetensors")) == [row[1:3] for row in ROWS]


def test_parts_of_a_trace_keep_them(tmp_path: Path) -> None:
    trace = MODEL.run(BATCH, tokens=ROWS)
    part = trace.at(steps=slice(1, 3))
    assert labels(part) == [row[1:3] for row in ROWS]
    part.save(tmp_path / "part.json")
    assert labels(lt.load(tmp_path / "part.json")) == [row[1:3] for row in ROWS]
    assert labels(some_rows(trace, slice(1, 2))) == [ROWS[1]]
    asked = MODEL.run(BATCH, tokens=ROWS, ask="1/0/h_t[0]")
    assert asked.header.step_labels == tuple(tuple(row[:2]) for row in ROWS)
    asked.save(tmp_path / "asked.json")
    assert labels(lt.load(tmp_path / "asked.json")) == [row[:2] for row in ROWS]
    assert labels(lt.backward(trace, of="2/1/h_t[0]")) == ROWS


def test_a_run_again_keeps_them() -> None:
    trace = MODEL.run(BATCH, tokens=ROWS)
    assert labels(lt.edit(trace, {"0/0/x_t[0]": 0.5})) == ROWS
    assert labels(lt.edit(trace, {}, equations="h_t = tanh(W_xi @ x_t)\noutput: h_t")) == ROWS
    assert labels(lt.run(lt.problem(trace))) == ROWS
    assert lt.problem(MODEL.run(ALONE, tokens=WORDS))["names"] == {"t": WORDS}
    assert rerun(trace, x=np.repeat(BATCH, 2, axis=1)[:, :3], initial={
        "0/forward": {name: np.zeros((3, H)) for name in trace.initial["0/forward"]}
    }).header.step_labels == ()  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), [(3, [row[:3] for row in ROWS]), (6, [[*row, "", ""] for row in ROWS])])
def test_an_edited_input_of_another_length_keeps_the_labels_of_its_steps(steps: int, expected: Any) -> None:
    trace = MODEL.run(BATCH, tokens=ROWS)
    assert labels(lt.edit(trace, {"x": RNG.normal(size=(steps, B, I))})) == expected
    cell = {"equations": "h_t = tanh(W_xi @ x_t)\noutput: h_t"}  # no state says how many rows there are
    trace = lt.run({"W_xi": WEIGHTS["W_xi"]}, BATCH, cell=cell, tokens=ROWS)
    assert labels(lt.edit(trace, {"x": RNG.normal(size=(steps, 3, I))})) == [*expected, [""] * steps]
    assert labels(lt.edit(trace, {"x": RNG.normal(size=(steps, 1, I))})) == expected[:1]


def test_labels_of_a_problem_are_those_of_its_own_input() -> None:
    assert labels(lt.run(PROBLEM)) == [WORDS]
    assert labels(lt.run(PROBLEM, tokens="cats")) == [list("cats")]
    assert lt.run(PROBLEM, ALONE[:2]).header.step_labels == ()
    model = lt.prepare({key: value for key, value in PROBLEM.items() if key != "x"})
    assert labels(model.run(ALONE)) == [WORDS]
    with pytest.raises(ShapeError, match=r"names\.t has 4 labels; expected one for each of the T = 2 steps"):
        model.run(ALONE[:2])
    batch = {**PROBLEM, "x": BATCH.tolist(), "names": {"x": ["a", "b", "c"], "t": ROWS}}
    assert labels(lt.run(batch)) == ROWS
    assert lt.run(batch, arithmetic="by-hand-3").header.step_labels == tuple(map(tuple, ROWS))


def test_a_run_into_another_trace_takes_the_new_labels() -> None:
    trace = MODEL.run(ALONE, tokens=WORDS)
    assert labels(MODEL.run(ALONE, tokens="cats", out=trace)) == [list("cats")]
    assert MODEL.run(ALONE, out=MODEL.run(ALONE, tokens=WORDS)).header.step_labels == ()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"t": ["May", 1, 2, 3]}, "names.t: expected text at [1], found 1; write it in quotes"),
        ({"t": ["a", "b", False, "c"]}, "names.t: expected text at [2], found false; write it in quotes"),
        ({"t": [["a"], ["b", None]]}, "names.t: expected text at [1,1], found nothing"),
        ({"t": "cats"}, "names.t: expected a list, as in [a, b], found the text 'cats'"),
        ({"t": [["a"], "b"]}, "names.t: expected a list at [1], as at the others, found the text 'b'"),
        ({"x": [["a"], ["b"]]}, "names: x has a list for each row of the batch, which only t may have; write one list"),
        ({"t": ["a"]}, "names.t has 1 label; expected one for each of the T = 4 steps"),
        ({"t": [["a"], ["b"]]}, "names.t has 2 rows of labels; expected one for each of the B = 1 rows"),
    ],
)
def test_wrong_labels_in_a_problem(names: dict[str, Any], message: str) -> None:
    with pytest.raises(LstmTraceError) as error:
        lt.run({**PROBLEM, "names": names})
    assert str(error.value) == f"the problem: {message}"


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"t": ROWS * 2}, "names.t has 4 rows; expected one, or one for each of the B = 2"),
        ({"t": [["a"] * 5]}, "names.t has a row of 5 labels; expected 4, one for each step"),
        ({"t": [["a"]]}, "names.t has a row of 1 label; expected 4, one for each step"),
        ({"t": [["a", 1]]}, "names.t: expected text at [0,1], found 1; write it in quotes"),
    ],
)
def test_a_damaged_trace_is_refused(names: Any, message: str, tmp_path: Path) -> None:
    MODEL.run(BATCH, tokens=ROWS).save(tmp_path / "t.json")
    data = json.loads((tmp_path / "t.json").read_text("utf-8"))
    assert data["names"] == {"t": ROWS}
    (tmp_path / "t.json").write_text(json.dumps({**data, "names": names}), "utf-8")
    with pytest.raises(FileError) as error:
        lt.load(tmp_path / "t.json")
    assert str(error.value) == f"{tmp_path / 't.json'}: {message}"


def test_a_row_that_ends_early_has_empty_labels() -> None:
    trace = MODEL.run(ALONE)
    trace = replace(trace, header=replace(trace.header, step_labels=(("a",),)))
    assert list(step_labels(trace)) == ["a", "", "", ""]
    assert lt.problem(trace)["names"] == {"t": ["a", "", "", ""]}


def test_labels_of_a_window_say_which_steps_it_has() -> None:
    window = MODEL.run(ALONE, record={"steps": slice(1, 3)})
    assert labels(lt.with_tokens(window, WORDS[:3])) == [["cat", "sat"]]
    with pytest.raises(ShapeError) as error:
        lt.with_tokens(window, WORDS)
    told = "the trace holds steps 1 to 2 of its input alone: give labels for 0 to 2, and leave later ones out"
    assert str(error.value) == f"tokens has 4 labels; expected one for each of the T = 3 steps ({told})"
    with pytest.raises(ShapeError, match="the trace holds steps 1 to 2 of its input alone"):
        lt.with_tokens(window, TokenText("w.txt", "\n".join(WORDS)))


# -- the text of a file ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps", "batch", "expected"),
    [
        ("the\ncat\nsat\n.\n", 4, 1, [["the", "cat", "sat", "."]]),
        ("the\ncat\nsat\n.", 4, 2, [["the", "cat", "sat", "."]]),
        ("a\n\n b\n\n", 4, 1, [["a", "", " b", ""]]),
        ("cats\n", 4, 1, [["c", "a", "t", "s"]]),
        ("ab\nc\n", 4, 1, [["a", "b", "\n", "c"]]),
        ("cat\n", 4, 1, [["c", "a", "t", "\n"]]),
        ("x", 1, 1, [["x"]]),
        ("the\ncat\n\nit\nis\n", 2, 2, [["the", "cat"], ["it", "is"]]),
        ("the\ncat\n \n\nit\nis", 2, 2, [["the", "cat"], ["it", "is"]]),
        ("cat\ndog\n", 3, 2, [["c", "a", "t"], ["d", "o", "g"]]),
        ("ab\ncd\n", 2, 2, [["ab", "cd"]]),  # T lines come first
        ("ကို", 4, 1, [["က", "ိ", "ု"]]),  # three code points
    ],
)  # fmt: skip
def test_the_forms_of_a_text(text: str, steps: int, batch: int, expected: list[list[str]]) -> None:
    steps = len(expected[0]) if text == "ကို" else steps
    assert [list(row) for row in step_rows(TokenText("w.txt", text), steps, batch)] == expected


def test_rows_of_other_lengths_in_a_text() -> None:
    valid = np.arange(3)[:, None] < np.array([3, 1])
    for text in ("a\nb\nc\n\nd\n", "abc\nd\n"):
        assert step_rows(TokenText("w.txt", text), 3, 2, valid) == (("a", "b", "c"), ("d", "", ""))
    assert step_rows(TokenText("w.txt", "a\nb\n"), 3, 1, valid[:, :1] & [[1], [1], [0]]) == (("a", "b", ""),)


@pytest.mark.parametrize(
    ("text", "batch", "message"),
    [
        ("a\nb\nc\n", 1, "w.txt has 3 lines and 5 characters, and the input has T = 4 steps: write a label for each "
                         "step, one a line, or one text of 4 characters"),
        ("abcdefg", 2, "w.txt has 1 line and 7 characters, and the input has T = 4 steps and B = 2 sequences: write a "
                       "label for each step, one a line (or a block of lines for each sequence, with blank lines "
                       "between), or one text of 4 characters"),
    ],
)  # fmt: skip
def test_a_text_that_does_not_fit(text: str, batch: int, message: str) -> None:
    with pytest.raises(ShapeError) as error:
        step_rows(TokenText("w.txt", text), 4, batch)
    assert str(error.value) == message


LABELS = st.lists(st.text(max_size=6), min_size=T, max_size=T)


@pytest.mark.few(0)
@settings(deadline=None, derandomize=True, max_examples=60)
@given(LABELS)
def test_any_text_is_kept(tmp_path_factory: pytest.TempPathFactory, words: list[str]) -> None:
    folder = tmp_path_factory.mktemp("labels")
    trace = MODEL.run(ALONE, tokens=words)
    for name in ("t.json", "t.safetensors"):
        trace.save(folder / name)
        assert labels(lt.load(folder / name)) == [words]
    (folder / "w.json").write_text(json.dumps(words), "utf-8")
    assert read_tokens(folder / "w.json") == words
    lines = [word.replace("\r", "").replace("\n", "") for word in words]
    (folder / "w.txt").write_bytes(("\n".join(lines) + "\n").encode("utf-8-sig"))
    assert step_rows(read_tokens(folder / "w.txt"), T, 1) == (tuple(lines),)
    assert labels(lt.run(lt.problem(trace))) == [words]


# -- the command line ------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("m.npz", **WEIGHTS)
    np.save("x.npy", ALONE)
    np.savez("xs.npz", x=ALONE, words=np.array(WORDS))
    Path("w.txt").write_text("\n".join(WORDS) + "\n", "utf-8")
    Path("w.json").write_text(json.dumps(WORDS), "utf-8")
    Path("p.json").write_text(json.dumps({"weights": PLAIN, "x": ALONE.tolist()}), "utf-8")
    table = [["sun", "date", "wind", "no", "rain"]]
    for t, (sun, wind, rain) in enumerate(ALONE.tolist()):
        table.append([repr(sun), f"2024-01-0{t + 1}", repr(wind), "7", repr(rain)])
    Path("x.csv").write_text("\n".join(map(",".join, table)) + "\n", "utf-8")
    Path("x.x.json").write_text(json.dumps({"x": ALONE.tolist(), "words": WORDS, "years": [1, 2, 3, 4]}), "utf-8")
    return tmp_path


def run(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(main, arguments, input=stdin)


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "m.npz", "--input", "x.npy", "--tokens", "w.txt"],
        ["run", "m.npz", "--input", "x.npy", "--tokens", "w.json"],
        ["run", "m.npz", "--input", "x.npy", "--tokens", "-"],
        ["run", "m.npz", "--input", "xs.npz", "--token-column", "words"],
        ["run", "m.npz", "--input", "x.x.json", "--token-column", "words"],
        ["run", "p.json", "--tokens", "w.txt"],
        ["run", "p.json", "--input", "x.npy", "--tokens", "w.txt"],
    ],
)
def test_commands_take_labels(folder: Path, arguments: list[str]) -> None:
    if arguments[3] == "xs.npz":
        arguments += ["--key", "x"]
    found = run(*arguments, stdin="\n".join(WORDS))
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["names"]["t"] == [WORDS]


def test_a_column_with_labels_is_no_input(folder: Path) -> None:
    found = run("run", "m.npz", "--input", "x.csv", "--token-column", "date", "--key", "sun,wind,rain")
    data = json.loads(found.stdout)
    assert data["names"] == {"x": ["sun", "wind", "rain"], "t": [[f"2024-01-0{t}" for t in range(1, 5)]]}
    np.testing.assert_array_equal(data["inputs"]["x"], ALONE[:, None])
    Path("y.csv").write_text(Path("x.csv").read_text("utf-8").replace(",no,", ",").replace(",7,", ","), "utf-8")
    assert json.loads(run("run", "m.npz", "--input", "y.csv", "--token-column", "date").stdout) == data
    years = run("run", "m.npz", "--input", "x.x.json", "--token-column", "years")
    assert json.loads(years.stdout)["names"]["t"] == [["1", "2", "3", "4"]]


def test_a_column_of_a_parquet_table(folder: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    days = [datetime.datetime(2024, 1, day) for day in range(1, 5)]
    columns = {name: ALONE[:, k] for k, name in enumerate(("sun", "wind", "rain"))}
    parquet.write_table(pa.table({"day": days, **columns, "word": [*WORDS[:3], None], "n": [1, 2, 3, 4]}), "x.parquet")
    for column, expected in (
        ("day", ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
        ("word", [*WORDS[:3], ""]),
        ("n", ["1", "2", "3", "4"]),
    ):
        found = run("run", "m.npz", "--input", "x.parquet", "--key", "sun,wind,rain", "--token-column", column)
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout)["names"]["t"] == [expected]
    found = run("run", "m.npz", "--input", "x.parquet", "--token-column", "day")
    assert found.exit_code == 2
    assert "columns that are not numbers: word (string); choose others with --key" in found.stderr


@pytest.mark.few(0)
def test_commands_put_labels_to_a_trace(folder: Path) -> None:
    assert run("run", "m.npz", "--input", "x.npy", "-o", "t.json").exit_code == 0
    for arguments in (
        ["show", "t.json"], ["report", "t.json"], ["export", "t.json"], ["diff", "t.json", "t.json"],
        ["explain", "memory", "t.json", "--of", "3/c_t[0]"], ["show", "p.json"], ["diff", "t.json", "p.json"],
        ["report", "p.json"], ["export", "p.json"], ["explain", "gates", "p.json"],
    ):  # fmt: skip
        assert run(*arguments, "--tokens", "w.txt").exit_code == 0, arguments
        Path("few.txt").write_text("a\n", "utf-8")
        few = run(*arguments, "--tokens", "few.txt")
        assert few.exit_code == 2, arguments
        assert few.stdout == ""
        assert few.stderr.strip().count("\n") == 0
        assert "few.txt has 1 line and 1 character, and the input has T = 4 steps" in few.stderr


@pytest.mark.few(6)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["m.npz", "--input", "x.csv", "--token-column", "day"],
         "x.csv: no column 'day' for --token-column; there are sun, date, wind, no, rain"),
        (["m.npz", "--input", "x.csv", "--token-column", "date", "--key", "date,sun,wind"],
         "--key and --token-column both name date"),
        (["m.npz", "--input", "x.csv"],
         "x.csv: row 2, date: expected a number, found '2024-01-01'; labels of the steps? --token-column 'date'"),
        (["m.npz", "--input", "x.npy", "--token-column", "date"], "--token-column date chooses by name"),
        (["m.npz", "--input", "xs.npz", "--token-column", "word"],
         "xs.npz: no array 'word' for --token-column; did you mean 'words'?"),
        (["m.npz", "--input", "xs.npz", "--key", "x", "--token-column", "word"],
         "xs.npz: no array 'word' for --token-column; did you mean 'words'?"),
        (["p.json", "--token-column", "date"],
         "--token-column names a column of --input: give an array with --input X"),
        (["m.npz", "--input", "x.csv", "--token-column", "date", "--tokens", "w.txt"],
         "--tokens and --token-column both set the labels of the steps: leave one of them out"),
        (["m.npz", "--input", "-", "--tokens", "-"], "standard input, -, can be read only once"),
        (["m.npz", "--input", "x.npy", "--tokens", "none.txt"], "none.txt: "),
        (["m.npz", "--input", "x.npy", "--tokens", "empty.txt"], "empty.txt: the file is empty"),
        (["m.npz", "--input", "x.npy", "--tokens", "vast.txt"],
         "vast.txt: 67,108,865 bytes; text files up to 67,108,864 are read; give a label for each step"),
        (["m.npz", "--input", "x.npy", "--tokens", "/dev/zero"], "/dev/zero: more than 67,108,864 bytes"),
        (["m.npz", "--input", "x.npy", "--tokens", "latin.txt"], "latin.txt: not UTF-8 (byte 0); save it as UTF-8"),
        (["m.npz", "--input", "x.npy", "--tokens", "n.json"],
         "n.json: expected text at [0], found 1; write it in quotes"),
        (["m.npz", "--input", "x.npy", "--tokens", "m.json"], "m.json: expected a list, as in [a, b], found a mapping"),
    ],
)  # fmt: skip
def test_what_cannot_be_labels(folder: Path, arguments: list[str], message: str) -> None:
    Path("empty.txt").touch()
    with open("vast.txt", "wb") as file:
        file.truncate((1 << 26) + 1)
    Path("latin.txt").write_bytes(b"\xe9t\xe9s")
    Path("n.json").write_text("[1, 2, 3, 4]", "utf-8")
    Path("m.json").write_text("{}", "utf-8")
    found = run("run", *arguments, "-o", "out.json")
    assert (found.exit_code, found.stdout) == (2, "")
    assert message in found.stderr
    assert found.stderr.count("rror: ") == 1
    assert not Path("out.json").exists()


def test_standard_input_is_read_once_and_tokens_are_for_one_source(folder: Path) -> None:
    assert "can be read only once" in run("show", "-", "--tokens", "-").stderr
    assert "--tokens applies to one SOURCE, and there are 2: write one at a time" in run(
        "report", "p.json", "p.json", "--tokens", "w.txt"
    ).stderr  # fmt: skip


@pytest.mark.parametrize("form", ["json", "txt"])
def test_a_label_of_a_file_is_not_as_long_as_the_file(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"words.{form}"
    words = ["a", "b" * 1000, "c" * 1001, "d"]
    path.write_text(json.dumps(words) if form == "json" else "\n".join(words))
    with pytest.raises(LstmTraceError) as error:
        MODEL.run(BATCH, tokens=read_tokens(path))
    (problem,) = error.value.problems
    told = {
        "json": "expected text of at most 1,000 characters at [2], found 1,001 characters",
        "txt": "the label at [2] has 1,001 characters; expected at most 1,000",
    }
    assert problem == f"{path}: {told[form]}"
