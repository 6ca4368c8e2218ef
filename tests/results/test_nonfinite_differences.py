"""Traces with values that are NaN or infinite: what `diff` says, against loops over every value."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.languages.strings import words
from lstm_trace.results.comparison import sentences

NAN, INF = math.nan, math.inf
H, WIDTH, T, B = 3, 2, 5, 2
FORMATS = ("text", "md", "html")
#: What is never said: a measure of values that are not finite.
NEVER = re.compile(
    r"at most (inf|nan)|(inf|nan) ?%|[+-]nan|[^ b]nan is|of (inf|nan) is|by [+-]?(inf|nan)|off by (inf|nan)"
)
DIVIDED = {"equations": "q_t = (W @ x_t) / (V @ x_t)\nh_t = tanh(q_t)\noutput: h_t"}
RAISED = {"equations": "e_t = exp(W @ x_t)\nh_t = e_t - 0.5 * h_prev\ncarry: h_prev <- h_t\noutput: h_t"}


def lstm(seed: int = 3) -> tuple[dict[str, Any], dict[str, Any]]:
    draw = np.random.default_rng(seed)
    weights = {f"W_x{g}": draw.normal(size=(H, WIDTH)) for g in "ifco"} | {
        f"W_h{g}": draw.normal(size=(H, H)) for g in "ifco"
    }
    states = {name: draw.normal(size=(B, H)) for name in ("h0", "c0")}
    return weights, {"x": draw.normal(size=(T, B, WIDTH)), **states}


def planted(where: str, value: float, seed: int = 3) -> lt.Trace:
    """An LSTM over two sequences, one value of which is not finite: in x, a weight, a state or a given line."""
    weights, fed = lstm(seed)
    given = np.random.default_rng(8).uniform(size=(T, B, H)) if where == "given" else None
    {"x": fed["x"], "weight": weights["W_hf"], "state": fed["c0"], "given": given}.get(where, np.zeros(2))[-1] = value
    given = {} if given is None else {"given": {"f_t": given}}
    return lt.run(weights, **fed, **given, allow_nonfinite=True)


def small(cell: dict[str, str], **weights: Any) -> lt.Trace:
    x = np.array([[1.0, 0.5], [0.25, 0.5], [2.0, -1.0], [0.5, 0.75]])
    return lt.run({name: np.array(values) for name, values in weights.items()}, x, cell=cell)


def finite() -> lt.Trace:
    weights, fed = lstm()
    return lt.run(weights, **fed)


ROWS = {"W": [[1.0, 0.5], [0.5, 2.0]], "V": [[1.0, 0.75], [0.5, 0.25]]}
CASES: dict[str, tuple[Any, Any]] = {
    "x is NaN in b": (finite, lambda: planted("x", NAN)),
    "x is infinite in a": (lambda: planted("x", INF), finite),
    "x is -inf in b": (finite, lambda: planted("x", -INF)),
    "weight": (finite, lambda: planted("weight", NAN)),
    "state": (finite, lambda: planted("state", INF)),
    "given": (lambda: planted("given", 0.5), lambda: planted("given", NAN)),
    "different in both": (lambda: planted("x", INF), lambda: planted("x", NAN)),
    "infinite, other signs": (lambda: planted("state", INF), lambda: planted("state", -INF)),
    "the same in both": (lambda: planted("x", NAN), lambda: planted("x", NAN)),
    "the same in both, other weights": (lambda: planted("x", INF), lambda: planted("x", INF, seed=4)),
    "0/0": (lambda: small(DIVIDED, **ROWS), lambda: small(DIVIDED, **ROWS | {"V": [[1.0, 2.0], [0.5, 0.25]]})),
    "exp": (
        lambda: small(RAISED, W=[[1.0, 0.5], [0.5, 2.0]]),
        lambda: small(RAISED, W=[[1.0, 0.5], [2000.0, -1900.0]]),
    ),
}


def by_loops(a: lt.Trace, b: lt.Trace) -> tuple[str | None, dict[str, tuple[int, int, float]]]:
    """The first value that differs, and for each line: how many differ by nothing finite, how many are the same NaN or
    infinity, and the largest finite difference.
    """
    first, counts = None, {}
    names = list(a.lines["0/forward"])
    for t in range(a.steps):
        for name in names:
            one, two = a.lines["0/forward"][name][t], b.lines["0/forward"][name][t]
            odd, alike, most = counts.get(name, (0, 0, 0.0))
            for row, unit in np.ndindex(one.shape):
                p, q = float(one[row, unit]), float(two[row, unit])
                same = p == q or (math.isnan(p) and math.isnan(q))
                if not same and first is None:
                    first = f"0/forward/{t}/{row}/{name}[{unit}]"
                if math.isfinite(p) and math.isfinite(q):
                    most = max(most, abs(q - p))
                else:
                    odd, alike = odd + (not same), alike + same
            counts[name] = odd, alike, most
    return first, counts


@pytest.mark.few(0)
@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_finite_is_counted_and_named(case: str) -> None:
    a, b = (make() for make in CASES[case])
    found = lt.diff(a, b)
    first, counts = by_loops(a, b)
    assert {d.line: (d.nonfinite, d.alike, d.max_abs) for d in found.lines} == counts
    assert (str(found.first.first) if found.first else None) == first
    assert found.verdict == ("same" if first is None else "different")
    for line in found.lines:
        assert all(math.isfinite(n) for n in (line.max_abs, line.rms, line.local or 0.0, line.inherited or 0.0))
        assert math.isfinite(line.atol) == (line.nonfinite == 0)
    alike = sum(n for _, n, _ in counts.values())
    said = [note for note in found.notes if "without being finite" in note]
    assert [note.partition(" ")[0] for note in said] == ([str(alike)] if alike > 1 else [])
    texts = [found.report(name) for name in FORMATS] + [
        json.dumps(json.loads(found.as_json())),
        *sentences(found, words()),
    ]
    for text in texts:
        assert not NEVER.search(str(text)), NEVER.search(str(text))


def test_units_and_output_name_the_first_step_that_is_not_finite() -> None:
    a, b = finite(), planted("x", NAN)  # at the last step
    b.lines["0/forward"]["h_t"][2, 1, 0] = INF
    found = lt.diff(a, b)
    assert {(one.unit, one.line, one.nonfinite) for one in found.units} == {(0, "h_t", 2), (1, "h_t", 4), (2, "h_t", 4)}
    assert found.output is not None
    assert str(found.output.nonfinite) == "0/forward/2/1/h_t[0]"
    assert found.output.at_end == INF
    assert not found.output.most
    assert json.loads(found.as_json())["changes"]["why"].startswith("The change of the output cannot be split: where")
    text = " ".join(found.report("text").split())
    assert "not finite from t = 2 on" in text
    assert "infinite with other signs, first at 0/forward/2/1/h_t[0]" in text
    assert found.units_frame()["nonfinite"].tolist() == [one.nonfinite for one in found.units]


def test_units_that_are_not_finite_come_first() -> None:
    a, b = finite(), finite()
    b.lines["0/forward"]["c_t"][1, 0, 1] += 5.0
    b.lines["0/forward"]["h_t"][4, 1, 2] = NAN
    assert [(one.unit, one.nonfinite) for one in lt.diff(a, b).units] == [(2, 4), (1, None)]


@pytest.mark.parametrize("way", ["forward", "reverse"])
def test_of_units_that_are_not_finite_the_first_to_become_so(way: str) -> None:
    """The other differs more before it; of reverse directions step 3 comes before step 2."""
    weights, fed = lstm()
    a, b = (lt.run({f"0/{way}/{n}": v for n, v in weights.items()}, fed["x"], options={"direction": way}) for _ in "ab")
    for trace in (a, b):
        assert trace.scopes == (f"0/{way}",)
    b.lines[f"0/{way}"]["h_t"][0 if way == "forward" else 4, 0, 0] += 0.5
    b.lines[f"0/{way}"]["h_t"][3, 1, 2 if way == "reverse" else 0] = NAN
    b.lines[f"0/{way}"]["h_t"][2, 1, 0 if way == "reverse" else 2] = NAN
    assert [one.unit for one in lt.diff(a, b).units] == [2, 0]


def test_a_finite_change_beside_others_is_measured() -> None:
    """Of row 0 a value differs, of row 1 everything is NaN from the third step on."""
    a, b = finite(), finite()
    for name in ("c_t", "h_t"):
        b.lines["0/forward"][name][2:, 1] = NAN
    b.lines["0/forward"]["h_t"][4, 0, 2] += 0.25
    found = lt.diff(a, b).output
    assert found is not None
    assert (str(found.address), str(found.nonfinite)) == ("0/forward/4/0/h_t[2]", "0/forward/2/1/h_t[0]")
    assert found.most == abs(float(b["h_t"][4, 0, 2]) - float(a["h_t"][4, 0, 2]))
    assert "at the last step a value is not finite" in " ".join(lt.diff(a, b).report("text").split())


def test_the_same_nan_in_both_leaves_the_rest_to_rounding() -> None:
    """Bounds that are not finite belong to values that are equal; they decide nothing about the others."""
    a, b = planted("x", NAN), planted("x", NAN)
    line = b.lines["0/forward"]["W_xi @ x_t"]
    line[0, 0, 0] = np.nextafter(line[0, 0, 0], 9.0)
    found = lt.diff(a, b)
    assert found.verdict == "same"
    assert found.lines[0].max_abs > 0
    assert math.isfinite(found.lines[0].bound)


@pytest.mark.parametrize(
    ("a", "b", "side"), [(finite, lambda: planted("x", NAN), "b"), (lambda: planted("x", INF), finite, "a")]
)
def test_only_a_finite_difference_is_split(a: Any, b: Any, side: str, tmp_path: Path) -> None:
    one, two = a(), b()
    at = "4/0/c_t[1]"
    value = {"a": one, "b": two}[side]["c_t"][4, 0, 1]
    with pytest.raises(OptionError, match=rf"0/c_t\[1\] is {value} in {side}: only a difference of finite values"):
        lt.attribute(one, two, at)
    for name, trace in (("a", one), ("b", two)):
        trace.save(tmp_path / f"{name}.json")
    done = CliRunner().invoke(main, ["diff", str(tmp_path / "a.json"), str(tmp_path / "b.json"), "--attribute", at])
    assert done.exit_code == 2
    assert done.stderr.count("\n") == 1
