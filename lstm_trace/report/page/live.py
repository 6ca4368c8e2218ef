"""What a page needs to compute its numbers again: the premises of its trace, where its numbers are in it, and what was
written.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from functools import cache
from html import unescape
from itertools import groupby
from math import isnan
from typing import Any, NamedTuple

import numpy as np

from ...base.arrays import Array
from ...base.display import escape
from ...base.modules import inlined
from ...cell.lines import Cell
from ...documents.html import HtmlPrinter
from ...formulas.tree import Key, Num
from ...formulas.values import Values
from ...languages.strings import Words
from ...printable import json_text
from ...trace.address import origin
from ...trace.files.trace_file import premises_json
from ...trace.trace import Trace
from ...view.view import View
from ..diagram.diagram import DIGITS, UNITS

#: Maximum number of values, given ones included, of a trace that a page computes again.
MOST = 20_000
#: The sentences of the script.
SAID = (
    "agree", "agree.1", "limits", "wrong", "other", "text", "missing", "faults", "failed", "hint", "change", "changed",
    "given",
)  # fmt: skip
#: Elements whose text, without that of such elements within them, is compared with what was written.
BLOCKS = frozenset({
    "h1", "h2", "h3", "h4", "h5", "p", "li", "tr", "pre", "div", "section", "article", "figure", "figcaption",
    "summary", "svg", "text", "math", "script",
})  # fmt: skip


def is_live(shown: View) -> bool:
    """Whether the page computes the numbers of a report: not a profile, and not of a large trace."""
    trace = shown.trace
    sizes = [trace.x, *(a for part in (trace.parameters, trace.lines) for here in part.values() for a in here.values())]
    return shown.profile is None and sum(array.size for array in sizes if array is not None) <= MOST


def data(shown: View, printer: HtmlPrinter) -> str:
    """The element with the premises, and the place of each number that the page shows, in the order of their ids."""
    made = (_place(shown.values, node, key) for key, (_, node) in printer.made.items())
    loose = (_place(shown.values, node) for node in printer.loose or ())
    style = shown.values.style
    content = {
        "style": {name: getattr(style, name) for name in style.__dataclass_fields__} | {"lines": dict(style.lines)},
        "picture": [DIGITS, UNITS],
        "whole": shown.whole,
        "terms": shown.terms,
        "numbers": list(_runs(made)),
        "loose": list(_runs(loose)),
        "cells": [_cell(stage.cell) for stage in shown.trace.stages],
    }
    text = json_text(content, separators=(",", ":"))[:-1] + f',"trace":{premises_json(shown.trace)}}}'
    return _json("trace", text)


def _cell(cell: Cell) -> dict[str, Any]:
    """A cell as the script computes it, so that the page needs no parser."""
    names = ("carry", "output", "inputs", "gradient", "declared")
    sums = [{"name": one.name, "terms": one.terms} for one in cell.sums]
    return {
        "lines": [line[: 5 if line.call else 4] for line in cell.lines],
        "sums": sums,
        "parameters": list(cell.parameters),
        **{name: getattr(cell, name) for name in names},
    }


class _Place(NamedTuple):
    """Where a number is in a trace: a part of it, scope, name, and position in the array; how it is displayed."""

    part: str
    scope: str
    name: str
    at: int
    given: bool
    short: bool
    residue: bool


def _runs(places: Iterator[_Place | None]) -> Iterator[list[Any]]:
    """The places, with the number of those that follow one another in an array; None if it is not computed again."""
    counted = ((place, n) for n, place in enumerate(places))
    for _, group in groupby(counted, lambda one: one[0] and (one[0][:3], one[0].at - one[1], one[0][4:])):
        first, *more = (place for place, _ in group)
        flags = 0 if first is None else first.given + 2 * first.short + 4 * first.residue
        yield [1 + len(more)] if first is None else [1 + len(more), *first[:4], flags]


def _place(values: Values, node: Num, key: Key | None = None) -> _Place | None:
    """Where a number is; None if it is not in the trace, or is displayed in another style than those of the report.

    key: its origin, if it is known.
    """
    trace = values.trace
    if not node.key:
        return None
    key = key or origin(trace, node.key)
    if (found := _located(trace, key)) is None:
        return None
    part, scope, array, at = found
    value = array.ravel()[at]
    if value != node.value and not (isnan(value) and isnan(node.value)):
        return None
    given, short = values.written(node.key)
    name = str(key[1])
    line = trace.stage(key[0]).cell.states.get(name, name) if key[0] else name
    shown = values.style.show(value, line, given=given, short=short)
    residue = shown != node.shown
    if residue and values.style.show(value, line, float("inf"), given, short) != node.shown:
        return None
    return _Place(part, scope, name, at, given, short, residue)


def _located(trace: Trace, key: Key) -> tuple[str, str, Array, int] | None:
    """The part of the trace, the scope, the array and the position in it of a number at its origin."""
    scope, name, t, b, index = key
    if not scope:
        return None if trace.x is None else ("x", "", trace.x, _at(trace.x, trace.index(t), b, index[0]))
    stage = trace.stage(scope)
    if t is None:
        part, owner = ("sums", scope) if name in trace.sums.get(scope, {}) else ("parameters", stage.owner)
        array = getattr(trace, part).get(owner, {}).get(name)
        if array is None:
            return None
        return part, owner, array, index[0] if len(index) == 1 else _at(array, *index)
    for part, arrays in (("lines", trace.lines), ("given", trace.given), ("initial", trace.initial)):
        if (array := arrays.get(scope, {}).get(name)) is not None:
            step = () if part == "initial" else (trace.index(t),)
            return part, scope, array, _at(array, *step, b, index[0])
    return None


def _at(array: Array, *index: Any) -> int:
    return int(np.ravel_multi_index(index, array.shape))


# -- on the page -------------------------------------------------------------------------------------------------------


def said(words: Words) -> str:
    """The element with the sentences of the script."""
    found = {key: words.table[f"live.{key}"] for key in SAID}
    return _json("said", json_text(found | {"thousands": words.table["thousands"][1]}))


def _json(kind: str, text: str) -> str:
    return f'<script type="application/json" class="{kind}">{text.replace("<", chr(92) + "u003c")}</script>'


@cache
def script(arithmetic: bool) -> str:
    """The script that computes. arithmetic: whether with those that JavaScript does not have."""
    left_out = ["grammar", "syntax", *(() if arithmetic else ("arithmetic",))]
    paths = [*(f"lines/{name}.js" for name in left_out), "service/static/bench/local/labels.js"]
    return inlined("report/page/live.js", dict.fromkeys(paths, "report/page/unparsed.js"))


def needs_arithmetic(shown: View) -> bool:
    """Whether numbers of a report are rounded otherwise than JavaScript rounds them."""
    header = shown.trace.header
    return header.arithmetic is not None or header.dtype not in ("float64", "float32")


_TAG = re.compile(r"<(/?)([a-zA-Z][\w-]*)((?:[^>\"]|\"[^\"]*\")*?)(/?)>|([^<]+)")
_ATTRIBUTE = re.compile(r'([^\s"=]+)(?:=(?:"([^"]*)"|([^\s">]+)))?')
#: Elements without an end tag.
_VOID = frozenset({"br", "col", "hr", "img", "input", "link", "meta", "wbr"})


def written(body: str, title: str = "") -> str:
    """The element with a sum of the title of a page, and of each block of it.

    A block is its tags with the names and values of their attributes, where they end, and its text; one block within
    another is only named there. How much white space there is between two words does not matter.
    """
    sums: list[list[str]] = [[unescape(escape(title))], []]
    open_blocks = [sums[-1]]
    skipped = False
    for close, tag, attributes, empty, text in _TAG.findall(body):
        tag = tag.lower()
        skipped = not close if tag == "template" else skipped
        if skipped or tag == "template":
            continue
        if text:
            open_blocks[-1].append(unescape(text) if "&" in text else text)
            continue
        if not close:
            if tag in BLOCKS:
                open_blocks[-1].append("<>")
                sums.append([])
                open_blocks.append(sums[-1])
            parts = [
                f"{name.lower()}={unescape(quoted or bare)}" for name, quoted, bare in _ATTRIBUTE.findall(attributes)
            ]
            open_blocks[-1].append(f"<{'<'.join([tag, *parts])}>")
        if close or empty or tag in _VOID:
            open_blocks[-1].append("</>")
            if tag in BLOCKS:
                open_blocks.pop()
    return _json("written", json_text("".join(map(_sum, sums))))


def _sum(parts: list[str]) -> str:
    """Five characters that stand for some texts and tags."""
    text = re.sub(" ?([<>]) ?", r"\1", re.sub("[ \n\t\r\f]+", " ", "".join(parts)))
    return np.base_repr(zlib.crc32(text.strip(" ").encode()) % 36**5, 36).lower().rjust(5, "0")
