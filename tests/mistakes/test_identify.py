"""identify names the right cause on every trap, from h alone, and says when the data cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import lstm_trace as lt
from lstm_trace.cell.named_cells import LSTM
from lstm_trace.cli import main
from lstm_trace.documents.blocks import Table
from lstm_trace.documents.formats import Show
from lstm_trace.errors import MissingError, OptionError, ShapeError
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.results.identification import sentences

from .. import ROOT
from ..engine.test_family import weights as family

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
    """A random input and the h of the true reading."""
    inputs = weights["W_xi"].shape[1]
    x = scale * np.random.default_rng(seed).normal(size=(T, B, inputs))
    return x, lt.run(weights, x, cell={"kind": "lstm", **options}, **run).output


@pytest.mark.few(3)
@pytest.mark.parametrize("order", list(map("".join, permutations("ifco"))))
def test_every_gate_order(order: str) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights, order), x, y, layout="keras")
    assert [m.reading.order for m in found.matches] == [order]
    assert found.matches[0].error < 1e-14
    assert (found.as_read.error < 1e-14) is (order == "ifco")


CAUSES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("forget bias added at run time", {"forget_bias": 1.0}, {"forget_bias": 1.0}),
    ("hard sigmoid of ONNX", {"gate_activation": "hard_sigmoid"}, {"gate_activation": "hard_sigmoid"}),
    ("hard sigmoid of Keras 3", {"gate_activation": "hard_sigmoid_keras"}, {"gate_activation": "hard_sigmoid_keras"}),
    ("relu", {"candidate_activation": "relu", "output_activation": "relu"}, {"activation": "relu"}),
    ("clip of the gates", {"clip": 1.0}, {"clip": ("gates", 1.0)}),
    ("clip of the cell", {"cell_clip": 1.0}, {"clip": ("cell", 1.0)}),
    ("clip before the output", {"output_clip": 1.0}, {"clip": ("output", 1.0)}),
    ("reverse", {"direction": "reverse"}, {"direction": "reverse"}),
    ("two at once", {"gate_activation": "hard_sigmoid", "cell_clip": 1.0}, {"clip": ("cell", 1.0)}),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("options", "cause"), [c[1:] for c in CAUSES], ids=[c[0] for c in CAUSES])
@pytest.mark.parametrize("last", [False, True])
def test_options(options: dict[str, Any], cause: dict[str, Any], last: bool) -> None:
    weights = drawn(size=7)
    x, y = outputs(weights, options)
    if last:
        y = y[0 if options.get("direction") == "reverse" else -1]
    best = lt.identify(stored(weights), x, y).matches[0]
    assert best.error < 1e-13
    assert {name: getattr(best.reading, name) for name in cause} == cause
    assert best.reading.order == "ifco"


def transposed_blocks(arrays: Weights) -> Weights:
    """Each gate's recurrent block transposed: H by H, so no shape can show it."""
    kernel = arrays["recurrent_kernel"]
    blocks = np.split(kernel, 4, axis=1)
    return {**arrays, "recurrent_kernel": np.concatenate([block.T for block in blocks], axis=1)}


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (transposed_blocks, {"recurrent": "transposed"}),
        (lambda a: {**a, "bias": 2 * a["bias"]}, {"bias": "halved"}),
    ],
)
def test_arrays_that_were_changed(change: Callable[[Weights], Weights], cause: dict[str, Any]) -> None:
    weights = drawn(inputs=H)
    x, y = outputs(weights, {})
    (best,) = lt.identify(change(stored(weights)), x, y, layout="keras").matches
    assert {name: getattr(best.reading, name) for name in cause} == cause


def test_biases() -> None:
    weights = drawn(two=True)
    for cause, used in (("dropped", ()), ("first", ("b_x",)), ("second", ("b_h",))):
        there = {k: v if k[:3] in ("W_x", "W_h", *used) else 0 * v for k, v in weights.items()}
        x, y = outputs(there, {})
        (best,) = lt.identify(stored(weights), x, y).matches
        assert best.reading.bias == cause


