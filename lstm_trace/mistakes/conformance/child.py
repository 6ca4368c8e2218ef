"""Runs one model in an engine, in a process of its own: `python -m …child KIND NAME MODEL INPUTS OUTPUTS`.

KIND and NAME: `engine onnxruntime`, `python package.module:function`, `backend package.module`. Exit code REFUSED if
the engine raised an exception, which is printed. Nothing of the package is imported besides.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np

#: Not the exit code of an interpreter that failed.
REFUSED = 78


#: OpenVINO computes in bfloat16 by default, where the processor has it.
PRECISE = {"INFERENCE_PRECISION_HINT": "f32"}
#: The engines by name, each with its package, a module in it, and how that runs a model on inputs by name.
ENGINES: dict[str, tuple[str, str, Callable[[Any, str, dict[str, Any]], Any]]] = {
    "onnxruntime": ("onnxruntime", "onnxruntime", lambda module, model, inputs: module.InferenceSession(
        model, providers=["CPUExecutionProvider"]).run(None, inputs)),
    "openvino": ("openvino", "openvino", lambda module, model, inputs: [
        *module.Core().compile_model(model, "CPU", PRECISE)(inputs).values()]),
    "tract": ("tract", "tract", lambda module, model, inputs: [
        found.to_numpy() for found in module.onnx().load(model).into_model().into_runnable().run([*inputs.values()])]),
    "reference": ("onnx", "onnx.reference", lambda module, model, inputs: module.ReferenceEvaluator(model).run(
        None, inputs)),
}  # fmt: skip


def _outputs(kind: str, name: str, model: str, inputs: dict[str, Any]) -> Any:
    """What the engine returns: arrays by name, or in the order of the model's outputs."""
    if kind == "engine":
        _, module, run = ENGINES[name]
        return run(import_module(module), model, inputs)
    module, _, function = name.partition(":")
    found = import_module(module)
    if kind == "python":
        return getattr(found, function)(model, inputs)
    return found.prepare(import_module("onnx").load(model), device="CPU").run([*inputs.values()])


def main(kind: str, name: str, model: str, inputs: str, outputs: str) -> int:
    """Run a model on the arrays of an .npz file, and write its outputs to another; the exit code."""
    with np.load(inputs, allow_pickle=False) as file:
        given = {key: file[key] for key in file.files}
    try:
        found = _outputs(kind, name, model, given)
        arrays = found if isinstance(found, Mapping) else {f"output_{k}": one for k, one in enumerate(found)}
        held: dict[str, Any] = {str(key): np.asarray(one) for key, one in arrays.items() if one is not None}
        np.savez(outputs, **held)
    except Exception as error:
        print("\n" + " ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
