"""`identify` names the mistake in another program's h, whatever the model is, and says what its values cannot decide.

What the other program computes is written out in scalar loops (`family_oracle`), in numpy, or is our run of a model
with other options, which tests/cell compares with the loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import permutations
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.named_cells import LSTM
from lstm_trace.errors import FileError, LstmTraceError, OptionError
from lstm_trace.mistakes.identify import Identification

from .. import ROOT
from ..engine.test_family import weights as family
from ..support.family_oracle import Reading, sequence
from .test_traps import with_peepholes

Weights = dict[str, Any]
H, INPUTS, T, B = 5, 3, 6, 2


def drawn(seed: int = 0, size: int = H, inputs: int = INPUTS, *, peephole: bool = False, two: bool = False) -> Weights:
    """Random weights by our names."""
    rng = np.random.default_rng(seed)
    found: Weights = {}
    for gate in "ifco":
        found |= {f"W_x{gate}": rng.normal(size=(size, inputs)), f"W_h{gate}": rng.normal(size=(size, size))}
        names = (f"b_x{gate}", f"b_h{gate}") if two else (f"b_{gate}",)
        found |= {name: rng.normal(size=size) for name in names}
        if peephole and gate != "c":
            found[f"w_c{gate}"] = rng.normal(size=size)
    return found


def stored(weights: Weights, order: str = "ifco", peephole: str = "ifo") -> Weights:
    """The weights stacked as Keras or, with two biases, PyTorch stores them, in any order of the gates."""

    def stack(name: str, gates: str = order) -> Any:
        return np.concatenate([weights[name.format(gate)] for gate in gates])

    if "b_xi" in weights:
        names = {"W_x{}": "weight_ih_l0", "W_h{}": "weight_hh_l0", "b_x{}": "bias_ih_l0", "b_h{}": "bias_hh_l0"}
        return {name: stack(ours) for ours, name in names.items()}
    arrays = {"kernel": stack("W_x{}").T, "recurrent_kernel": stack("W_h{}").T, "bias": stack("b_{}")}
    if "w_ci" in weights:
        arrays["peephole"] = stack("w_c{}", peephole)
    return arrays


def outputs(
    weights: Weights, options: dict[str, Any], seed: int = 1, scale: float = 1.5, **run: Any
) -> tuple[Any, Any]:
    """A random input and the h of the model with these options."""
    inputs = weights["W_xi"].shape[1]
    x = scale * np.random.default_rng(seed).normal(size=(T, B, inputs))
    return x, lt.run(weights, x, cell={"kind": "lstm", **options}, **run).output


def keys(found: Identification) -> list[str]:
    """The mistakes that were found, one or two, by their keys."""
    assert not found.right
    return [str(one) for one in found.found[0].mistakes] if found.found else []


def every(found: Identification) -> set[str]:
    """The keys of all that explain the values, two at once with a plus."""
    (best,) = found.found
    return {" + ".join(map(str, one)) for one in (best.mistakes, *best.equal)}


# -- weights -----------------------------------------------------------------------------------------------------------


@pytest.mark.few(1)
@pytest.mark.parametrize("order", list(map("".join, permutations("ifco"))))
def test_every_gate_order(order: str) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights, order), x, y, layout="keras")
    if order == "ifco":
        assert found.right
        assert found.as_read.distance < 1e-14
        return
    read = {true: named for named, true in zip("ifco", order, strict=True)}  # the weights of gate i are called …
    (best,) = found.found
    assert [one.mistake.row.key for one in best.mistakes] == ["order"]
    assert best.fit.distance < 1e-14
    changed = {one.name: one.wrong for one in best.equations}
    assert changed == {
        f"z_{gate}": f"W_x{read[gate]} @ x_t + W_h{read[gate]} @ h_prev + b_{read[gate]}"
        for gate in "ifco" if read[gate] != gate
    }  # fmt: skip


@pytest.mark.few(0)
@pytest.mark.parametrize("order", ["ico", "oci", "cio"])
def test_orders_of_the_three_gates_of_a_coupled_cell(order: str) -> None:
    weights = {name: a for name, a in drawn().items() if not name.endswith("f")}
    x, y = outputs(weights, {"coupled": True})
    read = {f"{n[:-1]}{'ico'[order.index(n[-1])]}": a for n, a in weights.items()}
    found = lt.identify(read, x, y, options={"coupled": True})
    assert found.right is (order == "ico")
    assert found.right or keys(found)[0].startswith("order:")


def transposed_blocks(arrays: Weights) -> Weights:
    """Each gate's recurrent block transposed: H by H, so no shape can show it."""
    blocks = np.split(arrays["recurrent_kernel"], 4, axis=1)
    return {**arrays, "recurrent_kernel": np.concatenate([block.T for block in blocks], axis=1)}


