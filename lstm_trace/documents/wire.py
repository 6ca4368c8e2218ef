"""Documents as JSON, for transfer between service, page and client: the tree of blocks, and back.

What comes back is a stranger's: each member must be of the type that its class declares, and what printers set as it is
(digits, signs, indices) must not be markup.

A formula has its MathML and its text in addition to the tree, so that a page can show formulas that it does not
understand. A picture is its SVG. This is not a format for storage: it changes with the tree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

from ..errors import FileError
from ..formulas import tree
from ..formulas.mathml import MathML, math as element
from ..formulas.numbers import Shown
from ..formulas.plain import Plain
from . import blocks, drawings

#: Every kind of block and of node by its name.
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (*get_args(blocks.Block), *get_args(tree.Node), blocks.Row, blocks.Chain, blocks.Code, Shown)
}
#: What stays here: what a number is of, and what other values would change.
UNSENT = {"Num": ("value", "key"), "Para": ("of_values",)}
#: Maximum depth of a received tree.
DEPTH = 60
#: The levels of headings, the widths of boxes in digits, the columns that say which row it is.
SIZES = {"level": range(1, 7), "width": range(1000), "places": range(100)}
#: Kinds that hold something.
FULL = (blocks.Premises, blocks.Chains, blocks.Boxed, blocks.Derivation, tree.Mat)
#: In a picture, all but what draws and its names: scripts, other elements, references to elsewhere.
FOREIGN = r"""<(?!/?(svg|g|path|rect|text|tspan|circle|line|title|desc|style|image)\b)|<[^<>]*[\s/"']on\w+\s*="""
FOREIGN += r"""|href=(?!"data:image/png;)|url\(|@import"""
#: Members that printers set as they are; `sign` also between the formulas of a row.
PLAIN = {"digits": r"[\w.,]+", "at": r"[\w.,: ]*", "sign": "[<>=≈≠≤≥:]?"}


def encoded(body: blocks.Body) -> list[dict[str, Any]]:
    """The blocks as plain data that JSON can hold."""
    plain, mathml = Plain(body.own), MathML(body.own)
    return [_encoded(one, lambda node: {"text": plain(node), "mathml": element(mathml(node))}) for one in body.blocks]


def decoded(data: Sequence[Any]) -> blocks.Body:
    """The blocks written by `encoded`, of a document without symbols of an author.

    Raises FileError for anything else.
    """
    try:
        made = tuple(_decoded(one, 0) for one in data)
        _check(blocks.Body, {"blocks": made})
        return blocks.Body(made, legible=True)
    except (TypeError, LookupError, AttributeError, ValueError) as error:
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
            if part.name not in UNSENT.get(data["kind"], ()):
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
        svg, words = str(data["svg"]), {"title": data["title"], "caption": data["caption"]}
        _check(blocks.Picture, {**words, "beside": beside})
        if found := re.search(FOREIGN, svg, re.IGNORECASE):
            raise ValueError(f"a Picture cannot have {found[0][:60]!r}")
        drawings.bare(svg)  # IndexError for what `plot` has not drawn
        return blocks.Picture(lambda: svg, **words, beside=beside)
    kind: Any = KINDS[data["kind"]]
    names = kind._fields if kind is Shown else [part.name for part in fields(kind)]
    values = {name: _decoded(data[name], depth + 1) for name in names if name in data}
    if kind is blocks.Table:
        values["texts"] = frozenset(values.get("texts", ()))
    for name in {"signs", "constants"} & values.keys():  # a number that is not finite came as a word
        values[name] = tuple(map(float, values[name]))
    _check(kind, values)
    return kind(**values)


def _check(kind: Any, values: dict[str, Any]) -> None:
    """Raise ValueError for a member that is of another type, or that would be more than it says."""
    for name, value in values.items():
        _adapter(kind, name).validate_python(value, strict=True)
        if value not in SIZES.get(name, (value,)) or not re.fullmatch(PLAIN.get(name, ".*"), str(value), re.S):
            raise ValueError(f"a {kind.__name__} cannot have {name} {str(value)[:60]!r}")
    first, signs, widths = next(iter(values.values()), ()), [], {1}
    if kind is blocks.Row:
        signs = [sign for sign, _ in values["parts"]]
    elif kind is blocks.Premises:
        signs = [sign for row in first for _, sign, _ in row]
    elif kind is blocks.Table:
        widths = {len(row) for row in (*values["rows"], *filter(None, [first]))}
    fit = all(re.fullmatch(PLAIN["sign"], sign) for sign in signs) and len(widths) == 1
    fit &= kind is not tree.Sum or len(first) == len(values["terms"])
    if not fit or (kind in FULL and not (first and all(first))):
        raise ValueError(f"the members of a {kind.__name__} do not fit together")


@cache
def _adapter(kind: type, name: str) -> Any:
    """What checks a member by its annotation."""
    from pydantic import TypeAdapter

    return TypeAdapter(get_type_hints(kind)[name])
