"""Addresses of several values: one form for what is held and for what is added up, read back as they are written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.backpropagation.target import target
from lstm_trace.cli import main
from lstm_trace.errors import MissingError
from lstm_trace.trace.address import ranged, read_several

STEPS, UNITS = [*range(6)], [*range(5)]
RNG = np.random.default_rng(91)
WEIGHTS = {f"W_{a}{g}": RNG.normal(size=(5, 3 if a == "x" else 5)) for a in "xh" for g in "ifco"}
X = RNG.normal(size=(6, 2, 3))

#: An address in a layer of two sequences, and the steps and units of sequence 1 that it means.
FORMS = {
    "3/1/c_t[2]": ([3], [2]),
    "3/1/c_t": ([3], UNITS),
    "2..4/1/c_t": ([2, 3, 4], UNITS),
    "2..2/1/c_t[3]": ([2], [3]),
    "*/1/c_t[1..3]": (STEPS, [1, 2, 3]),
    "*/1/c_t[*]": (STEPS, UNITS),
    "2..4/1/c_t[0,2..3]": ([2, 3, 4], [0, 2, 3]),
    "5/1/c_t[3,1,3]": ([5], [1, 3]),
    "5/1..1/c_t[0..1,4]": ([5], [0, 1, 4]),
    "0/forward/1..5/1/c_t[4]": ([1, 2, 3, 4, 5], [4]),
    "*/forward/*/1/c_t[0,4]": (STEPS, [0, 4]),
    "forward/0..1/1/c_t": ([0, 1], UNITS),
    " 2 .. 4 / 1 / c_t [ 0 , 2 .. 3 ] ": ([2, 3, 4], [0, 2, 3]),
}


@pytest.mark.few(2)
@pytest.mark.parametrize("text", FORMS)
def test_a_hold_and_a_sum_mean_the_same_values(text: str) -> None:
    steps, units = FORMS[text]
    where = np.zeros((6, 2, 5), bool)
    for t in steps:
        for j in units:
            where[t, 1, j] = True
    held = lt.run(WEIGHTS, X, hold={text: 0.25})
    np.testing.assert_array_equal(held["c_t"], np.where(where, 0.25, held["free_c_t"]))
    trace = lt.run(WEIGHTS, X)
    found = target(trace, f"sum({text})")
    assert found.read(trace) == pytest.approx(trace["c_t"][where].sum(), rel=1e-14)
    assert target(trace, str(found)).read(trace) == found.read(trace)
    gradient = lt.gradients(trace, of=f"sum({text})")["x"]
    each = sum(lt.gradients(trace, of=f"{t}/1/c_t[{j}]")["x"] for t in steps for j in units)
    np.testing.assert_allclose(gradient, each, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("text", ["c_t", "*/c_t", "c_t[*]", "0/forward/c_t", "0..5/c_t", "*/*/*/*/c_t[0..4]"])
def test_of_one_sequence_what_is_left_out_is_all(text: str) -> None:
    trace, held = lt.run(WEIGHTS, X[:, 0]), lt.run(WEIGHTS, X[:, 0], hold={text: 0.5})
    assert (held["c_t"] == 0.5).all()
    assert str(target(trace, f"sum({text})")) == "sum(0/forward/0..5/0/c_t)"


def test_what_two_padded_directions_make_together_is_held_once() -> None:
    """Each of the directions has a y_t as well; a multiple of these and of what they make would be a square."""
    weights = {f"0/{d}/{n}": w for d in ("forward", "reverse") for n, w in WEIGHTS.items()}
    plain = lt.run(weights, X, lengths=[6, 4])
    for address in ("y_t", "*/y_t", "joined/y_t"):
        held = lt.run(weights, X, lengths=[6, 4], hold={address: "*0.5"})
        np.testing.assert_array_equal(held.output, 0.5 * plain.output)
    for address in ("*/1/y_t", "0..5/1/y_t[*]", "joined/*/1/y_t"):
        assert target(plain, f"sum({address})").read(plain) == pytest.approx(plain.output[:4, 1].sum(), rel=1e-13)
    one = lt.run(weights, X, lengths=[6, 4], hold={"reverse/y_t": "*0.5"})
    np.testing.assert_array_equal(one.output[..., 5:], 0.5 * plain.output[..., 5:])
    np.testing.assert_array_equal(one.output[..., :5], plain.output[..., :5])


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("4..2/1/c_t", "the range 4..2 is empty; write 2..4"),
        ("2..6/1/c_t", "is not an address here; expected layer/direction/t/b/line[j]"),
        ("2..6/1/c_t", "layer 0, direction forward, t 0 to 5, b 0 to 1"),
        ("0..1/forward/2/1/c_t", "is not an address here"),
        ("2../1/c_t", "is not an address here"),
        ("**/1/c_t", "is not an address here"),
        ("3/1/c_t[2..9]", "there is no c_t[9]; c_t has [0] to [4]"),
        ("3/1/c_t[3..1]", "the range 3..1 is empty; write 1..3"),
        ("3/1/c_t[1;3]", "expected units as in [3], [3..7] or [1,4..6], found [1;3]"),
        ("3/1/c_t[-1]", "expected units as in [3], [3..7] or [1,4..6], found [-1]"),
        ("3/1/c_t[1,,2]", "expected units as in [3], [3..7] or [1,4..6], found [1,,2]"),
    ],
)  # fmt: skip
def test_both_say_what_cannot_be_read(text: str, told: str) -> None:
    trace = lt.run(WEIGHTS, X)
    for said, read in (
        (f"hold '{text}'", lambda: lt.run(WEIGHTS, X, hold={text: 0.0})),
        (f"sum({text})", lambda: target(trace, f"sum({text})")),
    ):
        with pytest.raises(MissingError) as error:
            read()
        (problem,) = error.value.problems
        assert told in problem
        assert problem.startswith(said)


def test_brackets_that_are_no_unit_are_refused_where_one_value_is_meant() -> None:
    """They were read as a part of the name: a KeyError, or all of the line."""
    trace = lt.run(WEIGHTS, X)
    told = r"expected a unit, \[3\], or an entry of a matrix, \[1,2\]; found \[0..1\]"
    for address in ("W_xi[0..1]", "3/1/c_t[0..1]"):
        with pytest.raises(MissingError, match=told):
            lt.edit(trace, {address: 1.0})
        with pytest.raises(MissingError, match=told):
            lt.derivation(trace, address)
    with pytest.raises(MissingError, match=told):
        lt.run(WEIGHTS, X, ask="c_t[0..1]")
    with pytest.raises(MissingError, match=r"is not one value; several are added up by sum\(3/1/c_t\[0..1\]\)"):
        trace.plot.gradient("3/1/c_t[0..1]")


@settings(max_examples=300)
@given(data=st.data())
def test_what_is_written_is_read_back(data: st.DataObject) -> None:
    layers, batch, width = (data.draw(st.integers(1, n)) for n in (3, 4, 12))
    first = data.draw(st.integers(0, 20))
    span = range(first, first + data.draw(st.integers(1, 9)))
    directions = data.draw(st.sampled_from([["forward"], ["reverse"], ["forward", "reverse", "joined"]]))
    layer, direction = data.draw(st.sampled_from(range(layers))), data.draw(st.sampled_from(directions))
    steps, rows = (_some(data, there) for there in (span, range(batch)))
    units = sorted(data.draw(st.none() | st.sets(st.integers(0, width - 1), min_size=1)) or ())
    line = data.draw(st.sampled_from(["c_t", "W_xi @ x_t", "1 - f_t", "z[3:6]", "f_t * c_prev"]))
    text = ranged(f"{layer}/{direction}", line, steps, rows, units or None)
    extents = {"layer": range(layers), "direction": directions, "t": span, "b": range(batch)}
    found = read_several("here", text, extents)
    assert (found.line, [*found.layer], [*found.direction]) == (line, [layer], [direction])
    assert (found.t, found.b) == ((span, range(batch)) if steps is None or rows is None else (steps, rows))
    assert found.of_width(width) == tuple(units or range(width))


def _some(data: st.DataObject, there: range) -> range | None:
    if data.draw(st.integers(0, 5)) == 0:
        return None
    begin = data.draw(st.sampled_from(there))
    return range(begin, data.draw(st.integers(begin + 1, there.stop)))


@pytest.mark.few(0)
def test_one_address_in_a_problem_and_in_every_option(tmp_path: Path) -> None:
    """Held in a file and by `--hold`, added up by `--of`, one after the other by `--line`."""
    address, example = "1..2/c_t[0,1..1]", "lstm_trace/examples/three-steps.yaml"
    problem = tmp_path / "q.yaml"
    problem.write_text(Path(example).read_text() + f'\nhold: {{"{address}": 0.5}}\n')
    c_t = lt.run(str(problem))["c_t"][:, 0]
    assert (c_t[1:] == 0.5).all()
    assert not (c_t[0] == 0.5).any()
    shown = [_told("show", str(problem)), _told("show", example, "--hold", f"{address}=0.5")]
    assert shown[0] == shown[1].replace(example, str(problem))
    of = f"sum({address})"
    table = _told("explain", "ablation", example, "--of", of, "--line", address, "--format", "csv")
    head, *rows = (line.split(",") for line in table.splitlines())
    assert {row[head.index("unit")] for row in rows} == {"0", "1"}
    for row in rows:
        alone = lt.run(example, hold={f"1..2/c_t[{row[head.index('unit')]}]": 0.0})["c_t"]
        assert float(row[head.index("value")]) == pytest.approx(alone[1:].sum(), rel=1e-14)
    assert "sum(0/forward/1..2/0/c_t)" in _told("explain", "contribution", example, "--of", of)
    drawn = tmp_path / "x.svg"
    for kind in ("gradient", "contribution"):
        _told("plot", example, "--kind", kind, "--of", of, "-o", str(drawn))
        assert "sum(0/forward/1..2/0/c_t)" in drawn.read_text()


def _told(*words: str) -> str:
    run = CliRunner().invoke(main, list(words))
    assert run.exit_code == 0, run.output
    return run.stdout