@pytest.mark.few(1)
@pytest.mark.parametrize(
    ("change", "key"),
    [
        (transposed_blocks, "transposed:z_*,W_h*,h_prev"),
        (lambda a: {**a, "bias": 2 * a["bias"]}, "bias-halved:z_*"),
        (lambda a: {**a, "bias": a["bias"] / 2}, "bias-doubled:z_*"),
        (lambda a: {**a, "bias": a["bias"] + np.repeat([0, 1, 0, 0], H)}, "constant:z_f,-1"),
    ],
)
def test_arrays_that_were_changed(change: Callable[[Weights], Weights], key: str) -> None:
    weights = drawn(inputs=H)
    x, y = outputs(weights, {})
    assert keys(lt.identify(change(stored(weights)), x, y, layout="keras")) == [key]


@pytest.mark.few(0)
@pytest.mark.parametrize(
    ("key", "used"),
    [("biases-lost:z_*,b_x*,b_h*", ()), ("bias-lost:z_*,b_h*", ("b_x",)), ("bias-lost:z_*,b_x*", ("b_h",))],
)
def test_biases(key: str, used: tuple[str, ...]) -> None:
    weights = drawn(two=True)
    there = {k: v if k[:3] in ("W_x", "W_h", *used) else 0 * v for k, v in weights.items()}
    x, y = outputs(there, {})
    assert keys(lt.identify(stored(weights), x, y)) == [key]


@pytest.mark.few(0)
@pytest.mark.parametrize("order", ["iof", "fio", "ofi"])
def test_orders_of_peepholes(order: str) -> None:
    weights = drawn(peephole=True)
    x, y = outputs(weights, {"peephole": True})
    said = {"name": "keras", "peephole": "ifo"}
    found = lt.identify(stored(weights, peephole=order), x, y, layout=said, options={"peephole": True})
    assert [one.mistake.row.key for one in found.found[0].mistakes] == ["order-peephole"]


@pytest.mark.few(0)
@pytest.mark.parametrize("order", ["icfo", "ifco"])
def test_a_joined_kernel_split_the_other_way(order: str) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    kernel = np.concatenate([np.concatenate([weights[f"W_h{g}"], weights[f"W_x{g}"]], axis=1) for g in order]).T
    arrays = {"kernel": kernel, "bias": np.concatenate([weights[f"b_{g}"] for g in order])}
    facts = {"name": "tf1", "order": order, "forget_bias": 0.0}
    assert keys(lt.identify(arrays, x, y, layout=facts)) == ["weights-read:recurrent-first"]


# -- equations ---------------------------------------------------------------------------------------------------------

#: How another program computes, by the scalar loops, and the keys of what it does (two at once with a plus).
READ: list[tuple[Reading, str]] = [
    (Reading(forget_bias=1.0), "constant:z_f,1"),
    (Reading(gate_activation="hard_sigmoid"), "function:*_t,hard_sigmoid"),
    (Reading(gate_activation="hard_sigmoid_keras"), "function:*_t,hard_sigmoid_keras"),
    (Reading(candidate_activation="softsign"), "other-function:c_tilde,z_c,softsign"),
    (Reading(output_activation="relu"), "function:h_t,relu"),
    (Reading(candidate_activation="relu", output_activation="relu"), "function:h_t,relu + function:c_tilde,z_c,relu"),
    (Reading(cell_clip=0.5), "clip-of-cell:c_t,f_t*c_prev+i_t*c_tilde,0.5"),
    (Reading(cell_clip=0.5, cell_clip_at="carry"), "clip-of-carried:carryc_prev,0.5"),
    (Reading(output_clip=1.0), "saturated:h_t,1"),
    (Reading(forget_bias=1.0, gate_activation="hard_sigmoid"), "function:*_t,hard_sigmoid + constant:z_f,1"),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("reading", "key"), READ, ids=[key for _, key in READ])
