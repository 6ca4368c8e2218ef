"""Values, differences and explanations as tables: frames, the terminal, notebooks."""
