"""`digits`, `language` and `notation` of a problem: the defaults of whatever shows it."""

from pathlib import Path
from typing import Any

import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, OptionError

PROBLEM: dict[str, Any] = {
    "weights": {f"W_{s}{g}": [[0.3]] for s in "xh" for g in "ifco"}, "x": [[1.0], [2.0]],
    "digits": 3, "language": "de", "notation": "pytorch",
}  # fmt: skip


def test_a_report_is_shown_as_the_problem_says_unless_told_otherwise() -> None:
    trace = lt.run(PROBLEM)
    text = trace.report("text")
    assert "Gesucht: h_t." in text
    assert "g_t = tanh(z_g) = tanh(0.300) ≈ 0.291" in text
    other = trace.report("text", digits=2, language="en", notation="exercise")
    assert "Wanted: h_t." in other
    assert "c̃_t = tanh(z_c) = tanh(0.30) ≈ 0.29" in other
    assert "≈ 2.91e-1" in trace.report("text", significant=3, language="en") or "0.291" in trace.report("text")


def test_explanations_pictures_and_single_numbers_too() -> None:
    trace = lt.run(PROBLEM)
    assert "Gradient von" in lt.explain(trace, "1/h_t[0]", "gradient").report("text")
    assert "Gedächtnis von" in lt.explain(trace, "1/c_t[0]", "memory").report("text")
    assert trace.plot().title == "Gates und Zustände über die Zeit"
    assert trace.plot(language="en").title == "Gates and states over time"
    assert "g_t = tanh(z_g) = tanh(0.300) ≈ 0.291" in lt.derivation(trace, "0/c_tilde[0]").report("text")


def test_each_problem_of_a_sheet_keeps_its_own() -> None:
    one, two, plain = (
        lt.run(PROBLEM | more)
        for more in (
            {"title": "A"},
            {"title": "B", "digits": 2, "language": "fr", "notation": "keras"},
            {"digits": None},
        )
    )
    text = lt.sheet([one, two, plain]).report("text")
    assert text.count("Gesucht: h_t.") == 3, "one document, one language: that of the first"
    assert "≈ 0.291" in text
    assert "≈ 0.29\n" in text
    assert "recurrent_kernel_i" in text
    alone = {line for line in plain.report("text").splitlines() if "≈" in line}
    assert alone <= set(text.splitlines()), "its decimals do not depend on the others"


@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_they_are_kept(suffix: str, tmp_path: Path) -> None:
    trace = lt.run(PROBLEM)
    trace.save(tmp_path / f"t.{suffix}")
    assert lt.load(tmp_path / f"t.{suffix}").equals(trace)
    assert {name: lt.problem(trace)[name] for name in ("digits", "language", "notation")} == {
        name: PROBLEM[name] for name in ("digits", "language", "notation")
    }
    assert lt.run(lt.problem(lt.run(PROBLEM | {"digits": 0}))).header.digits == 0
    plain = lt.run({name: value for name, value in PROBLEM.items() if name in ("weights", "x")})
    plain.save(tmp_path / "plain.json")
    assert '"language"' not in (tmp_path / "plain.json").read_text(), "earlier versions can read it"


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("digits", 18, "digits: expected a number less than or equal to 17, found 18"),
        ("digits", "3", "digits: expected a whole number, found the text '3'"),
        ("digits", True, "digits: expected a whole number, found true"),
        ("language", "german", "there is no language 'german'; expected de, en, es, fr, zh"),
    ],
)
def test_what_they_may_be(field: str, value: Any, said: str) -> None:
    with pytest.raises((FileError, OptionError)) as error:
        lt.prepare(PROBLEM | {field: value})
    assert str(error.value) == f"the problem: {said}"


def test_a_joined_notation_is_left_where_it_would_not_be_true() -> None:
    trace = lt.run(PROBLEM | {"notation": "joined"})
    assert "W_i [h_{t-1}; x_t]" in trace.report("text", detail="vector")
    assert "W_hi" in lt.explain(trace, "1/h_t[0]", "gradient").report("text")
    assert "W_xi" in lt.derivation(trace, "1/z_i[0]").report("text")
