"""Which mistake in reading weights explains another program's numbers."""
