"""TensorFlow Lite files: operators as scalar loops compute them, quantised weights, and what is refused."""

from __future__ import annotations

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.errors import FileError, LstmTraceError, OptionError
from lstm_trace.weights.formats import flatbuffer
from lstm_trace.weights.formats.arrays import array_in, arrays_of
from lstm_trace.weights.read import Found, read_model

from ..support.tflite_cases import Case, lstm_case, lstm_inputs, numbers, rnn_case, step_case, weights_of
from ..support.tflite_files import File
from ..support.tiers import seeds

FILES = Path(__file__).parent / "files"
RNG = np.random.default_rng(8)
H, WIDTH, STEPS = 3, 2, 4
FACTS = {"H": H, "activation": 4}
X = numbers(RNG, 1, STEPS, WIDTH)
MAKERS: dict[str, Callable[[int], Case]] = {
    "lstm": lstm_case, "lstm, both": lambda n: lstm_case(n, both=True), "rnn": rnn_case,
    "rnn, both": lambda n: rnn_case(n, both=True),
    **{kind: lambda n, kind=kind: step_case(n, kind) for kind in ("full", "plain")},
}  # fmt: skip


def written(folder: Path, content: bytes) -> Path:
    path = folder / "m.tflite"
    path.write_bytes(content)
    return path


@pytest.mark.few(0)
@pytest.mark.parametrize("maker", MAKERS)
def test_random_operators(tmp_path: Path, maker: str) -> None:
    for seed in seeds(40, 4):
        case = MAKERS[maker](seed)
        found = lt.run(written(tmp_path, case.content), case.x).output
        np.testing.assert_allclose(found, case.expected, rtol=2e-5, atol=2e-6)


def test_what_the_converter_of_tensorflow_writes() -> None:
    with np.load(FILES / "keras_lstm.npz") as arrays:
        trace = lt.run(dict(arrays), numbers(RNG, 2, 5, 4), batch_first=True, options={"cell_clip": 10.0})
    path = FILES / "keras_lstm.tflite"
    (found,) = read_model(path)
    assert (found.kind, found.options) == ("TensorFlow Lite UNIDIRECTIONAL_SEQUENCE_LSTM", {"cell_clip": 10.0})
    same = lt.run(path, np.swapaxes(trace.x, 0, 1))
    np.testing.assert_array_equal(same.output, trace.output)
    assert lt.diff(same, trace).verdict == "same"
    said = str(lt.inspect(path))
    for part in ("options: cell_clip: 10\n", "x: (B, T, I), batch first\n", "input: serving_default_input_1:0\n"):
        assert part in said


class Layer(File):
    """A file of one UNIDIRECTIONAL_SEQUENCE_LSTM whose inputs may be changed before it is written."""

    def __init__(self, **facts: Any) -> None:
        super().__init__()
        self.x = self.tensor("x", shape=(1, STEPS, WIDTH))
        self.w = weights_of(np.random.default_rng(4), WIDTH, {**FACTS, **facts})
        inputs, states = lstm_inputs(self, self.w, H, H, 1)
        self.inputs = [self.x, *inputs, *states, *[-1] * 4]
        self.y = self.tensor("y", shape=(1, STEPS, H))
        self.options: dict[str, Any] = {"activation": 4}

    def whole(self, outputs: tuple[int, ...] = ()) -> bytes:
        self.operator("UNIDIRECTIONAL_SEQUENCE_LSTM", self.inputs, [self.y], **self.options)
        return self.content([self.x], list(outputs) or [self.y])


def found_in(folder: Path, content: bytes) -> list[Found]:
    return read_model(written(folder, content))


