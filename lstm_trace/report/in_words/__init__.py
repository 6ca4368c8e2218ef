"""What happened in a trace, in words: what is told is decided from the lines (`gates`, `states`, `readouts`), and said."""
