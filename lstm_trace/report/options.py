"""The options of a report, and how `report` takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from ..base.arrays import describe
from ..cell.notations import NotationName
from ..documents.layout import Level, level_of
from ..documents.markdown import MATH, MathName
from ..errors import OptionError, nearest, require_known
from ..formulas.numbers import Style
from ..languages import Language
from ..trace.argument_types import checked
from ..trace.printed import counted_from
from ..trace.rows import Selected, Selection, renamed
from ..trace.trace import Trace
from ..view.hand_size import usual_style
from ..view.view import Detail

#: The option of a report for each field of the style that it sets.
STYLE = {"significant": "significant", "digits_of": "lines", "decimal_comma": "comma"}
#: The kinds of report: a profile, or worked steps in some detail.
DetailName = Literal["profile", "worked", "scalar", "compact", "vector", "summary"]
DETAILS = get_args(DetailName)


class ReportOptions(Selected, total=False):
    """The options of a report, where they are passed on; see `Options` for those without a description.

    Attributes:
        significant: significant digits instead of decimals.
        digits_of: decimals of single lines, by name.
        trim: whether trailing zeros are dropped.
        decimal_comma: whether numbers have a decimal comma.
    """

    detail: DetailName | None
    digits: int | Style | None
    significant: int | None
    digits_of: Mapping[str, int] | None
    trim: bool | None
    decimal_comma: bool | None
    everything: bool
    width: int | None
    language: Language
    notation: NotationName
    alone: Literal["", "back", "equations"]
    title: str | None
    fragment: bool
    heading: int | str | None
    count_from: Literal[0, 1] | None
    math: MathName | None
    file: str


@checked
@dataclass(frozen=True)
class Options:
    """What a report shows, and how.

    detail: `profile` (what matters in a trained model), or worked steps: `scalar` (each term of each unit), `compact`
    (a chain for each gate, matrices filled in), `vector`, `summary` (gates and states only), or `worked`, the first
    of these that fits, on paper `compact` before `scalar`; None selects `profile` or `worked` (see `is_profile`).
    digits: decimals, or a `Style`, for display only; if None as in the problem, or chosen by size. style: more fields
    of that style. selection: lines, layer, direction, steps, row, unit. everything: leave nothing out. width: columns
    of a text report (80), or characters in a row of a LaTeX fragment (66). language: of headings and sentences.
    notation: a preset of symbols; both as in the problem if None. alone: for a trace with a backward pass, `back` shows
    only that pass, or only its `equations`.
    title: of the document; the problem's title if None. fragment: part of a document, as LaTeX's `\\input` takes it,
    whose highest heading is at the level `heading` (`section` if None), or is left out if the title is empty.
    count_from: 0 or 1, the number of the first step, unit and layer; as in the problem if None. math: the markup of
    formulas in Markdown; `github` if None. pictured: blocks before the worked steps. file: the name by which a Markdown
    document refers to the file of its picture in the same directory; empty if there is none.
    """

    detail: DetailName | None = None
    digits: int | Style | None = None
    style: Mapping[str, Any] = field(default_factory=dict)
    selection: Selection = field(default_factory=Selection)
    everything: bool = False
    width: int | None = None
    language: str | None = None
    notation: str | None = None
    alone: str = ""
    title: str | None = None
    fragment: bool = False
    heading: int | str | None = None
    count_from: Literal[0, 1] | None = None
    math: str | None = None
    pictured: Sequence[Any] = ()
    file: str = ""

    @property
    def steps_in(self) -> Detail | None:
        """The detail of worked steps; None if their number decides."""
        return None if self.detail is None or self.detail == "profile" or self.detail == "worked" else self.detail

    @property
    def of_steps(self) -> list[str]:
        """The given options that only worked steps have, by their names."""
        given = [name for name in ("only", "steps", "unit") if getattr(self.selection, name) is not None]
        return given + ["everything"] * self.everything + ["notation"] * (self.notation not in (None, "exercise"))

    @property
    def level(self) -> Level:
        """The level of a fragment's highest heading. Raises OptionError for a level that does not exist."""
        return level_of("section" if self.heading is None else self.heading)

    def counted(self, trace: Trace) -> Trace:
        """The trace, counted as requested."""
        return counted_from(trace, self.count_from)

    def settled(self, trace: Trace) -> Options:
        """The options of a document that begins with this trace, in whose language it is if none is requested."""
        return replace(self, language=self.language or trace.header.language or "en")

    def numbers(self, trace: Trace) -> Style:
        """How numbers are shown."""
        if isinstance(self.digits, Style):
            return self.digits
        found = usual_style(trace) if self.digits is None else Style(self.digits)
        return replace(found, **self.style, written=True)


def options_of(format: str, **given: Any) -> Options:
    """The options as `report` takes them, with the fields of a selection and of a style among them.

    Raises OptionError for an unknown detail, and for a detail that the format does not have.
    """
    for name in given.keys() - ReportOptions.__annotations__.keys() - Options.__dataclass_fields__.keys():
        raise OptionError(f"there is no argument {name!r}{nearest(name, ReportOptions.__annotations__, 'there are')}")
    for name, known in (("detail", DETAILS), ("math", tuple(MATH))):
        if given.get(name) is not None:
            require_known(name, given[name], known, "expected")
    if given.get("math") is not None and format != "md":
        raise OptionError(
            f"math={given['math']!r} sets how formulas are marked in Markdown; this report is {format}: leave math "
            "out, or choose the format md"
        )
    if given.get("count_from") not in (None, 0, 1) or isinstance(given.get("count_from"), bool):
        raise OptionError(f"count_from: expected 0 or 1, found {describe(given['count_from'])}")
    given = renamed(given)
    if chosen := {name: given.pop(name) for name in tuple(Selection.__dataclass_fields__) if name in given}:
        given["selection"] = Selection(**chosen)
    style = {field: value for name, field in STYLE.items() if (value := given.pop(name, None)) is not None}
    style["kept"] = not given.pop("trim", None)
    if not isinstance(digits := given.get("digits"), Style):
        Style(digits, **style)  # what is wrong with it is wrong for any trace
    return Options(**given, style=style)
