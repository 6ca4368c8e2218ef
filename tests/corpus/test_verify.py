"""States that are right are verified, and whatever is damaged in them is found where it is."""

from __future__ import annotations

import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.writing import OPEN, seal
from lstm_trace.cli import main
from lstm_trace.corpus.rows import pa, parquet
from lstm_trace.errors import FileError, OptionError

from ..support.tiers import some
from .conftest import write_sequences
from .test_states import expected


@pytest.fixture
def copied(states: Any, tmp_path: Path) -> Any:
    """The finished states in a folder of their own, to be damaged."""
    from lstm_trace.corpus import open as open_states

    shutil.copytree(states.folder, tmp_path / "copy")
    return open_states(tmp_path / "copy")


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Change the columns of a part, by name, and write it as a run would have: its own checksum is right."""
    table = parquet.read_table(path)
    columns = {name: table.column(name).to_numpy().copy() for name in table.column_names}
    change(columns)
    arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in table.schema]
    write(pa.table(arrays, schema=table.schema), path)
    return columns


def write(table: Any, path: Path) -> None:
    """Write a part with its own metadata, sealed anew."""
    meta = {name: re.sub(rb"sealed size=\d+ crc32=\w+", OPEN.encode(), m) for name, m in table.schema.metadata.items()}
    with path.open("w+b") as file:
        parquet.write_table(table.replace_schema_metadata(meta), pa.PythonFile(file, "w"))
        seal(file, last=True)


def run(model: lt.Model, inputs: Path, folder: Path, **options: Any) -> Any:
    from lstm_trace.corpus import run

    return run(model, inputs, folder, record=["c_t", "h_t"], steps_per_part=60, **options)


# -- what is right ---------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("dtype", "stored", "format"),
    some(
        [
            ("float64", None, "parquet"),
            ("float32", None, "safetensors"),
            ("float32", "float16", "parquet"),
            ("float64", "float32", "safetensors"),
        ],
        2,
    ),
)
def test_what_is_right_is_verified(
    weights: dict[str, np.ndarray], inputs: Path, tmp_path: Path, dtype: str, stored: str | None, format: str
) -> None:
    model = lt.prepare(weights, dtype=dtype)
    states = run(model, inputs, tmp_path, dtype=stored, format=format)
    found = states.verify(None, model=model)
    assert found.verdict == "verified", str(found.report())
    assert (found.sequences, found.every, found.steps) == (30, 30, sum(span.steps for span in states.spans))
    assert found.values == found.steps * 8 * 4
    assert 0 < found.largest < 1
    assert found.lines > 10 * found.values
    assert "verified: " in str(found.report())
    assert "No value of the sample is wrong." in str(found.report())
    some = states.verify(7, model=model)
    assert (some.verdict, some.sequences) == ("verified", 7)
    assert states.verify(7, model=model, seed=1).steps != some.steps


@pytest.mark.few(0)
def test_long_sequences_are_not_run_together(states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held at once is bounded: by steps with their padding times all lines."""
    held: list[int] = []

    def counted(trace: lt.Trace) -> Any:
        first = next(iter(next(iter(trace.lines.values())).values()))
        width = sum(values.shape[-1] for here in trace.lines.values() for values in here.values())
        held.append(first.shape[0] * first.shape[1] * width)
        return lt.verify(trace)

    module = importlib.import_module("lstm_trace.corpus.verification")
    monkeypatch.setattr(module, "verified", counted)
    monkeypatch.setattr(module, "VALUES", 6000)
    found = states.verify(None)
    assert (found.verdict, found.sequences) == ("verified", 30)
    assert 3000 < max(held) <= 6000


def test_where_rounding_grows_without_bound_nothing_is_said(tmp_path: Path) -> None:
    chaos = lt.prepare(
        {},
        cell={"equations": "c_t = 3.9 * c_prev * (1 - c_prev) + x_t\ncarry: c_prev <- c_t\noutput: c_t"},
        dtype="float32",
    )
    x = np.zeros((90, 1))
    x[0] = 0.3
    sequences = {
        k: {"x": x * (1 + k / 100), "tokens": ["a"] * 90, "quoted": np.zeros(90, bool), "depth": np.zeros(90)}
        for k in range(4)
    }
    write_sequences(sequences, tmp_path / "x.parquet")
    from lstm_trace.corpus import run

    states = run(chaos, tmp_path / "x.parquet", tmp_path / "s")
    found = states.verify(model=chaos)
    assert found.verdict == "inconclusive"
    assert 100 < found.undecided < 4 * 90
    assert found.values == found.steps - found.undecided
    assert f"at {found.undecided} steps rounding errors are too large to decide" in str(found.report())


