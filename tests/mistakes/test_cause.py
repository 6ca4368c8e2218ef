"""`diff` says what was done: numpy ports with one bug each, whose lines are printed, and the mistake that is named. The
ports share no code with the package.
"""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

import lstm_trace as lt
from lstm_trace.languages.strings import words
from lstm_trace.results.comparison import sentences
from lstm_trace.trace.trace import Trace
from lstm_trace.verification.compare import Comparison, compare

from .. import ROOT

Lines = dict[str, dict[str, Any]]  # by stage and name, (T, B, width)
T, B, I, H = 6, 3, 3, 4  # noqa: E741 - the size of x
DTYPE = ["float64"]  # of weights, inputs and ports


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def weights(seed: int = 1, gates: str = "ifco", wide: int = I, biases: tuple[str, ...] = ("b_",)) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"W_x": (H, wide), "W_h": (H, H), **dict.fromkeys(biases, (H,))}
    drawn = {f"{stem}{g}": rng.uniform(-0.9, 0.9, shape) for stem, shape in shapes.items() for g in gates}
    return {name: values.astype(DTYPE[0]) for name, values in drawn.items()}


def premises(seed: int = 2) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    drawn = rng.normal(size=(T, B, I)), rng.uniform(-0.8, 0.8, (B, H)), rng.uniform(-1.2, 1.2, (B, H))
    return tuple(values.astype(DTYPE[0]) for values in drawn)


@pytest.fixture
def float32() -> Iterator[None]:
    """Weights, inputs and ports in float32."""
    DTYPE[0] = "float32"
    yield
    DTYPE[0] = "float64"


# -- the ports ---------------------------------------------------------------------------------------------------------


def plan(z: Any) -> Any:
    """The sigmoid of Amin 1997, in pieces."""
    a = np.abs(z)
    low = np.where(a >= 1, 0.125 * a + 0.625, 0.25 * a + 0.5)
    y = np.where(a >= 5, 1.0, np.where(a >= 2.375, 0.03125 * a + 0.84375, low))
    return np.where(z < 0, 1 - y, y)


def int8(w: dict[str, Any]) -> dict[str, Any]:
    """Weights in 255 steps, of the same size in all matrices of an operand."""
    scale = {s: max(np.abs(v).max() for n, v in w.items() if n.startswith(s)) / 127 for s in ("W_x", "W_h")}
    return {n: np.round(v / scale[n[:3]]) * scale[n[:3]] if n[:3] in scale else v for n, v in w.items()}


def in_place(w: Any, x: Any, h: Any, c: Any) -> dict[str, Any]:
    """The sums of a step in which every unit reads those of h that were computed just before."""
    h, z = h.copy(), {g: np.zeros_like(h) for g in "ifco"}
    for j in range(h.shape[1]):
        for g in z:
            z[g][:, j] = w[f"W_x{g}"][j] @ x.T + w[f"W_h{g}"][j] @ h.T + w[f"b_{g}"][j]
        i, f, o = (sigmoid(z[g][:, j]) for g in "ifo")
        h[:, j] = o * np.tanh(f * c[:, j] + i * np.tanh(z["c"][:, j]))
    return z


