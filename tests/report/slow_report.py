"""The worked solution: what is printed is what was recorded, and what is printed as equal is equal."""

from __future__ import annotations

from ..support.table_cases import stacked


def test_never_a_hundred_pages_by_accident() -> None:
    trace = stacked(50, 3, 2, 40)
    for detail in ("worked", "scalar", "vector", "summary"):
        text = trace.report("text", detail=detail)
        assert len(text.splitlines()) < 2500
        said = " ".join(text.split())
        assert "Left out here:" in said
        tabled = detail in ("worked", "summary")
        assert ("--detail summary --all shows all steps" if tabled else "some steps (--steps A:B shows them)") in said
        assert "--all shows everything." in said
