"""Documents as JSON, for transfer between service, page and client: the tree of blocks, and back.

A formula has its MathML and its text in addition to the tree, so that a page can show formulas that it does not
understand. A picture is its SVG. This is not a format for storage: it changes with the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from ..errors import FileError
from ..formulas import tree
from ..formulas.mathml import MathML, math as element
from ..formulas.numbers import Shown
from ..formulas.plain import Plain
from . import blocks

#: Every kind of block and of node by its name.
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (*get_args(blocks.Block), *get_args(tree.Node), blocks.Row, blocks.Chain, blocks.Code, Shown)
}
#: Maximum depth of a received tree.
DEPTH = 60


def encoded(body: blocks.Body) -> list[dict[str, Any]]:
    """The blocks as plain data that JSON can hold."""
    plain, mathml = Plain(body.own), MathML(body.own)
    return [_encoded(one, lambda node: {"text": plain(node), "mathml": element(mathml(node))}) for one in body.blocks]


def decoded(data: Sequence[Any]) -> blocks.Body:
    """The blocks written by `encoded`, of a document without symbols of an author.

    Raises FileError for anything else.
    """
    try:
        return blocks.Body(tuple(_decoded(one, 0) for one in data), legible=True)
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise FileError(f"this is not a document of lstm-trace: {error}") from None


def _encoded(one: Any, formula: Callable[[tree.Node], dict[str, str]] | None) -> Any:
    """formula: converts a formula to text and MathML; None within one."""
    if isinstance(one, blocks.Picture):
        beside = None if one.beside is None else _encoded(one.beside, formula)
        return {"kind": "Picture", "svg": one.drawing(), "title": one.title, "caption": one.caption, "beside": beside}
    if isinstance(one, Shown):
        return {"kind": "Shown", **one._asdict()}
    if is_dataclass(one) and not isinstance(one, type):
        data: dict[str, Any] = {"kind": type(one).__name__}
        inner = formula
        if formula is not None and isinstance(one, tree.Node):
            data |= formula(one)
            inner = None
        for part in fields(one):
            if part.name not in ("value", "key") or not isinstance(one, tree.Num):  # what a number is of stays
                data[part.name] = _encoded(getattr(one, part.name), inner)
        return data
    if isinstance(one, frozenset):
        return sorted(one)
    if isinstance(one, tuple | list):
        return [_encoded(part, formula) for part in one]
    return str(one) if isinstance(one, float) and not math.isfinite(one) else one


def _decoded(data: Any, depth: int) -> Any:
    if depth > DEPTH:
        raise ValueError(f"it is more than {DEPTH} levels deep")
    if isinstance(data, list):
        return tuple(_decoded(part, depth + 1) for part in data)
    if not isinstance(data, dict):
        return data
    if data["kind"] == "Picture":
        beside = None if data["beside"] is None else _decoded(data["beside"], depth + 1)
        svg = str(data["svg"])
        return blocks.Picture(lambda: svg, data["title"], data["caption"], beside=beside)
    kind: Any = KINDS[data["kind"]]
    names = kind._fields if kind is Shown else [part.name for part in fields(kind)]
    values = {name: _decoded(data[name], depth + 1) for name in names if name in data}
    if kind is blocks.Table:
        values["texts"] = frozenset(values.get("texts", ()))
    return kind(**values)
