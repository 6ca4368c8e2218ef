"""Build a prepared model from a cell and a source of weights (a model file, or arrays in a layout).

Every name, shape and value is checked once, and the arrays are copied.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ..base.arrays import LONGEST, Array, cast, describe
from ..base.mistyped import WEIGHT
from ..cell.lines import Cell
from ..cell.named_cells import KINDS, LSTM
from ..cell.network import DIRECTIONS, extent, layer_and_direction, scope_and_name
from ..cell.parse import parse
from ..cell.variants import Merge, Padding, cell_name, directed, of_direction, unread
from ..engine.inputs import computing, numbers
from ..engine.memory import Pool
from ..errors import Faults, MissingError, OptionError, ShapeError, calling, raise_all, some
from ..trace.address import line_name
from ..trace.files.problem_file import ALIASES, MISPLACED
from ..trace.trace import Header
from ..weights.find import find, numeric
from ..weights.formats.arrays import array_in, arrays_of, cell_arrays, readouts
from ..weights.layouts import layout
from ..weights.live_modules import as_array
from ..weights.names import detect
from ..weights.read import Defaults, Found, Wiring, choose, turned
from ..weights.spelled import read
from .model import NETWORK, Model
from .tokens import SPLIT, in_model, referenced, token_table

#: Supported values of dtype; half types compute in float32.
DTYPES = ("float16", "bfloat16", "float32", "float64")


def build(
    weights: Mapping[str, Any], cell: str | Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None,
    dtype: Any = None, header: Header | None = None, defaults: Defaults | None = None, allow_nonfinite: bool = False,
) -> Model:  # fmt: skip
    """Check the weights against the cell and copy them.

    weights: arrays by name (`W_xi`) or full address (`1/reverse/W_xi`). cell: a name, or a mapping with `kind` and
    options, or with `equations`; its `extra` are equations added to it, its `notation` that of the weights' names;
    without a name, the weights decide (`weights.spelled.read`). dtype: if None, the result type of the weights (half
    types compute in float32).
    Raises one error with every fault of the cell (OptionError, CellError, MissingError for an address); if there are
    none, one with every fault of the arrays (MissingError for a name that the cell does not have, ShapeError).
    """
    spec: dict[str, Any] = {**({"kind": cell} if isinstance(cell, str) else cell or {}), **(options or {})}
    if unnamed := [key for key in spec if not isinstance(key, str)]:
        raise OptionError(f"options have names, as in {{'peephole': True}}; found the key {describe(unnamed[0])}")
    defaults = defaults or Defaults()
    model = _unchecked(weights, spec, dtype, header or Header(), defaults)
    faults = Faults()
    with faults.gather():
        raise_all(MissingError, _unread(model))
    with faults.gather(), calling(model.defaults.called):
        raise_all(ShapeError, _unfit(model, allow_nonfinite))
    if faults.problems and defaults.where:  # a file's input is reported together with its weights
        with faults.gather():
            model._fed()
    faults.tell()
    return replace(model, weights=_copied(model))


def _unchecked(
    weights: Mapping[str, Any], spec: dict[str, Any], dtype: Any, header: Header, defaults: Defaults
) -> Model:
    """The model of a cell and weights that have not been compared yet. Raises one error with every fault."""
    faults = Faults()
    arrays: dict[str, dict[str, Array]] = {}
    network: dict[str, Any] = {}
    full: dict[str, Any] = {}
    cell, reverse, kind, kept = Cell(()), None, "equations", np.dtype(np.float64)
    extra, notation = spec.pop("extra", None) or "", None if "equations" in spec else spec.pop("notation", None)
    with faults.gather():
        if not isinstance(extra, str):
            raise OptionError(f"extra: expected equations as text, found {describe(extra)}")
    with faults.gather():
        arrays = _by_scope(weights, "reverse" if spec.get("direction") == "reverse" else "forward", defaults.given)
    with faults.gather():
        network = _network(spec, arrays)
    if "equations" not in spec and spec.get("kind") in (None, *KINDS) and not faults.problems:
        with faults.gather():
            aside = {*re.findall(r"\w+", extra)}
            asked = {line_name(text) for text in defaults.ask}
            found = read(arrays, spec.get("kind"), notation, aside, asked)
            own = {option: value for option, value in found.options.items() if spec.get(option) is None}
            said = [*found.imported, *(f"{option}: {str(value).lower()}, as there" for option, value in own.items())]
            said += [remark for option, remark in found.remarks.items() if spec.get(option) is None]
            arrays, spec = found.arrays, {**spec, "kind": found.cell, **own}
            header = replace(header, imported=(*header.imported, *said))
            lines = {name: ours for ours, name in found.lines.items() if name not in aside}
            ask = tuple(re.sub(r"\w+", lambda word: lines.get(word[0], word[0]), text) for text in defaults.ask)
            defaults = replace(defaults, called=found.called, ask=ask)
    with faults.gather():
        cell, reverse, kind, full = cell_of(spec, {name for here in arrays.values() for name in here})
    with faults.gather():
        kept = _dtype(dtype, arrays, defaults)
    faults.tell()
    merge = network.get("merge", "concat")
    header = replace(header, kind=kind, options=full, dtype=kept.name, merge=merge)
    model = Model(cell, arrays, header, merge, network.get("padding", "zero"), extra, defaults, reverse)
    model.stages()  # reports errors in the added equations and in the layers
    return model


def cell_of(spec: dict[str, Any], names: set[str]) -> tuple[Cell, Cell | None, str, dict[str, Any]]:
    """The cell, that of the reverse direction if it differs, the kind, and the full options.

    names: those of the weights, which decide about the cell, and its bias if no option does. Raises OptionError,
    CellError.
    """
    if "weights" in spec:
        raise OptionError(f"cell: weights {MISPLACED}")
    equations = spec.pop("equations", None)
    if equations is None:
        kind = str(spec.pop("kind", None) or "lstm")
        cell, reverse, full = directed(kind, spec, names)
        return cell, reverse, kind, full
    spec.pop("kind", None)
    if spec:
        advice = "is `weights:` missing above?" if any(map(WEIGHT.fullmatch, spec)) else "write it into the equations"
        raise OptionError(f"a cell given by equations has no option {', '.join(spec)}; {advice}")
    if not isinstance(equations, str):
        raise OptionError(f"a cell's equations are text; found {describe(equations)}")
    cell = parse(equations)
    if cell.plain is not None:
        said = "the equations have the row `hold:` or `scale:`; holds are given separately"
        raise OptionError(f"{said}: hold: {{{(*cell.held, *cell.scaled)[0]}: 0}}")
    return cell, None, "equations", {}


def _network(spec: dict[str, Any], scopes: Iterable[str]) -> dict[str, Any]:
    """The options of the network, removed from `spec`.

    scopes: those of the weights; empty if they could not be read. Raises OptionError for a value that an option does
    not accept, and for an option that has no effect with the directions of the weights.
    """
    allowed = {"merge": get_args(Merge), "padding": get_args(Padding), "direction": ("forward", "reverse")}
    given = {name: value for name in NETWORK if (value := spec.pop(name, None)) is not None}
    found = {name: value for name, value in given.items() if isinstance(value, str) and value in allowed[name]}
    problems = [
        f"option {name} must be one of {', '.join(allowed[name])}; found {value!r}"
        for name, value in given.items()
        if name not in found
    ]
    directions = list(extent(scopes)[1])
    if "direction" in found and directions not in ([], [found["direction"]]):
        said = f"option direction is {found['direction']}, and the addresses of the weights say "
        problems.append(f"{said}{' and '.join(directions)}; leave it out, or change the addresses")
    if len(directions) == 1 and (merge := found.get("merge", "concat")) != "concat":
        problems.append(f"option merge has no effect with one direction ({directions[0]}); found {merge!r}")
    if len(directions) == 1 and spec.get("reverse") is not None:
        said = "option reverse states how the reverse direction differs from the forward one"
        problems.append(f"{said}, and the weights have one direction ({directions[0]}); give its options themselves")
    raise_all(OptionError, problems)
    return found


def home_of(scope: str) -> str:
    """The scope under which a stage's weights are given; for a readout above both directions, the first of them."""
    return scope.replace("joined", "forward")


