"""The languages: a file is a language, every language has every string with the same fields, every string is shown."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import lstm_trace as lt
from lstm_trace.backpropagation.attribution import secants
from lstm_trace.cell.network import GIVEN, VALID
from lstm_trace.engine.run import in_arithmetic, rerun
from lstm_trace.languages.strings import words
from lstm_trace.model.sources import read_input
from lstm_trace.results.explanation import explanation
from lstm_trace.results.gradient import gradient
from lstm_trace.trace.address import INITIAL
from lstm_trace.trace.trace import Trace

from .. import ROOT
from ..formulas.test_formulas import own
from ..support import pictures, profile_cases
from ..support.noted import Noted
from ..support.results import last
from ..support.table_cases import stacked
from ..support.words_cases import CASES
from ..verification.test_verify import traced
from .test_backward import every
from .test_report import lstm, q22

#: How the keys of results begin, whose sentences are tested with what they say.
OF_RESULTS = (
    "explanation.", "memory.", "ablation.", "gates.", "split.", "contribution.", "faith.", "gradient.", "training.",
    "padding.", "overview.", "diff.", "holds", "adjoint.", "identify.", "mistake.", "corpus.", "hold.", "probe.",
    "column.", "rows.", "verification.", "notfinite", "counted.", "some.", "or", "none", "plot.section", "plot.several",
    "effects.", "lines.",
    "conformance.", "doctor.", "examples.", "inspect.", "show.", "units.", "contexts.", "kind.", "quoted",
)  # fmt: skip


def test_a_file_more_is_a_language_more(tmp_path: Path) -> None:
    """Formats, picture, gradient, help and choices of the command line have it, with no line of code for it."""
    package = shutil.copytree(ROOT / "lstm_trace", tmp_path / "lstm_trace", ignore=shutil.ignore_patterns("*.pyc"))
    stub = {
        "lstm.i_t": "Porta di ingresso",
        "diagram.next": "al passo successivo",
        "back.solution": "Indietro nel tempo",
    }
    lines = [f"{json.dumps(key)} = {json.dumps(text)}\n" for key, text in stub.items()]
    (package / "languages" / "it.toml").write_text("".join(lines), encoding="utf-8")
    problem = str(ROOT / "lstm_trace" / "examples" / "q22.yaml")
    options = ["--language", "it", "-o"]
    calls = [["report", problem, *options, f"r{suffix}"] for suffix in (".md", ".txt", ".html", ".tex", ".typ", ".pdf")]
    calls += [["explain", "gradient", problem, "--of", "h_t[0]", *options, "g.md"], ["report", "--help"]]
    script = f"from lstm_trace.cli import main\nfor call in {calls}: assert main(call, standalone_mode=False) == 0"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "de|en|es|fr|it|zh" in done.stdout
    made = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("*.*") if path.suffix != ".pdf"}
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert all("Porta di ingresso" in made[f"r{suffix}"] for suffix in (".md", ".txt", ".html", ".tex", ".typ"))
    assert all("al passo successivo" in made[name] for name in ("r.svg", "r.html"))
    assert "Indietro nel tempo" in made["g.md"]
    assert "Forget gate" in made["r.md"]  # what the file has not stands there in English
    assert 'lang="it"' in made["r.html"]
    assert 'lang: "it"' in made["r.typ"]


#: Steps and units of traces of which not everything is shown.
SIZES = [(100, 2), (5, 40), (100, 40)]


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
    yield gradient(q22(), seed=[[1.0, 1.0]]).report("html")


def matrices() -> Iterator[object]:
    """Cells whose memory is a matrix, of one entry and of so many that not all are described; two memories in one."""
    draw = np.random.default_rng(3)
    reads = "k_t = W_k @ x_t\nv_t = W_v @ x_t\nC_t = 0.5 * C_prev + outer(v_t, k_t)\ny_t = C_t @ k_t\noutput: y_t\n"
    two = "n_t = 0.9 * n_prev + k_t\ncarry: C_prev <- C_t, n_prev <- n_t"
    for rows, columns, rest in ((1, 1, "carry: C_prev <- C_t"), (8, 8, "carry: C_prev <- C_t"), (2, 2, two)):
        weights = {"W_v": draw.normal(size=(rows, 2)), "W_k": draw.normal(size=(columns, 2))}
        trace = lt.run(weights, draw.normal(size=(4, 2)), cell={"equations": reads + rest})
        yield trace.report("html")
        yield trace.plot.states(lines="C_t").svg()
        yield gradient(trace, "sum(3/C_t)").report("md")


def shown() -> Iterator[object]:
    """Reports in every way in which one is made, and the name of their language."""
    still = {f"W_{side}{gate}": np.zeros((2, 2)) for side in "xh" for gate in "ifco"}
    yield lt.run(still, np.zeros((70, 2))).report("md")  # a long run in which nothing moves
    stopped = np.ones((70, 2))
    stopped[30] = np.nan
    ended = lt.run({name: value + 0.5 for name, value in still.items()}, stopped)
    yield replace(ended, header=replace(ended.header, count_from=1)).report("md")
    draw = np.random.default_rng(2)
    wide = lt.run({f"W_{side}{g}": draw.normal(size=(5, 5)) for side in "xh" for g in "ifco"}, np.ones((500, 5)))
    yield wide.report("typ")  # too wide to be worked on paper, and too long for a page on which every step unfolds
    yield wide.report("html")
    yield words("en", 0).word("language")
    for trace in traces():
        yield trace.report("html")
        if trace.steps * len(trace.stages) < 5:
            yield trace.report("md", detail="summary")
            yield gradient(trace, last(trace)).report("md")
    yield from (case().report("text") for case in CASES.values())
    yield lt.sheet([lt.run({"W_xi": [[0.5]]}, [1.0], ask="W_xi @ x_t")] * 2).report("md")
    yield gradient(q22(), seed=[[1.0, 2.0]]).report("md")
    yield gradient(q22(), "h_t[0]", equations=True).report("md")
    yield gradient(lt.run(ROOT / "lstm_trace" / "examples" / "squared-error.yaml"), "L").report("md")
    yield from splits()
    yield from single()
    own = {"equations": "e_t = (W @ x_t) * (W @ x_t)\noutput: e_t"}
    yield gradient(lt.run({"W": [[3.0]]}, [[0.5], [1.0]], cell=own), "e_t").report("md")
    loss = lt.run(ROOT / "lstm_trace" / "examples" / "squared-error.yaml", ask=[])
    yield explanation(loss, "L", "training", updates=2).report("md")
    held = {"0/c_t[0]": 0.5, "1/f_t": "*0.5", "tanh(c_t)": np.arange(6.0).reshape(3, 2)}
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml", hold=held)
    yield replace(trace, header=replace(trace.header, count_from=0)).report("md", detail="vector")
    both = stacked(lengths=[4, 1])
    yield gradient(both, last(both)).report("md")
    yield gradient(both, seed=np.ones_like(both.output)).report("md")
    yield both.report("md", detail="scalar")
    for weights in ({"W_xi": [[0.0]]}, {"W_xi": [[0.0]], "b_i": [0.0]}):  # zero
        yield lt.run({"W_hi": [[1.0]], **weights}, [[1.0]], ask="i_t").report("md", detail="compact")
    yield stacked(layers=6, width=8, directions=("forward",)).report("md", detail="scalar")
    whole = stacked(layers=1, directions=("forward",))
    for steps in (slice(1, 2), slice(1, 3)):
        yield whole.at(steps=steps).report("md")
        yield whole.report("md", steps=steps)
    yield replace(whole, header=replace(whole.header, imported=("it was transposed",))).report("md", notation="joined")
    yield from pictures.shown()
    yield whole.plot().svg()
    yield running(6_000).plot().to_vega()
    yield whole.plot(lines="z_i").svg()
    yield stacked(layers=2, width=8, directions=("forward",)).plot(batch=0).svg()
    yield lt.run({}, [[1.0], [np.inf]], cell={"equations": "s_t = s_prev + x_t\ncarry: s_prev <- s_t"}).plot().svg()
    yield lt.run(ROOT / "lstm_trace" / "examples" / "rnn-softmax.yaml").plot().svg()
    yield from explained()
    yield from matrices()
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
        lines = ((s.scope, line.name) for s, line, _ in trace.recorded())
        addresses = [f"{s}/{trace.span[0]}/0/{name}[{'0,0' if trace.grid(s, name) else 0}]" for s, name in lines]
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
            yield lt.derivation(trace, address, digits=4).report("text")
    yield lt.derivation(q22(), "c_t[0]", of="h_t[0]").report("text")
    wrong = every(0)
    wrong.lines["0/forward"]["h_t"][2, 0, 0] += 0.5
    yield lt.derivation(wrong, "2/h_t[0]").report("text")
    partly = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t", record=["i_t"])
    yield lt.derivation(partly, "i_t[0]").report("text")


def splits() -> Iterator[str]:
    """Where matrices differ and units compete, directions read one input, a value is not what its equation gives."""
    yield secants(every(0), every(1), "2/h_t[0]").report("md", alone="back")
    held = {"0/c_t[0]": 0.5, "1/f_t": "*0.5", "tanh(c_t)": np.arange(6.0).reshape(3, 2)}
    trace = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml", hold=held)
    header = replace(trace.header, count_from=0, aliases={"c_t": "next_c"})
    yield replace(trace, header=header).report("md", detail="vector")
    yield secants(every(0), every(1), "2/h_t[0] - 1/h_t[1]").report("md", alone="back")
    burmese = ROOT / "traces" / "unicode-burmese"
    misleading = lt.run(burmese / "burmese.npz", read_input(burmese / "sentence.csv").values, dtype="float64")
    equal = lt.run({}, np.ones((6, 1)), cell={"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"})
    yield explanation(equal, "5/h_t[0]", "contribution").report("text")
    cancel = np.array([[0.5], [-0.5]] * 6) + 2**-20
    adding = lt.run({}, cancel, cell={"equations": "h_t = h_prev + x_t\ncarry: h_prev <- h_t"})
    yield explanation(adding, "11/h_t[0]", "contribution").report("text")
    bent = {"equations": "s_t = s_prev + x_t\nh_t = s_t * (3 - s_t)\ncarry: s_prev <- s_t"}
    yield explanation(lt.run({}, [[1.25], [1.25]], cell=bent), "1/h_t[0]", "contribution").report("text")
    seeds = {"0/forward/h_t": np.ones((3, 1, 2)), "0/forward/c_t": np.full((3, 1, 2), 0.5)}
    counted = lt.run(ROOT / "lstm_trace" / "examples" / "three-steps.yaml")
    three = replace(counted, header=replace(counted.header, count_from=0))
    yield lt.backward(three, seeds=seeds).report("md", alone="back")
    named = replace(misleading, header=replace(misleading.header, step_labels=(tuple("abcdefghijklm"),)))
    for of in ("5/y_t[6]", "10/y_t[0]"):
        yield explanation(named, of, "contribution", points=1).report("text")
    both = stacked(lengths=[4, 1])
    yield secants(rerun(both, x=0.5 * both.x), both, last(both)).report("md")
    yield both.plot.diff(stacked(lengths=[3, 1]), lines="c_t", layer=0).caption
    wrong = rerun(every(0), x=every(0).x)
    wrong.lines["0/forward"]["h_t"][2, 0, 0] += 1
    cell = {"kind": "rnn", "extra": "y_t = W_hy @ h_t"}
    weights = {"W_xh": [[1.0]], "W_hh": [[0.5]], "W_hy": [[float(n)] for n in range(9)]}
    yield lt.run(weights, [[1.0], [2.0]], cell=cell).report("md")
    yield secants(every(0), wrong, "2/h_t[0]").report("md")
    yield from mistaken()


def mistaken() -> Iterator[str]:
    """Runs with mistakes on purpose: one, and two of which one changes what a layer carries."""
    weights = {f"{n}/forward/W_{k}h": [[0.5]] for n in (0, 1) for k in "xh"}
    for mistakes in (["function-lost:h_t"], ["function-lost:h_t", "1/carry-scaled:carry h_prev,0.5"]):
        for count_from in (0, 1):
            problem = {"weights": weights, "cell": "rnn", "x": [[1.0], [2.0]], "count_from": count_from}
            yield lt.run(problem, mistake=mistakes).report("md")


def test_every_string_is_shown_somewhere() -> None:
    table = Noted(words("en").table)
    kept = words(), words(count_from=1)
    for english in kept:
        object.__setattr__(english, "table", table)  # `words` keeps its answers, so everything looks up here
    try:
        for _ in shown():
            pass
    finally:
        for english in kept:
            object.__setattr__(english, "table", dict(table))
    never = sorted(key for key in table.keys() - table.met if not key.startswith(OF_RESULTS))
    assert not never, ", ".join(never)


#: Where results are said, and where the remarks in them are made.
ROOMS_OF_RESULTS = (
    "results",
    "frames",
    "documents",
    "corpus",
    "tracking",
    "trace",
    "verification",
    "mistakes",
    "weights/formats",
    "cli/verbs",
)


def test_every_string_of_a_result_is_named_in_the_code_of_a_result() -> None:
    rooms = [ROOT / "lstm_trace" / room for room in ROOMS_OF_RESULTS]
    files = [path for room in rooms for path in room.glob("*.py")]
    named = {
        text for path in files for text in re.findall(r'"([\w.{}\' ?!()\[\]]+)"', path.read_text(encoding="utf-8"))
    }
    patterns = [
        re.compile(re.sub(r"\\\{.*?\\\}", ".*", re.escape(text))) for text in named if "." in text or text in OF_RESULTS
    ]
    keys = [key.removesuffix(".1") for key in words("en").table if key.startswith(OF_RESULTS)]
    assert len(keys) > 150
    unnamed = sorted({key for key in keys if not any(pattern.fullmatch(key) for pattern in patterns)})
    assert not unnamed, ", ".join(unnamed)
