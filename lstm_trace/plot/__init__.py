"""Pictures of a trace over time, as SVG of our own: `trace.plot()`."""
