"""What `inspect` found in a model file: the facts of each LSTM, GRU and RNN, or the reason why it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cell.network import scope_and_name
from ..cell.variants import directed
from ..documents.blocks import Block, Heading, Items
from ..documents.formats import Show
from ..documents.result import Finding, Result
from ..documents.tables import LongTable
from ..languages.strings import Words
from ..printable import message
from ..weights.layouts import STORED
from ..weights.read import Found

#: The columns of the rows, one for each layer or cell.
COLUMNS = (
    "name", "kind", "cell", "layers", "directions", "I", "H", "P", "bias", "options", "parameters", "dtype", "refused",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ModelInspection(Finding, Sequence[Found]):
    """The LSTMs, GRUs and RNNs in a model file, of which it is also a sequence. file: the file's name."""

    file: str
    found: tuple[Found, ...]

    def __len__(self) -> int:
        return len(self.found)

    def __getitem__(self, place: Any) -> Any:
        return self.found[place]

    def title(self, words: Words) -> str:
        """The file, and how many LSTMs, GRUs and RNNs in it can be traced."""
        usable = Counter(one.cell for one in self.found if not one.refused)
        cells = [cell for cell in (*STORED, "equations") if cell in (usable or {one.cell for one in self.found})]
        counts = [words.count(f"inspect.count.{cell}", usable[cell]) for cell in cells]
        return words.word("inspect.title", file=self.file, found=words.comma_list(*counts))

    def tables(self, words: Words) -> tuple[LongTable, ...]:
        """One row for each."""
        rows = self.facts()
        for row in rows:
            if "refused" not in row:
                directions, options = ", ".join(row["directions"]), options_text(row["options"])
                row |= {**row["sizes"], "directions": directions, "options": options}
        return (LongTable(COLUMNS, [tuple(map(row.get, COLUMNS)) for row in rows]),)

    def blocks(self, words: Words, show: Show) -> Iterator[Block]:
        """A list of facts for each."""
        yield Heading(1, (self.title(words),))
        for facts in self.facts():
            # one word, since the second line of a name that is wrapped could pass for a line of ours
            name = "␣".join(facts["name"].split()) or words.word("inspect.unnamed")
            yield Heading(2, (message(words.word("prefix", what=name) + facts["kind"]),))
            rows = [("refused", facts["refused"])] if "refused" in facts else _rows(facts, words)
            labelled = ((words.table.get(f"inspect.label.{key}", key), said) for key, said in rows)
            yield Items(tuple((message(words.word("prefix", what=label) + said),) for label, said in labelled))

    def facts(self) -> list[dict[str, Any]]:
        """Each as plain data: name, cell, kind, sizes, biases, options, parameters, facts and import notes."""
        return [_record(one) for one in self.found]

    def _json(self) -> Iterator[str]:
        """The facts: a list, which has no title and no sentences."""
        return Result._json(self)


def _record(one: Found) -> dict[str, Any]:
    if one.refused:
        return {"name": one.name, "kind": one.kind, "refused": one.refused}
    cell = {key: value for key, value in one.options.items() if key not in ("merge", "padding", "direction")}
    names = {scope_and_name(key)[1] for key in one.weights}
    named = one.cell in STORED
    full = directed(one.cell, cell, names)[2] if named else {}
    plain = directed(one.cell, {"bias": full["bias"]})[2] if named else {}
    arrays = {key: np.asarray(values) for key, values in one.weights.items()}
    return {
        "name": one.name,
        "kind": one.kind,
        "cell": one.cell,
        "layers": one.layers,
        "directions": list(one.directions),
        "sizes": one.sizes(),
        **({"bias": full["bias"]} if named else {"equations": cell["equations"].splitlines()}),
        "options": {key: value for key, value in full.items() if value != plain.get(key)},
        "network": {key: one.options[key] for key in ("merge", "padding") if key in one.options},
        "parameters": sum(array.size for array in arrays.values()),
        "arrays": len(arrays),
        "dtype": np.result_type(*arrays.values()).name if arrays else "",
        "nonfinite": {key: count for key, a in arrays.items() if (count := int(np.sum(~np.isfinite(a))))},
        "batch_first": one.defaults.batch_first,
        "states": sorted(one.defaults.initial),
        "facts": dict(one.facts),
        "imported": list(one.imported),
    }


def _rows(facts: dict[str, Any], words: Words) -> Iterator[tuple[str, str]]:
    """The facts of a layer or cell, each with the keyword of its label. What a reader says of the file is English."""
    directions = words.word("and").join(words.word(f"direction.{one}") for one in facts["directions"])
    merge = facts["network"].get("merge") if len(facts["directions"]) > 1 else None
    merged = words.word("inspect.merged", merge=merge) if merge else ""
    yield "layers", words.comma_list(str(facts["layers"]), directions, merged)
    if facts["sizes"]:
        yield "sizes", ", ".join(f"{size} = {number}" for size, number in facts["sizes"].items())
    plain = ".rnn" if facts["cell"] in ("rnn", "equations") else ""  # it has no gates
    if "bias" in facts:
        yield "biases", words.word(f"inspect.bias{plain}.{facts['bias']}")
        if facts["cell"] == "gru":
            yield "reset", words.word(f"inspect.reset.{'after' if facts['options'].get('reset_after') else 'before'}")
        yield "options", options_text(facts["options"]) or words.word("inspect.plain")
    yield from (("equation", row) for row in facts.get("equations", ()))
    yield "x", words.word("inspect.x.batch" if facts["batch_first"] else "inspect.x")
    if facts["states"]:
        yield "states", words.word("inspect.states", names=", ".join(facts["states"]))
    yield from facts["facts"].items()
    numbers = words.number(facts["parameters"])
    yield "parameters", words.word(f"inspect.parameters{plain}", **facts | {"parameters": numbers})
    if facts["nonfinite"]:
        places = words.some([f"{key} ({count})" for key, count in facts["nonfinite"].items()], 6)
        yield "nonfinite", words.word("inspect.nonfinite", places=places)
    yield from (("imported", said) for said in facts["imported"])


def options_text(options: Mapping[str, Any]) -> str:
    """Options as written in a problem file."""
    return ", ".join(f"{key}: {option_text(value)}" for key, value in options.items())


def option_text(value: Any) -> str:
    """The value of an option as written in a problem file."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {option_text(own)}" for key, own in value.items())
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