def test_a_run_line_by_line_that_is_not_verified_is_a_fault(
    copied: Any, model: lt.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lstm_trace.corpus import verification as verify

    def damaged(trace: lt.Trace) -> Any:
        trace.lines["0/forward"]["i_t"][0, 0, 1] += 0.5
        return lt.verify(trace)

    monkeypatch.setattr(verify, "verified", damaged)
    found = copied.verify(1, model=model)
    assert (found.verdict, found.wrong) == ("failed", 0)
    assert found.faults == ["a run line by line is not verified: 0/forward/0/0/i_t[1]"]


# -- what is damaged -------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("bit", "line"),
    [(62, "1/reverse/h_t"), (55, "0/forward/c_t"), (51, "1/reverse/h_t"), (30, "0/reverse/h_t"), (12, "1/forward/c_t")],
)
def test_a_flipped_bit_is_found(
    copied: Any,
    model: lt.Model,
    weights: dict[str, np.ndarray],
    sequences: dict[int, dict[str, Any]],
    bit: int,
    line: str,
) -> None:
    (block,) = copied.layout.chosen(line)
    part = list(copied.parts())[1]
    row = int(part.starts[2]) + 1 if part.starts[3] - part.starts[2] > 1 else int(part.starts[2])
    column = block.columns[3]

    def flip(columns: dict[str, Any]) -> None:
        columns[column].view(np.int64)[row] ^= 1 << bit

    values = rewrite(copied.folder / "part-00001.parquet", flip)
    found = copied.verify(None, model=model)
    assert (found.verdict, found.wrong) == ("failed", 1), str(found.report())
    (damage,) = found.damages
    id_, t = int(values["seq_id"][row]), int(values["t"][row])
    assert damage[:4] == (id_, t, f"{line}[3]", values[column][row])
    right = expected(weights, sequences[id_]["x"])[block.scope, block.line][t, 3]
    assert damage.expected == pytest.approx(right, rel=1e-12)
    assert 0 < damage.bound < 1e-13
    assert "; 1 differs by more than rounding explains" in " ".join(str(found.report()).split())
    assert found.largest == pytest.approx(abs(damage.stored - damage.expected) / damage.bound, rel=1e-2) or bit > 60
    assert found.to_frame()["stored"].tolist() == [damage.stored]
    assert f"| {damage.stored!r} | {damage.expected!r} |" in str(found.report()).replace("  ", "")


@pytest.mark.few(0)
def test_a_value_that_is_no_number_is_found(copied: Any, model: lt.Model) -> None:
    def spoil(columns: dict[str, Any]) -> None:
        columns["0f_c_t_0"][4], columns["0f_c_t_1"][4] = np.nan, np.inf

    rewrite(copied.folder / "part-00000.parquet", spoil)
    found = copied.verify(None)  # by the model of the folder
    assert found.wrong == 2
    assert [damage.unit for damage in found.damages] == ["0/forward/c_t[0]", "0/forward/c_t[1]"]


@pytest.mark.few(0)
def test_of_many_wrong_values_some_are_listed(copied: Any, model: lt.Model) -> None:
    def shift(columns: dict[str, Any]) -> None:
        columns["1f_c_t_2"] += 1e-9

    values = rewrite(copied.folder / "part-00002.parquet", shift)
    found = copied.verify(None, model=model)
    assert found.wrong == len(values["t"]) > 12
    assert len(found.damages) == 12
    assert f"{found.wrong} differ by more than rounding explains; the first 12 are listed" in " ".join(
        str(found.report()).split()
    )


@pytest.mark.few(0)
def test_half_precision_has_half_a_spacing_more_and_no_more(
    weights: dict[str, np.ndarray], inputs: Path, tmp_path: Path
) -> None:
    model = lt.prepare(weights, dtype="float32")
    states = run(model, inputs, tmp_path, dtype="float16", batch=1)  # one size, and one piece of machine code

    def up(columns: dict[str, Any]) -> None:
        for _ in range(2):
            columns["0f_c_t_0"][:] = np.nextafter(columns["0f_c_t_0"], np.float16(np.inf))

    values = rewrite(tmp_path / "part-00000.parquet", up)
    found = states.verify(None, model=model)
    coarse = np.spacing(np.abs(values["0f_c_t_0"])) > 4e-6  # of smaller numbers it is less than their bound
    assert coarse.sum() <= found.wrong
    assert coarse.mean() > 0.8


def swap(columns: dict[str, Any], name: str) -> None:
    """Exchange two different values of the first sequence that has such."""
    ids, values = columns["seq_id"], columns[name]
    for k in range(len(values) - 1):
        if ids[k] == ids[k + 1] and values[k] != values[k + 1]:
            values[k], values[k + 1] = values[k + 1], values[k]
            return