@pytest.mark.few(0)
def test_peephole_order_and_which_cell_state() -> None:
    weights = drawn(peephole=True)
    x, y = outputs(weights, {"peephole": True})
    arrays = stored(weights, peephole="iof")
    (best,) = lt.identify(arrays, x, y, layout={"name": "keras", "peephole": "ifo"}).matches
    assert best.reading.peephole == "iof"
    old = """
    z_i = W_xi @ x_t + W_hi @ h_prev + w_ci * c_prev + b_i
    z_f = W_xf @ x_t + W_hf @ h_prev + w_cf * c_prev + b_f
    z_c = W_xc @ x_t + W_hc @ h_prev + b_c
    z_o = W_xo @ x_t + W_ho @ h_prev + w_co * c_prev + b_o
    c_t = sigmoid(z_f) * c_prev + sigmoid(z_i) * tanh(z_c)
    h_t = sigmoid(z_o) * tanh(c_t)
    carry: h_prev <- h_t, c_prev <- c_t
    """
    y = lt.run(weights, x, cell={"equations": old}).output
    (best,) = lt.identify(stored(weights), x, y, layout="keras").matches
    assert best.reading.output_peephole == "old"


def test_states_axes_and_what_the_outputs_are() -> None:
    weights = drawn()
    rng = np.random.default_rng(5)
    h0, c0 = rng.normal(size=(2, B, H))
    x, y = outputs(weights, {}, h0=h0, c0=c0)
    (best,) = lt.identify(stored(weights), x, y, h0=c0, c0=h0).matches
    assert best.reading.states == "ch"
    (best,) = lt.identify(stored(weights), np.swapaxes(x, 0, 1), np.swapaxes(y, 0, 1), h0=h0, c0=c0).matches
    assert best.reading.batch_first
    assert best.reading.states == "hc"
    c = lt.run(weights, x, h0=h0, c0=c0)["c_t"]
    (best,) = lt.identify(stored(weights), x, c, h0=h0, c0=c0).matches
    assert best.reading.output == "c"
    back = lt.run(weights, x, options={"direction": "reverse"}).output[::-1]
    (best,) = lt.identify(stored(weights), x, back).matches
    assert (best.reading.direction, best.reading.backwards) == ("reverse", True)


def test_joined_kernel_split_the_other_way() -> None:
    weights = drawn()
    x, y = outputs(weights, {"forget_bias": 1.0})
    order = "icfo"
    kernel = np.concatenate([np.concatenate([weights[f"W_h{g}"], weights[f"W_x{g}"]], axis=1) for g in order]).T
    arrays = {"kernel": kernel, "bias": np.concatenate([weights[f"b_{g}"] for g in order])}
    (best,) = lt.identify(arrays, x, y, layout="tf1").matches
    assert best.reading.joined == "hx"


@pytest.mark.few(0)
def test_constant_weights_cannot_tell() -> None:
    """As the ONNX node tests have them: every weight 0.1."""
    weights = {name: np.full_like(values, 0.1) for name, values in drawn().items()}
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights), x, y)
    assert len(found.undecided["order"]) == 24
    text = "\n".join(sentences(found, words()))
    assert "inconclusive, these numbers fit each: gates in the order i, f, c, o" in text
    assert "To decide, use random weights" in text


def test_one_step_from_zero_hides_the_forget_gate() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights), x[:1], y[:1])
    assert set(found.undecided["forget_bias"]) == {0.0, 1.0}
    assert set(found.undecided["recurrent"]) == {"as stored", "transposed"}


@pytest.mark.few(0)
def test_nothing_explains_noise() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    noise = np.random.default_rng(9).normal(size=y.shape)
    found = lt.identify(stored(weights), x, noise)
    assert not found.matches
    assert next(sentences(found, words())).startswith("no layout reproduces these outputs within ")


def test_faults() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    with pytest.raises(ShapeError, match=r"y has shape \(6, 2, 4\); with x of shape \(6, 2, 3\) and H = 5 expected h"):
        lt.identify(stored(weights), x, y[:, :, :4])
    deep = {**stored(drawn(two=True)), **{f"{k[:-1]}1": v for k, v in stored(drawn(inputs=H, two=True)).items()}}
    with pytest.raises(OptionError, match="one layer and direction; this model has 2 layers"):
        lt.identify(deep, x, y)


def first_sentence(output: str) -> str:
    """The answer, which stands below the title, on one line."""
    title, answer = output.split("\n\n")[:2]
    assert title.startswith("Identification\n")
    return " ".join(answer.removeprefix("- ").partition("\n- ")[0].split())


