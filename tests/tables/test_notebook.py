"""What a notebook shows of a trace: its last valid step, never padding."""

from __future__ import annotations

import re

import numpy as np
import pytest

from lstm_trace.formulas.numbers import show
from lstm_trace.trace.trace import Trace

from ..support.table_cases import stacked


def shown(trace: Trace, line: str) -> str:
    found: str = re.findall(rf"<td>{line}</td>.*?<td>([^<]*)</td></tr>", trace._repr_html_())[0]
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
