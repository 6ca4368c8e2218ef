"""A mistake in words: its sentence, and the equations that it changes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..cell.lines import Cell
from ..cell.network import layer_and_direction
from ..documents.blocks import Block, Para, Stacked, Text, marked
from ..formulas import tree as formulas
from ..languages.strings import Words
from ..trace.trace import Trace
from .identify import ChangedEquation, changed_equations
from .programs import CARRY, OUTPUT, RENAMINGS, Mistake, carried_line, equation_cell, program_of
from .seeding import mistakes_of
from .trees import tree
from .trials import PlacedMistake

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
    if len(names) > 1 and ("{names}" in words.table[key] or mistake.names[0].startswith(CARRY)):
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


def purpose(trace: Trace, words: Words) -> str:
    """The mistakes that a trace has on purpose, in one sentence, with their keys."""
    told = [f"`{key}`" for key in trace.header.mistakes]
    for k, one in enumerate(found[0].mistakes if (found := mistakes_of(trace)) else ()):
        counted = ".0" * (words.count_from and one.place[:1].isdigit())  # the sentence counts layers from 1
        told[k] = words.word(f"intro.mistakes.key{counted}", what=sentence([one], words), name=told[k])
    return words.count("intro.mistakes", len(told), what=words.word("semicolon").join(told))


# -- the equations -----------------------------------------------------------------------------------------------------


def stacked(changed: Sequence[ChangedEquation], trace: Trace, words: Words) -> Iterator[Block]:
    """Changed equations: the model's above the port's; those that are alike for several gates or stages once."""
    cells, symbols = {stage.scope: stage.cell for stage in trace.stages}, trace.header.symbols
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
            ((words.word(f"mistake.{label}"),), _equation(cells[first.scope], first.name, right, words, symbols))
            for label, right in (("model", first.right), ("the.port", first.wrong))
        ]
        if names := dict.fromkeys(_name(one.name, words) for one in others if one.name != first.name):
            rows.append(((words.word("mistake.alike"),), (words.comma_list(*names),)))
        yield Stacked(tuple(rows))
    if (more := len(groups) - EQUATIONS) > 0:
        yield Para((words.count("mistake.more", more),))


def _equation(cell: Cell, name: str, right: str, words: Words, symbols: Mapping[str, str]) -> Text:
    made = equation_cell(cell, tree(right))
    assert made is not None, right
    node = formulas.formula(made.by_name["value_"], made)
    if name == OUTPUT:
        return words.word("mistake.passed.label"), " = ", node
    state = name.removeprefix(CARRY)
    if name.startswith(CARRY) and carried_line(state) in symbols:
        return formulas.Sym(carried_line(state)), " = ", node
    return formulas.Sym(state), " ← " if name.startswith(CARRY) else " = ", node


def on_purpose(trace: Trace, words: Words) -> Iterator[Block]:
    """The mistakes that a trace has on purpose: the sentence, and the equations; none if it has no mistake."""
    if trace.header.mistakes:
        yield Para(words.sentence(marked(purpose(trace, words))))
    if trace.header.mistakes and (found := mistakes_of(trace)) is not None:
        candidate, own = found
        changed = changed_equations(candidate)
        yield from stacked(changed, own, words)
        read = (one.name.removeprefix(CARRY) for one in changed if one.name.startswith(CARRY))
        if states := dict.fromkeys((formulas.Sym(name),) for name in read):
            yield Para(words.text("intro.mistakes.read", states=words.listed([*states])))
