"""What is shown of a trace, how much of it, and what its steps, units and layers are called: `View`."""
