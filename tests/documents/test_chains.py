"""Formulas that are too wide for a line of paper, and chains that are too long for a page."""

from __future__ import annotations

from lstm_trace.documents.blocks import Chain, Row
from lstm_trace.documents.layout import divided, height, on_pages, tex_stretches, widths
from lstm_trace.formulas.plain import Plain
from lstm_trace.formulas.tex import Tex
from lstm_trace.formulas.tree import Mat, Prod, Sym, number

TEX_PRINTER = Tex({})


def matrix(rows: int, columns: int) -> Mat:
    return Mat(tuple(tuple(number(j + k / 8) for k in range(columns)) for j in range(rows)))


def state(values: int, rows: int) -> Chain:
    found = matrix(rows, 2)
    return Chain(("State",), (Row((Sym("C"),), (("=", Prod(found, found)), ("=", found))),) * values)


def test_a_product_of_matrices_that_is_too_wide_continues_with_its_sign() -> None:
    size, node = widths(Plain()), Prod(matrix(2, 3), matrix(2, 3))
    assert divided(node, size, size(node)) == [("", node)]
    assert divided(node, size, size(node) - 1) == [("", node.left), ("⊙", node.right)]
    text = "\n".join(tex_stretches(Chain((), (Row((Sym("C"),), (("=", node),)),)), TEX_PRINTER, size, 26))
    assert text.splitlines()[1].startswith(r"&\quad {}\odot \begin{bmatrix}")


def test_lines_of_a_chain_fit_behind_its_widest_symbol() -> None:
    """All signs stand below one another, so the line of a short symbol has no more room than that of a long one."""
    size, value = widths(Plain()), matrix(3, 2)
    short, long = (Row((Sym(name),), (("=", value), ("=", value))) for name in ("C", "memory_xyz"))
    lines = [*tex_stretches(Chain((), (short,)), TEX_PRINTER, size, 29)]
    assert len(lines) == 1
    lines = [*tex_stretches(Chain((), (short, long)), TEX_PRINTER, size, 29)]
    assert len(lines) == 4


def test_a_chain_longer_than_a_page_is_in_parts() -> None:
    size, chain = widths(Plain()), state(30, 3)
    parts = on_pages(chain, size, 80)
    assert [row for part in parts for row in part.rows] == list(chain.rows)
    assert [bool(part.title) for part in parts] == [True, False, False]
    assert all(height(part, size, 80) <= 40 for part in parts)
    assert on_pages(state(1, 60), size, 80) == [state(1, 60)]
