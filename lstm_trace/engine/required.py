"""What a run needs, or a message for each part that nobody gives: every weight and input that a computed line reads,
lengths or a mask for a padding.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..cell.lines import pointed
from ..cell.network import GIVEN, Stage, X
from ..errors import MissingError, OptionError, closest, nearest, raise_all


def require(
    stages: Sequence[Stage],
    weights: Mapping[str, Mapping[str, Any]],
    has_x: bool,
    given: Collection[tuple[str, str]],
    own: bool,
) -> None:
    """Raise MissingError with every weight and input that a computed line needs and nobody gives.

    given: (scope, name) of the lines that are supplied. own: whether the equations are the author's, so that a name in
    them may be wrong.
    """
    problems: list[str] = []
    for stage in stages:
        here = weights.get(stage.scope, {})
        place = "" if len(weights) == 1 else f"{stage.scope}/"
        computed = {line.name for line in stage.lines}
        for name in stage.parameters:
            if name not in here:
                line = next(line.name for line in stage.cell.parameters[name] if line.name in computed)
                instead = _instead(name, stage, list(here), own)
                fault = f"line `{line}` needs {place}{name}, which the weights do not have{instead}"
                problems.append(pointed(fault, stage.cell.places, line, name))
        for name in stage.inputs:
            if stage.sources[name] == X and not has_x:
                line = next((line.name for line in stage.lines if name in line.reads), name)
                problems.append(f"line `{line}` needs the input {name}, which is not given: add x")
            elif stage.sources[name] == GIVEN and (stage.scope, name) not in given:
                problems.append(f"the cell declares the input {name}, which is not given: add it under given")
    raise_all(MissingError, problems)


def _instead(name: str, stage: Stage, here: list[str], own: bool) -> str:
    """The nearest name that is there: of a custom cell also a line, which its author may have meant."""
    if not own:  # every name of a named cell is right
        close = closest(name, here)
        return f"; the nearest name there is {close}" if close else ""
    known = (*here, *stage.cell.by_name, *stage.cell.states, *stage.cell.inputs)
    return nearest(name, [n for n in known if n.isidentifier()])


def require_padded(padding: str, padded: bool) -> None:
    """Raise OptionError for a rule of padding where nothing says which steps are padding."""
    if padding != "zero" and not padded:
        raise OptionError(
            "option padding changes nothing without lengths or a mask: give lengths or mask, or leave it out; "
            f"found {padding!r}"
        )