@pytest.mark.parametrize("last", [False, True])
def test_how_another_program_computes(reading: Reading, key: str, last: bool) -> None:
    """From h alone, over time or at the last step."""
    weights = drawn(3)
    x = 2 * np.random.default_rng(4).normal(size=(8, 3, INPUTS))
    lists = {name: array.tolist() for name, array in weights.items()}
    rows = [sequence(lists, x[:, b].tolist(), [0.0] * H, [0.0] * H, reading)[0] for b in range(3)]
    y = np.array(rows).swapaxes(0, 1)
    found = every(lt.identify(weights, x, y[-1] if last else y))
    assert key in found or " + ".join(reversed(key.split(" + "))) in found


def test_the_output_gate_sees_the_old_cell_state() -> None:
    w, x, h0, c0 = with_peepholes(5)
    reading = Reading(peephole=True, output_peephole="old")
    h, _, _ = sequence({n: v.tolist() for n, v in w.items()}, x.tolist(), h0.tolist(), c0.tolist(), reading)
    found = lt.identify(w, x, np.array(h), h0=h0, c0=c0, options={"peephole": True})
    assert keys(found) == ["old-cell:z_o"]


#: Options that a model has, with what is found where a port lost them.
RESPECTED: list[tuple[dict[str, Any], str]] = [
    ({"clip": 0.75}, "clip-lost"),
    ({"cell_clip": 0.5}, "clip-lost:c_t"),
    ({"output_clip": 0.5}, "clip-lost:h_t"),
    ({"forget_bias": 2.5}, "constant-lost:z_f"),
    ({"gate_activation": "hard_sigmoid(0.3, 0.4)"}, "usual-sigmoid:*_t"),
    ({"candidate_activation": "softsign"}, "function:c_tilde,z_c,tanh"),
    ({"coupled": True, "clip": 0.75}, "clip-lost"),
    ({"coupled": True, "peephole": True, "gate_activation": "hard_sigmoid"}, "function:*_t,sigmoid"),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("options", "key"), RESPECTED, ids=[str(row[0]) for row in RESPECTED])
def test_the_options_of_the_model_are_part_of_it(options: dict[str, Any], key: str) -> None:
    coupled = options.get("coupled", False)
    weights = {n: a for n, a in drawn(peephole="peephole" in options).items() if not (coupled and n.endswith("f"))}
    x, y = outputs(weights, options)
    assert lt.identify(weights, x, y, options=options).right
    kept = {name: value for name, value in options.items() if name in ("coupled", "peephole")}
    port = lt.identify(weights, x, outputs(weights, kept)[1], options=options)
    assert port.as_read.distance > 1e-3
    assert keys(port)[0].startswith(key)


OTHERS: dict[str, Any] = {
    "bias": "two", "clip": 2.0, "output_clip": 2.0, "cell_clip": 2.0, "projection_clip": 2.0, "forget_bias": 1.5,
    "gate_activation": "hard_sigmoid", "candidate_activation": "relu", "output_activation": "linear",
    "layer_norm_epsilon": 1e-3,
}  # fmt: skip


@pytest.mark.few(0)
@pytest.mark.parametrize("option", [f.name for f in fields(LSTM)])
def test_a_model_with_any_option_is_searched(option: str) -> None:
    options: dict[str, Any] = {option: OTHERS.get(option, True)}
    options |= {"projection": True} if option.startswith("projection") else {}
    options |= {"layer_norm": True, "layer_norm_cell": True} if option.startswith("layer_norm_") else {}
    weights = family(np.random.default_rng(2), options)
    x, y = outputs(weights, options)
    assert lt.identify(weights, x, y, options=options).right
    other = {**weights, "W_xi": -weights["W_xi"]}
    found = lt.identify(weights, x, outputs(other, options)[1], options=options)
    assert "sign:z_i,W_xi@x_t" in every(found)


# -- states, time, wiring ----------------------------------------------------------------------------------------------


@pytest.mark.few(0)
def test_states_axes_and_what_the_outputs_are() -> None:
    weights = drawn()
    h0, c0 = np.random.default_rng(5).normal(size=(2, B, H))
    given = {"h0": h0, "c0": c0}
    x, y = outputs(weights, {}, **given)
    assert keys(lt.identify(weights, x, y, h0=c0, c0=h0)) == ["initial-exchanged"]
    assert keys(lt.identify(weights, x, outputs(weights, {})[1], **given)) == ["initial-zero"]
    assert lt.identify(weights, x.swapaxes(0, 1), y.swapaxes(0, 1), batch_first=True, **given).right
    assert lt.identify(weights, x, y[-1], **given).right
    trace = lt.run(weights, x, **given)
    assert keys(lt.identify(weights, x, trace["c_t"], **given)) == ["output:output,c_t"]
    back = lt.run(weights, x, options={"direction": "reverse"}).output
    assert keys(lt.identify(weights, x, back)) == ["time:the-other-way"]
    assert keys(lt.identify(weights, x, back[::-1])) == ["time:input-reversed"]
    assert keys(lt.identify(trace, y=lt.run(weights, x).output)) == ["initial-zero"]


