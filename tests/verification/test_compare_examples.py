"""Every ordered pair of the bundled examples is compared, or refused with what they lack in common."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.examples import examples, text
from lstm_trace.languages.strings import words

from ..support.results import unpadded, verdict


@pytest.fixture(scope="module")
def traces(tmp_path_factory: pytest.TempPathFactory) -> dict[str, lt.Trace]:
    folder: Path = tmp_path_factory.mktemp("examples")
    for name in examples():
        (folder / f"{name}.yaml").write_text(text(name), encoding="utf-8")
    return {name: lt.run(folder / f"{name}.yaml") for name in examples()}


@pytest.mark.few(0)
def test_every_ordered_pair_of_examples(traces: dict[str, lt.Trace]) -> None:
    pairs = list(permutations(traces, 2))
    assert len(pairs) >= 156
    verdicts = {}
    for one, two in pairs:
        try:
            found = lt.diff(traces[one], traces[two])
        except lt.LstmTraceError as error:
            verdicts[one, two] = "refused" if "in common" in str(error) else str(error)
        else:
            verdicts[one, two] = found.verdict
            assert verdict(found)[0].startswith(found.verdict)
    assert set(verdicts.values()) <= {"refused", "same", "different"}
    for one, two in pairs:
        assert verdicts[one, two] == verdicts[two, one], "which is the reference does not matter"
    for one in ("q19", "q20", "q21"):
        for two in ("squared-error", "three-steps"):
            assert verdicts[one, two] == "different"


def test_operands_that_do_not_fit_each_other_leave_a_line_underived() -> None:
    """One gate of a with three inputs, a whole cell of b with two: b's gates meet a's input nowhere."""
    rng = np.random.default_rng(3)

    def weights(inputs: int, gates: str) -> dict[str, np.ndarray]:
        here = {f"W_x{g}": rng.normal(size=(2, inputs)) for g in gates}
        return here | {f"W_h{g}": rng.normal(size=(2, 2)) for g in gates}

    a = lt.run(weights(3, "i"), np.ones((1, 3)), ask="i_t")
    b = lt.run(weights(2, "ifco"), np.ones((2, 2)))
    for pair in ((a, b), (b, a)):
        found = lt.diff(*pair)
        assert found.verdict == "different"
        one, two = (3, 2) if pair[0] is a else (2, 3)
        shapes = tuple(shape.said(words()) for shape in found.shapes)
        assert shapes == (f"W_xi (2, {one}) and (2, {two})", f"x_t ({one},) and ({two},)")


def test_a_side_that_merely_has_more_is_no_difference_of_weights(traces: dict[str, lt.Trace]) -> None:
    said = verdict(lt.diff(traces["q21"], traces["q22"]))[0]
    assert said.startswith("same: all ")
    assert said.endswith(", although inputs or weights are in one of the two only")


@pytest.mark.parametrize(
    ("one", "two", "lacks"), [("gru", "three-steps", "u_t, h_tilde"), ("three-steps", "gru", "o_t, c_t")]
)
def test_an_equation_whose_operands_are_in_a_alone_is_not_evaluated_for_b(
    traces: dict[str, lt.Trace], one: str, two: str, lacks: str
) -> None:
    found = lt.diff(traces[one], traces[two])
    gap = abs(float(traces[one]["h_t"][0, 0, 0]) - float(traces[two]["h_t"][0, 0, 0]))
    said = verdict(found)[1]
    assert said.endswith(
        f"; b has no {lacks}, so a's equation cannot be evaluated for b; the values are {gap:.3g} apart"
    )
    (line,) = (part for part in json.loads(found.as_json())["lines"] if part["line"] == "h_t")
    assert (line["local"], line["inherited"]) == (None, None)
    assert "| `h_t` | 4/4 | " in unpadded(found.report())
    assert " | ? | ? | " in unpadded(found.report())


def test_a_helper_of_a_alone_that_follows_from_what_b_has_is_evaluated() -> None:
    weights, x = {"W": [[0.5, -0.25], [1.0, 0.75]]}, [[1.0, 2.0]]
    a = lt.run(weights, x, cell={"equations": "z = W @ x_t\nh_t = tanh(z)\noutput: h_t"}, ask="h_t")
    b = lt.run(weights, x, cell={"equations": "h_t = sigmoid(W @ x_t)\noutput: h_t"})
    said = verdict(lt.diff(a, b))[1]
    assert said.endswith("; b's value is 0.5 off what a's equation gives for b's operands")
