"""Engines for the tests of `conformance`, as `--python` calls them: the reference, with bugs of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lstm_trace.mistakes.conformance.cases import NodeCase, catalogue
from lstm_trace.mistakes.conformance.engines import CaseVerdict

from .onnx_reference import outputs


def by_function(function: Any, folder: Path) -> Any:
    """An engine that runs here, in this process."""

    def run(case: NodeCase) -> CaseVerdict:
        with np.load(folder / f"test_{case.name}" / "inputs.npz") as inputs:
            return CaseVerdict(case, "ok", function(str(folder / f"test_{case.name}" / "model.onnx"), dict(inputs)))

    return run


def _run(model: str, inputs: dict[str, Any], *bugs: str) -> dict[str, Any]:
    case = catalogue()[Path(model).parent.name.removeprefix("test_")]
    stored = {name: array for name, array in case.inputs.items() if name in ("W", "R", "B", "P")}
    if case.attributes.get("layout"):
        inputs = {name: array.swapaxes(0, 1) if array.ndim == 3 else array for name, array in inputs.items()}
    found = outputs(case.cell, case.attributes, stored | inputs, bugs)
    return {name: found[name].astype("float32") for name in case.outputs}


def right(model: str, inputs: dict[str, Any]) -> Any:
    """The reference, outputs in order."""
    return [*_run(model, inputs).values()]


def no_peepholes(model: str, inputs: dict[str, Any]) -> Any:
    """Ignores P, and runs a reverse direction forward."""
    return _run(model, inputs, "P", "direction")


def old_cell(model: str, inputs: dict[str, Any]) -> Any:
    """The output gate's peephole sees the old cell state; lengths and clip are ignored."""
    return _run(model, inputs, "old cell", "sequence_lens", "clip")


def exchanged(model: str, inputs: dict[str, Any]) -> Any:
    """f and i are exchanged."""
    return _run(model, inputs, "f and i exchanged")


def exchanged_in_reverse(model: str, inputs: dict[str, Any]) -> Any:
    """f and i are exchanged in the reverse direction."""
    return _run(model, inputs, "f and i exchanged in reverse")


def exchanged_without_clip(model: str, inputs: dict[str, Any]) -> Any:
    """f and i are exchanged, everywhere; clip and P are ignored."""
    return _run(model, inputs, "f and i exchanged", "clip", "P")


def first(model: str, inputs: dict[str, Any]) -> Any:
    """The first output alone, not in a list."""
    return right(model, inputs)[0]
