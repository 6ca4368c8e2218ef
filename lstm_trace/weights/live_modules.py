"""Live modules: PyTorch's nn.LSTM, nn.GRU, nn.RNN and their cells, Keras's layers.

A framework is used only if it is loaded already: otherwise none of its modules can exist.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np

from ..errors import OptionError, ShapeError, some, within
from .find import find
from .formats.torch import numbers_of
from .layouts import LAYOUTS, NOUNS
from .read import Defaults, Found, stated


def framework(source: Any) -> str:
    """`torch` or `keras` for one of their modules or layers, empty for anything else."""
    keras, torch = sys.modules.get("keras"), sys.modules.get("torch")
    if keras is not None and isinstance(source, keras.layers.Layer):
        return "keras"
    if torch is not None and isinstance(source, torch.nn.Module):
        return "torch"
    return ""


def from_live(source: Any, name: str = "", used: Mapping[str, Any] | None = None) -> Found:
    """The cell in a live module. Raises OptionError for other modules, and for active dropout.

    used: the weights of a PyTorch module by its own names, if they must not be read again.
    """
    kind = framework(source)
    return _from_keras(source, name) if kind == "keras" else _from_torch(source, name, used)


def as_array(value: Any) -> Any:
    """Numbers of any framework as a numpy array; bfloat16 as the equal float32. Other values are returned unchanged.

    Raises OptionError for a PyTorch tensor without numbers: on the meta device, in torch.export or torch.func.
    """
    torch, keras = sys.modules.get("torch"), sys.modules.get("keras")
    if torch is not None and isinstance(value, torch.Tensor):
        try:
            return numbers_of(value)
        except (RuntimeError, NotImplementedError, TypeError) as error:
            said = f"a tensor has no numbers that can be read ({str(error).splitlines()[0]}); call the model itself"
            where = "outside of torch.export, torch.func and the meta device"
            raise OptionError(f"{said} with plain tensors, {where}") from None
    if keras is not None and (keras.ops.is_tensor(value) or isinstance(value, keras.Variable)):
        array = np.asarray(keras.ops.convert_to_numpy(value))
        return array.astype(np.float32) if array.dtype.name == "bfloat16" else array
    return value


def precision(dtype: Any) -> float:
    """The distance from 1 to the next number in a framework's dtype."""
    name = str(dtype).rsplit(".", 1)[-1]
    return 2.0 ** {"bfloat16": -7, "float16": -10, "float32": -23}.get(name, -52)