def lstm(w: Any, x: Any, h: Any, c: Any, bug: str = "", backwards: bool = False, lengths: Any = None) -> dict[str, Any]:
    """An LSTM as somebody else would write it: every line by name."""
    if bug == "blocks ifoc":
        w = {n: w[n[:-1] + {"c": "o", "o": "c"}.get(n[-1], n[-1])] for n in w}
    w = int8(w) if bug == "int8" else w
    h, c = (c, h) if bug == "h and c exchanged" else (0 * h if bug == "h0 ignored" else h, c)
    h_first, h_late, past = h, h, dict.fromkeys("ifco", 0 * h)
    gate = {"hard sigmoid": lambda z: np.clip(0.2 * z + 0.5, 0, 1), "PLAN": plan}.get(bug, sigmoid)
    candidate = {"candidate by sigmoid": sigmoid, "candidate is linear": lambda z: z}.get(bug, np.tanh)
    backwards, turned = backwards != (bug == "time reversed"), bug != "not turned"
    out: dict[str, list[Any]] = {}
    for t in range(len(x))[:: -1 if backwards else 1]:
        now = x[t] if bug != "x late" else x[t - 1] if t else 0 * x[0]
        read = {"h never carried": h_first, "h late": h_late, "c in the product": c}.get(bug, h)
        z = {}
        for g in "ifco":
            W = w[f"W_h{g}"].T if bug != "W_h transposed" else w[f"W_h{g}"]
            bias = w[f"b_{g}"] * {"no bias": 0, "bias twice": 2}.get(bug, 1)
            z[g] = read @ W * (bug != "no W_h in z_c" or g != "c") + (bias + now @ w[f"W_x{g}"].T)
            z[g] = z[g] + past[g] * (bug == "not cleared") + (bug == "forget bias" and g == "f")
        z = past = in_place(w, now, h, c) if bug == "in place" else z
        i, f, o, g = *(gate(z[g]) for g in "ifo"), candidate(z["c"])
        f = f + (bug == "forget bias after")
        h_old, c_old = h, c
        c = {"i and f exchanged": i * c + f * g, "i twice": i * c + i * g, "sum for product": f * c + (i + g),
             "coupled": (1 - i) * c + i * g, "sign": f * c - i * g}.get(bug, f * c + i * g)  # fmt: skip
        c = np.clip(c, -0.5, 0.5) if bug == "clipped" else c
        h = {
            "no tanh": o * c,
            "old cell": o * np.tanh(c_old),
            "tanh outside": np.tanh(o * c),
            "a square more": o * np.tanh(c) + 0.3 * c * c,
        }.get(bug, o * np.tanh(c))
        lines = {"z_i": z["i"], "i_t": i, "z_f": z["f"], "f_t": f, "z_c": z["c"], "c_tilde": g, "z_o": z["o"],
                 "o_t": o, "c_t": c, "h_t": h}  # fmt: skip
        if lengths is not None:
            valid = t < np.array(lengths)[:, None]
            lines["y_t"] = np.where(valid, h, h if bug == "padding not zeroed" else 0)
            if bug != "lengths ignored":
                h, c = np.where(valid, h, h_old), np.where(valid, c, c_old)
        for name, values in lines.items():
            out.setdefault(name, []).append(values)
        c = np.tanh(c) if bug == "c squashed" else c_old if bug == "c never updated" else c
        h, h_late = 0 * h if bug == "h wiped" else h, h_old
    return {name: np.array(values[::-1] if backwards and turned else values) for name, values in out.items()}


def gru(w: Any, x: Any, h: Any, bug: str) -> dict[str, Any]:
    """A GRU whose reset gate comes before the product."""
    out: dict[str, list[Any]] = {}
    for now in x:
        a = {g: now @ w[f"W_x{g}"].T + w[f"b_x{g}"] for g in "ruh"}
        b = {g: h @ w[f"W_h{g}"].T + w[f"b_h{g}"] for g in "ruh"}
        r, u = sigmoid(a["r"] + b["r"]), sigmoid(a["u"] + b["u"])
        z = {
            "reset after": a["h"] + r * b["h"],
            "reset in front": r * (a["h"] + b["h"]),
            "no reset": a["h"] + b["h"],
        }.get(bug, a["h"] + (r * h) @ w["W_hh"].T + w["b_hh"])
        new = np.tanh(z)
        one, two = (1 - u, u) if bug == "update turned" else (u, 1 - u)
        h_new = one * h + two * new
        lines = {
            "z_r": a["r"] + b["r"],
            "r_t": r,
            "z_u": a["u"] + b["u"],
            "u_t": u,
            "z_h": z,
            "h_tilde": new,
            "h_t": h_new,
        }
        for name, values in lines.items():
            out.setdefault(name, []).append(values)
        h = h_new
    return {name: np.array(values) for name, values in out.items()}


def rnn(w: Any, x: Any, h: Any, bug: str) -> dict[str, Any]:
    """An Elman network."""
    out: dict[str, list[Any]] = {"z_h": [], "h_t": []}
    for now in x:
        one, two = now @ w["W_xh"].T, h @ w["W_hh"].T
        z = (one + w["b_xh"] + w["b_hh"]) * two if bug == "product" else one + w["b_xh"] + two + w["b_hh"]
        h = np.maximum(z, 0) if bug == "relu" else np.tanh(z) + (h if bug == "residual" else 0)
        out["z_h"].append(z)
        out["h_t"].append(h)
    return {name: np.array(values) for name, values in out.items()}


