"""A run in chunks: continued from the last states of another trace, and joined again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import LstmTraceError, MissingError, OptionError, ShapeError
from lstm_trace.trace.trace import Trace

from ..support.table_cases import stacked
from ..support.tiers import seeds
from ..support.walk_cases import CELLS, case

DRAW = np.random.default_rng(3)
WEIGHTS = {f"W_{s}{g}": DRAW.normal(size=(4, 4 if s == "h" else 3)) for s in "xh" for g in "ifco"}
X = DRAW.normal(size=(12, 3))
START: dict[str, Any] = {"h0": np.linspace(-0.5, 0.7, 4), "c0": np.linspace(0.9, -1.1, 4)}


def chunks(**arguments: Any) -> tuple[Trace, Trace]:
    first = lt.run(WEIGHTS, X[:5], **START, **arguments)
    return first, lt.run(WEIGHTS, X[5:], state_from=first, **arguments)


def lstm(x: np.ndarray, h: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The outputs of the cell over x, by hand."""
    found = []
    for row in x:
        z = {g: WEIGHTS[f"W_x{g}"] @ row + WEIGHTS[f"W_h{g}"] @ h for g in "ifco"}
        i, f, o = (1 / (1 + np.exp(-z[g])) for g in "ifo")
        c = f * c + i * np.tanh(z["c"])
        h = o * np.tanh(c)
        found.append(h)
    return np.array(found)


# -- continuing --------------------------------------------------------------------------------------------------------


def test_a_continued_run_starts_where_the_other_ended() -> None:
    expected = lstm(X, START["h0"], START["c0"])
    first, second = chunks()
    np.testing.assert_allclose(second["h_t"][:, 0], expected[5:], rtol=1e-12)
    assert second.first == 0
    np.testing.assert_array_equal(second.h_n, lt.run(WEIGHTS, X, **START).h_n)
    other = lt.run(WEIGHTS, X[5:], state_from=first, initial={"c_prev": np.zeros(4)})
    np.testing.assert_allclose(other["h_t"][:, 0], lstm(X[5:], expected[4], np.zeros(4)), rtol=1e-12)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", CELLS)
def test_every_cell_can_be_continued_and_joined(name: str) -> None:
    """Two layers and a batch of two; the chunks together are the whole run."""
    for seed in seeds(3):
        told, whole = case(name, seed, steps=7, both=False)
        cut, x, initial = 1 + seed % 5, told.pop("x"), told.pop("initial")
        first = lt.run(x=x[:cut], initial=initial, **told)
        joined = lt.concat([first, lt.run(x=x[cut:], state_from=first, **told)])
        assert lt.diff(joined, whole).verdict == "same"
        assert lt.verify(joined).verdict == "verified"


def test_padding_keeps_the_state_of_the_last_valid_step() -> None:
    whole = stacked(9, 3, 2, 3, ("forward",), lengths=[9, 3, 6])
    weights = {f"{scope}/{name}": a for scope, part in whole.parameters.items() for name, a in part.items()}
    first = lt.run(weights, whole.x[:4], lengths=[4, 3, 4])  # type: ignore[index]
    second = lt.run(weights, whole.x[4:], lengths=[5, 0, 2], state_from=first)  # type: ignore[index]
    joined = lt.concat([first, second])
    assert joined.lengths is not None
    assert joined.lengths.tolist() == [9, 3, 6]
    assert lt.diff(joined, whole).verdict == "same"
    assert lt.verify(joined).verdict == "verified"


