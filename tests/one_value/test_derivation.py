"""One number at a time: what it was computed from, where it goes, whether it is right, and how L changes with it."""

from __future__ import annotations

import json
import math
import pickle
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml

import lstm_trace as lt
from lstm_trace.base.files import read_data
from lstm_trace.errors import MissingError, OptionError
from lstm_trace.examples import examples, text
from lstm_trace.languages import languages
from lstm_trace.report.options import options_of
from lstm_trace.trace.address import INITIAL

from ..support.tiers import some
from ..support.walk_cases import CELLS, H, I, case, weights

MATH = "{http://www.w3.org/1998/Math/MathML}"


def every_line(trace: lt.Trace) -> Iterator[str]:
    """The address of every number that was computed."""
    for stage, line, values in trace.recorded():
        for t, b, j in np.ndindex(values.shape):
            yield f"{stage.scope}/{trace.first + t}/{b}/{line.name}[{entry(trace, stage.scope, line.name, j)}]"


def entry(trace: lt.Trace, scope: str, name: str, unit: int) -> str:
    """A unit in an address; of a matrix its row and column."""
    grid = trace.grid(scope, name)
    return str(unit) if grid is None else ",".join(map(str, np.unravel_index(unit, grid)))


def every_premise(trace: lt.Trace) -> Iterator[str]:
    """The address of every number that was given."""
    for scope, here in trace.parameters.items():
        for name, array in here.items():
            yield from (f"{scope}/{name}[{','.join(map(str, at))}]" for at in np.ndindex(array.shape))
    if trace.x is not None and not any("x_t" in here for here in trace.given.values()):
        yield from (f"{trace.first + t}/{b}/x_t[{k}]" for t, b, k in np.ndindex(trace.x.shape))
    for scope, here in trace.initial.items():
        for name, array in here.items():
            for b, j in np.ndindex(array.shape):
                yield f"{scope}/{b}/{INITIAL.get(name, name)}[{entry(trace, scope, name, j)}]"
    for scope, here in trace.given.items():
        for name, array in here.items():
            for t, b, j in np.ndindex(array.shape):
                yield f"{scope}/{trace.first + t}/{b}/{name}[{entry(trace, scope, name, j)}]"


def small(name: str) -> lt.Trace:
    """A cell of the family over two steps in both directions, with padding; one of them in two layers."""
    return case(name, 4, steps=2, batch=1, lengths=[1], layers=2 if name == "plain" else 1)[1]


def computed(line: Any, operands: list[float], arrays: Any = None) -> float | None:
    """The value of a line by scalars, from the values of its operands; None where an operation is not looked at."""
    if line.op in ("matvec", "vecmat", "memvec", "vecmem"):
        return math.fsum(a * b for a, b in zip(operands[::2], operands[1::2], strict=True))
    if line.op == "add" and len(operands) == len(line.operands):
        return math.fsum(s * v for s, v in zip(line.constants, operands, strict=True))
    if line.op == "mul" and len(operands) == 2:
        return operands[0] * operands[1]
    if line.op == "tanh":
        return math.tanh(operands[0])
    if line.op == "sigmoid":
        return 1 / (1 + math.exp(-operands[0]))
    return None