#: A scope of weights; limited, so that a key cannot demand millions of layers.
_SCOPE = re.compile(r"(0|[1-9][0-9]{0,3})/(forward|reverse|joined)")


def _by_scope(weights: Mapping[str, Any], direction: str, supplied: Iterable[str] = ()) -> dict[str, dict[str, Array]]:
    """Weights by scope; a bare name belongs to the only layer and direction. Raises MissingError and ShapeError.

    supplied: the lines that are; they may be all that there is of a layer and direction.
    """
    found: dict[str, dict[str, Array]] = {}
    faults = Faults()
    for key, value in weights.items():
        with faults.gather():
            scope, name = scope_and_name(key) if "/" in key else (f"0/{direction}", key)
            if not _SCOPE.fullmatch(scope):
                expected = "expected `W_xi`, or `layer/direction/W_xi` as in 1/reverse/W_xi"
                raise MissingError(f"the weight {key!r}: {expected}")
            array = numbers(value, key)
            if not array.size:
                raise ShapeError(f"{key} has shape {array.shape}, which is empty")
            found.setdefault(scope, {})[name] = array
    with faults.gather():
        if len({"/" in key for key in weights}) > 1:
            raise MissingError("some weights have an address (0/forward/…) and some do not; give all of them one")
    if all("/" in key for key in weights):
        there = {scope for key in supplied if _SCOPE.fullmatch(scope := scope_and_name(key)[0])}
        for scope in there:  # where two directions are merged, there are both
            found |= {home: found.get(home, {}) for home in (scope.replace("joined", d) for d in DIRECTIONS[:2])}
    for joined in [scope for scope in found if scope.endswith("/joined")]:  # a readout of both directions
        readout, home = found.pop(joined), home_of(joined)
        names = ", ".join(f"{joined}/{name}" for name in readout)
        with faults.gather():
            if absent := " and ".join(sorted({home, joined.replace("joined", "reverse")} - found.keys())):
                raise MissingError(f"{names}: two directions are merged there, and there are no weights for {absent}")
            if twice := [f"{home}/{name}" for name in readout if name in found[home]]:
                raise MissingError(f"{names}: given as {', '.join(twice)} too; give one of them")
            found[home] |= readout
    faults.tell()
    if not found:
        return {f"0/{direction}": {}}
    layers, directions = extent(found)
    missing = [f"{n}/{d}" for n in range(layers) for d in directions if f"{n}/{d}" not in found]
    if missing:
        raise MissingError(f"no weights for {', '.join(missing)}, only for {', '.join(sorted(found))}")
    return {scope: found[scope] for scope in sorted(found, key=layer_and_direction)}


