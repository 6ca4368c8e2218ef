"""Pictures read back: the pixels of a PNG by its specification, and Vega-Lite specifications by their schema."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.plot import vega
from lstm_trace.trace.trace import Trace

Pixels = np.ndarray[Any, Any]


def lstm(
    steps: int = 6, units: int = 3, labels: tuple[str, ...] = (), batch: int = 1, seed: int = 5, **options: Any
) -> Trace:
    """A random LSTM over random inputs, with labels of its steps."""
    draw = np.random.default_rng(seed)
    weights = {}
    for g in "ifco":
        weights |= {f"W_x{g}": draw.normal(size=(units, 2)), f"W_h{g}": draw.normal(size=(units, units)) / units**0.5}
    trace = lt.run(weights, draw.normal(size=(steps, batch, 2)) * 2, **options)
    return replace(trace, header=replace(trace.header, title="A < B", step_labels=(labels,) if labels else ()))


def decoded(content: bytes) -> tuple[Pixels, Pixels]:
    """The pixels and the palette of a PNG of palette colours, without filters."""
    chunks, at = {}, 8
    while at < len(content):
        size, kind = struct.unpack(">I4s", content[at : at + 8])
        data = content[at + 8 : at + 8 + size]
        assert struct.unpack(">I", content[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + data)
        chunks[kind] = data
        at += 12 + size
    wide, tall, depth, colour, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, colour) == (8, 3)
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(tall, wide + 1)
    assert not rows[:, 0].any()
    return rows[:, 1:], np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)


def images(svg: str) -> list[tuple[Pixels, Pixels]]:
    """The pixels and palettes of the heat maps of a picture, in order."""
    found = re.findall(r'<image class="heat"[^>]*href="data:image/png;base64,([^"]*)"', svg)
    return [decoded(base64.b64decode(one)) for one in found]


# -- Vega-Lite -------------------------------------------------------------------------------------------------------

#: What the schema of version 5 knows of what we write.
TYPES = {"quantitative", "ordinal", "nominal", "temporal"}
CHANNELS = {"x", "y", "x2", "y2", "color", "row", "column", "tooltip", "size", "opacity", "text", "order", "detail",
            "xOffset", "strokeDash", "shape", "facet"}  # fmt: skip
MARKS = {"line", "rect", "bar", "point", "text", "rule", "area", "circle"}
VIEWS = ("vconcat", "hconcat", "concat", "layer", "spec")


def units(found: dict[str, Any], data: Any = None) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every single view of a specification, with the data that it sees."""
    data = found.get("data", data)
    inner = [view for key in VIEWS if key in found for view in ([found[key]] if key == "spec" else found[key])]
    for view in inner:
        yield from units(view, data)
    if not inner:
        yield found, data


def views(found: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Any]]:
    """Every single view of a specification, with its values."""
    yield from ((view, data["values"]) for view, data in units(found))


def check(found: dict[str, Any]) -> None:
    """A specification has what the schema of Vega-Lite 5 asks for, and its fields are columns of its values."""
    assert len(json.dumps(found, allow_nan=False)) < 2_000_000
    assert found["$schema"] == "https://vega.github.io/schema/vega-lite/v5.json"
    assert found["title"]["text"]
    seen = 0
    for view, values in views(found):
        mark = view["mark"] if isinstance(view["mark"], str) else view["mark"]["type"]
        assert mark in MARKS
        assert set(view["encoding"]) <= CHANNELS
        seen += len(values)
        for at, channel in view["encoding"].items():
            for one in channel if isinstance(channel, list) else [channel]:
                if "field" in one:
                    assert one.get("type") in (TYPES if at not in ("x2", "y2") else {None})
                    name = one["field"].replace("\\", "")
                    assert all(name in row for row in values), name
                else:
                    assert set(one) & {"value", "datum", "aggregate", "condition"}
    assert 0 < seen <= vega.MOST + 2_000


# -- every string of a picture ---------------------------------------------------------------------------------------


def shown() -> Iterator[object]:
    """Pictures in which every string of theirs is shown."""
    whole = lstm(9, 20)
    for order in ("index", "cluster", "memory", "activity"):
        yield whole.plot.states(order=order).html()
    yield lstm(6, 2, batch=2, lengths=[4, 6]).plot.states().svg()
    broken = lt.run({}, [[1.0], [np.inf]], cell={"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t"})
    yield (broken.plot().svg(), broken.plot.states().svg())
    x = np.linspace(-1, 1, 400)[:, None] ** 99
    yield lt.run({}, x, cell={"equations": "s_t = 1 * x_t\ncarry: s_prev <- s_t\noutput: s_t"}).plot.states().svg()
    for units, steps in ((1, 30_000), (30_000, 1), (300, 300)):
        cell = {"equations": "s_t = W @ x_t\ncarry: s_prev <- s_t\noutput: s_t"}
        yield lt.run({"W": np.ones((units, 1))}, np.ones((steps, 1)), cell=cell).plot.states(order="index").to_vega()
    yield from (*_texts(), *_differences(), *_weights())
    yield lstm().plot.saturation(lines="c_tilde").svg()
    still = lt.run({}, [[0.0], [0.0]], cell={"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t"})
    yield still.plot.contribution("1/s_t[0]").svg()


def _texts() -> Iterator[object]:
    padded = lstm(6, 2, batch=2, lengths=[4, 6])
    cell = {"equations": "s_t = 1 * x_t\ncarry: s_prev <- s_t\noutput: s_t"}
    for trace in (padded, lt.run({}, [[1.0], [np.nan]], cell=cell)):
        figure = trace.plot.text()
        assert figure.terminal is not None
        yield (figure.svg(), figure.html(), figure.terminal(80, False), figure.terminal(80, True))


def _differences() -> Iterator[object]:
    whole = lstm(6, 2, batch=2, lengths=[4, 6])
    near = lt.run(whole.parameters["0/forward"], whole.x * (1 + 1e-9), lengths=[4, 6])
    near.lines["0/forward"]["h_t"][2, 0, 0] = np.nan
    yield whole.plot.diff(near).svg()
    yield whole.plot.diff(whole).svg()
    far = lt.run(whole.parameters["0/forward"], whole.x, lengths=[4, 6], hold={"c_t[0]": "*0.5"})
    far.lines["0/forward"]["h_t"][:, 0] = whole["h_t"][:, 0] + np.logspace(-9, 0, 12).reshape(6, 2)
    yield whole.plot.diff(far, lines="h_t").svg()
    yield whole.plot.diff(far, lines="c_t", unit=0).svg()
    yield whole.plot.diff(lt.run(whole.parameters["0/forward"], whole.x, lengths=[4, 6], hold={"c_t[0]": 9.0})).svg()


def _weights() -> Iterator[object]:
    wide = lstm(1, 200)
    yield wide.plot.weights().to_vega()
    yield wide.plot.weights("W_xi", against=wide).svg()
    other = lstm(1, 200)
    other.parameters["0/forward"]["W_xi"] = other.parameters["0/forward"]["W_xi"] + np.eye(200, 2) + 1e-3
    yield wide.plot.weights("W_xi", against=other).svg()
