"""The same sequences in every form give the same rows, and the same states."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

pa = pytest.importorskip("pyarrow")

import pyarrow.parquet as pq  # noqa: E402

import lstm_trace as lt  # noqa: E402
from lstm_trace import corpus  # noqa: E402
from lstm_trace.corpus.inputs import forms, opened, table_file  # noqa: E402
from lstm_trace.corpus.inputs.table_file import TableFile  # noqa: E402
from lstm_trace.corpus.rows import Rows, cut  # noqa: E402

rng = np.random.default_rng(3)
LENGTHS = (3, 1, 7, 4, 5)
IDS = ("a", "b", "c", "d", "e")
X = [rng.normal(size=(n, 3)).astype(np.float32) for n in LENGTHS]
TOKENS = [[f"{name}{t}" for t in range(n)] for name, n in zip(IDS, LENGTHS, strict=True)]
DEPTH = [rng.integers(0, 9, n).tolist() for n in LENGTHS]
MOOD = ("good", "bad", "bad", "good", "bad")


def model() -> lt.Model:
    draw = np.random.default_rng(5)
    weights = {f"W_x{g}": draw.normal(size=(4, 3)) for g in "ifco"} | {
        f"W_h{g}": draw.normal(size=(4, 4)) for g in "ifco"
    }
    return lt.prepare(weights | {f"b_{g}": draw.normal(size=4) for g in "ifco"}, dtype="float32")


def flat(lists: list[list[Any]]) -> list[Any]:
    return [value for one in lists for value in one]


def long() -> dict[str, Any]:
    """A column for each name, a value for each step."""
    x = np.concatenate(X)
    return {
        "seq_id": np.repeat(IDS, LENGTHS).tolist(),
        "t": np.concatenate([np.arange(n) for n in LENGTHS]),
        "token": flat(TOKENS),
        "depth": flat(DEPTH),
        "mood": np.repeat(MOOD, LENGTHS).tolist(),
        **{f"x_{k}": x[:, k] for k in range(3)},
    }


def listed(names: dict[str, Any]) -> dict[str, Any]:
    """x as lists in one column."""
    x = np.stack([names[f"x_{k}"] for k in range(3)], axis=1)
    kept = {name: values for name, values in names.items() if not name.startswith("x_")}
    return kept | {"x": pa.array(x.tolist(), pa.list_(pa.float32()))}


def sequences() -> list[dict[str, Any]]:
    return [
        {"seq_id": i, "x": x.tolist(), "token": token, "depth": depth, "mood": mood}
        for i, x, token, depth, mood in zip(IDS, X, TOKENS, DEPTH, MOOD, strict=True)
    ]


def wide(path: Path) -> Path:
    pq.write_table(pa.table(long()), path / "wide.parquet", row_group_size=6)
    return path / "wide.parquet"


def lists(path: Path) -> Path:
    pq.write_table(pa.table(listed(long())), path / "lists.parquet", row_group_size=1000)
    return path / "lists.parquet"


def fixed(path: Path) -> Path:
    names = {name: v for name, v in long().items() if name[:2] != "x_"}
    x = pa.FixedSizeListArray.from_arrays(pa.array(np.concatenate(X).ravel()), 3)
    pq.write_table(pa.table(names | {"x": x}), path / "fixed.parquet")
    return path / "fixed.parquet"


def without_t(path: Path) -> Path:
    pq.write_table(pa.table(long()).drop_columns("t"), path / "steps.parquet")
    return path / "steps.parquet"


def renamed(path: Path) -> Path:
    table = pa.table(long())
    table = table.rename_columns([{"seq_id": "doc"}.get(n, n.replace("x_", "emb_")) for n in table.column_names])
    pq.write_table(table.append_column("seq_id", pa.array(range(len(table)))), path / "renamed.parquet")
    return path / "renamed.parquet"


def folder(path: Path) -> Path:
    (path / "many").mkdir()
    table = pa.table(long())
    for k, first in enumerate((0, 5, 12)):  # within sequences
        name = f"{k}.{('parquet', 'PARQUET')[k % 2]}"
        pq.write_table(table.slice(first, (5, 7, 99)[k]), path / "many" / name, row_group_size=4)
    return path / "many"


def rows_of_lists(path: Path) -> Path:
    kind = pa.schema([
        ("seq_id", pa.string()), ("x", pa.list_(pa.list_(pa.float32()))), ("token", pa.list_(pa.string())),
        ("depth", pa.list_(pa.int64())), ("mood", pa.string()),
    ])  # fmt: skip
    pq.write_table(pa.Table.from_pylist(sequences(), schema=kind), path / "seq.parquet", row_group_size=2)
    return path / "seq.parquet"


def json_sequences(path: Path) -> Path:
    rows = [json.dumps(one) for one in sequences()]
    (path / "seq.jsonl").write_text("\n".join([rows[0], "", *rows[1:]]))
    return path / "seq.jsonl"


def json_steps(path: Path) -> Path:
    rows = pa.table(listed(long())).to_pylist()
    (path / "steps.ndjson").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path / "steps.ndjson"


def archives(path: Path) -> Path:
    (path / "npz").mkdir()
    for one, x in zip(sequences(), X, strict=True):
        name = one.pop("seq_id")
        np.savez(path / "npz" / f"{name}.npz", **{k: np.array(v) for k, v in one.items()} | {"x": x})
    return path / "npz"


def mappings(path: Path) -> list[Any]:
    return [one | {"x": x} for one, x in zip(sequences(), X, strict=True)]


def frame(path: Path) -> pd.DataFrame:
    return pd.DataFrame(long())


FORMS: list[Callable[[Path], Any]] = [
    wide, lists, fixed, without_t, folder, rows_of_lists, json_sequences, json_steps, archives, mappings, frame,
    renamed,
]  # fmt: skip


def read(source: TableFile, steps: int) -> Rows:
    """All rows, read in parts of about so many steps, from the last part to the first and then forwards."""
    spans = cut(source.index(), steps)
    for span in reversed(spans):
        source.read(span)
    parts = [source.read(span) for span in spans]
    joined = {name: pa.concat_arrays([part.targets[name] for part in parts]) for name in parts[0].targets}
    token = None if parts[0].token is None else pa.concat_arrays([part.token for part in parts])
    arrays = [np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "lengths", "x", "t")]
    return Rows(*arrays, token, joined)


def options(form: Callable[[Path], Any]) -> dict[str, Any]:
    return {"id": "doc", "x": "emb"} if form is renamed else {}


@pytest.mark.few(3)
@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(("steps", "piece"), [(1, 1), (8, 30), (100, 1 << 20)])
def test_the_rows_are_the_sequences(
    form: Callable[[Path], Any], steps: int, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table_file, "PIECE", piece)
    monkeypatch.setattr(forms, "GATHERED", 9)
    source = opened(form(tmp_path), 3, tmp_path / "out", **options(form))
    index = source.index()
    assert index.ids.tolist() == list(IDS)
    assert index.lengths.tolist() == list(LENGTHS)
    found = read(source, steps)
    assert found.ids.tolist() == list(IDS)
    assert found.lengths.tolist() == list(LENGTHS)
    assert np.array_equal(found.x, np.concatenate(X))
    assert found.x.dtype == (np.float64 if form in (json_sequences, json_steps) else np.float32)
    assert found.t.tolist() == [t for n in LENGTHS for t in range(n)]
    assert found.token.type == pa.string()
    assert found.token.to_pylist() == flat(TOKENS)
    assert {name: values.to_pylist() for name, values in found.targets.items()} == {
        "depth": flat(DEPTH),
        "mood": np.repeat(MOOD, LENGTHS).tolist(),
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Any:
    there = tmp_path_factory.mktemp("expected")
    return corpus.run(model(), wide(there), there / "states", steps_per_part=6).unit("c_t[2]")


@pytest.mark.few(1)
@pytest.mark.parametrize("form", FORMS[1:], ids=lambda f: f.__name__)
def test_the_states_are_the_same(form: Callable[[Path], Any], expected: Any, tmp_path: Path) -> None:
    states = corpus.run(model(), form(tmp_path), tmp_path / "states", steps_per_part=6, **options(form))
    assert len(states.spans) > 2
    assert not states.failed
    found = states.unit("c_t[2]")
    assert found.equals(expected)
    oracle = [model().run(x, record=["c_t"])["c_t"][:, 0, 2] for x in X]
    assert np.abs(found["c_t[2]"].to_numpy() - np.concatenate(oracle)).max() < 1e-5


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
def test_a_source_is_small_and_is_made_again_from_what_it_says(form: Callable[[Path], Any], tmp_path: Path) -> None:
    source = opened(form(tmp_path), 3, tmp_path / "out", **options(form))
    said = json.loads(json.dumps(source.described()))
    again = opened(said.pop("path"), 3, tmp_path / "out", **said)
    assert again == source
    assert again.digest() == source.digest()
    assert len(pickle.dumps(source)) < 1000
    assert pickle.loads(pickle.dumps(source)).digest() == source.digest()  # noqa: S301 - our own bytes


@pytest.mark.few(1)
@pytest.mark.parametrize("form", [json_sequences, wide], ids=lambda f: f.__name__)
def test_states_that_were_moved_find_what_is_beside_them(form: Callable[[Path], Any], tmp_path: Path) -> None:
    corpus.run(model(), form(tmp_path), tmp_path / "states")
    moved = (tmp_path / "states").rename(tmp_path / "moved")
    assert corpus.open(moved).verify().verdict == "verified"


def test_the_digest_is_of_contents_and_options_and_not_of_names(tmp_path: Path) -> None:
    path = wide(tmp_path)
    first = opened(path, 3, tmp_path).digest()
    moved = path.rename(tmp_path / "moved.parquet")
    assert opened(moved, 3, tmp_path).digest() == first
    assert opened(moved, 3, tmp_path, id="mood").digest() != first
    table = pa.table(long())
    pq.write_table(table.set_column(5, "x_0", pa.array(np.concatenate(X)[:, 0] + 1)), moved)
    assert opened(moved, 3, tmp_path).digest() != first


@pytest.mark.parametrize(
    ("stored", "expected"),
    [("float16", "float32"), ("float32", "float32"), ("float64", "float64"), ("int8", "float32"), ("bool", "float32")],
)
@pytest.mark.parametrize("kind", ["wide", "lists"])
def test_x_is_cast_to_floats(stored: str, expected: str, kind: str, tmp_path: Path) -> None:
    values = np.array([[k % 2, 1, k % 3 == 0] for k in range(6)]).astype(stored)
    x = {"x": pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 3)}
    x = x if kind == "lists" else {f"x_{k}": values[:, k] for k in range(3)}
    pq.write_table(pa.table({"seq_id": [1] * 6, **x}), tmp_path / "in.parquet")
    found = read(opened(tmp_path / "in.parquet", 3, tmp_path), 10)
    assert found.x.dtype == expected
    assert found.x.tolist() == values.astype(float).tolist()


def test_columns_of_x_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = sorted(f"x_{k}" for k in range(12))
    pq.write_table(pa.table({"seq_id": [1], **{name: [float(name[2:])] for name in names}}), tmp_path / "in.parquet")
    assert read(opened(tmp_path / "in.parquet", 12, tmp_path), 10).x.tolist() == [[float(k) for k in range(12)]]


def test_steps_may_begin_anywhere_and_other_columns_are_kept_or_left_out(tmp_path: Path) -> None:
    day = pd.Timestamp("2024-01-05")
    columns = {
        "seq_id": [4, 4, 2],
        "t": [5, 6, 0],
        "x": [[1.0], [2.0], [3.0]],
        "layer": [1, 2, 3],
        "day": [day] * 3,
        "kind": pd.Categorical(["a", "b", "a"]),
        "more": [{"a": 1}] * 3,
        "lists": [[1, 2]] * 3,
    }
    frame = pd.DataFrame(columns, index=[7, 8, 9])
    frame.to_parquet(tmp_path / "in.parquet")
    for inputs in (frame, tmp_path / "in.parquet"):
        found = read(opened(inputs, 1, tmp_path), 10)
        assert found.ids.tolist() == [4, 2]
        assert found.t.tolist() == [5, 6, 0]
        assert list(found.targets) == ["layer_", "day", "kind"]
        assert found.targets["layer_"].to_pylist() == [1, 2, 3]
        assert found.targets["kind"].to_pylist() == ["a", "b", "a"]


def test_files_that_are_hidden_are_not_of_the_folder(tmp_path: Path) -> None:
    folder(tmp_path)
    for name in ("_more.parquet", ".part.parquet"):
        pq.write_table(pa.table({"a": [1]}), tmp_path / "many" / name)
    assert read(opened(tmp_path / "many", 3, tmp_path), 10).lengths.tolist() == list(LENGTHS)


def test_whole_numbers_in_the_first_lines_are_no_reason_against_others(tmp_path: Path) -> None:
    rows = [{"seq_id": k, "x": [[k]] * 20_000 if k < 2 else [[0.5]]} for k in range(3)]
    (tmp_path / "in.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert read(opened(tmp_path / "in.jsonl", 1, tmp_path), 10**6).x[-1] == 0.5
