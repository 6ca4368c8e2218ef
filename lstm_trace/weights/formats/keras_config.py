"""The configuration of a Keras model: its layers, their settings, and what follows from them for a cell.

It is never imported or called.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...base.packaged import packaged
from ...cell.composites import BUILT_IN
from ...cell.named_cells import ACTIVATIONS
from ...trace.address import whole
from ..layouts import Layout

MERGES = {"concat": "concat", "sum": "sum", "mul": "product", "ave": "mean", None: "none"}
#: Keras activations with another name or other constants here; hard_sigmoid depends on the version.
_ACTIVATIONS = {"swish": "silu", "hard_swish": "hard_silu", "leaky_relu": "leaky_relu(0.2)"}
#: Our activations that Keras does not have; all others have Keras's names and default values.
_OURS = frozenset(packaged("weights/words.toml")["ours"])
_KIND = re.compile("LSTM|GRU|RNN")
#: Classes of layers and cells, by our name of the cell; Keras's own name of a layer is the first.
CLASSES: dict[str, list[str]] = packaged("weights/words.toml")["keras"]
_Cell = tuple[str, Mapping[str, Any]]  # its class and its settings


@dataclass(frozen=True)
class Layer:
    """One layer of a configuration: its path of names, its class, its own settings and its input layer."""

    path: str
    kind: str
    config: Mapping[str, Any]
    before: tuple[str, str] = ("", "")

    @property
    def inner(self) -> Mapping[str, Any]:
        """The settings of the layer or cell inside a wrapper (Bidirectional, TimeDistributed, RNN with a cell)."""
        return cells_inside(self.kind, self.config)[0][0][1]  # if cells differ, the layer is rejected

    @property
    def inner_kind(self) -> str:
        """The class of the layer inside all wrappers; for cells, that of the first that differs, or their common
        one.
        """
        first, *others = (kind for kind, _ in cells_inside(self.kind, self.config)[0])
        return next((kind for kind in others if kind != first), first)

    @property
    def cells(self) -> list[_Cell]:
        """Each cell of an RNN of StackedRNNCells, in order; empty for any other layer."""
        cells, stacked = cells_inside(self.kind, self.config)
        return cells if stacked else []

    @property
    def cell(self) -> str:
        """Our name of the cell of its class; empty if it is none of ours."""
        return next((cell for cell, kinds in CLASSES.items() if self.inner_kind in kinds), "")


def layers(config: Any) -> dict[str, Layer]:
    """Every layer of a model's configuration by its path of names, including nested models."""
    return {layer.path: layer for layer in _walk(config, "", 0)}


def _walk(config: Any, path: str, depth: int) -> Iterator[Layer]:
    inside = config.get("config") if isinstance(config, Mapping) else None
    listed = inside.get("layers") if isinstance(inside, Mapping) else inside
    if not isinstance(listed, list) or depth > 50:
        return
    before = ("", "")
    for entry in listed:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("config"), Mapping | list):
            continue
        name, kind = _name(entry), str(entry.get("class_name", ""))
        here = f"{path}/{name}" if path else name
        yield Layer(here, kind, settings_of(entry) or {}, _fed(entry, listed) or before)
        yield from _walk(entry, here, depth + 1)
        before = (kind, name)


def _fed(entry: Mapping[str, Any], listed: list[Any]) -> tuple[str, str] | None:
    """Class and name of the layer from which an entry's first inbound node comes."""
    nodes = entry.get("inbound_nodes")
    while isinstance(nodes, list | Mapping) and nodes:
        keys = ("keras_history", "args", "config")
        nodes = nodes[0] if isinstance(nodes, list) else next(filter(None, map(nodes.get, keys)), None)
    known = (one for one in listed if isinstance(nodes, str) and _name(one) == nodes)
    return next(((str(one.get("class_name", "")), _name(one)) for one in known), None)


def settings_of(entry: Any) -> Mapping[str, Any] | None:
    """The configuration contained in an entry."""
    found = entry.get("config") if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else None


def _name(entry: Any) -> str:
    return str((settings_of(entry) or {}).get("name") or (entry.get("name", "") if isinstance(entry, Mapping) else ""))


def cells_inside(kind: str, config: Mapping[str, Any]) -> tuple[list[_Cell], bool]:
    """The cells inside all wrappers, with those settings of the wrappers that affect them; and whether it is a
    stack.
    """
    for key in ("layer", "cell"):
        part: Any = config.get(key)
        if (inner := settings_of(part)) is not None:
            outer = {k: v for k, v in config.items() if k in ("go_backwards", "zero_output_for_mask", "stateful")}
            cells, stacked = cells_inside(str(part.get("class_name", "")), inner)
            return [(own, {**outer, **settings}) for own, settings in cells], stacked
    listed = config.get("cells")
    if isinstance(listed, list) and listed and all(isinstance(cell, Mapping) for cell in listed):
        return [(str(cell.get("class_name", "")), settings_of(cell) or {}) for cell in listed], True
    return [(kind, config)], False


def activation(value: Any, major: int) -> str:
    """Our name of a Keras activation. major: the version of Keras, which determines hard_sigmoid.

    Raises ValueError with the name of an unsupported one.

    >>> activation("hard_sigmoid", 2), activation("hard_sigmoid", 3), activation(None, 3)
    ('hard_sigmoid', 'hard_sigmoid_keras', 'linear')
    """
    if isinstance(value, Mapping):  # an activation given as a layer, or as a named function
        settings, kind = value.get("config"), str(value.get("class_name", ""))
        if kind == "LeakyReLU" and isinstance(settings, Mapping):
            return f"leaky_relu({float(settings.get('negative_slope', settings.get('alpha', 0.3)))!r})"
        if kind != "function" or not isinstance(settings, str):
            raise ValueError(kind or "of its own")
        value = settings
    name = "linear" if value is None else str(value)
    if name == "hard_sigmoid" and major >= 3:
        return "hard_sigmoid_keras"
    if name not in _ACTIVATIONS and (name not in (*ACTIVATIONS, *BUILT_IN) or name in _OURS):
        raise ValueError(name)
    return _ACTIVATIONS.get(name, name)


