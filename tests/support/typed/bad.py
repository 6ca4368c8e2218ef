"""A user's script with mistakes, each marked `# wrong`: type checkers find each of them, and nothing else."""

from __future__ import annotations

from typing import Any

import lstm_trace as lt


def main(weights: dict[str, Any], x: list[list[float]], name: str, trace: lt.Trace, model: lt.Model) -> None:
    """Mistakes that an editor should underline."""
    lt.run(weights, x, opshuns=3)  # wrong
    lt.run(weights, x, cell="lstmm")  # wrong
    lt.run(weights, x, cell=name)  # wrong
    lt.run(weights, x, plan="fast")  # wrong
    lt.run(weights, x, batch_first="yes")  # wrong
    lt.prepare(weights, cel="gru")  # wrong
    model.run(x, hald={"c_t": 0.0})  # wrong
    trace.report("pfd")  # wrong
    trace.report("md", wdith=100)  # wrong
    trace.report(detail="scaler")  # wrong
    trace.report(language="it")  # wrong
    trace.report(digits="3")  # wrong
    trace.pdf(notation="torch")  # wrong
    trace.to_frame("broad")  # wrong
    trace.to_frame("wide", onlyy=["c_t"])  # wrong
    trace.to_frame(names="save")  # wrong
    trace.at(direction="backward")  # wrong
    trace.save("t.json", "json", "utf-8")  # wrong
    trace.plot.statess()  # wrong
    trace.plot.states(order="size")  # wrong
    lt.explain(trace, "2/h_t[0]", "memry")  # wrong
    lt.explain(trace, "2/h_t[0]", pionts=3)  # wrong
    lt.explain.memroy(trace, "2/h_t[0]")  # wrong
    lt.explain.gates(trace, lo=0.1)  # wrong
    lt.explain.ablation(trace, "2/h_t[0]", over="layers")  # wrong
    lt.explain.gradient(trace, "2/h_t[0]", detial="scalar")  # wrong
    lt.verify(trace).save("v.md", "markdown")  # wrong
    lt.verify(trace).report(language="deutsch")  # wrong
    lt.diff(trace, trace, rtoll=1e-3)  # wrong
    lt.diff(weights, trace, x=x, lenghts=[3])  # wrong
    lt.attribute(weights, trace, "2/h_t[0]", x=x, cell="lsmt")  # wrong
    lt.derivation(trace, "2/h_t[0]", signifcant=3)  # wrong
    lt.derivation(trace, "2/h_t[0]", notation="tensorflow")  # wrong
    lt.sheet([trace]).report("txt")  # wrong
    lt.capture(model, aks="f_t")  # wrong
    lt.profile(trace, direction="up")  # wrong
    lt.client("http://127.0.0.1").run(model).explain("memmory")  # wrong
    lt.runn(weights, x)  # wrong
