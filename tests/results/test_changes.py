"""What was changed between two traces, with its share of the change: against Shapley values of runs in numpy.

The Shapley value of a change is the mean of what it adds, over all orders in which the changes can be made: another
complete split, from 2^k runs of an LSTM in numpy. Both add up to the difference; they need not agree exactly.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.engine import plan_choice
from lstm_trace.languages.strings import words
from lstm_trace.results.changes import first
from lstm_trace.results.comparison import sentences
from lstm_trace.verification.compare import Comparison
from lstm_trace.verification.measures import Modifications

from ..support.plain_lstm import direction

T, WIDTH, H = 20, 2, 3
#: Shapley values that are nearer than this part of the change may be in another order: here products are halved.
NEAR = 0.025


def drawn(seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    found = {f"W_x{g}": draw.normal(0, 0.5, (H, WIDTH)) for g in "ifco"}
    found |= {f"W_h{g}": draw.normal(0, 0.5, (H, H)) for g in "ifco"} | {
        f"b_{g}": draw.normal(0, 0.3, H) for g in "ifco"
    }
    return found | {"x": draw.normal(size=(T, WIDTH)), "h0": draw.normal(0, 0.3, H), "c0": draw.normal(0, 0.3, H)}


def run(values: dict[str, Any], **options: Any) -> lt.Trace:
    weights = {name: array for name, array in values.items() if name[0] in "Wb"}
    return lt.run(weights, values["x"], h0=values["h0"], c0=values["c0"], **options)


def by_hand(values: dict[str, Any]) -> np.ndarray[Any, Any]:
    """h at every step."""
    return direction(values, values["x"], values["h0"], values["c0"], range(T))


def changed(values: dict[str, Any], seed: int) -> tuple[dict[str, Any], list[tuple[str, tuple[int, ...]]]]:
    """The values with one to five entries changed, some of them in sign."""
    draw = np.random.default_rng(1000 + seed)
    other, places = {name: array.copy() for name, array in values.items()}, []
    while len(places) < 1 + seed % 5:
        name = sorted(values)[draw.integers(len(values))]
        at = tuple(int(draw.integers(n)) for n in values[name].shape)
        if (name, at) not in places:
            places.append((name, at))
            other[name][at] = -values[name][at] if draw.random() < 0.3 else values[name][at] + draw.normal(0, 0.5)
    return other, places


def called(name: str, at: tuple[int, ...]) -> str:
    unit = ",".join(map(str, at[1:] if name == "x" else at))
    return f"{at[0]}/0/x_t[{unit}]" if name == "x" else f"0/forward/{'0/' if name[1:] == '0' else ''}{name}[{unit}]"


def shapley(values: dict[str, Any], other: dict[str, Any], places: list[Any], t: int, unit: int) -> list[float]:
    every = range(len(places))
    reached = {}
    for size in range(len(places) + 1):
        for chosen in combinations(every, size):
            some = {name: array.copy() for name, array in values.items()}
            for name, at in (places[k] for k in chosen):
                some[name][at] = other[name][at]
            reached[frozenset(chosen)] = by_hand(some)[t, unit]
    weight = [math.factorial(n) * math.factorial(len(places) - n - 1) / math.factorial(len(places)) for n in every]
    return [
        sum(weight[len(s)] * (reached[s | {k}] - value) for s, value in reached.items() if k not in s) for k in every
    ]


def changes(found: Comparison) -> Modifications:
    assert found.changes is not None
    return found.changes


def adds_up(found: Comparison, tolerance: float = 1e-12) -> None:
    """All shares are the largest change of the output."""
    made, output = changes(found), found.output
    assert output is not None
    assert made.rest is not None
    whole = output.values[1] - output.values[0]
    assert abs(made.residual) <= tolerance
    parts = sum(one.contribution or 0.0 for one in made.most)
    assert parts + made.rest + made.residual == pytest.approx(whole, abs=1e-14)


@pytest.mark.few(0)
@pytest.mark.parametrize("seed", range(40))
def test_every_change_is_named_in_the_order_of_its_share(seed: int) -> None:
    values = drawn(seed)
    other, places = changed(values, seed)
    found = lt.diff(run(values), run(other))
    made, gap = changes(found), np.abs(by_hand(other) - by_hand(values))
    t, unit = (int(n) for n in np.unravel_index(gap.argmax(), gap.shape))
    assert found.output is not None
    assert str(found.output.address) == f"0/forward/{t}/0/h_t[{unit}]"
    adds_up(found)
    assert (made.differences, made.arrays, made.why) == (len(places), (), None)
    expected = {called(*place): (values[place[0]][place[1]], other[place[0]][place[1]]) for place in places}
    assert {one.place: (one.a, one.b) for one in made.most} == expected
    parts = dict(zip(expected, shapley(values, other, places, t, unit), strict=True))
    whole = sum(parts.values())
    assert whole == pytest.approx(found.output.values[1] - found.output.values[0], abs=1e-13)
    order = [abs(parts[one.place]) for one in made.most]
    assert all(one > two - NEAR * abs(whole) for one, two in pairwise(order)), order
    assert order[0] == max(order)


def test_the_page_begins_with_what_was_changed() -> None:
    values = drawn(2)
    other = {name: array.copy() for name, array in values.items()}
    values["W_xf"][1, 0], other["W_xf"][1, 0] = -0.25, 0.375
    values["W_hc"][0, 2], other["W_hc"][0, 2] = 0.25, -0.25
    found = lt.diff(run(values), run(other))
    text = found.report("text")
    assert text.index("2 differences and") < text.index("first at ") < text.index("output: ") < text.index("Units")
    rows = [line.split() for line in text.splitlines() if line.startswith("  0/forward/W_") and "@" not in line]
    assert [row[:3] for row in rows] == [
        ["0/forward/W_xf[1,0]", "-0.25", "0.375"],
        ["0/forward/W_hc[0,2]", "0.25", "-0.25"],
    ], "by the addresses that JSON, the workbook and --attribute have"
    assert rows[1][3] == "(sign)"
    shares = [one.contribution or 0.0 for one in changes(found).most]
    assert [row[-3] for row in rows] == [f"{share:+.3g}" for share in shares]
    assert float(rows[0][-2]) + float(rows[1][-2]) == pytest.approx(100, abs=0.5)
    assert "input or weight" not in text, "they are in the table"
    assert re.search(r"changed +a +b +contribution +share", text)
    assert "2 differences and their exact contributions to the largest change" in " ".join(text.split())
    assert "most of all" not in text
    said = list(sentences(found, words()))
    assert said[2].startswith(f"changed: 0/forward/W_xf[1,0]: -0.25 → 0.375 ({shares[0]:+.3g}, ")
    data = json.loads(found.as_json())["changes"]
    assert [one["place"] for one in data["most"]] == ["0/forward/W_xf[1,0]", "0/forward/W_hc[0,2]"]
    assert (data["most"][0]["a"], data["most"][0]["contribution"], data["differences"]) == (-0.25, shares[0], 2)
    assert found.output is not None
    whole = found.output.values[1] - found.output.values[0]
    assert [one["share"] for one in data["most"]] == [share / whole for share in shares]
    split = json.loads(lt.attribute(run(values), run(other), str(found.output.address)).as_json())
    blocks = next(table["rows"] for table in split["more"] if table["title"] == "By block")
    vocabulary = {one["array"]: (one["contribution"], one["share"]) for one in data["most"]}
    assert {one["block"]: (one["contribution"], one["share"]) for one in blocks} == {
        place: pytest.approx(parts, abs=1e-14) for place, parts in vocabulary.items()
    }, "one vocabulary in both"


def test_of_many_the_ten_that_explain_most() -> None:
    values = drawn(3)
    draw = np.random.default_rng(9)
    other = {name: array + draw.normal(0, 0.01, array.shape) for name, array in values.items()}
    found = lt.diff(run(values), run(other))
    made = changes(found)
    adds_up(found)
    assert made.differences == sum(array.size for array in values.values())
    assert len(made.most) == 10
    assert found.output is not None
    frame = lt.attribute(run(values), run(other), str(found.output.address)).to_frame()
    largest = frame["contribution"].abs().sort_values(ascending=False)[:10]
    assert [abs(one.contribution or 0.0) for one in made.most] == pytest.approx(list(largest), abs=1e-15)
    assert sum(n for _, n, *_ in made.arrays) == made.differences - 10
    assert sum(part or 0.0 for _, _, part, _ in made.arrays) == pytest.approx(made.rest, abs=1e-14)
    whole = found.output.values[1] - found.output.values[0]
    assert [share for *_, share in made.arrays] == [(part or 0.0) / whole for _, _, part, _ in made.arrays]
    text = " ".join(found.report("text").split())
    assert f"The other {made.differences - 10}, by array or equation: " in text
    (rest,) = re.findall(r"all else ([+-][\d.e-]+) (-?[\d.]+) %", text)
    assert [*map(float, rest)] == pytest.approx([made.rest, 100 * (made.rest or 0.0) / whole], rel=5e-3)


@pytest.mark.few(0)
def test_what_is_not_listed_is_counted_and_what_is_nothing_is_0() -> None:
    """A cell with other equations, of which ten differences are listed; and x, whose other entries come too late to
    have a share, although sums of the others round.
    """
    values, draw = drawn(3), np.random.default_rng(2)
    gru = {f"W_x{g}": draw.normal(size=(H, WIDTH)) for g in "ruh"} | {
        f"W_h{g}": draw.normal(size=(H, H)) for g in "ruh"
    }
    other = lt.run(gru, values["x"][:6] + 0.25, cell={"kind": "gru"})
    found = lt.diff(run(values | {"x": values["x"][:6]}), other)
    made = changes(found)
    assert made.differences == sum(one.entries for one in made.most) + sum(n for _, n, *_ in made.arrays)
    (kind,) = (one for one in made.most if one.place == "kind")
    assert (kind.a, kind.b) == ("lstm", "gru")
    adds_up(found)
    text = " ".join(found.report("text").split())
    assert made.following == 16, "equations that only one has, or has otherwise: they are no differences of their own"
    assert f"{made.differences} differences (16 equations differ as a result) and their exact" in text
    assert f"The other {made.differences - 10}, by array or equation: " in text

    for values in map(drawn, (2, 7, 9, 12, 15, 22)):
        step = values["x"] + np.where(np.arange(T) < 4, 1.0, 1e-3)[:, None]
        found = lt.diff(run(values), run(values | {"x": step, "b_o": values["b_o"] + 0.1}))
        assert found.output is not None
        assert 2 * ((found.output.address.t or 0) + 1) < 10, "all entries until then are named"
        assert changes(found).arrays == (("x", 33, 0.0, 0.0),)
        assert "by array or equation: x (33)." in " ".join(found.report("text").split())


def test_a_share_of_0_is_of_one_value() -> None:
    """x at the last step has no effect on the value, which is before it; the output changes there all the same."""
    values = drawn(3)
    step = values["x"].copy()
    step[2] += 2.0
    step[T - 1, 0] += 0.125
    found = lt.diff(run(values), run(values | {"x": step}))
    assert found.output is not None
    assert (found.output.address.t or 0) < T - 1
    assert found.output.at_end > 0
    page = found.report("text").splitlines()
    (row,) = (line.split() for line in page if line.startswith(f"  {T - 1}/0/x_t[0]"))
    assert row[-1] == "0"
    assert len(row) == 4, "no 0 %"
    (way,) = re.findall(r"0: no effect .*? at the last step: --attribute '(\S+)'\.", " ".join(page))
    assert way == str(found.output.end) != str(found.output.address)
    step[T - 1, 0] -= 0.125
    assert "0: no effect" not in lt.diff(run(values), run(values | {"x": step})).report("text")


@pytest.mark.few(0)
def test_parts_above_all_of_it_have_a_decimal() -> None:
    """Printed percentages add up to 100, as far as three digits of the others go."""
    for seed in range(12):
        values = drawn(seed)
        other, _ = changed(values, 3)
        text = lt.diff(run(values), run(other)).report("text")
        parts = [row.split()[-2] for row in text.split("\n- ")[0].splitlines() if row.endswith("%")]
        assert sum(map(float, parts)) == pytest.approx(100, abs=0.051 * len(parts)), parts


def test_the_picture_has_the_line_that_the_page_is_about() -> None:
    """c of every unit moves furthest, and what is split is a value of h."""
    values = drawn(3)
    other = values | {"c0": values["c0"] + 3.0}
    found = lt.diff(run(values), run(other))
    assert {unit.line for unit in found.units} == {"c_t"}
    picture = found.picture("en")
    assert picture is not None
    assert [*dict.fromkeys(name.split("[")[0] for name in picture.data.columns)][-2:] == ["c_t", "h_t"]
    gap = np.abs(by_hand(other) - by_hand(values))
    assert picture.data[[f"h_t[{j}]" for j in range(H)]].to_numpy() == pytest.approx(gap, abs=1e-14)


@pytest.mark.parametrize("at", [0, 3])
def test_a_token_is_one_change(at: int) -> None:
    """x is a row of an embedding: its entries are changed together, and the step has a label on each side."""
    draw = np.random.default_rng(5)
    weights = {f"W_x{g}": draw.normal(size=(H, 5)) for g in "ifco"} | {
        f"W_h{g}": draw.normal(size=(H, H)) for g in "ifco"
    }
    x = draw.normal(size=(6, 2, 5))
    other = x.copy()
    other[at, 1] = draw.normal(size=5)
    other[4, 1, 2] += 0.5
    labels = [["so", "I", "did", "like", "it", "!"]] * 2
    a, b = (
        lt.run(weights, x, tokens=labels),
        lt.run(weights, other, tokens=[labels[0], ["hate" if t == at else word for t, word in enumerate(labels[1])]]),
    )
    found = lt.diff(a, b)
    adds_up(found)
    (step,) = (one for one in changes(found).most if one.entries > 1)
    assert (step.place, step.a, step.b, step.entries) == (f"{at}/1/x_t", labels[1][at], "hate", 5)
    assert found.output is not None
    frame = lt.attribute(a, b, str(found.output.address)).to_frame()
    assert step.contribution == pytest.approx(
        frame[(frame["kind"] == "input") & (frame["t"] == at)]["contribution"].sum(), abs=1e-14
    )
    if len(changes(found).most) > 1:
        assert changes(found).most[1].place == "4/1/x_t[2]"


def test_some_steps_and_values_that_are_near() -> None:
    """Addresses count the steps of the input, and numbers that six digits do not distinguish have all of them."""
    values = drawn(4)
    other = {name: array.copy() for name, array in values.items()}
    values["x"][5, 1], other["x"][5, 1] = 0.1, 0.1000001
    a, b = (run(one).at(steps=slice(3, 9)) for one in (values, other))
    found = lt.diff(a, b)
    adds_up(found)
    (one,) = changes(found).most
    assert (one.place, one.a, one.b) == ("5/0/x_t[1]", 0.1, 0.1000001)
    assert "5/0/x_t[1]  0.1  0.1000001 " in found.report("text")


# -- other equations ---------------------------------------------------------------------------------------------------


def cases() -> dict[str, tuple[lt.Trace, lt.Trace, set[str], set[str]]]:
    """Two traces, the equations that differ, and the options."""
    values = drawn(1)
    a, draw = run(values), np.random.default_rng(4)
    seen = values | {f"w_c{g}": draw.normal(0, 0.4, H) for g in "ifo"}
    other = {name: array.copy() for name, array in values.items()}
    other["W_xf"][1, 0] += 0.5
    gates, model = {"z_i", "z_f", "z_o"}, lt.prepare({n: v for n, v in values.items() if n[0] in "Wb"})
    fed = {"x": values["x"], "h0": values["h0"], "c0": values["c0"]}
    peephole = lt.run({n: v for n, v in seen.items() if n[0] in "Wbw"}, **fed, options={"peephole": True})
    coupled = {n: v for n, v in values.items() if not n.endswith("f")}
    single = {n: np.asarray(v, np.float32) for n, v in values.items()}
    swapped = (
        "z_i = W_xi @ x_t + W_hi @ h_prev + b_i\nz_f = W_xf @ x_t + W_hf @ h_prev + b_f\n"
        "z_c = W_xc @ x_t + W_hc @ h_prev + b_c\nz_o = W_xo @ x_t + W_ho @ h_prev + b_o\n"
        "i_t = sigmoid(z_i)\nf_t = sigmoid(z_f)\nc_tilde = tanh(z_c)\no_t = sigmoid(z_o)\n"
        "c_t = i_t * c_prev + f_t * c_tilde\nh_t = o_t * tanh(c_t)\n"
        "carry: h_prev <- h_t, c_prev <- c_t\noutput: h_t"
    )
    return {
        "peepholes": (a, peephole, gates, {"peephole"}),
        "no peepholes": (peephole, a, gates, {"peephole"}),
        "another activation, and a weight": (
            a,
            run(other, options={"candidate_activation": "relu"}),
            {"c_tilde"},
            {"candidate_activation"},
        ),
        "coupled gates": (a, run(coupled, options={"coupled": True}), {"f_t", "z_f"}, {"coupled"}),
        "a forget bias": (a, run(values, options={"forget_bias": 1.0}), {"z_f"}, {"forget_bias"}),
        "swapped gates": (
            a,
            lt.run({n: v for n, v in values.items() if n[0] in "Wb"}, **fed, cell={"equations": swapped}),
            {"c_t"},
            set(),
        ),
        "held": (a, model.run(**fed, hold={"0/forward/c_t[1]": 0.0}), set(), set()),
        "scaled": (a, model.run(**fed, hold={"0/forward/f_t[1]": "*0.5"}), set(), set()),
        "rounded by hand": (a, run(values, arithmetic="by-hand-2"), set(), {"arithmetic"}),
        "float32": (a, run(single), set(), {"dtype"}),
    }


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[lt.Trace, lt.Trace, set[str], set[str]]]:
    return cases()


NORMAL, BIASED = {"layer_norm": True, "layer_norm_cell": True}, {"forget_bias": 1.0}
NAMES = (
    "peepholes", "no peepholes", "another activation, and a weight", "coupled gates", "a forget bias", "swapped gates",
    "held", "scaled", "rounded by hand",
)  # fmt: skip


@pytest.mark.few(0)
@pytest.mark.parametrize("name", NAMES)
def test_an_equation_has_the_share_that_no_premise_has(name: str, pairs: dict[str, Any]) -> None:
    a, b, equations, options = pairs[name]
    found = lt.diff(a, b)
    made = changes(found)
    adds_up(found)
    by_kind = {
        kind: {one.place.removeprefix("0/forward/") for one in made.most if one.kind == kind}
        for kind in ("equation", "option")
    }
    assert by_kind == {"equation": set() if options else equations, "option": options}
    assert made.following == (len(equations) if options else 0), "one that was written is its own"
    assert made.differences == len(made.most)
    (*note,) = (one for one in sentences(found, words()) if one.startswith("note: 0/forward: the cells differ"))
    assert len(note) == bool(made.following), "what an option changes is not in the table"
    assert all(equation in text for equation in equations for text in note)
    premises = {one.place: one.contribution for one in made.most if one.kind == "parameter"}
    assert [*premises] == (["0/forward/W_xf[1,0]"] if name == "another activation, and a weight" else [])
    assert all(premises.values()), "b's weight is read through a's equations, not a's own"
    for of in (str(found.output.address) if found.output is not None else "", "1/h_t[2]"):
        same = lt.attribute(a, b, of)
        (t, unit) = (int(n) for n in re.findall(r"(\d+)/0?/?h_t\[(\d)", of)[0])
        assert same.split.difference == b["h_t"][t, 0, unit] - a["h_t"][t, 0, unit]
        assert abs(same.split.residual) <= 1e-12, "of any value, what diff splits"
        assert (found.output is None or of != str(found.output.address)) or same.split.total == pytest.approx(
            sum(one.contribution or 0.0 for one in made.most) + (made.rest or 0.0), abs=1e-14
        )
    if not premises:  # they alone differ, so that they explain everything
        assert found.output is not None
        one, two = found.output.values
        assert sum(change.contribution or 0.0 for change in made.most) == pytest.approx(two - one, abs=1e-12)


@pytest.mark.few(0)
@pytest.mark.parametrize("more", [{"cell_clip": 0.5}, {"cell_clip": 0.5, "forget_bias": 1.0}])
def test_an_option_has_the_shares_of_the_equations_that_follow_from_it(more: dict[str, Any]) -> None:
    """The same cell written as equations has a share for each."""
    values, draw = drawn(1), np.random.default_rng(4)
    seen = values | {f"w_c{g}": draw.normal(0, 0.4, H) for g in "ifo"}
    fed = {"x": values["x"], "h0": values["h0"], "c0": values["c0"]}
    b = lt.run({n: v for n, v in seen.items() if n[0] in "Wbw"}, **fed, options={"peephole": True, **more})
    written = replace(b, header=replace(b.header, kind="equations", options={}))
    equations = {one.place.removeprefix("0/forward/"): one for one in changes(lt.diff(run(values), written)).most}
    assert equations.keys() == {"z_i", "z_f", "z_o", "c_t"}
    made = changes(lt.diff(run(values), b))
    listed = {one.place: one.contribution for one in made.most}
    shared = {"0/forward/z_f": equations["z_f"].contribution, "forget_bias": None} if "forget_bias" in more else {}
    gates = ("z_i", "z_o") if shared else ("z_i", "z_o", "z_f")
    whole = sum(equations[name].contribution or 0.0 for name in gates)
    exact = {"peephole": whole, "cell_clip": equations["c_t"].contribution} | shared
    assert listed == {place: part if part is None else pytest.approx(part, abs=1e-15) for place, part in exact.items()}
    assert (made.differences, made.following) == (2 + bool(shared), 4)


@pytest.mark.few(0)
def test_options_of_the_network_and_options_that_change_many_equations() -> None:
    """The shares of the same cells written as equations."""
    values, draw = drawn(1), np.random.default_rng(4)
    weights = {n: v for n, v in values.items() if n[0] in "Wb"}
    both = {f"0/{way}/{n}": v for way in ("forward", "reverse") for n, v in weights.items()}
    gains = {
        f"{name}_{of}": draw.normal(1, 0.2, H) for name in ("gamma", "beta") for of in ("i", "f", "c", "o", "cell")
    }
    normal, plain = lt.run(weights | gains, values["x"], options=NORMAL), lt.run(weights, values["x"])
    merged = [lt.run(both, values["x"], options=more) for more in ({"merge": "sum"}, {"merge": "mean", **BIASED})]
    for a, b, owners in (
        (*merged, {"y_t": "merge", "z_f": "forget_bias"}),
        (plain, normal, {"h_t": "layer_norm_cell"}),
        (normal, plain, {"h_t": "layer_norm_cell"}),
    ):
        written = replace(b, header=replace(b.header, kind="equations", options={}))
        parts: dict[str, float] = {}
        for one in changes(lt.diff(a, written)).most:
            if one.kind == "equation":
                owner = owners.get(one.place.rpartition("/")[2], "layer_norm")
                parts[owner] = parts.get(owner, 0.0) + (one.contribution or 0.0)
        found = {
            one.place: one.contribution for one in changes(lt.diff(a, b)).most if one.kind in ("option", "equation")
        }
        assert found == pytest.approx(parts, abs=1e-14)
        assert len(found) == 2


def test_of_runs_over_other_steps_the_common_ones_are_split() -> None:
    values = drawn(2)
    a, b = run(values), run(values | {"x": values["x"][:7], "b_o": values["b_o"] + 0.5})
    split = lt.attribute(a, b, "5/h_t[1]").split
    assert split.difference == b["h_t"][5, 0, 1] - a["h_t"][5, 0, 1]
    assert split.parts["0/forward/b_o"].sum() == pytest.approx(split.difference, abs=1e-14)
    with pytest.raises(lt.MissingError, match=r"9/h_t\[1\]"):
        lt.attribute(a, b, "9/h_t[1]")


def test_lines_held_at_other_values() -> None:
    values = drawn(1)
    model = lt.prepare({n: v for n, v in values.items() if n[0] in "Wb"})
    found = lt.diff(*(model.run(values["x"], hold={"4/c_t[1]": value}) for value in (0.25, 0.5)))
    adds_up(found)
    (one,) = changes(found).most
    assert (one.kind, one.place, one.a, one.b) == ("given", "0/forward/4/0/c_t[1]", 0.25, 0.5)


def test_a_float32_copy_of_the_weights_is_no_change_of_them() -> None:
    values = drawn(1)
    weights = {n: v for n, v in values.items() if n[0] in "Wb"}
    a, b = (lt.run(weights, values["x"], dtype=dtype) for dtype in ("float64", "float32"))
    assert lt.diff(a, b).verdict == "same"
    b.lines["0/forward"]["h_t"][3, 0, 1] += 0.25
    found = lt.diff(a, b)
    (one,) = changes(found).most
    assert (one.place, one.a, one.b) == ("dtype", "float64", "float32")


def test_an_equation_does_not_follow_from_another_type_of_numbers() -> None:
    each = zip(("h_t = tanh(W @ x_t)", "h_t = W @ x_t"), ("float64", "float32"), strict=True)
    a, b = (lt.run({"W": np.eye(2)}, [[0.5, 1.0]], cell={"equations": text}, dtype=dtype) for text, dtype in each)
    made = changes(lt.diff(a, b))
    assert {one.kind for one in made.most} == {"equation", "option"}
    assert made.following == 0
    assert made.differences == len(made.most)


def test_a_line_of_weights_alone_that_only_one_has() -> None:
    rng = np.random.default_rng(5)
    texts = ("h_t = exp(g) * (W @ x_t)", "h_t = W @ x_t")
    weights = ({"W": rng.normal(size=(2, 2)), "g": [0.5]}, {"W": rng.normal(size=(2, 2))})
    a, b = (lt.run(w, [[0.5, 1.0]], cell={"equations": text}) for w, text in zip(weights, texts, strict=True))
    for found in (lt.diff(a, b), lt.diff(b, a)):
        assert found.verdict == "different"
        adds_up(found)


def test_values_of_another_program_explain_themselves() -> None:
    """Only h of each step is in the file; the other lines follow from it."""
    values = drawn(1)
    a = run(values)
    h = a["h_t"].copy()
    h[5, 0, 1] += 0.01
    found = lt.diff(a, replace(a, lines={"0/forward": {"h_t": h}}))
    adds_up(found)
    (one,) = changes(found).most
    assert (one.kind, one.place, one.a, one.b) == ("line", "0/forward/5/0/h_t[1]", a["h_t"][5, 0, 1], h[5, 0, 1])
    assert one.contribution == pytest.approx(0.01, rel=1e-12)
    assert "5/0/h_t[1] (set, not computed)" in found.report("text")


def test_a_line_that_does_not_differ_was_not_changed() -> None:
    """c of each step is a's own, though it does not follow from the other program's h; h is off at three steps."""
    values = drawn(1)
    a = run(values)
    h = a["h_t"].copy()
    h[[4, 5, 6], 0, 1] += [0.01, 0.02, 0.03]
    found = lt.diff(a, replace(a, lines={"0/forward": {"c_t": a["c_t"], "h_t": h}}))
    made = changes(found)
    (one,) = made.most
    assert (one.kind, one.place, one.entries, made.differences) == ("line", "0/forward/h_t", 3, 1)
    assert "h_t (set, not computed; 3 values differ)" in found.report("text")
    share = f"{100 * (one.share or 0.0):.3g} %"
    there = first(found, words()).replace("\u00a0", " ")
    assert there == f"0/forward/h_t (set, not computed; 3 values differ) ({share})", "and no others"


@pytest.mark.few(0)
def test_what_one_side_holds_is_a_difference_from_computed_to_its_value() -> None:
    """Two lines held at one step each; what is held after the value has no share in it."""
    values = drawn(1)
    model = lt.prepare({n: v for n, v in values.items() if n[0] in "Wb"})
    fed = {"x": values["x"], "h0": values["h0"], "c0": values["c0"]}
    plain, held = model.run(**fed), model.run(**fed, hold={"2/f_t[0]": 0.125, "15/c_t[1]": "*0.5"})
    found = lt.diff(plain, held)
    adds_up(found)
    assert found.output is not None
    there = ("computed", 0.125), ("computed", "0.5 times its own value")
    data = {one["place"]: (one["a"], one["b"]) for one in json.loads(found.as_json())["changes"]["most"]}
    assert data == dict(zip(("0/forward/2/0/f_t[0]", "0/forward/15/0/c_t[1]"), there, strict=True))
    assert {one.kind for one in changes(found).most} == {"given"}
    t = found.output.address.t or 0
    shares = {one.place: one.contribution for one in changes(found).most}
    assert (shares["0/forward/15/0/c_t[1]"] == 0) == (t < 15)
    assert sum(share or 0.0 for share in shares.values()) == pytest.approx(
        float(np.subtract(*found.output.values[::-1])), abs=1e-13
    )
    text = lt.diff(held, plain).report("text")
    assert re.search(r"2/0/f_t\[0\] +0.125 +computed ", text)
    assert changes(found).differences == 2


def test_what_is_held_in_one_sequence_has_no_share_in_another() -> None:
    values = drawn(2)
    model = lt.prepare({n: v for n, v in values.items() if n[0] in "Wb"})
    x = np.stack([values["x"], values["x"][::-1]], axis=1)
    rows = set()
    for one, two in ((0.0, 0.9), (0.9, 0.0)):  # the lower value is the first, in either sequence
        for inputs in (x, x[:, ::-1]):
            held = model.run(inputs, hold={"3/0/f_t[2]": one, "3/1/f_t[2]": two})
            found = lt.diff(model.run(inputs), held)
            assert found.output is not None
            adds_up(found)
            row = found.output.address.b
            rows.add((row, one))
            shares = {change.place: change.contribution for change in changes(found).most}
            assert shares[f"0/forward/3/{1 - (row or 0)}/f_t[2]"] == 0
            assert shares[f"0/forward/3/{row}/f_t[2]"]
    assert len(rows) > 1


def test_lengths_without_effect_on_the_valid_steps() -> None:
    values = drawn(1)
    weights, x = {n: v for n, v in values.items() if n[0] in "Wb"}, np.stack([values["x"], values["x"][::-1]], 1)
    found = lt.diff(*(lt.run(weights, x, lengths=[T, n]) for n in (T, 12)))
    (one,) = changes(found).most
    assert (one.kind, one.place, one.a, one.b, one.contribution) == ("valid", "lengths[1]", 20.0, 12.0, None)
    assert "the same at every valid step" in found.report("text")


@pytest.mark.few(0)
def test_what_is_padding_in_both_is_never_read() -> None:
    """x at such a step is no difference; in the sequence that is longer, it is."""
    values = drawn(1)
    weights, x = {n: v for n, v in values.items() if n[0] in "Wb"}, np.stack([values["x"], values["x"][::-1]], 1)
    other = x.copy()
    other[15, :, 0] += 0.25
    a, b = (lt.run(weights, each, lengths=[T, 12]) for each in (x, other))
    (one,) = changes(lt.diff(a, b)).most
    assert (one.place, changes(lt.diff(a, b)).differences) == ("15/0/x_t[0]", 1)
    read = lt.run(weights, other, lengths=[T, 17])
    places = {change.place for change in changes(lt.diff(a, read)).most}
    assert places == {"lengths[1]", "15/0/x_t[0]", "15/1/x_t[0]"}
    other[15, 0, 0] -= 0.25
    assert lt.diff(a, lt.run(weights, other, lengths=[T, 12])).verdict == "same"


def test_numbers_have_the_digits_that_distinguish_them() -> None:
    """-0.1 - 0.2 has 17 digits, and six are enough; a weight of -0 is 0."""
    a, b = (
        lt.run({"W_x": [[w]], "b": [-0.2]}, [[1.0]], cell={"equations": "h_t = W_x @ x_t + b"}) for w in (-0.0, -0.1)
    )
    text = lt.diff(a, b).report("text")
    assert float(b["h_t"].item()) == -0.1 - 0.2 != -0.3
    assert re.search(r"W_x\[0,0\] +0 +-0\.1 ", text)
    assert "W_x @ x_t[0] (in computing order): a has 0, b has -0.1" in " ".join(text.split())
    near = lt.run({"W_x": [[1e-9]], "b": [-0.2]}, [[1.0]], cell={"equations": "h_t = W_x @ x_t + b"})
    text = " ".join(lt.diff(a, near).report("text").split())
    assert text.count(f"from -0.2 to {near['h_t'].item()!r} (+1e-09)") == 1
    assert f"changes most, by +1e-09 (from -0.2 to {near['h_t'].item()!r})" in text
    assert f"a has -0.2, b has {near['h_t'].item()!r}" in str(lt.attribute(a, near, of="h_t[0]").report())
    h = [replace(trace, lines={"0/forward": {"h_t": trace["h_t"]}}) for trace in (a, b)]
    assert "a has -0.2, b has -0.3" in " ".join(lt.diff(*h).report("text").split())


def test_lengths_that_the_output_depends_on() -> None:
    """The reverse direction begins at another step, and so does its state at step 0."""
    draw = np.random.default_rng(7)
    weights = {f"0/reverse/W_{s}{g}": draw.normal(size=(H, WIDTH if s == "x" else H)) for s in "xh" for g in "ifco"}
    x = draw.normal(size=(6, 2, WIDTH))
    found = lt.diff(*(lt.run(weights, x, lengths=[6, n], options={"direction": "reverse"}) for n in (6, 4)))
    adds_up(found)
    (one,) = changes(found).most
    assert (one.place, one.a, one.b) == ("lengths[1]", 6.0, 4.0)
    assert found.output is not None
    assert one.contribution == pytest.approx(found.output.values[1] - found.output.values[0], abs=1e-13)


def test_each_length_that_differs_is_named_and_the_share_is_that_of_its_sequence() -> None:
    draw = np.random.default_rng(7)
    weights = {f"0/reverse/W_{s}{g}": draw.normal(size=(H, WIDTH if s == "x" else H)) for s in "xh" for g in "ifco"}
    x = draw.normal(size=(6, 3, WIDTH))
    runs = (lt.run(weights, x, lengths=[n, 5, m], options={"direction": "reverse"}) for n, m in ((6, 3), (4, 2)))
    found = lt.diff(*runs)
    adds_up(found)
    assert found.output is not None
    row, whole = found.output.address.b, found.output.values[1] - found.output.values[0]
    shares = {one.place: (one.a, one.b, one.contribution) for one in changes(found).most}
    parts = {b: pytest.approx(whole, abs=1e-13) if b == row else 0.0 for b in (0, 2)}
    assert shares == {"lengths[0]": (6.0, 4.0, parts[0]), "lengths[2]": (3.0, 2.0, parts[2])}
    assert changes(found).differences == 2


def test_a_change_that_six_digits_do_not_show_has_all_of_them() -> None:
    values = drawn(2)
    other = {name: array.copy() for name, array in values.items()}
    other["W_xf"][1, 0] += 1e-9
    found = lt.diff(run(values), run(other))
    assert found.output is not None
    a, b = map(repr, map(float, found.output.values))
    assert f"{float(a):.6g}" == f"{float(b):.6g}"
    assert " ".join(found.report("text").split()).count(f"from {a} to {b} (") == 1
    assert f"(from {a} to {b})" in " ".join(found.report("text").split())


def test_whether_the_first_line_is_correct_but_for_rounding() -> None:
    """By hand, of its own; edited, by more than rounding; in float64, by nothing."""
    values = drawn(1)
    other = values | {"W_xi": values["W_xi"] + 0.5}
    a, b, hand = run(values), run(other), run(other, arithmetic="by-hand-2")

    def cause(found: Comparison) -> str:
        return [*sentences(found, words())][1]

    local = found.first.first_local if (found := lt.diff(a, hand)).first else None
    assert local
    assert cause(found).startswith(f"the line itself is correct (local error {local:.3g}, from rounding); the differ")
    assert cause(lt.diff(a, b)).startswith("the line itself is correct (local error 0); the difference")
    b.lines["0/forward"]["W_xi @ x_t"][0, 0, 0] += 2.0**-10
    off = b["W_xi @ x_t"][0, 0, 0] - a["W_xi @ x_t"][0, 0, 0]
    assert cause(lt.diff(a, b)).startswith(f"its own error is 0.000977; the rest of the difference of {abs(off):.3g} ")


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize("start", [0, 1])
def test_what_counts_from_1_is_said_beside_addresses(start: int, batch: int) -> None:
    """An address has slashes, and counts from 0, where a printed one would not be unique: in a batch."""
    values = drawn(2)
    weights, x = {n: v for n, v in values.items() if n[0] in "Wb"}, np.stack([values["x"]] * batch, axis=1)
    a, b = (lt.run({"weights": weights, "x": one, "count_from": start}) for one in (x, x + 0.5))
    text = " ".join(lt.diff(a, b).report("text").split())
    slashes = start == 0 or batch > 1
    assert ("first at 0/forward/0/0/W_xi @ x_t[0]" in text) == slashes
    assert ("first at W_xi @ x_1[1]" in text) != slashes
    assert text.count("those of an address count from 0") == (start and slashes)
    other = lt.run({"weights": weights, "x": x, "count_from": 1 - start})
    note = f"b counts steps and units from {1 - start}; here they are counted from {start}, as in a"
    assert note in lt.diff(a, other).notes
    assert note not in lt.diff(a, b).notes


def test_a_value_that_is_not_finite_later_leaves_the_shares() -> None:
    values = drawn(1)
    other = {name: array.copy() for name, array in values.items()}
    other["W_xf"][1, 0] += 0.5
    other["x"][10, 1] = np.nan
    found = lt.diff(run(values), run(other))
    adds_up(found)
    nan, weight = changes(found).most
    assert (nan.place, nan.contribution) == ("10/0/x_t[1]", 0.0)
    assert found.output is not None
    assert (found.output.address.t or 0) < 10
    assert weight.contribution == pytest.approx(found.output.values[1] - found.output.values[0], abs=1e-13)


def test_why_there_are_no_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    values = drawn(1)
    other = {name: array.copy() for name, array in values.items()}
    other["b_o"][2] += 0.5
    a, b = run(values), run(other)
    for lacking in (a, b):
        kept = lacking.lines["0/forward"].pop("tanh(c_t)")
        found = lt.diff(a, b)
        assert (changes(found).why is None) == (lacking is b), "b's lines follow from its others"
        lacking.lines["0/forward"]["tanh(c_t)"] = kept
    monkeypatch.setattr(plan_choice, "SPLIT_BYTES", 10)
    found = lt.diff(a, b)
    (one,) = changes(found).most
    assert (one.place, one.a, one.b, one.contribution) == ("0/forward/b_o[2]", values["b_o"][2], other["b_o"][2], None)
    assert found.output is not None
    text = " ".join(found.report("text").split())
    assert f"One difference. To split a change of the output exactly: --attribute '{found.output.address}'." in text
    assert f"b_o[2] {values['b_o'][2]:.6g} {other['b_o'][2]:.6g}" in text


@pytest.mark.few(0)
def test_layers_in_both_directions() -> None:
    draw = np.random.default_rng(6)
    weights = {}
    for layer, width in ((0, WIDTH), (1, 2 * H)):
        for way in ("forward", "reverse"):
            weights |= {f"{layer}/{way}/W_x{g}": draw.normal(0, 0.4, (H, width)) for g in "ifco"}
            weights |= {f"{layer}/{way}/W_h{g}": draw.normal(0, 0.4, (H, H)) for g in "ifco"}
    other = {name: array.copy() for name, array in weights.items()}
    other["0/reverse/W_hf"][0, 1] += 1.0
    x = draw.normal(size=(8, 2, WIDTH))
    found = lt.diff(lt.run(weights, x), lt.run(other, x))
    adds_up(found)
    (one,) = changes(found).most
    assert one.place == "0/reverse/W_hf[0,1]"
    assert "0/reverse/W_hf[0,1]" in found.report("text"), "with its layer, where there are several"


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        ("W @ x_t + 0.5 * c_prev", "V @ x_t + 0.5 * c_prev"),
        ("outer(W @ x_t, x_t) + 0.5 * c_prev", "V @ x_t + 0.5 * c_prev"),
        ("W @ x_t + 0 * c_prev[0]", "concat(W @ x_t, W @ x_t) + 0 * c_prev[0]"),
        ("W @ x_t + 0 * c_prev", "2 * (W @ x_t) + 0 * c_prev"),
    ],
)
@pytest.mark.parametrize("record", [None, {"lines": ["s_t"]}])
def test_a_line_that_reads_another_s_values_is_not_said_to_be_set(of_a: str, of_b: str, record: Any) -> None:
    rng = np.random.default_rng(0)
    drawn, x = {"W": rng.normal(size=(3, 2)), "V": rng.normal(size=(2, 2))}, rng.normal(size=(3, 1, 2))
    texts = (f"c_t = {text}\ns_t = sum(c_t)\ncarry: c_prev <- c_t\noutput: s_t" for text in (of_a, of_b))
    a, b = (
        lt.run({n: drawn[n] for n in drawn if f"{n} @" in text}, x, cell={"equations": text}, record=record)
        for text in texts
    )
    changes = lt.diff(a, b).changes
    assert changes is not None
    assert [(one.kind, one.place) for one in changes.most] == [("equation", "0/forward/c_t")]
    assert (changes.why is None) == (of_b[0] == "2" and record is None)  # it is split
