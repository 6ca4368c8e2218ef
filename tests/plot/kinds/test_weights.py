"""Weights as heat maps: every entry reads back, and norms are those of numpy's own definitions."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import LstmTraceError, MissingError, ShapeError
from lstm_trace.plot.coloured_text import symmetric
from lstm_trace.plot.figure import Figure
from lstm_trace.plot.kinds.weights import weights

from ... import ROOT
from ...support.pictures import check, images, lstm, views
from ...support.table_cases import stacked

EXAMPLES = ROOT / "lstm_trace" / "examples"
MODEL = ROOT / "traces" / "unicode-burmese" / "burmese.npz"


def entries(figure: Figure) -> dict[tuple[int, str, str], np.ndarray[Any, Any]]:
    """The matrices of the frame, by layer, direction and name."""
    found = {}
    for key, part in figure.data.groupby(["layer", "direction", "weight"], sort=False, observed=True):
        values = np.full((part["row"].max() + 1, part["column"].max() + 1), np.nan)
        values[part["row"], part["column"]] = part["value"]
        found[key] = values
    return found


def test_every_entry_reads_back() -> None:
    trace = stacked()
    figure = trace.plot.weights()
    found = entries(figure)
    wanted = [(scope, name) for scope in trace.scopes if "joined" not in scope for name in trace.parameters[scope]]
    assert [(f"{layer}/{direction}", name) for layer, direction, name in found] == wanted
    drawn = images(figure.svg())
    assert len(drawn) == len(found)
    for (pixels, _), (key, values) in zip(drawn, found.items(), strict=True):
        scope = f"{key[0]}/{key[1]}"
        theirs = trace.parameters[scope][key[2]]
        assert (values == theirs.reshape(values.shape)).all()
        alike = [array for array in trace.parameters[scope].values() if array.shape == theirs.shape]
        reach = symmetric(np.concatenate([array.ravel() for array in alike])).high
        share = (np.clip(values, -reach, reach) + reach) / (2 * reach)
        assert np.abs(pixels - 2 - share * 253).max() <= 0.5 + 1e-9


def test_norms() -> None:
    trace = lstm(2, 4)
    svg = trace.plot.weights("W_hf,W_xi").svg()
    found = dict(re.findall(r"σ₁ ([\d.]+)(?:  ρ ([\d.]+))?", svg))
    hidden, inner = trace.parameters["0/forward"]["W_hf"], trace.parameters["0/forward"]["W_xi"]
    largest = [np.sqrt(np.linalg.eigvalsh(w.T @ w).max()) for w in (hidden, inner)]
    radius = max(abs(root) for root in np.roots(np.poly(hidden)))
    assert list(map(float, found)) == pytest.approx(largest, abs=5e-4)
    assert float(next(iter(found.values()))) == pytest.approx(radius, abs=5e-4)
    assert list(found.values())[1] == ""


def test_labels_of_rows_and_columns() -> None:
    svg = lt.run(EXAMPLES / "three-steps.yaml").plot.weights("W_xi").svg()
    for name in ("bright", "wet", "sun", "rain"):
        assert svg.count(f">{name}<") == 1
    plain = lstm(1, 2).plot.weights("W_xi").svg()
    assert plain.count(">0<") == plain.count(">1<") == 2


def test_a_readout_as_wide_as_the_state_is_of_its_outputs_and_has_no_spectral_radius() -> None:
    draw = np.random.default_rng(3)
    equations = "h_t = tanh(W_xh @ x_t + W_hh @ h_prev)\ny_t = W_hy @ h_t + b_y\ncarry: h_prev <- h_t\noutput: y_t"
    shapes = {"W_xh": (3, 2), "W_hh": (3, 3), "W_hy": (3, 3), "b_y": (3,)}
    problem = {
        "cell": {"equations": equations},
        "weights": {name: draw.normal(size=shape).tolist() for name, shape in shapes.items()},
        "x": draw.normal(size=(2, 2)).tolist(),
        "names": {"h": ["ha", "hb", "hc"], "y": ["ya", "yb", "yc"]},
    }
    trace = lt.run(problem)
    svg = trace.plot.weights("W_hy").svg()
    assert [svg.count(f">{name}<") for name in ("ha", "hb", "hc", "ya", "yb", "yc")] == [1] * 6
    assert "σ₁" in svg
    assert not re.findall(r"ρ \d", svg)
    assert [trace.plot.weights("b_y").svg().count(f">{name}<") for name in ("ya", "ha")] == [1, 0]
    recurrent = trace.plot.weights("W_hh").svg()
    assert re.findall(r"ρ \d", recurrent)
    assert [recurrent.count(f">{name}<") for name in ("ha", "ya")] == [2, 0]  # rows and columns


def test_what_two_differ_by() -> None:
    a, b = stacked(), stacked(steps=5)
    other = b.parameters["1/forward"]["W_hc"].copy()
    other[1, 2] += 0.25
    b.parameters["1/forward"]["W_hc"] = other
    found = entries(a.plot.weights(layer=1, direction="forward", against=b))
    assert found[1, "forward", "W_hc"][1, 2] == pytest.approx(0.25)  # other less source, as in diff
    assert sum(np.count_nonzero(values) for values in found.values()) == 1
    untitled = b.plot.weights(against=a)
    assert untitled.title == "Difference of the weights: b − a"
    assert "a is the first source, b the second." in untitled.caption
    one, two = (replace(t, header=replace(t.header, title=title)) for t, title in ((a, "before"), (b, "after")))
    titled = one.plot.weights(against=two)
    assert titled.title == "Difference of the weights: after − before"
    assert "the first source" not in titled.caption


def test_of_differences_those_that_are_0_do_not_count() -> None:
    """The colours of few differences end where these do; of none there are no colours, and it is said."""
    a, b = lstm(1, 40), lstm(1, 40)
    few = np.zeros((40, 40))
    a.parameters["0/forward"]["W_hc"], b.parameters["0/forward"]["W_hc"] = few.copy(), few
    few.flat[:8] = np.arange(1, 9) / 8
    figure = a.plot.weights("W_hc", against=b)
    assert "end at" not in figure.caption
    assert re.findall(r'<text class="mark end"[^>]*>([^<]*)</text>', figure.svg())[:2] == ["−1", "1"]
    few[1:] = 0.01
    told = f"Colours of W_hc end at ±0.01: {800 / 1568:.2g}\u00a0% of the differences lie beyond, up to a size of 1."
    assert told in a.plot.weights("W_hc", against=b).caption
    same = a.plot.weights("W_hc", against=a)
    assert "There is no difference." in same.caption
    assert re.findall(r'<text class="mark end"[^>]*>([^<]*)</text>', same.svg())[0] == "0"
    assert "scale" not in re.findall(r'<image class="(\w+)"', same.svg())


def test_a_model_needs_no_input() -> None:
    model = lt.prepare(MODEL)
    figure = weights(model, of="W_hi")
    assert [key[:2] for key in entries(figure)] == [(0, "forward"), (0, "reverse")]
    assert "Layer 0, reverse" in figure.svg()
    trace = model.run(np.zeros((2, 12)))
    assert (weights(model).data == trace.plot.weights().data).all(axis=None)
    assert not weights(model, against=trace).data["value"].any()


@pytest.mark.few(0)
def test_the_specification_and_large_matrices() -> None:
    figure = lstm(1, 4).plot.weights("W_xo,W_ho")
    found = figure.to_vega()
    check(found)
    for (view, values), wanted in zip(views(found), entries(figure).values(), strict=True):
        read = {(row["row"], row["column"]): row["value"] for row in values}
        assert read == dict(np.ndenumerate(wanted)), view
    large = lstm(1, 200).plot.weights()
    check(large.to_vega())
    assert re.findall(r"Each field covers \d+ rows and \d+ columns", str(large.to_vega()["title"]))
    assert len(large.svg()) < 1_000_000


@pytest.mark.parametrize("example", ["gru", "q19", "rnn-softmax", "custom-cell", "readout"])
def test_any_cell(example: str) -> None:
    figure = lt.run(EXAMPLES / f"{example}.yaml").plot.weights()
    assert len(images(figure.svg())) == len(entries(figure)) > 0
    check(figure.to_vega())


def test_strange_weights() -> None:
    trace = lstm(1, 2)
    trace.parameters["0/forward"]["W_hi"] = np.array([[np.nan, np.inf], [1e308, -1e308]])
    figure = trace.plot.weights("W_hi")
    assert [pixels.tolist() for pixels, _ in images(figure.svg())] == [[[1, 1], [255, 2]]]
    assert figure.caption == "Magenta: not a finite number."
    check(figure.to_vega())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"of": "W_xq"}, MissingError, "no weight 'W_xq'; did you mean 'W_xi'"),
        ({"layer": 2}, MissingError, "layer 2 has no weights; there are 0/forward"),
        ({"direction": "reverse"}, MissingError, "reverse has no weights; there are 0/forward"),
        ({"against": lstm(1, 4)}, ShapeError, r"0/forward/W_xi has shape \(3, 2\), and in the other \(4, 2\)"),
        ({"against": lt.run(EXAMPLES / "gru.yaml")}, MissingError, "the other has no 0/forward/W_xi"),
    ],
)
def test_what_is_not_there(options: dict[str, Any], error: type[LstmTraceError], message: str) -> None:
    with pytest.raises(error, match=message):
        lstm().plot.weights(**options)


def test_a_bias_has_its_scale_beside_it() -> None:
    bias = np.array([0.5, -1.0, 0.25, 0.75])
    cell = {"equations": "f_t = sigmoid(W @ x_t + b_f)\ncarry: f_prev <- f_t\noutput: f_t"}
    trace = lt.run({"W": np.ones((4, 1)), "b_f": bias}, [[1.0]], cell=cell)
    svg = trace.plot.weights("b_f").svg()
    tall = float(re.findall(r'class="heat" x="[\d.]+" y="[\d.]+" width="[\d.]+" height="([\d.]+)"', svg)[0])
    pixels = images(svg.replace('class="scale"', 'class="heat"'))[0][0]
    assert pixels.shape == (254, 1)
    assert pixels[:, 0].tolist() == list(range(255, 1, -1))  # the largest on top
    begin = re.findall(r'<text class="mark begin" x="[\d.]+" y="([\d.]+)">([^<]*)</text>', svg)
    assert [told for _, told in begin] == ["1", "−1"]
    assert float(begin[1][0]) - float(begin[0][0]) == pytest.approx(tall - 9)
    single = lt.run({"W": np.ones((1, 1)), "b_f": bias[:1]}, [[1.0]], cell=cell).plot.weights("b_f").svg()
    assert re.findall(r'class="mark begin"[^>]*>(±?)', single) == ["±"]  # no room for two