def other_id(columns: dict[str, Any]) -> None:
    columns["seq_id"][columns["seq_id"] == columns["seq_id"][-1]] += 1000


def padded(columns: dict[str, Any]) -> None:
    """A row more at the end of the last sequence, as padding would be."""
    for name, values in columns.items():
        columns[name] = (
            np.append(values, values[-1:] + (name == "t")) if name == "t" else np.append(values, values[-1:])
        )


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: swap(c, "token"), "token of sequence {id} is not that of the input"),
        (lambda c: swap(c, "quoted"), "quoted of sequence {id} is not that of the input"),
        (lambda c: swap(c, "depth"), "depth of sequence {id} is not that of the input"),
        (lambda c: swap(c, "t"), "t does not count the steps of each sequence"),
        (lambda c: c["t"].__iadd__(1), "t of sequence {first} is not that of the input"),
        (other_id, "its sequences are not those of the input, each once and without padding"),
        (padded, "its sequences are not those of the input, each once and without padding"),
    ],
)  # fmt: skip
def test_what_stands_at_a_wrong_place_is_found(
    copied: Any, model: lt.Model, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    before = rewrite(copied.folder / "part-00001.parquet", lambda columns: None)
    values = rewrite(copied.folder / "part-00001.parquet", change)
    found = copied.verify(None, model=model)
    assert (found.verdict, found.wrong) == ("failed", 0)
    changed = [k for k in range(len(before["t"])) if any(repr(before[n][k]) != repr(values[n][k]) for n in before)]
    place = {"id": before["seq_id"][changed[0]] if changed else "", "first": before["seq_id"][0]}
    assert any("part-00001.parquet: " + said.format(**place) in fault for fault in found.faults), found.faults
    text = " ".join(str(found.report()).split())
    assert said.format(**place) in text
    if "is not that of" in said:
        assert re.search(rf"{re.escape(said.format(**place))}: at t = \d+ it is .+?, not ", text)
    assert text.index("failed: part-") < text.index("compared with a run line by line")  # the cause comes first


def test_parts_that_are_missing_foreign_or_cut_off_are_found(copied: Any, model: lt.Model) -> None:
    paths = sorted(copied.folder.glob("part-*.parquet"))
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:-100])
    shutil.copy(paths[2], paths[3])
    found = copied.verify(None, model=model)
    assert found.verdict == json.loads(found.as_json())["verdict"] == "failed"
    assert found.faults == [
        "part-00000.parquet is missing: run the corpus again, which makes it",
        "part-00001.parquet is damaged: run the corpus again, which makes it",
        "part-00003.parquet is part 2: run the corpus again, which makes it",
    ]
    assert 0 < found.sequences < 30


@pytest.mark.few(0)
@pytest.mark.parametrize("column", ["token", "t", "1f_h_t_2"])
def test_a_column_that_is_gone_is_found(copied: Any, column: str) -> None:
    path = copied.folder / "part-00001.parquet"
    write(parquet.read_table(path).drop_columns([column]), path)
    found = copied.verify(None)
    assert found.verdict == "failed"
    assert any(fault.startswith("part-00001.parquet cannot be read: ") for fault in found.faults), found.faults


@pytest.mark.few(0)
def test_another_model_or_input_is_said(
    copied: Any, weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]], model: lt.Model, tmp_path: Path
) -> None:
    other = {name: array.copy() for name, array in weights.items()}
    other["1/forward/W_hi"][0, 1] += 1e-3
    found = copied.verify(5, model=lt.prepare(other))
    assert "the model differs from what the states were computed from" in found.faults
    assert found.wrong > 0
    assert {damage.unit.split("/")[0] for damage in found.damages} == {"1"}
    changed = {id_: {**one, "x": one["x"] + 1e-3} for id_, one in sequences.items()}
    write_sequences(changed, tmp_path / "changed.parquet")
    found = copied.verify(5, model=model, inputs=tmp_path / "changed.parquet")
    assert "the inputs differ from what the states were computed from" in found.faults
    assert found.wrong > 0
    fewer = {id_: one for id_, one in sequences.items() if id_ != 105}
    write_sequences(fewer, tmp_path / "fewer.parquet")
    found = copied.verify(5, model=model, inputs=tmp_path / "fewer.parquet")
    assert "the parts are not those of the input, each of its sequences once" in found.faults
    with pytest.raises(FileError, match=r"gone\.parquet"):
        copied.verify(5, model=model, inputs=tmp_path / "gone.parquet")


