"""Runs one model in an engine, in a process of its own: `python -m …child NAME MODEL INPUTS OUTPUTS`.

NAME: `package.module:function`, which is called with the path of the model and its inputs by name, or a module with
`prepare`, as for onnx.backend. Exit code REFUSED if it raised an exception, which is printed, UNUSABLE if there is no
such function. Nothing of the package is imported besides.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

#: Not the exit codes of an interpreter that failed.
UNUSABLE, REFUSED = 77, 78
#: The engines that a function below calls, each with its package.
ENGINES = {"onnxruntime": "onnxruntime", "openvino": "openvino", "tract": "tract", "reference": "onnx"}


def onnxruntime(model: str, inputs: dict[str, Any]) -> Any:
    """Microsoft's engine."""
    return import_module("onnxruntime").InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)


def openvino(model: str, inputs: dict[str, Any]) -> Any:
    """Intel's engine, which computes in bfloat16 by default where the processor has it."""
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    return [*import_module("openvino").Core().compile_model(model, "CPU", precise)(inputs).values()]


def tract(model: str, inputs: dict[str, Any]) -> Any:
    """Sonos's engine."""
    runnable = import_module("tract").onnx().load(model).into_model().into_runnable()
    return [found.to_numpy() for found in runnable.run([*inputs.values()])]


def reference(model: str, inputs: dict[str, Any]) -> Any:
    """The evaluator of the onnx package."""
    return import_module("onnx.reference").ReferenceEvaluator(model).run(None, inputs)


def main(name: str, model: str, inputs: str, outputs: str) -> int:
    """Run a model on the arrays of an .npz file, and write its outputs to another; the exit code."""
    module, _, function = name.partition(":")
    try:
        call = getattr(import_module(module), function or "prepare")
    except Exception as error:
        return _said(error, UNUSABLE)
    try:
        with np.load(inputs, allow_pickle=False) as given:
            if function:
                found = call(model, dict(given))
            else:
                prepared = call(import_module("onnx").load(model), device="CPU")
                found = prepared.run([*given.values()])
        several = [found] if hasattr(found, "shape") else found  # one array is an output
        arrays = found if isinstance(found, Mapping) else {f"output_{k}": one for k, one in enumerate(several)}
        held: dict[str, Any] = {str(key): np.asarray(one) for key, one in arrays.items() if one is not None}
        np.savez(outputs, **held)
    except Exception as error:
        return _said(error, REFUSED)
    return 0


def _said(error: Exception, code: int) -> int:
    print("\n" + " ".join(f"{type(error).__name__}: {error}".split()), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
