"""Comprehensiveness and sufficiency of an order of the steps, against a plain loop; when the split misleads."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.engine.run import rerun
from lstm_trace.explanation.account import BINS, Account, Faithfulness, State, Step, account, rank_correlation
from lstm_trace.explanation.trials import Variants
from lstm_trace.languages.strings import words
from lstm_trace.model.sources import read_input
from lstm_trace.results.contribution import experiments
from lstm_trace.results.difference import difference
from lstm_trace.results.explanation import explanation

from ..support import plain_lstm
from ..support.said import sentences_of, tables
from ..support.tiers import some
from ..support.walk_cases import case

EXAMPLE = Path(__file__).parents[2] / "traces" / "unicode-burmese"
OF = "1/joined/5/1/y_t[5]"
#: s (3 - s) of the sum s of the inputs: past 1.5 a larger sum makes it smaller.
BENT = {"equations": "s_t = s_prev + x_t\nh_t = s_t * (3 - s_t)\ncarry: s_prev <- s_t"}


def loop(trace: lt.Trace, order: list[int], side: float) -> tuple[float, ...]:
    """ERASER's two numbers for row 1, one run at a time; a step is replaced by zeros. How much of the first is past the
    baseline's value, and the mean size of what makes the second.
    """
    weights = {f"{scope}/{name}": value for scope, here in trace.parameters.items() for name, value in here.items()}
    initial = {
        f"{scope}/{short}": here[name][1]
        for scope, here in trace.initial.items()
        for name, short in (("h_prev", "h0"), ("c_prev", "c0"))
    }
    valid = trace.valid[:, 1, 0] != 0

    @cache
    def value(without: frozenset[int]) -> float:
        x = np.array([row * 0 if t in without else row for t, row in enumerate(trace.x[:, 1])])
        return float(plain_lstm.outputs(weights, x, initial, valid)[5, 5])

    comprehensive, past, sufficient, off = [], [], [], []
    none, whole = frozenset[int](), frozenset(order)
    base = value(whole)
    for percent in BINS:
        first = frozenset(order[: max(math.ceil(percent / 100 * len(order)), 1)])
        comprehensive.append(side * (value(none) - value(first)))
        past.append(max(side * (base - value(first)), 0.0))
        sufficient.append(side * (value(none) - value(whole - first)))
        off.append(abs(value(none) - value(whole - first)))
    return tuple(sum(numbers) / len(BINS) for numbers in (comprehensive, past, sufficient, off))


@pytest.mark.few(0)
@pytest.mark.parametrize("seed", [61, 62])
def test_against_a_plain_loop(seed: int) -> None:
    _, trace = case("plain", seed, steps=12, lengths=[12, 11])
    found = account(trace, OF)
    faith = found.faithfulness
    assert faith is not None
    assert (faith.count, len(faith.drawn)) == (11, 20)
    side = -1.0 if found.split.difference < 0 else 1.0
    steps = found.steps[:11]
    scores = {"contribution": [step.inputs for step in steps], "occlusion": [step.occlusion for step in steps]}
    for name, numbers in scores.items():
        order = sorted(range(11), key=lambda t: -side * numbers[t])  # type: ignore[operator]  # none is None here
        assert faith.orders[name] == pytest.approx(loop(trace, order, side), rel=1e-9, abs=1e-14)
    draw = np.random.default_rng(0)
    drawn = [loop(trace, draw.permutation(11).tolist(), side) for _ in range(20)]
    np.testing.assert_allclose(faith.drawn, drawn, rtol=1e-9, atol=1e-14)
    assert faith.mean.comprehensiveness == pytest.approx(np.mean([numbers[0] for numbers in drawn]))
    assert faith.spread.sufficiency == pytest.approx(np.std([numbers[2] for numbers in drawn], ddof=1))
    assert faith.value - faith.baseline == pytest.approx(found.split.difference, rel=1e-12)
    best = max(faith.orders, key=lambda name: faith.orders[name].comprehensiveness)
    assert faith.best == best
    ranked = [step.t for step in found.ranked if isinstance(step, Step)]
    assert ranked == sorted(range(11), key=lambda t: -side * scores[best][t])  # type: ignore[operator]


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("direction", "t", "there", "said"),
    [
        ("forward", 4, range(5), "Steps 5 to 11 are left out: the value does not depend on them."),
        ("forward", 10, range(11), "Step 11 is left out: the value does not depend on it."),
        ("forward", 11, range(12), None),
        ("reverse", 4, range(4, 12), "Steps 0 to 3 are left out: the value does not depend on them."),
        ("both", 4, range(12), None),
    ],
)
@pytest.mark.parametrize("runs", some(["auto", "none"], 2))
def test_steps_on_which_the_value_does_not_depend_are_left_out(
    direction: str, t: int, there: range, said: str | None, runs: Any
) -> None:
    """They stood in the middle of the sorted table, as rows of 0. A step of the baseline's input is not one of them."""
    _, trace = case("plain", 61, steps=12, batch=1, layers=1, both=True)
    x = trace.x.copy()  # type: ignore[union-attr]
    x[there[0]] = 0
    trace = rerun(trace, x=x)
    of = f"0/{direction}/{t}/0/h_t[1]" if direction != "both" else f"0/joined/{t}/0/y_t[1]"
    of = f"{of} + 0/reverse/{t}/0/h_t[1] + 0/forward/{t}/0/h_t[1]" if direction == "both" else of
    found = explanation(trace, of, "contribution", occlusion=runs)
    by_step = tables(found)["By step"]
    assert sorted(row[by_step.columns.index("t")] for row in by_step.rows if isinstance(row[0], int)) == list(there)
    assert by_step.notes == ((said,) if said else ())
    assert found.facts()["more"][-1]["notes"] == by_step.notes
    text = " ".join(found.report("text").split())
    assert said in text if said else "left out: the value" not in text


