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
    row = rf'<th scope="row"[^>]*>{line}</th>.*?<td class="text">([^<]*)</td></tr>'
    return str(re.findall(row, trace._repr_html_())[0])


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
    """The first cells of the table."""
    return re.findall(r'<tr><th scope="row"[^>]*>(.*?)</th>', html)


def told_in(html: str) -> list[str]:
    """The sentences."""
    return re.findall(r"<li>(.*?)</li>", html)


def test_every_failed_value_is_named_or_counted() -> None:
    """Three failed, and the table had one row and not a word of the others."""
    trace = stacked(4, 2, 1, 2, ("forward",))
    trace.lines["0/forward"]["i_t"][1, 0, 0] += 1e-3
    trace.lines["0/forward"]["o_t"][2, :, :] += 1e-3
    found = lt.verify(trace)
    html = found._repr_html_()
    assert f"{found.failed} failed" in html
    first, second = found.failures
    assert told_in(html)[1:5] == [
        "failed: 0/forward/1/0/i_t[0]",
        "failing only because they read 0/forward/1/0/i_t[0]: 0/forward/1/i_t * c_tilde",
        "failed: 0/forward/2/0/o_t[0] and 3 more of this line and step",
        f"failing only because they read 0/forward/2/0/o_t[0]: {', '.join(second.consequences)}",
    ]
    assert first.consequences == ("0/forward/1/i_t * c_tilde",)
    assert second.consequences
    assert rows_of(html) == ["0/forward/1/0/i_t[0]", "0/forward/2/0/o_t[0]"]


def test_what_has_no_row_is_counted() -> None:
    trace = stacked(40, 2, 1, 2, ("forward",))
    trace.lines["0/forward"]["i_t"][:] += 1e-3
    found = lt.verify(trace)
    html = found._repr_html_()
    assert rows_of(html) == [str(failure.address) for failure in found.failures[:12]]
    left = found.failures[12:]
    assert f"<p>{len(left)} rows are left out. A .csv or .json file has every row.</p>" in html
    told = told_in(html)
    for failure in found.failures[:12]:
        assert f"failed: {failure.address} and {failure.values - 1} more of this line and step" in told
        (because,) = (one for one in told if one.startswith(f"failing only because they read {failure.address}: "))
        assert because.endswith(", ".join(failure.consequences))
    of_these = sum(len(failure.consequences) for failure in left)
    assert f"failed: {len(left)} more of these, and {of_these} lines that fail only because they read them" in told
    assert "more values fail; the earliest in computing order are listed" in told
