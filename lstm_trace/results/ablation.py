"""A value when each unit, step or line in turn is held at another value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Annotated, Any

from ..backpropagation.target import require_finite
from ..base.option import Option
from ..base.remark import in_words
from ..cell.network import layer_and_direction
from ..documents.tables import STEP_LABEL, UNIT_LABEL, LongTable
from ..explanation.ablation import AblationEffects, Over, ablation as ablated
from ..languages.strings import Words
from ..trace.argument_types import checked
from ..trace.holding import read_value, said_of
from ..trace.trace import Trace
from .explanation import Explanation, counted, some_of


@checked
def ablation(
    trace: Trace,
    of: Annotated[str, Option()],
    over: Annotated[Over, Option()] = "units",
    only: Annotated[
        Sequence[str] | str | None,
        Option(help="Comma-separated addresses of what to hold.", flag="--only --line", reads="names"),
    ] = None,
    to: Annotated[
        Any, Option(help="Value to hold it at: a number (0), a multiple (*0.5), or a trace file.", reads="hold")
    ] = 0.0,
) -> AblationExplanation:
    """The value when each unit, step or line is held, sorted by the largest change.

    Args:
        trace: the trace.
        of: Address of the value as printed, for example h_3[1], or from 0, 3/h_t[1].
        over: What to hold in turn (units); of a matrix, units are whole rows.
        only: addresses to hold, as for `hold` but without sequences; None for the cell state.
        to: the value to hold them at.

    Raises:
        OptionError, MissingError, ShapeError, TooLargeError: see `explanation.ablation.ablation`.
    """
    require_finite(trace, of)
    return AblationExplanation(trace, of, ablated(trace, of, over, only, to), read_value("to", to))


@dataclass(frozen=True, eq=False, repr=False)
class AblationExplanation(Explanation):
    """A value in each variant. to: the value at which each variant holds its lines."""

    ablation: AblationEffects
    to: Any

    def title(self, words: Words) -> str:
        """The title, which names the value."""
        return words.word("ablation.title", of=words.address(self.ablation.of))

    def found(self, words: Words) -> Iterator[str]:
        """The value, what was held, and the hold that changes it most."""
        all_held = self.ablation
        yield f"{words.address(all_held.of)} = {all_held.value:.6g}"
        count = len(all_held.effects)
        if all_held.left:
            every = words.number(all_held.left + count)
            yield words.word(f"ablation.left.{all_held.over}", every=every, count=words.number(count))
        yield words.word("ablation.holds", what=self._held(words))
        if all_held.unreached:
            names = words.word("list").join(map(words.address, all_held.unreached))
            yield words.count("ablation.unreached", len(all_held.unreached), names=names)
        first = all_held.effects[0] if all_held.effects else None
        if first is not None and not first.effect:
            yield words.word("ablation.nothing")
        elif first is not None:
            yield words.word("ablation.largest", effect=f"{first.effect:.6g}", address=words.address(first.address))
            if none := sum(not effect.effect for effect in all_held.effects):
                yield words.count("ablation.none", none, every=words.number(count))

    def _held(self, words: Words) -> str:
        """A description of each variant: `one unit of 0/forward/c_t at 0, at all steps`."""
        over, held = self.ablation.over, self.ablation.held
        when = list(dict.fromkeys(entry.steps for entry in held))
        asides = ["" if len(when) == 1 else words.aside(_when(entry.steps, False, words)) for entry in held]
        each = zip(held, asides, strict=True)
        names = some_of([f"{words.address(entry._replace(steps=None).address)}{aside}" for entry, aside in each], words)
        if over == "units" or len(held) > 1:
            unit = "ablation.unit" if all(entry.columns is None for entry in held) else "ablation.unit.row"
            names = words.word(unit if over == "units" else "ablation.one", names=names)
        what = words.word("ablation.at", what=names, value=in_words(said_of(self.to), words))
        if over != "steps" and len(when) > 1:
            return what
        steps = when[0] if len(when) == 1 else None
        return words.word("ablation.held", what=what, when=_when(steps, over == "steps", words))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row per variant, the largest change first."""
        effects, over = self.ablation.effects, self.ablation.over
        which = {"units": ["unit"], "steps": ["t"], "lines": []}[over]
        label = {STEP_LABEL if over == "steps" else UNIT_LABEL: "label"} if any(e.label for e in effects) else {}
        columns = ("layer", "direction", "line", *which, *label, "value", "effect")
        cells = attrgetter("line", *which, *label.values(), "value", "effect")
        rows = [(*layer_and_direction(effect.scope), *cells(effect)) for effect in effects]
        several = len({(effect.scope, effect.line) for effect in effects}) > 1
        notes = (words.word("ablation.note", of=words.address(self.ablation.of)),)
        shown = columns if several else columns[3:]
        return (counted(self.trace, LongTable(columns, rows, "", shown, notes, ("effect",), adds=False)),)


def _when(steps: range | None, any_of: bool, words: Words) -> str:
    """The steps at which something is held, None for all; or any one of them."""
    if steps is None:
        return words.word(f"ablation.when.{'any' if any_of else 'all'}")
    key = "one" if len(steps) == 1 else "any.some" if any_of else "some"
    return words.word(f"ablation.when.{key}", t=(first := words.nth(steps[0])), first=first, last=words.nth(steps[-1]))
