"""What the units do: any parts, merged in any order, against pandas over all rows at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.corpus import run
from lstm_trace.corpus.rows import StateLayout
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.tracking.units import UnitMeasurement, columns, merge

from . import planted
from .parts_in_memory import BLOCKS, StatesInMemory, cut, sequences


def measured(frames: list[pd.DataFrame], seed: int = 0, kept: int = 3) -> pd.DataFrame:
    """The units by column, the partial results merged two at a time in a random order."""
    states: Any = StatesInMemory(frames)
    measure = UnitMeasurement(states, BLOCKS, kept)
    left, rng = [measure.of(part) for part in states.parts()], np.random.default_rng(seed)
    while len(left) > 1:
        one, other = (left.pop(int(rng.integers(len(left)))) for _ in range(2))
        left.append(merge(one, other))
    assert left[0].steps == sum(map(len, frames))
    found = pd.DataFrame(dict(columns(measure, left[0])))
    return found.set_index(found["line"] + "_" + found["unit"].astype(str))


def test_a_gate_that_was_recorded_gives_the_memory(  # and one that is broken does not
) -> None:
    frame = sequences(1, 20)
    assert measured([frame])["memory_by"].to_dict() == {
        "f_t_0": "lag 1",
        "f_t_1": "lag 1",
        "c_t_0": "f_t",
        "c_t_1": "f_t",
    }
    frame.loc[3, "f_t_1"] = np.nan
    assert measured([frame])["memory_by"]["c_t_1"] == "lag 1"


def test_a_unit_that_never_moves_is_dead_and_has_no_correlation() -> None:
    frame = sequences(2, 20)
    frame["c_t_0"] = np.float32(0.1)
    frame.loc[::2, "c_t_0"] = np.nextafter(np.float32(0.1), np.float32(1))
    frame["c_t_1"] = np.float32(np.nan)
    frame["f_t_0"] = np.float32(0.1)
    frame.loc[7, "f_t_0"] += np.float32(1e-4)
    found = measured(cut(frame, 0, 4))
    assert found["dead"].to_dict() == {"f_t_0": False, "f_t_1": False, "c_t_0": True, "c_t_1": False}
    assert np.isnan(found.loc["c_t_0", ["r_depth", "r_quoted"]].astype(float)).all()
    gone = found.loc["c_t_1"]
    assert gone["not_finite"] == len(frame)
    assert gone[["mean", "sd", "least", "most", "median", "left", "r_depth"]].isna().all()
    assert (gone["highest"], gone["lowest"], gone["moves_at"]) == ("", "", "")


def test_a_gate_that_is_stored_in_half_is_alive_unless_rounding_explains_it() -> None:
    frame = sequences(2, 40)
    rows = len(frame)
    values = {"f_t_0": 1 - np.arange(rows) % 12 / 1024, "f_t_1": np.where(np.arange(rows) % 2, 0.9997, 0.9998)}
    values |= {"c_t_0": np.where(np.arange(rows) % 2, 0.5, 0.5015), "c_t_1": np.full(rows, 3.0)}
    half = frame.assign(**{name: of.astype(np.float16) for name, of in values.items()})
    assert half.nunique()[[*values]].tolist() == [12, 2, 2, 1]
    found = measured([half])["dead"].to_dict()
    assert found == {"f_t_0": False, "f_t_1": True, "c_t_0": False, "c_t_1": True}


@pytest.mark.few(0)
def test_quantiles_of_many_rows_are_from_rows_chosen_by_sequence_and_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[UnitMeasurement.__module__], "SAMPLE", 400)
    frame = sequences(3, 400)
    states: Any = StatesInMemory([frame])
    split: Any = StatesInMemory(cut(frame, 1, 5))
    whole = UnitMeasurement(states, BLOCKS, 1).of(states.all[0]).sample
    pieces = [UnitMeasurement(split, BLOCKS, 1).of(part).sample for part in split.all]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert 340 < len(whole) < 460
    rows = frame[["f_t_0", "f_t_1", "c_t_0", "c_t_1"]].to_numpy()
    where = [int(np.flatnonzero((rows == one).all(axis=1))[0]) for one in whole]
    assert len(set(where)) == len(whole)
    assert 800 < np.mean(where) < 1200  # of 2,000: from everywhere
    texts = frame.assign(seq_id="s" + frame["seq_id"].astype(str))
    named: Any = StatesInMemory([texts])
    assert 340 < len(UnitMeasurement(named, BLOCKS, 1).of(named.all[0]).sample) < 460
    found = measured([frame])
    assert abs(found.loc["f_t_0", "median"] - frame["f_t_0"].median()) < 0.08


def test_of_many_tokens_the_most_frequent_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = sequences(4, 100)
    frame.loc[frame["token"].isin(["ü"]), "c_t_0"] += 1000  # the rarest moves it most
    assert measured([frame]).loc["c_t_0", "moves_at"].startswith("ü")
    monkeypatch.setattr(sys.modules[UnitMeasurement.__module__], "VOCABULARY", 3)
    assert "ü" not in measured([frame]).loc["c_t_0", "moves_at"]


def test_of_very_many_units_less_is_held() -> None:
    states: Any = StatesInMemory([sequences(4, 9)])
    measure = UnitMeasurement(states, (BLOCKS[0]._replace(width=4096),), 1)
    steps_and_changes = 2 * measure.room * 4096 * np.dtype(np.float64).itemsize
    assert steps_and_changes <= 1 << 26  # four of them at once are held, while two parts are merged
    assert measure.room >= 1000


def test_without_tokens_there_are_numbers_of_steps() -> None:
    frame = sequences(5, 6).drop(columns="token")
    found = measured(cut(frame, 0, 3))
    assert (found["moves_at"] == "").all()
    best = frame.loc[frame["c_t_1"].idxmax()]
    assert f"‹{best['t']}›" in found.loc["c_t_1", "highest"].split(" · ")[0]


def test_highest_and_lowest_have_one_context_of_a_sequence() -> None:
    frame = sequences(6, 12)
    found = measured(cut(frame, 2, 4), kept=2)
    for side, best in (("highest", "idxmax"), ("lowest", "idxmin")):
        rows = getattr(frame.groupby("seq_id")["c_t_1"], best)()
        rows = frame.loc[rows].sort_values("c_t_1", ascending=side == "lowest").index[:2]
        texts = []
        for row in rows:
            same = frame.index[frame["seq_id"] == frame["seq_id"][row]]
            texts.append(
                "".join(f"‹{frame['token'][k]}›" if k == row else frame["token"][k] for k in same if k - row <= 4)
            )
        assert found.loc["c_t_1", side] == " · ".join(texts)


@pytest.fixture(scope="module")
def quotes(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The states of the planted counter, in several parts."""
    folder: Path = tmp_path_factory.mktemp("quotes")
    planted.write(folder / "quotes.parquet")
    model = lt.prepare(planted.weights())
    return run(model, folder / "quotes.parquet", folder / "states", record=["f_t", "c_t", "h_t"], steps_per_part=500)


