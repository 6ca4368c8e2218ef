"""How far a gradient reaches back: the curves are read back, by the powers of ten on their scales."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.gradients import norms
from lstm_trace.errors import MissingError
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.furniture import shown_number
from lstm_trace.plot.panels import decades

from ...support.pictures import check, units
from .picture_reader import SVG, caption, lstm, marks, root

RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def curves(figure: Figure) -> list[dict[str, dict[int, float]]]:
    """Of each panel the values of each stroke by step."""
    steps = {x: int(name) for name, x in marks(figure).items() if name.isdecimal()}
    (a, first), (b, last) = min(steps.items()), max(steps.items())
    found = []
    for group in root(figure).iter(f"{SVG}g"):
        if group.find(f"{SVG}rect[@class='panel']") is None:
            continue
        scale = {}
        for e in group.findall(f"{SVG}text"):
            assert str(e.text).startswith("10")
            scale[float(e.get("y", "")) - 4] = int(str(e.text)[2:].translate(RAISED))
        (top, high), (bottom, low) = min(scale.items()), max(scale.items())
        here: dict[str, dict[int, float]] = {}
        for path in group.findall(f"{SVG}path"):
            kind = str(path.get("class")).split()[0]
            for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", "")) if kind[0] == "c" else []:
                t = round(first + (last - first) * (float(x) - a) / (b - a))
                here.setdefault(kind, {})[t] = 10 ** (high + (low - high) * (float(y) - top) / (bottom - top))
        found.append(here)
    return found


def test_every_curve_reads_back() -> None:
    trace = lstm(12, 3, 1, reverse=True)
    figure = trace.plot.gradient()
    panels = curves(figure)
    assert len(panels) == 2
    seen = 0
    for panel, line in zip(panels, ("h_t", "c_t"), strict=True):
        for stroke, way in (("c0", "forward"), ("c1", "reverse")):
            wanted = {row.t: row.norm for row in norms(trace).rows if (row.line, row.direction) == (line, way)}
            assert panel[stroke] == pytest.approx(wanted, rel=0.05)
            seen += len(panel[stroke])
    assert seen == len(figure.data) == 4 * 12
    size = next(row.norm for row in norms(trace).rows if row[:4] == (0, "forward", "c_t", 4))
    assert f"layer 0, forward, with respect to c_t, t = 4: {shown_number(size)}" in figure.svg()
    assert "the sum of the top layer's last outputs" in figure.title
    assert "2-norm over the units" in caption(figure)


@pytest.mark.few(1)
@pytest.mark.parametrize("line", ["h_t", "c_t"])
def test_a_curve_is_what_moving_a_state_does(line: str) -> None:
    """Central differences: the value in runs in which one unit of the state is held a little off."""
    trace = lstm(6, 3, 1)
    weights, small = {f"0/forward/{k}": v for k, v in trace.parameters["0/forward"].items()}, 1e-6

    def moved(t: int, j: int, by: float) -> float:
        hold = {f"{t}/{line}[{j}]": float(trace[line][t, 0, j]) + by}
        return float(lt.run(weights, trace.x, hold=hold)["h_t"][5, 0, 1])

    slopes = {t: [(moved(t, j, small) - moved(t, j, -small)) / (2 * small) for j in range(3)] for t in range(5)}
    sizes = {t: float(np.sqrt(np.sum(np.square(slope)))) for t, slope in slopes.items()}
    figure = trace.plot.gradient("5/h_t[1]")
    data = figure.data[figure.data["line"] == line].set_index("t")["norm"]
    assert data.loc[:4].to_dict() == pytest.approx(sizes, rel=1e-7, abs=1e-9)
    curve = curves(figure)[["h_t", "c_t"].index(line)]["c0"]
    assert {t: curve[t] for t in range(5)} == pytest.approx(sizes, rel=0.05)


def test_the_frame_has_the_sizes_as_they_are() -> None:
    trace = lstm(5, 3, 2, lengths=[5, 3])
    data = trace.plot.gradient(batch=1).data
    assert list(data.columns) == ["layer", "direction", "line", "t", "norm"]
    assert data.to_records(index=False).tolist() == [tuple(row) for row in norms(trace, batch=1).rows]
    assert data["t"].max() == 2


def test_a_sum_is_that_of_its_gradients() -> None:
    rng = np.random.default_rng(5)
    weights = {f"W_{s}{g}": rng.normal(size=(3, 2 if s == "x" else 3)) for s in "xh" for g in "ifco"}
    trace = lt.run(weights, rng.normal(size=(6, 2)))
    of = "sum(3..5/h_t[1]) - 5/c_t[0]"
    figure = trace.plot.gradient(of)
    assert "sum(0/forward/3..5/0/h_t[1]) - 0/forward/5/0/c_t[0]" in figure.title
    parts = [lt.backward(trace, of=one)["d_c_t"] for one in ("3/h_t[1]", "4/h_t[1]", "5/h_t[1]", "5/c_t[0]")]
    whole = parts[0] + parts[1] + parts[2] - parts[3]
    sizes = figure.data.query("line == 'c_t'").norm
    assert sizes.tolist() == pytest.approx(np.sqrt((whole[:, 0] ** 2).sum(axis=1)).tolist(), rel=1e-9)


def test_a_jacobian_a_loss_and_a_value_are_told_apart() -> None:
    trace = lstm(5, 3, 1)
    assert "Frobenius norm of the Jacobian of h_t, step t = 3" in trace.plot.gradient("3/h_t").caption
    assert "gradient of h_t, unit 1, step t = 3" in trace.plot.gradient("3/h_t[1]").title
    cell = {"equations": "s_t = 0.5 * s_prev + x_t\nL = sum(s_t * s_t)\ncarry: s_prev <- s_t\noutput: s_t"}
    loss = lt.run({}, [[1.0, 2.0], [3.0, 0.0]], cell=cell, ask=["L", "s_t"])
    assert "gradient of L reaches" in loss.plot.gradient("L").title


def test_what_does_not_flow_back_has_no_curve_and_that_is_said() -> None:
    figure = lstm(6, 3, 1).plot.gradient("3/h_t[0]")
    assert all(set(curve) == {0, 1, 2, 3} for panel in curves(figure) for curve in panel.values())
    assert "Where the gradient is 0, or too small for the arithmetic, no curve is drawn." in caption(figure)
    cell = {"equations": "s_t = s_prev + x_t\ny_t = s_t * 0\ncarry: s_prev <- s_t\noutput: y_t"}
    trace = lt.run({}, [[1.0]], cell=cell)
    with pytest.raises(MissingError, match="no gradient of the sum of the top layer's last outputs is a finite number"):
        trace.plot.gradient()


def test_of_a_batch_the_row_is_said() -> None:
    trace = lstm(4, 2, 2)
    assert "This is sequence 0" in trace.plot.gradient().caption
    assert "This is sequence" not in trace.plot.gradient(batch=1).caption
    assert "sequence 1" in trace.plot.gradient("3/1/h_t[0]").title


def test_the_specification_has_the_sizes() -> None:
    trace = lstm(6, 3, 1, reverse=True)
    found = trace.plot.gradient().to_vega()
    check(found)
    seen: dict[Any, float] = {}
    for (view, data), line in zip(units(found), ("h_t", "c_t"), strict=True):
        assert view["encoding"]["y"]["scale"] == {"type": "log"}
        seen |= {(line, row["line"], row["t"]): row["value"] for row in data["values"]}
    wanted = {(row.line, f"layer 0, {row.direction}", row.t): row.norm for row in norms(trace).rows}
    assert seen == wanted


def test_other_languages_and_steps_that_vanish() -> None:
    figure = lstm(400, 3, 1).plot.gradient(language="fr")
    assert "norme de Frobenius" not in figure.caption
    assert "en échelle logarithmique" in figure.caption
    assert decades(float(np.log10(5e-324)), 0.0)[0] == -400.0
    assert len(figure.svg()) < 60_000
