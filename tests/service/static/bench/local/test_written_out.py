"""Formulas that are written out are bounded: a value that is read twice is written out twice."""

from __future__ import annotations

import lstm_trace as lt

from .replies import Asked, in_page, in_python


def test_calls_within_calls_end_in_dots() -> None:
    deep = "hard_shrink(" * 7 + "x_t" + ")" * 7
    trace = lt.run({}, [[0.7, -1.2]], cell={"equations": f"h_t = {deep}\noutput: h_t"})
    asked = Asked("at", {}, "0/forward/0/0/h_t[0]")
    ((found,),) = in_page({"deep": trace}, {"deep": [asked]}).values()
    written = found["written_out"]
    assert "…" in written["text"]
    assert 5_000 < len(written["text"]) < 10_000
    assert found == in_python(trace, asked)