@pytest.mark.few(0)
@pytest.mark.parametrize("lengths", [[12, 9], [12, 11], [12, 12], [12, 3]])
def test_padding_is_left_out_of_the_steps(lengths: list[int]) -> None:
    _, trace = case("plain", 61, steps=12, lengths=lengths)
    of = f"1/joined/{lengths[1] - 1}/1/y_t[5]"
    for found in (explanation(trace, of, "contribution"), difference(rerun(trace, x=0.5 * trace.x), trace, of)):
        by_step = tables(found)["By step"]
        at = by_step.columns.index("t")
        assert sorted(row[at] for row in by_step.rows if row[at] is not None) == list(range(lengths[1]))
        left = {0: (), 1: ("1 step of padding is left out.",)}
        count = 12 - lengths[1]
        assert by_step.notes == left.get(count, (f"{count} steps of padding are left out.",))
    text = explanation(trace, of, "contribution").report("text")
    assert ("of padding" in text.partition("Checked by experiment")[2]) == (lengths[1] < 12)


def test_without_products_the_split_is_the_best_order() -> None:
    """h = 0.5 h_prev + w x: contributions are occlusions, and no order beats theirs."""
    cell = {"equations": "h_t = 0.5 * h_prev + W @ x_t\ncarry: h_prev <- h_t"}
    x = np.random.default_rng(3).normal(size=(10, 2))
    trace = lt.run({"W": [[1.0, -2.0]]}, x, cell=cell)
    found = account(trace, "9/h_t[0]")
    faith = found.faithfulness
    assert faith is not None
    for step in found.steps:
        assert step.occlusion == pytest.approx(step.inputs, rel=1e-12, abs=1e-14)
    assert faith.best == "contribution"
    assert faith.orders["contribution"] == pytest.approx(faith.orders["occlusion"])
    for score in faith.drawn:
        assert score.comprehensiveness <= faith.orders["contribution"].comprehensiveness + 1e-12
        assert score.sufficiency >= faith.orders["contribution"].sufficiency - 1e-12
    assert faith.correlation == pytest.approx(1)
    assert not faith.disagree
    assert not faith.misleading
    text = explanation(trace, "9/h_t[0]", "contribution").report()
    assert "faithfulness: without the top-ranked steps (1–50 %) by contribution the value is " in text
    assert "no better than" not in text
    assert "disagree" not in text
    assert "drawn at random: they add up" not in text
    early = explanation(trace, "6/h_t[0]", "contribution").report()
    assert "7 steps and states count: what differs from the baseline's and can reach the value." in early