def _dtype(dtype: Any, arrays: Mapping[str, Mapping[str, Array]], defaults: Defaults) -> np.dtype[Any]:
    """The dtype to compute in: that of the arrays, or the requested one. Raises OptionError."""
    if dtype is None:
        kinds = [array.dtype for here in arrays.values() for array in here.values()]
        kinds += [defaults.x.dtype] if defaults.x is not None else []
        return computing(np.result_type(*kinds) if kinds else np.dtype(np.float64))
    try:
        kept = np.dtype(dtype)
    except (TypeError, ValueError):
        raise OptionError(f"dtype {dtype!r} is not known; use float32 or float64") from None
    if kept.name not in DTYPES:
        raise OptionError(f"dtype {kept.name} is not supported; use float32 or float64")
    return computing(kept)


def _unread(model: Model) -> Iterator[str]:
    """The weights that no equation uses, and what the equations use that the weights do not have, as sentences."""
    known: dict[str, dict[str, Any]] = defaultdict(dict)
    kind, called = model.header.kind, model.defaults.called
    for stage in model.stages():
        known[home_of(stage.scope)] |= stage.cell.parameters
    for scope, here in model.weights.items():
        options = of_direction(model.header.options, layer_and_direction(scope)[1])
        lacking = [name for name in known[scope] if name not in here]
        if kind in KINDS:  # of the gates that there are: a request may need no others
            lacking = [name for name in lacking if name[-1] in {other[-1] for other in here}]
        close = [*dict.fromkeys(called.get(name, name) for name in lacking)]
        none = not known[scope].keys() & here  # all are missing
        wrong = {n: _why(n, kind, options, close, none) for n in here if n not in known[scope]}
        if none and wrong and kind in KINDS and not all(why.startswith(":") for why in wrong.values()):
            row, reads = detect(here), dict.fromkeys(called.get(name, name) for name in known[scope])
            advice = f"; if they are those of a program, write layout: {row[0].name} in the problem" if row else ""
            yield f"the weights have none of those that the cell {kind} reads, {some([*reads], 12)}{advice}"
        yield from (f"no equation of the cell reads the weight {name!r}{why}" for name, why in wrong.items())
        begun = {name[-1] for name in here if name not in wrong or kind not in KINDS}
        absent = [*dict.fromkeys(called.get(name, name) for name in lacking if name[-1] in begun)]
        if absent and not all(why.startswith(":") for why in wrong.values()):
            reads = dict.fromkeys(called.get(name, name) for name in known[scope])
            yield f"the weights lack {some(absent, 12)}; the cell reads {some([*reads], 12)}"