def test_an_input_that_was_moved_is_read_where_it_is_now(
    copied: Any, inputs: Path, model: lt.Model, tmp_path: Path
) -> None:
    manifest = json.loads((copied.folder / "_manifest.json").read_text())
    moved = shutil.copy(inputs, tmp_path / "moved.parquet")
    manifest["source"]["path"] = str(tmp_path / "away.parquet")
    (copied.folder / "_manifest.json").write_text(json.dumps(manifest))
    from lstm_trace.corpus import open as open_states

    assert open_states(copied.folder).verify(5, model=model, inputs=moved).verdict == "verified"


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda m: m["blocks"].pop(1), "blocks and premises.record"),
        (lambda m: m["blocks"].reverse(), "blocks and premises.record"),
        (lambda m: m["premises"]["record"].pop(), "blocks and premises.record"),
        (lambda m: m["premises"].update(dtype="float16"), "dtype and premises.dtype"),
        (lambda m: m.update(files="safetensors"), "files and premises.format"),
        (lambda m: m["parts"][0].__setitem__(4, 7), "parts and premises.parts"),
        (lambda m: m["premises"].update(batch=3), "key and premises"),
        (lambda m: m["premises"].pop("plan"), "key and premises"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    copied: Any, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    path = copied.folder / "_manifest.json"
    manifest = json.loads(path.read_text())
    edit(manifest)
    path.write_text(json.dumps(manifest))
    done = CliRunner().invoke(main, ["corpus", "verify", str(copied.folder)])
    assert done.exit_code == 2
    assert f"_manifest.json: {said} do not fit together: the manifest was edited" in " ".join(done.stderr.split())


@pytest.mark.few(3)
@pytest.mark.parametrize("given", [True, False], ids=["given", "of the folder"])
@pytest.mark.parametrize(
    ("entry", "value"),
    [("width", 3), ("width", 1), ("width", 5), ("stem", "0r_c_t"), ("range", "gate"), ("keeps", "i_t")],
)
def test_a_block_that_is_not_of_the_model_is_a_fault(
    copied: Any, weights: dict[str, np.ndarray], entry: str, value: Any, given: bool
) -> None:
    path = copied.folder / "_manifest.json"
    manifest = json.loads(path.read_text())
    manifest["blocks"][0][entry] = value
    path.write_text(json.dumps(manifest))
    from lstm_trace.corpus import open as open_states

    found = open_states(copied.folder).verify(3, model=weights if given else None)
    assert found.verdict == "failed"
    assert found.faults == [f"_manifest.json: blocks.0.{entry} is not that of the model: the manifest was edited"]


@pytest.mark.parametrize("entry", ["title", "cell"])
def test_the_name_of_another_model_is_a_fault(copied: Any, entry: str) -> None:
    path = copied.folder / "_manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {entry: "gru"}))
    from lstm_trace.corpus import open as open_states

    found = open_states(copied.folder).verify(3)
    assert found.faults == [f"_manifest.json: {entry} is not that of the model: the manifest was edited"]


def test_arguments_of_another_kind_are_refused(copied: Any, model: lt.Model) -> None:
    with pytest.raises(OptionError, match="sample: expected at least 1 sequence, or all; found"):
        copied.verify("some", model=model)
    with pytest.raises(OptionError, match="sample: expected at least 1 sequence, or all; found 0"):
        copied.verify(0)


def test_an_index_that_is_wrong_is_found(copied: Any) -> None:
    path = copied.folder / "_index.parquet"
    table = parquet.read_table(path)
    row = pa.array(np.asarray(table["row"]) + 10**6)
    parquet.write_table(table.set_column(table.column_names.index("row"), "row", row), path)
    found = copied.verify(sample=2)
    assert found.verdict == "failed"
    assert found.faults == ["_index.parquet does not give the places of the sequences of the input"]
    with pytest.raises(FileError, match=r"has rows that are not in part [0-9]+"):
        copied.rows_of(int(table["seq_id"][0].as_py()))


def test_a_sample_of_which_nothing_can_be_read_is_said_so(copied: Any) -> None:
    for part in copied.folder.glob("part-*.parquet"):
        whole = part.read_bytes()
        part.write_bytes(whole[:2000] + bytes([whole[2000] ^ 4]) + whole[2001:])
    said = str(copied.verify(1).report())
    assert "nothing of the sample could be compared; the run has 30 sequences" in said
    assert "No value was compared." in said
    assert "largest deviation" not in said
    assert "is wrong" not in said


@pytest.mark.few(0)
def test_of_a_damaged_corpus_only_what_was_compared_is_right(copied: Any) -> None:
    part = next(copied.folder.glob("part-*.parquet"))
    whole = part.read_bytes()
    part.write_bytes(whole[:2000] + bytes([whole[2000] ^ 4]) + whole[2001:])
    said = str(copied.verify(None).report())
    assert "No value that was compared is wrong." in said
    assert "of the sample" not in said