def test_a_value_that_goes_past_the_baselines() -> None:
    """Six steps up and six down, which cancel: without the steps up the value is far below the baseline's."""
    cell = {"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"}
    x = np.array([[0.5], [-0.5]] * 6)
    x[0] += 2**-20
    found = explanation(lt.run({}, x, cell=cell), "11/h_t[0]", "contribution")
    assert (
        "faithfulness: without the top-ranked steps (1–50 %) by contribution the value is -1.3, the mean over 1, 5, "
        "10, 20 and 50 % (by occlusion -1.3, in random order "
    ) in found.report()
    assert "; with all steps it is 9.537e-07, with none 0. With the top-ranked steps alone it is off by 1.3 (" in (
        found.report()
    )
    assert "without the top-ranked steps the value goes past the baseline's, by 1.3 on average" in found.report()
    assert "the contributions of the steps cancel: +3 and -3 leave +9.54e-07" in found.report()
    head = "| order              | comprehensiveness | past the baseline | sufficiency | distance |"
    assert head in found.report()
    row = next(row for row in found.facts()["more"][1]["rows"] if row["order"] == "contribution")
    assert row["comprehensiveness"] == pytest.approx(row["distance"], rel=1e-5)
    assert row["sufficiency"] == -row["distance"]
    assert row["overshoot"] == pytest.approx(row["comprehensiveness"], rel=1e-5)


def test_an_order_that_does_no_better_than_chance() -> None:
    """Where all steps add the same every order is as good; where they cancel, the largest alone are far off."""
    cell = {"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"}
    told = sentences_of(explanation(lt.run({}, np.ones((6, 1)), cell=cell), "5/h_t[0]", "contribution"))
    without = np.mean([5, 5, 5, 4, 3])  # 1, 1, 1, 2 and 3 steps are taken away; as many kept, the rest is missing
    chance = "the top-ranked steps by contribution do no better than steps drawn at random: the value is"
    assert f"taken away, {chance} {without:.4g}, against {without:.4g}" in told
    assert f"kept alone, {chance} off by {without:.4g}, against {without:.4g}" in told
    x = np.array([[0.5], [-0.5]] * 6)
    x[0] += 2**-20
    found = account(trace := lt.run({}, x, cell=cell), "11/h_t[0]").faithfulness
    assert found is not None
    draw = np.random.default_rng(0)  # as the orders are drawn
    orders = [x[draw.permutation(12), 0] for _ in range(20)]
    off = np.mean([abs(order[:k].sum() - x.sum()) for order in orders for k in (1, 1, 2, 3, 6)])
    assert found.mean.distance == pytest.approx(off, rel=1e-9)
    told = sentences_of(explanation(trace, "11/h_t[0]", "contribution"))
    worse = chance.replace("do no better", "do worse")
    assert f"kept alone, {worse} off by 1.3, against {off:.4g}" in told
    assert not [text for text in told if text.startswith("taken away")]
    little = sentences_of(explanation(lt.run({}, [*[[0.5]] * 5, [0.4], [0.3]], cell=BENT), "6/h_t[0]", "contribution"))
    assert [text for text in little if text.startswith(f"kept alone, {chance} off by")], "less than the deviation"


def test_steps_that_are_clearly_worse_than_drawn_ones_are_so_when_taken_away_too() -> None:
    found = account(lt.run({}, np.array([[1.0], [8.0], [-2.0], [4.0], [0.5]]), cell=BENT), "4/h_t[0]")
    faith = found.faithfulness
    assert faith is not None
    mean, spread = faith.mean.comprehensiveness, faith.spread.comprehensiveness
    for far, said in ((0.99, "do no better than"), (1.01, "do worse than")):
        score = faith.mean._replace(comprehensiveness=mean - far * spread)
        told = list(experiments(replace(found, faithfulness=replace(faith, orders={"contribution": score})), words()))
        begin = f"taken away, the top-ranked steps by contribution {said} steps drawn at random: the value is "
        assert [text for text in told if text.startswith(begin)]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_side_of_the_value_decides(sign: float) -> None:
    """A value below the baseline's: the order begins with what pulls it down, and large is good all the same."""
    cell = {"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"}
    x = sign * np.array([[1.0], [8.0], [-2.0], [4.0], [0.5], [0.25]])
    found = account(lt.run({}, x, cell=cell), "5/h_t[0]")
    faith = found.faithfulness
    assert faith is not None
    assert [step.t for step in found.ranked if isinstance(step, Step)] == [1, 3, 0, 4, 5, 2]
    first = [8.0] * 3 + [12.0, 13.0]  # 1, 1, 1, 2 and 3 steps of six
    assert faith.orders["contribution"].comprehensiveness == np.mean(first)
    assert faith.orders["contribution"].sufficiency == np.mean(11.75 - np.array(first))
    assert (faith.value, faith.baseline) == (sign * 11.75, 0)
    past = [0.0, 0.0, 0.0, 0.25, 1.25]  # of 8, 8, 8, 12 and 13 of 11.75
    assert faith.orders["contribution"].overshoot == np.mean(past)
    assert faith.orders["contribution"].distance == np.mean(np.abs(11.75 - np.array(first)))
    assert faith.without(faith.orders["contribution"]) == sign * (11.75 - np.mean(first))


