"""Reports of every kind as pages that compute their numbers again, and what is damaged in one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np

import lstm_trace as lt
from lstm_trace.trace.trace import Trace

EXAMPLES = tuple(
    sorted(p.name.removesuffix(".yaml") for p in files("lstm_trace.examples").iterdir() if p.name[-1] == "l")
)
LANGUAGES = ("de", "en", "es", "fr", "zh")
#: Options of a report, each tried with some examples.
OPTIONS = (
    {"digits": 2}, {"digits": 15}, {"significant": 3}, {"significant": 12}, {"trim": True}, {"decimal_comma": True},
    {"count_from": 1}, {"detail": "scalar"}, {"detail": "compact"}, {"detail": "vector"}, {"detail": "summary"},
    {"everything": True}, {"notation": "pytorch"}, {"notation": "joined"}, {"notation": "keras"}, {"notation": "olah"},
)  # fmt: skip
ARITHMETICS = ("by-hand-3", "float32", "float16", "bfloat16", "q3.4")
Case = tuple[str, Callable[[], str]]


def problem(name: str) -> Path:
    return Path(str(files("lstm_trace.examples").joinpath(f"{name}.yaml")))


def run(name: str, **options: object) -> Trace:
    return lt.run(problem(name), **options)  # type: ignore[arg-type]


def stack(layers: int, directions: int, steps: int, batch: int, dtype: str, **options: object) -> Trace:
    """An LSTM of random weights."""
    draw, weights = np.random.default_rng(layers * 100 + directions * 10 + steps), {}
    for layer in range(layers):
        for way in ("forward", "reverse")[:directions]:
            width = 3 if layer == 0 else 2 * directions
            for gate in "ifco":
                shapes = {f"W_x{gate}": (2, width), f"W_h{gate}": (2, 2), f"b_{gate}": (2,)}
                weights |= {f"{layer}/{way}/{name}": draw.normal(size=shape) for name, shape in shapes.items()}
    return lt.run(weights, draw.normal(size=(steps, batch, 3)), dtype=dtype, **options)  # type: ignore[arg-type]


def last(trace: Trace) -> str:
    """The first unit of the last recorded line at the last step."""
    scope = trace.stages[-1].scope
    return f"{scope}/{trace.span[-1]}/0/{[*trace.lines[scope]][-1]}[0]"


def cases() -> Iterator[Case]:
    """Every report, with its name."""
    for name in EXAMPLES:
        yield name, lambda name=name: run(name).report("html")  # type: ignore[misc]
        yield f"{name} backward", lambda name=name: lt.backward(run(name), of=last(run(name))).report("html")  # type: ignore[misc]
        yield f"{name} gradient", lambda name=name: lt.explain.gradient(run(name), last(run(name))).report("html")  # type: ignore[misc]
    for name in ("q22", "three-steps"):
        for options in OPTIONS:
            yield f"{name} {options}", lambda n=name, o=options: run(n).report("html", **o)  # type: ignore[misc]
    for name in ("q22", "gru", "mlstm"):
        for arithmetic in ARITHMETICS:
            yield f"{name} {arithmetic}", lambda n=name, a=arithmetic: run(n, arithmetic=a).report("html")  # type: ignore[misc]
    for language in LANGUAGES:
        yield f"in {language}", lambda language=language: run("three-steps").report("html", language=language)  # type: ignore[misc]
    for k, (layers, ways, steps, batch) in enumerate([(1, 1, 3, 2), (2, 2, 4, 1), (1, 2, 30, 1), (1, 1, 60, 1)]):
        for dtype in ("float64", "float32"):
            yield f"stack {k} {dtype}", lambda of=(layers, ways, steps, batch, dtype): stack(*of).report("html")  # type: ignore[misc]
    yield "lengths", lambda: stack(1, 2, 4, 3, "float64", lengths=[4, 2, 3]).report("html")
    yield "held", lambda: run("three-steps", hold={"/f_t[0]": 0.5, "i_t": "*0.5"}).report("html")
    yield "contribution", lambda: lt.explain.contribution(run("three-steps"), last(run("three-steps"))).report("html")
    yield "sheet", lambda: lt.sheet([run(name) for name in ("three-steps", "q22", "gru")]).report("html")


# -- damage ------------------------------------------------------------------------------------------------------------

#: Texts of a page that are damaged, by kind: computed and given numbers, their uses, symbols and signs, words.
PLACES = {
    "number": r'<(?:mn|td) id="[^"]*" data-a="[^"]*">([^<]+)<',
    "use": r'<a href="#n[^"]*">([^<]+)<',
    "equation": r"<(?:mi|mo|mtext|mn)(?: [^>]*)?>([^<\u2061]+)<",
    "words": r">([^<>]*\w[^<>]*)<",
}


def damaged(page: str, kind: str, rng: random.Random) -> tuple[str, str, str]:
    """A page with one character of such a text, or with a weight that it computes with, changed; the text before and
    after.
    """
    begin, end = page.index("<body>"), page.index('<script type="application/json" class="trace">')
    if kind == "weight":
        begin, end = end, page.index("</script>", end)
    pattern = r"(?<=[\[,])(-?\d+\.\d+)(?=[\],])" if kind == "weight" else PLACES[kind]
    found = rng.choice(list(re.compile(pattern).finditer(page, begin, end)))
    old = found[1]
    at = rng.choice([k for k, c in enumerate(old) if c.isalnum() or c in "=≈+−⊙"] or [0])
    letters = "123456789" if old[at].isdigit() else "=≈" if old[at] in "=≈" else "abcxyzWhi+"
    new = old[:at] + rng.choice([c for c in letters if c != old[at]]) + old[at + 1 :]
    return page[: found.start(1)] + new + page[found.end(1) :], old, new
