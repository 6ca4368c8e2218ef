"""Labels from files as they are shown: every character is seen, on one line, in a bounded number of columns."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import example, given, settings, strategies as st

from lstm_trace.base.display import cells, visible
from lstm_trace.printable import acts


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("", ""),
        ("the", "the"),
        (" the", "␣the"),
        ("a b ", "a b␣"),
        ("   ", "␣␣␣"),
        ("\n", "↵"),
        ("\t|\r\n", "⇥|\\x0d↵"),
        ("a\x1b[2J\x9b", "a\\x1b[2J\\x9b"),
        ("\u200b", "\\u200b"),
        ("\u202eabc\u2066", "\\u202eabc\\u2066"),
        ("\u00a0\u3000", "\\xa0\\u3000"),
        ("\ufdd0\uffff\U0001ffff", "\\ufdd0\\uffff\\U0001ffff"),
        ("\u0301", "◌\u0301"),
        ("\u102d", "◌\u102d"),  # a vowel sign of Burmese, alone
        ("ကို", "ကို"),
        ("e\u0301", "e\u0301"),
        ("می\u200cخواهم", "می\u200cخواهم\u200e"),
        ("👩\u200d👧", "👩\u200d👧"),
        ("\u200da", "\\u200da"),
        ("שלום", "שלום\u200e"),
        ("k" * 24, "k" * 24),
        ("k" * 10_000, "k" * 23 + "…"),
        ("中" * 30, "中" * 11 + "…"),
        ("a" + "\u0301" * 10_000, "a" + "\u0301" * 4 + "…"),
        ("🇩🇪" * 2, "🇩🇪" * 2),
    ],
)
def test_what_is_shown(label: str, shown: str) -> None:
    assert visible(label) == shown


@settings(derandomize=True, deadline=None, max_examples=400)
@given(st.text(st.characters(), max_size=60), st.integers(3, 30))
@example("\u0301" * 60, 5)
@example("\u200d" * 60, 5)
@example(" " * 60, 3)
def test_any_text_is_short_and_seen(label: str, most: int) -> None:
    shown = visible(label, most)
    assert cells(shown) <= most
    assert len(shown) <= 5 * most + 2
    assert not acts(shown)
    assert len(shown.splitlines()) <= 1
    assert shown == shown.strip(" ")
    assert bool(shown) == bool(label)
    assert not shown or not unicodedata.category(shown[0]).startswith("M")
    if label.isascii() and label.isprintable() and len(label) <= most and label == label.strip():
        assert shown == label


@settings(derandomize=True, deadline=None)
@given(st.text(st.characters(categories=("Cc", "Cf", "Zs", "Zl", "Zp")), min_size=1, max_size=8))
def test_what_has_no_shape_has_a_sign_or_an_escape(label: str) -> None:
    shown = visible(label, 200)
    assert re.fullmatch(r"(?:\\x..|\\u....|\\U.{8}|[␣↵⇥ \u200c\u200d])+", shown)
    assert shown.strip(" \u200c\u200d")