def unpacked(x: Any) -> tuple[Any, Any]:
    """A PackedSequence as its padded (T, B, I) and the lengths of its sequences; (x, None) for anything else."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(x, torch.nn.utils.rnn.PackedSequence):
        return as_array(x), None
    padded, lengths = torch.nn.utils.rnn.pad_packed_sequence(x)
    return as_array(padded), as_array(lengths)


# -- PyTorch ---------------------------------------------------------------------------------------------------------


def recurrent_modules(model: Any) -> dict[str, Any]:
    """Every nn.LSTM, nn.GRU and nn.RNN of a PyTorch model by name, and every cell of these."""
    return {name: module for name, module in model.named_modules() if torch_cell(module)}


def torch_cell(module: Any) -> str:
    """Our name of the cell of a PyTorch module; empty if it has none."""
    nn = sys.modules["torch"].nn
    kinds = {"lstm": (nn.LSTM, nn.LSTMCell), "gru": (nn.GRU, nn.GRUCell), "rnn": (nn.RNN, nn.RNNCell)}
    return next((cell for cell, classes in kinds.items() if isinstance(module, classes)), "")


def one_step(module: Any) -> bool:
    """Whether a PyTorch module with a cell computes one step in a call: nn.LSTMCell, nn.GRUCell, nn.RNNCell."""
    return not hasattr(module, "_flat_weights_names")


def weights_of(module: Any) -> dict[str, Any]:
    """The weights of a PyTorch module with a cell by their names."""
    steps = one_step(module)
    own: Any = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if steps else module._flat_weights_names
    values = {key: getattr(module, key, None) for key in own}  # read once: reading a parametrized one computes it
    return {key: value for key, value in values.items() if value is not None}


def _from_torch(module: Any, name: str, used: Mapping[str, Any] | None) -> Found:
    cell = torch_cell(module)
    if not cell:
        wrong = f"{type(module).__name__} is not an nn.LSTM, nn.GRU, nn.RNN or a cell of these"
        raise OptionError(wrong + hint(module, recurrent_modules(module)))
    kind = f"PyTorch nn.{NOUNS[cell]}{'Cell' if one_step(module) else ''}"
    check_dropout(module, name)
    hooks = _hooks(module, kind) if used is None else ()
    weights = weights_of(module) if used is None else used
    arrays = {key: as_array(value) for key, value in weights.items() if value is not None}
    with within(name or kind):
        found = find(arrays, LAYOUTS["pytorch"], kind)[0]
    more = ("x is a sequence (T, I) or (T, B, I), not the (B, I) of one call",) if one_step(module) else ()
    found = stated(found, {"activation": module.nonlinearity} if cell == "rnn" else {}, *more, *hooks)
    defaults = Defaults(batch_first=bool(getattr(module, "batch_first", False)))
    return replace(found, name=name, imported=(f"live {kind}", *found.imported), defaults=defaults)


def _hooks(module: Any, kind: str) -> tuple[str, ...]:
    """A sentence if a call of a module may do more than its cell. What PyTorch makes weights by in each call is run.

    Raises OptionError if its class has a forward of its own, which may compute anything.
    """
    if getattr(module.forward, "__module__", "").partition(".")[0] != "torch":
        wrong = f"{type(module).__name__} is an {kind.removeprefix('PyTorch ')} with a forward of its own"
        raise OptionError(f"{wrong}: trace what it computes with lt.capture(model)")
    foreign = []
    for hook in module._forward_pre_hooks.values():
        if type(hook).__module__.startswith("torch.nn.utils."):  # weight norm, spectral norm, pruning
            hook(module, ())
        else:
            foreign.append(getattr(hook, "__name__", type(hook).__name__))
    said = f"its forward pre-hooks ({some(foreign, 3)}), which may change x, are not run; lt.capture records them"
    return (said,) if foreign else ()


def hint(model: Any, inside: Iterable[str] = ()) -> str:
    """What to give in place of a model, for a message: its layers `inside`, or what else it has that recurs."""
    if listed := some(list(inside), 6):
        return f"; it has {listed}: give one of them, or trace them all with lt.capture(model)"
    modules = list(model.modules()) if hasattr(model, "modules") else [model]
    keras = (part._flatten_layers() for part in modules if hasattr(part, "_flatten_layers"))  # of Keras
    flat = [*modules, *chain.from_iterable(keras)]
    kinds = list(dict.fromkeys(type(part).__name__ for part in flat))
    if "RecursiveScriptModule" in kinds:
        return "; a TorchScript program cannot be watched: save its state dict and trace the file"
    others = [kind for kind in kinds if any(word in kind for word in ("LSTM", "GRU", "RNN", "Cell"))]
    cells = list(dict.fromkeys(type(part).__name__ for part in flat if framework(part) == "keras" and cells_of(part)))
    whole = f"; what it has ({', '.join(others)}) is not traced as a whole" if others else ""
    alone = f": lt.prepare reads one {' or '.join(cells)} of it" if cells else ""
    return f"{whole}{alone}; lt.lift reads a step that you wrote yourself (docs/lift.md)"


def check_dropout(module: Any, name: str) -> None:
    """Raise OptionError if a PyTorch module drops values at random."""
    rate = getattr(module, "dropout", 0.0)
    if module.training and rate and getattr(module, "num_layers", 1) > 1:
        said = f"{name or f'the {NOUNS[torch_cell(module)]}'} is in training mode with dropout {rate}"
        raise OptionError(f"{said}: its values are random, and no trace can repeat them; call model.eval() first")


# -- Keras -----------------------------------------------------------------------------------------------------------


def recurrent_layers(model: Any) -> dict[str, Any]:
    """Every LSTM, GRU, SimpleRNN, and Bidirectional of one, in a Keras model by name; without halves of the latter."""
    keras = sys.modules["keras"]
    found: dict[str, Any] = {}
    inner: set[int] = set()
    for layer in model._flatten_layers():
        parts = list(halves(layer).values())
        if isinstance(layer, keras.layers.Bidirectional | keras.layers.RNN) and all(map(cells_of, parts)):
            inner |= {id(half) for half in parts if half is not layer}
            names = (layer.name, *(f"{layer.name}#{k}" for k in range(1, len(found) + 1)))
            found[next(name for name in names if name not in found)] = layer
    return {name: layer for name, layer in found.items() if id(layer) not in inner}


def halves(layer: Any) -> dict[str, Any]:
    """The layer by direction: both halves of a Bidirectional, or the layer itself."""
    keras = sys.modules["keras"]
    if isinstance(layer, keras.layers.Bidirectional):
        return {"forward": layer.forward_layer, "reverse": layer.backward_layer}
    return {"forward": layer}


def cells_of(layer: Any) -> list[Any]:
    """The cells of a Keras layer, from the input up; empty if one is of another kind than the first, or unknown."""
    keras = sys.modules["keras"]
    cell = layer.cell if isinstance(layer, keras.layers.RNN) else layer
    cells = list(cell.cells) if isinstance(cell, keras.layers.StackedRNNCells) else [cell]
    kinds = (keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell)
    return cells if any(all(isinstance(one, kind) for one in cells) for kind in kinds) else []


def _from_keras(layer: Any, name: str) -> Found:
    from .formats.keras import from_layer  # readers of files, which few runs need
    from .formats.keras_config import Layer

    arrays: dict[tuple[int, str], dict[str, Any]] = {}
    parts = halves(layer)
    for direction, half in parts.items():
        cells = cells_of(half)
        if not cells:
            wrong = "is not an LSTM, GRU, SimpleRNN, or a Bidirectional of one"
            there = hint(layer, recurrent_layers(layer) if hasattr(layer, "_flatten_layers") else ())
            raise OptionError(f"{type(layer).__name__} {layer.name!r} {wrong}{there}")
        for number, cell in enumerate(cells):
            if not cell.built:
                raise ShapeError(f"{layer.name!r} has no weights yet; call it once, or layer.build((None, None, I))")
            held = {role: getattr(cell, role, None) for role in ("kernel", "recurrent_kernel", "bias")}
            arrays[number, direction] = {r: as_array(v.value) for r, v in held.items() if v is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about lambda activations; they are rejected below
        config = Layer(name or layer.name, type(layer).__name__, layer.get_config())
    found = from_layer(arrays, config, sys.modules["keras"].__version__)
    if found.refused:
        raise OptionError(f"{layer.name}: {found.refused}")
    options = {**found.options, "padding": _padding(parts["forward"])}
    said = (f"live {found.kind}", *found.imported)
    return replace(found, name=name or layer.name, options=options, imported=said)


def _padding(half: Any) -> str:
    """The output of a Keras layer at padding: the backends differ (`src/backend/*/rnn.py` in Keras 3.15).

    JAX and numpy output the carried state, which differs from the previous output if there are initial states;
    unrolled, they ignore zero_output_for_mask.
    """
    plain = sys.modules["keras"].backend.backend() in ("jax", "numpy")
    if getattr(half, "zero_output_for_mask", False) and not (plain and half.unroll):
        return "zero"
    return "carry" if plain and not getattr(half, "unroll", False) else "repeat"
