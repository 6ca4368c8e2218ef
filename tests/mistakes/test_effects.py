"""`lstm-trace mistakes`: how far each moves an output, which are hidden, which look the same, what would show more."""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.mistakes.identify import Search
from lstm_trace.mistakes.seeding import MistakeEffect, MistakeEffects, effects, seeded
from lstm_trace.mistakes.table import ROWS
from tests.mistakes.networks import BOTH, NETWORKS, network
from tests.support.tiers import some

PROBLEM = "lstm_trace/examples/three-steps.yaml"
#: An LSTM of one unit and one step, without biases: i and f are exchanged by each other's weights.
ONE_STEP = {
    "weights": {"W_xi": [[1.0]], "W_hi": [[0.5]], "W_xf": [[-1.0]], "W_hf": [[0.25]], "W_xc": [[2.0]],
                "W_hc": [[0.75]], "W_xo": [[0.3]], "W_ho": [[-0.5]]},
    "x": [[1.0]],
}  # fmt: skip


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


@cache
def of_one_step() -> MistakeEffects:
    return effects(lt.run(ONE_STEP))


def by_key(found: tuple[MistakeEffect, ...]) -> dict[str, MistakeEffect]:
    return {str(one.placed): one for one in found}


def test_the_effect_is_the_largest_change_of_the_output() -> None:
    found = by_key(of_one_step().effects)
    right = sigmoid(0.3) * math.tanh(sigmoid(1.0) * math.tanh(2.0))
    wrong = sigmoid(0.3) * math.tanh(sigmoid(-1.0) * math.tanh(2.0))  # i_t is f_t, and c_prev is 0
    assert found["exchange:i_t,f_t"].moved == pytest.approx(abs(wrong - right), rel=1e-12)
    assert found["function-lost:h_t"].moved == pytest.approx(
        abs(sigmoid(0.3) * sigmoid(1.0) * math.tanh(2.0) - right), rel=1e-12
    )


def test_what_one_step_from_zero_cannot_show() -> None:
    found = of_one_step()
    hidden = {str(one.placed) for one in found.hidden}
    assert {"order-h:i,f", "transposed:z_i,W_hi,h_prev", "stale-hidden:z_i", "in-place"} <= hidden
    assert not {"exchange:i_t,f_t", "order:i,f", "function-lost:h_t"} & hidden
    assert next(iter(found.remedies)) == "steps"
    assert {"steps", "states"} <= {*found.remedies}
    assert "biases" not in found.remedies  # it has none


def test_a_remedy_shows_as_many_as_are_said() -> None:
    """With initial states, mistakes about them are no longer hidden; how many depends a little on the numbers."""
    trace = lt.run(PROBLEM, ask=[])
    found = effects(trace)
    drawn = np.random.default_rng(3)
    states = {name: drawn.uniform(-1, 1, (1, 1, 2)) for name in ("h0", "c0")}
    other = {str(one.placed) for one in effects(lt.run(PROBLEM, ask=[], **states)).hidden}
    shown = [one for one in found.hidden if str(one.placed) not in other]
    assert {"initial-zero", "initial-exchanged", "initial-zero:c_prev"} <= {str(one.placed) for one in shown}
    assert 20 < len(shown) < 2 * found.remedies["states"] < 4 * len(shown)
    order = [*found.remedies.values()]
    assert order == sorted(order, reverse=True)


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_same_names_the_first_with_the_same_output(name: str) -> None:
    trace = network(name)
    found = effects(trace, place="everywhere")
    keys = [str(one.placed) for one in found.effects]
    runs: dict[str, np.ndarray] = {}
    for one in some([one for one in found.effects if one.same is not None and math.isfinite(one.moved)], 4):
        assert keys.index(str(one.same)) < keys.index(str(one.placed))
        for key in (str(one.placed), str(one.same)):
            try:
                runs[key] = seeded(trace, [key]).output
            except lt.OptionError:
                continue
        if {str(one.placed), str(one.same)} <= {*runs}:
            np.testing.assert_allclose(runs[str(one.placed)], runs[str(one.same)], atol=1e-9)
    first = [one for one in found.effects if one.same is None]
    moved = [one.moved for one in first if not one.hidden and math.isfinite(one.moved)]
    assert len({f"{one:.10g}" for one in moved}) > 0.9 * len(moved)


def test_those_whose_sizes_do_not_fit_are_left_out() -> None:
    trace = lt.run({"W_xh": np.ones((2, 3)), "W_hh": np.eye(2) + 0.1}, np.ones((2, 3)), cell="rnn")
    keys = {str(one.placed) for one in effects(trace).effects}
    assert "transposed:z_h,W_hh,h_prev" in keys
    assert "transposed:z_h,W_xh,x_t" not in keys
    assert {str(one.mistakes[0]) for one in Search(trace, {}).candidates()} >= {"transposed:z_h,W_xh,x_t"}


