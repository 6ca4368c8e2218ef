"""Of a split, what experiments say of it: the value without each step, and how faithful an order of the steps is."""

from __future__ import annotations

from collections.abc import Iterator

from ...base.text.visible import visible
from ...explanation.account import Account, Step, share_of
from ...explanation.occlusion import BINS, Faithfulness, Score
from ...formulas.blocks import Block, Heading, Para, Table, Text
from ...formulas.numbers import show
from ...formulas.tree import Dots, Num, Sym
from ...view.excerpt import excerpt
from ...view.view import TABLE, View


def experiments(shown: View) -> Iterator[Block]:
    """What L loses without each step, beside its share; the scores of the orders, and whether they agree."""
    told = shown.told
    if told is None or told.occlusion is None:
        return
    yield Heading(2, shown.said("experiments"))
    yield Para(shown.said("experiments.occlusion"))
    yield _steps(shown, told)
    if told.padding:
        yield Para(shown.said("answers.padding"))
    if told.unreached:
        yield Para(shown.said("experiments.unreached"))
    opposed, largest = told.opposed
    if largest:
        yield Para((shown.words.word("experiments.opposed", opposed=opposed, largest=largest),))
    if told.occlusion.made < told.occlusion.possible:
        made = {"made": told.occlusion.made, "possible": told.occlusion.possible}
        yield Para((shown.words.word("plot.contribution.made", **made),))
    if told.faithfulness is not None:
        yield from _faithful(shown, told.faithfulness)


def _steps(shown: View, told: Account) -> Table:
    rows = told.ranked
    labelled = any(isinstance(row, Step) and row.token is not None for row in rows)
    head: list[Text] = [(Sym("t"),), *([shown.said("experiments.label")] if labelled else [])]
    head += [shown.said("experiments.share"), shown.said("experiments.lost")]
    sizes = [abs(share_of(row)) for row in rows]
    body: list[tuple[Text, ...]] = []
    for entry in excerpt(sizes, len(rows) if shown.everything else TABLE, timed=told.faithfulness is None):
        if isinstance(entry, range):
            body.append(tuple((Dots("down"),) for _ in head))
            continue
        row = rows[entry]
        cells: list[Text] = [(str(shown.words.nth(row.t)) if isinstance(row, Step) else row.place,)]
        if labelled:
            cells.append((visible(row.token or "") if isinstance(row, Step) else "",))
        lost: Text = ("",) if row.occlusion is None else (_num(shown, row.occlusion),)
        body.append((*cells, (_num(shown, share_of(row)),), lost))
    return Table(tuple(head), tuple(body), 1 + labelled)


def _faithful(shown: View, found: Faithfulness) -> Iterator[Block]:
    said, word = shown.words.text, shown.words.word
    percent = ", ".join(map(str, BINS))
    best = word(f"experiments.order.{found.best}")
    yield Para(said("experiments.faithful", percent=percent, order=best))
    rows: list[tuple[Text, Score]] = [(shown.said(f"experiments.order.{name}"), s) for name, s in found.orders.items()]
    rows.append(((word("experiments.order.random", n=len(found.drawn)),), found.mean))
    yield Table(
        tuple(shown.said(f"experiments.{name}") for name in ("order", "away", "past", "kept", "distance")),
        tuple((name, *((_num(shown, value),) for value in score)) for name, score in rows),
    )
    if len(found.orders) > 1 and found.disagree:
        correlation = Num(show(found.correlation, 2), found.correlation)
        if found.uncorrelated:
            yield Para(said("experiments.disagree.ranks", correlation=correlation))
        if found.apart:
            yield Para((word("experiments.disagree.top", common=found.common, top=found.top),))
    for key, is_chance in zip(("away", "kept"), found.chance, strict=True):
        if is_chance:
            worse = ".worse" if key == "kept" and found.worse[1] else ""
            yield Para(shown.said(f"experiments.chance.{key}{worse}"))
    if found.misleading:
        yield Para(shown.said("experiments.misleading"))


def _num(shown: View, value: float) -> Num:
    return Num(shown.values.style.show(value), value)