def test_the_command_continues_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = chunks()
    first.save("a.safetensors")
    np.savez("model.npz", **WEIGHTS)
    np.save("x.npy", X[5:])
    given = ["model.npz", "--input", "x.npy", "--state-from", "a.safetensors"]
    found = CliRunner().invoke(main, ["run", *given, "-o", "b.safetensors"])
    assert found.exit_code == 0, found.output
    np.testing.assert_array_equal(lt.load("b.safetensors")["h_t"], second["h_t"])
    assert "not used" not in found.stderr
    own = {"weights": {name: w.tolist() for name, w in WEIGHTS.items()}, "x": X[5:].tolist(), "c0": [0.5] * 4}
    Path("own.yaml").write_text(json.dumps(own))
    found = CliRunner().invoke(main, ["run", "own.yaml", "--state-from", "a.safetensors", "-o", "c.safetensors"])
    said = "note: the run continues from the last states of a.safetensors; those of own.yaml are not used\n"
    assert (found.exit_code, found.stderr) == (0, said)
    np.testing.assert_array_equal(lt.load("c.safetensors")["h_t"], second["h_t"])
    report = CliRunner().invoke(main, ["report", *given, "--format", "text", "--steps", "0"]).output
    assert " ".join(f"{v:.4f}" for v in first.h_n.ravel()[:2]).split()[0] in report
    np.save("h0.npy", np.zeros((1, 1, 4)))
    refused = CliRunner().invoke(main, ["run", *given, "--h0", "h0.npy", "-o", "c.json"])
    assert refused.exit_code == 2
    assert "state_from sets h0 already" in refused.output
    trace = CliRunner().invoke(main, ["report", "a.safetensors", "--state-from", "a.safetensors"])
    assert trace.exit_code == 2
    assert "a.safetensors is a trace" in trace.output
    assert "leave --state-from out" in trace.output


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ({"state_from": lambda: stacked(4, 1, 1, 4)}, OptionError, "0/reverse ends at its first step, and cannot be"),
        ({"state_from": lambda: lt.run(WEIGHTS, X, record=["h_t"])}, MissingError, "0/forward/c_t was not recorded"),
        ({"state_from": lambda: stacked(4, 2, 1, 4, ("forward",))}, ShapeError, "^state_from: h0 has shape .1, 2, 4"),
        ({"state_from": lambda: stacked(4, 1, 1, 3, ("forward",))}, ShapeError, "^state_from: h0 has width 3.* = 4"),
        ({"state_from": lambda: stacked(4, 1, 2, 4, ("forward",))}, ShapeError, "^state_from: h0 has shape .2, 1, 4"),
        ({"state_from": lambda: case("gru", 0, both=False)[1]}, OptionError, "gru, which carries h; lstm carries c a"),
        ({"state_from": lambda: 3}, OptionError, "state_from: expected a trace, or the path of one, found 3"),
        ({"state_from": lambda: chunks()[0], "c0": np.zeros(4)}, OptionError, "state_from sets c0 already"),
    ],
)
def test_what_cannot_be_continued_is_refused(arguments: dict[str, Any], kind: Any, said: str) -> None:
    given = {**arguments, "state_from": arguments["state_from"]()}
    with pytest.raises(kind, match=said):
        lt.run(WEIGHTS, X, **given)


# -- joining -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "whole",
    [
        lambda: stacked(12, 1, 1, 3),
        lambda: stacked(12, 2, 2, 3, lengths=[12, 5]),
        lambda: stacked(12, 2, 2, 3, mask=np.arange(24).reshape(12, 2) % 3 > 0),
        lambda: stacked(12, 2, 1, 3, ("forward",), tokens=[list("abcdefghijkl"), list("mnopqrstuvwx")]),
    ],
)
def test_windows_of_a_trace_join_to_that_trace(whole: Any) -> None:
    trace = whole()
    joined = lt.concat([trace.at(steps=slice(a, b)) for a, b in ((0, 3), (3, 4), (4, 12))])
    for scope, lines in trace.lines.items():
        for name, values in lines.items():
            np.testing.assert_array_equal(joined.lines[scope][name], values)
    for scope, states in trace.initial.items():
        for name, values in states.items():
            np.testing.assert_array_equal(joined.initial[scope][name], values)
    np.testing.assert_array_equal(joined.valid, trace.valid)
    assert joined.header.step_labels == trace.header.step_labels
    assert lt.verify(joined).verdict == "verified"
    part = lt.concat([trace.at(steps=slice(a, b)) for a, b in ((2, 5), (5, 9))])
    assert (part.first, part.steps) == (2, 7)
    assert lt.verify(part).verdict == "verified"


def test_chunks_may_come_one_after_the_other() -> None:
    trace = stacked()
    assert lt.concat(trace.at(steps=slice(a, b)) for a, b in ((0, 1), (1, 4))).equals(lt.concat([trace]))


def test_labels_of_chunks_are_joined() -> None:
    first, second = chunks()
    joined = lt.concat([lt.with_tokens(first, list("abcde")), second])
    assert joined.header.step_labels == ((*"abcde", *[""] * 7),)


