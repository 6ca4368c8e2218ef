"""Safe names of columns: no two alike, whatever the lines are called, and the same in every part of a trace."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

import lstm_trace as lt
from lstm_trace.errors import OptionError
from lstm_trace.frames.table import columns
from lstm_trace.trace.labels import resolved, safe_names

from ..support.table_cases import QUESTION_19, stacked

#: What SQL, R, Stata, tables of Excel and Python take without quotes.
SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
TEXTS = st.lists(
    st.one_of(st.text(max_size=40), st.text(alphabet="aA_1- @+*/()., σé", max_size=40), st.just("x" * 60)),
    max_size=12,
    unique=True,
)


@given(lines=TEXTS, units=st.lists(st.integers(0, 99_999), min_size=1, max_size=5, unique=True))
@example(lines=["a_1", "a", "A", "a-1", "a*1", "a 1", "a_1_2", "a_2", "", "σ"], units=[0, 1, 11])
@example(lines=[f"{'y' * 26}_{k}" for k in range(12)], units=[0, 99_999])
def test_no_two_columns_are_alike(lines: list[str], units: list[int]) -> None:
    safe = resolved(lines)
    names = [name for line in lines for name in columns(line, units, safe)]
    assert len({name.casefold() for name in names}) == len(lines) * len(units)
    assert all(SAFE.fullmatch(name) for name in names)
    places = {"title", "layer", "direction", "t", "token", "batch", "valid"}
    assert not places & set(names)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("c_t", "c_t"),
        ("W_xi @ x_t", "W_xi_x_t"),
        ("f_t * c_prev", "f_t_c_prev"),
        ("-x_t", "minus_x_t"),
        ("1 - f_t", "n1_minus_f_t"),
        ("clip(x_t, -0.5, 0.5)", "clip_x_t_minus_0_5_0_5"),
        ("where(valid, h_t, h_prev)", "where_valid_h_t_h_prev"),
        ("_odd", "odd"),
        ("σ", "line"),
    ],
)
def test_they_can_be_read(line: str, name: str) -> None:
    assert resolved([line]) == {line: name}


def test_what_has_a_name_keeps_it() -> None:
    """A product that would be called as a line is counted, and never the line."""
    cell = {"equations": "a_b = tanh(x_t)\nq = a_b * x_t + a * b\na = x_t\nb = x_t\nh_t = q + a_b_2\noutput: h_t"}
    cell["equations"] = "a = x_t + 0\nb = x_t + 1\na_b = tanh(x_t)\nh_t = a * b + a_b\noutput: h_t"
    safe = safe_names(lt.run({}, [[1.0], [2.0]], cell=cell))
    assert (safe["a_b"], safe["a * b"]) == ("a_b", "a_b_2")


def test_a_part_of_a_trace_has_the_same_names() -> None:
    trace = stacked(lengths=[4, 2])
    whole = trace.to_frame("wide", names="safe", all_lines=True, flat=True)
    assert whole.c_t_0.notna().any()
    assert whole.W_xi_x_t_2.notna().any()
    for chosen in ({"layer": 1}, {"steps": slice(1, 2)}, {"unit": 1}, {"only": ["h_t", "W_xi @ x_t"]}):
        part = trace.to_frame("wide", names="safe", flat=True, **chosen)
        assert set(part.columns) < set(whole.columns)
    plain = trace.to_frame("wide", all_lines=True, flat=True)
    for safe, name in zip(whole.columns, plain.columns, strict=True):
        assert list(whole[safe].dropna()) == list(plain[name].dropna())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"names": "short"}, "there are no names 'short'"),
        ({"shape": "long", "names": "safe"}, "--names safe is for the shape wide; the columns of long are safe"),
        ({"shape": "worked", "all_lines": True}, "--all-lines is for the shape wide; worked has every line"),
        ({"title": "  "}, "the title is empty"),
        ({"title": 3}, "title: expected true or false, or a text, found 3"),
    ],
)
def test_what_has_no_meaning_is_refused(options: dict[str, Any], said: str) -> None:
    shape = options.pop("shape", "wide")
    with pytest.raises(OptionError, match=re.escape(said)):
        lt.run(QUESTION_19).to_frame(shape, **options)