TRACES: dict[str, Any] = {
    **{f"cell {name}": lambda name=name: small(name) for name in CELLS},
    **{f"example {name}": lambda name=name: lt.run(yaml.safe_load(text(name))) for name in examples()},
    "a mask": lambda: case("plain", 5, 3, 2, 1, False, mask=[[1, 0], [0, 1], [1, 1]])[1],
    "one direction": lambda: lt.run(
        weights(np.random.default_rng(1), CELLS["plain"], 1, ("reverse",)), np.ones((3, I))
    ),
    "given lines": lambda: case("plain", 5, 2, 1, 1, False, given={"f_t": [0.5] * H})[1],
    "by hand": lambda: lt.run(yaml.safe_load(text("three-steps")), arithmetic="by-hand-3"),
    "float16": lambda: lt.run(yaml.safe_load(text("q22")), arithmetic="float16"),
    "float32": lambda: lt.run({**yaml.safe_load(text("three-steps")), "dtype": "float32"}),
    "adjoints": lambda: lt.backward(lt.run(yaml.safe_load(text("squared-error"))), of="L"),
    "later steps": lambda: case("plain", 5, 4, 1, 1, False)[1].at(steps=slice(2, 4)),
    "a layer": lambda: case("plain", 5, 2, 1, 2, False)[1].at(layer=1),
}  # fmt: skip


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(TRACES, 4))
def test_operands_and_readers_are_two_ways_of_saying_the_same(name: str) -> None:
    trace = TRACES[name]()
    plain = trace.header.arithmetic is None
    style = options_of("md").numbers(trace)  # that of a report, found once
    addresses = (*every_line(trace), *every_premise(trace))
    found = {address: lt.derivation(trace, address, digits=style) for address in addresses}
    reads: dict[str, set[str]] = {}
    for address, one in found.items():
        assert one.address == address
        assert one.verified.verdict in ("verified", "premise"), one.verified
        assert (one.kind == "line") == (one.verified.verdict == "verified") == (one.equation is not None)
        for operand in one.operands:
            reads.setdefault(operand.address, set()).add(address)
            other = found.get(operand.address) or lt.derivation(trace, operand.address, digits=style)
            assert (operand.value, operand.shown) == (other.value, other.shown)
            assert other.address == operand.address
        assert one.operands_left_out == 0
        stage = next((s for s in trace.stages if address.startswith(s.scope + "/")), None)
        line = None if stage is None else stage.cell.by_name.get(address.split("/")[-1].rpartition("[")[0])
        again = None if line is None or not plain else computed(line, [o.value for o in one.operands])
        if again is not None and len(line.reads) == len(set(line.reads)):  # type: ignore[union-attr]
            assert one.value == pytest.approx(again, rel=1e-5 if trace.header.dtype == "float32" else 1e-12, abs=1e-7)
    for address, one in found.items():
        assert one.readers_left_out == 0 or len(one.readers) == 64
        if not one.readers_left_out:
            assert {reader.address for reader in one.readers} == reads.get(address, set()), address
            assert len({reader.address for reader in one.readers}) == len(one.readers)


