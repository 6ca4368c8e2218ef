"""Fonts for scripts that Typst's own fonts lack: what is named, and what is said where there is none."""

from __future__ import annotations

import json

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


def test_letters_of_other_scripts_are_as_large_as_latin_ones() -> None:
    """They are set smaller, in whole clusters; East Asian ones and Latin ones stay as they are."""
    typst = pytest.importorskip("typst")
    texts = ("ကြို့", "ที่", "◌\u0e35", "က\u200dက", "中", "Größe")
    assert fonts.sized("Größe 中 ∂") == ""
    listed = ", ".join(f'"{text}"' for text in texts)
    size = '#let size(x) = measure(text(top-edge: "bounds", bottom-edge: "bounds", x))\n'
    sizes = "#context [#metadata((%s).map(x => size(x)).map(m => (m.width.pt(), m.height.pt()))) <sizes>]"
    families = ", ".join(f'"{name}"' for name in ("New Computer Modern", *fonts.families("".join(texts))))
    page = f"#set text(size: 40pt, font: ({families}))\n{size}"
    plain, ruled = (
        json.loads(typst.query(f"{page}{rule}{sizes % listed}".encode(), "<sizes>", field="value", one=True))
        for rule in ("", fonts.sized("".join(texts)))
    )
    for text, before, after in zip(texts, plain, ruled, strict=True):
        smaller = 1 if text in ("中", "Größe") else 0.8
        assert after == pytest.approx([smaller * x for x in before], rel=1e-3), text


def test_burmese_is_bold_where_the_text_is() -> None:
    assert fonts.families("က")[0] == "Noto Sans Myanmar"


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