def _why(name: str, kind: str, options: Mapping[str, Any], lacking: Sequence[str], none: bool) -> str:
    """Why no equation uses the weight `name`. lacking: the names that the weights do not have; none: they have none."""
    if name in {"ask", "x", *ALIASES, *ALIASES.values()}:
        return f"; {name} {MISPLACED}"
    if (single := f"b_{name[-1:]}") in lacking and name in (f"b_x{name[-1]}", f"b_h{name[-1]}"):
        return f"; did you mean {single!r}?"
    return unread(name, kind, options, lacking) or "; none is missing: leave it out" * (not lacking and not none)


def _copied(model: Model) -> dict[str, dict[str, Array]]:
    """Read-only copies in one dtype, scalars as (1, 1) or (1,); weights of a merged readout move to its stage."""
    found: dict[str, dict[str, Array]] = {}
    for stage in model.stages():
        given = model.weights[home_of(stage.scope)]
        here = {name: given[name] for name in stage.cell.parameters if name in given}
        matrices = {line.product[0] for line in stage.cell.lines if line.product}.union(stage.cell.declared)
        if here or stage.direction != "joined":
            found[stage.scope] = {}
        for name, value in here.items():
            with np.errstate(over="ignore"):  # `_unfit` reports overflow
                array = np.array(value, dtype=model.header.dtype)
            array = array.reshape((1, 1) if name in matrices else (1,)) if array.ndim == 0 else array
            array.flags.writeable = False
            found[stage.scope][name] = array
    return found