@pytest.mark.few(0)
@pytest.mark.parametrize("name", some(TRACES, 8))
def test_every_formula_is_xml_whose_numbers_bear_their_addresses(name: str) -> None:
    trace = TRACES[name]()
    addresses = [*every_line(trace), *every_premise(trace)]
    for address in addresses[:: max(len(addresses) // 60, 1)]:
        one = lt.derivation(trace, address)
        assert json.loads(json.dumps(one.facts(), allow_nan=False)) == one.facts()
        shown = {operand.address: operand.shown for operand in one.operands}
        for formula in (one.symbol, one.equation, one.substituted, one.written_out):
            if formula is None:
                continue
            root = ET.fromstring(formula.mathml)  # noqa: S314
            assert root.tag == f"{MATH}math"
            assert all(element.tag.startswith(MATH) for element in root.iter())
            for number in root.iter(f"{MATH}mn"):
                if "data-address" in number.attrib and formula is not one.written_out:
                    raised = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
                    told = "".join(number.itertext()).replace("−", "-").replace("×10", "e").translate(raised)
                    assert told == shown[number.attrib["data-address"]]
        if one.substituted is not None:
            marked = {mn.attrib.get("data-address") for mn in ET.fromstring(one.substituted.mathml).iter(f"{MATH}mn")}  # noqa: S314
            assert set(shown) <= marked


def test_values_without_a_name_are_written_out() -> None:
    trace = lt.run(yaml.safe_load(text("three-steps")))
    f, c, i, g = (trace[name][t, 0, 0] for name, t in (("f_t", 2), ("c_t", 1), ("i_t", 2), ("c_tilde", 2)))
    cell = lt.derivation(trace, "2/c_t[0]")
    assert cell.written_out is not None
    assert cell.written_out.text == f"({f:.4f})({c:.4f}) + ({i:.4f})({g:.4f})"
    assert cell.written_out_relation == "≈"
    shown = re.findall(r'data-address="([^"]*)"', cell.written_out.mathml)
    places = ("2/0/f_t", "1/0/c_t", "2/0/i_t", "2/0/c_tilde")
    assert shown == [f"0/forward/{place}[0]" for place in places]
    gate = lt.derivation(trace, "2/f_t[0]")  # sigmoid of a value that has a name
    product = lt.derivation(trace, "2/f_t * c_prev[0]")  # what has no name is not written out itself
    for one in (gate, product, lt.derivation(trace, "W_xi[1,1]")):
        assert (one.written_out, one.written_out_relation) == (None, "")
        assert one.facts()["written_out"] is None
    exact = lt.derivation(lt.run(yaml.safe_load(text("q22"))), "z_i[0]")
    assert exact.written_out is not None
    assert exact.written_out.text == "(-1)(1) + (0)(2) + (0.2)(3) + (0)(0) + (1)(0)"
    assert (exact.written_out_relation, exact.shown) == ("=", "-0.4000")


def test_what_is_written_out_stays_short() -> None:
    rng = np.random.default_rng(3)
    wide = {f"W_{a}{gate}": rng.normal(size=(100, n)) for a, n in (("x", 50), ("h", 100)) for gate in "ifco"}
    trace = lt.run(lt.prepare(wide), rng.normal(size=(2, 50)))
    one = lt.derivation(trace, "1/z_f[7]")
    assert one.written_out is not None
    assert "…" in one.written_out.text or "⋯" in one.written_out.text
    assert one.written_out.mathml.count("<mn") < 80
    assert one.written_out_relation == "≈"
    normed = {
        "equations": "n_t = (x_t - mean(x_t)) * (x_t - mean(x_t))\nh_t = mean((n_t - mean(n_t)) * n_t)\noutput: h_t"
    }
    long = lt.run({"cell": normed, "weights": {}, "x": rng.normal(size=(1, 300)).tolist()})
    began = time.perf_counter()
    found = lt.derivation(long, "h_t[0]")
    assert time.perf_counter() - began < 2
    assert found.written_out is not None


@pytest.mark.few(0)
@pytest.mark.parametrize("name", ["cell plain", "cell slstm", "cell gru, reset after", "cell own", "cell projection"])
def test_the_gradient_with_respect_to_a_premise_is_that_of_central_differences(name: str) -> None:
    trace = case(name.removeprefix("cell "), 6, 3, 2, 2, True)[1]
    target = trace.asked()[-1]._replace(t=1, b=1, unit=(0,))
    rng = np.random.default_rng(2)
    addresses = list(every_premise(trace))
    h = 1e-6
    for address in rng.choice(addresses, 12, replace=False):
        one = lt.derivation(trace, str(address), of=str(target))
        ends = [
            lt.derivation(lt.edit(trace, {str(address): one.value + step}), str(target)).value for step in (h, -h)
        ]  # fmt: skip
        assert one.gradient is not None
        assert one.gradient.value == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6, abs=1e-8)


def test_a_gradient_of_a_loss_and_of_what_does_not_reach_it() -> None:
    trace = lt.run(yaml.safe_load(text("squared-error")))
    expected = lt.gradients(trace, of="L")
    for address, array in expected.items():
        if address.startswith("0/forward/W"):
            found = lt.derivation(trace, f"{address}[{','.join('0' * array.ndim)}]", of="L").gradient
            assert found is not None
            assert found.value == array[(0,) * array.ndim]
    batch = case("plain", 8, 3, 2, 1, False)[1]
    for address in ("0/1/x_t[0]", "2/1/h_t[0]", "2/0/c_t[0]"):
        slope = lt.derivation(batch, address, of="1/0/h_t[0]").gradient
        assert slope is not None
        assert slope.value == 0.0  # another sequence, a later step


def test_what_a_gate_does_is_said_with_how_far_it_is_open() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    gate = lt.derivation(trace, "f_t[0]")
    share = f"{round(100 * gate.value)}\u00a0%"
    assert gate.about == (
        "The forget gate says which share of the old cell state is kept: 0 forgets all of it, 1 keeps all of it. "
        f"Here it is {share}."
    )
    assert lt.derivation(trace, "W_xf[1,2]").about == "A weight: how strongly input 2 of x_t counts for f_t, unit 1."
    assert lt.derivation(trace, "W_xf[1,2]").where == "unit 1 ← input 2"
    assert lt.derivation(trace, "0/forward/0/c0[1]").about.startswith("The value of c_t before the first step")
    german = lt.derivation(trace, "f_t[0]", language="de", count_from=1)
    assert german.about.startswith("Das Forget-Gate sagt, welcher Anteil des alten Zellzustands behalten wird")
    assert (german.where, german.symbol.text, german.address) == ("Einheit 1", "f_1[1]", "0/forward/0/0/f_t[0]")


@pytest.mark.few(0)
@pytest.mark.parametrize("language", some(sorted(languages()), 2))
@pytest.mark.parametrize("name", ["cell slstm", "cell gru", "cell own", "adjoints", "a mask", "example readout"])
def test_every_number_is_described_in_every_language(name: str, language: str) -> None:
    trace = TRACES[name]()
    for address in some([*every_line(trace), *every_premise(trace)][::7], 40):
        one = lt.derivation(trace, address, language=language)
        assert one.about
        assert not re.search(r"\{[a-z]{2,}\}", one.about + one.where)
        assert not re.match("[A-Z]_", one.about)
        assert one.about[-1] in ".。"


def test_notations_digits_and_decimal_commas_are_those_of_a_report() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    one = lt.derivation(trace, "i_t[0]", notation="pytorch", digits=2, decimal_comma=True)
    assert (one.equation is not None and one.equation.text, one.shown) == ("i_t = σ(z_i)", "0,40")
    assert one.substituted is not None
    assert one.substituted.tex == r"\sigma(-0{,}40)"
    symbols = replace(trace, header=replace(trace.header, symbols={"i_t": r"\iota_t"}))
    assert lt.derivation(symbols, "i_t[0]").symbol.tex == r"\iota_t[0]"
    joined = lt.derivation(trace, "W_xi @ x_t[0]", notation="joined")
    assert joined.equation is not None
    assert joined.equation.text == "W_xi x_t"


def test_a_value_that_is_wrong_is_found() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    trace.lines["0/forward"]["c_t"][0, 0, 1] += 1e-9
    wrong = lt.derivation(trace, "c_t[1]").verified
    assert wrong.verdict == "failed"
    assert wrong.found - wrong.rederived == pytest.approx(1e-9)
    assert lt.derivation(trace, "c_t[0]").verified.verdict == "verified"
    assert lt.derivation(trace, "tanh(c_t)[1]").verified.verdict == "failed"


def test_numbers_that_are_not_finite() -> None:
    trace = lt.run({"W": [[1.0, 1.0]]}, [[np.inf, -np.inf], [np.nan, 1.0], [1e308, 1e308]],
                   cell={"equations": "h_t = tanh(W @ x_t)"})  # fmt: skip
    for t, shown in ((0, "nan"), (1, "nan"), (2, "inf")):
        one = lt.derivation(trace, f"{t}/W @ x_t[0]")
        assert one.shown.lower().replace("∞", "inf") == shown
        assert one.facts()["value"] in ("NaN", "Infinity")
        json.dumps(one.facts(), allow_nan=False)
        ET.fromstring(one.substituted.mathml if one.substituted else "")  # noqa: S314
    assert lt.derivation(trace, "2/h_t[0]").verified.verdict == "verified"


def test_a_power_of_ten_stands_raised_in_the_number_itself() -> None:
    trace = lt.run({"W": [[1.0]]}, [[1.5e-12]], cell={"equations": "h_t = W @ x_t"})
    formula = lt.derivation(trace, "h_t[0]", digits=4).substituted
    assert formula is not None
    assert '<mn data-address="0/0/x_t[0]">1.5000×10⁻¹²</mn>' in formula.mathml


def test_an_operand_that_was_not_recorded() -> None:
    trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0]], ask="i_t", record=["i_t"])
    one = lt.derivation(trace, "i_t[0]")
    assert (one.verified.verdict, one.substituted, one.operands) == ("inconclusive", None, ())
    assert one.equation is not None
    assert one.equation.text == "i_t = σ(z_i)"


