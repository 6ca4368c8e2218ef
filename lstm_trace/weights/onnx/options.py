"""The options of an ONNX LSTM node: its activations with their constants, for each direction, and its clip."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import nearest
from .node import Reading, Refused

#: Activations by the operator's names, in small letters: ours, and the constants that onnxruntime takes by default.
ACTIVATIONS: dict[str, tuple[str, tuple[float, ...]]] = {
    "relu": ("relu", ()),
    "tanh": ("tanh", ()),
    "sigmoid": ("sigmoid", ()),
    "affine": ("affine", (0.0, 0.0)),
    "leakyrelu": ("leaky_relu", (0.01,)),
    "thresholdedrelu": ("thresholded_relu", (0.0,)),
    "scaledtanh": ("scaled_tanh", (0.0, 0.0)),
    "hardsigmoid": ("hard_sigmoid", (0.2, 0.5)),
    "elu": ("elu", (1.0,)),
    "softsign": ("softsign", ()),
    "softplus": ("softplus", ()),
}
#: Those whose constants onnxruntime takes as 0, which is not our default.
_ZERO = frozenset(ours for ours, constants in ACTIVATIONS.values() if constants and not any(constants))
_PLAIN = {"gate": "sigmoid", "candidate": "tanh", "output": "tanh"}


def options(reading: Reading) -> dict[str, Any]:
    """The options that the attributes bring, `reverse` those in which the reverse direction differs. Raises Refused."""
    texts = _activations(reading)
    each = [dict(zip(_PLAIN, texts[at : at + 3], strict=True)) for at in range(0, len(texts), 3)]
    found: dict[str, Any] = _named(each[0], _PLAIN) | _clip(reading)
    if reading.facts.get("input_forget"):
        found["coupled"] = True
        reading.said.append("input_forget: f = 1 - i; the forget gate's weights are not used, as onnxruntime has it")
    other = _named(each[-1], each[0])
    return found | ({"reverse": other} if other else {})


def _named(texts: dict[str, str], usual: dict[str, str]) -> dict[str, Any]:
    """Activations by role as options, where they are not the `usual` ones."""
    return {f"{role}_activation": text for role, text in texts.items() if text != usual[role]}


def _activations(reading: Reading) -> list[str]:
    """The activations of each direction, three and three, in our words. Raises Refused."""
    count = len(reading.directions)
    given = reading.facts.get("activations") or ["Sigmoid", "Tanh", "Tanh"] * count
    if len(given) != 3 * count:
        raise Refused(f"it has {len(given)} activations; expected {3 * count}, three for each direction")
    spare = {name: list(reading.facts.get(f"activation_{name}", [])) for name in ("alpha", "beta")}
    texts = []
    for said in given:
        if said.lower() not in ACTIVATIONS:
            raise Refused(f"its activation {said!r} is none of the operator's{nearest(said.lower(), ACTIVATIONS)}")
        ours, defaults = ACTIVATIONS[said.lower()]
        numbers = [_shortest(spare[c].pop(0)) if spare[c] else None for c, _ in zip(spare, defaults, strict=False)]
        if None in numbers and ours in _ZERO:
            reading.said.append(f"{said} without its constants: 0, as onnxruntime has it")
        constants = tuple(default if n is None else n for n, default in zip(numbers, defaults, strict=True))
        if not np.isfinite(constants).all():
            raise Refused(
                f"its activation {said} has the constants {', '.join(map(str, constants))}; expected finite ones"
            )
        bare = constants == defaults and ours not in _ZERO  # one text for one function: directions are compared by it
        texts.append(ours if bare else f"{ours}({', '.join(map(repr, constants))})")
    left = [f"activation_{name}" for name, values in spare.items() if values]
    if left:
        reading.said.append(f"{' and '.join(left)} have more numbers than the activations take: not used")
    return texts


def _shortest(value: float) -> float:
    """A float32 attribute as its author wrote it: 0.1 rather than 0.10000000149."""
    return float(str(np.float32(value)))


def _clip(reading: Reading) -> dict[str, float]:
    clip = reading.facts.get("clip")
    if clip is None:
        return {}
    if not (clip > 0 and np.isfinite(clip)):
        raise Refused(f"the attribute clip is {clip:g}; expected a positive number")
    reading.said.append(
        f"clip {clip:g} bounds the inputs of gates and candidate, as onnxruntime has it; the ONNX text bounds the cell "
        f"state before its squash as well: option output_clip"
    )
    return {"clip": _shortest(clip)}
