"""See inside an LSTM, GRU or RNN: trace, verify, explain and export every value that the cell computes.

>>> import lstm_trace as lt
>>> trace = lt.run({"W_xi": [[0.5]], "W_hi": [[0.25]]}, [[1.0], [2.0]], ask="z_i", h0=[0.0], given={"h_t": [0.0]})
>>> trace["z_i"].ravel()
array([0.5, 1. ])
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .base import conveniences

if TYPE_CHECKING:
    from . import corpus as corpus, testing as testing
    from .api import *  # noqa: F403

__version__ = "0.1.0"

conveniences.AT |= {
    "lifted.compare": "lstm_trace.api:diff",
    "exported.graph": "lstm_trace.lifting.graphs.exported:read",
    "onnx.graph": "lstm_trace.lifting.graphs.onnx_graph:read",
    "run.mistake": "lstm_trace.mistakes.seeding:seeded",
    "trace.save": "lstm_trace.trace.files.trace_file:save",
    "trace.report": "lstm_trace.report.report:report",
    "trace.pdf": "lstm_trace.report.report:pdf",
    "trace.plot": "lstm_trace.plot.plots:Plots",
    "trace.to_frame": "lstm_trace.frames.frame:to_frame",
    "trace.to_csv": "lstm_trace.export.writers:to_csv",
    "trace.to_arrow": "lstm_trace.frames.frame:arrow_table",
    "trace.to_xarray": "lstm_trace.frames.frame:dataset",
    "trace.gradients": "lstm_trace.backpropagation.gradients:gradients_of",
    "trace.html": "lstm_trace.results.overview:html",
    "comparison.cause": "lstm_trace.mistakes.cause:cause",
    "comparison.to_frame": "lstm_trace.results.comparison:to_frame",
    "comparison.lines_frame": "lstm_trace.results.comparison:lines_frame",
    "trace.not_finite": "lstm_trace.trace.not_finite:first_not_finite",
    "comparison.units_frame": "lstm_trace.results.comparison:units_frame",
    "states.units": "lstm_trace.tracking.units:units",
    "states.top": "lstm_trace.tracking.contexts:top",
    "states.match": "lstm_trace.tracking.contexts:match",
    "states.select": "lstm_trace.tracking.contexts:select",
    "states.probe": "lstm_trace.tracking.probe:probe",
    "corpus.ablate": "lstm_trace.tracking.ablate:ablate",
}
conveniences.AT |= dict.fromkeys(
    ("Comparison.csv", "Comparison.parquet", "Comparison.xlsx"), "lstm_trace.export.differences:write"
)
conveniences.AT["Conformance.xml"] = "lstm_trace.results.conformance:junit"
conveniences.READINGS |= {
    "Comparison": "lstm_trace.results.comparison",
    "Identification": "lstm_trace.results.mistakes",
    "Verification": "lstm_trace.results.verification",
}


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