def chained(w: Any, x: Any, h: Any, c: Any) -> dict[str, Any]:
    """Sequences of which each begins where the one before it ended."""
    h, c, every = h[:1], c[:1], []
    for b in range(x.shape[1]):
        every.append(lstm(w, x[:, b : b + 1], h, c))
        h, c = every[-1]["h_t"][-1], every[-1]["c_t"][-1]
    return {name: np.concatenate([one[name] for one in every], axis=1) for name in every[0]}


# -- what is compared --------------------------------------------------------------------------------------------------


def one_layer(bug: str, lengths: Any = None) -> tuple[Trace, Lines]:
    w, (x, h, c) = weights(), premises()
    lines = chained(w, x, h, c) if bug == "chained" else lstm(w, x, h, c, bug, lengths=lengths)
    return lt.run(w, x, h0=h, c0=c, lengths=lengths), {"0/forward": lines}


def padded(bug: str) -> tuple[Trace, Lines]:
    return one_layer(bug, [6, 3, 5])


def gated(bug: str) -> tuple[Trace, Lines]:
    w, (x, h, _) = weights(3, "ruh", biases=("b_x", "b_h")), premises(4)
    return lt.run(w, x, h0=h, cell="gru"), {"0/forward": gru(w, x, h, bug)}


def elman(bug: str) -> tuple[Trace, Lines]:
    w, (x, h, _) = weights(5, "h", biases=("b_x", "b_h")), premises(6)
    return lt.run(w, x, h0=h, cell="rnn"), {"0/forward": rnn(w, x, h, bug)}


def as_torch(w: dict[str, Any], end: str) -> dict[str, Any]:
    """The arrays of one layer and direction under PyTorch's names."""
    stack = {s: np.concatenate([w[f"{s}{g}"] for g in "ifco"]) for s in ("W_x", "W_h", "b_")}
    names = {"weight_ih": "W_x", "weight_hh": "W_h", "bias_ih": "b_"}
    return {f"{name}_{end}": stack[s] for name, s in names.items()} | {f"bias_hh_{end}": 0 * stack["b_"]}


def two_layers(bug: str) -> tuple[Trace, Lines]:
    one, two = weights(7), weights(8, wide=H)
    (x, h, c), (_, h2, c2) = premises(9), premises(10)
    below = lstm(one, x, h, c)
    read = {"next layer reads c": below["c_t"], "next layer reads the last step": below["h_t"][-1:].repeat(T, 0),
            "next layer reads relu": np.maximum(below["h_t"], 0)}.get(bug, below["h_t"])  # fmt: skip
    shared = bug == "one state for all"
    above = lstm(two, read, *((h, c) if shared else (h2, c2)), bug if bug == "i twice" else "")
    if bug == "forget bias":
        below = lstm(one, x, h, c, bug)
        above = lstm(two, below["h_t"], h2, c2, bug)
    trace = lt.run(as_torch(one, "l0") | as_torch(two, "l1"), x, h0=np.stack([h, h2]), c0=np.stack([c, c2]))
    return trace, {"0/forward": below, "1/forward": above}


def two_directions(bug: str) -> tuple[Trace, Lines]:
    one, two = weights(11), weights(12)
    (x, h, c), (_, h2, c2) = premises(13), premises(14)
    forth = lstm(one, x, h, c)
    back = lstm(one if bug == "weights of the forward direction" else two, x, h2, c2, bug, backwards=True)
    joined = [back["h_t"], forth["h_t"]] if bug == "joined the other way" else [forth["h_t"], back["h_t"]]
    trace = lt.run(as_torch(one, "l0") | as_torch(two, "l0_reverse"), x, h0=np.stack([h, h2]), c0=np.stack([c, c2]))
    return trace, {"0/forward": forth, "0/reverse": back, "0/joined": {"y_t": np.concatenate(joined, axis=2)}}