@dataclass(frozen=True)
class KerasFile:
    """The facts in a file besides its arrays: the version of Keras, and the configuration of its layers, if any."""

    where: str
    version: str
    config: Mapping[str, Layer]

    @property
    def major(self) -> int:
        """The version that determines hard_sigmoid; 3 if the file does not state it."""
        return 3 if (number := whole(self.version.split(".")[0])) is None else number

    def since(self, *numbers: int) -> bool:
        """Whether this Keras has at least a given version; true for that of TensorFlow, and for an unknown one."""
        own = [int(n) for n in re.findall(r"\d+", self.version)[:2]]
        return not own or "-tf" in self.version or own >= list(numbers)

    @property
    def masking(self) -> str:
        """The layer that makes the model mask steps of its input, in words; empty if there is none."""
        for layer in self.config.values():
            if layer.kind == "Masking":
                return f"Masking {layer.path!r}, where all inputs are {layer.config.get('mask_value', 0.0)}"
            if layer.kind == "Embedding" and layer.config.get("mask_zero"):
                return f"Embedding {layer.path!r} with mask_zero, where the index is 0"
        return ""

    def layer(self, name: str) -> Layer | None:
        """The recurrent layer with this name, the only one in a model with this name, or with this last name."""
        there = [x for x in self.config.values() if "recurrent_initializer" in x.inner or _KIND.search(x.inner_kind)]
        fits = [layer for layer in there if layer.path == name]
        fits = fits or [layer for layer in there if layer.path.startswith(f"{name}/")]
        fits = fits or [layer for layer in there if layer.path.split("/")[-1] == name.split("/")[-1]]
        return fits[0] if len(fits) == 1 else None


#: The options of each cell that Keras's `activation` sets.
_SQUASHES = {
    "lstm": ("candidate_activation", "output_activation"), "gru": ("candidate_activation",), "rnn": ("activation",),
}  # fmt: skip


def options_of(layer: Layer | None, file: KerasFile, own: Layout, two: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Activations, merge and padding of one layer; and the assumptions about facts that the file lacks, by option.

    Raises ValueError with the name of an unsupported activation.
    """
    inner: Mapping[str, Any] = layer.inner if layer else {}
    found: dict[str, Any] = {}
    assumed: dict[str, str] = {}
    silent, choose = "the file does not say", "choose with --option"
    if own.name != "cudnn" and not (layer and layer.inner_kind.startswith("CuDNN")):  # without other activations
        squashes = _SQUASHES[own.cell]
        if "activation" in inner:
            found |= dict.fromkeys(squashes, activation(inner["activation"], file.major))
        else:
            said = f"choose with the option{'s' * (len(squashes) > 1)} {' and '.join(squashes)}, on the command line "
            said += f"--option {','.join(f'{name}=…' for name in squashes)}"
            assumed[squashes[0]] = f"{silent} the activation: tanh was assumed; {said}"
        gate = next((key for key in ("recurrent_activation", "inner_activation") if key in inner), "")
        if own.cell == "rnn":
            pass
        elif gate:
            found["gate_activation"] = activation(inner[gate], file.major)
        else:
            new = file.since(2, 3)
            found["gate_activation"] = "sigmoid" if new else "hard_sigmoid"
            why = f"the default of Keras {file.version}{'' if new else ' (before 2.3)'}"
            if not re.search(r"\d", file.version):
                why = "the default of Keras 3 and of tf.keras in TensorFlow 2"
            there = "sigmoid, hard_sigmoid (0.2 x + 0.5, Keras 1 and 2) and hard_sigmoid_keras (x/6 + 0.5, Keras 3)"
            said = f"{silent} the recurrent activation: {found['gate_activation']} was assumed, {why}"
            assumed["gate_activation"] = f"{said}; there are {there}: {choose} gate_activation=…"
    if own.bias == "rows" and layer is not None:  # Keras before 2.1.3 has no such setting
        found["reset_after"] = bool(inner.get("reset_after", False))
    if two:
        mode = layer.config.get("merge_mode", "concat") if layer else "concat"
        found["merge"] = MERGES.get(mode, str(mode))
    # since 2.4 both halves of a Bidirectional have zero_output_for_mask if it returns sequences
    sequences = inner.get("return_sequences") if layer else True
    zero = sequences if two and file.since(2, 4) else inner.get("zero_output_for_mask")
    found["padding"] = "zero" if zero else "repeat"
    if layer is not None:
        return found, assumed
    if two:
        assumed["merge"] = f"both directions are concatenated: {silent} how they are merged; {choose} merge=…"
    else:
        other = "for go_backwards=True choose --option direction=reverse"
        assumed["direction"] = f"{silent} the direction: forward was assumed; {other}"
    rule = "zeros, as from a Bidirectional that returns sequences," if zero else "the last output again"
    assumed["padding"] = f"{silent} zero_output_for_mask: at padding {rule} was assumed; {choose} padding=…"
    return found, assumed


def layout_facts(layer: Layer | None) -> dict[str, str]:
    """Facts about a layer for `inspect`, besides its options: its input, what it returns, its dropout."""
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
        found["stateful"] = "the states of the last call are kept; give them as h0 and c0"
    if inner.get("dropout") or inner.get("recurrent_dropout"):
        found["dropout"] = "in training only; the trace has none"
    return found