@pytest.fixture(scope="module")
def burmese() -> lt.Trace:
    return lt.run(EXAMPLE / "burmese.npz", read_input(EXAMPLE / "sentence.csv").values)


@pytest.mark.few(0)
def test_a_trained_model_whose_split_misleads(burmese: lt.Trace) -> None:
    """Taking away the steps with the largest shares moves the value less than random ones: it is said."""
    found = account(burmese, "5/y_t[6]", points=1)
    faith = found.faithfulness
    assert faith is not None
    assert faith.misleading
    assert faith.best == "occlusion"
    text = explanation(burmese, "5/y_t[6]", "contribution").report()
    assert "The steps are sorted by occlusion" in text
    assert "the largest contributions move the value less towards the baseline's than steps drawn at random" in text
    table = text.partition("## Faithfulness")[2].partition("## By step")[0]
    assert [row.split("|")[1].strip() for row in table.splitlines() if row.startswith("| ")][1:] == [
        "contribution", "occlusion", "random, mean of 20", "random, sd of 20",
    ]  # fmt: skip
    by_step = text.partition("## By step")[2].partition("## Entries")[0]
    lost = [float(row.split("|")[-2]) for row in [row for row in by_step.splitlines() if row.startswith("|")][2:]]
    side = -1 if faith.value < faith.baseline else 1
    assert lost == sorted(lost, key=lambda value: -side * value)


@pytest.mark.few(0)
def test_a_split_and_an_experiment_that_disagree(burmese: lt.Trace) -> None:
    found = account(burmese, "7/y_t[3]", points=1)
    assert found.faithfulness is not None
    assert found.faithfulness.disagree
    text = explanation(burmese, "7/y_t[3]", "contribution").report()
    correlation = f"{found.faithfulness.correlation:.2f}"
    said = f"the rank correlation of contributions and occlusion is {correlation}"
    assert f"split and experiment disagree: {said}, although they have 1 of their top 2 in common\n" in text


@pytest.mark.parametrize(
    ("correlation", "common", "said"),
    [
        (0.34, 2, "the rank correlation of contributions and occlusion is 0.34, although they have 2 of their top 2"),
        (0.34, 0, "the rank correlation of contributions and occlusion is 0.34, and they have only 0 of their top 2"),
        (0.84, 0, "they have only 0 of their top 2"),
        (np.nan, 0, "they have only 0 of their top 2"),
    ],
)
def test_only_what_says_so_argues_for_it(correlation: float, common: int, said: str) -> None:
    trace = lt.run({}, np.ones((6, 1)), cell={"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"})
    found = account(trace, "5/h_t[0]")
    assert found.faithfulness is not None
    faith = replace(found.faithfulness, correlation=correlation, common=common)
    told = [text for text in experiments(replace(found, faithfulness=faith), words()) if "disagree" in text]
    assert told == [f"split and experiment disagree: {said} in common"]


def test_occlusions_of_the_other_sign_are_told_however_few_the_steps_are() -> None:
    """Of 1.25 + 1.25 the value is 1.25, each step's share a half of it; without one it is 1.25 (3 - 1.25)."""
    few = lt.run({}, [[1.25], [1.25]], cell=BENT)
    found = account(few, "1/h_t[0]")
    assert [(step.inputs, step.occlusion) for step in found.steps] == [(0.625, 1.25 - 1.25 * 1.75)] * 2
    said = "split and experiment disagree: of the 2 largest contributions 2 have an occlusion of the other sign"
    assert said in sentences_of(explanation(few, "1/h_t[0]", "contribution"))
    assert said in " ".join(explanation(few, "1/h_t[0]", "contribution").report("text").split())
    more = lt.run({}, [[1.25], [1.25], *[[2.0**-9]] * 4], cell=BENT)
    assert said in sentences_of(explanation(more, "5/h_t[0]", "contribution"))
    one = sentences_of(explanation(lt.run({}, [[1.595], [0.125]], cell=BENT), "1/h_t[0]", "contribution"))
    assert said.replace(" 2 have", " 1 has") in one


