"""A sheet that is written from top to bottom: text is always text, numbers are numbers, what is neither is an error."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...formulas.numbers import smallest
from ...printable import printable
from .formulas import column, literal
from .texts import TEXTS

#: Decimals that are shown where nothing else is asked for.
DIGITS = 6
#: Numbers from here on are shown with a power of ten.
LARGE = 100_000
#: A cell holds so many characters.
LONGEST = 32_000
#: So many columns stand on a printed page.
ON_PAPER = 10


class Styles:
    """The formats of a workbook that was just begun. digits: decimals of values."""

    def __init__(self, workbook: Any, digits: int) -> None:
        self.digits = digits
        self.fixed = f"0.{'0' * digits}" if digits else "0"  # the number format with so many decimals
        formats = {"value": self.fixed, "power": f"{self.fixed}E+00"}

        def made(look: dict[str, Any], **more: Any) -> Any:
            number = {"num_format": formats.get(look["num_format"], look["num_format"])} if "num_format" in look else {}
            return workbook.add_format({**look, **number, **more})

        base = {"font_name": "Calibri", "font_size": 11}
        workbook.formats[0].set_font_size(11)
        edges, styles = TEXTS["edges"].items(), TEXTS["styles"].items()
        self.looks = {(style, edge): made({**base, **look}, **more) for edge, more in edges for style, look in styles}
        self.link = made(base, font_color="#1F3FBF", underline=1)
        self.rules = {name: made(look) for name, look in TEXTS["rules"].items()}
        self.sheet = _sheet_class()


def property_text(text: str) -> str:
    """A text for the workbook's properties, which have no way to write a tab or a newline."""
    return " ".join(safe(text).split())[:200]


def safe(text: str) -> str:
    """A text as a cell can hold it, and nothing that XlsxWriter would take for markup of its own."""
    text = printable(text)[:LONGEST]
    return f" {text}" if text.startswith("<r>") else text


def units(width: int, labels: Sequence[str]) -> list[str]:
    """The headings of units: the number of each, and its label where there is one."""
    return [f"[{j}] {labels[j]}" if labels else f"[{j}]" for j in range(width)]


