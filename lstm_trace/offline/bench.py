"""The bench as one file: the page of the service with its words and some traces; it computes in the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..base.modules import inlined
from ..base.packaged import asset
from ..base.page import framed
from ..base.writing import Target, written
from ..cell.arithmetic import COMMON
from ..cell.named_cells import KINDS
from ..cell.network import forward_stages
from ..cell.notations import NotationName
from ..cell.parse import parse
from ..errors import TooLargeError, require_known
from ..examples import examples, text
from ..languages import languages
from ..languages.strings import page_texts, words
from ..model.problem import prepare_problem, read_problem
from ..model.sources import prepare
from ..trace.files.trace_file import to_json
from ..trace.trace import Trace

#: A run that a page computes within a frame or two: units of a line, and values in all.
UNITS, VALUES = 64, 200_000
PAGE = "service/static"
#: The modules of the page that ask a server, and those that answer in the page itself.
REPLACED = {
    f"{PAGE}/{name}": f"offline/page/{own}"
    for name, own in {
        "api.js": "api.js",
        "texts.js": "texts.js",
        "bench/runs/served.js": "served.js",
        "bench/save.js": "nothing.js",
        "bench/step/in_words.js": "nothing.js",
        "bench/pictures/pictures.js": "nothing.js",
    }.items()
}
STYLES = (f"{PAGE}/app.css", "report/diagram/diagram.css", f"{PAGE}/bench/bench.css")
#: A key of the words, or its beginning, as a text of the script; and words that may follow the name of a tab.
_KEY = re.compile(r"""["'`]([a-z_]+\.\w[\w.]*)(\$\{)?""")
_STYLED = re.compile(r"/\*.*?\*/|^\s+|\n|(?<=[{};,])\s+|\s+(?=[{};])", re.M | re.S)  # what style sheets do without
_WORD = re.compile(r"""["'](\w+)["']|\b(\w+):""")


class Bench:
    """The bench as a page. It can be saved as a file, and a notebook shows it in a cell.

    html: the page, which loads nothing.
    """

    def __init__(self, html: str) -> None:
        self.html = html

    def save(self, path: Target) -> None:
        """Write the page to a file, or to an open stream. Raises FileError."""
        with written(path) as stream:
            stream.write(self.html)

    def __repr__(self) -> str:
        return f"<Bench of {len(self.html.encode()) // 1000} kB; save('bench.html') writes it>"

    def _repr_html_(self) -> str:
        source = self.html.replace("&", "&amp;").replace("'", "&#39;")  # nothing else: its policy has a hash of it
        return f"<iframe title='lstm-trace' style='width:100%;height:48rem;border:0' srcdoc='{source}'></iframe>"


def bench(traces: Mapping[str, Trace], language: str | None = None) -> Bench:
    """The bench with these traces, by their names (see `named`), and the examples.

    language: of the page until another is chosen.
    Raises TooLargeError for a trace that a page cannot compute, OptionError for an unknown language.
    """
    language = language or "en"
    require_known("language", language, languages(), "expected")
    for name, trace in traces.items():
        _check(name, trace)
    own = {name: _premises(trace) for name, trace in traces.items()}
    others = {f"{name}-example" if name in own else name: data for name, data in _examples().items()}
    script = _script()
    data = {
        "language": language,
        "sources": {**own, **others},
        "cells": [{"name": name, "title": words("en").word(f"cell.{name}")} for name in KINDS],
        "blanks": {name: _premises(_blank(name, "none")) for name in KINDS}
        | {f"{name}/biases": _premises(_blank(name, "one")) for name in KINDS},
        "choices": {
            "languages": [{"code": code, "name": words(code).word("language")} for code in languages()],
            "notations": get_args(NotationName),
            "arithmetics": COMMON,
            "formats": [{"file": "trace.json", "options": []}],
        },
        "words": {code: used(page_texts(code), script) for code in languages()},
    }
    # in a script element that nothing runs; `<` could end it
    embedded = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    style = _STYLED.sub("", "".join(map(asset, STYLES)))
    needed = "This page needs JavaScript. The same answers are on the command line: lstm-trace --help"
    body = (
        f'<div id="page"><noscript><p class="fault">{needed}</p></noscript></div>\n'
        f'<script type="application/json" id="embedded">{embedded}</script>'
    )
    return Bench(framed(language, "lstm-trace", body, style, script))


