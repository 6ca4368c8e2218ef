"""One LSTM node of an ONNX file as it is being read: its attributes, its inputs, and what was found so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import nearest
from .graph import Graphs, attributes
from .scope import Scope

INPUTS = ("X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P")
_COMMON = {
    "activation_alpha": list, "activation_beta": list, "activations": list, "clip": float, "direction": str,
    "hidden_size": int, "input_forget": int,
}  # fmt: skip
#: Attributes of each version of the operator, with what they hold.
ATTRIBUTES: dict[int, dict[str, type]] = {
    1: {**_COMMON, "output_sequence": int},
    7: _COMMON,
    14: {**_COMMON, "layout": int},
    22: {**_COMMON, "layout": int},
}
_KINDS = {float: "a number", int: "a whole number", str: "a text", list: "a list of numbers"}
_WORDS = {"activations": "a list of names"}
_DIRECTIONS = {"forward": ("forward",), "reverse": ("reverse",), "bidirectional": ("forward", "reverse")}


class Refused(Exception):  # noqa: N818 - becomes the record's `refused`
    """Why an LSTM node cannot be traced."""


@dataclass
class Reading:
    """One node as it is being read: what was found so far."""

    scope: Scope
    node: Any
    facts: dict[str, Any]
    graphs: Graphs
    version: int
    said: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)

    def input(self, name: str) -> str:
        """The value that is connected to an input of the operator; empty where it is left out."""
        at = INPUTS.index(name)
        return str(self.node.input[at]) if len(self.node.input) > at else ""

    @property
    def directions(self) -> tuple[str, ...]:
        """The directions that the node runs in. Raises Refused."""
        said = self.facts.get("direction", "forward")
        if said not in _DIRECTIONS:
            raise Refused(f"its direction is {said!r}; expected {', '.join(_DIRECTIONS)}")
        return _DIRECTIONS[said]


def facts_of(node: Any, version: int) -> dict[str, Any]:
    """The node's attributes, each known and of its type. Raises Refused."""
    known = ATTRIBUTES[version]
    facts = attributes(node)
    for attribute in node.attribute:
        name = attribute.name
        if name not in known:
            later = next((v for v, names in ATTRIBUTES.items() if name in names), None)
            hint = f"; LSTM-{later} has it" if later else nearest(name, known)
            raise Refused(f"the attribute {name!r} is none of LSTM-{version}{hint}")
        value, kind = facts.get(name), known[name]
        if not isinstance(value, kind) or (kind is list and not _plain(name, value)):
            held = (
                repr(value) if isinstance(value, int | float | str | list) else f"a value of the type {attribute.type}"
            )
            raise Refused(f"the attribute {name} holds {held}; expected {_WORDS.get(name) or _KINDS[kind]}")
    for name, allowed in (("layout", (0, 1)), ("input_forget", (0, 1)), ("output_sequence", (0, 1))):
        if facts.get(name, 0) not in allowed:
            raise Refused(f"the attribute {name} is {facts[name]}; expected 0 or 1")
    return facts


def _plain(name: str, values: Any) -> bool:
    return all(isinstance(v, str) if name == "activations" else isinstance(v, float) for v in values)
