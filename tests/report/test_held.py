"""What a report, a table and the derivation of a number say of values that are held."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

import lstm_trace as lt
from lstm_trace.examples import text
from lstm_trace.results.explanation import explanation

PROBLEM: dict[str, Any] = yaml.safe_load(text("three-steps")) | {"ask": []}


def run(hold: Any, **more: Any) -> lt.Trace:
    return lt.run({**PROBLEM, **more}, hold=hold)


def said(trace: lt.Trace, **options: Any) -> str:
    return " ".join(str(trace.report("text", **options)).split())


HELD = {
    "en": "Held instead of computed: c_t[1] = 0.25; f_t at 0.5 times its own value (t = 2–3).",
    "de": "Festgehalten statt berechnet: c_t[1] = 0,25; f_t auf dem 0,5-Fachen des eigenen Werts (t = 2–3).",
    "es": "Valores fijados en lugar de calculados: c_t[1] = 0,25; f_t a 0,5 veces su propio valor (t = 2–3).",
    "fr": "Valeurs imposées au lieu d’être calculées\u00a0: c_t[1] = 0,25\u202f; "
    "f_t à 0,5 fois sa propre valeur (t = 2–3).",
    "zh": "固定而不作计算：c_t[1] = 0.25；f_t 固定为自身值的 0.5 倍 (t = 2–3)。",
}


@pytest.mark.few(1)
@pytest.mark.parametrize("language", HELD)
def test_the_given_say_what_is_held(language: str) -> None:
    trace = run({"c_t[1]": 0.25, "1..2/f_t": "*0.5"})
    found = str(trace.report("text", language=language, width=200))
    paragraph = next(line for line in found.splitlines() if "c_t[1] =" in line)
    # which of the two comes first is the order of the equations
    assert sorted(re.split(r"\W+", paragraph)) == sorted(re.split(r"\W+", HELD[language]))
    assert "hold_" not in found
    assert "to_{" not in found


@pytest.mark.few(0)
def test_a_value_is_marked_where_it_is_worked_out_and_only_there() -> None:
    found = said(run({"1/c_t[0]": 0.25}), detail="scalar")
    assert "c_2 = held(c_2⁰) unit 1 (bright): held(0.6574) = 0.2500 unit 2 (wet): held(0.8289) ≈ 0.8289" in found
    assert "c_1 = f_1 ⊙ c_0 + i_1 ⊙ c̃_1" in found
    assert "held(c_1⁰)" not in found
    assert "held(v) is v with the held values in their places" in found
    vector = said(run({"1/c_t[0]": 0.25}), detail="vector")
    assert "c_2 = held(c_2⁰) = held([0.6574, 0.8289]) ≈ [0.2500, 0.8289]" in vector
    compact = said(run({"1/c_t": [0.25, 0.5]}), detail="compact")
    assert re.search(r"c_2 = held\(.*= \[0\.25(00)?; 0\.5(000)?\]", compact)


def test_a_line_without_a_name() -> None:
    found = said(run({"tanh(c_t)": 1.0}), detail="vector", steps=slice(0, 1))
    assert "tanh(c_t) = 1" in found
    assert "held(tanh(c_1)⁰)" in found


def test_without_holds_nothing_is_said() -> None:
    assert "eld(" not in said(run(None))
    assert said(run({})) == said(run(None))


@pytest.mark.few(0)
def test_values_of_another_trace_and_many_places() -> None:
    other = run(None)
    assert "c_t at given values." in said(run({"c_t": [[float(n), n + 0.5] for n in range(5, 8)], "f_t": other}))
    many = run({f"{t}/c_t[{j}]": t + j / 8 for t in range(3) for j in range(2)})
    assert "Held instead of computed: c_t at given values." in said(many)
    few = run({f"{t}/{line}[0]": 0.5 * t for t in range(3) for line in ("i_t", "f_t", "c_t", "o_t", "h_t")})
    assert "h_t" not in said(few).partition("Held")[2].partition("Weights")[0]
    assert "; …." in said(few)


@pytest.mark.few(0)
def test_the_rows_and_layers_are_named() -> None:
    weights = {f"{s}/{n}": a for s in ("0/forward", "0/reverse") for n, a in PROBLEM["weights"].items()}
    x = [[row, row] for row in PROBLEM["x"]]
    trace = lt.run({**PROBLEM, "weights": weights, "x": x}, hold={"reverse/1/1/c_t[0]": 0.0})
    assert "c_t[1] = 0 (layer 1, reverse, t = 2, sequence 2)" in said(trace)


def test_a_single_step_says_it_too() -> None:
    trace = run({"c_t": 0.5}, x=[1.0, 2.0])
    assert "Held instead of computed: c_t = 0.5." in said(trace)


@pytest.mark.few(1)
@pytest.mark.parametrize("form", ["md", "html", "tex", "typ"])
def test_every_format(form: str) -> None:
    found = str(run({"1/c_t[0]": 0.25, "f_t": "*0.5"}).report(form, detail="vector"))
    assert "held" in found
    assert form == "html" or "free_c" not in found  # a page has addresses behind its numbers


def test_the_gradient_is_printed_too() -> None:
    back = lt.backward(run({"1/c_t[0]": 0.25}), of="2/h_t[0]")
    found = said(back, detail="vector")
    assert "∂L/∂c_2⁰ = ∂L/∂c_2 ⊙ [held(c_2) = 0]" in found
    assert "∂L/∂to_c_t = ∂L/∂c_2 ⊙ [held(c_2) ≠ 0]" in found


@pytest.mark.few(0)
@pytest.mark.parametrize("how", ["gradient", "contribution"])
def test_the_way_back_alone_says_what_is_held(how: str) -> None:
    found = lt.explain(run({"1/c_t[0]": 0.25}), "2/h_t[0]", how).to_frame()
    assert found.attrs["sentences"][0] == "Held: c_2[1] at 0.25."
    text = explanation(run({"1/c_t[0]": 0.25}), "2/h_t[0]", how).report("text")
    assert "Held instead of computed: c_t[1] = 0.25 (t = 2)." in " ".join(text.split())


def test_one_number() -> None:
    trace = run({"1/c_t[0]": 0.25})
    held, beside, before = (lt.derivation(trace, f"{t}/c_t[{j}]") for t, j in ((1, 0), (1, 1), (0, 0)))
    assert held.equation is not None
    assert held.substituted is not None
    assert (held.equation.text, held.relation, held.shown) == ("c_2 = held(c_2⁰)", "=", "0.2500")
    assert held.substituted.text == "held(0.6574)"
    assert [one.address for one in held.operands] == ["0/forward/1/0/free_c_t[0]"]
    for one, equation in ((beside, "c_2 = f_2 ⊙ c_1 + i_2 ⊙ c̃_2"), (before, "c_1 = f_1 ⊙ c_0 + i_1 ⊙ c̃_1")):
        assert one.equation is not None
        assert one.equation.text == equation
    assert held.verified.verdict == "verified"


def test_a_profile_and_pictures_have_the_lines_of_the_cell() -> None:
    trace = run({"1/c_t[0]": 0.25, "f_t": "*0.5"})
    profile = said(trace, detail="profile")
    assert "f_t at 0.5 times its own value" in profile
    assert re.search(r"f_t 0\.\d+ ", profile.partition("Gates")[2]), "f_t is a gate as it is without"
    assert "free" not in profile
    frame = trace.plot().data
    assert {"f_t[0]", "c_t[1]"} <= {*frame.columns}
    assert not [name for name in frame.columns if "free" in name]
    assert frame["c_t[0]"].iloc[1] == 0.25
    assert "free" not in trace.plot().svg()
    assert trace.plot.gradient("2/h_t[0]").data["line"].unique().tolist() == ["h_t", "c_t"]
