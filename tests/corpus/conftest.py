"""A small corpus: two bidirectional layers with random weights, and 30 sequences with tokens and targets."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

if find_spec("pyarrow") is None:  # what every file of a corpus needs
    collect_ignore_glob = ["test_*.py", "slow_*.py"]

#: I, H, and sequences.
INPUTS, UNITS, COUNT = 3, 4, 30


@pytest.fixture(scope="session")
def weights() -> dict[str, np.ndarray]:
    """By `layer/direction/name`, float64: random, so that no two matrices are alike."""
    rng = np.random.default_rng(1)
    found = {}
    for scope in ("0/forward", "0/reverse", "1/forward", "1/reverse"):
        width = INPUTS if scope[0] == "0" else 2 * UNITS
        for gate in "ifco":
            found[f"{scope}/W_x{gate}"] = rng.normal(size=(UNITS, width))
            found[f"{scope}/W_h{gate}"] = rng.normal(size=(UNITS, UNITS))
            found[f"{scope}/b_{gate}"] = rng.normal(size=UNITS)
    return found


@pytest.fixture(scope="session")
def model(weights: dict[str, np.ndarray]) -> lt.Model:
    return lt.prepare(weights)


@pytest.fixture(scope="session")
def sequences() -> dict[int, dict[str, Any]]:
    """By id, in the order of the file: x (T, I), tokens, quoted (bool), depth (float). T = 1 to 12, ids not sorted."""
    rng = np.random.default_rng(2)
    ids = rng.permutation(np.arange(100, 100 + COUNT))
    lengths = rng.permutation(np.resize(np.arange(1, 13), COUNT))
    found = {}
    for id_, length in zip(ids.tolist(), lengths.tolist(), strict=True):
        found[id_] = {
            "x": rng.normal(size=(length, INPUTS)),
            "tokens": [str(token) for token in rng.choice(["a", "bc", '"', " ", "é"], size=length)],
            "quoted": rng.random(length) < 0.4,
            "depth": rng.normal(size=length),
        }
    return found


@pytest.fixture(scope="session")
def inputs(sequences: dict[int, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sequences as Parquet, with a row for each step."""
    path = tmp_path_factory.mktemp("corpus") / "sequences.parquet"
    write_sequences(sequences, path)
    return path


def write_sequences(sequences: dict[int, dict[str, Any]], path: Path) -> None:
    """Parquet with `seq_id, t, token, x_0 …`, and what else the sequences have, by step."""
    import pyarrow as pa
    from pyarrow import parquet

    x = np.concatenate([one["x"] for one in sequences.values()])
    targets = [name for name in next(iter(sequences.values())) if name not in ("x", "tokens")]
    columns: dict[str, Any] = {
        "seq_id": np.concatenate([[id_] * len(one["x"]) for id_, one in sequences.items()]),
        "t": np.concatenate([np.arange(len(one["x"])) for one in sequences.values()]).astype(np.int32),
        "token": [token for one in sequences.values() for token in one["tokens"]],
        **{f"x_{k}": x[:, k] for k in range(x.shape[1])},
        **{name: np.concatenate([one[name] for one in sequences.values()]) for name in targets},
    }
    parquet.write_table(pa.table(columns), path, row_group_size=50)


@pytest.fixture(scope="session")
def states(model: lt.Model, inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The finished states of c_t and h_t, in several parts."""
    from lstm_trace.corpus import run

    return run(model, inputs, tmp_path_factory.mktemp("states"), record=["c_t", "h_t"], steps_per_part=60)
