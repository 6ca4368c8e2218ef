"""When a report is a profile and not worked steps, and the view of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..cell.network import forward_stages
from ..errors import OptionError
from ..explanation.profile import profile
from ..formulas.numbers import Style
from ..trace.trace import Trace
from ..view.extent import view
from ..view.hand_size import trained
from ..view.view import Source, View
from .illustrated import of_gates
from .options import Options

#: Numbers of a profile have so many digits that count, where nothing else is asked for.
SIGNIFICANT = 3


def is_profile(trace: Trace, chosen: Options) -> bool:
    """Whether the report of a trace is its profile: as `detail` says, or that of a trained model by default.

    Worked steps are what the report has where an option chooses some of them, where the trace is by hand or has a way
    back, and where something else than the output was asked for.
    """
    if chosen.detail is not None:
        return chosen.detail == "profile"
    by_hand = trace.header.arithmetic is not None or any(stage.is_adjoint for stage in trace.stages)
    return not (chosen.of_steps or chosen.alone or by_hand or _asks(trace)) and trained(trace)


def _asks(trace: Trace) -> bool:
    """Whether something else was asked for than the output of the last layer, as it is where nothing is."""
    last = forward_stages(trace.stages)[-1]
    return bool(set(trace.header.ask) - {last.cell.output, f"{last.scope}/{last.cell.output}"})


def profiled(trace: Trace, chosen: Options, source: Source, **how: Any) -> View:
    """What is shown of a profile. source: of the trace, in commands.

    Raises OptionError for an option of worked steps, MissingError where no cell carries a state.
    """
    foreign = [name for name in chosen.of_steps if name != "everything"]
    if foreign:
        raise OptionError(
            f"a profile is of all lines at all steps, named as in addresses; {', '.join(foreign)} belong to worked "
            "steps: leave them out, or choose another detail"
        )
    part = chosen.selection
    trace = chosen.counted(trace)
    found = profile(trace, part.layer, part.direction, part.batch)
    shown = view(trace, "summary", _numbers(trace, chosen), part, chosen.everything, chosen.language, **how)
    shown = replace(shown, profile=found, source=source, cut=frozenset(), illustration=of_gates(trace, chosen))
    return replace(shown, printed=replace(shown, paper=True))


def _numbers(trace: Trace, chosen: Options) -> Style:
    """The style of the numbers: a few digits that count, unless decimals are asked for."""
    style = chosen.numbers([trace])
    return replace(style, digits=None, significant=SIGNIFICANT) if chosen.digits is None else style
