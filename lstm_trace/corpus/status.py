"""How much of a corpus has been computed: its parts, and what they are parts of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ..base.arrays import runs
from ..base.remark import Remark, in_words
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..languages.strings import Words
from .part_file import damaged
from .rows import Span
from .states import States


@dataclass(frozen=True, eq=False, repr=False)
class CorpusStatus(Finding):
    """How much of a corpus is done. states: its folder. The bytes of the parts are not read."""

    states: States

    @cached_property
    def faults(self) -> dict[int, list[Remark | str]]:
        """By number, what is wrong with the parts that are not as they were written."""
        return damaged(self.states)

    @cached_property
    def parts(self) -> dict[int, str]:
        """The state of each part by its number: `done`, `damaged` (not as it was written) or `missing`."""
        there = {span.number: "damaged" if span.number in self.faults else "done" for span in self.states.spans}
        return {span.number: there.get(span.number, "missing") for span in self.states.manifest.parts}

    @property
    def done(self) -> list[Span]:
        """The parts that are done."""
        return [span for span in self.states.manifest.parts if self.parts[span.number] == "done"]

    def summary(self, words: Words) -> str:
        """The folder, and how much of it is done, in a line."""
        files = [self.states.folder / n for span in self.done for n in self.states.manifest.files_of(span.number)]
        fields = {name: words.number(sum(getattr(s, name) for s in self.done)) for name in ("sequences", "steps")}
        fields |= {"done": words.number(len(self.done)), "size": f"{sum(f.stat().st_size for f in files) / 1e6:,.1f}"}
        return words.count("corpus.done", len(self.parts), folder=self.states.folder, **fields)

    def title(self, words: Words) -> str:
        """What is listed."""
        return words.word("corpus.status")

    def sentences(self, words: Words) -> Iterator[str]:
        """How much is done; what is missing, damaged or failed; the model, the lines and the inputs."""
        manifest = self.states.manifest
        yield self.summary(words)
        if missing := [number for number, state in self.parts.items() if state == "missing"]:
            ranges = ("-".join(dict.fromkeys((str(one[0]), str(one[-1])))) for one in runs(missing))
            yield words.count("corpus.missing", len(missing), parts=words.comma_list(*ranges))
        faults = (one for said in self.faults.values() for one in said)
        yield from (words.word("corpus.damaged", what=in_words(one, words)) for one in faults)
        yield from (words.word("corpus.uncomputed", number=n, why=error) for n, error in self.states.failed.items())
        names = dict.fromkeys((manifest.title, manifest.cell, str(manifest.premises.get("model", ""))[:12]))
        lines = words.comma_list(*(f"{block.scope}/{block.line} ({block.width})" for block in manifest.blocks))
        yield words.word("corpus.model", names=words.comma_list(*names))
        yield words.word("corpus.lines", lines=lines, dtype=manifest.dtype)
        yield words.word("corpus.inputs", path=manifest.source.path)
        yield words.word("corpus.unread")

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """A row for each part."""
        rows = [(s.number, self.parts[s.number], s.sequences, s.steps) for s in self.states.manifest.parts]
        return (LongTable(("part", "state", "sequences", "steps"), rows),)

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """None: there may be thousands of parts, and the sentences name those that are not done."""
        return ()
