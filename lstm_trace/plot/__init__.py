"""Pictures of a trace and of weights, as SVG of our own, page, PNG and Vega-Lite specification: `trace.plot()`."""
