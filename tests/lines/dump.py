"""Traces as JSON with their cells parsed: what Python computes, for the modules of the page to compute again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from lstm_trace.cell.lines import Cell
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.trace import Trace


def cell(own: Cell) -> dict[str, Any]:
    """A cell in the form of lstm_trace/lines/types.js."""
    return {
        "lines": [{key: getattr(line, key) for key in line._fields} for line in own.lines],
        "carry": own.carry,
        "output": own.output,
        "inputs": own.inputs,
        "functions": [function._asdict() for function in own.functions],
        "sums": [one._asdict() for one in own.sums],
        "gradient": own.gradient,
        "declared": own.declared,
        "parameters": [*own.parameters],
        "plain": None if own.plain is None else cell(own.plain),
        "held": own.held,
        "scaled": own.scaled,
        "text": own.text,
    }


def trace(own: Trace, **more: Any) -> dict[str, Any]:
    """The text of a trace file, its cells, and what the package derives from it."""
    from lstm_trace.trace.derived import sizes

    return {
        "file": to_json(own),
        "cells": [cell(stage.cell) for stage in own.stages],
        "widths": sizes(own),
        "grids": own.grids,
        **more,
    }


def text(value: Any) -> str:
    """JSON; sizes of arrays may be numpy's."""
    return json.dumps(value, default=lambda one: one.tolist() if isinstance(one, np.ndarray) else int(one))
