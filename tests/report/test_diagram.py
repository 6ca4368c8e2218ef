"""The picture of a cell: what it draws of any cell, that nothing lies over anything else, its values, its text."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.errors import MissingError
from lstm_trace.examples import examples, text as example
from lstm_trace.formulas.tree import Sym
from lstm_trace.report.diagram import placement
from lstm_trace.report.diagram.diagram import Diagram, diagram
from lstm_trace.report.diagram.graph import CellGraph, flow
from lstm_trace.trace.trace import Trace

from ..support.every_cell import CELLS, ran
from ..support.tiers import some

SVG = "{http://www.w3.org/2000/svg}"
H, I = 3, 2  # noqa: E741


def weights(kind: str) -> dict[str, Any]:
    rng = np.random.default_rng(4)
    found = {f"W_x{g}": rng.normal(size=(H, I)) for g in "ifco"} | {f"W_h{g}": rng.normal(size=(H, H)) for g in "ifco"}
    if kind == "peephole":
        found |= {f"w_c{g}": rng.normal(size=H) for g in "ifo"}
    if kind == "norm":
        parts = [*"ifco", "cell"]
        found |= {f"{n}_{p}": rng.normal(size=H) for n in ("gamma", "beta") for p in parts}
    return found


def traced(kind: str) -> Trace:
    x = np.random.default_rng(9).normal(size=(4, 1, I))
    match kind:
        case "lstm":
            return lt.run(weights(kind), x)
        case "peephole":
            return lt.run(weights(kind), x, options={"peephole": True})
        case "norm":
            return lt.run(weights(kind), x, options={"layer_norm": True, "layer_norm_cell": True})
        case "slstm":
            return lt.run(weights(kind), x, cell="slstm")
        case "gru":
            shapes = {f"W_{s}{g}": (H, I if s == "x" else H) for s in "xh" for g in "ruh"}
            return lt.run({n: np.full(s, 0.5) for n, s in shapes.items()}, x, cell="gru")
        case "lengths":
            return lt.run(weights("lstm"), x, lengths=[3])
        case "peephole, lengths":
            return lt.run(weights("peephole"), x, lengths=[3], options={"peephole": True, "padding": "repeat"})
        case "readout":
            more = {"W_hy": np.ones((1, H)), "b_y": [0.5]}
            cell = {"equations": "h_t = tanh(W_xh @ x_t + W_hh @ h_prev)\ny_t = W_hy @ h_t + b_y\n"
                    "carry: h_prev <- h_t\noutput: y_t"}  # fmt: skip
            return lt.run({"W_xh": np.ones((H, I)), "W_hh": np.eye(H) / 2} | more, x, cell=cell)
        case "joined":
            cell = {"equations": "v = concat(h_prev, x_t)\nf_t = sigmoid(W_f @ v)\nh_t = f_t * h_prev + tanh(W_c @ v)\n"
                    "carry: h_prev <- h_t\noutput: h_t"}  # fmt: skip
            return lt.run({"W_f": np.ones((H, H + I)), "W_c": np.eye(H, H + I)}, x, cell=cell)
        case "plain":
            return lt.run({}, x, cell={"equations": "h_t = 0.5 * h_prev + (1 - 0.25) * x_t\ncarry: h_prev <- h_t"})
    raise AssertionError(kind)


#: Every example, and every named cell with a softmax and cross entropy behind it.
PICTURES = [f"example {name}" for name in examples()] + list(CELLS)


def pictured(name: str) -> Trace:
    """One of `PICTURES`."""
    first, _, rest = name.partition(" ")
    return lt.run(yaml.safe_load(example(rest))) if first == "example" else ran(name, loss="cross entropy")


KINDS = ("lstm", "peephole", "norm", "slstm", "gru", "lengths", "peephole, lengths", "readout", "joined", "plain")


def test_graph_of_an_lstm() -> None:
    """As the textbooks draw it: four gates, two products, a sum, tanh, a product."""
    found = flow(traced("lstm").stages[0])
    kinds = {spot.key: spot.kind for spot in found.spots}
    assert [key for key, kind in kinds.items() if kind == "box"] == ["i_t", "f_t", "c_tilde", "o_t"]
    signs = {spot.key: spot.sign for spot in found.spots if spot.kind == "circle"}
    assert signs == {"f_t * c_prev": "⊙", "i_t * c_tilde": "⊙", "c_t": "+", "tanh(c_t)": "tanh", "h_t": "⊙"}
    edges = {(edge.source, edge.target) for edge in found.edges}
    gates = {(f"in:{a}", g) for a in ("x_t", "h_prev") for g in ("i_t", "f_t", "c_tilde", "o_t")}
    assert edges == gates | {
        ("f_t", "f_t * c_prev"), ("in:c_prev", "f_t * c_prev"), ("i_t", "i_t * c_tilde"), ("c_tilde", "i_t * c_tilde"),
        ("f_t * c_prev", "c_t"), ("i_t * c_tilde", "c_t"), ("c_t", "tanh(c_t)"), ("tanh(c_t)", "h_t"), ("o_t", "h_t"),
        ("c_t", "out:c_prev"), ("h_t", "out:h_prev"),
    }  # fmt: skip


def test_a_new_state_has_its_own_name_where_there_is_padding() -> None:
    found = flow(traced("lengths").stages[0])
    assert {spot.key: spot.label for spot in found.spots if spot.key.startswith("out:")} == {
        "out:c_prev": Sym("c_t"),
        "out:h_prev": Sym("h_t"),
        "out:y_t": Sym("y_t"),
    }


def test_what_several_gates_read_is_drawn_once() -> None:
    found = flow(traced("joined").stages[0])
    edges = {(edge.source, edge.target) for edge in found.edges}
    assert {("in:h_prev", "v"), ("in:x_t", "v"), ("v", "f_t")} <= edges
    assert ("f_t", "W_c @ v") not in edges


@pytest.mark.parametrize("kind", KINDS)
def test_graph_has_every_line_once(kind: str) -> None:
    stage = traced(kind).stages[0]
    found = flow(stage)
    names = [line.name for spot in found.spots for line in spot.lines]
    assert sorted(names) == sorted(line.name for line in stage.lines)
    drawn = sum(spot.kind in ("box", "circle") for spot in found.spots)
    assert drawn <= 16
    assert_paths(found, stage)


def assert_paths(found: CellGraph, stage: Any) -> None:
    """An edge for each operand that another spot makes, and no other."""
    owner = {line.name: spot.key for spot in found.spots for line in spot.lines}
    owner |= {spot.line: spot.key for spot in found.spots if spot.kind == "source"}
    wanted = {
        (owner[name], spot.key)
        for spot in found.spots
        for line in spot.lines
        for name in line.reads
        if name in owner and owner[name] != spot.key
    }
    inner = {(e.source, e.target) for e in found.edges if not e.target.startswith("out:")}
    assert inner == wanted


def drawn(svg: str) -> ElementTree.Element:
    """The picture as a tree: it is well-formed XML."""
    return ElementTree.fromstring(svg)  # noqa: S314


def boxes(root: ElementTree.Element) -> list[tuple[float, float, float, float]]:
    """The nodes of a picture as rectangles."""
    found = []
    for group in root.iter(f"{SVG}g"):
        if group.get("class", "").split(" ")[0] in ("box", "circle", "source", "sink"):
            rect = group.find(f"{SVG}rect")
            assert rect is not None
            x, y, w, h = (float(rect.get(k, "")) for k in ("x", "y", "width", "height"))
            found.append((x, y, x + w, y + h))
    return found


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_overlaps(kind: str) -> None:
    root = drawn(diagram(traced(kind)))
    found = boxes(root)
    _, _, wide, tall = map(float, root.get("viewBox", "").split())
    assert len(found) >= 4
    for n, (left, top, right, bottom) in enumerate(found):
        assert left >= 0
        assert top >= 0
        assert right <= wide
        assert bottom <= tall
        for other in found[:n]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top


@pytest.mark.few(2)
@pytest.mark.parametrize("kind", KINDS)
def test_edges_run_forward_and_meet_no_box(kind: str) -> None:
    """Edges go to the right only, and their level parts pass between the nodes."""
    root = drawn(diagram(traced(kind)))
    found = boxes(root)
    ways = [g.find(f"{SVG}path") for g in root.iter(f"{SVG}g") if g.get("class") == "edge"]
    assert ways
    for way in ways:
        assert way is not None
        d = way.get("d", "")
        ends = [float(x) for x in re.findall(r"(?:M|H| )(\d+\.\d) ?(?:\d+\.\d)?(?=[CH]|$)", d)]
        assert all(a <= b + 8 for a, b in pairwise(ends)), d
        for y, x in re.findall(r"(\d+\.\d)H(\d+\.\d)", d):
            assert not any(top < float(y) < low and left < float(x) < right for left, top, right, low in found)


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", KINDS)
def test_edges_bend_beside_the_nodes(kind: str) -> None:
    """No point of an edge lies within a node: also not of a wide one above or below its narrow end."""
    root = drawn(diagram(traced(kind)))
    found = boxes(root)
    for group in root.iter(f"{SVG}g"):
        way = group.find(f"{SVG}path")
        if group.get("class") != "edge" or way is None:
            continue
        x = y = 0.0
        for mark, text in re.findall(r"([MCH])([^MCH]+)", way.get("d", "")):
            points = np.array(text.split(), float)
            s = np.linspace(0, 1, 50)[:, None]
            if mark == "C":
                a, b, c, d = np.array([x, y]), points[:2], points[2:4], points[4:]
                curve = a * (1 - s) ** 3 + 3 * b * s * (1 - s) ** 2 + 3 * c * s**2 * (1 - s) + d * s**3
            else:
                end = points if mark == "M" else np.array([points[0], y])
                curve = end if mark == "M" else np.array([x, y]) * (1 - s) + end * s
            for left, top, right, low in found:
                inside = (curve > (left + 1, top + 1)) & (curve < (right - 1, low - 1))
                assert not inside.all(axis=-1).any(), (group.get("data-from"), group.get("data-to"))
            x, y = np.reshape(curve, (-1, 2))[-1]


def bends(d: str) -> list[tuple[float, float]]:
    """The heights at which each curve of an edge begins and ends."""
    found, y = [], 0.0
    for mark, text in re.findall(r"([MCH])([^MCH]+)", d):
        if mark == "C":
            found.append((y, float(text.split()[-1])))
        y = float(text.split()[-1]) if mark != "H" else y
    return found


@pytest.mark.few(1)
@pytest.mark.parametrize("name", some(PICTURES, 6))
def test_a_long_edge_runs_level_between_its_ends(name: str) -> None:
    """However many columns it passes it bends where it leaves and where it arrives, and not by a few pixels between."""
    root = drawn(diagram(pictured(name)))
    for group in root.iter(f"{SVG}g"):
        way = group.find(f"{SVG}path")
        if group.get("class") == "edge" and way is not None:
            inner = bends(way.get("d", ""))[1:-1]
            assert all(begin == end for begin, end in inner), (group.attrib, way.get("d"))


def test_edges_that_cross_bend_where_they_have_to() -> None:
    """Two lanes that change places cannot both be level: the gaps are kept, and the rest stays level."""
    first: list[placement.Place] = ["a", *(("a", "z", k) for k in range(1, 5)), "z"]
    second: list[placement.Place] = ["b", *(("b", "y", k) for k in range(1, 5)), "y"]
    below = [(*((first[k], second[k]) if k < 3 else (second[k], first[k])), 14.0) for k in range(6)]
    wanted = {place: height for upper, lower, _ in below for place, height in ((upper, 10.0), (lower, 20.0))}
    found = placement.levelled(wanted, below, [first, second])
    assert all(found[lower] - found[upper] >= 14 - 1e-9 for upper, lower, _ in below)
    assert sum(abs(found[p] - found[q]) > 1e-9 for way in (first, second) for p, q in pairwise(way)) <= 2


def test_values_of_a_step() -> None:
    trace = traced("lstm")
    root = drawn(diagram(trace, t=2))
    found = {t.get("data-line"): t.text for t in root.iter(f"{SVG}text") if t.get("data-line")}
    for name in ("i_t", "f_t * c_prev", "c_t", "h_t", "c_tilde"):
        shown = [float(text.replace("−", "-")) for text in str(found[name]).split(", ")]
        assert shown == pytest.approx(trace[name][2, 0], abs=5e-4 + 1e-12)
    before = [float(text.replace("−", "-")) for text in str(found["c_prev"]).split(", ")]
    assert before == pytest.approx(trace["c_t"][1, 0], abs=5e-4 + 1e-12)


def test_text_instead_of_the_picture() -> None:
    root = drawn(diagram(traced("lstm"), t=1))
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title") == "The cell (step t = 1)"
    told = root.findtext(f"{SVG}desc") or ""
    assert "f_t = σ(z_f) ← x_t, h_{t-1}" in told
    assert "c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t ← f_t ⊙ c_{t-1}, i_t ⊙ c̃_t" in told


def test_hostile_names_and_titles() -> None:
    evil = "</style><script>alert(1)</script>\"'"
    cell = {"equations": "h_t = tanh(W_evil @ x_t + b_evil)"}
    trace = lt.run({"W_evil": [[1.0]], "b_evil": [0.5]}, [[1.0]], cell=cell, name=evil)
    root = drawn(diagram(trace))
    assert root.findtext(f"{SVG}title") == evil
    assert not list(root.iter(f"{SVG}script"))


def test_unknown_scope() -> None:
    with pytest.raises(MissingError, match="there is no '1/forward'"):
        diagram(traced("lstm"), "1/forward")


# -- layout ----------------------------------------------------------------------------------------------------------


def test_columns() -> None:
    nodes, edges = ["a", "b", "c", "d", "z"], [("a", "b"), ("b", "c"), ("a", "c"), ("a", "d"), ("d", "z")]
    assert placement.columns(nodes, edges, ["z"]) == {"a": 0, "b": 1, "c": 2, "d": 1, "z": 3}
    ways = placement.routes(edges, placement.columns(nodes, edges, ["z"]))
    assert ways["a", "c"] == ["a", ("a", "c", 1), "c"]
    assert ways["a", "b"] == ["a", "b"]


def test_order_takes_crossings_away() -> None:
    nodes = ["a", "b", "c", "x", "y", "z"]
    edges = [("a", "z"), ("b", "y"), ("c", "x")]
    column = placement.columns(nodes, edges, [])
    assert placement.order(nodes, column, placement.routes(edges, column), {0})[1] == ["z", "y", "x"]


@pytest.mark.parametrize("seed", range(5))
def test_apart_is_the_nearest(seed: int) -> None:
    """No other places that keep the gaps lie nearer to those that are wanted: a random search finds none."""
    rng = np.random.default_rng(seed)
    wanted, weights_, gaps = rng.normal(size=5) * 4, rng.uniform(1, 5, size=5), rng.uniform(0.5, 2, size=4)
    found = np.array(placement.apart(wanted.tolist(), weights_.tolist(), gaps.tolist()))
    assert (np.diff(found) >= gaps - 1e-9).all()

    def cost(places: Any) -> float:
        return float((weights_ * (places - wanted) ** 2).sum())

    for _ in range(300):
        other = found + rng.normal(size=5) * rng.choice([0.01, 0.3, 2.0])
        if (np.diff(other) >= gaps).all():
            assert cost(other) >= cost(found) - 1e-9


@pytest.mark.few(0)
def test_same_picture_every_time() -> None:
    stage = traced("slstm").stages[0]
    assert Diagram(stage).shapes == Diagram(stage).shapes


def test_chinese_fits_into_the_ends_of_the_picture() -> None:
    """A Chinese character is as wide as its font is high: six of 11 px need 66 px."""
    root = drawn(diagram(traced("lstm"), language="zh"))
    ends = [group for group in root.iter(f"{SVG}g") if group.get("class", "").split(" ")[0] == "sink"]
    assert len(ends) == 2
    for end in ends:
        rect = end.find(f"{SVG}rect")
        assert "到下一时间步" in "".join(end.itertext())
        assert rect is not None
        assert float(rect.get("width", "")) >= 66