def test_the_sign_of_what_is_small_is_not_told() -> None:
    """The second step has an occlusion of the other sign, and 1/319 of the first one's contribution."""
    trace = lt.run({}, [[1.595], [0.005]], cell=BENT)
    first, second = account(trace, "1/h_t[0]").steps
    assert first.occlusion is not None
    assert second.occlusion is not None
    assert first.inputs > 0 < first.occlusion
    assert second.inputs > 0 > second.occlusion
    assert "disagree" not in explanation(trace, "1/h_t[0]", "contribution").report()


@pytest.mark.few(0)
def test_few_steps_have_no_order() -> None:
    _, trace = case("plain", 63, steps=4)
    found = account(trace, "1/joined/3/1/y_t[1]")
    assert found.faithfulness is None
    assert found.ranked == found.steps
    assert "faithfulness" not in explanation(trace, "1/joined/3/1/y_t[1]", "contribution").report().lower()


@pytest.mark.few(0)
def test_initial_states_are_steps_too() -> None:
    _, trace = case("plain", 64, steps=6)
    found = account(trace, OF, 0)
    assert found.faithfulness is not None
    assert found.faithfulness.count == 6 + 6
    places = [row.place for row in found.ranked if isinstance(row, State)]
    assert {p for p, kind in found.split.kinds.items() if kind == "state"} - set(places) == {
        "1/forward/h0", "1/forward/c0",
    }, "what the value does not depend on is left out"  # fmt: skip
    rows = explanation(trace, OF, "contribution", baseline=0).facts()["more"][-1]["rows"]
    assert {row["token"] for row in rows if row["t"] is None} == set(places)


def measured(trace: lt.Trace, **how: Any) -> Faithfulness | None:
    return account(trace, OF, **how).faithfulness


@pytest.mark.few(0)
def test_a_large_trace_has_fewer_draws_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    _, trace = case("plain", 65, steps=8)
    seconds = Variants.of(pair_of(trace)).trials.seconds  # type: ignore[union-attr]
    for runs, draws in ((20 + 2 + 40.5, 4), (20 + 2 + 29.5, 0)):
        monkeypatch.setattr(plan_choice, "EXTRA_SECONDS", runs * seconds)
        found = measured(trace)
        assert (0 if found is None else len(found.drawn)) == draws
    text = explanation(trace, OF, "contribution").report()
    assert "faithfulness was not measured: it takes 52 more runs (about 1 s)" in text
    assert "The steps are in the order of time. With --occlusion and a number, as in --occlusion 8, it is m" in text
    asked = measured(trace, runs=8)
    assert asked is not None
    assert len(asked.drawn) == 3
    some = measured(trace, runs=3)
    assert some is not None
    assert list(some.orders) == ["contribution"], "an order of some steps only is none"


def pair_of(trace: lt.Trace) -> Any:
    from lstm_trace.explanation.contribution import BaselinePair, baseline_of

    return BaselinePair.of_traces(trace, *baseline_of(trace, "zero-input", OF), OF)


def test_rank_correlation() -> None:
    stats = pytest.importorskip("scipy.stats")
    draw = np.random.default_rng(8)
    for _ in range(20):
        a, b = draw.integers(0, 4, (2, 9)).astype(float)
        assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b).statistic, nan_ok=True)
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))


@pytest.mark.few(0)
def test_a_label_stands_beside_its_step(burmese: lt.Trace) -> None:
    labels = tuple("ab| d\nfghijkl")
    named = replace(burmese, header=replace(burmese.header, step_labels=(labels,)))
    found: Account = account(named, "5/y_t[6]", points=1)
    assert [step.token for step in found.steps] == list(labels)
    text = explanation(named, "5/y_t[6]", "contribution").report()
    table = text.partition("## By step")[2].partition("## Entries")[0]
    rows = {row.split("|", 2)[1].strip(): row for row in table.splitlines() if row.startswith("|")}
    assert "| b " in rows["1"]
    assert "\\|" in rows["2"]
    assert "| ␣ " in rows["3"]
    assert "| ↵ " in rows["5"]
