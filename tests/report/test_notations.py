"""Notation presets and languages: other symbols and words, the same numbers; refused where they would not be true."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.notations import notations
from lstm_trace.errors import OptionError
from lstm_trace.examples import examples, text
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.report.content.notations import applied

from ..support.tiers import some
from .test_report import lstm, q22


def numbers(report: str) -> list[str]:
    return re.findall(r"-?\d+\.\d+", report)


@pytest.mark.few(0)
@pytest.mark.parametrize("notation", ["pytorch", "keras", "goodfellow", "d2l"])
def test_symbols_change_and_numbers_stay(notation: str) -> None:
    trace = lstm()
    assert numbers(trace.report("md", notation=notation)) == numbers(trace.report("md"))


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("notation", "format", "expected"),
    [
        ("pytorch", "text", "z_i = W_ii x_t + b_ii + W_hi h_{t-1} + b_hi"),
        ("pytorch", "text", "g_t = tanh(z_g)"),
        ("pytorch", "text", "z_g = W_ig x_t + b_ig + W_hg h_{t-1} + b_hg"),
        ("pytorch", "tex", r"c_t = f_t \odot c_{t-1} + i_t \odot g_t"),
        ("pytorch", "typ", "W_(i g) thin x_t"),
        ("keras", "text", "z_f = kernel_fᵀ x_t + b_xf + recurrent_kernel_fᵀ h_{t-1} + b_hf"),
        ("keras", "md", r"\mathrm{recurrent\_kernel}_c^{\top}\,h_{t-1}"),
        ("keras", "typ", 'upright("kernel")_o^⊤ thin x_t'),
        ("keras", "html", "<msubsup><mi>kernel</mi><mi>i</mi><mo>⊤</mo></msubsup>"),
        ("goodfellow", "text", "z_g = U_g x_t + b_xg + W_g h_{t-1} + b_hg"),
        ("goodfellow", "text", "z_c = U x_t + b_xc + W h_{t-1} + b_hc"),
        ("goodfellow", "md", r"s_t = f_t \odot s_{t-1} + g_t \odot \tilde{s}_t"),
        ("goodfellow", "text", "h_t = q_t ⊙ tanh(s_t)"),
        ("olah", "text", "z_C = W_C [h_{t-1}; x_t] + b_xC + b_hC"),
        ("olah", "tex", r"C_t = f_t \odot C_{t-1} + i_t \odot \tilde{C}_t"),
        ("olah", "text", "W_C = [ W_hc  W_xc ]"),
        ("d2l", "text", "z_i = W_xiᵀ x_t + b_xi + W_hiᵀ h_{t-1} + b_hi"),
        ("joined", "text", "z_i = W_i [h_{t-1}; x_t] + b_xi + b_hi"),
        ("joined", "text", "W_i = [ W_hi  W_xi ]"),
        ("exercise", "text", "z_i = W_xi x_t + b_xi + W_hi h_{t-1} + b_hi"),
    ],
)
def test_symbols(notation: str, format: str, expected: str) -> None:
    assert expected in lstm().report(format, notation=notation, detail="scalar")


def test_keras_has_one_bias() -> None:
    weights = {f"W_x{g}": [[0.5]] for g in "ifco"} | {f"W_h{g}": [[0.25]] for g in "ifco"}
    trace = lt.run(weights | {f"b_{g}": [0.1] for g in "ifco"}, [1.0])
    assert "z_c = kernel_cᵀ x_t + recurrent_kernel_cᵀ h_{t-1} + bias_c" in trace.report("text", notation="keras")


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("kind", "notation", "expected"),
    [
        ("gru", "pytorch", "z_n = W_in x_t + b_in + r_t ⊙ (W_hn h_{t-1} + b_hn)"),
        ("gru", "pytorch", "z_t = σ(z_z)"),
        ("gru", "pytorch", "h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ n_t"),
        ("gru", "keras", "z_z = kernel_zᵀ x_t + b_xz + recurrent_kernel_zᵀ h_{t-1} + b_hz"),
        ("gru", "keras", "z_t = σ(z_z)"),
        ("gru", "cho", "z_h = W x_t + b_xh + r_t ⊙ (U h_{t-1} + b_hh)"),
        ("gru", "cho", "h_t = z_t ⊙ h_{t-1} + (1 - z_t) ⊙ h̃_t"),
        ("gru", "goodfellow", "z_u = U_u x_t + b_xu + W_u h_{t-1} + b_hu"),
        ("gru", "d2l", "z_z = W_xzᵀ x_t + b_xz + W_hzᵀ h_{t-1} + b_hz"),
        ("rnn", "goodfellow", "a_t = U x_t + b_xh + W h_{t-1} + b_hh"),
        ("rnn", "pytorch", "z_h = W_ih x_t + b_ih + W_hh h_{t-1} + b_hh"),
        ("rnn", "keras", "z_h = kernelᵀ x_t + b_xh + recurrent_kernelᵀ h_{t-1} + b_hh"),
    ],
)
def test_symbols_of_a_gru_and_an_rnn(kind: str, notation: str, expected: str) -> None:
    draw, gates = np.random.default_rng(1), {"gru": "ruh", "rnn": "h"}[kind]
    weights = {
        f"{w}_{side}{g}": draw.normal(size=(2, 2) if w == "W" else 2) for w in "Wb" for side in "xh" for g in gates
    }
    cell = {"kind": kind} | ({"reset_after": True} if kind == "gru" else {})
    trace = lt.run(weights, np.ones((2, 2)), cell=cell)
    assert expected in trace.report("text", notation=notation, width=200)
    for format in ("md", "tex", "typ", "html"):
        report = trace.report(format, notation=notation)
        assert "{kernel}_{}" not in report
        if format != "html":
            assert numbers(report) == numbers(trace.report(format))


def test_the_authors_symbols_come_first() -> None:
    trace = lt.run({**_own(), "symbols": {"c_tilde": r"\hat{c}_t"}})
    assert r"\hat{c}_t" in trace.report("md", notation="pytorch")


def _own(**more: Any) -> dict[str, Any]:
    weights = {f"W_x{g}": [[0.5]] for g in "ifco"} | {f"W_h{g}": [[0.25]] for g in "ifco"}
    return {"weights": weights | more.pop("weights", {}), "x": [[1.0], [2.0]], **more}


# -- joined -----------------------------------------------------------------------------------------------------------


def test_joined_shows_recorded_numbers() -> None:
    """A scalar oracle: each row of the joined product is the sum of its printed products."""
    trace = lstm()
    joined, _ = applied(trace, "joined")
    stage = joined.stages[0]
    for gate in "ifco":
        weights = trace.parameters["0/forward"]
        both = np.hstack([weights[f"W_h{gate}"], weights[f"W_x{gate}"]])
        np.testing.assert_array_equal(joined.parameters["0/forward"][f"W_{gate}"], both)
        assert f"W_x{gate} @ x_t" not in stage.cell.by_name
    for name in ("z_i", "i_t", "c_t", "h_t"):
        np.testing.assert_array_equal(joined[name], trace[name])
    vector = joined["concat(h_prev, x_t)"]
    report = trace.report("text", notation="joined", everything=True, steps=1, batch=1, width=300, digits=8)
    rows = report.partition("  W_o [h_{t-1}; x_t]\n")[2].splitlines()[:4]
    for unit, row in enumerate(rows):
        body, sign, value = re.fullmatch(rf" *unit {unit}: (.*) ([=≈]) (.*)", row).groups()  # type: ignore[union-attr]
        factors = re.findall(r"\((-?[\d.]+)\)\((-?[\d.]+)\)", body)
        assert [float(w) for w, _ in factors] == pytest.approx(joined.parameters["0/forward"]["W_o"][unit])
        assert [float(v) for _, v in factors] == pytest.approx(vector[1, 1], abs=1e-8)
        total = sum(Fraction(w) * Fraction(v) for w, v in factors)
        assert abs(total - Fraction(value)) <= (0 if sign == "=" else Fraction(1, 10**7))


def test_joined_without_biases_is_one_line() -> None:
    report = q22().report("text", notation="joined")
    assert "z_i = W_i [h_{t-1}; x_t]\n" in report
    assert "    unit 0: (0)(0) + (1)(0) + (-1)(1) + (0)(2) + (0.2)(3) = -0.4000\n" in report
    assert "W_xi x_t" not in report.partition("Solution")[2]


def test_what_is_asked_for_stays() -> None:
    trace = lt.run(_own(ask=["W_xi @ x_t", "h_t"]))
    report = trace.report("text", notation="joined")
    assert "z_i = W_xi x_t + W_hi h_{t-1}" in report
    assert "z_f = W_f [h_{t-1}; x_t]" in report
    assert "z_o = W_xo x_t + W_ho" in trace.report("text", notation="joined", only=["W_ho @ h_prev", "z_o", "c_t"])


def test_gru_is_joined_where_it_is_so() -> None:
    trace = lt.run(_yaml("gru"))
    try:
        report = trace.report("text", notation="joined")
    except OptionError as error:
        assert "finds no sum" in str(error)  # noqa: PT017
    else:
        assert "[h_{t-1}; x_t]" in report


# -- refused ----------------------------------------------------------------------------------------------------------


def _yaml(name: str) -> dict[str, Any]:
    import yaml

    found: dict[str, Any] = yaml.safe_load(text(name))
    return found


@pytest.mark.parametrize("notation", ["pytorch", "keras"])
def test_an_own_cell_has_no_symbols_of_a_framework(notation: str) -> None:
    with pytest.raises(OptionError, match=f"notation '{notation}' has symbols for an LSTM"):
        lt.run(_yaml("custom-cell")).report("text", notation=notation)


@pytest.mark.parametrize("notation", ["pytorch", "keras"])
def test_an_slstm_has_no_symbols_of_a_framework_either(notation: str) -> None:
    with pytest.raises(OptionError, match="a GRU and a plain RNN, and this cell is of kind 'slstm'"):
        lt.run({**_own(), "cell": "slstm"}).report("text", notation=notation)


def test_two_names_printed_alike_are_refused() -> None:
    trace = lt.run(_own(extra="g_t = tanh(h_t)", ask=["g_t"]))
    for notation in ("pytorch", "goodfellow"):
        with pytest.raises(OptionError, match=r"prints .* alike, as g_t"):
            trace.report("text", notation=notation)


def test_a_notation_without_the_cell_is_refused() -> None:
    with pytest.raises(OptionError, match="notation 'cho' has symbols for a GRU, and this cell is of kind 'lstm'"):
        q22().report("text", notation="cho")
    with pytest.raises(OptionError, match=r"notation 'olah' has symbols for an LSTM and a GRU, .* of kind 'rnn'"):
        lt.run({"W_xh": [[1.0]], "W_hh": [[1.0]]}, [1.0]).report("text", notation="olah")


def test_matrices_that_multiply_from_the_right_are_shown_transposed() -> None:
    """What is printed as W_xiᵀ is the transpose of the matrix that d2l multiplies x by."""
    wide = np.array([[0.5, -1.0, 0.25], [1.5, 2.0, -0.75]])
    weights = {f"W_x{g}": wide * (k + 1) for k, g in enumerate("ifco")} | {f"W_h{g}": np.eye(2) for g in "ifco"}
    report = lt.run(weights, [1.0, 2.0, 3.0]).report("text", notation="d2l")
    assert "W_xiᵀ = [ 0.5  -1   0.25 ]" in report
    turned = {name: array.T for name, array in weights.items()}
    same = lt.run({"weights": turned, "x": [1.0, 2.0, 3.0], "notation": "d2l"}).report("text", notation="d2l")
    assert same.partition("Given")[2] == report.partition("Given")[2]
    assert "matrices multiply from the right, x W, and were transposed" in " ".join(same.split())


def test_what_is_read_in_a_notation_is_printed_in_it() -> None:
    """Names go in and out of one table: each weight of the problem is in its own report."""
    rng = np.random.default_rng(0)
    weights = {f"{side}{gate}": rng.normal(size=(2, 3 if side == "U" else 2)).round(1)
               for side in "UW" for gate in ("_g", "_f", "", "_o")}  # fmt: skip
    report = lt.run(weights, [1.0, 2.0, 3.0]).report("text", notation="goodfellow")
    for name, array in weights.items():
        row = re.search(rf"(?<!\w){name} = \[ ([^\]]*)\]", report)
        assert row is not None, name
        assert [float(value) for value in row[1].split()] == array[0].tolist()


def test_joined_is_refused_where_nothing_is_joined() -> None:
    trace = lt.run({"cell": {"equations": "h_t = tanh(W @ x_t)\noutput: h_t"}, "weights": {"W": [[1.0]]}, "x": [[1.0]]})
    with pytest.raises(OptionError, match="finds no sum"):
        trace.report("text", notation="joined")


def test_joined_is_refused_by_hand() -> None:
    from lstm_trace.engine.run import in_arithmetic

    with pytest.raises(OptionError, match="by-hand-4"):
        in_arithmetic(q22(), "by-hand-4").report("text", notation="joined")


def test_unknown() -> None:
    with pytest.raises(OptionError, match="no notation 'keres'; did you mean 'keras'"):
        q22().report("text", notation="keres")
    with pytest.raises(OptionError, match="no language 'it'"):
        q22().report("text", language="it")


# -- languages --------------------------------------------------------------------------------------------------------

TERMS = {
    "en": ("Input gate", "Forget gate", "Output gate", "Hidden state"),
    "de": ("Input-Gate", "Forget-Gate", "Output-Gate", "Verborgener Zustand"),
    "fr": ("Porte d’entrée", "Porte d’oubli", "Porte de sortie", "État caché"),
    "es": ("Puerta de entrada", "Puerta de olvido", "Puerta de salida", "Estado oculto"),
    "zh": ("输入门", "遗忘门", "输出门", "隐藏状态"),
}


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
def test_a_language(language: str) -> None:
    trace = q22()
    report = trace.report("text", language=language)
    terms = TERMS.get(language) or [words(language).word(f"lstm.{line}") for line in ("i_t", "f_t", "o_t", "h_t")]
    assert all(term in report for term in terms)
    assert numbers(report) == numbers(trace.report("text"))
    assert f'<html lang="{language}"' in trace.report("html", language=language)
    assert f'lang: "{language}"' in trace.report("typ", language=language)


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("name", some(sorted(examples()), 3))
def test_every_example_in_every_language(name: str, language: str) -> None:
    trace = lt.run(_yaml(name))
    for format in ("md", "text", "tex", "typ"):
        report = trace.report(format, language=language)
        if language != "en" and format == "md":
            assert not re.search(r"\b(the|with|unit|step|given|gate)\b", _said(report))


def _said(report: str) -> str:
    """A report without its title, which is the author's, and without options, which no language translates."""
    return re.sub("`--[^`]+`", "", report.partition("\n")[2])


