"""How numbers are shown: every form reads back to the recorded value within its shown digits."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace import examples
from lstm_trace.cli import main
from lstm_trace.errors import MissingError
from lstm_trace.formulas.numbers import Style, decimal
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.values import Values

from ..cell.test_arithmetic import NAMES, arrays
from ..support.report_reader import half_digit, number, rows

STYLES: list[dict[str, Any]] = [
    {"digits": 3},
    {"digits": 0},
    {"digits": 17},
    {"significant": 1},
    {"significant": 5},
    {"significant": 17},
    {"digits": 4, "digits_of": {"c_t": 9, "z_i": 1}},
    {"significant": 2, "digits_of": {"h_t": 6}},
]


def cli(*arguments: object, code: int = 0) -> str:
    run = CliRunner().invoke(main, [str(a) for a in arguments])
    assert run.exit_code == code, run.output
    return run.stdout if code == 0 else run.stderr


def drawn() -> list[float]:
    rng = np.random.default_rng(0)
    sizes = np.ldexp(rng.normal(size=600), rng.integers(-60, 50, 600))
    return [*sizes.tolist(), 0.0, -0.0, 9.9995, 0.00099999, 99999.5, 1e12, 123456.0, 0.5, -2.5, 1e-300, 5e-324]


@pytest.mark.few(3)
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("style", [Style(d) for d in (0, 3, 8, None)] + [Style(significant=n) for n in (1, 3, 17)])
def test_a_number_reads_back_within_its_digits(style: Style, comma: bool) -> None:
    for value in drawn():
        shown = Style(style.digits, style.significant, comma=comma).show(value)
        exact = Fraction(decimal(value))
        text = str(shown)
        assert ("," in text) == comma
        assert ("." in text) != comma
        read = Fraction(text.replace(",", "."))
        assert read == shown.fraction
        if style.significant is not None:
            unit = Fraction(10) ** (decimal(value).adjusted() - style.significant + 1) if value else Fraction(1)
        elif style.digits is None:
            unit = Fraction(0)
        else:
            unit = Fraction(10) ** ((shown.exponent or 0) - style.digits)
        assert abs(read - exact) <= unit / 2, (value, text)
        assert (read == 0) == (value == 0 or (style.digits is not None and style.significant is None and abs(read) < 0))


@pytest.mark.parametrize(
    ("value", "count", "text"),
    [
        (123000.0, 3, "123000.0"),  # a whole number whose digits are all there
        (123456.7, 3, "1.23e5"),
        (0.00012345, 3, "0.000123"),
        (0.000012345, 3, "1.23e-5"),
        (-9.996, 3, "-10.0"),
        (-0.0, 3, "0.0"),
    ],
)
def test_significant_digits(value: float, count: int, text: str) -> None:
    assert str(Style(significant=count).show(value)) == text


def test_what_rounding_left_of_zero_is_shown_as_zero() -> None:
    for style in (Style(), Style(significant=3), Style(comma=True)):
        assert str(style.show(-5.551115123125783e-17, noise=1e-16)).replace(",", ".") == "0.0"


@pytest.mark.few(1)
@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("arithmetic", [None, "by-hand-3", "bfloat16"])
def test_every_value_of_a_report_reads_back(style: dict[str, Any], comma: bool, arithmetic: str | None) -> None:
    trace = lt.run(**arrays(4), arithmetic=arithmetic)
    text = trace.report("md", everything=True, **style, **({"decimal_comma": True} if comma else {}))
    if comma:
        assert "." not in re.sub(r"[^0-9.]", "", re.sub(r"\.(\D|$)", r"\1", text))
        text = text.replace("{,}", ".")
    style_of, found = style.get("digits_of", {}), 0
    with_biases = {f"z_{g}": rf"z_{g} = W_{{x{g}}}\,x_t + W_{{h{g}}}\,h_{{t-1}} + b_{g}" for g in "ifco"}
    for name, formula in with_biases.items():  # the reader knows lines with two biases
        text = text.replace(formula, rf"{name} = W_{{x{name[2]}}}\,x_t + b_{{x{name[2]}}} + W_{{h{name[2]}}}\,"
                            rf"h_{{t-1}} + b_{{h{name[2]}}}")  # fmt: skip
    for row in rows(text):
        assert row.line
        value = trace[row.line][row.step, row.row, row.unit]
        exact = Fraction(decimal(value))
        if "significant" in style and row.line not in style_of:
            bound = Fraction(10) ** (decimal(value).adjusted() - style["significant"] + 1) / 2
        else:
            bound = half_digit(row.value, style_of.get(row.line, style.get("digits", 8)))
        noise = Fraction(1, 10**15) if arithmetic is None else 0  # what rounding left of a zero
        assert abs(number(row.value) - exact) <= max(bound, noise), row
        found += 1
    assert found == sum(values.size for values in trace.lines["0/forward"].values())


@pytest.mark.few(2)
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("detail", ["scalar", "vector"])
def test_what_is_printed_as_equal_is_equal(name: str, detail: str) -> None:
    """Text, every digit: numbers between two signs are worked out again with exact fractions."""
    trace = lt.run(**arrays(6), arithmetic=name)
    text = trace.report("text", detail=detail, digits=17, width=1000, everything=True)
    signs = {"=": 0, "≈": 0}
    for left, sign, right in re.findall(r"(?:: | ≈ | = )([-+\d. ()]+?) ([=≈]) (-?[\d.]+(?:e-?\d+)?)$", text, re.M):
        total = Fraction(0)
        for mark, term in re.findall(r"(^|[+-]) ?((?:\(?-?\d+\.\d+\)?)+)", left):
            product = Fraction(1)
            for factor in re.findall(r"-?\d+\.\d+", term):
                product *= Fraction(factor)
            total += -product if mark == "-" else product
        assert sign == "≈" or total == Fraction(right), (left, sign, right)
        if name.startswith("by-hand"):
            assert sign == "=" or total != Fraction(right), (left, sign, right)
        signs[sign] += 1
    assert detail == "vector" or min(signs.values()) > (5 if name.startswith("by-hand") else 0), signs


def test_a_report_by_hand_shows_the_rounded_products_and_the_drift() -> None:
    cell = {"equations": "y_t = W @ x_t"}
    trace = lt.run({"W": [[0.14, 0.26]]}, [[0.5, 0.25]], cell=cell, arithmetic="by-hand-2")
    text = trace.report("text")
    assert "y_t = W x_t = (0.14)(0.5) + (0.26)(0.25) ≈ 0.07 + 0.07 = 0.14" in text
    assert "in full precision: 0.135\n    off by: 0.005\n" in text
    assert "By hand: each product, each sum" in text


def test_the_drift_over_steps_is_a_table() -> None:
    trace = lt.run(**arrays(4), arithmetic="by-hand-2")
    full = lt.run(**arrays(4))
    _, _, answers = trace.report("text").partition("Answers")
    tables = re.findall(r"\n  [012]  +(\S+) +(\S+)(?=\n)", answers.partition("In words")[0])
    numbers = np.array(tables, float).reshape(3, 3, 2)
    np.testing.assert_array_equal(numbers[0], trace["h_t"][:, 0])
    np.testing.assert_allclose(numbers[1], full["h_t"][:, 0], rtol=0, atol=5e-9)
    np.testing.assert_allclose(numbers[2], (trace["h_t"] - full["h_t"])[:, 0], rtol=5e-3)


def test_decimals_of_a_line_hold_for_its_state_too() -> None:
    trace = lt.run(**arrays(4))
    values = Values(trace, Style(8, lines={"h_t": 2}))
    assert str(values.num("0/forward", "h_t", 0, 0, (0,)).shown) == str(
        values.num("0/forward", "h_prev", 1, 0, (0,)).shown
    )
    with pytest.raises(MissingError, match=r"digits of 'c_tt': there is no such line; did you mean 'c_t'"):
        trace.report(digits_of={"c_tt": 3})


def test_the_comma_in_every_format() -> None:
    cell = {"equations": "y_t = leaky_relu(0.5 * x_t, 0.25) + W @ x_t"}
    trace = lt.run({"W": [[0.5, 1.5], [0.1, -2.5]]}, [[0.5, -0.25]], cell=cell)
    text = trace.report("text", decimal_comma=True)
    assert "x_t = [0,5; -0,25]" in text
    assert "(0,5 x_t; 0,25)" in text or "0,5 x_t" in text
    for format_ in ("text", "md", "tex", "html"):
        report = trace.report(format_, decimal_comma=True)
        hidden = r"<style>.*?</style>|<script.*?</script>|<svg.*?</svg>|<[^>]*>|\\usepackage\S*"
        shown = re.sub(hidden, "", report, flags=re.S)
        assert not re.findall(r"(?<![\w.])-?\d+\.\d+(?![\w.])", shown), format_
    assert Tex().number(Style(comma=True).show(1.5e-12)) == r"1{,}5 \times 10^{-12}"


def shown(value: float, digits: int, **more: Any) -> str:
    return str(Style(digits, kept=True, written=True).show(value, **more))


def test_decimals_are_kept_and_what_is_given_stands_as_written() -> None:
    assert [shown(v, 4) for v in (0.04, 1.0, 0.0, -0.25, 2.5e-9)] == [
        "0.0400",
        "1.0000",
        "0.0000",
        "-0.2500",
        "2.5000e-9",
    ]
    assert [shown(v, 4, given=True) for v in (0.04, 1.0, 0.0, -3.0, 2 / 3)] == ["0.04", "1", "0", "-3", "0.6667"]
    assert str(Style(4, given=8, kept=True, written=True).show(2 / 3, given=True)) == "0.66666667"
    assert str(Style(significant=3, kept=True).show(0.04)) == "0.0400"
    assert str(Style(None, significant=3, kept=True, written=True).show(0.04, given=True)) == "0.04"


#: c_t of the exercise is 0.039998 and 0.01674239: few decimals at hand size, more where the printed lines then follow.
def test_decimals_by_size() -> None:
    trace = lt.run({"W_xi": [[0.5, -0.25]], "W_hi": [[0.5]]}, [[1.0, 2.0]] * 3, ask="i_t", given={"h_t": [[0.125]] * 3})
    text = trace.report("text")
    assert "(0.5)(1) + (-0.25)(2) = 0.0000" in text
    assert "(0.5)(0.125) = 0.06250" not in text
    wide = lt.run({"W_xi": np.full((9, 1), 0.5), "W_hi": np.eye(9)}, [1.0], ask="i_t", h0=np.zeros(9))
    assert "unit 0: σ(0.50000000) ≈ 0.62245933" in wide.report("text")
    assert "unit 0: σ(0.5) ≈ 0.62245933" in wide.report("text", digits=8, trim=True)
    assert "unit 0: σ(0.500) ≈ 0.622" in wide.report("text", digits=3)


@pytest.mark.parametrize("w", [0.3, 0.37, 0.123, 0.1234])
def test_a_decimal_more_where_the_printed_lines_follow_from_the_printed_ones(w: float) -> None:
    """Two products of decimals: with four decimals the second does not follow from the first, with five it may."""
    cell = {"equations": "a_t = w * x_t\ny_t = w * a_t\noutput: y_t"}
    text = lt.run({"w": [w]}, [[0.5]], cell=cell).report("text")
    follows = []
    for digits in (4, 5):
        first = round(w * 0.5, digits)
        follows.append(round(w * first, digits) == round(w * (w * 0.5), digits))
    digits = 5 if follows == [False, True] else 4
    assert f"= {w * 0.5:.{digits}f}\n" in text or f"≈ {w * 0.5:.{digits}f}\n" in text


@pytest.mark.few(0)
def test_on_the_command_line(tmp_path: Path) -> None:
    source = tmp_path / "q.yaml"
    source.write_text(examples.text("q22"), encoding="utf-8")
    file = tmp_path / "t.json"
    assert cli("run", source, "--by-hand", "4", "-o", file) == ""
    assert lt.load(file).header.arithmetic == "by-hand-4"
    assert cli("run", source, "--arithmetic", "q4.12", "-o", tmp_path / "t.safetensors") == ""
    assert lt.load(tmp_path / "t.safetensors").header.arithmetic == "q4.12"
    assert "verified" in cli("verify", file)
    again = cli("report", file, "--format", "text")
    assert again == cli("report", source, "--by-hand", "4", "--format", "text")
    assert "h_t = [0.0394, 0.0017]\n    in full precision: [0.03938606, 0.00166991]\n" in again
    mixed = cli("report", source, "--digits", "3", "--digits", "h_t=6", "--digits", "tanh(c_t)=1", "--format", "text")
    assert "h_t ≈ [0.039386, 0.001670]" in mixed
    assert "c_t ≈ [0.040, 0.017]" in mixed
    assert "[-0,4000; -1,6000]" in cli("report", source, "--detail", "vector", "--decimal-comma", "--format", "text")
    assert "h_t ≈ [0.039, 0.0017]" in cli("report", source, "--significant", "2", "--format", "text")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by-hand", "4", "--arithmetic", "q4.12"], "--by-hand N is an arithmetic itself"),
        (["--arithmetic", "q4"], "there is no arithmetic 'q4'; expected by-hand-N"),
        (["--digits", "c_t="], "'c_t=' is neither a number in 0<=x<=17 nor LINE=NUMBER"),
        (["--digits", "c_tt=3"], "digits of 'c_tt': there is no such line; did you mean 'c_t'?"),
        (["--by-hand", "16"], "0<=x<=15"),
    ],
)
def test_wrong_options(options: list[str], message: str, tmp_path: Path) -> None:
    source = tmp_path / "q.yaml"
    source.write_text(examples.text("q22"), encoding="utf-8")
    assert message in cli("report", source, *options, code=2)