NETWORKS = one_layer, padded, gated, elman, two_layers, two_directions
#: Each bug, and the key that is named first.
BUGS: dict[tuple[Callable[[str], tuple[Trace, Lines]], str], str] = {
    (one_layer, "W_h transposed"): "transposed:z_*,W_h*,h_prev",
    (one_layer, "forget bias"): "constant:z_f,1",
    (one_layer, "no bias"): "bias-lost:z_*",
    (one_layer, "bias twice"): "bias-doubled:z_*",
    (one_layer, "i and f exchanged"): "exchange:i_t,f_t",
    (one_layer, "i twice"): "copied-gate:f_t,i_t",
    (one_layer, "sum for product"): "sum-for-product:c_t,i_t,c_tilde",
    (one_layer, "coupled"): "coupled:c_t",
    (one_layer, "sign"): "sign:c_t,i_t*c_tilde",
    (one_layer, "no tanh"): "function-lost:h_t",
    (one_layer, "old cell"): "old-cell:h_t",
    (one_layer, "candidate by sigmoid"): "function:c_tilde,z_c,sigmoid",
    (one_layer, "candidate is linear"): "function-lost:c_tilde,z_c",
    (one_layer, "hard sigmoid"): "function:*_t,hard_sigmoid",
    (one_layer, "PLAN"): "approximate-sigmoid:*_t,plan(a)",
    (one_layer, "blocks ifoc"): "order:c,o",
    (one_layer, "h and c exchanged"): "initial-exchanged",
    (one_layer, "h0 ignored"): "initial-zero:h_prev",
    (one_layer, "h never carried"): "never-updated:carryh_prev",
    (one_layer, "h late"): "carry-late:carryh_prev,h_t",
    (one_layer, "c in the product"): "cell-for-hidden:z_*",
    (one_layer, "no W_h in z_c"): "term-lost:z_c,W_hc@h_prev",
    (one_layer, "not cleared"): "not-cleared:z_*",
    (one_layer, "in place"): "in-place",
    (one_layer, "forget bias after"): "constant-after-function:f_t,1",
    (one_layer, "clipped"): "clip-of-cell:c_t,f_t*c_prev+i_t*c_tilde,0.5",
    (one_layer, "c squashed"): "carry-squashed:carryc_prev",
    (one_layer, "c never updated"): "never-updated:carryc_prev",
    (one_layer, "h wiped"): "wiped:carryh_prev",
    (one_layer, "x late"): "input-late",
    (one_layer, "int8"): "weights-stored:int8",
    (one_layer, "chained"): "chained",
    (one_layer, "time reversed"): "time:the-other-way",
    (padded, "no tanh"): "function-lost:h_t",
    (gated, "reset after"): "reset-after-bias:z_h,W_hh,r_t,h_prev,b_hh",
    (gated, "reset in front"): "reset-everything-before:z_h,W_hh,r_t,h_prev",
    (gated, "no reset"): "factor-lost:z_h,h_prev,r_t",
    (gated, "update turned"): "factors-exchanged:h_t,u_t,h_prev,1-u_t,h_tilde",
    (elman, "product"): "product-for-sum:z_h,W_hh@h_prev",
    (elman, "relu"): "function:h_t,relu",
    (elman, "residual"): "residual-hidden:h_t",
    (two_layers, "next layer reads c"): "0/output:output,c_t",
    (two_layers, "next layer reads the last step"): "1/input:last-step-repeated",
    (two_layers, "one state for all"): "1/initial-of:first",
    (two_layers, "forget bias"): "constant:z_f,1",
    (two_layers, "i twice"): "1/copied-gate:f_t,i_t",
    (two_directions, "weights of the forward direction"): "reverse/weights-of:other-direction",
    (two_directions, "joined the other way"): "joined/directions-joined:y_t,concat(b,a)",
    (two_directions, "time reversed"): "reverse/time:the-other-way",
    (two_directions, "not turned"): "reverse/time:as-computed",
    (two_directions, "no tanh"): "reverse/function-lost:h_t",
}
EACH = pytest.mark.parametrize(("network", "bug"), BUGS, ids=[f"{f.__name__}-{bug}" for f, bug in BUGS])


def foreign(trace: Trace, lines: Lines) -> Trace:
    """Values of another program, as they are read from a file that has all their digits."""
    return replace(trace, lines=lines, header=replace(trace.header, plan="foreign"))


def named(found: Comparison) -> list[str]:
    return [] if found.cause is None else [str(one) for one in found.cause.found]


def printed(path: Path, lines: Lines, form: str) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("layer", "direction", "t", "batch", "line", "unit", "value"))
        for scope, here in lines.items():
            for name, values in here.items():
                rows = np.ndenumerate(values)
                writer.writerows((*scope.split("/"), t, b, name, unit, form % value) for (t, b, unit), value in rows)
    return path


# -- the tests ---------------------------------------------------------------------------------------------------------


