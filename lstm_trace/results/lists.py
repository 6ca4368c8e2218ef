"""Lists to choose from: the example problems; the lines that another program may print, and how it prints them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, get_args

import numpy as np

from ..base.arrays import by_key
from ..base.packaged import packaged
from ..cell.network import Stage, forward_stages
from ..cell.notations import spellings
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..errors import OptionError
from ..languages.strings import Words
from ..model.model import Model
from ..trace.trace import Trace

#: The languages of the functions in snippets.toml.
SnippetName = Literal["c", "c++", "python"]


class NamedLine(NamedTuple):
    """A line of one layer and direction: its number of units, equation, names in notations, and kind of cell."""

    stage: Stage
    line: str
    units: int
    equation: str
    aliases: tuple[str, ...]
    kind: str

    @property
    def key(self) -> str:
        """The name with layer and direction."""
        return f"{self.stage.scope}/{self.line}"


@dataclass(frozen=True, eq=False, repr=False)
class LineList(Finding):
    """The named lines of a model, in order of computation. name: of the model."""

    name: str
    named: tuple[NamedLine, ...]

    @classmethod
    def of(cls, source: Model | Trace) -> Self:
        """Those of a model, or of a trace."""
        if isinstance(source, Model):
            states = [np.shape(values) for values in source.defaults.initial.values()]
            rows = next((shape[-2] for shape in states if len(shape) > 1), 1)
            alone = source.defaults.x is None and not source.defaults.given and source.input_width is not None
            x = np.zeros((1, rows, source.input_width or 0))
            padded = source.defaults.lengths is not None or source.defaults.mask is not None  # of more than one step
            lengths = np.ones(rows, int) if padded else None
            source = source.run(x, batch_first=False, lengths=lengths, ask=()) if alone else source.run()
        header, found = source.header, list[NamedLine]()
        forms = [one for one in spellings(header.kind) if one.notation != header.notation]
        for stage in forward_stages(source.stages):
            for line in (line for line in stage.cell.lines if line.assigned):
                if (values := source.lines.get(stage.scope, {}).get(line.name)) is not None:
                    own = [header.aliases[line.name]] if line.name in header.aliases else []
                    own += [f"{form.lines[line.name]} ({form.notation})" for form in forms if line.name in form.lines]
                    own = [one for one in dict.fromkeys(own) if not one.startswith(f"{line.name} ")]
                    equation = stage.cell.equations.get(line.name, "")
                    found.append(NamedLine(stage, line.name, values.shape[-1], equation, tuple(own), header.kind))
        return cls(header.title or header.kind, tuple(found))

    def snippet(self, language: SnippetName) -> str:
        """A function that prints these lines in a form that `diff` and `identify` read.

        Args:
            language: `c`, `c++` or `python`.

        Returns:
            Its source text, with the names of the lines in a comment.

        Raises:
            OptionError: for another language.
        """
        if language not in get_args(SnippetName):
            raise OptionError(f"there is no snippet in {language!r}: expected {', '.join(get_args(SnippetName))}")
        chosen = packaged("results/snippets.toml")[language]
        rows = (f"{chosen['comment']}{one.key} {one.units}" for one in self.named)
        first = self.named[0] if self.named else None
        text: str = chosen["text"].replace("LINES\n", "".join(f"{row}\n" for row in rows))
        return text if first is None else text.replace("LINE", first.key).replace("UNITS", str(first.units))

    def title(self, words: Words) -> str:
        """Whose lines they are."""
        return words.word("lines.title", name=self.name)

    def sentences(self, words: Words) -> Iterator[str]:
        """How to print them."""
        yield words.word("lines.print")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each."""
        columns = ("layer", "direction", "line", "units", "what", "equation", "aliases")
        rows = [
            (
                one.stage.layer, one.stage.direction, one.line, one.units,
                words.table.get(f"{one.kind}.{one.line}", ""), one.equation, ", ".join(one.aliases),
            )
            for one in self.named
        ]  # fmt: skip
        return (LongTable(columns, rows),)

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """The lines of all layers and directions that have the same, together, as many as there are."""
        own: dict[str, list[NamedLine]] = by_key((one.stage.scope, one) for one in self.named)
        alike = by_key((tuple(one[2:4] + one[1:2] for one in here), scope) for scope, here in own.items())
        said = [self.title(words), *(textwrap.fill(one.replace("`", ""), columns - 2) for one in self.sentences(words))]
        for scopes in alike.values():
            said += ["", ", ".join(scopes)]
            for one in own[scopes[0]]:
                what = words.table.get(f"{one.kind}.{one.line}", "")
                about = "; ".join(filter(None, (words.count("counted.units", one.units), what, ", ".join(one.aliases))))
                rows = f"{one.line} = {one.equation}" if one.equation else one.line, f"  {about}"
                said += [textwrap.fill(row, columns - 2, initial_indent="  ", subsequent_indent="    ") for row in rows]
        return "\n".join(said) + "\n"


@dataclass(frozen=True, eq=False, repr=False)
class ExampleList(Finding):
    """The examples: their titles by name."""

    examples: Mapping[str, str]

    def title(self, words: Words) -> str:
        """What they are."""
        return words.word("examples.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """How to print one."""
        yield words.word("examples.print")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each."""
        return (LongTable(("name", "title"), [*self.examples.items()]),)

    def terminal(self, words: Words, columns: int, colours: bool) -> str:
        """A line for each."""
        wide = max(map(len, self.examples))
        return "".join(f"{name:<{wide}}  {title}\n" for name, title in self.examples.items())