def _unfit(model: Model, allow_nonfinite: bool) -> Iterator[str]:
    """Faults in the weights of a layer that no single equation reveals, as sentences.

    Inconsistent sizes, the first NaN or infinity in each weight, and the first number that the dtype cannot represent.
    """
    dtype, several = np.dtype(model.header.dtype), len(model.weights) > 1
    named: dict[str, Array] = {}
    for scope, here in model.weights.items():
        prefix = f"{scope}/" if several else ""
        options = of_direction(model.header.options, layer_and_direction(scope)[1])
        shapes = {name: array.shape for name, array in here.items()}
        if model.header.kind in KINDS:
            yield from (f"{prefix}{misfit}" for misfit in KINDS[model.header.kind](**options).misfits(shapes))
        named |= {prefix + name: array for name, array in here.items()}
    for name, array in named.items() if not allow_nonfinite else ():
        if len(bad := np.argwhere(~np.isfinite(array))):
            more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
            said = f"{name}[{','.join(map(str, bad[0]))}] is {array[tuple(bad[0])]}{more}; expected finite numbers"
            yield f"{said} (--allow-nonfinite, in Python allow_nonfinite=True, accepts them)"
    for name, array in named.items():
        try:
            cast(array, dtype) if dtype.itemsize < array.dtype.itemsize else None
        except ValueError as error:
            yield f"{name}: {error}"


def kind_of(found: Found, cell: str | None) -> str:
    """The cell to build for weights that were found: their own, or another one with the same gates.

    Raises OptionError if the weights are those of another cell.
    """
    kind = found.cell if cell is None else cell_name(cell)
    if kind != found.cell and (found.cell not in KINDS or KINDS[kind].gates != KINDS[found.cell].gates):
        own, a = f"{found.name}: " if found.name else "", "an" if found.noun in ("LSTM", "RNN") else "a"
        raise OptionError(f"{own}cell is {kind!r}, and these are the weights of {a} {found.noun}; leave cell out")
    return kind


#: Canonical names that may accompany the arrays of a layout: parameters that the layout does not cover.
OURS = frozenset(LSTM.brings)
_OURS = re.compile(r"W_[xh][ifcoruh]|b_[xh]?[ifcoruh]|w_c[ifo]|W_hr|b_hr|(gamma|beta)_([ifco]|cell)")


def prepare_found(
    found: Found, cell: str | Mapping[str, Any] | None = None, options: Mapping[str, Any] | None = None,
    dtype: Any = None, allow_nonfinite: bool = False, title: str = "",
) -> Model:  # fmt: skip
    """The model of a cell that was found; `options` override those found with it. Raises the errors of `build`."""
    asked = dict(options or {})
    weights = turned(found, asked.pop("direction", None))
    own = {key: value for key, value in found.options.items() if key != "direction"}
    header = Header(title=title or found.name[:LONGEST], imported=found.imported)
    spec = {"kind": cell} if cell is None or isinstance(cell, str) else dict(cell)
    if "equations" in spec:  # equations define everything but how directions merge
        own = {key: value for key, value in own.items() if key in ("merge", "padding")}
    else:
        spec["kind"] = kind_of(found, spec.get("kind"))
    return build(weights, spec, {**own, **asked}, dtype, header, found.defaults, allow_nonfinite)


def named_by_framework(arrays: Mapping[str, Any]) -> bool:
    """Whether the arrays have the names of a framework's layout, and not ours."""
    known = None if all(_OURS.fullmatch(scope_and_name(key)[1]) for key in arrays) else detect(arrays)
    return known is not None and known[0].name != "gates"


def in_layout(
    arrays: Mapping[str, Any], stored: Any, where: str, name: str | None = None, beside: Collection[str] = ()
) -> Found:
    """The cell called `name`, or the only one, in arrays stored in the layout `stored`; None if their names imply it.

    beside: names that may accompany those of the layout unchanged.
    """
    return choose(find(arrays, None if stored is None else layout(stored), keep=beside, partial=True), name, where)


def extra_names(arrays: Iterable[str], cell: Any, options: Mapping[str, Any] | None) -> set[str]:
    """The arrays that may accompany a layout: canonical ones (`W_hr`, `gamma_i`), and those that the `extra` uses."""
    extra = {**(cell if isinstance(cell, Mapping) else {}), **(options or {})}.get("extra")
    read = set(re.findall(r"\w+", extra)) if isinstance(extra, str) else set()
    return {*OURS, *(key for key in arrays if scope_and_name(key)[1] in read)}


