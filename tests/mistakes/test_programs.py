"""A cell as equations: which mistakes the table makes of it, where, under which key, and the cell with them."""

from __future__ import annotations

import pytest

from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import directed
from lstm_trace.mistakes.programs import CARRY, OUTPUT, Mistake, program_of, row_mistakes
from lstm_trace.mistakes.table import FUNCTIONS, ROWS, functions_of
from tests.mistakes.networks import NETWORKS, network

LSTM = directed("lstm", {"bias": "one"})[0]
GRU, GRU_AFTER = (
    directed("gru", {"reset_after": after, "bias": "two" if after else "one"})[0] for after in (False, True)
)
PEEPHOLES = directed("lstm", {"peephole": True, "clip": 3.0, "bias": "one"})[0]
CELLS = {"lstm": LSTM, "gru": GRU, "gru after": GRU_AFTER, "peepholes": PEEPHOLES}


def changed(cell: str, key: str) -> dict[str, str]:
    """The equations that a mistake replaces."""
    program = program_of(CELLS[cell])
    found = [one for one in row_mistakes(ROWS[key.partition(":")[0]], program) if one.key == key]
    assert found, [one.key for one in row_mistakes(ROWS[key.partition(":")[0]], program)]
    return {name: str(right) for name, right in found[0].program.changes}


@pytest.mark.parametrize(
    ("cell", "key", "expected"),
    [
        ("lstm", "exchange:i_t,f_t", {"c_t": "i_t * c_prev + f_t * c_tilde"}),
        ("lstm", "order:i,f", {"z_i": "W_xf @ x_t + W_hf @ h_prev + b_f", "z_f": "W_xi @ x_t + W_hi @ h_prev + b_i"}),
        ("lstm", "order-b:c,o", {"z_c": "W_xc @ x_t + W_hc @ h_prev + b_o", "z_o": "W_xo @ x_t + W_ho @ h_prev + b_c"}),
        ("lstm", "copied:b_f,b_i", {"z_f": "W_xf @ x_t + W_hf @ h_prev + b_i"}),
        ("lstm", "bias-lost:z_f", {"z_f": "W_xf @ x_t + W_hf @ h_prev"}),
        ("lstm", "constant:z_f,1", {"z_f": "W_xf @ x_t + W_hf @ h_prev + b_f + 1"}),
        ("lstm", "constant:z_f,-1", {"z_f": "W_xf @ x_t + W_hf @ h_prev + b_f - 1"}),
        ("lstm", "sign:c_t,i_t*c_tilde", {"c_t": "f_t * c_prev - i_t * c_tilde"}),
        ("lstm", "negative:c_t,i_t*c_tilde", {"c_t": "i_t * c_tilde - f_t * c_prev"}),
        ("lstm", "product-for-sum:c_t,i_t*c_tilde", {"c_t": "f_t * c_prev * (i_t * c_tilde)"}),
        ("lstm", "transposed:z_o,W_ho,h_prev", {"z_o": "W_xo @ x_t + h_prev @ W_ho + b_o"}),
        ("lstm", "factor-lost:h_t,o_t,tanh(c_t)", {"h_t": "o_t"}),
        ("lstm", "sum-for-product:c_t,f_t,c_prev", {"c_t": "f_t + c_prev + i_t * c_tilde"}),
        ("lstm", "complement:h_t,o_t,tanh(c_t)", {"h_t": "(1 - o_t) * tanh(c_t)"}),
        ("lstm", "old-value-twice:c_t,f_t,i_t*c_tilde", {"c_t": "f_t * (c_prev + i_t * c_tilde)"}),
        ("lstm", "function-lost:h_t", {"h_t": "o_t * c_t"}),
        ("lstm", "function:c_tilde,z_c,sigmoid", {"c_tilde": "sigmoid(z_c)"}),
        ("lstm", "function-twice:h_t", {"h_t": "o_t * tanh(tanh(c_t))"}),
        ("lstm", "saturated:f_t,8", {"f_t": "sigmoid(clip(z_f, -8, 8))"}),
        ("lstm", "outside-function:c_tilde,b_c", {"c_tilde": "tanh(W_xc @ x_t + W_hc @ h_prev) + b_c"}),  # inlined
        ("lstm", "stale-hidden:z_i", {"z_i": "W_xi @ x_t + W_hi @ h_prev_late + b_i"}),
        ("lstm", "not-cleared:z_c", {"z_c": "W_xc @ x_t + W_hc @ h_prev + b_c + z_c_late"}),  # y: its own value
        ("lstm", "never-updated:carryc_prev", {"carry c_prev": "c_prev"}),
        ("lstm", "wiped:carryh_prev", {"carry h_prev": "0 * h_t"}),
        ("lstm", "carry-summed:carryc_prev", {"carry c_prev": "c_t + c_prev"}),
        ("lstm", "output:output,c_t", {"output": "c_t"}),
        ("lstm", "output-late:output,h_t", {"output": "h_t_late"}),
        ("lstm", "gate-late:c_t,f_t", {"c_t": "f_t_late * c_prev + i_t * c_tilde"}),
        ("peepholes", "old-cell:z_o", {"z_o": "W_xo @ x_t + W_ho @ h_prev + w_co * c_prev + b_o"}),
        ("peepholes", "clip-lost:i_t", {"i_t": "sigmoid(z_i)"}),
        ("peepholes", "order-peephole:i,o", {
            "z_i": "W_xi @ x_t + W_hi @ h_prev + w_co * c_prev + b_i",
            "z_o": "W_xo @ x_t + W_ho @ h_prev + w_ci * c_t + b_o",
        }),
        ("peepholes", "order-peephole:foi", {
            "z_i": "W_xi @ x_t + W_hi @ h_prev + w_cf * c_prev + b_i",
            "z_f": "W_xf @ x_t + W_hf @ h_prev + w_co * c_prev + b_f",
            "z_o": "W_xo @ x_t + W_ho @ h_prev + w_ci * c_t + b_o",
        }),
        ("gru", "factors-exchanged:h_t,u_t,h_prev,1-u_t,h_tilde", {"h_t": "(1 - u_t) * h_prev + u_t * h_tilde"}),
        ("gru", "complement-lost:h_t,u_t", {"h_t": "u_t * h_prev + u_t * h_tilde"}),
        ("gru", "reset-after:z_h,W_hh,r_t,h_prev", {"z_h": "W_xh @ x_t + r_t * (W_hh @ h_prev) + b_h"}),
        ("gru after", "reset-before:z_h", {"z_h": "W_xh @ x_t + b_xh + (W_hh @ (r_t * h_prev) + b_hh)"}),
        ("gru after", "bias-outside:z_h", {"z_h": "W_xh @ x_t + b_xh + (r_t * (W_hh @ h_prev) + b_hh)"}),
    ],
)  # fmt: skip
def test_the_equations_of_a_mistake(cell: str, key: str, expected: dict[str, str]) -> None:
    assert changed(cell, key) == expected


