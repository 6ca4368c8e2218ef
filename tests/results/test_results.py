"""Every result has every format, all languages, a frame, JSON, a notebook's view: from the one mixin."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lstm_trace as lt
from lstm_trace.cell.lines import Line
from lstm_trace.documents import terminal, wire
from lstm_trace.documents.blocks import Body
from lstm_trace.documents.formats import Show
from lstm_trace.documents.result import Result
from lstm_trace.errors import FileError, MissingError, OptionError
from lstm_trace.frames.terminal import ValueTable
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.mistakes.conformance.cases import catalogue
from lstm_trace.mistakes.conformance.engines import CaseVerdict
from lstm_trace.mistakes.conformance.judging import FailureCause
from lstm_trace.results.conformance import Conformance
from lstm_trace.results.inspection import ModelInspection
from lstm_trace.results.mistakes import overview
from lstm_trace.trace.rows import Selection
from lstm_trace.verification.plans import Diagnosis, Fault
from lstm_trace.weights.find import find

DRAW = np.random.default_rng(8)
WEIGHTS = {f"W_{s}{g}": DRAW.normal(size=(3, 3 if s == "h" else 2)) for s in "xh" for g in "ifco"}
X = DRAW.normal(size=(4, 2))


def traced(scale: float = 1.0) -> lt.Trace:
    return lt.run({**WEIGHTS, "W_xf": WEIGHTS["W_xf"] * scale}, X)


def damaged() -> lt.Trace:
    trace = traced()
    trace.lines["0/forward"]["i_t"][1, 0, 2] += 0.25
    return trace


NUMBER = "0/forward/2/0/c_t[1]"


def units() -> Result:
    """Two units, of which one is constant, and has values that are not finite."""
    pytest.importorskip("pyarrow")
    from lstm_trace.tracking import Units

    frame = pd.DataFrame({"layer": 0, "direction": "forward", "line": "c_t", "unit": [0, 1], "dead": [False, True]})
    numbers = {name: [0.5, np.nan] for name in ("mean", "least", "most", "left", "right", "memory", "r_inside")}
    return Units(frame.assign(**numbers, sd=[0.25, 0.0], not_finite=[0, 3], moves_at=["a", ""]), 7)


def conformance() -> Result:
    """A case that is explained, one that hangs, one that is known to fail, and one that is fixed."""
    kinds = (
        ("lstm_clip", "wrong", ""),
        ("gru_clip", "hung", ""),
        ("rnn_clip", "refused", "refused"),
        ("rnn_relu", "ok", "hung"),
    )
    verdicts = [
        CaseVerdict(catalogue()[name], verdict, known=known, off=0.5 if verdict == "wrong" else None)
        for name, verdict, known in kinds
    ]
    return Conformance(
        "an engine", (*verdicts,), (FailureCause(("ignored:clip",), ("test_lstm_clip",), "test_lstm_clip"),)
    )


FAULT = Fault("planned", Line("", "mul", ("a", "b")), "float64", "width 2", (0, 1), 1.0, 2.0)
#: A result, and what the title of its document is in English and in German.
RESULTS: dict[str, tuple[Callable[[], Result], str, str]] = {
    "verify": (lambda: lt.verify(traced()), "Verification", "Verifikation"),
    "failed": (lambda: lt.verify(damaged()), "Verification", "Verifikation"),
    "diff": (lambda: lt.diff(traced(), traced(1.5)), "Difference", "Unterschied"),
    "same": (lambda: lt.diff(traced(), traced()), "Difference", "Unterschied"),
    "several": (lambda: lt.diff(traced(), traced(), traced(1.5)), "Compared with a", "Verglichen mit a"),
    "identify": (lambda: lt.identify(WEIGHTS, X, traced().output), "Identification", "Identifikation"),
    "mistakes": (
        lambda: overview(lt.run(WEIGHTS, X), ["exchange", "order-b"]),
        "Mistakes, and what they do to the output",
        "Fehler, und was sie an der Ausgabe ändern",
    ),
    "inspect": (lambda: ModelInspection("w.npz", tuple(find(WEIGHTS, None))), "w.npz: 1 LSTM", "w.npz: 1 LSTM"),
    "number": (
        lambda: lt.derivation(traced(), "2/c_t[1]", of="3/h_t[0]"),
        "0/forward/2/0/c_t[1]",
        "0/forward/2/0/c_t[1]",
    ),
    "conformance": (lambda: conformance(), "Conformance of an engine", "Konformität von an engine"),
    "units": (lambda: units(), "Units of a corpus", "Einheiten eines Korpus"),
    "show": (
        lambda: ValueTable(traced(), Selection(), height=24),
        "lstm, float64, 1 layer forward, T = 4, B = 1",
        "lstm, float64, 1 Schicht forward, T = 4, B = 1",
    ),
    "doctor": (
        lambda: Diagnosis((("numpy", "2"),), (("lines", "agrees"), ("planned", "WRONG")), (FAULT,), ("lines",)),
        "Plans on this machine",
        "Pläne auf diesem Rechner",
    ),
}
#: How text begins that is not the document.
OWN = {
    "units": "7 steps\nunit ",
    "show": "lstm, float64, 1 layer forward, T = 4, B = 1\nt  line ",
    "doctor": "numpy    ",
}
FORMATS = {"md": "# {}\n", "text": "{}\n═", "html": "<h1>{}</h1>", "tex": "{}", "typ": "{}"}


@pytest.mark.few(5)
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_has_every_format(name: str, format: str) -> None:
    make, title, _ = RESULTS[name]
    text = str(make().report(format)).replace(r"\_", "_")
    text = re.sub(r"\{([-*\[\]])\}", r"\1", text) if format == "tex" else text  # LaTeX keeps these from acting
    if name in OWN and format == "text":  # the table that a terminal shows
        assert text.startswith(OWN[name])
    else:
        assert FORMATS[format].format(title) in text
    assert not re.search(r"None|<lstm_trace|_t \{|\{names\}", text)


@pytest.mark.few(6)
@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("name", RESULTS)
def test_every_result_speaks_every_language(name: str, language: str) -> None:
    make, english, german = RESULTS[name]
    text = str(make().report("md", language=language))
    if language in ("en", "de"):
        assert text.startswith(f"# {german if language == 'de' else english}\n")
    elif english in ("Verification", "Difference"):
        assert not text.startswith(f"# {english}\n")


@pytest.mark.parametrize("name", RESULTS)
def test_every_result_is_data_a_view_and_a_tree(name: str) -> None:
    result = RESULTS[name][0]()
    assert json.loads(result.as_json())
    assert result.to_frame().shape[1] > 2
    assert RESULTS[name][1] in result._repr_html_()
    assert result._repr_markdown_().startswith("# ")
    body = Body(tuple(result.blocks(words("de"), Show())), result.own, legible=True)
    again = wire.decoded(json.loads(json.dumps(wire.encoded(body), allow_nan=False)))
    assert terminal.render([again]) == terminal.render([body])


def test_a_result_is_saved_by_its_suffix(tmp_path: Path) -> None:
    result = lt.diff(traced(), traced(1.5))
    for suffix in ("md", "txt", "html", "tex", "typ", "json", "csv", "svg"):
        result.save(tmp_path / f"d.{suffix}", language="de")
    assert (tmp_path / "d.md").read_text().startswith("# Unterschied\n")
    assert "](d.svg)" in (tmp_path / "d.md").read_text()
    assert (tmp_path / "d.svg").read_text().startswith("<svg")
    assert (tmp_path / "d.csv").read_text().startswith("layer,direction,t,batch,line,unit,a,b,difference,own,")
    with pytest.raises(FileError, match=r"results are written as \.md, .*, and this name has no suffix"):
        result.save(tmp_path / "d")


def test_what_there_is_not_is_said() -> None:
    result = lt.verify(traced())
    with pytest.raises(OptionError, match="there is no format 'doc'; expected md, "):
        result.report("doc")
    with pytest.raises(OptionError, match="there is no language 'it'"):
        result.report(language="it")
    with pytest.raises(OptionError, match=r"a PDF is not text: save\('x.pdf'\) writes it"):
        result.report("pdf")
    with pytest.raises(MissingError, match="there is no picture of this Verification"):
        result.plot()
