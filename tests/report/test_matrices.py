"""Reports of cells whose memory is a matrix: what a reader sees of it."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.base.display import cells
from lstm_trace.languages import languages
from lstm_trace.report.diagram.diagram import diagram
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..support.matrix_cells import problem

CELLS = ("gated-deltanet", "ltc", "mamba", "mlstm", "rwkv7")
READ = """
    k_t = W_k @ x_t
    v_t = W_v @ x_t
    C_t = 0.5 * C_prev + outer(v_t, k_t)
    y_t = v_t @ C_t
    carry: C_prev <- C_t
    output: y_t
"""


@cache
def run(name: str) -> Trace:
    return lt.run(problem(name))


@cache
def text(name: str, **options: Any) -> str:
    return str(run(name).report("text", **options))


@cache
def backward(name: str, **options: Any) -> str:
    trace = run(name)
    found = lt.backward(trace, of=f"2/{trace.stages[0].cell.output}[0]")
    return re.sub(r".*\n(?=Backward pass\n)", "", str(found.report("text", **options)), flags=re.S)


def read(rows: int, columns: int, seed: int = 0) -> Trace:
    """A small cell that reads its memory by a vector on the left."""
    rng = np.random.default_rng(seed)
    weights = {"W_k": rng.normal(size=(columns, 2)).round(1), "W_v": rng.normal(size=(rows, 2)).round(1)}
    return lt.run(weights, [[0.5, -1.0], [1.0, 2.0]], cell={"equations": READ})


def test_the_report_of_the_mlstm_reads_as_it_should() -> None:
    kept = ROOT / "tests" / "golden" / "report_mlstm.text"
    assert text("mlstm") == kept.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "equation"),
    [
        ("mlstm", "C_t = f_t′ ⊙ C_{t-1} + i_t′ ⊙ (v_t k_tᵀ)"),
        ("mlstm", "h̃_t = C_t q_t / u_t"),
        ("gated-deltanet", "e_t = β_t ⊙ (v_t - D_t k_t)"),
        ("gated-deltanet", "S_t = D_t + e_t k_tᵀ"),
        ("mamba", "Ā_t = exp((Δ_t ones(B_t)ᵀ) ⊙ (-exp(A_log)))"),
        ("mamba", "H_t = Ā_t ⊙ H_{t-1} + (Δ_t ⊙ x_t) B_tᵀ"),
        ("rwkv7", "E_t = S_{t-1} κ̂ (a_t ⊙ κ̂)ᵀ"),
        ("ltc", "den = c_m + g_leak + g_xᵀ ones(x_t) + g_vᵀ ones(v_{t-1})"),
    ],
)
def test_equations_are_those_of_papers(name: str, equation: str) -> None:
    assert f"  {equation}\n" in text(name)


def test_a_vector_that_reads_a_matrix_from_the_left_is_a_column() -> None:
    assert "  y_t = C_tᵀ v_t\n" in str(read(3, 2).report("text"))
    assert r"&y_t = C_t^{\top}\,v_t" in str(read(3, 2).report("md"))


def test_products_with_the_same_matrix_on_both_sides() -> None:
    text = READ.replace("y_t = v_t @ C_t", "y_t = outer(C_t @ k_t, v_t @ C_t) @ k_t")
    trace = lt.run({"W_k": np.eye(2), "W_v": np.ones((3, 2))}, [[0.5, -1.0]], cell={"equations": text})
    assert "y_t = C_t k_t (C_tᵀ v_t)ᵀ k_t\n" in str(trace.report("text"))


def test_matrices_are_drawn_by_rows() -> None:
    start = "  C_{t-1} = [   -2   0.7 ]\n            [ -0.7  -1.2 ]\n            [  0.2   0.5 ]\n"
    assert text("mlstm").count(start) == 2  # before the first step, and in it
    weight = "  A_log = [    0  0.7 ]\n          [  0.1  0.6 ]\n          [ -0.2  0.8 ]\n"
    assert weight in text("mamba")
    answer = "  C_t (step t = 1) ≈ [ -2.21576   0.64924 ]\n                     [ -0.41587  -1.56357 ]\n"
    assert answer in text("mlstm")
    assert r"C_{t-1} = \begin{bmatrix} -2 & 0.7 \\ -0.7 & -1.2 \\ 0.2 & 0.5 \end{bmatrix}" in str(run("mlstm").report())


def test_matrices_of_a_calculation_are_drawn_side_by_side() -> None:
    found = text("rwkv7")
    assert (
        "  S_{t-1} ⊙ (ones(v_t) w_tᵀ) = [  0.5   1.1  0.3 ] ⊙ [ 0.7500  0.6947  0.6498 ]\n"
        "                               [ -0.5   0.2  0.1 ]   [ 0.7500  0.6947  0.6498 ]\n"
        "                               [ -0.1  -0.5  0.3 ]   [ 0.7500  0.6947  0.6498 ]\n"
        "      ≈ [  0.3750   0.7641  0.1950 ]\n"
    ) in found
    assert "  v_t k_tᵀ = [-0.1290, 0.2980, -0.6250] [ 0.2245  -0.1645  -0.1128 ]\n" in found


@pytest.mark.few(0)
@pytest.mark.parametrize("name", CELLS)
def test_no_line_is_wider_than_a_terminal(name: str) -> None:
    for detail in ("scalar", "vector", "compact", "summary"):
        assert max(map(cells, text(name, detail=detail).splitlines())) <= 80


def test_every_entry_has_its_numbers() -> None:
    found = text("mlstm")
    assert "    entry [2,1]: (-0.21000)(2.11931) ≈ -0.44506\n" in found
    assert "  C_t q_t\n    unit 0: (-1.99902)(-2.96000) + (0.72064)(-0.79000) ≈ 5.34778\n" in found
    assert "    entry [3,2]: 0.50000 + (-0.21675) = 0.28325\n" in text("mlstm", count_from=1)
    assert len(set(re.findall(r"entry (\[\d,\d\])", text("rwkv7", detail="scalar")))) == 9  # all of them


@pytest.mark.few(0)
@pytest.mark.parametrize("name", CELLS)
def test_no_entry_is_called_a_unit(name: str) -> None:
    trace = run(name)
    most = max(v.shape[-1] for v in trace.lines["0/forward"].values() if v.shape[-1] not in (4, 6, 9))
    for found in (text(name), text(name, detail="compact"), backward(name)):
        assert all(int(unit) < most for unit in re.findall(r"unit (\d+)", found))


@pytest.mark.few(0)
def test_the_size_of_a_memory_stands_in_place_of_its_units() -> None:
    assert "with a memory of 3\u00a0×\u00a02 reads 3 steps" in text("mlstm")
    assert "with 2 units reads" in text("ltc")
    for language in languages():
        found = text("mlstm", language=language)
        assert "3\u00a0×\u00a02" in " ".join(found.split("\n\n")[1].split("\n"))
    german = "Eine durch ihre Gleichungen gegebene Zelle mit einem Speicher von 3\u00a0×\u00a02 liest 3 Schritte"
    assert german in text("mlstm", language="de").replace("\n", " ")


def test_a_product_of_all_entries_is_defined() -> None:
    said = "a bᵀ has the product of a[i] and b[k] in row i and column k"
    assert said in " ".join(text("mlstm").split())
    assert said.replace("column", "") not in str(lt.run(problem("gru")).report("text"))


def test_what_became_of_entries_in_words() -> None:
    found = " ".join(text("mlstm").split())
    assert "the 3 of 6 entries of C_t that are furthest from zero" in found
    assert "Entry [0,0] of C_t held -2 before step 0; -1.28810 of it remains at step 2 (100 %, then" in found
    assert "Of C_{t-1}, the gate f_t′ keeps 100 %, then 100 %, then 64 %." in found
    assert "keeps 53 %, then 47 %, then 42 % in entry [0,0];" in " ".join(text("mamba").split())


STATES_OF = {
    "en": "into unit 1 of n_t;",
    "de": "in Einheit 1 von n_t schrieb",
    "es": "escribió en la unidad 1 de n_t",
    "fr": "dans l’unité 1 de n_t",
    "zh": "写入状态 n_t 的单元 1 的",
}


@pytest.mark.few(1)
@pytest.mark.parametrize("language", languages())
def test_an_entry_is_that_of_a_state_if_the_cell_has_several(language: str) -> None:
    assert STATES_OF[language] in " ".join(text("mlstm", language=language).split())


def test_the_memory_of_a_cell_with_one_state_is_not_named() -> None:
    assert re.search(r"into entry \[\d,\d\];", str(read(3, 2).report("text")))


@pytest.mark.parametrize("name", ["gated-deltanet", "rwkv7"])
def test_of_a_memory_that_corrects_itself_no_part_is_said_to_remain(name: str) -> None:
    """What a step wrote is also erased by later ones, which read it, and not by the gates alone."""
    found = " ".join(text(name).split())
    assert "remains" not in found
    assert re.search(r"At step 2, S_t goes from \S+ to \S+ in entry \[\d,\d\] \(\S+ kept, \S+ written\)", found)


def test_queries_are_no_outputs() -> None:
    assert "Readout" not in text("gated-deltanet") + text("mamba")
    assert "output 0" not in text("gated-deltanet") + text("mamba")


def test_compact_chains_keep_products_apart() -> None:
    found = text("mamba", detail="compact")
    assert "          + ([0.6425; 1.1697; 0.4599] ⊙ [0.4; 0.9; -0.6]) [-0.0100 -0.6500]\n" in found
    assert "      ≈ exp(([0.6425; 1.1697; 0.4599] [1.0000 1.0000])\n" in found
    assert "  Ā_t = exp((Δ_t ones(B_t)ᵀ) ⊙ (-exp(A_log)))\n" in found


def test_products_with_single_numbers() -> None:
    found = str(read(3, 1).report("text", detail="compact", steps=slice(1, 2)))
    assert re.search(r"C_tᵀ v_t\n", found)
    assert re.search(r"= 0\.5 \[[-\d.; ]+\] \+ -?[\d.]+ \[[-\d.; ]+\]\n|\+ \(?-?[\d.]+\)? \[", found)


def test_a_large_matrix_is_shortened_as_a_long_vector_is() -> None:
    found = str(read(9, 9).report("text", detail="scalar"))
    assert "    entry [0,5]:" in found
    assert "    ⋮\n    entry [8,8]:" in found
    assert "entry [0,7]" not in found
    assert "some units" in found
    whole = read(5, 5).report("text", detail="summary")
    assert "some units" not in str(whole)  # its matrices are complete


@pytest.mark.few(0)
def test_by_hand() -> None:
    found = str(lt.run(problem("mlstm"), arithmetic="by-hand-4").report("text"))
    assert "    entry [2,1]: (-0.2100)(2.1193) ≈ -0.4451\n" in found
    assert "    in full precision: [ -1.92624548  -0.15719077 ]\n" in found


@pytest.mark.few(0)
def test_holds_are_named_by_row_and_column() -> None:
    hold = {"0/C_t[2,1]": 0.0, "1/C_t[0..2,1]": 1.5}
    found = " ".join(str(lt.run(problem("mlstm"), hold=hold).report("text")).split())
    assert "Held instead of computed: C_t[2,1] = 0 (t = 0); C_t[0..2,1] = 1.5 (t = 1)." in found


# -- the backward pass -------------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_gradients_of_matrices() -> None:
    found = backward("mlstm")
    assert "  ∂L/∂C_t = ∂L/∂(C_t q_t) q_tᵀ\n    entry [0,0]: (0.23924)(1.60000) ≈ 0.38278\n" in found
    assert "  ∂L/∂k_t = (∂L/∂(v_t k_tᵀ))ᵀ v_t + ∂L/∂n_t ⊙ i_t′\n" in found
    assert "  v = C z\n    ∂L/∂C = ∂L/∂v zᵀ\n    ∂L/∂z = Cᵀ ∂L/∂v\n" in found
    assert "  v = a bᵀ\n    ∂L/∂a = ∂L/∂v b\n    ∂L/∂b = (∂L/∂v)ᵀ a\n" in found
    drawn = "  ∂L/∂C_t = ∂L/∂(C_t q_t) q_tᵀ\n          = [0.23924, 0.00000, 0.00000] [ 1.60000  0.21000 ]\n"
    assert f"{drawn}          ≈ [ 0.38278  0.05024 ]\n            [ 0.00000  0.00000 ]\n" in backward(
        "mlstm", detail="vector"
    )


def gradient_of(trace: Trace, of: str, **options: Any) -> str:
    """The report of a gradient, with its lines joined."""
    return " ".join(str(lt.explain.gradient(trace, of, **options).report("text")).split())


@pytest.mark.few(0)
def test_the_weights_of_the_output_have_a_symbol_that_the_cell_does_not_have() -> None:
    trace = run("rwkv7")  # its w_t is the decay
    one, several = gradient_of(trace, "2/o_t[1]", equations=True), gradient_of(trace, "sum(2/o_t)")
    assert "w_{o_t} is 1 for o_t[1], the value" in one
    assert "The vector w_{o_t} holds the weights of o_t at step t. ∂L" in several
    for found in (one, several):
        assert "∂L/∂o_t = w_{o_t} " in found
        assert "w_t = exp(" in found
    assert "w_t is 1 for y_t[1], the value" in gradient_of(run("mamba"), "2/y_t[1]", equations=True)
    of_weight = lt.run({"w_t": [2.0, 3.0]}, [[1.0, 4.0]], cell={"equations": "y_t = w_t * x_t"})
    assert "∂L/∂y_t = w_{y_t}" in gradient_of(of_weight, "y_t[1]", equations=True)


def test_the_weights_of_a_matrix_are_a_matrix_also_where_there_is_one_step() -> None:
    trace = read(3, 2)
    said = "holds the weights of {} at step t"
    for of in ("sum(1/C_t[0..1,0])", "sum(C_t)"):
        assert f"The matrix w_t {said.format('C_t')}. ∂L/∂C_t has" in gradient_of(trace, of)
    both = f"The vector w_{{y_t}} {said.format('y_t')} and the matrix w_{{C_t}} {said.format('C_t')}."
    assert both in gradient_of(trace, "sum(C_t) + sum(y_t)")
    cell = READ.replace("output: y_t", "output: C_t")
    seeded = lt.run(trace.parameters["0/forward"], trace.x[:, 0], cell={"equations": cell})
    seeded = lt.backward(seeded, output=np.full(seeded.output.shape, 0.5))
    assert f"The matrix w_t {said.format('C_t')}." in str(seeded.report("text", alone="back"))


def test_gradients_are_columns() -> None:
    found = str(lt.backward(read(3, 2), of="1/y_t[0]").report("text"))
    assert "  ∂L/∂C_t = v_t (∂L/∂y_t)ᵀ\n    entry [0,0]:" in found
    assert "  ∂L/∂k_t = (∂L/∂C_t)ᵀ v_t\n" in found
    assert "  ∂L/∂v_t = ∂L/∂C_t k_t + C_t ∂L/∂y_t\n" in found


@pytest.mark.few(0)
def test_gradients_of_weights_beside_matrices() -> None:
    found = backward("mamba")
    assert "  ∂L/∂A_log = Σ_t (∂L/∂exp(A_log) ⊙ exp(A_log))\n    entry [0,0]: (-0.11407)(1.00000) +" in found
    assert "≈ [ -0.29149  -0.01181 ]\n" in backward("mamba", detail="vector")
    assert "  ∂L/∂H_{t-1} ≈ [ -0.11576  -0.00369 ]\n" in found  # of the initial state


@pytest.mark.few(0)
def test_numbers_of_the_text_get_no_gradient() -> None:
    assert "∂L/∂1 " not in backward("mlstm")
    assert "∂L/∂ones" not in backward("mamba")
    assert " = 0 + " not in backward("mlstm") + backward("mamba")


@pytest.mark.few(0)
@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("format", ["md", "html", "tex", "typ"])
def test_every_format_and_detail(name: str, format: str) -> None:
    trace = run(name)
    back = lt.backward(trace, of=f"2/{trace.stages[0].cell.output}[0]")
    for detail in ("scalar", "compact", "vector", "summary"):
        for one in (trace, back):
            assert len(str(one.report(format, detail=detail))) > 400


@pytest.mark.few(0)
def test_the_picture_of_a_cell_with_a_matrix() -> None:
    for name in CELLS:
        assert "<svg" in diagram(run(name))