def test_notations_are_those_of_the_command_line() -> None:
    from lstm_trace.cli.verbs.report import report

    choices = {option.name: option.type for option in report.params}
    assert list(choices["notation"].choices) == list(notations())  # type: ignore[attr-defined]
    assert list(choices["language"].choices) == list(languages())  # type: ignore[attr-defined]


def test_explanations_have_the_notations_that_join_nothing() -> None:
    from lstm_trace.results.explanation import Worked

    (choices, _) = get_args(get_type_hints(Worked, include_extras=True)["notation"])
    apart = [name for name, row in notations().items() if not any("joined" in form for form in row["forms"])]
    assert list(get_args(choices)) == apart


@pytest.mark.parametrize("notation", ["joined", "olah"])
def test_a_problem_in_joined_matrices_has_a_report_of_its_gradients(notation: str) -> None:
    """A joined product has no backward pass; without an option of the reader it is not joined."""
    weights = {f"W_{gate}": [[0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]] for gate in ("i", "f", "C", "o")}
    if notation == "joined":
        weights["W_c"] = weights.pop("W_C")
    trace = lt.backward(
        lt.run({"weights": weights, "x": [[1.0, 2.0]], "notation": notation}), seeds={"h_t": [[[1.0, 1.0]]]}
    )
    assert "W_xi" in trace.report("text")
