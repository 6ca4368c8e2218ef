"""Keras files: saved by Keras, read by us, traced, and equal to what the layer gives."""

from __future__ import annotations

import os
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")

import lstm_trace as lt
from lstm_trace.cell.composites import BUILT_IN
from lstm_trace.errors import FileError, LstmTraceError, MissingError, OptionError
from lstm_trace.weights.formats import hdf5
from lstm_trace.weights.read import read_model

from .measure import assert_agrees

keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")
layers = keras.layers

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:keras"),
]
RNG = np.random.default_rng(5)
SUFFIXES = ("keras", "h5", "weights.h5")


def grown(model: Any) -> Any:
    """The model with random weights, biases included: those that Keras draws are zeros and ones."""
    rng = np.random.default_rng(3)
    model.set_weights([rng.normal(size=w.shape) * 0.6 for w in model.get_weights()])
    return model


def saved(model: Any, path: Path) -> Path:
    if path.name.endswith(".weights.h5"):
        model.save_weights(path)
    else:
        model.save(path)
    return path


def result(model: Any, x: Any) -> Any:
    return keras.ops.convert_to_numpy(model(x))


def exact(config: Any, weights: list[Any], x: Any) -> Any:
    """The same model in float64, by Keras."""
    before = keras.config.floatx()
    keras.config.set_floatx("float64")
    try:
        model = keras.Sequential([keras.Input(x.shape[1:]), config()])
        model.set_weights(weights)
        return result(model, x.astype(np.float64))
    finally:
        keras.config.set_floatx(before)


KINDS: dict[str, Callable[[], Any]] = {
    "plain": lambda: layers.LSTM(4, return_sequences=True, name="mine"),
    "no bias": lambda: layers.LSTM(4, return_sequences=True, use_bias=False, name="mine"),
    "backwards": lambda: layers.LSTM(4, return_sequences=True, go_backwards=True, name="mine"),
    "hard": lambda: layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid", name="mine"),
    "leaky": lambda: layers.LSTM(4, return_sequences=True, activation="leaky_relu", name="mine"),
    "slope": lambda: layers.LSTM(
        4, return_sequences=True, activation=layers.LeakyReLU(negative_slope=0.3), name="mine"
    ),
    **{
        name: lambda name=name: layers.LSTM(4, return_sequences=True, activation=name, name="mine")
        for name in (
            "relu",
            "elu",
            "selu",
            "softplus",
            "softsign",
            "linear",
            "silu",
            "hard_silu",
            "hard_swish",
            "relu6",
            "hard_tanh",
            None,
        )
    },
    **{
        f"both, {mode}": lambda mode=mode: layers.Bidirectional(
            layers.LSTM(4, return_sequences=True, recurrent_activation="hard_sigmoid"), merge_mode=mode, name="mine"
        )
        for mode in ("concat", "sum", "mul", "ave")
    },
    "cell": lambda: layers.RNN(layers.LSTMCell(4, activation="softsign"), return_sequences=True, name="mine"),
}


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_whole_models(tmp_path: Path, kind: str, suffix: str) -> None:
    model = grown(keras.Sequential([keras.Input((6, 5)), KINDS[kind]()]))
    path = saved(model, tmp_path / f"model.{suffix}")
    x = RNG.normal(size=(3, 6, 5)).astype(np.float32)
    trace = lt.run(path, x)
    ours = trace.output[:, ::-1] if kind == "backwards" else trace.output
    assert_agrees(ours, result(model, x), exact(KINDS[kind], model.get_weights(), x), kind)
    assert trace.header.title == "mine"
    assert trace.header.batch_first
    live = lt.run(model.layers[-1], x)
    np.testing.assert_array_equal(live.output, trace.output)


NOTATION = """
z = x_t @ kernel + h_prev @ recurrent_kernel + bias
i_t = sigmoid(z[0:4])
f_t = sigmoid(z[4:8])
c_tilde = tanh(z[8:12])
o_t = sigmoid(z[12:16])
c_t = f_t * c_prev + i_t * c_tilde
h_t = o_t * tanh(c_t)
carry: h_prev <- h_t, c_prev <- c_t
"""


