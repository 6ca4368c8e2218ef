"""Back-propagation through time as an explanation: a worked solution, and the gradient of everything as a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backward.gradients import Value, Weightings, add_value, gradients, line_gradients, one_value, weighting
from ..errors import OptionError
from ..formulas.blocks import Block, Code, Heading, Para
from ..formulas.tree import Sym, heading
from ..report.backward.backward import backward, steps
from ..report.backward.backward_sums import largest, sums
from ..report.backward.readings import Back
from ..report.formats import markdown, text
from ..trace.rows import Selection
from ..trace.trace import Trace
from .explanation import Explanation


@dataclass(frozen=True)
class Gradient(Explanation):
    """The gradients as a table; as Markdown and text the worked solution.

    options: detail (`scalar`, `vector`, `summary`), digits, everything, width, language, and those of a selection.
    """

    trace: Trace | None = None
    seeds: Weightings = field(default_factory=dict)
    of: Value | None = None
    found: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def render(self, form: str) -> str:
        """`md`, `text`, `csv` or `json`. Raises OptionError for another, MissingError for a wrong selection."""
        printers = {"md": markdown.render, "text": text.render}
        if form not in printers:
            return super().render(form)
        back, blocks = self.solution()
        return printers[form](blocks, back.notation.own, self.options.get("width", 80))

    def markdown(self, digits: int = 8) -> str:
        """The worked solution."""
        back, blocks = self.solution()
        return markdown.render(blocks, back.notation.own)

    def solution(self) -> tuple[Back, list[Block]]:
        """The worked solution as blocks, with the symbols that stand in it."""
        assert self.trace is not None
        options = dict(self.options)
        options.pop("width", None)
        parts = {name: options.pop(name) for name in Selection.__dataclass_fields__ if name in options}
        back = backward(
            self.trace, self.seeds, selection=Selection(**parts), weighted=self.of is None, **options
        )  # fmt: skip
        return back, [*_opening(back, self), *steps(back), *sums(back), *_sizes(back, self)]


def gradient(trace: Trace, of: str | None = None, seed: Any = None, **options: Any) -> Gradient:
    """The gradient of the value at `of`, or of the weighting `seed` of the output, with respect to everything.

    The rows are the lines in the order of the walk (last step first), then the premises. options: see `Gradient`.
    Raises OptionError unless exactly one of the two is given.
    """
    if (of is None) == (seed is None):
        raise OptionError("gradient needs either the address of a value (of) or weights of the output (seed)")
    seeds: Weightings = {} if seed is None else weighting(trace, output=np.asarray(seed))
    value = None
    if of is not None:
        value = one_value(trace, of)
        add_value(trace, seeds, value)
    found = gradients(trace, output=seed, of=of)
    rows = [*_lines(trace, line_gradients(trace, seeds)), *_premises(found)]
    blocks = [(name, float(np.abs(a).sum()), float(np.abs(a).max(initial=0.0))) for name, a in found.items()]
    blocks.sort(key=lambda row: -row[1])
    return Gradient(
        title=f"Gradient of {value or 'the weighted output'}",
        sentences=tuple(
            f"largest at {name}: {biggest:.6g} (sizes add up to {size:.6g})" for name, size, biggest in blocks[:3]
        ),
        columns=("address", "kind", "gradient"),
        rows=rows,
        more=(Explanation("By block", (), ("block", "sum of sizes", "largest"), blocks, ranked=("sum of sizes",)),),
        ranked=("gradient",),
        trace=trace,
        seeds=seeds,
        of=value,
        found=found,
        options=options,
    )


def _opening(back: Back, asked: Gradient) -> Iterator[Block]:
    """The title, what L is, and what a gradient is."""
    shown, words = back.shown, back.shown.words
    if asked.of is None:
        yield Heading(1, words.text("back.title.sum"))
        last = back.flow.trace.stages[-1]
        name = next(iter(asked.seeds[last.scope]))
        yield Para(words.text("back.sum", w=Sym("w_t")))
    else:
        stage, name = back.flow.trace.stage(asked.of.scope), asked.of.line
        line = stage.cell.by_name.get(name)
        symbol = Sym(name) if line is None else heading(line, stage.cell)
        width = back.width(stage, name)
        unit = back.notation.make(
            f"{back.notation.plain(symbol)}[{asked.of.unit}]", f"{back.notation.tex(symbol)}[{asked.of.unit}]"
        )
        yield Heading(1, words.text("back.title", of=unit if width > 1 else symbol))
        at = words.aside(shown.where(stage, asked.of.t, asked.of.b))
        value = shown.values.num(stage.scope, name, asked.of.t, asked.of.b, (asked.of.unit,))
        sign = "=" if shown.values.is_exact(value) else "≈"
        yield Para(words.text("back.value", line=unit if width > 1 else symbol, at=at, sign=sign, value=value))
    symbol = Sym(name) if name.isidentifier() else Sym("h_t")
    yield Para(words.text("back.what", example=back.notation.gradient(symbol), line=symbol))


def _sizes(back: Back, asked: Gradient) -> Iterator[Block]:
    """Every block by its size, and where the whole table is."""
    yield Heading(2, back.shown.said("back.blocks"))
    yield from largest(back, asked.found)
    yield Para(back.shown.words.text("back.more", csv=Code("-o FILE.csv")))


def _lines(trace: Trace, found: dict[str, dict[str, Any]]) -> list[tuple[str, str, float]]:
    rows = []
    for stage in reversed(trace.stages):
        here = found.get(stage.scope, {})
        order = trace.span if stage.backwards else trace.span[::-1]
        for t in order:
            for line in reversed(stage.cell.lines):
                if line.name in here:
                    values = here[line.name][trace.index(t)]
                    for (b, j), value in np.ndenumerate(values):
                        if value:
                            rows.append((f"{stage.scope}/{t}/{b}/{line.name}[{j}]", "line", float(value)))
    return rows


def _premises(found: dict[str, Any]) -> list[tuple[str, str, float]]:
    return [
        (f"{name}[{','.join(map(str, at))}]", "premise", float(value))
        for name, array in found.items()
        for at, value in np.ndenumerate(array)
    ]
