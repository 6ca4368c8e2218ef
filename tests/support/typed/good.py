"""A user's script that is right: type checkers find nothing, and it runs. See `tests/slow_types.py`."""

from __future__ import annotations

from typing import Any

import lstm_trace as lt

SHAPE = {"equations": "h_t = tanh(W_x @ x_t + b)"}
WEIGHTS: dict[str, Any] = {f"W_{side}{gate}": [[0.5, -0.25], [0.125, 1.0]] for gate in "ifco" for side in "xh"}
X = [[1.0, 2.0], [0.5, -1.0], [0.0, 3.0]]


def explained(trace: lt.Trace, how: lt.How, **options: Any) -> str:
    """Options that are passed on."""
    return lt.explain(trace, "2/h_t[1]", how, **options).report("md")


def main(cell: str = "lstm") -> None:
    """Everything that a user writes first."""
    model: lt.Model = lt.prepare(WEIGHTS, cell=lt.cell_name(cell), options={"forget_bias": 1.0}, name="mine")
    trace = lt.run(WEIGHTS, X, cell="lstm", options={"forget_bias": 1.0}, ask=["h_t", "i_t"], plan="lines")
    again: lt.Trace = model.run(X, hold={"1/f_t[0]": 0.0}, record={"lines": ["h_t"]})
    lt.run({"W_x": [[0.5, 1.0]], "b": [0.0]}, X, cell=SHAPE)
    text: str = trace.report("html", detail="scalar", digits=3, steps=slice(0, 2), unit=1, language="de")
    trace.pdf  # noqa: B018
    frame = trace.to_frame("wide", names="safe", only=["c_t"], layer=0, direction="forward")
    print(len(text), len(frame), trace.at(direction="forward").steps, lt.verify(again).report("text", width=100))
    whole = model.run(X)
    ledger = lt.explain.memory(whole, "2/c_t[1]")
    print(ledger.half_life, lt.explain.gates(whole, low=0.05).behaviour, explained(whole, "contribution", points=50))
    solution = lt.explain.gradient(whole, "2/h_t[0]", detail="summary", steps=slice(0, 2), digits=3)
    print(solution.report("md", language="fr"), lt.explain.ablation(whole, "2/h_t[0]", over="lines", to="*0.5"))
    print(lt.derivation(whole, "2/h_t[0]", notation="pytorch", digits=3, trim=True).shown)
    print(lt.diff(whole, model.run(X), ulps=2).verdict, lt.sheet([trace]).report("tex", fragment=True, heading=1))
    figure = whole.plot.states(direction="forward", order="cluster", language="es")
    print(figure.title, whole.plot(unit=0).title)
    options: lt.ReportOptions = {"notation": "keras", "decimal_comma": True}
    print(trace.report(**options))
    try:
        lt.load("none.json")
    except lt.FileError as error:
        print(error.problems)


if __name__ == "__main__":
    main()