# -- weights in other forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
@pytest.mark.parametrize("each", [False, True], ids=["one scale", "a scale for each row"])
def test_quantised_weights(tmp_path: Path, dtype: str, each: bool) -> None:
    layer, expected = Layer(), {}
    info = np.iinfo(dtype)
    for number, key in enumerate(f"{letter}{g}" for letter in "xh" for g in "ifco"):
        w = layer.w[key]
        scales = tuple(RNG.uniform(0.01, 0.02, len(w) if each else 1).astype("f4"))
        zeros = tuple(int(z) for z in RNG.integers(-3, 4, len(scales)) + (128 if dtype == "uint8" else 0))
        scale, zero = np.array(scales, "f4")[:, None], np.array(zeros)[:, None]
        stored = np.clip(np.round(w / scale) + zero, info.min, info.max).astype(dtype)
        tensor = layer.tensors[layer.inputs[1 + number]]
        tensor.data, tensor.dtype, tensor.scales, tensor.zeros = stored, dtype, scales, zeros
        expected[f"W_{key}"] = [
            [float(s) * (int(v) - z) for v in row]
            for row, s, z in zip(
                stored, np.broadcast_to(scale.ravel(), len(w)), np.broadcast_to(zero.ravel(), len(w)), strict=True
            )
        ]
    (found,) = found_in(tmp_path, layer.whole())
    for name, values in expected.items():
        np.testing.assert_allclose(found.weights[f"0/forward/{name}"], values, rtol=1e-6)
    assert f"{dtype} weights, multiplied by their scales" in found.imported
    assert any("rounds the operands of each product to 8 bits" in one for one in found.imported)


def test_a_file_that_computes_in_integers_says_so(tmp_path: Path) -> None:
    layer = Layer()
    layer.tensors[layer.x].dtype = "int8"
    for number in layer.inputs[12:16]:
        tensor = layer.tensors[number]
        tensor.data, tensor.dtype, tensor.scales = np.arange(H, dtype="i4"), "int32", (0.25,)
    (found,) = found_in(tmp_path, layer.whole())
    np.testing.assert_array_equal(found.weights["0/forward/b_f"], [0.0, 0.25, 0.5])
    assert any("computes in integers, x as int8" in one for one in found.imported)


def halved() -> Layer:
    """A layer whose matrices are float16, widened by an operator."""
    layer = Layer()
    for place in range(1, 9):
        half = layer.tensor("half", layer.tensors[layer.inputs[place]].data.astype("f2"))
        layer.inputs[place], wide = layer.tensor("wide", shape=layer.tensors[half].shape), layer.inputs[place]
        layer.operator("DEQUANTIZE", [half], [layer.inputs[place]])
        layer.tensors[wide].data = None
    return layer


def test_float16_weights_are_widened(tmp_path: Path) -> None:
    layer = halved()
    (found,) = found_in(tmp_path, layer.whole())
    assert "float16 weights widened to float32" in found.imported
    np.testing.assert_array_equal(found.weights["0/forward/W_xi"], layer.w["xi"].astype("f2").astype("f4"))


def test_activations(tmp_path: Path) -> None:
    for number, name in enumerate(("relu", "hard_tanh", "relu6", None), start=1):
        layer = Layer()
        layer.options["activation"] = number
        (found,) = found_in(tmp_path, layer.whole())
        assert (found.options.get("candidate_activation"), found.options.get("output_activation")) == (name, name)


def test_arrays_by_name(tmp_path: Path) -> None:
    """A table of embeddings beside the LSTM, as for any other file of arrays."""
    layer, table = Layer(), numbers(RNG, 7, WIDTH)
    number = layer.tensor("embedding", np.round(table * 50).astype("i1"), scales=(0.02,), zeros=(1,))
    content = layer.whole()
    assert number
    path = written(tmp_path, content)
    expected = (np.round(table * 50).astype("i1").astype(float) - 1) * np.float32(0.02)
    np.testing.assert_allclose(array_in(path, "embedding"), expected, rtol=1e-6)
    with arrays_of(path) as arrays:
        assert arrays["arith.constant0"].shape == (H, WIDTH)
        assert "x" not in arrays
    assert lt.diff(path, path, x=X).verdict == "same"


# -- several operators -----------------------------------------------------------------------------------------------


def test_x_reversed_is_the_reverse_direction(tmp_path: Path) -> None:
    layer = Layer()
    axis, turned = layer.tensor("axis", np.array([1], "i4")), layer.tensor("turned", shape=(1, STEPS, WIDTH))
    plain = lt.run(written(tmp_path, Layer().whole()), X[:, ::-1])
    layer.operator("REVERSE_V2", [layer.x, axis], [turned])
    layer.inputs[0] = turned
    trace = lt.run(written(tmp_path, layer.whole()), X)
    assert trace.stages[0].direction == "reverse"
    np.testing.assert_array_equal(trace.output, plain.output[:, ::-1])


