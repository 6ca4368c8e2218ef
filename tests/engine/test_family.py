"""Every member of the family agrees with scalar loops that share no code; every option does something or is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lstm_trace as lt
from lstm_trace.cell.variants import named
from lstm_trace.errors import LstmTraceError

from ..support.family_oracle import ACTIVATIONS, Reading, sequence, slstm, step
from ..support.rounding import by_precision, numbers, within
from ..support.tiers import some

T, B, I, H, P = 4, 3, 2, 5, 3  # noqa: E741


def weights(rng: np.random.Generator, options: dict[str, Any], wide: int = I, units: int = H) -> dict[str, np.ndarray]:
    """Distinct random weights of one layer and direction: shuffled gates or a transpose must show."""
    recurrent = P if options.get("projection") else units
    gates = "ico" if options.get("coupled") else "ifco"
    found = {}
    for g in gates:
        found[f"W_x{g}"] = rng.normal(size=(units, wide))
        found[f"W_h{g}"] = rng.normal(size=(units, recurrent)) / 2
        for name in {"none": (), "one": ("b_",), "two": ("b_x", "b_h")}[options.get("bias", "one")]:
            found[f"{name}{g}"] = rng.normal(size=units)
        if options.get("peephole") and g != "c":
            found[f"w_c{g}"] = rng.normal(size=units)
        if options.get("layer_norm"):
            found[f"gamma_{g}"], found[f"beta_{g}"] = rng.normal(size=(2, units))
    if options.get("layer_norm_cell"):
        found["gamma_cell"], found["beta_cell"] = rng.normal(size=(2, units))
    if options.get("projection"):
        found["W_hr"] = rng.normal(size=(P, units))
    if options.get("projection_bias"):
        found["b_hr"] = rng.normal(size=P)
    return found


def plain(w: dict[str, np.ndarray]) -> dict[str, Any]:
    return {name: array.tolist() for name, array in w.items()}


def reading(options: dict[str, Any]) -> Reading:
    return Reading(**{n: v for n, v in options.items() if n not in ("bias", "projection_bias")})


def by_oracle(w: dict[str, np.ndarray], x: Any, h0: Any, c0: Any, r: Reading) -> np.ndarray:
    """h (B, T, ·) of one layer; rows one by one."""
    return np.array(
        [sequence(plain(w), x[:, b].tolist(), h0[b].tolist(), c0[b].tolist(), r)[0] for b in range(x.shape[1])]
    )


def agrees(
    trace: lt.Trace, w: dict[str, np.ndarray], x: Any, h0: Any, c0: Any, r: Reading | None = None, lengths: Any = None
) -> None:
    """Each step of one layer and direction is what the oracle makes of the recorded states before it."""
    (stage,) = trace.stages
    hs, cs = trace["h_t"], trace[stage.cell.states["c_prev"]]
    for b in range(x.shape[1]):
        h, c = h0[b], c0[b]
        steps = range(len(x) if lengths is None else lengths[b])
        for t in steps if stage.direction == "forward" else reversed(steps):
            new = step(plain(w), numbers(x[t, b]), numbers(h), numbers(c), r or Reading())
            for name, values, expected in zip("hc", (hs, cs), new, strict=True):
                within(values[t, b], expected, f"{name} of step {t}, row {b}: ")
            h, c = hs[t, b], cs[t, b]
        np.testing.assert_array_equal(trace.h_n[0, b], h)
        np.testing.assert_array_equal(trace.c_n[0, b], c)


def drawn(seed: int, options: dict[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    width = P if options.get("projection") else H
    return weights(rng, options), rng.normal(size=(T, B, I)), rng.normal(size=(B, width)), rng.normal(size=(B, H))


FAMILY: list[dict[str, Any]] = [
    {"bias": "none"},
    {"bias": "one"},
    {"bias": "two"},
    {"peephole": True},
    {"coupled": True},
    {"coupled": True, "peephole": True, "bias": "two"},
    {"projection": True},
    {"projection": True, "projection_bias": True, "peephole": True},
    {"projection": True, "projection_clip": 0.25},
    {"forget_bias": 1.0},
    {"forget_bias": -0.75, "bias": "none", "clip": 0.5},
    {"clip": 0.4},
    {"clip": 0.4, "coupled": True},
    {"output_clip": 0.2},
    {"cell_clip": 0.3},
    {"cell_clip": 0.3, "peephole": True, "output_clip": 0.2, "clip": 0.9},
    {"gate_activation": "hard_sigmoid"},
    {"gate_activation": "hard_sigmoid_keras", "candidate_activation": "softsign", "output_activation": "elu(0.5)"},
    {"candidate_activation": "scaled_tanh(1.7159, 0.6667)", "output_activation": "affine(0.5, 0.25)"},
    {"layer_norm": True, "bias": "none"},
    {"layer_norm": True, "forget_bias": 1.0, "layer_norm_epsilon": 1e-3},
    {"layer_norm_cell": True},
    {"layer_norm_cell": True, "layer_norm_carried": True, "layer_norm_epsilon": 0.01, "layer_norm": True},
    {"layer_norm": True, "layer_norm_cell": True, "coupled": True, "peephole": True, "projection": True},
]


@pytest.mark.few(4)
@pytest.mark.parametrize("options", FAMILY, ids=lambda o: " ".join(f"{k}={v}" for k, v in o.items()))
def test_each_member_agrees_with_scalar_loops_and_each_option_counts(options: dict[str, Any]) -> None:
    w, x, h0, c0 = drawn(7, options)
    trace = lt.run(w, x, h0=h0, c0=c0, options=options)
    r = reading(options)
    agrees(trace, w, x, h0, c0, r)
    h = by_oracle(w, x, h0, c0, r)
    for option in set(options) - {"bias", "projection", "projection_bias"}:
        without = replace(r, **{option: getattr(Reading(), option)})
        if option == "coupled":
            continue  # without it there are weights that are not here
        assert np.abs(by_oracle(w, x, h0, c0, without) - h).max() > 1e-4, f"{option} does nothing in this case"


@pytest.mark.few(0)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_combination_of_options_agrees_with_scalar_loops(data: st.DataObject) -> None:
    flag, clip = st.booleans(), st.sampled_from([None, 0.25, 1.5])
    squashes = sorted(set(ACTIVATIONS) - {"exponential"})  # exp of exp leaves the range of floats
    options: dict[str, Any] = {
        "bias": data.draw(st.sampled_from(["none", "one", "two"])),
        **{name: data.draw(flag) for name in ("peephole", "coupled", "projection", "layer_norm", "layer_norm_cell")},
        **{name: data.draw(clip) for name in ("clip", "output_clip", "cell_clip")},
        **{f"{role}_activation": data.draw(st.sampled_from(squashes)) for role in ("gate", "candidate")},
        "output_activation": data.draw(st.sampled_from(["tanh", "softsign", "relu", "hard_sigmoid"])),
    }
    if options["projection"]:
        options |= {"projection_bias": data.draw(flag), "projection_clip": data.draw(clip)}
    if not options["coupled"]:
        options["forget_bias"] = data.draw(st.sampled_from([0.0, 1.0, -0.5]))
    if options["layer_norm_cell"]:
        options["layer_norm_carried"] = data.draw(flag)
    w, x, h0, c0 = drawn(data.draw(st.integers(0, 2**32)), options)
    x, h0, c0 = x[:, :1] / 2, h0[:1] / 2, c0[:1] / 2
    trace = lt.run(w, x, h0=h0, c0=c0, options=options)
    agrees(trace, w, x, h0, c0, reading(options))


@pytest.mark.few(1)
@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_each_activation_serves_each_role(name: str) -> None:
    constants = {"affine": "(0.7, 0.1)", "leaky_relu": "(0.2)", "thresholded_relu": "(0.3)", "elu": "(1.5)",
                 "scaled_tanh": "(1.2, 0.8)", "hard_sigmoid": "(0.3, 0.4)"}.get(name, "")  # fmt: skip
    for text in {name, name + constants}:
        for role in ("gate", "candidate", "output"):
            options = {f"{role}_activation": text}
            w, x, h0, c0 = drawn(3, options)
            agrees(lt.run(w, x, h0=h0, c0=c0, options=options), w, x, h0, c0, reading(options))


@pytest.mark.few(3)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("at", [-1000.0, -30.0, 30.0, 1000.0, np.inf, -np.inf])
def test_activations_do_not_overflow(at: float, dtype: type) -> None:
    z = np.array([at], dtype)
    for name in sorted(set(ACTIVATIONS) - {"exponential", "softsign"}):
        text = named("lstm", {"gate_activation": name, "bias": "one"})[0].equations["i_t"].replace("z_i", "x_t")
        if name in ("silu", "hard_silu") and at == -np.inf:
            continue  # -inf * 0
        value = lt.run({}, z, cell={"equations": f"y_t = {text}\noutput: y_t"}, dtype=dtype)["y_t"]
        assert value.dtype == dtype
        assert not np.isnan(value).any(), name


@pytest.mark.parametrize("forget", ["sigmoid", "exp"])
def test_slstm_agrees_with_the_paper_stabilised_or_not(forget: str) -> None:
    rng = np.random.default_rng(11)
    w, x, h0 = weights(rng, {}), rng.normal(size=(6, B, I)), rng.normal(size=(B, H))

    def loops(kind: Any, squash: str = forget, stabilised: bool = True) -> np.ndarray:
        rows = [(numbers(x[:, b], kind), numbers(h0[b], kind)) for b in range(B)]
        return np.array([slstm(plain(w), *row, squash == "exp", stabilised) for row in rows]).swapaxes(0, 1)

    right = by_precision(loops)
    within(loops(float, stabilised=False), right)  # the paper's own claim
    other = loops(float, "sigmoid" if forget == "exp" else "exp")
    assert np.abs(other - loops(float)).max() > 1e-3
    for stabilised in (True, False):
        options = {"forget_activation": forget, "stabilised": stabilised}
        trace = lt.run(w, x, h0=h0, cell="slstm", options=options)
        within(trace["h_t"], right)
    assert set(trace.stages[0].cell.states) == {"h_prev", "c_prev", "n_prev"}


def test_the_stabiliser_keeps_large_gates_finite() -> None:
    rng = np.random.default_rng(12)
    w, x = weights(rng, {}), 400 * rng.normal(size=(6, B, I))
    with_m = lt.run(w, x, cell="slstm", options={"forget_activation": "exp"})["h_t"]
    without = lt.run(w, x, cell="slstm", options={"forget_activation": "exp", "stabilised": False})["h_t"]
    assert np.isfinite(with_m).all()
    assert not np.isfinite(without).all()


def test_slstm_states_can_be_given() -> None:
    rng = np.random.default_rng(13)
    w, x = weights(rng, {}), rng.normal(size=(6, B, I))
    whole = lt.run(w, x, cell="slstm")
    head = lt.run(w, x[:3], cell="slstm")
    states = {f"{s}_prev": head[f"{s}_t"][-1] for s in "cnm"}
    tail = lt.run(w, x[3:], h0=head["h_t"][-1], cell="slstm", initial=states)
    np.testing.assert_array_equal(tail["h_t"], whole["h_t"][3:])


# -- networks --------------------------------------------------------------------------------------------------------

MERGES = {
    "concat": lambda a, b: [*a, *b],
    "sum": lambda a, b: [p + q for p, q in zip(a, b, strict=True)],
    "mean": lambda a, b: [(p + q) / 2 for p, q in zip(a, b, strict=True)],
    "product": lambda a, b: [p * q for p, q in zip(a, b, strict=True)],
}


def padded(rows: list[Any], h0: list[float], rule: str, reverse: bool) -> list[list[float]]:
    """What a layer gives out: the rule fills the positions past the length in the order of the loop."""
    zero, last, out = [0.0] * len(h0), None, [[0.0]] * len(rows)
    for t in reversed(range(len(rows))) if reverse else range(len(rows)):
        if rows[t] is not None:
            last = rows[t]
        fill = {"zero": zero, "repeat": last or zero, "carry": last or h0}[rule]
        out[t] = rows[t] if rows[t] is not None else fill
    return out


def layers_agree(
    trace: lt.Trace, layers: list[Any], x: Any, h0: Any, c0: Any, lengths: Any, merge: str, rule: str
) -> None:
    """Every step of a stack, each layer from what is recorded below it; merging and padding round once, so exactly."""
    k, states = 0, []
    for at, layer in enumerate(layers):
        halves = []
        for direction, w in layer.items():
            part = trace.at(layer=at, direction=direction)
            agrees(part, w, x, h0[k], c0[k], lengths=lengths)
            rows = [[v.tolist() if t < lengths[b] else None for t, v in enumerate(part["h_t"][:, b])]
                    for b in range(x.shape[1])]  # fmt: skip
            halves.append([padded(row, h0[k][b].tolist(), rule, direction == "reverse") for b, row in enumerate(rows)])
            states.append((part.h_n[0], part.c_n[0]))
            k += 1
        whole = halves[0] if len(halves) == 1 else [list(map(MERGES[merge], *two)) for two in zip(*halves, strict=True)]
        x = np.array(whole).swapaxes(0, 1)
    np.testing.assert_array_equal(trace.output, x)
    if len({h.shape for h, _ in states}) == 1:  # else no one array holds them
        np.testing.assert_array_equal(trace.h_n, [h for h, _ in states])
        np.testing.assert_array_equal(trace.c_n, [c for _, c in states])


def network(rng: np.random.Generator, count: int, directions: tuple[str, ...], merge: str = "concat") -> list[Any]:
    layers: list[Any] = []
    for layer in range(count):
        wide = I if layer == 0 else H * (len(directions) if merge == "concat" else 1)
        layers.append({d: weights(rng, {"bias": "two"}, wide) for d in directions})
    return layers


def flat(layers: list[Any]) -> dict[str, np.ndarray]:
    return {f"{k}/{d}/{n}": a for k, layer in enumerate(layers) for d, w in layer.items() for n, a in w.items()}


@pytest.mark.few(1)
@pytest.mark.parametrize("padding", ["zero", "repeat", "carry"])
@pytest.mark.parametrize(
    ("count", "directions", "merge"),
    [(1, ("forward",), "concat"), (1, ("reverse",), "concat"), (3, ("forward",), "concat"), (2, ("reverse",), "concat")]
    + [(2, ("forward", "reverse"), merge) for merge in MERGES],
)
def test_stacks_directions_merges_lengths_and_padding(
    count: int, directions: tuple[str, ...], merge: str, padding: str
) -> None:
    rng = np.random.default_rng(21)
    layers = network(rng, count, directions, merge)
    x = rng.normal(size=(T, 4, I))
    h0, c0 = rng.normal(size=(2, count * len(directions), 4, H))
    for lengths in (None, [3, 0, 4, 1]):
        seen = [T] * 4 if lengths is None else lengths
        model = lt.prepare(flat(layers), options={"merge": merge, "padding": padding})
        trace = model.run(x, h0=h0, c0=c0, lengths=lengths)
        layers_agree(trace, layers, x, h0, c0, seen, merge, padding)
        major = model.run(x.swapaxes(0, 1), h0=h0, c0=c0, lengths=lengths, batch_first=True)
        np.testing.assert_array_equal(major.output, trace.output.swapaxes(0, 1))
        np.testing.assert_array_equal(major.h_n, trace.h_n)  # states stay (L·D, B, ·), as PyTorch has them


def test_padding_rules_and_length_zero_differ_where_they_should() -> None:
    rng = np.random.default_rng(22)
    w, x, h0 = flat(network(rng, 1, ("forward",))), rng.normal(size=(T, 2, I)), rng.normal(size=(2, H))
    outputs = {
        rule: lt.run(w, x, h0=h0, lengths=[2, 0], options={"padding": rule}) for rule in ("zero", "repeat", "carry")
    }
    valid = outputs["zero"].output[1, 0]
    np.testing.assert_array_equal(outputs["zero"].output[2:, 0], 0)
    np.testing.assert_array_equal(outputs["repeat"].output[2:, 0], [valid, valid])
    np.testing.assert_array_equal(outputs["carry"].output[2:, 0], [valid, valid])
    np.testing.assert_array_equal(outputs["repeat"].output[:, 1], 0)
    np.testing.assert_array_equal(outputs["carry"].output[:, 1], [h0[1]] * T)
    for trace in outputs.values():
        np.testing.assert_array_equal(trace.h_n[0], [valid, h0[1]])


def test_directions_that_are_not_joined_stand_side_by_side() -> None:
    rng = np.random.default_rng(23)
    layers = network(rng, 1, ("forward", "reverse"))
    x = rng.normal(size=(T, B, I))
    trace = lt.run(flat(layers), x, options={"merge": "none"})
    zero = np.zeros((B, H))
    for direction in ("forward", "reverse"):
        agrees(trace.at(direction=direction), layers[0][direction], x, zero, zero)
        np.testing.assert_array_equal(trace.at(direction=direction).output, trace.at(direction=direction)["h_t"])
    with pytest.raises(LstmTraceError, match="merge: none leaves two outputs, so no layer can follow"):
        lt.run(flat(network(rng, 2, ("forward", "reverse"))), x, options={"merge": "none"})


def test_layers_may_differ_in_width() -> None:
    rng = np.random.default_rng(24)
    layers = [{"forward": weights(rng, {}, I, 4)}, {"forward": weights(rng, {}, 4, 2)}]
    x = rng.normal(size=(T, B, I))
    trace = lt.run(flat(layers), x)
    zeros = [np.zeros((B, 4)), np.zeros((B, 2))]
    layers_agree(trace, layers, x, zeros, zeros, [T] * B, "concat", "zero")


@pytest.mark.parametrize("options", FAMILY[:1] + FAMILY[5:8] + FAMILY[-3:], ids=str)
def test_float32_is_float32_and_near_float64(options: dict[str, Any]) -> None:
    w, x, h0, c0 = drawn(31, options)
    wide = lt.run(w, x, h0=h0, c0=c0, options=options)
    narrow = lt.run(
        {n: a.astype(np.float32) for n, a in w.items()}, x.astype(np.float32), h0=h0, c0=c0, options=options
    )
    assert {a.dtype for a in narrow.lines["0/forward"].values()} == {np.dtype(np.float32)}
    assert {a.dtype for a in wide.lines["0/forward"].values()} == {np.dtype(np.float64)}
    error = np.abs(narrow["h_t"] - wide["h_t"]).max()
    assert 1e-9 < error < 1e-4


@pytest.mark.few(0)
@pytest.mark.parametrize(
    "options", some([*FAMILY, {"kind": "slstm"}, {"kind": "slstm", "stabilised": False}], 5), ids=str
)
def test_verify_report_table_file_and_ask_work_for_every_member(options: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(41)
    wide = 2 * (P if options.get("projection") else H)
    layers = [{d: weights(rng, options, size) for d in ("forward", "reverse")} for size in (I, wide)]
    x = rng.normal(size=(T, 2, I))
    trace = lt.run(flat(layers), x, cell=options, lengths=[4, 2])
    assert lt.verify(trace).verdict == "verified"
    table = trace.to_frame(layer=1, direction="reverse", steps=slice(2, 3))
    assert set(trace.stages[0].cell.equations) < set(table["line"])
    report = trace.report(format="text", layer=1, direction="reverse", steps=slice(2, 3), detail="vector")
    assert len(report) > 1000
    trace.save(tmp_path / "t.json")
    back = lt.load(tmp_path / "t.json")
    np.testing.assert_array_equal(back.output, trace.output)
    assert back.header.options == trace.header.options
    address = "1/reverse/2/0/i_t[1]"
    assert str(trace.locate(address)) == address
    asked = lt.run(flat(layers), x, cell=options, lengths=[4, 2], ask="1/reverse/i_t")
    np.testing.assert_array_equal(
        asked.at(layer=1, direction="reverse")["i_t"], trace.at(layer=1, direction="reverse")["i_t"]
    )