@pytest.mark.few(7)
@EACH
def test_a_bug_is_named(network: Any, bug: str) -> None:
    found = compare(trace := network(bug)[0], foreign(trace, network(bug)[1]))
    assert named(found)[:1] == [BUGS[network, bug]]
    assert found.cause is not None
    assert not found.cause.rest
    assert found.cause.part == (None, None, None)


@pytest.mark.few(3)
@pytest.mark.parametrize("form", ["%.6f", "%.6g"])
@EACH
def test_six_digits_are_enough(network: Any, bug: str, form: str, tmp_path: Path) -> None:
    trace, lines = network(bug)
    found = lt.diff(trace, printed(tmp_path / "port.csv", lines, form))
    assert BUGS[network, bug] in named(found)


@pytest.mark.few(2)
@EACH
def test_so_is_float32(network: Any, bug: str, float32: None, tmp_path: Path) -> None:
    trace, lines = network(bug)
    assert trace.header.dtype == "float32"
    assert lines["0/forward"]["h_t"].dtype == np.float32
    assert BUGS[network, bug] in named(lt.diff(trace, printed(tmp_path / "port.csv", lines, "%.9g")))


@pytest.mark.parametrize("form", ["%.17g", "%.6f"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_right_port_is_quiet(network: Any, form: str, tmp_path: Path) -> None:
    """The ports add in another order."""
    trace, lines = network("")
    found = lt.diff(trace, printed(tmp_path / "port.csv", lines, form))
    assert found.verdict == "same"
    assert found.cause is None


@pytest.mark.few(6)
@pytest.mark.parametrize("how", ["random", "noise", "permuted", "zeros", "shifted", "scaled"])
@pytest.mark.parametrize("network", NETWORKS)
def test_unrelated_values_are_never_named(network: Any, how: str) -> None:
    trace, lines = network("")
    rng = np.random.default_rng(20)
    change: Callable[[Any], Any] = {
        "random": lambda v: rng.normal(size=v.shape) * v.std(),
        "noise": lambda v: v + 1e-3 * rng.normal(size=v.shape),
        "permuted": lambda v: rng.permutation(v.ravel()).reshape(v.shape),
        "zeros": lambda v: 0 * v, "shifted": lambda v: v + 0.123, "scaled": lambda v: 1.07 * v,
    }[how]  # fmt: skip
    every = {scope: {name: change(values) for name, values in here.items()} for scope, here in lines.items()}
    assert named(compare(trace, foreign(trace, every))) == []
    name = [*lines["0/forward"]][rng.integers(len(lines["0/forward"]))]
    one = {**lines, "0/forward": {**lines["0/forward"], name: every["0/forward"][name]}}
    assert named(compare(trace, foreign(trace, one))) == []


def test_where_alone_it_was_made_is_said() -> None:
    """A port that reads the biases in sequence 1 from the wrong place, at the first three steps."""
    trace, right = one_layer("")
    wrong = one_layer("no bias")[1]
    lines = {n: v.copy() for n, v in right["0/forward"].items()}
    z = {n: lines[n][:3, 1] - trace.parameters["0/forward"][f"b_{n[-1]}"] for n in ("z_i", "z_f", "z_c", "z_o")}
    assert np.allclose(z["z_i"][0], wrong["0/forward"]["z_i"][0, 1])
    for name, values in z.items():
        lines[name][:3, 1] = values
    found = compare(trace, foreign(trace, {"0/forward": lines}))
    assert named(found) == ["bias-lost:z_*"]
    assert found.cause is not None
    assert found.cause.part == ((0, 1, 2), (1,), None)
    said = [*sentences(found, words())][1]
    assert "(only at steps 0, 1, 2, in sequences 1): with this mistake, 0/forward/z_i follows" in said


def test_a_second_reason_in_the_same_line_is_said() -> None:
    trace, lines = one_layer("forget bias")
    z = lines["0/forward"]["z_f"]
    z[4, 2] += np.linspace(0.1, 0.2, H)
    found = compare(trace, foreign(trace, lines))
    assert named(found) == ["constant:z_f,1"]
    assert found.cause is not None
    assert found.cause.rest
    assert "elsewhere it differs for another reason" in [*sentences(found, words())][1]


def test_two_mistakes_are_named_one_after_the_other() -> None:
    """The first line that differs has its own cause, whatever is wrong behind it."""
    trace, lines = one_layer("no bias")
    last = {name: values[-1] for name, values in lines["0/forward"].items()}
    last["h_t"][:] = last["o_t"] * last["c_t"]
    assert named(compare(trace, foreign(trace, lines)))[:1] == ["bias-lost:z_*"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("z_f", "f_t", "h_t"), "the port adds 1 in z_f: with this mistake, 0/forward/z_f follows from b's own "
                                "operands"),
        (("f_t", "h_t"), "what comes before 0/forward/f_t was not given, but this explains its values: "
                         "the port adds 1 in z_f. Print z_f to make sure"),
        (("c_t", "h_t"), "what comes before 0/forward/c_t was not given, but this explains its values: "
                         "the port adds 1 in z_f. Print z_f to make sure"),
    ],
)  # fmt: skip
def test_what_was_not_given_is_named(names: tuple[str, ...], said: str) -> None:
    trace, lines = one_layer("forget bias")
    found = compare(trace, foreign(trace, {"0/forward": {name: lines["0/forward"][name] for name in names}}))
    assert [*sentences(found, words())][1] == said


