"""The languages: a file is a language, every language has every string with the same fields, every string is shown."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import secants
from lstm_trace.cell.network import GIVEN, VALID
from lstm_trace.engine.rerun import in_arithmetic, rerun
from lstm_trace.errors import OptionError
from lstm_trace.languages import languages
from lstm_trace.languages.strings import words
from lstm_trace.model.input_files import read_input
from lstm_trace.report.report import course
from lstm_trace.tables.explanations import explanation
from lstm_trace.tables.gradient import gradient
from lstm_trace.trace.address import INITIAL
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..formulas.test_formulas import own
from ..support import pictures, profile_cases
from ..support.table_cases import stacked
from ..support.words_cases import CASES
from ..verification.test_verify import traced
from .test_backward import every
from .test_report import lstm, q22

FILES = ROOT / "lstm_trace" / "languages"


def strings(language: str) -> dict[str, Any]:
    return tomllib.loads((FILES / f"{language}.toml").read_text(encoding="utf-8"))


def faults(table: dict[str, Any], english: dict[str, Any]) -> Iterator[str]:
    """What is wrong with the strings of a language, each fault with its key."""
    yield from (f"{key} is missing" for key in english if key not in table)
    yield from (f"{key} is not a string of English" for key in table if key not in english)
    for key in table.keys() & english.keys():
        text = table[key]
        if not isinstance(text, str) or not text.strip():
            yield f"{key} is empty"
        elif re.search(r"[{}]", re.sub(r"\{\w+\}", "", text)):
            yield f"{key} has a brace that belongs to no field"
        elif fields(text) != fields(english[key]):
            yield f"{key} has the fields {fields(text)}; expected {fields(english[key])}"


def fields(text: str) -> list[str]:
    return sorted(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("language", languages())
def test_a_language_has_every_string_with_its_fields(language: str) -> None:
    found = list(faults(strings(language), strings("en")))
    assert not found, "\n".join(found)


def test_the_languages_that_are_there() -> None:
    assert set(languages()) >= {"de", "en", "es", "fr", "zh"}
    assert set(languages()) == {path.stem for path in FILES.glob("*.toml")}
    with pytest.raises(OptionError, match=r"no language 'xx'.* de, en"):
        words("xx")


def test_every_fault_of_a_stub_is_named() -> None:
    english = strings("en")
    stub = {
        "given": "Dati",
        "steps": "{m} passi",
        "layer": "strato",
        "row": " ",
        "unit": "unità {j",
        "solutoin": "Soluzione",
    }
    found = set(faults(stub, english))
    assert {key for key in english if f"{key} is missing" in found} == english.keys() - stub.keys()
    assert "steps.1 is missing" in found
    assert {fault for fault in found if "missing" not in fault} == {
        "steps has the fields ['{m}']; expected ['{n}']",
        "layer has the fields []; expected ['{n}']",
        "row is empty",
        "unit has a brace that belongs to no field",
        "solutoin is not a string of English",
    }


# -- a new language --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", languages())
def test_a_gradient_in_a_language(language: str) -> None:
    said = words(language)
    text = gradient(q22(), seed=[[1.0, 2.0]], language=language).render("md")
    assert text.startswith(f"# {said.word('back.title.sum')}\n")
    assert all(f"\n## {said.word(f'back.{key}')}\n" in text for key in ("solution", "sums", "blocks"))
    if language != "en":
        assert not re.search(r"\b(the|with|unit|step|given|gate)\b", text)
    assert re.findall(r"\d+\.\d+", text) == re.findall(r"\d+\.\d+", gradient(q22(), seed=[[1.0, 2.0]]).render("md"))


@pytest.mark.parametrize("language", languages())
def test_a_split_in_a_language(language: str) -> None:
    found = secants(every(0), every(1), "2/h_t[0]")
    text = found.report("md", alone="back", language=language)
    assert text.startswith(f"# {words(language).word('between.title', of='$`h_t[0]`$')}\n")
    if language != "en":
        assert not re.search(r"\b(the|with|unit|step|share|which|mean of)\b", text)
    assert re.findall(r"\d+\.\d+", text) == re.findall(r"\d+\.\d+", found.report("md", alone="back"))


# -- every string is shown -------------------------------------------------------------------------------------------


#: Steps and units of traces of which not everything is shown.
SIZES = [(100, 2), (5, 40), (100, 40)]


class Noted(dict[str, str]):
    """The strings of a language, with those that were looked up."""

    def __init__(self, table: dict[str, str]) -> None:
        super().__init__(table)
        self.met: set[str] = set()

    def __getitem__(self, key: str) -> str:
        self.met.add(key)
        return super().__getitem__(key)


def problem(equations: str, x: Any, weights: dict[str, Any] | None = None, **more: Any) -> Trace:
    return lt.run(weights or {}, x, cell={"equations": equations}, **more)


def traces() -> Iterator[Trace]:
    """Traces of which every kind of sentence can be said."""
    draw = np.random.default_rng(1)
    square = {f"W_{side}{gate}": draw.normal(size=(1, 1)) for side in "xh" for gate in "ifco"}
    many = {f"W{k}": draw.normal(size=(8, 1)) for k in range(20)}
    wide = "h_t = W @ x_t"
    yield from (q22(), own(names={"h": ["left", "right"]}), every(), lstm(), lstm(units=12, inputs=2, steps=2))
    yield from (stacked(lengths=[4, 1]), stacked(lengths=[4, 1], directions=("forward",)), stacked(layers=1))
    yield from (stacked(layers=n, steps=2, batch=1, width=8, directions=("forward",)) for n in (5, 6))
    yield traced({"kind": "slstm"}, layers=1, both=False)
    yield from (lt.run(square, x, cell={"kind": "slstm", "stabilised": False}) for x in ([1.0], [[1.0], [2.0]]))
    gated = {f"W_{side}{gate}": draw.normal(size=(1, 1)) for side in "xh" for gate in "ruh"}
    for x in ([1.0], [[1.0], [2.0]]):
        yield from (lt.run(gated, x, cell={"kind": "gru", "update": update}) for update in ("keep", "write"))
    yield lt.run({name: gated[name] for name in ("W_xh", "W_hh")}, [1.0], cell="rnn")
    normal = {f"{name}_cell": [1.0] for name in ("gamma", "beta")}
    yield lt.run(square | normal, [1.0], options={"layer_norm_cell": True})
    yield lt.run(square, np.ones((2, 1)), tokens=["sun", "rain"])
    yield lt.run(square, np.ones((3, 3, 1)), mask=[[1, 0, 1], [1, 0, 0], [0, 0, 1]])
    yield problem("a_t = sigmoid(x_t)\nb_t = sigmoid(-x_t)\ns_t = a_t * b_t\noutput: s_t", [[1.0, 2.0]])
    yield problem("a_t = x_t[0:1] * (x_t[1] > 0.5)\noutput: a_t", [[1.0, 2.0]])
    yield problem("f_t = sigmoid(0 * x_t)\nc_t = f_t * c_prev\ncarry: c_prev <- c_t\noutput: c_t", np.ones((2, 2)))
    yield problem(f"h_t = {' + '.join(f'{name} @ x_t' for name in many)}", [[1.0]], many)
    yield from (problem(wide, np.ones((steps, 1)), {"W": np.ones((units, 1))}) for steps, units in SIZES)
    for loss in ("squared_error", "cross_entropy"):
        yield problem(f"L = {loss}(x_t, target)", [1.0, 2.0], {"target": [0.0, 1.0]})
    yield problem("input: u_t\nh_t = tanh(u_t)\noutput: h_t", [[0.0]] * 3, given={"u_t": [[1.0]] * 3})


def running(steps: int) -> Trace:
    """A cell of few lines over many steps."""
    return problem("f_t = sigmoid(x_t)\nc_t = f_t * c_prev + x_t\ncarry: c_prev <- c_t", np.ones((steps, 8)))


def explained() -> Iterator[object]:
    """What is said in pictures of memory, saturation, gradients and contributions."""
    both, cell = stacked(lengths=[4, 1]), "c_t = c_prev + x_t - 3 * (c_prev * x_t)\ncarry: c_prev <- c_t\noutput: c_t"
    known = problem(cell, [[1.0], [0.5]])
    foreign = {"0/forward": {**known.lines["0/forward"], "c_t": np.array([[[1.0]], [[7.0]]])}}
    long = running(800)
    yield both.plot.memory("0/forward/3/0/c_t[0]").svg()
    yield replace(known, lines=foreign).plot.memory("1/c_t[0]").svg()
    kept, halved = (
        problem(f"c_t = {gate} * c_prev + x_t\ncarry: c_prev <- c_t\noutput: c_t", np.ones((800, 1)))
        for gate in (1, 0.5)
    )
    for trace in (kept, halved):
        yield trace.plot.memory("799/c_t[0]").svg()
    yield both.plot.saturation(0.4, 0.6).svg()
    for of in (None, "0/forward/1/0/h_t"):
        yield both.plot.gradient(of).svg()
    yield long.plot.gradient("5/c_t").svg()
    yield long.plot.gradient("5/c_t[0]").svg()
    yield known.plot.contribution("1/c_t[0]").svg()
    yield stacked(layers=1, c0=np.ones((2, 2, 3))).plot.contribution("0/forward/3/0/h_t[0]", "zero-state").svg()
    yield halved.plot.contribution("799/c_t[0]", occlusion=9).svg()
    yield gradient(q22(), seed=[[1.0, 1.0]]).render("html")


def last(trace: Trace) -> str:
    """The address of the first unit of the output of the last step."""
    return f"{trace.stages[-1].scope}/{trace.span[-1]}/0/{trace.stages[-1].cell.output}[0]"


def shown() -> Iterator[object]:
    """Reports in every way in which one is made, and the name of their language."""
    yield words("en", 0).word("language")
    for trace in traces():
        yield trace.report("html")
        if trace.steps * len(trace.stages) < 5:
            yield trace.report("md", detail="summary")
            yield gradient(trace, last(trace)).render("md")
    yield from (case().report("text") for case in CASES.values())
    yield lt.sheet([lt.run({"W_xi": [[0.5]]}, [1.0], ask="W_xi @ x_t")] * 2).report("md")
    yield gradient(q22(), seed=[[1.0, 2.0]]).render("md")
    yield gradient(q22(), "h_t[0]", equations=True).render("md")
    yield gradient(lt.run(ROOT / "lstm_trace" / "examples" / "squared-error.yaml"), "L").render("md")
    yield from splits()
    yield from single()
    own = {"equations": "e_t = (W @ x_t) * (W @ x_t)\noutput: e_t"}
    yield gradient(lt.run({"W": [[3.0]]}, [[0.5], [1.0]], cell=own), "e_t").render("md")
    loss = lt.run(ROOT / "lstm_trace" / "examples" / "squared-error.yaml", ask=[])
    yield course(lt.train(loss, of="L", updates=2), "md")
    held = {"0/c_t[0]": 0.5, "1/f_t": "*0.5", "tanh(c_t)": np.arange(6.0).reshape(3, 2)}
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml", hold=held)
    yield replace(trace, header=replace(trace.header, count_from=0)).report("md", detail="vector")
    both = stacked(lengths=[4, 1])
    yield gradient(both, last(both)).render("md")
    yield gradient(both, seed=np.ones_like(both.output)).render("md")
    yield both.report("md", detail="scalar")
    for weights in ({"W_xi": [[0.0]]}, {"W_xi": [[0.0]], "b_i": [0.0]}):  # zero
        yield lt.run({"W_hi": [[1.0]], **weights}, [[1.0]], ask="i_t").report("md", detail="compact")
    yield stacked(layers=6, width=8, directions=("forward",)).report("md", detail="scalar")
    whole = stacked(layers=1, directions=("forward",))
    for steps in (slice(1, 2), slice(1, 3)):
        yield whole.at(steps=steps).report("md")
    yield replace(whole, header=replace(whole.header, imported=("it was transposed",))).report("md", notation="joined")
    yield from pictures.shown()
    yield whole.plot().svg()
    yield running(6_000).plot().to_vega()
    yield whole.plot(lines="z_i").svg()
    yield stacked(layers=2, width=8, directions=("forward",)).plot(batch=0).svg()
    yield lt.run({}, [[1.0], [np.inf]], cell={"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t"}).plot().svg()
    yield lt.run(ROOT / "lstm_trace" / "examples" / "rnn-softmax.yaml").plot().svg()
    yield from explained()
    yield from profile_cases.shown()
    for arithmetic in ("by-hand-1", "by-hand-3", "bfloat16", "q4.4"):
        yield in_arithmetic(q22(), arithmetic).report("md")


def single() -> Iterator[object]:
    """One number at a time: of every line and every premise one, a batch and the way back among them."""
    normal = {f"{name}_cell": [1.0] for name in ("gamma", "beta")}
    square = {f"W_{side}{gate}": [[1.0]] for side in "xh" for gate in "ifco"} | normal
    found = [*traces(), lt.run(square, [1.0], options={"layer_norm_cell": True, "bias": "none"})]
    found += [lt.backward(q22(), of="h_t[0]"), lt.run(ROOT / "lstm_trace" / "examples" / "readout.yaml")]
    unread = "d_t = h_t - 1\nL = sum(d_t * d_t)\ns_t = tanh(d_t)"
    found += [lt.run({"weights": {"W_xh": [[1.0], [2.0]], "W_hh": [[0.5, 0.0], [0.0, 0.5]]}, "x": [[1.0], [2.0]],
                      "cell": "rnn", "extra": unread})]  # fmt: skip
    for trace in found:
        if trace.steps * len(trace.stages) > 40:
            continue
        addresses = [f"{s.scope}/{trace.span[0]}/0/{line.name}[0]" for s, line, _ in trace.recorded()]
        for scope, here in trace.parameters.items():
            addresses += (f"{scope}/{name}[{','.join('0' * array.ndim)}]" for name, array in here.items())
        addresses += (f"{scope}/0/{INITIAL.get(n, n)}[0]" for scope, here in trace.initial.items() for n in here)
        addresses += (
            f"{s.scope}/{trace.span[0]}/0/{name}[0]"
            for s in trace.stages
            for name in s.inputs
            if s.sources[name] in (GIVEN, VALID)
        )
        addresses += [f"{trace.span[0]}/0/x_t[0]"] if trace.x is not None else []
        for address in addresses:
            yield lt.derivation(trace, address, digits=4)


def splits() -> Iterator[str]:
    """Where matrices differ and units compete, directions read one input, a value is not what its equation gives."""
    yield secants(every(0), every(1), "2/h_t[0]").report("md", alone="back")
    held = {"0/c_t[0]": 0.5, "1/f_t": "*0.5", "tanh(c_t)": np.arange(6.0).reshape(3, 2)}
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml", hold=held)
    yield replace(trace, header=replace(trace.header, count_from=0)).report("md", detail="vector")
    yield secants(every(0), every(1), "2/h_t[0] - 1/h_t[1]").report("md", alone="back")
    burmese = ROOT / "traces" / "unicode-burmese"
    misleading = lt.run(burmese / "burmese.npz", read_input(burmese / "sentence.csv").values, dtype="float64")
    equal = lt.run({}, np.ones((6, 1)), cell={"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"})
    yield explanation(equal, "5/h_t[0]", "contribution").render("text")
    cancel = np.array([[0.5], [-0.5]] * 6) + 2**-20
    adding = lt.run({}, cancel, cell={"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"})
    yield explanation(adding, "11/h_t[0]", "contribution").render("text")
    bent = {"equations": "s_t = s_prev + x_t\nh_t = s_t * (3 - s_t)\ncarry: s_prev <- s_t"}
    yield explanation(lt.run({}, [[1.25], [1.25]], cell=bent), "1/h_t[0]", "contribution").render("text")
    seeds = {"0/forward/h_t": np.ones((3, 1, 2)), "0/forward/c_t": np.full((3, 1, 2), 0.5)}
    counted = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")
    three = replace(counted, header=replace(counted.header, count_from=0))
    yield lt.backward(three, seeds=seeds).report("md", alone="back")
    named = replace(misleading, header=replace(misleading.header, step_labels=(tuple("abcdefghijklm"),)))
    for of in ("5/y_t[6]", "10/y_t[0]"):
        yield explanation(named, of, "contribution", points=1).render("text")
    both = stacked(lengths=[4, 1])
    yield secants(rerun(both, x=0.5 * both.x), both, last(both)).report("md")
    yield both.plot.diff(stacked(lengths=[3, 1]), lines="c_t", layer=0).caption
    wrong = rerun(every(0), x=every(0).x)
    wrong.lines["0/forward"]["h_t"][2, 0, 0] += 1
    cell = {"kind": "rnn", "extra": "y_t = W_hy @ h_t"}
    weights = {"W_xh": [[1.0]], "W_hh": [[0.5]], "W_hy": [[float(n)] for n in range(9)]}
    yield lt.run(weights, [[1.0], [2.0]], cell=cell).report("md")
    yield secants(every(0), wrong, "2/h_t[0]").report("md")


def test_every_string_is_shown_somewhere() -> None:
    english = words("en", 0)
    table = Noted(english.table)
    object.__setattr__(english, "table", table)  # `words` keeps its answer, so everything looks up here
    try:
        for _ in shown():
            pass
    finally:
        object.__setattr__(english, "table", dict(table))
    assert not (never := sorted(table.keys() - table.met)), ", ".join(never)


# -- typography -------------------------------------------------------------------------------------------------------

#: What no string of a language has: signs that its typesetters do not use, and spaces that may break.
NEVER = {
    "de": [r"\d %|\} %", r"[“”]\w"],
    "en": [r" [:;?!]"],
    "es": [r" [:;?!]", r"\d %|\} %"],
    "fr": [r"'", r"(?<![\u00a0]):(?=[ \"]|$)", r"(?<!\u202f)[;?!]", r"\d %|\} %", "[“”]"],
    "zh": [r"[\u4e00-\u9fff][,;:?!.()]", r"[,;:?!()][\u4e00-\u9fff]", r"\d %|\} %"],
}


@pytest.mark.parametrize("language", sorted(NEVER))
def test_typography(language: str) -> None:
    found = [
        f"{key}: {text}"
        for key, text in strings(language).items()
        if any(re.search(pattern, text) for pattern in NEVER[language])
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("language", languages())
def test_pictures_write_shares_as_sentences_do(language: str) -> None:
    table = words(language, 0).table
    sign = table["share"].partition("}")[2]
    written = {key: re.findall(r"(?<=[\d}])\s?%", text) for key, text in table.items() if key.startswith("plot.")}
    assert {one for found in written.values() for one in found} == {sign}
    assert {key for key, found in written.items() if found} > {"plot.clipped", "plot.focus"}