def _sheet_class() -> Any:
    """XlsxWriter's worksheet without its search for functions of later versions of Excel, which need a prefix.

    None of ours is one, and the search takes three quarters of the time of writing: 100 patterns for each formula. This
    is the only private part of XlsxWriter that is overridden. If it is called something else one day, writing is slower
    and no less right; a test compares the formulas with those that XlsxWriter writes on its own.
    """
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

    def write(
        self, row: int, at: int, content: str | float, style: str, edge: str = "plain", formula: str = ""
    ) -> None:
        """A text, number or formula in one of the styles; see `put`."""
        self.put(row, at, content, self.styles.looks[style, edge], formula)

    def put(self, row: int, at: int, content: str | float, look: Any, formula: str = "") -> None:
        """A text, which is never read as anything else, a number, or a formula with its result so far.

        A spreadsheet has no NaN and no infinity, so these are #N/A and #DIV/0!, which spread as errors.
        """
        if not isinstance(content, str) and not math.isfinite(content):
            missing = math.isnan(content)
            content = "#N/A" if missing else "#NUM!" if formula else "#DIV/0!"
            formula = formula or ("NA()" if missing else "1/0")
        if formula:
            self.worksheet.write_formula(row, at, formula, look, content)
        elif not isinstance(content, str):
            self.worksheet.write_number(row, at, content, look)
        elif content:
            self.worksheet.write_string(row, at, safe(content), look)
        else:
            self.worksheet.write_blank(row, at, None, look)

    def block(
        self, row: int, at: int, contents: Sequence[str | float], style: str, formulas: Sequence[str] | None = None
    ) -> None:
        """The cells of a block in one row, with a line on its left."""
        for j, content in enumerate(contents):
            edge = "plain" if j else "left"
            self.write(row, at + j, content, style, edge, formulas[j] if formulas else "")

    def across(self, row: int, at: int, width: int, text: str, style: str) -> None:
        """A text over the columns of a block."""
        if width > 1 and text:
            self.worksheet.merge_range(row, at, row, at + width - 1, "", self.styles.looks[style, "block"])
        self.write(row, at, text, style, "block")

    def link(self, row: int, at: int, sheet: str) -> None:
        """The name of a sheet, which leads there."""
        self.worksheet.write_url(row, at, f"internal:'{sheet}'!A1", self.styles.link, sheet)

    def shown(self, top: int, bottom: int, runs: Sequence[range], valid: int | None = None) -> None:
        """Show values, in the columns of `runs`, so that none looks like zero that is not, and padding in grey.

        valid: the column that is 0 where a row is padding; None where there is none.
        """
        areas = [f"{column(run.start)}{top + 1}:{column(run.stop - 1)}{bottom + 1}" for run in runs]
        if valid is not None:  # what holds together is one rule: LibreOffice applies the first that holds, no other
            padding, value = f"${column(valid)}{top + 1}=0", f"{column(runs[0].start)}{top + 1}"
            least = literal(float(smallest(self.styles.digits)))
            power = f"OR(ABS({value})>{LARGE},AND({value}<>0,ABS({value})<={least}))"
            self._rule(areas, "formula", "padding_power", criteria=f"AND({padding},{power})")
            grey = {"type": "formula", "format": self.styles.rules["padding"], "criteria": padding}
            self.worksheet.conditional_format(top, 0, bottom, runs[-1].stop - 1, grey)
        self.sized(areas)

    def sized(self, areas: Sequence[str]) -> None:
        """Show the values of some areas so that none looks like zero that is not, and none is very long."""
        least = float(smallest(self.styles.digits))
        # comparisons load twice as fast as formulas do
        self._rule(areas, "cell", "fixed", criteria="between", minimum=0, maximum=0)
        self._rule(areas, "cell", "power", criteria="between", minimum=-least, maximum=least)
        self._rule(areas, "cell", "power", criteria="not between", minimum=-LARGE, maximum=LARGE)

    def scaled(self, areas: Sequence[str], colours: Sequence[str], low: float, high: float) -> None:
        """Colour the cells of some areas by their values: two colours from low to high, or three with that of 0."""
        how: dict[str, Any] = {"type": f"{len(colours)}_color_scale", "multi_range": " ".join(areas)}
        names, numbers = (("min", "max"), (low, high)) if len(colours) == 2 else (("min", "mid", "max"), (low, 0, high))
        for name, number, colour in zip(names, numbers, colours, strict=True):
            how |= {f"{name}_type": "num", f"{name}_value": number, f"{name}_color": colour}
        self.worksheet.conditional_format(areas[0], how)

    def _rule(self, areas: Sequence[str], kind: str, look: str, **how: Any) -> None:
        how |= {"type": kind, "format": self.styles.rules[look], "multi_range": " ".join(areas)}
        self.worksheet.conditional_format(areas[0], how)

    def named(self, name: str, top: int, left: int, height: int, width: int) -> None:
        """Give a range of this sheet a name."""
        from xlsxwriter.utility import xl_range_abs

        self.workbook.define_name(name, f"='{self.name}'!{xl_range_abs(top, left, top + height - 1, left + width - 1)}")

    def printed(self, last_heading: int | None, columns: int = 1, left: int | None = None) -> None:
        """On paper: landscape, as many pages wide as can be read, the headings and the left columns on every page."""
        self.worksheet.set_landscape()
        self.worksheet.set_paper(9)
        self.worksheet.fit_to_pages(-(-columns // ON_PAPER), 0)
        if last_heading is not None:
            self.worksheet.repeat_rows(0, last_heading)
        if left is not None:
            self.worksheet.repeat_columns(0, left)
