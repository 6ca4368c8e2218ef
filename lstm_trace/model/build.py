"""Weights and a cell to a prepared model: every name, shape and value is checked once, and copied."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from ..base.arrays import Array, cast, describe
from ..cell.lines import Cell
from ..cell.parse import parse
from ..cell.variants import Merge, Padding, directed, misfits, of_direction, unread
from ..engine.input_arrays import computing, numbers
from ..engine.inputs import sequence
from ..errors import Faults, MissingError, OptionError, ShapeError, raise_all
from ..trace.trace import Header
from ..weights.found import Defaults
from .model import NETWORK, Model

#: What may be asked for; half types compute in float32.
DTYPES = ("float16", "bfloat16", "float32", "float64")


def build(
    weights: Mapping[str, Any],
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    dtype: Any = None,
    header: Header | None = None,
    extra: str = "",
    defaults: Defaults | None = None,
    allow_nonfinite: bool = False,
    faults: Faults | None = None,
) -> Model:
    """Check the weights against the cell and copy them.

    weights: arrays by name (`W_xi`) or full address (`1/reverse/W_xi`). cell: a name, or a mapping with `kind` and
    options, or with `equations`. dtype: the result type of the weights if None (half types compute in float32).
    faults: what is known to be wrong already. Raises one error with every fault: OptionError, CellError, MissingError
    (a name that the cell does not have), ShapeError.
    """
    spec: dict[str, Any] = {"kind": cell} if isinstance(cell, str) else dict(cell)
    spec.update(options or {})
    if unnamed := [key for key in spec if not isinstance(key, str)]:
        raise OptionError(f"options have names, as in {{'peephole': True}}; found the key {describe(unnamed[0])}")
    defaults, faults, misread = defaults or Defaults(), faults or Faults(), Faults()
    network = _network(spec, misread)
    arrays = _by_scope(weights, network.get("direction", "forward"), defaults.unread, faults)
    scattered = bool(faults.problems) and any("/" in key for key in weights)
    if faults.problems or "weights" in defaults.unread:  # how many layers there are is open
        names = tuple(address.rsplit("/", 1)[-1] for address in defaults.ask)
        defaults = replace(defaults, unread=defaults.unread | {"weights"}, ask=names, initial={}, given={})
    else:
        with misread.gather():
            _check_network(network, arrays, spec.get("reverse"))
    faults.add(misread)
    model = None
    with faults.gather():
        model = _unchecked(arrays, spec, network, dtype, header or Header(), extra, defaults)
        _check_names(model, arrays)
    if model is not None:
        with faults.gather():
            _check_sizes(model, arrays)
    if not allow_nonfinite:
        with faults.gather():
            _check_finite(arrays)
    with faults.gather():
        _check_large(arrays, np.dtype(np.float64 if model is None else model.header.dtype))
    if model is None or scattered:  # all else hangs on the cell, or on the layers that there are
        with faults.gather():
            sequence(defaults.x, defaults.batch_first, np.float64, None)
        raise faults.error()
    model = replace(model, weights=_copied(arrays, model, model.header.dtype))
    if faults.problems and defaults.where:  # a file's faults are told all at once
        with faults.gather():
            model._check()
    faults.tell()
    return model


def _unchecked(
    arrays: Mapping[str, Mapping[str, Array]],
    spec: dict[str, Any],
    network: Mapping[str, Any],
    dtype: Any,
    header: Header,
    extra: str,
    defaults: Defaults,
) -> Model:
    """The model of a cell and of weights that nobody has compared yet. Raises OptionError and CellError."""
    faults = Faults()
    full: dict[str, Any] = {}
    cell, kind, kept = Cell(()), "equations", np.dtype(np.float64)
    reverse: Cell | None = None
    with faults.gather():
        there = {name for here in arrays.values() for name in here}
        cell, reverse, kind, full = _cell(spec, there | {name.rsplit("/", 1)[-1] for name in defaults.unread})
    with faults.gather():
        kept = _dtype(dtype, arrays, defaults)
    faults.tell()
    merge = network.get("merge", "concat")
    header = replace(header, kind=kind, options=full, dtype=kept.name, merge=merge)
    model = Model(cell, arrays, header, merge, network.get("padding", "zero"), extra, defaults, reverse)
    model.stages()  # for what is wrong with the added equations, and with the layers
    return model


def _cell(spec: dict[str, Any], names: set[str]) -> tuple[Cell, Cell | None, str, dict[str, Any]]:
    """The cell, that of the reverse direction where it is another, the kind and the options in full.

    names: those of the weights, which decide on the bias where no option does.
    """
    equations = spec.pop("equations", None)
    if equations is None:
        kind = str(spec.pop("kind", "lstm"))
        cell, reverse, full = directed(kind, spec, names)
        return cell, reverse, kind, full
    spec.pop("kind", None)
    if spec:
        raise OptionError(f"a cell given by equations has no option {', '.join(spec)}; write it into the equations")
    if not isinstance(equations, str):
        raise OptionError(f"a cell's equations are text; found {describe(equations)}")
    return parse(equations), None, "equations", {}


def _network(spec: dict[str, Any], faults: Faults) -> dict[str, Any]:
    """The options of the network, taken out of `spec`; one that cannot be read is a fault, and left at its default."""
    allowed = {"merge": get_args(Merge), "padding": get_args(Padding), "direction": ("forward", "reverse")}
    found = {name: spec.pop(name) for name in NETWORK if name in spec}
    for name, value in found.items():
        if not (value is None or (isinstance(value, str) and value in allowed[name])):
            with faults.gather():
                raise OptionError(f"option {name} must be one of {', '.join(allowed[name])}; found {value!r}")
            found[name] = None
    return {name: value for name, value in found.items() if value is not None}


def _check_network(network: Mapping[str, Any], scopes: Iterable[str], reverse: Any) -> None:
    """Raise OptionError for options that the directions of the weights leave without an effect.

    reverse: the options of the reverse direction, where some were given.
    """
    directions = sorted({scope.split("/")[1] for scope in scopes})
    problems = []
    if "direction" in network and directions != [network["direction"]]:
        problems.append(
            f"option direction says {network['direction']}, and the addresses of the weights say "
            f"{' and '.join(directions)}; leave it out, or change the addresses"
        )
    if network.get("merge", "concat") != "concat" and len(directions) == 1:
        problems.append(
            f"option merge changes nothing where there is one direction ({directions[0]}); found {network['merge']!r}"
        )
    if reverse is not None and len(directions) == 1:
        problems.append(
            f"option reverse says how the reverse direction differs from the forward one, and the weights have one "
            f"direction ({directions[0]}); give its options themselves"
        )
    raise_all(OptionError, problems)


#: The number of a layer, written as it is in scopes: a key must not ask for millions of layers.
_LAYER = re.compile(r"0|[1-9][0-9]{0,3}")


def _by_scope(
    weights: Mapping[str, Any], direction: str, unread: Iterable[str], faults: Faults
) -> dict[str, dict[str, Array]]:
    """Weights by scope, those that can be read; a bare name belongs to the one layer and direction."""
    found: dict[str, dict[str, Array]] = {}
    for key, value in weights.items():
        with faults.gather():
            scope, name = _address(key, direction)
            array = numbers(value, key)
            if not array.size:
                raise ShapeError(f"{key} has shape {array.shape}, without a number")
            found.setdefault(scope, {})[name] = array
    for key in unread:
        with faults.gather():
            if "/" in key:  # the layer is there
                found.setdefault(_address(key, direction)[0], {})
    with faults.gather():
        if any("/" in key for key in weights) and any("/" not in key for key in weights):
            raise MissingError("some weights have an address (0/forward/…) and some have not; give all of them one")
    if not found:
        return {f"0/{direction}": {}}
    layers = {int(scope.split("/")[0]) for scope in found}
    directions = {scope.split("/")[1] for scope in found}
    missing = [f"{n}/{d}" for n in range(max(layers) + 1) for d in sorted(directions) if f"{n}/{d}" not in found]
    with faults.gather():
        if missing and not faults.problems:
            raise MissingError(f"no weights for {', '.join(missing)}, but for {', '.join(sorted(found))}")
    return {scope: found[scope] for scope in sorted(found, key=lambda s: (int(s.split("/")[0]), s))}


def _address(key: str, direction: str) -> tuple[str, str]:
    """Scope and name of a weight. Raises MissingError."""
    *parts, name = key.split("/")
    if not parts:
        parts = ["0", direction]
    if len(parts) != 2 or not _LAYER.fullmatch(parts[0]) or parts[1] not in ("forward", "reverse"):
        expected = "expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi"
        raise MissingError(f"the weight {key!r}: {expected}")
    return "/".join(parts), name


def _dtype(dtype: Any, arrays: Mapping[str, Mapping[str, Array]], defaults: Defaults | None) -> np.dtype[Any]:
    """The dtype to compute in: that of the arrays, or the one that was asked for. Raises OptionError."""
    if dtype is None:
        kinds = [array.dtype for here in arrays.values() for array in here.values()]
        kinds += [defaults.x.dtype] if defaults is not None and defaults.x is not None else []
        return computing(np.result_type(*kinds) if kinds else np.dtype(np.float64))
    try:
        kept = np.dtype(dtype)
    except (TypeError, ValueError):
        raise OptionError(f"dtype {dtype!r} is not known; use float32 or float64") from None
    if kept.name not in DTYPES:
        raise OptionError(f"dtype {kept.name} is not supported; use float32 or float64")
    return computing(kept)


def _check_names(model: Model, arrays: Mapping[str, Mapping[str, Array]]) -> None:
    """Raise MissingError for weights that no equation reads."""
    known: dict[str, dict[str, Any]] = {}
    header = model.header
    for stage in model.stages():
        known[stage.scope] = dict(stage.cell.parameters)
        if stage.direction == "joined":  # a readout above both directions: its weights stand with the layer's first
            known[f"{stage.layer}/{model.directions[0]}"] |= stage.cell.parameters
    problems = []
    for scope, here in arrays.items():
        options = of_direction(header.options, scope.split("/")[1])
        for name in here:
            if name not in known[scope]:
                hint = unread(name, header.kind, options, known[scope])
                problems.append(f"no equation of the cell reads the weight {name!r}{hint}")
    raise_all(MissingError, problems)


def _check_sizes(model: Model, arrays: Mapping[str, Mapping[str, Array]]) -> None:
    """Raise ShapeError for what the sizes of one layer's weights get wrong that no single equation shows."""
    problems: list[str] = []
    for scope, here in arrays.items():
        shapes = {name: array.shape for name, array in here.items()}
        options = of_direction(model.header.options, scope.split("/")[1])
        prefix = f"{scope}/" if len(arrays) > 1 else ""
        problems += (f"{prefix}{misfit}" for misfit in misfits(model.header.kind, options, shapes))
    raise_all(ShapeError, problems)