def test_long_sums_are_shortened_with_a_count_and_so_are_many_readers() -> None:
    rng = np.random.default_rng(0)
    own = {f"W_{s}{g}": rng.normal(size=(100, 100)) for s in "xh" for g in "ifco"}
    trace = lt.run(own, rng.normal(size=(2, 100)))
    one = lt.derivation(trace, "1/W_hi @ h_prev[3]")
    assert (len(one.operands), one.operands_left_out) == (30, 170)
    assert one.substituted is not None
    assert "…" in one.substituted.text
    assert one.relation == "≈"
    assert one.operands[1].address == "0/forward/0/0/h_t[0]"
    state = lt.derivation(trace, "0/h_t[7]")
    assert len(state.readers) == 64
    assert state.readers_left_out == 4 * 100 - 64
    assert [r.address for r in state.readers[:2]] == [f"0/forward/1/0/W_hi @ h_prev[{j}]" for j in (0, 1)]


@pytest.mark.parametrize(
    ("address", "kind", "message"),
    [
        ("q_t[0]", MissingError, "the trace has no 'q_t'"),
        ("i_t", MissingError, r"'i_t' is 2 values: name one, from i_t\[0\] to i_t\[1\]"),
        ("W_xi", MissingError, r"'W_xi' is 6 values: name one, from W_xi\[0,0\] to W_xi\[1,2\]"),
        ("W_xi[5,0]", MissingError, r"W_xi has rows and columns 0 to 1 and 0 to 2"),
        ("W_xi[0]", MissingError, "W_xi has rows and columns 0 to 1 and 0 to 2"),
        ("i_t[2]", MissingError, r"i_t has units 0 to 1"),
        ("7/i_t[0]", MissingError, "is not an address here"),
    ],
)
def test_what_is_no_number_is_said(address: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        lt.derivation(lt.run(yaml.safe_load(text("q22"))), address)


def test_wrong_options_are_said() -> None:
    trace = lt.run(yaml.safe_load(text("q22")))
    for wrong, message in (
        ({"notation": "greek"}, "there is no notation 'greek'"),
        ({"language": "xx"}, "there is no language 'xx'"),
        ({"digits": -1}, "digits: expected a whole number"),
        ({"significant": 0}, "significant: expected a whole number"),
        ({"detail": "scalar"}, "there is no argument 'detail'"),
        ({"digit": 3}, "there is no argument 'digit'; did you mean 'digits'"),
    ):
        with pytest.raises(OptionError, match=message):
            lt.derivation(trace, "i_t[0]", **wrong)  # type: ignore[arg-type]
    with pytest.raises(MissingError, match="the trace has no 'q_t'"):
        lt.derivation(trace, "i_t[0]", of="q_t[0]")


def test_a_state_at_a_step_is_the_line_of_the_step_before() -> None:
    trace = lt.run(yaml.safe_load(text("three-steps")))
    assert lt.derivation(trace, "0/forward/2/0/h_prev[0]").address == "0/forward/1/0/h_t[0]"
    assert lt.derivation(trace, "0/forward/0/0/h_prev[0]").address == "0/forward/0/h0[0]"
    assert lt.derivation(trace, "0/forward/0/h_prev[0]").address == "0/forward/0/h0[0]"


def test_one_number_of_a_large_trace_takes_some_milliseconds() -> None:
    rng = np.random.default_rng(0)
    own = {f"W_{s}{g}": rng.normal(size=(64, 64)) for s in "xh" for g in "ifco"}
    trace = lt.run(own, rng.normal(size=(50, 64)))
    times = []
    for unit in range(6):
        start = time.process_time()
        lt.derivation(trace, f"20/c_t[{unit}]", of="49/h_t[0]")
        times.append(time.process_time() - start)
    assert min(times) < 0.02


def test_a_loss_is_no_value_on_the_way_to_itself() -> None:
    problem = read_data("p.yaml", text("three-steps").encode()) | {"count_from": 0, "ask": []}
    trace = lt.run({**problem, "extra": "d_t = h_t - 1\nL = sum(d_t * d_t)\ns_t = tanh(d_t)"})
    said = {name: lt.derivation(trace, name) for name in ("1/L", "1/d_t[0]", "1/s_t[0]")}
    assert {name: found.about for name, found in said.items()} == {
        "1/L": "A single number, such as a loss: nothing else is computed from it.",
        "1/d_t[0]": "A value on the way to L.",
        "1/s_t[0]": "A result: nothing else is computed from it.",
    }
    assert said["1/L"].where == "step t = 1"


def test_a_number_is_worded_when_it_is_read(tmp_path: Path) -> None:
    trace = lt.run(yaml.safe_load(text("three-steps")))
    one = lt.derivation(trace, "2/c_t[1]", of="2/h_t[0]", count_from=1)
    german = lt.derivation(trace, "2/c_t[1]", of="2/h_t[0]", count_from=1, language="de")
    assert one.where != german.where
    for form in ("md", "text", "html", "tex", "typ", "csv", "json"):
        assert one.report(form, language="de") == german.report(form) == german.report(form, language="de")
        assert german.report(form, language="en") == one.report(form) != german.report(form)
    assert one.report(language="de")._repr_html_() == german._repr_html_() != one._repr_html_()
    assert german.to_frame()["where"].tolist() == [r.where for r in (*german.operands, *german.readers)]
    one.save(tmp_path / "one.csv", language="fr")
    assert "unité" in (tmp_path / "one.csv").read_text("utf-8")
    assert pickle.loads(pickle.dumps(one)).report(language="de") == german.report()  # noqa: S301
    assert str(one) == one.report("text").rstrip()
    with pytest.raises(OptionError, match="there is no language 'xx'"):
        one.report(language="xx")


#: A readout of three outputs of two units; each side of its weights has labels.
READOUT = {
    "cell": {
        "equations": "h_t = tanh(W @ x_t + U @ h_prev)\ns_t = V @ h_t + b\nL_t = sum(s_t * s_t)\n"
        "carry: h_prev <- h_t\noutput: L_t"
    },
    "weights": {
        "W": [[0.5, -1.0, 0.25, 0.75], [1.0, 0.25, -0.5, 0.125]],
        "U": [[0.2, -0.4], [0.3, 0.1]],
        "V": [[1.0, -0.5], [0.3, 0.8], [-0.9, 0.4]],
        "b": [0.1, 0.2, 0.3],
    },
    "x": [[1.0, 0.5, 0.25, -0.5], [-0.5, 1.0, 0.75, 0.5]],
    "names": {"x": ["a", "b", "c", "d"], "h": ["mood", "verb"], "y": ["neg", "neu", "pos"]},
    "count_from": 1,
}


@pytest.mark.parametrize(
    ("address", "ends"),
    [
        ("∂L/∂W[1,2]", "unit 1 (mood) ← input 2 (b)"),
        ("∂L/∂V[3,2]", "output 3 (pos) ← unit 2 (verb)"),
        ("∂L/∂b[3]", "output 3 (pos)"),
    ],
)
def test_a_gradient_has_the_labels_of_what_it_is_the_gradient_of(address: str, ends: str) -> None:
    """A weight goes from a unit to another one, and so does its gradient; what is rounded is not said to be equal."""
    found = lt.derivation(lt.backward(lt.run(READOUT), of="L_2"), address)
    assert found.where == ends
    assert f"{address} ≈ " in str(found)


def test_the_parts_of_a_gradient_have_its_labels() -> None:
    """Products that add up to the gradient of an input are of inputs, not of the hidden units they come from."""
    problem = {**READOUT, "cell": {"equations": READOUT["cell"]["equations"].replace("tanh(", "tanh(G @ x_t + ")}}
    problem["weights"] = {**READOUT["weights"], "G": READOUT["weights"]["W"]}
    back = lt.backward(lt.run(problem), of="L_2")
    found = lt.derivation(back, "∂L/∂x_2[4]")
    assert [one.where for one in found.operands] == ["step t = 2, input 4 (d)"] * 2