def test_no_operation_is_blamed_whose_operands_were_not_given() -> None:
    trace, lines = one_layer("a square more")
    h = {"h_t": lines["0/forward"]["h_t"]}
    said = [*sentences(compare(trace, foreign(trace, {"0/forward": h})), words())][1]
    assert said.endswith(
        "what comes before it was not given: print c_t, o_t; with the output alone, `lstm-trace identify` looks for a "
        "mistake that explains it"
    )
    said = [*sentences(compare(trace, foreign(trace, lines)), words())][1]
    assert said.startswith("the line itself is off by ")
    trace, lines = two_directions("a square more")
    said = [*sentences(compare(trace, foreign(trace, {"0/joined": lines["0/joined"]})), words())][1]
    assert "was not given: print 0/forward/h_t, 0/reverse/h_t" in said


def test_of_an_operand_that_was_not_given_no_operation_is_blamed() -> None:
    """The sum is right, the product is not, and a port gives no weights."""
    trace, right = one_layer("")
    w, (x, h, c) = weights(), premises()
    w["W_hi"][1, 2] += 0.05
    said = [*sentences(compare(trace, foreign(trace, {"0/forward": lstm(w, x, h, c)})), words())][1]
    assert said.endswith("check each part of z_i = W_xi @ x_t + W_hi @ h_prev + b_i")
    right["0/forward"]["c_t"][2, 1, 3] = np.nan
    said = [*sentences(compare(trace, foreign(trace, right)), words())][1]
    assert said.endswith("does not follow from b's own operands: check each part of c_t = f_t * c_prev + i_t * c_tilde")


@pytest.mark.parametrize("network", [one_layer, two_directions])
def test_values_that_are_not_finite_are_evidence_of_nothing(network: Any) -> None:
    trace, lines = network("")
    for here in lines.values():
        for values in here.values():
            values[3:] = np.nan
    assert compare(trace, foreign(trace, lines)).cause is None


def test_a_mistake_of_the_numbers_has_its_direction() -> None:
    trace, lines = two_directions("")
    (x, *_), (_, h2, c2) = premises(13), premises(14)
    w = {name: v.astype(np.float16).astype(v.dtype) for name, v in weights(12).items()}
    back = lstm(w, x, h2, c2, backwards=True)
    joined = np.concatenate([lines["0/forward"]["h_t"], back["h_t"]], axis=2)
    found = compare(trace, foreign(trace, {**lines, "0/reverse": back, "0/joined": {"y_t": joined}}))
    assert named(found)[0] == "reverse/weights-stored:float16"


def test_a_step_that_cannot_show_a_mistake_does_not_count() -> None:
    """f_t of one unit by tanh, from c = 0: the first step is the same."""
    w, (x, h, c) = weights(), premises()
    trace = lt.run(w, x, h0=h, c0=0 * c)
    lines, state = lstm(w, x, h, 0 * c), 0 * c
    for t in range(T):
        f = lines["f_t"][t].copy()
        f[:, 2] = np.tanh(lines["z_f"][t][:, 2])
        state = f * state + lines["i_t"][t] * lines["c_tilde"][t]
        lines["f_t"][t], lines["c_t"][t] = f, state
    given = {"0/forward": {"z_f": lines["z_f"], "i_t": lines["i_t"], "c_tilde": lines["c_tilde"], "c_t": lines["c_t"]}}
    found = compare(trace, foreign(trace, given))
    assert found.cause is not None
    assert found.cause.part == (None, None, (2,))


