"""The named cells: one file each, options in, equations out. A new one is a file here and a row in `KINDS`."""

from __future__ import annotations

from .gru import GRU
from .kind import Kind
from .lstm import LSTM
from .rnn import RNN
from .slstm import SLSTM

KINDS: dict[str, type[Kind]] = {"lstm": LSTM, "slstm": SLSTM, "gru": GRU, "rnn": RNN}
