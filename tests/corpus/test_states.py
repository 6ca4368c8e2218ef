"""What is stored is what the network computes: against an LSTM written out in numpy, sequence by sequence."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.corpus import open as open_states, run
from lstm_trace.corpus.rows import parquet
from lstm_trace.errors import FileError

from ..support.plain_lstm import sigmoid
from ..support.tiers import some


def lstm(w: dict[str, np.ndarray], scope: str, x: np.ndarray) -> dict[str, np.ndarray]:
    """c_t and h_t of one layer and direction, (T, H) by the position in the input; x: (T, I)."""
    W = {name: w[f"{scope}/{name}"] for name in (f"{kind}{gate}" for kind in ("W_x", "W_h", "b_") for gate in "ifco")}
    h = c = np.zeros(len(W["b_i"]))
    found = {name: np.zeros((len(x), len(h))) for name in ("c_t", "h_t")}
    for t in reversed(range(len(x))) if scope.endswith("reverse") else range(len(x)):
        i, f, c_tilde, o = (W[f"W_x{g}"] @ x[t] + W[f"W_h{g}"] @ h + W[f"b_{g}"] for g in "ifco")
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(c_tilde)
        h = sigmoid(o) * np.tanh(c)
        found["c_t"][t], found["h_t"][t] = c, h
    return found


def expected(w: dict[str, np.ndarray], x: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
    """By scope and line, (T, H)."""
    found, below = {}, x
    for layer in (0, 1):
        here = {scope: lstm(w, scope, below) for scope in (f"{layer}/forward", f"{layer}/reverse")}
        below = np.concatenate([values["h_t"] for values in here.values()], axis=1)
        found |= {(scope, name): v for scope, values in here.items() for name, v in values.items()}
    return found


def check(states: Any, weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]], tolerance: float) -> None:
    """Every value of every sequence is there once, at its place, with its token and targets; and nothing else is."""
    seen = []
    for part in states.parts():
        tokens, places = part.tokens, part.places.to_pandas()
        for id_, first, stop in zip(part.ids.tolist(), part.starts[:-1], part.starts[1:], strict=True):
            one = sequences[id_]
            seen.append(id_)
            assert tokens[first:stop] == one["tokens"]
            rows = places.iloc[first:stop]
            assert rows["t"].tolist() == list(range(len(one["x"])))
            assert rows["quoted"].tolist() == one["quoted"].tolist()
            assert rows["depth"].tolist() == one["depth"].tolist()
            wanted = expected(weights, one["x"])
            for block in states.layout.blocks:
                values = part.values(block)[first:stop]
                np.testing.assert_allclose(values, wanted[block.scope, block.line], rtol=0, atol=tolerance)
        assert part.ids.tolist() == sorted(part.ids.tolist())
    assert sorted(seen) == sorted(sequences)
    assert sum(span.steps for span in states.spans) == sum(len(one["x"]) for one in sequences.values())


@pytest.mark.few(0)
def test_states_are_those_of_an_lstm_written_out(
    states: Any, weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]]
) -> None:
    assert len(states.spans) > 3
    assert len(states.layout.blocks) == 8
    check(states, weights, sequences, 1e-14)  # of some 50 roundings of numbers of about 1, each 1e-16


@pytest.mark.few(0)
@pytest.mark.parametrize("batch", some([1, 4, 64], 2))
@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_formats_and_batches(
    model: lt.Model, inputs: Path, weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]], tmp_path: Path,
    format: str, batch: int,
) -> None:  # fmt: skip
    run(model, inputs, tmp_path, record=["c_t", "h_t"], batch=batch, format=format, steps_per_part=100)
    check(open_states(tmp_path), weights, sequences, 1e-14)


def test_half_precision_rounds_what_is_stored(
    states: Any, model: lt.Model, inputs: Path, weights: dict[str, np.ndarray], sequences: dict[int, dict[str, Any]],
    tmp_path: Path,
) -> None:  # fmt: skip
    half = run(model, inputs, tmp_path, record=["c_t"], layers=[1], dtype="float16")
    check(half, weights, sequences, 4e-3)  # half an ulp of numbers below 8
    block = half.layout.chosen("1/reverse/c_t")[0]
    assert next(half.parts()).values(block).dtype == np.float16
    assert [block.scope for block in half.layout.blocks] == ["1/forward", "1/reverse"]
    (whole,) = states.layout.chosen("1/reverse/c_t")
    by_id = {}
    for part in states.parts():
        values = part.values(whole)
        by_id |= {i: values[a:b] for i, a, b in zip(part.ids.tolist(), part.starts, part.starts[1:], strict=False)}
    joined = np.concatenate([by_id[i] for part in half.parts() for i in part.ids.tolist()])
    stored = np.concatenate([part.values(block) for part in half.parts()])
    np.testing.assert_array_equal(stored, joined.astype(np.float16))


# -- the files ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
@pytest.mark.parametrize("format", ["parquet", "safetensors"])
def test_a_part_of_another_run_is_refused_when_it_is_read(
    model: lt.Model, inputs: Path, tmp_path: Path, format: str
) -> None:
    """As one that a worker of a run before wrote late: it has the same shape and other values."""
    how = {"record": ["c_t"], "steps_per_part": 60, "format": format}
    for batch in (64, 3):
        run(model, inputs, tmp_path / str(batch), batch=batch, **how)
    shutil.copy(tmp_path / "3" / f"part-00001.{format}", tmp_path / "64")
    states = open_states(tmp_path / "64")
    with pytest.raises(FileError, match=rf"part-00001\.{format} is a part of another run; remove it, or use --fresh"):
        states.unit("1/forward/c_t[2]")


def test_a_part_is_opened_once(states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    make = parquet.ParquetFile

    def counted(path: Path, **options: Any) -> Any:
        opened.append(path)
        return make(path, **options)

    monkeypatch.setattr(parquet, "ParquetFile", counted)
    states = open_states(states.folder)  # which has read nothing yet
    one = states.part(states.spans[1])
    assert len(one.ids) == states.spans[1].sequences
    assert len(one.t) == len(one.tokens) == len(one.values(states.layout.blocks[0], [1])) == states.spans[1].steps
    assert states.place_columns == ["seq_id", "t", "token", "quoted", "depth"]
    assert opened == [states.folder / "part-00001.parquet", states.folder / "part-00000.parquet"]


def test_what_the_system_says_is_no_damage(states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def many(path: Path, **options: Any) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    monkeypatch.setattr(parquet, "ParquetFile", many)
    with pytest.raises(FileError) as told:
        states.part(states.spans[1]).places  # noqa: B018
    assert str(told.value) == f"{states.folder / 'part-00001.parquet'}: cannot be read: too many open files"


def test_a_sequence_is_found_by_a_look_at_its_part_alone(states: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    exists = Path.exists

    def counted(path: Path, **options: Any) -> bool:
        looked.append(path.name)
        return exists(path, **options)

    one = states.part(states.spans[2])
    ids = one.ids.tolist()
    monkeypatch.setattr(Path, "exists", counted)
    assert states.rows_of(ids[1])[1] == slice(*one.starts[1:3].tolist())
    assert [name for name in looked if name.startswith("part-")] == ["part-00002.parquet"]


def test_a_bit_that_was_flipped_in_a_page_is_found(states: Any, tmp_path: Path) -> None:
    """Most flips would be read as another number: pages carry checksums."""
    shutil.copytree(states.folder, tmp_path / "s")
    path = tmp_path / "s" / "part-00001.parquet"
    column = next(k for k in range(99) if parquet.read_schema(path).names[k] == "0f_c_t_2")
    at = parquet.read_metadata(path).row_group(0).column(column)
    content = bytearray(path.read_bytes())
    content[at.data_page_offset + at.total_compressed_size - 3] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"part-00001\.parquet: .*damaged"):
        open_states(tmp_path / "s").unit("0/forward/c_t[2]")


def test_duckdb_reads_halves(model: lt.Model, inputs: Path, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    states = run(model, inputs, tmp_path, dtype="float16")
    found = states.to_duckdb(duckdb.connect()).aggregate('sum("1r_h_t_0"::double)').fetchall()[0][0]
    np.testing.assert_allclose(found, states.unit("1/reverse/h_t[0]")["h_t[0]"].astype(float).sum(), rtol=1e-12)
