"""Which mistake in interpreting weights explains another program's numbers."""
