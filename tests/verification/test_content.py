"""What the weights of one model are of those of another: each change is written out in numpy, and its sentence is the
one that is printed; and nothing is claimed where numbers agree by chance or not at all.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.base.arrays import Array
from lstm_trace.cli import main
from lstm_trace.errors import OptionError
from lstm_trace.languages.strings import words
from lstm_trace.verification.content import Weights, content

from .. import ROOT

Net = dict[str, dict[str, Array]]
Change = Callable[[str, str, Array], Array]
H, WIDTH = 5, 3
MODELS = ROOT.parent / "shared" / "models"


def net(
    seed: int,
    h: int = H,
    width: int = WIDTH,
    layers: int = 2,
    directions: int = 1,
    biases: str = "xh",
    dtype: Any = "f4",
    gates: str = "ifco",
) -> Net:
    draw, found = np.random.default_rng(seed), Net()
    for layer in range(layers):
        for direction in ("forward", "reverse")[:directions]:
            read = width if layer == 0 else h * directions
            shapes = {"W_x": (h, read), "W_h": (h, h), **{f"b_{half.strip()}": (h,) for half in biases}}
            names = {f"{stem}{gate}": shape for stem, shape in shapes.items() for gate in gates}
            found[f"{layer}/{direction}"] = {n: draw.normal(size=shape).astype(dtype) for n, shape in names.items()}
    return found


def said(a: Weights, b: Weights) -> list[str]:
    return [remark.said(words("en")) for remark in content(a, b)]


def changed(a: Net, change: Change) -> Net:
    return {scope: {name: change(scope, name, array) for name, array in here.items()} for scope, here in a.items()}


def renamed(a: Net, names: Callable[[str], str]) -> Net:
    """Each weight is that of a with another name."""
    return {scope: {name: here[names(name)] for name in here} for scope, here in a.items()}


def of(*stems: str) -> Callable[[Change], Change]:
    """The change of these weights alone."""
    return lambda change: lambda s, n, v: change(s, n, v) if n.startswith(stems) else v


def int8(array: Array) -> Array:
    step = np.abs(array).max() / np.float32(127)
    return np.asarray(np.round(array / step) * step, array.dtype)


def stacked(a: Net, change: Callable[[Array], Array], *stems: str) -> Net:
    """The change of the matrix in which the gates are stacked, as PyTorch has it."""
    found = changed(a, lambda s, n, v: v)
    for scope, here in a.items():
        for stem in stems:
            parts = np.split(change(np.concatenate([here[f"{stem}{gate}"] for gate in "ifco"])), 4)
            found[scope] |= {f"{stem}{gate}": part for gate, part in zip("ifco", parts, strict=True)}
    return found


def bfloat16(array: Array) -> Array:
    part, exponent = np.frexp(array.astype("f8"))
    return np.ldexp(np.round(part * 256) / 256, exponent).astype("f4")


def merged(a: Net) -> Net:
    """With one bias."""
    matrices = {scope: {name: array for name, array in here.items() if name[0] == "W"} for scope, here in a.items()}
    return {s: {**matrices[s], **{f"b_{g}": h[f"b_x{g}"] + h[f"b_h{g}"] for g in "ifco"}} for s, h in a.items()}


def zero_biases(a: Net) -> Net:
    return changed(a, of("b")(lambda s, n, v: v * 0))


A = net(0)
MERGED = merged(A)
SQUARE = net(1, 4, 4)
TWO = net(2, layers=1, directions=2)
ONE = np.float32(1)


def swapped(one: str, two: str) -> Callable[[str], str]:
    other = {one: two, two: one}
    return lambda name: other.get(name[:-1], name[:-1]) + other.get(name[-1], name[-1])


CASES: dict[str, tuple[Net, Net, list[str]]] = {
    "transposed": (A, changed(A, of("W_h")(lambda s, n, v: v.T)), ["b has a's W_h transposed"]),
    "all transposed": (SQUARE, changed(SQUARE, of("W")(lambda s, n, v: v.T)), ["b has a's W_x, W_h transposed"]),
    "one transposed": (
        A, changed(A, lambda s, n, v: v.T if (s, n) == ("1/forward", "W_hc") else v),
        ["b has a's 1/forward/W_hc transposed"],
    ),
    "two gates": (A, renamed(A, swapped("f", "i")), ["in b's weights, the gates i, f, c, o are a's f, i, c, o"]),
    "the order of gates": (
        A, renamed(A, lambda n: n[:-1] + dict(zip("ifco", "fcoi", strict=True))[n[-1]]),
        ["in b's weights, the gates i, f, c, o are a's f, c, o, i"],
    ),
    "gates of one kind": (
        A, renamed(A, lambda n: swapped("c", "o")(n) if n[:3] == "W_x" else n),
        ["in b's W_x, the gates i, f, c, o are a's i, f, o, c"],
    ),
    "gates, zero biases": (
        zero_biases(A), zero_biases(renamed(A, swapped("f", "i"))),
        ["in b's weights, the gates i, f, c, o are a's f, i, c, o"],
    ),
    "gates, forget biases of 1": (
        changed(A, of("b")(lambda s, n, v: v * 0 + (n[-1] == "f"))),
        renamed(changed(A, of("b")(lambda s, n, v: v * 0 + (n[-1] == "f"))), swapped("f", "i")),
        ["in b's weights, the gates i, f, c, o are a's f, i, c, o"],
    ),
    "one gate twice": (
        A, renamed(A, lambda n: "W_xf" if n == "W_xi" else n), ["b's W_xi is a's W_xf"],
    ),
    "input and recurrent": (
        SQUARE, renamed(SQUARE, swapped("W_x", "W_h")), ["b's W_x is a's W_h, b's W_h is a's W_x"],
    ),
    "halves": (A, renamed(A, swapped("b_x", "b_h")), ["b's b_x is a's b_h, b's b_h is a's b_x"]),
    "directions": (
        TWO, {"0/forward": TWO["0/reverse"], "0/reverse": TWO["0/forward"]},
        ["b's 0/forward is a's 0/reverse, b's 0/reverse is a's 0/forward"],
    ),
    "one direction twice": (
        TWO, dict.fromkeys(TWO, TWO["0/forward"]), ["b's 0/reverse is a's 0/forward"],
    ),
    "layers": (
        SQUARE, {"0/forward": SQUARE["1/forward"], "1/forward": SQUARE["0/forward"]},
        ["b's 0/forward is a's 1/forward, b's 1/forward is a's 0/forward"],
    ),
    "recurrent weights of the other layer": (
        A, {s: {n: A["1/forward" if n[:3] == "W_h" else s][n] for n in h} for s, h in A.items()},
        ["b's 0/forward/W_h is a's 1/forward/W_h"],
    ),
    "merged": (A, MERGED, ["b's b is a's b_x + b_h"]),
    "split": (MERGED, A, ["b's b_x + b_h is a's b"]),
    "merged into one half": (
        A, changed(A, lambda s, n, v: v + A[s]["b_h" + n[-1]] if n[:3] == "b_x" else v * (n[:3] != "b_h")),
        ["b has zeros in place of a's b_h", "b's b_x is a's b_x + b_h"],
    ),
    "lost": (A, changed(A, of("b_h")(lambda s, n, v: v * 0)), ["b has zeros in place of a's b_h"]),
    "forget bias": (A, changed(A, of("b_xf")(lambda s, n, v: v + ONE)), ["b has a's b_xf with 1 added"]),
    "forget bias taken away": (
        MERGED, changed(MERGED, of("b_f")(lambda s, n, v: v - ONE)), ["b has a's b_f with -1 added"],
    ),
    "sign": (A, changed(A, of("W_xc")(lambda s, n, v: -v)), ["b has a's W_xc with the opposite sign"]),
    "transposed, with another sign": (
        A, changed(A, of("W_h")(lambda s, n, v: -v.T)),
        ["b has a's W_h transposed", "b has a's W_h with the opposite sign"],
    ),
    "scaled": (A, changed(A, of("W_h")(lambda s, n, v: v * np.float32(0.25))), ["b has a's W_h multiplied by 0.25"]),
    "all scaled": (A, changed(A, lambda s, n, v: v * np.float32(1.7)), ["b has a's weights multiplied by 1.7"]),
    "float16": (A, changed(A, lambda s, n, v: v.astype("f2").astype("f4")), ["b has a's weights rounded to float16"]),
    "bfloat16": (A, changed(A, lambda s, n, v: bfloat16(v)), ["b has a's weights rounded to bfloat16"]),
    "bfloat16, cut off": (
        A, changed(A, lambda s, n, v: (v.view("u4") & np.uint32(0xFFFF0000)).view("f4")),
        ["b has a's weights cut off to bfloat16"],
    ),
    "codes of eight bits": (
        {"0/forward": A["0/forward"]}, {"0/forward": changed(A, of("W_xi")(
            lambda s, n, v: np.round(v / np.abs(v).max() * 127)
        ))["0/forward"]},
        [f"b has a's W_xi multiplied by {127 / np.abs(A['0/forward']['W_xi']).max():.3g} and rounded to whole numbers"],
    ),
    "decimals": (A, changed(A, lambda s, n, v: np.round(v, 3)), ["b has a's weights rounded to 3 decimals"]),
    "printed": (
        A, changed(A, of("W")(lambda s, n, v: np.array([float(f"{x:.6f}") for x in v.ravel()], "f4").reshape(v.shape))),
        ["b has a's W_x, W_h rounded to 6 decimals"],
    ),
    "an order of units": (
        A, changed(A, lambda s, n, v: (v[[2, 0, 1, 4, 3]][:, [2, 0, 1, 4, 3]] if n[:3] == "W_h" else v[[2, 0, 1, 4, 3]])
        if s == "0/forward" else v[:, [2, 0, 1, 4, 3]] if n[:3] == "W_x" else v),
        ["b has the units of a's 0/forward in the order 2, 0, 1, 4, 3"],
    ),
    "an order of rows": (
        A, changed(A, of("W_h")(lambda s, n, v: v[[1, 0, 2, 3, 4]])),
        ["b has the rows of a's W_h in the order 1, 0, 2, 3, 4"],
    ),
    "an order of inputs": (
        A, changed(A, lambda s, n, v: v[:, [2, 1, 0]] if s == "0/forward" and n[:3] == "W_x" else v),
        ["b has the columns of a's 0/forward/W_x in the order 2, 1, 0"],
    ),
    "reshaped": (
        A, stacked(A, lambda m: m.T.reshape(m.shape), "W_x"),
        ["b has a's W_x reshaped: the numbers of rows are read as columns"],
    ),
    "reshaped back": (
        A, stacked(A, lambda m: m.reshape(m.shape[::-1]).T, "W_x"),
        ["b has a's W_x reshaped: the numbers of rows are read as columns"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_change_in_a_sentence(name: str) -> None:
    a, b, sentences = CASES[name]
    assert said(a, b) == sentences
    assert said(b, b) == said(a, a) == []


def test_other_cells() -> None:
    gru, rnn, projected = net(13, gates="ruh"), net(14, 6, gates="h"), net(15, layers=1)
    assert said(gru, changed(gru, of("W_h")(lambda s, n, v: v.T))) == ["b has a's W_h transposed"]
    assert said(gru, renamed(gru, swapped("r", "h"))) == ["in b's weights, the gates r, u, h are a's h, u, r"]
    assert said(gru, renamed(gru, swapped("b_x", "b_h"))) == ["b's b_x is a's b_h, b's b_h is a's b_x"]
    assert said(rnn, changed(rnn, of("W_h")(lambda s, n, v: v.T))) == ["b has a's W_hh transposed"]
    projected["0/forward"]["W_hr"] = np.random.default_rng(0).normal(size=(2, H)).astype("f4")
    assert said(projected, renamed(projected, swapped("i", "o"))) == [
        "in b's W_x, W_h, b_x, b_h, the gates i, f, c, o are a's o, f, c, i"  # and W_hr is the same
    ]
    cell = {"equations": "h_t = tanh(U @ x_t + V @ h_prev)\ncarry: h_prev <- h_t\noutput: h_t"}
    draw = np.random.default_rng(0)
    u, v = draw.normal(size=(4, 4)), draw.normal(size=(4, 4))
    models = [lt.prepare(weights, cell) for weights in ({"U": u, "V": v}, {"U": v, "V": u.T})]
    assert lt.diff(*models).content == ("b has a's V transposed", "b's U is a's V, b's V is a's U")


@pytest.mark.parametrize("name", ["two gates", "directions", "sign", "decimals", "lost", "an order of units", "merged"])
def test_doubles_and_floats_of_one_model_are_one_model(name: str) -> None:
    a, b, sentences = CASES[name]
    doubled = changed(a, lambda s, n, v: v.astype("f8"))
    assert said(doubled, b) == sentences
    assert said(doubled, a) == []


def test_an_order_of_the_units_of_both_directions() -> None:
    a, orders = net(3, directions=2), {"0/forward": [1, 2, 0, 3, 4], "0/reverse": [0, 1, 2, 4, 3]}
    read = np.r_[orders["0/forward"], np.array(orders["0/reverse"]) + H]

    def change(scope: str, name: str, array: Array) -> Array:
        if scope[0] == "1":
            return array[:, read] if name[:3] == "W_x" else array
        array = array[orders[scope]]
        return array[:, orders[scope]] if name[:3] == "W_h" else array

    assert said(a, changed(a, change)) == [
        "b has the units of a's 0/forward in the order 1, 2, 0, 3, 4",
        "b has the units of a's 0/reverse in the order 0, 1, 2, 4, 3",
    ]
    wrong = changed(a, lambda s, n, v: v if s[0] == "1" else change(s, n, v))
    assert said(a, wrong) == [
        *said(a, changed(a, change)),
        "in b (1/forward/W_x, 1/reverse/W_x), the units of layer 0 are read in a's order",
    ]
    orders["0/reverse"] = [0, 1, 2, 3, 4]
    read = np.r_[orders["0/forward"], np.arange(H) + H]
    assert said(a, changed(a, change)) == ["b has the units of a's 0/forward in the order 1, 2, 0, 3, 4"]


def test_zero_biases_do_not_hide_an_order_of_units() -> None:
    a = zero_biases(net(4, layers=1))
    order = [4, 3, 2, 1, 0]
    b = changed(a, lambda s, n, v: v[order][:, order] if n[:3] == "W_h" else v[order])
    assert said(a, b) == ["b has the units of a's weights in the order 4, 3, 2, 1, 0"]


def test_of_many_units_the_first_are_named() -> None:
    a = net(5, 40, layers=1)
    order = np.random.default_rng(0).permutation(40)
    b = changed(a, lambda s, n, v: v[order][:, order] if n[:3] == "W_h" else v[order])
    assert said(a, b) == [f"b has the units of a's weights in the order {', '.join(map(str, order[:16]))}, …"]


def snr(a: Array, b: Array) -> str:
    return f"{10 * np.log10((a.astype('f8') ** 2).sum() / ((a.astype('f8') - b) ** 2).sum()):.1f}"


def test_quantised() -> None:
    a = net(6, layers=1)
    b, here = stacked(a, int8, "W_x", "W_h"), a["0/forward"]
    rows = []
    for stem in ("W_x", "W_h"):
        one, two = (np.concatenate([w["0/forward"][f"{stem}{gate}"] for gate in "ifco"]) for w in (a, b))
        rows.append(f"{stem} (step {np.abs(one).max() / 127:.4g}, SNR {snr(one, two)} dB)")
    assert said(a, b) == [f"b has a's weights quantised: {', '.join(rows)}"]
    b = changed(a, lambda s, n, v: int8(v) if n == "W_hc" else v)
    row = f"W_hc (step {np.abs(here['W_hc']).max() / 127:.4g}, SNR {snr(here['W_hc'], b['0/forward']['W_hc'])} dB)"
    assert said(a, b) == [f"b has a's weights quantised: {row}"]
    b = changed(a, of("W_x")(lambda s, n, v: np.stack([int8(row) for row in v])))
    one, two = (np.concatenate([w["0/forward"][f"W_x{gate}"] for gate in "ifco"]) for w in (a, b))
    steps = np.abs(one).max(axis=1) / 127
    assert said(a, b) == [
        f"b has a's weights quantised: W_x (step {steps.min():.4g} … {steps.max():.4g}, SNR {snr(one, two)} dB)"
    ]


@pytest.mark.parametrize("zero", [3, -17])
def test_quantised_with_a_zero_point(zero: int) -> None:
    a, step = net(7, layers=1), np.float32(0.03125 * 1.1)

    def change(scope: str, name: str, array: Array) -> Array:
        whole = np.clip(np.round(array / step) + zero, -128, 127)
        return np.asarray((whole - zero) * step, "f4")

    (sentence,) = said(a, changed(a, of("W_h")(change)))
    assert sentence.startswith(f"b has a's weights quantised: W_h (step {step:.4g}, SNR ")


def test_pruned() -> None:
    a = net(8, layers=1)
    b = changed(a, of("W_h")(lambda s, n, v: np.where(np.abs(v) < 0.5, np.float32(0), v)))
    one = np.concatenate([a["0/forward"][f"W_h{gate}"] for gate in "ifco"])
    small = np.abs(one[np.abs(one) < 0.5])
    assert said(a, b) == [
        f"b has zeros in place of small weights of a: W_h ({small.size} of 100, up to {small.max():.3g})"
    ]


# -- nothing is claimed by accident ------------------------------------------------------------------------------------

UNRELATED = "b's weights are not recognised as a's: not moved, transposed, reordered, scaled or rounded (correlation "


def pairs() -> Iterator[tuple[Net, Net]]:
    """Unrelated weights: small and large, some of them with biases that agree, or with few different numbers."""
    alike: list[Change] = [
        lambda s, n, v: v,
        of("b")(lambda s, n, v: v * 0),
        of("b")(lambda s, n, v: v * 0 + (n[-1] == "f")),
        lambda s, n, v: np.round(v, 1),
        lambda s, n, v: np.asarray(np.round(v * 2) / 2, v.dtype),
        lambda s, n, v: np.asarray(np.sign(v), v.dtype),
        lambda s, n, v: int8(v),
        lambda s, n, v: v * 0 + 1,
    ]
    for k in range(240):
        draw = np.random.default_rng(k)
        h, width = int(draw.integers(1, 7)), int(draw.integers(1, 7))
        width = h if k % 5 == 0 else width
        sizes = {"h": h, "width": width, "layers": 1 + k % 2, "directions": 1 + k // 2 % 2}
        kinds: dict[str, Any] = {"biases": ("xh", " ")[k // 4 % 2], "dtype": ("f4", "f8")[k // 8 % 2]}
        a, b = (net(seed, **sizes, **kinds) for seed in (2 * k, 2 * k + 1))
        change = alike[k % len(alike)]
        yield changed(a, change), changed(b, change)


@pytest.mark.few(0)
def test_nothing_is_claimed_of_unrelated_weights() -> None:
    met = 0
    for a, b in pairs():
        sentences = said(a, b)
        assert [one for one in sentences if not one.startswith(UNRELATED)] == []
        met += len(sentences)
    assert 40 < met < 240  # of the larger ones it is said that they are unrelated


@pytest.mark.skipif(not MODELS.is_dir(), reason="the word segmenters are not there")
def test_nothing_is_claimed_of_trained_models() -> None:
    models = [lt.prepare(path).weights for path in sorted(MODELS.glob("*/keras_layout.npz"))]
    assert len(models) > 1
    for a in models:
        for b in models:
            assert said(a, b) == []


@pytest.mark.parametrize("units", [1, 2])
def test_small_weights_are_claimed_together(units: int) -> None:
    a = net(16, units, 2)
    b = renamed(a, swapped("f", "i"))
    assert said(a, b) == ["in b's weights, the gates i, f, c, o are a's f, i, c, o"]
    assert said(a, changed(a, of("b_xf")(lambda s, n, v: v + ONE))) == []  # too few numbers


def test_no_claim_of_single_numbers_and_constants() -> None:
    a = net(9, 1, 1, layers=1)
    assert said(a, changed(a, of("W_xi")(lambda s, n, v: v * 2))) == []  # any number is another, scaled
    assert said(a, changed(a, of("W_xi")(lambda s, n, v: v + 1))) == []
    constant = changed(A, lambda s, n, v: np.full_like(v, 0.1))
    assert said(constant, changed(constant, of("W_x")(lambda s, n, v: np.full_like(v, 0.2)))) == []
    assert said(zero_biases(A), changed(A, of("b")(lambda s, n, v: v * 0 + ONE))) == []


def test_noise_and_training_are_no_rounding() -> None:
    draw = np.random.default_rng(100)
    for size in (1e-5, 1e-3, 0.1):
        b = changed(A, lambda s, n, v, size=size: v + (size * draw.normal(size=v.shape)).astype("f4"))  # type: ignore[misc]
        assert said(A, b) == []


def test_the_only_weight_and_the_only_layer() -> None:
    only, renamed_one = ({"0/forward": {name: A["0/forward"]["W_hi"]}} for name in "UV")
    assert said(only, renamed_one) == ["b's V is a's U"]
    assert said(SQUARE, {"0/forward": SQUARE["1/forward"]}) == ["b's 0/forward is a's 1/forward"]


def test_damaged_and_odd_weights() -> None:
    odd: Net = {
        "0/forward": {"W": np.ones((2, 3)), "A": np.full((2, 2), np.nan), "n": np.array(3.0), "e": np.zeros((0, 2))}
    }
    assert said(odd, {"0/forward": {"W": np.ones((3, 2)), "A": np.full((2, 2), np.inf), "n": np.array(4.0)}}) == []
    assert said({}, A) == said(A, {}) == []


def test_large_weights_take_less_than_a_second() -> None:
    a = net(10, 512, 512)
    order = np.random.default_rng(0).permutation(512)
    changes = {
        "in the order": changed(
            a, lambda s, n, v: (v[order][:, order] if n[:3] == "W_h" else v[order]) if s[0] == "1" else v
        ),
        "transposed": changed(a, of("W")(lambda s, n, v: v.T)),
        "quantised": stacked(a, int8, "W_x", "W_h"),
        "weights rounded to 3 decimals": changed(a, lambda s, n, v: np.round(v, 3)),
        "not recognised": net(11, 512, 512),
    }
    for text, b in changes.items():
        spent = []
        for _ in range(2):  # the machine is shared
            begin = time.process_time()
            (sentence,) = said(a, b)
            spent.append(time.process_time() - begin)
        assert text in sentence
        assert min(spent) < 1.5, text


# -- where it is shown -------------------------------------------------------------------------------------------------


def flat(a: Net, **more: Any) -> dict[str, Any]:
    return {
        "weights": {f"{s}/{n}" if len(a) > 1 else n: v.tolist() for s, h in a.items() for n, v in h.items()},
        **more,
    }


def test_it_is_the_first_sentence_about_the_weights(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(4, WIDTH)).tolist()
    a, b = (lt.run(flat(w, x=x)) for w in (MERGED, changed(MERGED, of("W_h")(lambda s, n, v: v.T))))
    found = lt.diff(a, b)
    assert found.content == ("b has a's W_h transposed",)
    facts = json.loads(found.as_json())
    assert facts["content"] == ["b has a's W_h transposed"]
    text = [line for line in found.report("md").splitlines() if line]
    assert text[1] == "- b has a's W_h transposed"
    assert "| changed " in text[3]
    assert facts["sentences"][2] == "b has a's W_h transposed"
    assert lt.diff(a, a).content == ()


def test_merged_biases_are_said_where_no_value_differs() -> None:
    x = np.random.default_rng(0).normal(size=(4, WIDTH)).tolist()
    a = net(12, dtype="f8")
    found = lt.diff(flat(a, x=x), flat(merged(a), x=x))
    assert found.verdict == "same"
    assert "- b's b is a's b_x + b_h" in found.report("md")


def saved(path: Path, a: Net) -> str:
    arrays = {}
    for scope, here in a.items():
        for stem, name in (("W_x", "weight_ih"), ("W_h", "weight_hh"), ("b_x", "bias_ih"), ("b_h", "bias_hh")):
            arrays[f"{name}_l{scope[0]}"] = np.concatenate([here[f"{stem}{gate}"] for gate in "ifco"])
    np.savez(path, **arrays)
    return str(path)


def test_two_models_without_an_input(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.npz", A)
    two = saved(tmp_path / "b.npz", changed(A, of("W_h")(lambda s, n, v: v.T)))

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["diff", *arguments])

    different = run(one, two)
    assert different.exit_code == 1
    assert different.stdout.splitlines()[:5] == [
        "# Difference of a.npz and b.npz",
        "",
        "- different: the weights differ (neither model was run; with an input, their values are compared: --input X, "
        "in Python x=…)",
        "- b has a's W_h transposed",
        "- input or weight: 0/forward/W_hi: 20 of 25 differ, by at most "
        f"{np.abs(A['0/forward']['W_hi'] - A['0/forward']['W_hi'].T).max():.3g}; first [0,1]",
    ]
    same = run(one, one.replace("a.npz", "./a.npz"))
    assert (same.exit_code, same.stdout.splitlines()[2]) == (0, "- same: the weights are equal (neither model was run)")
    for more in (("--atol", "1"), ("--attribute", "h_t[0]"), ("--lengths", one)):  # what needs a run
        refused = run(one, two, *more)
        assert (refused.exit_code, refused.stderr.splitlines()[-1]) == (
            2, f"error: {one} is a model: give its input with --input X",
        )  # fmt: skip
    refused = run(one, two, "-o", str(tmp_path / "d.csv"))
    assert (refused.exit_code, refused.stderr) == (
        2, "error: weights were compared, and no values: give the models an input (--input X, in Python x=…)\n",
    )  # fmt: skip


def test_two_models_without_an_input_in_python(tmp_path: Path) -> None:
    one = saved(tmp_path / "a.npz", A)
    b = changed(A, of("b_xf")(lambda s, n, v: v + ONE))
    found = lt.diff(one, lt.prepare(saved(tmp_path / "b.npz", b)))
    assert (found.verdict, found.content, found.first) == ("different", ("b has a's b_xf with 1 added",), None)
    assert lt.diff(one, one).verdict == "same"
    assert json.loads(found.as_json())["lines"] == []
    with pytest.raises(OptionError, match="weights were compared, and no values"):
        found.to_frame()
    other = lt.diff(one, lt.prepare(A["0/forward"]))
    assert other.verdict == "different"
    assert "note: 1/forward is only in a" in str(other.report("text"))
