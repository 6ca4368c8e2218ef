"""Pictures of a trace and of weights, as SVG, HTML page, PNG and Vega-Lite specification: `trace.plot()`."""