def _copied(arrays: Mapping[str, Mapping[str, Array]], model: Model, dtype: Any) -> dict[str, dict[str, Array]]:
    """Read-only copies of one dtype, scalars as (1, 1) or (1,); weights of a joined readout move to its stage."""
    found: dict[str, dict[str, Array]] = {}
    for stage in model.stages():
        matrices = {str(line.operands[0]) for line in stage.cell.lines if line.op == "matvec"}
        home = stage.scope if stage.direction != "joined" else f"{stage.layer}/{model.directions[0]}"
        for name in stage.cell.parameters:
            value = arrays.get(home, {}).get(name)
            if value is None:
                continue
            with np.errstate(over="ignore"):  # told by `_check_large`
                array = np.array(value, dtype=dtype)
            if array.ndim == 0:
                array = array.reshape((1, 1) if name in matrices else (1,))
            array.flags.writeable = False
            found.setdefault(stage.scope, {})[name] = array
        found.setdefault(stage.scope, {}) if stage.direction != "joined" else None
    return found


def _check_large(weights: Mapping[str, Mapping[str, Array]], dtype: np.dtype[Any]) -> None:
    """Raise ShapeError with the first number of each weight that `dtype` cannot hold."""
    problems = []
    for name, array in _named(weights):
        try:
            cast(array, dtype) if dtype.itemsize < array.dtype.itemsize else None
        except ValueError as error:
            problems.append(f"{name}: {error}")
    raise_all(ShapeError, problems)


def _check_finite(weights: Mapping[str, Mapping[str, Array]]) -> None:
    """Raise ShapeError with the first NaN or infinity that each weight has."""
    problems = []
    for name, array in _named(weights):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            at = ",".join(map(str, bad[0]))
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            problems.append(
                f"{name}[{at}] is {array[tuple(bad[0])]}{more}; expected finite numbers "
                "(--allow-nonfinite, in Python allow_nonfinite=True, lets them in)"
            )
    raise_all(ShapeError, problems)


def _named(weights: Mapping[str, Mapping[str, Array]]) -> Iterator[tuple[str, Array]]:
    """Every weight, with its address where there are several layers or directions."""
    for scope, arrays in weights.items():
        place = f"{scope}/" if len(weights) > 1 else ""
        yield from ((f"{place}{name}", array) for name, array in arrays.items())
