"""The stages that the page makes of a cell, and of other equations in a trace, against those of Python."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lstm_trace as lt
from lstm_trace.cell.network import forward_stages, stack
from lstm_trace.cell.parse import parse
from lstm_trace.cell.variants import named
from lstm_trace.errors import LstmTraceError
from lstm_trace.trace.files.trace_file import to_json
from lstm_trace.trace.held import plain_stage

from ..support.cells_as_json import stage_json
from ..support.every_cell import CELLS
from ..support.page_modules import computed
from ..support.tiers import some

MAKE = """
import { parse } from "LINES/grammar.js";
import { edited, stack } from "LINES/network.js";
import { read } from "LINES/trace.js";
import { CellError } from "LINES/errors.js";
const make = ({ text, form, extra, given }) => stack(parse(text), form, extra, given);
const edit = ({ file, equations }) => edited(read(file), equations).stages;
function answer(cases) {
  return cases.map((one) => {
    try {
      return one.file ? edit(one) : make(one);
    } catch (error) {
      if (error instanceof CellError) return error.problems;
      throw error;
    }
  });
}
"""
EXTRAS = (
    "",
    "p_t = softmax(W_hy @ {} + b_y)\n",
    "input: target_t\nscale(z, k=2) = k * z\np_t = scale({})  # a readout\nL_t = squared_error(p_t, target_t)\n"
    "S_t = S_prev + L_t\nN_t = 1 + N_prev\nM_t = S_t / N_t\n",
    "carry: S_prev <- {}, T_prev <- q_t\nq_t = S_prev - {} + T_prev\n",
    "q_t = r_prev + {}\n",
)


def forms() -> list[dict[str, Any]]:
    found = []
    paddings, merges = (None, "zero", "repeat", "carry"), ("concat", "sum", "mean", "product", "none")
    for layers, directions, merge, padding in product((1, 2), (("forward",), ("forward", "reverse")), merges, paddings):
        alone = len(directions) == 1
        if (alone and merge != "concat") or (merge == "none" and layers > 1):
            continue
        found.append({"layers": layers, "directions": [*directions], "merge": merge, "padding": padding})
    return found


def test_stages_of_named_cells_are_the_same() -> None:
    given, wanted = [], []
    kinds = [named(kind, {"bias": "one", **options})[0] for kind, options in some(CELLS.values(), 2)]
    matrices = parse("C_t = 0.5 * C_prev + outer(x_t, k) * G\nh_t = C_t @ x_t\nmatrix: G\ncarry: C_prev <- C_t")
    for form, cell, extra in product(some(forms(), 2), [*kinds, matrices], EXTRAS):
        meets = len(form["directions"]) > 1 and form["merge"] != "none"
        text = extra.format(*["y_t" if meets else cell.output] * 2)
        scope = f"{form['layers'] - 1}/forward"
        supplied = {scope: [cell.lines[1].name]} if len(cell.lines) % 2 else {}
        how = {**form, "directions": tuple(form["directions"])}
        try:
            wanted.append([stage_json(stage) for stage in stack(cell, **how, extra=text, given=supplied)])
        except LstmTraceError as error:
            wanted.append([*error.problems])
        given.append({"text": cell.text, "form": form, "extra": text, "given": supplied})
    made = computed(MAKE, given)
    for one, page, python in zip(given, made, wanted, strict=True):
        assert page == python, one
    assert sum(isinstance(python[0], dict) for python in wanted) > len(wanted) / 2


def traces() -> Iterator[lt.Trace]:
    """Runs of networks: layers, directions, padding, added equations, holds, supplied lines."""
    draw = np.random.default_rng(5)
    for number, (form, extra) in enumerate(some(product(forms(), EXTRAS[:3]), 4)):
        layers, directions, merge, padding = form.values()
        weights: dict[str, Any] = {}
        for layer, direction in product(range(layers), directions):
            wide = 2 if layer == 0 else 3 * (2 if len(directions) > 1 and merge == "concat" else 1)
            for gate in "rzh":
                weights[f"{layer}/{direction}/W_x{gate}"] = draw.normal(size=(3, wide)).tolist()
                weights[f"{layer}/{direction}/W_h{gate}"] = draw.normal(size=(3, 3)).tolist()
                weights[f"{layer}/{direction}/b_{gate}"] = draw.normal(size=3).tolist()
        given: dict[str, Any] = {}
        problem = {
            "cell": {"kind": "gru", "merge": merge, "padding": padding} if padding else {"kind": "gru", "merge": merge},
            "weights": weights,
            "x": draw.normal(size=(2, 3, 2)).tolist(),
            "batch_first": True,
            "given": given,
            **({"lengths": [3, 1]} if padding else {}),
        }
        meets = len(directions) > 1 and merge != "none"
        top = 3 * (2 if meets and merge == "concat" else 1)
        if extra and merge != "none":
            problem["extra"] = extra.format(*["y_t" if meets else "h_t"] * 2)
            if "W_hy" in extra:
                home = f"{layers - 1}/forward/"
                weights |= {f"{home}W_hy": draw.normal(size=(2, top)).tolist(), f"{home}b_y": [0.5, -0.5]}
            else:
                given["target_t"] = draw.normal(size=(2, 3, top)).tolist()
        if number % 4 == 1:
            problem["hold"] = {"0/forward/h_t[0]": 0.5, f"{layers - 1}/forward/r_t": "*2"}
        if number % 4 == 2:
            given[f"{layers - 1}/forward/r_t"] = draw.normal(size=(2, 3, 3)).tolist()
        yield lt.run(problem)


@pytest.fixture(scope="module")
def runs() -> list[lt.Trace]:
    return [*traces()]


def other(text: str, how: int) -> str:
    """Other equations: the same, one changed, one more state, a readout left out."""
    rows = text.splitlines()
    if how == 1:
        return text.replace("tanh(", "softsign(")
    if how == 2:
        at = next(k for k, row in enumerate(rows) if row.startswith("h_t ="))
        rows[at] = f"u_t = 0.5 * u_prev + {rows[at].partition('=')[2]}\nh_t = u_t"
        return "\n".join(rows).replace("carry: ", "carry: u_prev <- u_t, ")
    if how == 3:
        return "\n".join(row for row in rows if not row.startswith(("p_t =", "scale(", "L_t =", "S_t", "N_t", "M_t")))
    return text


def test_other_equations_in_a_trace_give_the_same_stages(runs: list[lt.Trace]) -> None:
    given, wanted = [], []
    for trace, how in product(runs, range(4)):
        scope = forward_stages(trace.stages)[0]
        text = other(scope.cell.text, how)
        try:
            changed = lt.edit(trace, {}, equations=text)
        except LstmTraceError as error:
            wanted.append([str(error)])
        else:
            wanted.append([stage_json(plain_stage(stage)) for stage in changed.stages])  # holds are put there again
        given.append({"file": to_json(trace), "equations": text})
    made = computed(MAKE, given)
    same = 0
    for one, page, python in zip(given, made, wanted, strict=True):
        if isinstance(python[0], dict):
            assert page == python, one["equations"]
            same += 1
    assert same > len(given) / 2


RUN = """
import { read, written } from "LINES/trace.js";
import { edited } from "LINES/network.js";
import { run } from "LINES/run.js";
const answer = (cases) => cases.map(([text, equations]) => written(run(edited(read(text), equations))));
"""


def test_a_trace_with_other_equations_has_the_numbers_of_python(runs: list[lt.Trace], tmp_path: Path) -> None:
    given, wanted = [], []
    for trace, how in product(runs[-1::-4], range(4)):
        text = other(trace.stages[0].cell.text, how)
        try:
            wanted.append(lt.edit(trace, {}, equations=text))
        except LstmTraceError:
            continue
        trace.save(tmp_path / "before.json")
        given.append([(tmp_path / "before.json").read_text("utf-8"), text])
    for page, python in zip(computed(RUN, given), wanted, strict=True):
        (tmp_path / "after.json").write_text(page, "utf-8")
        found = lt.load(tmp_path / "after.json")
        assert lt.verify(found).verdict == lt.verify(python).verdict != "failed"  # 0 / 0 at padding is inconclusive
        assert [stage.scope for stage in found.stages] == [stage.scope for stage in python.stages]
        assert found.header.kind == python.header.kind == "equations"
        assert found.header.ask == python.header.ask
        for scope, lines in python.lines.items():
            assert lines.keys() == found.lines[scope].keys()
            for name, values in lines.items():
                np.testing.assert_allclose(found.lines[scope][name], values, rtol=1e-9, atol=1e-12)
        for part in ("parameters", "initial", "given"):
            mine, theirs = ({s: {*here} for s, here in getattr(t, part).items() if here} for t in (found, python))
            assert mine == theirs
