"""One number of a matrix: its equation, what it was computed from, and what reads it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import MissingError
from lstm_trace.trace.trace import Trace

from ..support.matrix_cells import problem


@cache
def run(name: str) -> Trace:
    return lt.run(problem(name))


def symbols(found: lt.ValueDerivation, role: str) -> list[str]:
    return [one.symbol.text for one in getattr(found, role)]


def test_an_entry_of_a_memory() -> None:
    found = lt.derivation(run("mlstm"), "1/C_t[2,1]", of="2/h_t[2]")
    assert (found.address, found.where) == ("0/forward/1/0/C_t[2,1]", "step t = 1, entry [2,1]")
    assert found.equation is not None
    assert found.equation.text == "C_t = f_t′ ⊙ C_{t-1} + i_t′ ⊙ (v_t k_tᵀ)"
    assert found.written_out is not None
    assert found.written_out.text == "(1.00000)(0.28325) + (0.90393)(0.27000)(-0.17172)"
    assert symbols(found, "operands") == ["(f_t′ ⊙ C_{t-1})[2,1]", "(i_t′ ⊙ (v_t k_tᵀ))[2,1]"]
    assert symbols(found, "readers") == ["(C_t q_t)[2]", "(f_t′ ⊙ C_{t-1})[2,1]"]
    assert found.value == run("mlstm")["C_t"][1, 0, 5]
    assert found.verified.verdict == "verified"
    assert found.gradient is not None
    gradients = lt.backward(run("mlstm"), of="2/h_t[2]")["0/adjoint-forward/d_C_t"]
    assert found.gradient.value == gradients[1, 0, 5] != 0


def test_an_outer_product() -> None:
    found = lt.derivation(run("mlstm"), "1/outer(v_t, k_t)[2,1]")
    assert found.equation is not None
    assert found.equation.text == "v_t k_tᵀ"
    assert found.substituted is not None
    assert found.substituted.text == "(0.27000)(-0.17172)"
    assert [one.address for one in found.operands] == ["0/forward/1/0/v_t[2]", "0/forward/1/0/k_t[1]"]
    assert symbols(lt.derivation(run("mlstm"), "1/v_t[2]"), "readers") == ["(v_t k_tᵀ)[2,0]", "(v_t k_tᵀ)[2,1]"]
    readers = symbols(lt.derivation(run("mlstm"), "1/k_t[1]"), "readers")
    assert readers == ["(v_t k_tᵀ)[0,1]", "(v_t k_tᵀ)[1,1]", "(v_t k_tᵀ)[2,1]", "(i_t′ ⊙ k_t)[1]"]


def test_what_a_vector_reads_from_a_matrix() -> None:
    found = lt.derivation(run("mlstm"), "2/C_t @ q_t[1]")
    assert found.about == "What q_t reads from C_t: each of its numbers times an entry of the matrix, added up."
    assert symbols(found, "operands") == ["C_t[1,0]", "q_t[0]", "C_t[1,1]", "q_t[1]"]
    assert "(C_t q_t)[0]" in (readers := symbols(lt.derivation(run("mlstm"), "2/q_t[1]"), "readers"))
    assert {"(C_t q_t)[1]", "(C_t q_t)[2]"} <= {*readers}


def test_an_initial_matrix_and_a_weight_beside_matrices() -> None:
    state = lt.derivation(run("mlstm"), "C_prev[2,1]")
    assert (state.address, state.symbol.text, state.value) == ("0/forward/0/C_prev[2,1]", "C_{t-1}[2,1]", 0.5)
    weight = lt.derivation(run("mamba"), "A_log[2,1]", of="2/y_t[2]")
    assert (weight.symbol.text, weight.where, weight.value) == ("A_log[2,1]", "entry [2,1]", 0.8)
    assert [one.address for one in weight.readers] == [f"0/forward/{t}/0/exp(A_log)[2,1]" for t in range(3)]
    assert weight.gradient is not None
    assert weight.gradient.value == lt.gradients(run("mamba"), of="2/y_t[2]")["0/forward/A_log"][2, 1]


def test_a_gradient_of_a_weight_beside_matrices() -> None:
    back = lt.backward(run("mamba"), of="2/y_t[0]")
    found = lt.derivation(back, "0/adjoint-forward/d_A_log[0,1]")
    assert (found.symbol.text, found.where, found.verified.verdict) == ("∂L/∂A_log[0,1]", "entry [0,1]", "verified")


def test_entries_are_counted_as_units_are() -> None:
    found = lt.derivation(run("mlstm"), "1/C_t[2,1]", count_from=1)
    assert found.where.endswith("entry [3,2]")
    assert found.address.endswith("C_t[2,1]")


@pytest.mark.parametrize("text", ["1/C_t", "1/C_t[5]", "1/C_t[3,0]", "1/C_t[0,2]"])
def test_an_entry_that_is_not_there(text: str) -> None:
    with pytest.raises(MissingError, match=r"C_t\[0,0\] to C_t\[2,1\]|rows 0 to 2 and columns 0 to 1"):
        lt.derivation(run("mlstm"), text)


def places(trace: Trace) -> Iterator[tuple[str, int]]:
    """Every line of the first step with its width."""
    for name, values in trace.lines["0/forward"].items():
        yield name, values.shape[-1]


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["gated-deltanet", "ltc", "mamba", "mlstm", "rwkv7"])
def test_operands_and_readers_are_those_of_each_other(name: str) -> None:
    """Each operand of a number has that number among its readers, and the reverse."""
    trace = run(name)
    found: dict[str, lt.ValueDerivation] = {}
    for line, width in places(trace):
        grid = trace.grid("0/forward", line)
        for unit in range(width):
            at = f"{line}[{unit}]" if grid is None else f"{line}[{unit // grid[1]},{unit % grid[1]}]"
            one = lt.derivation(trace, f"0/forward/1/0/{at}")
            assert one.verified.verdict == "verified"
            assert np.isclose(one.value, trace.lines["0/forward"][line][1, 0, unit])
            found[one.address] = one
    pairs = {(of.address, one.address) for of in found.values() for one in of.operands}
    assert {
        (reader.address, of.address) for of in found.values() for reader in of.readers if reader.address in found
    } == {pair for pair in pairs if pair[1] in found}
