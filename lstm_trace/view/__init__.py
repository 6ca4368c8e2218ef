"""What is shown of a trace, how much of it, and the names of its steps, units and layers: `View`."""