def two_by_two(seed: int = 1) -> Weights:
    """Two layers of two directions."""
    own = [drawn(seed + k, 4, size) for k, size in enumerate((INPUTS, INPUTS, 8, 8))]
    places = [(layer, direction) for layer in (0, 1) for direction in ("forward", "reverse")]
    return {f"{n}/{d}/{name}": v for (n, d), w in zip(places, own, strict=True) for name, v in w.items()}


PLACED = {
    "1/order:i,f": lambda w: {**w, **swapped(w, "1/forward", "i", "f"), **swapped(w, "1/reverse", "i", "f")},
    "0/reverse/bias-lost:z_o": lambda w: {**w, "0/reverse/b_o": 0 * w["0/reverse/b_o"]},
    "forward/bias-lost:z_*": lambda w: {n: 0 * v if "forward/b_" in n else v for n, v in w.items()},
    "above/bias-lost:z_c": lambda w: {n: 0 * v if n[:2] == "1/" and n.endswith("b_c") else v for n, v in w.items()},
}


def swapped(w: Weights, scope: str, one: str, two: str) -> Weights:
    return {
        f"{scope}/{stem}{a}": w[f"{scope}/{stem}{b}"]
        for stem in ("W_x", "W_h", "b_")
        for a, b in ((one, two), (two, one))
    }


@pytest.mark.few(0)
@pytest.mark.parametrize("key", PLACED)
def test_layers_and_directions(key: str) -> None:
    weights = two_by_two()
    x = np.random.default_rng(2).normal(size=(5, 2, INPUTS))
    found = every(lt.identify(weights, x, lt.run(PLACED[key](weights), x).output))
    assert key.replace("above/", "1/") in found


@pytest.mark.few(0)
def test_two_at_once() -> None:
    weights = two_by_two()
    x = np.random.default_rng(2).normal(size=(5, 2, INPUTS))
    wrong = PLACED["0/reverse/bias-lost:z_o"](PLACED["1/order:i,f"](weights))
    found = lt.identify(weights, x, lt.run(wrong, x).output)
    assert sorted(keys(found)) == ["0/reverse/bias-lost:z_o", "1/order:i,f"]
    assert {one.scope for one in found.found[0].equations} == {"0/reverse", "1/forward", "1/reverse"}


@pytest.mark.parametrize("kind", ["gru", "rnn"])
def test_other_cells(kind: str) -> None:
    rng = np.random.default_rng(4)
    gates = {"gru": "urh", "rnn": "h"}[kind]
    weights = {f"W_{s}{g}": rng.normal(size=(4, 3 if s == "x" else 4)) for s in "xh" for g in gates}
    weights |= {f"b_{g}": rng.normal(size=4) for g in gates}
    x = rng.normal(size=(5, 2, 3))
    options = {"reset_after": False} if kind == "gru" else {}
    y = lt.run({**weights, "W_hh": weights["W_hh"].T}, x, cell=kind, options=options).output
    found = lt.identify(weights, x, y, cell=kind, options=options)
    assert "transposed:z_h" in next(iter(keys(found)))


# -- what the values cannot decide -------------------------------------------------------------------------------------


def test_constant_weights_tell_no_gates_apart() -> None:
    """As the ONNX node tests have them: every weight 0.1."""
    weights = {name: np.full_like(values, 0.1) for name, values in drawn().items()}
    x, y = outputs(weights, {})
    assert lt.identify(stored(weights, "ofci"), x, y, layout="keras").right


def test_what_gives_the_same_values_is_listed_with_the_line_that_tells_it_apart() -> None:
    weights = drawn()
    other = {f"{name[:-1]}{'fico'['ifco'.index(name[-1])]}": values for name, values in weights.items()}
    x, _ = outputs(weights, {})
    port = lt.run(other, x)
    found = lt.identify(weights, x, port.output)
    assert keys(found) == ["order:i,f"]
    assert "exchange:i_t,f_t" in every(found)
    assert found.found[0].separates == "0/forward/z_i"
    assert every(lt.identify(weights, x, {"h_t": port.output, "z_i": port["z_i"]})) == {"order:i,f"}


