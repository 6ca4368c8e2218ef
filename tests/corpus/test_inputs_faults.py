"""What is wrong with an input, and what is said of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow")

import pyarrow.parquet as pq  # noqa: E402

from lstm_trace.corpus.inputs import forms, opened, table_file  # noqa: E402
from lstm_trace.corpus.rows import Rows, cut  # noqa: E402
from lstm_trace.errors import LstmTraceError  # noqa: E402

NAN, INF = float("nan"), float("inf")


def read(inputs: Any, width: int | None, folder: Path, **reading: Any) -> list[Rows]:
    source = opened(inputs, width, folder, **reading)
    return [source.read(span) for span in cut(source.index(), 3)]


def told(inputs: Any, width: int | None, folder: Path, **reading: Any) -> str:
    """The one message for an input that is wrong."""
    with pytest.raises(LstmTraceError) as raised:
        read(inputs, width, folder, **reading)
    assert len(raised.value.problems) == 1
    assert not [one for one in folder.glob("*") if "-" not in one.name]  # nothing is half written
    return str(raised.value)


def steps(**changed: Any) -> Any:
    columns = {"seq_id": [7, 7, 7, 8, 8], "t": [0, 1, 2, 0, 1], "token": list("abcde"), "y": [1, 2, 3, 4, 5]}
    columns["x"] = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0], [9.0, 0.5]]
    return pa.table({name: v for name, v in {**columns, **changed}.items() if v is not None})


def x(at: int, value: Any) -> Any:
    """The steps with another x at one of them."""
    values = steps().column("x").to_pylist()
    values[at] = value
    return steps(x=values)


def whole(**changed: Any) -> Any:
    columns = {"seq_id": ["a", "b"], "x": [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]], "token": [["u", "v"], ["w"]]}
    return pa.table({**columns, **changed})


def not_utf8() -> Any:
    ends = pa.py_buffer(np.arange(6, dtype=np.int32))
    return pa.Array.from_buffers(pa.string(), 5, [None, ends, pa.py_buffer(b"ab\xffde")])


PARQUET: list[tuple[Any, str]] = [
    (
        steps(seq_id=None),
        "there is no column 'seq_id', which says which sequence a row belongs to; there are t, token, y, x",
    ),
    (steps(seq_id=[7, 7, 8, 7, 7], t=[0, 1, 0, 2, 3]), "the sequence 7 is in two places; sort the rows by sequence"),
    (steps(seq_id=[7, 7, None, 8, 8]), "row 2: seq_id is empty; expected a value in every row"),
    (steps(seq_id=[0.5, 0.5, 0.5, 1.0, 1.0]), "seq_id has the type double; expected whole numbers or texts"),
    (steps(seq_id=["a"] * 3 + ["b" * 1001] * 2), "seq_id has a text of 1,001 characters; expected 1,000 at most"),
    (steps(seq_id=pa.array([2**63] * 5, pa.uint64())), "Integer value 9223372036854775808 not in range"),
    (steps(t=[0, 1, 3, 0, 1]), "row 2: t is 3 after 1 in the same sequence; expected 0, 1, 2, …"),
    (steps(t=[0, 1, 2, 0, 0]), "row 4: t is 0 after 0 in the same sequence"),
    (steps(t=[0, 1, None, 0, 1]), "row 2: t is empty"),
    (steps(t=[0, 1, 2, 2**31 - 1, 2**31]), "in.parquet: t: cannot be read: Integer value 2147483648 not in range"),
    (x(1, [3.0]), "sequence 7, t = 1: x has 1 numbers; expected I = 2"),
    (x(3, None), "sequence 8, t = 0: x is empty"),
    (x(4, [9.0, None]), "sequence 8, t = 1: a number of x is empty"),
    (x(1, [None, 9.0]), "sequence 7, t = 1: a number of x is empty"),
    (x(2, [5.0, NAN]), "sequence 7, t = 2: x[1] is nan; expected a finite number"),
    (steps(x=[["1", "2"]] * 5), "x has the type string; expected numbers"),
    (steps(x=[[1.0, 2.0, 3.0]] * 5), "a step has 3 inputs, and the model reads I = 2"),
    (steps(x=None, x_0=[1.0] * 5, x_1=[INF] * 5), "sequence 7, t = 0: x[1] is inf"),
    (steps(x=None, x_0=[1.0] * 5, x_2=[2.0] * 5), "there is x_2 and no x_1; expected x_0, x_1, … without a gap"),
    (steps(x=None, x_0=[1.0, 2.0, None, 4.0, 5.0], x_1=[1.0] * 5), "sequence 7, t = 2: x_0 is empty"),
    (steps(x=None), "the input has no x: give a vocabulary, an embedding, or both"),
    (steps(token=["a", "b", None, "d", "e"]), "sequence 7, t = 2: token is empty"),
    (steps(token=["a", "b" * 1001, "c", "d", "e"]), "token has a text of 1,001 characters; expected 1,000 at most"),
    (steps(token=not_utf8()), "in.parquet: token: cannot be read: Invalid UTF8"),
    (steps(y=[1, 2, 3, None, 5]), "sequence 8, t = 0: y is empty"),
    (steps().slice(0, 0), "in.parquet: there are 0 rows; expected 1 or more"),
    (whole(seq_id=["a", "a"]), "the sequence 'a' is in two places"),
    (whole(x=[[[1.0, 2.0]], []], token=[["u"], []]), "row 1: sequence 'b' has no steps"),
    (whole(x=[[[1.0, 2.0]], [[3.0, 4.0]]]), "sequence 'a': token has 2 values for 1 steps; expected one for"),
    (whole(x=[[[1.0, 2.0], [3.0, 4.0]], None]), "sequence 'b': x is empty"),
    (whole(x=[[[1.0, 2.0], [3.0]], [[3.0, 4.0]]]), "sequence 'a', t = 1: x has 1 numbers; expected I = 2"),
    (whole(x=[[[1.0, 2.0], None], [[3.0, 4.0]]]), "sequence 'a', t = 1: x is empty"),
    (whole(t=[[0, 2], [0]]), "sequence 'a', t = 2: expected 0, 1, 2, …"),
]


@pytest.mark.few(13)
@pytest.mark.parametrize("piece", [1, 1 << 20])
@pytest.mark.parametrize(("table", "said"), PARQUET, ids=[said[:40] for _, said in PARQUET])
def test_a_fault_in_parquet_is_told_with_its_place(
    table: Any, said: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", piece)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=2)
    found = told(tmp_path / "in.parquet", 2, tmp_path / "out")
    assert said in found
    assert "in.parquet: " in found or "no x" in found


READING: list[tuple[dict[str, Any], str]] = [
    (
        {"vocabulary": ["a", "b"]},
        "in.parquet: sequence 7, t = 2: 'c' is not in the vocabulary; name the token that replaces unknown ones",
    ),
    ({"vocabulary": ["a", "b"], "unknown": "u"}, "the vocabulary has no 'u', which --unknown (unknown=) names"),
    ({"vocabulary": list("abcde")}, "a step has 5 inputs, and the model reads I = 2"),
    ({"vocabulary": list("abcde"), "embedding": np.ones((4, 2))}, "the token 'e' has the number 4; expected 0 to 3"),
    ({"vocabulary": list("abcde"), "embedding": [[1, 2], [3, 4], [NAN, 1], [1, 2], [1, 2]]}, "t = 2: x[0] is nan"),
    ({"vocabulary": {"a": 0, "b": -1}}, "vocabulary: the number of 'b' is -1; expected 0, 1, …"),
    ({"vocabulary": ["a", "b", "a"]}, "vocabulary: the token 'a' is there twice, as 0 and 2"),
    ({"vocabulary": ["a", 3]}, "vocabulary: expected tokens of at most 1,000 characters, found 3"),
    ({"vocabulary": "model"}, "the input has no x: give a vocabulary"),
    ({"embedding": np.ones((5, 2))}, "x of tokens needs a vocabulary, or a column of numbers that --ids names (ids=)"),
    ({"embedding": np.ones((5, 2)), "ids": "y"}, "sequence 8, t = 1: the token has the number 5; expected 0 to 4"),
    ({"embedding": np.ones((5, 2)), "ids": "token"}, "there is no column 'token' of whole numbers"),
    ({"embedding": np.ones(5), "ids": "y"}, "the array has the shape (5,) and the dtype float64; expected a row of"),
    ({"embedding": "model:E"}, "embedding 'model:E': the model was not read from a file of arrays; give FILE:NAME"),
    ({"embedding": "none.npz:E"}, "none.npz: there is no such file"),
    ({"tokens": "letters"}, "there is no tokens 'letters'; expected characters, words"),
    ({"tokens": "words"}, "in.parquet: tokens is for text; leave it out"),
    ({"vocabluary": ["a"]}, "there is no argument 'vocabluary'; did you mean 'vocabulary'"),
]


@pytest.mark.parametrize(("reading", "said"), READING, ids=[said[:40] for _, said in READING])
def test_options_that_do_not_fit_are_told(reading: dict[str, Any], said: str, tmp_path: Path) -> None:
    pq.write_table(steps(x=None), tmp_path / "in.parquet")
    assert said in told(tmp_path / "in.parquet", 2, tmp_path / "out", **reading)


def test_x_that_is_there_is_not_looked_up(tmp_path: Path) -> None:
    pq.write_table(steps(), tmp_path / "in.parquet")
    found = told(tmp_path / "in.parquet", 2, tmp_path / "out", vocabulary=["a"], unknown="a")
    assert "in.parquet: there is x, which vocabulary and unknown would give: leave them out" in found


ONE = '{"seq_id": 1, "x": [[1, 2]]}'
LINES: list[tuple[list[str], str]] = [
    ([ONE, "", "nonsense"], "in.jsonl: line 3: expecting value"),
    ([ONE, ONE[:-1]], "in.jsonl: line 2: expecting ',' delimiter; is it cut off?"),
    (["[1, 2]"], 'in.jsonl: line 1: expected an object, as in {"seq_id": 1'),
    (
        [ONE, '{"seq_id": 2, "x": [[1, 2]], "y": 3}'],
        "in.jsonl: sequence 2: expected the columns of the first; 'y' differs",
    ),
    (
        ['{"seq_id": 1, "y": 3}', '{"seq_id": 2}'],
        "in.jsonl: sequence 2: expected the columns of the first; 'y' differs",
    ),
    ([ONE, '{"seq_id": 2, "x": [[1, "two"]]}'], "in.jsonl: sequence 1 and the next: Could not convert 'two'"),
    ([ONE, ONE], "the inputs: row 1: t is 0 after 0 in the same sequence; expected 0, 1, 2, …, and an id of its own"),
    ([ONE, '{"seq_id": 2, "x": [[1, 2, 3]]}'], "the inputs: sequence 2, t = 0: x has 3 numbers; expected I = 2"),
    (['{"seq_id": 1, "x": [[1, NaN]]}'], "the inputs: sequence 1, t = 0: x[1] is nan"),
    (['{"seq_id": 1, "x": ' + "[" * 100_000 + "]" * 100_000 + "}"], "in.jsonl: nested too deeply"),
    (['{"seq_id": 1, "seq_id": 2}'], "in.jsonl: duplicate key 'seq_id'"),
    (
        ['{"seq": 1, "x": [[1, 2]]}'],
        "in.jsonl: there is no column 'seq_id', which says which sequence a row belongs to; did",
    ),
    ([ONE.replace("1", "9" * 20, 1)], f"in.jsonl: sequence {'9' * 20} and the next: "),
    ([ONE[:-1] + ', "token": ["' + "a" * 1001 + '"]}'], "the inputs: token has a text of 1,001 characters"),
    ([], "in.jsonl: it contains no sequences"),
]


@pytest.mark.parametrize(("lines", "said"), LINES, ids=[said[:40] for _, said in LINES])
def test_a_fault_in_json_lines_is_told(lines: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("\n".join(lines))
    assert said in told(tmp_path / "in.jsonl", 2, tmp_path / "out")


@pytest.mark.few(0)
def test_a_later_line_of_another_type_is_named(tmp_path: Path) -> None:
    lines = [{"seq_id": k, "x": [[0.5]] * 9000, "y": k if k < 4 else "four"} for k in range(5)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, lines)))
    found = told(tmp_path / "in.jsonl", 1, tmp_path / "out")
    assert "in.jsonl: sequence 4: " in found
    assert "'four'" in found


@pytest.mark.parametrize("sequences", ["lines", "paragraphs", "files"])
def test_a_line_or_a_text_without_an_end_is_refused(
    sequences: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forms, "LONGEST_LINE", 1000)
    look = {"vocabulary": ["a", "b"], "sequences": sequences}
    (tmp_path / "in.txt").write_text("a\n" + "b" * 1001)
    assert "in.txt: line 2: more than 1,000 bytes; write" in told(tmp_path / "in.txt", 2, tmp_path / "out", **look)
    (tmp_path / "in.txt").write_text("a\n" * 501)
    if sequences != "lines":
        assert "in.txt: a sequence of more than 1,000 char" in told(tmp_path / "in.txt", 2, tmp_path / "out", **look)


def folder(**files: bytes) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / "many").mkdir()
        for name, content in files.items():
            (path / "many" / name.replace("_", ".")).write_bytes(content)
        return path / "many"

    return make


def saved(**arrays: Any) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / "many").mkdir()
        np.savez(path / "many" / "one.npz", **arrays)
        return path / "many"

    return make


OTHERS: list[tuple[Any, str]] = [
    (lambda path: path / "none.parquet", "none.parquet: there is no such file or folder"),
    (
        lambda path: path / "in.csv",
        "in.csv: expected .parquet, .jsonl, .ndjson, .txt, or a folder of .parquet, .npz or",
    ),
    (folder(), "many: a folder with no sequences; expected .parquet, .jsonl"),
    (folder(a_txt=b"a", b_npz=b""), "many: a folder with .npz and .txt; expected"),
    (folder(a_npz=b"PK"), "a.npz: not a zip archive, or cut off"),
    (folder(a_parquet=b"PAR1"), "many: cannot be read: Parquet file size is 4 bytes"),
    (folder(a_txt=b"a\n\xff"), "a.txt: line 2: not UTF-8; save it as UTF-8"),
    (folder(a_txt=b"\n \n"), "many: it contains no sequences"),
    (saved(x=np.array([[1, 2]], object)), "one.npz: x is an array of Python objects: a pickle, which is never opened"),
    (saved(x=np.ones((2, 3))), "the inputs: a step has 3 inputs, and the model reads I = 2"),
    (saved(x=np.ones((2, 2)), token=np.array(["a"])), "sequence 'one': token has 1 values for 2 steps"),
    (saved(x=np.ones((1, 2, 2))), "many: sequence 'one' and the next: Can only convert 1-dimensional array"),
    ({"x": [1.0]}, "inputs: expected a path, a data frame or a list of sequences, found a mapping"),
    (3, "inputs: expected a path, a data frame or a list of sequences, found 3"),
    ([], "the inputs: it contains no sequences"),
    ([np.ones((2, 2)), np.ones((2, 3))], "the inputs: sequence 1, t = 0: x has 3 numbers; expected I = 2"),
    ([{"x": [[1.0, 2.0]], "seq_id": k} for k in (4, 5, 4)], "the inputs: the sequence 4 is in two places"),
    ([{"x": [[1.0, 2.0]], "seq_id": k} for k in (4, "five")], "the inputs: sequence 4 and the next: "),
]


@pytest.mark.parametrize(("inputs", "said"), OTHERS, ids=[said[:40] for _, said in OTHERS])
def test_a_fault_in_another_form_is_told(inputs: Any, said: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").touch()
    assert said in told(inputs(tmp_path) if callable(inputs) else inputs, 2, tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LstmTraceError, match=r"file/out: cannot be read: not a directory$"):
        opened([np.ones((2, 2))], 2, tmp_path / "file" / "out")


def test_files_of_a_folder_have_the_same_columns(tmp_path: Path) -> None:
    pq.write_table(steps(), tmp_path / "a.parquet")
    pq.write_table(steps(y=[1.0] * 5), tmp_path / "b.parquet")
    found = told(tmp_path, 2, tmp_path / "out")
    assert "b.parquet has other columns than a.parquet; expected the same in all files" in found


def test_another_file_than_that_of_the_index_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(steps(), path)
    source = opened(path, 2, tmp_path)
    first, last = cut(source.index(), 3)
    pq.write_table(steps(seq_id=[7, 7, 8, 8, 8], t=[0, 1, 0, 1, 2]), path)
    os.utime(path, ns=(1, 1))
    with pytest.raises(LstmTraceError, match=r"in\.parquet has changed since the run began; run into another"):
        source.read(first)
    pq.write_table(steps().slice(0, 3), path)
    with pytest.raises(LstmTraceError, match=r"in\.parquet: there are 3 rows; expected 5 or more"):
        source.read(last)


def test_what_needs_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(steps(x=None, x_0=[1.0] * 5, x_1=[1.0] * 5), tmp_path / "in.parquet")
    source = opened(tmp_path / "in.parquet", 2, tmp_path)
    span = cut(source.index(), 10)[0]
    monkeypatch.setattr("lstm_trace.weights.guards.SMALL", 8)
    monkeypatch.setattr("lstm_trace.weights.guards.available", lambda: 399)
    with pytest.raises(LstmTraceError, match=r"in\.parquet: a part of 5 steps needs 400 bytes, and 399 of memory are"):
        source.read(span)


@pytest.mark.parametrize(("group", "reads"), [(1000, [10, 2, 3]), (200, [10, 2, 1])])
def test_only_the_rows_that_are_needed_are_decoded(
    group: int, reads: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", 4 * 100)  # of four columns
    n = 1000
    columns = {"seq_id": np.repeat(np.arange(n // 10), 10), "t": np.tile(np.arange(10), n // 10)}
    columns |= {f"x_{k}": np.arange(n, dtype=np.float32) + k for k in range(2)}
    pq.write_table(pa.table(columns), tmp_path / "in.parquet", row_group_size=group)
    source = opened(tmp_path / "in.parquet", 2, tmp_path)
    spans = cut(source.index(), 50)
    decoded = []
    pieces = table_file.Cursor.pieces

    def counted(self: Any, *asked: Any) -> Any:
        for batch in pieces(self, *asked):
            decoded.append(len(batch))
            yield batch

    monkeypatch.setattr(table_file.Cursor, "pieces", counted)
    for many, chosen in zip(reads, (spans, [spans[3]], [spans[8]]), strict=True):
        # each piece once, forwards; back to the beginning of the group; forwards to another group, or within it
        decoded.clear()
        for span in chosen:
            assert source.read(span).x[:, 1].tolist() == [float(row + 1) for row in range(span.first, span.stop)]
        assert decoded == [100] * many


def test_columns_that_would_be_called_alike(tmp_path: Path) -> None:
    layers = steps(layer=[1, 1, 1, 2, 2], layer_=[3, 3, 3, 4, 4])
    assert told(layers, 2, tmp_path) == (
        "the inputs: the columns 'layer' and 'layer_' would both be 'layer_' in the states; rename or remove one"
    )
    table = steps()
    twice = pa.table([*table.columns, table.column("y")], names=[*table.column_names, "y"])
    assert told(twice, 2, tmp_path) == "the inputs: there are two columns 'y'; rename or remove one of them"
