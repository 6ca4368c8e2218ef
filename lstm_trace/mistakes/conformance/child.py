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


def _onnxruntime(model: str, inputs: Mapping[str, Any]) -> Any:
    import onnxruntime

    onnxruntime.set_default_logger_severity(4)
    return onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, dict(inputs))


def _openvino(model: str, inputs: Mapping[str, Any]) -> Any:
    import openvino

    precise = {"INFERENCE_PRECISION_HINT": "f32"}  # bfloat16 by default, where the processor has it
    compiled = openvino.Core().compile_model(model, "CPU", precise)
    results = compiled(dict(inputs))
    return [results[output] for output in compiled.outputs]


def _tract(model: str, inputs: Mapping[str, Any]) -> Any:
    import tract

    return [found.to_numpy() for found in tract.onnx().load(model).into_model().into_runnable().run([*inputs.values()])]


def _reference(model: str, inputs: Mapping[str, Any]) -> Any:
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(model).run(None, dict(inputs))


#: The engines by name, each with the package that has it.
ENGINES: dict[str, tuple[str, Callable[[str, Mapping[str, Any]], Any]]] = {
    "onnxruntime": ("onnxruntime", _onnxruntime),
    "openvino": ("openvino", _openvino),
    "tract": ("tract", _tract),
    "reference": ("onnx", _reference),
}


def _outputs(kind: str, name: str, model: str, inputs: Mapping[str, Any]) -> Any:
    """What the engine returns: arrays by name, or in the order of the model's outputs."""
    if kind == "engine":
        return ENGINES[name][1](model, inputs)
    module, _, function = name.partition(":")
    found = import_module(module)
    if kind == "python":
        return getattr(found, function)(model, dict(inputs))
    import onnx

    return found.prepare(onnx.load(model), device="CPU").run([*inputs.values()])


def main(kind: str, name: str, model: str, inputs: str, outputs: str) -> int:
    """Run a model on the arrays of an .npz file, and write its outputs to another; the exit code."""
    with np.load(inputs, allow_pickle=False) as file:
        given = {key: file[key] for key in file.files}
    try:
        found = _outputs(kind, name, model, given)
        arrays = found if isinstance(found, Mapping) else {f"output_{k}": one for k, one in enumerate(found)}
        np.savez(outputs, **{key: np.asarray(one) for key, one in arrays.items() if one is not None})
    except Exception as error:
        print("\n" + " ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
