"""What a notebook shows of a trace: its last valid step, never padding."""

from __future__ import annotations

import re

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.formulas.numbers import show
from lstm_trace.trace.trace import Trace

from ..support.table_cases import stacked


def shown(trace: Trace, line: str) -> str:
    found: str = re.findall(rf'<th scope="row">{line}</th>.*?<td class="text">([^<]*)</td></tr>', trace._repr_html_())[
        0
    ]
    return found


@pytest.mark.parametrize(("direction", "last"), [("forward", 1), ("reverse", 0)])
def test_padding_is_not_the_last_step(direction: str, last: int) -> None:
    trace = stacked(4, 2, 1, 2, (direction,), lengths=[2, 4])
    wanted = ", ".join(str(show(value, 4)) for value in trace["h_t"][last, 0])
    assert shown(trace, "h_t").replace("−", "-") == wanted
    masked = stacked(4, 2, 1, 2, (direction,), mask=np.array([[0, 1], [1, 1], [0, 1], [0, 1]]))
    wanted = ", ".join(str(show(value, 4)) for value in masked["h_t"][1, 0])
    assert shown(masked, "h_t").replace("−", "-") == wanted


def test_a_row_of_padding_alone_shows_no_values() -> None:
    assert shown(stacked(4, 2, 1, 2, ("forward",), lengths=[0, 4]), "h_t") == ""


def rows_of(html: str) -> list[str]:
    return re.findall(r"<tr><td>(.*?)</td>", html)


def test_every_failed_value_is_in_the_table_or_counted() -> None:
    """Three failed, and the table had one row and not a word of the others."""
    trace = stacked(4, 2, 1, 2, ("forward",))
    trace.lines["0/forward"]["i_t"][1, 0, 0] += 1e-3
    trace.lines["0/forward"]["o_t"][2, :, :] += 1e-3
    found = lt.verify(trace)
    html = found._repr_html_()
    assert f"{found.failed} failed" in html
    told = rows_of(html)
    assert told[:2] == ["0/forward/1/0/i_t[0]", "0/forward/1/i_t * c_tilde"]
    assert told[2] == "0/forward/2/0/o_t[0] and 3 more of this line and step"
    assert set(told[3:]) == set(found.failures[1].consequences)
    assert html.count("fails only because it reads this value") == len(told) - 2


def test_what_has_no_row_is_counted() -> None:
    trace = stacked(40, 2, 1, 2, ("forward",))
    trace.lines["0/forward"]["i_t"][:] += 1e-3
    found = lt.verify(trace)
    html = found._repr_html_()
    assert len(rows_of(html)) == 12
    every = len(found.failures) + sum(len(f.consequences) for f in found.failures)
    assert f"<p>{every - 12} more rows; more values fail; the earliest in computing order are shown</p>" in html