def test_an_own_cell_in_the_notation_of_keras_reads_its_arrays_as_they_are() -> None:
    model = grown(keras.Sequential([keras.Input((6, 5)), KINDS["plain"]()]))
    names = ("kernel", "recurrent_kernel", "bias")
    x = RNG.normal(size=(3, 6, 5)).astype(np.float32)
    weights = dict(zip(names, model.get_weights(), strict=True))
    trace = lt.run(weights, x, cell={"equations": NOTATION}, batch_first=True)
    assert trace.header.dtype == "float32"
    assert_agrees(trace.output, result(model, x), exact(KINDS["plain"], model.get_weights(), x))
    swapped = NOTATION.replace("0:4", "4:8", 1).replace("f_t = sigmoid(z[4:8])", "f_t = sigmoid(z[0:4])")
    other = lt.run(weights, x, cell={"equations": swapped}, batch_first=True)
    assert not np.allclose(other.output, trace.output, atol=1e-3)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_wrong_gate_order_fails(tmp_path: Path, suffix: str) -> None:
    model = grown(keras.Sequential([keras.Input((6, 5)), layers.LSTM(4, return_sequences=True)]))
    path = saved(model, tmp_path / f"model.{suffix}")
    x = RNG.normal(size=(3, 6, 5)).astype(np.float32)
    theirs = result(model, x)
    for order in map("".join, permutations("ifco")):
        ours = lt.run(path, x, layout={"name": "keras", "order": order}).output
        assert np.allclose(ours, theirs, atol=1e-5) == (order == "ifco"), order


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_trained_model_with_names_of_its_own(tmp_path: Path, suffix: str) -> None:
    """Groups bear class names, the layer's own name is an attribute, optimizer arrays have the weights' shapes."""
    model = keras.Sequential(
        [
            keras.Input((6,)),
            layers.Embedding(20, 5, name="words"),
            layers.LSTM(4, return_sequences=True, name="encoder"),
            layers.LSTM(4, return_sequences=True, name="a_second"),
            layers.GRU(3, return_sequences=True, name="other"),
            layers.Bidirectional(layers.LSTM(3, return_sequences=True, name="inner"), name="top"),
            layers.Dense(2, name="out"),
        ]
    )
    model.compile("adam", "mse")
    model.fit(RNG.integers(0, 20, (8, 6)), RNG.normal(size=(8, 6, 2)), verbose=0)
    found = {f.name: f for f in read_model(saved(model, tmp_path / f"model.{suffix}"))}
    assert set(found) == {"encoder", "a_second", "other", "top"}
    assert (found["other"].cell, found["other"].sizes()) == ("gru", {"I": 4, "H": 3})
    kernel = keras.ops.convert_to_numpy(model.get_layer("encoder").cell.kernel)
    np.testing.assert_array_equal(found["encoder"].weights["0/forward/W_xi"], kernel[:, :4].T)
    backward = keras.ops.convert_to_numpy(model.get_layer("top").backward_layer.cell.recurrent_kernel)
    np.testing.assert_array_equal(found["top"].weights["0/reverse/W_ho"], backward[:, 9:].T)
    if suffix == "weights.h5":
        assert found["encoder"].facts["input"] == "not known: the file holds weights only, not which layer feeds which"
        said = " ".join(found["encoder"].imported)
        assert "does not say the recurrent activation: sigmoid was assumed, the default of Keras 3" in said
        assert "--option gate_activation" in said
    else:
        assert list(found) == ["encoder", "a_second", "other", "top"]
        assert found["encoder"].facts["input"] == "the output of words (Embedding)"


def test_models_inside_of_models(tmp_path: Path) -> None:
    inside = keras.Sequential([keras.Input((6, 5)), layers.LSTM(4, return_sequences=True, name="rec")], name="left")
    again = keras.Sequential([keras.Input((6, 4)), layers.LSTM(3, activation="relu", name="rec")], name="right")
    entry = keras.Input((6, 5))
    model = grown(keras.Model(entry, again(inside(entry))))
    for suffix in ("keras", "h5"):
        path = saved(model, tmp_path / f"model.{suffix}")
        found = {f.name: f for f in read_model(path)}
        assert {name.split("/")[0] for name in found} == {"left", "right"}
        right = next(f for name, f in found.items() if name.startswith("right"))
        assert right.options["candidate_activation"] == "relu", suffix
        x = RNG.normal(size=(2, 6, 5)).astype(np.float32)
        y = lt.run(path, x, name=next(n for n in found if n.startswith("left"))).output
        last = lt.run(path, y, name=right.name).h_n[0]
        np.testing.assert_allclose(last, result(model, x), atol=1e-5, err_msg=suffix)


