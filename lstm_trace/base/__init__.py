"""Files, arrays, memory: what every room stands on, and nothing that knows of an LSTM."""
