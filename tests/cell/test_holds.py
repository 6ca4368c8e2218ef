"""Cells some of whose lines can be held: the lines, their names, and their text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from lstm_trace.cell.lines import expression, names_of, with_holds
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import extended, masked, named
from lstm_trace.errors import CellError

from ..support.texts import texts


@pytest.mark.few(0)
@given(texts(depth=2), st.data())
@settings(max_examples=60, deadline=None)
def test_any_line_of_any_cell_can_be_held_and_the_text_reads_back(text: str, data: st.DataObject) -> None:
    cell = parse(text)
    lines = st.lists(st.sampled_from([line.name for line in cell.lines]), max_size=3, unique=True)
    held, scaled = data.draw(lines), data.draw(lines)
    found = with_holds(cell, held, scaled)
    assert parse(found.text) == found
    assert with_holds(found, ()) == cell
    assert {*cell.by_name} <= {*found.by_name}, "no line loses its name"
    for line in found.lines:
        own = line.name == expression(line) or line.name in (*held, *scaled)
        assert line.assigned or own or cell.by_name[line.name].call, "a call that is written out keeps its name"
    seen = {*found.inputs, *found.states, *found.parameters}
    for line in found.lines:
        assert {*line.reads} <= seen
        seen.add(line.name)
    assert found.parameters.keys() == cell.parameters.keys()


def test_what_reads_a_held_line_reads_the_choice() -> None:
    cell = with_holds(masked(named("lstm", {})[0], "zero"), ["c_t"], ["f_t"])
    assert cell.by_name["c_t"].operands == ("hold_c_t", "to_c_t", "free_c_t")
    assert cell.by_name["f_t"].operands == ("scale_f_t", "by_f_t * free_f_t", "free_f_t")
    assert cell.by_name["tanh(c_t)"].reads == ("c_t",)
    assert cell.by_name[cell.states["c_prev"]].operands == ("valid", "c_t", "c_prev")
    assert cell.inputs == ("x_t", "valid", "scale_f_t", "by_f_t", "hold_c_t", "to_c_t")
    assert cell.text.endswith("hold: c_t\nscale: f_t\n")


def test_held_and_scaled_at_once_the_hold_comes_last() -> None:
    cell = with_holds(named("lstm", {})[0], ["c_t"], ["c_t"])
    whole = "where(scale_c_t, by_c_t * free_c_t, free_c_t)"
    assert cell.by_name["c_t"].operands == ("hold_c_t", "to_c_t", whole)


def test_names_that_are_taken_are_not_used_again() -> None:
    cell = parse("free_s_t = 2 * x_t\ns_t = free_s_t + hold_s_t\noutput: s_t")
    assert names_of(with_holds(cell, ["s_t"]))["s_t"].free == "free_s_t_2"
    two = with_holds(parse("a_b = x_t * x_t\nq = tanh(a_b) + 2 * tanh_a_b\noutput: q"), ["tanh(a_b)", "q"])
    assert len({name for names in names_of(two).values() for name in names}) == 10


def test_a_call_with_a_held_line_in_it_is_written_out() -> None:
    cell = named("lstm", {"output_activation": "silu"})[0]
    assert cell.by_name["silu(c_t)"].call
    assert not with_holds(cell, ["sigmoid(c_t)"]).by_name["silu(c_t)"].call
    assert with_holds(cell, ["c_t"]).by_name["silu(c_t)"].call


@pytest.mark.parametrize("row", ["hold: q_t", "scale: x_t", "hold: s_t, nothing"])
def test_what_is_no_line_cannot_be_held(row: str) -> None:
    with pytest.raises(CellError, match=r"is not a line.*s_t"):
        parse(f"s_t = 2 * x_t\noutput: s_t\n{row}")


def test_added_equations_hold_nothing() -> None:
    with pytest.raises(CellError, match="holds are given separately"):
        extended(named("lstm", {})[0], "q_t = 2 * h_t\nhold: q_t")