def test_recurrent_activation_as_asked(tmp_path: Path) -> None:
    model = grown(keras.Sequential([keras.Input((6, 5)), layers.LSTM(4, recurrent_activation="hard_sigmoid")]))
    path = saved(model, tmp_path / "model.weights.h5")
    x = RNG.normal(size=(3, 6, 5)).astype(np.float32)
    theirs = result(model, x)
    for name, right in (("sigmoid", False), ("hard_sigmoid", False), ("hard_sigmoid_keras", True)):
        trace = lt.run(path, x, options={"gate_activation": name})
        assert np.allclose(trace.h_n[0], theirs, atol=1e-5) == right, name
        assert f"recurrent activation {name}, as asked" in trace.header.imported


@pytest.mark.parametrize("name", ["gelu", "sparsemax"])
def test_activations_that_are_none_of_ours(tmp_path: Path, name: str) -> None:
    model = keras.Sequential([keras.Input((6, 5)), layers.LSTM(4, activation=name)])
    with pytest.raises(LstmTraceError, match=f"its activation {name} is not supported"):
        lt.prepare(saved(model, tmp_path / "model.keras"))


#: Keras's activations under our names, where they are others or have no default values in Keras.
OTHERS = {
    "hard_sigmoid_keras": keras.activations.hard_sigmoid,
    "gelu_tanh": lambda z: keras.activations.gelu(z, approximate=True),
    "threshold": lambda z: keras.activations.threshold(z, 1.0, 0.0),
    "softplus": keras.activations.softplus,
    "softsign": keras.activations.softsign,
}


#: Functions of ONNX that Keras has not, or with other numbers: see tests/frameworks/test_family_ort.py.
NOT_OF_KERAS = {
    "affine",
    "hard_sigmoid",
    "leaky_relu",
    "scaled_tanh",
    "thresholded_relu",
    "quotient",
    "count",
    "expand",
}
NOT_OF_KERAS |= {"squared_error", "cross_entropy"}  # losses: see tests/frameworks/test_losses.py
NOT_OF_KERAS |= {"abs", "square", "min", "dot", "ones"}  # no activations: see tests/cell/test_matrices.py


@pytest.mark.parametrize("name", sorted({*BUILT_IN, *OTHERS} - NOT_OF_KERAS))
def test_every_composite_function_is_that_of_keras(name: str) -> None:
    z = np.array([[-1000, -30, -4, -3, -1, -0.7, -0.5, -1e-3, 0, 0.1, 0.5, 0.75, 1, 2, 3.5, 6, 7, 30, 80]], np.float32)
    theirs = keras.ops.convert_to_numpy(OTHERS.get(name, getattr(keras.activations, name, None))(z))
    ours = lt.run({}, z, cell={"equations": f"y_t = {name}(x_t)\noutput: y_t"}).output[0]
    cancels = name in ("gelu_tanh", "tanh_shrink", "squareplus")  # small differences of large values
    np.testing.assert_allclose(ours, theirs[0], rtol=2e-6, atol=1e-4 if cancels else 1e-35)


@pytest.mark.parametrize("name", ["mish", "celu", "softmax", "hard_swish"])
def test_activations_that_are_composite_functions(tmp_path: Path, name: str) -> None:
    model = keras.Sequential([keras.Input((6, 5)), layers.LSTM(4, activation=name)])
    path, x = saved(model, tmp_path / "model.keras"), np.random.default_rng(5).normal(size=(2, 6, 5)).astype(np.float32)
    trace = lt.run(path, x)
    assert np.allclose(trace.h_n[0], result(model, x), atol=1e-5)


# -- older files, as older versions wrote them -----------------------------------------------------------------------


