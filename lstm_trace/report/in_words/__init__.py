"""What happened in a trace, in words: what gates, states and readouts did, for the units that are described."""