def test_what_to_print_has_its_place() -> None:
    trace, lines = two_layers("forget bias")
    found = compare(trace, foreign(trace, {scope: {"h_t": here["h_t"]} for scope, here in lines.items()}))
    assert "Print 0/forward/z_f, 1/forward/z_f to make sure" in [*sentences(found, words())][1]


def test_products_that_were_printed_belong_to_their_sum() -> None:
    trace, lines = one_layer("W_h transposed")
    w, h = (
        trace.parameters["0/forward"],
        np.stack([trace.initial["0/forward"]["h_prev"], *lines["0/forward"]["h_t"][:-1]]),
    )
    lines["0/forward"]["W_hi @ h_prev"] = h @ w["W_hi"]
    found = compare(trace, foreign(trace, lines))
    assert found.first is not None
    assert found.first.line == "W_hi @ h_prev"
    assert found.cause is not None
    assert found.cause.line == "0/forward/z_i"
    assert named(found)[0] == "transposed:z_*,W_h*,h_prev"


def test_nothing_is_named_where_premises_differ_or_equations_are_known() -> None:
    trace, lines = one_layer("no bias")
    b = foreign(trace, lines)
    other = {**trace.parameters["0/forward"], "b_i": trace.parameters["0/forward"]["b_i"] + 1}
    assert compare(trace, replace(b, parameters={"0/forward": other})).cause is None
    w, (x, h, c) = weights(), premises()
    cell = {"equations": trace.stages[0].cell.text.replace("tanh(c_t)", "c_t")}
    assert compare(trace, lt.run(w, x, cell=cell, initial={"h_prev": h, "c_prev": c})).cause is None


@pytest.mark.few(2)
@pytest.mark.parametrize("language", ["en", "de", "fr", "es", "zh"])
def test_the_equations_stand_one_below_the_other(language: str) -> None:
    trace, lines = one_layer("i and f exchanged")
    text = compare(trace, foreign(trace, lines)).report("text", language=language)
    assert "c_t = f_t ⊙ c_{t-1} + i_t ⊙ c̃_t" in text
    assert "c_t = i_t ⊙ c_{t-1} + f_t ⊙ c̃_t" in text


def test_the_facts_name_the_mistake() -> None:
    trace, lines = two_layers("i twice")
    found = json.loads(compare(trace, foreign(trace, lines)).as_json())
    schema = json.loads((ROOT / "lstm_trace/results/schemas/diff.json").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(found)
    assert found["cause"] == {
        "key": "copied-gate:f_t,i_t", "place": "1/", "line": "1/forward/c_t",
        "sentence": "in layer 1 the port uses i_t in place of f_t in c_t",
        "right": ["1/forward/c_t = f_t * c_prev + i_t * c_tilde"],
        "wrong": ["1/forward/c_t = i_t * c_prev + i_t * c_tilde"],
        "equal": [], "only": {"steps": None, "rows": None, "units": None}, "rest": False,
    }  # fmt: skip
    found = json.loads(compare(trace, trace).as_json())
    assert found["cause"] is None


@pytest.mark.few(3)
@pytest.mark.parametrize(("network", "bug"), [*BUGS][::4], ids=[bug for _, bug in BUGS][::4])
def test_of_a_long_run_some_steps_are_enough(network: Any, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lstm_trace.mistakes.cause.MOST", 0)
    found = compare(trace := network(bug)[0], foreign(trace, network(bug)[1]))
    assert BUGS[network, bug] in named(found)


def test_it_takes_less_than_half_a_second() -> None:
    """H = 64, T = 50, all lines; measured in computing time, since other tests run beside this one."""
    rng = np.random.default_rng(21)
    w = {f"{s}{g}": rng.uniform(-0.1, 0.1, (64, n)) for g in "ifco" for s, n in (("W_x", 32), ("W_h", 64))}
    w |= {f"b_{g}": rng.uniform(-0.1, 0.1, 64) for g in "ifco"}
    x, h, c = rng.normal(size=(50, 1, 32)), np.zeros((1, 64)), np.zeros((1, 64))
    trace, spent = lt.run(w, x), []
    for bug in ("W_h transposed", "forget bias", "no tanh"):
        found = compare(trace, foreign(trace, {"0/forward": lstm(w, x, h, c, bug)}))
        begin = time.thread_time()
        assert named(found)
        spent.append(time.thread_time() - begin)
    assert min(spent) < 0.5