def test_command(tmp_path: Path) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    np.savez(tmp_path / "w.npz", **stored(weights, "icfo"))
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    words = ["--input", str(tmp_path / "x.npy"), "--expected", str(tmp_path / "y.npy")]
    run = CliRunner().invoke(main, ["identify", "--weights", str(tmp_path / "w.npz"), *words])
    assert run.exit_code == 1
    first = first_sentence(run.output)
    assert first.startswith("these weights have: gates in the order i, c, f, o (")
    assert "read here as: gates in the order i, f, c, o (PyTorch nn.LSTM; Keras 3" in first
    page = ROOT / "docs" / "identify.md"
    assert first in " ".join(page.read_text(encoding="utf-8").split())
    np.savez(tmp_path / "w.npz", **stored(weights))
    run = CliRunner().invoke(main, ["identify", "--weights", str(tmp_path / "w.npz"), *words])
    assert run.exit_code == 0
    assert first_sentence(run.output).startswith("the weights were read correctly")


# -- what the model itself says --------------------------------------------------------------------------------------

#: Options that a search respects, with what is found where a port lost them.
RESPECTED: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"clip": 0.75}, {"clip": None}),
    ({"cell_clip": 0.5}, {"clip": None}),
    ({"output_clip": 0.5}, {"clip": None}),
    ({"forget_bias": 2.5}, {"forget_bias": 0.0}),
    ({"gate_activation": "hard_sigmoid(0.3, 0.4)"}, {"gate_activation": "sigmoid"}),
    ({"candidate_activation": "leaky_relu(0.1)", "output_activation": "elu(0.5)"}, {"activation": "tanh"}),
    ({"candidate_activation": "softsign"}, {"activation": "tanh"}),
    ({"coupled": True, "clip": 0.75}, {"clip": None}),
    ({"coupled": True, "peephole": True, "gate_activation": "hard_sigmoid"}, {"gate_activation": "sigmoid"}),
]


@pytest.mark.few(1)
@pytest.mark.parametrize(("options", "lost"), RESPECTED, ids=[str(row[0]) for row in RESPECTED])
def test_the_options_of_the_model_are_part_of_how_it_is_read(options: dict[str, Any], lost: dict[str, Any]) -> None:
    coupled = options.get("coupled", False)
    weights = {n: a for n, a in drawn(peephole="peephole" in options).items() if not (coupled and n.endswith("f"))}
    x, y = outputs(weights, options)
    found = lt.identify(weights, x, y, options=options)
    assert found.as_read.error < 1e-14
    assert found.matches[0].reading == found.as_read.reading
    assert next(sentences(found, words())).startswith("the weights were read correctly: gates in the order i, ")
    kept = {name: value for name, value in options.items() if name in ("coupled", "peephole")}
    port = lt.identify(weights, x, outputs(weights, kept)[1], options=options)
    assert port.as_read.error > 1e-3
    best = port.matches[0].reading
    assert {name: getattr(best, name) for name in lost} == lost
    assert set(best.differences(port.as_read.reading)) - {"batch_first"} == set(lost)


@pytest.mark.parametrize("order", ["ico", "oci", "cio"])
def test_orders_of_the_three_gates_of_a_coupled_cell(order: str) -> None:
    weights = {name: a for name, a in drawn().items() if not name.endswith("f")}
    x, y = outputs(weights, {"coupled": True})
    stored = {f"{n[:-1]}{'ico'[order.index(n[-1])]}": a for n, a in weights.items()}
    (best,) = lt.identify(stored, x, y, options={"coupled": True}).matches
    assert best.reading.order == order


OTHERS: dict[str, Any] = {
    "bias": "two", "clip": 2.0, "output_clip": 2.0, "cell_clip": 2.0, "projection_clip": 2.0, "forget_bias": 1.5,
    "gate_activation": "hard_sigmoid", "candidate_activation": "relu", "output_activation": "linear",
    "layer_norm_epsilon": 1e-3,
}  # fmt: skip


@pytest.mark.few(1)
@pytest.mark.parametrize("option", [f.name for f in fields(LSTM)])
def test_every_option_of_the_cell_is_respected_or_refused_by_name(option: str) -> None:
    options: dict[str, Any] = {option: OTHERS.get(option, True)}
    options |= {"projection": True} if option.startswith("projection") else {}
    options |= {"layer_norm": True, "layer_norm_cell": True} if option.startswith("layer_norm_") else {}
    weights = family(np.random.default_rng(2), options)
    x, y = outputs(weights, options)
    if option.startswith(("projection", "layer_norm")):
        value = str(options[option]).lower()
        with pytest.raises(OptionError, match=f"identify does not search models with {option}: {value}"):
            lt.identify(weights, x, y, options=options)
        return
    found = lt.identify(weights, x, y, options=options)
    assert found.matches[0].reading == found.as_read.reading
    assert found.as_read.error < 1e-14


