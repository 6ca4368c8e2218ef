"""What `identify` found, and a mistake in words: its sentence, and the equations that it changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..base.arrays import by_key
from ..cell.lines import Cell
from ..cell.network import layer_and_direction
from ..documents.blocks import Block, Code, Heading, Items, Para, Stacked, Text, marked
from ..documents.formats import Show
from ..documents.result import Finding
from ..documents.tables import LongTable
from ..formulas import tree as formulas
from ..formulas.symbols import Symbol, symbol
from ..languages.strings import Words, words_for
from ..mistakes.identify import ChangedEquation, Identification, MistakeExplanation
from ..mistakes.programs import CARRY, LATE_SUFFIX, OUTPUT, RENAMINGS, Mistake, equation_cell, program_of
from ..mistakes.seeding import MistakeEffects, effects
from ..mistakes.trees import tree
from ..mistakes.trials import PlacedMistake
from ..trace.trace import Trace

if TYPE_CHECKING:
    import pandas as pd

#: So many different equations are shown.
EQUATIONS = 4
#: What may follow in a word's value: which weights or states it is about, and how they are rounded.
_SPECIAL = re.compile(
    r",? (?P<key>of [xhcbr]|of all|of states|of matrices|of both biases|of the network|by row|by gate|by sigmoid|"
    r"by both|in sigmoid|from least to most|from zero|from the start|truncated|products|sums|floor|nearest|"
    r"interpolated|by|stacked)(?: (?P<n>\w+))?$"
)
#: Values that have a phrase, with its fields.
_PHRASES = {
    "decimals": re.compile(r"(?P<n>\d+) decimals?"),
    "table": re.compile(r"table (?P<n>\d+) in (?P<range>.+)"),
    "exp": re.compile(r"exp as (?P<text>.+)"),
    "significant": re.compile(r"(?P<n>\d+) significant digits"),
    "double": re.compile("exp from bits of a double"),
    "last": re.compile("last unit lost"),
    "beyond": re.compile(r"units beyond a multiple of (?P<n>\d+) lost"),
    "first": re.compile(r"units beyond the first (?P<n>\d+) lost"),
    "bits": re.compile(r"exp from bits with (?P<n>\d+)"),
    "steps": re.compile(r"steps of 1/(?P<n>\d+)"),
    "terms": re.compile(r"exp of (?P<n>\d+) terms"),
    "clipped": re.compile(r"clipped at (?P<n>[\d.]+)"),
    "pruned": re.compile(r"pruned below (?P<n>[\d.]+)"),
    "everything": re.compile(r"everything (?P<text>\S+)"),
    "format": re.compile(r"(?P<text>b?float16|u?int\d+|q[\d.]+|\d+)"),
}


# -- the sentence ------------------------------------------------------------------------------------------------------


def sentence(mistakes: Iterable[PlacedMistake], words: Words) -> str:
    """One mistake, or two at once, as a sentence: where, and what the port does."""
    return words.word("semicolon").join(_placed(one, words) for one in mistakes)


def _placed(placed: PlacedMistake, words: Words) -> str:
    said = words.word("mistake.port", what=predicate(placed.mistake, words))
    only = placed.mistake.value == "as computed" and "reverse" not in placed.place  # there are such outputs only there
    where = _place(f"{placed.place}reverse" if only else placed.place, words)
    return words.word("mistake.where", place=where, what=said) if where else said


def _place(place: str, words: Words) -> str:
    """Where a mistake is; empty if it is everywhere."""
    if not place:
        return ""
    layer, direction = (*place.split("/"), "")[:2]
    if layer == "above":
        return words.word("mistake.in.above", n=words.nth(0))
    if not layer.isdecimal():
        return words.word(f"mistake.in.{layer}")
    key = f"mistake.in.layer.{direction}" if direction else "mistake.in.layer"
    return words.word(key, n=words.nth(int(layer)))


def predicate(mistake: Mistake, words: Words) -> str:
    """What a port with this mistake does, without its subject."""
    row = mistake.row
    key = f"mistake.{row.word.replace(' ', '-') if row.word and row.word not in RENAMINGS else row.key}"
    fields: dict[str, Any] = dict(mistake.part)
    special: list[str] = []
    if row.word in RENAMINGS:
        one, _, two = mistake.value.partition(",")
        key += ".two" if two and words.has(f"{key}.two") else ""
        fields |= {"one": _gate(one, words), "two": _gate(two, words), "value": ", ".join(mistake.value)}
        fields["gates"] = ", ".join(gate for gate in mistake.program.own.gates if gate in mistake.value)
    elif row.word:
        value, special = _split(mistake.value, key, words)
        own = f"{key}.{value}"
        fields["value"] = value if words.has(own) else phrase(value, words)
        key = own if value and (words.has(own) or not fields["value"]) else key
    else:
        letters = "|".join(mistake.part) or "$^"
        fields["value"] = re.sub(rf"\b({letters})\b", lambda m: mistake.part[m[0]], _number(mistake.value))
    if not words.has(key):  # a row that is younger than its sentence; tests/results/test_mistakes.py lists them
        return words.word("mistake.unnamed", name=mistake.key)
    names = [_name(name, words) for name in mistake.names]
    fields |= {"names": names[0] if names else "", "state": mistake.names[0].removeprefix(CARRY) if names else ""}
    said = words.comma_list(words.word(key, **fields), *special)
    if len(names) > 1 and "{names}" in words.table[key]:
        others = "".join(map(str, words.listed([(name,) for name in names[1:]])))
        said = words.word("mistake.likewise", what=said, names=others)
    return said


def _gate(name: str, words: Words) -> str:
    """The weights of a gate, or of each; any other name is itself."""
    return words.word("mistake.every") if name == "*" else name


def _name(name: str, words: Words) -> str:
    if name == OUTPUT:
        return words.word("mistake.passed")
    return words.word("mistake.carry", name=name.removeprefix(CARRY)) if name.startswith(CARRY) else name


def _number(text: str) -> str:
    """A number with at most six digits; any other text is itself."""
    return f"{float(text):.6g}" if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) else text


def _split(value: str, key: str, words: Words) -> tuple[str, list[str]]:
    """What a word is given, without what follows it, and that as phrases."""
    special: list[str] = []
    while not words.has(f"{key}.{value}") and (found := _SPECIAL.search(value)):
        special.insert(0, words.word(f"mistake.with.{found['key']}", n=found["n"]))
        value = value[: found.start()]
    return value, special


def phrase(value: str, words: Words) -> str:
    """What a word is given as a phrase: a format of numbers, or how functions are computed; empty if there is none."""
    for name, pattern in _PHRASES.items():
        if found := pattern.fullmatch(value):
            text = value.upper() if value.startswith("q") else value
            return text if name == "format" else words.word(f"mistake.value.{name}", **found.groupdict())
    return ""


# -- the equations -----------------------------------------------------------------------------------------------------


def stacked(changed: Sequence[ChangedEquation], trace: Trace, words: Words) -> Iterator[Block]:
    """Changed equations: the model's above the port's; those that are alike for several gates or stages once."""
    cells = {stage.scope: stage.cell for stage in trace.stages}
    groups: dict[tuple[str, ...], list[ChangedEquation]] = {}
    for one in changed:
        own = program_of(cells[one.scope]).own
        groups.setdefault(tuple(map(own.star, (one.name, one.right, one.wrong))), []).append(one)
    several = len({frozenset(one.scope for one in group) for group in groups.values()}) > 1
    both = len({layer_and_direction(scope)[1] for scope in cells}) > 1
    for first, *others in [*groups.values()][:EQUATIONS]:
        if several and all(one.scope == first.scope for one in others):
            place = f"{first.scope}/" if both else f"{layer_and_direction(first.scope)[0]}/"
            yield Para((words.word("label", what=_place(place, words)),), leads=True)
        rows: list[tuple[Text, Text]] = [
            ((words.word(f"mistake.{label}"),), _equation(cells[first.scope], first.name, right, words))
            for label, right in (("model", first.right), ("the.port", first.wrong))
        ]
        if names := dict.fromkeys(_name(one.name, words) for one in others if one.name != first.name):
            rows.append(((words.word("mistake.alike"),), (words.comma_list(*names),)))
        yield Stacked(tuple(rows))
    if (more := len(groups) - EQUATIONS) > 0:
        yield Para((words.count("mistake.more", more),))


def _equation(cell: Cell, name: str, right: str, words: Words) -> Text:
    made = equation_cell(cell, tree(right))
    assert made is not None, right
    node = formulas.formula(made.by_name["value_"], made)
    if name == OUTPUT:
        return words.word("mistake.passed.label"), " = ", node
    sign = " ← " if name.startswith(CARRY) else " = "
    return formulas.Sym(name.removeprefix(CARRY)), sign, node


def symbols(trace: Trace, changed: Iterable[ChangedEquation]) -> Mapping[str, Any]:
    """The symbols of a trace, and of values that are read a step late: h_{t-1} for h_t."""
    found: dict[str, Any] = dict(trace.header.symbols)
    for name in {n for one in changed for n in tree(one.wrong).names() if n.endswith(LATE_SUFFIX)}:
        own = symbol(name.removesuffix(LATE_SUFFIX), trace.header.symbols)
        now = own.sub.split(",")[-1]
        before = {"t": "t-1", "t-1": "t-2"}.get(now, f"{now},t-1")
        found[name] = Symbol(own.base, before, own.accent, upright=own.upright) if own.base else own
    return found


# -- what was found ----------------------------------------------------------------------------------------------------

#: So many of the mistakes that give the same values are named.
EQUAL = 3
COLUMNS = ("fits", "mistake", "share", "distance", "mean", "says")


def own(result: Identification) -> Any:
    """The symbols of the problem, and of values that are read a step late."""
    return symbols(result.trace, [one for found in result.found for one in found.equations])


def blocks(result: Identification, words: Words, show: Show) -> Iterator[Block]:
    """The answer, the equations with the mistakes, what the values cannot decide, and every candidate that is near."""
    yield Heading(1, (words.word("identify.title"),))
    yield Items(tuple((one,) for one in answer(result, words)))
    for found in result.found:
        yield from stacked(found.equations, result.trace, words)
    if more := tuple(map(marked, undecided(result, words))):
        yield Items(more)
    elif result.found:
        keys = " + ".join(map(str, result.found[0].mistakes))
        yield Items((words.text("identify.key", name=Code(keys)),))
    if len(rows := _rows(result, words)) > 1 and result.found:
        yield Heading(2, (words.word("identify.fits"),))
        yield Items(tuple((Code(mistake),) for _, mistake, *_ in rows[: show.rows]))
        if (left := len(rows) - show.rows) > 0:
            yield Para((words.count("identify.equal.more", left),))
    if result.nearest:
        yield Heading(2, (words.word("identify.near"),))
        yield Items(tuple((_nearest(one, words),) for one in result.nearest))


def _nearest(one: MistakeExplanation, words: Words) -> str:
    share, error = f"{100 * one.fit.share:.0f}", f"{one.fit.distance:.2g}"
    return words.word("identify.nearest", what=sentence(one.mistakes, words), share=share, error=error)


def frame(result: Identification) -> pd.DataFrame:
    """One row for each combination of mistakes that explains the values, then those of the nearest that do not."""
    return LongTable(COLUMNS, _rows(result, words_for(result.trace, "en"))).to_frame()


def facts(result: Identification) -> dict[str, Any]:
    """The verdict, the sentences, and every explanation with its keys and equations."""
    words = words_for(result.trace, "en")
    verdict = "right" if result.right else "explained" if result.found else "unexplained"
    found: dict[str, Any] = {"verdict": verdict, "sentences": [*answer(result, words), *undecided(result, words)]}
    found |= {
        "as_read": result.as_read._asdict(),
        "tried": result.tried,
        "compared": result.compared,
        "lost": result.lost,
    }
    for name in ("found", "nearest"):
        found[name] = [_facts(one, words) for one in getattr(result, name)]
    return found


def _facts(one: MistakeExplanation, words: Words) -> dict[str, Any]:
    mistakes = [
        {"key": str(placed), "row": placed.mistake.row.key, "place": placed.place, "value": placed.mistake.value,
         "sentence": sentence([placed], words)}
        for placed in one.mistakes
    ]  # fmt: skip
    equal = [[str(placed) for placed in other] for other in one.equal]
    equations = [dict(vars(changed)) for changed in one.equations]
    others = {"equations": equations, "equal": equal, "separates": one.separates}
    return {"mistakes": mistakes, **one.fit._asdict(), **others}


def _rows(result: Identification, words: Words) -> list[tuple[Any, ...]]:
    """`COLUMNS` of everything that explains the values, or is near."""
    return [
        (bool(result.found), " + ".join(map(str, each)), *one.fit, sentence(each, words))
        for one in (*result.found, *result.nearest) for each in (one.mistakes, *one.equal)
    ]  # fmt: skip


def answer(result: Identification, words: Words) -> Iterator[str]:
    """What explains the values: a sentence for each mistake, the last with how far the values are off."""
    off = f"{result.as_read.distance:.2g}"
    if result.as_read.share == 1:
        yield words.count("identify.finite" if result.lost else "identify.right", result.compared, error=off)
    elif not result.found:
        chance = any(one.fit.share == 1 for one in result.nearest)
        yield words.word("identify.chance" if chance else "identify.none", n=words.number(result.tried), off=off)
    else:
        best = result.found[0]
        *others, last = (sentence([one], words) for one in best.mistakes)
        yield from others
        yield words.word("identify.found", what=last, error=f"{best.fit.distance:.2g}", off=off)
    yield from (remark.said(words) for remark in result.remarks)


def undecided(result: Identification, words: Words) -> Iterator[str]:
    """What else gives the same values, and what to print to tell them apart."""
    for found in result.found:
        equal = list(dict.fromkeys(sentence(other, words) for other in found.equal))
        yield from (words.word("identify.equal", what=what) for what in equal[:EQUAL])
        if (more := len(equal) - EQUAL) > 0:
            yield words.count("identify.equal.more", more)
        if found.equal:
            address = found.separates and words.address(found.separates)
            yield words.word("identify.print", line=address) if address else words.word("identify.same")


# -- what they do to an output -----------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class MistakeOverview(Finding):
    """The mistakes that apply to a model and an input, and what each does to the output.

    trace: the right run. found: the mistakes. chosen: whether kinds of mistakes were chosen.
    """

    trace: Trace
    found: MistakeEffects
    chosen: bool

    def title(self, words: Words) -> str:
        """The subject."""
        return words.word("effects.title")

    def sentences(self, words: Words) -> Iterator[str]:
        """How many leave no trace, what would show them, and how many cannot be told apart."""
        every, hidden = self.found.effects, len(self.found.hidden)
        if not every:
            yield words.word("effects.none")
        elif not hidden:
            yield words.word("effects.all", n=words.number(len(every)))
        else:
            yield words.count("effects.hidden", hidden, all=words.number(len(every)))
        for name, count in self.found.remedies.items():
            yield words.word(f"effects.remedy.{name}", n=words.number(count))
        if same := sum(one.same is not None and not one.hidden for one in every):
            yield words.count("effects.same", same)

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row for each kind of mistake, and one for each mistake."""
        every = self.found.effects
        rows = [
            (str(one.placed), sentence([one.placed], words), None if one.hidden else one.moved,
             str(one.same) if one.same and not one.hidden else None)
            for one in every
        ]  # fmt: skip
        summed = [
            (kind, len(each), sum(e.hidden for e in each), max((e.moved for e in each if not e.hidden), default=None))
            for kind, each in by_key((one.placed.mistake.row.key, one) for one in every).items()
        ]
        columns, more = ("kind_of_mistake", "mistakes", "hidden", "moved"), (words.word("effects.kinds.note"),)
        notes = (words.word("effects.note"),)
        return (
            LongTable(columns, summed, words.word("effects.kinds"), notes=more),
            LongTable(("mistake", "says", "moved", "same_as"), rows, words.word("effects.each"), notes=notes),
        )

    def shown_tables(self, words: Words) -> tuple[LongTable, ...]:
        """The kinds; each mistake if kinds were chosen."""
        kinds, each = self.tables(words)
        return (each,) if self.chosen else (kinds,)


def overview(trace: Trace, rows: Sequence[str] = (), place: str | None = None) -> MistakeOverview:
    """The mistakes that apply to the model of a run. Args, Raises: as for `effects`."""
    return MistakeOverview(trace, effects(trace, rows, place), bool(rows or place))
