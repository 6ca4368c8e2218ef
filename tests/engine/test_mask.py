"""Masks: padding in front, gaps, rows without a valid step; against scalar loops, in files, reports and comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.engine.run import rerun
from lstm_trace.errors import FileError, LstmTraceError, OptionError, ShapeError
from lstm_trace.explanation.contribution import integrated_gradients

from ..support import oracle
from ..support.tiers import some

T, B, WIDTH, H = 6, 4, 3, 2
#: A row with padding in front, one with gaps, one without a valid step, one that is whole.
MASK = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 0, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 0, 1]], bool)
BEHIND = np.arange(T)[:, None] < np.array([2, 6, 0, 5])


def weights(layers: int, both: bool) -> dict[str, Any]:
    rng = np.random.default_rng(12)
    found = {}
    for layer in range(layers):
        for direction in ("forward", "reverse") if both else ("forward",):
            width = WIDTH if layer == 0 else H * (2 if both else 1)
            for gate in "ifco":
                found[f"{layer}/{direction}/W_x{gate}"] = rng.normal(size=(H, width)) * 0.8
                found[f"{layer}/{direction}/W_h{gate}"] = rng.normal(size=(H, H)) * 0.8
                found[f"{layer}/{direction}/b_{gate}"] = rng.normal(size=H) * 0.3
    return found


RNG = np.random.default_rng(2)
X = RNG.normal(size=(T, B, WIDTH))


def expected(model: dict[str, Any], mask: Any, h0: Any, c0: Any, rule: str) -> tuple[Any, Any, Any]:
    """(y, h_n, c_n) by scalar loops: the rule and the held states are written here once more."""
    scopes = sorted({key.rsplit("/", 1)[0] for key in model}, key=lambda s: (int(s.split("/")[0]), s))
    below = X.tolist()
    last_h, last_c = [], []
    for layer in range(1 + int(scopes[-1].split("/")[0])):
        halves = []
        for scope in (s for s in scopes if s.startswith(f"{layer}/")):
            w = {key.rsplit("/", 1)[1]: v.tolist() for key, v in model.items() if key.startswith(f"{scope}/")}
            k = scopes.index(scope)
            out = [[[0.0] * H for _ in range(B)] for _ in range(T)]
            ends_h, ends_c = [], []
            for b in range(B):
                h, c, y = h0[k][b].tolist(), c0[k][b].tolist(), [0.0] * H
                for t in reversed(range(T)) if scope.endswith("reverse") else range(T):
                    lines = oracle.step(w, oracle.numbers(below[t][b]), oracle.numbers(h), oracle.numbers(c))
                    if mask[t][b]:
                        h, c = ([float(v.value) for v in lines[name]] for name in ("h_t", "c_t"))
                        y = h
                    out[t][b] = y if mask[t][b] else {"zero": [0.0] * H, "repeat": y, "carry": h}[rule]
                ends_h.append(h)
                ends_c.append(c)
            halves.append(out)
            last_h.append(ends_h)
            last_c.append(ends_c)
        below = [[oracle.end_to_end(half[t][b] for half in halves) for b in range(B)] for t in range(T)]
    return np.array(below), np.array(last_h), np.array(last_c)


@pytest.mark.few(1)
@pytest.mark.parametrize("rule", ["zero", "repeat", "carry"])
@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("plan", some(["lines", "planned", "compiled"], 2))
def test_a_mask_against_scalar_loops(rule: str, both: bool, plan: str) -> None:
    if plan == "compiled":
        pytest.importorskip("llvmlite")
    model = weights(2, both)
    h0, c0 = RNG.normal(size=(2, len(model) // 12, B, H))
    prepared = lt.prepare(model, options={"padding": rule})
    for mask in (MASK, BEHIND):
        trace = prepared.run(X, h0, c0, mask=mask, plan=plan)
        y, h_n, c_n = expected(model, mask, h0, c0, rule)
        np.testing.assert_allclose(trace.output, y, atol=1e-14)
        np.testing.assert_allclose(trace.h_n, h_n, atol=1e-14)
        np.testing.assert_allclose(trace.c_n, c_n, atol=1e-14)
        np.testing.assert_array_equal(trace.valid[:, :, 0], mask)
        assert lt.verify(trace).failed == 0
        assert lt.verify(trace).premises.count(trace.padded) == 1


def test_lengths_are_one_way_to_say_a_mask() -> None:
    model = lt.prepare(weights(1, True))
    one, two = model.run(X, mask=BEHIND), model.run(X, lengths=[2, 6, 0, 5])
    assert one.lengths.tolist() == [2, 6, 0, 5]
    assert one.mask is None
    assert lt.diff(one, two).same
    assert model.run(X, mask=MASK).lengths is None


def test_forms_of_a_mask() -> None:
    model = lt.prepare(weights(1, False))
    right = model.run(X, mask=MASK)
    for form in (MASK.tolist(), MASK.astype(int).tolist(), MASK.astype(np.float32)):
        np.testing.assert_array_equal(model.run(X, mask=form).output, right.output)
    turned = model.run(X.swapaxes(0, 1), mask=MASK.T, batch_first=True)
    np.testing.assert_array_equal(turned.output.swapaxes(0, 1), right.output)
    alone = model.run(X[:, 0], mask=MASK[:, 0])
    assert alone.mask.shape == (T, 1)
    np.testing.assert_allclose(alone.output, right.output[:, 0], atol=1e-15)


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (
            {"mask": MASK, "lengths": [1, 2, 3, 4]},
            OptionError,
            "lengths and mask both define the padding: give one of them",
        ),
        ({"mask": MASK.T}, ShapeError, r"mask has shape (4, 6); expected (T, B) = (6, 4), as x; it looks transposed"),
        ({"mask": MASK[:, 0]}, ShapeError, "mask has shape (6,); expected (T, B) = (6, 4), as x"),
        ({"mask": MASK + 1}, ShapeError, "mask: expected 1 (or true) or 0 (or false) at [0,1], found 2"),
        ({"mask": [[1, 0], [1]]}, ShapeError, "mask: the list is ragged: row 1 has 1 number where row 0 has 2"),
        ({"mask": [["a"]]}, ShapeError, "mask: expected a number at [0,0], found the text 'a'"),
    ],
)
def test_masks_that_are_refused(arguments: dict[str, Any], kind: type[LstmTraceError], said: str) -> None:
    with pytest.raises(kind) as told:
        lt.prepare(weights(1, False)).run(X, **arguments)
    assert told.value.problems == (said,)


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["json", "safetensors"])
def test_a_trace_keeps_its_mask(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    trace = lt.prepare(weights(2, True), options={"padding": "repeat"}).run(X, mask=MASK)
    trace.save(path)
    read = lt.load(path)
    np.testing.assert_array_equal(read.mask, MASK)
    assert lt.diff(trace, read).same
    assert lt.verify(read).failed == 0
    assert read.header.padding == "repeat"


def test_a_streamed_trace_and_a_window_of_one(tmp_path: Path) -> None:
    model = lt.prepare(weights(1, True), options={"padding": "carry"})
    whole = model.run(X, mask=MASK, plan="planned")
    streamed = model.run(X, mask=MASK, plan="planned", out=tmp_path / "t.safetensors")
    np.testing.assert_array_equal(streamed.mask, MASK)
    np.testing.assert_array_equal(streamed.output, whole.output)
    window = model.run(X, mask=MASK, plan="planned", record={"steps": slice(2, 5)})
    for part in (window, whole.at(steps=slice(2, 5))):
        np.testing.assert_array_equal(part.mask, MASK[2:5])
        np.testing.assert_array_equal(part.output, whole.output[2:5])
        assert lt.verify(part).failed == 0
    # writing into a trace of another kind of padding is no mixture of both
    again = model.run(X, lengths=[2, 6, 0, 5], plan="planned", out=model.run(X, mask=MASK, plan="planned"))
    assert again.mask is None
    np.testing.assert_array_equal(again.output, model.run(X, mask=BEHIND, plan="planned").output)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ([[1] * B] * (T - 1), "inputs.mask has shape (5, 4); expected (T, B) = (6, 4)"),
        ([[2] * B] * T, "inputs.mask: expected 1 (or true) or 0 (or false) at [0,0], found 2"),
    ],
)
def test_a_file_with_a_wrong_mask(mask: Any, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    lt.prepare(weights(1, False)).run(X, mask=MASK).save(path)
    data = json.loads(path.read_text())
    data["inputs"]["mask"] = mask
    path.write_text(json.dumps(data))
    with pytest.raises(FileError) as told:
        lt.load(path)
    assert told.value.problems == (f"{path}: {said}",)


def test_a_changed_mask_is_found_by_verify_and_by_diff(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    trace = lt.prepare(weights(1, False)).run(X, mask=MASK)
    trace.save(path)
    data = json.loads(path.read_text())
    data["inputs"]["mask"][3][1] = 1  # a gap less
    path.write_text(json.dumps(data))
    changed = lt.load(path)
    found = lt.verify(changed)
    assert found.failed
    assert (found.failures[0].address.t, found.failures[0].address.b) == (3, 1)
    told = lt.diff(trace, changed)
    assert told.premises == ("mask: 1 of 24 differ, by at most 1; first [3,1,0]",)


PROBLEM: dict[str, Any] = {
    "cell": {"kind": "lstm", "padding": "repeat"},
    "weights": {key.rsplit("/", 1)[1]: value.tolist() for key, value in weights(1, False).items()},
    "x": X.tolist(),
    "mask": MASK.tolist(),
}


def test_a_problem_with_a_mask() -> None:
    trace = lt.run(PROBLEM)
    np.testing.assert_array_equal(trace.mask, MASK)
    assert lt.run({**PROBLEM, "mask": MASK.astype(int).tolist()}).output.tolist() == trace.output.tolist()
    assert lt.prepare(PROBLEM).run(lengths=[2, 6, 0, 5]).mask is None  # an argument takes the place of the file's
    with pytest.raises(OptionError, match="lengths and mask both define the padding"):
        lt.run({**PROBLEM, "lengths": [1, 1, 1, 1]})
    with pytest.raises(FileError) as told:
        lt.run({**PROBLEM, "mask": [["yes"]], "h0": [[0.0]]})
    assert [text.partition(": ")[2] for text in told.value.problems] == [
        "mask: expected a number at [0,0], found the text 'yes'"
    ]
    with pytest.raises(ShapeError) as misfit:
        lt.run({**PROBLEM, "h0": [[0.0]]})
    assert [text.partition(": ")[2] for text in misfit.value.problems] == [
        "h0 has shape (1, 1); expected (L·D, B, width) with L·D = 1, B = 4: (4, width) or (1, 4, width)"
    ]


def test_at_the_command_line(tmp_path: Path) -> None:
    flat = {key.rsplit("/", 1)[1]: value for key, value in weights(1, False).items()}
    np.savez(tmp_path / "m.npz", **flat)
    np.save(tmp_path / "x.npy", X.swapaxes(0, 1))
    (tmp_path / "mask.json").write_text(json.dumps(MASK.T.astype(int).tolist()))
    model, x, mask, out = (str(tmp_path / name) for name in ("m.npz", "x.npy", "mask.json", "t.json"))
    done = CliRunner().invoke(main, ["run", model, "--input", x, "--batch-first", "--mask", mask, "-o", out])
    assert done.exit_code == 0, done.stderr
    np.testing.assert_array_equal(lt.load(out).mask, MASK)


@pytest.mark.few(0)
def test_what_a_report_shows_of_padding() -> None:
    trace = lt.run(PROBLEM)
    text = " ".join(trace.report("text", detail="vector").split())
    assert "Valid steps: sequence 0: 2–5; sequence 1: 0, 2, 5; sequence 2: none; sequence 3: 0–5." in text
    assert "Padding step of sequence 1: its states are kept." in text
    padding, valid = (" ".join(trace.report("text", batch=0, steps=t).split()) for t in (1, 2))
    assert "Padding step of sequence 0: its states are kept." in padding
    assert "Padding step" not in valid
    assert len(padding) < len(valid)  # no gate is worked out there


def test_rows_with_inputs_have_the_mask() -> None:
    frame = lt.run(PROBLEM).to_frame(with_inputs=True)
    rows = frame[frame["line"] == "mask"]
    assert rows.pivot(index="t", columns="batch", values="value").to_numpy().tolist() == MASK.astype(float).tolist()


def test_gradients_leave_padding_out() -> None:
    trace = lt.prepare(weights(1, True), options={"padding": "carry"}).run(X, mask=MASK)
    slopes = lt.gradients(trace, output=np.ones(trace.output.shape))["x"]
    assert not slopes[~MASK].any()
    assert (np.abs(slopes[MASK]).sum(axis=-1) > 0).all()


@pytest.mark.few(0)
def test_the_split_of_a_difference_between_masks() -> None:
    model = lt.prepare(weights(1, False), options={"padding": "carry"})
    one, two = model.run(X, mask=MASK), model.run(X, mask=BEHIND)
    frame = lt.attribute(one, two, of="5/1/h_t[0]").to_frame()
    assert set(frame["kind"]) == {"parameter", "input", "state", "mask"}
    assert frame["contribution"].sum() == pytest.approx(frame.attrs["difference"], abs=1e-14)
    assert abs(frame.attrs["difference"]) > 1e-3
    with pytest.raises(OptionError, match="need equal lengths, or equal masks"):
        integrated_gradients(one, "5/1/h_t[0]", baseline=two)


def test_another_batch_needs_another_mask() -> None:
    trace = lt.prepare(weights(1, False)).run(X, mask=MASK)
    with pytest.raises(ShapeError, match=r"mask has shape \(6, 4\); expected \(T, B\) = \(6, 2\)"):
        rerun(trace, x=X[:, :2], initial={s: {n: v[:2] for n, v in here.items()} for s, here in trace.initial.items()})


@pytest.mark.few(0)
@pytest.mark.parametrize("format", some(["md", "text", "html"], 2))
def test_answers_leave_padding_out_and_say_so(format: str) -> None:
    """A line at padding is computed, counts for nothing, and is no answer; `everything` shows it."""
    trace = lt.run({**PROBLEM, "ask": ["h_t"]})
    said = {"md": "## Answers", "text": "\nAnswers\n", "html": ">Answers</h2>"}[format]
    words = "Padding is left out."
    answers = trace.report(format, detail="vector", digits=8).partition(said)[2].partition("In words")[0]
    assert words in answers
    padded = (
        trace.report(format, detail="vector", digits=8, everything=True).partition(said)[2].partition("In words")[0]
    )
    assert words not in padded
    value = f"{trace['h_t'][tuple(np.argwhere(~MASK.astype(bool))[0])][0]:.8f}".lstrip("-")
    assert value not in answers
    assert value in padded


FLAT = {key.rsplit("/", 1)[1]: value for key, value in weights(1, False).items()}


def test_one_file_with_the_input_and_its_mask(tmp_path: Path) -> None:
    model, data, out = (str(tmp_path / name) for name in ("m.npz", "data.npz", "t.json"))
    np.savez(model, **FLAT)
    h0 = np.ones((1, B, H))
    np.savez(data, x=X, mask=MASK, h0=h0, others=np.ones(3))
    done = CliRunner().invoke(
        main, ["run", model, "--input", data, "--time-first", "--mask", data, "--h0", data, "-o", out]
    )
    assert done.exit_code == 0, done.stderr
    trace = lt.load(out)
    np.testing.assert_array_equal(trace.mask, MASK)
    np.testing.assert_array_equal(trace.x, X)
    np.testing.assert_array_equal(trace.initial["0/forward"]["h_prev"], h0[0])
    np.savez(data, x=X, valid=MASK)
    done = CliRunner().invoke(main, ["run", model, "--input", data, "--mask", data, "-o", out])
    assert done.exit_code == 2
    assert f"{data}: several arrays, and none is called mask: x, valid" in done.stderr


@pytest.mark.few(1)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_a_table_with_a_column_of_the_mask(suffix: str, tmp_path: Path) -> None:
    """The column is the mask, and no input."""
    pd = pytest.importorskip("pandas")
    model, out, table = (str(tmp_path / name) for name in ("m.npz", "t.json", f"x.{suffix}"))
    np.savez(model, **FLAT)
    frame = pd.DataFrame({"a": X[:, 1, 0], "mask": MASK[:, 1].astype(int), "b": X[:, 1, 1], "c": X[:, 1, 2]})
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
        frame.to_parquet(table)
    else:
        frame.to_csv(table, index=False, sep="," if suffix == "csv" else "\t")
    done = CliRunner().invoke(main, ["run", model, "--input", table, "--mask", table, "-o", out])
    assert done.exit_code == 0, done.stderr
    trace = lt.load(out)
    np.testing.assert_array_equal(trace.mask, MASK[:, 1:2])
    np.testing.assert_array_equal(trace.x[:, 0], X[:, 1])
    assert tuple(trace.header.names["x"]) == ("a", "b", "c")
    np.savetxt(tmp_path / "column.csv", MASK[:, 1])  # one column without a heading
    done = CliRunner().invoke(
        main, ["run", model, "--input", table, "--key", "a,b,c", "--mask", str(tmp_path / "column.csv"), "-o", out]
    )
    assert done.exit_code == 0, done.stderr
    assert lt.diff(trace, lt.load(out)).same