def test_what_no_reading_can_have_is_refused() -> None:
    weights = drawn()
    x, y = outputs(weights, {"clip": 1.0, "cell_clip": 0.5})
    with pytest.raises(OptionError, match=r"more than one clip; this one has clip: 1 and cell_clip: 0\.5"):
        lt.identify(weights, x, y, options={"clip": 1.0, "cell_clip": 0.5})
    with pytest.raises(MissingError, match="W_xi, W_xo, W_hi, W_ho, b_i, b_o are missing"):
        lt.identify({name: a for name, a in weights.items() if name.endswith("c")}, x, y)
    with pytest.raises(MissingError, match="identify needs the weights of every gate; missing: b_f"):
        lt.identify({name: a for name, a in weights.items() if not name.endswith("f")}, x, y)
    for search, said in (({"atol": float("nan")}, "atol"), ({"clips": [0.0]}, "clips"), ({"clips": [-1.0]}, "clips")):
        with pytest.raises(OptionError, match=f"{said}: expected "):
            lt.identify(weights, x, y, **search)


@pytest.mark.few(0)
def test_the_usual_clips_are_tried_by_the_command(tmp_path: Path) -> None:
    weights = drawn()
    x, y = outputs(weights, {"clip": 1.0, "gate_activation": "hard_sigmoid"})
    for name, values in (("x", x), ("y", y)):
        np.save(tmp_path / f"{name}.npy", values)
    np.savez(tmp_path / "w.npz", **stored(weights))
    words = ["identify", *(f"--{n}={tmp_path / f}" for n, f in (("weights", "w.npz"), ("input", "x.npy")))]
    words += [f"--expected={tmp_path / 'y.npy'}", "--clip=7", "--option=gate_activation=hard_sigmoid"]
    run = CliRunner().invoke(main, words)
    said = "the other program has: gate inputs clipped to ±1; read here as: nothing clipped"
    assert first_sentence(run.output) == said
    assert run.exit_code == 1
    run = CliRunner().invoke(main, [*words, "--clip=-1"])
    assert run.exit_code == 2
    assert "-1.0 is not in the range x>0" in run.output


@pytest.mark.few(2)
@pytest.mark.parametrize("named", ["icfo", "iofc", "ofci"])
@pytest.mark.parametrize("order", ["ifco", "iofc", "cofi"])
def test_orders_are_those_of_the_file_in_whatever_order_it_was_read(order: str, named: str) -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights, order), x, y, layout={"name": "keras", "order": named})
    assert [m.reading.order for m in found.matches] == [order]
    assert found.as_read.reading.order == named
    assert (found.as_read.error < 1e-14) is (order == named)
    right = lt.run(stored(weights, order), x, layout={"name": "keras", "order": found.matches[0].reading.order})
    np.testing.assert_allclose(right.output, y, rtol=0, atol=1e-14)


@pytest.mark.few(1)
@pytest.mark.parametrize("order", ["ifo", "iof", "fio"])
def test_orders_of_peepholes_are_those_of_the_file(order: str) -> None:
    weights = drawn(peephole=True)
    x, y = outputs(weights, {"peephole": True})
    found = lt.identify(stored(weights, peephole=order), x, y, layout={"name": "keras", "peephole": "iof"})
    assert [m.reading.peephole for m in found.matches] == [order]
    assert found.as_read.reading.peephole == "iof"


def test_a_joined_kernel_in_a_layout_with_other_facts() -> None:
    weights = drawn()
    x, y = outputs(weights, {})
    kernel = np.concatenate([np.concatenate([weights[f"W_h{g}"], weights[f"W_x{g}"]], axis=1) for g in "ifco"]).T
    arrays = {"kernel": kernel, "bias": np.concatenate([weights[f"b_{g}"] for g in "ifco"])}
    facts = {"name": "tf1", "order": "ifco", "forget_bias": 0.0}
    assert lt.identify(arrays, x, y, layout=facts).matches[0].reading.joined == "hx"


@pytest.mark.few(0)
@pytest.mark.parametrize("language", languages())
def test_no_two_rows_of_the_table_are_the_same(language: str) -> None:
    """With one step, many layouts fit, each once, and what they differ in has columns."""
    weights = drawn()
    x, y = outputs(weights, {})
    found = lt.identify(stored(weights), x[:1], y[:1])
    table = next(block for block in found.blocks(words(language), Show()) if isinstance(block, Table))
    assert len({row[1:] for row in table.rows}) == len(table.rows) == len(found.matches) + 5 > 15
    assert all(len({row[k] for row in table.rows}) > 1 for k in range(len(table.head)))