# -- a model of tokens ------------------------------------------------------------------------------------------------


def with_lookup(model: Model, vocabulary: Any, embedding: Any, unknown: str | None, split: str | None) -> Model:
    """The model for an x of tokens, with their names for its inputs and the outputs of its readout.

    Raises FileError, MissingError, OptionError; ShapeError if x would not have the model's width.
    """
    if vocabulary is None and embedding is None:
        raise OptionError("unknown and split are about tokens: give --vocabulary FILE (vocabulary=) too")
    if split not in (None, *SPLIT):
        raise OptionError(f"there is no split {split!r}; expected {', '.join(SPLIT)}")
    wiring = model.defaults.wiring
    if wiring and str(embedding).startswith("model:") and wiring.embedding != str(embedding)[6:]:
        own = f"; the graph looks x up in model:{wiring.embedding}" if wiring.embedding else ""
        said = f"x is {wiring.source}, so its rows are not x{own}"
        raise OptionError(f"embedding {embedding}: {said}; to use it all the same give FILE:{str(embedding)[6:]}")
    table = token_table(vocabulary, embedding, unknown, split, model.sources)
    name = str(embedding).removeprefix("model:") if isinstance(embedding, str | Path) else "the embedding"
    what = "all zeros but a 1" if table.matrix is None else f"the row of {name} {table.matrix.shape}"
    if model.input_width not in (None, table.width):
        said = f"x_t would be {what} at the token's number, which has {table.width:,} numbers"
        raise ShapeError(f"{said}, and the cell reads I = {model.input_width:,}; give {model.text_options()}")
    names = dict(model.header.names)
    if {*table.words.values()} == {*range(min(table.rows, len(table.words) + 1))}:  # a name for each number
        outputs = {len(here["W_hy"]) for here in model.weights.values() if "W_hy" in here}
        fits = {"x": table.matrix is None, "y": outputs == {table.rows}}
        names |= {axis: table.labels(range(table.rows)) for axis in fits if fits[axis]}
    imported = *model.header.imported, f"x_t is {what} at the token's number"
    return replace(model, lookup=table, header=replace(model.header, names=names, imported=imported), _works={})