def second(layer: Layer, **options: Any) -> int:
    """Add an LSTM that reads the first one's output. Returns its own output."""
    w = weights_of(np.random.default_rng(5), H, FACTS)
    inputs, states = lstm_inputs(layer, w, H, H, 1)
    made = layer.tensor("z", shape=(1, STEPS, H))
    layer.operator(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", [layer.y, *inputs, *states, *[-1] * 4], [made], activation=4, **options
    )
    return made


def test_layers_that_read_each_other_are_one_stack(tmp_path: Path) -> None:
    layer = Layer()
    first = layer.whole()
    content = layer.content([layer.x], [second(layer)])
    below = lt.run(written(tmp_path, first), X)
    (found,) = found_in(tmp_path, content)
    assert (found.layers, found.name) == (2, "y+z")
    trace = lt.run(tmp_path / "m.tflite", X)
    np.testing.assert_array_equal(trace.lines["0/forward"]["h_t"].swapaxes(0, 1), below.output)


@pytest.mark.parametrize("change", ["clip", "also read by another", "reversed"])
def test_layers_that_differ_or_feed_others_too_are_no_stack(tmp_path: Path, change: str) -> None:
    layer = Layer()
    layer.whole()
    if change == "reversed":
        turned, y = layer.tensor("turned", shape=(1, STEPS, H)), layer.y
        layer.operator("REVERSE_V2", [y, layer.tensor("axis", np.array([1], "i4"))], [turned])
        layer.y = turned
    made = second(layer, cell_clip=2.0 if change == "clip" else 0.0)
    if change == "also read by another":
        layer.operator("TANH", [layer.y], [layer.tensor("other", shape=(1, STEPS, H))])
    found = found_in(tmp_path, layer.content([layer.x], [made]))
    assert [(one.name, one.layers) for one in found] == [("y", 1), ("z", 1)]


# -- what is refused -------------------------------------------------------------------------------------------------


def computed(layer: Layer) -> None:
    layer.tensors[layer.inputs[2]].data = None


def sparse(layer: Layer) -> None:
    layer.tensors[layer.inputs[2]].sparse = True


def negative(layer: Layer) -> None:
    layer.tensors[layer.inputs[2]].shape = (-3, -2)


def large(layer: Layer) -> None:
    layer.tensors[layer.inputs[2]].shape = (1 << 30, 1 << 30)


def unscaled(layer: Layer) -> None:
    tensor = layer.tensors[layer.inputs[2]]
    tensor.data, tensor.dtype = tensor.data.astype("i1"), "int8"


def scales(layer: Layer) -> None:
    unscaled(layer)
    layer.tensors[layer.inputs[2]].scales = (0.5, 0.5)


def normed(layer: Layer) -> None:
    layer.inputs[20:] = [layer.inputs[13]] * 4


def plain(layer: Layer) -> None:
    layer.options["activation"] = 0


def bounded(layer: Layer) -> None:
    layer.options["cell_clip"] = -1.0


def unbiased(layer: Layer) -> None:
    layer.inputs[13] = -1


def absent(layer: Layer) -> None:
    layer.inputs[2] = 99


def text(layer: Layer) -> None:
    layer.tensors[layer.inputs[2]].dtype = "string"


REFUSED: list[tuple[Callable[[Layer], None], str]] = [
    (computed, "input_to_forget_weights is not stored in the file: it is computed, or an input"),
    (sparse, "input_to_forget_weights is sparse; expected all its numbers"),
    (negative, r"input_to_forget_weights has the shape \[-3, -2\], which no array has"),
    (large, r"input_to_forget_weights claims the shape \(1073741824, 1073741824\) of float32 and has 24 bytes"),
    (unscaled, "input_to_forget_weights holds int8 without a scale"),
    (scales, r"input_to_forget_weights of shape \(3, 2\) has 2 scales on the axis 0"),
    (normed, "it has layer normalisation; that is not read"),
    (plain, "its activation has the number 0 of the schema; expected one of 1, 2, 3, 4"),
    (bounded, "its cell_clip is -1; expected a positive number, or 0 for none"),
    (unbiased, "forget_gate_bias is missing"),
    (absent, "an operator has the tensor 99, and there are"),
    (text, "input_to_forget_weights has numbers of the type 5 of the schema, which is not read"),
]


