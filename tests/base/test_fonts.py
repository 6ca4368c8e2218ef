"""Fonts for scripts that Typst's own fonts lack: what is named, and what is said where there is none."""

from __future__ import annotations

import pytest

from lstm_trace.base import fonts
from lstm_trace.errors import OptionError


def test_what_needs_no_font_of_the_system() -> None:
    assert fonts.uncommon("Größe σ₁ ж → ∂ ␣ ◌\u0301") == []
    assert fonts.uncommon("a ก中ก") == ["ก", "中"]


def test_each_script_has_its_families() -> None:
    assert fonts.families("ที่")[:2] == ["Noto Serif Thai", "Noto Sans Thai"]
    assert "Noto Sans Devanagari" in fonts.families("अ")
    assert fonts.families("中") == fonts.families("가") == fonts.families("ア") == list(fonts.CJK)
    assert [name for name in fonts.families("ก中") if name in ("Noto Sans Thai", "SimSun")] == [
        "Noto Sans Thai",
        "SimSun",
    ]


def test_letters_without_a_font_are_named() -> None:
    pytest.importorskip("typst")
    fonts.check("plain, σ and ◌\u0301", "this report", ".html")
    letter = "\U0003fff0"  # no character has this number
    assert fonts._without_font(["a", "σ", letter], ()) == [letter]


def test_the_message(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("typst")
    monkeypatch.setattr(fonts, "_without_font", lambda letters, named: list(letters))
    with pytest.raises(OptionError) as said:
        fonts.check("a ที่ σ", "this report", ".html or .md")
    assert str(said.value) == (
        "this report has Thai characters (ท), and no font for them was found: install one (Debian and Ubuntu have "
        "them in fonts-noto-core), or write .html or .md"
    )
    with pytest.raises(OptionError, match=r"has East Asian characters \(中\).*fonts-noto-cjk"):
        fonts.check("中", "this picture", ".svg")
