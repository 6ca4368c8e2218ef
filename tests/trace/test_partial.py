"""Traces that lack something (lines supplied, not recorded, not asked for): every view of them, and their files."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.files.trace_file import load, to_json

from ..engine.test_out import RNG, weights
from ..support.tiers import some
from .files.test_trace_json import same

X = RNG.normal(size=(3, 1, 4))
MODELS = {
    "one": lt.prepare(weights()),
    "both": lt.prepare(weights(both=True), options={"merge": "sum"}),
    "two": lt.prepare(weights(2)),
    "slstm": lt.prepare(weights(), cell="slstm"),
}


def partial(kind: str, model: lt.Model, address: str, width: int) -> lt.Trace:
    """A trace in which the line at `address` (`0/forward/i_t`) is supplied, or the only one that is stored or asked."""
    if kind == "given":
        return model.run(X, given={address: RNG.normal(size=(3, 1, width))})
    return model.run(X, **{kind: [address]})  # type: ignore[arg-type]


@pytest.mark.few(0)
@pytest.mark.parametrize("kind", some(["given", "record", "ask"], 2))
@pytest.mark.parametrize("name", some(MODELS, 2))
def test_each_line(name: str, kind: str) -> None:
    model = MODELS[name]
    for stage, line, values in some(model.run(X).recorded(), 6):
        address = f"{stage.scope}/{line.name}"
        if stage.scope in ("0/reverse", "1/forward"):
            continue
        try:
            trace = partial(kind, model, address, values.shape[-1])
        except LstmTraceError:
            assert kind == "given"  # nothing needs it, so there is nothing to supply
            continue
        back = load("trace.json", to_json(trace).encode())
        same(trace, back)
        found = lt.verify(back)
        assert not found.failed, address
        assert kind != "given" or found.verdict == "verified", address
        back.report("text", detail="vector")
        assert back.report("text", detail="summary")
        assert len(back.to_frame("worked")) == sum(array.size for _, _, array in back.recorded())
        last = trace.stages[-1]
        for how in ("memory", "gradient", "gates"):
            of = None if how == "gates" else f"{last.scope}/2/0/{last.cell.output}[0]"
            with suppress(LstmTraceError):  # what cannot be explained is reported
                lt.explain(back, of, how).to_frame()


def test_a_line_that_was_supplied_keeps_no_ledger() -> None:
    trace = MODELS["one"].run(X, given={"c_t": RNG.normal(size=(3, 1, 3))})
    with pytest.raises(LstmTraceError, match="c_t is supplied here, not computed"):
        lt.explain(trace, "2/0/c_t[1]", "memory").to_frame()


def test_the_last_line_of_a_stage_supplied(tmp_path: Path) -> None:
    """Nothing of the stage is left to compute."""
    values = RNG.normal(size=(3, 1, 3))
    trace = MODELS["both"].run(X, given={"0/joined/y_t": values})
    trace.save(tmp_path / "t.safetensors")
    np.testing.assert_array_equal(lt.load(tmp_path / "t.safetensors").output, values)


def test_a_state_without_the_line_that_it_carries_cannot_be_told() -> None:
    """Its initial value is there, and is not enough."""
    for plan in ("lines", "auto"):
        found = lt.verify(MODELS["one"].run(X, record=["W_hi @ h_prev"], plan=plan))  # type: ignore[arg-type]
        assert [(u.place, u.reason) for u in found.unknown if u.values] == [
            ("0/forward/W_hi @ h_prev", "h_prev was not recorded")
        ]


def test_supplied_lines_of_what_is_not_asked_for_are_left_out(tmp_path: Path) -> None:
    given = {"0/forward/i_t": RNG.random((3, 1, 3))}
    trace = MODELS["both"].run(X, given=given, ask=["0/reverse/h_t"], out=tmp_path / "t.safetensors")
    assert trace.given == {}
    assert lt.verify(trace).verdict == "verified"


@pytest.mark.parametrize("record", [["y_t"], ["0/forward/h_t", "y_t"]])
def test_what_is_read_by_a_recorded_line_need_not_be(record: Any, tmp_path: Path) -> None:
    trace = MODELS["both"].run(X, record=record, out=tmp_path / "t.safetensors")
    np.testing.assert_array_equal(trace.output, MODELS["both"].run(X).output)
    assert lt.verify(trace).verdict == "inconclusive"