@pytest.mark.few(1)
@pytest.mark.parametrize("name", ["lstm with a projection", "narrow"])
def test_a_run_can_have_what_is_listed_as_far_as_sizes_go(name: str) -> None:
    """With a projection only the second step meets what does not fit; at padding there are zeros in its place."""
    drawn = np.random.default_rng(0).normal
    own = {f"{k}/{d}/W_{part}h": drawn(size=(2, width)) for k, wide in ((0, 3), (1, 4)) for d in BOTH
           for part, width in (("x", wide), ("h", 2))}  # fmt: skip
    trace = network(name) if name != "narrow" else lt.run(own, drawn(size=(4, 2, 3)), cell="rnn", lengths=[4, 3])
    found = effects(trace)
    listed = {str(one.placed) for one in found.effects}
    every = {str(one.mistakes[0]) for one in Search(trace, {}).candidates()}
    misfits = {"carry-projection:carryh_prev", "carry-hidden:carryc_prev"} if name != "narrow" else {
        "0/transposed:z_h,W_xh,x_t", "1/reverse/product-of-sum:z_h,W_xh,x_t"
    }  # fmt: skip
    assert every - listed > misfits
    infinite = [str(one.placed) for one in found.effects if math.isinf(one.moved)]
    refused: list[str] = []
    for key in some([*infinite, *some(sorted(listed), 30)], 30):
        try:
            seeded(trace, [key])
        except lt.OptionError as error:
            refused.append(str(error))
    assert [said for said in refused if "sizes" in said] == []


def test_rows_and_places_are_chosen() -> None:
    trace = network("lstm 2 x 2")
    found = effects(trace, rows=["function-lost"], place="1/reverse").effects
    assert {one.placed.mistake.row.key for one in found} == {"function-lost"}
    assert {one.placed.place for one in found} == {"1/reverse/"}
    assert {one.placed.place for one in effects(trace, ["exchange"], "everywhere").effects} == {""}
    with pytest.raises(lt.OptionError, match="no kind of mistake 'exchang'; did you mean 'exchange'"):
        effects(trace, ["exchang"])
    with pytest.raises(lt.OptionError, match="there is no place '2'; there are everywhere, 0, 1"):
        effects(trace, place="2")


def test_the_tolerance_is_that_of_the_dtype() -> None:
    small = lt.run(ONE_STEP | {"dtype": "float32"})
    assert 1e-8 < effects(small, ["exchange"]).tolerance < 1e-5
    assert effects(lt.run(ONE_STEP), ["exchange"]).tolerance < 1e-14


def test_a_trace_of_some_lines_is_refused() -> None:
    with pytest.raises(lt.OptionError, match="mistakes needs every line: run the model without ask; not computed: "):
        effects(lt.run(PROBLEM, ask="0/i_t"))


# -- the result --------------------------------------------------------------------------------------------------------


def test_the_result_says_how_many_are_hidden_and_what_would_show_them() -> None:
    text = lt.mistakes_of(ONE_STEP).report("text")
    assert " mistakes leave no trace in the output" in text
    assert "of these would show if there were a second and a third step" in text
    frame = lt.mistakes_of(PROBLEM, rows="exchange").to_frame()
    assert [*frame["mistake"]] == ["exchange:i_t,f_t", "exchange:i_t,o_t", "exchange:f_t,o_t"]
    assert frame["says"][0].startswith("the port uses i_t and f_t in each other's place")


@pytest.mark.few(1)
@pytest.mark.parametrize("place", [None, "everywhere"])
def test_json_has_every_mistake(place: str | None) -> None:
    found = lt.mistakes_of(PROBLEM, place=place)
    facts = json.loads(found.as_json())
    assert len(facts["rows"]) == len(found.found.effects)
    assert {row["kind_of_mistake"] for row in facts["more"][0]["rows"]} <= {*ROWS}
    assert sum(row["hidden"] for row in facts["more"][0]["rows"]) == len(found.found.hidden)


def test_the_command_is_bounded_and_writes_files(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["mistakes", PROBLEM])
    assert done.exit_code == 0
    assert len(done.output.splitlines()) < 80
    path = tmp_path / "m.csv"
    assert CliRunner().invoke(main, ["mistakes", PROBLEM, "-o", str(path)]).exit_code == 0
    assert len(path.read_text(encoding="utf-8").splitlines()) > 500
    one = CliRunner().invoke(main, ["mistakes", PROBLEM, "--row", "exchange", "--place", "everywhere"])
    assert "exchange:i_t,f_t" in one.output
    for wrong in (["--row", "x\x1b[31m" * 50], ["--place", "7/up"], ["--row", ""]):
        done = CliRunner().invoke(main, ["mistakes", PROBLEM, *wrong])
        assert done.exit_code == 2
        assert "\x1b" not in done.output
        assert len(done.output) < 600