@pytest.mark.few(4)
@pytest.mark.parametrize("seed", range(20))
def test_the_first_place_at_which_chunks_do_not_join_is_named(seed: int) -> None:
    """One unit of one sequence of one layer differs, by one unit in the last place."""
    draw = np.random.default_rng(seed)
    trace = stacked(9, 2, 2, 3)
    parts = [trace.at(steps=slice(a, b)) for a, b in ((0, 3), (3, 6), (6, 9))]
    at, layer, direction = int(draw.integers(2)), int(draw.integers(2)), ("forward", "reverse")[int(draw.integers(2))]
    state, b, j = ("h_prev", "c_prev")[int(draw.integers(2))], int(draw.integers(2)), int(draw.integers(3))
    scope, later = f"{layer}/{direction}", at + 1 if direction == "forward" else at
    values = parts[later].initial[scope][state].copy()
    values[b, j] = np.nextafter(values[b, j], 9)
    changed = {**parts[later].initial, scope: {**parts[later].initial[scope], state: values}}
    parts[later] = replace(parts[later], initial=changed)
    with pytest.raises(OptionError) as error:
        lt.concat(parts)
    t = 3 * at + 2 if direction == "forward" else 3 * at + 3
    assert len(error.value.problems) == 1
    said = error.value.problems[0]
    assert said.startswith(
        f"chunks {at + 1} and {at + 2} do not join: {state}[{j}] of {scope}, sequence {b}, starts at"
    )
    assert f"{values[b, j]!s}, and {scope}/{t}/{b}/{state[0]}_t[{j}] is" in said


def chunks_of_widths(*widths: int) -> list[Any]:
    cell = {"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"}
    return [lt.run({}, np.ones((2, width)), cell=cell) for width in widths]


def test_chunks_that_are_unlike_are_refused() -> None:
    first, second = chunks()
    other = {**WEIGHTS, "W_hf": WEIGHTS["W_hf"] + np.eye(4)[2][:, None] * np.eye(4)[1]}
    cases: list[tuple[list[Any], str]] = [
        ([], "at least one"),
        ([first, 3], "concat joins the traces of a list"),
        (
            [first, lt.run(other, X[5:], state_from=first)],
            r"W_hf\[2,1\] is \S+ in chunk 1 and \S+ in chunk 2",
        ),
        ([first, lt.run(WEIGHTS, X[5:], state_from=first, record=["h_t", "c_t"])], "only one of chunks 1 and 2 has 0/"),
        ([first, lt.run(WEIGHTS, X[5:], state_from=first, dtype="float32")], "dtype is float64 in chunk 1 and float32"),
        (
            [first, lt.run({k: v[:, :2] if "_x" in k else v for k, v in WEIGHTS.items()}, X[5:, :2])],
            r"W_xi has the shape .* in chunk 1 and \(4, 2\)",
        ),
        (chunks_of_widths(2, 3), r"h_t has the shape \(2,\) in chunk 1 and \(3,\) in chunk 2"),
        ([first, lt.run(WEIGHTS, np.stack([X, X], 1))], "batched is False in chunk 1 and True in chunk 2"),
        ([first, lt.run(WEIGHTS, X[5:], lengths=[4])], "with lengths in both or in neither"),
        ([lt.backward(first, of="3/h_t[0]"), second], "join the chunks, then call lt.backward"),
        ([second, first], "do not join"),
        (
            [stacked(9).at(steps=slice(0, 3)), stacked(9).at(steps=slice(4, 9))],
            "chunk 2 begins at step 4, and",
        ),
    ]
    for parts, said in cases:
        with pytest.raises(LstmTraceError, match=said):
            lt.concat(parts)
    nan = replace(first, parameters={"0/forward": {k: np.full_like(v, np.nan) for k, v in WEIGHTS.items()}})
    assert lt.concat([nan]).steps == 5


def test_a_joined_trace_owns_its_values() -> None:
    first, second = chunks()
    joined = lt.concat([first, second])
    first.lines["0/forward"]["h_t"][:] = 0
    np.testing.assert_allclose(joined["h_t"][:, 0], lstm(X, START["h0"], START["c0"]), rtol=1e-12)
    gradient = lt.backward(joined, of="11/h_t[0]")
    whole = lt.backward(lt.run(WEIGHTS, X, **START), of="11/h_t[0]")
    np.testing.assert_allclose(gradient.gradients["0/forward/W_xi"], whole.gradients["0/forward/W_xi"], rtol=1e-10)
