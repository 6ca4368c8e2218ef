"""What `lstm-trace inspect` says of the LSTMs in a model."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..cell.network import scope_and_name
from ..cell.variants import directed
from ..errors import counted
from ..printable import message
from .read import Found

_LABEL = 12
#: The option `bias` in words.
BIASES = {"none": "none", "one": "one for each gate", "two": "two for each gate"}


def records(found: Sequence[Found]) -> list[dict[str, Any]]:
    """The same as plain data: a mapping for each LSTM."""
    return [record(one) for one in found]


def record(one: Found) -> dict[str, Any]:
    """Name, kind, sizes, biases, options, parameters, facts and what was done on import."""
    if one.refused:
        return {"name": one.name, "kind": one.kind, "refused": one.refused}
    cell = {key: value for key, value in one.options.items() if key not in ("merge", "padding", "direction")}
    names = {scope_and_name(key)[1] for key in one.weights}
    full = directed("lstm", cell, names)[2]
    plain = directed("lstm", {"bias": full["bias"]})[2]
    arrays = {key: np.asarray(values) for key, values in one.weights.items()}
    return {
        "name": one.name,
        "kind": one.kind,
        "layers": one.layers,
        "directions": list(one.directions),
        "sizes": one.sizes(),
        "bias": full["bias"],
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


def listing(path: str, found: Sequence[Found]) -> str:
    """The text for a terminal of 80 columns."""
    texts = [f"{path}: {counted(sum(not one.refused for one in found), 'LSTM')}"]
    for facts in records(found):
        head = message(" ".join(f"{facts['name'] or '(the file itself)'}: {facts['kind']}".split()))
        rows = [("refused", facts["refused"])] if "refused" in facts else _rows(facts)
        texts.append("\n".join([head, *(line for label, said in rows for line in row(label, said))]))
    return "\n\n".join(texts)


def _rows(facts: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The labels of an LSTM that can be traced, and what is said under each."""
    merge = facts["network"].get("merge")
    merged = f", merged by {merge}" if merge and len(facts["directions"]) > 1 else ""
    yield "layers", f"{facts['layers']}, {' and '.join(facts['directions'])}{merged}"
    yield "sizes", ", ".join(f"{size} = {number}" for size, number in facts["sizes"].items())
    yield "biases", BIASES[facts["bias"]]
    options = ", ".join(f"{key}: {option_text(value)}" for key, value in facts["options"].items())
    yield "options", options or "those of the plain cell"
    yield "x", "(B, T, I), batch first" if facts["batch_first"] else "(T, I), (T, B, I), or (B, T, I) with batch_first"
    if facts["states"]:
        yield "states", f"the file has initial values of {', '.join(facts['states'])}"
    yield from facts["facts"].items()
    arrays = f"{counted(facts['arrays'], 'array')} once split by gate"
    yield "parameters", f"{facts['parameters']:,} numbers, {facts['dtype']}; {arrays}"
    if facts["nonfinite"]:
        places = ", ".join(f"{key} ({count})" for key, count in list(facts["nonfinite"].items())[:6])
        more = f" and {len(facts['nonfinite']) - 6} more arrays" if len(facts["nonfinite"]) > 6 else ""
        yield "not finite", f"NaN or infinity in {places}{more}: refused without --allow-nonfinite"
    yield from (("imported", said) for said in facts["imported"])


def option_text(value: Any) -> str:
    """The value of an option as a problem file has it."""
    if isinstance(value, Mapping):
        return "; ".join(f"{key} {option_text(own)}" for key, own in value.items())
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)


def row(label: str, text: str) -> list[str]:
    """A label and what is said under it, in as many lines of a terminal as that takes."""
    return textwrap.wrap(
        message(text),
        78,
        initial_indent=f"  {label:<{_LABEL}}",
        subsequent_indent=" " * (_LABEL + 2),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [f"  {label}"]
