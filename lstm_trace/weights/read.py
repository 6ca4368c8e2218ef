"""From model files to canonical weights: one record for each LSTM, GRU or RNN found.

The reader for each kind of file is a module that is imported only when it is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from ..base.arrays import Array
from ..base.conveniences import function_at
from ..base.packaged import packaged
from ..base.unread import refuse
from ..cell.network import extent, layer_and_direction, scope_and_name
from ..errors import ChoiceError, FileError, OptionError, counted, nearest, some
from ..trace.files import TRACED
from .guards import check_file
from .layouts import ANY, NOUNS, OWN, Layout, layout as stored_as

#: Options for facts that a weights file may lack, in words.
SAYING: dict[str, str] = packaged("weights/words.toml")["saying"]


@dataclass(frozen=True)
class Defaults:
    """The values that a problem file fixes besides the weights; an argument of `run` overrides them.

    hold: `layers` of held values by address. arithmetic: if it differs from that of the weights' dtype. tokens: labels
    of the steps of x. where: the file's name, for messages. called: our names to the author's, for messages. wiring:
    what surrounds the cell; None if the file has no graph.
    """

    x: Array | None = None
    initial: Mapping[str, Array] = field(default_factory=dict)
    given: Mapping[str, Array] = field(default_factory=dict)
    hold: tuple[Mapping[str, Any], ...] = ()
    lengths: Array | None = None
    mask: Any = None
    batch_first: bool = False
    ask: tuple[str, ...] = ()
    arithmetic: str | None = None
    tokens: Any = None
    where: str = ""
    called: Mapping[str, str] = field(default_factory=dict)
    wiring: Wiring | None = None


@dataclass(frozen=True)
class Wiring:
    """What a model's graph does before and after a cell.

    source: where x comes from, in words. embedding: the array whose rows are x; empty if something else is computed.
    heads: the arrays of each readout of the output, the matrix first, and whether the matrix is stored as (H, V).
    """

    source: str
    embedding: str
    heads: tuple[tuple[tuple[str, ...], bool], ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Found:
    """One LSTM, GRU or RNN of a model.

    name: its location in the model (`encoder.lstm`; empty if the file contains only this one). kind: its framework's
    name for it. weights: arrays by full canonical address (`0/forward/W_xi`). options: of the cell and the network
    (`peephole`, `forget_bias`, `merge`, `padding`, …). defaults: values that the model fixes besides its weights
    (initial states, lengths, whether x is batch first). imported: sentences about the conversions made to the weights.
    assumed: those about facts that the file lacks and the values assumed instead, by the option that sets them.
    facts: further facts for `inspect`, a keyword to a sentence (`layout`, `input`, …). stored: the layout of its
    arrays. cell: its name among ours; `equations` if it has equations of its own, which are the option of that name.
    refused: the reason if it cannot be traced; then weights and options are empty.
    """

    name: str
    kind: str
    weights: Mapping[str, Array] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    imported: tuple[str, ...] = ()
    _: KW_ONLY
    assumed: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    stored: Layout | None = None
    cell: str = "lstm"
    refused: str = ""

    def __repr__(self) -> str:
        kind = f"{self.name!r}, {self.kind}" if self.name else self.kind
        if self.refused:
            return f"<Found {kind}: refused, {self.refused}>"
        places = ", ".join(dict.fromkeys(scope_and_name(key)[0] for key in self.weights))
        sizes = "".join(f"; {size} = {n}" for size, n in self.sizes().items())
        return f"<Found {kind}: {places}{sizes}>"

    @property
    def noun(self) -> str:
        """What its cell is called in messages."""
        return NOUNS.get(self.cell, OWN)

    @property
    def layers(self) -> int:
        """Number of layers."""
        return extent(scope_and_name(key)[0] for key in self.weights)[0]

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions of each layer."""
        return extent(scope_and_name(key)[0] for key in self.weights)[1]

    @property
    def form(self) -> tuple[Any, ...]:
        """What the layers of one stack have in common."""
        states, names = set(self.defaults.initial), {scope_and_name(key)[1] for key in self.weights}
        return self.cell, self.options, self.directions, states, names

    def sizes(self) -> dict[str, int]:
        """I, H and, with a projection, P of the first layer, as far as its weights determine them."""
        first = {scope_and_name(key)[1]: np.shape(a) for key, a in self.weights.items() if key.startswith("0/")}
        matrices = {name: shape for name, shape in first.items() if len(shape) == 2}
        inputs = [shape for name, shape in matrices.items() if name.startswith("W_x")]
        sizes = {"I": inputs[-1][1], "H": inputs[-1][0]} if inputs else {}
        return sizes | ({"P": matrices["W_hr"][0]} if self.cell == "lstm" and "W_hr" in matrices else {})


def stated(found: Found, options: Mapping[str, Any], *said: str) -> Found:
    """The cell with `options` that a file states, in place of all that was assumed. said: further conversions."""
    imported = (*(one for one in found.imported if one not in found.assumed.values()), *said)
    return replace(found, options={**found.options, **options}, imported=imported, assumed={})


def as_asked(found: Found, options: Mapping[str, Any]) -> Found:
    """The cell with the caller's options replacing what was assumed. Raises OptionError."""
    asked = {option: options[option] for option in SAYING if options.get(option) is not None}
    if found.refused or not asked:
        return found
    replaced = {found.assumed.get(option) for option in asked}
    values = {option: str(value).lower() if isinstance(value, bool) else value for option, value in asked.items()}
    said = dict.fromkeys(f"{SAYING[option]} {value}, as asked" for option, value in values.items())
    imported = (*(sentence for sentence in found.imported if sentence not in replaced), *said)
    weights = turned(found, asked.pop("direction", None))
    return replace(found, weights=weights, options={**found.options, **asked}, imported=imported)


