"""A sheet that is written from top to bottom: text is always text, numbers are numbers, what is neither is an error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from ...formulas.numbers import smallest
from ...printable import printable
from .formulas import column, literal

Style = Literal[
    "title", "note", "name", "heading", "unit", "column", "text", "place", "count", "weight", "input", "copy",
    "part", "result", "recorded", "difference", "verdict", "padding",
]  # fmt: skip

#: Decimals that are shown where nothing else is asked for.
DIGITS = 6
#: Numbers from here on are shown with a power of ten.
LARGE = 100_000
# Stands for the format of values, which depends on the digits. Every format has one section: where there are more, with
# conditions such as [>=100000], LibreOffice and Excel each leave the minus sign out in sections of their own. What
# depends on the value is a rule of conditional formatting (`Page.shown`).
_VALUE = "value"
_LINE = "#BFBFBF"
_BASE: dict[str, Any] = {"font_name": "Calibri", "font_size": 11}
STYLES: dict[Style, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 15},
    "note": {"font_color": "#595959"},
    "name": {"bold": True},
    "verdict": {"bold": True, "indent": 1},
    "heading": {"font_color": "#595959", "font_size": 10},
    "unit": {"font_color": "#595959", "bottom": 1, "bottom_color": _LINE, "align": "right"},
    "column": {"font_color": "#595959", "bottom": 1, "bottom_color": _LINE},
    "text": {},
    "place": {"font_color": "#595959", "align": "right"},
    "count": {"num_format": "#,##0"},
    "weight": {"bg_color": "#FFF2CC", "font_color": "#1F3FBF", "num_format": "General"},
    "input": {"bg_color": "#DDEBF7", "font_color": "#1F3FBF", "num_format": "General"},
    "copy": {"bg_color": "#F2F2F2", "num_format": _VALUE},
    "part": {"num_format": _VALUE},
    "result": {"bg_color": "#E2EFDA", "num_format": _VALUE},
    "recorded": {"font_color": "#7F7F7F", "italic": True, "num_format": _VALUE},
    "difference": {"num_format": "0.0E+00"},
    "padding": {"bg_color": "#EDEDED", "font_color": "#8C8C8C"},
}
#: A cell holds so many characters.
LONGEST = 32_000
#: So many columns stand on a printed page.
ON_PAPER = 10


class Styles:
    """The formats of a workbook; each style also with a line on its left, where a block begins."""

    def __init__(self, workbook: Any, digits: int) -> None:
        self.digits = digits
        looks = {style: {**_BASE, **look} for style, look in STYLES.items()}
        for look in looks.values():
            if look.get("num_format") == _VALUE:
                look["num_format"] = fixed(digits)
        self.plain = {style: workbook.add_format(look) for style, look in looks.items()}
        left = {"left": 1, "left_color": _LINE}
        self.first = {style: workbook.add_format({**look, **left}) for style, look in looks.items()}
        self.block = {style: workbook.add_format({**look, **left, "align": "left"}) for style, look in looks.items()}
        self.link = workbook.add_format({**_BASE, "font_color": "#1F3FBF", "underline": 1})
        self.sheet = _sheet_class()
        power = {"num_format": f"{fixed(digits)}E+00"}
        rules: dict[str, dict[str, Any]] = {
            "alarm": {"bg_color": "#F8CBAD"}, "zero": {"num_format": "0"}, "fixed": {"num_format": fixed(digits)},
            "power": power, "padding": STYLES["padding"], "padding power": {**STYLES["padding"], **power},
        }  # fmt: skip
        #: Of conditional formatting: they change what they name and leave the rest.
        self.rules = {name: workbook.add_format(look) for name, look in rules.items()}


def open_styles(workbook: Any, digits: int = DIGITS) -> Styles:
    """The styles of a workbook that was just begun. digits: decimals of values."""
    workbook.formats[0].set_font_size(11)
    return Styles(workbook, digits)


def fixed(digits: int) -> str:
    """The number format with so many decimals."""
    return f"0.{'0' * digits}" if digits else "0"


def property_text(text: str) -> str:
    """A text for the workbook's properties, which have no way to write a tab or a newline."""
    return " ".join(safe(text).split())[:200]


def safe(text: str) -> str:
    """A text as a cell can hold it, and nothing that XlsxWriter would take for markup of its own."""
    text = printable(text)[:LONGEST]
    return f" {text}" if text.startswith("<r>") else text


def unit(j: int, labels: Sequence[str]) -> str:
    """The heading of a unit: its number, and its label where there is one."""
    return f"[{j}] {labels[j]}" if labels else f"[{j}]"


def _sheet_class() -> Any:
    """XlsxWriter's worksheet, which takes a formula as it is: no function of ours needs a prefix, and looking for those
    that would takes more than half of the time."""
    from xlsxwriter.worksheet import Worksheet

    class Sheet(Worksheet):  # type: ignore[misc]
        def _prepare_formula(self, formula: str, *_: Any, **__: Any) -> str:
            return formula

    return Sheet