def test_a_unit_that_counts_quotes_is_found(quotes: Any) -> None:
    assert len(quotes.spans) > 3
    found = quotes.units("c_t").sorted("r_inside").reset_index(drop=True)
    first, others = found.loc[0], found.loc[1:]
    assert (first["unit"], first["moves_at"]) == (planted.COUNTER, '"')
    assert first["r_inside"] > 0.99
    assert (others["r_inside"].abs() < 0.2).all()
    assert (others["moves_at"] != '"').all()
    texts = planted.texts()
    for context in quotes.top(f"c_t[{planted.COUNTER}]", n=10):
        assert planted.inside(texts[int(context.sequence)])[context.t]
        assert context.tokens == tuple(texts[int(context.sequence)][context.first : context.t + 11])
    for context in quotes.top(f"c_t[{planted.COUNTER}]", n=10, lowest=True):
        assert not planted.inside(texts[int(context.sequence)])[context.t]


def test_the_line_says_what_saturation_and_memory_are(quotes: Any) -> None:
    found = quotes.units().to_frame().set_index(["line", "unit"])
    frames = {name: quotes.unit(f"{name}[3]")[f"{name}[3]"] for name in ("f_t", "c_t", "h_t")}
    for name, place in (
        ("f_t", frames["f_t"]),
        ("c_t", (np.tanh(frames["c_t"]) + 1) / 2),
        ("h_t", (frames["h_t"] + 1) / 2),
    ):
        shares = (place < 0.1).mean(), (place > 0.9).mean()
        assert (found.loc[(name, 3), "left"], found.loc[(name, 3), "right"]) == pytest.approx(shares)
    assert found.loc[("c_t", 3), "left"] > 0.1
    half_life = len(frames["f_t"]) / np.minimum(1, -np.log2(frames["f_t"])).sum()
    assert found.loc[("c_t", 3), "memory"] == pytest.approx(half_life)
    assert found["memory_by"].groupby("line").first().to_dict() == {"c_t": "f_t", "f_t": "lag 1", "h_t": "lag 1"}


def test_sorting_and_progress(quotes: Any) -> None:
    seen: list[tuple[int, int]] = []
    found = quotes.units("h_t", contexts=1, progress=lambda *at: seen.append(at))
    steps = sum(span.steps for span in quotes.spans)
    assert (len(seen), seen[-1]) == (len(quotes.spans), (steps, steps))
    assert repr(found) == f"<Units: 6 units over {steps:,} steps; to_frame(), sorted('sd')>"
    assert found.sorted("mean")["mean"].abs().is_monotonic_decreasing
    with pytest.raises(MissingError, match="units have no 'mea'; did you mean 'mean'"):
        found.sorted("mea")
    with pytest.raises(OptionError, match="'highest' has texts"):
        found.sorted("highest")
    with pytest.raises(OptionError, match="contexts is at least 1; found 0"):
        quotes.units(contexts=0)
    with pytest.raises(MissingError, match="the states have no 'o_t'"):
        quotes.units("o_t")


def test_a_unit_that_runs_backwards_moves_from_the_step_after() -> None:
    """Its value at a step comes from the step behind it: the token that moved it is that of its own step."""
    frame = sequences(3, 40, 0.0, 0.0)
    backwards = StateLayout(tuple(block._replace(scope="0/reverse") for block in BLOCKS))
    states: Any = StatesInMemory([frame])
    states.layout = backwards
    measure = UnitMeasurement(states, backwards.blocks, 1)
    found = dict(columns(measure, measure.of(states.all[0])))["moves_at"]
    after = frame.groupby("seq_id")["c_t_0"].shift(-1)
    moved = (frame["c_t_0"] - after).abs().groupby(frame["token"]).agg(["mean", "count"])
    moved = moved[moved["count"] >= 5]["mean"].sort_values(ascending=False)
    wanted = " ".join({" ": "␣"}.get(token, token) for token in moved[moved >= moved.max() / 2].index)
    assert found[2] == wanted
    before = (frame["c_t_0"] - frame.groupby("seq_id")["c_t_0"].shift()).abs().groupby(frame["token"]).mean()
    assert before.idxmax() != moved.index[0], "the other way it is another token"
