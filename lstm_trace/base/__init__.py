"""Files, arrays, memory: the foundation of every room; nothing here knows of an LSTM."""
