"""Values in the terminal; differences and explanations as frames, in the terminal, in notebooks."""