def stack(layers: Sequence[Found], name: str, *said: str) -> Found:
    """Cells of one layer that each read the one before, as one cell. said: sentences about that."""
    weights = {f"{n}/{key.split('/', 1)[1]}": a for n, one in enumerate(layers) for key, a in one.weights.items()}
    return replace(layers[0], name=name, weights=weights, imported=(*layers[0].imported, *said))


def turned(found: Found, direction: str | None) -> Mapping[str, Array]:
    """The weights of one direction as those of `direction`; unchanged if None. Raises OptionError."""
    if direction not in (None, "forward", "reverse"):
        raise OptionError(f"option direction must be one of forward, reverse; found {direction!r}")
    if direction is None or found.directions == (direction,):
        return found.weights
    if len(found.directions) > 1:
        raise OptionError(f"option direction: {direction} has no effect: the model runs in both directions")
    parts = ((*scope_and_name(key), values) for key, values in found.weights.items())
    return {f"{layer_and_direction(scope)[0]}/{direction}/{name}": values for scope, name, values in parts}


def choose(found: Sequence[Found], name: str | None, where: str) -> Found:
    """The LSTM, GRU or RNN called `name`, or the only one.

    A part of the name that matches only one is enough (`encoder` for `module.encoder.lstm`). Raises ChoiceError that
    lists the available ones, FileError if it cannot be traced.
    """
    usable = [f for f in found if not f.refused]
    nouns = [noun for noun in (*NOUNS.values(), OWN) if any(f.noun == noun for f in usable or found)]
    if name:
        exact = [f for f in found if f.name == name]
        close = exact or [f for f in found if f".{name}." in f".{f.name.replace('/', '.')}."]
        close = close or [f for f in usable if name in f.name]
        if len(close) != 1:
            names = [f.name for f in found]
            said = "does not exist" + nearest(name, names) if not close else "matches more than one"
            there = f"there are {_listed(names)}"
            if names == [""]:
                said, there = "does not exist", "the only one has no name: leave the name out"
            raise ChoiceError(f"{where}: the {' or '.join(nouns) or ANY} {name!r} {said}; {there}")
        usable = close
    else:
        check_any(found, where)
    if len(usable) > 1:
        names = [f.name if len(nouns) == 1 else f"{f.name} ({f.noun})" for f in usable]
        *counts, last = (counted(sum(f.noun == noun for f in usable), noun) for noun in nouns)
        there = f"{', '.join(counts)} and {last}" if counts else last
        raise ChoiceError(f"{where}: there are {there}: {_listed(names)}; choose one by name (--name)")
    if usable[0].refused:
        raise FileError(f"{where}: {_called(usable[0])}{usable[0].refused}")
    return usable[0]


def check_any(found: Sequence[Found], where: str) -> None:
    """Raise FileError if nothing in a model can be traced."""
    if not found:
        raise FileError(f"{where}: no {ANY} was found")
    if all(f.refused for f in found):
        raise FileError(*(f"{where}: {_called(f)}{f.refused}" for f in found))


def _called(found: Found) -> str:
    return f"{found.name}: " if found.name else ""


def _listed(names: Sequence[str], most: int = 12) -> str:
    hint = " (lstm-trace inspect lists them)" if len(names) > most else ""
    return some([name or "''" for name in names], most) + hint


#: Reader module by suffix: its `read(path, layout=)` returns every cell of a file, its `arrays(path)` all arrays by
#: name.
READERS: dict[str, str] = packaged("weights/words.toml")["readers"]
#: The package that a reader needs; readers not listed need none.
NEEDS = {"formats.torch": "torch", "onnx.reader": "onnx", "formats.flax": "msgpack"}
#: Files whose operators define how their weights are stored.
DEFINED = {".onnx": "an ONNX file", ".tflite": "a TensorFlow Lite file", ".pt2": "an exported program"}


def readable() -> list[str]:
    """The suffixes of the model files that can be read here, with the packages that are installed."""
    return [suffix for suffix, reader in READERS.items() if reader not in NEEDS or find_spec(NEEDS[reader])]


def is_model(path: str | Path) -> bool:
    """Whether a file is a model, judged by its name (a .safetensors file may also be a trace).

    Raises FileError if its content is of a format that is not read.
    """
    refuse(path)
    suffix = Path(path).suffix.lower()
    if suffix == ".safetensors":
        from ..trace.files.safetensors import holds_trace  # imports numpy, for such files only

        return not holds_trace(path)
    return suffix in READERS


def read_model(path: str | Path, layout: str | Mapping[str, Any] | Layout | None = None) -> list[Found]:
    """Every LSTM, GRU and RNN in a model file, including those that cannot be traced (see `Found.refused`).

    layout: how the arrays are stored, if the file does not say. Raises FileError, MissingError and ShapeError with
    messages that begin with the file's name.
    """
    suffix = Path(path).suffix.lower()
    model = is_model(path)
    if suffix not in READERS:
        raise FileError(f"{path}: not a model file; models are read from {', '.join(READERS)}")
    check_file(path)
    if not model:
        raise FileError(f"{path}: {TRACED}")
    read: Callable[..., list[Found]] = function_at(f"{__package__}.{READERS[suffix]}:read")
    if suffix in DEFINED and layout is not None:
        raise OptionError(f"{path}: {DEFINED[suffix]} defines how its weights are stored")
    return read(Path(path), layout=None if layout is None else stored_as(layout))
