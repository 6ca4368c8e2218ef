"""A source of weights (a model file, arrays in a layout) to a prepared model."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ..base.arrays import LONGEST
from ..cell.kinds.lstm import LSTM
from ..cell.network import scope_and_name
from ..errors import within
from ..trace.trace import Header
from ..weights.find import find
from ..weights.found import Found, as_asked, choose, turned
from ..weights.layouts import Layout, layout
from ..weights.names import detect
from ..weights.read import read_model
from .build import build
from .model import Model

#: Names of ours that stand beside arrays in a layout: what the layout has no role for.
OURS = frozenset(LSTM.brings)
_OURS = re.compile(r"W_[xh][ifco]|b_[xh]?[ifco]|w_c[ifo]|W_hr|b_hr|(gamma|beta)_([ifco]|cell)")


def prepare_found(
    found: Found,
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    dtype: Any = None,
    title: str = "",
    allow_nonfinite: bool = False,
) -> Model:
    """The model of an LSTM that was found; `options` come before those that it has. Raises the errors of `build`."""
    asked = dict(options or {})
    weights = turned(found, asked.pop("direction", None))
    own = {key: value for key, value in found.options.items() if key != "direction"}
    header = Header(title=title or found.name[:LONGEST], imported=found.imported)
    if not isinstance(cell, str) and "equations" in cell:  # the equations say all but how the layers are joined
        own = {key: value for key, value in own.items() if key in ("merge", "padding")}
    return build(
        weights, cell, {**own, **asked}, dtype, header, defaults=found.defaults, allow_nonfinite=allow_nonfinite
    )


def prepare_file(
    path: str | Path,
    name: str | None = None,
    stored: str | Mapping[str, Any] | Layout | None = None,
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    dtype: Any = None,
    allow_nonfinite: bool = False,
) -> Model:
    """The model of the LSTM called `name` in a model file, or of the only one in it.

    stored: the layout, where the file does not say it. Raises LstmTraceError, each message with the file's name.
    """
    found = choose(read_model(path, stored), name, str(path))
    with within(str(path)):
        found = as_asked(found, options or {})
        return prepare_found(found, cell, options, dtype, found.name or Path(path).name, allow_nonfinite)


def named_by_framework(arrays: Mapping[str, Any]) -> bool:
    """Whether the arrays bear the names of a framework's layout, and not ours."""
    known = None if all(_OURS.fullmatch(scope_and_name(key)[1]) for key in arrays) else detect(arrays)
    return known is not None and known[0].name != "gates"


def prepare_arrays(
    arrays: Mapping[str, Any],
    stored: str | Mapping[str, Any] | Layout | None,
    name: str | None = None,
    cell: str | Mapping[str, Any] = "lstm",
    options: Mapping[str, Any] | None = None,
    dtype: Any = None,
    allow_nonfinite: bool = False,
) -> Model:
    """The model of arrays in the layout `stored`; None where their names say which it is.

    Names of ours beside them (`W_hr`, `gamma_i`) are understood, and those that the equations of `extra` read.
    """
    extra = {**cell, **(options or {})}.get("extra") if isinstance(cell, Mapping) else (options or {}).get("extra")
    read = set(re.findall(r"\w+", extra)) if isinstance(extra, str) else set()
    beside = OURS | {key for key in arrays if scope_and_name(key)[1] in read}
    found = choose(
        find(arrays, None if stored is None else layout(stored), keep=beside, partial=True), name, "the arrays"
    )
    return prepare_found(found, cell, options, dtype, name or "", allow_nonfinite)


def by_our_names(
    weights: Mapping[str, Any], stored: str | Mapping[str, Any], beside: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any], tuple[str, ...]]:
    """A problem's weights in the layout `stored`: by our names, the cell's options that it brings, what was done.

    beside: names that may stand beside them as they are.
    """
    found = choose(find(weights, layout(stored), keep=beside, partial=True), None, "weights")
    scopes = {scope_and_name(key)[0] for key in found.weights}
    plain = scopes == {"0/forward"}  # the problem's own direction, and names as its author writes them
    named = {scope_and_name(key)[1] if plain else key: values for key, values in found.weights.items()}
    return named, dict(found.options), found.imported
