"""The common base of all explanations of a trace, and their lookup by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any, Literal, Unpack

from ..base.conveniences import function_at
from ..base.display import visible
from ..base.option import Option, parameters
from ..documents.blocks import Heading, Picture
from ..documents.formats import Format, Report, Show
from ..documents.result import Finding
from ..documents.tables import STEP, UNIT_NAME, LongTable
from ..errors import MissingError, OptionError, nearest, raise_all
from ..languages.strings import Words
from ..report.options import Options, ReportOptions
from ..report.report import FORMATS, document, shown
from ..trace.argument_types import checked
from ..trace.held import remark_on_holds
from ..trace.labels import unit_names
from ..trace.printed import counted_from
from ..trace.rows import Selected, renamed
from ..trace.trace import Trace
from . import EXPLANATIONS, How

if TYPE_CHECKING:
    import pandas as pd

    from ..explanation.ablation import Over
    from ..explanation.contribution import Baseline
    from ..explanation.trials import Runs
    from ..plot.figure import Figure
    from ..view.view import View
    from . import ablation, contribution, gates, gradient, memory, padding, training

#: Maximum number of lines or units named in a sentence.
NAMED = 12


@checked
def explanation(trace: Trace, of: str | None, how: str, **options: Any) -> Explanation:
    """One of the `EXPLANATIONS`. of: the value's address, for those that explain one.

    Raises OptionError for an unknown explanation or option, and the errors of the explanation.
    """
    if how not in EXPLANATIONS:
        said = f"there is no explanation {how!r}{nearest(how, EXPLANATIONS)}; there are {', '.join(EXPLANATIONS)}"
        raise OptionError(said)
    if of is not None:
        options["of"] = of
    takes = parameters(explaining(how))
    options = renamed(options, takes)
    others = (name for name in options if name not in takes)
    foreign = {name: [one for one in EXPLANATIONS if name in parameters(explaining(one))] for name in others}
    wrong = (
        f"{name} belongs to {' and '.join(owners)}, not to {how}"
        if owners
        else f"there is no option {name}{nearest(name, takes)}; {how} reads {', '.join(takes)}"
        for name, owners in foreign.items()
    )
    raise_all(OptionError, wrong)
    if of is None and "of" in takes and takes["of"].required:
        raise OptionError(f"{how} explains one value: give its address as of=, for example '3/h_t[0]'")
    return explaining(how)(trace, **options)


def explaining(how: str) -> Callable[..., Explanation]:
    """The function of an explanation; its module is imported only now."""
    return function_at(f"{__package__}.{how}:{how}")


@dataclass(frozen=True, eq=False, repr=False)
class Explanation(Finding):
    """Explains a value of a trace, or a trace as a whole.

    of: the value's address as it was requested; None if there was none. A subclass adds fields, but none that is called
    `rows`, `blocks` or `panels`: these are readings.
    """

    trace: Trace
    of: str | None
    _drawn: dict[tuple[str, int], Figure | None] = field(default_factory=dict, init=False)

    def found(self, words: Words) -> Iterator[str]:
        """The findings of this explanation, as sentences."""
        raise NotImplementedError

    def draw(self, trace: Trace, language: str) -> Figure | None:
        """The picture, with its text in a language; None if there is none. trace: counted as the document."""
        return None

    def sentences(self, words: Words) -> Iterator[str]:
        """The holds of the trace, its first value that is not finite, the findings, and whether the step is padding."""
        if held := remark_on_holds(self.trace, "explanation.held"):
            yield held.said(words)
        if (first := self.trace.not_finite) is not None:
            yield first.said(words)
        yield from self.found(words)
        with suppress(MissingError):  # a sum, which excludes padding
            if self.of is not None and self.trace.padded:
                address = self.trace.locate(self.of, every=True)
                t, b = address.t, address.b
                if t is not None and b is not None and not self.trace.valid[self.trace.index(t), b, 0]:
                    yield words.word("explanation.padding", t=words.nth(t), b=words.nth(b))

    def _facts(self, tables: tuple[LongTable, ...]) -> dict[str, Any]:
        first = self.trace.not_finite
        return {**super()._facts(tables), "not_finite": first and first.facts()}

    def panels(self, language: str = "en") -> Figure | None:
        """The picture, drawn once per language and number of the first step."""
        trace = self.counted or self.trace
        if (at := (language, trace.header.count_from)) not in self._drawn:
            self._drawn[at] = self.draw(trace, language)
        return self._drawn[at]

    def frame(self) -> pd.DataFrame:
        """The rows of the last table; `frame.attrs["sentences"]` has the sentences in English."""
        frame = super().frame()
        frame.attrs["sentences"] = [*self.sentences(self.words())]
        return frame


# -- worked solutions ------------------------------------------------------------------------------------------------


class Worked(Selected, total=False):
    """Options of a worked solution: how it is shown, and which part of it; see `report.options.Options`.

    Attributes:
        detail: scalar: every term of every unit; vector: vectors; summary: gates and states only; by size if not given.
        notation: Symbols of the exercises, or of a program or textbook.
        everything: Do not truncate.
        count_from: Count steps and units from 0 or 1.
        width: Width of text in columns (80).
    """

    detail: Annotated[Literal["scalar", "vector", "summary"], Option()]
    notation: Annotated[Literal["exercise", "pytorch", "keras", "goodfellow", "cho", "d2l"], Option()]
    everything: Annotated[bool, Option(flag="--all")]
    count_from: int
    width: Annotated[int, Option(least=40, hidden=True)]
    digits: Any
    significant: int | None
    digits_of: Mapping[str, int] | None
    decimal_comma: bool | None
    trim: bool | None


class ExplainOptions(Worked, total=False):
    """The options of all explanations; each has its own, which are those of `lstm_trace.explain.memory` and so on."""

    baseline: Baseline
    points: int | Literal["auto"]
    occlusion: Runs
    seed: Any
    equations: bool
    low: float
    high: float
    over: Over
    to: Any
    rate: float | None
    updates: int
    optimizer: str
    parameters: tuple[str, ...] | None
    constants: Mapping[str, float] | None
    arithmetic: str | None


class Explain:
    """Explain a value of a trace, or the trace as a whole (docs/explain.md).

    `explain(trace, of, how)` gives one of the explanations by name; each is also a method with its own options:
    `explain.memory(trace, of)`, `explain.gates(trace, low=0.05)`.

    >>> import lstm_trace as lt
    >>> cell = {"equations": "c_t = 0.5 * c_prev + x_t\\ncarry: c_prev <- c_t\\noutput: c_t"}
    >>> trace = lt.run({}, [[1.0], [2.0], [4.0]], cell=cell)
    >>> lt.explain.memory(trace, "2/c_t[0]").to_frame()[["step", "source", "part"]]
       step source  part
    0   NaN     c0  0.00
    1   0.0    x_t  0.25
    2   1.0    x_t  1.00
    3   2.0    x_t  4.00
    """

    def __call__(
        self, trace: Trace, of: str | None = None, how: How = "contribution", **options: Unpack[ExplainOptions]
    ) -> Explanation:
        """Explain a value of a trace, or the trace as a whole.

        Args:
            trace: the trace.
            of: the address of the value, for example `h_3[1]` as printed, or `3/h_t[1]` from 0; not for `gates` and
                `padding`.
            how: `memory` (what each step wrote into a carried value), `gradient` (of the value, or of the output
                weighted by `seed`), `contribution` (relative to a `baseline`, split exactly), `gates` (saturation and
                memory of every unit), `ablation` (the value after holding each unit, step or line: `over`, `only`,
                `to`), `training` (`updates` of the weights for a loss) or `padding` (which steps are valid).
            options: options of that explanation.

        Returns:
            A result with `report(format, language=…)`, `save(path)`, `to_frame()` (one row per step, entry or unit),
            `plot()` and `as_json()`; notebooks display it. If nothing differs from the baseline, a contribution has no
            rows, and a warning is issued.

        Raises:
            OptionError: if the explanation or an option does not exist.
            MissingError: if the trace does not have the address.
        """
        explained = explanation(trace, of, how, **options)
        if getattr(explained, "nothing", False):  # a cell may have no gates, but a value always comes from something
            said = "; ".join(explained.sentences(explained.words()))
            warnings.warn(f"the table is empty: {said}", stacklevel=2)
        return explained

    def __repr__(self) -> str:
        return f"<lt.explain: {', '.join(EXPLANATIONS)}>"

    if TYPE_CHECKING:  # imported on use, below
        ablation = staticmethod(ablation.ablation)
        contribution = staticmethod(contribution.contribution)
        gates = staticmethod(gates.gates)
        gradient = staticmethod(gradient.gradient)
        memory = staticmethod(memory.memory)
        padding = staticmethod(padding.padding)
        training = staticmethod(training.training)


for _how in EXPLANATIONS:
    setattr(Explain, _how, property(partial(lambda how, _: explaining(how), _how)))


@dataclass(frozen=True, eq=False, repr=False)
class Solved(Explanation):
    """An explanation with a worked solution, which is its document in some formats.

    worked: the options of the solution, as for a report.
    """

    worked: Mapping[str, Any]

    @property
    def counted(self) -> Trace:
        """The trace, counted as the options of the worked solution say, or as in its problem."""
        return counted_from(self.trace, self.worked.get("count_from"))

    @property
    def alone(self) -> str:
        """The part of a trace with a backward pass that is shown; see `report.options.Options`."""
        return "back"

    def backward(self) -> Trace:
        """The trace with the backward pass that the worked solution shows."""
        raise NotImplementedError

    def views(self, format: str, chosen: Options) -> Sequence[View]:
        """The views that the worked solution shows."""
        trace = self.backward()
        return [shown(trace, replace(chosen, digits=chosen.numbers(trace)), format)]

    def is_worked(self, format: str) -> bool:
        """Whether the document is the worked solution in a format.

        Raises OptionError if it is not, and options of the solution were given.
        """
        return format in FORMATS

    # its language and width are among the options
    def report(self, format: Format = "md", **worked: Unpack[ReportOptions]) -> Report:  # type: ignore[override]
        """The worked solution; see `Result.report`. worked: options of the solution, in addition to its own."""
        language, width = worked.pop("language", None), worked.pop("width", None)
        solved = replace(self, worked={**self.worked, **worked})
        if solved.is_worked(format):
            return solved._solution(solved.words(language or self.language), Show(format), width, None)
        tables: Callable[..., Report] = super().report  # these have no options of a worked solution
        return tables(format, language=language, width=width, **worked)

    def pieces(self, format: str, **given: Any) -> Iterator[str]:
        """The text in a format; see `Result.pieces`. Options that the worked solution does not have are rejected."""
        self.is_worked(format)
        return super().pieces(format, **given)

    def printed(self, words: Words, show: Show, width: int = 80, math: str = "github") -> str:
        """The worked solution, or the tables in formats that have these."""
        if self.is_worked(show.format):
            return self._solution(words, show, width, math if show.format == "md" else None)
        return super().printed(words, show, width, math)

    def _solution(self, words: Words, show: Show, width: int | None, math: str | None) -> Report:
        if self.worked.get("detail") == "profile":
            raise OptionError("a profile describes a run; this explanation has worked steps: choose another detail")
        options = {"width": width, "math": math, "language": words.language, **self.worked, "alone": self.alone}
        if show.pictured and (figure := self.picture(words.language)) is not None:
            picture = Picture(figure.svg, figure.title, figure.caption, show.file)
            options["pictured"] = Heading(2, (words.word("plot.section"),)), picture
        return document(lambda chosen: self.views(show.format, chosen), show.format, **options)


def counted(trace: Trace, table: LongTable) -> LongTable:
    """The table with `step` beside `t` and `unit_name` beside `unit`, if the problem does not count from 0.

    Its rows are tuples, and a unit is one of the line in the columns layer, direction and line.
    """
    if not (first := trace.header.count_from):
        return table
    beside = {"t": STEP, "unit": UNIT_NAME}
    columns = tuple(chain.from_iterable(filter(None, (name, beside.get(name))) for name in table.columns))
    names = cache(lambda scope, line, width: unit_names(trace, trace.stage(scope), line, width, first))

    def row(cells: dict[str, Any]) -> tuple[Any, ...]:
        if (t := cells.get("t")) is not None:
            cells[STEP] = t + first
        if (unit := cells.get("unit")) is not None:
            scope, line = f"{cells['layer']}/{cells['direction']}", cells["line"]
            cells[UNIT_NAME] = names(scope, line, trace.lines[scope][line].shape[-1])[unit]
        return tuple(map(cells.get, columns))

    rows = [row(dict(zip(table.columns, cells, strict=True))) for cells in table.rows]
    return replace(table, columns=columns, rows=rows, shown=table.shown or table.columns)


# -- in words --------------------------------------------------------------------------------------------------------


def step_named(t: int, label: str | None, words: Words) -> str:
    """A step by its number, with its label if it has one: `3 (‘cat’)`."""
    return words.word("step.named", step=words.nth(t), name=visible(label)) if label else str(words.nth(t))


def in_steps(count: float, most: int, words: Words) -> str:
    """A number of steps; in words if it exceeds what the trace can show."""
    if count > most:
        return words.word("explanation.steps.over", n=most)
    text = f"{count:.3g}"
    return words.word(f"explanation.steps{'.1' if text == '1' else ''}", n=text)


def some_of(names: Sequence[str], words: Words) -> str:
    """The first names, and how many more there are."""
    return words.some(names, NAMED, words.word("list"))
