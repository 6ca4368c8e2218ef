"""A probe finds what is planted, and nothing where there is nothing; against scikit-learn and numpy on all steps."""

from __future__ import annotations

import builtins
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError

from . import planted, quotes

pytestmark = pytest.mark.usefixtures("sklearn")


@pytest.fixture(scope="module")
def every() -> dict[str, dict[str, Any]]:
    return quotes.sequences()


@pytest.fixture(scope="module")
def quoted(every: dict[str, dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The states of the quotes, in several parts."""
    from lstm_trace.corpus import run

    folder = tmp_path_factory.mktemp("quotes")
    return run(quotes.model(), quotes.write(folder / "q.parquet", every), folder / "states", steps_per_part=300)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the probe learns from: x before it is standardized, and the mask of the training part."""
    from lstm_trace.tracking import probe

    found: dict[str, Any] = {}
    real = probe.standardized

    def watched(x: np.ndarray, old: np.ndarray) -> Any:
        found.update(x=x.copy(), old=old.copy())
        return real(x, old)

    monkeypatch.setattr(probe, "standardized", watched)
    return found


def all_rows(states: Any, line: str) -> tuple[np.ndarray, Any]:
    """The states of a line at all steps, and what else there is of the steps, as a frame."""
    import pandas as pd

    parts = list(states.parts())
    (block,) = states.layout.chosen(line)
    frames = [part.places.to_pandas() for part in parts]
    return np.concatenate([part.values(block) for part in parts]), pd.concat(frames, ignore_index=True)


# -- what is planted -------------------------------------------------------------------------------------------------


def test_a_planted_unit_is_found(quoted: Any) -> None:
    found = quoted.probe("inside")
    assert found.scores["probe"].value == 1
    assert found.classes == (False, True)
    assert found.best == f"c_t[{quotes.INSIDE}]"
    assert found.scores["best unit"].value == 1
    frame = found.to_frame()
    assert frame["unit"][0] == f"c_t[{quotes.INSIDE}]"
    assert frame["class"].tolist() == ["True"] * quotes.UNITS
    assert frame["standardized"].abs().is_monotonic_decreasing
    assert frame["weight"][0] > 0
    assert frame["explained"].idxmax() == 0
    assert found.better
    assert found.selectivity > 0.3
    text = str(found.report())
    assert "accuracy 1 (95 % interval 1 to 1)" in text
    assert "c_t[1] is the best single unit: alone it reaches 1, 100% of what all units gain" in text
    assert "| control task " in text


def test_a_counter_among_random_units_is_found(tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    planted.write(tmp_path / "x.parquet")
    found = run(planted.weights(), tmp_path / "x.parquet", tmp_path / "s").probe("inside")
    assert found.scores["probe"].value > 0.999
    assert found.best == found.to_frame()["unit"][0] == f"c_t[{planted.COUNTER}]"
    assert found.scores["best unit"].value > 0.999


def test_of_a_random_target_it_is_said_that_nothing_says_it(quoted: Any) -> None:
    found = quoted.probe("coin")
    assert not found.better
    assert found.scores["baseline"].ahead_low <= 0
    assert "no better than always saying tails" in str(found.report())
    assert "the probe found no linear readout of coin" in " ".join(str(found.report()).split())
    assert "is the best single unit" not in str(found.report())
    numbers = quoted.probe("noise")
    assert not numbers.better
    assert "no better than the mean of the training part" in str(numbers.report())


# -- what it is computed from ----------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", [0, 1])
def test_no_sequence_is_on_both_sides_and_scikit_learn_says_the_same(
    quoted: Any, seen: dict[str, Any], seed: int
) -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    found = quoted.probe("letter", "h_t", seed=seed, test=0.4)
    x, places = all_rows(quoted, "h_t")
    np.testing.assert_array_equal(seen["x"], x)
    sides = places.assign(old=seen["old"]).groupby("seq_id")["old"]
    assert (sides.min() == sides.max()).all()
    assert (sides.max().sum(), (~sides.max()).sum()) == found.sequences == (48, 32)
    assert found.steps == (seen["old"].sum(), (~seen["old"]).sum())
    y, old = places["letter"].to_numpy(), seen["old"]
    scaler = StandardScaler().fit(x[old])
    fit = LogisticRegression(max_iter=1000).fit(scaler.transform(x[old]), y[old])
    said = fit.predict(scaler.transform(x[~old]))
    assert found.scores["probe"].value == pytest.approx((said == y[~old]).mean())
    np.testing.assert_allclose(found.standardized, fit.coef_, rtol=0, atol=1e-3)  # where the two fits were stopped
    np.testing.assert_allclose(found.weights, fit.coef_ / scaler.scale_, rtol=0, atol=1e-2)
    usual = Counter(y[old].tolist()).most_common(1)[0][0]
    assert found.baseline == usual
    assert found.scores["baseline"].value == pytest.approx((y[~old] == usual).mean())
    np.testing.assert_array_equal(
        found.confusion, [[((y[~old] == a) & (said == b)).sum() for b in range(8)] for a in range(8)]
    )
    one = {k: y[old] == k for k in range(8)}
    explained = sum(at.sum() * (x[old][at].mean(axis=0) - x[old].mean(axis=0)) ** 2 for at in one.values())
    np.testing.assert_allclose(found.explained, explained / (len(x[old]) * x[old].var(axis=0)))
    decoded = np.argmax(x[~old] @ found.weights.T + found.intercept, axis=1)
    np.testing.assert_array_equal(decoded, said)


def test_numbers_are_a_ridge_regression(quoted: Any, seen: dict[str, Any]) -> None:
    found = quoted.probe("t", "h_t")
    x, places = all_rows(quoted, "h_t")
    y, old = places["t"].to_numpy(), seen["old"]
    z = (x - x[old].mean(axis=0)) / x[old].std(axis=0)
    target = y[old] - y[old].mean()
    weights = np.linalg.solve(z[old].T @ z[old] + np.eye(4), z[old].T @ target)
    np.testing.assert_allclose(found.standardized[0], weights, rtol=1e-9)
    np.testing.assert_allclose(found.weights[0], weights / x[old].std(axis=0), rtol=1e-9)
    off = z[~old] @ weights + y[old].mean() - y[~old]
    assert found.scores["probe"].value == pytest.approx(1 - (off**2).sum() / ((y[~old] - y[~old].mean()) ** 2).sum())
    np.testing.assert_allclose(found.explained, [np.corrcoef(x[old][:, j], y[old])[0, 1] ** 2 for j in range(4)])
    assert found.measure == "R²"
    assert "class" not in str(found.report()).split("## Weights")[1]


def test_it_is_the_same_for_a_seed_and_draws_whole_sequences(quoted: Any, every: dict[str, dict[str, Any]]) -> None:
    one, two, other = (quoted.probe("inside", max_steps=600, seed=seed) for seed in (3, 3, 4))
    assert one.to_frame().equals(two.to_frame())
    assert one.scores == two.scores
    assert not one.to_frame().equals(other.to_frame())
    assert sum(one.steps) <= 600
    assert 10 < sum(one.sequences) < 80
    assert one.every == 80
    assert sum(one.steps) + max(len(one["x"]) for one in every.values()) > 600
    assert "of 80 in all" in " ".join(str(one.report()).split())


def test_a_line_of_several_places_has_all_their_units(states: Any) -> None:
    found = states.probe("quoted", "c_t")
    assert len(found.units) == 16
    assert found.units[5] == ("0/reverse/c_t[1]", 0, "reverse", "c_t")
    (alone,) = {unit[1:] for unit in states.probe("quoted", "1/reverse/h_t").units}
    assert alone == (1, "reverse", "h_t")
    assert len(states.probe("depth", None).units) == 32


def test_half_precision_is_decoded_as_well(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    half = run(quotes.model("float32"), quotes.write(tmp_path / "q.parquet", every), tmp_path / "s", dtype="float16")
    assert half.probe("inside").scores["probe"].value == 1


def test_steps_without_a_number_are_left_out(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    holed = {id_: {**one, "noise": list(one["noise"])} for id_, one in every.items()}
    holed["s003"]["noise"] = [float("nan")] * len(every["s003"]["x"])
    holed["s005"]["noise"][1] = float("inf")
    found = run(quotes.model(), quotes.write(tmp_path / "q.parquet", holed), tmp_path / "s").probe("noise")
    assert found.missing == len(every["s003"]["x"]) + 1
    assert sum(found.sequences) == 79
    assert sum(found.steps) + found.missing == sum(len(one["x"]) for one in every.values())


# -- labels from a file ----------------------------------------------------------------------------------------------


def label_file(every: dict[str, dict[str, Any]], path: Path, drop: int = 0) -> Path:
    """`inside` of all steps in another order, without every `drop`-th."""
    import pandas as pd

    rows = [(id_, t, one["inside"][t]) for id_, one in every.items() for t in range(len(one["x"]))]
    rows = [row for k, row in enumerate(rows) if not drop or k % drop]
    frame = pd.DataFrame(rows, columns=["seq_id", "t", "within"]).sample(frac=1, random_state=1)
    if path.suffix == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_labels_of_a_file_are_joined_by_sequence_and_step(
    quoted: Any, every: dict[str, dict[str, Any]], tmp_path: Path, suffix: str
) -> None:
    own = quoted.probe("inside")
    found = quoted.probe("within", labels=label_file(every, tmp_path / f"labels.{suffix}"))
    assert found.scores == own.scores
    np.testing.assert_array_equal(found.weights, own.weights)
    holes = quoted.probe("within", labels=label_file(every, tmp_path / f"holes.{suffix}", 5))
    steps = sum(len(one["x"]) for one in every.values())
    assert (sum(holes.steps), holes.missing) == (steps - -(-steps // 5), -(-steps // 5))
    assert f"{holes.missing} steps without within left out" in str(holes.report())
    some = {id_: one for id_, one in every.items() if id_ < "s040"}
    part = quoted.probe("within", labels=label_file(some, tmp_path / f"some.{suffix}"))
    assert (sum(part.sequences), part.every, part.missing) == (40, 40, 0)


def test_sequences_may_be_numbers(states: Any, sequences: dict[int, dict[str, Any]], tmp_path: Path) -> None:
    rows = [f"{id_},{t},{value}" for id_, one in sequences.items() for t, value in enumerate(one["quoted"])]
    (tmp_path / "labels.csv").write_text("\n".join(["seq_id,t,said", *reversed(rows)]))
    own, found = states.probe("quoted"), states.probe("said", labels=tmp_path / "labels.csv")
    assert (found.scores, found.missing) == (own.scores, 0)


def test_texts_of_digits_stay_texts(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    numbered = {id_[1:]: one for id_, one in every.items()}
    found = run(quotes.model(), quotes.write(tmp_path / "q.parquet", numbered), tmp_path / "s")
    labels = label_file(numbered, tmp_path / "labels.csv")
    assert labels.read_text().splitlines()[1][:2] == "00"
    assert found.probe("within", labels=labels).scores == found.probe("inside").scores
    (tmp_path / "others.csv").write_text("seq_id,t,within\n7,0,True\n")
    with pytest.raises(FileError, match=r"no seq_id is that of a sequence of the states; it has '7', they have '000'"):
        found.probe("within", labels=tmp_path / "others.csv")


@pytest.mark.few(1)
@pytest.mark.parametrize("there", [0, 1, 3])
def test_a_target_of_few_sequences_is_refused(every: dict[str, dict[str, Any]], tmp_path: Path, there: int) -> None:
    from lstm_trace.corpus import ablate, run

    holed = {id_: {**one, "noise": list(one["noise"])} for id_, one in every.items()}
    for id_ in list(holed)[there:]:
        holed[id_]["noise"] = [float("nan")] * len(every[id_]["x"])
    states = run(quotes.model(), quotes.write(tmp_path / "q.parquet", holed), tmp_path / "s")
    for asked in (lambda: states.probe("noise"), lambda: ablate(states, None, ["c_t[1]"], "noise")):
        with pytest.raises(
            OptionError, match=f"noise is present in {there} of 80 sequences that were drawn; at least 4"
        ):
            asked()


def test_labels_that_do_not_fit_are_refused(quoted: Any, every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    path = label_file(every, tmp_path / "labels.csv")
    text = path.read_text().splitlines()
    for name, rows, said in (
        ("twice.csv", [*text, text[5]], "a step has more than one; expected each seq_id and t once"),
        ("names.csv", ["id,t,within", *text[1:]], "no column seq_id; it has id, t, within"),
        ("odd.csv", [*text, "s000,three,True"], "cannot be read as labels: "),
        ("empty.parquet", [], "cannot be read as labels: "),
    ):
        (tmp_path / name).write_text("\n".join(rows))
        with pytest.raises(FileError, match=said):
            quoted.probe("within", labels=tmp_path / name)
    with pytest.raises(FileError, match=r"gone\.csv: "):
        quoted.probe("within", labels=tmp_path / "gone.csv")


# -- what cannot be probed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"target": "insid"}, MissingError, "the states have no column 'insid'; did you mean 'inside'?"),
        ({"target": "seq_id"}, MissingError, "the states have no column 'seq_id'"),
        ({"target": "inside", "line": "f_t"}, MissingError, "the states have no 'f_t'"),
        ({"target": "inside", "max_steps": 3}, OptionError, "of 80 sequences were drawn, with at most 3 steps"),
        ({"target": "inside", "test": 1.0}, OptionError, "test is the share of the sequences that are tested"),
        ({"target": "inside", "seed": "x"}, OptionError, "seed: expected a whole number"),
    ],
)
def test_what_cannot_be_probed_is_refused(
    quoted: Any, arguments: dict[str, Any], kind: type[LstmTraceError], said: str
) -> None:
    with pytest.raises(kind, match=said.replace("?", r"\?")):
        quoted.probe(**arguments)


def test_targets_that_say_nothing_are_refused(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    steps = iter(range(10_000))
    odd = {
        id_: {**one, "coin": [f"c{next(steps)}" for _ in one["coin"]], "letter": [7] * len(one["x"])}
        for id_, one in every.items()
    }
    states = run(quotes.model(), quotes.write(tmp_path / "q.parquet", odd), tmp_path / "s")
    with pytest.raises(OptionError, match=r"coin has 1,\d{3} different values; a probe tells at most 200 classes"):
        states.probe("coin")
    with pytest.raises(OptionError, match="letter is the same in all steps that were drawn"):
        states.probe("letter")


def test_states_that_are_not_finite_are_refused(every: dict[str, dict[str, Any]], tmp_path: Path) -> None:
    from lstm_trace.corpus import run

    grows = {"equations": "c_t = 4000 * c_prev + mean(x_t)\ncarry: c_prev <- c_t\noutput: c_t"}
    model = lt.prepare({}, cell=grows, dtype="float32")
    states = run(model, quotes.write(tmp_path / "q.parquet", every), tmp_path / "s")
    with pytest.raises(OptionError, match="not all of these states are finite"):
        states.probe("inside")


def test_without_scikit_learn_it_is_said_how_to_get_it(quoted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(OptionError, match=r"a probe needs the package scikit-learn.*pip install 'scikit-learn[^']*'"):
        quoted.probe("inside")


# -- its parts -------------------------------------------------------------------------------------------------------


def sample(rng: np.random.Generator, x: np.ndarray, y: np.ndarray, tokens: Any, sequences: int) -> Any:
    from lstm_trace.tracking.probe import Sample

    lengths = np.full(sequences, len(x) // sequences)
    return Sample(x, y, tuple(range(y.max() + 1)), tokens, np.arange(sequences), lengths, 0, sequences)


def test_what_is_learned_by_heart_is_not_selective() -> None:
    from lstm_trace.tracking.probe import _probed

    rng = np.random.default_rng(0)
    kinds = rng.integers(30, size=3000)
    x, y = np.eye(30)[kinds], rng.integers(3, size=30)[kinds]
    units = tuple((f"c_t[{k}]", 0, "forward", "c_t") for k in range(30))
    held = np.arange(60) % 3 == 0
    found = _probed(sample(rng, x, y, np.array([f"w{k}" for k in kinds], object), 60), "class", units, held, 0)
    assert found.scores["control"].value == found.scores["probe"].value == 1
    assert found.tokens == 30
    assert "not selective: the probe learns random labels as well" in str(found.report())
    free = _probed(sample(rng, x, y, None, 60), "class", units, held, 0)
    assert free.scores["control"].value < 0.45
    assert free.selectivity > 0.5
    assert "with a random label for each step" in str(free.report())


@pytest.mark.few(1)
@pytest.mark.parametrize("seed", range(6))
def test_a_rare_target_is_selective_though_the_random_labels_of_few_tokens_are_all_the_same(seed: int) -> None:
    from lstm_trace.tracking.probe import _probed

    rng = np.random.default_rng(seed)
    y = (rng.random(6000) < 0.03).astype(int)
    x, tokens = np.stack([y, rng.normal(size=6000)], axis=1), rng.choice([*"abcdef"], 6000).astype(object)
    units = tuple((f"c_t[{k}]", 0, "forward", "c_t") for k in range(2))
    found = _probed(sample(rng, x, y, tokens, 60), "class", units, np.arange(60) % 3 == 0, seed)
    assert found.scores["probe"].value == 1
    assert found.selective
    assert "not selective" not in str(found.report())


def test_a_class_that_is_tested_alone_has_no_weights_and_counts_as_wrong() -> None:
    from lstm_trace.tracking.probe import _probed

    rng = np.random.default_rng(0)
    y = np.repeat([0, 1, 3] * 10, 20)
    held = np.arange(30) >= 20
    y[:20] = 2  # of a sequence that is moved to the tested ones
    held[0] = True
    units = tuple((f"c_t[{k}]", 0, "forward", "c_t") for k in range(4))
    found = _probed(sample(rng, np.eye(4)[y], y, None, 30), "class", units, held, 0)
    assert found.weighed == (0, 1, 3)
    assert found.weights.shape == (3, 4)
    assert found.confusion[2].sum() == 20
    assert found.scores["probe"].value == pytest.approx(1 - 20 / (11 * 20))
    assert "few: the intervals are rough" in str(found.report())


def test_an_interval_takes_sequences_as_units() -> None:
    from lstm_trace.tracking.probe import interval, resampled

    rng = np.random.default_rng(5)
    right = rng.random(100) < 0.7  # all 50 steps of a sequence, or none
    sums = np.stack([right * 50.0, np.full(100, 50.0)], axis=1)
    again = resampled(sums, 0)
    low, high = interval(again[:, 0] / again[:, 1])
    p = right.mean()
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / 100), rel=0.1)
    assert (low + high) / 2 == pytest.approx(p, abs=0.02)


def test_what_is_drawn_does_not_depend_on_what_else_there_is() -> None:
    from lstm_trace.corpus.rows import shuffled

    ids = [f"s{k}" for k in range(200)]
    order = [ids[k] for k in shuffled(ids, 7)]
    assert sorted(order) == sorted(ids)
    some = ids[::3]
    assert [some[k] for k in shuffled(some, 7)] == [one for one in order if one in some]
    assert order != [ids[k] for k in shuffled(ids, 8)]
