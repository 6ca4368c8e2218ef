"""A state that is a matrix: its units are entries, which every command names by row and column."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError

from ..corpus.conftest import write_sequences

pytestmark = pytest.mark.few(0)  # addresses alone: tests/corpus/test_addresses.py
EQUATIONS = """C_t = 0.5 * C_prev + outer(W_v @ x_t, x_t)
h_t = C_t @ x_t
carry: C_prev <- C_t
output: h_t"""


@pytest.fixture(scope="module")
def sequences() -> dict[int, dict[str, Any]]:
    rng = np.random.default_rng(5)
    return {k: {"x": rng.normal(size=(4, 2)), "tokens": [*"abcd"]} for k in range(4)}


@pytest.fixture(scope="module")
def model() -> lt.Model:
    return lt.prepare({"W_v": np.random.default_rng(6).normal(size=(3, 2))}, cell={"equations": EQUATIONS})


@pytest.fixture(scope="module")
def states(model: lt.Model, sequences: dict[int, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    from lstm_trace.corpus import run

    folder = tmp_path_factory.mktemp("matrices")
    write_sequences(sequences, folder / "in.parquet")
    return run(model, folder / "in.parquet", folder / "states", record=["C_t", "h_t"])


@pytest.mark.parametrize("address", ["C_t[2,1]", "0/forward/C_t[ 2, 1 ]", "C_t_5", "C_t[5]"])
def test_an_entry_is_found_by_its_address(
    states: Any, model: lt.Model, sequences: dict[int, dict[str, Any]], address: str
) -> None:
    best = max((model.run(one["x"])["C_t"][:, 0, 5].max(), k) for k, one in sequences.items())
    found = states.top(address, 1)
    assert (found[0].value, found[0].sequence) == best
    assert str(found).startswith("0/forward/C_t[2,1]")
    assert [*states.unit(address)][-1] == "C_t[2,1]"


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("C_t[6]", r"there is no C_t\[6\]; C_t is a matrix, C_t\[row,column\], with rows 0 to 2 and columns 0 to 1"),
        ("C_t[1,2]", r"there is no C_t\[1,2\]; C_t is a matrix"),
        ("h_t[1,1]", r"'h_t\[1,1\]': h_t has the units 0 to 2"),
    ],
)
def test_an_entry_that_does_not_exist(states: Any, address: str, message: str) -> None:
    with pytest.raises(MissingError, match=message):
        states.top(address)


def test_summaries_and_stretches_name_entries(states: Any) -> None:
    found = states.units()
    rows = found.to_frame()[["line", "unit", "row", "column"]].to_numpy().tolist()
    assert rows[:2] + rows[-2:] == [["C_t", 0, 0, 0], ["C_t", 1, 0, 1], ["h_t", 1, -1, -1], ["h_t", 2, -1, -1]]
    assert all(name in str(found) for name in ("C_t[2,1] ", "C_t[0,0] ", "h_t[2] "))
    assert str(states.match([1, 4], "C_t", above=-9.0)).startswith("0/forward/C_t[0,1], C_t[2,0] above")
    assert states.verify().verdict == "verified"


def test_entries_are_held(states: Any, model: lt.Model, sequences: dict[int, dict[str, Any]]) -> None:
    from lstm_trace.corpus import ablate

    rows = {row[0]: row for row in ablate(states, None, "C_t[1,1],C_t[2,0]", controls=1).groups}
    assert list(rows) == ["C_t[1,1]", "C_t[2,0]", "all", "random 1"]
    for row in rows.values():
        hold = dict.fromkeys(row[1].split(), 0.0)
        changes = [np.abs(model.run(s["x"], hold=hold).output - model.run(s["x"]).output) for s in sequences.values()]
        assert row[3] == pytest.approx(np.mean(changes), rel=1e-12)
