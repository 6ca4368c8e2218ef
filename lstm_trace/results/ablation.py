"""What a value becomes when each unit, step or line in turn is held at another value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from ..base.option import Option
from ..cell.network import layer_and_direction
from ..documents.rows import STEP_LABEL, UNIT_LABEL
from ..documents.tables import LongTable
from ..explanation.ablation import Ablation, Over
from ..explanation.ablation import ablation as ablated
from ..languages.strings import Words
from ..trace.argument_types import checked
from ..trace.derived import sizes
from ..trace.holding import read_value
from ..trace.labels import axis, labels, step_labels
from ..trace.trace import Trace
from .explanation import Explanation, Of, some_of, value_of_hold


@checked
def ablation(
    trace: Trace,
    of: Of,
    over: Annotated[Over, Option("What is held in turn (units).")] = "units",
    only: Annotated[
        Sequence[str] | str | None,
        Option("Comma-separated addresses of what is held.", flag="--only --line", reads="names"),
    ] = None,
    to: Annotated[
        Any, Option("At what it is held: a number (0), a multiple (*0.5), or a trace file.", reads="hold")
    ] = 0.0,
) -> AblationExplanation:
    """What the value becomes when each unit, step or line is held, the largest change first.

    Args:
        trace: the trace.
        of: the address of the value.
        over: what is held in turn.
        only: what is held, as `hold` has it without sequences; None for the cell state.
        to: at what it is held.

    Raises:
        OptionError, MissingError, ShapeError, TooLargeError: see `explanation.experiments.ablation`.
    """
    return AblationExplanation(trace, of, ablated(trace, of, over, only, to), read_value("to", to))


@dataclass(frozen=True, eq=False, repr=False)
class AblationExplanation(Explanation):
    """A value in each variant. to: at what each holds its lines."""

    ablation: Ablation
    to: Any

    def title(self, words: Words) -> str:
        """Of which value."""
        return words.word("ablation.title", of=self.ablation.of)

    def found(self, words: Words) -> Iterator[str]:
        """The value, what was held, and which hold changes it most."""
        all_held = self.ablation
        yield f"{all_held.of} = {all_held.value:.6g}"
        if all_held.left:
            count = len(all_held.effects)
            every = f"{all_held.left + count:,}"
            yield words.word(f"ablation.left.{all_held.over}", every=every, count=f"{count:,}")
        yield words.word("ablation.holds", what=self._held(words))
        if all_held.unreached:
            names = words.word("list").join(all_held.unreached)
            yield words.count("ablation.unreached", len(all_held.unreached), names=names)
        first = all_held.effects[0] if all_held.effects else None
        if first is not None and not first.effect:
            yield words.word("ablation.nothing")
        elif first is not None:
            yield words.word("ablation.largest", effect=f"{first.effect:.6g}", address=first.address)
            if none := sum(not effect.effect for effect in all_held.effects):
                yield words.count("ablation.none", none, every=f"{len(all_held.effects):,}")

    def _held(self, words: Words) -> str:
        """What each variant holds: `one unit of 0/forward/c_t at 0, at all steps`."""
        over, held = self.ablation.over, self.ablation.held
        when = list(dict.fromkeys(entry.steps for entry in held))
        names = some_of(
            [
                entry._replace(steps=None).address
                + ("" if len(when) == 1 else words.word("aside", text=_steps(entry.steps, words)))
                for entry in held
            ],
            words,
        )
        if over == "units" or len(held) > 1:
            names = words.word("ablation.unit" if over == "units" else "ablation.one", names=names)
        what = words.word("ablation.at", what=names, value=value_of_hold(self.to, words))
        steps = when[0] if len(when) == 1 else None
        ends = {} if steps is None else {"first": steps[0], "last": steps[-1]}
        if steps is not None and len(steps) == 1:
            return words.word("ablation.when.one", what=what, t=steps[0])
        if over == "steps":
            return words.word(f"ablation.when.any{'.some' if ends else ''}", what=what, **ends)
        if len(when) > 1:
            return what
        return words.word(f"ablation.when.{'some' if ends else 'all'}", what=what, **ends)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row for each variant, the largest change first."""
        effects, over = self.ablation.effects, self.ablation.over
        each = {"units": ("unit",), "steps": ("t",), "lines": ()}[over]
        names = self._called()
        named = ((STEP_LABEL if over == "steps" else UNIT_LABEL),) if any(names) else ()
        columns = ("layer", "direction", "line", *each, *named, "value", "effect")
        rows = [
            (
                *layer_and_direction(effect.scope),
                effect.line,
                *((effect.unit if over == "units" else effect.t,) if each else ()),
                *((name,) if named else ()),
                effect.value,
                effect.effect,
            )
            for effect, name in zip(effects, names, strict=True)
        ]
        several = len({(effect.scope, effect.line) for effect in effects}) > 1
        return (
            LongTable(
                columns,
                rows,
                notes=(words.word("ablation.note", of=self.ablation.of),),
                shown=columns if several else columns[3:],
                ranked=("effect",),
                adds=False,
            ),
        )

    def _called(self) -> list[str]:
        """What the step, or the unit, of each variant is called."""
        trace, effects = self.trace, self.ablation.effects
        steps, widths = step_labels(trace, self.ablation.of.b), sizes(trace)
        units = {
            (scope, line): labels(trace, axis(trace, trace.stage(scope), line), widths[scope][line])
            for scope, line in dict.fromkeys((effect.scope, effect.line) for effect in effects)
        }
        called = []
        for effect in effects:
            at = effect.unit if effect.t is None else trace.index(effect.t)
            names = units[effect.scope, effect.line] if effect.t is None else steps
            called.append(names[at] if names and at is not None else "")
        return called


def _steps(steps: range | None, words: Words) -> str:
    if steps is None:
        return words.word("ablation.steps.all")
    if len(steps) == 1:
        return words.word("ablation.steps.one", t=steps[0])
    return words.word("ablation.steps.some", first=steps[0], last=steps[-1])