def test_a_value_that_is_not_given_is_not_compared() -> None:
    weights = drawn()
    x, y = outputs({**weights, "b_o": 0 * weights["b_o"]}, {})
    some = np.where(np.arange(T)[:, None, None] < 3, np.nan, y)
    assert keys(lt.identify(weights, x, some)) == ["bias-lost:z_o"]
    with pytest.raises(OptionError, match="none of the values is a number: there is nothing to explain"):
        lt.identify(weights, x, np.nan * y)


def test_float32_and_printed_digits_widen_what_is_right(tmp_path: Any) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    for other in (y.astype(np.float32), np.float64(y.astype(np.float32))):
        assert lt.identify(weights, x, other).right
    assert not lt.identify(weights, x, y + 1e-12).right
    assert lt.identify(weights, x, y + 1e-12, atol=1e-11).right
    text = "t,batch,line,unit,value\n" + "".join(
        f"{t},{b},h_t,{k},{y[t, b, k]:.3f}\n" for t in range(T) for b in range(B) for k in range(H)
    )
    (tmp_path / "y.csv").write_text(text)
    assert lt.identify(weights, x, tmp_path / "y.csv").right


@pytest.mark.few(0)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_explains_noise(seed: int) -> None:
    weights = drawn(seed)
    x, y = outputs(weights, {})
    found = lt.identify(weights, x, np.random.default_rng(9 + seed).normal(size=y.shape))
    assert (found.right, found.found, found.nearest) == (False, (), ())
    assert found.as_read.share == 0


@pytest.mark.few(0)
def test_a_large_model_is_searched_over_its_first_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = drawn()
    x, _ = outputs(weights, {})
    x = np.concatenate([x] * 3)
    y = lt.run({**weights, "b_o": 0 * weights["b_o"]}, x).output.copy()
    monkeypatch.setattr("lstm_trace.mistakes.identify.MOST_PRODUCTS", 1000)
    found = lt.identify(weights, x, y)
    assert keys(found) == ["bias-lost:z_o"]
    assert [(one.key, one.fields) for one in found.remarks] == [
        ("identify.limited", {"sequences": 2, "batch": 2, "steps": 8, "of": 18})
    ]
    late = np.concatenate([lt.run(weights, x).output[:-1], y[-1:]])  # wrong at the last step alone
    assert not lt.identify(weights, x, late).right
    y[-1, 1, 2] += 1
    assert not lt.identify(weights, x, y).found  # what explains the first steps does not explain the last
    assert lt.identify(weights, x, y[-1]).as_read.share < 1


# -- errors ------------------------------------------------------------------------------------------------------------


def test_faults() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    with pytest.raises(FileError, match=r"h_t has the shape \(6, 2, 4\); expected \(T, B, width\) = "):
        lt.identify(weights, x, y[:, :, :4])
    with pytest.raises(FileError, match=r"foo: .* no line 'foo'; it has z_i"):
        lt.identify(weights, x, {"foo": y})
    with pytest.raises(OptionError, match="y has what the other program computed: an array, values by name, or a file"):
        lt.identify(weights, x)
    with pytest.raises(OptionError, match="atol: expected a finite number of at least 0"):
        lt.identify(weights, x, y, atol=float("nan"))
    with pytest.raises(OptionError, match="leave hold and arithmetic out"):
        lt.identify(weights, x, y, hold={"c_t[0]": 0.0})
    with pytest.raises(OptionError, match="leave hold and arithmetic out"):
        lt.identify(weights, x, y, arithmetic="q4.12")
    trace = lt.run(weights, x)
    with pytest.raises(OptionError, match="a trace contains its weights and input: leave x and the other"):
        lt.identify(trace, x, y)
    with pytest.raises(OptionError, match="identify needs every line: run the model without ask; not computed: "):
        lt.identify(lt.run(ROOT / "lstm_trace" / "examples" / "q19.yaml"), y={"i_t": [[0.5]]})
    with pytest.raises(LstmTraceError, match="needs W_xf, which the weights do not have"):
        lt.identify({name: a for name, a in weights.items() if name != "W_xf"}, x, y)