def test_a_cell_without_mistakes_is_itself() -> None:
    for cell in CELLS.values():
        program = program_of(cell)  # another test may have asked for an equal cell, whose program is kept
        assert program.rewritten() is program.cell
        assert program.cell == cell


@pytest.mark.parametrize("name", NETWORKS)
def test_the_equations_of_a_cell_are_read_and_written_unchanged(name: str) -> None:
    for stage in network(name).stages:
        program = program_of(stage.cell)
        for equation, right in program.rows.items():
            text = stage.cell.equations.get(equation, stage.cell.output if equation == OUTPUT else None)
            assert text in (None, str(right)) or parse_of(str(right)) == parse_of(str(text)), equation


def parse_of(text: str) -> object:
    """The lines of one expression."""
    return parse(f"h_t = {text}\noutput: h_t", 1, ("valid", "y_forward", "y_reverse")).lines


def every(name: str) -> list[Mistake]:
    return [one for stage in network(name).stages for one in program_of(stage.cell).mistakes.values()]


@pytest.mark.few(1)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_rewritten_cell_differs_in_the_equations_that_are_named(name: str) -> None:
    for mistake in every(name):
        program = mistake.program
        assert {*mistake.names} == {name for name, _ in program.changes}, mistake.key
        cell, new = program.cell, program.rewritten()
        if not program.changes:
            assert new is cell
            assert program.words
            continue
        after = program_of(new).rows
        for equation in program.rows:
            if equation.startswith(CARRY) or equation == OUTPUT:
                continue
            said = str(after[equation])  # of two equal equations the second reads the value of the first
            same = str(after.get(said, said)) == str(program.own.rows[equation])
            assert same == (equation not in mistake.names), (mistake.key, equation)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", NETWORKS)
def test_no_two_keys_name_the_same_program_and_every_key_begins_with_its_row(name: str) -> None:
    for stage in network(name).stages:
        found = program_of(stage.cell).mistakes
        programs = [one.program for one in found.values()]
        assert len({*programs}) == len(programs)
        assert program_of(stage.cell) not in programs
        for key, mistake in found.items():
            assert key == mistake.key
            assert key.partition(":")[0] == mistake.row.key
            assert " " not in key, key


def test_two_mistakes_are_one_applied_after_the_other() -> None:
    first = program_of(LSTM).mistakes["bias-lost:z_f"].program
    both = first.mistakes["exchange:i_t,f_t"].program
    assert dict(both.changes).keys() == {"z_f", "c_t"}
    assert "bias-lost:z_f" not in first.mistakes, "there is no bias left to lose"
    other = program_of(LSTM).mistakes["exchange:i_t,f_t"].program.mistakes["bias-lost:z_f"].program
    assert other == both
    assert hash(other) == hash(both)


def test_a_value_of_the_step_before_is_a_state_that_carries_it() -> None:
    new = program_of(LSTM).mistakes["stale-hidden:z_i"].program.rewritten()
    assert "h_prev_late" in new.states
    assert new.states["h_prev_late"] == "1 * h_prev"


def test_an_equation_reads_only_what_is_there_before_it() -> None:
    for row in ROWS.values():
        for mistake in row_mistakes(row, program_of(PEEPHOLES)):
            rows = [*mistake.program.rows]
            for name, right in mistake.program.changes:
                late = [n for n in right.names() if n in PEEPHOLES.by_name and rows.index(n) >= rows.index(name)]
                assert not late, mistake.key


def test_the_functions_that_are_called_come_after_those_that_they_call() -> None:
    assert functions_of(["tanh"]) == ""
    text = functions_of(["plan", "plan_up", "pade3"]).splitlines()
    assert text == [FUNCTIONS["pade3"], FUNCTIONS["plan_up"], FUNCTIONS["plan"]]


def test_gates_are_those_of_the_weights_and_names_are_starred() -> None:
    own = program_of(LSTM).own
    assert own.gates == ("i", "f", "c", "o")
    assert [own.star(text) for text in ("W_xi @ x_t", "z_f", "o_t", "c_tilde", "c_t")] == [
        "W_x* @ x_t", "z_*", "*_t", "c_tilde", "c_t",
    ]  # fmt: skip
    assert program_of(GRU).own.gates == ("r", "u", "h")
