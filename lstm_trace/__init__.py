"""See inside an LSTM, GRU or RNN: trace, verify, explain and export every value that the cell computes.

>>> import lstm_trace as lt
>>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", h0=[0.0], given={"h_t": [0.0]})
>>> trace["z_i"].ravel()
array([0.5, 1. ])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import corpus as corpus, testing as testing
    from .api import *  # noqa: F403

__version__ = "0.1.0"


def _api() -> Any:
    # imported on first use: the command line's --help must not pay for numpy, pydantic and pandas
    return import_module(".api", __name__)


if not TYPE_CHECKING:  # a type checker would accept every name

    def __getattr__(name: str) -> Any:
        if name in ("corpus", "testing"):  # corpus needs pyarrow
            return import_module(f".{name}", __name__)
        if name != "__all__" and (name == "api" or name.startswith("__") or name not in _api().__all__):
            raise AttributeError(f"module 'lstm_trace' has no attribute {name!r}")
        return getattr(_api(), name)


def __dir__() -> list[str]:
    return [*_api().__all__, "corpus", "testing", "__version__"]