def with_readout(model: Model, head: Any, embedding: Any, allow_nonfinite: bool) -> Model:
    """The model with the lines y_t (logits) and p_t (probabilities) of a readout of its output.

    Where there is a line y_t already, as where two directions meet, the logits are s_t. head: `auto` for the readout
    in the model's graph, or the only matrix of a fitting shape in its file that is not `embedding`;
    `model:MATRIX,BIAS`, `FILE:MATRIX`, `MATRIX:HV` for one stored as (H, V); the arrays in a list, or a live layer.
    Raises FileError, MissingError, OptionError, ShapeError.
    """
    if any("W_hy" in here for here in model.weights.values()):
        raise OptionError("head: the model has a readout already, with the matrix W_hy: leave the head out")
    last = model.stages()[-1]
    output, plain = last.cell.output, replace(model, defaults=Defaults(), lookup=None, _works={})
    width = plain.laid_out(np.zeros((1, model.input_width or 1)))[1].widths[last.scope][output]
    if isinstance(head, str):
        reference = in_model("head", "model:" if head == "auto" else head, model.sources)
        wiring = model.defaults.wiring if head == "auto" or head.startswith("model:") else None
        arrays, turned = referenced(partial(_read, width=width, other=str(embedding), wiring=wiring), reference)
    else:
        layer = [head.weight, getattr(head, "bias", None)] if hasattr(head, "weight") else [head]
        listed = head if isinstance(head, list | tuple) and head else [one for one in layer if one is not None]
        arrays, turned = {f"head[{k}]": as_array(values) for k, values in enumerate(listed)}, None
    found = {name: numeric(name, array) for name, array in arrays.items()}
    (name, matrix), *biases = found.items()
    shape = matrix.shape
    if len(shape) != 2 or width not in shape or len(biases) > 1:
        said = f"expected a matrix (V, {width}) or ({width}, V), since {output} has {width} units, and a bias (V,)"
        raise ShapeError(f"head: {said}; found {', '.join(f'{n} {a.shape}' for n, a in found.items())}")
    turned = shape[1] != width if turned is None else turned
    logits = next(line for line in ("y_t", "s_t") if line not in last.cell.by_name)
    rows = f"{logits} = W_hy @ {output}{' + b_y' * len(biases)}"
    said = f"{rows}: W_hy is {name} {shape}{', transposed' * turned}"
    said += "".join(f", b_y is {label} {bias.shape}" for label, bias in biases)
    added = dict(zip(("W_hy", "b_y"), (matrix.T if turned else matrix, *dict(biases).values()), strict=False))
    raise_all(ShapeError, _unfit(replace(model, weights={last.scope: added}), allow_nonfinite))
    for label, values in added.items():
        added[label] = np.array(values, model.header.dtype)
        added[label].flags.writeable = False
    extra = "\n".join(filter(None, (model.extra, rows, f"p_t = softmax({logits})")))
    header = replace(model.header, imported=(*model.header.imported, said))
    grown = replace(model, extra=extra, header=header, _works={}, _pool=Pool())
    read = [stage.scope for stage in grown.stages() if "W_hy" in stage.cell.parameters]
    weights = {**model.weights, **{scope: {**model.weights.get(scope, {}), **added} for scope in read}}
    return replace(grown, weights=weights)


def _read(path: Path, names: str, width: int, other: str, wiring: Wiring | None) -> tuple[dict[str, Any], bool | None]:
    """The matrix and the bias of a readout of `width` units, and whether the matrix is (H, V), where names or a graph
    say so; if no names are given, the only one besides `other`.
    """
    wanted = [part.strip() for part in names.split(",")]
    wanted[0], form = re.fullmatch(r"(.*?)(?::(VH|HV))?", wanted[0]).groups("")  # type: ignore[union-attr]
    rows = {each[0]: turned for each, turned in wiring.heads} if wiring else {}
    with arrays_of(path) as arrays:
        if not names:
            found = [one for one in readouts(arrays, width, wiring) if wiring or f"model:{one[0][0]}" != other]
            if len(found) != 1:
                listed = some([" and ".join(f"{n} {tuple(arrays[n].shape)}" for n in each) for each, _ in found], 6)
                as_in = f", as in --head model:{','.join(found[0][0])}" if found else ""
                said = f"name the matrix with {width} columns or rows and its bias{as_in}"
                beside = "as readouts the graph has" if wiring else "beside cell and embedding there is"
                raise OptionError(f"{path}: head: {said}; {beside} {listed or 'none'}")
            wanted = [*found[0][0]]
            if vectors := found[0][1]:
                either = f"--head model:{wanted[0]}, or --head model:{wanted[0]},{vectors[0]} with it"
                raise OptionError(f"{path}: head: is {some(vectors, 3)} the bias of {wanted[0]}? Give {either}")
        elif wanted[0] in cell_arrays(arrays):
            raise OptionError(f"{path}: head: {wanted[0]} is a weight of the cell, not a matrix of a readout")
    given, name = {name: array_in(path, name) for name in wanted}, wanted[0]
    if form or name in rows:
        return given, form == "HV" if form else rows[name]
    if given[name].shape != (width, width):
        return given, None
    if not (stored := re.search(r"(kernel|/vars/)|(^|\.)weight$|emb|W_hy$", name)):
        said = f"{name} is square, and nothing says whether its rows are outputs or units"
        raise OptionError(f"{path}: head: {said}: write {name}:VH for a row per output, {name}:HV for a row per unit")
    return given, bool(stored[1])
