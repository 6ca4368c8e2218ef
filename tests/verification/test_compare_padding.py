"""diff at padding: what a cell computes there is for nothing, what is kept and given out counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cell.named_cells import KINDS
from lstm_trace.cli import main
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import Tolerance, compare, judge

from ..support.results import verdict

T, B, I, H = 6, 3, 3, 4  # noqa: E741
#: Padding in front and a gap; padding behind; none.
MASK = np.array([[0, 0, 1, 1, 0, 1], [1, 1, 1, 0, 0, 0], [1] * 6], bool).T
#: The lines that say what becomes of a padded step: named here by hand.
OF_USE = {
    "forward": {"y_t", "where(valid, h_t, h_prev)", "where(valid, c_t, c_prev)"},
    "joined": {"y_t", "W_y @ y_t", "s_t"},
}
OF_USE["reverse"] = OF_USE["forward"]


def weights(both: bool = True) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    found: dict[str, Any] = {}
    for layer, wide in ((0, I), (1, 2 * H)):
        for direction in ("forward", "reverse")[: 1 + both]:
            for g in "ifco":
                found[f"{layer}/{direction}/W_x{g}"] = rng.normal(size=(H, wide if both else (I, H)[layer]))
                found[f"{layer}/{direction}/W_h{g}"] = rng.normal(size=(H, H))
    return found


def traced(padding: str = "zero", dtype: str = "float64", **run: Any) -> Trace:
    rng = np.random.default_rng(8)
    cell = {"kind": "lstm", "padding": padding, "extra": "s_t = W_y @ y_t + b_y"}
    more = {"1/joined/W_y": rng.normal(size=(2, 2 * H)), "1/joined/b_y": rng.normal(size=2)}
    return lt.run({**weights(), **more}, rng.normal(size=(T, B, I)), cell=cell, mask=MASK, dtype=dtype, **run)


def changed(trace: Trace, scope: str, line: str, at: tuple[int, ...], by: float = 0.5) -> Trace:
    """With one other value."""
    lines = {s: dict(here) for s, here in trace.lines.items()}
    lines[scope][line] = lines[scope][line].copy()
    lines[scope][line][at] += by
    return replace(trace, lines=lines)


def places(trace: Trace) -> Iterator[tuple[str, str, tuple[int, int, int]]]:
    """Of every line one value at a step of padding."""
    rng = np.random.default_rng(11)
    outside = np.argwhere(~MASK)
    for scope, here in trace.lines.items():
        for name, values in here.items():
            t, b = outside[rng.integers(len(outside))]
            yield scope, name, (int(t), int(b), int(rng.integers(values.shape[2])))


@pytest.mark.few(0)
@pytest.mark.parametrize("tolerance", [Tolerance(), Tolerance(atol=1e-3)], ids=["bound", "atol"])
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
def test_at_padding_only_what_is_kept_or_given_out_counts(padding: str, tolerance: Tolerance) -> None:
    a = traced(padding)
    counted = set()
    for scope, name, at in places(a):
        b = changed(a, scope, name, at)
        found = compare(a, b, tolerance)
        used = name in OF_USE[scope.partition("/")[2]]
        assert found.same == (not used), (scope, name)
        assert judge(a, b, tolerance) == found.verdict
        if used:
            counted.add((scope, name))
            assert str(found.first and found.first.first) == f"{scope}/{at[0]}/{at[1]}/{name}[{at[2]}]"
            assert "a step of padding in both)" in verdict(found)[0]
    of_layer = 2 * (2 if padding == "carry" else 3) + 1  # carry: y_t is the state that is kept
    assert len(counted) == 2 * of_layer + 2


def test_measures_are_of_what_is_compared() -> None:
    """Values, root mean square and the rest as numpy has them at the valid steps, whatever stands at padding."""
    a = traced()
    b = changed(a, "0/forward", "c_t", (2, 0, 1), 0.25)
    for at, by in (((0, 0, 1), np.inf), ((4, 1, 2), np.nan), ((4, 0, 3), 1e3)):
        b = changed(b, "0/forward", "c_t", at, by)
    found = {(d.scope, d.line): d for d in compare(a, b).lines}
    line = found["0/forward", "c_t"]
    one, two = (trace.lines["0/forward"]["c_t"][MASK] for trace in (a, b))
    assert line.values == MASK.sum() * H
    assert line.max_abs == line.atol == line.local == pytest.approx(0.25)
    assert line.rms == pytest.approx(np.sqrt(np.mean((two - one) ** 2)))
    assert line.cosine == pytest.approx((one * two).sum() / np.sqrt((one**2).sum() * (two**2).sum()))
    assert [size > 0 for size in line.by_step] == [False, False, True, False, False, False]
    assert np.isfinite(line.bound)
    assert found["0/forward", "y_t"].values == T * B * H


def test_a_hold_at_padding_changes_nothing(tmp_path: Path) -> None:
    """As docs/interventions.md has it."""
    path = str(tmp_path / "a.json")
    traced().save(path)
    done = CliRunner().invoke(main, ["diff", path, path, "--hold", "0/forward/0/0/c_t[3]=0.5"])
    assert done.exit_code == 0, done.output
    assert "- same: all " in done.stdout
    assert (
        f"- note: {(~MASK).sum()} steps are padding in both; there, only the states that are kept and the outputs"
        in (done.stdout)
    )


@pytest.mark.few(0)
@pytest.mark.parametrize(("value", "code"), [(0.0, 0), (0.5, 1)])
def test_what_a_port_is_told(tmp_path: Path, value: float, code: int) -> None:
    """It need not have our values of gates at padding; its output there must be that of the padding rule."""
    a = traced()
    a.save(tmp_path / "a.json")
    rows = ["layer,direction,t,batch,line,unit,value"]
    for name, scope in (("f_t", "1/forward"), ("y_t", "1/joined")):
        for (t, b, j), number in np.ndenumerate(a.lines[scope][name]):
            said = number if MASK[t, b] else 7.0 if name == "f_t" else value
            rows.append(f"{scope.replace('/', ',')},{t},{b},{name},{j},{float(said)!r}")
    (tmp_path / "port.csv").write_text("\n".join(rows))
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "port.csv")])
    assert done.exit_code == code, done.output
    if code:
        assert (
            "different: first at 1/joined/0/0/y_t[0] (in computing order; a step of padding in both): a has 0, b"
            in (done.stdout)
        )


def test_whose_padding_it_is() -> None:
    a, b = (lt.run(weights(False), np.ones((T, 2, I)), lengths=lengths) for lengths in ([6, 6], [6, 4]))
    for one, two, side in ((a, b, "b"), (b, a, "a")):
        assert f"; a step of padding in {side}): " in verdict(compare(one, two))[0]


@pytest.mark.few(0)
def test_in_float32_and_float64_the_same_and_of_gradients_too() -> None:
    a, b = (traced(dtype=dtype) for dtype in ("float32", "float64"))
    assert compare(a, b).same
    back = lt.backward(b, of="1/joined/5/2/s_t[1]")
    assert compare(back, back).same
    for name, same in (("d_x_t", False), ("1 - i_t", True), ("d_z_i", True)):
        found = compare(back, changed(back, "0/adjoint-forward", name, (0, 0, 1)))
        assert found.same == same, name


@pytest.mark.few(0)
def test_a_gradient_does_not_tell_what_the_forward_pass_has_at_padding() -> None:
    """Slopes of values that nothing is made of: the gradients are the same."""
    a = traced()
    b = changed(a, "0/forward", "i_t", (0, 0, 1))
    one, two = (lt.backward(trace, of="1/joined/5/2/s_t[1]") for trace in (a, b))
    assert compare(one, two).same


def test_where_nothing_is_left_to_compare(tmp_path: Path) -> None:
    a = lt.run(weights(False), np.ones((T, 1, I)), mask=np.zeros((T, 1), bool))
    assert compare(a, a).verdict == judge(a, a) == "inconclusive", "zeros alone"
    gates = replace(a, lines={"0/forward": {"f_t": a.lines["0/forward"]["f_t"]}})
    for judged in (compare, judge):
        with pytest.raises(lt.LstmTraceError, match="nothing to compare: every step is padding in both traces"):
            judged(a, gates)


def test_nothing_but_padding_says_nothing_of_two_cells(tmp_path: Path) -> None:
    """A GRU and an LSTM over no step: their outputs are zeros, and were once called the same."""
    rng = np.random.default_rng(1)
    for kind, gates in ((kind, KINDS[kind].gates) for kind in ("gru", "lstm")):
        w = {f"W_{s}{g}": rng.normal(size=(2, 2)) for s in "xh" for g in gates}
        lt.run(w, np.ones((3, 1, 2)), cell={"kind": kind}, lengths=[0]).save(tmp_path / f"{kind}.json")
    a, b = (lt.load(tmp_path / f"{kind}.json") for kind in ("gru", "lstm"))
    assert lt.diff(a, b).verdict == judge(a, b) == "inconclusive"
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "gru.json"), str(tmp_path / "lstm.json")])
    assert done.exit_code == 1
    assert "- inconclusive: all " in done.stdout
    assert "nothing but padding is compared" in " ".join(done.stdout.split())


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ((1, 1, [None]), (5, 1, [0]), "step 0 counts in a and is padding in b, where"),
        ((4, 1, [None]), (5, 1, [3]), "step 3 counts in a and is padding in b, where"),
        ((5, 2, [4, 4]), (5, 2, [None]), "step 4 of row 0 counts in b and is padding in a (the first of 2 such steps)"),
        ((5, 2, [None, None]), (5, 2, [5, 4]), "step 4 of row 1 counts in a and is padding in b, where"),
        ((3, 1, [None]), (5, 1, [3]), ""),
        ((5, 1, [None]), (5, 1, [5]), ""),
    ],
)
def test_a_step_that_is_padding_in_one_is_not_the_same(
    tmp_path: Path, one: tuple[int, int, list[Any]], two: tuple[int, int, list[Any]], said: str
) -> None:
    """Whatever is computed there: one gives its output, and the other what the padding rule gives."""
    x = np.random.default_rng(4).normal(size=(5, 2, I))
    given = {"a": one, "b": two}
    one_layer = {name: array for name, array in weights(False).items() if name[0] == "0"}
    for side, (steps, rows, lengths) in given.items():
        named = {} if None in lengths else {"lengths": lengths}
        lt.run(one_layer, x[:steps, :rows], **named).save(tmp_path / f"{side}.json")
    a, b = (lt.load(tmp_path / f"{side}.json") for side in given)
    common = min(a.steps, b.steps)
    assert np.array_equal(a.output[:common], b.output[:common]) == (not said), "the outputs themselves"
    assert compare(a, b).verdict == judge(a, b) == ("inconclusive" if said else "same")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
    assert done.exit_code == (1 if said else 0)
    assert (f"common values agree, but {said}" if said else "- same: all ") in " ".join(done.stdout.split())


@pytest.mark.few(0)
def test_what_stands_at_padding_widens_no_bound() -> None:
    a, b = (changed(traced(), "0/forward", "i_t * c_tilde", (0, 0, 1), 1e9) for _ in range(2))
    bounds = [{(d.scope, d.line): d.bound for d in compare(*pair).lines} for pair in ((a, b), (traced(), traced()))]
    assert bounds[0]["0/forward", "c_t"] == bounds[1]["0/forward", "c_t"]


@pytest.mark.few(0)
@pytest.mark.parametrize("line", ["i_t", "c_t"])
def test_a_wrong_value_at_padding_makes_no_rounding_a_difference(line: str) -> None:
    """What differs by rounding that has built up is the same, unless something before it is wrong."""
    a, b = (traced(dtype=dtype) for dtype in ("float64", "float32"))
    few = replace(b, lines={s: {n: v for n, v in here.items() if n != "i_t"} for s, here in b.lines.items()})
    first = (0, 0, 1), (3, 1, 2)  # in front of the steps of a row, and behind them
    for at in first:
        wrong = changed(changed(a, "0/forward", line, at), "0/reverse", line, at)
        assert compare(wrong, few).same
        assert compare(wrong, b).same
    assert not compare(changed(a, "0/forward", line, (2, 0, 1)), b).same
