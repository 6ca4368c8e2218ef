"""States that are right are verified, and whatever is damaged in them is found where it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from .conftest import write_sequences


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Where each text and number of some JSON stands."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else None
    if inner is None:
        yield at, data
    else:
        for key, value in inner:
            yield from places(value, (*at, key))


def read_back(states: Any) -> list[str]:
    """What a reader of every unit, and of what is told of a line, is given."""
    frames = [states.unit(states.layout.address(b, j)) for b in states.layout.blocks for j in range(b.width)]
    return [*(f"{[*frame]} {frame.to_numpy().tolist()}" for frame in frames), *map(str, states.layout.blocks)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One part, of one layer."""
    rng = np.random.default_rng(3)
    folder = tmp_path_factory.mktemp("small")
    for k in range(2):
        sequence = {"x": rng.normal(size=(3, 2)), "tokens": list("abc"), "depth": np.arange(3.0)}
        write_sequences({k: sequence, k + 5: sequence}, folder / "x.parquet")
    weights = {f"W_{s}{g}": rng.normal(size=(4, 2 if s == "x" else 4)) for s in "xh" for g in "ifco"}
    from lstm_trace.corpus import run

    return run(lt.prepare(weights), folder / "x.parquet", folder / "states", record=["c_t", "h_t", "i_t"])


def test_no_edit_of_the_manifest_is_verified_with_other_values_or_names(small: Any, tmp_path: Path) -> None:
    """Each entry by itself: refused when it is opened or read, or not verified, or it changes nothing that is read."""
    from lstm_trace.corpus import open as open_states

    folder = tmp_path / "copy"
    shutil.copytree(small.folder, folder)
    right, said = read_back(small), json.loads((folder / "_manifest.json").read_text())
    verified = set()
    for at, value in places(said):
        edits = [value + 1, value - 1, 2] if isinstance(value, int) else ["h_t", "c_t_0", "float16", "gate", "", None]
        for edit in edits:
            if edit == value:
                continue
            edited = json.loads(json.dumps(said))
            inner = edited
            for key in at[:-1]:
                inner = inner[key]
            inner[at[-1]] = edit
            (folder / "_manifest.json").write_text(json.dumps(edited))
            try:
                states = open_states(folder)
                if states.verify(2).verdict == "verified":
                    assert read_back(states) == right, (at, edit)
                    verified.add(at[0])
            except lt.LstmTraceError:
                continue
    assert verified <= {"source", "sources", "imported", "versions"}, "what docs/corpus.md says is not compared"
