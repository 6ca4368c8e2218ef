"""Values of another program as a trace, in one call."""

from __future__ import annotations

from pathlib import Path

from lstm_trace.base.remark import Remark
from lstm_trace.model.given_values import given_values
from lstm_trace.trace.trace import Trace


def read_external(path: str | Path, like: Trace) -> tuple[Trace, list[Remark]]:
    return given_values(path, like).as_trace(like)
