"""`run --mistake`: a run with a mistake is a trace like any other, of what the search would run for this mistake."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.mistakes.identify import Search
from lstm_trace.mistakes.programs import OUTPUT
from lstm_trace.mistakes.seeding import candidate_of, seeded
from lstm_trace.mistakes.trials import Candidate, MistakeRuns
from tests.mistakes.networks import NETWORKS, network, weights
from tests.support.tiers import some

PROBLEM = "lstm_trace/examples/three-steps.yaml"


#: Why a run may not have a mistake.
REASONS = ("neither the equations", "sizes", "passed on", "lengths")


def run(*arguments: str) -> Any:
    """The command line, in this process."""
    return CliRunner().invoke(main, [*arguments])


def sample(name: str, count: int) -> tuple[lt.Trace, list[Candidate]]:
    """A network, and mistakes of every kind in it."""
    trace = network(name)
    found: dict[tuple[str, str], Candidate] = {}
    for one in Search(trace, {}).candidates():
        found.setdefault((one.mistakes[0].place, one.mistakes[0].mistake.row.key), one)
    return trace, some(found.values(), count)


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_run_with_a_mistake_gives_what_the_search_computes(name: str) -> None:
    trace, candidates = sample(name, 40)
    places = [(trace.stages[-1].scope, OUTPUT)]
    tried, unexpected = 0, list[str]()
    for candidate, expected in zip(candidates, MistakeRuns(trace, places).run(candidates), strict=True):
        try:
            found = seeded(trace, [str(candidate.mistakes[0])])
        except lt.OptionError as error:
            unexpected += [str(error)] * (not any(one in str(error) for one in REASONS))
            continue
        tried += 1
        assert found.header.mistakes == (str(candidate.mistakes[0]),)
        values = expected[places[0]]
        assert values.shape == found.output.shape, candidate.mistakes
        np.testing.assert_allclose(found.output, values, atol=1e-11, err_msg=str(candidate.mistakes[0]))
        assert lt.verify(found).verdict == "verified" or not np.isfinite(found.output).all(), candidate.mistakes
    assert not unexpected
    assert tried > 10


def test_the_equations_and_premises_are_the_wrong_ones() -> None:
    model = lt.prepare(weights("lstm"))
    x = np.random.default_rng(0).normal(size=(3, 4))
    found = model.run(x, mistake="exchange:f,i")
    assert found.stages[0].cell.equations["c_t"] == "i_t * c_prev + f_t * c_tilde"
    assert found.header.kind == "equations"
    i, f, g = (found[name][0, 0] for name in ("i_t", "f_t", "c_tilde"))
    np.testing.assert_array_equal(found["c_t"][0, 0], i * 0 + f * g)
    stored = lt.run(weights("lstm"), x, mistake="weights-stored:1-decimal")
    assert stored.header.kind == "lstm"
    np.testing.assert_array_equal(stored.parameters["0/forward"]["W_xi"], weights("lstm")["0/forward/W_xi"].round(1))
    reversed_x = lt.run(weights("lstm"), x, mistake="input:features-reversed")
    np.testing.assert_array_equal(reversed_x.x[:, 0], x[:, ::-1])


def test_a_stage_that_is_given_changed_values_has_them_as_supplied_lines() -> None:
    trace = network("lstm 2 x 2")
    found = seeded(trace, ["1/forward/input:features-reversed"])
    np.testing.assert_allclose(found.given["1/forward"]["x_t"], trace["0/joined/y_t"][..., ::-1])
    assert "1/reverse" not in found.given
    assert lt.verify(found).verdict == "verified"


def test_several_mistakes_are_one_added_to_the_other() -> None:
    trace = network("lstm")
    found = seeded(trace, ["bias-lost:z_f", "exchange:i_t,f_t"])
    assert found.stages[0].cell.equations["z_f"] == "W_xf @ x_t + W_hf @ h_prev"
    assert found.stages[0].cell.equations["c_t"] == "i_t * c_prev + f_t * c_tilde"
    assert found.header.mistakes == ("bias-lost:z_f", "exchange:i_t,f_t")
    assert "b_f" not in found.parameters["0/forward"]


@pytest.mark.parametrize("place", ["", "1/", "above/", "reverse/", "1/reverse/", "0/forward/"])
def test_a_mistake_has_its_place(place: str) -> None:
    trace = network("lstm 2 x 2")
    found = seeded(trace, [f"{place}function-lost:h_t"])
    wrong = {s.scope for s in found.stages if s.cell.equations.get("h_t") == "o_t * c_t"}
    expected = {s.scope for s in trace.stages if s.direction != "joined"
                and ("1" in place) <= (s.layer == 1) and ("0" in place) <= (s.layer == 0)
                and ("above" in place) <= (s.layer > 0) and ("reverse" in place) <= (s.direction == "reverse")
                and ("forward" in place) <= (s.direction == "forward")}  # fmt: skip
    assert wrong == expected


def test_a_requested_line_and_its_steps_are_those_of_the_problem(tmp_path: Path) -> None:
    right, wrong = lt.run(PROBLEM, ask="0/c_t"), lt.run(PROBLEM, ask="0/c_t", mistake="exchange:i_t,f_t")
    assert wrong.header.ask == right.header.ask
    assert wrong.steps == right.steps
    assert {n for n in wrong if n.isidentifier()} == {n for n in right if n.isidentifier()}
    assert "o_t" not in wrong


def test_a_problem_with_the_weights_of_one_gate() -> None:
    data = {"weights": {"W_xi": [[0.5, -1.0]], "W_hi": [[0.25]]}, "x": [[1.0, 2.0]], "h0": [0.5], "ask": ["i_t"]}
    found = lt.run(data, mistake="sign:z_i,W_hi@h_prev")
    assert found["i_t"].item() == pytest.approx(1 / (1 + math.exp(-(0.5 - 2 - 0.125))))
    with pytest.raises(lt.LstmTraceError, match="line `W_xf @ x_t` needs W_xf, which the weights do not have"):
        lt.run(data, mistake="copied:W_xi,W_xf")


def test_it_is_saved_loaded_compared_and_reported(tmp_path: Path) -> None:
    for suffix in ("json", "safetensors"):
        path = tmp_path / f"w.{suffix}"
        assert run("run", PROBLEM, "--mistake", "exchange:f,i", "-o", str(path)).exit_code == 0
        found = lt.load(path)
        assert found.header.mistakes == ("exchange:f,i",)
        assert run("verify", str(path)).exit_code == 0
        text = " ".join(run("report", str(path)).output.replace("\\", "").split())
        assert "purpose: the port uses i_t and f_t in each other's place in c_t (key `exchange:f,i`)." in text
        difference = lt.diff(PROBLEM, found)
        assert difference.verdict == "different"
        assert difference.first is not None
        assert difference.first.line == "c_t"
        assert found.equals(lt.load(path))
    found.to_csv(tmp_path / "w.csv")


def test_a_trace_without_a_mistake_has_no_new_key(tmp_path: Path) -> None:
    lt.run(PROBLEM).save(tmp_path / "r.json")
    assert '"mistakes"' not in (tmp_path / "r.json").read_text(encoding="utf-8")


def test_a_file_whose_equations_are_not_its_cells_is_still_refused(tmp_path: Path) -> None:
    path = tmp_path / "w.json"
    lt.run(PROBLEM, mistake="exchange:f,i").save(path)
    text = path.read_text(encoding="utf-8").replace('"kind": "equations"', '"kind": "lstm"')
    path.write_text(text, encoding="utf-8")
    with pytest.raises(lt.FileError):
        lt.load(path)


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("exchange:f,x", "lists those that there are); did you mean 'exchange:f_t,o_t'?"),
        ("exchnge:f,i", "lists those that there are); did you mean 'exchange'?"),
        ("bias-lost", "it may be bias-lost:z_*, bias-lost:z_*b"),
        ("reset-after:z_h", "reset-after does not fit these equations"),
        ("3/exchange:f,i", "there is no such place; there are 0/forward"),
        ("above/exchange:f,i", "there is no such place"),
        ("lengths:one-step-early", "changes nothing in this network"),
        ("in-place", "it reads units of the state that were computed in the same step"),
        ("numbers:float16", "it computes the lines in another way; for other number formats there is --arithmetic"),
        ("carried:float16", "it carries on other states than those that a step computes"),
        ("skips:last-step", "it carries on other states than those that a step computes"),
        ("time:the-other-way", "it takes the steps or the sequences in another order"),
        ("output-units:units-reversed", "it changes what is passed on after the last line"),
        ("", "there is no such mistake"),
        ("/", "there is no such mistake"),
        ("__import__('os').system('x')", "there is no such mistake"),
        ("function:h_t,__import__", "no mistake of this cell"),
        ("a\nb", "there is no such mistake"),
        ("\x1b[31mred", "there is no such mistake"),
        ("order:" + "i" * 100_000, "no mistake of this cell"),
        ("9" * 100_000 + "/order:f,i", "there is no such place"),
        ("constant:z_f,1e999", "no mistake of this cell"),
    ],
)
def test_what_is_no_mistake_is_refused_in_one_message(key: str, said: str) -> None:
    with pytest.raises(lt.OptionError) as caught:
        lt.run(PROBLEM, mistake=key)
    assert said in str(caught.value)
    assert len(str(caught.value)) < 700
    done = run("run", PROBLEM, f"--mistake={key}")
    assert done.exit_code == 2
    assert "Traceback" not in done.output
    assert "\x1b" not in done.output


def test_what_a_run_with_a_mistake_cannot_have(tmp_path: Path) -> None:
    for argument, value in (("record", ["h_t"]), ("out", tmp_path / "t.safetensors"), ("hold", {"h_t": 0.0})):
        with pytest.raises(lt.OptionError, match=argument):
            lt.run(PROBLEM, mistake="exchange:f,i", **{argument: value})


@pytest.mark.parametrize("options", [["--plan"], ["--record", "h_t"], ["--layer", "0"], ["--steps", "0"]])
def test_an_option_that_does_not_go_with_a_mistake_is_named_as_it_was_given(options: list[str]) -> None:
    done = run("run", PROBLEM, "--mistake", "exchange:f,i", *options)
    assert done.exit_code == 2
    assert f"{options[0]} is for a run without --mistake" in done.output
    assert not re.search(r"\brecord:", done.output)


def test_a_notation_of_a_kind_of_cell_is_left_out_where_the_kind_is(tmp_path: Path) -> None:
    own = {f"W_{part}{g}": [[0.5]] for part in "ih" for g in "ifgo"}
    own |= {f"b_{part}{g}": [0.1] for part in "ih" for g in "ifgo"}
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"notation": "pytorch", "weights": own, "x": [[1.0]]}), encoding="utf-8")
    right = lt.run(path)
    assert right.header.notation == "pytorch"
    lt.run(path, mistake="exchange:f,i").save(tmp_path / "w.json")
    done = run("report", str(tmp_path / "w.json"))
    assert done.exit_code == 0
    assert "exchange:f,i" in done.output
    assert lt.run(path, mistake="weights-stored:1-decimal").header.notation == "pytorch"


def test_a_problem_of_a_wrong_run_says_so() -> None:
    data = {"weights": weights("lstm"), "x": [[1.0] * 4], "notes": "Of a talk."}
    found = lt.problem(lt.run(data, mistake="exchange:f,i"))
    assert found["notes"] == "Of a talk.\n\nThis run has a mistake on purpose: exchange:f,i."
    assert lt.problem(lt.run(data))["notes"] == "Of a talk."
    assert found["notes"] in lt.run(found).report("md").replace("\\", "")
    assert lt.problem(lt.run(found))["notes"] == found["notes"]


@pytest.mark.few(1)
@pytest.mark.parametrize("key", ["exchange:i_t,f_t", "output:output,c_t", "0/forward/output:output,c_t"])
def test_what_a_run_has_on_purpose_is_identified_in_its_trace(key: str, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(5, 2, 4))
    own = weights("lstm", layers=2)
    path = tmp_path / "w.json"
    lt.run(own, x, cell="lstm", mistake=key).save(path)
    found = lt.identify(own, x, path, cell="lstm")
    assert [str(one) for one in found.found[0].mistakes] == [key.replace("0/forward/", "0/")]


def test_sizes_that_do_not_allow_a_mistake_are_said() -> None:
    model = lt.prepare({"W_xi": np.ones((2, 3)), "W_hi": np.eye(2), "b_i": [0.0, 0.0]})
    with pytest.raises(lt.OptionError, match=r"the sizes of this model do not allow it: .*W_xi"):
        model.run([[1.0, 2.0, 3.0]], ask="i_t", mistake="transposed:z_i,W_xi,x_t")


def test_a_key_is_the_mistake_that_it_names() -> None:
    trace = network("lstm")
    for key in ("exchange:f,i", "exchange:i,f", "exchange:i_t,f_t"):
        assert str(candidate_of(trace, [key]).mistakes[0]) == "exchange:i_t,f_t"
    assert str(candidate_of(trace, ["copied-gate:f_t,i_t"]).mistakes[0]) == "copied-gate:f_t,i_t"
    assert str(candidate_of(trace, ["copied-gate:i_t,f_t"]).mistakes[0]) == "copied-gate:i_t,f_t"


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NETWORKS)
def test_a_file_and_a_problem_have_the_mistake_or_there_is_none(name: str, tmp_path: Path) -> None:
    """A trace is read back as it was; a problem is one of the wrong run, or is refused where it could not say so."""
    trace, candidates = sample(name, 25)
    written = 0
    for candidate in candidates:
        try:
            found = seeded(trace, [str(candidate.mistakes[0])])
        except lt.OptionError:
            continue
        found.save(tmp_path / "w.safetensors")
        assert lt.load(tmp_path / "w.safetensors").equals(found), candidate.mistakes
        try:
            again = lt.run(lt.problem(found))
        except lt.LstmTraceError:
            continue
        written += 1
        np.testing.assert_allclose(again.output, found.output, atol=1e-9, err_msg=str(candidate.mistakes[0]))
    assert written > 3


@pytest.mark.parametrize(
    ("key", "same"),
    [
        ("weights-stored:int8 by row", "weights-stored:int8-by-row"),
        ("input:one step early, last repeated", "input:one-step-early,-last-repeated"),
        ("never-updated:carry h_prev", "never-updated:carryh_prev"),
        ("constant: z_f, 1.0", "constant:z_f,1"),
        ("sign:c_t,f_t * c_prev", "sign:c_t,f_t*c_prev"),
        ("everywhere/exchange:f, i", "exchange:i_t,f_t"),
        ("order:icfo", "order:f,c"),
        ("order-h:icfo", "order-h:f,c"),
        ("order:fcio", "order:fcio"),
    ],
)
def test_a_key_may_be_written_in_another_way(key: str, same: str) -> None:
    assert [str(one) for one in candidate_of(network("lstm"), [key]).mistakes] == [same]


def test_a_trace_gets_no_mistake_and_the_message_says_what_does(tmp_path: Path) -> None:
    trace = lt.run(PROBLEM)
    trace.save(tmp_path / "t.json")
    found = run("run", str(tmp_path / "t.json"), "--mistake", "order:f,i")
    assert found.exit_code == 2
    assert "in Python lt.run(lt.problem(trace), mistake=…)" in found.output
    with pytest.raises(lt.OptionError, match=r"lt\.problem\(trace\) is its problem"):
        lt.run(trace, mistake="order:f,i")  # type: ignore[call-overload]
    assert lt.run(lt.problem(trace), mistake="order:f,i").header.mistakes == ("order:f,i",)