@pytest.mark.parametrize(("change", "said"), REFUSED, ids=[change.__name__ for change, _ in REFUSED])
def test_refused_operators(tmp_path: Path, change: Callable[[Layer], None], said: str) -> None:
    layer = Layer()
    change(layer)
    with pytest.raises(LstmTraceError, match=rf"m\.tflite: y: {said}"):
        lt.run(written(tmp_path, layer.whole()), X)


def test_the_basic_kernel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"y: its kernel is the basic one, with one matrix for x and h, which is not"):
        lt.prepare(written(tmp_path, step_case(1, "basic").content))


def test_an_auxiliary_input_is_refused(tmp_path: Path) -> None:
    layer = Layer()
    inputs = [*layer.inputs[:18], *layer.inputs[1:18], *layer.inputs[18:20] * 2, layer.x, *[-1] * 8]
    layer.operator("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, [layer.y], activation=4)
    with pytest.raises(FileError, match="y: it has an auxiliary input; that is not read"):
        lt.prepare(written(tmp_path, layer.content([layer.x], [layer.y])))


@pytest.mark.parametrize(
    ("operators", "said"),
    [
        (("WHILE",), "y: a loop over single operators, as Keras 3 exports a recurrent layer, is not read: give the K"),
        (("FULLY_CONNECTED", "LOGISTIC", "TANH"), "no LSTM, GRU or RNN was found; one that is written out in FULLY_"),
        (("TANH",), "no operator of an LSTM, GRU or RNN was found; there is no operator of a GRU: give the Keras"),
    ],
)
def test_models_without_an_operator_of_their_own(tmp_path: Path, operators: tuple[str, ...], said: str) -> None:
    file = File()
    x, y = file.tensor("x", shape=(1, 2)), file.tensor("y", shape=(1, 2))
    for name in operators:
        file.operator(name, [x], [y])
    with pytest.raises(FileError, match=rf"m\.tflite: {said}"):
        lt.run(written(tmp_path, file.content([x], [y])), X)


def test_a_layout_and_a_foreign_file(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="a TensorFlow Lite file defines how its weights are stored"):
        read_model(written(tmp_path, Layer().whole()), "keras")
    with pytest.raises(
        FileError, match=r"not a TensorFlow Lite file; expected TFL3 in its bytes 4 to 7, found b'e ar'"
    ):
        found_in(tmp_path, b"these are none")


# -- files from strangers --------------------------------------------------------------------------------------------


def test_damaged_bytes_are_a_model_or_an_error(tmp_path: Path) -> None:
    wholes = [Layer(peephole=True).whole(), lstm_case(2, both=True).content, step_case(1, "basic").content]
    wholes.append(halved().whole())
    wholes.append((FILES / "keras_lstm.tflite").read_bytes())
    for number in seeds(500, 60):
        content = bytearray(wholes[number % len(wholes)])
        content[int(RNG.integers(8, len(content)))] = int(RNG.choice([0, 127, 128, 255, int(RNG.integers(256))]))
        with suppress(LstmTraceError):
            found_in(tmp_path, bytes(content))


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_files_that_are_cut_off(tmp_path: Path, part: float) -> None:
    content = Layer().whole()
    with pytest.raises(FileError, match=r"m\.tflite: "):
        lt.prepare(written(tmp_path, content[: int(len(content) * part)]))


def test_vectors_that_overlap(tmp_path: Path) -> None:
    """Vectors that are read more than once could make a small file of a thousand operators take minutes."""
    layer = Layer()
    for _ in range(40):
        layer.operator("TANH", [layer.x] * 500, [layer.y])
    begins = struct.pack("<I12x", 500)
    content = layer.whole()
    assert content.count(begins) == 40
    with pytest.raises(FileError, match="its vectors overlap: they have more entries than the file has bytes"):
        found_in(tmp_path, content.replace(begins, struct.pack("<I12x", 4000), 30))


def test_a_vector_of_very_many_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flatbuffer, "MOST", 10)
    with pytest.raises(FileError, match="tables in one vector; expected at most 10"):
        found_in(tmp_path, Layer().whole())
