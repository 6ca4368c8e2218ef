"""Expressions as trees: their text, patterns, what is put in their place, and rewriting."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lstm_trace.mistakes.trees import ExpressionTree, filled, matches, rewritten, sites, total, tree

MATRICES, VECTORS, STATES = {"W_x", "W_h"}, {"b", "b_x", "b_h"}, {"h_prev", "c_prev"}


def allows(letter: str, node: ExpressionTree) -> bool:
    """As in a cell whose weights are those above."""
    name = node.value if node.kind == "name" else None
    kinds = {"W": MATRICES, "p": VECTORS, "q": VECTORS, "v": STATES}
    return name in kinds[letter] if letter in kinds else letter != "n" or node.kind == "number"


# -- text --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + (b + c)", "a + (b + c)"),  # an inner sum is a part of its own
        ("(a + b) + c", "a + b + c"),
        ("(a - b) - c", "a - b - c"),
        ("a - (b - c)", "a - (b - c)"),
        ("a - (b + c)", "a - (b + c)"),
        ("-a + b", "-a + b"),
        ("a + -1", "a - 1"),
        ("-(a + b)", "-(a + b)"),
        ("-(a * b)", "-(a * b)"),
        ("a * (b + c)", "a * (b + c)"),
        ("a * b + c", "a * b + c"),
        ("a * (b * c)", "a * (b * c)"),
        ("(a * b) * c", "a * b * c"),
        ("(a + b) * (c + d)", "(a + b) * (c + d)"),
        ("W_x @ x_t", "W_x @ x_t"),
        ("W_x @ (x_t * a)", "W_x @ (x_t * a)"),
        ("(W_x @ x_t) * a", "W_x @ x_t * a"),
        ("a * (W_x @ x_t)", "a * (W_x @ x_t)"),
        ("1 - f_t", "1 - f_t"),
        ("a * -1", "a * (-1)"),
        ("a - -1", "a + 1"),
        ("sigmoid(a + b)", "sigmoid(a + b)"),
        ("clip(a, -3, 3)", "clip(a, -3, 3)"),
        ("where(a > 0, a, b)", "where(a > 0, a, b)"),
        ("h_t[0:2]", "h_t[0:2]"),
        ("(a + b)[0:1]", "(a + b)[0:1]"),
    ],
)
def test_the_text_of_a_tree_has_the_parentheses_that_it_needs(text: str, expected: str) -> None:
    assert str(tree(text)) == expected
    assert str(tree(expected)) == expected


NAMES = ("a", "b", "c", "d", "e")
leaves = st.one_of(
    st.sampled_from(NAMES).map(lambda name: ExpressionTree("name", name)),
    st.sampled_from([0.5, 1.0, 2.0, -1.0, 1e-3]).map(lambda value: ExpressionTree("number", value)),
)


def _joined(parts: Any) -> Any:
    pair = st.tuples(parts, parts)
    signed = st.lists(st.tuples(st.sampled_from([1.0, -1.0]), parts), min_size=1, max_size=4)
    return st.one_of(
        pair.map(lambda two: ExpressionTree("*", None, two)),
        pair.map(lambda two: ExpressionTree("/", None, two)),
        signed.map(total),
        parts.map(lambda one: ExpressionTree("call", "tanh", (one,))),
        pair.map(lambda two: ExpressionTree("call", "hypot", two)),
    )


trees = st.recursive(leaves, _joined, max_leaves=12)


def value(node: ExpressionTree, numbers: Mapping[str, float]) -> float:
    """The value of a tree, from its structure alone."""
    parts = [value(part, numbers) for part in node.parts]
    if node.kind == "name":
        return numbers[node.value]
    if node.kind == "number":
        return float(node.value)
    if node.kind == "sum":
        found = 0.0
        for sign, part in zip(node.value, parts, strict=True):
            found = found + sign * part
        return found
    if node.kind == "call":
        return math.tanh(parts[0]) if node.value == "tanh" else math.hypot(*parts)
    return parts[0] * parts[1] if node.kind == "*" else parts[0] / parts[1] if parts[1] else math.inf


NUMBERS = {name: 0.3 + 0.37 * k for k, name in enumerate(NAMES)}


@given(trees)
def test_the_text_of_a_tree_is_read_as_the_same_tree(node: ExpressionTree) -> None:
    again = tree(str(node))
    assert str(again) == str(node)
    assert tree(str(again)) == again


@given(trees)
def test_the_text_of_a_tree_has_its_value(node: ExpressionTree) -> None:
    right = value(node, NUMBERS)
    try:
        found = eval(str(node), {"tanh": math.tanh, "hypot": math.hypot}, dict(NUMBERS))  # noqa: S307  # of trees drawn above
    except ZeroDivisionError:
        return
    if math.isfinite(right):
        assert found == pytest.approx(right, rel=1e-9, abs=1e-9)
        assert value(tree(str(node)), NUMBERS) == pytest.approx(right, rel=1e-9, abs=1e-9)


# -- patterns ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        ("s + p => s", "W_x @ x_t + W_h @ h_prev + b", {"W_x @ x_t + W_h @ h_prev"}),
        ("s + p => s", "W_x @ x_t + b_x + W_h @ h_prev + b_h",
         {"W_x @ x_t + W_h @ h_prev + b_h", "W_x @ x_t + b_x + W_h @ h_prev"}),
        ("s + p + q => s + q", "a + b_x + b_h", {"a + b_h", "a + b_x"}),
        ("s + p => s", "b", set()),  # of a sum alone
        ("s + a => s - a", "x + y", {"y - x", "x - y"}),
        ("s + a => s - a", "x - y", {"-y - x"}),  # a subtracted term is none that is added
        ("s - a => s + a", "1 - f_t", {"1 + f_t"}),
        ("s + n => s", "W_x @ x_t + b + 1", {"W_x @ x_t + b"}),
        ("1 - a => a", "1 - f_t", {"f_t"}),
        ("1 - a => a", "2 - f_t", set()),
        ("a * b => a", "f_t * c_prev", {"f_t", "c_prev"}),
        ("W @ a => a @ W", "W_h @ h_prev", {"h_prev @ W_h"}),
        ("W @ a => a @ W", "h_prev @ W_h", set()),
        ("F(a) => a", "sigmoid(z_f)", {"z_f"}),
        ("F(a) => F(F(a))", "tanh(z)", {"tanh(tanh(z))"}),
        ("F(a) => a", "clip(z, -1, 1)", set()),  # of one argument
        ("clip(a, b, c) => a", "clip(z, -1, 1)", {"z"}),
        ("v => tanh(v)", "h_prev", {"tanh(h_prev)"}),
        ("v => tanh(v)", "h_t", set()),
        ("a * a => a", "x * x", {"x"}),
        ("a * a => a", "x * y", set()),  # one letter is one expression
        ("a * (W @ b + p) => W @ (a * b) + p", "r_t * (W_h @ h_prev + b_h)", {"W_h @ (r_t * h_prev) + b_h"}),
    ],
)  # fmt: skip
def test_a_pattern_matches_in_every_order_and_its_letters_are_put_in(
    change: str, text: str, expected: set[str]
) -> None:
    left, right = map(tree, change.split(" => "))
    found = list(sites(left, tree(text), allows, whole=True))
    said = {str(filled(right, one.found)) for one in found}
    assert said == expected


def test_factors_are_exchanged_in_every_order() -> None:
    left, right = tree("a * b + c * d"), tree("c * b + a * d")
    said = {str(filled(right, one.found)) for one in sites(left, tree("f_t * c_prev + i_t * g"), allows, whole=True)}
    assert {"i_t * c_prev + f_t * g", "i_t * f_t + c_prev * g"} <= said
    assert not {"f_t * c_prev + i_t * g", "c_prev * f_t + i_t * g"} & said


@pytest.mark.parametrize(
    ("change", "text", "expected"),
    [
        ("F(a) => a", "o_t * tanh(c_t)", ["o_t * c_t"]),
        ("F(a) => a", "o_t * tanh(tanh(c_t))", ["o_t * tanh(c_t)", "o_t * tanh(c_t)"]),
        ("W @ a => a @ W", "W_x @ x_t + W_h @ h_prev", ["x_t @ W_x + W_h @ h_prev", "W_x @ x_t + h_prev @ W_h"]),
        ("1 - a => a", "u_t * h_prev + (1 - u_t) * h_tilde", ["u_t * h_prev + u_t * h_tilde"]),
        ("s + a => s * a", "a * (x + y)", ["a * (y * x)", "a * (x * y)"]),
        ("s + a => s - a", "z - (x + y)", ["-(x + y) - z", "z - (y - x)", "z - (x - y)"]),
        ("s + p => s", "(x + b)[0:1]", ["x[0:1]"]),
    ],
)
def test_any_part_of_an_expression_is_rewritten(change: str, text: str, expected: list[str]) -> None:
    left, right = map(tree, change.split(" => "))
    node = tree(text)
    said = [str(rewritten(node, {one.node: filled(right, one.found)}.get)) for one in sites(left, node, allows)]
    assert said == expected


PATTERNS = ("s + a", "a * b", "a * b + c * d", "s + a + b", "F(a)", "1 - a", "s - a", "a * (s + b)", "a + F(b)")


@given(st.sampled_from(PATTERNS), trees)
def test_a_pattern_filled_with_what_it_matched_has_the_same_value(pattern: str, node: ExpressionTree) -> None:
    for one in sites(tree(pattern), node, lambda *_: True):
        same = filled(tree(pattern), one.found)
        numbers = value(one.node, NUMBERS), value(same, NUMBERS)
        if all(map(math.isfinite, numbers)):
            assert numbers[0] == pytest.approx(numbers[1], rel=1e-6, abs=1e-6)


@given(st.sampled_from(PATTERNS), st.lists(leaves, min_size=6, max_size=6))
def test_a_pattern_matches_what_it_was_filled_with(pattern: str, parts: list[ExpressionTree]) -> None:
    letters = dict(zip((*"abcd", "s"), parts, strict=False)) | {"F": ExpressionTree("name", "tanh")}
    node = filled(tree(pattern), letters)
    found = [str(filled(tree(pattern), one)) for one in matches(tree(pattern), node, lambda *_: True)]
    assert any(value(tree(one), NUMBERS) == pytest.approx(value(node, NUMBERS)) for one in found)


@given(trees)
def test_nothing_is_rewritten_where_nothing_changes(node: ExpressionTree) -> None:
    assert rewritten(node, lambda _: None) is node
    assert filled(node, {}) is node


def test_what_is_no_expression_of_a_cell_is_refused() -> None:
    for text in ("a ** b", "[a]", "a if b else c", "lambda: a", "a.b", "f(*a)", "a and b", "'text'", "a < b < c"):
        with pytest.raises((ValueError, KeyError)):
            tree(text)
