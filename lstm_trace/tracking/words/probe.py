"""What a probe found: its scores against those of the baseline and the control, and the weights of the units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from ...base.display import visible
from ...corpus.told import FIRST, CorpusText
from ...documents.tables import LongTable
from ...errors import counted

if TYPE_CHECKING:
    from ..probe import Probe

COLUMNS = ("unit", "layer", "direction", "line", "class", "weight", "standardized", "explained")
CLASSES = ("class", "steps", "recall", "precision", "taken for")
#: Of fewer test sequences an interval is said to be rough.
ROUGH = 20


def account(found: Probe, most: int | None) -> CorpusText:
    """Sentences and tables; most: so many of the weights, the largest first."""
    size = np.abs(found.standardized)
    places = np.unravel_index(np.argsort(-size, axis=None, kind="stable")[:most], size.shape)
    numbers = (found.weights, found.standardized, np.broadcast_to(found.explained, size.shape))
    rows = [
        (*found.units[j], _seen(found.weighed[k]) if found.classes else None, *(float(one[k, j]) for one in numbers))
        for k, j in zip(*places, strict=True)
    ]
    left = f" {size.size - len(rows):,} smaller weights are left out." if len(rows) < size.size else ""
    note = (
        f"`weight`: per unit of the state{', for the class' if found.classes else ''}. `standardized`: times the "
        f"unit's standard deviation. `explained`: the part of the unit's variance that {found.target} explains.{left}"
    )
    shown = ("unit", *(("class",) if found.classes else ()), "weight", "standardized", "explained")
    scores = LongTable(("what", found.measure, "low", "high"), [*_scores(found)], "Scores")
    more = (scores, *([LongTable(CLASSES, [*_by_class(found)], "Classes")] if found.classes else []))
    title = f"Probe of {found.target} by {', '.join(dict.fromkeys(unit[3] for unit in found.units))}"
    return CorpusText(title, (*_said(found),), (*more, LongTable(COLUMNS, rows, "Weights", shown, (note,))))


def _scores(found: Probe) -> Iterator[tuple[Any, ...]]:
    names = {
        "best unit": f"{found.best} alone",
        "control": "control task",
        "control baseline": "control, most frequent" if found.classes else "control, the mean",
    }
    names["baseline"] = f"always {_seen(found.baseline)}" if found.classes else "the mean"
    for key, score in found.scores.items():
        yield names.get(key, key), score.value, score.low, score.high


def _by_class(found: Probe) -> Iterator[tuple[Any, ...]]:
    table = found.confusion
    for k in np.argsort(-table.sum(axis=1), kind="stable")[:FIRST]:
        if not table[k].any() and not table[:, k].any():
            continue  # neither tested nor predicted
        wrong = np.where(np.arange(len(table)) == k, 0, table[k])
        right, here, said = (int(n) for n in (table[k, k], table[k].sum(), table[:, k].sum()))
        other = _seen(found.classes[np.argmax(wrong)]) if wrong.any() else ""
        yield _seen(found.classes[k]), here, right / here if here else None, right / said if said else None, other


def _seen(value: Any) -> str:
    text = visible(str(value))
    return text if any(map(str.isalnum, text)) else f'"{text}"'  # a mark or a space would not be seen as a class


def _said(found: Probe) -> Iterator[str]:
    probe, base, control, best = (found.scores[name] for name in ("probe", "baseline", "control", "best unit"))
    yield (
        f"{found.measure} {probe.value:.4g} (95 % interval {probe.low:.4g} to {probe.high:.4g}) on "
        f"{counted(found.steps[1], 'step')} of {counted(found.sequences[1], 'sequence')} that the probe had not seen; "
        f"it learned from {counted(found.steps[0], 'step')} of {found.sequences[0]:,} others, of {found.every:,} in all"
    )
    baseline = f"always saying {_seen(found.baseline)}" if found.classes else "the mean of the training part"
    usual = "always saying the most frequent one" if found.classes else "their mean"
    random = "each step" if found.tokens is None else f"each of {counted(found.tokens, 'token')}"
    if not found.better:
        yield f"no better than {baseline} ({base.value:.4g}): the probe found no linear readout of {found.target}"
    else:
        yield f"{baseline} reaches {base.value:.4g}, which is {base.ahead:.4g} less"
        yield (
            f"selectivity {control.ahead:.4g}: with a random label for {random} (control task) it reaches "
            f"{control.value:.4g}, {usual} {found.scores['control baseline'].value:.4g}"
        )
        if not found.selective:
            yield (
                "not selective: the probe learns random labels as well, so its score may reflect memorization rather "
                "than what the states encode"
            )
        yield (
            f"{found.best} is the best single unit: alone it reaches {best.value:.4g}, "
            f"{(best.value - base.value) / base.ahead:.0%} of what all units gain"
        )
    if found.sequences[1] < ROUGH:
        yield f"{found.sequences[1]} test sequences are few: the intervals are rough"
    if found.missing:
        yield f"{counted(found.missing, 'step')} without {found.target} left out"
    if found.unlabelled:
        yield f"{counted(found.unlabelled, 'more sequence')} of the states without any label left out"
    if not found.converged:
        yield "the fit had not converged when it was stopped: the weights may still change"
