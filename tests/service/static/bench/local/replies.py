"""Replies about small runs: those of Python, and those that the page computes from the same traces, in one node."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple

import pytest

from lstm_trace.errors import LstmTraceError, OptionError
from lstm_trace.languages.strings import number_texts
from lstm_trace.runs import comparing, describing, reading
from lstm_trace.runs.reading import Look
from lstm_trace.runs.records import as_json
from lstm_trace.trace.address import address, address_of
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.trace import Trace
from tests.support.page_modules import computed

LANGUAGES = ("en", "de", "fr", "es", "zh")
NOTATIONS = ("exercise", "exercise", "exercise", "joined", "pytorch", "keras", "goodfellow", "olah", "cho", "d2l")
_SCRIPT = """
import { describe, premises, symbols } from "LINES/../service/static/bench/local/describe.js";
import { number } from "LINES/../service/static/bench/local/number.js";
import { step } from "LINES/../service/static/bench/local/step.js";
import { read } from "LINES/trace.js";
const refused = (error) => ({ refused: `${error.name}: ${error.message}` });
const told = (compute) => { try { return compute(); } catch (error) { return refused(error); } };
const REPLIES = {
  describe: (trace) => describe(trace),
  premises: (trace, { unit, listed }) => premises(trace, unit, listed),
  symbols, step, at: (trace, look, address) => number(trace, address, look),
};
export const answer = ({ texts, runs }) => runs.map(({ file, asked }) => {
  const trace = read(file);
  return asked.map(([what, { language = "en", ...look }, address]) =>
    told(() => REPLIES[what](trace, { ...look, texts: texts[language] }, address)));
});
"""


class Asked(NamedTuple):
    """A request about a run: what, how it is shown, and the address of a number."""

    what: str
    look: dict[str, Any]
    address: str = ""


def in_page(traces: Mapping[str, Trace], asked: Mapping[str, list[Asked]]) -> dict[str, list[Any]]:
    """What the page replies."""
    texts = {language: number_texts(language) for language in LANGUAGES}
    given = [{"file": to_json(trace), "asked": asked[key]} for key, trace in traces.items()]
    return dict(zip(traces, computed(_SCRIPT, {"texts": texts, "runs": given}), strict=True))


def in_python(trace: Trace, asked: Asked) -> Any:
    """What Python replies, without what the page leaves out; `refused` for a notation that would not be true."""
    patch = pytest.MonkeyPatch()
    patch.setattr(reading, "opened", lambda path: trace)
    patch.setattr(comparing, "opened", lambda path: trace)
    given = dict(asked.look)
    shown = {name: given.pop(name) for name in Look._fields if name in given}
    try:
        return _without_tex(json.loads(_replied(trace, asked, given, Look(**shown))))
    except OptionError:
        return {"refused": True}
    finally:
        patch.undo()


def _replied(trace: Trace, asked: Asked, given: Any, look: Look) -> bytes:
    if asked.what == "describe":
        found = describing.described(trace, 64)
        return as_json(found | {"cell": {**vars(found["cell"]), "title": ""}})  # the page has a name for it
    if asked.what == "premises":
        return reading.premises("", **given)
    if asked.what == "symbols":
        return reading.symbols("", look)
    if asked.what == "at":
        return comparing.at("", asked.address, given.get("of"), look)
    reply = json.loads(reading.step("", look=look, **given))
    return as_json(reply | {"in_words": []})  # the page has no sentences


def _without_tex(part: Any) -> Any:
    if isinstance(part, list):
        return [_without_tex(one) for one in part]
    return {key: _without_tex(one) for key, one in part.items() if key != "tex"} if isinstance(part, dict) else part


def looks(trace: Trace, random: Random) -> dict[str, Any]:
    """How a page may show numbers."""
    return {
        "language": random.choice(LANGUAGES), "notation": random.choice(NOTATIONS),
        "digits": random.choice((None, None, 0, 2, 6)), "count_from": random.choice((None, 0, 1)),
    }  # fmt: skip


def requests(trace: Trace, random: Random, steps: int = 2, numbers: int = 8) -> Iterator[Asked]:
    """Requests about a trace: its description, some steps, and some numbers of each kind."""
    yield Asked("describe", {})
    yield Asked("premises", {"unit": random.choice((None, 1)), "listed": random.choice((3, 10_000))})
    forward = [stage for stage in trace.stages if not stage.is_adjoint]
    for _ in range(steps):
        stage, look = random.choice(forward), looks(trace, random)
        yield Asked("symbols", look)
        at = {"layer": stage.layer, "direction": stage.direction, "t": random.choice(list(trace.span))}
        yield Asked("step", look | at | {"batch": random.randrange(trace.batch), "unit": random.choice((None, 0, 2))})
    there = sorted(set(_addresses(trace, random)))
    target = describing.described(trace, 64)["target"]
    for text in random.sample(there, min(numbers, len(there))):
        yield Asked("at", looks(trace, random) | {"of": random.choice((None, None, None, None, target))}, text)


def _addresses(trace: Trace, random: Random) -> Iterator[str]:
    """Addresses of numbers of every array of a trace."""
    for stage in trace.stages:
        for name, values in trace.lines.get(stage.scope, {}).items():
            for _ in range(3 if name.isidentifier() else 1):
                t, b, unit = (random.randrange(size) for size in values.shape)
                yield str(address_of(trace, stage, name, t, b, unit))
        for part in (trace.parameters, trace.sums):
            for name, values in part.get(stage.scope, {}).items():
                yield f"{stage.scope}/{name}[{','.join(str(random.randrange(size)) for size in values.shape)}]"
        first = trace.span[-1 if stage.backwards else 0]
        for name, values in trace.initial.get(stage.scope, {}).items():
            b, unit = (random.randrange(size) for size in values.shape)
            yield address(trace, (stage.scope, name, first, b, (unit,)))
        for name, values in trace.given.get(stage.scope, {}).items():
            t, b, unit = (random.randrange(size) for size in values.shape)
            yield str(address_of(trace, stage, name, t, b, unit))
    if trace.x is not None:
        t, b, unit = (random.randrange(size) for size in trace.x.shape)
        yield f"{trace.span[t]}/{b}/x_t[{unit}]"


#: Numbers that another order of rounding may change: by the end of their path, how far as a share of their size.
_ROUNDED = {".rederived": 1e-6, ".bound": 1e-3, ".gradient.value": 1e-4}


def differences(page: Any, python: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Where two replies differ."""
    if isinstance(page, dict) and isinstance(python, dict):
        if "refused" in python and "refused" in page:
            if not page["refused"].startswith("NotationError"):
                yield path, page, python
            return
        for key in page.keys() | python.keys():
            yield from differences(page.get(key, "(none)"), python.get(key, "(none)"), f"{path}.{key}")
    elif isinstance(page, list) and isinstance(python, list) and len(page) == len(python):
        for k, (one, other) in enumerate(zip(page, python, strict=True)):
            yield from differences(one, other, f"{path}[{k}]")
    elif page != python:
        share = next((share for end, share in _ROUNDED.items() if path.endswith(end)), 0.0)
        numbers = all(isinstance(one, int | float) for one in (page, python))
        if not numbers or abs(page - python) > share * max(abs(page), abs(python), 1e-9 * bool(share)):
            yield path, page, python


def compared(traces: Mapping[str, Trace], seed: int, steps: int = 2, numbers: int = 8) -> list[Any]:
    """The replies that differ, each with its request."""
    random = Random(seed)  # noqa: S311 - it has to be the same each time
    asked = {key: list(requests(trace, random, steps, numbers)) for key, trace in traces.items()}
    page = in_page(traces, asked)
    wrong = []
    for key, trace in traces.items():
        for one, reply in zip(asked[key], page[key], strict=True):
            try:
                wrong += [(key, one, *found) for found in differences(reply, in_python(trace, one))]
            except LstmTraceError as error:
                wrong.append((key, one, "refused by Python", str(error)))
    return wrong
