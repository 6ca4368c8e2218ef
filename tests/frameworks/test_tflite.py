"""TensorFlow Lite: random operators, computed by LiteRT itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt

from ..support.tflite_cases import Case, lstm_case, rnn_case, step_case
from ..support.tiers import seeds
from ..weights.test_tflite_files import FILES, STEPS, WIDTH, Layer

interpreter = pytest.importorskip("ai_edge_litert.interpreter")


def by_litert(case: Case) -> Any:
    """What LiteRT computes, without its faster kernels; an operator of one step is called for each step."""
    kernels = interpreter.OpResolverType.BUILTIN_REF
    made = interpreter.Interpreter(model_content=case.content, experimental_op_resolver_type=kernels)
    made.allocate_tensors()
    x, *states = made.get_input_details()
    values, found = [np.zeros(state["shape"], "f4") for state in states], []
    once = len(x["shape"]) == 3
    for step in [case.x] if once else case.x:
        made.set_tensor(x["index"], step)
        for state, value in zip(states, values, strict=True):
            made.set_tensor(state["index"], value)
        made.invoke()
        outputs = [made.get_tensor(one["index"]) for one in made.get_output_details()]
        values = outputs[: len(states)]
        found.append(outputs[0])
    return found[0] if once else np.array(found)


def ours(folder: Path, case: Case) -> Any:
    path = folder / "m.tflite"
    path.write_bytes(case.content)
    return lt.run(path, case.x).output


def both(seed: int) -> Case:
    """Batch first, LiteRT mixes the states of sequences of two directions up (the first alone is right)."""
    return lstm_case(seed, both=True, **({"time_major": True} if seed % 2 else {"B": 1, "time_major": False}))


MAKERS = {
    "lstm": lstm_case, "lstm, both": both, "rnn": rnn_case, "rnn, both": lambda n: rnn_case(n, both=True),
    **{kind: lambda n, kind=kind: step_case(n, kind) for kind in ("full", "plain")},
}  # fmt: skip


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("seed", seeds(40))
def test_random_operators(tmp_path: Path, maker: str, seed: int) -> None:
    case = MAKERS[maker](seed)
    theirs = by_litert(case)
    np.testing.assert_allclose(theirs, case.expected, rtol=2e-5, atol=2e-6)
    np.testing.assert_allclose(ours(tmp_path, case), theirs, rtol=2e-5, atol=2e-6)


def test_a_file_of_the_converter(tmp_path: Path) -> None:
    content = (FILES / "keras_lstm.tflite").read_bytes()
    x = np.random.default_rng(3).normal(size=(1, 5, 4)).astype("f4")
    case = Case(content, x, None)
    np.testing.assert_allclose(ours(tmp_path, case), by_litert(case), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("seed", seeds(20, 3))
def test_int8_weights_differ_by_the_rounding_of_the_kernel_alone(tmp_path: Path, seed: int) -> None:
    """LiteRT rounds x and h to 8 bits for each product: at most 1/254 of the largest, times the weights of a row."""
    layer = Layer(peephole=bool(seed % 2))
    for number in filter(lambda one: one >= 0, layer.inputs[1:12]):
        tensor = layer.tensors[number]
        scale = float(np.abs(tensor.data).max() / 127)
        tensor.data, tensor.dtype = np.round(tensor.data / scale).astype("i1"), "int8"
        tensor.scales = (scale,)
    x = np.random.default_rng(seed).normal(size=(1, STEPS, WIDTH)).astype("f4")
    case = Case(layer.whole(), x, None)
    np.testing.assert_allclose(ours(tmp_path, case), by_litert(case), atol=0.02)
