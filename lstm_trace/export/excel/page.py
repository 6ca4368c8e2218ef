"""A workbook's file, its texts, and a sheet that is written from top to bottom.

The file is either complete or absent, whatever the disk does. Text is always text, numbers are numbers, and anything
else is an error. The texts of the workbook are in texts.toml.
"""

from __future__ import annotations

import io
import math
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import gettempdir
from typing import IO, Any

from ...base.arrays import by_key
from ...base.extras import missing
from ...base.packaged import packaged
from ...base.writing import Target, destination, folder, written
from ...errors import OptionError, TooLargeError
from ...formulas.numbers import smallest
from ...languages.strings import capital, words_for
from ...printable import printable
from ...trace.address import index_text
from ...trace.trace import Trace
from .formulas import address, area, literal, rounding
from .sheets import BY_HAND, CHECK, INPUTS, README, START, TOTALS, Book


class _Target:
    """The file into which the archive is written; `drop` diverts from it whatever is still written.

    XlsxWriter leaves its archive open after an error, and an open archive writes its end when it is collected.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)

    def drop(self) -> None:
        """Keep what is written from now on in memory, where nobody reads it."""
        self.file = io.BytesIO()


@contextmanager
def workbook(path: Target) -> Iterator[Any]:
    """An XlsxWriter workbook whose rows go to disk at once; it appears under `path` when all of it is written.

    The rows wait in files next to `path`, where there must be room for the workbook anyway, and are removed at the end;
    those of an open stream where temporary files are.
    Raises OptionError if XlsxWriter is missing, FileError if `path` cannot be written, TooLargeError.
    """
    try:
        import xlsxwriter
        from xlsxwriter.exceptions import FileCreateError, FileSizeError
    except ImportError:
        raise OptionError(missing(".xlsx", "XlsxWriter", "write .csv")) from None
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    beside = destination(path) if isinstance(path, str | Path) else Path(gettempdir(), "stream")
    with written(path, "wb") as file, folder(beside, ".rows") as rows:
        target = _Target(file)
        made = xlsxwriter.Workbook(target, {**options, "tmpdir": rows})
        try:
            yield made
            made.close()
        except BaseException as error:
            target.drop()
            for sheet in made.worksheets():
                with suppress(OSError):  # what it holds cannot be written either
                    sheet.row_data_fh.close()
            if isinstance(error, FileCreateError):
                raise error.args[0] from None
            if isinstance(error, FileSizeError):
                said = "which .xlsx cannot hold; choose fewer steps or lines, or write .parquet"
                raise TooLargeError(f"{path}: a sheet has more than 4 GB, {said}") from None
            raise


TEXTS: dict[str, Any] = packaged("export/excel/texts.toml")


def sheets(book: Book, by_hand: bool, units: Collection[str] = ()) -> list[tuple[str, str, str]]:
    """(name, colour of its tab, what it holds) of every sheet, in order.

    by_hand: whether it has the sheet "By hand". units: the sheets of one unit.
    """
    grids = list(book.grids.items())
    checked = [grid for _, grid in grids if grid.lines]
    lengths = bool(book.starts) and not book.starts[0].scope
    found = [
        *([(BY_HAND, BY_HAND, 0, "")] if by_hand else []),
        (README, README, 0, ""),
        *([(book.named(INPUTS), INPUTS, 0, "")] if book.live and book.reads_x else []),
        *([(book.named(START), START, lengths, "")] if book.starts else []),
        *((grid.named("Weights"), "Weights", 0, "") for scope, grid in grids if book.tables.get(scope)),
        *((grid.sheet, grid.kind, book.live, "") for _, grid in grids),
        *((name, "Unit", 0, "") for name in units),
        *((grid.named(TOTALS), TOTALS, 0, "") for scope, grid in grids if book.totals.get(scope)),
        *([(CHECK, CHECK, 0, "")] if checked else []),
        *((grid.recorded, "Recorded", 0, grid.sheet) for grid in checked),
    ]
    tabs = TEXTS["tabs"]
    return [(name, tabs[kind][0], tabs[kind][1 + which].format(sheet=of)) for name, kind, which, of in found]


def about(book: Book, left_out: str, units: Collection[str] = ()) -> Iterator[tuple[str, str, str]]:
    """The rows of 'Read me': a text, another in the next column, and the style of the first, or `link` for a sheet.

    left_out: why there is no sheet "By hand"; empty if there is one. units: the sheets of one unit.
    """
    header, said = book.trace.header, TEXTS["read_me"]
    computed = header.dtype if rounding(header.arithmetic) is not None else header.arithmetic or header.dtype
    flags = {"all": True, "live": book.live, "padded": book.padded, "rounded": book.live and computed != "float64"}
    flags |= {"zero": not header.count_from, "one": bool(header.count_from), "both": False}
    there = [(name, what, "link") for name, _, what in sheets(book, not left_out, units) if name != README]
    there += [(BY_HAND, said["left_out"].format(why=left_out), "note")] if left_out else []
    parts: list[tuple[str, Iterable[tuple[str, str, str]]]] = [(said["change"], ())] if book.live else []
    parts += [
        ("Sheets", there),
        ("Colours", ((style, what, style) for when, style, what in said["colours"] if flags[when])),
        ("How to read it", (("", one.format(dtype=computed), "text") for when, one in said["reading"] if flags[when])),
    ]
    seen = by_key((grid.stage.cell.text, grid.stage.scope) for grid in book.grids.values())
    for text, scopes in seen.items():
        # the sheet's headings state what a gradient refers to
        rows = [("", line, "text") for line in text.splitlines() if not line.startswith("gradient:")]
        parts.append((f"Equations of {', '.join(scopes)}" if len(seen) > 1 else "Equations", rows))
    yield header.title or f"The cell {header.kind}", "", "title"
    yield _extent(book), "", "note"
    if said := on_purpose(book.trace):
        yield said, "", "note"
    for heading, listed in parts:
        yield from (("", "", "text"), (heading, "", "name"), *listed)
    yield "", "", "text"


def on_purpose(trace: Trace) -> str:
    """The mistakes that a trace has on purpose, as a sentence; empty if it has none."""
    if not trace.header.mistakes:
        return ""
    from ...mistakes.in_words import purpose  # few traces have one

    return "".join(map(str, capital((f"{purpose(trace, words_for(trace, 'en'))}. ".replace("`", ""),))))


def _extent(book: Book) -> str:
    trace = book.trace
    first, last = (step + trace.header.count_from for step in (book.steps[0], book.steps[-1]))
    steps = f"step {first}" if first == last else f"steps {first} to {last}"
    rows = "" if trace.batch == 1 else f", rows {book.rows[0]} to {book.rows[-1]} of {trace.batch}"
    steps += "" if trace.first else f" of {trace.steps}"
    return f"Cell: {trace.header.kind}; {steps}{rows}; {', '.join(book.grids)}; {trace.header.dtype}"


#: Decimals that are shown unless others are requested.
DIGITS = 6
#: Numbers from this size on are shown with a power of ten.
LARGE = 100_000
#: The number of characters that a cell holds.
LONGEST = 32_000
#: The number of columns that fit on a printed page.
ON_PAPER = 15


class Styles:
    """The formats of a workbook that was just begun. digits: decimals of values."""

    def __init__(self, workbook: Any, digits: int) -> None:
        self.digits = digits
        self.fixed = f"0.{'0' * digits}" if digits else "0"  # the number format with this many decimals
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
        self.names: set[str] = set()  # of the ranges so far


def safe(text: str) -> str:
    """A text as a cell can hold it, without anything that XlsxWriter would take for markup of its own."""
    text = printable(text)[:LONGEST]
    return f" {text}" if text.startswith("<r>") else text


def units(width: int, labels: Sequence[str], first: int, across: int | None = None) -> list[str]:
    """The headings of units: the number of each, and its label if it has one; of a matrix row and column.

    first: the number of the first.
    """
    numbers = [index_text((j,), across, first) for j in range(width)]
    return [f"{number} {label}" for number, label in zip(numbers, labels, strict=True)] if labels else numbers


def _sheet_class() -> Any:
    """XlsxWriter's worksheet without its search for functions of later versions of Excel, which need a prefix.

    None of our functions is one, and the search takes three quarters of the writing time: 100 patterns for each
    formula. This is the only private part of XlsxWriter that is overridden. If it is renamed one day, writing is slower
    but just as correct; a test compares the formulas with those that XlsxWriter writes on its own.
    """
    from xlsxwriter.worksheet import Worksheet

    class PlainSheet(Worksheet):  # type: ignore[misc]
        def _prepare_formula(self, formula: str, *_: Any, **__: Any) -> str:
            return formula

    return PlainSheet


class Page:
    """One sheet. Rows must be written in order; within a row, in any."""

    def __init__(self, workbook: Any, name: str, styles: Styles, tab: str) -> None:
        self.workbook, self.name, self.styles = workbook, name, styles
        self.worksheet = workbook.add_worksheet(name, styles.sheet)
        self.worksheet.set_tab_color(tab)
        self.worksheet.hide_gridlines(2)

    def write(self, row: int, at: int, value: str | float, style: str, edge: str = "plain", formula: str = "") -> None:
        """A text, number or formula in one of the styles; see `put`."""
        self.put(row, at, value, self.styles.looks[style, edge], formula)

    def put(self, row: int, at: int, content: str | float, look: Any, formula: str = "") -> None:
        """A text, which is never read as anything else, a number, or a formula with its result so far.

        A spreadsheet has no NaN and no infinity, so these are #N/A and #DIV/0!, which propagate as errors.
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
            self.write(row, at + j, content, style, "plain" if j else "left", formulas[j] if formulas else "")

    def across(self, row: int, at: int, width: int, text: str, style: str) -> None:
        """A text over the columns of a block."""
        if width > 1 and text:
            self.worksheet.merge_range(row, at, row, at + width - 1, "", self.styles.looks[style, "block"])
        self.write(row, at, text, style, "block")

    def link(self, row: int, at: int, sheet: str) -> None:
        """The name of a sheet, as a link to it."""
        self.worksheet.write_url(row, at, f"internal:'{sheet}'!A1", self.styles.link, sheet)

    def shown(self, top: int, bottom: int, runs: Sequence[range], valid: int | None = None) -> None:
        """Show values, in the columns of `runs`, so that only zeros look like zero, and padding in grey.

        valid: the column that is 0 if a row is padding; None if there is none.
        """
        areas = [area(top, run.start, bottom, run.stop - 1) for run in runs]
        if valid is not None:  # related conditions are one rule: LibreOffice applies only the first that holds
            padding, value = f"${address(top, valid)}=0", address(top, runs[0].start)
            least = literal(float(smallest(self.styles.digits)))
            power = f"OR(ABS({value})>{LARGE},AND({value}<>0,ABS({value})<={least}))"
            self._rule(areas, "formula", "padding_power", criteria=f"AND({padding},{power})")
            grey = {"type": "formula", "format": self.styles.rules["padding"], "criteria": padding}
            self.worksheet.conditional_format(top, 0, bottom, runs[-1].stop - 1, grey)
        self.sized(areas)

    def sized(self, areas: Sequence[str]) -> None:
        """Show the values of some areas so that only zeros look like zero, and none is very long."""
        least = float(smallest(self.styles.digits))
        # comparisons load twice as fast as formulas
        self._rule(areas, "cell", "fixed", criteria="between", minimum=0, maximum=0)
        self._rule(areas, "cell", "power", criteria="between", minimum=-least, maximum=least)
        self._rule(areas, "cell", "power", criteria="not between", minimum=-LARGE, maximum=LARGE)

    def scaled(self, areas: Sequence[str], colours: Sequence[str], low: float, high: float) -> None:
        """Colour the cells of some areas by their values: two colours from low to high, or three with one for 0."""
        how: dict[str, Any] = {"type": f"{len(colours)}_color_scale", "multi_range": " ".join(areas)}
        names, numbers = (("min", "max"), (low, high)) if len(colours) == 2 else (("min", "mid", "max"), (low, 0, high))
        for name, number, colour in zip(names, numbers, colours, strict=True):
            how |= {f"{name}_type": "num", f"{name}_value": number, f"{name}_color": colour}
        self.worksheet.conditional_format(areas[0], how)

    def _rule(self, areas: Sequence[str], kind: str, look: str, **how: Any) -> None:
        how |= {"type": kind, "format": self.styles.rules[look], "multi_range": " ".join(areas)}
        self.worksheet.conditional_format(areas[0], how)

    def named(self, name: str, top: int, left: int, height: int, width: int) -> None:
        """Give a range of this sheet a name; mark what differs from the range of that name of the other side."""
        from xlsxwriter.utility import xl_range_abs

        place = top, left, top + height - 1, left + width - 1
        self.workbook.define_name(name, f"='{self.name}'!{xl_range_abs(*place)}")
        self.styles.names.add(name)
        if name.endswith("_B") and (other := f"{name[:-1]}A") in self.styles.names:
            # by name: before Excel 2010 a rule could not refer to another sheet
            unlike = f"{address(top, left)}<>INDEX({other},ROW()-{top},COLUMN()-{left})"
            how = {"type": "formula", "criteria": unlike, "format": self.styles.rules["differs"]}
            self.worksheet.conditional_format(*place, how)

    def titled(self, title: str, note: str) -> None:
        """The first two rows."""
        self.title = title
        self.write(0, 0, title, "title")
        self.write(1, 0, note, "note")

    def printed(self, top: int = 0, left: int = 0, columns: int = 1, bottom: int = 0) -> None:
        """On paper: landscape, as many pages wide as can be read.

        top, left: this many rows and columns are headings, which stay in sight. With a bottom, the last row, those
        below the title are printed on every page, which has the title at its head: in a cell it would be cut off.
        """
        if top or left:
            self.worksheet.freeze_panes(top, left)
        self.worksheet.set_landscape()
        self.worksheet.set_paper(9)
        self.worksheet.set_margins(0.4, 0.4, 0.7, 0.5)
        self.worksheet.set_footer("&L&A&R&P", {"scale_with_doc": False})
        self.worksheet.fit_to_pages(-(-columns // ON_PAPER), 0)
        if bottom:
            # one line: openpyxl writes a line break of a header as text; & begins a code; Excel reads 255 characters
            self.worksheet.set_header(f"&L&B{self.title[:100].replace('&', '&&')}", {"scale_with_doc": False})
            self.worksheet.repeat_rows(2, top - 1)
            self.worksheet.repeat_columns(0, left - 1)
            self.worksheet.print_area(2, 0, bottom, left + columns - 1)