def blocks(kind: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    if kind == "keras1":
        return {f"{w}_{g}": rng.normal(size=s) for g in "icfo" for w, s in (("W", (5, 4)), ("U", (4, 4)), ("b", (4,)))}
    long = 32 if kind == "cudnn" else 16
    return {
        "kernel": rng.normal(size=(5, 16)),
        "recurrent_kernel": rng.normal(size=(4, 16)),
        "bias": rng.normal(size=long),
    }


def written(path: Path, names: dict[str, np.ndarray], **attributes: str) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in names.items():
            file[name] = values.astype(np.float32)
        file.attrs.update(attributes)
    return path


OLD = [
    ("2.2.4", "lstm_1/lstm_1/{}:0", "hard_sigmoid", "the default of Keras 2.2.4 (before 2.3)"),
    ("2.3.1", "lstm_1/lstm_1/{}:0", "sigmoid", "the default of Keras 2.3.1"),
    ("2.2.4-tf", "lstm_1/lstm_1/lstm_cell/{}:0", "sigmoid", "the default of Keras 2.2.4-tf"),
    ("", "lstm_1/lstm_1/{}:0", "sigmoid", "the default of Keras 3 and of tf.keras in TensorFlow 2"),
]


@pytest.mark.parametrize(("version", "form", "activation", "why"), OLD)
def test_weights_only_of_older_versions(tmp_path: Path, version: str, form: str, activation: str, why: str) -> None:
    parts = blocks("keras")
    attributes = {"keras_version": version} if version else {}
    path = written(tmp_path / "w.h5", {form.format(name): a for name, a in parts.items()}, **attributes)
    (found,) = read_model(path)
    assert (found.name, found.options["gate_activation"]) == ("lstm_1", activation)
    assert any(f"{activation} was assumed, {why}" in said for said in found.imported)
    np.testing.assert_array_equal(found.weights["0/forward/W_xf"], parts["kernel"][:, 4:8].T.astype(np.float32))


def test_hard_sigmoid_of_keras_2_is_another(tmp_path: Path) -> None:
    config = (
        '{"class_name": "Sequential", "config": [{"class_name": "LSTM", "config": {"name": "lstm_1", "activation": '
        '"tanh", "recurrent_activation": "hard_sigmoid", "go_backwards": false}}]}'
    )
    names = {f"model_weights/lstm_1/lstm_1/{name}:0": a for name, a in blocks("keras").items()}
    path = written(tmp_path / "m.h5", names, keras_version="2.2.4", model_config=config)
    assert lt.prepare(path).header.options["gate_activation"] == "hard_sigmoid"
    path = written(tmp_path / "m3.h5", names, keras_version="3.5.0", model_config=config)
    assert lt.prepare(path).header.options["gate_activation"] == "hard_sigmoid_keras"


def test_bidirectional_of_keras_2(tmp_path: Path) -> None:
    parts = blocks("keras")
    names = {f"bidi/bidi/forward_lstm_3/{name}:0": a for name, a in parts.items()}
    names |= {f"bidi/bidi/backward_lstm_3/{name}:0": a + 1 for name, a in parts.items()}
    (found,) = read_model(written(tmp_path / "w.h5", names, keras_version="2.3.1"))
    assert (found.name, found.directions) == ("bidi", ("forward", "reverse"))
    expected = (parts["bias"][:4] + 1).astype(np.float32)
    np.testing.assert_array_equal(found.weights["0/reverse/b_i"], expected)
    assert any("both directions are concatenated: the file does not say" in said for said in found.imported)


def test_cudnn_and_keras_1(tmp_path: Path) -> None:
    path = written(tmp_path / "c.h5", {f"cu_dnnlstm_1/cu_dnnlstm_1/{n}:0": a for n, a in blocks("cudnn").items()})
    (found,) = read_model(path)
    assert found.facts["layout"] == "cudnn"
    assert {"0/forward/b_xi", "0/forward/b_hi"} <= set(found.weights)
    path = written(
        tmp_path / "one.h5", {f"lstm_1/lstm_1_{n}:0": a for n, a in blocks("keras1").items()}, keras_version="1.2.2"
    )
    (found,) = read_model(path)
    assert (found.facts["layout"], found.options["gate_activation"]) == ("keras1", "hard_sigmoid")
    np.testing.assert_array_equal(found.weights["0/forward/W_hc"], blocks("keras1")["U_c"].T.astype(np.float32))


# -- what is refused -------------------------------------------------------------------------------------------------


def external_link(path: Path) -> None:
    written(path.with_name("other.h5"), {"kernel": np.zeros((5, 16))})
    with h5py.File(path, "w") as file:
        file["lstm/kernel"] = h5py.ExternalLink("other.h5", "/kernel")


def external_storage(path: Path) -> None:
    secret = path.with_name("secret.bin")
    secret.write_bytes(bytes(5 * 16 * 4))
    with h5py.File(path, "w") as file:
        file.create_dataset("lstm/kernel", (5, 16), "<f4", external=[(str(secret), 0, 320)])
        file["lstm/recurrent_kernel"] = np.zeros((4, 16), np.float32)


def virtual(path: Path) -> None:
    written(path.with_name("other.h5"), {"kernel": np.zeros((5, 16))})
    with h5py.File(path, "w") as file:
        layout = h5py.VirtualLayout((5, 16), "<f4")
        layout[:] = h5py.VirtualSource(str(path.with_name("other.h5")), "kernel", (5, 16))
        file.create_virtual_dataset("lstm/kernel", layout)
        file["lstm/recurrent_kernel"] = np.zeros((4, 16), np.float32)


def never_written(path: Path) -> None:
    """A shape of 3 TB of which nothing is stored."""
    with h5py.File(path, "w") as file:
        file.create_dataset("lstm/kernel", (10**6, 800_000), "<f4")
        file.create_dataset("lstm/recurrent_kernel", (200_000, 800_000), "<f4")


def bomb(path: Path) -> None:
    with h5py.File(path, "w") as file:
        zeros = np.zeros((1 << 12, 1 << 12), np.float32)
        file.create_dataset("lstm/kernel", data=zeros, compression="gzip", chunks=(1 << 12, 1 << 12))
        file["lstm/recurrent_kernel"] = np.zeros((1 << 10, 1 << 12), np.float32)


def texts(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("lstm/kernel", (5, 16), h5py.string_dtype())
        file["lstm/recurrent_kernel"] = np.zeros((4, 16), np.float32)


def conv(path: Path) -> None:
    saved(keras.Sequential([keras.Input((6, 5, 2)), layers.ConvLSTM1D(3, 2)]), path)


def cut(path: Path) -> None:
    saved(keras.Sequential([keras.Input((6, 5)), layers.LSTM(3)]), path)
    path.write_bytes(path.read_bytes()[:-2000])


def dense(path: Path) -> None:
    written(path, {"dense/kernel": np.zeros((2, 3))})


REFUSALS: list[tuple[str, str, Callable[[Path], None], str]] = [
    ("external link", "m.h5", external_link, "a link to another file"),
    ("external storage", "m.h5", external_storage, "takes its numbers from other files, which is never followed"),
    ("virtual", "m.h5", virtual, "takes its numbers from other files, which is never followed"),
    ("never written", "m.h5", never_written, r"claims \d[\d,]+ bytes and stores 0"),
    ("bomb", "m.h5", bomb, "not a file of weights; refused|claims"),
    ("texts", "m.h5", texts, "expected numbers"),
    ("convolution", "m.keras", conv, "no LSTM, GRU or RNN was found; its layers are ConvLSTM1D, InputLayer"),
    ("cut", "m.weights.h5", cut, "not an HDF5 file, or cut off"),
    ("cut model", "m.keras", cut, "not a zip archive, or cut off"),
    ("no LSTM", "m.h5", dense, "no LSTM, GRU or RNN was found; it has 1 array"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "said"), [row[1:] for row in REFUSALS], ids=[row[0] for row in REFUSALS])
def test_refusals(tmp_path: Path, name: str, write: Callable[[Path], None], said: str) -> None:
    path = tmp_path / name
    write(path)
    with pytest.raises(LstmTraceError, match=said) as caught:
        lt.prepare(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_keras_archive_without_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    with pytest.raises(FileError, match=r"not a Keras file: it has no model\.weights\.h5"):
        lt.prepare(path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{")
        file.writestr("model.weights.h5", "")
    with pytest.raises(FileError, match="configuration is not JSON"):
        lt.prepare(path)


def test_cycles_of_groups_end(tmp_path: Path) -> None:
    path = written(tmp_path / "w.h5", {f"lstm/{name}": a for name, a in blocks("keras").items()})
    with h5py.File(path, "a") as file:
        file["lstm/again"] = file["lstm"]
        file["soft"] = h5py.SoftLink("/lstm")
    assert [f.name for f in read_model(path)] == ["lstm"]


def test_a_soft_link_in_place_of_an_array_is_refused(tmp_path: Path) -> None:
    """Left out, it would be a bias that is not there."""
    path = written(tmp_path / "w.h5", {f"lstm/{name}": a for name, a in blocks("keras").items()})
    with h5py.File(path, "a") as file:
        file.move("lstm/bias", "elsewhere")
        file["lstm/bias"] = h5py.SoftLink("/elsewhere")
    with pytest.raises(FileError, match=r"lstm/bias is a soft link to the array /elsewhere; store the array itself"):
        read_model(path)


def test_an_entry_that_holds_more_than_it_says_is_not_unpacked_whole(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("model.weights.h5", "w") as entry:
        for _ in range(300):
            entry.write(bytes(1 << 20))
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<I", content, content.find(mark) + at, 1 << 16)
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FileError, match="cannot be read"), hdf5.opened(path, str(path)):
        pass
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


LIVE: list[tuple[Callable[[], Any], type[LstmTraceError], str]] = [
    (lambda: layers.Dense(3), OptionError, "is not an LSTM, GRU, SimpleRNN, or a Bidirectional of one"),
    (lambda: layers.LSTM(3, name="young"), LstmTraceError, "'young' has no weights yet"),
    (lambda: keras.Sequential([keras.Input((6, 5)), layers.LSTM(3, name="rec")]), OptionError, "it has rec"),
]


@pytest.mark.parametrize(("make", "kind", "said"), LIVE)
def test_live_refusals(make: Callable[[], Any], kind: type[LstmTraceError], said: str) -> None:
    with pytest.raises(kind, match=said):
        lt.prepare(make())


def test_name_chooses(tmp_path: Path) -> None:
    model = keras.Sequential(
        [keras.Input((6, 5)), layers.LSTM(4, return_sequences=True, name="a"), layers.LSTM(4, name="b")]
    )
    path = saved(model, tmp_path / "m.keras")
    with pytest.raises(MissingError, match="2 LSTMs: a, b"):
        lt.prepare(path)
    assert lt.prepare(path, name="b").header.title == "b"


def test_a_port_from_pytorch_is_the_same_model_over_one_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two biases became one, matrices were transposed; x must be said to be (T, B, I) or (B, T, I)."""
    torch = pytest.importorskip("torch")
    from click.testing import CliRunner

    from lstm_trace.cli import main

    monkeypatch.chdir(tmp_path)
    torch.manual_seed(2)
    module = torch.nn.LSTM(5, 6)
    torch.save(module.state_dict(), "torch.pt")
    w = {name: values.detach().numpy() for name, values in module.named_parameters()}
    model = keras.Sequential([keras.Input((7, 5)), layers.LSTM(6, return_sequences=True)])
    model.set_weights([w["weight_ih_l0"].T, w["weight_hh_l0"].T, w["bias_ih_l0"] + w["bias_hh_l0"]])
    model.save("model.keras")
    x = RNG.normal(size=(7, 3, 5)).astype(np.float32)
    np.save("x.npy", x)
    command = ["diff", "torch.pt", "model.keras", "--input", "x.npy"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 2
    assert "torch.pt takes (T, B, I) and model.keras takes (B, T, I)" in refused.stderr
    told = CliRunner().invoke(main, [*command, "--time-first"])
    assert told.exit_code == 0, told.output
    assert "- same: all" in told.stdout
    np.testing.assert_allclose(  # the two frameworks say the same
        result(model, x.swapaxes(0, 1)), module(torch.tensor(x))[0].detach().numpy().swapaxes(0, 1), atol=1e-6
    )
