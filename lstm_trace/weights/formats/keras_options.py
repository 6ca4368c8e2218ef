"""The options of an LSTM in a Keras file, and what is assumed where the file does not say them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...trace.address import whole
from .keras_config import MERGES, Layer, activation


@dataclass(frozen=True)
class KerasFile:
    """What a file says beside its arrays: the version of Keras, and the configuration of its layers, if any."""

    where: str
    version: str
    config: Mapping[str, Layer]

    @property
    def major(self) -> int:
        """The version that decides on hard_sigmoid; 3 where the file does not say it."""
        first = self.version.split(".")[0]
        number = whole(first)
        return 3 if number is None else number

    @property
    def forced(self) -> bool:
        """Whether this Keras sets zero_output_for_mask of both halves of a Bidirectional to return_sequences."""
        numbers = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        return not numbers or "-tf" in self.version or numbers >= [2, 4]


def activations(layer: Layer | None, file: KerasFile, stored: str) -> tuple[dict[str, str], dict[str, str]]:
    """The activations of one layer, and by option what the file does not say, with what was assumed.

    Raises ValueError with the name of an activation that we do not have.
    """
    if stored == "cudnn" or (layer and layer.inner_kind == "CuDNNLSTM"):
        return {}, {}  # there are no others
    inner: Mapping[str, Any] = layer.inner if layer else {}
    found: dict[str, str] = {}
    assumed: dict[str, str] = {}
    if "activation" in inner:
        both = activation(inner["activation"], file.major)
        found |= {"candidate_activation": both, "output_activation": both}
    else:
        assumed["candidate_activation"] = (
            "the file does not say the activation: tanh was assumed; choose with --activation, in Python with the "
            "options candidate_activation and output_activation"
        )
    name = inner.get("recurrent_activation", inner.get("inner_activation"))
    if "recurrent_activation" in inner or "inner_activation" in inner:
        found["gate_activation"] = activation(name, file.major)
    else:
        found["gate_activation"], why = assumed_activation(file.version)
        assumed["gate_activation"] = (
            f"the file does not say the recurrent activation: {found['gate_activation']} was assumed, {why}; there are "
            "sigmoid, hard_sigmoid (0.2 x + 0.5, Keras 1 and 2) and hard_sigmoid_keras (x/6 + 0.5, Keras 3): "
            "choose with --recurrent-activation, in Python with the option gate_activation"
        )
    return found, assumed


def network_options(layer: Layer | None, file: KerasFile, two: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Merge and padding of one layer, and by option what the file does not say, with what was assumed."""
    found: dict[str, str] = {}
    assumed: dict[str, str] = {}
    if two:
        mode = layer.config.get("merge_mode", "concat") if layer else "concat"
        found["merge"] = MERGES.get(mode, str(mode))
    if layer is None and two:
        assumed["merge"] = (
            "both directions are concatenated: the file does not say how they are merged; choose with --merge"
        )
    elif layer is None:
        assumed["direction"] = (
            "the file does not say the direction: forward was assumed; for go_backwards=True choose --go-backwards, in "
            "Python with the option direction"
        )
    inner: Mapping[str, Any] = layer.inner if layer else {"return_sequences": True}
    zero = inner.get("return_sequences") if two and file.forced else inner.get("zero_output_for_mask")
    found["padding"] = "zero" if zero else "repeat"
    if layer is None:
        rule = {"zero": "zeros, as from a Bidirectional that returns sequences,", "repeat": "the last output again"}
        assumed["padding"] = (
            f"the file does not say zero_output_for_mask: at padding {rule[found['padding']]} was assumed; choose with "
            "--padded-output, in Python with the option padding"
        )
    return found, assumed


def assumed_activation(version: str) -> tuple[str, str]:
    """The default recurrent activation of a version of Keras, and why it was taken."""
    numbers = [int(n) for n in re.findall(r"\d+", version)[:2]]
    if not numbers:
        return "sigmoid", "the default of Keras 3 and of tf.keras in TensorFlow 2"
    if "-tf" in version or numbers >= [2, 3]:
        return "sigmoid", f"the default of Keras {version}"
    return "hard_sigmoid", f"the default of Keras {version} (before 2.3)"


def layout_facts(layer: Layer | None) -> dict[str, str]:
    """What `inspect` says of a layer beside its options: what it reads, what it returns, its dropout."""
    if layer is None:
        return {"input": "not known: the file holds weights only, not which layer feeds which"}
    inner = layer.inner
    found = {}
    kind, name = layer.before
    if kind:
        found["input"] = "the model's input" if kind == "InputLayer" else f"the output of {name} ({kind})"
    if not inner.get("return_sequences", True):
        found["returns"] = "the last step only (return_sequences=False); the trace has every step"
    if inner.get("stateful"):
        found["stateful"] = "the states of the last call go on; give them as h0 and c0"
    if inner.get("dropout") or inner.get("recurrent_dropout"):
        found["dropout"] = "in training only; the trace has none"
    return found
