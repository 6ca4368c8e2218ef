"""Two real mistakes in one port: the edits of both, for a search that names more than one."""

from __future__ import annotations

from .bug import BUGS, PAIRS, Bug
from .equations import CandidateNotSquashed, ForgetBiasAdded, HardSigmoidInReverse, NoTanhOnCell, RecurrentBiasLost
from .files import KerasGruOrder, OnnxOrderAsPytorch, RecurrentNotTransposed
from .gru_and_rnn import BiasOutsideReset, CandidateBiasLost, ResetBefore, UpdateComplement
from .port import Model, Port
from .states import CellStateWiped, DirectionsStatesExchanged, InitialExchanged, ReverseStateWiped
from .wiring import FeaturesReversed, JoinedBackwards, ReverseNotTurnedRound, ReverseRunsForward

LSTM = Model(layers=2, directions=("forward", "reverse"), bias="two")
GRU = Model(kind="gru", layers=2, directions=("forward", "reverse"), bias="two", options={"reset_after": True})


def _pair(model: Model, first: type[Port], second: type[Port]) -> Bug:
    a, b = (next(bug for bug in BUGS if bug.port is port) for port in (first, second))
    port = type(f"{a.name}And{b.name}", (first, second), {})
    touches = a.touches | b.touches
    return Bug(port.__name__, "pair", f"{a.title}; {b.title}", model, f"{a.says}; {b.says}", touches, port)


PAIRS += [
    _pair(LSTM, NoTanhOnCell, JoinedBackwards),
    _pair(LSTM, RecurrentBiasLost, InitialExchanged),
    _pair(LSTM, ForgetBiasAdded, ReverseRunsForward),
    _pair(LSTM, OnnxOrderAsPytorch, ReverseNotTurnedRound),
    _pair(LSTM, CellStateWiped, HardSigmoidInReverse),
    _pair(LSTM, CandidateNotSquashed, DirectionsStatesExchanged),
    _pair(GRU, KerasGruOrder, ResetBefore),
    _pair(GRU, CandidateBiasLost, UpdateComplement),
    _pair(GRU, FeaturesReversed, ReverseStateWiped),
    _pair(GRU, RecurrentNotTransposed, BiasOutsideReset),
]