class Page:
    """One sheet. Rows must be written in order; within a row, in any."""

    def __init__(self, workbook: Any, name: str, styles: Styles, tab: str) -> None:
        self.workbook, self.name, self.styles = workbook, name, styles
        self.worksheet = workbook.add_worksheet(name, styles.sheet)
        self.worksheet.set_tab_color(tab)
        self.worksheet.hide_gridlines(2)
        self.next = 0

    def write(self, row: int, at: int, text: str, style: Style, first: bool = False) -> None:
        """A text, never read as anything else."""
        look = (self.styles.first if first else self.styles.plain)[style]
        if text:
            self.worksheet.write_string(row, at, safe(text), look)
        else:
            self.worksheet.write_blank(row, at, None, look)

    def across(self, row: int, at: int, width: int, text: str, style: Style) -> None:
        """A text over the columns of a block."""
        look = self.styles.block[style]
        if width > 1 and text:
            self.worksheet.merge_range(row, at, row, at + width - 1, "", look)
        if text:
            self.worksheet.write_string(row, at, safe(text), look)
        else:
            self.worksheet.write_blank(row, at, None, look)

    def units(self, row: int, at: int, width: int, labels: Sequence[str]) -> None:
        """The number of each unit, with its label."""
        for j in range(width):
            self.write(row, at + j, unit(j, labels), "unit", first=j == 0)

    def place(self, row: int, b: int, t: int) -> None:
        """The batch row and the step, left of their values."""
        self.worksheet.write_number(row, 0, b, self.styles.plain["place"])
        self.worksheet.write_number(row, 1, t, self.styles.plain["place"])

    def number(self, row: int, at: int, value: float, style: Style, first: bool = False) -> None:
        """A number; a spreadsheet has no NaN and no infinity, so these are #N/A and #DIV/0!, which spread as errors."""
        look = (self.styles.first if first else self.styles.plain)[style]
        if math.isfinite(value):
            self.worksheet.write_number(row, at, value, look)
        elif math.isnan(value):
            self.worksheet.write_formula(row, at, "NA()", look, "#N/A")
        else:
            self.worksheet.write_formula(row, at, "1/0", look, "#DIV/0!")

    def formula(self, row: int, at: int, text: str, value: float, style: Style, first: bool = False) -> None:
        """A formula with its result so far."""
        look = (self.styles.first if first else self.styles.plain)[style]
        shown = value if math.isfinite(value) else "#N/A" if math.isnan(value) else "#NUM!"
        self.worksheet.write_formula(row, at, text, look, shown)

    def text_formula(self, row: int, at: int, text: str, value: str, style: Style) -> None:
        """A formula that gives a text."""
        self.worksheet.write_formula(row, at, text, self.styles.plain[style], value)

    def array(self, row: int, at: int, text: str, value: float, style: Style) -> None:
        """A formula that goes through whole ranges and gives one number."""
        self.worksheet.write_array_formula(row, at, row, at, text, self.styles.plain[style], value)

    def link(self, row: int, at: int, sheet: str) -> None:
        """The name of a sheet, which leads there."""
        self.worksheet.write_url(row, at, f"internal:'{sheet}'!A1", self.styles.link, sheet)

    def shown(self, top: int, bottom: int, runs: Sequence[range], valid: int | None = None) -> None:
        """Show values, in the columns of `runs`, so that none looks like zero that is not, and padding in grey.

        valid: the column that is 0 where a row is padding; None where there is none.
        """
        areas = [f"{column(run.start)}{top + 1}:{column(run.stop - 1)}{bottom + 1}" for run in runs]
        least = float(smallest(self.styles.digits))

        def rule(kind: str, look: str, **how: Any) -> None:
            how |= {"type": kind, "format": self.styles.rules[look], "multi_range": " ".join(areas)}
            self.worksheet.conditional_format(areas[0], how)

        if valid is not None:  # what holds together is one rule: LibreOffice applies the first that holds, no other
            padding, value = f"${column(valid)}{top + 1}=0", f"{column(runs[0].start)}{top + 1}"
            power = f"OR(ABS({value})>{LARGE},AND({value}<>0,ABS({value})<={literal(least)}))"
            rule("formula", "padding power", criteria=f"AND({padding},{power})")
            grey = {"type": "formula", "format": self.styles.rules["padding"], "criteria": padding}
            self.worksheet.conditional_format(top, 0, bottom, runs[-1].stop - 1, grey)
        # comparisons load twice as fast as formulas do
        rule("cell", "fixed", criteria="between", minimum=0, maximum=0)
        rule("cell", "power", criteria="between", minimum=-least, maximum=least)
        rule("cell", "power", criteria="not between", minimum=-LARGE, maximum=LARGE)

    def row(self, texts: tuple[str, ...], style: Style, link: str = "") -> None:
        """The next row: texts from the left, the first with the style."""
        for at, text in enumerate(texts):
            if at == 0 and link:
                self.link(self.next, 0, link)
            elif text:
                self.write(self.next, at, text, style if at == 0 else "text")
        self.next += 1

    def named(self, name: str, top: int, left: int, bottom: int, right: int) -> None:
        """Give a range of this sheet a name."""
        area = f"${column(left)}${top + 1}"
        if (top, left) != (bottom, right):
            area += f":${column(right)}${bottom + 1}"
        self.workbook.define_name(name, f"='{self.name}'!{area}")

    def printed(self, last_heading: int | None, columns: int = 1, left: int | None = None) -> None:
        """On paper: landscape, as many pages wide as can be read, the headings and the left columns on every page."""
        self.worksheet.set_landscape()
        self.worksheet.set_paper(9)
        self.worksheet.fit_to_pages(-(-columns // ON_PAPER), 0)
        if last_heading is not None:
            self.worksheet.repeat_rows(0, last_heading)
        if left is not None:
            self.worksheet.repeat_columns(0, left)
