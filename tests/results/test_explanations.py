"""The sentences of explanations: what they say is true of the numbers, which numpy computes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.examples import text
from lstm_trace.frames.terminal import table
from lstm_trace.languages.strings import words
from lstm_trace.results.explanation import explanation
from lstm_trace.trace.rows import Selection

from ..support.held_lstm import network, random_network
from ..support.said import sentences_of
from ..support.table_cases import QUESTION_19, stacked

WEIGHTS = random_network(8)
X = np.random.default_rng(9).normal(size=(5, 2, 3))
LENGTHS = [5, 4]
HOLD = {"0/reverse/1..2/c_t[1]": "*0.5", "0/forward/f_t[0..2]": 0.25}
SAID = "Held: 0/forward/f_t[0..2] at 0.25, 0/reverse/1..2/{rows}/c_t[1] at 0.5 times its own value."


def sentences(trace: lt.Trace, of: str | None, how: str, **options: Any) -> list[str]:
    return sentences_of(explanation(trace, of, how, **options))


def value(at: tuple[str, int, int], unit: int, change: Any) -> float:
    """A value in a run in which `change` has the last word on every line."""
    line, t, b = at
    return float(network(WEIGHTS, X, LENGTHS, change)[line][t, b][unit])


# -- what a trace holds -----------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("how", "of"),
    [
        ("memory", "0/reverse/0/1/c_t[1]"),
        ("contribution", "1/forward/2/1/h_t[3]"),
        ("gradient", "1/forward/2/1/h_t[3]"),
        ("ablation", "1/forward/2/1/h_t[3]"),
        ("gates", None),
    ],
)
def test_what_is_held_is_said_in_the_sentence_that_show_has(how: str, of: str | None) -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS, hold=HOLD)
    said = SAID.format(rows="0..1")
    assert sentences(trace, of, how)[0] == said
    assert table(trace, Selection()).left_out.startswith(said)
    assert "Held" not in " ".join(sentences(lt.run(WEIGHTS, X, lengths=LENGTHS), of, how))


# -- memory -----------------------------------------------------------------------------------------------------------

ONE = random_network(3)


def ledger_of(hold: dict[str, Any], t: int, unit: int) -> tuple[lt.Trace, list[str], dict[tuple[int, str], float]]:
    trace = lt.run(ONE, X[:, :1], hold=hold)
    found = explanation(trace, f"0/forward/{t}/0/c_t[{unit}]", "memory")
    places = [found.rows.columns.index(name) for name in ("step", "source", "written")]
    step, source, written = places
    return trace, sentences_of(found), {(row[step], row[source]): row[written] for row in found.rows.rows}


def test_a_hold_is_the_source_of_what_it_put_and_scaled() -> None:
    hold = {"1/c_t[2]": "*0.5", "2/c_t[2]": -0.75, "3/i_t * c_tilde[2]": 4.0, "4/f_t * c_prev[2]": 0.125}
    trace, told, rows = ledger_of({f"0/forward/{at}": to for at, to in hold.items()}, 4, 2)

    def hook(scope: str, line: str, t: int, b: int, value: Any) -> Any:
        to = hold.get(f"{t}/{line}[2]")
        if scope != "0/forward" or to is None:
            return value
        value = np.array(value)
        value[2] = value[2] * 0.5 if to == "*0.5" else to
        return value

    found = network(ONE, X[:, :1], [5], hook)
    product = [float(found["0/forward/i_t"][t, 0][2] * found["0/forward/c_tilde"][t, 0][2]) for t in range(5)]
    assert rows == pytest.approx({
        (None, "c0"): 0.0,
        (0, "i_t * c_tilde"): product[0],
        (1, "i_t * c_tilde, scaled by the hold of c_t"): product[1] * 0.5,
        (2, "hold of c_t"): -0.75,
        (3, "hold of i_t * c_tilde"): 4.0,
        (4, "i_t * c_tilde"): product[4],
        (4, "hold of f_t * c_prev"): 0.125,
    }, rel=1e-12)  # fmt: skip
    lines = "f_t * c_prev or c_t or i_t * c_tilde"
    assert f"each step keeps f_t of c_prev and adds i_t * c_tilde, except where {lines} is held" in told
    assert "scaled by the hold of" in trace.plot.memory("0/forward/1/0/c_t[2]").svg()
    gone = "looking back, half is gone after 1 step (nothing is left of what came before the hold of f_t * c_prev)"
    assert gone in told


def test_a_value_that_is_held_at_zero_comes_from_the_hold() -> None:
    _, told, rows = ledger_of({"0/forward/c_t[2]": 0.0}, 3, 2)
    assert set(rows) == {(None, "c0"), *((t, "hold of c_t") for t in range(4))}
    assert "all parts are 0; the last hold of c_t is that of step 3" in told
    assert "largest" not in "".join(told)
    assert "looking back, half is gone after 1 step (nothing is left of what came before the hold of c_t)" in told


REWRITTEN = {
    "en": "what is added is itself formed from h_prev: what it erases counts as written, not as lost",
    "de": "was addiert wird, ist selbst aus h_prev gebildet: Was es löscht, zählt als geschrieben, nicht als verloren",
    "es": "lo que se suma se forma a su vez a partir de h_prev: lo que borra cuenta como escrito, no como perdido",
    "fr": "ce qui est ajouté est lui-même formé à partir de h_prev\u00a0: ce qu’il efface compte comme écrit, non "
    "comme perdu",
    "zh": "所加的量本身由 h_prev 算出：它所擦除的部分计为写入，而非失去",
}


@pytest.mark.parametrize("language", REWRITTEN)
def test_what_is_written_and_reads_the_state_is_said(language: str) -> None:
    cell = {"equations": "h_t = h_prev + 0.5 * (x_t - h_prev)\ncarry: h_prev <- h_t\noutput: h_t"}
    found = lt.explain.memory(lt.run({}, [[1.0], [2.0]], cell=cell), "1/h_t[0]")
    assert REWRITTEN[language] in found.report("text", language=language, width=200)


def test_of_parts_that_are_all_zero_none_is_the_largest() -> None:
    trace = lt.run({f"W_{s}{g}": [[0.5]] for s in "xh" for g in "ifco"}, np.zeros((3, 1)))
    told = sentences_of(explanation(trace, "2/c_t[0]", "memory"))
    assert "all parts are 0" in told
    assert "largest" not in "".join(told)


def test_a_gate_that_is_not_finite_has_no_half_life() -> None:
    """Neither are those of the other units ordered by it."""
    weights = {f"W_{side}{gate}": np.full((3, 3 if side == "h" else 1), 0.5) for side in "xh" for gate in "ifco"}
    weights |= {"W_xf": np.array([[2.0], [np.nan], [0.0]]), "W_hf": np.zeros((3, 3))}
    trace = lt.run(weights, [[1.0]], allow_nonfinite=True)
    trace.lines["0/forward"]["f_t"][0, 0] = 0.5, np.nan, 0.75
    said = explanation(trace, None, "gates").report("text", width=200)
    assert "half-life 1 (unit 0) to 2.41 steps (unit 2), median 1.7" in said
    trace.lines["0/forward"]["f_t"][0, 0] = np.nan
    assert "half-life nan" not in explanation(trace, None, "gates").report("text", width=200)


def test_a_cell_without_gates() -> None:
    weights = {"W_xh": [[0.5]], "W_hh": [[0.5]]}
    said, none = (
        lt.explain.gates(lt.run(weights, [[1.0]], options={"activation": activation})).report("text", language="fr")
        for activation in ("tanh", "relu")
    )
    sentence = "aucune ligne enregistrée n’est une porte ni ne passe par tanh"
    assert ("h_t" in said, sentence in said) == (True, False)
    assert (sentence in none, "saturées" in none, "gauche" in none) == (True, False, False)


def test_what_a_multiple_leaves_is_said_with_the_gates() -> None:
    _, told, _ = ledger_of({"0/forward/3/c_t[2]": "*0.001"}, 3, 2)
    assert (
        "looking back, half is gone after 1 step (the latest gate and the hold of c_t multiply to a half or less)"
        in told
    )


# -- ablation ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(2)
@pytest.mark.parametrize(
    ("over", "only", "said", "first"),
    [
        ("units", "0/forward/c_t", "one unit of 0/forward/c_t at 0, at all steps", r"0/forward/c_t\[(?P<unit>\d)\]"),
        (
            "units",
            "0/forward/0..1/c_t[1..3]",
            "one unit of 0/forward/c_t[1..3] at 0, at steps 0 to 1",
            r"0/forward/0..1/1/c_t\[(?P<unit>[123])\]",
        ),
        (
            "steps",
            "0/forward/1..3/c_t[0,2]",
            "0/forward/c_t[0,2] at 0, at one of the steps 1 to 3",
            r"0/forward/(?P<step>[123])/1/c_t\[0,2\]",
        ),
        (
            "lines",
            ["0/forward/0..1/f_t", "0/forward/i_t[0..2]"],
            "one of 0/forward/f_t (at steps 0 to 1), 0/forward/i_t[0..2] (at all steps) at 0",
            r"(?P<line>0/forward/i_t\[0..2\]|0/forward/0..1/1/f_t)",
        ),
        ("lines", "0/forward/2/o_t", "0/forward/o_t at 0, at step 2", r"(?P<line>0/forward/2/1/o_t)"),
    ],
)
def test_what_each_variant_holds_is_said_and_is_held(over: str, only: Any, said: str, first: str) -> None:
    of, b = "1/forward/2/1/h_t[3]", 1
    told = sentences(lt.run(WEIGHTS, X, lengths=LENGTHS), of, "ablation", over=over, only=only)
    assert f"each variant holds {said}" in told
    (change,) = (text for text in told if text.startswith("the largest change"))
    number, where = re.fullmatch(r"the largest change, (.*), is caused by holding (.*)", change).groups()  # type: ignore[union-attr]
    assert re.fullmatch(first, where), where
    *parts, line = where.removeprefix("0/forward/").split("/")
    name, _, units = line.rstrip("]").partition("[")
    lo, _, hi = parts[0].partition("..") if parts else ("0", "", "4")
    inside = range(int(lo), int(hi or lo) + 1)

    def hook(scope: str, line: str, t: int, row: int, value: Any) -> Any:
        if (scope, line, row) == ("0/forward", name, b) and t in inside:
            value = np.array(value)
            ends = units.split("..")
            value[range(int(ends[0]), int(ends[1]) + 1) if len(ends) > 1 else [*map(int, units.split(","))] if units
                  else slice(None)] = 0.0  # fmt: skip
        return value

    at = "1/forward/h_t", 2, b
    free = value(at, 3, lambda *given: given[-1])
    assert float(number) == pytest.approx(value(at, 3, hook) - free, rel=1e-5)
    assert told[0] == f"{of} = {free:.6g}"


def test_where_nothing_changes_no_change_is_the_largest() -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    told = sentences(trace, "0/forward/1/1/h_t[3]", "ablation", only="0/forward/3/c_t")
    assert "nothing that was held changes the value" in told
    assert not [text for text in told if "largest change" in text or "variants" in text]


@pytest.mark.few(1)
@pytest.mark.parametrize(("of", "said"), [
    ("0/reverse/1/1/h_t[3]", "0/forward, 1/forward, 1/reverse have such lines too; the value does not depend on them"),
    ("1/reverse/1/1/h_t[3]", "1/forward has such lines too; the value does not depend on it"),
    ("sum(1/joined/1/1/y_t)", ""),
])  # fmt: skip
def test_directions_that_cannot_reach_the_value_are_named(of: str, said: str) -> None:
    told = [text for text in sentences(lt.run(WEIGHTS, X, lengths=LENGTHS), of, "ablation") if "depend" in text]
    assert told == [said] * bool(said)


def test_what_it_is_held_at_is_in_words() -> None:
    trace = lt.run(WEIGHTS, X, lengths=LENGTHS)
    for to, said in (("*0.5", "0.5 times its own value"), (trace, "the values of another trace")):
        told = sentences(trace, "1/forward/2/1/h_t[3]", "ablation", only="0/forward/c_t", to=to)
        assert f"each variant holds one unit of 0/forward/c_t at {said}, at all steps" in told


@pytest.mark.few(0)
def test_a_decimal_comma_is_for_numbers_and_not_for_tokens() -> None:
    draw = np.random.default_rng(5)
    weights = {f"W_{s}{g}": draw.normal(size=(2, 2)) for s in "xh" for g in "ifco"}
    trace = lt.run(weights, draw.normal(size=(6, 2)), tokens=[f"{k}.5" for k in range(6)])
    text = lt.explain(trace, of="5/h_t[0]", how="contribution", decimal_comma=True).report("text")
    assert "the value changes most without step t = 5 (‘5.5’): -0,264061" in text
    assert "in random order -0,4384 ± 0,11" in " ".join(text.split())
    assert not re.search(r"‘\d,5’", text)


@pytest.mark.few(0)
@pytest.mark.parametrize("how", ["gradient", "contribution", "training"])
def test_a_report_takes_the_options_of_a_worked_solution(how: str) -> None:
    trace = lt.run(yaml.safe_load(text("three-steps")))
    found = lt.explain(trace, "2/h_t[0]", how)
    short = lt.explain(trace, "2/h_t[0]", how, digits=2)
    assert (
        found.report("text", digits=2, width=100) == short.report("text", width=100) != found.report("text", width=100)
    )
    assert short.report("text", digits=4) == lt.explain(trace, "2/h_t[0]", how, digits=4).report("text")
    with pytest.raises(OptionError, match=r"digts.* did you mean"):
        found.report("text", digts=2)
    with pytest.raises(OptionError, match="digits"):
        found.report("csv", digits=2)


def test_a_report_says_what_it_takes() -> None:
    trace = lt.run(yaml.safe_load(text("three-steps")))
    for found in (lt.explain(trace, "2/c_t[0]", "memory"), lt.verify(trace), lt.derivation(trace, "2/c_t[0]")):
        with pytest.raises(OptionError, match="there is no argument 'digits'; there are format, language, width"):
            found.report("text", digits=3)  # type: ignore[call-arg]


def test_a_table_explains_its_own_columns() -> None:
    """A trace without a carry has no half-life: neither the column nor its explanation."""
    with_carry = explanation(stacked(), None, "gates")
    explained = ["half-life" in " ".join(table.notes) for table in with_carry.tables(words())]
    assert explained == ["half_life" in (table.shown or table.columns) for table in with_carry.tables(words())]
    assert any(explained)
    without = explanation(lt.run(QUESTION_19), None, "gates").report("text")
    assert "half" not in without


def test_one_in_common_is_singular_and_kinds_have_words() -> None:
    said = words("de")
    fields = {"common": 1, "top": 3, "correlation": "0.5"}
    assert "Ihnen ist nur 1 ihrer obersten 3 gemeinsam" in said.count("faith.top", 1, **fields)
    assert "Ihnen sind nur 2 ihrer" in said.count("faith.top", 2, **{**fields, "common": 2})
    table = explanation(stacked(), "1/forward/2/0/h_t[0]", "gradient").tables(said)[-1]
    kinds = {str(row[1]) for row in table.excerpt(said, 40)[1][:-1]}
    assert kinds & {"Zeile", "Voraussetzung"}
    assert not kinds & {"line", "premise"}


@pytest.mark.few(0)
@pytest.mark.parametrize("how", ["gradient", "training", "contribution"])
def test_a_decimal_comma_is_in_the_tables_below_the_worked_steps_too(how: str) -> None:
    trace = stacked(3, 1, 1, 2, ("forward",))
    text = explanation(trace, "2/0/h_t[0]", how, decimal_comma=True).report("text")
    assert re.search(r"\d,\d", text)
    assert not re.search(r"\d\.\d", text)
