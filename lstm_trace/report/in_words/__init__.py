"""What happened in a trace, in words: facts from its lines (`gates`, `states`, `readouts`), sentences from facts."""
