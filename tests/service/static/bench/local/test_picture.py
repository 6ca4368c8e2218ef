"""The picture of a run as the bench draws it from what is known of the run, with the values of a step."""

from __future__ import annotations

import json
from typing import Any

import lstm_trace as lt
from lstm_trace.cell.network import Stage, forward_stages
from lstm_trace.examples import examples
from lstm_trace.languages.strings import words
from lstm_trace.report.content import notations
from lstm_trace.report.diagram import diagram
from lstm_trace.runs.describing import described
from lstm_trace.runs.records import as_json
from lstm_trace.trace.held import plain_stage
from lstm_trace.trace.labels import axis
from lstm_trace.trace.trace import Trace

from .....report.test_diagram import pictured
from .....support.every_cell import ran
from .....support.in_node import in_node
from .....support.tiers import some
from .test_drawing import LOCAL, same_drawing

DRAW = """
const said = (key) => ({ "bench.diagram.next": "to the next step", "bench.diagram.out": "output" })[key];
return data.map(({ run, scope, notation, digits, step, unit }) => {
  const drawn = picture.picture(run, scope, { notation, digits, said });
  if (!step) return drawn;
  return { texts: picture.texts_of(drawn, step, unit, 1), decimals: picture.digits_of(step) };
});
"""


def run_of(trace: Trace) -> dict[str, Any]:
    """A run as the service describes it."""
    found: dict[str, Any] = json.loads(as_json(described(trace, 64)))
    return found


def expected(trace: Trace, stage: Stage, digits: int) -> diagram.Diagram:
    """What a report draws, with room for numbers below 100 of three units, or of one of many hidden ones."""
    stage, room = plain_stage(stage), {}
    for name in (*stage.cell.states, *stage.cell.inputs, *(line.name for line in stage.lines)):
        values = trace.operand(stage.scope, name)
        if values is None:
            continue
        wide, line = values.shape[-1], stage.cell.by_name.get(name)
        hidden = axis(trace, stage, stage.cell.states.get(name, name)) == "h" and not (line and line.op == "concat")
        grid = trace.grid(stage.scope, name)
        count = 1 if hidden and wide > 3 else min(wide, 3)
        room[name] = count * (digits + 4) + 2 * (count - 1)
        room[name] += len(f"[{grid[0]},{grid[1]}] ") if grid and count < min(wide, 3) else 0
    return diagram.Diagram(stage, room, words("en"), trace.header.symbols)


def test_the_picture_follows_from_the_description_of_a_run() -> None:
    """Also of one that is too large for the page: of examples, several layers and directions, padding, and holds."""
    both = {
        f"0/{way}/W_{part}{gate}": [[0.5, -1.0]] * 2
        for way in ("forward", "reverse")
        for part in "xh"
        for gate in "ifco"
    }
    layers = [
        lt.run(both, [[[1.0, 2.0]] * 2] * 2, lengths=[1, 2]),
        lt.run(
            {f"W_{p}{g}": [[0.5]] for p in "xh" for g in "ifco"}, [[1.0], [2.0]], hold={"c_t": 0.5, "tanh(c_t)": "*2"}
        ),
        ran("gru", units=5),
        pictured("example mamba"),  # with symbols of its author
    ]
    traces = [*(pictured(f"example {name}") for name in some(examples(), 1)), *layers]
    cases = [
        (trace, stage, digits)
        for trace in traces
        for stage in forward_stages(trace.stages)
        for digits in some((3, 5), 1)
    ]
    data = [{"run": run_of(trace), "scope": stage.scope, "digits": digits} for trace, stage, digits in cases]
    for (trace, stage, digits), found in zip(cases, in_node(DRAW, data, f"{LOCAL}/picture.js"), strict=True):
        printed = notations.applied(trace, "exercise")[0]
        same_drawing(found, expected(printed, printed.stage(stage.scope), digits))


def test_in_a_notation() -> None:
    """Names of Keras, and those of Olah, who has one product of [h; x]."""
    trace = pictured("example three-steps")
    names = some(["olah", "pytorch", "keras"], 2)
    data = [{"run": run_of(trace), "scope": "0/forward", "notation": name, "digits": 4} for name in names]
    for name, found in zip(names, in_node(DRAW, data, f"{LOCAL}/picture.js"), strict=True):
        printed, _ = notations.applied(trace, name)
        same_drawing(found, expected(printed, printed.stages[0], 4))


def test_the_values_of_a_step() -> None:
    """Three units side by side, the chosen one of more, of a matrix its row and column; the first two of many."""
    wide, matrix = ran("lstm", units=5), pictured("example mamba")
    trace = lt.run({"W_x": [[1.0, 2.0, 3.0, 4.0]], "W_y": [[-0.5]] * 70}, [[1.0, -2.0, 0.0, 3.0]], cell={
        "equations": "h_t = tanh(W_x @ x_t)\ny_t = W_y @ h_t\noutput: y_t"})  # fmt: skip

    def step(run: dict[str, Any], unit: int) -> dict[str, Any]:
        lines = run["stages"][0]["lines"]
        units = {one["name"]: [unit] if one["width"] > 64 else [*range(one["width"])] for one in lines}
        shown = {name: [f"-{k}.5" for k in some] for name, some in units.items()}
        widths = {
            "x_t": run["premises"][0]["shape"][-1],
            **{s: len(units[line]) for s, line in run["stages"][0]["states"].items()},
        }
        shown |= {name: [f"{k}.25" for k in range(width)] for name, width in widths.items()}
        return {"lines": [{"name": name, "units": some} for name, some in units.items()], "shown": shown}

    cases = []
    for one, unit in ((wide, 3), (wide, 9), (matrix, 5), (trace, 66)):
        run = run_of(one)
        cases.append({"run": run, "scope": "0/forward", "digits": 3, "step": step(run, unit), "unit": unit})
    found = in_node(DRAW, cases, f"{LOCAL}/picture.js")
    assert [one["decimals"] for one in found] == [3, 3, 3, 3]  # at least
    one, last, entry, many = (one["texts"] for one in found)
    assert (one["i_t"], one["in:c_prev"], one["in:x_t"]) == ("−3.5", "3.25", "0.25, 1.25")
    assert (last["i_t"], last["in:c_prev"]) == ("−4.5", "4.25")
    assert entry["H_t"] == "[3,2] −5.5"  # counted from 1
    assert (many["in:x_t"], many["h_t"], many["y_t"]) == ("0.25, 1.25, …", "−0.5", "…, −66.5, …")