@cache
def _script() -> str:
    return inlined("offline/page/main.js", REPLACED)


def used(texts: Mapping[str, Mapping[str, str]], script: str) -> dict[str, dict[str, str]]:
    """The texts whose keys occur in a script, whole or as a beginning to which something is added."""
    found = _KEY.findall(script)
    whole = {key for key, _ in found}
    whole |= {f"{tab}.{word}" for tab in ("shell", "bench") for words in _WORD.findall(script) for word in words}
    starts = tuple(key for key, more in found if more)

    def is_used(key: str) -> bool:
        return key in whole or key.removesuffix(".1") in whole or key.startswith(starts)

    chosen = {
        tab: {key: said for key, said in here.items() if tab == "values" or is_used(f"{tab}.{key}")}
        for tab, here in texts.items()
    }
    return {tab: here for tab, here in chosen.items() if here}


@cache
def _examples() -> dict[str, Any]:
    return {name: _premises(_example(name)) for name in examples()}


def _example(name: str) -> Trace:
    where = f"{name}.yaml"
    return prepare_problem(read_problem(where, text(name).encode()), where).run()


def _blank(name: str, bias: Literal["none", "one"]) -> Trace:
    """A step of zeros of a named cell, from two inputs to three units; a page gives it the sizes that are wanted."""
    sizes = {"x": 2, "h": 3}
    cell = KINDS[name](bias=bias)
    shapes = {key: [3, sizes[key[2]]] if key.startswith("W_") else [3] for key in parse(cell.equations()).parameters}
    weights = {key: np.zeros(shape).tolist() for key, shape in shapes.items()}
    return prepare({"cell": {"kind": name, "bias": bias}, "weights": weights, "x": [[0.0, 0.0]]}).run()


def _premises(trace: Trace) -> dict[str, Any]:
    """A trace in the format of a trace file, without its lines, which the page computes."""
    found: dict[str, Any] = json.loads(to_json(trace), parse_float=_short)
    for one, stage in zip(found["stages"], trace.stages, strict=True):
        if stage.computed == tuple(stage.cell.by_name):
            one["computed"] = None  # all
    kind, options = found["cell"]["kind"], found["cell"]["options"]
    if kind in KINDS:  # what is as usual need not be said
        usual = {field.name: field.default for field in fields(KINDS[kind])}
        found["cell"]["options"] = {name: value for name, value in options.items() if value != usual.get(name)}
    return {
        key: value for key, value in found.items() if value not in ("", [], {}, None) and key not in ("lines", "sums")
    }


def _short(digits: str) -> float | int:
    """A number, without the decimal point of a whole one; zero may have a sign, which only a point keeps."""
    number = float(digits)
    return int(number) if (number.is_integer() and number and abs(number) < 1e15) or digits == "0.0" else number


def _check(name: str, trace: Trace) -> None:
    """Raise TooLargeError for a trace that a page cannot compute as fast as it is edited."""
    lines = [array for stage in forward_stages(trace.stages) for array in trace.lines.get(stage.scope, {}).values()]
    size, widest = sum(array.size for array in lines), max((array.shape[-1] for array in lines), default=0)
    if size > VALUES or widest > UNITS:
        raise TooLargeError(
            f"{name}: {size:,} values, lines of up to {widest} units; a page computes at most {VALUES:,} values and "
            f"{UNITS} units: trace fewer steps, or open it with lstm-trace serve"
        )


def named(sources: Iterable[Any], traces: Iterable[Trace]) -> dict[str, Trace]:
    """Traces by what the address of the page calls them: a file by its name, another source by its title."""
    found: dict[str, Trace] = {}
    for source, trace in zip(sources, traces, strict=True):
        text = Path(source).stem if isinstance(source, str | Path) else trace.header.title
        name = "-".join(re.findall(r"\w+", text.lower()))[:40] or "given"
        others = (f"{name}-{number}" for number in count(2))
        found[name if name not in found else next(one for one in others if one not in found)] = trace
    return found
